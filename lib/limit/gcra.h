/*
 * gcra.h - how much of what somebody may still do: GCRA (the virtual
 * scheduling form of ITU-T I.371) over caller-supplied shared bytes.
 *
 * For each key the table holds one number, the theoretical arrival time: when
 * everything that was admitted so far would have been due at the agreed rate.
 * A request is admitted while that lies at most |burst| ahead of now.  So over
 * any T seconds at most rate * T + burst requests pass, and nothing has to be
 * refilled by a timer.
 *
 * Slots are two 64-bit words, changed by compare-and-swap; there is no lock,
 * so that a killed process leaves nothing behind.  Two processes that meet at
 * one slot lose at most the count that each of them has in hand.  All zeros
 * are an empty table.
 */
#ifndef AE_GCRA_H
#define AE_GCRA_H

#include "base/base.h"

#include <stdatomic.h>

#define AE_GCRA_WAYS 8      /* slots in which a key can be */

struct ae_gcra_slot { _Atomic uint64_t tag, tat; };

struct ae_gcra {
    struct ae_gcra_slot *slot;
    uint64_t             lines; /* of four slots: 64 bytes */
    bool                 refuse;/* a key for which there is no room is refused,
                                   instead of taking the place of another */
};

/* Lay a table over |n| bytes at |mem| (a multiple of 64).  |n| < 128 gives a
 * table that admits nothing if |refuse|, else one that limits nothing. */
void ae_gcra_init(struct ae_gcra *g, void *mem, size_t n, bool refuse);

struct ae_rate {
    int64_t step_ns;  /* what one unit takes at the rate: 10 ms at 100/s */
    int64_t burst_ns; /* how far ahead one may get: step_ns * burst */
    int64_t free_ns;  /* up to here at once, from here on later; equals
                         |burst_ns| if nothing is to wait */
};

/* The zero value refuses. */
enum ae_gcra_verdict { AE_GCRA_REFUSED = 0, AE_GCRA_PASSED, AE_GCRA_DELAYED };

struct ae_taken {
    enum ae_gcra_verdict verdict;
    int64_t wait_ns;  /* DELAYED: when to go on; REFUSED: when to try again */
    int64_t ahead_ns; /* how far ahead of now the key is afterwards */
    bool    evicted;  /* another key lost its place */
    bool    full;     /* refused for lack of a place */
};

/* May the key |tag| do something of |units| (>= 1) at |now| (ns)?  If so it is
 * booked.  What takes more units than the burst has passes if nothing else is
 * booked. */
void ae_gcra_take(const struct ae_gcra *g, uint64_t tag,
                  const struct ae_rate *r, uint32_t units, int64_t now,
                  struct ae_taken *out);
/* Book |units| whether they fit or not, at most a burst beyond the burst. */
void ae_gcra_charge(const struct ae_gcra *g, uint64_t tag,
                    const struct ae_rate *r, uint32_t units, int64_t now);
/* Take back what was just booked. */
void ae_gcra_give(const struct ae_gcra *g, uint64_t tag,
                  const struct ae_rate *r, uint32_t units);
/* Others have booked, too: the key is at least |ahead_ns| ahead of |now|. */
void ae_gcra_raise(const struct ae_gcra *g, uint64_t tag, int64_t ahead_ns,
                   int64_t now);
/* How many keys are ahead of |now|: for people, walks the whole table. */
uint64_t ae_gcra_active(const struct ae_gcra *g, int64_t now);

/* A tag, never 0: keyed hash of limit, kind of key and key. */
uint64_t ae_gcra_tag(const uint64_t seed[2], uint64_t limit, ae_str key);

/* ---- addr.c ---------------------------------------------------------------
 * The bytes by which an address is known: IPv4 whole, IPv6 by its /64 (who has
 * one has all of it); |wide| by /24 and /48.  IPv4 inside IPv6 is IPv4.  What
 * is no address (a unix socket) is known by its text.  |out| holds >= 32. */
ae_str ae_limit_addr(ae_str peer, bool wide, char out[32]);

/* ---- inflight.c -----------------------------------------------------------
 * How many calls of a key are under way: each holds a slot, which it must
 * renew, so that those of a killed process come free by themselves. */
#define AE_INFLIGHT_MAX 200 /* largest cap */
#define AE_INFLIGHT_NS INT64_C(30000000000) /* without renewal */

struct ae_inflight { struct ae_gcra_slot *slot; uint64_t n; };

void ae_inflight_init(struct ae_inflight *f, void *mem, size_t n);
enum { AE_INFLIGHT_FULL = -1, AE_INFLIGHT_NO_ROOM = -2 };
/* A slot (>= 0) if fewer than |cap| calls of |tag| are under way, else FULL.
 * NO_ROOM: the table cannot hold it; nothing is known then. */
int64_t ae_inflight_take(const struct ae_inflight *f, uint64_t tag,
                         uint32_t cap, int64_t now);
/* False: the slot was lost (the caller slept too long). */
bool ae_inflight_renew(const struct ae_inflight *f, int64_t slot,
                       uint64_t tag, int64_t now);
void ae_inflight_give(const struct ae_inflight *f, int64_t slot,
                      uint64_t tag);

#endif
