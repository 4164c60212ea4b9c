/*
 * explained.h - what is told of a token is what was decided, whatever token it
 * is; and without its signature nothing is accepted.
 */
#ifndef AE_TEST_TOKEN_EXPLAINED_H
#define AE_TEST_TOKEN_EXPLAINED_H

#include "token/token.h"

static size_t explained_rows(const struct ae_token_trace *tr,
                             enum ae_token_found f)
{
    size_t n = 0;

    for (int i = 0; i < AE_TS__N; i++)
        n += tr->at[i].found == f;
    return n;
}

static bool explained_same(const struct ae_token_result *x,
                           const struct ae_token_result *r)
{
    return x->verdict == r->verdict && x->stricter == r->stricter
        && x->too_big == r->too_big && x->sso == r->sso
        && x->lacks_key == r->lacks_key && x->no_project == r->no_project
        && ae_eq(x->reason, r->reason);
}

/* |r| is what ae_token_check_keys() said with |keys|, nothing fresh. */
static bool explained(const ae_tokens *t, const ae_keyset *keys, ae_arena *a,
                      ae_str token, int64_t now,
                      const struct ae_token_result *r)
{
    struct ae_token_trace  tr = { .a = a }, blind = { .a = a,
                                                      .no_keys = true };
    struct ae_token_result x, y;
    bool                   ok;

    if (r->verdict == AE_TOKEN_REFUSED && !r->reason.p)
        return true; /* no memory */
    ae_token_explain(t, keys, a, token, now, &tr, &x);
    ae_token_explain(t, keys, a, token, now, &blind, &y);
    ok = explained_same(&x, r) && y.verdict != AE_TOKEN_OK && !y.identity;
    if (r->verdict == AE_TOKEN_REFUSED)
        ok &= explained_rows(&tr, AE_FOUND_REFUSED) > 0;
    if (r->verdict == AE_TOKEN_OK)
        ok &= explained_rows(&tr, AE_FOUND_REFUSED) == 0
           && explained_rows(&tr, AE_FOUND_UNCHECKED) == 0
           && tr.at[AE_TS_SIGNATURE].found == AE_FOUND_OK;
    for (int i = 0; !ok && i < AE_TS__N; i++)
        printf("# %s %d %.*s\n", ae_token_step_name((enum ae_token_step)i),
               (int)tr.at[i].found, (int)tr.at[i].seen.n,
               tr.at[i].seen.n ? tr.at[i].seen.p : "");
    ae_identity_unref(x.identity);
    ae_identity_unref(y.identity);
    return ok;
}

#endif
