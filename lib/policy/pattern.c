/*
 * pattern.c - one resource, action or object pattern of a p-line.
 *
 * Real policies are literals, "prefix*", "*" and "a*b" nearly throughout.
 * Those are recognised here by reading them once, only where the meaning is
 * identical beyond doubt (ASCII text, one star, G4 simplify; for regexes the
 * same shapes with ^ .* $).  Everything else goes to glob.c or regex.c.
 */
#include "policy/internal.h"

/* Characters that mean themselves in a glob: anything ASCII that the lexer
 * (G1) does not treat specially.  Non-ASCII text goes to the real compiler,
 * which refuses U+FFFD. */
static bool glob_plain(char c)
{
    return c > 0 && c != '*' && c != '?' && c != '[' && c != '{'
        && c != '\\';
}

static bool glob_simple(struct ae_pat *p)
{
    uint32_t star = p->n, stars = 0, last = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        if (p->text[i] == '*') {
            if (stars++ == 0)
                star = i;
            last = i;
        } else if (!glob_plain(p->text[i])) {
            return false;
        }
    }
    if (stars == 0) {
        p->kind = AE_PAT_LIT;
        p->lit_n = p->n;
    } else if (stars == 1) {
        p->lit_n = star;
        p->tail_n = p->n - star - 1;
        if (p->n == 1) {
            p->kind = AE_PAT_ALL;
        } else if (p->tail_n == 0) {
            p->kind = AE_PAT_PREFIX;
        } else if (star == 0) {
            p->kind = AE_PAT_SUFFIX;
            p->lit_off = 1;
            p->lit_n = p->tail_n;
        } else {
            /* both ends independently, they may overlap (G6 a) */
            p->kind = AE_PAT_PRESUF;
        }
    } else if (stars == 2 && star == 0 && last == p->n - 1 && p->n > 2) {
        p->kind = AE_PAT_CONTAINS;
        p->lit_off = 1;
        p->lit_n = p->n - 2;
    } else {
        return false;
    }
    return true;
}

/* Characters that mean themselves in RE2. */
static bool regex_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
        || (c >= '0' && c <= '9')
        || (c > 0 && strchr("_/-:@,;=<>!&~%\"' ", c) != NULL);
}

/* [^][.*]literal[.*][$], unanchored (M2). */
static bool regex_simple(struct ae_pat *p)
{
    uint32_t i = 0, n = p->n;
    bool     caret = false, dollar = false, lead = false, trail = false;

    if (i < n && p->text[i] == '^') {
        caret = true;
        i++;
    }
    if (n - i >= 2 && memcmp(p->text + i, ".*", 2) == 0) {
        lead = true;
        i += 2;
    }
    p->lit_off = i;
    while (i < n && regex_plain(p->text[i]))
        i++;
    p->lit_n = i - p->lit_off;
    if (n - i >= 2 && memcmp(p->text + i, ".*", 2) == 0) {
        trail = true;
        i += 2;
    }
    if (i < n && p->text[i] == '$') {
        dollar = true;
        i++;
    }
    if (i != n)
        return false;
    if (lead && caret)          /* "." stops at a newline: not an all */
        return false;
    if (!caret && !dollar)
        p->kind = p->lit_n ? AE_PAT_CONTAINS : AE_PAT_ALL;
    else if (caret && !dollar)
        p->kind = p->lit_n ? AE_PAT_PREFIX : AE_PAT_ALL;
    else if (caret && !trail)
        p->kind = AE_PAT_LIT;
    else if (caret)
        p->kind = AE_PAT_PRELINE;
    else if (!trail)
        p->kind = p->lit_n ? AE_PAT_SUFFIX : AE_PAT_ALL;
    else
        return false;
    return true;
}

static int glob_init(struct ae_pat *out, ae_arena *a, ae_str text)
{
    ae_glob *g = NULL;
    int      rc = ae_glob_compile(a, text, &g);

    if (rc == AE_E_NOMEM)
        return rc;
    if (rc == AE_OK) {
        out->kind = ae_glob_is_all(g) ? AE_PAT_ALL : AE_PAT_GLOB;
        out->m = g;
    } else {
        /* an invalid glob just never matches (M4) */
        out->kind = rc == AE_E_SYNTAX ? AE_PAT_NEVER : AE_PAT_UNKNOWN;
    }
    return 0;
}

static int regex_init(struct ae_pat *out, ae_str text)
{
    ae_regex *r = NULL;
    int       rc = ae_regex_compile(text, &r);

    if (rc == AE_E_NOMEM)
        return rc;
    if (rc == AE_OK) {
        out->kind = AE_PAT_REGEX;
        out->m = r;
    } else {
        /* an invalid regex raises whenever it is reached (M3) */
        out->kind = rc == AE_E_SYNTAX ? AE_PAT_ERROR : AE_PAT_UNKNOWN;
    }
    return 0;
}

int ae_pat_init(struct ae_pat *out, ae_arena *a, ae_str text,
                enum ae_match_mode mode)
{
    memset(out, 0, sizeof(*out));
    if (text.n >= UINT32_MAX)
        return AE_E_NOMEM;
    out->text = text.p ? text.p : "";
    out->n = (uint32_t)text.n;
    if (mode == AE_MATCH_REGEX) {
        if (regex_simple(out))
            return 0;
        out->lit_off = out->lit_n = 0;
        return regex_init(out, text);
    }
    if (glob_simple(out))
        return 0;
    out->lit_off = out->lit_n = out->tail_n = 0;
    return glob_init(out, a, text);
}

void ae_pat_drop(struct ae_pat *p)
{
    if (p->kind == AE_PAT_REGEX)
        ae_regex_free(p->m);
    p->kind = AE_PAT_NEVER;
    p->m = NULL;
}

int ae_pat_match(const struct ae_pat *p, ae_str s)
{
    ae_str lit = ae_pat_lit(p);

    switch ((enum ae_pat_kind)p->kind) {
    case AE_PAT_NEVER:
        return 0;
    case AE_PAT_ALL:
        return 1;
    case AE_PAT_LIT:
        return ae_eq(s, lit);
    case AE_PAT_PREFIX:
        return ae_starts(s, lit);
    case AE_PAT_SUFFIX:
        return ae_ends(s, lit);
    case AE_PAT_CONTAINS:
        return s.n >= lit.n && memmem(s.p, s.n, lit.p, lit.n) != NULL;
    case AE_PAT_PRESUF:
        return ae_starts(s, lit) && ae_ends(s, ae_pat_tail(p));
    case AE_PAT_PRELINE:
        return ae_starts(s, lit)
            && (s.n == lit.n
                || !memchr(s.p + lit.n, '\n', s.n - lit.n));
    case AE_PAT_GLOB:
        return ae_glob_match(p->m, s);
    case AE_PAT_REGEX:
        return ae_regex_match(p->m, s);
    case AE_PAT_ERROR:
        return AE_E_PATTERN;
    case AE_PAT_UNKNOWN:
        break;
    }
    return AE_E_BUDGET;
}

bool ae_pat_may_raise(const struct ae_pat *p)
{
    return p->kind == AE_PAT_ERROR || p->kind == AE_PAT_GLOB
        || p->kind == AE_PAT_UNKNOWN;
}
