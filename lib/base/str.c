/* str.c - spans: comparison, search, cutting. */
#include "base/base.h"

static unsigned char lower(char c)
{
    unsigned char u = (unsigned char)c;

    return (u >= 'A' && u <= 'Z') ? (unsigned char)(u + 32) : u;
}

bool ae_ieq(ae_str a, ae_str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
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

ae_str ae_sub(ae_str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return ae_s(s.p ? s.p + from : NULL, n);
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
