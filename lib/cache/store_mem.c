/*
 * store_mem.c - the store in memory, for tests and the command line: the
 * semantics of the LMDB store without sharing.  For one thread.
 */
#include "cache/internal.h"

#include <stdlib.h>
#include <sys/random.h>

enum { BUCKETS = 1024, GENS = 4096, CLAIMS = 256, ENTRY_COST = 512 };

struct item {
    struct item      *next;
    unsigned char     hash[32];
    struct ae_entry   e;          /* spans into text */
    struct ae_tag_gen tag[AE_CACHE_TAGS_MAX];
    size_t            ntags;
    uint64_t          scope, cost, sum, id;
    ae_str            full;
    size_t            text_n;
    char              text[];
};

struct mem {
    struct ae_store  s;
    struct ae_gens   gens;
    uint64_t         size, era, last_id;
    size_t           max_object;
    char             secret[32];
    struct item     *bucket[BUCKETS];
    struct ae_claims claims;
    _Atomic uint64_t counter[GENS], claim[CLAIMS];
    struct ae_use    use[AE_USES];
};

static struct item **bucket_of(struct mem *m, const unsigned char hash[32])
{
    return &m->bucket[(hash[0] | hash[1] << 8) % BUCKETS];
}

/* T15: over body, full key and expiry; all other spans come along. */
static uint64_t item_sum(const struct item *i)
{
    return ae_hash64(ae_s(i->text, i->text_n),
                     (uint64_t)i->e.fresh_until_us ^ i->full.n << 32);
}

static void item_drop(struct mem *m, struct item **at)
{
    struct item *i = *at;

    *at = i->next;
    m->s.stat.entries--;
    m->s.stat.bytes_used -= i->cost;
    free(i);
}

static struct item **find(struct mem *m, const struct ae_cache_key *k)
{
    struct item **at = bucket_of(m, k->hash);

    while (*at && memcmp((*at)->hash, k->hash, 32) != 0)
        at = &(*at)->next;
    return at;
}

static void mem_close(ae_store *s)
{
    struct mem *m = (struct mem *)s;

    for (size_t b = 0; b < BUCKETS; b++)
        while (m->bucket[b])
            item_drop(m, &m->bucket[b]);
    explicit_bzero(m->secret, sizeof(m->secret));
    free(m);
}

static int copy_out(const struct item *i, ae_arena *a, struct ae_entry *out)
{
    char *text = ae_alloc(a, i->text_n + 1);

    if (!text)
        return AE_E_NOMEM;
    memcpy(text, i->text, i->text_n);
    text[i->text_n] = '\0';
    *out = i->e;
    ae_str *const span[] = { &out->ctype, &out->project, &out->ns,
                             &out->name, &out->body, &out->etag,
                             &out->gzip, &out->other,
                             &out->owner };
    for (size_t n = 0; n < sizeof(span) / sizeof(span[0]); n++)
        if (span[n]->p)
            span[n]->p = text + (span[n]->p - i->text);
    return AE_OK;
}

static void choose(struct ae_entry *out, unsigned want, uint64_t id)
{
    out->coding = ae_cache_pick(want, out->gzip.n > 0, out->other.n
                                ? out->coding : AE_CODING_NONE);
    if (out->coding)
        out->body = out->coding == AE_CODING_GZIP ? out->gzip : out->other;
    out->gzip = out->other = ae_s(NULL, 0);
    out->length = out->body.n;
    out->id = id;
    out->apart = (want & AE_WANT_APART) && out->length > AE_APART;
    if (out->apart)
        out->body = ae_s(NULL, 0);
}

static int mem_look(struct mem *m, const struct ae_cache_key *k,
                    const ae_str *tags, size_t ntags, int64_t now_us,
                    unsigned want, ae_arena *a, struct ae_entry *out)
{
    struct item *i = *find(m, k);
    int          rc;

    if (!i)
        return 0;
    if (!ae_eq(i->full, k->full) || i->sum != item_sum(i))
        return AE_E_CORRUPT;
    if (!ae_cache_fresh(i->e.stored_us, ae_cache_keep(&i->e), now_us)
        || !ae_tags_current(&m->gens, m->era, i->tag, i->ntags, tags, ntags))
        return 0;
    rc = copy_out(i, a, out);
    out->fresh = now_us < i->e.fresh_until_us;
    choose(out, want, i->id);
    return rc ? rc : 1;
}

