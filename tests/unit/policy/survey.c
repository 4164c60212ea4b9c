/* survey.c - every line is shown, whom it reaches, and examples that match. */
#include "policy/policy.h"
#include "tap.h"

static const char text[] =
    "p, role:dev, applications, get, p1/*, allow\n"
    "p, role:dev, applications, delete, p1/*, deny\n"
    "p, alice, logs, get, p1/web, Allow\n"
    "g, team-dev, role:dev\n";

static ae_heap   heap;
static ae_arena  a;

static ae_policy *make(enum ae_match_mode mode, bool project)
{
    static const ae_str lines[] = { { "p, proj:px:r, logs, get, px/*, allow",
                                      36 } };
    static const ae_str groups[] = { { "team-dev", 8 } };
    struct ae_role      role = { .name = AE_STR("r"), .policies = lines,
                                 .npolicies = 1, .groups = groups,
                                 .ngroups = 1 };
    struct ae_project   proj = { .name = AE_STR("px"), .roles = &role,
                                 .nroles = 1 };
    struct ae_text      part = { .file = AE_STR("policy.csv"), .line = 1,
                                 .text = ae_cs(text) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1, .mode = mode };
    struct ae_policy_in in = { .rbac = &rbac, .projects = &proj,
                               .nprojects = project ? 1 : 0 };
    ae_policy          *p = NULL;

    if (ae_policy_new(&in, &p, NULL))
        exit(EXIT_FAILURE);
    return p;
}

struct seen { size_t n, project; struct ae_grant last, first; };

static void on_grant(void *ctx, const struct ae_grant *g)
{
    struct seen *s = ctx;

    if (s->n++ == 0)
        s->first = *g;
    s->project += g->project.p != NULL;
    s->last = *g;
}

static void on_member(void *ctx, const struct ae_member *m)
{
    struct seen *s = ctx;

    s->n++;
    s->project += m->project.p != NULL;
    s->first.subject = m->member;
    s->first.object = m->role;
}

static void lines(void)
{
    ae_policy  *p = make(AE_MATCH_GLOB, true);
    struct seen s = { .n = 0 }, m = { .n = 0 };

    ae_policy_grants(p, on_grant, &s);
    tap_ok(s.n == 5 && s.project == 2, "3 lines of the policy, 2 of the "
           "project (%zu, %zu)", s.n, s.project);
    tap_ok(ae_eq_lit(s.first.subject, "role:dev") && s.first.effect == 1
           && ae_eq_lit(s.first.object, "p1/*") && s.first.line == 1
           && ae_eq_lit(s.first.file, "policy.csv") && !s.first.builtin,
           "a line with its place");
    ae_policy_members(p, on_member, &m);
    tap_ok(m.n == 2 && m.project == 1, "g lines, one of the project");
    ae_policy_free(p);
}

static void reached(void)
{
    ae_policy        *p = make(AE_MATCH_GLOB, true);
    ae_str            g[] = { AE_STR("team-dev") };
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("bob"),
                            .groups = g, .ngroups = 1 };
    ae_principal     *pr = NULL;
    struct seen       v = { .n = 0 };

    tap_ok(ae_principal_new(p, &s, &pr) == 0
           && ae_principal_grants(pr, on_grant, &v) == 0, "asked");
    tap_ok(v.n == 4 && v.project == 2, "what a group reaches, in its "
           "project too, each line once (%zu, %zu)", v.n, v.project);
    ae_principal_free(pr);
    memset(&v, 0, sizeof(v));
    s.ngroups = 0;
    s.id = AE_STR("alice");
    tap_ok(ae_principal_new(p, &s, &pr) == 0
           && ae_principal_grants(pr, on_grant, &v) == 0 && v.n == 1
           && v.last.effect == 0, "a line with a dead effect is shown as "
           "such");
    ae_principal_free(pr);
    ae_policy_free(p);
}

