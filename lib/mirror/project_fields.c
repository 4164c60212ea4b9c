/*
 * project_fields.c - `fields` for projects: a projection of any JSON, encoded
 * anew as Go does a map: keys sorted, numbers through a double.
 */
#include "mirror/mirror.h"
#include "mirror/scan.h"

#include <stdio.h>
#include <stdlib.h>

struct proj {
    ae_arena *a;
    ae_buf   *b;
    ae_str    fields;
    bool      all;      /* inside a member that is kept whole */
    bool      exclude;
    ae_buf    path;     /* of the member at hand, joined by dots */
    int       rc;
};

struct member { ae_str key, value; };

static void value(struct proj *p, ae_str v, int depth);

static void fail(struct proj *p, int rc)
{
    if (p->rc == AE_OK)
        p->rc = rc;
}

/* ---- numbers: Go's encoding of a float64 ---- */

static void put_digits(ae_buf *b, const char *d, int n, int exp10)
{
    if (exp10 < -6 || exp10 >= 21) { /* d.ddde+XX */
        ae_buf_put(b, ae_s(d, 1));
        if (n > 1) {
            ae_buf_putc(b, '.');
            ae_buf_put(b, ae_s(d + 1, (size_t)(n - 1)));
        }
        ae_buf_printf(b, "e%c%0*d", exp10 < 0 ? '-' : '+',
                      exp10 < 0 ? 1 : 2, abs(exp10));
        return;
    }
    if (exp10 < 0) {
        ae_buf_puts(b, "0.");
        for (int i = -1; i > exp10; i--)
            ae_buf_putc(b, '0');
        ae_buf_put(b, ae_s(d, (size_t)n));
        return;
    }
    for (int i = 0; i < n || i <= exp10; i++) {
        if (i == exp10 + 1)
            ae_buf_putc(b, '.');
        ae_buf_putc(b, i < n ? d[i] : '0');
    }
}

/* The shortest decimal that reads back the same.  snprintf and strtod share
 * the locale's point, whatever it is; JSON's is put back for reading. */
static void number(struct proj *p, ae_str v)
{
    char   in[64], out[48], digits[24];
    double f;
    int    n = 0, exp10;

    if (v.n >= sizeof(in)) {
        fail(p, AE_E_TOOBIG);
        return;
    }
    snprintf(out, sizeof(out), "%.1f", 0.5);
    memcpy(in, v.p, v.n);
    in[v.n] = '\0';
    for (char *q = in; *q; q++)
        if (*q == '.')
            *q = out[1];
    f = strtod(in, NULL);
    if (f == 0) {
        ae_buf_puts(p->b, in[0] == '-' ? "-0" : "0");
        return;
    }
    for (int prec = 0; prec < 17; prec++) {
        snprintf(out, sizeof(out), "%.*e", prec, f);
        if (strtod(out, NULL) == f)
            break;
    }
    for (const char *q = out; *q && *q != 'e'; q++)
        if (*q >= '0' && *q <= '9')
            digits[n++] = *q;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    exp10 = strchr(out, 'e') ? (int)strtol(strchr(out, 'e') + 1, NULL, 10)
                             : 0;
    if (f < 0)
        ae_buf_putc(p->b, '-');
    put_digits(p->b, digits, n, exp10);
}

/* ---- which members ---- */

enum keep { DROP, WHOLE, SEARCH };

static enum keep judge(const struct proj *p, ae_str path)
{
    ae_str rest = p->fields, one;
    bool   listed = false, begun = false;

    while (rest.p && !listed) {
        rest = ae_cut(rest, ',', &one);
        listed = ae_eq(one, path);
        begun |= ae_starts(one, path);
    }
    if (p->exclude)
        return listed ? DROP : SEARCH;
    return listed ? WHOLE : begun ? SEARCH : DROP;
}

/* ---- values ---- */

