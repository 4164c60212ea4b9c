/*
 * oidc.c - tokens of the SSO provider, by the rules that were recorded from
 * Argo CD (semantics-oidc.md; names in comments are cases there).
 *
 * Whatever is wrong, Argo CD says the same sentence.  So the order of checks
 * is free, and what matters is certainty: BAD is what Argo CD refuses for
 * certain, whatever its key cache or its settings at start were; UNSURE is
 * passed on.  Only a token without either is accepted.
 */
#include "token/keys.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define FAILED AE_STR("failed to verify the token")

enum { KID_MAX = 256, NBF_LEEWAY_S = 300 };

struct look {
    ae_arena            *a;
    const ae_tokens     *t;
    const struct ae_sso *sso;
    struct ae_gate      *g;
    int64_t              now;
    bool                 bad;      /* Argo CD refuses this for certain */
    enum ae_token_step   at;       /* bad: where it was found first */
    const char          *unsure;   /* why it cannot be told */
    bool                 loose;    /* a member's name differs by case only */
    ae_str               kid;
    bool                 has_exp, has_nbf;
    int64_t              exp, nbf;
};

static void bad(struct look *l, enum ae_token_step step)
{
    if (!l->bad)
        l->at = step;
    l->bad = true;
}

static void unsure(struct look *l, const char *why)
{
    if (!l->unsure)
        l->unsure = why;
}

/* The same two, with the step and the value for who asks. */
static void bad_at(struct look *l, enum ae_token_step step,
                   const char *remedy, const char *seen)
{
    bad(l, step);
    AE_NOTE(l->g->trace, step, AE_FOUND_REFUSED, remedy, "%s", seen);
}

static void unsure_at(struct look *l, enum ae_token_step step,
                      const char *remedy, const char *why)
{
    unsure(l, why);
    AE_NOTE(l->g->trace, step, AE_FOUND_UNKNOWN, remedy, "%s", why);
}

/* ---- the header (semantics-oidc section 5) ------------------------------ */

static bool null_or_absent(const json_t *v)
{
    return !v || json_is_null(v);
}

/* crit may name b64 and nothing else; and b64 must not be false. */
static void check_crit(struct look *l)
{
    const json_t *crit = json_object_get(l->g->header, "crit");
    const json_t *b64 = json_object_get(l->g->header, "b64"), *v;
    size_t        i;

    if (json_is_false(b64))
        bad_at(l, AE_TS_HEADER, NULL, "b64 is false");
    else if (b64 && !json_is_true(b64))
        unsure(l, "b64 in the header is no boolean");
    if (!null_or_absent(crit) && !json_is_array(crit))
        bad_at(l, AE_TS_HEADER, NULL, "crit is no list");
    json_array_foreach(crit, i, v)
        if (!ae_eq_lit(ae_json_str(v), "b64"))
            bad_at(l, AE_TS_HEADER, NULL, "crit names more than b64");
}

/* Keys in the header never verify anything, but a malformed one is refused
 * (hdr.jwk-junk).  Argo CD reads more than we do, so it is not for certain. */
static void check_header_keys(struct look *l)
{
    const json_t *jwk = json_object_get(l->g->header, "jwk");
    const json_t *x5c = json_object_get(l->g->header, "x5c");
    unsigned char sha1[20], sha256[32];
    struct ae_jwk k;
    EVP_PKEY     *p;

    if (!null_or_absent(jwk)) {
        if (ae_jwk_read(jwk, false, &k) != AE_JWK_PUBLIC)
            unsure(l, "jwk in the header is no public key");
        EVP_PKEY_free(k.pkey);
    }
    if (!null_or_absent(x5c) && json_array_size(x5c) + !json_is_array(x5c)) {
        p = ae_jwk_x5c(x5c, sha1, sha256);
        if (!p)
            unsure(l, "x5c in the header cannot be read");
        EVP_PKEY_free(p);
    }
}

