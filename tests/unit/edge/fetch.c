/* fetch.c - the look-up of an application's project (argo_edge_lookup). */
#include "fixture.h"

#define TREE "/api/v1/applications/a1/resource-tree"

struct run {
    struct fx_call c;
    ae_heap        heap;
    struct ae_act  act;
    ae_txn        *t;
};

static void start(struct fx *f, struct run *r, struct fx_req q)
{
    memset(r, 0, sizeof *r);
    fx_fill(f, &q, &r->c);
    r->t = ae_txn_begin(f->e, &f->loc, &r->c.req, ae_heap_mem(&r->heap));
    ae_txn_step(r->t, &r->act);
}

/* Answer the look-up, then let the request itself be answered by a tree. */
static void answer(struct run *r, int status, const char *body,
                   unsigned flags)
{
    ae_txn_fetched(r->t, r->act.fetch.id, status, AE_STR("application/json"),
                   ae_cs(body), flags);
    ae_txn_step(r->t, &r->act);
}

static void finish(struct fx *f, struct run *r, char *cache, size_t n)
{
    struct fx_res res;

    cache[0] = 0;
    if (r->act.kind == AE_FORWARD) {
        fx_answer(f, 200, "{\"nodes\":[]}");
        fx_upstream(f, r->t, &res);
        fx_copy(cache, n, ae_txn_var(r->t, AE_V_CACHE));
    }
    ae_txn_end(r->t);
    ae_heap_free(&r->heap);
}

#define tree(who) (struct fx_req){ .user = (who), .target = TREE }

static void test_learns(struct fx *f)
{
    char cache[64];
    struct ae_act again;
    struct run r;

    start(f, &r, tree("ci"));
    tap_ok(r.act.kind == AE_NEED_FETCH
           && ae_eq_lit(r.act.fetch.target, "/api/v1/applications/a1")
           && ae_eq(r.act.fetch.authorization,
                    r.c.req.hdr[AE_H_AUTHORIZATION])
           && !r.act.fetch.cookie.p, "asks with the caller's credential");
    ae_txn_step(r.t, &again);
    tap_ok(!memcmp(&again, &r.act, sizeof again), "and waits");
    tap_ok(ae_txn_fetched(r.t, r.act.fetch.id + 1, 200, AE_STR(""),
                          AE_STR(""), AE_BODY_LAST) == AE_E_INVAL,
           "for this answer and no other");
    answer(&r, 200, FX_APP("a1", "teama"), AE_BODY_LAST);
    tap_ok(r.act.kind == AE_FORWARD, "then goes on");
    tap_ok(ae_eq_lit(ae_txn_trace(r.t), "shape,route,credential,verify,body,"
                     "decide,cache,fetch,forward"), "its path");
    tap_ok(ae_txn_fetched(r.t, 1, 200, AE_STR(""), AE_STR(""), 0)
           == AE_E_STATE, "and has asked once");
    finish(f, &r, cache, sizeof cache);
    tap_ok(!strcmp(cache, "stored"), "what it then gets is stored: %s",
           cache);
    tap_ok(fx_get(f, "ci", TREE).kind == AE_CACHED, "and is a hit");
    fx_pass(f, 60000);
    start(f, &r, tree("ci"));
    tap_ok(r.act.kind == AE_FORWARD, "the project is remembered");
    finish(f, &r, cache, sizeof cache);
    start(f, &r, tree("alice"));
    tap_ok(r.act.kind == AE_NEED_FETCH, "for who has learnt it");
    answer(&r, 200, FX_APP("a1", ""), AE_BODY_LAST);
    finish(f, &r, cache, sizeof cache);
    tap_ok(!strcmp(cache, "stored"), "no project is default: %s", cache);
    /* An answer that moves the application refuses nothing. */
    start(f, &r, (struct fx_req){ .user = "bob", .target =
        "/api/v1/applications/b1/resource-tree" });
    tap_ok(r.act.kind == AE_NEED_FETCH, "bob may see teamb only");
    answer(&r, 200, FX_APP("b1", "teama"), AE_BODY_LAST);
    tap_ok(r.act.kind == AE_FORWARD, "what is learnt refuses nothing");
    finish(f, &r, cache, sizeof cache);
    tap_ok(fx_get(f, "bob", "/api/v1/applications/b1/resource-tree").kind
           != AE_CACHED, "nor does it serve");
}

