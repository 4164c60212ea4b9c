/*
 * index.c - one pass over a full list: where each item lies, and the few texts
 * of it that a query can ask for.  Everything else is stepped over.
 */
#include "mirror/mirror.h"
#include "mirror/scan.h"

struct build {
    struct ae_list *l;
    ae_arena       *a;
    ae_buf          rows, pool, texts;
    uint32_t       *slot;    /* open hash table of numbers, plus one */
    uint32_t        nslot, ntext;
    int             rc;
};

/* What one item says; spans as written, still with their escapes. */
struct item {
    ae_str name, ns, project, labels, title, sync, health;
    ae_str single, several, synced, dry; /* sources of an application */
    bool   hydrator, many;
};

ae_str ae_list_resource(enum ae_list_kind kind)
{
    static const ae_str name[AE_LIST__N] = {
        { "applications", 12 }, { "applicationsets", 15 }, { "projects", 8 },
        { "clusters", 8 }, { "repositories", 12 }, { "repositories", 12 },
        { "accounts", 8 }
    };

    return kind < AE_LIST__N ? name[kind] : AE_STR("");
}

/* ---- texts ---- */

static int fail(struct build *b, int rc)
{
    if (b->rc == AE_OK)
        b->rc = rc;
    return b->rc;
}

static ae_str text_at(const struct build *b, uint32_t id)
{
    const struct ae_span *s = (const void *)b->texts.p;

    return ae_s(b->pool.p + s[id].off, s[id].n);
}

static bool grow(struct build *b)
{
    uint32_t  n = b->nslot ? b->nslot * 4 : 1024;
    uint32_t *to = ae_nalloc(b->a, n, sizeof(*to));

    if (!to)
        return false;
    b->slot = to;
    b->nslot = n;
    for (uint32_t id = 0; id < b->ntext; id++) {
        uint32_t i = (uint32_t)ae_hash64(text_at(b, id), 0) & (n - 1);

        while (to[i])
            i = (i + 1) & (n - 1);
        to[i] = id + 1;
    }
    return true;
}

/* Append |raw|, decoded, to the pool. */
static bool pool_put(struct build *b, ae_str raw)
{
    size_t n = b->pool.n, got;

    if (raw.n == 0)
        return true;
    ae_buf_put(&b->pool, raw);
    if (b->pool.bad) {
        fail(b, b->a->failed ? AE_E_NOMEM : AE_E_TOOBIG);
        return false;
    }
    if (!memchr(raw.p, '\\', raw.n))
        return true;
    got = ae_text_unescape(raw, b->pool.p + n);
    if (got == SIZE_MAX) {
        fail(b, AE_E_CORRUPT);
        return false;
    }
    b->pool.n = n + got;
    return true;
}

/* The number of |raw|, an equal text's if there is one. */
static uint32_t intern(struct build *b, ae_str raw)
{
    struct ae_span s = { (uint32_t)b->pool.n, 0 };
    ae_str         text;
    uint32_t       i;

    if ((uint64_t)b->ntext * 2 >= b->nslot && !grow(b)) {
        fail(b, AE_E_NOMEM);
        return AE_LIST_NONE;
    }
    if (raw.n && memchr(raw.p, '\\', raw.n)) {
        if (!pool_put(b, raw))
            return AE_LIST_NONE;
        text = ae_s(b->pool.p + s.off, b->pool.n - s.off);
    } else {
        text = raw;
    }
    i = (uint32_t)ae_hash64(text, 0) & (b->nslot - 1);
    for (; b->slot[i]; i = (i + 1) & (b->nslot - 1)) {
        if (!ae_eq(text_at(b, b->slot[i] - 1), text))
            continue;
        b->pool.n = s.off; /* what was decoded is not needed */
        return b->slot[i] - 1;
    }
    if (b->pool.n == s.off && !pool_put(b, text))
        return AE_LIST_NONE;
    s.n = (uint32_t)(b->pool.n - s.off);
    ae_buf_put(&b->texts, ae_s((const char *)&s, sizeof(s)));
    if (b->texts.bad) {
        fail(b, AE_E_NOMEM);
        return AE_LIST_NONE;
    }
    b->slot[i] = ++b->ntext;
    return b->ntext - 1;
}

