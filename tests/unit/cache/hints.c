/* hints.c - application -> project in fixed memory. */
#include "help.h"

int main(void)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_hints   *h = ae_hints_new(64);
    ae_str      big = body_of(a, 500, 1), got;
    char        name[16];
    int         found = 0, wrong = 0;

    ae_hints_put(h, AE_STR("argocd"), AE_STR("a"), AE_STR("p1"));
    ae_hints_put(h, AE_STR("other"), AE_STR("a"), AE_STR("p2"));
    tap_ok(ae_eq_lit(ae_hints_get(h, a, AE_STR("argocd"), AE_STR("a")), "p1"),
           "found");
    tap_ok(ae_eq_lit(ae_hints_get(h, a, AE_STR("other"), AE_STR("a")), "p2"),
           "by namespace");
    tap_ok(!ae_hints_get(h, a, AE_STR("argoc"), AE_STR("da")).p, "framed");
    ae_hints_put(h, AE_STR("argocd"), AE_STR("a"), AE_STR("p3"));
    tap_ok(ae_eq_lit(ae_hints_get(h, a, AE_STR("argocd"), AE_STR("a")), "p3"),
           "moved");
    got = ae_hints_get(h, a, AE_STR("argocd"), AE_STR("b"));
    tap_ok(!got.p, "unknown");
    ae_hints_put(h, AE_STR("argocd"), AE_STR("b"), big);
    tap_ok(!ae_hints_get(h, a, AE_STR("argocd"), AE_STR("b")).p, "too long");
    ae_hints_put(h, AE_STR("n"), AE_STR("e"), AE_STR(""));
    got = ae_hints_get(h, a, AE_STR("n"), AE_STR("e"));
    tap_ok(got.p && got.n == 0, "empty project is present");
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "app-%d", i);
        ae_hints_put(h, AE_STR("n"), ae_cs(name), ae_cs(name));
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "app-%d", i);
        got = ae_hints_get(h, a, AE_STR("n"), ae_cs(name));
        found += got.p != NULL;
        wrong += got.p && !ae_eq(got, ae_cs(name));
    }
    tap_ok(found > 32 && found <= 64 && wrong == 0, "bounded: %d", found);
    ae_hints_free(h);
    ae_hints_free(NULL);
    pool_free(&p);
    return tap_done();
}
