/*
 * lease.c - the liveness lease (T7).  A token can die in ways that it does
 * not show (logout, a disabled account), so a cached answer needs a recent
 * acceptance of this very token by the upstream.
 *
 * The table lies in the zone, so that an acceptance through one worker counts
 * for all: fixed slots, zeros are an empty one, and no lock that a killed
 * process could keep.  Each value carries a part of its token's digest, so
 * that a slot that changes hands under a reader or a writer shows as somebody
 * else's.  What is lost in such a race is a lease, which costs one forwarded
 * request.
 */
#include "edge/edge.h"

#define WAYS 8
#define TIME_BITS 48 /* microseconds: 8.9 years of uptime */
#define TIME_MASK ((UINT64_C(1) << TIME_BITS) - 1)

void ae_lease_open(ae_engine *e)
{
    size_t n = 0;

    e->leases = ae_zone_section(e->zone, AE_ZONE_LEASES,
                                WAYS * sizeof *e->leases, &n);
    e->nleases = e->leases ? n / sizeof *e->leases / WAYS * WAYS : 0;
}

struct name {
    uint64_t key;  /* never 0 */
    uint64_t mark; /* in the bits above TIME_BITS, never 0 */
};

/* The digest is SHA-256, so any of its bytes are as good as a hash. */
static struct name name_of(const unsigned char d[32])
{
    struct name n;
    uint16_t mark;

    memcpy(&n.key, d, sizeof n.key);
    memcpy(&mark, d + sizeof n.key, sizeof mark);
    n.key += n.key == 0;
    n.mark = (uint64_t)(mark | 1) << TIME_BITS;
    return n;
}

static uint64_t owner_of(const unsigned char id[32])
{
    uint64_t o;

    memcpy(&o, id, sizeof o);
    return o + (o == 0);
}

/* A token may sit in any of WAYS neighbours. */
static struct ae_lease *bucket(ae_engine *e, uint64_t key)
{
    return e->leases + (key % (e->nleases / WAYS)) * WAYS;
}

/* The time in |v|, 0 if it is not of this token. */
static uint64_t time_in(uint64_t v, uint64_t mark)
{
    return (v & ~TIME_MASK) == mark ? v & TIME_MASK : 0;
}

/* Later only, and only as long as the slot is this token's. */
static void advance(_Atomic uint64_t *at, uint64_t mark, uint64_t us)
{
    uint64_t v = atomic_load(at);

    while ((v & ~TIME_MASK) == mark && (v & TIME_MASK) < us)
        if (atomic_compare_exchange_weak(at, &v, mark | us))
            return;
}

static uint64_t age_key(struct ae_lease *l)
{
    uint64_t g = atomic_load(&l->granted) & TIME_MASK;
    uint64_t x = atomic_load(&l->ended) & TIME_MASK;

    return atomic_load(&l->key) == 0 ? 0 : (g > x ? g : x) + 1;
}

/* Take the free or the oldest slot of the bucket. */
static void claim(ae_engine *e, struct name n, uint64_t owner,
                  uint64_t granted, uint64_t ended)
{
    struct ae_lease *b = bucket(e, n.key), *l = b;
    uint64_t old;

    for (size_t i = 1; i < WAYS; i++)
        if (age_key(&b[i]) < age_key(l))
            l = &b[i];
    old = atomic_load(&l->key);
    /* First what would serve: nobody may take over the predecessor's. */
    atomic_store(&l->granted, 0);
    if (!atomic_compare_exchange_strong(&l->key, &old, n.key))
        return; /* somebody was faster: this lease is not remembered */
    atomic_store(&l->owner, owner);
    atomic_store(&l->ended, n.mark | ended);
    atomic_store(&l->granted, n.mark | granted);
}

/* The token was accepted at |at|, or has ended. */
static void tell(ae_engine *e, const struct ae_identity *id, int64_t at,
                 bool ends)
{
    struct name n = name_of(id->digest);
    uint64_t us = (uint64_t)at & TIME_MASK;
    struct ae_lease *b;
    bool found = false;

    if (at <= 0 || !e->nleases)
        return;
    b = bucket(e, n.key);
    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load(&b[i].key) == n.key) {
            advance(ends ? &b[i].ended : &b[i].granted, n.mark,
                    (uint64_t)at);
            found = true;
        }
    if (!found)
        claim(e, n, owner_of(id->id_hash), ends ? 0 : us, ends ? us : 0);
}

void ae_lease_grant(ae_engine *e, const struct ae_identity *id, int64_t at)
{
    tell(e, id, at, false);
}

/* Remembered even if there was no lease: an answer may be on its way that
 * accepts the token as of before. */
void ae_lease_end(ae_engine *e, const struct ae_identity *id, int64_t now)
{
    tell(e, id, now, true);
}

void ae_lease_end_all(ae_engine *e, const struct ae_identity *id, int64_t now)
{
    uint64_t owner = owner_of(id->id_hash);

    if (now <= 0)
        return;
    for (size_t i = 0; i < e->nleases; i++) {
        struct ae_lease *l = &e->leases[i];

        if (atomic_load(&l->owner) == owner)
            advance(&l->ended, atomic_load(&l->ended) & ~TIME_MASK,
                    (uint64_t)now);
    }
    ae_lease_end(e, id, now);
}

bool ae_lease_live(ae_engine *e, const unsigned char digest[32], int64_t now,
                   int64_t lease_us)
{
    struct name n = name_of(digest);
    uint64_t granted = 0, ended = 0, v;
    struct ae_lease *b;

    if (!e->nleases)
        return false;
    b = bucket(e, n.key);
    for (size_t i = 0; i < WAYS; i++) {
        if (atomic_load_explicit(&b[i].key, memory_order_relaxed) != n.key)
            continue;
        v = time_in(atomic_load(&b[i].granted), n.mark);
        granted = v > granted ? v : granted;
        v = time_in(atomic_load(&b[i].ended), n.mark);
        ended = v > ended ? v : ended;
    }
    /* An acceptance from the future is a clock that jumped (F20); one that
     * dates from before the end is overtaken by it. */
    return granted > ended && (int64_t)granted <= now
        && now - (int64_t)granted < lease_us;
}

bool ae_lease_ended(ae_engine *e, const unsigned char digest[32],
                    int64_t since)
{
    struct name n = name_of(digest);
    struct ae_lease *b;

    if (!e->nleases)
        return false;
    b = bucket(e, n.key);
    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&b[i].key, memory_order_relaxed) == n.key
            && (int64_t)time_in(atomic_load(&b[i].ended), n.mark) > since)
            return true;
    return false;
}
