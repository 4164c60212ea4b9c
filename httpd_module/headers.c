/*
 * Header tables: filling the request record, editing what goes upstream.
 */

#include "mod_argo_edge.h"

/* The target as it stands in the request line: httpd takes the host out of
 * an absolute form, and the core wants to see that form (P09). */
static ae_str target(const request_rec *r)
{
    const char *p = r->the_request, *q;

    if (r->prev || !p || (p = strchr(p, ' ')) == NULL)
        return ae_cs(r->unparsed_uri ? r->unparsed_uri : "");
    while (*p == ' ')
        p++;
    q = strchr(p, ' ');
    return ae_s(p, q ? (size_t) (q - p) : strlen(p));
}

static int token_then(const char *p, char what)
{
    const char *q = p;

    while (apr_isalnum(*q) || (*q && strchr("!#$%&'*+-.^_`|~", *q)))
        q++;
    return q > p && *q == what;
}

/* httpd has merged fields that came twice.  Credentials of two schemes in
 * one line are two fields. */
static int merged_auth(const char *p)
{
    while ((p = strchr(p, ',')) != NULL)
        if (*++p == ' ' && token_then(p + 1, ' '))
            return 1;
    return 0;
}

static int merged(const char *p)
{
    while ((p = strchr(p, ',')) != NULL)
        if (*++p == ' ')
            return 1;
    return 0;
}

/* Cookie fields were joined with a comma, which parts no cookies (RFC 6265,
 * 5.4): put the semicolon where the next one starts. */
static ae_str cookies(argo_edge_ctx *ctx, const char *value)
{
    char *s = apr_pstrdup(ctx->r->pool, value), *p = s;

    while ((p = strstr(p, ", ")) != NULL) {
        if (token_then(p + 2, '=')) {
            *p = ';';
            ctx->rejoined = 1;
        }
        p += 2;
    }
    return ae_cs(s);
}

/* A Content-Length, or -1. */
apr_int64_t argo_edge_length(const char *value)
{
    apr_int64_t n = 0;
    const char *p = value;

    for (; apr_isdigit(*p); p++) {
        if (n > (APR_INT64_MAX - 9) / 10)
            return -1;
        n = n * 10 + (*p - '0');
    }
    return p > value && !*p ? n : -1;
}

static void body_length(struct ae_req *q, const char *value)
{
    apr_int64_t n = argo_edge_length(value);

    if (n < 0)
        return;
    q->content_length = n;
    q->has_body |= n > 0;
}

/* One walk over the table, whose values live as long as the request.  When
 * the request is edited they stay where they are: tables drop pointers. */
void argo_edge_fill(argo_edge_ctx *ctx)
{
    request_rec *r = ctx->r;
    struct ae_req *q = &ctx->req;
    const apr_array_header_t *a = apr_table_elts(r->headers_in);
    const apr_table_entry_t *h = (const apr_table_entry_t *) a->elts;
    int i, id;

    q->size = sizeof(*q);
    q->plain = true;
    q->method = ae_cs(r->method);
    q->target = target(r);
    q->peer = ae_cs(r->useragent_ip ? r->useragent_ip : "");
    q->scheme = ae_cs(ap_http_scheme(r));
    q->content_length = -1;
    q->cookie = &ctx->cookie;
    for (i = 0; i < a->nelts; i++) {
        const char *v = h[i].val ? h[i].val : "";

        if ((h[i].key[0] | 0x20) == 'c') {
            if (strcasecmp(h[i].key, "Cookie") == 0) {
                ctx->cookie = cookies(ctx, v);
                q->ncookie = 1;
                continue;
            }
            if (strcasecmp(h[i].key, "Content-Length") == 0)
                body_length(q, v);
        }
        id = ae_hdr_lookup(ae_cs(h[i].key));
        q->plain &= id != AE_HDR_ODD;
        if (id < 0)
            continue;
        if (q->hdr[id].p)
            q->hdr_dup |= (uint32_t) 1 << id;
        else
            q->hdr[id] = ae_cs(v);
        if ((id == AE_H_AUTHORIZATION && merged_auth(v))
            || (id != AE_H_AUTHORIZATION && id != AE_H_ACCEPT
                && merged(v)))
            q->hdr_dup |= (uint32_t) 1 << id;
    }
    q->has_body |= q->hdr[AE_H_TRANSFER_ENCODING].n > 0;
    q->authority = q->hdr[AE_H_HOST].p ? q->hdr[AE_H_HOST]
                                       : ae_cs(r->hostname ? r->hostname : "");
}

/* T4: what the core strips or sets for the upstream. */
void argo_edge_edit_request(request_rec *r, argo_edge_ctx *ctx)
{
    apr_table_t *t = r->headers_in;
    const apr_array_header_t *a;
    const apr_table_entry_t *h;
    const struct ae_field *set = ctx->act.forward.set;
    size_t k;
    int i;

    ctx->accept_encoding = ctx->req.hdr[AE_H_ACCEPT_ENCODING].p;
    if (ctx->rejoined)
        apr_table_setn(t, "Cookie", ctx->cookie.p);
    a = apr_table_elts(t);
    h = (const apr_table_entry_t *) a->elts;
    /* from the end: what is taken out moves the rest down */
    for (i = ae_txn_strips(ctx->txn) ? a->nelts : 0; i-- > 0; )
        if (i < a->nelts && ae_txn_strip_request(ctx->txn, ae_cs(h[i].key)))
            apr_table_unset(t, h[i].key);
    if (ctx->act.kind != AE_FORWARD)
        return;
    for (k = 0; k < ctx->act.forward.nset; k++) {
        if (set[k].value.n)
            apr_table_setn(t, set[k].name.p,
                           argo_edge_str(r->pool, set[k].value));
        else
            apr_table_unset(t, set[k].name.p);
    }
}
