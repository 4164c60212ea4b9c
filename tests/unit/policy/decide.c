/* decide.c - the indexed decision against a plain walk over the lines, what a
 * decision names, and that running out of memory never decides. */
#include "naive.h"

#include "policy/internal.h"

static struct ae_decision ask(ae_principal *pr, const char *r, const char *a,
                              const char *o)
{
    struct ae_decision d;

    ae_decide(pr, ae_cs(r), ae_cs(a), ae_cs(o), &d);
    return d;
}

static void show(const struct world *w, const struct who *u,
                 const char *const q[3])
{
    printf("# mode %d partial %d default \"%s\"\n", w->regex, w->partial,
           w->def);
    for (size_t i = 0; i < w->nbase; i++)
        printf("# %c %s %s %s %s %s\n", w->base[i].key, w->base[i].f[0],
               w->base[i].f[1], w->base[i].f[2], w->base[i].f[3],
               w->base[i].f[4]);
    for (size_t i = 0; i < w->nprojects; i++)
        for (size_t j = 0; j < w->nproj[i]; j++)
            printf("# p%zu: %s\n", i, w->ptext[i][j]);
    printf("# %d \"%s\" + %zu groups asks %s %s %s\n", u->kind, u->id, u->ng,
           q[0], q[1], q[2]);
}

/* A project that we do not know may be absent or hold anything: only what the
 * rules below allow is certain. */
static bool agrees(const struct world *w, const struct who *u,
                   const char *const q[3], enum ae_verdict v)
{
    int proj = project_of(w, q);

    if (proj == -2 && w->partial && u->kind == AE_SUBJ_CLAIMS)
        return v == AE_UNKNOWN
            || (v == AE_ALLOW) == full_rule(w, u, -1, q);
    return v == (full_rule(w, u, proj < 0 ? -1 : proj, q) ? AE_ALLOW
                                                          : AE_DENY);
}

static void differential(void)
{
    unsigned bad = 0, allow = 0, total = 0;

    for (uint64_t seed = 1; seed <= 300 && bad < 3; seed++) {
        static struct world w;
        ae_policy          *p;

        make_world(&w, seed);
        p = world_policy(&w);
        if (!p) {
            bad++;
            break;
        }
        for (int i = 0; i < 3; i++) {
            struct who    u;
            ae_principal *pr;

            any_who(&w, &u);
            pr = who_principal(p, &u);
            for (int j = 0; j < 12; j++) {
                const char *q[3] = { PICK(&w, resources), PICK(&w, actions),
                                     PICK(&w, objects) };
                enum ae_verdict v = ask(pr, q[0], q[1], q[2]).verdict;

                total++;
                allow += v == AE_ALLOW;
                if (!agrees(&w, &u, q, v) && bad++ < 3) {
                    show(&w, &u, q);
                    printf("# seed %llu got %d\n", (unsigned long long)seed,
                           v);
                }
            }
            ae_principal_free(pr);
        }
        ae_policy_free(p);
    }
    tap_ok(bad == 0, "%u random questions answered as a plain walk does",
           total);
    tap_ok(allow > total / 20 && allow < total - total / 20,
           "and not all alike (%u allowed)", allow);
}

static ae_policy *load(const char *text, const char *def, bool regex)
{
    struct ae_text      part = { .file = AE_STR("/etc/p.csv"), .line = 10,
                                 .text = ae_cs(text) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1,
                                 .default_role = ae_cs(def),
                                 .mode = regex ? AE_MATCH_REGEX
                                               : AE_MATCH_GLOB };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac };
    ae_policy          *p = NULL;

    ae_policy_new(&in, &p, NULL);
    return p;
}

static const char many[] =
    "p, role:a, applications, get, p1/*, allow\n"
    "p, role:a, applications, get, p1/secret, deny\n"
    "# nothing\n"
    "p, team, applications, sync, p1/*, allow\n"
    "g, bob, role:a\n"
    "g, team, role:b\n";

