/*
 * regex_nfa.c - regular expressions that PCRE2 cannot do: too large for it, or
 * its backtracking runs away.  All states are followed at once, so that the
 * time is at most states times characters, and that product is bounded.
 *
 * What is read is the translation of regex_parse.c, which knows few forms:
 * (?:..) | * + ? {n,m}, characters, sets of one character, assertions.  A set
 * is any piece that takes just one character; PCRE2 judges those.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "policy/regex.h"

#include <pcre2.h>
#include <stdlib.h>

enum op { OP_CHAR, OP_ANY, OP_SET, OP_ASSERT, OP_SPLIT, OP_JUMP, OP_FAIL,
          OP_MATCH };
enum assertion { AT_START, AT_END, AT_LINE, AT_LINE_END, AT_WORD,
                 AT_NO_WORD };

struct inst {
    uint32_t op;
    uint32_t x, y; /* character, set, assertion; or where to go on */
};

struct re_nfa {
    ae_heap      heap;
    ae_arena     a;
    struct inst *inst;
    uint32_t     n, cap;
    pcre2_code **set;
    uint32_t     nset, capset;
    uint32_t    *set_at;  /* by place in the text: set + 1 */
    const char  *text;
    size_t       work;    /* bytes read while building */
    uint32_t     depth;   /* of brackets */
    int          rc;
};

/* ---- reading the translation ---- */

static bool begins(const char *p, const char *end, const char *z)
{
    size_t n = strlen(z);

    return (size_t)(end - p) >= n && memcmp(p, z, n) == 0;
}

/* Behind the ')' that closes the '(' at |p|. */
static const char *skip_brackets(const char *p, const char *end)
{
    size_t depth = 0;

    while (p < end) {
        char c = *p++;

        if (c == '\\' && p < end)
            p++;
        else if (c == '[')
            while (p < end && *p++ != ']')
                ;
        else if (c == '(')
            depth++;
        else if (c == ')' && --depth == 0)
            break;
    }
    return p;
}

static const char *skip_atom(const char *p, const char *end)
{
    static const char any[] = "(?s:.)";
    const char *q;
    uint32_t cp;

    switch (*p) {
    case '(':
        q = skip_brackets(p, end);
        /* (?!..)(?s:.): a set that says what is not in it. */
        if (begins(p, end, "(?!") && q - p > 4 && begins(q, end, any))
            q += sizeof(any) - 1;
        return q;
    case '[':
        q = memchr(p, ']', (size_t)(end - p));
        return q != NULL ? q + 1 : end;
    case '\\':
        if (begins(p, end, "\\x{")) {
            q = memchr(p, '}', (size_t)(end - p));
            return q != NULL ? q + 1 : end;
        }
        return end - p > 1 ? p + 2 : end;
    default:
        return p + ae_utf8_next(p, (size_t)(end - p), &cp);
    }
}

static int decimal(const char **p, const char *end)
{
    int n = 0;

    for (; *p < end && **p >= '0' && **p <= '9' && n < 100000; ++*p)
        n = n * 10 + (**p - '0');
    return n;
}

/* Behind the quantifier at |p|, if there is one; *max -1: no end. */
static const char *quantifier(const char *p, const char *end, int *min,
                              int *max)
{
    *min = *max = 1;
    if (p == end || (*p != '*' && *p != '+' && *p != '?' && *p != '{'))
        return p;
    if (*p != '{') {
        *min = *p == '+';
        *max = *p == '?' ? 1 : -1;
        return p + 1;
    }
    p++;
    *min = *max = decimal(&p, end);
    if (p < end && *p == ',') {
        p++;
        *max = p < end && *p != '}' ? decimal(&p, end) : -1;
    }
    return p < end ? p + 1 : p;
}

/* ---- building ---- */

