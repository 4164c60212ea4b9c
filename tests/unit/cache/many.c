/* many.c - ten thousand callers in a store that is full: each keeps his share
 * and no more, and there is room for the next (R23, F30). */
#include "dir.h"

enum { CALLERS = 10000, SIZE = 64 << 20, BODY = 6000 };

static int put_of(ae_store *s, const char *who, int n, ae_str body)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k;
    struct ae_entry     e = entry_of(body, MINUTE);
    ae_str              tag = AE_STR("t");
    uint64_t            gen;
    char                id[64];
    int                 rc;

    snprintf(id, sizeof(id), "%s/%d", who, n);
    k = key_of(a, s, id);
    e.owner = ae_cs(who);
    e.fresh_until_us += n * 1000;
    e.keep_until_us = e.fresh_until_us;
    s->ops->generations(s, &tag, 1, &gen);
    rc = s->ops->put(s, &k, &e, &tag, 1, &gen, e.owner);
    /* above 70 of 100 the second miss counts (R23) */
    if (rc == AE_E_NOTFOUND)
        rc = s->ops->put(s, &k, &e, &tag, 1, &gen, e.owner);
    pool_free(&p);
    return rc;
}

struct sum { uint64_t hog, others; int n; };

static bool add(void *ctx, ae_str full, const struct ae_entry *head,
                size_t body)
{
    struct sum *m = ctx;

    (void)full;
    if (ae_eq_lit(head->owner, "hog"))
        m->hog += body;
    else
        m->others += body;
    m->n++;
    return true;
}

static void full(ae_store *s)
{
    struct pool p;
    ae_str      body = body_of(pool_new(&p), BODY, 1);
    struct sum  m = { 0, 0, 0 };
    int         ok = 0, late = 0, odd = 0, rc;
    char        who[32];

    /* a hog between 10,000 others, twice what fits; a tick a second */
    for (int i = 0; i < 2 * CALLERS; i++) {
        snprintf(who, sizeof(who), "user-%d", i % CALLERS);
        rc = put_of(s, who, i, body);
        ok += rc == AE_OK;
        late += rc == AE_OK && i >= CALLERS * 3 / 2;
        odd += rc != AE_OK && rc != AE_E_FULL;
        rc = put_of(s, "hog", i, body);
        odd += rc != AE_OK && rc != AE_E_FULL;
        if (i % 100 == 99)
            s->ops->tick(s, wall());
    }
    tap_ok(odd == 0, "no other trouble than being full");
    tap_ok(ok > CALLERS * 3 / 2, "%d of %d others were stored", ok,
           2 * CALLERS);
    tap_ok(late > CALLERS / 4, "%d of the last %d: old ones make room", late,
           CALLERS / 2);
    s->ops->walk(s, add, &m);
    tap_ok(m.hog <= SIZE / 8, "the hog has its share: %llu of %d bytes",
           (unsigned long long)m.hog, SIZE / 8);
    tap_ok(m.others > 2 * m.hog, "others have more: %llu bytes",
           (unsigned long long)m.others);
    tap_ok(s->stat.wiped == 0 && s->stat.corrupt == 0, "nothing was in doubt");
    tap_ok(s->stat.evicted > 0, "%llu were let go, %d are there",
           (unsigned long long)s->stat.evicted, m.n);
    pool_free(&p);
}

int main(void)
{
    struct box b;
    ae_store  *s;

    box_new(&b, SIZE);
    s = box_open(&b);
    full(s);
    s->ops->close(s);
    box_free(&b);
    return tap_done();
}
