/*
 * The access hook: steps the core and carries out what it says.  "Satisfy
 * any" or an internal redirect could pass it by, so that fixups make sure
 * that it was here.
 */

#include "mod_argo_edge.h"

/* a transaction takes a handful of steps; this ends a runaway */
#define MAX_STEPS  64

/* what a request takes as a rule, our context first */
#define BLOCK      10240
#define HEAD       APR_ALIGN(sizeof(argo_edge_ctx), 16)

argo_edge_ctx *argo_edge_get_ctx(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &argo_edge_module);
}

static const argo_edge_dir_conf *dir_conf(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &argo_edge_module);
}

/* The mode of a request that is ours to decide, else AE_MODE_OFF.  A
 * sub-request belongs to a main request that was decided. */
static int enabled(const request_rec *r)
{
    const argo_edge_dir_conf *dcf = dir_conf(r);

    if (r->main)
        return AE_MODE_OFF;
    return dcf->ready ? dcf->full.mode : AE_MODE_ENFORCE;
}

/* What a purge does is not undone: Require speaks first. */
static int late(const request_rec *r)
{
    return dir_conf(r)->loc.serve == AE_SERVE_PURGE;
}

#ifndef AE_ARENA_EMULATE

/* Context and transaction lie in a block that another request has left, still
 * warm: from the pool they would be a node of its own for each. */
static argo_edge_ctx *take_block(argo_edge_conf *mc)
{
    argo_edge_ctx *ctx = NULL;
    int i;

    for (i = 0; i < ARGO_EDGE_BLOCKS && !ctx; i++)
        if (mc->blocks[i])
            ctx = apr_atomic_xchgptr(&mc->blocks[i], NULL);
    if (!ctx)
        ctx = malloc(BLOCK);
    if (ctx) {
        memset(ctx, 0, sizeof(*ctx));
        ctx->mc = mc;
        ctx->spare = (char *) ctx + HEAD;
    }
    return ctx;
}

static void leave_block(argo_edge_ctx *ctx)
{
    volatile void **slot = ctx->mc->blocks;
    int i;

    for (i = 0; i < ARGO_EDGE_BLOCKS; i++)
        if (!slot[i] && !apr_atomic_casptr(&slot[i], ctx, NULL))
            return;
    free(ctx);
}

static void *txn_alloc(void *data, size_t n)
{
    argo_edge_ctx *ctx = data;
    void *p = ctx->spare;

    if (!p || n > BLOCK - HEAD)
        return argo_edge_pool_alloc(ctx->r->pool, n);
    ctx->spare = NULL;
    return p;
}

#else

/* For the sanitizers: each piece is its own, and dies with its request. */
static argo_edge_ctx *take_block(argo_edge_conf *mc)
{
    argo_edge_ctx *ctx = calloc(1, sizeof(*ctx));

    if (ctx)
        ctx->mc = mc;
    return ctx;
}

static void leave_block(argo_edge_ctx *ctx)
{
    void **p, **next;

    for (p = ctx->spare; p; p = next) {
        next = *p;
        free(p);
    }
    free(ctx);
}

static void *txn_alloc(void *data, size_t n)
{
    argo_edge_ctx *ctx = data;
    void **p = malloc(n + 16);

    if (!p)
        return NULL;
    *p = ctx->spare;
    ctx->spare = p;
    return (char *) p + 16;
}

#endif

/* May run on any thread, after the last byte has left. */
static apr_status_t end(void *data)
{
    argo_edge_ctx *ctx = data;

    argo_edge_forget_answer(ctx);
    if (ctx->feeding) {
        ctx->feeding = 0;
        ae_txn_resp_end(ctx->txn, false);
    }
    ae_txn_end(ctx->txn);
    apr_atomic_dec32(&ctx->mc->live);
    leave_block(ctx);
    return APR_SUCCESS;
}

static argo_edge_ctx *begin(request_rec *r)
{
    const argo_edge_dir_conf *dcf = dir_conf(r);
    argo_edge_conf *mc = argo_edge_main();
    argo_edge_ctx *ctx;
    struct ae_mem mem;

    if (!mc->engine || !dcf->ready || (ctx = take_block(mc)) == NULL)
        return NULL;
    argo_edge_poll(mc);
    ctx->r = r;
    ctx->loc = &dcf->full;
    ctx->redirected = r->prev != NULL;
    argo_edge_fill(ctx);
    mem.alloc = txn_alloc;
    mem.ctx = ctx;
    ctx->txn = ae_txn_begin(mc->engine, ctx->loc, &ctx->req, mem);
    if (!ctx->txn) {
        leave_block(ctx);
        return NULL;
    }
    apr_atomic_inc32(&mc->live);
    apr_pool_cleanup_register(r->pool, ctx, end, apr_pool_cleanup_null);
    ap_set_module_config(r->request_config, &argo_edge_module, ctx);
    return ctx;
}

