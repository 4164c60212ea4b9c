/*
 * revoked.c - Argo CD's own list of revoked tokens, followed in its Redis
 * (util/session/state.go): a key "revoked-token|ID" for each, and a word on the
 * channel "new-revoked-token" when one comes.
 *
 * As Argo CD does it: subscribe, read the whole list now and every 15 s, and
 * keep what was heard meanwhile.  What the list no longer has is let go; while
 * Redis is away what is known stays, for so it is in Argo CD.  Marks in the
 * zone end a minute after the agent's last word: servers then pass such tokens
 * on.  Nothing here waits: both connections are non-blocking.
 */
#include "revoked.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define PREFIX "revoked-token|"
#define CHANNEL "new-revoked-token"
#define HOLD_NS (INT64_C(60) * 1000000000)

enum { RESYNC_MS = 15000, RETRY_MS = 1000, PATIENCE_MS = 5000,
       IDS_MAX = 100000 };

struct follow {
    struct redis_conf conf;
    struct ae_marks   marks;
    redisContext     *cmd, *sub;  /* both, or neither */
    bool              heard;      /* the subscription is confirmed */
    bool              scanning;
    unsigned          greetings;  /* replies on |cmd| before those of SCAN */
    int64_t           now_ms, due_ms; /* an answer is due since; 0: none is */
    int64_t           retry_ms, sync_ms, good_ms;
    json_t           *ids, *scan, *recent; /* sets: members are true */
    bool              said_full;
    char              trouble[200];
};

/* ---- the list ----------------------------------------------------------- */

static int64_t until(void)
{
    return ae_zone_now() + HOLD_NS;
}

static void add(struct follow *f, json_t *set, ae_str id)
{
    if (!id.n || json_object_size(set) >= IDS_MAX) {
        if (id.n && !f->said_full)
            agent_log("revocations: more than %d, the rest is left to Argo "
                      "CD", IDS_MAX);
        f->said_full |= id.n > 0;
        return;
    }
    json_object_setn_new_nocheck(set, id.p, id.n, json_true());
}

static void mark_all(struct follow *f)
{
    int64_t     end = until();
    const char *k;
    size_t      n;
    json_t     *v;

    json_object_keylen_foreach(f->ids, k, n, v)
        ae_marks_put(&f->marks, ae_s(k, n), end);
    atomic_store(&f->marks.head->n, json_object_size(f->ids));
}

/* The whole list was read. */
static void adopt(struct follow *f)
{
    const char *k;
    size_t      n;
    json_t     *v;

    json_object_update(f->scan, f->recent);
    json_object_clear(f->recent);
    json_object_keylen_foreach(f->ids, k, n, v)
        if (!json_object_getn(f->scan, k, n))
            ae_marks_drop(&f->marks, ae_s(k, n), INT64_MAX);
    json_decref(f->ids);
    f->ids = f->scan;
    f->scan = NULL;
    f->scanning = false;
    mark_all(f);
    if (!f->good_ms || f->trouble[0])
        agent_log("revocations: %zu on Argo CD's list",
                  json_object_size(f->ids));
    f->trouble[0] = '\0';
    f->good_ms = f->now_ms;
    f->sync_ms = f->now_ms + RESYNC_MS;
    atomic_store(&f->marks.head->up, 1);
}

/* ---- the connections ---------------------------------------------------- */

static void lose(struct follow *f, const char *why)
{
    if (f->cmd)
        redisFree(f->cmd);
    if (f->sub)
        redisFree(f->sub);
    f->cmd = f->sub = NULL;
    f->heard = f->scanning = false;
    f->due_ms = 0;
    f->retry_ms = f->now_ms + RETRY_MS;
    json_decref(f->scan);
    f->scan = NULL;
    atomic_store(&f->marks.head->up, 0);
    if (strcmp(f->trouble, why) != 0)
        agent_log("revocations: Argo CD's Redis is away (%s): what is known "
                  "stays", why);
    snprintf(f->trouble, sizeof(f->trouble), "%s", why);
}

static redisContext *dial(const struct redis_conf *r)
{
    return r->path[0] ? redisConnectUnixNonBlock(r->path)
                      : redisConnectNonBlock(r->host, r->port);
}

static void say(redisContext *c, const char *a, const char *b, const char *d)
{
    const char *argv[3] = { a, b, d };

    redisAppendCommandArgv(c, d ? 3 : 2, argv, NULL);
}

static unsigned greet(const struct follow *f, redisContext *c, bool db)
{
    char     n[16];
    unsigned k = 0;

    if (f->conf.password[0]) {
        say(c, "AUTH", f->conf.user[0] ? f->conf.user : f->conf.password,
            f->conf.user[0] ? f->conf.password : NULL);
        k++;
    }
    if (db && f->conf.db) {
        snprintf(n, sizeof(n), "%d", f->conf.db);
        say(c, "SELECT", n, NULL);
        k++;
    }
    return k;
}

static void begin(struct follow *f)
{
    f->cmd = dial(&f->conf);
    f->sub = dial(&f->conf);
    if (!f->cmd || !f->sub || f->cmd->err || f->sub->err) {
        char why[160];

        snprintf(why, sizeof(why), "%s", f->cmd && f->cmd->err
                 ? f->cmd->errstr : f->sub ? f->sub->errstr
                 : "out of memory");
        lose(f, why);
        return;
    }
    f->greetings = greet(f, f->cmd, true);
    greet(f, f->sub, false);
    say(f->sub, "SUBSCRIBE", CHANNEL, NULL);
    f->due_ms = f->now_ms;
}

static void scan(struct follow *f, const char *cursor)
{
    const char *argv[6] = { "SCAN", cursor, "MATCH", PREFIX "*", "COUNT",
                            "10000" };

    redisAppendCommandArgv(f->cmd, 6, argv, NULL);
    f->due_ms = f->now_ms;
    f->scanning = true;
}

