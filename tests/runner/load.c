/*
 * load.c - a vector file.  Recorded claims hold integers that no int64 takes;
 * jansson refuses the whole file for them, so they are read as reals.
 */
#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *slurp(const char *file, size_t *n)
{
    FILE  *f = fopen(file, "rb");
    char  *p = NULL;
    size_t cap = 0, got;

    *n = 0;
    if (!f)
        return NULL;
    do {
        if (cap - *n < 65536 && !(p = realloc(p, cap += 1 << 20)))
            abort();
        got = fread(p + *n, 1, cap - *n, f);
        *n += got;
    } while (got);
    fclose(f);
    return p;
}

/* Copies |p|, with ".0" behind each integer of more than 18 digits. */
static size_t widen(const char *p, size_t n, char *out)
{
    size_t o = 0, run = 0;
    bool   in = false, real = false;

    for (size_t i = 0; i < n; i++) {
        char c = p[i];

        if (!in && c >= '0' && c <= '9') {
            run++;
        } else {
            real = !in && (c == '.' || (run && (c == 'e' || c == 'E'))
                           || (real && (c == '+' || c == '-')));
            if (run > 18 && !in && !real) {
                out[o++] = '.';
                out[o++] = '0';
            }
            if (!real)
                run = 0;
        }
        out[o++] = c;
        if (in && c == '\\' && i + 1 < n)
            out[o++] = p[++i];
        else if (c == '"')
            in = !in;
    }
    return o;
}

json_t *vectors_load(const char *file, json_error_t *e)
{
    json_error_t own;
    size_t       n;
    char        *p = slurp(file, &n), *q;
    json_t      *root;

    if (!p)
        return json_load_file(file, JSON_ALLOW_NUL, e ? e : &own);
    q = malloc(n + n / 9 + 16);
    if (!q)
        abort();
    root = json_loadb(q, widen(p, n, q), JSON_ALLOW_NUL, e ? e : &own);
    free(q);
    free(p);
    return root;
}
