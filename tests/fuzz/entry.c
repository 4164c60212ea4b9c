/* entry.c - a record of the cache's file, whatever was made of it (K13). */
#include "fuzz.h"
#include "cache/store_lmdb.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED(""), SEED("0123456789012345678901234567890123456789012345678901234567"
    "89012345678901234567890123456789012345678901234567890123456789012345678901"
    "23456789"), { NULL, 0 }
};

/* A good record, with one byte of it changed: seen, or the byte was none of
 * the record's. */
static void flip(struct fuzz *f)
{
    struct lm_rec r = { .full = AE_STR("key"), .ctype = AE_STR("text/plain"),
                        .project = AE_STR("p"), .ns = AE_STR("n"),
                        .name = AE_STR("x"), .etag = AE_STR("\"e\"") };
    struct lm_rec back;
    char         *p;
    size_t        n;

    r.body = ae_sub(f->in, 0, 64);
    r.f.body_len = r.body.n;
    r.f.status = 200;
    n = lm_rec_size(&r);
    p = ae_alloc(&f->a, n);
    if (!p)
        return;
    lm_rec_pack(&r, p);
    FUZZ_HOLD(lm_rec_parse(ae_s(p, n), &back) == AE_OK
              && ae_eq(back.body, r.body));
    if (f->in.n < 3)
        return;
    p[((size_t)(unsigned char)f->in.p[0] << 8
       | (unsigned char)f->in.p[1]) % n] ^= (char)(f->in.p[2] | 1);
    if (lm_rec_parse(ae_s(p, n), &back) == AE_OK)
        FUZZ_HOLD(ae_eq(back.body, r.body) && ae_eq(back.full, r.full));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz   f;
    struct lm_rec r;

    fuzz_begin(&f, data, size);
    if (lm_rec_parse(f.in, &r) == AE_OK)
        FUZZ_HOLD(r.body.n <= size && r.full.n <= size);
    flip(&f);
    fuzz_end(&f);
    return 0;
}
