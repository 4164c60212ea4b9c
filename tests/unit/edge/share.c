/*
 * share.c - answers that callers of equal rights share (T9): who is answered
 * with what, and what ends whose access.
 */
#include "fixture.h"

#define LIST "/api/v1/applications"
#define TREE LIST "/a1/resource-tree"
#define ITEM(name, project)                                              \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"argocd\"},"    \
    "\"spec\":{\"project\":\"" project "\"}}"
#define ITEMS(x) "{\"metadata\":{},\"items\":[" x "]}"

static void hand_open(struct fx *f)
{
    fx_open(f);
    f->loc.share = AE_SHARE_RIGHTS;
    f->loc.lists = AE_LISTS_OFF;
    fx_write(f, "argocd-rbac-cm", "policy.csv",
             "g, alice, role:dev\ng, bob, role:dev\n"
             "p, role:dev, applications, get, teama/*, allow\n"
             "p, nobody, applications, get, teama/*, allow\n"
             "p, nobody, applications, get, teamb/*, allow\n");
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
}

static const char *cached(struct fx *f, const char *who, const char *target)
{
    static struct fx_res r;

    r = fx_get(f, who, target);
    return r.kind == AE_CACHED ? r.cache : "";
}

/* Everybody's token has been accepted a moment ago. */
static void accepted(struct fx *f)
{
    fx_pass(f, 600000);
    fx_answer(f, 200, "{\"value\":\"x\"}");
    fx_get(f, "alice", "/api/v1/notifications/services");
    fx_get(f, "bob", "/api/v1/notifications/services?x=1");
    fx_get(f, "nobody", "/api/v1/notifications/services?x=1");
}

static void test_who(struct fx *f)
{
    struct fx_res r, s;
    const char *tag;
    char text[64];
    int hits;

    accepted(f);
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama")));
    hits = f->hits;
    r = fx_get(f, "alice", LIST);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "stored"), "one asks");
    tap_ok(!strcmp(cached(f, "bob", LIST), "hit") && f->hits == hits + 1,
           "who has the same role is answered");
    tap_ok(ae_counter_value(f->e, AE_N_cache_shared_hit) == 1, "counted");
    s = fx_get(f, "nobody", LIST);
    tap_ok(s.kind == AE_FORWARD, "who has more is not");
    r = fx_get(f, "alice", LIST);
    tag = strstr(r.hdr, "ETag: ");
    fx_copy(text, sizeof text, tag ? ae_s(tag + 6, strcspn(tag + 6, "\n"))
                                   : AE_STR("none"));
    s = fx_run(f, (struct fx_req){ .user = "bob", .target = LIST,
                                   .h = { { "If-None-Match", text } } });
    tap_ok(s.status == 304, "and his validator is theirs");
    r = fx_get(f, "alice", LIST "?fields=items.metadata.name");
    tap_ok(!*cached(f, "bob", LIST "?fields=items.metadata.name"),
           "no list whose items show no project");
    fx_answer(f, 200, "{\"items\":[]}");
    fx_get(f, "alice", "/api/v1/account");
    tap_ok(!strcmp(cached(f, "alice", "/api/v1/account"), "hit")
           && !*cached(f, "bob", "/api/v1/account"),
           "nor what is about who asks");
}

static void test_off(struct fx *f)
{
    accepted(f);
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama")));
    f->loc.share = AE_SHARE_IDENTITY;
    fx_get(f, "alice", LIST);
    tap_ok(!*cached(f, "bob", LIST), "identity: nobody shares");
    f->loc.share = AE_SHARE_RIGHTS;
    f->conf.projects = AE_PARTIAL;
    fx_write(f, "argocd-rbac-cm", "note", "again");
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    fx_get(f, "alice", LIST);
    tap_ok(!strcmp(cached(f, "alice", LIST), "hit")
           && !*cached(f, "bob", LIST), "nor without all projects");
    f->conf.projects = AE_AUTO;
    fx_write(f, "argocd-rbac-cm", "note", "and again");
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
}

/* One object: what an earlier answer showed one caller is his alone. */
static void test_hint(struct fx *f)
{
    accepted(f);
    fx_answer(f, 200, FX_APP("a1", "teama"));
    fx_get(f, "alice", LIST "/a1");
    tap_ok(!strcmp(cached(f, "bob", LIST "/a1"), "hit"), "an application");
    fx_answer(f, 200, "{\"nodes\":[]}");
    fx_get(f, "alice", TREE);
    tap_ok(!strcmp(cached(f, "alice", TREE), "hit")
           && !*cached(f, "bob", TREE), "its tree, the project a hint: no");
    fx_get(f, "alice", TREE "?project=teama");
    tap_ok(!strcmp(cached(f, "bob", TREE "?project=teama"), "hit"),
           "the project named: yes");
}

/* Argo CD shows what our policy does not allow: it is ahead of us. */
static void test_lag(struct fx *f)
{
    uint64_t n0 = ae_counter_value(f->e, AE_N_cache_unshared);

    accepted(f);
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama") "," ITEM("b1", "teamb")));
    fx_get(f, "alice", LIST);
    tap_ok(!strcmp(cached(f, "alice", LIST), "hit"), "kept for who asked");
    tap_ok(!*cached(f, "bob", LIST), "and for nobody else");
    tap_ok(ae_counter_value(f->e, AE_N_cache_unshared) >= n0 + 1, "counted");
    fx_answer(f, 200, "{\"items\":[{\"a\":1}]}");
    fx_get(f, "alice", LIST "?projects=teama");
    tap_ok(!*cached(f, "bob", LIST "?projects=teama"),
           "nor a list that we cannot read");
}

