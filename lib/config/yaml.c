/*
 * yaml.c - YAML over libyaml's events, with the place of every node.  Aliases
 * are refused: nothing that kubectl prints has them, and they are how a small
 * file becomes a large one.
 */
#include "config/internal.h"

#include <yaml.h>

struct reader {
    yaml_parser_t  p;
    ae_arena      *a;
    ae_str         file;
    unsigned       flags;
    struct ae_err *err;
    int            rc;
};

static int fail(struct reader *r, int code, const yaml_mark_t *m,
                const char *what)
{
    r->rc = ae_err_at(r->err, code, r->file, (uint32_t)m->line + 1,
                      (uint32_t)m->column + 1, "%s", what);
    return r->rc;
}

static int broken(struct reader *r)
{
    const char  *what = r->p.problem ? r->p.problem : "unreadable";
    yaml_mark_t  m = r->p.problem_mark;

    if (r->p.error == YAML_MEMORY_ERROR)
        return r->rc = ae_err_set(r->err, AE_E_NOMEM, "out of memory");
    /* the byte reader knows an offset only, the scanner a line */
    if (r->p.error == YAML_READER_ERROR)
        m = r->p.mark;
    r->rc = ae_err_at(r->err, AE_E_SYNTAX, r->file, (uint32_t)m.line + 1,
                      (uint32_t)m.column + 1,
                      "invalid YAML: %s; check indentation and quotes", what);
    return r->rc;
}

static bool tag_is(const yaml_char_t *tag, const char *name)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    const char       *t = (const char *)tag;

    return strncmp(t, prefix, sizeof(prefix) - 1) == 0
        && strcmp(t + sizeof(prefix) - 1, name) == 0;
}

static struct cfg_node *node_new(struct reader *r, const yaml_event_t *e)
{
    struct cfg_node *n = ae_zalloc(r->a, sizeof(*n));

    if (!n) {
        r->rc = ae_err_set(r->err, AE_E_NOMEM, "out of memory");
        return NULL;
    }
    n->line = (uint32_t)e->start_mark.line + 1;
    n->column = (uint32_t)e->start_mark.column + 1;
    return n;
}

/* A tag overrules the look of a scalar; tags of an application's own have no
 * meaning for Argo CD. */
static int scalar_tag(struct reader *r, const yaml_event_t *e,
                      struct cfg_node *n)
{
    const yaml_char_t *tag = e->data.scalar.tag;

    if (!tag || strcmp((const char *)tag, "!") == 0) {
        n->type = CFG_STR;
        if (!tag && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
            cfg_scalar_resolve(n);
        return AE_OK;
    }
    if (tag_is(tag, "str")) {
        n->type = CFG_STR;
        return AE_OK;
    }
    cfg_scalar_resolve(n);
    if ((tag_is(tag, "null") && n->type == CFG_NULL)
        || (tag_is(tag, "bool") && n->type == CFG_BOOL)
        || (tag_is(tag, "int") && n->type == CFG_INT)
        || (tag_is(tag, "float") && n->type == CFG_REAL))
        return AE_OK;
    return fail(r, AE_E_UNSUP, &e->start_mark,
                "this YAML tag is not supported or does not fit its value; "
                "remove it");
}

static struct cfg_node *scalar(struct reader *r, const yaml_event_t *e)
{
    struct cfg_node *n = node_new(r, e);

