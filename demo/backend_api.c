/* backend_api.c - the operations that the look-alike knows. */
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

bool api_say(int fd, ae_str s)
{
    while (s.n) {
        ssize_t w = write(fd, s.p, s.n);

        if (w <= 0)
            return false;
        s = ae_sub(s, (size_t)w, s.n);
    }
    return true;
}

static void answer(struct call *c, int status, ae_str body)
{
    c->status = status;
    c->answer = body;
    c->type = AE_STR("application/json");
}

void api_error(struct call *c, int status, int code, ae_str text)
{
    ae_buf b;

    ae_buf_init(&b, c->a, 0);
    ae_buf_puts(&b, "{\"error\":");
    ae_json_quote(&b, text);
    ae_buf_printf(&b, ",\"code\":%d,\"message\":", code);
    ae_json_quote(&b, text);
    ae_buf_putc(&b, '}');
    answer(c, status, ae_buf_str(&b));
}

static ae_str dump(struct call *c, const json_t *v)
{
    char  *z = json_dumps(v, JSON_COMPACT);
    ae_str s = ae_dup(c->a, ae_cs(z ? z : "null"));

    free(z);
    return s;
}

static bool may(struct call *c, const char *resource, const char *action,
                ae_str object)
{
    struct ae_decision d;

    ae_decide(c->pr, ae_cs(resource), ae_cs(action), object, &d);
    return d.verdict == AE_ALLOW;
}

static ae_str app_field(const json_t *app, const char *part, const char *key)
{
    return ae_json_get_str(json_object_get(app, part), key);
}

static ae_str app_object(struct call *c, const json_t *app)
{
    ae_str p = app_field(app, "spec", "project");
    ae_str n = app_field(app, "metadata", "name");

    return ae_fmt(c->a, "%.*s/%.*s", (int)p.n, p.p, (int)n.n, n.p);
}

/* Argo CD's look-up rule: without a project a missing and a forbidden
 * application answer alike (semantics: what hides existence). */
static json_t *find_app(struct call *c, ae_str project)
{
    ae_str  name = ae_target_get(&c->t, "name");
    json_t *app, *found = NULL;
    size_t  i;

    if (project.n) {
        ae_str o = ae_fmt(c->a, "%.*s/%.*s", (int)project.n, project.p,
                          (int)name.n, name.p);

        if (!may(c, "applications", "get", o)) {
            api_error(c, 403, 7, AE_STR("permission denied"));
            return NULL;
        }
    }
    json_array_foreach(c->w->apps, i, app)
        if (ae_eq(app_field(app, "metadata", "name"), name))
            found = app;
    if (found && may(c, "applications", "get", app_object(c, found))
        && (!project.n || ae_eq(app_field(found, "spec", "project"),
                                project)))
        return found;
    if (project.n)
        api_error(c, 404, 5, ae_fmt(c->a, "applications.argoproj.io \"%.*s\" "
                                    "not found", (int)name.n, name.p));
    else
        api_error(c, 403, 7, AE_STR("permission denied"));
    return NULL;
}

static bool wanted_project(const struct call *c, ae_str project)
{
    bool any = false;

    for (size_t i = 0; i < c->t.nq; i++) {
        if (!ae_eq_lit(c->t.q[i].name, "projects")
            && !ae_eq_lit(c->t.q[i].name, "project"))
            continue;
        any = true;
        if (ae_eq(c->t.q[i].value, project))
            return true;
    }
    return !any;
}

static void app_list(struct call *c)
{
    json_t *app;
    size_t  i, n = 0;
    ae_buf  b;

    ae_buf_init(&b, c->a, 0);
    ae_buf_printf(&b, "{\"metadata\":{\"resourceVersion\":\"%llu\"}\n"
                  ",\"items\":", (unsigned long long)c->w->version);
    json_array_foreach(c->w->apps, i, app) {
        if (!wanted_project(c, app_field(app, "spec", "project"))
            || !may(c, "applications", "get", app_object(c, app)))
            continue;
        ae_buf_puts(&b, n++ ? "\n," : "[");
        ae_buf_put(&b, dump(c, app));
    }
    ae_buf_puts(&b, n ? "\n]}" : "null}");
    answer(c, 200, ae_buf_str(&b));
}

static void app_get(struct call *c)
{
    json_t *app = find_app(c, ae_target_get(&c->t, "project"));

    if (app)
        answer(c, 200, dump(c, app));
}

static void emit(struct world *w, const char *type, json_t *app)
{
    json_array_append_new(w->events, json_pack("{s:{s:s, s:O}}", "result",
                          "type", type, "application", app));
    pthread_cond_broadcast(&w->changed);
}

