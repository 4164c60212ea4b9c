/*
 * NEED_FETCH: a sub-request of our own through the place that serves the
 * target, with its answer caught by a filter.
 */

#include "mod_argo_edge.h"

static const char filter_name[] = "ARGO_EDGE_FETCH";

typedef struct {
    char *data;
    apr_size_t len, size, max;
    unsigned last:1;
    unsigned bad:1;
    unsigned too_big:1;
} catch_t;

/* the credential that the core names, and none of the client's headers */
static apr_table_t *fetch_headers(request_rec *r, const struct ae_act *act)
{
    apr_table_t *t = apr_table_make(r->pool, 4);
    const char *host = apr_table_get(r->headers_in, "Host");

    if (host)
        apr_table_setn(t, "Host", host);
    apr_table_setn(t, "Accept", "application/json");
    if (act->fetch.authorization.n)
        apr_table_setn(t, "Authorization",
                       argo_edge_str(r->pool, act->fetch.authorization));
    if (act->fetch.cookie.n)
        apr_table_setn(t, "Cookie", argo_edge_str(r->pool,
                                                  act->fetch.cookie));
    return t;
}

/* One that is not answered yet, with a filter that catches the answer; its
 * status tells if it may run. */
request_rec *argo_edge_subrequest(request_rec *r, const struct ae_act *act,
                                  const char *filter, void *data)
{
    request_rec *rr = ap_sub_req_method_uri("GET",
                                            argo_edge_str(r->pool,
                                                          act->fetch.target),
                                            r, NULL);

    if (rr->status == HTTP_OK) {
        rr->headers_in = fetch_headers(r, act);
        ap_add_output_filter(filter, data, rr, r->connection);
    }
    return rr;
}

/* always OK: the core knows what came, or that nothing did */
int argo_edge_fetch(request_rec *r, argo_edge_ctx *ctx)
{
    catch_t *c = apr_pcalloc(r->pool, sizeof(*c));
    request_rec *rr;
    int status = 0;

    c->max = ctx->act.fetch.max ? ctx->act.fetch.max : ARGO_EDGE_FETCH_MAX;
    rr = argo_edge_subrequest(r, &ctx->act, filter_name, c);
    if (rr->status == HTTP_OK && ap_run_sub_req(rr) == OK)
        status = rr->status;
    if (c->bad || !c->last || !rr->proxyreq
        || apr_table_get(rr->headers_out, "Content-Encoding"))
        status = 0;
    (void) ae_txn_fetched(ctx->txn, ctx->act.fetch.id, status,
                          ae_cs(rr->content_type ? rr->content_type : ""),
                          ae_s(c->data ? c->data : "",
                               c->too_big ? 0 : c->len),
                          AE_BODY_LAST
                          | (c->too_big ? AE_BODY_TOO_BIG : 0));
    ap_destroy_sub_req(rr);
    return OK;
}

static void keep(request_rec *r, catch_t *c, const char *p, apr_size_t n)
{
    char *q;

    if (n > c->max - c->len) {
        c->too_big = 1;
        return;
    }
    if (n > c->size - c->len) {
        c->size = c->size * 2 > c->len + n ? c->size * 2 : c->len + n;
        q = apr_palloc(r->main->pool, c->size);
        if (c->len)
            memcpy(q, c->data, c->len);
        c->data = q;
    }
    memcpy(c->data + c->len, p, n);
    c->len += n;
}

/* nothing goes further */
static apr_status_t fetch_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    catch_t *c = f->ctx;
    apr_bucket *b;
    apr_size_t n;
    const char *p;

    for (b = APR_BRIGADE_FIRST(bb); b != APR_BRIGADE_SENTINEL(bb);
         b = APR_BUCKET_NEXT(b)) {
        if (AP_BUCKET_IS_ERROR(b))
            c->bad = 1;
        else if (APR_BUCKET_IS_EOS(b))
            c->last = 1;
        else if (!APR_BUCKET_IS_METADATA(b) && !c->bad && !c->too_big) {
            if (apr_bucket_read(b, &p, &n, APR_BLOCK_READ) == APR_SUCCESS)
                keep(f->r, c, p, n);
            else
                c->bad = 1;
        }
    }
    apr_brigade_cleanup(bb);
    return APR_SUCCESS;
}

void argo_edge_fetch_register(void)
{
    ap_register_output_filter(filter_name, fetch_filter, NULL,
                              (ap_filter_type) (AP_FTYPE_RESOURCE - 1));
}
