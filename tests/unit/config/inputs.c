/* The mounted layout, as the recorded server had it, and its edges. */
#include "config/config.h"
#include "dir.h"
#include "load.h"
#include "tap.h"

#include <sys/stat.h>

static bool warned(const struct run *r, const char *key, const char *what)
{
    for (size_t i = 0; i < r->in.nwarnings; i++)
        if (ae_eq(r->in.warnings[i].key, ae_cs(key))
            && ae_find_str(r->in.warnings[i].text, ae_cs(what)) != SIZE_MAX)
            return true;
    return false;
}

static void recorded(void)
{
    struct run r;

    load(&r, "tests/vectors/api/inputs/seed");
    tap_ok(r.rc == AE_OK, "the recorded inputs load (%s)", r.err.text);
    tap_ok(r.in.nprojects == 6 && r.in.have_projects, "six projects");
    tap_ok(r.in.have_accounts && r.in.have_secret, "accounts and secret");
    tap_ok(r.in.secret_key.n == 45, "secret key as it stands");
    tap_ok(r.in.rbac.scopes_set && r.in.rbac.nscopes == 1
           && ae_eq_lit(r.in.rbac.scopes[0], "groups"), "scopes");
    tap_ok(r.in.rbac.default_role.n == 0 && r.in.rbac.default_role.p,
           "no default role");
    tap_ok(ae_eq_lit(r.in.url, "https://argocd.example.com"), "url");
    tap_ok(r.in.sso.kind == AE_SSO_NONE && !r.in.anonymous,
           "no sso, not anonymous");
    tap_ok(warned(&r, "accounts.weird-name.with.dots", "dot"),
           "a name with dots is warned of");
    tap_ok(ae_inputs_changed(r.src) == 0, "nothing has changed");
    drop(&r);
}

static void overlays(void)
{
    struct dir d;
    struct run r;

    dir_make(&d);
    dir_put(&d, "argocd-rbac-cm/policy.csv", "p, a, b, c, d, allow");
    dir_put(&d, "argocd-rbac-cm/policy.z.csv", "# z");
    dir_put(&d, "argocd-rbac-cm/policy.A.csv", "# A");
    dir_put(&d, "argocd-rbac-cm/policy.default", "role:readonly\n");
    dir_put(&d, "argocd-rbac-cm/policy.csv~", "junk");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && r.in.rbac.nparts == 3, "three texts");
    tap_ok(r.in.rbac.nparts == 3
           && ae_eq_lit(r.in.rbac.parts[0].key, "policy.csv")
           && ae_eq_lit(r.in.rbac.parts[1].key, "policy.A.csv")
           && ae_eq_lit(r.in.rbac.parts[2].key, "policy.z.csv"),
           "overlays in byte order (C7)");
    tap_ok(ae_eq_lit(r.in.rbac.default_role, "role:readonly\n"),
           "a default role is not trimmed (R4)");
    tap_ok(warned(&r, "policy.default", "white space"), "but warned of");
    tap_ok(!r.in.have_accounts && !r.in.have_secret && !r.in.have_projects,
           "what is not there is not known");
    drop(&r);
    dir_remove(&d);
}

static void empty(void)
{
    struct dir d;
    struct run r;

    dir_make(&d);
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && r.in.rbac.nparts == 1
           && r.in.rbac.parts[0].text.n == 0, "an empty directory is a stock "
           "installation (F18)");
    drop(&r);
    dir_put(&d, "appprojects/README", "not a manifest");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && r.in.have_projects && r.in.nprojects == 0,
           "an empty appprojects means that there are none");
    drop(&r);
    dir_remove(&d);
    load(&r, d.path);
    tap_ok(r.rc == AE_E_IO && strstr(r.err.text, "argo_edge_inputs")
           && strcmp(r.err.file, d.path) == 0, "a missing directory: %s",
           r.err.text);
    drop(&r);
}

