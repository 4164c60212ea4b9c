/*
 * gzip.c - one of the codings of coding.c.
 */
#include "cache/internal.h"

#include <stdlib.h>
#include <zlib.h>

/* The fastest level: JSON shrinks to an eighth, at over 100 MB a second; the
 * best one takes three times as long for a fifth less. */
enum { LEVEL = 1, GZIP_WRAPPER = 16 };

static void *open_gzip(void)
{
    z_stream *z = calloc(1, sizeof(*z));

    if (z && deflateInit2(z, LEVEL, Z_DEFLATED, MAX_WBITS + GZIP_WRAPPER, 8,
                          Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        z = NULL;
    }
    return z;
}

static bool run(ae_coder *c, int flush)
{
    z_stream *z = c->state;
    int       rc;

    do {
        z->next_out = (Bytef *)c->buf;
        z->avail_out = sizeof(c->buf);
        rc = deflate(z, flush);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
            return false;
        if (z->avail_out < sizeof(c->buf))
            c->out(c->ctx, ae_s(c->buf, sizeof(c->buf) - z->avail_out));
    } while (z->avail_out == 0);
    return flush != Z_FINISH || rc == Z_STREAM_END;
}

static bool feed_gzip(ae_coder *c, ae_str part, bool last)
{
    z_stream *z = c->state;

    do { /* zlib counts in 32 bits */
        size_t n = part.n < (1u << 30) ? part.n : 1u << 30;

        z->next_in = (Bytef *)(uintptr_t)part.p;
        z->avail_in = (uInt)n;
        part = ae_sub(part, n, part.n);
        if (!run(c, last && !part.n ? Z_FINISH : Z_NO_FLUSH))
            return false;
    } while (part.n);
    return true;
}

static void close_gzip(void *z)
{
    deflateEnd(z);
    free(z);
}

const struct ae_coder_ops ae_coder_gzip = { open_gzip, feed_gzip, close_gzip };
