/*
 * store_lmdb_read.c - looking up, and reading large bodies in pieces.  The
 * copy is what gets checked and served, never the map itself, and no
 * transaction outlives the call: a slow client pins nothing.
 */
#include "cache/store_lmdb.h"

/* F20: the age by the clock that does not jump must fit as well; a negative
 * one is of another time namespace. */
static bool age_ok(const struct lm_fixed *f, int64_t until_us)
{
    int64_t age = lm_mono_us() - f->stored_mono;

    return age >= -1000000 && age <= until_us - f->stored_us + 1000000;
}

/* Piece |n| of a body to |to|: |want| bytes, or AE_E_NOTFOUND,
 * AE_E_CORRUPT. */
static int read_piece(struct lm_use *u, uint64_t id, uint32_t n, size_t want,
                      char *to)
{
    char     key[12];
    MDB_val  k = { sizeof(key), key }, v;
    uint64_t sum;
    int      rc;

    lm_chunk_key(key, id, n);
    rc = mdb_get(u->txn, u->env->chunk, &k, &v);
    if (rc)
        return lm_rc(u, rc);
    if (v.mv_size != want + LM_SUM)
        return AE_E_CORRUPT;
    memcpy(&sum, v.mv_data, LM_SUM);
    memcpy(to, (const char *)v.mv_data + LM_SUM, want);
    return sum == lm_piece_sum(id, n, ae_s(to, want)) ? AE_OK
                                                      : AE_E_CORRUPT;
}

static int read_body(struct lm_use *u, uint64_t id, uint64_t n, ae_arena *a,
                     ae_str *out)
{
    char *body;

    if (n > u->s->c.max_object)
        return AE_E_TOOBIG;
    body = ae_alloc(a, (size_t)n + 1);
    if (!body)
        return AE_E_NOMEM;
    for (uint64_t at = 0; at < n; at += LM_PIECE) {
        size_t want = n - at < LM_PIECE ? (size_t)(n - at) : LM_PIECE;
        int    rc = read_piece(u, id, (uint32_t)(at / LM_PIECE), want,
                               body + at);

        /* One transaction shows both or neither: a head without its body
         * is damage. */
        if (rc)
            return rc == AE_E_NOTFOUND ? AE_E_CORRUPT : rc;
    }
    body[n] = '\0';
    *out = ae_s(body, (size_t)n);
    return AE_OK;
}

static int look(struct lm_use *u, const struct ae_cache_key *k,
                const ae_str *tags, size_t ntags, int64_t now_us,
                ae_arena *a, struct lm_rec *r)
{
    MDB_val kv = { 32, (void *)(uintptr_t)k->hash }, v;
    int     rc = mdb_get(u->txn, u->env->obj, &kv, &v);
    char   *copy;

    if (rc)
        return lm_rc(u, rc);
    if (v.mv_size < sizeof(r->f) || v.mv_size > LM_CHUNK)
        return AE_E_CORRUPT;
    memcpy(&r->f, v.mv_data, sizeof(r->f));
    if (!ae_cache_fresh(r->f.stored_us, r->f.keep_until_us, now_us))
        return AE_E_NOTFOUND;
    copy = ae_alloc(a, v.mv_size + 1);
    if (!copy)
        return AE_E_NOMEM;
    memcpy(copy, v.mv_data, v.mv_size);
    copy[v.mv_size] = '\0';
    rc = lm_rec_parse(ae_s(copy, v.mv_size), r);
    if (rc)
        return rc;
    if (!ae_eq(r->full, k->full))
        return AE_E_CORRUPT; /* a swapped value (K13) */
    if (!age_ok(&r->f, r->f.keep_until_us)
        || !ae_tags_current(&u->dir->gens, u->env->number, r->tag,
                            r->f.ntags, tags, ntags))
        return AE_E_NOTFOUND;
    return AE_OK;
}

