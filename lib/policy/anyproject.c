/*
 * anyproject.c - one answer for every project, or none.
 *
 * The object's project is not known: the question is asked for a whole set of
 * objects at once.  Each pattern is judged to match all of them, none, or
 * some; a check() is yes for all, no for all, or mixed.  Everything that is
 * not surely the same throughout is unknown, which is always a legal answer.
 */
#include "policy/internal.h"

/* The objects asked about: all that begin with |head|, end with |tail| and
 * hold |mid| somewhere (each may be empty). */
struct family { ae_str head, tail, mid; };

enum span { NONE, SOME, ALL };

static bool holds(ae_str s, ae_str what)
{
    return ae_find_str(s, what) != SIZE_MAX;
}

static enum span starts(const struct family *f, ae_str lit)
{
    if (ae_starts(f->head, lit))
        return ALL;
    return ae_starts(lit, f->head) ? SOME : NONE;
}

static enum span ends(const struct family *f, ae_str lit)
{
    if (ae_ends(f->tail, lit))
        return ALL;
    return ae_ends(lit, f->tail) ? SOME : NONE;
}

static enum span span_of(const struct ae_prow *r, const struct family *f)
{
    ae_str    lit = ae_s(r->lit, r->n);
    enum span a, b;

    switch (r->kind) {
    case AE_PAT_NEVER:
        return NONE;
    case AE_PAT_ALL:
        return ALL;
    case AE_PAT_LIT:
        return ae_starts(lit, f->head) && ae_ends(lit, f->tail)
            && (f->mid.n == 0 || holds(lit, f->mid)) ? SOME : NONE;
    case AE_PAT_PREFIX:
        return starts(f, lit);
    case AE_PAT_SUFFIX:
        return ends(f, lit);
    case AE_PAT_CONTAINS:
        return holds(f->head, lit) || holds(f->tail, lit)
            || holds(f->mid, lit) ? ALL : SOME;
    case AE_PAT_PRESUF:
        a = starts(f, lit);
        b = ends(f, ae_pat_tail(r->pat));
        return a == NONE || b == NONE ? NONE : a == ALL && b == ALL ? ALL
                                                                    : SOME;
    default:
        return SOME;
    }
}

/* What the rows of one check() say of the family. */
struct tally { bool all_no, all_yes, some_yes, some_no; };

static void count_row(const struct ae_prow *r, const struct family *f,
                      struct tally *t)
{
    enum span s = span_of(r, f);
    bool      raises = r->maybe || !r->pat || ae_pat_may_raise(r->pat);

    if (r->kind == AE_PAT_ERROR && !r->maybe) {
        t->all_no = true;
        return;
    }
    if (r->row == AE_NO_ROW)
        raises = false;         /* the phantom line of R7 */
    if (s == NONE)
        return;
    if (raises || r->effect == AE_EFF_DENY)
        t->some_no = true;
    if (s == ALL && !raises) {
        t->all_no |= r->effect == AE_EFF_DENY;
        t->all_yes |= r->effect == AE_EFF_ALLOW;
    }
    t->some_yes |= r->effect == AE_EFF_ALLOW;
}

/* The whole of R3 in one set.  |certain|: only what no project can change. */
static enum ae_verdict family_verdict(const struct ae_plan *plan,
                                      const struct family *f, bool certain,
                                      const struct ae_ask **by)
{
    enum ae_verdict v = AE_DENY;
    ae_heap         heap = { 0 };
    ae_arena        a;
    struct tally    few[32], *t;

    /* on the request path: the heap only for a caller of many groups */
    ae_arena_init(&a, ae_heap_mem(&heap), few, sizeof(few));
    t = ae_nalloc(&a, (size_t)plan->tab->nask + 1, sizeof(*t));
    if (!t)
        return AE_UNKNOWN;
    for (uint32_t i = 0; i < plan->nrow; i++)
        count_row(&plan->row[i], f, &t[plan->row[i].ask]);
    for (uint32_t i = 0; i < plan->tab->nask && v != AE_ALLOW; i++) {
        const struct ae_ask *k = &plan->tab->ask[i];

        if ((certain && !k->base) || t[i].all_no || !t[i].some_yes)
            continue;
        v = t[i].all_yes && !t[i].some_no ? AE_ALLOW : AE_UNKNOWN;
        if (v == AE_ALLOW)
            *by = k;
    }
    ae_heap_free(&heap);
    return v;
}