    if (!n)
        return NULL;
    n->text = ae_dup(r->a, ae_s((const char *)e->data.scalar.value,
                                e->data.scalar.length));
    if (!n->text.p) {
        r->rc = ae_err_set(r->err, AE_E_NOMEM, "out of memory");
        return NULL;
    }
    n->block = e->data.scalar.style == YAML_LITERAL_SCALAR_STYLE
            || e->data.scalar.style == YAML_FOLDED_SCALAR_STYLE;
    return scalar_tag(r, e, n) == AE_OK ? n : NULL;
}

static struct cfg_node *value(struct reader *r, yaml_event_t *e, int depth);

static int check_key(struct reader *r, const struct cfg_node *map,
                     const struct cfg_node *k)
{
    yaml_mark_t at = { 0, k->line - 1, k->column - 1 };

    if (k->type == CFG_SEQ || k->type == CFG_MAP || k->type == CFG_NULL)
        return fail(r, AE_E_SYNTAX, &at, "a key must be a simple text");
    if (k->type == CFG_STR && ae_eq_lit(k->text, "<<"))
        return fail(r, AE_E_UNSUP, &at,
                    "merge keys (<<) are not supported; write the members out");
    if (!(r->flags & CFG_YAML_STRICT))
        return AE_OK;
    /* quadratic, but the maps that are read strictly are small */
    for (const struct cfg_node *c = map->first; c; c = c->next)
        if (ae_eq(c->key->text, k->text))
            return fail(r, AE_E_SYNTAX, &at,
                        "this key stands twice; remove one of the two");
    return AE_OK;
}

/* Children up to the end event.  In a map keys and values alternate. */
static struct cfg_node *children(struct reader *r, struct cfg_node *n,
                                 yaml_event_type_t end, int depth)
{
    struct cfg_node **tail = &n->first, *key = NULL, *c;
    size_t            count = 0;
    yaml_event_t      e;

    for (;;) {
        if (!yaml_parser_parse(&r->p, &e)) {
            broken(r);
            return NULL;
        }
        if (e.type == end) {
            yaml_event_delete(&e);
            return n;
        }
        c = value(r, &e, depth + 1);
        yaml_event_delete(&e);
        if (!c)
            return NULL;
        if (n->type == CFG_MAP && !key) {
            if (++count > CFG_FILES_MAX) {
                r->rc = ae_err_at(r->err, AE_E_TOOBIG, r->file, c->line,
                                  c->column, "more than %d members in one "
                                  "mapping", CFG_FILES_MAX);
                return NULL;
            }
            if (check_key(r, n, c) != AE_OK)
                return NULL;
            key = c;
            continue;
        }
        c->key = key;
        key = NULL;
        *tail = c;
        tail = &c->next;
    }
}

static struct cfg_node *value(struct reader *r, yaml_event_t *e, int depth)
{
    struct cfg_node *n;

    if (depth > CFG_DEPTH) {
        fail(r, AE_E_TOOBIG, &e->start_mark,
             "nested deeper than 64 levels; this is not a file of Argo CD");
        return NULL;
    }
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return scalar(r, e);
    case YAML_ALIAS_EVENT:
        fail(r, AE_E_UNSUP, &e->start_mark,
             "aliases (*name) are not supported; write the value out");
        return NULL;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        n = node_new(r, e);
        if (!n)
            return NULL;
        n->type = e->type == YAML_MAPPING_START_EVENT ? CFG_MAP : CFG_SEQ;
        return children(r, n, n->type == CFG_MAP ? YAML_MAPPING_END_EVENT
                        : YAML_SEQUENCE_END_EVENT, depth);
    default:
        fail(r, AE_E_SYNTAX, &e->start_mark, "a value is missing");
        return NULL;
    }
}

static int add_doc(struct reader *r, struct cfg_docs *out, size_t *cap,
                   struct cfg_node *n)
{
    if (out->n == *cap) {
        size_t            want = *cap ? *cap * 2 : 4;
        struct cfg_node **p = ae_nalloc(r->a, want, sizeof(*p));

        if (!p)
            return r->rc = ae_err_set(r->err, AE_E_NOMEM, "out of memory");
        for (size_t i = 0; i < out->n; i++)
            p[i] = out->doc[i];
        out->doc = p;
        *cap = want;
    }
    out->doc[out->n++] = n;
    return AE_OK;
}

