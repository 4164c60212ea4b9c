
/*
 * NEED_FETCH: a sub-request of our own through the location that serves the
 * target, with its answer caught by the body filter.
 */


#include "ngx_http_argo_edge.h"


static ngx_int_t ngx_http_argo_edge_subrequest(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_http_post_subrequest_t *ps,
    ngx_uint_t flags);
static ngx_int_t ngx_http_argo_edge_fetch_uri(ngx_http_request_t *r,
    ae_str target, ngx_str_t *uri, ngx_str_t *args);
static ngx_int_t ngx_http_argo_edge_fetch_headers(ngx_http_request_t *sr,
    struct ae_act *act);
static ngx_int_t ngx_http_argo_edge_fetch_done(ngx_http_request_t *r,
    void *data, ngx_int_t rc);


/* NGX_AGAIN: under way; NGX_OK: it failed at once and the core knows */

ngx_int_t
ngx_http_argo_edge_fetch(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_http_post_subrequest_t  *ps;

    ngx_memzero(&ctx->fetch, sizeof(ngx_http_argo_edge_fetch_t));
    ctx->fetch.id = ctx->act.fetch.id;
    ctx->fetch.max = ctx->act.fetch.max ? ctx->act.fetch.max
                                        : NGX_HTTP_ARGO_EDGE_FETCH_MAX;

    ps = ngx_palloc(r->pool, sizeof(ngx_http_post_subrequest_t));
    if (ps == NULL) {
        return NGX_ERROR;
    }

    ps->handler = ngx_http_argo_edge_fetch_done;
    ps->data = ctx;

    rc = ngx_http_argo_edge_subrequest(r, ctx, ps, NGX_HTTP_SUBREQUEST_WAITED);

    if (rc == NGX_DECLINED) {
        (void) ae_txn_fetched(ctx->txn, ctx->fetch.id, 0, AE_STR(""),
                              AE_STR(""), AE_BODY_LAST);
        return NGX_OK;
    }

    ctx->waiting = 1;

    return rc == NGX_OK ? NGX_AGAIN : rc;
}


/*
 * A stored answer has been sent that has ended: what Argo CD says now goes to
 * the store alone, by the filters.  As proxy_cache_background_update does it.
 */

void
ngx_http_argo_edge_refresh(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_memzero(&ctx->fetch, sizeof(ngx_http_argo_edge_fetch_t));

    ctx->refreshing = 1;

    (void) ngx_http_argo_edge_subrequest(r, ctx, NULL,
                                         NGX_HTTP_SUBREQUEST_BACKGROUND);
}


/* NGX_DECLINED: this is no target */

