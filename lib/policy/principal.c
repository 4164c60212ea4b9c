/*
 * principal.c - a policy specialised to one subject.
 *
 * Made once per identity: its subjects in the order of R3 and T, and for each
 * the few rows that it reaches (R8).  Per set (base, or base + one project)
 * and per (resource, action) the rows that fit are laid out side by side, so
 * a decision costs a look-up and a few compares whatever the policy's size.
 * All of this is filled lazily and dropped when it grows past its bound.
 */
#include "policy/internal.h"

#include <stdlib.h>

enum { INLINE_ARENA = 1536, CACHE_HARD_MAX = 256 << 20 };

/* ---- reach (R8) ---- */

int ae_reach_init(struct ae_reach *r, const ae_policy *p, ae_arena *a)
{
    memset(r, 0, sizeof(*r));
    r->p = p;
    r->a = a;
    r->cap = 32;
    r->hop = ae_alloc(a, r->cap * sizeof(*r->hop));
    r->seen = ae_nalloc(a, (size_t)p->subj.n / 64 + 1, sizeof(*r->seen));
    return r->hop && r->seen ? 0 : AE_E_NOMEM;
}

static int reach_push(struct ae_reach *r, uint32_t id, uint32_t via,
                      uint32_t from)
{
    uint64_t bit = (uint64_t)1 << (id % 64);

    if (r->seen[id / 64] & bit)
        return 0;
    if (r->n == r->cap) {
        struct ae_hop *h = ae_alloc(r->a, (size_t)r->cap * 2 * sizeof(*h));

        if (!h)
            return AE_E_NOMEM;
        memcpy(h, r->hop, r->n * sizeof(*h));
        r->hop = h;
        r->cap *= 2;
    }
    r->seen[id / 64] |= bit;
    r->hop[r->n].id = id;
    r->hop[r->n].via = via;
    r->hop[r->n].from = from;
    r->hop[r->n].depth = via == AE_NO_ID ? 0 : r->hop[from].depth + 1;
    r->n++;
    return 0;
}

static int reach_step(struct ae_reach *r, const struct ae_pset *ps,
                      uint32_t i)
{
    const ae_policy     *p = r->p;
    const struct ae_csr *c = &p->edges_by_src;
    uint32_t             id = r->hop[i].id, k = c->at[id];
    int                  rc = 0;

    for (; !rc && k < c->at[id + 1] && c->of[k] < p->nbase_edge; k++)
        rc = reach_push(r, p->edge[c->of[k]].dst, c->of[k], i);
    if (!ps || ps->edge0 == ps->edge1)
        return rc;
    k = ae_csr_from(c, id, ps->edge0);
    for (; !rc && k < c->at[id + 1] && c->of[k] < ps->edge1; k++) {
        r->touched = true;
        rc = reach_push(r, p->edge[c->of[k]].dst, c->of[k], i);
    }
    return rc;
}

/* Breadth first, so the shortest path counts against the limit. */
int ae_reach_run(struct ae_reach *r, const struct ae_pset *ps, uint32_t id)
{
    int rc;

    r->n = 0;
    r->touched = false;
    rc = reach_push(r, id, AE_NO_ID, 0);
    for (uint32_t i = 0; !rc && i < r->n; i++)
        if (r->hop[i].depth < AE_MAX_HOPS)
            rc = reach_step(r, ps, i);
    for (uint32_t i = 0; i < r->n; i++)
        r->seen[r->hop[i].id / 64] = 0;
    return rc;
}

/* ---- the rows of one check ---- */

static int cmp_u32(const void *a, const void *b)
{
    uint32_t x, y;

    memcpy(&x, a, sizeof(x));
    memcpy(&y, b, sizeof(y));
    return x < y ? -1 : x > y;
}

static void sort_rows(uint32_t *row, uint32_t n)
{
    if (n > 24) {
        qsort(row, n, sizeof(*row), cmp_u32);
        return;
    }
    for (uint32_t i = 1; i < n; i++) {
        uint32_t v = row[i], j = i;

        for (; j && row[j - 1] > v; j--)
            row[j] = row[j - 1];
        row[j] = v;
    }
}

