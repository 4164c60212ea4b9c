/* lint.c - each classic mistake gives its finding at its place, and a clean
 * policy gives none. */
#include "policy/policy.h"
#include "tap.h"

struct found { char id[64]; uint32_t line, column; char text[256]; };

static struct found found[256];
static size_t       nfound;

static void keep(void *ctx, const struct ae_lint *l)
{
    struct found *f = &found[nfound++ % 256];

    (void)ctx;
    snprintf(f->id, sizeof(f->id), "%s", l->id);
    snprintf(f->text, sizeof(f->text), "%.*s", (int)l->text.n, l->text.p);
    f->line = l->line;
    f->column = l->column;
    if (getenv("SHOW"))
        fprintf(stderr, "%.*s:%u:%u: %d %s: %.*s\n", (int)l->file.n,
                l->file.p, l->line, l->column, l->level, l->id,
                (int)l->text.n, l->text.p);
}

struct setup {
    const char *text, *def;
    bool        regex, builtin, no_scopes;
    const struct ae_project *projects;
    size_t      nprojects;
};

static void lint(const struct setup *s)
{
    struct ae_text      part = { .file = AE_STR("policy.csv"), .line = 1,
                                 .text = ae_cs(s->text) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1,
                                 .default_role = ae_cs(s->def),
                                 .scopes_set = s->no_scopes,
                                 .mode = s->regex ? AE_MATCH_REGEX
                                                  : AE_MATCH_GLOB };
    struct ae_policy_in in = { .builtin = s->builtin, .rbac = &rbac,
                               .projects = s->projects,
                               .nprojects = s->nprojects };

    nfound = 0;
    ae_policy_lint(&in, keep, NULL);
}

static const struct found *finding(const char *id, uint32_t line)
{
    for (size_t i = 0; i < nfound && i < 256; i++)
        if (strcmp(found[i].id, id) == 0
            && (line == 0 || found[i].line == line))
            return &found[i];
    return NULL;
}

static void expect(const struct setup *s, const char *id, uint32_t line,
                   uint32_t column)
{
    const struct found *f;

    lint(s);
    f = finding(id, line);
    tap_ok(f && (column == 0 || f->column == column), "%s (%u:%u)", id,
           f ? f->line : 0, f ? f->column : 0);
}

/* One line that goes wrong, behind a sane policy. */
static void one(const char *line, const char *id, uint32_t column)
{
    char         text[512];
    struct setup s = { .text = text };

    snprintf(text, sizeof(text), "p, role:a, applications, *, p/*, allow\n"
             "g, team, role:a\n%s\n", line);
    expect(&s, id, 3, column);
}

static void lines(void)
{
    one("p, role:a, applications, get, q/*, Allow", "dead-effect", 36);
    one("p, role:a, applications, get, q/*, allow # x", "dead-effect", 36);
    one("  p, role:a, applications, [a-z0-9], q/*, allow", "invalid-glob",
        28);
    one("p, role:a , applications, get, q/*, allow", "trailing-blank", 4);
    one("p, role:a, 'applications', get, q/*, allow", "single-quotes", 12);
    one("p, role:a, application, get, q/*, allow", "unknown-resource", 12);
    one("p, role:a, applications, read, q/*, allow", "unknown-action", 26);
    one("p, role:a, logs, sync, q/*, allow", "action-not-for-resource", 18);
    one("p, role:a, applications, get, myapp, allow",
        "object-without-project", 31);
    one("p, role:a, \"gpgkeys\", get, */*, allow", "object-is-empty", 28);
    one("p, role:a, projects, get, */*, allow", "object-never-matches", 27);
    one("p, role:a, applications, get, q/.*, allow", "regex-in-glob-mode",
        31);
    one("p, role:a, applications, get, p1/*/web, allow", "star-overlap", 31);
    one("p, , applications, get, q/*, allow", "empty-subject", 4);
    one("p, team*, applications, get, q/*, allow", "subject-pattern", 4);
    one("p, org:x, applications, get, q/*, allow", "group-without-g", 4);
    one("p, role:b, applications, get, q/*, allow", "role-not-granted", 4);
    one("p, Role:a, applications, get, q/*, allow", "role-typo", 4);
    one("p, role:a, applications, get, p/x, deny", "deny-one-subject", 36);
    one("g, x, role:nope", "role-without-rights", 7);
    one("g, , role:a", "empty-subject", 4);
    one("g, team, role:a", "duplicate-line", 1);
    one("r, something", "ignored-key", 1);
    one("p, role:a, b", "syntax", 0);
    one("p, role:a, applications, {get,sync}, p/*, allow", "syntax", 0);
}

