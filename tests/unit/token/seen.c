/* seen.c - remembered tokens: when a hit is none, bounds, references. */
#include "tap.h"
#include "token/token.h"

enum { NOW = 1000 };

static int freed;

static void count_free(void *p)
{
    (void)p;
    freed++;
}

/* An identity as the verdict makes it, with the times given. */
static struct ae_identity *identity(int64_t nbf, int64_t exp)
{
    struct ae_identity *i = calloc(1, sizeof(*i));

    i->refs = 1;
    i->has_nbf = nbf != 0;
    i->nbf = nbf;
    i->has_exp = exp != 0;
    i->exp = exp;
    i->attached = &freed;
    i->attached_free = count_free;
    return i;
}

static void put(ae_seen *s, ae_str token, uint64_t gen, int64_t nbf,
                int64_t exp)
{
    struct ae_identity *i = identity(nbf, exp);

    ae_seen_put(s, token, gen, i);
    ae_identity_unref(i);   /* the table has its own reference */
}

static void rules(void)
{
    ae_seen *s = ae_seen_new(64, 42);
    ae_str   t = AE_STR("a.b.c");

    tap_ok(!ae_seen_get(s, t, 1, NOW), "an empty table has nothing");
    put(s, t, 1, 0, 0);
    tap_ok(ae_seen_get(s, t, 1, NOW) != NULL, "a token is found again");
    tap_ok(!ae_seen_get(s, AE_STR("a.b.d"), 1, NOW), "another is not");
    tap_ok(!ae_seen_get(s, AE_STR(""), 1, NOW), "nothing is not");
    tap_ok(!ae_seen_get(s, t, 2, NOW), "another generation is a miss");
    tap_ok(freed == 1 && !ae_seen_get(s, t, 1, NOW),
           "and the entry has gone for good");
    put(s, t, 1, NOW, NOW + 1);
    tap_ok(ae_seen_get(s, t, 1, NOW) != NULL, "nbf now, exp in a second");
    tap_ok(!ae_seen_get(s, t, 1, NOW + 1), "R24 exp now is a miss");
    put(s, t, 1, NOW, 0);
    tap_ok(!ae_seen_get(s, t, 1, NOW - 1), "nbf ahead is a miss");
    freed = 0;
    put(s, t, 1, 0, 0);
    put(s, t, 1, 0, 0);
    tap_ok(freed == 1, "a second put takes the place of the first");
    ae_seen_drop_all(s);
    tap_ok(freed == 2 && !ae_seen_get(s, t, 1, NOW), "all dropped");
    put(s, t, 1, 0, 0);
    ae_seen_free(s);
    tap_ok(freed == 3, "the table drops what it holds");
}

static void bounds(void)
{
    ae_seen     *s = ae_seen_new(64, 7);
    static char  big[AE_TOKEN_MAX + 1];
    char         z[32];
    int          found = 0;

    freed = 0;
    for (int i = 0; i < 10000; i++) {
        snprintf(z, sizeof(z), "h.p.%d", i);
        put(s, ae_cs(z), 1, 0, 0);
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(z, sizeof(z), "h.p.%d", i);
        found += ae_seen_get(s, ae_cs(z), 1, NOW) != NULL;
    }
    tap_ok(found <= 64 && found > 32 && freed == 10000 - found,
           "D04 10,000 tokens in 64 slots: %d are left", found);
    memset(big, 'a', sizeof(big));
    put(s, ae_s(big, AE_TOKEN_MAX), 1, 0, 0);
    tap_ok(ae_seen_get(s, ae_s(big, AE_TOKEN_MAX), 1, NOW) != NULL,
           "a token of 16 KiB is remembered");
    put(s, ae_s(big, AE_TOKEN_MAX + 1), 1, 0, 0);
    tap_ok(!ae_seen_get(s, ae_s(big, AE_TOKEN_MAX + 1), 1, NOW),
           "one byte more is not");
    found = 0;
    for (int i = 0; i < 200; i++) {   /* 3 MiB into 80 KiB */
        big[0] = (char)i;
        put(s, ae_s(big, AE_TOKEN_MAX), 1, 0, 0);
    }
    for (int i = 0; i < 200; i++) {
        big[0] = (char)i;
        found += ae_seen_get(s, ae_s(big, AE_TOKEN_MAX), 1, NOW) != NULL;
    }
    tap_ok(found >= 1 && found <= 5, "big tokens are bounded in bytes: %d",
           found);
    ae_seen_free(s);
    tap_ok(freed == 10000 + 1 + 1 + 200, "every identity was let go: %d",
           freed);
}

static void references(void)
{
    ae_seen            *s = ae_seen_new(8, 1);
    struct ae_identity *i = identity(0, 0);

    freed = 0;
    ae_seen_put(s, AE_STR("a.b.c"), 1, i);
    ae_seen_free(s);
    tap_ok(freed == 0, "the caller's reference outlives the table");
    ae_identity_unref(i);
    tap_ok(freed == 1, "and what is attached goes with the last one");
    ae_identity_unref(NULL);
    ae_identity_ref(NULL);
    ae_seen_free(NULL);
    ae_seen_put(NULL, AE_STR("x"), 1, NULL);
    tap_ok(!ae_seen_get(NULL, AE_STR("x"), 1, 1), "no table, no hit");
}

int main(void)
{
    rules();
    bounds();
    references();
    return tap_done();
}
