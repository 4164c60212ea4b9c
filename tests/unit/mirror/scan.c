/* scan.c - blocks of 64 bytes say what a look at each byte says. */
#include "mirror/scan.h"
#include "tap.h"

static uint64_t dice = 88172645463325252u;

static unsigned roll(unsigned n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned)(dice % n);
}

/* The end of the value at |p| by one byte at a time; NULL: damaged. */
static const char *naive(const char *p, const char *end)
{
    int depth = 0, curly = 0;

    for (; p < end; p++) {
        if (*p == '"') {
            for (p++; p < end && *p != '"'; p++) {
                if ((unsigned char)*p < 0x20)
                    return NULL;
                if (*p == '\\' && (++p >= end || (unsigned char)*p < 0x20))
                    return NULL;
            }
            if (p >= end)
                return NULL;
        } else if (*p == '{' || *p == '[') {
            depth++;
            curly += *p == '{';
        } else if (*p == '}' || *p == ']') {
            depth--;
            curly -= *p == '}';
        } else if (*p == '\\') {
            return NULL;
        }
        if (depth == 0)
            return curly ? NULL : p + 1;
    }
    return NULL;
}

static size_t random_value(char *p, unsigned depth)
{
    static const char letters[] = "ab{}[],: \\\"\\\\x";
    size_t n = 0;
    unsigned k = roll(6);

    if (depth == 0 || k < 2) {
        p[n++] = '"';
        for (unsigned i = roll(40); i; i--) {
            char c = letters[roll(sizeof(letters) - 1)];

            if (c == '"' || c == '\\')
                p[n++] = '\\';
            p[n++] = c;
        }
        p[n++] = '"';
        return n;
    }
    p[n++] = k < 4 ? '{' : '[';
    for (unsigned i = roll(5), first = 1; i; i--, first = 0) {
        if (!first)
            p[n++] = ',';
        if (k < 4) {
            memcpy(p + n, "\"k\":", 4);
            n += 4;
        }
        n += random_value(p + n, depth - 1);
    }
    p[n++] = k < 4 ? '}' : ']';
    return n;
}

static void same_as_naive(void)
{
    static char text[200000];
    unsigned    bad = 0, good = 0, hurt = 0;

    for (int i = 0; i < 20000; i++) {
        size_t        n;
        const char   *end;
        ae_str        v;
        struct ae_cur c;
        bool          ok;

        text[0] = '[';
        n = 1 + random_value(text + 1, 4);
        text[n++] = ']';
        if (i % 2)
            text[roll((unsigned)n)] = "\"\\{}[]\x01 "[roll(8)];
        text[0] = '[';
        memset(text + n, roll(2) ? ']' : ' ', 70);
        if (i % 4 == 3)
            n = 1 + roll((unsigned)n);
        c = ae_cur(ae_s(text, n));
        end = naive(text, text + n);
        ok = ae_cur_value(&c, &v);
        bad += ok != (end != NULL) || (ok && c.p != end);
        good += ok;
        hurt += !ok;
    }
    tap_ok(bad == 0, "the end of a value is where a slow look finds it");
    tap_ok(good > 5000 && hurt > 2000, "(%u whole, %u damaged)", good, hurt);
}

static void strings(void)
{
    static const struct { const char *raw, *want; size_t n; } t[] = {
        { "plain", "plain", 5 }, { "", "", 0 },
        { "a\\u003cb\\\"\\\\\\/", "a<b\"\\/", 6 },
        { "\\b\\f\\n\\r\\t", "\b\f\n\r\t", 5 },
        { "\\u00e9\\u20ac", "\xc3\xa9\xe2\x82\xac", 5 },
        { "\\ud83e\\udd80", "\xf0\x9f\xa6\x80", 4 },
        { "\\ud83ex", "\xef\xbf\xbdx", 4 },
        { "\\u0000", "\0", 1 },
    };
    static const char *const bad[] = { "\\", "\\x", "\\u12", "\\u12g4" };
    char   buf[64];
    size_t wrong = 0;

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        size_t n = ae_text_unescape(ae_cs(t[i].raw), buf);

        if (n != t[i].n || memcmp(buf, t[i].want, n) != 0)
            wrong++;
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        wrong += ae_text_unescape(ae_cs(bad[i]), buf) != SIZE_MAX;
    tap_ok(wrong == 0, "escapes are read as JSON has them");
}

static void walking(void)
{
    struct ae_cur c = ae_cur(AE_STR(" { \"a\" : 1 , \"b\":[true,null,-2e5]}"));
    ae_str        key, v, seen[4];
    size_t        n = 0;

    for (bool first = true; ae_cur_member(&c, &first, &key);)
        if (ae_cur_value(&c, &v) && n < 4)
            seen[n++] = v;
    tap_ok(!c.bad && n == 2 && ae_eq_lit(seen[0], "1")
           && ae_eq_lit(seen[1], "[true,null,-2e5]"), "members");
    c = ae_cur(seen[1]);
    n = 0;
    for (bool first = true; ae_cur_element(&c, &first);)
        n += ae_cur_value(&c, &v);
    tap_ok(!c.bad && n == 3 && ae_eq_lit(v, "-2e5"), "elements");
    c = ae_cur(AE_STR("{\"a\":1 \"b\":2}"));
    for (bool first = true; ae_cur_member(&c, &first, &key);)
        ae_cur_value(&c, &v);
    tap_ok(c.bad, "a comma is missed");
    c = ae_cur(AE_STR("{\"a\":wrong}"));
    for (bool first = true; ae_cur_member(&c, &first, &key);)
        ae_cur_value(&c, &v);
    tap_ok(c.bad, "and a value that is none");
}

int main(void)
{
    same_as_naive();
    strings();
    walking();
    return tap_done();
}
