/* purge.c - the cache emptied over HTTP: by whom, what goes, what is said. */
#include "fixture.h"

static char body[4096], head[1000], line[8000];

static const struct ae_cidr nets[] = {
    { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 0 }, 120 },
};

static int ask(struct fx *f, struct fx_req q)
{
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_loc loc = f->loc;
    struct ae_act act;
    ae_str s;
    ae_txn *t;
    int status, waits = 0;

    loc.serve = AE_SERVE_PURGE;
    if (!loc.purge_from) {
        loc.purge_from = nets;
        loc.npurge_from = 1;
    }
    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &loc, &c.req, ae_heap_mem(&heap));
    do
        ae_txn_step(t, &act);
    while (act.kind == AE_WAIT && waits++ < 100);
    status = act.reply.status;
    fx_copy(body, sizeof body, act.reply.body);
    fx_fields(head, sizeof head, act.reply.hdr, act.reply.nhdr);
    s = ae_txn_audit(t, status);
    fx_copy(line, sizeof line, s);
    tap_ok(act.kind == AE_REPLY, "answered here");
    tap_ok(s.n > 0, "and in the audit log");
    ae_txn_end(t);
    ae_heap_free(&heap);
    return status;
}

static int purge(struct fx *f, const char *user, const char *target)
{
    return ask(f, (struct fx_req){ .method = "PURGE", .user = user,
                                   .target = target });
}

static bool refusal(int status, int code)
{
    struct ae_err err = { 0 };
    json_t *v = ae_json_parse(ae_cs(body), 8, &err);
    bool like = v && json_integer_value(json_object_get(v, "code")) == code
        && ae_eq(ae_json_get_str(v, "error"), ae_json_get_str(v, "message"))
        && ae_json_get_str(v, "message").n;

    json_decref(v);
    return like && status >= 400 && strstr(line, "\"failure\"");
}

static bool hit(struct fx *f, const char *who, const char *target)
{
    int n = f->hits;
    struct fx_res r = fx_get(f, who, target);

    return r.kind == AE_CACHED && f->hits == n;
}

static void fill(struct fx *f)
{
    static const char *const who[] = { "alice", "admin" };

    for (size_t i = 0; i < 2; i++) {
        fx_answer(f, 200, FX_APP("a1", "teama"));
        fx_get(f, who[i], "/api/v1/applications/a1");
        fx_answer(f, 200, "{\"items\":[]}");
        fx_get(f, who[i], "/api/v1/clusters");
        tap_ok(hit(f, who[i], "/api/v1/applications/a1")
               && hit(f, who[i], "/api/v1/clusters"), "stored");
    }
}

static void guarded(struct fx *f)
{
    static const struct ae_cidr none = { { 1 }, 128 };
    struct fx_req q = { .method = "PURGE", .user = "admin",
                        .target = "/purge?all=1" };

    fill(f);
    tap_ok(refusal(purge(f, NULL, "/purge?all=1"), 16), "no token: 401");
    tap_ok(strstr(body, "no session information") != NULL, "as ever");
    tap_ok(refusal(purge(f, "alice", "/purge?all=1"), 7), "not an admin");
    tap_ok(refusal(purge(f, "ci", "/purge?all=1"), 7), "nor a project's");
    q.cookie = true;
    tap_ok(refusal(ask(f, q), 7), "no cookie");
    q.cookie = false;
    f->loc.purge_from = &none;
    f->loc.npurge_from = 1;
    tap_ok(ask(f, q) == 403 && refusal(403, 7), "another address");
    q.user = NULL;
    tap_ok(ask(f, q) == 403, "whatever the token");
    f->loc.npurge_from = 0;
    tap_ok(ask(f, q) == 403, "no addresses: nobody");
    f->loc.purge_from = NULL;
    q = (struct fx_req){ .user = "admin", .target = "/purge?all=1" };
    tap_ok(ask(f, q) == 405 && refusal(405, 12)
           && strstr(head, "Allow: PURGE, POST"), "GET does nothing");
    tap_ok(hit(f, "alice", "/api/v1/applications/a1"), "nothing is gone");
}

