/*
 * collect.c - an upstream's body on its way into the store, in an arena that
 * frees nothing: each byte is kept once, and nothing beyond the cap (D06).
 */
#include "edge/edge.h"

#define PIECE_FIRST 4096          /* most answers without a length are small */
#define PIECE ((size_t)64 << 10)

struct ae_piece {
    struct ae_piece *next;
    size_t           n, cap;
    char             data[];
};

static bool add_piece(struct ae_collect *c, size_t cap)
{
    struct ae_piece *p = NULL;

    if (cap <= SIZE_MAX - sizeof *p)
        p = ae_alloc(c->a, sizeof *p + cap);
    if (!p) {
        c->bad = true;
        return false;
    }
    p->next = NULL;
    p->n = 0;
    p->cap = cap;
    if (c->last)
        c->last->next = p;
    else
        c->first = p;
    c->last = p;
    return true;
}

void ae_collect_open(struct ae_collect *c, ae_arena *a, size_t max,
                     size_t first, int64_t length)
{
    memset(c, 0, sizeof *c);
    c->a = a;
    c->max = max;
    c->length = length;
    if (length <= 0)
        return;
    if ((uint64_t)length > max)
        c->bad = true;
    else
        add_piece(c, (uint64_t)length < first ? (size_t)length : first);
}

bool ae_collect_put(struct ae_collect *c, ae_str part)
{
    if (c->bad)
        return false;
    /* More than was announced is no better than more than the cap. */
    if (part.n > c->max - c->n
        || (c->length >= 0 && part.n > (uint64_t)c->length - c->n)) {
        c->bad = true;
        return false;
    }
    while (part.n) {
        struct ae_piece *p = c->last;
        size_t n;

        if (!p || p->n == p->cap) {
            if (!add_piece(c, p ? PIECE : PIECE_FIRST))
                return false;
            p = c->last;
        }
        n = p->cap - p->n < part.n ? p->cap - p->n : part.n;
        memcpy(p->data + p->n, part.p, n);
        p->n += n;
        c->n += n;
        part = ae_s(part.p + n, part.n - n);
    }
    return true;
}

bool ae_collect_whole(const struct ae_collect *c)
{
    return !c->bad && (c->length < 0 || (uint64_t)c->length == c->n);
}

ae_str ae_collect_join(struct ae_collect *c)
{
    size_t n = 0;
    char *all;

    if (!c->first)
        return AE_STR("");
    if (!c->first->next)
        return ae_s(c->first->data, c->first->n);
    all = ae_alloc(c->a, c->n);
    if (!all)
        return ae_s(NULL, 0);
    for (const struct ae_piece *p = c->first; p; p = p->next) {
        memcpy(all + n, p->data, p->n);
        n += p->n;
    }
    return ae_s(all, n);
}
