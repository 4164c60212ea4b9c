/*
 * argo_edge.h - the public interface of libargoedge.
 *
 * The core decides what happens to one request for Argo CD's API server.  It
 * is driven by a shell (the nginx module, the httpd module, the command line)
 * and does no network I/O of its own: ae_txn_step() says what it needs.
 *
 * Ownership, once for everything here: what the caller passes is borrowed
 * until ae_txn_end(); what an action carries is borrowed until the next step
 * (NEED_BODY, NEED_FETCH) or until ae_txn_end() (REPLY, CACHED, FORWARD).
 * Nobody frees the other's memory.  No function blocks on the network.
 */
#ifndef ARGO_EDGE_H
#define ARGO_EDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AE_VERSION "0.1.0"

/* ---------------------------------------------------------------- bytes */

/* Borrowed bytes.  May hold NUL, never NUL-terminated by contract.
 * {NULL, 0} is "absent"; a non-NULL p with n == 0 is "present and empty". */
typedef struct ae_str {
    const char *p;
    size_t      n;
} ae_str;

#define AE_STR(lit) ((ae_str){ ("" lit), sizeof(lit) - 1 })

/* ---------------------------------------------------------------- errors */

/* Every function that can fail returns 0 or one of these.  HTTP numbers are
 * never return codes. */
enum {
    AE_OK = 0,
    AE_E_NOMEM = -1,    /* arena or heap exhausted */
    AE_E_INVAL = -2,    /* caller broke the contract */
    AE_E_SYNTAX = -3,   /* input does not parse; ae_err names the place */
    AE_E_IO = -4,       /* the system refused a file */
    AE_E_NOTFOUND = -5,
    AE_E_TOOBIG = -6,   /* a named bound was exceeded */
    AE_E_BUSY = -7,     /* somebody else holds it; nothing was done */
    AE_E_CORRUPT = -8,  /* stored bytes do not check out */
    AE_E_FULL = -9,     /* the store is full */
    AE_E_UNSUP = -10,   /* valid, but not supported here */
    AE_E_STATE = -11,   /* called out of order */
    AE_E_BUDGET = -12,  /* a step budget ran out: the answer is "unknown" */
    AE_E_PATTERN = -13, /* a pattern raised an error (invalid regex, G8) */
    AE_E_AGAIN = -14    /* nothing changed / try later */
};

/* Caller-owned, fixed-size error detail.  The first error wins: a function
 * never overwrites a record whose code is already non-zero. */
struct ae_err {
    int      code;      /* AE_E_*, 0 = none */
    uint32_t line;      /* 1-based, 0 = no line */
    uint32_t column;    /* 1-based byte column, 0 = no column */
    char     file[256]; /* "" = no file */
    char     text[512]; /* what is wrong and what to do, one sentence */
};

/* Formats "file:line:column: text" into |buf| (always NUL-terminated). */
const char *ae_err_str(const struct ae_err *e, char *buf, size_t n);

/* ---------------------------------------------------------------- memory */

/* The host's allocator for one request or one object: blocks live until the
 * host drops them all at once (a pool).  Returns NULL when exhausted. */
struct ae_mem {
    void *(*alloc)(void *ctx, size_t n);
    void *ctx;
};

/* ------------------------------------------------------- host callbacks */

enum ae_log_level { AE_LOG_ERROR, AE_LOG_WARN, AE_LOG_NOTICE, AE_LOG_INFO,
                    AE_LOG_DEBUG };

#define AE_WAITS_ANY UINT32_MAX

struct ae_host {
    void (*log)(void *ctx, enum ae_log_level level, const char *msg);
    int64_t (*wall_us)(void *ctx); /* UTC, microseconds; NULL = the system's */
    int64_t (*mono_us)(void *ctx); /* monotonic, us; NULL = the system's */
    void *ctx;
    /* How many requests may wait for their turn at one time (a limit's
     * delay): in this process, and in all that share the zone.  Further ones
     * are refused.  AE_WAITS_ANY: waiting costs nothing. */
    uint32_t waits, waits_all;
    bool refreshes; /* the shell heeds act.refresh */
    bool one_thread; /* every call into this engine comes from one thread: no
                        lock is taken.  Zero is always right */
};

/* --------------------------------------------------------- configuration */

/* Opaque results of the one directive table (lib/config/directives.def).
 * struct ae_conf is the process-wide part (inputs, cache, zone, namespaces),
 * struct ae_loc the per-location part (mode, lifetimes, limits). */
