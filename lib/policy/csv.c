/*
 * csv.c - policy lines as Argo CD reads them (C1-C6): Go's encoding/csv on
 * one stripped line at a time, leading space of a field dropped.
 */
#include "policy/policy.h"

#define NFIELDS 6 /* no line that means something has more */

/* What is wrong with a line; |column| is Go's, 1-based in the stripped one. */
enum fault { OK, NOMEM, BAD_RULE, BARE_QUOTE, QUOTE };

struct reader {
    ae_arena *a;
    ae_str    line;   /* stripped (C1) */
    size_t    at;     /* next byte */
    size_t    column; /* of the fault */
};

static enum fault fail(struct reader *r, enum fault f, size_t at)
{
    r->column = at + 1;
    return f;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->line.n) {
        uint32_t cp;
        size_t w = ae_utf8_next(r->line.p + r->at, r->line.n - r->at, &cp);

        if (!ae_unicode_space(cp))
            return;
        r->at += w;
    }
}

/* C2: text up to the next comma; a quote in it is an error. */
static enum fault plain_field(struct reader *r, ae_str *out, bool *more)
{
    ae_str rest = ae_sub(r->line, r->at, r->line.n);
    size_t n = ae_find(rest, ',');
    ae_str field = ae_s(rest.p, n);
    size_t q = ae_find(field, '"');

    if (q < field.n)
        return fail(r, BARE_QUOTE, r->at + q);
    *out = field;
    *more = n < rest.n;
    r->at += n + (*more ? 1 : 0);
    return OK;
}

/* The field between the quotes, "" folded to one quote. */
static ae_str unquote(ae_arena *a, ae_str s, size_t pairs)
{
    char *p;
    size_t i, n = 0;

    if (pairs == 0)
        return s;
    p = ae_alloc(a, s.n);
    if (p == NULL)
        return ae_s(NULL, 0);
    for (i = 0; i < s.n; i++) {
        p[n++] = s.p[i];
        if (s.p[i] == '"')
            i++;
    }
    return ae_s(p, n);
}

/* C2: r->at is on the opening quote.  Columns are where Go's reader stood:
 * on the closing quote when text follows it, past the end when it is
 * missing. */
static enum fault quoted_field(struct reader *r, ae_str *out, bool *more)
{
    ae_str l = r->line;
    size_t from = r->at + 1, i = from, pairs = 0;

    for (;;) {
        while (i < l.n && l.p[i] != '"')
            i++;
        if (i == l.n)
            return fail(r, QUOTE, l.n);
        if (i + 1 == l.n || l.p[i + 1] == ',')
            break;
        if (l.p[i + 1] != '"')
            return fail(r, QUOTE, i);
        pairs++;
        i += 2;
    }
    *out = unquote(r->a, ae_s(l.p + from, i - from), pairs);
    if (out->p == NULL)
        return NOMEM;
    *more = i + 1 < l.n;
    r->at = i + (*more ? 2 : 1);
    return OK;
}

/* C3.  Go looks at the first letter as section and the whole as key; of the
 * model's sections each has the one key of its own name. */
static bool rule_ok(const struct ae_csv_line *l)
{
    ae_str key = l->field[0];

    if (key.n != 1)
        return false;
    switch (key.p[0]) {
    case 'p': return l->nfield == 6;
    case 'g': return l->nfield == 3;
    case 'r': case 'e': case 'm': return true;
    default:  return false;
    }
}

static enum fault read_line(struct reader *r, struct ae_csv_line *out)
{
    bool more = true;

    while (more) {
        ae_str f;
        enum fault e;

        skip_space(r);
        if (r->at < r->line.n && r->line.p[r->at] == '"')
            e = quoted_field(r, &f, &more);
        else
            e = plain_field(r, &f, &more);
        if (e != OK)
            return e;
        if (out->nfield < NFIELDS)
            out->field[out->nfield] = f;
        out->nfield++;
    }
    if (!rule_ok(out))
        return fail(r, BAD_RULE, 0);
    out->key = out->field[0].p[0];
    return OK;
}

/* C1: the next line that is neither empty nor a comment. */
static bool next_line(ae_str *rest, uint32_t *line, ae_str *raw, ae_str *out)
{
    while (rest->n > 0) {
        ae_str tail = ae_cut(*rest, '\n', raw);

        *rest = tail;
        *line += 1;
        *out = ae_trim_space(*raw);
        if (out->n > 0 && out->p[0] != '#')
            return true;
    }
    return false;
}

/* C5, without the part that says what was being loaded. */
static void put_fault(ae_buf *b, const struct reader *r, enum fault f)
{
    if (f == BAD_RULE) {
        ae_buf_puts(b, "invalid RBAC policy: ");
        ae_buf_put(b, r->line);
        return;
    }
    ae_buf_puts(b, "error parsing policy line ");
    ae_go_quote(b, r->line);
    ae_buf_printf(b, ": parse error on line 1, column %zu: %s", r->column,
                  f == BARE_QUOTE ? "bare \" in non-quoted-field"
                                  : "extraneous or missing \" in quoted-field");
}

/* One step of ae_csv_next() that keeps the reader for the caller's texts. */
static int step(struct reader *r, ae_str *rest, uint32_t *line,
                struct ae_csv_line *out, enum fault *f, ae_str *raw)
{
    if (!next_line(rest, line, raw, &r->line))
        return 0;
    r->at = 0;
    r->column = 1;
    memset(out, 0, sizeof(*out));
    out->line = *line;
    *f = read_line(r, out);
    if (*f == NOMEM)
        return AE_E_NOMEM;
    return *f == OK ? 1 : AE_E_SYNTAX;
}

int ae_csv_next(ae_arena *a, ae_str *rest, uint32_t *line,
                struct ae_csv_line *out, struct ae_err *err)
{
    struct reader r = { .a = a };
    enum fault f = OK;
    ae_str raw;
    ae_buf b;
    int rc = step(&r, rest, line, out, &f, &raw);

    if (rc == AE_E_NOMEM)
        return ae_err_set(err, rc, "out of memory reading a policy line");
    if (rc != AE_E_SYNTAX)
        return rc;
    ae_buf_init(&b, a, 0);
    put_fault(&b, &r, f);
    if (b.bad)
        ae_buf_init(&b, a, 0); /* the place still says enough */
    return ae_err_at(err, rc, ae_s(NULL, 0), *line,
                     (uint32_t)((size_t)(r.line.p - raw.p) + r.column),
                     "%.*s", (int)(b.n < 511 ? b.n : 511), b.n ? b.p : "");
}

int ae_csv_check(ae_arena *a, ae_str text, ae_str *install_error,
                 ae_str *validate_error)
{
    struct reader r = { .a = a };
    struct ae_csv_line l;
    enum fault f = OK;
    ae_str rest = text, raw;
    uint32_t line = 0;
    ae_buf b;
    int rc;

    *install_error = *validate_error = ae_s(NULL, 0);
    do
        rc = step(&r, &rest, &line, &l, &f, &raw);
    while (rc > 0);
    if (rc != AE_E_SYNTAX)
        return rc;
    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "error loading RBAC policy: error creating casbin "
                    "enforcer: error loading policy line: ");
    put_fault(&b, &r, f);
    if (b.bad)
        return AE_E_NOMEM;
    *install_error = ae_buf_str(&b);
    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "policy syntax error: ");
    ae_buf_put(&b, text);
    if (b.bad)
        return AE_E_NOMEM;
    *validate_error = ae_buf_str(&b);
    return AE_E_SYNTAX;
}
