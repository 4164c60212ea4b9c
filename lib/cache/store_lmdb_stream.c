/*
 * store_lmdb_stream.c - a large answer on its way into the store: pieces in
 * small transactions under fresh ids while it arrives, the head last.  Until
 * then nobody sees it, and if its writer dies the collector finds the ids.
 *
 * A transaction needs the writer lock, which is tried and not waited for: what
 * cannot be written now is kept for the next try, up to a bound.
 */
#include "cache/store_lmdb.h"

#include <stdlib.h>

enum {
    STEP = LM_STEP * LM_PIECE,    /* written when so much has come */
    MOST = 4 * STEP,              /* of one body in memory, lock or not */
    LAST_WAIT_MS = 5
};

struct part {                     /* one of the two bodies */
    uint64_t id, length;          /* length: written and waiting */
    uint32_t n;                   /* pieces written */
    char    *buf;
    size_t   have, cap;
};

struct ae_stream {
    struct lm_store    *s;
    struct ae_cache_key k;
    struct lm_rec       r;        /* spans of the key only */
    uint64_t            era;
    struct part         p[2];     /* plain, compressed */
    bool                begun;
};

static void stream_free(ae_stream *w)
{
    for (int i = 0; i < 2; i++)
        free(w->p[i].buf);
    free(w);
}

int lm_stream_open(ae_store *st, const struct ae_cache_key *k,
                   const struct ae_entry *e, const ae_str *tags, size_t ntags,
                   const uint64_t *gen, ae_str scope, ae_stream **out)
{
    struct lm_store *s = (struct lm_store *)st;
    ae_stream       *w;
    struct lm_rec    r;
    struct lm_dir   *d;
    int              rc = lm_fill(s, k, e, tags, ntags, gen, scope, &r);

    *out = NULL;
    if (rc)
        return rc;
    w = calloc(1, sizeof(*w) + k->full.n);
    if (!w)
        return AE_E_NOMEM;
    w->s = s;
    w->k = *k;
    w->k.full = ae_s(memcpy((char *)(w + 1), k->full.p, k->full.n),
                     k->full.n);
    w->r = r;
    pthread_mutex_lock(&s->lock);
    d = s->dir;
    w->era = s->env ? s->env->number : 0;
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < 2; i++)
        w->p[i].id = atomic_fetch_add(&d->head->body, 1) + 1;
    *out = w;
    return AE_OK;
}

/* The first transaction: leave word for the collector.  The old entry stays
 * until there is a new one. */
static int begin(ae_stream *w, struct lm_use *u)
{
    int rc = lm_prepare(u, NULL, &w->r);

    for (int i = 0; i < 2 && rc == AE_OK; i++)
        rc = lm_rc(u, lm_announce(u, w->p[i].id, w->r.f.keep_until_us, true));
    return rc;
}

static int put_pieces(struct lm_use *u, struct part *p, bool all, size_t *used)
{
    int rc = 0;

    while (!rc && *used < p->have
           && (all || p->have - *used >= LM_PIECE)) {
        size_t n = p->have - *used < LM_PIECE ? p->have - *used : LM_PIECE;

        rc = lm_put_piece(u, p->id, p->n, ae_s(p->buf + *used, n));
        *used += n;
        p->n++;
    }
    return lm_rc(u, rc);
}

/* One transaction of |p|; two batches of what has expired go with it, so that
 * large bodies that follow each other do not fill the map. */
static int step(ae_stream *w, struct part *p)
{
    struct lm_use u;
    size_t        used = 0;
    uint32_t      before = p->n;
    int           rc = lm_write_lock(w->s, &u, 0);

    if (rc)
        return rc;
    rc = u.env->number != w->era || lm_tags_moved(&u, &w->r) ? AE_E_STATE
                                                             : AE_OK;
    if (rc == AE_OK)
        rc = lm_write_begin(&u);
    if (rc == AE_OK && !w->begun)
        rc = begin(w, &u);
    for (int i = 0; i < 2 && rc == AE_OK; i++) {
        rc = lm_rc(&u, lm_evict_one(&u, w->r.f.stored_us));
        if (rc == AE_E_NOTFOUND) {
            rc = AE_OK;
            break;
        }
    }
    if (rc == AE_OK)
        rc = put_pieces(&u, p, false, &used);
    rc = lm_write_end(&u, rc);
    lm_write_unlock(&u);
    if (rc) {
        p->n = before;
        return rc;
    }
    w->begun = true;
    p->have -= used;
    memmove(p->buf, p->buf + used, p->have);
    return AE_OK;
}

static bool grow(struct part *p, size_t more)
{
    size_t cap = p->cap ? p->cap : STEP + 65536;
    char  *buf;

    if (more > MOST || p->have > MOST - more)
        return false;
    while (cap < p->have + more)
        cap *= 2;
    if (cap == p->cap)
        return true;
    buf = realloc(p->buf, cap);
    if (!buf)
        return false;
    p->buf = buf;
    p->cap = cap;
    return true;
}

