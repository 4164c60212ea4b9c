/*
 * metrics.c - the numbers in Prometheus' text format 0.0.4 and in OpenMetrics
 * 1.0.  They differ in two things: OpenMetrics names a counter's family
 * without _total, and ends in "# EOF".  Labels come from closed sets; no user,
 * token or application is ever one.
 */
#include "edge/edge.h"
#include "edge/keys.h"

#include <stddef.h>

struct out { ae_buf *b; bool open; };

static void family(struct out *o, const char *name, const char *type,
                   const char *help)
{
    const char *tail = !o->open && strcmp(type, "counter") == 0 ? "_total"
                                                                : "";

    ae_buf_printf(o->b, "# HELP argo_edge_%s%s %s\n", name, tail, help);
    ae_buf_printf(o->b, "# TYPE argo_edge_%s%s %s\n", name, tail, type);
}

/* ---- counters ---------------------------------------------------------- */

/* Rows of one family stand together; the first has the help. */
static const struct row {
    const char *family, *label, *value;
    enum ae_counter n;
    const char *help;
} rows[] = {
    { "requests", NULL, NULL, AE_N_requests, "Requests taken in." },
    { "forwarded", NULL, NULL, AE_N_forwarded,
      "Requests passed on to Argo CD." },
    { "failed", NULL, NULL, AE_N_failed,
      "Requests answered with 500, for lack of memory or by a fault." },
    { "refused", "status", "400", AE_N_refused_400,
      "Requests refused here, by status." },
    { "refused", "status", "401", AE_N_refused_401, NULL },
    { "refused", "status", "403", AE_N_refused_403, NULL },
    { "refused", "status", "other", AE_N_refused_other, NULL },
    { "closed_list_refusals", "reason", "canonical", AE_N_closed_canonical,
      "Refusals that are stricter than Argo CD's on purpose." },
    { "closed_list_refusals", "reason", "duplicate", AE_N_closed_duplicate,
      NULL },
    { "closed_list_refusals", "reason", "credential", AE_N_closed_credential,
      NULL },
    { "closed_list_refusals", "reason", "token", AE_N_closed_token, NULL },
    { "closed_list_refusals", "reason", "cross_site", AE_N_closed_cross_site,
      NULL },
    { "closed_list_refusals", "reason", "grpc_off", AE_N_closed_grpc_off,
      NULL },
    { "closed_list_refusals", "reason", "unknown_route",
      AE_N_closed_unknown_route, NULL },
    { "closed_list_refusals", "reason", "dead_token", AE_N_closed_dead_token,
      NULL },
    { "closed_list_refusals", "reason", "limit", AE_N_closed_limit, NULL },
    { "closed_list_refusals", "reason", "anonymous", AE_N_closed_anonymous,
      NULL },
    { "closed_list_refusals", "reason", "rule", AE_N_closed_rule, NULL },
    { "rules", "kind", "read_only", AE_N_rule_read_only,
      "Requests that a rule of the operator's own refused or exempted." },
    { "rules", "kind", "patch", AE_N_rule_patch, NULL },
    { "rules", "kind", "token", AE_N_rule_token, NULL },
    { "rules", "kind", "freeze", AE_N_rule_freeze, NULL },
    { "rules", "kind", "sync", AE_N_rule_sync, NULL },
    { "rules", "kind", "break_glass", AE_N_rule_break_glass, NULL },
    { "ratelimit_evicted", NULL, NULL, AE_N_limit_evicted,
      "Callers that were forgotten for lack of room in the zone." },
    { "ratelimit_full", NULL, NULL, AE_N_limit_full,
      "Logins refused for lack of room in the zone." },
    { "ratelimit_calls", "result", "rejected", AE_N_calls_rejected,
      "Calls that met a cap on calls under way." },
    { "ratelimit_calls", "result", "no_room", AE_N_calls_no_room, NULL },
    { "login_rejected", NULL, NULL, AE_N_login_rejected,
      "Attempts to log in that the shield refused." },
    { "webhook_refused", "reason", "too_big", AE_N_webhook_too_big,
      "Webhooks that the shield refused." },
    { "webhook_refused", "reason", "signature", AE_N_webhook_bad_signature,
      NULL },
    { "webhook_refused", "reason", "rate", AE_N_webhook_rejected, NULL },
    { "webhook_refused", "reason", "source", AE_N_webhook_source, NULL },
    { "webhook_repeated", NULL, NULL, AE_N_webhook_repeated,
      "Pushes that came again and were answered here." },
    { "verdicts", "verdict", "allow", AE_N_allow,
      "Answers of the policy; unknown ones are left to Argo CD." },
    { "verdicts", "verdict", "deny", AE_N_deny, NULL },
    { "verdicts", "verdict", "unknown", AE_N_unknown, NULL },
    { "tokens", "result", "seen", AE_N_token_seen,
      "Tokens looked at: seen ones were verified before." },
    { "tokens", "result", "ok", AE_N_token_ok, NULL },
    { "tokens", "result", "refused", AE_N_token_refused, NULL },
    { "tokens", "result", "unknown", AE_N_token_unknown, NULL },
    { "streams_cut", NULL, NULL, AE_N_stream_cut,
      "Streams and terminals broken off, since the token or its rights "
      "ended." },
    { "cache_requests", "status", "hit", AE_N_cache_hit,
      "Requests that could have been answered from the cache." },
    { "cache_requests", "status", "miss", AE_N_cache_miss, NULL },
    { "cache_requests", "status", "bypass", AE_N_cache_bypass, NULL },
    { "cache_stores", "result", "stored", AE_N_cache_stored,
      "Answers of Argo CD that were kept, or not." },
    { "cache_stores", "result", "not_stored", AE_N_cache_not_stored, NULL },
    { "cache_denied", NULL, NULL, AE_N_cache_denied,
      "Stored answers withheld, since the caller may not see them (now)." },
    { "cache_no_lease", NULL, NULL, AE_N_cache_no_lease,
      "Stored answers withheld, since Argo CD has not accepted the token "
      "lately." },
    { "cache_corrupt", NULL, NULL, AE_N_cache_corrupt,
      "Stored answers whose checksum was wrong." },
    { "cache_shared_hits", NULL, NULL, AE_N_cache_shared_hit,
      "Hits on answers that callers of equal rights share." },
    { "cache_unshared", NULL, NULL, AE_N_cache_unshared,
      "Answers kept for one caller where callers of equal rights share, since "
      "the inputs do not show that all of them may see it." },
    { "divergence", NULL, NULL, AE_N_divergence,
      "Shadow mode: Argo CD answered otherwise than we would have." },
    { "shadow_same", NULL, NULL, AE_N_shadow_same,
      "Shadow mode: Argo CD answered as we would have." },
    { "shadow_closed_list", NULL, NULL, AE_N_shadow_closed,
      "Shadow mode: we would have refused by the closed list, Argo CD did "
      "not." },
    { "policy_reload", "result", "success", AE_N_reload,
      "Changed inputs read, by each worker." },
    { "policy_reload", "result", "failure", AE_N_reload_failed, NULL },
};

