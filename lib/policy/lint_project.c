/*
 * lint_project.c - AppProject roles: one malformed line drops the project's
 * whole text (P3), and lines may name anybody (P4).
 */
#include "policy/lint.h"

/* A line of the generated text, in terms of the project's manifest. */
static void check_line(struct lint *t, const struct ae_project *p,
                       const struct ae_csv_line *l, uint32_t line)
{
    ae_str  file = p->file.n ? p->file : p->name;
    ae_str  s = l->nfield > 1 ? l->field[1] : ae_s(NULL, 0), head, rest, mid;
    ae_str  o;

    if (l->key != 'p')
        return;
    rest = ae_cut(s, ':', &head);
    (void)ae_cut(rest, ':', &mid);
    if (!ae_eq_lit(head, "proj") || !ae_eq(mid, p->name))
        ae_lint_whole(t, file, AE_LINT_WARN, "project-foreign-subject",
                      "project \"%.*s\", generated line %u: the subject "
                      "\"%.*s\" is no role of this project, yet Argo CD "
                      "applies the line to it for this project's objects",
                      AE_PS(p->name), line, AE_PS(s));
    if (!ae_eq_lit(l->field[5], "allow") && !ae_eq_lit(l->field[5], "deny"))
        ae_lint_whole(t, file, AE_LINT_ERROR, "dead-effect",
                      "project \"%.*s\", generated line %u: the effect is "
                      "\"%.*s\", so the line is dead; write allow or deny",
                      AE_PS(p->name), line, AE_PS(l->field[5]));
    (void)ae_cut(l->field[4], '/', &o);
    if (!ae_eq_lit(l->field[2], "projects") && ae_find(o, '*') == o.n
        && !ae_eq(o, p->name))
        ae_lint_whole(t, file, AE_LINT_WARN, "project-foreign-object",
                      "project \"%.*s\", generated line %u: objects "
                      "\"%.*s\" lie outside the project, and its lines only "
                      "count inside: the line never applies",
                      AE_PS(p->name), line, AE_PS(l->field[4]));
}

static void lint_project(struct lint *t, const struct ae_project *p)
{
    ae_str             file = p->file.n ? p->file : p->name;
    ae_str             rest = ae_project_policy(&t->a, p), text, code;
    struct ae_csv_line l;
    struct ae_err      e = { 0 };
    uint32_t           line = 0;
    int                rc;

    while ((rc = ae_csv_next(&t->a, &rest, &line, &l, &e)) > 0)
        if (!t->regex)
            check_line(t, p, &l, l.line);
    if (rc == AE_E_SYNTAX)
        ae_lint_whole(t, file, AE_LINT_ERROR, "project-dropped",
                      "project \"%.*s\": %s; one malformed line and Argo CD "
                      "ignores all roles, groups and denies of the project",
                      AE_PS(p->name), e.text);
    else if (ae_project_validate(&t->a, p, &text, &code) == AE_E_INVAL)
        ae_lint_whole(t, file, AE_LINT_WARN, "project-invalid",
                      "project \"%.*s\": Argo CD's API would refuse it: "
                      "%.*s", AE_PS(p->name), AE_PS(text));
}

void ae_lint_projects(struct lint *t)
{
    ae_str ns = t->in->ns.n ? t->in->ns : AE_STR("argocd");

    for (size_t i = 0; i < t->in->nprojects; i++) {
        const struct ae_project *p = &t->in->projects[i];

        if (p->ns.n && !ae_eq(p->ns, ns))
            ae_lint_whole(t, p->file.n ? p->file : p->name, AE_LINT_INFO,
                          "project-other-namespace",
                          "project \"%.*s\" lies in namespace \"%.*s\": "
                          "Argo CD does not see it", AE_PS(p->name),
                          AE_PS(p->ns));
        else
            lint_project(t, p);
    }
}
