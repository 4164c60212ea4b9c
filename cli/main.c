/* main.c - argo-edge: options, help, dispatch. */
#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &cmd_can, &cmd_who_can, &cmd_roles, &cmd_lint, &cmd_rules, &cmd_diff,
    &cmd_routes, &cmd_route, &cmd_token, &cmd_decide, &cmd_cache,
    &cmd_agent, &cmd_top,
};
enum { NCOMMAND = sizeof(commands) / sizeof(commands[0]) };

static const struct { const char *name, *arg, *help; } options[] = {
    { "tag", "TAG", "what carries this tag" },
    { "identity", "NAME", "what was stored for this caller" },
    { "all", NULL, "everything" },
    { "inputs", "DIR", "Argo CD's configuration: a directory with\n"
      "                      argocd-rbac-cm/, argocd-cm/, argocd-secret/ and "
      "appprojects/\n                      (or the manifests as *.yaml); "
      "default /etc/argo-edge" },
    { "namespace", "NS", "namespace Argo CD runs in; default argocd" },
    { "projects", "auto|complete|partial",
      "is a project that the inputs lack absent?" },
    { "root-path", "PATH", "argocd-server's --rootpath" },
    { "group", "G", "a group of the caller; repeat for more" },
    { "claims", "JSON", "all claims of the caller's token" },
    { "explain", NULL, "say which rule decided, and the near misses" },
    { "secret-file", "FILE", "file that holds server.secretkey" },
    { "expires", "DURATION", "lifetime of a minted token (1h, 30m)" },
    { "id", "ID", "token id (jti) of a minted token" },
    { "header", "NAME: VALUE", "a request header" },
    { "body", "FILE", "a request body" },
    { "trace", NULL, "name the steps taken" },
    { "cache", "DIR", "the cache directory; default /var/cache/argo-edge" },
    { "zone", "NAME:SIZE", "the servers' argo_edge_zone" },
    { "redis", "URL", "redis://HOST[:PORT][/DB] or unix:///PATH" },
    { "redis-user", "USER", "user of Redis, if it is not the default one" },
    { "redis-password-file", "FILE", "file that holds its password" },
    { "argocd-redis", "URL", "the Redis of Argo CD itself" },
    { "argocd-redis-user", "USER", "user there, if not the default one" },
    { "argocd-redis-password-file", "FILE", "file that holds the password" },
    { "audit", "FILE", "an audit log, to be decided again" },
    { "out", "DIR", "where the agent writes; default oidc/ of the inputs" },
    { "ca", "FILE", "authorities to trust instead of the system's" },
    { "interval", "TIME", "how often to look; default 2s" },
    { "once", NULL, "look once" },
    { "progress", NULL, "say on standard error how far it is, also where that\n"
      "                      is no terminal" },
    { "token-file", "FILE", "a file with a token of Argo CD" },
    { "json", NULL, "print JSON" },
};
enum { NOPTION = sizeof(options) / sizeof(options[0]) };

