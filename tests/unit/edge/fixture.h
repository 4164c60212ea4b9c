/*
 * fixture.h - a whole core over inputs in a scratch directory, a store in
 * memory, a clock that stands still, and a scripted upstream.  The users are
 * those of the abuse cases: alice, bob, ci, admin, nobody.
 */
#ifndef AE_FIXTURE_H
#define AE_FIXTURE_H

#include "edge/edge.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FX_SECRET "0123456789abcdef0123456789abcdef"
#define FX_NOW INT64_C(1800000000)

struct fx {
    char           dir[64];
    struct ae_conf conf;
    struct ae_loc  loc;
    struct ae_host host;
    ae_snapshot   *snap;
    ae_engine     *e;
    ae_heap        heap;        /* tokens */
    ae_arena       a;
    int64_t        wall, mono;
    /* the upstream's next answers */
    struct ae_resp resp;
    const char    *body;
    size_t         cut;         /* bytes a part, 0 = all at once */
    bool           broken;      /* ends before its last byte */
    size_t         limit;       /* bytes of arena a request gets, 0 = all */
    bool           starved;     /* the last request ran out of them */
    size_t         used;        /* bytes that it took */
    int            hits;        /* requests that reached it */
    char           logs[4096];
};

struct fx_req {
    const char *method;         /* NULL = GET */
    const char *target;
    const char *user;           /* NULL = no token */
    const char *token;          /* instead of |user|'s */
    bool        cookie;         /* the token comes by cookie */
    const char *h[8][2];        /* further headers */
    const char *body;
};

struct fx_res {
    enum ae_act_kind kind;
    int      status;
    char     body[4096];
    char     ctype[64], trace[128], cache[64], decision[32];
    char     hdr[512];          /* "Name: value\n" of ours */
    char     set[512];          /* request headers set upstream */
    char     edit[512];         /* response headers set */
    unsigned flags;
};

__attribute__((unused))
static void fx_log(void *ctx, enum ae_log_level lv, const char *msg)
{
    struct fx *f = ctx;
    size_t n = strlen(f->logs);

    (void)lv;
    snprintf(f->logs + n, sizeof f->logs - n, "%s\n", msg);
}

static int64_t fx_wall(void *ctx) { return ((struct fx *)ctx)->wall; }
static int64_t fx_mono(void *ctx) { return ((struct fx *)ctx)->mono; }

static void fx_write(const struct fx *f, const char *object, const char *key,
                     const char *text)
{
    char path[256], tmp[280];
    FILE *h;

    snprintf(path, sizeof path, "%s/%s", f->dir, object);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", f->dir, object, key);
    snprintf(tmp, sizeof tmp, "%s.new", path);
    umask(077);
    h = fopen(tmp, "w");
    if (!h || fputs(text, h) < 0 || fclose(h) || rename(tmp, path)) {
        perror(path);
        exit(2);
    }
}

#define FX_POLICY                                                        \
    "g, alice, role:readonly\n"                                          \
    "g, admin, role:admin\n"                                             \
    "p, bob, applications, get, teamb/*, allow\n"

static void fx_inputs(struct fx *f)
{
    static const char *const users[] = { "alice", "bob", "nobody" };
    char key[64], text[256];

    snprintf(f->dir, sizeof f->dir, "/tmp/ae-unit-XXXXXX");
    if (!mkdtemp(f->dir))
        exit(2);
    fx_write(f, "argocd-rbac-cm", "policy.csv", FX_POLICY);
    fx_write(f, "argocd-cm", "admin.enabled", "true");
    fx_write(f, "argocd-cm", "url", "https://argocd.example.com");
    fx_write(f, "argocd-secret", "server.secretkey", FX_SECRET);
    for (size_t i = 0; i < 3; i++) {
        snprintf(key, sizeof key, "accounts.%s", users[i]);
        fx_write(f, "argocd-cm", key, "apiKey, login");
        snprintf(key, sizeof key, "accounts.%s.tokens", users[i]);
        snprintf(text, sizeof text, "[{\"id\":\"%s-1\",\"iat\":1767225600}]",
                 users[i]);
        fx_write(f, "argocd-secret", key, text);
    }
    fx_write(f, "appprojects", "teama.json",
             "{\"kind\":\"AppProject\",\"metadata\":{\"name\":\"teama\"},"
             "\"spec\":{\"roles\":[{\"name\":\"deploy\",\"policies\":["
             "\"p, proj:teama:deploy, applications, *, teama/*, allow\"],"
             "\"jwtTokens\":[{\"id\":\"ci-1\",\"iat\":1767225600}]}]},"
             "\"status\":{\"jwtTokensByRole\":{\"deploy\":{\"items\":["
             "{\"id\":\"ci-1\",\"iat\":1767225600}]}}}}");
    fx_write(f, "appprojects", "teamb.json",
             "{\"kind\":\"AppProject\",\"metadata\":{\"name\":\"teamb\"},"
             "\"spec\":{}}");
}

