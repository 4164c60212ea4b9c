/* The directive table: what it takes, what it refuses, what it defaults to. */
#include "config/config.h"
#include "tap.h"

static char         first[65536];
static ae_arena     arena;
static struct ae_conf conf;
static struct ae_loc  loc;
static struct ae_err  err;

static const struct ae_directive *find(const char *name)
{
    for (size_t i = 0; i < ae_directive_count(); i++)
        if (strcmp(ae_directive_at(i)->name, name) == 0)
            return ae_directive_at(i);
    abort();
}

/* Arguments stand in |line|, with a blank between two. */
static int set(const char *name, const char *line)
{
    ae_str args[8], rest = ae_cs(line);
    size_t n = 0;

    while (rest.p && n < 8)
        rest = ae_cut(rest, ' ', &args[n++]);
    memset(&err, 0, sizeof(err));
    return find(name)->set(&arena, &conf, &loc, args, n, &err);
}

static void takes(const char *name, const char *line, bool as)
{
    tap_ok(set(name, line) == AE_OK && as, "%s %s", name, line);
}

static void refuses(const char *name, const char *line)
{
    tap_ok(set(name, line) == AE_E_INVAL && err.text[0], "%s %s: %s", name,
           line, err.text);
}

#define TAKES(name, line, cond)                                               \
    do {                                                                      \
        int rc_ = set(name, line);                                            \
        tap_ok(rc_ == AE_OK && (cond), "%s %s", name, line);                  \
    } while (0)

static void table(void)
{
    size_t bad = 0;

    for (size_t i = 0; i < ae_directive_count(); i++) {
        const struct ae_directive *d = ae_directive_at(i);

        bad += !d->syntax[0] || !d->def[0] || !d->help[0] || !d->set
            || strncmp(d->httpd, "ArgoEdge", 8) != 0
            || ((d->ctx | AE_CTX_MULTI) != (AE_CTX_MAIN | AE_CTX_MULTI)
                && (d->ctx | AE_CTX_MULTI) != (AE_CTX_LOC | AE_CTX_MULTI));
        for (size_t k = 0; k < i; k++)
            bad += strcmp(d->name, ae_directive_at(k)->name) == 0
                || strcmp(d->httpd, ae_directive_at(k)->httpd) == 0;
    }
    tap_ok(bad == 0, "each has its texts, and names are unique");
    tap_ok(ae_directive_at(ae_directive_count()) == NULL, "and it ends");
}

static void main_level(void)
{
    TAKES("inputs", "/etc/argo-edge",
          ae_eq_lit(conf.inputs, "/etc/argo-edge"));
    TAKES("cache", "/var/cache/argo-edge", conf.cache_size == 1ULL << 30);
    TAKES("cache", "/c size=16m", conf.cache_size == 16 << 20
          && ae_eq_lit(conf.cache_path, "/c"));
    TAKES("cache", "off", !conf.cache_path.p);
    refuses("cache", "/c size=5");
    refuses("cache", "/c 5m");
    refuses("cache", "size=5m");
    TAKES("zone", "argo_edge:16m", conf.zone_size == 16 << 20
          && ae_eq_lit(conf.zone_name, "argo_edge"));
    refuses("zone", "argo_edge");
    refuses("zone", ":16m");
    TAKES("zone", "/run/argo-edge/zone:1m", conf.zone_size == 1 << 20
          && ae_eq_lit(conf.zone_name, "/run/argo-edge/zone"));
    refuses("zone", "a:1023k");
    refuses("zone", "a/b:16m");
    refuses("zone", "/run/:16m");
    TAKES("namespace", "gitops", ae_eq_lit(conf.ns, "gitops"));
    refuses("namespace", "git/ops");
    TAKES("app_namespaces", "apps-*,team-a other", conf.napp_ns == 3
          && ae_eq_lit(conf.app_ns[1], "team-a")
          && ae_eq_lit(conf.app_ns[2], "other"));
    TAKES("projects", "Partial", conf.projects == AE_PARTIAL);
    refuses("projects", "some");
    TAKES("root_path", "/", conf.root_path.n == 0);
    TAKES("root_path", "/argo-cd/", ae_eq_lit(conf.root_path, "/argo-cd"));
    refuses("root_path", "argo-cd");
    refuses("root_path", "/a//b");
    TAKES("upstream_version", "v3.2.1",
          ae_eq_lit(conf.upstream_version, "3.2.1"));
    refuses("upstream_version", "latest");
    TAKES("dex_server", "http://dex:5556/",
          ae_eq_lit(conf.dex_server, "http://dex:5556"));
    refuses("dex_server", "dex:5556");
}

