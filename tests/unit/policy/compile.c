/* compile.c - loading: places of errors, projects, memory, exhaustion. */
#include "policy/internal.h"
#include "tap.h"

static struct ae_text parts[2];
static struct ae_rbac_in rbac = { .parts = parts, .nparts = 2 };

static int load(const char *a, const char *b, ae_policy **p, struct ae_err *e)
{
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac };

    memset(e, 0, sizeof(*e));
    parts[0] = (struct ae_text){ .file = AE_STR("rbac.yaml"), .line = 8,
                                 .key = AE_STR("policy.csv"),
                                 .text = ae_cs(a) };
    parts[1] = (struct ae_text){ .key = AE_STR("policy.x.csv"),
                                 .text = ae_cs(b) };
    return ae_policy_new(&in, p, e);
}

static void places(void)
{
    struct ae_err e;
    ae_policy    *p;
    int           rc;

    tap_ok(load("p, a, b, c, d, allow", "g, a, b", &p, &e) == 0,
           "two parts load");
    tap_ok(p->nrow > 10 && p->row[p->nrow - 1].line == 8
           && ae_eq_lit(p->source[p->edge[p->nedge - 1].source],
                        "policy.x.csv")
           && p->edge[p->nedge - 1].line == 1, "lines know their file");
    ae_policy_free(p);
    rc = load("# x\n\n  p, a, b\n", "", &p, &e);
    tap_ok(rc == AE_E_SYNTAX && !p && e.line == 10
           && strcmp(e.file, "rbac.yaml") == 0,
           "a bad line names file and line (%s:%u)", e.file, e.line);
    tap_ok(strcmp(e.text, "error loading RBAC policy: error creating casbin "
                  "enforcer: error loading policy line: invalid RBAC policy: "
                  "p, a, b") == 0, "and Argo CD's text (C5)");
    rc = load("", "p, \"a, b, c, d, allow", &p, &e);
    tap_ok(rc == AE_E_SYNTAX && e.line == 1 && e.column == 22
           && strcmp(e.file, "policy.x.csv") == 0, "column %u", e.column);
    tap_ok(load("", "", &p, &e) == 0 && p->nrow == p->nbase_row,
           "an empty policy is a policy");
    ae_policy_free(p);
}

static void projects(void)
{
    static const ae_str good[] = { { "p, proj:a:r, logs, get, a/*, allow",
                                     34 } };
    static const ae_str bad[] = { { "p, proj:b:r, logs", 17 } };
    static const ae_str group[] = { { "team", 4 } };
    struct ae_role      ra = { .name = AE_STR("r"), .policies = good,
                               .npolicies = 1, .groups = group,
                               .ngroups = 1 };
    struct ae_role      rb = { .name = AE_STR("r"), .policies = bad,
                               .npolicies = 1 };
    struct ae_project   proj[] = {
        { .name = AE_STR("a"), .roles = &ra, .nroles = 1 },
        { .name = AE_STR("b"), .roles = &rb, .nroles = 1 },
        { .name = AE_STR("c"), .ns = AE_STR("other") },
        { .name = AE_STR("d"), .ns = AE_STR("argocd") },
    };
    struct ae_policy_in in = { .projects = proj, .nprojects = 4 };
    ae_policy          *p = NULL, *q = NULL;

    tap_ok(ae_policy_new(&in, &p, NULL) == 0, "projects load");
    tap_ok(p->npset == 3 && p->pset[0].row1 - p->pset[0].row0 == 2
           && p->pset[0].edge1 - p->pset[0].edge0 == 1, "two p, one g (P1)");
    tap_ok(p->pset[1].broken && p->pset[1].row0 == p->pset[1].row1,
           "a malformed line drops the project's lines (P3)");
    tap_ok(ae_policy_has_project(p, AE_STR("b"))
           && !ae_policy_has_project(p, AE_STR("c"))
           && ae_policy_has_project(p, AE_STR("d")),
           "the project itself stays; other namespaces are not seen");
    in.nprojects = 3;
    ae_policy_new(&in, &q, NULL);
    tap_ok(ae_policy_hash(p) != ae_policy_hash(q), "the hash sees it");
    ae_policy_free(p);
    ae_policy_free(q);
}