static int documents(struct reader *r, size_t max, struct cfg_docs *out)
{
    size_t           cap = 0;
    struct cfg_node *n;
    yaml_event_t     e;

    for (;;) {
        yaml_event_type_t t;

        if (!yaml_parser_parse(&r->p, &e))
            return broken(r);
        t = e.type;
        if (t == YAML_STREAM_START_EVENT || t == YAML_DOCUMENT_START_EVENT
            || t == YAML_DOCUMENT_END_EVENT || t == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&e);
            if (t == YAML_STREAM_END_EVENT)
                return AE_OK;
            continue;
        }
        n = value(r, &e, 1);
        yaml_event_delete(&e);
        if (!n)
            return r->rc;
        if (add_doc(r, out, &cap, n) != AE_OK)
            return r->rc;
        if (max && out->n == max)
            return AE_OK;
    }
}

int cfg_yaml_parse(ae_arena *a, ae_str text, ae_str file, unsigned flags,
                   size_t max, struct cfg_docs *out, struct ae_err *err)
{
    struct reader r = { .a = a, .file = file, .flags = flags, .err = err };
    int           rc;

    *out = (struct cfg_docs){ NULL, 0 };
    if (!yaml_parser_initialize(&r.p))
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    /* named, so that a stray UTF-16 mark is an error and not an encoding */
    yaml_parser_set_encoding(&r.p, YAML_UTF8_ENCODING);
    if (text.n >= 3 && memcmp(text.p, "\xEF\xBB\xBF", 3) == 0)
        text = ae_sub(text, 3, text.n);
    yaml_parser_set_input_string(&r.p,
                                 (const unsigned char *)(text.p ? text.p : ""),
                                 text.n);
    rc = documents(&r, max, out);
    yaml_parser_delete(&r.p);
    return rc;
}

const struct cfg_node *cfg_node_get(const struct cfg_node *n, const char *key)
{
    const struct cfg_node *found = NULL;

    if (n && n->type == CFG_MAP)
        for (const struct cfg_node *c = n->first; c; c = c->next)
            if (ae_eq(c->key->text, ae_cs(key)))
                found = c;
    return found;
}

static json_t *node_json(ae_arena *a, const struct cfg_node *n);

static json_t *node_object(ae_arena *a, const struct cfg_node *n)
{
    json_t *o = json_object();
    ae_str  k;

    for (const struct cfg_node *c = n->first; o && c; c = c->next) {
        if (!cfg_scalar_string(a, c->key, &k) || !k.p
            || json_object_setn_new(o, k.p, k.n, node_json(a, c)) < 0) {
            json_decref(o);
            return NULL;
        }
    }
    return o;
}

static json_t *node_json(ae_arena *a, const struct cfg_node *n)
{
    json_t *v;

    switch (n->type) {
    case CFG_NULL:
        return json_null();
    case CFG_BOOL:
        return json_boolean(n->b);
    case CFG_INT:
        return json_integer(n->i);
    case CFG_REAL:
        return json_real(n->r);
    case CFG_STR:
        return json_stringn(n->text.p, n->text.n);
    case CFG_SEQ:
        v = json_array();
        for (const struct cfg_node *c = n->first; v && c; c = c->next)
            if (json_array_append_new(v, node_json(a, c)) < 0) {
                json_decref(v);
                return NULL;
            }
        return v;
    case CFG_MAP:
        return node_object(a, n);
    }
    return NULL;
}

json_t *cfg_node_json(ae_arena *a, const struct cfg_node *n,
                      struct ae_err *err)
{
    json_t *v = node_json(a, n);

    if (!v)
        ae_err_set(err, AE_E_NOMEM, "out of memory, or text that is not "
                   "UTF-8");
    return v;
}

json_t *ae_yaml_to_json(ae_str text, ae_str file, struct ae_err *err)
{
    struct cfg_docs docs;
    ae_heap         heap = { NULL, 0 };
    ae_arena        a;
    json_t         *v = NULL;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (cfg_yaml_parse(&a, text, file, 0, 1, &docs, err) == AE_OK)
        v = docs.n ? cfg_node_json(&a, docs.doc[0], err) : json_null();
    ae_heap_free(&heap);
    return v;
}
