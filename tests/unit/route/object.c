/* object.c - can-i against can-i.json, and the objects of checks. */
#include "util.h"

#define FILE_ "tests/vectors/api/can-i.json"
#define J     "application/json"

static struct ae_checks ch;

static const char *str(const json_t *o, const char *k)
{
    const char *s = json_string_value(json_object_get(o, k));

    return s ? s : "";
}

static void checks(const char *method, const char *target, const char *body)
{
    struct ae_target t = u_route(method, target, J);
    json_t          *b = body ? json_loads(body, JSON_DECODE_ANY, NULL) : NULL;

    memset(&ch, 0xff, sizeof ch);
    if (ae_route_checks(&u_conf, &t, b, &u_arena, &ch) != AE_OK)
        memset(&ch, 0, sizeof ch);
    /* spans of |b| live as long as the arena's copies */
    for (size_t i = 0; i < ch.n; i++) {
        ch.v[i].action = ae_dup(&u_arena, ch.v[i].action);
        ch.v[i].object = ae_dup(&u_arena, ch.v[i].object);
        ch.v[i].suffix = ae_dup(&u_arena, ch.v[i].suffix);
    }
    json_decref(b);
}

static int is(size_t i, const char *act, const char *object,
              enum ae_obj_kind kind, enum ae_deny_style d)
{
    return i < ch.n && ae_eq(ch.v[i].action, ae_cs(act))
        && ch.v[i].obj == kind && ch.v[i].deny == d
        && ae_eq(kind == AE_OBJ_FIXED ? ch.v[i].object : ch.v[i].suffix,
                 ae_cs(object));
}

#define FIXED  AE_OBJ_FIXED
#define STORED AE_OBJ_STORED

static void cani_one(const json_t *c)
{
    const json_t    *e = json_array_get(json_object_get(c, "enforced"), 0);
    int              st = (int) json_integer_value(json_object_get(c,
                                                                   "status"));
    struct ae_target t;
    const char      *path = str(c, "path");
    bool             free_ = !strcmp(str(c, "edge"), "free");

    u_conf.rollback_enforced = !strcmp(str(json_object_get(json_object_get(c,
        "patch"), "argocd-cm"), "server.rbac.rollback.enforce.enable"),
        "true");
    t = u_get(path);
    if (st == 401)
        return;
    if (t.kind != AE_TGT_OP) {
        if (!free_ || (t.status != 400 && t.status != st))
            tap_ok(0, "%s: %d, recorded %d", path, t.status, st);
        return;
    }
    if (ae_route_checks(&u_conf, &t, NULL, &u_arena, &ch) != AE_OK
        || !ch.can_i) {
        tap_ok(0, "%s: no question", path);
    } else if (st == 400) {
        char want[512];

        snprintf(want, sizeof want,
                 "{\"error\":\"%.*s\",\"code\":%d,\"message\":\"%.*s\"}",
                 (int) ch.error.n, ch.error.p, ch.code, (int) ch.error.n,
                 ch.error.p);
        if (ch.status != 400 || strcmp(want, str(c, "body")) != 0)
            tap_ok(0, "%s: %s", path, want);
    } else if (ch.n != 1 || ch.status
               || !ae_eq(ch.v[0].resource, ae_json_str(json_array_get(e, 1)))
               || !ae_eq(ch.v[0].action, ae_json_str(json_array_get(e, 2)))
               || !ae_eq(ch.v[0].object, ae_json_str(json_array_get(e, 3)))) {
        /* the recording shows an invalid byte as U+FFFD */
        if (!strstr(path, "%ff"))
            tap_ok(0, "%s: other question", path);
    }
}

static void cani(void)
{
    json_t *doc = json_load_file(FILE_, JSON_ALLOW_NUL, NULL), *c;
    size_t  i, n = 0;

    json_array_foreach(json_object_get(doc, "cases"), i, c) {
        cani_one(c);
        n++;
    }
    tap_ok(n > 400, "%zu can-i cases", n);
    json_decref(doc);
    u_conf.rollback_enforced = false;
}

