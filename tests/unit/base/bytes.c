/* str.c, utf8.c, num.c, b64url.c: values that the Go side fixes. */
#include "base/base.h"
#include "tap.h"

static ae_heap  heap;
static ae_arena a;

/* Every pair of bytes, at the start and the end of eight bytes and more. */
static bool ieq_all(void)
{
    char x[] = "content-typE", y[] = "CONTENT-TYPe";

    for (int c = 0; c < 256; c++)
        for (int k = 0; k < 256; k++) {
            bool want = c == k || ((c ^ k) == 0x20 && (c | 0x20) >= 'a'
                                   && (c | 0x20) <= 'z');

            for (size_t n = 1; n <= 12; n++)
                for (size_t at = 0; at < n; at += n - 1 ? n - 1 : 1) {
                    char p = x[at], q = y[at];
                    bool got;

                    x[at] = (char)c;
                    y[at] = (char)k;
                    got = ae_ieq(ae_s(x, n), ae_s(y, n));
                    x[at] = p;
                    y[at] = q;
                    if (got != want)
                        return false;
                }
        }
    return true;
}

static void strings(void)
{
    ae_str head, rest;

    tap_ok(ae_ieq(AE_STR("Content-TYPE"), AE_STR("content-type")), "ieq");
    tap_ok(!ae_ieq(AE_STR("a"), AE_STR("ab")), "ieq: length counts");
    tap_ok(ieq_all(), "ieq: letters fold, and nothing else does");
    tap_ok(!ae_ieq(AE_STR("x-accel@bufferi"), AE_STR("x-accel`bufferi")),
           "ieq: '@' and '`' differ by the case bit, and are no letters");
    tap_ok(ae_ieq(AE_STR("X-Http-Method-OVERRIDE"),
                  AE_STR("x-http-method-override")), "ieq: over eight bytes");
    tap_ok(ae_cmp(AE_STR("a"), AE_STR("ab")) < 0, "cmp: prefix first");
    rest = ae_cut(AE_STR("k=v=w"), '=', &head);
    tap_ok(ae_eq_lit(head, "k") && ae_eq_lit(rest, "v=w"), "cut");
    rest = ae_cut(AE_STR("k"), '=', &head);
    tap_ok(ae_eq_lit(head, "k") && !rest.p, "cut: no separator, absent rest");
    rest = ae_cut(AE_STR("k="), '=', &head);
    tap_ok(rest.p && !rest.n, "cut: present and empty rest");
    tap_ok(ae_find_str(AE_STR("abcabd"), AE_STR("abd")) == 3, "find_str");
    tap_ok(ae_find_str(AE_STR("ab"), AE_STR("abd")) == SIZE_MAX,
           "find_str: longer needle");
    tap_ok(ae_sub(AE_STR("abc"), 2, 9).n == 1, "sub clamps");
    tap_ok(ae_sub(AE_STR("abc"), 9, 9).n == 0, "sub clamps the start");
}

static void utf8(void)
{
    uint32_t cp;
    char     out[4];
    ae_str   whole = AE_STR("a\xC3\xA9");

    tap_ok(ae_utf8_mend(&a, whole).p == whole.p, "mend: nothing to do");
    tap_ok(ae_eq_lit(ae_utf8_mend(&a, AE_STR("a\xED\xA0\x80\xC3\xA9\xC3(")),
                     "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA9"
                     "\xEF\xBF\xBD("), "mend: one U+FFFD a byte");

    tap_ok(ae_utf8_next("\xC3\xA9", 2, &cp) == 2 && cp == 0xE9, "U+00E9");
    tap_ok(ae_utf8_next("\xC0\x80", 2, &cp) == 1 && cp == 0xFFFD,
           "overlong NUL is one bad byte");
    tap_ok(ae_utf8_next("\xED\xA0\x80", 3, &cp) == 1 && cp == 0xFFFD,
           "a surrogate is bad");
    tap_ok(ae_utf8_next("\xE2\x82", 2, &cp) == 1 && cp == 0xFFFD,
           "a cut sequence is bad byte by byte");
    tap_ok(ae_utf8_next("\xF4\x90\x80\x80", 4, &cp) == 1, "> U+10FFFF");
    tap_ok(ae_utf8_put(0x10FFFF, out) == 4, "put: four bytes");
    tap_ok(ae_utf8_put(0xD800, out) == 3
           && memcmp(out, "\xEF\xBF\xBD", 3) == 0, "put: surrogate");
    tap_ok(ae_utf8_count(AE_STR("a\xC3\xA9\xFF")) == 3, "count as Go");
    tap_ok(!ae_utf8_valid(AE_STR("\xFF")), "invalid byte");
    tap_ok(ae_utf8_valid(AE_STR("\xEF\xBF\xBD")), "a real U+FFFD is valid");
    tap_ok(ae_eq_lit(ae_trim_space(AE_STR("\xC2\xA0 x \xE3\x80\x80\r")), "x"),
           "TrimSpace: Unicode blanks at both ends");
    tap_ok(ae_eq_lit(ae_trim_space(AE_STR("\xEF\xBB\xBFx")),
                     "\xEF\xBB\xBFx"), "TrimSpace keeps a BOM");
    tap_ok(ae_trim_space(AE_STR(" \t ")).n == 0, "TrimSpace: nothing left");
    tap_ok(ae_eq_lit(ae_trim_space(AE_STR("x\xA0")), "x\xA0"),
           "TrimSpace: a lone continuation byte is no blank");
}

