/*
 * utf8.c - code points as Go reads them.  Argo CD's policy, globs and JSON
 * all pass through Go's decoder, which turns each invalid byte into U+FFFD of
 * width 1; a stricter or laxer reading would give other decisions.
 */
#include "base/base.h"

static bool cont(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* The least and greatest second byte for a lead byte (RFC 3629 section 4):
 * this is what excludes overlong forms, surrogates and > U+10FFFF. */
static bool second_ok(unsigned char b0, unsigned char b1)
{
    unsigned char lo = 0x80, hi = 0xBF;

    if (b0 == 0xE0)
        lo = 0xA0;
    else if (b0 == 0xED)
        hi = 0x9F;
    else if (b0 == 0xF0)
        lo = 0x90;
    else if (b0 == 0xF4)
        hi = 0x8F;
    return b1 >= lo && b1 <= hi;
}

size_t ae_utf8_next(const char *p, size_t n, uint32_t *cp)
{
    unsigned char b0 = (unsigned char)p[0];
    size_t        w;

    if (b0 < 0x80) {
        *cp = b0;
        return 1;
    }
    *cp = 0xFFFD;
    if (b0 < 0xC2 || b0 > 0xF4)
        return 1;
    w = b0 < 0xE0 ? 2 : b0 < 0xF0 ? 3 : 4;
    if (n < w || !second_ok(b0, (unsigned char)p[1]))
        return 1;
    for (size_t i = 2; i < w; i++)
        if (!cont(p[i]))
            return 1;
    *cp = b0 & (0xFFu >> (w + 1));
    for (size_t i = 1; i < w; i++)
        *cp = (*cp << 6) | ((unsigned char)p[i] & 0x3Fu);
    return w;
}

size_t ae_utf8_put(uint32_t cp, char out[4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = 0xFFFD;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | (cp >> 6));
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | (cp >> 12));
        out[1] = (char)(0x80 | ((cp >> 6) & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (cp >> 18));
    out[1] = (char)(0x80 | ((cp >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((cp >> 6) & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

bool ae_utf8_valid(ae_str s)
{
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t   w = ae_utf8_next(s.p + i, s.n - i, &cp);

        /* A real U+FFFD has width 3; width 1 means an invalid byte. */
        if (cp == 0xFFFD && w == 1)
            return false;
        i += w;
    }
    return true;
}

size_t ae_utf8_count(ae_str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; n++) {
        uint32_t cp;

        i += ae_utf8_next(s.p + i, s.n - i, &cp);
    }
    return n;
}

ae_str ae_utf8_mend(ae_arena *a, ae_str s)
{
    ae_buf b;

    if (ae_utf8_valid(s))
        return s;
    ae_buf_init(&b, a, 0);
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t   w = ae_utf8_next(s.p + i, s.n - i, &cp);

        ae_buf_put(&b, cp == 0xFFFD ? AE_STR("\xEF\xBF\xBD")
                                    : ae_s(s.p + i, w));
        i += w;
    }
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

bool ae_unicode_space(uint32_t cp)
{
    switch (cp) {
    case '\t': case '\n': case '\v': case '\f': case '\r': case ' ':
    case 0x85: case 0xA0: case 0x1680: case 0x2028: case 0x2029:
    case 0x202F: case 0x205F: case 0x3000:
        return true;
    default:
        return cp >= 0x2000 && cp <= 0x200A;
    }
}

/* Start of the last code point in |s|, read backwards as Go's
 * DecodeLastRune: an incomplete tail counts byte by byte. */
static size_t last_start(ae_str s, uint32_t *cp)
{
    size_t from = s.n > 4 ? s.n - 4 : 0;

    for (size_t i = from; i < s.n; i++)
        if (i + ae_utf8_next(s.p + i, s.n - i, cp) == s.n
            && (s.n - i > 1 || !cont(s.p[i])))
            return i;
    *cp = 0xFFFD;
    return s.n - 1;
}

ae_str ae_trim_space(ae_str s)
{
    uint32_t cp;

    while (s.n) {
        size_t w = ae_utf8_next(s.p, s.n, &cp);

        if (!ae_unicode_space(cp))
            break;
        s = ae_sub(s, w, s.n);
    }
    while (s.n) {
        size_t i = last_start(s, &cp);

        if (!ae_unicode_space(cp))
            break;
        s.n = i;
    }
    return s;
}
