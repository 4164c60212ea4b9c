/* regex.c - regular expressions: what RE2 takes and leaves, odd bytes,
 * limits, runaway patterns (M2). */
#include "policy/regex.h"

#include "arena.h"
#include "tap.h"

static ae_heap heap;
static ae_arena arena;

static int ask(ae_str pattern, ae_str text)
{
    ae_regex *r;
    int rc = ae_regex_compile(pattern, &r);

    if (rc == AE_OK)
        rc = ae_regex_match(r, text);
    ae_regex_free(r);
    return rc;
}

static void is(int want, ae_str pattern, ae_str text, const char *what)
{
    int got = ask(pattern, text);

    tap_ok(got == want, "%s (%d)", what, got);
}

static void all(int want, const char *const *v, const char *what)
{
    const char *bad = NULL;

    for (; *v != NULL; v++)
        if (ask(ae_cs(*v), AE_STR("a")) != want)
            bad = *v;
    tap_ok(bad == NULL, "%s%s", what, bad != NULL ? bad : "");
}

static void syntax(void)
{
    static const char *const refused[] = { "(?=a)", "(?!a)", "(?<=a)",
        "(?<!a)", "(?>a)", "a++", "a*+", "\\Z", "(a)\\1", "\\C", "\\8",
        "a**", "a{2}{3}", "a*??", "(?i)*", "(*)", "|*", "\\Q\\E*", "a{2,1}",
        "a{1001}", "(a{500}){3}", "((a{10}){10}){11}", "((a{0,}){1000}){2}",
        "((a{0}){1000}){1000}", "(?P<>a)", "(?<n-1>a)", "(?P=n)", "(?P>n)",
        "(?-)a", "(?i-)a", "(?x)a", "[[:foo:]]", "\\p{Old_Italic}",
        "\\p{Foo}", "\\p", "\\x{110000}", "\\x{}", "[a-\\d]", "[b-a]", "[]",
        "[^]", "a)", "(a", "\\", "[\\Q]", "\\_\\y", "(?", "(?P<n", NULL };
    static const char *const matching[] = { "(?)a", "(?i-s:A)", "(?:)*",
        "a(?i)*", "a*(?i)*", "^*a", "\\b+a", "(?P<n>a)", "(?<n>a)",
        "\\p{letter}", "\\p{ l }", "\\pL", "[\\pL]", "\\P{^L}", "[^\\PL]",
        "[[:alpha:]]", "[^[:^alpha:]]", "\\Qa\\E*$", "a\\z", "\\x{61}",
        "\\141", "(a{500}){0,2}", "((a{2}){0}){1000}", "a{0,1000}",
        "(?U)a+$", "(?m)^a$", "\\p{Any}", "\\P{Cn}", "a||", "()", NULL };
    static const char *const text[] = { "a{,2}", "a{01}", "a{1,02}", "x{",
        "[:b:]", "\\pN", "[^a]", "\\x{d800}", "[\\x{d800}]",
        "\\P{Any}", "a{1000}", "\\p{Kawi}", "(?-i)A", NULL };

    all(AE_E_SYNTAX, refused, "refused, as RE2 does ");
    all(1, matching, "match \"a\" ");
    all(0, text, "valid without a match ");
}

static void folding(void)
{
    is(1, AE_STR("(?i)^k$"), AE_STR("\xe2\x84\xaa"), "k and the Kelvin sign");
    is(1, AE_STR("(?i)^[a-z]$"), AE_STR("\xc5\xbf"), "s and the long s");
    is(1, AE_STR("(?i)^\\w$"), AE_STR("\xc5\xbf"), "\\w folds, too");
    is(0, AE_STR("^\\w$"), AE_STR("\xc5\xbf"), "else it is ASCII");
    is(0, AE_STR("(?i)^\\W$"), AE_STR("\xe2\x84\xaa"), "folds, then negates");
    is(1, AE_STR("(?i)^\\p{Lu}$"), AE_STR("a"), "named sets fold");
    is(0, AE_STR("(?i)^\\P{Lu}$"), AE_STR("a"), "and negate after");
    is(0, AE_STR("(?i)^i$"), AE_STR("\xc4\xb1"), "no folding beyond simple");
    is(1, AE_STR("^\\pL$"), AE_STR("\xf0\x91\xbc\x82"), "Unicode 15");
    is(0, AE_STR("^\\p{Cn}$"), AE_STR("\xf0\x91\xbc\x82"), "and its gaps");
}

