/* jwt.c - a token: refused or unknown, since nobody signed it. */
#include "fuzz.h"
#include "token/token.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJhcmdvY2QiLCJzdWIiOi"
         "JhbGljZTphcGlLZXkifQ.AAAA"),
    SEED("eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcmdvY2QifQ."),
    SEED("eyJhbGciOiJSUzI1NiIsImtpZCI6ImEifQ.eyJpc3MiOiJodHRwczovL2RleCIsInN1"
         "YiI6IngifQ.AAAA"),
    SEED("a.b.c"), SEED("a.b.c.d.e"), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_account   alice = { .name = AE_STR("alice"), .enabled = true,
                                  .cap_login = true, .cap_apikey = true };
    struct ae_inputs    in = { .have_secret = true, .have_accounts = true,
                               .secret_key = AE_STR("a secret of the server"),
                               .accounts = &alice, .naccounts = 1 };
    struct ae_token_result r = { 0 };
    struct ae_err       err = { 0 };
    ae_tokens          *t;
    json_t             *h = NULL, *p = NULL;
    struct fuzz         f;

    if (ae_tokens_new(&in, AE_STR("argocd"), &t, &err))
        return 0;
    fuzz_begin(&f, data, size);
    ae_token_check(t, &f.a, f.in, 1767225600, &r);
    FUZZ_HOLD(r.verdict != AE_TOKEN_OK && !r.identity);
    if (ae_token_decode(&f.a, f.in, &h, &p, &err) == AE_OK) {
        json_decref(h);
        json_decref(p);
    }
    fuzz_end(&f);
    ae_tokens_free(t);
    return 0;
}
