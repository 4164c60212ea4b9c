/*
 * agent.c - `argo-edge agent`: tells the edges of each other through Redis,
 * and keeps what has to be fetched (keep.c).  The servers never wait for it,
 * nor for Redis: without either they go on by themselves.
 */
#include "agent.h"
#include "keep.h"
#include "revoked.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define RETRY_NS INT64_C(1000000000)
#define IDLE_MS 200

static volatile sig_atomic_t stop, asked;

static void on_signal(int sig)
{
    if (sig == SIGUSR1)
        asked = 1;
    else
        stop = 1;
}

void agent_log(const char *fmt, ...)
{
    char now[32];
    va_list ap;

    ae_rfc3339((int64_t)time(NULL), now);
    fprintf(stderr, "%s argo-edge agent: ", now);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static int read_password(struct cli *c, const char *user, const char *file,
                         struct redis_conf *r)
{
    ae_str s;
    int rc;

    if (user && strlen(user) >= sizeof(r->user))
        return cli_fail(EXIT_USAGE, "the user of Redis is too long");
    if (user)
        memcpy(r->user, user, strlen(user) + 1);
    if (!file)
        return user ? cli_fail(EXIT_USAGE, "a user of Redis needs a "
                               "--...-password-file") : 0;
    rc = cli_read(c, file, &s);
    if (rc)
        return rc;
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    if (!s.n || s.n >= sizeof(r->password) || ae_find(s, '\0') < s.n)
        return cli_fail(EXIT_INPUT, "%s holds no password", file);
    memcpy(r->password, s.p, s.n);
    return 0;
}

/* Through the servers' own directive: the same names, sizes and messages. */
static int open_zone(struct cli *c, struct agent *a)
{
    struct ae_zone_conf zc = { .size = 0 };
    struct ae_err err = { 0 };
    struct ae_conf conf;
    ae_str arg = ae_cs(c->zone ? c->zone : "argo_edge:16m");
    size_t i = 0;

    ae_conf_init(&conf);
    while (strcmp(ae_directive_at(i)->name, "zone") != 0)
        i++;
    if (ae_directive_at(i)->set(&c->a, &conf, NULL, &arg, 1, &err))
        return cli_err(&err);
    zc.name = conf.zone_name;
    zc.size = conf.zone_size;
    if (ae_zone_open(&zc, &a->zone, NULL, &err))
        return cli_err(&err);
    return 0;
}

static int open_edges(struct agent *a)
{
    size_t n = 0;
    void *p = ae_zone_section(a->zone, AE_ZONE_EDGES, 0, &n);

    ae_edges_init(&a->edges, p, p ? n : 0);
    p = ae_zone_section(a->zone, AE_ZONE_LIMITER, 0, &n);
    ae_gcra_init(&a->limiter, p, p ? n : 0, false);
    p = ae_zone_section(a->zone, AE_ZONE_LOGIN, 0, &n);
    ae_gcra_init(&a->logins, p, p ? n : 0, true);
    if (!a->edges.head)
        return cli_fail(EXIT_INPUT, "the zone is too small");
    a->ticket = atomic_load(&a->edges.head->head);
    return agent_leases(a) ? 0 : cli_fail(EXIT_INPUT, "out of memory");
}

static void go_round(struct agent *a)
{
    int64_t now = ae_zone_now();

    atomic_store(&a->edges.head->alive_ns, now);
    agent_open_store(a);
    if (!a->cmd && now >= a->retry_ns) {
        a->retry_ns = now + RETRY_NS;
        if (agent_connect(a))
            agent_move_all(a);
    }
    agent_settle(a);
    agent_tell(a);
    agent_hear(a, AGENT_ROUND_MS);
}

static void finish(struct agent *a)
{
    if (a->edges.head) {
        atomic_store(&a->edges.head->alive_ns, 0);
        atomic_store(&a->edges.head->up, 0);
    }
    if (a->cmd) {
        redisFree(a->cmd);
        redisFree(a->sub);
    }
    if (a->store)
        a->store->ops->close(a->store);
    free(a->lease);
    ae_zone_close(a->zone);
}

static int open_redis(struct cli *c, struct agent *a)
{
    unsigned char id[8];
    int rc;

    if (!c->redis)
        return 0;
    if ((rc = agent_url(c->redis, &a->conf))
        || (rc = read_password(c, c->redis_user, c->redis_password_file,
                               &a->conf))
        || (rc = open_zone(c, a)) || (rc = open_edges(a)))
        return rc;
    if (getrandom(id, sizeof(id), 0) != (ssize_t)sizeof(id))
        return cli_fail(EXIT_INPUT, "no entropy");
    ae_hex(id, sizeof(id), a->origin);
    return 0;
}

static int open_follow(struct cli *c, struct agent *a, struct follow **out)
{
    struct redis_conf r = { .port = 0 };
    int rc;

    if (!c->argocd_redis)
        return 0;
    if ((rc = agent_url(c->argocd_redis, &r))
        || (rc = read_password(c, c->argocd_redis_user,
                               c->argocd_redis_password_file, &r))
        || (!a->zone && (rc = open_zone(c, a))))
        return rc;
    *out = follow_open(&r, a->zone);
    return *out ? 0 : cli_fail(EXIT_INPUT, "the zone is too small");
}

static void signals(void)
{
    struct sigaction sa = { .sa_handler = on_signal };

    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGUSR1, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Without inputs there is nobody else to tell the service manager. */
static void say_health(struct follow *f, bool aloud)
{
    char line[300], text[400];
    bool well = follow_well(f, line, sizeof(line));

    if (aloud)
        agent_log("%s: %s", well ? "well" : "trouble", line);
    snprintf(text, sizeof(text), "STATUS=%s%s\nWATCHDOG=1",
             well ? "" : "trouble: ", line);
    agent_notify(text);
}

/* Redis sets the pace, if there is one. */
static void loop(struct cli *c, struct agent *a, struct keeper *keeper,
                 struct follow *f)
{
    int64_t told = 0;

    if (f && !keeper)
        agent_notify("READY=1");
    while (!stop) {
        if (c->redis)
            go_round(a);
        if (f)
            follow_turn(f);
        if (keeper)
            keep_turn(keeper, c->redis || f ? 0 : IDLE_MS);
        if (f && !c->redis)
            follow_wait(f, AGENT_ROUND_MS);
        if (asked && keeper)
            keep_say_health(keeper);
        if (f && (asked || (!keeper && ae_zone_now() - told > RETRY_NS))) {
            say_health(f, asked);
            told = ae_zone_now();
        }
        asked = 0;
    }
}

static int run(struct cli *c)
{
    struct agent a = { .cache = c->cache };
    struct keeper *keeper = NULL;
    struct follow *f = NULL;
    int rc;

    if (!c->redis && !c->inputs && !c->argocd_redis)
        return cli_fail(EXIT_USAGE, "agent needs --redis, --argocd-redis, or "
                        "--inputs for the keys of the SSO provider");
    signals();
    rc = open_redis(c, &a);
    if (rc == 0)
        rc = open_follow(c, &a, &f);
    if (rc == 0 && c->inputs && !(keeper = keep_open(c)))
        rc = cli_fail(EXIT_INPUT, "out of memory");
    if (rc)
        return rc;
    loop(c, &a, keeper, f);
    if (keeper || f)
        agent_notify("STOPPING=1");
    keep_close(keeper);
    follow_close(f);
    if (a.zone)
        finish(&a);
    return EXIT_YES;
}

const struct command cmd_agent = {
    .name = "agent",
    .args = "",
    .brief = "share limits, keep SSO keys, follow revoked tokens",
    .help =
"Runs beside the servers of one host, as their user, until it is stopped.\n"
"\n"
"With --redis: what they admit is booked in Redis or Valkey, in batches that\n"
"are leased ahead, so that a limit holds for all edges together, and a write\n"
"through one of them drops what the caches of the others hold of it\n"
"(--cache).  No request ever waits for it; without Redis every edge counts\n"
"for itself.\n"
"There is no TLS: use a tunnel.\n"
"\n"
"With --argocd-redis: follows Argo CD's own list of revoked tokens (logouts)\n"
"in its Redis; servers that share the zone then refuse them at once, in\n"
"Argo CD's words.\n"
"\n"
"With --inputs: fetches discovery document and key set of the provider that\n"
"oidc.config or Dex names, checks them, and puts them into oidc/ of the\n"
"inputs, where every server finds them: every five minutes, and at most once\n"
"in 30 s when a server that shares the zone lacked a key.  SIGUSR1 prints one\n"
"line on its health; systemd gets READY, STATUS and WATCHDOG.\n"
"\n"
"Example: argo-edge agent --redis redis://argocd-redis:6379 \\\n"
"           --zone argo_edge:16m --cache /var/cache/argo-edge\n"
"         argo-edge agent --inputs /etc/argo-edge --zone argo_edge:16m\n"
"         argo-edge agent --argocd-redis redis://argocd-redis:6379 \\\n"
"           --argocd-redis-password-file /etc/argo-edge/redis-password\n",
    .options = "zone redis redis-user redis-password-file argocd-redis "
               "argocd-redis-user argocd-redis-password-file cache inputs out "
               "ca",
    .min_arg = 0,
    .max_arg = 0,
    .run = run,
};
