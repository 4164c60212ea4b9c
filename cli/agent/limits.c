/*
 * limits.c - one limit for all edges.
 *
 * Redis keeps one number a key, as GCRA does: the arrival time, when all that
 * was booked would be due.  The agent leases batches: time that is booked
 * before it is spent.  While an edge spends out of its batch nobody is asked.
 * A batch follows what the edge spends and what is left of the limit, and
 * comes to nothing where little is left: there each round books what the last
 * one spent.  What is not spent is given back, or runs out with the time that
 * it stands for; so does the batch of an edge that died.
 *
 * No edge waits for a batch.  It admits by its own table, which is raised to
 * what all edges have booked, and owes what it spent beyond its batch.
 */
#include "agent.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHUNK = 256, PARTS = 4 };

#define MS INT64_C(1000000)
#define LAZY_NS (1000 * MS)   /* asks while much is left */
#define CLOSE_NS (4 * AGENT_ROUND_MS * MS)   /* while less than half is */
#define IDLE_NS (1000 * MS)   /* without spending: the batch goes back */
#define WATCH_NS (2000 * MS)  /* without spending: others matter no more */
#define FREE_NS (10000 * MS)  /* without spending: the slot is free */

struct lease {
    uint64_t tag;
    int64_t  credit; /* us: booked and not spent; < 0: owed */
    int64_t  batch;  /* us: what to lease next time */
    int64_t  ahead;  /* us: of all edges together, when asked */
    int64_t  asked_ns, spent_ns;
    bool     spent;  /* since asked */
};

/* KEYS: tags; ARGV: for each what is owed (< 0: given back), what is wanted,
 * and the burst, in microseconds.  Says how far ahead each key is then, and
 * what was leased.  A key lives as long as it is ahead, and nothing is
 * written for one that is only asked for. */