static void check_header(struct look *l)
{
    const json_t *h = l->g->header;
    const json_t *kid = json_object_get(h, "kid");
    const json_t *nonce = json_object_get(h, "nonce");

    if (l->g->alg < AE_RS256)
        bad_at(l, AE_TS_ALG, "SSO tokens are signed by a key of the provider, "
               "never by a shared secret: let it use RS256",
               ae_alg_name(l->g->alg));
    if (l->g->dup_header)
        bad_at(l, AE_TS_HEADER, NULL, "a member stands twice");
    if (!null_or_absent(kid) && !json_is_string(kid))
        bad_at(l, AE_TS_KEY, NULL, "kid is no text");
    if (!null_or_absent(nonce) && !json_is_string(nonce))
        bad_at(l, AE_TS_HEADER, NULL, "nonce is no text");
    l->kid = ae_json_str(kid);
    if (l->kid.n > KID_MAX && !l->g->stricter)
        l->g->stricter = "token is unverifiable: kid is longer than 256 bytes";
    check_crit(l);
    if (!l->bad)
        check_header_keys(l);
}

/* ---- claims (section 6) ------------------------------------------------- */

/* Go's case folding also takes the long s and the Kelvin sign. */
static size_t fold(const char *p, char *c)
{
    if ((unsigned char)p[0] == 0xC5 && (unsigned char)p[1] == 0xBF) {
        *c = 's';
        return 2;
    }
    if (memcmp(p, "\xE2\x84\xAA", strnlen(p, 3)) == 0 && strnlen(p, 3) == 3) {
        *c = 'k';
        return 3;
    }
    *c = p[0] >= 'A' && p[0] <= 'Z' ? (char)(p[0] + 32) : p[0];
    return 1;
}

static bool same_but_case(const char *k, const char *name)
{
    if (strcmp(k, name) == 0)
        return false;
    while (*k && *name) {
        char c;

        k += fold(k, &c);
        if (c != *name++)
            return false;
    }
    return !*k && !*name;
}

/* The verifier takes EXP for exp (exp.EXP-only), and the last one counts. */
static void find_loose(struct look *l)
{
    static const char *const names[] = { "iss", "sub", "aud", "exp", "iat",
        "nbf", "nonce", "at_hash", "_claim_names", "_claim_sources" };
    const json_t *v;
    const char   *k;

    json_object_foreach(l->g->claims, k, v)
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (same_but_case(k, names[i]))
                l->loose = true;
    if (l->loose)
        unsure_at(l, AE_TS_CLAIMS, NULL, "a claim has an unusual spelling");
}

/* A text that is a JSON number and nothing else (exp.string). */
static bool number_in_text(ae_str s, int64_t *out)
{
    json_t *v;
    bool    ok;

    if (!s.n || s.n > 64 || s.p[s.n - 1] < '0' || s.p[s.n - 1] > '9'
        || (s.p[0] != '-' && (s.p[0] < '0' || s.p[0] > '9')))
        return false;
    v = json_loadb(s.p, s.n, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    ok = json_is_number(v);
    if (ok)
        *out = ae_num_whole(json_number_value(v));
    json_decref(v);
    return ok;
}

static void read_time(struct look *l, const char *name, bool null_ok,
                      bool *has, int64_t *out)
{
    const json_t *v = json_object_get(l->g->claims, name);

    *has = v && !json_is_null(v);
    *out = 0;
    if (!v || (json_is_null(v) && null_ok))
        return;
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (json_is_real(v))
        *out = ae_num_whole(json_real_value(v));
    else if (!number_in_text(ae_json_str(v), out))
        bad_at(l, AE_TS_CLAIMS, NULL, "a time is no number");
}

static void note_times(struct look *l, bool expired, bool early, bool far)
{
    struct ae_token_trace *tr = l->g->trace;
    const json_t          *c = l->g->claims;

    ae_token_note_time(tr, AE_TS_EXP, expired ? AE_FOUND_UNKNOWN : AE_FOUND_OK,
                       c, "exp", expired ? "log in again; Argo CD alone knows "
                       "whether it can be renewed" : NULL);
    ae_token_note_time(tr, AE_TS_NBF, far ? AE_FOUND_REFUSED : early
                       ? AE_FOUND_UNKNOWN : AE_FOUND_OK, c, "nbf", early
                       ? "set the clocks of provider and servers" : NULL);
    ae_token_note_time(tr, AE_TS_IAT, AE_FOUND_OK, c, "iat", NULL);
}

/* No leeway in our favour: exp must lie ahead, nbf behind (security.md,
 * section 8).  An expired token may be renewed by Argo CD. */
static void check_times(struct look *l)
{
    bool    ignore, expired, early, far;
    int64_t iat;

    read_time(l, "exp", false, &l->has_exp, &l->exp);
    read_time(l, "iat", false, &ignore, &iat);
    read_time(l, "nbf", true, &l->has_nbf, &l->nbf);
    expired = !l->has_exp || !ae_time_before(l->now, l->exp);
    early = l->has_nbf && ae_time_before(l->now, l->nbf);
    far = early && ae_time_before(l->now + NBF_LEEWAY_S, l->nbf);
    if (expired)
        unsure(l, "the token is expired");
    else if (far)
        bad(l, AE_TS_NBF);
    else if (early)
        unsure(l, "the token is not valid yet");
    if (l->g->trace)
        note_times(l, expired, early, far && !expired);
}

static void check_texts(struct look *l)
{
    static const char *const names[] = { "sub", "nonce", "at_hash" };

    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_object_get(l->g->claims, names[i]);

        if (!null_or_absent(v) && !json_is_string(v))
            bad_at(l, AE_TS_CLAIMS, "it must be a text", names[i]);
    }
}

