/*
 * brotli.c - one of the codings of coding.c (RFC 7932), if the library was
 * there when this was built.
 */
#include "cache/internal.h"

#if AE_BROTLI
#include <brotli/encode.h>

/* Half of gzip's speed for a fifth less; the window of 256 KB keeps what a
 * large answer takes while it comes to about 1 MB. */
enum { QUALITY = 4, LOG_WINDOW = 18 };

static void *open_br(void)
{
    BrotliEncoderState *z = BrotliEncoderCreateInstance(NULL, NULL, NULL);

    if (z && (!BrotliEncoderSetParameter(z, BROTLI_PARAM_QUALITY, QUALITY)
              || !BrotliEncoderSetParameter(z, BROTLI_PARAM_LGWIN,
                                            LOG_WINDOW))) {
        BrotliEncoderDestroyInstance(z);
        z = NULL;
    }
    return z;
}

static bool feed_br(ae_coder *c, ae_str part, bool last)
{
    BrotliEncoderState *z = c->state;
    const uint8_t      *in = (const uint8_t *)part.p;
    size_t              left = part.n;

    do {
        uint8_t *out = (uint8_t *)c->buf;
        size_t   room = sizeof(c->buf);

        if (!BrotliEncoderCompressStream(z, last ? BROTLI_OPERATION_FINISH
                                         : BROTLI_OPERATION_PROCESS, &left,
                                         &in, &room, &out, NULL))
            return false;
        if (room < sizeof(c->buf))
            c->out(c->ctx, ae_s(c->buf, sizeof(c->buf) - room));
    } while (left || BrotliEncoderHasMoreOutput(z));
    return !last || BrotliEncoderIsFinished(z);
}

static void close_br(void *z)
{
    BrotliEncoderDestroyInstance(z);
}

const struct ae_coder_ops ae_coder_br = { open_br, feed_br, close_br };
#else
extern const struct ae_coder_ops ae_coder_br; /* no empty file for ISO C */
#endif
