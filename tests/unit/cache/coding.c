/* coding.c, track.c - bodies in other forms, and while they come. */
#include "help.h"

#include <zlib.h>
#ifndef AE_BROTLI /* configure has not said */
#define AE_BROTLI 0
#define AE_ZSTD 0
#endif
#if AE_BROTLI
#include <brotli/decode.h>
#endif
#if AE_ZSTD
#include <zstd.h>
#endif

/* Of what is built, the best first. */
static void wants(const char *list, const char *want)
{
    char     got[64] = "";
    size_t   n = 0;
    unsigned w;

    for (w = ae_coding_wants(ae_cs(list)) >> 4; w; w >>= 4)
        n += (size_t)snprintf(got + n, sizeof(got) - n, "%s%s", n ? " " : "",
                              ae_coding_name((enum ae_coding)(w & 15)));
    tap_ok(!strcmp(got, want), "%s: %s", list ? list : "absent", got);
}

#if AE_BROTLI
#define BR "br"
#else
#define BR ""
#endif
#if AE_ZSTD
#define ZSTD "zstd"
#else
#define ZSTD ""
#endif

static size_t gunzip(ae_str z, char *out, size_t n)
{
    z_stream s;
    int      rc;

    memset(&s, 0, sizeof(s));
    s.next_in = (Bytef *)(uintptr_t)z.p;
    s.avail_in = (uInt)z.n;
    s.next_out = (Bytef *)out;
    s.avail_out = (uInt)n;
    inflateInit2(&s, 31);
    rc = inflate(&s, Z_FINISH);
    inflateEnd(&s);
    return rc == Z_STREAM_END ? s.total_out : 0;
}

/* With the libraries' own decoders. */
static size_t decode(enum ae_coding c, ae_str z, char *out, size_t n)
{
#if AE_BROTLI
    if (c == AE_CODING_BR)
        return BrotliDecoderDecompress(z.n, (const uint8_t *)z.p, &n,
                                       (uint8_t *)out) ? n : 0;
#endif
#if AE_ZSTD
    if (c == AE_CODING_ZSTD) {
        n = ZSTD_decompress(out, n, z.p, z.n);
        return ZSTD_isError(n) ? 0 : n;
    }
#endif
    return c == AE_CODING_GZIP ? gunzip(z, out, n) : 0;
}

static bool decodes_to(enum ae_coding c, ae_str z, ae_str want)
{
    char *out = malloc(want.n + 1);
    bool  ok = decode(c, z, out, want.n + 1) == want.n
        && memcmp(out, want.p, want.n) == 0;

    free(out);
    return ok;
}

static void sink(void *ctx, ae_str part)
{
    ae_buf_put(ctx, part);
}

static bool built(enum ae_coding c)
{
    return c == AE_CODING_GZIP || (c == AE_CODING_BR && AE_BROTLI)
        || (c == AE_CODING_ZSTD && AE_ZSTD);
}

static void in_pieces(ae_arena *a, enum ae_coding c, ae_str body)
{
    ae_coder *z;
    ae_buf    b;
    bool      ok = true;

    ae_buf_init(&b, a, 0);
    z = ae_coder_new(c, sink, &b);
    for (size_t i = 0; i < body.n; i += 777)
        ok = ok && ae_coder_feed(z, ae_sub(body, i, 777), false);
    ok = ok && ae_coder_feed(z, ae_s("", 0), true);
    ae_coder_free(z);
    tap_ok(ok && decodes_to(c, ae_buf_str(&b), body), "%s in pieces",
           ae_coding_name(c));
}

