/*
 * copies.c - full lists that this process has at hand, with their index.  The
 * store has them, too; but to copy one out of it and to slice it anew for
 * each request would cost more than the answer.
 *
 * A copy counts only while the generations of its tags are those that it was
 * stored under, and until its time: both are looked at for each request.
 */
#include "edge/edge.h"

#include <stdlib.h>

struct ae_copy *ae_copy_new(void)
{
    struct ae_copy *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    atomic_init(&c->refs, 1);
    ae_arena_init(&c->a, ae_heap_mem(&c->heap), NULL, 0);
    return c;
}

void ae_copy_unref(struct ae_copy *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel)
              != 1)
        return;
    ae_heap_free(&c->heap);
    free(c);
}

/* Whether |c| is still what the store would give. */
static bool good(const struct ae_copy *c, const uint64_t *gen, size_t n,
                 int64_t now)
{
    return c->fresh_until_us > now && c->ngen == n
        && memcmp(c->gen, gen, n * sizeof *gen) == 0;
}

static struct ae_copy *swap(ae_engine *e, size_t i, struct ae_copy *c)
{
    struct ae_copy *old = e->copy[i];

    if (old)
        e->copy_bytes -= old->heap.bytes;
    if (c)
        e->copy_bytes += c->heap.bytes;
    e->copy[i] = c;
    return old;
}

struct ae_copy *ae_copies_get(ae_engine *e, const unsigned char hash[32],
                              const uint64_t *gen, size_t ngen, int64_t now)
{
    struct ae_copy *c = NULL, *old = NULL;

    ae_lock(e, &e->lock);
    for (size_t i = 0; i < AE_COPIES && !c; i++) {
        if (!e->copy[i] || memcmp(e->copy[i]->hash, hash, 32) != 0)
            continue;
        if (!good(e->copy[i], gen, ngen, now)) {
            old = swap(e, i, NULL);
            break;
        }
        c = e->copy[i];
        atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
        c->used_us = now;
    }
    ae_unlock(e, &e->lock);
    ae_copy_unref(old);
    return c;
}

/* Where to put |n| bytes more: the copy's own place, a free one, or that of
 * the one that was used longest ago. */
static size_t place(ae_engine *e, const struct ae_copy *c)
{
    size_t at = AE_COPIES, oldest = 0;

    for (size_t i = 0; i < AE_COPIES; i++) {
        if (!e->copy[i])
            at = at == AE_COPIES ? i : at;
        else if (memcmp(e->copy[i]->hash, c->hash, 32) == 0)
            return i;
        else if (e->copy[oldest]
                 && e->copy[i]->used_us < e->copy[oldest]->used_us)
            oldest = i;
        else if (!e->copy[oldest])
            oldest = i;
    }
    return at < AE_COPIES ? at : oldest;
}

void ae_copies_put(ae_engine *e, struct ae_copy *c)
{
    struct ae_copy *out[AE_COPIES];
    size_t          n = 0, i;

    if (c->heap.bytes > AE_COPIES_BYTES)
        return;
    ae_lock(e, &e->lock);
    i = place(e, c);
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    out[n++] = swap(e, i, c);
    for (size_t k = 0; k < AE_COPIES && e->copy_bytes > AE_COPIES_BYTES; k++)
        if (k != i && e->copy[k])
            out[n++] = swap(e, k, NULL);
    ae_unlock(e, &e->lock);
    while (n)
        ae_copy_unref(out[--n]);
}

void ae_copies_tick(ae_engine *e, int64_t now)
{
    for (size_t i = 0; i < AE_COPIES; i++) {
        struct ae_copy *old = NULL;

        ae_lock(e, &e->lock);
        if (e->copy[i] && e->copy[i]->fresh_until_us <= now)
            old = swap(e, i, NULL);
        ae_unlock(e, &e->lock);
        ae_copy_unref(old);
    }
}

void ae_copies_free(ae_engine *e)
{
    for (size_t i = 0; i < AE_COPIES; i++)
        ae_copy_unref(swap(e, i, NULL));
}