static void examples(void)
{
    static const char *const glob[] = { "*", "*/*", "team-a/*", "lit", "a?c",
        "{dev,test}/*", "{a,{b,c}}*", "[abc]x", "[!a]x", "\\*x", "**/x",
        "https://*.example.com", "", "a{b", "[a-c]z" };
    static const char *const regex[] = { ".*", "^team-a/.*$", "(a|b)/x+",
        "^(?:get|sync)$", "a\\.b", "[a-c]+z", "x{2}", "\\d+", "^$" };
    ae_policy *p = make(AE_MATCH_GLOB, false), *r;
    size_t     hits = 0;

    for (size_t i = 0; i < sizeof(glob) / sizeof(glob[0]); i++) {
        ae_str e = ae_policy_example(p, &a, ae_cs(glob[i]));

        hits += e.p != NULL;
        tap_ok(!e.p || ae_policy_fits(p, ae_cs(glob[i]), e),
               "glob %s: %.*s", glob[i], (int)e.n, e.p ? e.p : "");
    }
    tap_ok(hits >= 13, "most globs have an example (%zu)", hits);
    tap_ok(ae_eq_lit(ae_policy_example(p, &a, AE_STR("team-a/*")),
                     "team-a/example"), "a star is an example");
    r = make(AE_MATCH_REGEX, false);
    hits = 0;
    for (size_t i = 0; i < sizeof(regex) / sizeof(regex[0]); i++) {
        ae_str e = ae_policy_example(r, &a, ae_cs(regex[i]));

        hits += e.p != NULL;
        tap_ok(!e.p || ae_policy_fits(r, ae_cs(regex[i]), e),
               "regex %s: %.*s", regex[i], (int)e.n, e.p ? e.p : "");
    }
    tap_ok(hits >= 7, "most regexes have an example (%zu)", hits);
    ae_policy_free(p);
    ae_policy_free(r);
}

static void hostile(void)
{
    ae_policy *p = make(AE_MATCH_GLOB, false), *r = make(AE_MATCH_REGEX,
                                                         false);
    char deep[200];

    memset(deep, '{', sizeof(deep));
    tap_ok(ae_policy_example(p, &a, ae_s(deep, sizeof(deep))).p == NULL,
           "braces without end");
    memset(deep, '(', sizeof(deep));
    tap_ok(ae_policy_example(r, &a, ae_s(deep, sizeof(deep))).p == NULL,
           "brackets without end");
    tap_ok(!ae_policy_fits(r, AE_STR("("), AE_STR("(")),
           "an invalid pattern fits nothing");
    ae_policy_free(p);
    ae_policy_free(r);
}

/* What a record names as user.roles. */
static void held(void)
{
    static const ae_str g[] = { { "team-dev", 8 }, { "unheard-of", 10 } };
    ae_policy          *p = make(AE_MATCH_GLOB, true);
    struct ae_subject   who[3] = {
        { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("bob"), .groups = g,
          .ngroups = 2 },
        { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("proj:px:r") },
        { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("nobody") },
    };
    ae_str role[4];
    size_t n[3];

    for (int i = 0; i < 3; i++) {
        ae_principal *pr;

        if (ae_principal_new(p, &who[i], &pr))
            exit(EXIT_FAILURE);
        n[i] = ae_principal_roles(pr, role, 4);
        tap_ok(n[i] == (i < 2) && (i == 2 || ae_eq(role[0], ae_cs(i
               ? "proj:px:r" : "role:dev"))), "roles of %.*s",
               (int)who[i].id.n, who[i].id.p);
        tap_ok(ae_principal_roles(pr, role, 0) == 0, "no room, none");
        ae_principal_free(pr);
    }
    ae_policy_free(p);
}

int main(void)
{
    const char *actions, *name;
    size_t      n = 0;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    lines();
    reached();
    examples();
    hostile();
    held();
    while ((name = ae_policy_asks(n, &actions)))
        n++;
    tap_ok(n == 12, "twelve resources");
    ae_heap_free(&heap);
    return tap_done();
}
