/*
 * naive.h - random policies, and R1-R8 with T1-T6 written down as plainly as
 * possible, to compare the indexed decision with.
 */
#ifndef AE_TEST_NAIVE_H
#define AE_TEST_NAIVE_H

#include "policy/policy.h"
#include "tap.h"

enum { MAX_LINES = 48, MAX_PROJECTS = 3, NAMES = 10 };

struct line { char key; const char *f[5]; };

struct world {
    uint64_t     rnd;
    bool         regex, partial;
    struct line  base[MAX_LINES];
    size_t       nbase;
    struct line  proj[MAX_PROJECTS][8];
    size_t       nproj[MAX_PROJECTS], nprojects;
    const char  *def;
    char         text[8192];
    /* the same for the product */
    char         ptext[MAX_PROJECTS][8][256];
    ae_str       policies[MAX_PROJECTS][8];
    struct ae_role    role[MAX_PROJECTS];
    struct ae_project project[MAX_PROJECTS];
};

static const char *const names[NAMES] = {
    "", "alice", "bob", "team-a", "team-b", "role:x", "role:y", "role:z",
    "proj:p0:r", "proj:p1:r"
};
static const char *const resources[] = { "applications", "clusters",
                                         "projects", "accounts", "logs" };
static const char *const actions[] = { "get", "sync", "delete/x" };
static const char *const objects[] = { "p0/web", "p1/web", "p1/ns/web", "p2",
                                       "p0", "px/web", "", "p9/api" };
static const char *const glob_pats[] = {
    "*", "get", "applications", "*s", "p0/*", "p1/web", "*/*", "*/web",
    "{get,sync}", "p?/*", "[", "p1/*/web", "p*", "", "cl*rs", "delete/*",
    "{applications,logs,projects}", "accounts", "p2", "**"
};
static const char *const regex_pats[] = {
    ".*", "get", "applications", "^p0/.*$", "p1", "^p1/web$", "*", "(get|sync)",
    "web$", "^app", "", "p[0-9]/", "clusters|logs", "*/*", "projects"
};

static uint32_t roll(struct world *w, uint32_t n)
{
    w->rnd = w->rnd * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->rnd >> 33) % n;
}

#define PICK(w, a) (a)[roll((w), (uint32_t)(sizeof(a) / sizeof((a)[0])))]

static const char *any_pattern(struct world *w)
{
    return w->regex ? PICK(w, regex_pats) : PICK(w, glob_pats);
}

static void make_line(struct world *w, struct line *l)
{
    l->key = roll(w, 3) ? 'p' : 'g';
    l->f[0] = PICK(w, names);
    if (l->key == 'g') {
        l->f[1] = PICK(w, names);
        return;
    }
    l->f[1] = roll(w, 3) ? PICK(w, resources) : any_pattern(w);
    l->f[2] = roll(w, 3) ? PICK(w, actions) : any_pattern(w);
    l->f[3] = roll(w, 6) ? any_pattern(w) : PICK(w, objects);
    l->f[4] = roll(w, 4) ? "allow" : roll(w, 3) ? "deny" : "Allow";
}

static int write_line(char *out, size_t n, const struct line *l)
{
    if (l->key == 'g')
        return snprintf(out, n, "g, %s, %s", l->f[0], l->f[1]);
    return snprintf(out, n, "p, %s, \"%s\", \"%s\", \"%s\", %s", l->f[0],
                    l->f[1], l->f[2], l->f[3], l->f[4]);
}

static const char *const proj_name[MAX_PROJECTS] = { "p0", "p1", "p2" };

