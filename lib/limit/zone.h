/*
 * zone.h - the shared zone: one mapping of a file (argo_edge_zone) that all
 * workers of nginx and httpd, the agent and the command line share.  What lies
 * in it survives reloads, graceful restarts and killed workers.
 *
 * The zone is cut into sections of fixed kinds.  Place and size of each follow
 * from the zone's size alone, so that every process computes the same and
 * nothing has to be agreed upon at run time.  A section starts out as zeros,
 * at an address that is a multiple of 64.
 *
 * How to put a table into it:
 *   - give it a kind in enum ae_zone_kind and a share in zone.c;
 *   - its all-zero state must be its empty state;
 *   - lay it out with fixed-width members and no pointers: processes map the
 *     zone at different addresses;
 *   - use C11 atomics and no lock: a process may be killed or stopped between
 *     any two instructions.  Words that belong together change by one 64-bit
 *     compare-and-swap, or the reader can tell that they do not fit;
 *   - treat what is read as possibly damaged: bound every index, and let no
 *     value there lead to an answer that is more generous than none;
 *   - size it by what ae_zone_section() returns, and take private memory if
 *     that is too little;
 *   - raise AE_ZONE_FORMAT whenever the layout of any section changes: two
 *     versions that overlap in an upgrade then have a zone each.
 * Times in the zone are those of ae_zone_now(), since each process may have a
 * clock of its own in struct ae_host, or of the wall.
 */
#ifndef AE_ZONE_H
#define AE_ZONE_H

#include "base/base.h"

#define AE_ZONE_FORMAT 4
#define AE_ZONE_MIN ((uint64_t)1 << 20)   /* smallest size of a zone */
#define AE_ZONE_PRIVATE ((uint64_t)2 << 20) /* without argo_edge_zone */

enum ae_zone_kind {
    AE_ZONE_COUNTERS, /* what metrics count */
    AE_ZONE_LIMITER,  /* rates of identities and addresses: what is left */
    AE_ZONE_LOGIN,    /* attempts to log in; full means refuse */
    AE_ZONE_CAPS,     /* expensive calls in flight */
    AE_ZONE_LEASES,   /* liveness leases of tokens */
    AE_ZONE_DEAD,     /* tokens just refused, and revoked ones */
    AE_ZONE_FLIGHTS,  /* who fetches what now: coalescing, key sets */
    AE_ZONE_EDGES,    /* exchange with the agent: batches, invalidations */
    AE_ZONE_KEYS,     /* the SSO provider's documents */
    AE_ZONE_REVOKED,  /* logouts that passed here */
    AE_ZONE_LISTED,   /* Argo CD's list of revoked tokens */
    AE_ZONE__N
};

typedef struct ae_zone ae_zone;

struct ae_zone_conf {
    ae_str   name;      /* of argo_edge_zone: a name below /dev/shm, or an
                           absolute path; absent = a private zone */
    uint64_t size;      /* bytes; ignored when |read_only| */
    bool     read_only; /* for the command line: attach, never create; what
                           ae_zone_section() gives may then only be read */
};

/* Open the zone that |c| names, creating it if it is missing, damaged, of
 * another version, size or boot: *fresh (may be NULL) then says which, as a
 * literal such as "is damaged", else it gets NULL.  Call after fork; reads and
 * makes files, so never for a request.  A private zone is
 * anonymous memory of this process.  AE_E_IO: the file cannot be used, |err|
 * says why and what to do; AE_E_BUSY: somebody holds it for longer than half
 * a second; AE_E_NOTFOUND, AE_E_CORRUPT: only with |read_only|; AE_E_NOMEM. */
int  ae_zone_open(const struct ae_zone_conf *c, ae_zone **out,
                  const char **fresh, struct ae_err *err);
/* Unmaps; whatever points into it dangles.  NULL is allowed. */
void ae_zone_close(ae_zone *z);

/* The section of |kind|, or NULL if it has less than |min| bytes; *n (may be
 * NULL) gets its size.  Lives as long as |z|. */
void *ae_zone_section(const ae_zone *z, enum ae_zone_kind kind, size_t min,
                      size_t *n);
const char *ae_zone_kind_name(enum ae_zone_kind kind); /* "limiter", ... */

/* Secret of this zone, the same for all who share it: 16 random bytes for
 * keyed hashes over what clients choose. */
const uint64_t *ae_zone_seed(const ae_zone *z);
bool     ae_zone_shared(const ae_zone *z); /* false: private */
uint64_t ae_zone_size(const ae_zone *z);
/* The path below which |name| is kept, NUL-terminated; false: too long. */
bool     ae_zone_path(ae_str name, char *out, size_t n);

/* Nanoseconds of a clock that all processes of this host share and that never
 * runs backwards (CLOCK_MONOTONIC, which is struct ae_host's mono_us, too). */
int64_t ae_zone_now(void);

#endif