#define APP "/api/v1/applications/web"
#define RES "version=v1&kind=Pod&namespace=prod&resourceName=web-0"

static void lookups(void)
{
    checks("GET", APP, NULL);
    tap_ok(ch.n == 1 && is(0, "get", "web", STORED, AE_DENY_PLAIN),
           "no project: every no is the same 403");
    checks("GET", APP "?project=p", NULL);
    tap_ok(ch.n == 2 && is(0, "get", "p/web", FIXED, AE_DENY_PLAIN)
           && is(1, "get", "web", STORED, AE_DENY_FORWARD),
           "project: the second no is a 404");
    checks("GET", APP "?project=&projects=p", NULL);
    tap_ok(ch.n && ch.v[0].deny == AE_DENY_FORWARD, "both: doubtful");
    checks("GET", APP "?projects=p", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_PLAIN), "projects");
    checks("GET", APP "?project=p&appNamespace=n", NULL);
    tap_ok(is(0, "get", "p/n/web", FIXED, AE_DENY_PLAIN), "namespace");
    checks("GET", APP "?project=p&appNamespace=argocd", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_PLAIN), "control namespace");
    checks("GET", APP "/links?project=p&namespace=n", NULL);
    tap_ok(is(0, "get", "p/n/web", FIXED, AE_DENY_PLAIN), "links");
    checks("GET", APP "/links?project=p&appNamespace=n", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_PLAIN),
           "links do not read appNamespace");
    checks("GET", APP "/resource?project=p&" RES, NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_PLAIN), "resource");
    checks("GET", APP "/resource?project=p&kind=Pod", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_FORWARD),
           "a required member lacks: 500 comes first");
    checks("DELETE", APP "?project=p", NULL);
    tap_ok(ch.n == 3 && is(0, "get", "p/web", FIXED, AE_DENY_PLAIN)
           && is(2, "delete", "web", STORED, AE_DENY_FORWARD)
           && !ch.complete, "delete");
    checks("DELETE", APP "?project=p&cascade=banana", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_FORWARD), "400 comes first");
    checks("GET", APP "/logs?project=p", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_PLAIN)
           && ae_eq_lit(ch.v[2].resource, "logs"), "logs");
    checks("GET", APP "/logs?project=p&untilTime=x", NULL);
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_FORWARD),
           "untilTime is parsed before the lookup");
    checks("DELETE", APP "/operation?project=p", NULL);
    tap_ok(is(0, "sync", "p/web", FIXED, AE_DENY_PLAIN), "terminate");
}

static void fine(void)
{
    checks("DELETE", APP "/resource?project=p&" RES, NULL);
    tap_ok(ch.n == 2 && is(0, "delete//Pod/prod/web-0", "p/web", FIXED,
           AE_DENY_PLAIN), "long action only");
    u_conf.fine_grained_inherit = true;
    checks("DELETE", APP "/resource?project=p&" RES, NULL);
    tap_ok(ch.n == 3 && is(0, "delete", "p/web", FIXED, AE_DENY_FORWARD)
           && ch.v[0].or_next
           && is(1, "delete//Pod/prod/web-0", "p/web", FIXED, AE_DENY_PLAIN),
           "inheritance: the short action first");
    u_conf.fine_grained_inherit = false;
    checks("POST", APP "/resource/actions?project=p&group=apps&" RES, NULL);
    tap_ok(ch.n == 0 && !ch.need_body, "action unread");
    checks("POST", APP "/resource/actions?project=p&group=apps&" RES,
           "\"restart\"");
    tap_ok(is(0, "action/apps/Pod/restart", "p/web", FIXED, AE_DENY_PLAIN),
           "action read");
    checks("POST", APP "/sync", NULL);
    tap_ok(ch.n == 2 && is(0, "get", "web", STORED, AE_DENY_FORWARD),
           "R31 sync is left to upstream");
    checks("POST", APP "/sync", "{\"project\":\"p\",\"manifests\":[\"{}\"]}");
    tap_ok(is(0, "get", "p/web", FIXED, AE_DENY_FORWARD)
           && is(3, "override", "web", STORED, AE_DENY_FORWARD),
           "R31 what the body asks for");
    checks("POST", APP "/sync", "{\"revision\":\"x\"}");
    tap_ok(ch.n == 2, "another revision needs no override");
    u_conf.override_for_revision = true;
    checks("POST", APP "/sync", "{\"revision\":\"x\"}");
    tap_ok(ch.n == 3 && is(2, "override", "web", STORED, AE_DENY_FORWARD),
           "unless the setting says so");
    u_conf.override_for_revision = false;
    u_conf.rollback_enforced = true;
    checks("POST", APP "/rollback", NULL);
    tap_ok(is(0, "rollback", "web", STORED, AE_DENY_FORWARD), "rollback");
    u_conf.rollback_enforced = false;
    checks("POST", APP "/rollback", NULL);
    tap_ok(is(0, "sync", "web", STORED, AE_DENY_FORWARD), "… asked as sync");
}

