/* lists.c - a tenant's list made of one full copy (T8, T9, section 6). */
#include "fixture.h"

#define LIST "/api/v1/applications"

#define ITEM(name, project, sync) \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"argocd\"," \
    "\"labels\":{\"app\":\"" name "\"}},\"spec\":{\"project\":\"" project \
    "\"},\"status\":{\"sync\":{\"status\":\"" sync "\"}}}"
#define A1 ITEM("a1", "teama", "Synced")
#define B1 ITEM("b1", "teamb", "Synced")
#define B2 ITEM("b2", "teamb", "OutOfSync")
#define HEAD "{\"metadata\":{\"resourceVersion\":\"7\"}\n,\"items\":"
#define FULL HEAD "[" A1 "\n," B1 "\n," B2 "\n]}"
#define BOBS HEAD "[" B1 "\n," B2 "\n]}"

static uint64_t n(const struct fx *f, enum ae_counter c)
{
    return ae_counter_value(f->e, c);
}

/* A lease for |who|, without storing a list of his own. */
static void lease(struct fx *f, const char *who)
{
    fx_answer(f, 404, "{\"error\":\"x\",\"code\":5,\"message\":\"x\"}");
    fx_get(f, who, "/api/v1/applications/none?project=teamb");
}

/* The full list is asked by admin, and bob has a lease. */
static void prime(struct fx *f)
{
    struct fx_res r;

    lease(f, "bob");
    fx_answer(f, 200, FULL);
    r = fx_get(f, "admin", LIST);
    if (r.kind != AE_FORWARD || strcmp(r.cache, "stored"))
        printf("# prime: %d %s\n", r.kind, r.cache);
    /* whoever is forwarded from now on shows by this */
    fx_answer(f, 200, "{\"metadata\":{},\"items\":null}");
}

static bool got(const struct fx_res *r, const char *body)
{
    bool ok = r->kind == AE_CACHED && r->status == 200
           && !strcmp(r->body, body);

    if (!ok)
        printf("# %d %d %s %s\n", r->kind, r->status, r->cache, r->body);
    return ok;
}

static void test_tenant(struct fx *f)
{
    struct fx_res r;
    uint64_t stored;

    prime(f);
    tap_ok(n(f, AE_N_list_copied) == 1, "admin's list is a full copy");
    fx_pass(f, 1000);
    r = fx_get(f, "admin", LIST);
    tap_ok(got(&r, FULL), "it serves admin");
    stored = n(f, AE_N_cache_stored);
    r = fx_get(f, "bob", LIST);
    tap_ok(got(&r, BOBS) && strstr(r.hdr, "Age: 1\n")
           && strstr(r.hdr, "Cache-Control: private, no-cache\n"),
           "and bob, who gets what is his");
    r = fx_get(f, "bob", LIST "?projects=teama");
    tap_ok(got(&r, HEAD "null}"), "not more if he asks for more");
    r = fx_get(f, "bob", LIST "?selector=app%3Db2&fields=items.metadata.name");
    tap_ok(got(&r, HEAD "[{\"metadata\":{\"name\":\"b2\"}}\n]}"),
           "selector and fields");
    tap_ok(n(f, AE_N_cache_stored) == stored
           && n(f, AE_N_list_served) >= 4, "nothing of this is stored");
    r = fx_get(f, "nobody", LIST);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "stored"),
           "T7: without a lease it goes upstream");
}

static void test_error(struct fx *f)
{
    struct fx_res r;
    const char *text = "{\"error\":\"error parsing the selector: found '=',"
        " expected: !, identifier, or 'end of string'\",\"code\":2,"
        "\"message\":\"error parsing the selector: found '=', expected: !,"
        " identifier, or 'end of string'\"}";

    prime(f);
    r = fx_get(f, "bob", LIST "?selector=%3Dbad");
    tap_ok(r.kind == AE_CACHED && r.status == 500 && !strcmp(r.body, text),
           "a bad selector: 500 in Argo CD's words");
}

