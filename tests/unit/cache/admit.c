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

static void put_owned(ae_store *s, int n, ae_str most, ae_str third)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      tag = AE_STR("t");
    uint64_t    gen = 0;
    char        id[16];

    s->ops->generations(s, &tag, 1, &gen);
    for (int i = 0; i < n; i++) {
        struct ae_cache_key k;
        struct ae_entry     e = entry_of(body_of(a, 50, 1), MINUTE);

        snprintf(id, sizeof(id), "o%d", i);
        k = key_of(a, s, id);
        e.owner = i % 3 ? most : third;
        s->ops->put(s, &k, &e, &tag, 1, &gen, e.owner);
    }
    pool_free(&p);
}

/* In short steps, each a transaction of its own. */
static void in_steps(ae_store *s, int least)
{
    struct ae_purge_at at = { .done = false };
    ae_str             alice = AE_STR("alice"), tag = AE_STR("t");
    int64_t            n = 0;
    int                steps = 0;

    put_owned(s, 300, alice, AE_STR("bob"));
    for (; !at.done && steps < 100; steps++)
        n += s->ops->drop(s, mine, &alice, &at);
    tap_ok(n == 200 && steps >= least, "alice's 200 in %d steps", steps);
    tap_ok(get_as(s, "o1", "t", NULL, NULL) == 0
           && get_as(s, "o0", "t", NULL, NULL) == 1, "and no more");
    put_owned(s, 300, alice, AE_STR("bob"));
    memset(&at, 0, sizeof(at));
    n = s->ops->purge(s, tag, &at);
    tap_ok(get_as(s, "o299", "t", NULL, NULL) == 0
           && get_as(s, "o0", "t", NULL, NULL) == 0,
           "by tag: nothing is served after the first");
    for (steps = 1; !at.done && steps < 100; steps++)
        n += s->ops->purge(s, tag, &at);
    tap_ok(n == 300 && steps >= least, "and it is gone after %d", steps);
    memset(&at, 0, sizeof(at));
    put_owned(s, 30, alice, alice);
    tap_ok(s->ops->purge(s, ae_s(NULL, 0), &at) == 30 && at.done,
           "everything at once");
}

static void owners(ae_store *s)
{
    ae_str alice = AE_STR("alice"), bob = AE_STR("bob");

    put_owned(s, 150, alice, bob);
    tap_ok(s->ops->drop(s, mine, &alice, NULL) == 100, "all of alice's");
    tap_ok(get_as(s, "o1", "t", NULL, NULL) == 0, "gone");
    tap_ok(get_as(s, "o0", "t", NULL, NULL) == 1, "bob's stay");
    tap_ok(s->ops->drop(s, mine, &alice, NULL) == 0, "none left");
    tap_ok(s->ops->drop(s, mine, &bob, NULL) == 50, "then bob's");
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
    in_steps(s, 1);
    uses(s);
    s->ops->close(s);
    box_new(&b, 8 << 20);
    s = box_open(&b);
    owners(s);
    in_steps(s, 4);
    uses(s);
    twice(s);
    s->ops->close(s);
    box_free(&b);
    return tap_done();
}
