/* anyproject.c - one answer for all projects holds for each of them. */
#include "naive.h"

static const char *const projects[] = { "p0", "p1", "p2", "px", "p9", "a",
                                        "default", "p0/ns", "q1/p1" };
enum { NPROJECTS = sizeof(projects) / sizeof(projects[0]) };

static enum ae_verdict concrete(const struct world *w, const struct who *u,
                                const char *const q[3])
{
    int proj = project_of(w, q);

    if (proj == -2 && w->partial && u->kind == AE_SUBJ_CLAIMS)
        return AE_UNKNOWN;
    return full_rule(w, u, proj < 0 ? -1 : proj, q) ? AE_ALLOW : AE_DENY;
}

static bool holds(const struct world *w, const struct who *u, const char *res,
                  const char *act, const char *suffix, enum ae_verdict v)
{
    for (int i = 0; i < NPROJECTS; i++) {
        char            obj[64];
        const char     *q[3] = { res, act, obj };
        enum ae_verdict c;

        snprintf(obj, sizeof(obj), "%s/%s", projects[i], suffix);
        c = concrete(w, u, q);
        if (c != AE_UNKNOWN && c != v)
            return false;
    }
    return true;
}

static void soundness(void)
{
    unsigned bad = 0, firm[3] = { 0 }, covered = 0;

    for (uint64_t seed = 5000; seed < 5150; seed++) {
        static struct world w;
        ae_policy          *p;

        make_world(&w, seed);
        p = world_policy(&w);
        for (int i = 0; p && i < 3; i++) {
            struct who    u;
            ae_principal *pr;

            any_who(&w, &u);
            pr = who_principal(p, &u);
            for (int j = 0; j < 6; j++) {
                const char *res = PICK(&w, resources);
                const char *act = PICK(&w, actions);
                const char *suf = roll(&w, 2) ? "web" : "ns/web";
                struct ae_decision d;
                bool        all;

                ae_decide_any_project(pr, ae_cs(res), ae_cs(act), ae_cs(suf),
                                      false, &d);
                firm[d.verdict]++;
                bad += d.verdict != AE_UNKNOWN
                    && !holds(&w, &u, res, act, suf, d.verdict);
                all = ae_principal_covers_all(pr, ae_cs(res), ae_cs(act));
                covered += all;
                bad += all && (!holds(&w, &u, res, act, "web", AE_ALLOW)
                               || !holds(&w, &u, res, act, "n/s", AE_ALLOW));
            }
            ae_principal_free(pr);
        }
        ae_policy_free(p);
    }
    tap_ok(bad == 0, "a firm answer holds for every project");
    tap_ok(firm[AE_DENY] > 100 && firm[AE_ALLOW] > 20 && covered > 20,
           "and there are firm answers (%u no, %u yes, %u all)",
           firm[AE_DENY], firm[AE_ALLOW], covered);
}

/* One answer for a whole project is the answer for each object in it. */
static void in_project(void)
{
    static const char *const tails[] = { "web", "ns/web", "", "a", "x/y/z",
                                         "p1/web", "we", "webs" };
    unsigned bad = 0, firm[3] = { 0 };

    for (uint64_t seed = 7000; seed < 7200; seed++) {
        static struct world w;
        ae_policy          *p;

        make_world(&w, seed);
        p = world_policy(&w);
        for (int i = 0; p && i < 3; i++) {
            struct who    u;
            ae_principal *pr;

            any_who(&w, &u);
            pr = who_principal(p, &u);
            for (int j = 0; j < NPROJECTS; j++) {
                const char *res = PICK(&w, resources);
                const char *act = PICK(&w, actions);
                enum ae_verdict v = ae_decide_in_project(
                    pr, ae_cs(res), ae_cs(act), ae_cs(projects[j]));

                firm[v]++;
                for (size_t k = 0; v != AE_UNKNOWN
                     && k < sizeof(tails) / sizeof(tails[0]); k++) {
                    struct ae_decision d;
                    char               obj[64];

                    snprintf(obj, sizeof(obj), "%s/%s", projects[j],
                             tails[k]);
                    ae_decide(pr, ae_cs(res), ae_cs(act), ae_cs(obj), &d);
                    bad += d.verdict != v;
                }
            }
            ae_principal_free(pr);
        }
        ae_policy_free(p);
    }
    tap_ok(bad == 0, "a project's answer is that of each of its objects");
    tap_ok(firm[AE_DENY] > 500 && firm[AE_ALLOW] > 50 && firm[AE_UNKNOWN] > 50,
           "and there are all three (%u no, %u yes, %u open)", firm[AE_DENY],
           firm[AE_ALLOW], firm[AE_UNKNOWN]);
}