#define NROWS (sizeof rows / sizeof rows[0])

static void counter_rows(struct out *o, const struct ae_board *board)
{
    const char *last = "";

    for (size_t i = 0; i < NROWS; i++) {
        const struct row *r = &rows[i];

        if (strcmp(last, r->family) != 0)
            family(o, r->family, "counter", r->help);
        last = r->family;
        ae_buf_printf(o->b, "argo_edge_%s_total", r->family);
        if (r->label)
            ae_buf_printf(o->b, "{%s=\"%s\"}", r->label, r->value);
        ae_buf_printf(o->b, " %llu\n",
                      (unsigned long long)ae_board_sum(board, r->n));
    }
}

/* Whatever else is counted: nothing is hidden for want of a row. */
static void counter_rest(struct out *o, const struct ae_board *board)
{
    for (unsigned c = 0; c < AE_N__COUNT; c++) {
        const char *name = ae_counter_name(c);
        size_t i;

        for (i = 0; i < NROWS && rows[i].n != (enum ae_counter)c; i++)
            ;
        if (i < NROWS || c == AE_N_keys_fetched || c == AE_N_keys_failed
            || (c >= AE_N_limit_passed && c <= AE_N_limit_dry_run))
            continue;
        family(o, name, "counter", "Counted by the core.");
        ae_buf_printf(o->b, "argo_edge_%s_total %llu\n", name,
                      (unsigned long long)ae_board_sum(board,
                                                       (enum ae_counter)c));
    }
}

