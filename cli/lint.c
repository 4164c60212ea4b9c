/* lint.c - what is wrong with this policy? */
#include "lint.h"

#include <stdarg.h>
#include <stdio.h>

static const char *level(enum ae_lint_level l)
{
    return l == AE_LINT_ERROR ? "error" : l == AE_LINT_WARN ? "warning"
                                                            : "note";
}

static void one(void *ctx, const struct ae_lint *l)
{
    struct found *f = ctx;

    f->errors += l->level == AE_LINT_ERROR;
    f->warnings += l->level == AE_LINT_WARN;
    if (f->c->json) {
        json_array_append_new(f->list, json_pack(
            "{s:s, s:s, s:o, s:i, s:i, s:o}", "level", level(l->level), "id",
            l->id, "file", cli_jstr(l->file), "line", (int)l->line, "column",
            (int)l->column, "text", cli_jstr(l->text)));
        return;
    }
    if (l->file.n)
        printf("%.*s:", (int)l->file.n, l->file.p);
    if (l->line)
        printf("%u:", l->line);
    if (l->column)
        printf("%u:", l->column);
    printf("%s%s: %.*s [%s]\n", l->file.n ? " " : "", level(l->level),
           (int)l->text.n, l->text.p, l->id);
}

void lint_say(struct found *f, enum ae_lint_level level, const char *id,
              ae_str file, uint32_t line, const char *fmt, ...)
{
    char           text[800];
    va_list        ap;
    struct ae_lint l = { .level = level, .id = id, .file = file,
                         .line = line };

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    l.text = ae_cs(text);
    one(f, &l);
}

static void warn_inputs(struct found *f, const struct ae_inputs *in)
{
    for (size_t i = 0; i < in->nwarnings; i++) {
        const struct ae_text *w = &in->warnings[i];
        struct ae_lint        l = { .level = AE_LINT_WARN, .id = "inputs",
                                    .file = w->file, .line = w->line,
                                    .text = w->text };

        one(f, &l);
    }
}

static void sso_warn(struct found *f, ae_str file, ae_str text)
{
    lint_say(f, AE_LINT_WARN, "sso", file, 0, "%.*s", (int)text.n, text.p);
}

/* What SSO makes of the accounts, and whether its documents can be used. */
static void warn_sso(struct found *f, const struct ae_inputs *in)
{
    const struct ae_sso *s = &in->sso;
    ae_keyset           *keys = NULL;
    struct ae_err        err = { .code = 0 };

    if (s->kind != AE_SSO_OIDC && s->kind != AE_SSO_DEX)
        return;
    for (size_t i = 0; i < in->naccounts; i++)
        if (!ae_eq_lit(in->accounts[i].name, "admin"))
            sso_warn(f, ae_s(NULL, 0), ae_fmt(&f->c->a, "an SSO user with the "
                     "subject %.*s has the rights of that local account, "
                     "enabled or not", (int)in->accounts[i].name.n,
                     in->accounts[i].name.p));
    if (s->other_groups)
        sso_warn(f, ae_s(NULL, 0), AE_STR("groups come from the userinfo "
                 "endpoint: SSO tokens are passed on undecided"));
    if (s->via_dex)
        sso_warn(f, ae_s(NULL, 0), AE_STR("both oidc.config and dex.config: "
                 "Argo CD asks Dex for the keys of the other provider"));
    if (s->have_docs && ae_keyset_new(s->issuer, s->discovery.text,
                                      s->jwks.text, &keys, &err) != AE_OK)
        sso_warn(f, s->jwks.file, ae_cs(err.text));
    ae_keyset_unref(keys);
}

static int finish(struct found *f, int rc)
{
    if (f->c->json)
        cli_json(f->list);
    else if (!f->errors && !f->warnings && !rc)
        puts("no problems found");
    if (rc)
        return rc;
    return f->errors ? EXIT_NO : EXIT_YES;
}

/* What shows only when all is put together: words of argo-edge.yaml that mean
 * no operation. */
static int whole(const struct ae_conf *conf)
{
    struct ae_err err = { .code = 0 };
    ae_snapshot  *s = NULL;
    int           rc = ae_snapshot_build(conf, &s, &err) ? cli_err(&err) : 0;

    ae_snapshot_unref(s);
    return rc;
}

static int run(struct cli *c)
{
    struct found        f = { c, c->json ? json_array() : NULL, 0, 0 };
    struct ae_policy_in pi = { .builtin = true };
    struct ae_inputs    in;
    struct ae_rbac_in   rbac;
    struct ae_conf      conf;
    ae_policy          *p = NULL;
    int                 rc;

    if (c->narg)
        c->inputs = c->arg[0];
    rc = cli_inputs(c, &in);
    if (rc) {
        json_decref(f.list);
        return rc;
    }
    warn_inputs(&f, &in);
    warn_sso(&f, &in);
    lint_identity(&f, &in);
    cli_conf(c, &conf);
    rbac = in.rbac;
    pi.rbac = &rbac;
    pi.projects = in.projects;
    pi.nprojects = in.nprojects;
    pi.ns = conf.ns;
    ae_policy_lint(&pi, one, &f);
    /* a policy that does not load is bad input, whatever lint said of it */
    rc = cli_policy(c, &in, &rbac, &p);
    ae_policy_free(p);
    if (!rc)
        rc = whole(&conf);
    return finish(&f, rc);
}

const struct command cmd_lint = {
    .name = "lint",
    .args = "[DIR]",
    .brief = "find the classic mistakes of a policy",
    .help =
"Reads Argo CD's configuration and says what will not do what it looks like:\n"
"rules that can never match, roles nobody has, "
"groups whose rules are ignored,\n"
"effects that mean nothing, lines that lock everybody out, tokens that never\n"
"end, names and groups that no token can have, words of argo-edge.yaml that\n"
"mean nothing.  Each finding names file, line and column, and what to do.\n"
"Exit code 1 if there are errors.\n\n"
"  argo-edge lint /etc/argo-edge\n",
    .options = "inputs namespace projects json",
    .min_arg = 0, .max_arg = 1, .run = run,
};
