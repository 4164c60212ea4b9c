/*
 * check_oidc_keys.c - suite api.oidc: both verifiers over every key of the
 * set.
 */
#include "runner.h"

#include "token/keys.h"

#include <stdio.h>

/* libjwt must say of every key what OpenSSL says, wherever it judges. */
bool oidc_verifiers_agree(const char *jwks, const char *token, char *why,
                          size_t n)
{
    ae_heap        heap = { NULL, 0 };
    ae_arena       a;
    struct ae_gate g;
    json_t        *set = jwks ? json_loads(jwks, 0, NULL) : NULL;
    json_t        *k;
    size_t         i;
    bool           same = true;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (ae_gate_open(&a, ae_cs(token), &g) == AE_OK)
        json_array_foreach(json_object_get(set, "keys"), i, k) {
            struct ae_jwk j;
            ae_key       *key = NULL;
            enum ae_sig   one, two;

            if (ae_jwk_read(k, true, &j) != AE_JWK_PUBLIC)
                continue;
            if (ae_key_pkey(j.pkey, g.alg, &key, NULL) == AE_OK) {
                one = ae_verify_evp(key, g.alg, g.input, g.sig);
                two = ae_verify_libjwt(key, g.alg, ae_cs(token));
                if (two != AE_SIG_NO_VERDICT && one != two) {
                    snprintf(why, n, "got %d of libjwt, want %d as OpenSSL",
                             two, one);
                    same = false;
                }
            }
            ae_key_free(key);
            EVP_PKEY_free(j.pkey);
        }
    ae_gate_free(&g);
    json_decref(set);
    ae_heap_free(&heap);
    return same;
}
