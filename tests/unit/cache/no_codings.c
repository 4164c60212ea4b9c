/* no_codings.c - coding.c as it is where neither libbrotli nor libzstd was
 * found.  The object of this file stands in for the library's. */
#undef AE_BROTLI
#undef AE_ZSTD
#define AE_BROTLI 0
#define AE_ZSTD 0
#include "../../../lib/cache/coding.c"
#include "help.h"

static void nothing(void *ctx, ae_str part)
{
    (void)ctx, (void)part;
}

int main(void)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      body = body_of(a, 5000, 1);

    tap_ok(ae_coding_wants(AE_STR("zstd, br, gzip;q=0.1")) == AE_WANT_GZIP,
           "gzip alone");
    tap_ok(ae_coding_wants(AE_STR("br, zstd")) == 0, "or nothing");
    tap_ok(ae_coding_once(a, AE_CODING_GZIP, body).n > 0, "gzip works");
    tap_ok(!ae_coding_once(a, AE_CODING_BR, body).p
           && !ae_coding_once(a, AE_CODING_ZSTD, body).p
           && !ae_coder_new(AE_CODING_BR, nothing, NULL), "the others do not");
    pool_free(&p);
    return tap_done();
}
