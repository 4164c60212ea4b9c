/*
 * b64url.c - unpadded base64url (RFC 4648 section 5).  Error offsets are
 * those of Go's encoding/base64, because Argo CD's 401 body quotes them.
 */
#include "base/base.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '-')
        return 62;
    return c == '_' ? 63 : -1;
}

/* Go skips CR and LF anywhere; we do too, so that offsets agree. */
static bool skipped(char c) { return c == '\r' || c == '\n'; }

int ae_b64url_decode(ae_arena *a, ae_str in, bool strict, ae_str *out,
                     size_t *bad)
{
    unsigned char *q = ae_alloc(a, in.n / 4 * 3 + 4);
    uint32_t       acc = 0;
    size_t         n = 0, have = 0;

    if (!q)
        return AE_E_NOMEM;
    for (size_t i = 0; i < in.n; i++) {
        int v = value(in.p[i]);

        if (v < 0 && skipped(in.p[i]))
            continue;
        if (v < 0) {
            *bad = i;
            return AE_E_SYNTAX;
        }
        acc = (acc << 6) | (uint32_t)v;
        if (++have == 4) {
            q[n++] = (unsigned char)(acc >> 16);
            q[n++] = (unsigned char)(acc >> 8);
            q[n++] = (unsigned char)acc;
            have = acc = 0;
        }
    }
    if (have == 1) {
        *bad = in.n - 1; /* Go: the offset of the quantum's last byte read */
        return AE_E_SYNTAX;
    }
    if (have >= 2) {
        unsigned spare = have == 2 ? 4 : 2;

        if (strict && (acc & ((1u << spare) - 1))) {
            *bad = in.n - 1;
            return AE_E_SYNTAX;
        }
        acc >>= spare;
        if (have == 3)
            q[n++] = (unsigned char)(acc >> 8);
        q[n++] = (unsigned char)acc;
    }
    *out = ae_s((char *)q, n);
    return AE_OK;
}

ae_str ae_b64url_encode(ae_arena *a, ae_str in)
{
    char  *q = ae_alloc(a, in.n / 3 * 4 + 8);
    size_t n = 0, i = 0;

    if (!q)
        return ae_s(NULL, 0);
    while (i < in.n) {
        size_t   left = in.n - i, take = left < 3 ? left : 3;
        uint32_t acc = 0;

        for (size_t j = 0; j < 3; j++)
            acc = (acc << 8)
                | (j < take ? (unsigned char)in.p[i + j] : 0u);
        for (size_t j = 0; j <= take; j++)
            q[n++] = alphabet[(acc >> (18 - 6 * j)) & 63];
        i += take;
    }
    q[n] = '\0';
    return ae_s(q, n);
}
