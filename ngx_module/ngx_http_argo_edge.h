
/*
 * The nginx shell of libargoedge: fills the request record, carries out the
 * actions of the core, feeds the upstream's answer back.  Decisions are made
 * in lib/ only.
 */


#ifndef _NGX_HTTP_ARGO_EDGE_H_INCLUDED_
#define _NGX_HTTP_ARGO_EDGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "argo_edge.h"
#include "config/config.h"


/* more than Argo CD needs for userinfo, a project, or a key set */
#define NGX_HTTP_ARGO_EDGE_FETCH_MAX   (1024 * 1024)

/* streams and tunnels: no read timeout worth the name */
#define NGX_HTTP_ARGO_EDGE_STREAM_MS   (24 * 3600 * 1000)


typedef struct {
    struct ae_conf                  conf;
    ae_arena                        arena;     /* over the pool of the cycle */
    struct ae_host                  host;
    ae_snapshot                    *snapshot;
    ae_engine                      *engine;    /* of this process */
    ngx_event_t                     tick;
    ngx_connection_t                tick_conn;
    ngx_uint_t                      live;      /* transactions in flight */
    uint64_t                        seen;      /* directives, by index */
    ngx_open_file_t                *audit;
    time_t                          audit_failed;
    ngx_str_t                       inputs_file;
    ngx_uint_t                      inputs_line;
    unsigned                        used:1;
    unsigned                        failed:1;
} ngx_http_argo_edge_main_conf_t;


typedef struct {
    struct ae_loc                   loc;
    uint64_t                        seen;
    ngx_http_upstream_conf_t       *upstream;  /* of the location's handler */
    ngx_http_upstream_conf_t       *shared;    /* our copy of it */
} ngx_http_argo_edge_loc_conf_t;


typedef struct {
    ngx_http_request_t             *sr;
    uint32_t                        id;
    u_char                         *data;
    size_t                          len;
    size_t                          size;
    size_t                          max;
    unsigned                        done:1;
    unsigned                        last:1;
    unsigned                        bad:1;
    unsigned                        too_big:1;
} ngx_http_argo_edge_fetch_t;


typedef struct {
    /* first what each phase asks for, in as few lines of memory as may be */
    ngx_http_request_t             *request;
    ngx_http_argo_edge_main_conf_t *mcf;
    ngx_http_argo_edge_loc_conf_t  *lcf;
    ae_txn                         *txn;
    void                           *spare;     /* for the transaction */
    ngx_http_handler_pt             content;   /* the location's own */
    unsigned                        waiting:1; /* for a sub-request */
    unsigned                        reading:1; /* the request body */
    unsigned                        terminal:1;
    unsigned                        edited:1;
    unsigned                        responded:1;
    unsigned                        feeding:1;
    unsigned                        refreshing:1; /* fetch.sr does */
    unsigned                        replaced:1;  /* the upstream's answer */
    unsigned                        sent:1;      /* what replaced it */
    unsigned                        redirected:1;
    unsigned                        recursive:1; /* recursive_error_pages */
    struct ae_act                   act;
    struct ae_req                   req;
    ngx_http_argo_edge_fetch_t      fetch;
    ngx_chain_t                    *free_windows;  /* of a large body */
    ngx_chain_t                    *busy_windows;
    ngx_uint_t                      nwindows;
    uint64_t                        left;
    off_t                           fed;
    off_t                           expected;  /* -1: chunked */
    ngx_event_t                     watch;     /* of a stream */
} ngx_http_argo_edge_ctx_t;


/* module.c */
ae_engine *ngx_http_argo_edge_engine(ngx_http_argo_edge_main_conf_t *mcf);
void *ngx_http_argo_edge_pool_alloc(void *pool, size_t n);

/* driver.c */
ngx_int_t ngx_http_argo_edge_late_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_argo_edge_handler(ngx_http_request_t *r);
ngx_http_argo_edge_ctx_t *ngx_http_argo_edge_get_ctx(ngx_http_request_t *r);

/* headers.c */
ngx_int_t ngx_http_argo_edge_fill(ngx_http_request_t *r, struct ae_req *req);
ngx_int_t ngx_http_argo_edge_edit_request(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
ngx_int_t ngx_http_argo_edge_join(ngx_http_request_t *r, ae_str *to,
    ngx_str_t *value);
ngx_table_elt_t *ngx_http_argo_edge_push(ngx_http_request_t *r,
    ngx_list_t *list, ae_str name, ae_str value);

/* body.c */
ngx_int_t ngx_http_argo_edge_read_body(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);

/* fetch.c */
ngx_int_t ngx_http_argo_edge_fetch(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
void ngx_http_argo_edge_refresh(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
ngx_int_t ngx_http_argo_edge_fetch_body(ngx_http_argo_edge_ctx_t *ctx,
    ngx_chain_t *in);

/* content.c */
ngx_int_t ngx_http_argo_edge_reply(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);
ngx_int_t ngx_http_argo_edge_cached_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_argo_edge_pass_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_argo_edge_replace(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx, const struct ae_act *act);
ngx_chain_t *ngx_http_argo_edge_chain(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);

/* large.c */
ngx_int_t ngx_http_argo_edge_send_large(ngx_http_request_t *r,
    ngx_http_argo_edge_ctx_t *ctx);

/* filter.c */
void ngx_http_argo_edge_filter_init(void);

/* log.c */
ngx_int_t ngx_http_argo_edge_log_handler(ngx_http_request_t *r);

/* vars.c */
ngx_int_t ngx_http_argo_edge_add_variables(ngx_conf_t *cf);


extern ngx_module_t  ngx_http_argo_edge_module;


static ngx_inline ae_str
ngx_http_argo_edge_span(ngx_str_t *s)
{
    ae_str  out;

    /* an empty value is present: the core tells it from an absent one */

    out.p = s->data ? (char *) s->data : "";
    out.n = s->len;

    return out;
}


#endif /* _NGX_HTTP_ARGO_EDGE_H_INCLUDED_ */
