
/*
 * Directives, configuration, start and stop of processes.
 */


#include "ngx_http_argo_edge.h"


#define NGX_HTTP_ARGO_EDGE_MAX_DIRECTIVES  64


static ngx_int_t ngx_http_argo_edge_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_argo_edge_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_argo_edge_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_argo_edge_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_argo_edge_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_http_argo_edge_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_argo_edge_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_argo_edge_init_process(ngx_cycle_t *cycle);
static void ngx_http_argo_edge_exit_process(ngx_cycle_t *cycle);
static void ngx_http_argo_edge_start(ngx_http_argo_edge_main_conf_t *mcf);
static void ngx_http_argo_edge_stop(ngx_http_argo_edge_main_conf_t *mcf);
static void ngx_http_argo_edge_cleanup(void *data);
static void ngx_http_argo_edge_tick(ngx_event_t *ev);
static int64_t ngx_http_argo_edge_wall(void *ctx);
static int64_t ngx_http_argo_edge_mono(void *ctx);
static void ngx_http_argo_edge_log(void *ctx, enum ae_log_level level,
    const char *msg);


/*
 * The directives stand in one table in lib/config, for both servers and the
 * docs.  nginx reads this array anew for each line of the configuration, so
 * it is enough to fill it when the http block begins.
 */

static ngx_command_t
    ngx_http_argo_edge_commands[NGX_HTTP_ARGO_EDGE_MAX_DIRECTIVES + 1];


static ngx_http_module_t  ngx_http_argo_edge_module_ctx = {
    ngx_http_argo_edge_preconfiguration,   /* preconfiguration */
    ngx_http_argo_edge_postconfiguration,  /* postconfiguration */

    ngx_http_argo_edge_create_main_conf,   /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_argo_edge_create_loc_conf,    /* create location configuration */
    ngx_http_argo_edge_merge_loc_conf      /* merge location configuration */
};


ngx_module_t  ngx_http_argo_edge_module = {
    NGX_MODULE_V1,
    &ngx_http_argo_edge_module_ctx,        /* module context */
    ngx_http_argo_edge_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_argo_edge_init_module,        /* init module */
    ngx_http_argo_edge_init_process,       /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_argo_edge_exit_process,       /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* the one whose engine holds the cache of a single process */
static ngx_http_argo_edge_main_conf_t  *ngx_http_argo_edge_current;


void *
ngx_http_argo_edge_pool_alloc(void *pool, size_t n)
{
    uintptr_t  p;

    /* the core wants 16 byte alignment, pools give 8 */

    if (n > NGX_MAX_SIZE_T_VALUE - 16) {
        return NULL;
    }

    p = (uintptr_t) ngx_palloc(pool, n + 15);

    return p ? (void *) ((p + 15) & ~(uintptr_t) 15) : NULL;
}


static ngx_int_t
ngx_http_argo_edge_preconfiguration(ngx_conf_t *cf)
{
    size_t                      i, n, len;
    u_char                     *p;
    ngx_command_t              *cmd;
    const struct ae_directive  *d;

    n = ae_directive_count();

    if (n > NGX_HTTP_ARGO_EDGE_MAX_DIRECTIVES) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        d = ae_directive_at(i);
        cmd = &ngx_http_argo_edge_commands[i];

        /* the array outlives the pool of this cycle */

        len = sizeof("argo_edge_") - 1 + ngx_strlen(d->name);

        if (cmd->name.data == NULL) {
            p = ngx_alloc(len + 1, cf->log);
            if (p == NULL) {
                return NGX_ERROR;
            }

            cmd->name.data = p;
            cmd->name.len = ngx_sprintf(p, d->name[0] ? "argo_edge_%s%Z"
                                                      : "argo_edge%s%Z",
                                        d->name)
                            - p - 1;
        }

        cmd->type = NGX_HTTP_MAIN_CONF|NGX_CONF_ANY;
        cmd->set = ngx_http_argo_edge_directive;
        cmd->conf = NGX_HTTP_MAIN_CONF_OFFSET;
        cmd->offset = i;

        if (d->ctx & AE_CTX_LOC) {
            cmd->type |= NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF;
            cmd->conf = NGX_HTTP_LOC_CONF_OFFSET;
        }
    }

    return ngx_http_argo_edge_add_variables(cf);
}


static void *
ngx_http_argo_edge_create_main_conf(ngx_conf_t *cf)
{
    struct ae_mem                    mem;
    ngx_pool_cleanup_t              *cln;
    ngx_http_argo_edge_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_argo_edge_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_argo_edge_cleanup;
    cln->data = mcf;

    mem.alloc = ngx_http_argo_edge_pool_alloc;
    mem.ctx = cf->pool;

    ae_arena_init(&mcf->arena, mem, NULL, 0);
    ae_conf_init(&mcf->conf);
    mcf->conf.serving = true;

    mcf->host.log = ngx_http_argo_edge_log;
    mcf->host.waits = AE_WAITS_ANY;
    mcf->host.refreshes = true;
    mcf->host.wall_us = ngx_http_argo_edge_wall;
    mcf->host.mono_us = ngx_http_argo_edge_mono;
    mcf->host.one_thread = true;

    return mcf;
}


