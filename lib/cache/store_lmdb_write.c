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

/* Somebody may be reading a large body in pieces: it stays for a while.  And
 * what is too much for one short transaction the collector finishes. */
static int let_go(struct lm_use *u, const struct lm_rec *r, uint64_t id,
                  uint64_t length)
{
    bool more = false;
    int  rc;

    if (!id)
        return 0;
    if (length > AE_APART)
        return lm_announce(u, id, ae_cache_wall_us(u->s->c.host)
                                  + LM_GRACE_US, true);
    rc = lm_del_body(u, id, &more);
    return rc || !more ? rc : lm_announce(u, id, r->f.stored_us, true);
}

static int del_parts(struct lm_use *u, const unsigned char hash[32],
                     const struct lm_rec *r)
{
    char     key[LM_EXP_N];
    uint64_t bytes;
    int      rc;

    lm_exp_key(key, r->f.keep_until_us, LM_EXP_HEAD, hash, 32);
    rc = del(u, u->env->exp, key, LM_EXP_N);
    for (uint32_t i = 0; !rc && i < r->f.ntags; i++) {
        tag_key(key, r->tag[i].hash, hash);
        rc = del(u, u->env->tag, key, 40);
    }
    if (!rc)
        rc = let_go(u, r, r->f.body_id, r->f.body_len);
    if (!rc)
        rc = let_go(u, r, r->f.gzip_id, r->f.gzip_len);
    if (!rc)
        rc = let_go(u, r, r->f.other_id, r->f.other_len);
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

int lm_put_piece(struct lm_use *u, uint64_t id, uint32_t n, ae_str piece)
{
    char     key[12];
    MDB_val  k = val(key, sizeof(key)), v = val(NULL, piece.n + LM_SUM);
    uint64_t sum = lm_piece_sum(id, n, piece);
    int      rc;

    lm_chunk_key(key, id, n);
    rc = mdb_put(u->txn, u->env->chunk, &k, &v, MDB_APPEND | MDB_RESERVE);
    if (rc == MDB_KEYEXIST) /* ids grow, but two writers may interleave */
        rc = mdb_put(u->txn, u->env->chunk, &k, &v, MDB_RESERVE);
    if (rc)
        return rc;
    memcpy(v.mv_data, &sum, LM_SUM);
    memcpy((char *)v.mv_data + LM_SUM, piece.p, piece.n);
    return 0;
}

static uint32_t pieces_of(uint64_t id, ae_str body)
{
    return id ? (uint32_t)((body.n + LM_PIECE - 1) / LM_PIECE) : 0;
}

/* Pieces |from| to |to|, counted through all bodies. */
static int put_pieces(struct lm_use *u, const struct lm_rec *r,
                      uint32_t from, uint32_t to)
{
    const struct { uint64_t id; ae_str body; } part[] = {
        { r->f.body_id, r->body }, { r->f.gzip_id, r->gzip },
        { r->f.other_id, r->other },
    };
    uint32_t at = 0;
    int      rc = 0;

    for (int p = 0; p < 3; p++) {
        uint32_t n = pieces_of(part[p].id, part[p].body);

        for (uint32_t k = from > at ? from - at : 0;
             !rc && k < n && at + k < to; k++)
            rc = lm_put_piece(u, part[p].id, k,
                              ae_sub(part[p].body, (size_t)k * LM_PIECE,
                                     LM_PIECE));
        at += n;
    }
    return rc;
}

int lm_announce(struct lm_use *u, uint64_t id, int64_t at, bool set)
{
    char    key[LM_EXP_N];
    MDB_val k = val(key, LM_EXP_N), none = val("", 0);

    if (!id)
        return 0;
    lm_exp_key(key, at, LM_EXP_BODY, &id, 8);
    return set ? mdb_put(u->txn, u->env->exp, &k, &none, 0)
               : del(u, u->env->exp, key, LM_EXP_N);
}

/* What comes before the new entry: the old one goes, so do two of the expired
 * (at any rate of stores the backlog shrinks), and the share is checked. */
int lm_prepare(struct lm_use *u, const struct ae_cache_key *k,
               const struct lm_rec *r)
{
    uint64_t bytes;
    int      rc = k ? lm_del(u, k->hash) : 0;

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

int lm_put_head(struct lm_use *u, const struct ae_cache_key *k,
                struct lm_rec *r)
{
    MDB_val kv = val(k->hash, 32), v;
    int     rc = put_index(u, k, r);

    v = val(NULL, lm_rec_size(r));
    if (!rc)
        rc = mdb_put(u->txn, u->env->obj, &kv, &v, MDB_RESERVE);
    if (!rc)
        lm_rec_pack(r, v.mv_data);
    return rc;
}

bool lm_tags_moved(const struct lm_use *u, const struct lm_rec *r)
{
    return !ae_tags_current(&u->dir->gens, u->env->number, r->tag,
                            r->f.ntags, NULL, 0);
}

static int announce_all(struct lm_use *u, const struct lm_rec *r, bool set)
{
    int rc = lm_announce(u, r->f.body_id, r->f.keep_until_us, set);

    if (!rc)
        rc = lm_announce(u, r->f.gzip_id, r->f.keep_until_us, set);
    return rc ? rc : lm_announce(u, r->f.other_id, r->f.keep_until_us, set);
}

/* Pieces of a large body, all but the last LM_STEP, a step a transaction. */
static int put_steps(struct lm_use *u, const struct ae_cache_key *k,
                     const struct lm_rec *r, uint32_t n, uint32_t *done)
{
    int rc = AE_OK;

    while (rc == AE_OK && n - *done > LM_STEP) {
        rc = lm_write_begin(u);
        if (rc == AE_OK && *done == 0) {
            rc = lm_prepare(u, k, r);
            if (rc == AE_OK)
                rc = lm_rc(u, announce_all(u, r, true));
        }
        if (rc == AE_OK)
            rc = lm_rc(u, put_pieces(u, r, *done, *done + LM_STEP));
        rc = lm_write_end(u, rc);
        *done += LM_STEP;
    }
    return rc;
}

static int put_last(struct lm_use *u, const struct ae_cache_key *k,
                    struct lm_rec *r, uint32_t n, uint32_t done)
{
    int rc = lm_write_begin(u);

    if (rc)
        return rc;
    if (done == 0)
        rc = lm_prepare(u, k, r);
    else
        rc = lm_rc(u, announce_all(u, r, false));
    if (rc == AE_OK)
        rc = lm_rc(u, put_pieces(u, r, done, n));
    if (rc == AE_OK)
        rc = lm_rc(u, lm_put_head(u, k, r));
    /* Last look before it is visible; look-ups compare once more. */
    if (rc == AE_OK && lm_tags_moved(u, r))
        rc = AE_E_STATE;
    return lm_write_end(u, rc);
}

int lm_put(struct lm_store *s, const struct ae_cache_key *k,
           struct lm_rec *r)
{
    struct lm_use u;
    uint32_t      done = 0, n = pieces_of(r->f.body_id, r->body)
                              + pieces_of(r->f.gzip_id, r->gzip)
                              + pieces_of(r->f.other_id, r->other);
    int           rc = lm_write_lock(s, &u, 0);

    if (rc)
        return rc;
    if (lm_tags_moved(&u, r)) {
        lm_write_unlock(&u);
        return AE_E_STATE;
    }
    rc = put_steps(&u, k, r, n, &done);
    if (rc == AE_OK)
        rc = put_last(&u, k, r, n, done);
    lm_write_unlock(&u);
    return rc;
}
