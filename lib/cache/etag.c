/*
 * etag.c - validators of our own making (RFC 9110 section 8.8): Argo CD sends
 * none.
 */
#include "cache/cache.h"

struct ae_etag {
    ae_hasher h;
};

struct ae_etag *ae_etag_begin(ae_arena *a, ae_str secret, ae_str scope)
{
    struct ae_etag *e = ae_alloc(a, sizeof(*e));

    if (!e)
        return NULL;
    ae_hasher_init(&e->h, secret);
    ae_hasher_field(&e->h, AE_STR("etag"));
    ae_hasher_field(&e->h, scope);
    return e;
}

void ae_etag_feed(struct ae_etag *e, ae_str part)
{
    ae_hasher_put(&e->h, part);
}

void ae_etag_end(struct ae_etag *e, char out[AE_ETAG_LEN])
{
    unsigned char d[32];

    ae_hasher_end(&e->h, d);
    out[0] = out[AE_ETAG_LEN - 1] = '"';
    ae_hex(d, 16, out + 1);
}

/* One entity tag off the front of |s|: its opaque part with the quotes. */
static bool next_tag(ae_str *s, ae_str *tag)
{
    size_t end;

    if (ae_starts(*s, AE_STR("W/")))
        *s = ae_sub(*s, 2, s->n);
    if (s->n < 2 || s->p[0] != '"')
        return false;
    end = ae_find(ae_sub(*s, 1, s->n), '"');
    if (end == s->n - 1)
        return false;
    *tag = ae_sub(*s, 0, end + 2);
    *s = ae_trim(ae_sub(*s, end + 2, s->n));
    return true;
}

bool ae_etag_listed(ae_str list, ae_str etag)
{
    bool   found = false;
    ae_str tag;

    list = ae_trim(list);
    if (ae_eq_lit(list, "*"))
        return true;
    while (list.n) {
        if (list.p[0] == ',') { /* empty members do no harm */
            list = ae_trim(ae_sub(list, 1, list.n));
            continue;
        }
        if (!next_tag(&list, &tag) || (list.n && list.p[0] != ','))
            return false;
        found = found || ae_eq(tag, etag);
    }
    return found && etag.n;
}
