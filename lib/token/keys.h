/*
 * keys.h - private to lib/token: a parsed key, ready to verify with.
 */
#ifndef AE_TOKEN_KEYS_H
#define AE_TOKEN_KEYS_H

#include "token/internal.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

/* HMAC states after the padded key has gone in (RFC 2104): a verification
 * copies them instead of keying anew. */
struct ae_hmac_pads {
    SHA256_CTX in256, out256;
    SHA512_CTX in384, out384, in512, out512;
};

struct ae_key {
    enum ae_alg   alg;     /* AE_ALG_NONE: an HMAC secret, for all three */
    ae_str        text;    /* secret or PEM, owned: libjwt wants it raw */
    struct ae_hmac_pads pads;
    EVP_PKEY     *pkey;
    EVP_PKEY_CTX *ctx;     /* set up for |alg|; duplicated per use */
};

#endif
