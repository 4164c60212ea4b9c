/*
 * tags.c - a write through one edge reaches the caches of all: tags whose
 * generation moved here are published, and moved wherever they are heard.  So
 * are webhooks that Argo CD took, which no edge then passes on again.
 *
 * Redis forgets who does not listen.  Whoever comes back moves everything, in
 * its own cache and in the others', since either may have missed something.
 */
#include "agent.h"
#include "edge/edge.h"

#include <poll.h>

#define STORE_RETRY_NS INT64_C(5000000000)

void agent_open_store(struct agent *a)
{
    struct ae_store_conf sc = { .max_readers = 126, .guest = true };
    struct ae_err err = { 0 };
    char text[900];
    size_t n;
    const ae_str *all = ae_tags_all(&n);

    if (!a->cache || a->store || ae_zone_now() < a->store_ns)
        return;
    a->store_ns = ae_zone_now() + STORE_RETRY_NS;
    sc.path = ae_cs(a->cache);
    if (ae_store_lmdb_open(&sc, &a->store, &err)) {
        a->store = NULL;
        if (!a->said_store)
            agent_log("the cache is not open, what other edges change is "
                      "missed: %s", ae_err_str(&err, text, sizeof(text)));
        a->said_store = true;
        return;
    }
    a->said_store = false;
    a->store->ops->bump(a->store, all, n);
}

static void move(struct agent *a, ae_str tag)
{
    size_t n = 1;
    const ae_str *tags = &tag;

    if (ae_eq_lit(tag, "*"))
        tags = ae_tags_all(&n);
    if (!a->store || a->store->ops->bump(a->store, tags, n) == AE_OK)
        return;
    /* opening it moves everything */
    agent_log("the cache does not take an invalidation: it is opened anew");
    a->store->ops->close(a->store);
    a->store = NULL;
    a->store_ns = 0;
    agent_open_store(a);
}

/* "ORIGIN TAG": we hear ourselves, too. */
static bool say(struct agent *a, ae_str tag)
{
    char msg[32 + AE_EDGES_TAG_MAX];
    size_t n = strlen(a->origin);
    redisReply *r;

    memcpy(msg, a->origin, n);
    msg[n++] = ' ';
    memcpy(msg + n, tag.p, tag.n);
    n += tag.n;
    r = redisCommand(a->cmd, "PUBLISH %s %b", AGENT_CHANNEL, msg, n);
    if (!r) {
        agent_disconnect(a, a->cmd->errstr);
        return false;
    }
    freeReplyObject(r);
    atomic_fetch_add(&a->edges.head->sent, 1);
    return true;
}

void agent_move_all(struct agent *a)
{
    move(a, AE_STR("*"));
    if (a->cmd)
        say(a, AE_STR("*"));
}

void agent_tell(struct agent *a)
{
    char tag[AE_EDGES_TAG_MAX];
    size_t n = 0;
    int rc;

    for (int i = 0; i < 4096; i++) {
        rc = ae_edges_next(&a->edges, &a->ticket, a->waited, tag, &n);
        a->waited = rc ? 0 : a->waited + 1;
        if (!rc)
            return;
        /* without Redis: who comes back moves everything */
        if (a->cmd && !say(a, rc == 1 ? ae_s(tag, n) : AE_STR("*")))
            return;
    }
}

static void hear_one(struct agent *a, const redisReply *r)
{
    ae_str msg, origin, tag;
    uint64_t key;
    int64_t ns;

    if (r->type != REDIS_REPLY_ARRAY || r->elements != 3
        || r->element[2]->type != REDIS_REPLY_STRING)
        return;
    msg = ae_s(r->element[2]->str, (size_t)r->element[2]->len);
    tag = ae_cut(msg, ' ', &origin);
    if (!tag.n || tag.n > AE_EDGES_TAG_MAX || ae_eq(origin, ae_cs(a->origin)))
        return;
    if (ae_edges_is_booked(tag, &key, &ns)) {
        ae_gcra_raise(&a->limiter, key, ns, ae_zone_now());
        return;
    }
    atomic_fetch_add(&a->edges.head->received, 1);
    move(a, tag);
}

void agent_hear(struct agent *a, int wait_ms)
{
    struct pollfd p = { .fd = a->sub ? a->sub->fd : -1, .events = POLLIN };
    void *r = NULL;

    if (poll(&p, 1, wait_ms) <= 0 || !a->sub)
        return;
    if (redisBufferRead(a->sub) != REDIS_OK) {
        agent_disconnect(a, a->sub->errstr);
        return;
    }
    while (redisGetReplyFromReader(a->sub, &r) == REDIS_OK && r) {
        hear_one(a, r);
        freeReplyObject(r);
        r = NULL;
    }
    if (a->sub->err)
        agent_disconnect(a, a->sub->errstr);
}