static void graph(void)
{
    struct setup s = { .text = "p, role:l, logs, get, p/*, allow\n"
                               "g, t, role:l\n"
                               "p, role:f, applications, delete, p/*, allow\n"
                               "g, u, role:f\n"
                               "p, role:g, applications, update/*, p/*, "
                               "allow\ng, v, role:g\n" };

    expect(&s, "needs-applications-get", 1, 12);
    expect(&s, "fine-grained-not-inherited", 3, 26);
    expect(&s, "fine-grained-not-inherited", 5, 26);
    s.text = "g, a, b\ng, b, c\ng, c, d\ng, d, e\ng, e, f\ng, f, g\ng, g, h\n"
             "g, h, i\ng, i, j\ng, j, k\ng, k, l\n"
             "p, l, applications, get, p/*, allow\n";
    expect(&s, "chain-too-deep", 1, 4);
    s.text = "g, t, role:READER\np, role:reader, logs, get, p/*, allow\n";
    lint(&s);
    tap_ok(finding("role-without-rights", 1)
           && strstr(finding("role-without-rights", 1)->text, "role:reader"),
           "a look-alike is suggested");
}

static void settings(void)
{
    struct setup s = { .text = "p, role:a, applications, get, p/*, allow\n"
                               "p, bob, applications, get, p/x, deny\n",
                       .def = "role:a" };

    expect(&s, "deny-loses-to-default", 2, 33);
    s.text = "p, role:a, applications, get, p/*, deny\n";
    expect(&s, "default-role-deny", 1, 36);
    s.def = "role:reader";
    expect(&s, "unknown-default-role", 0, 0);
    s.no_scopes = true;
    expect(&s, "no-scopes", 0, 0);
    s = (struct setup){ .text = "p, role:a, applications, get, *, allow\n"
                                "p, role:a, applications, get, x, allow\n",
                        .regex = true, .builtin = true };
    expect(&s, "regex-builtin", 0, 0);
    expect(&s, "invalid-regex", 1, 31);
    expect(&s, "regex-unanchored", 2, 12);
    s = (struct setup){ .text = "", .regex = true };
    expect(&s, "empty-policy", 0, 0);
}

static void projects(void)
{
    static const ae_str bad[] = { { "p, proj:p:r, logs", 17 } };
    static const ae_str odd[] = {
        { "p, bob, applications, get, p/*, allow", 37 },
        { "p, proj:p:r, applications, get, q/*, allow", 42 } };
    struct ae_role    role = { .name = AE_STR("r"), .policies = bad,
                               .npolicies = 1 };
    struct ae_project p = { .name = AE_STR("p"), .roles = &role,
                            .nroles = 1 };
    struct setup      s = { .text = "", .projects = &p, .nprojects = 1 };

    expect(&s, "project-dropped", 0, 0);
    role.policies = odd;
    role.npolicies = 2;
    expect(&s, "project-foreign-subject", 0, 0);
    expect(&s, "project-foreign-object", 0, 0);
    expect(&s, "project-invalid", 0, 0);
    p.ns = AE_STR("elsewhere");
    expect(&s, "project-other-namespace", 0, 0);
}

static void clean(void)
{
    struct setup s = {
        .text = "# teams\n"
                "p, role:dev, applications, *, dev/*, allow\n"
                "p, role:dev, logs, get, dev/*, allow\n"
                "p, role:dev, exec, create, dev/*, allow\n"
                "p, role:dev, clusters, get, *, allow\n"
                "p, role:dev, \"{certificates,gpgkeys}\", get, *, allow\n"
                "p, role:ci, applications, \"{get,sync}\", */*, allow\n"
                "p, role:ci, applications, action/apps/Deployment/restart, "
                "*/*, allow\n"
                "g, my-org:dev, role:dev\n"
                "g, bot, role:ci\n"
                "g, boss, role:admin\n",
        .def = "role:readonly", .builtin = true
    };

    lint(&s);
    tap_ok(nfound == 0, "a sane policy gives no finding (%s)",
           nfound ? found[0].id : "none");
}

int main(void)
{
    lines();
    graph();
    settings();
    projects();
    clean();
    return tap_done();
}
