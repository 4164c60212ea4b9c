/*
 * limits.c - LIMIT: may it be now?  Before the token is verified the address
 * pays, afterwards the identity (T18).  Nothing here is on by default, and
 * nothing here ever lets a request through that would not pass otherwise.
 */
#include "edge/edge.h"

_Static_assert((int)AE_WC__N <= (int)AE_WHOS, "each class is counted");
_Static_assert((int)AE_OPS_READ == (int)AE_COST_READ
               && (int)AE_OPS_STREAM == (int)AE_COST_STREAM,
               "config names what route prices");

#define WAIT_MAX_NS INT64_C(10000000000) /* < AE_INFLIGHT_NS */
#define WAIT_TAG UINT64_C(0x77616974)    /* no key's, but by an odd chance */

void ae_limits_open(ae_engine *e)
{
    size_t n = 0;
    void *p = ae_zone_section(e->zone, AE_ZONE_LIMITER, 0, &n);

    ae_gcra_init(&e->limiter, p, p ? n : 0, false);
    p = ae_zone_section(e->zone, AE_ZONE_LOGIN, 0, &n);
    ae_gcra_init(&e->logins, p, p ? n : 0, true);
    p = ae_zone_section(e->zone, AE_ZONE_CAPS, 0, &n);
    ae_inflight_init(&e->inflight, p, p ? n : 0);
    p = ae_zone_section(e->zone, AE_ZONE_EDGES, 0, &n);
    ae_edges_init(&e->edges, p, p ? n : 0);
}

/* One clock for all processes of the host: nobody sets mono_us but tests. */
int64_t ae_limit_now(const ae_txn *t)
{
    return t->mono_us * 1000;
}

/* ---- whom and what ------------------------------------------------------- */

static enum ae_ops ops_of(const ae_txn *t)
{
    const struct ae_target *g = &t->tgt;
    bool reads = g->method == AE_M_GET || g->method == AE_M_HEAD
        || g->method == AE_M_OPTIONS;

    if (g->op) {
        /* healthz, the UI's files */
        if (g->op->outside && g->op->auth == AE_AUTH_NONE
            && g->op->cost == AE_COST_READ)
            return AE_OPS_OTHER;
        /* refresh= and the like (Q04) */
        if (g->side_effect && g->op->cost <= AE_COST_HEAVY)
            return AE_OPS_WRITE;
        return (enum ae_ops)g->op->cost;
    }
    if (g->kind == AE_TGT_UNKNOWN)
        return AE_OPS_OTHER;
    return reads || g->kind == AE_TGT_GRPC ? AE_OPS_READ : AE_OPS_WRITE;
}

static const struct ae_identity *identity(const ae_txn *t)
{
    const struct ae_identity *id = t->id ? t->id : t->peek;

    return id && id->kind != AE_KIND_ANONYMOUS ? id : NULL;
}

/* By the policy's scopes where they are known, else by the usual claim. */
static bool in_group(const ae_txn *t, const struct ae_identity *id,
                     ae_str group)
{
    const json_t *all;

    if (t->rights) {
        for (size_t i = 0; i < t->rights->subject.ngroups; i++)
            if (ae_eq(t->rights->subject.groups[i], group))
                return true;
        return false;
    }
    all = json_object_get(id->claims, "groups");
    for (size_t i = 0; i < json_array_size(all) && i < AE_GROUPS_MAX; i++)
        if (ae_eq(ae_json_str(json_array_get(all, i)), group))
            return true;
    return false;
}

