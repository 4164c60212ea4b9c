/*
 * redis.c - the connection to Redis or Valkey.  hiredis 0.14 speaks no TLS: a
 * tunnel does (docs/edges.md).
 */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

static int unix_url(ae_str s, struct redis_conf *r)
{
    if (s.n < 2 || s.n >= sizeof(r->path) || s.p[0] != '/')
        return cli_fail(EXIT_USAGE, "Redis URL: unix:// wants an absolute path "
                        "of at most %zu bytes", sizeof(r->path) - 1);
    memcpy(r->path, s.p, s.n + 1);
    return 0;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT */
static int host_port(ae_str s, struct redis_conf *r)
{
    size_t end = ae_find(s, ']');
    ae_str host, port;
    uint64_t v;

    if (s.n && s.p[0] == '[' && end < s.n) {
        host = ae_sub(s, 1, end - 1);
        s = ae_sub(s, end + 1, s.n);
        port = s.n && s.p[0] == ':' ? ae_sub(s, 1, s.n) : ae_s(NULL, 0);
    } else {
        port = ae_cut(s, ':', &host);
    }
    if (!host.n || host.n >= sizeof(r->host))
        return cli_fail(EXIT_USAGE, "Redis URL: no host");
    memcpy(r->host, host.p, host.n);
    if (port.p && (!ae_parse_u64(port, &v) || v < 1 || v > 65535))
        return cli_fail(EXIT_USAGE, "Redis URL: the port is no number");
    r->port = port.p ? (int)v : 6379;
    return 0;
}

int agent_url(const char *url, struct redis_conf *r)
{
    ae_str s = ae_cs(url), db, host;
    uint64_t v = 0;

    if (ae_starts(s, AE_STR("unix://")))
        return unix_url(ae_sub(s, 7, s.n), r);
    if (ae_starts(s, AE_STR("rediss://")))
        return cli_fail(EXIT_USAGE, "Redis URL: there is no TLS here; run a "
                        "tunnel and name its end (docs/edges.md)");
    /* a password that `ps` shows is none */
    if (!ae_starts(s, AE_STR("redis://")) || ae_find(s, '@') < s.n)
        return cli_fail(EXIT_USAGE, "a Redis URL is redis://HOST[:PORT][/DB] "
                        "or unix:///PATH; user and password have options of "
                        "their own");
    db = ae_cut(ae_sub(s, 8, s.n), '/', &host);
    if (db.n && (!ae_parse_u64(db, &v) || v > 1023))
        return cli_fail(EXIT_USAGE, "Redis URL: after the / comes the number "
                        "of a database");
    r->db = (int)v;
    return host_port(host, r);
}

/* NULL: no answer, or an error, which is logged. */
static redisReply *ask(redisContext *c, int argc, const char **argv)
{
    redisReply *r = redisCommandArgv(c, argc, argv, NULL);

    if (r && r->type == REDIS_REPLY_ERROR) {
        agent_log("Redis says to %s: %.200s", argv[0], r->str);
        freeReplyObject(r);
        return NULL;
    }
    if (!r)
        agent_log("Redis does not answer: %s", c->errstr);
    return r;
}

static bool asked(redisContext *c, int argc, const char **argv)
{
    redisReply *r = ask(c, argc, argv);

    if (r)
        freeReplyObject(r);
    return r != NULL;
}

static bool enter(redisContext *c, const struct redis_conf *f)
{
    char db[16];
    const char *auth[3] = { "AUTH", f->user, f->password };
    const char *simple[2] = { "AUTH", f->password };
    const char *sel[2] = { "SELECT", db };

    snprintf(db, sizeof(db), "%d", f->db);
    if (f->password[0] && !(f->user[0] ? asked(c, 3, auth)
                                       : asked(c, 2, simple)))
        return false;
    return !f->db || asked(c, 2, sel);
}

static redisContext *open_one(const struct redis_conf *f, bool say)
{
    struct timeval t = { 0, 500000 };
    redisContext *c = f->path[0] ? redisConnectUnixWithTimeout(f->path, t)
        : redisConnectWithTimeout(f->host, f->port, t);

    if (!c || c->err || redisSetTimeout(c, t) != REDIS_OK) {
        if (say)
            agent_log("Redis cannot be reached: %s", c ? c->errstr
                      : "out of memory");
        if (c)
            redisFree(c);
        return NULL;
    }
    if (enter(c, f))
        return c;
    redisFree(c);
    return NULL;
}

static bool from_hex(const redisReply *r, uint64_t seed[2])
{
    unsigned char *out = (unsigned char *)seed;

    if (r->type != REDIS_REPLY_STRING || r->len != 32)
        return false;
    for (size_t i = 0; i < 16; i++) {
        char two[3] = { r->str[2 * i], r->str[2 * i + 1], '\0' }, *end;

        out[i] = (unsigned char)strtoul(two, &end, 16);
        if (*end)
            return false;
    }
    return true;
}

/* All edges make the same tags: whoever comes first says by which seed. */
static bool agree(struct agent *a, redisContext *c)
{
    char hex[33] = "";
    const char *set[3] = { "SETNX", "argo-edge:seed", hex };
    const char *get[2] = { "GET", "argo-edge:seed" };
    uint64_t seed[2];
    redisReply *r;
    bool ok;

    if (!ae_edges_seed(&a->edges, seed))
        memcpy(seed, ae_zone_seed(a->zone), sizeof(seed));
    ae_hex(seed, sizeof(seed), hex);
    if (!asked(c, 3, set) || !(r = ask(c, 2, get)))
        return false;
    ok = from_hex(r, seed);
    freeReplyObject(r);
    if (ok)
        ae_edges_set_seed(&a->edges, seed);
    else
        agent_log("argo-edge:seed in Redis is none of ours; delete it");
    return ok;
}

bool agent_connect(struct agent *a)
{
    const char *sub[2] = { "SUBSCRIBE", AGENT_CHANNEL };
    redisContext *c = open_one(&a->conf, !a->said_down), *s;

    s = c ? open_one(&a->conf, true) : NULL;
    if (!s || !agree(a, c) || !asked(s, 2, sub)) {
        if (c)
            redisFree(c);
        if (s)
            redisFree(s);
        a->said_down = true;
        return false;
    }
    a->cmd = c;
    a->sub = s;
    a->said_down = false;
    atomic_store(&a->edges.head->up, 1);
    agent_log("Redis is there");
    return true;
}

void agent_disconnect(struct agent *a, const char *why)
{
    if (!a->cmd)
        return;
    agent_log("Redis is away (%s): every edge counts for itself", why);
    redisFree(a->cmd);
    redisFree(a->sub);
    a->cmd = a->sub = NULL;
    a->said_down = true;
    atomic_store(&a->edges.head->up, 0);
    atomic_fetch_add(&a->edges.head->failed, 1);
}
