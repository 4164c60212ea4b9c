/* limits.c - the LIMIT steps: who pays, for what, and what is said. */
#include "fixture.h"

static ae_heap conf_heap;
static ae_arena conf_arena;

static void set(struct fx *f, const char *name, const char *line)
{
    ae_str args[16], rest = ae_cs(line);
    struct ae_err err = { 0 };
    size_t n = 0;

    while (rest.p && n < 16)
        rest = ae_cut(rest, ' ', &args[n++]);
    for (size_t i = 0; i < ae_directive_count(); i++)
        if (strcmp(ae_directive_at(i)->name, name) == 0
            && ae_directive_at(i)->set(&conf_arena, &f->conf, &f->loc, args,
                                       n, &err)) {
            printf("Bail out! %s %s: %s\n", name, line, err.text);
            exit(2);
        }
}

/* Without limits, and all that was booked is past. */
static void clear(struct fx *f)
{
    f->loc.limits = f->loc.calls = NULL;
    f->loc.nlimits = f->loc.ncalls = 0;
    f->loc.login_limit = NULL;
    f->loc.limit_dry_run = f->loc.limit_headers = 0;
    f->loc.mode = AE_MODE_ENFORCE;
    f->loc.grpc = AE_GRPC_PASS;
    f->loc.cache = 1;
    f->e->host.waits = false;
    fx_pass(f, 3600000); /* sessions live for a day */
    fx_answer(f, 200, FX_APP("a1", "teama"));
}

#define APP "/api/v1/applications/a1"

/* How many of |n| at once pass? */
static int passed(struct fx *f, struct fx_req q, int n)
{
    int ok = 0;

    for (int i = 0; i < n; i++) {
        struct fx_res r = fx_run(f, q);

        ok += r.kind == AE_FORWARD || r.kind == AE_CACHED;
    }
    return ok;
}

#define get(who, path) (struct fx_req){ .user = (who), .target = (path) }

static bool has(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

static void by_identity(struct fx *f)
{
    struct fx_res r;

    set(f, "limit", "apikey rate=10r/s burst=3");
    tap_ok(passed(f, get("alice", APP), 5) == 3, "the burst passes");
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_REPLY && r.status == 429
           && !strcmp(r.body, "{\"error\":\"rate limit exceeded: apikey\","
                      "\"code\":8,\"message\":\"rate limit exceeded: "
                      "apikey\"}"), "then 429 in Argo CD's shape: %s",
           r.body);
    tap_ok(has(r.hdr, "Retry-After: 1\n")
           && has(r.hdr, "RateLimit-Policy: \"apikey\";q=10;w=1\n")
           && has(r.hdr, "RateLimit: \"apikey\";r=0;t=1\n")
           && has(r.hdr, "Cache-Control: private, no-cache\n"),
           "and what there is to know");
    tap_ok(has(r.trace, "verify,limit,reply"), "after verification: %s",
           r.trace);
    tap_ok(passed(f, get("bob", "/api/v1/applications/b1"), 5) == 3,
           "another has his own");
    tap_ok(passed(f, get("ci", APP), 5) == 5,
           "another kind of token is not meant");
    fx_pass(f, 100);
    tap_ok(passed(f, get("alice", APP), 5) == 1, "a step later one more");
    clear(f);
    set(f, "limit", "any rate=10r/s burst=3 per=all");
    tap_ok(passed(f, get("alice", APP), 2) == 2
           && passed(f, get("ci", APP), 5) == 1,
           "per=all: all of them together");
    clear(f);
    set(f, "limit", "project rate=1r/s burst=1");
    set(f, "limit", "session rate=1r/s burst=2");
    tap_ok(passed(f, get("ci", APP), 5) == 1
           && passed(f, get("admin", APP), 5) == 2, "by kind of token");
    clear(f);
    set(f, "limit", "any rate=1r/s burst=1 except=user:alice");
    set(f, "limit", "user:alice rate=1r/s burst=4");
    tap_ok(passed(f, get("alice", APP), 9) == 4
           && passed(f, get("ci", APP), 9) == 1, "an exception");
    clear(f);
    set(f, "limit", "user:alice rate=1r/s burst=4");
    set(f, "limit", "any rate=1r/s burst=2");
    tap_ok(passed(f, get("alice", APP), 9) == 2, "the narrower of two");
    fx_pass(f, 1000);
    tap_ok(passed(f, get("alice", APP), 9) == 1, "and what it refused was"
           " not booked with the other");
    f->loc.nlimits = 1;
    tap_ok(passed(f, get("alice", APP), 9) == 2, "(that has two left)");
    clear(f);
}