static void bodies(void)
{
    checks("PUT", "/api/v1/account/password", NULL);
    tap_ok(ch.need_body && ch.n == 0, "password: the body decides");
    checks("PUT", "/api/v1/account/password", "{\"name\":\"x\"}");
    tap_ok(is(0, "update", "x", FIXED, AE_DENY_VERBOSE) && ch.v[0].self_ok,
           "password of another");
    checks("PUT", "/api/v1/account/password", "null");
    tap_ok(is(0, "update", "", FIXED, AE_DENY_VERBOSE) && ch.v[0].self_ok,
           "password of the caller");
    checks("PUT", "/api/v1/account/password", "{\"NAME\":\"x\"}");
    tap_ok(ch.n && ch.v[0].deny == AE_DENY_FORWARD, "R31 case variants");
    checks("PUT", "/api/v1/account/password", "{\"name\":5}");
    tap_ok(ch.n && ch.v[0].deny == AE_DENY_FORWARD, "400 comes first");
    checks("POST", "/api/v1/account/ci/token", NULL);
    tap_ok(ch.need_body && is(0, "update", "ci", FIXED, AE_DENY_FORWARD),
           "token: the body must parse");
    checks("POST", "/api/v1/account/ci/token",
           "{\"name\":\"x\",\"expiresIn\":60,\"zzz\":[1]}");
    tap_ok(is(0, "update", "ci", FIXED, AE_DENY_VERBOSE), "the path wins");
    checks("POST", "/api/v1/account/ci/token", "{\"expiresIn\":\"60\"}");
    tap_ok(is(0, "update", "ci", FIXED, AE_DENY_FORWARD), "not a number");
    checks("POST", "/api/v1/certificates",
           "{\"items\":[{\"certData\":\"QUJD\"}]}");
    tap_ok(is(0, "create", "", FIXED, AE_DENY_VERBOSE), "certificates");
    checks("POST", "/api/v1/certificates",
           "{\"items\":[{\"certData\":\"QUJ\"}]}");
    tap_ok(is(0, "create", "", FIXED, AE_DENY_FORWARD), "bad base64 first");
    checks("POST", "/api/v1/certificates",
           "{\"metadata\":{\"continue\":\"x\",\"a\":[]},\"items\":[null]}");
    tap_ok(is(0, "create", "", FIXED, AE_DENY_VERBOSE), "and their frame");
    checks("POST", "/api/v1/certificates", "{\"metadata\":{\"continue\":1}}");
    tap_ok(is(0, "create", "", FIXED, AE_DENY_FORWARD), "a frame of no type");
    checks("POST", "/api/v1/certificates", "[]");
    tap_ok(is(0, "create", "", FIXED, AE_DENY_FORWARD), "not an object");
    checks("POST", "/api/v1/gpgkeys?upsert=maybe", "{}");
    tap_ok(is(0, "create", "", FIXED, AE_DENY_FORWARD), "doubtful query");
    checks("POST", "/api/v1/applications", "{\"metadata\":{\"name\":\"n\","
           "\"namespace\":\"a\"},\"spec\":{\"project\":\"\"}}");
    tap_ok(is(0, "create", "default/a/n", FIXED, AE_DENY_FORWARD), "create");
    checks("POST", "/api/v1/projects",
           "{\"project\":{\"metadata\":{\"name\":\"n\"}}}");
    tap_ok(is(0, "create", "n", FIXED, AE_DENY_FORWARD), "project");
    checks("POST", "/api/v1/applicationsets/generate", "{\"applicationSet\":"
           "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"template\":{\"spec\":"
           "{\"project\":\"p\"}}}}}");
    tap_ok(is(0, "create", "p/n", FIXED, AE_DENY_FORWARD), "generate");
    checks("POST", "/api/v1/clusters", "{\"server\":\"s\",\"project\":\"p\"}");
    tap_ok(is(0, "create", "p/s", FIXED, AE_DENY_FORWARD), "cluster");
}

