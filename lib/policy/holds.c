/*
 * holds.c - the roles that a caller holds: what its own name, its groups and
 * the default role reach over g-lines.  For records and people; decisions go
 * their own way (principal.c).
 */
#include "policy/internal.h"

struct held {
    ae_str *out;
    size_t  n, max;
};

static void hold(struct held *h, ae_str name)
{
    if (!ae_starts(name, AE_STR("role:")) && !ae_starts(name, AE_STR("proj:")))
        return;
    for (size_t i = 0; i < h->n; i++)
        if (ae_eq(h->out[i], name))
            return;
    if (h->n < h->max)
        h->out[h->n++] = name;
}

static int hold_all(struct held *h, struct ae_reach *r, uint32_t id)
{
    int rc = id == AE_NO_ID ? 0 : ae_reach_run(r, NULL, id);

    for (uint32_t i = 0; !rc && id != AE_NO_ID && i < r->n; i++)
        hold(h, r->p->subj.name[r->hop[i].id]);
    return rc;
}

size_t ae_principal_roles(const ae_principal *pr, ae_str *out, size_t max)
{
    struct held     h = { out, 0, max };
    ae_heap         heap = { 0 };
    ae_arena        scratch;
    struct ae_reach r;
    int             rc;

    ae_arena_init(&scratch, ae_heap_mem(&heap), NULL, 0);
    scratch.limit = pr->limit;
    rc = ae_reach_init(&r, pr->p, &scratch);
    if (pr->own.p) /* a token of a project's role, which no line need name */
        hold(&h, pr->subject.id);
    if (!rc)
        rc = hold_all(&h, &r, pr->id);
    for (uint32_t i = 0; !rc && i < pr->ngroup; i++)
        rc = hold_all(&h, &r, pr->group[i].id);
    if (!rc)
        rc = hold_all(&h, &r, pr->p->default_id);
    ae_heap_free(&heap);
    return rc ? 0 : h.n;
}
