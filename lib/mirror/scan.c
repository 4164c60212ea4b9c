/*
 * scan.c - stepping over JSON at memory speed.  A container is read in blocks
 * of 64 bytes, each turned into bit masks of quotes and brackets; what lies in
 * strings is masked out by a prefix sum over the quotes.  Only brackets are
 * counted, so that the inside of what is stepped over is not judged beyond
 * that: the stored bytes carry a checksum, and Argo CD wrote them.
 */
#include "mirror/scan.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { BLOCK = 64 };

struct masks { uint64_t quote, bs, open, close, curly, ctl; };

#if defined(__SSE2__)

static inline uint64_t bits(__m128i v, int at)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(v) << (16 * at);
}

static inline void masks_of(const char *p, struct masks *m)
{
    const __m128i q = _mm_set1_epi8('"'), b = _mm_set1_epi8('\\');
    const __m128i o = _mm_set1_epi8('{'), c = _mm_set1_epi8('}');
    const __m128i x = _mm_set1_epi8(0x20), top = _mm_set1_epi8(0x1f);

    memset(m, 0, sizeof(*m));
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)
                                    (p + 16 * i));
        __m128i low = _mm_or_si128(v, x); /* [ ] become { } */

        m->quote |= bits(_mm_cmpeq_epi8(v, q), i);
        m->bs |= bits(_mm_cmpeq_epi8(v, b), i);
        m->open |= bits(_mm_cmpeq_epi8(low, o), i);
        m->close |= bits(_mm_cmpeq_epi8(low, c), i);
        /* 0x20 tells '{' from '[' : move it to the sign */
        m->curly |= bits(_mm_slli_epi16(v, 2), i);
        m->ctl |= bits(_mm_cmpeq_epi8(_mm_min_epu8(v, top), v), i);
    }
}

#else

static inline void masks_of(const char *p, struct masks *m)
{
    memset(m, 0, sizeof(*m));
    for (int i = 0; i < BLOCK; i++) {
        unsigned char c = (unsigned char)p[i];
        uint64_t      bit = UINT64_C(1) << i;

        m->quote |= c == '"' ? bit : 0;
        m->bs |= c == '\\' ? bit : 0;
        m->open |= (c | 0x20) == '{' ? bit : 0;
        m->close |= (c | 0x20) == '}' ? bit : 0;
        m->curly |= c & 0x20 ? bit : 0;
        m->ctl |= c < 0x20 ? bit : 0;
    }
}

#endif

/* Without the instruction, which the baseline of x86-64 lacks. */
static inline int ones(uint64_t x)
{
    x -= (x >> 1) & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333))
        + ((x >> 2) & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (int)((x * UINT64_C(0x0101010101010101)) >> 56);
}

/* Bit i of the result: parity of the bits 0..i. */
static inline uint64_t prefix_xor(uint64_t x)
{
    x ^= x << 1;
    x ^= x << 2;
    x ^= x << 4;
    x ^= x << 8;
    x ^= x << 16;
    return x ^ x << 32;
}

/* Which bytes stand behind an odd run of backslashes.  *carry: does the next
 * block begin behind one? */
static inline uint64_t escaped(uint64_t bs, uint64_t *carry)
{
    const uint64_t even = UINT64_C(0x5555555555555555);
    uint64_t       follows, odd, seq, was = *carry;

    if (!bs) {
        *carry = 0;
        return was;
    }
    bs &= ~was;
    follows = bs << 1 | was;
    odd = bs & ~even & ~follows;
    seq = odd + bs;
    *carry = seq < bs;
    return (even ^ seq << 1) & follows;
}

struct skip { uint64_t in, carry; int64_t depth, curly; };

/* One block of |n| bytes at |p|.  Returns how many of them belong to the
 * value if it ends here, 0 if it goes on, -1 if it is damaged. */
