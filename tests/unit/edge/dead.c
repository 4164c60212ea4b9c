/* dead.c - tokens that were refused a moment ago (T11). */
#include "fixture.h"

#include <pthread.h>

#define LIST "/api/v1/applications"
#define GONE "invalid session: account alice is disabled"

static char big[600];

static const char *body_of(const char *msg)
{
    static char b[2048];

    snprintf(b, sizeof b, "{\"error\":\"%s\",\"code\":16,\"message\":\"%s\"}",
             msg, msg);
    return b;
}

static struct fx_res refuse(struct fx *f, const char *msg)
{
    struct fx_res r;

    fx_pass(f, 61000);
    fx_answer(f, 401, body_of(msg));
    r = fx_get(f, "alice", LIST);
    fx_answer(f, 200, "{\"items\":[]}");
    return r;
}

static bool remembered(struct fx *f)
{
    return fx_get(f, "alice", LIST).kind == AE_REPLY;
}

static void test_upstream(struct fx *f)
{
    struct fx_res r = refuse(f, GONE);
    int hits = f->hits;

    tap_ok(r.kind == AE_FORWARD && r.status == 401, "refused by Argo CD");
    r = fx_get(f, "alice", LIST "/x");
    tap_ok(r.kind == AE_REPLY && r.status == 401 && f->hits == hits
           && !strcmp(r.body, body_of(GONE)), "then by us, in its words");
    tap_ok(strstr(r.hdr, "Retry-After: 10\n") != NULL, "for how long");
    tap_ok(!strcmp(r.decision, "deny")
           && ae_counter_value(f->e, AE_N_token_dead) == 1, "and told");
    fx_pass(f, 8500);
    r = fx_get(f, "alice", LIST "/x/resource-tree");
    tap_ok(strstr(r.hdr, "Retry-After: 2\n") != NULL, "rounded up");
    r = fx_run(f, (struct fx_req){ .user = "alice", .cookie = true,
                                   .target = LIST });
    tap_ok(r.kind == AE_REPLY, "as a cookie, too");
    r = fx_get(f, "alice", "/api/v1/stream/applications");
    tap_ok(r.status == 401 && strstr(r.body, "\"grpc_code\":16"),
           "in the shape of a stream");
    tap_ok(fx_get(f, "bob", LIST).kind == AE_FORWARD, "bob is not meant");
    tap_ok(fx_get(f, "alice", "/api/v1/settings").kind == AE_FORWARD,
           "nor what asks for no token");
    tap_ok(fx_get(f, "alice", "/api/v1/session/userinfo").kind == AE_FORWARD,
           "nor userinfo");
    fx_pass(f, 1500);
    tap_ok(!remembered(f), "and only for a while");
}

static void test_not(struct fx *f)
{
    static const char *const other[] = {
        "invalid session: failed to verify the token",
        "invalid session: error while querying userinfo endpoint: timeout",
        "no session information",
    };

    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        refuse(f, other[i]);
        tap_ok(!remembered(f), "not remembered: %s", other[i]);
    }
    memset(big, 'x', sizeof big - 1);
    memcpy(big, "invalid session:", 16);
    big[480] = 0;
    refuse(f, big);
    tap_ok(remembered(f), "480 bytes are");
    big[480] = 'x';
    refuse(f, big);
    tap_ok(!remembered(f), "481 are not");
    fx_pass(f, 61000);
    fx_answer(f, 403, body_of(GONE));
    fx_get(f, "alice", LIST);
    fx_answer(f, 200, "{\"items\":[]}");
    tap_ok(!remembered(f), "no 403");
    f->loc.dead_token_ms = 0;
    refuse(f, GONE);
    tap_ok(!remembered(f), "0: off");
    f->loc.dead_token_ms = 10000;
    tap_ok(!remembered(f), "and nothing comes back");
    f->loc.mode = AE_MODE_SHADOW;
    refuse(f, GONE);
    tap_ok(!remembered(f), "shadow refuses nobody");
    f->loc.mode = AE_MODE_ENFORCE;
}

/* Inputs that change: the account may be repaired. */
static void test_repaired(struct fx *f)
{
    refuse(f, GONE);
    tap_ok(remembered(f), "refused");
    fx_write(f, "argocd-cm", "help.chatText", "x");
    ae_engine_tick(f->e);
    tap_ok(!remembered(f), "a new snapshot forgets");
}

static void test_own(struct fx *f)
{
    struct fx_req q = { .target = LIST };
    struct fx_res a, b;
    char t[1024];

    fx_pass(f, 61000);
    snprintf(t, sizeof t, "%s", fx_token(f, "alice"));
    t[strlen(t) - 3] ^= 1;
    q.token = t;
    a = fx_run(f, q);
    b = fx_run(f, q);
    tap_ok(a.status == 401 && !strstr(a.hdr, "Retry-After"),
           "what we refuse ourselves");
    tap_ok(b.status == 401 && !strcmp(a.body, b.body)
           && strstr(b.hdr, "Retry-After: 10\n"), "is remembered as well");
}

/* Keys are unknown here: Argo CD alone judges, and is asked less. */
static void test_unknown(struct fx *f)
{
    fx_write(f, "argocd-secret", "server.secretkey", "");
    ae_engine_tick(f->e);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_FORWARD, "not ours to judge");
    refuse(f, GONE);
    tap_ok(remembered(f), "but to remember");
}

/* ---- many at once ------------------------------------------------------- */

struct job { struct fx *f; int id, wrong, found; };

static void *hammer(void *arg)
{
    struct job *j = arg;

    for (int i = 0; i < 20000; i++) {
        struct fx_call c = { .req = { .method = AE_STR("GET"),
                                      .target = AE_STR(LIST) } };
        ae_heap heap = { 0 };
        char tok[16], msg[64];
        int64_t left;
        ae_txn *t;
        ae_str got;

        snprintf(tok, sizeof tok, "token-%d", (j->id * 7 + i) % 3000);
        snprintf(msg, sizeof msg, "of %s", tok);
        t = ae_txn_begin(j->f->e, &j->f->loc, &c.req, ae_heap_mem(&heap));
        t->cred.token = ae_cs(tok);
        ae_dead_mark(t, ae_cs(msg));
        got = ae_dead_find(t, &left);
        j->found += got.p != NULL;
        j->wrong += got.p && !ae_eq(got, ae_cs(msg));
        ae_txn_end(t);
        ae_heap_free(&heap);
    }
    return NULL;
}

static void test_threads(struct fx *f)
{
    struct job job[4];
    pthread_t th[4];
    int found = 0, wrong = 0;

    for (int i = 0; i < 4; i++) {
        job[i] = (struct job){ .f = f, .id = i };
        pthread_create(&th[i], NULL, hammer, &job[i]);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(th[i], NULL);
        found += job[i].found;
        wrong += job[i].wrong;
    }
    tap_ok(wrong == 0 && found > 40000,
           "four at once: never another's words (%d found)", found);
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_upstream(&f);
    test_not(&f);
    test_repaired(&f);
    test_own(&f);
    test_threads(&f);
    test_unknown(&f);
    fx_close(&f);
    return tap_done();
}