static uint32_t emit(re_nfa *m, enum op op, uint32_t x, uint32_t y)
{
    if (m->rc == AE_OK && m->n == RE_NFA_MAX)
        m->rc = AE_E_TOOBIG;
    if (m->rc == AE_OK && m->n == m->cap) {
        uint32_t cap = m->cap ? 2 * m->cap : 64;
        struct inst *v = realloc(m->inst, cap * sizeof(*v));

        if (v == NULL)
            m->rc = AE_E_NOMEM;
        else {
            m->inst = v;
            m->cap = cap;
        }
    }
    if (m->rc != AE_OK)
        return 0;
    m->inst[m->n] = (struct inst){ op, x, y };
    return m->n++;
}

static void compile_set(re_nfa *m, ae_str piece)
{
    ae_str text = ae_fmt(&m->a, "\\A(?:%.*s)\\z", (int)piece.n, piece.p);
    PCRE2_SIZE at;
    int error;

    if (m->nset == m->capset) {
        uint32_t cap = m->capset ? 2 * m->capset : 16;
        pcre2_code **v = realloc(m->set, cap * sizeof(*v));

        if (v == NULL || text.p == NULL) {
            m->rc = AE_E_NOMEM;
            m->set = v != NULL ? v : m->set;
            return;
        }
        m->set = v;
        m->capset = cap;
    }
    m->set[m->nset] = text.p == NULL ? NULL
        : pcre2_compile((PCRE2_SPTR)text.p, text.n,
                        PCRE2_UTF | PCRE2_NO_UTF_CHECK, &error, &at, NULL);
    if (m->set[m->nset] == NULL)
        m->rc = AE_E_TOOBIG;
    else
        m->nset++;
}

/* The copies of a repeated set share one. */
static void emit_set(re_nfa *m, const char *p, const char *end)
{
    uint32_t *at = &m->set_at[p - m->text];

    if (*at == 0 && m->rc == AE_OK) {
        compile_set(m, ae_s(p, (size_t)(end - p)));
        *at = m->nset;
    }
    emit(m, OP_SET, *at - 1, 0);
}

