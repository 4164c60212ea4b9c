/*
 * limits.c - the directives of limits: who, how much, of what.
 */
#include "config/internal.h"

const struct ae_login_conf cfg_login_off;
const struct ae_webhook_conf cfg_webhook_off;

#define AE_WEBHOOK_NETS 64
#define WINDOW_NS INT64_C(86400000000000) /* burst / rate is at most a day */

static const char *const ops_names[AE_OPS__N] = {
    [AE_OPS_READ] = "read", [AE_OPS_LIST] = "list", [AE_OPS_HEAVY] = "heavy",
    [AE_OPS_WRITE] = "write", [AE_OPS_SYNC] = "sync",
    [AE_OPS_LOGIN] = "login", [AE_OPS_WEBHOOK] = "webhook",
    [AE_OPS_STREAM] = "stream", [AE_OPS_OTHER] = "other",
};

static bool op_of(ae_str s, int *out)
{
    for (int i = 0; i < AE_OPS__N; i++)
        if (ae_eq(s, ae_cs(ops_names[i]))) {
            *out = i;
            return true;
        }
    return false;
}

static int number(ae_str s, uint64_t min, uint64_t max, int64_t *out,
                  struct ae_err *err)
{
    uint64_t v;

    if (!ae_parse_u64(s, &v) || v < min || v > max)
        return ae_err_set(err, AE_E_INVAL, "invalid number \"%.*s\": it must "
                          "be between %llu and %llu", (int)(s.n < 80 ? s.n
                          : 80), s.p ? s.p : "", (unsigned long long)min,
                          (unsigned long long)max);
    *out = (int64_t)v;
    return AE_OK;
}

/* 100r/s, 30r/m, 5r/h. */
static int rate(ae_str s, struct ae_rate_conf *r, struct ae_err *err)
{
    static const struct { const char *end; int64_t s; } units[] = {
        { "r/s", 1 }, { "r/m", 60 }, { "r/h", 3600 },
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        ae_str end = ae_cs(units[i].end);
        uint64_t v;

        if (!ae_ends(s, end) || !ae_parse_u64(ae_sub(s, 0, s.n - 3), &v)
            || v < 1 || v > 1000000)
            continue;
        r->n = (int64_t)v;
        r->unit_s = units[i].s;
        r->step_ns = r->unit_s * 1000000000 / r->n;
        return AE_OK;
    }
    return cfg_bad(err, s, "a rate such as 100r/s, 30r/m or 5r/h");
}

/* What a second brings if nothing is said; at most a day's worth. */
static int burst(ae_str s, struct ae_rate_conf *r, struct ae_err *err)
{
    int64_t most = WINDOW_NS / r->step_ns;

    if (s.p)
        return number(s, 1, (uint64_t)(most < 1 ? 1 : most), &r->burst, err);
    r->burst = (r->n + r->unit_s - 1) / r->unit_s;
    return AE_OK;
}

const char *ae_who_class_name(unsigned c)
{
    static const char *const names[AE_WC__N] = {
        [AE_WC_ADDRESS] = "address", [AE_WC_ANONYMOUS] = "anonymous",
        [AE_WC_SESSION] = "session", [AE_WC_APIKEY] = "apikey",
        [AE_WC_PROJECT] = "project", [AE_WC_OIDC] = "oidc",
        [AE_WC_ANY] = "any", [AE_WC_GROUP] = "group", [AE_WC_USER] = "user",
        [AE_WC_LOGIN] = "login", [AE_WC_WEBHOOK] = "webhook",
    };

    return c < AE_WC__N ? names[c] : "";
}

static int who(ae_arena *a, ae_str s, struct ae_who_spec *w,
               struct ae_err *err)
{
    bool group = ae_starts(s, AE_STR("group:"));

    for (unsigned i = 0; i <= AE_WC_ANY; i++)
        if (ae_eq(s, ae_cs(ae_who_class_name(i)))) {
            w->cls = (enum ae_who_class)i;
            return AE_OK;
        }
    if ((!group && !ae_starts(s, AE_STR("user:"))) || s.n == (group ? 6 : 5))
        return cfg_bad(err, s, "address, anonymous, session, apikey, project,"
                       " oidc, any, group:NAME or user:NAME");
    w->cls = group ? AE_WC_GROUP : AE_WC_USER;
    w->name = ae_dup(a, ae_sub(s, group ? 6 : 5, s.n));
    return w->name.p ? AE_OK : ae_err_set(err, AE_E_NOMEM, "out of memory");
}

static int ops(ae_str list, uint32_t *out, struct ae_err *err)
{
    ae_str one;
    int op;

    *out = 0;
    while (list.p) {
        list = ae_cut(list, ',', &one);
        if (!op_of(one, &op))
            return cfg_bad(err, one, "one of read, list, heavy, write, sync, "
                           "login, webhook, stream, other");
        *out |= 1u << op;
    }
    return AE_OK;
}

