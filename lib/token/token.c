/*
 * token.c - the verdict on a token: gate, signature, claims, account rules,
 * in Argo CD's order (semantics-api.md section 2).
 *
 * A token that Argo CD refuses gets Argo CD's words.  Only what it would
 * accept is then held against the closed list (security.md section 5).
 */
#include "token/keys.h"

#include <stdlib.h>

#ifndef AE_VERIFIER_LIBJWT
#define AE_VERIFIER_LIBJWT 0
#endif

/* ---- the rule set ------------------------------------------------------- */

static void put_i64(ae_buf *b, int64_t v)
{
    ae_buf_put(b, ae_s((const char *)&v, sizeof(v)));
}

static void put_str(ae_buf *b, ae_str s)
{
    put_i64(b, s.p ? (int64_t)s.n : -1);
    ae_buf_put(b, s);
}

static void put_accounts(ae_buf *b, const struct ae_inputs *in)
{
    put_i64(b, (int64_t)in->naccounts);
    for (size_t i = 0; i < in->naccounts; i++) {
        const struct ae_account *c = &in->accounts[i];

        put_str(b, c->name);
        put_i64(b, c->enabled | c->cap_login << 1 | c->cap_apikey << 2
                   | c->has_mtime << 3);
        put_i64(b, c->mtime);
        put_i64(b, (int64_t)c->ntokens);
        for (size_t j = 0; j < c->ntokens; j++)
            put_str(b, c->tokens[j].id);
    }
}

static void put_projects(ae_buf *b, const struct ae_inputs *in)
{
    put_i64(b, (int64_t)in->nprojects);
    for (size_t i = 0; i < in->nprojects; i++) {
        const struct ae_project *p = &in->projects[i];

        put_str(b, p->name);
        put_str(b, p->ns);
        put_i64(b, (int64_t)p->ntokens);
        for (size_t r = 0; r < p->ntokens; r++) {
            put_str(b, p->tokens[r].role);
            put_i64(b, (int64_t)p->tokens[r].n);
            for (size_t j = 0; j < p->tokens[r].n; j++) {
                put_str(b, p->tokens[r].items[j].id);
                put_i64(b, p->tokens[r].items[j].iat);
            }
        }
    }
}

static void put_sso(ae_buf *b, const ae_tokens *t)
{
    const struct ae_sso *s = &t->in->sso;

    put_i64(b, (int)s->kind << 3 | s->skip_aud | s->other_groups << 1
               | s->via_dex << 2);
    put_str(b, s->issuer);
    put_i64(b, (int64_t)s->naud);
    for (size_t i = 0; i < s->naud; i++)
        put_str(b, s->aud[i]);
    put_i64(b, (int64_t)ae_keyset_generation(t->keys));
}

/* Everything that a verdict depends on.  A policy edit is not in here: it
 * need not make anybody's token be verified again. */
static int generation(ae_tokens *t)
{
    ae_heap       heap = { NULL, 0 };
    ae_arena      a;
    ae_buf        b;
    unsigned char md[32];

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    put_str(&b, t->ns);
    ae_sha256(t->in->secret_key, md);
    put_str(&b, ae_s((const char *)md, sizeof(md)));
    put_i64(&b, t->in->have_accounts | t->in->have_secret << 1
                | t->in->have_projects << 2 | t->in->anonymous << 3
                | (t->key != NULL) << 5);
    put_sso(&b, t);
    for (size_t i = 0; i < t->in->rbac.nscopes; i++)
        put_str(&b, t->in->rbac.scopes[i]);
    put_accounts(&b, t->in);
    put_projects(&b, t->in);
    if (!b.bad) {
        ae_sha256(ae_buf_str(&b), md);
        memcpy(&t->gen, md, sizeof(t->gen));
    }
    ae_heap_free(&heap);
    return b.bad ? AE_E_NOMEM : AE_OK;
}

int ae_tokens_new(const struct ae_inputs *in, ae_str ns, ae_tokens **out,
                  struct ae_err *err)
{
    ae_tokens *t = calloc(1, sizeof(*t));
    int        rc = t ? AE_OK : AE_E_NOMEM;

