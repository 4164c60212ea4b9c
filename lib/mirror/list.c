/*
 * list.c - a query answered from the index: filters in Argo CD's order, then
 * rights, then the bytes.  What is not visible is left out, never denied.
 */
#include "mirror/mirror.h"
#include "mirror/scan.h"

enum { MAYBE = -1 };

struct run {
    const struct ae_list_ask *ask;
    const struct ae_list     *l;
    ae_arena                 *a;
    struct ae_list_answer    *out;
    struct ae_selector        sel;
    uint32_t                  ns, repo;   /* numbers of the filters' texts */
    signed char              *project;    /* by text: 1 asked for */
    signed char              *verdict;    /* by text: of the whole project */
    uint32_t                 *pick;       /* rows to show */
    size_t                    n;
};

static bool apps_like(const struct ae_list *l)
{
    return l->kind == AE_LIST_APPLICATIONS
        || l->kind == AE_LIST_APPLICATIONSETS;
}

static int forward(struct run *r, const char *why)
{
    r->out->forward = true;
    r->out->why = why;
    return AE_OK;
}

static int refuse(struct run *r, int status, int code, const char *head,
                  ae_str detail)
{
    ae_str part[2] = { ae_cs(head), detail };

    if (!detail.p)
        return AE_E_NOMEM;
    r->out->status = status;
    r->out->code = code;
    r->out->error = ae_concat(r->a, part, 2);
    return r->out->error.p ? AE_OK : AE_E_NOMEM;
}

/* ---- filters ---- */

/* Which texts are projects that were asked for. */
static int mark_projects(struct run *r)
{
    const struct ae_list_query *q = r->ask->query;

    if (!q->by_project)
        return AE_OK;
    r->project = ae_zalloc(r->a, r->l->ntext ? r->l->ntext : 1);
    if (!r->project)
        return AE_E_NOMEM;
    for (size_t i = 0; i < q->nproject; i++) {
        uint32_t id = ae_list_find(r->l, q->project[i]);

        if (id != AE_LIST_NONE)
            r->project[id] = 1;
    }
    return AE_OK;
}

/* 1 or 0; AE_E_* from the selector. */
static int filtered_in(struct run *r, const struct ae_row *row)
{
    const struct ae_list_query *q = r->ask->query;

    if (q->ns.n && (r->ns == AE_LIST_NONE || row->ns != r->ns))
        return 0;
    if (r->project && (row->project == AE_LIST_NONE
                       || !r->project[row->project]))
        return 0;
    if (q->repo.n && (r->repo == AE_LIST_NONE || row->repo != r->repo))
        return 0;
    if (r->ask->page && !ae_page_takes(r->l, row, r->ask->page))
        return 0;
    if (r->sel.n == 0)
        return 1;
    return ae_selector_match(&r->sel, ae_row_labels(r->l, row), r->a);
}

/* |name| keeps one application, before projects, repo and rights are looked
 * at; in several namespaces Argo CD takes any, we the first. */
static int only_named(struct run *r, size_t *from, size_t *to)
{
    const struct ae_list_query *q = r->ask->query;

    for (size_t i = *from; i < *to; i++) {
        const struct ae_row *row = &r->l->row[i];
        int                  rc;

        if (!ae_eq(ae_row_key(r->l, row), q->name))
            continue;
        if (q->ns.n && (r->ns == AE_LIST_NONE || row->ns != r->ns))
            continue;
        rc = r->sel.n ? ae_selector_match(&r->sel,
                                          ae_row_labels(r->l, row), r->a)
                      : 1;
        if (rc < 0)
            return rc;
        if (!rc)
            continue;
        *from = i;
        *to = i + 1;
        return AE_OK;
    }
    *from = *to;
    return AE_OK;
}

/* Clusters: each filter keeps its first hit only.  |by_title|: name, else
 * server. */
static void first_cluster(struct run *r, ae_str want, bool by_title,
                          size_t *from, size_t *to)
{
    if (!want.n)
        return;
    for (size_t i = *from; i < *to; i++) {
        const struct ae_row *row = &r->l->row[i];
        ae_str have = by_title ? ae_list_text(r->l, row->title)
                               : ae_row_key(r->l, row);

        if (ae_eq(have, want)) {
            *from = i;
            *to = i + 1;
            return;
        }
    }
    *from = *to;
}

