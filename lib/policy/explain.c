/*
 * explain.c - why the answer is what it is, for somebody who runs Argo CD.
 *
 * Every check of R3 is walked again in full, off the hot path, so that what
 * would have happened is shown too: a group that is never asked, a deny that
 * sits on the wrong subject, a line that misses by one field.
 */
#include "policy/internal.h"

enum { NEAR_MAX = 8 };

struct explain {
    ae_principal         *pr;
    const ae_policy      *p;
    const struct ae_pset *ps;       /* whose lines count, or NULL */
    ae_str                q[3];     /* resource, action, object */
    ae_str                unknown;  /* project that we do not know */
    uint32_t              set;
    struct ae_decision    d;
    json_t               *asked, *dropped, *near, *notes;
    ae_heap               heap;
    ae_arena              a;
    struct ae_reach       reach;
    uint64_t             *own;      /* bit per row: some subject reaches it */
    bool                  deny_seen;
};

static const char *const field_name[3] = { "resource", "action", "object" };

json_t *ae_json_text(ae_str s)
{
    json_t  *v = json_stringn(s.p ? s.p : "", s.n);
    ae_heap  heap = { 0 };
    ae_arena a;
    ae_buf   b;

    if (v)
        return v;
    /* not UTF-8: show each bad byte as Go would */
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    for (size_t i = 0; i < s.n;) {
        char     u[4];
        uint32_t cp;

        i += ae_utf8_next(s.p + i, s.n - i, &cp);
        ae_buf_put(&b, ae_s(u, ae_utf8_put(cp, u)));
    }
    v = json_stringn(b.bad ? "" : b.p, b.bad ? 0 : b.n);
    ae_heap_free(&heap);
    return v;
}

static void set_text(json_t *o, const char *key, ae_str s)
{
    json_object_set_new(o, key, ae_json_text(s));
}

static json_t *place(const ae_policy *p, uint32_t source, uint32_t line,
                     ae_str text)
{
    json_t *o = json_object();

    set_text(o, "file", p->source[source]);
    json_object_set_new(o, "line", json_integer(line));
    set_text(o, "text", text);
    return o;
}

static json_t *row_place(const ae_policy *p, const struct ae_row *r)
{
    return place(p, r->source, r->line, ae_row_text(r));
}

/* Fields of a line left to right (R2): 1 all fit, 0 with *miss the fields
 * that do not (bit i), or an AE_E_* raised by field *at. */
static int judge(const struct explain *e, const struct ae_row *r,
                 unsigned *miss, int *at)
{
    uint32_t pat[3] = { r->res, r->act, r->obj };

    *miss = 0;
    for (int i = 0; i < 3; i++) {
        int m = ae_pat_match(&e->p->pat[pat[i]], e->q[i]);

        *at = i;
        if (m < 0 && *miss == 0)
            return m;
        if (m != 1)
            *miss |= 1u << i;
    }
    return *miss == 0;
}

static json_t *path_to(struct explain *e, const struct ae_ask *k,
                       uint32_t subj)
{
    json_t  *list = json_array();
    uint32_t i;

    if (ae_reach_run(&e->reach, k->base ? NULL : e->ps, k->id))
        return list;
    for (i = 0; i < e->reach.n && e->reach.hop[i].id != subj; i++)
        ;
    for (; i < e->reach.n && e->reach.hop[i].via != AE_NO_ID;
         i = e->reach.hop[i].from) {
        const struct ae_edge *g = &e->p->edge[e->reach.hop[i].via];

        json_array_insert_new(list, 0, place(e->p, g->source, g->line,
                                             ae_s(g->text, g->text_n)));
    }
    return list;
}

static void near_miss(struct explain *e, const struct ae_row *r,
                      const char *field, const char *verb, ae_str a, ae_str b)
{
    json_t *o;
    ae_str  reason;

    if (json_array_size(e->near) >= NEAR_MAX)
        return;
    o = row_place(e->p, r);
    json_object_set_new(o, "field", json_string(field));
    set_text(o, "subject", e->p->subj.name[r->subj]);
    reason = ae_fmt(&e->a, "%s \"%.*s\" does not %s \"%.*s\"", field,
                    (int)a.n, a.n ? a.p : "", verb, (int)b.n,
                    b.n ? b.p : "");
    set_text(o, "reason", reason);
    json_array_append_new(e->near, o);
}

static void note(struct explain *e, const char *text)
{
    json_array_append_new(e->notes, json_string(text));
}

static ae_str pat_text(const ae_policy *p, uint32_t id)
{
    return ae_s(p->pat[id].text, p->pat[id].n);
}

/* What stands behind the last comma. */
static ae_str effect_text(const struct ae_row *r)
{
    ae_str      s = ae_row_text(r);
    const char *comma = s.n ? memrchr(s.p, ',', s.n) : NULL;

    return comma ? ae_trim(ae_sub(s, (size_t)(comma + 1 - s.p), s.n)) : s;
}