    *out = NULL;
    if (t) {
        t->in = in;
        t->ns = ns;
        t->anonymous = ae_identity_new(AE_KIND_ANONYMOUS, AE_STR(""),
                                       AE_STR(""), AE_STR(""), NULL);
        if (t->anonymous)
            t->anonymous->confirmed = true; /* nothing is left to check */
        else
            rc = AE_E_NOMEM;
    }
    /* no secret or an empty one: tokens are unknown, not refused */
    if (!rc && in->secret_key.n)
        rc = ae_key_hmac(in->secret_key, &t->key, err);
    if (!rc && in->sso.have_docs) {
        ae_keyset_new(in->sso.issuer, in->sso.discovery.text,
                      in->sso.jwks.text, &t->keys, &t->keys_err);
        if (t->keys_err.code == AE_E_NOMEM)
            rc = AE_E_NOMEM;
    }
    if (!rc)
        rc = generation(t);
    if (rc) {
        ae_tokens_free(t);
        return ae_err_set(err, rc, "out of memory");
    }
    *out = t;
    return AE_OK;
}

void ae_tokens_free(ae_tokens *t)
{
    if (!t)
        return;
    ae_key_free(t->key);
    ae_keyset_unref(t->keys);
    ae_identity_unref(t->anonymous);
    free(t);
}

uint64_t ae_tokens_generation(const ae_tokens *t)
{
    return t->gen;
}

ae_keyset *ae_tokens_keyset(const ae_tokens *t)
{
    return t->keys;
}

void ae_tokens_follow(ae_tokens *t, const ae_tokens *was)
{
    if (!t->keys || !was->keys
        || !ae_eq(t->in->sso.issuer, was->in->sso.issuer))
        return;
    if (ae_keyset_generation(t->keys) != ae_keyset_generation(was->keys)) {
        ae_keyset_replaces(t->keys, was->keys);
        return;
    }
    ae_keyset_unref(t->keys);    /* the same: with all that went before it */
    t->keys = was->keys;
    ae_keyset_ref(t->keys);
}

const char *ae_tokens_keys_error(const ae_tokens *t)
{
    return t->keys_err.code ? t->keys_err.text : NULL;
}

struct ae_identity *ae_token_anonymous(const ae_tokens *t)
{
    return t->anonymous;
}

/* ---- the verdict -------------------------------------------------------- */

void ae_token_refuse(struct ae_token_result *out, ae_str reason)
{
    if (!reason.p) {        /* no memory for the text: no verdict either */
        out->verdict = AE_TOKEN_UNKNOWN;
        out->reason = AE_STR("out of memory");
        return;
    }
    out->verdict = AE_TOKEN_REFUSED;
    out->reason = reason;
}

/* What the closed list names is refused whoever issued it. */
void ae_token_unknown(struct ae_token_result *out, const struct ae_gate *g,
                      ae_str why)
{
    if (g->stricter) {
        out->stricter = true;
        ae_token_refuse(out, ae_cs(g->stricter));
        return;
    }
    out->verdict = AE_TOKEN_UNKNOWN;
    out->reason = why;
}

enum ae_sig ae_token_verify(const ae_key *k, enum ae_alg alg,
                            const struct ae_gate *g, ae_str token)
{
    enum ae_sig s = AE_SIG_NO_VERDICT;

    if (AE_VERIFIER_LIBJWT)
        s = ae_verify_libjwt(k, alg, token);
    return s == AE_SIG_NO_VERDICT ? ae_verify_evp(k, alg, g->input, g->sig)
                                  : s;
}

bool ae_token_too_many_groups(const ae_tokens *t, const json_t *claims)
{
    const struct ae_rbac_in *r = &t->in->rbac;
    size_t                   n = 0;

    if (!r->nscopes)
        n = json_array_size(json_object_get(claims, "groups"));
    for (size_t i = 0; i < r->nscopes; i++)
        n += json_array_size(json_object_getn(claims, r->scopes[i].p,
                                              r->scopes[i].n));
    return n > AE_GROUPS_MAX;
}