int lm_stream_write(ae_stream *w, bool coded, ae_str part)
{
    struct part *p = &w->p[coded];

    if (p->length + part.n > w->s->c.max_object)
        return AE_E_TOOBIG;
    while (part.n) {
        size_t n = part.n < STEP ? part.n : STEP;
        int    rc;

        if (!grow(p, n))
            return AE_E_BUSY;
        memcpy(p->buf + p->have, part.p, n);
        p->have += n;
        p->length += n;
        part = ae_sub(part, n, part.n);
        if (p->have < STEP)
            continue;
        rc = step(w, p);
        if (rc && rc != AE_E_BUSY)
            return rc;
    }
    return AE_OK;
}

/* Once its time has come the collector may have begun with a body. */
static int take_back(struct lm_use *u, uint64_t id, int64_t at)
{
    char    key[LM_EXP_N];
    MDB_val k = { LM_EXP_N, key };

    lm_exp_key(key, at, LM_EXP_BODY, &id, 8);
    return lm_rc(u, mdb_del(u->txn, u->env->exp, &k, NULL));
}

/* The head names what is there now. */
static int finish(ae_stream *w, struct lm_use *u, bool coded)
{
    int rc = AE_OK;

    for (int i = 0; i < 1 + coded && rc == AE_OK; i++) {
        size_t used = 0;

        if (w->begun)
            rc = take_back(u, w->p[i].id, w->r.f.keep_until_us);
        if (rc == AE_OK)
            rc = put_pieces(u, &w->p[i], true, &used);
    }
    if (rc == AE_OK)
        rc = lm_prepare(u, &w->k, &w->r);
    if (rc == AE_OK)
        rc = lm_rc(u, lm_put_head(u, &w->k, &w->r));
    if (rc == AE_E_NOTFOUND || (rc == AE_OK && lm_tags_moved(u, &w->r)))
        rc = AE_E_STATE;
    return rc;
}

static int last(ae_stream *w, bool coded)
{
    struct lm_use u;
    int           rc;

    /* All before in steps, so that the last one is as short as they are. */
    for (int i = 0; i < 2; i++)
        while (w->p[i].have >= STEP && (i == 0 || coded))
            if ((rc = step(w, &w->p[i])) != AE_OK)
                return rc;
    rc = lm_write_lock(w->s, &u, LAST_WAIT_MS);
    if (rc)
        return rc;
    rc = u.env->number != w->era ? AE_E_STATE : lm_write_begin(&u);
    if (rc == AE_OK)
        rc = finish(w, &u, coded);
    rc = lm_write_end(&u, rc);
    lm_write_unlock(&u);
    return rc;
}

/* What is known only now; the announced time stays, so that it is found. */
static void complete(ae_stream *w, const struct ae_entry *e, bool coded)
{
    struct lm_rec *r = &w->r;

    lm_rec_texts(r, &w->k, e);
    r->body = r->gzip = r->other = ae_s(NULL, 0);
    r->f.body_id = w->p[0].id;
    r->f.body_len = w->p[0].length;
    r->f.charge = 1024 + w->p[0].length + (coded ? w->p[1].length : 0);
    if (coded && e->coding == AE_CODING_GZIP) {
        r->f.gzip_id = w->p[1].id;
        r->f.gzip_len = w->p[1].length;
    } else if (coded) {
        r->f.other_id = w->p[1].id;
        r->f.other_len = w->p[1].length;
        r->f.coding = e->coding;
    }
}

/* Let the collector have them at once; if nobody can say so now, at the end
 * of what would have been their life. */
static void disown(ae_stream *w)
{
    struct lm_use u;
    int           rc = AE_OK;

    if (!w->begun || lm_write_lock(w->s, &u, 0) != AE_OK)
        return;
    if (u.env->number == w->era && lm_write_begin(&u) == AE_OK) {
        for (int i = 0; i < 2 && rc == AE_OK; i++) {
            rc = take_back(&u, w->p[i].id, w->r.f.keep_until_us);
            if (rc == AE_OK)
                rc = lm_rc(&u, lm_announce(&u, w->p[i].id, 0, true));
        }
        lm_write_end(&u, rc);
    }
    lm_write_unlock(&u);
}

int lm_stream_commit(ae_stream *w, const struct ae_entry *e, bool coded)
{
    struct lm_store *s = w->s;
    int              rc;

    coded = coded && w->p[1].length > 0;
    complete(w, e, coded);
    rc = lm_rec_size(&w->r) > LM_CHUNK ? AE_E_TOOBIG : last(w, coded);
    lm_count_put(s, rc);
    if (rc)
        disown(w);
    stream_free(w);
    return rc;
}

void lm_stream_abort(ae_stream *w)
{
    disown(w);
    stream_free(w);
}
