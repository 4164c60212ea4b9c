
/*
 * NEED_BODY: the request body is read, shown to the core and kept, so that
 * proxy_pass sends the same bytes.
 */


#include "ngx_http_argo_edge.h"


static void ngx_http_argo_edge_body_handler(ngx_http_request_t *r);
static void ngx_http_argo_edge_feed_body(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);


/* NGX_OK: the core has the body; NGX_DONE: later; or a special response */

ngx_int_t
ngx_http_argo_edge_read_body(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (r->request_body) {
        ngx_http_argo_edge_feed_body(r, ctx);
        return NGX_OK;
    }

    if (r->headers_in.content_length_n > 0
        && (uint64_t) r->headers_in.content_length_n > ctx->act.body.max)
    {
        (void) ae_txn_body(ctx->txn, AE_STR(""),
                           AE_BODY_LAST|AE_BODY_TOO_BIG);
        return NGX_OK;
    }

    ctx->reading = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_argo_edge_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ctx->reading = 0;
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static void
ngx_http_argo_edge_body_handler(ngx_http_request_t *r)
{
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r);

    ctx->reading = 0;

    ngx_http_argo_edge_feed_body(r, ctx);

    /* look-ups and error pages must not close its temporary file */

    r->preserve_body = 1;

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


static void
ngx_http_argo_edge_feed_body(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    size_t        size;
    u_char       *data;
    uint64_t      total;
    unsigned      flags;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    total = 0;
    flags = AE_BODY_LAST;

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        total += ngx_buf_size(cl->buf);
    }

    if (total > ctx->act.body.max) {
        (void) ae_txn_body(ctx->txn, AE_STR(""), flags|AE_BODY_TOO_BIG);
        return;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;
        size = (size_t) ngx_buf_size(b);

        if (size == 0) {
            continue;
        }

        if (ngx_buf_in_memory(b)) {
            data = b->pos;

        } else {

            data = ngx_pnalloc(r->pool, size);

            if (data == NULL
                || ngx_read_file(b->file, data, size, b->file_pos)
                   != (ssize_t) size)
            {
                flags |= AE_BODY_TOO_BIG;
                break;
            }
        }

        if (ae_txn_body(ctx->txn, ae_s((char *) data, size), 0) != AE_OK) {
            break;
        }
    }

    (void) ae_txn_body(ctx->txn, AE_STR(""), flags);
}