static void *
ngx_http_argo_edge_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_argo_edge_loc_conf_t  *lcf;

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_argo_edge_loc_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    ae_loc_init(&lcf->loc);

    return lcf;
}


static char *
ngx_http_argo_edge_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_argo_edge_loc_conf_t  *prev = parent;
    ngx_http_argo_edge_loc_conf_t  *conf = child;

    ae_loc_merge(&conf->loc, &prev->loc);
    ae_loc_defaults(&conf->loc);

    return NGX_CONF_OK;
}


static ae_str *
ngx_http_argo_edge_args(ngx_conf_t *cf, const struct ae_directive *d)
{
    ae_str      *args;
    ngx_str_t   *value, path;
    ngx_uint_t   i, n;

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    args = ngx_palloc(cf->pool, (n + 1) * sizeof(ae_str));
    if (args == NULL) {
        return NULL;
    }

    for (i = 0; i < n; i++) {
        path = value[i + 1];

        /* paths are relative to where nginx's own are */

        if (i == 0 && path.len
            && (ngx_strcmp(d->name, "inputs") == 0
                || (ngx_strcmp(d->name, "cache") == 0
                    && ngx_strcmp(path.data, "off") != 0)))
        {
            if (ngx_conf_full_name(cf->cycle, &path, d->name[0] == 'i')
                != NGX_OK)
            {
                return NULL;
            }
        }

        args[i] = ngx_http_argo_edge_span(&path);
    }

    return args;
}


static char *
ngx_http_argo_edge_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ae_str                          *args;
    uint64_t                        *seen;
    ngx_uint_t                       n;
    struct ae_err                    err;
    struct ae_loc                   *loc;
    const struct ae_directive       *d;
    ngx_http_argo_edge_main_conf_t  *mcf;
    ngx_http_argo_edge_loc_conf_t   *lcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_argo_edge_module);

    d = ae_directive_at(cmd->offset);
    n = cf->args->nelts - 1;

    if (n < (ngx_uint_t) d->min_args
        || (d->max_args >= 0 && n > (ngx_uint_t) d->max_args))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive, "
                           "syntax: %s", &cmd->name, d->syntax);
        return NGX_CONF_ERROR;
    }

    if (d->ctx & AE_CTX_LOC) {
        lcf = conf;
        loc = &lcf->loc;
        seen = &lcf->seen;

    } else {
        loc = NULL;
        seen = &mcf->seen;
    }

    if (!(d->ctx & AE_CTX_MULTI)
        && (*seen & ((uint64_t) 1 << cmd->offset)))
    {
        return "is duplicate";
    }

    *seen |= (uint64_t) 1 << cmd->offset;

    args = ngx_http_argo_edge_args(cf, d);
    if (args == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&err, sizeof(struct ae_err));

    if (d->set(&mcf->arena, &mcf->conf, loc, args, n, &err) != AE_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\": %s", &cmd->name,
                           err.text[0] ? err.text : "out of memory");
        return NGX_CONF_ERROR;
    }

    if (d->name[0] != '\0' || loc->mode != AE_MODE_OFF) {
        mcf->used = 1;
    }

    if (ngx_strcmp(d->name, "audit") == 0 && mcf->conf.audit.n) {
        mcf->audit = ngx_conf_open_file(cf->cycle,
                                        (ngx_str_t *) cf->args->elts + 1);
        if (mcf->audit == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_strcmp(d->name, "inputs") == 0) {
        mcf->inputs_file = cf->conf_file->file.name;
        mcf->inputs_line = cf->conf_file->line;
    }

    return NGX_CONF_OK;
}


static void
ngx_http_argo_edge_warn(void *ctx, const char *msg)
{
    ngx_conf_t  *cf = ctx;

    ngx_log_error(NGX_LOG_WARN, cf->log, 0, "argo_edge: %s", msg);
}


static ngx_int_t
ngx_http_argo_edge_postconfiguration(ngx_conf_t *cf)
{
    char                             text[1024];
    struct ae_err                    err;
    ngx_http_handler_pt             *h;
    ngx_http_core_main_conf_t       *cmcf;
    ngx_http_argo_edge_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_argo_edge_module);

    if (!mcf->used) {
        return NGX_OK;
    }

    /* here and not in init_module, where a failure would end the master */

    ngx_memzero(&err, sizeof(struct ae_err));

    if (ae_snapshot_build(&mcf->conf, &mcf->snapshot, &err) != AE_OK) {
        mcf->snapshot = NULL;

        if (err.text[0] == '\0') {
            ngx_cpystrn((u_char *) err.text, (u_char *) "out of memory", 64);
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "argo_edge: %s in %V:%ui",
                      ae_err_str(&err, text, sizeof(text)),
                      mcf->inputs_file.len ? &mcf->inputs_file
                                           : &cf->conf_file->file.name,
                      mcf->inputs_file.len ? mcf->inputs_line
                                           : cf->conf_file->line);
        return NGX_ERROR;
    }

    ae_snapshot_warnings(mcf->snapshot, ngx_http_argo_edge_warn, cf);

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_argo_edge_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_argo_edge_late_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_LOG_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_argo_edge_log_handler;

    ngx_http_argo_edge_filter_init();

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_init_module(ngx_cycle_t *cycle)
{
    ngx_core_conf_t                 *ccf;
    ngx_http_argo_edge_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_argo_edge_module);

    if (mcf) {
        ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_core_module);
        mcf->conf.workers = (uint32_t) ccf->worker_processes;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_argo_edge_init_process(ngx_cycle_t *cycle)
{
    ngx_http_argo_edge_main_conf_t  *mcf;

    /* the cache manager and loader come here, too */

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_argo_edge_module);

    if (mcf && mcf->snapshot) {
        ngx_http_argo_edge_start(mcf);
    }

    return NGX_OK;
}


