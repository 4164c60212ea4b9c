/* forward.c - what reaches the upstream, and what of its answer the client. */
#include "fixture.h"

struct held { struct fx_call c; ae_heap heap; ae_txn *t; struct ae_act act; };

static void start(struct fx *f, struct held *h, struct fx_req q)
{
    memset(h, 0, sizeof *h);
    fx_fill(f, &q, &h->c);
    h->t = ae_txn_begin(f->e, &f->loc, &h->c.req, ae_heap_mem(&h->heap));
    ae_txn_step(h->t, &h->act);
}

static void stop(struct held *h)
{
    ae_txn_end(h->t);
    ae_heap_free(&h->heap);
}

static bool gone(const struct held *h, const char *name)
{
    return ae_txn_strip_request(h->t, ae_cs(name));
}

static void test_api(struct fx *f)
{
    static const char *const away[] = {
        "Grpc-Metadata-Token", "grpc-timeout", "X-Forwarded-For",
        "X-FORWARDED-HOST", "Forwarded", "X-Original-URL", "X-Rewrite-Url",
        "X-HTTP-Method-Override", "x-http-method", "Argocd-Project-Name",
        "Upgrade", "Range", "If-None-Match", "If-Modified-Since",
        "Content-Type", "X-Evil", "x-other",
    };
    static const char *const stay[] = {
        "Authorization", "Accept", "User-Agent", "Host", "Content-Length",
        "Transfer-Encoding", "traceparent", "X-Request-Id", "Cookie",
    };
    struct held h;

    start(f, &h, (struct fx_req){ .user = "alice",
        .target = "/api/v1/projects", .h = {
            { "Connection", "close, X-Evil ,x-other,authorization,cookie" },
            { "Upgrade", "websocket" } } });
    tap_ok(h.act.kind == AE_FORWARD && !(h.act.forward.flags
                                         & AE_FWD_UPGRADE), "a plain GET");
    for (size_t i = 0; i < sizeof away / sizeof away[0]; i++)
        tap_ok(gone(&h, away[i]), "K10, T4: %s goes", away[i]);
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++)
        tap_ok(!gone(&h, stay[i]), "%s stays", stay[i]);
    tap_ok(ae_txn_strip_response(h.t, AE_STR("Grpc-Metadata-Renew-Token"))
           && ae_txn_strip_response(h.t, AE_STR("x-accel-redirect"))
           && !ae_txn_strip_response(h.t, AE_STR("Content-Type")),
           "K05, R29: response headers");
    stop(&h);
}

/* A look at each field may be left out only if it would find nothing. */
static void test_strips(struct fx *f)
{
    static const struct { const char *name, *value; } field[] = {
        { "Accept", "*/*" }, { "User-Agent", "x" }, { "Host", "e" },
        { "Accept-Language", "de" }, { "Traceparent", "x" },
        { "Token", "x" }, { "Cache-Control", "no-cache" },
        { "Connection", "x-evil" }, { "Upgrade", "h2c" },
        { "Content-Type", "x" }, { "If-None-Match", "x" },
        { "If-Range", "x" }, { "Range", "bytes=0-1" },
        { "X-Forwarded-For", "192.0.2.1" }, { "Forwarded", "x" },
        { "X-HTTP-Method", "PUT" }, { "Argocd-Project-Name", "x" },
        { "ARGOCD-Other", "x" }, { "Grpc-Timeout", "1S" },
        { "Grpc-Metadata-A", "x" }, { "grpcgateway-a", "x" },
        { "X-Original-URL", "/" }, { "X-GitHub-Event", "push" },
        { "Cookie", "a=b" }, { "Accept-Encoding", "gzip" },
    };
    static const char *const target[] = {
        "/api/v1/applications/a1/manifests", "/api/v1/applications/a1",
        "/extensions/x/y", "/",
    };
    size_t spared = 0;

    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        for (size_t k = 0; k < sizeof target / sizeof target[0]; k++) {
            struct held h;
            bool looks, finds;

            start(f, &h, (struct fx_req){ .user = "alice",
                .target = target[k],
                .h = { { field[i].name, field[i].value } } });
            looks = ae_txn_strips(h.t);
            finds = gone(&h, field[i].name) || gone(&h, "Authorization");
            for (size_t n = 0; n < h.act.forward.nset; n++)
                finds |= ae_ieq(h.act.forward.set[n].name,
                                ae_cs(field[i].name));
            tap_ok(h.act.kind != AE_FORWARD || looks || !finds,
                   "%s to %s", field[i].name, target[k]);
            spared += h.act.kind == AE_FORWARD && !looks;
            stop(&h);
        }
    tap_ok(spared >= 12, "most requests are spared it");
}