static void test_forwarded(struct fx *f)
{
    struct fx_res r;

    prime(f);
    r = fx_run(f, (struct fx_req){ .user = "bob", .target = LIST,
                                   .cookie = true });
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "cookie"),
           "who comes by cookie is passed on");
    r = fx_get(f, "bob", LIST "?refresh=hard");
    tap_ok(r.kind == AE_FORWARD, "a write is passed on");
    r = fx_get(f, "bob", LIST "?what=1");
    tap_ok(r.kind == AE_FORWARD, "T3: and an unknown name");
    r = fx_run(f, (struct fx_req){ .user = "bob", .target = LIST,
        .h = { { "Accept", "text/event-stream" } } });
    tap_ok(r.kind == AE_FORWARD, "and an event stream");
    r = fx_run(f, (struct fx_req){ .user = "bob", .target = LIST "?name=b1",
        .h = { { "Cache-Control", "no-cache" } } });
    tap_ok(r.kind == AE_FORWARD, "and who wants it anew");
    f->loc.lists = 0;
    r = fx_get(f, "bob", LIST "?name=b2");
    tap_ok(r.kind == AE_FORWARD, "and all, if lists are off");
    f->loc.lists = 1;
    fx_pass(f, 6000);
    r = fx_get(f, "bob", LIST "?repo=x");
    tap_ok(r.kind == AE_FORWARD, "and when the copy is old");
}

static void test_sources(struct fx *f)
{
    struct fx_res r;

    lease(f, "bob");
    lease(f, "admin");
    fx_answer(f, 200, BOBS);
    fx_get(f, "bob", LIST);
    fx_answer(f, 200, FULL);
    fx_get(f, "admin", LIST "?projects=teamb");
    fx_get(f, "admin", LIST "?fields=items.metadata.name");
    tap_ok(n(f, AE_N_list_copied) == 0,
           "no copy of a part, nor of a tenant's list");
    fx_answer(f, 200, "{\"items\":[\"odd\"]}");
    fx_get(f, "admin", LIST);
    r = fx_get(f, "admin", LIST);
    tap_ok(n(f, AE_N_list_copied) == 0 && got(&r, "{\"items\":[\"odd\"]}"),
           "what is no list stays with who asked");
    fx_answer(f, 200, HEAD "[" A1 "\n," B1 "\n]}");
    f->broken = true;
    fx_pass(f, 6000);
    fx_get(f, "admin", LIST);
    f->broken = false;
    tap_ok(n(f, AE_N_list_copied) == 0, "nor is there one of half an answer");
}

/* A write through us, and a policy edit. */
static void test_changes(struct fx *f)
{
    struct fx_res r;

    prime(f);
    fx_write(f, "argocd-rbac-cm", "policy.csv", "g, admin, role:admin\n"
             "p, bob, applications, get, teamb/b2, allow\n");
    fx_pass(f, 1500);
    ae_engine_tick(f->e);
    lease(f, "bob");
    fx_answer(f, 200, "{}");
    r = fx_get(f, "bob", LIST);
    tap_ok(got(&r, HEAD "[" B2 "\n]}"),
           "a policy edit counts at once, and costs no new copy");
    fx_write(f, "argocd-rbac-cm", "policy.csv", FX_POLICY);
    fx_pass(f, 1500);
    ae_engine_tick(f->e);
    lease(f, "bob");
    fx_answer(f, 200, "{}");
    r = fx_get(f, "bob", LIST "?name=b1");
    tap_ok(r.kind == AE_CACHED && strstr(r.body, "b1"), "and back");
    fx_run(f, (struct fx_req){ .method = "DELETE", .user = "admin",
        .target = LIST "/b1", .h = { { "Content-Type",
                                       "application/json" } } });
    r = fx_get(f, "bob", LIST "?name=b1");
    tap_ok(r.kind == AE_FORWARD, "a write ends the copy");
}

static void test_etag(struct fx *f)
{
    struct fx_res r;
    char tag[128] = "";
    const char *at;

    prime(f);
    r = fx_get(f, "bob", LIST);
    at = strstr(r.hdr, "ETag: ");
    if (at)
        snprintf(tag, sizeof tag, "%.*s", (int)strcspn(at + 6, "\n"), at + 6);
    tap_ok(at && tag[0] == '"', "an ETag");
    r = fx_run(f, (struct fx_req){ .user = "bob", .target = LIST,
        .h = { { "If-None-Match", tag } } });
    tap_ok(r.kind == AE_CACHED && r.status == 304, "304 for who has it");
    r = fx_run(f, (struct fx_req){ .user = "bob",
        .target = LIST "?projects=teamb", .h = { { "If-None-Match", tag } } });
    tap_ok(r.status == 200, "but not for another question");
    r = fx_run(f, (struct fx_req){ .user = "admin", .target = LIST,
        .h = { { "If-None-Match", tag } } });
    tap_ok(r.status == 200, "nor for another caller");
}

