/*
 * jsonscan.c - is this JSON, and if not, in which words does Go say so?
 *
 * jansson's grammar differs from encoding/json's in corners (big integers,
 * invalid UTF-8, lone surrogates, NUL in keys) and so do its messages, which
 * Argo CD puts into the 401.  So the text is checked here by Go's rules, and
 * jansson gets a copy in which nothing is left for it to dislike.
 */
#include "token/internal.h"

#include <stdio.h>

enum { GO_MAX_DEPTH = 10000 };

enum state {
    ST_VALUE, ST_FIRST,      /* a value; a value or ] */
    ST_KEY, ST_FIRST_KEY,    /* a key; a key or } */
    ST_COLON, ST_AFTER, ST_TOP
};

struct scan {
    ae_arena        *a;
    ae_str           in;
    size_t           i;
    ae_buf           out;
    char            *stack;   /* '{' or '[' of each open level */
    size_t           depth;
    struct ae_jscan *r;
    ae_str          *error;
};

static bool nomem(struct scan *s)
{
    s->out.bad = true;
    return false;
}

/* "invalid character 'c' <where>". */
static bool invalid(struct scan *s, int c, const char *where)
{
    ae_buf b;

    ae_buf_init(&b, s->a, 0);
    if (c < 0) {
        ae_buf_puts(&b, "unexpected end of JSON input");
    } else {
        ae_buf_puts(&b, "invalid character ");
        ae_token_put_char(&b, (unsigned char)c);
        ae_buf_putc(&b, ' ');
        ae_buf_puts(&b, where);
    }
    if (b.bad)
        return nomem(s);
    *s->error = ae_buf_str(&b);
    return false;
}

/* Go feeds one blank at the end of the input, to finish a number; where that
 * blank is wrong, it is what the message names.  -1: past the blank. */
static int next(struct scan *s)
{
    if (s->i < s->in.n)
        return (unsigned char)s->in.p[s->i++];
    return s->i++ == s->in.n ? ' ' : -1;
}

static bool blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool digit(int c) { return c >= '0' && c <= '9'; }

static void emit(struct scan *s, ae_str text)
{
    if (s->depth <= AE_JSON_DEPTH)
        ae_buf_put(&s->out, text);
}

static void emitc(struct scan *s, int c)
{
    if (s->depth <= AE_JSON_DEPTH)
        ae_buf_putc(&s->out, (char)c);
}

