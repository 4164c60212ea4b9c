/* limits.c - the directives of limits. */
#include "config/config.h"
#include "tap.h"

static ae_heap      heap;
static ae_arena     arena;
static struct ae_conf conf;
static struct ae_loc  loc;
static struct ae_err  err;

static void *none(void *ctx, size_t n)
{
    (void)ctx, (void)n;
    return NULL;
}

static int set(const char *name, const char *line)
{
    ae_str args[16], rest = ae_cs(line);
    size_t n = 0;

    memset(&err, 0, sizeof(err));
    while (rest.p && n < 16)
        rest = ae_cut(rest, ' ', &args[n++]);
    for (size_t i = 0; i < ae_directive_count(); i++)
        if (strcmp(ae_directive_at(i)->name, name) == 0)
            return ae_directive_at(i)->set(&arena, &conf, &loc, args, n,
                                           &err);
    return -1;
}

static void fresh(void)
{
    ae_loc_init(&loc);
}

#define TAKES(name, line, cond)                                               \
    do {                                                                      \
        int rc_;                                                              \
                                                                              \
        fresh();                                                              \
        rc_ = set(name, line);                                                \
        tap_ok(rc_ == AE_OK && (cond), "%s %s %s", name, line, err.text);     \
    } while (0)

static void refuses(const char *name, const char *line)
{
    fresh();
    tap_ok(set(name, line) == AE_E_INVAL && err.text[0], "%s %s: %s", name,
           line, err.text);
}

static void limit(void)
{
#define L loc.limits[0]
    TAKES("limit", "apikey rate=100r/s", loc.nlimits == 1
          && L.rate.step_ns == 10000000 && L.rate.burst == 100
          && L.who.cls == AE_WC_APIKEY && ae_eq_lit(L.name, "apikey")
          && L.per == AE_PER_CALLER && L.delay == -1 && L.failed == 5
          && L.ops == 255 && L.cost[AE_OPS_LIST] == 1 && !L.calls);
    TAKES("limit", "address rate=30r/m burst=10 failed=7 per=network",
          L.rate.step_ns == 2000000000 && L.rate.burst == 10
          && L.failed == 7 && L.per == AE_PER_NETWORK
          && L.rate.n == 30 && L.rate.unit_s == 60);
    TAKES("limit", "any rate=5r/h ops=sync,write cost=sync:5,write:2",
          L.rate.burst == 1 && L.ops == (1u << AE_OPS_SYNC
                                         | 1u << AE_OPS_WRITE)
          && L.cost[AE_OPS_SYNC] == 5 && L.cost[AE_OPS_WRITE] == 2
          && ae_eq_lit(L.name, "any.sync,write"));
    TAKES("limit", "group:dev-ops rate=1r/s delay=0 burst=3 "
          "except=user:root,group:admins,session name=x\"y",
          L.who.cls == AE_WC_GROUP && ae_eq_lit(L.who.name, "dev-ops")
          && L.delay == 0 && L.nexcept == 3
          && L.except[0].cls == AE_WC_USER
          && ae_eq_lit(L.except[0].name, "root")
          && ae_eq_lit(L.name, "x_y"));
    TAKES("limit", "user:a=b rate=1r/s", ae_eq_lit(L.who.name, "a=b"));
    TAKES("limit", "off", loc.limits && loc.nlimits == 0);
    refuses("limit", "apikey");
    refuses("limit", "apikey burst=5");
    refuses("limit", "apikey rate=100");
    refuses("limit", "apikey rate=0r/s");
    refuses("limit", "apikey rate=1r/d");
    refuses("limit", "apikey rate=-1r/s");
    refuses("limit", "robot rate=1r/s");
    refuses("limit", "group: rate=1r/s");
    refuses("limit", "any rate=1r/s rate=2r/s");
    refuses("limit", "any rate=1r/s burst=0");
    refuses("limit", "any rate=1r/h burst=100");
    refuses("limit", "any rate=1r/s burst=5 delay=6");
    refuses("limit", "any rate=1r/s ops=sync,");
    refuses("limit", "any rate=1r/s cost=sync");
    refuses("limit", "any rate=1r/s cost=sync:0");
    refuses("limit", "any rate=1r/s per=user");
    refuses("limit", "any rate=1r/s colour=red");
    refuses("limit", "any rate=1r/s except=address");
    refuses("limit", "any rate=1r/s except=any,any,any,any,any,any,any,any,"
            "any");
    refuses("limit", "any rate=1r/s name=");
}

