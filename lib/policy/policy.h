/*
 * policy.h - Argo CD's RBAC, bit for bit (semantics: docs/semantics.md).
 * A policy is compiled once, immutable, and specialised to a principal.
 */
#ifndef AE_POLICY_H
#define AE_POLICY_H

#include "base/base.h"
#include "base/inputs.h"

/* ---- csv.c (C1-C5) ------------------------------------------------------ */

struct ae_csv_line {
    char   key;          /* 'p', 'g', or 'r' 'e' 'm' (ignored) */
    ae_str field[6];     /* field[0] is the key itself */
    size_t nfield;
    uint32_t line;       /* 1-based in the text */
};

/* Reads the next meaningful line of *rest (advances it; *line counts and
 * starts at 0).  nfield counts every field, field[] holds the first six.
 * Returns 1 with |out| filled, 0 at the end, or AE_E_SYNTAX with |err| whose
 * text is Argo CD's own ("invalid RBAC policy: ..." | "error parsing policy
 * line ...") and line/column of the fault.  Fields may be copied to |a|. */
int ae_csv_next(ae_arena *a, ae_str *rest, uint32_t *line,
                struct ae_csv_line *out, struct ae_err *err);
/* Validate a whole text.  0 or AE_E_SYNTAX; |install_error| gets the text of
 * installing it as user policy (C5), |validate_error| the stand-alone one. */
int ae_csv_check(ae_arena *a, ae_str text, ae_str *install_error,
                 ae_str *validate_error);
/* Integrity warning (C6), absent span if none. */
ae_str ae_csv_integrity(ae_arena *a, ae_str text);

/* ---- overlay.c (C7) ----------------------------------------------------- */

/* Join ConfigMap keys as Argo CD does.  |kv| any order, any keys. */
struct ae_kv { ae_str key, value; };
ae_str ae_overlay_join(ae_arena *a, const struct ae_kv *kv, size_t n);
bool   ae_overlay_key(ae_str key); /* policy.csv or policy.*.csv */

/* ---- glob.c (G1-G8) ----------------------------------------------------- */

typedef struct ae_glob ae_glob;
/* 0, AE_E_SYNTAX (invalid pattern), AE_E_NOMEM, AE_E_TOOBIG. */
int ae_glob_compile(ae_arena *a, ae_str pattern, ae_glob **out);
/* 1 match, 0 no, AE_E_PATTERN (Go crashes here), AE_E_BUDGET (unknown).
 * Reentrant; no allocation beyond a bounded stack/scratch. */
int ae_glob_match(const ae_glob *g, ae_str text);
/* True when |g| matches every text / is a plain literal (then *lit). */
bool ae_glob_is_all(const ae_glob *g);
bool ae_glob_literal(const ae_glob *g, ae_str *lit);

/* ---- regex.c (M2, security.md section 9) -------------------------------- */

typedef struct ae_regex ae_regex;
/* 0, AE_E_SYNTAX (RE2 refuses it), AE_E_NOMEM, AE_E_TOOBIG (valid, but
 * beyond our bounds or PCRE2's: the answer is unknown).  Compiled with JIT
 * if there. */
int  ae_regex_compile(ae_str pattern, ae_regex **out); /* heap; free below */
/* 1, 0, AE_E_BUDGET.  Unanchored, case-sensitive. */
int  ae_regex_match(const ae_regex *r, ae_str text);
void ae_regex_free(ae_regex *r);

/* ---- projects.c (P1-P8, T8) --------------------------------------------- */

/* Text generated for one project (P1). */
ae_str ae_project_policy(ae_arena *a, const struct ae_project *p);
/* Write-time validation (P8): 0 or AE_E_INVAL with Argo CD's text and the
 * gRPC code in *code. */
int ae_project_validate(ae_arena *a, const struct ae_project *p,
                        ae_str *error, ae_str *code);
/* Token look-up (T8): index in status.jwtTokensByRole[role] (-1: not found,
 * *error is Argo CD's text), and the same over spec.roles[].jwtTokens. */
int ae_project_token_index(ae_arena *a, const struct ae_project *p,
                           ae_str role, int64_t iat, ae_str id, ae_str *error);
int ae_project_token_spec_index(ae_arena *a, const struct ae_project *p,
                                ae_str role, int64_t iat, ae_str id,
                                ae_str *error);

/* ---- compile.c ---------------------------------------------------------- */

