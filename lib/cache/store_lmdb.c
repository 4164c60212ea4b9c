/*
 * store_lmdb.c - the store's operations over LMDB (T16).  Readers write
 * nothing; every trouble is a miss; no call waits for another process, save
 * the opening and a purge, which wait for a bounded time.
 */
#include "cache/store_lmdb.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int lmdb_get(ae_store *st, const struct ae_cache_key *k,
                    const ae_str *tags, size_t ntags, int64_t now_us,
                    ae_arena *a, struct ae_entry *out)
{
    return lm_find(st, k, tags, ntags, now_us, 0, a, out);
}

/* ---- generations ----------------------------------------------------- */

static struct lm_dir *dir_of(struct lm_store *s)
{
    struct lm_dir *d;

    pthread_mutex_lock(&s->lock);
    d = s->dir;
    pthread_mutex_unlock(&s->lock);
    return d; /* retired ones stay mapped until the store is closed */
}

static int lmdb_generations(ae_store *st, const ae_str *tags, size_t n,
                            uint64_t *gen)
{
    struct lm_dir *d = dir_of((struct lm_store *)st);
    uint64_t       era = atomic_load(&d->head->file);

    for (size_t i = 0; i < n; i++)
        gen[i] = ae_tag_now(&d->gens, era, ae_tag_hash(&d->gens, tags[i]));
    return AE_OK;
}

/* T13 must not depend on a lock that somebody holds: no LMDB here. */
static int lmdb_bump(ae_store *st, const ae_str *tags, size_t n)
{
    struct lm_store *s = (struct lm_store *)st;
    struct lm_dir   *d = dir_of(s);

    if (s->c.read_only)
        return AE_E_STATE;
    for (size_t i = 0; i < n; i++)
        ae_tag_bump(&d->gens, ae_tag_hash(&d->gens, tags[i]));
    return AE_OK;
}

/* ---- storing --------------------------------------------------------- */

/* R23: above 70 of 100 a key must be missed twice before it takes the room of
 * others; collecting begins at 85. */
static bool rather_full(struct lm_store *s)
{
    uint64_t used, most;

    pthread_mutex_lock(&s->lock);
    used = s->s.stat.bytes_used;
    most = s->s.stat.bytes_max;
    pthread_mutex_unlock(&s->lock);
    return used > most / 10 * 7;
}

int lm_fill(struct lm_store *s, const struct ae_cache_key *k,
            const struct ae_entry *e, const ae_str *tags, size_t ntags,
            const uint64_t *gen, ae_str scope, struct lm_rec *r)
{
    struct lm_dir *d = dir_of(s);

    memset(r, 0, sizeof(*r));
    if (ntags > AE_CACHE_TAGS_MAX || !k->full.p)
        return AE_E_INVAL;
    if (e->body.n > s->c.max_object)
        return AE_E_TOOBIG;
    if (rather_full(s) && !ae_door_known(&d->door, k->hash))
        return AE_E_NOTFOUND;
    lm_rec_texts(r, k, e);
    r->body = e->body;
    r->gzip = e->gzip;
    r->other = e->other;
    r->f.ntags = (uint32_t)ntags;
    for (size_t i = 0; i < ntags; i++) {
        r->tag[i].hash = ae_tag_hash(&d->gens, tags[i]);
        r->tag[i].gen = gen[i];
    }
    r->f.status = e->status;
    r->f.stored_us = e->stored_us;
    r->f.fresh_until_us = e->fresh_until_us;
    r->f.keep_until_us = ae_cache_keep(e);
    r->f.stored_mono = lm_mono_us();
    r->f.body_len = e->body.n;
    r->f.gzip_len = e->gzip.n;
    r->f.other_len = e->other.n;
    r->f.coding = e->other.n ? e->coding : AE_CODING_NONE;
    r->f.scope = ae_hash64(scope, d->gens.seed);
    r->f.charge = 1024 + lm_rec_size(r);
    lm_rec_place(r, d->head);
    /* The head, with a small body, is one value of at most one chunk. */
    return lm_rec_size(r) > LM_CHUNK ? AE_E_TOOBIG : AE_OK;
}

