/*
 * keep.c - an answer on its way into the store (T10).  Up to AE_SMALL bytes
 * it is collected, judged as a whole and put at once; beyond, it is judged by
 * its first bytes and written on as it comes, so that a list of 200 MB takes
 * no more memory than one of 1 MB.
 */
#include "edge/share.h"

/* ---- how long ----------------------------------------------------------- */

int64_t ae_keep_ttl_us(const ae_txn *t)
{
    const struct ae_op *op = t->tgt.op;
    int64_t ms;

    if (op->cache == AE_CC_LOGIN)
        ms = t->loc->ttl_settings_ms;
    else if (ae_starts(ae_cs(op->resource), AE_STR("application")))
        ms = t->loc->ttl_applications_ms;
    else
        ms = t->loc->ttl_objects_ms;
    return ms > 0 ? ms * 1000 : 0;
}

static int64_t within_token(const struct ae_identity *id, int64_t until)
{
    if (id && id->has_exp && id->exp > 0 && id->exp < until / 1000000)
        until = id->exp * 1000000;
    return until;
}

/* R24: nothing outlives the token that it was fetched with.  Counted from
 * the moment the question was asked, when the answer was at its freshest. */
static int64_t fresh_until(const ae_txn *t)
{
    int64_t ttl = ae_keep_ttl_us(t), until;

    /* Not longer than the upstream itself grants (RFC 9111 section 4.2). */
    if (t->max_age_s >= 0 && t->max_age_s * 1000000 < ttl)
        ttl = t->max_age_s * 1000000;
    until = t->wall_us + ae_edge_jitter(t->e, ttl);
    return within_token(t->id, until);
}

int64_t ae_answer_fresh(ae_txn *t, const struct ae_identity *id)
{
    return within_token(id, t->wall_us + ae_edge_jitter(t->e,
                                                        ae_keep_ttl_us(t)));
}

/* RFC 5861, inside the same bound. */
static int64_t keep_until(const ae_txn *t, int64_t fresh)
{
    int64_t ms = t->loc->stale_revalidate_ms > t->loc->stale_error_ms
        ? t->loc->stale_revalidate_ms : t->loc->stale_error_ms;

    return ms > 0 ? within_token(t->id, fresh + ms * 1000) : fresh;
}

static ae_str scope_of(const ae_txn *t)
{
    if (t->rights && t->tgt.op->cache != AE_CC_LOGIN)
        return ae_s((const char *)t->rights->scope, sizeof t->rights->scope);
    return AE_STR("login");
}

/* ---- both ways ---------------------------------------------------------- */

static bool is_shared(const ae_txn *t, const struct ae_cache_key *key)
{
    return t->shared && key == &t->key;
}

/* Whoever may have it may know by its validator that it is the same. */
static ae_str etag_scope(const ae_txn *t, const struct ae_cache_key *key)
{
    if (is_shared(t, key))
        return ae_s(t->rights->shared, sizeof t->rights->shared);
    return scope_of(t);
}

static ae_str owner_of(const ae_txn *t, const struct ae_cache_key *key)
{
    if (is_shared(t, key))
        return AE_STR(AE_OWNER_SHARED);
    return t->id && t->tgt.op->cache != AE_CC_LOGIN ? t->id->user
                                                    : ae_s(NULL, 0);
}

static void begin(ae_txn *t, const struct ae_object *o,
                  const struct ae_cache_key *key, struct ae_entry *en)
{
    *en = (struct ae_entry){
        .status = t->resp_status,
        .ctype = t->resp_ctype,
        .project = o->project,
        .ns = o->ns,
        .name = o->name,
        .owner = owner_of(t, key),
        .stored_us = t->wall_us,
        .fresh_until_us = fresh_until(t),
    };
    en->keep_until_us = keep_until(t, en->fresh_until_us);
}

static struct ae_etag *etag_begin(ae_txn *t, ae_str scope)
{
    ae_store *s = ae_edge_store(t->e);

    return ae_etag_begin(&t->a, s->ops->secret(s), scope);
}

static ae_str etag_end(ae_txn *t, struct ae_etag *e)
{
    char *out = ae_alloc(&t->a, AE_ETAG_LEN);

    if (!out)
        return ae_s(NULL, 0);
    ae_etag_end(e, out);
    return ae_s(out, AE_ETAG_LEN);
}