static bool is_who(const ae_txn *t, const struct ae_who_spec *w)
{
    const struct ae_identity *id = identity(t);

    switch (w->cls) {
    case AE_WC_ADDRESS: /* these have steps of their own */
    case AE_WC_LOGIN:
    case AE_WC_WEBHOOK:
    case AE_WC__N: return false;
    case AE_WC_ANONYMOUS: return id == NULL;
    case AE_WC_ANY: return id != NULL;
    case AE_WC_SESSION: return id && id->kind == AE_KIND_LOGIN;
    case AE_WC_APIKEY: return id && id->kind == AE_KIND_APIKEY;
    case AE_WC_PROJECT: return id && id->kind == AE_KIND_PROJECT;
    case AE_WC_OIDC: return id && id->kind == AE_KIND_OIDC;
    case AE_WC_USER: return id && ae_eq(id->user, w->name);
    case AE_WC_GROUP: return id && in_group(t, id, w->name);
    }
    return false;
}

bool ae_limit_fits(const ae_txn *t, const struct ae_limit_conf *l)
{
    if (!(l->ops & 1u << ops_of(t)) || !is_who(t, &l->who))
        return false;
    for (size_t i = 0; i < l->nexcept; i++)
        if (is_who(t, &l->except[i]))
            return false;
    return true;
}

/* Where an agent joins several edges, a key has one tag on all of them. */
uint64_t ae_limit_key(const ae_txn *t, uint64_t limit, ae_str key)
{
    const uint64_t *own = ae_zone_seed(t->e->zone);
    uint64_t seed[2] = { own[0], own[1] };

    ae_edges_seed(&t->e->edges, seed);
    return ae_gcra_tag(seed, limit, key);
}

/* Not the token, whose spelling and number its owner chooses (T18). */
uint64_t ae_limit_tag(const ae_txn *t, const struct ae_limit_conf *l)
{
    const struct ae_identity *id = l->who.cls == AE_WC_ADDRESS
        ? NULL : identity(t);
    char addr[32];

    if (l->per == AE_PER_ALL)
        return ae_limit_key(t, l->id, AE_STR(""));
    if (id && l->per == AE_PER_CALLER)
        return ae_limit_key(t, l->id, ae_s((const char *)id->id_hash,
                                           sizeof id->id_hash));
    return ae_limit_key(t, l->id, ae_limit_addr(t->req->peer,
                                                l->per == AE_PER_NETWORK,
                                                addr));
}

static struct ae_rate rate_of(const struct ae_limit_conf *l)
{
    struct ae_rate r = { .step_ns = l->rate.step_ns };

    r.burst_ns = r.free_ns = l->rate.burst * l->rate.step_ns;
    if (l->delay >= 0)
        r.free_ns = l->delay * l->rate.step_ns;
    return r;
}

void ae_count_limited(ae_txn *t, enum ae_who_class cls, enum ae_limited what)
{
    ae_add64(&t->e->board.mine->limited[cls][what], 1, t->e->board.alone);
}

/* ---- what is said of it -------------------------------------------------- */

/* Shadow changes nothing, so there every limit runs dry. */
bool ae_limit_dry(const ae_txn *t)
{
    return t->loc->limit_dry_run > 0 || t->loc->mode != AE_MODE_ENFORCE;
}

static int64_t seconds(int64_t ns)
{
    return ns <= 0 ? 0 : (ns + 999999999) / 1000000000;
}

/* draft-ietf-httpapi-ratelimit-headers: what the line grants, and what is
 * left of it now.  The shields' lines are made on the way. */
static ae_str policy_field(ae_txn *t, const struct ae_limit_conf *l)
{
    if (l->policy.p)
        return l->policy;
    return ae_fmt(&t->a, "\"%.*s\";q=%lld;w=%lld", (int)l->name.n, l->name.p,
                  (long long)l->rate.n, (long long)l->rate.unit_s);
}

static char *put(char *p, const char *z)
{
    while (*z)
        *p++ = *z++;
    return p;
}

static char *put_number(char *p, int64_t v)
{
    char tmp[24];
    size_t n = 0;

    do
        tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n)
        *p++ = tmp[--n];
    return p;
}

