/*
 * tags.c - generations of tags (T13): an entry is good while no tag of it
 * has moved; a store that began under an older generation is dropped.
 */
#include "cache/internal.h"

#include <time.h>

enum { ERA_SHIFT = 44 };

uint64_t ae_tag_hash(const struct ae_gens *g, ae_str tag)
{
    return ae_hash64(tag, g->seed);
}

uint64_t ae_tag_now(const struct ae_gens *g, uint64_t era, uint64_t hash)
{
    uint64_t c = atomic_load_explicit(&g->slot[hash & (g->n - 1)],
                                      memory_order_acquire);

    return era << ERA_SHIFT | (c & (((uint64_t)1 << ERA_SHIFT) - 1));
}

void ae_tag_bump(const struct ae_gens *g, uint64_t hash)
{
    atomic_fetch_add(&g->slot[hash & (g->n - 1)], 1);
}

bool ae_tags_current(const struct ae_gens *g, uint64_t era,
                     const struct ae_tag_gen *stored, size_t nstored,
                     const ae_str *tags, size_t ntags)
{
    /* Acquire loads: a bump that happened before this look-up is seen. */
    for (size_t i = 0; i < nstored; i++)
        if (ae_tag_now(g, era, stored[i].hash) != stored[i].gen)
            return false;
    for (size_t t = 0; t < ntags; t++) {
        uint64_t h = ae_tag_hash(g, tags[t]);
        size_t   i = 0;

        while (i < nstored && stored[i].hash != h)
            i++;
        if (i == nstored)
            return false;
    }
    return true;
}

int64_t ae_cache_wall_us(const struct ae_host *h)
{
    struct timespec ts;

    if (h && h->wall_us)
        return h->wall_us(h->ctx);
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

bool ae_cache_fresh(int64_t stored_us, int64_t fresh_until_us, int64_t now_us)
{
    if (now_us < INT64_MAX - 1000000 && stored_us > now_us + 1000000)
        return false;
    return now_us < fresh_until_us;
}

uint64_t ae_cache_share(uint64_t size)
{
    uint64_t least = (uint64_t)8 << 20, share = size / 8;

    return share > least ? share : least;
}