static void test_pages(struct fx *f)
{
    struct fx_res r;
    char target[256];
    const char *at;

    prime(f);
    r = fx_get(f, "bob", LIST "?edge.limit=1");
    tap_ok(got(&r, HEAD "[" B1 "\n]}")
           && strstr(r.hdr, "Argo-Edge-List: page\n")
           && (at = strstr(r.hdr, "Argo-Edge-Continue: ")) != NULL,
           "the first page");
    at = strstr(r.hdr, "Argo-Edge-Continue: ");
    if (!at)
        return;
    snprintf(target, sizeof target, LIST "?edge.limit=1&edge.continue=%.*s",
             (int)strcspn(at + 20, "\n"), at + 20);
    r = fx_get(f, "bob", target);
    tap_ok(got(&r, HEAD "[" B2 "\n]}")
           && !strstr(r.hdr, "Argo-Edge-Continue"), "and the last");
    r = fx_get(f, "bob", LIST "?projects=teamb&edge.sync=OutOfSync");
    tap_ok(got(&r, HEAD "[" B2 "\n]}"), "by state of sync");
    r = fx_get(f, "bob", LIST "?edge.search=B1");
    tap_ok(got(&r, HEAD "[" B1 "\n]}"), "by a part of the name");
    r = fx_get(f, "bob", LIST "?edge.limit=none");
    tap_ok(r.kind == AE_FORWARD && !strstr(r.edit, "Argo-Edge-List"),
           "what is not understood is an unknown name");
    r = fx_get(f, "bob", LIST "?edge.limit=1&other=2");
    tap_ok(r.kind == AE_FORWARD, "as is one beside ours");
    fx_pass(f, 6000);
    fx_answer(f, 200, BOBS);
    r = fx_get(f, "bob", LIST "?edge.limit=1");
    tap_ok(r.kind == AE_FORWARD && strstr(r.edit, "Argo-Edge-List: whole\n"),
           "without a copy the whole list comes, and says so");
    r = fx_get(f, "bob", LIST "?edge.limit=1");
    tap_ok(r.kind == AE_FORWARD, "again");
    r = fx_get(f, "bob", LIST);
    tap_ok(got(&r, BOBS), "and was kept as the answer that it is");
}

/* Memory that ends anywhere: a refusal, never another's item. */
static void test_starved(struct fx *f)
{
    unsigned failed = 0, right = 0, wrong = 0;

    prime(f);
    for (size_t limit = 200; limit < 40000; limit += 97) {
        struct fx_res r;

        f->limit = limit;
        r = fx_get(f, "bob", LIST "?selector=app&edge.limit=2&edge.search=b");
        failed += r.kind == AE_FAIL;
        right += r.kind == AE_CACHED && !strcmp(r.body, BOBS);
        wrong += r.kind != AE_FAIL && strstr(r.body, "a1") != NULL;
    }
    f->limit = 0;
    tap_ok(failed && right && !wrong, "too little memory (%u) or enough (%u)",
           failed, right);
}

/* What other processes stored is loaded, and damage in it found. */
static void test_loaded(struct fx *f)
{
    struct fx_res r;

    prime(f);
    ae_copies_free(f->e); /* as another process: only the store has it */
    r = fx_get(f, "bob", LIST);
    tap_ok(got(&r, BOBS) && n(f, AE_N_list_copied) == 1,
           "a copy that another process made");
    r = fx_get(f, "bob", LIST "?name=b1");
    tap_ok(r.kind == AE_CACHED, "is then at hand");
    fx_pass(f, 6000);
    ae_engine_tick(f->e);
    tap_ok(f->e->copy_bytes == 0, "and gives its memory back in time");
}