/* A sync gives the application a new revision, so that a fresh read shows. */
static void app_sync(struct call *c)
{
    json_t *body = ae_json_parse(c->body.n ? c->body : AE_STR("{}"), 32,
                                 NULL);
    json_t *app, *next;
    ae_str  o, rev;
    char    version[32];

    app = find_app(c, ae_json_get_str(body, "project"));
    json_decref(body);
    if (!app)
        return;
    o = app_object(c, app);
    if (!may(c, "applications", "sync", o)) {
        api_error(c, 403, 7, ae_denied_text(c->a, &c->who,
                  AE_STR("applications"), AE_STR("sync"), o));
        return;
    }
    /* change a copy: a stream client may be writing the old one out */
    next = json_deep_copy(app);
    snprintf(version, sizeof(version), "%llu",
             (unsigned long long)++c->w->version);
    json_object_set_new(json_object_get(next, "metadata"), "resourceVersion",
                        json_string(version));
    rev = ae_fmt(c->a, "%040llu", (unsigned long long)c->w->version);
    json_object_set_new(json_object_get(json_object_get(next, "status"),
                        "sync"), "revision", json_string(rev.p));
    for (size_t i = 0; i < json_array_size(c->w->apps); i++)
        if (json_array_get(c->w->apps, i) == app) {
            json_array_set_new(c->w->apps, i, next);
            break;
        }
    emit(c->w, "MODIFIED", next);
    answer(c, 200, dump(c, next));
}

static json_t *project_json(const struct ae_project *p)
{
    return json_pack("{s:{s:s#, s:s}, s:{s:[s]}, s:{}}", "metadata", "name",
                     p->name.p, (int)p->name.n, "namespace", "argocd", "spec",
                     "sourceRepos", "*", "status");
}

static void project_list(struct call *c)
{
    json_t *items = json_array(), *doc;

    for (size_t i = 0; i < c->w->g->in.nprojects; i++) {
        const struct ae_project *p = &c->w->g->in.projects[i];

        if (may(c, "projects", "get", p->name))
            json_array_append_new(items, project_json(p));
    }
    doc = json_pack("{s:{s:s}, s:o}", "metadata", "resourceVersion", "7",
                    "items", items);
    answer(c, 200, dump(c, doc));
    json_decref(doc);
}

static void project_get(struct call *c)
{
    ae_str name = ae_target_get(&c->t, "name");

    if (!may(c, "projects", "get", name)) {
        api_error(c, 403, 7, ae_denied_text(c->a, &c->who,
                  AE_STR("projects"), AE_STR("get"), name));
        return;
    }
    for (size_t i = 0; i < c->w->g->in.nprojects; i++) {
        json_t *doc;

        if (!ae_eq(c->w->g->in.projects[i].name, name))
            continue;
        doc = project_json(&c->w->g->in.projects[i]);
        answer(c, 200, dump(c, doc));
        json_decref(doc);
        return;
    }
    api_error(c, 404, 5, ae_fmt(c->a, "appprojects.argoproj.io \"%.*s\" not "
                                "found", (int)name.n, name.p));
}

static void can_i(struct call *c)
{
    struct ae_route_conf rc = { .ns = AE_STR("argocd") };
    struct ae_checks     k;

    if (ae_route_checks(&rc, &c->t, NULL, c->a, &k) || !k.can_i || k.status) {
        api_error(c, k.status ? k.status : 400, k.status ? k.code : 3,
                  k.error.p ? k.error : AE_STR("bad question"));
        return;
    }
    answer(c, 200, may(c, ae_fmt(c->a, "%.*s", (int)k.v[0].resource.n,
                                 k.v[0].resource.p).p,
                       ae_fmt(c->a, "%.*s", (int)k.v[0].action.n,
                              k.v[0].action.p).p, k.v[0].object)
                   ? AE_STR("{\"value\":\"yes\"}")
                   : AE_STR("{\"value\":\"no\"}"));
}

/* Every account's password is its own name: this is a demo. */
static void login(struct call *c)
{
    struct ae_err err = { .code = 0 };
    json_t       *body = ae_json_parse(c->body, 8, &err), *claims;
    ae_str        user = ae_json_get_str(body, "username");
    ae_str        pass = ae_json_get_str(body, "password"), tok;
    json_int_t    now = (json_int_t)time(NULL);
    bool          ok = false;

    for (size_t i = 0; i < c->w->g->in.naccounts; i++)
        ok |= ae_eq(c->w->g->in.accounts[i].name, user)
            && c->w->g->in.accounts[i].cap_login
            && c->w->g->in.accounts[i].enabled;
    if (!ok || !ae_eq(user, pass)) {
        api_error(c, 401, 16, AE_STR("Invalid username or password"));
        json_decref(body);
        return;
    }
    claims = json_pack("{s:s, s:o, s:I, s:I, s:I, s:o}", "iss", "argocd",
        "sub", json_string(ae_fmt(c->a, "%.*s:login", (int)user.n,
                                  user.p).p), "iat", now, "nbf", now, "exp",
        now + 86400, "jti", json_string(ae_fmt(c->a, "session-%llu-%.*s",
            (unsigned long long)c->w->requests, (int)user.n, user.p).p));
    json_decref(body);
    if (ae_token_mint(c->a, c->w->g->in.secret_key, claims, &tok, &err))
        api_error(c, 500, 13, ae_cs(err.text));
    else
        answer(c, 200, ae_fmt(c->a, "{\"token\":\"%.*s\"}", (int)tok.n,
                              tok.p));
    json_decref(claims);
}

