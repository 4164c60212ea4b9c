/*
 * steps_shape.c - SHAPE and ROUTE: what is being asked, before who asks.
 */
#include "edge/edge.h"

/* T2: a header that decides something may come once.  Authorization and
 * Cookie are judged with the credential; Accept and Connection are lists. */
static bool has_duplicate(const struct ae_req *r)
{
    static const uint8_t single[] = {
        AE_H_HOST, AE_H_ORIGIN, AE_H_SEC_FETCH_SITE, AE_H_ARGOCD_APP,
        AE_H_ARGOCD_PROJECT,
    };

    for (size_t i = 0; i < sizeof single; i++)
        if (r->hdr_dup & (1u << single[i]))
            return true;
    return false;
}

enum ae_step_ret ae_step_shape(ae_txn *t)
{
    if (ae_serves(t))
        return AE_STEP_MORE;
    if (t->loc->mode == AE_MODE_OFF || t->loc->mode == AE_MODE_UNSET) {
        t->act.kind = AE_FORWARD; /* untouched: no flags, no lists */
        return AE_STEP_ACT;
    }
    if (t->req->size < sizeof *t->req)
        return ae_reply_error(t, 500, 13, AE_STR("request record too small"));
    if (has_duplicate(t->req)) {
        t->reason = "duplicate header";
        return ae_reply_error(t, 400, 3, AE_STR("duplicate header"));
    }
    return AE_STEP_MORE;
}

static enum ae_step_ret route_refused(ae_txn *t, const char *reason)
{
    t->reason = reason;
    return ae_reply_body(t, t->tgt.status, t->tgt.ctype, t->tgt.body);
}

/* HEAD is passed on: the upstream's own 415 or 405 answers it (P13). */
static bool head_passes(const ae_txn *t)
{
    return t->tgt.method == AE_M_HEAD && t->tgt.status != 400;
}

static enum ae_step_ret route_grpc(ae_txn *t)
{
    ae_count(t->e, AE_N_grpc);
    t->api = true;
    if (t->loc->grpc == AE_GRPC_OFF) {
        t->reason = "grpc is off";
        return ae_reply_error(t, 415, 12, AE_STR("gRPC is switched off"));
    }
    if (t->loc->grpc != AE_GRPC_DECIDE || !t->tgt.op)
        t->skip_decide = true; /* T5: Argo CD checks */
    return AE_STEP_MORE;
}

static void route_op(ae_txn *t)
{
    const struct ae_op *op = t->tgt.op;

    t->api = !op->outside;
    t->terminal = op->outside && ae_starts(ae_cs(op->tmpl),
                                           AE_STR("/terminal"));
    t->extension = op->outside && ae_starts(ae_cs(op->tmpl),
                                            AE_STR("/extensions/"));
    if (t->tgt.doubtful)
        t->skip_decide = true;
}

/* What is remembered was read by the snapshot in force; a request that began
 * under another reads for itself. */
static int route(ae_txn *t, const struct ae_route_in *in)
{
    ae_engine *e = t->e;
    int rc;

    ae_lock(e, &e->lock);
    rc = ae_route_again(e->snap == t->snap ? e->memo : NULL, &t->snap->route,
                        in, &t->a, &t->tgt);
    ae_unlock(e, &e->lock);
    return rc;
}

enum ae_step_ret ae_step_route(ae_txn *t)
{
    const struct ae_req *r = t->req;
    struct ae_route_in in = {
        .method = r->method,
        .target = r->target,
        .content_type = r->hdr[AE_H_CONTENT_TYPE],
        .content_type_dup = r->hdr_dup & (1u << AE_H_CONTENT_TYPE),
        .has_body = r->has_body,
    };

    if (t->loc->serve == AE_SERVE_PURGE)
        return ae_purge_asked(t);
    if (ae_serves(t)) /* no path of Argo CD's; who asks, if it matters */
        return t->loc->serve == AE_SERVE_STATUS ? AE_STEP_MORE
                                                : ae_step_page(t);
    if (route(t, &in) != AE_OK) {
        t->a.failed = true;
        return AE_STEP_MORE;
    }
    switch (t->tgt.kind) {
    case AE_TGT_OP:
        ae_list_route(t);
        route_op(t);
        return AE_STEP_MORE;
    case AE_TGT_GRPC:
        return route_grpc(t);
    case AE_TGT_UNKNOWN:
        t->skip_decide = true;
        return AE_STEP_MORE;
    case AE_TGT_UNKNOWN_API:
        t->api = t->skip_decide = true;
        if (head_passes(t) || t->loc->unknown_api == AE_UNK_FORWARD)
            return AE_STEP_MORE;
        return route_refused(t, "unknown route");
    case AE_TGT_BAD:
    default:
        if (t->tgt.status && head_passes(t)) {
            t->api = t->skip_decide = true;
            return AE_STEP_MORE;
        }
        if (!t->tgt.status)
            t->tgt.status = 400;
        return route_refused(t, "not in canonical form");
    }
}
