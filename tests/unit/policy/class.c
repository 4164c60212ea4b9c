/*
 * class.c - random policies and callers: equal classes only for those who are
 * told the same whatever they ask, by a plain reading of the rules; and each
 * part of the class is needed for that.  An argument asks for more policies.
 */
#include "twins.h"

#ifdef __SANITIZE_ADDRESS__
enum { ROUNDS_NOW = 250 };      /* memory errors need no statistics */
#else
enum { ROUNDS_NOW = 1100 };
#endif
enum { ROUNDS = 1100, PAIRS = 4, QUESTIONS = 16, SEED = 31000 };

/* The first question that the two are told different answers to, or -1. */
static int differ(struct world *w, struct world *v, const struct who *x,
                  const struct who *y)
{
    for (int i = 0; i < QUESTIONS; i++) {
        const char *q[3] = { PICK(w, resources), PICK(w, actions),
                             PICK(w, objects) };
        int a = project_of(w, q), b = project_of(v, q);

        if (full_rule(w, x, a < 0 ? -1 : a, q)
            != full_rule(v, y, b < 0 ? -1 : b, q))
            return i;
    }
    return -1;
}

static const unsigned parts[] = {
    0, AE_CLASS_LESS_RESOURCE, AE_CLASS_LESS_ACTION, AE_CLASS_LESS_OBJECT,
    AE_CLASS_LESS_EFFECT, AE_CLASS_LESS_USER, AE_CLASS_LESS_GROUPS,
    AE_CLASS_LESS_PROJECTS
};
enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static struct { unsigned equal, some, wrong, unknown, apart; } n[PARTS];
static unsigned twins, twins_equal;

static bool same_class(ae_principal *p, ae_principal *q, unsigned less,
                       bool *known)
{
    unsigned char a[32], b[32];

    *known = ae_principal_class_less(p, less, a)
          && ae_principal_class_less(q, less, b);
    return *known && memcmp(a, b, 32) == 0;
}

/* Rights worth the name: something is allowed. */
static bool may_some(struct world *w, const struct who *u)
{
    const struct who none = { .kind = AE_SUBJ_NONE, .id = "" };

    return differ(w, w, u, &none) >= 0;
}

static void compare(struct world *w, const ae_policy *p, const struct who *x,
                    struct world *v, const ae_policy *q, const struct who *y,
                    uint64_t seed)
{
    ae_principal *a = who_principal(p, x), *b = who_principal(q, y);
    int           told = 0;     /* 1 the same, -1 not; worked out once */

    for (size_t i = 0; a && b && i < PARTS; i++) {
        bool known, same = same_class(a, b, parts[i], &known);

        if (same && !told)
            told = differ(w, v, x, y) < 0 ? 1 : -1;
        if (!known) {
            n[i].unknown++;
        } else if (!same) {
            n[i].apart++;
        } else if (told < 0) {
            n[i].wrong++;
            if (i == 0)
                printf("# seed %llu: %s and %s\n", (unsigned long long)seed,
                       x->id, y->id);
        } else {
            n[i].equal++;
            n[i].some += i == 0 && may_some(w, x);
        }
    }
    ae_principal_free(a);
    ae_principal_free(b);
}

static void count_twins(const ae_policy *p, const struct who *x,
                        const struct who *y)
{
    ae_principal *a = who_principal(p, x), *b = who_principal(p, y);
    bool          known, same = same_class(a, b, 0, &known);

    twins += known;
    twins_equal += same;
    ae_principal_free(a);
    ae_principal_free(b);
}

/* Caller |y| is |x| under another name, or anybody. */
static void pair(struct world *w, bool named, struct who *x, struct who *y)
{
    any_who(w, x);
    any_who(w, y);
    if (!named)
        return;
    x->kind = AE_SUBJ_CLAIMS;
    x->id = "alice";
    for (size_t i = 0; i < x->ng; i++)
        if (strcmp(x->g[i], "bob") == 0 || strcmp(x->g[i], "alice") == 0)
            x->g[i] = "team-a";
    *y = *x;
    y->id = "bob";
}

