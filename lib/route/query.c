/*
 * query.c - binding of query values as grpc-gateway does it (semantics-api.md
 * "Query and body"), under the stricter form of T2.
 */
#include "route/internal.h"

#include <stdint.h>

static bool parse_bool(ae_str v)
{
    static const char *const ok[] = { "1", "t", "T", "TRUE", "true", "True",
                                      "0", "f", "F", "FALSE", "false",
                                      "False" };

    for (size_t i = 0; i < sizeof ok / sizeof ok[0]; i++)
        if (ae_eq(v, ae_cs(ok[i])))
            return true;
    return false;
}

/* The gateway reads numbers with base 0: only plain decimals are sure. */
static bool parse_num(ae_str v, int64_t min, int64_t max)
{
    ae_str  d = v;
    int64_t x;

    if (d.n && d.p[0] == '-')
        d = ae_sub(d, 1, d.n - 1);
    if (d.n == 0 || (d.n > 1 && d.p[0] == '0'))
        return false;
    for (size_t i = 0; i < d.n; i++)
        if (d.p[i] < '0' || d.p[i] > '9')
            return false;
    return ae_parse_i64(v, &x) && x >= min && x <= max;
}

bool ae_query_typed(char type, ae_str v)
{
    switch (type) {
    case 's': return true;
    case 'b': return parse_bool(v);
    case 'i': return parse_num(v, INT64_MIN, INT64_MAX);
    case 'n': return parse_num(v, INT32_MIN, INT32_MAX);
    default:  return false;
    }
}

static const struct ae_qfield *field(const struct ae_op *op, ae_str name,
                                     size_t *at)
{
    for (size_t i = 0; i < op->nq; i++) {
        const char *z = op->q[i].name;

        if (z[0] == name.p[0] && ae_eq(name, ae_cs(z))) {
            *at = i;
            return &op->q[i];
        }
    }
    return NULL;
}

/* Go names the escape as strconv.Quote writes it. */
static int bad_escape(struct ae_target *t, ae_arena *a, ae_str bad)
{
    char   text[64];
    size_t n = 0;

    memcpy(text, "invalid URL escape \"", 20);
    n = 20;
    for (size_t i = 0; i < bad.n && i < 3; i++) {
        if (bad.p[i] == '"' || bad.p[i] == '\\')
            text[n++] = '\\';
        text[n++] = bad.p[i];
    }
    text[n++] = '"';
    return ae_refuse_json(t, a, ae_s(text, n));
}

/* grpc-gateway takes an empty name for the first field of the request, even
 * where the path has set it: GET /applications/a?=b is about b. */
static int empty_name(struct ae_target *t, ae_arena *a)
{
    if (t->op->nq && t->npath)
        return ae_refuse_json(t, a, AE_STR("query names must be plain"));
    t->unknown_query = true;
    t->doubtful = t->doubtful || t->op->nq;
    return AE_OK;
}

/* One name=value.  |seen|: fields that had a value. */
static int bind_one(struct ae_target *t, ae_arena *a, ae_str part,
                    uint32_t *seen)
{
    const struct ae_qfield *f;
    ae_str name, raw, val, bad = { NULL, 0 };
    size_t at = 0;
    int    rc;

    raw = ae_cut(part, '=', &name);
    rc = ae_unescape(a, raw, true, &val, &bad);
    if (rc == AE_OK && name.n && memchr(name.p, '%', name.n))
        rc = ae_unescape(a, name, true, &raw, &bad);
    if (rc == AE_E_SYNTAX)
        return bad_escape(t, a, bad);
    if (rc != AE_OK)
        return rc;
    if (name.n == 0 || name.p[0] == '.')
        return empty_name(t, a);
    f = field(t->op, name, &at);
    if (!f) {
        for (size_t i = 0; i < name.n; i++)
            if (name.p[i] == '%' || name.p[i] == '[' || name.p[i] == ']')
                return ae_refuse_json(t, a,
                    AE_STR("query names must be plain"));
        t->unknown_query = true;
        /* a dotted name may reach into a field and fail there with 400; the
         * query of a request without fields is not read */
        if (t->op->nq && memchr(name.p, '.', name.n))
            t->doubtful = true;
        return AE_OK;
    }
    if (!f->repeated && (*seen & 1u << at))
        return ae_refuse_json(t, a,
            AE_STR("query parameter given more than once"));
    *seen |= 1u << at;
    if (!ae_query_typed(f->type, val) || !ae_text_ok(val)
        || (val.n && memchr(val.p, '\0', val.n)))
        t->doubtful = true;
    t->side_effect = t->side_effect || f->side_effect;
    t->no_store = t->no_store || f->no_store;
    t->q[t->nq].name = ae_cs(f->name);
    t->q[t->nq++].value = val;
    return AE_OK;
}

/* |project| of Get is a list that may hold one value (Q01). */
static int check_projects(struct ae_target *t, ae_arena *a)
{
    size_t project = 0, projects = 0, empty = 0;

    for (size_t i = 0; i < t->nq; i++) {
        if (ae_eq_lit(t->q[i].name, "project")) {
            project++;
            empty += t->q[i].value.n == 0;
        } else if (ae_eq_lit(t->q[i].name, "projects")) {
            projects++;
        }
    }
    if (project > 1)
        return ae_refuse_json(t, a, AE_STR("multiple projects specified - the"
            " get endpoint accepts either zero or one project"));
    if (projects > 1 || (empty && projects))
        t->doubtful = true;
    return AE_OK;
}

int ae_query_bind(struct ae_target *t, ae_arena *a)
{
    uint32_t seen = 0;
    size_t   n = 1;
    ae_str   rest = t->query;
    int      rc;

    if (rest.n == 0)
        return AE_OK;
    if (memchr(rest.p, ';', rest.n))
        return ae_refuse_json(t, a,
            AE_STR("invalid semicolon separator in query"));
    for (const char *at = rest.p, *end = rest.p + rest.n;
         (at = memchr(at, '&', (size_t) (end - at))) != NULL; at++)
        n++;
    if (n > AE_QUERY_PARMS)
        return ae_refuse_json(t, a, AE_STR("too many query parameters"));
    if (t->op->body_all)
        return AE_OK; /* upstream does not read the query of these */
    t->q = ae_nalloc(a, n, sizeof *t->q);
    if (!t->q)
        return AE_E_NOMEM;
    while (rest.p) {
        ae_str part;

        rest = ae_cut(rest, '&', &part);
        if (part.n == 0)
            continue;
        rc = bind_one(t, a, part, &seen);
        if (rc != AE_OK || t->kind == AE_TGT_BAD)
            return rc;
    }
    if (t->op->id == AE_OPID_ApplicationService_Get)
        return check_projects(t, a);
    return AE_OK;
}
