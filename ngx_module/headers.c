
/*
 * Header lists: filling the request record, editing what goes upstream.
 */


#include "ngx_http_argo_edge.h"


#define NGX_HTTP_ARGO_EDGE_KNOWN  16


static ngx_int_t ngx_http_argo_edge_hash(ngx_http_request_t *r,
    ngx_table_elt_t *h);
static ae_str ngx_http_argo_edge_target(ngx_http_request_t *r);
static ngx_uint_t ngx_http_argo_edge_must_remove(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
static ngx_int_t ngx_http_argo_edge_add_request(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_list_t *list);
static ngx_int_t ngx_http_argo_edge_is_set(ngx_http_argo_edge_ctx_t *ctx,
    ngx_table_elt_t *h);
static void ngx_http_argo_edge_moved(ngx_http_request_t *r,
    ngx_table_elt_t *from, ngx_table_elt_t *to);


/*
 * One walk over the header list.  Nothing is copied, except that fields which
 * came more than once are joined, as httpd does before we see them.
 */

ngx_int_t
ngx_http_argo_edge_fill(ngx_http_request_t *r, struct ae_req *req)
{
    int               id;
    ae_str           *cookie, name;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    req->size = sizeof(struct ae_req);
    req->method = ngx_http_argo_edge_span(&r->method_name);
    req->target = ngx_http_argo_edge_target(r);
    req->authority = r->headers_in.host
                     ? ngx_http_argo_edge_span(&r->headers_in.host->value)
                     : ngx_http_argo_edge_span(&r->headers_in.server);
    req->peer = ngx_http_argo_edge_span(&r->connection->addr_text);
    req->scheme = AE_STR("http");

#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        req->scheme = AE_STR("https");
    }
#endif

    req->content_length = r->headers_in.content_length_n;
    req->has_body = r->headers_in.content_length_n > 0
                    || r->headers_in.chunked;

    n = 0;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        n += part->nelts;
    }

    cookie = ngx_palloc(r->pool, (n + 1) * sizeof(ae_str));
    if (cookie == NULL) {
        return NGX_ERROR;
    }

    req->cookie = cookie;
    req->plain = true;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            name = ngx_http_argo_edge_span(&h[i].key);

            if (name.n == 6
                && ngx_strncasecmp(h[i].key.data, (u_char *) "cookie", 6) == 0)
            {
                cookie[req->ncookie++] =
                                       ngx_http_argo_edge_span(&h[i].value);
                continue;
            }

            id = ae_hdr_lookup(name);

            if (id < 0) {
                req->plain &= id != AE_HDR_ODD;
                continue;
            }

            if (req->hdr[id].p) {
                req->hdr_dup |= (uint32_t) 1 << id;
            }

            if (ngx_http_argo_edge_join(r, &req->hdr[id], &h[i].value)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_argo_edge_join(ngx_http_request_t *r, ae_str *to, ngx_str_t *value)
{
    u_char  *p;

    if (to->p == NULL) {
        *to = ngx_http_argo_edge_span(value);
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, to->n + 2 + value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    to->n = (size_t) (ngx_sprintf(p, "%*s, %V", to->n, to->p, value) - p);
    to->p = (char *) p;

    return NGX_OK;
}


/*
 * The target as it stands in the request line: nginx takes the host out of
 * an absolute form, and the core wants to see that form (P09).
 */

static ae_str
ngx_http_argo_edge_target(ngx_http_request_t *r)
{
    u_char  *p, *q, *last;
    ae_str   s;

    if (r->http_version >= NGX_HTTP_VERSION_20 || r->request_line.len == 0) {
        return ngx_http_argo_edge_span(&r->unparsed_uri);
    }

    p = r->request_line.data + r->method_name.len;
    last = r->request_line.data + r->request_line.len;

    while (p < last && *p == ' ') {
        p++;
    }

    if (p == r->unparsed_uri.data) {
        return ngx_http_argo_edge_span(&r->unparsed_uri);
    }

    for (q = p; q < last && *q != ' '; q++) { /* void */ }

    s.p = (char *) p;
    s.n = (size_t) (q - p);

    return s;
}


ngx_table_elt_t *
ngx_http_argo_edge_push(ngx_http_request_t *r, ngx_list_t *list, ae_str name,
    ae_str value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(list);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key.data = (u_char *) name.p;
    h->key.len = name.n;
    h->value.data = (u_char *) value.p;
    h->value.len = value.n;

    return ngx_http_argo_edge_hash(r, h) == NGX_OK ? h : NULL;
}


/*
 * The names that the core sets are a few constants: each is hashed once, and
 * known again by its address.
 */

static ngx_int_t
ngx_http_argo_edge_hash(ngx_http_request_t *r, ngx_table_elt_t *h)
{
    ngx_uint_t                    i;
    static ngx_table_elt_t        known[NGX_HTTP_ARGO_EDGE_KNOWN];
    static u_char                 low[NGX_HTTP_ARGO_EDGE_KNOWN][32];

    for (i = 0; i < NGX_HTTP_ARGO_EDGE_KNOWN && known[i].key.data; i++) {

        if (known[i].key.data == h->key.data
            && known[i].key.len == h->key.len)
        {
            h->lowcase_key = known[i].lowcase_key;
            h->hash = known[i].hash;
            return NGX_OK;
        }
    }

    if (i == NGX_HTTP_ARGO_EDGE_KNOWN || h->key.len > sizeof(low[0])) {
        h->lowcase_key = ngx_pnalloc(r->pool, h->key.len);
        if (h->lowcase_key == NULL) {
            return NGX_ERROR;
        }

        h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);
        return NGX_OK;
    }

    h->lowcase_key = low[i];
    h->hash = ngx_hash_strlow(low[i], h->key.data, h->key.len);

    known[i] = *h;

    return NGX_OK;
}


/*
 * T4: what the core strips or sets for the upstream.  Lists of nginx have no
 * removal and other modules point into them: a new list is made, and what
 * pointed into the old one follows.
 */

ngx_int_t
ngx_http_argo_edge_edit_request(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_list_t        list;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *new;

    if (!ae_txn_strips(ctx->txn) || !ngx_http_argo_edge_must_remove(r, ctx)) {
        return ngx_http_argo_edge_add_request(r, ctx, &r->headers_in.headers);
    }

    if (ngx_list_init(&list, r->pool, 20, sizeof(ngx_table_elt_t)) != NGX_OK) {
        return NGX_ERROR;
    }

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            new = NULL;

            if (!ae_txn_strip_request(ctx->txn,
                                      ngx_http_argo_edge_span(&h[i].key))
                && ngx_http_argo_edge_is_set(ctx, &h[i]) != NGX_OK)
            {
                new = ngx_list_push(&list);
                if (new == NULL) {
                    return NGX_ERROR;
                }

                *new = h[i];
            }

            ngx_http_argo_edge_moved(r, &h[i], new);
        }
    }

    if (ngx_http_argo_edge_add_request(r, ctx, &list) != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_in.headers = list;

    if (list.last == &list.part) {
        r->headers_in.headers.last = &r->headers_in.headers.part;
    }

    return NGX_OK;
}