static void emit_char(re_nfa *m, const char *p, const char *end)
{
    uint32_t cp = 0;

    if (*p != '\\') {
        ae_utf8_next(p, (size_t)(end - p), &cp);
    } else {
        for (p += 3; p < end && *p != '}'; p++)
            cp = cp * 16 + (uint32_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    }
    emit(m, OP_CHAR, cp, 0);
}

static bool emit_assertion(re_nfa *m, const char *p, const char *end)
{
    static const struct { const char *z; enum assertion at; } v[] = {
        { "\\A", AT_START }, { "\\z", AT_END }, { "\\b", AT_WORD },
        { "\\B", AT_NO_WORD }, { "(?m:^)", AT_LINE },
        { "(?m:$)", AT_LINE_END }
    };

    for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
        if (begins(p, end, v[i].z)) {
            emit(m, OP_ASSERT, v[i].at, 0);
            return true;
        }
    return false;
}

static void emit_branches(re_nfa *m, const char *p, const char *end);

static void emit_atom(re_nfa *m, const char *p, const char *end)
{
    if (begins(p, end, "(?:")) {
        if (++m->depth > RE_NFA_DEPTH && m->rc == AE_OK)
            m->rc = AE_E_TOOBIG;
        if (m->rc == AE_OK)
            emit_branches(m, p + 3, end - 1);
        m->depth--;
    } else if (emit_assertion(m, p, end))
        return;
    else if (begins(p, end, "(?!)"))
        emit(m, OP_FAIL, 0, 0);
    else if (begins(p, end, "(?s:.)"))
        emit(m, OP_ANY, 0, 0);
    else if (*p == '(' || *p == '[')
        emit_set(m, p, end);
    else
        emit_char(m, p, end);
}

static void emit_repeat(re_nfa *m, const char *p, const char *end, int min,
                        int max)
{
    uint32_t start = m->n, out = UINT32_MAX, at;
    int i;

    for (i = 0; i < min && m->rc == AE_OK; i++) {
        start = m->n;
        emit_atom(m, p, end);
    }
    if (max < 0 && min > 0) {
        emit(m, OP_SPLIT, start, m->n + 1);
    } else if (max < 0) {
        at = emit(m, OP_SPLIT, m->n + 1, 0);
        emit_atom(m, p, end);
        emit(m, OP_JUMP, at, 0);
        if (m->rc == AE_OK)
            m->inst[at].y = m->n;
    }
    for (; i < max && m->rc == AE_OK; i++) { /* x(x(x)?)?: all end here */
        out = emit(m, OP_SPLIT, m->n + 1, out);
        emit_atom(m, p, end);
    }
    while (m->rc == AE_OK && out != UINT32_MAX) {
        at = out;
        out = m->inst[at].y;
        m->inst[at].y = m->n;
    }
}

/* Behind the branch at |p|: a '|' of this level, or |end|. */
static const char *skip_branch(re_nfa *m, const char *p, const char *end)
{
    const char *from = p;

    while (p < end && *p != '|')
        p = skip_atom(p, end);
    m->work += (size_t)(p - from) + 1;
    if (m->work > RE_NFA_WORK && m->rc == AE_OK)
        m->rc = AE_E_TOOBIG;
    return p;
}

static void emit_branches(re_nfa *m, const char *p, const char *end)
{
    uint32_t out = UINT32_MAX, split = 0, at;

    for (;;) {
        const char *stop = skip_branch(m, p, end), *q;
        int min, max;

        if (stop < end)
            split = emit(m, OP_SPLIT, m->n + 1, 0);
        while (p < stop && m->rc == AE_OK) {
            const char *next;

            q = skip_atom(p, stop);
            next = quantifier(q, stop, &min, &max);
            emit_repeat(m, p, q, min, max);
            p = next;
        }
        if (stop == end || m->rc != AE_OK)
            break;
        out = emit(m, OP_JUMP, out, 0);
        if (m->rc == AE_OK)
            m->inst[split].y = m->n;
        p = stop + 1;
    }
    while (m->rc == AE_OK && out != UINT32_MAX) {
        at = out;
        out = m->inst[at].x;
        m->inst[at].x = m->n;
    }
}

int re_nfa_new(ae_str text, re_nfa **out)
{
    re_nfa *m = calloc(1, sizeof(*m));
    int rc;

    *out = NULL;
    if (m == NULL)
        return AE_E_NOMEM;
    ae_arena_init(&m->a, ae_heap_mem(&m->heap), NULL, 0);
    m->text = text.n > 0 ? text.p : "";
    m->set_at = ae_nalloc(&m->a, text.n + 1, sizeof(*m->set_at));
    if (m->set_at == NULL)
        m->rc = AE_E_NOMEM;
    else
        memset(m->set_at, 0, (text.n + 1) * sizeof(*m->set_at));
    if (m->rc == AE_OK)
        emit_branches(m, m->text, m->text + text.n);
    emit(m, OP_MATCH, 0, 0);
    m->text = NULL;
    m->set_at = NULL;
    ae_heap_free(&m->heap); /* scratch of building */
    rc = m->rc;
    if (rc == AE_OK)
        *out = m;
    else
        re_nfa_free(m);
    return rc;
}

void re_nfa_free(re_nfa *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < m->nset; i++)
        pcre2_code_free(m->set[i]);
    free(m->set);
    free(m->inst);
    ae_heap_free(&m->heap);
    free(m);
}

/* ---- matching ---- */

struct run {
    const re_nfa *m;
    uint32_t  *mark;     /* by state: round in which it was reached */
    uint32_t  *stack, *list, *seed;
    uint32_t  *set_mark; /* by set: round in which it was asked */
    uint8_t   *set_yes;
    uint32_t   round, nlist, nseed;
    uint32_t   before, after; /* characters around the place; NONE */
    size_t     steps;
    pcre2_match_data *md;
};

#define NONE UINT32_MAX

static bool word(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9') || c == '_';
}

