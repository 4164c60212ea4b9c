/*
 * zstd.c - one of the codings of coding.c (RFC 8878), if the library was there
 * when this was built.
 */
#include "cache/internal.h"

#if AE_ZSTD
#include <zstd.h>

/* Twice as fast as gzip's fastest, and smaller.  The window of 256 KB is far
 * below the 8 MB that clients must take (RFC 9659), and keeps what a large
 * answer takes while it comes to about 1 MB. */
enum { LEVEL = 3, LOG_WINDOW = 18 };

static void *open_zstd(void)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();

    if (z && (ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel,
                                                  LEVEL))
              || ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog,
                                                     LOG_WINDOW)))) {
        ZSTD_freeCCtx(z);
        z = NULL;
    }
    return z;
}

static bool feed_zstd(ae_coder *c, ae_str part, bool last)
{
    ZSTD_inBuffer in = { part.p ? part.p : "", part.n, 0 };
    size_t        left;

    do {
        ZSTD_outBuffer out = { c->buf, sizeof(c->buf), 0 };

        left = ZSTD_compressStream2(c->state, &out, &in, last ? ZSTD_e_end
                                                    : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return false;
        if (out.pos)
            c->out(c->ctx, ae_s(c->buf, out.pos));
    } while (in.pos < in.size || (last && left));
    return true;
}

static void close_zstd(void *z)
{
    ZSTD_freeCCtx(z);
}

const struct ae_coder_ops ae_coder_zstd = { open_zstd, feed_zstd,
                                            close_zstd };
#else
extern const struct ae_coder_ops ae_coder_zstd; /* no empty file for ISO C */
#endif
