/*
 * gate.c - what a token must look like: golang-jwt's and encoding/json's
 * texts, canonical base64url, and the size limits (T17; abuse cases J).
 */
#include "tap.h"
#include "make.h"

#include <time.h>

static ae_heap  heap;
static ae_arena a;

static void check(ae_str token, struct ae_token_result *r)
{
    struct ae_account account = { .name = { "ci", 2 }, .enabled = true,
                                  .cap_login = true };
    struct ae_inputs  in = { .have_accounts = true, .have_secret = true,
        .have_projects = true, .accounts = &account, .naccounts = 1,
        .secret_key = SECRET };
    ae_tokens        *t;

    memset(r, 0, sizeof(*r));
    if (!ae_tokens_new(&in, AE_STR("argocd"), &t, NULL)) {
        ae_token_check(t, &a, token, 1790000000, r);
        ae_tokens_free(t);
    }
}

static void no(ae_str token, ae_str reason, bool stricter, const char *text)
{
    struct ae_token_result r;

    check(token, &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && r.stricter == stricter
           && ae_eq(r.reason, reason), "%s: %.*s", text, (int)r.reason.n,
           r.reason.p);
    ae_identity_unref(r.identity);
}

static void yes(ae_str token, const char *text)
{
    struct ae_token_result r;

    check(token, &r);
    tap_ok(r.verdict == AE_TOKEN_OK, "%s", text);
    ae_identity_unref(r.identity);
}

/* A token of exactly |size| bytes, valid otherwise. */
static ae_str sized(size_t size)
{
    for (size_t pad = size * 3 / 4 - 120; pad < size; pad++) {
        ae_buf b;
        ae_str t;

        ae_buf_init(&b, &a, 0);
        ae_buf_puts(&b, "{\"iss\":\"argocd\",\"sub\":\"ci:login\",\"jti\":"
                        "\"1\",\"iat\":1,\"x\":\"");
        for (size_t i = 0; i < pad; i++)
            ae_buf_putc(&b, 'x');
        ae_buf_puts(&b, "\"}");
        t = make_token_of(&a, AE_STR(HEADER), ae_buf_str(&b));
        if (t.n == size)
            return t;
        if (t.n > size)   /* not every length: let the header grow */
            break;
    }
    return ae_s(NULL, 0);
}

static void sizes(void)
{
    struct ae_token_result r;
    ae_str                 t = sized(AE_TOKEN_MAX);
    char                  *dots = malloc(1000000);
    clock_t                start;

    tap_ok(t.n == AE_TOKEN_MAX, "J11 there is a token of 16 KiB");
    yes(t, "J11 16 KiB are accepted");
    t = sized(AE_TOKEN_MAX + 1);
    if (!t.p) {
        char *p = ae_alloc(&a, AE_TOKEN_MAX + 1);

        memset(p, 'a', AE_TOKEN_MAX + 1);
        t = ae_s(p, AE_TOKEN_MAX + 1);
    }
    check(t, &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && r.too_big && r.stricter,
           "J11 16 KiB + 1 is too big");
    memset(dots, '.', 1000000);
    check(ae_s(dots, AE_TOKEN_MAX), &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && !r.too_big,
           "J11 16 KiB of dots have too many segments");
    start = clock();
    for (int i = 0; i < 1000; i++)
        check(ae_s(dots, 1000000), &r);
    tap_ok(r.too_big && clock() - start < CLOCKS_PER_SEC / 2,
           "J11 a million dots are refused by length alone");
    free(dots);
}

static void segments(void)
{
    static const char *const bad[] = { "", "a", ".", "a.b", "a.b.c.d",
                                       "a.b.c.d.e", "...", "a.b.c." };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        no(ae_cs(bad[i]), AE_STR("token is malformed: token contains an "
           "invalid number of segments"), false,
           i == 5 ? "J10 five parts" : "segments");
    no(ae_s(NULL, 0), AE_STR("token is malformed: token contains an invalid "
       "number of segments"), false, "no token");
}

