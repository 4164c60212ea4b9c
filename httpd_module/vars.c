/*
 * What others see of a decision: notes for logs (%{argo_edge_decision}n),
 * the environment, and providers for Require.
 */

#include "mod_argo_edge.h"

#include "ap_provider.h"
#include "mod_auth.h"

static const char *const names[AE_V__N] = {
    "argo_edge_decision", "argo_edge_rule", "argo_edge_reason",
    "argo_edge_subject", "argo_edge_token_kind", "argo_edge_operation",
    "argo_edge_resource", "argo_edge_action", "argo_edge_object",
    "argo_edge_project", "argo_edge_cache", "argo_edge_limit",
    "argo_edge_policy_id", "argo_edge_decision_id", "argo_edge_class"
};

/* Bits of the names in the words of these directives. */
static apr_uint32_t mentioned(const ap_directive_t *d)
{
    apr_uint32_t bits = 0;
    int i;

    for (; d; d = d->next) {
        if (d->args && strstr(d->args, "argo_edge_"))
            for (i = 0; i < AE_V__N; i++)
                if (strstr(d->args, names[i]))
                    bits |= (apr_uint32_t) 1 << i;
        bits |= mentioned(d->first_child);
    }
    return bits;
}

/* Thirteen notes for each request would be a good part of what we cost: only
 * those that the configuration names are written. */
apr_uint32_t argo_edge_notes_wanted(void)
{
    return mentioned(ap_conftree);
}

/* A table does not ask: what is known is written when it is decided, again
 * when the answer comes, and for the log. */
void argo_edge_notes(request_rec *r, argo_edge_ctx *ctx)
{
    ae_str s;
    int i;

    for (i = 0; i < AE_V__N && ctx->mc->notes >> i; i++) {
        if (!(ctx->mc->notes >> i & 1))
            continue;
        s = ae_txn_var(ctx->txn, (enum ae_var) i);
        if (s.n)
            apr_table_setn(r->notes, names[i], argo_edge_str(r->pool, s));
    }
}

int argo_edge_log_transaction(request_rec *r)
{
    argo_edge_ctx *ctx = argo_edge_get_ctx(r);

    if (ctx && ctx->txn && !ctx->error_page) {
        argo_edge_notes(r, ctx);
        argo_edge_audit(r, ctx);
    }
    return DECLINED;
}

/* Require argo-edge: what the core has decided lets this request pass.  It
 * is never the only gate: refusals were sent before. */
static authz_status check_decided(request_rec *r, const char *line,
                                  const void *parsed)
{
    argo_edge_ctx *ctx = argo_edge_get_ctx(r->main ? r->main : r);

    (void) line;
    (void) parsed;
    if (!ctx || !ctx->txn || !ctx->terminal)
        return AUTHZ_DENIED;
    return ctx->act.kind == AE_FORWARD || ctx->act.kind == AE_CACHED
           ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

typedef struct {
    ae_str resource, action, object;
} can_t;

static const char *parse_can(cmd_parms *cmd, const char *line,
                             const void **parsed)
{
    can_t *c = apr_pcalloc(cmd->pool, sizeof(*c));

    c->resource = ae_cs(ap_getword_conf(cmd->pool, &line));
    c->action = ae_cs(ap_getword_conf(cmd->pool, &line));
    c->object = ae_cs(ap_getword_conf(cmd->pool, &line));
    if (!c->object.n || *line)
        return "Require argo-edge-can takes RESOURCE ACTION OBJECT";
    *parsed = c;
    return NULL;
}

/* Require argo-edge-can: what the caller may besides, by the same policy.
 * Unknown is no. */
static authz_status check_can(request_rec *r, const char *line,
                              const void *parsed)
{
    argo_edge_ctx *ctx = argo_edge_get_ctx(r->main ? r->main : r);
    const can_t *c = parsed;

    (void) line;
    if (!ctx || !ctx->txn || !ctx->terminal)
        return AUTHZ_DENIED;
    return ae_txn_can(ctx->txn, c->resource, c->action, c->object) == 1
           ? AUTHZ_GRANTED : AUTHZ_DENIED;
}

void argo_edge_authz_register(apr_pool_t *p)
{
    static const authz_provider decided = { check_decided, NULL };
    static const authz_provider can = { check_can, parse_can };

    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "argo-edge",
                              AUTHZ_PROVIDER_VERSION, &decided,
                              AP_AUTH_INTERNAL_PER_URI);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, "argo-edge-can",
                              AUTHZ_PROVIDER_VERSION, &can,
                              AP_AUTH_INTERNAL_PER_URI);
}
