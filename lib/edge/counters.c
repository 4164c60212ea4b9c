/*
 * counters.c - what happened, in numbers (board.h).
 */
#include "edge/edge.h"

size_t ae_counter_count(void)
{
    return AE_N__COUNT;
}

const char *ae_counter_name(size_t i)
{
    static const char *const names[AE_N__COUNT] = {
#define X(n) #n,
        AE_COUNTERS(X)
#undef X
    };
    return i < AE_N__COUNT ? names[i] : NULL;
}

uint64_t ae_counter_value(const ae_engine *e, size_t i)
{
    if (!e || i >= AE_N__COUNT)
        return 0;
    return ae_board_sum(&e->board, (enum ae_counter)i);
}

/* ---- by operation ------------------------------------------------------ */

void ae_pairs_make(struct ae_pairs *p)
{
    const struct ae_op *op;
    size_t i, k;

    p->resource[0] = p->action[0] = "none";
    p->n = 1;
    for (i = 0; i < sizeof p->of && (op = ae_op_at(i)); i++) {
        p->of[i] = 0;
        if (!op->resource[0])
            continue;
        for (k = 1; k < p->n; k++)
            if (strcmp(p->resource[k], op->resource) == 0
                && strcmp(p->action[k], op->action) == 0)
                break;
        if (k == AE_PAIRS)
            continue;
        if (k == p->n) {
            p->resource[k] = op->resource;
            p->action[k] = op->action;
            p->n++;
        }
        p->of[i] = (uint8_t)k;
    }
}

enum ae_result ae_result_of(const ae_txn *t)
{
    int status = t->shadow_status ? t->shadow_status : t->act.reply.status;

    switch (t->act.kind) {
    case AE_FAIL:
        return AE_RES_FAIL;
    case AE_CACHED:
        return AE_RES_ALLOW;
    case AE_REPLY:
        /* gRPC says no with 200 and a grpc-status; it has no can-i here */
        return status == 200 && t->tgt.kind != AE_TGT_GRPC ? AE_RES_ANSWER
                                                           : AE_RES_DENY;
    default:
        break;
    }
    if (t->shadow_status)
        return t->shadow_status == 200 && t->tgt.kind != AE_TGT_GRPC
            ? AE_RES_ANSWER : AE_RES_DENY;
    if (!t->decided)
        return AE_RES_FORWARD;
    return t->verdict == AE_ALLOW ? AE_RES_ALLOW
        : t->verdict == AE_DENY ? AE_RES_DENY : AE_RES_UNKNOWN;
}

unsigned ae_caller_of(const ae_txn *t)
{
    if (t->id)
        return (unsigned)t->id->kind < AE_CALLER_UNKNOWN
            ? (unsigned)t->id->kind : AE_CALLER_UNKNOWN;
    return t->cred.source == AE_CRED_NONE && !t->bad_token
        ? AE_KIND_NONE : AE_CALLER_UNKNOWN;
}

const char *ae_caller_name(unsigned c)
{
    if (c == AE_CALLER_UNKNOWN)
        return "unknown";
    return c == AE_KIND_NONE ? "none"
                             : ae_token_kind_name((enum ae_token_kind)c);
}

/* A decision takes microseconds, an upstream milliseconds. */
const int64_t ae_decide_us[AE_BUCKETS] = {
    1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 5000, 25000, 100000, 1000000,
};
const int64_t ae_upstream_us[AE_BUCKETS] = {
    5000, 10000, 25000, 50000, 75000, 100000, 250000, 500000, 750000,
    1000000, 2500000, 5000000, 7500000, 10000000,
};

void ae_count_decision(ae_txn *t)
{
    struct ae_stripe *s = t->e->board.mine;
    bool alone = t->e->board.alone;
    size_t op = t->tgt.op ? (size_t)(t->tgt.op - ae_op_at(0)) : SIZE_MAX;
    unsigned pair = op < sizeof t->e->pairs.of ? t->e->pairs.of[op] : 0;

    ae_add64(&s->decision[pair][ae_result_of(t)][ae_caller_of(t)], 1, alone);
    ae_hist_add(&s->decide, ae_decide_us, ae_edge_mono(t->e) - t->mono_us,
                alone);
}

/* ---- refusals ---------------------------------------------------------- */

/* The closed list of refusals that are stricter than Argo CD's, by the reason
 * that the steps give. */