static void by_cost(struct fx *f)
{
    set(f, "limit", "any rate=1r/s burst=10 cost=list:5,write:3");
    tap_ok(passed(f, get("alice", "/api/v1/applications"), 5) == 2,
           "a list costs five");
    fx_pass(f, 60000);
    tap_ok(passed(f, get("alice", APP "?refresh=hard"), 5) == 3,
           "a GET that writes is a write");
    clear(f);
    set(f, "limit", "any rate=1r/s burst=1 ops=write");
    tap_ok(passed(f, get("alice", APP), 5) == 5, "other operations are not"
           " meant");
    clear(f);
    set(f, "limit", "any rate=1r/s burst=3");
    f->loc.lease_ms = 0;
    tap_ok(passed(f, get("alice", APP), 9) == 3,
           "an answer from the cache counts as well");
    clear(f);
}

static void by_address(struct fx *f)
{
    struct fx_res r;

    set(f, "limit", "address rate=1r/s burst=10 failed=4");
    tap_ok(passed(f, get("alice", APP), 30) == 30,
           "who was verified before does not pay by address");
    r = fx_run(f, (struct fx_req){ .token = "a.b", .target = APP });
    tap_ok(r.status == 401, "a bad token: 401");
    r = fx_run(f, (struct fx_req){ .token = "a.b.c", .target = APP });
    tap_ok(r.status == 401, "another");
    r = fx_run(f, (struct fx_req){ .token = "a.b.c", .target = APP });
    tap_ok(r.status == 429 && has(r.body, "exceeded: address"),
           "a few of them use up what the address has: %d %s", r.status,
           r.body);
    tap_ok(!has(r.trace, "verify"), "before any verification: %s", r.trace);
    r = fx_get(f, NULL, APP);
    tap_ok(r.status == 429, "no token at all: the same");
    tap_ok(passed(f, get("alice", APP), 3) == 3,
           "who is known still passes");
    r = fx_get(f, NULL, "/assets/favicon.png");
    tap_ok(r.kind == AE_FORWARD, "the UI's files are not meant");
    clear(f);
    set(f, "limit", "anonymous rate=1r/s burst=2");
    tap_ok(passed(f, get(NULL, "/api/version"), 9) == 2,
           "anonymous: who shows nothing, by address");
    tap_ok(passed(f, get("alice", "/api/version"), 9) == 9, "others not");
    clear(f);
    set(f, "limit", "address rate=1r/s burst=1 ops=other");
    tap_ok(passed(f, get(NULL, "/assets/favicon.png"), 9) == 1,
           "other: what is not the API");
    clear(f);
}

static void grpc(struct fx *f)
{
    struct fx_req q = { .method = "POST", .user = "alice",
        .target = "/application.ApplicationService/List",
        .h = { { "content-type", "application/grpc-web+proto" } },
        .body = "" };
    struct fx_res r;

    set(f, "limit", "apikey rate=1r/s burst=2 ops=list");
    tap_ok(passed(f, q, 5) == 2, "gRPC that is passed on is limited by"
           " identity, too");
    r = fx_run(f, q);
    tap_ok(r.status == 200 && has(r.hdr, "Grpc-Status: 8\n")
           && has(r.hdr, "Grpc-Message: rate limit exceeded: apikey.list\n")
           && has(r.hdr, "Retry-After: 1\n")
           && !strcmp(r.ctype, "application/grpc-web+proto"),
           "with a verdict in its own shape");
    tap_ok(passed(f, get("alice", "/api/v1/applications"), 5) == 0,
           "and shares the limit with REST");
    clear(f);
}

