/* store_mem.c - the semantics that both stores share. */
#include "../../../lib/cache/store_mem.c"
#include "help.h"

static void basics(ae_store *s)
{
    ae_str body = AE_STR("{\"a\":1}");

    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "miss");
    tap_ok(put_as(s, "k", body, MINUTE, "t", "u", "alice") == 0, "put");
    tap_ok(get_as(s, "k", "t", "u", &body) == 1, "hit");
    tap_ok(get_as(s, "k", "t", "v", &body) == 0, "an unknown tag: miss");
    tap_ok(get_as(s, "j", "t", NULL, NULL) == 0, "another key: miss");
    ae_str tag = AE_STR("u");
    s->ops->bump(s, &tag, 1);
    tap_ok(get_as(s, "k", "t", "u", NULL) == 0, "moved tag: miss");
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "even when not asked for");
    tap_ok(put_as(s, "k", body, -1, "t", NULL, "alice") == 0, "put expired");
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "expired: miss");
    put_as(s, "k", body, MINUTE, "t", NULL, "alice");
    tap_ok(s->ops->purge(s, AE_STR("t"), NULL) == 1, "purge a tag");
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "purged");
    put_as(s, "k", body, MINUTE, "t", NULL, "alice");
    tap_ok(s->ops->purge(s, ae_s(NULL, 0), NULL) == 1, "purge all");
    tap_ok(s->stat.entries == 0 && s->stat.bytes_used == 0, "empty");
}

static void in_flight(ae_store *s)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k = key_of(a, s, "f");
    struct ae_entry     e = entry_of(AE_STR("{}"), MINUTE), out;
    ae_str              tag = AE_STR("t");
    uint64_t            gen;

    s->ops->generations(s, &tag, 1, &gen);
    s->ops->bump(s, &tag, 1);
    tap_ok(s->ops->put(s, &k, &e, &tag, 1, &gen, tag) == AE_E_STATE, "moved");
    s->ops->generations(s, &tag, 1, &gen);
    s->ops->purge(s, ae_s(NULL, 0), NULL);
    tap_ok(s->ops->put(s, &k, &e, &tag, 1, &gen, tag) == AE_E_STATE,
           "purge drops stores in flight");
    s->ops->generations(s, &tag, 1, &gen);
    e.stored_us = wall() + 10 * MINUTE;
    e.fresh_until_us = e.stored_us + MINUTE;
    tap_ok(s->ops->put(s, &k, &e, &tag, 1, &gen, tag) == 0, "future put");
    tap_ok(s->ops->get(s, &k, &tag, 1, wall(), a, &out) == 0, "F20: miss");
    pool_free(&p);
}

static void damage(ae_store *s)
{
    struct mem  *m = (struct mem *)s;
    struct item *x = NULL;

    s->ops->purge(s, ae_s(NULL, 0), NULL);
    put_as(s, "c", AE_STR("{\"a\":1}"), MINUTE, "t", NULL, "alice");
    for (size_t b = 0; b < BUCKETS; b++)
        if (m->bucket[b])
            x = m->bucket[b];
    x->text[x->text_n - 2] ^= 1;
    tap_ok(get_as(s, "c", "t", NULL, NULL) == AE_E_CORRUPT, "K13 bit flip");
    tap_ok(s->stat.corrupt == 1, "counted");
}

static void no_memory(ae_store *s)
{
    struct pool         p;
    struct ae_cache_key k = key_of(pool_new(&p), s, "m");
    ae_arena            a;
    struct ae_entry     out;
    struct few          few = { { NULL, NULL }, 0 };

    put_as(s, "m", AE_STR("{}"), MINUTE, NULL, NULL, "alice");
    ae_arena_init(&a, (struct ae_mem){ few_alloc, &few }, NULL, 0);
    tap_ok(s->ops->get(s, &k, NULL, 0, wall(), &a, &out) == AE_E_NOMEM
           && !out.body.p, "F8: no memory is no hit");
    pool_free(&p);
}

static void bounds(void)
{
    struct pool          p;
    ae_arena            *a = pool_new(&p);
    struct ae_store_conf c;
    ae_store            *s;
    char                 id[16], who[16];
    int                  full = 0;

    memset(&c, 0, sizeof(c));
    c.size = 16 << 20;
    c.max_object = 1 << 20;
    ae_store_mem_open(&c, &s);
    tap_ok(put_as(s, "x", body_of(a, (1 << 20) + 1, 1), MINUTE, NULL, NULL,
                  "a") == AE_E_TOOBIG, "over the object cap");
    for (int i = 0; i < 12; i++) {
        snprintf(id, sizeof(id), "%d", i);
        full += put_as(s, id, body_of(a, 1 << 20, 1), MINUTE, NULL, NULL,
                       "hog") == AE_E_FULL;
    }
    tap_ok(full >= 4, "R23: one identity keeps to its share (%d)", full);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        snprintf(who, sizeof(who), "u%d", i);
        put_as(s, id, body_of(a, 1 << 20, 1), MINUTE, NULL, NULL, who);
    }
    tap_ok(s->stat.bytes_used <= c.size && s->stat.evicted > 0, "bounded");
    s->ops->close(s);
    pool_free(&p);
}

int main(void)
{
    struct ae_store_conf c;
    ae_store            *s;

    memset(&c, 0, sizeof(c));
    tap_ok(ae_store_mem_open(&c, &s) == AE_OK, "open");
    basics(s);
    in_flight(s);
    damage(s);
    no_memory(s);
    s->ops->close(s);
    bounds();
    return tap_done();
}
