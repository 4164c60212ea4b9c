/*
 * steps_body.c - NEED_BODY: where the object of the permission stands in the
 * body, read it as Go would, or leave it to the upstream (R31).
 */
#include "edge/edge.h"

#define DEPTH_MAX 16 /* T17 */
#define KEYS_MAX 64  /* members of one object that are compared pairwise */

/* ---- member names ------------------------------------------------------- */

/* One character folded as encoding/json folds names: ASCII case, and the two
 * code points that fold into ASCII (long s, Kelvin sign). */
static size_t fold(ae_str s, size_t at, char *out)
{
    unsigned char c = (unsigned char)s.p[at];

    if (s.n - at >= 2 && c == 0xC5 && (unsigned char)s.p[at + 1] == 0xBF) {
        *out = 's';
        return 2;
    }
    if (s.n - at >= 3 && c == 0xE2 && (unsigned char)s.p[at + 1] == 0x84
        && (unsigned char)s.p[at + 2] == 0xAA) {
        *out = 'k';
        return 3;
    }
    *out = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return 1;
}

bool ae_body_same_name(ae_str a, ae_str b)
{
    size_t i = 0, j = 0;

    while (i < a.n && j < b.n) {
        char x, y;

        i += fold(a, i, &x);
        j += fold(b, j, &y);
        if (x != y)
            return false;
    }
    return i == a.n && j == b.n;
}

/* Names that lead to what is decided. */
static const char *const known[] = {
    "name", "project", "namespace", "appNamespace", "appProject", "metadata",
    "spec", "template", "application", "applicationset", "source", "repo",
    "url", "server", "creds", "username", "role", "upsert", "destination",
    "currentPassword", "newPassword", "certificates", "revision", "manifests",
    "dryRun", "group", "kind", "version", "resourceName", "action",
};

static enum ae_keys odd_name(ae_str k)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (ae_body_same_name(k, ae_cs(known[i])))
            return ae_eq(k, ae_cs(known[i])) ? AE_KEYS_FINE : AE_KEYS_ODD;
    return AE_KEYS_FINE;
}

/* Labels and annotations are maps of the user's own keys: their case is not
 * a spelling of ours. */
static bool user_map(ae_str k)
{
    return ae_eq_lit(k, "labels") || ae_eq_lit(k, "annotations");
}

enum ae_keys ae_body_keys(const json_t *v, int depth)
{
    enum ae_keys worst = AE_KEYS_FINE, k;
    ae_str seen[KEYS_MAX];
    size_t n = 0;

    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            k = ae_body_keys(json_array_get(v, i), depth + 1);
            worst = k > worst ? k : worst;
        }
        return worst;
    }
    if (!json_is_object(v))
        return AE_KEYS_FINE;
    if (depth > DEPTH_MAX || json_object_size(v) > KEYS_MAX)
        return AE_KEYS_ODD;
    for (void *it = json_object_iter((json_t *)(uintptr_t)v); it;
         it = json_object_iter_next((json_t *)(uintptr_t)v, it)) {
        ae_str name = ae_cs(json_object_iter_key(it));

        for (size_t i = 0; i < n; i++)
            if (ae_body_same_name(seen[i], name))
                return AE_KEYS_CLASH;
        seen[n++] = name;
        k = odd_name(name);
        worst = k > worst ? k : worst;
        if (user_map(name))
            continue;
        k = ae_body_keys(json_object_iter_value(it), depth + 1);
        worst = k > worst ? k : worst;
    }
    return worst;
}

ae_str ae_body_member(const json_t *o, ae_str name)
{
    for (void *it = json_object_iter((json_t *)(uintptr_t)o); it;
         it = json_object_iter_next((json_t *)(uintptr_t)o, it))
        if (ae_body_same_name(ae_cs(json_object_iter_key(it)), name))
            return ae_json_str(json_object_iter_value(it));
    return ae_s(NULL, 0);
}

/* ---- the step ----------------------------------------------------------- */

static enum ae_step_ret undecided(ae_txn *t, const char *why)
{
    t->skip_decide = true;
    t->reason = why;
    return AE_STEP_MORE;
}

