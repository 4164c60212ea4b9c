/*
 * accounts.c - what Argo CD checks after the signature: local accounts
 * (argocd-cm, argocd-secret) and the tokens of project roles (T8).
 */
#include "token/internal.h"

static enum ae_rule refuse(struct ae_who *out, ae_str reason)
{
    out->reason = reason;      /* absent: no memory for the text */
    return AE_RULE_REFUSED;
}

/* proj:<project>:<role>, exactly three parts (T3). */
static bool project_subject(ae_str s, ae_str *project, ae_str *role)
{
    ae_str rest;

    if (!ae_starts(s, AE_STR("proj:")))
        return false;
    rest = ae_cut(ae_sub(s, 5, s.n), ':', project);
    *role = rest;
    return rest.p && ae_find(rest, ':') == rest.n;
}

static const struct ae_project *find_project(const ae_tokens *t, ae_str name)
{
    for (size_t i = 0; i < t->in->nprojects; i++) {
        const struct ae_project *p = &t->in->projects[i];

        if (ae_eq(p->name, name) && (!p->ns.p || ae_eq(p->ns, t->ns)))
            return p;
    }
    return NULL;
}

/* First by id, if there is one, then by iat, if it is not -1 (T8). */
static bool has_token(const struct ae_jwt_ref *v, size_t n, int64_t iat,
                      ae_str id)
{
    for (size_t j = 0; j < n; j++)
        if ((id.n && ae_eq(v[j].id, id)) || (iat != -1 && v[j].iat == iat))
            return true;
    return false;
}

/* The status alone counts, but a server that starts brings the roles of the
 * spec and the status in line: where they differ here, either may be so. */
static enum ae_token_found role_has_token(const struct ae_project *p,
                                          ae_str role, int64_t iat, ae_str id)
{
    bool status = false, declared = false, spec = false;

    for (size_t i = 0; i < p->ntokens; i++)
        status |= ae_eq(p->tokens[i].role, role)
               && has_token(p->tokens[i].items, p->tokens[i].n, iat, id);
    for (size_t i = 0; i < p->nroles; i++) {
        const struct ae_role *r = &p->roles[i];

        if (!ae_eq(r->name, role))
            continue;
        declared = true;
        spec |= has_token(r->spec_tokens, r->nspec_tokens, iat, id);
    }
    if (status && declared)
        return AE_FOUND_OK;
    return status || spec ? AE_FOUND_UNKNOWN : AE_FOUND_REFUSED;
}

static enum ae_rule check_project(const ae_tokens *t, ae_arena *a,
                                  ae_str name, ae_str role, ae_str jti,
                                  int64_t iat, struct ae_token_trace *tr,
                                  struct ae_who *out)
{
    const struct ae_project *p;
    enum ae_token_found      found;
    ae_buf                   b;

    out->kind = AE_KIND_PROJECT;
    if (!t->in->have_projects) {
        AE_NOTE(tr, AE_TS_PROJECT, AE_FOUND_UNKNOWN, "put the AppProjects "
                "among the inputs", "%.*s: there are no projects among the "
                "inputs", (int)name.n, name.p);
        return AE_RULE_OK;           /* verified, not confirmed */
    }
    p = find_project(t, name);
    AE_NOTE(tr, AE_TS_PROJECT, p ? AE_FOUND_OK : AE_FOUND_REFUSED, p ? NULL
            : "create the AppProject, or make a token of one that exists",
            "%.*s", (int)name.n, name.p);
    if (!p) {
        out->no_project = true;
        ae_buf_init(&b, a, 0);
        ae_buf_puts(&b, "appproject.argoproj.io ");
        ae_go_quote(&b, name);
        ae_buf_puts(&b, " not found");
        return refuse(out, b.bad ? ae_s(NULL, 0) : ae_buf_str(&b));
    }
    found = role_has_token(p, role, iat, jti);
    out->confirmed = found == AE_FOUND_OK;
    AE_NOTE(tr, AE_TS_ROLE_TOKEN, found, out->confirmed ? NULL
            : found == AE_FOUND_UNKNOWN ? "the spec and the status of the "
            "AppProject do not agree on it: take the object as the cluster "
            "has it" : "it was deleted: make a new one (argocd proj role "
            "create-token)", "role %.*s, id %.*s, issued %lld", (int)role.n,
            role.p, jti.n ? (int)jti.n : 4, jti.n ? jti.p : "none",
            (long long)iat);
    if (found != AE_FOUND_REFUSED)
        return AE_RULE_OK;
    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "JWT token for role '");
    ae_buf_put(&b, role);
    ae_buf_printf(&b, "' issued at '%lld' does not exist in project '",
                  (long long)iat);
    ae_buf_put(&b, p->name);
    ae_buf_putc(&b, '\'');
    return refuse(out, b.bad ? ae_s(NULL, 0) : ae_buf_str(&b));
}

static const struct ae_account *find_account(const ae_tokens *t, ae_str name)
{
    for (size_t i = 0; i < t->in->naccounts; i++)
        if (ae_eq(t->in->accounts[i].name, name))
            return &t->in->accounts[i];
    return NULL;
}

static bool account_has_token(const struct ae_account *c, ae_str id)
{
    for (size_t i = 0; i < c->ntokens; i++)
        if (ae_eq(c->tokens[i].id, id))
            return true;
    return false;
}

/* "<before><name><after>", with the bytes of the name as they are: ae_fmt
 * would stop at a NUL. */
static enum ae_rule refuse3(ae_arena *a, struct ae_who *out,
                            const char *before, ae_str name,
                            const char *after, ae_str last)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, before);
    ae_buf_put(&b, name);
    ae_buf_puts(&b, after);
    ae_buf_put(&b, last);
    return refuse(out, b.bad ? ae_s(NULL, 0) : ae_buf_str(&b));
}

