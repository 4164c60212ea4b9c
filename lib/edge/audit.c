/*
 * audit.c - one decision for the record: a line of JSON with names of the
 * Elastic Common Schema, and a slot in the ring that the status page shows.
 *
 * Never a token, cookie, query or body (T20).  Everything that is not
 * printable ASCII is escaped, so that no byte of a client can end a line or
 * steer a terminal.
 */
#include "edge/edge.h"

#include <stdlib.h>

#define TEXT_MAX 512     /* bytes of one client text */
#define GROUPS_MAX 64
#define ROLES_MAX 32
#define LINE_MAX_BYTES 16384

ae_str ae_decision_id(ae_txn *t)
{
    uint64_t turn;
    unsigned char md[32];
    ae_str f;

    if (!t->id_made) {
        turn = atomic_fetch_add_explicit(&t->e->nids, 1,
                                         memory_order_relaxed);
        f = ae_s((const char *)&turn, sizeof turn);
        ae_hmac256(ae_s((const char *)t->e->id_key, sizeof t->e->id_key),
                   &f, 1, md);
        ae_hex(md, 16, t->id_hex);
        t->id_made = true;
    }
    return ae_s(t->id_hex, sizeof t->id_hex);
}

ae_str ae_whole_object(ae_txn *t)
{
    const struct ae_check *c = ae_asked(t);
    ae_str project = ae_var_raw(t, AE_V_PROJECT);
    ae_str part[3] = { project, AE_STR("/"), ae_s(NULL, 0) };

    if (!c || c->obj == AE_OBJ_LIST)
        return ae_s(NULL, 0);
    if (c->obj == AE_OBJ_FIXED)
        return c->object.p ? c->object : AE_STR("");
    part[2] = c->suffix;
    return project.n ? ae_concat(&t->a, part, 3) : ae_s(NULL, 0);
}

/* ---- the ring -------------------------------------------------------- */

static void put(char *to, size_t n, ae_str s)
{
    if (s.n >= n)
        s.n = n - 1;
    if (s.n)
        memcpy(to, s.p, s.n);
}

static void put_groups(ae_txn *t, struct ae_event *ev)
{
    size_t at = 0;

    if (!t->rights)
        return;
    for (size_t i = 0; i < t->rights->subject.ngroups; i++) {
        ae_str g = t->rights->subject.groups[i];

        if (at + g.n + 1 >= sizeof ev->groups || ev->ngroups == UINT8_MAX)
            return;
        if (g.n)
            memcpy(ev->groups + at, g.p, g.n);
        at += g.n + 1;
        ev->ngroups++;
    }
}

#define PUT(f, v) put(ev->f, sizeof ev->f, v)

static void fill(ae_txn *t, struct ae_event *ev)
{
    ae_str whole = ae_whole_object(t);

    memset(ev, 0, sizeof *ev);
    ae_decision_id(t);
    for (size_t i = 0; i < sizeof ev->id; i++) {
        char hi = t->id_hex[2 * i], lo = t->id_hex[2 * i + 1];

        ev->id[i] = (unsigned char)(
            (hi < 'a' ? hi - '0' : hi - 'a' + 10) << 4
            | (lo < 'a' ? lo - '0' : lo - 'a' + 10));
    }
    ev->at_us = t->wall_us;
    ev->result = (uint8_t)ae_result_of(t);
    ev->caller = (uint8_t)ae_caller_of(t);
    ev->shadow = t->loc->mode == AE_MODE_SHADOW;
    ev->status = (uint16_t)(t->act.kind == AE_FORWARD ? t->shadow_status
                                                      : t->act.reply.status);
    PUT(policy, ae_cs(t->snap->id));
    PUT(reason, ae_var_raw(t, AE_V_REASON));
    PUT(rule, ae_var_raw(t, AE_V_RULE));
    PUT(peer, t->req->peer);
    PUT(subject, ae_var_raw(t, AE_V_SUBJECT));
    PUT(resource, ae_var_raw(t, AE_V_RESOURCE));
    PUT(action, ae_var_raw(t, AE_V_ACTION));
    PUT(object, whole.p ? whole : ae_var_raw(t, AE_V_OBJECT));
    PUT(project, ae_var_raw(t, AE_V_PROJECT));
    PUT(operation, ae_var_raw(t, AE_V_OPERATION));
    PUT(cache, ae_var_raw(t, AE_V_CACHE));
    put_groups(t, ev);
}

void ae_decision_note(ae_txn *t)
{
    bool refused = t->act.kind == AE_REPLY || t->shadow_status;
    struct ae_event ev;

    if (t->loc->mode == AE_MODE_OFF || t->loc->mode == AE_MODE_UNSET)
        return;
    refused = refused && ae_result_of(t) == AE_RES_DENY;
    if (!refused && !t->e->conf->watched && !t->e->conf->audit.n)
        return;
    fill(t, &ev);
    if (refused)
        ae_board_record(&t->e->board, AE_RING_REFUSED, &ev);
    if (t->e->conf->watched)
        ae_board_record(&t->e->board, AE_RING_ALL, &ev);
}

