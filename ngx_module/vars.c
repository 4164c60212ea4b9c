
/*
 * $argo_edge_<name>: lazy, "not found" while the core does not know.
 */


#include "ngx_http_argo_edge.h"


static ngx_int_t
ngx_http_argo_edge_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ae_str                     s;
    ngx_http_argo_edge_ctx_t  *ctx;

    v->not_found = 1;

    ctx = ngx_http_argo_edge_get_ctx(r->main);

    if (ctx == NULL || ctx->txn == NULL) {
        return NGX_OK;
    }

    s = ae_txn_var(ctx->txn, (enum ae_var) data);

    if (s.n == 0) {
        return NGX_OK;
    }

    v->data = (u_char *) s.p;
    v->len = s.n;
    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_argo_edge_add_variables(ngx_conf_t *cf)
{
    u_char               *p;
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_http_variable_t  *var;

    for (i = 0; i < AE_V__N; i++) {
        name.len = sizeof("argo_edge_") - 1
                   + ngx_strlen(ae_var_name((enum ae_var) i));

        p = ngx_pnalloc(cf->pool, name.len + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_sprintf(p, "argo_edge_%s%Z", ae_var_name((enum ae_var) i));
        name.data = p;

        /* what is known changes while the request is worked on */

        var = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = ngx_http_argo_edge_variable;
        var->data = i;
    }

    return NGX_OK;
}
