/*
 * check_api.c - suites api.can-i and api.token: whole transactions, judged by
 * tests/vectors/README.md.
 */
#include "runner.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

static const char *text(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));

    return s ? s : "";
}

/* Statuses of the closed list (security.md section 5). */
static int closed_list(int status)
{
    static const int list[] = { 400, 401, 403, 404, 405, 413, 414, 415, 431 };

    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        if (list[i] == status)
            return 1;
    return 0;
}

static const char *kind_name(enum ae_act_kind k)
{
    static const char *const names[] = { "fail", "reply", "forward", "cached",
                                         "need-body", "need-fetch", "wait" };

    return (unsigned)k < sizeof(names) / sizeof(names[0]) ? names[k] : "?";
}

struct want { int status; const char *body; const char *edge; };

static int same(const struct answer *a, const struct want *w)
{
    return a->kind == AE_REPLY && a->status == w->status
        && a->nbody == strlen(w->body)
        && memcmp(a->body, w->body, a->nbody) == 0;
}

static int judge(const struct answer *a, const struct want *w, char *why,
                 size_t n)
{
    int ok = same(a, w);

    if (!ok && strcmp(w->edge, "answer") != 0)
        ok = a->kind == AE_FORWARD
            || (a->kind == AE_REPLY && closed_list(a->status));
    if (!ok)
        snprintf(why, n, "got %s %d %.300s (%s), want %d %.300s",
                 kind_name(a->kind), a->status, a->body, a->trace, w->status,
                 w->body);
    return ok ? CHECK_PASS : CHECK_FAIL;
}

static struct world *open_world(const struct run_ctx *r, const json_t *c,
                                char *why, size_t n)
{
    struct world *w = world_get(r->inputs, json_object_get(c, "patch"));

    if (w->engine)
        return w;
    snprintf(why, n, "got no snapshot: %s", w->error);
    return NULL;
}

int check_api_can_i(const struct run_ctx *r, const json_t *c, char *why,
                    size_t n)
{
    struct want   w = { 0, text(c, "body"), text(c, "edge") };
    const char   *token = json_string_value(json_object_get(c, "token"));
    char          bearer[20000], value[64];
    struct world *world;
    struct answer a;
    json_t       *headers;
    int           rc;

    if (strcmp(w.edge, "skip") == 0)
        return CHECK_SKIP;
    world = open_world(r, c, why, n);
    if (!world)
        return CHECK_FAIL;
    w.status = (int)json_integer_value(json_object_get(c, "status"));
    if (!json_is_string(json_object_get(c, "body"))) {
        snprintf(value, sizeof(value), "{\"value\":\"%s\"}",
                 text(c, "value"));
        w.body = value;
    }
    headers = json_array();
    if (token) {
        snprintf(bearer, sizeof(bearer), "Bearer %s", token);
        json_array_append_new(headers, json_pack("[ss]", "Authorization",
                                                 bearer));
    }
    rc = world_run(world, "GET", ae_cs(text(c, "path")), headers,
                   ae_s(NULL, 0), &a);
    rc = rc ? CHECK_FAIL : judge(&a, &w, why, n);
    answer_free(&a);
    json_decref(headers);
    return rc;
}

/* Our verdict on the token shows in the answer: can-i answers 200 to whoever
 * has a session. */
static int judge_token(const struct answer *a, const json_t *c,
                       const struct want *w, char *why, size_t n)
{
    int accepted = json_is_true(json_object_get(c, "accepted"));
    int got = a->kind == AE_REPLY && a->status == 200;
    int ok;

    if (strcmp(w->edge, "answer") == 0)
        ok = accepted ? got && same(a, w) : same(a, w);
    else
        ok = (accepted || !got)
            && (a->kind == AE_FORWARD || a->kind == AE_REPLY);
    if (!ok)
        snprintf(why, n, "got %s %d %.300s, want %s %d %.300s",
                 kind_name(a->kind), a->status, a->body,
                 accepted ? "accepted" : "refused", w->status, w->body);
    return ok ? CHECK_PASS : CHECK_FAIL;
}

int check_api_token(const struct run_ctx *r, const json_t *c, char *why,
                    size_t n)
{
    struct want   w = { 0, text(c, "body"), text(c, "edge") };
    const json_t *req = json_object_get(c, "request");
    struct world *world;
    struct answer a;
    int           rc;

    if (strcmp(w.edge, "skip") == 0)
        return CHECK_SKIP;
    world = open_world(r, c, why, n);
    if (!world)
        return CHECK_FAIL;
    w.status = (int)json_integer_value(json_object_get(c, "status"));
    rc = world_run(world, text(req, "method"), ae_cs(text(req, "path")),
                   json_object_get(req, "headers"), ae_s(NULL, 0), &a);
    rc = rc ? CHECK_FAIL : judge_token(&a, c, &w, why, n);
    answer_free(&a);
    return rc;
}
