/*
 * revoke.c - tokens that Argo CD may refuse, or refuses, whatever they show.
 *
 * Logouts that pass through us: Argo CD remembers jti or at_hash of a token at
 * logout and looks for jti, uti or at_hash at use, in one name space for all
 * users (semantics-oidc.md section 8).  We remember all three: a token that may
 * be revoked is not refused here, it is passed on undecided, so a false
 * positive costs nothing but time.
 *
 * Argo CD's own list, where `argo-edge agent` follows it: what stands there is
 * refused in Argo CD's words.  Tokens of projects are not asked for there
 * (sessionmanager.go, Parse).
 */
#include "edge/keys.h"

#define KEEP_NS (INT64_C(25) * 3600 * 1000000000)

void ae_revoke_open(ae_engine *e)
{
    ae_marks_open(&e->logouts, e->zone, AE_ZONE_REVOKED);
    ae_marks_open(&e->revoked, e->zone, AE_ZONE_LISTED);
}

static const char *const names[] = { "jti", "uti", "at_hash" };

bool ae_revoke_hit(ae_engine *e, const json_t *claims)
{
    if (!claims || !ae_marks_any(&e->logouts))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (ae_marks_has(&e->logouts, ae_json_get_str(claims, names[i])))
            return true;
    return false;
}

static void note_all(ae_engine *e, const json_t *claims)
{
    int64_t until = ae_zone_now() + KEEP_NS;

    for (size_t i = 0; i < 3; i++)
        ae_marks_put(&e->logouts, ae_json_get_str(claims, names[i]), until);
}

void ae_revoke_again(ae_txn *t)
{
    note_all(t->e, t->id->claims);
}

/* A later logout stands. */
void ae_revoke_clear(ae_txn *t)
{
    for (size_t i = 0; i < 3; i++)
        ae_marks_drop(&t->e->logouts,
                      ae_json_get_str(t->id->claims, names[i]),
                      t->revoked_ns + KEEP_NS);
}

bool ae_revoke_listed(const ae_engine *e, const struct ae_identity *id)
{
    return (id->kind == AE_KIND_LOGIN || id->kind == AE_KIND_APIKEY
            || id->kind == AE_KIND_OIDC)
        && ae_marks_has(&e->revoked, id->jti);
}

bool ae_revoke_listed_too(ae_txn *t)
{
    json_t *header = NULL, *claims = NULL;
    bool is = false;

    if (ae_marks_any(&t->e->revoked)
        && ae_token_decode(&t->a, t->cred.token, &header, &claims, NULL)
               == AE_OK)
        is = ae_marks_has(&t->e->revoked, ae_json_get_str(claims, "jti"));
    json_decref(header);
    json_decref(claims);
    return is;
}

/* Only a token that Argo CD would take can revoke anything there
 * (logout-misc.jti-of-bad-aud); one that we cannot judge may be such. */
void ae_revoke_logout(ae_txn *t)
{
    struct ae_cred cred;
    struct ae_token_result r;
    json_t *header = NULL, *claims = NULL;

    if (ae_token_pick(&t->a, ae_s(NULL, 0), false, t->req->cookie,
                      t->req->ncookie, &cred) != AE_PICK_OK
        || cred.source != AE_CRED_COOKIE)
        return;
    ae_keys_check(t, cred.token, &r);
    ae_identity_unref(r.identity);
    if (r.verdict == AE_TOKEN_REFUSED)
        return;
    if (ae_token_decode(&t->a, cred.token, &header, &claims, NULL) == AE_OK)
        note_all(t->e, claims);
    json_decref(header);
    json_decref(claims);
}