static int mem_find(ae_store *s, const struct ae_cache_key *k,
                    const ae_str *tags, size_t ntags, int64_t now_us,
                    unsigned want, ae_arena *a, struct ae_entry *out)
{
    int rc;

    memset(out, 0, sizeof(*out));
    rc = mem_look((struct mem *)s, k, tags, ntags, now_us, want, a, out);
    if (rc == 1)
        s->stat.hits++;
    else
        s->stat.misses++;
    if (rc == AE_E_CORRUPT)
        s->stat.corrupt++;
    return rc;
}

static int mem_get(ae_store *s, const struct ae_cache_key *k,
                   const ae_str *tags, size_t ntags, int64_t now_us,
                   ae_arena *a, struct ae_entry *out)
{
    return mem_find(s, k, tags, ntags, now_us, 0, a, out);
}

static int64_t mem_read(ae_store *s, const struct ae_entry *e, uint64_t from,
                        char *buf, size_t n)
{
    struct mem *m = (struct mem *)s;

    for (size_t b = 0; b < BUCKETS; b++)
        for (const struct item *i = m->bucket[b]; i; i = i->next)
            if (i->id == e->id) {
                ae_str all = e->coding == AE_CODING_GZIP ? i->e.gzip
                    : e->coding ? i->e.other : i->e.body;
                ae_str part = ae_sub(all, (size_t)from,
                                     n / AE_PIECE * AE_PIECE);

                memcpy(buf, part.p, part.n);
                return (int64_t)part.n;
            }
    return AE_E_NOTFOUND;
}

static int mem_generations(ae_store *s, const ae_str *tags, size_t n,
                           uint64_t *gen)
{
    struct mem *m = (struct mem *)s;

    for (size_t i = 0; i < n; i++)
        gen[i] = ae_tag_now(&m->gens, m->era, ae_tag_hash(&m->gens, tags[i]));
    return AE_OK;
}

static int mem_bump(ae_store *s, const ae_str *tags, size_t n)
{
    struct mem *m = (struct mem *)s;

    for (size_t i = 0; i < n; i++)
        ae_tag_bump(&m->gens, ae_tag_hash(&m->gens, tags[i]));
    return AE_OK;
}

static ae_str keep(struct item *i, ae_str s)
{
    char *p = i->text + i->text_n;

    if (!s.p)
        return s;
    if (s.n)
        memcpy(p, s.p, s.n);
    i->text_n += s.n;
    return ae_s(p, s.n);
}

static struct item *item_new(const struct ae_cache_key *k,
                             const struct ae_entry *e)
{
    size_t n = k->full.n + e->ctype.n + e->project.n + e->ns.n + e->name.n
        + e->body.n + e->gzip.n + e->other.n + e->etag.n + e->owner.n;
    struct item *i = calloc(1, sizeof(*i) + n);

    if (!i)
        return NULL;
    memcpy(i->hash, k->hash, 32);
    i->e = *e;
    i->full = keep(i, k->full);
    i->e.ctype = keep(i, e->ctype);
    i->e.project = keep(i, e->project);
    i->e.ns = keep(i, e->ns);
    i->e.name = keep(i, e->name);
    i->e.etag = keep(i, e->etag);
    i->e.owner = keep(i, e->owner);
    i->e.body = keep(i, e->body);
    i->e.gzip = keep(i, e->gzip);
    i->e.other = keep(i, e->other);
    i->sum = item_sum(i);
    i->cost = ENTRY_COST + n;
    return i;
}

static uint64_t scope_bytes(const struct mem *m, uint64_t scope)
{
    uint64_t n = 0;

    for (size_t b = 0; b < BUCKETS; b++)
        for (const struct item *i = m->bucket[b]; i; i = i->next)
            if (i->scope == scope)
                n += i->cost;
    return n;
}

/* Evict by expiry until |need| more bytes fit. */
static bool make_room(struct mem *m, uint64_t need)
{
    if (need > m->size)
        return false;
    while (m->s.stat.bytes_used > m->size - need) {
        struct item **first = NULL;

        for (size_t b = 0; b < BUCKETS; b++)
            for (struct item **at = &m->bucket[b]; *at; at = &(*at)->next)
                if (!first || ae_cache_keep(&(*at)->e)
                              < ae_cache_keep(&(*first)->e))
                    first = at;
        if (!first)
            return false;
        item_drop(m, first);
        m->s.stat.evicted++;
    }
    return true;
}

