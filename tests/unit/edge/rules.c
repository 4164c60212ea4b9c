/* rules.c - what the operator's own rules take away (R28, closed list 6). */
#include "fixture.h"
#include "edge/rules.h"

#define APP "/api/v1/applications/a1"
#define LIST "/api/v1/applications"
#define SYNC "/api/v1/applications/a1/sync"
#define JSON { "Content-Type", "application/json" }

/* New rules in force; false: they were refused, the old ones stay. */
static bool rules(struct fx *f, const char *yaml)
{
    uint64_t bad = ae_counter_value(f->e, AE_N_reload_failed);

    fx_write(f, ".", "argo-edge.yaml", yaml);
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    return ae_counter_value(f->e, AE_N_reload_failed) == bad;
}

static struct fx_res post(struct fx *f, const char *user, const char *target,
                          const char *body)
{
    return fx_run(f, (struct fx_req){ .user = user, .method = "POST",
        .target = target, .body = body, .h = { JSON } });
}

static bool said(const struct fx_res *r, const char *text)
{
    return r->kind == AE_REPLY && r->status == 403
        && strstr(r->body, "\"code\":7,") && strstr(r->body, text);
}

/* ---- read_only ---------------------------------------------------------- */

static void test_read_only(struct fx *f)
{
    static const struct { const char *method, *target; bool pass; } c[] = {
        { "GET", APP, true }, { "GET", LIST, true },
        { "GET", APP "?refresh=normal", false },
        { "DELETE", APP, false }, { "PATCH", APP, false },
        { "POST", SYNC, false }, { "POST", LIST, false },
        { "POST", "/api/v1/repositories/x/appdetails", true },
        { "POST", "/api/v1/session", true },
        { "DELETE", "/api/v1/session", true },
        { "GET", "/auth/logout", true }, { "POST", "/api/webhook", true },
        { "GET", "/", true }, { "POST", "/elsewhere", false },
        { "GET", "/terminal", false },
    };
    struct fx_res r;

    tap_ok(rules(f, "read_only: true\n"), "read_only is in force");
    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        struct fx_req q = { .user = "admin", .method = c[i].method,
            .target = c[i].target, .h = { JSON },
            .cookie = strstr(c[i].target, "terminal") != NULL };

        r = fx_run(f, q);
        tap_ok((r.kind == AE_FORWARD) == c[i].pass
               && (c[i].pass || said(&r, "argo-edge read_only: ")),
               "%s %s: %s", c[i].method, c[i].target, r.body);
    }
    r = fx_run(f, (struct fx_req){ .method = "DELETE", .target = APP,
                                   .h = { JSON } });
    tap_ok(r.status == 401, "who is nobody is told that first");
    tap_ok(ae_counter_value(f->e, AE_N_rule_read_only) == 7, "counted");
    tap_ok(!strcmp(r.trace, "shape,route,credential,verify,reply"),
           "before any rule");
}

/* ---- virtual patches ---------------------------------------------------- */

static void test_patches(struct fx *f)
{
    struct fx_res r;

    rules(f, "virtual_patches: []\n");
    fx_get(f, "alice", APP);
    tap_ok(fx_get(f, "alice", APP).kind == AE_CACHED, "no rule: a hit");
    rules(f, "virtual_patches:\n"
             "- name: no-copies\n  operations: [ApplicationService_Get]\n"
             "  action: no_cache\n"
             "- name: CVE-0000\n  operations: [ProjectService_GetDetailed*]\n"
             "  message: see the advisory\n");
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.cache, "rule"),
           "no_cache serves nothing");
    r = fx_get(f, "alice", APP);
    tap_ok(r.kind == AE_FORWARD, "and keeps nothing");
    r = fx_get(f, "alice", "/api/v1/projects/teama/detailed");
    tap_ok(said(&r, "argo-edge rule \\\"CVE-0000\\\": this operation is"
                " switched off: see the advisory"), "denied: %s", r.body);
    tap_ok(strstr(r.trace, "verify,rules,reply") != NULL, "its path: %s",
           r.trace);
    r = fx_get(f, "alice", "/api/v1/projects/teama");
    tap_ok(r.kind == AE_FORWARD, "the others are not meant");
    rules(f, "virtual_patches:\n- name: x\n"
             "  operations: [ApplicationService_Get]\n");
    fx_answer(f, 200, FX_APP("a1", "teama"));
    tap_ok(fx_get(f, "alice", APP).status == 403,
           "a stored answer is not served either");
    tap_ok(!rules(f, "virtual_patches:\n- name: x\n"
                     "  operations: [ApplicationService_Gett]\n"),
           "a word that means nothing is refused");
    tap_ok(strstr(f->logs, "yaml:3:16: means no operation") != NULL,
           "with its place");
    tap_ok(fx_get(f, "alice", APP).status == 403, "the last good ones stay");
}

