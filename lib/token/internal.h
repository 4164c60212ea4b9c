/*
 * internal.h - private to lib/token: the gate's result and the helpers that
 * word a refusal as Argo CD (that is golang-jwt v5 and encoding/json) does.
 */
#ifndef AE_TOKEN_INTERNAL_H
#define AE_TOKEN_INTERNAL_H

#include "token/token.h"

#define AE_JSON_DEPTH 16        /* T17 */
#define AE_COOKIE_CHUNKS 64     /* argocd.token-N that we join, T17 */

/* ---- goprint.c: how Go prints ------------------------------------------- */

void ae_token_put_value(ae_buf *b, const json_t *v);       /* fmt's %v */
void ae_token_put_char(ae_buf *b, unsigned char c);  /* 'c' in JSON errors */

/* ---- jsonscan.c: encoding/json's grammar and its error texts ------------ */

struct ae_jscan {
    ae_str text;      /* the same value in a form that jansson reads: invalid
                         UTF-8 replaced as Go does, members below
                         AE_JSON_DEPTH cut off */
    char   kind;      /* { [ " t f n or 0 for a number */
    bool   deep;      /* nested deeper than AE_JSON_DEPTH */
    bool   repaired;  /* invalid UTF-8 or a lone surrogate was replaced */
    bool   nul;       /* a \u0000 somewhere */
    bool   nul_key;   /* ... in a member's name, where |text| has U+FFFD */
    ae_str number;    /* first number that is no float64, else absent */
};

/* Check |in| as encoding/json does.  AE_OK, or AE_E_SYNTAX with Go's text in
 * |*error|, or AE_E_NOMEM. */
int ae_json_scan(ae_arena *a, ae_str in, struct ae_jscan *out,
                 ae_str *error);

/* ---- gate.c ------------------------------------------------------------- */

struct ae_gate {
    ae_str      part[3];  /* the three segments as sent */
    ae_str      input;    /* "header.payload" */
    ae_str      sig;      /* decoded */
    json_t     *header, *claims; /* objects, owned: ae_gate_free() */
    enum ae_alg alg;      /* AE_ALG_NONE: "none" */
    ae_str      alg_name;
    bool        dup_header, dup_claims; /* a member stands twice */
    bool        respelt;  /* base64url is not canonical */
    bool        lossy;    /* nested values are not what was sent (too deep,
                             NUL in a name): do not print them */
    ae_str      reason;   /* AE_E_SYNTAX: Argo CD's words */
    const char *stricter; /* first reason of ours to refuse a token that
                             Argo CD takes (closed list, item 2) */
    struct ae_token_trace *trace; /* NULL: nobody wants to know */
};

/* Split and decode |token| (at most AE_TOKEN_MAX bytes; longer is
 * AE_E_TOOBIG).  AE_E_SYNTAX: |reason| says why, in golang-jwt's order.  The
 * gate must be freed in every case. */
int  ae_gate_open(ae_arena *a, ae_str token, struct ae_gate *g);
/* Header and claims only; the algorithm and the signature are not looked at. */
int  ae_gate_decode(ae_arena *a, ae_str token, struct ae_gate *g);
void ae_gate_free(struct ae_gate *g);

/* ---- trace.c ------------------------------------------------------------ */

/* Without signature, for inspection: nothing may come of it. */
static inline bool ae_token_keyless(const struct ae_gate *g)
{
    return g->trace && g->trace->no_keys;
}

/* Note what was found at a step, with the value as |fmt| and a remedy (may be
 * NULL).  The first note of a step that is not OK stays. */
#define AE_NOTE(tr, ...) \
    do { \
        if (tr) \
            ae_token_note((tr), __VA_ARGS__); \
    } while (0)
