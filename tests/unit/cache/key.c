/* key.c - T9, K12. */
#include "help.h"

#define SECRET AE_STR("secret of 16 byte")
#define OTHER AE_STR("another of 16 b.")

static struct ae_cache_key two(ae_arena *a, ae_str x, ae_str y)
{
    ae_str              f[2] = { x, y };
    struct ae_cache_key k;

    tap_ok(ae_cache_key_make(a, SECRET, f, 2, &k) == AE_OK, "made");
    return k;
}

static bool same(struct ae_cache_key a, struct ae_cache_key b)
{
    return memcmp(a.hash, b.hash, 32) == 0 && ae_eq(a.full, b.full);
}

static void *no_mem(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
    return NULL;
}

int main(void)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p), none;
    struct ae_cache_key k;
    ae_str              big = body_of(a, AE_CACHE_KEY_MAX, 1), f;

    tap_ok(!same(two(a, AE_STR("x|y"), AE_STR("z")),
                 two(a, AE_STR("x"), AE_STR("y|z"))), "K12 separators");
    tap_ok(!same(two(a, AE_STR("xy"), AE_STR("z")),
                 two(a, AE_STR("x"), AE_STR("yz"))), "K12 joined");
    tap_ok(!same(two(a, AE_STR("x"), AE_STR("")),
                 two(a, AE_STR("x"), ae_s(NULL, 0))), "absent != empty");
    tap_ok(!same(two(a, AE_STR("x"), AE_STR("y")),
                 two(a, AE_STR("y"), AE_STR("x"))), "order matters");
    tap_ok(same(two(a, AE_STR("a\0b"), AE_STR("y")),
                two(a, AE_STR("a\0b"), AE_STR("y"))), "NUL is a byte");
    f = AE_STR("x");
    ae_cache_key_make(a, SECRET, &f, 1, &k);
    struct ae_cache_key k2 = k;
    ae_cache_key_make(a, OTHER, &f, 1, &k2);
    tap_ok(memcmp(k.hash, k2.hash, 32) != 0, "the hash is keyed");
    tap_ok(ae_cache_key_make(a, SECRET, &big, 1, &k) == AE_E_TOOBIG,
           "over the cap");
    big.n -= 4;
    tap_ok(ae_cache_key_make(a, SECRET, &big, 1, &k) == AE_OK,
           "at the cap");
    ae_arena_init(&none, (struct ae_mem){ no_mem, NULL }, NULL, 0);
    tap_ok(ae_cache_key_make(&none, SECRET, &f, 1, &k) == AE_E_NOMEM,
           "no memory");
    pool_free(&p);
    return tap_done();
}
