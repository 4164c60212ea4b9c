/*
 * config.h - one directive table for both servers and the CLI, and the
 * readers of Argo CD's own inputs.  The only folder that reads files.
 */
#ifndef AE_CONFIG_H
#define AE_CONFIG_H

#include "base/base.h"
#include "base/inputs.h"
#include "base/rules.h"

enum ae_mode { AE_MODE_UNSET = -1, AE_MODE_OFF = 0, AE_MODE_SHADOW,
               AE_MODE_ENFORCE };
enum ae_grpc_mode { AE_GRPC_PASS, AE_GRPC_DECIDE, AE_GRPC_OFF };
enum ae_tri { AE_AUTO, AE_COMPLETE, AE_PARTIAL };
enum ae_unknown_mode { AE_UNK_DENY, AE_UNK_FORWARD };
/* What a location answers itself instead of passing requests on. */
enum ae_serve { AE_SERVE_NONE, AE_SERVE_METRICS, AE_SERVE_STATUS,
                AE_SERVE_STATUS_OPEN, /* who may is the host server's say */
                AE_SERVE_PURGE /* does something: only after the host's own
                                  access rules */ };

/* ---- limits (limits.c) --------------------------------------------------- */

#define AE_LIMITS_MAX 16    /* lines of one location */
#define AE_EXCEPT_MAX 8     /* names of one except= */
#define AE_LIMIT_CALLS_MAX 200 /* largest cap on calls under way */

/* Whom a limit is for. */
enum ae_who_class { AE_WC_ADDRESS, AE_WC_ANONYMOUS, AE_WC_SESSION,
                    AE_WC_APIKEY, AE_WC_PROJECT, AE_WC_OIDC, AE_WC_ANY,
                    AE_WC_GROUP, AE_WC_USER,
                    AE_WC_LOGIN, AE_WC_WEBHOOK, /* the shields' own */
                    AE_WC__N };
const char *ae_who_class_name(unsigned c); /* "apikey"; "" for others */
struct ae_who_spec { enum ae_who_class cls; ae_str name; };

/* What an operation costs; the first eight as enum ae_cost of lib/route. */
enum ae_ops { AE_OPS_READ, AE_OPS_LIST, AE_OPS_HEAVY, AE_OPS_WRITE,
              AE_OPS_SYNC, AE_OPS_LOGIN, AE_OPS_WEBHOOK, AE_OPS_STREAM,
              AE_OPS_OTHER, /* outside the API: the UI's files, healthz */
              AE_OPS__N };
enum ae_limit_per { AE_PER_CALLER, AE_PER_NETWORK, AE_PER_ALL };

struct ae_rate_conf {
    int64_t step_ns;    /* of one request: 10 ms at 100r/s; 0 = no limit */
    int64_t n, unit_s;  /* as it was written: 100 in 1 s */
    int64_t burst;      /* requests, >= 1 */
};

struct ae_limit_conf {
    ae_str   name;              /* for clients and logs; printable ASCII */
    ae_str   policy;            /* its RateLimit-Policy, made once */
    uint64_t id;                /* of the name: lines of one name share */
    struct ae_who_spec who, except[AE_EXCEPT_MAX]; size_t nexcept;
    uint32_t ops;               /* bits of enum ae_ops */
    enum ae_limit_per per;
    struct ae_rate_conf rate;
    int64_t  delay;             /* of the burst at once, the rest later; -1:
                                   all at once */
    uint32_t cost[AE_OPS__N];   /* units, >= 1 */
    uint32_t failed;            /* units of a token that does not verify */
    uint32_t calls;             /* limit_calls: how many at a time */
};

struct ae_login_conf {          /* login_limit */
    struct ae_rate_conf address, user; /* step_ns 0 = not limited */
};

struct ae_webhook_conf {        /* webhook */
    struct ae_rate_conf rate;   /* by address; step_ns 0 = not limited */
    int64_t max_body;           /* bytes; 0 = whatever comes, unread */
    int64_t repeat_ms;          /* the same push again: answered here */
    bool    signatures;
    const struct ae_cidr *from; size_t nfrom; /* none: from anywhere */
};

/* Process-wide settings. */
struct ae_conf {
    ae_str   inputs;            /* directory of section 5; absent = none */
    ae_str   cache_path; uint64_t cache_size;   /* absent = no cache */
    ae_str   zone_name;  uint64_t zone_size;
    ae_str   ns;                /* control namespace, "argocd" */
    const ae_str *app_ns; size_t napp_ns;
    enum ae_tri projects;
    ae_str   root_path;
    ae_str   upstream_version;
    ae_str   dex_server;
    ae_str   service_token_file; /* absent = none */
    ae_str   oidc_discovery, oidc_keys; /* places of this server; absent */
    bool     oidc_off;          /* no sub-requests for them at all */
    ae_str   audit;             /* file of the audit log; absent = none */
    bool     watched;           /* somebody looks: keep all decisions */
    uint32_t workers;           /* for LMDB reader slots; shells fill it */
    bool     serving;           /* a server's: R33 in full; shells fill it */
};

/* Tenants' lists from full copies; ASK: of such callers, too. */
enum ae_lists_mode { AE_LISTS_OFF, AE_LISTS_ON, AE_LISTS_ASK };

/* Who may be answered with what was stored for another. */
enum ae_share { AE_SHARE_IDENTITY, AE_SHARE_RIGHTS };