uint32_t ae_list_find(const struct ae_list *l, ae_str text)
{
    uint32_t i = (uint32_t)ae_hash64(text, 0) & l->mask;

    if (!l->slot)
        return AE_LIST_NONE;
    for (; l->slot[i]; i = (i + 1) & l->mask)
        if (ae_eq(ae_list_text(l, l->slot[i] - 1), text))
            return l->slot[i] - 1;
    return AE_LIST_NONE;
}

/* ---- one item ---- */

/* The members of the object at the cursor: those that |want| names are given
 * to |fn| with the cursor on the value; all others are stepped over.  A value
 * that is no object has no members. */
struct want { const char *name; void (*fn)(struct ae_cur *, struct item *); };

static void members(struct ae_cur *c, struct item *it, const struct want *w,
                    size_t n)
{
    ae_str key, ignore;

    if (ae_cur_peek(c) != '{') {
        ae_cur_value(c, &ignore);
        return;
    }
    for (bool first = true; ae_cur_member(c, &first, &key);) {
        size_t i = 0;

        while (i < n && !ae_eq(key, ae_cs(w[i].name)))
            i++;
        if (i < n)
            w[i].fn(c, it);
        else
            ae_cur_value(c, &ignore);
    }
}

#define N(table) (sizeof(table) / sizeof(table[0]))

/* A string; null and other values count as none. */
static void string(struct ae_cur *c, ae_str *out)
{
    ae_str ignore;

    if (ae_cur_peek(c) == '"')
        ae_cur_string(c, out);
    else
        ae_cur_value(c, &ignore);
}

#define STRING(fn, member) \
    static void fn(struct ae_cur *c, struct item *it) \
    { \
        string(c, &it->member); \
    }

STRING(get_name, name)
STRING(get_ns, ns)
STRING(get_project, project)
STRING(get_title, title)
STRING(get_sync, sync)
STRING(get_health, health)
STRING(get_single, single)
STRING(get_several, several)
STRING(get_synced, synced)
STRING(get_dry, dry)

static void get_labels(struct ae_cur *c, struct item *it)
{
    if (ae_cur_peek(c) != '{') {
        members(c, it, NULL, 0);
        return;
    }
    ae_cur_value(c, &it->labels);
}

static void get_source(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "repoURL", get_single } };

    members(c, it, w, N(w));
}

/* The first of |sources| counts. */
static void get_sources(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "repoURL", get_several } };
    ae_str ignore;

    if (ae_cur_peek(c) != '[') {
        ae_cur_value(c, &ignore);
        return;
    }
    for (bool first = true; ae_cur_element(c, &first);) {
        if (it->many) {
            ae_cur_value(c, &ignore);
            continue;
        }
        it->many = true;
        members(c, it, w, N(w));
    }
}

static void get_sync_source(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "repoURL", get_synced } };

    members(c, it, w, N(w));
}

static void get_dry_source(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "repoURL", get_dry } };

    members(c, it, w, N(w));
}

static void get_hydrator(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "drySource", get_dry_source },
                                     { "syncSource", get_sync_source } };

    it->hydrator = ae_cur_peek(c) == '{';
    members(c, it, w, N(w));
}

static void get_metadata(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "name", get_name },
                                     { "namespace", get_ns },
                                     { "labels", get_labels } };

    members(c, it, w, N(w));
}

static void get_app_spec(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = {
        { "source", get_source }, { "project", get_project },
        { "sources", get_sources }, { "sourceHydrator", get_hydrator } };

    members(c, it, w, N(w));
}

static void get_sync_status(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "status", get_sync } };

    members(c, it, w, N(w));
}

static void get_health_status(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "status", get_health } };

    members(c, it, w, N(w));
}

static void get_app_status(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "sync", get_sync_status },
                                     { "health", get_health_status } };

    members(c, it, w, N(w));
}

static void get_inner_spec(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "project", get_project } };

    members(c, it, w, N(w));
}

static void get_template(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "spec", get_inner_spec } };

    members(c, it, w, N(w));
}