static void several(void)
{
    struct ae_loc parent, child;
    int rc = AE_OK;

    fresh();
    for (int i = 0; i < AE_LIMITS_MAX && rc == AE_OK; i++)
        rc = set("limit", "any rate=1r/s");
    tap_ok(rc == AE_OK && loc.nlimits == AE_LIMITS_MAX, "16 lines");
    tap_ok(set("limit", "any rate=1r/s") == AE_E_INVAL, "and no more: %s",
           err.text);
    tap_ok(set("limit", "off") == AE_E_INVAL, "off only alone");
    parent = loc;
    ae_loc_init(&child);
    ae_loc_merge(&child, &parent);
    tap_ok(child.nlimits == AE_LIMITS_MAX, "they are inherited");
    fresh();
    set("limit", "off");
    tap_ok(set("limit", "any rate=1r/s") == AE_E_INVAL, "nothing after off");
    ae_loc_merge(&loc, &parent);
    tap_ok(loc.nlimits == 0 && loc.ncalls == 0, "off is not overridden");
    fresh();
    set("limit", "user:x rate=1r/s");
    ae_loc_merge(&loc, &parent);
    tap_ok(loc.nlimits == 1, "nor is a line of one's own");
    fresh();
    ae_loc_defaults(&loc);
    tap_ok(!loc.nlimits && !loc.ncalls && !loc.login_limit->user.step_ns
           && !loc.login_limit->address.step_ns && !loc.limit_dry_run
           && !loc.limit_headers,
           "nothing is limited by default");
}

static void others(void)
{
#define C loc.calls[0]
    TAKES("limit_calls", "any 5", loc.ncalls == 1 && C.calls == 5
          && C.ops == (1u << AE_OPS_LIST | 1u << AE_OPS_HEAVY
                       | 1u << AE_OPS_STREAM));
    TAKES("limit_calls", "session 200 ops=stream per=all name=streams",
          C.per == AE_PER_ALL && C.ops == 1u << AE_OPS_STREAM);
    TAKES("limit_calls", "off", loc.calls && !loc.ncalls);
    refuses("limit_calls", "any");
    refuses("limit_calls", "any 0");
    refuses("limit_calls", "any 201");
    refuses("limit_calls", "any 5 rate=1r/s");
    refuses("limit_calls", "address 5");
    TAKES("login_limit", "address=10r/m user=5r/m burst=3",
          loc.login_limit->address.step_ns == 6000000000
          && loc.login_limit->user.burst == 3);
    TAKES("login_limit", "user=5r/m", !loc.login_limit->address.step_ns
          && loc.login_limit->user.burst == 5);
    TAKES("login_limit", "off", loc.login_limit
          && !loc.login_limit->user.step_ns);
    refuses("login_limit", "burst=5");
    refuses("login_limit", "user=5r/m user=6r/m");
    refuses("login_limit", "user=5");
    refuses("login_limit", "name=5r/m");
#define W loc.webhook
    TAKES("webhook", "max_body=1m rate=10r/s burst=20",
          W->max_body == 1 << 20 && W->rate.burst == 20 && !W->signatures);
    TAKES("webhook", "signatures=on", W->signatures
          && W->max_body == 1 << 20 && !W->rate.step_ns);
    TAKES("webhook", "signatures=On repeat=5s max_body=64k",
          W->repeat_ms == 5000 && W->max_body == 65536);
    TAKES("webhook", "from=10.0.0.0/8,2001:db8::1", W->nfrom == 2);
    refuses("webhook", "from=10.0.0.0/8,x");
    refuses("webhook", "from=");
    refuses("webhook", "from=10.0.0.0/33");
    TAKES("webhook", "off", W && !W->max_body);
    refuses("webhook", "repeat=5s");
    refuses("webhook", "burst=5");
    refuses("webhook", "max_body=100");
    refuses("webhook", "max_body=65m");
    refuses("webhook", "signatures=maybe");
    refuses("webhook", "colour=red");
    TAKES("limit_dry_run", "on", loc.limit_dry_run == 1);
    TAKES("limit_headers", "on", loc.limit_headers == 1);
}

/* No arena, no half a line. */
static void starved(void)
{
    ae_arena saved = arena;

    fresh();
    ae_arena_init(&arena, (struct ae_mem){ none, NULL }, NULL, 0);
    tap_ok(set("limit", "any rate=1r/s") == AE_E_NOMEM && !loc.nlimits
           && set("limit_calls", "group:x 5") == AE_E_NOMEM && !loc.ncalls
           && set("login_limit", "user=1r/s") == AE_E_NOMEM
           && !loc.login_limit, "without memory nothing is set");
    arena = saved;
}

int main(void)
{
    ae_arena_init(&arena, ae_heap_mem(&heap), NULL, 0);
    ae_conf_init(&conf);
    limit();
    several();
    others();
    starved();
    ae_heap_free(&heap);
    return tap_done();
}
