/*
 * count.h - counters and references, with a locked instruction only where
 * another thread may count as well.  A locked one waits for all stores before
 * it: a dozen of them are a tenth of what a request costs the core.
 */
#ifndef AE_COUNT_H
#define AE_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* |alone|: no other thread or process ever writes |*p|; many may read. */
static inline void ae_add64(_Atomic uint64_t *p, uint64_t n, bool alone)
{
    if (alone)
        atomic_store_explicit(
            p, atomic_load_explicit(p, memory_order_relaxed) + n,
            memory_order_relaxed);
    else
        atomic_fetch_add_explicit(p, n, memory_order_relaxed);
}

/* |alone|: the object is in the hands of one thread. */
static inline void ae_ref_up(_Atomic uint32_t *refs, bool alone)
{
    if (alone)
        atomic_store_explicit(
            refs, atomic_load_explicit(refs, memory_order_relaxed) + 1,
            memory_order_relaxed);
    else
        atomic_fetch_add_explicit(refs, 1, memory_order_relaxed);
}

/* True: that was the last one, and the object is the caller's to free. */
static inline bool ae_ref_down(_Atomic uint32_t *refs, bool alone)
{
    uint32_t n;

    if (!alone)
        return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
    n = atomic_load_explicit(refs, memory_order_relaxed);
    atomic_store_explicit(refs, n - 1, memory_order_relaxed);
    return n == 1;
}

#endif