static void odd_bytes(void)
{
    is(1, AE_STR("^\xef\xbf\xbd$"), AE_STR("\xff"), "a bad byte is U+FFFD");
    is(1, AE_STR("^.{3}$"), AE_STR("\xe6\x97\x80\xff\0"), "NUL, cut text");
    is(0, AE_STR("^.$"), AE_STR("\xe6\x97"), "each bad byte by itself");
    is(AE_E_SYNTAX, AE_STR("a\xff"), AE_STR("a\xff"), "none in a pattern");
    is(1, AE_STR("^a\0b$"), AE_STR("a\0b"), "NUL in a pattern");
    is(1, ae_s(NULL, 0), ae_s(NULL, 0), "absent pattern, absent text");
    is(1, AE_STR("(?m)^$"), AE_STR("a\n"), "(?m)^ after the last newline");
    is(0, AE_STR("a$"), AE_STR("a\n"), "$ is the very end");
    is(1, AE_STR("^\\s$"), AE_STR("\f"), "\\s has \\f");
    is(0, AE_STR("\\s"), AE_STR("\v"), "but not \\v");
}

static ae_str repeat(const char *z, size_t n, const char *tail)
{
    ae_buf b;

    ae_buf_init(&b, &arena, 0);
    while (n-- > 0)
        ae_buf_puts(&b, z);
    ae_buf_puts(&b, tail);
    return ae_buf_str(&b);
}

static void limits(void)
{
    ae_str nested = ae_fmt(&arena, "%.*sa%.*s", 999,
                           repeat("(", 999, "").p, 999,
                           repeat(")", 999, "").p);
    ae_str deeper = ae_fmt(&arena, "(%.*s)", (int)nested.n, nested.p);

    is(1, nested, AE_STR("a"), "1000 levels, Go's limit");
    is(AE_E_SYNTAX, deeper, AE_STR("a"), "1001");
    is(1, repeat("(?:", 3000, ae_fmt(&arena, "a%.*s", 3000,
       repeat(")", 3000, "").p).p), AE_STR("a"), "(?: is no level");
    is(1, repeat("a", RE_MAX_BYTES, ""), repeat("a", RE_MAX_BYTES, ""),
       "longest pattern");
    is(AE_E_TOOBIG, repeat("a", RE_MAX_BYTES + 1, ""), AE_STR("a"),
       "one more is unknown, not refused");
    is(1, AE_STR("^(?:[a-c\\pL]x[d-f\\pN]y){1000}$"),
       repeat("bxey", 1000, ""), "too large for PCRE2, not for us");
    is(0, AE_STR("^(?:[a-c\\pL]x[d-f\\pN]y){1000}$"),
       repeat("bxey", 999, "bxe"), "and a character is missing");
    is(AE_E_TOOBIG, ae_fmt(&arena, "(?:%.*s){1000}", 60,
       repeat("a", 60, "").p), AE_STR("a"), "valid, but too many states");
}

/* What was made for the first text serves the next. */
static void again(void)
{
    ae_regex *r = NULL;

    tap_ok(ae_regex_compile(AE_STR("(a+)+$"), &r) == AE_OK
           && ae_regex_match(r, repeat("a", 200, "b")) == 0
           && ae_regex_match(r, repeat("a", 300, "b")) == 0
           && ae_regex_match(r, repeat("a", 300, "")) == 1,
           "one pattern runs away twice");
    ae_regex_free(r);
}