/* The end of one's access is not the end of others'. */
static void test_ends(struct fx *f)
{
    struct fx_res r;

    accepted(f);
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama")));
    fx_get(f, "alice", LIST);
    fx_run(f, (struct fx_req){ .user = "alice", .cookie = true,
                               .target = "/auth/logout" });
    tap_ok(!*cached(f, "alice", LIST), "after her logout Argo CD is asked");
    tap_ok(!strcmp(cached(f, "bob", LIST), "hit"), "his stay");
    accepted(f);
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama")));
    fx_get(f, "bob", LIST);
    fx_answer(f, 401, "{\"error\":\"invalid session: gone\",\"code\":16,"
                      "\"message\":\"invalid session: gone\"}");
    fx_get(f, "alice", "/api/v1/projects");
    r = fx_get(f, "alice", LIST);
    tap_ok(r.status == 401, "a dead token: refused");
    tap_ok(!strcmp(cached(f, "bob", LIST), "hit"), "his stay");
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama")));
    fx_pass(f, 60000);
    fx_get(f, "alice", LIST);
    r = fx_get(f, "bob", LIST);
    tap_ok(r.kind == AE_FORWARD && ae_counter_value(f->e, AE_N_cache_no_lease),
           "without a lease of his own there is no hit");
}

static bool for_bob(void *ctx, const struct ae_entry *head)
{
    (void)ctx;
    return ae_entry_for(head, AE_STR("bob"));
}

static void test_purge(struct fx *f)
{
    accepted(f);
    fx_answer(f, 200, ITEMS(ITEM("a1", "teama")));
    fx_get(f, "alice", LIST);
    fx_answer(f, 200, "{\"items\":[]}");
    fx_get(f, "alice", "/api/v1/account");
    f->e->store->ops->drop(f->e->store, for_bob, NULL,
                             NULL);
    tap_ok(!*cached(f, "bob", LIST), "what bob might have had is purged");
    tap_ok(!strcmp(cached(f, "alice", "/api/v1/account"), "hit"),
           "what is alice's alone is not");
}

static void begin(struct fx *f, struct fx_call *c, ae_heap *h, ae_txn **t,
                  struct ae_act *act, const char *user)
{
    struct fx_req q = { .user = user, .target = LIST };

    memset(h, 0, sizeof *h);
    fx_fill(f, &q, c);
    *t = ae_txn_begin(f->e, &f->loc, &c->req, ae_heap_mem(h));
    ae_txn_step(*t, act);
}

static void test_collapse(struct fx *f, const char *body, bool shared)
{
    static const char *const users[] = { "alice", "bob", "nobody" };
    struct ae_resp_edit edit;
    struct fx_call c[3];
    struct ae_act act[3];
    ae_heap h[3];
    ae_txn *t[3];

    accepted(f);
    fx_answer(f, 200, body);
    for (int i = 0; i < 3; i++)
        begin(f, &c[i], &h[i], &t[i], &act[i], users[i]);
    tap_ok(act[0].kind == AE_FORWARD && act[1].kind == AE_WAIT
           && act[2].kind == AE_FORWARD, "equal rights wait, others do not");
    ae_txn_response(t[0], &f->resp, &edit);
    ae_txn_resp_part(t[0], ae_cs(f->body));
    ae_txn_resp_end(t[0], true);
    ae_txn_step(t[1], &act[1]);
    tap_ok(act[1].kind == (shared ? AE_CACHED : AE_FORWARD), shared
           ? "and are answered" : "but not with what is another's");
    for (int i = 0; i < 3; i++) {
        ae_txn_end(t[i]);
        ae_heap_free(&h[i]);
    }
}

static void test_large(struct fx *f)
{
    size_t max = 400000, at;
    char *body = malloc(max);

    if (!body)
        exit(2);
    at = (size_t)snprintf(body, max, "{\"metadata\":{},\"items\":[");
    for (int i = 0; i < 1000; i++)
        at += (size_t)snprintf(body + at, max - at, "%s{\"metadata\":{"
            "\"name\":\"a%d\",\"namespace\":\"argocd\"},\"spec\":{\"project\":"
            "\"teama\",\"pad\":\"%0250d\"}}", i ? "," : "", i, i);
    snprintf(body + at, max - at, "]}");
    accepted(f);
    fx_answer(f, 200, body);
    fx_get(f, "alice", LIST);
    tap_ok(strlen(body) > AE_SMALL && !strcmp(cached(f, "bob", LIST), "hit"),
           "a list of %zu bytes is looked through", strlen(body));
    fx_answer(f, 200, "{}");
    free(body);
}

int main(void)
{
    static struct fx f;

    hand_open(&f);
    test_who(&f);
    test_off(&f);
    test_hint(&f);
    test_lag(&f);
    test_collapse(&f, ITEMS(ITEM("a1", "teama")), true);
    test_collapse(&f, ITEMS(ITEM("b1", "teamb")), false);
    test_large(&f);
    test_purge(&f);
    test_ends(&f);
    fx_close(&f);
    return tap_done();
}