/* ---- what comes --------------------------------------------------------- */

static bool scanned(struct follow *f, const redisReply *r)
{
    const redisReply *keys;

    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2
        || r->element[0]->type != REDIS_REPLY_STRING
        || r->element[1]->type != REDIS_REPLY_ARRAY)
        return false;
    keys = r->element[1];
    for (size_t i = 0; i < keys->elements; i++) {
        ae_str k = keys->element[i]->type == REDIS_REPLY_STRING
            ? ae_s(keys->element[i]->str, (size_t)keys->element[i]->len)
            : ae_s(NULL, 0);
        ae_str id = ae_sub(k, sizeof(PREFIX) - 1, k.n);

        /* one with another bar in it is none to Argo CD either */
        if (ae_starts(k, AE_STR(PREFIX)) && ae_find(id, '|') == id.n)
            add(f, f->scan, id);
    }
    f->due_ms = 0;
    if (strcmp(r->element[0]->str, "0") == 0)
        adopt(f);
    else
        scan(f, r->element[0]->str);
    return true;
}

static bool on_cmd(struct follow *f, const redisReply *r)
{
    if (f->greetings) {
        f->greetings--;
        return true;
    }
    return f->scanning && scanned(f, r);
}

static bool on_sub(struct follow *f, const redisReply *r)
{
    ae_str what, id;

    if (r->type == REDIS_REPLY_STATUS)
        return true; /* of AUTH */
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 3
        || r->element[0]->type != REDIS_REPLY_STRING)
        return false;
    what = ae_s(r->element[0]->str, (size_t)r->element[0]->len);
    if (ae_eq_lit(what, "subscribe")) {
        f->heard = true;
        f->due_ms = 0;
        f->sync_ms = 0; /* from here on nothing is missed: read it now */
    } else if (r->element[2]->type == REDIS_REPLY_STRING) {
        id = ae_s(r->element[2]->str, (size_t)r->element[2]->len);
        add(f, f->recent, id);
        add(f, f->ids, id);
        ae_marks_put(&f->marks, id, until());
        atomic_store(&f->marks.head->n, json_object_size(f->ids));
    }
    return true;
}

/* Send and receive what can be; false: the connections are lost. */
static bool pump(struct follow *f, redisContext *c,
                 bool (*on)(struct follow *, const redisReply *))
{
    void *v = NULL;
    int   done = 0;
    bool  open = redisBufferWrite(c, &done) == REDIS_OK
              && redisBufferRead(c) == REDIS_OK;
    char  why[200];

    while (open && redisGetReplyFromReader(c, &v) == REDIS_OK && v) {
        redisReply *r = v;
        bool        ok;

        snprintf(why, sizeof(why), "it says %.150s", r->type
                 == REDIS_REPLY_ERROR ? r->str : "something else than asked");
        ok = r->type != REDIS_REPLY_ERROR && on(f, r);
        freeReplyObject(r);
        v = NULL;
        if (!ok) {
            lose(f, why);
            return false;
        }
    }
    if (open && !c->err)
        return true;
    snprintf(why, sizeof(why), "%s", c->errstr);
    lose(f, why);
    return false;
}

/* ---- the turn ----------------------------------------------------------- */

struct follow *follow_open(const struct redis_conf *r, const ae_zone *z)
{
    struct follow *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->conf = *r;
    f->ids = json_object();
    f->recent = json_object();
    ae_marks_open(&f->marks, z, AE_ZONE_LISTED);
    if (f->ids && f->recent && f->marks.head)
        return f;
    follow_close(f);
    return NULL;
}

void follow_turn(struct follow *f)
{
    f->now_ms = ae_zone_now() / 1000000;
    atomic_store(&f->marks.head->alive_ns, ae_zone_now());
    if (!f->cmd && f->now_ms >= f->retry_ms)
        begin(f);
    if (f->cmd && pump(f, f->cmd, on_cmd) && pump(f, f->sub, on_sub)
        && f->due_ms && f->now_ms - f->due_ms > PATIENCE_MS)
        lose(f, "it does not answer");
    if (f->heard && !f->scanning && f->now_ms >= f->sync_ms) {
        f->scan = json_object();
        scan(f, "0");
    } else if (!f->cmd && f->now_ms >= f->sync_ms) {
        mark_all(f);
        f->sync_ms = f->now_ms + RESYNC_MS;
    }
}

void follow_wait(const struct follow *f, int ms)
{
    struct pollfd p[2] = { { .fd = f->cmd ? f->cmd->fd : -1,
                             .events = POLLIN },
                           { .fd = f->sub ? f->sub->fd : -1,
                             .events = POLLIN } };

    (void)!poll(p, 2, ms);
}

bool follow_well(const struct follow *f, char *line, size_t n)
{
    if (f->trouble[0])
        snprintf(line, n, "revocations: %s", f->trouble);
    else if (!f->good_ms)
        snprintf(line, n, "revocations: asking");
    else
        snprintf(line, n, "revocations: %zu, read %lld s ago",
                 json_object_size(f->ids),
                 (long long)(f->now_ms - f->good_ms) / 1000);
    return !f->trouble[0];
}

void follow_close(struct follow *f)
{
    if (!f)
        return;
    if (f->marks.head) {
        atomic_store(&f->marks.head->up, 0);
        atomic_store(&f->marks.head->alive_ns, 0);
    }
    if (f->cmd)
        redisFree(f->cmd);
    if (f->sub)
        redisFree(f->sub);
    json_decref(f->ids);
    json_decref(f->scan);
    json_decref(f->recent);
    free(f);
}
