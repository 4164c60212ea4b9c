/*
 * hash.c - XXH3 for look-up and integrity, SHA-256 where it must hold.
 *
 * The low-level SHA-256 calls are meant: EVP's one-shot digest fetches the
 * algorithm anew at each call, several times what the digest costs.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/base.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <xxhash.h>

uint64_t ae_hash64(ae_str s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.p ? s.p : "", s.n, seed);
}

void ae_sha256(ae_str s, unsigned char out[32])
{
    SHA256_CTX c;

    SHA256_Init(&c);
    if (s.n)
        SHA256_Update(&c, s.p, s.n);
    SHA256_Final(out, &c);
}

/* Fields are framed by their length before they enter the MAC, so that no
 * two different lists of fields can give the same bytes (K12). */
void ae_hmac256(ae_str key, const ae_str *fields, size_t n,
                unsigned char out[32])
{
    unsigned char k[64], pad[64];
    SHA256_CTX    c;

    memset(k, 0, sizeof(k));
    if (key.n > sizeof(k))
        ae_sha256(key, k);
    else if (key.n)
        memcpy(k, key.p, key.n);
    for (size_t i = 0; i < sizeof(k); i++)
        pad[i] = k[i] ^ 0x36;
    SHA256_Init(&c);
    SHA256_Update(&c, pad, sizeof(pad));
    for (size_t i = 0; i < n; i++) {
        unsigned char len[8];

        for (int b = 0; b < 8; b++)
            len[b] = (unsigned char)((uint64_t)fields[i].n >> (8 * b));
        SHA256_Update(&c, len, sizeof(len));
        if (fields[i].n)
            SHA256_Update(&c, fields[i].p, fields[i].n);
    }
    SHA256_Final(out, &c);
    for (size_t i = 0; i < sizeof(k); i++)
        pad[i] = k[i] ^ 0x5c;
    SHA256_Init(&c);
    SHA256_Update(&c, pad, sizeof(pad));
    SHA256_Update(&c, out, 32);
    SHA256_Final(out, &c);
    OPENSSL_cleanse(k, sizeof(k));
    OPENSSL_cleanse(pad, sizeof(pad));
}

void ae_slot256(const unsigned char key[16], ae_str s, unsigned char out[32])
{
    const char *p = s.p ? s.p : "";

    for (size_t i = 0; i < 2; i++) {
        XXH128_hash_t h;
        uint64_t      seed;

        memcpy(&seed, key + 8 * i, sizeof(seed));
        h = XXH3_128bits_withSeed(p, s.n, seed);
        memcpy(out + 16 * i, &h, sizeof(h));
    }
}

_Static_assert(sizeof(SHA256_CTX) <= sizeof(ae_hasher), "state fits");

static SHA256_CTX *sha(ae_hasher *h)
{
    return (SHA256_CTX *)(void *)h->state;
}

void ae_hasher_init(ae_hasher *h, ae_str key)
{
    SHA256_Init(sha(h));
    ae_hasher_field(h, key);
}

void ae_hasher_field(ae_hasher *h, ae_str s)
{
    unsigned char len[8];

    for (int b = 0; b < 8; b++)
        len[b] = (unsigned char)((uint64_t)s.n >> (8 * b));
    SHA256_Update(sha(h), len, sizeof(len));
    ae_hasher_put(h, s);
}

void ae_hasher_put(ae_hasher *h, ae_str s)
{
    if (s.n)
        SHA256_Update(sha(h), s.p, s.n);
}

void ae_hasher_end(ae_hasher *h, unsigned char out[32])
{
    SHA256_Final(out, sha(h));
}

void ae_hmac256_plain(ae_str key, ae_str s, unsigned char out[32])
{
    unsigned int n = 32;

    /* A key that OpenSSL cannot take: a value that nothing equals. */
    if (key.n > INT_MAX
        || !HMAC(EVP_sha256(), key.p ? key.p : "", (int)key.n,
                 (const unsigned char *)(s.p ? s.p : ""), s.n, out, &n))
        ae_sha256(key, out);
}

bool ae_ct_eq(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

void ae_hex(const void *in, size_t n, char *out)
{
    static const char    digits[] = "0123456789abcdef";
    const unsigned char *p = in;

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
}
