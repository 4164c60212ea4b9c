/*
 * vars.c - what a log line may say of a transaction.  Client bytes are
 * escaped, and no token, cookie, key or body is ever among them (T20).
 */
#include "edge/edge.h"

#define AE_VAR_MAX 512

const char *ae_var_name(enum ae_var v)
{
    static const char *const names[AE_V__N] = {
        [AE_V_DECISION] = "decision",
        [AE_V_RULE] = "rule",
        [AE_V_REASON] = "reason",
        [AE_V_SUBJECT] = "subject",
        [AE_V_TOKEN_KIND] = "token_kind",
        [AE_V_OPERATION] = "operation",
        [AE_V_RESOURCE] = "resource",
        [AE_V_ACTION] = "action",
        [AE_V_OBJECT] = "object",
        [AE_V_PROJECT] = "project",
        [AE_V_CACHE] = "cache",
        [AE_V_LIMIT] = "limit",
        [AE_V_POLICY_ID] = "policy_id",
        [AE_V_DECISION_ID] = "decision_id",
        [AE_V_CLASS] = "class",
    };
    return (unsigned)v < AE_V__N ? names[v] : NULL;
}

/* What became of the request, in one word.  A refusal that shadow mode kept
 * to itself shows as what it would have been. */
static ae_str decision(const ae_txn *t)
{
    return t->done ? ae_cs(ae_result_name(ae_result_of(t))) : ae_s(NULL, 0);
}

static ae_str rule(ae_txn *t)
{
    const struct ae_decision *d = &t->why;

    if (t->limit_at && t->done && t->act.kind == AE_REPLY
        && t->act.reply.status == 429)
        return ae_fmt(&t->a, "limit:%.*s", (int)t->limit_at->name.n,
                      t->limit_at->name.p);
    if (t->ruled)
        return ae_fmt(&t->a, "%.*s:%u", (int)t->rule_file.n, t->rule_file.p,
                      t->rule_line);
    if (!d->rule_file.n)
        return ae_s(NULL, 0);
    if (!d->rule_line)
        return d->rule_file;
    return ae_fmt(&t->a, "%.*s:%u", (int)d->rule_file.n, d->rule_file.p,
                  d->rule_line);
}

static ae_str why(const ae_txn *t)
{
    static const char *const names[] = {
        [AE_WHY_NO_RULE] = "no rule",
        [AE_WHY_RULE] = "rule",
        [AE_WHY_DEFAULT_ROLE] = "default role",
        [AE_WHY_ERROR] = "error in a pattern",
        [AE_WHY_UNKNOWN_PROJECT] = "unknown project",
        [AE_WHY_BUDGET] = "budget",
        [AE_WHY_EMPTY_POLICY] = "empty policy",
    };

    if (t->reason)
        return ae_cs(t->reason);
    if (!t->decided || (unsigned)t->why.why >= sizeof names / sizeof names[0])
        return ae_s(NULL, 0);
    return ae_cs(names[t->why.why]);
}

static ae_str subject(const ae_txn *t)
{
    if (!t->id)
        return ae_s(NULL, 0);
    return t->id->kind == AE_KIND_ANONYMOUS ? AE_STR("") : t->id->user;
}

static ae_str object(ae_txn *t)
{
    const struct ae_check *c = ae_asked(t);

    if (!c)
        return ae_s(NULL, 0);
    return c->obj == AE_OBJ_FIXED ? c->object : c->suffix;
}

static ae_str resource(const ae_txn *t, bool action)
{
    if (t->at)
        return action ? t->at->action : t->at->resource;
    if (!t->tgt.op)
        return ae_s(NULL, 0);
    return ae_cs(action ? t->tgt.op->action : t->tgt.op->resource);
}

static ae_str project(const ae_txn *t)
{
    if (t->project.p)
        return t->project;
    return t->tgt.kind == AE_TGT_OP ? ae_target_get(&t->tgt, "project")
                                    : ae_s(NULL, 0);
}

/* Whose share of the cache was asked: enough of it to tell two apart. */
static ae_str class_of(ae_txn *t)
{
    char *hex = t->shared ? ae_alloc(&t->a, 16) : NULL;

    if (!hex)
        return ae_s(NULL, 0);
    ae_hex(t->rights->shared + sizeof t->rights->shared - 32, 8, hex);
    return ae_s(hex, 16);
}

ae_str ae_var_raw(ae_txn *t, enum ae_var v)
{
    switch (v) {
    case AE_V_DECISION: return decision(t);
    case AE_V_RULE: return rule(t);
    case AE_V_REASON: return why(t);
    case AE_V_SUBJECT: return subject(t);
    case AE_V_TOKEN_KIND:
        return t->id ? ae_cs(ae_token_kind_name(t->id->kind))
                     : ae_s(NULL, 0);
    case AE_V_OPERATION:
        if (t->loc->serve == AE_SERVE_PURGE)
            return AE_STR("CachePurge");
        return t->tgt.op ? ae_cs(t->tgt.op->name) : ae_s(NULL, 0);
    case AE_V_RESOURCE: return resource(t, false);
    case AE_V_ACTION: return resource(t, true);
    case AE_V_OBJECT: return object(t);
    case AE_V_PROJECT: return project(t);
    case AE_V_CACHE:
        return t->cache_var ? ae_cs(t->cache_var) : ae_s(NULL, 0);
    case AE_V_CLASS: return class_of(t);
    case AE_V_POLICY_ID: return ae_cs(t->snap->id);
    case AE_V_DECISION_ID:
        return t->id_made ? ae_s(t->id_hex, sizeof t->id_hex)
                          : ae_s(NULL, 0);
    case AE_V_LIMIT:
        return t->limit_var ? ae_cs(t->limit_var) : ae_s(NULL, 0);
    default:
        return ae_s(NULL, 0);
    }
}

ae_str ae_txn_var(ae_txn *t, enum ae_var v)
{
    ae_str s;

    if (!t || !t->snap)
        return ae_s(NULL, 0);
    s = ae_var_raw(t, v);
    if (!s.p)
        return s;
    return ae_log_escape(&t->a, s, AE_VAR_MAX);
}
