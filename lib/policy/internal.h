/*
 * internal.h - shapes shared by the compiling and deciding half of
 * lib/policy.  Rules are cited from docs/semantics.md (R, T, P, M, G).
 */
#ifndef AE_POLICY_INTERNAL_H
#define AE_POLICY_INTERNAL_H

#include "policy/policy.h"

enum { AE_MAX_HOPS = 10 };          /* R8: role reach in g edges */
#define AE_NO_ID  UINT32_MAX        /* a name that the policy never says */
#define AE_NO_ROW UINT32_MAX        /* the empty p-set's phantom line (R7) */

/* ---- pattern.c: one interned pattern ---- */

/* The common shapes are recognised without building a matcher.  Zero never
 * matches.  ERROR raises (M3), UNKNOWN is one that we could not compile for
 * a bound of ours: it is never taken for a yes or a no. */
enum ae_pat_kind {
    AE_PAT_NEVER = 0, AE_PAT_ALL, AE_PAT_LIT, AE_PAT_PREFIX, AE_PAT_SUFFIX,
    AE_PAT_CONTAINS, AE_PAT_PRESUF, AE_PAT_PRELINE, AE_PAT_GLOB,
    AE_PAT_REGEX, AE_PAT_ERROR, AE_PAT_UNKNOWN
};

struct ae_pat {
    const char *text;               /* as written */
    uint32_t    n;
    uint32_t    lit_off, lit_n;     /* the literal inside |text| */
    uint32_t    tail_n;             /* PRESUF: literal at the end of |text| */
    void       *m;                  /* ae_glob or ae_regex */
    uint8_t     kind;
};

static inline ae_str ae_pat_lit(const struct ae_pat *p)
{
    return ae_s(p->text + p->lit_off, p->lit_n);
}

static inline ae_str ae_pat_tail(const struct ae_pat *p)
{
    return ae_s(p->text + p->n - p->tail_n, p->tail_n);
}

/* 0 or AE_E_NOMEM.  |text| must outlive |out|; matchers go to |a|, except
 * regexes, which ae_pat_drop() frees. */
int  ae_pat_init(struct ae_pat *out, ae_arena *a, ae_str text,
                 enum ae_match_mode mode);
void ae_pat_drop(struct ae_pat *p);
/* 1, 0, AE_E_PATTERN, AE_E_BUDGET. */
int  ae_pat_match(const struct ae_pat *p, ae_str s);
/* Can matching raise an error (then even a dead effect counts: R2)? */
bool ae_pat_may_raise(const struct ae_pat *p);

/* ---- compile.c, index.c: the immutable policy ---- */

/* The last line of what a reader consumed between |from| and |to|, as it was
 * written, blanks and all. */
ae_str ae_last_line(const char *from, const char *to);

enum { AE_EFF_NONE = 0, AE_EFF_ALLOW, AE_EFF_DENY }; /* R9 */

struct ae_row {                     /* one p-line */
    uint32_t    subj, res, act, obj; /* subject id, pattern ids */
    const char *text;
    uint32_t    text_n;
    uint32_t    line, source;
    uint8_t     effect;
};

struct ae_edge {                    /* one g-line */
    uint32_t    src, dst;
    const char *text;
    uint32_t    text_n;
    uint32_t    line, source;
};

struct ae_pset {                    /* what one project adds (P1) */
    ae_str   name;
    uint32_t row0, row1, edge0, edge1;
    uint32_t source;
    bool     broken;                /* text dropped whole (P3) */
};

struct ae_slot { uint32_t tag, id; }; /* id AE_NO_ID: free */

struct ae_names {                   /* string -> dense id */
    ae_str         *name;
    struct ae_slot *slot;
    uint32_t        n, mask;        /* mask + 1 slots */
};

struct ae_csr { uint32_t *at, *of; }; /* at[id]..at[id+1] index into of[] */

struct ae_policy {
    ae_heap  heap;
    ae_arena a;
    uint64_t hash;
    enum ae_match_mode mode;
    bool     partial;
    ae_str   default_role;
    uint32_t default_id;
    bool     scopes_set;
    ae_str  *scopes;
    size_t   nscopes;
    struct ae_names  subj, proj;    /* id 0 of subj is "" (R3.3) */
    struct ae_pat   *pat;
    uint32_t         npat;
    struct ae_row   *row;
    uint32_t         nrow, nbase_row;   /* base rows first, then by project */
    struct ae_edge  *edge;
    uint32_t         nedge, nbase_edge;
    struct ae_csr    rows_by_subj, edges_by_src;
    struct ae_pset  *pset;
    uint32_t         npset;
    ae_str          *source;        /* "builtin", path, "project NAME" */
    uint32_t         nsource;
    size_t           bytes;         /* set once built */
};