static int hex(int c)
{
    if (digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The low half of a surrogate pair right ahead? */
static bool low_ahead(const struct scan *s)
{
    const char *p = s->in.p + s->i;
    unsigned    u = 0;

    if (s->in.n < s->i || s->in.n - s->i < 6 || p[0] != '\\' || p[1] != 'u')
        return false;
    for (int k = 2; k < 6; k++) {
        int h = hex((unsigned char)p[k]);

        if (h < 0)
            return false;
        u = u << 4 | (unsigned)h;
    }
    return u >= 0xdc00 && u <= 0xdfff;
}

static bool escape_u(struct scan *s, bool key)
{
    size_t   from = s->i - 2;
    unsigned u = 0;

    for (int k = 0; k < 4; k++) {
        int c = next(s), h = hex(c);

        if (h < 0)
            return invalid(s, c, "in \\u hexadecimal character escape");
        u = u << 4 | (unsigned)h;
    }
    if (u >= 0xd800 && u <= 0xdfff) {
        if (u <= 0xdbff && low_ahead(s)) {
            s->i += 6;
        } else {             /* Go: a lone surrogate is U+FFFD */
            s->r->repaired = true;
            emit(s, AE_STR("\\ufffd"));
            return true;
        }
    }
    if (u == 0) {
        s->r->nul = true;
        if (key) {           /* jansson has no NUL in keys */
            s->r->nul_key = true;
            emit(s, AE_STR("\\ufffd"));
            return true;
        }
    }
    emit(s, ae_sub(s->in, from, s->i - from));
    return true;
}

static bool escape(struct scan *s, bool key)
{
    int c = next(s);

    if (c == 'u')
        return escape_u(s, key);
    if (c < 0 || !strchr("bfnrt\\/\"", c) || c == 0)
        return invalid(s, c, "in string escape code");
    emitc(s, '\\');
    emitc(s, c);
    return true;
}

static bool string(struct scan *s, bool key)
{
    emitc(s, '"');
    for (;;) {
        int      c = next(s);
        uint32_t cp;
        size_t   w;

        if (c == '"') {
            emitc(s, '"');
            return true;
        }
        if (c == '\\') {
            if (!escape(s, key))
                return false;
        } else if (c < 0x20) {      /* the end of the input too */
            return invalid(s, c, "in string literal");
        } else if (c < 0x80) {
            emitc(s, c);
        } else {
            s->i--;
            w = ae_utf8_next(s->in.p + s->i, s->in.n - s->i, &cp);
            if (w == 1) {
                s->r->repaired = true;
                emit(s, AE_STR("\xef\xbf\xbd"));
            } else {
                emit(s, ae_sub(s->in, s->i, w));
            }
            s->i += w;
        }
    }
}

static bool literal(struct scan *s, const char *word)
{
    char where[64];

    for (size_t k = 1; word[k]; k++) {
        int c = next(s);

        if (c != (unsigned char)word[k]) {
            snprintf(where, sizeof(where), "in literal %s (expecting '%c')",
                     word, word[k]);
            return invalid(s, c, where);
        }
    }
    emit(s, ae_cs(word));
    return true;
}

/* What a float64 cannot hold Go refuses; an integer that is too long for
 * jansson becomes a real, which it is for Go anyway. */
static bool put_number(struct scan *s, ae_str text, bool integer)
{
    json_t *v;

    if ((!integer || text.n > 300) && !s->r->number.p) {
        v = json_loadb(text.p, text.n,
                       JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        if (!v) {
            s->r->number = text;
            emitc(s, '0');
            return true;
        }
        json_decref(v);
    }
    emit(s, text);
    /* and -0 keeps its sign */
    if (integer && (text.n > 18 || ae_eq_lit(text, "-0")))
        emit(s, AE_STR(".0"));
    return true;
}

static bool number(struct scan *s, int c)
{
    size_t from = s->i - 1;
    bool   integer = true;

    if (c == '-') {
        c = next(s);
        if (!digit(c))
            return invalid(s, c, "in numeric literal");
    }
    if (c == '0')
        c = next(s);
    else
        while (digit(c))
            c = next(s);
    if (c == '.') {
        integer = false;
        c = next(s);
        if (!digit(c))
            return invalid(s, c, "after decimal point in numeric literal");
        while (digit(c))
            c = next(s);
    }
    if (c == 'e' || c == 'E') {
        integer = false;
        c = next(s);
        if (c == '+' || c == '-')
            c = next(s);
        if (!digit(c))
            return invalid(s, c, "in exponent of numeric literal");
        while (digit(c))
            c = next(s);
    }
    s->i--;                          /* what ended the number counts again */
    return put_number(s, ae_sub(s->in, from, s->i - from), integer);
}

static bool push(struct scan *s, int c)
{
    if (s->depth >= GO_MAX_DEPTH)
        return invalid(s, c, "exceeded max depth");
    if (s->depth == AE_JSON_DEPTH) {
        s->r->deep = true;
        emit(s, AE_STR("null"));     /* in place of what is cut off */
    }
    s->stack[s->depth++] = (char)c;
    emitc(s, c);
    return true;
}

static void pop(struct scan *s, int c)
{
    emitc(s, c);
    s->depth--;
}

/* A value that begins with |c|; |*st| is the state after it. */
static bool value(struct scan *s, int c, enum state *st)
{
    if (!s->r->kind)
        s->r->kind = c == '-' || digit(c) ? '0' : (char)c;
    *st = s->depth ? ST_AFTER : ST_TOP;
    switch (c) {
    case '{':
        *st = ST_FIRST_KEY;
        return push(s, c);
    case '[':
        *st = ST_FIRST;
        return push(s, c);
    case '"':
        return string(s, false);
    case 't':
        return literal(s, "true");
    case 'f':
        return literal(s, "false");
    case 'n':
        return literal(s, "null");
    default:
        if (c == '-' || digit(c))
            return number(s, c);
        return invalid(s, c, "looking for beginning of value");
    }
}

/* After a value inside an object or array. */
static bool after(struct scan *s, int c, enum state *st)
{
    bool object = s->stack[s->depth - 1] == '{';

    if (c == ',') {
        emitc(s, c);
        *st = object ? ST_KEY : ST_VALUE;
        return true;
    }
    if (c == (object ? '}' : ']')) {
        pop(s, c);
        *st = s->depth ? ST_AFTER : ST_TOP;
        return true;
    }
    return invalid(s, c, object ? "after object key:value pair"
                                : "after array element");
}

static bool step(struct scan *s, int c, enum state *st)
{
    switch (*st) {
    case ST_FIRST:
        return c == ']' ? after(s, c, st) : value(s, c, st);
    case ST_VALUE:
        return value(s, c, st);
    case ST_FIRST_KEY:
        if (c == '}')
            return after(s, c, st);
        /* fall through */
    case ST_KEY:
        if (c != '"')
            return invalid(s, c, "looking for beginning of object key "
                                 "string");
        *st = ST_COLON;
        return string(s, true);
    case ST_COLON:
        if (c != ':')
            return invalid(s, c, "after object key");
        emitc(s, c);
        *st = ST_VALUE;
        return true;
    case ST_AFTER:
        return after(s, c, st);
    default:
        return invalid(s, c, "after top-level value");
    }
}

int ae_json_scan(ae_arena *a, ae_str in, struct ae_jscan *out, ae_str *error)
{
    struct scan s = { .a = a, .in = in, .r = out, .error = error };
    enum state  st = ST_VALUE;
    int         c;

    memset(out, 0, sizeof(*out));
    ae_buf_init(&s.out, a, 0);
    s.stack = ae_alloc(a, in.n < GO_MAX_DEPTH ? in.n + 1 : GO_MAX_DEPTH);
    if (!s.stack)
        return AE_E_NOMEM;
    while ((c = next(&s)) >= 0)
        if (!blank(c) && !step(&s, c, &st))
            return s.out.bad ? AE_E_NOMEM : AE_E_SYNTAX;
    if (st != ST_TOP) {
        invalid(&s, -1, "");
        return s.out.bad ? AE_E_NOMEM : AE_E_SYNTAX;
    }
    if (s.out.bad)
        return AE_E_NOMEM;
    out->text = ae_buf_str(&s.out);
    return AE_OK;
}
