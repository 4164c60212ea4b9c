/*
 * watch.c - answers that do not end: streams of events and logs, terminals
 * (R25).  What let them begin is asked again as long as they go on: the token's
 * end, its lease, Argo CD's list of revoked ones, and after each change of the
 * inputs the token and the decision.  What cannot be told lets them go on, for
 * Argo CD let them begin; a client that is cut off asks again and gets Argo
 * CD's own word.
 */
#include "edge/edge.h"
#include "edge/keys.h"

enum { LOOK_MS = 1000 };

/* Under the snapshot that is in force now, as at the beginning. */
static bool lets_go_on(ae_txn *t)
{
    struct ae_rights *mine = t->rights, *now = NULL;
    const struct ae_check *at;
    struct ae_token_result r;
    struct ae_decision why;
    enum ae_verdict v = AE_UNKNOWN;
    bool certain;

    ae_keys_check(t, t->cred.token, &r);
    ae_token_allow_partial(&r, t->snap->partial);
    if (r.verdict == AE_TOKEN_OK && r.identity->confirmed && t->decided
        && t->verdict == AE_ALLOW
        && ae_rights_new(t->snap, r.identity, &now) == AE_OK) {
        t->rights = now;
        ae_decide_checks(t, &t->checks, &why, &at, &v, &certain);
        t->rights = mine;
    }
    ae_rights_unref(now);
    ae_identity_unref(r.identity);
    return r.verdict != AE_TOKEN_REFUSED && v != AE_DENY;
}

/* The inputs have changed since they were last looked at.  Memory of its own:
 * the stream may live for days. */
static bool still_after_change(ae_txn *t)
{
    ae_snapshot *first = t->snap, *now;
    ae_arena arena = t->a;
    ae_heap heap = { NULL, 0 };
    bool good = true;

    ae_lock(t->e, &t->e->lock);
    now = t->e->snap;
    ae_snapshot_ref(now);
    ae_unlock(t->e, &t->e->lock);
    if (strcmp(now->id, t->watched[0] ? t->watched : first->id) != 0
        && !now->blind) {
        t->snap = now;
        ae_arena_init(&t->a, ae_heap_mem(&heap), NULL, 0);
        good = lets_go_on(t);
        t->a = arena;
        t->snap = first;
        ae_heap_free(&heap);
        memcpy(t->watched, now->id, sizeof t->watched);
    }
    ae_snapshot_unref(now);
    return good;
}

static bool goes_on(ae_txn *t)
{
    int64_t mono = ae_edge_mono(t->e), max = t->loc->stream_max_ms * 1000;
    int64_t wall = ae_edge_wall(t->e) / 1000000;

    if (max > 0 && mono - t->mono_us >= max)
        return false;
    if (!t->id || t->id->kind == AE_KIND_ANONYMOUS)
        return true;
    if (t->id->has_exp && t->id->exp <= wall)
        return false;
    if (ae_revoke_listed(t->e, t->id)
        || (!t->revoked_ns && ae_revoke_hit(t->e, t->id->claims))
        || ae_lease_ended(t->e, t->id->digest, t->mono_us))
        return false;
    t->wall_us = wall * 1000000;
    return still_after_change(t);
}

int64_t ae_txn_watch(ae_txn *t)
{
    if (!t || t->act.kind != AE_FORWARD || t->loc->mode != AE_MODE_ENFORCE
        || !(t->act.forward.flags & AE_FWD_STREAM))
        return 0;
    if (t->cut)
        return AE_E_NOTFOUND;
    if (goes_on(t))
        return LOOK_MS;
    ae_count(t->e, AE_N_stream_cut);
    t->cut = true;
    return AE_E_NOTFOUND;
}
