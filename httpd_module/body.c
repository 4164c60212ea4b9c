/*
 * NEED_BODY: the request body is read, shown to the core and kept, so that
 * mod_proxy reads the same bytes.
 */

#include "mod_argo_edge.h"

static const char filter_name[] = "ARGO_EDGE_BODY";

/* OK: the core has the body; else a HTTP status */
int argo_edge_read_body(request_rec *r, argo_edge_ctx *ctx)
{
    apr_bucket_brigade *bb;
    apr_bucket *b;
    apr_status_t rv;
    apr_size_t n, total = 0;
    const char *p;
    int eos = 0;

    if (ctx->req.content_length > 0
        && (apr_uint64_t) ctx->req.content_length > ctx->act.body.max) {
        (void) ae_txn_body(ctx->txn, AE_STR(""),
                           AE_BODY_LAST | AE_BODY_TOO_BIG);
        return OK;
    }
    bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    ctx->body = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    while (!eos && total <= ctx->act.body.max) {
        rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES,
                            APR_BLOCK_READ, HUGE_STRING_LEN);
        if (rv != APR_SUCCESS)
            return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
        while (!APR_BRIGADE_EMPTY(bb)) {
            b = APR_BRIGADE_FIRST(bb);
            if (APR_BUCKET_IS_EOS(b)) {
                eos = 1;
            }
            else if (!APR_BUCKET_IS_METADATA(b)) {
                rv = apr_bucket_read(b, &p, &n, APR_BLOCK_READ);
                if (rv != APR_SUCCESS)
                    return HTTP_BAD_REQUEST;
                total += n;
                if (total <= ctx->act.body.max)
                    (void) ae_txn_body(ctx->txn, ae_s(p, n), 0);
                apr_bucket_setaside(b, r->pool);
            }
            APR_BUCKET_REMOVE(b);
            APR_BRIGADE_INSERT_TAIL(ctx->body, b);
        }
    }
    (void) ae_txn_body(ctx->txn, AE_STR(""),
                       AE_BODY_LAST | (eos ? 0 : AE_BODY_TOO_BIG));
    ap_add_input_filter(filter_name, ctx, r, r->connection);
    return OK;
}

/* Hands out what was read, then steps aside. */
static apr_status_t body_filter(ap_filter_t *f, apr_bucket_brigade *bb,
                                ap_input_mode_t mode, apr_read_type_e block,
                                apr_off_t readbytes)
{
    argo_edge_ctx *ctx = f->ctx;
    apr_bucket *b, *end;
    apr_status_t rv;

    if (APR_BRIGADE_EMPTY(ctx->body)) {
        ap_remove_input_filter(f);
        return ap_get_brigade(f->next, bb, mode, block, readbytes);
    }
    if (mode == AP_MODE_READBYTES || mode == AP_MODE_SPECULATIVE) {
        rv = apr_brigade_partition(ctx->body, readbytes, &end);
        if (rv != APR_SUCCESS && rv != APR_INCOMPLETE)
            return rv;
    }
    else if (mode == AP_MODE_EXHAUSTIVE) {
        end = APR_BRIGADE_SENTINEL(ctx->body);
    }
    else {
        return APR_ENOTIMPL;
    }
    if (mode == AP_MODE_SPECULATIVE) {
        for (b = APR_BRIGADE_FIRST(ctx->body); b != end;
             b = APR_BUCKET_NEXT(b)) {
            apr_bucket *copy;

            rv = apr_bucket_copy(b, &copy);
            if (rv != APR_SUCCESS)
                return rv;
            APR_BRIGADE_INSERT_TAIL(bb, copy);
        }
        return APR_SUCCESS;
    }
    while ((b = APR_BRIGADE_FIRST(ctx->body)) != end
           && b != APR_BRIGADE_SENTINEL(ctx->body)) {
        APR_BUCKET_REMOVE(b);
        APR_BRIGADE_INSERT_TAIL(bb, b);
    }
    return APR_SUCCESS;
}

/* next to the protocol: whatever else filters the body stands above */
void argo_edge_body_register(void)
{
    ap_register_input_filter(filter_name, body_filter, NULL,
                             (ap_filter_type) (AP_FTYPE_PROTOCOL - 1));
}
