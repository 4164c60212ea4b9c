/* admission.c - T10, K05-K08, RFC 9111. */
#include "help.h"

static struct ae_admit_in good(void)
{
    struct ae_admit_in in;

    memset(&in, 0, sizeof(in));
    in.status = 200;
    in.ctype = AE_STR("application/json");
    in.content_length = 100;
    in.max_object = 1000;
    return in;
}

static void cc(const char *v, const char *want)
{
    struct ae_admit_in in = good();
    const char        *got;

    in.cache_control = ae_cs(v);
    got = ae_cache_admit(&in);
    tap_ok(want ? got && !strcmp(got, want) : !got, "cache-control %s: %s",
           v, got ? got : "stored");
}

static void vary(const char *v, bool ok)
{
    struct ae_admit_in in = good();

    in.vary = ae_cs(v);
    tap_ok(!ae_cache_admit(&in) == ok, "vary %s", v);
}

static void type(const char *v, bool ok)
{
    struct ae_admit_in in = good();

    in.ctype = ae_cs(v);
    tap_ok(!ae_cache_admit(&in) == ok, "type %s", v ? v : "absent");
}

static void body(const char *v, bool ok)
{
    const char *got = ae_cache_admit_body(ae_cs(v));

    char        shown[41];

    snprintf(shown, sizeof(shown), "%s", v);
    for (char *c = shown; *c; c++)
        if (*c == '\n')
            *c = ' '; /* one line a case */
    tap_ok(!got == ok, "body %s: %s", shown, got ? got : "stored");
}

static void headers(void)
{
    struct ae_admit_in in = good();
    static const int   bad[] = { 0, 201, 204, 206, 301, 304, 307, 400, 401,
                                 403, 404, 415, 500, 503 };

    tap_ok(!ae_cache_admit(&in), "plain answer");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        in.status = bad[i];
        tap_ok(ae_cache_admit(&in) != NULL, "K06 status %d", bad[i]);
    }
    in = good();
    in.set_cookie = AE_STR("");
    tap_ok(ae_cache_admit(&in) != NULL, "K05 Set-Cookie, even empty");
    in = good();
    in.has_renew = true;
    tap_ok(ae_cache_admit(&in) != NULL, "K05 renew header");
    in = good();
    in.content_encoding = AE_STR("gzip");
    tap_ok(ae_cache_admit(&in) != NULL, "gzip");
    in.content_encoding = AE_STR("Identity");
    tap_ok(!ae_cache_admit(&in), "identity");
    in.content_length = 1000;
    tap_ok(!ae_cache_admit(&in), "length at the cap");
    in.content_length = 1001;
    tap_ok(ae_cache_admit(&in) != NULL, "length over the cap");
    in.content_length = -1;
    tap_ok(!ae_cache_admit(&in), "length unknown");
}

static void fields(void)
{
    cc("public", NULL);
    cc("max-age=60", NULL);
    cc("MAX-AGE=60, must-revalidate", NULL);
    cc("", NULL);
    cc("no-store", "no-store");
    cc("public,No-Store", "no-store");
    cc("private", "private");
    cc("private=\"set-cookie, x\"", "private");
    cc("no-cache", "no-cache");
    cc("max-age=0", "max-age");
    cc("max-age=00", "max-age");
    cc("s-maxage=0, max-age=9", "max-age");
    cc("max-age=-1", "max-age");
    cc("max-age", "max-age");
    cc("max-age=x", "max-age");
    cc("x=\"no-store\"", NULL);
    cc("x=\"a, private\"", NULL);
    cc("x=\"open, no-store", "cache-control");
    tap_ok(ae_cache_max_age(AE_STR("max-age=9, s-maxage=5")) == 5, "shared");
    tap_ok(ae_cache_max_age(AE_STR("max-age=9,max-age=7")) == 7, "strictest");
    tap_ok(ae_cache_max_age(AE_STR("public")) == -1, "says nothing");
    tap_ok(ae_cache_max_age(AE_STR("max-age=99999999999999999999"))
           == INT32_MAX, "clamped");
    vary("Accept-Encoding", true);
    vary("accept-encoding , ACCEPT-ENCODING", true);
    vary("", true);
    vary("*", false);
    vary("Cookie", false);
    vary("Accept-Encoding, Cookie", false);
    vary("Accept-Encoding,, Origin", false);
    type("application/json", true);
    type("Application/JSON", true);
    type("application/json; charset=utf-8", true);
    type("application/json;charset=\"UTF-8\"", true);
    type("application/json; charset=latin1", false);
    type("application/json; x=y", false);
    type("application/json, text/html", false);
    type("application/jsonx", false);
    type("text/html", false);
    type("text/event-stream", false);
    type(NULL, false);
}

