/*
 * serve.c - a stored answer to this caller: decided again (T8), within its
 * life and the client's wishes (RFC 9111 section 5.2.1), and only then
 * compared with what the client has (K14).
 */
#include "edge/keys.h"
#include "edge/share.h"

/* In place of a failed answer a body goes out in one piece. */
#define AE_INSTEAD_MAX (16 << 20)

_Static_assert((int)AE_READ_MIN == (int)AE_PIECE, "what the store reads");

/* T8: may this caller see this object now? */
static bool still_allowed(ae_txn *t, const struct ae_entry *en)
{
    struct ae_checks c = { 0 };
    const struct ae_check *at;
    struct ae_decision why;
    enum ae_verdict v;
    bool certain;

    if (t->tgt.op->cache != AE_CC_OBJECT)
        return !t->decided || t->verdict == AE_ALLOW;
    if (ae_route_recheck(&t->snap->route, &t->tgt, en->project, en->ns,
                         en->name, &t->a, &c) != AE_OK || c.n == 0)
        return false;
    ae_decide_checks(t, &c, &why, &at, &v, &certain);
    if (v != AE_ALLOW || !certain)
        return false;
    t->why = why;
    t->project = en->project;
    return true;
}

/* T7.  Anonymous callers have no token that could die. */
bool ae_serve_lease(ae_txn *t)
{
    if (t->who != AE_WHO_TOKEN || t->loc->lease_ms <= 0)
        return true;
    return ae_lease_live(t->e, t->id->digest, t->mono_us,
                         t->loc->lease_ms * 1000);
}

/* ---- fields ------------------------------------------------------------- */

/* A decimal number at |p|; a hit is too short for printf. */
static size_t digits(char *p, int64_t v)
{
    char tmp[24];
    size_t n = 0, k = 0;
    bool minus = v < 0;

    if (minus)
        v = -v;
    do
        tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    if (minus)
        p[k++] = '-';
    while (n)
        p[k++] = tmp[--n];
    return k;
}

static int64_t seconds(int64_t us)
{
    return us / 1000000 - (us % 1000000 < 0);
}

/* |how|: members of Cache-Status (RFC 9211) between our name and ttl. */
static void hit_fields(ae_txn *t, const struct ae_entry *en, ae_str etag,
                       ae_str how)
{
    int64_t age = (t->wall_us - en->stored_us) / 1000000;
    size_t n = how.n;

    ae_reply_header(t, AE_STR("Age"),
                    ae_s(t->age, digits(t->age, age > 0 ? age : 0)));
    if (etag.n)
        ae_reply_header(t, AE_STR("ETag"), etag);
    if (en->coding)
        ae_reply_header(t, AE_STR("Content-Encoding"),
                        ae_cs(ae_coding_name(en->coding)));
    if (t->loc->status_header <= 0 || n + 32 > sizeof t->status_text)
        return;
    memcpy(t->status_text, how.p, n);
    memcpy(t->status_text + n, "; ttl=", 6);
    n += 6;
    n += digits(t->status_text + n, seconds(en->fresh_until_us
                                            - t->wall_us));
    ae_reply_header(t, AE_STR("Cache-Status"), ae_s(t->status_text, n));
}

/* Another encoding is another representation, with a validator of its own
 * (RFC 9110 section 8.8.3). */
static ae_str coded_etag(ae_txn *t, const struct ae_entry *en)
{
    ae_str etag = en->etag;

    if (etag.n < 2 || !en->coding)
        return etag;
    return ae_concat(&t->a, (ae_str[]){ ae_sub(etag, 0, etag.n - 1),
                     AE_STR("-"), ae_cs(ae_coding_name(en->coding)),
                     AE_STR("\"") }, 4);
}

