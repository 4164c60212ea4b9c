/* quarantine.c - a store that is busy, a table that is full (T13). */
#include "fixture.h"

static int busy, bumps;

static int fake_bump(ae_store *s, const ae_str *tags, size_t n)
{
    (void)s, (void)tags, (void)n;
    if (busy > 0) {
        busy--;
        return AE_E_BUSY;
    }
    bumps++;
    return AE_OK;
}

static void test_write(ae_engine *e, struct fx *f)
{
    ae_str a = AE_STR("a"), b = AE_STR("b");
    int64_t first, second;

    tap_ok(!ae_quar_holds(e, &a, 1), "nothing is held");
    first = ae_quar_write(e, &a, 1, 5000000);
    tap_ok(bumps == 1 && ae_quar_holds(e, &a, 1) && !ae_quar_holds(e, &b, 1),
           "a write moves and holds its tag");
    fx_pass(f, 1000);
    second = ae_quar_write(e, &a, 1, 5000000);
    ae_quar_release(e, &a, 1, first);
    tap_ok(ae_quar_holds(e, &a, 1), "what another write holds stays");
    ae_quar_release(e, &a, 1, second);
    tap_ok(!ae_quar_holds(e, &a, 1), "and goes with it");
    ae_quar_write(e, &a, 1, 5000000);
    fx_pass(f, 4999);
    ae_quar_tick(e, f->mono);
    tap_ok(ae_quar_holds(e, &a, 1) && bumps == 3, "not due yet");
    fx_pass(f, 2);
    tap_ok(!ae_quar_holds(e, &a, 1), "over");
    ae_quar_tick(e, f->mono);
    ae_quar_tick(e, f->mono);
    tap_ok(bumps == 4, "and moved once more at its end");
    ae_quar_write(e, &a, 1, 0);
    tap_ok(bumps == 5 && !ae_quar_holds(e, &a, 1), "0: no quarantine");
}

/* A move that found the store busy is not lost. */
static void test_busy(ae_engine *e, struct fx *f)
{
    ae_str a = AE_STR("a");

    bumps = 0;
    busy = 1;
    ae_quar_write(e, &a, 1, 0);
    tap_ok(bumps == 1 && !ae_quar_holds(e, &a, 1), "one retry at once");
    busy = 3;
    ae_quar_write(e, &a, 1, 0);
    tap_ok(ae_quar_holds(e, &a, 1), "held until it has moved");
    fx_pass(f, 60000);
    ae_quar_tick(e, f->mono);
    tap_ok(bumps == 1 && ae_quar_holds(e, &a, 1), "still busy, still held");
    ae_quar_tick(e, f->mono);
    tap_ok(bumps == 2 && !ae_quar_holds(e, &a, 1), "moved at last");
}

static void test_full(ae_engine *e, struct fx *f)
{
    ae_str other = AE_STR("other");
    char name[16];

    for (int i = 0; i < AE_QUAR_SLOTS; i++) {
        ae_str t = ae_s(name, (size_t)snprintf(name, sizeof name, "t%d", i));
        ae_quar_write(e, &t, 1, 5000000);
    }
    tap_ok(!ae_quar_holds(e, &other, 1), "full, and exact");
    ae_quar_write(e, &other, 1, 5000000);
    tap_ok(ae_quar_holds(e, &other, 1), "overfull: all is held");
    fx_pass(f, 5001);
    tap_ok(!ae_quar_holds(e, &other, 1), "for as long");
    for (int i = 0; i <= AE_QUAR_SLOTS / AE_CACHE_TAGS_MAX; i++)
        ae_quar_tick(e, f->mono);
    tap_ok(e->nquar == 0, "and emptied in batches");
    tap_ok(e->quar_all_us == 0, "what did not fit in has moved as well");
}

int main(void)
{
    struct ae_store_ops ops;
    struct fx f;

    fx_open(&f);
    ops = *f.e->store->ops;
    ops.bump = fake_bump;
    f.e->store->ops = &ops;
    test_write(f.e, &f);
    test_busy(f.e, &f);
    test_full(f.e, &f);
    fx_close(&f);
    return tap_done();
}
