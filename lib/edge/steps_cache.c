/*
 * steps_cache.c - CACHE: the one place where we alone authorise.  A hit is
 * decided again on the stored object's project, at the current snapshot (T8).
 */
#include "edge/share.h"

#define PARAMS_MAX 64

/* ---- may this request touch the cache at all? --------------------------- */

/* Accept switches Argo CD to event streams (section 6): only what plainly
 * admits JSON is served or stored. */
static bool accepts_json(const struct ae_req *r)
{
    ae_str a = r->hdr[AE_H_ACCEPT];

    if (r->hdr_dup & (1u << AE_H_ACCEPT))
        return false;
    if (a.n == 0)
        return true;
    if (ae_find_str(a, AE_STR("event-stream")) != SIZE_MAX)
        return false;
    return ae_find_str(a, AE_STR("application/json")) != SIZE_MAX
        || ae_find_str(a, AE_STR("*/*")) != SIZE_MAX
        || ae_find_str(a, AE_STR("application/*")) != SIZE_MAX;
}

/* Only callers whose credential we fully judged share anything. */
static bool caller_known(const ae_txn *t)
{
    if (t->snap->blind)
        return false;
    switch (t->who) {
    case AE_WHO_TOKEN:
        return t->rights && t->id->confirmed;
    case AE_WHO_ANON:
        return t->rights != NULL;
    case AE_WHO_NONE:
        return t->tgt.op->cache == AE_CC_LOGIN && t->snap->in.have_accounts;
    default:
        return false;
    }
}

static const char *bypass(const ae_txn *t)
{
    const struct ae_target *g = &t->tgt;

    if (!ae_edge_store(t->e))
        return "off";
    if (t->no_cache)
        return "rule";
    if (g->unknown_query || g->side_effect || g->no_store || g->doubtful)
        return "parameters";
    if (t->skip_decide || !caller_known(t))
        return "caller";
    if (t->checks.can_i || t->checks.need_body)
        return "operation";
    if (g->npath + g->nq > PARAMS_MAX || !accepts_json(t->req))
        return "representation";
    /* The UI opens its stream at the list's resourceVersion: what changed
     * between copy and stream would be lost to that tab (section 6). */
    if (g->op->cache == AE_CC_LIST && t->cred.source == AE_CRED_COOKIE)
        return "cookie";
    /* Our own "no", or a doubt about a request whose answer is not decided
     * again on each hit. */
    if (t->decided && t->verdict == AE_DENY)
        return "denied";
    if (t->decided && t->verdict == AE_UNKNOWN && g->op->cache != AE_CC_OBJECT)
        return "unknown";
    return NULL;
}

/* ---- the key (T9) ------------------------------------------------------- */

static size_t put_params(ae_str *f, const struct ae_target *g)
{
    size_t n = 0, from;

    for (size_t i = 0; i < g->npath; i++) {
        f[n++] = g->path_par[i].name;
        f[n++] = g->path_par[i].value;
    }
    from = n;
    /* By name, stable: the order of repeated values may mean something. */
    for (size_t i = 0; i < g->nq; i++) {
        size_t at = n;

        while (at > from && ae_cmp(f[at - 2], g->q[i].name) > 0) {
            f[at] = f[at - 2];
            f[at + 1] = f[at - 1];
            at -= 2;
        }
        f[at] = g->q[i].name;
        f[at + 1] = g->q[i].value;
        n += 2;
    }
    return n;
}

static ae_str scope_of(ae_txn *t)
{
    if (t->tgt.op->cache == AE_CC_LOGIN)
        return t->who == AE_WHO_TOKEN ? AE_STR("login:1") : AE_STR("login:0");
    if (t->loc->share == AE_SHARE_RIGHTS && ae_share_asks(t))
        return ae_s(t->rights->shared, sizeof t->rights->shared);
    return ae_s((const char *)t->rights->scope, sizeof t->rights->scope);
}

/* Only what the upstream filtered by rights dies with a policy edit; one
 * object is decided again on each hit and may stay. */
static ae_str epoch_of(const ae_txn *t)
{
    switch (t->tgt.op->cache) {
    case AE_CC_OBJECT:
    case AE_CC_LOGIN:
        return AE_STR("");
    default:
        return t->snap->policy_epoch;
    }
}

