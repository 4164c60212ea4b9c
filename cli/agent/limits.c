/*
 * limits.c - one limit for all edges.
 *
 * Each edge admits by its own table, at once.  In every round the agent books
 * in Redis what was admitted here, in units of time, exactly as GCRA does: the
 * arrival time of a key becomes max(now, that) + what was spent.  The script
 * says how far ahead each key now is, and the local table is raised to it.
 * What was admitted too much in a round is so taken from the next ones.
 */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 256, WATCH = 40, FREE = 200 /* rounds without spending */ };

/* KEYS: tags; ARGV: microseconds spent.  Nothing is written for a key that is
 * only asked for; a key lives as long as it is ahead. */
static const char script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local out = {}\n"
    "for i = 1, #KEYS do\n"
    "  local v = tonumber(redis.call('GET', KEYS[i]) or '0')\n"
    "  local us = tonumber(ARGV[i])\n"
    "  if v < now then v = now end\n"
    "  if us ~= 0 then\n"
    "    v = v + us\n"
    "    if v > now then\n"
    "      redis.call('SET', KEYS[i], string.format('%.0f', v), 'PX',\n"
    "        string.format('%.0f', math.floor((v - now) / 1000) + 1))\n"
    "    end\n"
    "  end\n"
    "  out[i] = v - now\n"
    "end\n"
    "return out\n";

struct batch {
    size_t   n;
    uint64_t tag[CHUNK];
    int64_t  burst[CHUNK];
    char     key[CHUNK][32], us[CHUNK][24];
};

static bool flush(struct agent *a, struct batch *b)
{
    const char *argv[3 + 2 * CHUNK];
    size_t n = 0;
    char count[24];
    redisReply *r;
    bool ok;

    if (!b->n)
        return true;
    snprintf(count, sizeof(count), "%zu", b->n);
    argv[n++] = "EVAL";
    argv[n++] = script;
    argv[n++] = count;
    for (size_t i = 0; i < b->n; i++)
        argv[n++] = b->key[i];
    for (size_t i = 0; i < b->n; i++)
        argv[n++] = b->us[i];
    r = redisCommandArgv(a->cmd, (int)n, argv, NULL);
    ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == b->n;
    for (size_t i = 0; ok && i < b->n; i++) {
        int64_t ahead = (int64_t)r->element[i]->integer;
        int64_t most = 2 * (b->burst[i] / 1000);

        /* More would be taken for damage; the rest of the debt stays in Redis
         * and comes again. */
        ae_gcra_raise(&a->limiter, b->tag[i],
                      (ahead < most ? ahead : most) * 1000, ae_zone_now());
    }
    if (!ok)
        agent_disconnect(a, r && r->type == REDIS_REPLY_ERROR ? r->str
                         : a->cmd->err ? a->cmd->errstr : "odd answer");
    if (r)
        freeReplyObject(r);
    b->n = 0;
    return ok;
}

/* Nothing is owed to a Redis that was away. */
static void forget(struct agent *a)
{
    uint64_t tag;
    int64_t burst;

    for (uint64_t i = 0; i < a->edges.nspend; i++)
        ae_edges_take(&a->edges, i, &tag, &burst);
}

/* Slot |i| into |b|.  Who spends nothing is still told for some time what
 * others spend, then left alone, then freed. */
static void add(struct agent *a, uint64_t i, struct batch *b)
{
    uint64_t tag;
    int64_t burst = 0, ns = ae_edges_take(&a->edges, i, &tag, &burst);

    if (!tag)
        return;
    if (ns) {
        a->idle[i] = 0;
    } else if (a->idle[i]++ == FREE) {
        a->idle[i] = 0;
        ae_edges_free(&a->edges, i, tag);
        return;
    }
    if (a->idle[i] > WATCH)
        return;
    b->tag[b->n] = tag;
    b->burst[b->n] = burst;
    snprintf(b->key[b->n], sizeof(b->key[0]), "argo-edge:%016llx",
             (unsigned long long)tag);
    snprintf(b->us[b->n], sizeof(b->us[0]), "%lld", (long long)(ns / 1000));
    b->n++;
}

void agent_settle(struct agent *a)
{
    struct batch *b;
    bool ok = true;

    if (!a->cmd) {
        forget(a);
        return;
    }
    b = calloc(1, sizeof(*b));
    for (uint64_t i = 0; b && ok && i < a->edges.nspend; i++) {
        add(a, i, b);
        if (b->n == CHUNK)
            ok = flush(a, b);
    }
    if (b && ok && flush(a, b))
        atomic_fetch_add(&a->edges.head->settled, 1);
    free(b);
}
