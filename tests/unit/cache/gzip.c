/* gzip.c, track.c - bodies in other forms, and while they come. */
#include "help.h"

#include <zlib.h>

static void accepted(const char *list, bool want)
{
    tap_ok(ae_gzip_accepted(ae_cs(list)) == want, "%s: %s",
           want ? "gzip" : "no gzip", list ? list : "absent");
}

static bool inflates_to(ae_str z, ae_str want)
{
    char    *out = malloc(want.n + 1);
    z_stream s;
    int      rc;

    memset(&s, 0, sizeof(s));
    s.next_in = (Bytef *)(uintptr_t)z.p;
    s.avail_in = (uInt)z.n;
    s.next_out = (Bytef *)out;
    s.avail_out = (uInt)want.n + 1;
    inflateInit2(&s, 31);
    rc = inflate(&s, Z_FINISH);
    inflateEnd(&s);
    rc = rc == Z_STREAM_END && s.total_out == want.n
        && memcmp(out, want.p, want.n) == 0;
    free(out);
    return rc;
}

static void sink(void *ctx, ae_str part)
{
    ae_buf_put(ctx, part);
}

static void forms(void)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      body = body_of(a, 300000, 1), z;
    ae_buf      b;
    ae_gzip    *g;
    char       *noise = ae_alloc(a, 4096);

    z = ae_gzip_once(a, body);
    tap_ok(z.n && z.n < body.n / 2 && inflates_to(z, body), "at once: %zu",
           z.n);
    tap_ok(!ae_gzip_once(a, ae_sub(body, 0, AE_GZIP_MIN - 1)).p, "too small");
    for (uint64_t i = 0, *w = (uint64_t *)(void *)noise; i < 512; i++)
        w[i] = ae_hash64(ae_s((char *)&i, 8), 1);
    tap_ok(!ae_gzip_once(a, ae_s(noise, 4096)).p,
           "what does not shrink is left");
    ae_buf_init(&b, a, 0);
    g = ae_gzip_new(sink, &b);
    for (size_t i = 0; i < body.n; i += 777)
        ae_gzip_feed(g, ae_sub(body, i, 777), false);
    ae_gzip_feed(g, ae_s("", 0), true);
    ae_gzip_free(g);
    tap_ok(inflates_to(ae_buf_str(&b), body), "in pieces");
    ae_gzip_free(NULL);
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
    accepted("gzip", true);
    accepted("deflate, gzip;q=0.5, br", true);
    accepted("GZip", true);
    accepted("*", true);
    accepted("*;q=0, gzip", true);
    accepted(NULL, false);
    accepted("", false);
    accepted("br", false);
    accepted("gzip;q=0", false);
    accepted("gzip ; q = 0.0", false);
    accepted("gzip;q=0, *", false);
    accepted("*;q=0", false);
    accepted("notgzip", false);
    forms();
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
