/*
 * trace.c - what the verdict looked at, for people.  The checks themselves
 * note it (token.c, accounts.c, oidc.c), so that what is told cannot differ
 * from what is done.
 */
#include "token/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *ae_token_step_name(enum ae_token_step s)
{
    static const char *const name[AE_TS__N] = {
        "size", "segments", "header", "claims", "algorithm", "issuer",
        "audience", "key", "signature", "expiry", "not before", "issued at",
        "subject", "account", "enabled", "capability", "token id",
        "token list", "password", "project", "role token", "form",
    };

    return (unsigned)s < AE_TS__N ? name[s] : "";
}

void ae_token_note(struct ae_token_trace *tr, enum ae_token_step step,
                   enum ae_token_found found, const char *remedy,
                   const char *fmt, ...)
{
    struct ae_token_note *n = &tr->at[step];
    char                  text[600];
    va_list               ap;
    int                   len;

    if (n->found > AE_FOUND_OK)
        return;
    va_start(ap, fmt);
    len = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    n->found = found;
    n->remedy = remedy;
    n->seen = len > 0 ? ae_dup(tr->a, ae_sub(ae_cs(text), 0, sizeof(text)))
                      : AE_STR("");
}

void ae_token_note_keyless(struct ae_token_trace *tr, ae_str key)
{
    ae_token_note(tr, AE_TS_KEY, AE_FOUND_UNCHECKED, NULL, "%.*s",
                  key.n ? (int)key.n : 6, key.n ? key.p : "no kid");
    ae_token_note(tr, AE_TS_SIGNATURE, AE_FOUND_UNCHECKED, NULL, "%s", "");
}

/* ---- the gate ----------------------------------------------------------- */

static void object(struct ae_token_trace *tr, enum ae_token_step step,
                   const json_t *o)
{
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    if (text)
        ae_token_note(tr, step, AE_FOUND_OK, NULL, "%s", text);
    free(text);
}

/* The step at which a refusal of the gate came, by what it had made until
 * then. */
static enum ae_token_step gate_end(const struct ae_gate *g)
{
    return !g->part[2].p ? AE_TS_SEGMENTS : !g->header ? AE_TS_HEADER
         : !g->claims ? AE_TS_CLAIMS : !g->alg_name.p || !g->alg ? AE_TS_ALG
         : AE_TS_SIGNATURE;
}

void ae_token_note_gate(struct ae_token_trace *tr, const struct ae_gate *g,
                        ae_str token, int rc)
{
    ae_token_note(tr, AE_TS_SIZE, rc == AE_E_TOOBIG ? AE_FOUND_REFUSED
                  : AE_FOUND_OK, rc == AE_E_TOOBIG ? "put fewer groups into "
                  "the token at the provider" : NULL,
                  "%zu bytes of at most %d", token.n, AE_TOKEN_MAX);
    if (rc == AE_E_TOOBIG)
        return;
    if (rc == AE_E_SYNTAX) /* the first note stays */
        ae_token_note(tr, gate_end(g), AE_FOUND_REFUSED, "copy the token "
                      "whole, as it was issued", "%.*s", (int)g->reason.n,
                      g->reason.p);
    if (g->part[2].p)
        ae_token_note(tr, AE_TS_SEGMENTS, AE_FOUND_OK, NULL, "3");
    object(tr, AE_TS_HEADER, g->header);
    object(tr, AE_TS_CLAIMS, g->claims);
    if (rc == AE_OK)
        ae_token_note(tr, AE_TS_ALG, AE_FOUND_OK, NULL, "%.*s",
                      (int)g->alg_name.n, g->alg_name.p);
}

/* ---- times -------------------------------------------------------------- */

void ae_token_note_time(struct ae_token_trace *tr, enum ae_token_step step,
                        enum ae_token_found found, const json_t *claims,
                        const char *name, const char *remedy)
{
    const json_t *v = json_object_get(claims, name);
    double        d = json_number_value(v);
    char          when[40] = "", *text;

    if (!v) {
        ae_token_note(tr, step, found, remedy, "none");
        return;
    }
    if (json_is_number(v) && d > -6e10 && d < 2.5e11)
        when[ae_rfc3339((int64_t)d, when)] = '\0';
    text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    ae_token_note(tr, step, found, remedy, "%s%s%s%s", text ? text : "",
                  when[0] ? " (" : "", when, when[0] ? ")" : "");
    free(text);
}
