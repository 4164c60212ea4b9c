/* rules.c - the operator's own rules: what they are, and what holds now. */
#include "cli.h"
#include "edge/rules.h"

#include <stdio.h>
#include <time.h>

static const char *kind(const struct ae_own_rule *u)
{
    switch (u->kind) {
    case AE_RULE_PATCH: return u->no_cache ? "no-cache" : "patch";
    case AE_RULE_TOKEN: return "token";
    case AE_RULE_FREEZE: return "freeze";
    case AE_RULE_SYNC: return "sync";
    }
    return "";
}

/* What |u| says at |now|, for people. */
static ae_str state(struct cli *c, const struct ae_own_rule *u, int64_t now)
{
    char    buf[40];
    int64_t end;

    if (u->kind != AE_RULE_FREEZE)
        return AE_STR("in force");
    end = ae_rules_frozen(u, now);
    if (!end)
        return AE_STR("not now");
    if (end == INT64_MAX)
        return AE_STR("in force");
    return ae_fmt(&c->a, "in force until %.*s", (int)ae_rfc3339(end, buf),
                  buf);
}

static int build(struct cli *c, const struct ae_inputs *in,
                 const struct ae_ruleset **out)
{
    struct ae_err err = { .code = 0 };

    return ae_rules_build(&c->a, &in->rules, out, &err) ? cli_err(&err) : 0;
}

/* ---- can --explain ------------------------------------------------------ */

static bool meant(const struct ae_rule_force *f, ae_str res, ae_str act)
{
    for (size_t i = 0; i < ae_op_count(); i++) {
        const struct ae_op *op = ae_op_at(i);

        if (ae_eq(ae_cs(op->resource), res) && ae_eq(ae_cs(op->action), act)
            && (f->rule->kind == AE_RULE_SYNC ? ae_rules_is_sync(op)
                                              : ae_rules_op(f, op)))
            return true;
    }
    return false;
}

static bool concerns(const struct ae_rule_force *f, ae_str subject,
                     ae_str res, ae_str act)
{
    const struct ae_own_rule *u = f->rule;

    if (u->kind != AE_RULE_TOKEN)
        return !u->no_cache && meant(f, res, act);
    if (ae_starts(subject, AE_STR("proj:")))
        return ae_rules_any_like(&u->roles, ae_sub(subject, 5, subject.n));
    return ae_rules_any_like(&u->accounts, subject) /* an API key of it ... */
        || ae_rules_any_like(&u->users, subject);    /* ... or a session */
}

int cli_rules_besides(struct cli *c, const struct ae_inputs *in,
                      ae_str subject, ae_str res, ae_str act)
{
    const struct ae_ruleset *rs;
    int64_t                  now = (int64_t)time(NULL);
    int                      rc = build(c, in, &rs);

    if (rc || !rs)
        return rc;
    if (rs->in->read_only && !ae_eq_lit(act, "get"))
        printf("besides, %.*s:%u: read_only\n",
               (int)rs->in->read_only_file.n, rs->in->read_only_file.p,
               rs->in->read_only_line);
    for (size_t i = 0; i < rs->n; i++) {
        const struct ae_own_rule *u = rs->v[i].rule;
        ae_str                    s;

        if (!concerns(&rs->v[i], subject, res, act))
            continue;
        s = state(c, u, now);
        printf("besides, %.*s:%u: %s \"%.*s\", %.*s\n", (int)u->file.n,
               u->file.p, u->line, kind(u), (int)u->name.n, u->name.p,
               (int)s.n, s.p);
    }
    return 0;
}

/* ---- rules -------------------------------------------------------------- */

static json_t *operations(const struct ae_rule_force *f)
{
    json_t *a = json_array();

    for (size_t i = 0; i < ae_op_count(); i++)
        if (ae_rules_op(f, ae_op_at(i)))
            json_array_append_new(a, json_string(ae_op_at(i)->name));
    return a;
}

static void as_json(struct cli *c, const struct ae_ruleset *rs, int64_t now)
{
    json_t *list = json_array();

    for (size_t i = 0; rs && i < rs->n; i++) {
        const struct ae_own_rule *u = rs->v[i].rule;

        json_array_append_new(list, json_pack(
            "{s:s, s:o, s:o, s:i, s:o, s:o}", "kind", kind(u), "name",
            cli_jstr(u->name), "file", cli_jstr(u->file), "line",
            (int)u->line, "state", cli_jstr(state(c, u, now)), "operations",
            operations(&rs->v[i])));
    }
    cli_json(json_pack("{s:b, s:o}", "read_only", rs && rs->in->read_only,
                       "rules", list));
}

static int run(struct cli *c)
{
    const struct ae_ruleset *rs = NULL;
    struct ae_inputs         in;
    int64_t                  now = (int64_t)time(NULL);
    int                      rc;

    if (c->narg)
        c->inputs = c->arg[0];
    rc = cli_inputs(c, &in);
    if (rc == 0)
        rc = build(c, &in, &rs);
    if (rc)
        return rc;
    if (c->json) {
        as_json(c, rs, now);
        return EXIT_YES;
    }
    if (!rs)
        puts("no rules of your own");
    if (rs && rs->in->read_only)
        puts("read_only");
    for (size_t i = 0; rs && i < rs->n; i++) {
        const struct ae_own_rule *u = rs->v[i].rule;
        ae_str                    s = state(c, u, now);

        printf("%-9s%-24.*s %.*s (%.*s:%u)\n", kind(u), (int)u->name.n,
               u->name.p, (int)s.n, s.p, (int)u->file.n, u->file.p, u->line);
    }
    return EXIT_YES;
}

const struct command cmd_rules = {
    .name = "rules",
    .args = "[DIR]",
    .brief = "the rules of argo-edge.yaml, and which hold now",
    .help =
"Lists read-only mode, virtual patches, conditions on tokens, freezes and\n"
"rules on syncs, with the place of each; --json with the operations that\n"
"they mean.  docs/rules.md says how they are written.\n\n"
"  argo-edge rules /etc/argo-edge\n",
    .options = "inputs json",
    .min_arg = 0, .max_arg = 1, .run = run,
};
