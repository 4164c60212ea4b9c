/*
 * lint_graph.c - mistakes that show only in who reaches what: roles nobody
 * has, groups that are never asked, denies that do not hold, chains that are
 * too long.
 */
#include "policy/lint.h"

enum { NEIGHBOURS = 512,    /* rows looked at for one remark */
       SIMILAR_MAX = 200 }; /* look-alikes searched in one policy */

static bool bit(const uint64_t *set, uint32_t id)
{
    return id != AE_NO_ID && (set[id / 64] >> (id % 64) & 1);
}

static void set_bit(uint64_t *set, uint32_t id)
{
    set[id / 64] |= (uint64_t)1 << (id % 64);
}

bool ae_lint_prepare(struct lint *t, ae_arena *a)
{
    const ae_policy *p = t->p;
    size_t           words = p->subj.n / 64 + 1;

    t->granted = ae_nalloc(a, words, sizeof(*t->granted));
    t->by_default = ae_nalloc(a, words, sizeof(*t->by_default));
    if (!t->granted || !t->by_default)
        return false;
    for (uint32_t i = 0; i < p->nedge; i++)
        if (p->edge[i].src != p->edge[i].dst)
            set_bit(t->granted, p->edge[i].dst);
    if (p->default_id == AE_NO_ID)
        return true;
    if (ae_reach_run(&t->reach, NULL, p->default_id))
        return false;
    for (uint32_t i = 0; i < t->reach.n; i++)
        set_bit(t->by_default, t->reach.hop[i].id);
    return true;
}

/* Does |id| reach a line that allows |res|, |act|[, |obj|]?  Errs towards
 * yes where there is much to look at. */
static bool may(struct lint *t, uint32_t id, ae_str res, ae_str act,
                const ae_str *obj)
{
    const ae_policy     *p = t->p;
    const struct ae_csr *c = &p->rows_by_subj;
    unsigned             seen = 0;

    if (id == AE_NO_ID || ae_reach_run(&t->reach, NULL, id))
        return false;
    for (uint32_t i = 0; i < t->reach.n; i++) {
        uint32_t s = t->reach.hop[i].id;

        for (uint32_t k = c->at[s]; k < c->at[s + 1]; k++) {
            const struct ae_row *r = &p->row[c->of[k]];

            if (++seen > NEIGHBOURS)
                return true;
            if (r->effect == AE_EFF_ALLOW
                && ae_pat_match(&p->pat[r->res], res) == 1
                && ae_pat_match(&p->pat[r->act], act) == 1
                && (!obj || ae_pat_match(&p->pat[r->obj], *obj) == 1))
                return true;
        }
    }
    return false;
}

static bool has_rows(struct lint *t, uint32_t id)
{
    const struct ae_csr *c = &t->p->rows_by_subj;

    if (id == AE_NO_ID || ae_reach_run(&t->reach, NULL, id))
        return false;
    for (uint32_t i = 0; i < t->reach.n; i++)
        if (c->at[t->reach.hop[i].id] < c->at[t->reach.hop[i].id + 1])
            return true;
    return false;
}

/* A known name that differs only in case, separator or a plural "roles:". */
static ae_str similar(struct lint *t, ae_str s)
{
    if (t->nsimilar++ >= SIMILAR_MAX)
        return ae_s(NULL, 0);
    for (uint32_t i = 0; i < t->p->subj.n; i++) {
        ae_str n = t->p->subj.name[i];
        size_t a = 0, b = 0;

        if (ae_eq(n, s) || n.n < 2
            || t->p->rows_by_subj.at[i] == t->p->rows_by_subj.at[i + 1])
            continue;
        for (; a < n.n && b < s.n; a++, b++) {
            if (s.p[b] == 's' && n.p[a] == ':' && b + 1 < s.n)
                b++;
            if (!ae_ieq(ae_sub(n, a, 1), ae_sub(s, b, 1))
                && !(memchr(":_-./ ", n.p[a], 6)
                     && memchr(":_-./ ", s.p[b], 6)))
                break;
        }
        if (a == n.n && b == s.n)
            return n;
    }
    return ae_s(NULL, 0);
}

static bool role_typo(ae_str s)
{
    return s.n > 5 && ae_ieq(ae_sub(s, 0, 4), AE_STR("role"))
        && !ae_starts(s, AE_STR("role:"))
        && (memchr(":_-./ ", s.p[4], 6)
            || ae_ieq(ae_sub(s, 4, 2), AE_STR("s:")));
}

static void check_typo(struct lint *t, const struct lint_line *l, int i)
{
    ae_str s = l->csv.field[i];

    if (role_typo(s))
        ae_lint_at(t, l, i, AE_LINT_WARN, "role-typo",
                   "\"%.*s\" is a name of its own, not a role: roles begin "
                   "with \"role:\", in lower case", AE_PS(s));
}

/* ---- p-lines ---- */

