/*
 * verify.c - the two verifiers over tokens made here: equal verdicts wherever
 * libjwt 1.10 can judge (security.md section 8), and keys that are not taken.
 */
#include "tap.h"
#include "token/token.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define BODY "{\"iss\":\"argocd\",\"sub\":\"ci:apiKey\",\"iat\":1767225600}"

static ae_heap  heap;
static ae_arena a;

struct pair { EVP_PKEY *priv; ae_key *pub; ae_str pem; enum ae_alg alg; };

static const char *alg_text(enum ae_alg alg)
{
    static const char *const t[] = {
        "none",  "HS256", "HS384", "HS512", "RS256", "RS384", "RS512",
        "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA" };

    return t[alg];
}

static const EVP_MD *md_of(enum ae_alg alg)
{
    return alg == AE_EDDSA ? NULL
         : (alg - 1) % 3 == 0 ? EVP_sha256()
         : (alg - 1) % 3 == 1 ? EVP_sha384() : EVP_sha512();
}

static ae_str pem_of(EVP_PKEY *k)
{
    BIO   *b = BIO_new(BIO_s_mem());
    char  *p;
    long   n;
    ae_str out;

    PEM_write_bio_PUBKEY(b, k);
    n = BIO_get_mem_data(b, &p);
    out = ae_dup(&a, ae_s(p, (size_t)n));
    BIO_free(b);
    return out;
}

static EVP_PKEY *make_key(enum ae_alg alg)
{
    if (alg == AE_EDDSA)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (alg == AE_ES256)
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    if (alg == AE_ES384)
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    if (alg == AE_ES512)
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
    return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
}

static ae_str input_of(const char *header)
{
    ae_str h = ae_b64url_encode(&a, ae_cs(header));
    ae_str b = ae_b64url_encode(&a, AE_STR(BODY));

    return ae_fmt(&a, "%.*s.%.*s", (int)h.n, h.p, (int)b.n, b.p);
}

static ae_str raw_ecdsa(const unsigned char *der, size_t n, enum ae_alg alg)
{
    int                  half = alg == AE_ES256 ? 32 : alg == AE_ES384 ? 48
                              : 66;
    ECDSA_SIG           *s = d2i_ECDSA_SIG(NULL, &der, (long)n);
    unsigned char       *out = ae_alloc(&a, (size_t)half * 2);

    BN_bn2binpad(ECDSA_SIG_get0_r(s), out, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(s), out + half, half);
    ECDSA_SIG_free(s);
    return ae_s((char *)out, (size_t)half * 2);
}

static ae_str sign(EVP_PKEY *k, enum ae_alg alg, ae_str in, bool der)
{
    EVP_MD_CTX    *c = EVP_MD_CTX_new();
    EVP_PKEY_CTX  *pc;
    size_t         n = 1024;
    unsigned char *sig = ae_alloc(&a, n);

    EVP_DigestSignInit(c, &pc, md_of(alg), NULL, k);
    if (alg >= AE_PS256 && alg <= AE_PS512) {
        EVP_PKEY_CTX_set_rsa_padding(pc, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pc, RSA_PSS_SALTLEN_DIGEST);
    }
    if (EVP_DigestSign(c, sig, &n, (const unsigned char *)in.p, in.n) != 1)
        n = 0;
    EVP_MD_CTX_free(c);
    if (alg >= AE_ES256 && alg <= AE_ES512 && !der)
        return raw_ecdsa(sig, n, alg);
    return ae_s((char *)sig, n);
}

/* Both verifiers; |jwt_blind|: libjwt must have no verdict. */
static void both(const ae_key *k, enum ae_alg alg, ae_str in, ae_str sig,
                 enum ae_sig want, bool jwt_blind, const char *text)
{
    ae_str      s = ae_b64url_encode(&a, sig);
    ae_str      token = ae_fmt(&a, "%.*s.%.*s", (int)in.n, in.p, (int)s.n,
                               s.p);
    enum ae_sig e = ae_verify_evp(k, alg, in, sig);
    enum ae_sig j = ae_verify_libjwt(k, alg, token);

    tap_ok(e == want && j == (jwt_blind ? AE_SIG_NO_VERDICT : want),
           "%s: %s (evp %d, libjwt %d)", alg_text(alg), text, e, j);
}

