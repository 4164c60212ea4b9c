/*
 * forward.c - FORWARD: the client's own bytes go upstream; only headers are
 * filtered, by a strip list and a set list (I-A, T4, security.md section 6).
 */
#include "edge/edge.h"

void ae_forward_set(ae_txn *t, ae_str name, ae_str value)
{
    if (t->nset < sizeof t->set / sizeof t->set[0])
        t->set[t->nset++] = (struct ae_field){ name, value };
}

static bool enforcing(const ae_txn *t)
{
    return t->loc->mode == AE_MODE_ENFORCE;
}

/* ---- the strip list ----------------------------------------------------- */

static bool iprefix(ae_str s, const char *pre)
{
    ae_str p = ae_cs(pre);

    return ae_ieq(ae_sub(s, 0, p.n), p);
}

/* Headers that could change identity, method or route upstream. */
static bool forges(const ae_txn *t, ae_str n)
{
    static const char *const names[] = {
        "forwarded", "x-rewrite-url", "x-http-method-override",
        "x-http-method", "x-method-override",
    };

    if (iprefix(n, "x-forwarded-") || iprefix(n, "x-original-"))
        return true;
    if (iprefix(n, "argocd-"))
        return !t->extension;
    /* gRPC needs its own grpc-timeout and grpc-encoding; metadata is REST's
     * way to smuggle what gRPC says openly. */
    if (iprefix(n, "grpc-metadata-"))
        return true;
    if (iprefix(n, "grpc-"))
        return t->tgt.kind != AE_TGT_GRPC;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (ae_ieq(n, ae_cs(names[i])))
            return true;
    return false;
}

/* The API ignores conditionals and ranges; a stored answer must not depend
 * on them.  Static assets keep them. */
static bool conditional(const ae_txn *t, ae_str n)
{
    if (!t->api || t->tgt.kind == AE_TGT_GRPC)
        return false;
    return ae_ieq(n, AE_STR("range")) || iprefix(n, "if-");
}

/* CVE-2022-31813: names listed in Connection go, but never those that carry
 * the decided identity or the framing: the upstream must see what we saw. */
static bool listed_in_connection(const ae_txn *t, ae_str n)
{
    static const char *const keep[] = {
        "authorization", "cookie", "host", "content-length",
        "transfer-encoding", "content-type", "token",
    };
    ae_str rest = t->req->hdr[AE_H_CONNECTION], item;

    if (rest.n == 0)
        return false;
    for (size_t i = 0; i < sizeof keep / sizeof keep[0]; i++)
        if (ae_ieq(n, ae_cs(keep[i])))
            return false;
    while (rest.p) {
        rest = ae_cut(rest, ',', &item);
        if (ae_ieq(ae_trim(item), n))
            return true;
    }
    return false;
}

static bool may_upgrade(const ae_txn *t)
{
    return t->terminal && t->req->hdr[AE_H_UPGRADE].n && !t->bad_token
        && t->cred.source != AE_CRED_NONE;
}

/* Most requests carry nothing that the rules below name: told by its first
 * letter (and length), before any name is compared. */
static bool may_matter(ae_str n)
{
    switch (n.n ? n.p[0] | 0x20 : 0) {
    case 'a':
        return n.n == 13 || ae_hdr_may_strip(n);
    case 'c':
        return n.n == 6 || n.n == 12;
    case 'u':
        return n.n == 7;
    default:
        return ae_hdr_may_strip(n);
    }
}

bool ae_txn_strip_request(const ae_txn *t, ae_str name)
{
    if (!enforcing(t))
        return false;
    if (!may_matter(name) && t->req->hdr[AE_H_CONNECTION].n == 0)
        return false;
    if (ae_ieq(name, AE_STR("upgrade")))
        return !may_upgrade(t);
    if (ae_ieq(name, AE_STR("authorization")))
        return t->cred.strip_auth;
    if (ae_ieq(name, AE_STR("cookie")))
        return t->cred.strip_cookie;
    /* On GET the content type only switches handlers (grpc-web). */
    if (ae_ieq(name, AE_STR("content-type")))
        return t->tgt.method == AE_M_GET && t->tgt.kind != AE_TGT_GRPC;
    return forges(t, name) || conditional(t, name)
        || listed_in_connection(t, name);
}

bool ae_txn_strips(const ae_txn *t)
{
    static const uint8_t matter[] = {
        AE_H_CONNECTION, AE_H_CONTENT_TYPE, AE_H_UPGRADE, AE_H_IF_NONE_MATCH,
        AE_H_ARGOCD_APP, AE_H_ARGOCD_PROJECT, AE_H_METADATA,
    };
    const struct ae_req *r = t->req;

    if (!enforcing(t))
        return false;
    if (!r->plain || t->cred.strip_auth || (t->cred.strip_cookie && r->ncookie))
        return true;
    for (size_t i = 0; i < sizeof matter; i++)
        if (r->hdr[matter[i]].p)
            return true;
    /* X-Forwarded-* of the client's own would be odd. */
    for (size_t i = 0; i < t->nset; i++)
        if (t->set[i].name.p[0] != 'X')
            return true;
    return false;
}