static void others(void)
{
    checks("GET", "/api/v1/projects/p", NULL);
    tap_ok(is(0, "get", "p", FIXED, AE_DENY_VERBOSE) && ch.complete,
           "project");
    checks("GET", "/api/v1/projects/p/links", NULL);
    tap_ok(is(0, "get", "p", FIXED, AE_DENY_FORWARD), "links deny with 500");
    checks("DELETE", "/api/v1/projects/default", NULL);
    tap_ok(is(0, "delete", "default", FIXED, AE_DENY_FORWARD), "400 first");
    checks("DELETE", "/api/v1/projects/p/roles/r/token/42", NULL);
    tap_ok(is(0, "update", "p", FIXED, AE_DENY_VERBOSE_ROLE), "token");
    checks("DELETE", "/api/v1/projects/p/roles/r/token/abc", NULL);
    tap_ok(is(0, "update", "p", FIXED, AE_DENY_FORWARD), "bad iat: 400 first");
    checks("GET", "/api/v1/clusters/https%3A%2F%2Fh", NULL);
    tap_ok(is(0, "get", "https://h", AE_OBJ_STORED_OPT, AE_DENY_PLAIN),
           "cluster by server");
    checks("GET", "/api/v1/clusters/in-cluster?id.type=name", NULL);
    tap_ok(is(0, "get", "", AE_OBJ_STORED_OPT, AE_DENY_FORWARD),
           "cluster by name");
    checks("GET", "/api/v1/repositories/https%3A%2F%2Fh", NULL);
    tap_ok(is(0, "get", "https://h", AE_OBJ_STORED_OPT, AE_DENY_FORWARD),
           "repository");
    checks("DELETE", "/api/v1/repocreds/https%3A%2F%2Fh", NULL);
    tap_ok(is(0, "delete", "https://h", FIXED, AE_DENY_VERBOSE), "creds");
    checks("DELETE", "/api/v1/gpgkeys", NULL);
    tap_ok(is(0, "delete", "", FIXED, AE_DENY_VERBOSE),
           "gpg without id: the right comes first");
    checks("GET", "/api/v1/applicationsets/s", NULL);
    tap_ok(is(0, "get", "s", STORED, AE_DENY_FORWARD), "404 for everybody");
    checks("GET", "/api/v1/notifications/triggers", NULL);
    tap_ok(ch.n == 0 && ch.complete, "nothing is enforced");
    checks("GET", "/api/v1/applications", NULL);
    tap_ok(ch.n == 1 && ch.v[0].obj == AE_OBJ_LIST, "lists");
    checks("GET", "/terminal?projectName=p&appName=a&appNamespace=n", NULL);
    tap_ok(is(1, "create", "p/n/a", FIXED, AE_DENY_FORWARD), "terminal");
    checks("GET", "/extensions/e/x", NULL);
    tap_ok(is(0, "invoke", "e", FIXED, AE_DENY_FORWARD), "extension");
}