static inline int skip_block(struct skip *s, const char *p)
{
    struct masks m;
    uint64_t     str, open, close, rest;
    int          k = 0, nclose;

    masks_of(p, &m);
    m.quote &= ~escaped(m.bs, &s->carry);
    str = prefix_xor(m.quote) ^ s->in;
    open = m.open & ~str;
    close = m.close & ~str;
    nclose = ones(close);
    if (s->depth > nclose) {
        if ((m.ctl & str) | (m.bs & ~str))
            return -1;
        s->in = str >> 63 ? UINT64_MAX : 0;
        s->depth += ones(open) - nclose;
        s->curly += ones(open & m.curly) - ones(close & m.curly);
        return 0;
    }
    for (rest = close; rest; rest &= rest - 1) {
        uint64_t upto = rest ^ (rest - 1); /* this bracket and all before */

        if (s->depth + ones(open & upto) != ++k)
            continue;
        s->curly += ones(open & upto & m.curly)
            - ones(close & upto & m.curly);
        return s->curly || (m.ctl & str & upto) || (m.bs & ~str & upto)
            ? -1 : __builtin_ctzll(rest) + 1;
    }
    if ((m.ctl & str) | (m.bs & ~str))
        return -1;
    s->in = str >> 63 ? UINT64_MAX : 0;
    s->depth += ones(open) - nclose;
    s->curly += ones(open & m.curly) - ones(close & m.curly);
    return 0;
}

/* |c| stands on a '{' or '['. */
static bool skip_container(struct ae_cur *c)
{
    struct skip s = { 0, 0, 0, 0 };
    char        tail[BLOCK];

    for (;;) {
        size_t left = (size_t)(c->end - c->p);
        int    n;

        if (left >= BLOCK) {
            n = skip_block(&s, c->p);
        } else {
            memset(tail, ' ', sizeof(tail));
            if (left)
                memcpy(tail, c->p, left);
            n = skip_block(&s, tail);
        }
        if (n > 0 && (size_t)n <= left) {
            c->p += n;
            return true;
        }
        if (n != 0 || left < BLOCK)
            return ae_cur_damaged(c);
        c->p += BLOCK;
    }
}

/* The closing quote of the string whose inside begins at |p|; NULL if there
 * is none, or a control character first. */
static inline const char *string_end(const char *p, const char *end)
{
    for (;;) {
#if defined(__SSE2__)
        while (end - p >= 16) {
            __m128i  v = _mm_loadu_si128((const __m128i *)(const void *)p);
            unsigned hit;

            hit = (unsigned)_mm_movemask_epi8(_mm_or_si128(
                _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                             _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))),
                _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v)));
            if (hit) {
                p += __builtin_ctz(hit);
                break;
            }
            p += 16;
        }
#endif
        while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
            p++;
        if (p >= end || (unsigned char)*p < 0x20)
            return NULL;
        if (*p == '"')
            return p;
        if (end - p < 2)
            return NULL;
        p += 2;
    }
}

bool ae_cur_string(struct ae_cur *c, ae_str *out)
{
    const char *q;

    if (!ae_cur_eat(c, '"'))
        return false;
    q = string_end(c->p, c->end);
    if (!q)
        return ae_cur_damaged(c);
    *out = ae_s(c->p, (size_t)(q - c->p));
    c->p = q + 1;
    return true;
}

/* true, false, null, or a number by its characters. */
static bool skip_plain(struct ae_cur *c)
{
    static const ae_str word[] = { { "true", 4 }, { "false", 5 },
                                   { "null", 4 } };
    const char *from = c->p;

    for (size_t i = 0; i < 3; i++)
        if (ae_starts(ae_s(c->p, (size_t)(c->end - c->p)), word[i])) {
            c->p += word[i].n;
            return true;
        }
    while (c->p < c->end && ((*c->p >= '0' && *c->p <= '9') || *c->p == '-'
                             || *c->p == '+' || *c->p == '.' || *c->p == 'e'
                             || *c->p == 'E'))
        c->p++;
    return c->p > from || ae_cur_damaged(c);
}

