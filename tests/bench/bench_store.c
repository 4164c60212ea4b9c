/*
 * bench_store.c - look-ups in the LMDB store: store.hit2k is a hit on a body
 * of 2 KB, keys made beforehand, everything else included: transaction, both
 * reads, copy, checksum, key compare, freshness, two tags.
 */
#include "cache/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void bench_store(int quick, void (*emit)(const char *name, double value,
                                         const char *unit));

enum { KEYS = 1000 };

struct bench {
    char                path[64], first[65536];
    ae_store           *s;
    struct ae_cache_key k[KEYS];
    ae_str              tags[2];
    ae_heap             heap;
};

static int64_t now(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void fill(struct bench *b)
{
    static char     body[2048];
    struct ae_entry e;
    uint64_t        gen[2];
    ae_arena        a;

    ae_arena_init(&a, ae_heap_mem(&b->heap), NULL, 0);
    memset(&e, 0, sizeof(e));
    memset(body, 'x', sizeof(body));
    e.status = 200;
    e.ctype = AE_STR("application/json");
    e.project = AE_STR("team-a");
    e.ns = AE_STR("argocd");
    e.name = AE_STR("guestbook");
    e.etag = AE_STR("\"0123456789abcdef\"");
    e.body = ae_s(body, sizeof(body));
    e.stored_us = now(CLOCK_REALTIME) / 1000;
    e.fresh_until_us = e.stored_us + (int64_t)3600 * 1000000;
    b->s->ops->generations(b->s, b->tags, 2, gen);
    for (int i = 0; i < KEYS; i++) {
        ae_str f[4] = { AE_STR("1 https://argocd-server"),
                        AE_STR("applications.get"), AE_STR("user:alice"),
                        ae_fmt(&a, "argocd/guestbook-%d", i) };

        ae_cache_key_make(&a, b->s->ops->secret(b->s), f, 4, &b->k[i]);
        b->s->ops->put(b->s, &b->k[i], &e, b->tags, 2, gen,
                       AE_STR("alice"));
    }
}

static double hit_ns(struct bench *b, int rounds)
{
    const struct ae_mem none = { NULL, NULL };
    int64_t             wall = now(CLOCK_REALTIME) / 1000, t0, t1;
    int                 hits = 0;
    struct ae_entry     e;

    t0 = now(CLOCK_MONOTONIC);
    for (int i = 0; i < rounds; i++) {
        ae_arena a;

        ae_arena_init(&a, none, b->first, sizeof(b->first));
        hits += b->s->ops->get(b->s, &b->k[(i * 7) % KEYS], b->tags, 2, wall,
                               &a, &e) == 1;
    }
    t1 = now(CLOCK_MONOTONIC);
    return hits == rounds ? (double)(t1 - t0) / rounds : -1;
}

static void clean(const char *path)
{
    DIR           *d = opendir(path);
    struct dirent *e;

    while (d && (e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(path);
}

void bench_store(int quick, void (*emit)(const char *name, double value,
                                         const char *unit))
{
    struct bench        *b = calloc(1, sizeof(*b));
    struct ae_store_conf c;
    struct ae_err        err;
    double               best = -1;

    if (!b)
        return;
    memset(&c, 0, sizeof(c));
    memset(&err, 0, sizeof(err));
    snprintf(b->path, sizeof(b->path), "/tmp/ae-bench-XXXXXX");
    if (!mkdtemp(b->path)) {
        free(b);
        return;
    }
    c.path = ae_cs(b->path);
    c.size = (uint64_t)256 << 20;
    b->tags[0] = AE_STR("applications");
    b->tags[1] = AE_STR("app:argocd/guestbook");
    if (ae_store_lmdb_open(&c, &b->s, &err) == AE_OK) {
        fill(b);
        for (int i = 0; i < 5; i++) {
            double ns = hit_ns(b, quick ? 20000 : 200000);

            best = best < 0 || (ns >= 0 && ns < best) ? ns : best;
        }
        b->s->ops->close(b->s);
    } else {
        fprintf(stderr, "bench_store: %s\n", err.text);
    }
    emit("store.hit2k", best, "ns");
    clean(b->path);
    ae_heap_free(&b->heap);
    free(b);
}
