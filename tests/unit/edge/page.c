/* page.c, status.c - pages of our own: who sees them, and what they say. */
#include "fixture.h"
#include "edge/status.h"

static char body[200000], head[4000];

static int get(struct fx *f, const char *user, const char *target)
{
    ae_heap heap = { 0 };
    struct fx_req q = { .user = user, .target = target };
    struct fx_call c;
    struct ae_act act;
    ae_txn *t;
    int status;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    status = act.reply.status;
    snprintf(body, sizeof body, "%.*s", (int)act.reply.body.n,
             act.reply.body.p);
    fx_fields(head, sizeof head, act.reply.hdr, act.reply.nhdr);
    if (status == 200)
        tap_ok(act.kind == AE_CACHED, "%s leaves as a stored answer", target);
    tap_ok(ae_txn_audit(t, status).p == NULL, "and is in no audit log");
    ae_txn_end(t);
    ae_heap_free(&heap);
    return status;
}

static json_t *json_of(void)
{
    struct ae_err err = { 0 };
    json_t *v = ae_json_parse(ae_cs(body), 16, &err);

    tap_ok(v != NULL, "JSON (%s)", err.text);
    return v;
}

static void guarded(struct fx *f)
{
    f->loc.serve = AE_SERVE_STATUS;
    tap_ok(get(f, NULL, "/argo-edge/") == 401, "not for nobody");
    tap_ok(get(f, "alice", "/argo-edge/?data=1") == 403 && !strchr(body, '{'),
           "not for everybody");
    tap_ok(get(f, "admin", "/argo-edge/?data=1") == 200,
           "for administrators");
    f->loc.serve = AE_SERVE_STATUS_OPEN;
    tap_ok(get(f, NULL, "/argo-edge/") == 200, "or for whom the server lets");
}

static void html(struct fx *f)
{
    const char *nonce;

    get(f, NULL, "/argo-edge/");
    tap_ok(strstr(body, "</html>") && !strstr(body, "@@"), "whole");
    nonce = strstr(head, "script-src 'nonce-");
    tap_ok(nonce && strstr(head, "default-src 'none'"), "a strict policy");
    if (nonce) {
        char want[80];

        snprintf(want, sizeof want, "<script nonce='%.32s'>",
                 nonce + sizeof "script-src 'nonce-" - 1);
        tap_ok(strstr(body, want) != NULL, "that lets its own script run");
    }
    tap_ok(!strstr(body, "http://") && !strstr(body, "https://")
           && !strstr(body, "innerHTML"), "nothing from elsewhere, and texts "
           "stay texts");
}

static void data(struct fx *f)
{
    json_t *v, *o;
    const char *id;
    char target[200];

    f->loc.serve = AE_SERVE_NONE;
    fx_get(f, "bob", "/api/v1/projects/teama");
    fx_get(f, "bob", "/api/v1/projects/teama");
    fx_get(f, "alice", "/api/v1/projects/teama");
    f->loc.serve = AE_SERVE_STATUS_OPEN;
    tap_ok(get(f, NULL, "/argo-edge/?data=1") == 200, "data");
    v = json_of();
    o = json_array_get(json_object_get(v, "top"), 0);
    tap_ok(json_integer_value(json_object_get(o, "n")) == 2
           && ae_eq_lit(ae_json_get_str(o, "subject"), "bob"),
           "refusals that are alike are one");
    tap_ok(json_integer_value(json_object_get(json_object_get(v, "counters"),
                                              "requests")) == 3,
           "those who look on are not counted");
    tap_ok(json_array_size(json_object_get(v, "recent")) == 3,
           "live decisions");
    id = json_string_value(json_object_get(o, "id"));
    snprintf(target, sizeof target, "/argo-edge/?explain=%s", id);
    json_decref(v);
    tap_ok(get(f, NULL, target) == 200, "a decision by its id");
    v = json_of();
    o = json_object_get(v, "explain");
    tap_ok(ae_eq_lit(ae_json_get_str(o, "verdict"), "deny")
           && ae_eq_lit(ae_json_get_str(o, "user"), "bob")
           && json_array_size(json_object_get(o, "near_misses")),
           "explained");
    json_decref(v);
    tap_ok(get(f, NULL, "/argo-edge/?explain=00000000000000000000000000000000"
           ) == 404 && get(f, NULL, "/argo-edge/?explain=x") == 404,
           "an unknown one");
}

static void can(struct fx *f)
{
    json_t *v, *o;

    tap_ok(get(f, NULL, "/argo-edge/?can=1&user=x&groups=a,role%3Aadmin%20,&"
               "resource=projects&action=get&object=team%2fa+b") == 200,
           "can");
    v = json_of();
    o = json_object_get(v, "explain");
    tap_ok(ae_eq_lit(ae_json_get_str(o, "object"), "team/a b")
           && ae_eq_lit(ae_json_get_str(o, "user"), "x")
           && ae_eq_lit(ae_json_str(json_array_get(json_object_get(o,
              "groups"), 1)), "role:admin"), "what was asked");
    json_decref(v);
    tap_ok(get(f, NULL, "/argo-edge/?can=1&user=%ff&object=%0") == 200,
           "bytes that are no text");
    json_decref(json_of());
}

static void params(struct fx *f)
{
    ae_str t = AE_STR("/x?a=1&b&c=%41%4&a=2");

    tap_ok(ae_eq_lit(ae_status_param(&f->a, t, AE_STR("a")), "1"), "first");
    tap_ok(ae_eq_lit(ae_status_param(&f->a, t, AE_STR("b")), "")
           && ae_status_param(&f->a, t, AE_STR("b")).p, "without a value");
    tap_ok(ae_eq_lit(ae_status_param(&f->a, t, AE_STR("c")), "A%4"),
           "decoded");
    tap_ok(!ae_status_param(&f->a, t, AE_STR("d")).p
           && !ae_status_param(&f->a, AE_STR("/a=1"), AE_STR("a")).p,
           "not there");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    f.conf.watched = true;
    guarded(&f);
    html(&f);
    data(&f);
    can(&f);
    params(&f);
    fx_close(&f);
    return tap_done();
}
