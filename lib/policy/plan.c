/*
 * plan.c - the rows of one set that fit one (resource, action), flat.
 *
 * Resource and action are matched here, once; what is left of a check() (R2)
 * is its object patterns in order.  An error in resource or action is kept as
 * a row that raises, since R2 evaluates a line's fields left to right.
 */
#include "policy/internal.h"

struct plan_build {
    ae_principal   *pr;
    struct ae_plan *plan;
    uint32_t        cap;
    bool            bad;
};

static struct ae_prow *push(struct plan_build *b)
{
    struct ae_plan *plan = b->plan;

    if (plan->nrow == b->cap) {
        uint32_t        cap = b->cap ? b->cap * 2 : 4;
        struct ae_prow *row = ae_alloc(&b->pr->cache, cap * sizeof(*row));

        if (!row) {
            b->bad = true;
            return NULL;
        }
        if (plan->nrow)
            memcpy(row, plan->row, plan->nrow * sizeof(*row));
        plan->row = row;
        b->cap = cap;
    }
    return memset(&plan->row[plan->nrow++], 0, sizeof(*plan->row));
}

/* A line whose answer needs no look at the object: it raises, or it may. */
static void push_fixed(struct plan_build *b, uint32_t row, uint8_t kind,
                       uint8_t effect, bool maybe)
{
    struct ae_prow *r = push(b);

    if (!r)
        return;
    r->row = row;
    r->kind = kind;
    r->effect = effect;
    r->maybe = maybe;
}

/* Resource and action of a line: 1 fits, 0 no, AE_E_PATTERN raises,
 * AE_E_BUDGET may do any of these; *maybe: fits or not, but cannot raise. */
static int fits(const ae_policy *p, const struct ae_row *row,
                const struct ae_ra *ra, bool *maybe)
{
    const struct ae_pat *pat[2] = { &p->pat[row->res], &p->pat[row->act] };
    ae_str               text[2] = { ra->res, ra->act };

    *maybe = false;
    for (int i = 0; i < 2; i++) {
        int m = ae_pat_match(pat[i], text[i]);

        if (m == 0)
            return 0;
        if (m == AE_E_PATTERN)
            return *maybe ? AE_E_BUDGET : m;
        if (m < 0) {
            if (ae_pat_may_raise(pat[i]))
                return AE_E_BUDGET;
            *maybe = true;
        }
    }
    return 1;
}

/* Lays out row |i|; false: nothing behind it in this check can matter. */
static bool push_row(struct plan_build *b, const struct ae_ra *ra, uint32_t i)
{
    const ae_policy     *p = b->pr->p;
    const struct ae_row *row = &p->row[i];
    const struct ae_pat *obj = &p->pat[row->obj];
    struct ae_prow      *r;
    bool                 maybe;
    int                  m = fits(p, row, ra, &maybe);

    if (m < 0) {
        bool open = m != AE_E_PATTERN;

        push_fixed(b, i, open ? AE_PAT_UNKNOWN : AE_PAT_ERROR, row->effect,
                   open);
        return open;
    }
    if (m == 0 || obj->kind == AE_PAT_NEVER)
        return true;
    if (row->effect == AE_EFF_NONE && !ae_pat_may_raise(obj))
        return true; /* R9: a dead line that cannot even raise */
    r = push(b);
    if (!r)
        return false;
    r->row = i;
    r->kind = obj->kind;
    r->effect = row->effect;
    r->maybe = maybe;
    r->pat = obj;
    r->lit = obj->text + obj->lit_off;
    r->n = obj->lit_n;
    return maybe || !(obj->kind == AE_PAT_ERROR
                      || (obj->kind == AE_PAT_ALL
                          && row->effect == AE_EFF_DENY));
}

/* R7: the phantom line of five empty strings, effect allow. */
static void push_hole(struct plan_build *b, const struct ae_ra *ra)
{
    bool regex = b->pr->p->mode == AE_MATCH_REGEX;

    if (!regex && (ra->res.n || ra->act.n))
        return;
    push_fixed(b, AE_NO_ROW, regex ? AE_PAT_ALL : AE_PAT_LIT, AE_EFF_ALLOW,
               false);
}

struct ae_plan *ae_plan_build(ae_principal *pr, const struct ae_ra *ra,
                              const struct ae_tab *tab)
{
    struct ae_plan   *plan = ae_zalloc(&pr->cache, sizeof(*plan));
    struct plan_build b = { .pr = pr, .plan = plan };

    if (!plan)
        return NULL;
    plan->tab = tab;
    plan->ask = ae_nalloc(&pr->cache, (size_t)tab->nask + 1,
                          sizeof(*plan->ask));
    if (!plan->ask)
        return NULL;
    for (uint32_t i = 0; i < tab->nask; i++) {
        const struct ae_ask *k = &tab->ask[i];
        uint32_t             first = plan->nrow;

        if (k->hole)
            push_hole(&b, ra);
        for (uint32_t j = 0; j < k->nrow && !b.bad; j++)
            if (!push_row(&b, ra, k->row[j]))
                break;
        if (b.bad)
            return NULL;
        if (plan->nrow == first)
            continue; /* a plain no */
        plan->ask[plan->nask].ask = k;
        plan->ask[plan->nask].end = plan->nrow;
        plan->nask++;
    }
    return plan;
}