static enum ae_step_ret ask_body(ae_txn *t, size_t max)
{
    if (t->req->content_length > 0
        && (uint64_t)t->req->content_length > max)
        return undecided(t, "body too big to read");
    if (!t->body.a)
        ae_buf_init(&t->body, &t->a, max);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_BODY;
    t->act.body.max = max;
    return AE_STEP_ACT;
}

/* An empty body and null are an empty message (semantics-api section 1). */
static enum ae_step_ret parse_json(ae_txn *t)
{
    ae_str text = ae_trim(ae_buf_str(&t->body));
    struct ae_err err = { 0 };

    if (text.n == 0 || ae_eq_lit(text, "null"))
        t->json = json_null();
    else
        t->json = ae_json_parse(text, DEPTH_MAX, &err);
    if (!t->json) {
        if (ae_find_str(ae_cs(err.text), AE_STR("duplicate")) != SIZE_MAX) {
            t->reason = "duplicate member in the body";
            return ae_reply_error(t, 400, 3,
                                  AE_STR("duplicate member in the body"));
        }
        /* Go's error text is not ours to invent. */
        return undecided(t, "body does not parse");
    }
    switch (ae_body_keys(t->json, 0)) {
    case AE_KEYS_CLASH:
        t->reason = "duplicate member in the body";
        return ae_reply_error(t, 400, 3,
                              AE_STR("duplicate member in the body"));
    case AE_KEYS_ODD:
        return undecided(t, "unusual member name in the body");
    case AE_KEYS_FINE:
        break;
    }
    if (ae_route_checks(&t->snap->route, t->about, t->json, &t->a,
                        &t->checks) != AE_OK)
        t->a.failed = true;
    if (t->checks.need_body)
        return undecided(t, "the body does not settle the object");
    return AE_STEP_MORE;
}

static enum ae_step_ret rest_body(ae_txn *t)
{
    size_t max = t->loc->max_body > 0 ? (size_t)t->loc->max_body : 0;

    if (!t->checks_made) {
        if (ae_route_checks(&t->snap->route, t->about, NULL, &t->a,
                            &t->checks) != AE_OK)
            t->a.failed = true;
        t->checks_made = true;
    }
    if (!t->checks.need_body)
        return AE_STEP_MORE;
    if (t->loc->mode == AE_MODE_SHADOW)
        return undecided(t, "shadow reads no bodies");
    if (t->req->has_body && !t->body_done) {
        if (max == 0)
            return undecided(t, "bodies are not read");
        return ask_body(t, max);
    }
    if (t->body_big)
        return undecided(t, "body too big to read");
    return parse_json(t);
}

static enum ae_step_ret grpc_body(ae_txn *t)
{
    int rc;

    if (t->loc->mode == AE_MODE_SHADOW)
        return undecided(t, "shadow reads no bodies");
    if (t->req->has_body && !t->body_done)
        return ask_body(t, AE_GRPC_MAX);
    if (t->body_big)
        return undecided(t, "body too big to read");
    rc = ae_grpc_bind(t->tgt.op, ae_buf_str(&t->body), &t->a, &t->bound);
    if (rc == AE_E_NOMEM)
        t->a.failed = true;
    if (rc != AE_OK || t->bound.doubtful)
        return undecided(t, "gRPC message is not plain");
    t->about = &t->bound;
    if (ae_route_checks(&t->snap->route, t->about, NULL, &t->a,
                        &t->checks) != AE_OK)
        t->a.failed = true;
    t->checks_made = true;
    if (t->checks.need_body || t->checks.can_i)
        return undecided(t, "not decided for gRPC");
    return AE_STEP_MORE;
}

enum ae_step_ret ae_step_body(ae_txn *t)
{
    if (t->skip_decide || !ae_may_decide(t))
        return AE_STEP_MORE;
    if (t->tgt.kind == AE_TGT_GRPC)
        return grpc_body(t);
    if (t->tgt.kind == AE_TGT_OP && !ae_allowed_before(t))
        return rest_body(t);
    return AE_STEP_MORE;
}
