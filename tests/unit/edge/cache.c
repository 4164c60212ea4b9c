/* cache.c - what is stored, what is served, and to whom (K01-K12, T7-T13). */
#include "fixture.h"

#define APP "/api/v1/applications/a1"
#define LIST "/api/v1/applications"

static uint64_t n(const struct fx *f, enum ae_counter c)
{
    return ae_counter_value(f->e, c);
}

static struct fx_res with(struct fx *f, const char *who, const char *target,
                          const char *name, const char *value)
{
    return fx_run(f, (struct fx_req){ .user = who, .target = target,
                                      .h = { { name, value } } });
}

static void test_hit(struct fx *f)
{
    struct fx_res r = fx_get(f, "alice", APP);

    tap_ok(r.kind == AE_FORWARD && strstr(r.set, "Accept-Encoding: identity"),
           "first: a miss");
    tap_ok(!strcmp(r.cache, "stored"), "stored (%s)", r.cache);
    tap_ok(strstr(r.edit, "Cache-Control: private, no-cache")
           && strstr(r.edit, "Vary: Accept-Encoding, Authorization, Cookie")
           && strstr(r.edit, "Cache-Status: argo-edge; fwd=uri-miss"),
           "T12: what is stored is marked");
    fx_pass(f, 2000);
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_CACHED && r.status == 200 && f->hits == 1
           && !strcmp(r.body, FX_APP("a1", "teama")), "second: a hit");
    tap_ok(strstr(r.hdr, "Age: 2\n") && strstr(r.hdr, "nosniff")
           && strstr(r.hdr, "Cache-Status: argo-edge; hit; ttl=2\n")
           && strstr(r.hdr, "Cache-Control: private, no-cache\n"),
           "and its headers");
    tap_ok(!strcmp(r.trace, "shape,route,credential,verify,body,decide,"
                   "cache,cached"), "path of a hit");
    r = with(f, "alice", APP, "Cache-Control", "no-cache");
    tap_ok(r.kind == AE_FORWARD && f->hits == 2, "no-cache goes upstream");
    r = with(f, "alice", APP, "Cache-Control", "no-store");
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "no-store"), "no-store");
    r = with(f, "alice", APP "?project=teama", "Cache-Control",
             "only-if-cached");
    tap_ok(r.kind == AE_REPLY && r.status == 504, "only-if-cached: 504");
    r = with(f, "alice", APP, "Accept", "text/event-stream");
    tap_ok(r.kind == AE_FORWARD, "event streams are not served");
    r = fx_get(f, "alice", APP "?utm=1");
    tap_ok(r.kind == AE_FORWARD && strcmp(r.cache, "stored"),
           "Q07: unknown parameters are not stored");
    r = fx_get(f, "alice", APP "?refresh=hard");
    tap_ok(r.kind == AE_FORWARD && strcmp(r.cache, "stored"),
           "Q04: refresh is not stored");
    fx_pass(f, 6000);
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_FORWARD, "gone after its lifetime");
}

/* K01, K02: nobody is served another's answer. */
static void test_identities(struct fx *f)
{
    struct fx_res r;

    fx_answer(f, 200, "{\"items\":[\"all\"]}");
    fx_get(f, "admin", LIST);
    r = fx_get(f, "admin", LIST);
    tap_ok(r.kind == AE_CACHED, "a list is served to who fetched it (%s)",
           r.cache);
    fx_answer(f, 200, "{\"items\":null}");
    r = fx_get(f, "bob", LIST);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.body, "{\"items\":null}"),
           "K01: and to nobody else");
    r = fx_run(f, (struct fx_req){ .user = "admin", .target = LIST,
                                   .cookie = true });
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "cookie"),
           "lists are not served to cookies");
    fx_answer(f, 403, "{\"error\":\"permission denied\",\"code\":7,"
                      "\"message\":\"permission denied\"}");
    r = fx_get(f, "bob", APP);
    tap_ok(r.kind != AE_CACHED && r.status == 403, "K02: bob's own answer");
    r = fx_get(f, "bob", APP);
    tap_ok(r.kind != AE_CACHED, "T11: a denial is not stored");
    fx_answer(f, 200, "{\"items\":[\"less\"]}");
    r = fx_get(f, "admin", LIST "?fields=items.metadata.name");
    tap_ok(r.kind == AE_FORWARD, "Q05: fields= is in the key");
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

