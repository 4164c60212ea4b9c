/*
 * page.c - edge.limit, edge.continue, edge.sync, edge.health, edge.search: our
 * own, by query, for lists that Argo CD always sends whole.  A cursor is the
 * last key that was shown, so that a copy which changes between two pages
 * neither fails nor repeats.
 */
#include "mirror/mirror.h"

enum { CURSOR_MAX = 1024 };

static bool ours(ae_str part)
{
    return ae_starts(part, AE_STR("edge."));
}

/* Values are plain: what needs an escape is no name, status or cursor. */
static bool plain(ae_str v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];

        if (c <= 0x20 || c >= 0x7f || c == '%' || c == '+' || c == ';')
            return false;
    }
    return v.n > 0;
}

static int bad(ae_str *error, const char *text)
{
    *error = ae_cs(text);
    return AE_E_SYNTAX;
}

/* "name\0namespace" */
static int cursor(ae_arena *a, ae_str v, struct ae_list_page *out,
                  ae_str *error)
{
    ae_str key, ns;
    size_t at;
    int    rc;

    if (v.n > CURSOR_MAX)
        return bad(error, "edge.continue is not a cursor of ours");
    rc = ae_b64url_decode(a, v, true, &key, &at);
    if (rc == AE_E_NOMEM)
        return rc;
    ns = rc == AE_OK ? ae_cut(key, '\0', &out->name) : ae_s(NULL, 0);
    if (!ns.p || out->name.n == 0 || ae_find(ns, '\0') < ns.n)
        return bad(error, "edge.continue is not a cursor of ours");
    out->ns = ns;
    out->after = true;
    return AE_OK;
}

static int one(ae_arena *a, ae_str part, struct ae_list_page *out,
               unsigned *seen, ae_str *error)
{
    static const ae_str name[] = { { "limit", 5 }, { "continue", 8 },
        { "sync", 4 }, { "health", 6 }, { "search", 6 } };
    ae_str   key, v = ae_cut(part, '=', &key);
    uint64_t n;
    size_t   i = 0;

    key = ae_sub(key, 5, key.n);
    while (i < 5 && !ae_eq(key, name[i]))
        i++;
    if (i == 5)
        return bad(error, "edge.* knows limit, continue, sync, health and"
                   " search");
    if (*seen & 1u << i)
        return bad(error, "a parameter edge.* was given more than once");
    *seen |= 1u << i;
    if (!plain(v))
        return bad(error, "parameters edge.* take a plain value");
    switch (i) {
    case 0:
        if (!ae_parse_u64(v, &n) || n == 0 || n > AE_PAGE_LIMIT_MAX)
            return bad(error, "edge.limit must be 1 to 10000");
        out->limit = (size_t)n;
        return AE_OK;
    case 1: return cursor(a, v, out, error);
    case 2: out->sync = v; return AE_OK;
    case 3: out->health = v; return AE_OK;
    default: out->search = v; return AE_OK;
    }
}

int ae_page_bind(ae_arena *a, ae_str query, ae_str *rest, bool *any,
                 struct ae_list_page *out, ae_str *error)
{
    ae_str   left = query, part;
    unsigned seen = 0;
    ae_buf   b;

    memset(out, 0, sizeof(*out));
    *rest = query;
    *any = false;
    if (ae_find_str(query, AE_STR("edge.")) == SIZE_MAX)
        return AE_OK;
    ae_buf_init(&b, a, 0);
    while (left.p) {
        int rc;

        left = ae_cut(left, '&', &part);
        if (!ours(part)) {
            if (b.n && part.n)
                ae_buf_putc(&b, '&');
            ae_buf_put(&b, part);
            continue;
        }
        *any = true;
        rc = one(a, part, out, &seen, error);
        if (rc != AE_OK)
            return rc;
    }
    if (b.bad)
        return AE_E_NOMEM;
    *rest = b.p ? ae_buf_str(&b) : AE_STR("");
    return AE_OK;
}

ae_str ae_page_cursor(ae_arena *a, ae_str name, ae_str ns)
{
    ae_str part[3] = { name, ae_s("", 1), ns }, key;

    key = ae_concat(a, part, 3);
    return key.p ? ae_b64url_encode(a, key) : ae_s(NULL, 0);
}

static char low(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool holds(ae_str text, ae_str what)
{
    for (size_t i = 0; i + what.n <= text.n; i++) {
        size_t k = 0;

        while (k < what.n && low(text.p[i + k]) == low(what.p[k]))
            k++;
        if (k == what.n)
            return true;
    }
    return false;
}

/* Lists are sorted by name; equal names come in any order, so that among them
 * the namespace decides, and none is left out. */
static bool behind(const struct ae_list *l, const struct ae_row *r,
                   const struct ae_list_page *p)
{
    int c = ae_cmp(ae_row_key(l, r), p->name);

    if (c == 0)
        c = ae_cmp(ae_list_text(l, r->ns), p->ns);
    return c > 0;
}

bool ae_page_takes(const struct ae_list *l, const struct ae_row *r,
                   const struct ae_list_page *p)
{
    if (p->after && !behind(l, r, p))
        return false;
    if (p->sync.p && !ae_eq(ae_list_text(l, r->sync), p->sync))
        return false;
    if (p->health.p && !ae_eq(ae_list_text(l, r->health), p->health))
        return false;
    return !p->search.p || holds(ae_row_key(l, r), p->search);
}
