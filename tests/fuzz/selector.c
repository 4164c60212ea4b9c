/* selector.c - a label selector and labels. */
#include "fuzz.h"
#include "mirror/mirror.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("a=b,c!=d,!e,f in (g,h),i notin (),j>5\n{\"a\":\"b\",\"j\":\"6\"}"),
    SEED("example.com/x == y , z\n{\"z\":\"\"}"), SEED("a in (\n{}"),
    SEED(",\n"), SEED("a>>1\n{\"a\":1}"), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz        f;
    struct ae_selector s;
    ae_str             error = { NULL, 0 };
    int                rc;

    fuzz_begin(&f, data, size);
    rc = ae_selector_parse(&f.a, fuzz_line(&f), &s, &error);
    FUZZ_HOLD(rc != AE_E_SYNTAX || error.n);
    if (rc == AE_OK)
        (void)ae_selector_match(&s, f.in, &f.a);
    fuzz_end(&f);
    return 0;
}