static void runaway(void)
{
    is(0, AE_STR("(a+)+$"), repeat("a", 200, "b"), "(a+)+$");
    is(0, AE_STR("^(a|aa)+$"), repeat("a", 500, "b"), "^(a|aa)+$");
    is(0, AE_STR("(.*)(.*)(.*)(.*)[xy]"), repeat("a", 400, ""), "(.*)...");
    is(1, AE_STR("(x+x+)+y"), repeat("x", 300, "y"), "(x+x+)+y");
    is(0, AE_STR("(?:(?:a|b)*c?)*d"), repeat("ab", 300, ""), "nested");
    is(0, AE_STR("(?:a*|()){125}\\d"), repeat("a", 1000, ""),
       "hundreds of states at each character");
    is(1, AE_STR("(?:a*|()){125}\\d"), repeat("a", 1000, "7"), "and a yes");
    is(AE_E_BUDGET, AE_STR("(?:(?:a*|()|a?b?){5}){100}\\d"),
       repeat("a", 4000, ""), "thousands are unknown");
    again();
}

static int ask_nfa(ae_str pattern, ae_str text)
{
    re_nfa *m;
    ae_buf b;
    int rc;

    ae_buf_init(&b, &arena, RE_MAX_OUT);
    rc = re_translate(&arena, pattern, &b);
    if (rc == AE_OK)
        rc = re_nfa_new(ae_buf_str(&b), &m);
    if (rc != AE_OK)
        return rc;
    rc = re_nfa_match(m, text);
    re_nfa_free(m);
    return rc;
}

/* The last resort and PCRE2 agree. */
static void both(void)
{
    static const char *const patterns[] = { "", "a", "^a$", "^$", "a|", "|b",
        "(?m)^b$", "(?m)a$", "\\bb", "\\Bb", "\\ba\\b", "a\\z", "\\Aa", ".",
        "^.$", "(?s)^.$", "(?s)a.b", "[^a]", "[^\\pLa]", "(?i)[^\\PLk]", "\\PL",
        "^\\W$", "(?i)K", "(?i)[k-m]", "(?i)\\x{e9}", "[\\D\\pL]", "^a{2,3}$",
        "^a{2,}$", "^a{0,2}$", "^(a|b){3}$", "^(?:a|bc|)+$", "(?:a*)*b",
        "x*", "(x+x+)+y", "^(?:a?){3}a{3}$", "a{0}b", "\\x{d800}",
        "[\\x{d800}]", "^(?:ab?|b)*$", "(?:)", "()*", "(?:^|b)a",
        "a(?:$|\\n)", "[[:^alpha:]]",
        "^[^[:^word:]-]+$", "\\Qa|b\\E", "^(?:a|ab)(?:c|bcd)$", NULL };
    static const char *const texts[] = { "", "a", "b", "aa", "aaa", "aaaa",
        "ab", "ba", "a\nb", "b\na", "\n", "abc", "abcd", "a b", "A", "K",
        "\xe2\x84\xaa", "\xc3\xa9", "\xc3\x89", "_", "-", "1", "xxxy", "a|b",
        "\xf0\x9f\x98\x80", NULL };
    unsigned wrong = 0, yes = 0;

    for (size_t i = 0; patterns[i] != NULL; i++)
        for (size_t j = 0; texts[j] != NULL; j++) {
            int want = ask(ae_cs(patterns[i]), ae_cs(texts[j]));
            int got = ask_nfa(ae_cs(patterns[i]), ae_cs(texts[j]));

            if (got != want)
                printf("# %s on %s: %d, not %d\n", patterns[i], texts[j], got,
                       want);
            wrong += got != want;
            yes += got == 1;
        }
    tap_ok(wrong == 0 && yes > 300, "two ways, one answer (%u yes)", yes);
}

static int run_translate(ae_arena *a)
{
    ae_buf b;

    ae_buf_init(&b, a, RE_MAX_OUT);
    return re_translate(a, AE_STR("((?i)[^a\\P{Lu}\\W]*|(b)){2}\\pL+?"), &b);
}

int main(void)
{
    arena = fresh(&heap, 0);
    syntax();
    folding();
    odd_bytes();
    limits();
    runaway();
    both();
    tap_ok(starve(run_translate, AE_OK), "each allocation fails once");
    ae_regex_free(NULL);
    ae_heap_free(&heap);
    return tap_done();
}
