/*
 * seen.c - tokens that were verified are remembered, so that the next request
 * with the same bytes costs a look-up instead of a signature.
 *
 * Open addressing over windows of eight slots: the hashes of a window share a
 * cache line, a full window gives up its slots in turn.  The hash is seeded
 * and never enough: all bytes are compared.  The copies are bounded in bytes
 * too (T17), because slots alone would let 16 KiB tokens eat the memory.
 */
#include "token/internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>

enum { WINDOW = 8, BYTES_PER_SLOT = 1024, SLOTS_MAX = 1 << 22,
       TAIL = 128 };

struct entry {
    char              *bytes;     /* NULL: free */
    size_t             n;
    uint64_t           gen;
    int64_t            nbf, exp;  /* usable while nbf <= now < exp */
    struct ae_identity *id;
};

struct ae_seen {
    uint64_t     *hash;
    struct entry *slot;
    size_t        slots;          /* a power of two, >= WINDOW */
    uint64_t      seed;
    size_t        bytes, bytes_max;
    size_t        hand;           /* next victim, see make_room() */
};

ae_seen *ae_seen_new(size_t slots, uint64_t seed)
{
    ae_seen *s = calloc(1, sizeof(*s));
    size_t   n = WINDOW;

    if (!s)
        return NULL;
    while (n < slots && n < SLOTS_MAX)
        n *= 2;
    s->slots = n;
    s->seed = seed;
    s->bytes_max = n * BYTES_PER_SLOT + AE_TOKEN_MAX;
    s->hash = aligned_alloc(64, n * sizeof(*s->hash));
    s->slot = calloc(n, sizeof(*s->slot));
    if (!s->hash || !s->slot) {
        free(s->hash);
        free(s->slot);
        free(s);
        return NULL;
    }
    memset(s->hash, 0, n * sizeof(*s->hash));
    return s;
}

static void drop(ae_seen *s, size_t at)
{
    struct entry *e = &s->slot[at];

    if (!e->bytes)
        return;
    OPENSSL_cleanse(e->bytes, e->n);   /* T20: it is a bearer token */
    free(e->bytes);
    s->bytes -= e->n;
    ae_identity_unref(e->id);
    memset(e, 0, sizeof(*e));
    s->hash[at] = 0;
}

void ae_seen_drop_all(ae_seen *s)
{
    for (size_t i = 0; s && i < s->slots; i++)
        drop(s, i);
}

void ae_seen_free(ae_seen *s)
{
    if (!s)
        return;
    ae_seen_drop_all(s);
    free(s->hash);
    free(s->slot);
    free(s);
}

/* The window's first slot.  Zero marks a free slot, so no hash is zero.  The
 * tail is enough: it holds the signature, and only tokens that verified are
 * put here, so nobody can fill a window on purpose. */
static size_t place(const ae_seen *s, ae_str token, uint64_t *hash)
{
    ae_str tail = ae_sub(token, token.n > TAIL ? token.n - TAIL : 0, TAIL);

    *hash = ae_hash64(tail, s->seed) | 1;
    return (size_t)(*hash >> 32) & (s->slots - 1) & ~(size_t)(WINDOW - 1);
}

static size_t find(const ae_seen *s, ae_str token, size_t from, uint64_t h)
{
    for (size_t i = from; i < from + WINDOW; i++)
        if (s->hash[i] == h && s->slot[i].n == token.n
            && memcmp(s->slot[i].bytes, token.p, token.n) == 0)
            return i;
    return SIZE_MAX;
}

struct ae_identity *ae_seen_get(ae_seen *s, ae_str token, uint64_t gen,
                                int64_t now)
{
    uint64_t            h;
    size_t              at;
    const struct entry *e;

    if (!s || !token.n || token.n > AE_TOKEN_MAX)
        return NULL;
    at = place(s, token, &h);
    at = find(s, token, at, h);
    if (at == SIZE_MAX)
        return NULL;
    e = &s->slot[at];
    if (e->gen == gen && e->exp > now && e->nbf <= now)
        return e->id;
    /* an outdated entry would only be found again; one that is too early
     * cannot have been put at this clock */
    drop(s, at);
    return NULL;
}

static size_t victim(ae_seen *s, size_t from)
{
    for (size_t i = from; i < from + WINDOW; i++)
        if (!s->slot[i].bytes)
            return i;
    return from + s->hand++ % WINDOW;
}

static void make_room(ae_seen *s, size_t n)
{
    while (s->bytes > s->bytes_max - n)
        drop(s, s->hand++ & (s->slots - 1));
}

void ae_seen_put(ae_seen *s, ae_str token, uint64_t gen,
                 struct ae_identity *i)
{
    uint64_t     h;
    size_t       from, at;
    char        *copy;
    struct entry *e;

    if (!s || !i || !token.n || token.n > AE_TOKEN_MAX)
        return;
    copy = malloc(token.n);
    if (!copy)
        return;                        /* not remembered, nothing lost */
    memcpy(copy, token.p, token.n);
    make_room(s, token.n);
    from = place(s, token, &h);
    at = find(s, token, from, h);
    if (at == SIZE_MAX)
        at = victim(s, from);
    ae_identity_ref(i);                /* before drop(): it may be the same */
    drop(s, at);
    e = &s->slot[at];
    e->bytes = copy;
    e->n = token.n;
    e->gen = gen;
    e->exp = i->has_exp ? i->exp : INT64_MAX;
    e->nbf = i->has_nbf ? i->nbf : INT64_MIN;
    e->id = i;
    s->hash[at] = h;
    s->bytes += token.n;
}
