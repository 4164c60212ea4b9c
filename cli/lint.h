/*
 * lint.h - private to lint*.c: what was found, and who says it.
 */
#ifndef AE_CLI_LINT_H
#define AE_CLI_LINT_H

#include "cli.h"

struct found { struct cli *c; json_t *list; int errors, warnings; };

void lint_say(struct found *f, enum ae_lint_level level, const char *id,
              ae_str file, uint32_t line, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* Tokens without an end, names that nobody can have, groups that no token can
 * bring: what shows only when policy, accounts and SSO are seen together. */
void lint_identity(struct found *f, const struct ae_inputs *in);

#endif
