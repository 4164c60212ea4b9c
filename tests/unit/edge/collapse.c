/* collapse.c - one question for many (R21, R22), and stale answers (R24). */
#include "fixture.h"

#define APP "/api/v1/applications/a1"

/* A request under way. */
struct run {
    struct fx_call c;
    ae_heap        heap;
    ae_txn        *t;
    struct ae_act  act;
    char           cache[32];
};

static void begin(struct fx *f, struct run *r, const char *user)
{
    struct fx_req q = { .user = user, .target = APP };

    memset(r, 0, sizeof *r);
    fx_fill(f, &q, &r->c);
    r->t = ae_txn_begin(f->e, &f->loc, &r->c.req, ae_heap_mem(&r->heap));
    ae_txn_step(r->t, &r->act);
}

static enum ae_act_kind step(struct run *r)
{
    ae_txn_step(r->t, &r->act);
    return r->act.kind;
}

/* The upstream answers it. */
static void answer(struct fx *f, struct run *r, bool whole)
{
    struct ae_resp_edit edit;

    ae_txn_response(r->t, &f->resp, &edit);
    if (edit.feed)
        ae_txn_resp_part(r->t, ae_cs(f->body));
    if (!edit.instead)
        ae_txn_resp_end(r->t, whole);
}

static void end(struct run *r)
{
    fx_copy(r->cache, sizeof r->cache, ae_txn_var(r->t, AE_V_CACHE));
    ae_txn_end(r->t);
    ae_heap_free(&r->heap);
}

static void fresh_start(struct fx *f)
{
    fx_pass(f, 600000);
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

static void test_waits(struct fx *f)
{
    struct run a, b, c;

    fresh_start(f);
    begin(f, &a, "alice");
    tap_ok(a.act.kind == AE_FORWARD, "the first asks");
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_WAIT && b.act.wait.ms > 0,
           "the same token waits, without a lease");
    begin(f, &c, "admin");
    tap_ok(c.act.kind == AE_FORWARD, "who has other rights asks");
    end(&c);
    fx_pass(f, 20);
    tap_ok(step(&b) == AE_WAIT, "nothing yet");
    answer(f, &a, true);
    end(&a);
    tap_ok(step(&b) == AE_CACHED, "then it is served");
    tap_ok(ae_eq_lit(b.act.reply.body, FX_APP("a1", "teama")), "the answer");
    tap_ok(step(&b) == AE_CACHED, "for good");
    end(&b);
    tap_ok(!strcmp(b.cache, "collapsed"), "and says so");
    tap_ok(ae_counter_value(f->e, AE_N_cache_collapsed) == 1, "and counts");
}

static void test_leader_gone(struct fx *f)
{
    struct run a, b, c;

    fresh_start(f);
    begin(f, &a, "alice");
    begin(f, &b, "alice");
    begin(f, &c, "alice");
    end(&a);
    tap_ok(step(&b) == AE_FORWARD, "the first has gone: the next one asks");
    tap_ok(step(&c) == AE_WAIT, "others wait for that");
    answer(f, &b, false);
    end(&b);
    tap_ok(step(&c) == AE_FORWARD, "cut short: the next one");
    fx_answer(f, 404, "{}");
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_WAIT, "waits");
    answer(f, &c, true);
    tap_ok(step(&b) == AE_FORWARD, "nothing to keep: asks by itself");
    begin(f, &a, "alice");
    tap_ok(a.act.kind == AE_FORWARD, "nor does anybody wait next time");
    end(&a), end(&b), end(&c);
}

static void test_bounds(struct fx *f)
{
    struct run a, b;
    int n = 0;

    fresh_start(f);
    begin(f, &a, "alice");
    fx_pass(f, 100);
    begin(f, &b, "alice");
    while (b.act.kind == AE_WAIT && n++ < 10000) {
        fx_pass(f, b.act.wait.ms);
        step(&b);
    }
    tap_ok(b.act.kind == AE_FORWARD && n > 50 && n < 300,
           "waits 2 s at most (%d steps)", n);
    end(&a), end(&b);
    fresh_start(f);
    f->loc.collapse_ms = 0;
    begin(f, &a, "alice");
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_FORWARD, "0: never waits");
    end(&a), end(&b);
    f->loc.collapse_ms = 2000;
}

/* R22: what was decided before the wait does not stand after it. */
static void test_policy(struct fx *f)
{
    struct run a, b;

    fresh_start(f);
    begin(f, &a, "alice");
    begin(f, &b, "alice");
    fx_write(f, "argocd-rbac-cm", "policy.csv",
             "g, alice, role:readonly\n"
             "p, alice, applications, get, teama/*, deny\n");
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    answer(f, &a, true);
    end(&a);
    tap_ok(step(&b) == AE_FORWARD, "R22: a new policy: Argo CD is asked");
    end(&b);
    fx_write(f, "argocd-rbac-cm", "policy.csv", FX_POLICY);
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    /* admin's token is a login that ends */
    fresh_start(f);
    begin(f, &a, "admin");
    begin(f, &b, "admin");
    tap_ok(b.act.kind == AE_WAIT, "waits");
    f->wall += INT64_C(86400) * 1000000;
    tap_ok(step(&b) == AE_FORWARD, "a token that ended: Argo CD is asked");
    f->wall -= INT64_C(86400) * 1000000;
    end(&a), end(&b);
}

