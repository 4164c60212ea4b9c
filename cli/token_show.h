/*
 * token_show.h - what was checked of a token, for `argo-edge token`.
 */
#ifndef AE_CLI_TOKEN_SHOW_H
#define AE_CLI_TOKEN_SHOW_H

#include "cli.h"
#include "edge/rules.h"

enum { TOKEN_ROWS = 64 };

struct token_row {
    const char         *name;
    enum ae_token_found found;
    ae_str              seen, remedy;
};

/* The caller's; zeroed but for |now| and tr.no_keys.  Texts live in the
 * arena of struct cli. */
struct token_show {
    int64_t                now;
    struct ae_token_trace  tr;
    struct ae_token_result result;
    bool                   too_old;   /* for a rule of the operator's */
    ae_str                 token;
    json_t                *header, *claims; /* NULL: cannot be read */
    struct ae_err          unread;
    enum ae_token_kind     kind;
    struct ae_subject      subject;
    struct token_row       row[TOKEN_ROWS];
    size_t                 n;
};

/* Look at |text|: a token, or a field of a request that brings one.  0, or an
 * exit code after a message. */
int     token_look(struct cli *c, struct token_show *s, ae_str text,
                   const struct ae_inputs *in);
void    token_show_end(struct token_show *s);
void    token_rows_print(const struct token_show *s);
json_t *token_rows_json(const struct token_show *s);

#endif
