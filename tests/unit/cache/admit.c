/* admit.c - R23: a rather full store keeps what is missed twice; and purges
 * of what belongs to somebody. */
#include "dir.h"

static void fill_up(ae_store *s, ae_arena *a)
{
    char id[16], who[16];

    for (int i = 0; i < 60; i++) {
        snprintf(id, sizeof(id), "f%d", i);
        snprintf(who, sizeof(who), "w%d", i % 4);
        put_as(s, id, body_of(a, 200000, 1), 10 * MINUTE, "t", NULL, who);
        s->ops->tick(s, wall());
        if (s->stat.bytes_used > s->stat.bytes_max / 10 * 7)
            return;
    }
}

static void twice(ae_store *s)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      b = body_of(a, 100, 1);

    tap_ok(put_as(s, "early", b, MINUTE, "t", NULL, "x") == AE_OK,
           "room enough: at once");
    fill_up(s, a);
    tap_ok(s->stat.bytes_used > s->stat.bytes_max / 10 * 7,
           "over 70 of 100: %llu", (unsigned long long)s->stat.bytes_used);
    tap_ok(put_as(s, "late", b, MINUTE, "t", NULL, "x") == AE_E_NOTFOUND,
           "the first miss is not kept");
    tap_ok(get_as(s, "late", "t", NULL, NULL) == 0, "not there");
    tap_ok(put_as(s, "late", b, MINUTE, "t", NULL, "x") == AE_OK
           && get_as(s, "late", "t", NULL, &b) == 1, "the second one is");
    for (int i = 0; i < 1000; i++) { /* a client that makes up keys */
        char id[16];

        snprintf(id, sizeof(id), "bust%d", i);
        put_as(s, id, b, MINUTE, "t", NULL, "y");
    }
    tap_ok(get_as(s, "late", "t", NULL, &b) == 1
           && get_as(s, "early", "t", NULL, &b) == 1,
           "F32: made-up keys push nobody out");
    pool_free(&p);
}

static bool mine(void *ctx, const struct ae_entry *head)
{
    return ae_eq(head->owner, *(const ae_str *)ctx);
}

static void owners(ae_store *s)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      alice = AE_STR("alice"), bob = AE_STR("bob");
    char        id[16];

    for (int i = 0; i < 150; i++) {
        struct ae_cache_key k;
        struct ae_entry     e = entry_of(body_of(a, 50, 1), MINUTE);

        snprintf(id, sizeof(id), "o%d", i);
        k = key_of(a, s, id);
        e.owner = i % 3 ? alice : bob;
        s->ops->put(s, &k, &e, NULL, 0, NULL, e.owner);
    }
    tap_ok(s->ops->drop(s, mine, &alice) == 100, "all of alice's");
    tap_ok(get_as(s, "o1", NULL, NULL, NULL) == 0, "gone");
    tap_ok(get_as(s, "o0", NULL, NULL, NULL) == 1, "bob's stay");
    tap_ok(s->ops->drop(s, mine, &alice) == 0, "none left");
    tap_ok(s->ops->drop(s, mine, &bob) == 50, "then bob's");
    pool_free(&p);
}

static void uses(ae_store *s)
{
    struct ae_use *u = s->ops->use(s, 3);

    tap_ok(u && !s->ops->use(s, AE_USES), "so many and no more");
    atomic_fetch_add(&u->hits, 2);
    tap_ok(atomic_load(&s->ops->use(s, 3)->hits) == 2
           && atomic_load(&s->ops->use(s, 4)->hits) == 0, "each its own");
}

int main(void)
{
    struct ae_store_conf c = { .size = 64 << 20 };
    struct box           b;
    ae_store            *s;

    ae_store_mem_open(&c, &s);
    owners(s);
    uses(s);
    s->ops->close(s);
    box_new(&b, 8 << 20);
    s = box_open(&b);
    owners(s);
    uses(s);
    twice(s);
    s->ops->close(s);
    box_free(&b);
    return tap_done();
}
