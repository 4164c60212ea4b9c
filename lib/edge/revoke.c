/*
 * revoke.c - logouts that pass through us.
 *
 * Argo CD remembers jti or at_hash of a token at logout and looks for jti, uti
 * or at_hash at use, in one name space for all users (semantics-oidc.md section
 * 8).  We remember all three: a token that may be revoked is not refused here,
 * it is passed on undecided, so a false positive costs nothing but time.
 */
#include "edge/keys.h"

enum { WAYS = 8 };

#define KEEP_NS (INT64_C(25) * 3600 * 1000000000)

struct slot { _Atomic uint64_t tag; _Atomic int64_t until_ns; };

struct ae_revoked {
    _Atomic uint64_t count;    /* ever noted: 0 spares everybody the search */
    uint64_t         pad[7];
    struct slot      slot[];
};

void ae_revoke_open(ae_engine *e)
{
    size_t n = 0;

    e->revoked = ae_zone_section(e->zone, AE_ZONE_REVOKED, sizeof *e->revoked
                                 + WAYS * sizeof(struct slot), &n);
    e->nrevoked = e->revoked ? (n - sizeof *e->revoked)
                                   / (WAYS * sizeof(struct slot)) : 0;
}

static uint64_t tag_of(const ae_engine *e, ae_str id)
{
    const uint64_t *seed = ae_zone_seed(e->zone);
    unsigned char h[32];
    uint64_t tag;

    ae_hmac256(ae_s((const char *)seed, 16), &id, 1, h);
    memcpy(&tag, h, sizeof tag);
    return tag | 1;
}

static void note(ae_engine *e, ae_str id)
{
    struct ae_revoked *s = e->revoked;
    size_t buckets = e->nrevoked;
    uint64_t tag;
    struct slot *b, *at;

    if (!id.n || !buckets)
        return;
    tag = tag_of(e, id);
    b = at = s->slot + tag % buckets * WAYS;
    for (size_t i = 0; i < WAYS; i++) {
        if (atomic_load(&b[i].tag) == tag) {
            at = &b[i];
            break;
        }
        if (atomic_load(&b[i].until_ns) < atomic_load(&at->until_ns))
            at = &b[i];
    }
    atomic_store(&at->tag, tag);
    atomic_store(&at->until_ns, ae_zone_now() + KEEP_NS);
    atomic_fetch_add(&s->count, 1);
}

static bool noted(const struct ae_revoked *s, size_t buckets, uint64_t tag)
{
    const struct slot *b = s->slot + tag % buckets * WAYS;

    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&b[i].tag, memory_order_relaxed) == tag
            && atomic_load_explicit(&b[i].until_ns, memory_order_relaxed)
                   > ae_zone_now())
            return true;
    return false;
}

static const char *const names[] = { "jti", "uti", "at_hash" };

bool ae_revoke_hit(ae_engine *e, const json_t *claims)
{
    struct ae_revoked *s = e->revoked;
    size_t buckets = e->nrevoked;

    if (!buckets || !claims
        || atomic_load_explicit(&s->count, memory_order_acquire) == 0)
        return false;
    for (size_t i = 0; i < 3; i++) {
        ae_str id = ae_json_get_str(claims, names[i]);

        if (id.n && noted(s, buckets, tag_of(e, id)))
            return true;
    }
    return false;
}

static void note_all(ae_engine *e, const json_t *claims)
{
    for (size_t i = 0; i < 3; i++)
        note(e, ae_json_get_str(claims, names[i]));
}

void ae_revoke_again(ae_txn *t)
{
    note_all(t->e, t->id->claims);
}

void ae_revoke_clear(ae_txn *t)
{
    struct ae_revoked *s = t->e->revoked;
    size_t buckets = t->e->nrevoked;

    for (size_t i = 0; buckets && i < 3; i++) {
        ae_str id = ae_json_get_str(t->id->claims, names[i]);
        uint64_t tag = id.n ? tag_of(t->e, id) : 0;
        struct slot *b = s->slot + tag % buckets * WAYS;

        for (size_t k = 0; tag && k < WAYS; k++)
            /* a later logout stands */
            if (atomic_load(&b[k].tag) == tag
                && atomic_load(&b[k].until_ns) - KEEP_NS < t->revoked_ns)
                atomic_store(&b[k].until_ns, 0);
    }
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
