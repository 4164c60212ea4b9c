/*
 * token.h - who is calling: credential choice, the strict gate, verification
 * of argocd-signed tokens, account and project-token rules, seen tokens.
 */
#ifndef AE_TOKEN_H
#define AE_TOKEN_H

#include "base/base.h"
#include "base/inputs.h"

#define AE_TOKEN_MAX (16 * 1024)   /* bytes; T17 */
#define AE_GROUPS_MAX 1000

/* ---- pick.c: one credential (T4, semantics-api section 2) --------------- */

enum ae_cred_source { AE_CRED_NONE = 0, AE_CRED_BEARER, AE_CRED_COOKIE };
enum ae_pick_result {
    AE_PICK_REFUSE = 0,  /* malformed / duplicate: status + reason */
    AE_PICK_OK,          /* cred filled (source may be NONE) */
};

struct ae_cred {
    enum ae_cred_source source;
    ae_str token;              /* joined chunks live in the arena */
    bool   foreign_auth;       /* Authorization of another scheme: passed on */
    bool   strip_auth;         /* remove Authorization upstream */
    bool   strip_cookie;       /* remove argocd.token cookies upstream */
    ae_str cookie_rest;        /* Cookie value without argocd.token*, absent
                                  if nothing is left */
    int    status;             /* REFUSE: 400, 401, 431 or 500 */
    int    code;               /* REFUSE: gRPC code */
    ae_str reason;             /* REFUSE: message text */
};

/* Choose the credential of a REST request as Argo CD does.  |authorization| is
 * the field's value (absent span: no such header), |auth_dup| that it came more
 * than once, |cookies| the Cookie lines, each by itself (chunks are joined
 * within one line only).  Grpc-Metadata-* is not read: the shell strips it
 * (C01).  For routes that take the cookie only pass no |authorization|.
 * Spans in |*out| borrow from the arguments or live in |a|.
 *
 * AE_PICK_OK with source NONE: nothing was presented (anonymous, if that is
 * on; else 401 "no session information").  AE_PICK_REFUSE with 401: something
 * was presented that is no JWT; operations that need no login treat it as a
 * bad token.  400 and 431 are the closed list (items 1, 2), 500 is Argo CD's
 * own answer to bytes that gRPC metadata cannot hold. */
enum ae_pick_result ae_token_pick(ae_arena *a, ae_str authorization,
                                  bool auth_dup, const ae_str *cookies,
                                  size_t ncookies, struct ae_cred *out);

/* ---- keys.c, verify.h: pinned keys -------------------------------------- */

enum ae_alg { AE_ALG_NONE = 0, AE_HS256, AE_HS384, AE_HS512, AE_RS256,
              AE_RS384, AE_RS512, AE_PS256, AE_PS384, AE_PS512, AE_ES256,
              AE_ES384, AE_ES512, AE_EDDSA };

typedef struct ae_key ae_key;         /* parsed once, immutable */
/* A secret for HS256, HS384 and HS512; copied.  Empty: AE_E_INVAL. */
int  ae_key_hmac(ae_str secret, ae_key **out, struct ae_err *err);
int  ae_key_pem(ae_str pem, enum ae_alg alg, ae_key **out,
                struct ae_err *err);  /* public key; type must fit |alg|
                                         (RSA >= 2048 bits, the algorithm's
                                         own curve), else AE_E_SYNTAX */
void ae_key_free(ae_key *k);             /* cleanses; NULL is fine */

enum ae_sig { AE_SIG_BAD = 0, AE_SIG_OK, AE_SIG_NO_VERDICT };
/* Verify |sig| (decoded) over |input| ("header.payload").  |alg| is what the
 * configuration pins to |k|; a key of another kind gives AE_SIG_BAD.  evp is
 * the default; libjwt is the second opinion, given the whole token, and has
 * AE_SIG_NO_VERDICT where 1.10 would refuse for other reasons than the
 * signature: PS*, EdDSA, a typ other than JWT, a header with another alg than
 * |alg|, JSON that jansson does not read, a token over AE_TOKEN_MAX. */
enum ae_sig ae_verify_evp(const ae_key *k, enum ae_alg alg, ae_str input,
                          ae_str sig);
enum ae_sig ae_verify_libjwt(const ae_key *k, enum ae_alg alg, ae_str token);

/* ---- identity ----------------------------------------------------------- */

enum ae_token_kind { AE_KIND_NONE = 0, AE_KIND_ANONYMOUS, AE_KIND_LOGIN,
                     AE_KIND_APIKEY, AE_KIND_PROJECT, AE_KIND_OIDC };
const char *ae_token_kind_name(enum ae_token_kind k);

/* Refcounted, immutable once published (single-threaded refcount is fine
 * under nginx; uses C11 atomics for httpd). */
