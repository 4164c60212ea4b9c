/*
 * steps_cred.c - CREDENTIAL and VERIFY: who asks (T4, T6).
 */
#include "edge/edge.h"
#include "edge/keys.h"

/* Does this request authenticate the way REST does? */
static bool rest_auth(const ae_txn *t)
{
    switch (t->tgt.kind) {
    case AE_TGT_OP:
        return t->tgt.op->auth != AE_AUTH_NONE;
    case AE_TGT_UNKNOWN_API:
    case AE_TGT_BAD: /* HEAD, passed on */
        return true;
    default:
        return false;
    }
}

static bool unsafe_method(enum ae_method m)
{
    return m != AE_M_GET && m != AE_M_HEAD && m != AE_M_OPTIONS;
}

static bool own_origin(const ae_txn *t, ae_str origin)
{
    ae_str host = ae_origin_host(origin);
    /* The Host field has no scheme: lend it the origin's, so that both lose
     * the same default port. */
    bool https = ae_starts(origin, AE_STR("https://"));
    ae_str mine = t->req->authority;

    if (https && ae_ends(mine, AE_STR(":443")))
        mine.n -= 4;
    else if (!https && ae_ends(mine, AE_STR(":80")))
        mine.n -= 3;
    if (ae_find_str(origin, AE_STR("://")) == SIZE_MAX)
        return false; /* "null" */
    if (mine.n && ae_ieq(host, mine))
        return true;
    for (size_t i = 0; i < t->snap->norigins; i++)
        if (ae_ieq(host, t->snap->origins[i]))
            return true;
    return false;
}

/* R26, C10: a browser that says where a cookie write comes from must say
 * "from here"; one that says nothing is no browser. */
static bool cross_site(const ae_txn *t)
{
    ae_str origin = t->req->hdr[AE_H_ORIGIN];
    ae_str site = t->req->hdr[AE_H_SEC_FETCH_SITE];

    if (site.p && !ae_eq_lit(site, "same-origin") && !ae_eq_lit(site, "none"))
        return true;
    return origin.p && !own_origin(t, origin);
}

/* /terminal and /extensions/ read the cookie only (semantics-api section 2);
 * a bearer beside it would be a second credential (T4). */
static enum ae_pick_result pick_cookie(ae_txn *t)
{
    ae_str auth = t->req->hdr[AE_H_AUTHORIZATION];
    enum ae_pick_result r;

    r = ae_token_pick(&t->a, ae_s(NULL, 0), false, t->req->cookie,
                      t->req->ncookie, &t->cred);
    t->cred.strip_cookie = false;
    t->cred.strip_auth = ae_ieq(ae_sub(auth, 0, 7), AE_STR("bearer "));
    return r;
}

/* gRPC reads metadata "token", then "authorization", never the Cookie. */
enum ae_pick_result ae_cred_pick_grpc(ae_txn *t)
{
    ae_str token = t->req->hdr[AE_H_TOKEN];

    if (t->req->hdr_dup & (1u << AE_H_TOKEN)) {
        t->cred.status = 400;
        t->cred.code = 3;
        t->cred.reason = AE_STR("duplicate credentials");
        return AE_PICK_REFUSE;
    }
    if (token.n) {
        t->cred.source = AE_CRED_BEARER;
        t->cred.token = token;
        t->cred.strip_auth = true;
        return AE_PICK_OK;
    }
    return ae_token_pick(&t->a, t->req->hdr[AE_H_AUTHORIZATION],
                         t->req->hdr_dup & (1u << AE_H_AUTHORIZATION),
                         NULL, 0, &t->cred);
}

static bool seen(ae_txn *t)
{
    uint64_t gen = ae_keys_generation(t);
    struct ae_identity *i;

    ae_lock(t->e, &t->e->lock);
    i = ae_seen_get(t->e->seen, t->cred.token, gen, t->wall_us / 1000000);
    if (i)
        ae_identity_ref(i);
    ae_unlock(t->e, &t->e->lock);
    t->id = i;
    return i != NULL;
}

/* The common case: one bearer, nothing beside it, and its very bytes were
 * picked and verified before.  Picking them again would change nothing. */
static bool pick_seen(ae_txn *t)
{
    const struct ae_req *r = t->req;
    ae_str auth = r->hdr[AE_H_AUTHORIZATION];

    if (r->ncookie || (r->hdr_dup & (1u << AE_H_AUTHORIZATION))
        || !ae_starts(auth, AE_STR("Bearer ")))
        return false;
    t->cred.token = ae_sub(auth, 7, auth.n);
    if (seen(t)) {
        t->cred.source = AE_CRED_BEARER;
        return true;
    }
    memset(&t->cred, 0, sizeof t->cred);
    return false;
}

static enum ae_pick_result pick(ae_txn *t)
{
    const struct ae_req *r = t->req;