bool ae_txn_strip_response(const ae_txn *t, ae_str name)
{
    if (!enforcing(t) || name.n < 8)
        return false;
    if ((name.p[0] | 0x20) != 'g' && (name.p[0] | 0x20) != 'x')
        return false;
    /* K05: the gateway copies a renewed token into this header; R29: an
     * extension backend must not steer our host server. */
    return ae_ieq(name, AE_STR("grpc-metadata-renew-token"))
        || iprefix(name, "x-accel-");
}

/* ---- writes (T13) ------------------------------------------------------- */

static bool is_write(const ae_txn *t)
{
    const struct ae_target *g = &t->tgt;

    if (g->kind == AE_TGT_GRPC)
        return g->op && g->op->method != AE_M_GET;
    if (g->kind != AE_TGT_OP)
        return false;
    if (t->about->side_effect || g->side_effect)
        return true;
    return g->method != AE_M_GET && g->method != AE_M_HEAD
        && g->method != AE_M_OPTIONS;
}

const ae_str *ae_tags_all(size_t *n)
{
#define T(z) { z, sizeof z - 1 }
    static const ae_str all[] = {
        T("applications"), T("app:?"), T("applicationsets"), T("projects"),
        T("clusters"), T("repositories"), T("repocreds"), T("certificates"),
        T("gpgkeys"), T("accounts"), T("settings"), T("notifications"),
    };
#undef T

    *n = sizeof all / sizeof all[0];
    return all;
}

/* A GET that writes (refresh=) names no tags of its own: it changes what it
 * reads, and the lists that show it.  "app:?" is what readers of any one
 * application share; moving it would drop them all. */
static int tags_of_read(ae_txn *t)
{
    size_t n = 0, out = 0;
    bool app = false;
    ae_str *r = NULL, *w;

    if (ae_route_tags(&t->snap->route, t->about, NULL, 'r', &t->a, &r, &n))
        return AE_E_NOMEM;
    t->wtags = w = ae_nalloc(&t->a, n + 1, sizeof *w);
    if (!w)
        return AE_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        app |= ae_starts(r[i], AE_STR("app:"));
        if (!ae_eq_lit(r[i], "app:?"))
            w[out++] = r[i];
    }
    if (app)
        w[out++] = AE_STR("applications");
    t->nwtags = out;
    return AE_OK;
}

void ae_write_tags(ae_txn *t)
{
    enum ae_method m = t->tgt.method;
    const struct ae_target *g = t->about;
    ae_str *tags = NULL;
    int rc = AE_OK;

    if (t->wtags_made || !ae_edge_store(t->e))
        return;
    t->wtags_made = true;
    if (t->tgt.kind == AE_TGT_UNKNOWN_API && m != AE_M_GET && m != AE_M_HEAD
        && m != AE_M_OPTIONS) {
        /* may have changed anything (R34) */
        t->wtags = ae_tags_all(&t->nwtags);
        return;
    }
    if (!is_write(t))
        return;
    rc = ae_route_tags(&t->snap->route, g, t->json, 'w', &t->a, &tags,
                       &t->nwtags);
    t->wtags = tags;
    if (rc == AE_OK && t->nwtags == 0 && g->side_effect)
        rc = tags_of_read(t);
    if (rc != AE_OK) {
        t->wtags = NULL;
        t->nwtags = 0;
        t->a.failed = true;
    }
}

/* ---- the step ----------------------------------------------------------- */

static void set_list(ae_txn *t)
{
    const struct ae_req *r = t->req;

    /* The API reads the client's address, for its log, and no more; scheme
     * and host matter where redirects are made. */
    ae_forward_set(t, AE_STR("X-Forwarded-For"), r->peer);
    if (!t->api) {
        ae_forward_set(t, AE_STR("X-Forwarded-Proto"), r->scheme);
        ae_forward_set(t, AE_STR("X-Forwarded-Host"), r->authority);
    }
    if (t->cred.strip_cookie)
        ae_forward_set(t, AE_STR("Cookie"), t->cred.cookie_rest);
    if (t->store_wanted)
        ae_forward_set(t, AE_STR("Accept-Encoding"), AE_STR("identity"));
}

/* Of a gRPC method that we do not know anything may be expected. */
static bool is_stream(const ae_txn *t)
{
    if (!t->tgt.op)
        return t->tgt.kind == AE_TGT_GRPC;
    return t->tgt.op->shape == AE_SHAPE_STREAM || may_upgrade(t);
}

enum ae_step_ret ae_step_forward(ae_txn *t)
{
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_FORWARD;
    t->act.forward.flags = AE_FWD_FEED;
    if (is_stream(t))
        t->act.forward.flags |= AE_FWD_STREAM;
    ae_logout_forward(t);
    ae_write_tags(t);
    /* What we know nothing of moves nothing until it has succeeded: else
     * anybody could empty the cache with requests that come to nothing. */
    if (t->tgt.kind != AE_TGT_UNKNOWN_API)
        t->quar_until = ae_quar_write(t->e, t->wtags, t->nwtags,
                                      t->loc->quarantine_ms * 1000);
    if (!enforcing(t))
        return AE_STEP_ACT;
    if (may_upgrade(t))
        t->act.forward.flags |= AE_FWD_UPGRADE;
    set_list(t);
    t->act.forward.set = t->set;
    t->act.forward.nset = t->nset;
    return AE_STEP_ACT;
}