/* ---- conditions on tokens ----------------------------------------------- */

static struct fx_res from(struct fx *f, const char *user, const char *target,
                          const char *peer)
{
    struct fx_req q = { .user = user, .target = target };
    struct fx_call c;
    struct fx_res res;
    ae_heap heap = { 0 };

    fx_fill(f, &q, &c);
    c.req.peer = ae_cs(peer);
    fx_run_mem(f, &c, NULL, ae_heap_mem(&heap), &res);
    ae_heap_free(&heap);
    return res;
}

static void test_tokens(struct fx *f)
{
    struct fx_res r;

    rules(f, "tokens:\n- name: age\n  accounts: [bo*]\n  max_age: 1d\n");
    r = fx_get(f, "bob", "/api/v1/projects");
    tap_ok(said(&r, "\\\"age\\\": the token is too old"), "age: %s", r.body);
    tap_ok(fx_get(f, "alice", LIST).kind == AE_FORWARD, "alice is not bob");
    tap_ok(fx_get(f, "bob", "/api/version").kind != AE_REPLY,
           "what needs no token");
    tap_ok(fx_get(f, "bob", "/api/v1/session/userinfo").kind == AE_FORWARD,
           "userinfo is such");
    rules(f, "tokens:\n- name: age\n  accounts: ['*']\n  max_age: 100w\n");
    tap_ok(fx_get(f, "bob", LIST).kind == AE_FORWARD, "young enough");
    tap_ok(fx_get(f, "admin", LIST).kind == AE_FORWARD, "a login is no key");

    rules(f, "tokens:\n- name: net\n  project_roles: ['teama:*']\n"
             "  cidrs: [192.0.2.0/28, 2001:db8::/33]\n");
    tap_ok(from(f, "ci", APP, "192.0.2.15").kind == AE_FORWARD, "inside");
    r = from(f, "ci", APP, "192.0.2.16");
    tap_ok(said(&r, "from this address"), "outside");
    tap_ok(from(f, "ci", APP, "::ffff:192.0.2.1").kind != AE_REPLY,
           "the same address, mapped");
    tap_ok(from(f, "ci", APP, "2001:db8:7fff::1").kind != AE_REPLY,
           "IPv6 inside");
    tap_ok(from(f, "ci", APP, "2001:db8:8000::1").kind == AE_REPLY,
           "IPv6 outside");
    tap_ok(from(f, "ci", APP, "unix:").kind == AE_REPLY, "no address");
    tap_ok(from(f, "ci", APP, "").kind == AE_REPLY, "none at all");
    tap_ok(from(f, "alice", APP, "10.9.9.9").kind != AE_REPLY, "alice is no"
           " role");
    fx_get(f, "ci", APP);
    tap_ok(fx_get(f, "ci", APP).kind == AE_CACHED, "a hit inside");
    tap_ok(from(f, "ci", APP, "10.0.0.1").kind == AE_REPLY,
           "and none outside");

    rules(f, "tokens:\n- name: ops\n  accounts: [bob]\n"
             "  operations: [read, ApplicationService_Sync]\n");
    tap_ok(fx_get(f, "bob", LIST).kind != AE_REPLY, "read");
    r = post(f, "bob", SYNC, "{}");
    tap_ok(!strstr(r.body, "argo-edge"), "sync, as far as the policy goes");
    r = fx_run(f, (struct fx_req){ .user = "bob", .method = "DELETE",
        .target = APP "?project=teamb", .h = { JSON } });
    tap_ok(said(&r, "\\\"ops\\\": the token may not be used for this"
                " operation"), "no deletion");
}