int ae_key_of(ae_txn *t, ae_str scope, struct ae_cache_key *out)
{
    const struct ae_target *g = &t->tgt;
    ae_str f[6 + 2 * PARAMS_MAX], secret;
    size_t n = 0;

    f[n++] = t->snap->conf_epoch;
    f[n++] = ae_cs(g->op->name);
    f[n++] = AE_STR("json");
    f[n++] = scope;
    f[n++] = epoch_of(t);
    n += put_params(f + n, g);
    secret = ae_edge_store(t->e)->ops->secret(ae_edge_store(t->e));
    return ae_cache_key_make(&t->a, secret, f, n, out);
}

/* ---- a miss -------------------------------------------------------------- */

static enum ae_step_ret not_there(ae_txn *t)
{
    t->reason = "only-if-cached";
    return ae_reply_error(t, 504, 4, AE_STR("not in the cache"));
}

/* Remember the generations from before the question is asked, so that an
 * answer overtaken by a write is dropped (T13). */
static enum ae_step_ret go_up(ae_txn *t)
{
    ae_store *s = ae_edge_store(t->e);
    int rc;

    ae_count(t->e, AE_N_cache_miss);
    if (t->cc.set & AE_CC_ONLY_IF_CACHED)
        return not_there(t);
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->generations(s, t->tags, t->ntags, t->gen);
    ae_unlock(t->e, &t->e->store_lock);
    t->store_wanted = rc == AE_OK;
    return AE_STEP_MORE;
}

/* The answer, a wait for who asks already, or a question of our own. */
static enum ae_step_ret look_or_ask(ae_txn *t)
{
    if (ae_serve(t))
        return AE_STEP_ACT;
    if (!(t->cc.set & (AE_CC_NO_CACHE | AE_CC_ONLY_IF_CACHED))) {
        switch (ae_collapse(t)) {
        case AE_COLLAPSE_WAIT:
        case AE_COLLAPSE_STALE:
            return AE_STEP_ACT;
        case AE_COLLAPSE_MINE:
            /* Somebody may have answered between our look and our claim. */
            if (ae_serve(t)) {
                ae_collapse_end(t, false);
                return AE_STEP_ACT;
            }
            if (ae_refresh_begin(t))
                return AE_STEP_ACT;
            break;
        default:
            break;
        }
    }
    return go_up(t);
}

static enum ae_step_ret resume(ae_txn *t)
{
    switch (ae_collapse_resume(t)) {
    case AE_COLLAPSE_WAIT:
        return AE_STEP_ACT;
    case AE_COLLAPSE_MINE:
        return look_or_ask(t);
    default:
        return go_up(t);
    }
}

static enum ae_step_ret no_cache(ae_txn *t, const char *why)
{
    t->cache_var = why;
    t->fwd = "bypass";
    ae_count(t->e, AE_N_cache_bypass);
    if ((t->cc.set & AE_CC_ONLY_IF_CACHED) && ae_edge_store(t->e))
        return not_there(t);
    return AE_STEP_MORE;
}

enum ae_step_ret ae_step_cache(ae_txn *t)
{
    const char *why;

    if (t->act.kind == AE_NEED_FETCH)
        return AE_STEP_ACT; /* stepped again before the answer came */
    if (t->waiting)
        return resume(t);
    if (t->loc->mode == AE_MODE_SHADOW)
        ae_list_shadow(t);
    if (t->tgt.kind != AE_TGT_OP || t->tgt.method != AE_M_GET
        || t->tgt.op->cache == AE_CC_NEVER || t->loc->cache != 1
        || t->loc->mode != AE_MODE_ENFORCE)
        return AE_STEP_MORE;
    t->cache_class = true;
    ae_cache_client_cc(t->req->hdr[AE_H_CACHE_CONTROL], &t->cc);
    why = bypass(t);
    if (why)
        return no_cache(t, why);
    if (t->cc.set & AE_CC_NO_STORE)
        return no_cache(t, "no-store");
    if (ae_route_tags(&t->snap->route, &t->tgt, NULL, 'r', &t->a, &t->tags,
                      &t->ntags) != AE_OK) {
        t->a.failed = true;
        return AE_STEP_MORE;
    }
    if (ae_key_of(t, scope_of(t), &t->key) != AE_OK)
        return no_cache(t, "key too long");
    if (t->ntags == 0 || t->ntags > AE_CACHE_TAGS_MAX)
        return no_cache(t, "tags");
    if (ae_quar_holds(t->e, t->tags, t->ntags))
        return no_cache(t, "quarantine");
    t->cache_var = "miss";
    t->fwd = "uri-miss";
    return look_or_ask(t);
}