/* Shadow compares what it would have sent, and sends nothing. */
static void test_shadow(struct fx *f)
{
    struct fx_res r;

    f->loc.mode = AE_MODE_SHADOW;
    fx_answer(f, 200, FULL);
    fx_get(f, "admin", LIST);
    tap_ok(n(f, AE_N_list_copied) == 1 && n(f, AE_N_cache_stored) == 0,
           "shadow learns a copy, and stores nothing");
    fx_answer(f, 200, BOBS);
    r = fx_get(f, "bob", LIST);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.body, BOBS)
           && n(f, AE_N_list_same) == 1, "the same answer");
    fx_answer(f, 200, "{\"metadata\":{\"resourceVersion\":\"8\"}\n,\"items"
              "\":[" B1 "\n," ITEM("b2", "teamb", "Synced") "\n]}");
    fx_get(f, "bob", LIST);
    tap_ok(n(f, AE_N_list_older) == 1 && n(f, AE_N_divergence) == 0,
           "an item that changed since");
    fx_answer(f, 200, HEAD "[" B2 "\n]}");
    fx_get(f, "bob", LIST);
    tap_ok(n(f, AE_N_list_differs) == 1 && n(f, AE_N_divergence) == 1,
           "an item too many is a divergence");
    fx_pass(f, 6000);
    fx_get(f, "bob", LIST);
    tap_ok(n(f, AE_N_list_differs) == 1, "nothing is compared with the past");
}

/* One request over a fetched answer; NULL: it has not come yet. */
static struct fx_res fetched_by(struct fx *f, const char *user,
                                const char *target, int status,
                                const char *body, char *auth, size_t room)
{
    struct fx_req q = { .user = user, .target = target };
    struct fx_call c;
    struct fx_res res = { .kind = AE_FAIL };
    struct ae_act act;
    ae_heap heap = { 0 };
    ae_txn *t;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    auth[0] = '\0';
    if (act.kind == AE_NEED_FETCH) {
        snprintf(auth, room, "%.*s %.*s", (int)act.fetch.target.n,
                 act.fetch.target.p, (int)act.fetch.authorization.n,
                 act.fetch.authorization.p);
        if (body)
            ae_txn_fetched(t, act.fetch.id, status,
                           AE_STR("application/json"), ae_cs(body),
                           AE_BODY_LAST);
        if (body)
            ae_txn_step(t, &act);
    }
    res.kind = act.kind;
    if (act.kind == AE_FORWARD) {
        fx_upstream(f, t, &res);
    } else if (act.kind != AE_NEED_FETCH) {
        res.status = act.reply.status;
        fx_copy(res.body, sizeof res.body, act.reply.body);
    }
    ae_txn_end(t);
    ae_heap_free(&heap);
    return res;
}

static struct fx_res fetched(struct fx *f, const char *target, int status,
                             const char *body, char *auth, size_t room)
{
    return fetched_by(f, "bob", target, status, body, auth, room);
}

/* In the name of who may see everything, if somebody else lacks it. */
static void test_ask(struct fx *f)
{
    char asked[2048], want[2048];
    struct fx_res r;

    /* Claims of other keys may fall on the same of the few slots that the
     * store in memory has; then nobody asks, which is fine elsewhere. */
    f->loc.collapse_ms = 0;
    lease(f, "alice");
    lease(f, "bob");
    fx_answer(f, 200, FULL);
    f->loc.lists = AE_LISTS_ASK;
    r = fetched_by(f, "alice", LIST "?name=a1", 200, FULL, asked,
                   sizeof asked);
    tap_ok(r.kind == AE_FORWARD && !asked[0], "nobody has lacked a copy");
    fetched(f, LIST, 200, FULL, asked, sizeof asked);
    tap_ok(!asked[0], "who may not see everything asks for nothing");
    f->loc.lists = AE_LISTS_ON;
    fetched_by(f, "alice", LIST "?name=b1", 200, FULL, asked, sizeof asked);
    tap_ok(!asked[0], "nor does anybody if it is only on");
    f->loc.lists = AE_LISTS_ASK;
    r = fetched_by(f, "alice", LIST "?name=b2", 200, FULL, asked,
                   sizeof asked);
    snprintf(want, sizeof want, LIST " Bearer %s", fx_token(f, "alice"));
    tap_ok(!strcmp(asked, want) && got(&r, HEAD "[" B2 "\n]}"),
           "alice asks for everything and gets her part");
    r = fetched(f, LIST "?projects=teamb", 200, NULL, asked, sizeof asked);
    tap_ok(!asked[0] && got(&r, BOBS), "bob his");
    fx_pass(f, 70000);
    lease(f, "alice");
    fx_answer(f, 200, FULL);
    fetched_by(f, "alice", LIST "?name=b2", 200, FULL, asked, sizeof asked);
    tap_ok(!asked[0], "and a minute later that is over");
}

