/*
 * manifest.c - an object as `kubectl get -o yaml` prints it, instead of a
 * mounted directory.  May be one of several documents, or an item of a List.
 */
#include "config/internal.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padded base64 of RFC 4648 section 4, line feeds skipped as Go does. */
int cfg_base64(ae_arena *a, ae_str in, ae_str *out)
{
    char    *p = ae_alloc(a, in.n / 4 * 3 + 4);
    size_t   n = 0, chars = 0, pad = 0;
    uint32_t acc = 0;

    if (!p)
        return AE_E_NOMEM;
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        int  d = digit(c);

        if (c == '\n' || c == '\r')
            continue;
        if (c == '=' && chars % 4 >= 2) {
            pad++;
            d = 0;
        } else if (d < 0 || pad) {
            return AE_E_SYNTAX;
        }
        acc = acc << 6 | (uint32_t)d;
        if (++chars % 4 == 0) {
            p[n++] = (char)(acc >> 16 & 0xFF);
            p[n++] = (char)(acc >> 8 & 0xFF);
            p[n++] = (char)(acc & 0xFF);
        }
    }
    if (chars % 4 || pad > 2)
        return AE_E_SYNTAX;
    n -= pad;
    p[n] = '\0';
    *out = ae_s(p, n);
    return AE_OK;
}

/* JSON that YAML does not take (a surrogate pair, a tab) as nodes.  Without
 * places, which then name the file only. */
static struct cfg_node *from_json(ae_arena *a, const json_t *v)
{
    struct cfg_node  *n = ae_zalloc(a, sizeof(*n)), **tail, *c;
    const char       *key;
    json_t           *e;
    size_t            i;

    if (!n)
        return NULL;
    tail = &n->first;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        n->type = CFG_MAP;
        json_object_foreach((json_t *)(uintptr_t)v, key, e) {
            c = from_json(a, e);
            if (!c || !(c->key = ae_zalloc(a, sizeof(*n))))
                return NULL;
            c->key->type = CFG_STR;
            c->key->text = ae_dup(a, ae_cs(key));
            *tail = c;
            tail = &c->next;
        }
        return n;
    case JSON_ARRAY:
        n->type = CFG_SEQ;
        json_array_foreach((json_t *)(uintptr_t)v, i, e) {
            c = from_json(a, e);
            if (!c)
                return NULL;
            *tail = c;
            tail = &c->next;
        }
        return n;
    case JSON_STRING:
        n->type = CFG_STR;
        n->text = ae_dup(a, ae_json_str(v));
        return n;
    case JSON_INTEGER:
        n->type = CFG_INT;
        n->i = (int64_t)json_integer_value(v);
        return n;
    case JSON_REAL:
        n->type = CFG_REAL;
        n->r = json_real_value(v);
        return n;
    case JSON_TRUE:
    case JSON_FALSE:
        n->type = CFG_BOOL;
        n->b = json_is_true(v);
        return n;
    default:
        return n;
    }
}

static int json_docs(ae_arena *a, ae_str text, ae_str file,
                     struct cfg_docs *out, struct ae_err *err)
{
    struct ae_err    e = { 0 };
    struct cfg_node *n;
    json_t          *v;

    if (ae_starts(text, AE_STR("\xEF\xBB\xBF")))
        text = ae_sub(text, 3, text.n);
    v = ae_json_parse(text, CFG_DEPTH, &e);
    if (!v)
        return ae_err_at(err, e.code, file, e.line, e.column, "%s", e.text);
    n = from_json(a, v);
    json_decref(v);
    out->doc = ae_nalloc(a, 1, sizeof(*out->doc));
    if (!n || !out->doc || a->failed)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    out->doc[0] = n;
    out->n = 1;
    return AE_OK;
}

/* JSON is read as YAML first, which it nearly is, for the sake of places. */
int cfg_manifest_parse(ae_arena *a, ae_str text, ae_str file,
                       struct cfg_docs *out, struct ae_err *err)
{
    struct ae_err e = { 0 };
    int           rc = cfg_yaml_parse(a, text, file, CFG_YAML_STRICT, 0, out,
                                      &e);

