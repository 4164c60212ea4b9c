/*
 * verify_evp.c - the default verifier: OpenSSL with keys parsed once.
 *
 * The algorithm comes from the caller, who took it from the configuration; a
 * key that is not made for it gives AE_SIG_BAD.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "token/keys.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

static enum ae_sig verify_hmac(const ae_key *k, enum ae_alg alg, ae_str input,
                               ae_str sig)
{
    unsigned char mac[SHA512_DIGEST_LENGTH];
    size_t        n;
    bool          same;

    if (alg == AE_HS256) {
        SHA256_CTX c = k->pads.in256, o = k->pads.out256;

        n = SHA256_DIGEST_LENGTH;
        SHA256_Update(&c, input.p, input.n);
        SHA256_Final(mac, &c);
        SHA256_Update(&o, mac, n);
        SHA256_Final(mac, &o);
        OPENSSL_cleanse(&o, sizeof(o));
    } else {
        bool       is384 = alg == AE_HS384;
        SHA512_CTX c = is384 ? k->pads.in384 : k->pads.in512;
        SHA512_CTX o = is384 ? k->pads.out384 : k->pads.out512;

        n = is384 ? SHA384_DIGEST_LENGTH : SHA512_DIGEST_LENGTH;
        SHA512_Update(&c, input.p, input.n);
        SHA512_Final(mac, &c);
        SHA512_Update(&o, mac, n);
        SHA512_Final(mac, &o);
        OPENSSL_cleanse(&o, sizeof(o));
    }
    same = sig.n == n && ae_ct_eq(mac, sig.p, n);
    OPENSSL_cleanse(mac, sizeof(mac));
    return same ? AE_SIG_OK : AE_SIG_BAD;
}

static size_t hash_input(enum ae_alg alg, ae_str input, unsigned char *out)
{
    const unsigned char *p = (const unsigned char *)input.p;

    switch (alg) {
    case AE_RS256: case AE_PS256: case AE_ES256:
        SHA256(p, input.n, out);
        return SHA256_DIGEST_LENGTH;
    case AE_RS384: case AE_PS384: case AE_ES384:
        SHA384(p, input.n, out);
        return SHA384_DIGEST_LENGTH;
    default:
        SHA512(p, input.n, out);
        return SHA512_DIGEST_LENGTH;
    }
}

/* r || s of fixed length (RFC 7518, section 3.4) to DER.  0: not that. */
static int to_der(enum ae_alg alg, ae_str sig, unsigned char *der)
{
    size_t         half = alg == AE_ES256 ? 32 : alg == AE_ES384 ? 48 : 66;
    const unsigned char *p = (const unsigned char *)sig.p;
    ECDSA_SIG     *es;
    BIGNUM        *r, *s;
    int            n = 0;

    if (sig.n != 2 * half)
        return 0;
    es = ECDSA_SIG_new();
    r = BN_bin2bn(p, (int)half, NULL);
    s = BN_bin2bn(p + half, (int)half, NULL);
    if (!es || !r || !s || !ECDSA_SIG_set0(es, r, s)) {
        BN_free(r);
        BN_free(s);
    } else {
        n = i2d_ECDSA_SIG(es, &der);
    }
    ECDSA_SIG_free(es);
    return n > 0 ? n : 0;
}

static bool verify_eddsa(const ae_key *k, ae_str input, ae_str sig)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool        ok;

    ok = c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k->pkey) == 1
      && EVP_DigestVerify(c, (const unsigned char *)sig.p, sig.n,
                          (const unsigned char *)input.p, input.n) == 1;
    EVP_MD_CTX_free(c);
    return ok;
}

static bool verify_pkey(const ae_key *k, ae_str input, ae_str sig)
{
    unsigned char        hash[SHA512_DIGEST_LENGTH], der[160];
    const unsigned char *p = (const unsigned char *)sig.p;
    EVP_PKEY_CTX        *c;
    size_t               n = sig.n, hn;
    bool                 ok;

    if (k->alg >= AE_ES256) {
        n = (size_t)to_der(k->alg, sig, der);
        p = der;
        if (!n)
            return false;
    }
    hn = hash_input(k->alg, input, hash);
    c = EVP_PKEY_CTX_dup(k->ctx);
    ok = c && EVP_PKEY_verify(c, p, n, hash, hn) == 1;
    EVP_PKEY_CTX_free(c);
    return ok;
}

enum ae_sig ae_verify_evp(const ae_key *k, enum ae_alg alg, ae_str input,
                          ae_str sig)
{
    bool ok;

    if (!k || !sig.n || alg == AE_ALG_NONE)
        return AE_SIG_BAD;
    if (ae_alg_is_hmac(alg)) /* never a public key as a secret (J03) */
        return k->alg == AE_ALG_NONE ? verify_hmac(k, alg, input, sig)
                                     : AE_SIG_BAD;
    if (k->alg != alg)
        return AE_SIG_BAD;
    ok = alg == AE_EDDSA ? verify_eddsa(k, input, sig)
                         : verify_pkey(k, input, sig);
    if (!ok)
        ERR_clear_error(); /* the queue is the host's, too */
    return ok ? AE_SIG_OK : AE_SIG_BAD;
}