static void get_set_spec(struct ae_cur *c, struct item *it)
{
    static const struct want w[] = { { "template", get_template } };

    members(c, it, w, N(w));
}

static void read_item(enum ae_list_kind kind, struct ae_cur *c,
                      struct item *it)
{
    static const struct want app[] = { { "metadata", get_metadata },
                                       { "spec", get_app_spec },
                                       { "status", get_app_status } };
    static const struct want set[] = { { "metadata", get_metadata },
                                       { "spec", get_set_spec } };
    static const struct want proj[] = { { "metadata", get_metadata } };
    static const struct want cluster[] = { { "server", get_name },
                                           { "name", get_title },
                                           { "project", get_project } };
    static const struct want repo[] = { { "repo", get_name },
                                        { "project", get_project } };
    static const struct want creds[] = { { "url", get_name } };
    static const struct want account[] = { { "name", get_name } };
    static const struct { const struct want *w; size_t n; } of[] = {
        { app, N(app) }, { set, N(set) }, { proj, N(proj) },
        { cluster, N(cluster) }, { repo, N(repo) }, { creds, N(creds) },
        { account, N(account) }
    };

    members(c, it, of[kind].w, of[kind].n);
}

/* ---- its row ---- */

static ae_str repo_of(const struct item *it)
{
    if (it->hydrator)
        return it->synced.n ? it->synced : it->dry;
    return it->many ? it->several : it->single;
}

/* project/name, project/namespace/name outside the control namespace;
 * clusters and repositories may have no project; all else is a bare name. */
static void put_object(struct build *b, const struct item *it,
                       struct ae_row *r)
{
    bool   apps = b->l->kind == AE_LIST_APPLICATIONS
               || b->l->kind == AE_LIST_APPLICATIONSETS;
    size_t from = b->pool.n, key;

    if (apps || it->project.n) {
        ae_buf_put(&b->pool, text_at(b, r->project));
        ae_buf_putc(&b->pool, '/');
    }
    if (apps && it->ns.n && !ae_eq(it->ns, b->l->ns)) {
        pool_put(b, it->ns);
        ae_buf_putc(&b->pool, '/');
    }
    key = b->pool.n;
    pool_put(b, it->name);
    if (b->pool.bad)
        fail(b, b->a->failed ? AE_E_NOMEM : AE_E_TOOBIG);
    r->object = (uint32_t)from;
    r->nobject = (uint32_t)(b->pool.n - from);
    r->nkey = (uint32_t)(b->pool.n - key);
}

static uint32_t maybe(struct build *b, ae_str raw)
{
    return raw.p ? intern(b, raw) : AE_LIST_NONE;
}

static void put_row(struct build *b, ae_str bytes, const struct item *it)
{
    bool          apps = b->l->kind == AE_LIST_APPLICATIONS
                      || b->l->kind == AE_LIST_APPLICATIONSETS;
    struct ae_row r;

    memset(&r, 0, sizeof(r));
    r.off = (uint32_t)(bytes.p - b->l->body.p);
    r.len = (uint32_t)bytes.n;
    r.project = apps && !it->project.n ? intern(b, AE_STR("default"))
                                       : maybe(b, it->project);
    r.ns = maybe(b, it->ns);
    r.repo = maybe(b, repo_of(it));
    r.title = maybe(b, it->title);
    r.sync = maybe(b, it->sync);
    r.health = maybe(b, it->health);
    if (it->labels.p) {
        r.labels = (uint32_t)(it->labels.p - b->l->body.p);
        r.nlabels = (uint32_t)it->labels.n;
    }
    if (b->rc == AE_OK)
        put_object(b, it, &r);
    if (b->rc != AE_OK)
        return;
    ae_buf_put(&b->rows, ae_s((const char *)&r, sizeof(r)));
    if (b->rows.bad)
        fail(b, b->a->failed ? AE_E_NOMEM : AE_E_TOOBIG);
    b->l->nrow++;
}

