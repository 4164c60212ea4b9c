/* lease.c - leases: granted, ended, asked for (T7, K04). */
#include "fixture.h"

#define APP "/api/v1/applications/a1"
#define LIST "/api/v1/applications"
#define INFO "/api/v1/session/userinfo"

static struct ae_identity who(unsigned char token, unsigned char id)
{
    struct ae_identity i = { .kind = AE_KIND_LOGIN };

    memset(i.digest, token, sizeof i.digest);
    memset(i.id_hash, id, sizeof i.id_hash);
    return i;
}

static void test_table(ae_engine *e)
{
    struct ae_identity a = who(1, 1), b = who(2, 1), c = who(3, 3);
    bool live;

    tap_ok(!ae_lease_live(e, a.digest, 100, 50), "no lease");
    ae_lease_grant(e, &a, 100);
    tap_ok(ae_lease_live(e, a.digest, 149, 50)
           && !ae_lease_live(e, a.digest, 150, 50), "as long as it says");
    tap_ok(!ae_lease_live(e, a.digest, 99, 50), "F20: not from the future");
    ae_lease_grant(e, &a, 90);
    tap_ok(ae_lease_live(e, a.digest, 149, 50),
           "an older one takes nothing away");
    ae_lease_end(e, &a, 110);
    tap_ok(!ae_lease_live(e, a.digest, 111, 50), "ended");
    ae_lease_grant(e, &a, 110);
    tap_ok(!ae_lease_live(e, a.digest, 111, 50),
           "an acceptance from before the end says nothing");
    ae_lease_grant(e, &a, 111);
    tap_ok(ae_lease_live(e, a.digest, 111, 50), "one from after it does");
    ae_lease_end(e, &b, 120);
    ae_lease_grant(e, &b, 119);
    tap_ok(!ae_lease_live(e, b.digest, 121, 50),
           "an end is remembered of who had no lease, too");
    ae_lease_grant(e, &b, 121);
    ae_lease_grant(e, &c, 121);
    ae_lease_end_all(e, &a, 125);
    live = ae_lease_live(e, a.digest, 126, 50)
        || ae_lease_live(e, b.digest, 126, 50);
    tap_ok(!live, "all tokens of one identity end");
    tap_ok(ae_lease_live(e, c.digest, 126, 50), "and nobody else's");
    ae_lease_grant(e, &c, 0);
    tap_ok(ae_lease_live(e, c.digest, 126, 50), "0 is no time");
}

/* The same bucket: the first bytes choose it, others tell tokens apart. */
static void test_full(ae_engine *e)
{
    struct ae_identity a = who(9, 9), x = who(9, 9);
    uint64_t key;

    ae_lease_grant(e, &a, 1);
    memcpy(&key, a.digest, sizeof key);
    for (int i = 1; i <= 8; i++) {
        key += e->nleases;
        memcpy(x.digest, &key, sizeof key);
        ae_lease_grant(e, &x, 100 + i);
    }
    tap_ok(!ae_lease_live(e, a.digest, 109, 1000)
           && ae_lease_live(e, x.digest, 109, 1000),
           "the oldest makes room");
    memcpy(a.digest, x.digest, 8);
    a.digest[8] = (unsigned char)(x.digest[8] ^ 2);
    tap_ok(!ae_lease_live(e, a.digest, 109, 1000),
           "one key is not enough to be served");
}

/* ---- logout ------------------------------------------------------------- */

static bool hit(struct fx *f, const char *user)
{
    return fx_get(f, user, APP).kind == AE_CACHED;
}

static void fill(struct fx *f, const char *user)
{
    fx_pass(f, 700000);
    fx_answer(f, 200, FX_APP("a1", "teama"));
    fx_get(f, user, APP);
    tap_ok(hit(f, user), "%s has a hit", user);
}

static void test_logout(struct fx *f)
{
    struct fx_req out = { .user = "alice", .target = "/auth/logout",
                          .cookie = true };
    struct fx_req del = { .user = "admin", .target = "/api/v1/session",
                          .method = "DELETE",
                          .h = { { "Content-Type", "application/json" } } };
    struct fx_res r;

    fill(f, "admin");
    fill(f, "alice");
    r = fx_run(f, out);
    tap_ok(r.kind == AE_FORWARD, "a logout is passed on");
    tap_ok(!hit(f, "alice"), "and ends the hits");
    fx_pass(f, 1);
    fx_get(f, "alice", APP);
    tap_ok(hit(f, "alice"), "until Argo CD accepts the token again");
    out.cookie = false;
    fx_run(f, out);
    tap_ok(hit(f, "alice"), "a bearer logs nobody out");
    out.user = NULL;
    out.h[0][0] = "Cookie";
    out.h[0][1] = "argocd.token=a.b.c";
    r = fx_run(f, out);
    tap_ok(r.kind == AE_FORWARD && hit(f, "alice"), "nor a bad token");
    fill(f, "admin");
    fx_answer(f, 200, "{}");
    r = fx_run(f, del);
    tap_ok(r.kind == AE_FORWARD && !strstr(r.set, "Cookie"),
           "the session is deleted, in the client's words");
    fx_answer(f, 200, FX_APP("a1", "teama"));
    tap_ok(!hit(f, "admin"), "which ends the hits");
}