static ae_str flipped(ae_str sig, size_t at)
{
    char *p = ae_alloc(&a, sig.n + 1);

    memcpy(p, sig.p, sig.n);
    p[at] = (char)(p[at] ^ 1);
    return ae_s(p, sig.n);
}

static void public_alg(enum ae_alg alg, struct pair *p, const ae_key *other)
{
    bool   blind = alg == AE_EDDSA || (alg >= AE_PS256 && alg <= AE_PS512);
    char   header[64];
    ae_str in, sig;

    snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"typ\":\"JWT\"}",
             alg_text(alg));
    p->alg = alg;
    p->priv = make_key(alg);
    p->pem = pem_of(p->priv);
    tap_ok(ae_key_pem(p->pem, alg, &p->pub, NULL) == 0, "%s: key",
           alg_text(alg));
    in = input_of(header);
    sig = sign(p->priv, alg, in, false);
    both(p->pub, alg, in, sig, AE_SIG_OK, blind, "good");
    both(p->pub, alg, in, flipped(sig, 0), AE_SIG_BAD, blind, "first bit");
    both(p->pub, alg, in, flipped(sig, sig.n - 1), AE_SIG_BAD, blind,
         "last bit");
    both(p->pub, alg, in, ae_sub(sig, 0, sig.n - 1), AE_SIG_BAD, blind,
         "cut short");
    if (other)
        both(other, alg, in, sig, AE_SIG_BAD, blind, "another key");
    tap_ok(ae_verify_evp(p->pub, alg, in, ae_s("", 0)) == AE_SIG_BAD,
           "%s: empty signature", alg_text(alg));
    if (alg >= AE_ES256 && alg <= AE_ES512)
        both(p->pub, alg, in, sign(p->priv, alg, in, true), AE_SIG_BAD,
             false, "DER in the place of r||s");
    in = input_of("{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}");
    if (alg == AE_RS256)
        both(p->pub, alg, in, sign(p->priv, alg, in, false), AE_SIG_OK, true,
             "typ other than JWT");
}

static ae_str hmac(const char *md, ae_str key, ae_str in)
{
    size_t         n = 64;
    unsigned char *out = ae_alloc(&a, n);

    EVP_Q_mac(NULL, "HMAC", NULL, md, NULL, key.p, key.n,
              (const unsigned char *)in.p, in.n, out, n, &n);
    return ae_s((char *)out, n);
}

static void secrets(void)
{
    static const size_t      len[] = { 1, 10, 45, 63, 64, 65, 127, 128, 129,
                                       300 };
    static const char *const md[] = { "SHA256", "SHA384", "SHA512" };

    for (size_t i = 0; i < sizeof(len) / sizeof(*len); i++) {
        char   *s = ae_alloc(&a, len[i]);
        ae_key *k;

        for (size_t j = 0; j < len[i]; j++)
            s[j] = (char)('!' + (j * 7 + i) % 90);
        tap_ok(ae_key_hmac(ae_s(s, len[i]), &k, NULL) == 0,
               "secret of %zu bytes", len[i]);
        for (int m = 0; m < 3; m++) {
            enum ae_alg alg = (enum ae_alg)(AE_HS256 + m);
            char        header[32];
            ae_str      in, sig;

            snprintf(header, sizeof(header), "{\"alg\":\"%s\"}",
                     alg_text(alg));
            in = input_of(header);
            sig = hmac(md[m], ae_s(s, len[i]), in);
            both(k, alg, in, sig, AE_SIG_OK, false, "good");
            both(k, alg, in, flipped(sig, sig.n / 2), AE_SIG_BAD, false,
                 "one bit");
            both(k, alg, in, ae_sub(sig, 0, sig.n - 1), AE_SIG_BAD, false,
                 "cut short");
        }
        ae_key_free(k);
    }
}

