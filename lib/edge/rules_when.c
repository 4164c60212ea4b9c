/*
 * rules_when.c - when a freeze holds, from where a request came, whose a token
 * is.  Civil
 * time is computed here: the library asks neither locale nor environment.
 */
#include "edge/rules.h"

#include <arpa/inet.h>

#define DAY INT64_C(86400)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Month and day of the month of a day since 1970 (Howard Hinnant's
 * days_from_civil, turned round: eras of 400 years that begin in March). */
static void civil(int64_t days, unsigned *month, unsigned *dom)
{
    int64_t z = days + 719468, era = floor_div(z, 146097);
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;

    *dom = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
}

static bool day_matches(const struct ae_cron *c, int64_t days)
{
    unsigned month, dom, dow;
    bool in_dom, in_dow;

    civil(days, &month, &dom);
    dow = (unsigned)(days + 4 - floor_div(days + 4, 7) * 7); /* a Thursday */
    if (!(c->month >> month & 1))
        return false;
    in_dom = c->dom >> dom & 1;
    in_dow = c->dow >> dow & 1;
    return c->any_dom || c->any_dow ? in_dom && in_dow : in_dom || in_dow;
}

/* The last minute of a day that matches, not after |minute|; -1 if none. */
static int last_minute(const struct ae_cron *c, int minute)
{
    for (int h = minute / 60; h >= 0; h--) {
        if (!(c->hour >> h & 1))
            continue;
        for (int m = h == minute / 60 ? minute % 60 : 59; m >= 0; m--)
            if (c->minute >> m & 1)
                return h * 60 + m;
    }
    return -1;
}

/* The window that began last is the one that ends last. */
static int64_t cron_until(const struct ae_own_rule *u, int64_t now)
{
    const struct ae_cron *c = &u->cron;
    int64_t local = now + c->offset, day = floor_div(local, DAY), first;
    int minute = (int)((local - day * DAY) / 60);

    first = floor_div(local - u->duration, DAY);
    for (; day >= first; day--, minute = 1439) {
        int m = day_matches(c, day) ? last_minute(c, minute) : -1;
        int64_t end;

        if (m < 0)
            continue;
        end = day * DAY + m * 60 + u->duration - c->offset;
        return end > now ? end : 0;
    }
    return 0;
}

int64_t ae_rules_frozen(const struct ae_own_rule *u, int64_t now)
{
    int64_t end;

    if (now < u->from || now >= u->until)
        return 0;
    if (!u->has_cron)
        return u->until;
    end = cron_until(u, now);
    return end && end > u->until ? u->until : end;
}

/* ---- addresses ---------------------------------------------------------- */

static bool address(ae_str s, unsigned char out[16])
{
    char text[64];
    size_t n = ae_find(s, '%'); /* fe80::1%eth0 */

    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, s.p, n);
    text[n] = 0;
    memset(out, 0, 16);
    if (inet_pton(AF_INET, text, out + 12) == 1) {
        out[10] = out[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

bool ae_in_net(const struct ae_cidr *net, size_t n, ae_str from)
{
    unsigned char a[16];

    if (!from.n || !address(from, a))
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct ae_cidr *c = &net[i];
        unsigned whole = c->bits / 8, rest = c->bits % 8;

        if (memcmp(a, c->addr, whole) == 0
            && (rest == 0 || (a[whole] ^ c->addr[whole]) >> (8 - rest) == 0))
            return true;
    }
    return false;
}

/* ---- tokens ------------------------------------------------------------- */

bool ae_rules_whose(const struct ae_own_rule *u, enum ae_token_kind kind,
                    ae_str user, const struct ae_subject *s)
{
    switch (kind) {
    case AE_KIND_APIKEY:
        return ae_rules_any_like(&u->accounts, user);
    case AE_KIND_PROJECT:
        return ae_starts(user, AE_STR("proj:"))
            && ae_rules_any_like(&u->roles, ae_sub(user, 5, user.n));
    case AE_KIND_LOGIN:
    case AE_KIND_OIDC:
        for (size_t i = 0; i < s->ngroups; i++)
            if (ae_rules_any_like(&u->groups, s->groups[i]))
                return true;
        return ae_rules_any_like(&u->users, user);
    default:
        return false;
    }
}

bool ae_rules_too_old(const struct ae_own_rule *u, bool has_iat, int64_t iat,
                      int64_t now)
{
    return u->max_age && (!has_iat || iat > now || now - iat > u->max_age);
}
