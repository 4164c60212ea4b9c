/*
 * regex_class.c - character classes of RE2 as classes of PCRE2.
 *
 * A class is a union of explicit ranges (closed under folding by PCRE2 when
 * (?i) is on), of named sets (folded here, as PCRE2 does not), and of
 * complements of named sets, each of which needs a class of its own.
 */
#include "policy/regex.h"

struct class {
    ae_buf   explicit;  /* ranges, without the brackets */
    ae_buf   named;     /* \p{..} and what belongs to it */
    ae_buf   others;    /* complete classes, each with '|' in front */
    ae_str   other;     /* the items of the only one in |others| */
    size_t   nothers;
    unsigned flags;
    ae_arena *a;
};

/* 128 characters of ASCII. */
struct ascii { uint64_t w[2]; };

void re_put_range(ae_buf *out, uint32_t lo, uint32_t hi)
{
    /* Surrogates are in no text, and PCRE2 refuses them in a pattern. */
    if (lo >= 0xD800 && lo <= 0xDFFF)
        lo = 0xE000;
    if (hi >= 0xD800 && hi <= 0xDFFF)
        hi = 0xD7FF;
    if (lo > hi)
        return;
    ae_buf_printf(out, "\\x{%x}", (unsigned)lo);
    if (hi > lo)
        ae_buf_printf(out, "-\\x{%x}", (unsigned)hi);
}

static bool next(struct re_in *in, uint32_t *cp)
{
    if (in->p == in->end)
        return false;
    in->p += ae_utf8_next(in->p, (size_t)(in->end - in->p), cp);
    return true;
}

static bool at(const struct re_in *in, size_t i, char c)
{
    return (size_t)(in->end - in->p) > i && in->p[i] == c;
}

/* ---- escapes ---- */

static int unhex(uint32_t c)
{
    if (c >= '0' && c <= '9')
        return (int)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (int)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (int)(c - 'A') + 10;
    return -1;
}

static bool octal_next(const struct re_in *in)
{
    return in->p < in->end && in->p[0] >= '0' && in->p[0] <= '7';
}

static bool escape_hex(struct re_in *in, uint32_t *cp)
{
    uint32_t c;
    int x, y;

    if (!next(in, &c))
        return false;
    if (c != '{') {
        x = unhex(c);
        if (!next(in, &c))
            return false;
        y = unhex(c);
        *cp = (uint32_t)(x * 16 + y);
        return x >= 0 && y >= 0;
    }
    *cp = 0;
    if (!next(in, &c) || c == '}')
        return false;
    do {
        x = unhex(c);
        if (x < 0)
            return false;
        *cp = *cp * 16 + (uint32_t)x;
        if (*cp > 0x10FFFF || !next(in, &c))
            return false;
    } while (c != '}');
    return true;
}

static bool escape_letter(uint32_t c, uint32_t *cp)
{
    static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
    const char *q = c != 0 && c < 0x80 ? strchr(from, (int)c) : NULL;

    if (q != NULL) {
        *cp = (uint32_t)to[q - from];
        return true;
    }
    /* Punctuation means itself; a letter, digit or anything else is kept
     * for the future. */
    *cp = c;
    return c < 0x80 && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z')
        && !(c >= 'a' && c <= 'z');
}

bool re_escape(struct re_in *in, uint32_t *cp)
{
    uint32_t c;
    int i;

    if (!next(in, &c))
        return false;
    if (c == 'x')
        return escape_hex(in, cp);
    if (c < '0' || c > '7')
        return escape_letter(c, cp);
    if (c != '0' && !octal_next(in))
        return false; /* a back-reference */
    *cp = c - '0';
    for (i = 1; i < 3 && octal_next(in); i++)
        *cp = *cp * 8 + (uint32_t)(*in->p++ - '0');
    return true;
}

/* ---- sets ---- */

static void set_add(struct ascii *s, unsigned lo, unsigned hi)
{
    for (; lo <= hi; lo++)
        s->w[lo / 64] |= (uint64_t)1 << lo % 64;
}

static bool set_has(const struct ascii *s, unsigned c)
{
    return (s->w[c / 64] >> c % 64 & 1) != 0;
}

/* |spec|: pairs of first and last character. */
static struct ascii set_of(const char *spec)
{
    struct ascii s = { { 0, 0 } };

    for (; *spec != '\0'; spec += 2)
        set_add(&s, (unsigned char)spec[0], (unsigned char)spec[1]);
    return s;
}

static void put_set(ae_buf *out, const struct ascii *s, bool want)
{
    unsigned c, from;

    for (c = 0; c < 128; c++) {
        if (set_has(s, c) != want)
            continue;
        for (from = c; c < 127 && set_has(s, c + 1) == want; c++)
            ;
        re_put_range(out, from, c);
    }
}

