/* routes.c - the table of operations, and what one request means. */
#include "cli.h"
#include "route/route.h"

#include <stdio.h>

static const char *method_name(enum ae_method m)
{
    static const char *const n[] = { "*", "GET", "HEAD", "POST", "PUT",
                                     "PATCH", "DELETE", "OPTIONS" };

    return n[m];
}

static const char *cache_name(enum ae_cache_class c)
{
    static const char *const n[] = { "never", "object", "list", "login",
                                     "self" };

    return n[c];
}

static const char *auth_name(enum ae_auth a)
{
    static const char *const n[] = { "required", "optional", "none",
                                     "cookie" };

    return n[a];
}

static int run_routes(struct cli *c)
{
    json_t *list = c->json ? json_array() : NULL;

    for (size_t i = 0; i < ae_op_count(); i++) {
        const struct ae_op *o = ae_op_at(i);

        if (!c->json) {
            printf("%-7s %-72s %-16s %-9s %-8s %s\n", method_name(o->method),
                   o->tmpl, o->resource, o->action, cache_name(o->cache),
                   auth_name(o->auth));
            continue;
        }
        json_array_append_new(list, json_pack(
            "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "method",
            method_name(o->method), "path", o->tmpl, "operation", o->name,
            "grpc", o->grpc ? o->grpc : "", "resource", o->resource,
            "action", o->action, "cache", cache_name(o->cache), "auth",
            auth_name(o->auth), "outside", o->outside ? 1 : 0, "rights",
            o->by_rights ? 1 : 0));
    }
    if (c->json)
        cli_json(list);
    return EXIT_YES;
}

const struct command cmd_routes = {
    .name = "routes",
    .args = "",
    .brief = "list every operation of Argo CD's API and what it needs",
    .help =
"One line an operation: method, path, permission (resource and action), cache\n"
"class, and whether a token is needed.\n",
    .options = "json",
    .min_arg = 0, .max_arg = 0, .run = run_routes,
};

static json_t *checks_json(const struct ae_checks *ck)
{
    static const char *const kind[] = { "exact", "stored", "stored-optional",
                                        "list" };
    json_t *a = json_array();

    for (size_t i = 0; i < ck->n; i++) {
        const struct ae_check *k = &ck->v[i];

        json_array_append_new(a, json_pack(
            "{s:o, s:o, s:s, s:o}", "resource", cli_jstr(k->resource),
            "action", cli_jstr(k->action), "object_from", kind[k->obj],
            "object", cli_jstr(k->obj == AE_OBJ_FIXED ? k->object
                                                      : k->suffix)));
    }
    return a;
}

static void print_checks(const struct ae_checks *ck)
{
    for (size_t i = 0; i < ck->n; i++) {
        const struct ae_check *k = &ck->v[i];
        ae_str                 o = k->obj == AE_OBJ_FIXED ? k->object
                                                          : k->suffix;

        printf("  needs      %.*s, %.*s, ", (int)k->resource.n,
               k->resource.p, (int)k->action.n, k->action.p);
        if (k->obj == AE_OBJ_LIST)
            puts("each item of the list (others are left out)");
        else if (k->obj == AE_OBJ_FIXED)
            printf("%.*s\n", (int)o.n, o.p ? o.p : "");
        else
            printf("<its project>/%.*s\n", (int)o.n, o.p ? o.p : "");
    }
    if (!ck->n)
        puts("  needs      no permission that the request alone decides");
}

static int unrouted(struct cli *c, const struct ae_target *t)
{
    static const char *const kind[] = { "bad request", "operation",
        "outside the API", "no such API route", "gRPC" };

    if (c->json)
        cli_json(json_pack("{s:s, s:i, s:o}", "kind", kind[t->kind],
                           "status", t->status, "body", cli_jstr(t->body)));
    else if (t->status)
        printf("%s: answered with %d %.*s\n", kind[t->kind], t->status,
               (int)t->body.n, t->body.p ? t->body.p : "");
    else
        printf("%s: forwarded, never cached\n", kind[t->kind]);
    return t->status ? EXIT_NO : EXIT_YES;
}

static int run_route(struct cli *c)
{
    struct ae_route_conf rc = { .ns = ae_cs(c->ns ? c->ns : "argocd"),
        .root_path = ae_cs(c->root_path ? c->root_path : "") };
    struct ae_route_in   in = { .method = ae_cs(c->arg[0]),
                                .target = ae_cs(c->arg[1]) };
    struct ae_target     t;
    struct ae_checks     ck;

    if (strcmp(c->arg[0], "GET") != 0)
        in.content_type = AE_STR("application/json");
    if (ae_route(&rc, &in, &c->a, &t))
        return cli_fail(EXIT_INPUT, "out of memory");
    if (t.kind != AE_TGT_OP)
        return unrouted(c, &t);
    if (ae_route_checks(&rc, &t, NULL, &c->a, &ck))
        return cli_fail(EXIT_INPUT, "out of memory");
    if (c->json) {
        json_t *par = json_object();

        for (size_t i = 0; i < t.npath; i++)
            json_object_set_new(par, t.path_par[i].name.p,
                                cli_jstr(t.path_par[i].value));
        cli_json(json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:b}", "kind",
                           "operation", "operation", t.op->name, "path",
                           t.op->tmpl, "parameters", par, "cache",
                           cache_name(t.op->cache), "checks",
                           checks_json(&ck), "body_decides",
                           ck.need_body ? 1 : 0));
        return EXIT_YES;
    }
    printf("%s  %s %s\n", t.op->name, method_name(t.op->method), t.op->tmpl);
    for (size_t i = 0; i < t.npath; i++)
        printf("  %-10.*s %.*s\n", (int)t.path_par[i].name.n,
               t.path_par[i].name.p, (int)t.path_par[i].value.n,
               t.path_par[i].value.p);
    print_checks(&ck);
    if (ck.need_body)
        puts("  body       more depends on the request body");
    printf("  cache      %s\n  token      %s\n", cache_name(t.op->cache),
           auth_name(t.op->auth));
    return EXIT_YES;
}

const struct command cmd_route = {
    .name = "route",
    .args = "METHOD TARGET",
    .brief = "what operation is this request, and what does it need?",
    .help =
"  argo-edge route POST /api/v1/applications/web/sync\n"
"  argo-edge route GET '/api/v1/applications/web?project=team-a'\n",
    .options = "namespace root-path json",
    .min_arg = 2, .max_arg = 2, .run = run_route,
};