    if (rc == AE_E_SYNTAX && ae_ends(file, AE_STR(".json")))
        return json_docs(a, text, file, out, err);
    if (rc != AE_OK && err && err->code == 0)
        *err = e;
    return rc;
}

static int bad(struct cfg_load *l, ae_str file, const struct cfg_node *n,
               const char *what)
{
    return ae_err_at(l->err, AE_E_SYNTAX, file, n->line, n->column, "%s",
                     what);
}

/* One of data, stringData. */
static int members(struct cfg_load *l, ae_str file, const struct cfg_node *m,
                   bool coded, struct cfg_object *o)
{
    if (!m || m->type == CFG_NULL)
        return AE_OK;
    if (m->type != CFG_MAP)
        return bad(l, file, m, "data must be a mapping of key to text");
    for (const struct cfg_node *c = m->first; c; c = c->next) {
        struct ae_text *old;
        ae_str          text = c->text;
        int             rc = AE_OK;

        if (c->type != CFG_STR && c->type != CFG_NULL)
            return bad(l, file, c, "the value of a key must be text; put it "
                       "in quotes");
        if (c->type == CFG_NULL)
            text = AE_STR("");
        else if (coded)
            rc = cfg_base64(l->a, c->text, &text);
        if (rc == AE_E_SYNTAX)
            return bad(l, file, c, "data of a Secret must be base64; use "
                       "stringData for plain text");
        if (rc != AE_OK)
            return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
        /* stringData overwrites data when Kubernetes stores the object */
        old = (struct ae_text *)(uintptr_t)
            cfg_object_text(o, c->key->text.p);
        if (old) {
            old->text = text;
            old->line = c->line + (c->block ? 1 : 0);
            continue;
        }
        rc = cfg_object_add(l, o, c->key->text, text, file,
                            c->line + (c->block ? 1 : 0));
        if (rc != AE_OK)
            return rc;
    }
    return AE_OK;
}

static bool is_it(const struct cfg_node *n, const char *kind,
                  const char *name)
{
    const struct cfg_node *k = cfg_node_get(n, "kind");
    const struct cfg_node *m = cfg_node_get(cfg_node_get(n, "metadata"),
                                            "name");

    return k && ae_eq(k->text, ae_cs(kind)) && m
        && ae_eq(m->text, ae_cs(name));
}

/* Looks into the documents and into the items of a List. */
static const struct cfg_node *find(const struct cfg_docs *docs,
                                   const char *kind, const char *name,
                                   const struct cfg_node **twice)
{
    const struct cfg_node *found = NULL;

    *twice = NULL;
    for (size_t i = 0; i < docs->n; i++) {
        const struct cfg_node *n = docs->doc[i];
        const struct cfg_node *items = cfg_node_get(n, "items");
        const struct cfg_node *c = items ? items->first : n;

        for (; c; c = items ? c->next : NULL) {
            if (!is_it(c, kind, name))
                continue;
            if (found)
                *twice = c;
            else
                found = c;
        }
    }
    return found;
}

int cfg_manifest_object(struct cfg_load *l, const char *name, bool secret,
                        ae_str file, ae_str text, struct cfg_object *o)
{
    const char            *kind = secret ? "Secret" : "ConfigMap";
    const struct cfg_node *n, *twice;
    struct cfg_docs        docs;
    int                    rc;

    rc = cfg_manifest_parse(l->a, text, file, &docs, l->err);
    if (rc != AE_OK)
        return rc;
    n = find(&docs, kind, name, &twice);
    if (!n)
        return ae_err_at(l->err, AE_E_SYNTAX, file, 1, 0, "holds no %s named "
                         "%s; write it with kubectl get -o yaml", kind, name);
    if (twice)
        return bad(l, file, twice, "this object stands twice; remove one");
    rc = members(l, file, cfg_node_get(n, "data"), secret, o);
    if (rc == AE_OK && secret)
        rc = members(l, file, cfg_node_get(n, "stringData"), false, o);
    return rc;
}