static void make_world(struct world *w, uint64_t seed)
{
    size_t at = 0;

    memset(w, 0, sizeof(*w));
    w->rnd = seed * 0x9E3779B97F4A7C15u + 1;
    roll(w, 2);
    w->regex = roll(w, 4) == 0;
    w->partial = roll(w, 4) == 0;
    w->def = roll(w, 2) ? "" : PICK(w, names);
    w->nbase = roll(w, 12) ? roll(w, MAX_LINES) : roll(w, 2);
    for (size_t i = 0; i < w->nbase; i++) {
        make_line(w, &w->base[i]);
        at += (size_t)write_line(w->text + at, sizeof(w->text) - at,
                                 &w->base[i]);
        w->text[at++] = '\n';
    }
    w->nprojects = roll(w, MAX_PROJECTS + 1);
    for (size_t i = 0; i < w->nprojects; i++) {
        w->nproj[i] = roll(w, 7);
        for (size_t j = 0; j < w->nproj[i]; j++) {
            make_line(w, &w->proj[i][j]);
            write_line(w->ptext[i][j], sizeof(w->ptext[i][j]),
                       &w->proj[i][j]);
            w->policies[i][j] = ae_cs(w->ptext[i][j]);
        }
        w->role[i].name = AE_STR("r");
        w->role[i].policies = w->policies[i];
        w->role[i].npolicies = w->nproj[i];
        w->project[i].name = ae_cs(proj_name[i]);
        w->project[i].roles = &w->role[i];
        w->project[i].nroles = 1;
    }
}

__attribute__((unused))
static ae_policy *world_policy(struct world *w)
{
    struct ae_text      part = { .line = 1, .text = ae_cs(w->text) };
    struct ae_rbac_in   rbac = {
        .parts = &part, .nparts = 1, .default_role = ae_cs(w->def),
        .mode = w->regex ? AE_MATCH_REGEX : AE_MATCH_GLOB
    };
    struct ae_policy_in in = {
        .rbac = &rbac, .projects = w->project, .nprojects = w->nprojects,
        .ns = AE_STR("argocd"), .projects_partial = w->partial
    };
    ae_policy    *p = NULL;
    struct ae_err e = { 0 };

    if (ae_policy_new(&in, &p, &e))
        printf("# world does not load: %s\n", e.text);
    return p;
}

/* ---- the rules ---- */

struct set { struct line l[MAX_LINES + 16]; size_t n; };

/* |proj| < 0: the base set (R1, P1). */
static void make_set(const struct world *w, int proj, struct set *s)
{
    static char implicit[MAX_PROJECTS][16];

    s->n = 0;
    for (size_t i = 0; i < w->nbase; i++)
        s->l[s->n++] = w->base[i];
    if (proj < 0)
        return;
    snprintf(implicit[proj], sizeof(implicit[proj]), "proj:%s:r",
             proj_name[proj]);
    s->l[s->n++] = (struct line){ 'p', { implicit[proj], "projects", "get",
                                         proj_name[proj], "allow" } };
    for (size_t i = 0; i < w->nproj[proj]; i++)
        s->l[s->n++] = w->proj[proj][i];
}

static bool reaches(const struct set *s, const char *from, const char *to,
                    int left)
{
    if (strcmp(from, to) == 0)
        return true;
    for (size_t i = 0; left && i < s->n; i++)
        if (s->l[i].key == 'g' && strcmp(s->l[i].f[0], from) == 0
            && strcmp(s->l[i].f[1], from) != 0
            && reaches(s, s->l[i].f[1], to, left - 1))
            return true;
    return false;
}

/* 1, 0, -1 raises (M3, M4). */
static int fits(const struct world *w, const char *pattern, const char *text)
{
    int r;

    if (w->regex) {
        ae_regex *x;

        if (ae_regex_compile(ae_cs(pattern), &x))
            return -1;
        r = ae_regex_match(x, ae_cs(text));
        ae_regex_free(x);
    } else {
        ae_heap  h = { 0 };
        ae_arena a;
        ae_glob *g;

        ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
        r = ae_glob_compile(&a, ae_cs(pattern), &g)
          ? 0 : ae_glob_match(g, ae_cs(text));
        ae_heap_free(&h);
    }
    return r < 0 ? -1 : r;
}

