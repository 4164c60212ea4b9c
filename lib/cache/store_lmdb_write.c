/*
 * store_lmdb_write.c - storing and removing entries.
 *
 * A small body is one short transaction.  A large one comes in steps, under a
 * fresh body id that a 'B' record of the expiry index announces first: until
 * its head is written nobody sees it, and if its writer dies the collector
 * finds it.
 */
#include "cache/store_lmdb.h"

static MDB_val val(const void *p, size_t n)
{
    MDB_val v = { n, (void *)(uintptr_t)p };

    return v;
}

static void be64(char *p, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        p[i] = (char)(v >> (56 - 8 * i));
}

void lm_chunk_key(char key[12], uint64_t id, uint32_t n)
{
    be64(key, id);
    key[8] = (char)(n >> 24);
    key[9] = (char)(n >> 16);
    key[10] = (char)(n >> 8);
    key[11] = (char)n;
}

void lm_exp_key(char key[LM_EXP_N], int64_t at, int kind, const void *id,
                size_t n)
{
    memset(key, 0, LM_EXP_N);
    be64(key, at < 0 ? 0 : (uint64_t)at); /* eviction order = byte order */
    key[8] = (char)kind;
    memcpy(key + 9, id, n);
}

static void tag_key(char key[40], uint64_t tag, const unsigned char hash[32])
{
    be64(key, tag);
    memcpy(key + 8, hash, 32);
}

/* ---- shares (R23) ---------------------------------------------------- */

