/*
 * steps_decide.c - DECIDE: the checks that Argo CD will make, made first.
 * Only a certain "no" is said here (I-C); a "yes" merely lets the request go
 * on, and everything else is unknown and forwarded (I-D).
 */
#include "edge/edge.h"

/* Rights are known for sure: the account or project token was looked up, and
 * the snapshot was made of inputs. */
bool ae_may_decide(const ae_txn *t)
{
    return t->rights && !t->snap->blind && t->id
        && (t->id->confirmed || t->who == AE_WHO_ANON);
}

static bool is_self(const ae_txn *t, const struct ae_check *c)
{
    return c->self_ok && t->who == AE_WHO_TOKEN
        && ae_eq_lit(t->id->issuer, "argocd")
        && (c->object.n == 0 || ae_eq(t->id->user, c->object));
}

static bool as_named(ae_txn *t, const struct ae_check *c,
                     struct ae_decision *d)
{
    ae_str project = ae_target_get(t->about, "project");
    ae_str part[3] = { project, AE_STR("/"), c->suffix };
    ae_str object;

    if (!project.n)
        return false;
    object = ae_concat(&t->a, part, 3);
    if (object.p)
        ae_decide(t->rights->principal, c->resource, c->action, object, d);
    return object.p != NULL;
}

static enum ae_verdict ask(ae_txn *t, const struct ae_check *c,
                           struct ae_decision *d)
{
    ae_principal *pr = t->rights->principal;

    memset(d, 0, sizeof *d);
    switch (c->obj) {
    case AE_OBJ_LIST:
        d->verdict = AE_ALLOW; /* lists leave out, they never deny */
        break;
    case AE_OBJ_FIXED:
        if (is_self(t, c)) {
            d->verdict = AE_ALLOW;
            d->subject = t->id->user;
        } else {
            ae_decide(pr, c->resource, c->action, c->object, d);
        }
        break;
    case AE_OBJ_STORED:
        /* The project that the request names is the stored one, or Argo CD
         * says 404: good for a verdict that refuses nothing. */
        if (c->deny == AE_DENY_FORWARD && as_named(t, c, d))
            break;
        /* fall through */
    case AE_OBJ_STORED_OPT:
        ae_decide_any_project(pr, c->resource, c->action, c->suffix,
                              c->obj == AE_OBJ_STORED_OPT, d);
        break;
    default:
        d->verdict = AE_UNKNOWN;
    }
    return d->verdict;
}

/* One requirement: a check, or alternatives chained by or_next.  *i is left
 * at its last check. */
static enum ae_verdict ask_chain(ae_txn *t, const struct ae_checks *c,
                                 size_t *i, struct ae_decision *d)
{
    bool unknown = false;
    enum ae_verdict v;

    for (;; (*i)++) {
        bool more = c->v[*i].or_next && *i + 1 < c->n;

        v = ask(t, &c->v[*i], d);
        if (v == AE_ALLOW) {
            while (c->v[*i].or_next && *i + 1 < c->n)
                (*i)++;
            return AE_ALLOW;
        }
        unknown |= v == AE_UNKNOWN;
        if (!more)
            return unknown ? AE_UNKNOWN : AE_DENY;
    }
}

void ae_decide_checks(ae_txn *t, const struct ae_checks *c,
                      struct ae_decision *why, const struct ae_check **at,
                      enum ae_verdict *verdict, bool *certain)
{
    enum ae_verdict v = AE_ALLOW;
    bool fixed = true;

    *at = NULL;
    memset(why, 0, sizeof *why);
    ae_lock(t->e, &t->e->lock);
    for (size_t i = 0; i < c->n && v == AE_ALLOW; i++) {
        v = ask_chain(t, c, &i, why);
        *at = &c->v[i];
        fixed &= c->v[i].obj == AE_OBJ_FIXED;
    }
    ae_unlock(t->e, &t->e->lock);
    *verdict = v;
    *certain = fixed && v != AE_UNKNOWN;
}

