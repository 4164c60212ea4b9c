/* survey.c - a policy, whom it names, and asking on their behalf. */
#include "survey.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const ae_str nobody = { "argo-edge:nobody", 16 };

/* ---- loading ------------------------------------------------------------- */

static int add_part(struct cli *c, struct world *w, const char *path,
                    ae_str key, ae_str text)
{
    struct ae_text *t = ae_nalloc(&c->a, w->in.rbac.nparts + 1, sizeof(*t));

    if (!t)
        return cli_fail(EXIT_INPUT, "out of memory");
    if (w->in.rbac.nparts)
        memcpy(t, w->in.rbac.parts, w->in.rbac.nparts * sizeof(*t));
    t[w->in.rbac.nparts++] = (struct ae_text){
        .file = ae_cs(path), .line = 1, .key = key, .text = text };
    w->in.rbac.parts = t;
    return 0;
}

static int overlays(struct cli *c, struct world *w, const char *path,
                    json_t *data)
{
    struct names keys = { .v = NULL };
    const char  *k;
    json_t      *v;
    int          rc = 0;

    json_object_foreach(data, k, v)
        if (ae_overlay_key(ae_cs(k)) && strcmp(k, "policy.csv") != 0)
            names_add(c, &keys, ae_dup(&c->a, ae_cs(k)));
    names_sort(&keys);
    for (size_t i = 0; !rc && i < keys.n; i++)
        rc = add_part(c, w, path, keys.v[i],
                      ae_dup(&c->a, ae_json_get_str(data, keys.v[i].p)));
    return rc;
}

/* The ConfigMap argocd-rbac-cm. */
static int from_manifest(struct cli *c, struct world *w, const char *path,
                         ae_str text)
{
    struct ae_rbac_in *r = &w->in.rbac;
    struct ae_err      err = { .code = 0 };
    json_t            *doc = ae_yaml_to_json(text, ae_cs(path), &err);
    json_t            *data = json_object_get(doc, "data");
    ae_str             mode = ae_json_get_str(data, "policy.matchMode");
    int                rc;

    if (!doc)
        return cli_err(&err);
    if (!json_is_object(data)) {
        json_decref(doc);
        return cli_fail(EXIT_INPUT, "%s: no ConfigMap (it has no \"data\")",
                        path);
    }
    rc = add_part(c, w, path, AE_STR("policy.csv"),
                  ae_dup(&c->a, ae_json_get_str(data, "policy.csv")));
    if (!rc)
        rc = overlays(c, w, path, data);
    r->default_role = ae_dup(&c->a, ae_json_get_str(data, "policy.default"));
    r->mode = ae_eq_lit(mode, "regex") ? AE_MATCH_REGEX : AE_MATCH_GLOB;
    if (!rc && ae_scopes_parse(&c->a, ae_json_get_str(data, "scopes"),
                               &r->scopes, &r->nscopes, &r->scopes_set, &err))
        rc = cli_err(&err);
    json_decref(doc);
    return rc;
}

/* A pipe will do: diff <(git show HEAD:policy.csv) policy.csv */
static int read_any(struct cli *c, const char *path, ae_str *text)
{
    FILE  *f = fopen(path, "r");
    ae_buf b;
    char   buf[4096];
    size_t n;

    if (!f)
        return cli_fail(EXIT_INPUT, "%s: %s", path, strerror(errno));
    ae_buf_init(&b, &c->a, 64u << 20);
    while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
        ae_buf_put(&b, ae_s(buf, n));
    fclose(f);
    if (b.bad)
        return cli_fail(EXIT_INPUT, "%s: over 64 MB", path);
    *text = b.n ? ae_buf_str(&b) : AE_STR("");
    return 0;
}

static int from_file(struct cli *c, struct world *w, const char *path)
{
    ae_str name = ae_cs(path), text;
    int    rc = read_any(c, path, &text);

    if (rc)
        return rc;
    if (ae_ends(name, AE_STR(".yaml")) || ae_ends(name, AE_STR(".yml")))
        return from_manifest(c, w, path, text);
    return add_part(c, w, path, AE_STR("policy.csv"), text);
}

int world_load(struct cli *c, const char *path, struct world *w)
{
    const char *inputs = c->inputs;
    struct stat st;
    int         rc;

    memset(w, 0, sizeof(*w));
    if (path && stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        rc = from_file(c, w, path);
    } else {
        c->inputs = path ? path : inputs;
        rc = cli_inputs(c, &w->in);
        c->inputs = inputs;
    }
    return rc ? rc : cli_policy(c, &w->in, &w->rbac, &w->p);
}

void world_drop(struct world *w)
{
    ae_policy_free(w->p);
    w->p = NULL;
}

/* ---- names --------------------------------------------------------------- */

