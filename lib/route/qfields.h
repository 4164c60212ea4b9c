/*
 * qfields.h - the query fields of each operation: name, type, label, and
 * whether the presence of the field makes the read a write (T10, T13).
 * Names and types are those of the request messages; M is a message, whose
 * binding we do not follow.  Private to lib/route/table.c.
 */
#ifndef AE_ROUTE_QFIELDS_H
#define AE_ROUTE_QFIELDS_H

#define S(n) { n, 's', false, false, false },
#define SR(n) { n, 's', true, false, false },
#define SE(n) { n, 's', false, true, true },
#define SV(n) { n, 's', false, false, true },
#define B(n) { n, 'b', false, false, false },
#define BE(n) { n, 'b', false, true, true },
#define I(n) { n, 'i', false, false, false },
#define IR(n) { n, 'i', true, false, false },
#define N(n) { n, 'n', false, false, false },
#define M(n) { n, 'm', false, false, false },
#define END  { NULL, 0, false, false, false }

static const struct ae_qfield q_none[] = { END };

static const struct ae_qfield q_application_list[] = {
    S("name") SE("refresh") SR("projects") SV("resourceVersion")
    S("selector") S("repo") S("appNamespace") SR("project") S("fields")
    END
};
static const struct ae_qfield q_application_listresourceevents[] = {
    S("resourceNamespace") S("resourceName") S("resourceUID")
    S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_create[] = {
    B("upsert") B("validate")
    END
};
static const struct ae_qfield q_application_get[] = {
    SE("refresh") SR("projects") SV("resourceVersion") S("selector")
    S("repo") S("appNamespace") SR("project")
    END
};
static const struct ae_qfield q_application_getapplicationsyncwindows[] = {
    S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_revisionmetadata[] = {
    S("appNamespace") S("project") N("sourceIndex") N("versionId")
    END
};
static const struct ae_qfield q_application_getmanifests[] = {
    S("revision") S("appNamespace") S("project") IR("sourcePositions")
    SR("revisions") BE("noCache")
    END
};
static const struct ae_qfield q_application_update[] = {
    B("validate") S("project")
    END
};
static const struct ae_qfield q_application_updatespec[] = {
    B("validate") S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_delete[] = {
    B("cascade") S("propagationPolicy") S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_managedresources[] = {
    S("namespace") S("name") S("version") S("group") S("kind")
    S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_serversidediff[] = {
    S("appNamespace") S("project") SR("targetManifests")
    M("liveResources")
    END
};
static const struct ae_qfield q_application_getresource[] = {
    S("namespace") S("resourceName") S("version") S("group") S("kind")
    S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_patchresource[] = {
    S("namespace") S("resourceName") S("version") S("group") S("kind")
    S("patchType") S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_deleteresource[] = {
    S("namespace") S("resourceName") S("version") S("group") S("kind")
    B("force") B("orphan") S("appNamespace") S("project")
    END
};
static const struct ae_qfield q_application_podlogs[] = {
    S("namespace") S("container") I("sinceSeconds") I("sinceTime.seconds")
    N("sinceTime.nanos") I("tailLines") B("follow") S("untilTime")
    S("filter") S("kind") S("group") S("resourceName") B("previous")
    S("appNamespace") S("project") B("matchCase") M("sinceTime")
    END
};
static const struct ae_qfield q_application_podlogs2[] = {
    S("namespace") S("podName") S("container") I("sinceSeconds")
    I("sinceTime.seconds") N("sinceTime.nanos") I("tailLines") B("follow")
    S("untilTime") S("filter") S("kind") S("group") S("resourceName")
    B("previous") S("appNamespace") S("project") B("matchCase")
    M("sinceTime")
    END
};
static const struct ae_qfield q_application_listlinks[] = {
    S("namespace") S("project")
    END
};
static const struct ae_qfield q_applicationset_watch[] = {
    S("name") SR("projects") S("selector") S("appSetNamespace")
    SV("resourceVersion")
    END
};
static const struct ae_qfield q_applicationset_get[] = {
    S("appsetNamespace")
    END
};
static const struct ae_qfield q_applicationset_list[] = {
    SR("projects") S("selector") S("appsetNamespace")
    END
};
static const struct ae_qfield q_applicationset_create[] = {
    B("upsert") B("dryRun")
    END
};
static const struct ae_qfield q_certificate_listcertificates[] = {
    S("hostNamePattern") S("certType") S("certSubType")
    END
};
static const struct ae_qfield q_certificate_createcertificate[] = {
    B("upsert")
    END
};
static const struct ae_qfield q_cluster_list[] = {
    S("server") S("name") S("id.type") S("id.value") M("id")
    END
};
static const struct ae_qfield q_cluster_get[] = {
    S("server") S("name") S("id.type") M("id")
    END
};
static const struct ae_qfield q_cluster_update[] = {
    SR("updatedFields") S("id.type") M("id")
    END
};
static const struct ae_qfield q_gpgkey_list[] = {
    S("keyID")
    END
};
static const struct ae_qfield q_project_deletetoken[] = {
    S("id")
    END
};
static const struct ae_qfield q_project_list[] = {
    S("name")
    END
};
static const struct ae_qfield q_repocreds_listrepositorycredentials[] = {
    S("url")
    END
};
static const struct ae_qfield q_repository_listrepositories[] = {
    S("repo") BE("forceRefresh") S("appProject")
    END
};
static const struct ae_qfield q_repository_get[] = {
    BE("forceRefresh") S("appProject")
    END
};
static const struct ae_qfield q_repository_listapps[] = {
    S("revision") S("appName") S("appProject")
    END
};
static const struct ae_qfield q_repository_createrepository[] = {
    B("upsert") B("credsOnly")
    END
};
static const struct ae_qfield q_repository_validateaccess[] = {
    S("username") S("password") S("sshPrivateKey") B("insecure")
    S("tlsClientCertData") S("tlsClientCertKey") S("type") S("name")
    B("enableOci") S("githubAppPrivateKey") I("githubAppID")
    I("githubAppInstallationID") S("githubAppEnterpriseBaseUrl")
    S("proxy") S("project") S("gcpServiceAccountKey")
    B("forceHttpBasicAuth") B("useAzureWorkloadIdentity") S("bearerToken")
    B("insecureOciForceHttp") S("azureServicePrincipalClientId")
    S("azureServicePrincipalClientSecret")
    S("azureServicePrincipalTenantId") S("azureActiveDirectoryEndpoint")
    END
};
static const struct ae_qfield q_terminal[] = {
    S("pod") S("container") S("appName") S("projectName") S("namespace")
    S("appNamespace") S("shell")
    END
};

#undef S
#undef SR
#undef SE
#undef SV
#undef B
#undef BE
#undef I
#undef IR
#undef N
#undef M
#undef END
#endif
