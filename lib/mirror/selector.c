/*
 * selector.c - label selectors: the grammar of Kubernetes and the very texts
 * of its errors (recorded in tests/vectors/lists, apps.selector.*).
 */
#include "mirror/mirror.h"
#include "mirror/scan.h"

#include <stdlib.h>

enum { NAME_MAX_BYTES = 63, PREFIX_MAX_BYTES = 253 };

enum tok { T_END = 0, T_WORD, T_IN, T_NOTIN, T_EQ, T_EQEQ, T_NE, T_NOT, T_GT,
           T_LT, T_OPEN, T_CLOSE, T_COMMA };

struct parse {
    ae_arena *a;
    ae_str    text;
    size_t    at;
    enum tok  tok;  /* the token to come */
    ae_str    lit;
    ae_str   *error;
};

/* ---- tokens ---- */

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool special(char c)
{
    return c != '\0' && strchr("=!(),><", c) != NULL;
}

static enum tok symbol(struct parse *p)
{
    char c = p->text.p[p->at], d = '\0';

    if (p->at + 1 < p->text.n)
        d = p->text.p[p->at + 1];
    p->at++;
    switch (c) {
    case '(': return T_OPEN;
    case ')': return T_CLOSE;
    case ',': return T_COMMA;
    case '>': return T_GT;
    case '<': return T_LT;
    default:
        break;
    }
    if (d != '=')
        return c == '!' ? T_NOT : T_EQ;
    p->at++;
    return c == '!' ? T_NE : T_EQEQ;
}

/* A NUL ends the selector where a token would begin, and is swallowed right
 * behind one. */
static void advance(struct parse *p)
{
    size_t from;

    while (p->at < p->text.n && blank(p->text.p[p->at]))
        p->at++;
    from = p->at;
    if (from >= p->text.n || p->text.p[from] == '\0') {
        p->at = p->text.n;
        p->tok = T_END;
        p->lit = AE_STR("");
        return;
    }
    if (special(p->text.p[from])) {
        p->tok = symbol(p);
    } else {
        while (p->at < p->text.n && p->text.p[p->at] != '\0'
               && !blank(p->text.p[p->at]) && !special(p->text.p[p->at]))
            p->at++;
        p->tok = T_WORD;
    }
    p->lit = ae_sub(p->text, from, p->at - from);
    if (p->tok == T_WORD && ae_eq_lit(p->lit, "in"))
        p->tok = T_IN;
    else if (p->tok == T_WORD && ae_eq_lit(p->lit, "notin"))
        p->tok = T_NOTIN;
    if (p->at < p->text.n && p->text.p[p->at] == '\0')
        p->at++;
}

/* |in| and |notin| are operators in second place only. */
static bool word(const struct parse *p)
{
    return p->tok == T_WORD || p->tok == T_IN || p->tok == T_NOTIN;
}

/* ---- errors ---- */

#define QUALIFIED \
    "must consist of alphanumeric characters, '-', '_' or '.', and must " \
    "start and end with an alphanumeric character (e.g. 'MyName',  or " \
    "'my.name',  or '123-abc', regex used for validation is " \
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
#define SUBDOMAIN \
    "a lowercase RFC 1123 subdomain must consist of lower case " \
    "alphanumeric characters, '-' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'example.com', regex used for validation " \
    "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define VALUE \
    "a valid label must be an empty string or consist of alphanumeric " \
    "characters, '-', '_' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', " \
    "regex used for validation is " \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
#define REQUIREMENT "unable to parse requirement: "

static int finish(struct parse *p, ae_buf *b)
{
    if (b->bad)
        return AE_E_NOMEM;
    *p->error = ae_buf_str(b);
    return AE_E_SYNTAX;
}

/* found 'T', expected: E */
static int found(struct parse *p, bool inside, ae_str lit,
                 const char *expected)
{
    ae_buf b;

    ae_buf_init(&b, p->a, 0);
    if (inside)
        ae_buf_puts(&b, REQUIREMENT);
    ae_buf_puts(&b, "found '");
    ae_buf_put(&b, lit);
    ae_buf_puts(&b, "'");
    ae_buf_puts(&b, expected);
    return finish(p, &b);
}

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9');
}