static void exhaustion(void)
{
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac };
    unsigned            wrong = 0;
    size_t              limit = 64;
    ae_policy          *p = NULL;

    parts[0].text = AE_STR("p, a, b, {c,d}*[x], d, allow\n"
                           "p, a, \"{x,y}\", c, \"[a-z]*\", deny\ng, a, b\n");
    parts[1].text = AE_STR("p, z, *, *, \"\"\"*\", allow");
    parts[0].text = ae_sub(parts[0].text, 29, 1000);
    for (; limit < (1 << 20); limit += limit < 8192 ? 64 : 1024) {
        struct ae_err e = { 0 };
        int           rc = ae_policy_build(&in, limit, &p, &e);

        if (rc == 0)
            break;
        wrong += rc != AE_E_NOMEM || e.code != AE_E_NOMEM || p != NULL;
    }
    tap_ok(p && wrong == 0, "every allocation may fail (up to %zu)", limit);
    ae_policy_free(p);
}

static void names(void)
{
    tap_ok(ae_project_name_possible(AE_STR("a"))
           && ae_project_name_possible(AE_STR("a-b.c0"))
           && !ae_project_name_possible(AE_STR("https:"))
           && !ae_project_name_possible(AE_STR(""))
           && !ae_project_name_possible(AE_STR("-a"))
           && !ae_project_name_possible(AE_STR("a-"))
           && !ae_project_name_possible(AE_STR("a-.b"))
           && !ae_project_name_possible(AE_STR("a..b"))
           && !ae_project_name_possible(AE_STR("A")),
           "names that a project can have");
}

static void big(void)
{
    ae_heap       h = { 0 };
    ae_arena      a;
    ae_buf        b;
    struct ae_err e;
    ae_policy    *p = NULL;

    ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
    ae_buf_init(&b, &a, 0);
    for (int i = 0; i < 10000; i++)
        ae_buf_printf(&b, "p, role:r%d, applications, get, proj-%d/*, "
                      "allow\n", i, i);
    ae_buf_putc(&b, '\0');
    tap_ok(load(b.p, "", &p, &e) == 0, "10,000 lines load");
    tap_ok(p && ae_policy_bytes(p) < 4u << 20, "in %zu bytes",
           ae_policy_bytes(p));
    ae_policy_free(p);
    ae_heap_free(&h);
}

/* The shapes that pattern.c reads itself must mean what the compilers mean. */
static void shapes(void)
{
    static const char *const glob[] = { "a", "a*", "*a", "*a*", "a*b", "*",
                                        "", "a/*/b", "a]", "a}b,c", "**",
                                        "*a*b", "a\\*", "\xc3\xa9*" };
    static const char *const regex[] = { "a", "^a", "a$", "^a$", "^a.*$",
                                         ".*", "", "^", "$", "a.*", ".*a$",
                                         "^.*a$", "a/b", "^$", ".*a.*$" };
    static const char *const text[] = { "", "a", "ab", "ba", "a/b", "aba",
                                        "a/x/b", "a]", "xa", "a\nb", "a\n",
                                        "*", "a*", "a}b,c", "\xc3\xa9" };
    unsigned bad = 0;
    ae_heap  h = { 0 };
    ae_arena a;

    ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
    for (size_t i = 0; i < sizeof(glob) / sizeof(glob[0]); i++)
        for (size_t j = 0; j < sizeof(text) / sizeof(text[0]); j++) {
            struct ae_pat p;
            ae_glob      *g = NULL;

            bad += ae_pat_init(&p, &a, ae_cs(glob[i]), AE_MATCH_GLOB)
                || ae_glob_compile(&a, ae_cs(glob[i]), &g)
                || ae_pat_match(&p, ae_cs(text[j]))
                   != ae_glob_match(g, ae_cs(text[j]));
            ae_pat_drop(&p);
        }
    for (size_t i = 0; i < sizeof(regex) / sizeof(regex[0]); i++)
        for (size_t j = 0; j < sizeof(text) / sizeof(text[0]); j++) {
            struct ae_pat p;
            ae_regex     *r = NULL;

            bad += ae_pat_init(&p, &a, ae_cs(regex[i]), AE_MATCH_REGEX)
                || ae_regex_compile(ae_cs(regex[i]), &r)
                || ae_pat_match(&p, ae_cs(text[j]))
                   != ae_regex_match(r, ae_cs(text[j]));
            ae_pat_drop(&p);
            ae_regex_free(r);
        }
    tap_ok(bad == 0, "simple patterns are read as the compilers read them");
    ae_heap_free(&h);
}

int main(void)
{
    places();
    projects();
    names();
    shapes();
    exhaustion();
    big();
    return tap_done();
}