/* Nothing but a plain, complete, private-free 200 is stored (K05-K08). */
static void refuse(struct fx *f, const char *what)
{
    struct fx_res r;

    fx_pass(f, 60000);
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_FORWARD && strcmp(r.cache, "stored"), "%s: %s", what,
           r.cache);
    f->broken = false;
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

static void test_admission(struct fx *f)
{
    static const int bad[] = { 201, 206, 307, 401, 403, 404, 415, 500 };
    char name[32];

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fx_answer(f, bad[i], FX_APP("a1", "teama"));
        snprintf(name, sizeof name, "K06: %d", bad[i]);
        refuse(f, name);
    }
    f->resp.set_cookie = AE_STR("a=b");
    refuse(f, "K05: Set-Cookie");
    f->resp.has_renew = true;
    refuse(f, "K05: renewed token");
    f->resp.ctype = AE_STR("text/html");
    refuse(f, "K07: html");
    f->resp.ctype = AE_STR("text/event-stream");
    refuse(f, "K07: event stream");
    f->broken = true;
    refuse(f, "K07: cut short");
    f->resp.vary = AE_STR("*");
    refuse(f, "K08: Vary *");
    f->resp.vary = AE_STR("Cookie");
    refuse(f, "K08: Vary Cookie");
    f->resp.cache_control = AE_STR("no-store");
    refuse(f, "K08: no-store");
    f->resp.cache_control = AE_STR("private");
    refuse(f, "K08: private");
    f->resp.content_encoding = AE_STR("gzip");
    refuse(f, "encoded");
    fx_answer(f, 200, "{\"error\":\"x\",\"code\":2,\"message\":\"x\"}");
    refuse(f, "200 with an error in it");
    fx_answer(f, 200, FX_APP("other", "teama"));
    refuse(f, "another application than asked for");
    fx_answer(f, 200, "{\"metadata\":{\"name\":\"a9\"}}");
    tap_ok(strcmp(fx_get(f, "alice", "/api/v1/applications/a9").cache,
                  "stored"), "no project in sight");
    fx_answer(f, 200, FX_APP("a1", "teama"));
    f->loc.max_object = 8;
    refuse(f, "over the cap");
    f->resp.content_length = -1;
    refuse(f, "over the cap, length unknown");
    f->loc.max_object = 1 << 20;
    f->cut = 7;
    fx_get(f, "alice", APP);
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "pieces are joined");
    f->cut = 0;
    fx_pass(f, 60000);
    f->resp.cache_control = AE_STR("max-age=1");
    fx_get(f, "alice", APP);
    fx_pass(f, 1500);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD,
           "not longer than the upstream grants");
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

/* K03: a hit is decided again, at the snapshot of now. */
static void test_policy(struct fx *f)
{
    struct fx_res r;

    fx_pass(f, 60000);
    ae_engine_tick(f->e); /* the quarantine of refresh= is over */
    fx_get(f, "alice", APP);
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "alice may");
    fx_pass(f, 1000);
    fx_write(f, "argocd-rbac-cm", "policy.csv",
             "g, alice, role:readonly\n"
             "p, alice, applications, get, teama/*, deny\n");
    ae_engine_tick(f->e);
    tap_ok(n(f, AE_N_reload) == 1, "a new policy is in force");
    fx_answer(f, 403, "{}");
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind != AE_CACHED && r.status == 403, "K03: no longer");
    fx_write(f, "argocd-rbac-cm", "policy.csv", FX_POLICY "\n# again\n");
    ae_engine_tick(f->e);
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_CACHED, "one object outlives an edit that lets it");
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