static void fx_remove(const struct fx *f)
{
    char cmd[128];

    snprintf(cmd, sizeof cmd, "rm -rf '%s'", f->dir);
    if (system(cmd))
        perror(cmd);
}

static void fx_answer(struct fx *f, int status, const char *body)
{
    memset(&f->resp, 0, sizeof f->resp);
    f->resp.status = status;
    f->resp.ctype = AE_STR("application/json");
    f->resp.vary = AE_STR("Accept-Encoding");
    f->resp.content_length = (int64_t)strlen(body);
    f->body = body;
}

#define FX_APP(name, project)                                            \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"argocd\"},"    \
    "\"spec\":{\"destination\":{},\"project\":\"" project "\"},"         \
    "\"status\":{}}"

__attribute__((unused))
static void fx_engine(struct fx *f)
{
    struct ae_store_conf sc = { .size = 16 << 20, .max_object = 1 << 20 };
    struct ae_err err = { 0 };
    char text[1000];

    if (ae_snapshot_build(&f->conf, &f->snap, &err)
        || ae_engine_new(&f->conf, f->snap, &f->host, &f->e, &err)) {
        printf("Bail out! %s\n", ae_err_str(&err, text, sizeof text));
        exit(2);
    }
    if (ae_store_mem_open(&sc, &f->e->store))
        exit(2);
}

__attribute__((unused))
static void fx_open(struct fx *f)
{
    memset(f, 0, sizeof *f);
    fx_inputs(f);
    ae_conf_init(&f->conf);
    f->conf.inputs = ae_cs(f->dir);
    ae_loc_init(&f->loc);
    f->loc.mode = AE_MODE_ENFORCE;
    f->loc.status_header = 1;
    ae_loc_defaults(&f->loc);
    f->host = (struct ae_host){ .log = fx_log, .wall_us = fx_wall,
                                .mono_us = fx_mono, .ctx = f };
    f->wall = FX_NOW * 1000000;
    f->mono = 1000000;
    ae_arena_init(&f->a, ae_heap_mem(&f->heap), NULL, 0);
    fx_answer(f, 200, FX_APP("a1", "teama"));
    fx_engine(f);
}

__attribute__((unused))
static void fx_close(struct fx *f)
{
    ae_engine_free(f->e);
    ae_snapshot_unref(f->snap);
    ae_heap_free(&f->heap);
    fx_remove(f);
}

__attribute__((unused))
static void fx_pass(struct fx *f, int64_t ms)
{
    f->wall += ms * 1000;
    f->mono += ms * 1000;
}

/* A token of |user|; ci is a project token, admin a login session. */
static const char *fx_token(struct fx *f, const char *user)
{
    struct ae_err err = { 0 };
    char sub[64], jti[64];
    ae_str out;
    json_t *c;

    snprintf(jti, sizeof jti, "%s-1", user);
    if (strcmp(user, "ci") == 0)
        snprintf(sub, sizeof sub, "proj:teama:deploy");
    else
        snprintf(sub, sizeof sub, "%s:%s", user,
                 strcmp(user, "admin") ? "apiKey" : "login");
    c = json_pack("{s:s,s:s,s:i,s:i,s:s}", "iss", "argocd", "sub", sub,
                  "iat", 1767225600, "nbf", 1767225600, "jti", jti);
    if (strcmp(user, "admin") == 0)
        json_object_set_new(c, "exp", json_integer(FX_NOW + 86400));
    if (ae_token_mint(&f->a, AE_STR(FX_SECRET), c, &out, &err)) {
        printf("Bail out! %s\n", err.text);
        exit(2);
    }
    json_decref(c);
    return out.p;
}

struct fx_call {            /* a request as the shell would hold it */
    struct ae_req req;
    ae_str        cookies[8];
};

