/*
 * example.c - a text that a pattern matches.  Two policies are compared by
 * asking both; what is worth asking is what their own lines speak of.
 *
 * The text is guessed from the pattern's shape and then tried: a guess that
 * does not match is not shown.
 */
#include "policy/internal.h"

static const ae_str any = { "example", 7 };

/* The first alternative of "{a,b}" (glob) or "(a|b)" (regex); |s| stands
 * behind the opening bracket.  Returns how far it reaches, the bracket that
 * closes included; *out is the alternative. */
static size_t first_alternative(ae_str s, char sep, char open, char close,
                                ae_str *out)
{
    size_t i, end = SIZE_MAX;
    int    depth = 0;

    for (i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && i + 1 < s.n)
            i++;
        else if (s.p[i] == open)
            depth++;
        else if (s.p[i] == close && depth-- == 0)
            break;
        else if (s.p[i] == sep && depth == 0 && end == SIZE_MAX)
            end = i;
    }
    *out = ae_sub(s, 0, end == SIZE_MAX ? i : end);
    return i < s.n ? i + 1 : i;
}

/* "[abc]" or "[!a]"; |s| stands behind the bracket. */
static size_t one_of_class(ae_str s, char not, ae_buf *b)
{
    size_t end = ae_find(s, ']');

    if (s.n && s.p[0] == not)
        ae_buf_putc(b, '~');
    else if (s.n)
        ae_buf_putc(b, s.p[0]);
    return end < s.n ? end + 1 : s.n;
}

static void from_glob(ae_buf *b, ae_str s, int depth)
{
    ae_str alt;

    if (depth > 8)
        return;
    for (size_t i = 0; i < s.n; i++) {
        char   c = s.p[i];
        ae_str rest = ae_sub(s, i + 1, s.n);

        if (c == '\\' && rest.n) {
            ae_buf_putc(b, s.p[++i]);
        } else if (c == '*') {
            while (i + 1 < s.n && s.p[i + 1] == '*')
                i++;
            ae_buf_put(b, any);
        } else if (c == '?') {
            ae_buf_putc(b, 'x');
        } else if (c == '{') {
            i += first_alternative(rest, ',', '{', '}', &alt);
            from_glob(b, alt, depth + 1);
        } else if (c == '[') {
            i += one_of_class(rest, '!', b);
        } else {
            ae_buf_putc(b, c);
        }
    }
}

/* What may stand behind an atom; |s| begins with it. */
static size_t repeats(ae_str s)
{
    size_t n = s.n && memchr("*+?", s.p[0], 3) ? 1 : 0;

    return n && s.n > 1 && s.p[1] == '?' ? 2 : n;
}

static void from_regex(ae_buf *b, ae_str s, int depth)
{
    ae_str alt;

    if (depth > 8)
        return;
    first_alternative(s, '|', '(', ')', &s);
    for (size_t i = 0; i < s.n; i++) {
        char   c = s.p[i];
        ae_str rest = ae_sub(s, i + 1, s.n);
        size_t k;

        if (c == '^' || c == '$')
            continue;
        if (c == '\\' && rest.n) {
            ae_buf_putc(b, strchr("dDwWsS", s.p[++i]) ? '1' : s.p[i]);
        } else if (c == '.') {
            k = repeats(rest);
            ae_buf_put(b, k ? any : AE_STR("x"));
            i += k;
            continue;
        } else if (c == '(') {
            i += first_alternative(rest, '|', '(', ')', &alt);
            if (ae_starts(alt, AE_STR("?:")))
                alt = ae_sub(alt, 2, alt.n);
            from_regex(b, alt, depth + 1);
        } else if (c == '[') {
            i += one_of_class(rest, '^', b);
        } else {
            ae_buf_putc(b, c);
        }
        i += repeats(ae_sub(s, i + 1, s.n));
    }
}

static bool fits(const ae_policy *p, ae_arena *a, ae_str pattern, ae_str text)
{
    struct ae_pat pat;
    bool          yes;

    if (ae_pat_init(&pat, a, pattern, p->mode))
        return false;
    yes = ae_pat_match(&pat, text) == 1;
    ae_pat_drop(&pat);
    return yes;
}

bool ae_policy_fits(const ae_policy *p, ae_str pattern, ae_str text)
{
    ae_heap  heap = { 0 };
    ae_arena a;
    bool     yes;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    yes = fits(p, &a, pattern, text);
    ae_heap_free(&heap);
    return yes;
}

ae_str ae_policy_example(const ae_policy *p, ae_arena *a, ae_str pattern)
{
    ae_buf b;

    ae_buf_init(&b, a, 64 << 10);
    if (p->mode == AE_MATCH_REGEX)
        from_regex(&b, pattern, 0);
    else
        from_glob(&b, pattern, 0);
    if (b.bad)
        return ae_s(NULL, 0);
    if (!b.n)
        return fits(p, a, pattern, AE_STR("")) ? AE_STR("")
                                               : ae_s(NULL, 0);
    return fits(p, a, pattern, ae_buf_str(&b)) ? ae_buf_str(&b)
                                               : ae_s(NULL, 0);
}
