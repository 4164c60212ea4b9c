/* b64url.c - what decodes strictly encodes to the same text again, but for
 * the line ends that Go skips. */
#include "fuzz.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("eyJhbGciOiJIUzI1NiJ9"), SEED("AA"), SEED("AB"), SEED("_-8"),
    SEED("a=="), { NULL, 0 }
};

static ae_str without_ends(struct fuzz *f)
{
    ae_buf b;

    ae_buf_init(&b, &f->a, 0);
    for (size_t i = 0; i < f->in.n; i++)
        if (f->in.p[i] != '\r' && f->in.p[i] != '\n')
            ae_buf_putc(&b, f->in.p[i]);
    return ae_buf_str(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ae_str      out, back;
    size_t      bad = 0;
    struct fuzz f;

    fuzz_begin(&f, data, size);
    if (ae_b64url_decode(&f.a, f.in, true, &out, &bad) == AE_OK) {
        back = ae_b64url_encode(&f.a, out);
        FUZZ_HOLD(ae_eq(back, without_ends(&f)));
        FUZZ_HOLD(ae_b64url_decode(&f.a, f.in, false, &back, &bad) == AE_OK
                  && ae_eq(back, out));
    } else {
        FUZZ_HOLD(bad <= size);
    }
    fuzz_end(&f);
    return 0;
}
