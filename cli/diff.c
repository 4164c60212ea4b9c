/*
 * diff.c - who loses or gains what between two policies.
 *
 * Both are asked the same questions.  What is worth asking a person's rights
 * about is what the lines say that this person reaches in either of them: each
 * line gives an example for its patterns.
 */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>

struct diff {
    struct cli   *c;
    struct world *w[2];          /* old, new */
    ae_principal *pr[2];         /* of the person at hand */
    json_t       *lost, *gained; /* of the person at hand */
    const struct ae_grant *line; /* whose example is asked */
    uint64_t     *seen;          /* questions of the person at hand */
    size_t        nseen, cap;
    size_t        nlost, ngained, unclear;
    bool          all;           /* the person is everybody */
};

/* ---- one question -------------------------------------------------------- */

/* True the first time.  Open addressing; 64 bits of hash stand for all. */
static bool first_time(struct diff *d, uint64_t h)
{
    if (d->nseen * 2 >= d->cap) {
        size_t    cap = d->cap ? d->cap * 2 : 1024, old = d->cap;
        uint64_t *was = d->seen, *now = calloc(cap, sizeof(*now));

        if (!now)
            return true; /* asked twice, at worst */
        d->seen = now;
        d->cap = cap;
        d->nseen = 0;
        for (size_t i = 0; i < old; i++)
            if (was[i])
                (void)first_time(d, was[i]);
        free(was);
    }
    h |= !h;
    for (size_t i = h & (d->cap - 1);; i = (i + 1) & (d->cap - 1)) {
        if (d->seen[i] == h)
            return false;
        if (d->seen[i])
            continue;
        d->seen[i] = h;
        d->nseen++;
        return true;
    }
}

/* Finer actions are asked by an example; people know them by the star. */
static ae_str shown_action(struct diff *d, ae_str act)
{
    size_t slash = ae_find(act, '/');

    if (slash == act.n)
        return act;
    return ae_find(d->line->action, '/') != d->line->action.n
        ? d->line->action
        : ae_fmt(&d->c->a, "%.*s/*", (int)slash, act.p);
}

/* The subject of a p-line: its second field, as far as it is plain. */
static ae_str line_subject(const json_t *rule)
{
    ae_str text = ae_json_get_str(rule, "text"), field;

    text = ae_cut(text, ',', &field);
    ae_cut(text, ',', &field);
    return ae_trim(field);
}

/* The entry of rights that differ from this one in the action alone, and come
 * from lines of the same role. */
static json_t *entry(struct diff *d, json_t *list, ae_str res, json_t *rule)
{
    json_t *o, *first;
    size_t  i;

    json_array_foreach(list, i, o) {
        first = json_array_get(json_object_get(o, "rules"), 0);
        if (ae_eq(ae_json_get_str(o, "resource"), res)
            && ae_eq(ae_json_get_str(o, "object"), d->line->object)
            && ae_eq(ae_json_get_str(first, "file"),
                     ae_json_get_str(rule, "file"))
            && ae_eq(line_subject(first), line_subject(rule)))
            return o;
    }
    o = json_pack("{s:o, s:[], s:o, s:[]}", "resource", cli_jstr(res),
                  "actions", "object", cli_jstr(d->line->object), "rules");
    json_array_append_new(list, o);
    return o;
}

/* Takes |v|; appends it if it is new. */
static void once(json_t *list, json_t *v)
{
    json_t *o;
    size_t  i;

    json_array_foreach(list, i, o)
        if (json_equal(o, v)) {
            json_decref(v);
            return;
        }
    json_array_append_new(list, v);
}

static void report(struct diff *d, json_t *list, ae_str res, ae_str act,
                   const struct ae_decision *by)
{
    json_t *rule = rule_json(by), *o = entry(d, list, res, rule);

    once(json_object_get(o, "actions"), cli_jstr(shown_action(d, act)));
    once(json_object_get(o, "rules"), rule);
}

/* What comes by the default role is said of everybody, once. */
static bool said(const struct diff *d, const struct ae_decision *by)
{
    return !d->all && by->why == AE_WHY_DEFAULT_ROLE;
}

