/* util.h - one target through ae_route, for the tests of this folder. */
#ifndef AE_TEST_ROUTE_UTIL_H
#define AE_TEST_ROUTE_UTIL_H

#include "route/route.h"
#include "tap.h"

static ae_heap              u_heap;
static ae_arena             u_arena;
static struct ae_route_conf u_conf;

__attribute__((unused))
static void u_begin(void)
{
    u_heap.first = NULL;
    u_heap.bytes = 0;
    ae_arena_init(&u_arena, ae_heap_mem(&u_heap), NULL, 0);
    memset(&u_conf, 0, sizeof u_conf);
    u_conf.ns = AE_STR("argocd");
}

__attribute__((unused))
static void u_end(void)
{
    ae_heap_free(&u_heap);
}

__attribute__((unused))
static struct ae_target u_route(const char *method, const char *target,
                                const char *ctype)
{
    struct ae_route_in in = { ae_cs(method), ae_cs(target), ae_cs(ctype),
                              false, false };
    struct ae_target   t;

    if (ae_route(&u_conf, &in, &u_arena, &t) != AE_OK)
        memset(&t, 0xff, sizeof t);
    return t;
}

__attribute__((unused))
static struct ae_target u_get(const char *target)
{
    return u_route("GET", target, NULL);
}

/* Kind and status in one number: 400, 404 and so on, or 1 = OP, 2 = UNKNOWN,
 * 3 = GRPC. */
__attribute__((unused))
static int u_verdict(const struct ae_target *t)
{
    switch (t->kind) {
    case AE_TGT_OP:      return 1;
    case AE_TGT_UNKNOWN: return 2;
    case AE_TGT_GRPC:    return 3;
    default:             return t->status;
    }
}

__attribute__((unused))
static int u_is(const char *method, const char *target, const char *ctype)
{
    struct ae_target t = u_route(method, target, ctype);

    return u_verdict(&t);
}

__attribute__((unused))
static int u_param(const struct ae_target *t, const char *name,
                   const char *want)
{
    return ae_eq(ae_target_get(t, name), ae_cs(want));
}

#endif
