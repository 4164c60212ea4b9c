/*
 * rules_sync.c - what a sync is asked to do, read as Argo CD reads it (R31):
 * JSON by the rules of Go's decoder, gRPC by the fields of its message.
 */
#include "edge/rules.h"

#define DEPTH 16

static bool is(const struct ae_op *op, const char *name)
{
    return strcmp(op->name, name) == 0;
}

bool ae_rules_is_sync(const struct ae_op *op)
{
    return is(op, "ApplicationService_Sync")
        || is(op, "ApplicationService_Rollback");
}

/* ---- JSON --------------------------------------------------------------- */

/* Go takes any case of a name for the name: what is read here must be spelled
 * as it is read. */
static bool odd(const json_t *o, const char *const *names, size_t n)
{
    const char *key;
    json_t *v;

    json_object_foreach((json_t *)(uintptr_t)o, key, v) {
        for (size_t i = 0; i < n; i++)
            if (ae_body_same_name(ae_cs(key), ae_cs(names[i]))
                && strcmp(key, names[i]) != 0)
                return true;
    }
    return false;
}

#define ODD(o, ...)                                                      \
    odd(o, (const char *const[]){ __VA_ARGS__ },                         \
        sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static const json_t *get(const json_t *o, const char *key)
{
    return json_object_get(o, key);
}

static bool option(const json_t *items, const char *text)
{
    for (size_t i = 0; i < json_array_size(items); i++)
        if (ae_eq(ae_json_str(json_array_get(items, i)), ae_cs(text)))
            return true;
    return false;
}

static bool given(const json_t *v)
{
    return json_string_length(v) > 0 || json_array_size(v) > 0;
}

/* False: a name is spelled so that Go and we might read it differently. */
static bool from_json(const json_t *o, unsigned *facts)
{
    const json_t *st = get(o, "strategy"), *so = get(o, "syncOptions");
    const json_t *items = get(so, "items");

    if (ODD(o, "dryRun", "prune", "strategy", "syncOptions", "revision",
            "revisions", "manifests", "appNamespace")
        || ODD(st, "apply", "hook") || ODD(so, "items")
        || ODD(get(st, "apply"), "force") || ODD(get(st, "hook"), "force"))
        return false;
    if (!json_is_true(get(o, "dryRun")))
        *facts |= AE_SYNC_LIVE;
    if (json_is_true(get(o, "prune")))
        *facts |= AE_SYNC_PRUNE;
    if (json_is_true(get(get(st, "apply"), "force"))
        || json_is_true(get(get(st, "hook"), "force"))
        || option(items, "Force=true"))
        *facts |= AE_SYNC_FORCE;
    if (option(items, "Replace=true"))
        *facts |= AE_SYNC_REPLACE;
    if (given(get(o, "revision")) || given(get(o, "revisions")))
        *facts |= AE_SYNC_REVISION;
    if (given(get(o, "manifests")))
        *facts |= AE_SYNC_MANIFESTS;
    return true;
}

int ae_rules_ask_body(ae_txn *t, size_t max)
{
    if (!t->req->has_body || t->body_done)
        return AE_OK;
    if (max == 0 || (t->req->content_length > 0
                     && (uint64_t)t->req->content_length > max))
        return AE_E_UNSUP;
    if (!t->body.a)
        ae_buf_init(&t->body, &t->a, max);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_BODY;
    t->act.body.max = max;
    return AE_E_AGAIN;
}

static int refuse_names(ae_txn *t)
{
    t->reason = "ambiguous member in the body";
    ae_reply_error(t, 400, 3, AE_STR("ambiguous member name in the body"));
    return AE_E_INVAL;
}

/* The body of a REST call as an object, the caller's. */
static int rest_body(ae_txn *t, struct ae_err *err, json_t **out)
{
    int64_t max = t->loc->max_body;
    ae_str text;
    int rc = ae_rules_ask_body(t, max > 0 ? (size_t)max : 0);

    *out = NULL;
    if (rc != AE_OK)
        return rc;
    if (t->body_big)
        return AE_E_UNSUP;
    text = ae_trim(ae_buf_str(&t->body));
    /* An empty body and null are an empty message (semantics-api 1). */
    if (text.n == 0 || ae_eq_lit(text, "null"))
        *out = json_object();
    else
        *out = ae_json_parse(text, DEPTH, err);
    return AE_OK;
}

int ae_rules_body_project(ae_txn *t, ae_str *out)
{
    json_t *o;
    int rc = rest_body(t, NULL, &o);

    *out = ae_s(NULL, 0);
    if (rc == AE_OK && json_is_object(o) && !ODD(o, "project")
        && ae_body_keys(o, 0) != AE_KEYS_CLASH)
        *out = ae_dup(&t->a, ae_json_get_str(o, "project"));
    json_decref(o);
    return rc;
}

static int rest_facts(ae_txn *t, unsigned *facts)
{
    struct ae_err err = { 0 };
    json_t *o;
    bool plain;
    int rc = rest_body(t, &err, &o);

    if (rc != AE_OK)
        return rc;
    if (!o && ae_find_str(ae_cs(err.text), AE_STR("duplicate")) != SIZE_MAX)
        return refuse_names(t);
    if (!json_is_object(o)) {
        json_decref(o);
        return AE_E_UNSUP; /* what Go makes of it is not known here */
    }
    plain = from_json(o, facts) && ae_body_keys(o, 0) != AE_KEYS_CLASH;
    json_decref(o);
    return plain ? AE_OK : refuse_names(t);
}

/* ---- gRPC --------------------------------------------------------------- */

static bool yes(const struct ae_target *b, const char *name)
{
    return ae_eq_lit(ae_target_get(b, name), "true");
}

static bool listed(const struct ae_target *b, const char *text)
{
    for (size_t i = 0; i < b->nq; i++)
        if (ae_eq_lit(b->q[i].name, "syncOptions.items")
            && ae_eq(b->q[i].value, ae_cs(text)))
            return true;
    return false;
}

static int grpc_facts(ae_txn *t, unsigned *facts)
{
    struct ae_target b;
    int rc = ae_rules_ask_body(t, AE_GRPC_MAX);

    if (rc != AE_OK)
        return rc;
    if (t->body_big)
        return AE_E_UNSUP;
    rc = ae_grpc_bind(t->tgt.op, ae_buf_str(&t->body), &t->a, &b);
    if (rc != AE_OK || b.doubtful)
        return AE_E_UNSUP;
    if (!yes(&b, "dryRun"))
        *facts |= AE_SYNC_LIVE;
    if (yes(&b, "prune"))
        *facts |= AE_SYNC_PRUNE;
    if (yes(&b, "strategy.apply.force") || yes(&b, "strategy.hook.force")
        || listed(&b, "Force=true"))
        *facts |= AE_SYNC_FORCE;
    if (listed(&b, "Replace=true"))
        *facts |= AE_SYNC_REPLACE;
    if (ae_target_get(&b, "revision").n || ae_target_get(&b, "revisions").p)
        *facts |= AE_SYNC_REVISION;
    if (ae_target_get(&b, "manifests").p)
        *facts |= AE_SYNC_MANIFESTS;
    return AE_OK;
}

int ae_rules_sync_facts(ae_txn *t, unsigned *facts)
{
    *facts = 0;
    /* A rollback is another revision than the one that is wanted. */
    if (is(t->tgt.op, "ApplicationService_Rollback"))
        *facts |= AE_SYNC_REVISION;
    return t->tgt.kind == AE_TGT_GRPC ? grpc_facts(t, facts)
                                      : rest_facts(t, facts);
}
