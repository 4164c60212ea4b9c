/*
 * steps_session.c - what happens around a session: it ends with a logout, and
 * whether it still lives can be asked for (T7).
 */
#include "edge/edge.h"
#include "edge/keys.h"

/* ---- logout ------------------------------------------------------------- */

static bool op_is(const ae_txn *t, const char *name)
{
    return t->tgt.kind == AE_TGT_OP
        && ae_eq(ae_cs(t->tgt.op->name), ae_cs(name));
}

/* Who logs out?  /auth/logout reads the cookie and nothing else.  A token
 * that does not verify ends nothing: else anybody could end anybody's. */
static struct ae_identity *who_leaves(ae_txn *t, ae_str authorization,
                                      bool auth_dup)
{
    struct ae_token_result r = { 0 };
    struct ae_cred cred = { 0 };

    if (ae_token_pick(&t->a, authorization, auth_dup, t->req->cookie,
                      t->req->ncookie, &cred) != AE_PICK_OK
        || cred.source == AE_CRED_NONE)
        return NULL;
    ae_keys_check(t, cred.token, &r);
    return r.verdict == AE_TOKEN_OK ? r.identity : NULL;
}

void ae_logout_forward(ae_txn *t)
{
    if (t->id)
        return;
    if (op_is(t, "auth_logout")) {
        ae_revoke_logout(t);
        t->id = who_leaves(t, ae_s(NULL, 0), false);
    }
    else if (op_is(t, "SessionService_Delete"))
        t->id = who_leaves(t, t->req->hdr[AE_H_AUTHORIZATION],
                           t->req->hdr_dup & (1u << AE_H_AUTHORIZATION));
    if (!t->id)
        return;
    t->logout = true;
    ae_lease_end_all(t->e, t->id, t->mono_us);
}

/* Requests that the upstream accepted until now say nothing any more. */
void ae_logout_answered(ae_txn *t)
{
    if (!t->logout)
        return;
    if (op_is(t, "auth_logout"))
        ae_revoke_again(t);
    ae_lease_end_all(t->e, t->id, ae_edge_mono(t->e));
}

/* ---- the probe ---------------------------------------------------------- */

bool ae_probe_wanted(const ae_txn *t)
{
    return t->loc->lease_probe > 0 && !t->probe_done
        && t->who == AE_WHO_TOKEN;
}

/* So many a second over all workers; beyond, the answer itself is asked for,
 * which says the same of the token. */
enum { PROBES_PER_S = 50 };

bool ae_probe_due(ae_txn *t)
{
    static const struct ae_rate r = {
        .step_ns = 1000000000 / PROBES_PER_S,
        .burst_ns = 1000000000,
        .free_ns = 1000000000,
    };
    uint64_t tag = ae_gcra_tag(ae_zone_seed(t->e->zone), UINT64_MAX,
                               AE_STR("lease probe"));
    struct ae_taken k;

    ae_gcra_take(&t->e->limiter, tag, &r, 1, ae_limit_now(t), &k);
    if (k.verdict == AE_GCRA_PASSED)
        return true;
    ae_count(t->e, AE_N_lease_probe_limit);
    return false;
}

/* A request for userinfo costs Argo CD next to nothing, whatever the size of
 * the answer that is held back for want of a lease. */
enum ae_step_ret ae_probe_ask(ae_txn *t)
{
    ae_str part[2] = { t->snap->route.root_path,
                       AE_STR("/api/v1/session/userinfo") };

    ae_trace(t, "probe");
    ae_count(t->e, AE_N_lease_probe);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_FETCH;
    t->act.fetch.id = AE_PROBE_ID;
    t->act.fetch.target = ae_concat(&t->a, part, 2);
    ae_fetch_credential(t);
    return AE_STEP_ACT;
}

void ae_probe_answered(ae_txn *t, int status, ae_str ctype, ae_str body)
{
    json_t *o;

    if (status != 200 || !ae_starts(ctype, AE_STR("application/json")))
        return;
    o = ae_json_parse(body, 8, NULL);
    /* To a token that does not count userinfo says nothing. */
    if (json_is_true(json_object_get(o, "loggedIn")))
        ae_lease_grant(t->e, t->id, t->mono_us);
    json_decref(o);
}
