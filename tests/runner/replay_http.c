/* replay_http.c - a client that sends a recorded request byte for byte. */
#include "replay.h"
#include "world.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000, STREAM_MS = 5000 };

static int dial(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    a.sin_port = htons((uint16_t)port);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void put_headers(ae_buf *b, const struct xchg *x)
{
    const json_t *req = json_object_get(x->c, "request"), *h;
    bool          host = false;
    size_t        i;

    json_array_foreach(json_object_get(req, "headers"), i, h) {
        ae_str k = ae_json_str(json_array_get(h, 0));

        if (ae_ieq(k, AE_STR("host")))
            host = true;
        ae_buf_put(b, k);
        ae_buf_puts(b, ": ");
        ae_buf_put(b, ae_json_str(json_array_get(h, 1)));
        ae_buf_puts(b, "\r\n");
    }
    if (!host)
        ae_buf_puts(b, "Host: argocd.example.com\r\n");
    if (x->has_body && !x->chunked)
        ae_buf_printf(b, "Content-Length: %zu\r\n", x->body.n);
    ae_buf_puts(b, "Connection: close\r\n\r\n");
    ae_buf_put(b, x->body);
}

static ae_str field(ae_str head, const char *name)
{
    ae_str line, rest = head;

    while (rest.p) {
        ae_str v;

        rest = ae_cut(rest, '\n', &line);
        v = ae_cut(line, ':', &line);
        if (v.p && ae_ieq(line, ae_cs(name)))
            return ae_trim(v);
    }
    return ae_s(NULL, 0);
}

/* De-chunks as much as is there; true at the last chunk. */
static bool unchunk(ae_str in, char *out, size_t *n)
{
    size_t i = 0;

    *n = 0;
    while (i < in.n) {
        ae_str rest = ae_sub(in, i, in.n);
        size_t nl = ae_find(rest, '\n'), size;

        if (nl == rest.n)
            return false;
        size = strtoul(rest.p, NULL, 16);
        if (size == 0)
            return true;
        i += nl + 1;
        if (i + size > in.n) {
            memcpy(out + *n, in.p + i, in.n - i);
            *n += in.n - i;
            return false;
        }
        memcpy(out + *n, in.p + i, size);
        *n += size;
        i += size + 2;
    }
    return false;
}

/* Parses what has come so far; true when the message is whole. */
static bool parse(ae_str in, const struct xchg *x, struct msg *m)
{
    size_t end = ae_find_str(in, AE_STR("\r\n\r\n")), n;
    ae_str head, te, cl, id, body;
    bool   done = false;

    if (end != SIZE_MAX && ae_starts(in, AE_STR("HTTP/1.1 100"))) {
        in = ae_sub(in, end + 4, in.n);
        end = ae_find_str(in, AE_STR("\r\n\r\n"));
    }
    if (end == SIZE_MAX)
        return false;
    head = ae_sub(in, 0, end);
    body = ae_sub(in, end + 4, in.n);
    msg_free(m);
    m->status = in.n > 12 ? atoi(in.p + 9) : 0;
    m->ctype = world_z(field(head, "content-type"));
    id = field(head, "x-replay-policy");
    m->policy_id = world_z(id);
    m->head = world_z(head);
    m->unexpected = field(head, "x-replay").p != NULL;
    m->body = world_z(body);
    m->nbody = body.n;
    te = field(head, "transfer-encoding");
    cl = field(head, "content-length");
    if (te.p) {
        done = unchunk(body, m->body, &n);
        m->nbody = n;
    } else if (cl.p) {
        done = body.n >= strtoul(cl.p, NULL, 10);
    }
    return done || (x && x->head) || m->status == 304
        || (x && x->stream_open && m->nbody >= x->want.n
            && m->status == x->status);
}

static int collect(int fd, const struct xchg *x, struct msg *m)
{
    size_t cap = 1 << 20, n = 0;
    char  *p = malloc(cap);
    int    wait = x && x->stream_open ? STREAM_MS : PATIENCE_MS;

    while (p) {
        struct pollfd pf = { .fd = fd, .events = POLLIN };
        ssize_t       got;

        if (poll(&pf, 1, wait) <= 0)
            break;
        if (cap - n < 65536) {
            char *q = realloc(p, cap *= 2);

            if (!q)
                break;
            p = q;
        }
        got = read(fd, p + n, cap - n);
        if (got <= 0)
            break;
        n += (size_t)got;
        if (parse(ae_s(p, n), x, m))
            break;
    }
    if (n)
        parse(ae_s(p, n), x, m);
    free(p);
    return 0;
}

static int roundtrip(int port, ae_str bytes, const struct xchg *x,
                     struct msg *out)
{
    int    fd = dial(port);
    size_t sent = 0;

    memset(out, 0, sizeof(*out));
    if (fd < 0)
        return -1;
    while (sent < bytes.n) {
        ssize_t w = write(fd, bytes.p + sent, bytes.n - sent);

        if (w <= 0)
            break; /* the server may have refused before reading it all */
        sent += (size_t)w;
    }
    collect(fd, x, out);
    close(fd);
    if (!out->ctype) {
        out->ctype = world_z(AE_STR(""));
        out->policy_id = world_z(AE_STR(""));
        out->body = world_z(AE_STR(""));
    }
    return 0;
}

int http_run(int port, const struct xchg *x, struct msg *out)
{
    ae_heap  heap = { NULL, 0 };
    ae_arena a;
    ae_buf   b;
    int      rc;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    ae_buf_puts(&b, x->method);
    ae_buf_puts(&b, " ");
    ae_buf_put(&b, x->target);
    ae_buf_puts(&b, " HTTP/1.1\r\n");
    put_headers(&b, x);
    rc = b.bad ? -1 : roundtrip(port, ae_buf_str(&b), x, out);
    ae_heap_free(&heap);
    return rc;
}

int http_get(int port, const char *target, struct msg *out)
{
    char buf[512];
    int  n = snprintf(buf, sizeof(buf), "GET %s HTTP/1.1\r\nHost: replay\r\n"
                      "Connection: close\r\n\r\n", target);

    return roundtrip(port, ae_s(buf, (size_t)n), NULL, out);
}