/* Sessions: Argo CD's own by user, SSO by user or group.  One that cannot be
 * judged (there is no key set here) is taken at its word. */
static void test_sessions(struct fx *f)
{
    const char *fixed = "issuer: https://idp\nclientID: argo\n";
    ae_str h = ae_b64url_encode(&f->a, AE_STR("{\"alg\":\"RS256\"}"));
    ae_str p = ae_b64url_encode(&f->a, AE_STR("{\"iss\":\"https://idp\","
        "\"sub\":\"dora\",\"aud\":\"argo\",\"iat\":1767225600,"
        "\"exp\":4102444800,\"groups\":[\"eng\"]}"));
    struct fx_req q = { .method = "GET", .target = LIST };
    struct fx_res r;

    fx_write(f, "argocd-cm", "oidc.config", fixed);
    q.token = ae_fmt(&f->a, "%.*s.%.*s.AAAA", (int)h.n, h.p, (int)p.n,
                     p.p).p;
    rules(f, "tokens:\n- name: s\n  users: [ad*]\n  groups: [en*]\n"
             "  cidrs: [10.0.0.0/8]\n");
    r = fx_get(f, "admin", LIST);
    tap_ok(said(&r, "\\\"s\\\": the token may not be used"), "a session: %s",
           r.body);
    tap_ok(fx_get(f, "bob", LIST).kind == AE_FORWARD, "an API key is none");
    r = fx_run(f, q);
    tap_ok(said(&r, "\\\"s\\\": the token may not be used"), "a group of SSO,"
           " not judged here: %s", r.body);
    rules(f, "tokens:\n- name: s\n  users: [dora]\n  max_age: 1h\n");
    r = fx_run(f, q);
    tap_ok(said(&r, "too old"), "its age: %s", r.body);
    rules(f, "tokens:\n- name: s\n  groups: [ops]\n  max_age: 1h\n");
    tap_ok(fx_run(f, q).kind == AE_FORWARD, "another group");
    fx_write(f, "argocd-cm", "oidc.config", ae_fmt(&f->a, "%s"
             "enableUserInfoGroups: true\nuserInfoPath: /u\n", fixed).p);
    rules(f, "tokens:\n- name: s\n  groups: [ops]\n  max_age: 1h\n ");
    r = fx_run(f, q);
    tap_ok(said(&r, "cannot be told"), "groups that are elsewhere: %s",
           r.body);
    fx_write(f, "argocd-cm", "oidc.config", "");
}

/* ---- gRPC, passed on ---------------------------------------------------- */

static struct fx_res grpc(struct fx *f, const char *method, const char *user,
                          const char *name, const char *value)
{
    struct fx_req q = { .method = "POST", .target = method,
        .h = { { "Content-Type", "application/grpc" } } };
    char t[1100];
    size_t n = 1;

    if (user) {
        snprintf(t, sizeof t, "Bearer %s", fx_token(f, user));
        q.h[n][0] = "Authorization";
        q.h[n++][1] = t;
    }
    if (name) {
        q.h[n][0] = name;
        q.h[n][1] = value;
    }
    return fx_run(f, q);
}

