/*
 * backend.c - build/demo-backend --port N --inputs DIR --data DIR [--apps N]
 * Plain HTTP/1.1 on 127.0.0.1, a thread a connection.
 */
#include "backend.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REQUEST_MAX = 4 << 20 };

static struct world world;

static ae_str header(ae_str head, const char *name)
{
    ae_str line;

    while (head.p) {
        ae_str v;

        head = ae_cut(head, '\n', &line);
        v = ae_cut(line, ':', &line);
        if (v.p && ae_ieq(line, ae_cs(name)))
            return ae_trim(v);
    }
    return ae_s(NULL, 0);
}

/* Reads one request into |buf|; how many bytes it has, 0 at the end. */
static size_t read_request(int fd, char *buf, size_t *have, size_t *at)
{
    for (;;) {
        size_t  end = ae_find_str(ae_s(buf, *have), AE_STR("\r\n\r\n"));
        ssize_t got;

        if (end != SIZE_MAX) {
            ae_str   cl = header(ae_s(buf, end), "content-length");
            uint64_t n = 0;

            ae_parse_u64(cl, &n);
            *at = end + 4;
            if (n <= REQUEST_MAX - *at && *have >= *at + n)
                return *at + (size_t)n;
        }
        if (*have == REQUEST_MAX)
            return 0;
        got = read(fd, buf + *have, REQUEST_MAX - *have);
        if (got <= 0)
            return 0;
        *have += (size_t)got;
    }
}

static bool serve(int fd, ae_str head, ae_str body)
{
    ae_heap     heap = { NULL, 0 };
    ae_arena    a;
    struct call c = { .w = &world, .a = &a, .fd = fd, .body = body };
    ae_str      line, rest, out;
    bool        ok;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_cut(head, '\r', &line);
    rest = ae_cut(line, ' ', &c.method);
    ae_cut(rest, ' ', &c.target);
    c.ctype = header(head, "content-type");
    c.authorization = header(head, "authorization");
    c.cookie = header(head, "cookie");
    api_answer(&c);
    if (c.streamed) {
        ae_heap_free(&heap);
        return false;
    }
    out = ae_fmt(&a, "HTTP/1.1 %d X\r\nContent-Type: %.*s\r\nVary: "
                 "Accept-Encoding\r\nContent-Length: %zu\r\n\r\n", c.status,
                 (int)c.type.n, c.type.p, c.answer.n);
    ok = api_say(fd, out) && api_say(fd, c.answer);
    ae_heap_free(&heap);
    return ok;
}

static void *connection(void *arg)
{
    int    fd = (int)(intptr_t)arg;
    char  *buf = malloc(REQUEST_MAX);
    size_t have = 0, at = 0, n;

    while (buf && (n = read_request(fd, buf, &have, &at))) {
        if (!serve(fd, ae_s(buf, at), ae_s(buf + at, n - at)))
            break;
        memmove(buf, buf + n, have - n);
        have -= n;
    }
    free(buf);
    close(fd);
    return NULL;
}

static int listen_on(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int                fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 128)) {
        perror("backend: cannot listen");
        return -1;
    }
    return fd;
}

int main(int argc, char **argv)
{
    const char *inputs = NULL, *data = "demo/data";
    int         port = 0, apps = 400, fd;

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--port") == 0)
            port = (int)strtol(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--inputs") == 0)
            inputs = argv[i + 1];
        else if (strcmp(argv[i], "--data") == 0)
            data = argv[i + 1];
        else if (strcmp(argv[i], "--apps") == 0)
            apps = (int)strtol(argv[i + 1], NULL, 10);
    }
    if (!inputs || !port) {
        fprintf(stderr, "usage: demo-backend --port N --inputs DIR "
                "[--data DIR] [--apps N]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (world_init(&world, inputs, data, apps) || (fd = listen_on(port)) < 0)
        return 1;
    for (;;) {
        pthread_t t;
        int       c = accept(fd, NULL, NULL);

        if (c >= 0 && pthread_create(&t, NULL, connection,
                                     (void *)(intptr_t)c) == 0)
            pthread_detach(t);
        else if (c >= 0)
            close(c);
    }
}
