/*
 * store_lmdb_evict.c - one elected collector removes what expired, and makes
 * room by expiry when the map fills up (F6, F22, F23, F31).  Every step is a
 * short transaction, and a tick has a time budget: the collector lives in the
 * event loop of some worker.
 */
#include "cache/store_lmdb.h"

enum {
    BUDGET_US = 2000,         /* a tick may take so long */
    FULL_US = 8000,           /* ... when stores do not fit */
    CHECK_TICKS = 5,          /* between checks for dead readers */
    PIN_TICKS = 10,           /* patience with a stopped reader */
    FEW = 4                   /* entries a transaction in a full map */
};

int lm_evict_one(struct lm_use *u, int64_t cut)
{
    char        key[LM_EXP_N];
    int64_t     at = 0;
    uint64_t    id;
    MDB_cursor *c;
    MDB_val     k, v;
    bool        more = false;
    int         rc = mdb_cursor_open(u->txn, u->env->exp, &c);

    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    mdb_cursor_close(c);
    if (rc)
        return rc;
    if (k.mv_size != LM_EXP_N)
        return MDB_CORRUPTED;
    memcpy(key, k.mv_data, LM_EXP_N);
    for (int i = 0; i < 8; i++)
        at = at << 8 | (unsigned char)key[i];
    if (at >= cut)
        return MDB_NOTFOUND;
    if (key[8] == LM_EXP_BODY) {
        memcpy(&id, key + 9, sizeof(id));
        rc = lm_del_body(u, id, &more);
    } else {
        rc = lm_del(u, (const unsigned char *)key + 9);
    }
    if ((rc == 0 || rc == MDB_NOTFOUND) && !more) {
        k.mv_data = key;
        k.mv_size = LM_EXP_N;
        rc = mdb_del(u->txn, u->env->exp, &k, NULL);
        if (rc == MDB_NOTFOUND) /* lm_del() took it along */
            rc = 0;
    }
    return rc;
}

/* One transaction.  AE_OK, AE_E_NOTFOUND when nothing is left before |cut|. */
static int batch(struct lm_use *u, int64_t cut, int most, uint64_t *evicted)
{
    int rc = lm_write_begin(u), n = 0;

    while (rc == AE_OK && n < most) {
        rc = lm_rc(u, lm_evict_one(u, cut));
        if (rc == AE_OK)
            n++;
    }
    if (rc != AE_OK && rc != AE_E_NOTFOUND) {
        lm_write_abort(u);
        return rc;
    }
    if (n == 0) {
        lm_write_abort(u);
        return AE_E_NOTFOUND;
    }
    int done = lm_write_commit(u);
    if (done == AE_OK)
        *evicted += (uint64_t)n;
    return done ? done : rc;
}

uint64_t lm_measure(struct lm_store *s)
{
    struct lm_use u;
    MDB_envinfo   info;
    uint64_t      used = 0, entries = 0;

    if (lm_read_begin(s, &u) != AE_OK)
        return 0;
    used = lm_used(u.env, u.txn, &entries);
    memset(&info, 0, sizeof(info));
    mdb_env_info(u.env->env, &info);
    lm_read_end(&u, NULL);
    pthread_mutex_lock(&s->lock);
    s->s.stat.entries = entries;
    s->s.stat.readers = info.me_numreaders;
    s->s.stat.bytes_used = used;
    s->s.stat.bytes_max = s->dir->head->size;
    pthread_mutex_unlock(&s->lock);
    return used;
}

