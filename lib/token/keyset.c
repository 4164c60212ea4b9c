/*
 * keyset.c - what the provider says of itself: the algorithms of its
 * discovery document and its keys (semantics-oidc.md sections 2, 4 and 5).
 *
 * Both documents become one immutable object in which each key is parsed once
 * for every algorithm that it may be used with (T6).  An object knows what it
 * replaced: Argo CD keeps a withdrawn key until a token fails, so for us such
 * a key neither opens a door nor closes one.
 */
#include "token/keys.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { DOC_DEPTH = 16, KEYS_MAX = 64, DOC_MAX = 256 * 1024, BEFORE_MAX = 3 };

struct slot {
    char       *kid;      /* owned, NUL-terminated; "" if there is none */
    size_t      nkid;
    enum ae_alg first;    /* the first algorithm of its type */
    enum ae_alg named;    /* alg of the key itself, or AE_ALG_NONE */
    bool        odd;      /* not meant for signatures */
    bool        secret;   /* verifies nothing */
    ae_key     *key[6];   /* RSA: RS and PS; else the first one; NULL: weak */
};

struct ae_keyset {
    _Atomic uint32_t refs;
    uint64_t         gen;
    unsigned         algs;      /* bit per enum ae_alg */
    char            *jwks_uri;  /* of the discovery document, or NULL */
    struct slot      slot[KEYS_MAX];
    size_t           n;
    ae_keyset       *before;
};

/* ---- the discovery document --------------------------------------------- */

static int unusable(struct ae_err *err, const char *doc, const char *why)
{
    return ae_err_set(err, AE_E_SYNTAX, "%s cannot be used: %s", doc, why);
}

/* Go takes member names without regard to case; a document that relies on it
 * is not for us. */
static bool other_case(const json_t *o, const char *const *names, size_t n)
{
    const json_t *v;
    const char   *k;

    json_object_foreach((json_t *)(uintptr_t)o, k, v)
        for (size_t i = 0; i < n; i++)
            if (ae_ieq(ae_cs(k), ae_cs(names[i])) && strcmp(k, names[i]) != 0)
                return true;
    return false;
}

static bool texts_ok(const json_t *o, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(o, names[i]);

        if (v && !json_is_null(v) && !json_is_string(v))
            return false;
    }
    return true;
}

static bool web_url(ae_str u)
{
    size_t at = ae_find_str(u, AE_STR("://"));

    return (ae_starts(u, AE_STR("https://")) || ae_starts(u, AE_STR("http://")))
        && u.n > at + 3;
}

/* The list, cut down to what Argo CD knows; RS256 if nothing is left. */
static bool read_algs(ae_keyset *s, const json_t *list)
{
    const json_t *v;
    enum ae_alg   alg;
    size_t        i;

    if (list && !json_is_null(list) && !json_is_array(list))
        return false;
    json_array_foreach(list, i, v) {
        if (!json_is_string(v))
            return false;
        if (ae_alg_find(ae_json_str(v), &alg) && alg >= AE_RS256)
            s->algs |= 1u << alg;
    }
    if (!s->algs)
        s->algs = 1u << AE_RS256;
    return true;
}

static int read_discovery(ae_keyset *s, ae_str issuer, ae_str text,
                          struct ae_err *err)
{
    static const char *const names[] = { "issuer", "authorization_endpoint",
        "token_endpoint", "device_authorization_endpoint", "jwks_uri",
        "userinfo_endpoint", "id_token_signing_alg_values_supported" };
    static const char doc[] = "the discovery document";
    struct ae_err     e = { 0 };
    json_t           *o = ae_json_parse(text, DOC_DEPTH, &e);
    ae_str            uri = ae_json_get_str(o, "jwks_uri");
    int               rc = AE_OK;

    if (!json_is_object(o))
        rc = unusable(err, doc, e.code ? e.text : "it is no JSON object");
    else if (other_case(o, names, 7) || !texts_ok(o, names, 6))
        rc = unusable(err, doc, "a member has another name or type than it "
                      "should");
    else if (!ae_eq(ae_json_get_str(o, "issuer"), issuer) || !issuer.n)
        rc = unusable(err, doc, "its issuer is not the one of oidc.config");
    else if (!web_url(uri) || strlen(uri.p) != uri.n)
        rc = unusable(err, doc, "it has no absolute jwks_uri");
    else if (!read_algs(s, json_object_get(o, names[6])))
        rc = unusable(err, doc, "its list of algorithms is no list of texts");
    else if (!(s->jwks_uri = strdup(uri.p)))
        rc = ae_err_set(err, AE_E_NOMEM, "out of memory");
    json_decref(o);
    return rc;
}