/* Rows of subject |id| in base + |ps|: two ranges of its list. */
static uint32_t rows_of(const ae_policy *p, const struct ae_pset *ps,
                        uint32_t id, uint32_t *out, bool *touched)
{
    const struct ae_csr *c = &p->rows_by_subj;
    uint32_t             n = 0, k = c->at[id];

    for (; k < c->at[id + 1] && c->of[k] < p->nbase_row; k++, n++)
        if (out)
            out[n] = c->of[k];
    if (!ps || ps->row0 == ps->row1)
        return n;
    k = ae_csr_from(c, id, ps->row0);
    for (; k < c->at[id + 1] && c->of[k] < ps->row1; k++, n++) {
        *touched = true;
        if (out)
            out[n] = c->of[k];
    }
    return n;
}

static bool set_has_rows(const ae_policy *p, const struct ae_pset *ps)
{
    return p->nbase_row || (ps && ps->row0 != ps->row1);
}

static int fill_ask(ae_principal *pr, struct ae_reach *r,
                    const struct ae_pset *ps, struct ae_ask *k)
{
    const ae_policy *p = pr->p;
    uint32_t         n = 0;
    int              rc;

    r->touched = false;
    if (k->id == AE_NO_ID)
        return 0;
    rc = ae_reach_run(r, ps, k->id);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < r->n; i++) {
        n += rows_of(p, ps, r->hop[i].id, NULL, &r->touched);
        if (r->hop[i].id == 0 && !set_has_rows(p, ps))
            k->hole = true; /* R7: the phantom line's subject is "" */
    }
    if (n == 0)
        return 0;
    k->row = ae_alloc(&pr->cache, n * sizeof(*k->row));
    if (!k->row)
        return AE_E_NOMEM;
    for (uint32_t i = 0; i < r->n; i++)
        k->nrow += rows_of(p, ps, r->hop[i].id, k->row + k->nrow,
                           &r->touched);
    sort_rows(k->row, k->nrow);
    return 0;
}

/* ---- the checks of one set ---- */

struct tab_build {
    ae_principal         *pr;
    struct ae_tab        *t;
    const struct ae_pset *ps;
    struct ae_reach       reach;
};

static int add_ask(struct tab_build *b, bool base, uint8_t role,
                   ae_str subject, uint32_t id)
{
    struct ae_ask *k = &b->t->ask[b->t->nask++];

    memset(k, 0, sizeof(*k));
    k->base = base;
    k->role = role;
    k->subject = subject;
    k->id = id;
    return fill_ask(b->pr, &b->reach, base ? NULL : b->ps, k);
}

bool ae_has_edge(const ae_policy *p, const struct ae_pset *ps, uint32_t id)
{
    const struct ae_csr *c = &p->edges_by_src;
    uint32_t             k;

    if (id == AE_NO_ID)
        return false;
    if (c->at[id] < c->at[id + 1] && c->of[c->at[id]] < p->nbase_edge)
        return true;
    if (!ps)
        return false;
    k = ae_csr_from(c, id, ps->edge0);
    return k < c->at[id + 1] && c->of[k] < ps->edge1;
}

/* The token rule of set |b->ps| (T4-T6). */
static int add_token_asks(struct tab_build *b)
{
    ae_principal    *pr = b->pr;
    const ae_policy *p = pr->p;
    int              rc = 0;

    if (b->ps && p->default_role.n) {
        /* T6: asked again, since project lines may name it; the same "no"
         * if they do not */
        rc = add_ask(b, false, AE_ASK_DEFAULT, p->default_role,
                     p->default_id);
        if (!rc && !b->reach.touched)
            b->t->nask--;
    }
    if (!rc)
        rc = add_ask(b, false, AE_ASK_USER, pr->subject.id, pr->id);
    if (b->ps && pr->own.p)
        return rc;              /* T4: groups are not tried */
    for (uint32_t i = 0; !rc && i < pr->ngroup; i++) {
        const struct ae_group *g = &pr->group[i];

        if (g->id != pr->id && ae_has_edge(p, b->ps, g->id))
            rc = add_ask(b, false, AE_ASK_GROUP, g->name, g->id);
    }
    return rc;
}

