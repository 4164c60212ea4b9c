/* pick.c - the choice of one credential (T4; abuse cases C, D12). */
#include "tap.h"
#include "token/token.h"

struct row {
    const char *text;
    const char *auth;                /* NULL: no header */
    const char *cookie[3];
    bool        dup;
    enum ae_pick_result want;
    int         status, code;
    enum ae_cred_source source;
    const char *token;
    bool        foreign, strip_cookie;
    const char *rest;
};

#define NOSES 401, 16
static const struct row rows[] = {
    { "nothing at all", NULL, { NULL }, false, AE_PICK_OK, 0, 0,
      AE_CRED_NONE, NULL, false, false, NULL },
    { "bearer", "Bearer a.b.c", { NULL }, false, AE_PICK_OK, 0, 0,
      AE_CRED_BEARER, "a.b.c", false, false, NULL },
    { "bearer with blanks around", " \tBearer a.b.c \t", { NULL }, false,
      AE_PICK_OK, 0, 0, AE_CRED_BEARER, "a.b.c", false, false, NULL },
    { "two blanks stay in the token", "Bearer  a.b.c", { NULL }, false,
      AE_PICK_OK, 0, 0, AE_CRED_BEARER, " a.b.c", false, false, NULL },
    { "four dots are somebody's token", "Bearer a.b.c, Bearer d.e.f",
      { NULL }, false, AE_PICK_OK, 0, 0, AE_CRED_BEARER,
      "a.b.c, Bearer d.e.f", false, false, NULL },
    { "a tab is not printable", "Bearer\ta.b.c", { NULL }, false,
      AE_PICK_REFUSE, 500, 13, AE_CRED_NONE, NULL, false, false, NULL },
    { "8-bit bytes are not printable", "Bearer a.b.\xc3\xa9", { NULL },
      false, AE_PICK_REFUSE, 500, 13, AE_CRED_NONE, NULL, false, false, NULL },
    { "8-bit bytes in a cookie", NULL, { "x=\xc3\xa9" }, false,
      AE_PICK_REFUSE, 500, 13, AE_CRED_NONE, NULL, false, false, NULL },
    { "lower-case bearer is another scheme", "bearer a.b.c", { NULL }, false,
      AE_PICK_OK, 0, 0, AE_CRED_NONE, NULL, true, false, NULL },
    { "basic is another scheme, the cookie decides", "Basic eA==",
      { "argocd.token=a.b.c" }, false, AE_PICK_OK, 0, 0, AE_CRED_COOKIE,
      "a.b.c", true, false, NULL },
    { "an empty header is none", "", { NULL }, false, AE_PICK_OK, 0, 0,
      AE_CRED_NONE, NULL, false, false, NULL },
    { "C02 two Authorization headers", "Bearer a.b.c", { NULL }, true,
      AE_PICK_REFUSE, 400, 3, AE_CRED_NONE, NULL, false, false, NULL },
    { "C03 header and cookie: the header, cookie stripped", "Bearer a.b.c",
      { "x=1; argocd.token=d.e.f; y=2; argocd.token-1=q", "z=3" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_BEARER, "a.b.c", false, true,
      "x=1; y=2; z=3" },
    { "C03 nothing is left of the cookies", "Bearer a.b.c",
      { " argocd.token =d.e.f" }, false, AE_PICK_OK, 0, 0, AE_CRED_BEARER,
      "a.b.c", false, true, NULL },
    { "cookies of others stay as they are", "Bearer a.b.c",
      { "x=1; argocd.tokens=2" }, false, AE_PICK_OK, 0, 0, AE_CRED_BEARER,
      "a.b.c", false, false, NULL },
    { "C04 Bearer nothing next to a cookie", "Bearer nothing",
      { "argocd.token=a.b.c" }, false, AE_PICK_REFUSE, NOSES,
      AE_CRED_BEARER, NULL, false, true, NULL },
    { "Bearer and no more next to a cookie", "Bearer ",
      { "argocd.token=a.b.c" }, false, AE_PICK_REFUSE, NOSES,
      AE_CRED_BEARER, NULL, false, true, NULL },
    { "a bearer with one dot", "Bearer a.b", { NULL }, false, AE_PICK_REFUSE,
      NOSES, AE_CRED_BEARER, NULL, false, false, NULL },
    { "C05 chunks", NULL, { "argocd.token=2:a.b; argocd.token-1=.c" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c", false, false, NULL },
    { "C05 chunks in another order",
      NULL, { "argocd.token-2=e; argocd.token-1=.c.; argocd.token=3:a.b" },
      false, AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c.e", false, false, NULL },
    { "a chunk beyond the count is not joined", NULL,
      { "argocd.token=2:a.b; argocd.token-1=.c; argocd.token-2=zz" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c", false, false, NULL },
    { "chunks of another line are not joined", NULL,
      { "argocd.token=2:a.b", "argocd.token-1=.c" }, false, AE_PICK_REFUSE,
      NOSES, AE_CRED_COOKIE, NULL, false, false, NULL },
    { "a missing chunk is empty", NULL, { "argocd.token=5000:a.b.c" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c", false, false, NULL },
    { "a count below one", NULL, { "argocd.token=-1:a.b.c" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c", false, false, NULL },
    { "a count that is none", NULL, { "argocd.token=x:a.b.c" }, false,
      AE_PICK_REFUSE, NOSES, AE_CRED_COOKIE, NULL, false, false, NULL },
    { "two colons", NULL, { "argocd.token=1:2:a.b.c" }, false,
      AE_PICK_REFUSE, NOSES, AE_CRED_COOKIE, NULL, false, false, NULL },
    { "the same chunk twice", NULL,
      { "argocd.token=2:a.b; argocd.token-1=z; argocd.token-1=.c" }, false,
      AE_PICK_REFUSE, 400, 3, AE_CRED_NONE, NULL, false, false, NULL },
    { "C06 two cookies in one line", NULL,
      { "argocd.token=a.b.c; argocd.token=d.e.f" }, false, AE_PICK_REFUSE,
      400, 3, AE_CRED_NONE, NULL, false, false, NULL },
    { "C06 two cookies in two lines", NULL,
      { "argocd.token=a.b.c", "argocd.token=d.e.f" }, false, AE_PICK_REFUSE,
      400, 3, AE_CRED_NONE, NULL, false, false, NULL },
    { "quotes belong to the spelling", NULL, { "argocd.token=\"a.b.c\"" },
      false, AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c", false, false, NULL },
    { "a value that Go drops", NULL, { "argocd.token=a.b.c\\" }, false,
      AE_PICK_REFUSE, NOSES, AE_CRED_COOKIE, NULL, false, false, NULL },
    { "the name is case-sensitive", NULL, { "Argocd.Token=a.b.c" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_NONE, NULL, false, false, NULL },
    { "an empty cookie is none", NULL, { "argocd.token=" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_NONE, NULL, false, false, NULL },
    { "a chunk without the first", NULL, { "argocd.token-1=a.b.c" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_NONE, NULL, false, false, NULL },
    { "empty parts are skipped", NULL, { ";; ;argocd.token=a.b.c;" }, false,
      AE_PICK_OK, 0, 0, AE_CRED_COOKIE, "a.b.c", false, false, NULL },
};

static bool same(ae_str s, const char *z)
{
    return z ? s.p && ae_eq(s, ae_cs(z)) : !s.p;
}

static void check(const struct row *r)
{
    ae_heap             heap = { NULL, 0 };
    ae_arena            a;
    ae_str              line[3];
    struct ae_cred      c;
    size_t              n = 0;
    enum ae_pick_result got;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    while (n < 3 && r->cookie[n]) {
        line[n] = ae_cs(r->cookie[n]);
        n++;
    }
    got = ae_token_pick(&a, ae_cs(r->auth), r->dup, line, n, &c);
    tap_ok(got == r->want && c.status == r->status && c.code == r->code
           && (got == AE_PICK_REFUSE ? c.reason.n > 0
                                     : c.source == r->source
                                       && same(c.token, r->token))
           && c.foreign_auth == r->foreign
           && c.strip_cookie == r->strip_cookie
           && same(c.cookie_rest, r->rest), "%s", r->text);
    ae_heap_free(&heap);
}

static void chunks(size_t n, bool good)
{
    ae_heap        heap = { NULL, 0 };
    ae_arena       a;
    ae_buf         b;
    struct ae_cred c;
    ae_str         line;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    ae_buf_printf(&b, "argocd.token=%zu:a.b.", n + 1);
    for (size_t i = 1; i <= n; i++)
        ae_buf_printf(&b, "; argocd.token-%zu=x", i);
    line = ae_buf_str(&b);
    if (good)
        tap_ok(ae_token_pick(&a, ae_s(NULL, 0), false, &line, 1, &c)
                   == AE_PICK_OK && c.token.n == 4 + n,
               "%zu chunks are joined", n);
    else
        tap_ok(ae_token_pick(&a, ae_s(NULL, 0), false, &line, 1, &c)
                   == AE_PICK_REFUSE && c.status == 431,
               "%zu chunks are over the limit", n);
    ae_heap_free(&heap);
}

static void no_memory(void)
{
    struct ae_mem  none = { NULL, NULL };
    ae_str         line = AE_STR("x=1; argocd.token=2:a.b; argocd.token-1=.c");
    ae_arena       a;
    struct ae_cred c;

    ae_arena_init(&a, none, NULL, 0);
    tap_ok(ae_token_pick(&a, ae_s(NULL, 0), false, &line, 1, &c)
               == AE_PICK_REFUSE && c.status == 500,
           "chunks without memory are refused");
    tap_ok(ae_token_pick(&a, AE_STR("Bearer a.b.c"), false, &line, 1, &c)
               == AE_PICK_REFUSE && c.status == 500,
           "stripping without memory is refused");
}

int main(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        check(&rows[i]);
    chunks(64, true);
    chunks(65, false);
    no_memory();
    return tap_done();
}
