/*
 * bench_policy.c - what a decision, a new principal and a compilation cost,
 * and that none of the first two grows with the policy.
 *
 * Half of N lines grant roles rights in a project (1 in 20 denies), half put
 * a team into a role.  Rounds of all sizes are interleaved, so that a slow
 * moment of the machine hits each alike; medians are reported.
 */
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void bench_policy(int quick, void (*emit)(const char *name, double value,
                                          const char *unit));

enum { NSIZES = 4, MAX_ROUNDS = 41, CALLERS = 8 };
static const unsigned sizes[NSIZES] = { 10, 100, 1000, 10000 };

struct caller {
    ae_principal *pr;
    ae_str        res[4], act[4], obj[4];
};

struct bench {
    unsigned   n, roles;
    char      *text;
    ae_policy *p;
    struct caller c[CALLERS];
    double     warm[MAX_ROUNDS], cold[MAX_ROUNDS], compile[MAX_ROUNDS];
    uint64_t   allowed, asked;
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int cmp_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof(*v), cmp_double);
    return v[n / 2];
}

static void make_text(struct bench *b)
{
    char  *p;

    b->roles = b->n / 2;
    p = b->text = malloc((size_t)b->n * 96 + 1);
    if (!p)
        abort();
    for (unsigned i = 0; i < b->roles; i++)
        p += snprintf(p, 96,
                      "p, role:r%u, applications, %s, proj-%u/*, %s\n", i,
                      i % 2 ? "sync" : "get", i,
                      i % 20 == 19 ? "deny" : "allow");
    for (unsigned i = 0; i < b->n - b->roles; i++)
        p += snprintf(p, 96, "g, team-%u, role:r%u\n", i, i);
}

static ae_policy *compile(const struct bench *b)
{
    struct ae_text      part = { .line = 1, .text = ae_cs(b->text) };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1 };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac,
                               .ns = AE_STR("argocd") };
    ae_policy          *p = NULL;
    struct ae_err       e = { 0 };

    if (ae_policy_new(&in, &p, &e)) {
        fprintf(stderr, "bench policy does not load: %s\n", e.text);
        abort();
    }
    return p;
}

static ae_principal *principal(const struct bench *b, unsigned i, unsigned k)
{
    char              id[32], group[32];
    ae_str            g;
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS };
    ae_principal     *pr = NULL;

    snprintf(id, sizeof(id), "user-%u", k);
    snprintf(group, sizeof(group), "team-%u", i);
    g = ae_cs(group);
    s.id = ae_cs(id);
    s.groups = &g;
    s.ngroups = 1;
    if (ae_principal_new(b->p, &s, &pr))
        abort();
    return pr;
}

/* Half of the questions hit the caller's own project, half another. */
static void make_callers(struct bench *b, ae_arena *a)
{
    for (unsigned c = 0; c < CALLERS; c++) {
        unsigned i = (unsigned)((uint64_t)c * (b->roles - 1) / CALLERS);

        i -= i % 20 == 19;
        b->c[c].pr = principal(b, i, c);
        for (unsigned q = 0; q < 4; q++) {
            b->c[c].res[q] = AE_STR("applications");
            b->c[c].act[q] = i % 2 ? AE_STR("sync") : AE_STR("get");
            b->c[c].obj[q] = ae_fmt(a, "proj-%u/app-%u",
                                    q % 2 ? i + 1 : i, q);
        }
    }
}

static double warm_round(struct bench *b, unsigned asks)
{
    struct ae_decision d;
    double             t;
    uint64_t           yes = 0;

    t = now_ns();
    for (unsigned i = 0; i < asks; i++) {
        struct caller *c = &b->c[(i >> 2) % CALLERS];

        ae_decide(c->pr, c->res[i & 3], c->act[i & 3], c->obj[i & 3], &d);
        yes += d.verdict == AE_ALLOW;
    }
    t = now_ns() - t;
    b->allowed += yes;
    b->asked += asks;
    return t / asks;
}

static double cold_round(struct bench *b, unsigned asks)
{
    struct ae_decision d;
    double             t = now_ns();

    for (unsigned i = 0; i < asks; i++) {
        struct caller *c = &b->c[i % CALLERS];
        ae_principal  *pr = principal(b, i % b->roles, i + CALLERS);

        ae_decide(pr, c->res[0], c->act[0], c->obj[0], &d);
        ae_principal_free(pr);
    }
    return (now_ns() - t) / asks;
}

static double compile_round(const struct bench *b)
{
    double     t = now_ns();
    ae_policy *p = compile(b);

    t = now_ns() - t;
    ae_policy_free(p);
    return t / 1e3;
}

static void run_rounds(struct bench *b, int rounds, unsigned asks)
{
    for (int r = -1; r < rounds; r++) /* round -1 only warms */
        for (int i = 0; i < NSIZES; i++) {
            int at = r < 0 ? 0 : r;

            b[i].warm[at] = warm_round(&b[i], asks);
            b[i].cold[at] = cold_round(&b[i], asks / 50 + 1);
            b[i].compile[at] = compile_round(&b[i]);
        }
}

static void report(struct bench *b, int rounds,
                   void (*emit)(const char *, double, const char *))
{
    char name[64];

    for (int i = 0; i < NSIZES; i++) {
        snprintf(name, sizeof(name), "decide.warm.%u", b[i].n);
        emit(name, median(b[i].warm, rounds), "ns");
    }
    for (int i = 0; i < NSIZES; i++) {
        snprintf(name, sizeof(name), "decide.cold.%u", b[i].n);
        emit(name, median(b[i].cold, rounds), "ns");
    }
    for (int i = 0; i < NSIZES; i++) {
        snprintf(name, sizeof(name), "compile.%u", b[i].n);
        emit(name, median(b[i].compile, rounds), "us");
    }
    for (int i = 0; i < NSIZES; i++) {
        snprintf(name, sizeof(name), "policy.bytes.%u", b[i].n);
        emit(name, (double)ae_policy_bytes(b[i].p), "B");
    }
}

void bench_policy(int quick, void (*emit)(const char *name, double value,
                                          const char *unit))
{
    struct bench *b = calloc(NSIZES, sizeof(*b));
    int           rounds = quick ? 7 : MAX_ROUNDS;
    ae_heap       heap = { 0 };
    ae_arena      a;

    if (!b)
        abort();
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    for (int i = 0; i < NSIZES; i++) {
        b[i].n = sizes[i];
        make_text(&b[i]);
        b[i].p = compile(&b[i]);
        make_callers(&b[i], &a);
    }
    run_rounds(b, rounds, quick ? 20000 : 100000);
    report(b, rounds, emit);
    for (int i = 0; i < NSIZES; i++) {
        /* the questions must be what they claim: half of them yes */
        if (b[i].allowed * 2 != b[i].asked)
            fprintf(stderr, "bench: %llu of %llu allowed\n",
                    (unsigned long long)b[i].allowed,
                    (unsigned long long)b[i].asked);
        for (unsigned c = 0; c < CALLERS; c++)
            ae_principal_free(b[i].c[c].pr);
        ae_policy_free(b[i].p);
        free(b[i].text);
    }
    ae_heap_free(&heap);
    free(b);
}
