/* zone_internal.h - between zone.c and zone_file.c. */
#ifndef AE_ZONE_INTERNAL_H
#define AE_ZONE_INTERNAL_H

#include "limit/zone.h"

#define ZONE_HEAD 4096 /* bytes before the first section */

/* Written once, before the file has a name; read-only from then on. */
struct ae_zone_head {
    char     magic[8];
    uint32_t format;
    uint32_t head;     /* ZONE_HEAD */
    uint64_t size;     /* of the file */
    uint64_t seed[2];
    char     boot[40]; /* times in the zone mean nothing after a restart */
    uint64_t check;    /* XXH3 of all before it */
};

struct ae_zone {
    struct ae_zone_head *head;
    uint64_t             size;
    bool                 shared;
};

/* zone.c */
bool ae_zone_head_make(struct ae_zone_head *h, uint64_t size,
                       const char boot[40]);
/* NULL if |h| can be used by us, else what is wrong with it. */
const char *ae_zone_head_bad(const struct ae_zone_head *h, uint64_t size,
                             const char boot[40]);

#endif
