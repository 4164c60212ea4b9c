/* glob.c - globs: limits, odd bytes, budget, and the direct matchers against
 * the compiled tree they stand for. */
#include "policy/glob.h"

#include "arena.h"
#include "tap.h"

static ae_heap heap;
static ae_arena arena;

static int ask(ae_str pattern, ae_str text)
{
    ae_glob *g;
    int rc = ae_glob_compile(&arena, pattern, &g);

    return rc != AE_OK ? rc : ae_glob_match(g, text);
}

static void is(int want, ae_str pattern, ae_str text, const char *what)
{
    int got = ask(pattern, text);

    tap_ok(got == want, "%s (%d)", what, got);
}

static void odd_bytes(void)
{
    is(AE_E_SYNTAX, AE_STR("a\xff"), AE_STR("a\xff"), "a bad byte");
    is(AE_E_SYNTAX, AE_STR("\xef\xbf\xbd"), AE_STR(""), "U+FFFD in it");
    is(1, AE_STR("*\0[ is not read"), AE_STR("x"), "NUL for an item: the end");
    is(1, AE_STR("a\0b"), AE_STR("ab"), "NUL in text is dropped");
    is(0, AE_STR("\xc3\xa9\0b"), AE_STR("\xc3\xa9""b"),
       "but makes two texts, that is a Row (G6 d)");
    is(1, AE_STR("a*"), AE_STR("a\xff\0"), "any bytes under a star");
    is(1, AE_STR("?"), AE_STR("\xff"), "a bad byte is one character");
    is(0, AE_STR("?"), AE_STR("\xff\xfe"), "two are two");
    is(1, AE_STR(""), ae_s(NULL, 0), "absent text is the empty text");
    is(1, AE_STR("[!a]"), ae_s(NULL, 0), "\"\" fits a negated class (G5)");
    is(AE_E_PATTERN, AE_STR("a{}"), AE_STR("a"), "where Go crashes (G8)");
}

static ae_str repeat(const char *z, size_t n)
{
    ae_buf b;

    ae_buf_init(&b, &arena, 0);
    while (n-- > 0)
        ae_buf_puts(&b, z);
    return ae_buf_str(&b);
}

static void limits(void)
{
    is(1, repeat("a", GLOB_MAX_BYTES), repeat("a", GLOB_MAX_BYTES),
       "longest pattern");
    is(AE_E_TOOBIG, repeat("a", GLOB_MAX_BYTES + 1), AE_STR("a"),
       "one byte more");
    is(1, repeat("?", GLOB_MAX_NODES), repeat("a", GLOB_MAX_NODES),
       "most items");
    is(AE_E_TOOBIG, repeat("?", GLOB_MAX_NODES + 1), AE_STR("a"),
       "one item more");
    is(1, repeat("*a", 30000), repeat("a", 30000), "text and stars: any");
    is(0, repeat("{", GLOB_MAX_BRACES), AE_STR("a"), "deepest braces");
    is(AE_E_TOOBIG, repeat("{", GLOB_MAX_BRACES + 1), AE_STR("a"),
       "one more");
    is(AE_E_TOOBIG, repeat("[ab]*", 500), AE_STR("a"), "too deep a tree");
    is(1, repeat("[ab]*", 30), repeat("a", 30), "deep enough a tree");
}

static void budget(void)
{
    ae_str text = repeat("a", 4096);
    int rc = ask(AE_STR("a*{a,*b}*{a*,b}*{*a,*b}*[!b]*{a*,*a}c?*"), text);

    is(0, AE_STR("*a*a*a*a*a*a*a*a*a*b"), text, "D01");
    tap_ok(rc == 0 || rc == AE_E_BUDGET, "never a wrong yes (%d)", rc);
    is(AE_E_BUDGET, AE_STR("?*[ab]"), repeat("ab", GLOB_MAX_TEXT),
       "text too long to look at");
}

static void shapes(void)
{
    ae_glob *g;
    ae_str lit;

    tap_ok(ae_glob_compile(&arena, AE_STR("\\*a"), &g) == AE_OK
           && ae_glob_literal(g, &lit) && ae_eq_lit(lit, "*a")
           && !ae_glob_is_all(g), "a literal, unescaped");
    tap_ok(ae_glob_compile(&arena, AE_STR("***"), &g) == AE_OK
           && ae_glob_is_all(g) && !ae_glob_literal(g, &lit), "all");
    tap_ok(ae_glob_compile(&arena, AE_STR("*?"), &g) == AE_OK
           && !ae_glob_is_all(g), "not quite all");
}

/* A small generator, the same on every machine. */
static unsigned roll(uint64_t *s, unsigned n)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*s >> 33) % n;
}

static ae_str mix(uint64_t *s, const char *const *v, unsigned nv, unsigned max)
{
    unsigned n = roll(s, max + 1);
    ae_buf b;

    ae_buf_init(&b, &arena, 0);
    while (n-- > 0)
        ae_buf_puts(&b, v[roll(s, nv)]);
    return b.n > 0 ? ae_buf_str(&b) : AE_STR("");
}

/* The direct matchers must agree with the tree on every text. */
static void differential(void)
{
    static const char *const items[] = { "*", "*", "*", "a", "b", "ab", "/",
        "\xc3\xa9", "**", "\\*" };
    static const char *const bytes[] = { "a", "b", "a", "b", "/", "\xc3\xa9",
        "*", "\xff", "\xc3", "\xa9" };
    uint64_t seed = 42;
    unsigned i, k, bad = 0, direct = 0;

    for (i = 0; i < 20000; i++) {
        ae_heap h;
        ae_arena keep = arena;
        ae_glob *g, *tree;
        ae_str p;

        arena = fresh(&h, 0);
        p = mix(&seed, items, 10, 6);
        if (ae_glob_compile(&arena, p, &g) != AE_OK
            || glob_compile_tree(&arena, p, &tree) != AE_OK)
            bad++;
        for (k = 0; bad == 0 && k < 4; k++) {
            ae_str t = mix(&seed, bytes, 10, 8);

            bad += ae_glob_match(g, t) != ae_glob_match(tree, t);
        }
        direct += bad == 0 && g->shape != SHAPE_TREE;
        ae_heap_free(&h);
        arena = keep;
    }
    tap_ok(bad == 0 && direct == i, "%u direct matchers equal their trees",
           direct);
}

static int run_compile(ae_arena *a)
{
    ae_glob *g;
    int rc = ae_glob_compile(a, AE_STR("{ab*,a[!c]}?x[a-c]*{,}{aa,ab,b}"),
                             &g);

    return rc != AE_OK ? rc : ae_glob_match(g, AE_STR("zz"));
}

static int run_pieces(ae_arena *a)
{
    ae_glob *g;
    int rc = ae_glob_compile(a, AE_STR("a*b*c"), &g);

    return rc != AE_OK ? rc : ae_glob_match(g, AE_STR("abc"));
}

int main(void)
{
    arena = fresh(&heap, 0);
    odd_bytes();
    limits();
    budget();
    shapes();
    differential();
    tap_ok(starve(run_compile, 0), "each allocation of a tree fails once");
    tap_ok(starve(run_pieces, 1), "and of a direct matcher");
    ae_heap_free(&heap);
    return tap_done();
}
