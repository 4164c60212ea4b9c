/*
 * compile.c - from Argo CD's texts to the immutable policy.
 *
 * Everything is read once into scratch arrays, then copied at its exact size
 * into the policy's own heap.  Base lines come first and each project's lines
 * behind them, so "base set + one project" (R1) is two ranges of one array
 * and the order of a set is the order of the indices.
 */
#include "policy/internal.h"

#include <stdlib.h>

struct build {
    ae_policy     *p;
    ae_heap        heap;
    ae_arena       s;           /* scratch */
    uint32_t       lines;       /* upper bound over all texts */
    struct ae_names pat_names;  /* pattern text -> id */
    struct ae_err *err;
};

static int no_memory(struct build *b)
{
    return ae_err_set(b->err, AE_E_NOMEM, "out of memory compiling the "
                      "policy");
}

ae_str ae_last_line(const char *from, const char *to)
{
    size_t      n = (size_t)(to - from);
    const char *nl;

    if (n && from[n - 1] == '\n')
        n--;
    nl = n ? memrchr(from, '\n', n) : NULL;
    if (nl) {
        n -= (size_t)(nl + 1 - from);
        from = nl + 1;
    }
    return ae_s(from, n);
}

static int add_pat(struct build *b, ae_str text, uint32_t *id)
{
    ae_policy *p = b->p;

    *id = ae_names_add(&b->pat_names, text);
    if (*id < p->npat)
        return 0;
    if (ae_pat_init(&p->pat[*id], &p->a, text, p->mode))
        return no_memory(b);
    p->npat = *id + 1;
    return 0;
}

static uint8_t effect_of(ae_str s)
{
    if (ae_eq_lit(s, "allow"))
        return AE_EFF_ALLOW;
    return ae_eq_lit(s, "deny") ? AE_EFF_DENY : AE_EFF_NONE; /* R9 */
}

static int add_row(struct build *b, const struct ae_csv_line *l, ae_str text,
                   uint32_t line, uint32_t source)
{
    struct ae_row *r = &b->p->row[b->p->nrow];
    int            rc;

    r->subj = ae_names_add(&b->p->subj, l->field[1]);
    if ((rc = add_pat(b, l->field[2], &r->res))
        || (rc = add_pat(b, l->field[3], &r->act))
        || (rc = add_pat(b, l->field[4], &r->obj)))
        return rc;
    r->effect = effect_of(l->field[5]);
    r->text = text.p;
    r->text_n = (uint32_t)text.n;
    r->line = line;
    r->source = source;
    b->p->nrow++;
    return 0;
}

static void add_edge(struct build *b, const struct ae_csv_line *l,
                     ae_str text, uint32_t line, uint32_t source)
{
    struct ae_edge *e = &b->p->edge[b->p->nedge++];

    e->src = ae_names_add(&b->p->subj, l->field[1]);
    e->dst = ae_names_add(&b->p->subj, l->field[2]);
    e->text = text.p;
    e->text_n = (uint32_t)text.n;
    e->line = line;
    e->source = source;
}

/* Append the lines of |text| (already in the policy's arena). */
static int add_text(struct build *b, ae_str text, uint32_t first_line,
                    uint32_t source, struct ae_err *err)
{
    struct ae_csv_line l;
    ae_str             rest = text;
    uint32_t           line = 0;
    int                rc;

    if (text.n == 0)
        return 0;
    for (;;) {
        const char *from = rest.p;
        const char *to;
        ae_str      raw;

        rc = ae_csv_next(&b->p->a, &rest, &line, &l, err);
        if (rc <= 0)
            return rc;
        to = rest.p ? rest.p : text.p + text.n;
        raw = ae_trim_space(ae_last_line(from, to));
        if (l.key == 'p')
            rc = add_row(b, &l, raw, first_line + l.line - 1, source);
        else if (l.key == 'g')
            add_edge(b, &l, raw, first_line + l.line - 1, source);
        if (rc < 0)
            return rc;
    }
}

