/*
 * replay_core.c - the same exchange through the bare core: a "server" that
 * forwards by comparing with the recording.
 */
#include "replay.h"
#include "world.h"

#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>

static struct ae_conf conf;
static ae_heap        conf_heap;
static ae_snapshot   *snap;
static ae_engine     *engine;

static void quiet(void *ctx, enum ae_log_level level, const char *text)
{
    (void)ctx;
    if (level <= AE_LOG_WARN && getenv("AE_VERBOSE"))
        fprintf(stderr, "core: %s\n", text);
}

int core_load(const struct server *s)
{
    static struct ae_host host = { .log = quiet };
    static ae_str         apps[] = { { "apps-*", 6 } };
    struct ae_err         err = { .code = 0 };
    char                  text[900];

    ae_engine_free(engine);
    engine = NULL;
    ae_snapshot_unref(snap);
    snap = NULL;
    ae_heap_free(&conf_heap);
    ae_conf_init(&conf);
    conf.inputs = ae_cs(s->inputs);
    conf.projects = AE_COMPLETE;
    conf.app_ns = apps;
    conf.napp_ns = 1;
    if (ae_snapshot_build(&conf, &snap, &err)
        || ae_engine_new(&conf, snap, &host, &engine, &err)) {
        fprintf(stderr, "%s\n", ae_err_str(&err, text, sizeof(text)));
        return -1;
    }
    return 0;
}

const char *core_policy_id(void)
{
    return snap ? ae_snapshot_id(snap) : "";
}

/* As the nginx of a replay sees it: plain HTTP, from this host. */
static void fill(const struct xchg *x, struct ae_req *r, ae_str *cookies,
                 size_t max)
{
    const json_t *req = json_object_get(x->c, "request");

    world_fill(r, x->method, x->target, json_object_get(req, "headers"),
               x->body, cookies, max);
    r->scheme = AE_STR("http");
    r->peer = AE_STR("127.0.0.1");
    r->content_length = x->has_body && !x->chunked ? (int64_t)x->body.n : -1;
    r->has_body = x->chunked || x->body.n > 0;
}

static void took(struct msg *m, int status, ae_str ctype, ae_str body)
{
    m->status = status;
    m->ctype = world_z(ctype);
    m->body = world_z(body);
    m->nbody = body.n;
    m->policy_id = world_z(AE_STR(""));
}

/* The header fields of an answer of ours, as lines. */
static char *head_of(const struct ae_act *act)
{
    char  *p = calloc(1, 8192);
    size_t n = 0;

    if (!p)
        return NULL;
    n += (size_t)snprintf(p, 8192, "-\r\nContent-Type: %.*s\r\n",
                          (int)act->reply.ctype.n, act->reply.ctype.p);
    for (size_t i = 0; i < act->reply.nhdr && n < 8192; i++)
        n += (size_t)snprintf(p + n, 8192 - n, "%.*s: %.*s\r\n",
                              (int)act->reply.hdr[i].name.n,
                              act->reply.hdr[i].name.p,
                              (int)act->reply.hdr[i].value.n,
                              act->reply.hdr[i].value.p);
    return p;
}

/* Drives the transaction to its terminal action. */
static void drive(ae_txn *t, const struct xchg *x, struct msg *out)
{
    struct ae_act act;

    for (int i = 0; i < 16; i++) {
        ae_txn_step(t, &act);
        switch (act.kind) {
        case AE_NEED_BODY:
            ae_txn_body(t, x->plain, AE_BODY_LAST);
            continue;
        case AE_NEED_FETCH:
            ae_txn_fetched(t, act.fetch.id, 0, ae_s(NULL, 0), ae_s(NULL, 0),
                           0);
            continue;
        case AE_FORWARD:
            took(out, x->status, ae_cs(x->ctype), x->want);
            out->unexpected = false;
            out->policy_id[0] = '\0';
            return;
        case AE_FAIL:
            took(out, 500, act.reply.ctype, act.reply.body);
            return;
        default:
            took(out, act.reply.status, act.reply.ctype, act.reply.body);
            out->head = head_of(&act);
            /* "upstream saw it" travels in |unexpected| for the judge */
            out->unexpected = true;
            return;
        }
    }
    took(out, 0, AE_STR(""), AE_STR(""));
}

static uint64_t counter(const char *name)
{
    for (size_t i = 0; i < ae_counter_count(); i++)
        if (strcmp(ae_counter_name(i), name) == 0)
            return ae_counter_value(engine, i);
    return 0;
}

/* The recorded answer comes from upstream, and is compared. */
static void answer(ae_txn *t, const struct xchg *x)
{
    struct ae_resp r = { .status = x->status, .ctype = ae_cs(x->ctype),
                         .content_length = (int64_t)x->want.n };
    struct ae_resp_edit edit;

    if (ae_txn_response(t, &r, &edit) != AE_OK || !edit.feed)
        return;
    (void)ae_txn_resp_part(t, x->want);
    ae_txn_resp_end(t, true);
}

bool is_core(const struct server *s)
{
    return strcmp(s->kind, "core") == 0 || strcmp(s->kind, "shadow") == 0;
}

int core_run(const struct server *s, const struct xchg *x, struct msg *out)
{
    ae_heap       heap = { NULL, 0 };
    ae_str        cookies[16];
    struct ae_req req;
    struct ae_loc loc;
    ae_txn       *t;

    bool          shadow = strcmp(s->kind, "shadow") == 0;
    uint64_t      before = counter("divergence");

    memset(out, 0, sizeof(*out));
    ae_loc_init(&loc);
    loc.mode = shadow ? AE_MODE_SHADOW : AE_MODE_ENFORCE;
    ae_loc_defaults(&loc);
    fill(x, &req, cookies, sizeof(cookies) / sizeof(cookies[0]));
    t = ae_txn_begin(engine, &loc, &req, ae_heap_mem(&heap));
    if (!t)
        return -1;
    drive(t, x, out);
    if (shadow) {
        answer(t, x);
        out->unexpected = counter("divergence") != before;
    }
    ae_txn_end(t);
    ae_heap_free(&heap);
    return 0;
}
