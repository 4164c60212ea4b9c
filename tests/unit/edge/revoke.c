/* revoke.c - what the inputs revoke ends within two polls; and what one
 * process learns of a token counts for all who share the zone. */
#include "fixture.h"

#define APP "/api/v1/applications/a1"
#define LIST "/api/v1/clusters"

static const char gone[] =
    "{\"error\":\"invalid session: gone\",\"code\":16,"
    "\"message\":\"invalid session: gone\"}";

struct change {
    const char *who, *target, *object, *key, *text, *say;
};

/* One poll at a time, a request after each. */
static void revokes(const struct change *c)
{
    struct fx_res r;
    struct fx f;
    int polls = 0, hits;

    fx_open(&f);
    f.loc.ttl_applications_ms = f.loc.ttl_objects_ms = 600000;
    fx_get(&f, c->who, c->target);
    tap_ok(fx_get(&f, c->who, c->target).kind == AE_CACHED, "%s: a hit",
           c->say);
    fx_write(&f, c->object, c->key, c->text);
    do {
        fx_pass(&f, 1000);
        ae_engine_tick(f.e);
        r = fx_get(&f, c->who, c->target);
    } while (r.kind == AE_CACHED && ++polls < 5);
    tap_ok(polls < 2 && r.kind == AE_REPLY && r.status == 401,
           "%s: refused after %d polls: %s", c->say, polls + 1, r.body);
    hits = f.hits;
    for (int i = 0; i < 3; i++) {
        fx_pass(&f, 1000);
        ae_engine_tick(f.e);
        r = fx_get(&f, c->who, c->target);
        tap_ok(r.kind == AE_REPLY && r.status == 401 && f.hits == hits,
               "%s: no hit from then on", c->say);
    }
    fx_close(&f);
}

static void test_revoked(void)
{
    static const struct change c[] = {
        { "alice", LIST, "argocd-secret", "accounts.alice.tokens", "[]",
          "token deleted" },
        { "alice", LIST, "argocd-cm", "accounts.alice.enabled", "false",
          "account disabled" },
        { "alice", LIST, "argocd-cm", "accounts.alice", "login",
          "capability taken" },
        { "admin", LIST, "argocd-secret", "admin.passwordMtime",
          "2026-06-01T00:00:00Z", "password changed" },
        { "alice", LIST, "argocd-secret", "server.secretkey", "another",
          "signing key changed (F37)" },
        { "ci", APP, "appprojects", "teama.json",
          "{\"kind\":\"AppProject\",\"metadata\":{\"name\":\"teama\"},"
          "\"spec\":{\"roles\":[{\"name\":\"deploy\",\"policies\":["
          "\"p, proj:teama:deploy, applications, *, teama/*, allow\"]}]}}",
          "project token deleted" },
    };

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++)
        revokes(&c[i]);
}

/* ---- one zone ----------------------------------------------------------- */

/* Two processes, as far as the library knows: two engines, one zone. */
static void test_shared(void)
{
    struct fx a, b;
    char path[300];

    fx_open(&a);
    snprintf(path, sizeof path, "%s/zone", a.dir);
    ae_engine_free(a.e);
    ae_snapshot_unref(a.snap);
    a.conf.zone_name = ae_cs(path);
    a.conf.zone_size = 4 << 20;
    fx_engine(&a);
    b = a;
    b.host.ctx = &b;
    b.heap = (ae_heap){ 0 };
    ae_arena_init(&b.a, ae_heap_mem(&b.heap), NULL, 0);
    fx_engine(&b);

    fx_get(&b, "alice", APP); /* stored there */
    b.loc.ttl_applications_ms = a.loc.ttl_applications_ms = 600000;
    fx_pass(&a, 60000);
    fx_pass(&b, 60000);
    fx_get(&b, "alice", APP);
    fx_pass(&a, 25000);
    fx_pass(&b, 25000);
    fx_get(&a, "alice", LIST); /* accepted through the one */
    fx_pass(&a, 10000);
    fx_pass(&b, 10000);
    tap_ok(fx_get(&b, "alice", APP).kind == AE_CACHED,
           "an acceptance through one counts for the other");
    fx_answer(&a, 401, gone);
    fx_get(&a, "alice", APP);
    tap_ok(fx_get(&b, "alice", APP).kind == AE_REPLY,
           "and so does a refusal");
    fx_pass(&b, 11000);
    tap_ok(fx_get(&b, "alice", APP).kind == AE_FORWARD,
           "after which the lease has ended");
    ae_engine_free(b.e);
    ae_snapshot_unref(b.snap);
    ae_heap_free(&b.heap);
    fx_close(&a);
}

