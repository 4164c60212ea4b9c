/*
 * The httpd shell of libargoedge: fills the request record, carries out the
 * actions of the core, feeds the upstream's answer back.  Decisions are made
 * in lib/ only.
 */

#ifndef MOD_ARGO_EDGE_H
#define MOD_ARGO_EDGE_H

#include "httpd.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include "apr_atomic.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_thread_mutex.h"

#include "argo_edge.h"
#include "config/config.h"

/* more than Argo CD needs for userinfo, a project, or a key set */
#define ARGO_EDGE_FETCH_MAX  (1024 * 1024)

/* blocks of requests that have ended, kept for the next: as many as threads
 * work at once */
#define ARGO_EDGE_BLOCKS     64

/* unique tags of our log messages */
#define ARGO_EDGE_NO(n)      "AE" #n ": "

/* process-wide; one, of the main server */
typedef struct {
    struct ae_conf conf;
    ae_arena arena;             /* over the pool of the configuration */
    struct ae_host host;
    ae_snapshot *snapshot;
    ae_engine *engine;          /* of this child */
    apr_thread_mutex_t *tick;   /* one poll at a time */
    apr_uint32_t live;          /* transactions in flight */
    volatile void *blocks[ARGO_EDGE_BLOCKS];
    apr_uint32_t polled;        /* second of the last poll by a request */
    apr_uint64_t seen;          /* directives, by index */
    int used;
    int watchdog;               /* mod_watchdog polls, requests need not */
    apr_file_t *audit;
    apr_uint32_t audit_failed;  /* second of the last complaint */
    apr_uint32_t notes;         /* wanted ones, by enum ae_var */
    const char *inputs_file;    /* where ArgoEdgeInputs stands */
    int inputs_line;
} argo_edge_conf;

typedef struct {
    struct ae_loc loc;          /* what is unset stays so, for merges */
    struct ae_loc full;         /* the same with defaults, once it is ready */
    int ready;
    apr_uint64_t seen;
} argo_edge_dir_conf;

typedef struct {
    request_rec *r;
    argo_edge_conf *mc;
    const struct ae_loc *loc;   /* merged, with defaults */
    ae_txn *txn;
    void *spare;                /* what follows in our block, not yet taken */
    struct ae_req req;
    struct ae_act act;
    ae_str cookie;
    const char *accept_encoding;
    apr_bucket_brigade *body;   /* read for the core, due to the handler */
    apr_off_t fed;
    apr_off_t expected;         /* -1: no Content-Length */
    request_rec *answer;        /* mod_proxy's, while it is there */
    request_rec *refresh;       /* sub-request that fetches anew */
    unsigned chunked:1;         /* what it said */
    unsigned rejoined:1;        /* Cookie fields that httpd had merged */
    unsigned terminal:1;
    unsigned sent:1;
    unsigned late:1;            /* the answer waits for fixups */
    unsigned edited:1;
    unsigned responded:1;
    unsigned handled:1;         /* what comes is a handler's, no error's */
    unsigned feeding:1;
    unsigned watched:1;         /* a stream, which ends with its token */
    unsigned replaced:1;        /* the upstream's answer, by a stored one */
    unsigned redirected:1;
    unsigned odd:1;             /* has a g- or x- field: some are stripped */
    unsigned error_page:1;
} argo_edge_ctx;

/* mod_argo_edge.c */
extern module AP_MODULE_DECLARE_DATA argo_edge_module;
APLOG_USE_MODULE(argo_edge);
void *argo_edge_pool_alloc(void *pool, size_t n);
argo_edge_conf *argo_edge_main(void);
void argo_edge_poll(argo_edge_conf *mc);

/* driver.c */
argo_edge_ctx *argo_edge_get_ctx(const request_rec *r);
int argo_edge_check_access(request_rec *r);
int argo_edge_fixups(request_rec *r);

/* headers.c */
void argo_edge_fill(argo_edge_ctx *ctx);
apr_int64_t argo_edge_length(const char *value);
void argo_edge_edit_request(request_rec *r, argo_edge_ctx *ctx);

/* body.c */
int argo_edge_read_body(request_rec *r, argo_edge_ctx *ctx);
void argo_edge_body_register(void);

/* fetch.c */
int argo_edge_fetch(request_rec *r, argo_edge_ctx *ctx);
request_rec *argo_edge_subrequest(request_rec *r, const struct ae_act *act,
                                  const char *filter, void *data);
void argo_edge_fetch_register(void);

/* handler.c */
int argo_edge_reply(request_rec *r, argo_edge_ctx *ctx);
int argo_edge_handler(request_rec *r);
void argo_edge_head(request_rec *r, argo_edge_ctx *ctx);
apr_bucket *argo_edge_bucket(request_rec *r, argo_edge_ctx *ctx);

/* filter.c */
void argo_edge_insert_filter(request_rec *r);
void argo_edge_insert_error_filter(request_rec *r);
void argo_edge_forget_answer(argo_edge_ctx *ctx);
void argo_edge_refresh(request_rec *r, argo_edge_ctx *ctx);
void argo_edge_filter_register(void);

/* log.c */
int argo_edge_open_audit(apr_pool_t *pconf, apr_pool_t *plog,
                         apr_pool_t *ptemp, server_rec *s);
void argo_edge_audit(request_rec *r, argo_edge_ctx *ctx);

/* vars.c */
apr_uint32_t argo_edge_notes_wanted(void);
void argo_edge_notes(request_rec *r, argo_edge_ctx *ctx);
int argo_edge_log_transaction(request_rec *r);
void argo_edge_authz_register(apr_pool_t *p);

/* NUL-terminated copy of a span */
#define argo_edge_str(pool, s)  apr_pstrmemdup(pool, (s).p ? (s).p : "", (s).n)

#endif /* MOD_ARGO_EDGE_H */