struct any {
    ae_principal        *pr;
    struct ae_ra        *ra;
    struct family        f;         /* of an arbitrary project */
    enum ae_verdict      v;
    bool                 have;
    const struct ae_ask *by;
};

static void join(struct any *q, enum ae_verdict v)
{
    q->v = !q->have || q->v == v ? v : AE_UNKNOWN;
    q->have = true;
}

static void ask_set(struct any *q, uint32_t set, const struct family *f)
{
    struct ae_plan *plan = ae_principal_plan(q->pr, q->ra, set);

    join(q, plan ? family_verdict(plan, f, false, &q->by) : AE_UNKNOWN);
}

/* Projects that the inputs lack (see unknown_project() in decide.c): their
 * lines may allow and deny anybody; only R3.1 and R3.3 stand, and T4's no to
 * another project's token. */
static void ask_unknown(struct any *q)
{
    ae_principal   *pr = q->pr;
    struct ae_plan *plan = ae_principal_plan(pr, q->ra, AE_SET_BASE);
    enum ae_verdict v = AE_UNKNOWN;

    if (plan) {
        v = family_verdict(plan, &q->f, true, &q->by);
        if (v != AE_ALLOW
            && !(pr->own.p && pr->own_proj != AE_NO_ID
                 && family_verdict(plan, &q->f, false, &q->by) == AE_DENY))
            v = AE_UNKNOWN;
    }
    join(q, v);
}

/* Known project |i|: its lines, and objects below its name.  An application
 * may carry a project "p/x": its object still asks p's lines (T2). */
static void ask_project(struct any *q, uint32_t set, uint32_t i)
{
    ae_str        name = q->pr->p->pset[i].name;
    struct family f = q->f;
    char          head[256];    /* Kubernetes names have at most 253 bytes */

    if (q->ra->scope == AE_SCOPE_WHOLE) {
        /* exactly the name, which any family check takes as its head and
         * tail: superset of the one object, hence sound */
        f.head = f.tail = name;
    } else {
        if (name.n >= sizeof(head)) {
            join(q, AE_UNKNOWN);
            return;
        }
        memcpy(head, name.p, name.n);
        head[name.n] = '/';
        f.head = ae_s(head, name.n + 1);
    }
    ask_set(q, set, &f);
}

static void ask_everywhere(struct any *q)
{
    ae_principal    *pr = q->pr;
    const ae_policy *p = pr->p;
    bool             scoped = q->ra->scope != AE_SCOPE_NONE
                           && pr->subject.kind == AE_SUBJ_CLAIMS;
    bool             foreign = false;

    /* names that are no project, and projects that add nothing for us */
    ask_set(q, AE_SET_BASE, &q->f);
    if (!scoped)
        return;
    for (uint32_t i = 0; i < p->npset && !(q->have && q->v == AE_UNKNOWN);
         i++) {
        uint32_t set = ae_principal_set(pr, i);

        if (set == AE_SET_FOREIGN) {
            if (!foreign)
                ask_set(q, set, &q->f);
            foreign = true;
        } else if (set != AE_SET_BASE) {
            ask_project(q, set, i);
        }
    }
    if (p->partial && q->v != AE_UNKNOWN)
        ask_unknown(q);
}

static void fill_decision(const struct any *q, struct ae_decision *out)
{
    memset(out, 0, sizeof(*out));
    out->verdict = q->v;
    out->subject = q->pr->subject.id;
    if (q->v == AE_UNKNOWN)
        out->why = AE_WHY_UNKNOWN_PROJECT;
    else if (q->v == AE_DENY)
        out->why = AE_WHY_NO_RULE;
    else if (q->by) {
        out->why = q->by->role == AE_ASK_DEFAULT ? AE_WHY_DEFAULT_ROLE
                                                 : AE_WHY_RULE;
        out->subject = q->by->subject;
    }
}

static void unknown(const ae_principal *pr, struct ae_decision *out)
{
    memset(out, 0, sizeof(*out));
    out->verdict = AE_UNKNOWN;
    out->why = AE_WHY_UNKNOWN_PROJECT;
    out->subject = pr->subject.id;
}

