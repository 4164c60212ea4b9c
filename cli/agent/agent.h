/*
 * agent.h - private to `argo-edge agent`: the process beside the servers that
 * talks to the network for them.
 */
#ifndef AE_AGENT_H
#define AE_AGENT_H

#include "../cli.h"
#include "cache/cache.h"
#include "limit/edges.h"
#include "limit/zone.h"

#include <hiredis/hiredis.h>

#define AGENT_ROUND_MS 50 /* how often edges are told of each other */
#define AGENT_CHANNEL "argo-edge:tags"

struct redis_conf {
    char host[256], path[108]; /* one of both */
    int  port, db;
    char user[256], password[512];
};

struct agent {
    struct redis_conf conf;
    ae_zone          *zone;
    struct ae_edges   edges;
    struct ae_gcra    limiter, logins;
    ae_store         *store;     /* NULL: no cache to be told */
    const char       *cache;     /* its directory, or NULL */
    redisContext     *cmd, *sub; /* both, or neither */
    int64_t           retry_ns;  /* when to connect again */
    int64_t           store_ns;  /* when to open the cache again */
    char              origin[17];
    uint64_t          ticket;    /* of the ring */
    int               waited;
    struct lease     *lease;     /* by slot (limits.c) */
    int64_t           settled_ns;
    bool              said_down, said_store;
};

void agent_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A word to the service manager, as sd_notify(3). */
void agent_notify(const char *text);

/* ---- redis.c ------------------------------------------------------------ */

/* Read a URL; 0, or an exit code after a message. */
int  agent_url(const char *url, struct redis_conf *r);
/* Connect both, agree upon the seed, subscribe.  False: |a| is as before. */
bool agent_connect(struct agent *a);
void agent_disconnect(struct agent *a, const char *why);

/* ---- limits.c ----------------------------------------------------------- */

/* Room for the leases of all slots; false: out of memory. */
bool agent_leases(struct agent *a);
/* Book what was spent here, learn what was spent elsewhere. */
void agent_settle(struct agent *a);

/* ---- tags.c ------------------------------------------------------------- */

/* Publish what moved here; move here what moved elsewhere. */
void agent_tell(struct agent *a);
void agent_hear(struct agent *a, int wait_ms);
/* Something may have been missed: all moves, here and elsewhere. */
void agent_move_all(struct agent *a);
void agent_open_store(struct agent *a);

#endif
