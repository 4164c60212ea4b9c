/*
 * loc.c - settings before and after merging.  The defaults are those of a
 * stock installation (design.md 4.5 and 6); switched on is nothing by itself.
 */
#include "config/internal.h"

void ae_conf_init(struct ae_conf *c)
{
    memset(c, 0, sizeof(*c));
    c->ns = AE_STR("argocd");
    c->projects = AE_AUTO;
}

void ae_loc_init(struct ae_loc *l)
{
    memset(l, 0, sizeof(*l));
    l->mode = AE_MODE_UNSET;
    l->lease_probe = -1;
    l->grpc = l->unknown_api = l->cache = l->lookup = l->status_header = -1;
    l->lists = l->share = -1;
    l->serve = -1;
    l->gzip = -1;
    l->ttl_applications_ms = l->ttl_objects_ms = l->ttl_settings_ms = -1;
    l->limit_dry_run = l->limit_headers = -1;
    l->quarantine_ms = l->max_object = l->max_body = l->lease_ms = -1;
    l->collapse_ms = l->stale_revalidate_ms = l->stale_error_ms = -1;
    l->dead_token_ms = -1;
    l->stream_max_ms = -1;
}

static void inherit(int *child, int parent)
{
    if (*child < 0)
        *child = parent;
}

static void inherit64(int64_t *child, int64_t parent)
{
    if (*child < 0)
        *child = parent;
}

void ae_loc_merge(struct ae_loc *child, const struct ae_loc *parent)
{
    if (child->mode == AE_MODE_UNSET)
        child->mode = parent->mode;
    inherit(&child->grpc, parent->grpc);
    inherit(&child->unknown_api, parent->unknown_api);
    inherit(&child->cache, parent->cache);
    inherit(&child->lookup, parent->lookup);
    inherit(&child->lease_probe, parent->lease_probe);
    inherit(&child->lists, parent->lists);
    inherit(&child->share, parent->share);
    inherit(&child->gzip, parent->gzip);
    inherit(&child->status_header, parent->status_header);
    inherit(&child->serve, parent->serve);
    if (!child->npurge_from) {
        child->purge_from = parent->purge_from;
        child->npurge_from = parent->npurge_from;
    }
    inherit64(&child->ttl_applications_ms, parent->ttl_applications_ms);
    inherit64(&child->ttl_objects_ms, parent->ttl_objects_ms);
    inherit64(&child->ttl_settings_ms, parent->ttl_settings_ms);
    inherit64(&child->quarantine_ms, parent->quarantine_ms);
    inherit64(&child->max_object, parent->max_object);
    inherit64(&child->max_body, parent->max_body);
    inherit64(&child->lease_ms, parent->lease_ms);
    inherit64(&child->collapse_ms, parent->collapse_ms);
    inherit64(&child->stale_revalidate_ms, parent->stale_revalidate_ms);
    inherit64(&child->stale_error_ms, parent->stale_error_ms);
    inherit64(&child->dead_token_ms, parent->dead_token_ms);
    inherit64(&child->stream_max_ms, parent->stream_max_ms);
    inherit(&child->limit_dry_run, parent->limit_dry_run);
    inherit(&child->limit_headers, parent->limit_headers);
    cfg_limits_merge(child, parent);
}

void ae_loc_defaults(struct ae_loc *l)
{
    static const struct ae_loc def = {
        .mode = AE_MODE_OFF, .grpc = AE_GRPC_PASS, .unknown_api = AE_UNK_DENY,
        .cache = 1, .gzip = 1, .lookup = 0,
        .status_header = 0, .lists = AE_LISTS_ON,
        .share = AE_SHARE_IDENTITY,
        .serve = AE_SERVE_NONE,
        .ttl_applications_ms = 5000, .ttl_objects_ms = 30000,
        .ttl_settings_ms = 60000, .quarantine_ms = 5000,
        .max_object = 256LL << 20, .max_body = 1 << 20, .lease_ms = 30000,
        .collapse_ms = 2000,
        .lease_probe = 0, .dead_token_ms = 10000, .stream_max_ms = 0,
        .login_limit = &cfg_login_off, .webhook = &cfg_webhook_off,
    };

    ae_loc_merge(l, &def);
    if (l->serve > AE_SERVE_NONE)
        l->mode = AE_MODE_ENFORCE; /* nothing else would be answered */
}
