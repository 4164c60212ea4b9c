/* threads.c - one engine under many threads, as httpd's event MPM drives it:
 * requests of all kinds, while policies, generations, leases and the clock
 * change.  What is asserted holds whatever the order; `make tsan` looks for
 * races in it. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 6, ROUNDS = 1200, SESSIONS = 12, TICKS_MAX = 2000 };

#define ITEM(name, project) \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"argocd\"}," \
    "\"spec\":{\"project\":\"" project "\"}}"
#define FULL "{\"metadata\":{},\"items\":[" ITEM("a1", "teama") "," \
    ITEM("b1", "teamb") "]}"
#define BOBS "{\"metadata\":{}\n,\"items\":[" ITEM("b1", "teamb") "\n]}"
#define B1 ITEM("b1", "teamb")
#define LIST "/api/v1/applications"
#define ONE LIST "/b1?project=teamb"

/* What may come: by whom a request is answered, and how. */
enum { PASS = 1, HIT = 2, OURS = 4 };
/* Where it is asked; those that look on are not counted as requests. */
enum { API, LIMITED, PURGE, METRICS, STATUS, PLACES };

struct ask {
    const char *user, *method, *target, *send;
    int         may;        /* PASS, HIT, OURS */
    int         status;     /* of OURS */
    const char *body;       /* what Argo CD says, and a hit */
    int         place;
};

static const struct ask asks[] = {
    { "admin", "GET", LIST, NULL, PASS | HIT, 0, FULL, API },
    { "alice", "GET", LIST, NULL, PASS | HIT, 0, FULL, API },
    { "bob", "GET", LIST, NULL, PASS | HIT, 0, BOBS, API },
    { "bob", "GET", ONE, NULL, PASS | HIT, 0, B1, API },
    { "alice", "GET", ONE, NULL, PASS | HIT, 0, B1, API },
    { "bob", "GET", LIST "/a1?project=teama", NULL, OURS, 403, NULL, API },
    { "nobody", "GET", ONE, NULL, OURS, 403, NULL, API },
    { "nobody", "DELETE", ONE, NULL, OURS, 403, NULL, API },
    { NULL, "GET", LIST, NULL, OURS, 401, NULL, API },
    { "broken", "GET", LIST, NULL, OURS, 401, NULL, API },
    { "alice", "GET", "/api/version", NULL, PASS | HIT, 0, "{}", API },
    { "alice", "GET", "/api/v1/clusters", NULL, PASS | HIT, 0,
      "{\"items\":[]}", API },
    { "admin", "DELETE", ONE, NULL, PASS, 0, "{}", API },
    { "admin", "POST", LIST, B1, PASS, 0, B1, API },
    { "alice", "DELETE", "/api/v1/session", NULL, PASS, 0, "{}", API },
    { "session", "GET", ONE, NULL, PASS | HIT, 0, B1, API },
    { "dying", "GET", ONE, NULL, PASS | OURS, 401, NULL, API },
    { "alice", "GET", "/api/v1/projects", NULL, PASS | HIT | OURS, 429,
      "{\"items\":[]}", LIMITED },
    { NULL, "GET", "/argo-edge/metrics", NULL, HIT, 0, NULL, METRICS },
    { NULL, "GET", "/argo-edge/status?data=1", NULL, HIT, 0, NULL, STATUS },
    { "admin", "POST", "/argo-edge/purge?tag=clusters", NULL, OURS, 200, NULL,
      PURGE },
};
enum { ASKS = sizeof asks / sizeof asks[0] };

struct world {
    struct fx       f;
    struct ae_loc   loc[PLACES];
    ae_heap         heap;
    ae_arena        a;          /* of the directives */
    const char     *bearer[ASKS];
    const char     *session[SESSIONS];
    _Atomic int64_t wall, mono;
    _Atomic int     running, asked, purged, served, hits;
};

struct worker {
    struct world *w;
    pthread_t     thread;
    unsigned      dice;
    int           wrong;
};

static int64_t wall(void *ctx) { return ((struct world *)ctx)->wall; }
static int64_t mono(void *ctx) { return ((struct world *)ctx)->mono; }

static void quiet(void *ctx, enum ae_log_level lv, const char *msg)
{
    (void)ctx;
    if (lv <= AE_LOG_WARN && !strstr(msg, "empty"))
        printf("# %s\n", msg);
}

/* A login session of the administrator, each of its own. */
static const char *session(struct fx *f, const char *id)
{
    struct ae_err err = { 0 };
    ae_str out = { NULL, 0 };
    json_t *c = json_pack("{s:s,s:s,s:I,s:I,s:I,s:s}", "iss", "argocd",
        "sub", "admin:login", "iat", (json_int_t)(FX_NOW - 60), "nbf",
        (json_int_t)(FX_NOW - 60), "exp", (json_int_t)(FX_NOW + 86400),
        "jti", id);

    if (ae_token_mint(&f->a, AE_STR(FX_SECRET), c, &out, &err)) {
        printf("Bail out! %s\n", err.text);
        exit(2);
    }
    json_decref(c);
    return ae_fmt(&f->a, "Bearer %s", out.p).p;
}

