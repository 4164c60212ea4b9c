/*
 * cli.h - the command line.  It uses the library that the modules use, so it
 * cannot disagree with them.  Exit codes: 0 yes/ok, 1 no/denied, 2 usage,
 * 3 bad input.
 */
#ifndef AE_CLI_H
#define AE_CLI_H

#include "base/base.h"
#include "config/config.h"
#include "policy/policy.h"
#include "token/token.h"

enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_INPUT = 3 };
enum { CLI_LIST_MAX = 256 };

/* Every option of every command; a command says which ones it takes. */
struct cli {
    const char *inputs, *ns, *cache, *claims, *secret_file, *projects,
               *root_path, *header, *body, *expires, *id, *audit, *zone,
               *interval, *token_file,
               *redis, *redis_user, *redis_password_file, *out,
               *argocd_redis, *argocd_redis_user,
               *argocd_redis_password_file,
               *ca;
    const char *group[CLI_LIST_MAX];
    size_t      ngroup;
    bool        json, explain, trace, once, help;
    const char *arg[16];     /* positional */
    int         narg;
    ae_heap     heap;
    ae_arena    a;           /* lives for the whole run */
    const char *tag, *identity; /* of cache purge */
    bool        all, progress;
};

struct command {
    const char *name, *args, *brief;
    const char *help;        /* shown by `argo-edge help NAME` */
    const char *options;     /* names it takes, space separated */
    int         min_arg, max_arg;
    int       (*run)(struct cli *c);
};

extern const struct command cmd_can, cmd_lint, cmd_routes, cmd_route,
    cmd_token, cmd_decide, cmd_cache, cmd_who_can, cmd_roles, cmd_diff,
    cmd_rules, cmd_agent, cmd_top;

/* Prints "argo-edge: ..." to stderr and returns |code|. */
int cli_fail(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same from an error record: EXIT_INPUT. */
int cli_err(const struct ae_err *e);
/* Prints |v| as indented JSON and drops it. */
void cli_json(json_t *v);
json_t *cli_jstr(ae_str s);

/* ae_conf of --inputs, --namespace, --projects, --root-path. */
void cli_conf(const struct cli *c, struct ae_conf *conf);
/* Reads --inputs; on failure prints and returns EXIT_INPUT. */
int cli_inputs(struct cli *c, struct ae_inputs *in);
/* Compiles the policy of |in|. */
int cli_policy(struct cli *c, const struct ae_inputs *in,
               struct ae_rbac_in *rbac, ae_policy **out);
/* Which of the operator's own rules concern this, a line each. */
int cli_rules_besides(struct cli *c, const struct ae_inputs *in,
                      ae_str subject, ae_str res, ae_str act);
/* A whole file or, for "-", standard input. */
int cli_read(struct cli *c, const char *path, ae_str *out);

#endif
