/*
 * projects.c - AppProjects: the policy text generated for one (P1), the
 * check at write time (P8), and the look-up of a role's tokens (T8).
 */
#include "policy/policy.h"

#include <inttypes.h>

static void put3(ae_buf *b, const char *z, ae_str s, const char *after)
{
    ae_buf_puts(b, z);
    ae_buf_put(b, s);
    ae_buf_puts(b, after);
}

static void put_subject(ae_buf *b, ae_str project, ae_str role)
{
    put3(b, "proj:", project, ":");
    ae_buf_put(b, role);
}

ae_str ae_project_policy(ae_arena *a, const struct ae_project *p)
{
    size_t i, k;
    ae_buf b;

    ae_buf_init(&b, a, 0);
    for (i = 0; i < p->nroles; i++) {
        const struct ae_role *r = &p->roles[i];

        ae_buf_puts(&b, i > 0 ? "\np, " : "p, ");
        put_subject(&b, p->name, r->name);
        put3(&b, ", projects, get, ", p->name, ", allow");
        for (k = 0; k < r->npolicies; k++)
            put3(&b, "\n", r->policies[k], "");
        for (k = 0; k < r->ngroups; k++) {
            put3(&b, "\ng, ", r->groups[k], ", ");
            put_subject(&b, p->name, r->name);
        }
    }
    if (b.bad)
        return ae_s(NULL, 0);
    return b.n > 0 ? ae_buf_str(&b) : AE_STR("");
}

/* ---- P8 ----------------------------------------------------------------- */

struct check {
    ae_buf  text;            /* Argo CD's, once something is wrong */
    ae_str  code;
    ae_str  project, role;
};

static bool refuse(struct check *c, const char *code)
{
    c->code = ae_cs(code);
    return false;
}

static bool refuse_arg(struct check *c)
{
    return refuse(c, "InvalidArgument");
}

static bool alnum(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
        || (ch >= '0' && ch <= '9');
}