static void names_its_rule(void)
{
    ae_policy         *p = load(many, "role:readonly", false);
    struct who         u = { AE_SUBJ_CLAIMS, "bob", { "team", "x" }, 2 };
    ae_principal      *pr = who_principal(p, &u);
    struct ae_decision d = ask(pr, "applications", "sync", "p1/a");

    tap_ok(d.verdict == AE_ALLOW && d.why == AE_WHY_RULE
           && d.rule_line == 13 && ae_eq_lit(d.rule_file, "/etc/p.csv")
           && ae_eq_lit(d.subject, "team")
           && ae_eq_lit(d.rule_text,
                        "p, team, applications, sync, p1/*, allow"),
           "an allow names file, line, text and subject");
    d = ask(pr, "applications", "get", "p1/secret");
    tap_ok(d.verdict == AE_ALLOW && d.why == AE_WHY_DEFAULT_ROLE
           && ae_eq_lit(d.rule_file, "builtin"),
           "the default role is asked first (R4)");
    ae_principal_free(pr);
    ae_policy_free(p);

    p = load(many, "", false);
    pr = who_principal(p, &u);
    d = ask(pr, "applications", "get", "p1/secret");
    tap_ok(d.verdict == AE_DENY && d.why == AE_WHY_RULE && d.rule_line == 11
           && ae_eq_lit(d.subject, "bob"), "a deny names its line");
    d = ask(pr, "applications", "create", "p1/a");
    tap_ok(d.verdict == AE_DENY && d.why == AE_WHY_NO_RULE
           && !d.rule_file.p && ae_eq_lit(d.subject, "bob"),
           "no rule, no place");
    ae_principal_free(pr);
    ae_policy_free(p);

    p = load("g, bob, role:admin\n", "", true);
    pr = who_principal(p, &u);
    d = ask(pr, "applications", "get", "p1/a");
    tap_ok(d.verdict == AE_DENY && d.why == AE_WHY_ERROR
           && ae_eq_lit(d.rule_file, "builtin"),
           "regex mode: the built-in stars raise (M2)");
    ae_principal_free(pr);
    ae_policy_free(p);
}

static void out_of_memory(void)
{
    ae_policy        *p = load(many, "role:readonly", false);
    ae_str            g[2] = { AE_STR("team"), AE_STR("x") };
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("bob"),
                            .groups = g, .ngroups = 2 };
    unsigned          wrong = 0, open = 0, made = 0;

    for (size_t limit = 16; limit < 12000; limit += 16) {
        ae_principal      *pr;
        struct ae_decision d;

        if (ae_principal_make(p, &s, limit, &pr))
            continue;
        made++;
        for (int i = 0; i < 2; i++) {
            d = ask(pr, "applications", "sync", "p1/a");
            wrong += d.verdict == AE_DENY;
            d = ask(pr, "applications", "create", "p1/a");
            open += d.verdict == AE_UNKNOWN;
            wrong += d.verdict == AE_ALLOW;
        }
        ae_principal_free(pr);
    }
    tap_ok(made > 100 && wrong == 0 && open > 0,
           "an exhausted arena gives unknown (%u times), never an answer",
           open);
    ae_policy_free(p);
}

/* Many distinct actions must not grow the principal without bound. */
static void bounded(void)
{
    ae_policy    *p = load(many, "", false);
    struct who    u = { AE_SUBJ_CLAIMS, "bob", { "team" }, 1 };
    ae_principal *pr = who_principal(p, &u);
    unsigned      wrong = 0;

    for (unsigned i = 0; i < 5000; i++) {
        char act[40];

        snprintf(act, sizeof(act), "action/x/%u", i);
        wrong += ask(pr, "applications", act, "p1/a").verdict != AE_DENY;
        wrong += ask(pr, "applications", "sync", "p1/a").verdict != AE_ALLOW;
    }
    tap_ok(wrong == 0 && pr->nra <= AE_RA_MAX
           && pr->cache.used <= 2 * (size_t)AE_CACHE_MAX,
           "5,000 actions: still right and bounded");
    ae_principal_free(pr);
    ae_policy_free(p);
}

int main(void)
{
    differential();
    names_its_rule();
    out_of_memory();
    bounded();
    return tap_done();
}