static int costs(ae_str list, struct ae_limit_conf *l, struct ae_err *err)
{
    ae_str one, name, value;
    int64_t v;
    int op;

    while (list.p) {
        list = ae_cut(list, ',', &one);
        value = ae_cut(one, ':', &name);
        if (!value.p || !op_of(name, &op))
            return cfg_bad(err, one, "pairs such as list:5,sync:10");
        if (number(value, 1, 10000, &v, err) != AE_OK)
            return AE_E_INVAL;
        l->cost[op] = (uint32_t)v;
    }
    return AE_OK;
}

static int except(ae_arena *a, ae_str list, struct ae_limit_conf *l,
                  struct ae_err *err)
{
    ae_str one;
    int rc;

    while (list.p) {
        list = ae_cut(list, ',', &one);
        if (l->nexcept == AE_EXCEPT_MAX)
            return ae_err_set(err, AE_E_INVAL, "except= takes at most %d "
                              "names", AE_EXCEPT_MAX);
        rc = who(a, one, &l->except[l->nexcept++], err);
        if (rc != AE_OK)
            return rc;
        if (l->except[l->nexcept - 1].cls == AE_WC_ADDRESS)
            return cfg_bad(err, one, "who showed a token, or anonymous");
    }
    return AE_OK;
}

static int per(ae_str s, enum ae_limit_per *out, struct ae_err *err)
{
    if (ae_eq_lit(s, "caller"))
        *out = AE_PER_CALLER;
    else if (ae_eq_lit(s, "network"))
        *out = AE_PER_NETWORK;
    else if (ae_eq_lit(s, "all"))
        *out = AE_PER_ALL;
    else
        return cfg_bad(err, s, "caller, network or all");
    return AE_OK;
}

/* Clients see it between quotes (RFC 9651), and logs as it is. */
static int name(ae_arena *a, ae_str s, struct ae_limit_conf *l,
                struct ae_err *err)
{
    char *p = ae_alloc(a, s.n + 1);

    if (!p)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    if (s.n == 0 || s.n > 64)
        return cfg_bad(err, s, "a name of at most 64 characters");
    for (size_t i = 0; i < s.n; i++)
        p[i] = s.p[i] > 0x20 && s.p[i] < 0x7f && s.p[i] != '"'
            && s.p[i] != '\\' ? s.p[i] : '_';
    l->name = ae_s(p, s.n);
    l->id = ae_hash64(l->name, l->calls ? 2 : 1);
    l->policy = l->calls
        ? ae_fmt(a, "\"%.*s\";q=%u;qu=\"concurrent-requests\"", (int)s.n, p,
                 l->calls)
        : ae_fmt(a, "\"%.*s\";q=%lld;w=%lld", (int)s.n, p,
                 (long long)l->rate.n, (long long)l->rate.unit_s);
    if (!l->policy.p)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    return AE_OK;
}

struct words { ae_str rate, burst, delay, per, ops, cost, failed, except,
               name; };

/* KEY=VALUE in any order, each once. */
static int words(const ae_str *args, size_t n, struct words *w,
                 const char *keys, struct ae_err *err)
{
    const struct { const char *key; ae_str *to; } all[] = {
        { "rate", &w->rate }, { "burst", &w->burst }, { "delay", &w->delay },
        { "per", &w->per }, { "ops", &w->ops }, { "cost", &w->cost },
        { "failed", &w->failed }, { "except", &w->except },
        { "name", &w->name },
    };

    memset(w, 0, sizeof(*w));
    for (size_t i = 0; i < n; i++) {
        ae_str key, value = ae_cut(args[i], '=', &key);
        size_t k = 0;

        while (k < sizeof(all) / sizeof(all[0])
               && !ae_eq(key, ae_cs(all[k].key)))
            k++;
        if (!value.p || k == sizeof(all) / sizeof(all[0]) || all[k].to->p
            || !strstr(keys, all[k].key))
            return cfg_bad(err, args[i], keys);
        *all[k].to = value;
    }
    return AE_OK;
}

static int common(ae_arena *a, ae_str whom, const struct words *w,
                  uint32_t def, struct ae_limit_conf *l, struct ae_err *err)
{
    int rc = who(a, whom, &l->who, err);

    l->ops = def;
    if (rc == AE_OK && w->per.p)
        rc = per(w->per, &l->per, err);
    if (rc == AE_OK && w->ops.p)
        rc = ops(w->ops, &l->ops, err);
    if (rc == AE_OK && w->except.p)
        rc = except(a, w->except, l, err);
    if (rc == AE_OK && w->name.p)
        rc = name(a, w->name, l, err);
    else if (rc == AE_OK && w->ops.p)
        rc = name(a, ae_sub(ae_fmt(a, "%.*s.%.*s", (int)whom.n, whom.p,
                                   (int)w->ops.n, w->ops.p), 0, 64), l, err);
    else if (rc == AE_OK)
        rc = name(a, ae_sub(whom, 0, 64), l, err);
    return rc;
}