static ae_str trim_blanks(ae_str s) /* strings.Trim(s, " ") */
{
    while (s.n > 0 && s.p[0] == ' ')
        s = ae_s(s.p + 1, s.n - 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

static bool check_role_name(struct check *c)
{
    ae_str n = c->role;
    bool ok = n.n > 0 && alnum(n.p[0]) && alnum(n.p[n.n - 1]);
    size_t i;

    for (i = 0; ok && i < n.n; i++)
        ok = alnum(n.p[i]) || n.p[i] == '-' || n.p[i] == '_';
    if (ok)
        return true;
    put3(&c->text, "invalid role name '", n, "'. Must consist of "
         "alphanumeric characters, '-' or '_', and must start and end with "
         "an alphanumeric character");
    return refuse_arg(c);
}

static bool one_of(ae_str s, const char *const *v)
{
    for (; *v != NULL; v++)
        if (ae_eq(s, ae_cs(*v)))
            return true;
    return false;
}

static bool resource_ok(ae_str s)
{
    static const char *const v[] = { "applications", "applicationsets",
        "repositories", "exec", "logs", "clusters", NULL };

    return one_of(s, v);
}

static bool action_ok(ae_str s)
{
    static const char *const v[] = { "get", "create", "update", "delete",
        "sync", "override", "rollback", "*", NULL };

    return one_of(s, v) || ae_find_str(s, AE_STR("action/")) != SIZE_MAX
        || ae_find_str(s, AE_STR("update/")) != SIZE_MAX
        || ae_find_str(s, AE_STR("delete/")) != SIZE_MAX;
}

/* ^PROJECT(/[*\w-.]+)?/[*\w-.]+$ */
static bool object_ok(ae_str s, ae_str project)
{
    size_t i, parts = 0, len = 0;

    if (!ae_starts(s, project) || !ae_utf8_valid(project))
        return false;
    for (i = project.n; i < s.n; i++) {
        char ch = s.p[i];

        if (ch == '/') {
            if (parts > 0 && len == 0)
                return false;
            parts++;
            len = 0;
        } else if (parts > 0 && (alnum(ch) || ch == '_' || ch == '*'
                                 || ch == '-' || ch == '.')) {
            len++;
        } else {
            return false;
        }
    }
    return (parts == 1 || parts == 2) && len > 0;
}

static size_t split_commas(ae_str s, ae_str *part, size_t max)
{
    size_t n = 0;

    for (;;) {
        size_t i = ae_find(s, ',');

        if (n < max)
            part[n] = trim_blanks(ae_s(s.p, i));
        n++;
        if (i == s.n)
            return n;
        s = ae_s(s.p + i + 1, s.n - i - 1);
    }
}

static bool check_object(struct check *c, ae_str object)
{
    if (object_ok(object, c->project))
        return true;
    put3(&c->text, "object must be of form '", c->project, "/*', '");
    put3(&c->text, "", c->project, "[/<NAMESPACE>]/<APPNAME>' or '");
    put3(&c->text, "", c->project, "/<APPNAME>', not '");
    put3(&c->text, "", object, "'");
    return refuse_arg(c);
}

static bool check_subject(struct check *c, ae_str subject)
{
    ae_str rest = subject;

    if (ae_starts(rest, AE_STR("proj:"))) {
        rest = ae_sub(rest, 5, rest.n);
        if (ae_starts(rest, c->project)
            && rest.n == c->project.n + 1 + c->role.n
            && rest.p[c->project.n] == ':' && ae_ends(rest, c->role))
            return true;
    }
    ae_buf_puts(&c->text, "policy subject must be: '");
    put_subject(&c->text, c->project, c->role);
    put3(&c->text, "', not '", subject, "'");
    return refuse_arg(c);
}

static bool check_policy(struct check *c, ae_str policy)
{
    ae_str part[6];
    size_t n = split_commas(policy, part, 6);

    /* Taken back by the caller if nothing is wrong. */
    put3(&c->text, "invalid policy rule '", policy, "': ");
    if (n != 6 || !ae_eq_lit(part[0], "p")) {
        ae_buf_puts(&c->text,
                    "must be of the form: 'p, sub, res, act, obj, eft'");
        return refuse_arg(c);
    }
    if (!check_subject(c, part[1]))
        return false;
    if (!resource_ok(part[2])) {
        put3(&c->text, "project resource must be: 'applications', "
             "'applicationsets', 'repositories', 'exec', 'logs' or "
             "'clusters', not '", part[2], "'");
        return refuse_arg(c);
    }
    if (!action_ok(part[3])) {
        put3(&c->text, "invalid action '", part[3], "'");
        return refuse_arg(c);
    }
    if (!check_object(c, part[4]))
        return false;
    if (!ae_eq_lit(part[5], "allow") && !ae_eq_lit(part[5], "deny")) {
        ae_buf_puts(&c->text, "effect must be: 'allow' or 'deny'");
        return refuse_arg(c);
    }
    c->text.n = 0;
    return true;
}

static const char *group_fault(ae_str whole, ae_str name)
{
    size_t i;

    if (name.n == 0)
        return "is empty";
    for (i = 0; i < name.n; i++)
        if (strchr("\"\n\r\t", name.p[i]) != NULL && name.p[i] != '\0')
            return "contains invalid characters";
    /* Blanks inside the quotes are the group's own. */
    if (ae_trim_space(whole).p != whole.p)
        return "contains a leading space";
    if (ae_trim_space(whole).n != whole.n)
        return "contains a trailing space";
    return NULL;
}

static bool check_group(struct check *c, ae_str whole)
{
    ae_str name = ae_trim_space(whole);
    const char *fault = NULL;

    if (name.n > 1 && name.p[0] == '"' && name.p[name.n - 1] == '"')
        name = ae_s(name.p + 1, name.n - 2);
    else if (ae_find(name, ',') < name.n)
        fault = "must be quoted";
    if (fault == NULL)
        fault = group_fault(whole, name);
    if (fault == NULL)
        return true;
    put3(&c->text, "group '", name, "' ");
    ae_buf_puts(&c->text, fault);
    return refuse_arg(c);
}

/* Is v[i] equal to an earlier one?  Lists are short (etcd holds 1.5 MB). */
static bool seen(const ae_str *v, size_t i)
{
    size_t k;

    for (k = 0; k < i; k++)
        if (ae_eq(v[k], v[i]))
            return true;
    return false;
}

static bool refuse_twice(struct check *c, const char *what, ae_str s)
{
    put3(&c->text, what, s, "' already exists");
    put3(&c->text, " for role '", c->role, "'");
    return refuse(c, "AlreadyExists");
}

static bool refuse_role_twice(struct check *c)
{
    put3(&c->text, "role '", c->role, "' already exists");
    return refuse(c, "AlreadyExists");
}

static bool check_role(struct check *c, const struct ae_role *r)
{
    size_t i;

    if (!check_role_name(c))
        return false;
    for (i = 0; i < r->npolicies; i++) {
        if (seen(r->policies, i))
            return refuse_twice(c, "policy '", r->policies[i]);
        if (!check_policy(c, r->policies[i]))
            return false;
    }
    for (i = 0; i < r->ngroups; i++) {
        if (seen(r->groups, i))
            return refuse_twice(c, "group '", r->groups[i]);
        if (!check_group(c, r->groups[i]))
            return false;
    }
    return true;
}

int ae_project_validate(ae_arena *a, const struct ae_project *p,
                        ae_str *error, ae_str *code)
{
    struct check c = { .project = p->name };
    bool ok = true;
    size_t i, k;

    *error = *code = ae_s(NULL, 0);
    ae_buf_init(&c.text, a, 0);
    for (i = 0; ok && i < p->nroles; i++) {
        c.role = p->roles[i].name;
        for (k = 0; ok && k < i; k++)
            if (ae_eq(p->roles[k].name, c.role))
                ok = refuse_role_twice(&c);
        ok = ok && check_role(&c, &p->roles[i]);
    }
    if (c.text.bad)
        return AE_E_NOMEM;
    if (ok)
        return AE_OK;
    *error = ae_buf_str(&c.text);
    *code = c.code;
    return AE_E_INVAL;
}

/* ---- T8 ----------------------------------------------------------------- */

/* By id if there is one, else (or if unknown) by iat unless that is -1. */
static int find_token(const struct ae_jwt_ref *v, size_t n, int64_t iat,
                      ae_str id)
{
    size_t i;

    if (n > INT32_MAX)
        n = INT32_MAX;
    for (i = 0; id.n > 0 && i < n; i++)
        if (ae_eq(v[i].id, id))
            return (int)i;
    for (i = 0; iat != -1 && i < n; i++)
        if (v[i].iat == iat)
            return (int)i;
    return -1;
}

static int no_token(ae_arena *a, const struct ae_project *p, ae_str role,
                    int64_t iat, ae_str *error)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    put3(&b, "JWT token for role '", role, "' issued at '");
    ae_buf_printf(&b, "%" PRId64 "' does not exist in project '", iat);
    put3(&b, "", p->name, "'");
    *error = b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
    return -1;
}

int ae_project_token_index(ae_arena *a, const struct ae_project *p,
                           ae_str role, int64_t iat, ae_str id, ae_str *error)
{
    size_t i;
    int at = -1;

    *error = ae_s(NULL, 0);
    for (i = 0; i < p->ntokens; i++)
        if (ae_eq(p->tokens[i].role, role)) {
            at = find_token(p->tokens[i].items, p->tokens[i].n, iat, id);
            break; /* a JSON object has each role once */
        }
    return at >= 0 ? at : no_token(a, p, role, iat, error);
}

int ae_project_token_spec_index(ae_arena *a, const struct ae_project *p,
                                ae_str role, int64_t iat, ae_str id,
                                ae_str *error)
{
    size_t i;
    ae_buf b;

    *error = ae_s(NULL, 0);
    for (i = 0; i < p->nroles; i++) {
        const struct ae_role *r = &p->roles[i];
        int at;

        if (!ae_eq(r->name, role))
            continue;
        at = find_token(r->spec_tokens, r->nspec_tokens, iat, id);
        return at >= 0 ? at : no_token(a, p, role, iat, error);
    }
    ae_buf_init(&b, a, 0);
    put3(&b, "role '", role, "' does not exist in project '");
    put3(&b, "", p->name, "'");
    *error = b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
    return -1;
}