int cli_fail(int code, const char *fmt, ...)
{
    va_list ap;

    fputs("argo-edge: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

int cli_err(const struct ae_err *e)
{
    char buf[900];

    return cli_fail(EXIT_INPUT, "%s", ae_err_str(e, buf, sizeof(buf)));
}

void cli_json(json_t *v)
{
    json_dumpf(v, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(v);
}

json_t *cli_jstr(ae_str s)
{
    json_t *v = json_stringn(s.p ? s.p : "", s.n);

    return v ? v : json_string("(not UTF-8)");
}

static void help_all(FILE *f)
{
    fputs("argo-edge " AE_VERSION " - Argo CD's permissions and tokens, at "
          "the edge\n\nusage: argo-edge COMMAND [ARGUMENT]... [OPTION]...\n\n",
          f);
    for (int i = 0; i < NCOMMAND; i++)
        fprintf(f, "  %-8s %s\n", commands[i]->name, commands[i]->brief);
    fputs("\n`argo-edge help COMMAND` shows the arguments and an example.\n"
          "Exit codes: 0 yes or ok, 1 no or denied, 2 wrong usage, 3 bad "
          "input.\n", f);
}

static bool takes(const struct command *c, const char *opt)
{
    size_t      n = strlen(opt);
    const char *p = c->options;

    while ((p = strstr(p, opt))) {
        if ((p == c->options || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
        p += n;
    }
    return false;
}

static void help_one(FILE *f, const struct command *c)
{
    fprintf(f, "usage: argo-edge %s %s [OPTION]...\n\n%s\nOptions:\n",
            c->name, c->args, c->help);
    for (int i = 0; i < NOPTION; i++) {
        char left[64];

        if (!takes(c, options[i].name))
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", options[i].name,
                 options[i].arg ? " " : "",
                 options[i].arg ? options[i].arg : "");
        fprintf(f, "  %-18s  %s\n", left, options[i].help);
    }
}

static const struct command *find(const char *name)
{
    for (int i = 0; i < NCOMMAND; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static const char **slot(struct cli *c, const char *name)
{
    const struct { const char *name; const char **to; } map[] = {
        { "tag", &c->tag }, { "identity", &c->identity },
        { "inputs", &c->inputs }, { "namespace", &c->ns },
        { "projects", &c->projects }, { "root-path", &c->root_path },
        { "claims", &c->claims }, { "secret-file", &c->secret_file },
        { "expires", &c->expires }, { "id", &c->id },
        { "header", &c->header }, { "body", &c->body },
        { "cache", &c->cache }, { "audit", &c->audit },
        { "interval", &c->interval }, { "token-file", &c->token_file },
        { "zone", &c->zone }, { "redis", &c->redis },
        { "redis-user", &c->redis_user },
        { "redis-password-file", &c->redis_password_file },
        { "argocd-redis", &c->argocd_redis },
        { "argocd-redis-user", &c->argocd_redis_user },
        { "argocd-redis-password-file", &c->argocd_redis_password_file },
        { "out", &c->out }, { "ca", &c->ca },
    };

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (strcmp(map[i].name, name) == 0)
            return map[i].to;
    return NULL;
}

static bool *flag(struct cli *c, const char *name)
{
    if (strcmp(name, "json") == 0)
        return &c->json;
    if (strcmp(name, "all") == 0)
        return &c->all;
    if (strcmp(name, "explain") == 0)
        return &c->explain;
    if (strcmp(name, "once") == 0)
        return &c->once;
    if (strcmp(name, "progress") == 0)
        return &c->progress;
    if (strcmp(name, "trace") == 0)
        return &c->trace;
    return NULL;
}

/* One option at argv[i]; returns how many words it took, or -1. */
static int option(struct cli *c, const struct command *cmd, char **argv,
                  int i)
{
    char        name[32];
    const char *eq = strchr(argv[i], '='), *value;
    size_t      n = eq ? (size_t)(eq - argv[i]) - 2 : strlen(argv[i]) - 2;
    int         used = eq ? 1 : 2;

    if (n >= sizeof(name))
        n = sizeof(name) - 1;
    memcpy(name, argv[i] + 2, n);
    name[n] = '\0';
    if (!takes(cmd, name)) {
        cli_fail(EXIT_USAGE, "%s has no option --%s (see `argo-edge help "
                 "%s`)", cmd->name, name, cmd->name);
        return -1;
    }
    if (flag(c, name)) {
        *flag(c, name) = true;
        return 1;
    }
    value = eq ? eq + 1 : argv[i + 1];
    if (!value) {
        cli_fail(EXIT_USAGE, "--%s needs a value", name);
        return -1;
    }
    if (strcmp(name, "group") == 0) {
        if (c->ngroup >= CLI_LIST_MAX) {
            cli_fail(EXIT_USAGE, "more than %d groups", CLI_LIST_MAX);
            return -1;
        }
        c->group[c->ngroup++] = value;
    } else {
        *slot(c, name) = value;
    }
    return used;
}

static int parse(struct cli *c, const struct command *cmd, int argc,
                 char **argv)
{
    bool only_args = false;

    for (int i = 2; i < argc;) {
        int used = 1;

        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && (strcmp(argv[i], "--help") == 0
                                  || strcmp(argv[i], "-h") == 0)) {
            c->help = true;
        } else if (!only_args && strncmp(argv[i], "--", 2) == 0) {
            used = option(c, cmd, argv, i);
            if (used < 0)
                return EXIT_USAGE;
        } else if (c->narg < 16) {
            c->arg[c->narg++] = argv[i];
        } else {
            return cli_fail(EXIT_USAGE, "too many arguments");
        }
        i += used;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct command *cmd;
    struct cli            c = { .inputs = NULL };
    int                   rc;

    if (argc < 2 || strcmp(argv[1], "--help") == 0
        || strcmp(argv[1], "-h") == 0) {
        help_all(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_YES;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("argo-edge " AE_VERSION);
        return EXIT_YES;
    }
    if (strcmp(argv[1], "help") == 0) {
        cmd = argc > 2 ? find(argv[2]) : NULL;
        if (argc > 2 && !cmd)
            return cli_fail(EXIT_USAGE, "no command \"%s\"", argv[2]);
        if (cmd)
            help_one(stdout, cmd);
        else
            help_all(stdout);
        return EXIT_YES;
    }
    if (!(cmd = find(argv[1])))
        return cli_fail(EXIT_USAGE, "no command \"%s\"; `argo-edge help` "
                        "lists them", argv[1]);
    ae_arena_init(&c.a, ae_heap_mem(&c.heap), NULL, 0);
    rc = parse(&c, cmd, argc, argv);
    if (rc == 0 && c.help) {
        help_one(stdout, cmd);
    } else if (rc == 0 && (c.narg < cmd->min_arg || c.narg > cmd->max_arg)) {
        fprintf(stderr, "usage: argo-edge %s %s [OPTION]...\n", cmd->name,
                cmd->args);
        rc = EXIT_USAGE;
    } else if (rc == 0) {
        rc = cmd->run(&c);
    }
    ae_heap_free(&c.heap);
    return rc;
}
