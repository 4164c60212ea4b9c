/*
 * table.c - the operations of operations.def as an array, and look-ups in it.
 */
#include "route/internal.h"
#include "route/qfields.h"

#define OP_BODY  1
#define OP_ALL   2
#define OP_UNESC 4
#define OP_RIGHTS 8

#define ANY_OBJECT "applications app:? applicationsets projects clusters "     \
                   "repositories repocreds settings"
#define AE_M_ANY AE_M_OTHER
/* Each set of query fields ends in a row of zeros, which is not counted. */
#define ROW(name, m, tmpl, g, res, act, au, sh, cc, co, fl, rec, q, rd, wr, o) \
    { AE_OPID_##name, #name, AE_M_##m, tmpl, g, res, act, AE_AUTH_##au,        \
      AE_SHAPE_##sh, AE_CC_##cc, AE_COST_##co, ((fl) & OP_BODY) != 0,          \
      ((fl) & OP_ALL) != 0, ((fl) & OP_RIGHTS) != 0, AE_R_##rec, q_##q,        \
      sizeof q_##q / sizeof q_##q[0] - 1, rd, wr, o },

const struct ae_op ae_ops[] = {
#define AE_OP(n, m, t, ns, g, r, ac, au, sh, cc, co, fl, rec, q, rd, wr)       \
    ROW(n, m, t, g, r, ac, au, sh, cc, co, fl, rec, q, rd, wr, false)
#define AE_OUT(n, m, t, ns, g, r, ac, au, sh, cc, co, fl, rec, q, rd, wr)      \
    ROW(n, m, t, g, r, ac, au, sh, cc, co, fl, rec, q, rd, wr, true)
#include "route/operations.def"
#undef AE_OP
#undef AE_OUT
};

const struct ae_opx ae_opxs[] = {
#define AE_OP(n, m, t, ns, g, r, ac, au, sh, cc, co, fl, rec, q, rd, wr)       \
    { AE_M_##m, ns, sizeof t - 1, AE_OPID_##n == AE_OPID_AccountService_CanI,  \
      ((fl) & OP_UNESC) != 0 },
#define AE_OUT AE_OP
#include "route/operations.def"
#undef AE_OP
#undef AE_OUT
};

#define FAM(seg, from, to) \
    { { seg, sizeof seg - 1 }, AE_OPID_##from, AE_OPID_##to }
static const struct ae_family families[] = {
    FAM("applications", ApplicationService_List,
        ApplicationService_ListResourceLinks),
    FAM("stream", ApplicationService_Watch, ApplicationSetService_Watch),
    FAM("applicationsets", ApplicationSetService_Get,
        ApplicationSetService_ListResourceEvents),
    FAM("account", AccountService_CanI, AccountService_DeleteToken),
    FAM("projects", ProjectService_CreateToken, ProjectService_ListLinks),
    FAM("clusters", ClusterService_List, ClusterService_InvalidateCache),
    FAM("repositories", RepositoryService_ListRepositories,
        RepositoryService_ValidateAccess),
    FAM("repocreds", RepoCredsService_ListRepositoryCredentials,
        RepoCredsService_DeleteRepositoryCredentials),
    FAM("settings", SettingsService_Get, SettingsService_GetPlugins),
    FAM("session", SessionService_GetUserInfo, SessionService_Delete),
    FAM("certificates", CertificateService_ListCertificates,
        CertificateService_DeleteCertificate),
    FAM("gpgkeys", GPGKeyService_List, GPGKeyService_Delete),
    FAM("notifications", NotificationService_ListTriggers,
        NotificationService_ListTemplates),
    FAM("write-repositories", RepositoryService_GetWrite,
        RepositoryService_ValidateWriteAccess),
    FAM("write-repocreds", RepoCredsService_ListWriteRepositoryCredentials,
        RepoCredsService_DeleteWriteRepositoryCredentials),
};

const struct ae_family *ae_family_find(ae_str segment)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (ae_eq(segment, families[i].name))
            return &families[i];
    return NULL;
}

size_t ae_op_count(void)
{
    return sizeof ae_ops / sizeof ae_ops[0];
}

const struct ae_op *ae_op_at(size_t i)
{
    return i < ae_op_count() ? &ae_ops[i] : NULL;
}

const struct ae_op *ae_op_by_name(ae_str name)
{
    for (size_t i = 0; i < ae_op_count(); i++)
        if (ae_eq(name, ae_cs(ae_ops[i].name)))
            return &ae_ops[i];
    return NULL;
}

/* The four methods without a REST route are older names of these. */
static const struct { ae_str old; uint16_t id; } aliases[] = {
    { { "/repository.RepositoryService/Create", 36 },
      AE_OPID_RepositoryService_CreateRepository },
    { { "/repository.RepositoryService/Delete", 36 },
      AE_OPID_RepositoryService_DeleteRepository },
    { { "/repository.RepositoryService/List", 34 },
      AE_OPID_RepositoryService_ListRepositories },
    { { "/repository.RepositoryService/Update", 36 },
      AE_OPID_RepositoryService_UpdateRepository },
};

const struct ae_op *ae_op_by_grpc(ae_str full_method)
{
    if (full_method.n == 0)
        return NULL;
    for (size_t i = 0; i < ae_op_count(); i++)
        if (ae_eq(full_method, ae_cs(ae_ops[i].grpc)))
            return &ae_ops[i];
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (ae_eq(full_method, aliases[i].old))
            return &ae_ops[aliases[i].id];
    return NULL;
}