ae_str ae_answer_etag(ae_txn *t, ae_str body, ae_str scope)
{
    struct ae_etag *e = etag_begin(t, scope);

    if (!e)
        return ae_s(NULL, 0);
    ae_etag_feed(e, body);
    return etag_end(t, e);
}

static const char *outcome(int rc)
{
    switch (rc) {
    case AE_OK: return NULL;
    case AE_E_STATE: return "overtaken";
    case AE_E_BUSY: return "busy";
    case AE_E_FULL: return "full";
    case AE_E_TOOBIG: return "too big";
    case AE_E_NOTFOUND: return "first miss";
    default: return "error";
    }
}

/* What must be known of the object before it is kept. */
static const char *learn(ae_txn *t, ae_str body, struct ae_object *o)
{
    *o = (struct ae_object){ .known = true };
    if (t->tgt.op->cache == AE_CC_OBJECT) {
        ae_learn_object(t, body, o);
        if (!o->known)
            return "project unknown";
        if (ae_eq(ae_cs(t->tgt.op->name), AE_STR("ApplicationService_Get")))
            ae_learn_hint(t, o);
    }
    /* The arena ran dry on the way: the object may be half read (F8). */
    if (t->a.failed)
        return "memory";
    if (ae_quar_holds(t->e, t->tags, t->ntags))
        return "quarantine";
    return NULL;
}

/* ---- small -------------------------------------------------------------- */

/* gzip, which all can read, and what who asked would rather have. */
static void compress(ae_txn *t, struct ae_entry *en)
{
    enum ae_coding best = ae_coding_first(ae_coding_wants(
        t->req->hdr[AE_H_ACCEPT_ENCODING]));

    if (en->body.n > AE_SMALL && best == AE_CODING_NONE)
        return;
    en->gzip = ae_coding_once(&t->a, AE_CODING_GZIP, en->body);
    if (best == AE_CODING_NONE || best == AE_CODING_GZIP)
        return;
    en->coding = best;
    en->other = ae_coding_once(&t->a, best, en->body);
}

static const char *put(ae_txn *t, const struct ae_object *o, ae_str body)
{
    ae_store *s = ae_edge_store(t->e);
    const struct ae_cache_key *key;
    struct ae_cache_key room;
    struct ae_entry en;
    int rc;

    begin(t, o, &t->key, &en);
    if (en.fresh_until_us <= ae_edge_wall(t->e))
        return "expired";
    en.body = body;
    key = ae_list_key(t, body, &room);
    if (key == &t->key)
        key = ae_share_key(t, o, body);
    if (!key)
        return "memory";
    en.owner = owner_of(t, key);
    if (t->loc->gzip == 1 && key != &room)
        compress(t, &en);
    en.etag = ae_answer_etag(t, body, etag_scope(t, key));
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->put(s, key, &en, t->tags, t->ntags, t->gen, scope_of(t));
    ae_unlock(t->e, &t->e->store_lock);
    if (rc == AE_OK)
        ae_list_stored(t, &en);
    return outcome(rc);
}

const char *ae_keep_whole(ae_txn *t, ae_str body)
{
    const char *why = ae_cache_admit_body(body);
    struct ae_object o;

    if (!why)
        why = learn(t, body, &o);
    return why ? why : put(t, &o, body);
}

/* ---- large -------------------------------------------------------------- */

struct ae_keep {
    ae_txn          *t;
    struct ae_track  track;
    struct ae_entry  en;
    struct ae_etag  *tag;
    ae_coder        *coder;
    ae_stream       *w;
    bool             coded; /* the compressed body is whole so far */
    int              rc;
};

static void put_coded(void *ctx, ae_str part)
{
    struct ae_keep *k = ctx;
    ae_store *s = ae_edge_store(k->t->e);

    /* Without it the plain one is still worth having. */
    if (k->coded && s->ops->write(k->w, true, part) != AE_OK)
        k->coded = false;
}

static bool feed(struct ae_keep *k, ae_str part)
{
    ae_store *s = ae_edge_store(k->t->e);

    ae_track_feed(&k->track, part);
    if (k->tag)
        ae_etag_feed(k->tag, part);
    if (k->coded && !ae_coder_feed(k->coder, part, false))
        k->coded = false;
    k->rc = k->track.bad ? AE_E_SYNTAX : s->ops->write(k->w, false, part);
    return k->rc == AE_OK;
}

