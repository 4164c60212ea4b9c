/* txn.c - the step machine: paths, refusals, stability, exhausted memory. */
#include "fixture.h"

#include <openssl/hmac.h>

#define CANI "/api/v1/account/can-i/applications/get/teamb/b1"

static void test_paths(struct fx *f)
{
    struct fx_res r = fx_get(f, "bob", CANI);

    tap_ok(r.kind == AE_REPLY && r.status == 200
           && !strcmp(r.body, "{\"value\":\"yes\"}"), "can-i yes: %s", r.body);
    tap_ok(!strcmp(r.trace, "shape,route,credential,verify,body,decide,reply"),
           "its path: %s", r.trace);
    r = fx_get(f, "nobody", CANI);
    tap_ok(!strcmp(r.body, "{\"value\":\"no\"}"), "can-i no: %s", r.body);
    r = fx_get(f, NULL, "/api/v1/applications");
    tap_ok(r.status == 401 && r.kind == AE_REPLY
           && !strcmp(r.body, "{\"error\":\"no session information\","
                      "\"code\":16,\"message\":\"no session information\"}"),
           "C07: no token is 401");
    tap_ok(strstr(r.hdr, "Cache-Control: private, no-cache\n")
           && strstr(r.hdr, "Vary: Accept-Encoding, Authorization, Cookie\n"),
           "T12: marked");
    r = fx_get(f, "bob", "/api/v1/applications/a1?project=teama");
    tap_ok(r.kind == AE_REPLY && r.status == 403
           && !strcmp(r.body, "{\"error\":\"permission denied\",\"code\":7,"
                      "\"message\":\"permission denied\"}"),
           "a denied project is refused: %s", r.body);
    r = fx_get(f, "bob", "/api/v1/applications/b1?project=teamb");
    tap_ok(r.kind == AE_FORWARD, "an allowed one is forwarded");
    r = fx_get(f, "bob", "/api/v1/projects/teama");
    tap_ok(r.status == 403 && strstr(r.body, "permission denied: projects, "
           "get, teama, sub: bob, iat: 2026-01-01T00:00:00Z"),
           "the verbose text: %s", r.body);
    r = fx_get(f, "alice", "/api/v1/stream/applications");
    tap_ok(r.kind == AE_FORWARD && (r.flags & AE_FWD_STREAM),
           "streams are flagged");
    r = fx_get(f, NULL, "/api/v1/stream/applications");
    tap_ok(strstr(r.body, "{\"error\":{\"grpc_code\":16,\"http_code\":401,")
           == r.body, "streams have their own errors: %s", r.body);
    r = fx_get(f, NULL, "/assets/index.js");
    tap_ok(r.kind == AE_FORWARD, "the UI needs no token");
    r = fx_get(f, NULL, "/api/v1/nonsense");
    tap_ok(r.kind == AE_REPLY && r.status == 404, "unknown routes: 404");
    f->loc.unknown_api = AE_UNK_FORWARD;
    r = fx_get(f, NULL, "/api/v1/nonsense");
    tap_ok(r.kind == AE_FORWARD, "or forwarded, by configuration");
    f->loc.unknown_api = AE_UNK_DENY;
    r = fx_get(f, NULL, "/api/v1/settings");
    tap_ok(r.kind == AE_FORWARD, "settings need no token");
    r = fx_run(f, (struct fx_req){ .target = "/api/v1/settings",
                                   .token = "a.b.c" });
    tap_ok(r.kind == AE_FORWARD, "and do not mind a bad one");
}

