/*
 * goprint.c - values as Go prints them, for refusals that quote the token.
 */
#include "token/internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { DIGITS = 17,     /* enough for every float64 */
       LARGE_EXPONENT = 6 };

/* The shortest decimal that reads back as |f|: digits without the point, and
 * the exponent of the first.  snprintf and strtod share the locale's point,
 * whatever it is, so the round trip holds; only digits are taken over. */
static size_t shortest(double f, char digits[DIGITS + 1], int *exponent)
{
    char   z[64];
    size_t n = 0;

    for (int p = 0; p < DIGITS; p++) {
        snprintf(z, sizeof(z), "%.*e", p, f);
        if (strtod(z, NULL) == f)
            break;
    }
    for (const char *q = z; *q && *q != 'e'; q++)
        if (*q >= '0' && *q <= '9' && n < DIGITS)
            digits[n++] = *q;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    *exponent = (int)strtol(strchr(z, 'e') + 1, NULL, 10);
    return n;
}

/* fmt prints a float64 under %v as %g with the shortest digits, and strconv
 * then decides for an exponent as if the precision were 6. */
static void put_float(ae_buf *b, double f)
{
    char   d[DIGITS + 1];
    int    x;
    size_t n;

    if (f < 0 || (f == 0 && 1 / f < 0)) {
        ae_buf_putc(b, '-');
        f = -f;
    }
    n = shortest(f, d, &x);
    if (x < -4 || x >= LARGE_EXPONENT) {
        ae_buf_putc(b, d[0]);
        if (n > 1) {
            ae_buf_putc(b, '.');
            ae_buf_put(b, ae_s(d + 1, n - 1));
        }
        ae_buf_printf(b, "e%c%02d", x < 0 ? '-' : '+', x < 0 ? -x : x);
        return;
    }
    if (x < 0) {
        ae_buf_puts(b, "0.");
        for (int i = x + 1; i < 0; i++)
            ae_buf_putc(b, '0');
        ae_buf_put(b, ae_s(d, n));
        return;
    }
    for (size_t i = 0; i < n || i <= (size_t)x; i++) {
        if (i == (size_t)x + 1)
            ae_buf_putc(b, '.');
        ae_buf_putc(b, i < n ? d[i] : '0');
    }
}

static int by_bytes(const void *p, const void *q)
{
    return ae_cmp(*(const ae_str *)p, *(const ae_str *)q);
}

static void put_map(ae_buf *b, const json_t *v)
{
    size_t      n = json_object_size(v), i = 0;
    ae_str     *keys = ae_nalloc(b->a, n + 1, sizeof(*keys));
    const char *k;
    json_t     *m;

    if (!keys) {
        b->bad = true;
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)v, k, m)
        if (i < n)
            keys[i++] = ae_cs(k);
    qsort(keys, i, sizeof(*keys), by_bytes);
    ae_buf_puts(b, "map[");
    for (size_t j = 0; j < i; j++) {
        if (j)
            ae_buf_putc(b, ' ');
        ae_buf_put(b, keys[j]);
        ae_buf_putc(b, ':');
        ae_token_put_value(b, json_object_get(v, keys[j].p));
    }
    ae_buf_putc(b, ']');
}

/* Recursion is bounded by AE_JSON_DEPTH: the scan cut off what is deeper. */
void ae_token_put_value(ae_buf *b, const json_t *v)
{
    if (json_is_string(v)) {
        ae_buf_put(b, ae_json_str(v));
    } else if (json_is_number(v)) {
        put_float(b, json_number_value(v));
    } else if (json_is_boolean(v)) {
        ae_buf_puts(b, json_is_true(v) ? "true" : "false");
    } else if (json_is_object(v)) {
        put_map(b, v);
    } else if (json_is_array(v)) {
        ae_buf_putc(b, '[');
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i)
                ae_buf_putc(b, ' ');
            ae_token_put_value(b, json_array_get(v, i));
        }
        ae_buf_putc(b, ']');
    } else {
        ae_buf_puts(b, "<nil>");
    }
}

/* strconv.QuoteRune's escapes for an ASCII byte. */
static void put_ascii(ae_buf *b, unsigned char c)
{
    static const char named[] = "abtnvfr"; /* 7..13 */

    if (c == '\'' || c == '\\') {
        ae_buf_putc(b, '\\');
        ae_buf_putc(b, (char)c);
    } else if (c >= 7 && c <= 13) {
        ae_buf_putc(b, '\\');
        ae_buf_putc(b, named[c - 7]);
    } else if (c < 0x20 || c == 0x7f) {
        ae_buf_printf(b, "\\x%02x", c);
    } else {
        ae_buf_putc(b, (char)c);
    }
}

/* encoding/json makes a rune of the one byte, so the bytes of a BOM come out
 * as Latin-1 letters (tokens.json, payload-bom). */
void ae_token_put_char(ae_buf *b, unsigned char c)
{
    char   u[4];
    size_t w;

    ae_buf_putc(b, '\'');
    if (c < 0x80) {
        put_ascii(b, c);
    } else if (c <= 0xa0 || c == 0xad) {
        ae_buf_printf(b, "\\u%04x", c);
    } else {
        w = ae_utf8_put(c, u);
        ae_buf_put(b, ae_s(u, w));
    }
    ae_buf_putc(b, '\'');
}