/* Accepted before the logout, answered after it. */
static void test_overtaken(struct fx *f)
{
    struct fx_req q = { .user = "alice", .target = LIST };
    struct fx_req out = { .user = "alice", .target = "/auth/logout",
                          .cookie = true };
    struct ae_resp_edit edit;
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_act act;
    ae_txn *t;

    fill(f, "alice");
    fx_pass(f, 1);
    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    fx_pass(f, 1);
    fx_run(f, out);
    ae_txn_response(t, &f->resp, &edit);
    ae_txn_resp_end(t, false);
    ae_txn_end(t);
    ae_heap_free(&heap);
    tap_ok(!hit(f, "alice"), "does not bring the lease back");
}

/* ---- what counts as acceptance ------------------------------------------ */

static void accepts(struct fx *f, int status, const char *ctype,
                    const char *target, bool want, const char *say)
{
    fill(f, "alice");
    fx_pass(f, 31000);
    fx_answer(f, status, "{}");
    f->resp.ctype = ae_cs(ctype);
    fx_get(f, "alice", target);
    fx_answer(f, 200, FX_APP("a1", "teama"));
    tap_ok(hit(f, "alice") == want, "%s", say);
}

static void test_accepts(struct fx *f)
{
    const char *json = "application/json";

    f->loc.lease_ms = 30000;
    accepts(f, 200, json, "/api/v1/clusters", true, "200 accepts");
    accepts(f, 403, json, LIST "/x", true, "403 accepts");
    accepts(f, 404, json, LIST "/x", true, "404 accepts");
    accepts(f, 404, "text/plain; charset=utf-8", LIST "/x", false,
            "Not Found of no route does not");
    accepts(f, 200, "text/html", LIST "/x", false, "nor does a page");
    accepts(f, 500, json, LIST "/x", false, "500 does not (F21)");
    accepts(f, 400, json, LIST "/x", false, "400 does not");
    accepts(f, 200, json, "/api/v1/settings", false, "settings do not");
    accepts(f, 200, json, "/api/version", false, "nor version");
    accepts(f, 200, json, INFO, false, "nor does userinfo by itself");
}

/* ---- the probe ---------------------------------------------------------- */

struct run { struct fx_call c; ae_heap heap; struct ae_act act; ae_txn *t; };

static void start(struct fx *f, struct run *r, struct fx_req q)
{
    memset(r, 0, sizeof *r);
    fill(f, q.user);
    fx_pass(f, 31000);
    fx_fill(f, &q, &r->c);
    r->t = ae_txn_begin(f->e, &f->loc, &r->c.req, ae_heap_mem(&r->heap));
    ae_txn_step(r->t, &r->act);
}

static void answer(struct run *r, int status, const char *body,
                   unsigned flags)
{
    ae_txn_fetched(r->t, r->act.fetch.id, status, AE_STR("application/json"),
                   ae_cs(body), flags);
    ae_txn_step(r->t, &r->act);
}

static void finish(struct run *r)
{
    ae_txn_end(r->t);
    ae_heap_free(&r->heap);
}

static void test_probe(struct fx *f)
{
    struct fx_req q = { .user = "alice", .target = APP };
    const char *yes = "{\"loggedIn\":true,\"username\":\"alice\"}";
    struct ae_act again;
    struct run r;

    start(f, &r, q);
    tap_ok(r.act.kind == AE_FORWARD, "off: the answer is fetched");
    finish(&r);
    f->loc.lease_probe = 1;
    start(f, &r, q);
    tap_ok(r.act.kind == AE_NEED_FETCH
           && ae_eq_lit(r.act.fetch.target, INFO)
           && ae_eq(r.act.fetch.authorization,
                    r.c.req.hdr[AE_H_AUTHORIZATION]), "on: a question");
    ae_txn_step(r.t, &again);
    tap_ok(!memcmp(&again, &r.act, sizeof again), "which is waited for");
    answer(&r, 200, yes, AE_BODY_LAST);
    tap_ok(r.act.kind == AE_CACHED, "yes: a hit");
    tap_ok(ae_eq_lit(ae_txn_trace(r.t), "shape,route,credential,verify,body,"
                     "decide,cache,probe,cache,cached"), "its path");
    finish(&r);
    q.cookie = true;
    start(f, &r, q);
    tap_ok(r.act.kind == AE_NEED_FETCH && r.act.fetch.cookie.n > 13
           && !r.act.fetch.authorization.p, "with the caller's cookie");
    answer(&r, 200, "{}", AE_BODY_LAST);
    tap_ok(r.act.kind == AE_FORWARD, "no: Argo CD has the word");
    finish(&r);
    q.cookie = false;
}