static void test_others(struct fx *f)
{
    struct held h;

    start(f, &h, (struct fx_req){ .target = "/assets/app.js" });
    tap_ok(!gone(&h, "If-None-Match") && !gone(&h, "Range")
           && gone(&h, "X-Forwarded-For") && gone(&h, "Argocd-X"),
           "assets keep conditionals");
    stop(&h);
    start(f, &h, (struct fx_req){ .user = "alice", .method = "POST",
        .target = "/api/v1/applications/a1/sync", .body = "{}",
        .h = { { "Content-Type", "application/json" } } });
    tap_ok(!gone(&h, "Content-Type"), "a POST keeps its type");
    stop(&h);
    start(f, &h, (struct fx_req){ .user = "alice", .cookie = true,
        .target = "/terminal?pod=p&container=c&appName=a1&projectName=teama"
                  "&namespace=n&appNamespace=argocd",
        .h = { { "Upgrade", "websocket" }, { "Connection", "Upgrade" } } });
    tap_ok(h.act.kind == AE_FORWARD && (h.act.forward.flags & AE_FWD_UPGRADE)
           && !gone(&h, "Upgrade"), "the terminal may upgrade");
    stop(&h);
    start(f, &h, (struct fx_req){ .token = "a.b.c", .cookie = true,
        .target = "/terminal?pod=p&container=c&appName=a1&projectName=teama"
                  "&namespace=n&appNamespace=argocd",
        .h = { { "Upgrade", "websocket" } } });
    tap_ok(h.act.kind == AE_FORWARD
           && !(h.act.forward.flags & AE_FWD_UPGRADE) && gone(&h, "Upgrade"),
           "but not with a bad token");
    stop(&h);
    start(f, &h, (struct fx_req){ .user = "alice", .cookie = true,
        .target = "/extensions/metrics/x",
        .h = { { "Authorization", "Basic eA==" } } });
    tap_ok(!gone(&h, "Argocd-Application-Name") && !gone(&h, "Cookie")
           && !gone(&h, "Authorization"), "extensions keep Argocd-*");
    stop(&h);
    f->loc.mode = AE_MODE_SHADOW;
    start(f, &h, (struct fx_req){ .user = "alice",
        .target = "/api/v1/projects" });
    tap_ok(!gone(&h, "X-Forwarded-For") && !gone(&h, "Grpc-Timeout")
           && !ae_txn_strip_response(h.t, AE_STR("x-accel-redirect"))
           && h.act.forward.nset == 0, "shadow strips nothing");
    stop(&h);
    f->loc.mode = AE_MODE_ENFORCE;
}

static void test_set(struct fx *f)
{
    struct fx_res r = fx_get(f, "alice", "/api/v1/stream/applications");

    tap_ok(!strcmp(r.set, "X-Forwarded-For: 192.0.2.7\n"),
           "our own forwarding header");
    r = fx_get(f, "alice", "/auth/logout");
    tap_ok(!strcmp(r.set, "X-Forwarded-For: 192.0.2.7\n"
                          "X-Forwarded-Proto: https\n"
                          "X-Forwarded-Host: edge.example.com\n"),
           "and what redirects are made of, outside the API");
    r = fx_run(f, (struct fx_req){ .method = "HEAD", .user = "alice",
        .target = "/api/v1/applications" });
    tap_ok(r.kind == AE_FORWARD, "P13: HEAD is passed on");
}

/* ---- gRPC (T5) ---------------------------------------------------------- */

static void test_grpc(struct fx *f)
{
    struct fx_req q = { .user = "nobody", .method = "POST",
        .target = "/application.ApplicationService/Delete",
        .h = { { "Content-Type", "application/grpc-web+proto" } },
        .body = "\x01" };
    struct fx_res r;
    struct held h;

    start(f, &h, q);
    tap_ok(h.act.kind == AE_FORWARD && gone(&h, "Grpc-Metadata-Token")
           && !gone(&h, "grpc-timeout") && !gone(&h, "Content-Type"),
           "P16 pass: forwarded with its own headers");
    stop(&h);
    f->loc.grpc = AE_GRPC_OFF;
    r = fx_run(f, q);
    tap_ok(r.kind == AE_REPLY && r.status == 415
           && !strcmp(r.ctype, "application/grpc-web+proto")
           && strstr(r.hdr, "Grpc-Status: 12\n"), "P16 off: refused");
    f->loc.grpc = AE_GRPC_DECIDE;
    q.user = NULL;
    r = fx_run(f, q);
    tap_ok(r.kind == AE_REPLY && r.status == 200
           && strstr(r.hdr, "Grpc-Status: 16\n")
           && strstr(r.hdr, "Grpc-Message: no session information\n"),
           "P16 decide: no token");
    q.user = "nobody";
    r = fx_run(f, q);
    tap_ok(r.kind == AE_FORWARD, "what does not parse is forwarded");
    f->loc.grpc = AE_GRPC_PASS;
}

/* Even passed on, a gRPC write moves generations (T13). */
static void test_grpc_write(struct fx *f)
{
    fx_pass(f, 10000); /* the quarantine of earlier writes */
    ae_engine_tick(f->e);
    fx_answer(f, 200, "{\"items\":null}");
    fx_get(f, "alice", "/api/v1/applications");
    tap_ok(fx_get(f, "alice", "/api/v1/applications").kind == AE_CACHED,
           "a list is kept");
    fx_run(f, (struct fx_req){ .user = "admin", .method = "POST",
        .target = "/application.ApplicationService/Delete",
        .h = { { "Content-Type", "application/grpc-web+proto" } },
        .body = "\x01" });
    tap_ok(fx_get(f, "alice", "/api/v1/applications").kind == AE_FORWARD,
           "until a gRPC call deletes something");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_api(&f);
    test_strips(&f);
    test_others(&f);
    test_set(&f);
    test_grpc(&f);
    test_grpc_write(&f);
    fx_close(&f);
    return tap_done();
}
