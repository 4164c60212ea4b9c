/* diff_audit.c - recorded decisions, decided again by two policies. */
#include "survey.h"

#include <stdio.h>
#include <stdlib.h>

struct replay {
    struct cli         *c;
    const struct world *w[2];
    json_t             *asked;   /* question -> {user, groups, ..., n} */
    size_t              lines, left_out;
};

static void copy(json_t *to, const char *name, const json_t *from,
                 const char *key)
{
    json_t *v = json_object_get(from, key);

    json_object_set_new(to, name, v ? json_incref(v) : json_string(""));
}

/* One line.  Lines without a question (unknown tokens, streams of nobody)
 * cannot be asked again. */
static void take(struct replay *r, const json_t *line)
{
    static const char *const key[] = { "user.id", "argo_edge.groups",
        "argo_edge.resource", "argo_edge.action", "argo_edge.object" };
    static const char *const name[] = { "user", "groups", "resource",
                                        "action", "object" };
    json_t *o, *known;
    char   *text;

    r->lines++;
    if (!json_is_string(json_object_get(line, "user.id"))
        || !json_is_string(json_object_get(line, "argo_edge.object"))
        || !json_is_string(json_object_get(line, "argo_edge.action"))) {
        r->left_out++;
        return;
    }
    o = json_object();
    for (int i = 0; i < 5; i++)
        copy(o, name[i], line, key[i]);
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
            cli_progress("reading", at, all + 1);
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
    cli_progress("reading", 1, 1);
    return 0;
}

static void decide(struct replay *r, int which, const json_t *q,
                   struct ae_decision *d)
{
    const json_t *groups = json_object_get(q, "groups"), *g;
    struct ae_subject s = { .kind = AE_SUBJ_CLAIMS,
                            .id = ae_json_get_str(q, "user") };
    ae_principal *pr = NULL;
    ae_str       *v = ae_nalloc(&r->c->a, json_array_size(groups) + 1,
                                sizeof(*v));
    size_t        i;

    memset(d, 0, sizeof(*d));
    d->verdict = AE_UNKNOWN;
    if (!v)
        return;
    json_array_foreach(groups, i, g)
        v[i] = ae_json_str(g);
    s.groups = v;
    s.ngroups = json_array_size(groups);
    if (!s.id.n)
        s.kind = AE_SUBJ_STRING; /* anonymous */
    if (ae_principal_new(r->w[which]->p, &s, &pr))
        return;
    ae_decide(pr, ae_json_get_str(q, "resource"),
              ae_json_get_str(q, "action"), ae_json_get_str(q, "object"), d);
    ae_principal_free(pr);
}

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

static int answer(struct replay *r)
{
    json_t     *lost = json_array(), *gained = json_array(), *q;
    const char *key;
    size_t      n = 0, all = json_object_size(r->asked), i;
    bool        same;

    json_object_foreach(r->asked, key, q) {
        struct ae_decision was, is;

        cli_progress("deciding", n++, all);
        decide(r, 0, q, &was);
        decide(r, 1, q, &is);
        if (was.verdict == is.verdict
            || (was.verdict != AE_ALLOW && is.verdict != AE_ALLOW))
            continue;
        /* what said yes: lost with the old policy, gained by the new */
        json_object_set_new(q, "rule", rule_json(
            was.verdict == AE_ALLOW ? &was : &is));
        json_array_append(was.verdict == AE_ALLOW ? lost : gained, q);
    }
    cli_progress("deciding", 1, 1);
    same = !json_array_size(lost) && !json_array_size(gained);
    if (r->c->json) {
        cli_json(json_pack("{s:I, s:I, s:I, s:O, s:O}", "lines",
                           (json_int_t)r->lines, "questions",
                           (json_int_t)all, "left_out",
                           (json_int_t)r->left_out, "lost", lost, "gained",
                           gained));
    } else {
        json_array_foreach(lost, i, q)
            print_one(q, true);
        json_array_foreach(gained, i, q)
            print_one(q, false);
        printf("%zu lines, %zu different questions: %zu lost, %zu gained; "
               "%zu lines say nothing that a policy decides\n", r->lines,
               all, json_array_size(lost), json_array_size(gained),
               r->left_out);
    }
    json_decref(lost);
    json_decref(gained);
    return same ? EXIT_YES : EXIT_NO;
}

int replay_audit(struct cli *c, const struct world *from,
                 const struct world *to)
{
    struct replay r = { .c = c, .w = { from, to },
                        .asked = json_object() };
    int           rc = read_all(&r, c->audit);

    if (!rc)
        rc = answer(&r);
    json_decref(r.asked);
    return rc;
}
