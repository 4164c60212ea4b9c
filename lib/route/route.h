/*
 * route.h - from raw bytes to one operation of Argo CD's API, its typed
 * parameters, and the permission checks it will make (semantics-api.md).
 */
#ifndef AE_ROUTE_H
#define AE_ROUTE_H

#include "base/base.h"

enum ae_method { AE_M_OTHER = 0, AE_M_GET, AE_M_HEAD, AE_M_POST, AE_M_PUT,
                 AE_M_PATCH, AE_M_DELETE, AE_M_OPTIONS };

/* Closed sets of design.md 4.5. */
enum ae_shape { AE_SHAPE_UNARY, AE_SHAPE_STREAM, AE_SHAPE_TEXT };
enum ae_cache_class { AE_CC_NEVER, AE_CC_OBJECT, AE_CC_LIST, AE_CC_LOGIN,
                      AE_CC_SELF };
enum ae_cost { AE_COST_READ, AE_COST_LIST, AE_COST_HEAVY, AE_COST_WRITE,
               AE_COST_SYNC, AE_COST_LOGIN, AE_COST_WEBHOOK, AE_COST_STREAM };
enum ae_auth { AE_AUTH_REQUIRED, AE_AUTH_OPTIONAL, AE_AUTH_NONE,
               AE_AUTH_COOKIE /* cookie only: terminal, extensions */ };

/* Query fields of an operation.  Types: s string, b bool, i int64, n int32,
 * m a message (its binding is not followed: the target becomes doubtful). */
struct ae_qfield { const char *name; char type;
                   bool repeated; bool side_effect; bool no_store; };

struct ae_op {
    uint16_t            id;      /* index in the table; stable per build */
    const char         *name;    /* "ApplicationService_Get" */
    enum ae_method      method;
    const char         *tmpl;    /* "/api/v1/applications/{name}" */
    const char         *grpc;    /* "/application.ApplicationService/Get" */
    const char         *resource, *action; /* main permission, for people;
                                    "" when none */
    enum ae_auth        auth;
    enum ae_shape       shape;
    enum ae_cache_class cache;
    enum ae_cost        cost;
    bool                body;    /* has a JSON body */
    bool                body_all;/* the body is the whole message: the query
                                    is not read */
    bool                by_rights; /* nothing in the answer is about who asks,
                                    beyond what their rights let them see */
    uint16_t            recipe;  /* object recipe, private to lib/route */
    const struct ae_qfield *q; size_t nq;
    const char         *reads;   /* tag templates, space separated:
                                    "applications app:{ns}/{name}" */
    const char         *writes;  /* the same, invalidated */
    bool                outside; /* a handler outside the swagger */
};

size_t              ae_op_count(void);       /* 106 + handlers outside */
const struct ae_op *ae_op_at(size_t i);
const struct ae_op *ae_op_by_name(ae_str name);
const struct ae_op *ae_op_by_grpc(ae_str full_method);

/* ---- match.c, query.c --------------------------------------------------- */

enum ae_target_kind {
    AE_TGT_BAD = 0,   /* refuse: status/text below (400 by T2, 404, 405, 415) */
    AE_TGT_OP,        /* op + parameters */
    AE_TGT_UNKNOWN,   /* outside /api/, no known handler (UI assets) */
    AE_TGT_UNKNOWN_API, /* under /api/, no route: status 404/405 + text */
    AE_TGT_GRPC       /* grpc or grpc-web by content type; op may be NULL */
};

struct ae_param { ae_str name, value; };

struct ae_route_conf {
    ae_str root_path;   /* "" or "/argocd" */
    ae_str ns;          /* control namespace */
    bool   rollback_enforced, fine_grained_inherit, override_for_revision;
};

struct ae_target {
    enum ae_target_kind kind;
    int           status;          /* BAD, UNKNOWN_API */
    ae_str        body;            /* BAD, UNKNOWN_API: body to send */
    ae_str        ctype;           /* its content type */
    enum ae_method method;
    const struct ae_op *op;
    ae_str        path, query;     /* raw, borrowed from the target */
    struct ae_param path_par[6]; size_t npath; /* decoded as Argo CD sees it */
    struct ae_param *q; size_t nq; /* bound query values, JSON names, in
                                      order; list fields may repeat */
    bool          unknown_query;   /* has names the table lacks: uncached */
    bool          side_effect;     /* refresh & co.: a write (T10, T13) */
    bool          no_store;        /* parameters make it uncacheable */
    bool          doubtful;        /* Argo CD's reading is not certain:
                                      forward, never refuse, never cache */
    bool          grpc_web;        /* GRPC: +proto web, else native */
    uint64_t      memo;            /* of ae_route_again(): who has the same
                                      number asks the same; 0: no number */
};

struct ae_route_in {
    ae_str method, target;
    ae_str content_type;  bool content_type_dup;
    bool   has_body;
};

/* Never fails except AE_E_NOMEM.  Never allocates on the common path beyond
 * the decoded parameters.  Spans are borrowed from |in|, |a| and constants.
 * AE_TGT_UNKNOWN also stands for what only the upstream can answer: HEAD under
 * /api/ (P13) and once-encoded write-* paths (T2 b); forward, never store.
 * GRPC whatever the method: the content type must then be passed on. */