static void client(const char *cc, unsigned set, int64_t age, int64_t fresh)
{
    struct ae_client_cc c;

    ae_cache_client_cc(ae_cs(cc), &c);
    tap_ok(c.set == set && c.max_age == age && c.min_fresh == fresh, "%s",
           cc);
}

static void wishes(void)
{
    tap_ok(ae_cache_request_cc(AE_STR("no-cache")) == AE_CC_NO_CACHE, "nc");
    tap_ok(ae_cache_request_cc(AE_STR("no-store , only-if-cached"))
           == (AE_CC_NO_STORE | AE_CC_ONLY_IF_CACHED), "two");
    tap_ok(ae_cache_request_cc(AE_STR("max-age=0")) == AE_CC_NO_CACHE, "f5");
    tap_ok(ae_cache_request_cc(AE_STR("max-age=5")) == 0, "max-age");
    tap_ok(ae_cache_request_cc(ae_s(NULL, 0)) == 0, "absent");
    client("max-age=5, min-fresh=3", 0, 5, 3);
    client("max-age=5, max-age=9, min-fresh=\"2\", min-fresh=7", 0, 5, 7);
    client("max-age=x", AE_CC_NO_CACHE, INT64_MAX, 0);
    client("min-fresh=-1, max-stale, max-stale=5", 0, INT64_MAX, 0);
}

static void bodies(void)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    char       *deep = ae_alloc(a, 1001);

    body("{}", true);
    body(" [ ] \n", true);
    body("{\"a\":1,\"b\":[true,null,{\"c\":\"}\\\"]\"}],\"d\":-1.5e+3}", true);
    body("[{\"a\":{}},[]]", true);
    body("", false);
    body("null", false);
    body("\"x\"", false);
    body("{", false);
    body("{\"a\":1", false);
    body("{\"a\":\"x", false);
    body("{\"a\"}", false);
    body("{\"a\":}", false);
    body("{\"a\":1,}", false);
    body("[1,]", false);
    body("[1 2]", false);
    body("{\"a\":1]", false);
    body("{}{}", false);
    body("{\"result\":{}}\n{\"result\":{}}", false);
    body("{\"a\":\"\n\"}", false);
    body("<html>", false);
    body("{\"error\":\"x\",\"code\":7,\"message\":\"x\"}", false);
    body("{\"code\":7,\"message\":\"x\",\"error\":\"x\",\"d\":[]}", false);
    body("{\"error\":{\"grpc_code\":14,\"message\":\"\"}}", false);
    body("{\"error\":\"x\",\"items\":[]}", true);
    body("{\"x\":{\"error\":1,\"code\":1,\"message\":1}}", true);
    tap_ok(ae_cache_admit_body(AE_STR("{\"a\":1}\0")) != NULL, "NUL behind");
    memset(deep, '[', 500);
    memset(deep + 500, ']', 500);
    tap_ok(ae_cache_admit_body(ae_s(deep, 1000)) != NULL, "too deep");
    tap_ok(!ae_cache_admit_body(ae_s(deep + 300, 400)), "deep");
    pool_free(&p);
}

int main(void)
{
    headers();
    fields();
    wishes();
    bodies();
    return tap_done();
}