/* K14: the caller may have the body, so they may hear that it is the same. */
static void fill(ae_txn *t, const struct ae_entry *en, ae_str how)
{
    ae_str inm = t->req->hdr[AE_H_IF_NONE_MATCH];
    ae_str etag = coded_etag(t, en);

    t->nreply_hdr = 0;
    t->apart = NULL;
    hit_fields(t, en, etag, how);
    ae_list_headers(t);
    ae_limit_reply(t);
    if (inm.n && ae_etag_listed(inm, etag)) {
        ae_reply_body(t, 304, ae_s(NULL, 0), ae_s(NULL, 0));
        ae_count(t->e, AE_N_cache_304);
        return;
    }
    ae_reply_body(t, en->status, en->ctype, en->body);
    if (en->apart) {
        t->apart = ae_alloc(&t->a, sizeof *en);
        if (t->apart)
            *t->apart = *en;
        t->apart_at = 0;
        t->act.reply.more = en->length;
    }
}

int64_t ae_txn_read(ae_txn *t, char *buf, size_t n)
{
    ae_store *s = ae_edge_store(t->e);
    int64_t got;

    if (!t->done || !t->apart || n < AE_READ_MIN)
        return AE_E_STATE;
    if (t->apart_at >= t->apart->length)
        return 0;
    got = s->ops->read(s, t->apart, t->apart_at, buf, n);
    if (got > 0)
        t->apart_at += (uint64_t)got;
    return got ? got : AE_E_CORRUPT;
}

/* ---- numbers (argo-edge cache top) --------------------------------------- */

static struct ae_use *use_of(const ae_txn *t)
{
    ae_store *s = ae_edge_store(t->e);

    return s && t->cache_class ? s->ops->use(s, t->tgt.op->id) : NULL;
}

void ae_use_hit(ae_txn *t)
{
    struct ae_use *u = use_of(t);
    const struct ae_act *a = &t->act;

    if (!u)
        return;
    atomic_fetch_add_explicit(&u->hits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&u->bytes, a->reply.more + a->reply.body.n,
                              memory_order_relaxed);
}

void ae_use_asked(ae_txn *t)
{
    struct ae_use *u = use_of(t);
    int64_t us = ae_edge_mono(t->e) - t->mono_us;

    if (!u)
        return;
    atomic_fetch_add_explicit(&u->asked, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&u->asked_us, us > 0 ? (uint64_t)us : 0,
                              memory_order_relaxed);
}

/* ---- a hit -------------------------------------------------------------- */

static bool look_up(ae_txn *t, unsigned want, struct ae_entry *en)
{
    ae_store *s = ae_edge_store(t->e);
    ae_str ae = t->req->hdr[AE_H_ACCEPT_ENCODING];
    struct ae_entry made;
    bool found;
    int rc = 0;

    if (ae.n && t->loc->gzip == 1)
        want |= ae_coding_wants(ae);
    if (!t->page) { /* what the upstream sends is no page */
        ae_lock(t->e, &t->e->store_lock);
        rc = s->ops->find(s, &t->key, t->tags, t->ntags, t->wall_us, want,
                          &t->a, en);
        if (rc == 0 && ae_share_own(t))
            rc = s->ops->find(s, &t->own_key, t->tags, t->ntags, t->wall_us,
                              want, &t->a, en);
        ae_unlock(t->e, &t->e->store_lock);
    }
    if (rc == AE_E_CORRUPT)
        ae_count(t->e, AE_N_cache_corrupt);
    found = rc == 1 && en->status == 200;
    if ((found && en->fresh) || !ae_list_look_up(t, &made))
        return found;
    *en = made;
    return true;
}

/* What the client would rather have made anew. */
static bool too_old(const ae_txn *t, const struct ae_entry *en)
{
    const struct ae_client_cc *c = &t->cc;

    if (c->max_age != INT64_MAX
        && t->wall_us - en->stored_us > c->max_age * 1000000)
        return true;
    return c->min_fresh > 0
        && en->fresh_until_us - t->wall_us < c->min_fresh * 1000000;
}

/* Not fresh, but kept: to be served while somebody asks, or if the upstream
 * fails (RFC 5861). */
static void keep_stale(ae_txn *t, const struct ae_entry *en)
{
    t->fwd = "stale";
    t->stale = ae_alloc(&t->a, sizeof *en);
    if (t->stale)
        *t->stale = *en;
}

