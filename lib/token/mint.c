/*
 * mint.c - make and look into tokens, for the command line, the demo and the
 * tests.
 */
#include "token/internal.h"

#include <jwt.h>
#include <openssl/crypto.h>
#include <stdlib.h>

int ae_token_mint(ae_arena *a, ae_str secret, const json_t *claims,
                  ae_str *out, struct ae_err *err)
{
    jwt_t *j = NULL;
    char  *z = json_dumps(claims, JSON_COMPACT), *text = NULL;
    int    rc = AE_OK;

    *out = ae_s(NULL, 0);
    if (!json_is_object(claims) || !secret.n || secret.n > INT32_MAX) {
        rc = ae_err_set(err, AE_E_INVAL, "a token needs a secret and claims "
                        "in an object");
    } else if (!z || jwt_new(&j)
               || jwt_set_alg(j, JWT_ALG_HS256,
                              (const unsigned char *)secret.p, (int)secret.n)
               || jwt_add_grants_json(j, z)
               || !(text = jwt_encode_str(j))) {
        rc = ae_err_set(err, AE_E_NOMEM, "libjwt could not make the token");
    } else {
        *out = ae_dup(a, ae_cs(text));
        if (!out->p)
            rc = ae_err_set(err, AE_E_NOMEM, "out of memory");
        OPENSSL_cleanse(text, strlen(text));
    }
    free(text); /* libjwt 1.10 has no jwt_free_str() */
    jwt_free(j);
    free(z);
    return rc;
}

int ae_token_decode(ae_arena *a, ae_str token, json_t **header,
                    json_t **payload, struct ae_err *err)
{
    struct ae_gate g;
    int            rc = ae_gate_decode(a, token, &g);

    *header = *payload = NULL;
    if (rc == AE_OK) {
        *header = json_incref(g.header);
        *payload = json_incref(g.claims);
    } else if (rc == AE_E_SYNTAX) {
        ae_err_set(err, rc, "%.*s", (int)g.reason.n, g.reason.p);
    } else {
        ae_err_set(err, rc, rc == AE_E_TOOBIG
                            ? "token is longer than 16384 bytes"
                            : "out of memory");
    }
    ae_gate_free(&g);
    return rc;
}
