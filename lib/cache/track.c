/*
 * track.c - a large body while it comes: where strings and brackets stand.
 */
#include "cache/cache.h"

const char *ae_cache_admit_start(ae_str s)
{
    static const ae_str bad[] = { { "error", 5 }, { "code", 4 },
                                  { "message", 7 } };
    size_t i = 0;

    while (i < s.n && (unsigned char)s.p[i] <= ' ')
        i++;
    if (i == s.n || (s.p[i] != '{' && s.p[i] != '['))
        return "not-json";
    if (s.p[i] == '[')
        return NULL;
    for (i++; i < s.n && (unsigned char)s.p[i] <= ' '; i++)
        ;
    s = ae_sub(s, i, s.n);
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
        if (s.n > bad[k].n + 1 && s.p[0] == '"'
            && ae_starts(ae_sub(s, 1, s.n), bad[k])
            && s.p[bad[k].n + 1] == '"')
            return "grpc-error";
    return NULL;
}

void ae_track_init(struct ae_track *t)
{
    memset(t, 0, sizeof(*t));
}

/* To the end of the string or of |p|. */
static const char *string(struct ae_track *t, const char *p, const char *end)
{
    while (p < end) {
        if (t->escaped) {
            t->escaped = false;
        } else if (*p == '"') {
            t->in_string = false;
            return p + 1;
        } else if (*p == '\\') {
            t->escaped = true;
        } else if ((unsigned char)*p < 0x20) {
            t->bad = true;
            return end;
        }
        p++;
    }
    return p;
}

static void open_level(struct ae_track *t, bool array)
{
    unsigned char bit = (unsigned char)(1u << (t->depth % 8));

    if (t->depth >= 8 * sizeof(t->array)) {
        t->bad = true;
        return;
    }
    if (array)
        t->array[t->depth / 8] |= bit;
    else
        t->array[t->depth / 8] &= (unsigned char)~bit;
    t->depth++;
}

static void close_level(struct ae_track *t, bool array)
{
    if (t->depth == 0) {
        t->bad = true;
        return;
    }
    t->depth--;
    if ((t->array[t->depth / 8] >> (t->depth % 8) & 1) != array)
        t->bad = true;
    t->closed = t->depth == 0;
}

void ae_track_feed(struct ae_track *t, ae_str part)
{
    const char *p = part.p, *end = part.p + part.n;

    while (p < end && !t->bad) {
        char c;

        if (t->in_string) {
            p = string(t, p, end);
            continue;
        }
        c = *p++;
        if ((unsigned char)c <= ' ')
            continue;
        if (t->closed || (t->depth == 0 && c != '{' && c != '['))
            t->bad = true; /* after the end, or no object at all */
        else if (c == '"')
            t->in_string = true;
        else if (c == '{' || c == '[')
            open_level(t, c == '[');
        else if (c == '}' || c == ']')
            close_level(t, c == ']');
    }
}

bool ae_track_whole(const struct ae_track *t)
{
    return t->closed && !t->bad;
}
