/* can.c - may SUBJECT do ACTION on RESOURCE OBJECT? */
#include "survey.h"

#include <stdio.h>

/* The short names that people type for `argocd account can-i`. */
ae_str long_name(const char *s)
{
    static const struct { const char *from, *to; } alias[] = {
        { "app", "applications" }, { "apps", "applications" },
        { "application", "applications" },
        { "appset", "applicationsets" }, { "appsets", "applicationsets" },
        { "applicationset", "applicationsets" },
        { "proj", "projects" }, { "project", "projects" },
        { "cluster", "clusters" }, { "repo", "repositories" },
        { "repos", "repositories" }, { "repository", "repositories" },
        { "cert", "certificates" }, { "certs", "certificates" },
        { "certificate", "certificates" }, { "account", "accounts" },
        { "gpgkey", "gpgkeys" }, { "log", "logs" },
        { "extension", "extensions" },
    };

    for (size_t i = 0; i < sizeof(alias) / sizeof(alias[0]); i++)
        if (strcmp(s, alias[i].from) == 0)
            return ae_cs(alias[i].to);
    return ae_cs(s);
}

/* SUBJECT, --group and --claims as the subject that Argo CD would see. */
static int subject(struct cli *c, const ae_policy *p, json_t **claims,
                   struct ae_subject *out)
{
    struct ae_err err = { .code = 0 };

    *claims = NULL;
    if (c->claims) {
        *claims = ae_json_parse(ae_cs(c->claims), 16, &err);
        if (!json_is_object(*claims))
            return cli_fail(EXIT_USAGE, "--claims is not a JSON object: %s",
                            err.text);
    } else if (strncmp(c->arg[0], "role:", 5) == 0 && !c->ngroup) {
        /* a role is not a person: ask the policy about the bare name */
        *out = (struct ae_subject){ .kind = AE_SUBJ_STRING,
                                    .id = ae_cs(c->arg[0]) };
        return 0;
    } else {
        json_t *g = json_array();

        for (size_t i = 0; i < c->ngroup; i++)
            json_array_append_new(g, cli_jstr(ae_cs(c->group[i])));
        *claims = json_pack("{s:o, s:o}", "sub", cli_jstr(ae_cs(c->arg[0])),
                            "groups", g);
    }
    if (!*claims || ae_subject_from_claims(p, &c->a, *claims, ae_s(NULL, 0),
                                           out))
        return cli_fail(EXIT_INPUT, "out of memory");
    return 0;
}

static const char *word(enum ae_verdict v)
{
    return v == AE_ALLOW ? "yes" : v == AE_DENY ? "no" : "unknown";
}

static void print_json(struct cli *c, ae_principal *pr, ae_str res,
                       ae_str act, ae_str obj, const struct ae_decision *d)
{
    json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:o}", "verdict",
                          word(d->verdict), "subject",
                          cli_jstr(ae_cs(c->arg[0])), "resource",
                          cli_jstr(res), "action", cli_jstr(act), "object",
                          cli_jstr(obj));

    if (d->rule_file.p) {
        json_object_set_new(o, "rule_file", cli_jstr(d->rule_file));
        json_object_set_new(o, "rule_line", json_integer(d->rule_line));
        json_object_set_new(o, "rule", cli_jstr(d->rule_text));
    }
    if (c->explain)
        json_object_set_new(o, "explain",
                            ae_explain_json(pr, res, act, obj));
    cli_json(o);
}

static void print_text(struct cli *c, ae_principal *pr, ae_str res,
                       ae_str act, ae_str obj, const struct ae_decision *d)
{
    ae_buf b;

    puts(word(d->verdict));
    if (c->explain) {
        ae_buf_init(&b, &c->a, 0);
        ae_explain(pr, res, act, obj, &b);
        printf("%.*s", (int)b.n, b.p ? b.p : "");
    } else if (d->rule_file.p) {
        printf("  by %.*s:%u: %.*s\n", (int)d->rule_file.n, d->rule_file.p,
               d->rule_line, (int)d->rule_text.n, d->rule_text.p);
    }
}

static int run(struct cli *c)
{
    ae_str             act = ae_cs(c->arg[1]), res = long_name(c->arg[2]);
    ae_str             obj = ae_cs(c->narg > 3 ? c->arg[3] : "");
    struct ae_inputs   in;
    struct ae_rbac_in  rbac;
    struct ae_subject  s;
    struct ae_decision d;
    ae_policy         *p = NULL;
    ae_principal      *pr = NULL;
    json_t            *claims = NULL;
    int                rc = cli_inputs(c, &in);

    if (rc || (rc = cli_policy(c, &in, &rbac, &p)))
        return rc;
    rc = subject(c, p, &claims, &s);
    if (rc == 0 && ae_principal_new(p, &s, &pr))
        rc = cli_fail(EXIT_INPUT, "out of memory");
    if (rc == 0) {
        ae_decide(pr, res, act, obj, &d);
        if (c->json)
            print_json(c, pr, res, act, obj, &d);
        else
            print_text(c, pr, res, act, obj, &d);
        if (c->explain && !c->json)
            cli_rules_besides(c, &in, ae_cs(c->arg[0]), res, act);
        rc = d.verdict == AE_ALLOW ? EXIT_YES : EXIT_NO;
    }
    if (pr)
        ae_principal_free(pr);
    json_decref(claims);
    ae_policy_free(p);
    return rc;
}

const struct command cmd_can = {
    .name = "can",
    .args = "SUBJECT ACTION RESOURCE [OBJECT]",
    .brief = "may somebody do something? (--explain says why)",
    .help =
"Answers with Argo CD's own answer: policy.csv and its overlays, the built-in\n"
"policy, the default role and the AppProjects are all taken into account.\n\n"
"SUBJECT is a user (or `proj:PROJECT:ROLE`, or `role:NAME` for a bare role).\n"
"OBJECT is what the server asks: "
"PROJECT/NAME for applications, logs and exec,\n"
"the URL for clusters and repositories, the name for projects and accounts,\n"
"nothing for certificates and gpgkeys.\n\n"
"  argo-edge can alice sync applications team-a/web --inputs ./policies/"
"team-tenancy\n"
"  argo-edge can alice get apps team-b/db --group my-org:team-a --explain\n",
    .options = "inputs namespace projects group claims explain json",
    .min_arg = 3, .max_arg = 4, .run = run,
};