/* The set or its complement.  Under (?i) Go folds first, negates after. */
static void add_set(struct class *k, struct ascii s, bool not)
{
    bool fold = (k->flags & RE_FOLD) != 0, has_k, has_s;
    unsigned c;

    if (!not) {
        put_set(&k->explicit, &s, true);
        return;
    }
    for (c = 'a'; fold && c <= 'z'; c++)
        if (set_has(&s, c) || set_has(&s, c - 32)) {
            set_add(&s, c, c);
            set_add(&s, c - 32, c - 32);
        }
    /* U+017F folds to s, U+212A to k. */
    has_s = fold && set_has(&s, 's');
    has_k = fold && set_has(&s, 'k');
    put_set(&k->explicit, &s, false);
    re_put_range(&k->explicit, 0x80, 0x17E);
    if (!has_s)
        re_put_range(&k->explicit, 0x17F, 0x17F);
    re_put_range(&k->explicit, 0x180, 0x2129);
    if (!has_k)
        re_put_range(&k->explicit, 0x212A, 0x212A);
    re_put_range(&k->explicit, 0x212B, 0x10FFFF);
}

static int add_named(struct class *k, ae_str name, bool not)
{
    bool flip;
    ae_buf b;

    ae_buf_init(&b, k->a, RE_MAX_OUT);
    if (name.n > 0 && name.p[0] == '^') {
        not = !not;
        name = ae_s(name.p + 1, name.n - 1);
    }
    if (!re_name(&b, name, (k->flags & RE_FOLD) != 0, &flip))
        return AE_E_SYNTAX;
    if (b.bad)
        return AE_E_NOMEM;
    if (not == flip) {
        ae_buf_put(&k->named, ae_buf_str(&b));
        return AE_OK;
    }
    ae_buf_puts(&k->others, "|[^");
    ae_buf_put(&k->others, ae_buf_str(&b));
    ae_buf_putc(&k->others, ']');
    k->other = ae_buf_str(&b);
    k->nothers++;
    return AE_OK;
}

/* \pN, \p{Name}: |in| is behind the p. */
static int parse_named(struct class *k, struct re_in *in, bool not)
{
    ae_str rest = ae_s(in->p, (size_t)(in->end - in->p));
    uint32_t c;
    size_t n;

    if (!at(in, 0, '{')) {
        const char *from = in->p;

        if (!next(in, &c))
            return AE_E_SYNTAX;
        return add_named(k, ae_s(from, (size_t)(in->p - from)), not);
    }
    n = ae_find(rest, '}');
    if (n == rest.n)
        return AE_E_SYNTAX;
    in->p += n + 1;
    return add_named(k, ae_s(rest.p + 1, n - 1), not);
}

/* At a '\\'?  Then perhaps a set. */
static int parse_set_escape(struct class *k, struct re_in *in, bool *was)
{
    static const char digit[] = "09", space[] = "\t\n\f\r  ",
                      word[] = "09AZ__az";
    const char *spec;

    *was = true;
    if (in->end - in->p < 2 || in->p[0] != '\\') {
        *was = false;
        return AE_OK;
    }
    switch (in->p[1]) {
    case 'd': case 'D': spec = digit; break;
    case 's': case 'S': spec = space; break;
    case 'w': case 'W': spec = word; break;
    case 'p': case 'P':
        in->p += 2;
        return parse_named(k, in, in->p[-1] == 'P');
    default:
        *was = false;
        return AE_OK;
    }
    add_set(k, set_of(spec), in->p[1] < 'a');
    in->p += 2;
    return AE_OK;
}

/* [:name:] in a class.  Without a closing ":]" it is no such thing. */
static int parse_posix(struct class *k, struct re_in *in, bool *was)
{
    static const char *const v[][2] = {
        { "alnum", "09AZaz" }, { "alpha", "AZaz" }, { "ascii", "\1\177" },
        { "blank", "\t\t  " }, { "cntrl", "\1\037\177\177" },
        { "digit", "09" }, { "graph", "!~" }, { "lower", "az" },
        { "print", " ~" }, { "punct", "!/:@[`{~" }, { "space", "\t\r  " },
        { "upper", "AZ" }, { "word", "09AZ__az" }, { "xdigit", "09AFaf" }
    };
    ae_str rest = ae_s(in->p, (size_t)(in->end - in->p)), name;
    bool not = false;
    size_t i, n;

    *was = false;
    if (rest.n < 3 || rest.p[0] != '[' || rest.p[1] != ':')
        return AE_OK;
    name = ae_s(rest.p + 2, rest.n - 2);
    n = ae_find_str(name, AE_STR(":]"));
    if (n == SIZE_MAX)
        return AE_OK;
    *was = true;
    name.n = n;
    in->p += n + 4;
    if (name.n > 0 && name.p[0] == '^') {
        not = true;
        name = ae_s(name.p + 1, name.n - 1);
    }
    for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
        struct ascii s;

        if (!ae_eq(name, ae_cs(v[i][0])))
            continue;
        s = set_of(v[i][1]);
        if (i == 2 || i == 4) /* NUL does not go into the table */
            set_add(&s, 0, 0);
        add_set(k, s, not);
        return AE_OK;
    }
    return AE_E_SYNTAX;
}

