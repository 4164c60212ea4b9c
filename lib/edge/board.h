/*
 * board.h - what operators see: numbers that every process adds to, and the
 * last decisions.  Both lie in the counters' section of the zone (limit/zone.h)
 * and so outlive reloads; without a zone each process has its own.
 */
#ifndef AE_EDGE_BOARD_H
#define AE_EDGE_BOARD_H

#include "base/base.h"
#include "base/count.h"
#include "limit/zone.h"

#include <stdatomic.h>

/* X(name): one counter each, in the order of ae_counter_name().  Names become
 * metrics (metrics.c): those that no row there speaks of as NAME_total. */
#define AE_COUNTERS(X)                                                   \
    X(requests) X(forwarded) X(failed)                                   \
    X(refused_400) X(refused_401) X(refused_403) X(refused_other)        \
    X(can_i) X(allow) X(deny) X(unknown)                                 \
    X(token_seen) X(token_ok) X(token_refused) X(token_unknown)          \
    X(token_dead) X(lease_probe) X(lease_probe_limit)                    \
    X(cross_site) X(grpc)                                                \
    X(rule_read_only) X(rule_patch) X(rule_token) X(rule_freeze)         \
    X(rule_sync) X(rule_break_glass)                                     \
    X(cache_hit) X(cache_miss) X(cache_bypass) X(cache_stored)           \
    X(cache_not_stored) X(cache_denied) X(cache_corrupt)                 \
    X(cache_no_lease) X(cache_bumped) X(cache_bump_late)                 \
    X(cache_304) X(cache_collapsed) X(cache_stale) X(cache_purges)       \
    X(cache_refreshed) X(cache_shared_hit) X(cache_unshared)             \
    X(limit_passed) X(limit_delayed) X(limit_rejected)                   \
    X(limit_dry_run) X(limit_evicted) X(limit_full)                      \
    X(calls_rejected) X(calls_no_room) X(login_rejected)                 \
    X(webhook_too_big) X(webhook_bad_signature) X(webhook_rejected)      \
    X(webhook_repeated) X(webhook_source)                                \
    X(list_copied) X(list_served) X(list_fetched) X(list_fetch_failed)   \
    X(list_same) X(list_older) X(list_differs)                           \
    X(shadow_same) X(shadow_closed) X(divergence)                        \
    X(reload) X(reload_failed)                                           \
    X(keys_fetched) X(keys_failed) X(token_logged_out) X(stream_cut)     \
    X(closed_canonical) X(closed_duplicate) X(closed_credential)         \
    X(closed_token) X(closed_cross_site) X(closed_grpc_off)              \
    X(closed_unknown_route) X(closed_dead_token) X(closed_limit)    \
    X(closed_rule) X(closed_anonymous)

enum ae_counter {
#define X(n) AE_N_##n,
    AE_COUNTERS(X)
#undef X
    AE_N__COUNT
};

/* What became of a request: the values of argo_edge_decision. */
enum ae_result { AE_RES_FAIL = 0, AE_RES_ALLOW, AE_RES_DENY, AE_RES_UNKNOWN,
                 AE_RES_FORWARD, AE_RES_ANSWER, AE_RES__N };
const char *ae_result_name(unsigned r);

/* Why a token was refused: what operators act upon. */
enum ae_jwt_why { AE_JWT_OTHER = 0, AE_JWT_SIGNATURE, AE_JWT_EXPIRED,
                  AE_JWT_NOT_YET, AE_JWT_MALFORMED, AE_JWT_ACCOUNT,
                  AE_JWT_PROJECT, AE_JWT_REVOKED, AE_JWT_STRICTER,
                  AE_JWT_NO_SSO, AE_JWT_ISSUER, AE_JWT_AUDIENCE,
                  AE_JWT_UNKNOWN_KEY, AE_JWT_ALGORITHM, AE_JWT_CLAIMS,
                  AE_JWT__N };

enum {
    AE_PAIRS = 48,          /* (resource, action) of operations; 0: none */
    AE_CALLERS = 8,         /* enum ae_token_kind, and AE_CALLER_UNKNOWN */
    AE_CALLER_UNKNOWN = 7,  /* a token that was not judged */
    AE_WHOS = 12,           /* enum ae_who_class */
    AE_BUCKETS = 14,        /* upper bounds; one more for what is above */
    AE_STRIPES_MAX = 16
};

