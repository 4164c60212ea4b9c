/*
 * keys.c - keys are parsed once and tied to the algorithm that the
 * configuration names for them (T6); a token never chooses.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "token/keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

enum { RSA_MIN_BITS = 2048, PEM_MAX = 64 * 1024 };

/* What golang-jwt v5 registers, by number. */
static const char *const names[] = {
    "none",  "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
};

const char *ae_alg_name(enum ae_alg alg)
{
    return (size_t)alg < sizeof(names) / sizeof(*names) ? names[alg] : "?";
}

bool ae_alg_find(ae_str name, enum ae_alg *alg)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (ae_eq(name, ae_cs(names[i]))) {
            *alg = (enum ae_alg)i;
            return true;
        }
    return false;
}

/* The secret as a block of |size| bytes (RFC 2104, section 2): longer ones
 * are hashed first. */
static void block_key(ae_str secret, unsigned char *k, size_t size,
                      unsigned char *(*hash)(const unsigned char *, size_t,
                                             unsigned char *))
{
    memset(k, 0, size);
    if (secret.n > size)
        hash((const unsigned char *)secret.p, secret.n, k);
    else
        memcpy(k, secret.p, secret.n);
}

static void xor_pad(unsigned char *k, size_t n, unsigned char with)
{
    for (size_t i = 0; i < n; i++)
        k[i] ^= with;
}

static void set_pads(struct ae_hmac_pads *p, ae_str secret)
{
    unsigned char k[SHA512_CBLOCK];

    block_key(secret, k, SHA256_CBLOCK, SHA256);
    SHA256_Init(&p->in256);
    SHA256_Init(&p->out256);
    xor_pad(k, SHA256_CBLOCK, 0x36);
    SHA256_Update(&p->in256, k, SHA256_CBLOCK);
    xor_pad(k, SHA256_CBLOCK, 0x36 ^ 0x5c);
    SHA256_Update(&p->out256, k, SHA256_CBLOCK);

    block_key(secret, k, SHA512_CBLOCK, SHA384);
    SHA384_Init(&p->in384);
    SHA384_Init(&p->out384);
    xor_pad(k, SHA512_CBLOCK, 0x36);
    SHA384_Update(&p->in384, k, SHA512_CBLOCK);
    xor_pad(k, SHA512_CBLOCK, 0x36 ^ 0x5c);
    SHA384_Update(&p->out384, k, SHA512_CBLOCK);

    block_key(secret, k, SHA512_CBLOCK, SHA512);
    SHA512_Init(&p->in512);
    SHA512_Init(&p->out512);
    xor_pad(k, SHA512_CBLOCK, 0x36);
    SHA512_Update(&p->in512, k, SHA512_CBLOCK);
    xor_pad(k, SHA512_CBLOCK, 0x36 ^ 0x5c);
    SHA512_Update(&p->out512, k, SHA512_CBLOCK);
    OPENSSL_cleanse(k, sizeof(k));
}

static ae_key *key_new(ae_str text)
{
    ae_key *k = calloc(1, sizeof(*k));
    char   *p = k ? malloc(text.n + 1) : NULL;

    if (!p) {
        free(k);
        return NULL;
    }
    memcpy(p, text.p, text.n);
    p[text.n] = '\0';
    k->text = ae_s(p, text.n);
    return k;
}

int ae_key_hmac(ae_str secret, ae_key **out, struct ae_err *err)
{
    ae_key *k;

    *out = NULL;
    if (!secret.n) /* CVE-2026-44699: an empty key is no key */
        return ae_err_set(err, AE_E_INVAL, "the HMAC key is empty");
    k = key_new(secret);
    if (!k)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    set_pads(&k->pads, secret);
    *out = k;
    return AE_OK;
}