static void test_credentials(struct fx *f)
{
    const char *bob = fx_token(f, "bob");
    char cookie[1024], bearer[1024], two[2100];
    struct fx_res r;

    snprintf(cookie, sizeof cookie, "a=b; argocd.token=%s", bob);
    snprintf(bearer, sizeof bearer, "Bearer %s", bob);
    snprintf(two, sizeof two, "argocd.token=%s; argocd.token=%s", bob, bob);
    r = fx_run(f, (struct fx_req){ .user = "alice", .target = CANI,
        .h = { { "Grpc-Metadata-Token", bob } } });
    tap_ok(r.kind == AE_FORWARD, "C01: metadata is stripped, not judged");
    r = fx_run(f, (struct fx_req){ .user = "alice", .target = CANI,
        .h = { { "Authorization", bearer } } });
    tap_ok(r.status == 400, "C02: two bearers");
    r = fx_run(f, (struct fx_req){ .user = "alice",
        .target = "/api/v1/projects", .h = { { "Cookie", cookie } } });
    tap_ok(r.kind == AE_FORWARD && strstr(r.set, "Cookie: a=b\n"),
           "C03: the losing cookie goes, others stay");
    r = fx_run(f, (struct fx_req){ .target = CANI,
        .h = { { "Authorization", "Bearer nothing" },
               { "Cookie", cookie } } });
    tap_ok(r.status == 401, "C04: no fall-through to the cookie");
    r = fx_run(f, (struct fx_req){ .target = CANI,
        .h = { { "Cookie", two } } });
    tap_ok(r.status == 400, "C06: two cookies");
    r = fx_run(f, (struct fx_req){ .user = "bob", .cookie = true,
        .method = "POST", .target = "/api/v1/applications/b1/sync",
        .h = { { "Content-Type", "application/json" },
               { "Origin", "https://evil.example" } }, .body = "{}" });
    tap_ok(r.status == 403, "C10: a foreign origin");
    r = fx_run(f, (struct fx_req){ .user = "bob", .cookie = true,
        .method = "POST", .target = "/api/v1/applications/b1/sync",
        .h = { { "Content-Type", "application/json" },
               { "Sec-Fetch-Site", "cross-site" } }, .body = "{}" });
    tap_ok(r.status == 403, "C10: a cross-site fetch");
    r = fx_run(f, (struct fx_req){ .user = "bob", .cookie = true,
        .method = "POST", .target = "/api/v1/applications/b1/sync",
        .h = { { "Content-Type", "application/json" },
               { "Origin", "https://argocd.example.com" },
               { "Sec-Fetch-Site", "same-origin" } }, .body = "{}" });
    tap_ok(r.kind == AE_FORWARD, "R26: the URL of argocd-cm is ours");
    r = fx_run(f, (struct fx_req){ .user = "bob", .method = "POST",
        .target = "/api/v1/applications/b1/sync",
        .h = { { "Content-Type", "application/json" },
               { "Origin", "https://evil.example" } }, .body = "{}" });
    tap_ok(r.kind == AE_FORWARD, "a bearer has no site");
    r = fx_get(f, "ci", "/api/v1/applications/b1?project=teamb");
    tap_ok(r.status == 403, "C09: a project token stays in its project");
}