/* ae_policy_new with a bound on each arena: the tests' way to make the n-th
 * allocation fail.  0 = no bound. */
int ae_policy_build(const struct ae_policy_in *in, size_t limit,
                    ae_policy **out, struct ae_err *err);

/* The built-in policy as lines (semantics B). */
ae_str ae_builtin_text(ae_arena *a);

/* names: |cap| is the most names that will ever be added. */
int      ae_names_init(struct ae_names *t, ae_arena *a, uint32_t cap);
uint32_t ae_names_find(const struct ae_names *t, ae_str s);
uint32_t ae_names_add(struct ae_names *t, ae_str s);
/* Exact-size copy into |a|. */
int      ae_names_pack(const struct ae_names *t, ae_arena *a,
                       struct ae_names *out);
int      ae_policy_index(ae_policy *p, ae_arena *scratch);

static inline ae_str ae_row_text(const struct ae_row *r)
{
    return ae_s(r->text, r->text_n);
}

/* First position in |c|'s list of |id| whose value is >= |from|. */
uint32_t ae_csr_from(const struct ae_csr *c, uint32_t id, uint32_t from);

/* Could a project of this name exist in Kubernetes (DNS-1123 subdomain)?  A
 * cluster URL's "https:" cannot, however little of the cluster we see. */
bool ae_project_name_possible(ae_str name);

/* ---- principal.c: a policy specialised to one subject ---- */

enum ae_ask_role { AE_ASK_DEFAULT = 0, AE_ASK_USER, AE_ASK_GROUP,
                   AE_ASK_EMPTY };

struct ae_ask {                     /* one check() of R3/T */
    ae_str    subject;
    uint32_t  id;
    uint8_t   role;                 /* enum ae_ask_role */
    bool      base;                 /* asked in the base set whatever the
                                       project is: R3.1, R3.3 */
    bool      hole;                 /* R7 applies and is reached */
    uint32_t *row;                  /* rows that it reaches, in order */
    uint32_t  nrow;
};

struct ae_tab {                     /* the checks of one set, in order */
    const struct ae_pset *pset;     /* NULL: base */
    struct ae_ask        *ask;
    uint32_t              nask;
};

enum ae_scope { AE_SCOPE_NONE, AE_SCOPE_SLASH, AE_SCOPE_WHOLE }; /* T2 */

struct ae_prow {                    /* a row whose resource and action fit */
    const char          *lit;
    const struct ae_pat *pat;       /* NULL: decided without the object */
    uint32_t             n;
    uint32_t             row;
    uint32_t             ask;       /* index in tab->ask */
    uint8_t              kind, effect;
    bool                 maybe;     /* resource or action: budget overrun */
};

/* Rows that can only match objects with one text before the first slash. */
struct ae_bucket { uint32_t tag, first, end; }; /* end 0: free */

struct ae_plan {                    /* (resource, action) in one set */
    const struct ae_tab *tab;
    struct ae_prow      *row;       /* by ask, then by row */
    uint32_t             nrow;
    uint32_t             ngeneral;  /* rows that no bucket holds, first */
    struct ae_bucket    *bucket;    /* NULL: all rows are general */
    uint32_t             mask;
};

struct ae_ra {                      /* a (resource, action) that was asked */
    ae_str          res, act;
    uint64_t        hash;
    enum ae_scope   scope;
    uint32_t        index;
    struct ae_plan *base;
    struct ae_ra   *next;
};

struct ae_memo { uint64_t key; void *val; };  /* val NULL: free */

enum { AE_RA_SLOTS = 64, AE_RA_MAX = 512, AE_CACHE_MAX = 2 << 20 };

struct ae_group { ae_str name; uint32_t id; };

