
/*
 * The PREACCESS handler: steps the core and carries out what it says.  An
 * ACCESS handler could be skipped by "satisfy any".
 */


#include "ngx_http_argo_edge.h"


/* a transaction takes a handful of steps; this ends a runaway */
#define NGX_HTTP_ARGO_EDGE_MAX_STEPS  64

/* what a request takes as a rule; too large for its pool */
#define NGX_HTTP_ARGO_EDGE_BLOCK      10240
#define NGX_HTTP_ARGO_EDGE_HEAD       ngx_align(                              \
                                          sizeof(ngx_http_argo_edge_ctx_t), 16)
#define NGX_HTTP_ARGO_EDGE_MAX_BLOCKS 256


static ngx_http_argo_edge_ctx_t *ngx_http_argo_edge_begin(
    ngx_http_request_t *r, ngx_http_argo_edge_loc_conf_t *lcf);
static ngx_int_t ngx_http_argo_edge_decide(ngx_http_request_t *r,
    ngx_http_argo_edge_loc_conf_t *lcf);
static ngx_int_t ngx_http_argo_edge_redirected(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_http_argo_edge_loc_conf_t *lcf);
static ngx_int_t ngx_http_argo_edge_drive(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static ngx_int_t ngx_http_argo_edge_carry_out(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static ngx_int_t ngx_http_argo_edge_forward(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static ngx_int_t ngx_http_argo_edge_wait(ngx_http_request_t *r,
    ngx_msec_t delay);
static void ngx_http_argo_edge_delay(ngx_http_request_t *r);
static void ngx_http_argo_edge_end(void *data);
static ngx_http_argo_edge_ctx_t *ngx_http_argo_edge_block(
    ngx_http_request_t *r);
static void *ngx_http_argo_edge_alloc(void *data, size_t n);


#if !defined(AE_ARENA_EMULATE)

/* blocks of requests that have ended, each pointing to the next */
static void        *ngx_http_argo_edge_blocks;
static ngx_uint_t   ngx_http_argo_edge_nblocks;

#endif


ngx_int_t
ngx_http_argo_edge_handler(ngx_http_request_t *r)
{
    ngx_http_argo_edge_ctx_t       *ctx;
    ngx_http_argo_edge_loc_conf_t  *lcf;

    if (r != r->main) {
        ctx = ngx_http_argo_edge_get_ctx(r->main);

        if (ctx && ctx->fetch.sr == r && r->content_handler
            && r->content_handler != ngx_http_argo_edge_pass_handler)
        {
            ctx->content = r->content_handler;
            r->content_handler = ngx_http_argo_edge_pass_handler;
        }

        return NGX_DECLINED;
    }

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_argo_edge_module);

    if (r->post_action
        || lcf->loc.serve == AE_SERVE_PURGE
        || (lcf->loc.mode != AE_MODE_ENFORCE
            && lcf->loc.mode != AE_MODE_SHADOW))
    {
        return NGX_DECLINED;
    }

    return ngx_http_argo_edge_decide(r, lcf);
}


/*
 * The PRECONTENT handler, of purges: allow and deny have spoken by then, and
 * what is done is not undone.
 */

ngx_int_t
ngx_http_argo_edge_late_handler(ngx_http_request_t *r)
{
    ngx_http_argo_edge_loc_conf_t  *lcf;

    lcf = ngx_http_get_module_loc_conf(r, ngx_http_argo_edge_module);

    if (lcf->loc.serve != AE_SERVE_PURGE || r != r->main) {
        return NGX_DECLINED;
    }

    return ngx_http_argo_edge_decide(r, lcf);
}


static ngx_int_t
ngx_http_argo_edge_decide(ngx_http_request_t *r,
    ngx_http_argo_edge_loc_conf_t *lcf)
{
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_get_ctx(r);

    if (ctx == NULL) {
        ctx = ngx_http_argo_edge_begin(r, lcf);
    }

    /* also for the error page of a request that could not begin */

    if (ctx == NULL || ctx->txn == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_get_module_ctx(r, ngx_http_argo_edge_module) == NULL) {
        return ngx_http_argo_edge_redirected(r, ctx, lcf);
    }

    return ngx_http_argo_edge_drive(r, ctx);
}


/*
 * The context of a main request.  An internal redirect zeroes r->ctx; the
 * cleanup handler still knows it.
 */

ngx_http_argo_edge_ctx_t *
ngx_http_argo_edge_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t        *cln;
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_argo_edge_module);

    if (ctx == NULL && (r->internal || r->filter_finalize)) {

        for (cln = r->pool->cleanup; cln; cln = cln->next) {
            if (cln->handler == ngx_http_argo_edge_end) {
                return cln->data;
            }
        }
    }

    return ctx;
}