int ae_route(const struct ae_route_conf *c, const struct ae_route_in *in,
             ae_arena *a, struct ae_target *out);
/* ---- memo.c ------------------------------------------------------------- */

/* The same, remembering what plain targets mean: for one |c| only, so clear
 * it when that changes: numbers (ae_target.memo) are never given twice, before
 * or after.  Belongs to whoever calls it one at a time.  NULL from
 * _new is fine: nothing is remembered then. */
typedef struct ae_route_memo ae_route_memo;
ae_route_memo *ae_route_memo_new(uint64_t seed);
void           ae_route_memo_free(ae_route_memo *m);
void           ae_route_memo_clear(ae_route_memo *m);
int ae_route_again(ae_route_memo *m, const struct ae_route_conf *c,
                   const struct ae_route_in *in, ae_arena *a,
                   struct ae_target *out);

/* First value of a bound query or path parameter; absent span if none. */
ae_str ae_target_get(const struct ae_target *t, const char *name);

/* ---- object.c: the checks that Argo CD will make ------------------------ */

enum ae_obj_kind {
    AE_OBJ_FIXED = 0,  /* |object| is the exact RBAC object */
    AE_OBJ_STORED,     /* "<project of the stored object>/<suffix>": the
                          request does not say it.  |suffix| = [ns/]name */
    AE_OBJ_STORED_OPT, /* the same, but the stored object may have no project
                          (then the object is |suffix| alone: url) */
    AE_OBJ_LIST        /* one check per stored item; never denied */
};
enum ae_deny_style {
    AE_DENY_FORWARD = 0, /* a "no" here is not ours to say: forward */
    AE_DENY_PLAIN,       /* 403 "permission denied" */
    AE_DENY_VERBOSE,     /* 403 "permission denied: res, act, obj, sub: …" */
    AE_DENY_VERBOSE_ROLE /* as VERBOSE, but only if the snapshot holds the
                            project (path parameter "project") with the role
                            (path parameter "role") and none of the caller's
                            groups is in that role's groups; else FORWARD:
                            Argo CD looks these up before the check */
};

struct ae_check {
    ae_str             resource, action;
    enum ae_obj_kind   obj;
    ae_str             object;   /* FIXED */
    ae_str             suffix;   /* STORED* */
    enum ae_deny_style deny;
    bool               self_ok;  /* skipped if the caller's identifier equals
                                    |object|, or |object| is empty, and the
                                    issuer is argocd */
    bool               or_next;  /* yes here settles; no asks the next check
                                    (fine-grained inheritance) */
};

struct ae_checks {
    struct ae_check *v; size_t n;
    bool   need_body;   /* the body decides; call again with it */
    bool   complete;    /* these are all checks that Argo CD makes (else more
                           may follow after look-ups) */
    /* can-i: answered at the edge */
    bool   can_i;       /* v[0] is the question; answer {"value":"yes"|"no"} */
    int    status; ae_str error; int code; /* can-i: 400 for unknown names */
};

/* |body|: parsed JSON or NULL (not read).  An empty body is passed as JSON
 * null, a body that does not parse is not passed at all: the call is then to
 * be forwarded.  Order = Argo CD's.  Errors: AE_E_NOMEM, AE_E_INVAL. */
int ae_route_checks(const struct ae_route_conf *c, const struct ae_target *t,
                    const json_t *body, ae_arena *a, struct ae_checks *out);

/* The checks to repeat on a cached entry whose object has |project| (from the
 * stored body or its index); FIXED in |out|, all must say yes.  |ns| and
 * |name| are those of the stored object (name: server or URL of clusters and
 * repositories); absent = as in the request.  AE_E_UNSUP if the operation has
 * none (class list, login, self) or the request names another project (Argo CD
 * would say 404). */
int ae_route_recheck(const struct ae_route_conf *c, const struct ae_target *t,
                     ae_str project, ae_str ns, ae_str name, ae_arena *a,
                     struct ae_checks *out);

/* Concrete tags from op->reads / op->writes and the parameters; |kind| 'r' or
 * 'w'.  "app:?/NAME" stands for the application NAME in a namespace that the
 * request does not tell, "app:?" for any application: one application's entry
 * reads "app:NS/NAME app:?/NAME app:?", a write moves "applications" (lists)
 * and the narrowest that is certain.  Who drops the whole family by hand moves
 * both "applications" and "app:?". */
int ae_route_tags(const struct ae_route_conf *c, const struct ae_target *t,
                  const json_t *body, char kind, ae_arena *a,
                  ae_str **tags, size_t *n);

/* ---- grpc.c ------------------------------------------------------------- */

/* Classify a gRPC(-web) call by its method path; op or NULL. */
const struct ae_op *ae_grpc_op(ae_str path);
/* Read the fields that make up the object into a target as if the call had
 * come by REST (kind AE_TGT_GRPC).  |message|: the request body from its
 * first frame's header (five bytes) on; only that frame counts.  Values are
 * borrowed from it.  AE_E_SYNTAX: does not parse, or a required field lacks
 * (Argo CD: code 13 or 2, before authentication); AE_E_INVAL: no |op|;
 * AE_E_NOMEM. */
int ae_grpc_bind(const struct ae_op *op, ae_str message, ae_arena *a,
                 struct ae_target *out);

#endif
