/*
 * The upstream's answer: shown to the core before a byte leaves, edited, and
 * fed to the store.  This filter is the first after the handler.
 */

#include "mod_argo_edge.h"

#include "mod_proxy.h"

static ap_filter_rec_t *filter;
static const char refresh_name[] = "ARGO_EDGE_REFRESH";

static void insert(request_rec *r, unsigned handled)
{
    argo_edge_ctx *ctx = r->main ? NULL : argo_edge_get_ctx(r);

    if (!ctx || !ctx->txn || !ctx->terminal || ctx->responded
        || ctx->act.kind != AE_FORWARD)
        return;
    ctx->handled = handled;
    ap_add_output_filter_handle(filter, ctx, r, r->connection);
}

/* For handlers, and once more for the errors that httpd makes of them. */
void argo_edge_insert_filter(request_rec *r)
{
    insert(r, 1);
}

void argo_edge_insert_error_filter(request_rec *r)
{
    insert(r, 0);
}

/* A field that comes twice counts as one with a comma. */
static void put(request_rec *r, ae_str *field, const char *value)
{
    *field = ae_cs(field->p ? apr_pstrcat(r->pool, field->p, ", ", value, NULL)
                            : value);
}

static int is(const char *key, const char *name)
{
    return strcasecmp(key, name) == 0;
}

static void look(argo_edge_ctx *ctx, const apr_table_t *t,
                 struct ae_resp *resp)
{
    request_rec *r = ctx->r;
    const apr_array_header_t *a = apr_table_elts(t);
    const apr_table_entry_t *h = (const apr_table_entry_t *) a->elts;
    int i;

    for (i = 0; i < a->nelts; i++) {
        const char *k = h[i].key, *v = h[i].val;

        switch (*k | 0x20) {
        case 'c':
            if (is(k, "Content-Length"))
                resp->content_length = argo_edge_length(v);
            else if (is(k, "Cache-Control"))
                put(r, &resp->cache_control, v);
            else if (is(k, "Content-Encoding"))
                put(r, &resp->content_encoding, v);
            break;
        case 'g':
            resp->has_renew |= is(k, "Grpc-Metadata-Renew-Token");
            ctx->odd = 1;
            break;
        case 's':
            if (is(k, "Set-Cookie"))
                put(r, &resp->set_cookie, v);
            break;
        case 'v':
            if (is(k, "Vary"))
                put(r, &resp->vary, v);
            break;
        case 'x':
            ctx->odd = 1;
            break;
        default:
            break;
        }
    }
}

static void response(argo_edge_ctx *ctx, struct ae_resp *resp)
{
    request_rec *r = ctx->r;

    memset(resp, 0, sizeof(*resp));
    resp->status = r->status;
    resp->content_length = -1;
    if (r->content_type)
        resp->ctype = ae_cs(r->content_type);
    look(ctx, r->headers_out, resp);
    look(ctx, r->err_headers_out, resp);
}

/* From the end: what is taken out moves the rest down. */
static void strip(argo_edge_ctx *ctx, apr_table_t *t)
{
    const apr_array_header_t *a = apr_table_elts(t);
    const apr_table_entry_t *h = (const apr_table_entry_t *) a->elts;
    int i;

    for (i = a->nelts; i-- > 0; )
        if (i < a->nelts && ae_txn_strip_response(ctx->txn, ae_cs(h[i].key)))
            apr_table_unset(t, h[i].key);
}

static void edit_response(request_rec *r, argo_edge_ctx *ctx,
                          const struct ae_resp_edit *edit)
{
    const struct ae_field *set = edit->set;
    size_t k;

    if (ctx->odd) {
        strip(ctx, r->headers_out);
        strip(ctx, r->err_headers_out);
    }
    for (k = 0; k < edit->nset; k++) {
        apr_table_unset(r->err_headers_out, set[k].name.p);
        if (set[k].value.n)
            apr_table_setn(r->headers_out, set[k].name.p,
                           argo_edge_str(r->pool, set[k].value));
        else
            apr_table_unset(r->headers_out, set[k].name.p);
    }
    /* what went upstream was for the store; the client's wish still steers
     * our own compression */
    if (ctx->accept_encoding)
        apr_table_setn(r->headers_in, "Accept-Encoding",
                       ctx->accept_encoding);
}