/* Per-location settings.  Negative / UNSET until merged. */
struct ae_loc {
    enum ae_mode mode;
    int      grpc;              /* enum ae_grpc_mode, -1 unset */
    int      unknown_api;       /* enum ae_unknown_mode, -1 unset */
    int      cache;             /* 0/1, -1 unset */
    int      lookup;            /* 0/1, -1 unset */
    int      lease_probe;       /* 0/1, -1 unset */
    int      lists;             /* enum ae_lists_mode, -1 unset */
    int      share;             /* enum ae_share, -1 unset */
    int      serve;             /* enum ae_serve, -1 unset */
    int      gzip;              /* keep and serve a compressed copy: 0/1, -1 */
    int      status_header;     /* Cache-Status to clients: 0/1, -1 unset */
    int64_t  ttl_applications_ms, ttl_objects_ms, ttl_settings_ms; /* -1 */
    int64_t  quarantine_ms;     /* after a write, -1 */
    int64_t  max_object;        /* bytes, -1 */
    int64_t  max_body;          /* request body read for a decision, -1 */
    int64_t  lease_ms;          /* -1 */
    int64_t  collapse_ms;       /* wait for another's answer so long, -1 */
    int64_t  stale_revalidate_ms, stale_error_ms; /* RFC 5861, -1 */
    int64_t  dead_token_ms;     /* -1 */
    int64_t  stream_max_ms;     /* -1; 0: none */
    /* NULL until merged; "off" is an empty list */
    struct ae_limit_conf *limits, *calls; size_t nlimits, ncalls;
    int      limit_dry_run;     /* 0/1, -1 unset */
    int      limit_headers;     /* RateLimit on every answer: 0/1, -1 unset */
    const struct ae_login_conf *login_limit; /* NULL unset; off: all zero */
    const struct ae_webhook_conf *webhook;   /* the same */
    const struct ae_cidr *purge_from; size_t npurge_from; /* with |serve| */
};

/* Is anything limited here?  Asked before the steps, and by them. */
static inline bool ae_loc_limits(const ae_loc *l)
{
    return l->nlimits || l->ncalls;
}

static inline bool ae_loc_login_limits(const ae_loc *l)
{
    const struct ae_login_conf *c = l->login_limit;

    return c && (c->address.step_ns || c->user.step_ns);
}

/* The directive table.  Names are nginx form without the prefix ("inputs",
 * "cache", ...; "" is argo_edge itself); httpd derives CamelCase. */
enum ae_dir_ctx { AE_CTX_MAIN = 1, AE_CTX_LOC = 2,
                  AE_CTX_MULTI = 4 /* may come more than once */ };
struct ae_directive {
    const char *name;           /* nginx: "argo_edge_inputs" */
    const char *httpd;          /* "ArgoEdgeInputs" */
    unsigned    ctx;            /* AE_CTX_* */
    int         min_args, max_args; /* max -1 = any */
    const char *syntax, *def, *help;
    /* Apply.  Error text in |err|. |a| keeps copies. */
    int (*set)(ae_arena *a, struct ae_conf *c, struct ae_loc *l,
               const ae_str *args, size_t n, struct ae_err *err);
};
size_t                     ae_directive_count(void);
const struct ae_directive *ae_directive_at(size_t i);

void ae_conf_init(struct ae_conf *c);
void ae_loc_init(struct ae_loc *l);                     /* all unset */
void ae_loc_merge(struct ae_loc *child, const struct ae_loc *parent);
void ae_loc_defaults(struct ae_loc *l);                 /* fill what is unset */

/* ---- inputs (mounted layout and manifests) ------------------------------ */

typedef struct ae_inputs_src ae_inputs_src; /* remembers stat() of what was
                                               read, for polling */
/* Read everything below |dir|.  |out| and its texts live in |heap| (freed by
 * the caller with ae_heap_free).  Bad input: AE_E_*, |err| names file, line
 * and remedy; *src is set then as well, so that the caller can wait for the
 * next change.  |src| may be NULL; else free it with ae_inputs_src_free(). */
int  ae_inputs_load(ae_str dir, const struct ae_conf *c, ae_heap *heap,
                    struct ae_inputs *out, ae_inputs_src **src,
                    struct ae_err *err);
/* Has anything changed on disk since?  stat() only.  1 yes, 0 no. */
int  ae_inputs_changed(ae_inputs_src *src);
void ae_inputs_src_free(ae_inputs_src *src);
/* When the provider's documents were last fetched (unix seconds), 0 if nobody
 * says: they are files like any other then. */
int64_t ae_sso_stamp(const struct ae_sso *s);

/* One AppProject from JSON (vectors, manifests): the members that RBAC and
 * project tokens read.  Texts are copied into |a|; |out->file| stays absent.
 * AE_E_SYNTAX names the member, AE_E_NOMEM. */
int  ae_project_from_json(ae_arena *a, const json_t *o, struct ae_project *out,
                          struct ae_err *err);
/* The scopes YAML ("[groups, email]", T7).  *set is false for an empty text or
 * a YAML null, which leave Argo CD's default ["groups"]; "[]" sets no scopes
 * at all.  AE_E_SYNTAX if it does not parse or is no list (R11). */
int  ae_scopes_parse(ae_arena *a, ae_str yaml, const ae_str **out, size_t *n,
                     bool *set, struct ae_err *err);
/* YAML or JSON text to a JSON value, as sigs.k8s.io/yaml sees it: the first
 * document, scalars by YAML 1.1, of equal keys the last.  Refused: aliases,
 * merge keys, more than 64 levels.  NULL: |err| has file:line:column.  The
 * caller json_decref()s. */
json_t *ae_yaml_to_json(ae_str text, ae_str file, struct ae_err *err);
/* Whole file; at most |max| bytes.  NUL added past the end. */
int  ae_file_read(ae_arena *a, const char *path, size_t max, ae_str *out,
                  struct ae_err *err);

#endif