static int scope_read(struct lm_use *u, uint64_t scope, uint64_t *bytes)
{
    MDB_val k = val(&scope, sizeof(scope)), v;
    int     rc = mdb_get(u->txn, u->env->scope, &k, &v);

    *bytes = 0;
    if (rc == 0 && v.mv_size == sizeof(*bytes))
        memcpy(bytes, v.mv_data, sizeof(*bytes));
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int scope_write(struct lm_use *u, uint64_t scope, uint64_t bytes)
{
    MDB_val k = val(&scope, sizeof(scope)), v = val(&bytes, sizeof(bytes));
    int     rc;

    if (bytes)
        return mdb_put(u->txn, u->env->scope, &k, &v, 0);
    rc = mdb_del(u->txn, u->env->scope, &k, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* ---- removing -------------------------------------------------------- */

int lm_del_body(struct lm_use *u, uint64_t id, bool *more)
{
    char        key[12];
    MDB_cursor *c;
    MDB_val     k, v;
    int         rc = mdb_cursor_open(u->txn, u->env->chunk, &c), n = 0;

    *more = false;
    if (rc)
        return rc;
    lm_chunk_key(key, id, 0);
    k = val(key, sizeof(key));
    rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    while (rc == 0 && k.mv_size == 12 && memcmp(k.mv_data, key, 8) == 0) {
        if (n++ == LM_BATCH) {
            *more = true;
            break;
        }
        rc = mdb_cursor_del(c, 0);
        if (rc == 0) /* after a delete this does not skip one */
            rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int del(struct lm_use *u, MDB_dbi dbi, const void *p, size_t n)
{
    MDB_val k = val(p, n);
    int     rc = mdb_del(u->txn, dbi, &k, NULL);

    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int del_parts(struct lm_use *u, const unsigned char hash[32],
                     const struct lm_rec *r)
{
    char     key[LM_EXP_N];
    uint64_t bytes;
    bool     more = false;
    int      rc;

    lm_exp_key(key, r->f.keep_until_us, LM_EXP_HEAD, hash, 32);
    rc = del(u, u->env->exp, key, LM_EXP_N);
    for (uint32_t i = 0; !rc && i < r->f.ntags; i++) {
        tag_key(key, r->tag[i].hash, hash);
        rc = del(u, u->env->tag, key, 40);
    }
    if (!rc && r->f.body_id)
        rc = lm_del_body(u, r->f.body_id, &more);
    if (!rc && more) {
        MDB_val k = val(key, LM_EXP_N), v = val("", 0);

        /* Too much for one short transaction: the collector goes on. */
        lm_exp_key(key, 0, LM_EXP_BODY, &r->f.body_id, 8);
        rc = mdb_put(u->txn, u->env->exp, &k, &v, 0);
    }
    if (!rc)
        rc = scope_read(u, r->f.scope, &bytes);
    if (!rc)
        rc = scope_write(u, r->f.scope,
                         bytes > r->f.charge ? bytes - r->f.charge : 0);
    return rc;
}

int lm_del(struct lm_use *u, const unsigned char hash[32])
{
    char          buf[LM_CHUNK];
    struct lm_rec r;
    MDB_val       k = val(hash, 32), v;
    int           rc = mdb_get(u->txn, u->env->obj, &k, &v);

    if (rc)
        return rc;
    if (v.mv_size > sizeof(buf))
        return MDB_CORRUPTED;
    memcpy(buf, v.mv_data, v.mv_size); /* the map changes under our deletes */
    if (lm_rec_parse(ae_s(buf, v.mv_size), &r) != AE_OK)
        return MDB_CORRUPTED;
    rc = del_parts(u, hash, &r);
    return rc ? rc : del(u, u->env->obj, hash, 32);
}

/* ---- storing --------------------------------------------------------- */

static uint32_t chunk_count(const struct lm_rec *r)
{
    return r->f.body_id ? (uint32_t)((r->body.n + LM_CHUNK - 1) / LM_CHUNK)
                        : 0;
}

static int put_chunks(struct lm_use *u, const struct lm_rec *r,
                      uint32_t from, uint32_t to)
{
    int rc = 0;

    for (uint32_t i = from; !rc && i < to; i++) {
        char    key[12];
        ae_str  part = ae_sub(r->body, (size_t)i * LM_CHUNK, LM_CHUNK);
        MDB_val k = val(key, sizeof(key)), v = val(part.p, part.n);

        lm_chunk_key(key, r->f.body_id, i);
        rc = mdb_put(u->txn, u->env->chunk, &k, &v, MDB_APPEND);
        if (rc == MDB_KEYEXIST) /* ids grow, but two writers may interleave */
            rc = mdb_put(u->txn, u->env->chunk, &k, &v, 0);
    }
    return rc;
}

/* What comes before the new entry: the old one goes, so do two of the expired
 * (at any rate of stores the backlog shrinks), and the share is checked. */
static int prepare(struct lm_use *u, const struct ae_cache_key *k,
                   const struct lm_rec *r)
{
    uint64_t bytes;
    int      rc = lm_del(u, k->hash);

    for (int i = 0; i < 2 && (rc == 0 || rc == MDB_NOTFOUND); i++)
        rc = lm_evict_one(u, r->f.stored_us);
    if (rc == 0 || rc == MDB_NOTFOUND)
        rc = scope_read(u, r->f.scope, &bytes);
    if (rc)
        return lm_rc(u, rc);
    return bytes + r->f.charge > ae_cache_share(u->dir->head->size)
        ? AE_E_FULL : AE_OK;
}

static int put_index(struct lm_use *u, const struct ae_cache_key *k,
                     const struct lm_rec *r)
{
    char     key[LM_EXP_N];
    MDB_val  kv = val(key, LM_EXP_N), none = val("", 0);
    uint64_t bytes;
    int      rc;

    lm_exp_key(key, r->f.keep_until_us, LM_EXP_HEAD, k->hash, 32);
    rc = mdb_put(u->txn, u->env->exp, &kv, &none, 0);
    for (uint32_t i = 0; !rc && i < r->f.ntags; i++) {
        tag_key(key, r->tag[i].hash, k->hash);
        kv = val(key, 40);
        none = val("", 0);
        rc = mdb_put(u->txn, u->env->tag, &kv, &none, 0);
    }
    if (!rc)
        rc = scope_read(u, r->f.scope, &bytes);
    return rc ? rc : scope_write(u, r->f.scope, bytes + r->f.charge);
}

static int put_head(struct lm_use *u, const struct ae_cache_key *k,
                    struct lm_rec *r)
{
    MDB_val kv = val(k->hash, 32), v = val(NULL, lm_rec_size(r));
    int     rc = put_index(u, k, r);

    if (!rc)
        rc = mdb_put(u->txn, u->env->obj, &kv, &v, MDB_RESERVE);
    if (!rc)
        lm_rec_pack(r, v.mv_data);
    return rc;
}

static bool tags_moved(const struct lm_use *u, const struct lm_rec *r)
{
    return !ae_tags_current(&u->dir->gens, u->env->number, r->tag,
                            r->f.ntags, NULL, 0);
}

/* Chunks of a large body, all but the last LM_STEP, a step a transaction. */
static int put_steps(struct lm_use *u, const struct ae_cache_key *k,
                     const struct lm_rec *r, uint32_t *done)
{
    char     key[LM_EXP_N];
    MDB_val  kv = val(key, LM_EXP_N), none = val("", 0);
    uint32_t n = chunk_count(r);
    int      rc = AE_OK;

    lm_exp_key(key, r->f.keep_until_us, LM_EXP_BODY, &r->f.body_id, 8);
    while (rc == AE_OK && n - *done > LM_STEP) {
        rc = lm_write_begin(u);
        if (rc == AE_OK && *done == 0) {
            rc = prepare(u, k, r);
            if (rc == AE_OK)
                rc = lm_rc(u, mdb_put(u->txn, u->env->exp, &kv, &none, 0));
        }
        if (rc == AE_OK)
            rc = lm_rc(u, put_chunks(u, r, *done, *done + LM_STEP));
        if (rc == AE_OK)
            rc = lm_write_commit(u);
        else
            lm_write_abort(u);
        *done += LM_STEP;
    }
    return rc;
}

static int put_last(struct lm_use *u, const struct ae_cache_key *k,
                    struct lm_rec *r, uint32_t done)
{
    char key[LM_EXP_N];
    int  rc = lm_write_begin(u);

    if (rc)
        return rc;
    if (done == 0) {
        rc = prepare(u, k, r);
    } else {
        lm_exp_key(key, r->f.keep_until_us, LM_EXP_BODY, &r->f.body_id, 8);
        rc = lm_rc(u, del(u, u->env->exp, key, LM_EXP_N));
    }
    if (rc == AE_OK)
        rc = lm_rc(u, put_chunks(u, r, done, chunk_count(r)));
    if (rc == AE_OK)
        rc = lm_rc(u, put_head(u, k, r));
    /* Last look before it is visible; look-ups compare once more. */
    if (rc == AE_OK && tags_moved(u, r))
        rc = AE_E_STATE;
    if (rc == AE_OK)
        return lm_write_commit(u);
    lm_write_abort(u);
    return rc;
}

int lm_put(struct lm_store *s, const struct ae_cache_key *k,
           struct lm_rec *r)
{
    struct lm_use u;
    uint32_t      done = 0;
    int           rc = lm_write_lock(s, &u, 0);

    if (rc)
        return rc;
    if (tags_moved(&u, r)) {
        lm_write_unlock(&u);
        return AE_E_STATE;
    }
    if (!lm_rec_inline(r))
        r->f.body_id = atomic_fetch_add(&u.dir->head->body, 1) + 1;
    rc = put_steps(&u, k, r, &done);
    if (rc == AE_OK)
        rc = put_last(&u, k, r, done);
    lm_write_unlock(&u);
    return rc;
}