/* The target that went upstream, as mod_proxy keeps it. */
static const char *sent_target(const request_rec *r)
{
    const char *p = r->filename ? strstr(r->filename, "://") : NULL;

    return p ? strchr(p + 3, '/') : NULL;
}

/* Whether this is Argo CD's answer to the target that was decided, byte for
 * byte: without nocanon, or after a rewrite, it would be filed under a wrong
 * key (T1, R30).  What httpd says by itself tells nothing of a token. */
static int is_own(const request_rec *r, const argo_edge_ctx *ctx)
{
    const char *p = sent_target(r);

    return r->proxyreq == PROXYREQ_REVERSE && ctx->handled && !ctx->redirected
        && !r->prev && p && strlen(p) == ctx->req.target.n
        && memcmp(p, ctx->req.target.p, ctx->req.target.n) == 0;
}

static void say_foreign(request_rec *r, const argo_edge_ctx *ctx)
{
    const char *p = sent_target(r);

    if (p && ctx->handled && !r->prev && r->proxyreq == PROXYREQ_REVERSE)
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, ARGO_EDGE_NO(006)
                      "not cached, since another target than the received "
                      "one went upstream (%s); use AllowEncodedSlashes "
                      "NoDecode, MergeSlashes Off and ProxyPass with nocanon",
                      p);
}

/* The upstream's answer gives way to a stored one. */
static void replace(request_rec *r, argo_edge_ctx *ctx,
                    const struct ae_act *act)
{
    apr_table_clear(r->headers_out);
    apr_table_clear(r->err_headers_out);
    ctx->act = *act;
    ctx->replaced = 1;
    r->status = act->reply.status;
    r->status_line = NULL;
    argo_edge_head(r, ctx);
}

static apr_status_t pass_instead(ap_filter_t *f, argo_edge_ctx *ctx,
                                 apr_bucket_brigade *bb)
{
    apr_bucket *b;

    if (!ctx->sent) {
        ctx->sent = 1;
        apr_brigade_cleanup(bb);
        b = argo_edge_bucket(f->r, ctx);
        if (b)
            APR_BRIGADE_INSERT_TAIL(bb, b);
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(
                                        f->r->connection->bucket_alloc));
        return ap_pass_brigade(f->next, bb);
    }
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

static void headers_came(request_rec *r, argo_edge_ctx *ctx)
{
    struct ae_resp resp;
    struct ae_resp_edit edit;

    ctx->responded = 1;
    memset(&edit, 0, sizeof(edit));
    response(ctx, &resp);
    resp.foreign = !is_own(r, ctx);
    if (ae_txn_response(ctx->txn, &resp, &edit) != AE_OK)
        edit.feed = false;
    argo_edge_notes(r, ctx);
    if (edit.instead) {
        replace(r, ctx, edit.instead);
        return;
    }
    if (ctx->loc->mode == AE_MODE_ENFORCE)
        edit_response(r, ctx, &edit);
    if (edit.feed && !resp.foreign && ctx->loc->mode == AE_MODE_ENFORCE) {
        ctx->feeding = 1;
        ctx->expected = resp.content_length;
    }
    else if (edit.feed) {
        if (resp.foreign)
            say_foreign(r, ctx);
        ae_txn_resp_end(ctx->txn, false);
    }
    ctx->watched = ae_txn_watch(ctx->txn) != 0;
}

/* Whether the last chunk came: the HTTP filter of mod_proxy's connection sees
 * to it, and ends a body without it by an error. */
static int chunked(const request_rec *answer)
{
    const char *te = apr_table_get(answer->headers_in, "Transfer-Encoding");

    return te && ap_is_chunked(answer->pool, te);
}

static apr_status_t answer_gone(void *data)
{
    argo_edge_ctx *ctx = data;

    ctx->chunked = chunked(ctx->answer);
    ctx->answer = NULL;
    return APR_SUCCESS;
}

/* mod_proxy reads an answer through a request of its own, which alone knows
 * how the body is framed.  It goes before the end of the body comes past us,
 * with its connection. */
