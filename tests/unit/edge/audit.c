/* audit.c - the line of a decision: what it says, and what it must not. */
#include "fixture.h"

static char line[20000];

static const char *audit(struct fx *f, struct fx_req q)
{
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_act act;
    ae_str s;
    ae_txn *t;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    s = ae_txn_audit(t, act.kind == AE_FORWARD ? 200 : act.reply.status);
    snprintf(line, sizeof line, "%.*s", (int)s.n, s.p ? s.p : "");
    ae_txn_end(t);
    ae_heap_free(&heap);
    return line;
}

static json_t *parsed(const char *text)
{
    struct ae_err err = { 0 };
    json_t *v = ae_json_parse(ae_cs(text), 8, &err);

    tap_ok(v != NULL, "is JSON without a member twice (%s)", err.text);
    return v;
}

static void is(const json_t *v, const char *key, const char *want)
{
    ae_str s = ae_json_get_str(v, key);

    tap_ok(want ? ae_eq(s, ae_cs(want)) : s.p == NULL, "%s", key);
}

static void denied(struct fx *f)
{
    json_t *v = parsed(audit(f, (struct fx_req){ .user = "bob",
        .target = "/api/v1/projects/teama?secret=abc" }));
    char hash[40];

    is(v, "event.outcome", "failure");
    is(v, "event.action", "ProjectService_Get");
    is(v, "user.id", "bob");
    is(v, "argo_edge.decision", "deny");
    is(v, "argo_edge.token_kind", "apikey");
    is(v, "argo_edge.resource", "projects");
    is(v, "argo_edge.action", "get");
    is(v, "argo_edge.object", "teama");
    is(v, "url.path", "/api/v1/projects/teama");
    is(v, "http.route", "/api/v1/projects/{name}");
    is(v, "@timestamp", "2027-01-15T08:00:00.000Z");
    tap_ok(json_integer_value(json_object_get(v, "argo_edge.security")) == 2,
           "security level");
    tap_ok(ae_json_get_str(v, "event.id").n == 32, "an id");
    tap_ok(!strstr(line, "secret"), "no query");
    tap_ok(line[strlen(line) - 1] == '\n', "one line");
    snprintf(hash, sizeof hash, "%s", json_string_value(
        json_object_get(v, "argo_edge.token_id_hash")));
    json_decref(v);
    v = parsed(audit(f, (struct fx_req){ .user = "bob",
        .target = "/api/v1/projects/teamb" }));
    is(v, "argo_edge.token_id_hash", hash);
    json_decref(v);
}

static void allowed(struct fx *f)
{
    json_t *v = parsed(audit(f, (struct fx_req){ .user = "alice",
        .target = "/api/v1/projects/teamb" }));

    is(v, "event.outcome", "success");
    is(v, "rule.name", "builtin:6");
    is(v, "argo_edge.cache", "miss");
    json_decref(v);
    v = parsed(audit(f, (struct fx_req){ .target = "/api/v1/applications" }));
    is(v, "event.outcome", "failure");
    is(v, "argo_edge.token_kind", "none");
    is(v, "user.id", NULL);
    is(v, "event.reason", "no token");
    json_decref(v);
}

/* Whatever a client sends, a line stays a line. */
static void hostile(struct fx *f)
{
    static const char bad[] = "a\r\n\x1b[31m\"\\\x7f\xc2\x9b\xff\xf0\x9f\x98"
                              "\x80 end";
    ae_heap heap = { 0 };
    struct fx_req q = { .user = "bob", .target = "/api/v1/projects/x" };
    struct fx_call c;
    struct ae_act act;
    const char *token;
    json_t *v;
    ae_str s;
    ae_txn *t;
    size_t odd = 0;

    fx_fill(f, &q, &c);
    c.req.hdr[AE_H_USER_AGENT] = ae_cs(bad);
    c.req.hdr[AE_H_TRACEPARENT] = AE_STR("00-0af7651916cd43dd8448eb211c80319c"
                                         "-b7ad6b7169203331-01");
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    s = ae_txn_audit(t, 403);
    for (size_t i = 0; i + 1 < s.n; i++)
        odd += s.p[i] < 0x20 || s.p[i] > 0x7e;
    tap_ok(s.n && odd == 0, "printable ASCII and nothing else");
    v = parsed(ae_dup(&f->a, s).p);
    is(v, "user_agent.original", "a\r\n\x1b[31m\"\\\x7f\xc2\x9b\xef\xbf\xbd"
       "\xf0\x9f\x98\x80 end");
    is(v, "trace.id", "0af7651916cd43dd8448eb211c80319c");
    token = fx_token(f, "bob");
    tap_ok(ae_find_str(s, ae_cs(strrchr(token, '.') + 1)) == SIZE_MAX,
           "no part of the token");
    json_decref(v);
    ae_txn_end(t);
    ae_heap_free(&heap);
}

static void quiet(struct fx *f)
{
    f->loc.mode = AE_MODE_OFF;
    tap_ok(!*audit(f, (struct fx_req){ .user = "bob", .target = "/x" }),
           "nothing of what was not decided");
    f->loc.mode = AE_MODE_SHADOW;
    tap_ok(strstr(audit(f, (struct fx_req){ .user = "bob",
           .target = "/api/v1/projects/teama" }), "\"argo_edge.mode\":"
           "\"shadow\"") && strstr(line, "\"argo_edge.decision\":\"deny\""),
           "shadow says what it would have said");
    f->loc.mode = AE_MODE_ENFORCE;
}

static void rings(struct fx *f)
{
    struct ae_event ev;
    char hex[33] = "";

    audit(f, (struct fx_req){ .user = "bob",
          .target = "/api/v1/projects/teamb" });
    tap_ok(ae_board_event(&f->e->board, AE_RING_REFUSED, 0, &ev)
           && strcmp(ev.subject, "bob") == 0
           && strcmp(ev.object, "teamb") == 0 && ev.status == 403,
           "a refusal is kept");
    ae_hex(ev.id, 16, hex);
    tap_ok(strstr(line, hex) != NULL, "by its id");
    tap_ok(!ae_board_event(&f->e->board, AE_RING_ALL, 0, &ev),
           "the rest only if somebody looks");
    f->conf.watched = true;
    audit(f, (struct fx_req){ .user = "alice",
          .target = "/api/v1/projects/teamb" });
    tap_ok(ae_board_event(&f->e->board, AE_RING_ALL, 0, &ev)
           && ev.result == AE_RES_ALLOW, "then it is");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    denied(&f);
    allowed(&f);
    hostile(&f);
    quiet(&f);
    rings(&f);
    fx_close(&f);
    return tap_done();
}
