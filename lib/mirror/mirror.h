/*
 * mirror.h - Argo CD's lists, answered from one full copy of a list.
 *
 * A pure function of bytes: the body of an unfiltered list is sliced into an
 * index once; a query is then answered in the very bytes that Argo CD would
 * send, with a callback for the caller's rights (docs/semantics-lists.md).
 */
#ifndef AE_MIRROR_H
#define AE_MIRROR_H

#include "base/base.h"

enum ae_list_kind {
    AE_LIST_APPLICATIONS = 0, AE_LIST_APPLICATIONSETS, AE_LIST_PROJECTS,
    AE_LIST_CLUSTERS, AE_LIST_REPOSITORIES, AE_LIST_REPOCREDS,
    AE_LIST_ACCOUNTS, AE_LIST__N
};

/* The RBAC resource whose "get" decides on the items of |kind|. */
ae_str ae_list_resource(enum ae_list_kind kind);

/* ---- index.c: the copy and where its items lie -------------------------- */

#define AE_LIST_BODY_MAX ((size_t)512 << 20) /* bytes of a full list */
#define AE_LIST_ROWS_MAX ((size_t)4 << 20)   /* items of a full list */
#define AE_LIST_TEXT_MAX ((size_t)256 << 20) /* bytes of names in an index */
#define AE_LIST_NONE     UINT32_MAX          /* a text that an item lacks */

/* One item.  |ns| to |health| number texts of the index (ae_list_text): equal
 * texts have equal numbers, so that a request compares numbers only. */
struct ae_row {
    uint32_t off, len;       /* of the item in the body */
    uint32_t object, nobject;/* RBAC object in |pool| ... */
    uint32_t nkey;           /* ... whose tail is name, server or URL */
    uint32_t ns, project;
    uint32_t repo;           /* applications: the source that counts */
    uint32_t title;          /* clusters: name */
    uint32_t labels, nlabels;/* the object in the body; 0 bytes: none */
    uint32_t sync, health;   /* applications */
};

struct ae_list {
    enum ae_list_kind kind;
    ae_str            body;     /* borrowed */
    ae_str            metadata; /* of the list, in |body|; may be absent */
    ae_str            ns;       /* the control namespace */
    const struct ae_row *row;
    size_t            nrow;
    const char       *pool;
    const struct ae_span { uint32_t off, n; } *text;
    uint32_t          ntext;
    const uint32_t   *slot;     /* hash table over |text| */
    uint32_t          mask;
    bool              sorted;   /* by name, equal names by namespace */
};

/* Slice |body| into an index in |a|.  |body| is borrowed for its life, |ns|
 * (the control namespace) is copied.  AE_E_CORRUPT: not a list of this kind;
 * AE_E_TOOBIG: beyond the bounds above; AE_E_NOMEM. */
int ae_list_new(enum ae_list_kind kind, ae_str body, ae_str ns, ae_arena *a,
                struct ae_list *out);

/* The number of a text; AE_LIST_NONE if no item has it. */
uint32_t ae_list_find(const struct ae_list *l, ae_str text);
static inline ae_str ae_list_text(const struct ae_list *l, uint32_t id)
{
    return id == AE_LIST_NONE ? ae_s(NULL, 0)
        : ae_s(l->pool + l->text[id].off, l->text[id].n);
}
static inline ae_str ae_row_object(const struct ae_list *l,
                                   const struct ae_row *r)
{
    return ae_s(l->pool + r->object, r->nobject);
}
static inline ae_str ae_row_key(const struct ae_list *l,
                                const struct ae_row *r)
{
    return ae_s(l->pool + r->object + (r->nobject - r->nkey), r->nkey);
}
static inline ae_str ae_row_item(const struct ae_list *l,
                                 const struct ae_row *r)
{
    return ae_s(l->body.p + r->off, r->len);
}
static inline ae_str ae_row_labels(const struct ae_list *l,
                                   const struct ae_row *r)
{
    return ae_s(l->body.p + r->labels, r->nlabels);
}

/* ---- bind.c: the query as grpc-gateway reads it -------------------------- */

#define AE_LIST_VALUES 1024 /* values of |projects| that are read */

struct ae_list_query {
    bool   forward;     /* not ours to answer: a trap, a side effect */
    int    status, code;/* 400: refused, with |error| */
    ae_str error;
    ae_str name, ns, repo, selector, fields;
    ae_str server, id_value, id_type;
    bool   by_project;  /* |project| counts: what is not listed is not shown */
    const ae_str *project;
    size_t nproject;
    bool   has_project; /* |project| occurred, which puts |projects| aside */
};

/* Bind |query| (raw, without its question mark).  AE_E_NOMEM. */
int ae_list_bind(enum ae_list_kind kind, ae_str query, ae_arena *a,
                 struct ae_list_query *out);