static void odd(struct fx *f)
{
    static const char *const bad[] = {
        "/purge", "/purge?", "/purge?tag=", "/purge?identity=", "/purge?all=0",
        "/purge?tag=a&all=1", "/purge?tag=a&identity=b", "/purge?tagg=a",
        "/purge?tag=%ff",
    };

    fill(f);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        tap_ok(purge(f, "admin", bad[i]) == 400 && refusal(400, 3), "%s",
               bad[i]);
    tap_ok(hit(f, "alice", "/api/v1/applications/a1"), "nothing is gone");
}

static void does(struct fx *f)
{
    fill(f);
    tap_ok(purge(f, "admin", "/purge?tag=app%3Aargocd%2Fa1") == 200, "a tag");
    tap_ok(!strcmp(body, "{\"purged\":2,\"tag\":\"app:argocd/a1\"}"), "%s",
           body);
    tap_ok(strstr(line, "\"argo_edge.purge_tag\":\"app:argocd/a1\"")
           && strstr(line, "\"argo_edge.purged\":2")
           && strstr(line, "\"user.id\":\"admin\"")
           && strstr(line, "\"event.action\":\"CachePurge\""), "audited");
    tap_ok(!hit(f, "alice", "/api/v1/applications/a1")
           && hit(f, "alice", "/api/v1/clusters"), "gone, and no more");
    fill(f);
    tap_ok(ask(f, (struct fx_req){ .method = "POST", .user = "admin",
        .target = "/purge?identity=alice" }) == 200, "an identity, by POST");
    tap_ok(!strcmp(body, "{\"purged\":2,\"identity\":\"alice\"}"), "%s", body);
    tap_ok(!hit(f, "alice", "/api/v1/clusters")
           && hit(f, "admin", "/api/v1/clusters"), "hers, and no more");
    fill(f);
    tap_ok(purge(f, "admin", "/purge?all=1") == 200
           && !strcmp(body, "{\"purged\":4,\"all\":true}"), "%s", body);
    tap_ok(!hit(f, "admin", "/api/v1/clusters"), "all gone");
    tap_ok(strstr(f->logs, "admin purged tag app:argocd/a1, 2 gone") != NULL,
           "logged");
    tap_ok(ae_board_sum(&f->e->board, AE_N_cache_purges) == 3, "counted");
}

static int64_t busy_drop(ae_store *s, bool (*match)(void *ctx,
                         const struct ae_entry *head), void *ctx,
                         struct ae_purge_at *at)
{
    (void)s, (void)match, (void)ctx, (void)at;
    return AE_E_BUSY;
}

static int64_t busy_purge(ae_store *s, ae_str tag, struct ae_purge_at *at)
{
    (void)s, (void)tag, (void)at;
    return AE_E_BUSY;
}

/* Another process sits on the writer lock. */
static void busy(struct fx *f)
{
    const struct ae_store_ops *ops = f->e->store->ops;
    struct ae_store_ops slow = *ops;

    fill(f);
    slow.drop = busy_drop;
    slow.purge = busy_purge;
    f->e->store->ops = &slow;
    tap_ok(purge(f, "admin", "/purge?identity=alice") == 503
           && refusal(503, 14), "an identity: not done, and says so");
    tap_ok(purge(f, "admin", "/purge?tag=clusters") == 200
           && !strcmp(body, "{\"purged\":0,\"tag\":\"clusters\"}"),
           "a tag: what is left is not served");
    f->e->store->ops = ops;
    tap_ok(!hit(f, "alice", "/api/v1/clusters")
           && hit(f, "alice", "/api/v1/applications/a1"), "so it is");
}

static void no_store(struct fx *f)
{
    ae_store *s = f->e->store;

    f->e->store = NULL;
    tap_ok(purge(f, "admin", "/purge?all=1") == 503 && refusal(503, 14),
           "no cache: 503");
    f->e->store = s;
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    guarded(&f);
    odd(&f);
    does(&f);
    busy(&f);
    no_store(&f);
    fx_close(&f);
    return tap_done();
}