typedef struct ae_policy ae_policy; /* immutable, thread-safe to read */

struct ae_policy_in {
    bool                     builtin;   /* load the built-in policy first */
    const struct ae_rbac_in *rbac;
    const struct ae_project *projects; size_t nprojects;
    ae_str                   ns;        /* control namespace */
    bool                     projects_partial; /* a project the inputs lack
                                           is "unknown", not absent */
};

/* Compile.  AE_E_SYNTAX: |err| has file:line:column and Argo CD's text (the
 * policy does not load).  |in| and its texts are copied as needed. */
int  ae_policy_new(const struct ae_policy_in *in, ae_policy **out,
                   struct ae_err *err);
void ae_policy_free(ae_policy *p);
size_t   ae_policy_bytes(const ae_policy *p);  /* memory held */
uint64_t ae_policy_hash(const ae_policy *p);   /* of the content */
bool     ae_policy_has_project(const ae_policy *p, ae_str name);

/* ---- subject.c (T1, T7) ------------------------------------------------- */

enum ae_subject_kind {
    AE_SUBJ_NONE = 0,  /* no identity (R3.4) */
    AE_SUBJ_STRING,    /* plain string, e.g. "" for anonymous (R3.2, R6) */
    AE_SUBJ_CLAIMS     /* a token (R3.3) */
};

struct ae_subject {
    enum ae_subject_kind kind;
    ae_str        id;            /* string, or T1's identifier */
    const ae_str *groups; size_t ngroups;  /* T7, in order */
    bool          has_iat; int64_t iat;    /* for the refusal text (T9) */
};

/* Claims -> subject with the policy's scopes.  Spans borrow from |claims| and
 * |a|.  |id| overrides T1 when present (a local account, cut at ':'). */
int ae_subject_from_claims(const ae_policy *p, ae_arena *a,
                           const json_t *claims, ae_str id,
                           struct ae_subject *out);

/* ---- decide.c (R1-R13) -------------------------------------------------- */

enum ae_verdict { AE_DENY = 0, AE_ALLOW, AE_UNKNOWN }; /* zero refuses */

enum ae_why {       /* what settled a decision */
    AE_WHY_NO_RULE = 0, AE_WHY_RULE, AE_WHY_DEFAULT_ROLE, AE_WHY_ERROR,
    AE_WHY_UNKNOWN_PROJECT, AE_WHY_BUDGET, AE_WHY_EMPTY_POLICY
};

struct ae_decision {
    enum ae_verdict verdict;
    enum ae_why     why;
    ae_str          subject;    /* the subject that was asked when it settled */
    ae_str          rule_file;  /* "builtin", path, or "project NAME" */
    uint32_t        rule_line;
    ae_str          rule_text;  /* the line as written */
};

/* A policy specialised to one subject: immutable once made except for lazily
 * filled per-project tables guarded for single-threaded use per principal.
 * Holds no reference on the policy; the caller keeps it alive. */
typedef struct ae_principal ae_principal;
int  ae_principal_new(const ae_policy *p, const struct ae_subject *s,
                      ae_principal **out);           /* copies |s| */
void ae_principal_free(ae_principal *pr);
/* Names of the roles that the caller holds by lines of the global policy, the
 * default role included, at most |max|; they live as long as the principal and
 * its policy.  Without memory: none. */
size_t ae_principal_roles(const ae_principal *pr, ae_str *out, size_t max);

/* The decision.  Never fails: errors give deny (R2) or unknown (budget). */
void ae_decide(ae_principal *pr, ae_str resource, ae_str action,
               ae_str object, struct ae_decision *out);

/* The same question for every possible project: object is "<any>/<suffix>"
 * (|with_bare|: also the bare |suffix| without a project).  allow / deny only
 * if it is so for EVERY project, known or not; else unknown.  Sound, not
 * complete: unknown is always a legal answer. */
void ae_decide_any_project(ae_principal *pr, ae_str resource, ae_str action,
                           ae_str suffix, bool with_bare,
                           struct ae_decision *out);

/* The same question for every object "<project>/..." of one project, by a look
 * at the patterns alone.  Unknown: it depends on the object, or would take
 * longer than to ask for each.  Sound, not complete. */
enum ae_verdict ae_decide_in_project(ae_principal *pr, ae_str resource,
                                     ae_str action, ae_str project);

