/*
 * counters.c - what happened, in numbers.  The order is part of the exported
 * metrics: add at the end of a line in edge.h, never reorder.
 */
#include "edge/edge.h"

size_t ae_counter_count(void)
{
    return AE_N__COUNT;
}

const char *ae_counter_name(size_t i)
{
    static const char *const names[AE_N__COUNT] = {
#define X(n) #n,
        AE_COUNTERS(X)
#undef X
    };
    return i < AE_N__COUNT ? names[i] : NULL;
}

uint64_t ae_counter_value(const ae_engine *e, size_t i)
{
    if (!e || i >= AE_N__COUNT)
        return 0;
    return atomic_load_explicit(&e->count[i], memory_order_relaxed);
}