static bool qualified(ae_str s)
{
    if (s.n == 0 || !alnum(s.p[0]) || !alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_'
            && s.p[i] != '.')
            return false;
    return true;
}

static bool subdomain(ae_str s)
{
    char was = '.';

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool low = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!low && c != '-' && c != '.')
            return false;
        if (!low && was == '.') /* a part begins with neither */
            return false;
        if (c == '.' && was == '-')
            return false;
        was = c;
    }
    return was != '.' && was != '-';
}

static void reason(ae_buf *b, bool *any, const char *text)
{
    if (*any)
        ae_buf_puts(b, "; ");
    *any = true;
    ae_buf_puts(b, text);
}

/* What is wrong with a key; nothing is appended if all is well. */
static void key_reasons(ae_buf *b, ae_str key)
{
    ae_str head, name = ae_cut(key, '/', &head);
    bool   any = false;

    if (!name.p) {
        name = key;
    } else if (ae_find(name, '/') < name.n) {
        reason(b, &any, "a valid label key " QUALIFIED " with an optional DNS"
               " subdomain prefix and '/' (e.g. 'example.com/MyName')");
        return;
    } else if (head.n == 0) {
        reason(b, &any, "prefix part must be non-empty");
    } else {
        if (head.n > PREFIX_MAX_BYTES)
            reason(b, &any, "prefix part must be no more than 253 bytes");
        if (!subdomain(head))
            reason(b, &any, "prefix part " SUBDOMAIN);
    }
    if (name.n == 0)
        reason(b, &any, "name part must be non-empty");
    else if (name.n > NAME_MAX_BYTES)
        reason(b, &any, "name part must be no more than 63 bytes");
    if (!qualified(name))
        reason(b, &any, "name part " QUALIFIED);
}

static int check_key(struct parse *p, ae_str key)
{
    ae_buf why, b;

    ae_buf_init(&why, p->a, 0);
    key_reasons(&why, key);
    if (why.n == 0)
        return why.bad ? AE_E_NOMEM : AE_OK;
    ae_buf_init(&b, p->a, 0);
    ae_buf_puts(&b, REQUIREMENT "<nil>: Invalid value: ");
    ae_go_quote(&b, key);
    ae_buf_puts(&b, ": ");
    ae_buf_put(&b, ae_buf_str(&why));
    if (why.bad)
        b.bad = true;
    return finish(p, &b);
}

static void value_fault(ae_buf *b, size_t *faults, size_t i, ae_str key,
                        ae_str value, const char *text)
{
    if ((*faults)++)
        ae_buf_puts(b, ", ");
    ae_buf_printf(b, "values[%zu]", i);
    if (key.p) {
        ae_buf_putc(b, '[');
        ae_buf_put(b, key);
        ae_buf_putc(b, ']');
    }
    ae_buf_puts(b, ": Invalid value: ");
    ae_go_quote(b, value);
    ae_buf_puts(b, ": ");
    ae_buf_puts(b, text);
}

/* Number first, then each value as a label value. */
static int check_values(struct parse *p, struct ae_sel_req *r)
{
    size_t faults = 0;
    ae_buf list, b;

    ae_buf_init(&list, p->a, 0);
    if ((r->op == AE_SEL_GREATER || r->op == AE_SEL_LESS)
        && !ae_parse_i64(r->value[0], &r->number))
        value_fault(&list, &faults, 0, ae_s(NULL, 0), r->value[0],
                    "for 'Gt', 'Lt' operators, the value must be an integer");
    for (size_t i = 0; i < r->nvalue; i++) {
        ae_str v = r->value[i];
        bool   big = v.n > NAME_MAX_BYTES, odd = v.n && !qualified(v);

        if (big || odd)
            value_fault(&list, &faults, i, r->key, v,
                        !big ? VALUE : !odd ? "must be no more than 63 bytes"
                        : "must be no more than 63 bytes; " VALUE);
    }
    if (!faults)
        return AE_OK;
    ae_buf_init(&b, p->a, 0);
    ae_buf_puts(&b, REQUIREMENT);
    ae_buf_puts(&b, faults > 1 ? "[" : "");
    ae_buf_put(&b, ae_buf_str(&list));
    ae_buf_puts(&b, faults > 1 ? "]" : "");
    if (list.bad)
        b.bad = true;
    return finish(p, &b);
}

