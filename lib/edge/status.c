/*
 * status.c - what the status page shows: state, numbers, the last decisions,
 * and why the policy says what it says.
 */
#include "edge/status.h"

#include <stdlib.h>

#define RECENT 60   /* decisions shown */
#define TOP 20      /* refusals shown, of those that the ring holds */
#define GROUPS 64

/* ---- the query --------------------------------------------------------- */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static ae_str decode(ae_arena *a, ae_str s)
{
    char *out = ae_alloc(a, s.n + 1);
    size_t n = 0;

    if (!out)
        return ae_s(NULL, 0);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0
            && hex(s.p[i + 2]) >= 0) {
            c = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return ae_utf8_valid(ae_s(out, n)) ? ae_s(out, n) : ae_s(NULL, 0);
}

ae_str ae_status_param(ae_arena *a, ae_str target, ae_str name)
{
    size_t mark = ae_find(target, '?');
    ae_str rest = ae_sub(target, mark + 1, target.n), one, key, value;

    while (mark < target.n && rest.p) {
        rest = ae_cut(rest, '&', &one);
        value = ae_cut(one, '=', &key);
        if (ae_eq(key, name))
            return decode(a, value.p ? value : AE_STR(""));
    }
    return ae_s(NULL, 0);
}

/* ---- decisions --------------------------------------------------------- */

static json_t *text(const char *z)
{
    json_t *v = json_string(z);

    return v ? v : json_string("(not UTF-8)"); /* cut within a character */
}

static json_t *when(int64_t us)
{
    char at[40];
    size_t n = ae_rfc3339(us / 1000000, at);

    return json_sprintf("%.*s.%03dZ", (int)(n ? n - 1 : 0), at,
                        (int)(us / 1000 % 1000));
}

static json_t *event_json(const struct ae_event *e)
{
    char id[33] = "";
    json_t *o = json_object();

    ae_hex(e->id, sizeof e->id, id);
    json_object_set_new(o, "id", json_string(id));
    json_object_set_new(o, "at", when(e->at_us));
    json_object_set_new(o, "result", json_string(ae_result_name(e->result)));
    json_object_set_new(o, "caller", json_string(ae_caller_name(
        e->caller < AE_CALLERS ? e->caller : AE_CALLER_UNKNOWN)));
    json_object_set_new(o, "shadow", json_boolean(e->shadow));
    json_object_set_new(o, "status", json_integer(e->status));
    json_object_set_new(o, "policy_id", text(e->policy));
#define TEXT(f) json_object_set_new(o, #f, text(e->f))
    TEXT(reason); TEXT(rule); TEXT(peer); TEXT(subject); TEXT(resource);
    TEXT(action); TEXT(object); TEXT(project); TEXT(operation); TEXT(cache);
#undef TEXT
    return o;
}

static json_t *recent(const struct ae_board *b)
{
    json_t *list = json_array();
    struct ae_event e;

    for (size_t i = 0; i < RECENT; i++)
        if (ae_board_event(b, AE_RING_ALL, i, &e))
            json_array_append_new(list, event_json(&e));
    return list;
}

struct top { struct ae_event e; size_t n; };

static bool alike(const struct ae_event *a, const struct ae_event *b)
{
    return strcmp(a->subject, b->subject) == 0
        && strcmp(a->operation, b->operation) == 0
        && strcmp(a->object, b->object) == 0
        && strcmp(a->reason, b->reason) == 0
        && (a->subject[0] || strcmp(a->peer, b->peer) == 0);
}