/* An ErrorDocument is never decided upon, and never replaced by a stored
 * answer that somebody has refused after us. */
static int error_page(request_rec *r)
{
    argo_edge_ctx *prev = r->prev ? argo_edge_get_ctx(r->prev) : NULL;
    argo_edge_ctx *ctx;

    if (!prev || !prev->terminal || r->status == HTTP_OK)
        return 0;
    ctx = apr_pcalloc(r->pool, sizeof(*ctx));
    *ctx = *prev;
    ctx->error_page = 1;
    ctx->responded = 1;
    ctx->feeding = 0;
    ctx->answer = NULL;
    ctx->body = NULL;
    ap_set_module_config(r->request_config, &argo_edge_module, ctx);
    if (ctx->loc->mode == AE_MODE_ENFORCE)
        argo_edge_edit_request(r, ctx);
    return 1;
}

static int carry_out(request_rec *r, argo_edge_ctx *ctx)
{
    char *user;
    ae_str who = ae_txn_var(ctx->txn, AE_V_SUBJECT);

    argo_edge_notes(r, ctx);
    if (!r->user && who.n) {
        user = argo_edge_str(r->pool, who);
        r->user = user;
        r->ap_auth_type = "ArgoEdge";
    }
    if (ctx->loc->mode == AE_MODE_SHADOW)
        return DECLINED;
    switch (ctx->act.kind) {
    case AE_FORWARD:
        argo_edge_edit_request(r, ctx);
        return DECLINED;
    case AE_CACHED:
        /* access modules still run, then our handler answers */
        return DECLINED;
    default: /* AE_FAIL, AE_REPLY */
        if (ap_satisfies(r) == SATISFY_ANY) {
            /* here an answer would be taken for one more "no" */
            ctx->late = 1;
            return DECLINED;
        }
        return argo_edge_reply(r, ctx);
    }
}

static int drive(request_rec *r, argo_edge_ctx *ctx)
{
    int rc, n;

    for (n = 0; n < MAX_STEPS; n++) {
        ae_txn_step(ctx->txn, &ctx->act);
        switch (ctx->act.kind) {
        case AE_NEED_BODY:
            rc = argo_edge_read_body(r, ctx);
            break;
        case AE_NEED_FETCH:
            rc = argo_edge_fetch(r, ctx);
            break;
        case AE_WAIT:
            /* bounded by the core; a thread that asked the upstream instead
             * would be no freer */
            apr_sleep(apr_time_from_msec(ctx->act.wait.ms));
            n--;
            rc = OK;
            break;
        default:
            ctx->terminal = 1;
            return carry_out(r, ctx);
        }
        if (rc != OK)
            return rc;
    }
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int decide(request_rec *r)
{
    argo_edge_ctx *ctx = begin(r);

    return ctx ? drive(r, ctx) : HTTP_INTERNAL_SERVER_ERROR;
}

int argo_edge_check_access(request_rec *r)
{
    if (enabled(r) == AE_MODE_OFF || argo_edge_get_ctx(r) || error_page(r)
        || late(r))
        return DECLINED;
    return decide(r);
}

int argo_edge_fixups(request_rec *r)
{
    argo_edge_ctx *ctx;
    int rc;

    if (enabled(r) != AE_MODE_ENFORCE)
        return DECLINED; /* Shadow stands in nobody's way */
    if (late(r) && !argo_edge_get_ctx(r) && (rc = decide(r)) != DECLINED)
        return rc;
    ctx = argo_edge_get_ctx(r);
    if (!ctx || !ctx->terminal) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, ARGO_EDGE_NO(005)
                      "refused, since nothing was decided for %s", r->uri);
        return HTTP_FORBIDDEN;
    }
    if (ctx->sent)
        return DONE;
    if (ctx->late && !ctx->error_page)
        return argo_edge_reply(r, ctx);
    return DECLINED;
}