    if (t->tgt.kind == AE_TGT_GRPC)
        return ae_cred_pick_grpc(t);
    if (t->tgt.kind == AE_TGT_OP && t->tgt.op->auth == AE_AUTH_COOKIE)
        return pick_cookie(t);
    if (pick_seen(t))
        return AE_PICK_OK;
    return ae_token_pick(&t->a, r->hdr[AE_H_AUTHORIZATION],
                         r->hdr_dup & (1u << AE_H_AUTHORIZATION),
                         r->cookie, r->ncookie, &t->cred);
}

/* An operation that does not mind a bad token, or a request that we do not
 * understand well enough to refuse it. */
static bool not_our_say(const ae_txn *t)
{
    return t->skip_decide
        || (t->tgt.op && t->tgt.op->auth != AE_AUTH_REQUIRED);
}

bool ae_cred_seen(ae_txn *t)
{
    return t->id || (t->cred.source != AE_CRED_NONE && seen(t));
}

enum ae_step_ret ae_step_credential(ae_txn *t)
{
    bool grpc = t->tgt.kind == AE_TGT_GRPC && !t->skip_decide;

    if (!rest_auth(t) && !grpc)
        return AE_STEP_MORE;
    /* REST reads identities from Grpc-Metadata-* before any other: stripped
     * (C01), and what the client meant is not ours to guess.  gRPC does the
     * like with Grpcgateway-*. */
    if (t->req->hdr[AE_H_METADATA].p) {
        t->skip_decide = true;
        t->reason = "metadata may hide an identity";
    }
    if (grpc && t->skip_decide)
        return AE_STEP_MORE;
    if (pick(t) == AE_PICK_REFUSE) {
        if (t->cred.status == 401 && not_our_say(t)) {
            t->bad_token = true; /* checked upstream, or counts as none */
            return AE_STEP_MORE;
        }
        if (ae_step_limit_address(t) == AE_STEP_ACT)
            return AE_STEP_ACT;
        t->reason = "credential refused";
        ae_count(t->e, AE_N_token_refused);
        ae_limit_failed(t);
        return ae_reply_error(t, t->cred.status ? t->cred.status : 400,
                              t->cred.code ? t->cred.code : 3,
                              t->cred.reason);
    }
    if (t->cred.source == AE_CRED_COOKIE && unsafe_method(t->tgt.method)
        && cross_site(t)) {
        t->reason = "cross-site";
        ae_count(t->e, AE_N_cross_site);
        return ae_reply_error(t, 403, 7, AE_STR("cross-site request with a"
                                                " cookie is not allowed"));
    }
    return AE_STEP_MORE;
}

/* ---- VERIFY ------------------------------------------------------------- */

/* The rights of |t->id| at this snapshot: made once per identity. */
int ae_cred_rights(ae_txn *t)
{
    ae_engine *e = t->e;
    bool anon = t->id->kind == AE_KIND_ANONYMOUS;
    struct ae_rights *r, *old = NULL;
    int rc = AE_OK;

    ae_lock(e, &e->lock);
    r = anon ? e->anon : t->id->attached;
    if (!r || r->snap != t->snap) {
        old = r;
        rc = ae_rights_new(t->snap, t->id, &r);
        if (rc == AE_OK)
            r->serial = ++e->serial;
        if (rc == AE_OK && anon) {
            e->anon = r;
        } else if (rc == AE_OK) {
            t->id->attached = r;
            t->id->attached_free = (void (*)(void *))ae_rights_unref;
        } else {
            old = NULL;
        }
    }
    if (rc == AE_OK) {
        ae_ref_up(&r->refs, r->alone);
        t->rights = r;
    }
    ae_unlock(e, &e->lock);
    ae_rights_unref(old);
    return rc;
}

static enum ae_step_ret no_token(ae_txn *t)
{
    t->who = AE_WHO_NONE;
    if (not_our_say(t))
        return AE_STEP_MORE;
    if (t->snap->blind || !t->snap->in.have_accounts) {
        /* Anonymous access may be on: not ours to refuse. */
        t->who = AE_WHO_UNKNOWN;
        return AE_STEP_MORE;
    }
    if (t->snap->in.anonymous) {
        t->who = AE_WHO_ANON;
        t->id = ae_token_anonymous(t->snap->tokens);
        ae_identity_ref(t->id);
        if (ae_cred_rights(t) != AE_OK)
            t->a.failed = true;
        return AE_STEP_MORE;
    }
    t->reason = "no token";
    ae_count(t->e, AE_N_token_refused);
    return ae_reply_error(t, 401, 16, AE_STR("no session information"));
}

static enum ae_step_ret refused(ae_txn *t, const struct ae_token_result *r)
{
    ae_buf msg; /* the reason may hold NUL: no printf */

    ae_count(t->e, AE_N_token_refused);
    ae_count_jwt(t, r);
    t->bad_token = true;
    ae_limit_failed(t);
    if (not_our_say(t))
        return AE_STEP_MORE;
    ae_buf_init(&msg, &t->a, 0);
    ae_buf_puts(&msg, "invalid session: ");
    if (r->unlisted && ae_revoke_listed_too(t))
        ae_buf_puts(&msg, AE_REVOKED);
    else
        ae_buf_put(&msg, r->reason);
    if (msg.bad)
        t->a.failed = true;
    t->reason = r->stricter ? "token refused by a stricter rule"
                            : "token refused";
    if (!r->too_big)
        ae_dead_mark(t, ae_buf_str(&msg));
    return ae_reply_error(t, r->too_big ? 431 : 401, 16,
                          ae_buf_str(&msg));
}

