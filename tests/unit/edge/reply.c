/* reply.c - bodies byte for byte as Argo CD writes them. */
#include "fixture.h"

static void test_json(struct fx *f)
{
    ae_str s = ae_error_json(&f->a, 7, AE_STR("a<b> & \"c\"\n\\\x01\xff"));

    tap_ok(ae_eq(s, AE_STR(
        "{\"error\":\"a\\u003cb\\u003e \\u0026 \\\"c\\\"\\n\\\\\\u0001\\ufffd\""
        ",\"code\":7,\"message\":\"a\\u003cb\\u003e \\u0026 \\\"c\\\"\\n\\\\"
        "\\u0001\\ufffd\"}")), "Go's escapes: %.*s", (int)s.n, s.p);
    tap_ok(ae_grpc_http(16) == 401 && ae_grpc_http(7) == 403
           && ae_grpc_http(5) == 404 && ae_grpc_http(8) == 429
           && ae_grpc_http(3) == 400 && ae_grpc_http(12) == 501
           && ae_grpc_http(99) == 500, "codes and statuses");
}

static void test_names(struct fx *f)
{
    struct fx_res r = fx_get(f, "bob", "/api/v1/projects/a%3Cb%3E");

    tap_ok(r.kind == AE_REPLY && r.status == 403
           && strstr(r.body, "projects, get, a\\u003cb\\u003e, sub: bob"),
           "names of the client's are escaped: %s", r.body);
    r = fx_get(f, "bob", "/api/v1/account/can-i/exec%FF/get/x");
    tap_ok(r.status == 400 && strstr(r.body, "contain exec\xEF\xBF\xBD\","),
           "through gRPC a byte that is no UTF-8 becomes U+FFFD: %s", r.body);
    r = fx_get(f, NULL, "/api/v1/applications/x/logs");
    tap_ok(!strcmp(r.body, "{\"error\":{\"grpc_code\":16,\"http_code\":401,"
                   "\"message\":\"no session information\","
                   "\"http_status\":\"Unauthorized\"}}"), "streams: %s",
           r.body);
    r = fx_run(f, (struct fx_req){ .target = "/api/v1/stream/applications",
        .h = { { "Accept", "text/event-stream" } } });
    tap_ok(!strcmp(r.ctype, "text/event-stream")
           && !strcmp(r.body, "data: {\"error\":{\"grpc_code\":16,"
                      "\"http_code\":401,\"message\":\"no session "
                      "information\",\"http_status\":\"Unauthorized\"}} "
                      "\n\n"), "event streams have their frame");
    r = fx_get(f, NULL, "/api/v1/nope");
    tap_ok(r.status == 404 && !strcmp(r.body, "Not Found\n")
           && !strcmp(r.ctype, "text/plain; charset=utf-8"), "404 as text");
    r = fx_get(f, NULL, "/api/v1/applications/a1/sync");
    tap_ok(r.status == 405 && !strcmp(r.body, "Method Not Allowed\n"),
           "405 as text");
    r = fx_run(f, (struct fx_req){ .method = "DELETE", .user = "alice",
        .target = "/api/v1/applications/a1" });
    tap_ok(r.status == 415 && strstr(r.body, "Invalid content type"),
           "415 before all else");
}

static void test_forged(struct fx *f)
{
    static const struct { const char *token, *text; } bad[] = {
        { "a.b.c", "invalid session: token is malformed: " },
        { "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcmdvY2QifQ.", "invalid session: "
          "token is unverifiable: " },
    };
    const char *t = fx_token(f, "alice");
    char broken[1024];
    struct fx_res r;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        r = fx_run(f, (struct fx_req){ .target = "/api/v1/projects",
                                       .token = bad[i].token });
        tap_ok(r.kind == AE_REPLY && r.status == 401
               && strstr(r.body, bad[i].text), "%.120s", r.body);
    }
    snprintf(broken, sizeof broken, "%s", t);
    broken[strlen(broken) - 10] ^= 1;
    r = fx_run(f, (struct fx_req){ .target = "/api/v1/projects",
                                   .token = broken });
    tap_ok(r.status == 401 && strstr(r.body, "signature is invalid"),
           "a forged signature");
    /* C08: and it is no anonymous caller either. */
    fx_write(f, "argocd-cm", "users.anonymous.enabled", "true");
    ae_engine_tick(f->e);
    r = fx_run(f, (struct fx_req){ .target = "/api/v1/projects",
                                   .token = broken });
    tap_ok(r.kind == AE_REPLY && r.status == 401, "C08: nor with anonymous");
    r = fx_get(f, NULL, "/api/v1/projects/teama");
    tap_ok(r.status == 403 && !strcmp(r.body, "{\"error\":\"permission denied:"
           " projects, get, teama\",\"code\":7,\"message\":\"permission "
           "denied: projects, get, teama\"}"), "anonymous has no name: %s",
           r.body);
    r = fx_get(f, NULL, "/api/v1/projects");
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "stored"),
           "C07: a list of its own (%s)", r.cache);
    r = fx_get(f, "alice", "/api/v1/projects");
    tap_ok(r.kind == AE_FORWARD, "that is not alice's");
    tap_ok(fx_get(f, NULL, "/api/v1/projects").kind == AE_CACHED,
           "but anonymous'");
}

static void test_fail(void)
{
    struct ae_act a;

    ae_reply_fail(NULL, &a);
    tap_ok(a.kind == AE_FAIL && a.reply.status == 500 && a.reply.body.n
           && a.reply.hdr[1].value.n
              == strlen("Accept-Encoding, Authorization, Cookie"),
           "a failure needs no memory");
    memset(&a, 0, sizeof a);
    tap_ok(a.kind == AE_FAIL, "and zero is one");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_json(&f);
    test_names(&f);
    test_forged(&f);
    test_fail();
    fx_close(&f);
    return tap_done();
}