static void test_probe_fails(struct fx *f)
{
    static const struct {
        int status; unsigned flags; const char *body, *say;
    } c[] = {
        { 0, AE_BODY_LAST, "", "nothing came" },
        { 401, AE_BODY_LAST, "{\"loggedIn\":true}", "401" },
        { 200, 0, "{\"loggedIn\":true}", "cut" },
        { 200, AE_BODY_LAST | AE_BODY_TOO_BIG, "{\"loggedIn\":true}", "big" },
        { 200, AE_BODY_LAST, "{\"loggedIn\":\"true\"}", "a text" },
        { 200, AE_BODY_LAST, "{\"loggedIn\":false}", "false" },
        { 200, AE_BODY_LAST, "{\"loggedIn\":true", "broken" },
        { 200, AE_BODY_LAST, "[{\"loggedIn\":true}]", "deeper" },
    };
    struct run r;

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        start(f, &r, (struct fx_req){ .user = "alice", .target = APP });
        answer(&r, c[i].status, c[i].body, c[i].flags);
        tap_ok(r.act.kind == AE_FORWARD, "%s: forwarded", c[i].say);
        finish(&r);
    }
    /* What could not be served is not asked for. */
    fx_pass(f, 700000);
    tap_ok(fx_get(f, "alice", APP).kind == AE_FORWARD, "a miss asks nothing");
    f->loc.lease_probe = 0;
}

/* Of a crowd whose leases have all run out only so many are asked about in a
 * second; the others are passed on. */
static void test_probe_limit(struct fx *f)
{
    struct fx_req q = { .user = "alice", .target = APP };
    int asked = 0, passed = 0, later = 0;
    struct run r;

    f->loc.lease_probe = 1;
    fill(f, q.user);
    fx_pass(f, 31000);
    for (int i = 0; i < 300; i++) {
        fx_fill(f, &q, &r.c);
        memset(&r.heap, 0, sizeof r.heap);
        if (i == 200)
            fx_pass(f, 500);
        r.t = ae_txn_begin(f->e, &f->loc, &r.c.req, ae_heap_mem(&r.heap));
        ae_txn_step(r.t, &r.act);
        asked += i < 200 && r.act.kind == AE_NEED_FETCH;
        later += i >= 200 && r.act.kind == AE_NEED_FETCH;
        passed += r.act.kind == AE_FORWARD;
        finish(&r);
    }
    tap_ok(asked == 50, "at once: %d", asked);
    tap_ok(later == 25, "half a second later: %d", later);
    tap_ok(passed == 225, "the others are passed on: %d", passed);
    f->loc.lease_probe = 0;
    fx_pass(f, 700000);
}

/* With anonymous access on, a 200 may have been for nobody: only the probe
 * tells. */
static void test_anonymous(struct fx *f)
{
    struct fx_req q = { .user = "alice", .target = APP };
    struct run r;

    fx_write(f, "argocd-cm", "users.anonymous.enabled", "true");
    ae_engine_tick(f->e);
    fx_pass(f, 700000);
    fx_get(f, "alice", APP);
    tap_ok(!hit(f, "alice"), "a 200 accepts no token");
    f->loc.lease_probe = 1;
    fx_fill(f, &q, &r.c);
    memset(&r.heap, 0, sizeof r.heap);
    r.t = ae_txn_begin(f->e, &f->loc, &r.c.req, ae_heap_mem(&r.heap));
    ae_txn_step(r.t, &r.act);
    answer(&r, 200, "{\"loggedIn\":true}", AE_BODY_LAST);
    tap_ok(r.act.kind == AE_CACHED, "the probe does");
    finish(&r);
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    f.loc.ttl_applications_ms = 600000;
    test_table(f.e);
    test_full(f.e);
    test_logout(&f);
    test_overtaken(&f);
    test_accepts(&f);
    test_probe(&f);
    test_probe_fails(&f);
    test_probe_limit(&f);
    test_anonymous(&f);
    fx_close(&f);
    return tap_done();
}