static bool time_is(const char *text, int64_t want, bool want_part)
{
    int64_t t;
    bool    part;

    return ae_parse_rfc3339(ae_cs(text), &t, &part) && t == want
        && part == want_part;
}

static void numbers(void)
{
    uint64_t u;
    int64_t  i;
    char     t[40];

    tap_ok(ae_parse_u64(AE_STR("18446744073709551615"), &u)
           && u == UINT64_MAX, "u64: the greatest");
    tap_ok(!ae_parse_u64(AE_STR("18446744073709551616"), &u), "u64: one more");
    tap_ok(!ae_parse_u64(AE_STR(""), &u) && !ae_parse_u64(AE_STR("1 "), &u),
           "u64: empty, blank");
    tap_ok(ae_parse_i64(AE_STR("-9223372036854775808"), &i)
           && i == INT64_MIN, "i64: the least");
    tap_ok(!ae_parse_i64(AE_STR("9223372036854775808"), &i), "i64: too great");
    tap_ok(ae_parse_size(AE_STR("16m"), &u) && u == 16u << 20, "size 16m");
    tap_ok(!ae_parse_size(AE_STR("m"), &u), "size without a number");
    tap_ok(ae_parse_ms(AE_STR("500ms"), &u) && u == 500, "500ms");
    tap_ok(ae_parse_ms(AE_STR("2m"), &u) && u == 120000, "2m");
    tap_ok(ae_parse_ms(AE_STR("30"), &u) && u == 30000, "30 is seconds");
    t[ae_rfc3339(1767225600, t)] = '\0';
    tap_ok(strcmp(t, "2026-01-01T00:00:00Z") == 0, "rfc3339: %s", t);
    t[ae_rfc3339(-1, t)] = '\0';
    tap_ok(strcmp(t, "1969-12-31T23:59:59Z") == 0, "rfc3339 before 1970");
    t[ae_rfc3339(-62167219201, t)] = '\0';
    tap_ok(strcmp(t, "-0001-12-31T23:59:59Z") == 0,
           "four digits behind the sign: %s", t);
    t[ae_rfc3339(INT64_MAX, t)] = '\0';
    tap_ok(strcmp(t, "292277026596-12-04T15:30:07Z") == 0,
           "the last second: %s", t);
    t[ae_rfc3339(INT64_MIN, t)] = '\0';
    tap_ok(strcmp(t, "292277026596-12-04T15:30:08Z") == 0,
           "Go's dates wrap: %s", t);
    tap_ok(time_is("2026-01-01T02:00:00.5+02:00", 1767225600, true),
           "rfc3339 with fraction and offset");
    tap_ok(time_is("2026-01-01T00:00:00,5Z", 1767225600, true)
           && time_is("2026-01-01T0:00:00Z", 1767225600, false)
           && time_is("2026-01-01T24:00:00+24:00", 0, false) == false
           && time_is("2026-01-01T00:00:00.0000000009Z", 1767225600, false),
           "as Go reads it: a comma, a short hour, nanoseconds at most");
    tap_ok(!ae_parse_rfc3339(AE_STR("2026-02-29T00:00:00Z"), &i, NULL),
           "no 29 February in 2026");
    tap_ok(!ae_parse_rfc3339(AE_STR("2026-01-01"), &i, NULL)
           && !ae_parse_rfc3339(AE_STR("2026-01-01T0:00"), &i, NULL)
           && !ae_parse_rfc3339(AE_STR("2026-01-01T00:00:00."), &i, NULL),
           "what is cut short is no time");
}

static void base64(void)
{
    ae_str out;
    size_t bad = 0;

    tap_ok(ae_b64url_decode(&a, AE_STR("YWI"), true, &out, &bad) == 0
           && ae_eq_lit(out, "ab"), "two bytes");
    tap_ok(ae_b64url_decode(&a, AE_STR("YW*"), false, &out, &bad)
           == AE_E_SYNTAX && bad == 2, "Go's offset of an illegal byte");
    tap_ok(ae_b64url_decode(&a, AE_STR("YWJjZ"), false, &out, &bad)
           == AE_E_SYNTAX && bad == 4, "Go's offset of a lone character");
    tap_ok(ae_b64url_decode(&a, AE_STR("YWJ"), false, &out, &bad) == 0,
           "spare bits are let pass");
    tap_ok(ae_b64url_decode(&a, AE_STR("YWJ"), true, &out, &bad)
           == AE_E_SYNTAX, "but not strictly (RFC 4648 3.5)");
    tap_ok(ae_b64url_decode(&a, AE_STR("YQ=="), false, &out, &bad)
           == AE_E_SYNTAX && bad == 2, "padding is illegal");
    for (size_t n = 0; n < 8; n++) {
        ae_str in = ae_s("\xFF\x00\x7F\x80\xFE\x01\x02", n), back;
        ae_str enc = ae_b64url_encode(&a, in);

        tap_ok(ae_b64url_decode(&a, enc, true, &back, &bad) == 0
               && ae_eq(in, back), "round trip of %zu bytes", n);
    }
}

int main(void)
{
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    strings();
    utf8();
    numbers();
    base64();
    ae_heap_free(&heap);
    return tap_done();
}