static void tokens(struct world *w)
{
    struct fx *f = &w->f;
    char id[32];

    for (size_t i = 0; i < ASKS; i++) {
        const char *u = asks[i].user;

        if (!u || !strcmp(u, "session"))
            continue;
        if (!strcmp(u, "broken"))
            w->bearer[i] = "Bearer e30.e30.AAAA";
        else if (!strcmp(u, "dying"))
            w->bearer[i] = session(f, "dying");
        else
            w->bearer[i] = ae_fmt(&f->a, "Bearer %s", fx_token(f, u)).p;
    }
    for (int i = 0; i < SESSIONS; i++) {
        snprintf(id, sizeof id, "session-%d", i);
        w->session[i] = session(f, id);
    }
}

static void set(struct world *w, struct ae_loc *l, const char *name,
                const char *one, const char *two)
{
    ae_str args[2] = { ae_cs(one), two ? ae_cs(two) : ae_s(NULL, 0) };
    struct ae_err err = { 0 };

    for (size_t i = 0; i < ae_directive_count(); i++)
        if (!strcmp(ae_directive_at(i)->name, name)
            && ae_directive_at(i)->set(&w->a, &w->f.conf, l, args,
                                       two ? 2 : 1, &err)) {
            printf("Bail out! %s: %s\n", name, err.text);
            exit(2);
        }
}

/* ---- one request -------------------------------------------------------- */

static void fill(struct world *w, const struct ask *q, unsigned dice,
                 struct ae_req *r)
{
    const char *bearer = w->bearer[q - asks];

    memset(r, 0, sizeof *r);
    r->size = sizeof *r;
    r->method = ae_cs(q->method);
    r->target = ae_cs(q->target);
    r->authority = AE_STR("edge.example.com");
    r->scheme = AE_STR("https");
    r->peer = AE_STR("192.0.2.7");
    r->content_length = q->send ? (int64_t)strlen(q->send) : -1;
    r->has_body = q->send != NULL;
    if (strcmp(q->method, "GET"))
        r->hdr[AE_H_CONTENT_TYPE] = AE_STR("application/json");
    if (q->user && !strcmp(q->user, "session"))
        bearer = w->session[dice / ASKS % SESSIONS];
    if (bearer)
        r->hdr[AE_H_AUTHORIZATION] = ae_cs(bearer);
}

/* Argo CD's part. */
static void upstream(const struct ask *q, ae_txn *t)
{
    bool dead = q->user && !strcmp(q->user, "dying");
    ae_str body = ae_cs(dead ? "{\"error\":\"token is expired\",\"code\":16,"
                        "\"message\":\"token is expired\"}" : q->body);
    struct ae_resp resp = { .status = dead ? 401 : 200,
                            .ctype = AE_STR("application/json"),
                            .vary = AE_STR("Accept-Encoding"),
                            .content_length = (int64_t)body.n };
    struct ae_resp_edit edit = { 0 };

    if (ae_txn_response(t, &resp, &edit) == AE_OK && edit.feed)
        (void)ae_txn_resp_part(t, body);
    ae_txn_resp_end(t, true);
}

static bool as_expected(struct world *w, const struct ask *q, ae_txn *t,
                        const struct ae_act *act)
{
    switch (act->kind) {
    case AE_FORWARD:
        upstream(q, t);
        return q->may & PASS;
    case AE_CACHED:
        w->hits += q->place <= LIMITED;
        return (q->may & HIT) && act->reply.status == 200
            && (!q->body || ae_eq(act->reply.body, ae_cs(q->body)));
    case AE_REPLY:
        return (q->may & OURS) && act->reply.status == q->status;
    default:
        return false;
    }
}

static bool one(struct worker *me, const struct ask *q)
{
    struct world *w = me->w;
    ae_heap heap = { 0 };
    struct ae_req req;
    struct ae_act act = { .kind = AE_FAIL };
    ae_txn *t;
    bool good;

    fill(w, q, me->dice, &req);
    t = ae_txn_begin(w->f.e, &w->loc[q->place], &req, ae_heap_mem(&heap));
    if (!t)
        return false;
    ae_txn_step(t, &act);
    while (act.kind == AE_WAIT || act.kind == AE_NEED_BODY) {
        if (act.kind == AE_NEED_BODY)
            (void)ae_txn_body(t, ae_cs(q->send), AE_BODY_LAST);
        else
            usleep(act.wait.ms * 1000);
        ae_txn_step(t, &act);
    }
    good = as_expected(w, q, t, &act);
    if (!good)
        printf("# %s %s %s: kind %d, status %d %.*s\n",
               q->user ? q->user : "-", q->method, q->target, (int)act.kind,
               act.reply.status, (int)act.reply.body.n,
               act.reply.body.n ? act.reply.body.p : "");
    for (int v = 0; v < AE_V__N; v++)
        (void)ae_txn_var(t, (enum ae_var)v);
    (void)ae_txn_audit(t, 200);
    if (q->user && !strcmp(q->user, "bob"))
        good &= ae_txn_can(t, AE_STR("clusters"), AE_STR("delete"),
                           AE_STR("*")) != 1;
    ae_txn_end(t);
    ae_heap_free(&heap);
    w->asked += q->place <= PURGE;
    w->purged += q->place == PURGE;
    w->served++;
    return good;
}