/* Whatever is no whole manifest of this application. */
static void test_nothing(struct fx *f)
{
    static const struct {
        int status; unsigned flags; const char *body, *say;
    } c[] = {
        { 0, AE_BODY_LAST, "", "failed" },
        { 403, AE_BODY_LAST, FX_APP("a1", "teama"), "refused" },
        { 404, AE_BODY_LAST, FX_APP("a1", "teama"), "absent" },
        { 206, AE_BODY_LAST, FX_APP("a1", "teama"), "part" },
        { 200, 0, FX_APP("a1", "teama"), "incomplete" },
        { 200, AE_BODY_LAST | AE_BODY_TOO_BIG, FX_APP("a1", "teama"),
          "too big" },
        { 200, AE_BODY_LAST, FX_APP("a2", "teama"), "another name" },
        { 200, AE_BODY_LAST, "{\"metadata\":{\"name\":\"a1\","
          "\"namespace\":\"ns2\"},\"spec\":{\"project\":\"teama\"}}",
          "another namespace" },
        { 200, AE_BODY_LAST, "{\"metadata\":{\"name\":\"a1\","
          "\"namespace\":\"argocd\"},\"spec\":{\"project\":\"teama\"}",
          "cut short" },
        { 200, AE_BODY_LAST, "{\"metadata\":{\"name\":\"a1\"},\"spec\":{}}",
          "no project" },
    };
    char cache[64];
    struct run r;

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        start(f, &r, tree("admin"));
        tap_ok(r.act.kind == AE_NEED_FETCH, "asks");
        answer(&r, c[i].status, c[i].body, c[i].flags);
        tap_ok(r.act.kind == AE_FORWARD, "%s: goes on", c[i].say);
        finish(f, &r, cache, sizeof cache);
        tap_ok(!strcmp(cache, "project unknown"), "%s: %s", c[i].say, cache);
    }
    start(f, &r, tree("admin"));
    ae_txn_fetched(r.t, 1, 200, AE_STR("text/html"),
                   AE_STR(FX_APP("a1", "teama")), AE_BODY_LAST);
    ae_txn_step(r.t, &r.act);
    finish(f, &r, cache, sizeof cache);
    tap_ok(!strcmp(cache, "project unknown"), "html: %s", cache);
}

static void quiet(struct fx *f, struct fx_req q, const char *say)
{
    char cache[64];
    struct run r;

    start(f, &r, q);
    tap_ok(r.act.kind != AE_NEED_FETCH, "%s: no look-up", say);
    finish(f, &r, cache, sizeof cache);
}

static void test_when(struct fx *f)
{
    char cache[64];
    struct run r;

    start(f, &r, (struct fx_req){ .user = "admin", .cookie = true,
        .target = "/api/v1/applications/a5/managed-resources"
                  "?appNamespace=apps-x",
        .h = { { "Authorization", "Basic eDp5" } } });
    tap_ok(r.act.kind == AE_NEED_FETCH
           && ae_eq_lit(r.act.fetch.target,
                        "/api/v1/applications/a5?appNamespace=apps-x"),
           "another namespace");
    tap_ok(ae_starts(r.act.fetch.cookie, AE_STR("argocd.token=ey"))
           && ae_eq_lit(r.act.fetch.authorization, "Basic eDp5"),
           "a cookie, and what is meant for another");
    finish(f, &r, cache, sizeof cache);
    quiet(f, (struct fx_req){ .user = "admin", .target = TREE
        "?project=teama" }, "the request names it");
    quiet(f, (struct fx_req){ .user = "admin",
        .target = "/api/v1/applications/a1" }, "get shows it");
    quiet(f, (struct fx_req){ .user = "admin",
        .target = "/api/v1/projects/teama" }, "no application");
    quiet(f, (struct fx_req){ .user = "admin", .method = "DELETE",
        .target = "/api/v1/applications/a1",
        .h = { { "Content-Type", "application/json" } } }, "a write");
    quiet(f, (struct fx_req){ .user = "admin",
        .target = "/api/v1/applications/A_1/resource-tree" },
        "a name that cannot be");
    quiet(f, (struct fx_req){ .token = "a.b.c", .target = TREE },
          "a bad token");
    f->loc.cache = 0;
    quiet(f, tree("admin"), "nothing is stored here");
    f->loc.cache = 1;
    f->loc.mode = AE_MODE_SHADOW;
    quiet(f, tree("admin"), "shadow");
    f->loc.mode = AE_MODE_ENFORCE;
    f->loc.lookup = 0;
    quiet(f, tree("admin"), "switched off");
    f->loc.lookup = 1;
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    f.loc.lookup = 1;
    test_nothing(&f);
    test_when(&f);
    fx_pass(&f, 60000); /* the write */
    ae_engine_tick(f.e);
    test_learns(&f);
    fx_close(&f);
    return tap_done();
}