static ae_policy *load(const char *text, bool partial,
                       const struct ae_project *projs, size_t n)
{
    struct ae_text      part = { .line = 1, .text = ae_cs(text) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1 };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac,
                               .projects = projs, .nprojects = n,
                               .projects_partial = partial };
    ae_policy          *p = NULL;

    ae_policy_new(&in, &p, NULL);
    return p;
}

static enum ae_verdict any(const ae_policy *p, const char *id,
                           const char *group, bool bare)
{
    struct who         u = { AE_SUBJ_CLAIMS, id, { group }, group ? 1u : 0 };
    ae_principal      *pr = who_principal(p, &u);
    struct ae_decision d;

    ae_decide_any_project(pr, AE_STR("applications"), AE_STR("get"),
                          AE_STR("web"), bare, &d);
    ae_principal_free(pr);
    return d.verdict;
}

static bool all(const ae_policy *p, const char *id, const char *res)
{
    struct who    u = { AE_SUBJ_CLAIMS, id, { NULL }, 0 };
    ae_principal *pr = who_principal(p, &u);
    bool          r = ae_principal_covers_all(pr, ae_cs(res), AE_STR("get"));

    ae_principal_free(pr);
    return r;
}

int main(void)
{
    static const ae_str deny[] = {
        { "p, role:admin, applications, get, p/*, deny", 43 } };
    static const ae_str team[] = { { "team", 4 } };
    struct ae_role    role = { .name = AE_STR("r"), .groups = team,
                               .ngroups = 1 };
    struct ae_project proj = { .name = AE_STR("p"), .roles = &role,
                               .nroles = 1 };
    ae_policy        *p;

    soundness();
    in_project();
    p = load("p, dev, applications, get, p/*, allow\n", false, &proj, 1);
    tap_ok(any(p, "admin", NULL, false) == AE_ALLOW, "admins may everywhere");
    tap_ok(any(p, "nobody", NULL, false) == AE_DENY, "a stranger nowhere");
    tap_ok(any(p, "nobody", NULL, true) == AE_DENY, "nor without a project");
    tap_ok(any(p, "dev", NULL, false) == AE_UNKNOWN, "dev somewhere");
    tap_ok(all(p, "admin", "applications") && all(p, "admin", "clusters")
           && all(p, "admin", "projects"), "admin covers all");
    tap_ok(!all(p, "dev", "applications") && !all(p, "x", "applications"),
           "others do not");
    ae_policy_free(p);

    p = load("", true, &proj, 1);
    tap_ok(any(p, "admin", NULL, false) == AE_UNKNOWN
           && any(p, "nobody", NULL, false) == AE_UNKNOWN
           && !all(p, "admin", "applications"),
           "projects that we cannot see could change both");
    tap_ok(any(p, "proj:p:x", NULL, false) == AE_DENY,
           "but not for the token of a project that we do see (T4)");
    ae_policy_free(p);

    role.policies = deny;
    role.npolicies = 1;
    p = load("", false, &proj, 1);
    tap_ok(any(p, "admin", NULL, false) == AE_UNKNOWN
           && !all(p, "admin", "applications"),
           "one project's deny is one exception");
    ae_policy_free(p);
    return tap_done();
}