static int append(ae_arena *a, struct ae_limit_conf **list, size_t *n,
                  const struct ae_limit_conf *one, struct ae_err *err)
{
    if (!*list)
        *list = ae_nalloc(a, AE_LIMITS_MAX, sizeof(**list));
    if (!*list)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    if (*n == AE_LIMITS_MAX)
        return ae_err_set(err, AE_E_INVAL, "more than %d lines here",
                          AE_LIMITS_MAX);
    if (one)
        (*list)[(*n)++] = *one;
    return AE_OK;
}

/* An "off" among others would leave open which of them counts. */
static bool off(ae_str arg, size_t n)
{
    return n == 1 && ae_ieq(arg, AE_STR("off"));
}

CFG_SETTER(cfg_set_limit)
{
    struct ae_limit_conf one = { .delay = -1, .failed = 5 };
    struct words w;
    int64_t v;
    int rc;

    (void)c;
    if (off(args[0], n))
        return l->limits ? cfg_bad(err, args[0], "alone")
                         : append(a, &l->limits, &l->nlimits, NULL, err);
    if (l->limits && !l->nlimits)
        return cfg_bad(err, args[0], "absent, since \"off\" stands here");
    for (int i = 0; i < AE_OPS__N; i++)
        one.cost[i] = 1;
    rc = words(args + 1, n - 1, &w, "rate=, burst=, delay=, per=, ops=, cost=,"
               " failed=, except= or name=, each once", err);
    if (rc == AE_OK && !w.rate.p)
        rc = ae_err_set(err, AE_E_INVAL, "no rate=, such as rate=100r/s");
    if (rc == AE_OK)
        rc = rate(w.rate, &one.rate, err);
    if (rc == AE_OK)
        rc = burst(w.burst, &one.rate, err);
    if (rc == AE_OK && w.delay.p)
        rc = number(w.delay, 0, (uint64_t)one.rate.burst, &one.delay, err);
    if (rc == AE_OK && w.cost.p)
        rc = costs(w.cost, &one, err);
    if (rc == AE_OK && w.failed.p) {
        rc = number(w.failed, 1, 10000, &v, err);
        one.failed = rc == AE_OK ? (uint32_t)v : 0;
    }
    if (rc == AE_OK)
        rc = common(a, args[0], &w, (1u << AE_OPS_OTHER) - 1, &one, err);
    return rc == AE_OK ? append(a, &l->limits, &l->nlimits, &one, err) : rc;
}

CFG_SETTER(cfg_set_limit_calls)
{
    struct ae_limit_conf one = { .delay = -1 };
    struct words w;
    int64_t v = 0;
    int rc;

    (void)c;
    if (off(args[0], n))
        return l->calls ? cfg_bad(err, args[0], "alone")
                        : append(a, &l->calls, &l->ncalls, NULL, err);
    if (l->calls && !l->ncalls)
        return cfg_bad(err, args[0], "absent, since \"off\" stands here");
    if (n < 2)
        return ae_err_set(err, AE_E_INVAL, "no number of calls");
    rc = number(args[1], 1, AE_LIMIT_CALLS_MAX, &v, err);
    one.calls = (uint32_t)v;
    if (rc == AE_OK)
        rc = words(args + 2, n - 2, &w,
                   "per=, ops=, except= or name=, each once", err);
    if (rc == AE_OK)
        rc = common(a, args[0], &w, 1u << AE_OPS_LIST | 1u << AE_OPS_HEAVY
                    | 1u << AE_OPS_STREAM, &one, err);
    if (rc == AE_OK && one.who.cls == AE_WC_ADDRESS)
        rc = cfg_bad(err, args[0], "who asks once the token is known");
    return rc == AE_OK ? append(a, &l->calls, &l->ncalls, &one, err) : rc;
}