/* 1, or 0 with *error set, or AE_E_NOMEM. */
static int unescape_id(struct run *r, ae_str *id, ae_str *error)
{
    struct ae_list_query q;
    ae_buf               b;
    int                  rc;

    /* One more reading of the value: bound as a query of one name, with the
     * characters that would end it kept whole. */
    ae_buf_init(&b, r->a, 0);
    ae_buf_puts(&b, "server=");
    for (size_t i = 0; i < id->n; i++) {
        if (id->p[i] == '&')
            ae_buf_puts(&b, "%26");
        else if (id->p[i] == ';')
            ae_buf_puts(&b, "%3b");
        else
            ae_buf_putc(&b, id->p[i]);
    }
    if (b.bad)
        return AE_E_NOMEM;
    rc = ae_list_bind(AE_LIST_CLUSTERS, ae_buf_str(&b), r->a, &q);
    if (rc != AE_OK)
        return rc;
    *error = q.error;
    *id = q.server;
    return q.status == 0;
}

static int narrow_clusters(struct run *r, size_t *from, size_t *to)
{
    const struct ae_list_query *q = r->ask->query;
    ae_str                      id = q->id_value;
    bool                        escaped = ae_eq_lit(q->id_type,
                                                    "name_escaped");
    ae_str                      error;
    int                         rc;

    if (id.n) { /* once more for any type, and again for an escaped name */
        rc = unescape_id(r, &id, &error);
        if (rc <= 0)
            return rc ? rc : forward(r, "query");
    }
    if (escaped) {
        rc = unescape_id(r, &id, &error);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return refuse(r, 500, 2, "error filtering clusters by id: failed"
                          " to unescape cluster name: ", error);
    }
    first_cluster(r, id, escaped || ae_eq_lit(q->id_type, "name"), from, to);
    first_cluster(r, q->name, true, from, to);
    first_cluster(r, q->server, false, from, to);
    return AE_OK;
}

/* ---- rights ---- */

/* May the caller see the item?  1, 0, negative: not known. */
static int allowed(struct run *r, const struct ae_row *row)
{
    const struct ae_list_rights *may = r->ask->rights;
    signed char                  v = MAYBE;

    if (r->l->kind == AE_LIST_ACCOUNTS && may->self.p
        && ae_eq(ae_row_key(r->l, row), may->self))
        return 1;
    if (r->verdict && row->project != AE_LIST_NONE) {
        signed char *at = &r->verdict[row->project];

        if (*at == 0) { /* not asked yet: stored as 1 + what was said */
            int say = may->may_project(may->ctx,
                                       ae_list_text(r->l, row->project));
            *at = (signed char)(say < 0 ? 3 : say ? 2 : 1);
        }
        v = *at == 3 ? MAYBE : (signed char)(*at - 1);
    }
    if (v != MAYBE)
        return v;
    return may->may(may->ctx, ae_row_object(r->l, row));
}

static int choose(struct run *r, size_t from, size_t to)
{
    const struct ae_list_page *page = r->ask->page;
    int                        rc;

    r->pick = ae_alloc(r->a, (to - from + 1) * sizeof(*r->pick));
    if (!r->pick)
        return AE_E_NOMEM;
    for (size_t i = from; i < to; i++) {
        const struct ae_row *row = &r->l->row[i];

        /* A right that says no to a whole project costs least; the outcome
         * does not depend on the order. */
        if (r->verdict && row->project != AE_LIST_NONE
            && r->verdict[row->project] == 1)
            continue;
        rc = filtered_in(r, row);
        if (rc < 0)
            return rc;
        if (!rc)
            continue;
        rc = allowed(r, row);
        if (rc < 0)
            return forward(r, "rights unknown");
        if (!rc)
            continue;
        if (page && page->limit && r->n == page->limit) {
            r->out->more = true;
            break;
        }
        r->pick[r->n++] = (uint32_t)i;
    }
    if (r->n) {
        const struct ae_row *row = &r->l->row[r->pick[r->n - 1]];

        r->out->last_name = ae_row_key(r->l, row);
        r->out->last_ns = ae_list_text(r->l, row->ns);
    }
    r->out->pick = r->pick;
    r->out->shown = r->n;
    return AE_OK;
}

/* ---- the bytes ---- */

static void put_items(struct run *r, ae_buf *b, bool lines, uint32_t fields,
                      bool project)
{
    if (!r->n) {
        ae_buf_puts(b, "\"items\":null");
        return;
    }
    ae_buf_puts(b, "\"items\":[");
    for (size_t i = 0; i < r->n && !b->bad; i++) {
        ae_str item = ae_row_item(r->l, &r->l->row[r->pick[i]]);

        if (i)
            ae_buf_putc(b, ',');
        if (!project)
            ae_buf_put(b, item);
        else if (!ae_fields_app(b, item, fields))
            b->bad = true;
        if (lines)
            ae_buf_putc(b, '\n');
    }
    ae_buf_putc(b, ']');
}

/* How long the plain answer is, so that it is written in one go. */
static size_t room(const struct run *r)
{
    size_t n = r->l->metadata.n + 64;

    for (size_t i = 0; i < r->n; i++)
        n += r->l->row[r->pick[i]].len + 2;
    return n;
}