/* Remove what expires before |cut|, at most |most| a transaction. */
static int run(struct lm_store *s, struct lm_use *u, int64_t cut, int most,
               int64_t until)
{
    uint64_t evicted = 0;
    int      rc = AE_OK;

    while (rc == AE_OK && lm_mono_us() < until) {
        rc = batch(u, cut, most, &evicted);
        if (rc == AE_E_FULL && most > 1) {
            most = 1; /* deletes take pages too: fewer at a time */
            rc = AE_OK;
        }
    }
    pthread_mutex_lock(&s->lock);
    s->s.stat.evicted += evicted;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* Make room.  Pages that a transaction frees can be used from the second one
 * after it on, and a store that fails moves nothing on: so when a store found
 * the map full, at least three small ones follow each other here. */
static int squeeze(struct lm_store *s, struct lm_use *u, bool full,
                   uint64_t stop_at, int64_t until)
{
    uint64_t evicted = 0;
    int      rc = AE_OK, most = full ? FEW : LM_EVICT;

    for (int n = full ? 3 : 0; rc == AE_OK; n--) {
        if (n <= 0 && (lm_mono_us() >= until || lm_measure(s) <= stop_at))
            break;
        rc = batch(u, INT64_MAX, most, &evicted);
        if (rc == AE_E_FULL && most > 1) {
            most = 1;
            rc = AE_OK;
        }
    }
    pthread_mutex_lock(&s->lock);
    s->s.stat.evicted += evicted;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

/* The map is full though little is in use: a reader that does not end (F23)
 * keeps the freed pages.  We wait a while, then leave the file to it. */
static void watch_pins(struct lm_store *s, struct lm_use *u, bool full,
                       uint64_t used, uint64_t size)
{
    if (!full || used > size / 4 * 3) {
        s->pinned = 0;
        return;
    }
    if (s->pinned++ == 0)
        lm_log(s, AE_LOG_WARN, "cache %s: full, but only %llu of %llu bytes "
               "are in use: a stopped reader pins pages", s->path,
               (unsigned long long)used, (unsigned long long)size);
    if (s->pinned >= PIN_TICKS) {
        s->pinned = 0;
        lm_doubt(u->dir, u->env->number);
    }
}

void lm_collect(struct lm_store *s, int64_t now_us)
{
    uint64_t      size = s->dir->head->size, used = lm_measure(s);
    struct lm_use u;
    int           dead, rc;

    if (s->c.read_only || lm_lock(s->dir, LM_COLLECT) != AE_OK)
        return; /* another process collects */
    if (lm_write_lock(s, &u, 0) == AE_OK) {
        bool    full = atomic_exchange(&u.dir->head->full, 0)
            || used > size / 20 * 17;
        int64_t until = lm_mono_us() + (full ? FULL_US : BUDGET_US);

        if (full || s->ticks % CHECK_TICKS == 0)
            mdb_reader_check(u.env->env, &dead); /* F22 */
        rc = run(s, &u, now_us, full ? FEW : LM_EVICT, until);
        used = lm_measure(s);
        if ((rc == AE_OK || rc == AE_E_NOTFOUND) && full)
            rc = squeeze(s, &u, full, size / 10 * 7, until);
        if (rc == AE_E_FULL) /* not even deletes fit: the last resort */
            lm_doubt(u.dir, u.env->number);
        watch_pins(s, &u, full, used, size);
        lm_write_unlock(&u);
        lm_measure(s);
    }
    lm_unlock(s->dir, LM_COLLECT);
}

/* ---- purge by tag ---------------------------------------------------- */

/* Hashes of up to LM_BATCH entries under |prefix|. */
static int tagged(struct lm_use *u, const char prefix[8],
                  unsigned char hash[LM_BATCH][32], int *n)
{
    MDB_cursor *c;
    MDB_val     k = { 8, (void *)(uintptr_t)prefix }, v;
    int         rc = mdb_cursor_open(u->txn, u->env->tag, &c);

    *n = 0;
    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    while (rc == 0 && *n < LM_BATCH && k.mv_size == 40
           && memcmp(k.mv_data, prefix, 8) == 0) {
        memcpy(hash[(*n)++], (const char *)k.mv_data + 8, 32);
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int purge_batch(struct lm_use *u, const char prefix[8], int *n)
{
    unsigned char hash[LM_BATCH][32];
    int           rc = lm_write_begin(u);

    *n = 0;
    if (rc)
        return rc;
    rc = tagged(u, prefix, hash, n);
    for (int i = 0; !rc && i < *n; i++)
        rc = lm_del(u, hash[i]);
    if (rc) {
        lm_write_abort(u);
        return rc == MDB_NOTFOUND ? AE_E_CORRUPT : lm_rc(u, rc);
    }
    return lm_write_commit(u);
}

int64_t lm_purge_tag(struct lm_store *s, uint64_t hash,
                     struct ae_purge_at *at)
{
    struct lm_use u;
    char          prefix[8];
    int64_t       count = 0;
    int           n = LM_BATCH, rc = AE_OK;

    for (int i = 0; i < 8; i++)
        prefix[i] = (char)(hash >> (56 - 8 * i));
    /* The tag has moved: nothing of it is served.  What cannot be removed
     * now leaves with its expiry.  Stores of others get in between. */
    while (rc == AE_OK && n == LM_BATCH) {
        rc = lm_write_lock(s, &u, LM_WAIT_MS);
        if (rc)
            break;
        rc = purge_batch(&u, prefix, &n);
        if (rc == AE_OK)
            count += n;
        lm_write_unlock(&u);
        if (at)
            break;
    }
    if (at)
        at->done = rc == AE_E_AGAIN || (rc == AE_OK && n < LM_BATCH);
    return rc == AE_OK || rc == AE_E_AGAIN || count > 0 ? count : rc;
}
