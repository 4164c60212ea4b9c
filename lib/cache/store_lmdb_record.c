/*
 * store_lmdb_record.c - an entry as bytes.  Values lie unaligned in the map,
 * so they are packed and read by copy; nothing is believed before its sum.
 */
#include "cache/store_lmdb.h"

uint64_t lm_piece_sum(uint64_t id, uint32_t n, ae_str piece)
{
    return ae_cache_sum(piece, id << 24 ^ n);
}

static size_t tags_size(const struct lm_rec *r)
{
    return r->f.ntags * sizeof(struct ae_tag_gen);
}

size_t lm_rec_size(const struct lm_rec *r)
{
    return sizeof(r->f) + tags_size(r) + r->full.n + r->ctype.n
        + r->project.n + r->ns.n + r->name.n + r->etag.n + r->owner.n
        + (r->f.body_id ? 0 : r->body.n) + (r->f.gzip_id ? 0 : r->gzip.n)
        + (r->f.other_id ? 0 : r->other.n);
}

void lm_rec_place(struct lm_rec *r, struct lm_head *h)
{
    size_t all = lm_rec_size(r);

    if (r->body.n > LM_INLINE && all - r->gzip.n - r->other.n > LM_PAGE) {
        r->f.body_id = atomic_fetch_add(&h->body, 1) + 1;
        all -= r->body.n;
    }
    if (r->gzip.n && all > LM_PAGE) {
        r->f.gzip_id = atomic_fetch_add(&h->body, 1) + 1;
        all -= r->gzip.n;
    }
    if (r->other.n && all > LM_PAGE)
        r->f.other_id = atomic_fetch_add(&h->body, 1) + 1;
}

static char *pack_body(char *p, uint64_t id, ae_str body)
{
    if (id || !body.n)
        return p;
    memcpy(p, body.p, body.n);
    return p + body.n;
}

void lm_rec_pack(struct lm_rec *r, char *out)
{
    const ae_str span[] = { r->full, r->ctype, r->project, r->ns, r->name,
                            r->etag, r->owner };
    char        *p = out + sizeof(r->f);

    memcpy(p, r->tag, tags_size(r));
    p += tags_size(r);
    for (int i = 0; i < 7; i++) {
        r->f.len[i] = span[i].p ? (uint32_t)span[i].n : UINT32_MAX;
        if (span[i].n)
            memcpy(p, span[i].p, span[i].n);
        p += span[i].n;
    }
    p = pack_body(p, r->f.body_id, r->body);
    p = pack_body(p, r->f.gzip_id, r->gzip);
    pack_body(p, r->f.other_id, r->other);
    memcpy(out, &r->f, sizeof(r->f));
    r->f.sum = ae_cache_sum(ae_s(out + 8, lm_rec_size(r) - 8), 0);
    memcpy(out, &r->f.sum, 8);
}

static int parse_bodies(ae_str v, struct lm_rec *r)
{
    uint64_t body = r->f.body_id ? 0 : r->f.body_len;
    uint64_t gzip = r->f.gzip_id ? 0 : r->f.gzip_len;
    uint64_t other = r->f.other_id ? 0 : r->f.other_len;

    if (body > v.n || gzip > v.n - body || other != v.n - body - gzip)
        return AE_E_CORRUPT;
    r->body = r->f.body_id ? ae_s(NULL, 0) : ae_sub(v, 0, (size_t)body);
    r->gzip = gzip ? ae_sub(v, (size_t)body, (size_t)gzip) : ae_s(NULL, 0);
    r->other = other ? ae_sub(v, (size_t)(body + gzip), (size_t)other)
                     : ae_s(NULL, 0);
    return AE_OK;
}

int lm_rec_parse(ae_str v, struct lm_rec *r)
{
    ae_str *const span[] = { &r->full, &r->ctype, &r->project, &r->ns,
                             &r->name, &r->etag, &r->owner };

    if (v.n < sizeof(r->f))
        return AE_E_CORRUPT;
    memcpy(&r->f, v.p, sizeof(r->f));
    if (r->f.sum != ae_cache_sum(ae_s(v.p + 8, v.n - 8), 0)
        || r->f.ntags > AE_CACHE_TAGS_MAX)
        return AE_E_CORRUPT;
    v = ae_s(v.p + sizeof(r->f), v.n - sizeof(r->f));
    if (v.n < tags_size(r))
        return AE_E_CORRUPT;
    memcpy(r->tag, v.p, tags_size(r));
    v = ae_s(v.p + tags_size(r), v.n - tags_size(r));
    for (int i = 0; i < 7; i++) {
        size_t n = r->f.len[i] == UINT32_MAX ? 0 : r->f.len[i];

        if (n > v.n)
            return AE_E_CORRUPT;
        *span[i] = r->f.len[i] == UINT32_MAX ? ae_s(NULL, 0) : ae_s(v.p, n);
        v = ae_s(v.p + n, v.n - n);
    }
    return parse_bodies(v, r);
}

void lm_rec_texts(struct lm_rec *r, const struct ae_cache_key *k,
                  const struct ae_entry *e)
{
    r->full = k->full;
    r->ctype = e->ctype;
    r->project = e->project;
    r->ns = e->ns;
    r->name = e->name;
    r->etag = e->etag;
    r->owner = e->owner;
}

void lm_rec_entry(const struct lm_rec *r, struct ae_entry *e)
{
    e->status = r->f.status;
    e->ctype = r->ctype;
    e->project = r->project;
    e->ns = r->ns;
    e->name = r->name;
    e->etag = r->etag;
    e->owner = r->owner;
    e->body = r->body;
    e->stored_us = r->f.stored_us;
    e->fresh_until_us = r->f.fresh_until_us;
    e->keep_until_us = r->f.keep_until_us;
}
