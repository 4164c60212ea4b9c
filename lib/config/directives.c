/*
 * directives.c - one table of directives; both modules and the command line
 * walk it, so that no server can understand a setting differently.
 */
#include "config/internal.h"

#define DAY_MS (24LL * 3600 * 1000)

struct word { const char *name; int value; };

int cfg_bad(struct ae_err *err, ae_str got, const char *want)
{
    return ae_err_set(err, AE_E_INVAL, "invalid value \"%.*s\": it must be %s",
                      (int)(got.n < 80 ? got.n : 80), got.p ? got.p : "",
                      want);
}

#define bad cfg_bad

/* Words without regard to case: On is how httpd writes it. */
static int choose(ae_str arg, const struct word *w, size_t n, int *out,
                  const char *want, struct ae_err *err)
{
    for (size_t i = 0; i < n; i++)
        if (ae_ieq(arg, ae_cs(w[i].name))) {
            *out = w[i].value;
            return AE_OK;
        }
    return bad(err, arg, want);
}

static int keep(ae_arena *a, ae_str s, ae_str *out, struct ae_err *err)
{
    *out = ae_dup(a, s);
    return out->p ? AE_OK : ae_err_set(err, AE_E_NOMEM, "out of memory");
}

static int on_off(ae_str arg, int *out, struct ae_err *err)
{
    static const struct word w[] = { { "on", 1 }, { "off", 0 } };

    return choose(arg, w, 2, out, "on or off", err);
}

static int duration(ae_str arg, int64_t *out, struct ae_err *err)
{
    uint64_t ms;

    if (!ae_parse_ms(arg, &ms) || ms > DAY_MS)
        return bad(err, arg, "a time of at most a day, such as 500ms, 5s, 2m");
    *out = (int64_t)ms;
    return AE_OK;
}

static int bytes(ae_str arg, uint64_t min, uint64_t max, uint64_t *out,
                 struct ae_err *err)
{
    uint64_t v;

    if (!ae_parse_size(arg, &v) || v < min || v > max)
        return ae_err_set(err, AE_E_INVAL, "invalid size \"%.*s\": it must be "
                          "between %llu and %llu bytes, such as 64k, 16m, 1g",
                          (int)(arg.n < 80 ? arg.n : 80), arg.p ? arg.p : "",
                          (unsigned long long)min, (unsigned long long)max);
    *out = v;
    return AE_OK;
}

#define SETTER(name)                                                          \
    static int name(ae_arena *a, struct ae_conf *c, struct ae_loc *l,         \
                    const ae_str *args, size_t n, struct ae_err *err)
#define UNUSED(x) ((void)(x))

SETTER(set_mode)
{
    static const struct word w[] = { { "on", AE_MODE_ENFORCE },
        { "shadow", AE_MODE_SHADOW }, { "off", AE_MODE_OFF } };
    int v = 0, rc = choose(args[0], w, 3, &v, "on, shadow or off", err);

    UNUSED(a), UNUSED(c), UNUSED(n);
    if (rc == AE_OK)
        l->mode = (enum ae_mode)v;
    return rc;
}

SETTER(set_inputs)
{
    UNUSED(l), UNUSED(n);
    if (args[0].n == 0 || ae_find(args[0], '\0') < args[0].n)
        return bad(err, args[0], "the path of a directory");
    return keep(a, args[0], &c->inputs, err);
}

SETTER(set_cache)
{
    uint64_t size = 1ULL << 30;
    int      rc;

    UNUSED(l);
    if (ae_ieq(args[0], AE_STR("off")) && n == 1) {
        c->cache_path = ae_s(NULL, 0);
        c->cache_size = 0;
        return AE_OK;
    }
    if (args[0].n == 0 || ae_find(args[0], '=') < args[0].n)
        return bad(err, args[0], "off or the path of a directory");
    if (n == 2) {
        if (!ae_starts(args[1], AE_STR("size=")))
            return bad(err, args[1], "size=SIZE");
        rc = bytes(ae_sub(args[1], 5, args[1].n), 1 << 20, 1ULL << 44, &size,
                   err);
        if (rc != AE_OK)
            return rc;
    }
    c->cache_size = size;
    return keep(a, args[0], &c->cache_path, err);
}

