/*
 * engine.c - what one process holds: the snapshot in force, the cache, and
 * the tables that requests share.
 */
#include "edge/edge.h"
#include "edge/keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define AE_SEEN_SLOTS 8192
#define AE_HINT_SLOTS 16384
#define AE_STORE_RETRY_S 30
#define AE_STORE_SETTLE_US INT64_C(5000000)
#define AE_OBJECT_MAX ((size_t)256 << 20)

void ae_edge_log(ae_engine *e, enum ae_log_level lv, const char *fmt, ...)
{
    char buf[1024];
    va_list ap;

    if (!e->host.log)
        return;
    va_start(ap, fmt);
    vsnprintf(buf, sizeof buf, fmt, ap);
    va_end(ap);
    e->host.log(e->host.ctx, lv, buf);
}

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t ae_edge_wall(const ae_engine *e)
{
    return e->host.wall_us ? e->host.wall_us(e->host.ctx)
                           : clock_us(CLOCK_REALTIME);
}

int64_t ae_edge_mono(const ae_engine *e)
{
    return e->host.mono_us ? e->host.mono_us(e->host.ctx)
                           : clock_us(CLOCK_MONOTONIC);
}

/* Seed of the seen table: unguessable if the kernel can, unlike between
 * processes if it cannot (F36); the table compares in full either way. */
static uint64_t seed_new(const ae_engine *e)
{
    uint64_t s = 0;

    if (getrandom(&s, sizeof s, GRND_NONBLOCK) != (ssize_t)sizeof s)
        s = (uint64_t)clock_us(CLOCK_MONOTONIC) ^ (uint64_t)(uintptr_t)e;
    return s;
}

/* splitmix64: nobody gains from guessing it. */
int64_t ae_edge_jitter(ae_engine *e, int64_t us)
{
    uint64_t z = atomic_fetch_add_explicit(
        &e->dice, UINT64_C(0x9e3779b97f4a7c15), memory_order_relaxed);

    if (us < 10)
        return us;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return us - (int64_t)(z % ((uint64_t)us / 10 + 1));
}

/* Once for each distinct failure, not at each attempt. */
static void store_failed(ae_engine *e, const struct ae_err *err)
{
    char text[1024];
    uint64_t h;

    ae_err_str(err, text, sizeof text);
    h = ae_hash64(ae_cs(text), 1);
    if (h == e->store_bad)
        return;
    e->store_bad = h;
    ae_edge_log(e, AE_LOG_ERROR, "argo-edge: no cache, proxy only, trying"
                " again every %d s: %s", AE_STORE_RETRY_S, text);
}

/* Writes that passed here meanwhile moved no generation, and other processes
 * may have stored all the time (T13). */
static void store_recovered(ae_engine *e)
{
    size_t n;
    const ae_str *all = ae_tags_all(&n);

    ae_quar_write(e, all, n, AE_STORE_SETTLE_US);
    ae_edge_log(e, AE_LOG_NOTICE, "argo-edge: the cache is open now");
}

/* T14: the cache fails open.  Whatever is wrong with it, requests go on. */
static void open_store(ae_engine *e)
{
    struct ae_store_conf c = { .path = e->conf->cache_path };
    struct ae_err err = { 0 };
    ae_store *s = NULL;
    bool again = e->store_retry_us != 0;

    if (!e->conf->cache_path.n)
        return;
    e->store_retry_us = ae_edge_mono(e) + AE_STORE_RETRY_S * INT64_C(1000000);
    c.size = e->conf->cache_size;
    /* Twice the workers: old ones drain while new ones serve (F26). */
    c.max_readers = 2 * (e->conf->workers ? e->conf->workers : 1) * 4 + 16;
    c.max_object = AE_OBJECT_MAX;
    c.host = &e->host;
    if (ae_store_lmdb_open(&c, &s, &err)) {
        store_failed(e, &err);
        return;
    }
    __atomic_store_n(&e->store, s, __ATOMIC_RELEASE);
    if (again)
        store_recovered(e);
}

/* A zone that cannot be shared is one of our own: everything works, but each
 * process counts for itself. */
