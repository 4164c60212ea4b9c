/* copies.c - full lists at hand: found by key, only while they are good, and
 * within their bounds. */
#include "fixture.h"

static struct ae_copy *copy(unsigned char key, uint64_t gen, int64_t until,
                            size_t bytes)
{
    struct ae_copy *c = ae_copy_new();

    if (!c)
        exit(2);
    memset(c->hash, key, sizeof c->hash);
    c->gen[0] = gen;
    c->ngen = 1;
    c->fresh_until_us = until;
    c->heap.bytes = bytes; /* as if it held so much */
    return c;
}

static void keep(ae_engine *e, unsigned char key, uint64_t gen, int64_t until,
                 size_t bytes)
{
    struct ae_copy *c = copy(key, gen, until, bytes);

    ae_copies_put(e, c);
    ae_copy_unref(c);
}

static bool have(ae_engine *e, unsigned char key, uint64_t gen, int64_t now)
{
    unsigned char hash[32];
    struct ae_copy *c;

    memset(hash, key, sizeof hash);
    c = ae_copies_get(e, hash, &gen, 1, now);
    ae_copy_unref(c);
    return c != NULL;
}

int main(void)
{
    struct fx f;
    ae_engine *e;
    unsigned n = 0;

    fx_open(&f);
    e = f.e;
    keep(e, 1, 7, 100, 10);
    tap_ok(have(e, 1, 7, 99) && e->copy_bytes == 10, "kept");
    tap_ok(!have(e, 2, 7, 99), "by its key");
    tap_ok(!have(e, 1, 8, 99) && e->copy_bytes == 0,
           "gone when a generation has moved");
    keep(e, 1, 7, 100, 10);
    tap_ok(!have(e, 1, 7, 100) && e->copy_bytes == 0, "or its time is over");
    keep(e, 1, 7, 100, 10);
    keep(e, 1, 8, 200, 20);
    tap_ok(have(e, 1, 8, 50) && e->copy_bytes == 20, "a newer one in place");
    ae_copies_tick(e, 199);
    tap_ok(have(e, 1, 8, 50), "a tick leaves what is good");
    ae_copies_tick(e, 200);
    tap_ok(!e->copy_bytes, "and drops the rest");
    for (unsigned i = 0; i < AE_COPIES + 1; i++) {
        keep(e, (unsigned char)(10 + i), 1, 1000, 1);
        have(e, (unsigned char)(10 + i), 1, (int64_t)i + 1); /* used then */
    }
    for (unsigned i = 0; i < AE_COPIES + 1; i++)
        n += have(e, (unsigned char)(10 + i), 1, 500);
    tap_ok(n == AE_COPIES && !have(e, 10, 1, 500) && e->copy_bytes == n,
           "the one used longest ago gives way");
    keep(e, 90, 1, 1000, AE_COPIES_BYTES + 1);
    tap_ok(!have(e, 90, 1, 500) && have(e, 11, 1, 500),
           "one that is too large is not kept");
    keep(e, 91, 1, 1000, AE_COPIES_BYTES);
    tap_ok(have(e, 91, 1, 500) && e->copy_bytes == AE_COPIES_BYTES,
           "a large one drives the others out");
    fx_close(&f);
    return tap_done();
}