struct ae_identity {
    enum ae_token_kind kind;
    bool     confirmed;    /* account / project rules were checked (else only
                              verified: never enough for a cached answer) */
    ae_str   user;         /* RBAC's subject id (T1; account cut at ':') */
    ae_str   issuer;       /* "argocd" or the OIDC issuer */
    ae_str   jti;
    bool     has_iat;  int64_t iat;      /* unix seconds */
    bool     has_exp;  int64_t exp;      /* 0 / absent = never */
    bool     has_nbf;  int64_t nbf;
    json_t  *claims;       /* owned; NULL for anonymous.  As RBAC sees them:
                              for accounts |sub| is the account part alone */
    unsigned char digest[32]; /* SHA-256 of the canonical token form */
    unsigned char id_hash[32];/* of issuer, user id, kind: cache scope part
                                 (scope values are added by edge) */
    void    *attached;     /* edge: the principal made for this identity */
    void   (*attached_free)(void *);
    uint64_t attached_gen; /* edge: snapshot generation of |attached| */
    bool     alone;        /* edge: one thread alone refers to it */
    _Atomic uint32_t refs;
};
void ae_identity_ref(struct ae_identity *i);   /* NULL is fine in both */
void ae_identity_unref(struct ae_identity *i);

/* ---- keyset.c: the provider's documents --------------------------------- */

typedef struct ae_keyset ae_keyset;   /* immutable, refcounted (atomic) */
/* Keys of |jwks| and algorithms of |discovery| (absent: RS256 only).  One
 * reference for the caller.  AE_E_SYNTAX or AE_E_TOOBIG if Argo CD would use
 * none of it, or we cannot be sure; AE_E_NOMEM. */
int  ae_keyset_new(ae_str issuer, ae_str discovery, ae_str jwks,
                   ae_keyset **out, struct ae_err *err);
void ae_keyset_ref(ae_keyset *s);     /* NULL is fine in both */
void ae_keyset_unref(ae_keyset *s);
/* |s|, not yet in use, takes the place of |old| (may be NULL): tokens of keys
 * that are gone are then unknown, for Argo CD may still have them. */
void ae_keyset_replaces(ae_keyset *s, ae_keyset *old);
uint64_t ae_keyset_generation(const ae_keyset *s); /* of the texts; NULL: 0 */
ae_str ae_keyset_uri(const ae_keyset *s);     /* jwks_uri, absent if unknown */

/* ---- token.c: the verdict ----------------------------------------------- */

enum ae_token_verdict { AE_TOKEN_REFUSED = 0, AE_TOKEN_OK, AE_TOKEN_UNKNOWN };

/* The checks, in the order in which they are told (trace.c). */
enum ae_token_step {
    AE_TS_SIZE, AE_TS_SEGMENTS, AE_TS_HEADER, AE_TS_CLAIMS, AE_TS_ALG,
    AE_TS_ISSUER, AE_TS_AUDIENCE, AE_TS_KEY, AE_TS_SIGNATURE, AE_TS_EXP,
    AE_TS_NBF, AE_TS_IAT, AE_TS_SUBJECT, AE_TS_ACCOUNT, AE_TS_ENABLED,
    AE_TS_CAPABILITY, AE_TS_TOKEN_ID, AE_TS_LISTED, AE_TS_PASSWORD,
    AE_TS_PROJECT, AE_TS_ROLE_TOKEN, AE_TS_FORM, AE_TS__N
};

struct ae_token_result {
    enum ae_token_verdict verdict;
    struct ae_identity   *identity;  /* OK: one reference for the caller */
    ae_str                reason;    /* REFUSED: the text after "invalid
                                        session: " exactly as Argo CD says it;
                                        UNKNOWN: why, for logs */
    bool                  stricter;  /* refused by our closed list, not by
                                        Argo CD's rules */
    bool                  too_big;   /* 431 instead of 401 */
    bool                  sso;       /* judged by the rules of SSO */
    enum ae_token_kind    kind;      /* what it says it is, true or not; NONE
                                        if it cannot be read */
    enum ae_token_step    sso_at;    /* REFUSED by these rules: the first
                                        check that it failed */
    bool                  unlisted;  /* REFUSED by the account's token list or
                                        password: Argo CD asks before whether
                                        it is revoked */
    bool                  lacks_key; /* UNKNOWN for lack of a key: a newer key
                                        set may help */
    bool                  no_project; /* REFUSED only because the inputs do
                                        not hold the project: unknown, if
                                        the inputs are partial (design.md
                                        section 6, argo_edge_projects) */
};

/* A project that partial inputs lack may exist where we cannot see it. */
static inline void ae_token_allow_partial(struct ae_token_result *r,
                                          bool partial)
{
    if (r->verdict == AE_TOKEN_REFUSED && r->no_project && partial)
        r->verdict = AE_TOKEN_UNKNOWN;
}