CFG_SETTER(cfg_set_login_limit)
{
    struct ae_login_conf *lc;
    ae_str key, value, b = ae_s(NULL, 0);
    int rc = AE_OK;

    (void)c;
    if (off(args[0], n)) {
        l->login_limit = &cfg_login_off;
        return AE_OK;
    }
    lc = ae_nalloc(a, 1, sizeof(*lc));
    if (!lc)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    l->login_limit = lc;
    for (size_t i = 0; rc == AE_OK && i < n; i++) {
        value = ae_cut(args[i], '=', &key);
        if (value.p && ae_eq_lit(key, "address") && !lc->address.step_ns)
            rc = rate(value, &lc->address, err);
        else if (value.p && ae_eq_lit(key, "user") && !lc->user.step_ns)
            rc = rate(value, &lc->user, err);
        else if (value.p && ae_eq_lit(key, "burst") && !b.p)
            b = value;
        else
            rc = cfg_bad(err, args[i],
                         "address=RATE, user=RATE or burst=NUMBER");
    }
    if (rc == AE_OK && !lc->address.step_ns && !lc->user.step_ns)
        rc = ae_err_set(err, AE_E_INVAL, "no rate: give address= or user=");
    if (!b.p)
        b = AE_STR("5"); /* people mistype */
    if (rc == AE_OK && lc->address.step_ns)
        rc = burst(b, &lc->address, err);
    if (rc == AE_OK && lc->user.step_ns)
        rc = burst(b, &lc->user, err);
    return rc;
}

/* from=10.0.0.0/8,192.0.2.7 */
static int webhook_from(ae_arena *a, ae_str list, struct ae_webhook_conf *w,
                        struct ae_err *err)
{
    struct ae_cidr *v = ae_nalloc(a, AE_WEBHOOK_NETS, sizeof(*v));
    ae_str one;

    if (!v)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    for (; list.p; w->nfrom++) {
        list = ae_cut(list, ',', &one);
        if (w->nfrom == AE_WEBHOOK_NETS)
            return ae_err_set(err, AE_E_INVAL, "from= takes at most %d "
                              "networks", AE_WEBHOOK_NETS);
        if (!cfg_rule_cidr(one, &v[w->nfrom]))
            return cfg_bad(err, one, "addresses and networks such as "
                           "192.30.252.0/22, with commas between them");
    }
    w->from = v;
    return AE_OK;
}

/* One word of webhook. */
static int webhook_word(ae_arena *a, ae_str arg, struct ae_webhook_conf *w,
                        ae_str *b, struct ae_err *err)
{
    ae_str key, value = ae_cut(arg, '=', &key);
    uint64_t v = 0;

    if (value.p && ae_eq_lit(key, "rate"))
        return rate(value, &w->rate, err);
    if (value.p && ae_eq_lit(key, "burst")) {
        *b = value;
        return AE_OK;
    }
    if (value.p && ae_eq_lit(key, "max_body")
        && ae_parse_size(value, &v) && v >= 1024 && v <= 64 << 20) {
        w->max_body = (int64_t)v;
        return AE_OK;
    }
    if (value.p && ae_eq_lit(key, "repeat") && ae_parse_ms(value, &v)
        && v >= 1 && v <= 600000) {
        w->repeat_ms = (int64_t)v;
        return AE_OK;
    }
    if (value.p && ae_eq_lit(key, "signatures")
        && (ae_ieq(value, AE_STR("on")) || ae_ieq(value, AE_STR("off")))) {
        w->signatures = ae_ieq(value, AE_STR("on"));
        return AE_OK;
    }
    if (value.p && ae_eq_lit(key, "from") && !w->nfrom)
        return webhook_from(a, value, w, err);
    return cfg_bad(err, arg, "max_body=SIZE (1k to 64m), rate=RATE, burst="
                   "NUMBER, signatures=on, repeat=TIME (1ms to 10m) or "
                   "from=NETWORKS");
}

CFG_SETTER(cfg_set_webhook)
{
    struct ae_webhook_conf *w;
    ae_str b = ae_s(NULL, 0);
    int rc = AE_OK;

    (void)c;
    if (off(args[0], n)) {
        l->webhook = &cfg_webhook_off;
        return AE_OK;
    }
    w = ae_nalloc(a, 1, sizeof(*w));
    if (!w)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == AE_OK && i < n; i++)
        rc = webhook_word(a, args[i], w, &b, err);
    if (rc == AE_OK && b.p && !w->rate.step_ns)
        rc = ae_err_set(err, AE_E_INVAL, "burst= without rate=");
    if (rc == AE_OK && w->rate.step_ns)
        rc = burst(b, &w->rate, err);
    if (rc == AE_OK && w->repeat_ms && !w->signatures)
        rc = ae_err_set(err, AE_E_INVAL, "repeat= needs signatures=on: else "
                        "anybody could keep a push from Argo CD");
    if (rc == AE_OK && w->signatures && !w->max_body)
        w->max_body = 1 << 20; /* what is checked is read */
    l->webhook = w;
    return rc;
}

void cfg_limits_merge(struct ae_loc *child, const struct ae_loc *parent)
{
    if (!child->limits) {
        child->limits = parent->limits;
        child->nlimits = parent->nlimits;
    }
    if (!child->calls) {
        child->calls = parent->calls;
        child->ncalls = parent->ncalls;
    }
    if (!child->login_limit)
        child->login_limit = parent->login_limit;
    if (!child->webhook)
        child->webhook = parent->webhook;
}