/* Without stale answers allowed, none; then while asked, and on failure. */
static void test_stale(struct fx *f)
{
    struct run a, b;

    fresh_start(f);
    f->loc.stale_revalidate_ms = 10000;
    f->loc.stale_error_ms = 20000;
    fx_get(f, "alice", APP);
    fx_pass(f, 5001);
    begin(f, &a, "alice");
    tap_ok(a.act.kind == AE_FORWARD, "stale: one asks");
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_CACHED && b.act.reply.status == 200,
           "others get the old one");
    end(&b);
    tap_ok(!strcmp(b.cache, "stale"), "and it says so");
    fx_answer(f, 503, "{}");
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_CACHED, "503: so does who asked");
    end(&a);
    tap_ok(!strcmp(a.cache, "stale-if-error"), "and it says so");
    fx_pass(f, 12000);
    begin(f, &a, "alice");
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_CACHED, "at 17 s still on failure");
    begin(f, &b, "alice");
    tap_ok(b.act.kind != AE_CACHED, "but no longer while asked");
    end(&b), end(&a);
    fx_pass(f, 9000);
    begin(f, &a, "alice");
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_FAIL, "nor at 26 s");
    end(&a);
}

/* Where the shell can: who comes first is answered, too, and asks then. */
static void test_refresh(struct fx *f)
{
    static struct ae_limit_conf cap = { .calls = 1 };
    struct run a, b;

    fresh_start(f);
    f->e->host.refreshes = true;
    f->loc.stale_revalidate_ms = 10000;
    fx_get(f, "alice", APP);
    fx_pass(f, 5001);
    begin(f, &a, "alice");
    tap_ok(a.act.kind == AE_CACHED && a.act.refresh, "stale, and asks");
    tap_ok(ae_eq_lit(a.act.fetch.target, APP)
           && ae_eq(a.act.fetch.authorization,
                    a.c.req.hdr[AE_H_AUTHORIZATION]),
           "the same with the same credential");
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_CACHED && !b.act.refresh, "others do not");
    end(&b);
    fx_answer(f, 200, FX_APP("a1", "teamb"));
    answer(f, &a, true);
    end(&a);
    tap_ok(!strcmp(a.cache, "stale"), "what the client got");
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_CACHED && !b.act.refresh
           && ae_eq_lit(b.act.reply.body, FX_APP("a1", "teamb")),
           "the new one is there");
    end(&b);
    tap_ok(!strcmp(b.cache, "hit"), "and fresh");
    tap_ok(ae_counter_value(f->e, AE_N_cache_refreshed) == 1, "counted");
    fx_pass(f, 5001);
    fx_answer(f, 503, "{}");
    begin(f, &a, "alice");
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_FAIL, "a failure replaces nothing");
    end(&a);
    begin(f, &a, "alice");
    tap_ok(a.act.kind == AE_FORWARD, "the next one asks in front");
    end(&a);
    fx_pass(f, 1500);
    begin(f, &a, "alice");
    tap_ok(a.act.kind == AE_CACHED && a.act.refresh, "the one after not");
    end(&a); /* cut off: nothing came */
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_CACHED && b.act.refresh, "and the next again");
    end(&b);
    f->loc.calls = &cap;
    f->loc.ncalls = 1;
    begin(f, &b, "alice");
    tap_ok(b.act.kind != AE_CACHED, "not past a cap on calls under way");
    end(&b);
    f->loc.ncalls = 0;
    f->loc.calls = NULL;
    f->e->host.refreshes = false;
}

/* A write while it is fetched: what comes is not stored (T13). */
static void test_refresh_write(struct fx *f)
{
    ae_str tag = AE_STR("app:argocd/a1");
    struct run a, b;

    fresh_start(f);
    f->e->host.refreshes = true;
    fx_get(f, "alice", APP);
    fx_pass(f, 5001);
    begin(f, &a, "alice");
    ae_quar_write(f->e, &tag, 1, 0);
    answer(f, &a, true);
    end(&a);
    begin(f, &b, "alice");
    tap_ok(b.act.kind == AE_FORWARD, "neither the old nor the new one");
    end(&b);
    f->e->host.refreshes = false;
}

/* R24: the lease, the token's end and the policy bound it. */
static void test_stale_bounds(struct fx *f)
{
    struct run a;

    f->loc.stale_error_ms = 600000;
    fresh_start(f);
    fx_get(f, "alice", APP);
    fx_pass(f, 31000);
    fx_answer(f, 503, "{}");
    begin(f, &a, "alice");
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_FAIL, "R24: not past the lease");
    end(&a);
    f->loc.lease_ms = 3600000;
    begin(f, &a, "alice");
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_CACHED, "within it");
    end(&a);
    begin(f, &a, "alice");
    ae_lease_end(f->e, a.t->id, f->mono);
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_FAIL, "a lease that ended meanwhile");
    end(&a);
    fresh_start(f);
    fx_get(f, "alice", APP);
    fx_pass(f, 6000);
    fx_answer(f, 503, "{}");
    begin(f, &a, "alice");
    fx_write(f, "argocd-rbac-cm", "policy.csv", "");
    fx_write(f, "argocd-rbac-cm", "policy.csv",
             "p, bob, applications, get, teamb/*, allow\n");
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    answer(f, &a, true);
    tap_ok(a.t->instead.kind == AE_FAIL, "a policy that came meanwhile");
    end(&a);
    fx_write(f, "argocd-rbac-cm", "policy.csv", FX_POLICY);
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    fresh_start(f);
    fx_get(f, "admin", APP);
    f->wall = (FX_NOW + 86400 - 2) * 1000000;
    fx_get(f, "admin", APP);
    f->wall += 3000000;
    f->mono += 3000000;
    begin(f, &a, "admin");
    tap_ok(a.act.kind != AE_CACHED, "not past the token");
    end(&a);
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_waits(&f);
    test_leader_gone(&f);
    test_bounds(&f);
    test_policy(&f);
    test_stale(&f);
    test_refresh(&f);
    test_refresh_write(&f);
    test_stale_bounds(&f);
    fx_close(&f);
    return tap_done();
}