/* ---- the keys ----------------------------------------------------------- */

static int fill(struct slot *k, const struct ae_jwk *j, struct ae_err *err)
{
    size_t n = j->first == AE_RS256 ? 6 : 1;

    k->kid = malloc(j->kid.n + 1);
    if (!k->kid)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    if (j->kid.n)
        memcpy(k->kid, j->kid.p, j->kid.n);
    k->kid[j->kid.n] = '\0';
    k->nkid = j->kid.n;
    k->first = j->first;
    k->named = j->alg;
    k->odd = j->odd;
    for (size_t i = 0; j->pkey && i < n; i++) {
        int rc = ae_key_pkey(j->pkey, (enum ae_alg)(j->first + i),
                             &k->key[i], NULL);

        ERR_clear_error();
        if (rc == AE_E_NOMEM)
            return ae_err_set(err, rc, "out of memory");
    }
    return AE_OK;
}

static ae_str kid_of(const struct slot *k)
{
    return ae_s(k->kid, k->nkid);
}

static int add(ae_keyset *s, const json_t *o, struct ae_err *err)
{
    struct ae_jwk     j;
    enum ae_jwk_state state = ae_jwk_read(o, true, &j);
    struct slot      *k = &s->slot[s->n];
    int               rc;

    if (state == AE_JWK_BAD)
        return unusable(err, "the key set", j.why);
    if (state == AE_JWK_SKIP)
        return AE_OK;
    rc = fill(k, &j, err);
    k->secret = state == AE_JWK_SECRET;
    EVP_PKEY_free(j.pkey);
    s->n++;
    for (size_t i = 0; rc == AE_OK && k->nkid && i + 1 < s->n; i++)
        if (ae_eq(kid_of(&s->slot[i]), kid_of(k)))
            rc = unusable(err, "the key set", "two keys have the same kid");
    return rc;
}

static int read_keys(ae_keyset *s, ae_str text, struct ae_err *err)
{
    static const char *const names[] = { "keys" };
    struct ae_err e = { 0 };
    json_t       *o = ae_json_parse(text, DOC_DEPTH, &e), *keys, *v;
    size_t        i;
    int           rc = AE_OK;

    keys = json_object_get(o, "keys");
    if (!json_is_object(o))
        rc = unusable(err, "the key set", e.code ? e.text
                                                 : "it is no JSON object");
    else if (other_case(o, names, 1)
             || (keys && !json_is_null(keys) && !json_is_array(keys)))
        rc = unusable(err, "the key set", "keys is no list");
    else if (json_array_size(keys) > KEYS_MAX)
        rc = unusable(err, "the key set", "it has more than 64 keys");
    json_array_foreach(keys, i, v) {
        if (rc != AE_OK)
            break;
        rc = add(s, v, err);
    }
    json_decref(o);
    return rc;
}

/* ---- making one --------------------------------------------------------- */

int ae_keyset_new(ae_str issuer, ae_str discovery, ae_str jwks,
                  ae_keyset **out, struct ae_err *err)
{
    ae_keyset *s = calloc(1, sizeof(*s));
    int        rc = AE_OK;

    *out = NULL;
    if (!s)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    atomic_init(&s->refs, 1);
    if (discovery.n > DOC_MAX || jwks.n > DOC_MAX)
        rc = ae_err_set(err, AE_E_TOOBIG, "a document of the provider is "
                        "larger than 256 KiB");
    if (rc == AE_OK && discovery.p)
        rc = read_discovery(s, issuer, discovery, err);
    else
        s->algs = 1u << AE_RS256;
    if (rc == AE_OK)
        rc = read_keys(s, jwks, err);
    if (rc != AE_OK) {
        ae_keyset_unref(s);
        return rc;
    }
    s->gen = ae_hash64(jwks, ae_hash64(discovery, ae_hash64(issuer, 7))) | 1;
    *out = s;
    return AE_OK;
}

