/*
 * bench_store1m.c - the LMDB store with a million answers of 2 KB that belong
 * to 10,000 callers: what a store, a look-up and a tick cost then, and what
 * it takes on disk and in memory.  Takes half a minute and 5 GB below /tmp, so
 * not with --quick.
 */
#include "cache/cache.h"
#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ENTRIES = 1000000, CALLERS = 10000, SOME = 2000, ROUNDS = 100 };

struct mill {
    char      path[64];
    ae_store *s;
    uint64_t  gen[2], dice;
    char      body[2048];
};

static const ae_str tags[2] = { { "applications", 12 },
                                { "app:argocd/guestbook", 20 } };

static int64_t ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static ae_str caller(ae_arena *a, unsigned i)
{
    return ae_fmt(a, "user:%u", i % CALLERS);
}

static struct ae_cache_key key(struct mill *m, ae_arena *a, unsigned i)
{
    ae_str f[4] = { AE_STR("1 https://argocd-server"),
                    AE_STR("applications.get"), caller(a, i),
                    ae_fmt(a, "argocd/guestbook-%u", i / CALLERS) };
    struct ae_cache_key k;

    ae_cache_key_make(a, m->s->ops->secret(m->s), f, 4, &k);
    return k;
}

static int put(struct mill *m, ae_arena *a, unsigned i)
{
    struct ae_cache_key k = key(m, a, i);
    struct ae_entry     e = {
        .status = 200, .ctype = AE_STR("application/json"),
        .project = AE_STR("team-a"), .ns = AE_STR("argocd"),
        .name = AE_STR("guestbook"), .etag = AE_STR("\"0123456789abcdef\""),
        .body = ae_s(m->body, sizeof(m->body)), .owner = caller(a, i),
        .stored_us = ns(CLOCK_REALTIME) / 1000,
    };

    e.fresh_until_us = e.stored_us + (int64_t)3600 * 1000000 + i;
    return m->s->ops->put(m->s, &k, &e, tags, 2, m->gen, e.owner);
}

static unsigned roll(struct mill *m)
{
    m->dice = m->dice * UINT64_C(6364136223846793005) + 1;
    return (unsigned)(m->dice >> 33);
}

/* ns of one store */
static double fill(struct mill *m)
{
    int64_t  t0 = ns(CLOCK_PROCESS_CPUTIME_ID);
    unsigned bad = 0;

    m->s->ops->generations(m->s, tags, 2, m->gen);
    for (unsigned i = 0; i < ENTRIES; i++) {
        ae_heap  heap = { NULL, 0 };
        char     first[4096];
        ae_arena a;

        ae_arena_init(&a, ae_heap_mem(&heap), first, sizeof(first));
        bad += put(m, &a, i) != AE_OK;
        ae_heap_free(&heap);
    }
    return bad ? -1 : (double)(ns(CLOCK_PROCESS_CPUTIME_ID) - t0) / ENTRIES;
}

/* ns of one look-up of any of them */
static double hit(struct mill *m)
{
    static char         first[65536];
    struct ae_cache_key k[SOME];
    int64_t             spent = 0, t0;
    unsigned            hits = 0;

    for (int r = 0; r < ROUNDS; r++) {
        int64_t  wall = ns(CLOCK_REALTIME) / 1000;
        ae_heap  heap = { NULL, 0 };
        ae_arena a, one;
        struct ae_entry e;

        ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
        for (int i = 0; i < SOME; i++)
            k[i] = key(m, &a, roll(m) % ENTRIES);
        t0 = ns(CLOCK_PROCESS_CPUTIME_ID);
        for (int i = 0; i < SOME; i++) {
            ae_arena_init(&one, (struct ae_mem){ NULL, NULL }, first,
                          sizeof(first));
            hits += m->s->ops->get(m->s, &k[i], tags, 2, wall, &one, &e) == 1;
        }
        spent += ns(CLOCK_PROCESS_CPUTIME_ID) - t0;
        ae_heap_free(&heap);
    }
    return hits == SOME * ROUNDS ? (double)spent / hits : -1;
}

/* us of the housekeeping of one second, the worst of ten */
static double tick(struct mill *m)
{
    double most = 0;

    for (int i = 0; i < 10; i++) {
        int64_t t0 = ns(CLOCK_PROCESS_CPUTIME_ID);
        double  us;

        m->s->ops->tick(m->s, ns(CLOCK_REALTIME) / 1000);
        us = (double)(ns(CLOCK_PROCESS_CPUTIME_ID) - t0) / 1000;
        most = us > most ? us : most;
    }
    return most;
}

static double anon_mb(void)
{
    FILE  *f = fopen("/proc/self/status", "r");
    char   line[256];
    double kb = -1024;

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kb = strtod(line + 8, NULL);
    if (f)
        fclose(f);
    return kb / 1024;
}

static double disk_mb(const char *path, bool remove)
{
    DIR           *d = opendir(path);
    struct dirent *e;
    struct stat    st;
    double         mb = 0;

    while (d && (e = readdir(d)))
        if (fstatat(dirfd(d), e->d_name, &st, 0) == 0
            && S_ISREG(st.st_mode)) {
            mb += (double)st.st_blocks * 512 / 1048576;
            if (remove)
                unlinkat(dirfd(d), e->d_name, 0);
        }
    if (d)
        closedir(d);
    if (remove)
        rmdir(path);
    return mb;
}

void bench_store1m(int quick, bench_emit emit)
{
    struct mill         *m;
    struct ae_store_conf c = { .size = (uint64_t)16 << 30 };
    struct ae_err        err = { .code = 0 };
    double               before;

    if (quick || !(m = calloc(1, sizeof(*m))))
        return;
    snprintf(m->path, sizeof(m->path), "/tmp/ae-bench-XXXXXX");
    if (!mkdtemp(m->path)) {
        free(m);
        return;
    }
    memset(m->body, 'x', sizeof(m->body));
    c.path = ae_cs(m->path);
    before = anon_mb();
    if (ae_store_lmdb_open(&c, &m->s, &err) == AE_OK) {
        emit("store1m.put", fill(m), "ns");
        emit("store1m.hit2k", hit(m), "ns");
        emit("store1m.tick", tick(m), "us");
        emit("store1m.disk", disk_mb(m->path, false), "MB");
        emit("store1m.memory", anon_mb() - before, "MB");
        m->s->ops->close(m->s);
    } else {
        fprintf(stderr, "bench_store1m: %s\n", err.text);
    }
    disk_mb(m->path, true);
    free(m);
}
