/*
 * check.c - the verdict on argocd tokens: account and project rules (T8,
 * semantics-api section 2), the closed list, missing inputs, no memory.
 */
#include "tap.h"
#include "explained.h"
#include "make.h"

enum { NOW = 1790000000 };

static struct ae_api_token ids[] = { { AE_STR("t1"), 5, 0 },
                                     { AE_STR("t2"), 5, 6 } };
static struct ae_account accounts[] = {
    { .name = { "admin", 5 }, .enabled = true, .cap_login = true },
    { .name = { "ci", 2 }, .enabled = true, .cap_apikey = true,
      .tokens = ids, .ntokens = 2, .has_mtime = true, .mtime = 1700000000 },
    { .name = { "off", 3 }, .cap_apikey = true, .tokens = ids,
      .ntokens = 2 },
    { .name = { "nocap", 5 }, .enabled = true },
};
static struct ae_jwt_ref refs[] = { { AE_STR("j1"), 100, 0 },
                                    { AE_STR(""), 200, 0 },
                                    { AE_STR("neg"), -1, 0 } };
static struct ae_jwt_ref fresh[] = { { AE_STR("new"), 300, 0 } };
static struct ae_role_tokens roles[] = { { AE_STR("r"), refs, 3 },
                                         { AE_STR("gone"), refs, 3 } };
static struct ae_role declared[] = {
    { .name = { "r", 1 }, .spec_tokens = refs, .nspec_tokens = 3 },
    { .name = { "s", 1 }, .spec_tokens = fresh, .nspec_tokens = 1 },
};
static struct ae_project projects[] = {
    { .name = { "p", 1 }, .ns = { "elsewhere", 9 } },
    { .name = { "p", 1 }, .tokens = roles, .ntokens = 2, .roles = declared,
      .nroles = 2 },
    { .name = { "q", 1 }, .ns = { "argocd", 6 }, .tokens = roles,
      .ntokens = 2, .roles = declared, .nroles = 2 },
};

static ae_heap  heap;
static ae_arena a;

static struct ae_inputs inputs(void)
{
    struct ae_inputs in = { .have_accounts = true, .have_secret = true,
        .have_projects = true, .accounts = accounts, .naccounts = 4,
        .projects = projects, .nprojects = 3, .secret_key = SECRET,
        .sso = { .kind = AE_SSO_NONE } };

    return in;
}

static void check(const struct ae_inputs *in, ae_str token,
                  struct ae_token_result *r)
{
    ae_tokens *t;

    memset(r, 0, sizeof(*r));
    if (ae_tokens_new(in, AE_STR("argocd"), &t, NULL))
        return;
    ae_token_check(t, &a, token, NOW, r);
    if (!explained(t, ae_tokens_keyset(t), &a, token, NOW, r))
        tap_ok(0, "explained as decided: %.*s", (int)token.n, token.p);
    ae_tokens_free(t);
}

/* Accepted for |user|. */
static void yes(const struct ae_inputs *in, ae_str token, const char *user,
                enum ae_token_kind kind, bool confirmed, const char *text)
{
    struct ae_token_result r;
    struct ae_identity    *i;

    check(in, token, &r);
    i = r.identity;
    tap_ok(r.verdict == AE_TOKEN_OK && i && ae_eq(i->user, ae_cs(user))
           && i->kind == kind && i->confirmed == confirmed
           && ae_eq_lit(i->issuer, "argocd")
           && ae_eq(ae_claims_user(i->claims), ae_cs(user)),
           "%s: %s as %s%s%.*s", text, user, ae_token_kind_name(kind),
           r.verdict == AE_TOKEN_OK ? "" : ", got: ", (int)r.reason.n,
           r.reason.p ? r.reason.p : "");
    ae_identity_unref(i);
}

static void no(const struct ae_inputs *in, ae_str token, const char *reason,
               bool stricter, const char *text)
{
    struct ae_token_result r;

    check(in, token, &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && !r.identity
           && r.stricter == stricter && ae_eq(r.reason, ae_cs(reason)),
           "%s: %.*s", text, (int)r.reason.n, r.reason.p);
    ae_identity_unref(r.identity);
}

static void unknown(const struct ae_inputs *in, ae_str token,
                    const char *text)
{
    struct ae_token_result r;

    check(in, token, &r);
    tap_ok(r.verdict == AE_TOKEN_UNKNOWN && !r.identity, "%s: unknown, %.*s",
           text, (int)r.reason.n, r.reason.p);
    ae_identity_unref(r.identity);
}

