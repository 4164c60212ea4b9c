/*
 * regex_parse.c - RE2 syntax to a PCRE2 pattern, in one pass with an own
 * stack; refuses exactly what Go's regexp/syntax refuses (M2).
 *
 * The output stands for itself: no flag, no capture, no back-reference is
 * left in it, and what PCRE2 reads differently (\s, \v, $, names, ** and so
 * on) is never written.
 */
#include "policy/regex.h"

#define NO_ATOM SIZE_MAX

/* What Go's limits look at, of a piece of the parse tree. */
struct cost {
    uint64_t repeat;  /* least n for which all nested repeats fit */
    uint64_t size;    /* instructions */
    uint64_t height;
};

/* An open group, or the whole pattern. */
struct frame {
    struct frame *up;
    size_t   start;   /* of its "(?:" in the output */
    unsigned flags;   /* in force before it */
    bool     capture;
    size_t   atom;    /* start of the last atom, NO_ATOM if there is none */
    bool     simple;  /* that atom can take a quantifier as it is */
    bool     literal; /* that atom is text, which grows in Go's tree */
    size_t   natoms, nbranches; /* of this branch; before this one */
    struct cost last, branch, all;
};

struct parser {
    ae_arena     *a;
    struct re_in  in;
    ae_buf       *out;
    struct frame *top;
    unsigned      flags;
};

static uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* |to| gets |c| beside it: sizes add up, the rest is the maximum. */
static void beside(struct cost *to, const struct cost *c)
{
    to->repeat = max64(to->repeat, c->repeat);
    to->height = max64(to->height, c->height);
    to->size += c->size;
}

static bool too_deep(const struct cost *c)
{
    return c->height > RE_MAX_HEIGHT || c->size > RE_MAX_SIZE;
}

/* ---- atoms and branches ---- */

static void begin_atom(struct parser *p, bool literal)
{
    struct frame *f = p->top;

    if (f->atom != NO_ATOM)
        beside(&f->branch, &f->last);
    f->atom = p->out->n;
    f->simple = true;
    if (!literal || !f->literal)
        f->natoms++;
    f->literal = literal;
    f->last = (struct cost){ 0, 1, 1 };
}

static void put_atom(struct parser *p, const char *text)
{
    begin_atom(p, false);
    ae_buf_puts(p->out, text);
}

static void put_literal(struct parser *p, uint32_t cp)
{
    bool letter = (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
    bool fold = (p->flags & RE_FOLD) != 0 && (letter || cp >= 0x80);
    char utf[4];

    begin_atom(p, true);
    if (cp >= 0xD800 && cp <= 0xDFFF) {
        ae_buf_puts(p->out, "(?!)"); /* no text has it */
        return;
    }
    if (fold)
        ae_buf_puts(p->out, "(?i:");
    if (letter || cp >= 0x80 || (cp >= '0' && cp <= '9'))
        ae_buf_put(p->out, ae_s(utf, ae_utf8_put(cp, utf)));
    else
        ae_buf_printf(p->out, "\\x{%x}", (unsigned)cp);
    if (fold)
        ae_buf_putc(p->out, ')');
}

/* Close the branch: its cost goes to the frame. */
static void end_branch(struct frame *f)
{
    if (f->atom != NO_ATOM)
        beside(&f->branch, &f->last);
    if (f->natoms > 1)
        f->branch.height++;
    if (f->natoms == 0)
        f->branch = (struct cost){ 0, 1, 1 }; /* matches "" */
    beside(&f->all, &f->branch);
    f->branch = (struct cost){ 0, 0, 0 };
    f->atom = NO_ATOM;
    f->literal = false;
}

static int bar(struct parser *p)
{
    end_branch(p->top);
    p->top->natoms = 0;
    p->top->nbranches++;
    p->top->all.size++;
    ae_buf_putc(p->out, '|');
    return AE_OK;
}

/* Insert |text| into the output at |i|. */
static void insert(struct parser *p, size_t i, const char *text)
{
    ae_buf *b = p->out;
    size_t n = strlen(text);

    ae_buf_puts(b, text);
    if (b->bad)
        return;
    memmove(b->p + i + n, b->p + i, b->n - n - i);
    memcpy(b->p + i, text, n);
}

static void cut(struct parser *p, size_t from, size_t n)
{
    ae_buf *b = p->out;

    memmove(b->p + from, b->p + from + n, b->n - from - n);
    b->n -= n;
}

/* ---- groups ---- */

static int open_group(struct parser *p, bool capture, unsigned flags_before)
{
    struct frame *f = ae_zalloc(p->a, sizeof(*f));

    if (f == NULL)
        return AE_E_NOMEM;
    f->up = p->top;
    f->start = p->out->n;
    f->flags = flags_before;
    f->capture = capture;
    f->atom = NO_ATOM;
    p->top = f;
    ae_buf_puts(p->out, "(?:");
    return AE_OK;
}

static int close_group(struct parser *p)
{
    struct frame *f = p->top;
    bool bare;

    if (f->up == NULL)
        return AE_E_SYNTAX;
    /* Brackets around one atom say nothing; PCRE2 limits their depth. */
    bare = f->nbranches == 0 && f->simple && f->atom == f->start + 3
        && !p->out->bad;
    end_branch(f);
    if (f->nbranches > 0)
        f->all.height++;
    if (f->capture) {
        f->all.height++;
        f->all.size += 2;
    }
    p->top = f->up;
    p->flags = f->flags;
    begin_atom(p, false);
    p->top->atom = f->start;
    p->top->last = f->all;
    if (bare)
        cut(p, f->start, 3);
    else
        ae_buf_putc(p->out, ')');
    return too_deep(&f->all) ? AE_E_SYNTAX : AE_OK;
}

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '_';
}

