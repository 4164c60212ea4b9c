/* sample.h - a small full list and its caller, for the tests of lib/mirror. */
#ifndef MIRROR_SAMPLE_H
#define MIRROR_SAMPLE_H

#include "mirror/mirror.h"
#include "tap.h"

struct pool { ae_heap heap; ae_arena a; };

static inline ae_arena *pool_new(struct pool *p)
{
    memset(p, 0, sizeof(*p));
    ae_arena_init(&p->a, ae_heap_mem(&p->heap), NULL, 0);
    return &p->a;
}

static inline void pool_free(struct pool *p)
{
    ae_heap_free(&p->heap);
}

#define APP(name, ns, project, labels, sync) \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\"," \
    "\"labels\":{" labels "}},\"spec\":{\"source\":{\"repoURL\":\"https:" \
    "//git/" name "\"},\"project\":\"" project "\"},\"status\":{\"sync\":{" \
    "\"status\":\"" sync "\"},\"health\":{\"status\":\"Healthy\"}}}"

#define ALPHA APP("alpha", "argocd", "red", "\"env\":\"dev\",\"n\":\"5\"", \
                  "Synced")
#define BETA APP("beta", "argocd", "blue", "\"env\":\"prod\"", "OutOfSync")
#define TIE_A APP("tie", "apps-a", "red", "\"env\":\"dev\"", "Synced")
#define TIE_B APP("tie", "apps-b", "blue", "", "Synced")
#define ZETA APP("zeta", "argocd", "", "\"q\":\"a\\u003cb\\\"\"", "Unknown")

/* Ties stand the wrong way round, as they may. */
static const char sample[] = "{\"metadata\":{\"resourceVersion\":\"7\"}\n,"
    "\"items\":[" ALPHA "\n," BETA "\n," TIE_B "\n," TIE_A "\n," ZETA "\n]}";

/* Rights of the sample's caller: the project red, and default/zeta. */
static inline int red_may(void *ctx, ae_str object)
{
    (void)ctx;
    return ae_starts(object, AE_STR("red/"))
        || ae_eq_lit(object, "default/zeta");
}

static inline int red_project(void *ctx, ae_str project)
{
    (void)ctx;
    return ae_eq_lit(project, "red") ? 1 : ae_eq_lit(project, "default") ? -1
                                                                         : 0;
}

static inline int all_may(void *ctx, ae_str object)
{
    (void)ctx;
    (void)object;
    return 1;
}

static const struct ae_list_rights red = { red_may, red_project, NULL,
                                           { NULL, 0 } };
static const struct ae_list_rights all = { all_may, NULL, NULL,
                                           { NULL, 0 } };

/* Ask |l| with |query| in |a|; AE_OK or an error. */
static inline int ask(ae_arena *a, const struct ae_list *l, const char *query,
                      const struct ae_list_rights *r, bool paged,
                      struct ae_list_answer *out)
{
    struct ae_list_page  page;
    struct ae_list_query q;
    struct ae_list_ask   k = { .list = l, .query = &q, .rights = r };
    ae_str               rest, error;
    bool                 any = false;
    int                  rc = AE_OK;

    memset(out, 0, sizeof(*out));
    rest = ae_cs(query);
    if (paged)
        rc = ae_page_bind(a, ae_cs(query), &rest, &any, &page, &error);
    if (rc == AE_OK)
        rc = ae_list_bind(l->kind, rest, a, &q);
    if (any)
        k.page = &page;
    return rc == AE_OK ? ae_list_answer(&k, a, out) : rc;
}

#endif