#define SUB(sub, rest) \
    make_token(&a, "{\"iss\":\"argocd\",\"sub\":\"" sub "\"," rest "}")
#define CI(rest) SUB("ci:apiKey", "\"jti\":\"t1\",\"iat\":1700000000" rest)

static void account_rules(void)
{
    struct ae_inputs in = inputs();

    yes(&in, CI(""), "ci", AE_KIND_APIKEY, true, "api key, iat at mtime");
    no(&in, SUB("ci", "\"jti\":\"t1\",\"iat\":1699999999"),
       "account password has changed since token issued", false,
       "iat one second before the password");
    yes(&in, SUB("ci:x:y", "\"jti\":\"t2\",\"iat\":1800000000.9"), "ci",
        AE_KIND_APIKEY, true, "any capability but login; iat ahead");
    yes(&in, SUB("admin:login", "\"jti\":\"any\",\"iat\":1"), "admin",
        AE_KIND_LOGIN, true, "login takes any jti");
    no(&in, SUB("admin:apiKey", "\"jti\":\"t1\",\"iat\":1"),
       "account admin does not have 'apiKey' capability", false, "admin");
    no(&in, SUB("nocap:login", "\"jti\":\"t1\",\"iat\":1"),
       "account nocap does not have 'login' capability", false, "nocap");
    no(&in, SUB("off:login", "\"jti\":\"t1\",\"iat\":1"),
       "account off is disabled", false, "disabled before the capability");
    no(&in, SUB("ci:apiKey", "\"jti\":\"t3\",\"iat\":1"),
       "account ci does not have token with id t3", false,
       "unknown id before the password");
    no(&in, SUB("ci:apiKey", "\"iat\":1"),
       "token does not have a unique identifier (jti claim) and cannot be "
       "validated", false, "no jti");
    no(&in, SUB("Admin:login", "\"jti\":\"t1\",\"iat\":1"),
       "rpc error: code = NotFound desc = account 'Admin' does not exist",
       false, "names are compared exactly");
    yes(&in, SUB("ci", "\"jti\":\"t1\",\"iat\":1700000000,"
                 "\"federated_claims\":{\"user_id\":\"admin:login\"}"),
        "admin:login", AE_KIND_LOGIN, true,
        "a federated id is judged as an account, but not cut");
}

static void project_rules(void)
{
    struct ae_inputs       in = inputs();
    struct ae_token_result r;

    yes(&in, SUB("proj:p:r", "\"jti\":\"j1\",\"iat\":7"), "proj:p:r",
        AE_KIND_PROJECT, true, "T8 by id");
    yes(&in, SUB("proj:p:r", "\"jti\":\"other\",\"iat\":200"), "proj:p:r",
        AE_KIND_PROJECT, true, "T8 an unknown id falls back to iat");
    no(&in, SUB("proj:p:r", "\"jti\":\"\",\"iat\":7"),
       "JWT token for role 'r' issued at '7' does not exist in project 'p'",
       false, "an empty id matches no empty id");
    no(&in, SUB("proj:p:r", "\"iat\":-1"),
       "JWT token for role 'r' issued at '-1' does not exist in project 'p'",
       false, "iat -1 is never looked up");
    no(&in, SUB("proj:p:other", "\"iat\":100"),
       "JWT token for role 'other' issued at '100' does not exist in project "
       "'p'", false, "another role");
    yes(&in, SUB("proj:q:r", "\"iat\":100"), "proj:q:r", AE_KIND_PROJECT,
        true, "namespace spelled out");
    yes(&in, SUB("proj:p:s", "\"jti\":\"new\",\"iat\":7"), "proj:p:s",
        AE_KIND_PROJECT, false, "a token that only the spec has");
    yes(&in, SUB("proj:p:gone", "\"jti\":\"j1\",\"iat\":7"), "proj:p:gone",
        AE_KIND_PROJECT, false, "a role that only the status has");
    check(&in, SUB("proj:z\\\"\\n:r", "\"iat\":100"), &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && r.no_project
           && ae_eq_lit(r.reason, "appproject.argoproj.io \"z\\\"\\n\" not "
                        "found"), "a missing project is marked");
    check(&in, SUB("proj:\\u2028\\u00e9:r", "\"iat\":100"), &r);
    tap_ok(r.verdict == AE_TOKEN_REFUSED && r.no_project
           && ae_eq_lit(r.reason, "appproject.argoproj.io \"\\u2028\xc3\xa9"
                        "\" not found"), "and quoted as Go does");
    no(&in, SUB("proj:p:r:s", "\"iat\":100"),
       "rpc error: code = NotFound desc = account 'proj' does not exist",
       false, "four parts");
    in.have_projects = false;
    yes(&in, SUB("proj:p:r", "\"iat\":5"), "proj:p:r", AE_KIND_PROJECT,
        false, "no AppProjects: verified, not confirmed");
}