/* On every answer, if that is wanted: too often for printf. */
static ae_str limit_field(ae_txn *t, const struct ae_limit_conf *l,
                          int64_t left, int64_t wait_ns)
{
    char *first = ae_alloc(&t->a, l->name.n + 64), *p = first;

    if (!p)
        return ae_s(NULL, 0);
    *p++ = '"';
    memcpy(p, l->name.p, l->name.n);
    p = put_number(put(p + l->name.n, "\";r="), left);
    p = put_number(put(p, ";t="), seconds(wait_ns));
    return ae_s(first, (size_t)(p - first));
}

static int64_t left_of(const struct ae_limit_conf *l,
                       const struct ae_taken *k)
{
    int64_t ns = l->rate.burst * l->rate.step_ns - k->ahead_ns;

    return ns > 0 ? ns / l->rate.step_ns : 0;
}

enum ae_step_ret ae_limit_refuse(ae_txn *t, const struct ae_limit_conf *l,
                                 const char *why, int64_t wait_ns)
{
    int64_t s = seconds(wait_ns);

    ae_trace(t, "limit");
    t->limit_at = l;
    if (ae_limit_dry(t)) {
        t->limit_var = "rejected_dry_run";
        ae_count(t->e, AE_N_limit_dry_run);
        ae_count_limited(t, l->who.cls, AE_LIMITED_DRY_RUN);
        return AE_STEP_MORE;
    }
    t->limit_var = "rejected";
    t->reason = why;
    ae_count(t->e, AE_N_limit_rejected);
    ae_count_limited(t, l->who.cls, AE_LIMITED_REJECTED);
    ae_reply_header(t, AE_STR("Retry-After"),
                    ae_fmt(&t->a, "%lld", (long long)(s > 0 ? s : 1)));
    ae_reply_header(t, AE_STR("RateLimit-Policy"), policy_field(t, l));
    ae_reply_header(t, AE_STR("RateLimit"), limit_field(t, l, 0, wait_ns));
    return ae_reply_error(t, 429, 8, ae_fmt(&t->a, "%s: %.*s", why,
                                            (int)l->name.n, l->name.p));
}

static bool headers_wanted(const ae_txn *t)
{
    return t->loc->limit_headers > 0 && t->limit_at && !t->limit_at->calls
        && !ae_limit_dry(t);
}

void ae_limit_reply(ae_txn *t)
{
    const struct ae_limit_conf *l = t->limit_at;

    if (!headers_wanted(t))
        return;
    ae_reply_header(t, AE_STR("RateLimit-Policy"), policy_field(t, l));
    ae_reply_header(t, AE_STR("RateLimit"),
                    limit_field(t, l, left_of(l, &t->limit_took),
                                t->limit_took.ahead_ns));
}

void ae_limit_response(ae_txn *t)
{
    const struct ae_limit_conf *l = t->limit_at;
    struct ae_field *f = t->resp_set + t->nresp_set;

    if (!headers_wanted(t)
        || t->nresp_set + 2 > sizeof t->resp_set / sizeof t->resp_set[0])
        return;
    f[0] = (struct ae_field){ AE_STR("RateLimit-Policy"),
                              policy_field(t, l) };
    f[1] = (struct ae_field){ AE_STR("RateLimit"),
                              limit_field(t, l, left_of(l, &t->limit_took),
                                          t->limit_took.ahead_ns) };
    if (f[0].value.p && f[1].value.p)
        t->nresp_set += 2;
}

/* ---- the steps ----------------------------------------------------------- */

void ae_limit_spend(ae_txn *t, uint64_t tag, const struct ae_rate *r,
                    int64_t units, bool login)
{
    if (ae_edges_live(&t->e->edges, ae_limit_now(t)))
        ae_edges_spend(&t->e->edges, tag, units * r->step_ns, r->burst_ns,
                       login);
}