bool ae_cur_value(struct ae_cur *c, ae_str *out)
{
    const char *from;
    ae_str      ignore;
    bool        ok;
    char        ch = ae_cur_peek(c);

    if (c->bad)
        return false;
    from = c->p;
    if (ch == '{' || ch == '[')
        ok = skip_container(c);
    else if (ch == '"')
        ok = ae_cur_string(c, &ignore);
    else
        ok = skip_plain(c);
    if (ok)
        *out = ae_s(from, (size_t)(c->p - from));
    return ok;
}

/* Step over the comma or the bracket that opens or closes. */
static inline bool next(struct ae_cur *c, bool *first, char open, char close)
{
    bool was = *first;

    if (c->bad)
        return false;
    *first = false;
    if (was && !ae_cur_eat(c, open))
        return false;
    if (ae_cur_peek(c) == close && c->p < c->end) {
        c->p++;
        return false;
    }
    return was || ae_cur_eat(c, ',');
}

bool ae_cur_member(struct ae_cur *c, bool *first, ae_str *key)
{
    return next(c, first, '{', '}') && ae_cur_string(c, key)
        && ae_cur_eat(c, ':');
}

bool ae_cur_element(struct ae_cur *c, bool *first)
{
    return next(c, first, '[', ']');
}

/* ---- escapes ---- */

static int hex4(const char *p, uint32_t *out)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++) {
        unsigned char ch = (unsigned char)p[i], low = ch | 0x20;

        if (ch >= '0' && ch <= '9')
            v = v << 4 | (uint32_t)(ch - '0');
        else if (low >= 'a' && low <= 'f')
            v = v << 4 | (uint32_t)(low - 'a' + 10);
        else
            return 0;
    }
    *out = v;
    return 1;
}

/* \uXXXX at |s|, past the 'u'; a pair of surrogates counts as one.  Returns
 * the bytes read, 0 if it is damaged. */
static size_t unicode(ae_str s, uint32_t *cp)
{
    uint32_t low;

    if (s.n < 4 || !hex4(s.p, cp))
        return 0;
    if (*cp < 0xd800 || *cp > 0xdfff)
        return 4;
    if (*cp < 0xdc00 && s.n >= 10 && s.p[4] == '\\' && s.p[5] == 'u'
        && hex4(s.p + 6, &low) && low >= 0xdc00 && low <= 0xdfff) {
        *cp = 0x10000 + ((*cp - 0xd800) << 10) + (low - 0xdc00);
        return 10;
    }
    *cp = 0xfffd;
    return 4;
}

size_t ae_text_unescape(ae_str raw, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    size_t n = 0;

    for (size_t i = 0; i < raw.n;) {
        const char *at;
        uint32_t    cp;
        size_t      w;
        char        u[4];

        if (raw.p[i] != '\\') {
            out[n++] = raw.p[i++];
            continue;
        }
        if (++i >= raw.n)
            return SIZE_MAX;
        at = memchr(from, raw.p[i], sizeof(from) - 1);
        if (at) {
            out[n++] = to[at - from];
            i++;
            continue;
        }
        if (raw.p[i] != 'u')
            return SIZE_MAX;
        w = unicode(ae_sub(raw, i + 1, raw.n), &cp);
        if (!w)
            return SIZE_MAX;
        i += 1 + w;
        w = ae_utf8_put(cp, u); /* at most 3 for the 6 of an escape */
        memcpy(out + n, u, w);
        n += w;
    }
    return n;
}

ae_str ae_text_decode(ae_arena *a, ae_str raw)
{
    char  *p;
    size_t n;

    if (raw.n == 0 || !memchr(raw.p, '\\', raw.n))
        return raw;
    p = ae_alloc(a, raw.n);
    if (!p)
        return ae_s(NULL, 0);
    n = ae_text_unescape(raw, p);
    return n == SIZE_MAX ? ae_s(NULL, 0) : ae_s(p, n);
}