static void one_world(uint64_t seed)
{
    static struct world w, v;
    ae_policy          *p, *q;

    make_world(&w, seed);
    make_twins(&w);
    p = world_policy(&w);
    v = w;
    change_one(&v);
    q = world_policy(&v);
    for (int i = 0; p && q && i < PAIRS; i++) {
        struct who x, y;

        pair(&w, i < 2, &x, &y);
        compare(&w, p, &x, &w, p, &y, seed);
        compare(&w, p, &x, &v, q, &x, seed);
        if (i < 2)
            count_twins(p, &x, &y);
    }
    ae_policy_free(p);
    ae_policy_free(q);
}

/* ---- by hand ---- */

static bool class_of(const char *csv, enum ae_match_mode mode, bool partial,
                     const char *id, unsigned char out[32])
{
    struct ae_text      part = { .line = 1, .text = ae_cs(csv) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1, .mode = mode };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac,
                               .ns = AE_STR("argocd"),
                               .projects_partial = partial };
    struct ae_subject   s = { .kind = AE_SUBJ_CLAIMS, .id = ae_cs(id) };
    ae_policy          *p = NULL;
    ae_principal       *pr = NULL;
    struct ae_err       err = { 0 };
    bool                ok = !ae_policy_new(&in, &p, &err)
                          && !ae_principal_new(p, &s, &pr)
                          && ae_principal_class(pr, out);

    ae_principal_free(pr);
    ae_policy_free(p);
    return ok;
}

static bool same(const char *x, const char *a, const char *y, const char *b)
{
    unsigned char c[32], d[32];

    return class_of(x, AE_MATCH_GLOB, false, a, c)
        && class_of(y, AE_MATCH_GLOB, false, b, d) && !memcmp(c, d, 32);
}

static void by_hand(void)
{
    static const char p1[] =
        "p, a, applications, get, x/*, allow\n"
        "p, a, applications, get, x/y, deny\n"
        "p, b, applications, get, x/y, deny\n"
        "p, b, applications, get, x/*, allow\n"
        "p, b, applications, get, x/*, allow\n"
        "p, c, applications, get, x/*, allow\n"
        "g, d, role:r\np, role:r, applications, get, x/*, allow\n"
        "g, e, role:readonly\n";
    unsigned char c[32];
    static char   many[800000];
    size_t        at = 0;

    tap_ok(same(p1, "a", p1, "b"), "order and repeats make no difference");
    tap_ok(!same(p1, "a", p1, "c"), "a deny does");
    tap_ok(same(p1, "c", p1, "d"), "by a role or by oneself is the same");
    tap_ok(!same(p1, "c", p1, "e") && !same(p1, "e", p1, "nobody"),
           "the built-in roles count");
    tap_ok(same(p1, "e", "g, z, role:readonly\n", "z"),
           "what others may is no part of it");
    tap_ok(!same("p, a, b, cd, e, allow\n", "a",
                 "p, a, bc, d, e, allow\n", "a"), "texts are framed");
    tap_ok(!class_of(p1, AE_MATCH_GLOB, true, "a", c),
           "none while projects may exist that we lack");
    tap_ok(class_of("p, a, .*, get, x{1000}, allow\n", AE_MATCH_REGEX, false,
                    "a", c), "a regex is fine");
    for (int i = 0; i < 16400; i++)
        at += (size_t)snprintf(many + at, sizeof(many) - at,
                               "p, a, applications, get, x%d/*, allow\n", i);
    tap_ok(!class_of(many, AE_MATCH_GLOB, false, "a", c)
           && class_of(many, AE_MATCH_GLOB, false, "b", c),
           "nor for more lines than are looked at");
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : ROUNDS_NOW;

    printf("# seeds %d to %u\n", SEED, SEED + rounds - 1);
    for (uint64_t seed = SEED; seed < SEED + rounds; seed++)
        one_world(seed);
    tap_ok(n[0].wrong == 0, "equal classes are told the same");
    tap_ok(n[0].equal > 2 * rounds && n[0].some > rounds / 3
           && n[0].apart > rounds && n[0].unknown > rounds / 2,
           "(%u pairs equal, %u of them with rights; %u apart, %u unknown)",
           n[0].equal, n[0].some, n[0].apart, n[0].unknown);
    tap_ok(twins_equal * 10 > twins * 9, "rights that are written alike give"
           " one class (%u of %u)", twins_equal, twins);
    for (size_t i = 1; i < PARTS && rounds >= ROUNDS; i++)
        tap_ok(n[i].wrong > 0, "without part %u: %u leaks", parts[i],
               n[i].wrong);
    by_hand();
    return tap_done();
}