static void *work(void *data)
{
    struct worker *me = data;

    for (int i = 0; i < ROUNDS; i++) {
        me->dice = me->dice * 1103515245u + 12345u;
        me->wrong += !one(me, &asks[(me->dice >> 8) % ASKS]);
    }
    me->w->running--;
    return NULL;
}

/* ---- what changes meanwhile --------------------------------------------- */

/* Either policy says the same of those who ask. */
static void change(struct world *w, int k)
{
    char text[300];

    snprintf(text, sizeof text, "# %d\n%s%s", k, FX_POLICY,
             k & 1 ? "p, carol, *, *, *, allow\n" : "");
    fx_write(&w->f, "argocd-rbac-cm", "policy.csv", text);
}

static void start(struct world *w, const char *cache)
{
    struct fx *f = &w->f;

    fx_open(f);
    ae_engine_free(f->e);
    ae_snapshot_unref(f->snap);
    w->wall = f->wall;
    w->mono = f->mono;
    f->host = (struct ae_host){ .log = quiet, .wall_us = wall,
                                .mono_us = mono, .ctx = w, .waits = true };
    ae_arena_init(&w->a, ae_heap_mem(&w->heap), NULL, 0);
    if (cache) {
        f->conf.cache_path = ae_fmt(&f->a, "%s/%s", f->dir, cache);
        mkdir(f->conf.cache_path.p, 0700);
    }
    f->loc.quarantine_ms = 0;
    f->loc.ttl_applications_ms = f->loc.ttl_objects_ms = 60000;
    for (int i = 0; i < PLACES; i++)
        w->loc[i] = f->loc;
    set(w, &w->loc[API], "cache_share", "rights", NULL);
    set(w, &w->loc[METRICS], "metrics", "on", NULL);
    set(w, &w->loc[STATUS], "status", "address", NULL);
    set(w, &w->loc[PURGE], "purge", "192.0.2.0/24", NULL);
    set(w, &w->loc[LIMITED], "limit", "any", "rate=20r/s");
    tokens(w);
    if (cache) {
        struct ae_err err = { 0 };

        f->conf.cache_size = 16 << 20;
        if (ae_snapshot_build(&f->conf, &f->snap, &err)
            || ae_engine_new(&f->conf, f->snap, &f->host, &f->e, &err)
            || !ae_edge_store(f->e)) {
            printf("Bail out! %s\n", err.text);
            exit(2);
        }
    } else {
        fx_engine(f);
    }
}

static void test(const char *cache)
{
    static struct world w;
    struct worker me[THREADS];
    int wrong = 0, ticks = 0;
    uint64_t *n, sum = 0;

    memset(&w, 0, sizeof w);
    start(&w, cache);
    w.running = THREADS;
    for (unsigned i = 0; i < THREADS; i++) {
        me[i] = (struct worker){ .w = &w, .dice = 7919 * (i + 1) };
        if (pthread_create(&me[i].thread, NULL, work, &me[i]))
            exit(2);
    }
    for (; w.running && ticks < TICKS_MAX; ticks++) {
        w.wall += 50000;
        w.mono += 50000;
        change(&w, ticks);
        ae_engine_tick(w.f.e);
        usleep(3000);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(me[i].thread, NULL);
        wrong += me[i].wrong;
    }
    n = (uint64_t[]){ ae_counter_value(w.f.e, AE_N_forwarded),
        ae_counter_value(w.f.e, AE_N_cache_hit),
        ae_counter_value(w.f.e, AE_N_refused_401),
        ae_counter_value(w.f.e, AE_N_refused_403),
        ae_counter_value(w.f.e, AE_N_refused_other) };
    for (int i = 0; i < 5; i++)
        sum += n[i];
    tap_ok(w.served == THREADS * ROUNDS && !wrong,
           "%s: all answers are as they must be", cache ? cache : "memory");
    tap_ok(w.hits > 0 && n[0] > 0 && n[2] > 0 && n[3] > 0,
           "of all kinds: %d hits", w.hits);
    tap_ok(n[1] == (uint64_t)w.hits
           && ae_counter_value(w.f.e, AE_N_requests) == (uint64_t)w.asked
           && sum == (uint64_t)(w.asked - w.purged), "each is counted once");
    tap_ok(ae_counter_value(w.f.e, AE_N_reload) > 1,
           "policies have changed meanwhile");
    fx_close(&w.f);
    ae_heap_free(&w.heap);
}

int main(void)
{
    test(NULL);
    test("lmdb");
    return tap_done();
}
