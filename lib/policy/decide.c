/*
 * decide.c - R2 and R3 over a principal's plan.
 */
#include "policy/internal.h"

/* What the rows of one check() say; |no| stops its walk (R2). */
struct tally {
    uint32_t    yes, no;        /* first such row */
    bool        have_yes, have_no, maybe_yes, maybe_no;
    enum ae_why why_no;
};

/* Walk the rows of check |ask| from |r| on; returns where the next begins.
 * A line that we could not evaluate within a budget leaves the answer open
 * unless the other lines settle it either way. */
static const struct ae_prow *walk(const struct ae_prow *r,
                                  const struct ae_prow *end, uint32_t ask,
                                  ae_str object, struct tally *t)
{
    for (; r < end && r->ask == ask; r++) {
        int m = ae_prow_match(r, object);

        if (m == 0)
            continue;
        if (r->maybe || m == AE_E_BUDGET) {
            t->maybe_yes |= r->effect == AE_EFF_ALLOW;
            t->maybe_no |= r->maybe || r->effect == AE_EFF_DENY
                        || ae_pat_may_raise(r->pat);
        } else if (m < 0 || r->effect == AE_EFF_DENY) {
            if (!t->have_no || r->row < t->no) {
                t->have_no = true;
                t->no = r->row;
                t->why_no = m < 0 ? AE_WHY_ERROR : AE_WHY_RULE;
            }
        } else if (r->effect == AE_EFF_ALLOW
                   && (!t->have_yes || r->row < t->yes)) {
            t->have_yes = true;
            t->yes = r->row;
        }
    }
    return r;
}

/* Yes if some line allows and none denies or raises: which came first in the
 * policy matters only for the rule that is named. */
static enum ae_verdict verdict_of(const struct tally *t)
{
    if (t->have_no)
        return AE_DENY;
    if (t->have_yes && !t->maybe_no)
        return AE_ALLOW;
    return t->have_yes || t->maybe_yes ? AE_UNKNOWN : AE_DENY;
}

static void name_rule(const ae_policy *p, uint32_t row,
                      struct ae_decision *out)
{
    const struct ae_row *r;

    if (row == AE_NO_ROW)
        return;
    r = &p->row[row];
    out->rule_file = p->source[r->source];
    out->rule_line = r->line;
    out->rule_text = ae_row_text(r);
}

static void say_yes(const ae_policy *p, const struct ae_ask *k,
                    const struct tally *t, struct ae_decision *out)
{
    out->verdict = AE_ALLOW;
    out->subject = k->subject;
    if (t->yes == AE_NO_ROW)
        out->why = AE_WHY_EMPTY_POLICY;
    else if (k->role == AE_ASK_DEFAULT)
        out->why = AE_WHY_DEFAULT_ROLE;
    else
        out->why = AE_WHY_RULE;
    name_rule(p, t->yes, out);
}

/* Which refusal to report: the first that a line caused, but one on the
 * caller beats one on the default role. */
static void note_no(const struct ae_ask *k, const struct tally *t,
                    const struct ae_ask **ask, struct tally *best)
{
    if (t->have_no && (!*ask || ((*ask)->role == AE_ASK_DEFAULT
                                 && k->role != AE_ASK_DEFAULT))) {
        *ask = k;
        *best = *t;
    }
}

void ae_plan_eval(const ae_principal *pr, const struct ae_plan *plan,
                  ae_str object, bool certain, struct ae_decision *out)
{
    const struct ae_prow *g = plan->row, *gend = g + plan->ngeneral;
    const struct ae_prow *b = NULL, *bend = NULL;
    const struct ae_ask  *no = NULL;
    struct tally          best = { 0 };
    bool                  unknown = false;

    if (plan->bucket) {
        const struct ae_bucket *k = ae_plan_bucket(plan, object);

        if (k) {
            b = plan->row + k->first;
            bend = plan->row + k->end;
        }
    }
    while (g < gend || b < bend) {
        bool     bucketed = b < bend && !(g < gend && g->ask <= b->ask);
        uint32_t ask = bucketed ? b->ask : g->ask;
        const struct ae_ask *k = &plan->tab->ask[ask];
        struct tally         t = { 0 };
        enum ae_verdict      v;

        g = walk(g, gend, ask, object, &t);
        b = walk(b, bend, ask, object, &t);
        if (certain && !k->base)
            continue;
        v = verdict_of(&t);
        if (v == AE_ALLOW) {
            say_yes(pr->p, k, &t, out);
            return;
        }
        unknown |= v == AE_UNKNOWN;
        note_no(k, &t, &no, &best);
    }
    out->subject = no ? no->subject : pr->subject.id;
    out->verdict = unknown ? AE_UNKNOWN : AE_DENY;
    out->why = unknown ? AE_WHY_BUDGET : no ? best.why_no : AE_WHY_NO_RULE;
    if (no && !unknown)
        name_rule(pr->p, best.no, out);
}

/*
 * A project that we do not know: it may be absent, or be there with any
 * lines, which can allow and deny any subject (P4), the default role included
 * (T6).  Certain is then only
 * - an allow by a check that is always asked in the base set: R3.1, R3.3;
 * - a deny for another project's token: if the project is there T4 refuses,
 *   if not the base set answers; so a base no is a no.
 */
static void unknown_project(ae_principal *pr, struct ae_ra *ra, ae_str name,
                            ae_str object, struct ae_decision *out)
{
    struct ae_plan *plan = ae_principal_plan(pr, ra, AE_SET_BASE);

    if (plan) {
        ae_plan_eval(pr, plan, object, true, out);
        if (out->verdict == AE_ALLOW)
            return;
        memset(out, 0, sizeof(*out));
        ae_plan_eval(pr, plan, object, false, out);
        if (out->verdict == AE_DENY && pr->own.p && !ae_eq(pr->own, name))
            return;
    }
    memset(out, 0, sizeof(*out));
    out->verdict = AE_UNKNOWN;
    out->why = AE_WHY_UNKNOWN_PROJECT;
    out->subject = pr->subject.id;
}

uint32_t ae_decide_set(const ae_principal *pr, enum ae_scope scope,
                       ae_str object, ae_str *unknown)
{
    ae_str   name = ae_object_project(scope, object);
    uint32_t proj;

    *unknown = ae_s(NULL, 0);
    if (!name.p || pr->subject.kind != AE_SUBJ_CLAIMS)
        return AE_SET_BASE;
    proj = ae_names_find(&pr->p->proj, name);
    if (proj == AE_NO_ID && pr->p->partial && ae_project_name_possible(name))
        *unknown = name;
    return ae_principal_set(pr, proj);
}

void ae_decide(ae_principal *pr, ae_str resource, ae_str action,
               ae_str object, struct ae_decision *out)
{
    struct ae_ra   *ra;
    struct ae_plan *plan;
    ae_str          name = { NULL, 0 };
    uint32_t        set = AE_SET_BASE;

    memset(out, 0, sizeof(*out));
    ae_principal_trim(pr);
    ra = ae_principal_ra(pr, resource, action);
    if (ra && !pr->local)
        set = ae_decide_set(pr, ra->scope, object, &name);
    if (ra && name.p) {
        unknown_project(pr, ra, name, object, out);
        return;
    }
    plan = ra ? ae_principal_plan(pr, ra, set) : NULL;
    if (!plan) {
        /* out of memory: neither an allow nor a refusal would be honest */
        out->verdict = AE_UNKNOWN;
        out->why = AE_WHY_BUDGET;
        out->subject = pr->subject.id;
        return;
    }
    ae_plan_eval(pr, plan, object, false, out);
}