/* True only if the rights cover every object of |resource| for |action|: an
 * allow row matching everything and no deny row that can match (design 4.6). */
bool ae_principal_covers_all(ae_principal *pr, ae_str resource, ae_str action);

/* The class of |pr|: 32 bytes that are equal for two principals only if every
 * decision is the same for both, whatever is asked, at this or any other
 * policy; rights written alike, but for the subject, give equal ones.
 * Collision-resistant, not keyed.  Some ms for rights of thousands of lines,
 * so once per principal.  False: not all of it is known (projects that the
 * inputs lack, a pattern that we cannot evaluate), too many lines, or no
 * memory. */
bool ae_principal_class(ae_principal *pr, unsigned char out[32]);
/* The same without some of its parts: the tests' way to see that each of them
 * is needed. */
enum { AE_CLASS_LESS_RESOURCE = 1, AE_CLASS_LESS_ACTION = 2,
       AE_CLASS_LESS_OBJECT = 4, AE_CLASS_LESS_EFFECT = 8,
       AE_CLASS_LESS_USER = 16, AE_CLASS_LESS_GROUPS = 32,
       AE_CLASS_LESS_PROJECTS = 64 };
bool ae_principal_class_less(ae_principal *pr, unsigned less,
                             unsigned char out[32]);

/* Argo CD's refusal text (T9):
 * "permission denied: res, act, obj[, sub: id][, iat: time]". */
ae_str ae_denied_text(ae_arena *a, const struct ae_subject *s,
                      ae_str resource, ae_str action, ae_str object);

/* ---- explain.c ---------------------------------------------------------- */

/* Human explanation: subjects in the order asked, the deciding rule, near
 * misses (rules that differ in one field), groups dropped and why. */
void ae_explain(ae_principal *pr, ae_str resource, ae_str action,
                ae_str object, ae_buf *out);
/* The same as a JSON object. */
json_t *ae_explain_json(ae_principal *pr, ae_str resource, ae_str action,
                        ae_str object);

/* ---- survey.c, example.c: the policy as a whole ------------------------- */

/* One p-line.  Spans live as long as the policy. */
struct ae_grant {
    ae_str   subject, resource, action, object;  /* as written: patterns */
    int      effect;                 /* 1 allow, -1 deny, 0 means nothing */
    ae_str   file; uint32_t line; ae_str text;
    ae_str   project;                /* whose role says so; absent: global */
    bool     builtin;
};
/* One g-line. */
struct ae_member {
    ae_str   member, role;
    ae_str   file; uint32_t line; ae_str text;
    ae_str   project;
    bool     builtin;
};
size_t ae_policy_lines(const ae_policy *p); /* p and g, built-in included */
void ae_policy_grants(const ae_policy *p,
                      void (*fn)(void *ctx, const struct ae_grant *g),
                      void *ctx);
void ae_policy_members(const ae_policy *p,
                       void (*fn)(void *ctx, const struct ae_member *m),
                       void *ctx);
/* The p-lines that |pr| reaches, whatever the project asked about; each once.
 * AE_E_NOMEM: not all were shown. */
int  ae_principal_grants(ae_principal *pr,
                         void (*fn)(void *ctx, const struct ae_grant *g),
                         void *ctx);
/* A text that |pattern| matches by the policy's own match mode, to ask the
 * policy with; absent if none was found (or without memory). */
ae_str ae_policy_example(const ae_policy *p, ae_arena *a, ae_str pattern);
/* Does |pattern| match |text|, by the policy's match mode?  Compiles anew:
 * for people, not for requests. */
bool ae_policy_fits(const ae_policy *p, ae_str pattern, ae_str text);
/* What Argo CD asks: resource |i| and its actions, separated by blanks; NULL
 * behind the last. */
const char *ae_policy_asks(size_t i, const char **actions);

/* ---- lint.c ------------------------------------------------------------- */

enum ae_lint_level { AE_LINT_ERROR, AE_LINT_WARN, AE_LINT_INFO };
struct ae_lint {
    enum ae_lint_level level;
    const char        *id;      /* stable, e.g. "dead-effect" */
    ae_str             file; uint32_t line, column;
    ae_str             text;    /* what, why it bites, what to do */
};
/* Classic mistakes of a policy: calls |fn| for each finding. */
void ae_policy_lint(const struct ae_policy_in *in,
                    void (*fn)(void *ctx, const struct ae_lint *l), void *ctx);

#endif