/* ---- the line --------------------------------------------------------- */

static void quote_cp(ae_buf *b, uint32_t cp)
{
    if (cp >= 0x20 && cp < 0x7f && cp != '"' && cp != '\\') {
        ae_buf_putc(b, (char)cp);
    } else if (cp < 0x10000) {
        ae_buf_printf(b, "\\u%04x", cp);
    } else {
        cp -= 0x10000;
        ae_buf_printf(b, "\\u%04x\\u%04x", 0xd800 + (cp >> 10),
                      0xdc00 + (cp & 0x3ff));
    }
}

static void quote(ae_buf *b, ae_str s)
{
    size_t i = 0;

    ae_buf_putc(b, '"');
    while (i < s.n && i < TEXT_MAX) {
        uint32_t cp;

        i += ae_utf8_next(s.p + i, s.n - i, &cp);
        quote_cp(b, cp);
    }
    ae_buf_putc(b, '"');
}

/* Absent texts have no member. */
static void text(ae_buf *b, const char *name, ae_str v)
{
    if (!v.p)
        return;
    ae_buf_printf(b, ",\"%s\":", name);
    quote(b, v);
}

static void filled(ae_buf *b, const char *name, ae_str v)
{
    if (v.n)
        text(b, name, v);
}

static void timestamp(ae_buf *b, int64_t us)
{
    char at[40];
    size_t n = ae_rfc3339(us / 1000000, at);

    ae_buf_puts(b, "{\"@timestamp\":\"");
    ae_buf_put(b, ae_s(at, n ? n - 1 : 0)); /* without its Z */
    ae_buf_printf(b, ".%03dZ\"", (int)(us / 1000 % 1000));
}

/* Argo CD's own field: 1 low to 5 emergency. */
static int security(enum ae_result r, int status, const ae_txn *t)
{
    enum ae_counter which;

    if (r != AE_RES_DENY)
        return 1;
    if (ae_refusal_closed(t, t->shadow_status ? t->shadow_status : status,
                          &which))
        return 3;
    return 2;
}

static void put_event(ae_buf *b, ae_txn *t, int status)
{
    enum ae_result r = ae_result_of(t);
    bool no = r == AE_RES_DENY || r == AE_RES_FAIL;
    bool yes = r == AE_RES_ALLOW || r == AE_RES_ANSWER;

    ae_buf_puts(b, ",\"ecs.version\":\"8.11.0\",\"event.kind\":\"event\","
                "\"event.category\":[\"web\",\"iam\"],\"event.type\":[");
    ae_buf_puts(b, no ? "\"access\",\"denied\"]" : yes
                ? "\"access\",\"allowed\"]" : "\"access\"]");
    text(b, "event.action", ae_var_raw(t, AE_V_OPERATION));
    text(b, "event.outcome", no ? AE_STR("failure") : yes
         ? AE_STR("success") : AE_STR("unknown"));
    text(b, "event.id", ae_decision_id(t));
    text(b, "event.reason", ae_var_raw(t, AE_V_REASON));
    ae_buf_printf(b, ",\"argo_edge.security\":%d", security(r, status, t));
    text(b, "argo_edge.decision", ae_cs(ae_result_name(r)));
    text(b, "argo_edge.mode", t->loc->mode == AE_MODE_SHADOW
         ? AE_STR("shadow") : AE_STR("on"));
}

/* The same token has the same hash at every edge that has the same secret,
 * and says nothing to who has not. */
static void put_token(ae_buf *b, ae_txn *t)
{
    ae_str key = t->snap->in.secret_key;
    ae_str f[3] = { AE_STR("argo-edge audit"), t->id->issuer, t->id->jti };
    unsigned char md[32];
    char hex[32];

    if (!key.n)
        key = ae_s((const char *)t->e->id_key, sizeof t->e->id_key);
    if (!f[2].n)
        f[2] = ae_s((const char *)t->id->digest, sizeof t->id->digest);
    ae_hmac256(key, f, 3, md);
    ae_hex(md, 16, hex);
    text(b, "argo_edge.token_id_hash", ae_s(hex, sizeof hex));
}

/* "a","b": the same for all requests of these rights.  NULL: no memory. */
static const char *roles_of(ae_txn *t, struct ae_rights *r)
{
    char *known = atomic_load(&r->roles), *mine;
    ae_str role[ROLES_MAX], all;
    ae_buf b;
    size_t n;

    if (known)
        return known;
    n = ae_principal_roles(r->principal, role, ROLES_MAX);
    ae_buf_init(&b, &t->a, LINE_MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        if (i)
            ae_buf_putc(&b, ',');
        quote(&b, role[i]);
    }
    all = ae_buf_str(&b);
    mine = b.bad ? NULL : malloc(all.n + 1);
    if (!mine)
        return NULL;
    if (all.n)
        memcpy(mine, all.p, all.n);
    mine[all.n] = '\0';
    if (atomic_compare_exchange_strong(&r->roles, &known, mine))
        return mine;
    free(mine);
    return known;
}

