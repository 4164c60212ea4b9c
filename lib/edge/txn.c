/*
 * txn.c - the step machine: one request from its first byte to its last.
 */
#include "edge/edge.h"

enum { SHAPE, ROUTE, CREDENTIAL, LIMIT_ADDRESS, VERIFY, PAGE, LIMIT,
       LIMIT_LOGIN, LIMIT_WEBHOOK, RULES, BODY, DECIDE, CACHE, FETCH,
       LIMIT_CALLS, FORWARD, NSTEPS };

/* The path of design section 3.  Each step says MORE or ACT. */
static const struct ae_step steps[NSTEPS] = {
    [SHAPE] = { "shape", ae_step_shape },
    [ROUTE] = { "route", ae_step_route },
    [CREDENTIAL] = { "credential", ae_step_credential },
    /* those that do something say so */
    [LIMIT_ADDRESS] = { NULL, ae_step_limit_address },
    [VERIFY] = { "verify", ae_step_verify },
    [PAGE] = { NULL, ae_step_page },
    [LIMIT] = { NULL, ae_step_limit },
    [LIMIT_LOGIN] = { NULL, ae_step_limit_login },
    [LIMIT_WEBHOOK] = { NULL, ae_step_limit_webhook },
    [RULES] = { NULL, ae_step_rules },
    [BODY] = { "body", ae_step_body },
    [DECIDE] = { "decide", ae_step_decide },
    [CACHE] = { "cache", ae_step_cache },
    [FETCH] = { NULL, ae_step_fetch }, /* in the trace only if it asks */
    [LIMIT_CALLS] = { NULL, ae_step_limit_calls },
    [FORWARD] = { "forward", ae_step_forward },
};

/* Steps that configuration and snapshot leave nothing to do. */
static uint32_t idle_steps(const ae_txn *t)
{
    const ae_loc *l = t->loc;
    uint32_t idle = 0;

    if (!ae_serves(t))
        idle |= 1u << PAGE;
    if (!ae_loc_limits(l))
        idle |= 1u << LIMIT_ADDRESS | 1u << LIMIT | 1u << LIMIT_CALLS;
    if (!ae_loc_login_limits(l))
        idle |= 1u << LIMIT_LOGIN;
    if (!t->snap->rules)
        idle |= 1u << RULES;
    return idle;
}

ae_txn *ae_txn_begin(ae_engine *e, const ae_loc *loc,
                     const struct ae_req *req, struct ae_mem mem)
{
    ae_txn *t;

    if (!e || !loc || !req || !mem.alloc)
        return NULL;
    t = mem.alloc(mem.ctx, sizeof *t + AE_SCRATCH);
    if (!t)
        return NULL;
    memset(t, 0, offsetof(struct ae_txn, instead));
    t->instead.kind = AE_FAIL;
    ae_arena_init(&t->a, mem, t + 1, AE_SCRATCH);
    t->e = e;
    t->loc = loc;
    t->req = req;
    t->about = &t->tgt;
    t->wall_us = ae_edge_wall(e);
    t->mono_us = ae_edge_mono(e);
    /* One snapshot for the whole request (F19). */
    ae_lock(e, &e->lock);
    t->snap = e->snap;
    ae_snapshot_ref(t->snap);
    ae_unlock(e, &e->lock);
    t->idle = idle_steps(t);
    if (!ae_looks_on(t))
        ae_count(e, AE_N_requests);
    return t;
}

void ae_txn_end(ae_txn *t)
{
    if (!t)
        return;
    ae_keep_free(t);
    ae_collapse_end(t, false);
    ae_rights_unref(t->rights);
    t->rights = NULL;
    if (t->nheld)
        ae_limit_calls_end(t);
    if (t->wait_held)
        ae_limit_wait_end(t);
    if (t->id)
        ae_identity_unref(t->id);
    t->id = NULL;
    ae_identity_unref(t->peek);
    t->peek = NULL;
    json_decref(t->json);
    t->json = NULL;
    ae_snapshot_unref(t->snap);
    t->snap = NULL;
    ae_copy_unref(t->copy);
    t->copy = NULL;
    ae_list_fetch_end(t);
}

void ae_trace(ae_txn *t, const char *name)
{
    if (!name)
        return;
    if (t->ntrace && t->trace[t->ntrace - 1] == name)
        return; /* a step resumed after its body came */
    if (t->ntrace < AE_STEPS_MAX)
        t->trace[t->ntrace++] = name;
}

