/*
 * lint_identity.c - accounts, SSO and the names of the policy, seen together.
 * Only what is certain is a warning: a name may be a local account, a user id
 * or a group of the provider, so it is wrong for sure only if there is no SSO.
 */
#include "lint.h"

#include <stdio.h>

#define PS(s) (int)(s).n, (s).n ? (s).p : ""

struct names {
    struct found           *f;
    const struct ae_inputs *in;
    json_t                 *roles;   /* right sides of g lines */
    json_t                 *seen;    /* names that were looked at */
    bool                    no_sso;
    ae_str                  group;   /* a name that looks like a group */
    ae_str                  file;    /* ... and where it stands */
    uint32_t                line;
    bool                    any;     /* a g line for who is no account */
};

/* ---- tokens without an end ---------------------------------------------- */

static void account_tokens(struct found *f, const struct ae_account *a)
{
    ae_str first = { NULL, 0 };
    size_t n = 0;

    for (size_t i = 0; i < a->ntokens; i++)
        if (a->tokens[i].exp == 0) {
            first = n++ ? first : a->tokens[i].id;
        }
    if (n)
        lint_say(f, AE_LINT_WARN, "token-without-expiry", ae_fmt(&f->c->a,
                 "argocd-secret/%s%.*s.tokens",
                 ae_eq_lit(a->name, "admin") ? "" : "accounts.",
                 PS(a->name)), 0, "%zu token%s of account %.*s never end%s "
                 "(%s%.*s): who finds one keeps it; make them anew with "
                 "--expires-in, or give a max_age in argo-edge.yaml", n,
                 n > 1 ? "s" : "", PS(a->name), n > 1 ? "" : "s",
                 n > 1 ? "the first: " : "", PS(first));
}

static void project_tokens(struct found *f, const struct ae_project *p)
{
    for (size_t r = 0; r < p->ntokens; r++) {
        const struct ae_role_tokens *t = &p->tokens[r];
        size_t                       n = 0;

        for (size_t i = 0; i < t->n; i++)
            n += t->items[i].exp == 0;
        if (n)
            lint_say(f, AE_LINT_WARN, "token-without-expiry", p->file, 0,
                     "%zu token%s of role %.*s in project %.*s never end%s: "
                     "make them anew with --expires-in, or give a max_age in "
                     "argo-edge.yaml", n, n > 1 ? "s" : "", PS(t->role),
                     PS(p->name), n > 1 ? "" : "s");
    }
}

/* ---- names of the policy ------------------------------------------------ */

static bool is_account(const struct ae_inputs *in, ae_str name)
{
    for (size_t i = 0; i < in->naccounts; i++)
        if (ae_eq(in->accounts[i].name, name))
            return true;
    return false;
}

static bool group_like(ae_str s)
{
    return ae_find(s, ':') < s.n || ae_find(s, '/') < s.n;
}

/* Not a name that a person or a group could have. */
static bool other(const struct names *n, ae_str s)
{
    return s.n == 0 || ae_starts(s, AE_STR("role:"))
        || ae_starts(s, AE_STR("proj:")) || ae_find(s, '*') < s.n
        || ae_find(s, '\0') < s.n
        || json_object_getn(n->roles, s.p, s.n)
        || ae_eq(s, n->in->rbac.default_role);
}

static void one_name(struct names *n, ae_str s, ae_str file, uint32_t line,
                     bool group)
{
    if (other(n, s) || json_object_getn(n->seen, s.p, s.n))
        return;
    json_object_setn_new(n->seen, s.p, s.n, json_true());
    if (!group && is_account(n->in, s))
        return;
    n->any = true;
    if (n->no_sso && (group || group_like(s)))
        lint_say(n->f, AE_LINT_WARN, "group-without-sso", file, line,
                 "\"%.*s\" looks like a group, but argocd-cm has neither "
                 "oidc.config nor dex.config with url: no token brings "
                 "groups, and nobody has this name", PS(s));
    else if (n->no_sso)
        lint_say(n->f, AE_LINT_WARN, "unknown-account", file, line,
                 "\"%.*s\" is no account of argocd-cm, and there is no SSO "
                 "whose users or groups could be meant: nobody has this name; "
                 "add accounts.%.*s or correct it", PS(s), PS(s));
    if (!n->group.p && (group || group_like(s))) {
        n->group = ae_dup(&n->f->c->a, s);
        n->file = file;
        n->line = line;
    }
}

/* Each line of the policy: its names, or first only what g lines lead to. */
static void lines(struct names *n, const struct ae_text *part, bool roles)
{
    ae_str             rest = part->text;
    uint32_t           line = 0;
    struct ae_csv_line l;
    int                rc = 1;

    while (rest.n && rc != AE_E_NOMEM) {
        rc = ae_csv_next(&n->f->c->a, &rest, &line, &l, NULL);
        if (rc == 0)
            break;
        if (rc < 0 || (l.key != 'p' && l.key != 'g'))
            continue;
        if (roles && l.key == 'g')
            json_object_setn_new(n->roles, l.field[2].n ? l.field[2].p : "",
                                 l.field[2].n, json_true());
        else if (!roles)
            one_name(n, l.field[1], part->file.n ? part->file : part->key,
                     (part->line ? part->line : 1) + line - 1, false);
    }
}