/* ---- requirements ---- */

struct values { ae_str *v; size_t n, cap; };

static int add(struct parse *p, struct values *s, ae_str v)
{
    if (s->n == s->cap) {
        size_t  cap = s->cap ? s->cap * 2 : 4;
        ae_str *to = ae_nalloc(p->a, cap, sizeof(*to));

        if (!to)
            return AE_E_NOMEM;
        if (s->n)
            memcpy(to, s->v, s->n * sizeof(*to));
        s->v = to;
        s->cap = cap;
    }
    s->v[s->n++] = v;
    return AE_OK;
}

static int by_bytes(const void *x, const void *y)
{
    return ae_cmp(*(const ae_str *)x, *(const ae_str *)y);
}

/* A set: sorted, each value once.  (qsort takes memory of its own for large
 * arrays, and does without when there is none.) */
static void settle(struct values *s)
{
    size_t n = 0;

    if (s->n)
        qsort(s->v, s->n, sizeof(*s->v), by_bytes);
    for (size_t i = 0; i < s->n; i++)
        if (n == 0 || !ae_eq(s->v[n - 1], s->v[i]))
            s->v[n++] = s->v[i];
    s->n = n;
}

/* Behind the '('.  Each gap between commas is the empty string. */
static int set_items(struct parse *p, struct values *s)
{
    int rc;

    for (;;) {
        if (word(p)) {
            if ((rc = add(p, s, p->lit)) != AE_OK)
                return rc;
            advance(p);
            if (p->tok == T_CLOSE)
                return AE_OK;
            if (p->tok != T_COMMA)
                return found(p, true, p->lit, ", expected: ',' or ')'");
        } else if (p->tok == T_COMMA) {
            if (s->n == 0 && (rc = add(p, s, AE_STR(""))) != AE_OK)
                return rc;
            advance(p);
            if (p->tok != T_CLOSE && p->tok != T_COMMA)
                continue;
            if ((rc = add(p, s, AE_STR(""))) != AE_OK)
                return rc;
            if (p->tok == T_CLOSE)
                return AE_OK;
        } else {
            return found(p, true, p->lit, ", expected: ',', or identifier");
        }
    }
}

static int set(struct parse *p, struct values *s)
{
    int rc;

    if (p->tok != T_OPEN)
        return found(p, true, p->lit, " expected: '('");
    advance(p);
    if (p->tok == T_CLOSE)
        rc = add(p, s, AE_STR(""));
    else if (word(p) || p->tok == T_COMMA)
        rc = set_items(p, s);
    else
        return found(p, true, p->lit,
                     ", expected: ',', ')' or identifier");
    if (rc == AE_OK)
        advance(p); /* the ')' */
    return rc;
}

static int exact(struct parse *p, struct values *s)
{
    ae_str lit = p->lit;

    if (p->tok == T_END || p->tok == T_COMMA)
        return add(p, s, AE_STR(""));
    if (!word(p))
        return found(p, true, lit, ", expected: identifier");
    advance(p);
    return add(p, s, lit);
}

static bool operator_of(enum tok t, enum ae_sel_op *op)
{
    switch (t) {
    case T_IN: case T_EQ: case T_EQEQ: *op = AE_SEL_IN; return true;
    case T_NOTIN: case T_NE: *op = AE_SEL_NOT_IN; return true;
    case T_GT: *op = AE_SEL_GREATER; return true;
    case T_LT: *op = AE_SEL_LESS; return true;
    default: return false;
    }
}

