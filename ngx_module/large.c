
/*
 * A large stored body: copied out of the store piece by piece as the client
 * takes it, so that neither the body nor a slow client costs more than a few
 * buffers.
 */


#include "ngx_http_argo_edge.h"


/* four pieces of the store; four of them make one writev() of 256 KB */
#define NGX_HTTP_ARGO_EDGE_WINDOW   (4 * AE_READ_MIN)
#define NGX_HTTP_ARGO_EDGE_WINDOWS  4

#define NGX_HTTP_ARGO_EDGE_SPARE    16


static void ngx_http_argo_edge_pump(ngx_http_request_t *r);
static ngx_int_t ngx_http_argo_edge_fill_windows(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_chain_t **out);
static ngx_chain_t *ngx_http_argo_edge_get_window(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static void ngx_http_argo_edge_put_window(void *data);
static void ngx_http_argo_edge_more(ngx_http_request_t *r);


/* windows that no request uses; a fresh one would be page faults */
static void        *ngx_http_argo_edge_windows;
static ngx_uint_t   ngx_http_argo_edge_nwindows;


/* the header has been sent */

ngx_int_t
ngx_http_argo_edge_send_large(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    ctx->left = ctx->act.reply.more;

    r->main->count++;
    r->write_event_handler = ngx_http_argo_edge_more;

    ngx_http_argo_edge_pump(r);

    return NGX_DONE;
}


static void
ngx_http_argo_edge_more(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_connection_t          *c;
    ngx_http_core_loc_conf_t  *clcf;

    c = r->connection;
    wev = c->write;

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT, "client timed out");
        c->timedout = 1;
        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    if (wev->delayed || r->aio) {
        clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

        if (!wev->delayed) {
            ngx_add_timer(wev, clcf->send_timeout);
        }

        if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_ERROR);
        }

        return;
    }

    ngx_http_argo_edge_pump(r);
}


static void
ngx_http_argo_edge_pump(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_chain_t               *out;
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r);

    do {
        if (ngx_http_argo_edge_fill_windows(r, ctx, &out) != NGX_OK) {

            /* its length was announced: all that is left is to break off */

            ngx_http_finalize_request(r, NGX_ERROR);
            return;
        }

        rc = ngx_http_output_filter(r, out);

        if (rc == NGX_ERROR) {
            ngx_http_finalize_request(r, rc);
            return;
        }

        ngx_chain_update_chains(r->pool, &ctx->free_windows,
                                &ctx->busy_windows, &out,
                                (ngx_buf_tag_t) &ngx_http_argo_edge_module);

        if (ctx->left == 0) {
            ngx_http_finalize_request(r, rc);
            return;
        }

    } while (ctx->free_windows);

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r->main, ngx_http_core_module);

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_ERROR);
    }
}


static ngx_int_t
ngx_http_argo_edge_fill_windows(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_chain_t **out)
{
    int64_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, **ll;

    *out = NULL;
    ll = out;

    while (ctx->left) {

        cl = ngx_http_argo_edge_get_window(r, ctx);

        if (cl == NULL) {
            break;
        }

        b = cl->buf;
        n = ae_txn_read(ctx->txn, (char *) b->start, (size_t) (b->end
                                                               - b->start));

        if (n <= 0 || (uint64_t) n > ctx->left) {
            return NGX_ERROR;
        }

        ctx->left -= (uint64_t) n;

        b->pos = b->start;
        b->last = b->start + n;
        b->temporary = 1;
        b->last_buf = ctx->left == 0;
        b->last_in_chain = ctx->left == 0;

        *ll = cl;
        ll = &cl->next;
        *ll = NULL;
    }

    return NGX_OK;
}


static ngx_chain_t *
ngx_http_argo_edge_get_window(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    void                *p;
    ngx_chain_t         *cl;
    ngx_pool_cleanup_t  *cln;

    if (ctx->free_windows) {
        cl = ctx->free_windows;
        ctx->free_windows = cl->next;
        return cl;
    }

    if (ctx->nwindows == NGX_HTTP_ARGO_EDGE_WINDOWS) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(r->pool, 0);
    cl = ngx_alloc_chain_link(r->pool);

    if (cln == NULL || cl == NULL) {
        return NULL;
    }

    cl->buf = ngx_calloc_buf(r->pool);

    if (cl->buf == NULL) {
        return NULL;
    }

    p = ngx_http_argo_edge_windows;

    if (p) {
        ngx_http_argo_edge_windows = *(void **) p;
        ngx_http_argo_edge_nwindows--;

    } else {
        p = ngx_alloc(NGX_HTTP_ARGO_EDGE_WINDOW, r->connection->log);

        if (p == NULL) {
            return NULL;
        }
    }

    cln->handler = ngx_http_argo_edge_put_window;
    cln->data = p;

    cl->buf->start = p;
    cl->buf->end = cl->buf->start + NGX_HTTP_ARGO_EDGE_WINDOW;
    cl->buf->tag = (ngx_buf_tag_t) &ngx_http_argo_edge_module;
    ctx->nwindows++;

    return cl;
}


static void
ngx_http_argo_edge_put_window(void *data)
{
    if (ngx_http_argo_edge_nwindows == NGX_HTTP_ARGO_EDGE_SPARE) {
        ngx_free(data);
        return;
    }

    *(void **) data = ngx_http_argo_edge_windows;
    ngx_http_argo_edge_windows = data;
    ngx_http_argo_edge_nwindows++;
}
