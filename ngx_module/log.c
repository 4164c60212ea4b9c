
/*
 * The audit log: the core makes the line, nginx keeps and reopens the file.
 */


#include "ngx_http_argo_edge.h"


ngx_int_t
ngx_http_argo_edge_log_handler(ngx_http_request_t *r)
{
    ae_str                           line;
    ssize_t                          n;
    time_t                           now;
    ngx_http_argo_edge_ctx_t        *ctx;
    ngx_http_argo_edge_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_argo_edge_module);

    if (mcf->audit == NULL) {
        return NGX_OK;
    }

    ctx = ngx_http_argo_edge_get_ctx(r);

    if (ctx == NULL || ctx->txn == NULL) {
        return NGX_OK;
    }

    line = ae_txn_audit(ctx->txn, (int) r->headers_out.status);

    if (line.n == 0) {
        return NGX_OK;
    }

    n = ngx_write_fd(mcf->audit->fd, (void *) line.p, line.n);

    now = ngx_time();

    if (n != (ssize_t) line.n && now - mcf->audit_failed > 59) {
        ngx_log_error(NGX_LOG_ALERT, r->connection->log,
                      n == -1 ? ngx_errno : 0,
                      "argo_edge: the audit log \"%V\" cannot be written",
                      &mcf->audit->name);
        mcf->audit_failed = now;
    }

    return NGX_OK;
}