static void count_verdict(ae_txn *t)
{
    ae_count(t->e, t->verdict == AE_ALLOW ? AE_N_allow
             : t->verdict == AE_DENY ? AE_N_deny : AE_N_unknown);
}

static enum ae_step_ret answer_can_i(ae_txn *t)
{
    if (t->checks.status) {
        t->reason = "unknown resource or action";
        return ae_reply_error(t, t->checks.status, t->checks.code,
                              t->checks.error);
    }
    if (t->verdict == AE_UNKNOWN || t->checks.n == 0)
        return AE_STEP_MORE;
    ae_count(t->e, AE_N_can_i);
    return ae_reply_body(t, 200, AE_STR("application/json"),
                         t->verdict == AE_ALLOW ? AE_STR("{\"value\":\"yes\"}")
                                                : AE_STR("{\"value\":\"no\"}"));
}

static const struct ae_role *find_role(const ae_txn *t)
{
    ae_str project = ae_target_get(t->about, "project");
    ae_str role = ae_target_get(t->about, "role");

    for (size_t i = 0; i < t->snap->in.nprojects; i++) {
        const struct ae_project *p = &t->snap->in.projects[i];

        if (!ae_eq(p->name, project))
            continue;
        for (size_t k = 0; k < p->nroles; k++)
            if (ae_eq(p->roles[k].name, role))
                return &p->roles[k];
    }
    return NULL;
}

/* Argo CD looks up project and role before this check, and lets members of
 * the role's own groups pass: deny only where neither can happen. */
static bool role_denies(const ae_txn *t)
{
    const struct ae_subject *s = &t->rights->subject;
    const struct ae_role *r = find_role(t);

    if (!r)
        return false;
    for (size_t i = 0; i < s->ngroups; i++)
        for (size_t k = 0; k < r->ngroups; k++)
            if (ae_eq(s->groups[i], r->groups[k]))
                return false;
    return true;
}

static enum ae_step_ret refuse(ae_txn *t)
{
    const struct ae_check *c = t->at;

    if (!c || c->deny == AE_DENY_FORWARD)
        return AE_STEP_MORE;
    if (c->deny == AE_DENY_VERBOSE_ROLE && !role_denies(t))
        return AE_STEP_MORE;
    if (c->deny == AE_DENY_PLAIN) {
        t->reason = "denied";
        return ae_reply_error(t, 403, 7, AE_STR("permission denied"));
    }
    if (c->obj != AE_OBJ_FIXED)
        return AE_STEP_MORE; /* the text names a project that we don't know */
    t->reason = "denied";
    return ae_reply_error(t, 403, 7,
                          ae_denied_text(&t->a, &t->rights->subject,
                                         c->resource, c->action, c->object));
}

enum ae_step_ret ae_step_decide(ae_txn *t)
{
    if (t->recalled)
        count_verdict(t);
    if (t->skip_decide || !ae_may_decide(t) || !t->checks_made)
        return AE_STEP_MORE;
    ae_decide_checks(t, &t->checks, &t->why, &t->at, &t->verdict,
                     &t->certain);
    t->decided = true;
    count_verdict(t);
    ae_allowed_keep(t);
    if (t->checks.can_i)
        return answer_can_i(t);
    if (t->verdict == AE_DENY)
        return refuse(t);
    return AE_STEP_MORE;
}

int ae_txn_can(ae_txn *t, ae_str resource, ae_str action, ae_str object)
{
    struct ae_check one = { .resource = resource, .action = action,
                            .object = object, .obj = AE_OBJ_FIXED };
    struct ae_checks c = { .v = &one, .n = 1 };
    const struct ae_check *at;
    struct ae_decision why;
    enum ae_verdict v;
    bool certain;

    if (!ae_may_decide(t))
        return AE_E_AGAIN;
    ae_decide_checks(t, &c, &why, &at, &v, &certain);
    if (t->a.failed)
        return AE_E_NOMEM;
    return v == AE_ALLOW ? 1 : v == AE_DENY ? 0 : AE_E_AGAIN;
}
