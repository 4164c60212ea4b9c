/*
 * rules_value.c - the small languages inside argo-edge.yaml: spans of time,
 * networks, cron lines.
 */
#include "config/internal.h"

#include <arpa/inet.h>

bool cfg_rule_span(ae_str s, int64_t *seconds)
{
    static const struct { char c; int64_t s; } unit[] = {
        { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
        { 'w', 604800 },
    };
    uint64_t n;

    if (s.n < 2 || !ae_parse_u64(ae_sub(s, 0, s.n - 1), &n) || n == 0
        || n > 1000000000)
        return false;
    for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++)
        if (s.p[s.n - 1] == unit[i].c) {
            *seconds = (int64_t)n * unit[i].s;
            return *seconds <= 100 * 366 * INT64_C(86400);
        }
    return false;
}

bool cfg_rule_cidr(ae_str s, struct ae_cidr *out)
{
    unsigned char v4[4];
    char          text[64];
    ae_str        addr, len = ae_cut(s, '/', &addr);
    uint64_t      bits = 128;
    bool          four;

    if (addr.n == 0 || addr.n >= sizeof(text))
        return false;
    memcpy(text, addr.p, addr.n);
    text[addr.n] = '\0';
    memset(out, 0, sizeof(*out));
    four = inet_pton(AF_INET, text, v4) == 1;
    if (four) {
        out->addr[10] = out->addr[11] = 0xff;
        memcpy(out->addr + 12, v4, 4);
    } else if (inet_pton(AF_INET6, text, out->addr) != 1) {
        return false;
    }
    if (len.p) {
        if (!ae_parse_u64(len, &bits) || bits > (four ? 32 : 128))
            return false;
        bits += four ? 96 : 0;
    }
    out->bits = (unsigned)bits;
    /* A bit behind the prefix is a slip of the pen. */
    for (unsigned i = out->bits; i < 128; i++)
        if (out->addr[i / 8] >> (7 - i % 8) & 1)
            return false;
    return true;
}

/* ---- cron --------------------------------------------------------------- */

static bool number(ae_str s, unsigned min, unsigned max, unsigned *out)
{
    uint64_t n;

    if (!ae_parse_u64(s, &n) || n < min || n > max)
        return false;
    *out = (unsigned)n;
    return true;
}

/* One of 5, 1-5, *, each with an optional step. */
static bool item(ae_str s, unsigned min, unsigned max, uint64_t *bits)
{
    ae_str   head, step = ae_cut(s, '/', &head), low, high;
    unsigned from = min, to = max, by = 1;

    if (step.p && !number(step, 1, max, &by))
        return false;
    if (!ae_eq_lit(head, "*")) {
        high = ae_cut(head, '-', &low);
        if (!number(low, min, max, &from))
            return false;
        to = step.p && !high.p ? max : from;
        if (high.p && (!number(high, min, max, &to) || to < from))
            return false;
    }
    for (unsigned i = from; i <= to; i += by)
        *bits |= UINT64_C(1) << i;
    return true;
}

static bool field(ae_str *rest, unsigned min, unsigned max, uint64_t *bits,
                  bool *any)
{
    ae_str one, f;

    *rest = ae_trim(*rest);
    *rest = ae_cut(*rest, ' ', &f);
    *bits = 0;
    if (f.n == 0)
        return false;
    *any = ae_eq_lit(f, "*");
    while (f.p) {
        f = ae_cut(f, ',', &one);
        if (!item(one, min, max, bits))
            return false;
    }
    return true;
}

bool cfg_rule_cron(ae_str s, struct ae_cron *out)
{
    uint64_t hour, dom, month, dow;
    bool     any;

    if (!field(&s, 0, 59, &out->minute, &any)
        || !field(&s, 0, 23, &hour, &any)
        || !field(&s, 1, 31, &dom, &out->any_dom)
        || !field(&s, 1, 12, &month, &any)
        || !field(&s, 0, 7, &dow, &out->any_dow) || ae_trim(s).n)
        return false;
    dow |= dow >> 7 & 1; /* 7 is Sunday as well */
    out->hour = (uint32_t)hour;
    out->dom = (uint32_t)dom;
    out->month = (uint32_t)month;
    out->dow = (uint32_t)dow & 0x7f;
    return true;
}

bool cfg_rule_offset(ae_str s, int32_t *out)
{
    unsigned h, m = 0;
    bool     minus;

    if (ae_eq_lit(s, "UTC") || ae_eq_lit(s, "Z")) {
        *out = 0;
        return true;
    }
    if (s.n < 3 || (s.p[0] != '+' && s.p[0] != '-')
        || !number(ae_sub(s, 1, 2), 0, 14, &h))
        return false;
    minus = s.p[0] == '-';
    s = ae_sub(s, 3, s.n);
    if (s.n && s.p[0] == ':')
        s = ae_sub(s, 1, s.n);
    if (s.n && (s.n != 2 || !number(s, 0, 59, &m)))
        return false;
    *out = (int32_t)(h * 3600 + m * 60) * (minus ? -1 : 1);
    return true;
}