static void accept(ae_arena *a, struct ae_gate *g, ae_str token,
                   const struct ae_times *tm, const struct ae_who *who,
                   struct ae_token_result *out)
{
    struct ae_identity *id;
    ae_str              account = ae_dup(a, who->account);
    int                 rc = 0;

    if (ae_token_keyless(g)) {      /* nobody signed for anything of it */
        ae_token_unknown(out, g, AE_STR("the signature was not checked"));
        return;
    }
    /* Argo CD puts the account in the place of sub before RBAC looks; a
     * federated user id still hides it (tokens.json, federated-login) */
    if (who->account.p)
        rc = !account.p
          || json_object_set_new(g->claims, "sub",
                                 json_stringn(account.p, account.n));
    id = rc ? NULL
            : ae_identity_new(who->kind, AE_STR("argocd"),
                              ae_claims_user(g->claims),
                              ae_json_get_str(g->claims, "jti"), g->claims);
    if (!id) {
        ae_token_refuse(out, ae_s(NULL, 0));
        return;
    }
    id->confirmed = who->confirmed;
    id->has_iat = true;
    id->iat = tm->iat;
    id->has_exp = tm->has_exp;
    id->exp = tm->exp;
    id->has_nbf = tm->has_nbf;
    id->nbf = tm->nbf;
    ae_sha256(token, id->digest); /* the gate saw that this is canonical */
    out->verdict = AE_TOKEN_OK;
    out->identity = id;
}

/* Does |reason| print a list or an object of the claims? */
static bool quotes_nested(const json_t *claims, ae_str reason)
{
    const json_t *iat = json_object_get(claims, "iat");

    return (json_is_object(iat) || json_is_array(iat))
        && ae_starts(reason, AE_STR("iat '"));
}

/* The key and the signature; false: |out| says it. */
static bool signed_by_us(const ae_tokens *t, struct ae_gate *g, ae_str token,
                         struct ae_token_result *out)
{
    struct ae_token_trace *tr = g->trace;
    bool                   good;

    if (ae_token_keyless(g)) {
        ae_token_note_keyless(tr, AE_STR("server.secretkey"));
        return true;
    }
    AE_NOTE(tr, AE_TS_KEY, t->key ? AE_FOUND_OK : AE_FOUND_UNKNOWN, t->key
            ? NULL : "put argocd-secret with server.secretkey among the "
            "inputs", "server.secretkey");
    if (!t->key) {
        ae_token_unknown(out, g, AE_STR("there is no server.secretkey"));
        return false;
    }
    good = ae_token_verify(t->key, g->alg, g, token) == AE_SIG_OK;
    AE_NOTE(tr, AE_TS_SIGNATURE, good ? AE_FOUND_OK : AE_FOUND_REFUSED, good
            ? NULL : "it was signed with another server.secretkey (an older "
            "one, or of another Argo CD), or changed on its way: log in again,"
            " or make a new token", "%s", ae_alg_name(g->alg));
    if (!good)
        ae_token_refuse(out, AE_STR("token signature is invalid: signature "
                                    "is invalid"));
    return good;
}

/* A token of iss argocd: these rules and no others (J02). */
static void check_argocd(const ae_tokens *t, ae_arena *a, struct ae_gate *g,
                         ae_str token, int64_t now,
                         struct ae_token_result *out)
{
    struct ae_times tm;
    struct ae_who   who;
    enum ae_rule    rule;
    ae_str          reason;