static void
ngx_http_argo_edge_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_argo_edge_main_conf_t  *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_argo_edge_module);

    if (mcf) {
        ngx_http_argo_edge_stop(mcf);
    }
}


ae_engine *
ngx_http_argo_edge_engine(ngx_http_argo_edge_main_conf_t *mcf)
{
    /* init_process is not run again when a single process reloads */

    if (mcf->engine == NULL && !mcf->failed && mcf->snapshot
        && ngx_process == NGX_PROCESS_SINGLE)
    {
        ngx_http_argo_edge_start(mcf);
    }

    return mcf->engine;
}


static void
ngx_http_argo_edge_start(ngx_http_argo_edge_main_conf_t *mcf)
{
    struct ae_err                    err;
    ngx_http_argo_edge_main_conf_t  *old;

    old = ngx_http_argo_edge_current;

    if (old && old != mcf) {

        /* an LMDB environment must not be open twice in one process */

        if (old->live) {
            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "argo_edge: requests of the old configuration are "
                          "in flight, the new one runs without a cache");
            ngx_memzero(&mcf->conf.cache_path, sizeof(ae_str));

        } else {
            ngx_http_argo_edge_stop(old);
        }
    }

    ngx_memzero(&err, sizeof(struct ae_err));

    if (ae_engine_new(&mcf->conf, mcf->snapshot, &mcf->host, &mcf->engine,
                      &err)
        != AE_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                      "argo_edge: no engine, requests are refused: %s",
                      err.text);
        mcf->engine = NULL;
        mcf->failed = 1;
        return;
    }

    ngx_http_argo_edge_current = mcf;

    /* debug logging reads the descriptor of what data points at */

    mcf->tick_conn.fd = (ngx_socket_t) -1;
    mcf->tick_conn.data = mcf;

    mcf->tick.handler = ngx_http_argo_edge_tick;
    mcf->tick.data = &mcf->tick_conn;
    mcf->tick.log = ngx_cycle->log;
    mcf->tick.cancelable = 1;

    ngx_add_timer(&mcf->tick, 1000);
}


static void
ngx_http_argo_edge_stop(ngx_http_argo_edge_main_conf_t *mcf)
{
    if (mcf->tick.timer_set) {
        ngx_del_timer(&mcf->tick);
    }

    if (ngx_http_argo_edge_current == mcf) {
        ngx_http_argo_edge_current = NULL;
    }

    /* with requests alive this is left to the kernel */

    if (mcf->engine && mcf->live == 0) {
        ae_engine_free(mcf->engine);
    }

    mcf->engine = NULL;
    mcf->failed = 1;
}


static void
ngx_http_argo_edge_cleanup(void *data)
{
    ngx_http_argo_edge_main_conf_t  *mcf = data;

    if (mcf->engine) {
        ngx_http_argo_edge_stop(mcf);
    }

    if (mcf->snapshot) {
        ae_snapshot_unref(mcf->snapshot);
        mcf->snapshot = NULL;
    }
}


static void
ngx_http_argo_edge_tick(ngx_event_t *ev)
{
    ngx_connection_t                *c;
    ngx_http_argo_edge_main_conf_t  *mcf;

    c = ev->data;
    mcf = c->data;

    ae_engine_tick(mcf->engine);

    ngx_add_timer(ev, 1000);
}


/* the time of this turn of the event loop, as all of nginx has it */

static int64_t
ngx_http_argo_edge_wall(void *ctx)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000000 + (int64_t) tp->msec * 1000;
}


static int64_t
ngx_http_argo_edge_mono(void *ctx)
{
    return (int64_t) ngx_current_msec * 1000;
}


static void
ngx_http_argo_edge_log(void *ctx, enum ae_log_level level, const char *msg)
{
    ngx_uint_t  l;

    switch (level) {

    case AE_LOG_ERROR:
        l = NGX_LOG_ERR;
        break;

    case AE_LOG_WARN:
        l = NGX_LOG_WARN;
        break;

    case AE_LOG_NOTICE:
        l = NGX_LOG_NOTICE;
        break;

    case AE_LOG_INFO:
        l = NGX_LOG_INFO;
        break;

    default: /* AE_LOG_DEBUG */
        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, ngx_cycle->log, 0, "%s", msg);
        return;
    }

    ngx_log_error(l, ngx_cycle->log, 0, "%s", msg);
}
