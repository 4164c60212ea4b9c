/*
 * check_oidc.c - suite api.oidc: whole transactions with SSO tokens, judged
 * by tests/vectors/README.md.  A configuration is one world that lives from
 * its first case to its last, since keys, settings and revocations carry over.
 * The runner plays the part of who keeps the provider's documents in files.
 */
#include "runner.h"
#include "world.h"

#include "edge/edge.h"

#include "replay.h"

#include "../unit/token/explained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct play {
    json_t       *root;      /* of |file| */
    char          file[1024], inputs[1024], name[256];
    const json_t *config;
    json_t       *patch;     /* over the seed, settings changes included */
    struct world *w;
    char         *jwks;      /* that the edge has now */
};

static struct play play;

static const char *text(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));

    return s ? s : "";
}

static void stop(void)
{
    world_free(play.w);
    json_decref(play.root);
    json_decref(play.patch);
    free(play.jwks);
    memset(&play, 0, sizeof(play));
}

/* ---- the provider's documents ------------------------------------------- */

/* What the provider serves as |doc| says: the body of a 200, or NULL. */
static char *served(const json_t *doc)
{
    const json_t *status = json_object_get(doc, "_status");
    const json_t *body = json_object_get(doc, "_body");

    if (!doc || json_is_null(doc))
        return NULL;
    if (!status && !body)
        return json_dumps(doc, JSON_COMPACT);
    if (status && json_integer_value(status) != 200)
        return NULL;
    return strdup(json_string_value(body) ? json_string_value(body) : "");
}

