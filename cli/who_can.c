/* who_can.c - who may do ACTION on RESOURCE OBJECT? */
#include "survey.h"

#include <stdio.h>

struct asked { struct cli *c; const struct world *w; ae_str q[3];
               json_t *who; size_t unknown; };

static enum ae_verdict ask(struct asked *a, ae_str name, int as,
                           json_t **rule)
{
    ae_principal      *pr = world_principal(a->w, name, as);
    struct ae_decision d = { .verdict = AE_UNKNOWN };

    if (pr)
        ae_decide(pr, a->q[0], a->q[1], a->q[2], &d);
    *rule = rule_json(&d);
    ae_principal_free(pr);
    return d.verdict;
}

static const char *kind_of(ae_str name, bool user, bool group)
{
    if (is_token(name))
        return "project role";
    if (is_role(name))
        return "role that nobody has";
    return user && group ? "user or group" : user ? "user" : "group";
}

static void one(struct asked *a, ae_str name)
{
    json_t         *rule, *other;
    enum ae_verdict user = ask(a, name, is_role(name) ? AS_ROLE : AS_USER,
                               &rule);
    enum ae_verdict group = ask(a, name, AS_GROUP, &other);

    if (is_token(name) || is_role(name))
        group = AE_DENY;
    if (user == AE_ALLOW || group == AE_ALLOW)
        json_array_append_new(a->who, json_pack(
            "{s:o, s:s, s:O}", "name", cli_jstr(name), "as",
            kind_of(name, user == AE_ALLOW, group == AE_ALLOW), "rule",
            user == AE_ALLOW ? rule : other));
    else if (user == AE_UNKNOWN || group == AE_UNKNOWN)
        a->unknown++;
    json_decref(rule);
    json_decref(other);
}

static void print_all(const struct asked *a, const json_t *everybody)
{
    const json_t *v;
    size_t        i, wide = 9;

    if (everybody) {
        fputs("everybody", stdout);
        rule_print(everybody);
        putchar('\n');
        return;
    }
    json_array_foreach(a->who, i, v) {
        size_t n = ae_json_get_str(v, "name").n;

        wide = n > wide ? n : wide;
    }
    json_array_foreach(a->who, i, v) {
        ae_str name = ae_json_get_str(v, "name");

        print_safe(name);
        printf("%*s  %-14s", (int)(wide - name.n), "",
               json_string_value(json_object_get(v, "as")));
        rule_print(json_object_get(v, "rule"));
        putchar('\n');
    }
    if (!i)
        puts("nobody");
    if (a->unknown)
        printf("not known: %zu more, whom the project's own roles may allow "
               "(the inputs do not hold this AppProject)\n", a->unknown);
}

static int answer(struct asked *a)
{
    json_t *rule = NULL, *everybody = NULL;
    struct names people = { .v = NULL };

    if (ask(a, ae_s("", 0), AS_NOBODY, &rule) == AE_ALLOW)
        everybody = rule;
    else
        json_decref(rule);
    world_people(a->c, a->w, true, &people);
    for (size_t i = 0; !everybody && i < people.n; i++)
        one(a, people.v[i]);
    if (a->c->json)
        cli_json(json_pack("{s:o, s:o, s:o, s:o, s:O, s:I}", "resource",
                           cli_jstr(a->q[0]), "action", cli_jstr(a->q[1]),
                           "object", cli_jstr(a->q[2]), "everybody",
                           everybody ? json_incref(everybody) : json_null(),
                           "who", a->who, "unknown",
                           (json_int_t)a->unknown));
    else
        print_all(a, everybody);
    json_decref(everybody);
    return everybody || json_array_size(a->who) ? EXIT_YES : EXIT_NO;
}

static int run(struct cli *c)
{
    struct world w;
    struct asked a = { .c = c, .w = &w };
    int          rc;

    if (!c->projects)
        c->projects = "complete"; /* what is there is asked */
    rc = world_load(c, NULL, &w);
    if (rc)
        return rc;
    a.q[0] = long_name(c->arg[1]);
    a.q[1] = ae_cs(c->arg[0]);
    a.q[2] = ae_cs(c->narg > 2 ? c->arg[2] : "");
    a.who = json_array();
    rc = answer(&a);
    json_decref(a.who);
    world_drop(&w);
    return rc;
}

const struct command cmd_who_can = {
    .name = "who-can",
    .args = "ACTION RESOURCE [OBJECT]",
    .brief = "who may do something?",
    .help =
"Asks the policy on behalf of everybody whom it names: users and groups of\n"
"its lines, enabled local accounts, tokens of project roles.  One line each,\n"
"with the rule that allows it.  Says \"everybody\" if the default role does.\n"
"Who belongs to a group only your identity provider knows.  AppProjects that\n"
"the inputs lack are taken for absent (--projects partial: for unknown).\n\n"
"OBJECT as for `can`: PROJECT/NAME for applications, logs and exec, the URL\n"
"for clusters and repositories, the name for projects and accounts.\n"
"Exit code 1 if nobody may.\n\n"
"  argo-edge who-can sync applications team-a/web --inputs policies/"
"team-tenancy\n",
    .options = "inputs namespace projects json",
    .min_arg = 2, .max_arg = 3, .run = run,
};