static void count_reply(ae_txn *t)
{
    int status = t->act.reply.status;
    enum ae_counter closed;

    if (ae_refusal_closed(t, status, &closed))
        ae_count(t->e, closed);
    if (status == 400)
        ae_count(t->e, AE_N_refused_400);
    else if (status == 401)
        ae_count(t->e, AE_N_refused_401);
    else if (status == 403)
        ae_count(t->e, AE_N_refused_403);
    else if (status >= 300)
        ae_count(t->e, AE_N_refused_other);
}

/* Shadow: what we would have said is remembered, compared with what Argo CD
 * says (ae_txn_response), and changes nothing. */
static void shadow(ae_txn *t)
{
    t->shadow_status = t->act.reply.status;
    t->shadow_body = t->act.reply.body;
    memset(&t->act, 0, sizeof t->act);
    t->nset = 0;
    t->act.kind = AE_FORWARD;
    t->act.forward.flags = AE_FWD_FEED;
    if (t->tgt.kind == AE_TGT_OP && t->tgt.op->shape == AE_SHAPE_STREAM)
        t->act.forward.flags |= AE_FWD_STREAM;
}

static void fail(ae_txn *t)
{
    t->done = true;
    t->store_wanted = false;
    ae_reply_fail(t, &t->act);
    ae_trace(t, "fail");
    ae_count(t->e, AE_N_failed);
    ae_count_decision(t);
}

/* |t->act| holds the outcome: settle it for good. */
static void finish(ae_txn *t)
{
    bool reply = t->act.kind == AE_REPLY;

    if (reply)
        ae_trace(t, "reply");
    if (ae_looks_on(t)) {
        t->done = true; /* those who look on are not counted */
        return;
    }
    if (reply && t->loc->mode == AE_MODE_SHADOW)
        shadow(t);
    t->done = true;
    if (t->act.kind == AE_CACHED) {
        ae_trace(t, "cached");
        ae_count(t->e, AE_N_cache_hit);
        ae_use_hit(t);
    } else if (t->act.kind == AE_REPLY) {
        count_reply(t);
    } else {
        ae_count(t->e, AE_N_forwarded);
    }
    ae_count_decision(t);
    ae_decision_note(t);
}

void ae_txn_step(ae_txn *t, struct ae_act *out)
{
    while (!t->done) {
        enum ae_step_ret r;

        while (t->idle >> t->step & 1)
            t->step++;
        if (t->step >= NSTEPS || t->nsteps++ >= AE_STEPS_MAX) {
            fail(t);
            break;
        }
        ae_trace(t, steps[t->step].name);
        r = steps[t->step].fn(t);
        /* An exhausted arena may have cut a check short: nothing that was
         * concluded since counts (F8). */
        if (t->a.failed) {
            fail(t);
            break;
        }
        if (r == AE_STEP_MORE) {
            t->step++;
            continue;
        }
        if (t->act.kind == AE_NEED_BODY
            || t->act.kind == AE_NEED_FETCH || t->act.kind == AE_WAIT) {
            t->nsteps--; /* waiting is no progress, nor a loop of ours */
            break;
        }
        if (t->act.kind == AE_FAIL)
            fail(t);
        else
            finish(t);
    }
    *out = t->act;
}

/* A body that was not asked for is the shell's mistake; one that is too big
 * is nobody's: the request is forwarded undecided. */
int ae_txn_body(ae_txn *t, ae_str part, unsigned flags)
{
    if (t->done || t->act.kind != AE_NEED_BODY || t->body_done)
        return AE_E_STATE;
    if (!t->body_big && part.n) {
        ae_buf_put(&t->body, part);
        if (t->body.bad)
            t->body_big = true;
    }
    if (flags & AE_BODY_TOO_BIG)
        t->body_big = true;
    if (flags & (AE_BODY_LAST | AE_BODY_TOO_BIG))
        t->body_done = true;
    return AE_OK;
}

ae_str ae_txn_trace(ae_txn *t)
{
    ae_buf b;

    ae_buf_init(&b, &t->a, 1024);
    for (size_t i = 0; i < t->ntrace; i++) {
        if (i)
            ae_buf_putc(&b, ',');
        ae_buf_puts(&b, t->trace[i]);
    }
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}
