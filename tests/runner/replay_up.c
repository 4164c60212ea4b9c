/*
 * replay_up.c - the scripted upstream: answers the one expected request with
 * the recorded answer, and everything else with 400 and X-Replay: unexpected.
 * It matches method, target and body (after de-chunking), not headers.
 */
#include "replay.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static pthread_mutex_t     lock = PTHREAD_MUTEX_INITIALIZER;
static const struct xchg  *expected;
static int                 hits;
static int                 stream = -1;    /* an answer without an end */

/* A stream ends with its case: a server that waits for more of it has one
 * process less for the next. */
void up_expect(const struct xchg *x)
{
    pthread_mutex_lock(&lock);
    expected = x;
    hits = 0;
    if (stream >= 0)
        shutdown(stream, SHUT_RDWR);
    stream = -1;
    pthread_mutex_unlock(&lock);
}

int up_hits(void)
{
    int n;

    pthread_mutex_lock(&lock);
    n = hits;
    pthread_mutex_unlock(&lock);
    return n;
}

struct conn { int fd; char *p; size_t n, cap; };

static bool more(struct conn *c)
{
    ssize_t got;

    if (c->cap - c->n < 65536) {
        char *q = realloc(c->p, c->cap + (1 << 20));

        if (!q)
            return false;
        c->p = q;
        c->cap += 1 << 20;
    }
    got = read(c->fd, c->p + c->n, c->cap - c->n);
    if (got <= 0)
        return false;
    c->n += (size_t)got;
    return true;
}

static ae_str header(ae_str head, const char *name)
{
    ae_str line;

    while (head.p) {
        ae_str v;

        head = ae_cut(head, '\n', &line);
        v = ae_cut(line, ':', &line);
        if (v.p && ae_ieq(ae_trim(line), ae_cs(name)))
            return ae_trim(v);
    }
    return ae_s(NULL, 0);
}

/* Reads a chunked body that starts at |at|; *end = past it.  Payload goes to
 * the front of what was read, in place. */
static bool read_chunks(struct conn *c, size_t at, size_t *n, size_t *end)
{
    size_t out = at, i = at;

    for (;;) {
        size_t nl, size;

        while ((nl = ae_find(ae_s(c->p + i, c->n - i), '\n')) == c->n - i)
            if (!more(c))
                return false;
        size = strtoul(c->p + i, NULL, 16);
        i += nl + 1;
        while (c->n < i + size + 2)
            if (!more(c))
                return false;
        if (size == 0) {
            *n = out - at;
            *end = i + 2;
            return true;
        }
        memmove(c->p + out, c->p + i, size);
        out += size;
        i += size + 2;
    }
}

static void say(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);

        if (w <= 0)
            return;
        p += w;
        n -= (size_t)w;
    }
}

/* Framing is ours; the rest of the recorded headers goes out as recorded. */
static void answer(int fd, const struct xchg *x)
{
    const json_t *res = json_object_get(x->c, "response"), *h;
    const char   *reason = json_string_value(json_object_get(res, "reason"));
    bool          gz = json_is_true(json_object_get(res, "body_was_gzip"));
    char          buf[1024];
    size_t        i;
    int           n;

    n = snprintf(buf, sizeof(buf), "HTTP/1.1 %d %s\r\n", x->status,
                 reason ? reason : "OK");
    say(fd, buf, (size_t)n);
    json_array_foreach(json_object_get(res, "headers"), i, h) {
        ae_str k = ae_json_str(json_array_get(h, 0));
        ae_str v = ae_json_str(json_array_get(h, 1));

        if (ae_eq_lit(k, "content-length")
            || ae_eq_lit(k, "transfer-encoding") || ae_eq_lit(k, "trailer")
            || (gz && ae_eq_lit(k, "content-encoding")))
            continue;
        n = snprintf(buf, sizeof(buf), "%.*s: %.*s\r\n", (int)k.n, k.p,
                     (int)v.n, v.p);
        say(fd, buf, (size_t)n);
    }
    if (x->stream_open)
        n = snprintf(buf, sizeof(buf), "Transfer-Encoding: chunked\r\n\r\n"
                     "%zx\r\n", x->want.n);
    else if (x->head || x->status == 304)
        n = snprintf(buf, sizeof(buf), "\r\n");
    else
        n = snprintf(buf, sizeof(buf), "Content-Length: %zu\r\n\r\n",
                     x->want.n);
    say(fd, buf, (size_t)n);
    if (!x->head)
        say(fd, x->want.p, x->want.n);
    if (x->stream_open) {
        say(fd, "\r\n", 2);
        stream = fd;
    }
}

