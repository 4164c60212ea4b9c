/*
 * internal.h - what the files of lib/route share: the numbers of operations
 * and recipes, and the small decoders.
 */
#ifndef AE_ROUTE_INTERNAL_H
#define AE_ROUTE_INTERNAL_H

#include "route/route.h"

enum ae_opid {
#define AE_OP(name, ...) AE_OPID_##name,
#define AE_OUT(name, ...) AE_OPID_##name,
#include "route/operations.def"
#undef AE_OP
#undef AE_OUT
    AE_OPID__N
};

/* How the RBAC object of an operation comes about (object.c). */
enum ae_recipe {
    AE_R_NONE,      /* nothing is enforced */
    AE_R_CANI,
    AE_R_LIST,      /* once per stored item */
    AE_R_APP,       /* application lookup, parameters in path and query */
    AE_R_APP_RES,   /* the same; resourceName, version, kind are required */
    AE_R_APP_DELETE,/* lookup by get, then delete */
    AE_R_APP_LOGS,  /* lookup by get, then logs get */
    AE_R_APP_FINE,  /* update or delete of one resource */
    AE_R_APP_ACTION,/* the body is the action's name */
    AE_R_APP_SPEC,  /* body: the new spec; query project */
    AE_R_APP_UNREAD,/* the body is the whole message; not read by us */
    AE_R_APP_CREATE,
    AE_R_APP_UPDATE,
    AE_R_APPSET,    /* looked up first */
    AE_R_APPSET_BODY,
    AE_R_ACCT, AE_R_ACCT_BODY, AE_R_PASSWORD,
    AE_R_CONST,     /* the empty object */
    AE_R_CERT_BODY, AE_R_GPG_BODY,
    AE_R_CLUSTER, AE_R_CLUSTER_FWD, AE_R_CLUSTER_BODY,
    AE_R_PROJ, AE_R_PROJ_FWD, AE_R_PROJ_DELETE, AE_R_PROJ_CREATE,
    AE_R_PROJ_TOKEN, AE_R_PROJ_TOKEN_BODY,
    AE_R_CREDS, AE_R_CREDS_FWD, AE_R_CREDS_BODY,
    AE_R_REPO, AE_R_REPO_BODY, AE_R_REPO_VALIDATE,
    AE_R_TERMINAL, AE_R_EXTENSION
};

/* Columns of the table that only this folder needs. */
struct ae_opx {
    uint8_t method; /* as in ae_op: the search reads only these columns */
    uint8_t nseg;   /* path segments; with "=**" the least number */
    uint8_t tlen;   /* bytes of the template */
    bool    tail;   /* the last parameter takes any number of segments */
    bool    unesc;  /* first parameter is query-unescaped once more */
};
extern const struct ae_op  ae_ops[];
extern const struct ae_opx ae_opxs[];

static inline const struct ae_opx *ae_opx(const struct ae_op *op)
{
    return &ae_opxs[op->id];
}

/* Rows first..last belong to the path segment |name|. */
struct ae_family { ae_str name; uint16_t first, last; };
const struct ae_family *ae_family_find(ae_str segment);

/* ---- decode.c ---------------------------------------------------------- */

static inline int ae_hexval(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decode |in|; |plus|: '+' is a blank (Go's QueryUnescape).  Borrows
 * |in| when there is nothing to decode.  AE_E_SYNTAX at a bad escape, whose
 * text (up to three bytes, as Go names it) goes to |bad| if given. */
int  ae_unescape(ae_arena *a, ae_str in, bool plus, ae_str *out, ae_str *bad);
/* UTF-8 as ae_utf8_valid, quick on ASCII. */
bool ae_text_ok(ae_str s);
/* Does Go keep the raw form of this path (net/url setPath: the encoding is
 * not Go's own)?  semantics-api.md 1.4. */
bool ae_path_keeps_raw(ae_str raw);
/* One of the six unanchored patterns (semantics-api.md 1.3). */
bool ae_path_is_raw_route(ae_str raw);

/* ---- canon.c: T2 -------------------------------------------------------- */

/* Which exception of T2 covers the path. */
enum ae_canon_class { AE_CAN_NORMAL, AE_CAN_ID, AE_CAN_WRITE, AE_CAN_CANI };
enum ae_canon_class ae_canon_class(ae_str path);
/* NULL if |path| (without query) is canonical, else why it is not. */
const char *ae_canon_path(ae_str path, enum ae_canon_class cc);
const char *ae_canon_query(ae_str query);

/* ---- query.c ------------------------------------------------------------ */

#define AE_QUERY_MAX   32768  /* bytes of a query string (Q06) */
#define AE_QUERY_PARMS 1024   /* parameters (Q06) */

/* Bind t->query by t->op->q.  May turn |t| into AE_TGT_BAD. */
int  ae_query_bind(struct ae_target *t, ae_arena *a);
/* Does |v| parse as |type| the way we are sure of? */
bool ae_query_typed(char type, ae_str v);

/* ---- refuse.c ----------------------------------------------------------- */

void ae_refuse(struct ae_target *t, enum ae_target_kind kind, int status,
               const char *body, const char *ctype);
/* 400 with Argo CD's JSON error shape, code 3. */
int  ae_refuse_json(struct ae_target *t, ae_arena *a, ae_str text);

/* ---- match.c ------------------------------------------------------------ */

enum ae_method ae_method_of(ae_str m);
/* Fill path parameters of |op| from |path|; false if the template does not
 * match.  The first |skip| bytes are known to be equal. */
bool ae_match_params(const struct ae_op *op, ae_str path, size_t skip,
                     struct ae_target *t);

/* ---- body.c ------------------------------------------------------------- */

/* Does |body| hold only what Go's decoder surely takes for the members that
 * |schema| lists ("name:s id:s expiresIn:i")?  Unknown members are ignored by
 * Go; a member that equals a listed one but for case makes it unsure, and so
 * does one of type "-" that is not null. */
bool   ae_body_sure(const json_t *body, const char *schema);
/* String at a dotted place in |body|, or absent. */
ae_str ae_body_str(const json_t *body, const char *dotted);

#endif