static void give_back(ae_txn *t, bool address, size_t upto)
{
    enum ae_ops op = ops_of(t);

    for (size_t i = 0; i < upto; i++) {
        const struct ae_limit_conf *l = &t->loc->limits[i];
        struct ae_rate r = rate_of(l);
        uint64_t tag;

        if (address ? l->who.cls != AE_WC_ADDRESS || !(l->ops & 1u << op)
                    : !ae_limit_fits(t, l))
            continue;
        tag = ae_limit_tag(t, l);
        ae_gcra_give(&t->e->limiter, tag, &r, l->cost[op]);
        ae_limit_spend(t, tag, &r, -(int64_t)l->cost[op], false);
    }
}

/* The line that leaves least is what the client is told of. */
static void note(ae_txn *t, const struct ae_limit_conf *l,
                 const struct ae_taken *k)
{
    if (!t->limit_at || left_of(l, k) < left_of(t->limit_at, &t->limit_took)) {
        t->limit_at = l;
        t->limit_took = *k;
    }
    if (!t->limit_var)
        t->limit_var = "passed";
}

/* Where who waits keeps a thread from its work, few may; for how long is
 * bounded, too. */
static uint32_t waiters(const ae_engine *e)
{
    uint32_t n = e->host.waits;

    if (n != AE_WAITS_ANY && ae_zone_shared(e->zone))
        n = e->host.waits_all;
    return n != AE_WAITS_ANY && n > AE_INFLIGHT_MAX ? AE_INFLIGHT_MAX : n;
}

static bool may_wait(ae_txn *t, int64_t wait_ns)
{
    uint32_t n = waiters(t->e);

    if (n == AE_WAITS_ANY)
        return true;
    if (!n || wait_ns > WAIT_MAX_NS)
        return false;
    t->wait_slot = ae_inflight_take(&t->e->inflight, WAIT_TAG, n,
                                    ae_limit_now(t));
    t->wait_held = t->wait_slot >= 0;
    return t->wait_held;
}

void ae_limit_wait_end(ae_txn *t)
{
    ae_inflight_give(&t->e->inflight, t->wait_slot, WAIT_TAG);
    t->wait_held = false;
}

/* One line.  Books, or says why not; *wait grows to what must be waited. */
static enum ae_step_ret take(ae_txn *t, const struct ae_limit_conf *l,
                             int64_t *wait)
{
    struct ae_rate r = rate_of(l), whole = r;
    uint64_t tag = ae_limit_tag(t, l);
    struct ae_taken k;

    if (!waiters(t->e) && !ae_limit_dry(t))
        r.burst_ns = r.free_ns < r.step_ns ? r.step_ns : r.free_ns;
    ae_gcra_take(&t->e->limiter, tag, &r, l->cost[ops_of(t)],
                 ae_limit_now(t), &k);
    if (k.evicted)
        ae_count(t->e, AE_N_limit_evicted);
    if (k.verdict == AE_GCRA_REFUSED)
        return ae_limit_refuse(t, l, "rate limit exceeded", k.wait_ns);
    ae_limit_spend(t, tag, &whole, l->cost[ops_of(t)], false);
    if (k.verdict == AE_GCRA_DELAYED && k.wait_ns > *wait)
        *wait = k.wait_ns;
    note(t, l, &k);
    return AE_STEP_MORE;
}

static enum ae_step_ret hold_up(ae_txn *t, const struct ae_limit_conf *l,
                                int64_t wait_ns)
{
    ae_trace(t, "limit");
    if (ae_limit_dry(t)) {
        t->limit_var = "delayed_dry_run";
        ae_count(t->e, AE_N_limit_dry_run);
        ae_count_limited(t, l->who.cls, AE_LIMITED_DRY_RUN);
        return AE_STEP_MORE;
    }
    t->limit_var = "delayed";
    ae_count(t->e, AE_N_limit_delayed);
    ae_count_limited(t, l->who.cls, AE_LIMITED_DELAYED);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_WAIT;
    t->act.wait.ms = (uint32_t)((wait_ns + 999999) / 1000000);
    return AE_STEP_ACT;
}