static void check_issuer(struct look *l)
{
    ae_str iss = ae_json_get_str(l->g->claims, "iss");
    ae_str want = l->sso->issuer;

    if (iss.p && iss.n && ae_eq(iss, want)) {
        AE_NOTE(l->g->trace, AE_TS_ISSUER, AE_FOUND_OK, NULL, "%.*s",
                (int)iss.n, iss.p);
        return;
    }
    if (ae_eq_lit(want, "https://accounts.google.com")
        && ae_eq_lit(iss, "accounts.google.com")) {
        unsure_at(l, AE_TS_ISSUER, NULL, "Google's issuer in its short form");
        return;
    }
    bad(l, AE_TS_ISSUER);
    AE_NOTE(l->g->trace, AE_TS_ISSUER, AE_FOUND_REFUSED, "it must be the "
            "issuer of oidc.config (with Dex: url and /api/dex) to the byte",
            "%.*s, not %.*s", iss.n ? (int)iss.n : 4, iss.n ? iss.p : "none",
            (int)want.n, want.n ? want.p : "");
}

static bool allowed(const struct ae_sso *s, ae_str aud)
{
    for (size_t i = 0; aud.n && i < s->naud; i++)
        if (ae_eq(s->aud[i], aud))
            return true;
    return false;
}

static void note_audience(struct look *l, const json_t *aud, bool found)
{
    char  *text = aud ? json_dumps(aud, JSON_COMPACT | JSON_ENCODE_ANY
                                        | JSON_ENSURE_ASCII) : NULL;
    ae_buf b;

    ae_buf_init(&b, l->a, 2048);
    ae_buf_puts(&b, text ? text : "none");
    for (size_t i = 0; i < l->sso->naud && !found; i++) {
        ae_buf_puts(&b, i ? ", " : ", not one of ");
        ae_buf_put(&b, l->sso->aud[i]);
    }
    ae_token_note(l->g->trace, AE_TS_AUDIENCE, found ? AE_FOUND_OK
                  : AE_FOUND_REFUSED, found ? NULL : "name it in "
                  "allowedAudiences of oidc.config, or ask the provider for a "
                  "token of that clientID", "%.*s", b.bad ? 0 : (int)b.n,
                  b.bad ? "" : b.p);
    free(text);
}

/* A null counts as "" (aud.array-null, aud.null). */
static void check_audience(struct look *l)
{
    const json_t *aud = json_object_get(l->g->claims, "aud"), *v;
    bool          found = allowed(l->sso, ae_json_str(aud)), odd = false;
    size_t        i;

    json_array_foreach(aud, i, v) {
        odd |= !json_is_string(v) && !json_is_null(v);
        found |= allowed(l->sso, ae_json_str(v));
    }
    found = aud ? found && !odd : l->sso->skip_aud;
    if (!found)
        bad(l, AE_TS_AUDIENCE);
    if (l->g->trace)
        note_audience(l, aud, found);
}

/* Groups elsewhere are not fetched by Argo CD either, but a name that leads
 * nowhere is refused (groups.claim-names-no-source). */