/* (?P<name> or (?<name>: |skip| bytes up to the name. */
static int open_named(struct parser *p, size_t skip)
{
    const char *q = p->in.p + skip;

    while (q < p->in.end && word_char(*q))
        q++;
    if (q == p->in.end || *q != '>' || q == p->in.p + skip)
        return AE_E_SYNTAX;
    p->in.p = q + 1;
    return open_group(p, true, p->flags);
}

/* (?flags) (?flags: (?flags-flags) ... */
static int group_flags(struct parser *p)
{
    unsigned flags = p->flags, bit;
    bool minus = false, saw = false;

    for (p->in.p += 2; p->in.p < p->in.end;) {
        char c = *p->in.p++;

        switch (c) {
        case 'i': bit = RE_FOLD; break;
        case 'm': bit = RE_MULTI; break;
        case 's': bit = RE_DOTALL; break;
        case 'U': bit = RE_UNGREEDY; break;
        case '-':
            if (minus)
                return AE_E_SYNTAX;
            minus = true;
            saw = false;
            continue;
        case ':': case ')':
            if (minus && !saw)
                return AE_E_SYNTAX;
            bit = p->flags;
            p->flags = flags;
            return c == ':' ? open_group(p, false, bit) : AE_OK;
        default:
            return AE_E_SYNTAX;
        }
        flags = minus ? flags & ~bit : flags | bit;
        saw = true;
    }
    return AE_E_SYNTAX;
}

static bool ahead(const struct parser *p, const char *z)
{
    size_t n = strlen(z);

    return (size_t)(p->in.end - p->in.p) >= n && memcmp(p->in.p, z, n) == 0;
}

static int group(struct parser *p)
{
    if (ahead(p, "(?P<"))
        return open_named(p, 4);
    if (ahead(p, "(?<"))
        return open_named(p, 3);
    if (ahead(p, "(?"))
        return group_flags(p);
    p->in.p++;
    return open_group(p, true, p->flags);
}

/* ---- repetition ---- */

/* Least n that lets the repeat and all below it fit: Go divides its 1000 by
 * each count on the way down, so on the way up the counts multiply. */
static struct cost repeated(struct cost c, int min, int max)
{
    uint64_t lo = (uint64_t)min, n = max < 0 ? lo : (uint64_t)max;

    c.height++;
    if (max == 0)
        c.repeat = 0;
    else if (n > 0)
        c.repeat = n * max64(c.repeat, 1);
    if (max < 0)
        c.size = min == 0 ? c.size + 2 : 1 + lo * c.size;
    else
        c.size = n * c.size + (n - lo);
    return c;
}

/* Quantify the last atom; |min| -1: one of * + ?, whose counts do not
 * multiply. */
static int quantify(struct parser *p, const char *text, int min, int max)
{
    struct frame *f = p->top;

    if (f->atom == NO_ATOM)
        return AE_E_SYNTAX;
    if (min >= 0) {
        f->last = repeated(f->last, min, max);
        if ((min >= 2 || max >= 2) && f->last.repeat > RE_MAX_REPEAT)
            return AE_E_SYNTAX;
    } else {
        f->last.height++;
        f->last.size += text[0] == '*' ? 2 : 1;
    }
    if (too_deep(&f->last))
        return AE_E_SYNTAX;
    if (!f->simple) {
        insert(p, f->atom, "(?:");
        ae_buf_putc(p->out, ')');
    }
    ae_buf_puts(p->out, text);
    f->simple = false;
    f->literal = false;
    return AE_OK;
}

/* Decimal without leading zero; too big is -1.  False: no number. */
static bool number(const char **q, const char *end, int *n)
{
    if (*q == end || **q < '0' || **q > '9')
        return false;
    if (end - *q >= 2 && **q == '0' && (*q)[1] >= '0' && (*q)[1] <= '9')
        return false;
    for (*n = 0; *q < end && **q >= '0' && **q <= '9'; ++*q)
        if (*n >= 0)
            *n = *n > RE_MAX_REPEAT ? -1 : *n * 10 + (**q - '0');
    return true;
}

/* {n} {n,} {n,m}.  False: the brace is text. */
static bool counts(const char **q, const char *end, int *min, int *max)
{
    ++*q;
    if (!number(q, end, min) || *q == end)
        return false;
    *max = *min;
    if (**q == ',') {
        ++*q;
        if (*q == end)
            return false;
        *max = -1;
        if (**q != '}') {
            if (!number(q, end, max))
                return false;
            if (*max < 0)
                *min = -1;
        }
    }
    return *q < end && *(*q)++ == '}';
}

