/* arena.h - arenas for the tests of lib/policy, whole and starved. */
#ifndef AE_TEST_POLICY_ARENA_H
#define AE_TEST_POLICY_ARENA_H

#include "base/base.h"

/* A fresh arena over |h| that holds |limit| bytes (0: no limit). */
static inline ae_arena fresh(ae_heap *h, size_t limit)
{
    ae_arena a;

    memset(h, 0, sizeof(*h));
    ae_arena_init(&a, ae_heap_mem(h), NULL, 0);
    a.limit = limit;
    return a;
}

/* Runs |fn| with 16, 32, ... bytes until it no longer fails for want of
 * memory, so every allocation fails once.  |fn| gives AE_E_NOMEM, or else
 * what it gives with memory enough.  True if it always did one of the two. */
static inline bool starve(int (*fn)(ae_arena *a), int want)
{
    size_t limit;

    for (limit = 16; limit < 1 << 20; limit += 16) {
        ae_heap h;
        ae_arena a = fresh(&h, limit);
        int rc = fn(&a);
        bool failed = a.failed;

        ae_heap_free(&h);
        if (!failed)
            return rc == want;
        if (rc != AE_E_NOMEM)
            return false;
    }
    return false;
}

#endif