typedef struct ae_conf ae_conf;
typedef struct ae_loc  ae_loc;

/* ------------------------------------------------------ engine, snapshot */

typedef struct ae_engine   ae_engine;   /* per process, made after fork */
typedef struct ae_snapshot ae_snapshot; /* immutable, refcounted */

/* Build a snapshot from the inputs that |conf| names.  Reads files.  On
 * failure returns AE_E_* and |err| says file:line:column and the remedy.
 * The result has one reference; ae_snapshot_unref() drops it. */
int  ae_snapshot_build(const ae_conf *conf, ae_snapshot **out,
                       struct ae_err *err);
void ae_snapshot_ref(ae_snapshot *s);
void ae_snapshot_unref(ae_snapshot *s);
/* 16 hex digits (hash of the content), NUL-terminated, lives as long as |s|. */
const char *ae_snapshot_id(const ae_snapshot *s);
/* Warnings found while building (lint-grade), one per call of |fn|. */
void ae_snapshot_warnings(const ae_snapshot *s,
                          void (*fn)(void *ctx, const char *msg), void *ctx);

/* Make the engine of this process.  Call after fork.  Takes its own reference
 * on |snap|.  |conf| is borrowed for the engine's life.  Opens the cache that
 * |conf| names; a cache that cannot be opened is logged, and the engine runs
 * without (proxy-only).  Fails only on AE_E_NOMEM / AE_E_INVAL. */
int  ae_engine_new(const ae_conf *conf, ae_snapshot *snap,
                   const struct ae_host *host, ae_engine **out,
                   struct ae_err *err);
void ae_engine_free(ae_engine *e);

/* Call about once a second (a timer): polls the inputs by stat, rebuilds and
 * publishes a new snapshot in-process, runs cache housekeeping.  Never fails
 * outward: a bad input keeps the last good snapshot and is logged once. */
void ae_engine_tick(ae_engine *e);

/* The snapshot now in force (borrowed until the next tick). */
const ae_snapshot *ae_engine_snapshot(const ae_engine *e);

/* Counters in a fixed order; see ae_counter_name(). */
size_t      ae_counter_count(void);
const char *ae_counter_name(size_t i);
uint64_t    ae_counter_value(const ae_engine *e, size_t i);

/* --------------------------------------------------------------- request */

/* The closed set of request headers that the core reads. */
enum ae_hdr {
    AE_H_AUTHORIZATION, AE_H_CONTENT_TYPE, AE_H_ACCEPT, AE_H_ACCEPT_ENCODING,
    AE_H_CACHE_CONTROL, AE_H_CONNECTION, AE_H_UPGRADE, AE_H_HOST,
    AE_H_ORIGIN, AE_H_SEC_FETCH_SITE, AE_H_IF_NONE_MATCH, AE_H_USER_AGENT,
    AE_H_ARGOCD_APP, AE_H_ARGOCD_PROJECT, AE_H_TRANSFER_ENCODING,
    AE_H_TRACEPARENT,
    AE_H_TOKEN, /* gRPC metadata "token"; REST never reads it */
    AE_H_METADATA, /* any Grpc-Metadata-* or Grpcgateway-*: the request is
                      then not decided, as identities may hide there (REST
                      reads the former and gRPC the latter) */
    /* of webhooks: */
    AE_H_VSS_ACTIVITYID, AE_H_GOGS_EVENT, AE_H_GOGS_SIGNATURE,
    AE_H_GITHUB_EVENT, AE_H_HUB_SIGNATURE, AE_H_HUB_SIGNATURE_256,
    AE_H_GITLAB_EVENT, AE_H_GITLAB_TOKEN, AE_H_HOOK_UUID, AE_H_EVENT_KEY,
    AE_H__N
};

/* The lower-case field name of |h|, for shells that fill the record. */
const char *ae_hdr_name(enum ae_hdr h);
/* The enum of a field name (any case), -1 for one that the core does not read,
 * or AE_HDR_ODD for one that it does not read but may have to strip.  Every
 * name that starts with "grpc-metadata-" or "grpcgateway-" is AE_H_METADATA. */
int ae_hdr_lookup(ae_str name);
enum { AE_HDR_ODD = -2 };

/* One request, filled by the shell with borrowed bytes (no copies).  A header
 * that came more than once: hdr[] holds the first, hdr_dup says so.  Absent is
 * {NULL, 0}; present and empty has a non-NULL p. */
