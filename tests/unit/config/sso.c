/*
 * sso.c - oidc.config, dex.config and url as Argo CD reads them
 * (semantics-oidc.md sections 3 and 9), and the provider's documents.
 */
#include "config/config.h"
#include "dir.h"
#include "load.h"
#include "tap.h"

#define I "issuer: https://x\n"

/* |want|: kind (u n o d), issuer, audiences with a comma each, and flags:
 * s skip, g other groups, x by way of Dex. */
static const struct {
    const char *oidc, *dex, *url, *want;
} row[] = {
    { NULL, NULL, "https://a", "n" },
    { "", NULL, "https://a", "n" },
    { I "clientID: c\n", NULL, NULL, "o https://x c," },
    { I "clientID: c\ncliClientID: d\n", NULL, NULL, "o https://x c,d," },
    { I "clientID: c\nallowedAudiences: [a, b]\n", NULL, NULL,
      "o https://x a,b," },
    { I "clientID: c\nallowedAudiences: []\n", NULL, NULL,
      "o https://x c," },
    { I "clientID: c\nallowedAudiences: a\n", NULL, NULL, "n" },
    { I "clientID: c\nallowedAudiences: [5, yes, ~, 0x10]\n", NULL, NULL,
      "o https://x 5,true,,16," },
    { I "clientID: c\nallowedAudiences: [1.5]\n", NULL, NULL, "u" },
    { I "clientID: c\nallowedAudiences: [[a]]\n", NULL, NULL, "n" },
    { I "clientID: 5\n", NULL, NULL, "n" },
    { I "CLIENTid: c\n", NULL, NULL, "o https://x c," },
    { I "clientID: c\nclientid: d\n", NULL, NULL, "u" },
    { I "clientID: c\nbogus: [1]\n", NULL, NULL, "o https://x c," },
    { I "skipAudienceCheckWhenTokenHasNoAudience: true\n", NULL, NULL,
      "o https://x , s" },
    { I "skipAudienceCheckWhenTokenHasNoAudience: \"true\"\n", NULL, NULL,
      "n" },
    { I "enableUserInfoGroups: true\nuserInfoPath: /u\n", NULL, NULL,
      "o https://x , g" },
    { I "enableUserInfoGroups: true\n", NULL, NULL, "o https://x ," },
    { I "userInfoPath: /u\n", NULL, NULL, "o https://x ," },
    { I "clientID: null\n", NULL, NULL, "o https://x ," },
    { I "requestedIDTokenClaims: {groups: {essential: true, values: [a]}}\n",
      NULL, NULL, "o https://x ," },
    { I "requestedIDTokenClaims: {groups: true}\n", NULL, NULL, "u" },
    { I "requestedIDTokenClaims: {groups: {essential: 1}}\n", NULL, NULL,
      "u" },
    { I "requestedIDTokenClaims: {groups: {Values: a}}\n", NULL, NULL, "u" },
    { I "requestedIDTokenClaims: {groups: null}\n", NULL, NULL,
      "o https://x ," },
    { I "azure: {useWorkloadIdentity: true}\n", NULL, NULL,
      "o https://x ," },
    { I "azure: {enableUserGroupOverageClaim: true}\n", NULL, NULL,
      "o https://x , g" },
    { I "azure: {useWorkloadIdentity: \"true\"}\n", NULL, NULL, "u" },
    { I "azure: 5\n", NULL, NULL, "u" },
    { I "requestedScopes: openid\n", NULL, NULL, "n" },
    { I "clientID: c\nallowedAudiences: [$other:id, $here]\n", NULL, NULL,
      "o https://x elsewhere,there," },
    { "issuer: $other:id\n", NULL, NULL, "o elsewhere ," },
    { "{}", NULL, NULL, "o  ," },
    { "- a\n", NULL, NULL, "n" },
    { "name: [\n", NULL, NULL, "n" },
    { "a: &x 1\nb: *x\n", NULL, NULL, "u" },
    { I "clientID: $here\n", NULL, NULL, "o https://x there," },
    { I "clientID: $gone\n", NULL, NULL, "o https://x $gone," },
    { I "clientID: $other:id\n", NULL, NULL, "o https://x elsewhere," },
    { I "clientID: $other:no\n", NULL, NULL, "u" },
    { I "clientID: $none:id\n", NULL, NULL, "u" },
    { I "clientID: $../other:id\n", NULL, NULL, "u" },
    { I "clientSecret: $none:id\nclientID: c\n", NULL, NULL,
      "o https://x c," },
    { NULL, "connectors: []\n", "https://a",
      "d https://a/api/dex argo-cd,argo-cd-cli," },
    { NULL, "connectors: []\n", NULL, "n" },
    { NULL, "{}", "https://a", "n" },
    { NULL, "- a\n", "https://a", "n" },
    { "- void\n", "connectors: []\n", "https://a",
      "d https://a/api/dex argo-cd,argo-cd-cli," },
    { I "clientID: c\n", "connectors: []\n", "https://a",
      "o https://x c, x" },
};

