
/*
 * The upstream's answer: shown to the core before a byte leaves, edited, and
 * fed to the store.  These filters run ahead of gzip.
 */


#include "ngx_http_argo_edge.h"


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


static ngx_int_t ngx_http_argo_edge_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_argo_edge_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_argo_edge_show(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, struct ae_resp_edit *edit);
static void ngx_http_argo_edge_feed(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_argo_edge_response(ngx_http_request_t *r,
    struct ae_resp *resp);
static ngx_int_t ngx_http_argo_edge_edit_response(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, struct ae_resp_edit *edit);
static void ngx_http_argo_edge_clear(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ngx_int_t ngx_http_argo_edge_instead(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_argo_edge_own(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static void ngx_http_argo_edge_watch(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static void ngx_http_argo_edge_watch_handler(ngx_event_t *ev);


void
ngx_http_argo_edge_filter_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_argo_edge_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_argo_edge_body_filter;
}


static ngx_int_t
ngx_http_argo_edge_header_filter(ngx_http_request_t *r)
{
    struct ae_resp_edit        edit;
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r->main);

    if (ctx == NULL || !ctx->terminal || ctx->responded
        || (r == r->main ? ctx->act.kind != AE_FORWARD
                         : !ctx->refreshing || ctx->fetch.sr != r))
    {
        return ngx_http_next_header_filter(r);
    }

    ctx->responded = 1;

    if (ngx_http_argo_edge_show(r, ctx, &edit) != NGX_OK) {
        return NGX_ERROR;
    }

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    if (edit.instead) {

        if (ngx_http_argo_edge_replace(r, ctx, edit.instead) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ctx->lcf->loc.mode == AE_MODE_ENFORCE
               && ngx_http_argo_edge_edit_response(r, ctx, &edit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!edit.instead && (ctx->act.forward.flags & AE_FWD_STREAM)) {
        ngx_http_argo_edge_watch(r, ctx);
    }

    return ngx_http_next_header_filter(r);
}


/* to the core, which says whether it wants the body */

static ngx_int_t
ngx_http_argo_edge_show(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx,
    struct ae_resp_edit *edit)
{
    ngx_int_t       own;
    struct ae_resp  resp;

    ngx_memzero(&resp, sizeof(struct ae_resp));
    ngx_memzero(edit, sizeof(struct ae_resp_edit));

    if (ngx_http_argo_edge_response(r, &resp) != NGX_OK) {
        return NGX_ERROR;
    }

    own = ngx_http_argo_edge_own(r, ctx);
    resp.foreign = own != NGX_OK;

    if (ae_txn_response(ctx->txn, &resp, edit) != AE_OK) {
        edit->feed = false;
    }

    if (edit->feed && own == NGX_OK
        && ctx->lcf->loc.mode == AE_MODE_ENFORCE)
    {
        ctx->feeding = 1;
        ctx->expected = resp.content_length;
        r->filter_need_in_memory = 1;

    } else if (edit->feed) {

        if (own == NGX_ABORT) {
            ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                          "argo_edge: not cached, since another target than "
                          "the received one went upstream; use proxy_pass "
                          "without a URI part and without rewrite");
        }

        ae_txn_resp_end(ctx->txn, false);
    }

    return NGX_OK;
}


/* a stream or a terminal ends with its token (R25) */

static void
ngx_http_argo_edge_watch(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    int64_t  ms;

    ms = ae_txn_watch(ctx->txn);

    if (ms == 0) {
        return;
    }

    if (ms < 0 && !ctx->watch.timedout) {
        ms = 1; /* not from within the upstream's own call */
    }

    ctx->watch.handler = ngx_http_argo_edge_watch_handler;
    ctx->watch.data = r;
    ctx->watch.log = r->connection->log;
    ctx->watch.cancelable = 1;

    if (ms > 0) {
        ngx_add_timer(&ctx->watch, (ngx_msec_t) ms);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "argo_edge: stream broken off, its token or its rights "
                  "have ended");

    /* the upstream's cleanup lets go of the request as well */

    r->keepalive = 0;
    r->main->count++;

    ngx_http_finalize_request(r, NGX_ERROR);
}


static void
ngx_http_argo_edge_watch_handler(ngx_event_t *ev)
{
    ngx_connection_t          *c;
    ngx_http_request_t        *r;

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);
    ngx_http_argo_edge_watch(r, ngx_http_argo_edge_get_ctx(r));
    ngx_http_run_posted_requests(c);
}


/* what the upstream sent, before proxy_hide_header and the like */

static ngx_int_t
ngx_http_argo_edge_response(ngx_http_request_t *r, struct ae_resp *resp)
{
    ae_str               *to;
    ngx_int_t             rc;
    ngx_uint_t            i;
    const char           *name;
    ngx_list_part_t      *part;
    ngx_table_elt_t      *h;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u && u->headers_in.status_n == 0) {
        u = NULL;
    }

    resp->status = (int) (u ? u->headers_in.status_n : r->headers_out.status);
    resp->content_length = u ? u->headers_in.content_length_n
                             : r->headers_out.content_length_n;
    resp->ctype = (u && u->headers_in.content_type)
        ? ngx_http_argo_edge_span(&u->headers_in.content_type->value)
        : ngx_http_argo_edge_span(&r->headers_out.content_type);

    part = u ? &u->headers_in.headers.part : &r->headers_out.headers.part;

    for ( /* void */ ; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash == 0) {
                continue;
            }

            to = NULL;

            /* the length first: hardly a header has one of these */

            switch (h[i].key.len) {

            case 4:
                name = "Vary";
                to = &resp->vary;
                break;

            case 10:
                name = "Set-Cookie";
                to = &resp->set_cookie;
                break;

            case 13:
                name = "Cache-Control";
                to = &resp->cache_control;
                break;

            case 16:
                name = "Content-Encoding";
                to = &resp->content_encoding;
                break;

            case 25:
                name = "Grpc-Metadata-Renew-Token";
                break;

            default:
                continue;
            }

            if (ngx_strncasecmp(h[i].key.data, (u_char *) name, h[i].key.len)
                != 0)
            {
                continue;
            }

            if (to == NULL) {
                resp->has_renew = true;
                continue;
            }

            rc = ngx_http_argo_edge_join(r, to, &h[i].value);

            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_edit_response(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, struct ae_resp_edit *edit)
{
    size_t            k;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (h[i].hash
                && ae_txn_strip_response(ctx->txn,
                                         ngx_http_argo_edge_span(&h[i].key)))
            {
                ngx_http_argo_edge_clear(r, &h[i]);
            }

            for (k = 0; h[i].hash && k < edit->nset; k++) {

                if (edit->set[k].name.n == h[i].key.len
                    && ngx_strncasecmp(h[i].key.data,
                                       (u_char *) edit->set[k].name.p,
                                       h[i].key.len)
                       == 0)
                {
                    ngx_http_argo_edge_clear(r, &h[i]);
                }
            }
        }
    }

    for (k = 0; k < edit->nset; k++) {

        if (edit->set[k].value.n == 0) {
            continue;
        }

        h = ngx_http_argo_edge_push(r, &r->headers_out.headers,
                                    edit->set[k].name, edit->set[k].value);
        if (h == NULL) {
            return NGX_ERROR;
        }

        if (h->key.len == 4 && ngx_strncmp(h->lowcase_key, "etag", 4) == 0) {
            r->headers_out.etag = h;
        }
    }

    return NGX_OK;
}


static void
ngx_http_argo_edge_clear(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    h->hash = 0;

    if (r->headers_out.etag == h) {
        r->headers_out.etag = NULL;
    }

    if (r->headers_out.location == h) {
        r->headers_out.location = NULL;
    }

    if (r->headers_out.content_encoding == h) {
        r->headers_out.content_encoding = NULL;
    }
}


/*
 * NGX_OK: this is Argo CD's answer to the target that was decided, byte for
 * byte.  NGX_ABORT: to another one, after a rewrite or for a proxy_pass with a
 * URI part; it would be filed under a wrong key (T1, R30).  NGX_DECLINED: what
 * nginx says by itself, which tells nothing of a token.
 */

static ngx_int_t
ngx_http_argo_edge_own(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    u_char               *p;
    size_t                n;
    ngx_buf_t            *b;
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || u->upgrade || u->request_bufs == NULL
        || ctx->redirected || r->err_status
        || u->headers_in.status_n != r->headers_out.status)
    {
        return NGX_DECLINED;
    }

#if (NGX_HTTP_CACHE)
    if (r->cached) {
        return NGX_DECLINED;
    }
#endif

    b = u->request_bufs->buf;
    n = r->method_name.len + 1 + ctx->req.target.n + 1;
    p = b->start;

    if (p == NULL || (size_t) (b->end - p) < n
        || ngx_memcmp(p, r->method_name.data, r->method_name.len) != 0
        || p[r->method_name.len] != ' ')
    {
        return NGX_DECLINED;
    }

    p += r->method_name.len + 1;

    if (ngx_memcmp(p, ctx->req.target.p, ctx->req.target.n) == 0
        && p[ctx->req.target.n] == ' ')
    {
        return NGX_OK;
    }

    return NGX_ABORT;
}


