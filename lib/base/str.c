/* str.c - spans: comparison, search, cutting. */
#include "base/base.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u + 32) : u;
}

/* Header names are compared for each request: eight bytes at a time, which
 * may differ in the case bit alone; only where they do is a byte looked at. */
bool ae_ieq(ae_str a, ae_str b)
{
    size_t i = 0;

    if (a.n != b.n)
        return false;
    for (; i + 8 <= a.n; i += 8) {
        uint64_t x, y;

        memcpy(&x, a.p + i, 8);
        memcpy(&y, b.p + i, 8);
        if (x == y)
            continue;
        if ((x ^ y) & ~UINT64_C(0x2020202020202020))
            return false;
        for (size_t k = i; k < i + 8; k++)
            if (lower(a.p[k]) != lower(b.p[k]))
                return false;
    }
    for (; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
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
