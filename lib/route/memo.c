/*
 * memo.c - targets that were read before.
 *
 * Bots, dashboards and pipelines ask the same few targets all day, and to
 * read one is a third of what a forwarded request costs here.  What a plain
 * target (no escape, no content type, no body) means depends on its bytes
 * alone, so the result is kept, with its spans moved over to the new bytes.
 */
#include "route/internal.h"

#include <stdlib.h>

enum { SLOTS = 128, TARGET = 512, QUERY = 8 };

struct slot {
    uint64_t         hash;
    size_t           n;            /* of target, 0: free */
    struct ae_target t;            /* spans point into |target| */
    struct ae_param  q[QUERY];
    char             target[TARGET];
};

struct ae_route_memo {
    uint64_t    seed, last;        /* number that was given last */
    struct slot slot[SLOTS];
};

ae_route_memo *ae_route_memo_new(uint64_t seed)
{
    ae_route_memo *m = calloc(1, sizeof *m);

    if (m)
        m->seed = seed;
    return m;
}

void ae_route_memo_free(ae_route_memo *m)
{
    free(m);
}

void ae_route_memo_clear(ae_route_memo *m)
{
    for (size_t i = 0; m && i < SLOTS; i++)
        m->slot[i].n = 0;
}

static bool inside(ae_str s, const char *p, size_t n)
{
    size_t at = (size_t) ((uintptr_t) s.p - (uintptr_t) p);

    return s.p && at <= n && s.n <= n - at;
}

/* A span into the bytes at |from| becomes the same one of those at |to|. */
static void move(ae_str *s, const char *from, size_t n, const char *to)
{
    if (inside(*s, from, n))
        s->p = to + (s->p - from);
}

static void move_all(struct ae_target *t, const char *from, size_t n,
                     const char *to)
{
    move(&t->path, from, n, to);
    move(&t->query, from, n, to);
    for (size_t i = 0; i < t->npath; i++)
        move(&t->path_par[i].value, from, n, to);
    for (size_t i = 0; i < t->nq; i++)
        move(&t->q[i].value, from, n, to);
}

static bool plain(const struct ae_route_in *in)
{
    return in->target.n && in->target.n <= TARGET && !in->has_body
        && in->content_type.n == 0 && !in->content_type_dup;
}

/* A value that was decoded lies elsewhere and dies with its request. */
static bool worth_it(const struct ae_route_in *in, const struct ae_target *t)
{
    if (t->kind != AE_TGT_OP || t->nq > QUERY)
        return false;
    for (size_t i = 0; i < t->npath; i++)
        if (!inside(t->path_par[i].value, in->target.p, in->target.n))
            return false;
    for (size_t i = 0; i < t->nq; i++)
        if (!inside(t->q[i].value, in->target.p, in->target.n))
            return false;
    return true;
}

static void keep(struct slot *s, uint64_t hash, ae_str target,
                 const struct ae_target *t)
{
    s->hash = hash;
    s->n = target.n;
    s->t = *t;
    memcpy(s->target, target.p, target.n);
    for (size_t i = 0; i < t->nq; i++)
        s->q[i] = t->q[i];
    s->t.q = s->q;
    move_all(&s->t, target.p, target.n, s->target);
}

static int recall(const struct slot *s, ae_str target, ae_arena *a,
                  struct ae_target *out)
{
    *out = s->t;
    out->q = NULL;
    if (out->nq) {
        out->q = ae_alloc(a, out->nq * sizeof *out->q);
        if (!out->q)
            return AE_E_NOMEM;
        memcpy(out->q, s->q, out->nq * sizeof *out->q);
    }
    move_all(out, s->target, s->n, target.p);
    return AE_OK;
}

int ae_route_again(ae_route_memo *m, const struct ae_route_conf *c,
                   const struct ae_route_in *in, ae_arena *a,
                   struct ae_target *out)
{
    struct slot   *s;
    enum ae_method method;
    uint64_t       hash;
    int            rc;

    if (!m || !plain(in))
        return ae_route(c, in, a, out);
    method = ae_method_of(in->method);
    hash = ae_hash64(in->target, m->seed + (uint64_t) method);
    s = &m->slot[hash % SLOTS];
    if (s->n == in->target.n && s->hash == hash && s->t.method == method
        && memcmp(s->target, in->target.p, s->n) == 0)
        return recall(s, in->target, a, out);
    rc = ae_route(c, in, a, out);
    if (rc == AE_OK && worth_it(in, out)) {
        out->memo = ++m->last;
        keep(s, hash, in->target, out);
    }
    return rc;
}
