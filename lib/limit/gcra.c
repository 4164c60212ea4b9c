/*
 * gcra.c - the table of the rate limiter.
 *
 * A key may sit in any of eight slots from the beginning of a cache line on:
 * two lines, which the processor fetches together.  A slot whose time is past
 * holds nothing that anybody needs to know, so it is free: nothing collects.
 */
#include "limit/gcra.h"

#include <xxhash.h>

#define LINE 4 /* slots */

static uint64_t get(const _Atomic uint64_t *p)
{
    return atomic_load_explicit(p, memory_order_relaxed);
}

static bool cas(_Atomic uint64_t *p, uint64_t *old, uint64_t v)
{
    return atomic_compare_exchange_strong_explicit(
        p, old, v, memory_order_relaxed, memory_order_relaxed);
}

void ae_gcra_init(struct ae_gcra *g, void *mem, size_t n, bool refuse)
{
    g->slot = mem;
    g->lines = mem ? n / (LINE * sizeof(struct ae_gcra_slot)) : 0;
    if (g->lines < AE_GCRA_WAYS / LINE)
        g->lines = 0;
    if (g->lines > UINT32_MAX)
        g->lines = UINT32_MAX; /* way() */
    g->refuse = refuse;
}

uint64_t ae_gcra_tag(const uint64_t seed[2], uint64_t limit, ae_str key)
{
    uint64_t h = XXH3_64bits_withSeed(key.p ? key.p : "", key.n,
                                      seed[0] ^ limit);

    /* A second round: the first one's seed has the limit in it, which is not
     * secret, and its result decides about places and about equality. */
    h ^= seed[1];
    h *= UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 32;
    return h ? h : 1;
}

/* The slots of |tag|: |i| in 0..WAYS-1. */
static struct ae_gcra_slot *way(const struct ae_gcra *g, uint64_t tag,
                                uint64_t i)
{
    uint64_t line = ((tag >> 32) * g->lines >> 32) + i / LINE;

    if (line >= g->lines)
        line -= g->lines;
    return &g->slot[line * LINE + i % LINE];
}

/* The slot that a new key takes: the first free one, which is the quickest to
 * find again, else the one that comes free next. */
static struct ae_gcra_slot *choose(const struct ae_gcra *g, uint64_t tag,
                                   int64_t now, uint64_t *tat)
{
    struct ae_gcra_slot *next = NULL;

    *tat = UINT64_MAX;
    for (uint64_t i = 0; i < AE_GCRA_WAYS; i++) {
        struct ae_gcra_slot *s = way(g, tag, i);
        uint64_t v = get(&s->tat);

        if (v < *tat) {
            *tat = v;
            next = s;
        }
        if (v <= (uint64_t)now)
            break;
    }
    return next;
}

/* The slot of |tag|, made if need be.  NULL: no room, *until says when there
 * will be.  A claim that somebody else wins is tried again elsewhere. */
static struct ae_gcra_slot *find(const struct ae_gcra *g, uint64_t tag,
                                 int64_t now, int64_t *until, bool *evicted)
{
    for (int tries = 0; tries < 4; tries++) {
        struct ae_gcra_slot *s;
        uint64_t tat, old;

        for (uint64_t i = 0; i < AE_GCRA_WAYS; i++) {
            s = way(g, tag, i);
            if (get(&s->tag) == tag)
                return s;
        }
        s = choose(g, tag, now, &tat);
        if (!s || (g->refuse && tat > (uint64_t)now)) {
            *until = s ? (int64_t)tat : now;
            return NULL;
        }
        old = get(&s->tag);
        if (!cas(&s->tag, &old, tag)) {
            if (old == tag)
                return s;
            continue;
        }
        *evicted = tat > (uint64_t)now;
        /* What the other had done is not ours.  If he books at this moment,
         * his count is ours: one. */
        if (*evicted)
            cas(&s->tat, &tat, (uint64_t)now);
        return s;
    }
    *until = now;
    return NULL;
}

/* How far |tat| is ahead; what no booking can have made (damage, a rate that
 * was changed, another clock) counts as nothing. */