static const struct { const char *reason; enum ae_counter n; } closed[] = {
    { "not in canonical form", AE_N_closed_canonical },
    { "duplicate header", AE_N_closed_duplicate },
    { "credential refused", AE_N_closed_credential },
    { "token refused by a stricter rule", AE_N_closed_token },
    { "cross-site", AE_N_closed_cross_site },
    { "grpc is off", AE_N_closed_grpc_off },
    { "unknown route", AE_N_closed_unknown_route },
    { "token refused a moment ago", AE_N_closed_dead_token },
    { "duplicate member in the body", AE_N_closed_duplicate },
    { "ambiguous member in the body", AE_N_closed_duplicate },
    { "rule of the operator", AE_N_closed_rule },
    { "webhook from elsewhere", AE_N_closed_rule },
};

bool ae_refusal_closed(const ae_txn *t, int status, enum ae_counter *which)
{
    *which = AE_N_closed_limit;
    if (status == 429 || status == 413) /* never Argo CD's own */
        return true;
    if (!t->reason)
        return false;
    /* item 3: a bad token is no anonymous caller */
    *which = AE_N_closed_anonymous;
    if (status == 401 && t->snap->in.anonymous
        && strcmp(t->reason, "token refused") == 0)
        return true;
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        if (strcmp(t->reason, closed[i].reason) != 0)
            continue;
        *which = closed[i].n;
        /* "no JWT" is Argo CD's own 401 */
        return closed[i].n != AE_N_closed_credential || status == 400
            || status == 431;
    }
    return false;
}

const char *ae_jwt_name(unsigned why)
{
    static const char *const names[AE_JWT__N] = {
        "other", "signature", "expired", "not_yet_valid", "malformed",
        "account", "project", "revoked", "stricter", "no_sso", "issuer",
        "audience", "unknown_key", "algorithm", "claims",
    };

    return why < AE_JWT__N ? names[why] : "other";
}

/* Argo CD says one sentence for all that is wrong with a token of SSO. */
static enum ae_jwt_why why_sso(const struct ae_token_result *r)
{
    switch (r->sso_at) {
    case AE_TS_ISSUER:
        return ae_eq_lit(r->reason, "SSO is not configured") ? AE_JWT_NO_SSO
                                                             : AE_JWT_ISSUER;
    case AE_TS_AUDIENCE:  return AE_JWT_AUDIENCE;
    case AE_TS_KEY:       return AE_JWT_UNKNOWN_KEY;
    case AE_TS_SIGNATURE: return AE_JWT_SIGNATURE;
    case AE_TS_NBF:       return AE_JWT_NOT_YET;
    case AE_TS_ALG:       return AE_JWT_ALGORITHM;
    default:              return AE_JWT_CLAIMS;
    }
}

/* Argo CD's words for what is wrong with one of its own, as a closed set. */
static enum ae_jwt_why why(const struct ae_token_result *r)
{
    static const struct { ae_str part; enum ae_jwt_why n; } part[] = {
        { { "signature", 9 }, AE_JWT_SIGNATURE },
        { { "expired", 7 }, AE_JWT_EXPIRED },
        { { "not valid yet", 13 }, AE_JWT_NOT_YET },
        { { "used before issued", 18 }, AE_JWT_NOT_YET },
        { { "malformed", 9 }, AE_JWT_MALFORMED },
        { { "unverifiable", 12 }, AE_JWT_MALFORMED },
        { { "revoked", 7 }, AE_JWT_REVOKED },
        { { "project", 7 }, AE_JWT_PROJECT },
        { { "role", 4 }, AE_JWT_PROJECT },
        { { "account", 7 }, AE_JWT_ACCOUNT },
        { { "password", 8 }, AE_JWT_ACCOUNT },
        { { "capability", 10 }, AE_JWT_ACCOUNT },
        { { "identifier", 10 }, AE_JWT_ACCOUNT },
    };

    for (size_t i = 0; i < sizeof part / sizeof part[0]; i++)
        if (ae_find_str(r->reason, part[i].part) != SIZE_MAX)
            return part[i].n;
    return AE_JWT_OTHER;
}

void ae_count_jwt(ae_txn *t, const struct ae_token_result *r)
{
    enum ae_jwt_why w = r->stricter ? AE_JWT_STRICTER
                      : r->sso ? why_sso(r) : why(r);
    unsigned kind = r->kind == AE_KIND_NONE ? AE_CALLER_UNKNOWN
                                            : (unsigned)r->kind;

    ae_add64(&t->e->board.mine->jwt[kind][w], 1, t->e->board.alone);
}