static int add_asks(struct tab_build *b, bool foreign)
{
    ae_principal    *pr = b->pr;
    const ae_policy *p = pr->p;
    int              rc = 0;

    if (p->default_role.n)      /* R3.1, in the base set */
        rc = add_ask(b, true, AE_ASK_DEFAULT, p->default_role,
                     p->default_id);
    if (rc)
        return rc;
    if (pr->subject.kind == AE_SUBJ_STRING)
        return add_ask(b, true, AE_ASK_USER, pr->subject.id, pr->id);
    if (pr->subject.kind == AE_SUBJ_CLAIMS && !foreign)
        rc = add_token_asks(b);
    if (!rc)                    /* R3.3, R3.4 */
        rc = add_ask(b, true, AE_ASK_EMPTY, AE_STR(""), 0);
    return rc;
}

static struct ae_tab *build_tab(ae_principal *pr, uint32_t set)
{
    ae_heap          heap = { 0 };
    ae_arena         scratch;
    struct tab_build b = { .pr = pr };
    int              rc;

    ae_arena_init(&scratch, ae_heap_mem(&heap), NULL, 0);
    scratch.limit = pr->limit;
    if (set >= AE_SET_PROJECT)
        b.ps = &pr->p->pset[set - AE_SET_PROJECT];
    b.t = ae_zalloc(&pr->cache, sizeof(*b.t));
    if (!b.t)
        return NULL;
    b.t->pset = b.ps;
    b.t->ask = ae_nalloc(&pr->cache, (size_t)pr->ngroup + 4,
                         sizeof(*b.t->ask));
    rc = b.t->ask ? ae_reach_init(&b.reach, pr->p, &scratch) : AE_E_NOMEM;
    if (!rc)
        rc = add_asks(&b, set == AE_SET_FOREIGN);
    ae_heap_free(&heap);
    return rc ? NULL : b.t;
}

/* ---- memory of what was worked out ---- */

static uint32_t memo_at(const ae_principal *pr, uint64_t key)
{
    uint64_t h = key * 0x9E3779B97F4A7C15u;
    uint32_t i = (uint32_t)(h >> 32) & pr->memo_mask;

    while (pr->memo[i].val && pr->memo[i].key != key)
        i = (i + 1) & pr->memo_mask;
    return i;
}

void *ae_memo_get(const ae_principal *pr, uint64_t key)
{
    return pr->memo ? pr->memo[memo_at(pr, key)].val : NULL;
}

int ae_memo_put(ae_principal *pr, uint64_t key, void *val)
{
    uint32_t i;

    if (!pr->memo || pr->nmemo * 2 > pr->memo_mask) {
        struct ae_memo *old = pr->memo;
        uint32_t        slots = old ? pr->memo_mask + 1 : 0;
        uint32_t        want = old ? slots * 2 : 16;
        struct ae_memo *m = ae_nalloc(&pr->cache, want, sizeof(*m));

        if (!m)
            return AE_E_NOMEM;
        pr->memo = m;
        pr->memo_mask = want - 1;
        for (i = 0; i < slots; i++)
            if (old[i].val)
                pr->memo[memo_at(pr, old[i].key)] = old[i];
    }
    i = memo_at(pr, key);
    pr->nmemo += pr->memo[i].val == NULL;
    pr->memo[i].key = key;
    pr->memo[i].val = val;
    return 0;
}

static void cache_init(ae_principal *pr)
{
    ae_arena_init(&pr->cache, ae_heap_mem(&pr->cache_heap), NULL, 0);
    pr->cache.limit = pr->limit ? pr->limit : (size_t)CACHE_HARD_MAX;
    memset(pr->ra, 0, sizeof(pr->ra));
    pr->nra = 0;
    pr->memo = NULL;
    pr->nmemo = 0;
}

void ae_principal_trim(ae_principal *pr)
{
    /* room for a few plans even of a caller that reaches every row */
    size_t max = AE_CACHE_MAX + (size_t)pr->p->nrow * 4
                                * sizeof(struct ae_prow);

    if (pr->cache.used < max && pr->nra < AE_RA_MAX
        && !pr->cache.failed)
        return;
    ae_heap_free(&pr->cache_heap);
    cache_init(pr);
}

struct ae_ra *ae_principal_ra(ae_principal *pr, ae_str res, ae_str act)
{
    uint64_t      h = ae_hash64(act, ae_hash64(res, 0));
    struct ae_ra *ra = pr->ra[h % AE_RA_SLOTS];

