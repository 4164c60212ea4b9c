/* inputs.c - what every command reads first. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void cli_conf(const struct cli *c, struct ae_conf *conf)
{
    ae_conf_init(conf);
    conf->inputs = ae_cs(c->inputs ? c->inputs : "/etc/argo-edge");
    if (c->ns)
        conf->ns = ae_cs(c->ns);
    if (c->root_path)
        conf->root_path = ae_cs(c->root_path);
    if (c->projects && strcmp(c->projects, "complete") == 0)
        conf->projects = AE_COMPLETE;
    if (c->projects && strcmp(c->projects, "partial") == 0)
        conf->projects = AE_PARTIAL;
}

int cli_inputs(struct cli *c, struct ae_inputs *in)
{
    struct ae_err  err = { .code = 0 };
    struct ae_conf conf;

    if (c->projects && strcmp(c->projects, "auto")
        && strcmp(c->projects, "complete") && strcmp(c->projects, "partial"))
        return cli_fail(EXIT_USAGE, "--projects is auto, complete or partial");
    cli_conf(c, &conf);
    if (ae_inputs_load(conf.inputs, &conf, &c->heap, in, NULL, &err))
        return cli_err(&err);
    return 0;
}

int cli_policy(struct cli *c, const struct ae_inputs *in,
               struct ae_rbac_in *rbac, ae_policy **out)
{
    struct ae_policy_in pi = { .builtin = true, .rbac = rbac };
    struct ae_conf      conf;
    struct ae_err       err = { .code = 0 };

    cli_conf(c, &conf);
    *rbac = in->rbac;
    pi.projects = in->projects;
    pi.nprojects = in->nprojects;
    pi.ns = conf.ns;
    pi.projects_partial = conf.projects == AE_PARTIAL
        || (conf.projects == AE_AUTO && !in->have_projects);
    if (ae_policy_new(&pi, out, &err))
        return cli_err(&err);
    return 0;
}

int cli_read(struct cli *c, const char *path, ae_str *out)
{
    struct ae_err err = { .code = 0 };
    ae_buf        b;
    char          buf[4096];
    size_t        n;

    if (strcmp(path, "-") != 0)
        return ae_file_read(&c->a, path, 64u << 20, out, &err)
            ? cli_err(&err) : 0;
    ae_buf_init(&b, &c->a, 64u << 20);
    while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0)
        ae_buf_put(&b, ae_s(buf, n));
    if (b.bad)
        return cli_fail(EXIT_INPUT, "standard input is over 64 MB");
    *out = ae_buf_str(&b);
    return 0;
}
