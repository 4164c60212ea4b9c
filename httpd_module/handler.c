/*
 * Answers of our own: refusals from the access phase, stored bodies from a
 * handler that comes before all others.
 */

#include "mod_argo_edge.h"

#define LARGE_WINDOW  (4 * AE_READ_MIN)

/* Type, length and fields of our answer. */
void argo_edge_head(request_rec *r, argo_edge_ctx *ctx)
{
    const struct ae_field *f = ctx->act.reply.hdr;
    size_t k;

    if (ctx->act.reply.ctype.n)
        ap_set_content_type(r, argo_edge_str(r->pool, ctx->act.reply.ctype));
    for (k = 0; k < ctx->act.reply.nhdr; k++)
        apr_table_setn(r->headers_out, argo_edge_str(r->pool, f[k].name),
                       argo_edge_str(r->pool, f[k].value));
    if (ctx->act.reply.status != HTTP_NOT_MODIFIED)
        ap_set_content_length(r, ctx->act.reply.more
                              ? (apr_off_t) ctx->act.reply.more
                              : (apr_off_t) ctx->act.reply.body.n);
    /* ranges and validators are the core's business (K14) */
    apr_table_unset(r->headers_in, "Range");
    apr_table_unset(r->headers_in, "If-Range");
}

/* Its body, or NULL. */
apr_bucket *argo_edge_bucket(request_rec *r, argo_edge_ctx *ctx)
{
    ae_str body = ctx->act.reply.body;

    return body.n ? apr_bucket_pool_create(body.p, body.n, r->pool,
                                           r->connection->bucket_alloc)
                  : NULL;
}

/* A large stored body, copied out piece by piece as the client takes it: httpd
 * itself waits when the client is slow.  APR_EGENERAL: the rest is gone. */
static apr_status_t send_large(request_rec *r, argo_edge_ctx *ctx,
                               apr_bucket_brigade *bb)
{
    char *buf = apr_palloc(r->pool, LARGE_WINDOW);
    apr_uint64_t left = ctx->act.reply.more;
    apr_status_t rc;
    apr_int64_t n;

    while (left > 0) {
        n = ae_txn_read(ctx->txn, buf, LARGE_WINDOW);
        if (n <= 0 || (apr_uint64_t) n > left)
            return APR_EGENERAL;
        left -= (apr_uint64_t) n;
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_transient_create(
            buf, (apr_size_t) n, r->connection->bucket_alloc));
        rc = ap_pass_brigade(r->output_filters, bb);
        apr_brigade_cleanup(bb);
        if (rc != APR_SUCCESS || r->connection->aborted)
            return APR_ECONNABORTED;
    }
    return APR_SUCCESS;
}

static int send_answer(request_rec *r, argo_edge_ctx *ctx)
{
    apr_bucket_alloc_t *ba = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, ba);
    apr_bucket *b;

    ctx->sent = 1;
    argo_edge_head(r, ctx);
    if (ctx->act.reply.more && send_large(r, ctx, bb) != APR_SUCCESS) {
        /* its length was announced: all that is left is to break off */
        r->connection->keepalive = AP_CONN_CLOSE;
        r->connection->aborted = 1;
        return OK;
    }
    b = argo_edge_bucket(r, ctx);
    if (b)
        APR_BRIGADE_INSERT_TAIL(bb, b);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(ba));
    (void) ap_pass_brigade(r->output_filters, bb);
    return OK;
}

static int prepare(request_rec *r, argo_edge_ctx *ctx)
{
    r->status = ctx->act.reply.status ? ctx->act.reply.status
                                      : HTTP_INTERNAL_SERVER_ERROR;
    r->status_line = NULL;

    /* the status is known: nobody is asked to continue with a body */
    return ap_discard_request_body(r);
}

/* DONE, never the HTTP status: ap_die() would put an ErrorDocument in place
 * of Argo CD's own words. */
int argo_edge_reply(request_rec *r, argo_edge_ctx *ctx)
{
    int rc = prepare(r, ctx);

    if (rc != OK)
        return rc;
    /* in this phase only "Header always" and its kin are asked */
    ap_run_insert_error_filter(r);
    (void) send_answer(r, ctx);
    return DONE;
}

int argo_edge_handler(request_rec *r)
{
    argo_edge_ctx *ctx = argo_edge_get_ctx(r);
    int rc;

    if (r->main || !ctx || ctx->error_page || !ctx->terminal
        || ctx->act.kind != AE_CACHED || ctx->loc->mode != AE_MODE_ENFORCE)
        return DECLINED;
    rc = prepare(r, ctx);
    if (rc == OK)
        rc = send_answer(r, ctx);
    if (rc == OK && ctx->act.refresh && !r->connection->aborted)
        argo_edge_refresh(r, ctx);
    return rc;
}