/* ---- Argo CD's own list -------------------------------------------------- */

static void test_listed(void)
{
    const char *said = "\"invalid session: token is revoked, please re-login\"";
    struct ae_marks m;
    struct fx_res r;
    struct fx f;
    int hits;

    fx_open(&f);
    f.loc.ttl_applications_ms = 600000;
    f.loc.dead_token_ms = 0;
    ae_marks_open(&m, f.e->zone, AE_ZONE_LISTED);
    fx_get(&f, "alice", APP);
    fx_get(&f, "ci", APP);
    tap_ok(fx_get(&f, "alice", APP).kind == AE_CACHED
           && fx_get(&f, "ci", APP).kind == AE_CACHED, "hits");
    hits = f.hits;
    ae_marks_put(&m, AE_STR("alice-1"), ae_zone_now() + 1000000000);
    ae_marks_put(&m, AE_STR("ci-1"), ae_zone_now() + 1000000000);
    r = fx_get(&f, "alice", APP);
    tap_ok(r.kind == AE_REPLY && r.status == 401 && strstr(r.body, said)
           && f.hits == hits, "on the list, no hit: %s", r.body);
    tap_ok(fx_get(&f, "ci", APP).kind == AE_CACHED,
           "a token of a project is not looked for there");
    tap_ok(fx_get(&f, "alice", "/api/version").kind != AE_REPLY,
           "nor where no token is needed");
    ae_marks_drop(&m, AE_STR("alice-1"), INT64_MAX);
    tap_ok(fx_get(&f, "alice", APP).kind != AE_REPLY, "off the list again");
    ae_marks_put(&m, AE_STR("alice-1"), ae_zone_now() - 1);
    tap_ok(fx_get(&f, "alice", APP).kind != AE_REPLY, "a mark that has ended");
    /* Argo CD looks at the list before the account's own */
    fx_write(&f, "argocd-secret", "accounts.alice.tokens", "[]");
    ae_marks_put(&m, AE_STR("alice-1"), ae_zone_now() + 1000000000);
    for (int i = 0; i < 3; i++) {
        fx_pass(&f, 1100);
        ae_engine_tick(f.e);
    }
    r = fx_get(&f, "alice", APP);
    tap_ok(r.kind == AE_REPLY && strstr(r.body, said),
           "deleted and revoked: %s", r.body);
    ae_marks_drop(&m, AE_STR("alice-1"), INT64_MAX);
    r = fx_get(&f, "alice", APP);
    tap_ok(r.kind == AE_REPLY && strstr(r.body, "does not have token"),
           "deleted: %s", r.body);
    fx_close(&f);
}

/* A full bucket forgets what would end first, and only that. */
static void test_marks(void)
{
    struct ae_zone_conf zc = { .size = AE_ZONE_PRIVATE };
    struct ae_marks m;
    ae_zone *z;
    char id[24];
    int64_t now = ae_zone_now();
    int kept = 0;

    if (ae_zone_open(&zc, &z, NULL, NULL))
        abort();
    ae_marks_open(&m, z, AE_ZONE_LISTED);
    tap_ok(!ae_marks_has(&m, AE_STR("x")) && !ae_marks_any(&m), "empty");
    ae_marks_put(&m, AE_STR(""), now + 1000000000);
    tap_ok(!ae_marks_any(&m), "nothing is no identifier");
    for (int i = 0; i < 100000; i++) {
        snprintf(id, sizeof id, "%d", i);
        ae_marks_put(&m, ae_cs(id), now + INT64_C(1000000000) * (i + 100));
    }
    for (int i = 99000; i < 100000; i++) {
        snprintf(id, sizeof id, "%d", i);
        kept += ae_marks_has(&m, ae_cs(id));
    }
    /* the seed is random: a few may have met nine others in one bucket */
    tap_ok(kept >= 980, "the last ones are there: %d", kept);
    ae_marks_drop(&m, ae_cs(id), now);
    tap_ok(ae_marks_has(&m, ae_cs(id)), "a later mark stands");
    ae_marks_drop(&m, ae_cs(id), INT64_MAX);
    tap_ok(!ae_marks_has(&m, ae_cs(id)), "dropped");
    ae_zone_close(z);
}

int main(void)
{
    test_revoked();
    test_listed();
    test_marks();
    test_shared();
    return tap_done();
}