static void items(struct build *b, struct ae_cur *c)
{
    ae_str nothing;

    if (ae_cur_peek(c) != '[') {
        if (ae_cur_value(c, &nothing) && !ae_eq_lit(nothing, "null"))
            c->bad = true;
        return;
    }
    for (bool first = true; b->rc == AE_OK && ae_cur_element(c, &first);) {
        struct item it;
        const char *from;

        memset(&it, 0, sizeof(it));
        if (ae_cur_peek(c) != '{') {
            c->bad = true;
            return;
        }
        from = c->p;
        read_item(b->l->kind, c, &it);
        if (c->bad)
            return;
        if (!it.name.p) {
            c->bad = true; /* nothing could be decided on it */
            return;
        }
        put_row(b, ae_s(from, (size_t)(c->p - from)), &it);
    }
}

/* Equal names come in any order; ours is by namespace, so that a page can
 * begin behind any of them.  Says whether the list is in order then. */
static bool settle_ties(struct ae_list *l, struct ae_row *row)
{
    for (size_t i = 1; i < l->nrow; i++) {
        struct ae_row r = row[i];
        size_t        at = i;

        while (at > 0 && ae_eq(ae_row_key(l, &row[at - 1]), ae_row_key(l, &r))
               && ae_cmp(ae_list_text(l, row[at - 1].ns),
                         ae_list_text(l, r.ns)) > 0) {
            row[at] = row[at - 1];
            at--;
        }
        row[at] = r;
        if (at == i && ae_cmp(ae_row_key(l, &row[i - 1]),
                              ae_row_key(l, &row[i])) > 0)
            return false;
    }
    return true;
}

int ae_list_new(enum ae_list_kind kind, ae_str body, ae_str ns, ae_arena *a,
                struct ae_list *out)
{
    struct ae_cur c = ae_cur(body);
    struct build  b = { .l = out, .a = a };
    bool          seen = false;
    ae_str        key, ignore;

    memset(out, 0, sizeof(*out));
    if (kind >= AE_LIST__N || body.n > AE_LIST_BODY_MAX)
        return kind >= AE_LIST__N ? AE_E_INVAL : AE_E_TOOBIG;
    out->kind = kind;
    out->body = body;
    out->ns = ae_dup(a, ns);
    ae_buf_init(&b.rows, a, AE_LIST_ROWS_MAX * sizeof(struct ae_row));
    ae_buf_init(&b.pool, a, AE_LIST_TEXT_MAX);
    ae_buf_init(&b.texts, a, 0);
    for (bool first = true; b.rc == AE_OK && ae_cur_member(&c, &first, &key);) {
        if (ae_eq_lit(key, "items") && !seen) {
            seen = true;
            items(&b, &c);
        } else if (ae_eq_lit(key, "metadata")) {
            if (ae_cur_peek(&c) != '{')
                c.bad = true;
            ae_cur_value(&c, &out->metadata);
        } else if (kind == AE_LIST_ACCOUNTS) {
            ae_cur_value(&c, &ignore);
        } else {
            c.bad = true; /* not a list as we know it */
        }
    }
    ae_cur_blanks(&c);
    if (a->failed)
        fail(&b, AE_E_NOMEM);
    else if (c.bad || c.p != c.end
             || (kind != AE_LIST_ACCOUNTS && (!seen || !out->metadata.p)))
        fail(&b, AE_E_CORRUPT);
    out->row = (const void *)b.rows.p;
    out->pool = b.pool.p ? b.pool.p : ""; /* no text at all */
    out->text = (const void *)b.texts.p;
    out->ntext = b.ntext;
    out->slot = b.slot;
    out->mask = b.nslot ? b.nslot - 1 : 0;
    out->sorted = b.rc == AE_OK && (kind == AE_LIST_APPLICATIONS
                                    || kind == AE_LIST_APPLICATIONSETS)
        && settle_ties(out, (void *)b.rows.p);
    return b.rc;
}

const struct ae_row *ae_list_get(const struct ae_list *l, ae_str name,
                                 ae_str ns)
{
    uint32_t id = ae_list_find(l, ns.n ? ns : l->ns);

    for (size_t i = 0; i < l->nrow; i++) {
        const struct ae_row *r = &l->row[i];

        if (ae_eq(ae_row_key(l, r), name)
            && (r->ns == AE_LIST_NONE || r->ns == id))
            return r;
    }
    return NULL;
}