static int written(struct run *r, ae_buf *b)
{
    if (b->bad)
        return r->a->failed ? AE_E_NOMEM : AE_E_CORRUPT;
    r->out->status = 200;
    r->out->body = ae_buf_str(b);
    return AE_OK;
}

static int write_applications(struct run *r, ae_buf *b)
{
    ae_str   fields = r->ask->query->fields;
    bool     lines = !r->ask->stream, project = fields.n > 0;
    uint32_t chosen = project ? ae_fields_apps(fields) : 0;

    if (project && r->ask->stream) { /* keys in order at this level, too */
        ae_buf_putc(b, '{');
        put_items(r, b, false, chosen, true);
        ae_buf_puts(b, ",\"metadata\":");
        ae_buf_put(b, r->l->metadata);
        ae_buf_putc(b, '}');
        return written(r, b);
    }
    ae_buf_puts(b, "{\"metadata\":");
    ae_buf_put(b, r->l->metadata);
    ae_buf_puts(b, lines ? "\n," : ",");
    put_items(r, b, lines, chosen, project);
    ae_buf_putc(b, '}');
    return written(r, b);
}

static int write_answer(struct run *r)
{
    enum ae_list_kind kind = r->l->kind;
    ae_str            fields = r->ask->query->fields;
    ae_buf            b, p;
    int               rc;

    /* All of it: no need to copy megabytes. */
    if (r->n == r->l->nrow && !fields.n && !r->ask->stream) {
        r->out->status = 200;
        r->out->body = r->l->body;
        return AE_OK;
    }
    ae_buf_init(&b, r->a, 0);
    if (!fields.n || kind != AE_LIST_APPLICATIONS) {
        size_t n = room(r);

        b.p = ae_alloc(r->a, n);
        if (!b.p)
            return AE_E_NOMEM;
        b.cap = n;
    }
    if (kind == AE_LIST_APPLICATIONS)
        return write_applications(r, &b);
    if (kind == AE_LIST_ACCOUNTS) {
        ae_buf_putc(&b, '{');
        if (r->n)
            put_items(r, &b, false, 0, false);
        ae_buf_putc(&b, '}');
        return written(r, &b);
    }
    ae_buf_puts(&b, "{\"metadata\":");
    ae_buf_put(&b, r->l->metadata);
    ae_buf_putc(&b, ',');
    put_items(r, &b, false, 0, false);
    ae_buf_putc(&b, '}');
    if (!fields.n || kind != AE_LIST_PROJECTS || b.bad)
        return written(r, &b);
    ae_buf_init(&p, r->a, 0);
    rc = ae_fields_any(r->a, &p, ae_buf_str(&b), fields);
    if (rc == AE_E_TOOBIG)
        return forward(r, "fields");
    return rc == AE_OK ? written(r, &p) : rc;
}

int ae_list_answer(const struct ae_list_ask *ask, ae_arena *a,
                   struct ae_list_answer *out)
{
    const struct ae_list_query *q = ask->query;
    struct run r = { .ask = ask, .l = ask->list, .a = a, .out = out };
    size_t     from = 0, to = ask->list->nrow;
    ae_str     error;
    int        rc;

    memset(out, 0, sizeof(*out));
    if (q->forward)
        return forward(&r, "query");
    if (q->status)
        return refuse(&r, q->status, q->code, "", q->error);
    if (ask->page && !r.l->sorted)
        return forward(&r, "order");
    rc = ae_selector_parse(a, q->selector, &r.sel, &error);
    if (rc == AE_E_SYNTAX)
        return refuse(&r, 500, 2, "error parsing the selector: ",
                      ae_utf8_mend(a, error)); /* a gRPC status is UTF-8 */
    if (rc != AE_OK)
        return rc;
    r.ns = q->ns.n ? ae_list_find(r.l, q->ns) : AE_LIST_NONE;
    r.repo = q->repo.n ? ae_list_find(r.l, q->repo) : AE_LIST_NONE;
    rc = mark_projects(&r);
    if (rc != AE_OK)
        return rc;
    if (apps_like(r.l) && ask->rights->may_project) {
        r.verdict = ae_zalloc(a, r.l->ntext ? r.l->ntext : 1);
        if (!r.verdict)
            return AE_E_NOMEM;
    }
    if (q->name.n && r.l->kind == AE_LIST_APPLICATIONS)
        rc = only_named(&r, &from, &to);
    else if (r.l->kind == AE_LIST_CLUSTERS)
        rc = narrow_clusters(&r, &from, &to);
    if (rc != AE_OK || out->status || out->forward)
        return rc;
    rc = choose(&r, from, to);
    if (rc != AE_OK || out->forward)
        return rc;
    return write_answer(&r);
}
