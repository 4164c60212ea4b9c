/*
 * check_decide.c - suite rbac.decide: policy, subject and question in one
 * case; allow, refusal text and generated project policies out.
 */
#include "runner.h"

#include "base/base.h"
#include "config/config.h"
#include "policy/policy.h"

#include <stdio.h>

struct run {
    const json_t        *c;
    ae_arena             a;
    struct ae_rbac_in    rbac;
    struct ae_text       part;
    struct ae_policy_in  in;
    struct ae_project   *projects;
    char                *why;
    size_t               n;
};

static int fail(struct run *r, const char *what, ae_str got, ae_str want)
{
    snprintf(r->why, r->n, "%s: got %.*s, want %.*s", what, (int)got.n,
             got.n ? got.p : "", (int)want.n, want.n ? want.p : "");
    return CHECK_FAIL;
}

static int read_projects(struct run *r)
{
    const json_t *list = json_object_get(r->c, "projects");
    size_t        n = json_array_size(list);

    r->projects = ae_nalloc(&r->a, n + 1, sizeof(*r->projects));
    if (!r->projects)
        return AE_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct ae_err e = { 0 };

        if (ae_project_from_json(&r->a, json_array_get(list, i),
                                 &r->projects[i], &e)) {
            snprintf(r->why, r->n, "project %zu: %s", i, e.text);
            return AE_E_SYNTAX;
        }
    }
    r->in.projects = r->projects;
    r->in.nprojects = n;
    return 0;
}

static int read_policy(struct run *r)
{
    const json_t *scopes = json_object_get(r->c, "scopes");
    size_t        n = json_array_size(scopes);
    ae_str       *s = ae_nalloc(&r->a, n + 1, sizeof(*s));

    if (!s)
        return AE_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        s[i] = ae_json_str(json_array_get(scopes, i));
    r->part.key = AE_STR("policy.csv");
    r->part.line = 1;
    r->part.text = ae_json_get_str(r->c, "policy");
    r->rbac.parts = &r->part;
    r->rbac.nparts = 1;
    r->rbac.default_role = ae_json_get_str(r->c, "default");
    r->rbac.mode = ae_eq_lit(ae_json_get_str(r->c, "match_mode"), "regex")
                 ? AE_MATCH_REGEX : AE_MATCH_GLOB; /* M1 */
    r->rbac.scopes_set = json_is_array(scopes);
    r->rbac.scopes = s;
    r->rbac.nscopes = n;
    r->in.builtin = json_is_true(json_object_get(r->c, "builtin"));
    r->in.rbac = &r->rbac;
    r->in.ns = AE_STR("argocd");
    return read_projects(r);
}

/* What fits in ae_err's fixed text must be Argo CD's (C5). */
static int load_error(struct run *r, const struct ae_err *e)
{
    ae_str want = ae_json_get_str(r->c, "load_error");
    ae_str got = ae_cs(e->text);

    if (!want.p)
        return fail(r, "load", got, AE_STR("a policy that loads"));
    want.n = strnlen(want.p, want.n); /* ours is a C string */
    if (e->line == 0)
        return fail(r, "load error", AE_STR("no line"), want);
    if (want.n < sizeof(e->text) && !ae_eq(got, want))
        return fail(r, "load error", got, want);
    return CHECK_PASS;
}

static int project_texts(struct run *r)
{
    const json_t *want = json_object_get(r->c, "project_policies");

    for (size_t i = 0; i < r->in.nprojects; i++) {
        const struct ae_project *p = &r->projects[i];
        ae_str                   z = ae_dup(&r->a, p->name), got, w;

        w = ae_json_get_str(want, z.p ? z.p : "");
        if (!w.p)
            continue;
        got = ae_project_policy(&r->a, p);
        if (!ae_eq(got, w))
            return fail(r, "project policy", got, w);
    }
    return CHECK_PASS;
}

static int subject_of(struct run *r, const ae_policy *p,
                      struct ae_subject *s)
{
    const json_t *claims = json_object_get(r->c, "claims");
    const json_t *plain = json_object_get(r->c, "subject");

    memset(s, 0, sizeof(*s));
    if (json_is_object(claims))
        return ae_subject_from_claims(p, &r->a, claims, ae_s(NULL, 0), s);
    if (json_is_string(plain)) {
        s->kind = AE_SUBJ_STRING;
        s->id = ae_json_str(plain);
    }
    return 0;
}

static const char *verdict_name(enum ae_verdict v)
{
    return v == AE_ALLOW ? "allow" : v == AE_DENY ? "deny" : "unknown";
}

static int decide(struct run *r, const ae_policy *p)
{
    ae_str             res = ae_json_get_str(r->c, "resource");
    ae_str             act = ae_json_get_str(r->c, "action");
    ae_str             obj = ae_json_get_str(r->c, "object");
    ae_str             want = ae_json_get_str(r->c, "error"), text;
    bool               allow = json_is_true(json_object_get(r->c, "allow"));
    struct ae_subject  s;
    struct ae_decision d;
    ae_principal      *pr;
    int                ok = CHECK_PASS;

    if (subject_of(r, p, &s) || ae_principal_new(p, &s, &pr)) {
        snprintf(r->why, r->n, "no principal");
        return CHECK_FAIL;
    }
    for (int i = 0; i < 2 && ok == CHECK_PASS; i++) { /* cold, then warm */
        ae_decide(pr, res, act, obj, &d);
        if (d.verdict != (allow ? AE_ALLOW : AE_DENY))
            ok = fail(r, i ? "warm decision" : "decision",
                      ae_cs(verdict_name(d.verdict)),
                      ae_cs(allow ? "allow" : "deny"));
    }
    text = ae_denied_text(&r->a, &s, res, act, obj);
    if (ok == CHECK_PASS && want.p && !ae_eq(text, want))
        ok = fail(r, "error", text, want);
    ae_principal_free(pr);
    return ok;
}

int check_rbac_decide(const struct run_ctx *ctx, const json_t *c, char *why,
                      size_t n)
{
    ae_heap       heap = { 0 };
    struct run    r = { .c = c, .why = why, .n = n };
    struct ae_err e = { 0 };
    ae_policy    *p = NULL;
    int           ok = CHECK_FAIL;

    (void)ctx;
    ae_arena_init(&r.a, ae_heap_mem(&heap), NULL, 0);
    if (read_policy(&r) == 0) {
        if (ae_policy_new(&r.in, &p, &e))
            ok = load_error(&r, &e);
        else if (json_object_get(c, "load_error"))
            ok = fail(&r, "load", AE_STR("a policy that loads"),
                      ae_json_get_str(c, "load_error"));
        else if ((ok = project_texts(&r)) == CHECK_PASS)
            ok = decide(&r, p);
    }
    ae_policy_free(p);
    ae_heap_free(&heap);
    return ok;
}
