/*
 * lint_line.c - what a single p-line says: effect, blanks, patterns, and
 * names of resources, actions and objects that Argo CD never asks about
 * (semantics O).
 */
#include "policy/lint.h"

static const char *const field_name[] = { "key", "subject", "resource",
                                          "action", "object", "effect" };

static void check_effect(struct lint *t, const struct lint_line *l)
{
    ae_str e = l->csv.field[5];

    if (ae_eq_lit(e, "allow") || ae_eq_lit(e, "deny"))
        return;
    if (ae_find(e, '#') != e.n)
        ae_lint_at(t, l, 5, AE_LINT_ERROR, "dead-effect",
                   "the effect is \"%.*s\": there are no comments inside a "
                   "line, so it neither allows nor denies; put the comment "
                   "on a line of its own", AE_PS(e));
    else
        ae_lint_at(t, l, 5, AE_LINT_ERROR, "dead-effect",
                   "the effect is \"%.*s\": only allow and deny, in lower "
                   "case, mean something, so the line is dead; write one of "
                   "them", AE_PS(e));
}

static void check_blanks(struct lint *t, const struct lint_line *l, int n)
{
    for (int i = 1; i < n; i++) {
        ae_str   f = l->csv.field[i];
        uint32_t cp = 0;

        for (size_t at = 0; at < f.n;)
            at += ae_utf8_next(f.p + at, f.n - at, &cp);
        if (f.n && ae_unicode_space(cp))
            ae_lint_at(t, l, i, AE_LINT_ERROR, "trailing-blank",
                       "the %s ends in a blank, which counts as part of it: "
                       "it will not match; remove the blank before the comma",
                       l->csv.key == 'g' ? "name" : field_name[i]);
        if (f.n > 1 && f.p[0] == '\'' && f.p[f.n - 1] == '\'')
            ae_lint_at(t, l, i, AE_LINT_WARN, "single-quotes",
                       "'...' are ordinary characters here and become part "
                       "of the %s; use \"...\"",
                       l->csv.key == 'g' ? "name" : field_name[i]);
    }
}

/* ---- patterns ---- */

/* Bytes in which the two ends of a one-star pattern can overlap. */
static size_t overlap(const struct ae_pat *p)
{
    ae_str a = ae_pat_lit(p), b = ae_pat_tail(p);

    for (size_t k = 1; k <= a.n && k <= b.n; k++)
        if (memcmp(a.p + a.n - k, b.p, k) == 0)
            return k;
    return 0;
}

static bool looks_like_regex(ae_str s)
{
    return ae_find_str(s, AE_STR(".*")) != SIZE_MAX
        || (s.n && (s.p[0] == '^' || s.p[s.n - 1] == '$'));
}

static void glob_pattern(struct lint *t, const struct lint_line *l, int i,
                         const struct ae_pat *pat)
{
    ae_str s = l->csv.field[i];

    if (pat->kind == AE_PAT_NEVER)
        ae_lint_at(t, l, i, AE_LINT_ERROR, "invalid-glob",
                   "the %s \"%.*s\" is no valid glob, so the line never "
                   "matches (a class is one range or a list: [a-z0-9] is "
                   "invalid; write \"{[a-z],[0-9]}\")", field_name[i],
                   AE_PS(s));
    else if (looks_like_regex(s))
        ae_lint_at(t, l, i, AE_LINT_WARN, "regex-in-glob-mode",
                   "the %s \"%.*s\" looks like a regular expression, but "
                   "the match mode is glob, where . ^ and $ mean "
                   "themselves", field_name[i], AE_PS(s));
    if (pat->kind == AE_PAT_PRESUF && overlap(pat))
        ae_lint_at(t, l, i, AE_LINT_INFO, "star-overlap",
                   "one star between two texts lets them overlap: "
                   "\"%.*s\" also matches \"%.*s%.*s\"", AE_PS(s),
                   AE_PS(ae_pat_lit(pat)),
                   AE_PS(ae_sub(ae_pat_tail(pat), overlap(pat), pat->tail_n)));
}

