/*
 * gzip.c - an entry's body compressed once, when it is stored: each answer
 * then is a copy, not a compression.
 */
#include "cache/cache.h"

#include <stdlib.h>
#include <zlib.h>

/* The fastest level: JSON shrinks to an eighth, at over 100 MB a second; the
 * best one takes three times as long for a fifth less. */
enum { LEVEL = 1, GZIP_WRAPPER = 16, OUT = 16384 };

struct ae_gzip {
    z_stream z;
    void   (*out)(void *ctx, ae_str part);
    void    *ctx;
    bool     bad;
    char     buf[OUT];
};

/* ";q=0" and its likes refuse. */
static bool refused(ae_str params)
{
    ae_str one, name, v;

    while (params.p) {
        params = ae_cut(params, ';', &one);
        v = ae_cut(one, '=', &name);
        if (!v.p || !ae_ieq(ae_trim(name), AE_STR("q")))
            continue;
        v = ae_trim(v);
        for (size_t i = 0; i < v.n; i++)
            if (v.p[i] != '0' && v.p[i] != '.')
                return false;
        return v.n > 0;
    }
    return false;
}

bool ae_gzip_accepted(ae_str list)
{
    ae_str one, name;
    bool   any = false;

    while (list.p) {
        ae_str params;

        list = ae_cut(list, ',', &one);
        params = ae_cut(one, ';', &name);
        name = ae_trim(name);
        if (ae_ieq(name, AE_STR("gzip")) || ae_ieq(name, AE_STR("x-gzip")))
            return !refused(params);
        if (ae_eq_lit(name, "*"))
            any = !refused(params);
    }
    return any;
}

ae_gzip *ae_gzip_new(void (*out)(void *ctx, ae_str part), void *ctx)
{
    ae_gzip *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->out = out;
    g->ctx = ctx;
    if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP_WRAPPER, 8,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        return NULL;
    }
    return g;
}

static bool run(ae_gzip *g, int flush)
{
    int rc;

    do {
        g->z.next_out = (Bytef *)g->buf;
        g->z.avail_out = OUT;
        rc = deflate(&g->z, flush);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return false;
        if (g->z.avail_out < OUT)
            g->out(g->ctx, ae_s(g->buf, OUT - g->z.avail_out));
    } while (g->z.avail_out == 0);
    return flush != Z_FINISH || rc == Z_STREAM_END;
}

void ae_gzip_feed(ae_gzip *g, ae_str part, bool last)
{
    do { /* zlib counts in 32 bits */
        size_t n = part.n < (1u << 30) ? part.n : 1u << 30;

        g->z.next_in = (Bytef *)(uintptr_t)part.p;
        g->z.avail_in = (uInt)n;
        part = ae_sub(part, n, part.n);
        if (!g->bad && !run(g, last && !part.n ? Z_FINISH : Z_NO_FLUSH))
            g->bad = true;
    } while (part.n);
}

void ae_gzip_free(ae_gzip *g)
{
    if (!g)
        return;
    deflateEnd(&g->z);
    free(g);
}

static void collect(void *ctx, ae_str part)
{
    ae_buf_put(ctx, part);
}

ae_str ae_gzip_once(ae_arena *a, ae_str body)
{
    ae_buf   b;
    ae_gzip *g;
    bool     ok;

    if (body.n < AE_GZIP_MIN)
        return ae_s(NULL, 0);
    ae_buf_init(&b, a, body.n - body.n / 8);
    g = ae_gzip_new(collect, &b);
    if (!g)
        return ae_s(NULL, 0);
    ae_gzip_feed(g, body, true);
    ok = !g->bad && !b.bad;
    ae_gzip_free(g);
    return ok ? ae_buf_str(&b) : ae_s(NULL, 0);
}