static ngx_int_t
ngx_http_argo_edge_subrequest(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_http_post_subrequest_t *ps,
    ngx_uint_t flags)
{
    ngx_str_t            uri, args;
    ngx_http_request_t  *sr;

    if (ngx_http_argo_edge_fetch_uri(r, ctx->act.fetch.target, &uri, &args)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_http_subrequest(r, &uri, &args, &sr, ps, flags) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->fetch.sr = sr;

    if (ngx_http_argo_edge_fetch_headers(sr, &ctx->act) != NGX_OK) {
        return NGX_ERROR;
    }

    /* the very bytes of the core go upstream, not an escaped uri */

    sr->unparsed_uri.data = (u_char *) ctx->act.fetch.target.p;
    sr->unparsed_uri.len = ctx->act.fetch.target.n;
    sr->valid_unparsed_uri = 1;

    /* an empty body of its own, as auth_request does */

    sr->request_body = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    if (sr->request_body == NULL) {
        return NGX_ERROR;
    }

    sr->filter_need_in_memory = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_fetch_uri(ngx_http_request_t *r, ae_str target,
    ngx_str_t *uri, ngx_str_t *args)
{
    u_char  *src, *dst;
    size_t   path;

    if (target.n == 0 || target.p[0] != '/') {
        return NGX_ERROR;
    }

    path = ae_find(target, '?');

    ngx_str_null(args);

    if (path < target.n) {
        args->data = (u_char *) target.p + path + 1;
        args->len = target.n - path - 1;
    }

    uri->data = ngx_pnalloc(r->pool, path);
    if (uri->data == NULL) {
        return NGX_ERROR;
    }

    src = (u_char *) target.p;
    dst = uri->data;

    ngx_unescape_uri(&dst, &src, path, 0);

    uri->len = dst - uri->data;

    return NGX_OK;
}


/* the credential that the core names, and none of the client's headers */

static ngx_int_t
ngx_http_argo_edge_fetch_headers(ngx_http_request_t *sr, struct ae_act *act)
{
    ngx_str_t         server;
    ngx_list_t       *list;
    ngx_table_elt_t  *host;

    host = sr->headers_in.host;
    server = sr->headers_in.server;

    ngx_memzero(&sr->headers_in, sizeof(ngx_http_headers_in_t));

    sr->headers_in.host = host;
    sr->headers_in.server = server;
    sr->headers_in.content_length_n = -1;
    sr->headers_in.keep_alive_n = -1;

    list = &sr->headers_in.headers;

    if (ngx_list_init(list, sr->pool, 4, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_argo_edge_push(sr, list, AE_STR("Accept"),
                                AE_STR("application/json"))
        == NULL)
    {
        return NGX_ERROR;
    }

    if (act->fetch.authorization.n
        && ngx_http_argo_edge_push(sr, list, AE_STR("Authorization"),
                                   act->fetch.authorization)
           == NULL)
    {
        return NGX_ERROR;
    }

    if (act->fetch.cookie.n
        && ngx_http_argo_edge_push(sr, list, AE_STR("Cookie"),
                                   act->fetch.cookie)
           == NULL)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* called by the body filter for the sub-request: nothing goes further */

ngx_int_t
ngx_http_argo_edge_fetch_body(ngx_http_argo_edge_ctx_t *ctx, ngx_chain_t *in)
{
    size_t                       n, size;
    u_char                      *p;
    ngx_buf_t                   *b;
    ngx_http_argo_edge_fetch_t  *f;

    f = &ctx->fetch;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;
        n = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

        if (n == 0 && ngx_buf_size(b)) {
            f->bad = 1;
        }

        if (n > f->max - f->len) {
            f->too_big = 1;
        }

        if (!f->too_big && !f->bad && n > f->size - f->len) {
            size = ngx_max(f->size * 2, f->len + n);
            size = ngx_max(size, 4096);

            p = ngx_palloc(ctx->request->pool, size);
            if (p == NULL) {
                return NGX_ERROR;
            }

            if (f->len) {
                ngx_memcpy(p, f->data, f->len);
            }

            f->data = p;
            f->size = size;
        }

        if (!f->too_big && !f->bad && n) {
            ngx_memcpy(f->data + f->len, b->pos, n);
            f->len += n;
        }

        /* an upstream that ends too early gets a flush instead */

        if (b->last_buf || (b->sync && b->last_in_chain)) {
            f->last = 1;
        }

        b->pos = b->last;
        b->file_pos = b->file_last;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_fetch_done(ngx_http_request_t *r, void *data, ngx_int_t rc)
{
    ae_str                       ctype, body;
    ngx_uint_t                   status;
    ngx_http_argo_edge_ctx_t    *ctx = data;
    ngx_http_argo_edge_fetch_t  *f;

    f = &ctx->fetch;

    /* an error of nginx's own comes here again after its page is "sent" */

    if (f->done || f->sr != r) {
        return rc;
    }

    f->done = 1;
    ctx->waiting = 0;

    status = r->headers_out.status;

    if (rc != NGX_OK || r->upstream == NULL || f->bad || !f->last
        || (r->headers_out.content_encoding
            && r->headers_out.content_encoding->value.len))
    {
        status = 0;
    }

    ctype = ngx_http_argo_edge_span(&r->headers_out.content_type);
    body = ae_s(f->data ? (char *) f->data : "", f->too_big ? 0 : f->len);

    (void) ae_txn_fetched(ctx->txn, f->id, (int) status, ctype, body,
                          AE_BODY_LAST
                          | (f->too_big ? AE_BODY_TOO_BIG : 0));

    return rc;
}
