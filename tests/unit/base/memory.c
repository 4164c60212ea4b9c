/* arena.c, err.c, json.c, hash.c: bounds, first error, Go's JSON. */
#include "base/base.h"
#include "tap.h"

/* Sanitizer builds make each allocation a block of its own. */
#ifdef AE_ARENA_EMULATE
enum { BLOCKS = 3 };
#else
enum { BLOCKS = 1 };
#endif

/* Fails the n-th block. */
struct failing { ae_heap heap; int left; };

static void *maybe(void *ctx, size_t n)
{
    struct failing *f = ctx;
    struct ae_mem   m = ae_heap_mem(&f->heap);

    return f->left-- > 0 ? m.alloc(m.ctx, n) : NULL;
}

static void arenas(void)
{
    struct failing f = { { NULL, 0 }, BLOCKS };
    struct ae_mem  mem = { maybe, &f };
    ae_arena       a;
    char           first[100];
    char          *p, *q;

    ae_arena_init(&a, mem, first, sizeof(first));
    p = ae_alloc(&a, 1);
    q = ae_alloc(&a, 1);
    tap_ok(p && q && (uintptr_t)p % 16 == 0 && q != p, "aligned, distinct");
    tap_ok(ae_alloc(&a, 100000) != NULL, "a large block of its own");
    tap_ok(ae_alloc(&a, 100000) == NULL && a.failed, "exhausted is sticky");
    tap_ok(ae_nalloc(&a, SIZE_MAX / 2, 3) == NULL, "overflow of a product");
    tap_ok(ae_dup(&a, ae_s("0123456789", 10)).p == NULL
           || a.failed, "dup tells");
    ae_heap_free(&f.heap);

    f.left = 100;
    ae_arena_init(&a, mem, NULL, 0);
    a.limit = 64;
    tap_ok(ae_alloc(&a, 64) != NULL, "at the limit");
    tap_ok(ae_alloc(&a, 1) == NULL && a.failed, "over the limit");
    ae_heap_free(&f.heap);
}

static void buffers(void)
{
    ae_heap  heap = { NULL, 0 };
    ae_arena a;
    ae_buf   b;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 8);
    ae_buf_puts(&b, "12345678");
    tap_ok(!b.bad && b.n == 8, "a buffer up to its maximum");
    ae_buf_putc(&b, '9');
    tap_ok(b.bad, "and not one byte more");
    ae_buf_init(&b, &a, 0);
    for (int i = 0; i < 1000; i++)
        ae_buf_printf(&b, "%d,", i);
    tap_ok(!b.bad && b.n == 3890, "grows: %zu", b.n);
    ae_heap_free(&heap);
}

static void quoting(void)
{
    ae_heap  heap = { NULL, 0 };
    ae_arena a;
    ae_buf   b;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    ae_json_quote(&b, AE_STR("a<b>&\"\\\n\t\x01\xFF\xE2\x80\xA8\xC3\xA9"));
    tap_ok(ae_eq_lit(ae_buf_str(&b), "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n"
                     "\\t\\u0001\\ufffd\\u2028\xC3\xA9\""),
           "as encoding/json: %.*s", (int)b.n, b.p);
    tap_ok(ae_eq_lit(ae_log_escape(&a, AE_STR("x\r\n\"\x1b\xC3"), 0),
                     "x\\x0D\\x0A\\x22\\x1B\\xC3"), "one log line (T20)");
    ae_heap_free(&heap);
}

static void json(void)
{
    struct ae_err e = { .code = 0 };
    json_t       *v;

    v = ae_json_parse(AE_STR("{\"a\":1,\"a\":2}"), 16, &e);
    tap_ok(!v && e.code == AE_E_SYNTAX, "duplicate names: %s", e.text);
    e.code = 0;
    v = ae_json_parse(AE_STR("[[[1]]]"), 3, &e);
    tap_ok(v != NULL, "depth 3 of 3");
    json_decref(v);
    v = ae_json_parse(AE_STR("[[[1]]]"), 2, &e);
    tap_ok(!v && e.code == AE_E_TOOBIG, "depth 3 of 2");
    e.code = 0;
    v = ae_json_parse(AE_STR("[\"[[[[\", \"\\\"[[\"]"), 1, &e);
    tap_ok(v != NULL, "brackets in strings are text");
    json_decref(v);
    v = json_loads("{\"sub\":\"a\",\"federated_claims\":{\"user_id\":\"b\"}}",
                   0, NULL);
    tap_ok(ae_eq_lit(ae_claims_user(v), "b"), "T1: user_id before sub");
    json_decref(v);
    v = json_loads("{\"sub\":1}", 0, NULL);
    tap_ok(ae_claims_user(v).p && !ae_claims_user(v).n, "T1: else empty");
    json_decref(v);
}

static void errors(void)
{
    struct ae_err e = { .code = 0 };
    char          buf[64];

    tap_ok(ae_err_at(&e, AE_E_SYNTAX, AE_STR("policy.csv"), 17, 5, "bad %s",
                     "quote") == AE_E_SYNTAX, "the code comes back");
    ae_err_set(&e, AE_E_IO, "later");
    tap_ok(strcmp(ae_err_str(&e, buf, sizeof(buf)),
                  "policy.csv:17:5: bad quote") == 0, "first wins: %s", buf);
    tap_ok(ae_err_set(NULL, AE_E_IO, "x") == AE_E_IO, "no record is fine");
}

static void hashes(void)
{
    ae_str        ab[2] = { AE_STR("x|y"), AE_STR("z") };
    ae_str        cd[2] = { AE_STR("x"), AE_STR("y|z") };
    unsigned char h[32], g[32];
    char          hex[65] = "";

    ae_sha256(AE_STR("abc"), h);
    ae_hex(h, 32, hex);
    tap_ok(strncmp(hex, "ba7816bf8f01cfea414140de5dae2223", 32) == 0,
           "SHA-256 of abc (FIPS 180-4)");
    ae_hmac256(AE_STR("k"), ab, 2, h);
    ae_hmac256(AE_STR("k"), cd, 2, g);
    tap_ok(!ae_ct_eq(h, g, 32), "K12: length prefixes keep fields apart");
    ae_hmac256(AE_STR("other"), ab, 2, g);
    tap_ok(!ae_ct_eq(h, g, 32), "the key counts");
}

/* RFC 4231, test case 2. */
static void hmac_plain(void)
{
    unsigned char sum[32];
    char          hex[64];

    ae_hmac256_plain(AE_STR("Jefe"), AE_STR("what do ya want for nothing?"),
                     sum);
    ae_hex(sum, 32, hex);
    tap_ok(!memcmp(hex, "5bdcc146bf60754e6a042426089575c7"
                   "5a003f089d2739839dec58b964ec3843", 64), "RFC 4231");
}

int main(void)
{
    arenas();
    buffers();
    quoting();
    json();
    errors();
    hashes();
    hmac_plain();
    return tap_done();
}