static int mem_put(ae_store *s, const struct ae_cache_key *k,
                   const struct ae_entry *e, const ae_str *tags, size_t ntags,
                   const uint64_t *gen, ae_str scope)
{
    struct mem  *m = (struct mem *)s;
    struct item *i, **at;

    if (ntags > AE_CACHE_TAGS_MAX)
        return AE_E_INVAL;
    if (e->body.n > m->max_object)
        return AE_E_TOOBIG;
    i = item_new(k, e);
    if (!i)
        return AE_E_NOMEM;
    i->id = ++m->last_id;
    i->scope = ae_hash64(scope, m->gens.seed);
    i->ntags = ntags;
    for (size_t t = 0; t < ntags; t++) {
        i->tag[t].hash = ae_tag_hash(&m->gens, tags[t]);
        i->tag[t].gen = gen[t];
    }
    if (!ae_tags_current(&m->gens, m->era, i->tag, ntags, NULL, 0)) {
        free(i);
        s->stat.drops_stale++;
        return AE_E_STATE;
    }
    at = find(m, k);
    if (*at)
        item_drop(m, at);
    if (scope_bytes(m, i->scope) + i->cost > ae_cache_share(m->size)
        || !make_room(m, i->cost)) {
        free(i);
        return AE_E_FULL;
    }
    at = bucket_of(m, k->hash);
    i->next = *at;
    *at = i;
    s->stat.entries++;
    s->stat.bytes_used += i->cost;
    s->stat.puts++;
    return AE_OK;
}

/* ---- streams: all in memory until the end ------------------------------ */

struct ae_stream {
    struct mem         *m;
    struct ae_cache_key k;
    ae_str              tags[AE_CACHE_TAGS_MAX], scope;
    size_t              ntags;
    uint64_t            gen[AE_CACHE_TAGS_MAX];
    ae_heap             heap;
    ae_arena            a;
    ae_buf              part[2];
};

static void mem_abort(ae_stream *w)
{
    ae_heap_free(&w->heap);
    free(w);
}

static int mem_open(ae_store *s, const struct ae_cache_key *k,
                    const struct ae_entry *e, const ae_str *tags,
                    size_t ntags, const uint64_t *gen, ae_str scope,
                    ae_stream **out)
{
    ae_stream *w = calloc(1, sizeof(*w));

    (void)e;
    *out = NULL;
    if (!w)
        return AE_E_NOMEM;
    w->m = (struct mem *)s;
    ae_arena_init(&w->a, ae_heap_mem(&w->heap), NULL, 0);
    w->k = *k;
    w->k.full = ae_dup(&w->a, k->full);
    w->scope = ae_dup(&w->a, scope);
    w->ntags = ntags < AE_CACHE_TAGS_MAX ? ntags : AE_CACHE_TAGS_MAX;
    for (size_t i = 0; i < w->ntags; i++) {
        w->tags[i] = ae_dup(&w->a, tags[i]);
        w->gen[i] = gen[i];
    }
    for (int i = 0; i < 2; i++)
        ae_buf_init(&w->part[i], &w->a, w->m->max_object);
    *out = w;
    return AE_OK;
}

static int mem_write(ae_stream *w, bool coded, ae_str part)
{
    ae_buf_put(&w->part[coded], part);
    return w->part[coded].bad ? AE_E_TOOBIG : AE_OK;
}

static int mem_commit(ae_stream *w, const struct ae_entry *e, bool coded)
{
    struct ae_entry all = *e;
    int             rc;

    all.body = ae_buf_str(&w->part[0]);
    if (coded && e->coding == AE_CODING_GZIP)
        all.gzip = ae_buf_str(&w->part[1]);
    else if (coded)
        all.other = ae_buf_str(&w->part[1]);
    rc = w->a.failed ? AE_E_NOMEM
        : mem_put(&w->m->s, &w->k, &all, w->tags, w->ntags, w->gen, w->scope);
    mem_abort(w);
    return rc;
}

/* ---- purge ------------------------------------------------------------- */

/* Drop what |doomed| names; returns how many. */
static int64_t sweep(struct mem *m, int64_t now_us, const uint64_t *tag)
{
    int64_t n = 0;

    for (size_t b = 0; b < BUCKETS; b++)
        for (struct item **at = &m->bucket[b]; *at;) {
            bool doomed = now_us >= ae_cache_keep(&(*at)->e);

            for (size_t t = 0; tag && t < (*at)->ntags; t++)
                doomed = doomed || (*at)->tag[t].hash == *tag;
            if (doomed) {
                item_drop(m, at);
                n++;
            } else {
                at = &(*at)->next;
            }
        }
    return n;
}

