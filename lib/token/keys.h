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

/* A public key for one algorithm; |pkey| gets a reference.  AE_E_SYNTAX if it
 * is not fit for |alg| (type, curve, size). */
int ae_key_pkey(EVP_PKEY *pkey, enum ae_alg alg, ae_key **out,
                struct ae_err *err);

/* ---- token.c, keyset.c -------------------------------------------------- */

/* The signature of a gated token by one key, with the verifier that was
 * configured. */
enum ae_sig ae_token_verify(const ae_key *k, enum ae_alg alg,
                            const struct ae_gate *g, ae_str token);

enum ae_keys_verdict {
    AE_KEYS_BAD = 0,  /* the named key is here and the signature is not its */
    AE_KEYS_OK,
    AE_KEYS_TRUST,    /* good for Argo CD perhaps, but not for us: a withdrawn
                         or short key, an algorithm that is not announced */
    AE_KEYS_LACK      /* no such key; or none named, and no key verifies */
};
/* |kid| empty: all keys are tried.  |s| may be NULL (no keys). */
enum ae_keys_verdict ae_keyset_verify(const ae_keyset *s, ae_str kid,
                                      const struct ae_gate *g, ae_str token);

/* The kids of |s|, for people; "none" if it is empty or NULL. */
ae_str ae_keyset_kids(const ae_keyset *s, ae_arena *a);

/* ---- jwk.c: one key of a key set (RFC 7517) ----------------------------- */

enum ae_jwk_state {
    AE_JWK_BAD = 0,   /* makes the whole set unusable */
    AE_JWK_SKIP,      /* of no concern: another algorithm, a secret */
    AE_JWK_SECRET,    /* a private key: read, but verifies nothing */
    AE_JWK_PUBLIC
};

struct ae_jwk {
    ae_str      kid;      /* "" if there is none; borrows from the JSON */
    EVP_PKEY   *pkey;     /* PUBLIC: owned */
    enum ae_alg first;    /* PUBLIC: AE_RS256, AE_ES256.. or AE_EDDSA */
    enum ae_alg alg;      /* what the key itself names, or AE_ALG_NONE */
    bool        odd;      /* not for signatures, by |use| or |key_ops| */
    const char *why;      /* BAD */
};

/* Read one key as go-jose and go-oidc do (semantics-oidc.md section 5); what
 * they read and we would not is BAD.  |in_set|: a key of another algorithm is
 * skipped, whatever is wrong with it. */
enum ae_jwk_state ae_jwk_read(const json_t *o, bool in_set,
                              struct ae_jwk *out);
/* A certificate list as a key's or a header's |x5c|: its first public key with
 * a reference, or NULL if something in it cannot be read. */
EVP_PKEY *ae_jwk_x5c(const json_t *list, unsigned char sha1[20],
                     unsigned char sha256[32]);

#endif
