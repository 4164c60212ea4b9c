/*
 * glob_compile.c - syntax tree to matchers (G4).  The rewrites change what
 * some patterns mean; they are ported as they are, because Argo CD's answer
 * is the right one by definition.
 */
#include "policy/glob.h"

struct compiler {
    ae_arena *a;
    uint32_t  ids;
    int       rc;   /* the first failure; functions then return NULL */
};

struct list { struct gm **v; size_t n; };

static struct gm *compile(struct compiler *c, const struct ast *t);

static struct gm *fail(struct compiler *c, int rc)
{
    if (c->rc == AE_OK)
        c->rc = rc;
    return NULL;
}

static struct gm *make(struct compiler *c, enum gm_kind kind, int32_t len)
{
    struct gm *m = ae_zalloc(c->a, sizeof(*m));

    if (m == NULL)
        return fail(c, AE_E_NOMEM);
    m->kind = kind;
    m->len = len;
    m->id = ++c->ids;
    m->depth = 1;
    return m;
}

static struct gm *make_text(struct compiler *c, enum gm_kind kind, ae_str s)
{
    struct gm *m = make(c, kind, -1);

    if (m != NULL) {
        m->text = s;
        if (kind == GM_TEXT)
            m->len = (int32_t)ae_utf8_count(s);
    }
    return m;
}

static struct gm *make_both(struct compiler *c, ae_str pre, ae_str suf)
{
    struct gm *m = make_text(c, GM_PREFIX_SUFFIX, pre);

    if (m != NULL)
        m->suffix = suf;
    return m;
}

static struct gm *make_count(struct compiler *c, enum gm_kind kind, size_t n)
{
    struct gm *m = make(c, kind, -1);

    if (m != NULL)
        m->lo = (uint32_t)n;
    return m;
}

/* A matcher over copies of |n| pointers; bounds the depth. */
static struct gm *make_over(struct compiler *c, enum gm_kind kind,
                            struct gm *const *v, size_t n)
{
    struct gm *m = make(c, kind, -1);
    size_t i;

    if (m == NULL)
        return NULL;
    m->kid = ae_nalloc(c->a, n + 1, sizeof(struct gm *));
    if (m->kid == NULL)
        return fail(c, AE_E_NOMEM);
    m->nkid = n;
    for (i = 0; i < n; i++) {
        m->kid[i] = v[i];
        if (v[i] != NULL && v[i]->depth >= m->depth)
            m->depth = v[i]->depth + 1;
    }
    return m->depth > GLOB_MAX_DEPTH ? fail(c, AE_E_TOOBIG) : m;
}

/* ---- simplify ---- */

static bool is(const struct gm *m, enum gm_kind kind)
{
    return m != NULL && m->kind == kind;
}

static struct gm *simplify_bt(struct compiler *c, struct gm *m)
{
    const struct gm *v = m->kid[0], *l = m->kid[1], *r = m->kid[2];

    if (v->kind != GM_TEXT)
        return m;
    if (l == NULL && r == NULL)
        return make_text(c, GM_TEXT, v->text);
    if (is(l, GM_STAR) && is(r, GM_STAR))
        return make_text(c, GM_CONTAINS, v->text);
    if (is(l, GM_STAR) && r == NULL)
        return make_text(c, GM_SUFFIX, v->text);
    if (l == NULL && is(r, GM_STAR))
        return make_text(c, GM_PREFIX, v->text);
    if (l == NULL && is(r, GM_SUFFIX))
        return make_both(c, v->text, r->text);
    if (is(l, GM_PREFIX) && r == NULL)
        return make_both(c, l->text, v->text);
    return m;
}

static struct gm *simplify(struct compiler *c, struct gm *m)
{
    if (m == NULL)
        return NULL;
    if (m->kind == GM_ALT && m->nkid == 1)
        return m->kid[0];
    if (m->kind == GM_LIST && !m->not && ae_utf8_count(m->text) == 1)
        return make_text(c, GM_TEXT, m->text);
    if (m->kind == GM_BT) {
        m->kid[1] = simplify(c, m->kid[1]);
        m->kid[2] = simplify(c, m->kid[2]);
        return c->rc == AE_OK ? simplify_bt(c, m) : NULL;
    }
    return m;
}