static void policy_names(struct names *n)
{
    const struct ae_inputs *in = n->in;

    for (size_t i = 0; i < in->rbac.nparts; i++)
        lines(n, &in->rbac.parts[i], true);
    for (size_t i = 0; i < in->rbac.nparts; i++)
        lines(n, &in->rbac.parts[i], false);
    for (size_t i = 0; i < in->nprojects; i++)
        for (size_t r = 0; r < in->projects[i].nroles; r++)
            for (size_t g = 0; g < in->projects[i].roles[r].ngroups; g++)
                one_name(n, in->projects[i].roles[r].groups[g],
                         in->projects[i].file, 0, true);
}

/* ---- claims that bring them --------------------------------------------- */

static bool has_scope(const struct ae_rbac_in *r, ae_str name)
{
    if (!r->scopes_set)
        return ae_eq_lit(name, "groups");
    for (size_t i = 0; i < r->nscopes; i++)
        if (ae_eq(r->scopes[i], name))
            return true;
    return false;
}

/* None of the scopes but such as name a person. */
static bool only_persons(const struct ae_rbac_in *r)
{
    static const char *const names[] = { "email", "sub", "name", "upn",
        "preferred_username", "username", "nickname" };

    for (size_t i = 0; i < r->nscopes; i++) {
        bool person = false;

        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
            person |= ae_eq(r->scopes[i], ae_cs(names[k]));
        if (!person)
            return false;
    }
    return r->scopes_set && r->nscopes;
}

static bool asks_for_groups(const json_t *conf)
{
    const json_t *scopes = json_object_get(conf, "requestedScopes"), *v;
    size_t        i;

    if (!json_array_size(scopes)
        || json_object_get(json_object_get(conf, "requestedIDTokenClaims"),
                           "groups"))
        return true; /* what Argo CD asks for by itself holds groups */
    json_array_foreach(scopes, i, v)
        if (ae_eq_lit(ae_json_str(v), "groups"))
            return true;
    return false;
}

static void claims(struct names *n)
{
    const struct ae_inputs *in = n->in;
    json_t                 *conf = NULL;
    ae_str                  file = { NULL, 0 };

    if (only_persons(&in->rbac) && n->group.p)
        lint_say(n->f, AE_LINT_INFO, "group-not-in-scopes", n->file, n->line,
                 "scopes names no claim that holds groups, so \"%.*s\" never "
                 "matches unless it is the id of a user; add groups to scopes",
                 PS(n->group));
    for (size_t i = 0; in->sso.kind == AE_SSO_OIDC && i < in->ncm; i++)
        if (ae_eq_lit(in->cm[i].key, "oidc.config")) {
            conf = ae_yaml_to_json(in->cm[i].text, in->cm[i].file, NULL);
            file = in->cm[i].file;
        }
    if (conf && n->any && has_scope(&in->rbac, AE_STR("groups"))
        && !in->sso.other_groups && !asks_for_groups(conf))
        lint_say(n->f, AE_LINT_INFO, "groups-not-requested", file, 0,
                 "requestedScopes does not ask for groups, nor does "
                 "requestedIDTokenClaims: unless the provider adds them by "
                 "itself no group of the policy matches");
    json_decref(conf);
}

/* ---- argo-edge.yaml ----------------------------------------------------- */

static void own_rules(struct found *f, const struct ae_inputs *in)
{
    for (size_t i = 0; in->have_accounts && i < in->rules.n; i++) {
        const struct ae_own_rule *u = &in->rules.v[i];

        for (size_t k = 0; k < u->accounts.n; k++) {
            const struct ae_word *w = &u->accounts.v[k];

            if (ae_find(w->text, '*') == w->text.n
                && !is_account(in, w->text))
                lint_say(f, AE_LINT_WARN, "unknown-account", u->file, w->line,
                         "rule \"%.*s\" names the account %.*s, which is not "
                         "in argocd-cm: it holds for nobody", PS(u->name),
                         PS(w->text));
        }
    }
}

void lint_identity(struct found *f, const struct ae_inputs *in)
{
    struct names n = { .f = f, .in = in, .roles = json_object(),
                       .seen = json_object(),
                       .no_sso = in->have_accounts
                                 && in->sso.kind == AE_SSO_NONE };

    if (in->secret_key.n && in->secret_key.n < 32)
        lint_say(f, AE_LINT_WARN, "short-secret",
                 AE_STR("argocd-secret/server.secretkey"), 0,
                 "%zu bytes sign every token of Argo CD; the hash has 32: "
                 "make a longer one (all sessions and tokens then end)",
                 in->secret_key.n);
    for (size_t i = 0; i < in->naccounts; i++)
        account_tokens(f, &in->accounts[i]);
    for (size_t i = 0; i < in->nprojects; i++)
        project_tokens(f, &in->projects[i]);
    policy_names(&n);
    claims(&n);
    own_rules(f, in);
    json_decref(n.roles);
    json_decref(n.seen);
}
