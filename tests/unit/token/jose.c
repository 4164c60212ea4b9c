/*
 * jose.c - every algorithm by every kind of key, and what can be done to a
 * token (abuse cases J01-J14, RFC 8725).  Accepted is only what Argo CD would
 * accept; what is forged is refused in its words.
 */
#include "tap.h"
#include "explained.h"
#include "token/keys.h"
#include "sign.h"

#include <openssl/err.h>

#define ISSUER "https://login.example.com"
#define FAILED "failed to verify the token"
#define BODY "{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"sub\":\"bob\"," \
             "\"exp\":4102444800}"

enum { NOW = 1790000000, NKEYS = 8 };

static ae_heap  heap;
static ae_arena a;
static struct signer keys[NKEYS];
static ae_str   discovery, jwks;

static const enum ae_alg algs[] = { AE_RS256, AE_RS384, AE_RS512, AE_PS256,
    AE_PS384, AE_PS512, AE_ES256, AE_ES384, AE_ES512, AE_EDDSA };

enum { NALGS = sizeof(algs) / sizeof(algs[0]) };

static void make_keys(void)
{
    keys[0] = (struct signer){ "rsa2048",
        EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048) };
    keys[1] = (struct signer){ "rsa3072",
        EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072) };
    keys[2] = (struct signer){ "rsa1024",
        EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024) };
    keys[3] = (struct signer){ "p256",
        EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") };
    keys[4] = (struct signer){ "p384",
        EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384") };
    keys[5] = (struct signer){ "p521",
        EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521") };
    keys[6] = (struct signer){ "ed25519",
        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };
    keys[7] = (struct signer){ "p256b",
        EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") };
}

static void make_documents(void)
{
    json_t *set = json_object(), *list = json_array(), *al = json_array();
    json_t *d = json_pack("{s:s,s:s}", "issuer", ISSUER, "jwks_uri",
                          ISSUER "/keys");
    char   *z;

    for (size_t i = 0; i < NKEYS - 1; i++)
        json_array_append_new(list, sign_jwk(&a, keys[i].key, keys[i].name));
    json_object_set_new(set, "keys", list);
    z = json_dumps(set, JSON_COMPACT);
    jwks = ae_dup(&a, ae_cs(z));
    free(z);
    json_decref(set);
    for (size_t i = 0; i < NALGS; i++)
        json_array_append_new(al, json_string(ae_alg_name(algs[i])));
    json_object_set_new(d, "id_token_signing_alg_values_supported", al);
    z = json_dumps(d, JSON_COMPACT);
    discovery = ae_dup(&a, ae_cs(z));
    free(z);
    json_decref(d);
}

static struct ae_inputs inputs(void)
{
    static const ae_str aud[] = { { "argo", 4 } };
    struct ae_inputs    in = { .have_accounts = true,
        .secret_key = AE_STR("the secret of Argo CD, long enough"),
        .sso = { .kind = AE_SSO_OIDC, .issuer = AE_STR(ISSUER), .aud = aud,
                 .naud = 1, .have_docs = true } };

    in.sso.discovery.text = discovery;
    in.sso.jwks.text = jwks;
    return in;
}

static void judge(const struct ae_inputs *in, ae_str token,
                  struct ae_token_result *r)
{
    ae_tokens *t = NULL;

    memset(r, 0, sizeof(*r));
    if (ae_tokens_new(in, AE_STR("argocd"), &t, NULL))
        return;
    ae_token_check(t, &a, token, NOW, r);
    if (!explained(t, ae_tokens_keyset(t), &a, token, NOW, r))
        tap_ok(0, "explained as decided: %.*s", (int)token.n, token.p);
    ae_tokens_free(t);
}

static const char *says(const struct ae_token_result *r)
{
    static const char *const v[] = { "refused", "accepted", "unknown" };

    return ae_fmt(&a, "%s %.*s", v[r->verdict], (int)r->reason.n,
                  r->reason.p ? r->reason.p : "").p;
}

/* |want|: 'y' accepted, 'n' refused in Argo CD's words, 's' refused by our own
 * list, 'u' unknown, '-' anything but accepted. */
static void expect(const struct ae_inputs *in, ae_str token, char want,
                   const char *what)
{
    struct ae_token_result r;
    bool ok;

    judge(in, token, &r);
    ok = want == 'y' ? r.verdict == AE_TOKEN_OK && r.identity
       : want == 'u' ? r.verdict == AE_TOKEN_UNKNOWN && !r.stricter
       : want == 's' ? r.verdict == AE_TOKEN_REFUSED && r.stricter
       : want == 'n' ? r.verdict == AE_TOKEN_REFUSED && !r.stricter
       : r.verdict != AE_TOKEN_OK;
    tap_ok(ok && (r.verdict == AE_TOKEN_OK) == (r.identity != NULL),
           "%s: want %c, got %s", what, want, says(&r));
    ae_identity_unref(r.identity);
}

static ae_str header(enum ae_alg alg, const char *kid)
{
    return ae_fmt(&a, "{\"alg\":\"%s\",\"kid\":\"%s\"}", ae_alg_name(alg),
                  kid);
}

static bool fits(enum ae_alg alg, const char *name)
{
    return alg < AE_ES256 ? strcmp(name, "rsa2048") == 0
                            || strcmp(name, "rsa3072") == 0
         : strcmp(name, alg == AE_ES256 ? "p256" : alg == AE_ES384 ? "p384"
                      : alg == AE_ES512 ? "p521" : "ed25519") == 0;
}

/* Each algorithm in the header, each key named, each key signing. */
static void matrix(void)
{
    struct ae_inputs in = inputs();

    for (size_t i = 0; i < NALGS; i++)
        for (size_t named = 0; named < NKEYS - 1; named++)
            for (size_t by = 0; by < NKEYS; by++) {
                ae_str h = header(algs[i], keys[named].name);
                ae_str t = sign_token(&a, keys[by].key, algs[i], h,
                                      AE_STR(BODY));

                if (!t.p)     /* such a key cannot sign that way */
                    continue;
                expect(&in, t, by == named && fits(algs[i], keys[by].name)
                               ? 'y' : '-',
                       ae_fmt(&a, "%s by %s as %s", ae_alg_name(algs[i]),
                              keys[by].name, keys[named].name).p);
            }
}

static ae_str flip(ae_str s, size_t at, char bit)
{
    char *p = (char *)(uintptr_t)ae_dup(&a, s).p;

    p[at] = (char)(p[at] ^ bit);
    return ae_s(p, s.n);
}

static const EVP_PKEY *key_for(enum ae_alg alg, const char **name)
{
    for (size_t i = 0; i < NKEYS; i++)
        if (fits(alg, keys[i].name)) {
            *name = keys[i].name;
            return keys[i].key;
        }
    return NULL;
}

/* A good signature in bad company. */
static void tamper(enum ae_alg alg)
{
    struct ae_inputs in = inputs();
    const char      *name = "", *an = ae_alg_name(alg);
    EVP_PKEY        *k = (EVP_PKEY *)(uintptr_t)key_for(alg, &name);
    ae_str           h = header(alg, name), other, rest;
    ae_str           input = sign_input(&a, h, AE_STR(BODY));
    ae_str           sig = sign_bytes(&a, k, alg, input);

    expect(&in, sign_join(&a, input, sig), 'y', an);
    for (size_t at = 0; at < sig.n; at += 1 + sig.n / 9)
        expect(&in, sign_join(&a, input, flip(sig, at, 1)), 'n',
               ae_fmt(&a, "%s with a bit of byte %zu turned", an, at).p);
    expect(&in, sign_join(&a, input, ae_sub(sig, 0, sig.n - 1)), 'n',
           ae_fmt(&a, "%s a byte short", an).p);
    expect(&in, sign_join(&a, input, ae_concat(&a, (const ae_str[]){ sig,
           AE_STR("\1") }, 2)), 'n', ae_fmt(&a, "%s a byte long", an).p);
    expect(&in, sign_join(&a, input, AE_STR("")), 'n',
           ae_fmt(&a, "%s without signature", an).p);
    memset((char *)(uintptr_t)(rest = ae_dup(&a, sig)).p, 0, sig.n);
    expect(&in, sign_join(&a, input, rest), 'n',
           ae_fmt(&a, "%s of zeros", an).p);
    other = sign_input(&a, h, AE_STR("{\"iss\":\"" ISSUER "\",\"aud\":"
                       "\"argo\",\"sub\":\"eve\",\"exp\":4102444800}"));
    expect(&in, sign_join(&a, other, sig), 'n',
           ae_fmt(&a, "%s of another payload", an).p);
    for (size_t i = 0; i < NALGS; i++)
        if (algs[i] != alg)
            expect(&in, sign_join(&a, sign_input(&a, header(algs[i], name),
                                                 AE_STR(BODY)), sig), '-',
                   ae_fmt(&a, "%s said to be %s", an,
                          ae_alg_name(algs[i])).p);
}

/* J01 to J04: no algorithm of the token's choice. */
static void confusion(void)
{
    static const char *const none[] = { "none", "None", "NONE", "nOnE", "" };
    struct ae_inputs in = inputs();
    ae_str           pem, t, key[4], input;
    ae_key          *k = NULL;

    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        for (size_t s = 0; s < 2; s++) {
            t = sign_input(&a, ae_fmt(&a, "{\"alg\":\"%s\"}", none[i]),
                           AE_STR(BODY));
            expect(&in, sign_join(&a, t, s ? AE_STR("x") : AE_STR("")), 'n',
                   ae_fmt(&a, "J01 %s%s", none[i], s ? ", signed" : "").p);
        }
    ae_key_pkey(keys[0].key, AE_RS256, &k, NULL);
    pem = ae_dup(&a, k->text);
    ae_key_free(k);
    key[0] = pem;
    key[1] = ae_trim(pem);
    key[2] = jwks;
    key[3] = in.secret_key;
    for (size_t i = 0; i < 4; i++)
        for (enum ae_alg alg = AE_HS256; alg <= AE_HS512; alg++) {
            unsigned char mac[64];
            size_t        n = sizeof(mac);

            input = sign_input(&a, header(alg, "rsa2048"), AE_STR(BODY));
            EVP_Q_mac(NULL, "HMAC", NULL, EVP_MD_get0_name(sign_md(alg)),
                      NULL, key[i].p, key[i].n,
                      (const unsigned char *)input.p, input.n, mac, n, &n);
            expect(&in, sign_join(&a, input, ae_s((char *)mac, n)), 'n',
                   ae_fmt(&a, "J03 %s by a public text (%zu)",
                          ae_alg_name(alg), i).p);
        }
    expect(&in, sign_token(&a, keys[0].key, AE_RS256,
                           header(AE_RS256, "rsa2048"),
                           AE_STR("{\"iss\":\"argocd\",\"sub\":\"admin\","
                                  "\"iat\":1,\"jti\":\"x\"}")), 'n',
           "J02 iss argocd by a key of the provider");
}

/* J05, J06, J12: the header. */
static void headers(void)
{
    static const struct { const char *more; char want; } row[] = {
        { "\"jku\":\"http://evil/\",\"x5u\":\"http://evil/\"", 'y' },
        { "\"typ\":\"at+jwt\",\"cty\":\"x\",\"zip\":\"DEF\"", 'y' },
        { "\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}", '-' },
        { "\"jwk\":\"x\"", '-' }, { "\"x5c\":[\"AAAA\"]", '-' },
        { "\"x5c\":\"x\"", '-' }, { "\"nonce\":5", 'n' },
        { "\"nonce\":\"n\"", 'y' }, { "\"crit\":[\"x\"]", 'n' },
        { "\"crit\":[]", 's' }, { "\"crit\":[\"b64\"],\"b64\":true", 's' },
        { "\"b64\":false", 'n' }, { "\"alg\":\"RS256\"", 'n' },
        { "\"x\":1,\"x\":1", 'n' },
    };
    struct ae_inputs in = inputs();
    ae_str           h;

    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        h = ae_fmt(&a, "{\"alg\":\"RS256\",\"kid\":\"rsa2048\",%s}",
                   row[i].more);
        expect(&in, sign_token(&a, keys[0].key, AE_RS256, h, AE_STR(BODY)),
               row[i].want, row[i].more);
    }
    h = ae_fmt(&a, "{\"alg\":\"RS256\",\"kid\":\"%0300d\"}", 1);
    expect(&in, sign_token(&a, keys[0].key, AE_RS256, h, AE_STR(BODY)), 's',
           "J06 a kid of 300 bytes");
    expect(&in, sign_token(&a, keys[0].key, AE_RS256, AE_STR("{\"alg\":"
           "\"RS256\",\"kid\":\"../../etc/passwd\"}"), AE_STR(BODY)), 'u',
           "J06 a kid that is a path");
    expect(&in, sign_token(&a, keys[0].key, AE_RS256, AE_STR("{\"alg\":"
           "\"RS256\",\"kid\":\"rsa2048\\u0000\"}"), AE_STR(BODY)), 's',
           "J06 a kid with NUL");
    expect(&in, sign_token(&a, keys[0].key, AE_RS256, AE_STR("{\"alg\":"
           "\"RS256\"}"), AE_STR(BODY)), 'y', "no kid: every key is tried");
    expect(&in, sign_token(&a, keys[7].key, AE_ES256, AE_STR("{\"alg\":"
           "\"ES256\"}"), AE_STR(BODY)), 'u', "and none fits");
}

/* J07 to J09: claims, always well signed. */
static void claims(void)
{
#define P "{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"sub\":\"bob\""
    static const struct { const char *body; char want; } row[] = {
        { P ",\"exp\":4102444800,\"sub\":\"admin\"}", 's' },
        { P "}", 'u' }, { P ",\"exp\":1789999999}", 'u' },
        { P ",\"exp\":1790000000}", 'u' }, { P ",\"exp\":1790000001}", 'y' },
        { P ",\"exp\":\"4102444800\"}", 'y' }, { P ",\"exp\":null}", 'n' },
        { P ",\"exp\":\" 4102444800\"}", 'n' }, { P ",\"exp\":true}", 'n' },
        { P ",\"exp\":1e400}", 'n' }, { P ",\"exp\":1e300}", 'u' },
        { P ",\"exp\":9223372036854775807}", 'u' },
        { P ",\"exp\":4102444800,\"nbf\":1790000061}", 'u' },
        { P ",\"exp\":4102444800,\"nbf\":1790000300}", 'u' },
        { P ",\"exp\":4102444800,\"nbf\":1790000301}", 'n' },
        { P ",\"exp\":4102444800,\"nbf\":1790000000}", 'y' },
        { P ",\"exp\":4102444800,\"nbf\":null}", 'y' },
        { P ",\"exp\":4102444800,\"iat\":null}", 'n' },
        { P ",\"exp\":4102444800,\"EXP\":1}", 'u' },
        { P ",\"exp\":4102444800,\"\\u017fub\":\"x\"}", 'u' },
        { P ",\"exp\":4102444800,\"_claim_names\":{\"g\":\"s\"}}", 'n' },
        { "{\"iss\":\"" ISSUER "\",\"sub\":\"b\",\"exp\":4102444800}", 'n' },
        { "{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"argo\"],\"exp\":"
          "4102444800}", 'y' },
        { "{\"iss\":\"" ISSUER "/\",\"aud\":\"argo\",\"exp\":4102444800}",
          'n' },
        { "{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"exp\":4102444800,"
          "\"sub\":\"role:admin\"}", 's' },
        { "{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"exp\":4102444800,"
          "\"sub\":\"x\",\"federated_claims\":{\"user_id\":\"proj:a:b\"}}",
          's' },
    };
#undef P
    struct ae_inputs in = inputs();
    ae_str           h = header(AE_ES256, "p256"), t;

    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        t = sign_token(&a, keys[3].key, AE_ES256, h, ae_cs(row[i].body));
        expect(&in, t, row[i].want, row[i].body);
        t = sign_token(&a, keys[7].key, AE_ES256, h, ae_cs(row[i].body));
        expect(&in, t, 'n', ae_fmt(&a, "forged: %s", row[i].body).p);
    }
}

/* J10, J11, J13: shape and size. */
static void shapes(void)
{
    struct ae_inputs in = inputs();
    ae_str good = sign_token(&a, keys[3].key, AE_ES256,
                             header(AE_ES256, "p256"), AE_STR(BODY));
    ae_buf b;

    expect(&in, ae_fmt(&a, "%.*s.x.y", (int)good.n, good.p), 'n',
           "J10 five parts");
    expect(&in, ae_fmt(&a, "%.*s=", (int)good.n, good.p), 'n', "padding");
    /* ES256: 86 characters, four spare bits in the last: A, Q, g or w */
    expect(&in, ae_fmt(&a, "%.*s%c", (int)good.n - 1, good.p,
                       good.p[good.n - 1] == 'A' ? 'B'
                       : good.p[good.n - 1] == 'Q' ? 'R'
                       : good.p[good.n - 1] == 'g' ? 'h' : 'x'), 's',
           "spare bits of the signature");
    ae_buf_init(&b, &a, 0);
    for (int i = 0; i < 100000; i++)
        ae_buf_putc(&b, '.');
    expect(&in, ae_buf_str(&b), 's', "J11 dots");
    ae_buf_init(&b, &a, 0);
    ae_buf_puts(&b, "{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"sub\":\"b\","
                "\"exp\":4102444800,\"groups\":[");
    for (int i = 0; i < 1001; i++)
        ae_buf_puts(&b, i ? ",\"g\"" : "\"g\"");
    ae_buf_puts(&b, "]}");
    expect(&in, sign_token(&a, keys[3].key, AE_ES256, header(AE_ES256,
           "p256"), ae_buf_str(&b)), 's', "J13 1,001 groups");
    expect(&in, sign_token(&a, keys[3].key, AE_ES256, header(AE_ES256,
           "p256"), AE_STR("{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"exp\":"
           "4102444800,\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}")), 's',
           "J13 depth 18");
}

/* Sets that Argo CD reads and sets that it does not (section 5). */
static void sets(void)
{
    static const struct { const char *text; char want; } row[] = {
        { "{\"keys\":[%s]}", 'y' }, { "{\"keys\":[null,%s]}", 'u' },
        { "{\"keys\":[{\"kty\":\"XYZ\"},%s]}", 'u' },
        { "{\"keys\":[{\"kty\":\"XYZ\",\"alg\":\"ML-DSA-65\"},%s]}", 'y' },
        { "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"p256\"},%s]}",
          'y' },
        { "{\"keys\":[{\"kty\":\"oct\"},%s]}", 'u' },
        { "{\"keys\":[%s,%s]}", 'u' }, { "{\"KEYS\":[%s]}", 'u' },
        { "%s", 'u' }, { "{\"keys\":[],\"keys\":[%s]}", 'u' },
        { "[%s", 'u' }, { "{\"keys\":null}", 'u' },
        { "{\"x\":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]],\"keys\":[%s]}", 'u' },
    };
    struct ae_inputs in = inputs();
    json_t *o = sign_jwk(&a, keys[3].key, "p256");
    char   *jwk = json_dumps(o, JSON_COMPACT);
    ae_str  t = sign_token(&a, keys[3].key, AE_ES256,
                           header(AE_ES256, "p256"), AE_STR(BODY));
    ae_buf  b;

    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        ae_str rest = ae_cs(row[i].text);

        ae_buf_init(&b, &a, 0);
        for (;;) {
            size_t at = ae_find_str(rest, AE_STR("%s"));

            ae_buf_put(&b, ae_sub(rest, 0, at));
            if (at == SIZE_MAX)
                break;
            ae_buf_puts(&b, jwk);
            rest = ae_sub(rest, at + 2, rest.n);
        }
        in.sso.jwks.text = ae_buf_str(&b);
        expect(&in, t, row[i].want, row[i].text);
    }
    ae_buf_init(&b, &a, 0);
    ae_buf_printf(&b, "{\"keys\":[%s", jwk);
    for (int i = 0; i < 64; i++)
        ae_buf_puts(&b, ",{\"kty\":\"x\",\"alg\":\"x\"}");
    ae_buf_puts(&b, "]}");
    in.sso.jwks.text = ae_buf_str(&b);
    expect(&in, t, 'u', "65 keys");
    free(jwk);
    json_decref(o);
}

