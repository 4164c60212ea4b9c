/*
 * bench_limit.c - one check of the rate limiter: a million identities in the
 * limiter's part of a zone of 40 MB, asked for in no order.
 */
#include "bench.h"
#include "limit/gcra.h"
#include "limit/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { KEYS = 1000000, ROUNDS = 11 };

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *p, const void *q)
{
    double a = *(const double *)p, b = *(const double *)q;

    return a < b ? -1 : a > b;
}

/* One pass over all keys in an order of its own; ns a check. */
static double pass(const struct ae_gcra *g, const uint64_t *tag,
                   const struct ae_rate *r, int64_t now, long *refused)
{
    double from = now_ns();

    for (int i = 0; i < KEYS; i++) {
        struct ae_taken k;

        ae_gcra_take(g, tag[i], r, 1, now, &k);
        *refused += k.verdict == AE_GCRA_REFUSED;
    }
    return (now_ns() - from) / KEYS;
}

void bench_limit(int quick, bench_emit emit)
{
    struct ae_zone_conf c = { .name = AE_STR("/dev/shm/argo-edge.bench"),
                              .size = 40 << 20 };
    /* every key is ahead of all passes: 1,000,000 are active throughout */
    struct ae_rate r = { .step_ns = 1000000000, .burst_ns = 60000000000,
                         .free_ns = 60000000000 };
    struct ae_err err = { 0 };
    struct ae_gcra g;
    ae_zone *z = NULL;
    uint64_t *tag = malloc(KEYS * sizeof(*tag));
    double t[ROUNDS];
    long refused = 0;
    size_t n = 0;
    void *mem;
    int rounds = quick ? 3 : ROUNDS;

    if (!tag || ae_zone_open(&c, &z, NULL, &err)) {
        fprintf(stderr, "bench: no zone: %s\n", err.text);
        free(tag);
        return;
    }
    mem = ae_zone_section(z, AE_ZONE_LIMITER, 0, &n);
    ae_gcra_init(&g, mem, n, false);
    for (int i = 0; i < KEYS; i++)
        tag[i] = ae_gcra_tag(ae_zone_seed(z), 1,
                             ae_s((const char *)&i, sizeof(i)));
    pass(&g, tag, &r, 1, &refused);
    for (int i = 0; i < rounds; i++)
        t[i] = pass(&g, tag, &r, 1 + i, &refused);
    emit("limit.active", (double)ae_gcra_active(&g, rounds), "keys");
    qsort(t, (size_t)rounds, sizeof(*t), by_value);
    emit("limit.check", t[rounds / 2], "ns");
    if (refused)
        fprintf(stderr, "bench: %ld were refused\n", refused);
    ae_zone_close(z);
    (void)remove("/dev/shm/argo-edge.bench");
    free(tag);
}