/* ---- glue and shrink ---- */

/* Can |m| be part of an "every", and with which class list? */
static bool every_part(const struct gm *m, ae_str *list)
{
    *list = AE_STR("");
    if (m->kind == GM_STAR || m->kind == GM_ONE)
        return true;
    *list = m->text;
    return m->kind == GM_LIST && m->not;
}

/* How many items from |at| on glue as "every" (1 or 0: none). */
static size_t every_run(struct list l, size_t at)
{
    ae_str first, other;
    size_t i;

    if (!every_part(l.v[at], &first))
        return 0;
    for (i = at + 1; i < l.n; i++)
        if (!every_part(l.v[i], &other) || !ae_eq(first, other))
            break;
    return i - at;
}

static size_t row_run(struct list l, size_t at)
{
    size_t i = at;

    while (i < l.n && l.v[i]->len != -1)
        i++;
    return i - at;
}

static struct gm *glue_every(struct compiler *c, struct list l)
{
    struct gm *part[3];
    size_t i, ones = 0, n = 0;
    ae_str list;

    for (i = 0; i < l.n; i++)
        ones += l.v[i]->kind != GM_STAR;
    every_part(l.v[0], &list);
    if (ones == 0)
        return make(c, GM_STAR, -1);
    if (ones < l.n && list.n == 0)
        return make_count(c, GM_MIN, ones);
    part[n++] = make_count(c, GM_MIN, ones);
    if (ones == l.n)
        part[n++] = make_count(c, GM_MAX, ones);
    if (list.n > 0)
        part[n++] = make_text(c, GM_NOT_CONTAINS, list);
    return c->rc == AE_OK ? make_over(c, GM_EVERY, part, n) : NULL;
}

static struct gm *glue_row(struct compiler *c, struct list l)
{
    struct gm *m = make_over(c, GM_ROW, l.v, l.n);
    size_t i;

    if (m == NULL)
        return NULL;
    m->len = 0;
    for (i = 0; i < l.n; i++)
        m->len += l.v[i]->len; /* fits: a character is a byte at least */
    return m;
}

static int32_t row_len(struct list l, size_t at, size_t n)
{
    int32_t sum = 0;

    while (n-- > 0)
        sum += l.v[at + n]->len;
    return sum;
}

/* Which span to glue.  Of the spans with one start only the longest can win:
 * parts of a gluable span glue the same way and are neither wider nor longer.
 */
static bool pick(struct list l, size_t *at, size_t *n, bool *row)
{
    int32_t len = -1;
    size_t i;

    *n = 0;
    for (i = 0; i < l.n; i++) {
        size_t e = every_run(l, i), w = row_run(l, i);
        bool is_row = w > e;
        size_t count = is_row ? w : e;
        int32_t glued = is_row ? row_len(l, i, count) : -1;

        if (count < 2)
            continue;
        if (*n == 0 || (len > -1 && glued > len) || count > *n) {
            *at = i;
            *n = count;
            *row = is_row;
            len = glued;
        }
    }
    return *n > 0;
}

static bool shrink(struct compiler *c, struct list *l)
{
    size_t at, n;
    bool row;

    while (l->n > 1 && pick(*l, &at, &n, &row)) {
        struct list span = { l->v + at, n };
        struct gm *m = row ? glue_row(c, span) : glue_every(c, span);

        if (m == NULL)
            return false;
        l->v[at] = m;
        memmove(l->v + at + 1, l->v + at + n,
                (l->n - at - n) * sizeof(struct gm *));
        l->n -= n - 1;
    }
    return true;
}

/* ---- assemble ---- */

static struct gm *make_bt(struct compiler *c, struct gm *v, struct gm *l,
                          struct gm *r)
{
    struct gm *part[3] = { v, l, r };
    struct gm *m = c->rc == AE_OK ? make_over(c, GM_BT, part, 3) : NULL;