void lm_count_put(struct lm_store *s, int rc)
{
    pthread_mutex_lock(&s->lock);
    if (rc == AE_OK)
        s->s.stat.puts++;
    else if (rc == AE_E_BUSY)
        s->s.stat.drops_busy++;
    else if (rc == AE_E_STATE)
        s->s.stat.drops_stale++;
    pthread_mutex_unlock(&s->lock);
}

/* Another process has put a new file in force (a purge, a doubt): without
 * waiting, move over to it rather than store nothing until the next tick. */
static bool catch_up(struct lm_store *s)
{
    struct ae_err err = { .code = 0 };

    return s->skip == 0 && s->backoff == 0 && !s->c.read_only
        && lm_ensure(s, false, 0, &err) == AE_OK;
}

static int lmdb_put(ae_store *st, const struct ae_cache_key *k,
                    const struct ae_entry *e, const ae_str *tags,
                    size_t ntags, const uint64_t *gen, ae_str scope)
{
    struct lm_store *s = (struct lm_store *)st;
    struct lm_rec    r;
    int              rc = lm_fill(s, k, e, tags, ntags, gen, scope, &r);

    if (rc == AE_OK)
        rc = lm_put(s, k, &r);
    if (rc == AE_E_AGAIN && catch_up(s))
        rc = lm_put(s, k, &r);
    lm_count_put(s, rc);
    return rc;
}

/* ---- housekeeping ---------------------------------------------------- */

/* Somebody removed or replaced the directory's files: move over to what is
 * there now, so that our bumps and everybody else's meet again. */