struct ae_principal {
    const ae_policy *p;
    ae_heap   heap, cache_heap;
    ae_arena  a, cache;             /* |cache| is dropped when it grows */
    struct ae_subject subject;
    uint32_t  id;
    struct ae_group *group;
    uint32_t  ngroup;
    ae_str    own;                  /* T3: middle part, absent if none */
    uint32_t  own_proj;
    uint64_t *relevant;             /* bit per project that adds something */
    bool      all_relevant;         /* R7: any project may close the hole */
    bool      local;                /* no project can matter: skip T2 */
    size_t    limit;
    /* lazily filled */
    struct ae_ra   *ra[AE_RA_SLOTS];
    uint32_t        nra;
    struct ae_memo *memo;           /* open addressing */
    uint32_t        nmemo, memo_mask;
};

enum { AE_SET_BASE = 0, AE_SET_FOREIGN = 1, AE_SET_PROJECT = 2 };

int ae_principal_make(const ae_policy *p, const struct ae_subject *s,
                      size_t limit, ae_principal **out);
/* Which set answers for known project |proj| (AE_NO_ID: none). */
uint32_t ae_principal_set(const ae_principal *pr, uint32_t proj);
/* Drop what was cached if it has grown past its bound. */
void ae_principal_trim(ae_principal *pr);
/* NULL: out of memory. */
struct ae_ra   *ae_principal_ra(ae_principal *pr, ae_str res, ae_str act);
struct ae_tab  *ae_principal_tab(ae_principal *pr, uint32_t set);
struct ae_plan *ae_principal_plan(ae_principal *pr, struct ae_ra *ra,
                                  uint32_t set);
struct ae_plan *ae_plan_build(ae_principal *pr, const struct ae_ra *ra,
                              const struct ae_tab *tab);
/* The bucket of |object|, if it has one.  Only with plan->bucket. */
const struct ae_bucket *ae_plan_bucket(const struct ae_plan *plan,
                                       ae_str object);
void *ae_memo_get(const ae_principal *pr, uint64_t key);
int   ae_memo_put(ae_principal *pr, uint64_t key, void *val);

/* Subjects reachable from |id| in base + |ps| (R8), nearest first. */
struct ae_hop {
    uint32_t id;                    /* subject */
    uint32_t via;                   /* edge that led here, AE_NO_ID at 0 */
    uint32_t from;                  /* index of the hop before */
    uint32_t depth;
};
struct ae_reach {
    const ae_policy *p;
    ae_arena        *a;             /* scratch */
    struct ae_hop   *hop;
    uint32_t         n, cap;
    uint64_t        *seen;
    bool             touched;       /* a g-line of |ps| was used */
};
int ae_reach_init(struct ae_reach *r, const ae_policy *p, ae_arena *a);
int ae_reach_run(struct ae_reach *r, const struct ae_pset *ps, uint32_t id);

enum ae_scope ae_resource_scope(ae_str resource);
/* Project named by the object (T2); absent span if it names none. */
ae_str ae_object_project(enum ae_scope scope, ae_str object);

/* ---- decide.c ---- */

static inline int ae_prow_match(const struct ae_prow *r, ae_str s)
{
    switch (r->kind) {
    case AE_PAT_ALL:
        return 1;
    case AE_PAT_LIT:
        return s.n == r->n && (s.n == 0 || memcmp(s.p, r->lit, s.n) == 0);
    case AE_PAT_PREFIX:
        return s.n >= r->n && memcmp(s.p, r->lit, r->n) == 0;
    case AE_PAT_ERROR:
        return AE_E_PATTERN;
    case AE_PAT_UNKNOWN:
        return AE_E_BUDGET;
    default:
        return ae_pat_match(r->pat, s);
    }
}

/* Text before the first slash, or all of it: what buckets go by. */
static inline ae_str ae_object_head(ae_str s)
{
    const char *slash = s.n ? memchr(s.p, '/', s.n) : NULL;

    return slash ? ae_s(s.p, (size_t)(slash - s.p)) : s;
}

/* The set that answers for |object|; *unknown: a project that may exist. */
uint32_t ae_decide_set(const ae_principal *pr, enum ae_scope scope,
                       ae_str object, ae_str *unknown);
/* |certain|: only the checks that no project can change. */
void ae_plan_eval(const ae_principal *pr, const struct ae_plan *plan,
                  ae_str object, bool certain, struct ae_decision *out);

/* Is |id| the first field of some g-line of base + |ps| (T5)? */
bool ae_has_edge(const ae_policy *p, const struct ae_pset *ps, uint32_t id);

/* ---- explain.c ---- */

/* A JSON string of bytes that need not be UTF-8 (bad ones as U+FFFD). */
json_t *ae_json_text(ae_str s);

#endif