static void drop(struct ae_keep *k)
{
    ae_store *s = ae_edge_store(k->t->e);

    ae_coder_free(k->coder);
    k->coder = NULL;
    if (k->w)
        s->ops->abort(k->w);
    k->w = NULL;
}

static const char *open_keep(ae_txn *t, ae_str start, struct ae_keep *k)
{
    ae_store *s = ae_edge_store(t->e);
    const char *why = ae_cache_admit_start(start);
    const struct ae_cache_key *key;
    struct ae_object o;

    if (!why)
        why = learn(t, start, &o);
    if (why)
        return why;
    key = ae_share_key(t, &o, ae_s(NULL, 0));
    if (!key)
        return "memory";
    begin(t, &o, key, &k->en);
    k->t = t;
    k->tag = etag_begin(t, etag_scope(t, key));
    ae_track_init(&k->track);
    why = outcome(s->ops->open(s, key, &k->en, t->tags, t->ntags, t->gen,
                               scope_of(t), &k->w));
    if (why)
        return why;
    k->en.coding = ae_coding_first(ae_coding_wants(
        t->req->hdr[AE_H_ACCEPT_ENCODING]));
    if (t->loc->gzip == 1)
        k->coder = ae_coder_new(k->en.coding, put_coded, k);
    k->coded = k->coder != NULL;
    return NULL;
}

static const char *why_not(const struct ae_keep *k)
{
    return k->rc == AE_E_SYNTAX ? "not-json" : outcome(k->rc);
}

/* From the collected start on. */
static bool go_large(ae_txn *t)
{
    ae_str start = ae_collect_join(&t->resp);
    struct ae_keep *k = ae_zalloc(&t->a, sizeof *k);

    t->keep_why = start.p && k ? open_keep(t, start, k) : "memory";
    if (t->keep_why)
        return false;
    t->keep = k;
    if (feed(k, start))
        return true;
    t->keep_why = why_not(k);
    return false;
}

/* A full copy of a list is kept in memory anyway, and made of the whole; a
 * list for others is looked through before. */
void ae_keep_begin(ae_txn *t)
{
    t->small = ae_list_full(t) ? AE_COPY_MAX
        : ae_share_list(t) ? AE_SHARE_MAX : AE_SMALL;
}

/* As much of |part| as still belongs to the start. */
static bool fill_start(struct ae_collect *c, size_t most, ae_str *part)
{
    size_t n = part->n < most - c->n ? part->n : most - c->n;

    if (!ae_collect_put(c, ae_sub(*part, 0, n)))
        return false;
    *part = ae_sub(*part, n, part->n);
    return true;
}

bool ae_keep_part(ae_txn *t, ae_str part)
{
    struct ae_collect *c = &t->resp;

    if (!c->bad && (part.n > c->max - c->n
                    || (c->length >= 0
                        && part.n > (uint64_t)c->length - c->n)))
        c->bad = true;
    if (!c->bad && !t->keep && fill_start(c, t->small, &part) && part.n)
        c->bad = !go_large(t);
    if (!c->bad && part.n) {
        c->bad = !feed(t->keep, part);
        if (c->bad)
            t->keep_why = why_not(t->keep);
        c->n += part.n;
    }
    if (c->bad && t->keep)
        drop(t->keep);
    return !c->bad;
}

const char *ae_keep_end(ae_txn *t)
{
    struct ae_keep *k = t->keep;
    ae_store *s = ae_edge_store(t->e);
    ae_stream *w = k->w;

    if (!ae_track_whole(&k->track))
        return "not-json";
    if (k->en.fresh_until_us <= ae_edge_wall(t->e))
        return "expired";
    if (k->coded && !ae_coder_feed(k->coder, ae_s("", 0), true))
        k->coded = false;
    if (k->tag)
        k->en.etag = etag_end(t, k->tag);
    if (t->a.failed)
        return "memory";
    k->w = NULL; /* ended either way */
    return outcome(s->ops->commit(w, &k->en, k->coded));
}

void ae_keep_free(ae_txn *t)
{
    if (t->keep)
        drop(t->keep);
    t->keep = NULL;
}
