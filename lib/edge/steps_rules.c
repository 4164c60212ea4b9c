/*
 * steps_rules.c - RULES: what the operator's own rules take away, before the
 * policy and the cache are asked (R28, closed list item 6).  A refusal is 403
 * in Argo CD's shape and names its rule.  Where a rule cannot be judged it
 * refuses: whoever wrote it wants it to hold.
 */
#include "edge/rules.h"

static enum ae_step_ret refuse(ae_txn *t, const struct ae_own_rule *u,
                               enum ae_counter count, const char *why,
                               ae_str more)
{
    ae_buf b;

    ae_buf_init(&b, &t->a, 2048);
    if (u) {
        ae_buf_puts(&b, "argo-edge rule \"");
        ae_buf_put(&b, u->name);
        ae_buf_puts(&b, "\": ");
        t->rule_file = u->file;
        t->rule_line = u->line;
    } else {
        ae_buf_puts(&b, "argo-edge read_only: ");
        t->rule_file = t->snap->rules->in->read_only_file;
        t->rule_line = t->snap->rules->in->read_only_line;
    }
    ae_buf_puts(&b, why);
    ae_buf_put(&b, more);
    if (u && u->message.n) {
        ae_buf_puts(&b, ": ");
        ae_buf_put(&b, u->message);
    }
    if (b.bad)
        t->a.failed = true;
    t->ruled = true;
    t->reason = "rule of the operator";
    ae_count(t->e, count);
    return ae_reply_error(t, 403, 7, ae_buf_str(&b));
}

static bool is_op(const ae_txn *t)
{
    return (t->tgt.kind == AE_TGT_OP || t->tgt.kind == AE_TGT_GRPC)
        && t->tgt.op;
}

static bool safe_method(const ae_txn *t)
{
    return t->tgt.method == AE_M_GET || t->tgt.method == AE_M_HEAD
        || t->tgt.method == AE_M_OPTIONS;
}

/* Does the rule mean this operation?  What no table knows may be a write. */
static bool means(const ae_txn *t, const struct ae_rule_force *f)
{
    if (is_op(t))
        return ae_rules_op(f, t->tgt.op);
    return f->unknown && (t->tgt.kind == AE_TGT_GRPC || !safe_method(t));
}

/* ---- the message of a gRPC call ----------------------------------------- */

/* AE_E_AGAIN: t->act asks for it. */
static int grpc_message(ae_txn *t, struct ae_target *out)
{
    int rc = ae_rules_ask_body(t, AE_GRPC_MAX);

    if (rc != AE_OK)
        return rc;
    if (t->body_big || ae_grpc_bind(t->tgt.op, ae_buf_str(&t->body), &t->a,
                                    out) != AE_OK || out->doubtful)
        return AE_E_UNSUP;
    return AE_OK;
}

/* ---- read_only ---------------------------------------------------------- */

static bool may_refresh(const struct ae_op *op)
{
    for (size_t i = 0; i < op->nq; i++)
        if (op->q[i].side_effect)
            return true;
    return false;
}

/* AE_OK: changes nothing. */
static int only_reads(ae_txn *t)
{
    const struct ae_op *op = t->tgt.op;
    struct ae_target b;
    enum ae_op_class c;
    int rc;

    if (!is_op(t))
        return t->tgt.kind != AE_TGT_GRPC && safe_method(t) ? AE_OK
                                                            : AE_E_INVAL;
    c = ae_rules_class(op);
    if (c == AE_CLASS_OPEN)
        return AE_OK;
    if (op->auth == AE_AUTH_COOKIE) /* an extension, but no terminal */
        return safe_method(t) && t->extension ? AE_OK : AE_E_INVAL;
    if (c != AE_CLASS_READ || t->tgt.side_effect)
        return AE_E_INVAL;
    if (t->tgt.kind != AE_TGT_GRPC || !may_refresh(op))
        return AE_OK;
    rc = grpc_message(t, &b);
    if (rc == AE_OK && b.side_effect)
        rc = AE_E_INVAL;
    return rc;
}

static enum ae_step_ret read_only(ae_txn *t)
{
    int rc;

    if (!t->snap->rules->in->read_only)
        return AE_STEP_MORE;
    rc = only_reads(t);
    if (rc == AE_E_AGAIN)
        return AE_STEP_ACT;
    return rc == AE_OK ? AE_STEP_MORE
        : refuse(t, NULL, AE_N_rule_read_only, "nothing may be changed here",
                 AE_STR(""));
}

