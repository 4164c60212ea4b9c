/*
 * The audit log: the core makes the line; the file is opened before the
 * children are made, as httpd's own logs are, and anew at each restart.
 */

#include "mod_argo_edge.h"

int argo_edge_open_audit(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s)
{
    argo_edge_conf *mc = ap_get_module_config(s->module_config,
                                              &argo_edge_module);
    const char *name;
    piped_log *pipe;
    apr_status_t rv;

    (void) plog;
    (void) ptemp;
    if (!mc->conf.audit.n)
        return OK;
    name = argo_edge_str(pconf, mc->conf.audit);
    if (*name == '|') {
        pipe = ap_open_piped_log(pconf, name + 1);
        mc->audit = pipe ? ap_piped_log_write_fd(pipe) : NULL;
        return mc->audit ? OK : HTTP_INTERNAL_SERVER_ERROR;
    }
    rv = apr_file_open(&mc->audit, name, APR_FOPEN_WRITE | APR_FOPEN_APPEND
                       | APR_FOPEN_CREATE | APR_FOPEN_LARGEFILE,
                       APR_FPROT_UREAD | APR_FPROT_UWRITE | APR_FPROT_GREAD,
                       pconf);
    if (rv == APR_SUCCESS)
        return OK;
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, rv, s,
                 ARGO_EDGE_NO(007) "the audit log %s cannot be opened", name);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* One write, so that the lines of several children do not mix. */
void argo_edge_audit(request_rec *r, argo_edge_ctx *ctx)
{
    argo_edge_conf *mc = ctx->mc;
    apr_uint32_t now = (apr_uint32_t) apr_time_sec(r->request_time);
    apr_size_t n;
    apr_status_t rv;
    ae_str line;

    if (!mc->audit)
        return;
    line = ae_txn_audit(ctx->txn, r->status);
    n = line.n;
    if (!n)
        return;
    rv = apr_file_write(mc->audit, line.p, &n);
    if ((rv != APR_SUCCESS || n != line.n)
        && now - apr_atomic_read32(&mc->audit_failed) > 59) {
        apr_atomic_set32(&mc->audit_failed, now);
        ap_log_rerror(APLOG_MARK, APLOG_ALERT, rv, r, ARGO_EDGE_NO(008)
                      "the audit log cannot be written");
    }
}
