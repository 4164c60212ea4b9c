/*
 * dead.c - tokens that were refused a moment ago (T11): asked again, they are
 * refused in the same words without signature or upstream.  One forgotten
 * browser tab can ask hundreds of times a minute.
 *
 * The table lies in the zone, as in lease.c: fixed slots, zeros are an empty
 * one, no lock.  A slot is read as a whole and
 * counts only if its checksum fits, so that two writers at once spoil a slot
 * and nothing else.  The snapshot is a part of the hash: after a change of
 * the inputs nothing of before is found.
 */
#include "edge/edge.h"
#include "edge/keys.h"

#define WAYS 4
#define WORDS 60 /* a message of 480 bytes */

struct slot {                    /* 512 bytes */
    _Atomic uint64_t key;        /* 0: free, or being written */
    _Atomic uint64_t until;      /* monotonic, microseconds */
    _Atomic uint64_t n;          /* bytes of the message */
    _Atomic uint64_t sum;
    _Atomic uint64_t word[WORDS];
};

struct ae_dead {
    _Atomic uint64_t latest;     /* no slot counts beyond */
    uint64_t         unused[7];
    struct slot      slot[];
};

struct name { uint64_t key, check; };

void ae_dead_open(ae_engine *e)
{
    size_t n = 0;

    e->dead = ae_zone_section(e->zone, AE_ZONE_DEAD, sizeof *e->dead
                              + WAYS * sizeof e->dead->slot[0], &n);
    e->ndead = e->dead ? (n - sizeof *e->dead) / sizeof e->dead->slot[0]
                         / WAYS * WAYS : 0;
}

static struct name name_of(const ae_txn *t)
{
    const uint64_t *seed = ae_zone_seed(t->e->zone);
    uint64_t now = ae_hash64(ae_cs(t->snap->id), ae_keys_generation(t));
    struct name n = {
        .key = ae_hash64(t->cred.token, seed[0] ^ now),
        .check = ae_hash64(t->cred.token, seed[1] ^ now),
    };

    n.key += n.key == 0;
    return n;
}

static uint64_t sum_of(struct name n, uint64_t until, const uint64_t *word,
                       uint64_t len)
{
    uint64_t head[3] = { n.key, until, len };
    uint64_t h = ae_hash64(ae_s((const char *)head, sizeof head), n.check);

    return ae_hash64(ae_s((const char *)word, WORDS * sizeof *word), h);
}

static struct slot *bucket(const ae_engine *e, uint64_t key)
{
    return e->dead->slot + (key % (e->ndead / WAYS)) * WAYS;
}

/* ---- find --------------------------------------------------------------- */

static bool read_slot(struct slot *s, struct name n, uint64_t *word,
                      uint64_t *len, uint64_t *until)
{
    if (atomic_load(&s->key) != n.key)
        return false;
    *until = atomic_load(&s->until);
    *len = atomic_load(&s->n);
    for (size_t i = 0; i < WORDS; i++)
        word[i] = atomic_load_explicit(&s->word[i], memory_order_relaxed);
    return *len <= WORDS * sizeof *word
        && atomic_load(&s->sum) == sum_of(n, *until, word, *len);
}

ae_str ae_dead_find(ae_txn *t, int64_t *left_us)
{
    struct ae_dead *d = t->e->dead;
    uint64_t now = (uint64_t)t->mono_us, max, len, until, word[WORDS];
    struct slot *b;
    struct name n;

    /* Nobody was refused lately: the common case costs one look. */
    if (t->loc->dead_token_ms <= 0 || !d
        || atomic_load_explicit(&d->latest, memory_order_relaxed) <= now)
        return ae_s(NULL, 0);
    max = (uint64_t)t->loc->dead_token_ms * 1000;
    n = name_of(t);
    b = bucket(t->e, n.key);
    for (size_t i = 0; i < WAYS; i++) {
        if (!read_slot(&b[i], n, word, &len, &until)
            || until <= now || until - now > max)
            continue;
        *left_us = (int64_t)(until - now);
        return ae_dup(&t->a, ae_s((const char *)word, (size_t)len));
    }
    return ae_s(NULL, 0);
}

/* ---- mark --------------------------------------------------------------- */

static struct slot *victim(const ae_engine *e, uint64_t key)
{
    struct slot *b = bucket(e, key), *s = b;

    for (size_t i = 0; i < WAYS; i++) {
        if (atomic_load(&b[i].key) == key)
            return &b[i];
        if (atomic_load(&b[i].until) < atomic_load(&s->until))
            s = &b[i];
    }
    return s;
}

static void later(_Atomic uint64_t *at, uint64_t us)
{
    uint64_t v = atomic_load(at);

    while (v < us && !atomic_compare_exchange_weak(at, &v, us))
        ;
}

void ae_dead_mark(ae_txn *t, ae_str message)
{
    struct ae_dead *d = t->e->dead;
    uint64_t word[WORDS] = { 0 }, until;
    struct slot *s;
    struct name n;

    if (t->loc->dead_token_ms <= 0 || !d || t->cred.token.n == 0
        || message.n == 0 || message.n > sizeof word)
        return;
    memcpy(word, message.p, message.n);
    n = name_of(t);
    until = (uint64_t)(ae_edge_mono(t->e) + t->loc->dead_token_ms * 1000);
    s = victim(t->e, n.key);
    atomic_store(&s->key, 0);
    atomic_store(&s->until, until);
    atomic_store(&s->n, message.n);
    for (size_t i = 0; i < WORDS; i++)
        atomic_store_explicit(&s->word[i], word[i], memory_order_relaxed);
    atomic_store(&s->sum, sum_of(n, until, word, message.n));
    atomic_store(&s->key, n.key);
    later(&d->latest, until);
}
