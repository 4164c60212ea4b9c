/*
 * plan.c - the rows of one set that fit one (resource, action), flat.
 *
 * Resource and action are matched here, once; what is left of a check() (R2)
 * is its object patterns in order.  An error in resource or action is kept as
 * a row that raises, since R2 evaluates a line's fields left to right.
 */
#include "policy/internal.h"

#include <stdlib.h>

struct plan_build {
    ae_principal   *pr;
    struct ae_plan *plan;
    ae_arena       *scratch;    /* rows grow here, then move to the cache */
    uint32_t        cap;
    uint32_t        ask;        /* the one being laid out */
    bool            bad;
};

static struct ae_prow *push(struct plan_build *b)
{
    struct ae_plan *plan = b->plan;

    if (plan->nrow == b->cap) {
        uint32_t        cap = b->cap ? b->cap * 2 : 4;
        struct ae_prow *row = ae_alloc(b->scratch, cap * sizeof(*row));

        if (!row) {
            b->bad = true;
            return NULL;
        }
        if (plan->nrow)
            memcpy(row, plan->row, plan->nrow * sizeof(*row));
        plan->row = row;
        b->cap = cap;
    }
    memset(&plan->row[plan->nrow], 0, sizeof(*plan->row));
    plan->row[plan->nrow].ask = b->ask;
    return &plan->row[plan->nrow++];
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

/* ---- buckets: callers with many rows ---- */

enum { LINEAR_MAX = 8 };

/* The head that each object matching |r| has; absent if it can be any. */
static ae_str row_head(const struct ae_prow *r)
{
    ae_str lit = ae_s(r->lit, r->n), head = ae_object_head(lit);

    switch (r->kind) {
    case AE_PAT_LIT:
        return r->lit ? head : ae_s(NULL, 0);
    case AE_PAT_PREFIX:
    case AE_PAT_PRESUF:
    case AE_PAT_PRELINE:
        return head.n < lit.n ? head : ae_s(NULL, 0);
    default:
        return ae_s(NULL, 0);
    }
}

struct headed { uint32_t tag, row; };

static int cmp_headed(const void *x, const void *y)
{
    const struct headed *a = x, *b = y;

    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static uint32_t head_tag(ae_str head)
{
    return (uint32_t)ae_hash64(head, 1);
}

/* Moves the rows with a head behind the general ones, those of one head side
 * by side and still in order.  Heads of equal tag share a bucket: their rows
 * are compared with the object anyway. */
static bool make_buckets(ae_principal *pr, struct ae_plan *plan,
                         ae_arena *scratch)
{
    struct headed  *h = ae_alloc(scratch, plan->nrow * sizeof(*h));
    struct ae_prow *row = ae_alloc(&pr->cache, plan->nrow * sizeof(*row));
    uint32_t        n = 0, general = 0, slots = 8;

    if (!h || !row)
        return false;
    for (uint32_t i = 0; i < plan->nrow; i++) {
        ae_str head = row_head(&plan->row[i]);

        if (head.p) {
            h[n].tag = head_tag(head);
            h[n++].row = i;
        } else {
            row[general++] = plan->row[i];
        }
    }
    while (slots < n * 2)
        slots *= 2;
    plan->bucket = ae_nalloc(&pr->cache, slots, sizeof(*plan->bucket));
    if (!plan->bucket)
        return false;
    plan->mask = slots - 1;
    qsort(h, n, sizeof(*h), cmp_headed);
    for (uint32_t i = 0, at = 0; i < n; i++) {
        if (i == 0 || h[i].tag != h[i - 1].tag) {
            at = h[i].tag & plan->mask;
            while (plan->bucket[at].end)
                at = (at + 1) & plan->mask;
            plan->bucket[at].tag = h[i].tag;
            plan->bucket[at].first = general + i;
        }
        plan->bucket[at].end = general + i + 1;
        row[general + i] = plan->row[h[i].row];
    }
    plan->row = row;
    plan->ngeneral = general;
    return true;
}

const struct ae_bucket *ae_plan_bucket(const struct ae_plan *plan,
                                       ae_str object)
{
    uint32_t tag = head_tag(ae_object_head(object));

    for (uint32_t at = tag & plan->mask;; at = (at + 1) & plan->mask) {
        const struct ae_bucket *b = &plan->bucket[at];

        if (b->end == 0)
            return NULL;
        if (b->tag == tag)
            return b;
    }
}

static void push_asks(struct plan_build *b, const struct ae_ra *ra)
{
    const struct ae_tab *tab = b->plan->tab;

    for (b->ask = 0; b->ask < tab->nask; b->ask++) {
        const struct ae_ask *k = &tab->ask[b->ask];

        if (k->hole)
            push_hole(b, ra);
        for (uint32_t j = 0; j < k->nrow && !b->bad; j++)
            if (!push_row(b, ra, k->row[j]))
                break;
    }
}

/* The rows at their exact size: callers with many rows must not fill the
 * cache with slack. */
static bool keep_rows(ae_principal *pr, struct ae_plan *plan)
{
    struct ae_prow *row = ae_alloc(&pr->cache, plan->nrow * sizeof(*row));

    if (!row)
        return false;
    if (plan->nrow)
        memcpy(row, plan->row, plan->nrow * sizeof(*row));
    plan->row = row;
    plan->ngeneral = plan->nrow;
    return true;
}

struct ae_plan *ae_plan_build(ae_principal *pr, const struct ae_ra *ra,
                              const struct ae_tab *tab)
{
    struct ae_plan   *plan = ae_zalloc(&pr->cache, sizeof(*plan));
    char              first[1024];
    ae_heap           heap = { 0 };
    ae_arena          scratch;
    struct plan_build b = { .pr = pr, .plan = plan, .scratch = &scratch };
    bool              ok;

    if (!plan)
        return NULL;
    plan->tab = tab;
    ae_arena_init(&scratch, ae_heap_mem(&heap), first, sizeof(first));
    scratch.limit = pr->limit;
    push_asks(&b, ra);
    ok = !b.bad && (plan->nrow > LINEAR_MAX
                    ? make_buckets(pr, plan, &scratch)
                    : keep_rows(pr, plan));
    ae_heap_free(&heap);
    return ok ? plan : NULL;
}