static void test_modes(struct fx *f)
{
    struct fx_res r;
    uint64_t before = ae_counter_value(f->e, AE_N_divergence);

    f->loc.mode = AE_MODE_OFF;
    r = fx_get(f, NULL, "/api/v1/applications");
    tap_ok(r.kind == AE_FORWARD && !r.flags && !*r.set, "off: untouched");
    f->loc.mode = AE_MODE_SHADOW;
    fx_answer(f, 401, "{}");
    r = fx_get(f, NULL, "/api/v1/applications");
    tap_ok(r.kind == AE_FORWARD && !*r.set && !*r.edit
           && ae_counter_value(f->e, AE_N_shadow_same) == 1,
           "shadow: agrees, changes nothing");
    fx_answer(f, 200, "{}");
    r = fx_get(f, NULL, "/api/v1/applications");
    tap_ok(ae_counter_value(f->e, AE_N_divergence) == before + 1,
           "shadow: a divergence is counted");
    fx_answer(f, 200, "{\"value\":\"yes\"}");
    fx_get(f, "nobody", CANI);
    tap_ok(ae_counter_value(f->e, AE_N_divergence) == before + 2,
           "shadow: can-i is compared by body");
    fx_get(f, "bob", CANI);
    tap_ok(ae_counter_value(f->e, AE_N_shadow_same) == 2, "and agrees");
    f->loc.mode = AE_MODE_ENFORCE;
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

static void test_bodies(struct fx *f)
{
    struct fx_req q = { .user = "nobody", .method = "PUT",
        .target = "/api/v1/account/password",
        .h = { { "Content-Type", "application/json" } } };
    struct fx_res r;

    q.body = "{\"name\":\"bob\",\"newPassword\":\"x\"}";
    r = fx_run(f, q);
    tap_ok(r.status == 403 && strstr(r.body, "accounts, update, bob"),
           "the body names the object: %s", r.body);
    q.body = "{\"name\":\"nobody\",\"NAME\":\"bob\"}";
    r = fx_run(f, q);
    tap_ok(r.status == 400, "R31: case variants clash: %d", r.status);
    q.body = "{\"name\":\"bob\",\"name\":\"nobody\"}";
    r = fx_run(f, q);
    tap_ok(r.status == 400, "R31: duplicates");
    q.body = "{\"NAME\":\"bob\"}";
    r = fx_run(f, q);
    tap_ok(r.kind == AE_FORWARD, "an odd spelling is left to Argo CD");
    q.body = "{";
    r = fx_run(f, q);
    tap_ok(r.kind == AE_FORWARD, "what does not parse as well");
    f->loc.max_body = 4;
    q.body = "{\"name\":\"bob\"}";
    r = fx_run(f, q);
    tap_ok(r.kind == AE_FORWARD, "and what is over the cap");
    f->loc.max_body = 1 << 20;
}

/* What Argo CD quotes of a token may hold NUL, and is quoted in full.  libjwt
 * cannot mint such a token. */
static void test_nul(struct fx *f)
{
    unsigned char mac[32];
    struct fx_res r;
    ae_str in, tok;

    in = ae_fmt(&f->a, "%s.%s",
        ae_b64url_encode(&f->a, AE_STR("{\"alg\":\"HS256\"}")).p,
        ae_b64url_encode(&f->a, AE_STR("{\"iss\":\"argocd\",\"sub\":"
            "\"a\\u0000b:apiKey\",\"iat\":1767225600,\"nbf\":"
            "1767225600,\"jti\":\"x\"}")).p);
    HMAC(EVP_sha256(), FX_SECRET, sizeof FX_SECRET - 1,
         (const unsigned char *)in.p, in.n, mac, NULL);
    tok = ae_fmt(&f->a, "%s.%s", in.p,
                 ae_b64url_encode(&f->a, ae_s((char *)mac, 32)).p);
    r = fx_run(f, (struct fx_req){ .token = tok.p,
                                   .target = "/api/v1/applications" });
    tap_ok(r.kind == AE_REPLY && r.status == 401
           && strstr(r.body, "a\\u0000b"), "NUL: %s", r.body);
}

/* Terminal actions stay, whatever is called afterwards. */
static void test_stable(struct fx *f)
{
    static const char *const who[] = { "bob", NULL, "alice" };
    struct fx_call c;
    struct ae_act one, two;

    for (size_t i = 0; i < 3; i++) {
        struct fx_req q = { .user = who[i], .target = CANI };
        ae_heap heap = { 0 };
        ae_txn *t;

        if (i == 2)
            q.target = "/api/v1/projects";
        fx_fill(f, &q, &c);
        t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
        ae_txn_step(t, &one);
        tap_ok(ae_txn_body(t, AE_STR("x"), AE_BODY_LAST) == AE_E_STATE
               && ae_txn_fetched(t, 1, 200, AE_STR(""), AE_STR(""), 0)
               == AE_E_STATE, "nothing was asked for");
        ae_txn_step(t, &two);
        tap_ok(memcmp(&one, &two, sizeof one) == 0, "stable %d", one.kind);
        ae_txn_end(t);
        ae_heap_free(&heap);
    }
}

/* ---- F8: the n-th allocation fails -------------------------------------- */

static void *refuse_block(void *ctx, size_t n)
{
    (void)ctx, (void)n;
    return NULL;
}

/* Is |r| something that a failure must not have turned |full| into? */
static bool too_generous(const struct fx_res *r, const struct fx_res *full)
{
    if (r->kind == AE_CACHED || (r->kind == AE_REPLY && r->status == 200))
        return true;
    if (r->kind == AE_FAIL)
        return r->status != 500;
    return full->kind == AE_REPLY; /* a refusal must not get through */
}

/* Runs |q| with its arena cut off after n bytes, for every n until it passes
 * undisturbed: each single allocation fails in turn. */
static void sweep(struct fx *f, const char *name, struct fx_req q)
{
    struct fx_res full, r;
    struct fx_call c;
    int bad = 0, starved = 0;
    size_t n;

    fx_fill(f, &q, &c);
    tap_ok(!fx_run_mem(f, &c, q.body, (struct ae_mem){ refuse_block, NULL },
                       &r), "F8: %s: no memory, no transaction", name);
    full = fx_run(f, q);
    for (n = 16; n < 65536; n += 16) {
        ae_heap heap = { 0 };

        f->limit = n;
        fx_run_mem(f, &c, q.body, ae_heap_mem(&heap), &r);
        ae_heap_free(&heap);
        if (!f->starved)
            break;
        starved++;
        /* What starved only on the way back had been decided in full. */
        if (r.kind == full.kind && r.status == full.status
            && !strcmp(r.body, full.body))
            continue;
        bad += too_generous(&r, &full);
    }
    f->limit = 0;
    tap_ok(!bad && starved && n < 65536, "F8: %s, %d failures, %d bad", name,
           starved, bad);
}

static void test_sweeps(struct fx *f)
{
    sweep(f, "can-i", (struct fx_req){ .user = "bob", .target = CANI });
    sweep(f, "refusal", (struct fx_req){ .user = "bob",
          .target = "/api/v1/projects/teama" });
    sweep(f, "miss", (struct fx_req){ .user = "alice",
          .target = "/api/v1/applications/a1",
          .h = { { "Cache-Control", "no-cache" } } });
    fx_get(f, "alice", "/api/v1/applications/a1");
    tap_ok(fx_get(f, "alice", "/api/v1/applications/a1").kind == AE_CACHED,
           "a hit to sweep");
    tap_ok(f->used < 4096, "a hit is small: %zu bytes", f->used);
    sweep(f, "hit", (struct fx_req){ .user = "alice",
          .target = "/api/v1/applications/a1" });
    sweep(f, "body", (struct fx_req){ .user = "nobody", .method = "PUT",
          .target = "/api/v1/account/password",
          .h = { { "Content-Type", "application/json" } },
          .body = "{\"name\":\"bob\"}" });
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_paths(&f);
    test_credentials(&f);
    test_modes(&f);
    test_bodies(&f);
    test_nul(&f);
    test_stable(&f);
    test_sweeps(&f);
    fx_close(&f);
    return tap_done();
}
