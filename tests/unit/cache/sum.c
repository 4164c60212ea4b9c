/* sum.c - the fast checksum is the plain one. */
#include "cache/internal.h"
#include "help.h"

int main(void)
{
    struct pool p;
    ae_str      b = body_of(pool_new(&p), 20000, 5);
    int         bad = 0;

    for (size_t n = 0; n < 3000; n++)
        for (uint64_t seed = 0; seed < 3; seed++)
            bad += ae_cache_sum(ae_sub(b, n % 17, n), seed)
                != ae_hash64(ae_sub(b, n % 17, n), seed);
    tap_ok(bad == 0, "equal for every length and offset");
    tap_ok(ae_cache_sum(b, 7) == ae_hash64(b, 7), "and for a long one");
    tap_ok(ae_cache_sum(ae_s(NULL, 0), 1) == ae_hash64(ae_s(NULL, 0), 1),
           "and for nothing");
    pool_free(&p);
    return tap_done();
}
