/*
 * survey.c - every line of a policy, and every line that somebody reaches:
 * what roles there are, who has them, what they may.
 */
#include "policy/internal.h"

static ae_str project_of(const ae_policy *p, uint32_t source)
{
    uint32_t first = p->npset ? p->pset[0].source : UINT32_MAX;

    if (source < first || source - first >= p->npset)
        return ae_s(NULL, 0);
    return p->pset[source - first].name; /* one source a project */
}

static ae_str pattern(const ae_policy *p, uint32_t id)
{
    return ae_s(p->pat[id].text, p->pat[id].n);
}

static void grant_of(const ae_policy *p, const struct ae_row *r,
                     struct ae_grant *g)
{
    memset(g, 0, sizeof(*g));
    g->subject = p->subj.name[r->subj];
    g->resource = pattern(p, r->res);
    g->action = pattern(p, r->act);
    g->object = pattern(p, r->obj);
    g->effect = r->effect == AE_EFF_ALLOW ? 1
              : r->effect == AE_EFF_DENY ? -1 : 0;
    g->file = p->source[r->source];
    g->line = r->line;
    g->text = ae_row_text(r);
    g->project = project_of(p, r->source);
    g->builtin = ae_eq_lit(g->file, "builtin");
}

size_t ae_policy_lines(const ae_policy *p)
{
    return (size_t)p->nrow + p->nedge;
}

void ae_policy_grants(const ae_policy *p,
                      void (*fn)(void *ctx, const struct ae_grant *g),
                      void *ctx)
{
    struct ae_grant g;

    for (uint32_t i = 0; i < p->nrow; i++) {
        grant_of(p, &p->row[i], &g);
        fn(ctx, &g);
    }
}

void ae_policy_members(const ae_policy *p,
                       void (*fn)(void *ctx, const struct ae_member *m),
                       void *ctx)
{
    for (uint32_t i = 0; i < p->nedge; i++) {
        const struct ae_edge *e = &p->edge[i];
        struct ae_member m = {
            .member = p->subj.name[e->src], .role = p->subj.name[e->dst],
            .file = p->source[e->source], .line = e->line,
            .text = ae_s(e->text, e->text_n),
            .project = project_of(p, e->source),
        };

        m.builtin = ae_eq_lit(m.file, "builtin");
        fn(ctx, &m);
    }
}

struct reached {
    ae_principal *pr;
    uint64_t     *seen;     /* bit per row */
    void        (*fn)(void *ctx, const struct ae_grant *g);
    void         *ctx;
};

static int show_set(struct reached *v, uint32_t set)
{
    const struct ae_tab *t = ae_principal_tab(v->pr, set);
    struct ae_grant      g;

    if (!t)
        return AE_E_NOMEM;
    for (uint32_t i = 0; i < t->nask; i++)
        for (uint32_t k = 0; k < t->ask[i].nrow; k++) {
            uint32_t row = t->ask[i].row[k];

            if (v->seen[row / 64] >> (row % 64) & 1)
                continue;
            v->seen[row / 64] |= (uint64_t)1 << (row % 64);
            grant_of(v->pr->p, &v->pr->p->row[row], &g);
            v->fn(v->ctx, &g);
        }
    return 0;
}

int ae_principal_grants(ae_principal *pr,
                        void (*fn)(void *ctx, const struct ae_grant *g),
                        void *ctx)
{
    const ae_policy *p = pr->p;
    struct reached   v = { .pr = pr, .fn = fn, .ctx = ctx };
    ae_heap          heap = { 0 };
    ae_arena         a;
    int              rc;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    v.seen = ae_nalloc(&a, p->nrow / 64 + 1, sizeof(*v.seen));
    rc = v.seen ? show_set(&v, AE_SET_BASE) : AE_E_NOMEM;
    for (uint32_t i = 0; !rc && i < p->npset; i++) {
        uint32_t set = ae_principal_set(pr, i);

        if (set >= AE_SET_PROJECT)
            rc = show_set(&v, set);
        ae_principal_trim(pr);
    }
    ae_heap_free(&heap);
    return rc;
}