/* what the upstream says is taken and dropped, our body goes out once */

static ngx_int_t
ngx_http_argo_edge_instead(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_chain_t *in)
{
    ngx_chain_t  *cl;

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
        cl->buf->file_pos = cl->buf->file_last;
    }

    if (ctx->sent) {
        return ngx_http_next_body_filter(r, NULL);
    }

    ctx->sent = 1;
    cl = ngx_http_argo_edge_chain(r, ctx);

    return cl ? ngx_http_next_body_filter(r, cl) : NGX_ERROR;
}


static ngx_int_t
ngx_http_argo_edge_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t               *cl;
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r->main);

    if (ctx && r != r->main && ctx->fetch.sr == r) {

        if (!ctx->refreshing) {
            return ngx_http_argo_edge_fetch_body(ctx, in);
        }

        ngx_http_argo_edge_feed(r, ctx, in);

        for (cl = in; cl; cl = cl->next) {
            cl->buf->pos = cl->buf->last;
            cl->buf->file_pos = cl->buf->file_last;
        }

        return NGX_OK;
    }

    if (ctx && r == r->main && ctx->replaced) {
        return ngx_http_argo_edge_instead(r, ctx, in);
    }

    if (ctx && r == r->main && !ctx->refreshing) {
        ngx_http_argo_edge_feed(r, ctx, in);
    }

    return ngx_http_next_body_filter(r, in);
}


static void
ngx_http_argo_edge_feed(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx,
    ngx_chain_t *in)
{
    size_t        n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    for (cl = in; cl && ctx->feeding; cl = cl->next) {
        b = cl->buf;
        n = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

        if ((n == 0 && ngx_buf_size(b))
            || (n && ae_txn_resp_part(ctx->txn, ae_s((char *) b->pos, n))
                     != AE_OK))
        {
            ctx->feeding = 0;
            ae_txn_resp_end(ctx->txn, false);
            break;
        }

        ctx->fed += n;

        if (b->last_buf || (r != r->main && b->sync && b->last_in_chain)) {
            ctx->feeding = 0;

            /* nginx sends last_buf only when the upstream ended in order,
             * which an answer up to the end of the connection cannot show */

            ae_txn_resp_end(ctx->txn, ctx->expected >= 0
                                      ? ctx->fed == ctx->expected
                                      : r->upstream
                                        && r->upstream->headers_in.chunked);
        }
    }
}
