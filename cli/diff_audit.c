/* diff_audit.c - recorded decisions, decided again by two policies. */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>

struct replay {
    struct cli         *c;
    const struct world *w[2];
    json_t             *asked;   /* question -> {user, groups, ..., n} */
    json_t             *silent;  /* why a line asks nothing -> lines */
    size_t              lines, left_out, undecided;
};

static void copy(json_t *to, const char *name, const json_t *from,
                 const char *key)
{
    json_t *v = json_object_get(from, key);

    json_object_set_new(to, name, v ? json_incref(v) : json_string(""));
}

/* Unknown tokens, nobody, refusals of form: nothing can be asked again. */
static void leave_out(struct replay *r, const json_t *line)
{
    const char *why = json_is_string(json_object_get(line, "user.id"))
        ? "nothing that a policy decides"
        : json_string_value(json_object_get(line, "event.reason"));
    json_t *n;

    if (!why || !*why)
        why = "caller not known";
    n = json_object_get(r->silent, why);
    json_object_set_new(r->silent, why,
                        json_integer(json_integer_value(n) + 1));
    r->left_out++;
}

/* "" for one object, "suffix" without its project, "list". */
static const char *kind_of(const json_t *line)
{
    if (json_is_true(json_object_get(line, "argo_edge.list")))
        return "list";
    if (json_is_string(json_object_get(line, "argo_edge.object")))
        return "";
    return json_is_string(json_object_get(line, "argo_edge.object_suffix"))
        ? "suffix" : NULL;
}

static void take(struct replay *r, const json_t *line)
{
    static const char *const key[] = { "user.id", "argo_edge.groups",
        "argo_edge.resource", "argo_edge.action" };
    static const char *const name[] = { "user", "groups", "resource",
                                        "action" };
    const char *kind = kind_of(line);
    json_t *o, *known;
    char   *text;

    r->lines++;
    if (!kind || !json_is_string(json_object_get(line, "user.id"))
        || !json_is_string(json_object_get(line, "argo_edge.action"))) {
        leave_out(r, line);
        return;
    }
    o = json_object();
    for (int i = 0; i < 4; i++)
        copy(o, name[i], line, key[i]);
    copy(o, "object", line, *kind ? "argo_edge.object_suffix"
                                  : "argo_edge.object");
    json_object_set_new(o, "kind", json_string(kind));
    text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    known = text ? json_object_get(r->asked, text) : NULL;
    if (known) {
        json_decref(o);
        o = known;
    } else if (text) {
        json_object_set_new(o, "requests", json_integer(0));
        json_object_set_new(r->asked, text, o);
    }
    free(text);
    json_object_set_new(o, "requests", json_integer(json_integer_value(
        json_object_get(o, "requests")) + 1));
    copy(o, "last", line, "@timestamp");
}

static int read_all(struct replay *r, const char *path)
{
    ae_str text, line;
    int    rc = cli_read(r->c, path, &text);
    size_t at = 0, all;

    if (rc)
        return rc;
    all = text.n;
    for (uint32_t n = 1; text.p && text.n; n++) {
        struct ae_err err = { .code = 0 };
        json_t       *v;

        text = ae_cut(text, '\n', &line);
        at += line.n + 1;
        if (n % 1024 == 0)
            cli_progress(r->c, "reading", at, all + 1);
        if (!ae_trim(line).n)
            continue;
        v = ae_json_parse(line, 16, &err);
        if (!json_is_object(v)) {
            json_decref(v);
            return cli_fail(EXIT_INPUT, "%s:%u: not a line of an audit log: "
                            "%s", path, n, err.text);
        }
        take(r, v);
        json_decref(v);
    }
    cli_progress(r->c, "reading", 1, 1);
    return 0;
}

static ae_principal *asker(struct replay *r, int which, const json_t *q)
{
    const json_t *groups = json_object_get(q, "groups"), *g;
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS,
                            .id = ae_json_get_str(q, "user") };
    ae_principal *pr = NULL;
    ae_str       *v = ae_nalloc(&r->c->a, json_array_size(groups) + 1,
                                sizeof(*v));
    size_t        i;

    if (!v)
        return NULL;
    json_array_foreach(groups, i, g)
        v[i] = ae_json_str(g);
    s.groups = v;
    s.ngroups = json_array_size(groups);
    if (!s.id.n)
        s.kind = AE_SUBJ_STRING; /* anonymous */
    return ae_principal_new(r->w[which]->p, &s, &pr) ? NULL : pr;
}

