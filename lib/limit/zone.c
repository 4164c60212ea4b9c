/*
 * zone.c - what lies where in the shared zone.
 */
#include "limit/zone_internal.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>

static const char zone_magic[8] = "AEZONE";

/* Each kind takes 1/|part| of the zone, at most |max|; the limiter, whose
 * number of slots is what the operator pays for, takes the rest.  A changed
 * row changes the format (zone.h). */
static const struct share {
    const char *name;
    uint64_t    part, max;
} shares[AE_ZONE__N] = {
    [AE_ZONE_COUNTERS] = { "counters", 8, 1 << 20 },
    [AE_ZONE_LIMITER] = { "limiter", 0, 0 },
    [AE_ZONE_LOGIN] = { "login", 32, 512 << 10 },
    [AE_ZONE_CAPS] = { "caps", 32, 512 << 10 },
    [AE_ZONE_LEASES] = { "leases", 8, 2 << 20 },
    [AE_ZONE_DEAD] = { "dead", 16, 1 << 20 },
    [AE_ZONE_FLIGHTS] = { "flights", 16, 512 << 10 },
    [AE_ZONE_EDGES] = { "edges", 16, 512 << 10 },
    [AE_ZONE_KEYS] = { "keys", 8, 576 << 10 },
    [AE_ZONE_REVOKED] = { "revoked", 64, 64 << 10 },
    [AE_ZONE_LISTED] = { "listed", 32, 256 << 10 },
};

static uint64_t share_of(enum ae_zone_kind k, uint64_t size)
{
    uint64_t n = shares[k].part ? size / shares[k].part : 0;

    if (n > shares[k].max)
        n = shares[k].max;
    return n & ~(uint64_t)63;
}

void *ae_zone_section(const ae_zone *z, enum ae_zone_kind kind, size_t min,
                      size_t *n)
{
    uint64_t at = ZONE_HEAD, mine, others = 0;

    if (kind >= AE_ZONE__N)
        return NULL;
    for (int k = 0; k < AE_ZONE__N; k++) {
        uint64_t s = share_of((enum ae_zone_kind)k, z->size);

        others += s;
        if (k < (int)kind)
            at += s;
    }
    mine = share_of(kind, z->size);
    if (kind == AE_ZONE_LIMITER) {
        at = ZONE_HEAD + others; /* last */
        mine = (z->size - at) & ~(uint64_t)63;
    }
    if (mine < min)
        return NULL;
    if (n)
        *n = (size_t)mine;
    return (char *)z->head + at;
}

const char *ae_zone_kind_name(enum ae_zone_kind kind)
{
    return kind < AE_ZONE__N ? shares[kind].name : NULL;
}

const uint64_t *ae_zone_seed(const ae_zone *z)
{
    return z->head->seed;
}

bool ae_zone_shared(const ae_zone *z)
{
    return z->shared;
}

uint64_t ae_zone_size(const ae_zone *z)
{
    return z->size;
}

bool ae_zone_path(ae_str name, char *out, size_t n)
{
    int len;

    if (!name.n || name.n > 512 || ae_find(name, '\0') < name.n)
        return false;
    len = snprintf(out, n, "%s%.*s", name.p[0] == '/' ? ""
                   : "/dev/shm/argo-edge.", (int)name.n, name.p);
    return len > 0 && (size_t)len < n;
}

int64_t ae_zone_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t head_check(const struct ae_zone_head *h)
{
    return ae_hash64(ae_s((const char *)h, offsetof(struct ae_zone_head,
                                                    check)), 0);
}

bool ae_zone_head_make(struct ae_zone_head *h, uint64_t size,
                       const char boot[40])
{
    memset(h, 0, sizeof(*h));
    memcpy(h->magic, zone_magic, sizeof(h->magic));
    h->format = AE_ZONE_FORMAT;
    h->head = ZONE_HEAD;
    h->size = size;
    memcpy(h->boot, boot, sizeof(h->boot));
    if (getrandom(h->seed, sizeof(h->seed), 0) != (ssize_t)sizeof(h->seed))
        return false;
    h->check = head_check(h);
    return true;
}

const char *ae_zone_head_bad(const struct ae_zone_head *h, uint64_t size,
                             const char boot[40])
{
    if (memcmp(h->magic, zone_magic, sizeof(h->magic)) != 0)
        return "is no zone";
    if (h->format != AE_ZONE_FORMAT || h->head != ZONE_HEAD)
        return "is of another version";
    if (h->size != size)
        return "is of another size";
    if (h->check != head_check(h))
        return "is damaged";
    /* Of another boot: its times lie in a clock that started anew. */
    if (memcmp(h->boot, boot, sizeof(h->boot)) != 0)
        return "was made before the host was started";
    return NULL;
}
