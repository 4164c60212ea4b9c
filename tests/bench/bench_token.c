/*
 * bench_token.c - what a request pays for its token: a look-up in the table
 * of seen tokens, or a signature.
 */
#include "bench.h"
#include "token/token.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 31, TOKENS = 1000 };

struct bench {
    ae_heap  heap;
    ae_arena a;
    ae_seen *seen;
    ae_str   token[TOKENS];
    ae_str   input, sig, rs_sig, es_sig, ed_sig;
    ae_key  *hs, *rs, *es, *ed;
    long     sink;          /* keeps the work from being optimised away */
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *p, const void *q)
{
    double a = *(const double *)p, b = *(const double *)q;

    return a < b ? -1 : a > b;
}

/* Median over rounds of the time that one call of |fn| takes. */
static double median(struct bench *b, void (*fn)(struct bench *, int),
                     int calls)
{
    double t[ROUNDS];

    for (int r = 0; r < ROUNDS; r++) {
        double from = now_ns();

        for (int i = 0; i < calls; i++)
            fn(b, i);
        t[r] = (now_ns() - from) / calls;
    }
    qsort(t, ROUNDS, sizeof(*t), by_value);
    return t[ROUNDS / 2];
}

static void seen(struct bench *b, int i)
{
    b->sink += ae_seen_get(b->seen, b->token[i % TOKENS], 1, 1) != NULL;
}

static void hs256(struct bench *b, int i)
{
    (void)i;
    b->sink += ae_verify_evp(b->hs, AE_HS256, b->input, b->sig);
}

static void rs256(struct bench *b, int i)
{
    (void)i;
    b->sink += ae_verify_evp(b->rs, AE_RS256, b->input, b->rs_sig);
}

static void es256(struct bench *b, int i)
{
    (void)i;
    b->sink += ae_verify_evp(b->es, AE_ES256, b->input, b->es_sig);
}

static void eddsa(struct bench *b, int i)
{
    (void)i;
    b->sink += ae_verify_evp(b->ed, AE_EDDSA, b->input, b->ed_sig);
}

/* r || s of 32 bytes each (RFC 7518, section 3.4), in place. */
static size_t raw_of(unsigned char *sig, size_t n)
{
    const unsigned char *p = sig;
    ECDSA_SIG           *s = d2i_ECDSA_SIG(NULL, &p, (long)n);

    n = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, 32) == 32
          && BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + 32, 32) == 32 ? 64 : 0;
    ECDSA_SIG_free(s);
    return n;
}

/* Sign the input with a fresh |k| and keep its public half. */
static int set_up_key(struct bench *b, EVP_PKEY *k, enum ae_alg alg,
                      ae_str *out, ae_key **key)
{
    const EVP_MD  *md = alg == AE_EDDSA ? NULL : EVP_sha256();
    EVP_MD_CTX    *c = EVP_MD_CTX_new();
    BIO           *bio = BIO_new(BIO_s_mem());
    unsigned char *sig = ae_alloc(&b->a, 256);
    size_t         n = 256;
    char          *pem;
    long           len;
    int            ok = 0;

    if (k && c && bio && sig && PEM_write_bio_PUBKEY(bio, k)
        && EVP_DigestSignInit(c, NULL, md, NULL, k) == 1
        && EVP_DigestSign(c, sig, &n, (const unsigned char *)b->input.p,
                          b->input.n) == 1) {
        if (alg == AE_ES256)
            n = raw_of(sig, n);
        len = BIO_get_mem_data(bio, &pem);
        *out = ae_s((char *)sig, n);
        ok = ae_key_pem(ae_s(pem, (size_t)len), alg, key, NULL) == 0;
    }
    EVP_MD_CTX_free(c);
    BIO_free(bio);
    EVP_PKEY_free(k);
    return ok;
}

static int set_up_keys(struct bench *b)
{
    return set_up_key(b, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048),
                      AE_RS256, &b->rs_sig, &b->rs)
        && set_up_key(b, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"),
                      AE_ES256, &b->es_sig, &b->es)
        && set_up_key(b, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), AE_EDDSA,
                      &b->ed_sig, &b->ed);
}

/* Tokens of about 250 bytes, as Argo CD makes them. */
static int set_up(struct bench *b)
{
    ae_str              secret = AE_STR("bench secret 0123456789abcdefghijkl");
    struct ae_identity *id = calloc(1, sizeof(*id));
    size_t              dot, bad;

    ae_arena_init(&b->a, ae_heap_mem(&b->heap), NULL, 0);
    b->seen = ae_seen_new(4 * TOKENS, 42);
    if (!b->seen || !id || ae_key_hmac(secret, &b->hs, NULL))
        return 0;
    id->refs = 1;
    for (int i = 0; i < TOKENS; i++) {
        json_t *c = json_pack("{s:s,s:s,s:i,s:i,s:o}", "iss", "argocd", "sub",
                              "deployment-bot:apiKey", "nbf", 1767225600,
                              "iat", 1767225600, "jti",
                              json_sprintf("0b3c1f6e-94c0-44e4-8db6-%012d",
                                           i));

        if (ae_token_mint(&b->a, secret, c, &b->token[i], NULL))
            return 0;
        ae_seen_put(b->seen, b->token[i], 1, id);
        json_decref(c);
    }
    ae_identity_unref(id);
    for (dot = b->token[0].n; b->token[0].p[dot - 1] != '.'; dot--)
        ;
    b->input = ae_sub(b->token[0], 0, dot - 1);
    return ae_b64url_decode(&b->a, ae_sub(b->token[0], dot, SIZE_MAX), true,
                            &b->sig, &bad) == AE_OK && set_up_keys(b);
}

void bench_token(int quick, bench_emit emit)
{
    struct bench b = { 0 };
    int          n = quick ? 1000 : 20000;

    if (set_up(&b)) {
        emit("token.seen", median(&b, seen, n), "ns");
        emit("token.hs256", median(&b, hs256, n), "ns");
        emit("token.rs256", median(&b, rs256, n / 20), "ns");
        emit("token.es256", median(&b, es256, n / 20), "ns");
        emit("token.eddsa", median(&b, eddsa, n / 20), "ns");
    }
    ae_seen_free(b.seen);
    ae_key_free(b.hs);
    ae_key_free(b.rs);
    ae_key_free(b.es);
    ae_key_free(b.ed);
    ae_heap_free(&b.heap);
}