static void ask(struct diff *d, ae_str res, ae_str act, ae_str obj)
{
    struct ae_decision was, is;
    uint64_t h = ae_hash64(res, 1);

    h = ae_hash64(obj, ae_hash64(act, h));
    if (!first_time(d, h))
        return;
    ae_decide(d->pr[0], res, act, obj, &was);
    ae_decide(d->pr[1], res, act, obj, &is);
    d->unclear += was.verdict == AE_UNKNOWN || is.verdict == AE_UNKNOWN;
    if (was.verdict == is.verdict)
        return;
    if (was.verdict == AE_ALLOW && !said(d, &was))
        report(d, d->lost, res, act, &was);
    else if (is.verdict == AE_ALLOW && !said(d, &is))
        report(d, d->gained, res, act, &is);
}

/* ---- the questions of one line ------------------------------------------- */

static void ask_actions(struct diff *d, const ae_policy *p, ae_str res,
                        const char *actions, ae_str obj)
{
    ae_str rest = ae_cs(actions), act;
    bool   any = false;

    while (rest.p) {
        rest = ae_cut(rest, ' ', &act);
        if (ae_find_str(act, AE_STR("//")) != SIZE_MAX
            || !ae_policy_fits(p, d->line->action, act))
            continue;
        any = true;
        ask(d, res, act, obj);
    }
    if (any)
        return;
    act = ae_policy_example(p, &d->c->a, d->line->action);
    if (act.p)
        ask(d, res, act, obj);
}

struct walk { struct diff *d; const ae_policy *p; };

static void of_line(void *ctx, const struct ae_grant *g)
{
    struct walk *v = ctx;
    ae_str       obj = ae_policy_example(v->p, &v->d->c->a, g->object);
    const char  *res, *actions;
    bool         any = false;

    if (!obj.p)
        return;
    v->d->line = g;
    for (size_t i = 0; (res = ae_policy_asks(i, &actions)); i++) {
        if (!ae_policy_fits(v->p, g->resource, ae_cs(res)))
            continue;
        any = true;
        ask_actions(v->d, v->p, ae_cs(res), actions, obj);
    }
    if (!any)
        ask_actions(v->d, v->p, g->resource, "", obj);
}

/* ---- people -------------------------------------------------------------- */

static json_t *person(struct diff *d, ae_str name, int as, const char *shown)
{
    json_t *o = NULL;

    d->lost = json_array();
    d->gained = json_array();
    d->all = shown != NULL;
    d->nseen = 0;
    if (d->seen)
        memset(d->seen, 0, d->cap * sizeof(*d->seen));
    for (int i = 0; i < 2; i++)
        d->pr[i] = world_principal(d->w[i], name, as);
    for (int i = 0; d->pr[0] && d->pr[1] && i < 2; i++) {
        struct walk v = { d, d->w[i]->p };

        (void)ae_principal_grants(d->pr[i], of_line, &v);
    }
    for (int i = 0; i < 2; i++)
        ae_principal_free(d->pr[i]);
    d->nlost += json_array_size(d->lost);
    d->ngained += json_array_size(d->gained);
    if (json_array_size(d->lost) || json_array_size(d->gained))
        o = json_pack("{s:o, s:O, s:O}", "subject",
                      shown ? json_string(shown) : cli_jstr(name), "lost",
                      d->lost, "gained", d->gained);
    json_decref(d->lost);
    json_decref(d->gained);
    return o;
}

static void merge(struct cli *c, struct diff *d, struct names *out)
{
    world_people(c, d->w[0], true, out);
    world_people(c, d->w[1], true, out);
    names_sort(out);
}

static json_t *everybody(struct diff *d)
{
    struct names people = { .v = NULL };
    json_t      *list = json_array(), *o;

    o = person(d, ae_s("", 0), AS_NOBODY, "everybody");
    if (o)
        json_array_append_new(list, o);
    merge(d->c, d, &people);
    for (size_t i = 0; i < people.n; i++) {
        ae_str name = people.v[i];

        cli_progress(d->c, "comparing", i, people.n);
        o = person(d, name, is_role(name) ? AS_ROLE : AS_EITHER, NULL);
        if (o)
            json_array_append_new(list, o);
    }
    cli_progress(d->c, "comparing", 1, 1);
    return list;
}

/* ---- text ---------------------------------------------------------------- */

static void print_list(char sign, const json_t *list)
{
    const json_t *o, *a, *rules;
    size_t        i, k;

    json_array_foreach(list, i, o) {
        printf("  %c ", sign);
        print_json_str(json_object_get(o, "resource"));
        json_array_foreach(json_object_get(o, "actions"), k, a) {
            fputs(k ? ", " : ": ", stdout);
            print_json_str(a);
        }
        fputs(" on ", stdout);
        print_json_str(json_object_get(o, "object"));
        printf("\n      %s", sign == '-' ? "was allowed by" : "allowed by");
        rules = json_object_get(o, "rules");
        rule_print(json_array_get(rules, 0));
        if (json_array_size(rules) > 1)
            printf(" (and %zu more)", json_array_size(rules) - 1);
        putchar('\n');
    }
}