static int answer_starts(request_rec *r, request_rec *answer)
{
    argo_edge_ctx *ctx = argo_edge_get_ctx(r->main ? r->main : r);

    if (!ctx || !ctx->txn || (r->main && ctx->refresh != r))
        return DECLINED;
    argo_edge_forget_answer(ctx);
    ctx->chunked = 0;
    ctx->answer = answer;
    apr_pool_cleanup_register(answer->pool, ctx, answer_gone,
                              apr_pool_cleanup_null);
    return OK;
}

void argo_edge_forget_answer(argo_edge_ctx *ctx)
{
    if (ctx->answer)
        apr_pool_cleanup_kill(ctx->answer->pool, ctx, answer_gone);
    ctx->answer = NULL;
}

/* An answer up to the end of the connection is one that may have been cut. */
static bool whole(const argo_edge_ctx *ctx)
{
    if (ctx->expected >= 0)
        return ctx->fed == ctx->expected;
    return ctx->answer ? chunked(ctx->answer) : ctx->chunked;
}

static void feed(argo_edge_ctx *ctx, apr_bucket *b)
{
    apr_size_t n;
    const char *p;

    if (AP_BUCKET_IS_ERROR(b)) {
        ctx->feeding = 0;
    }
    else if (APR_BUCKET_IS_EOS(b)) {
        ctx->feeding = 0;
        ae_txn_resp_end(ctx->txn, whole(ctx));
        return;
    }
    else if (!APR_BUCKET_IS_METADATA(b)) {
        if (apr_bucket_read(b, &p, &n, APR_BLOCK_READ) != APR_SUCCESS
            || (n && ae_txn_resp_part(ctx->txn, ae_s(p, n)) != AE_OK)) {
            ctx->feeding = 0;
        }
        else {
            ctx->fed += (apr_off_t) n;
        }
    }
    if (!ctx->feeding)
        ae_txn_resp_end(ctx->txn, false);
}

/* R25: what comes once the token or its rights have ended goes no further. */
static apr_status_t cut(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_brigade_cleanup(bb);
    f->r->connection->aborted = 1;
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, f->r, ARGO_EDGE_NO(011)
                  "stream broken off, its token or its rights have ended");
    return APR_ECONNABORTED;
}

static apr_status_t response_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    argo_edge_ctx *ctx = f->ctx;
    apr_bucket *b;

    if (!ctx->responded)
        headers_came(f->r, ctx);
    if (ctx->replaced)
        return pass_instead(f, ctx, bb);
    if (ctx->watched && ae_txn_watch(ctx->txn) < 0)
        return cut(f, bb);
    for (b = APR_BRIGADE_FIRST(bb);
         ctx->feeding && b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b))
        feed(ctx, b);
    if (!ctx->feeding && !ctx->watched)
        ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* For the store alone. */
static apr_status_t refresh_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    argo_edge_ctx *ctx = f->ctx;
    apr_bucket *b;

    if (!ctx->responded)
        headers_came(f->r, ctx);
    for (b = APR_BRIGADE_FIRST(bb);
         ctx->feeding && b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b))
        feed(ctx, b);
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

/* The client has its answer, whole and out of our hands; this thread goes on
 * and fetches a new one. */
void argo_edge_refresh(request_rec *r, argo_edge_ctx *ctx)
{
    request_rec *rr;

    ap_flush_conn(r->connection);
    rr = argo_edge_subrequest(r, &ctx->act, refresh_name, ctx);
    ctx->refresh = rr;
    ctx->handled = 1;
    if (rr->status == HTTP_OK)
        (void) ap_run_sub_req(rr);
    argo_edge_forget_answer(ctx);
    if (ctx->feeding) {
        ctx->feeding = 0;
        ae_txn_resp_end(ctx->txn, false);
    }
    ctx->refresh = NULL;
    ap_destroy_sub_req(rr);
}

void argo_edge_filter_register(void)
{
    APR_OPTIONAL_HOOK(proxy, create_req, answer_starts, NULL, NULL,
                      APR_HOOK_MIDDLE);
    filter = ap_register_output_filter(
        "ARGO_EDGE", response_filter, NULL,
        (ap_filter_type) (AP_FTYPE_RESOURCE - 1));
    ap_register_output_filter(refresh_name, refresh_filter, NULL,
                              (ap_filter_type) (AP_FTYPE_RESOURCE - 1));
}
