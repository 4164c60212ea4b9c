/*
 * scalar.c - what a plain scalar means.  Argo CD reads its YAML through
 * sigs.k8s.io/yaml, whose parser follows YAML 1.1: yes, on and y are booleans,
 * 0x1f and 0777 are numbers, time stamps stay text.
 */
#include "config/internal.h"

#include <stdio.h>

static bool one_of(ae_str s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ae_eq(s, ae_cs(list[i])))
            return true;
    return false;
}

static bool is_null(ae_str s)
{
    static const char *const null[] = { "", "~", "null", "Null", "NULL" };

    return one_of(s, null, sizeof(null) / sizeof(null[0]));
}

static bool is_bool(ae_str s, bool *b)
{
    static const char *const yes[] = { "y", "Y", "yes", "Yes", "YES", "true",
        "True", "TRUE", "on", "On", "ON" };
    static const char *const no[] = { "n", "N", "no", "No", "NO", "false",
        "False", "FALSE", "off", "Off", "OFF" };

    *b = one_of(s, yes, sizeof(yes) / sizeof(yes[0]));
    return *b || one_of(s, no, sizeof(no) / sizeof(no[0]));
}

/* Underscores between digits mean nothing in YAML 1.1 numbers. */
static size_t strip(ae_str s, char *buf, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '_')
            continue;
        if (k == n)
            return 0;
        buf[k++] = s.p[i];
    }
    return k;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 99;
}

/* Go's strconv.ParseInt(s, 0, 64): the prefix says the base. */
static bool is_int(ae_str s, int64_t *out)
{
    bool     neg = false;
    unsigned base = 10;
    uint64_t v = 0, max;
    size_t   i = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        neg = s.p[i++] == '-';
    if (s.n > i + 1 && s.p[i] == '0') {
        char c = s.p[i + 1];

        base = c == 'x' || c == 'X' ? 16 : c == 'b' || c == 'B' ? 2 : 8;
        i += c >= '0' && c <= '9' ? 1 : 2;
        if (base == 8 && i > 1 && !(c >= '0' && c <= '9') && c != 'o'
            && c != 'O')
            return false;
    }
    if (i >= s.n)
        return false;
    max = neg ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    for (; i < s.n; i++) {
        unsigned d = (unsigned)digit(s.p[i]);

        if (d >= base || v > (max - d) / base)
            return false;
        v = v * base + d;
    }
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static size_t digits(ae_str s, size_t i, long double *m, int *n)
{
    for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
        *m = *m * 10 + (s.p[i] - '0');
        (*n)++;
    }
    return i;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?  No strtod(): it asks
 * the locale which character is the point. */
static bool is_real(ae_str s, double *out)
{
    long double m = 0, e = 0;
    int         nint = 0, nfrac = 0, nexp = 0, scale;
    bool        neg = false, eneg = false;
    size_t      i = 0;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+'))
        neg = s.p[i++] == '-';
    i = digits(s, i, &m, &nint);
    if (i < s.n && s.p[i] == '.')
        i = digits(s, i + 1, &m, &nfrac);
    if (nint + nfrac == 0)
        return false;
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        i++;
        if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
            eneg = s.p[i++] == '-';
        i = digits(s, i, &e, &nexp);
        if (nexp == 0)
            return false;
    }
    if (i != s.n || e > 300)
        return false;
    for (scale = (eneg ? -(int)e : (int)e) - nfrac; scale > 0; scale--)
        m *= 10;
    for (; scale < 0; scale++)
        m /= 10;
    *out = (double)(neg ? -m : m);
    return *out - *out == 0; /* neither infinite nor not-a-number */
}

void cfg_scalar_resolve(struct cfg_node *n)
{
    char   buf[80];
    ae_str num;

    if (is_null(n->text)) {
        n->type = CFG_NULL;
        return;
    }
    if (is_bool(n->text, &n->b)) {
        n->type = CFG_BOOL;
        return;
    }
    n->type = CFG_STR;
    if (n->text.n > sizeof(buf) || !memchr("+-.0123456789", n->text.p[0], 13))
        return;
    num = ae_s(buf, strip(n->text, buf, sizeof(buf)));
    if (is_int(num, &n->i))
        n->type = CFG_INT;
    else if (is_real(num, &n->r))
        n->type = CFG_REAL;
}

bool cfg_scalar_string(ae_arena *a, const struct cfg_node *n, ae_str *out)
{
    switch (n->type) {
    case CFG_NULL:
        *out = AE_STR("");
        return true;
    case CFG_BOOL:
        *out = n->b ? AE_STR("true") : AE_STR("false");
        return true;
    case CFG_INT:
        *out = ae_fmt(a, "%lld", (long long)n->i);
        return true;
    case CFG_REAL:
        *out = ae_fmt(a, "%.15g", n->r);
        return true;
    case CFG_STR:
        *out = n->text;
        return true;
    default:
        return false;
    }
}

const char *cfg_type_name(const struct cfg_node *n)
{
    static const char *const name[] = { "null", "a boolean", "a number",
        "a number", "text", "a list", "a mapping" };

    return name[n->type];
}