    for (; ra; ra = ra->next)
        if (ra->hash == h && ae_eq(ra->act, act) && ae_eq(ra->res, res))
            return ra;
    ra = ae_zalloc(&pr->cache, sizeof(*ra));
    if (!ra)
        return NULL;
    ra->res = ae_dup(&pr->cache, res.p ? res : AE_STR(""));
    ra->act = ae_dup(&pr->cache, act.p ? act : AE_STR(""));
    if (!ra->res.p || !ra->act.p)
        return NULL;
    ra->hash = h;
    ra->scope = ae_resource_scope(res);
    ra->index = pr->nra++;
    ra->next = pr->ra[h % AE_RA_SLOTS];
    pr->ra[h % AE_RA_SLOTS] = ra;
    return ra;
}

struct ae_tab *ae_principal_tab(ae_principal *pr, uint32_t set)
{
    uint64_t       key = (uint64_t)UINT32_MAX << 32 | set;
    struct ae_tab *t = ae_memo_get(pr, key);

    if (!t) {
        t = build_tab(pr, set);
        if (t && ae_memo_put(pr, key, t))
            return NULL;
    }
    return t;
}

struct ae_plan *ae_principal_plan(ae_principal *pr, struct ae_ra *ra,
                                  uint32_t set)
{
    uint64_t        key = (uint64_t)ra->index << 32 | set;
    struct ae_plan *plan = set == AE_SET_BASE ? ra->base
                                              : ae_memo_get(pr, key);
    struct ae_tab  *tab;

    if (plan)
        return plan;
    tab = ae_principal_tab(pr, set);
    plan = tab ? ae_plan_build(pr, ra, tab) : NULL;
    if (!plan)
        return NULL;
    if (set == AE_SET_BASE)
        ra->base = plan;
    else if (ae_memo_put(pr, key, plan))
        return NULL;
    return plan;
}

/* ---- making one ---- */

/* T3: three parts, the first "proj". */
static ae_str project_of_subject(ae_str id)
{
    ae_str head, rest = ae_cut(id, ':', &head), mid, tail;

    if (!rest.p || !ae_eq_lit(head, "proj"))
        return ae_s(NULL, 0);
    tail = ae_cut(rest, ':', &mid);
    if (!tail.p || ae_find(tail, ':') != tail.n)
        return ae_s(NULL, 0);
    return mid;
}

static int copy_subject(ae_principal *pr, const struct ae_subject *s)
{
    ae_str *g;
    char   *blob;
    size_t  n = s->id.n + 1;

    for (size_t i = 0; i < s->ngroups; i++)
        n += s->groups[i].n;
    if (s->ngroups > UINT32_MAX / 4)
        return AE_E_TOOBIG;
    blob = ae_alloc(&pr->a, n);
    g = ae_nalloc(&pr->a, s->ngroups + 1, sizeof(*g));
    pr->group = ae_nalloc(&pr->a, s->ngroups + 1, sizeof(*pr->group));
    if (!blob || !g || !pr->group)
        return AE_E_NOMEM;
    pr->subject = *s;
    pr->subject.groups = g;
    pr->subject.id = ae_s(blob, s->id.n);
    if (s->id.n)
        memcpy(blob, s->id.p, s->id.n);
    blob += s->id.n;
    for (size_t i = 0; i < s->ngroups; i++) {
        g[i] = ae_s(blob, s->groups[i].n);
        if (g[i].n)
            memcpy(blob, s->groups[i].p, g[i].n);
        blob += g[i].n;
    }
    return 0;
}