static int more(const void *a, const void *b)
{
    size_t x = ((const struct top *)a)->n, y = ((const struct top *)b)->n;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Refusals that are alike, most frequent first, of what the ring holds. */
static json_t *top(ae_txn *t)
{
    const struct ae_board *b = &t->e->board;
    size_t max = b->nevent[AE_RING_REFUSED], n = 0, k;
    struct top *all = ae_nalloc(&t->a, max, sizeof *all);
    json_t *list = json_array(), *o;
    struct ae_event e;

    for (size_t i = 0; all && i < max; i++) {
        if (!ae_board_event(b, AE_RING_REFUSED, i, &e))
            continue;
        for (k = 0; k < n && !alike(&all[k].e, &e); k++)
            ;
        if (k == n)
            all[n++].e = e;
        all[k].n++;
    }
    if (n)
        qsort(all, n, sizeof *all, more);
    for (size_t i = 0; i < n && i < TOP; i++) {
        o = event_json(&all[i].e);
        json_object_set_new(o, "n", json_integer((json_int_t)all[i].n));
        json_array_append_new(list, o);
    }
    return list;
}

/* ---- state ------------------------------------------------------------- */

static json_t *policy(const ae_engine *e, const ae_snapshot *s)
{
    json_t *warn = json_array();

    for (size_t i = 0; i < s->nwarn; i++)
        json_array_append_new(warn, text(s->warn[i]));
    return json_pack("{s:s, s:o, s:b, s:I, s:I, s:I, s:o}", "id", s->id,
                     "loaded", when(e->loaded_us), "stale",
                     e->bad_hash != 0 || e->held, "lines",
                     (json_int_t)ae_policy_lines(s->policy), "projects",
                     (json_int_t)s->in.nprojects, "accounts",
                     (json_int_t)s->in.naccounts, "warnings", warn);
}

static json_t *store(ae_engine *e)
{
    const ae_store *s = ae_edge_store(e);

    return json_pack("{s:b, s:I, s:I, s:I}", "open", s != NULL, "bytes",
                     (json_int_t)(s ? s->stat.bytes_used : 0), "max_bytes",
                     (json_int_t)(s ? s->stat.bytes_max : 0), "entries",
                     (json_int_t)(s ? s->stat.entries : 0));
}

json_t *ae_status_data(ae_txn *t)
{
    ae_engine *e = t->e;
    const ae_snapshot *s = t->snap;
    json_t *counters = json_object();

    for (unsigned i = 0; i < AE_N__COUNT; i++)
        json_object_set_new(counters, ae_counter_name(i), json_integer(
            (json_int_t)ae_board_sum(&e->board, (enum ae_counter)i)));
    return json_pack("{s:s, s:b, s:o, s:{s:b, s:b}, s:o, s:{s:I, s:I}, s:o,"
                     " s:o, s:o}", "version", AE_VERSION, "shared",
                     !e->board.own && ae_zone_shared(e->zone), "policy",
                     policy(e, s), "keys", "secret", s->in.secret_key.n > 0,
                     "sso", s->in.sso.kind > AE_SSO_NONE, "cache",
                     store(e), "limits",
                     "rejected", (json_int_t)ae_board_sum(&e->board,
                                                          AE_N_limit_rejected),
                     "delayed", (json_int_t)ae_board_sum(&e->board,
                                                         AE_N_limit_delayed),
                     "counters", counters, "top", top(t), "recent",
                     recent(&e->board));
}

/* ---- why --------------------------------------------------------------- */

/* The policy in force, asked on behalf of somebody else; no lock is needed,
 * for nobody shares this principal. */
static json_t *ask(ae_txn *t, ae_str user, const ae_str *groups,
                   size_t ngroups, const ae_str q[3])
{
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS, .id = user,
                            .groups = groups, .ngroups = ngroups };
    ae_principal *pr = NULL;
    json_t *v;

    if (!user.n && !ngroups)
        s.kind = AE_SUBJ_STRING; /* anonymous */
    if (ae_principal_new(t->snap->policy, &s, &pr))
        return NULL;
    v = ae_explain_json(pr, q[0], q[1], q[2]);
    ae_principal_free(pr);
    return v;
}

json_t *ae_status_can(ae_txn *t)
{
    static const char *const name[3] = { "resource", "action", "object" };
    ae_str target = t->req->target, q[3], group[GROUPS], rest, one;
    ae_str user = ae_status_param(&t->a, target, AE_STR("user"));
    size_t n = 0;
    json_t *v;

    for (int i = 0; i < 3; i++) {
        q[i] = ae_status_param(&t->a, target, ae_cs(name[i]));
        if (!q[i].p)
            q[i] = AE_STR("");
    }
    rest = ae_status_param(&t->a, target, AE_STR("groups"));
    while (rest.p && n < GROUPS) {
        rest = ae_cut(rest, ',', &one);
        one = ae_trim(one);
        if (one.n)
            group[n++] = one;
    }
    v = ask(t, user.p ? user : AE_STR(""), group, n, q);
    return v ? json_pack("{s:o}", "explain", v) : NULL;
}

static bool find(const struct ae_board *b, ae_str id, struct ae_event *e)
{
    char hexed[32];

    for (int r = 0; r < 2; r++)
        for (size_t i = 0; i < b->nevent[r]; i++) {
            if (!ae_board_event(b, r, i, e))
                continue;
            ae_hex(e->id, sizeof e->id, hexed);
            if (ae_eq(ae_s(hexed, sizeof hexed), id))
                return true;
        }
    return false;
}

json_t *ae_status_explain(ae_txn *t, ae_str id)
{
    ae_str group[GROUPS], q[3];
    struct ae_event e;
    json_t *ev, *why = NULL;
    size_t n = 0, at = 0;

    if (id.n != 32 || !find(&t->e->board, id, &e))
        return NULL;
    /* the last byte is NUL: no group runs past it */
    while (n < e.ngroups && n < GROUPS && at < sizeof e.groups) {
        group[n] = ae_cs(e.groups + at);
        at += group[n++].n + 1;
    }
    q[0] = ae_cs(e.resource);
    q[1] = ae_cs(e.action);
    q[2] = ae_cs(e.object);
    if (e.caller != AE_CALLER_UNKNOWN && e.caller != AE_KIND_NONE && q[0].n)
        why = ask(t, ae_cs(e.subject), group, n, q);
    ev = event_json(&e);
    json_object_set_new(ev, "policy_now", json_string(t->snap->id));
    return json_pack("{s:o, s:o}", "event", ev, "explain",
                     why ? why : json_null());
}