static int requirement(struct parse *p, struct ae_sel_req *r)
{
    struct values s = { NULL, 0, 0 };
    enum tok      t;
    int           rc;

    r->op = AE_SEL_EXISTS;
    if (p->tok == T_NOT) {
        r->op = AE_SEL_ABSENT;
        advance(p);
    }
    if (!word(p))
        return found(p, true, p->lit, ", expected: identifier");
    r->key = p->lit;
    rc = check_key(p, r->key);
    if (rc != AE_OK)
        return rc;
    advance(p);
    if (r->op == AE_SEL_ABSENT || p->tok == T_END || p->tok == T_COMMA)
        return AE_OK;
    t = p->tok;
    if (!operator_of(t, &r->op))
        return found(p, true, p->lit,
                     ", expected: in, notin, =, ==, !=, gt, lt");
    advance(p);
    rc = t == T_IN || t == T_NOTIN ? set(p, &s) : exact(p, &s);
    if (rc != AE_OK)
        return rc;
    settle(&s);
    r->value = s.v;
    r->nvalue = s.n;
    return check_values(p, r);
}

/* One requirement more; the array grows by doubling. */
static struct ae_sel_req *one_more(ae_arena *a, struct ae_selector *s)
{
    if ((s->n & (s->n - 1)) == 0) { /* 0 or a power of two: full */
        struct ae_sel_req *to = ae_nalloc(a, s->n ? s->n * 2 : 1,
                                          sizeof(*to));

        if (!to)
            return NULL;
        if (s->n)
            memcpy(to, s->req, s->n * sizeof(*to));
        s->req = to;
    }
    return &s->req[s->n++];
}

int ae_selector_parse(ae_arena *a, ae_str text, struct ae_selector *out,
                      ae_str *error)
{
    struct parse       p = { .a = a, .text = text, .error = error };
    struct ae_sel_req *r;
    int                rc;

    memset(out, 0, sizeof(*out));
    advance(&p);
    while (p.tok != T_END) {
        if (!word(&p) && p.tok != T_NOT)
            return found(&p, false, p.lit,
                         ", expected: !, identifier, or 'end of string'");
        r = one_more(a, out);
        if (!r)
            return AE_E_NOMEM;
        rc = requirement(&p, r);
        if (rc != AE_OK)
            return rc;
        if (p.tok == T_END)
            break;
        if (p.tok != T_COMMA)
            return found(&p, false, p.lit,
                         ", expected: ',' or 'end of string'");
        advance(&p);
        if (!word(&p) && p.tok != T_NOT)
            return found(&p, false, p.lit,
                         ", expected: identifier after ','");
    }
    return AE_OK;
}

/* ---- matching ---- */

static bool holds(const struct ae_sel_req *r, bool has, ae_str v)
{
    int64_t n;
    bool    in = false;

    switch (r->op) {
    case AE_SEL_EXISTS: return has;
    case AE_SEL_ABSENT: return !has;
    case AE_SEL_IN:
    case AE_SEL_NOT_IN:
        for (size_t i = 0; has && i < r->nvalue && !in; i++)
            in = ae_eq(r->value[i], v);
        return in == (r->op == AE_SEL_IN);
    case AE_SEL_GREATER:
    case AE_SEL_LESS:
        if (!has || !ae_parse_i64(v, &n))
            return false;
        return r->op == AE_SEL_GREATER ? n > r->number : n < r->number;
    }
    return false;
}

/* The label |key|: 1 with its value, 0 if there is none. */
static int label(ae_str labels, ae_str key, ae_arena *a, ae_str *value)
{
    struct ae_cur c = ae_cur(labels);
    ae_str        k, raw;

    if (!labels.n)
        return 0;
    for (bool first = true; ae_cur_member(&c, &first, &k);) {
        /* a key of a valid selector needs no escapes */
        if (ae_cur_peek(&c) != '"')
            return AE_E_CORRUPT;
        if (!ae_cur_string(&c, &raw))
            return AE_E_CORRUPT;
        if (!ae_eq(k, key))
            continue;
        *value = ae_text_decode(a, raw);
        return value->p ? 1 : a->failed ? AE_E_NOMEM : AE_E_CORRUPT;
    }
    return c.bad ? AE_E_CORRUPT : 0;
}

int ae_selector_match(const struct ae_selector *s, ae_str labels, ae_arena *a)
{
    for (size_t i = 0; i < s->n; i++) {
        ae_str v = { NULL, 0 };
        int    rc = label(labels, s->req[i].key, a, &v);

        if (rc < 0)
            return rc;
        if (!holds(&s->req[i], rc, v))
            return 0;
    }
    return 1;
}
