/* overlay.c - joining the policy keys of argocd-rbac-cm (C7). */
#include "policy/policy.h"

#define MAIN_KEY "policy.csv"

bool ae_overlay_key(ae_str key)
{
    /* "policy.csv" is prefix and suffix at once, sharing the dot. */
    return ae_starts(key, AE_STR("policy.")) && ae_ends(key, AE_STR(".csv"));
}

/* Heap sort of |v|: the keys come from outside, so no quadratic case. */
static void sift(const struct ae_kv **v, size_t at, size_t n)
{
    for (;;) {
        size_t c = 2 * at + 1;
        const struct ae_kv *t;

        if (c >= n)
            return;
        if (c + 1 < n && ae_cmp(v[c]->key, v[c + 1]->key) < 0)
            c++;
        if (ae_cmp(v[at]->key, v[c]->key) >= 0)
            return;
        t = v[at];
        v[at] = v[c];
        v[c] = t;
        at = c;
    }
}

static void sort_keys(const struct ae_kv **v, size_t n)
{
    size_t i;

    for (i = n / 2; i-- > 0;)
        sift(v, i, n);
    for (i = n; i-- > 1;) {
        const struct ae_kv *t = v[0];

        v[0] = v[i];
        v[i] = t;
        sift(v, 0, i);
    }
}

ae_str ae_overlay_join(ae_arena *a, const struct ae_kv *kv, size_t n)
{
    const struct ae_kv **v = ae_nalloc(a, n + 1, sizeof(*v));
    size_t i, k = 0;
    ae_buf b;

    if (v == NULL)
        return ae_s(NULL, 0);
    ae_buf_init(&b, a, 0);
    for (i = 0; i < n; i++) {
        if (ae_eq_lit(kv[i].key, MAIN_KEY))
            ae_buf_put(&b, kv[i].value);
        else if (ae_overlay_key(kv[i].key))
            v[k++] = &kv[i];
    }
    sort_keys(v, k);
    for (i = 0; i < k; i++) {
        ae_buf_putc(&b, '\n');
        ae_buf_put(&b, v[i]->value);
    }
    if (b.bad)
        return ae_s(NULL, 0);
    return b.n > 0 ? ae_buf_str(&b) : AE_STR("");
}