/* Lines that the subject does reach and that miss in one field. */
static void near_own(struct explain *e, const struct ae_row *r, int m,
                     unsigned miss)
{
    uint32_t pat[3] = { r->res, r->act, r->obj };

    if (m == 1 && r->effect == AE_EFF_NONE)
        near_miss(e, r, "effect", "count, only allow and deny do, in",
                  effect_text(r), ae_row_text(r));
    if (m != 0 || r->effect != AE_EFF_ALLOW)
        return;
    for (int i = 0; i < 3; i++)
        if (miss == 1u << i)
            near_miss(e, r, field_name[i], "match",
                      pat_text(e->p, pat[i]), e->q[i]);
}

struct finding { const struct ae_row *row; const char *answer, *why; };

static void walk_ask(struct explain *e, const struct ae_ask *k, bool near,
                     struct finding *f)
{
    const struct ae_row *yes = NULL;
    bool                 open = false;

    f->row = NULL;
    f->answer = NULL;
    for (uint32_t i = 0; i < k->nrow; i++) {
        const struct ae_row *r = &e->p->row[k->row[i]];
        unsigned             miss;
        int                  at, m = judge(e, r, &miss, &at);

        e->own[k->row[i] / 64] |= (uint64_t)1 << (k->row[i] % 64);
        if (near)
            near_own(e, r, m, miss);
        if (f->answer)
            continue;
        if (m == AE_E_BUDGET) {
            open = true;
        } else if (m < 0) {
            f->row = r;
            f->answer = "no";
            f->why = at == 0 ? "the resource pattern is invalid and raises"
                   : at == 1 ? "the action pattern is invalid and raises"
                             : "the object pattern is invalid and raises";
        } else if (m == 1 && r->effect == AE_EFF_DENY) {
            f->row = r;
            f->answer = "no";
            f->why = "denied by a line";
        } else if (m == 1 && r->effect == AE_EFF_ALLOW && !yes) {
            yes = r;
        }
    }
    if (f->answer)
        return;
    f->row = open ? NULL : yes;
    f->answer = open ? "unknown" : yes ? "yes" : "no";
    f->why = open ? "a pattern could not be evaluated within its budget"
           : yes ? "allowed by a line"
           : k->nrow ? "no line that it reaches matches"
                     : "no line names it or a role of it";
    if (!open && !yes && k->hole && e->p->mode == AE_MATCH_REGEX) {
        f->answer = "yes";
        f->why = "the policy has no p line at all, and in regex mode that "
                 "allows everything";
    }
}

static const char *role_name(uint8_t role)
{
    static const char *const name[] = { "default role", "user", "group",
                                        "empty subject" };

    return name[role];
}

static void add_asked(struct explain *e, const struct ae_tab *t)
{
    bool done = false, near = e->d.verdict != AE_ALLOW;

    for (uint32_t i = 0; i < t->nask; i++) {
        const struct ae_ask *k = &t->ask[i];
        struct finding       f;
        json_t              *o = json_object();

        walk_ask(e, k, near, &f);
        json_object_set_new(o, "kind", json_string(role_name(k->role)));
        set_text(o, "subject", k->subject);
        set_text(o, "lines", k->base || !e->ps ? AE_STR("global policy")
                             : e->p->source[e->ps->source]);
        json_object_set_new(o, "reached", json_boolean(!done));
        json_object_set_new(o, "answer", json_string(f.answer));
        json_object_set_new(o, "why", json_string(f.why));
        if (f.row) {
            json_object_set_new(o, "rule", row_place(e->p, f.row));
            json_object_set_new(o, "via", path_to(e, k, f.row->subj));
            e->deny_seen |= f.answer[0] == 'n';
        }
        done |= f.answer[0] == 'y';
        json_array_append_new(e->asked, o);
    }
}

/* Lines that would allow, on a subject that the caller is not. */
static void near_subjects(struct explain *e, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct ae_row *r = &e->p->row[i];
        unsigned             miss;
        int                  at;

        if (e->own[i / 64] >> (i % 64) & 1)
            continue;
        if (r->effect == AE_EFF_ALLOW && judge(e, r, &miss, &at) == 1)
            near_miss(e, r, "subject", "include",
                      e->p->subj.name[r->subj], e->pr->subject.id);
    }
}

/* ---- groups that are not asked ---- */

static const char *why_dropped(const struct explain *e, uint32_t id)
{
    const struct ae_csr *c = &e->p->rows_by_subj;

    if (e->set == AE_SET_FOREIGN)
        return "the token belongs to another project, which ends the "
               "question before any group is asked";
    if (e->ps && e->pr->own.p)
        return "a token of the project itself is judged without groups";
    if (id == AE_NO_ID)
        return "no line names it";
    if (ae_has_edge(e->p, e->ps, id))
        return NULL;
    if (c->at[id] < c->at[id + 1])
        return "dead: it has p lines, but no g line begins with it, and "
               "Argo CD only asks groups that a g line begins with; put the "
               "p lines on a role and add g, GROUP, ROLE";
    return "no g line begins with it (it only stands behind others)";
}

