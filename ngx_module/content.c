
/*
 * Answers of our own (refusals and stored bodies), and the wrapper around the
 * content handler of a forwarded request.
 */


#include "ngx_http_argo_edge.h"


static ngx_int_t ngx_http_argo_edge_head(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static ngx_int_t ngx_http_argo_edge_send(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static ngx_http_upstream_conf_t *ngx_http_argo_edge_copy_conf(
    ngx_http_upstream_conf_t *from, ngx_pool_t *pool);
static ngx_http_upstream_conf_t *ngx_http_argo_edge_shared_conf(
    ngx_http_argo_edge_loc_conf_t *lcf, ngx_http_upstream_conf_t *from,
    ngx_pool_t *pool);


/*
 * Always NGX_DONE or a special response: the value of the output filters
 * would be read as "pass" by the preaccess phase.
 */

ngx_int_t
ngx_http_argo_edge_reply(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_int_t  rc;

    /* else a body in the pipeline becomes the next request line */

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_argo_edge_send(r, ctx);

    ngx_http_finalize_request(r, rc);

    return NGX_DONE;
}


ngx_int_t
ngx_http_argo_edge_cached_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r);

    if (ctx == NULL || ctx->act.kind != AE_CACHED) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_argo_edge_send(r, ctx);

    if (ctx->act.refresh && rc != NGX_ERROR) {
        ngx_http_argo_edge_refresh(r, ctx);
    }

    return rc;
}


static ngx_int_t
ngx_http_argo_edge_head(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    size_t                  k;
    ngx_table_elt_t        *h;
    const struct ae_field  *f;

    r->headers_out.status = ctx->act.reply.status
                            ? (ngx_uint_t) ctx->act.reply.status
                            : NGX_HTTP_INTERNAL_SERVER_ERROR;

    r->headers_out.content_type.data = (u_char *) ctx->act.reply.ctype.p;
    r->headers_out.content_type.len = ctx->act.reply.ctype.n;
    r->headers_out.content_type_len = ctx->act.reply.ctype.n;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = ctx->act.reply.more
                                      ? (off_t) ctx->act.reply.more
                                      : (off_t) ctx->act.reply.body.n;

    if (r->headers_out.status == NGX_HTTP_NOT_MODIFIED) {
        ngx_http_clear_content_length(r);
    }

    /* validators are the core's business, after the decision (K14) */

    r->disable_not_modified = 1;

    for (k = 0; k < ctx->act.reply.nhdr; k++) {
        f = &ctx->act.reply.hdr[k];

        h = ngx_http_argo_edge_push(r, &r->headers_out.headers, f->name,
                                    f->value);
        if (h == NULL) {
            return NGX_ERROR;
        }

        /* gzip weakens the one and stays away from the other */

        if (h->key.len == 4 && ngx_strncmp(h->lowcase_key, "etag", 4) == 0) {
            r->headers_out.etag = h;

        } else if (h->key.len == 16
                   && ngx_strncmp(h->lowcase_key, "content-encoding", 16) == 0)
        {
            r->headers_out.content_encoding = h;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_send(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_int_t     rc;
    ngx_chain_t  *out;

    if (ngx_http_argo_edge_head(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    if (ctx->act.reply.more) {
        return ngx_http_argo_edge_send_large(r, ctx);
    }

    if (ctx->act.reply.body.n == 0) {
        return ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    out = ngx_http_argo_edge_chain(r, ctx);

    return out ? ngx_http_output_filter(r, out) : NGX_ERROR;
}


/* the body of our answer; its buffer is the last one */

ngx_chain_t *
ngx_http_argo_edge_chain(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_buf_t    *b;
    ngx_chain_t  *out;

    b = ngx_calloc_buf(r->pool);
    out = ngx_alloc_chain_link(r->pool);

    if (b == NULL || out == NULL) {
        return NULL;
    }

    /* memory, not temporary: no filter may write into a stored answer */

    b->pos = (u_char *) ctx->act.reply.body.p;
    b->last = b->pos + ctx->act.reply.body.n;
    b->memory = b->last != b->pos;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out->buf = b;
    out->next = NULL;

    return out;
}


/*
 * The upstream's answer, whose header is about to leave, gives way to ours;
 * the body filter drops the rest of it.
 */

ngx_int_t
ngx_http_argo_edge_replace(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, const struct ae_act *act)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            h[i].hash = 0;
        }
    }

    r->headers_out.etag = NULL;
    r->headers_out.location = NULL;
    r->headers_out.content_encoding = NULL;
    r->headers_out.last_modified_time = -1;
    r->headers_out.status_line.len = 0;
    r->err_status = 0;

    ctx->act = *act;
    ctx->replaced = 1;

    return ngx_http_argo_edge_head(r, ctx);
}


/* R29: the upstream steers the API, not this server */

static ngx_http_upstream_conf_t *
ngx_http_argo_edge_copy_conf(ngx_http_upstream_conf_t *from, ngx_pool_t *pool)
{
    ngx_http_upstream_conf_t  *conf;

    conf = ngx_palloc(pool, sizeof(ngx_http_upstream_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    *conf = *from;

    conf->ignore_headers |= NGX_HTTP_UPSTREAM_IGN_XA_REDIRECT
                            |NGX_HTTP_UPSTREAM_IGN_XA_EXPIRES
                            |NGX_HTTP_UPSTREAM_IGN_XA_BUFFERING
                            |NGX_HTTP_UPSTREAM_IGN_XA_LIMIT_RATE
                            |NGX_HTTP_UPSTREAM_IGN_XA_CHARSET;

    return conf;
}


/* one copy serves all requests of a location */

static ngx_http_upstream_conf_t *
ngx_http_argo_edge_shared_conf(ngx_http_argo_edge_loc_conf_t *lcf,
    ngx_http_upstream_conf_t *from, ngx_pool_t *pool)
{
    ngx_http_upstream_conf_t  *conf;

    if (lcf->upstream == from) {
        return lcf->shared;
    }

    if (lcf->upstream) {
        conf = ngx_http_argo_edge_copy_conf(from, pool);
        return conf ? conf : from;
    }

    conf = ngx_http_argo_edge_copy_conf(from, ngx_cycle->pool);
    if (conf == NULL) {
        return from;
    }

    lcf->upstream = from;
    lcf->shared = conf;

    return conf;
}


/*
 * The location's own handler, then what only now can be said: proxy_pass and
 * its kin set up r->upstream before the first byte goes out.  The shared
 * configuration is copied, not changed.
 */

ngx_int_t
ngx_http_argo_edge_pass_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_connection_t          *pc;
    ngx_http_upstream_t       *u;
    ngx_http_upstream_conf_t  *conf;
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r->main);

    if (ctx == NULL || ctx->content == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ctx->content(r);

    u = r->upstream;

    if (rc != NGX_DONE || u == NULL || u->conf == NULL || u->header_sent) {
        return rc;
    }

    if (r != r->main
        || !(ctx->act.forward.flags & (AE_FWD_STREAM|AE_FWD_UPGRADE)))
    {
        u->conf = ngx_http_argo_edge_shared_conf(ctx->lcf, u->conf, r->pool);
        return rc;
    }

    conf = ngx_http_argo_edge_copy_conf(u->conf, r->pool);
    if (conf == NULL) {
        return rc;
    }

    u->conf = conf;

    u->buffering = 0;
    conf->buffering = 0;
    conf->read_timeout = NGX_HTTP_ARGO_EDGE_STREAM_MS;

    pc = u->peer.connection;

    if (pc && pc->read->timer_set && u->request_sent) {
        ngx_add_timer(pc->read, conf->read_timeout);
    }

    return rc;
}