static void service(struct fx *f, const char *token)
{
    static char path[128];

    f->loc.collapse_ms = 0; /* as in test_ask() */
    snprintf(path, sizeof path, "%s/token", f->dir);
    fx_write(f, ".", "token", token);
    f->conf.service_token_file = ae_cs(path);
    fx_write(f, "argocd-cm", "again", token); /* read all anew */
    fx_pass(f, 1500);
    ae_engine_tick(f->e);
}

static void test_service(struct fx *f)
{
    char asked[2048], want[2048], token[1024];
    struct fx_res r;

    snprintf(token, sizeof token, "%s\n", fx_token(f, "alice"));
    service(f, token);
    snprintf(want, sizeof want, LIST " Bearer %s", fx_token(f, "alice"));
    fx_answer(f, 200, BOBS);
    r = fetched(f, LIST, 200, FULL, asked, sizeof asked);
    tap_ok(r.kind == AE_FORWARD && !asked[0],
           "nothing is asked for who has no lease");
    fx_pass(f, 6000);
    r = fetched(f, LIST "?projects=teamb", 200, FULL, asked, sizeof asked);
    tap_ok(!strcmp(asked, want), "the service token asks for everything");
    tap_ok(got(&r, BOBS), "and bob gets what is his");
    r = fetched(f, LIST "?name=b2", 200, FULL, asked, sizeof asked);
    tap_ok(r.kind == AE_CACHED && !asked[0], "then there is a copy");
    fx_pass(f, 6000);
    lease(f, "bob");
    fx_answer(f, 200, BOBS);
    r = fetched(f, LIST, 403, "{\"error\":\"no\"}", asked, sizeof asked);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.body, BOBS)
           && n(f, AE_N_list_fetch_failed) == 1,
           "what is refused changes nothing");
    r = fetched(f, LIST "?name=b1", 200, FULL, asked, sizeof asked);
    tap_ok(r.kind == AE_FORWARD && !asked[0], "nor is it asked at once again");
    fx_pass(f, 6000);
    r = fetched(f, LIST "?name=b1", 200, NULL, asked, sizeof asked);
    tap_ok(r.kind == AE_NEED_FETCH, "while one asks");
    fx_pass(f, 6000);
    r = fetched(f, LIST "?name=b1", 200, HEAD, asked, sizeof asked);
    tap_ok(r.kind == AE_FORWARD && asked[0], "half a list is none");
}

/* A service token that may not see everything would show too little. */
static void test_poor_service(struct fx *f)
{
    char asked[2048];
    struct fx_res r;

    service(f, fx_token(f, "nobody"));
    lease(f, "bob");
    fx_answer(f, 200, BOBS);
    r = fetched(f, LIST, 200, BOBS, asked, sizeof asked);
    tap_ok(r.kind == AE_FORWARD && !asked[0]
           && n(f, AE_N_list_fetch_failed) == 1, "it is not used");
    service(f, "no token at all");
    r = fetched(f, LIST "?name=b1", 200, BOBS, asked, sizeof asked);
    tap_ok(r.kind == AE_FORWARD && strstr(f->logs, "is not one token"),
           "what is no token is said in the log");
}

int main(void)
{
    static void (*const tests[])(struct fx *) = {
        test_tenant, test_error, test_forwarded, test_sources, test_changes,
        test_etag, test_pages, test_starved, test_loaded, test_shadow,
        test_service, test_poor_service, test_ask
    };

    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        struct fx f;

        fx_open(&f);
        tests[i](&f);
        fx_close(&f);
    }
    return tap_done();
}