static void mem_tick(ae_store *s, int64_t now_us)
{
    s->stat.evicted += (uint64_t)sweep((struct mem *)s, now_us, NULL);
}

static int64_t mem_purge(ae_store *s, ae_str tag, struct ae_purge_at *at)
{
    struct mem *m = (struct mem *)s;
    uint64_t    h = ae_tag_hash(&m->gens, tag);

    if (at)
        at->done = true;

    if (tag.p) {
        ae_tag_bump(&m->gens, h);
        return sweep(m, INT64_MIN, &h);
    }
    m->era++;
    s->stat.wiped++;
    return sweep(m, INT64_MAX, NULL);
}

static int mem_walk(ae_store *s, bool (*fn)(void *ctx, ae_str full_key,
                    const struct ae_entry *head, size_t body_len), void *ctx)
{
    struct mem *m = (struct mem *)s;

    for (size_t b = 0; b < BUCKETS; b++)
        for (const struct item *i = m->bucket[b]; i; i = i->next) {
            struct ae_entry head = i->e;

            head.body = ae_s(NULL, 0);
            if (!fn(ctx, i->full, &head, i->e.body.n))
                return AE_OK;
        }
    return AE_OK;
}

static int64_t mem_drop(ae_store *s, bool (*match)(void *ctx,
                        const struct ae_entry *head), void *ctx,
                        struct ae_purge_at *how)
{
    struct mem *m = (struct mem *)s;
    int64_t     n = 0;

    if (how)
        how->done = true;

    for (size_t b = 0; b < BUCKETS; b++)
        for (struct item **at = &m->bucket[b]; *at;) {
            if (match(ctx, &(*at)->e)) {
                item_drop(m, at);
                n++;
            } else {
                at = &(*at)->next;
            }
        }
    return n;
}

static struct ae_use *mem_use(ae_store *s, unsigned which)
{
    return which < AE_USES ? &((struct mem *)s)->use[which] : NULL;
}

static ae_str mem_secret(ae_store *s)
{
    const struct mem *m = (const struct mem *)s;

    return ae_s(m->secret, sizeof(m->secret));
}

static enum ae_claim mem_claim(ae_store *s, const struct ae_cache_key *k,
                               struct ae_claimer *c)
{
    return ae_claims_take(&((struct mem *)s)->claims, k->hash, c);
}

static void mem_settle(ae_store *s, const struct ae_cache_key *k,
                       uint64_t ticket, int64_t now_us, bool vain)
{
    ae_claims_settle(&((struct mem *)s)->claims, k->hash, ticket, now_us,
                     vain);
}

static const struct ae_store_ops mem_ops = {
    .close = mem_close,
    .get = mem_get,
    .find = mem_find,
    .read = mem_read,
    .generations = mem_generations,
    .bump = mem_bump,
    .put = mem_put,
    .open = mem_open,
    .write = mem_write,
    .commit = mem_commit,
    .abort = mem_abort,
    .tick = mem_tick,
    .purge = mem_purge,
    .walk = mem_walk,
    .drop = mem_drop,
    .use = mem_use,
    .secret = mem_secret,
    .claim = mem_claim,
    .settle = mem_settle,
};

int ae_store_mem_open(const struct ae_store_conf *c, ae_store **out)
{
    struct mem *m = calloc(1, sizeof(*m));

    *out = NULL;
    if (!m)
        return AE_E_NOMEM;
    m->s.ops = &mem_ops;
    m->size = c->size ? c->size : (uint64_t)64 << 20;
    m->max_object = c->max_object ? c->max_object : SIZE_MAX;
    m->s.stat.bytes_max = m->size;
    m->gens.slot = m->counter;
    m->gens.n = GENS;
    m->claims.slot = m->claim;
    m->claims.n = CLAIMS;
    if (getrandom(m->secret, sizeof(m->secret), 0) != sizeof(m->secret)
        || getrandom(&m->gens.seed, sizeof(m->gens.seed), 0)
           != sizeof(m->gens.seed)) {
        free(m);
        return AE_E_IO;
    }
    *out = &m->s;
    return AE_OK;
}
