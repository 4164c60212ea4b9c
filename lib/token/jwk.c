/*
 * jwk.c - one key of a key set (RFC 7517, 7518, 8037) as an OpenSSL key.
 *
 * Argo CD's libraries refuse the whole set for one key that they cannot read,
 * so what is BAD here decides over the others.  Where we are stricter than
 * they are (spare bits in base64url, say) the set is unusable for us and its
 * tokens are unknown, which is the safe side.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "token/keys.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdlib.h>

enum {
    RSA_N_MAX = 2048,       /* bytes; OpenSSL verifies with no more */
    KID_MAX = 256,          /* security.md section 8 */
    CERTS_MAX = 8,
    CERT_MAX = 32 * 1024,
    SCRATCH_MAX = 256 * 1024
};

struct reader {
    ae_arena       a;
    const json_t  *o;
    struct ae_jwk *out;
};

static enum ae_jwk_state bad(struct reader *r, const char *why)
{
    r->out->why = why;
    return AE_JWK_BAD;
}

/* ---- members ------------------------------------------------------------ */

/* A text member; absent and null are "".  False: another type. */
static bool text(const json_t *o, const char *key, ae_str *out)
{
    const json_t *v = json_object_get(o, key);

    *out = json_is_string(v) ? ae_json_str(v) : AE_STR("");
    return !v || json_is_null(v) || json_is_string(v);
}

/* A base64url member as bytes; absent span if there is none or it is bad. */
static ae_str bytes(struct reader *r, const char *key)
{
    ae_str in, out;
    size_t at = 0;

    if (!text(r->o, key, &in) || !in.n
        || ae_b64url_decode(&r->a, in, true, &out, &at))
        return ae_s(NULL, 0);
    return out;
}

static bool has(const struct reader *r, const char *key)
{
    const json_t *v = json_object_get(r->o, key);

    return v && !json_is_null(v);
}

/* ---- keys out of numbers ------------------------------------------------ */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *b)
{
    OSSL_PARAM   *params = b ? OSSL_PARAM_BLD_to_param(b) : NULL;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY     *k = NULL;

    if (!params || !c || EVP_PKEY_fromdata_init(c) <= 0
        || EVP_PKEY_fromdata(c, &k, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        k = NULL;
    EVP_PKEY_CTX_free(c);
    OSSL_PARAM_free(params);
    return k;
}

static EVP_PKEY *rsa_key(ae_str n, ae_str e)
{
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    BIGNUM *bn = BN_bin2bn((const unsigned char *)n.p, (int)n.n, NULL);
    BIGNUM *be = BN_bin2bn((const unsigned char *)e.p, (int)e.n, NULL);
    EVP_PKEY *k = NULL;

    if (b && bn && be && !BN_is_zero(bn) && !BN_is_zero(be)
        && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn)
        && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be))
        k = from_params("RSA", b);
    OSSL_PARAM_BLD_free(b);
    BN_free(bn);
    BN_free(be);
    return k;
}

static EVP_PKEY *ec_key(const char *group, ae_str x, ae_str y)
{
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    unsigned char   point[1 + 2 * 66];
    EVP_PKEY       *k = NULL;
    EVP_PKEY_CTX   *c = NULL;

    point[0] = 4; /* uncompressed, SEC 1 section 2.3.3 */
    memcpy(point + 1, x.p, x.n);
    memcpy(point + 1 + x.n, y.p, y.n);
    if (b && OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME,
                                             group, 0)
        && OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point,
                                            1 + x.n + y.n))
        k = from_params("EC", b);
    OSSL_PARAM_BLD_free(b);
    if (k)
        c = EVP_PKEY_CTX_new(k, NULL);
    /* is the point on the curve, and none of the odd ones */
    if (k && (!c || EVP_PKEY_public_check(c) <= 0)) {
        EVP_PKEY_free(k);
        k = NULL;
    }
    EVP_PKEY_CTX_free(c);
    return k;
}

/* ---- certificates ------------------------------------------------------- */