/* All lines that fit; what was booked is given back if one says no. */
static enum ae_step_ret take_all(ae_txn *t, bool address)
{
    const ae_loc *loc = t->loc;
    const struct ae_limit_conf *slow = NULL;
    int64_t wait = 0, before;
    unsigned whom = 0;
    bool any;

    for (size_t i = 0; i < loc->nlimits; i++) {
        const struct ae_limit_conf *l = &loc->limits[i];

        if (address ? l->who.cls != AE_WC_ADDRESS
                          || !(l->ops & 1u << ops_of(t))
                    : !ae_limit_fits(t, l))
            continue;
        whom |= 1u << l->who.cls;
        before = wait;
        if (take(t, l, &wait) == AE_STEP_ACT) {
            give_back(t, address, i);
            return AE_STEP_ACT;
        }
        if (wait > before)
            slow = l;
    }
    if (slow && !ae_limit_dry(t) && !may_wait(t, wait)) {
        give_back(t, address, loc->nlimits);
        return ae_limit_refuse(t, slow, "rate limit exceeded", wait);
    }
    any = whom != 0;
    if (any)
        ae_trace(t, "limit");
    if (any && !address)
        ae_count(t->e, AE_N_limit_passed);
    if (wait)
        return hold_up(t, slow, wait);
    any &= t->limit_var && t->limit_var[0] == 'p'; /* no dry run */
    for (unsigned c = 0; any && c < AE_WC__N; c++)
        if (whom & 1u << c)
            ae_count_limited(t, (enum ae_who_class)c, AE_LIMITED_PASSED);
    return AE_STEP_MORE;
}

static bool limited(const ae_txn *t)
{
    return ae_loc_limits(t->loc);
}

/* A token that ran out while its request waited: Argo CD may answer that. */
static enum ae_step_ret woken(ae_txn *t)
{
    const struct ae_identity *id = t->id;

    if (t->wait_held)
        ae_limit_wait_end(t);
    t->wall_us = ae_edge_wall(t->e);
    t->mono_us = ae_edge_mono(t->e);
    if (id && id->has_exp && id->exp * 1000000 <= t->wall_us)
        t->skip_decide = true;
    return AE_STEP_MORE;
}

/* Who was verified before costs no verification: his address pays nothing, so
 * that a thousand callers behind one address do not stand in each other's
 * way. */
enum ae_step_ret ae_step_limit_address(ae_txn *t)
{
    if (!limited(t))
        return AE_STEP_MORE;
    if (t->limit_addr_done)
        return t->limit_var ? woken(t) : AE_STEP_MORE;
    t->limit_addr_done = true;
    if (ae_cred_seen(t))
        return AE_STEP_MORE;
    if (t->tgt.kind == AE_TGT_GRPC)
        t->peek = ae_cred_peek(t, false);
    return t->peek ? AE_STEP_MORE : take_all(t, true);
}

/* On top of what the address has paid already. */
void ae_limit_failed(ae_txn *t)
{
    for (size_t i = 0; i < t->loc->nlimits; i++) {
        const struct ae_limit_conf *l = &t->loc->limits[i];
        struct ae_rate r = rate_of(l);
        uint64_t tag;

        if (l->who.cls != AE_WC_ADDRESS || !(l->ops & 1u << ops_of(t)))
            continue;
        tag = ae_limit_tag(t, l);
        ae_gcra_charge(&t->e->limiter, tag, &r, l->failed, ae_limit_now(t));
        ae_limit_spend(t, tag, &r, l->failed, false);
    }
}

enum ae_step_ret ae_step_limit(ae_txn *t)
{
    if (!limited(t))
        return AE_STEP_MORE;
    if (t->limit_done)
        return woken(t);
    t->limit_done = true;
    if (t->tgt.kind == AE_TGT_GRPC && !t->id && !t->peek)
        t->peek = ae_cred_peek(t, true);
    return take_all(t, false);
}
