/*
 * purge.c - the cache emptied by hand, over HTTP: by tag, by identity or all
 * of it, for administrators at the operator's own addresses.  In short steps,
 * since the worker that does it has others to answer.
 */
#include "edge/status.h"

#define TAG_MAX 480         /* as much as other edges are told of */
#define STEPS_A_TURN 8      /* of 64 entries */
#define PATIENCE 40         /* turns of a store that is busy */

static enum ae_step_ret refuse(ae_txn *t, int status, int code,
                               const char *why)
{
    t->reason = why;
    return ae_reply_error(t, status, code, ae_cs(why));
}

enum ae_step_ret ae_purge_asked(ae_txn *t)
{
    ae_str m = t->req->method;

    if (!ae_in_net(t->loc->purge_from, t->loc->npurge_from, t->req->peer))
        return refuse(t, 403, 7, "purges are not taken from this address");
    if (!ae_eq_lit(m, "PURGE") && !ae_eq_lit(m, "POST")) {
        ae_reply_header(t, AE_STR("Allow"), AE_STR("PURGE, POST"));
        return refuse(t, 405, 12, "purges are asked for by PURGE or POST");
    }
    return AE_STEP_MORE;
}

/* What is to go; exactly one thing. */
static struct ae_purge *read_query(ae_txn *t)
{
    ae_str target = t->req->target;
    ae_str tag = ae_status_param(&t->a, target, AE_STR("tag"));
    ae_str who = ae_status_param(&t->a, target, AE_STR("identity"));
    ae_str all = ae_status_param(&t->a, target, AE_STR("all"));
    struct ae_purge *p;

    if (!!tag.p + !!who.p + !!all.p != 1 || (tag.p && !tag.n)
        || (who.p && !who.n) || tag.n > TAG_MAX
        || (all.p && all.n && !ae_eq_lit(all, "1")))
        return NULL;
    p = ae_zalloc(&t->a, sizeof *p);
    if (p) {
        p->tag = tag;
        p->identity = who;
    }
    return p;
}

static enum ae_step_ret begin(ae_txn *t)
{
    /* A browser sends its cookie wherever a page leads it. */
    if (t->cred.source != AE_CRED_BEARER || t->who != AE_WHO_TOKEN
        || !ae_is_admin(t))
        return refuse(t, 403, 7, "purges are for those who may do update on "
                      "projects *, with a bearer token");
    t->purge = read_query(t);
    if (t->a.failed)
        return AE_STEP_MORE;
    if (!t->purge)
        return refuse(t, 400, 3, "one of tag=TAG, identity=NAME and all=1");
    if (!ae_edge_store(t->e))
        return refuse(t, 503, 14, "there is no cache");
    /* At once unusable, here and at other edges. */
    if (t->purge->tag.p)
        ae_quar_write(t->e, &t->purge->tag, 1, 0);
    else if (!t->purge->identity.p
             && ae_edges_live(&t->e->edges, ae_edge_mono(t->e) * 1000))
        ae_edges_tell(&t->e->edges, AE_STR("*"));
    return AE_STEP_MORE;
}

static bool owned(void *ctx, const struct ae_entry *head)
{
    return ae_entry_for(head, ((struct ae_purge *)ctx)->identity);
}

/* True if there is more to do. */
static bool some(ae_txn *t, struct ae_purge *p)
{
    ae_store *s = ae_edge_store(t->e);
    int64_t n = 0;

    for (int i = 0; i < STEPS_A_TURN && n >= 0 && !p->at.done; i++) {
        ae_lock(t->e, &t->e->store_lock);
        n = p->identity.p ? s->ops->drop(s, owned, p, &p->at)
                          : s->ops->purge(s, p->tag, &p->at);
        ae_unlock(t->e, &t->e->store_lock);
        p->n += n > 0 ? n : 0;
    }
    if (n < 0)
        p->busy++;
    return !p->at.done;
}

static ae_str report(ae_txn *t)
{
    const struct ae_purge *p = t->purge;
    ae_buf b;

    ae_buf_init(&b, &t->a, 0);
    ae_buf_printf(&b, "{\"purged\":%lld", (long long)p->n);
    if (p->tag.p) {
        ae_buf_puts(&b, ",\"tag\":");
        ae_json_quote(&b, p->tag);
    } else if (p->identity.p) {
        ae_buf_puts(&b, ",\"identity\":");
        ae_json_quote(&b, p->identity);
    } else {
        ae_buf_puts(&b, ",\"all\":true");
    }
    ae_buf_putc(&b, '}');
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

static enum ae_step_ret done(ae_txn *t)
{
    struct ae_purge *p = t->purge;
    ae_str out, who;

    if (!p->at.done) {
        /* what carries a tag cannot be served any more, whatever stays */
        if (!p->tag.p)
            return refuse(t, 503, 14, "the cache is busy, not everything is "
                          "gone: try again");
        t->reason = "the cache is busy";
    }
    ae_count(t->e, AE_N_cache_purges);
    who = ae_log_escape(&t->a, t->id->user, 200);
    out = ae_log_escape(&t->a, p->tag.p ? p->tag : p->identity.p
                        ? p->identity : AE_STR("all"), 200);
    ae_edge_log(t->e, AE_LOG_NOTICE, "cache: %.*s purged %s%.*s, %lld gone",
                (int)who.n, who.p ? who.p : "", p->tag.p ? "tag "
                : p->identity.p ? "identity " : "", (int)out.n,
                out.p ? out.p : "", (long long)p->n);
    out = report(t);
    if (!out.p) {
        t->a.failed = true;
        return AE_STEP_MORE;
    }
    return ae_reply_body(t, 200, AE_STR("application/json"), out);
}

enum ae_step_ret ae_purge_step(ae_txn *t)
{
    if (!t->purge && begin(t) == AE_STEP_ACT)
        return AE_STEP_ACT;
    if (t->a.failed)
        return AE_STEP_MORE;
    if (!some(t, t->purge) || t->purge->busy > PATIENCE)
        return done(t);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_WAIT;
    t->act.wait.ms = t->purge->busy ? 5 : 1;
    return AE_STEP_ACT;
}