void ae_token_note(struct ae_token_trace *tr, enum ae_token_step step,
                   enum ae_token_found found, const char *remedy,
                   const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* Key (whose name is |key|) and signature are left out. */
void ae_token_note_keyless(struct ae_token_trace *tr, ae_str key);
/* How far ae_gate_open() came. */
void ae_token_note_gate(struct ae_token_trace *tr, const struct ae_gate *g,
                        ae_str token, int rc);
/* exp, nbf and iat, once they were read: refused or unknown as |exp|, |nbf|
 * and |iat| say. */
void ae_token_note_time(struct ae_token_trace *tr, enum ae_token_step step,
                        enum ae_token_found found, const json_t *claims,
                        const char *name, const char *remedy);

/* ---- keys.c ------------------------------------------------------------- */

const char *ae_alg_name(enum ae_alg alg);
bool ae_alg_find(ae_str name, enum ae_alg *alg); /* false: not registered */
static inline bool ae_alg_is_hmac(enum ae_alg alg)
{
    return alg >= AE_HS256 && alg <= AE_HS512;
}

/* ---- claims.c ----------------------------------------------------------- */

struct ae_times {
    bool    has_exp, has_nbf;
    int64_t exp, nbf, iat;
};

/* exp, nbf and iat by golang-jwt's and jwtutil's rules.  False: |*reason| is
 * the refusal (absent when the arena is exhausted). */
bool ae_claims_times(ae_arena *a, const json_t *claims, int64_t now,
                     struct ae_token_trace *tr, struct ae_times *out,
                     ae_str *reason);
/* a < b for unix seconds, as Go's time.Time.Before (its seconds wrap). */
bool ae_time_before(int64_t a, int64_t b);

/* ---- token.c ------------------------------------------------------------ */

/* Absent |reason|: no memory for the text, so no verdict either. */
void ae_token_refuse(struct ae_token_result *out, ae_str reason);
/* We cannot judge the token; but what the closed list names is refused. */
void ae_token_unknown(struct ae_token_result *out, const struct ae_gate *g,
                      ae_str why);
/* Group values (T7) over all scope claims; more than T17 allows? */
bool ae_token_too_many_groups(const ae_tokens *t, const json_t *claims);

/* ---- accounts.c --------------------------------------------------------- */

struct ae_tokens {
    const struct ae_inputs *in;
    ae_str                  ns;
    ae_key                 *key;    /* NULL: no server secret */
    ae_keyset              *keys;   /* of the inputs; NULL: none, or unusable */
    struct ae_err           keys_err; /* why they are unusable */
    uint64_t                gen;
    struct ae_identity     *anonymous;
};

enum ae_rule { AE_RULE_REFUSED = 0, AE_RULE_OK };

struct ae_who {                      /* result of the account rules */
    enum ae_token_kind kind;
    bool               confirmed;
    bool               no_project;   /* refused: project is not in the inputs */
    bool               unlisted;     /* as in struct ae_token_result */
    ae_str             account;      /* account part, absent for projects */
    ae_str             reason;
};

/* The kind of a token of Argo CD's own, by its identifier. */
enum ae_token_kind ae_account_kind(ae_str subject);
/* Judge the identifier |subject| (T1) with |jti| and |iat|.  |tr| as in
 * struct ae_gate. */
enum ae_rule ae_account_check(const ae_tokens *t, ae_arena *a, ae_str subject,
                              ae_str jti, int64_t iat,
                              struct ae_token_trace *tr, struct ae_who *out);

/* ---- oidc.c ------------------------------------------------------------- */

/* A token of another issuer than argocd, while SSO is configured. */
void ae_token_check_sso(const ae_tokens *t, const ae_keyset *keys, bool fresh,
                        ae_arena *a, struct ae_gate *g, ae_str token,
                        int64_t now, struct ae_token_result *out);

/* ---- identity.c --------------------------------------------------------- */

/* One reference; takes nothing: |claims| gets a reference of its own. */
struct ae_identity *ae_identity_new(enum ae_token_kind kind, ae_str issuer,
                                    ae_str user, ae_str jti, json_t *claims);

#endif