static void test_grpc(struct fx *f)
{
    const char *get = "/application.ApplicationService/Get";
    const char *del = "/application.ApplicationService/Delete";
    struct fx_res r;

    rules(f, "tokens:\n- name: ops\n  accounts: [bob]\n"
             "  operations: [ApplicationService_Get]\n");
    tap_ok(grpc(f, get, "bob", NULL, NULL).kind == AE_FORWARD,
           "what the token may");
    r = grpc(f, del, "bob", NULL, NULL);
    tap_ok(r.kind == AE_REPLY && strstr(r.hdr, "Grpc-Status: 7\n")
           && strstr(r.hdr, "may not be used"), "and may not: %s", r.hdr);
    tap_ok(grpc(f, "/x.Y/Z", "bob", NULL, NULL).kind == AE_REPLY,
           "nor what nobody knows");
    tap_ok(grpc(f, del, "alice", NULL, NULL).kind == AE_FORWARD, "alice may");
    tap_ok(grpc(f, del, NULL, NULL, NULL).kind == AE_FORWARD,
           "nobody is Argo CD's to refuse");
    r = grpc(f, del, "alice", "Grpcgateway-Cookie", "argocd.token=x");
    tap_ok(r.kind == AE_REPLY && strstr(r.hdr, "whose token"),
           "an identity that may hide");
    r = grpc(f, del, NULL, "Token", fx_token(f, "bob"));
    tap_ok(r.kind == AE_REPLY, "a token as metadata");
    rules(f, "read_only: true\n");
    tap_ok(grpc(f, del, "alice", NULL, NULL).kind == AE_REPLY
           && grpc(f, "/x.Y/Z", "alice", NULL, NULL).kind == AE_REPLY
           && grpc(f, "/version.VersionService/Version", NULL, NULL,
                   NULL).kind == AE_FORWARD, "read_only");
}

/* ---- freezes ------------------------------------------------------------ */

static const char *freeze(const char *more)
{
    static char y[1024];

    snprintf(y, sizeof y, "freezes:\n- name: winter\n%s", more);
    return y;
}

static bool frozen(struct fx *f, const char *user, const char *target)
{
    struct fx_res r = post(f, user, target, "{}");

    return said(&r, "\\\"winter\\\": frozen");
}

static void test_freeze(struct fx *f)
{
    const char *ever = "  until: 2099-01-01T00:00:00Z\n";
    char y[512];
    struct fx_res r;

    rules(f, freeze(ever));
    r = post(f, "admin", SYNC, "{}");
    tap_ok(said(&r, "frozen until 2099-01-01T00:00:00Z"), "%s", r.body);
    tap_ok(fx_get(f, "admin", LIST).kind != AE_REPLY, "reads pass");
    r = fx_run(f, (struct fx_req){ .user = "admin", .method = "DELETE",
                                   .target = APP, .h = { JSON } });
    tap_ok(r.kind == AE_FORWARD, "sync only, if nothing else is said");
    snprintf(y, sizeof y, "%s  operations: [write]\n"
             "  break_glass: {users: [alice]}\n", ever);
    rules(f, freeze(y));
    tap_ok(frozen(f, "admin", LIST), "write is more");
    tap_ok(!frozen(f, "alice", LIST), "alice breaks the glass");
    tap_ok(ae_counter_value(f->e, AE_N_rule_break_glass) > 0, "counted");
    rules(f, freeze("  from: 2099-01-01T00:00:00Z\n"));
    tap_ok(!frozen(f, "admin", SYNC), "not yet");
    rules(f, freeze("  until: 2020-01-01T00:00:00Z\n"));
    tap_ok(!frozen(f, "admin", SYNC), "over");
    snprintf(y, sizeof y, "%s  applications: ['prod-*']\n", ever);
    rules(f, freeze(y));
    tap_ok(frozen(f, "admin", "/api/v1/applications/prod-web/sync")
           && !frozen(f, "admin", SYNC), "some applications");
}

/* By project: the request names it, or an answer showed it; else the rule
 * holds. */