static bool name_ok(ae_str s, const char *more)
{
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
              || (ch >= '0' && ch <= '9') || (ch && strchr(more, ch))))
            return false;
    }
    return s.n > 0;
}

SETTER(set_zone)
{
    ae_str name, size = ae_cut(args[0], ':', &name);
    int    rc;

    UNUSED(l), UNUSED(n);
    if (!size.p || !name_ok(name, "_-./") || name.n > 255
        || (name.p[0] != '/' && ae_find(name, '/') < name.n)
        || name.p[name.n - 1] == '/')
        return bad(err, args[0], "NAME:SIZE, such as argo_edge:16m, or the"
                   " absolute path of a file before the colon");
    rc = bytes(size, 1 << 20, 1ULL << 36, &c->zone_size, err);
    return rc == AE_OK ? keep(a, name, &c->zone_name, err) : rc;
}

SETTER(set_audit)
{
    UNUSED(l), UNUSED(n);
    c->audit = ae_s(NULL, 0);
    if (ae_ieq(args[0], AE_STR("off")))
        return AE_OK;
    if (args[0].n == 0 || ae_find(args[0], '\0') < args[0].n)
        return bad(err, args[0], "off or the path of a file");
    return keep(a, args[0], &c->audit, err);
}

SETTER(set_namespace)
{
    UNUSED(l), UNUSED(n);
    if (!name_ok(args[0], "-") || args[0].n > 63)
        return bad(err, args[0], "the name of a namespace");
    return keep(a, args[0], &c->ns, err);
}

/* argocd-server takes one list with commas; a directive takes words. */
SETTER(set_app_ns)
{
    ae_str *list, rest, one;
    size_t  count = 0, k = 0;

    UNUSED(l);
    for (size_t i = 0; i < n; i++)
        for (rest = args[i]; rest.p; rest = ae_cut(rest, ',', &one))
            count++;
    list = ae_nalloc(a, count + 1, sizeof(*list));
    if (!list)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        for (rest = args[i]; rest.p;) {
            rest = ae_cut(rest, ',', &one);
            one = ae_trim(one);
            if (one.n && keep(a, one, &list[k++], err) != AE_OK)
                return AE_E_NOMEM;
        }
    c->app_ns = list;
    c->napp_ns = k;
    return AE_OK;
}

SETTER(set_projects)
{
    static const struct word w[] = { { "auto", AE_AUTO },
        { "complete", AE_COMPLETE }, { "partial", AE_PARTIAL } };
    int v = 0;
    int rc = choose(args[0], w, 3, &v, "auto, complete or partial", err);

    UNUSED(a), UNUSED(l), UNUSED(n);
    if (rc == AE_OK)
        c->projects = (enum ae_tri)v;
    return rc;
}

SETTER(set_root_path)
{
    ae_str s = args[0];

    UNUSED(l), UNUSED(n);
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    if (args[0].n == 0 || args[0].p[0] != '/'
        || (s.n && !name_ok(s, "/-_.~")) || ae_find_str(s, AE_STR("//"))
        != SIZE_MAX)
        return bad(err, args[0], "a path such as /argo-cd");
    return keep(a, s, &c->root_path, err);
}

SETTER(set_version)
{
    ae_str s = args[0], major, rest;

    UNUSED(l), UNUSED(n);
    if (s.n && s.p[0] == 'v')
        s = ae_sub(s, 1, s.n);
    rest = ae_cut(s, '.', &major);
    if (!rest.p || !rest.n || !name_ok(s, ".-+") || major.n == 0
        || major.p[0] < '0' || major.p[0] > '9' || rest.p[0] < '0'
        || rest.p[0] > '9')
        return bad(err, args[0], "a version such as 3.2 or v3.2.1");
    return keep(a, s, &c->upstream_version, err);
}