/* The body that is wanted: in the record, copied, or apart. */
static int body(struct lm_use *u, const struct lm_rec *r, unsigned want,
                ae_arena *a, struct ae_entry *out)
{
    out->coding = ae_cache_pick(want, r->f.gzip_len > 0,
                                (enum ae_coding)r->f.coding);
    out->id = r->f.body_id;
    out->length = r->f.body_len;
    out->body = r->body;
    if (out->coding == AE_CODING_GZIP) {
        out->id = r->f.gzip_id;
        out->length = r->f.gzip_len;
        out->body = r->gzip;
    } else if (out->coding) {
        out->id = r->f.other_id;
        out->length = r->f.other_len;
        out->body = r->other;
    }
    if (!out->id)
        return AE_OK;
    if ((want & AE_WANT_APART) && out->length > AE_APART) {
        out->apart = true;
        out->era = u->env->number;
        return AE_OK;
    }
    return read_body(u, out->id, out->length, a, &out->body);
}

static int found(struct lm_use *u, const struct lm_rec *r, unsigned want,
                 int64_t now_us, ae_arena *a, struct ae_entry *out)
{
    lm_rec_entry(r, out);
    out->fresh = now_us < r->f.fresh_until_us
        && (r->f.keep_until_us == r->f.fresh_until_us
            || age_ok(&r->f, r->f.fresh_until_us));
    return body(u, r, want, a, out);
}

int lm_find(ae_store *st, const struct ae_cache_key *k, const ae_str *tags,
            size_t ntags, int64_t now_us, unsigned want, ae_arena *a,
            struct ae_entry *out)
{
    struct lm_store *s = (struct lm_store *)st;
    struct lm_use    u;
    struct lm_rec    r;
    int              rc;

    memset(out, 0, sizeof(*out));
    rc = lm_read_begin(s, &u);
    if (rc == AE_OK) {
        rc = look(&u, k, tags, ntags, now_us, a, &r);
        if (rc == AE_OK)
            rc = found(&u, &r, want, now_us, a, out);
        if (rc == AE_E_CORRUPT) /* damage is never of one entry alone */
            lm_doubt(u.dir, u.env->number);
        lm_read_end(&u, rc == AE_OK ? &s->s.stat.hits : NULL);
    }
    if (rc == AE_OK)
        return 1;
    pthread_mutex_lock(&s->lock);
    s->s.stat.misses++;
    if (rc == AE_E_CORRUPT)
        s->s.stat.corrupt++;
    pthread_mutex_unlock(&s->lock);
    return rc == AE_E_NOTFOUND || rc == AE_E_AGAIN ? 0 : rc;
}

static int pieces(struct lm_use *u, const struct ae_entry *e, uint64_t from,
                  char *buf, size_t n, size_t *got)
{
    int rc = u->env->number == e->era ? AE_OK : AE_E_NOTFOUND;

    while (rc == AE_OK && from < e->length && n - *got >= LM_PIECE) {
        size_t want = e->length - from < LM_PIECE
            ? (size_t)(e->length - from) : LM_PIECE;

        rc = read_piece(u, e->id, (uint32_t)(from / LM_PIECE), want,
                        buf + *got);
        if (rc == AE_OK) {
            *got += want;
            from += want;
        }
    }
    return rc;
}

int64_t lm_read(ae_store *st, const struct ae_entry *e, uint64_t from,
                char *buf, size_t n)
{
    struct lm_use u;
    size_t        got = 0;
    int           rc;

    if (n < LM_PIECE || from % LM_PIECE || from > e->length)
        return AE_E_INVAL;
    rc = lm_read_begin((struct lm_store *)st, &u);
    if (rc)
        return rc;
    rc = pieces(&u, e, from, buf, n, &got);
    if (rc == AE_E_CORRUPT)
        lm_doubt(u.dir, u.env->number);
    lm_read_end(&u, NULL);
    return got ? (int64_t)got : rc;
}