/* ---- virtual patches ---------------------------------------------------- */

static enum ae_step_ret patch(ae_txn *t, const struct ae_rule_force *f)
{
    if (!means(t, f))
        return AE_STEP_MORE;
    if (f->rule->no_cache) {
        t->no_cache = true;
        return AE_STEP_MORE;
    }
    return refuse(t, f->rule, AE_N_rule_patch, "this operation is switched"
                  " off", AE_STR(""));
}

/* ---- who asks ----------------------------------------------------------- */

/* gRPC that is passed on was not looked at: who asks is found here, and
 * nothing else is concluded.  False: it cannot be told. */
static bool identify(ae_txn *t)
{
    struct ae_token_result r = { 0 };
    struct ae_cred saved = t->cred, mine;
    enum ae_pick_result got;

    if (t->tgt.kind != AE_TGT_GRPC || t->id || !t->skip_decide)
        return true;
    if (t->req->hdr[AE_H_METADATA].p)
        return false; /* an identity may hide there */
    got = ae_cred_pick_grpc(t);
    mine = t->cred;
    t->cred = saved;
    if (got == AE_PICK_REFUSE)
        return mine.status == 401;
    if (mine.source == AE_CRED_NONE)
        return true;
    ae_token_check(t->snap->tokens, &t->a, mine.token, t->wall_us / 1000000,
                   &r);
    if (r.verdict == AE_TOKEN_OK) {
        t->id = r.identity;
        if (t->id && t->id->confirmed && ae_cred_rights(t) != AE_OK)
            t->a.failed = true;
    }
    t->no_project = r.no_project;
    return true;
}

static bool listed(const struct ae_words *w, ae_str s)
{
    for (size_t i = 0; i < w->n; i++)
        if (ae_eq(w->v[i].text, s))
            return true;
    return false;
}

/* Only who is known for sure breaks the glass. */
static bool exempt(ae_txn *t, const struct ae_own_rule *u)
{
    if ((!u->groups.n && !u->users.n) || !identify(t) || !t->id
        || !t->id->confirmed || t->id->kind == AE_KIND_ANONYMOUS)
        return false;
    if (listed(&u->users, t->id->user))
        return true;
    for (size_t i = 0; t->rights && i < t->rights->subject.ngroups; i++)
        if (listed(&u->groups, t->rights->subject.groups[i]))
            return true;
    return false;
}

static enum ae_step_ret glass(ae_txn *t)
{
    if (!t->reason)
        t->reason = "break glass";
    ae_count(t->e, AE_N_rule_break_glass);
    return AE_STEP_MORE;
}

/* ---- conditions on tokens ----------------------------------------------- */

struct bearer {
    enum ae_token_kind kind;
    ae_str             user;
    bool               has_iat, other_groups;
    int64_t            iat;
    struct ae_subject  subject;
};

/* The groups of |claims|, which may go. */
static int groups_of(ae_txn *t, const json_t *claims, struct bearer *b)
{
    struct ae_subject s;
    ae_str *g;

    if (t->rights) {
        b->subject = t->rights->subject;
        return AE_OK;
    }
    if (ae_subject_from_claims(t->snap->policy, &t->a, claims, b->user, &s))
        return AE_E_UNSUP;
    g = ae_nalloc(&t->a, s.ngroups + 1, sizeof *g);
    for (size_t i = 0; g && i < s.ngroups; i++)
        g[i] = ae_dup(&t->a, s.groups[i]);
    b->subject = s;
    b->subject.groups = g;
    return t->a.failed ? AE_E_UNSUP : AE_OK;
}

/* The claims of a token that cannot be judged here; NULL: of none, or of one
 * of Argo CD's own, which are all judged if they are any good. */
static json_t *unjudged(ae_txn *t)
{
    json_t *head = NULL, *claims = NULL;
    struct ae_cred saved = t->cred;
    ae_str token;

    if (t->tgt.kind == AE_TGT_GRPC && t->skip_decide)
        ae_cred_pick_grpc(t);
    token = t->cred.token;
    t->cred = saved;
    if (!token.n || t->bad_token
        || ae_token_decode(&t->a, token, &head, &claims, NULL) != AE_OK)
        return NULL;
    json_decref(head);
    if (!ae_eq_lit(ae_json_get_str(claims, "iss"), "argocd"))
        return claims;
    json_decref(claims);
    return NULL;
}