SETTER(set_oidc)
{
    UNUSED(l);
    if (n == 1 && ae_ieq(args[0], AE_STR("off"))) {
        c->oidc_off = true;
        c->oidc_discovery = c->oidc_keys = ae_s(NULL, 0);
        return AE_OK;
    }
    for (size_t i = 0; i < n; i++)
        if (n != 2 || !ae_starts(args[i], AE_STR("/"))
            || ae_find(args[i], '?') < args[i].n)
            return bad(err, args[i], "off, or two paths of this server such "
                       "as /argo-edge/oidc/discovery");
    c->oidc_off = false;
    if (keep(a, args[0], &c->oidc_discovery, err))
        return AE_E_NOMEM;
    return keep(a, args[1], &c->oidc_keys, err);
}

SETTER(set_dex)
{
    ae_str s = args[0];

    UNUSED(l), UNUSED(n);
    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    if ((!ae_starts(s, AE_STR("http://")) && !ae_starts(s, AE_STR("https://")))
        || !name_ok(s, ":/.-_[]") || s.n < 9)
        return bad(err, args[0], "a URL with http:// or https://");
    return keep(a, s, &c->dex_server, err);
}

SETTER(set_service_token_file)
{
    UNUSED(l), UNUSED(n);
    if (!args[0].n || args[0].p[0] != '/')
        return bad(err, args[0], "the absolute path of a file");
    return keep(a, args[0], &c->service_token_file, err);
}

SETTER(set_grpc)
{
    static const struct word w[] = { { "pass", AE_GRPC_PASS },
        { "decide", AE_GRPC_DECIDE }, { "off", AE_GRPC_OFF } };

    UNUSED(a), UNUSED(c), UNUSED(n);
    return choose(args[0], w, 3, &l->grpc, "pass, decide or off", err);
}

SETTER(set_unknown)
{
    static const struct word w[] = { { "deny", AE_UNK_DENY },
                                     { "forward", AE_UNK_FORWARD } };

    UNUSED(a), UNUSED(c), UNUSED(n);
    return choose(args[0], w, 2, &l->unknown_api, "deny or forward", err);
}

SETTER(set_caching)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->cache, err);
}

SETTER(set_lookup)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->lookup, err);
}

SETTER(set_lists)
{
    static const struct word w[] = { { "on", AE_LISTS_ON },
        { "off", AE_LISTS_OFF }, { "ask", AE_LISTS_ASK } };

    UNUSED(a), UNUSED(c), UNUSED(n);
    return choose(args[0], w, 3, &l->lists, "on, off or ask", err);
}

SETTER(set_cache_share)
{
    static const struct word w[] = { { "identity", AE_SHARE_IDENTITY },
        { "rights", AE_SHARE_RIGHTS } };

    UNUSED(a), UNUSED(c), UNUSED(n);
    return choose(args[0], w, 2, &l->share, "identity or rights", err);
}

SETTER(set_status_header)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->status_header, err);
}

/* Two directives, one thing that a location answers: "off" takes back its own
 * kind only. */
static void serve(struct ae_loc *l, int v, bool mine)
{
    if (v != AE_SERVE_NONE || l->serve < 0 || mine)
        l->serve = v;
}

SETTER(set_metrics)
{
    int on = 0, rc = on_off(args[0], &on, err);

    UNUSED(a), UNUSED(c), UNUSED(n);
    if (rc == AE_OK)
        serve(l, on ? AE_SERVE_METRICS : AE_SERVE_NONE,
              l->serve == AE_SERVE_METRICS);
    return rc;
}

SETTER(set_purge)
{
    bool            off = n == 1 && ae_eq_lit(args[0], "off");
    struct ae_cidr *v = ae_nalloc(a, n, sizeof(*v));

    UNUSED(c);
    if (!v)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    for (size_t i = 0; i < n && !off; i++)
        if (!cfg_rule_cidr(args[i], &v[i]))
            return bad(err, args[i], "off, or addresses and networks such as "
                       "10.0.0.0/8");
    serve(l, off ? AE_SERVE_NONE : AE_SERVE_PURGE,
          l->serve == AE_SERVE_PURGE);
    l->purge_from = off ? NULL : v;
    l->npurge_from = off ? 0 : n;
    return AE_OK;
}