static void lacking_inputs(void)
{
    struct ae_inputs in = inputs();

    in.have_secret = false;
    yes(&in, SUB("ci", "\"jti\":\"zz\",\"iat\":5"), "ci", AE_KIND_APIKEY,
        false, "no argocd-secret: not confirmed");
    in.have_accounts = false;
    yes(&in, SUB("who", "\"jti\":\"zz\",\"iat\":5"), "who", AE_KIND_APIKEY,
        false, "no argocd-cm: not confirmed");
    in.sso.kind = AE_SSO_UNKNOWN;
    unknown(&in, make_token(&a, "{\"iss\":\"x\"}"),
            "no argocd-cm: SSO may be on");
    in = inputs();
    in.secret_key = ae_s(NULL, 0); /* F36 */
    unknown(&in, CI(""), "no server.secretkey");
    in.secret_key = AE_STR("");
    unknown(&in, CI(""), "J04 an empty server.secretkey");
    no(&in, make_token_of(&a, AE_STR("{\"alg\":\"none\"}"),
                          AE_STR("{\"iss\":\"argocd\"}")),
       "token is unverifiable: error while executing keyfunc: unexpected "
       "signing method: none", false, "J01 none needs no key to be refused");
    in = inputs();
    in.sso.kind = AE_SSO_UNKNOWN;
    unknown(&in, make_token(&a, "{\"iss\":\"https://idp\"}"),
            "SSO: the issuer is not ours");
    no(&in, make_token(&a, "{\"iss\":\"https://idp\",\"sub\":\"a\","
                       "\"sub\":\"b\"}"),
       "token is malformed: JSON has a duplicate member", true,
       "J07 whoever issued it");
}

/* Algorithms (J01, J02, J05, J12). */
static void algorithms(void)
{
    static const char *const bad[] = { "none", "RS256", "ES256", "EdDSA" };
    struct ae_inputs         in = inputs();
    ae_str                   body = AE_STR("{\"iss\":\"argocd\",\"sub\":"
                                           "\"ci\",\"jti\":\"t1\",\"iat\":"
                                           "1700000000}");

    in.sso.kind = AE_SSO_UNKNOWN;
    for (size_t i = 0; i < 4; i++)
        no(&in, make_token_of(&a, ae_fmt(&a, "{\"alg\":\"%s\"}", bad[i]),
                              body),
           ae_fmt(&a, "token is unverifiable: error while executing keyfunc: "
                  "unexpected signing method: %s", bad[i]).p, false,
           i ? "J02 iss argocd takes HMAC only" : "J01 none");
    no(&in, make_token_of(&a, AE_STR("{\"alg\":\"nOnE\"}"), body),
       "token is unverifiable: signing method (alg) is unavailable", false,
       "J01 nOnE");
    yes(&in, make_token_of(&a, AE_STR("{\"alg\":\"HS256\",\"jku\":\"http://"
        "evil\",\"x5u\":\"\",\"x5c\":[],\"jwk\":{},\"kid\":\"' OR 1=1\"}"),
        body), "ci", AE_KIND_APIKEY, true,
        "J05 J06 jwk, jku, x5c, x5u and kid are ignored");
    no(&in, make_token_of(&a, AE_STR("{\"alg\":\"HS256\",\"crit\":[\"x\"]}"),
                          body),
       "token is unverifiable: critical header members (crit) are not "
       "supported", true, "J12 crit");
    no(&in, make_token_of(&a, AE_STR("{\"alg\":\"HS256\",\"kid\":\"a"
                                     "\\u0000b\"}"), body),
       "token is malformed: NUL in a JSON string", true, "J06 NUL");
    no(&in, make_token_of(&a, AE_STR("{\"alg\":\"HS256\",\"crit\":[\"x\"]}"),
                          AE_STR("{\"iss\":\"argocd\",\"exp\":1}")),
       "token has invalid claims: token is expired", false,
       "what Argo CD refuses gets its words, crit or not");
}