    out->kind = ae_account_kind(ae_claims_user(g->claims));
    AE_NOTE(g->trace, AE_TS_ISSUER, AE_FOUND_OK, NULL, "argocd");
    if (!ae_alg_is_hmac(g->alg)) {
        AE_NOTE(g->trace, AE_TS_ALG, AE_FOUND_REFUSED, "tokens of Argo CD are "
                "HS256", "%s", ae_alg_name(g->alg));
        ae_token_refuse(out, ae_fmt(a, "token is unverifiable: error while "
                                    "executing keyfunc: unexpected signing "
                                    "method: %s", ae_alg_name(g->alg)));
        return;
    }
    if (!signed_by_us(t, g, token, out))
        return;
    if (!ae_claims_times(a, g->claims, now, g->trace, &tm, &reason)) {
        if (g->lossy && quotes_nested(g->claims, reason))
            ae_token_unknown(out, g, AE_STR("Argo CD's answer cannot be "
                                            "worded"));
        else
            ae_token_refuse(out, reason);
        return;
    }
    if (!g->stricter && ae_token_too_many_groups(t, g->claims))
        g->stricter = "token has invalid claims: more than 1000 groups";
    rule = ae_account_check(t, a, ae_claims_user(g->claims),
                            ae_json_get_str(g->claims, "jti"), tm.iat,
                            g->trace, &who);
    out->no_project = who.no_project;
    out->unlisted = who.unlisted;
    if (rule == AE_RULE_REFUSED)
        ae_token_refuse(out, who.reason);
    else if (g->stricter)
        ae_token_unknown(out, g, ae_s(NULL, 0));
    else
        accept(a, g, token, &tm, &who, out);
}

/* What the closed list refuses of it by itself, once all else is known. */
static void note_form(const struct ae_gate *g, int rc)
{
    if (rc == AE_OK)
        ae_token_note(g->trace, AE_TS_FORM, g->stricter ? AE_FOUND_REFUSED
                      : AE_FOUND_OK, g->stricter ? "a rule of argo-edge's own "
                      "(docs/threat-model.md, section 5): make a new token"
                      : NULL, "%s", g->stricter ? g->stricter : "ordinary");
}

static void judge(const ae_tokens *t, const ae_keyset *keys, bool fresh,
                  ae_arena *a, ae_str token, int64_t now,
                  struct ae_token_trace *tr, struct ae_token_result *out)
{
    struct ae_gate g;
    int            rc;

    memset(out, 0, sizeof(*out));
    rc = ae_gate_open(a, token, &g);
    g.trace = tr;
    if (tr)
        ae_token_note_gate(tr, &g, token, rc);
    if (rc == AE_E_SYNTAX) {
        ae_token_refuse(out, g.reason);
    } else if (rc == AE_E_TOOBIG) {
        out->stricter = out->too_big = true;
        ae_token_refuse(out, AE_STR("token is longer than 16384 bytes"));
    } else if (rc != AE_OK) {
        ae_token_refuse(out, ae_s(NULL, 0));
    } else if (ae_eq_lit(ae_json_get_str(g.claims, "iss"), "argocd")) {
        check_argocd(t, a, &g, token, now, out);
    } else if (t->in->sso.kind == AE_SSO_NONE) {
        out->sso = true;
        out->kind = AE_KIND_OIDC;
        out->sso_at = AE_TS_ISSUER;
        AE_NOTE(tr, AE_TS_ISSUER, AE_FOUND_REFUSED, "argocd-cm has neither "
                "oidc.config nor dex.config with url: no token but Argo CD's "
                "own is good", "not argocd, and there is no SSO");
        ae_token_refuse(out, AE_STR("SSO is not configured"));
    } else {
        ae_token_check_sso(t, keys, fresh, a, &g, token, now, out);
    }
    if (tr)
        note_form(&g, rc);
    ae_gate_free(&g);
}

void ae_token_check_keys(const ae_tokens *t, const ae_keyset *keys, bool fresh,
                         ae_arena *a, ae_str token, int64_t now,
                         struct ae_token_result *out)
{
    judge(t, keys, fresh, a, token, now, NULL, out);
}

void ae_token_explain(const ae_tokens *t, const ae_keyset *keys, ae_arena *a,
                      ae_str token, int64_t now, struct ae_token_trace *tr,
                      struct ae_token_result *out)
{
    judge(t, keys, false, a, token, now, tr, out);
}

void ae_token_check(const ae_tokens *t, ae_arena *a, ae_str token,
                    int64_t now, struct ae_token_result *out)
{
    judge(t, t->keys, false, a, token, now, NULL, out);
}
