/*
 * limit_calls.c - how many expensive calls may be under way.  Only what goes
 * to Argo CD is counted: an answer from the cache costs it nothing.
 */
#include "edge/edge.h"

static void hold(ae_txn *t, uint64_t tag, int64_t slot)
{
    ae_engine *e = t->e;

    t->held[t->nheld++] = (struct ae_held){ tag, slot };
    if (t->nheld > 1)
        return;
    ae_lock(e, &e->lock);
    t->held_prev = NULL;
    t->held_next = e->holders;
    if (e->holders)
        e->holders->held_prev = t;
    e->holders = t;
    ae_unlock(e, &e->lock);
}

void ae_limit_calls_end(ae_txn *t)
{
    ae_engine *e = t->e;

    if (!t->nheld)
        return;
    ae_lock(e, &e->lock);
    if (t->held_prev)
        t->held_prev->held_next = t->held_next;
    else
        e->holders = t->held_next;
    if (t->held_next)
        t->held_next->held_prev = t->held_prev;
    ae_unlock(e, &e->lock);
    for (size_t i = 0; i < t->nheld; i++)
        ae_inflight_give(&e->inflight, t->held[i].slot, t->held[i].tag);
    t->nheld = 0;
}

void ae_limit_calls_tick(ae_engine *e)
{
    int64_t now = ae_edge_mono(e) * 1000;

    ae_lock(e, &e->lock);
    for (ae_txn *t = e->holders; t; t = t->held_next)
        for (size_t i = 0; i < t->nheld; i++)
            ae_inflight_renew(&e->inflight, t->held[i].slot, t->held[i].tag,
                              now);
    ae_unlock(e, &e->lock);
}

enum ae_step_ret ae_step_limit_calls(ae_txn *t)
{
    int64_t now = ae_limit_now(t);

    for (size_t i = 0; i < t->loc->ncalls && t->nheld < AE_HELD_MAX; i++) {
        const struct ae_limit_conf *l = &t->loc->calls[i];
        uint64_t tag;
        int64_t slot;

        if (!ae_limit_fits(t, l))
            continue;
        tag = ae_limit_tag(t, l);
        slot = ae_inflight_take(&t->e->inflight, tag, l->calls, now);
        if (slot >= 0) {
            hold(t, tag, slot);
            continue;
        }
        if (slot == AE_INFLIGHT_NO_ROOM) {
            /* A cap protects Argo CD from one caller; that others fill the
             * table is no reason to refuse him. */
            ae_count(t->e, AE_N_calls_no_room);
            continue;
        }
        ae_count(t->e, AE_N_calls_rejected);
        if (ae_limit_refuse(t, l, "too many calls under way", 1000000000)
            == AE_STEP_ACT) {
            ae_limit_calls_end(t);
            return AE_STEP_ACT;
        }
    }
    return AE_STEP_MORE;
}