static void test_projects(struct fx *f)
{
    const char *ever = "  until: 2099-01-01T00:00:00Z\n";
    char y[300];

    snprintf(y, sizeof y, "%s  projects: ['teamb', 'shop-*']\n", ever);
    rules(f, freeze(y));
    tap_ok(post(f, "admin", SYNC, "{\"project\":\"teama\"}").kind
           == AE_FORWARD, "another project in the body");
    tap_ok(post(f, "admin", SYNC, "{\"project\":\"teamb\"}").kind == AE_REPLY,
           "that project");
    tap_ok(post(f, "admin", SYNC, "{\"project\":\"shop-1\"}").kind
           == AE_REPLY, "by a pattern");
    tap_ok(post(f, "admin", "/api/v1/applications/zz/sync",
                "{\"Project\":\"teama\"}").kind == AE_REPLY,
           "spelled so that it cannot be told");
    tap_ok(post(f, "admin", "/api/v1/applications/zz/sync", "{}").kind
           == AE_REPLY, "none is named or known: frozen");
    fx_answer(f, 200, FX_APP("a1", "teama"));
    fx_get(f, "admin", "/api/v1/applications/a1");
    tap_ok(post(f, "admin", SYNC, "{}").kind == AE_FORWARD,
           "as an answer showed it");
    snprintf(y, sizeof y, "%s  projects: [teama]\n  applications: [b*]\n",
             ever);
    rules(f, freeze(y));
    tap_ok(post(f, "admin", SYNC, "{\"project\":\"teama\"}").kind
           == AE_FORWARD, "both must fit");
    rules(f, "syncs:\n- name: s\n  projects: [teama]\n  deny: [prune]\n");
    tap_ok(post(f, "admin", SYNC, "{\"project\":\"teama\",\"prune\":true}")
           .kind == AE_REPLY, "syncs, too");
    tap_ok(post(f, "admin", SYNC, "{\"project\":\"teamb\",\"prune\":true}")
           .kind == AE_FORWARD, "not of another project");
}

/* Groups come from the token. */
static void test_groups(struct fx *f)
{
    struct ae_err err = { 0 };
    json_t *c = json_pack("{s:s,s:s,s:i,s:i,s:s,s:i,s:[s]}", "iss", "argocd",
        "sub", "admin:login", "iat", 1767225600, "nbf", 1767225600, "jti",
        "x", "exp", FX_NOW + 86400, "groups", "sre");
    struct fx_req q = { .method = "POST", .target = SYNC, .body = "{}",
                        .h = { JSON } };
    ae_str tok;

    ae_token_mint(&f->a, AE_STR(FX_SECRET), c, &tok, &err);
    json_decref(c);
    q.token = tok.p;
    rules(f, freeze("  until: 2099-01-01T00:00:00Z\n"
                    "  break_glass: {groups: [sre]}\n"));
    tap_ok(fx_run(f, q).kind == AE_FORWARD, "a group breaks the glass");
    tap_ok(frozen(f, "admin", SYNC), "who is not in it does not");
    rules(f, freeze("  until: 2099-01-01T00:00:00Z\n"
                    "  break_glass: {groups: [sr]}\n"));
    tap_ok(fx_run(f, q).kind == AE_REPLY, "nor another group");
}

struct when { const char *at; const char *until; };

static int64_t unix_time(const char *s)
{
    int64_t t = 0;

    ae_parse_rfc3339(ae_cs(s), &t, NULL);
    return t;
}

