/* num.c - numbers, sizes, durations and times, without the locale. */
#include "base/base.h"

#include <stdio.h>

static bool digit(char c) { return c >= '0' && c <= '9'; }

bool ae_parse_u64(ae_str s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t d;

        if (!digit(s.p[i]))
            return false;
        d = (uint64_t)(s.p[i] - '0');
        if (v > (UINT64_MAX - d) / 10)
            return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}

bool ae_parse_i64(ae_str s, int64_t *out)
{
    bool     neg = false;
    uint64_t v, max = INT64_MAX;

    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        neg = s.p[0] == '-';
        s = ae_sub(s, 1, s.n);
        max += neg;
    }
    if (!ae_parse_u64(s, &v) || v > max)
        return false;
    *out = neg ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

bool ae_parse_size(ae_str s, uint64_t *out)
{
    uint64_t mul = 1, v;

    if (s.n) {
        switch (s.p[s.n - 1] | 0x20) {
        case 'k': mul = 1u << 10; break;
        case 'm': mul = 1u << 20; break;
        case 'g': mul = 1u << 30; break;
        default: break;
        }
    }
    if (mul > 1)
        s.n--;
    if (!ae_parse_u64(s, &v) || v > UINT64_MAX / mul)
        return false;
    *out = v * mul;
    return true;
}

bool ae_parse_ms(ae_str s, uint64_t *out)
{
    uint64_t mul = 1000, v;

    if (ae_ends(s, AE_STR("ms"))) {
        mul = 1;
        s.n -= 2;
    } else if (s.n && s.p[s.n - 1] == 's') {
        s.n--;
    } else if (s.n && s.p[s.n - 1] == 'm') {
        mul = 60 * 1000;
        s.n--;
    } else if (s.n && s.p[s.n - 1] == 'h') {
        mul = 3600 * 1000;
        s.n--;
    }
    if (!ae_parse_u64(s, &v) || v > (uint64_t)INT64_MAX / mul)
        return false;
    *out = v * mul;
    return true;
}

int64_t ae_num_whole(double f)
{
    return f >= -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN;
}

/* Days since 1970-01-01 of a proleptic Gregorian date, and back (the usual
 * era arithmetic; no time zone data, no locale). */
static int64_t days_of(int64_t y, int m, int d)
{
    int64_t  era;
    unsigned yoe, doy, doe;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    yoe = (unsigned)(y - era * 400);
    doy = (unsigned)((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1);
    doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int64_t)doe - 719468;
}

static void date_of(int64_t z, int64_t *y, unsigned *m, unsigned *d)
{
    int64_t  era;
    unsigned doe, yoe, doy, mp;

    z += 719468;
    era = (z >= 0 ? z : z - 146096) / 146097;
    doe = (unsigned)(z - era * 146097);
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    mp = (5 * doy + 2) / 153;
    *d = doy - (153 * mp + 2) / 5 + 1;
    *m = mp < 10 ? mp + 3 : mp - 9;
    *y = (int64_t)yoe + era * 400 + (*m <= 2);
}

size_t ae_rfc3339(int64_t t, char *out)
{
    /* As Go does: whole days of an unsigned count that starts long before
     * 1970, and which the most distant past wraps into the future. */
    const int64_t epoch = 106751991073400;
    uint64_t      abs = (uint64_t)t + (uint64_t)epoch * 86400;
    unsigned      rest = (unsigned)(abs % 86400), m, d;
    int64_t       y;
    int           n;

    date_of((int64_t)(abs / 86400) - epoch, &y, &m, &d);
    n = snprintf(out, 32, "%s%04lld-%02u-%02uT%02u:%02u:%02uZ",
                 y < 0 ? "-" : "", (long long)(y < 0 ? -y : y), m, d,
                 rest / 3600, rest / 60 % 60, rest % 60);
    return n > 0 && n < 32 ? (size_t)n : 0;
}

/* |n| digits at |off|, as a number no greater than |max|; -1 if not. */
static int field(ae_str s, size_t off, size_t n, int max)
{
    int v = 0;

    if (off + n > s.n)
        return -1;
    for (size_t i = off; i < off + n; i++) {
        if (!digit(s.p[i]))
            return -1;
        v = v * 10 + (s.p[i] - '0');
    }
    return v <= max ? v : -1;
}

static int month_days(int y, int m)
{
    static const int d[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    if (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))
        return 29;
    return d[m - 1];
}

/* "Z" or "+hh:mm" at |i|: seconds east of UTC in *off. */
static bool zone(ae_str s, size_t i, int64_t *off)
{
    int h, m;

    *off = 0;
    if (i + 1 == s.n && s.p[i] == 'Z')
        return true;
    if (i + 6 != s.n || (s.p[i] != '+' && s.p[i] != '-') || s.p[i + 3] != ':')
        return false;
    h = field(s, i + 1, 2, 24);
    m = field(s, i + 4, 2, 60);
    if (h < 0 || m < 0)
        return false;
    *off = (h * 3600 + m * 60) * (s.p[i] == '-' ? -1 : 1);
    return true;
}

/* ".5" or ",5" at |*i|, which is left behind it.  Go counts nanoseconds: what
 * follows the ninth digit is not there. */
static bool fraction(ae_str s, size_t *i, bool *some)
{
    size_t from = *i + 1;

    *some = false;
    if (*i >= s.n || (s.p[*i] != '.' && s.p[*i] != ','))
        return true;
    for (*i = from; *i < s.n && digit(s.p[*i]); ++*i)
        *some = *some || (s.p[*i] != '0' && *i - from < 9);
    return *i > from;
}

bool ae_parse_rfc3339(ae_str s, int64_t *out, bool *part)
{
    /* Go's layout "15" takes an hour of one digit, too */
    size_t  n = s.n > 12 && s.p[12] == ':' ? 1 : 2, i = n + 17;
    int     y = field(s, 0, 4, 9999), mo = field(s, 5, 2, 12);
    int     d = field(s, 8, 2, 31), h = field(s, 11, n, 23);
    int     mi = field(s, n + 12, 2, 59), se = field(s, n + 15, 2, 59);
    int64_t off;
    bool    some;

    if (y < 0 || mo < 1 || d < 1 || h < 0 || mi < 0 || se < 0
        || s.p[4] != '-' || s.p[7] != '-' || s.p[10] != 'T'
        || s.p[n + 11] != ':' || s.p[n + 14] != ':' || d > month_days(y, mo)
        || !fraction(s, &i, &some) || !zone(s, i, &off))
        return false;
    if (part)
        *part = some;
    *out = days_of(y, mo, d) * 86400 + h * 3600 + mi * 60 + se - off;
    return true;
}
