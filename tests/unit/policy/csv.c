/* csv.c - policy lines beyond what the vectors hold (C1-C6). */
#include "policy/policy.h"

#include "arena.h"
#include "tap.h"

static ae_heap heap;
static ae_arena arena;

#define PREFIX "error loading RBAC policy: error creating casbin enforcer: " \
    "error loading policy line: "

static void valid(ae_str text, const char *what)
{
    ae_str install, validate;
    int rc = ae_csv_check(&arena, text, &install, &validate);

    tap_ok(rc == AE_OK && install.p == NULL && validate.p == NULL,
           "valid: %s", what);
}

static void invalid(ae_str text, ae_str error, const char *what)
{
    ae_str install, validate, whole;
    int rc = ae_csv_check(&arena, text, &install, &validate);

    whole = ae_fmt(&arena, "%s%.*s", PREFIX, (int)error.n, error.p);
    tap_ok(rc == AE_E_SYNTAX && ae_eq(install, whole), "refused: %s", what);
}

static void texts(void)
{
    valid(ae_s(NULL, 0), "the absent text");
    valid(AE_STR("\xc2\xa0p,a,b,c,d,allow\xc2\x85\r"), "Unicode blanks");
    valid(AE_STR("p,\0,b,c,d,\xff"), "NUL and bytes that are no UTF-8");
    valid(AE_STR("\"p\",a,b,c,d,\"\""), "quoted key");
    valid(AE_STR("r\ne,1,2,3,4,5,6,7,8\nm"), "ignored keys, any length");
    invalid(AE_STR("\x85p,a,b,c,d,allow"),
            AE_STR("invalid RBAC policy: \x85p,a,b,c,d,allow"),
            "a lone 0x85 is no blank");
    invalid(AE_STR("p\"\xff\x07\x7f\xc2\xad\xf0\x9f\x98\x80\xf3\xa0\x80\x81"),
            AE_STR("error parsing policy line \"p\\\"\\xff\\a\\x7f\\u00ad"
                   "\xf0\x9f\x98\x80\\U000e0001\": parse error on line 1, "
                   "column 2: bare \" in non-quoted-field"),
            "Go's quoting");
    invalid(AE_STR("p, \""), AE_STR("error parsing policy line \"p, \\\"\": "
            "parse error on line 1, column 5: extraneous or missing \" in "
            "quoted-field"), "a quote at the very end");
}

static void places(void)
{
    ae_str rest = AE_STR("# x\n\n  g, a, b\n  p, \"a\" , b\n");
    struct ae_csv_line l;
    struct ae_err e = { 0 };
    uint32_t line = 0;
    int rc = ae_csv_next(&arena, &rest, &line, &l, &e);

    tap_ok(rc == 1 && l.key == 'g' && l.line == 3 && l.nfield == 3
           && ae_eq_lit(l.field[2], "b"), "comments and blanks are skipped");
    rc = ae_csv_next(&arena, &rest, &line, &l, &e);
    tap_ok(rc == AE_E_SYNTAX && e.line == 4 && e.column == 8
           && strncmp(e.text, "error parsing", 13) == 0,
           "line %u, column %u of the text, not of the stripped line",
           e.line, e.column);
}

/* A chain of |n| g-lines from role0 to a role with a p-line. */
static ae_str chain(size_t n)
{
    ae_buf b;
    size_t i;

    ae_buf_init(&b, &arena, 0);
    for (i = 0; i < n; i++)
        ae_buf_printf(&b, "g, role%zu, role%zu\n", i, i + 1);
    ae_buf_printf(&b, "p, role%zu, a, b, c, deny\n", n);
    return ae_buf_str(&b);
}

static void integrity(void)
{
    ae_str w = ae_csv_integrity(&arena, chain(11));

    /* role0 itself is nobody's role; role1 is 10 edges away */
    tap_ok(w.p == NULL, "10 edges reach a p-line");
    w = ae_csv_integrity(&arena, chain(12));
    tap_ok(ae_eq_lit(w, "user defined roles not found in policies: role1"),
           "11 do not");
    w = ae_csv_integrity(&arena, AE_STR("g, a, b\ng, c, b\ng, b, x\nbad"));
    tap_ok(w.p == NULL, "no warning about what does not parse");
    w = ae_csv_integrity(&arena, AE_STR("p, a, b, c, d, allow"));
    tap_ok(w.p == NULL, "nor without g-lines");
}

static const char starved[] = "p, \"a\"\"b\", c, d, e, allow\ng, x, y\np, \"q";

static int run_check(ae_arena *a)
{
    ae_str install, validate;

    return ae_csv_check(a, ae_cs(starved), &install, &validate);
}

static int run_integrity(ae_arena *a)
{
    ae_str w = ae_csv_integrity(a, AE_STR("g, a, \"b\"\"\"\ng, c, d"));

    return w.p == NULL ? AE_E_NOMEM : AE_OK;
}

static void exhausted(void)
{
    tap_ok(starve(run_check, AE_E_SYNTAX), "each allocation of a check fails");
    tap_ok(starve(run_integrity, AE_OK), "and of the warning");
}

int main(void)
{
    arena = fresh(&heap, 0);
    texts();
    places();
    integrity();
    exhausted();
    ae_heap_free(&heap);
    return tap_done();
}