__attribute__((unused))
static void fx_fill(struct fx *f, const struct fx_req *q, struct fx_call *c)
{
    const char *tok = q->token ? q->token
        : q->user ? fx_token(f, q->user) : NULL;
    struct ae_req *r = &c->req;

    memset(c, 0, sizeof *c);
    r->size = sizeof *r;
    r->method = ae_cs(q->method ? q->method : "GET");
    r->target = ae_cs(q->target);
    r->authority = AE_STR("edge.example.com");
    r->scheme = AE_STR("https");
    r->peer = AE_STR("192.0.2.7");
    r->plain = true;
    r->cookie = c->cookies;
    r->content_length = q->body ? (int64_t)strlen(q->body) : -1;
    r->has_body = q->body && *q->body;
    if (tok && q->cookie)
        c->cookies[r->ncookie++] = ae_fmt(&f->a, "argocd.token=%s", tok);
    else if (tok)
        r->hdr[AE_H_AUTHORIZATION] = ae_fmt(&f->a, "Bearer %s", tok);
    for (size_t i = 0; i < 8 && q->h[i][0]; i++) {
        int id = ae_hdr_lookup(ae_cs(q->h[i][0]));

        r->plain &= id != AE_HDR_ODD;
        if (ae_ieq(ae_cs(q->h[i][0]), AE_STR("cookie")))
            c->cookies[r->ncookie++] = ae_cs(q->h[i][1]);
        else if (id >= 0 && r->hdr[id].p)
            r->hdr_dup |= 1u << id;
        else if (id >= 0)
            r->hdr[id] = ae_cs(q->h[i][1]);
    }
}

static void fx_fields(char *out, size_t n, const struct ae_field *f, size_t k)
{
    size_t at = 0;

    out[0] = 0;
    for (size_t i = 0; i < k && at < n; i++)
        at += (size_t)snprintf(out + at, n - at, "%.*s: %.*s\n",
                               (int)f[i].name.n, f[i].name.p,
                               (int)f[i].value.n,
                               f[i].value.n ? f[i].value.p : "");
}

static void fx_copy(char *out, size_t n, ae_str s)
{
    snprintf(out, n, "%.*s", (int)s.n, s.n ? s.p : "");
}

/* What the upstream does with a forwarded request. */
static void fx_upstream(struct fx *f, ae_txn *t, struct fx_res *res)
{
    struct ae_resp_edit edit;
    ae_str body = ae_cs(f->body);

    f->hits++;
    res->status = f->resp.status;
    fx_copy(res->body, sizeof res->body, body);
    ae_txn_response(t, &f->resp, &edit);
    fx_fields(res->edit, sizeof res->edit, edit.set, edit.nset);
    if (f->broken)
        body.n /= 2;
    for (size_t i = 0; edit.feed && i < body.n; ) {
        size_t n = f->cut && f->cut < body.n - i ? f->cut : body.n - i;

        if (ae_txn_resp_part(t, ae_sub(body, i, n)))
            break;
        i += n;
    }
    ae_txn_resp_end(t, !f->broken);
}

/* One request from begin to end over |mem|.  False: no transaction. */
__attribute__((unused))
static bool fx_run_mem(struct fx *f, const struct fx_call *c, const char *body,
                       struct ae_mem mem, struct fx_res *res)
{
    struct ae_act act;
    ae_txn *t;

    memset(res, 0, sizeof *res);
    t = ae_txn_begin(f->e, &f->loc, &c->req, mem);
    if (!t)
        return false;
    t->a.limit = f->limit;
    ae_txn_step(t, &act);
    if (act.kind == AE_NEED_BODY) {
        ae_txn_body(t, ae_cs(body), AE_BODY_LAST);
        ae_txn_step(t, &act);
    }
    res->kind = act.kind;
    res->flags = act.forward.flags;
    if (act.kind == AE_FORWARD) {
        fx_fields(res->set, sizeof res->set, act.forward.set,
                  act.forward.nset);
        fx_upstream(f, t, res);
    } else {
        res->status = act.reply.status;
        fx_copy(res->body, sizeof res->body, act.reply.body);
        fx_copy(res->ctype, sizeof res->ctype, act.reply.ctype);
        fx_fields(res->hdr, sizeof res->hdr, act.reply.hdr, act.reply.nhdr);
    }
    f->used = t->a.used;
    f->starved = t->a.failed;
    fx_copy(res->trace, sizeof res->trace, ae_txn_trace(t));
    fx_copy(res->cache, sizeof res->cache, ae_txn_var(t, AE_V_CACHE));
    fx_copy(res->decision, sizeof res->decision,
            ae_txn_var(t, AE_V_DECISION));
    ae_txn_end(t);
    return true;
}

__attribute__((unused))
static struct fx_res fx_run(struct fx *f, struct fx_req q)
{
    struct fx_call c;
    struct fx_res res;
    ae_heap heap = { 0 };

    fx_fill(f, &q, &c);
    fx_run_mem(f, &c, q.body, ae_heap_mem(&heap), &res);
    ae_heap_free(&heap);
    return res;
}

#define fx_get(f, who, path)                                             \
    fx_run((f), (struct fx_req){ .user = (who), .target = (path) })

#endif