/* T7 */
static void test_lease(struct fx *f)
{
    struct fx_res r;

    f->loc.ttl_applications_ms = 600000;
    f->loc.dead_token_ms = 0;
    fx_pass(f, 60000);
    fx_get(f, "alice", APP);
    fx_pass(f, 29000);
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "within the lease");
    fx_pass(f, 2000);
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_FORWARD && n(f, AE_N_cache_no_lease) > 0,
           "beyond it the upstream is asked");
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "and has renewed it");
    fx_answer(f, 401, "{\"error\":\"invalid session: gone\",\"code\":16,"
                      "\"message\":\"invalid session: gone\"}");
    with(f, "alice", APP, "Cache-Control", "no-cache");
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_FORWARD && r.status == 401, "K04: a 401 ends it");
    fx_answer(f, 200, FX_APP("a1", "teama"));
    fx_get(f, "alice", APP);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD,
           "what was accepted no later than that does not bring it back");
    fx_pass(f, 1);
    fx_get(f, "alice", APP);
    fx_answer(f, 401, "{\"error\":\"other\",\"code\":16,"
                      "\"message\":\"other\"}");
    with(f, "alice", APP, "Cache-Control", "no-cache");
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED,
           "no other 401 does");
    f->loc.lease_ms = 0;
    fx_pass(f, 100000);
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "0: no lease needed");
    f->loc.lease_ms = 30000;
    f->loc.dead_token_ms = 10000;
    f->loc.ttl_applications_ms = 5000;
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

static struct fx_res del(struct fx *f, int status)
{
    struct fx_res r;

    fx_answer(f, status, "{}");
    r = fx_run(f, (struct fx_req){ .user = "admin", .method = "DELETE",
        .target = APP "?project=teama",
        .h = { { "Content-Type", "application/json" } } });
    fx_answer(f, 200, FX_APP("a1", "teama"));
    return r;
}

/* K11, T13 */
static void test_writes(struct fx *f)
{
    struct fx_res r;

    fx_pass(f, 60000);
    ae_engine_tick(f->e);
    fx_get(f, "alice", APP);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_CACHED, "a list before");
    del(f, 403);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_CACHED,
           "a write that came to nothing keeps nobody waiting");
    r = del(f, 200);
    tap_ok(r.kind == AE_FORWARD, "admin deletes");
    r = fx_get(f, "alice", LIST);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "quarantine"),
           "K11: the list is fetched again, and not kept yet (%s)", r.cache);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD, "so is the object");
    fx_pass(f, 5100);
    ae_engine_tick(f->e);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_CACHED,
           "kept again after the quarantine");
    tap_ok(n(f, AE_N_cache_bumped) >= 3, "before, after, and at its end");
}

/* An answer that a write overtook is dropped. */
static void test_overtaken(struct fx *f)
{
    struct fx_req q = { .user = "alice", .target = APP };
    ae_str tag = AE_STR("app:argocd/a1");
    struct ae_resp_edit edit;
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_act act;
    ae_txn *t;

    fx_pass(f, 60000);
    ae_engine_tick(f->e);
    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    f->e->store->ops->bump(f->e->store, &tag, 1);
    ae_txn_response(t, &f->resp, &edit);
    ae_txn_resp_part(t, ae_cs(f->body));
    ae_txn_resp_end(t, true);
    tap_ok(ae_eq_lit(ae_txn_var(t, AE_V_CACHE), "overtaken"),
           "overtaken by a write: %.*s",
           (int)ae_txn_var(t, AE_V_CACHE).n, ae_txn_var(t, AE_V_CACHE).p);
    ae_txn_end(t);
    ae_heap_free(&heap);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD, "and not served");
}