/* Who brought this token?  One that cannot be judged here is taken at its
 * word: if Argo CD accepts it, what it says is true, and a rule only takes
 * away.  AE_E_UNSUP: it cannot be told, AE_E_NOTFOUND: there is none. */
static int bearer(ae_txn *t, struct bearer *b)
{
    json_t *claims = t->id ? json_incref(t->id->claims) : unjudged(t);
    int rc = AE_OK;

    if (!t->id && !claims)
        return AE_E_NOTFOUND;
    b->kind = t->id ? t->id->kind : AE_KIND_OIDC;
    b->user = t->id ? t->id->user : ae_dup(&t->a, ae_claims_user(claims));
    if (b->kind == AE_KIND_LOGIN || b->kind == AE_KIND_OIDC)
        rc = groups_of(t, claims, b);
    b->has_iat = t->id ? t->id->has_iat : b->subject.has_iat;
    b->iat = t->id ? t->id->iat : b->subject.iat;
    b->other_groups = b->kind == AE_KIND_OIDC && t->snap->in.sso.other_groups;
    json_decref(claims);
    return rc;
}

static enum ae_step_ret token(ae_txn *t, const struct ae_rule_force *f)
{
    const struct ae_own_rule *u = f->rule;
    struct bearer b = { .kind = AE_KIND_NONE };
    int rc;

    /* What needs no token says nothing more with one. */
    if (is_op(t) && (t->tgt.op->auth == AE_AUTH_NONE
                     || t->tgt.op->auth == AE_AUTH_OPTIONAL))
        return AE_STEP_MORE;
    if (t->tgt.kind == AE_TGT_UNKNOWN || t->tgt.kind == AE_TGT_BAD)
        return AE_STEP_MORE;
    rc = !identify(t) || (t->no_project && u->roles.n) ? AE_E_UNSUP
                                                       : bearer(t, &b);
    if (rc == AE_E_UNSUP || (rc == AE_OK && b.other_groups && u->groups.n))
        return refuse(t, u, AE_N_rule_token, "it cannot be told whose token"
                      " this is", AE_STR(""));
    if (rc != AE_OK || !ae_rules_whose(u, b.kind, b.user, &b.subject))
        return AE_STEP_MORE;
    if (ae_rules_too_old(u, b.has_iat, b.iat, t->wall_us / 1000000))
        return refuse(t, u, AE_N_rule_token, "the token is too old",
                      AE_STR(""));
    if (u->ncidr && !ae_in_net(u->cidr, u->ncidr, t->req->peer))
        return refuse(t, u, AE_N_rule_token, "the token may not be used from"
                      " this address", AE_STR(""));
    if (u->operations.n && !means(t, f))
        return refuse(t, u, AE_N_rule_token, "the token may not be used for"
                      " this operation", AE_STR(""));
    return AE_STEP_MORE;
}

/* ---- freezes and syncs -------------------------------------------------- */

/* The project of the application: as the request names it (then Argo CD
 * demands it), or as an answer to this caller showed it.  Absent: not known. */
static int project_of(ae_txn *t, const struct ae_target *g, ae_str *out)
{
    static const char *const bodies[] = { "ApplicationService_Sync",
        "ApplicationService_Rollback",
        "ApplicationService_RunResourceActionV2" };
    struct ae_object o;
    int rc = AE_OK;

    *out = ae_target_get(g, "project");
    for (size_t i = 0; i < 3 && !out->n && t->tgt.kind == AE_TGT_OP; i++)
        if (strcmp(t->tgt.op->name, bodies[i]) == 0
            && t->loc->mode != AE_MODE_SHADOW) /* which reads no bodies */
            rc = ae_rules_body_project(t, out);
    if (rc == AE_E_AGAIN || out->n || !t->rights || g != &t->tgt)
        return rc;
    ae_learn_request(t, &o);
    *out = o.known ? o.project : ae_s(NULL, 0);
    return AE_OK;
}

/* Is the application of this request meant by |u|?  1, 0 or AE_E_AGAIN.  Where
 * its name or its project cannot be told, yes. */
