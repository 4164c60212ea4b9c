/*
 * board.c - the layout of numbers and decisions in shared memory.
 */
#include "edge/board.h"

#include <stddef.h>
#include <stdlib.h>

/* At the head of the section.  Zero until somebody claims it for a layout:
 * another version's numbers would be nonsense to us. */
struct board_head { _Atomic uint64_t layout; uint64_t pad[7]; };

#define OWN_BYTES ((size_t)256 << 10)

const char *ae_result_name(unsigned r)
{
    static const char *const names[AE_RES__N] = {
        "fail", "allow", "deny", "unknown", "forward", "answer",
    };

    return r < AE_RES__N ? names[r] : "fail";
}

static uint64_t layout_id(void)
{
    static const char names[] =
#define X(n) #n " "
        AE_COUNTERS(X)
#undef X
        ;
    uint64_t h = ae_hash64(ae_s(names, sizeof(names)), 1);

    h += sizeof(struct ae_stripe) + (sizeof(struct ae_event) << 20);
    return h | 1;
}

/* A stripe of our own out of the second half. */
static struct ae_stripe *claim(struct ae_board *b, uint64_t me)
{
    uint64_t now = (uint64_t)ae_zone_now();

    for (size_t i = (b->nstripe + 1) / 2; i < b->nstripe; i++) {
        struct ae_stripe *s = &b->stripe[i];
        uint64_t          owner = atomic_load(&s->owner);

        if (owner && now - atomic_load(&s->alive_ns) < AE_STRIPE_DEAD_NS)
            continue;
        if (atomic_compare_exchange_strong(&s->owner, &owner, me)) {
            atomic_store(&s->alive_ns, now);
            return s;
        }
    }
    return NULL;
}

/* Where to count: alone, if we may; else with others. */
static void choose(struct ae_board *b, uint64_t turn, bool one_thread)
{
    if (one_thread && (b->mine = claim(b, turn | 1))) {
        b->owner = turn | 1;
        b->alone = true;
        return;
    }
    b->mine = &b->stripe[turn % ((b->nstripe + 1) / 2)];
}

static bool lay_out(struct ae_board *b, char *p, size_t n, uint64_t turn,
                    bool one_thread)
{
    struct board_head *h = (struct board_head *)p;
    uint64_t           free_ = 0, mine = layout_id();
    size_t             at = sizeof(*h), left;

    if (n < sizeof(*h) + sizeof(struct ae_stripe)
        + 2 * (sizeof(struct ae_ring) + sizeof(struct ae_event)))
        return false;
    if (!atomic_compare_exchange_strong(&h->layout, &free_, mine)
        && free_ != mine)
        return false;
    b->nstripe = n / 3 / sizeof(struct ae_stripe);
    b->nstripe = b->nstripe > AE_STRIPES_MAX ? AE_STRIPES_MAX
               : b->nstripe ? b->nstripe : 1;
    b->stripe = (struct ae_stripe *)(p + at);
    choose(b, turn, one_thread);
    at += b->nstripe * sizeof(struct ae_stripe);
    left = (n - at) / 2 & ~(size_t)63;
    for (int r = 0; r < 2; r++) {
        b->ring[r] = (struct ae_ring *)(p + at);
        b->event[r] = (struct ae_event *)(b->ring[r] + 1);
        b->nevent[r] = (left - sizeof(struct ae_ring))
                     / sizeof(struct ae_event);
        at += left;
    }
    return b->nevent[0] > 0;
}

int ae_board_open(struct ae_board *b, const ae_zone *z, uint64_t turn,
                  bool one_thread)
{
    size_t n = 0;
    void  *p = z ? ae_zone_section(z, AE_ZONE_COUNTERS, 1, &n) : NULL;

    memset(b, 0, sizeof(*b));
    if (p && lay_out(b, p, n, turn, one_thread))
        return AE_OK;
    b->own = aligned_alloc(64, OWN_BYTES);
    if (!b->own)
        return AE_E_NOMEM;
    memset(b->own, 0, OWN_BYTES);
    return lay_out(b, b->own, OWN_BYTES, 0, one_thread) ? AE_OK
                                                        : AE_E_NOMEM;
}

void ae_board_tick(struct ae_board *b)
{
    if (!b->owner)
        return;
    if (atomic_load(&b->mine->owner) == b->owner) {
        atomic_store(&b->mine->alive_ns, (uint64_t)ae_zone_now());
        return;
    }
    /* We were stopped for so long that somebody took it over. */
    b->owner = 0;
    b->alone = false;
    choose(b, 0, false);
}

void ae_board_close(struct ae_board *b)
{
    uint64_t me = b->owner;

    if (me)
        atomic_compare_exchange_strong(&b->mine->owner, &me, 0);
    free(b->own);
    memset(b, 0, sizeof(*b));
}

uint64_t ae_board_sum_of(const struct ae_board *b, const _Atomic uint64_t *at)
{
    size_t   step = sizeof(*b->stripe) / sizeof(*at);
    uint64_t n = 0;

    for (size_t i = 0; i < b->nstripe; i++)
        n += atomic_load_explicit(&at[i * step], memory_order_relaxed);
    return n;
}

uint64_t ae_board_sum(const struct ae_board *b, enum ae_counter c)
{
    return ae_board_sum_of(b, &b->stripe->count[c]);
}

void ae_hist_add(struct ae_hist *h, const int64_t bound_us[AE_BUCKETS],
                 int64_t us, bool alone)
{
    size_t i = 0;

    if (us < 0)
        us = 0;
    while (i < AE_BUCKETS && us > bound_us[i])
        i++;
    ae_add64(&h->bucket[i], 1, alone);
    ae_add64(&h->us, (uint64_t)us, alone);
}

/* ---- the rings --------------------------------------------------------- */

#define HEAD offsetof(struct ae_event, at_us) /* behind |seq| */

/* A writer that is killed half-way leaves an odd number behind: nobody waits
 * for it, and the next round writes over it. */
void ae_board_record(struct ae_board *b, int r, const struct ae_event *ev)
{
    uint64_t ticket = atomic_fetch_add_explicit(&b->ring[r]->next, 1,
                                                memory_order_relaxed);
    struct ae_event *to = &b->event[r][ticket % b->nevent[r]];

    atomic_store_explicit(&to->seq, 2 * ticket + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy((char *)to + HEAD, (const char *)ev + HEAD, sizeof(*ev) - HEAD);
    atomic_store_explicit(&to->seq, 2 * ticket + 2, memory_order_release);
}

static void end_texts(struct ae_event *e)
{
#define END(f) e->f[sizeof(e->f) - 1] = '\0'
    END(policy); END(reason); END(rule); END(peer); END(subject);
    END(resource); END(action); END(object); END(project); END(operation);
    END(cache); END(groups);
#undef END
}

bool ae_board_event(const struct ae_board *b, int r, size_t back,
                    struct ae_event *out)
{
    uint64_t next = atomic_load_explicit(&b->ring[r]->next,
                                         memory_order_acquire), seq;
    const struct ae_event *from;

    if (back >= next || back >= b->nevent[r])
        return false;
    next -= back + 1;
    from = &b->event[r][next % b->nevent[r]];
    seq = atomic_load_explicit(&from->seq, memory_order_acquire);
    if (seq != 2 * next + 2)
        return false;
    memcpy((char *)out + HEAD, (const char *)from + HEAD,
           sizeof(*out) - HEAD);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&from->seq, memory_order_relaxed) != seq)
        return false;
    atomic_init(&out->seq, seq);
    end_texts(out);
    return true;
}
