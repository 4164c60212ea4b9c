/* explain.c - it names order, rule, near misses and dropped groups. */
#include "policy/policy.h"
#include "tap.h"

static const char text[] =
    "p, role:dev, applications, get, p1/*, allow\n"
    "p, role:dev, applications, sync, p2/*, allow\n"
    "p, role:ops, applications, sync, p1/*, allow\n"
    "p, team-dead, applications, *, */*, allow\n"
    "p, role:dev, applications, delete, p1/*, Allow\n"
    "p, role:no, applications, get, p1/web, deny\n"
    "g, team-dev, role:dev\n"
    "g, bob, role:no\n";

static ae_policy    *p;
static ae_principal *pr;

static void setup(void)
{
    static const ae_str g[] = { { "team-dev", 8 }, { "team-dead", 9 },
                                { "nobody", 6 } };
    static const ae_str lines[] = { { "p, proj:p1:r, logs, get", 23 } };
    struct ae_role      role = { .name = AE_STR("r"), .policies = lines,
                                 .npolicies = 1 };
    struct ae_project   proj = { .name = AE_STR("px"), .roles = &role,
                                 .nroles = 1 };
    struct ae_text      part = { .file = AE_STR("policy.csv"), .line = 1,
                                 .text = ae_cs(text) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1 };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac,
                               .projects = &proj, .nprojects = 1 };
    struct ae_subject   s = { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("bob"),
                              .groups = g, .ngroups = 3 };

    if (ae_policy_new(&in, &p, NULL) || ae_principal_new(p, &s, &pr))
        exit(EXIT_FAILURE);
}

static json_t *explain(const char *act, const char *obj)
{
    return ae_explain_json(pr, AE_STR("applications"), ae_cs(act),
                           ae_cs(obj));
}

static const char *get(const json_t *o, const char *list, size_t i,
                       const char *key)
{
    const char *v = json_string_value(json_object_get(
        json_array_get(json_object_get(o, list), i), key));

    return v ? v : "";
}

static bool near(const json_t *o, const char *field, int line)
{
    const json_t *v;
    size_t        i;

    json_array_foreach(json_object_get(o, "near_misses"), i, v)
        if (strcmp(json_string_value(json_object_get(v, "field")), field) == 0
            && json_integer_value(json_object_get(v, "line")) == line)
            return true;
    return false;
}

static void allowed(void)
{
    json_t       *o = explain("get", "p1/web");
    const json_t *via = json_object_get(
        json_array_get(json_object_get(o, "asked"), 1), "via");

    tap_ok(strcmp(json_string_value(json_object_get(o, "verdict")), "allow")
           == 0 && json_integer_value(json_object_get(
               json_object_get(o, "rule"), "line")) == 1, "the rule");
    tap_ok(strcmp(get(o, "asked", 0, "subject"), "bob") == 0
           && strcmp(get(o, "asked", 0, "answer"), "no") == 0
           && strcmp(get(o, "asked", 1, "subject"), "team-dev") == 0
           && strcmp(get(o, "asked", 1, "answer"), "yes") == 0, "the order");
    tap_ok(json_array_size(via) == 1 && json_integer_value(json_object_get(
               json_array_get(via, 0), "line")) == 7, "the way to the role");
    tap_ok(json_array_size(json_object_get(o, "notes")) == 1,
           "a deny on another subject is remarked on (R10)");
    tap_ok(strcmp(get(o, "not_asked", 0, "group"), "team-dead") == 0
           && strncmp(get(o, "not_asked", 0, "reason"), "dead", 4) == 0
           && strcmp(get(o, "not_asked", 1, "group"), "nobody") == 0,
           "groups that are not asked (T5)");
    json_decref(o);
}

static void denied(void)
{
    json_t *o = explain("sync", "p1/web");

    tap_ok(near(o, "object", 2), "a role with the wrong object");
    tap_ok(near(o, "subject", 3), "the right line on another role");
    tap_ok(near(o, "action", 1), "a role with the wrong action");
    tap_ok(near(o, "subject", 4), "a dead line");
    json_decref(o);
    o = explain("delete", "p1/web");
    tap_ok(near(o, "effect", 5), "an effect that means nothing (R9)");
    json_decref(o);
    o = explain("get", "px/web");
    tap_ok(json_is_null(json_object_get(o, "rule")), "no rule, none named");
    json_decref(o);
}

static void as_text(void)
{
    ae_heap  h = { 0 };
    ae_arena a;
    ae_buf   b;
    ae_str   t;

    ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
    ae_buf_init(&b, &a, 0);
    ae_explain(pr, AE_STR("applications"), AE_STR("sync"),
               AE_STR("p1/\x1b[31m\xff"), &b);
    t = ae_buf_str(&b);
    tap_ok(!b.bad && ae_starts(t, AE_STR("deny: applications, sync, "))
           && ae_find_str(t, AE_STR("near misses:")) != SIZE_MAX
           && ae_find_str(t, AE_STR("policy.csv:2: p, role:dev")) != SIZE_MAX,
           "text says the same");
    tap_ok(ae_find(t, '\x1b') == t.n, "without control bytes (T20)");
    if (getenv("SHOW"))
        fwrite(t.p, 1, t.n, stderr);
    ae_heap_free(&h);
}

int main(void)
{
    setup();
    allowed();
    denied();
    as_text();
    ae_principal_free(pr);
    ae_policy_free(p);
    return tap_done();
}
