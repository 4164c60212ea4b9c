/*
 * claims.c - who asks the upstream for a key right now (R21), for all
 * processes that share the store.  Nothing here waits or locks.
 */
#include "cache/internal.h"

/* A word: 20 bits of the key, 8 of the claimer, 1 "in vain", 35 of the end in
 * units of 8 ms of the monotonic clock (eight years). */
enum { FP_BITS = 20, WHO_BITS = 8, END_BITS = 35, UNIT_US = 8000 };
enum { VAIN_US = 1000000 };

#define END_MASK ((UINT64_C(1) << END_BITS) - 1)
#define VAIN     (UINT64_C(1) << END_BITS)

static uint64_t make(uint64_t fp, uint8_t who, bool vain, int64_t end_us)
{
    /* up: the end is never before the time that was asked for */
    uint64_t end = ((uint64_t)end_us + UNIT_US - 1) / UNIT_US;

    return fp << (64 - FP_BITS) | (uint64_t)who << (END_BITS + 1)
        | (vain ? VAIN : 0) | (end & END_MASK);
}

static bool live(uint64_t w, int64_t now_us)
{
    return w && (w & END_MASK) > (uint64_t)now_us / UNIT_US;
}

static _Atomic uint64_t *slot_of(const struct ae_claims *t,
                                 const unsigned char hash[32], uint64_t *fp)
{
    uint64_t h;

    memcpy(&h, hash, sizeof(h));
    *fp = (h >> (64 - FP_BITS)) | 1; /* never the empty word */
    return &t->slot[h & (t->n - 1)];
}

enum ae_claim ae_claims_take(const struct ae_claims *t,
                             const unsigned char hash[32],
                             struct ae_claimer *c)
{
    uint64_t          fp, w, mine;
    _Atomic uint64_t *slot = slot_of(t, hash, &fp);

    c->ticket = 0;
    c->same = false;
    w = atomic_load(slot);
    if (live(w, c->now_us)) {
        /* Another key that fell on this slot: that one is not waited for. */
        if (w >> (64 - FP_BITS) != fp || (w & VAIN))
            return AE_CLAIM_PASS;
        c->same = (uint8_t)(w >> (END_BITS + 1)) == c->who;
        return AE_CLAIM_BUSY;
    }
    if (c->hold_us <= 0)
        return AE_CLAIM_MINE;
    mine = make(fp, c->who, false, c->now_us + c->hold_us);
    if (!atomic_compare_exchange_strong(slot, &w, mine)) {
        /* Somebody was quicker, and may be after another key. */
        c->same = (uint8_t)(w >> (END_BITS + 1)) == c->who;
        return live(w, c->now_us) && w >> (64 - FP_BITS) == fp
            && !(w & VAIN) ? AE_CLAIM_BUSY : AE_CLAIM_PASS;
    }
    c->ticket = mine;
    return AE_CLAIM_MINE;
}

void ae_claims_settle(const struct ae_claims *t,
                      const unsigned char hash[32], uint64_t ticket,
                      int64_t now_us, bool vain)
{
    uint64_t          fp;
    _Atomic uint64_t *slot = slot_of(t, hash, &fp);

    /* Who took over after our time is left alone. */
    atomic_compare_exchange_strong(slot, &ticket, vain
        ? make(fp, 0, true, now_us + VAIN_US) : 0);
}

bool ae_door_known(const struct ae_door *d, const unsigned char hash[32])
{
    uint64_t h;
    uint32_t mark;

    memcpy(&h, hash + 8, sizeof(h));
    mark = (uint32_t)(h >> 32) | 1;
    return atomic_exchange(&d->slot[h & (d->n - 1)], mark) == mark;
}