/* Settings that change what every line means. */
static json_t *settings(const struct diff *d)
{
    const struct ae_rbac_in *a = &d->w[0]->rbac, *b = &d->w[1]->rbac;
    json_t *list = json_array();

    if (!ae_eq(a->default_role, b->default_role))
        json_array_append_new(list, json_pack(
            "{s:s, s:o, s:o}", "setting", "policy.default", "old",
            cli_jstr(a->default_role), "new", cli_jstr(b->default_role)));
    if (a->mode != b->mode)
        json_array_append_new(list, json_pack(
            "{s:s, s:s, s:s}", "setting", "policy.matchMode", "old",
            a->mode == AE_MATCH_REGEX ? "regex" : "glob", "new",
            b->mode == AE_MATCH_REGEX ? "regex" : "glob"));
    return list;
}

static void print_all(const struct diff *d, const json_t *set,
                      const json_t *list)
{
    const json_t *o;
    size_t        i;

    json_array_foreach(set, i, o) {
        print_json_str(json_object_get(o, "setting"));
        fputs(": \"", stdout);
        print_json_str(json_object_get(o, "old"));
        fputs("\" becomes \"", stdout);
        print_json_str(json_object_get(o, "new"));
        puts("\"");
    }
    json_array_foreach(list, i, o) {
        print_json_str(json_object_get(o, "subject"));
        putchar('\n');
        print_list('-', json_object_get(o, "lost"));
        print_list('+', json_object_get(o, "gained"));
    }
    if (!i)
        puts("nobody loses or gains anything");
    else
        printf("%zu subject%s: %zu right%s lost, %zu gained\n", i,
               i == 1 ? "" : "s", d->nlost, d->nlost == 1 ? "" : "s",
               d->ngained);
    if (d->unclear)
        printf("%zu questions depend on AppProjects that the inputs lack\n",
               d->unclear);
}

static int compare(struct diff *d)
{
    json_t *set = settings(d), *list = everybody(d);
    bool    same = !json_array_size(list);

    if (d->c->json)
        cli_json(json_pack("{s:O, s:O, s:I, s:I, s:I}", "settings", set,
                           "subjects", list, "lost", (json_int_t)d->nlost,
                           "gained", (json_int_t)d->ngained, "unknown",
                           (json_int_t)d->unclear));
    else
        print_all(d, set, list);
    json_decref(set);
    json_decref(list);
    free(d->seen);
    return same ? EXIT_YES : EXIT_NO;
}

static int run(struct cli *c)
{
    struct world a, b = { .p = NULL };
    struct diff  d = { .c = c, .w = { &a, &b } };
    int          rc;

    if (!c->projects)
        c->projects = "complete"; /* what is there is compared */
    rc = world_load(c, c->arg[0], &a);
    if (!rc)
        rc = world_load(c, c->arg[1], &b);
    if (!rc)
        rc = c->audit ? replay_audit(c, &a, &b) : compare(&d);
    world_drop(&a);
    world_drop(&b);
    return rc;
}

const struct command cmd_diff = {
    .name = "diff",
    .args = "OLD NEW",
    .brief = "who loses or gains what between two policies?",
    .help =
"OLD and NEW are directories as for --inputs, or single files: a policy.csv,\n"
"or the ConfigMap argocd-rbac-cm as YAML.  Both policies are asked the same\n"
"questions, one for each line that somebody reaches in either of them, on\n"
"behalf of everybody whom they name.  \"everybody\" is the default role.\n\n"
"With --audit the questions are those that were really asked: a log written\n"
"by argo_edge_audit (\"-\" for standard input).  It says which of those\n"
"requests would now be decided differently, and how often they came.\n\n"
"Exit code 0 if nothing changes, 1 if something does.\n\n"
"  argo-edge diff policy-now.csv policy-new.csv\n"
"  argo-edge diff /etc/argo-edge ./new --audit /var/log/argo-edge/audit.log\n",
    .options = "namespace projects audit json progress",
    .min_arg = 2, .max_arg = 2, .run = run,
};