struct ae_hist {
    _Atomic uint64_t us;                     /* sum */
    _Atomic uint64_t bucket[AE_BUCKETS + 1]; /* not cumulative */
};

/* What a limit said. */
enum ae_limited { AE_LIMITED_PASSED = 0, AE_LIMITED_DELAYED,
                  AE_LIMITED_REJECTED, AE_LIMITED_DRY_RUN, AE_LIMITED__N };

/* Processes add to a stripe each, as long as there are enough of them.  The
 * second half of the stripes is for processes of one thread: each owns its
 * own, and counts there without locking the bus. */
struct ae_stripe {
    _Atomic uint64_t owner;    /* 0: nobody's */
    _Atomic uint64_t alive_ns; /* ae_zone_now(), when the owner last said so */
    _Atomic uint64_t count[AE_N__COUNT];
    struct ae_hist   decide, upstream;
    _Atomic uint64_t jwt[AE_CALLERS][AE_JWT__N];
    _Atomic uint64_t limited[AE_WHOS][AE_LIMITED__N];
    _Atomic uint64_t decision[AE_PAIRS][AE_RES__N][AE_CALLERS];
} __attribute__((aligned(64)));

/* An owner that has not ticked for so long has died. */
#define AE_STRIPE_DEAD_NS (INT64_C(60) * 1000000000)

/* One decision.  Texts are cut to fit and end in NUL. */
struct ae_event {
    _Atomic uint64_t seq;      /* odd while it is written; 0: never was */
    int64_t          at_us;    /* wall */
    unsigned char    id[16];
    uint8_t          result, caller, shadow, ngroups;
    uint16_t         status;   /* of an answer of ours, else 0 */
    uint16_t         pad;
    char             policy[20], reason[48], rule[120], peer[48];
    char             subject[96], resource[24], action[40], object[160];
    char             project[64], operation[56], cache[24];
    char             groups[256]; /* each ends in NUL */
};

struct ae_ring { _Atomic uint64_t next; uint64_t pad[7]; };

/* What an engine needs to find its way. */
struct ae_board {
    struct ae_stripe *mine;
    uint64_t          owner;   /* what we sign a stripe of our own with, or 0 */
    bool              alone;   /* nobody else adds to |mine| */
    struct ae_stripe *stripe;  /* nstripe of them */
    size_t            nstripe;
    struct ae_ring   *ring[2]; /* refusals, all decisions */
    struct ae_event  *event[2];
    size_t            nevent[2];
    void             *own;     /* memory if the zone has none for us */
};
enum { AE_RING_REFUSED, AE_RING_ALL };

/* Lays the board out in |z|'s section, or in memory of its own if that is too
 * small or another version's.  |turn|, a random number, picks the stripe;
 * |one_thread|: one that is ours alone, if there is one left.  AE_E_NOMEM. */
int  ae_board_open(struct ae_board *b, const ae_zone *z, uint64_t turn,
                   bool one_thread);
void ae_board_close(struct ae_board *b);
/* Now and then: says that whoever owns our stripe is alive. */
void ae_board_tick(struct ae_board *b);
uint64_t ae_board_sum(const struct ae_board *b, enum ae_counter c);
/* The same of any number of a stripe, named by that of the first stripe. */
uint64_t ae_board_sum_of(const struct ae_board *b, const _Atomic uint64_t *n);
void ae_hist_add(struct ae_hist *h, const int64_t bound_us[AE_BUCKETS],
                 int64_t us, bool alone);
/* Copies |ev| into ring |r|; lock-free; a reader sees it whole or not. */
void ae_board_record(struct ae_board *b, int r, const struct ae_event *ev);
/* The |back|-th newest event (0: the newest).  False: there is none, or it is
 * being written.  What lies in shared memory is not trusted: texts of |out|
 * end in NUL whatever it says. */
bool ae_board_event(const struct ae_board *b, int r, size_t back,
                    struct ae_event *out);

#endif