static uint32_t add_source(struct build *b, ae_str label)
{
    b->p->source[b->p->nsource] = label;
    return b->p->nsource++;
}

static int add_builtin(struct build *b)
{
    ae_str text = ae_builtin_text(&b->p->a);

    if (!text.p)
        return no_memory(b);
    return add_text(b, text, 1, add_source(b, AE_STR("builtin")), b->err);
}

static ae_str part_label(ae_arena *a, const struct ae_text *t)
{
    if (t->file.n)
        return ae_dup(a, t->file);
    return t->key.n ? ae_dup(a, t->key) : AE_STR("policy.csv");
}

/* A bad line of the user's own makes the whole policy fail (C4, R11); the
 * text is the one that Argo CD logs (C5), the place is ours. */
static int add_part(struct build *b, const struct ae_text *t)
{
    struct ae_err e = { 0 };
    uint32_t      first = t->line ? t->line : 1;
    ae_str        label = part_label(&b->p->a, t);
    ae_str        text = ae_dup(&b->p->a, t->text);
    int           rc;

    if (!label.p || (t->text.p && !text.p))
        return no_memory(b);
    rc = add_text(b, text, first, add_source(b, label), &e);
    if (rc == AE_E_SYNTAX)
        return ae_err_at(b->err, rc, label, first + e.line - 1, e.column,
                         "error loading RBAC policy: error creating casbin "
                         "enforcer: error loading policy line: %s", e.text);
    return rc ? no_memory(b) : 0;
}

static bool in_namespace(const struct ae_project *p, ae_str ns)
{
    return p->ns.n == 0 || ae_eq(p->ns, ns);
}

static int add_project(struct build *b, const struct ae_project *in)
{
    ae_policy      *p = b->p;
    struct ae_err   e = { 0 };
    struct ae_pset *s = &p->pset[p->npset];
    ae_str          text, label;
    int             rc;

    if (ae_names_find(&p->proj, in->name) != AE_NO_ID)
        return 0;
    memset(s, 0, sizeof(*s));
    s->name = ae_dup(&p->a, in->name.p ? in->name : AE_STR(""));
    label = ae_fmt(&p->a, "project %.*s", (int)in->name.n,
                   in->name.n ? in->name.p : "");
    text = ae_project_policy(&p->a, in);
    if (!s->name.p || !label.p || p->a.failed)
        return no_memory(b);
    ae_names_add(&p->proj, s->name);
    s->source = add_source(b, label);
    s->row0 = p->nrow;
    s->edge0 = p->nedge;
    rc = add_text(b, text, 1, s->source, &e);
    if (rc == AE_E_SYNTAX) {
        /* P3: one bad line and none of this project's lines count; the
         * project still exists (T4) */
        p->nrow = s->row0;
        p->nedge = s->edge0;
        s->broken = true;
    } else if (rc) {
        return no_memory(b);
    }
    s->row1 = p->nrow;
    s->edge1 = p->nedge;
    p->npset++;
    return 0;
}

/* ---- sizes ---- */

static size_t text_lines(ae_str t)
{
    size_t n = 1;

    for (const char *p = t.p, *end = t.p + t.n; p < end; n++) {
        p = memchr(p, '\n', (size_t)(end - p));
        if (!p)
            break;
        p++;
    }
    return n;
}

enum { BUILTIN_LINES = 64, LINES_MAX = 8 << 20 };