static void jwk_row(const char *member, json_t *value, char want)
{
    struct ae_inputs in = inputs();
    json_t *o = sign_jwk(&a, keys[3].key, "p256");
    json_t *set = json_pack("{s:[O]}", "keys", o);
    char   *z;

    json_object_set_new(o, member, value);
    z = json_dumps(set, JSON_COMPACT);
    in.sso.jwks.text = ae_dup(&a, ae_cs(z));
    expect(&in, sign_token(&a, keys[3].key, AE_ES256, header(AE_ES256,
           "p256"), AE_STR(BODY)), want, z);
    free(z);
    json_decref(set);
    json_decref(o);
}

/* The members of a key. */
static void members(void)
{
    ae_str x = ae_b64url_encode(&a, AE_STR("0123456789abcdef0123456789abcde"));

    jwk_row("use", json_string("sig"), 'y');
    jwk_row("use", json_string("enc"), 'u');
    jwk_row("use", json_integer(1), 'u');
    jwk_row("key_ops", json_pack("[s]", "verify"), 'y');
    jwk_row("key_ops", json_pack("[s]", "encrypt"), 'u');
    jwk_row("alg", json_string("ES256"), 'y');
    jwk_row("alg", json_string(""), 'y');
    jwk_row("alg", json_string("ES384"), 'u');
    jwk_row("alg", json_string("HS256"), 'u');
    jwk_row("alg", json_integer(5), 'u');
    jwk_row("kid", json_integer(5), 'u');
    jwk_row("crv", json_string("secp256k1"), 'u');
    jwk_row("x", json_stringn(x.p, x.n), 'u');
    jwk_row("x5t", json_string("AAAA"), 'u');
    jwk_row("x5c", json_pack("[s]", "AAAA"), 'u');
    jwk_row("d", json_string("AAAA"), 'n');
}