/* Of an object without its project only what is so for every project. */
static void decide(ae_principal *pr, const json_t *q, struct ae_decision *d)
{
    ae_str res = ae_json_get_str(q, "resource");
    ae_str act = ae_json_get_str(q, "action");
    ae_str obj = ae_json_get_str(q, "object");

    memset(d, 0, sizeof(*d));
    d->verdict = AE_UNKNOWN;
    if (!pr)
        return;
    if (ae_json_get_str(q, "kind").n)
        ae_decide_any_project(pr, res, act, obj, false, d);
    else
        ae_decide(pr, res, act, obj, d);
}

/* ---- lists --------------------------------------------------------------- */

struct seen {
    struct replay *r;
    const json_t  *q;      /* who lists what */
    ae_principal  *pr[2];
    size_t         all, n[2];
    const ae_policy *p;    /* whose lines are at hand */
    json_t        *where;  /* patterns on which rights differ */
};

static bool may(const struct seen *s, int which, ae_str obj)
{
    struct ae_decision d;

    ae_decide(s->pr[which], ae_json_get_str(s->q, "resource"),
              ae_json_get_str(s->q, "action"), obj, &d);
    return d.verdict == AE_ALLOW;
}

/* What a line is about, by an example for it. */
static void of_line(void *ctx, const struct ae_grant *g)
{
    struct seen *s = ctx;
    ae_str       obj;
    json_t      *o;
    size_t       i;

    if (!ae_policy_fits(s->p, g->resource, ae_json_get_str(s->q, "resource"))
        || !ae_policy_fits(s->p, g->action, ae_json_get_str(s->q, "action")))
        return;
    obj = ae_policy_example(s->p, &s->r->c->a, g->object);
    if (!obj.p || may(s, 0, obj) == may(s, 1, obj))
        return;
    json_array_foreach(s->where, i, o)
        if (ae_eq(ae_json_str(o), g->object))
            return;
    json_array_append_new(s->where, cli_jstr(g->object));
}

/* The objects of this kind that any line of the log names, once each. */
static void known_objects(struct seen *s)
{
    json_t     *once = json_object(), *q;
    const char *key;

    json_object_foreach(s->r->asked, key, q) {
        ae_str obj = ae_json_get_str(q, "object");

        if (ae_json_get_str(q, "kind").n
            || !ae_eq(ae_json_get_str(q, "resource"),
                      ae_json_get_str(s->q, "resource"))
            || json_object_get(once, json_string_value(json_object_get(q,
                                                            "object"))))
            continue;
        json_object_set(once, json_string_value(json_object_get(q, "object")),
                        json_true());
        s->all++;
        for (int i = 0; i < 2; i++)
            s->n[i] += may(s, i, obj);
    }
    json_decref(once);
}

/* NULL: this caller's lists are the same with both. */
static json_t *list_of(struct replay *r, json_t *q)
{
    struct seen s = { .r = r, .q = q, .where = json_array() };
    json_t     *o = NULL;

    for (int i = 0; i < 2; i++)
        s.pr[i] = asker(r, i, q);
    if (s.pr[0] && s.pr[1]) {
        known_objects(&s);
        for (int i = 0; i < 2; i++) {
            s.p = r->w[i]->p;
            (void)ae_principal_grants(s.pr[i], of_line, &s);
        }
        if (s.n[0] != s.n[1] || json_array_size(s.where))
            o = json_pack("{s:O, s:O, s:O, s:O, s:I, s:I, s:I, s:O}", "user",
                          json_object_get(q, "user"), "resource",
                          json_object_get(q, "resource"), "requests",
                          json_object_get(q, "requests"), "last",
                          json_object_get(q, "last"), "objects",
                          (json_int_t)s.all, "seen", (json_int_t)s.n[0],
                          "would_see", (json_int_t)s.n[1], "differ_on",
                          s.where);
    }
    for (int i = 0; i < 2; i++)
        ae_principal_free(s.pr[i]);
    json_decref(s.where);
    return o;
}

static long long number(const json_t *o, const char *name)
{
    return (long long)json_integer_value(json_object_get(o, name));
}

static void print_list(const json_t *o)
{
    const json_t *where = json_object_get(o, "differ_on"), *v;
    size_t        i;

    fputs("~ ", stdout);
    print_json_str(json_object_get(o, "user"));
    fputs(" would see another list of ", stdout);
    print_json_str(json_object_get(o, "resource"));
    printf(": %lld of %lld objects in the log, was %lld  (%lld request%s)\n",
           number(o, "would_see"), number(o, "objects"), number(o, "seen"),
           number(o, "requests"), number(o, "requests") == 1 ? "" : "s");
    json_array_foreach(where, i, v) {
        fputs(i ? ", " : "    rights differ on ", stdout);
        print_json_str(v);
    }
    if (json_array_size(where))
        putchar('\n');
}