static int by_key(const void *x, const void *y)
{
    return ae_cmp(((const struct member *)x)->key,
                  ((const struct member *)y)->key);
}

static size_t read_members(struct proj *p, ae_str v, struct member **out)
{
    struct ae_cur c = ae_cur(v);
    ae_str        key, val;
    size_t        n = 0, cap = 0;

    *out = NULL;
    for (bool first = true; ae_cur_member(&c, &first, &key);) {
        if (!ae_cur_value(&c, &val))
            break;
        if (n == cap) {
            struct member *to;

            cap = cap ? cap * 2 : 16;
            to = ae_nalloc(p->a, cap, sizeof(*to));
            if (!to) {
                fail(p, AE_E_NOMEM);
                return 0;
            }
            if (n)
                memcpy(to, *out, n * sizeof(*to));
            *out = to;
        }
        (*out)[n].key = ae_text_decode(p->a, key);
        if (!(*out)[n].key.p)
            fail(p, AE_E_CORRUPT);
        (*out)[n++].value = val;
    }
    if (c.bad)
        fail(p, AE_E_CORRUPT);
    return n;
}

static void object(struct proj *p, ae_str v, int depth)
{
    struct member *m;
    size_t         n = read_members(p, v, &m), was = p->path.n;
    bool           comma = false, all = p->all;

    if (p->rc != AE_OK)
        return;
    if (n)
        qsort(m, n, sizeof(*m), by_key);
    ae_buf_putc(p->b, '{');
    for (size_t i = 0; i < n && p->rc == AE_OK; i++) {
        enum keep k = WHOLE;

        if (!all) {
            if (was)
                ae_buf_putc(&p->path, '.');
            ae_buf_put(&p->path, m[i].key);
            k = judge(p, ae_buf_str(&p->path));
        }
        if (k != DROP) {
            if (comma)
                ae_buf_putc(p->b, ',');
            comma = true;
            ae_json_quote(p->b, m[i].key);
            ae_buf_putc(p->b, ':');
            p->all = all || k == WHOLE;
            value(p, m[i].value, depth + 1);
            p->all = all;
        }
        p->path.n = was;
    }
    ae_buf_putc(p->b, '}');
}

/* Elements have the path of their array. */
static void array(struct proj *p, ae_str v, int depth)
{
    struct ae_cur c = ae_cur(v);
    ae_str        one;
    bool          comma = false;

    ae_buf_putc(p->b, '[');
    for (bool first = true; p->rc == AE_OK && ae_cur_element(&c, &first);) {
        if (!ae_cur_value(&c, &one))
            break;
        if (comma)
            ae_buf_putc(p->b, ',');
        comma = true;
        value(p, one, depth + 1);
    }
    if (c.bad)
        fail(p, AE_E_CORRUPT);
    ae_buf_putc(p->b, ']');
}

static void value(struct proj *p, ae_str v, int depth)
{
    if (p->rc != AE_OK || v.n == 0)
        return;
    if (depth > AE_FIELDS_DEPTH)
        fail(p, AE_E_TOOBIG);
    else if (v.p[0] == '{')
        object(p, v, depth);
    else if (v.p[0] == '[')
        array(p, v, depth);
    else if (v.p[0] == '"' || v.p[0] == 't' || v.p[0] == 'f'
             || v.p[0] == 'n')
        ae_buf_put(p->b, v); /* written by the same encoder before */
    else
        number(p, v);
}

int ae_fields_any(ae_arena *a, ae_buf *b, ae_str json, ae_str fields)
{
    struct proj p = { .a = a, .b = b, .fields = fields };

    if (fields.n && fields.p[0] == '-') {
        p.exclude = true;
        p.fields = ae_sub(fields, 1, fields.n);
    }
    ae_buf_init(&p.path, a, 0);
    value(&p, json, 0);
    if (a->failed || b->bad || p.path.bad)
        return AE_E_NOMEM;
    return p.rc;
}
