/*
 * identity.c - who a verified token speaks for: immutable and refcounted.
 */
#include "token/internal.h"

#include "base/count.h"

#include <stdlib.h>

const char *ae_token_kind_name(enum ae_token_kind k)
{
    switch (k) {
    case AE_KIND_ANONYMOUS: return "anonymous";
    case AE_KIND_LOGIN:     return "login";
    case AE_KIND_APIKEY:    return "apikey";
    case AE_KIND_PROJECT:   return "project";
    case AE_KIND_OIDC:      return "oidc";
    default:                return "none";
    }
}

struct ae_identity *ae_identity_new(enum ae_token_kind kind, ae_str issuer,
                                    ae_str user, ae_str jti, json_t *claims)
{
    size_t              n = issuer.n + user.n + jti.n + 1;
    struct ae_identity *i = calloc(1, sizeof(*i) + n);
    unsigned char       k = (unsigned char)kind;
    ae_str              fields[3];
    char               *p;

    if (!i)
        return NULL;
    p = (char *)(i + 1);
    memcpy(p, issuer.p ? issuer.p : "", issuer.n);
    i->issuer = ae_s(p, issuer.n);
    p += issuer.n;
    memcpy(p, user.p ? user.p : "", user.n);
    i->user = ae_s(p, user.n);
    p += user.n;
    memcpy(p, jti.p ? jti.p : "", jti.n);
    i->jti = ae_s(p, jti.n);
    i->kind = kind;
    i->claims = json_incref(claims);
    /* the cache's scope (T6, K12); not a secret, hence the fixed key */
    fields[0] = i->issuer;
    fields[1] = i->user;
    fields[2] = ae_s((const char *)&k, 1);
    ae_hmac256(AE_STR("argo-edge identity"), fields, 3, i->id_hash);
    atomic_init(&i->refs, 1);
    return i;
}

void ae_identity_ref(struct ae_identity *i)
{
    if (i)
        ae_ref_up(&i->refs, i->alone);
}

void ae_identity_unref(struct ae_identity *i)
{
    if (!i || !ae_ref_down(&i->refs, i->alone))
        return;
    if (i->attached && i->attached_free)
        i->attached_free(i->attached);
    json_decref(i->claims);
    free(i);
}