static void check_subject(struct lint *t, const struct lint_line *l,
                          uint32_t id)
{
    ae_str s = l->csv.field[1];

    if (ae_starts(s, AE_STR("role:"))) {
        if (!bit(t->granted, id) && id != t->p->default_id)
            ae_lint_at(t, l, 1, AE_LINT_WARN, "role-not-granted",
                       "nobody has \"%.*s\": no g line grants it and it is "
                       "not policy.default; add g, GROUP, %.*s", AE_PS(s),
                       AE_PS(s));
    } else if (!ae_starts(s, AE_STR("proj:")) && id != t->p->default_id
               && !bit(t->granted, id)
               && !ae_has_edge(t->p, NULL, id)) {
        ae_lint_at(t, l, 1, AE_LINT_WARN, "group-without-g",
                   "if \"%.*s\" is a group, this line is dead: Argo CD only "
                   "asks groups that some g line begins with (for a user it "
                   "works); put the line on a role and add g, %.*s, ROLE",
                   AE_PS(s), AE_PS(s));
    }
    check_typo(t, l, 1);
}

static void check_deny(struct lint *t, const struct lint_line *l, uint32_t id)
{
    const ae_str *f = l->csv.field;

    if (!ae_eq_lit(f[5], "deny"))
        return;
    if (t->p->default_role.n && bit(t->by_default, id))
        ae_lint_at(t, l, 5, AE_LINT_WARN, "default-role-deny",
                   "a deny that the default role meets is not final: the "
                   "user and each group are asked afterwards and may still "
                   "be allowed");
    else if (may(t, t->p->default_id, f[2], f[3], &f[4]))
        ae_lint_at(t, l, 5, AE_LINT_WARN, "deny-loses-to-default",
                   "policy.default \"%.*s\" allows the same and is asked "
                   "first, so this deny holds nobody back",
                   AE_PS(t->p->default_role));
    else if (!t->told_deny) {
        t->told_deny = true;
        ae_lint_at(t, l, 5, AE_LINT_INFO, "deny-one-subject",
                   "a deny counts only while \"%.*s\" or who inherits "
                   "from it is asked: another group of the same user may "
                   "still be allowed (said once, true of every deny)",
                   AE_PS(f[1]));
    }
}

/* update/delete and their sub-resource forms do not imply each other. */
static void check_fine(struct lint *t, const struct lint_line *l, uint32_t id,
                       const char *plain, const char *fine)
{
    ae_str app = AE_STR("applications"), a = l->csv.field[3];

    if (ae_eq(a, ae_cs(plain)) && !may(t, id, app, ae_cs(fine), NULL))
        ae_lint_at(t, l, 3, AE_LINT_INFO, "fine-grained-not-inherited",
                   "\"%s\" is the application itself; its resources are "
                   "asked as %s/GROUP/KIND/NAMESPACE/NAME, which needs "
                   "%s/* unless server.rbac.disableApplicationFineGrained"
                   "RBACInheritance is \"false\"", plain, plain, plain);
    else if (ae_starts(a, ae_cs(plain)) && a.n > strlen(plain)
             && a.p[strlen(plain)] == '/' && !may(t, id, app, ae_cs(plain),
                                                  NULL))
        ae_lint_at(t, l, 3, AE_LINT_INFO, "fine-grained-not-inherited",
                   "\"%.*s\" covers resources inside an application, not "
                   "the application itself: that is \"%s\"", AE_PS(a),
                   plain);
}

void ae_lint_p_subject(struct lint *t, const struct lint_line *l)
{
    const ae_str *f = l->csv.field;
    uint32_t      id;
    bool          allow = ae_eq_lit(f[5], "allow");

    if (f[1].n == 0)
        ae_lint_at(t, l, 1, allow ? AE_LINT_ERROR : AE_LINT_WARN,
                   "empty-subject", allow
                   ? "an empty subject: the line applies to every token "
                     "holder"
                   : "an empty subject: a deny here holds nobody back");
    else if (ae_find(f[1], '*') != f[1].n)
        ae_lint_at(t, l, 1, AE_LINT_WARN, "subject-pattern",
                   "subjects are compared as they stand, \"%.*s\" is no "
                   "pattern; name the role, user or group", AE_PS(f[1]));
    if (!t->p || f[1].n == 0)
        return;
    id = ae_names_find(&t->p->subj, f[1]);
    check_subject(t, l, id);
    check_deny(t, l, id);
    if (allow && ae_eq_lit(f[2], "applications")) {
        check_fine(t, l, id, "update", "update/apps/Deployment/n/x");
        check_fine(t, l, id, "delete", "delete/apps/Deployment/n/x");
    }
    if (allow && (ae_eq_lit(f[2], "logs") || ae_eq_lit(f[2], "exec"))
        && !may(t, id, AE_STR("applications"), AE_STR("get"), NULL)
        && !may(t, t->p->default_id, AE_STR("applications"), AE_STR("get"),
                NULL))
        ae_lint_at(t, l, 2, AE_LINT_INFO, "needs-applications-get",
                   "%.*s is only granted to who may also get the "
                   "application, and \"%.*s\" may not: add p, %.*s, "
                   "applications, get, %.*s, allow", AE_PS(f[2]),
                   AE_PS(f[1]), AE_PS(f[1]), AE_PS(f[4]));
}

