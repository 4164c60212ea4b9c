/*
 * Directives, configuration, start and stop of processes.
 */

#include "mod_argo_edge.h"

#include "ap_mpm.h"
#include "mod_watchdog.h"

static APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *wd_get;
static APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *wd_register;

void *argo_edge_pool_alloc(void *pool, size_t n)
{
    apr_uintptr_t p;

    /* the core wants 16 byte alignment, pools give 8 */
    if (n > APR_SIZE_MAX - 16)
        return NULL;
    p = (apr_uintptr_t) apr_palloc(pool, n + 15);
    return p ? (void *) ((p + 15) & ~(apr_uintptr_t) 15) : NULL;
}

argo_edge_conf *argo_edge_main(void)
{
    return ap_get_module_config(ap_server_conf->module_config,
                                &argo_edge_module);
}

/* APLOG_MARK names us; the core's words are the message */
static void log_host(void *ctx, enum ae_log_level level, const char *msg)
{
    static const int levels[] = { APLOG_ERR, APLOG_WARNING, APLOG_NOTICE,
                                  APLOG_INFO, APLOG_DEBUG };

    (void) ctx;
    ap_log_error(APLOG_MARK, levels[level], 0, ap_server_conf,
                 ARGO_EDGE_NO(001) "%s", msg);
}

static void *create_dir_conf(apr_pool_t *p, char *dir)
{
    argo_edge_dir_conf *dcf = apr_pcalloc(p, sizeof(*dcf));

    (void) dir;
    ae_loc_init(&dcf->loc);
    return dcf;
}

/* Defaults go beside: what is merged here may be merged again with a more
 * special place.  A request that meets a <Location> merges once more, all
 * others find what post_config has made ready. */
static void ready(argo_edge_dir_conf *dcf)
{
    dcf->full = dcf->loc;
    ae_loc_defaults(&dcf->full);
    dcf->ready = 1;
}

static void *merge_dir_conf(apr_pool_t *p, void *basev, void *addv)
{
    argo_edge_dir_conf *base = basev;
    argo_edge_dir_conf *add = addv;
    argo_edge_dir_conf *dcf = apr_pmemdup(p, add, sizeof(*dcf));

    ae_loc_merge(&dcf->loc, &base->loc);
    ready(dcf);
    return dcf;
}

static void *create_server_conf(apr_pool_t *p, server_rec *s)
{
    argo_edge_conf *mc = apr_pcalloc(p, sizeof(*mc));
    struct ae_mem mem;

    (void) s;
    mem.alloc = argo_edge_pool_alloc;
    mem.ctx = p;
    ae_arena_init(&mc->arena, mem, NULL, 0);
    ae_conf_init(&mc->conf);
    mc->conf.serving = true;
    mc->host.log = log_host;
    mc->host.refreshes = true;
    return mc;
}

static void *merge_server_conf(apr_pool_t *p, void *base, void *add)
{
    (void) p;
    (void) add;
    return base;
}

/* Paths are relative to ServerRoot, as httpd's own are. */
static const char *absolute(apr_pool_t *p, const struct ae_directive *d,
                            const char *arg)
{
    if (*arg && *arg != '|'
        && (strcmp(d->name, "inputs") == 0
            || (strcmp(d->name, "audit") == 0
                && ap_cstr_casecmp(arg, "off") != 0)
            || (strcmp(d->name, "cache") == 0
                && ap_cstr_casecmp(arg, "off") != 0)))
        return ap_server_root_relative(p, arg);
    return arg;
}