static ae_str rsa_pem(EVP_PKEY *from, unsigned long e)
{
    BIGNUM         *n = NULL, *be = BN_new();
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    OSSL_PARAM     *params;
    EVP_PKEY_CTX   *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY       *k = NULL;
    ae_str          out = AE_STR("");

    EVP_PKEY_get_bn_param(from, OSSL_PKEY_PARAM_RSA_N, &n);
    BN_set_word(be, e);
    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n);
    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be);
    params = OSSL_PARAM_BLD_to_param(bld);
    if (EVP_PKEY_fromdata_init(c) == 1
        && EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, params) == 1)
        out = pem_of(k);
    EVP_PKEY_free(k);
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);
    BN_free(n);
    BN_free(be);
    return out;
}

static void not_taken(ae_str pem, enum ae_alg alg, const char *text)
{
    ae_key       *k;
    struct ae_err err = { 0 };

    tap_ok(ae_key_pem(pem, alg, &k, &err) != 0 && !k && err.text[0],
           "no key: %s (%s)", text, err.text);
}

static void keys(const struct pair *p)
{
    EVP_PKEY *small = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    ae_key   *k;

    tap_ok(ae_key_hmac(AE_STR(""), &k, NULL) != 0 && !k,
           "J04 an empty HMAC key is no key");
    not_taken(pem_of(small), AE_RS256, "RSA of 1024 bits");
    not_taken(rsa_pem(p[AE_RS256].priv, 1), AE_RS256, "RSA with e=1");
    not_taken(rsa_pem(p[AE_RS256].priv, 4), AE_RS256, "RSA with even e");
    not_taken(p[AE_RS256].pem, AE_ES256, "RSA for ES256");
    not_taken(p[AE_RS256].pem, AE_HS256, "RSA for HS256");
    not_taken(p[AE_RS256].pem, AE_ALG_NONE, "RSA for none");
    not_taken(p[AE_ES256].pem, AE_RS256, "EC for RS256");
    not_taken(p[AE_ES384].pem, AE_ES256, "P-384 for ES256");
    not_taken(p[AE_ES256].pem, AE_ES512, "P-256 for ES512");
    not_taken(p[AE_EDDSA].pem, AE_ES256, "Ed25519 for ES256");
    not_taken(p[AE_ES256].pem, AE_EDDSA, "EC for EdDSA");
    not_taken(AE_STR("junk"), AE_RS256, "junk");
    not_taken(AE_STR(""), AE_RS256, "nothing");
    EVP_PKEY_free(small);
}

/* The public key, as PEM, in the place of a secret (J03). */
static void confusion(const struct pair *p)
{
    ae_str  in = input_of("{\"alg\":\"HS256\"}");
    ae_key *secret;

    both(p->pub, AE_HS256, in, hmac("SHA256", p->pem, in), AE_SIG_BAD, false,
         "J03 HMAC with the public key");
    ae_key_hmac(AE_STR("secret"), &secret, NULL);
    in = input_of("{\"alg\":\"RS256\"}");
    both(secret, AE_RS256, in, sign(p->priv, AE_RS256, in, false), AE_SIG_BAD,
         false, "J02 RSA signature, HMAC key");
    in = input_of("{\"alg\":\"none\"}");
    both(secret, AE_ALG_NONE, in, AE_STR("x"), AE_SIG_BAD, true,
         "J01 none");
    both(NULL, AE_HS256, in, AE_STR("x"), AE_SIG_BAD, false, "no key");
    in = input_of("{\"alg\":\"HS384\"}");
    both(secret, AE_HS256, in, hmac("SHA256", AE_STR("secret"), in),
         AE_SIG_OK, true, "libjwt reads the header, the caller decides");
    ae_key_free(secret);
}

int main(void)
{
    struct pair p[AE_EDDSA + 1] = { 0 };
    ae_key     *other;
    EVP_PKEY   *o = make_key(AE_RS256);

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_key_pem(pem_of(o), AE_RS256, &other, NULL);
    secrets();
    for (enum ae_alg alg = AE_RS256; alg <= AE_EDDSA; alg++)
        public_alg(alg, &p[alg], alg == AE_RS256 ? other : NULL);
    keys(p);
    confusion(&p[AE_RS256]);
    for (int i = 0; i <= AE_EDDSA; i++) {
        EVP_PKEY_free(p[i].priv);
        ae_key_free(p[i].pub);
    }
    ae_key_free(other);
    EVP_PKEY_free(o);
    ae_heap_free(&heap);
    return tap_done();
}