/* |stacked|: the item before was a repetition too, which Go refuses. */
static int repeat(struct parser *p, bool stacked, bool *is_repeat)
{
    char c = *p->in.p, text[32] = { 0 };
    int min = -1, max = -1;

    if (c == '{') {
        const char *q = p->in.p;

        if (!counts(&q, p->in.end, &min, &max)) {
            p->in.p++;
            put_literal(p, '{');
            return AE_OK;
        }
        if (min < 0 || min > RE_MAX_REPEAT || max > RE_MAX_REPEAT
            || (max >= 0 && min > max) || (size_t)(q - p->in.p) > 30)
            return AE_E_SYNTAX;
        memcpy(text, p->in.p, (size_t)(q - p->in.p));
        p->in.p = q;
    } else {
        text[0] = c;
        p->in.p++;
    }
    *is_repeat = true;
    if (p->in.p < p->in.end && *p->in.p == '?')
        p->in.p++; /* lazy: where it ends does not matter */
    return stacked ? AE_E_SYNTAX : quantify(p, text, min, max);
}

/* ---- the rest ---- */

/* \Q...\E: |in| is behind the \Q. */
static int quoted(struct parser *p)
{
    while (p->in.p < p->in.end) {
        uint32_t cp;

        if (ahead(p, "\\E")) {
            p->in.p += 2;
            break;
        }
        p->in.p += ae_utf8_next(p->in.p, (size_t)(p->in.end - p->in.p), &cp);
        put_literal(p, cp);
    }
    return AE_OK;
}

static int class_atom(struct parser *p, bool escape, bool *was)
{
    size_t from = p->out->n;
    int rc;

    *was = true;
    rc = escape ? re_class_escape(p->a, &p->in, p->flags, p->out, was)
                : re_class(p->a, &p->in, p->flags, p->out);
    if (rc == AE_OK && *was) {
        begin_atom(p, false);
        p->top->atom = from;
    }
    return rc;
}

static int backslash(struct parser *p)
{
    uint32_t cp;
    bool was;
    int rc;

    if (ahead(p, "\\C"))
        return AE_E_SYNTAX;
    if (ahead(p, "\\Q")) {
        p->in.p += 2;
        return quoted(p);
    }
    if (ahead(p, "\\A") || ahead(p, "\\b") || ahead(p, "\\B")
        || ahead(p, "\\z")) {
        char text[] = { '\\', p->in.p[1], '\0' };

        p->in.p += 2;
        put_atom(p, text);
        p->top->simple = false; /* PCRE2 does not repeat an assertion */
        return AE_OK;
    }
    rc = class_atom(p, true, &was);
    if (rc != AE_OK || was)
        return rc;
    p->in.p++;
    if (!re_escape(&p->in, &cp))
        return AE_E_SYNTAX;
    put_literal(p, cp);
    return AE_OK;
}

static int anchor(struct parser *p, const char *line, const char *text)
{
    p->in.p++;
    put_atom(p, (p->flags & RE_MULTI) != 0 ? line : text);
    p->top->simple = false;
    return AE_OK;
}

static int item(struct parser *p, bool stacked, bool *is_repeat)
{
    uint32_t cp;
    bool was;

    switch (*p->in.p) {
    case '(':
        return group(p);
    case ')':
        p->in.p++;
        return close_group(p);
    case '|':
        p->in.p++;
        return bar(p);
    case '^':
        return anchor(p, "(?m:^)", "\\A");
    case '$':
        return anchor(p, "(?m:$)", "\\z");
    case '.':
        p->in.p++;
        put_atom(p, (p->flags & RE_DOTALL) != 0 ? "(?s:.)" : "[^\\x{a}]");
        return AE_OK;
    case '[':
        return class_atom(p, false, &was);
    case '*': case '+': case '?': case '{':
        return repeat(p, stacked, is_repeat);
    case '\\':
        return backslash(p);
    default:
        p->in.p += ae_utf8_next(p->in.p, (size_t)(p->in.end - p->in.p), &cp);
        put_literal(p, cp);
        return AE_OK;
    }
}

int re_translate(ae_arena *a, ae_str pattern, ae_buf *out)
{
    struct frame root = { .atom = NO_ATOM };
    struct parser p = { .a = a, .out = out, .top = &root };
    bool stacked = false;
    int rc = AE_OK;

    if (!ae_utf8_valid(pattern))
        return AE_E_SYNTAX;
    if (pattern.n > RE_MAX_BYTES)
        return AE_E_TOOBIG;
    p.in.p = pattern.n > 0 ? pattern.p : "";
    p.in.end = p.in.p + pattern.n;
    while (rc == AE_OK && p.in.p < p.in.end) {
        bool is_repeat = false;

        rc = item(&p, stacked, &is_repeat);
        stacked = is_repeat;
        if (out->bad)
            return a->failed ? AE_E_NOMEM : AE_E_TOOBIG;
    }
    if (rc != AE_OK)
        return rc;
    end_branch(&root);
    if (p.top != &root || too_deep(&root.all))
        return AE_E_SYNTAX;
    return AE_OK;
}