static void check_distributed(struct look *l)
{
    const json_t *names = json_object_get(l->g->claims, "_claim_names"), *v;
    const json_t *src = json_object_get(l->g->claims, "_claim_sources");
    const char   *k;

    if ((!null_or_absent(names) && !json_is_object(names))
        || (!null_or_absent(src) && !json_is_object(src)))
        bad_at(l, AE_TS_CLAIMS, NULL, "_claim_names or _claim_sources is no "
               "object");
    json_object_foreach((json_t *)(uintptr_t)src, k, v)
        if (!json_is_object(v) && !json_is_null(v))
            bad_at(l, AE_TS_CLAIMS, NULL, "a claim source is no object");
        else if (!null_or_absent(json_object_get(v, "access_token"))
                 && !json_is_string(json_object_get(v, "access_token")))
            unsure(l, "a claim source has an unusual form");
        else if (!null_or_absent(json_object_get(v, "endpoint"))
                 && !json_is_string(json_object_get(v, "endpoint")))
            unsure(l, "a claim source has an unusual form");
    json_object_foreach((json_t *)(uintptr_t)names, k, v)
        if (!json_is_string(v) || !json_object_get(src,
                                                   json_string_value(v)))
            bad_at(l, AE_TS_CLAIMS, NULL, "_claim_names leads nowhere");
}

/* ---- the verdict -------------------------------------------------------- */

/* Closed list, item 4: such a subject gets the rights of the token or role
 * that it names, without any of their checks. */
static bool shaped_like_role(ae_str user)
{
    ae_str head, rest = ae_cut(user, ':', &head);

    if (ae_eq_lit(head, "role"))
        return rest.p != NULL;
    return ae_eq_lit(head, "proj") && ae_find(rest, ':') < rest.n;
}

ae_str ae_token_revocation_id(const json_t *claims)
{
    static const char *const names[] = { "jti", "uti", "at_hash" };

    for (size_t i = 0; i < 3; i++) {
        ae_str v = ae_json_get_str(claims, names[i]);

        if (v.n)
            return v;
    }
    return ae_s(NULL, 0);
}

static void accept(struct look *l, ae_str token, struct ae_token_result *out)
{
    const json_t       *c = l->g->claims;
    const json_t       *iat = json_object_get(c, "iat");
    struct ae_identity *id;

    if (ae_token_keyless(l->g)) {   /* as in token.c */
        ae_token_unknown(out, l->g, AE_STR("the signature was not checked"));
        return;
    }
    id = ae_identity_new(AE_KIND_OIDC, l->sso->issuer, ae_claims_user(c),
                         ae_token_revocation_id(c), l->g->claims);
    if (!id) {
        ae_token_refuse(out, ae_s(NULL, 0));
        return;
    }
    id->confirmed = true;          /* there is nothing else to confirm by */
    id->has_iat = json_is_number(iat);
    id->iat = id->has_iat ? ae_num_whole(json_number_value(iat)) : 0;
    id->has_exp = true;
    id->exp = l->exp;
    id->has_nbf = l->has_nbf;
    id->nbf = l->nbf;
    ae_sha256(token, id->digest);
    out->verdict = AE_TOKEN_OK;
    out->identity = id;
}

/* The signature is good, or could not be judged (|v|). */
static void settle(struct look *l, enum ae_keys_verdict v, ae_str token,
                   struct ae_token_result *out)
{
    if (!l->g->stricter && ae_token_too_many_groups(l->t, l->g->claims))
        l->g->stricter = "token has invalid claims: more than 1000 groups";
    if (v == AE_KEYS_TRUST)
        unsure(l, "the key or the algorithm is not one to decide by");
    if (l->sso->via_dex)
        unsure_at(l, AE_TS_KEY, "keep one of oidc.config and dex.config",
                  "Argo CD asks Dex for the keys of another issuer");
    if (l->sso->other_groups)
        unsure(l, "the groups of the user are not in the token");
    if (l->g->stricter || l->unsure) {
        ae_token_unknown(out, l->g, ae_cs(l->unsure));
    } else if (v == AE_KEYS_LACK) {
        out->lacks_key = true;
        ae_token_unknown(out, l->g, AE_STR("the key set lacks its key"));
    } else if (shaped_like_role(ae_claims_user(l->g->claims))) {
        out->stricter = true;
        ae_token_refuse(out, AE_STR("the subject of an SSO token must not "
                                    "look like a role or a project token"));
    } else {
        accept(l, token, out);
    }
}

