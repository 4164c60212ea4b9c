/* learn.c - the scanner that finds a member, and the objects of answers. */
#include "fixture.h"

static struct { const char *json, *path, *want; } cases[] = {
    { "{\"a\":\"x\"}", "a", "x" },
    { " { \"a\" : \"x\" } ", "a", "x" },
    { "{\"a\":\"\"}", "a", "" },
    { "{\"b\":{\"a\":\"no\"},\"a\":\"x\"}", "a", "x" },
    { "{\"b\":[1,{\"a\":\"no\"},[\"]\"]],\"a\":\"x\"}", "a", "x" },
    { "{\"b\":\"}\\\"{\",\"a\":\"x\"}", "a", "x" },
    { "{\"b\":-1.5e3,\"c\":null,\"d\":true,\"a\":\"x\"}", "a", "x" },
    { "{\"m\":{\"n\":{\"o\":\"x\"}}}", "m.n.o", "x" },
    { "{\"m\":{\"q\":1},\"n\":\"x\"}", "m.n", NULL },
    { "{\"m\":\"s\"}", "m.n", NULL },
    { "{\"m\":[{\"n\":\"x\"}]}", "m.n", NULL },
    { "{\"a\":5}", "a", NULL },
    { "{\"a\":null}", "a", NULL },
    { "{}", "a", NULL },
    { "", "a", NULL },
    { "[]", "a", NULL },
    { "{\"a\":\"x", "a", NULL },
    { "{\"a\"", "a", NULL },
    { "{\"b\":{\"c\":1,\"a\":\"x\"", "a", NULL },
    { "{\"b\":[[[[", "a", NULL },
    { "{\"b\"]],\"a\":\"x\"}", "a", NULL },
    { "{\"b\":},\"a\":\"x\"}", "a", NULL },
    { "{\"a\":\"x\\u00e9\\\"y\"}", "a", "x\xc3\xa9\"y" },
    { "{\"a\":\"bad\\q\"}", "a", NULL },
    { "{\"aa\":\"no\",\"a\":\"x\"}", "a", "x" },
};

static void test_scan(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ae_heap heap = { 0 };
        ae_arena a;
        size_t n = strlen(cases[i].json);
        char *tight = malloc(n ? n : 1); /* a byte too far is an error */
        ae_str got;

        memcpy(tight, cases[i].json, n);
        ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
        got = ae_json_at(&a, ae_s(tight, n), cases[i].path);
        tap_ok(cases[i].want ? got.p && ae_eq(got, ae_cs(cases[i].want))
                             : !got.p, "%s in %s", cases[i].path,
               cases[i].json);
        free(tight);
        ae_heap_free(&heap);
    }
}

/* Every prefix of a body ends the scan in peace. */
static void test_prefixes(void)
{
    static const char body[] = "{\"metadata\":{\"labels\":{\"x\":\"\\\\\"},"
        "\"l\":[[],{},\"]\"],\"name\":\"a1\"},\"spec\":{\"project\":\"p\"}}";
    int found = 0;

    for (size_t n = 0; n < sizeof body; n++) {
        ae_heap heap = { 0 };
        ae_arena a;
        char *tight = malloc(n ? n : 1);

        memcpy(tight, body, n);
        ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
        found += ae_json_at(&a, ae_s(tight, n), "spec.project").p != NULL;
        free(tight);
        ae_heap_free(&heap);
    }
    tap_ok(found > 0 && found < 6, "only the last few show the project (%d)",
           found);
}

static void learn(struct fx *f, const char *target, const char *body,
                  struct ae_object *o, const char *what, const char *want)
{
    struct fx_req q = { .user = "alice", .target = target };
    struct fx_call c;
    ae_heap heap = { 0 };
    struct ae_act act;
    char got[256] = "unknown";
    ae_txn *t;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    ae_learn_object(t, ae_cs(body), o);
    if (o->known)
        snprintf(got, sizeof got, "%.*s|%.*s|%.*s", (int)o->project.n,
                 o->project.n ? o->project.p : "", (int)o->ns.n,
                 o->ns.n ? o->ns.p : "", (int)o->name.n, o->name.p);
    tap_ok(!strcmp(got, want), "%s: %s", what, got);
    ae_txn_end(t);
    ae_heap_free(&heap);
}

static void test_objects(struct fx *f)
{
    struct ae_object o;

    learn(f, "/api/v1/applications/a1", FX_APP("a1", "teama"), &o,
          "an application", "teama|argocd|a1");
    learn(f, "/api/v1/applications/a1", FX_APP("a1", ""), &o,
          "no project is default", "default|argocd|a1");
    learn(f, "/api/v1/applications/a1", FX_APP("a2", "teama"), &o,
          "another name", "unknown");
    learn(f, "/api/v1/applications/a1?appNamespace=apps-x",
          FX_APP("a1", "teama"), &o, "another namespace", "unknown");
    learn(f, "/api/v1/applications/a1", "{\"metadata\":{}}", &o,
          "hidden by fields=", "unknown");
    learn(f, "/api/v1/applications/a1?project=teamb", "{\"metadata\":{}}",
          &o, "but named by the request", "teamb|argocd|a1");
    learn(f, "/api/v1/applications/a1/resource-tree?project=teamb"
          "&appNamespace=apps-x", "{}", &o, "a part", "teamb|apps-x|a1");
    learn(f, "/api/v1/applications/a1/resource-tree", "{}", &o,
          "a part without", "unknown");
    learn(f, "/api/v1/applicationsets/s1", "{\"metadata\":{\"name\":\"s1\","
          "\"namespace\":\"argocd\"},\"spec\":{\"template\":{\"spec\":"
          "{\"project\":\"{{p}}\"}}}}", &o, "a set", "{{p}}|argocd|s1");
    learn(f, "/api/v1/applicationsets/s1/resource-tree", "{}", &o,
          "part of a set", "unknown");
    learn(f, "/api/v1/clusters/https%3A%2F%2Fh",
          "{\"server\":\"https://h\",\"project\":\"teama\"}", &o,
          "a cluster", "teama||https://h");
    learn(f, "/api/v1/clusters/https%3A%2F%2Fh",
          "{\"server\":\"https://h\"}", &o, "one without a project",
          "||https://h");
    learn(f, "/api/v1/repositories/https%3A%2F%2Fh",
          "{\"repo\":\"https://h\"}", &o, "a repository", "||https://h");
    learn(f, "/api/v1/projects/teama", "{}", &o, "a project",
          "teama||teama");
}

int main(void)
{
    struct fx f;

    test_scan();
    test_prefixes();
    fx_open(&f);
    test_objects(&f);
    fx_close(&f);
    return tap_done();
}