static const char *directive(cmd_parms *cmd, void *dirv, int argc,
                             char *const argv[])
{
    argo_edge_conf *mc = ap_get_module_config(cmd->server->module_config,
                                              &argo_edge_module);
    argo_edge_dir_conf *dcf = dirv;
    const struct ae_directive *d = NULL;
    apr_uint64_t *seen = &mc->seen;
    struct ae_err *err = apr_pcalloc(cmd->temp_pool, sizeof(*err));
    ae_str *args = apr_pcalloc(cmd->temp_pool,
                               ((apr_size_t) argc + 1) * sizeof(*args));
    const char *text;
    size_t i;
    int k;

    for (i = 0; i < ae_directive_count(); i++) {
        d = ae_directive_at(i);
        if (strcmp(d->httpd, cmd->cmd->name) == 0)
            break;
    }
    if (argc < d->min_args || (d->max_args >= 0 && argc > d->max_args))
        return apr_psprintf(cmd->pool, "%s: invalid number of arguments, "
                            "syntax: %s", cmd->cmd->name, d->syntax);
    if (d->ctx & AE_CTX_LOC)
        seen = &dcf->seen;
    /* a <Limit> would hold for all methods, and say that it does not */
    if ((text = ap_check_cmd_context(cmd, d->ctx & AE_CTX_LOC ? NOT_IN_LIMIT
                                                      : GLOBAL_ONLY)) != NULL)
        return text;
    if (!(d->ctx & AE_CTX_MULTI) && (*seen & (APR_UINT64_C(1) << i)))
        return apr_pstrcat(cmd->pool, cmd->cmd->name, " is duplicate", NULL);
    *seen |= APR_UINT64_C(1) << i;
    for (k = 0; k < argc; k++) {
        text = k ? argv[k] : absolute(cmd->pool, d, argv[k]);
        args[k] = ae_cs(text ? text : argv[k]);
    }
    if (d->set(&mc->arena, &mc->conf, &dcf->loc, args, (size_t) argc, err))
        return apr_psprintf(cmd->pool, "%s: %s", cmd->cmd->name,
                            err->text[0] ? err->text : "out of memory");
    if (d->name[0] != '\0' || dcf->loc.mode != AE_MODE_OFF)
        mc->used = 1;
    if (strcmp(d->name, "inputs") == 0) {
        mc->inputs_file = cmd->directive->filename;
        mc->inputs_line = cmd->directive->line_num;
    }
    return NULL;
}

/* One table for both servers and the docs; httpd wants it before it reads a
 * line of the configuration. */
static const command_rec commands[] = {
#define X(name, httpd, where, min, max, setter, syntax, def, help)            \
    AP_INIT_TAKE_ARGV(httpd, directive, NULL,                                 \
                      (where) & AE_CTX_LOC ? RSRC_CONF | ACCESS_CONF          \
                                           : RSRC_CONF,                       \
                      syntax ".  " help),
#include "config/directives.def"
#undef X
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};

static apr_status_t drop_snapshot(void *data)
{
    argo_edge_conf *mc = data;

    ae_snapshot_unref(mc->snapshot);
    mc->snapshot = NULL;
    return APR_SUCCESS;
}

static void warn(void *ctx, const char *msg)
{
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ctx, ARGO_EDGE_NO(002) "%s",
                 msg);
}

/* Here and not in post_config, which "apachectl configtest" never reaches.
 * At the start httpd reads its configuration twice: the second time counts. */
static int argo_edge_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                                  apr_pool_t *ptemp, server_rec *s)
{
    argo_edge_conf *mc = ap_get_module_config(s->module_config,
                                              &argo_edge_module);
    struct ae_err *err = apr_pcalloc(ptemp, sizeof(*err));
    char *text = apr_palloc(ptemp, 1024);

    (void) plog;
    if (!mc->used
        || (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG
            && ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL))
        return OK;
    if (ae_snapshot_build(&mc->conf, &mc->snapshot, err) != AE_OK) {
        mc->snapshot = NULL;
        if (err->text[0] == '\0')
            apr_cpystrn(err->text, "out of memory", sizeof(err->text));
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, s,
                     ARGO_EDGE_NO(003) "%s in %s:%d",
                     ae_err_str(err, text, 1024),
                     mc->inputs_file ? mc->inputs_file : "the configuration",
                     mc->inputs_line);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    apr_pool_cleanup_register(pconf, mc, drop_snapshot,
                              apr_pool_cleanup_null);
    ae_snapshot_warnings(mc->snapshot, warn, s);
    return OK;
}

static void tick(argo_edge_conf *mc)
{
    if (apr_thread_mutex_trylock(mc->tick) != APR_SUCCESS)
        return;
    ae_engine_tick(mc->engine);
    apr_thread_mutex_unlock(mc->tick);
}

static apr_status_t watchdog(int state, void *data, apr_pool_t *pool)
{
    argo_edge_conf *mc = data;

    (void) pool;
    if (state == AP_WATCHDOG_STATE_RUNNING && mc->tick)
        tick(mc);
    return APR_SUCCESS;
}

/* Without mod_watchdog: from a request, at most once a second. */
void argo_edge_poll(argo_edge_conf *mc)
{
    apr_uint32_t now, then;

    if (mc->watchdog)
        return;
    now = (apr_uint32_t) apr_time_sec(apr_time_now());
    then = apr_atomic_read32(&mc->polled);
    if (now != then && apr_atomic_cas32(&mc->polled, now, then) == then)
        tick(mc);
}