static void put_user(ae_buf *b, ae_txn *t)
{
    const char *roles;

    text(b, "argo_edge.token_kind", ae_cs(ae_caller_name(ae_caller_of(t))));
    if (!t->id)
        return;
    text(b, "user.id", t->rights ? t->rights->subject.id
         : ae_var_raw(t, AE_V_SUBJECT));
    if (t->id->kind != AE_KIND_ANONYMOUS)
        put_token(b, t);
    roles = t->rights ? roles_of(t, t->rights) : NULL;
    if (roles && *roles)
        ae_buf_printf(b, ",\"user.roles\":[%s]", roles);
    if (!t->rights || !t->rights->subject.ngroups)
        return;
    ae_buf_puts(b, ",\"argo_edge.groups\":[");
    for (size_t i = 0; i < t->rights->subject.ngroups && i < GROUPS_MAX; i++) {
        if (i)
            ae_buf_putc(b, ',');
        quote(b, t->rights->subject.groups[i]);
    }
    ae_buf_putc(b, ']');
    if (t->rights->subject.ngroups > GROUPS_MAX)
        ae_buf_puts(b, ",\"argo_edge.groups_cut\":true");
}

static void put_question(ae_buf *b, ae_txn *t)
{
    const struct ae_check *c = ae_asked(t);

    if (c) {
        text(b, "argo_edge.resource", c->resource);
        text(b, "argo_edge.action", c->action);
        text(b, "argo_edge.object", ae_whole_object(t));
        if (c->obj == AE_OBJ_LIST)
            ae_buf_puts(b, ",\"argo_edge.list\":true");
        else if (c->obj != AE_OBJ_FIXED)
            text(b, "argo_edge.object_suffix", c->suffix);
    }
    if (t->purge) {
        text(b, "argo_edge.purge_tag", t->purge->tag);
        text(b, "argo_edge.purge_identity", t->purge->identity);
        ae_buf_printf(b, ",\"argo_edge.purged\":%lld",
                      (long long)t->purge->n);
    }
    filled(b, "argo_edge.project", ae_var_raw(t, AE_V_PROJECT));
    filled(b, "rule.name", ae_var_raw(t, AE_V_RULE));
    filled(b, "rule.description", t->why.rule_text);
    filled(b, "argo_edge.decided_for", t->why.subject);
    filled(b, "argo_edge.cache", ae_var_raw(t, AE_V_CACHE));
    filled(b, "argo_edge.limit", ae_var_raw(t, AE_V_LIMIT));
    text(b, "argo_edge.policy_id", ae_cs(t->snap->id));
}

static bool lower_hex(ae_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9')
              || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

/* W3C Trace Context: 00-TRACE(32)-PARENT(16)-FLAGS(2). */
static void put_trace(ae_buf *b, ae_str h)
{
    ae_str trace = ae_sub(h, 3, 32), parent = ae_sub(h, 36, 16);

    if (h.n < 55 || h.p[2] != '-' || h.p[35] != '-' || h.p[52] != '-'
        || !lower_hex(trace) || !lower_hex(parent)
        || ae_eq_lit(trace, "00000000000000000000000000000000"))
        return;
    text(b, "trace.id", trace);
    text(b, "parent.id", parent);
}

static void put_http(ae_buf *b, ae_txn *t, int status)
{
    const struct ae_req *r = t->req;

    text(b, "source.ip", r->peer);
    text(b, "client.ip", r->peer);
    text(b, "http.request.method", r->method);
    text(b, "url.path", ae_sub(r->target, 0, ae_find(r->target, '?')));
    if (t->tgt.op)
        text(b, "http.route", ae_cs(t->tgt.op->tmpl));
    ae_buf_printf(b, ",\"http.response.status_code\":%d", status);
    text(b, "user_agent.original", r->hdr[AE_H_USER_AGENT]);
    put_trace(b, r->hdr[AE_H_TRACEPARENT]);
}

ae_str ae_txn_audit(ae_txn *t, int status)
{
    ae_buf b;

    if (!t || !t->snap || !t->done || ae_looks_on(t)
        || t->loc->mode == AE_MODE_OFF || t->loc->mode == AE_MODE_UNSET)
        return ae_s(NULL, 0);
    ae_buf_init(&b, &t->a, LINE_MAX_BYTES);
    timestamp(&b, t->wall_us);
    put_event(&b, t, status);
    put_user(&b, t);
    put_question(&b, t);
    put_http(&b, t, status);
    ae_buf_puts(&b, "}\n");
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}