static void mark_project(ae_principal *pr, uint32_t source)
{
    uint32_t i = source - pr->p->pset[0].source; /* one source a project */

    pr->relevant[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Projects whose lines |id| meets first: those add something to its reach,
 * all others leave it as it is in the base set. */
static int mark_relevant(ae_principal *pr, struct ae_reach *r, uint32_t id)
{
    const ae_policy *p = pr->p;
    int              rc = id == AE_NO_ID ? 0 : ae_reach_run(r, NULL, id);

    if (rc || id == AE_NO_ID)
        return rc;
    for (uint32_t i = 0; i < r->n; i++) {
        const struct ae_csr *c = &p->rows_by_subj;
        uint32_t             t = r->hop[i].id;

        for (uint32_t k = ae_csr_from(c, t, p->nbase_row); k < c->at[t + 1];
             k++)
            mark_project(pr, p->row[c->of[k]].source);
        c = &p->edges_by_src;
        for (uint32_t k = ae_csr_from(c, t, p->nbase_edge); k < c->at[t + 1];
             k++)
            mark_project(pr, p->edge[c->of[k]].source);
    }
    return 0;
}

static int find_relevant(ae_principal *pr)
{
    const ae_policy *p = pr->p;
    ae_heap          heap = { 0 };
    ae_arena         scratch;
    struct ae_reach  r;
    int              rc;

    pr->relevant = ae_nalloc(&pr->a, p->npset / 64 + 1,
                             sizeof(*pr->relevant));
    if (!pr->relevant)
        return AE_E_NOMEM;
    ae_arena_init(&scratch, ae_heap_mem(&heap), NULL, 0);
    scratch.limit = pr->limit;
    rc = ae_reach_init(&r, p, &scratch);
    if (!rc)
        rc = mark_relevant(pr, &r, p->default_id);
    if (!rc)
        rc = mark_relevant(pr, &r, pr->id);
    for (uint32_t i = 0; !rc && i < pr->ngroup; i++)
        rc = mark_relevant(pr, &r, pr->group[i].id);
    ae_heap_free(&heap);
    return rc;
}

static int resolve(ae_principal *pr)
{
    const ae_policy *p = pr->p;
    bool             any;
    int              rc;

    pr->id = ae_names_find(&p->subj, pr->subject.id);
    pr->own_proj = AE_NO_ID;
    pr->local = true;
    if (pr->subject.kind != AE_SUBJ_CLAIMS)
        return 0;               /* R3.2, R3.4: base set only */
    for (size_t i = 0; i < pr->subject.ngroups; i++) {
        struct ae_group *g = &pr->group[pr->ngroup];

        /* a name that no line says cannot be asked with success */
        g->name = pr->subject.groups[i];
        g->id = ae_names_find(&p->subj, g->name);
        pr->ngroup += g->id != AE_NO_ID;
    }
    pr->own = project_of_subject(pr->subject.id);
    if (pr->own.p)
        pr->own_proj = ae_names_find(&p->proj, pr->own);
    if (p->npset == 0) {
        pr->local = !p->partial;
        return 0;
    }
    pr->all_relevant = p->nbase_row == 0;
    rc = find_relevant(pr);
    any = pr->all_relevant || pr->own.p || p->partial;
    for (uint32_t i = 0; !rc && i <= p->npset / 64; i++)
        any = any || pr->relevant[i];
    pr->local = !any;
    return rc;
}

int ae_principal_make(const ae_policy *p, const struct ae_subject *s,
                      size_t limit, ae_principal **out)
{
    ae_principal *pr = malloc(sizeof(*pr) + INLINE_ARENA);
    int           rc;

    *out = NULL;
    if (!pr)
        return AE_E_NOMEM;
    memset(pr, 0, sizeof(*pr));
    pr->p = p;
    pr->limit = limit;
    ae_arena_init(&pr->a, ae_heap_mem(&pr->heap), pr + 1, INLINE_ARENA);
    pr->a.limit = limit;
    cache_init(pr);
    rc = copy_subject(pr, s);
    if (!rc)
        rc = resolve(pr);
    if (rc) {
        ae_principal_free(pr);
        return rc;
    }
    *out = pr;
    return 0;
}

int ae_principal_new(const ae_policy *p, const struct ae_subject *s,
                     ae_principal **out)
{
    return ae_principal_make(p, s, 0, out);
}

void ae_principal_free(ae_principal *pr)
{
    if (!pr)
        return;
    ae_heap_free(&pr->heap);
    ae_heap_free(&pr->cache_heap);
    free(pr);
}

uint32_t ae_principal_set(const ae_principal *pr, uint32_t proj)
{
    if (proj == AE_NO_ID || pr->subject.kind != AE_SUBJ_CLAIMS)
        return AE_SET_BASE;
    if (pr->own.p)              /* T4: another project's token gets a no */
        return proj == pr->own_proj ? AE_SET_PROJECT + proj : AE_SET_FOREIGN;
    if (pr->all_relevant
        || (pr->relevant[proj / 64] >> (proj % 64) & 1))
        return AE_SET_PROJECT + proj;
    return AE_SET_BASE;
}
