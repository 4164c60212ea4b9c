/*
 * learn.c - what a passing answer says of its object: project, namespace,
 * name.  A linear scan without allocation, because bodies can be large and
 * only three members matter.
 */
#include "edge/edge.h"

/* ---- a scanner that looks for one member -------------------------------- */

struct scan { const char *p, *end; };

static void blanks(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n'
                             || *s->p == '\r'))
        s->p++;
}

static bool eat(struct scan *s, char c)
{
    blanks(s);
    if (s->p >= s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

/* A string literal: *out gets what is between the quotes, as written. */
static bool string(struct scan *s, ae_str *out)
{
    const char *from;

    if (!eat(s, '"'))
        return false;
    for (from = s->p; s->p < s->end; s->p++) {
        if (*s->p == '\\') {
            s->p++;
        } else if (*s->p == '"') {
            *out = ae_s(from, (size_t)(s->p - from));
            s->p++;
            return true;
        }
    }
    return false;
}

/* Step over one value of any kind, without recursion. */
static bool skip(struct scan *s)
{
    int depth = 0;
    ae_str ignore;

    do {
        blanks(s);
        if (s->p >= s->end)
            return false;
        switch (*s->p) {
        case '"':
            if (!string(s, &ignore))
                return false;
            break;
        case '{':
        case '[':
            depth++;
            s->p++;
            break;
        case '}':
        case ']':
            if (--depth < 0)
                return false;
            s->p++;
            break;
        case ',':
        case ':':
            if (depth == 0)
                return false;
            s->p++;
            break;
        default:
            while (s->p < s->end && !memchr(",:]}\" \t\r\n", *s->p, 9))
                s->p++;
        }
    } while (depth > 0);
    return true;
}

/* Advance to the value of member |name| of the object at hand. */
static bool enter(struct scan *s, ae_str name)
{
    ae_str key;

    if (!eat(s, '{') || eat(s, '}'))
        return false;
    do {
        if (!string(s, &key) || !eat(s, ':'))
            return false;
        if (ae_eq(key, name)) {
            blanks(s);
            return true;
        }
        if (!skip(s))
            return false;
    } while (eat(s, ','));
    return false;
}

/* Advance to the first element of the array at hand; |only|: there is none
 * besides. */
static bool element(struct scan *s, bool only)
{
    struct scan rest;

    if (!eat(s, '['))
        return false;
    blanks(s);
    rest = *s;
    return !only || (skip(&rest) && eat(&rest, ']'));
}

static ae_str unescape(ae_arena *a, ae_str raw)
{
    json_t *v;
    ae_str lit, out;

    if (!memchr(raw.p, '\\', raw.n))
        return raw;
    lit = ae_fmt(a, "\"%.*s\"", (int)raw.n, raw.p);
    v = lit.p ? ae_json_parse(lit, 1, NULL) : NULL;
    out = v ? ae_dup(a, ae_json_str(v)) : ae_s(NULL, 0);
    json_decref(v);
    return out;
}

ae_str ae_json_at(ae_arena *a, ae_str json, const char *path)
{
    struct scan s = { json.p, json.p + json.n };
    ae_str rest = ae_cs(path), part, raw;

    if (!json.p)
        return ae_s(NULL, 0);
    while (rest.p) {
        rest = ae_cut(rest, '.', &part);
        if (part.n && part.p[0] == '['
            ? !element(&s, ae_eq_lit(part, "[]")) : !enter(&s, part))
            return ae_s(NULL, 0);
    }
    if (!string(&s, &raw) || raw.n > 4096)
        return ae_s(NULL, 0);
    return unescape(a, raw);
}

/* ---- the object of an answer -------------------------------------------- */

static bool op_is(const ae_txn *t, const char *name)
{
    return ae_eq(ae_cs(t->tgt.op->name), ae_cs(name));
}

static bool service(const ae_txn *t, ae_str prefix)
{
    return ae_starts(ae_cs(t->tgt.op->name), prefix);
}

/* The path calls the application {name}, {applicationName} or {appName}: it
 * is the first parameter in all three. */
static ae_str first_path(const ae_txn *t)
{
    return t->tgt.npath ? t->tgt.path_par[0].value : ae_s(NULL, 0);
}

static ae_str app_ns(const ae_txn *t)
{
    ae_str ns = ae_target_get(&t->tgt, "appNamespace");

    if (!ns.n)
        ns = ae_target_get(&t->tgt, "appsetNamespace");
    if (!ns.n && op_is(t, "ApplicationService_ListLinks"))
        ns = ae_target_get(&t->tgt, "namespace");
    return ns.n ? ns : t->snap->route.ns;
}

/* Hints belong to the identity that learnt them: what one caller may see
 * must not settle where another's object lies. */
static ae_str hint_ns(ae_txn *t, ae_str ns)
{
    char hex[32];

    ae_hex(t->rights->scope, 16, hex);
    return ae_fmt(&t->a, "%.32s/%.*s", hex, (int)ns.n, ns.n ? ns.p : "");
}

void ae_learn_hint(ae_txn *t, const struct ae_object *o)
{
    ae_str ns;

    if (!t->rights || !o->known || !o->project.n)
        return;
    ns = hint_ns(t, o->ns);
    if (!ns.p)
        return;
    ae_lock(t->e, &t->e->lock);
    ae_hints_put(t->e->hints, ns, o->name, o->project);
    ae_unlock(t->e, &t->e->lock);
}

/* Single applications and sets show themselves.  What hides a member (fields=)
 * hides the object; an empty project of an application is "default". */
static void from_manifest(ae_txn *t, ae_str body, const char *project,
                          struct ae_object *o)
{
    ae_str want = first_path(t);

    o->name = ae_json_at(&t->a, body, "metadata.name");
    o->ns = ae_json_at(&t->a, body, "metadata.namespace");
    o->project = ae_json_at(&t->a, body, project);
    if (!o->ns.n)
        o->ns = app_ns(t);
    o->known = o->project.p && o->name.n && ae_eq(o->name, want)
        && ae_eq(o->ns, app_ns(t));
}

void ae_learn_application(ae_txn *t, ae_str body, struct ae_object *o)
{
    from_manifest(t, body, "spec.project", o);
    if (o->known && !o->project.n)
        o->project = AE_STR("default");
}

/* A part of an application says nothing of the project: the request does
 * (Argo CD answers 200 only if it is the real one), or an earlier answer. */
void ae_learn_request(ae_txn *t, struct ae_object *o)
{
    ae_str p = ae_target_get(&t->tgt, "project");
    ae_str ns;

    memset(o, 0, sizeof *o);
    o->name = first_path(t);
    o->ns = app_ns(t);
    if (!p.n)
        p = t->fetched;
    if (!p.n && service(t, AE_STR("ApplicationService_"))) {
        ns = hint_ns(t, o->ns);
        ae_lock(t->e, &t->e->lock);
        p = ae_hints_get(t->e->hints, &t->a, ns, o->name);
        ae_unlock(t->e, &t->e->lock);
        o->hinted = true;
    }
    o->project = p;
    o->known = p.n > 0 && o->name.n > 0;
}

static void from_member(ae_txn *t, ae_str body, const char *name,
                        struct ae_object *o)
{
    o->name = ae_json_at(&t->a, body, name);
    o->project = ae_json_at(&t->a, body, "project");
    /* Without a project the object is the name alone. */
    if (!o->project.p)
        o->project = AE_STR("");
    o->known = o->name.n > 0;
}

void ae_learn_object(ae_txn *t, ae_str body, struct ae_object *out)
{
    memset(out, 0, sizeof *out);
    if (op_is(t, "ApplicationService_Get")) {
        ae_learn_application(t, body, out);
        if (!out->project.p) /* hidden by fields= */
            ae_learn_request(t, out);
    } else if (op_is(t, "ApplicationSetService_Get")) {
        from_manifest(t, body, "spec.template.spec.project", out);
    } else if (service(t, AE_STR("ApplicationService_"))) {
        ae_learn_request(t, out);
    } else if (service(t, AE_STR("ApplicationSetService_"))) {
        out->known = false; /* nothing shows the project of the set */
    } else if (service(t, AE_STR("ClusterService_"))) {
        from_member(t, body, "server", out);
    } else if (service(t, AE_STR("RepositoryService_"))) {
        from_member(t, body, "repo", out);
    } else {
        /* Projects, certificates, keys: the request names the object. */
        out->project = out->name = first_path(t);
        if (!out->name.p)
            out->project = out->name = AE_STR("");
        out->known = true;
    }
}
