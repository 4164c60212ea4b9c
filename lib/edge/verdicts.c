/*
 * verdicts.c - decisions that were made before.
 *
 * The same caller asks the same targets again and again.  What he may do at
 * one snapshot is a function of his rights and of the target's bytes: where
 * both are the very same as before (numbers that are never given twice), so is
 * an allow, and it need not be worked out anew.  Only an allow that the target
 * alone settles is kept: refusals have texts, and bodies have no number.
 */
#include "edge/edge.h"

static struct ae_allowed *slot_of(ae_engine *e, uint64_t target,
                                  uint64_t rights)
{
    return &e->allowed[(target * 31 + rights) % AE_ALLOWED_SLOTS];
}

/* The transaction keeps a copy: the slot may be another's before it ends. */
static void copy_check(ae_txn *t, const struct ae_allowed *s)
{
    memcpy(t->at_text, s->text, sizeof t->at_text);
    t->at_kept = (struct ae_check){
        .resource = ae_s(t->at_text, s->nres),
        .action = ae_s(t->at_text + s->nres, s->nact),
    };
    t->at = &t->at_kept;
}

bool ae_allowed_before(ae_txn *t)
{
    ae_engine *e = t->e;
    const struct ae_allowed *s;
    bool hit;

    if (!t->tgt.memo || !t->rights || t->loc->mode != AE_MODE_ENFORCE)
        return false;
    ae_lock(e, &e->lock);
    s = slot_of(e, t->tgt.memo, t->rights->serial);
    hit = s->target == t->tgt.memo && s->rights == t->rights->serial;
    if (hit) {
        t->why = s->why;
        t->certain = s->certain;
        copy_check(t, s);
    }
    ae_unlock(e, &e->lock);
    if (hit) {
        t->verdict = AE_ALLOW;
        t->decided = t->recalled = true;
    }
    return hit;
}

void ae_allowed_keep(ae_txn *t)
{
    ae_engine *e = t->e;
    const struct ae_check *c = t->at;
    struct ae_allowed *s;

    if (!t->tgt.memo || t->verdict != AE_ALLOW || !c || t->json
        || t->checks.can_i || t->checks.need_body
        || t->loc->mode != AE_MODE_ENFORCE
        || c->resource.n + c->action.n > sizeof s->text)
        return;
    ae_lock(e, &e->lock);
    s = slot_of(e, t->tgt.memo, t->rights->serial);
    s->target = t->tgt.memo;
    s->rights = t->rights->serial;
    s->why = t->why;
    s->certain = t->certain;
    s->nres = (uint8_t)c->resource.n;
    s->nact = (uint8_t)c->action.n;
    if (s->nres)
        memcpy(s->text, c->resource.p, s->nres);
    if (s->nact)
        memcpy(s->text + s->nres, c->action.p, s->nact);
    ae_unlock(e, &e->lock);
}

/* For whoever wants the object as well: logs, mostly. */
const struct ae_check *ae_asked(ae_txn *t)
{
    struct ae_decision why;
    enum ae_verdict v;
    bool certain;

    if (t->recalled && !t->checks_made) {
        t->checks_made = true;
        if (ae_route_checks(&t->snap->route, t->about, NULL, &t->a,
                            &t->checks) == AE_OK)
            ae_decide_checks(t, &t->checks, &why, &t->at, &v, &certain);
    }
    return t->at;
}
