/* roles.c - what roles there are, who has them, what they may. */
#include "survey.h"

#include <stdio.h>



struct book { struct cli *c; json_t *roles; const char *only; };

static json_t *role_at(struct book *b, ae_str name)
{
    ae_str  z = ae_dup(&b->c->a, name);
    json_t *o = z.p ? json_object_get(b->roles, z.p) : NULL;

    if (o || !z.p)
        return o;
    o = json_pack("{s:o, s:b, s:[], s:[], s:[]}", "name", cli_jstr(name),
                  "builtin", 0, "members", "includes", "may");
    json_object_set_new(b->roles, z.p, o);
    return json_object_get(b->roles, z.p);
}

static json_t *where(ae_str file, uint32_t line)
{
    return json_pack("{s:o, s:I}", "file", cli_jstr(file), "line",
                     (json_int_t)line);
}

static void member(void *ctx, const struct ae_member *m)
{
    struct book *b = ctx;
    json_t      *o = role_at(b, m->role), *at = where(m->file, m->line);

    json_object_set_new(at, "name", cli_jstr(m->member));
    json_array_append_new(json_object_get(o, "members"), at);
    if (m->builtin)
        json_object_set(o, "builtin", json_true());
    if (!is_role(m->member) && !is_token(m->member))
        return;
    at = where(m->file, m->line);
    json_object_set_new(at, "name", cli_jstr(m->role));
    json_array_append_new(json_object_get(role_at(b, m->member), "includes"),
                          at);
}

static const char *effect(int e)
{
    return e > 0 ? "allow" : e < 0 ? "deny" : "nothing";
}

/* Lines that differ in the action alone are one entry. */
static json_t *same_place(json_t *may, const struct ae_grant *g)
{
    json_t *o;
    size_t  i;

    json_array_foreach(may, i, o)
        if (ae_eq(ae_json_get_str(o, "resource"), g->resource)
            && ae_eq(ae_json_get_str(o, "object"), g->object)
            && strcmp(json_string_value(json_object_get(o, "effect")),
                      effect(g->effect)) == 0)
            return o;
    o = where(g->file, g->line);
    json_object_set_new(o, "effect", json_string(effect(g->effect)));
    json_object_set_new(o, "resource", cli_jstr(g->resource));
    json_object_set_new(o, "object", cli_jstr(g->object));
    json_object_set_new(o, "actions", json_array());
    json_array_append_new(may, o);
    return o;
}

static void grant(void *ctx, const struct ae_grant *g)
{
    struct book *b = ctx;
    json_t      *o = role_at(b, g->subject);

    if (g->builtin)
        json_object_set(o, "builtin", json_true());
    json_array_append_new(json_object_get(same_place(json_object_get(o,
        "may"), g), "actions"), cli_jstr(g->action));
}

/* ---- text ---------------------------------------------------------------- */

static void print_names(const char *head, const json_t *list)
{
    const json_t *v;
    size_t        i;

    json_array_foreach(list, i, v) {
        printf("  %-9s ", i ? "" : head);
        print_json_str(json_object_get(v, "name"));
        fputs("  (", stdout);
        print_json_str(json_object_get(v, "file"));
        printf(":%lld)\n", (long long)json_integer_value(
            json_object_get(v, "line")));
    }
}

static void print_may(const json_t *o)
{
    static const char *const head[] = { "may", "may not", "dead" };
    const json_t *v, *a;
    size_t        i, k;

    json_array_foreach(json_object_get(o, "may"), i, v) {
        char e = json_string_value(json_object_get(v, "effect"))[0];

        printf("  %-9s ", head[e == 'a' ? 0 : e == 'd' ? 1 : 2]);
        print_json_str(json_object_get(v, "resource"));
        json_array_foreach(json_object_get(v, "actions"), k, a) {
            fputs(k ? ", " : ": ", stdout);
            print_json_str(a);
        }
        fputs(" on ", stdout);
        print_json_str(json_object_get(v, "object"));
        fputs("  (", stdout);
        print_json_str(json_object_get(v, "file"));
        printf(":%lld)\n", (long long)json_integer_value(
            json_object_get(v, "line")));
    }
}

static void print_role(const char *name, const json_t *o, bool first)
{
    if (!first)
        putchar('\n');
    print_safe(ae_cs(name));
    if (json_is_true(json_object_get(o, "default")))
        fputs(" (the default role: everybody has it)", stdout);
    else if (!json_array_size(json_object_get(o, "members"))
             && is_role(ae_cs(name)))
        fputs(" (nobody has it)", stdout);
    putchar('\n');
    print_names("members", json_object_get(o, "members"));
    print_names("includes", json_object_get(o, "includes"));
    print_may(o);
}

static int show(struct book *b)
{
    json_t     *out = json_array(), *o;
    const char *k;
    size_t      shown = 0;
    void       *tmp;

    json_object_foreach_safe(b->roles, tmp, k, o) {
        if (b->only ? strcmp(k, b->only) != 0
                    : !is_role(ae_cs(k)) && !is_token(ae_cs(k))
                      && !json_array_size(json_object_get(o, "members")))
            continue;
        if (b->c->json)
            json_array_append(out, o);
        else
            print_role(k, o, shown == 0);
        shown++;
    }
    if (b->c->json)
        cli_json(out);
    else
        json_decref(out);
    if (b->only && !shown)
        return cli_fail(EXIT_NO, "no line gives \"%s\" anything or to "
                        "anybody", b->only);
    return EXIT_YES;
}

static int run(struct cli *c)
{
    struct book  b = { .c = c, .roles = json_object(),
                       .only = c->narg ? c->arg[0] : NULL };
    struct world w;
    int          rc = world_load(c, NULL, &w);

    if (rc == 0) {
        ae_policy_members(w.p, member, &b);
        ae_policy_grants(w.p, grant, &b);
        if (w.rbac.default_role.n)
            json_object_set(role_at(&b, w.rbac.default_role), "default",
                            json_true());
        rc = show(&b);
    }
    json_decref(b.roles);
    world_drop(&w);
    return rc;
}

const struct command cmd_roles = {
    .name = "roles",
    .args = "[ROLE]",
    .brief = "list roles: who has them, and what they may",
    .help =
"Every role of the policy, the built-in ones and those of projects\n"
"(proj:PROJECT:ROLE), with its members, the roles that it includes, and what\n"
"its lines allow or forbid, each with file and line.  \"dead\" is a line "
"whose\n"
"effect is neither allow nor deny.  With ROLE only that one; a user or group\n"
"will do as well.\n\n"
"  argo-edge roles --inputs policies/team-tenancy\n"
"  argo-edge roles role:team-a --inputs policies/team-tenancy\n",
    .options = "inputs namespace projects json",
    .min_arg = 0, .max_arg = 1, .run = run,
};