static void quiet(struct fx *f)
{
    struct fx_call c;
    struct ae_act act;
    struct fx_res r;
    ae_heap heap = { 0 };
    ae_txn *t;

    set(f, "limit", "any rate=1r/s burst=1");
    set(f, "limit_dry_run", "on");
    tap_ok(passed(f, get("alice", APP), 5) == 5
           && ae_counter_value(f->e, AE_N_limit_dry_run) >= 4,
           "a dry run refuses nobody and counts");
    f->loc.limit_dry_run = 0;
    f->loc.mode = AE_MODE_SHADOW;
    tap_ok(passed(f, get("ci", APP), 5) == 5, "nor does shadow");
    fx_get(f, "ci", APP);
    clear(f);
    set(f, "limit", "any rate=10r/s burst=4 delay=1");
    tap_ok(passed(f, get("alice", APP), 9) == 1,
           "who cannot wait has what passes at once");
    f->e->host.waits = AE_WAITS_ANY;
    fx_pass(f, 60000);
    fx_get(f, "alice", APP);
    fx_fill(f, &get("alice", APP), &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    tap_ok(act.kind == AE_WAIT && act.wait.ms == 100, "the next waits a step"
           " (%u ms)", act.wait.ms);
    tap_ok(ae_eq_lit(ae_txn_var(t, AE_V_LIMIT), "delayed"), "and says so");
    fx_pass(f, 100);
    ae_txn_step(t, &act);
    tap_ok(act.kind == AE_FORWARD || act.kind == AE_CACHED, "then it goes on");
    ae_txn_end(t);
    ae_heap_free(&heap);
    clear(f);
    set(f, "limit", "any rate=10r/s burst=4");
    set(f, "limit_headers", "on");
    f->loc.cache = 0;
    r = fx_get(f, "alice", APP);
    tap_ok(has(r.edit, "RateLimit: \"any\";r=3;t=1\n")
           && has(r.edit, "RateLimit-Policy: \"any\";q=10;w=1\n"),
           "headers on what passes, if wanted");
    clear(f);
}

/* Where who waits keeps a thread: so many, and the next is refused. */
static void few_wait(struct fx *f)
{
    enum { N = 5 };
    struct fx_call c[N];
    ae_heap heap[N] = { { 0 } };
    struct ae_act act[N];
    ae_txn *t[N];

    f->e->host.waits = 2;
    set(f, "limit", "any rate=10r/s burst=9 delay=0");
    fx_pass(f, 60000);
    fx_get(f, "alice", APP); /* is verified, and has what passes at once */
    for (int i = 0; i < N; i++) {
        if (i == N - 1)
            ae_txn_end(t[0]); /* one of them goes */
        fx_fill(f, &get("alice", APP), &c[i]);
        t[i] = ae_txn_begin(f->e, &f->loc, &c[i].req, ae_heap_mem(&heap[i]));
        ae_txn_step(t[i], &act[i]);
    }
    tap_ok(act[0].kind == AE_WAIT && act[1].kind == AE_WAIT, "two may wait");
    tap_ok(act[2].kind == AE_REPLY && act[2].reply.status == 429
           && act[3].kind == AE_REPLY, "further ones are refused");
    tap_ok(act[4].kind == AE_WAIT && act[4].wait.ms == 300,
           "whose place comes free, and nobody pays for the refused (%u ms)",
           act[4].wait.ms);
    for (int i = 1; i < N; i++)
        ae_txn_end(t[i]);
    for (int i = 0; i < N; i++)
        ae_heap_free(&heap[i]);
    f->e->host.waits = AE_WAITS_ANY;
    clear(f);
}

static void calls(struct fx *f)
{
    struct fx_req q = get("alice", "/api/v1/applications");
    struct fx_call c;
    struct ae_act act;
    struct fx_res r;
    ae_heap heap = { 0 };
    ae_txn *t[3];

    set(f, "limit_calls", "any 2");
    fx_fill(f, &q, &c);
    f->loc.cache = 0;
    for (int i = 0; i < 2; i++) {
        t[i] = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
        ae_txn_step(t[i], &act);
        tap_ok(act.kind == AE_FORWARD, "call %d", i + 1);
    }
    r = fx_run(f, q);
    tap_ok(r.status == 429 && has(r.body, "too many calls under way: any")
           && has(r.hdr, "\"any\";q=2;qu=\"concurrent-requests\"")
           && has(r.hdr, "Retry-After: 1\n"), "a third is refused: %s",
           r.body);
    tap_ok(passed(f, get("alice", APP), 1) == 1, "a cheap one is not");
    tap_ok(passed(f, get("ci", "/api/v1/applications"), 1) == 1,
           "nor somebody else's");
    for (int i = 0; i < 4; i++) { /* longer than a slot lives by itself */
        fx_pass(f, 20000);
        ae_engine_tick(f->e);
    }
    tap_ok(passed(f, q, 1) == 0, "who lives keeps his place");
    ae_txn_end(t[0]);
    tap_ok(passed(f, q, 3) == 3, "one ends, others may follow");
    ae_txn_end(t[1]);
    ae_heap_free(&heap);
    tap_ok(!f->e->holders, "nothing is left");
    clear(f);
}

static struct fx_res login(struct fx *f, const char *body)
{
    return fx_run(f, (struct fx_req){ .method = "POST", .body = body,
        .target = "/api/v1/session",
        .h = { { "content-type", "application/json" } } });
}

static void logins(struct fx *f)
{
    static const char *const odd[] = {
        "{\"username\":\"x\",\"Username\":\"admin\",\"password\":\"p\"}",
        "{\"username\":\"admin\",\"password\":\"p\",\"z\":\"\xff\"}",
        "{\"username\":\"admin\",\"password\":\"p\"} trailing",
        "[\"admin\"]", "nothing",
    };
    static const char *const same[] = {
        "{\"username\":\"admin\",\"password\":\"1\"}",
        "{\"password\":\"2\",\"USERNAME\":\"admin\"}",
        "{\"u\\u0073ername\":\"adm\\u0069n\",\"password\":\"3\"}",
        "{\"u\305\277ername\":\"admin\",\"password\":\"4\"}",
        "  {\n\"username\" : \"admin\"}",
    };
    struct fx_res r;
    int ok = 0;

    fx_answer(f, 401, "{}");
    set(f, "login_limit", "user=1r/m burst=3");
    for (int i = 0; i < 5; i++)
        ok += login(f, same[i]).kind == AE_FORWARD;
    tap_ok(ok == 3, "three tries at a name, however it is written");
    r = login(f, same[0]);
    tap_ok(r.status == 429 && has(r.body, "\"code\":8")
           && has(r.body, "too many attempts to log in: login-user")
           && has(r.hdr, "Retry-After: 60\n"), "then 429: %s", r.body);
    ok = 0;
    for (int i = 0; i < 5; i++)
        ok += login(f, odd[i]).kind == AE_FORWARD;
    tap_ok(ok == 3, "what cannot be read is one name");
    tap_ok(login(f, "{\"username\":\"other\"}").kind == AE_FORWARD,
           "another name has its own");
    ok = 0;
    for (int i = 0; i < 9; i++)
        ok += login(f, "{\"token\":\"t\"}").kind == AE_FORWARD;
    tap_ok(ok == 9, "an exchange of tokens names nobody");
    tap_ok(fx_run(f, (struct fx_req){ .method = "DELETE",
                  .target = "/api/v1/session", .body = "",
                  .h = { { "content-type", "application/json" } } }).kind
           == AE_FORWARD, "logging out is none");
    clear(f);
    fx_answer(f, 401, "{}");
    set(f, "login_limit", "address=1r/m burst=2");
    ok = 0;
    for (int i = 0; i < 5; i++)
        ok += login(f, odd[i]).kind == AE_FORWARD;
    tap_ok(ok == 2, "by address");
    clear(f);
    fx_answer(f, 401, "{}");
    set(f, "login_limit", "user=1r/m burst=2");
    set(f, "limit_dry_run", "on");
    ok = 0;
    for (int i = 0; i < 5; i++)
        ok += login(f, same[i]).kind == AE_FORWARD;
    tap_ok(ok == 5, "a dry run refuses none");
    clear(f);
}

/* A gRPC frame with username |u|. */
static void grpc_login(struct fx *f)
{
    static const char alice[] = "\0\0\0\0\xa\xa\x5" "alice\x12\1x";
    struct fx_req q = { .method = "POST", .body = "x",
        .target = "/session.SessionService/Create",
        .h = { { "content-type", "application/grpc-web+proto" } } };
    struct fx_call c;
    struct ae_act act;
    int ok = 0;

    set(f, "login_limit", "user=1r/m burst=2");
    for (int i = 0; i < 4; i++) {
        ae_heap heap = { 0 };
        ae_txn *t;

        fx_fill(f, &q, &c);
        t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
        ae_txn_step(t, &act);
        if (act.kind == AE_NEED_BODY) {
            ae_txn_body(t, ae_s(alice, sizeof alice - 1), AE_BODY_LAST);
            ae_txn_step(t, &act);
        }
        ok += act.kind == AE_FORWARD;
        ae_txn_end(t);
        ae_heap_free(&heap);
    }
    tap_ok(ok == 2, "gRPC logs in by the same shield (%d)", ok);
    tap_ok(login(f, "{\"username\":\"alice\"}").kind == AE_REPLY,
           "and by the same name");
    clear(f);
}

/* Every allocation fails in turn: 500, never a pass that was not due. */
static void starved(struct fx *f)
{
    int fail = 0, wrong = 0;
    struct fx_res r = { 0 };

    set(f, "limit", "any rate=1r/h burst=1");
    fx_get(f, "alice", APP);
    for (f->limit = 1; f->limit < 20000; f->limit += 16) {
        r = fx_get(f, "alice", APP);
        fail += r.kind == AE_FAIL;
        wrong += r.kind != AE_FAIL && r.kind != AE_REPLY;
        if (r.kind == AE_REPLY && !f->starved)
            break;
    }
    f->limit = 0;
    tap_ok(fail > 3 && !wrong && r.status == 429,
           "out of memory: refused, with 500 or 429 (%d, %d)", fail, wrong);
    clear(f);
}

int main(void)
{
    struct fx f;

    ae_arena_init(&conf_arena, ae_heap_mem(&conf_heap), NULL, 0);
    fx_open(&f);
    clear(&f);
    by_identity(&f);
    by_cost(&f);
    by_address(&f);
    grpc(&f);
    quiet(&f);
    few_wait(&f);
    calls(&f);
    logins(&f);
    grpc_login(&f);
    starved(&f);
    fx_close(&f);
    ae_heap_free(&conf_heap);
    return tap_done();
}