static void decision_rows(struct out *o, const ae_engine *e)
{
    family(o, "decisions", "counter", "Requests by operation, what became of"
           " them, and kind of token.");
    for (size_t p = 0; p < e->pairs.n; p++)
        for (unsigned r = 0; r < AE_RES__N; r++)
            for (unsigned c = 0; c < AE_CALLERS; c++) {
                uint64_t n = ae_board_sum_of(
                    &e->board, &e->board.stripe->decision[p][r][c]);

                if (n)
                    ae_buf_printf(o->b, "argo_edge_decisions_total{resource="
                                  "\"%s\",action=\"%s\",result=\"%s\","
                                  "token_kind=\"%s\"} %llu\n",
                                  e->pairs.resource[p], e->pairs.action[p],
                                  ae_result_name(r), ae_caller_name(c),
                                  (unsigned long long)n);
            }
}

static void jwt_rows(struct out *o, const struct ae_board *b)
{
    family(o, "jwt_rejected", "counter", "Tokens that were refused, by what "
           "they say they are and why.");
    for (unsigned k = 0; k < AE_CALLERS; k++)
        for (unsigned w = 0; w < AE_JWT__N; w++) {
            uint64_t n = ae_board_sum_of(b, &b->stripe->jwt[k][w]);

            if (n)
                ae_buf_printf(o->b, "argo_edge_jwt_rejected_total{token_kind="
                              "\"%s\",reason=\"%s\"} %llu\n",
                              ae_caller_name(k), ae_jwt_name(w),
                              (unsigned long long)n);
        }
}

/* A label's value: the issuer is the operator's text. */
static void put_label(ae_buf *b, ae_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' || s.p[i] == '"')
            ae_buf_putc(b, '\\');
        if (s.p[i] == '\n')
            ae_buf_puts(b, "\\n");
        else
            ae_buf_putc(b, s.p[i]);
    }
}

/* The SSO provider's documents: by the servers, and by the agent. */
static void refresh_rows(struct out *o, const ae_engine *e,
                         const struct ae_sso *sso)
{
    static const char *const result[] = { "failure", "success" };
    uint64_t n[2];

    if (sso->kind != AE_SSO_OIDC && sso->kind != AE_SSO_DEX)
        return;
    ae_keys_agent_counted(e->zone, n);
    n[0] += ae_board_sum(&e->board, AE_N_keys_failed);
    n[1] += ae_board_sum(&e->board, AE_N_keys_fetched);
    family(o, "jwks_refresh", "counter", "Times that the key set of the SSO "
           "provider was asked for.");
    for (int i = 0; i < 2; i++) {
        ae_buf_puts(o->b, "argo_edge_jwks_refresh_total{issuer=\"");
        put_label(o->b, sso->issuer);
        ae_buf_printf(o->b, "\",result=\"%s\"} %llu\n", result[i],
                      (unsigned long long)n[i]);
    }
}

/* By the "who" of the line: never by its name, which may be a user's. */
static void limit_rows(struct out *o, const struct ae_board *b)
{
    static const char *const said[AE_LIMITED__N] = {
        "passed", "delayed", "rejected", "dry_run",
    };

    family(o, "ratelimit", "counter", "What limits said, by whom they are"
           " for.");
    for (unsigned c = 0; c < AE_WC__N; c++)
        for (unsigned r = 0; r < AE_LIMITED__N; r++) {
            uint64_t n = ae_board_sum_of(b, &b->stripe->limited[c][r]);

            ae_buf_printf(o->b, "argo_edge_ratelimit_total{class=\"%s\","
                          "result=\"%s\"} %llu\n", ae_who_class_name(c),
                          said[r], (unsigned long long)n);
        }
}