static bool holds(const struct run *r, uint32_t assertion)
{
    switch (assertion) {
    case AT_START:    return r->before == NONE;
    case AT_END:      return r->after == NONE;
    case AT_LINE:     return r->before == NONE || r->before == '\n';
    case AT_LINE_END: return r->after == NONE || r->after == '\n';
    case AT_WORD:     return word(r->before) != word(r->after);
    default:          return word(r->before) == word(r->after);
    }
}

static void push(struct run *r, uint32_t pc, uint32_t *n)
{
    if (r->mark[pc] != r->round) {
        r->mark[pc] = r->round;
        r->stack[(*n)++] = pc;
    }
}

/* Follow |pc| without a character; true if that is a match. */
static bool follow(struct run *r, uint32_t pc)
{
    uint32_t n = 0;

    push(r, pc, &n);
    while (n > 0) {
        const struct inst *i = &r->m->inst[pc = r->stack[--n]];

        r->steps++;
        switch (i->op) {
        case OP_MATCH:
            return true;
        case OP_SPLIT:
            push(r, i->x, &n);
            push(r, i->y, &n);
            break;
        case OP_JUMP:
            push(r, i->x, &n);
            break;
        case OP_ASSERT:
            if (holds(r, i->x))
                push(r, pc + 1, &n);
            break;
        case OP_FAIL:
            break;
        default:
            r->list[r->nlist++] = pc;
        }
    }
    return false;
}

static bool in_set(struct run *r, uint32_t set)
{
    char utf[4];

    if (r->set_mark[set] != r->round) {
        r->steps += 20; /* about what PCRE2 takes */
        r->set_mark[set] = r->round;
        r->set_yes[set] = pcre2_match(r->m->set[set], (PCRE2_SPTR)utf,
                                      ae_utf8_put(r->after, utf), 0,
                                      PCRE2_NO_UTF_CHECK, r->md, NULL) >= 0;
    }
    return r->set_yes[set] != 0;
}

static bool takes(struct run *r, const struct inst *i)
{
    switch (i->op) {
    case OP_CHAR: return i->x == r->after;
    case OP_ANY:  return true;
    default:      return in_set(r, i->x);
    }
}

static int simulate(struct run *r, ae_str s)
{
    size_t at = 0;

    r->before = NONE;
    for (;;) {
        size_t width = 0;
        bool hit;

        r->after = NONE;
        if (at < s.n)
            width = ae_utf8_next(s.p + at, s.n - at, &r->after);
        r->round++;
        r->nlist = 0;
        hit = follow(r, 0);
        for (uint32_t i = 0; i < r->nseed && !hit; i++)
            hit = follow(r, r->seed[i]);
        if (hit)
            return 1;
        if (at == s.n)
            return 0;
        r->nseed = 0;
        for (uint32_t i = 0; i < r->nlist; i++)
            if (takes(r, &r->m->inst[r->list[i]]))
                r->seed[r->nseed++] = r->list[i] + 1;
        r->steps += r->nlist;
        if (r->steps > RE_NFA_STEPS)
            return AE_E_BUDGET;
        r->before = r->after;
        at += width;
    }
}

int re_nfa_match(const re_nfa *m, ae_str s)
{
    ae_heap heap = { NULL, 0 };
    ae_arena a;
    struct run r = { .m = m };
    int rc = AE_E_BUDGET;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    r.mark = ae_nalloc(&a, 4 * (size_t)m->n, sizeof(*r.mark));
    r.set_mark = ae_nalloc(&a, m->nset + 1, sizeof(*r.set_mark));
    r.set_yes = ae_nalloc(&a, m->nset + 1, 1);
    r.md = pcre2_match_data_create(1, NULL);
    if (r.mark != NULL && r.set_mark != NULL && r.set_yes != NULL
        && r.md != NULL) {
        memset(r.mark, 0, m->n * sizeof(*r.mark));
        memset(r.set_mark, 0, (m->nset + 1) * sizeof(*r.set_mark));
        r.stack = r.mark + m->n;
        r.list = r.stack + m->n;
        r.seed = r.list + m->n;
        rc = simulate(&r, s);
    }
    pcre2_match_data_free(r.md);
    ae_heap_free(&heap);
    return rc;
}
