/*
 * inputs.c - everything that Argo CD's own objects say, as plain data.
 */
#include "config/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A switch that Argo CD reads with ParseBool, and fails on otherwise. */
static bool flag(struct cfg_load *l, const struct cfg_object *cm,
                 const char *key, bool def, bool safe)
{
    const struct ae_text *t = cfg_object_text(cm, key);
    bool                  v = def;

    if (!t || t->text.n == 0)
        return def;
    if (cfg_parse_bool(t->text, &v))
        return v;
    cfg_warn(l, t, "is not true or false; taken as %s",
             safe ? "true" : "false");
    return safe;
}

static void settings(struct cfg_load *l, const struct cfg_object *cm)
{
    struct ae_inputs *in = l->in;

    /* compared with the text "true" and nothing else by Argo CD */
    in->anonymous = ae_eq_lit(cfg_object_get(cm, "users.anonymous.enabled"),
                              "true");
    in->rollback_enforced =
        flag(l, cm, "server.rbac.rollback.enforce.enable", false, false);
    /* unreadable: the side that refuses less, Argo CD checks again */
    in->fine_grained_inherit = !flag(l, cm,
        "server.rbac.disableApplicationFineGrainedRBACInheritance", true,
        false);
    in->override_for_revision = flag(l, cm,
        "application.sync.requireOverridePrivilegeForRevisionSync", false,
        false);
    in->url = cfg_object_get(cm, "url");
    in->cm = cm->kv;
    in->ncm = cm->n;
}

static int check_dir(struct cfg_load *l)
{
    char       *path = cfg_path(l->a, l->dir, NULL);
    struct stat st;

    if (!path)
        return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
    if (stat(path, &st) < 0)
        return ae_err_at(l->err, AE_E_IO, l->dir, 0, 0, errno == ENOENT
                         ? "the directory of inputs does not exist; mount "
                           "argocd-rbac-cm, argocd-cm and argocd-secret "
                           "below it, or correct argo_edge_inputs"
                         : "the directory of inputs cannot be reached; let "
                           "the server's user search it");
    if (!S_ISDIR(st.st_mode))
        return ae_err_at(l->err, AE_E_IO, l->dir, 0, 0, "is not a directory; "
                         "argo_edge_inputs names the directory that holds "
                         "argocd-rbac-cm and the others");
    return AE_OK;
}

static void hooks(struct cfg_load *l, const struct cfg_object *secret)
{
    static const char *const keys[AE_HOOK__N] = {
        [AE_HOOK_GITHUB] = "webhook.github.secret",
        [AE_HOOK_GITLAB] = "webhook.gitlab.secret",
        [AE_HOOK_BITBUCKET_UUID] = "webhook.bitbucket.uuid",
        [AE_HOOK_BITBUCKET_SERVER] = "webhook.bitbucketserver.secret",
        [AE_HOOK_GOGS] = "webhook.gogs.secret",
        [AE_HOOK_AZURE_USER] = "webhook.azuredevops.username",
        [AE_HOOK_AZURE_PASSWORD] = "webhook.azuredevops.password",
    };

    for (int i = 0; i < AE_HOOK__N; i++)
        l->in->hook[i] = cfg_object_get(secret, keys[i]);
}

static int load(struct cfg_load *l)
{
    struct cfg_object rbac, cm, secret;
    int               rc = check_dir(l);

    if (rc == AE_OK)
        rc = cfg_object_read(l, "argocd-rbac-cm", false, &rbac);
    if (rc == AE_OK)
        rc = cfg_object_read(l, "argocd-cm", false, &cm);
    if (rc == AE_OK)
        rc = cfg_object_read(l, "argocd-secret", true, &secret);
    if (rc == AE_OK)
        rc = cfg_rbac(l, &rbac);
    if (rc != AE_OK)
        return rc;
    l->in->have_secret = secret.found;
    l->in->secret_key = cfg_object_get(&secret, "server.secretkey");
    hooks(l, &secret);
    settings(l, &cm);
    rc = cfg_sso(l, &cm, &secret);
    if (rc == AE_OK)
        rc = cfg_accounts(l, &cm, &secret);
    if (rc == AE_OK)
        rc = cfg_projects_read(l);
    if (rc == AE_OK)
        rc = cfg_rules(l);
    if (rc == AE_OK && l->a->failed)
        rc = ae_err_set(l->err, AE_E_NOMEM, "out of memory");
    return rc;
}

int ae_inputs_load(ae_str dir, const struct ae_conf *c, ae_heap *heap,
                   struct ae_inputs *out, ae_inputs_src **src,
                   struct ae_err *err)
{
    ae_arena        a;
    struct ae_err   own = { 0 };
    struct cfg_load l = { .a = &a, .dir = dir, .in = out,
                          .serving = c && c->serving,
                          .err = err ? err : &own };
    int             rc;

    /* which namespace counts is judged by those who use projects */
    memset(out, 0, sizeof(*out));
    ae_arena_init(&a, ae_heap_mem(heap), NULL, 0);
    if (src) {
        *src = calloc(1, sizeof(**src));
        if (!*src)
            return ae_err_set(l.err, AE_E_NOMEM, "out of memory");
        cfg_watch(*src, &a, dir);
        if (c)
            cfg_watch_file(*src, &a, c->service_token_file);
        l.src = *src;
    }
    rc = load(&l);
    return rc == AE_OK && c ? cfg_service_token(&l, c->service_token_file)
                            : rc;
}
