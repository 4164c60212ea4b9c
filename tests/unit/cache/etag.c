/* etag.c - our validators, and If-None-Match (RFC 9110 13.1.2). */
#include "help.h"

static void make(const char *secret, const char *scope, const char *body,
                 size_t cut, char out[AE_ETAG_LEN + 1])
{
    struct pool     p;
    ae_str          s = ae_cs(body);
    struct ae_etag *e;

    pool_new(&p);
    e = ae_etag_begin(&p.a, ae_cs(secret), ae_cs(scope));
    for (size_t i = 0; i < s.n; i += cut)
        ae_etag_feed(e, ae_sub(s, i, cut));
    ae_etag_end(e, out);
    out[AE_ETAG_LEN] = '\0';
    pool_free(&p);
}

static void listed(const char *list, bool want)
{
    tap_ok(ae_etag_listed(ae_cs(list), AE_STR("\"abc\"")) == want, "%s: %s",
           want ? "named" : "not named", list);
}

int main(void)
{
    char a[AE_ETAG_LEN + 1], b[AE_ETAG_LEN + 1];

    make("key", "scope", "the body", 100, a);
    tap_ok(a[0] == '"' && a[33] == '"' && strspn(a + 1, "0123456789abcdef")
           == 32, "a strong one: %s", a);
    make("key", "scope", "the body", 1, b);
    tap_ok(!strcmp(a, b), "pieces do not matter");
    make("key", "scope", "the bodz", 100, b);
    tap_ok(strcmp(a, b), "the body does");
    make("key", "scop", "ethe body", 100, b);
    tap_ok(strcmp(a, b), "the scope does, and where it ends");
    make("kez", "scope", "the body", 100, b);
    tap_ok(strcmp(a, b), "the key does");
    listed("\"abc\"", true);
    listed(" W/\"abc\" ", true);
    listed("*", true);
    listed("\"x\", \"abc\"", true);
    listed("\"x,y\",W/\"abc\"", true);
    listed(",, \"abc\" ,", true);
    listed("", false);
    listed("abc", false);
    listed("\"abc", false);
    listed("\"ab\"", false);
    listed("\"x\" \"abc\"", false);
    listed("w/\"abc\"", false);
    listed("\"abc\" junk", false);
    listed("\"\"", false);
    tap_ok(!ae_etag_listed(AE_STR("\"\""), ae_s(NULL, 0)), "none is none");
    return tap_done();
}