static int open_zone(ae_engine *e, struct ae_err *err)
{
    struct ae_zone_conf c = { .name = e->conf->zone_name,
                              .size = e->conf->zone_size };
    struct ae_err       why = { 0 };
    const char         *fresh = NULL;
    char                text[1024];

    if (c.name.n && ae_zone_open(&c, &e->zone, &fresh, &why) == AE_OK) {
        if (fresh && strcmp(fresh, "is new") != 0)
            ae_edge_log(e, AE_LOG_NOTICE, "argo-edge: the zone %.*s %s: made"
                        " anew", (int)c.name.n, c.name.p, fresh);
        return AE_OK;
    }
    if (c.name.n)
        ae_edge_log(e, AE_LOG_ERROR, "argo-edge: no shared zone, each process"
                    " counts for itself: %s",
                    ae_err_str(&why, text, sizeof text));
    c.name = ae_s(NULL, 0);
    return ae_zone_open(&c, &e->zone, NULL, err);
}

int ae_engine_new(const ae_conf *conf, ae_snapshot *snap,
                  const struct ae_host *host, ae_engine **out,
                  struct ae_err *err)
{
    ae_engine *e;

    *out = NULL;
    if (!conf || !snap)
        return ae_err_set(err, AE_E_INVAL, "no configuration or snapshot");
    e = calloc(1, sizeof *e);
    if (!e)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    e->conf = conf;
    if (host)
        e->host = *host;
    pthread_mutex_init(&e->lock, NULL);
    pthread_mutex_init(&e->store_lock, NULL);
    snap->alone |= e->host.one_thread;
    ae_snapshot_ref(snap);
    e->snap = snap;
    e->seen = ae_seen_new(AE_SEEN_SLOTS, seed_new(e));
    e->hints = ae_hints_new(AE_HINT_SLOTS);
    e->memo = ae_route_memo_new(seed_new(e));
    if (!e->seen || !e->hints) {
        ae_engine_free(e);
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    }
    atomic_init(&e->dice, seed_new(e));
    if (open_zone(e, err) || ae_keys_open(e)) {
        ae_engine_free(e);
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    }
    ae_lease_open(e);
    ae_dead_open(e);
    ae_revoke_open(e);
    ae_limits_open(e);
    e->loaded_us = ae_edge_wall(e);
    if (getrandom(e->id_key, sizeof e->id_key, 0) != sizeof e->id_key) {
        ae_engine_free(e);
        return ae_err_set(err, AE_E_IO, "no random bytes");
    }
    ae_pairs_make(&e->pairs);
    if (ae_board_open(&e->board, e->zone, seed_new(e), e->host.one_thread)) {
        ae_engine_free(e);
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    }
    open_store(e);
    *out = e;
    return AE_OK;
}

void ae_engine_free(ae_engine *e)
{
    if (!e)
        return;
    if (e->store)
        e->store->ops->close(e->store);
    ae_seen_free(e->seen);
    ae_hints_free(e->hints);
    ae_route_memo_free(e->memo);
    ae_rights_unref(e->anon);
    ae_quar_free(e);
    ae_copies_free(e);
    ae_board_close(&e->board);
    ae_keys_close(e);
    ae_zone_close(e->zone);
    ae_snapshot_unref(e->held);
    ae_snapshot_unref(e->snap);
    pthread_mutex_destroy(&e->store_lock);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

const ae_snapshot *ae_engine_snapshot(const ae_engine *e)
{
    return e->snap;
}

/* Make |s| the snapshot in force.  Seen tokens go: what is attached to them
 * would keep the old policy in memory, and verifying again is cheap. */
void ae_edge_publish(ae_engine *e, ae_snapshot *s)
{
    ae_snapshot *old;
    struct ae_rights *anon;

    ae_lock(e, &e->lock);
    old = e->snap;
    ae_keys_publish(e, old, s);
    s->alone = e->host.one_thread;
    e->snap = s;
    e->loaded_us = ae_edge_wall(e);
    anon = e->anon;
    e->anon = NULL;
    ae_seen_drop_all(e->seen);
    ae_route_memo_clear(e->memo);
    ae_unlock(e, &e->lock);
    ae_rights_unref(anon);
    ae_snapshot_unref(old);
}

void ae_engine_tick(ae_engine *e)
{
    if (!e)
        return;
    ae_edge_poll(e);
    ae_board_tick(&e->board);
    ae_keys_tick(e);
    ae_quar_tick(e, ae_edge_mono(e));
    ae_copies_tick(e, ae_edge_wall(e));
    ae_limit_calls_tick(e);
    if (!e->store && ae_edge_mono(e) >= e->store_retry_us)
        open_store(e);
    if (e->store && e->store->ops->tick) {
        ae_lock(e, &e->store_lock);
        e->store->ops->tick(e->store, ae_edge_wall(e));
        ae_unlock(e, &e->store_lock);
    }
}