struct ae_req {
    uint32_t      size;      /* sizeof(struct ae_req) */
    ae_str        method;    /* as received */
    ae_str        target;    /* RAW request target as received */
    ae_str        authority; /* Host */
    ae_str        scheme;    /* "http" or "https" as the client sees it */
    ae_str        peer;      /* client address text, after real-ip */
    ae_str        hdr[AE_H__N];
    uint32_t      hdr_dup;   /* bit i: header i came more than once */
    const ae_str *cookie;    /* Cookie field lines, unsplit */
    uint32_t      ncookie;
    int64_t       content_length; /* -1: unknown or none */
    bool          has_body;  /* Content-Length > 0 or chunked */
    bool          plain;     /* no field was AE_HDR_ODD: a promise that spares
                                ae_txn_strips() a look at each.  False is
                                always right */
};

/* --------------------------------------------------------------- actions */

/* Zero refuses with 500: a forgotten assignment can never allow. */
enum ae_act_kind {
    AE_FAIL = 0,   /* reply 500 with reply.body; nothing was decided */
    AE_REPLY,      /* send reply.* ; terminal */
    AE_FORWARD,    /* pass upstream with forward.*; terminal */
    AE_CACHED,     /* send reply.* (a stored body); terminal */
    AE_NEED_BODY,  /* read the request body (<= body.max), ae_txn_body() */
    AE_NEED_FETCH, /* make sub-request fetch.*, then ae_txn_fetched() */
    AE_WAIT        /* step again in wait.ms; nothing else is lost by it */
};

struct ae_field { ae_str name, value; };

enum { /* act.forward.flags */
    AE_FWD_FEED = 1,    /* call ae_txn_response() with the header; the body is
                           wanted only if edit.feed then says so.  Set on every
                           forward except in mode off */
    AE_FWD_STREAM = 2,  /* a stream: switch buffering off, no time-out */
    AE_FWD_UPGRADE = 4  /* keep Upgrade/Connection (authorised /terminal) */
};

struct ae_act {
    enum ae_act_kind kind;
    struct {
        int                    status; /* HTTP status to send */
        ae_str                 ctype;
        const struct ae_field *hdr;    /* further headers to send */
        size_t                 nhdr;
        ae_str                 body;
        uint64_t               more;   /* not 0: no |body|, but so many bytes
                                          by ae_txn_read() */
    } reply;                           /* FAIL, REPLY, CACHED */
    struct {
        unsigned               flags;  /* AE_FWD_* */
        const struct ae_field *set;    /* request headers to set (replace);
                                          an empty value removes the field;
                                          names are literals (for ever,
                                          and they end with a NUL) */
        size_t                 nset;
    } forward;                         /* FORWARD */
    struct { size_t max; } body;       /* NEED_BODY */
    struct {
        uint32_t id;
        ae_str   target;               /* GET this on the lookup location */
        ae_str   authorization;        /* credential to send, may be absent */
        ae_str   cookie;
        size_t   max;                  /* bytes of the answer; 0: 1 MiB */
    } fetch;                           /* NEED_FETCH, |refresh| */
    bool refresh;                      /* CACHED: after the answer is sent,
                                          make sub-request fetch.* and show
                                          what comes to ae_txn_response() and
                                          so on; the client sees none of it */
    struct { uint32_t ms; } wait;      /* WAIT */
};

/* ----------------------------------------------------------- transaction */

typedef struct ae_txn ae_txn;

/* Begin a request.  Memory comes from |mem| only.  Returns NULL when the
 * arena is exhausted: the shell answers 500.  |req| and |loc| are borrowed
 * until ae_txn_end(). */
ae_txn *ae_txn_begin(ae_engine *e, const ae_loc *loc,
                     const struct ae_req *req, struct ae_mem mem);

/* Advance to the next action.  Never blocks.  Terminal actions are stable:
 * stepping again returns the same.  With the arena exhausted: AE_FAIL. */
void ae_txn_step(ae_txn *t, struct ae_act *out);

enum { AE_BODY_LAST = 1, AE_BODY_TOO_BIG = 2 };
/* Feed a part of the request body after NEED_BODY; copied. */
int ae_txn_body(ae_txn *t, ae_str part, unsigned flags);

/* Give the answer of sub-request |id|; status 0 = it failed. */
int ae_txn_fetched(ae_txn *t, uint32_t id, int status, ae_str ctype,
                   ae_str body, unsigned flags);