static bool check(const struct world *w, const struct set *s,
                  const char *subject, const char *const q[3])
{
    static const struct line empty = { 'p', { "", "", "", "", "allow" } };
    bool   yes = false, any = false;
    struct set hole;

    for (size_t i = 0; i < s->n; i++)
        any |= s->l[i].key == 'p';
    hole = *s;
    if (!any)
        hole.l[hole.n++] = empty; /* R7 */
    for (size_t i = 0; i < hole.n; i++) {
        const struct line *l = &hole.l[i];
        int                m = 1;

        /* a graph of ten names has no path that needs more edges */
        if (l->key != 'p' || !reaches(s, subject, l->f[0], 7))
            continue;
        for (int k = 0; k < 3 && m == 1; k++)
            m = fits(w, l->f[1 + k], q[k]);
        if (m < 0)
            return false;
        if (m && strcmp(l->f[4], "deny") == 0)
            return false;
        yes |= m && strcmp(l->f[4], "allow") == 0;
    }
    return yes;
}

static bool default_or(const struct world *w, const struct set *s,
                       const char *subject, const char *const q[3])
{
    return (w->def[0] && check(w, s, w->def, q)) || check(w, s, subject, q);
}

struct who { enum ae_subject_kind kind; const char *id; const char *g[4];
             size_t ng; };

/* |proj|: the request's known project, or -1. */
static bool token_rule(const struct world *w, const struct who *u, int proj,
                       const char *const q[3])
{
    struct set s;

    make_set(w, proj, &s);
    if (proj >= 0 && strncmp(u->id, "proj:", 5) == 0)
        return strncmp(u->id + 5, proj_name[proj], 2) == 0
            && default_or(w, &s, u->id, q);
    if (default_or(w, &s, u->id, q))
        return true;
    for (size_t i = 0; i < u->ng; i++)
        for (size_t j = 0; j < s.n; j++)
            if (s.l[j].key == 'g' && strcmp(s.l[j].f[0], u->g[i]) == 0) {
                if (default_or(w, &s, u->g[i], q))
                    return true;
                break;
            }
    return false;
}

static bool full_rule(const struct world *w, const struct who *u, int proj,
                      const char *const q[3])
{
    struct set base;

    make_set(w, -1, &base);
    if (w->def[0] && check(w, &base, w->def, q))
        return true;
    if (u->kind == AE_SUBJ_STRING)
        return check(w, &base, u->id, q);
    if (u->kind == AE_SUBJ_CLAIMS && token_rule(w, u, proj, q))
        return true;
    return check(w, &base, "", q);
}

/* -1 no project, -2 one that the inputs lack. */
static int project_of(const struct world *w, const char *const q[3])
{
    const char *slash = strchr(q[2], '/');
    size_t      n = slash ? (size_t)(slash - q[2]) : strlen(q[2]);

    if (strcmp(q[0], "accounts") == 0
        || (strcmp(q[0], "projects") != 0 && !slash))
        return -1;
    if (strcmp(q[0], "projects") == 0)
        n = strlen(q[2]);
    for (size_t i = 0; i < w->nprojects; i++)
        if (n == 2 && memcmp(q[2], proj_name[i], 2) == 0)
            return (int)i;
    return n && !memchr(q[2], '/', n) ? -2 : -1;
}

__attribute__((unused))
static void any_who(struct world *w, struct who *u)
{
    memset(u, 0, sizeof(*u));
    u->kind = roll(w, 6) ? AE_SUBJ_CLAIMS
            : roll(w, 2) ? AE_SUBJ_STRING : AE_SUBJ_NONE;
    u->id = u->kind == AE_SUBJ_NONE ? "" : PICK(w, names);
    if (u->kind == AE_SUBJ_CLAIMS)
        for (u->ng = roll(w, 4); u->ng && !u->g[0];)
            for (size_t i = 0; i < u->ng; i++)
                u->g[i] = PICK(w, names);
}

__attribute__((unused))
static ae_principal *who_principal(const ae_policy *p, const struct who *u)
{
    ae_str            g[4];
    struct ae_subject s = { .kind = u->kind, .id = ae_cs(u->id),
                            .groups = g, .ngroups = u->ng };
    ae_principal     *pr = NULL;

    for (size_t i = 0; i < u->ng; i++)
        g[i] = ae_cs(u->g[i]);
    return ae_principal_new(p, &s, &pr) ? NULL : pr;
}

#endif