static int64_t ahead_of(uint64_t tat, int64_t now, const struct ae_rate *r)
{
    int64_t a;

    if (tat <= (uint64_t)now || tat > INT64_MAX)
        return 0;
    a = (int64_t)tat - now;
    return a > 2 * r->burst_ns + r->step_ns ? 0 : a;
}

static int64_t price(const struct ae_rate *r, uint32_t units)
{
    int64_t most = 2 * r->burst_ns + r->step_ns;

    return units > most / r->step_ns ? most : r->step_ns * (int64_t)units;
}

static void no_table(const struct ae_gcra *g, const struct ae_rate *r,
                     struct ae_taken *out)
{
    out->verdict = g->refuse ? AE_GCRA_REFUSED : AE_GCRA_PASSED;
    out->full = g->refuse;
    out->wait_ns = g->refuse ? r->step_ns : 0;
}

void ae_gcra_take(const struct ae_gcra *g, uint64_t tag,
                  const struct ae_rate *r, uint32_t units, int64_t now,
                  struct ae_taken *out)
{
    struct ae_gcra_slot *s;
    int64_t cost = price(r, units), until = now, ahead, next;
    uint64_t tat;

    memset(out, 0, sizeof(*out));
    if (!g->lines) {
        no_table(g, r, out);
        return;
    }
    s = find(g, tag, now, &until, &out->evicted);
    if (!s) {
        no_table(g, r, out);
        if (g->refuse)
            out->wait_ns = until > now ? until - now : r->step_ns;
        return;
    }
    tat = get(&s->tat);
    do {
        ahead = ahead_of(tat, now, r);
        next = ahead + cost;
        if (next > r->burst_ns && ahead > 0) {
            out->verdict = AE_GCRA_REFUSED;
            out->ahead_ns = ahead;
            out->wait_ns = next - r->burst_ns < ahead ? next - r->burst_ns
                                                      : ahead;
            return;
        }
    } while (!cas(&s->tat, &tat, (uint64_t)(now + next)));
    out->ahead_ns = next;
    out->verdict = AE_GCRA_PASSED;
    if (next > r->free_ns && ahead > 0) {
        out->verdict = AE_GCRA_DELAYED;
        out->wait_ns = next - r->free_ns < ahead ? next - r->free_ns : ahead;
    }
}

void ae_gcra_charge(const struct ae_gcra *g, uint64_t tag,
                    const struct ae_rate *r, uint32_t units, int64_t now)
{
    struct ae_gcra_slot *s;
    int64_t until, next;
    uint64_t tat;
    bool evicted;

    s = g->lines ? find(g, tag, now, &until, &evicted) : NULL;
    if (!s)
        return;
    tat = get(&s->tat);
    do {
        next = ahead_of(tat, now, r) + price(r, units);
        if (next > 2 * r->burst_ns)
            next = 2 * r->burst_ns;
    } while (!cas(&s->tat, &tat, (uint64_t)(now + next)));
}

void ae_gcra_give(const struct ae_gcra *g, uint64_t tag,
                  const struct ae_rate *r, uint32_t units)
{
    uint64_t cost = (uint64_t)price(r, units);

    for (uint64_t i = 0; g->lines && i < AE_GCRA_WAYS; i++) {
        struct ae_gcra_slot *s = way(g, tag, i);
        uint64_t tat;

        if (get(&s->tag) != tag)
            continue;
        tat = get(&s->tat);
        while (!cas(&s->tat, &tat, tat > cost ? tat - cost : 0))
            ;
        return;
    }
}

void ae_gcra_raise(const struct ae_gcra *g, uint64_t tag, int64_t ahead_ns,
                   int64_t now)
{
    struct ae_gcra_slot *s;
    int64_t until;
    uint64_t tat, want = (uint64_t)(now + ahead_ns);
    bool evicted;

    s = g->lines && ahead_ns > 0 ? find(g, tag, now, &until, &evicted) : NULL;
    if (!s)
        return;
    tat = get(&s->tat);
    while (tat < want && !cas(&s->tat, &tat, want))
        ;
}

uint64_t ae_gcra_active(const struct ae_gcra *g, int64_t now)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < g->lines * LINE; i++)
        n += get(&g->slot[i].tag) && get(&g->slot[i].tat) > (uint64_t)now;
    return n;
}