static void reopen_dir(struct lm_store *s)
{
    struct lm_dir *d;
    struct ae_err  err;

    memset(&err, 0, sizeof(err));
    lm_env_retire(s);
    if (lm_dir_open(s, &d, &err) != AE_OK) {
        lm_log(s, AE_LOG_WARN, "cache gone, running without: %s", err.text);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->dir->next = s->old;
    s->old = s->dir;
    s->dir = d;
    pthread_mutex_unlock(&s->lock);
    lm_log(s, AE_LOG_NOTICE, "cache %s: files were replaced, reopened",
           s->path);
}

/* A failure is tried again after 1, 2, 4, ... 32 ticks. */
static bool due(struct lm_store *s)
{
    if (s->skip == 0)
        return true;
    s->skip--;
    return false;
}

static void failed(struct lm_store *s, const struct ae_err *err)
{
    s->backoff = s->backoff ? s->backoff * 2 : 1;
    if (s->backoff > 32)
        s->backoff = 32;
    s->skip = s->backoff;
    lm_log(s, AE_LOG_WARN, "running without cache: %s", err->text);
}

static void lmdb_tick(ae_store *st, int64_t now_us)
{
    struct lm_store *s = (struct lm_store *)st;
    struct ae_err    err;
    int              rc;

    if (!*s->alive || !due(s))
        return;
    memset(&err, 0, sizeof(err));
    s->ticks++;
    if (!s->c.read_only && !lm_dir_current(s, s->dir))
        reopen_dir(s);
    rc = lm_ensure(s, false, 0, &err);
    if (rc == AE_E_BUSY && s->env)
        rc = AE_OK; /* somebody is opening; next time */
    if (rc != AE_OK) {
        failed(s, &err);
        return;
    }
    s->backoff = 0;
    lm_collect(s, now_us);
}

static int64_t purge_all(struct lm_store *s)
{
    int64_t       n;
    struct ae_err err;

    lm_measure(s);
    n = (int64_t)s->s.stat.entries;
    memset(&err, 0, sizeof(err));
    int rc = lm_ensure(s, true, 1000, &err);
    if (rc)
        return rc;
    lm_measure(s);
    return n;
}

static int64_t lmdb_purge(ae_store *st, ae_str tag, struct ae_purge_at *at)
{
    struct lm_store *s = (struct lm_store *)st;
    struct lm_dir   *d = dir_of(s);
    int64_t          n;

    if (s->c.read_only || !*s->alive)
        return AE_E_STATE;
    if (!tag.p) {
        n = purge_all(s);
        if (at)
            at->done = n >= 0;
        return n;
    }
    if (!at || !at->some)
        ae_tag_bump(&d->gens, ae_tag_hash(&d->gens, tag));
    if (at)
        at->some = true;
    return lm_purge_tag(s, ae_tag_hash(&d->gens, tag), at);
}

/* ---- opening --------------------------------------------------------- */

static ae_str lmdb_secret(ae_store *st)
{
    struct lm_store *s = (struct lm_store *)st;

    return ae_s(s->secret, sizeof(s->secret));
}

/* ---- claims: shared memory only, as generations are ------------------- */

static enum ae_claim lmdb_claim(ae_store *st, const struct ae_cache_key *k,
                                struct ae_claimer *c)
{
    struct lm_store *s = (struct lm_store *)st;

    if (s->c.read_only)
        return AE_CLAIM_PASS;
    return ae_claims_take(&dir_of(s)->claims, k->hash, c);
}

static void lmdb_settle(ae_store *st, const struct ae_cache_key *k,
                        uint64_t ticket, int64_t now_us, bool vain)
{
    struct lm_store *s = (struct lm_store *)st;

    if (!s->c.read_only)
        ae_claims_settle(&dir_of(s)->claims, k->hash, ticket, now_us, vain);
}

static struct ae_use *lmdb_use(ae_store *st, unsigned which)
{
    struct lm_dir *d = dir_of((struct lm_store *)st);

    if (which >= AE_USES)
        return NULL;
    return (struct ae_use *)(void *)((char *)d->head + LM_USES_AT
                                     + which * 64);
}

static void lmdb_close(ae_store *st)
{
    struct lm_store *s = (struct lm_store *)st;

    /* In a forked child the environment and the slot are the parent's. */
    if (*s->alive) {
        lm_env_retire(s);
        lm_dir_free(s->dir);
        while (s->old) {
            struct lm_dir *d = s->old;

            s->old = d->next;
            lm_dir_free(d);
        }
    }
    munmap(s->alive, (size_t)sysconf(_SC_PAGESIZE));
    pthread_mutex_destroy(&s->lock);
    pthread_mutex_destroy(&s->writer);
    explicit_bzero(s->secret, sizeof(s->secret));
    free(s);
}

static const struct ae_store_ops lmdb_ops = {
    .close = lmdb_close,
    .get = lmdb_get,
    .find = lm_find,
    .read = lm_read,
    .generations = lmdb_generations,
    .bump = lmdb_bump,
    .put = lmdb_put,
    .open = lm_stream_open,
    .write = lm_stream_write,
    .commit = lm_stream_commit,
    .abort = lm_stream_abort,
    .tick = lmdb_tick,
    .purge = lmdb_purge,
    .walk = lm_walk,
    .drop = lm_drop,
    .use = lmdb_use,
    .secret = lmdb_secret,
    .claim = lmdb_claim,
    .settle = lmdb_settle,
};

static int prepare_store(const struct ae_store_conf *c, struct lm_store *s,
                         struct ae_err *err)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (!c->path.p || c->path.n == 0 || c->path.n >= sizeof(s->path)
        || memchr(c->path.p, '\0', c->path.n))
        return ae_err_set(err, AE_E_INVAL, "cache directory: bad path");
    memcpy(s->path, c->path.p, c->path.n);
    while (s->path[1] && s->path[strlen(s->path) - 1] == '/')
        s->path[strlen(s->path) - 1] = '\0'; /* "x/" would follow a link */
    s->c = *c;
    if (s->c.size < (uint64_t)1 << 20)
        s->c.size = (uint64_t)1 << 20;
    s->c.size = (s->c.size + page - 1) / page * page;
    if (s->c.max_object == 0)
        s->c.max_object = (size_t)256 << 20;
    s->alive = mmap(NULL, page, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->alive == MAP_FAILED)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    *s->alive = 1;
    madvise(s->alive, page, MADV_WIPEONFORK); /* old kernel: no guard */
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->writer, NULL);
    s->s.ops = &lmdb_ops;
    return AE_OK;
}

int ae_store_lmdb_open(const struct ae_store_conf *c, ae_store **out,
                       struct ae_err *err)
{
    struct lm_store *s = calloc(1, sizeof(*s));
    int              rc;

    *out = NULL;
    if (!s)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    rc = prepare_store(c, s, err);
    if (rc) {
        free(s);
        return rc;
    }
    rc = lm_dir_open(s, &s->dir, err);
    if (rc == AE_OK)
        rc = lm_ensure(s, false, 500, err);
    if (rc) {
        lmdb_close(&s->s);
        return rc;
    }
    lm_measure(s); /* for who only looks */
    *out = &s->s;
    return AE_OK;
}
