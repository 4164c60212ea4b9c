/*
 * page.c - pages of our own, for those who run this: numbers for Prometheus,
 * and the status page.
 * They leave as a stored answer does, after the host's own access rules.
 */
#include "edge/status.h"

#include <stdlib.h>

bool ae_serves(const ae_txn *t)
{
    return t->loc->serve > AE_SERVE_NONE;
}

bool ae_looks_on(const ae_txn *t)
{
    return ae_serves(t) && t->loc->serve != AE_SERVE_PURGE;
}

static enum ae_step_ret page(ae_txn *t, ae_str ctype, ae_buf *b)
{
    if (b->bad) {
        t->a.failed = true;
        return AE_STEP_MORE;
    }
    ae_reply_body(t, 200, ctype, ae_buf_str(b));
    t->act.kind = AE_CACHED;
    return AE_STEP_ACT;
}

static enum ae_step_ret serve_metrics(ae_txn *t)
{
    bool open = ae_find_str(t->req->hdr[AE_H_ACCEPT],
                            AE_STR("application/openmetrics-text"))
        != SIZE_MAX;
    ae_buf b;

    ae_buf_init(&b, &t->a, 4 << 20);
    ae_metrics(t->e, t->snap, open, &b);
    return page(t, open ? AE_STR("application/openmetrics-text; "
                                 "version=1.0.0; charset=utf-8")
                        : AE_STR("text/plain; version=0.0.4; "
                                 "charset=utf-8"), &b);
}

/* ---- the status page --------------------------------------------------- */

/* This right is the administrators': whoever has it may give any right to
 * anybody. */
bool ae_is_admin(ae_txn *t)
{
    return ae_txn_can(t, AE_STR("projects"), AE_STR("update"),
                      AE_STR("*")) == 1;
}

static bool may_look(ae_txn *t)
{
    return t->loc->serve == AE_SERVE_STATUS_OPEN || ae_is_admin(t);
}

static enum ae_step_ret serve_json(ae_txn *t, json_t *v)
{
    char *out = v ? json_dumps(v, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    ae_buf b;

    json_decref(v);
    ae_buf_init(&b, &t->a, 16 << 20);
    if (out)
        ae_buf_puts(&b, out);
    else
        b.bad = true;
    free(out);
    return page(t, AE_STR("application/json"), &b);
}

static enum ae_step_ret not_known(ae_txn *t)
{
    ae_reply_body(t, 404, AE_STR("application/json"), AE_STR(
        "{\"error\":\"this decision is not known, or no more: the last few "
        "hundred are\"}"));
    t->act.kind = AE_CACHED;
    return AE_STEP_ACT;
}

static enum ae_step_ret serve_html(ae_txn *t)
{
    ae_str nonce = ae_decision_id(t), rest = ae_cs(ae_status_html), part;
    ae_buf b;

    ae_reply_header(t, AE_STR("Content-Security-Policy"), ae_fmt(&t->a,
        "default-src 'none'; script-src 'nonce-%.*s'; style-src 'nonce-%.*s';"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'", (int)nonce.n, nonce.p, (int)nonce.n,
        nonce.p));
    ae_reply_header(t, AE_STR("Referrer-Policy"), AE_STR("no-referrer"));
    ae_buf_init(&b, &t->a, 1 << 20);
    for (size_t at; (at = ae_find_str(rest, AE_STR("@@"))) != SIZE_MAX;
         rest = ae_sub(rest, at + 2, rest.n)) {
        part = ae_sub(rest, 0, at);
        ae_buf_put(&b, part);
        ae_buf_put(&b, nonce);
    }
    ae_buf_put(&b, rest);
    return page(t, AE_STR("text/html; charset=utf-8"), &b);
}

static enum ae_step_ret serve_status(ae_txn *t)
{
    ae_str target = t->req->target, id;
    json_t *v;

    if (!may_look(t)) {
        t->reason = "not for this caller";
        return ae_reply_body(t, 403, AE_STR("text/plain"), AE_STR(
            "This page is for those who may do \"update\" on \"projects\" "
            "\"*\" (argo_edge_status).\n"));
    }
    id = ae_status_param(&t->a, target, AE_STR("explain"));
    if (id.p) {
        v = ae_status_explain(t, id);
        return v ? serve_json(t, v) : not_known(t);
    }
    if (ae_status_param(&t->a, target, AE_STR("can")).p)
        return serve_json(t, ae_status_can(t));
    if (ae_status_param(&t->a, target, AE_STR("data")).p)
        return serve_json(t, ae_status_data(t));
    return serve_html(t);
}

enum ae_step_ret ae_step_page(ae_txn *t)
{
    if (!ae_serves(t))
        return AE_STEP_MORE;
    if (t->loc->serve == AE_SERVE_PURGE)
        return ae_purge_step(t);
    if (!ae_eq_lit(t->req->method, "GET")
        && !ae_eq_lit(t->req->method, "HEAD")) {
        ae_reply_header(t, AE_STR("Allow"), AE_STR("GET, HEAD"));
        return ae_reply_body(t, 405, AE_STR("text/plain"),
                             AE_STR("Method Not Allowed\n"));
    }
    return t->loc->serve == AE_SERVE_METRICS ? serve_metrics(t)
                                             : serve_status(t);
}