static bool expected_is(const struct xchg *x, ae_str method, ae_str target,
                        ae_str body)
{
    return x && ae_eq(method, ae_cs(x->method)) && ae_eq(target, x->target)
        && ae_eq(body, x->plain);
}

/* One request; false when the connection is done. */
static bool serve_one(struct conn *c)
{
    static const char no[] = "HTTP/1.1 400 Bad Request\r\nX-Replay: "
        "unexpected\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\n"
        "unexpected\n";
    static const char more_please[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct xchg *x;
    size_t             end, at, n = 0;
    ae_str             head, line, method, target, body, te, cl;

    while ((end = ae_find_str(ae_s(c->p, c->n), AE_STR("\r\n\r\n")))
           == SIZE_MAX)
        if (!more(c))
            return false;
    at = end + 4;
    te = header(ae_s(c->p, end), "transfer-encoding");
    cl = header(ae_s(c->p, end), "content-length");
    /* as Go's server does: mod_proxy waits for it */
    if (header(ae_s(c->p, end), "expect").p)
        say(c->fd, more_please, sizeof(more_please) - 1);
    if (te.p && !read_chunks(c, at, &n, &end))
        return false;
    if (!te.p) {
        n = cl.p ? strtoul(cl.p, NULL, 10) : 0;
        while (c->n < at + n)
            if (!more(c))
                return false;
        end = at + n;
    }
    head = ae_s(c->p, at);
    ae_cut(head, '\r', &line);
    target = ae_cut(ae_cut(line, ' ', &method), ' ', &line);
    target = line.p ? line : target;
    body = ae_s(c->p + at, n);

    pthread_mutex_lock(&lock);
    hits++;
    x = expected_is(expected, method, target, body) ? expected : NULL;
    if (x)
        answer(c->fd, x);
    else
        say(c->fd, no, sizeof(no) - 1);
    pthread_mutex_unlock(&lock);
    memmove(c->p, c->p + end, c->n - end);
    c->n -= end;
    return true;
}

static void *serve(void *arg)
{
    struct conn c = { (int)(intptr_t)arg, NULL, 0, 0 };

    while (serve_one(&c))
        ;
    pthread_mutex_lock(&lock);
    if (stream == c.fd)
        stream = -1;
    close(c.fd);
    pthread_mutex_unlock(&lock);
    free(c.p);
    return NULL;
}

static void *accept_loop(void *arg)
{
    int fd = (int)(intptr_t)arg;

    for (;;) {
        pthread_t t;
        int       c = accept(fd, NULL, NULL), on = 1;

        if (c < 0)
            continue;
        /* many small writes, and the peer may wait with its ACKs */
        setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (pthread_create(&t, NULL, serve, (void *)(intptr_t)c) == 0)
            pthread_detach(t);
        else
            close(c);
    }
    return NULL;
}

int up_start(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t          n = sizeof(a);
    pthread_t          t;
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0
        || listen(fd, 128) < 0 || getsockname(fd, (struct sockaddr *)&a, &n)
        || pthread_create(&t, NULL, accept_loop, (void *)(intptr_t)fd))
        return -1;
    pthread_detach(t);
    return ntohs(a.sin_port);
}