bool ae_serve(ae_txn *t)
{
    struct ae_entry en;

    if ((t->cc.set & AE_CC_NO_CACHE) != 0) {
        t->fwd = "request";
        return false;
    }
    if (!look_up(t, AE_WANT_APART, &en))
        return false;
    if (!ae_serve_lease(t)) {
        ae_count(t->e, AE_N_cache_no_lease);
        if (ae_probe_wanted(t) && en.fresh && !too_old(t, &en)
            && still_allowed(t, &en) && ae_probe_due(t))
            return ae_probe_ask(t) == AE_STEP_ACT;
        t->cache_var = "no-lease";
        t->fwd = "miss";
        return false;
    }
    if (!still_allowed(t, &en)) {
        ae_count(t->e, AE_N_cache_denied);
        t->cache_var = "denied";
        t->fwd = "miss";
        return false;
    }
    if (too_old(t, &en)) {
        t->fwd = "request";
        return false;
    }
    if (!en.fresh) {
        keep_stale(t, &en);
        return false;
    }
    fill(t, &en, t->waiting ? AE_STR("argo-edge; fwd=uri-miss; collapsed")
                            : AE_STR("argo-edge; hit"));
    t->act.kind = AE_CACHED;
    t->cache_var = t->waiting ? "collapsed" : "hit";
    if (t->waiting)
        ae_count(t->e, AE_N_cache_collapsed);
    if (ae_eq_lit(en.owner, AE_OWNER_SHARED))
        ae_count(t->e, AE_N_cache_shared_hit);
    return true;
}

/* ---- stale (R24) -------------------------------------------------------- */

static bool within(const ae_txn *t, int64_t ms)
{
    return t->stale && ms > 0
        && t->wall_us < t->stale->fresh_until_us + ms * 1000
        && t->wall_us < t->stale->keep_until_us;
}

/* Somebody asks already. */
bool ae_serve_stale(ae_txn *t)
{
    if (!within(t, t->loc->stale_revalidate_ms))
        return false;
    fill(t, t->stale, AE_STR("argo-edge; hit; detail=stale-while-revalidate"));
    t->act.kind = AE_CACHED;
    t->cache_var = "stale";
    ae_count(t->e, AE_N_cache_stale);
    return true;
}

/* The snapshot that decided is still in force, the token still lives, and is
 * not revoked meanwhile. */
bool ae_still_now(ae_txn *t)
{
    bool same;

    t->wall_us = ae_edge_wall(t->e);
    t->mono_us = ae_edge_mono(t->e);
    ae_lock(t->e, &t->e->lock);
    same = t->e->snap == t->snap;
    ae_unlock(t->e, &t->e->lock);
    return same && !(t->id && t->id->has_exp
                     && t->id->exp <= t->wall_us / 1000000)
        && !(t->id && ae_revoke_listed(t->e, t->id));
}

/* The upstream failed.  Generations, lease, token and policy are asked once
 * more: seconds may have passed. */
const struct ae_act *ae_serve_if_error(ae_txn *t, int status)
{
    char how[] = "argo-edge; fwd=stale; fwd-status=000; detail=stale-if-error";
    struct ae_entry en;
    struct ae_act up = t->act;

    if (!t->stale || (status != 500 && (status < 502 || status > 504))
        || !ae_still_now(t) || !ae_serve_lease(t)
        || !within(t, t->loc->stale_error_ms)
        || t->stale->length > AE_INSTEAD_MAX || !look_up(t, 0, &en)
        || !still_allowed(t, &en))
        return NULL;
    for (int i = 0, v = status; i < 3; i++, v /= 10)
        how[35 - i] = (char)('0' + v % 10);
    fill(t, &en, ae_s(how, sizeof how - 1));
    t->instead = t->act;
    t->instead.kind = AE_CACHED;
    t->act = up;
    t->cache_var = "stale-if-error";
    ae_count(t->e, AE_N_cache_stale);
    return &t->instead;
}
