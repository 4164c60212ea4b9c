/*
 * decode.c - escapes as Go's net/url reads them, and the two questions that
 * decide between the raw and the decoded path (semantics-api.md 1.3-1.5).
 */
#include "route/internal.h"

static bool is_escape(ae_str s, size_t i)
{
    return s.n - i >= 3 && ae_hexval((unsigned char) s.p[i + 1]) >= 0
        && ae_hexval((unsigned char) s.p[i + 2]) >= 0;
}

static unsigned char escaped_byte(ae_str s, size_t i)
{
    return (unsigned char) (ae_hexval((unsigned char) s.p[i + 1]) << 4
                            | ae_hexval((unsigned char) s.p[i + 2]));
}

int ae_unescape(ae_arena *a, ae_str in, bool plus, ae_str *out, ae_str *bad)
{
    size_t i = 0, n = 0;
    char  *p;

    while (i < in.n && in.p[i] != '%' && !(plus && in.p[i] == '+'))
        i++;
    *out = in;
    if (i == in.n)
        return AE_OK;

    p = ae_alloc(a, in.n + 1);
    if (!p)
        return AE_E_NOMEM;
    memcpy(p, in.p, i);
    n = i;
    while (i < in.n) {
        if (in.p[i] == '%') {
            if (!is_escape(in, i)) {
                if (bad)
                    *bad = ae_sub(in, i, 3);
                return AE_E_SYNTAX;
            }
            p[n++] = (char) escaped_byte(in, i);
            i += 3;
        } else {
            p[n++] = plus && in.p[i] == '+' ? ' ' : in.p[i];
            i++;
        }
    }
    p[n] = '\0';
    *out = ae_s(p, n);
    return AE_OK;
}

bool ae_text_ok(ae_str s)
{
    unsigned char high = 0;

    for (size_t i = 0; i < s.n; i++)
        high |= (unsigned char) s.p[i];
    return high < 0x80 || ae_utf8_valid(s);
}

/* net/url shouldEscape in path mode: what Go itself leaves as it is. */
static bool go_plain(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9'))
        return true;
    return c != '\0' && strchr("-_.~$&+,/:;=@", c) != NULL;
}

static bool upper_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

bool ae_path_keeps_raw(ae_str raw)
{
    size_t i = 0;

    while (i < raw.n) {
        if (raw.p[i] != '%') {
            if (!go_plain((unsigned char) raw.p[i]))
                return true;
            i++;
            continue;
        }
        if (!is_escape(raw, i) || go_plain(escaped_byte(raw, i))
            || !upper_hex(raw.p[i + 1]) || !upper_hex(raw.p[i + 2]))
            return true;
        i += 3;
    }
    return false;
}

bool ae_path_is_raw_route(ae_str raw)
{
    static const ae_str pats[] = {
        { "/api/v1/clusters/", 17 }, { "/api/v1/repositories/", 21 },
        { "/api/v1/repocreds/", 18 }, { "/settings/clusters/", 19 }
    };

    for (size_t k = 0; k < sizeof pats / sizeof pats[0]; k++) {
        ae_str rest = raw;
        size_t at;

        while ((at = ae_find_str(rest, pats[k])) != SIZE_MAX) {
            at += pats[k].n;
            if (at < rest.n && rest.p[at] != '/')
                return true;
            rest = ae_sub(rest, at, rest.n - at);
        }
    }
    return false;
}
