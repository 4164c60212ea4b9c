/*
 * collapse.c - one question for many who ask the same (R21, R22): who comes
 * first asks, the others wait for a bounded time and look again.  A waiter
 * gets nothing that it would not have got by itself: the look-up, the lease
 * and the decision are its own.
 */
#include "edge/edge.h"

#define FIRST_WAITS 16          /* that many short ones, then longer ones */
#define SHORT_MS 4
#define LONG_MS 20

static int64_t bound_us(const ae_txn *t)
{
    return t->loc->collapse_ms * INT64_C(1000);
}

static uint8_t who(const ae_txn *t)
{
    return t->who == AE_WHO_TOKEN ? t->id->digest[31] : 0;
}

static enum ae_claim claim(ae_txn *t, int64_t hold_us, struct ae_claimer *c)
{
    ae_store *s = ae_edge_store(t->e);

    *c = (struct ae_claimer){ .who = who(t), .now_us = t->mono_us,
                              .hold_us = hold_us };
    return s->ops->claim(s, &t->key, c);
}

/* R21: without a lease of its own a token waits only for a question that was
 * asked with it: the answer to that is the acceptance that it lacks. */
static bool may_wait(ae_txn *t, const struct ae_claimer *c)
{
    if (!t->waiting)
        t->wait_until_us = t->mono_us + bound_us(t);
    if (t->mono_us >= t->wait_until_us)
        return false;
    return ae_serve_lease(t)
        || (c->same && t->tgt.op->auth == AE_AUTH_REQUIRED);
}

static enum ae_collapse wait(ae_txn *t)
{
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_WAIT;
    t->act.wait.ms = t->waits++ < FIRST_WAITS ? SHORT_MS : LONG_MS;
    t->waiting = true;
    return AE_COLLAPSE_WAIT;
}

enum ae_collapse ae_collapse(ae_txn *t)
{
    struct ae_claimer c;

    if (t->loc->collapse_ms <= 0)
        return AE_COLLAPSE_NONE;
    switch (claim(t, bound_us(t), &c)) {
    case AE_CLAIM_MINE:
        t->claimed = true;
        t->ticket = c.ticket;
        return AE_COLLAPSE_MINE;
    case AE_CLAIM_BUSY:
        if (ae_serve_stale(t))
            return AE_COLLAPSE_STALE;
        return may_wait(t, &c) ? wait(t) : AE_COLLAPSE_NONE;
    default:
        return AE_COLLAPSE_NONE;
    }
}

/* The common case, "still busy", is settled by one load. */
enum ae_collapse ae_collapse_resume(ae_txn *t)
{
    struct ae_claimer c;

    if (!ae_still_now(t))
        return AE_COLLAPSE_NONE;
    if (claim(t, 0, &c) != AE_CLAIM_BUSY)
        return AE_COLLAPSE_MINE;
    return may_wait(t, &c) ? wait(t) : AE_COLLAPSE_NONE;
}

void ae_collapse_end(ae_txn *t, bool vain)
{
    ae_store *s = ae_edge_store(t->e);

    if (!t->claimed)
        return;
    t->claimed = false;
    s->ops->settle(s, &t->key, t->ticket, ae_edge_mono(t->e), vain);
}