/* Is the token in the list of its account?  Only API keys are asked. */
static bool listed(const struct ae_account *c, ae_str jti,
                   struct ae_token_trace *tr)
{
    bool has = account_has_token(c, jti);

    AE_NOTE(tr, AE_TS_LISTED, has ? AE_FOUND_OK : AE_FOUND_REFUSED, has ? NULL
            : "it was deleted: make a new one (argocd account generate-token)",
            "accounts.%.*s.tokens %s %.*s", (int)c->name.n, c->name.p,
            has ? "has" : "lacks", (int)jti.n, jti.p);
    return has;
}

static bool changed(const struct ae_account *c, int64_t iat,
                    struct ae_token_trace *tr)
{
    bool is = c->has_mtime && ae_time_before(iat, c->mtime);
    char when[40];

    if (!tr)
        return is;
    when[ae_rfc3339(c->mtime, when)] = '\0';
    ae_token_note(tr, AE_TS_PASSWORD, is ? AE_FOUND_REFUSED : AE_FOUND_OK,
                  is ? "log in again, or make a new token" : NULL,
                  c->has_mtime ? "changed at %s" : "not changed",
                  when);
    return is;
}

/* What argocd-secret knows: the token list and the password's age. */
static enum ae_rule check_secret(const ae_tokens *t, ae_arena *a,
                                 const struct ae_account *c, ae_str jti,
                                 int64_t iat, struct ae_token_trace *tr,
                                 struct ae_who *out)
{
    AE_NOTE(tr, AE_TS_TOKEN_ID, jti.n ? AE_FOUND_OK : AE_FOUND_REFUSED,
            jti.n ? NULL : "tokens of Argo CD have one: make a new token",
            "%.*s", jti.n ? (int)jti.n : 6, jti.n ? jti.p : "no jti");
    if (!jti.n)
        return refuse(out, AE_STR("token does not have a unique identifier "
                                  "(jti claim) and cannot be validated"));
    if (!t->in->have_secret) {
        AE_NOTE(tr, AE_TS_LISTED, AE_FOUND_UNKNOWN, "put argocd-secret among "
                "the inputs", "there is no argocd-secret");
        return AE_RULE_OK;
    }
    out->unlisted = true;
    if (out->kind == AE_KIND_APIKEY && !listed(c, jti, tr))
        return refuse3(a, out, "account ", c->name,
                       " does not have token with id ", jti);
    if (changed(c, iat, tr))
        return refuse(out, AE_STR("account password has changed since token "
                                  "issued"));
    out->unlisted = false;
    out->confirmed = true;
    return AE_RULE_OK;
}

enum ae_token_kind ae_account_kind(ae_str subject)
{
    ae_str project, role, rest, cap;

    if (project_subject(subject, &project, &role))
        return AE_KIND_PROJECT;
    rest = ae_cut(subject, ':', &project);
    ae_cut(rest, ':', &cap);
    return ae_eq_lit(cap, "login") ? AE_KIND_LOGIN : AE_KIND_APIKEY;
}

enum ae_rule ae_account_check(const ae_tokens *t, ae_arena *a, ae_str subject,
                              ae_str jti, int64_t iat,
                              struct ae_token_trace *tr, struct ae_who *out)
{
    const struct ae_account *c;
    ae_str                   project, role;
    bool                     login, has;

    memset(out, 0, sizeof(*out));
    AE_NOTE(tr, AE_TS_SUBJECT, AE_FOUND_OK, NULL, "%.*s", (int)subject.n,
            subject.n ? subject.p : "");
    if (project_subject(subject, &project, &role))
        return check_project(t, a, project, role, jti, iat, tr, out);
    ae_cut(subject, ':', &out->account);
    out->kind = ae_account_kind(subject);
    login = out->kind == AE_KIND_LOGIN;
    if (!t->in->have_accounts) {
        AE_NOTE(tr, AE_TS_ACCOUNT, AE_FOUND_UNKNOWN, "put argocd-cm among the "
                "inputs", "%.*s: there is no argocd-cm",
                (int)out->account.n, out->account.n ? out->account.p : "");
        return AE_RULE_OK;           /* verified, not confirmed */
    }
    c = find_account(t, out->account);
    AE_NOTE(tr, AE_TS_ACCOUNT, c ? AE_FOUND_OK : AE_FOUND_REFUSED, c ? NULL
            : "add accounts.NAME to argocd-cm", "%.*s", (int)out->account.n,
            out->account.n ? out->account.p : "");
    if (!c)
        return refuse3(a, out, "rpc error: code = NotFound desc = account '",
                       out->account, "' does not exist", ae_s(NULL, 0));
    AE_NOTE(tr, AE_TS_ENABLED, c->enabled ? AE_FOUND_OK : AE_FOUND_REFUSED,
            c->enabled ? NULL : "set accounts.NAME.enabled (admin.enabled) in "
            "argocd-cm to \"true\"", "%s", c->enabled ? "yes" : "no");
    if (!c->enabled)
        return refuse3(a, out, "account ", c->name, " is disabled",
                       ae_s(NULL, 0));
    has = login ? c->cap_login : c->cap_apikey;
    AE_NOTE(tr, AE_TS_CAPABILITY, has ? AE_FOUND_OK : AE_FOUND_REFUSED, has
            ? NULL : "add it to accounts.NAME in argocd-cm", "%s",
            login ? "login" : "apiKey");
    if (!has)
        return refuse3(a, out, "account ", c->name, " does not have '",
                       login ? AE_STR("login' capability")
                             : AE_STR("apiKey' capability"));
    return check_secret(t, a, c, jti, iat, tr, out);
}