/* most requests carry nothing to strip or to replace: then we only add */

static ngx_uint_t
ngx_http_argo_edge_must_remove(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {

            if (ae_txn_strip_request(ctx->txn,
                                     ngx_http_argo_edge_span(&h[i].key))
                || ngx_http_argo_edge_is_set(ctx, &h[i]) == NGX_OK)
            {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_argo_edge_add_request(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, ngx_list_t *list)
{
    size_t                  k;
    ngx_table_elt_t        *h;
    const struct ae_field  *set;

    set = ctx->act.forward.set;

    for (k = 0; ctx->act.kind == AE_FORWARD && k < ctx->act.forward.nset; k++)
    {
        if (set[k].value.n == 0) {
            continue;
        }

        h = ngx_http_argo_edge_push(r, list, set[k].name, set[k].value);
        if (h == NULL) {
            return NGX_ERROR;
        }

        if (h->key.len == sizeof("Authorization") - 1
            && ngx_strncmp(h->lowcase_key, "authorization", h->key.len) == 0)
        {
            r->headers_in.authorization = h;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_is_set(ngx_http_argo_edge_ctx_t *ctx, ngx_table_elt_t *h)
{
    size_t                  k;
    const struct ae_field  *set;

    if (ctx->act.kind != AE_FORWARD) {
        return NGX_DECLINED;
    }

    set = ctx->act.forward.set;

    for (k = 0; k < ctx->act.forward.nset; k++) {
        if (set[k].name.n == h->key.len
            && ngx_strncasecmp(h->key.data, (u_char *) set[k].name.p,
                               h->key.len)
               == 0)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static void
ngx_http_argo_edge_moved_multi(ngx_array_t *a, ngx_table_elt_t *from,
    ngx_table_elt_t *to)
{
    ngx_uint_t         i;
    ngx_table_elt_t  **h;

    h = a->elts;

    for (i = 0; i < a->nelts; i++) {

        if (h[i] != from) {
            continue;
        }

        if (to) {
            h[i] = to;

        } else {
            ngx_memmove(&h[i], &h[i + 1],
                        (a->nelts - i - 1) * sizeof(ngx_table_elt_t *));
            a->nelts--;
        }

        return;
    }
}


/*
 * The known headers stand between host and user, one pointer each.  The one
 * of Accept-Encoding stays: the client's wish still steers our own gzip.
 */

static void
ngx_http_argo_edge_moved(ngx_http_request_t *r, ngx_table_elt_t *from,
    ngx_table_elt_t *to)
{
    ngx_table_elt_t  **p, **last;

    p = (ngx_table_elt_t **) &r->headers_in.host;
    last = (ngx_table_elt_t **) &r->headers_in.user;

    for ( /* void */ ; p < last; p++) {

        if (*p != from) {
            continue;
        }

#if (NGX_HTTP_GZIP)
        if (to == NULL && p == &r->headers_in.accept_encoding) {
            continue;
        }
#endif

        *p = to;
    }

    ngx_http_argo_edge_moved_multi(&r->headers_in.cookies, from, to);

#if (NGX_HTTP_X_FORWARDED_FOR)
    ngx_http_argo_edge_moved_multi(&r->headers_in.x_forwarded_for, from, to);
#endif
}
