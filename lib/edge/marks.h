/*
 * marks.h - identifiers that are marked until some time, for all who share a
 * zone: fixed slots, zeros are an empty table, no lock.  What stands there is
 * a keyed hash, never the identifier.  A full bucket forgets what would have
 * ended first.
 */
#ifndef AE_EDGE_MARKS_H
#define AE_EDGE_MARKS_H

#include "limit/zone.h"

#include <stdatomic.h>

struct ae_marks_head {       /* zeros: nobody was ever here */
    _Atomic uint64_t count;  /* ever marked: 0 spares everybody the search */
    _Atomic int64_t  alive_ns; /* last sign of who fills the table ... */
    _Atomic uint64_t up;     /* ... 1: it knows the list as it is now */
    _Atomic uint64_t n;      /* ... and how many there are */
    uint64_t         pad[4];
};

struct ae_marks {
    struct ae_marks_head *head; /* NULL: no room */
    size_t                buckets;
    const uint64_t       *seed;
};

void ae_marks_open(struct ae_marks *m, const ae_zone *z,
                   enum ae_zone_kind kind);
/* Until |until_ns|, as ae_zone_now(); an empty id is never marked. */
void ae_marks_put(const struct ae_marks *m, ae_str id, int64_t until_ns);
bool ae_marks_has(const struct ae_marks *m, ae_str id);
/* No more, unless it is marked until |until_ns| or later. */
void ae_marks_drop(const struct ae_marks *m, ae_str id, int64_t until_ns);

/* Has anything ever been marked? */
static inline bool ae_marks_any(const struct ae_marks *m)
{
    return m->head
        && atomic_load_explicit(&m->head->count, memory_order_acquire) != 0;
}

#endif
