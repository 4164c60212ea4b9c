/*
 * key.c - cache keys (T9, K12): length-prefixed fields and a keyed hash.
 *
 * The prefix is what keeps identity "x|y" with path "z" apart from identity
 * "x" with path "y|z"; no separator byte could, since a field may hold any.
 * The hash is keyed because clients choose the fields: who does not know the
 * secret cannot aim two requests at one slot.
 */
#include "cache/cache.h"

static char *put_field(char *p, ae_str f)
{
    /* The absent span and the empty one are different values of a field. */
    uint32_t n = f.p ? (uint32_t)f.n : UINT32_MAX;

    p[0] = (char)(n >> 24);
    p[1] = (char)(n >> 16);
    p[2] = (char)(n >> 8);
    p[3] = (char)n;
    if (f.p && f.n)
        memcpy(p + 4, f.p, f.n);
    return p + 4 + (f.p ? f.n : 0);
}

int ae_cache_key_make(ae_arena *a, ae_str secret, const ae_str *fields,
                      size_t n, struct ae_cache_key *out)
{
    size_t total = 0;
    char  *buf, *p;

    memset(out, 0, sizeof(*out));
    if (secret.n < 16)
        return AE_E_INVAL;
    for (size_t i = 0; i < n; i++) {
        if (fields[i].n > AE_CACHE_KEY_MAX)
            return AE_E_TOOBIG;
        total += 4 + (fields[i].p ? fields[i].n : 0);
        if (total > AE_CACHE_KEY_MAX)
            return AE_E_TOOBIG;
    }
    buf = ae_alloc(a, total + 1);
    if (!buf)
        return AE_E_NOMEM;
    p = buf;
    for (size_t i = 0; i < n; i++)
        p = put_field(p, fields[i]);
    *p = '\0';
    out->full = ae_s(buf, total);
    ae_slot256((const unsigned char *)secret.p, out->full, out->hash);
    return AE_OK;
}