/* ---- histograms -------------------------------------------------------- */

/* Microseconds as seconds, without a locale: "0.000005", "2.5". */
static void seconds(ae_buf *b, uint64_t us)
{
    char frac[8];
    size_t n = 6;
    uint64_t part = us % 1000000;

    ae_buf_printf(b, "%llu", (unsigned long long)(us / 1000000));
    for (size_t i = 6; i-- > 0; part /= 10)
        frac[i] = (char)('0' + part % 10);
    while (n > 1 && frac[n - 1] == '0')
        n--;
    ae_buf_putc(b, '.');
    ae_buf_put(b, ae_s(frac, n));
}

static void histogram(struct out *o, const struct ae_board *b, size_t at,
                      const int64_t bound[AE_BUCKETS], const char *name,
                      const char *help)
{
    uint64_t bucket[AE_BUCKETS + 1] = { 0 }, us = 0, n = 0;

    for (size_t i = 0; i < b->nstripe; i++) {
        const struct ae_hist *h = (const struct ae_hist *)
            ((const char *)&b->stripe[i] + at);

        us += atomic_load_explicit(&h->us, memory_order_relaxed);
        for (size_t k = 0; k <= AE_BUCKETS; k++)
            bucket[k] += atomic_load_explicit(&h->bucket[k],
                                              memory_order_relaxed);
    }
    family(o, name, "histogram", help);
    for (size_t k = 0; k < AE_BUCKETS; k++) {
        n += bucket[k];
        ae_buf_printf(o->b, "argo_edge_%s_bucket{le=\"", name);
        seconds(o->b, (uint64_t)bound[k]);
        ae_buf_printf(o->b, "\"} %llu\n", (unsigned long long)n);
    }
    n += bucket[AE_BUCKETS];
    ae_buf_printf(o->b, "argo_edge_%s_bucket{le=\"+Inf\"} %llu\n"
                  "argo_edge_%s_sum ", name, (unsigned long long)n, name);
    seconds(o->b, us);
    ae_buf_printf(o->b, "\nargo_edge_%s_count %llu\n", name,
                  (unsigned long long)n);
}

/* ---- gauges ------------------------------------------------------------ */

static void gauge(struct out *o, const char *name, uint64_t v,
                  const char *help)
{
    family(o, name, "gauge", help);
    ae_buf_printf(o->b, "argo_edge_%s %llu\n", name, (unsigned long long)v);
}

static void policy_gauges(struct out *o, const ae_engine *e,
                          const ae_snapshot *s)
{
    gauge(o, "policy_stale", e->bad_hash != 0 || e->held,
          "1: the inputs do not load, and the last good ones are in force.");
    family(o, "policy_last_reload_success_timestamp_seconds", "gauge",
           "When the configuration now in force was read.");
    ae_buf_puts(o->b, "argo_edge_policy_last_reload_success_timestamp_"
                "seconds ");
    seconds(o->b, e->loaded_us > 0 ? (uint64_t)e->loaded_us : 0);
    ae_buf_putc(o->b, '\n');
    gauge(o, "policy_rules", ae_policy_lines(s->policy),
          "Lines of the policy, the built-in ones and projects included.");
    gauge(o, "projects", s->in.nprojects, "AppProjects among the inputs.");
    gauge(o, "accounts", s->in.naccounts, "Local accounts.");
    family(o, "policy_info", "gauge", "Id of the configuration in force.");
    ae_buf_printf(o->b, "argo_edge_policy_info{id=\"%s\"} 1\n", s->id);
    family(o, "build_info", "gauge", "What runs here.");
    ae_buf_printf(o->b, "argo_edge_build_info{version=\"%s\"} 1\n",
                  AE_VERSION);
}