/* ---- all ----------------------------------------------------------------- */

static void print_one(const json_t *o, bool lost)
{
    printf("%c ", lost ? '-' : '+');
    print_json_str(json_object_get(o, "user"));
    printf(" would %s ", lost ? "lose" : "gain");
    print_json_str(json_object_get(o, "resource"));
    fputs(", ", stdout);
    print_json_str(json_object_get(o, "action"));
    fputs(", ", stdout);
    print_json_str(json_object_get(o, "object"));
    printf("  (%lld request%s, last ", (long long)json_integer_value(
        json_object_get(o, "requests")), json_integer_value(
        json_object_get(o, "requests")) == 1 ? "" : "s");
    print_json_str(json_object_get(o, "last"));
    fputs(")\n   ", stdout);
    rule_print(json_object_get(o, "rule"));
    putchar('\n');
}

struct found { json_t *lost, *gained, *lists; };

static void one_question(struct replay *r, json_t *q, struct found *f)
{
    struct ae_decision d[2];
    ae_principal      *pr[2];
    bool               lost;

    for (int i = 0; i < 2; i++) {
        pr[i] = asker(r, i, q);
        decide(pr[i], q, &d[i]);
    }
    lost = d[0].verdict == AE_ALLOW;
    if (ae_json_get_str(q, "kind").n
        && (d[0].verdict == AE_UNKNOWN || d[1].verdict == AE_UNKNOWN)) {
        r->undecided++;
    } else if (d[0].verdict != d[1].verdict
               && (lost || d[1].verdict == AE_ALLOW)) {
        /* what said yes: lost with the old policy, gained by the new */
        json_object_set_new(q, "rule", rule_json(&d[lost ? 0 : 1]));
        json_array_append(lost ? f->lost : f->gained, q);
    }
    for (int i = 0; i < 2; i++)
        ae_principal_free(pr[i]);
}

static void print_all(const struct replay *r, const struct found *f)
{
    const char *key;
    json_t     *q;
    size_t      i;

    json_array_foreach(f->lost, i, q)
        print_one(q, true);
    json_array_foreach(f->gained, i, q)
        print_one(q, false);
    json_array_foreach(f->lists, i, q)
        print_list(q);
    printf("%zu lines, %zu different questions: %zu lost, %zu gained; "
           "%zu lines say nothing that a policy decides\n", r->lines,
           json_object_size(r->asked), json_array_size(f->lost),
           json_array_size(f->gained), r->left_out);
    json_object_foreach(r->silent, key, q) {
        printf("  %lld: ", (long long)json_integer_value(q));
        print_safe(ae_cs(key));
        putchar('\n');
    }
    if (json_array_size(f->lists))
        printf("%zu callers would see other lists\n",
               json_array_size(f->lists));
    if (r->undecided)
        printf("%zu questions name an application without its project, and "
               "hang on it\n", r->undecided);
}

static int answer(struct replay *r)
{
    struct found f = { json_array(), json_array(), json_array() };
    json_t      *q, *o;
    const char  *key;
    size_t       n = 0, all = json_object_size(r->asked);
    bool         same;

    json_object_foreach(r->asked, key, q) {
        cli_progress(r->c, "deciding", n++, all);
        if (!ae_eq_lit(ae_json_get_str(q, "kind"), "list"))
            one_question(r, q, &f);
        else if ((o = list_of(r, q)))
            json_array_append_new(f.lists, o);
    }
    cli_progress(r->c, "deciding", 1, 1);
    same = !json_array_size(f.lost) && !json_array_size(f.gained)
        && !json_array_size(f.lists);
    if (r->c->json)
        cli_json(json_pack("{s:I, s:I, s:I, s:O, s:I, s:O, s:O, s:O}",
                           "lines", (json_int_t)r->lines, "questions",
                           (json_int_t)all, "left_out",
                           (json_int_t)r->left_out, "left_out_by", r->silent,
                           "undecided", (json_int_t)r->undecided, "lost",
                           f.lost, "gained", f.gained, "lists", f.lists));
    else
        print_all(r, &f);
    json_decref(f.lost);
    json_decref(f.gained);
    json_decref(f.lists);
    return same ? EXIT_YES : EXIT_NO;
}

int replay_audit(struct cli *c, const struct world *from,
                 const struct world *to)
{
    struct replay r = { .c = c, .w = { from, to }, .asked = json_object(),
                        .silent = json_object() };
    int           rc = read_all(&r, c->audit);

    if (!rc)
        rc = answer(&r);
    json_decref(r.asked);
    json_decref(r.silent);
    return rc;
}