static ngx_http_argo_edge_ctx_t *
ngx_http_argo_edge_begin(ngx_http_request_t *r,
    ngx_http_argo_edge_loc_conf_t *lcf)
{
    ae_engine                 *engine;
    struct ae_mem              mem;
    ngx_pool_cleanup_t        *cln;
    ngx_http_core_loc_conf_t  *clcf;
    ngx_http_argo_edge_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    ctx = ngx_http_argo_edge_block(r);
    if (ctx == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_argo_edge_end;
    cln->data = ctx;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    ctx->request = r;
    ctx->lcf = lcf;
    ctx->mcf = ngx_http_get_module_main_conf(r, ngx_http_argo_edge_module);
    ctx->recursive = clcf->recursive_error_pages;

    engine = ngx_http_argo_edge_engine(ctx->mcf);

    if (engine == NULL
        || ngx_http_argo_edge_fill(r, &ctx->req) != NGX_OK)
    {
        return NULL;
    }

    mem.alloc = ngx_http_argo_edge_alloc;
    mem.ctx = ctx;

    ctx->txn = ae_txn_begin(engine, &lcf->loc, &ctx->req, mem);
    if (ctx->txn == NULL) {
        return NULL;
    }

    ctx->mcf->live++;

    ngx_http_set_ctx(r, ctx, ngx_http_argo_edge_module);

    return ctx;
}


static void
ngx_http_argo_edge_end(void *data)
{
    ngx_http_argo_edge_ctx_t  *ctx = data;

    if (ctx->watch.timer_set) {
        ngx_del_timer(&ctx->watch);
    }

    if (ctx->txn) {

        if (ctx->feeding) {
            ctx->feeding = 0;
            ae_txn_resp_end(ctx->txn, false);
        }

        ae_txn_end(ctx->txn);

        ctx->txn = NULL;
        ctx->mcf->live--;
    }

#if !defined(AE_ARENA_EMULATE)

    if (ngx_http_argo_edge_nblocks < NGX_HTTP_ARGO_EDGE_MAX_BLOCKS) {
        *(void **) data = ngx_http_argo_edge_blocks;
        ngx_http_argo_edge_blocks = data;
        ngx_http_argo_edge_nblocks++;

    } else {
        ngx_free(data);
    }

#endif
}


/*
 * Context and transaction lie in a block that another request has left: from
 * the pool they would be a malloc() and a free() of their own for each.
 */

#if defined(AE_ARENA_EMULATE)

static ngx_http_argo_edge_ctx_t *
ngx_http_argo_edge_block(ngx_http_request_t *r)
{
    return ngx_pcalloc(r->pool, sizeof(ngx_http_argo_edge_ctx_t));
}

#else

static ngx_http_argo_edge_ctx_t *
ngx_http_argo_edge_block(ngx_http_request_t *r)
{
    ngx_http_argo_edge_ctx_t  *ctx;

    ctx = ngx_http_argo_edge_blocks;

    if (ctx) {
        ngx_http_argo_edge_blocks = *(void **) ctx;
        ngx_http_argo_edge_nblocks--;

    } else {
        ctx = ngx_alloc(NGX_HTTP_ARGO_EDGE_BLOCK, r->connection->log);
        if (ctx == NULL) {
            return NULL;
        }
    }

    ngx_memzero(ctx, sizeof(ngx_http_argo_edge_ctx_t));
    ctx->spare = (u_char *) ctx + NGX_HTTP_ARGO_EDGE_HEAD;

    return ctx;
}

#endif


static void *
ngx_http_argo_edge_alloc(void *data, size_t n)
{
    void                      *p;
    ngx_http_argo_edge_ctx_t  *ctx = data;

    p = ctx->spare;

    if (p && n <= NGX_HTTP_ARGO_EDGE_BLOCK - NGX_HTTP_ARGO_EDGE_HEAD) {
        ctx->spare = NULL;
        return p;
    }

    return ngx_http_argo_edge_pool_alloc(ctx->request->pool, n);
}


/*
 * After error_page, try_files and the like the target is the one that was
 * decided.  An error page is never decided upon, and never replaced by a
 * stored answer that somebody has refused after us.
 */

static ngx_int_t
ngx_http_argo_edge_redirected(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_http_argo_edge_loc_conf_t *lcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    ngx_http_set_ctx(r, ctx, ngx_http_argo_edge_module);

    ctx->redirected = 1;

    if (!ctx->terminal || ctx->lcf->loc.mode == AE_MODE_SHADOW) {
        return NGX_DECLINED;
    }

    if (r->error_page || r->err_status) {
        return ngx_http_argo_edge_forward(r, ctx);
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->recursive_error_pages) {
        ctx->recursive = 1;
    }

    return ngx_http_argo_edge_carry_out(r, ctx);
}


static ngx_int_t
ngx_http_argo_edge_drive(ngx_http_request_t *r, ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_uint_t  n;

    if (ctx->waiting || ctx->reading) {
        return NGX_AGAIN;
    }

    for (n = 0; n < NGX_HTTP_ARGO_EDGE_MAX_STEPS; n++) {

        ae_txn_step(ctx->txn, &ctx->act);

        switch (ctx->act.kind) {

        case AE_NEED_BODY:
            rc = ngx_http_argo_edge_read_body(r, ctx);
            break;

        case AE_NEED_FETCH:
            rc = ngx_http_argo_edge_fetch(r, ctx);
            break;

        case AE_WAIT:
            return ngx_http_argo_edge_wait(r, ctx->act.wait.ms);

        default:
            ctx->terminal = 1;
            return ngx_http_argo_edge_carry_out(r, ctx);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_http_argo_edge_carry_out(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    if (ctx->lcf->loc.mode == AE_MODE_SHADOW) {
        return NGX_DECLINED;
    }

    switch (ctx->act.kind) {

    case AE_FORWARD:
        return ngx_http_argo_edge_forward(r, ctx);

    case AE_CACHED:

        if (ctx->redirected && ctx->recursive) {

            /* may be an error page that does not show as one */

            return ngx_http_argo_edge_forward(r, ctx);
        }

        /* access modules still run, then this replaces proxy_pass */

        r->content_handler = ngx_http_argo_edge_cached_handler;

        return NGX_DECLINED;

    default: /* AE_FAIL, AE_REPLY */
        return ngx_http_argo_edge_reply(r, ctx);
    }
}


static ngx_int_t
ngx_http_argo_edge_forward(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    if (!ctx->edited) {
        ctx->edited = 1;

        if (ngx_http_argo_edge_edit_request(r, ctx) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (r->content_handler
        && r->content_handler != ngx_http_argo_edge_pass_handler)
    {
        ctx->content = r->content_handler;
        r->content_handler = ngx_http_argo_edge_pass_handler;
    }

    return NGX_DECLINED;
}


/* as limit_req delays */

static ngx_int_t
ngx_http_argo_edge_wait(ngx_http_request_t *r, ngx_msec_t delay)
{
    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_argo_edge_delay;

    r->connection->write->delayed = 1;
    ngx_add_timer(r->connection->write, ngx_max(delay, 1));

    return NGX_AGAIN;
}


static void
ngx_http_argo_edge_delay(ngx_http_request_t *r)
{
    ngx_event_t  *wev;

    wev = r->connection->write;

    if (wev->delayed) {

        if (ngx_handle_write_event(wev, 0) != NGX_OK) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        }

        return;
    }

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}