static void store_gauges(struct out *o, ae_engine *e)
{
    ae_store *s = ae_edge_store(e);

    gauge(o, "zone_shared", e->board.own == NULL && ae_zone_shared(e->zone),
          "1: these are the numbers of all workers; 0: of this one.");
    gauge(o, "cache_up", s != NULL, "1: the cache is open.");
    if (!s)
        return;
    gauge(o, "cache_bytes", s->stat.bytes_used, "Bytes that the cache takes.");
    gauge(o, "cache_max_bytes", s->stat.bytes_max,
          "Bytes that the cache may take.");
    gauge(o, "cache_entries", s->stat.entries, "Answers in the cache.");
}

static void total(struct out *o, const char *name, _Atomic uint64_t *v,
                  const char *help)
{
    family(o, name, "counter", help);
    ae_buf_printf(o->b, "argo_edge_%s_total %llu\n", name,
                  (unsigned long long)atomic_load(v));
}

/* Only where an agent has ever been. */
static void edge_gauges(struct out *o, ae_engine *e)
{
    struct ae_edges_head *h = e->edges.head;
    bool live = ae_edges_live(&e->edges, ae_edge_mono(e) * 1000);

    if (!h || (!live && !atomic_load(&h->seed_set)))
        return;
    gauge(o, "agent_up", live, "1: argo-edge agent runs here.");
    gauge(o, "redis_up", live && atomic_load(&h->up),
          "1: it reaches Redis; 0: every edge counts for itself.");
    total(o, "agent_rounds", &h->settled,
          "Rounds in which the agent told other edges what was admitted.");
    total(o, "agent_leases", &h->asked,
          "Keys of limits that Redis was asked for: its load.");
    total(o, "agent_disconnects", &h->failed, "Times that Redis was lost.");
    total(o, "agent_tags_sent", &h->sent, "Invalidations published.");
    total(o, "agent_tags_received", &h->received,
          "Invalidations of other edges.");
    total(o, "agent_tags_lost", &h->lost,
          "Times that invalidations were lost and everything was moved.");
    total(o, "agent_full", &h->full,
          "Requests that other edges are not told of, for lack of room.");
}

/* Only where somebody has ever followed Argo CD's list. */
static void revoked_gauges(struct out *o, const ae_engine *e)
{
    const struct ae_marks_head *h = e->revoked.head;
    int64_t alive = h ? atomic_load(&h->alive_ns) : 0;
    bool live = alive && ae_zone_now() - alive < INT64_C(5000000000);

    if (!alive && !(h && atomic_load(&h->count)))
        return;
    gauge(o, "revocations_up", live && atomic_load(&h->up),
          "1: the agent follows Argo CD's list of revoked tokens.");
    gauge(o, "revocations", atomic_load(&h->n),
          "Tokens on Argo CD's list of revoked ones.");
}

void ae_metrics(ae_engine *e, const ae_snapshot *s, bool openmetrics,
                ae_buf *b)
{
    struct out o = { b, openmetrics };

    policy_gauges(&o, e, s);
    store_gauges(&o, e);
    edge_gauges(&o, e);
    revoked_gauges(&o, e);
    decision_rows(&o, e);
    jwt_rows(&o, &e->board);
    refresh_rows(&o, e, &s->in.sso);
    histogram(&o, &e->board, offsetof(struct ae_stripe, decide), ae_decide_us,
              "decision_duration_seconds", "From a request to what becomes "
              "of it; the wait for a body or a look-up included.");
    histogram(&o, &e->board, offsetof(struct ae_stripe, upstream),
              ae_upstream_us, "upstream_duration_seconds", "From a request "
              "to the header of Argo CD's answer.");
    limit_rows(&o, &e->board);
    counter_rows(&o, &e->board);
    counter_rest(&o, &e->board);
    if (openmetrics)
        ae_buf_puts(b, "# EOF\n");
}