static bool stream_line(struct call *c, const json_t *event)
{
    ae_str line = dump(c, event);

    return api_say(c->fd, ae_fmt(c->a, "%zx\r\n%.*s\n\r\n", line.n + 1,
                                 (int)line.n, line.p));
}

/* All that exist as ADDED, then what happens, until the client leaves. */
static void app_stream(struct call *c)
{
    json_t *app;
    size_t  i, next = json_array_size(c->w->events);
    bool    ok;

    c->streamed = true;
    ok = api_say(c->fd, AE_STR("HTTP/1.1 200 OK\r\nContent-Type: "
        "application/json\r\nTransfer-Encoding: chunked\r\n\r\n"));
    json_array_foreach(c->w->apps, i, app) {
        json_t *e;

        if (!may(c, "applications", "get", app_object(c, app)))
            continue;
        e = json_pack("{s:{s:s, s:O}}", "result", "type", "ADDED",
                      "application", app);
        ok = ok && stream_line(c, e);
        json_decref(e);
    }
    while (ok) {
        struct timespec until;

        while (ok && next < json_array_size(c->w->events)) {
            json_t *e = json_array_get(c->w->events, next++);
            json_t *a = json_object_get(json_object_get(e, "result"),
                                        "application");

            if (may(c, "applications", "get", app_object(c, a)))
                ok = stream_line(c, e);
        }
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += 30;
        pthread_cond_timedwait(&c->w->changed, &c->w->lock, &until);
    }
}

static void userinfo(struct call *c)
{
    if (!c->id)
        answer(c, 200, AE_STR("{}"));
    else
        answer(c, 200, ae_fmt(c->a, "{\"loggedIn\":true,\"username\":\"%.*s\""
                              ",\"iss\":\"argocd\"}", (int)c->who.id.n,
                              c->who.id.p));
}

static void settings(struct call *c)
{
    answer(c, 200, dump(c, c->w->settings));
}

static void version(struct call *c)
{
    answer(c, 200, dump(c, c->w->server_version));
}

static const struct { const char *op; void (*fn)(struct call *); } ops[] = {
    { "ApplicationService_List", app_list },
    { "ApplicationService_Get", app_get },
    { "ApplicationService_Sync", app_sync },
    { "ApplicationService_Watch", app_stream },
    { "ProjectService_List", project_list },
    { "ProjectService_Get", project_get },
    { "AccountService_CanI", can_i },
    { "SessionService_Create", login },
    { "SessionService_GetUserInfo", userinfo },
    { "SettingsService_Get", settings },
    { "VersionService_Version", version },
};

/* The credential, as Argo CD reads it; false: the answer is a 401. */
static bool authenticate(struct call *c, bool required)
{
    struct ae_token_result r;
    struct ae_cred         cred;

    if (ae_token_pick(c->a, c->authorization, false, &c->cookie,
                      c->cookie.p ? 1 : 0, &cred) == AE_PICK_OK
        && cred.source == AE_CRED_NONE) {
        if (required)
            api_error(c, 401, 16, AE_STR("no session information"));
        return !required;
    }
    ae_token_check(c->w->g->tokens, c->a, cred.token, (int64_t)time(NULL), &r);
    if (r.verdict != AE_TOKEN_OK) {
        if (required)
            api_error(c, 401, 16, ae_fmt(c->a, "invalid session: %.*s",
                                         (int)r.reason.n, r.reason.p));
        return !required;
    }
    c->id = r.identity;
    return ae_subject_from_claims(c->w->g->policy, c->a, c->id->claims,
                                  c->id->user, &c->who) == 0
        && ae_principal_new(c->w->g->policy, &c->who, &c->pr) == 0;
}

static void operate(struct call *c)
{
    if (!authenticate(c, c->t.op->auth == AE_AUTH_REQUIRED))
        return;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (strcmp(c->t.op->name, ops[i].op) == 0) {
            ops[i].fn(c);
            return;
        }
    api_error(c, 501, 12, AE_STR("the demo backend does not play this "
                                 "operation"));
}

void api_answer(struct call *c)
{
    struct ae_route_conf rc = { .ns = AE_STR("argocd") };
    struct ae_route_in   in = { .method = c->method, .target = c->target,
                                .content_type = c->ctype,
                                .has_body = c->body.n > 0 };

    api_error(c, 500, 13, AE_STR("out of memory"));
    if (ae_route(&rc, &in, c->a, &c->t))
        return;
    pthread_mutex_lock(&c->w->lock);
    c->w->requests++;
    world_refresh(c->w);
    if (c->t.kind == AE_TGT_OP && !c->t.op->outside) {
        operate(c);
    } else {
        c->status = c->t.status ? c->t.status : 200;
        c->answer = c->t.body.p ? c->t.body : AE_STR("ok\n");
        c->type = AE_STR("text/plain; charset=utf-8");
    }
    pthread_mutex_unlock(&c->w->lock);
    if (c->pr)
        ae_principal_free(c->pr);
    if (c->id)
        ae_identity_unref(c->id);
}