static void locations(void)
{
    struct ae_loc parent, child;

    TAKES("", "On", loc.mode == AE_MODE_ENFORCE);
    TAKES("", "shadow", loc.mode == AE_MODE_SHADOW);
    refuses("", "enforce please");
    TAKES("grpc", "decide", loc.grpc == AE_GRPC_DECIDE);
    TAKES("unknown_api", "forward", loc.unknown_api == AE_UNK_FORWARD);
    TAKES("caching", "off", loc.cache == 0);
    TAKES("lookup", "on", loc.lookup == 1);
    TAKES("lease_probe", "on", loc.lease_probe == 1);
    TAKES("dead_token", "3s", loc.dead_token_ms == 3000);
    TAKES("dead_token", "0", loc.dead_token_ms == 0);
    refuses("dead_token", "61s");
    TAKES("stream_max", "8h", loc.stream_max_ms == 8 * 3600 * 1000);
    TAKES("stream_max", "0", loc.stream_max_ms == 0);
    refuses("stream_max", "1000d");
    TAKES("status_header", "on", loc.status_header == 1);
    TAKES("ttl", "objects=2m", loc.ttl_objects_ms == 120000
          && loc.ttl_applications_ms == -1);
    TAKES("ttl", "applications=0 settings=500ms",
          loc.ttl_applications_ms == 0 && loc.ttl_settings_ms == 500);
    refuses("ttl", "apps=5s");
    refuses("ttl", "5s");
    refuses("ttl", "objects=2d");
    TAKES("quarantine", "10", loc.quarantine_ms == 10000);
    TAKES("lease", "1m", loc.lease_ms == 60000);
    refuses("lease", "48h");
    TAKES("audit", "/var/log/audit.log",
          ae_eq_lit(conf.audit, "/var/log/audit.log"));
    TAKES("audit", "off", !conf.audit.p);
    TAKES("status", "rbac", loc.serve == AE_SERVE_STATUS && conf.watched);
    TAKES("status", "address", loc.serve == AE_SERVE_STATUS_OPEN);
    TAKES("status", "off", loc.serve == AE_SERVE_NONE);
    TAKES("purge", "10.0.0.0/8 ::1", loc.serve == AE_SERVE_PURGE
          && loc.npurge_from == 2 && loc.purge_from[0].bits == 104);
    TAKES("purge", "off", loc.serve == AE_SERVE_NONE && !loc.npurge_from);
    refuses("purge", "10.0.0.1/8");
    refuses("purge", "all");
    TAKES("metrics", "on", loc.serve == AE_SERVE_METRICS);
    TAKES("metrics", "off", loc.serve == AE_SERVE_NONE);
    refuses("metrics", "yes");
    TAKES("max_object", "64m", loc.max_object == 64 << 20);
    TAKES("max_body", "64k", loc.max_body == 64 << 10);
    refuses("max_body", "1g");
    ae_loc_init(&child);
    ae_loc_init(&parent);
    parent.grpc = AE_GRPC_OFF;
    parent.lease_ms = 7;
    parent.mode = AE_MODE_SHADOW;
    child.lease_ms = 8;
    child.mode = AE_MODE_OFF;
    ae_loc_merge(&child, &parent);
    tap_ok(child.mode == AE_MODE_OFF && child.grpc == AE_GRPC_OFF
           && child.lease_ms == 8, "what is set is kept, the rest inherited");
    ae_loc_defaults(&child);
    tap_ok(child.ttl_applications_ms == 5000 && child.ttl_objects_ms == 30000
           && child.ttl_settings_ms == 60000 && child.quarantine_ms == 5000
           && child.max_object == 256 << 20 && child.cache == 1
           && child.lookup == 0 && child.lease_ms == 8
           && child.lease_probe == 0 && child.dead_token_ms == 10000,
           "defaults");
    ae_loc_init(&child);
    child.serve = AE_SERVE_METRICS;
    ae_loc_defaults(&child);
    tap_ok(child.mode == AE_MODE_ENFORCE, "a page is answered, whatever the "
           "mode");
    ae_loc_init(&child);
    ae_loc_defaults(&child);
    tap_ok(child.mode == AE_MODE_OFF && child.unknown_api == AE_UNK_DENY
           && child.grpc == AE_GRPC_PASS && child.lease_ms == 30000,
           "nothing is on by itself");
}

/* The default that the table prints is the one that ae_loc_defaults() makes:
 * setting it changes nothing. */
static void printed(void)
{
    struct ae_loc def;

    ae_loc_init(&def);
    ae_loc_defaults(&def);
    ae_loc_init(&loc);
    for (size_t i = 0; i < ae_directive_count(); i++)
        if (ae_directive_at(i)->ctx == AE_CTX_LOC)
            takes(ae_directive_at(i)->name, ae_directive_at(i)->def, true);
    tap_ok(memcmp(&def, &loc, sizeof(def)) == 0, "printed defaults are true");
}

int main(void)
{
    ae_heap heap = { NULL, 0 };

    ae_arena_init(&arena, ae_heap_mem(&heap), first, sizeof(first));
    ae_conf_init(&conf);
    ae_loc_init(&loc);
    tap_ok(ae_eq_lit(conf.ns, "argocd") && conf.projects == AE_AUTO,
           "a stock installation");
    table();
    main_level();
    locations();
    printed();
    ae_heap_free(&heap);
    return tap_done();
}