/* What came of key and signature, for who asks. */
static void note_keys(struct look *l, const ae_keyset *keys,
                      enum ae_keys_verdict v)
{
    static const enum ae_token_found key[] = { AE_FOUND_OK, AE_FOUND_OK,
        AE_FOUND_UNKNOWN, AE_FOUND_UNKNOWN };
    struct ae_token_trace *tr = l->g->trace;
    ae_str                 kids = ae_keyset_kids(keys, l->a);

    ae_token_note(tr, AE_TS_KEY, key[v], v == AE_KEYS_LACK ? "the servers "
                  "fetch the keys anew at most once in 30 s; this command "
                  "knows only oidc/ of the inputs (docs/sso.md)"
                  : v == AE_KEYS_TRUST ? "argo-edge does not decide by a key "
                  "that is withdrawn, short, meant for something else, or of "
                  "an algorithm that the provider does not announce" : NULL,
                  "%s%.*s; the key set has %.*s", l->kid.n ? "kid " : "no kid",
                  (int)l->kid.n, l->kid.n ? l->kid.p : "", (int)kids.n,
                  kids.p);
    if (v == AE_KEYS_LACK)
        return;
    ae_token_note(tr, AE_TS_SIGNATURE, v == AE_KEYS_BAD ? AE_FOUND_REFUSED
                  : AE_FOUND_OK, v == AE_KEYS_BAD ? "that key did not sign "
                  "it: was it changed on its way, or is it of another "
                  "provider?" : NULL, "%s", ae_alg_name(l->g->alg));
}

static enum ae_keys_verdict signed_by(struct look *l, const ae_keyset *keys,
                                      ae_str token)
{
    enum ae_keys_verdict v = AE_KEYS_TRUST;

    if (ae_token_keyless(l->g)) {
        ae_token_note_keyless(l->g->trace, l->kid);
        unsure(l, "the signature was not checked");
        return v;
    }
    /* another spelling of the token: the signature is over the first one */
    if (l->bad || l->g->respelt)
        return v;
    v = ae_keyset_verify(keys, l->kid, l->g, token);
    if (l->g->trace)
        note_keys(l, keys, v);
    return v;
}

static void check_claims(struct look *l)
{
    find_loose(l);
    check_texts(l);
    check_times(l);
    check_issuer(l);
    check_audience(l);
    check_distributed(l);
    if (l->loose)       /* another member may count in place of these */
        l->bad = false;
}

void ae_token_check_sso(const ae_tokens *t, const ae_keyset *keys, bool fresh,
                        ae_arena *a, struct ae_gate *g, ae_str token,
                        int64_t now, struct ae_token_result *out)
{
    struct look l = { .a = a, .t = t, .sso = &t->in->sso, .g = g,
                      .now = now };
    enum ae_keys_verdict v;
    ae_str               user;

    out->sso = true;
    out->kind = AE_KIND_OIDC;
    if (l.sso->kind == AE_SSO_UNKNOWN) {
        ae_str why = l.sso->why ? ae_cs(l.sso->why)
                   : AE_STR("whether SSO is configured is not known");

        AE_NOTE(g->trace, AE_TS_ISSUER, AE_FOUND_UNKNOWN, NULL, "%.*s",
                (int)why.n, why.p);
        if (ae_token_keyless(g))
            check_times(&l);    /* to be shown */
        ae_token_unknown(out, g, why);
        return;
    }
    check_header(&l);
    if (!l.bad)
        check_claims(&l);
    v = signed_by(&l, keys, token);
    if (l.bad || v == AE_KEYS_BAD || (v == AE_KEYS_LACK && fresh && keys)) {
        out->sso_at = l.bad ? l.at : v == AE_KEYS_BAD ? AE_TS_SIGNATURE
                                                      : AE_TS_KEY;
        ae_token_refuse(out, FAILED);
        return;
    }
    user = ae_claims_user(g->claims);
    AE_NOTE(g->trace, AE_TS_SUBJECT, shaped_like_role(user) ? AE_FOUND_REFUSED
            : AE_FOUND_OK, shaped_like_role(user) ? "a rule of argo-edge's "
            "own: it would have the rights of that role" : NULL, "%.*s",
            (int)user.n, user.n ? user.p : "");
    settle(&l, v, token, out);
}
