/* match.c - request targets: T2, the P cases of abuse-cases.md. */
#include "util.h"

#define J "application/json"

static void row(const char *id, const char *target, int want)
{
    struct ae_target t = u_get(target);

    tap_ok(u_verdict(&t) == want, "%s %.60s: %d", id, target, want);
}

static void abuse(void)
{
    row("P01", "/api/v1/applications/a1%2fresource-tree", 400);
    row("P02", "/api/v1/applications/b1%252Fresource-tree", 400);
    row("P02", "/api/v1/applications/b1%25252Fresource-tree", 400);
    row("P03", "/api/v1/projects/../applications", 400);
    row("P03", "/api/v1/projects/./applications", 400);
    row("P03", "/api/v1/projects/%2e%2e/applications", 400);
    row("P04", "/api/v1/projects/..;/clusters", 400);
    row("P05", "//api/v1/applications", 400);
    row("P05", "/api//v1/applications", 400);
    row("P06", "/api/v1/applications/", 400);
    row("P07", "/api/v1/applications%00", 400);
    row("P07", "/api/v1/applications/a1%00b", 400);
    row("P07", "/api/v1/applications/a%0d%0aX:y", 400);
    row("P08", "/api/v1/applications#x", 400);
    row("P08", "/api/v1/applications?a#x", 400);
    row("P09", "http://evil.example/api/v1/applications", 400);
    row("P10", "/api/v1/Applications", 404);
    row("P10", "/API/v1/applications", 2);
    row("P15", "/api/v1/clusters/https%3A%2F%2Fkubernetes.default.svc", 1);
    row("", "*", 400);
    row("", "", 400);
    row("", "/api/v1/applications/a\\b", 400);
    row("", "/api/v1/applications/a%5Cb", 400);
    row("", "/api/v1/applications/%61", 400);
    row("", "/api/v1/applications/a%7Eb", 400);
    row("", "/api/v1/applications/a%2", 400);
    row("", "/api/v1/applications/a%", 400);
    row("", "/api/v1/applications/a%zz", 400);
    row("", "/api/v1/applications/a%FFb", 400);
    row("", "/api/v1/applications/a\xc3\xa9", 400);
    row("", "/api/v1/applications/a%C3%A9", 1);
    row("", "/api/v1/applications/a%20b", 1);
    row("", "/api/v1/applications/a:", 400);
    row("", "/api/v1/applications/a:get", 404);
    row("", "/api/v1/applications/a%3aget", 404);
    row("", "/api/v1/applications/a:x/resource-tree", 1);
    row("", "/api/", 400);
    row("", "/api", 2);
    row("", "/", 2);
    row("", "/applications/argocd/web", 2);
    row("", "/assets/", 2);
    row("", "/api/v1/nothing", 404);
    row("", "/api/v2/applications", 404);
    row("", "/api/v1/applications/web/nope", 404);
    row("K09", "/api/v1/session/userinfo/x.css", 404);
    row("K09", "/api/v1/session/userinfo;x.css", 400);
}

static void methods(void)
{
    tap_ok(u_is("HEAD", "/api/v1/applications", NULL) == 2
           && u_is("HEAD", "/api/v1/applications", J) == 2,
           "P13 HEAD is passed on");
    tap_ok(u_is("TRACE", "/api/v1/applications", J) == 405
           && u_is("CONNECT", "h:443", NULL) == 405
           && u_is("FOO", "/", NULL) == 405
           && u_is("get", "/api/v1/applications", NULL) == 405
           && u_is("", "/", NULL) == 405, "P14 other methods");
    tap_ok(u_is("POST", "/api/v1/applications/a1",
                "application/x-www-form-urlencoded") == 415, "P11 form");
    tap_ok(u_is("OPTIONS", "/api/v1/applications", J) == 405
           && u_is("OPTIONS", "/api/v1/nothing", J) == 404
           && u_is("OPTIONS", "/api/v1/applications", NULL) == 415,
           "OPTIONS");
    tap_ok(u_is("POST", "/api/v1/applications/web", J) == 405, "405");
    tap_ok(u_is("DELETE", "/api/v1/applications/web", NULL) == 415,
           "415 for a DELETE without type");
    tap_ok(u_is("DELETE", "/api/v1/nothing", "text/plain") == 415,
           "415 before 404");
    tap_ok(u_is("DELETE", "/api/v1/applications/web", "APPLICATION/JSON") == 1,
           "the type ignores case");
    tap_ok(u_is("DELETE", "/api/v1/applications/web",
                "application/json; charset=utf-8") == 415, "no parameters");
    tap_ok(u_is("POST", "/api/webhook", "text/plain") == 1,
           "the webhook is outside of the rule");
    tap_ok(u_is("POST", "/api/badge", "text/plain") == 1, "so is the badge");
}