SETTER(set_status)
{
    static const struct word w[] = { { "off", AE_SERVE_NONE },
        { "rbac", AE_SERVE_STATUS }, { "address", AE_SERVE_STATUS_OPEN } };
    int v = 0, rc = choose(args[0], w, 3, &v, "off, rbac or address", err);

    UNUSED(a), UNUSED(n);
    if (rc == AE_OK) {
        serve(l, v, l->serve == AE_SERVE_STATUS
              || l->serve == AE_SERVE_STATUS_OPEN);
        c->watched |= v != AE_SERVE_NONE;
    }
    return rc;
}

SETTER(set_ttl)
{
    UNUSED(a), UNUSED(c);
    for (size_t i = 0; i < n; i++) {
        ae_str   name, v = ae_cut(args[i], '=', &name);
        int64_t *to = ae_eq_lit(name, "applications") ? &l->ttl_applications_ms
                    : ae_eq_lit(name, "objects") ? &l->ttl_objects_ms
                    : ae_eq_lit(name, "settings") ? &l->ttl_settings_ms : NULL;
        int      rc;

        if (!to || !v.p)
            return bad(err, args[i],
                       "applications=TIME, objects=TIME or settings=TIME");
        rc = duration(v, to, err);
        if (rc != AE_OK)
            return rc;
    }
    return AE_OK;
}

SETTER(set_quarantine)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return duration(args[0], &l->quarantine_ms, err);
}

SETTER(set_lease)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return duration(args[0], &l->lease_ms, err);
}

SETTER(set_gzip)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->gzip, err);
}

SETTER(set_collapse)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return duration(args[0], &l->collapse_ms, err);
}

SETTER(set_stale)
{
    UNUSED(a), UNUSED(c);
    for (size_t i = 0; i < n; i++) {
        ae_str   name, v = ae_cut(args[i], '=', &name);
        int64_t *to = ae_eq_lit(name, "while-revalidate")
                        ? &l->stale_revalidate_ms
                    : ae_eq_lit(name, "if-error") ? &l->stale_error_ms : NULL;
        int      rc;

        if (!to || !v.p)
            return bad(err, args[i], "while-revalidate=TIME or if-error=TIME");
        rc = duration(v, to, err);
        if (rc != AE_OK)
            return rc;
    }
    return AE_OK;
}

SETTER(set_lease_probe)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->lease_probe, err);
}

SETTER(set_dead_token)
{
    uint64_t ms;

    UNUSED(a), UNUSED(c), UNUSED(n);
    if (!ae_parse_ms(args[0], &ms) || ms > 60000)
        return bad(err, args[0], "a time of at most a minute, or 0");
    l->dead_token_ms = (int64_t)ms;
    return AE_OK;
}

SETTER(set_stream_max)
{
    uint64_t ms;

    UNUSED(a), UNUSED(c), UNUSED(n);
    if (!ae_parse_ms(args[0], &ms) || ms > INT64_C(31) * 86400 * 1000)
        return bad(err, args[0], "a time of at most 31 days, or 0");
    l->stream_max_ms = (int64_t)ms;
    return AE_OK;
}

SETTER(set_max_object)
{
    uint64_t v = 0;
    int      rc = bytes(args[0], 1024, 1ULL << 31, &v, err);

    UNUSED(a), UNUSED(c), UNUSED(n);
    if (rc == AE_OK)
        l->max_object = (int64_t)v;
    return rc;
}

SETTER(set_max_body)
{
    uint64_t v = 0;
    int      rc = bytes(args[0], 1024, 64 << 20, &v, err);

    UNUSED(a), UNUSED(c), UNUSED(n);
    if (rc == AE_OK)
        l->max_body = (int64_t)v;
    return rc;
}

SETTER(set_limit_dry_run)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->limit_dry_run, err);
}

SETTER(set_limit_headers)
{
    UNUSED(a), UNUSED(c), UNUSED(n);
    return on_off(args[0], &l->limit_headers, err);
}

static const struct ae_directive table[] = {
#define X(name, httpd, ctx, min, max, fn, syntax, def, help)                  \
    { name, httpd, ctx, min, max, syntax, def, help, fn },
#include "config/directives.def"
#undef X
};

size_t ae_directive_count(void)
{
    return sizeof(table) / sizeof(table[0]);
}

const struct ae_directive *ae_directive_at(size_t i)
{
    return i < ae_directive_count() ? &table[i] : NULL;
}
