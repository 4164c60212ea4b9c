/*
 * verify_libjwt.c - libjwt 1.10 as the second opinion.
 *
 * It takes the algorithm from the header and refuses for reasons that have
 * nothing to do with the signature (a typ other than JWT, JSON of which
 * jansson disapproves), always with EINVAL.  So whatever it would refuse
 * unheard is sorted out first: there it has no verdict.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "token/keys.h"

#include <jwt.h>
#include <openssl/err.h>
#include <stdlib.h>

static jwt_alg_t jwt_alg_of(enum ae_alg alg)
{
    switch (alg) {
    case AE_HS256: return JWT_ALG_HS256;
    case AE_HS384: return JWT_ALG_HS384;
    case AE_HS512: return JWT_ALG_HS512;
    case AE_RS256: return JWT_ALG_RS256;
    case AE_RS384: return JWT_ALG_RS384;
    case AE_RS512: return JWT_ALG_RS512;
    case AE_ES256: return JWT_ALG_ES256;
    case AE_ES384: return JWT_ALG_ES384;
    case AE_ES512: return JWT_ALG_ES512;
    default:       return JWT_ALG_INVAL;
    }
}

/* Can libjwt read this part?  It decodes to a C string and gives that to
 * json_loads() with duplicates refused. */
static json_t *readable(ae_arena *a, ae_str part)
{
    ae_str raw;
    size_t bad = 0;
    char  *z;

    if (ae_b64url_decode(a, part, true, &raw, &bad) || !raw.n
        || memchr(raw.p, 0, raw.n))
        return NULL;
    z = ae_alloc(a, raw.n + 1);
    if (!z)
        return NULL;
    memcpy(z, raw.p, raw.n);
    z[raw.n] = '\0';
    return json_loads(z, JSON_REJECT_DUPLICATES, NULL);
}

/* True when only the signature is left to judge. */
static bool judgeable(ae_str token, enum ae_alg alg)
{
    ae_heap  heap = { NULL, 0 };
    ae_arena a;
    ae_str   head, body, sig, raw;
    size_t   bad = 0;
    json_t  *h, *b;
    ae_str   typ, name;
    bool     ok;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    sig = ae_cut(ae_cut(token, '.', &head), '.', &body);
    h = readable(&a, head);
    b = readable(&a, body);
    typ = ae_json_get_str(h, "typ");
    name = ae_json_get_str(h, "alg");
    /* line ends are spelling, too: Go skips them, libjwt does not */
    ok = json_is_object(h) && json_is_object(b) && sig.n
      && ae_find(token, '\n') == token.n && ae_find(token, '\r') == token.n
      && ae_find(sig, '.') == sig.n
      && ae_b64url_decode(&a, sig, true, &raw, &bad) == AE_OK
      && (!typ.p || ae_ieq(typ, AE_STR("JWT")))
      && ae_eq(name, ae_cs(ae_alg_name(alg)));
    json_decref(h);
    json_decref(b);
    ae_heap_free(&heap);
    return ok;
}

enum ae_sig ae_verify_libjwt(const ae_key *k, enum ae_alg alg, ae_str token)
{
    bool   ok;
    jwt_t *j = NULL;
    char  *z;

    if (jwt_alg_of(alg) == JWT_ALG_INVAL || token.n > AE_TOKEN_MAX)
        return AE_SIG_NO_VERDICT;
    /* with no key libjwt would check the form only; and a public key must
     * never become a secret (J03) */
    if (!k || !k->text.n || k->alg != (ae_alg_is_hmac(alg) ? AE_ALG_NONE
                                                           : alg))
        return AE_SIG_BAD;
    if (!judgeable(token, alg))
        return AE_SIG_NO_VERDICT;
    z = malloc(token.n + 1);
    if (!z)
        return AE_SIG_NO_VERDICT;
    memcpy(z, token.p, token.n);
    z[token.n] = '\0';
    ok = jwt_decode(&j, z, (const unsigned char *)k->text.p, (int)k->text.n)
             == 0
      && jwt_get_alg(j) == jwt_alg_of(alg);
    jwt_free(j);
    OPENSSL_cleanse(z, token.n);
    free(z);
    ERR_clear_error();
    return ok ? AE_SIG_OK : AE_SIG_BAD;
}
