/*
 * decide.c - R2 and R3 over a principal's plan.
 */
#include "policy/internal.h"

/*
 * One check(): yes if some matching line allows, and no matching line denies
 * or raises.  A line that we could not evaluate within a budget leaves the
 * answer open unless the other lines settle it either way: what Argo CD would
 * have said is then unknown, never a guess.
 */
void ae_check_rows(const struct ae_prow *r, const struct ae_prow *end,
                   ae_str object, struct ae_check *out)
{
    bool     maybe_yes = false, maybe_no = false;
    uint32_t yes = 0;
    bool     have_yes = false;

    out->row = AE_NO_ROW;
    for (; r < end; r++) {
        int m = ae_prow_match(r, object);

        if (m == 0)
            continue;
        if (r->maybe || m == AE_E_BUDGET) {
            maybe_yes |= r->effect == AE_EFF_ALLOW;
            maybe_no |= r->maybe || r->effect == AE_EFF_DENY
                     || !r->pat || ae_pat_may_raise(r->pat);
            continue;
        }
        if (m < 0 || r->effect == AE_EFF_DENY) {
            out->verdict = AE_DENY;
            out->why = m < 0 ? AE_WHY_ERROR : AE_WHY_RULE;
            out->row = r->row;
            return;
        }
        if (r->effect == AE_EFF_ALLOW && !have_yes) {
            have_yes = true;
            yes = r->row;
        }
    }
    if (have_yes && !maybe_no) {
        out->verdict = AE_ALLOW;
        out->why = yes == AE_NO_ROW ? AE_WHY_EMPTY_POLICY : AE_WHY_RULE;
        out->row = yes;
    } else if (have_yes || maybe_yes) {
        out->verdict = AE_UNKNOWN;
        out->why = AE_WHY_BUDGET;
    } else {
        out->verdict = AE_DENY;
        out->why = AE_WHY_NO_RULE;
    }
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

/* Is a refusal by |k| better to report than the one at hand?  The first that
 * a line caused is, but one on the caller beats one on the default role. */
static bool better_no(const struct ae_ask *have, const struct ae_check *c,
                      const struct ae_ask *k)
{
    if (c->verdict == AE_UNKNOWN || c->why == AE_WHY_NO_RULE)
        return false;
    return !have || (have->role == AE_ASK_DEFAULT
                     && k->role != AE_ASK_DEFAULT);
}

void ae_plan_eval(const ae_principal *pr, const struct ae_plan *plan,
                  ae_str object, bool certain, struct ae_decision *out)
{
    const struct ae_prow *row = plan->row;
    const struct ae_ask  *no = NULL;
    struct ae_check       best = { AE_DENY, AE_NO_ROW, AE_WHY_NO_RULE };
    bool                  unknown = false;

    for (uint32_t i = 0; i < plan->nask; i++) {
        const struct ae_ask  *k = plan->ask[i].ask;
        const struct ae_prow *end = plan->row + plan->ask[i].end;
        struct ae_check       c;

        if (certain && !k->base) {
            row = end;
            continue;
        }
        ae_check_rows(row, end, object, &c);
        row = end;
        if (c.verdict == AE_ALLOW) {
            out->verdict = AE_ALLOW;
            out->why = k->role == AE_ASK_DEFAULT && c.why == AE_WHY_RULE
                     ? AE_WHY_DEFAULT_ROLE : c.why;
            out->subject = k->subject;
            name_rule(pr->p, c.row, out);
            return;
        }
        unknown |= c.verdict == AE_UNKNOWN;
        if (better_no(no, &c, k)) {
            no = k;
            best = c;
        }
    }
    out->verdict = unknown ? AE_UNKNOWN : AE_DENY;
    out->why = unknown ? AE_WHY_BUDGET : best.why;
    out->subject = no ? no->subject : pr->subject.id;
    if (!unknown)
        name_rule(pr->p, best.row, out);
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

void ae_decide(ae_principal *pr, ae_str resource, ae_str action,
               ae_str object, struct ae_decision *out)
{
    struct ae_ra   *ra;
    struct ae_plan *plan;
    uint32_t        set = AE_SET_BASE;

    memset(out, 0, sizeof(*out));
    ae_principal_trim(pr);
    ra = ae_principal_ra(pr, resource, action);
    if (ra && !pr->local) {
        ae_str name = ae_object_project(ra->scope, object);

        if (name.p) {
            uint32_t proj = ae_names_find(&pr->p->proj, name);

            if (proj == AE_NO_ID && pr->p->partial
                && ae_project_name_possible(name)) {
                unknown_project(pr, ra, name, object, out);
                return;
            }
            set = ae_principal_set(pr, proj);
        }
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