/* ---- selector.c: Kubernetes label selectors ------------------------------ */

enum ae_sel_op { AE_SEL_EXISTS, AE_SEL_ABSENT, AE_SEL_IN, AE_SEL_NOT_IN,
                 AE_SEL_GREATER, AE_SEL_LESS };

struct ae_sel_req {
    enum ae_sel_op op;
    ae_str         key;
    const ae_str  *value; size_t nvalue; /* sorted */
    int64_t        number;               /* GREATER, LESS */
};
struct ae_selector { struct ae_sel_req *req; size_t n; };

/* AE_OK; AE_E_SYNTAX with *error set to Argo CD's detail, without the prefix
 * "error parsing the selector: " (may hold invalid UTF-8); AE_E_NOMEM. */
int ae_selector_parse(ae_arena *a, ae_str text, struct ae_selector *out,
                      ae_str *error);
/* Do the labels (a JSON object, or nothing) match?  1, 0, AE_E_NOMEM,
 * AE_E_CORRUPT. */
int ae_selector_match(const struct ae_selector *s, ae_str labels,
                      ae_arena *a);

/* ---- fields.c, project_fields.c ------------------------------------------ */

#define AE_FIELDS_APP 24    /* fields of an application that can be had */
#define AE_FIELDS_DEPTH 64  /* nesting that a projection follows */

/* What |fields| asks of each application: bit i for the i-th field. */
uint32_t ae_fields_apps(ae_str fields);
/* Append one projected application.  False: damaged (or no memory: b->bad). */
bool ae_fields_app(ae_buf *b, ae_str item, uint32_t chosen);
/* Append a whole list of projects, projected.  AE_OK, AE_E_NOMEM,
 * AE_E_CORRUPT, AE_E_TOOBIG (too deep). */
int ae_fields_any(ae_arena *a, ae_buf *b, ae_str json, ae_str fields);

/* ---- list.c: the answer -------------------------------------------------- */

/* The caller's rights.  Both say 1 yes, 0 no, negative: not known. */
struct ae_list_rights {
    int  (*may)(void *ctx, ae_str object);
    /* The same for every object "<project>/..."; negative: it depends.  May
     * be NULL.  Asked for applications and application sets only. */
    int  (*may_project)(void *ctx, ae_str project);
    void  *ctx;
    ae_str self;   /* accounts: one's own is always shown; absent: none */
};

struct ae_list_ask {
    const struct ae_list        *list;
    const struct ae_list_query  *query;
    const struct ae_list_rights *rights;
    bool                         stream; /* Accept: text/event-stream */
    const struct ae_list_page   *page;   /* NULL: Argo CD's own answer */
};

struct ae_list_answer {
    bool   forward;      /* only the upstream can say */
    const char *why;     /* static text, if so */
    int    status, code; /* 200, or an error with |error| */
    ae_str error;
    ae_str body;         /* 200: in the arena, or the copy's own bytes */
    const uint32_t *pick;/* the rows that are shown ... */
    size_t shown;        /* ... and how many */
    bool   more;         /* paging: there are further ones ... */
    ae_str last_ns, last_name; /* ... behind this one */
};

/* AE_OK with |out| filled; AE_E_NOMEM; AE_E_CORRUPT if the copy turns out to
 * be damaged (do not use it again). */
int ae_list_answer(const struct ae_list_ask *ask, ae_arena *a,
                   struct ae_list_answer *out);
/* One item by its name (clusters: server; repositories: URL).  |ns| empty:
 * the control namespace.  NULL if the list has none. */
const struct ae_row *ae_list_get(const struct ae_list *l, ae_str name,
                                 ae_str ns);

/* ---- page.c: paging and trimming, which Argo CD has not ------------------ */

#define AE_PAGE_LIMIT_MAX 10000

struct ae_list_page {
    size_t limit;          /* 0: no limit */
    bool   after;          /* begin behind this key */
    ae_str name, ns;
    ae_str sync, health;   /* exact, absent: any */
    ae_str search;         /* in the name, ASCII case folded */
};

/* Split edge.* off |query|: *rest gets what is left for Argo CD's own binding
 * (borrowed if there is none), *any whether there were some.  0; AE_E_SYNTAX
 * with *error (static text); AE_E_NOMEM. */
int ae_page_bind(ae_arena *a, ae_str query, ae_str *rest, bool *any,
                 struct ae_list_page *out, ae_str *error);
/* The cursor of a key, base64url; absent without memory. */
ae_str ae_page_cursor(ae_arena *a, ae_str name, ae_str ns);
/* Is |r| within the page's own filters and behind its cursor? */
bool ae_page_takes(const struct ae_list *l, const struct ae_row *r,
                   const struct ae_list_page *p);

#endif
