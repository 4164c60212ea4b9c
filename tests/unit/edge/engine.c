/* engine.c - a cache that cannot be opened at start is opened later (T14). */
#include "fixture.h"

#define LIST "/api/v1/applications"

static size_t times(const char *logs, const char *what)
{
    size_t n = 0;

    for (; (logs = strstr(logs, what)); logs++)
        n++;
    return n;
}

/* An engine over LMDB in |path|, not over the fixture's memory. */
static void reopen(struct fx *f, const char *path)
{
    struct ae_err err = { 0 };

    ae_engine_free(f->e);
    f->logs[0] = 0;
    f->conf.cache_path = ae_cs(path);
    f->conf.cache_size = 16 << 20;
    if (ae_engine_new(&f->conf, f->snap, &f->host, &f->e, &err)) {
        printf("Bail out! %s\n", err.text);
        exit(2);
    }
}

static void test_late(struct fx *f)
{
    char path[96];

    snprintf(path, sizeof path, "%s/cache", f->dir);
    if (mkdir(path, 0755) || chmod(path, 0755))
        exit(2);
    reopen(f, path);
    tap_ok(!f->e->store && times(f->logs, "no cache, proxy only") == 1,
           "T14: no store, and the log says why: %s", f->logs);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_FORWARD, "requests go on");
    for (int i = 0; i < 5; i++) {
        fx_pass(f, 31000);
        ae_engine_tick(f->e);
    }
    tap_ok(times(f->logs, "no cache, proxy only") == 1, "said once");
    chmod(path, 0700);
    fx_pass(f, 1000);
    ae_engine_tick(f->e);
    tap_ok(!f->e->store, "not tried at each tick");
    fx_pass(f, 30000);
    ae_engine_tick(f->e);
    tap_ok(f->e->store && times(f->logs, "the cache is open now") == 1,
           "opened when the directory is right: %s", f->logs);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_FORWARD,
           "T13: nothing is kept until earlier writes have settled");
    fx_pass(f, 5100);
    ae_engine_tick(f->e);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_CACHED, "then there are hits");
    fx_pass(f, 60000);
    ae_engine_tick(f->e);
    tap_ok(times(f->logs, "the cache is open now") == 1, "said once");
}

/* A write that was under way when the store opened still moves its tags. */
static void test_write(struct fx *f)
{
    struct fx_req q = { .user = "admin", .method = "DELETE",
        .target = "/api/v1/applications/a1",
        .h = { { "Content-Type", "application/json" } } };
    char path[96];
    struct ae_resp_edit edit;
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_act act;
    ae_txn *t;

    snprintf(path, sizeof path, "%s/cache", f->dir);
    chmod(path, 0755);
    reopen(f, path);
    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    chmod(path, 0700);
    fx_pass(f, 31000);
    ae_engine_tick(f->e);
    fx_pass(f, 6000);
    ae_engine_tick(f->e);
    fx_get(f, "alice", LIST);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_CACHED, "a list is kept");
    ae_txn_response(t, &f->resp, &edit);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_FORWARD,
           "until the write is answered");
    ae_txn_end(t);
    ae_heap_free(&heap);
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    /* lists show themselves; LMDB looks at the real clock for its entries */
    fx_answer(&f, 200, "{\"items\":null}");
    test_late(&f);
    test_write(&f);
    fx_close(&f);
    return tap_done();
}