/* Parts of an application: the project comes from the request or a hint. */
static void test_parts(struct fx *f)
{
    static const char tree[] = "{\"nodes\":[]}";
    struct fx_res r;

    fx_pass(f, 60000);
    ae_engine_tick(f->e);
    fx_answer(f, 200, tree);
    r = fx_get(f, "ci", APP "/resource-tree");
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "project unknown"),
           "nobody knows its project (%s)", r.cache);
    r = fx_get(f, "ci", APP "/resource-tree?project=teama");
    tap_ok(!strcmp(r.cache, "stored"), "the request names it (%s)", r.cache);
    tap_ok(fx_get(f, "ci", APP "/resource-tree?project=teama").kind
           == AE_CACHED, "a hit");
    fx_answer(f, 200, FX_APP("a1", "teama"));
    fx_get(f, "ci", APP);
    fx_answer(f, 200, tree);
    r = fx_get(f, "ci", APP "/resource-tree");
    tap_ok(!strcmp(r.cache, "stored"), "an answer has shown it (%s)",
           r.cache);
    r = fx_get(f, "admin", APP "/resource-tree");
    tap_ok(!strcmp(r.cache, "project unknown"),
           "what one has learnt settles nothing for another (%s)", r.cache);
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

/* RFC 9111 section 4.2: the upstream may shorten a life, never lengthen it;
 * R23: lives end at different times, and never late. */
static void test_lives(struct fx *f)
{
    int64_t least = INT64_MAX, most = 0;

    for (int i = 0; i < 1000; i++) {
        int64_t us = ae_edge_jitter(f->e, 5000000);

        least = us < least ? us : least;
        most = us > most ? us : most;
    }
    tap_ok(least >= 4500000 && least < 4600000, "R23: not under 90 %%");
    tap_ok(most <= 5000000 && most > 4900000, "R23: not over 100 %%");
    tap_ok(ae_edge_jitter(f->e, 0) == 0, "R23: nothing of nothing");
    fx_pass(f, 60000);
    f->resp.cache_control = AE_STR("max-age=2");
    fx_get(f, "alice", APP);
    fx_pass(f, 1500);
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "max-age=2, at 1.5 s");
    fx_pass(f, 600);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD, "max-age=2, at 2.1 s");
    fx_pass(f, 60000);
    f->resp.cache_control = AE_STR("max-age=60, s-maxage=\"1\"");
    fx_get(f, "alice", APP);
    fx_pass(f, 1100);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD, "s-maxage goes first");
    fx_pass(f, 60000);
    f->resp.cache_control = AE_STR("max-age=600");
    fx_get(f, "alice", APP);
    fx_pass(f, 5100);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD, "ours is the longest");
    f->resp.cache_control = ae_s(NULL, 0);
}

/* T12: of the upstream's own headers only what is stricter stays. */
static void test_marks(struct fx *f)
{
    struct fx_res r;

    fx_pass(f, 60000);
    f->resp.cache_control = AE_STR("public, max-age=60");
    f->resp.vary = AE_STR("Origin");
    r = fx_get(f, "alice", LIST);
    tap_ok(strstr(r.edit, "Cache-Control: private, no-cache\n")
           && strstr(r.edit, "Vary: Origin, Accept-Encoding, Authorization,"
                     " Cookie\n")
           && strstr(r.edit, "X-Content-Type-Options: nosniff\n"),
           "public becomes private: %s", r.edit);
    f->resp.cache_control = AE_STR("No-Store");
    f->resp.vary = AE_STR("*");
    r = fx_get(f, "alice", LIST);
    tap_ok(!strstr(r.edit, "Cache-Control") && !strstr(r.edit, "Vary"),
           "no-store and * stay: %s", r.edit);
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

/* D06: what is over the cap is let go, and takes no memory from then on. */
static void cap(struct fx *f, const char *body, size_t cut, int64_t length,
                const char *want, const char *say)
{
    struct fx_res r;

    fx_pass(f, 60000);
    fx_answer(f, 200, body);
    f->resp.content_length = length;
    f->cut = cut;
    r = fx_get(f, "alice", LIST);
    f->cut = 0;
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, want), "%s: %s", say,
           r.cache);
}

