/* overlay.c - joining ConfigMap keys (C7). */
#include "policy/policy.h"

#include "arena.h"
#include "tap.h"

static const struct ae_kv some[] = {
    { AE_STR("policy.z.csv"), AE_STR("Z") },
    { AE_STR("policy.csv"), AE_STR("M\0N") },
    { AE_STR("policy..csv"), AE_STR("") },
    { AE_STR("policy.csv.csv"), AE_STR("CC") },
    { AE_STR("policy.cs"), AE_STR("no") },
    { AE_STR("policy.\xff.csv"), AE_STR("FF") },
    { AE_STR("olicy.a.csv"), AE_STR("no") },
};

#define NSOME (sizeof(some) / sizeof(some[0]))

static int run(ae_arena *a)
{
    ae_str s = ae_overlay_join(a, some, NSOME);

    if (s.p == NULL)
        return AE_E_NOMEM;
    return ae_eq_lit(s, "M\0N\n\nCC\nZ\nFF") ? AE_OK : AE_E_INVAL;
}

static void many(void)
{
    struct ae_kv *kv;
    ae_heap h;
    ae_arena a = fresh(&h, 0);
    size_t i, n = 3000;
    bool sorted = true;
    ae_str s, head, prev = AE_STR("");

    kv = ae_nalloc(&a, n, sizeof(*kv));
    for (i = 0; i < n; i++) {
        kv[i].value = ae_fmt(&a, "%05zu", i * 7919 % n);
        kv[i].key = ae_fmt(&a, "policy.%s.csv", kv[i].value.p);
    }
    s = ae_overlay_join(&a, kv, n);
    tap_ok(s.n == 6 * n, "%zu overlays", n);
    s = ae_cut(s, '\n', &head);
    while (s.n > 0) {
        s = ae_cut(s, '\n', &head);
        sorted = sorted && ae_cmp(prev, head) < 0;
        prev = head;
    }
    tap_ok(sorted, "in byte order of their keys");
    ae_heap_free(&h);
}

int main(void)
{
    ae_heap h;
    ae_arena a = fresh(&h, 0);
    ae_str none = ae_overlay_join(&a, NULL, 0);

    tap_ok(run(&a) == AE_OK, "main first, the rest in byte order");
    tap_ok(none.p != NULL && none.n == 0, "nothing gives the empty text");
    tap_ok(!ae_overlay_key(AE_STR("policy.CSV"))
           && !ae_overlay_key(AE_STR("Policy.csv"))
           && !ae_overlay_key(AE_STR("policycsv"))
           && ae_overlay_key(AE_STR("policy.csv"))
           && ae_overlay_key(AE_STR("policy..csv")), "which keys count");
    ae_heap_free(&h);
    many();
    tap_ok(starve(run, AE_OK), "each allocation fails once");
    return tap_done();
}
