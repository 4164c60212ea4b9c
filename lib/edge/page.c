/*
 * page.c - pages of our own, for those who run this: numbers for Prometheus.
 * They leave as a stored answer does, after the host's own access rules.
 */
#include "edge/edge.h"

bool ae_serves(const ae_txn *t)
{
    return t->loc->serve > AE_SERVE_NONE;
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

enum ae_step_ret ae_step_page(ae_txn *t)
{
    if (!ae_serves(t))
        return AE_STEP_MORE;
    if (!ae_eq_lit(t->req->method, "GET")
        && !ae_eq_lit(t->req->method, "HEAD")) {
        ae_reply_header(t, AE_STR("Allow"), AE_STR("GET, HEAD"));
        return ae_reply_body(t, 405, AE_STR("text/plain"),
                             AE_STR("Method Not Allowed\n"));
    }
    return serve_metrics(t);
}