    if (m == NULL)
        return NULL;
    m->left = l != NULL ? l->len : 0;
    m->right = r != NULL ? r->len : 0;
    if (v->len != -1 && m->left != -1 && m->right != -1)
        m->len = v->len + m->left + m->right;
    return m;
}

/* |level| bounds this recursion as GLOB_MAX_DEPTH bounds the tree's. */
static struct gm *assemble(struct compiler *c, struct list l, unsigned level)
{
    size_t i, at = l.n;
    struct gm *left, *right;
    int32_t best = -1;

    if (l.n == 1)
        return l.v[0];
    if (level > GLOB_MAX_DEPTH)
        return fail(c, AE_E_TOOBIG);
    if (every_run(l, 0) == l.n)
        return glue_every(c, l);
    if (row_run(l, 0) == l.n)
        return glue_row(c, l);
    for (i = 0; i < l.n; i++)
        if (l.v[i]->len != -1 && l.v[i]->len >= best) {
            best = l.v[i]->len;
            at = i;
        }
    if (at == l.n) { /* none is fixed */
        struct list rest = { l.v + 1, l.n - 1 };

        right = assemble(c, rest, level + 1);
        return make_bt(c, l.v[0], NULL, right);
    }
    left = right = NULL;
    if (at > 0)
        left = assemble(c, (struct list){ l.v, at }, level + 1);
    if (at + 1 < l.n)
        right = assemble(c, (struct list){ l.v + at + 1, l.n - at - 1 },
                         level + 1);
    return make_bt(c, l.v[at], left, right);
}

/* ---- alternatives ---- */

static bool same(const struct ast *a, const struct ast *b)
{
    size_t i;

    if (a->kind != b->kind || a->not != b->not || a->lo != b->lo
        || a->hi != b->hi || !ae_eq(a->text, b->text) || a->nkid != b->nkid)
        return false;
    for (i = 0; i < a->nkid; i++)
        if (!same(a->kid[i], b->kid[i]))
            return false;
    return true;
}

/* How many children all alternatives share at either end. */
static void common(const struct ast *alt, size_t *left, size_t *right)
{
    const struct ast *least = alt->kid[0];
    bool stop_l = false, stop_r = false;
    size_t i, j, k, n;

    for (k = 1; k < alt->nkid; k++)
        if (alt->kid[k]->nkid < least->nkid)
            least = alt->kid[k];
    n = least->nkid;
    *left = *right = 0;
    for (i = 0; i < n && *left + *right < n && !(stop_l && stop_r); i++) {
        j = n - 1 - i;
        for (k = 0; k < alt->nkid && !(stop_l && stop_r); k++) {
            const struct ast *o = alt->kid[k];

            if (o == least)
                continue;
            stop_l = stop_l || !same(least->kid[i], o->kid[i]);
            stop_r = stop_r || (!stop_l && j <= i);
            stop_r = stop_r || !same(least->kid[j], o->kid[j + o->nkid - n]);
        }
        *left += !stop_l;
        *right += !stop_r;
    }
}

/* A new Seq of |n| children of |t| from |from| on, appended to |out|. */
static struct ast *slice(struct compiler *c, const struct ast *t,
                         size_t from, size_t n)
{
    struct ast *s = glob_node(c->a, n > 0 ? AST_SEQ : AST_NOTHING);

    if (s != NULL) {
        s->kid = n > 0 ? t->kid + from : NULL;
        s->nkid = n; /* shared with |t|, which nobody changes any more */
    }
    return s;
}

static bool middles(struct compiler *c, const struct ast *alt, size_t left,
                    size_t right, struct ast *mid)
{
    size_t i, k;

    for (i = 0; i < alt->nkid; i++) {
        const struct ast *o = alt->kid[i];
        struct ast *m = slice(c, o, left, o->nkid - left - right);

        if (m == NULL)
            return false;
        for (k = 0; k < mid->nkid && !same(mid->kid[k], m); k++)
            ;
        if (k == mid->nkid && !glob_add(c->a, mid, m))
            return false;
    }
    return true;
}