/* Fridays from 18:00 for 62 hours, in two time zones; and each month. */
static void test_cron(void)
{
    static const struct when weekend[] = {
        { "2026-11-20T16:59:59Z", NULL }, /* a Friday, in +01:00 */
        { "2026-11-20T17:00:00Z", "2026-11-23T07:00:00Z" },
        { "2026-11-22T12:00:00Z", "2026-11-23T07:00:00Z" },
        { "2026-11-23T06:59:59Z", "2026-11-23T07:00:00Z" },
        { "2026-11-23T07:00:00Z", NULL },
        { "2026-11-26T12:00:00Z", NULL },
        { "1969-12-26T20:00:00Z", "1969-12-29T07:00:00Z" },
        { "2024-02-29T12:00:00Z", NULL }, /* a Thursday */
        { "2024-03-01T17:30:00Z", "2024-03-04T07:00:00Z" },
    };
    struct ae_own_rule u = {
        .kind = AE_RULE_FREEZE, .has_cron = true, .duration = 62 * 3600,
        .from = INT64_MIN, .until = INT64_MAX,
        .cron = { .minute = 1, .hour = 1u << 18, .dom = ~1u, .month = ~1u,
                  .dow = 1u << 5, .any_dom = true, .offset = 3600 },
    };
    int64_t end;

    for (size_t i = 0; i < sizeof weekend / sizeof weekend[0]; i++) {
        end = ae_rules_frozen(&u, unix_time(weekend[i].at));
        tap_ok(end == (weekend[i].until ? unix_time(weekend[i].until) : 0),
               "%s", weekend[i].at);
    }
    u.until = unix_time("2026-11-22T00:00:00Z");
    tap_ok(ae_rules_frozen(&u, unix_time("2026-11-21T00:00:00Z")) == u.until,
           "not beyond until");
    tap_ok(!ae_rules_frozen(&u, u.until), "nor from then on");
    u.until = INT64_MAX;
    /* Both days restricted: either will do. */
    u.cron.any_dom = false;
    u.cron.dom = 1u << 13;
    u.cron.offset = 0;
    u.duration = 3600;
    tap_ok(ae_rules_frozen(&u, unix_time("2026-10-13T18:30:00Z")) > 0,
           "a Tuesday, the 13th");
    tap_ok(ae_rules_frozen(&u, unix_time("2026-10-16T18:30:00Z")) > 0,
           "a Friday, the 16th");
    tap_ok(!ae_rules_frozen(&u, unix_time("2026-10-14T18:30:00Z")),
           "neither");
    u.cron.any_dow = true;
    u.cron.dow = 0x7f;
    tap_ok(!ae_rules_frozen(&u, unix_time("2026-10-16T18:30:00Z")),
           "the 13th only");
}

/* ---- syncs -------------------------------------------------------------- */

static void test_sync(struct fx *f)
{
    static const struct { const char *deny, *body; int refused; } c[] = {
        { "prune", "{\"prune\":true}", 403 },
        { "prune", "{\"prune\":false}", 0 }, { "prune", "{}", 0 },
        { "prune", "", 0 }, { "prune", "null", 0 },
        { "prune", "{\"prune\":null}", 0 },
        { "prune", "{\"Prune\":true}", 400 },
        { "prune", "{\"prune\":false,\"prune\":true}", 400 },
        { "prune", "{\"prune\":false,\"PRUNE\":true}", 400 },
        { "prune", "{\"prune\":false} {\"prune\":true}", 403 },
        { "prune", "[]", 403 }, { "prune", "{", 403 },
        { "force", "{\"strategy\":{\"apply\":{\"force\":true}}}", 403 },
        { "force", "{\"strategy\":{\"hook\":{\"force\":true}}}", 403 },
        { "force", "{\"strategy\":{\"hook\":{\"Force\":true}}}", 400 },
        { "force", "{\"\\u017ftrategy\":{\"hook\":{\"force\":true}}}", 400 },
        { "force", "{\"strategy\":{\"hook\":{}}}", 0 },
        { "force", "{\"syncOptions\":{\"items\":[\"Force=true\"]}}", 403 },
        { "replace", "{\"syncOptions\":{\"items\":[\"A=b\","
          "\"Replace=true\"]}}", 403 },
        { "replace", "{\"syncOptions\":{\"items\":[\"A=b\"]}}", 0 },
        { "revision", "{\"revision\":\"abc\"}", 403 },
        { "revision", "{\"revision\":\"\"}", 0 },
        { "revision", "{\"revisions\":[\"a\"]}", 403 },
        { "manifests", "{\"manifests\":[\"{}\"]}", 403 },
        { "manifests", "{\"manifests\":[]}", 0 },
        { "live", "{\"dryRun\":true}", 0 }, { "live", "{}", 403 },
        { "live", "{\"dryRun\":false}", 403 },
        { "live", "{\"dryrun\":true}", 400 },
    };
    uint64_t glass;
    char y[128];
    struct fx_res r;

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        snprintf(y, sizeof y, "syncs:\n- name: s\n  deny: [%s]\n", c[i].deny);
        rules(f, y);
        r = post(f, "admin", SYNC, c[i].body);
        tap_ok(c[i].refused ? r.kind == AE_REPLY && r.status == c[i].refused
                            : r.kind == AE_FORWARD,
               "%s: %s: %d %s", c[i].deny, c[i].body, r.status, r.body);
    }
    rules(f, "syncs:\n- name: s\n  deny: [prune, revision]\n"
             "  applications: ['prod-*']\n"
             "  break_glass: {users: [alice]}\n");
    tap_ok(post(f, "admin", SYNC, "{\"prune\":true}").kind == AE_FORWARD,
           "an application that is not meant");
    tap_ok(post(f, "admin", "/api/v1/applications/prod-x/sync",
                "{\"prune\":true}").kind == AE_REPLY, "one that is");
    glass = ae_counter_value(f->e, AE_N_rule_break_glass);
    r = post(f, "alice", "/api/v1/applications/prod-x/sync",
             "{\"prune\":true}");
    tap_ok(!strstr(r.body, "argo-edge")
           && ae_counter_value(f->e, AE_N_rule_break_glass) == glass + 1,
           "who breaks the glass");
    r = post(f, "admin", "/api/v1/applications/prod-x/rollback",
             "{\"id\":1}");
    tap_ok(said(&r, "must not name a revision"), "a rollback is one");
    f->loc.max_body = 0;
    r = post(f, "admin", "/api/v1/applications/prod-x/sync", "{}");
    tap_ok(said(&r, "cannot be told"), "bodies are not read");
    f->loc.max_body = 1 << 20;
}