static void times(void)
{
    struct ae_inputs in = inputs();

    yes(&in, CI(",\"exp\":1790000001"), "ci", AE_KIND_APIKEY, true,
        "J08 exp one second ahead");
    no(&in, CI(",\"exp\":1790000000.9"),
       "token has invalid claims: token is expired", false,
       "J08 exp now, fraction dropped");
    yes(&in, CI(",\"nbf\":1790000000.9"), "ci", AE_KIND_APIKEY, true,
        "nbf now");
    no(&in, CI(",\"nbf\":1790000001"),
       "token has invalid claims: token is not valid yet", false,
       "nbf one second ahead: no leeway");
    no(&in, CI(",\"exp\":5,\"nbf\":1790000001"),
       "token has invalid claims: token is expired, token is not valid yet",
       false, "both complaints, exp first");
    no(&in, CI(",\"exp\":\"9\",\"nbf\":[]"),
       "token has invalid claims: invalid type for claim: exp is invalid, "
       "invalid type for claim: nbf is invalid", false, "both of wrong type");
    no(&in, CI(",\"exp\":1e400"),
       "token is malformed: could not JSON decode claim: json: cannot "
       "unmarshal number 1e400 into Go value of type float64", false,
       "J13 1e400");
    no(&in, CI(",\"exp\":9223372036854775808"),
       "token has invalid claims: token is expired", false,
       "an integer that no int64 holds");
    no(&in, SUB("ci", "\"iat\":[1,1.5,1e6,\"x\",null,true,{\"b\":2,\"a\":1}"
                "]"),
       "iat '[1 1.5 1e+06 x <nil> true map[a:1 b:2]]' is not a number", false,
       "Go's %v");
}

/* ["g","g",...]: |n| groups */
static ae_str groups(size_t n)
{
    ae_buf b;

    ae_buf_init(&b, &a, 0);
    ae_buf_puts(&b, "{\"iss\":\"argocd\",\"sub\":\"ci\",\"jti\":\"t1\","
                    "\"iat\":1700000000,\"groups\":[");
    for (size_t i = 0; i < n; i++)
        ae_buf_puts(&b, i ? ",\"g\"" : "\"g\"");
    ae_buf_puts(&b, "]}");
    return make_token_of(&a, AE_STR(HEADER), ae_buf_str(&b));
}

static ae_str nested(int depth)
{
    ae_buf b;

    ae_buf_init(&b, &a, 0);
    ae_buf_puts(&b, "{\"iss\":\"argocd\",\"sub\":\"ci\",\"jti\":\"t1\","
                    "\"iat\":1700000000,\"x\":");
    for (int i = 1; i < depth; i++)
        ae_buf_putc(&b, '[');
    for (int i = 1; i < depth; i++)
        ae_buf_putc(&b, ']');
    ae_buf_putc(&b, '}');
    return make_token_of(&a, AE_STR(HEADER), ae_buf_str(&b));
}

static void limits(void)
{
    struct ae_inputs in = inputs();
    static const ae_str scopes[] = { { "email", 5 } };

    yes(&in, groups(1000), "ci", AE_KIND_APIKEY, true, "J13 1,000 groups");
    no(&in, groups(1001), "token has invalid claims: more than 1000 groups",
       true, "J13 1,001 groups");
    in.rbac.scopes = scopes;
    in.rbac.nscopes = 1;
    yes(&in, groups(1001), "ci", AE_KIND_APIKEY, true,
        "a claim that is no scope is not counted");
    in = inputs();
    yes(&in, nested(16), "ci", AE_KIND_APIKEY, true, "J13 depth 16");
    no(&in, nested(17), "token is malformed: JSON is nested too deeply",
       true, "J13 depth 17");
}

static void anonymous(void)
{
    struct ae_inputs    in = inputs();
    struct ae_identity *i;
    ae_tokens          *t;

    in.anonymous = true;
    no(&in, make_token_of(&a, AE_STR(HEADER), AE_STR("{\"iss\":\"x\"}")),
       "SSO is not configured", false,
       "C08 a bad token stays bad with anonymous on");
    ae_tokens_new(&in, AE_STR("argocd"), &t, NULL);
    i = ae_token_anonymous(t);
    tap_ok(i && i->kind == AE_KIND_ANONYMOUS && i->user.n == 0 && !i->claims
           && !i->has_exp, "the anonymous identity is empty");
    ae_tokens_free(t);
}