/* {ab,ac} as a{b,c}; NULL in *out if nothing is shared.  False: no memory. */
static bool factor(struct compiler *c, const struct ast *alt,
                   struct ast **out)
{
    struct ast *seq, *mid;
    size_t i, left, right;

    *out = NULL;
    if (alt->nkid < 2)
        return true;
    for (i = 0; i < alt->nkid; i++)
        if (alt->kid[i]->kind != AST_SEQ)
            return true;
    common(alt, &left, &right);
    if (left + right == 0)
        return true;
    seq = glob_node(c->a, AST_SEQ);
    mid = glob_node(c->a, AST_ALT);
    if (seq == NULL || mid == NULL || !middles(c, alt, left, right, mid))
        return false;
    if (mid->nkid == 1)
        mid = mid->kid[0];
    *out = seq;
    if (left > 0 && !glob_add(c->a, seq, slice(c, alt->kid[0], 0, left)))
        return false;
    if (mid->kind != AST_NOTHING && !glob_add(c->a, seq, mid))
        return false;
    i = alt->kid[0]->nkid - right;
    return right == 0
        || glob_add(c->a, seq, slice(c, alt->kid[0], i, right));
}

/* ---- the nodes ---- */

static bool children(struct compiler *c, const struct ast *t, struct list *l)
{
    l->n = t->nkid;
    l->v = ae_nalloc(c->a, l->n + 1, sizeof(struct gm *));
    if (l->v == NULL)
        return fail(c, AE_E_NOMEM) != NULL;
    for (size_t i = 0; i < l->n; i++) {
        l->v[i] = simplify(c, compile(c, t->kid[i]));
        if (l->v[i] == NULL)
            return false;
    }
    return true;
}

static int32_t alt_len(const struct gm *m)
{
    int32_t len = -1;
    size_t i;

    for (i = 0; i < m->nkid; i++) {
        if (len == -1)
            len = m->kid[i]->len; /* G3: forgets an unfixed start */
        else if (m->kid[i]->len != len)
            return -1;
    }
    return len;
}

static struct gm *compile_alt(struct compiler *c, const struct ast *t)
{
    struct ast *seq;
    struct list l;
    struct gm *m;

    if (!factor(c, t, &seq))
        return fail(c, AE_E_NOMEM);
    if (seq != NULL)
        return compile(c, seq);
    if (!children(c, t, &l))
        return NULL;
    m = make_over(c, GM_ALT, l.v, l.n);
    if (m != NULL)
        m->len = alt_len(m);
    return simplify(c, m);
}

static struct gm *compile_seq(struct compiler *c, const struct ast *t)
{
    struct list l;

    if (t->nkid == 0)
        return make(c, GM_NOTHING, 0);
    if (!children(c, t, &l) || !shrink(c, &l))
        return NULL;
    return simplify(c, assemble(c, l, 0));
}

static struct gm *compile(struct compiler *c, const struct ast *t)
{
    struct gm *m;

    switch (t->kind) {
    case AST_SEQ:
        return compile_seq(c, t);
    case AST_ALT:
        return compile_alt(c, t);
    case AST_TEXT:
        return make_text(c, GM_TEXT, t->text);
    case AST_STAR:
    case AST_STARS:
        return make(c, GM_STAR, -1);
    case AST_ONE:
        return make(c, GM_ONE, 1);
    case AST_NOTHING:
        return make(c, GM_NOTHING, 0);
    default:
        break;
    }
    m = make(c, t->kind == AST_LIST ? GM_LIST : GM_RANGE, 1);
    if (m != NULL) {
        m->not = t->not;
        m->text = t->text;
        m->lo = t->lo;
        m->hi = t->hi;
    }
    return simplify(c, m);
}

int glob_tree(ae_arena *a, const struct ast *seq, struct gm **out)
{
    struct compiler c = { .a = a };

    *out = compile(&c, seq);
    return c.rc;
}