static int about(ae_txn *t, const struct ae_own_rule *u)
{
    const struct ae_words *apps = &u->applications;
    struct ae_target b;
    const struct ae_target *g = &t->tgt;
    ae_str project;
    int rc;

    if (!apps->n && !u->projects.n)
        return 1;
    if (!is_op(t))
        return 1;
    if (!ae_starts(ae_cs(t->tgt.op->name), AE_STR("ApplicationService_")))
        return 0;
    if (t->tgt.kind == AE_TGT_GRPC) {
        rc = grpc_message(t, &b);
        if (rc == AE_E_AGAIN)
            return rc;
        if (rc != AE_OK)
            return 1;
        g = &b;
    } else if (ae_eq(ae_cs(t->tgt.op->name),
                     AE_STR("ApplicationService_Update"))) {
        return 1; /* the body names it, not the path */
    }
    if (!g->npath || !g->path_par[0].value.n)
        return 1;
    if (apps->n && !ae_rules_any_like(apps, g->path_par[0].value))
        return 0;
    if (!u->projects.n)
        return 1;
    rc = project_of(t, g, &project);
    return rc == AE_E_AGAIN ? rc
        : !project.n || ae_rules_any_like(&u->projects, project);
}

static ae_str until(ae_txn *t, int64_t end)
{
    char buf[40];

    if (end > INT64_C(253402300799)) /* the year 9999 */
        return AE_STR("");
    return ae_fmt(&t->a, " until %.*s", (int)ae_rfc3339(end, buf), buf);
}

static enum ae_step_ret freeze(ae_txn *t, const struct ae_rule_force *f)
{
    int64_t end = ae_rules_frozen(f->rule, t->wall_us / 1000000);
    int rc;

    if (!end || !means(t, f))
        return AE_STEP_MORE;
    rc = about(t, f->rule);
    if (rc == AE_E_AGAIN)
        return AE_STEP_ACT;
    if (!rc)
        return AE_STEP_MORE;
    if (exempt(t, f->rule))
        return glass(t);
    return refuse(t, f->rule, AE_N_rule_freeze, "frozen", until(t, end));
}

static const char *forbidden(unsigned bits)
{
    static const struct { unsigned bit; const char *text; } what[] = {
        { AE_SYNC_PRUNE, "a sync must not prune" },
        { AE_SYNC_FORCE, "a sync must not use force" },
        { AE_SYNC_REPLACE, "a sync must not replace" },
        { AE_SYNC_REVISION, "a sync must not name a revision" },
        { AE_SYNC_MANIFESTS, "a sync must not bring its own manifests" },
    };

    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++)
        if (bits & what[i].bit)
            return what[i].text;
    return "a sync must be a dry run";
}

static enum ae_step_ret sync(ae_txn *t, const struct ae_rule_force *f)
{
    unsigned facts;
    int rc;

    if (!is_op(t) || !ae_rules_is_sync(t->tgt.op)
        || t->loc->mode == AE_MODE_SHADOW) /* which reads no bodies */
        return AE_STEP_MORE;
    rc = about(t, f->rule);
    if (rc == AE_E_AGAIN)
        return AE_STEP_ACT;
    if (!rc)
        return AE_STEP_MORE;
    rc = ae_rules_sync_facts(t, &facts);
    if (rc == AE_E_AGAIN || rc == AE_E_INVAL)
        return AE_STEP_ACT;
    if (rc == AE_OK && !(facts & f->rule->deny))
        return AE_STEP_MORE;
    if (exempt(t, f->rule))
        return glass(t);
    return refuse(t, f->rule, AE_N_rule_sync, rc == AE_OK
                  ? forbidden(facts & f->rule->deny)
                  : "it cannot be told what this sync does", AE_STR(""));
}

/* ---- the step ----------------------------------------------------------- */

enum ae_step_ret ae_step_rules(ae_txn *t)
{
    const struct ae_ruleset *rs = t->snap->rules;
    enum ae_step_ret r;

    if (!rs)
        return AE_STEP_MORE;
    ae_trace(t, "rules");
    if (t->act.kind == AE_NEED_BODY && !t->body_done)
        return AE_STEP_ACT; /* stepped again before it came */
    r = read_only(t);
    for (size_t i = 0; i < rs->n && r == AE_STEP_MORE && !t->a.failed; i++) {
        switch (rs->v[i].rule->kind) {
        case AE_RULE_PATCH: r = patch(t, &rs->v[i]); break;
        case AE_RULE_TOKEN: r = token(t, &rs->v[i]); break;
        case AE_RULE_FREEZE: r = freeze(t, &rs->v[i]); break;
        case AE_RULE_SYNC: r = sync(t, &rs->v[i]); break;
        }
    }
    return r;
}
