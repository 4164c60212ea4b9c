/*
 * service.c - the service token: the one credential of our own, for asking
 * Argo CD for full lists (argo_edge_service_token_file).
 */
#include "config/internal.h"

#include <fcntl.h>

enum { SERVICE_TOKEN_MAX = 16384 };

/* R33, as for argocd-secret: who reads it may read all of Argo CD. */
static int check_mode(struct cfg_load *l, ae_str file,
                      const struct cfg_perm *p)
{
    if ((p->mode & 02) || ((p->mode & 020) && p->gid != p->uid))
        return ae_err_at(l->err, AE_E_IO, file, 0, 0, "is writable by others "
                         "(mode %04o); remove that with chmod go-w", p->mode);
    if ((p->mode & 04) && l->serving)
        return ae_err_at(l->err, AE_E_IO, file, 0, 0, "is readable by "
                         "everybody (mode %04o), and it is a token; chmod "
                         "o-r", p->mode);
    return AE_OK;
}

int cfg_service_token(struct cfg_load *l, ae_str file)
{
    struct cfg_perm perm;
    const char     *path;
    ae_str          text;
    int             rc;

    if (!file.n)
        return AE_OK;
    path = cfg_path(l->a, file, NULL);
    if (!path)
        return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
    rc = cfg_read_at(l->a, AT_FDCWD, path, file, SERVICE_TOKEN_MAX, &text,
                     &perm, l->err);
    if (rc == AE_OK)
        rc = check_mode(l, file, &perm);
    if (rc != AE_OK)
        return rc;
    text = ae_trim(text);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            text.n = 0;
    if (!text.n)
        return ae_err_at(l->err, AE_E_SYNTAX, file, 0, 0, "is not one token "
                         "and nothing else; write there what argocd account "
                         "generate-token prints");
    l->in->service_token = text;
    cfg_hash(l, text);
    return AE_OK;
}