static void grpc(void)
{
    const char      *w = "application/grpc-web+proto";
    struct ae_target t = u_route("POST",
        "/application.ApplicationService/Delete", w);

    tap_ok(t.kind == AE_TGT_GRPC && t.grpc_web && t.op
           && !strcmp(t.op->name, "ApplicationService_Delete"), "P16");
    t = u_get("/api/v1/applications/web");
    tap_ok(t.kind == AE_TGT_OP, "REST without the type");
    t = u_route("GET", "/api/v1/applications/web", w);
    tap_ok(t.kind == AE_TGT_GRPC && !t.op, "the type wins over the path");
    tap_ok(u_is("GET", "/api/badge", w) == 1
           && u_is("GET", "/auth/logout", w) == 1, "but for two paths");
    tap_ok(u_is("POST", "/application.ApplicationService%2FDelete", w) == 400,
           "an encoded method path is not canonical");
    t = u_route("POST", "/application.ApplicationService/Sync",
                "application/grpc");
    tap_ok(t.kind == AE_TGT_GRPC && !t.grpc_web && t.op, "native");
    tap_ok(u_is("POST", "/application.ApplicationService/Sync",
                "application/grpc-web") == 2, "not quite the type");
    tap_ok(u_is("POST", "/api/v1/applications/web/sync",
                "application/grpc") == 415, "native on a REST path");
}

static void ids(void)
{
    struct ae_target t;

    t = u_get("/api/v1/clusters/https%3A%2F%2Fh");
    tap_ok(u_param(&t, "id.value", "https://h"), "raw cluster id");
    t = u_get("/api/v1/clusters/https%253A%252F%252Fh");
    tap_ok(u_param(&t, "id.value", "https://h"), "doubly encoded");
    t = u_get("/api/v1/clusters/a+b");
    tap_ok(u_param(&t, "id.value", "a b"), "plus is a blank");
    t = u_get("/api/v1/clusters/a%2Bb");
    tap_ok(u_param(&t, "id.value", "a+b"), "encoded plus in the raw form");
    t = u_get("/api/v1/clusters/in%2Dcluster");
    tap_ok(u_param(&t, "id.value", "in-cluster"), "T2 (a)");
    t = u_get("/api/v1/clusters/abc%25zz");
    tap_ok(t.kind == AE_TGT_OP && t.doubtful, "500 upstream: forwarded");
    t = u_get("/api/v1/clusters/in-cluster%2Finvalidate-cache");
    tap_ok(t.kind == AE_TGT_OP && u_param(&t, "id.value",
           "in-cluster/invalidate-cache"), "slash stays in the id");
    t = u_get("/api/v1/repositories/x%2Frefs");
    tap_ok(t.op && !strcmp(t.op->name, "RepositoryService_Get"),
           "and in the repository");
    t = u_route("POST", "/api/v1/repositories/https%3A%2F%2Fh%2Fx/validate",
                J);
    tap_ok(u_param(&t, "repo", "https%3A%2F%2Fh%2Fx"), "validate keeps it");
    t = u_route("PUT", "/api/v1/repocreds/https%3A%2F%2Fh", J);
    tap_ok(u_param(&t, "creds.url", "https%3A%2F%2Fh"), "repocreds PUT too");
    tap_ok(u_is("GET", "/api/v1/clusters/https:%2F%2Fh", NULL) == 404
           && u_is("GET", "/api/v1/clusters/https%3A%2F%2Fh:6443", NULL)
              == 404, "half encoded: the colon is a verb");
    tap_ok(u_is("GET", "/api/v1/clusters/https://h", NULL) == 400, "plain");
    tap_ok(u_is("GET", "/api/v1/clusters/x%2F", NULL) == 1
           && u_is("GET", "/api/v1/clusters/x/", NULL) == 400, "tail slash");
    tap_ok(u_is("GET", "/api/v1/write-repositories/https%3A%2F%2Fh%2Fx",
                NULL) == 2, "T2 (b): once encoded is passed on");
    t = u_get("/api/v1/write-repositories/https%253A%252F%252Fh%252Fx");
    tap_ok(u_param(&t, "repo", "https://h/x"), "T2 (b): doubly encoded");
    t = u_route("POST",
        "/api/v1/write-repositories/https%253A%252F%252Fh/validate", J);
    tap_ok(u_param(&t, "repo", "https%3A%2F%2Fh"), "write validate");
}

