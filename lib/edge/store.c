/*
 * store.c - the upstream's answer: it moves generations before the client
 * hears of it (T13), renews or ends leases (T7), and is kept if every rule of
 * admission lets it (T10, T11).
 */
#include "edge/edge.h"
#include "edge/keys.h"

static bool accepted(int status)
{
    return (status >= 200 && status < 300) || status == 403 || status == 404;
}

/* ---- header ------------------------------------------------------------- */

/* The upstream refused before it did anything: nothing has moved. */
static bool did_nothing(int status)
{
    return status == 400 || status == 401 || status == 403 || status == 415;
}

static void settle_write(ae_txn *t, int status)
{
    /* The store may have been opened since the request went upstream. */
    if (!t->wtags_made)
        ae_write_tags(t);
    if (!t->nwtags)
        return;
    if (did_nothing(status)) {
        ae_quar_release(t->e, t->wtags, t->nwtags, t->quar_until);
        return;
    }
    if (t->tgt.kind == AE_TGT_UNKNOWN_API && (status < 200 || status >= 300))
        return;
    ae_quar_write(t->e, t->wtags, t->nwtags, t->loc->quarantine_ms * 1000);
}

/* The question was one that is answered to accepted tokens only.  "Not
 * Found" as text is no answer of an operation, and asks for no token. */
static bool accepts(const ae_txn *t, const struct ae_resp *r)
{
    return accepted(r->status)
        && (t->tgt.op->shape != AE_SHAPE_UNARY
            || ae_starts(r->ctype, AE_STR("application/json")));
}

/* T7: only operations that require a token say anything of it, and nothing
 * does while anonymous access is on.  The acceptance dates from the moment
 * the request came, not from the answer. */
static void settle_lease(ae_txn *t, const struct ae_resp *r)
{
    if (t->cred.source == AE_CRED_NONE || t->tgt.kind != AE_TGT_OP || !t->api
        || t->tgt.op->auth != AE_AUTH_REQUIRED || t->skip_decide
        || r->foreign)
        return;
    if (r->status == 401) {
        t->want_401 = r->content_length <= AE_401_MAX
            && !r->content_encoding.n;
    } else if ((t->who == AE_WHO_TOKEN || t->revoked_ns)
               && !t->snap->in.anonymous && accepts(t, r)) {
        if (t->revoked_ns)
            ae_revoke_clear(t);
        ae_lease_grant(t->e, t->id, t->mono_us);
    }
}

static void count_shadow(ae_txn *t, bool same)
{
    enum ae_counter closed;
    /* item 8: Argo CD may read the body first and mind that */
    bool early = t->shadow_status == 401
        && (t->resp_status == 400 || t->resp_status == 500);

    /* stricter on purpose is no divergence */
    ae_count(t->e, same ? AE_N_shadow_same
             : early || ae_refusal_closed(t, t->shadow_status, &closed)
             ? AE_N_shadow_closed : AE_N_divergence);
}

/* Shadow compares what it would have said with what Argo CD says. */
static void settle_shadow(ae_txn *t, const struct ae_resp *r)
{
    bool same;

    if (t->loc->mode != AE_MODE_SHADOW)
        return;
    if (t->shadow_status == 200) {
        /* can-i: the body is the verdict. */
        t->want_compare = r->status == 200 && !r->content_encoding.n;
        if (t->want_compare)
            return;
        same = r->status == 200;
    } else if (t->shadow_status) {
        same = r->status == t->shadow_status;
    } else if (t->decided && t->verdict == AE_ALLOW && t->certain
               && t->checks.complete && t->checks.n) {
        same = r->status != 403;
    } else {
        return;
    }
    count_shadow(t, same);
}

static void edit_set(ae_txn *t, ae_str name, ae_str value)
{
    if (t->nresp_set < sizeof t->resp_set / sizeof t->resp_set[0])
        t->resp_set[t->nresp_set++] = (struct ae_field){ name, value };
}

