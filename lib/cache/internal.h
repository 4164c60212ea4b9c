/*
 * internal.h - what the two stores share: generations, freshness, shares.
 */
#ifndef AE_CACHE_INTERNAL_H
#define AE_CACHE_INTERNAL_H

#include "cache/cache.h"

/* ---- tags.c ---------------------------------------------------------- */

/*
 * Generations are an array of 64-bit counters; a tag's hash picks one.  Two
 * tags that share a counter cost extra misses, never a stale hit, so there
 * is nothing to lock, to allocate or to lose: a bump is one atomic add.
 */
struct ae_gens {
    _Atomic uint64_t *slot;
    size_t            n;    /* a power of two */
    uint64_t          seed; /* clients choose tag names: unpredictable */
};

/* A tag as an entry keeps it. */
struct ae_tag_gen {
    uint64_t hash, gen;
};

uint64_t ae_tag_hash(const struct ae_gens *g, ae_str tag);
/* The generation in force; |era| (of the data file) is folded in, so that a
 * purge of everything also drops the stores in flight. */
uint64_t ae_tag_now(const struct ae_gens *g, uint64_t era, uint64_t hash);
void     ae_tag_bump(const struct ae_gens *g, uint64_t hash);
/* Every stored tag unmoved, and every one of |tags| among the stored. */
bool     ae_tags_current(const struct ae_gens *g, uint64_t era,
                         const struct ae_tag_gen *stored, size_t nstored,
                         const ae_str *tags, size_t ntags);

/* ---- claims.c -------------------------------------------------------- */

/*
 * A direct-mapped table of words, each one claim: bits of the key and of the
 * claimer, whether it was in vain, and when it ends.  One word is written by
 * one compare-and-swap, so that a process killed at any point leaves a claim
 * that ends by itself and nothing else.
 */
struct ae_claims {
    _Atomic uint64_t *slot;
    size_t            n;    /* a power of two */
};
enum ae_claim ae_claims_take(const struct ae_claims *t,
                             const unsigned char hash[32],
                             struct ae_claimer *c);
void ae_claims_settle(const struct ae_claims *t,
                      const unsigned char hash[32], uint64_t ticket,
                      int64_t now_us, bool vain);

/* ---- both stores ----------------------------------------------------- */

/* Wall clock now, microseconds. */
int64_t  ae_cache_wall_us(const struct ae_host *h);
/* Not expired, and not from the future by more than a second (F20). */
bool     ae_cache_fresh(int64_t stored_us, int64_t fresh_until_us,
                        int64_t now_us);
/* How long an entry is kept. */
static inline int64_t ae_cache_keep(const struct ae_entry *e)
{
    return e->keep_until_us > e->fresh_until_us ? e->keep_until_us
                                                : e->fresh_until_us;
}
/* What one identity may hold (R23, F30): an eighth of the store, at least
 * 8 MiB. */
uint64_t ae_cache_share(uint64_t size);

/* Keys that were missed a while ago, by a few bits each (R23). */
struct ae_door {
    _Atomic uint32_t *slot;
    size_t            n;    /* a power of two */
};
/* True if |hash| has been here before; remembers it. */
bool     ae_door_known(const struct ae_door *d, const unsigned char hash[32]);

/* The body that is wanted of those that are there. */
enum ae_coding ae_cache_pick(unsigned want, bool gzip, enum ae_coding other);

/* ---- codings ----------------------------------------------------------- */

struct ae_coder {
    enum ae_coding is;
    void  (*out)(void *ctx, ae_str part);
    void   *ctx, *state;
    bool    bad;
    char    buf[16384];
};
struct ae_coder_ops {
    void *(*open)(void);
    bool  (*feed)(struct ae_coder *c, ae_str part, bool last);
    void  (*close)(void *state);
};
extern const struct ae_coder_ops ae_coder_gzip, ae_coder_br, ae_coder_zstd;

/* ---- sum.c --------------------------------------------------------------- */

/* XXH3 with a seed; equals ae_hash64(). */
uint64_t ae_cache_sum(ae_str s, uint64_t seed);

#endif