static int argo_edge_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                                 apr_pool_t *ptemp, server_rec *s)
{
    argo_edge_conf *mc = ap_get_module_config(s->module_config,
                                              &argo_edge_module);
    ap_watchdog_t *w;
    server_rec *each;
    int daemons = 1, threads = 1;

    (void) plog;
    (void) ptemp;
    for (each = s; each; each = each->next)
        ready(ap_get_module_config(each->lookup_defaults,
                                   &argo_edge_module));
    if (!mc->snapshot)
        return OK;
    /* the store reckons with four readers a worker */
    ap_mpm_query(AP_MPMQ_MAX_DAEMON_USED, &daemons);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    mc->conf.workers = (uint32_t) (daemons * (threads > 0 ? threads : 1) + 3)
                       / 4;
    wd_get = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    wd_register = APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    mc->watchdog = wd_get && wd_register
        && wd_get(&w, "_argo_edge_", 0, 0, pconf) == APR_SUCCESS
        && wd_register(w, AP_WD_TM_INTERVAL, mc, watchdog) == APR_SUCCESS;
    mc->notes = argo_edge_notes_wanted();
    ap_add_version_component(pconf, "argo-edge/" AE_VERSION);
    return OK;
}

/* With requests alive the engine is left to the kernel. */
static apr_status_t stop(void *data)
{
    argo_edge_conf *mc = data;
    ae_engine *e = mc->engine;

    apr_thread_mutex_lock(mc->tick);
    mc->engine = NULL;
    if (apr_atomic_read32(&mc->live) == 0)
        ae_engine_free(e);
    apr_thread_mutex_unlock(mc->tick);
    return APR_SUCCESS;
}

/* An LMDB environment belongs to the process that opened it. */
/* A limit's delay keeps a thread: a quarter of them at most.  No hook before
 * the handler can give its thread back (SUSPENDED), and there it is too late
 * to refuse. */
static void waits(struct ae_host *host)
{
    int threads = 0, children = 0;

    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS
        || ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &children) != APR_SUCCESS
        || threads < 0 || children < 0)
        return;
    if (threads == 0) /* prefork says so */
        threads = 1;
    host->waits = (apr_uint32_t) threads / 4;
    host->waits_all = (apr_uint32_t) threads * (apr_uint32_t) children / 4;
}

static void argo_edge_child_init(apr_pool_t *pchild, server_rec *s)
{
    argo_edge_conf *mc = ap_get_module_config(s->module_config,
                                              &argo_edge_module);
    apr_thread_mutex_t *mutex = NULL;
    struct ae_err err;

    if (!mc->snapshot)
        return;
    memset(&err, 0, sizeof(err));
    waits(&mc->host);
    if (apr_thread_mutex_create(&mutex, APR_THREAD_MUTEX_DEFAULT,
                                ap_server_conf->process->pool) != APR_SUCCESS
        || ae_engine_new(&mc->conf, mc->snapshot, &mc->host, &mc->engine,
                         &err) != AE_OK) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, 0, s, ARGO_EDGE_NO(004)
                     "no engine, requests are refused: %s", err.text);
        mc->engine = NULL;
        return;
    }
    apr_pool_cleanup_register(pchild, mc, stop, apr_pool_cleanup_null);
    mc->tick = mutex; /* last: the watchdog may run already */
}

static void register_hooks(apr_pool_t *p)
{
    /* a cached answer replaces mod_proxy, which is APR_HOOK_FIRST */
    ap_hook_check_config(argo_edge_check_config, NULL, NULL, APR_HOOK_LAST);
    ap_hook_open_logs(argo_edge_open_audit, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(argo_edge_post_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(argo_edge_child_init, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_access(argo_edge_check_access, NULL, NULL,
                         APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_URI);
    ap_hook_fixups(argo_edge_fixups, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(argo_edge_handler, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_insert_filter(argo_edge_insert_filter, NULL, NULL,
                          APR_HOOK_LAST);
    ap_hook_insert_error_filter(argo_edge_insert_error_filter, NULL, NULL,
                                APR_HOOK_LAST);
    ap_hook_log_transaction(argo_edge_log_transaction, NULL, NULL,
                            APR_HOOK_REALLY_FIRST);
    argo_edge_body_register();
    argo_edge_fetch_register();
    argo_edge_filter_register();
    argo_edge_authz_register(p);
}

module AP_MODULE_DECLARE_DATA argo_edge_module = {
    STANDARD20_MODULE_STUFF,
    create_dir_conf,
    merge_dir_conf,
    create_server_conf,
    merge_server_conf,
    commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