/* Ours, after what the upstream varies by beyond it. */
static ae_str vary(ae_txn *t, ae_str theirs)
{
    ae_str ours = AE_STR("Accept-Encoding, Authorization, Cookie");
    ae_buf b;

    if (theirs.n == 0 || ae_ieq(theirs, AE_STR("accept-encoding")))
        return ours;
    ae_buf_init(&b, &t->a, 0);
    ae_buf_put(&b, theirs);
    ae_buf_puts(&b, ", ");
    ae_buf_put(&b, ours);
    return b.bad ? AE_STR("*") : ae_buf_str(&b);
}

/* RFC 9211; "stored" is what we are about to do. */
static ae_str cache_status(ae_txn *t)
{
    const char *fwd = t->fwd;
    ae_str s;

    if (!fwd)
        fwd = "bypass";
    if (t->want_store)
        s = ae_fmt(&t->a, "argo-edge; fwd=%s; stored", fwd);
    else if (t->store_wanted || !t->cache_var)
        s = ae_fmt(&t->a, "argo-edge; fwd=%s", fwd);
    else
        s = ae_fmt(&t->a, "argo-edge; fwd=%s; detail=\"%s\"", fwd,
                   t->cache_var);
    return s.p ? s : AE_STR("argo-edge; fwd=bypass");
}

/* T12, on what may be stored, so that hit and miss look alike; all else is
 * Argo CD's own.  Of what the upstream says only no-store is stricter, and
 * only "*" varies by more. */
static void edit_headers(ae_txn *t, const struct ae_resp *r)
{
    if (t->loc->mode != AE_MODE_ENFORCE || !t->cache_class)
        return;
    if (!(ae_cache_request_cc(r->cache_control) & AE_CC_NO_STORE))
        edit_set(t, AE_STR("Cache-Control"), AE_STR("private, no-cache"));
    if (ae_find(r->vary, '*') == r->vary.n)
        edit_set(t, AE_STR("Vary"), vary(t, r->vary));
    edit_set(t, AE_STR("X-Content-Type-Options"), AE_STR("nosniff"));
    if (t->page)
        edit_set(t, AE_STR("Argo-Edge-List"), AE_STR("whole"));
    if (t->loc->status_header > 0)
        edit_set(t, AE_STR("Cache-Status"), cache_status(t));
}

static size_t max_object(const ae_txn *t)
{
    return t->loc->max_object > 0 ? (size_t)t->loc->max_object : 0;
}

static bool admitted(ae_txn *t, const struct ae_resp *r)
{
    struct ae_admit_in in = {
        .status = r->status,
        .ctype = r->ctype,
        .cache_control = r->cache_control,
        .vary = r->vary,
        .content_encoding = r->content_encoding,
        .set_cookie = r->set_cookie,
        .has_renew = r->has_renew,
        .content_length = r->content_length,
        .max_object = max_object(t),
    };
    const char *why = ae_cache_admit(&in);

    if (!why)
        return true;
    t->cache_var = why;
    ae_count(t->e, AE_N_cache_not_stored);
    return false;
}

int ae_txn_response(ae_txn *t, const struct ae_resp *r,
                    struct ae_resp_edit *edit)
{
    memset(edit, 0, sizeof *edit);
    if (!t->done || t->resp_seen
        || (t->act.kind != AE_FORWARD && !t->refreshing))
        return AE_E_STATE;
    t->resp_seen = true;
    t->resp_status = r->status;
    ae_use_asked(t);
    if (t->loc->mode == AE_MODE_OFF || t->loc->mode == AE_MODE_UNSET)
        return AE_OK;
    ae_hist_add(&t->e->board.mine->upstream, ae_upstream_us,
                ae_edge_mono(t->e) - t->mono_us, t->e->board.alone);
    settle_write(t, r->status);
    settle_lease(t, r);
    ae_logout_answered(t);
    ae_webhook_answered(t, r->status);
    settle_shadow(t, r);
    if (!t->refreshing)
        edit->instead = ae_serve_if_error(t, r->status);
    if (!edit->instead && t->store_wanted && admitted(t, r)) {
        t->want_store = true;
        t->resp_ctype = ae_dup(&t->a, r->ctype);
        t->max_age_s = ae_cache_max_age(r->cache_control);
        ae_keep_begin(t);
    } else {
        ae_collapse_end(t, true);
    }
    if (t->refreshing) {
        t->cache_var = "stale"; /* what the client got */
    } else {
        edit_headers(t, r);
        ae_limit_response(t);
    }
    edit->set = t->resp_set;
    edit->nset = t->nresp_set;
    t->list_shadow = t->list_shadow && r->status == 200
        && !r->content_encoding.n;
    t->list_ttl_us = t->list_shadow ? ae_keep_ttl_us(t) : 0;
    if (t->want_store || t->want_401 || t->want_compare || t->list_shadow) {
        ae_collect_open(&t->resp, &t->a, t->want_store || t->list_shadow
                        ? max_object(t) : AE_401_MAX,
                        t->want_store ? t->small : AE_COPY_MAX,
                        r->content_length);
        edit->feed = !t->resp.bad;
    }
    return AE_OK;
}

