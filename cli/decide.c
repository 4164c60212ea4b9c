/* decide.c - one recorded request through the very core of the modules. */
#include "cli.h"

#include <stdio.h>

struct request {
    struct ae_req req;
    ae_str        cookie[32], body;
    json_t       *doc;
};

/* {"method": …, "target"|"path": …, "headers": [[name, value], …],
 *  "body": …}; a recorded exchange with such a "request" inside will do. */
static int load(struct cli *c, const char *path, struct request *r)
{
    struct ae_err err = { .code = 0 };
    const json_t *req, *h;
    size_t        i;
    ae_str        text;
    int           rc = cli_read(c, path, &text);

    if (rc)
        return rc;
    if (!(r->doc = ae_json_parse(text, 32, &err)))
        return cli_err(&err);
    req = json_object_get(r->doc, "request");
    req = req ? req : r->doc;
    r->req.size = sizeof(r->req);
    r->req.method = ae_json_get_str(req, "method");
    r->req.target = ae_json_get_str(req, "target");
    if (!r->req.target.p)
        r->req.target = ae_json_get_str(req, "path");
    r->req.authority = AE_STR("localhost");
    r->req.scheme = AE_STR("http");
    r->req.peer = ae_json_get_str(req, "peer");
    if (!r->req.peer.p)
        r->req.peer = AE_STR("127.0.0.1");
    r->req.cookie = r->cookie;
    r->body = ae_json_get_str(req, "body");
    r->req.has_body = r->body.n > 0;
    r->req.content_length = r->body.p ? (int64_t)r->body.n : -1;
    json_array_foreach(json_object_get(req, "headers"), i, h) {
        ae_str k = ae_json_str(json_array_get(h, 0));
        ae_str v = ae_json_str(json_array_get(h, 1));
        int    id = ae_hdr_lookup(k);

        if (ae_ieq(k, AE_STR("cookie")) && r->req.ncookie < 32)
            r->cookie[r->req.ncookie++] = v;
        else if (id >= 0 && r->req.hdr[id].p)
            r->req.hdr_dup |= 1u << id;
        else if (id >= 0)
            r->req.hdr[id] = v;
    }
    if (!r->req.method.p || !r->req.target.p)
        return cli_fail(EXIT_INPUT, "%s: needs \"method\" and \"target\"",
                        path);
    return 0;
}

/* Steps to the terminal action; look-ups find nothing here. */
static void drive(ae_txn *t, const struct request *r, struct ae_act *act)
{
    for (int i = 0; i < 16; i++) {
        ae_txn_step(t, act);
        if (act->kind == AE_NEED_BODY)
            ae_txn_body(t, r->body, AE_BODY_LAST);
        else if (act->kind == AE_NEED_FETCH)
            ae_txn_fetched(t, act->fetch.id, 0, ae_s(NULL, 0), ae_s(NULL, 0),
                           0);
        else
            return;
    }
}

static const char *action_name(enum ae_act_kind k)
{
    static const char *const n[] = { "fail", "reply", "forward", "cached",
                                     "need-body", "need-fetch", "wait" };

    return n[k];
}

static void show(struct cli *c, ae_txn *t, const struct ae_act *act)
{
    ae_str trace = ae_txn_trace(t);

    if (c->json) {
        json_t *o = json_pack("{s:s}", "action", action_name(act->kind));

        if (act->kind != AE_FORWARD) {
            json_object_set_new(o, "status", json_integer(act->reply.status));
            json_object_set_new(o, "body", cli_jstr(act->reply.body));
        }
        for (int v = 0; v < AE_V__N; v++) {
            ae_str s = ae_txn_var(t, (enum ae_var)v);

            if (s.n)
                json_object_set_new(o, ae_var_name((enum ae_var)v),
                                    cli_jstr(s));
        }
        if (c->trace)
            json_object_set_new(o, "trace", cli_jstr(trace));
        cli_json(o);
        return;
    }
    printf("%s", action_name(act->kind));
    if (act->kind != AE_FORWARD)
        printf(" %d %.*s", act->reply.status, (int)act->reply.body.n,
               act->reply.body.p ? act->reply.body.p : "");
    putchar('\n');
    for (int v = 0; v < AE_V__N; v++) {
        ae_str s = ae_txn_var(t, (enum ae_var)v);

        if (s.n)
            printf("  %-11s %.*s\n", ae_var_name((enum ae_var)v), (int)s.n,
                   s.p);
    }
    if (c->trace)
        printf("  %-11s %.*s\n", "trace", (int)trace.n, trace.p);
}

static int decide(struct cli *c, struct request *r, ae_engine *e)
{
    struct ae_act act;
    struct ae_loc loc;
    ae_txn       *t;

    ae_loc_init(&loc);
    loc.mode = AE_MODE_ENFORCE;
    ae_loc_defaults(&loc);
    t = ae_txn_begin(e, &loc, &r->req, ae_heap_mem(&c->heap));
    if (!t)
        return cli_fail(EXIT_INPUT, "out of memory");
    drive(t, r, &act);
    show(c, t, &act);
    ae_txn_end(t);
    if (act.kind == AE_FORWARD)
        return EXIT_YES;
    return act.kind == AE_REPLY && act.reply.status < 400 ? EXIT_YES
                                                          : EXIT_NO;
}

static int run(struct cli *c)
{
    struct request r = { .doc = NULL };
    struct ae_conf conf;
    struct ae_err  err = { .code = 0 };
    ae_snapshot   *s = NULL;
    ae_engine     *e = NULL;
    int            rc = load(c, c->arg[0], &r);

    if (rc == 0) {
        cli_conf(c, &conf);
        if (ae_snapshot_build(&conf, &s, &err)
            || ae_engine_new(&conf, s, NULL, &e, &err))
            rc = cli_err(&err);
        else
            rc = decide(c, &r, e);
    }
    ae_engine_free(e);
    ae_snapshot_unref(s);
    json_decref(r.doc);
    return rc;
}

const struct command cmd_decide = {
    .name = "decide",
    .args = "REQUEST.json|-",
    .brief = "what would the edge do with this request?",
    .help =
"REQUEST.json: {\"method\": \"GET\", "
"\"target\": \"/api/v1/applications/web\",\n"
"               \"headers\": [[\"Authorization\", \"Bearer …\"]], "
"\"body\": \"…\", \"peer\": \"10.1.2.3\"}\n"
"Prints the action (reply, forward) and everything that the logs would show.\n"
"The cache is not asked.\n\n"
"  argo-edge decide request.json --trace --inputs /etc/argo-edge\n",
    .options = "inputs namespace projects root-path trace json",
    .min_arg = 1, .max_arg = 1, .run = run,
};
