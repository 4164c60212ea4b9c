/*
 * list_fetch.c - a full list asked for by ourselves, when a tenant's list
 * needs one and there is none (docs/lists.md): with the service token, or in
 * the name of a caller who may see everything and asks for a part.  One
 * process asks at a time; whoever comes meanwhile is forwarded as ever.
 */
#include "edge/edge.h"

#define HOLD_US (INT64_C(30) * 1000000) /* a large list takes its time */
#define DEMAND_US (INT64_C(60) * 1000000) /* a tenant lacked a copy so lately */

/* Somebody who would have got more than his own question is of use only
 * while others ask. */
static bool lends(ae_txn *t)
{
    int64_t last;

    if (t->loc->lists != AE_LISTS_ASK || !t->tgt.nq || !t->rights
        || t->who != AE_WHO_TOKEN)
        return false;
    ae_lock(t->e, &t->e->lock);
    last = t->e->list_missed_us[ae_list_kind(t)];
    ae_unlock(t->e, &t->e->lock);
    return last && t->mono_us - last < DEMAND_US
        && ae_list_covers(t, t->rights);
}

static bool wanted(ae_txn *t)
{
    return !t->list_asked && t->store_wanted
        && !t->copy && t->loc->mode == AE_MODE_ENFORCE
        && t->loc->lists > 0 && ae_list_kind(t) >= 0
        && (t->snap->in.service_token.n || lends(t));
}

/* The token is judged as any other: confirmed, and its rights cover all, by
 * the policy in force.  Nothing is guessed from its being configured. */
static struct ae_rights *service_rights(ae_txn *t, struct ae_identity **id)
{
    struct ae_token_result r;
    struct ae_rights *rights = NULL;

    memset(&r, 0, sizeof r);
    ae_token_check(t->snap->tokens, &t->a, t->snap->in.service_token,
                   t->wall_us / 1000000, &r);
    *id = r.verdict == AE_TOKEN_OK ? r.identity : NULL;
    if (!*id || !(*id)->confirmed
        || ae_rights_new(t->snap, *id, &rights) != AE_OK)
        return NULL;
    if (ae_list_covers(t, rights))
        return rights;
    ae_rights_unref(rights);
    return NULL;
}

static void settle(ae_txn *t, bool vain)
{
    ae_store *s = ae_edge_store(t->e);

    t->list_claimed = false;
    s->ops->settle(s, &t->list_key, t->list_ticket, ae_edge_mono(t->e), vain);
}

static bool claim(ae_txn *t)
{
    ae_store *s = ae_edge_store(t->e);
    struct ae_claimer c = { .now_us = t->mono_us, .hold_us = HOLD_US };

    if (ae_list_copy_key(t, &t->list_key) != AE_OK
        || s->ops->claim(s, &t->list_key, &c) != AE_CLAIM_MINE)
        return false;
    t->list_ticket = c.ticket;
    t->list_claimed = true;
    return true;
}

static enum ae_step_ret ask(ae_txn *t)
{
    ae_str service = t->snap->in.service_token;
    ae_str auth[2] = { AE_STR("Bearer "), service };
    ae_str path[2] = { t->snap->route.root_path, ae_cs(t->tgt.op->tmpl) };

    ae_trace(t, "list");
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_FETCH;
    t->act.fetch.id = AE_LIST_ID;
    t->act.fetch.target = ae_concat(&t->a, path, 2);
    if (service.n)
        t->act.fetch.authorization = ae_concat(&t->a, auth, 2);
    else
        ae_fetch_credential(t);
    t->act.fetch.max = t->loc->max_object > 0
        ? (size_t)t->loc->max_object : 0;
    if (!t->act.fetch.target.p || !t->act.fetch.authorization.p) {
        t->a.failed = true;
        settle(t, true);
    }
    return AE_STEP_ACT;
}

/* Others may have changed what was decided while we waited. */
static enum ae_step_ret use(ae_txn *t)
{
    if (!t->list_came || !ae_still_now(t) || !ae_serve_lease(t)
        || !ae_serve(t))
        return AE_STEP_MORE;
    ae_collapse_end(t, false);
    return AE_STEP_ACT;
}

/* Said once for each snapshot. */
static void poor(ae_txn *t)
{
    ae_engine *e = t->e;
    bool said;

    ae_count(e, AE_N_list_fetch_failed);
    settle(t, true);
    ae_lock(e, &e->lock);
    said = memcmp(e->list_poor, t->snap->id, sizeof e->list_poor) == 0;
    memcpy(e->list_poor, t->snap->id, sizeof e->list_poor);
    ae_unlock(e, &e->lock);
    if (!said)
        ae_edge_log(e, AE_LOG_WARN, "argo-edge: the service token is not"
                    " good for %s: it must be valid, of an account that the"
                    " inputs show, and may see every one by the policy",
                    t->tgt.op->resource);
}

enum ae_step_ret ae_list_fetch(ae_txn *t)
{
    struct ae_rights *r;

    if (t->list_asked)
        return use(t);
    /* What is fetched could not be served to who has no lease. */
    if (!wanted(t) || !ae_serve_lease(t) || !claim(t))
        return AE_STEP_MORE;
    t->list_asked = true;
    if (!t->snap->in.service_token.n) {
        t->list_id = t->id;
        ae_identity_ref(t->id);
    } else {
        r = service_rights(t, &t->list_id);
        if (!r) {
            poor(t);
            return AE_STEP_MORE;
        }
        ae_rights_unref(r);
    }
    ae_count(t->e, AE_N_list_fetched);
    return ask(t);
}

static bool take(ae_txn *t, int status, ae_str ctype, ae_str body)
{
    struct ae_admit_in in = {
        .status = status, .ctype = ctype, .content_length = -1,
        .max_object = t->loc->max_object > 0
            ? (size_t)t->loc->max_object : 0,
    };

    return !ae_cache_admit(&in) && !ae_cache_admit_body(body)
        && !ae_quar_holds(t->e, t->tags, t->ntags)
        && ae_list_take(t, &t->list_key, t->list_id, body);
}

void ae_list_fetch_answered(ae_txn *t, int status, ae_str ctype, ae_str body)
{
    t->list_came = take(t, status, ctype, body);
    if (!t->list_came)
        ae_count(t->e, AE_N_list_fetch_failed);
    settle(t, !t->list_came);
}

void ae_list_fetch_end(ae_txn *t)
{
    if (t->list_claimed)
        settle(t, false); /* nobody is to wait for who went away */
    ae_identity_unref(t->list_id);
    t->list_id = NULL;
}