void ae_keyset_ref(ae_keyset *s)
{
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void ae_keyset_unref(ae_keyset *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < KEYS_MAX; i++) {
        free(s->slot[i].kid);
        for (size_t k = 0; k < 6; k++)
            ae_key_free(s->slot[i].key[k]);
    }
    free(s->jwks_uri);
    ae_keyset_unref(s->before);
    free(s);
}

void ae_keyset_replaces(ae_keyset *s, ae_keyset *old)
{
    ae_keyset *k = old;

    for (int i = 0; k && i < BEFORE_MAX; i++)
        k = k->before;
    if (!old || s->before || k || old == s)
        return;      /* a chain that is full: the oldest are forgotten */
    ae_keyset_ref(old);
    s->before = old;
}

uint64_t ae_keyset_generation(const ae_keyset *s) { return s ? s->gen : 0; }

ae_str ae_keyset_uri(const ae_keyset *s)
{
    return s ? ae_cs(s->jwks_uri) : ae_s(NULL, 0);
}

ae_str ae_keyset_kids(const ae_keyset *s, ae_arena *a)
{
    ae_buf b;

    ae_buf_init(&b, a, 1024);
    for (size_t i = 0; s && i < s->n; i++) {
        ae_buf_puts(&b, i ? ", " : "");
        if (s->slot[i].nkid)
            ae_buf_put(&b, kid_of(&s->slot[i]));
        else
            ae_buf_puts(&b, "(one without a kid)");
    }
    if (b.bad)
        return AE_STR("too many to print");
    return b.n ? ae_buf_str(&b) : AE_STR("none");
}

/* ---- verifying ---------------------------------------------------------- */

enum family { F_RSA, F_EC, F_ED };

static enum family family(enum ae_alg alg)
{
    return alg == AE_EDDSA ? F_ED : alg >= AE_ES256 ? F_EC : F_RSA;
}

/* OK, BAD, or TRUST: not for us to say yes. */
static enum ae_keys_verdict try_slot(const struct slot *k, enum ae_alg alg,
                                     const struct ae_gate *g, ae_str token)
{
    const ae_key *key;

    if (k->secret || family(alg) != family(k->first))
        return AE_KEYS_BAD;
    if (family(alg) == F_EC && alg != k->first)
        return AE_KEYS_TRUST;   /* the curve is not the algorithm's */
    key = k->key[alg - k->first];
    if (!key)
        return AE_KEYS_TRUST;   /* short RSA and the like */
    if (ae_token_verify(key, alg, g, token) != AE_SIG_OK)
        return AE_KEYS_BAD;
    return k->odd || (k->named && k->named != alg) ? AE_KEYS_TRUST
                                                   : AE_KEYS_OK;
}

/* Announced now and ever since we know.  Argo CD reads the list once, and
 * again only when a signature fails (rotation-discovery.2-es256). */
static bool announced(const ae_keyset *s, enum ae_alg alg)
{
    for (; s; s = s->before)
        if (!(s->algs >> alg & 1))
            return false;
    return true;
}

static enum ae_keys_verdict try_all(const ae_keyset *s, ae_str kid,
                                    const struct ae_gate *g, ae_str token)
{
    enum ae_keys_verdict best = AE_KEYS_LACK;

    for (size_t i = 0; i < s->n; i++) {
        const struct slot   *k = &s->slot[i];
        enum ae_keys_verdict v;

        if (kid.n && !ae_eq(kid, kid_of(k)))
            continue;
        v = try_slot(k, g->alg, g, token);
        if (v == AE_KEYS_OK) {
            best = v;
            break;
        }
        if (v == AE_KEYS_TRUST)
            best = v;
        else if (kid.n && best == AE_KEYS_LACK)
            best = AE_KEYS_BAD; /* the key is here, the signature is not its */
    }
    if (best == AE_KEYS_OK && !announced(s, g->alg))
        best = AE_KEYS_TRUST;
    return best;
}

enum ae_keys_verdict ae_keyset_verify(const ae_keyset *s, ae_str kid,
                                      const struct ae_gate *g, ae_str token)
{
    enum ae_keys_verdict v, old;

    if (!s)
        return AE_KEYS_LACK;
    v = try_all(s, kid, g, token);
    if (v == AE_KEYS_OK || v == AE_KEYS_TRUST)
        return v;
    for (s = s->before; s; s = s->before) {
        old = try_all(s, kid, g, token);
        if (old == AE_KEYS_OK || old == AE_KEYS_TRUST)
            return AE_KEYS_TRUST;
    }
    return v;
}
