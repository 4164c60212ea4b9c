/*
 * regex.c - regular expressions as Argo CD's have them (M2): RE2 syntax on
 * PCRE2, behind the translation of regex_parse.c.
 *
 * Three engines answer one after the other: the JIT, the interpreter where
 * there is no JIT, and, when backtracking runs away, PCRE2's breadth-first
 * matcher, which does not backtrack.  What even that cannot do is "unknown".
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "policy/regex.h"

#include <pcre2.h>
#include <stdlib.h>

enum {
    MATCH_LIMIT = 100000,  /* backtracking points: some milliseconds */
    DFA_LIMIT = 200000,
    DFA_INTS = 20000,      /* workspace of the breadth-first matcher */
    NEST_LIMIT = 1100,     /* of brackets; bounds PCRE2's own recursion */
    STACK_TEXT = 512
};

struct ae_regex {
    pcre2_code          *code;
    pcre2_match_context *limits, *dfa_limits;
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

static pcre2_match_context *match_context(uint32_t limit)
{
    pcre2_match_context *c = pcre2_match_context_create(NULL);

    if (c != NULL)
        pcre2_set_match_limit(c, limit);
    return c;
}

/* |text| is our own: what PCRE2 refuses of it is too large for it. */
static int compile(ae_str text, struct ae_regex *r)
{
    pcre2_compile_context *c = compile_context();
    PCRE2_SIZE at;
    int error = 0;

    if (c == NULL)
        return AE_E_NOMEM;
    r->code = pcre2_compile((PCRE2_SPTR)text.p, text.n,
                            PCRE2_UTF | PCRE2_DOLLAR_ENDONLY
                            | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALT_CIRCUMFLEX
                            | PCRE2_NO_AUTO_CAPTURE | PCRE2_NO_UTF_CHECK,
                            &error, &at, c);
    pcre2_compile_context_free(c);
    if (r->code == NULL)
        return error == PCRE2_ERROR_HEAP_FAILED ? AE_E_NOMEM : AE_E_TOOBIG;
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); /* may be absent */
    r->limits = match_context(MATCH_LIMIT);
    r->dfa_limits = match_context(DFA_LIMIT);
    return r->limits != NULL && r->dfa_limits != NULL ? AE_OK : AE_E_NOMEM;
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
    pcre2_match_context_free(r->dfa_limits);
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

static int match_dfa(const ae_regex *r, ae_str s, pcre2_match_data *md)
{
    int *space = malloc(DFA_INTS * sizeof(*space));
    int rc;

    if (space == NULL)
        return AE_E_BUDGET;
    rc = pcre2_dfa_match(r->code, (PCRE2_SPTR)s.p, s.n, 0,
                         PCRE2_NO_UTF_CHECK | PCRE2_DFA_SHORTEST, md,
                         r->dfa_limits, space, DFA_INTS);
    free(space);
    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : AE_E_BUDGET;
}

static int match_valid(const ae_regex *r, ae_str s)
{
    pcre2_match_data *md = pcre2_match_data_create(1, NULL);
    int rc;

    if (md == NULL)
        return AE_E_BUDGET;
    rc = pcre2_match(r->code, (PCRE2_SPTR)s.p, s.n, 0, PCRE2_NO_UTF_CHECK,
                     md, r->limits);
    if (rc >= 0)
        rc = 1;
    else if (rc == PCRE2_ERROR_NOMATCH)
        rc = 0;
    else
        rc = match_dfa(r, s, md);
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