static void regex_pattern(struct lint *t, const struct lint_line *l, int i,
                          const struct ae_pat *pat, bool *open)
{
    /* M3: an error where the fields before it match ends the walk with no */
    static const char *const out_of[] = { " from everything",
        " from this resource", " from this action" };
    ae_str s = l->csv.field[i];

    if (pat->kind == AE_PAT_ERROR)
        ae_lint_at(t, l, i, AE_LINT_ERROR, "invalid-regex",
                   "the %s \"%.*s\" is no valid regular expression: it locks "
                   "out everybody who has \"%.*s\"%s, whatever else allows "
                   "%s%s", field_name[i], AE_PS(s),
                   AE_PS(l->csv.field[1]), out_of[i - 2],
                   i == 2 ? "it" : "that",
                   s.n && s.p[0] == '*' ? "; to match anything write .*"
                                        : "");
    else if (!*open && s.n && pat->kind != AE_PAT_ALL
             && (s.p[0] != '^' || s.p[s.n - 1] != '$')) {
        *open = true;
        ae_lint_at(t, l, i, AE_LINT_WARN, "regex-unanchored",
                   "regexes match anywhere in the text: the %s \"%.*s\" "
                   "also matches longer names that hold it; write "
                   "^%.*s$", field_name[i], AE_PS(s), AE_PS(s));
    }
}

/* ---- what Argo CD asks ---- */

struct known { const char *resource, *actions; };

static const struct known asked[] = {
    { "applications", "get create update delete sync override rollback "
                      "action//Pod/x action/apps/Deployment/restart "
                      "update/apps/Deployment/n/x delete/apps/Deployment/n/x"
                      " update//Pod/n/x delete//Pod/n/x" },
    { "applicationsets", "get create update delete" },
    { "clusters", "get create update delete" },
    { "repositories", "get create update delete" },
    { "write-repositories", "get create update delete" },
    { "certificates", "get create update delete" },
    { "gpgkeys", "get create update delete" },
    { "accounts", "get create update delete" },
    { "projects", "get create update delete" },
    { "logs", "get" },
    { "exec", "create" },
    { "extensions", "invoke" },
};
enum { NASKED = sizeof(asked) / sizeof(asked[0]) };

const char *ae_policy_asks(size_t i, const char **actions)
{
    if (i >= NASKED)
        return NULL;
    *actions = asked[i].actions;
    return asked[i].resource;
}

static bool any_action(const struct ae_pat *act, const char *list)
{
    ae_str rest = ae_cs(list), one;

    while (rest.p) {
        rest = ae_cut(rest, ' ', &one);
        if (ae_pat_match(act, one) == 1)
            return true;
    }
    return false;
}

/* A finer action than the samples above hold ("action/batch/Job/retry"). */
static bool fine_action(ae_str s)
{
    return ae_find_str(s, AE_STR("action/")) != SIZE_MAX
        || ae_find_str(s, AE_STR("update/")) != SIZE_MAX
        || ae_find_str(s, AE_STR("delete/")) != SIZE_MAX;
}

static void check_asked(struct lint *t, const struct lint_line *l,
                        const struct ae_pat *res, const struct ae_pat *act)
{
    bool resource = false, fits = false, elsewhere = false;
    ae_str a = l->csv.field[3];

    for (int i = 0; i < NASKED; i++) {
        bool r = ae_pat_match(res, ae_cs(asked[i].resource)) == 1;
        bool f = any_action(act, asked[i].actions)
              || (i == 0 && fine_action(a));

        resource |= r;
        fits |= r && f;
        elsewhere |= f;
    }
    if (!resource)
        ae_lint_at(t, l, 2, AE_LINT_WARN, "unknown-resource",
                   "Argo CD asks about no resource that \"%.*s\" matches; "
                   "there are applications, applicationsets, clusters, "
                   "repositories, write-repositories, certificates, "
                   "gpgkeys, accounts, projects, logs, exec, extensions",
                   AE_PS(l->csv.field[2]));
    else if (!elsewhere)
        ae_lint_at(t, l, 3, AE_LINT_WARN, "unknown-action",
                   "Argo CD asks about no action that \"%.*s\" matches; "
                   "there are get, create, update, delete, sync, override, "
                   "rollback, invoke, action/GROUP/KIND/NAME",
                   AE_PS(a));
    else if (!fits)
        ae_lint_at(t, l, 3, AE_LINT_WARN, "action-not-for-resource",
                   "Argo CD never asks for action \"%.*s\" on \"%.*s\", so "
                   "the line has no effect (logs: get; exec: create; "
                   "extensions: invoke)", AE_PS(a),
                   AE_PS(l->csv.field[2]));
}