/* T11, where a token is asked for: what was said of it a moment ago. */
static bool dead(ae_txn *t)
{
    int64_t left = 0;
    ae_str msg;

    if (t->tgt.kind != AE_TGT_OP || not_our_say(t))
        return false;
    msg = ae_dead_find(t, &left);
    if (!msg.p)
        return false;
    t->bad_token = true;
    t->reason = "token refused a moment ago";
    ae_count(t->e, AE_N_token_dead);
    ae_reply_header(t, AE_STR("Retry-After"),
                    ae_fmt(&t->a, "%lld",
                           (long long)((left + 999999) / 1000000)));
    ae_reply_error(t, 401, 16, msg);
    return true;
}

/* One that was logged out here may be revoked: not for us to accept. */
static enum ae_step_ret logged_out(ae_txn *t)
{
    t->revoked_ns = ae_zone_now();
    ae_count(t->e, AE_N_token_logged_out);
    t->reason = "token logged out";
    return AE_STEP_MORE;
}

/* Argo CD's own list says so. */
static enum ae_step_ret revoked(ae_txn *t)
{
    struct ae_token_result r = { .reason = AE_STR(AE_REVOKED),
                                 .kind = t->id->kind };

    ae_lease_end(t->e, t->id, t->mono_us);
    ae_identity_unref(t->id);
    t->id = NULL;
    return refused(t, &r);
}

static enum ae_step_ret verify(ae_txn *t)
{
    struct ae_token_result r;
    enum ae_step_ret ret;
    uint64_t gen;

    if (ae_keys_going_on(t, &ret))
        return ret;
    if (t->id || seen(t)) {
        ae_count(t->e, AE_N_token_seen);
    } else {
        gen = ae_keys_check(t, t->cred.token, &r);
        if (r.lacks_key || (r.sso && ae_keys_due(t->e))) {
            ret = ae_keys_want(t);
            if (ret == AE_STEP_ACT) {
                ae_identity_unref(r.identity);
                return ret;
            }
        }
        ae_token_allow_partial(&r, t->snap->partial);
        if (r.verdict == AE_TOKEN_REFUSED)
            return refused(t, &r);
        if (r.verdict != AE_TOKEN_OK || !r.identity) {
            ae_count(t->e, AE_N_token_unknown);
            t->reason = "token unknown";
            t->no_project = r.no_project;
            return AE_STEP_MORE;
        }
        ae_count(t->e, AE_N_token_ok);
        t->id = r.identity;
        t->id->alone = t->e->host.one_thread;
        ae_lock(t->e, &t->e->lock);
        ae_seen_put(t->e->seen, t->cred.token, gen, t->id);
        ae_unlock(t->e, &t->e->lock);
    }
    if (ae_revoke_listed(t->e, t->id))
        return revoked(t);
    if (ae_revoke_hit(t->e, t->id->claims))
        return logged_out(t);
    t->who = AE_WHO_TOKEN;
    if (t->id->confirmed && ae_cred_rights(t) != AE_OK)
        t->a.failed = true;
    return AE_STEP_MORE;
}

enum ae_step_ret ae_step_verify(ae_txn *t)
{
    bool grpc = t->tgt.kind == AE_TGT_GRPC && !t->skip_decide;

    if ((!rest_auth(t) && !grpc) || t->bad_token)
        return AE_STEP_MORE;
    if (t->cred.source == AE_CRED_NONE)
        return no_token(t);
    return dead(t) ? AE_STEP_ACT : verify(t);
}

/* Argo CD checks this call, whatever we find: nothing of it is decided. */
struct ae_identity *ae_cred_peek(ae_txn *t, bool verify_it)
{
    struct ae_cred saved = t->cred;
    struct ae_identity *id = NULL;
    struct ae_token_result r;

    memset(&r, 0, sizeof r);
    if (ae_cred_pick_grpc(t) == AE_PICK_OK && t->cred.source != AE_CRED_NONE) {
        if (seen(t)) {
            id = t->id;
            t->id = NULL;
        } else if (verify_it) {
            ae_token_check(t->snap->tokens, &t->a, t->cred.token,
                           t->wall_us / 1000000, &r);
            if (r.verdict == AE_TOKEN_REFUSED)
                ae_limit_failed(t);
            if (r.verdict == AE_TOKEN_OK)
                id = r.identity;
        }
    }
    if (id && r.identity) {
        ae_lock(t->e, &t->e->lock);
        ae_seen_put(t->e->seen, t->cred.token,
                    ae_tokens_generation(t->snap->tokens), id);
        ae_unlock(t->e, &t->e->lock);
    }
    t->cred = saved;
    return id;
}
