/*
 * canon.c - T2: a request target is in canonical form, or it is refused.
 */
#include "route/internal.h"

enum ae_canon_class ae_canon_class(ae_str path)
{
    static const struct { ae_str pre; enum ae_canon_class cc; } t[] = {
        { { "/api/v1/clusters/", 17 }, AE_CAN_ID },
        { { "/api/v1/repositories/", 21 }, AE_CAN_ID },
        { { "/api/v1/repocreds/", 18 }, AE_CAN_ID },
        { { "/api/v1/write-repositories/", 27 }, AE_CAN_WRITE },
        { { "/api/v1/write-repocreds/", 24 }, AE_CAN_WRITE },
        { { "/api/v1/account/can-i/", 22 }, AE_CAN_CANI }
    };

    /* most requests are for applications */
    if (path.n < 17 || memcmp(path.p, "/api/v1/app", 11) == 0)
        return AE_CAN_NORMAL;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (ae_starts(path, t[i].pre))
            return t[i].cc;
    return AE_CAN_NORMAL;
}

static bool unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'
        || c == '~';
}

/* Would decoding once more give a separator or a dot?  |i| is at "%25". */
static bool doubly_separator(ae_str s, size_t i)
{
    int hi, lo, c;

    i += 3;
    while (i + 1 < s.n && s.p[i] == '2' && s.p[i + 1] == '5')
        i += 2; /* %2525…2F is the same trick one level deeper */
    if (i + 1 >= s.n)
        return false;
    hi = ae_hexval((unsigned char) s.p[i]);
    lo = ae_hexval((unsigned char) s.p[i + 1]);
    if (hi < 0 || lo < 0)
        return false;
    c = hi << 4 | lo;
    return c == '/' || c == '\\' || c == '.';
}

static const char *check_escape(ae_str p, size_t i, enum ae_canon_class cc,
                                bool id)
{
    int           hi, lo;
    unsigned char c;

    if (p.n - i < 3)
        return "bad escape";
    hi = ae_hexval((unsigned char) p.p[i + 1]);
    lo = ae_hexval((unsigned char) p.p[i + 2]);
    if (hi < 0 || lo < 0)
        return "bad escape";
    c = (unsigned char) (hi << 4 | lo);
    if (c < 0x20 || c == 0x7f)
        return "control byte";
    if (id && cc == AE_CAN_ID)
        return NULL; /* T2 (a): read as upstream reads it */
    if (unreserved(c))
        return "escaped unreserved character";
    if (c == '\\')
        return "backslash";
    if (c == '/' && !(id && cc == AE_CAN_WRITE) && cc != AE_CAN_CANI)
        return "escaped slash";
    if (c == '%' && !(id && cc == AE_CAN_WRITE) && doubly_separator(p, i))
        return "doubly escaped separator";
    return NULL;
}

/* "." and "..", the segment being p[from..to) */
static bool dots(ae_str p, size_t from, size_t to)
{
    size_t n = to - from;

    return (n == 1 || n == 2) && p.p[from] == '.' && p.p[to - 1] == '.';
}

/* Printable bytes but # % / ; ? and backslash: the rest is a separator, an
 * escape or refused.  A table, since every byte of every path is looked at. */
static const unsigned char plain[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 0,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0
};

const char *ae_canon_path(ae_str p, enum ae_canon_class cc)
{
    size_t from = 1, seg = 0;

    if (p.n == 0 || p.p[0] != '/')
        return "not an absolute path";
    for (size_t i = 1; i <= p.n; i++) {
        unsigned char c;

        while (i < p.n && plain[(unsigned char) p.p[i]])
            i++;
        c = i < p.n ? (unsigned char) p.p[i] : '/';
        if (c == '/') {
            /* as sent: "a%2F/b" has none for Go's cleaner (T2 (c)) */
            if (p.p[i - 1] == '/' && i < p.n)
                return "empty segment";
            if (i == from && p.n > 1 && cc != AE_CAN_CANI
                && ae_starts(p, AE_STR("/api/")))
                return "trailing slash";
            if (dots(p, from, i))
                return "dot segment";
            from = i + 1;
            seg++;
        } else if (c == '%') {
            const char *why = check_escape(p, i, cc, seg == 3);

            if (why)
                return why;
            if (cc == AE_CAN_CANI && p.p[i + 1] == '2'
                && (p.p[i + 2] | 0x20) == 'f') {
                /* T2 (c): a separator of the tail, dots count around it */
                if (dots(p, from, i))
                    return "dot segment";
                from = i + 3;
            }
            i += 2;
        } else if (c < 0x80 || cc != AE_CAN_CANI) {
            return "character"; /* can-i answers any text, see its vectors */
        }
    }
    return NULL;
}

const char *ae_canon_query(ae_str q)
{
    for (size_t i = 0; i < q.n; i++) {
        unsigned char c = (unsigned char) q.p[i];

        if (!plain[c] && (c <= 0x20 || c == 0x7f || c == '#'))
            return "character";
    }
    return NULL;
}