static void cani(void)
{
    struct ae_target t;

    t = u_get("/api/v1/account/can-i/clusters/get/https%3A%2F%2Fh");
    tap_ok(u_param(&t, "subresource", "https://h"), "T2 (c)");
    t = u_get("/api/v1/account/can-i/gpgkeys/get");
    tap_ok(t.kind == AE_TGT_OP && u_param(&t, "action", "get")
           && ae_target_get(&t, "subresource").n == 0, "no tail");
    t = u_get("/api/v1/account/can-i/gpgkeys/get/");
    tap_ok(t.kind == AE_TGT_OP && u_param(&t, "action", "get"), "empty tail");
    t = u_get("/api/v1/account/can-i/applications/get/a/b/");
    tap_ok(u_param(&t, "subresource", "a/b/"), "trailing slash");
    t = u_get("/api/v1/account/can-i/applications/get/a%2F/b");
    tap_ok(u_param(&t, "subresource", "a//b"),
           "T2 (c): empty only when decoded");
    tap_ok(u_is("GET", "/api/v1/account/can-i/a/get/b//c", NULL) == 400
           && u_is("GET", "/api/v1/account/can-i/a/get/b%2F..%2Fc", NULL)
              == 400
           && u_is("GET", "/api/v1/account/can-i/a/get/b:x", NULL) == 404
           && u_is("GET", "/api/v1/account/can-i/a", NULL) == 404,
           "what stays refused");
    t = u_get("/api/v1/account/can-i/applications/get/a/%FF\xc3\xa9");
    tap_ok(u_param(&t, "subresource", "a/\xff\xc3\xa9"), "any text");
    t = u_get("/api/v1/account/can-i/applications/get/x/api/v1/clusters/b%2Fc");
    tap_ok(u_param(&t, "subresource", "x/api/v1/clusters/b%2Fc"),
           "the patterns are not anchored");
}

static void root_path(void)
{
    u_conf.root_path = AE_STR("/argo");
    tap_ok(u_is("GET", "/argo/api/v1/applications/web", NULL) == 1, "inside");
    tap_ok(u_is("GET", "/api/v1/applications/web", NULL) == 2
           && u_is("GET", "/argonaut/api/version", NULL) == 2
           && u_is("GET", "/argo", NULL) == 2, "outside");
    tap_ok(u_is("GET", "/healthz", NULL) == 1
           && u_is("GET", "/argo/healthz", NULL) == 1, "healthz at both");
    tap_ok(u_is("GET", "/argo/api/v1/applications/", NULL) == 400
           && u_is("GET", "/argo//api/v1/applications", NULL) == 400,
           "T2 below the root path");
    u_conf.root_path = AE_STR("");
}

static void shapes(void)
{
    struct ae_route_in in = { AE_STR("GET"), AE_STR("/api/v1/projects"),
                              { NULL, 0 }, false, true };
    struct ae_target   t;

    tap_ok(ae_route(&u_conf, &in, &u_arena, &t) == AE_OK && t.status == 400,
           "a GET has no body");
    in.has_body = false;
    in.content_type_dup = true;
    tap_ok(ae_route(&u_conf, &in, &u_arena, &t) == AE_OK && t.status == 400,
           "two content types");
    t = u_get("/extensions/myext/x");
    tap_ok(t.kind == AE_TGT_OP && u_param(&t, "name", "myext"), "extension");
    t = u_get("/terminal?appName=web&projectName=p");
    tap_ok(t.kind == AE_TGT_OP && u_param(&t, "appName", "web")
           && t.op->auth == AE_AUTH_COOKIE, "terminal");
    tap_ok(u_is("POST", "/terminal", NULL) == 2, "terminal is a GET");
}

/* Each allocation fails in turn: AE_E_NOMEM, never half a target. */
static void torture(void)
{
    static const char *const targets[] = {
        "/api/v1/clusters/https%3A%2F%2Fh?id.type=a%20b",
        "/api/v1/applications?a;b", "/api/v1/applications/a%2Fb"
    };

    for (size_t k = 0; k < sizeof targets / sizeof targets[0]; k++)
        for (size_t lim = 1; lim < 1400; lim += 24) {
            struct ae_route_in in = { AE_STR("GET"), ae_cs(targets[k]),
                                      { NULL, 0 }, false, false };
            ae_heap          h = { NULL, 0 };
            ae_arena         a;
            struct ae_target t;
            int              rc;

            ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
            a.limit = lim;
            rc = ae_route(&u_conf, &in, &a, &t);
            if (rc != AE_E_NOMEM && !(rc == AE_OK && !a.failed))
                tap_ok(0, "limit %zu: %d", lim, rc);
            ae_heap_free(&h);
        }
    tap_ok(1, "every allocation may fail");
}

int main(void)
{
    u_begin();
    abuse();
    methods();
    grpc();
    ids();
    cani();
    root_path();
    shapes();
    torture();
    u_end();
    return tap_done();
}