/* More lines than any text can hold, so the arrays never grow. */
static int bound_lines(struct build *b, const struct ae_policy_in *in)
{
    size_t n = BUILTIN_LINES;

    for (size_t i = 0; i < in->rbac->nparts; i++)
        n += text_lines(in->rbac->parts[i].text);
    for (size_t i = 0; i < in->nprojects; i++) {
        const struct ae_project *p = &in->projects[i];

        for (size_t j = 0; j < p->nroles; j++) {
            const struct ae_role *r = &p->roles[j];

            n += text_lines(r->name) + text_lines(p->name);
            for (size_t k = 0; k < r->npolicies; k++)
                n += text_lines(r->policies[k]);
            /* a line break in a name counts in each line that holds it */
            for (size_t k = 0; k < r->ngroups; k++)
                n += text_lines(r->groups[k]) + text_lines(r->name)
                   + text_lines(p->name);
        }
    }
    if (n > LINES_MAX)
        return ae_err_set(b->err, AE_E_TOOBIG, "the policy has more than %d "
                          "lines", (int)LINES_MAX);
    b->lines = (uint32_t)n;
    return 0;
}

static int scratch_init(struct build *b, const struct ae_policy_in *in)
{
    ae_policy *p = b->p;
    uint32_t   n = b->lines;

    p->row = ae_alloc(&b->s, n * sizeof(*p->row));
    p->edge = ae_alloc(&b->s, n * sizeof(*p->edge));
    p->pat = ae_alloc(&b->s, (size_t)n * 3 * sizeof(*p->pat));
    p->pset = ae_nalloc(&p->a, in->nprojects + 1, sizeof(*p->pset));
    p->source = ae_nalloc(&p->a, in->nprojects + in->rbac->nparts + 1,
                          sizeof(*p->source));
    if (!p->row || !p->edge || !p->pat || !p->pset || !p->source
        || ae_names_init(&p->subj, &b->s, n * 2 + 2)
        || ae_names_init(&b->pat_names, &b->s, n * 3)
        || ae_names_init(&p->proj, &p->a, (uint32_t)in->nprojects))
        return no_memory(b);
    return 0;
}

/* ---- settings, packing ---- */

static int copy_settings(struct build *b, const struct ae_policy_in *in)
{
    ae_policy *p = b->p;
    const struct ae_rbac_in *r = in->rbac;

    p->mode = r->mode;
    p->partial = in->projects_partial;
    p->scopes_set = r->scopes_set;
    p->nscopes = r->nscopes;
    p->default_role = r->default_role.n ? ae_dup(&p->a, r->default_role)
                                        : AE_STR("");
    p->scopes = ae_nalloc(&p->a, r->nscopes + 1, sizeof(*p->scopes));
    if (!p->scopes)
        return no_memory(b);
    for (size_t i = 0; i < r->nscopes; i++)
        p->scopes[i] = ae_dup(&p->a, r->scopes[i]);
    return p->a.failed ? no_memory(b) : 0;
}

static void *keep(struct build *b, const void *from, size_t n, size_t size)
{
    void *to = ae_alloc(&b->p->a, n * size);

    if (to && n)
        memcpy(to, from, n * size);
    return to;
}

static int pack(struct build *b)
{
    ae_policy *p = b->p;
    void      *pat = keep(b, p->pat, p->npat, sizeof(*p->pat));
    struct ae_names subj;

    p->row = keep(b, p->row, p->nrow, sizeof(*p->row));
    p->edge = keep(b, p->edge, p->nedge, sizeof(*p->edge));
    if (!pat || !p->row || !p->edge || ae_names_pack(&p->subj, &p->a, &subj))
        return no_memory(b);
    p->pat = pat;
    p->subj = subj;
    if (ae_policy_index(p, &p->a))
        return no_memory(b);
    p->default_id = p->default_role.n
                  ? ae_names_find(&p->subj, p->default_role) : AE_NO_ID;
    return 0;
}

static uint64_t mix(uint64_t h, ae_str s)
{
    /* the length is mixed in, so that fields cannot flow into each other */
    return ae_hash64(s, h * 0x9E3779B97F4A7C15u + s.n + 1);
}