/* May the caller of this request do |action| on |resource| |object|, by the
 * request's own snapshot?  1 yes, 0 no, AE_E_AGAIN if that is not known (no
 * confirmed identity, an unknown verdict).  Ask after a terminal action; for
 * a host's own conditions, which are asked besides Argo CD's. */
int ae_txn_can(ae_txn *t, ae_str resource, ae_str action, ae_str object);

/* A large stored body, in order: up to |n| >= AE_READ_MIN bytes into |buf|.
 * Returns how many, 0 at the end; AE_E_*: the rest is gone, break the
 * connection off, since its length was announced.  Pins nothing between calls,
 * however slow the client. */
enum { AE_READ_MIN = 16360 };
int64_t ae_txn_read(ae_txn *t, char *buf, size_t n);

/* End: drops references (snapshot, identity).  Safe at any point, once. */
void ae_txn_end(ae_txn *t);

/* True if request header |name| must not reach the upstream (T4).  Ask for
 * every header of the request when forwarding, then apply forward.set: a name
 * may be both stripped and set (Cookie without its token). */
bool ae_txn_strip_request(const ae_txn *t, ae_str name);
/* False: no field that came is stripped or replaced, as with most requests;
 * there is only forward.set to be added. */
bool ae_txn_strips(const ae_txn *t);

/* ------------------------------------------------ the upstream's answer */

struct ae_resp {
    int           status;
    ae_str        ctype;
    ae_str        cache_control, vary, content_encoding, set_cookie;
    int64_t       content_length; /* -1: unknown */
    bool          has_renew;      /* Grpc-Metadata-Renew-Token was present */
    bool          foreign;        /* the host's own words, or the answer to
                                     another target than the decided one:
                                     nothing is learnt of the token (T7) */
};

struct ae_resp_edit {
    const struct ae_field *set;  /* response headers to set; names as above */
    size_t                 nset;
    bool                   feed; /* body wanted: ae_txn_resp_part() */
    const struct ae_act   *instead; /* not NULL: send its reply.* and drop
                                    the upstream's answer (stale-if-error) */
};

/* The upstream's header arrived, BEFORE anything is sent to the client: moves
 * generations (T13), judges admission (T10), names header edits. */
int  ae_txn_response(ae_txn *t, const struct ae_resp *r,
                     struct ae_resp_edit *edit);
/* True if response header |name| must not reach the client. */
bool ae_txn_strip_response(const ae_txn *t, ae_str name);
/* A piece of the (identity-coded) body; copied.  AE_E_TOOBIG: stop feeding
 * (ae_txn_resp_end() is still due).  The store gets the answer in
 * ae_txn_resp_end(): call it before ae_txn_end(). */
int  ae_txn_resp_part(ae_txn *t, ae_str part);
/* The body ended.  |complete|: declared length reached or last chunk seen. */
void ae_txn_resp_end(ae_txn *t, bool complete);

/* An answer that does not end (AE_FWD_STREAM) is to be asked for while it goes
 * on: milliseconds until the next time, 0 never (it is no such answer), AE_E_*:
 * the token or its rights have ended, break the connection off.  From the
 * header of the answer on; cheap. */
int64_t ae_txn_watch(ae_txn *t);

/* ------------------------------------------------------------- variables */

enum ae_var { AE_V_DECISION, AE_V_RULE, AE_V_REASON, AE_V_SUBJECT,
              AE_V_TOKEN_KIND, AE_V_OPERATION, AE_V_RESOURCE, AE_V_ACTION,
              AE_V_OBJECT, AE_V_PROJECT, AE_V_CACHE, AE_V_LIMIT,
              AE_V_POLICY_ID, AE_V_DECISION_ID, AE_V_CLASS, AE_V__N };
/* "decision", "rule", … : shells prefix argo_edge_. */
const char *ae_var_name(enum ae_var v);
/* Value for logs, client bytes escaped (T20); {NULL,0} when not known. */
ae_str ae_txn_var(ae_txn *t, enum ae_var v);

/* One line of JSON, with its newline, that says who asked for what, what was
 * decided, and why; |status| is what the client got.  Never a token, a cookie,
 * a query or a body, and no byte that is not printable ASCII.  Absent: nothing
 * was decided here (mode off, a page of our own), or no memory. */
ae_str ae_txn_audit(ae_txn *t, int status);

/* Comma-joined names of the steps taken, for `decide --trace` and tests. */
ae_str ae_txn_trace(ae_txn *t);

#ifdef __cplusplus
}
#endif
#endif