/* "default/<suffix>"; its tail is what every object ends with. */
static ae_str in_default(ae_arena *a, ae_str suffix)
{
    static const char head[] = "default/";
    size_t            n = sizeof(head) - 1;
    char             *p = ae_alloc(a, n + suffix.n);

    if (!p)
        return ae_s(NULL, 0);
    memcpy(p, head, n);
    if (suffix.n)
        memcpy(p + n, suffix.p, suffix.n);
    return ae_s(p, n + suffix.n);
}

void ae_decide_any_project(ae_principal *pr, ae_str resource, ae_str action,
                           ae_str suffix, bool with_bare,
                           struct ae_decision *out)
{
    struct any         q = { .pr = pr };
    struct ae_decision rule = { 0 }, bare;
    ae_heap            heap = { 0 };
    ae_arena           a;
    char               first[320];
    ae_str             one;

    if (with_bare) {
        ae_decide(pr, resource, action, suffix, &bare);
        if (bare.verdict == AE_UNKNOWN) {
            *out = bare;
            return;
        }
        join(&q, bare.verdict);
    }
    ae_principal_trim(pr);
    ae_arena_init(&a, ae_heap_mem(&heap), first, sizeof(first));
    q.ra = ae_principal_ra(pr, resource, action);
    one = in_default(&a, suffix);
    q.f.tail = ae_sub(one, sizeof("default") - 1, one.n);
    if (!q.ra || !q.f.tail.p) {
        unknown(pr, out);
        ae_heap_free(&heap);
        return;
    }
    q.f.mid = AE_STR("");
    q.f.head = AE_STR("");
    ask_everywhere(&q);
    fill_decision(&q, out);
    if (out->verdict != AE_UNKNOWN) {
        /* the same for all: any name will do to point at the rule */
        struct ae_plan *plan = ae_principal_plan(pr, q.ra, AE_SET_BASE);

        if (plan)
            ae_plan_eval(pr, plan, one, false, &rule);
        if (rule.verdict == out->verdict)
            *out = rule;
    }
    ae_heap_free(&heap);
}

bool ae_principal_covers_all(ae_principal *pr, ae_str resource, ae_str action)
{
    struct any q = { .pr = pr };

    ae_principal_trim(pr);
    q.ra = ae_principal_ra(pr, resource, action);
    if (!q.ra)
        return false;
    q.f.head = q.f.tail = q.f.mid = AE_STR("");
    /* these objects always are "<project>/<name>" (semantics O); clusters and
     * repositories may be bare URLs */
    if (ae_eq_lit(resource, "applications") || ae_eq_lit(resource, "logs")
        || ae_eq_lit(resource, "applicationsets")
        || ae_eq_lit(resource, "exec"))
        q.f.mid = AE_STR("/");
    ask_everywhere(&q);
    return q.v == AE_ALLOW;
}

enum { PROJECT_ROWS_MAX = 512 }; /* beyond, asking each object is as good */

enum ae_verdict ae_decide_in_project(ae_principal *pr, ae_str resource,
                                     ae_str action, ae_str project)
{
    const struct ae_ask *by = NULL;
    struct family        f = { .tail = AE_STR(""), .mid = AE_STR("") };
    struct ae_plan      *plan;
    struct ae_ra        *ra;
    ae_str               name = { NULL, 0 };
    uint32_t             set = AE_SET_BASE;
    char                 head[256];

    if (project.n >= sizeof(head))
        return AE_UNKNOWN;
    if (project.n)
        memcpy(head, project.p, project.n);
    head[project.n] = '/';
    f.head = ae_s(head, project.n + 1);
    ae_principal_trim(pr);
    ra = ae_principal_ra(pr, resource, action);
    if (!ra || ra->scope == AE_SCOPE_WHOLE)
        return AE_UNKNOWN;
    if (!pr->local)
        set = ae_decide_set(pr, ra->scope, f.head, &name);
    if (name.p)
        return AE_UNKNOWN; /* a project that we cannot see */
    plan = ae_principal_plan(pr, ra, set);
    if (!plan || plan->nrow > PROJECT_ROWS_MAX)
        return AE_UNKNOWN;
    return family_verdict(plan, &f, false, &by);
}