static void add_dropped(struct explain *e)
{
    const struct ae_subject *s = &e->pr->subject;

    if (s->kind != AE_SUBJ_CLAIMS) {
        if (s->ngroups)
            note(e, "the caller is not a token: its groups are not used");
        return;
    }
    for (size_t i = 0; i < s->ngroups; i++) {
        uint32_t    id = ae_names_find(&e->p->subj, s->groups[i]);
        const char *why = why_dropped(e, id);
        json_t     *o;

        if (!why)
            continue;
        o = json_object();
        set_text(o, "group", s->groups[i]);
        json_object_set_new(o, "reason", json_string(why));
        json_array_append_new(e->dropped, o);
    }
}

static void add_notes(struct explain *e)
{
    if (e->deny_seen && e->d.verdict == AE_ALLOW)
        note(e, "a deny counts only for the subject that it is found for: "
                "the default role, the user and each group are asked one by "
                "one, and any of them may allow");
    if (e->ps && e->ps->broken)
        note(e, "the project's roles hold a malformed line, so none of its "
                "lines counts");
    if (e->unknown.p)
        note(e, "the object's project is not among the inputs: its lines "
                "could allow or deny, so the answer is left to Argo CD");
    if (e->set == AE_SET_FOREIGN)
        note(e, "the token is a role of another project: Argo CD does not "
                "try its lines for this project");
    if (e->d.why == AE_WHY_EMPTY_POLICY)
        note(e, "the policy has no p line at all: an empty line stands in, "
                "and it matched");
    if (e->p->mode == AE_MATCH_REGEX)
        note(e, "match mode is regex: patterns are unanchored");
}

/* ---- the object ---- */

static const char *verdict_text(enum ae_verdict v)
{
    return v == AE_ALLOW ? "allow" : v == AE_DENY ? "deny" : "unknown";
}

static const char *why_text(enum ae_why w)
{
    static const char *const name[] = {
        "no-rule", "rule", "default-role", "error", "unknown-project",
        "budget", "empty-policy"
    };

    return name[w];
}

static json_t *explain_object(struct explain *e)
{
    json_t *o = json_object(), *groups = json_array(), *rule;

    json_object_set_new(o, "verdict",
                        json_string(verdict_text(e->d.verdict)));
    json_object_set_new(o, "why", json_string(why_text(e->d.why)));
    for (int i = 0; i < 3; i++)
        set_text(o, field_name[i], e->q[i]);
    set_text(o, "user", e->pr->subject.id);
    for (size_t i = 0; i < e->pr->subject.ngroups; i++)
        json_array_append_new(groups,
                              ae_json_text(e->pr->subject.groups[i]));
    json_object_set_new(o, "groups", groups);
    set_text(o, "subject", e->d.subject);
    if (e->ps)
        set_text(o, "project", e->ps->name);
    else
        json_object_set_new(o, "project", json_null());
    rule = json_null();
    if (e->d.rule_file.p) {
        rule = json_object();
        set_text(rule, "file", e->d.rule_file);
        json_object_set_new(rule, "line", json_integer(e->d.rule_line));
        set_text(rule, "text", e->d.rule_text);
    }
    json_object_set_new(o, "rule", rule);
    json_object_set(o, "asked", e->asked);
    json_object_set(o, "not_asked", e->dropped);
    json_object_set(o, "near_misses", e->near);
    json_object_set(o, "notes", e->notes);
    return o;
}

static void collect(struct explain *e)
{
    struct ae_tab *t;

    e->set = ae_decide_set(e->pr, ae_resource_scope(e->q[0]), e->q[2],
                           &e->unknown);
    if (e->set >= AE_SET_PROJECT)
        e->ps = &e->p->pset[e->set - AE_SET_PROJECT];
    t = ae_principal_tab(e->pr, e->set);
    e->own = ae_nalloc(&e->a, e->p->nrow / 64 + 1, sizeof(*e->own));
    if (!t || !e->own || ae_reach_init(&e->reach, e->p, &e->a)) {
        note(e, "out of memory: this explanation is not complete");
        return;
    }
    add_asked(e, t);
    add_dropped(e);
    if (e->d.verdict != AE_ALLOW) {
        near_subjects(e, 0, e->p->nbase_row);
        if (e->ps)
            near_subjects(e, e->ps->row0, e->ps->row1);
    }
    add_notes(e);
}

json_t *ae_explain_json(ae_principal *pr, ae_str resource, ae_str action,
                        ae_str object)
{
    struct explain e = { .pr = pr, .p = pr->p };
    json_t        *o;

    e.q[0] = resource;
    e.q[1] = action;
    e.q[2] = object;
    ae_arena_init(&e.a, ae_heap_mem(&e.heap), NULL, 0);
    ae_decide(pr, resource, action, object, &e.d);
    e.asked = json_array();
    e.dropped = json_array();
    e.near = json_array();
    e.notes = json_array();
    collect(&e);
    o = explain_object(&e);
    json_decref(e.asked);
    json_decref(e.dropped);
    json_decref(e.near);
    json_decref(e.notes);
    ae_heap_free(&e.heap);
    return o;
}
