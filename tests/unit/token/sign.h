/* sign.h - a provider in a few lines: keys, key sets, and tokens signed with
 * any algorithm by any key that can be made to. */
#ifndef AE_TEST_TOKEN_SIGN_H
#define AE_TEST_TOKEN_SIGN_H

#include "token/token.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

struct signer { const char *name; EVP_PKEY *key; };

static const EVP_MD *sign_md(enum ae_alg alg)
{
    return alg == AE_EDDSA ? NULL
         : (alg - 1) % 3 == 0 ? EVP_sha256()
         : (alg - 1) % 3 == 1 ? EVP_sha384() : EVP_sha512();
}

/* DER to r || s of the algorithm's length; absent if they do not fit. */
static ae_str sign_raw(ae_arena *a, enum ae_alg alg, ae_str der)
{
    int half = alg == AE_ES256 ? 32 : alg == AE_ES384 ? 48 : 66;
    const unsigned char *p = (const unsigned char *)der.p;
    ECDSA_SIG     *s = d2i_ECDSA_SIG(NULL, &p, (long)der.n);
    unsigned char *out = ae_alloc(a, 2 * (size_t)half);
    bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), out, half) == half
           && BN_bn2binpad(ECDSA_SIG_get0_s(s), out + half, half) == half;

    ECDSA_SIG_free(s);
    return ok ? ae_s((char *)out, 2 * (size_t)half) : ae_s(NULL, 0);
}

/* The signature over |input|; absent if |k| cannot sign that way. */
static ae_str sign_bytes(ae_arena *a, EVP_PKEY *k, enum ae_alg alg,
                         ae_str input)
{
    EVP_MD_CTX    *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX  *pc = NULL;
    unsigned char *sig = ae_alloc(a, 1024);
    size_t         n = 1024;
    bool           ok, pss = alg >= AE_PS256 && alg <= AE_PS512;
    bool           ec = alg >= AE_ES256 && alg <= AE_ES512;

    ok = EVP_PKEY_is_a(k, alg < AE_ES256 ? "RSA" : ec ? "EC" : "ED25519")
      && EVP_DigestSignInit(c, &pc, sign_md(alg), NULL, k) == 1
      && (!pss || (EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING) > 0
                   && EVP_PKEY_CTX_set_rsa_pss_saltlen(
                          pc, RSA_PSS_SALTLEN_DIGEST) > 0))
      && EVP_DigestSign(c, sig, &n, (const unsigned char *)input.p, input.n)
             == 1;
    EVP_MD_CTX_free(c);
    if (!ok)
        return ae_s(NULL, 0);
    return ec ? sign_raw(a, alg, ae_s((char *)sig, n))
              : ae_s((char *)sig, n);
}

static ae_str sign_join(ae_arena *a, ae_str input, ae_str sig)
{
    return ae_concat(a, (const ae_str[]){ input, AE_STR("."),
                     ae_b64url_encode(a, sig) }, 3);
}

static ae_str sign_input(ae_arena *a, ae_str header, ae_str payload)
{
    return ae_concat(a, (const ae_str[]){ ae_b64url_encode(a, header),
                     AE_STR("."), ae_b64url_encode(a, payload) }, 3);
}

__attribute__((unused))
static ae_str sign_token(ae_arena *a, EVP_PKEY *k, enum ae_alg alg,
                         ae_str header, ae_str payload)
{
    ae_str input = sign_input(a, header, payload);
    ae_str sig = sign_bytes(a, k, alg, input);

    return sig.p ? sign_join(a, input, sig) : ae_s(NULL, 0);
}

/* ---- JWK ---------------------------------------------------------------- */

static void sign_bn(json_t *o, ae_arena *a, const char *key, EVP_PKEY *k,
                    const char *param, int len)
{
    BIGNUM       *bn = NULL;
    unsigned char buf[512];
    ae_str        s;
    int           n;

    EVP_PKEY_get_bn_param(k, param, &bn);
    n = len ? BN_bn2binpad(bn, buf, len) : BN_bn2bin(bn, buf);
    s = ae_b64url_encode(a, ae_s((char *)buf, n > 0 ? (size_t)n : 0));
    json_object_set_new(o, key, json_stringn(s.p, s.n));
    BN_free(bn);
}

static json_t *sign_jwk(ae_arena *a, EVP_PKEY *k, const char *kid)
{
    json_t       *o = json_object();
    char          group[64] = "";
    unsigned char raw[64];
    size_t        n = sizeof(raw);
    ae_str        s;

    if (kid)
        json_object_set_new(o, "kid", json_string(kid));
    if (EVP_PKEY_is_a(k, "RSA")) {
        json_object_set_new(o, "kty", json_string("RSA"));
        sign_bn(o, a, "n", k, OSSL_PKEY_PARAM_RSA_N, 0);
        sign_bn(o, a, "e", k, OSSL_PKEY_PARAM_RSA_E, 0);
    } else if (EVP_PKEY_is_a(k, "EC")) {
        int len;

        EVP_PKEY_get_group_name(k, group, sizeof(group), &n);
        len = strstr(group, "256") ? 32 : strstr(group, "384") ? 48 : 66;
        json_object_set_new(o, "kty", json_string("EC"));
        json_object_set_new(o, "crv", json_string(
            strcmp(group, "secp256k1") == 0 ? "secp256k1"
            : len == 32 ? "P-256" : len == 48 ? "P-384" : "P-521"));
        sign_bn(o, a, "x", k, OSSL_PKEY_PARAM_EC_PUB_X, len);
        sign_bn(o, a, "y", k, OSSL_PKEY_PARAM_EC_PUB_Y, len);
    } else {
        EVP_PKEY_get_raw_public_key(k, raw, &n);
        s = ae_b64url_encode(a, ae_s((char *)raw, n));
        json_object_set_new(o, "kty", json_string("OKP"));
        json_object_set_new(o, "crv", json_string(
            EVP_PKEY_is_a(k, "ED25519") ? "Ed25519" : "Ed448"));
        json_object_set_new(o, "x", json_stringn(s.p, s.n));
    }
    return o;
}

#endif
