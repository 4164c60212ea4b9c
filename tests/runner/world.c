/*
 * world.c - see world.h.
 */
#include "world.h"

#include "replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORLDS_MAX = 512, COOKIES_MAX = 16 };

static struct world *worlds[WORLDS_MAX];
static size_t        nworlds;

void world_free(struct world *w)
{
    if (!w)
        return;
    ae_engine_free(w->engine);
    ae_snapshot_unref(w->snap);
    json_decref(w->patch);
    if (w->dir[0])
        inputs_remove(w->dir);
    free(w);
}

static void drop_all(void)
{
    while (nworlds)
        world_free(worlds[--nworlds]);
}

static void build(struct world *w)
{
    static ae_str apps[] = { { "apps-*", 6 } };
    struct ae_err err = { .code = 0 };

    snprintf(w->dir, sizeof(w->dir), "/tmp/ae-world-XXXXXX");
    if (!mkdtemp(w->dir) || inputs_lay(w->inputs, w->patch, w->dir)) {
        snprintf(w->error, sizeof(w->error), "cannot lay out %s", w->dir);
        return;
    }
    ae_conf_init(&w->conf);
    w->conf.inputs = ae_cs(w->dir);
    w->conf.projects = AE_COMPLETE;
    w->conf.app_ns = apps;
    w->conf.napp_ns = 1;
    ae_loc_init(&w->loc);
    w->loc.mode = AE_MODE_ENFORCE;
    ae_loc_defaults(&w->loc);
    if (ae_snapshot_build(&w->conf, &w->snap, &err)
        || ae_engine_new(&w->conf, w->snap, NULL, &w->engine, &err))
        ae_err_str(&err, w->error, sizeof(w->error));
}

struct world *world_new(const char *inputs, const json_t *patch)
{
    struct world *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    snprintf(w->inputs, sizeof(w->inputs), "%s", inputs);
    w->patch = json_deep_copy(patch);
    build(w);
    return w;
}

struct world *world_get(const char *inputs, const json_t *patch)
{
    json_t       *none = json_object();
    struct world *w;

    if (!json_is_object(patch))
        patch = none;
    for (size_t i = 0; i < nworlds; i++) {
        if (strcmp(worlds[i]->inputs, inputs) == 0
            && json_equal(worlds[i]->patch, patch)) {
            json_decref(none);
            return worlds[i];
        }
    }
    if (nworlds == 0)
        atexit(drop_all);
    if (nworlds == WORLDS_MAX)
        world_free(worlds[--nworlds]);
    w = world_new(inputs, patch);
    json_decref(none);
    worlds[nworlds++] = w;
    return w;
}

void world_fill(struct ae_req *r, const char *method, ae_str target,
                const json_t *headers, ae_str body, ae_str *cookies,
                size_t max)
{
    const json_t *h;
    size_t        i;

    memset(r, 0, sizeof(*r));
    r->size = sizeof(*r);
    r->method = ae_cs(method);
    r->target = target;
    r->authority = AE_STR("argocd.example.com");
    r->scheme = AE_STR("https");
    r->peer = AE_STR("192.0.2.1");
    r->cookie = cookies;
    r->content_length = body.p ? (int64_t)body.n : -1;
    r->has_body = body.n > 0;
    json_array_foreach(headers, i, h) {
        ae_str k = ae_json_str(json_array_get(h, 0));
        ae_str v = ae_trim(ae_json_str(json_array_get(h, 1)));
        int    id = ae_hdr_lookup(k);

        if (ae_ieq(k, AE_STR("cookie"))) {
            if (r->ncookie < max)
                cookies[r->ncookie++] = v;
        } else if (id >= 0 && r->hdr[id].p) {
            r->hdr_dup |= 1u << id;
        } else if (id >= 0) {
            r->hdr[id] = v;
        }
    }
}

char *world_z(ae_str s)
{
    char *q = malloc(s.n + 1);

    if (!q)
        abort();
    if (s.n)
        memcpy(q, s.p, s.n);
    q[s.n] = '\0';
    return q;
}

int world_run(struct world *w, const char *method, ae_str target,
              const json_t *headers, ae_str body, struct answer *out)
{
    ae_heap       heap = { NULL, 0 };
    ae_str        cookies[COOKIES_MAX];
    struct ae_req req;
    struct ae_act act;
    ae_txn       *t;

    memset(out, 0, sizeof(*out));
    world_fill(&req, method, target, headers, body, cookies, COOKIES_MAX);
    t = ae_txn_begin(w->engine, &w->loc, &req, ae_heap_mem(&heap));
    if (!t)
        return -1;
    ae_txn_step(t, &act);
    /* nobody answers here; the documents of a provider lie in the inputs */
    while (act.kind == AE_NEED_FETCH) {
        ae_txn_fetched(t, act.fetch.id, 0, AE_STR(""), AE_STR(""),
                       AE_BODY_LAST);
        ae_txn_step(t, &act);
    }
    if (act.kind == AE_NEED_BODY) {
        ae_txn_body(t, body, AE_BODY_LAST);
        ae_txn_step(t, &act);
    }
    out->kind = act.kind;
    out->status = act.reply.status;
    out->ctype = world_z(act.reply.ctype);
    out->body = world_z(act.reply.body);
    out->nbody = act.reply.body.n;
    out->trace = world_z(ae_txn_trace(t));
    ae_txn_end(t);
    ae_heap_free(&heap);
    return 0;
}

void answer_free(struct answer *a)
{
    free(a->ctype);
    free(a->body);
    free(a->trace);
    memset(a, 0, sizeof(*a));
}