/* What went before does not open doors, and closes none. */
static void rotation(void)
{
    struct ae_inputs in = inputs();
    ae_tokens *t1 = NULL, *t2 = NULL;
    struct ae_token_result r;
    json_t *o = json_pack("{s:[o]}", "keys", sign_jwk(&a, keys[7].key,
                                                      "p256"));
    char   *z = json_dumps(o, JSON_COMPACT);
    ae_str  h = header(AE_ES256, "p256");
    ae_str  was = sign_token(&a, keys[3].key, AE_ES256, h, AE_STR(BODY));
    ae_str  is = sign_token(&a, keys[7].key, AE_ES256, h, AE_STR(BODY));
    ae_str  lack = sign_token(&a, keys[7].key, AE_ES256,
                              header(AE_ES256, "zz"), AE_STR(BODY));

    ae_tokens_new(&in, AE_STR("argocd"), &t1, NULL);
    in.sso.jwks.text = ae_cs(z);
    ae_tokens_new(&in, AE_STR("argocd"), &t2, NULL);
    ae_tokens_follow(t2, t1);
    ae_tokens_free(t1);
    ae_token_check(t2, &a, is, NOW, &r);
    tap_ok(r.verdict == AE_TOKEN_OK, "the new key under the old name");
    ae_identity_unref(r.identity);
    ae_token_check(t2, &a, was, NOW, &r);
    tap_ok(r.verdict == AE_TOKEN_UNKNOWN && !r.lacks_key,
           "the old key is for Argo CD to judge");
    ae_token_check(t2, &a, lack, NOW, &r);
    tap_ok(r.verdict == AE_TOKEN_UNKNOWN && r.lacks_key, "a key is lacked");
    ae_token_check_keys(t2, NULL, true, &a, lack, NOW, &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED || r.lacks_key,
           "without a set nothing is fresh");
    ae_token_check_keys(t2, ae_tokens_keyset(t2), true, &a, lack, NOW, &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && ae_eq_lit(r.reason, FAILED),
           "by a set that is newer than the token it is refused");
    ae_token_check_keys(t2, ae_tokens_keyset(t2), true, &a, was, NOW, &r);
    tap_ok(r.verdict == AE_TOKEN_UNKNOWN, "but not a key of before");
    ae_tokens_free(t2);
    free(z);
    json_decref(o);
}

int main(void)
{
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    make_keys();
    make_documents();
    matrix();
    for (size_t i = 0; i < NALGS; i++)
        tamper(algs[i]);
    confusion();
    headers();
    claims();
    shapes();
    sets();
    members();
    rotation();
    tap_ok(ERR_peek_error() == 0, "OpenSSL's queue is as it was");
    for (size_t i = 0; i < NKEYS; i++)
        EVP_PKEY_free(keys[i].key);
    ae_heap_free(&heap);
    return tap_done();
}
