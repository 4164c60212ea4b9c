/*
 * bench_list.c - lists from one full copy: slicing it once, and answering a
 * tenant from the index.
 *
 * list.slice: 5,000 applications of 4 KB, from bytes to index.
 * list.tenant.5000: 25 of them for one caller, the query bound, the rights
 * decided by the compiled policy, the answer in the caller's memory.
 */
#include "bench.h"
#include "mirror/mirror.h"
#include "policy/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { APPS = 5000, PER_PROJECT = 25, ITEM = 4096, ROUNDS = 31 };

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
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

struct text { char *p; size_t n, room; };

__attribute__((format(printf, 2, 3)))
static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(t->p + t->n, t->room - t->n, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= t->room - t->n)
        abort();
    t->n += (size_t)n;
}

static struct text text_new(size_t room)
{
    struct text t = { malloc(room), 0, room };

    if (!t.p)
        abort();
    return t;
}

/* As Argo CD writes them: status makes up the most, with resources and
 * history. */
static ae_str make_body(void)
{
    struct text t = text_new((size_t)APPS * (ITEM + 600) + 64);

    add(&t, "{\"metadata\":{\"resourceVersion\":\"53\"}\n,"
                 "\"items\":[");
    for (int i = 0; i < APPS; i++) {
        size_t from = t.n;

        add(&t, "%s{\"metadata\":{\"name\":\"app-%05d\","
            "\"namespace\":\"argocd\",\"uid\":\"0b1e-%d\",\"labels\":{\"app\":"
            "\"app-%05d\",\"env\":\"%s\"},\"annotations\":{\"note\":\"a "
            "\\\"quoted\\\" text\"}},\"spec\":{\"source\":{\"repoURL\":"
            "\"https://git.example.com/team/%d\",\"path\":\"deploy\","
            "\"targetRevision\":\"HEAD\"},\"destination\":{\"server\":"
            "\"https://kubernetes.default.svc\",\"namespace\":\"prod\"},"
            "\"project\":\"team-%d\",\"syncPolicy\":{\"automated\":{}}},"
            "\"status\":{\"resources\":[", i ? "," : "", i, i, i,
            i % 3 ? "prod" : "dev", i % 400, i % (APPS / PER_PROJECT));
        for (int k = 0; t.n - from < ITEM - 300; k++)
            add(&t, "%s{\"group\":\"apps\",\"version\":\"v1\","
                "\"kind\":\"Deployment\",\"namespace\":\"prod\",\"name\":"
                "\"web-%d\",\"status\":\"Synced\",\"health\":{\"status\":"
                "\"Healthy\"}}", k ? "," : "", k);
        add(&t, "],\"sync\":{\"status\":\"Synced\",\"comparedTo\":{"
            "\"source\":{\"repoURL\":\"\"},\"destination\":{}},\"revision\":"
            "\"%040d\"},\"health\":{\"status\":\"Healthy\"},\"summary\":{}}}"
            "\n", i);
    }
    add(&t, "]}");
    return ae_s(t.p, t.n);
}

/* 200 teams with roles and groups, as an installation of that size has. */
static ae_policy *make_policy(void)
{
    struct text         t = text_new(200 * 256);
    struct ae_text      part = { .line = 1 };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1 };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac,
                               .ns = AE_STR("argocd") };
    ae_policy          *out = NULL;

    for (int i = 0; i < 200; i++)
        add(&t, "p, role:t%d, applications, get, team-%d/*, allow\n"
                     "p, role:t%d, applications, sync, team-%d/*, allow\n"
                     "g, org:team-%d, role:t%d\n", i, i, i, i, i, i);
    part.text = ae_s(t.p, t.n);
    if (ae_policy_new(&in, &out, NULL))
        abort();
    free(t.p);
    return out;
}

static int may(void *ctx, ae_str object)
{
    struct ae_decision d;

    ae_decide(ctx, AE_STR("applications"), AE_STR("get"), object, &d);
    return d.verdict == AE_ALLOW ? 1 : d.verdict == AE_DENY ? 0 : -1;
}

static int may_project(void *ctx, ae_str project)
{
    enum ae_verdict v = ae_decide_in_project(ctx, AE_STR("applications"),
                                             AE_STR("get"), project);

    return v == AE_ALLOW ? 1 : v == AE_DENY ? 0 : -1;
}

static double slice(ae_str body)
{
    ae_heap        heap = { NULL, 0 };
    ae_arena       a;
    struct ae_list l;
    double         t = now_us();

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (ae_list_new(AE_LIST_APPLICATIONS, body, AE_STR("argocd"), &a, &l)
        || l.nrow != APPS)
        abort();
    t = now_us() - t;
    ae_heap_free(&heap);
    return t;
}

static double tenant(const struct ae_list *l, ae_principal *pr)
{
    ae_heap               heap = { NULL, 0 };
    ae_arena              a;
    struct ae_list_query  q;
    struct ae_list_answer out;
    struct ae_list_rights r = { may, may_project, pr, { NULL, 0 } };
    struct ae_list_ask    ask = { .list = l, .query = &q, .rights = &r };
    double                t = now_us();

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (ae_list_bind(AE_LIST_APPLICATIONS, AE_STR(""), &a, &q)
        || ae_list_answer(&ask, &a, &out) || out.shown != PER_PROJECT)
        abort();
    t = now_us() - t;
    ae_heap_free(&heap);
    return t;
}

void bench_list(int quick, bench_emit emit)
{
    ae_str            body = make_body(), group = AE_STR("org:team-7");
    ae_policy        *p = make_policy();
    struct ae_subject who = { .kind = AE_SUBJ_CLAIMS, .id = AE_STR("tess"),
                              .groups = &group, .ngroups = 1 };
    double            s[ROUNDS], t[ROUNDS];
    ae_heap           heap = { NULL, 0 };
    ae_arena          a;
    ae_principal     *pr;
    struct ae_list    l;
    int               rounds = quick ? 5 : ROUNDS;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (ae_principal_new(p, &who, &pr)
        || ae_list_new(AE_LIST_APPLICATIONS, body, AE_STR("argocd"), &a, &l))
        abort();
    for (int i = 0; i < rounds; i++) {
        s[i] = slice(body);
        t[i] = tenant(&l, pr);
    }
    emit("list.slice", (double)body.n / median(s, rounds), "MB/s");
    emit("list.tenant.5000", median(t, rounds), "us");
    ae_principal_free(pr);
    ae_policy_free(p);
    ae_heap_free(&heap);
    free((void *)(uintptr_t)body.p);
}