static void not_files(void)
{
    char       path[300];
    struct dir d;
    struct run r;

    dir_make(&d);
    dir_put(&d, "argocd-rbac-cm/scopes", "[groups]");
    snprintf(path, sizeof(path), "%s/argocd-rbac-cm/policy.csv", d.path);
    mkfifo(path, 0600);
    load(&r, d.path);
    tap_ok(r.rc == AE_E_IO && strstr(r.err.text, "FIFO"), "a FIFO: %s",
           r.err.text);
    drop(&r);
    unlink(path);
    mkdir(path, 0700);
    load(&r, d.path);
    tap_ok(r.rc == AE_E_IO && strstr(r.err.text, "directory"),
           "a directory: %s", r.err.text);
    drop(&r);
    rmdir(path);
    if (symlink("nowhere", path) == 0)
        load(&r, d.path);
    tap_ok(r.rc == AE_E_NOTFOUND && strstr(r.err.file, "policy.csv"),
           "a dangling link: %s", r.err.text);
    drop(&r);
    unlink(path);
    dir_put(&d, "argocd-rbac-cm/policy.matchMode", "regexp");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && r.in.rbac.mode == AE_MATCH_GLOB
           && warned(&r, "policy.matchMode", "glob"), "an odd match mode");
    drop(&r);
    dir_put(&d, "argocd-rbac-cm/scopes", "[groups\n");
    load(&r, d.path);
    tap_ok(r.rc == AE_E_SYNTAX && strstr(r.err.file, "/scopes")
           && r.err.line == 2, "bad scopes: %s:%u: %s", r.err.file,
           r.err.line, r.err.text);
    drop(&r);
    dir_remove(&d);
}

static void modes(void)
{
    struct dir     d;
    struct run     r;
    struct ae_conf serve;

    ae_conf_init(&serve);
    dir_make(&d);
    dir_put(&d, "argocd-secret/server.secretkey", "k");
    dir_mode(&d, "argocd-secret/server.secretkey", 0440);
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && r.in.nwarnings == 0, "0440 is as it should be");
    drop(&r);
    dir_mode(&d, "argocd-secret/server.secretkey", 0644);
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && warned(&r, "server.secretkey", "0440"),
           "0644 is warned of where nobody is served");
    drop(&r);
    serve.serving = true;
    memset(&r, 0, sizeof(r));
    r.rc = ae_inputs_load(ae_cs(d.path), &serve, &r.heap, &r.in, &r.src,
                          &r.err);
    tap_ok(r.rc == AE_E_IO && strstr(r.err.text, "defaultMode: 0440"),
           "a server refuses it (R33): %s", r.err.text);
    drop(&r);
    dir_mode(&d, "argocd-secret/server.secretkey", 0666);
    load(&r, d.path);
    tap_ok(r.rc == AE_E_IO && strstr(r.err.text, "go-w"),
           "0666 is refused (R33): %s", r.err.text);
    drop(&r);
    dir_mode(&d, "argocd-secret/server.secretkey", 0600);
    dir_put(&d, "argocd-rbac-cm/policy.csv", "");
    dir_mode(&d, "argocd-rbac-cm/policy.csv", 0666);
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && warned(&r, "policy.csv", "everybody"),
           "a policy that all may write is warned of");
    drop(&r);
    dir_remove(&d);
}

static void switches(void)
{
    struct dir d;
    struct run r;
    uint64_t   hash;

    dir_make(&d);
    dir_put(&d, "argocd-cm/users.anonymous.enabled", "True");
    dir_put(&d, "argocd-cm/server.rbac.rollback.enforce.enable", "t");
    dir_put(&d, "argocd-cm/"
            "server.rbac.disableApplicationFineGrainedRBACInheritance",
            "false");
    dir_put(&d, "argocd-cm/"
            "application.sync.requireOverridePrivilegeForRevisionSync",
            "sure");
    dir_put(&d, "argocd-cm/dex.config", "connectors: []");
    dir_put(&d, "argocd-cm/url", "https://argocd.example.com");
    load(&r, d.path);
    tap_ok(!r.in.anonymous, "anonymous wants exactly true");
    tap_ok(r.in.rollback_enforced, "rollback as ParseBool reads it");
    tap_ok(r.in.fine_grained_inherit, "inheritance is the inverse");
    tap_ok(!r.in.override_for_revision && r.in.nwarnings == 1,
           "what ParseBool refuses is warned of");
    tap_ok(r.in.sso.kind == AE_SSO_DEX, "dex.config means sso");
    hash = r.in.content_hash;
    drop(&r);
    dir_put(&d, "argocd-cm/dex.config", "connectors: {}");
    load(&r, d.path);
    tap_ok(hash != r.in.content_hash, "the hash covers every byte");
    drop(&r);
    dir_remove(&d);
}

int main(void)
{
    recorded();
    overlays();
    empty();
    not_files();
    modes();
    switches();
    return tap_done();
}