static void test_caps(struct fx *f)
{
    static char body[300001];
    int64_t saved = f->loc.max_object, n = sizeof body - 1;

    memset(body, ' ', sizeof body - 1);
    memcpy(body, "{\"items\":[", 10);
    memcpy(body + n - 2, "]}", 2);
    f->loc.max_object = n;
    cap(f, body, 777, -1, "stored", "D06: just the cap, no length");
    tap_ok(f->used < 3 * (size_t)n, "each byte is held twice at most");
    tap_ok(fx_get(f, "alice", LIST).kind == AE_CACHED, "and served");
    cap(f, body, 0, n, "stored", "D06: just the cap, with a length");
    tap_ok(f->used < (size_t)n + 20000, "each byte is held once");
    cap(f, body, 777, n - 1, "too big", "more than was announced");
    cap(f, body, 777, n + 1, "length", "announced over the cap");
    f->loc.max_object = n + 1;
    cap(f, body, 777, n + 1, "incomplete", "less than was announced");
    f->loc.max_object = 100000;
    cap(f, body, 777, -1, "too big", "D06: over the cap");
    tap_ok(f->used < 200000, "flat from then on: %zu", f->used);
    f->loc.max_object = saved;
    fx_pass(f, 60000); /* the lease */
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

/* settings: by the logged-in bit; accounts: by the caller. */
static void test_shared(struct fx *f)
{
    struct fx_res r;

    fx_answer(f, 200, "{\"url\":\"public\"}");
    fx_get(f, NULL, "/api/v1/settings");
    tap_ok(fx_get(f, NULL, "/api/v1/settings").kind == AE_CACHED,
           "settings without a token");
    fx_answer(f, 200, "{\"url\":\"full\"}");
    r = fx_get(f, "alice", "/api/v1/settings");
    tap_ok(r.kind == AE_FORWARD, "not for who is logged in");
    r = fx_get(f, "alice", "/api/v1/settings");
    tap_ok(r.kind == AE_FORWARD, "T7: settings accept no token");
    fx_get(f, "alice", "/api/v1/projects");
    r = fx_get(f, "alice", "/api/v1/settings");
    tap_ok(r.kind == AE_CACHED && !strcmp(r.body, "{\"url\":\"full\"}"),
           "who has a copy of their own");
    r = fx_get(f, NULL, "/api/v1/settings");
    tap_ok(r.kind == AE_CACHED && !strcmp(r.body, "{\"url\":\"public\"}"),
           "and the other one stays");
    r = fx_run(f, (struct fx_req){ .target = "/api/v1/settings",
                                   .token = "a.b.c" });
    tap_ok(r.kind == AE_FORWARD, "a bad token shares nothing");
    fx_answer(f, 200, "{\"name\":\"alice\"}");
    fx_get(f, "alice", "/api/v1/account/alice");
    tap_ok(fx_get(f, "alice", "/api/v1/account/alice").kind == AE_CACHED,
           "one's own account");
    tap_ok(fx_get(f, "bob", "/api/v1/account/alice").kind == AE_REPLY,
           "is nobody else's");
}

/* K12: fields are length-prefixed. */
static void test_keys(struct fx *f)
{
    struct fx_res r;

    fx_answer(f, 200, "{\"items\":[1]}");
    fx_get(f, "alice", LIST "?projects=a&repo=b");
    r = fx_get(f, "alice", LIST "?repo=b&projects=a");
    tap_ok(r.kind == AE_CACHED, "the order of parameters does not matter");
    r = fx_get(f, "alice", LIST "?projects=a%26repo=b");
    tap_ok(r.kind == AE_FORWARD, "K12: but where they end does");
    r = fx_get(f, "alice", LIST "?projects=b&repo=a");
    tap_ok(r.kind == AE_FORWARD, "and what they say");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_hit(&f);
    test_identities(&f);
    test_admission(&f);
    test_policy(&f);
    test_lease(&f);
    test_writes(&f);
    test_overtaken(&f);
    test_parts(&f);
    test_lives(&f);
    test_marks(&f);
    test_caps(&f);
    test_shared(&f);
    test_keys(&f);
    fx_close(&f);
    return tap_done();
}
