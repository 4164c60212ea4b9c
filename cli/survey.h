/*
 * survey.h - what who-can, roles and diff share: a policy with the names that
 * it, the accounts and the projects speak of, and asking on their behalf.
 */
#ifndef AE_CLI_SURVEY_H
#define AE_CLI_SURVEY_H

#include "cli.h"

/* One policy, from a directory, a policy.csv or a ConfigMap manifest. */
struct world {
    struct ae_inputs  in;
    struct ae_rbac_in rbac;
    ae_policy        *p;
};
/* On failure prints and returns an exit code. */
int  world_load(struct cli *c, const char *path, struct world *w);
void world_drop(struct world *w);

/* Names, sorted, each once. */
struct names { ae_str *v; size_t n, cap; };
void names_add(struct cli *c, struct names *l, ae_str name);
void names_sort(struct names *l);
bool names_has(const struct names *l, ae_str name); /* of a sorted list */

bool is_role(ae_str name);      /* role:... */
bool is_token(ae_str name);     /* proj:PROJECT:ROLE */
/* Everybody that |w| can name: users and groups, accounts that are enabled,
 * tokens of project roles, and with |roles| roles that nobody has. */
void world_people(struct cli *c, const struct world *w, bool roles,
                  struct names *out);

enum as { AS_USER = 1, AS_GROUP = 2, AS_EITHER = 3, AS_ROLE = 4,
          AS_NOBODY = 8 };      /* whom no line names */
/* The principal of |name|; NULL without memory. */
ae_principal *world_principal(const struct world *w, ae_str name, int as);

/* {"file":, "line":, "text":} of what decided, null if nothing did. */
json_t *rule_json(const struct ae_decision *d);
/* Prints " FILE:LINE: TEXT" of rule_json(). */
void rule_print(const json_t *rule);
/* Prints |s| so that no byte of it reaches the terminal as a command. */
void print_safe(ae_str s);
void print_json_str(const json_t *v);
/* "applications" for "apps" and the like. */
ae_str long_name(const char *s);

/* Says on a terminal, or with --progress, how far we are; |done| == |all| ends
 * it. */
void cli_progress(const struct cli *c, const char *what, size_t done,
                  size_t all);

int replay_audit(struct cli *c, const struct world *from,
                 const struct world *to);

#endif