static int b64_value(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26
         : c >= '0' && c <= '9' ? c - '0' + 52
         : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padded standard base64 without line ends, as x5c has it (RFC 7517, 4.7). */
static size_t b64_decode(ae_str in, unsigned char *out)
{
    size_t   n = 0, pad = 0;
    unsigned acc = 0;

    if (!in.n || in.n % 4)
        return 0;
    while (pad < 2 && in.p[in.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < in.n; i++) {
        int v = i >= in.n - pad ? 0 : b64_value(in.p[i]);

        if (v < 0)
            return 0;
        acc = acc << 6 | (unsigned)v;
        if (i % 4 == 3) {
            out[n++] = (unsigned char)(acc >> 16);
            out[n++] = (unsigned char)(acc >> 8);
            out[n++] = (unsigned char)acc;
            acc = 0;
        }
    }
    return n - pad;
}

static X509 *certificate(const json_t *v, unsigned char *der, size_t *n)
{
    ae_str               in = ae_json_str(v);
    const unsigned char *p = der;
    X509                *c;

    *n = in.n && in.n <= CERT_MAX ? b64_decode(in, der) : 0;
    c = *n ? d2i_X509(NULL, &p, (long)*n) : NULL;
    if (c && p != der + *n) {
        X509_free(c);
        c = NULL;
    }
    return c;
}

EVP_PKEY *ae_jwk_x5c(const json_t *list, unsigned char sha1[20],
                     unsigned char sha256[32])
{
    unsigned char *der = malloc(CERT_MAX);
    EVP_PKEY      *first = NULL;
    bool           ok = der && json_array_size(list) > 0
                     && json_array_size(list) <= CERTS_MAX;
    size_t         n;

    for (size_t i = 0; ok && i < json_array_size(list); i++) {
        X509 *c = certificate(json_array_get(list, i), der, &n);

        if (c && i == 0) {
            first = X509_get_pubkey(c);
            SHA1(der, n, sha1);
            SHA256(der, n, sha256);
        }
        ok = c && first;
        X509_free(c);
    }
    free(der);
    if (!ok) {
        EVP_PKEY_free(first);
        first = NULL;
        ERR_clear_error();
    }
    return first;
}

/* A thumbprint must have the length of its hash and, if there is a
 * certificate, be its own. */
static bool print_ok(struct reader *r, const char *key, size_t n,
                     const unsigned char *of)
{
    ae_str v;

    if (!has(r, key))
        return true;
    v = bytes(r, key);
    return v.p && v.n == n && (!of || memcmp(v.p, of, n) == 0);
}

static bool certs_ok(struct reader *r)
{
    unsigned char sha1[20], sha256[32];
    const json_t *list = json_object_get(r->o, "x5c");
    EVP_PKEY     *k = NULL;
    bool          any = has(r, "x5c"), ok = true;

    if (any && json_is_array(list) && json_array_size(list) == 0)
        any = false;
    if (any) {
        k = ae_jwk_x5c(list, sha1, sha256);
        ok = k && r->out->pkey && EVP_PKEY_eq(k, r->out->pkey) == 1;
    }
    ok = ok && print_ok(r, "x5t", 20, any ? sha1 : NULL)
      && print_ok(r, "x5t#S256", 32, any ? sha256 : NULL);
    EVP_PKEY_free(k);
    return ok;
}

/* ---- by type ------------------------------------------------------------ */

static enum ae_jwk_state read_rsa(struct reader *r)
{
    ae_str n = bytes(r, "n"), e = bytes(r, "e");

    if (!n.p || !e.p || n.n > RSA_N_MAX || e.n > 8)
        return bad(r, "n or e of an RSA key is missing or bad");
    r->out->first = AE_RS256;
    r->out->pkey = rsa_key(n, e);
    return r->out->pkey ? AE_JWK_PUBLIC
                        : bad(r, "OpenSSL does not take the RSA key");
}

static enum ae_jwk_state read_ec(struct reader *r)
{
    static const struct { const char *crv, *group; size_t n; enum ae_alg alg; }
        curve[] = { { "P-256", "prime256v1", 32, AE_ES256 },
                    { "P-384", "secp384r1", 48, AE_ES384 },
                    { "P-521", "secp521r1", 66, AE_ES512 } };
    ae_str crv, x = bytes(r, "x"), y = bytes(r, "y");

    text(r->o, "crv", &crv);
    for (size_t i = 0; i < sizeof(curve) / sizeof(curve[0]); i++) {
        if (!ae_eq(crv, ae_cs(curve[i].crv)))
            continue;
        if (x.n != curve[i].n || y.n != curve[i].n)
            return bad(r, "a coordinate of an EC key has the wrong length");
        r->out->first = curve[i].alg;
        r->out->pkey = ec_key(curve[i].group, x, y);
        return r->out->pkey ? AE_JWK_PUBLIC
                            : bad(r, "an EC key is not on its curve");
    }
    return bad(r, "an EC key has a curve that Argo CD does not know");
}

static enum ae_jwk_state read_okp(struct reader *r)
{
    ae_str crv, x = bytes(r, "x");

    text(r->o, "crv", &crv);
    if (!ae_eq_lit(crv, "Ed25519") || x.n != 32)
        return bad(r, "an OKP key is no Ed25519 key");
    r->out->first = AE_EDDSA;
    r->out->pkey = EVP_PKEY_new_raw_public_key(
        EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.n);
    return r->out->pkey ? AE_JWK_PUBLIC
                        : bad(r, "OpenSSL does not take the Ed25519 key");
}

static enum ae_jwk_state read_type(struct reader *r)
{
    ae_str            kty;
    enum ae_jwk_state s;

    if (!text(r->o, "kty", &kty))
        return bad(r, "kty is no text");
    if (ae_eq_lit(kty, "oct"))
        return bytes(r, "k").p ? AE_JWK_SKIP : bad(r, "an oct key has no k");
    s = ae_eq_lit(kty, "RSA") ? read_rsa(r)
      : ae_eq_lit(kty, "EC") ? read_ec(r)
      : ae_eq_lit(kty, "OKP") ? read_okp(r)
      : bad(r, "a key has a type that Argo CD does not know");
    return s == AE_JWK_PUBLIC && has(r, "d") ? AE_JWK_SECRET : s;
}

/* use and key_ops mean nothing to Argo CD; we honour them. */
static bool for_signatures(const json_t *o)
{
    const json_t *ops = json_object_get(o, "key_ops"), *v;
    ae_str        use;
    size_t        i;

    text(o, "use", &use);
    if (use.n && !ae_eq_lit(use, "sig"))
        return false;
    if (!ops || json_is_null(ops))
        return true;
    json_array_foreach(ops, i, v)
        if (ae_eq_lit(ae_json_str(v), "verify"))
            return true;
    return false;
}

static enum ae_jwk_state read_key(struct reader *r, bool in_set)
{
    struct ae_jwk    *out = r->out;
    ae_str            alg, use, url;
    enum ae_jwk_state s;

    if (!json_is_object(r->o))
        return bad(r, "a key is no object");
    if (!text(r->o, "alg", &alg))
        return bad(r, "alg of a key is no text");
    if (alg.n && (!ae_alg_find(alg, &out->alg) || out->alg < AE_RS256)
        && in_set)
        return AE_JWK_SKIP;
    if (!text(r->o, "kid", &out->kid) || out->kid.n > KID_MAX)
        return bad(r, "kid of a key is no text of at most 256 bytes");
    if (!text(r->o, "use", &use) || !text(r->o, "x5u", &url))
        return bad(r, "use or x5u of a key is no text");
    out->odd = !for_signatures(r->o);
    s = read_type(r);
    if ((s == AE_JWK_PUBLIC || s == AE_JWK_SECRET) && !certs_ok(r))
        s = bad(r, "x5c or x5t does not belong to its key");
    return s;
}

enum ae_jwk_state ae_jwk_read(const json_t *o, bool in_set,
                              struct ae_jwk *out)
{
    ae_heap           heap = { NULL, 0 };
    struct reader     r = { .o = o, .out = out };
    enum ae_jwk_state s;

    memset(out, 0, sizeof(*out));
    ae_arena_init(&r.a, ae_heap_mem(&heap), NULL, 0);
    r.a.limit = SCRATCH_MAX;
    s = read_key(&r, in_set);
    ae_heap_free(&heap);
    if (s != AE_JWK_PUBLIC) {
        EVP_PKEY_free(out->pkey);
        out->pkey = NULL;
        ERR_clear_error();
    }
    return s;
}