static int recheck(const char *target, const char *proj, const char *ns,
                   const char *name)
{
    struct ae_target t = u_get(target);

    memset(&ch, 0, sizeof ch);
    return ae_route_recheck(&u_conf, &t, ae_cs(proj), ae_cs(ns), ae_cs(name),
                            &u_arena, &ch);
}

static void rechecks(void)
{
    tap_ok(recheck(APP, "p", "argocd", "web") == AE_OK
           && is(0, "get", "p/web", FIXED, AE_DENY_FORWARD), "stored project");
    tap_ok(recheck(APP, "", NULL, NULL) == AE_OK
           && is(0, "get", "default/web", FIXED, AE_DENY_FORWARD), "default");
    tap_ok(recheck(APP "?appNamespace=n", "p", NULL, NULL) == AE_OK
           && is(0, "get", "p/n/web", FIXED, AE_DENY_FORWARD), "namespace");
    tap_ok(recheck(APP "?project=q", "p", NULL, NULL) == AE_E_UNSUP,
           "another project: never a hit");
    tap_ok(recheck(APP "/logs", "p", NULL, NULL) == AE_E_UNSUP
           && recheck("/api/v1/applications", "p", NULL, NULL) == AE_E_UNSUP
           && recheck("/api/v1/settings", "p", NULL, NULL) == AE_E_UNSUP
           && recheck("/api/v1/account/ci", "p", NULL, NULL) == AE_E_UNSUP,
           "other classes have none");
    tap_ok(recheck("/api/v1/clusters/c?id.type=name", "p", NULL, "https://h")
           == AE_OK && is(0, "get", "p/https://h", FIXED, AE_DENY_FORWARD),
           "cluster");
    tap_ok(recheck("/api/v1/clusters/c", "", NULL, "https://h") == AE_OK
           && is(0, "get", "https://h", FIXED, AE_DENY_FORWARD),
           "cluster without project");
    tap_ok(recheck("/api/v1/applicationsets/s?appsetNamespace=n", "p", NULL,
                   NULL) == AE_OK
           && is(0, "get", "p/n/s", FIXED, AE_DENY_FORWARD), "set");
    tap_ok(recheck("/api/v1/certificates", NULL, NULL, NULL) == AE_OK
           && is(0, "get", "", FIXED, AE_DENY_FORWARD), "certificates");
    tap_ok(recheck("/api/v1/projects/p/syncwindows", NULL, NULL, NULL)
           == AE_OK && is(0, "get", "p", FIXED, AE_DENY_FORWARD), "project");
}

/* Each operation's checks with no memory at all: an error, never fewer. */
static void torture(void)
{
    static const char *const targets[] = { APP "?project=p&appNamespace=n",
        "/api/v1/account/can-i/pods/get/a/b/c",
        "/api/v1/account/can-i/logs/get/a%2F%2Fb" };

    for (size_t k = 0; k < sizeof targets / sizeof targets[0]; k++) {
        struct ae_target t = u_get(targets[k]);

        for (size_t lim = 1; lim < 1400; lim += 16) {
            ae_heap  h = { NULL, 0 };
            ae_arena a;
            int      rc;

            ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
            a.limit = lim;
            rc = ae_route_checks(&u_conf, &t, NULL, &a, &ch);
            if (!(rc == AE_E_NOMEM && ch.n == 0)
                && !(rc == AE_OK && !a.failed))
                tap_ok(0, "limit %zu: %d", lim, rc);
            ae_heap_free(&h);
        }
    }
    tap_ok(1, "every allocation may fail");
}

int main(void)
{
    u_begin();
    cani();
    lookups();
    fine();
    bodies();
    others();
    rechecks();
    torture();
    u_end();
    return tap_done();
}