/* ---- g-lines ---- */

static void check_chain(struct lint *t, const struct lint_line *l,
                        uint32_t src)
{
    const struct ae_csr *c = &t->p->edges_by_src;
    const struct ae_edge *first = &t->p->edge[c->of[c->at[src]]];

    /* once a chain: at the first g-line of its beginning */
    if (bit(t->granted, src) || !ae_eq(ae_s(first->text, first->text_n),
                                       l->raw)
        || ae_reach_run(&t->reach, NULL, src))
        return;
    for (uint32_t i = 0; i < t->reach.n; i++) {
        uint32_t id = t->reach.hop[i].id;

        if (t->reach.hop[i].depth < AE_MAX_HOPS)
            continue;
        for (uint32_t k = c->at[id]; k < c->at[id + 1]; k++) {
            uint32_t dst = t->p->edge[c->of[k]].dst, j = 0;

            while (j < t->reach.n && t->reach.hop[j].id != dst)
                j++;
            if (j < t->reach.n)
                continue;
            ae_lint_at(t, l, 1, AE_LINT_WARN, "chain-too-deep",
                       "from \"%.*s\" it takes more than %d g lines to "
                       "reach \"%.*s\": Argo CD follows %d; shorten the "
                       "chain", AE_PS(l->csv.field[1]), AE_MAX_HOPS,
                       AE_PS(t->p->subj.name[dst]), AE_MAX_HOPS);
            return;
        }
    }
}

void ae_lint_g_graph(struct lint *t, const struct lint_line *l)
{
    const ae_str *f = l->csv.field;
    uint32_t      src, dst;

    if (f[1].n == 0)
        ae_lint_at(t, l, 1, AE_LINT_ERROR, "empty-subject",
                   "an empty name: every token holder gets \"%.*s\"",
                   AE_PS(f[2]));
    if (ae_find(f[1], '*') != f[1].n)
        ae_lint_at(t, l, 1, AE_LINT_WARN, "subject-pattern",
                   "names are compared as they stand, \"%.*s\" is no "
                   "pattern", AE_PS(f[1]));
    check_typo(t, l, 2);
    if (!t->p)
        return;
    src = ae_names_find(&t->p->subj, f[1]);
    dst = ae_names_find(&t->p->subj, f[2]);
    if (!has_rows(t, dst)) {
        ae_str s = similar(t, f[2]);

        ae_lint_at(t, l, 2, AE_LINT_WARN, "role-without-rights",
                   "\"%.*s\" has no p line, nor any role of its own that "
                   "has: the line grants nothing%s%.*s%s", AE_PS(f[2]),
                   s.p ? " (did you mean \"" : "", AE_PS(s),
                   s.p ? "\"?)" : "");
    }
    if (src != AE_NO_ID)
        check_chain(t, l, src);
}

/* ---- settings ---- */

static void check_default(struct lint *t)
{
    ae_str d = t->p->default_role, s;

    if (d.n == 0 || has_rows(t, t->p->default_id))
        return;
    s = similar(t, d);
    ae_lint_whole(t, AE_STR("policy.default"), AE_LINT_ERROR,
                  "unknown-default-role",
                  "policy.default is \"%.*s\", which has no p line%s%.*s%s; "
                  "it is one name, neither trimmed nor split at commas",
                  AE_PS(d), s.p ? " (did you mean \"" : "", AE_PS(s),
                  s.p ? "\"?)" : "");
}

void ae_lint_settings(struct lint *t)
{
    const struct ae_rbac_in *r = t->in->rbac;

    if (t->regex && t->in->builtin)
        ae_lint_whole(t, AE_STR("policy.matchMode"), AE_LINT_ERROR,
                      "regex-builtin",
                      "the built-in policy's objects * and */* are no valid "
                      "regular expressions: in regex mode role:admin and "
                      "role:readonly are refused whatever reaches them; use "
                      "match mode glob, or give the rights to roles of "
                      "your own");
    if (r->scopes_set && r->nscopes == 0)
        ae_lint_whole(t, AE_STR("scopes"), AE_LINT_WARN, "no-scopes",
                      "scopes is an empty list: no claim gives groups, not "
                      "even \"groups\"; remove the key for the default");
    if (!t->p)
        return;
    check_default(t);
    if (t->regex && t->p->nbase_row == 0)
        ae_lint_whole(t, AE_STR("policy.csv"), AE_LINT_ERROR, "empty-policy",
                      "in regex mode a policy without any p line allows "
                      "every token everything");
}
