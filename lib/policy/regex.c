/*
 * regex.c - regular expressions as Argo CD's have them (M2): RE2 syntax on
 * PCRE2, behind the translation of regex_parse.c.
 *
 * PCRE2 answers: its JIT, or its interpreter where there is no JIT.  When its
 * backtracking runs away, or the pattern is too large for it, regex_nfa.c
 * does, which does not backtrack.  (PCRE2's own breadth-first matcher does
 * not either, but it compares each state with all others and counts none of
 * that.)  What even that cannot do is "unknown".
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "policy/regex.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    MATCH_LIMIT = 100000,  /* backtracking points: some milliseconds */
    NEST_LIMIT = 1100,     /* of brackets; bounds PCRE2's own recursion */
    STACK_TEXT = 512
};

/* The other matcher, made when it is first needed. */
struct late {
    _Atomic(re_nfa *) m;
    atomic_bool       hopeless; /* it would be too large, too */
};

struct ae_regex {
    pcre2_code          *code; /* NULL: only |late| */
    pcre2_match_context *limits;
    struct late         *late;
    char                *text; /* the translation */
    size_t               n;
};

static pcre2_compile_context *compile_context(void)
{
    pcre2_compile_context *c = pcre2_compile_context_create(NULL);

    if (c != NULL) {
        pcre2_set_newline(c, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(c, NEST_LIMIT);
    }
    return c;
}

/* For the day that backtracking runs away. */
static int keep_text(ae_str text, struct ae_regex *r)
{
    r->late = calloc(1, sizeof(*r->late));
    r->text = malloc(text.n + 1);
    if (r->late == NULL || r->text == NULL)
        return AE_E_NOMEM;
    memcpy(r->text, text.p, text.n);
    r->n = text.n;
    return AE_OK;
}

/* Threads share |r|: the first one's stays. */
static int other(const ae_regex *r, const re_nfa **out)
{
    re_nfa *m = atomic_load(&r->late->m), *none = NULL;
    int rc;

    if (m == NULL) {
        if (atomic_load(&r->late->hopeless))
            return AE_E_TOOBIG;
        rc = re_nfa_new(ae_s(r->text, r->n), &m);
        if (rc == AE_E_TOOBIG)
            atomic_store(&r->late->hopeless, true);
        if (rc != AE_OK)
            return rc;
        if (!atomic_compare_exchange_strong(&r->late->m, &none, m)) {
            re_nfa_free(m);
            m = none;
        }
    }
    *out = m;
    return AE_OK;
}

/* |text| is our own: what PCRE2 refuses of it is too large for it. */
static int compile(ae_str text, struct ae_regex *r)
{
    pcre2_compile_context *c = compile_context();
    PCRE2_SIZE at;
    const re_nfa *m;
    int error = 0;

    if (c == NULL || keep_text(text, r) != AE_OK) {
        pcre2_compile_context_free(c);
        return AE_E_NOMEM;
    }
    r->code = pcre2_compile((PCRE2_SPTR)text.p, text.n,
                            PCRE2_UTF | PCRE2_DOLLAR_ENDONLY
                            | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALT_CIRCUMFLEX
                            | PCRE2_NO_AUTO_CAPTURE | PCRE2_NO_UTF_CHECK,
                            &error, &at, c);
    pcre2_compile_context_free(c);
    if (r->code == NULL)
        return error == PCRE2_ERROR_HEAP_FAILED ? AE_E_NOMEM
                                                : other(r, &m);
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* may be absent */
    r->limits = pcre2_match_context_create(NULL);
    if (r->limits == NULL)
        return AE_E_NOMEM;
    pcre2_set_match_limit(r->limits, MATCH_LIMIT);
    return AE_OK;
}

int ae_regex_compile(ae_str pattern, ae_regex **out)
{
    ae_heap heap = { NULL, 0 };
    ae_arena a;
    struct ae_regex *r;
    ae_buf b;
    int rc;

    *out = NULL;
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, RE_MAX_OUT);
    rc = re_translate(&a, pattern, &b);
    r = rc == AE_OK ? calloc(1, sizeof(*r)) : NULL;
    if (rc == AE_OK && r == NULL)
        rc = AE_E_NOMEM;
    if (rc == AE_OK)
        rc = compile(b.n > 0 ? ae_buf_str(&b) : AE_STR(""), r);
    ae_heap_free(&heap);
    if (rc == AE_OK)
        *out = r;
    else
        ae_regex_free(r);
    return rc;
}

void ae_regex_free(ae_regex *r)
{
    if (r == NULL)
        return;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->limits);
    if (r->late != NULL)
        re_nfa_free(atomic_load(&r->late->m));
    free(r->late);
    free(r->text);
    free(r);
}

/* Go reads each bad byte as U+FFFD; PCRE2 wants to see it.  |buf| holds 3
 * bytes for each of |s|. */
static ae_str mend(ae_str s, char *buf)
{
    size_t i = 0, n = 0;

    while (i < s.n) {
        uint32_t cp;

        i += ae_utf8_next(s.p + i, s.n - i, &cp);
        n += ae_utf8_put(cp, buf + n);
    }
    return ae_s(buf, n);
}

static int match_other(const ae_regex *r, ae_str s)
{
    const re_nfa *m;

    return other(r, &m) == AE_OK ? re_nfa_match(m, s) : AE_E_BUDGET;
}

static int match_valid(const ae_regex *r, ae_str s)
{
    pcre2_match_data *md;
    int rc;

    if (r->code == NULL)
        return match_other(r, s);
    md = pcre2_match_data_create(1, NULL);
    if (md == NULL)
        return AE_E_BUDGET;
    rc = pcre2_match(r->code, (PCRE2_SPTR)s.p, s.n, 0, PCRE2_NO_UTF_CHECK,
                     md, r->limits);
    if (rc >= 0)
        rc = 1;
    else if (rc == PCRE2_ERROR_NOMATCH)
        rc = 0;
    else
        rc = match_other(r, s);
    pcre2_match_data_free(md);
    return rc;
}

int ae_regex_match(const ae_regex *r, ae_str text)
{
    char stack[3 * STACK_TEXT], *buf = stack;
    ae_str s = text.n > 0 ? text : AE_STR("");
    int rc;

    if (ae_utf8_valid(s))
        return match_valid(r, s);
    if (s.n > STACK_TEXT)
        buf = s.n < SIZE_MAX / 3 ? malloc(3 * s.n) : NULL;
    if (buf == NULL)
        return AE_E_BUDGET;
    rc = match_valid(r, mend(s, buf));
    if (buf != stack)
        free(buf);
    return rc;
}