static const EVP_MD *digest_of(enum ae_alg alg)
{
    switch (alg) {
    case AE_RS256: case AE_PS256: case AE_ES256:
        return EVP_sha256();
    case AE_RS384: case AE_PS384: case AE_ES384:
        return EVP_sha384();
    case AE_RS512: case AE_PS512: case AE_ES512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

/* NULL, or why an RSA key is not fit (security.md section 8). */
static const char *rsa_unfit(const EVP_PKEY *pkey)
{
    BIGNUM     *e = NULL;
    const char *why = NULL;

    if (EVP_PKEY_get_bits(pkey) < RSA_MIN_BITS)
        return "the RSA key is shorter than 2048 bits";
    if (!EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e)
        || BN_is_one(e) || BN_is_zero(e) || !BN_is_odd(e))
        why = "the RSA key has no usable exponent";
    BN_free(e);
    return why;
}

static const char *curve_of(enum ae_alg alg)
{
    return alg == AE_ES256 ? "prime256v1"
         : alg == AE_ES384 ? "secp384r1" : "secp521r1";
}

static const char *unfit(const EVP_PKEY *pkey, enum ae_alg alg)
{
    char   group[64] = "";
    size_t n = 0;

    switch (alg) {
    case AE_RS256: case AE_RS384: case AE_RS512:
    case AE_PS256: case AE_PS384: case AE_PS512:
        return EVP_PKEY_is_a(pkey, "RSA") ? rsa_unfit(pkey)
                                          : "this is no RSA key";
    case AE_ES256: case AE_ES384: case AE_ES512:
        if (!EVP_PKEY_is_a(pkey, "EC")
            || !EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n))
            return "this is no EC key";
        return strcmp(group, curve_of(alg)) == 0 ? NULL
             : "the curve of the key is not the algorithm's";
    case AE_EDDSA:
        return EVP_PKEY_is_a(pkey, "ED25519") ? NULL
                                              : "this is no Ed25519 key";
    default:
        return "the algorithm takes no public key";
    }
}

static bool set_up(ae_key *k)
{
    int pad = k->alg >= AE_PS256 && k->alg <= AE_PS512 ? RSA_PKCS1_PSS_PADDING
                                                       : RSA_PKCS1_PADDING;

    if (k->alg == AE_EDDSA)
        return true; /* has no context of its own before the data */
    k->ctx = EVP_PKEY_CTX_new(k->pkey, NULL);
    if (!k->ctx || EVP_PKEY_verify_init(k->ctx) <= 0)
        return false;
    if (k->alg < AE_ES256
        && EVP_PKEY_CTX_set_rsa_padding(k->ctx, pad) <= 0)
        return false;
    if (EVP_PKEY_CTX_set_signature_md(k->ctx, digest_of(k->alg)) <= 0)
        return false;
    /* any length of salt, as Argo CD's library (alg.PS256-salt-max) */
    return pad != RSA_PKCS1_PSS_PADDING || k->alg >= AE_ES256
        || EVP_PKEY_CTX_set_rsa_pss_saltlen(k->ctx, RSA_PSS_SALTLEN_AUTO)
               > 0;
}

/* |k| owns its text and, if it could be read, its pkey. */
static int finish(ae_key *k, enum ae_alg alg, ae_key **out,
                  struct ae_err *err)
{
    const char *why = k->pkey ? unfit(k->pkey, alg)
                              : "this is no PEM public key";

    k->alg = alg;
    if (!why && !set_up(k))
        why = "OpenSSL cannot verify with this key";
    if (why) {
        ae_key_free(k);
        return ae_err_set(err, AE_E_SYNTAX, "%s (wanted for %s)", why,
                          ae_alg_name(alg));
    }
    *out = k;
    return AE_OK;
}

int ae_key_pem(ae_str pem, enum ae_alg alg, ae_key **out, struct ae_err *err)
{
    ae_key *k;
    BIO    *bio;

    *out = NULL;
    if (!pem.n || pem.n > PEM_MAX)
        return ae_err_set(err, AE_E_SYNTAX, "a PEM public key has 1 to %d "
                          "bytes, this one has %zu", PEM_MAX, pem.n);
    k = key_new(pem);
    bio = k ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    if (!bio) {
        ae_key_free(k);
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    }
    k->pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return finish(k, alg, out, err);
}

int ae_key_pkey(EVP_PKEY *pkey, enum ae_alg alg, ae_key **out,
                struct ae_err *err)
{
    BIO    *bio = BIO_new(BIO_s_mem());
    char   *p = NULL;
    ae_key *k = NULL;
    long    n;

    *out = NULL;
    if (bio && PEM_write_bio_PUBKEY(bio, pkey) == 1) {
        n = BIO_get_mem_data(bio, &p);
        k = n > 0 ? key_new(ae_s(p, (size_t)n)) : NULL;
    }
    BIO_free(bio);
    if (!k)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    EVP_PKEY_up_ref(pkey);
    k->pkey = pkey;
    return finish(k, alg, out, err);
}

void ae_key_free(ae_key *k)
{
    if (!k)
        return;
    EVP_PKEY_CTX_free(k->ctx);
    EVP_PKEY_free(k->pkey);
    OPENSSL_cleanse((char *)(uintptr_t)k->text.p, k->text.n);
    free((char *)(uintptr_t)k->text.p);
    OPENSSL_cleanse(k, sizeof(*k));
    free(k);
}
