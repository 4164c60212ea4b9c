/* str.c - spans: comparison, search, cutting. */
#include "base/base.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u + 32) : u;
}

/* Are eight bytes the same but for the case of letters?  What differs may
 * differ in the case bit alone, and only where a letter stands. */
static bool ieq8(const char *p, const char *q)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), top = ones << 7;
    uint64_t       x, y, d, low;

    memcpy(&x, p, 8);
    memcpy(&y, q, 8);
    d = x ^ y;
    if (d == 0)
        return true;
    if (d & ~(ones * 0x20))
        return false;
    /* seven bits each, so that no sum carries into the next byte */
    low = (x | ones * 0x20) & ~top;
    x = (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'z')) & ~x;
    return (d << 2 & ~x & top) == 0;
}

/* Header names are compared for each request: eight bytes at a time, the last
 * eight once more over those before. */
bool ae_ieq_n(const char *p, const char *q, size_t n)
{
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8)
            if (!ieq8(p + i, q + i))
                return false;
        return ieq8(p + n - 8, q + n - 8);
    }
    for (size_t i = 0; i < n; i++)
        if (lower(p[i]) != lower(q[i]))
            return false;
    return true;
}

int ae_cmp(ae_str a, ae_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int    c = n ? memcmp(a.p, b.p, n) : 0;

    if (c)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}

size_t ae_find(ae_str s, char c)
{
    const char *q = s.n ? memchr(s.p, c, s.n) : NULL;

    return q ? (size_t)(q - s.p) : s.n;
}

size_t ae_find_str(ae_str s, ae_str what)
{
    const char *q;

    if (what.n == 0)
        return 0;
    if (s.n < what.n)
        return SIZE_MAX;
    q = memmem(s.p, s.n, what.p, what.n);
    return q ? (size_t)(q - s.p) : SIZE_MAX;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

ae_str ae_trim(ae_str s)
{
    while (s.n && blank(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

ae_str ae_cut(ae_str s, char c, ae_str *head)
{
    size_t i = ae_find(s, c);

    *head = ae_sub(s, 0, i);
    if (i == s.n)
        return ae_s(NULL, 0);
    return ae_sub(s, i + 1, s.n - i - 1);
}