static void base64(void)
{
    static const struct { const char *token, *what; size_t at; } bad[] = {
        { "!.e30.x", "header", 0 },   { "e30=.e30.x", "header", 3 },
        { "e3 0.e30.x", "header", 2 }, { "e30xe.e30.x", "header", 4 },
        { "e30.e3/0.x", "claim", 2 }, { "e30.e30=.x", "claim", 3 },
        { "e30.e30xx.x", "claim", 4 },
    };
    ae_str t = make_token(&a, "{\"iss\":\"argocd\",\"sub\":\"ci:login\","
                              "\"jti\":\"1\",\"iat\":1}");
    char   last[] = "?";

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        no(ae_cs(bad[i].token),
           ae_fmt(&a, "token is malformed: could not base64 decode %s: "
                  "illegal base64 data at input byte %zu", bad[i].what,
                  bad[i].at), false, "base64");
    no(ae_fmt(&a, "%.*s=", (int)t.n, t.p),
       AE_STR("token is malformed: could not base64 decode signature: "
              "illegal base64 data at input byte 43"), false,
       "padded signature");
    yes(t, "the canonical spelling");
    last[0] = (char)(t.p[t.n - 1] + 1); /* the spare bits of 43 characters */
    no(ae_fmt(&a, "%.*s%s", (int)(t.n - 1), t.p, last),
       AE_STR("token is malformed: base64url is not canonical"), true,
       "spare bits of the last character");
    no(ae_fmt(&a, "%.*s\n", (int)t.n, t.p),
       AE_STR("token is malformed: base64url is not canonical"), true,
       "a line end, which Go skips");
}

struct text { const char *json, *error; };

