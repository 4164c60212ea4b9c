/*
 * inflight.c - caps on calls that are under way at one time.
 *
 * A count would be wrong for ever after a kill.  Here each call holds a slot
 * of its own, with the time at which it comes free; who lives renews it.
 */
#include "limit/gcra.h"

#define SPAN 256 /* slots in which the calls of one key are */

void ae_inflight_init(struct ae_inflight *f, void *mem, size_t n)
{
    f->slot = mem;
    f->n = mem ? n / sizeof(struct ae_gcra_slot) : 0;
    if (f->n < SPAN)
        f->n = 0;
}

static struct ae_gcra_slot *at(const struct ae_inflight *f, uint64_t tag,
                               uint64_t i)
{
    return &f->slot[(tag % f->n + i) % f->n];
}

static bool live(struct ae_gcra_slot *s, int64_t now)
{
    uint64_t until = atomic_load(&s->tat);

    /* further ahead than anybody sets it: damage */
    return until > (uint64_t)now
        && until <= (uint64_t)now + 2 * (uint64_t)AE_INFLIGHT_NS;
}

static uint32_t count(const struct ae_inflight *f, uint64_t tag, int64_t now)
{
    uint32_t n = 0;

    for (uint64_t i = 0; i < SPAN; i++) {
        struct ae_gcra_slot *s = at(f, tag, i);

        n += atomic_load(&s->tag) == tag && live(s, now);
    }
    return n;
}

int64_t ae_inflight_take(const struct ae_inflight *f, uint64_t tag,
                         uint32_t cap, int64_t now)
{
    if (!f->n)
        return AE_INFLIGHT_NO_ROOM;
    if (count(f, tag, now) >= cap)
        return AE_INFLIGHT_FULL;
    for (uint64_t i = 0; i < SPAN; i++) {
        struct ae_gcra_slot *s = at(f, tag, i);
        uint64_t until = atomic_load(&s->tat);

        if (live(s, now))
            continue;
        /* The time first: the slot is ours from then on.  Under its old tag
         * it counts for nobody who asks for another. */
        if (!atomic_compare_exchange_strong(
                &s->tat, &until, (uint64_t)(now + AE_INFLIGHT_NS)))
            continue;
        atomic_store(&s->tag, tag);
        /* Others may have come at the same moment: rather none than one too
         * many. */
        if (count(f, tag, now) > cap) {
            atomic_store(&s->tat, 0);
            return AE_INFLIGHT_FULL;
        }
        return s - f->slot;
    }
    return AE_INFLIGHT_NO_ROOM;
}

static struct ae_gcra_slot *mine(const struct ae_inflight *f, int64_t slot,
                                 uint64_t tag)
{
    if (slot < 0 || (uint64_t)slot >= f->n
        || atomic_load(&f->slot[slot].tag) != tag)
        return NULL;
    return &f->slot[slot];
}

bool ae_inflight_renew(const struct ae_inflight *f, int64_t slot,
                       uint64_t tag, int64_t now)
{
    struct ae_gcra_slot *s = mine(f, slot, tag);

    if (!s || !live(s, now))
        return false;
    atomic_store(&s->tat, (uint64_t)(now + AE_INFLIGHT_NS));
    return true;
}

void ae_inflight_give(const struct ae_inflight *f, int64_t slot,
                      uint64_t tag)
{
    struct ae_gcra_slot *s = mine(f, slot, tag);

    if (s)
        atomic_store(&s->tat, 0);
}
