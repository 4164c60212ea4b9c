/* edges.c - spendings and tags between workers and the agent. */
#include "limit/edges.h"

#include <stdio.h>

#define HEAD 4096
#define RING 256
#define WAYS 8
#define GIVE_UP 20 /* rounds of the agent, a second in all */

_Static_assert(sizeof(struct ae_ring_cell) == 512, "a power of two");

void ae_edges_init(struct ae_edges *e, void *mem, size_t n)
{
    size_t ring = RING * sizeof(struct ae_ring_cell);

    memset(e, 0, sizeof(*e));
    if (!mem || n < HEAD + ring + 64 * sizeof(struct ae_spend))
        ring = 4 * sizeof(struct ae_ring_cell); /* a small zone */
    if (!mem || n < HEAD + ring + 64 * sizeof(struct ae_spend))
        return;
    e->head = mem;
    e->ring = (struct ae_ring_cell *)(void *)((char *)mem + HEAD);
    e->nring = ring / sizeof(struct ae_ring_cell);
    e->spend = (struct ae_spend *)(void *)((char *)mem + HEAD + ring);
    e->nspend = (n - HEAD - ring) / sizeof(struct ae_spend);
}

bool ae_edges_live(const struct ae_edges *e, int64_t now)
{
    int64_t t;

    if (!e->head)
        return false;
    t = atomic_load_explicit(&e->head->alive_ns, memory_order_relaxed);
    return t && now - t < AE_EDGES_LIVE_NS && t - now < AE_EDGES_LIVE_NS;
}

bool ae_edges_seed(const struct ae_edges *e, uint64_t seed[2])
{
    if (!e->head
        || !atomic_load_explicit(&e->head->seed_set, memory_order_acquire))
        return false;
    seed[0] = atomic_load_explicit(&e->head->seed[0], memory_order_relaxed);
    seed[1] = atomic_load_explicit(&e->head->seed[1], memory_order_relaxed);
    return true;
}

void ae_edges_set_seed(const struct ae_edges *e, const uint64_t seed[2])
{
    uint64_t old[2];

    if (ae_edges_seed(e, old) && old[0] == seed[0] && old[1] == seed[1])
        return;
    atomic_store(&e->head->seed_set, 0);
    atomic_store(&e->head->seed[0], seed[0]);
    atomic_store(&e->head->seed[1], seed[1]);
    atomic_store(&e->head->seed_set, 1);
}

void ae_edges_spend(const struct ae_edges *e, uint64_t tag, int64_t ns,
                    int64_t burst_ns, bool login)
{
    if (!e->head)
        return;
    for (int empty = 0; empty < 2; empty++)
        for (uint64_t i = 0; i < WAYS; i++) {
            struct ae_spend *s = &e->spend[(tag % e->nspend + i) % e->nspend];
            uint64_t v = atomic_load(&s->tag);

            if (v != tag && (!empty || v != 0
                             || (!atomic_compare_exchange_strong(&s->tag, &v,
                                                                 tag)
                                 && v != tag)))
                continue;
            atomic_store(&s->burst_ns, (uint64_t)burst_ns);
            atomic_store(&s->login, (uint64_t)login);
            atomic_fetch_add(&s->ns, (uint64_t)ns);
            return;
        }
    atomic_fetch_add(&e->head->full, 1);
}

bool ae_edges_take(const struct ae_edges *e, uint64_t i, struct ae_spent *out)
{
    struct ae_spend *s = &e->spend[i];

    memset(out, 0, sizeof(*out));
    out->tag = atomic_load(&s->tag);
    if (!out->tag)
        return false;
    out->burst_ns = (int64_t)atomic_load(&s->burst_ns);
    out->login = atomic_load(&s->login) == 1;
    out->ns = (int64_t)atomic_exchange(&s->ns, 0);
    return true;
}

void ae_edges_free(const struct ae_edges *e, uint64_t i, uint64_t tag)
{
    struct ae_spend *s = &e->spend[i];

    if (!atomic_load(&s->ns))
        atomic_compare_exchange_strong(&s->tag, &tag, 0);
}

#define BOOKED "!booked "

ae_str ae_edges_booked(uint64_t key, int64_t ns,
                       char out[AE_EDGES_BOOKED_MAX])
{
    int n = snprintf(out, AE_EDGES_BOOKED_MAX, BOOKED "%llu %lld",
                     (unsigned long long)key, (long long)ns);

    return ae_s(out, n > 0 ? (size_t)n : 0);
}

bool ae_edges_is_booked(ae_str text, uint64_t *key, int64_t *ns)
{
    ae_str first;
    uint64_t v;

    if (!ae_starts(text, AE_STR(BOOKED)))
        return false;
    text = ae_cut(ae_sub(text, sizeof(BOOKED) - 1, text.n), ' ', &first);
    if (!ae_parse_u64(first, key) || !ae_parse_u64(text, &v)
        || v > INT64_MAX / 2)
        return false;
    *ns = (int64_t)v;
    return true;
}

/* ---- the ring ------------------------------------------------------------ */

void ae_edges_tell(const struct ae_edges *e, ae_str tag)
{
    struct ae_ring_cell *c;
    uint64_t ticket;

    if (!e->head)
        return;
    if (tag.n > AE_EDGES_TAG_MAX)
        tag = AE_STR("*");
    ticket = atomic_fetch_add(&e->head->head, 1);
    c = &e->ring[ticket % e->nring];
    atomic_store(&c->seq, 2 * ticket + 1);
    memcpy(c->text, tag.p, tag.n);
    atomic_store(&c->len, (uint32_t)tag.n);
    atomic_store(&c->seq, 2 * ticket + 2);
}

static int lost(const struct ae_edges *e, uint64_t *ticket, uint64_t to)
{
    atomic_fetch_add(&e->head->lost, 1);
    *ticket = to;
    return AE_E_FULL;
}

int ae_edges_next(const struct ae_edges *e, uint64_t *ticket, int waited,
                  char out[AE_EDGES_TAG_MAX], size_t *n)
{
    uint64_t head = atomic_load(&e->head->head), t = *ticket, seq;
    struct ae_ring_cell *c = &e->ring[t % e->nring];
    uint32_t len;

    if (t == head)
        return 0;
    if (head - t > e->nring) /* also: the zone was made anew */
        return lost(e, ticket, head);
    seq = atomic_load(&c->seq);
    if (seq != 2 * t + 2) {
        /* not written yet, or by somebody who was killed meanwhile */
        if (seq < 2 * t + 2 && waited < GIVE_UP)
            return 0;
        return lost(e, ticket, t + 1);
    }
    len = atomic_load(&c->len);
    if (len > AE_EDGES_TAG_MAX)
        return lost(e, ticket, t + 1);
    memcpy(out, c->text, len);
    *n = len;
    if (atomic_load(&c->seq) != seq)
        return lost(e, ticket, t + 1);
    *ticket = t + 1;
    return 1;
}
