/* snapshot.c - building, polling, last good (F18, F19). */
#include "fixture.h"

static const char *id(const struct fx *f)
{
    return ae_snapshot_id(ae_engine_snapshot(f->e));
}

static void lay(struct fx *f, const char *policy)
{
    fx_write(f, "argocd-rbac-cm", "policy.csv", policy);
    f->logs[0] = 0;
    ae_engine_tick(f->e);
}

static void test_build(struct fx *f)
{
    struct ae_conf c = f->conf;
    struct ae_err err = { 0 };
    ae_snapshot *s, *s2;

    tap_ok(strlen(id(f)) == 16 && strspn(id(f), "0123456789abcdef") == 16,
           "an id of 16 hex digits");
    tap_ok(ae_snapshot_build(&c, &s, &err) == AE_OK
           && !strcmp(ae_snapshot_id(s), id(f)), "same inputs, same id");
    c.ns = AE_STR("other");
    tap_ok(ae_snapshot_build(&c, &s2, &err) == AE_OK
           && strcmp(ae_snapshot_id(s2), id(f)), "other settings, other id");
    ae_snapshot_ref(s2);
    ae_snapshot_unref(s2);
    ae_snapshot_unref(s2);
    ae_snapshot_unref(s);
    c.inputs = AE_STR("/nonexistent/argo-edge");
    tap_ok(ae_snapshot_build(&c, &s, &err) != AE_OK && !s && err.text[0],
           "no directory: %s", err.text);
}

/* Without inputs nothing is decided. */
static void test_blind(struct fx *f)
{
    struct fx g = *f;
    struct fx_res r;

    g.conf.inputs = ae_s(NULL, 0);
    g.hits = 0;
    fx_engine(&g);
    r = fx_get(&g, NULL, "/api/v1/applications");
    tap_ok(r.kind == AE_FORWARD, "blind: no 401");
    r = fx_get(&g, "bob", "/api/v1/applications/a1?project=teama");
    tap_ok(r.kind == AE_FORWARD && strcmp(r.cache, "stored"),
           "blind: no 403, nothing stored");
    r = fx_get(&g, "bob", "/api/v1/account/can-i/projects/get/x");
    tap_ok(r.kind == AE_FORWARD, "blind: no can-i");
    ae_engine_tick(g.e);
    ae_engine_free(g.e);
    ae_snapshot_unref(g.snap);
}

static void test_poll(struct fx *f)
{
    char was[32];

    snprintf(was, sizeof was, "%s", id(f));
    ae_engine_tick(f->e);
    tap_ok(!strcmp(was, id(f)), "nothing changed");
    lay(f, FX_POLICY "p, nobody, projects, get, *, allow\n");
    tap_ok(strcmp(was, id(f)) && strstr(f->logs, was), "a new one");
    tap_ok(fx_get(f, "nobody", "/api/v1/projects/teama").kind == AE_FORWARD,
           "and it decides");
    snprintf(was, sizeof was, "%s", id(f));
    lay(f, FX_POLICY "p, broken\n");
    tap_ok(!strcmp(was, id(f)) && strstr(f->logs, "policy.csv:4:"),
           "F18: a broken one does not replace it");
    f->logs[0] = 0;
    ae_engine_tick(f->e);
    tap_ok(!f->logs[0], "logged once");
    tap_ok(fx_get(f, "nobody", "/api/v1/projects/teama").kind != AE_REPLY,
           "last good");
    lay(f, FX_POLICY "\n\n");
    tap_ok(strcmp(was, id(f)), "repaired");
    snprintf(was, sizeof was, "%s", id(f));
    lay(f, "");
    tap_ok(!strcmp(was, id(f)) && strstr(f->logs, "empty"),
           "F18: empty is held back for one poll");
    ae_engine_tick(f->e);
    tap_ok(strcmp(was, id(f)), "and then believed");
    lay(f, FX_POLICY);
    snprintf(was, sizeof was, "%s", id(f));
    lay(f, " \n");
    lay(f, FX_POLICY "# back\n");
    tap_ok(strcmp(was, id(f)), "half a deployment is skipped");
    tap_ok(fx_get(f, "bob", "/api/v1/projects/teama").status == 403
           && fx_get(f, "bob", "/api/v1/account/can-i/applications/get/"
                     "teamb/x").status == 200, "with its rules");
}

/* F19: a request that began under one policy ends under it. */
static void test_epochs(struct fx *f)
{
    struct fx_req q = { .user = "bob",
        .target = "/api/v1/account/can-i/applications/get/teamb/x" };
    struct fx_call c;
    ae_heap heap = { 0 };
    struct ae_act act;
    ae_txn *t;

    lay(f, FX_POLICY "# before\n");
    fx_get(f, "bob", "/api/v1/account/can-i/applications/get/teamb/x");
    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    lay(f, "g, admin, role:admin\n");
    ae_txn_step(t, &act);
    tap_ok(ae_eq(act.reply.body, AE_STR("{\"value\":\"yes\"}")),
           "the old policy to its end");
    ae_txn_end(t);
    ae_heap_free(&heap);
    tap_ok(!strcmp(fx_get(f, "bob", q.target).body, "{\"value\":\"no\"}"),
           "the next request has the new one");
}

static void test_counters(const struct fx *f)
{
    size_t n = ae_counter_count();
    bool ok = true;

    for (size_t i = 0; i < n; i++)
        ok &= ae_counter_name(i) != NULL;
    tap_ok(ok && !ae_counter_name(n) && !ae_counter_value(f->e, n),
           "%zu counters have names", n);
    tap_ok(ae_counter_value(f->e, AE_N_reload) > 0
           && ae_counter_value(f->e, AE_N_reload_failed) > 0, "and values");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_build(&f);
    test_blind(&f);
    test_poll(&f);
    test_epochs(&f);
    test_counters(&f);
    fx_close(&f);
    return tap_done();
}
