/* json.c - the scanner that words errors as Go does: what it lets through,
 * jansson reads. */
#include "fuzz.h"
#include "token/internal.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("{\"iss\":\"argocd\",\"sub\":\"a:login\",\"exp\":1.5e3,\"n\":null}"),
    SEED("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"),
    SEED("{\"a\":\"\\ud800\\u0000\\n\",\"b\":[true,false,-0.1e-2]}"),
    SEED("\"\xff\xfe\""), SEED(" { } x"), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_jscan s = { 0 };
    ae_str          error = { NULL, 0 };
    struct fuzz     f;
    json_t         *v;

    fuzz_begin(&f, data, size);
    switch (ae_json_scan(&f.a, f.in, &s, &error)) {
    case AE_OK:
        v = json_loadb(s.text.p, s.text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                       NULL);
        FUZZ_HOLD(v || s.number.n);
        json_decref(v);
        break;
    case AE_E_SYNTAX:
        FUZZ_HOLD(error.n);
        break;
    default:
        break;
    }
    v = ae_json_parse(f.in, 16, NULL);
    json_decref(v);
    fuzz_end(&f);
    return 0;
}