static uint64_t gen_of(const struct ae_inputs *in)
{
    ae_tokens *t;
    uint64_t   g = 0;

    if (!ae_tokens_new(in, AE_STR("argocd"), &t, NULL)) {
        g = ae_tokens_generation(t);
        ae_tokens_free(t);
    }
    return g;
}

static void generations(void)
{
    struct ae_inputs in = inputs(), other = inputs();
    uint64_t         g = gen_of(&in);

    tap_ok(g && g == gen_of(&other), "the generation follows the content");
    other.rbac.default_role = AE_STR("role:x");
    tap_ok(g == gen_of(&other), "a policy edit leaves it alone");
    other.secret_key = AE_STR("rotated");
    tap_ok(g != gen_of(&other), "another key moves it");
    other = inputs();
    accounts[1].enabled = false;
    tap_ok(g != gen_of(&other), "a disabled account moves it");
    accounts[1].enabled = true;
    refs[0].iat++;
    tap_ok(g != gen_of(&other), "a project token moves it");
    refs[0].iat--;
    other.nprojects = 2;
    tap_ok(g != gen_of(&other), "a missing project moves it");
}

/* The id hash keeps issuer, user and kind apart (K12). */
static void scopes(void)
{
    struct ae_inputs       in = inputs();
    struct ae_token_result x, y, z;

    check(&in, SUB("admin:login", "\"jti\":\"1\",\"iat\":1"), &x);
    check(&in, SUB("admin:login", "\"jti\":\"2\",\"iat\":2"), &y);
    check(&in, CI(""), &z);
    tap_ok(!memcmp(x.identity->id_hash, y.identity->id_hash, 32)
           && memcmp(x.identity->digest, y.identity->digest, 32)
           && memcmp(x.identity->id_hash, z.identity->id_hash, 32),
           "K12 one identity, two tokens");
    ae_identity_unref(x.identity);
    ae_identity_unref(y.identity);
    ae_identity_unref(z.identity);
}

/* ---- the n-th allocation fails ---- */

struct failing { ae_heap heap; size_t left; };

static void *fail_alloc(void *ctx, size_t n)
{
    struct failing *f = ctx;
    struct ae_mem   m = ae_heap_mem(&f->heap);

    return f->left && f->left-- ? m.alloc(m.ctx, n) : NULL;
}

static bool sweep(ae_tokens *t, ae_str token, enum ae_token_verdict want)
{
    for (size_t n = 0; n < 200; n++) {
        struct failing         f = { { NULL, 0 }, n };
        struct ae_mem          m = { fail_alloc, &f };
        ae_arena               b;
        struct ae_token_result r;
        bool                   ran_out;

        ae_arena_init(&b, m, NULL, 0);
        /* a limit of n bytes finds the places between two blocks */
        b.limit = n % 2 ? 64 * n : 0;
        ae_token_check(t, &b, token, NOW, &r);
        ran_out = b.failed;
        ae_identity_unref(r.identity);
        ae_heap_free(&f.heap);
        if (!ran_out)
            return r.verdict == want;
        if (r.verdict != AE_TOKEN_UNKNOWN || r.identity)
            return false;
    }
    return false;
}

static void no_memory(void)
{
    struct ae_inputs in = inputs();
    ae_tokens       *t;

    ae_tokens_new(&in, AE_STR("argocd"), &t, NULL);
    tap_ok(sweep(t, CI(""), AE_TOKEN_OK),
           "out of memory is unknown, never a verdict: accepted token");
    tap_ok(sweep(t, SUB("ghost", "\"jti\":\"1\",\"iat\":1"),
                 AE_TOKEN_REFUSED), "... unknown account");
    tap_ok(sweep(t, SUB("proj:p:x", "\"iat\":1"), AE_TOKEN_REFUSED),
           "... unknown project token");
    tap_ok(sweep(t, SUB("ci", "\"iat\":[1,{\"a\":2}]"), AE_TOKEN_REFUSED),
           "... iat of wrong type");
    tap_ok(sweep(t, CI(",\"exp\":1"), AE_TOKEN_REFUSED), "... expired");
    tap_ok(sweep(t, AE_STR("e30.e}.x"), AE_TOKEN_REFUSED), "... base64");
    tap_ok(sweep(t, AE_STR("bm8.e30.x"), AE_TOKEN_REFUSED), "... JSON");
    ae_tokens_free(t);
}

int main(void)
{
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    account_rules();
    project_rules();
    lacking_inputs();
    algorithms();
    times();
    limits();
    anonymous();
    generations();
    scopes();
    no_memory();
    ae_heap_free(&heap);
    return tap_done();
}