static void put_doc(const char *name, const char *body)
{
    char  path[200], tmp[200];
    FILE *f;

    snprintf(path, sizeof(path), "%s/oidc", play.w->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/oidc/%s", play.w->dir, name);
    snprintf(tmp, sizeof(tmp), "%s/oidc/.tmp", play.w->dir);
    f = fopen(tmp, "w");
    if (!f || fwrite(body, 1, strlen(body), f) != strlen(body) || fclose(f)
        || rename(tmp, path))
        abort();
}

static size_t host_end(const char *url)
{
    const char *p = strstr(url, "://");

    return p ? (size_t)(p - url) + 3 + strcspn(p + 3, "/") : 0;
}

/* The document behind jwks_uri: the provider answers on its port under any
 * name, and for Dex whatever host is asked. */
static const json_t *keys_doc(const char *uri, const json_t *now)
{
    const json_t *paths = json_object_get(play.config, "paths");
    const json_t *other = json_object_get(play.config, "other_paths"), *doc;
    const char   *own = text(play.root, "issuer"), *path;
    const char   *port = strrchr(own, ':');
    size_t        n = host_end(uri), plen = port ? strlen(port) : 0;

    if (!n || (!paths && (n < plen || strncmp(uri + n - plen, port, plen))))
        return NULL;
    path = uri + n;
    doc = json_object_get(other, path);
    if (doc)
        return doc;
    if (strcmp(path, *text(paths, "jwks") ? text(paths, "jwks") : "/keys"))
        return NULL;
    doc = json_object_get(now, "jwks");
    return doc ? doc : json_object_get(play.config, "jwks");
}

/* Did the recorded server ever get anything from the provider?  If not, it
 * could not be reached, and neither can we. */
static bool reachable(void)
{
    const json_t *c;
    size_t        i;

    json_array_foreach(json_object_get(play.root, "cases"), i, c)
        if (strcmp(text(c, "config"), play.name) == 0
            && (json_object_size(json_object_get(c, "fetches"))
                || json_is_true(json_object_get(c, "accepted"))))
            return true;
    return false;
}

/* Fetch both documents; if either fails, the old ones stay. */
static void fetch(const json_t *now)
{
    const json_t *d = json_object_get(now, "discovery");
    char         *disc = served(d ? d : json_object_get(play.config,
                                                        "discovery"));
    json_t       *o = disc ? json_loads(disc, JSON_REJECT_DUPLICATES, NULL)
                           : NULL;
    char         *keys = served(keys_doc(text(o, "jwks_uri"), now));

    json_decref(o);
    if (disc && !keys && !play.jwks && reachable())
        put_doc("discovery.json", disc);
    if (disc && keys && reachable()) {
        put_doc("discovery.json", disc);
        put_doc("jwks.json", keys);
        free(play.jwks);
        play.jwks = strdup(keys);
    }
    free(disc);
    free(keys);
}

/* ---- a configuration ---------------------------------------------------- */

static json_t *patch_of(const json_t *config)
{
    static const char *const objects[] = { "argocd-cm", "argocd-rbac-cm",
                                           "argocd-secret" };
    json_t *patch = json_object(), *cm, *v;
    size_t  i;

    for (i = 0; i < 3; i++)
        if (json_object_get(config, objects[i]))
            json_object_set_new(patch, objects[i], json_deep_copy(
                                json_object_get(config, objects[i])));
    if (!json_object_get(patch, "argocd-cm"))
        json_object_set_new(patch, "argocd-cm", json_object());
    cm = json_object_get(patch, "argocd-cm");
    json_array_foreach(json_object_get(config, "argocd-cm-removed"), i, v)
        json_object_set_new(cm, json_string_value(v), json_null());
    return patch;
}

static int start(const struct run_ctx *r, const json_t *c, char *why,
                 size_t n)
{
    const char *name = text(c, "config");

    if (play.root && strcmp(play.file, r->file) == 0
        && strcmp(play.inputs, r->inputs) == 0
        && strcmp(play.name, name) == 0)
        return 0;
    if (!play.root)
        atexit(stop);
    stop();
    snprintf(play.file, sizeof(play.file), "%s", r->file);
    snprintf(play.inputs, sizeof(play.inputs), "%s", r->inputs);
    snprintf(play.name, sizeof(play.name), "%s", name);
    play.root = vectors_load(r->file, NULL);
    play.config = json_object_get(json_object_get(play.root, "configs"),
                                  name);
    if (!play.config) {
        snprintf(why, n, "got no config %s, want one", name);
        return -1;
    }
    play.patch = patch_of(play.config);
    play.w = world_new(r->inputs, play.patch);
    return 0;
}

/* ---- what happened just before ------------------------------------------ */

/* [[name, prefix + value]] */
static json_t *field(const char *name, const char *prefix, const char *value)
{
    size_t  n = strlen(prefix) + strlen(value) + 1;
    char   *text_of = malloc(n);
    json_t *list;

    if (!text_of)
        abort();
    snprintf(text_of, n, "%s%s", prefix, value);
    list = json_pack("[[ss]]", name, text_of);
    free(text_of);
    return list;
}

static void log_out(const char *token)
{
    json_t       *headers = field("Cookie", "argocd.token=", token);
    struct answer a;

    world_run(play.w, "GET", AE_STR("/auth/logout"), headers, ae_s(NULL, 0),
              &a);
    answer_free(&a);
    json_decref(headers);
}

static void change(json_t *settings)
{
    const char *object, *key;
    json_t     *keys, *v;

    json_object_foreach(settings, object, keys) {
        json_t *mine = json_object_get(play.patch, object);

        if (!mine) {
            mine = json_object();
            json_object_set_new(play.patch, object, mine);
        }
        json_object_foreach(keys, key, v)
            json_object_set(mine, key, v);
    }
    inputs_lay(play.w->inputs, play.patch, play.w->dir);
}

static void play_before(const json_t *c)
{
    json_t *step, *v;
    size_t  i;

    json_array_foreach(json_object_get(c, "before"), i, step) {
        if ((v = json_object_get(step, "logout")))
            log_out(text(v, "cookie_token"));
        if ((v = json_object_get(step, "settings_change")))
            change(v);
        /* a login makes the server remember a session; the edge sees only
         * that it happened */
    }
}

/* ---- judging ------------------------------------------------------------ */

/* |tried| less default role and empty subject against who we think it is. */
static bool same_subject(const struct ae_rights *r, const json_t *tried,
                         ae_str def, char *why, size_t n)
{
    size_t  at = 0, i;
    json_t *v;

    json_array_foreach(tried, i, v) {
        ae_str want = ae_json_str(v);
        bool   found = false;

        if (want.n == 0 || (def.n && ae_eq(want, def)))
            continue;
        if (at == 0 && r->subject.id.n) {
            found = ae_eq(want, r->subject.id);
            at = 1;
        }
        if (at == 0)
            at = 1;
        for (; !found && at - 1 < r->subject.ngroups; at++)
            found = ae_eq(want, r->subject.groups[at - 1]);
        if (!found) {
            snprintf(why, n, "got subject %.*s and %zu groups, want %.*s "
                     "among them", (int)r->subject.id.n, r->subject.id.p,
                     r->subject.ngroups, (int)want.n, want.p);
            return false;
        }
    }
    return true;
}

struct view {                   /* what we think of the token by itself */
    bool ok, stricter, same;
    bool told;                  /* `token verify` would explain just that */
};

static void look(const json_t *c, const char *token, struct view *v,
                 char *why, size_t n)
{
    ae_snapshot           *s = play.w->engine->snap;
    ae_heap                heap = { NULL, 0 };
    ae_arena               a;
    struct ae_token_result r;
    struct ae_rights      *rights = NULL;
    int64_t                now = (int64_t)time(NULL);

    memset(v, 0, sizeof(*v));
    v->told = true;
    if (!*token)
        return;
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_token_check(s->tokens, &a, ae_cs(token), now, &r);
    v->told = explained(s->tokens, ae_tokens_keyset(s->tokens), &a,
                        ae_cs(token), now, &r);
    v->ok = r.verdict == AE_TOKEN_OK;
    v->stricter = r.stricter;
    if (v->ok && ae_rights_new(s, r.identity, &rights) == AE_OK)
        v->same = same_subject(rights, json_object_get(c, "tried"),
                               s->in.rbac.default_role, why, n);
    ae_rights_unref(rights);
    ae_identity_unref(r.identity);
    ae_heap_free(&heap);
}

static int judge(const json_t *c, const struct answer *a,
                 const struct view *v, bool carried, char *why, size_t n)
{
    const char *body = text(c, "body"), *edge = text(c, "edge");
    int   status = (int)json_integer_value(json_object_get(c, "status"));
    bool  accepted = json_is_true(json_object_get(c, "accepted"));
    bool  reply = a->kind == AE_REPLY;
    bool  same = reply && a->status == status && strcmp(a->body, body) == 0;
    /* with anonymous access a refusal of ours is the closed list's (item 3) */
    bool  closed = reply && a->status >= 400 && a->status < 500
                && (v->stricter || carried || status == 200);
    bool  ok;

    if (strcmp(edge, "answer") == 0)
        ok = same && (carried || (v->ok && v->same));
    else if (strcmp(edge, "never") == 0)
        ok = a->kind == AE_FORWARD || closed
          || (same && !(status == 200 && v->ok));
    else
        ok = a->kind == AE_FORWARD
          || (accepted && same && (carried || v->same))
          || (closed && !(status == 200 && !v->stricter && !carried));
    if (!ok && !*why)
        snprintf(why, n, "got %d %d %.200s, want %s (%s) %d %.200s",
                 (int)a->kind, a->status, a->body,
                 accepted ? "accepted" : "refused", edge, status, body);
    return ok ? CHECK_PASS : CHECK_FAIL;
}

int check_api_oidc(const struct run_ctx *r, const json_t *c, char *why,
                   size_t n)
{
    const json_t *req = json_object_get(c, "request");
    const char   *token = text(c, "token"), *path = text(req, "path");
    json_t       *headers = json_object_get(req, "headers");
    struct answer a;
    struct view   v;
    int           rc = CHECK_FAIL;

    if (start(r, c, why, n))
        return CHECK_FAIL;
    if (!play.w->engine) {
        snprintf(why, n, "got no snapshot: %s", play.w->error);
        return CHECK_FAIL;
    }
    fetch(json_object_get(c, "provider_now"));
    play_before(c);
    ae_engine_tick(play.w->engine);
    headers = req ? json_incref(headers)
                  : field("Authorization", "Bearer ", token);
    look(c, token, &v, why, n);
    if (!*path)
        path = text(play.root, "path");
    if (oidc_verifiers_agree(play.jwks, token, why, n)
        && world_run(play.w, "GET", ae_cs(path), headers, ae_s(NULL, 0), &a)
               == 0) {
        rc = judge(c, &a, &v, req != NULL, why, n);
        if (!v.told) {
            snprintf(why, n, "got another explanation than verdict");
            rc = CHECK_FAIL;
        }
        answer_free(&a);
    }
    json_decref(headers);
    return rc;
}