static uint64_t content_hash(const struct ae_policy_in *in)
{
    const struct ae_rbac_in *r = in->rbac;
    uint64_t h = mix((uint64_t)in->builtin << 3
                     | (uint64_t)in->projects_partial << 2
                     | (uint64_t)r->scopes_set << 1
                     | (r->mode == AE_MATCH_REGEX), in->ns);

    h = mix(h + r->nparts, r->default_role);
    for (size_t i = 0; i < r->nparts; i++)
        h = mix(h, r->parts[i].text);
    for (size_t i = 0; i < r->nscopes; i++)
        h = mix(h + i + 1, r->scopes[i]);
    for (size_t i = 0; i < in->nprojects; i++) {
        const struct ae_project *p = &in->projects[i];

        h = mix(mix(h + p->nroles, p->name), p->ns);
        for (size_t j = 0; j < p->nroles; j++) {
            const struct ae_role *o = &p->roles[j];

            h = mix(h + (o->npolicies << 20) + o->ngroups, o->name);
            for (size_t k = 0; k < o->npolicies; k++)
                h = mix(h, o->policies[k]);
            for (size_t k = 0; k < o->ngroups; k++)
                h = mix(h, o->groups[k]);
        }
    }
    return h;
}

/* ---- entry ---- */

static int read_all(struct build *b, const struct ae_policy_in *in)
{
    ae_str ns = in->ns.n ? in->ns : AE_STR("argocd");
    int    rc = copy_settings(b, in);

    if (!rc)
        rc = bound_lines(b, in);
    if (!rc)
        rc = scratch_init(b, in);
    if (rc)
        return rc;
    ae_names_add(&b->p->subj, AE_STR("")); /* id 0 */
    if (in->builtin)
        rc = add_builtin(b);
    for (size_t i = 0; !rc && i < in->rbac->nparts; i++)
        rc = add_part(b, &in->rbac->parts[i]);
    b->p->nbase_row = b->p->nrow;
    b->p->nbase_edge = b->p->nedge;
    for (size_t i = 0; !rc && i < in->nprojects; i++)
        if (in_namespace(&in->projects[i], ns))
            rc = add_project(b, &in->projects[i]);
    return rc ? rc : pack(b);
}

int ae_policy_build(const struct ae_policy_in *in, size_t limit,
                    ae_policy **out, struct ae_err *err)
{
    static const struct ae_rbac_in none;
    struct ae_policy_in whole = *in;
    struct ae_err       own = { 0 };
    struct build        b = { .err = err ? err : &own };
    int                 rc;

    *out = NULL;
    if (!whole.rbac)
        whole.rbac = &none;
    b.p = calloc(1, sizeof(*b.p));
    if (!b.p)
        return no_memory(&b);
    ae_arena_init(&b.p->a, ae_heap_mem(&b.p->heap), NULL, 0);
    ae_arena_init(&b.s, ae_heap_mem(&b.heap), NULL, 0);
    b.p->a.limit = b.s.limit = limit;
    rc = read_all(&b, &whole);
    if (rc == 0) {
        b.p->hash = content_hash(&whole);
        b.p->bytes = sizeof(*b.p) + b.p->heap.bytes;
        *out = b.p;
    } else {
        ae_policy_free(b.p); /* its arrays may still lie in scratch */
    }
    ae_heap_free(&b.heap);
    return rc;
}

int ae_policy_new(const struct ae_policy_in *in, ae_policy **out,
                  struct ae_err *err)
{
    return ae_policy_build(in, 0, out, err);
}

void ae_policy_free(ae_policy *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->npat; i++)
        ae_pat_drop(&p->pat[i]);
    ae_heap_free(&p->heap);
    free(p);
}

size_t ae_policy_bytes(const ae_policy *p)
{
    return p->bytes;
}

uint64_t ae_policy_hash(const ae_policy *p)
{
    return p->hash;
}

bool ae_policy_has_project(const ae_policy *p, ae_str name)
{
    return ae_names_find(&p->proj, name) != AE_NO_ID;
}