static void show(const struct ae_sso *s, char *out, size_t n)
{
    size_t at = (size_t)snprintf(out, n, "%c", "unod"[s->kind]);

    if (s->kind != AE_SSO_OIDC && s->kind != AE_SSO_DEX)
        return;
    at += (size_t)snprintf(out + at, n - at, " %.*s ", (int)s->issuer.n,
                           s->issuer.p);
    for (size_t i = 0; i < s->naud; i++)
        at += (size_t)snprintf(out + at, n - at, "%.*s,", (int)s->aud[i].n,
                               s->aud[i].p);
    if (s->skip_aud || s->other_groups || s->via_dex)
        snprintf(out + at, n - at, " %s%s%s", s->skip_aud ? "s" : "",
                 s->other_groups ? "g" : "", s->via_dex ? "x" : "");
}

static void settings(void)
{
    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        struct dir d;
        struct run r;
        char       got[400];

        dir_make(&d);
        dir_put(&d, "argocd-cm/admin.enabled", "true");
        dir_put(&d, "argocd-secret/here", " there\n");
        dir_put(&d, "other/id", "elsewhere");
        if (row[i].oidc)
            dir_put(&d, "argocd-cm/oidc.config", row[i].oidc);
        if (row[i].dex)
            dir_put(&d, "argocd-cm/dex.config", row[i].dex);
        if (row[i].url)
            dir_put(&d, "argocd-cm/url", row[i].url);
        load(&r, d.path);
        show(&r.in.sso, got, sizeof(got));
        tap_ok(r.rc == AE_OK && strcmp(got, row[i].want) == 0,
               "%s%s: %s", row[i].oidc ? "oidc" : "", row[i].dex ? "dex" : "",
               got);
        drop(&r);
        dir_remove(&d);
    }
}

static void documents(void)
{
    struct dir d;
    struct run r;
    char      *big = malloc(300000);

    dir_make(&d);
    load(&r, d.path);
    tap_ok(r.in.sso.kind == AE_SSO_UNKNOWN, "no argocd-cm: not known");
    tap_ok(!r.in.sso.have_docs, "no documents");
    drop(&r);
    dir_put(&d, "oidc/jwks.json", "{}");
    dir_put(&d, "argocd-cm/oidc.config", I "clientID: $o:k\n");
    load(&r, d.path);
    tap_ok(r.in.sso.have_docs && ae_eq_lit(r.in.sso.jwks.text, "{}")
           && !r.in.sso.discovery.text.p, "a key set alone");
    tap_ok(ae_sso_stamp(&r.in.sso) == 0, "that does not age");
    tap_ok(!ae_inputs_changed(r.src), "nothing has changed");
    dir_put(&d, "oidc/discovery.json", "{}");
    tap_ok(ae_inputs_changed(r.src), "a document is a change");
    drop(&r);
    load(&r, d.path);
    dir_put(&d, "o/k", "c");
    tap_ok(ae_inputs_changed(r.src), "a Secret that was referred to as well");
    drop(&r);
    dir_put(&d, "oidc/.fetched", "");
    load(&r, d.path);
    tap_ok(ae_sso_stamp(&r.in.sso) > 0, "the mark of who keeps them");
    tap_ok(r.in.sso.naud == 1 && ae_eq_lit(r.in.sso.aud[0], "c"),
           "the reference is filled in");
    drop(&r);
    memset(big, ' ', 300000);
    dir_put_n(&d, "oidc/jwks.json", big, 300000);
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && !r.in.sso.have_docs, "300 KB are no key set");
    drop(&r);
    dir_remove(&d);
    free(big);
}

int main(void)
{
    settings();
    documents();
    return tap_done();
}