static void json_texts(void)
{
    static const struct text bad[] = {
        { "", "unexpected end of JSON input" },
        { " ", "unexpected end of JSON input" },
        { "{", "unexpected end of JSON input" },
        { "x", "invalid character 'x' looking for beginning of value" },
        { "'", "invalid character '\\'' looking for beginning of value" },
        { "\\", "invalid character '\\\\' looking for beginning of value" },
        { "\x7f", "invalid character '\\x7f' looking for beginning of value" },
        { "\x80", "invalid character '\\u0080' looking for beginning of "
                  "value" },
        { "\xef\xbb\xbf{}", "invalid character '\xc3\xaf' looking for "
                            "beginning of value" },
        { "{}x", "invalid character 'x' after top-level value" },
        { "{a", "invalid character 'a' looking for beginning of object key "
                "string" },
        { "{\"a\":1,}", "invalid character '}' looking for beginning of "
                        "object key string" },
        { "{\"a\" 1}", "invalid character '1' after object key" },
        { "{\"a\":1 \"b\"}", "invalid character '\"' after object key:value "
                             "pair" },
        { "{\"a\":[1 2]}", "invalid character '2' after array element" },
        { "{\"a\":[1,]}", "invalid character ']' looking for beginning of "
                          "value" },
        { "{\"a\":\"\n\"}", "invalid character '\\n' in string literal" },
        { "{\"a\":\"\\q\"}", "invalid character 'q' in string escape code" },
        { "{\"a\":\"\\u12g\"}", "invalid character 'g' in \\u hexadecimal "
                                "character escape" },
        { "{\"a\":tru}", "invalid character '}' in literal true (expecting "
                         "'e')" },
        { "{\"a\":nulL}", "invalid character 'L' in literal null (expecting "
                          "'l')" },
        { "fals", "invalid character ' ' in literal false (expecting 'e')" },
        { "{\"a\":-}", "invalid character '}' in numeric literal" },
        { "-", "invalid character ' ' in numeric literal" },
        { "{\"a\":1.}", "invalid character '}' after decimal point in numeric "
                        "literal" },
        { "{\"a\":1e+}", "invalid character '}' in exponent of numeric "
                         "literal" },
        { "{\"a\":01}", "invalid character '1' after object key:value pair" },
        { "{\"a\":\"b", "unexpected end of JSON input" },
        { "\"\\", "invalid character ' ' in string escape code" },
        { "[]", "json: cannot unmarshal array into Go value of type %s" },
        { "[1e999]", "json: cannot unmarshal array into Go value of type "
                     "%s" },
        { "\"\"", "json: cannot unmarshal string into Go value of type %s" },
        { "1e999", "json: cannot unmarshal number into Go value of type %s" },
        { "true", "json: cannot unmarshal bool into Go value of type %s" },
        { "{\"a\":[{\"b\":-1e309}]}", "json: cannot unmarshal number -1e309 "
                                      "into Go value of type float64" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        for (int head = 0; head < 2; head++) {
            const char *type = head ? "map[string]interface {}"
                                    : "jwt.MapClaims";
            ae_str      j = ae_b64url_encode(&a, ae_cs(bad[i].json));
            ae_str      t = head ? ae_fmt(&a, "%.*s.e30.", (int)j.n, j.p)
                                 : ae_fmt(&a, "e30.%.*s.", (int)j.n, j.p);
            const char *in = strstr(bad[i].error, "%s");
            ae_str      e = in ? ae_fmt(&a, "%.*s%s",
                                        (int)(in - bad[i].error),
                                        bad[i].error, type)
                               : ae_cs(bad[i].error);

            no(t, ae_fmt(&a, "token is malformed: could not JSON decode %s: "
                         "%.*s", head ? "header" : "claim", (int)e.n, e.p),
               false, "JSON");
        }
}

/* Closed list, item 2: Argo CD would take these. */
static void ambiguous(void)
{
    static const struct { const char *json, *reason; } bad[] = {
        { "\"sub\":\"ci:login\"",
          "token is malformed: JSON has a duplicate member" },
        { "\"x\":{\"a\":1,\"\\u0061\":2}",
          "token is malformed: JSON has a duplicate member" },
        { "\"x\":\"\\u0000\"", "token is malformed: NUL in a JSON string" },
        { "\"\\u0000\":1", "token is malformed: NUL in a JSON string" },
        { "\"x\":\"\xff\"", "token is malformed: JSON is not valid UTF-8" },
        { "\"x\":\"\\ud800\"", "token is malformed: JSON is not valid UTF-8" },
        { "\"x\":\"\\ud800\\u0041\"",
          "token is malformed: JSON is not valid UTF-8" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        no(make_token(&a, ae_fmt(&a, "{\"iss\":\"argocd\",\"sub\":\"ci:login"
                                 "\",\"jti\":\"1\",\"iat\":1,%s}",
                                 bad[i].json).p),
           ae_cs(bad[i].reason), true, i ? "ambiguous" : "J07");
    no(make_token_of(&a, AE_STR("{\"alg\":\"none\",\"alg\":\"HS256\"}"),
                     AE_STR("{\"iss\":\"argocd\",\"sub\":\"ci:login\","
                            "\"jti\":\"1\",\"iat\":1}")),
       AE_STR("token is malformed: JSON has a duplicate member"), true,
       "J07 in the header: the last alg decides, then we refuse");
    yes(make_token(&a, "{\"iss\":\"argocd\",\"sub\":\"ci:login\",\"jti\":"
                       "\"1\",\"iat\":1,\"SUB\":\"x\",\"y\":123456789012345"
                       "67890123,\"z\":\"\\ud83d\\ude00\"} \n"),
        "names differ by case, big integers, pairs, blanks: all fine");
}

static void decode(void)
{
    json_t       *h, *p;
    struct ae_err err = { 0 };

    tap_ok(ae_token_decode(&a, AE_STR("eyJhbGciOiJub25lIn0.e30."), &h, &p,
                           &err) == AE_OK
           && ae_eq_lit(ae_json_get_str(h, "alg"), "none")
           && json_is_object(p), "decode looks at no algorithm");
    json_decref(h);
    json_decref(p);
    tap_ok(ae_token_decode(&a, AE_STR("a.b"), &h, &p, &err) == AE_E_SYNTAX
           && !h && !p && strstr(err.text, "segments"),
           "decode says what is wrong: %s", err.text);
}

static void mint(void)
{
    json_t       *c = json_pack("{s:s,s:s,s:s,s:i}", "iss", "argocd", "sub",
                                "ci:login", "jti", "1", "iat", 1);
    ae_str        t;
    struct ae_err err = { 0 };

    tap_ok(ae_token_mint(&a, SECRET, c, &t, &err) == AE_OK, "mint");
    yes(t, "what libjwt minted, EVP verifies");
    tap_ok(ae_token_mint(&a, AE_STR(""), c, &t, &err) == AE_E_INVAL && !t.p,
           "no secret, no token: %s", err.text);
    json_decref(c);
}

int main(void)
{
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    sizes();
    segments();
    base64();
    json_texts();
    ambiguous();
    decode();
    mint();
    ae_heap_free(&heap);
    return tap_done();
}