static bool class_char(struct re_in *in, uint32_t *cp)
{
    if (!at(in, 0, '\\'))
        return next(in, cp);
    in->p++;
    return re_escape(in, cp);
}

static int parse_item(struct class *k, struct re_in *in)
{
    uint32_t lo, hi;
    bool was;
    int rc = parse_posix(k, in, &was);

    if (rc == AE_OK && !was)
        rc = parse_set_escape(k, in, &was);
    if (rc != AE_OK || was)
        return rc;
    if (!class_char(in, &lo))
        return AE_E_SYNTAX;
    hi = lo;
    if (at(in, 0, '-') && in->end - in->p >= 2 && in->p[1] != ']') {
        in->p++;
        if (!class_char(in, &hi) || hi < lo)
            return AE_E_SYNTAX;
    }
    re_put_range(&k->explicit, lo, hi);
    return AE_OK;
}

/* ---- writing it down ---- */

static void class_init(struct class *k, ae_arena *a, unsigned flags)
{
    memset(k, 0, sizeof(*k));
    ae_buf_init(&k->explicit, a, RE_MAX_OUT);
    ae_buf_init(&k->named, a, RE_MAX_OUT);
    ae_buf_init(&k->others, a, RE_MAX_OUT);
    k->flags = flags;
    k->a = a;
}

static void put_brackets(ae_buf *out, const char *open, ae_str items,
                         const char *close)
{
    ae_buf_puts(out, open);
    ae_buf_put(out, items);
    ae_buf_puts(out, close);
}

/* The parts of the union, each with '|' in front. */
static size_t put_parts(const struct class *k, ae_buf *out)
{
    size_t n = k->nothers;

    if (k->explicit.n > 0) {
        bool fold = (k->flags & RE_FOLD) != 0;

        put_brackets(out, fold ? "|(?i:[" : "|[", ae_buf_str(&k->explicit),
                     fold ? "])" : "]");
        n++;
    }
    if (k->named.n > 0) {
        put_brackets(out, "|[", ae_buf_str(&k->named), "]");
        n++;
    }
    ae_buf_put(out, ae_buf_str(&k->others));
    return n;
}

static void put_negated(const struct class *k, size_t parts, ae_str all,
                        ae_buf *out)
{
    if (parts == 0)
        ae_buf_puts(out, "(?s:.)");
    else if (parts > 1)
        put_brackets(out, "(?:(?!", ae_s(all.p + 1, all.n - 1), ")(?s:.))");
    else if (k->nothers == 1)
        put_brackets(out, "[", k->other, "]");
    else if (k->named.n > 0)
        put_brackets(out, "[^", ae_buf_str(&k->named), "]");
    else if ((k->flags & RE_FOLD) != 0)
        put_brackets(out, "(?i:[^", ae_buf_str(&k->explicit), "])");
    else
        put_brackets(out, "[^", ae_buf_str(&k->explicit), "]");
}

static int put_class(struct class *k, bool not, ae_buf *out)
{
    size_t parts;
    ae_str all;
    ae_buf b;

    /* Without folding the two kinds of items share one class. */
    if ((k->flags & RE_FOLD) == 0) {
        ae_buf_put(&k->explicit, ae_buf_str(&k->named));
        k->named.n = 0;
    }
    ae_buf_init(&b, k->a, RE_MAX_OUT);
    parts = put_parts(k, &b);
    if (b.bad || k->explicit.bad || k->named.bad || k->others.bad)
        return AE_E_NOMEM;
    all = ae_buf_str(&b);
    if (not)
        put_negated(k, parts, all, out);
    else if (parts == 0)
        ae_buf_puts(out, "(?!)"); /* nothing is in it */
    else if (parts == 1)
        ae_buf_put(out, ae_s(all.p + 1, all.n - 1));
    else
        put_brackets(out, "(?:", ae_s(all.p + 1, all.n - 1), ")");
    return AE_OK;
}

int re_class(ae_arena *a, struct re_in *in, unsigned flags, ae_buf *out)
{
    struct class k;
    bool not = false, first;

    class_init(&k, a, flags);
    in->p++;
    if (at(in, 0, '^')) {
        not = true;
        in->p++;
    }
    for (first = true; first || !at(in, 0, ']'); first = false) {
        int rc = parse_item(&k, in);

        if (rc != AE_OK)
            return rc;
    }
    in->p++;
    return put_class(&k, not, out);
}

int re_class_escape(ae_arena *a, struct re_in *in, unsigned flags,
                    ae_buf *out, bool *was)
{
    struct class k;
    int rc;

    class_init(&k, a, flags);
    rc = parse_set_escape(&k, in, was);
    return rc != AE_OK || !*was ? rc : put_class(&k, false, out);
}
