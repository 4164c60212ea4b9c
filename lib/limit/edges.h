/*
 * edges.h - what the workers of one host and `argo-edge agent` tell each
 * other, so that limits and invalidations reach other edges while no request
 * waits for the network.  Lies in the zone (AE_ZONE_EDGES); no locks.
 *
 * Workers add what they admitted to a table of spendings; the agent takes the
 * sums, pays them from batches that it leases from Redis, and raises the local
 * arrival times to what all edges together have booked.  Tags that a write
 * moved go through a ring.
 */
#ifndef AE_EDGES_H
#define AE_EDGES_H

#include "limit/gcra.h"

#define AE_EDGES_TAG_MAX 480              /* longer: "*", everything */
#define AE_EDGES_LIVE_NS INT64_C(2000000000) /* without a sign of the agent */

struct ae_edges_head {
    _Atomic int64_t  alive_ns; /* last sign of the agent */
    _Atomic uint64_t up;       /* 1: it reaches Redis */
    _Atomic uint64_t seed_set, seed[2]; /* of tags, the same on all edges */
    _Atomic uint64_t settled;  /* rounds */
    _Atomic uint64_t failed;   /* rounds that came to nothing */
    _Atomic uint64_t full;     /* spendings for which there was no room */
    _Atomic uint64_t sent, received; /* tags */
    _Atomic uint64_t lost;     /* times that the ring ran over */
    _Atomic uint64_t head;     /* next ticket of the ring */
    _Atomic uint64_t asked;    /* batches asked for */
};

struct ae_spend { _Atomic uint64_t tag, ns, burst_ns, login; };
struct ae_ring_cell {
    _Atomic uint64_t seq;      /* 2 * ticket + 1: being written, + 2: there */
    _Atomic uint32_t len;
    char             text[AE_EDGES_TAG_MAX];
    char             unused[20];
};

struct ae_edges {
    struct ae_edges_head *head; /* NULL: no room in the zone */
    struct ae_ring_cell  *ring; uint64_t nring;
    struct ae_spend      *spend; uint64_t nspend;
};

void ae_edges_init(struct ae_edges *e, void *mem, size_t n);

/* ---- workers ------------------------------------------------------------- */

/* Is there an agent?  |now| as ae_zone_now(). */
bool ae_edges_live(const struct ae_edges *e, int64_t now);
/* The seed of tags that all edges share; false: none was ever agreed upon. */
bool ae_edges_seed(const struct ae_edges *e, uint64_t seed[2]);
/* |tag| has spent |ns| of its rate (negative: gives back); |login|: it lies in
 * AE_ZONE_LOGIN, not in AE_ZONE_LIMITER. */
void ae_edges_spend(const struct ae_edges *e, uint64_t tag, int64_t ns,
                    int64_t burst_ns, bool login);
/* The generation of |tag| was moved. */
void ae_edges_tell(const struct ae_edges *e, ae_str tag);

/* What is told of a key that is booked for |ns|: no tag begins so.  |out|
 * holds the text. */
#define AE_EDGES_BOOKED_MAX 64
ae_str ae_edges_booked(uint64_t key, int64_t ns,
                       char out[AE_EDGES_BOOKED_MAX]);
/* Is |text| such a word?  Then *key and *ns. */
bool ae_edges_is_booked(ae_str text, uint64_t *key, int64_t *ns);

/* ---- the agent ----------------------------------------------------------- */

void ae_edges_set_seed(const struct ae_edges *e, const uint64_t seed[2]);
/* What slot |i| (< nspend) has spent since the last call; false: it is free. */
struct ae_spent { uint64_t tag; int64_t ns, burst_ns; bool login; };
bool ae_edges_take(const struct ae_edges *e, uint64_t i, struct ae_spent *s);
/* Free slot |i|, if it still holds |tag| and nothing unspent. */
void ae_edges_free(const struct ae_edges *e, uint64_t i, uint64_t tag);
/* The next tag after *ticket: 1 and |out|, 0 none, AE_E_FULL: some are lost
 * (*ticket goes on behind them).  |waited|: how often this ticket was asked
 * for in vain; a writer that died is given up after some time. */
int  ae_edges_next(const struct ae_edges *e, uint64_t *ticket, int waited,
                   char out[AE_EDGES_TAG_MAX], size_t *n);

#endif