void names_add(struct cli *c, struct names *l, ae_str name)
{
    if (!name.n)
        return;
    if (l->n == l->cap) {
        size_t  cap = l->cap ? 2 * l->cap : 64;
        ae_str *v = ae_nalloc(&c->a, cap, sizeof(*v));

        if (!v)
            return;
        if (l->n)
            memcpy(v, l->v, l->n * sizeof(*v));
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = name;
}

static int by_name(const void *a, const void *b)
{
    return ae_cmp(*(const ae_str *)a, *(const ae_str *)b);
}

void names_sort(struct names *l)
{
    size_t n = 0;

    if (l->n)
        qsort(l->v, l->n, sizeof(*l->v), by_name);
    for (size_t i = 0; i < l->n; i++)
        if (n == 0 || !ae_eq(l->v[n - 1], l->v[i]))
            l->v[n++] = l->v[i];
    l->n = n;
}

bool names_has(const struct names *l, ae_str name)
{
    return l->n && bsearch(&name, l->v, l->n, sizeof(*l->v), by_name);
}

bool is_role(ae_str name)
{
    return ae_starts(name, AE_STR("role:"));
}

bool is_token(ae_str name)
{
    return ae_starts(name, AE_STR("proj:"));
}

struct people { struct cli *c; struct names *out, held; bool roles; };

static void of_grant(void *ctx, const struct ae_grant *g)
{
    struct people *v = ctx;

    if (!is_role(g->subject) || (v->roles && !g->builtin))
        names_add(v->c, v->out, g->subject);
}

static void of_member(void *ctx, const struct ae_member *m)
{
    struct people *v = ctx;

    names_add(v->c, &v->held, m->role);
    if (!is_role(m->member))
        names_add(v->c, v->out, m->member);
}

static void of_project(struct people *v, const struct ae_project *p)
{
    for (size_t i = 0; i < p->nroles; i++)
        names_add(v->c, v->out, ae_fmt(&v->c->a, "proj:%.*s:%.*s",
                                       (int)p->name.n, p->name.p,
                                       (int)p->roles[i].name.n,
                                       p->roles[i].name.p));
}

void world_people(struct cli *c, const struct world *w, bool roles,
                  struct names *out)
{
    struct people v = { .c = c, .out = out, .roles = roles };
    size_t        n = 0;

    ae_policy_grants(w->p, of_grant, &v);
    ae_policy_members(w->p, of_member, &v);
    for (size_t i = 0; i < w->in.naccounts; i++)
        if (w->in.accounts[i].enabled)
            names_add(c, out, w->in.accounts[i].name);
    for (size_t i = 0; i < w->in.nprojects; i++)
        of_project(&v, &w->in.projects[i]);
    names_sort(out);
    /* a role that somebody has is shown through them */
    names_sort(&v.held);
    names_add(c, &v.held, w->in.rbac.default_role);
    names_sort(&v.held);
    for (size_t i = 0; i < out->n; i++)
        if (!is_role(out->v[i]) || !names_has(&v.held, out->v[i]))
            out->v[n++] = out->v[i];
    out->n = n;
}

ae_principal *world_principal(const struct world *w, ae_str name, int as)
{
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS, .id = name,
                            .groups = &name, .ngroups = 1 };
    ae_principal     *pr = NULL;

    if (as & AS_ROLE)
        s.kind = AE_SUBJ_STRING;
    if (!(as & AS_GROUP) || is_token(name))
        s.ngroups = 0;
    if (as == AS_GROUP || as == AS_NOBODY)
        s.id = nobody;
    return ae_principal_new(w->p, &s, &pr) ? NULL : pr;
}

/* ---- printing ------------------------------------------------------------ */

json_t *rule_json(const struct ae_decision *d)
{
    if (!d->rule_file.p)
        return json_null();
    return json_pack("{s:o, s:I, s:o}", "file", cli_jstr(d->rule_file),
                     "line", (json_int_t)d->rule_line, "text",
                     cli_jstr(d->rule_text));
}

void print_safe(ae_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];

        if (ch < 0x20 || ch == 0x7f)
            printf("\\x%02x", ch);
        else
            putchar(ch);
    }
}

void print_json_str(const json_t *v)
{
    print_safe(ae_json_str(v));
}

void rule_print(const json_t *rule)
{
    if (!json_is_object(rule))
        return;
    putchar(' ');
    print_json_str(json_object_get(rule, "file"));
    printf(":%lld: ", (long long)json_integer_value(
        json_object_get(rule, "line")));
    print_json_str(json_object_get(rule, "text"));
}

/* Lines instead of one that changes where there is no terminal. */
static void progress_line(const char *what, size_t done, size_t all)
{
    static size_t last = SIZE_MAX;
    size_t        percent = done >= all ? 100 : done * 100 / all;

    if (percent != last)
        fprintf(stderr, "%s %zu%%\n", what, percent);
    last = percent;
}

void cli_progress(const struct cli *c, const char *what, size_t done,
                  size_t all)
{
    if (!isatty(STDERR_FILENO)) {
        if (c->progress)
            progress_line(what, done, all);
        return;
    }
    if (done >= all)
        fputs("\r\033[K", stderr);
    else
        fprintf(stderr, "\r\033[K%s %zu of %zu (%zu%%)", what, done, all,
                done * 100 / all);
}
