/*
 * regex.h - private to regex*.c: RE2 syntax, as Go's regexp/syntax reads it,
 * translated to PCRE2 (M2).  Only whether there is a match matters, so
 * captures and greediness are dropped; every flag is resolved on the way.
 */
#ifndef AE_POLICY_REGEX_H
#define AE_POLICY_REGEX_H

#include "policy/policy.h"

enum {
    RE_MAX_BYTES = 16384,      /* of a pattern */
    RE_MAX_REPEAT = 1000,      /* Go's, also of nested products */
    RE_MAX_HEIGHT = 1000,      /* Go's nesting of the parse tree */
    RE_MAX_SIZE = 3355443,     /* Go's instructions */
    RE_MAX_OUT = 1 << 20,      /* bytes of PCRE2 pattern */
    RE_NFA_MAX = 50000,        /* states of the last resort */
    RE_NFA_DEPTH = 1500,       /* brackets: bounds the C stack */
    RE_NFA_WORK = 16 << 20,    /* bytes read to build it */
    RE_NFA_STEPS = 2000000     /* of one match: some milliseconds */
};

/* Flags of Go's parser that a pattern can change. */
enum { RE_FOLD = 1, RE_MULTI = 2, RE_DOTALL = 4, RE_UNGREEDY = 8 };

struct re_in { const char *p, *end; };

/* ---- regex_names.c ---- */

/* Append the items of a PCRE2 class for \p{name}; with *not the items are
 * the complement.  False: Go knows no such name. */
bool re_name(ae_buf *out, ae_str name, bool fold, bool *not);

/* ---- regex_class.c ---- */

void re_put_range(ae_buf *out, uint32_t lo, uint32_t hi);
/* After a '\\': a character (Go's parseEscape).  False: invalid. */
bool re_escape(struct re_in *in, uint32_t *cp);
/* In front of '[': the whole class. AE_OK, AE_E_SYNTAX, AE_E_NOMEM. */
int  re_class(ae_arena *a, struct re_in *in, unsigned flags, ae_buf *out);
/* In front of '\\': \d \s \w \pN and their negations; *was tells if it was
 * one of them. */
int  re_class_escape(ae_arena *a, struct re_in *in, unsigned flags,
                     ae_buf *out, bool *was);

/* ---- regex_parse.c ---- */

/* AE_OK, AE_E_SYNTAX (RE2 refuses it), AE_E_TOOBIG, AE_E_NOMEM. */
int re_translate(ae_arena *a, ae_str pattern, ae_buf *out);

/* ---- regex_nfa.c ---- */

typedef struct re_nfa re_nfa; /* immutable */

/* From what re_translate() wrote.  AE_OK, AE_E_TOOBIG, AE_E_NOMEM. */
int  re_nfa_new(ae_str text, re_nfa **out);
/* 1, 0, AE_E_BUDGET.  |s| is UTF-8. */
int  re_nfa_match(const re_nfa *m, ae_str s);
void re_nfa_free(re_nfa *m);

#endif