static const char script[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local out = {}\n"
    "for i = 1, #KEYS do\n"
    "  local v = tonumber(redis.call('GET', KEYS[i]) or '0')\n"
    "  local owed, want, burst = tonumber(ARGV[3 * i - 2]),\n"
    "    tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])\n"
    "  if v < now then v = now end\n"
    "  local old = v\n"
    "  v = math.max(now, v + owed)\n"
    "  local got = math.floor(math.min(want, (burst - (v - now)) / 4))\n"
    "  if got < 0 then got = 0 end\n"
    "  v = v + got\n"
    "  if v ~= old then\n"
    "    redis.call('SET', KEYS[i], string.format('%.0f', v), 'PX',\n"
    "      string.format('%.0f', math.floor((v - now) / 1000) + 1))\n"
    "  end\n"
    "  out[2 * i - 1], out[2 * i] = v - now, got\n"
    "end\n"
    "return out\n";

struct batch {
    size_t        n;
    struct lease *lease[CHUNK];
    int64_t       burst[CHUNK]; /* us */
    bool          login[CHUNK];
    int64_t       owed[CHUNK];
    char          key[CHUNK][32], arg[3 * CHUNK][24];
};

/* How far ahead the key is at |now|, as far as we know. */
static int64_t ahead_at(const struct lease *l, int64_t now)
{
    int64_t us = l->ahead - (now - l->asked_ns) / 1000;

    return us > 0 ? us : 0;
}

static void told(struct agent *a, struct batch *b, size_t i, int64_t ahead,
                 int64_t got)
{
    struct lease *l = b->lease[i];
    int64_t now = ae_zone_now(), others, most = 2 * b->burst[i];

    l->credit = (l->credit > 0 && b->owed[i] == 0 ? l->credit : 0) + got;
    l->ahead = ahead;
    l->asked_ns = now;
    l->spent = false;
    /* What is leased here is booked and may still be spent.  More than two
     * bursts would be taken for damage; that stays in Redis, and comes again.
     */
    others = ahead - l->credit;
    ae_gcra_raise(b->login[i] ? &a->logins : &a->limiter, l->tag,
                  (others < most ? others : most) * 1000, now);
}

static bool flush(struct agent *a, struct batch *b)
{
    const char *argv[3 + 4 * CHUNK];
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
    for (size_t i = 0; i < 3 * b->n; i++)
        argv[n++] = b->arg[i];
    r = redisCommandArgv(a->cmd, (int)n, argv, NULL);
    ok = r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 * b->n;
    for (size_t i = 0; ok && i < b->n; i++)
        told(a, b, i, (int64_t)r->element[2 * i]->integer,
             (int64_t)r->element[2 * i + 1]->integer);
    if (ok)
        atomic_fetch_add(&a->edges.head->asked, b->n);
    else
        agent_disconnect(a, r && r->type == REDIS_REPLY_ERROR ? r->str
                         : a->cmd->err ? a->cmd->errstr : "odd answer");
    if (r)
        freeReplyObject(r);
    b->n = 0;
    return ok;
}

/* Nothing is owed to a Redis that was away, nor does it owe us. */
static void forget(struct agent *a)
{
    struct ae_spent s;

    for (uint64_t i = 0; i < a->edges.nspend; i++)
        ae_edges_take(&a->edges, i, &s);
    memset(a->lease, 0, a->edges.nspend * sizeof(*a->lease));
}

/* What to lease: twice as much if the last batch did not last, at most a part
 * of the burst; nothing for who asks seldom. */
static void want_batch(struct lease *l, int64_t burst, int64_t now)
{
    int64_t used = l->batch > -l->credit ? l->batch : -l->credit;

    if (now - l->asked_ns >= LAZY_NS)
        l->batch /= 2;
    else if (l->credit < 0)
        l->batch = 2 * used < burst / PARTS ? 2 * used : burst / PARTS;
}

/* Is there anything to ask Redis?  *owed and *want say what. */
static bool due(struct lease *l, int64_t burst, int64_t now, int64_t *owed,
                int64_t *want)
{
    int64_t ahead = ahead_at(l, now), left = burst - ahead;
    int64_t idle = now - l->spent_ns, age = now - l->asked_ns;
    bool watch;

    /* The time that a batch stood for has passed: Redis has forgotten it. */
    if (l->credit > ahead)
        l->credit = ahead;
    *owed = l->credit < 0 ? -l->credit : 0;
    *want = 0;
    if (l->credit > 0 && idle > IDLE_NS) {
        *owed = -l->credit;
        l->batch = 0;
        return true;
    }
    watch = left < burst / 2 && idle < WATCH_NS
        && (age >= CLOSE_NS || left < burst / 8);
    if (l->credit >= 0 && !watch && !(l->spent && age >= LAZY_NS))
        return false;
    want_batch(l, burst, now);
    /* where little is left, a batch here is what somebody else lacks */
    if (left > burst / 4 && idle < IDLE_NS && l->batch > l->credit)
        *want = l->batch - (l->credit > 0 ? l->credit : 0);
    return true;
}

/* What slot |i| has spent, and into |b| what it has to ask. */
static void add(struct agent *a, uint64_t i, struct batch *b, int64_t now)
{
    struct lease *l = &a->lease[i];
    struct ae_spent s;
    int64_t owed, want, burst;

    if (!ae_edges_take(&a->edges, i, &s)) {
        l->tag = 0;
        return;
    }
    if (l->tag != s.tag)
        *l = (struct lease){ .tag = s.tag, .spent_ns = now };
    burst = s.burst_ns / 1000;
    if (s.ns) {
        l->credit -= s.ns / 1000;
        l->spent_ns = now;
        l->spent = true;
    } else if (now - l->spent_ns > FREE_NS) {
        ae_edges_free(&a->edges, i, s.tag);
        l->tag = 0;
        return;
    }
    if (!due(l, burst, now, &owed, &want))
        return;
    b->lease[b->n] = l;
    b->burst[b->n] = burst;
    b->login[b->n] = s.login;
    b->owed[b->n] = owed;
    snprintf(b->key[b->n], sizeof(b->key[0]), "argo-edge:%016llx",
             (unsigned long long)s.tag);
    snprintf(b->arg[3 * b->n], sizeof(b->arg[0]), "%lld", (long long)owed);
    snprintf(b->arg[3 * b->n + 1], sizeof(b->arg[0]), "%lld",
             (long long)want);
    snprintf(b->arg[3 * b->n + 2], sizeof(b->arg[0]), "%lld",
             (long long)burst);
    b->n++;
}

bool agent_leases(struct agent *a)
{
    a->lease = calloc(a->edges.nspend, sizeof(*a->lease));
    return a->lease != NULL;
}

void agent_settle(struct agent *a)
{
    int64_t now = ae_zone_now();
    struct batch *b;
    bool ok = true;

    if (!a->cmd) {
        forget(a);
        return;
    }
    /* invalidations of others make the rounds shorter */
    if (now - a->settled_ns < AGENT_ROUND_MS * MS * 4 / 5)
        return;
    a->settled_ns = now;
    b = calloc(1, sizeof(*b));
    for (uint64_t i = 0; b && ok && i < a->edges.nspend; i++) {
        add(a, i, b, now);
        if (b->n == CHUNK)
            ok = flush(a, b);
    }
    if (b && ok && flush(a, b))
        atomic_fetch_add(&a->edges.head->settled, 1);
    free(b);
}
