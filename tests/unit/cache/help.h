/* help.h - arenas, entries and keys for the cache tests. */
#ifndef CACHE_HELP_H
#define CACHE_HELP_H

#include "cache/cache.h"
#include "tap.h"

#include <time.h>

struct pool {
    ae_heap  heap;
    ae_arena a;
};

static inline ae_arena *pool_new(struct pool *p)
{
    memset(p, 0, sizeof(*p));
    ae_arena_init(&p->a, ae_heap_mem(&p->heap), NULL, 0);
    return &p->a;
}

static inline void pool_free(struct pool *p)
{
    ae_heap_free(&p->heap);
}

/* A host that gives |left| blocks and no more. */
struct few {
    struct ae_mem from;
    int           left;
};

static inline void *few_alloc(void *ctx, size_t n)
{
    struct few *f = ctx;

    return f->left-- > 0 ? f->from.alloc(f->from.ctx, n) : NULL;
}

static inline int64_t wall(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static inline struct ae_cache_key key_of(ae_arena *a, ae_store *s,
                                         const char *id)
{
    ae_str              f[2] = { AE_STR("test"), ae_cs(id) };
    struct ae_cache_key k;

    ae_cache_key_make(a, s->ops->secret(s), f, 2, &k);
    return k;
}

static inline struct ae_entry entry_of(ae_str body, int64_t ttl_us)
{
    struct ae_entry e;

    memset(&e, 0, sizeof(e));
    e.status = 200;
    e.ctype = AE_STR("application/json");
    e.project = AE_STR("teama");
    e.ns = AE_STR("argocd");
    e.name = AE_STR("guestbook");
    e.etag = AE_STR("\"abc\"");
    e.body = body;
    e.stored_us = wall();
    e.fresh_until_us = e.stored_us + ttl_us;
    return e;
}

/* Put |body| under |id| with up to two tags. */
static inline int put_as(ae_store *s, const char *id, ae_str body,
                         int64_t ttl_us, const char *t1, const char *t2,
                         const char *scope)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k = key_of(a, s, id);
    struct ae_entry     e = entry_of(body, ttl_us);
    ae_str              tags[2] = { ae_cs(t1), ae_cs(t2) };
    size_t              n = t2 ? 2 : t1 ? 1 : 0;
    uint64_t            gen[2];
    int                 rc;

    s->ops->generations(s, tags, n, gen);
    rc = s->ops->put(s, &k, &e, tags, n, gen, ae_cs(scope));
    pool_free(&p);
    return rc;
}

/* Look |id| up; 1 only if the body equals |want| (when given); -100 if a
 * wrong body came back. */
static inline int get_as(ae_store *s, const char *id, const char *t1,
                         const char *t2, const ae_str *want)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k = key_of(a, s, id);
    struct ae_entry     e;
    ae_str              tags[2] = { ae_cs(t1), ae_cs(t2) };
    size_t              n = t2 ? 2 : t1 ? 1 : 0;
    int                 rc = s->ops->get(s, &k, tags, n, wall(), a, &e);

    if (rc == 1 && want && !ae_eq(e.body, *want))
        rc = -100;
    pool_free(&p);
    return rc;
}

/* A body of |n| bytes that depends on |seed|. */
static inline ae_str body_of(ae_arena *a, size_t n, unsigned seed)
{
    char *p = ae_alloc(a, n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + (i * 7 + seed * 13 + i / 97) % 26);
    return ae_s(p, n);
}

static const int64_t MINUTE = 60000000;

#endif