static void coding(enum ae_coding c)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      body = body_of(a, 300000, 1), z = ae_coding_once(a, c, body);
    char       *noise = ae_alloc(a, 4096);

    if (!built(c)) {
        tap_ok(!z.p && !ae_coder_new(c, sink, NULL), "%s is not built",
               ae_coding_name(c));
        pool_free(&p);
        return;
    }
    tap_ok(z.n && z.n < body.n / 2 && decodes_to(c, z, body),
           "%s at once: %zu", ae_coding_name(c), z.n);
    tap_ok(!ae_coding_once(a, c, ae_sub(body, 0, AE_CODING_MIN - 1)).p,
           "too small");
    for (uint64_t i = 0, *w = (uint64_t *)(void *)noise; i < 512; i++)
        w[i] = ae_hash64(ae_s((char *)&i, 8), 1);
    tap_ok(!ae_coding_once(a, c, ae_s(noise, 4096)).p,
           "what does not shrink is left");
    in_pieces(a, c, body);
    pool_free(&p);
}

static void whole(const char *body, bool want)
{
    ae_str s = ae_cs(body);
    bool   ok = true;

    for (size_t cut = 1; cut <= s.n; cut++) {
        struct ae_track t;

        ae_track_init(&t);
        for (size_t i = 0; i < s.n; i += cut)
            ae_track_feed(&t, ae_sub(s, i, cut));
        ok = ok && ae_track_whole(&t) == want;
    }
    tap_ok(ok, "%s: %s", want ? "whole" : "not whole", body);
}

static void starts(const char *body, const char *want)
{
    const char *got = ae_cache_admit_start(ae_cs(body));

    tap_ok(want ? got && !strcmp(got, want) : !got, "start %s: %s", body,
           got ? got : "fine");
}

static void depth(void)
{
    struct ae_track t;

    ae_track_init(&t);
    for (int i = 0; i < 256; i++)
        ae_track_feed(&t, AE_STR("["));
    tap_ok(!t.bad, "256 levels");
    ae_track_feed(&t, AE_STR("["));
    tap_ok(t.bad, "no more");
}

int main(void)
{
    wants("gzip", "gzip");
    wants("GZip", "gzip");
    wants("x-gzip", "gzip");
    wants("*", "gzip");
    wants("*;q=0, gzip", "gzip");
    wants(NULL, "");
    wants("", "");
    wants("deflate, compress", "");
    wants("gzip;q=0", "");
    wants("gzip ; q = 0.0", "");
    wants("gzip;q=0, *", "");
    wants("*;q=0", "");
    wants("notgzip", "");
    wants("identity;q=1, gzip;q=0.5", "");
    wants("identity;q=0.5, gzip;q=0.5", "gzip");
    wants("identity, *;q=0.1", "");
    wants("gzip;q=nonsense", "gzip");
    wants("br", BR);
    wants("ZSTD", ZSTD);
    wants("br;q=0, zstd;q=0.000", "");
#if AE_BROTLI && AE_ZSTD
    wants("gzip, deflate, br, zstd", "zstd br gzip");
    wants("zstd;q=0.3, br;q=0.35, gzip;q=0.351", "gzip br zstd");
    wants("br;q=1.000, zstd;q=0.999, gzip;q=0.001", "br zstd gzip");
    wants("br;q=0.2, identity;q=0.3, zstd", "zstd");
#endif
    coding(AE_CODING_GZIP);
    coding(AE_CODING_BR);
    coding(AE_CODING_ZSTD);
    whole("{}", true);
    whole(" [1, {\"a\": \"]}\\\"[\"}] \n", true);
    whole("{\"a\":[}", false);
    whole("{\"a\":1", false);
    whole("{\"a\":\"x", false);
    whole("{\"a\":\"\\\"}", false);
    whole("{}{}", false);
    whole("{} x", false);
    whole("{]", false);
    whole("}", false);
    whole("1", false);
    whole("", false);
    whole("{\"a\":\"\n\"}", false);
    starts("{\"metadata\":{}", NULL);
    starts(" [1,", NULL);
    starts("{\"errors\":1", NULL);
    starts("{\"error\":{\"grpc_code\"", "grpc-error");
    starts("{ \"code\" :", "grpc-error");
    starts("{\"message\":", "grpc-error");
    starts("<html>", "not-json");
    starts("", "not-json");
    depth();
    return tap_done();
}
