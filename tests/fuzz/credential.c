/* credential.c - Authorization and Cookie lines: one credential or none. */
#include "fuzz.h"
#include "token/token.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("Bearer a.b.c\nargocd.token=x.y.z; other=1"),
    SEED("Basic eA==\nargocd.token=2:AAA.B; argocd.token-1=B.C"),
    SEED("Bearer nothing\nargocd.token=a.b.c; argocd.token=d.e.f"),
    SEED("\na=b; argocd.token=\"a.b.c\"\nargocd.token-1=x"),
    SEED("bearer a.b.c, Bearer d.e.f\n"), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ae_str         cookie[8], auth;
    size_t         n = 0;
    struct ae_cred c = { 0 };
    struct fuzz    f;

    fuzz_begin(&f, data, size);
    auth = fuzz_line(&f);
    while (f.in.n && n < 8)
        cookie[n++] = fuzz_line(&f);
    if (ae_token_pick(&f.a, auth.n ? auth : ae_s(NULL, 0), false, cookie, n,
                      &c) == AE_PICK_REFUSE)
        FUZZ_HOLD(c.status >= 400 && c.reason.n);
    else
        FUZZ_HOLD(c.source == AE_CRED_NONE || c.token.n);
    fuzz_end(&f);
    return 0;
}