typedef struct ae_tokens ae_tokens;  /* immutable rule set of one snapshot */
/* |in| and |ns| (control namespace) are borrowed for the object's life.
 * Parses keys once.  Fails with AE_E_NOMEM only: without server.secretkey
 * tokens are unknown. */
int  ae_tokens_new(const struct ae_inputs *in, ae_str ns, ae_tokens **out,
                   struct ae_err *err);
void ae_tokens_free(ae_tokens *t);
uint64_t ae_tokens_generation(const ae_tokens *t); /* content hash of keys,
                                accounts, project tokens */

/* Gate, signature, claims, account/project rules; |now| unix seconds.
 * |a| holds reason texts (which may hold any byte, NUL too, and are UTF-8).
 * What Argo CD refuses is refused in its words; what it accepts and the closed
 * list does not (security.md section 5, item 2) is |stricter|.  Out of memory,
 * no key, SSO tokens: AE_TOKEN_UNKNOWN. */
void ae_token_check(const ae_tokens *t, ae_arena *a, ae_str token,
                    int64_t now, struct ae_token_result *out);
/* The same with the provider's documents of the caller, for SSO tokens; NULL:
 * there are none.  |fresh|: they were fetched after the token came, so a
 * key that they lack is a key that does not exist. */
void ae_token_check_keys(const ae_tokens *t, const ae_keyset *keys, bool fresh,
                         ae_arena *a, ae_str token, int64_t now,
                         struct ae_token_result *out);

/* ---- trace.c: what was looked at, for who asks why ---------------------- */

enum ae_token_found {
    AE_FOUND_NOTHING = 0, /* not reached, or no matter for this token */
    AE_FOUND_OK, AE_FOUND_REFUSED,
    AE_FOUND_UNKNOWN,     /* cannot be told here: left to Argo CD */
    AE_FOUND_UNCHECKED    /* on purpose */
};
struct ae_token_trace {       /* the caller's; zeroed but for the first two */
    ae_arena *a;              /* of |seen| */
    bool      no_keys;        /* leave the signature out: nothing is accepted,
                                 what would be is unknown */
    struct ae_token_note {
        enum ae_token_found found;
        ae_str              seen;   /* the value; of the token, so not safe
                                       to print as it is */
        const char         *remedy; /* what to do, NULL: nothing */
    } at[AE_TS__N];
};
const char *ae_token_step_name(enum ae_token_step s); /* "audience" */
/* ae_token_check_keys() that notes what it looks at. */
void ae_token_explain(const ae_tokens *t, const ae_keyset *keys, ae_arena *a,
                      ae_str token, int64_t now, struct ae_token_trace *tr,
                      struct ae_token_result *out);

/* The key set of the inputs' files, or NULL (borrowed). */
ae_keyset *ae_tokens_keyset(const ae_tokens *t);
/* |t|, not yet in use, comes in the place of |was| (ae_keyset_replaces()). */
void ae_tokens_follow(ae_tokens *t, const ae_tokens *was);
/* Why the inputs' documents are not used; NULL if they are, or are none. */
const char *ae_tokens_keys_error(const ae_tokens *t);
/* Anonymous identity (a process-wide constant per ae_tokens). */
struct ae_identity *ae_token_anonymous(const ae_tokens *t); /* borrowed */

/* The name by which Argo CD revokes a token: jti, uti or at_hash, the first
 * that is a text and not empty; absent if there is none. */
ae_str ae_token_revocation_id(const json_t *claims);

/* Decode without verifying, for `token inspect`: header and payload JSON
 * (caller decrefs), or AE_E_SYNTAX with |err|. */
int ae_token_decode(ae_arena *a, ae_str token, json_t **header,
                    json_t **payload, struct ae_err *err);
/* Mint an HS256 token through libjwt (CLI, demo, tests). */
int ae_token_mint(ae_arena *a, ae_str secret, const json_t *claims,
                  ae_str *out, struct ae_err *err);

/* ---- seen.c: verified tokens are remembered per process ----------------- */

typedef struct ae_seen ae_seen;      /* fixed memory, open addressing */
/* |slots| is rounded up to a power of two; NULL without memory.  The copies of
 * tokens take at most 1 KiB a slot on average. */
ae_seen *ae_seen_new(size_t slots, uint64_t seed);
void     ae_seen_free(ae_seen *s);
/* Look up token bytes (seeded XXH3 + full compare).  A hit needs the same
 * generation, exp > now, nbf <= now.  Borrowed: valid until the next put. */
struct ae_identity *ae_seen_get(ae_seen *s, ae_str token, uint64_t gen,
                                int64_t now);
void ae_seen_put(ae_seen *s, ae_str token, uint64_t gen,
                 struct ae_identity *i);  /* takes its own reference */
void ae_seen_drop_all(ae_seen *s);

#endif