/* ---- objects ---- */

static bool needs_slash(const struct ae_pat *p)
{
    ae_str lit = ae_pat_lit(p);

    switch (p->kind) {
    case AE_PAT_LIT:
    case AE_PAT_PREFIX:
    case AE_PAT_SUFFIX:
    case AE_PAT_CONTAINS:
        return ae_find(lit, '/') != lit.n;
    case AE_PAT_PRESUF:
        return ae_find(lit, '/') != lit.n
            || ae_find(ae_pat_tail(p), '/') != p->tail_n;
    default:
        return false;
    }
}

static void check_object(struct lint *t, const struct lint_line *l,
                         const struct ae_pat *obj)
{
    ae_str res = l->csv.field[2], o = l->csv.field[4];
    bool   app = ae_eq_lit(res, "applications") || ae_eq_lit(res, "logs")
              || ae_eq_lit(res, "applicationsets") || ae_eq_lit(res, "exec");

    if (obj->kind == AE_PAT_NEVER || obj->kind == AE_PAT_ERROR || t->regex)
        return;
    if (app && obj->kind == AE_PAT_LIT && !needs_slash(obj))
        ae_lint_at(t, l, 4, AE_LINT_WARN, "object-without-project",
                   "objects of %.*s are PROJECT/NAME, so \"%.*s\" never "
                   "matches; write */%.*s or PROJECT/%.*s", AE_PS(res),
                   AE_PS(o), AE_PS(o), AE_PS(o));
    else if ((ae_eq_lit(res, "certificates") || ae_eq_lit(res, "gpgkeys"))
             && ae_pat_match(obj, AE_STR("")) == 0)
        ae_lint_at(t, l, 4, AE_LINT_WARN, "object-is-empty",
                   "Argo CD asks about %.*s with an empty object, which "
                   "\"%.*s\" does not match; write *", AE_PS(res),
                   AE_PS(o));
    else if ((ae_eq_lit(res, "projects") || ae_eq_lit(res, "accounts")
              || ae_eq_lit(res, "extensions")) && needs_slash(obj))
        ae_lint_at(t, l, 4, AE_LINT_WARN, "object-never-matches",
                   "objects of %.*s are plain names without a slash, so "
                   "\"%.*s\" never matches; write * or a name", AE_PS(res),
                   AE_PS(o));
}

void ae_lint_p_fields(struct lint *t, const struct lint_line *l)
{
    struct ae_pat pat[3];
    bool          open = false;
    int           n = 0;

    check_effect(t, l);
    check_blanks(t, l, 5);
    for (; n < 3; n++) {
        if (ae_pat_init(&pat[n], &t->a, l->csv.field[2 + n],
                        t->in->rbac->mode))
            break;
        if (t->regex)
            regex_pattern(t, l, 2 + n, &pat[n], &open);
        else
            glob_pattern(t, l, 2 + n, &pat[n]);
    }
    if (n == 3) {
        if (pat[0].kind != AE_PAT_ERROR && pat[1].kind != AE_PAT_ERROR
            && pat[0].kind != AE_PAT_NEVER && pat[1].kind != AE_PAT_NEVER)
            check_asked(t, l, &pat[0], &pat[1]);
        check_object(t, l, &pat[2]);
    }
    while (n-- > 0)
        ae_pat_drop(&pat[n]);
}

void ae_lint_g_line(struct lint *t, const struct lint_line *l)
{
    check_blanks(t, l, 3);
    ae_lint_g_graph(t, l);
}
