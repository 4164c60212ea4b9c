/* jwks.c - discovery document and key set of a provider, a line each: made of
 * anything, and no key of it has signed what nobody signed. */
#include "fuzz.h"
#include "token/token.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://idp/keys"
         "\",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES"
         "256\",\"EdDSA\"]}" "\n"
         "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\",\"alg\":\"RS256\","
         "\"use\":\"sig\",\"e\":\"AQAB\",\"n\":\"tCXnYy6cIYPjoggK-tZvJ"
         "3wBWCdTRLfnYxI1Ogp1qJa85D3roUkbkTbT_ifNhtBURZA1CQJrdWZgY3TIK"
         "LKxpQLEeR0q7DdIzdAcd3YU53rVxsBhCqETOTygsw1NSN6Eq-5FF4f7XSDKt"
         "wkwo9lQSlZzUmkKAVs7LY0ZGC1v-WL326ADx4J_P9l8hgIkwXynbcM7DrLfT"
         "XkStXm3fM7k2q_pmuGWQMqpw5iAuAdbOkd_pTAJdH4g9MoG_SzzSZ3cM9DmY"
         "mexSwTwoZExnE0H_JbTGYwPUy7Tg_aSjYEzRaCH_mtI56z2e4PtyMWN-wyqq"
         "Ck0UWybMeJkKcII5B-ljQ\"},{\"kty\":\"EC\",\"crv\":\"P-256\","
         "\"kid\":\"b\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPH"
         "vRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
         "\"}]}"),
    SEED("{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://idp/keys"
         "\",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES"
         "256\",\"EdDSA\"]}" "\n"
         "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qY"
         "AYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"),
    SEED("{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://idp/keys"
         "\",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES"
         "256\",\"EdDSA\"]}" "\n"
         "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"a\",\"k\":\"c2VjcmV0\""
         "},{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"b\",\"x\":\"f8"
         "3OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9"
         "m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"),
    SEED("" "\n"
         "{\"keys\":null}"),
    SEED("{\"issuer\":\"https://idp\",\"jwks_uri\":\"https://idp/keys"
         "\",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES"
         "256\",\"EdDSA\"]}" "\n"
         "{\"keys\":[{\"kty\":\"RSA\",\"x5c\":[\"AAAA\"],\"x5t\":\"AAA"
         "A\"}]}"),
    SEED("{\"issuer\":\"https://idp\"}" "\n"
         "{}"),
    { NULL, 0 }
};

/* {"alg":ALG,"kid":KID} of iss https://idp, aud argo, until 2100; three bytes
 * of signature. */
#define CLAIMS "eyJpc3MiOiJodHRwczovL2lkcCIsImF1ZCI6ImFyZ28iLCJleHAiOjQxMDI0N" \
               "DQ4MDB9"

static const char *const tokens[] = {
    "eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ." CLAIMS ".AAAA",
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImIifQ." CLAIMS ".AAAA",
    "eyJhbGciOiJFZERTQSJ9." CLAIMS ".AAAA",
    "eyJhbGciOiJIUzI1NiIsImtpZCI6ImEifQ." CLAIMS ".AAAA",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ae_str aud[] = { { "argo", 4 } };
    struct ae_inputs in = { .have_accounts = true,
                            .sso = { .kind = AE_SSO_OIDC, .aud = aud,
                                     .naud = 1 } };
    ae_keyset   *set = NULL, *old = NULL;
    ae_tokens   *t;
    struct fuzz  f;
    ae_str       disc;

    in.sso.issuer = AE_STR("https://idp");
    fuzz_begin(&f, data, size);
    disc = fuzz_line(&f);
    if (ae_tokens_new(&in, AE_STR("argocd"), &t, NULL) == AE_OK) {
        ae_keyset_new(in.sso.issuer, disc.n ? disc : ae_s(NULL, 0), f.in,
                      &set, NULL);
        ae_keyset_new(in.sso.issuer, ae_s(NULL, 0), f.in, &old, NULL);
        if (set && old)
            ae_keyset_replaces(set, old);
        for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
            struct ae_token_trace tr = { .a = &f.a };
            struct ae_token_result r;

            ae_token_explain(t, set, &f.a, ae_cs(tokens[i]), 1767225600, &tr,
                             &r);
            FUZZ_HOLD(r.verdict != AE_TOKEN_OK && !r.identity);
        }
        ae_keyset_unref(set);
        ae_keyset_unref(old);
        ae_tokens_free(t);
    }
    fuzz_end(&f);
    return 0;
}
