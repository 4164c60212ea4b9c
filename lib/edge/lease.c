/*
 * lease.c - the liveness lease (T7).  A token can die in ways that it does
 * not show (logout, a disabled account), so a cached answer needs a recent
 * acceptance of this very token by the upstream.
 *
 * The table belongs to the process: with several workers each needs its own
 * acceptance, which costs one forwarded request a worker and lease.
 */
#include "edge/edge.h"

#define WAYS 8

/* A token may sit in any of WAYS neighbours.  The digest is SHA-256 of bytes
 * that the client chose, so its first bytes are as good as a hash. */
static struct ae_lease *bucket(ae_engine *e, const unsigned char d[32])
{
    uint32_t h;

    memcpy(&h, d, sizeof h);
    return e->leases + (h % (AE_LEASE_SLOTS / WAYS)) * WAYS;
}

static struct ae_lease *find(ae_engine *e, const unsigned char d[32])
{
    struct ae_lease *b = bucket(e, d);

    for (size_t i = 0; i < WAYS; i++)
        if (b[i].at_us && ae_ct_eq(b[i].digest, d, 32))
            return &b[i];
    return NULL;
}

void ae_lease_grant(ae_engine *e, const unsigned char d[32], int64_t at)
{
    struct ae_lease *l, *b;

    ae_lock(e, &e->lock);
    l = find(e, d);
    if (!l) {
        b = bucket(e, d);
        l = b;
        for (size_t i = 1; i < WAYS; i++)
            if (b[i].at_us < l->at_us)
                l = &b[i];
        memcpy(l->digest, d, 32);
        l->at_us = at;
    } else if (at > l->at_us) {
        l->at_us = at;
    }
    ae_unlock(e, &e->lock);
}

void ae_lease_drop(ae_engine *e, const unsigned char d[32])
{
    struct ae_lease *l;

    ae_lock(e, &e->lock);
    l = find(e, d);
    if (l)
        memset(l, 0, sizeof *l);
    ae_unlock(e, &e->lock);
}

bool ae_lease_live(ae_engine *e, const unsigned char d[32], int64_t now,
                   int64_t lease_us)
{
    struct ae_lease *l;
    bool live;

    ae_lock(e, &e->lock);
    l = find(e, d);
    /* An acceptance from the future is a clock that jumped (F20). */
    live = l && l->at_us <= now && now - l->at_us < lease_us;
    ae_unlock(e, &e->lock);
    return live;
}