/* A gRPC call of admin with this message; the outcome after it came. */
static enum ae_act_kind call(struct fx *f, const char *method,
                             const char *msg, size_t n, bool *asked)
{
    struct fx_req q = { .user = "admin", .method = "POST", .target = method,
        .h = { { "Content-Type", "application/grpc" } } };
    struct fx_call c;
    struct ae_act act;
    ae_heap heap = { 0 };
    char body[64] = { 0 };
    ae_txn *t;

    body[4] = (char)n;
    memcpy(body + 5, msg, n);
    fx_fill(f, &q, &c);
    c.req.has_body = true;
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    *asked = act.kind == AE_NEED_BODY;
    if (*asked) {
        ae_txn_body(t, ae_s(body, 5 + n), AE_BODY_LAST);
        ae_txn_step(t, &act);
    }
    ae_txn_end(t);
    ae_heap_free(&heap);
    return act.kind;
}

#define MSG(z) z, sizeof z - 1
#define APPS "/application.ApplicationService/"

/* The same over gRPC: field numbers of ApplicationSyncRequest. */
static void test_sync_grpc(struct fx *f)
{
    static const struct { const char *deny, *msg; size_t n; bool refused; }
    c[] = {
        { "prune", MSG("\x0a\x02" "a1" "\x20\x01"), true },
        { "prune", MSG("\x0a\x02" "a1" "\x20\x00"), false },
        { "force", MSG("\x0a\x02" "a1" "\x2a\x04\x0a\x02\x08\x01"), true },
        { "force", MSG("\x0a\x02" "a1" "\x2a\x06\x12\x04\x0a\x02\x08\x01"),
          true },
        { "replace", MSG("\x0a\x02" "a1" "\x5a\x0e\x0a\x0c" "Replace=true"),
          true },
        { "revision", MSG("\x0a\x02" "a1" "\x12\x01" "r"), true },
        { "live", MSG("\x0a\x02" "a1" "\x18\x01"), false },
        { "live", MSG("\x0a\x02" "a1"), true },
        { "prune", MSG("\x0a\x09" "a1"), true }, /* damaged */
    };
    char y[128];
    bool asked;

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        snprintf(y, sizeof y, "syncs:\n- name: s\n  deny: [%s]\n", c[i].deny);
        rules(f, y);
        tap_ok(call(f, APPS "Sync", c[i].msg, c[i].n, &asked)
               == (c[i].refused ? AE_REPLY : AE_FORWARD) && asked,
               "gRPC %s %zu", c[i].deny, i);
    }
}