/* ---- body --------------------------------------------------------------- */

int ae_txn_resp_part(ae_txn *t, ae_str part)
{
    if (!t->resp_seen || t->resp_ended || !t->resp.a)
        return AE_E_STATE;
    if (t->want_store)
        return ae_keep_part(t, part) ? AE_OK : AE_E_TOOBIG;
    return ae_collect_put(&t->resp, part) ? AE_OK : AE_E_TOOBIG;
}

/* What Argo CD says of every SSO token that it could not check, and when the
 * provider does not answer: either may be trouble that is soon over. */
static bool may_be_trouble(ae_str msg)
{
    return ae_eq_lit(msg, "invalid session: failed to verify the token")
        || ae_find_str(msg, AE_STR("userinfo endpoint")) != SIZE_MAX;
}

/* T7: this 401 and no other says that the token is dead. */
static void end_401(ae_txn *t, ae_str body)
{
    ae_str msg = ae_json_at(&t->a, body, "message");

    if (ae_find_str(body, AE_STR("\"code\":16")) == SIZE_MAX
        || !ae_starts(msg, AE_STR("invalid session:")))
        return;
    if (t->who == AE_WHO_TOKEN)
        ae_lease_end(t->e, t->id, ae_edge_mono(t->e));
    if (!may_be_trouble(msg))
        ae_dead_mark(t, msg);
}

static void settle_store(ae_txn *t, const char *why)
{
    t->cache_var = why ? why : "stored";
    ae_count(t->e, why ? AE_N_cache_not_stored : AE_N_cache_stored);
}

static void resp_end(ae_txn *t, bool complete)
{
    ae_str body;

    t->resp_ended = true;
    if (!t->resp.a)
        return;
    if (t->want_store && ae_quar_holds(t->e, t->tags, t->ntags)) {
        t->cache_var = "quarantine"; /* before anything is copied */
        ae_count(t->e, AE_N_cache_not_stored);
        return;
    }
    if (!complete || !ae_collect_whole(&t->resp)) {
        if (t->want_store) {
            t->cache_var = t->keep_why;
            if (!t->keep_why)
                t->cache_var = t->resp.bad ? "too big" : "incomplete";
            ae_count(t->e, AE_N_cache_not_stored);
        }
        return;
    }
    if (t->keep) {
        settle_store(t, ae_keep_end(t));
        return;
    }
    body = ae_collect_join(&t->resp);
    if (!body.p)
        body = AE_STR(""); /* no memory: nothing is stored or compared */
    if (t->want_401)
        end_401(t, body);
    if (t->list_shadow)
        ae_list_shadow_end(t, body);
    if (t->want_compare)
        ae_count(t->e, ae_eq(body, t->shadow_body) ? AE_N_shadow_same
                                                   : AE_N_divergence);
    if (!t->want_store)
        return;
    settle_store(t, ae_keep_whole(t, body));
}

/* Whoever waits looks once the store has it, and not for what is the asking
 * caller's alone. */
void ae_txn_resp_end(ae_txn *t, bool complete)
{
    bool vain;

    if (!t->resp_seen || t->resp_ended)
        return;
    resp_end(t, complete);
    ae_keep_free(t);
    /* A client that went away says nothing of the next answer. */
    vain = complete && t->want_store && t->cache_var
        && (t->kept_own || strcmp(t->cache_var, "stored") != 0);
    ae_collapse_end(t, vain || t->resp.bad);
    if (t->refreshing) {
        if (complete && t->want_store && !vain)
            ae_count(t->e, AE_N_cache_refreshed);
        t->cache_var = "stale";
    }
}
