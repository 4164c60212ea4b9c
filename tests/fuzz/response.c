/* response.c - what the upstream says of its answer: header fields that
 * decide whether it is kept, and for how long. */
#include "fuzz.h"
#include "cache/cache.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("application/json\nmax-age=5, private\nAccept-Encoding\n\n"),
    SEED("application/json; charset=utf-8\nno-store\n*\ngzip\n{}"),
    SEED("text/html\nmax-age=\"7\"\nCookie\nidentity\n"),
    SEED("application/json\ns-maxage=99999999999999999999\n\n\n\"a\", W/\"b\""),
    { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz         f;
    struct ae_admit_in  in = { .status = 200, .content_length = -1,
                               .max_object = 1 << 20 };
    struct ae_client_cc cc;

    fuzz_begin(&f, data, size);
    in.ctype = fuzz_line(&f);
    in.cache_control = fuzz_line(&f);
    in.vary = fuzz_line(&f);
    in.content_encoding = fuzz_line(&f);
    if (!ae_cache_admit(&in))
        FUZZ_HOLD(!(ae_cache_request_cc(in.cache_control) & AE_CC_NO_STORE));
    FUZZ_HOLD(ae_cache_max_age(in.cache_control) >= -1);
    ae_cache_client_cc(in.cache_control, &cc);
    (void)ae_cache_admit_body(f.in);
    (void)ae_etag_listed(f.in, AE_STR("\"b\""));
    fuzz_end(&f);
    return 0;
}
