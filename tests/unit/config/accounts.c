/* Local accounts, by the rules that tokens.json records. */
#include "config/config.h"
#include "dir.h"
#include "tap.h"

struct run {
    ae_heap          heap;
    struct ae_inputs in;
    struct ae_err    err;
    int              rc;
};

static void load(struct run *r, const char *dir)
{
    memset(r, 0, sizeof(*r));
    r->rc = ae_inputs_load(ae_cs(dir), NULL, &r->heap, &r->in, NULL, &r->err);
}

static const struct ae_account *get(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->in.naccounts; i++)
        if (ae_eq(r->in.accounts[i].name, ae_cs(name)))
            return &r->in.accounts[i];
    return NULL;
}

static void recorded(void)
{
    const struct ae_account *a;
    struct run               r;

    load(&r, "tests/vectors/api/inputs/seed");
    a = get(&r, "admin");
    tap_ok(a && a->enabled && a->cap_login && !a->cap_apikey && a->has_mtime
           && a->mtime == 1748736000 && a->ntokens == 1, "admin");
    a = get(&r, "nocap");
    tap_ok(a && !a->cap_login && !a->cap_apikey && a->ntokens == 1,
           "nocap exists and can nothing");
    tap_ok(!get(&r, "weird-name.with.dots") && !get(&r, "weird-name"),
           "a name with dots does not exist");
    a = get(&r, "disabled");
    tap_ok(a && !a->enabled && a->cap_login && a->cap_apikey, "disabled");
    a = get(&r, "ops");
    tap_ok(a && a->ntokens == 2 && ae_eq_lit(a->tokens[1].id, "ops-apiKey-2")
           && a->tokens[1].iat == 1767225600 && a->tokens[1].exp == 0,
           "tokens");
    tap_ok(!get(&r, "ghost") && r.in.naccounts == 12, "and no others (%zu)",
           r.in.naccounts);
    ae_heap_free(&r.heap);
}

static void odd(void)
{
    const struct ae_account *a;
    struct dir               d;
    struct run               r;

    dir_make(&d);
    dir_put(&d, "argocd-cm/admin.enabled", "F");
    dir_put(&d, "argocd-cm/accounts.admin", "apiKey");
    dir_put(&d, "argocd-cm/accounts.ci", " apiKey , bogus,login ");
    dir_put(&d, "argocd-cm/accounts.only.enabled", "true");
    dir_put(&d, "argocd-secret/accounts.ci.tokens", "junk");
    dir_put(&d, "argocd-secret/accounts.ci.passwordMtime",
            "2026-02-01T01:00:00.25+01:00");
    dir_put(&d, "argocd-secret/accounts.only.tokens",
            "[{\"ID\":\"x\",\"iat\":1.5,\"exp\":7,\"exp\":9},null,3]");
    load(&r, d.path);
    a = get(&r, "admin");
    tap_ok(r.in.have_accounts && a && !a->enabled && a->cap_apikey
           && a->cap_login, "admin may get apiKey, and be switched off");
    a = get(&r, "ci");
    tap_ok(a && a->cap_apikey && a->cap_login && a->ntokens == 0,
           "capabilities are trimmed; junk means no tokens");
    tap_ok(a && a->mtime == 1769904001, "a fraction of a second counts");
    a = get(&r, "only");
    tap_ok(a && !a->cap_apikey && a->ntokens == 3
           && ae_eq_lit(a->tokens[0].id, "x") && a->tokens[0].iat == 0
           && a->tokens[0].exp == 9 && a->tokens[1].id.n == 0,
           "tokens as Go's decoder leaves them");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-secret/accounts.ci.tokens",
            "[{\"id\":\"y\",\"iat\":9223372036854775808}]");
    dir_put(&d, "argocd-secret/admin.passwordMtime",
            "2026-01-01T00:00:00,5Z");
    load(&r, d.path);
    a = get(&r, "ci");
    tap_ok(r.in.have_accounts && a && a->ntokens == 1
           && ae_eq_lit(a->tokens[0].id, "y"), "a number too long for Go");
    a = get(&r, "admin");
    tap_ok(a && a->has_mtime && a->mtime == 1767225601, "a comma is a point");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-secret/accounts.ci.tokens",
            "[{\"id\":\"y\",\"x\":\"\\ud800\"}]");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && !r.in.have_accounts,
           "what Go reads and jansson does not is not known");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-secret/accounts.ci.tokens", "junk");
    dir_put(&d, "argocd-cm/admin.enabled", "maybe");
    dir_put(&d, "argocd-secret/admin.passwordMtime", "yesterday");
    load(&r, d.path);
    a = get(&r, "admin");
    tap_ok(r.in.have_accounts && a && a->enabled && !a->has_mtime,
           "what Argo CD ignores of admin");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-cm/accounts.only.enabled", "maybe");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && !r.in.have_accounts && r.in.nwarnings >= 3,
           "where Argo CD refuses all accounts we know none");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-cm/accounts.only.enabled", "true");
    dir_put(&d, "argocd-secret/accounts.ci.passwordMtime", "yesterday");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && !r.in.have_accounts, "a bad passwordMtime too");
    ae_heap_free(&r.heap);
    dir_remove(&d);
}

int main(void)
{
    recorded();
    odd();
    return tap_done();
}