/* What else a message tells. */
static void test_grpc_messages(struct fx *f)
{
    bool asked;

    rules(f, freeze("  until: 2099-01-01T00:00:00Z\n"
                    "  applications: ['prod-*']\n"));
    tap_ok(call(f, APPS "Sync", MSG("\x0a\x02" "a1"), &asked) == AE_FORWARD
           && asked, "an application that is not meant");
    tap_ok(call(f, APPS "Sync", MSG("\x0a\x06" "prod-x"), &asked)
           == AE_REPLY, "one that is");
    tap_ok(call(f, APPS "Sync", MSG("\x0a\x16" "prod-x"), &asked)
           == AE_REPLY, "one that cannot be told");
    tap_ok(call(f, APPS "Get", MSG("\x0a\x06" "prod-x"), &asked)
           == AE_FORWARD && !asked, "reads are not looked into");
    rules(f, "read_only: true\n");
    tap_ok(call(f, APPS "Get", MSG("\x0a\x02" "a1"), &asked) == AE_FORWARD
           && asked, "a plain read");
    tap_ok(call(f, APPS "Get", MSG("\x0a\x02" "a1" "\x12\x04" "hard"),
                &asked) == AE_REPLY, "one that writes");
    tap_ok(call(f, APPS "ResourceTree", MSG("\x0a\x02" "a1"), &asked)
           == AE_FORWARD && !asked, "one that cannot");
}

/* Inputs that do not hold every project: a token of one that they lack may
 * be any role's. */
static void test_partial(struct fx *f)
{
    struct ae_err err = { 0 };
    json_t *c = json_pack("{s:s,s:s,s:i,s:s}", "iss", "argocd", "sub",
                          "proj:elsewhere:ci", "iat", 1767225600, "jti", "x");
    struct fx_req q = { .target = LIST };
    struct fx_res r;
    ae_str tok;

    ae_token_mint(&f->a, AE_STR(FX_SECRET), c, &tok, &err);
    json_decref(c);
    q.token = tok.p;
    f->conf.projects = AE_PARTIAL;
    rules(f, "tokens:\n- name: t\n  accounts: [x]\n  max_age: 1d\n");
    tap_ok(fx_run(f, q).kind == AE_FORWARD, "accounts only: not meant");
    rules(f, "tokens:\n- name: t\n  accounts: [x]\n  max_age: 1d\n"
             "- name: u\n  project_roles: [x]\n  max_age: 1d\n");
    r = fx_run(f, q);
    tap_ok(said(&r, "\\\"u\\\": it cannot be told whose token"),
           "roles: it might be");
    f->conf.projects = AE_AUTO;
}

/* Shadow changes nothing, and is not surprised by our own rules. */
static void test_shadow(struct fx *f)
{
    uint64_t before = ae_counter_value(f->e, AE_N_divergence);
    struct fx_res r;

    rules(f, "read_only: true\n");
    f->loc.mode = AE_MODE_SHADOW;
    r = fx_run(f, (struct fx_req){ .user = "admin", .method = "DELETE",
                                   .target = APP, .h = { JSON } });
    tap_ok(r.kind == AE_FORWARD && !strcmp(r.decision, "deny"),
           "shadow says what it would");
    tap_ok(ae_counter_value(f->e, AE_N_divergence) == before,
           "which is no divergence");
    f->loc.mode = AE_MODE_ENFORCE;
    rules(f, "");
    tap_ok(fx_run(f, (struct fx_req){ .user = "admin", .method = "DELETE",
        .target = APP, .h = { JSON } }).kind == AE_FORWARD,
        "an empty file ends all rules");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_read_only(&f);
    test_patches(&f);
    test_tokens(&f);
    test_sessions(&f);
    test_projects(&f);
    test_grpc(&f);
    test_freeze(&f);
    test_groups(&f);
    test_cron();
    test_sync(&f);
    test_sync_grpc(&f);
    test_grpc_messages(&f);
    test_partial(&f);
    test_shadow(&f);
    fx_close(&f);
    return tap_done();
}
