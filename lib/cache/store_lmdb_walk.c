/*
 * store_lmdb_walk.c - all entries, for people: in batches, since a long walk
 * in one transaction would pin pages.
 */
#include "cache/store_lmdb.h"

#include <stdlib.h>

struct walk {
    bool        (*fn)(void *ctx, ae_str full, const struct ae_entry *head,
                      size_t body_len);
    void         *ctx;
    bool        (*match)(void *ctx, const struct ae_entry *head);
    unsigned char last[32];
    bool          some, stop;
    unsigned char hash[LM_BATCH][32]; /* of what |match| has picked */
    int           n;
};

static void visit(struct walk *w, const struct lm_rec *r)
{
    struct ae_entry e;

    memset(&e, 0, sizeof(e));
    lm_rec_entry(r, &e);
    e.body = ae_s(NULL, 0);
    if (w->fn)
        w->stop = !w->fn(w->ctx, r->full, &e, (size_t)r->f.body_len);
    else if (w->match(w->ctx, &e))
        memcpy(w->hash[w->n++], w->last, 32);
}

static int walk_batch(struct lm_use *u, struct walk *w, char *buf)
{
    MDB_cursor *c;
    MDB_val     k = { 32, w->last }, v;
    int         n = 0, rc = mdb_cursor_open(u->txn, u->env->obj, &c);

    if (rc)
        return rc;
    rc = mdb_cursor_get(c, &k, &v, w->some ? MDB_SET_RANGE : MDB_FIRST);
    if (rc == 0 && w->some && memcmp(k.mv_data, w->last, 32) == 0)
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    while (rc == 0 && !w->stop && n < LM_BATCH) {
        struct lm_rec r;

        if (k.mv_size != 32) { /* the name of another database */
            rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
            continue;
        }
        if (v.mv_size > LM_CHUNK) {
            rc = MDB_CORRUPTED;
            break;
        }
        n++;
        memcpy(w->last, k.mv_data, 32);
        w->some = true;
        memcpy(buf, v.mv_data, v.mv_size);
        if (lm_rec_parse(ae_s(buf, v.mv_size), &r) == AE_OK)
            visit(w, &r);
        rc = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    return rc;
}

int lm_walk(ae_store *st, bool (*fn)(void *ctx, ae_str full_key,
            const struct ae_entry *head, size_t body_len), void *ctx)
{
    struct lm_store *s = (struct lm_store *)st;
    struct walk      w;
    struct lm_use    u;
    char            *buf = malloc(LM_CHUNK);
    int              rc = buf ? AE_OK : AE_E_NOMEM;

    memset(&w, 0, sizeof(w));
    w.fn = fn;
    w.ctx = ctx;
    while (rc == AE_OK && !w.stop) {
        rc = lm_read_begin(s, &u);
        if (rc)
            break;
        rc = lm_rc(&u, walk_batch(&u, &w, buf));
        lm_read_end(&u, NULL);
    }
    free(buf);
    return rc == AE_E_NOTFOUND ? AE_OK : rc;
}

static int drop_batch(struct lm_store *s, const struct walk *w)
{
    struct lm_use u;
    int           rc = lm_write_lock(s, &u, LM_WAIT_MS);

    if (rc)
        return rc;
    rc = lm_write_begin(&u);
    for (int i = 0; i < w->n && rc == AE_OK; i++) {
        rc = lm_rc(&u, lm_del(&u, w->hash[i]));
        if (rc == AE_E_NOTFOUND) /* gone meanwhile */
            rc = AE_OK;
    }
    rc = lm_write_end(&u, rc);
    lm_write_unlock(&u);
    return rc;
}

/* AE_E_NOTFOUND: it was the last one. */
static int drop_some(struct lm_store *s, struct walk *w, char *buf,
                     int64_t *count)
{
    struct lm_use u;
    int           rc = lm_read_begin(s, &u), done;

    if (rc)
        return rc;
    w->n = 0;
    rc = lm_rc(&u, walk_batch(&u, w, buf));
    lm_read_end(&u, NULL);
    if (!w->n || (rc != AE_OK && rc != AE_E_NOTFOUND))
        return rc;
    done = drop_batch(s, w);
    *count += done == AE_OK ? w->n : 0;
    return done ? done : rc;
}

int64_t lm_drop(ae_store *st, bool (*match)(void *ctx,
                const struct ae_entry *head), void *ctx,
                struct ae_purge_at *at)
{
    struct lm_store *s = (struct lm_store *)st;
    struct walk     *w = calloc(1, sizeof(*w));
    char            *buf = malloc(LM_CHUNK);
    int64_t          count = 0;
    int              rc = s->c.read_only ? AE_E_STATE
                        : buf && w ? AE_OK : AE_E_NOMEM;

    if (w && at) {
        memcpy(w->last, at->last, sizeof(w->last));
        w->some = at->some;
    }
    if (w) {
        w->match = match;
        w->ctx = ctx;
    }
    while (rc == AE_OK) {
        rc = drop_some(s, w, buf, &count);
        if (at)
            break;
    }
    if (at && (rc == AE_OK || rc == AE_E_NOTFOUND)) {
        memcpy(at->last, w->last, sizeof(w->last));
        at->some = w->some;
        at->done = rc == AE_E_NOTFOUND;
    }
    free(buf);
    free(w);
    return rc == AE_E_NOTFOUND || rc == AE_OK ? count : rc;
}
