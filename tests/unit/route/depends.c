/* depends.c - what each operation that changes something must drop (T13),
 * said here by families and not by tags: every cacheable answer that it can
 * change, and no other. */
#include "util.h"

#define OBJ "web"
#define BODY "{\"appNamespace\":\"argocd\",\"name\":\"" OBJ "\"}"

/* Families of cacheable answers. */
enum { APP_LIST = 1, APPS = 2, LINKS = 4, WINDOWS = 8, SETS = 16,
       PROJECTS = 32, CLUSTERS = 64, REPOS = 128, CREDS = 256, CERTS = 512,
       GPG = 1024, ACCOUNTS = 2048, SETTINGS = 4096, NOTES = 8192,
       CAN_I = 16384 };

#define ONE_APP (APP_LIST | APPS | LINKS | WINDOWS)
/* The application's project is asked for each answer of one application. */
#define PROJECT (PROJECTS | APPS | LINKS | WINDOWS | CAN_I)
#define ANYTHING (ONE_APP | SETS | PROJECTS | CLUSTERS | REPOS | CREDS \
                  | SETTINGS | CAN_I)

static const struct { const char *op; unsigned in; } reads[] = {
    { "ApplicationService_List", APP_LIST },
    { "ApplicationService_Get", APPS },
    { "ApplicationService_RevisionMetadata", APPS },
    { "ApplicationService_RevisionChartDetails", APPS },
    { "ApplicationService_GetOCIMetadata", APPS },
    { "ApplicationService_ManagedResources", APPS },
    { "ApplicationService_ResourceTree", APPS },
    /* may name the cluster; the project must permit it */
    { "ApplicationService_ListLinks", LINKS },
    { "ApplicationService_GetApplicationSyncWindows", WINDOWS },
    { "ApplicationSetService_List", SETS },
    { "ApplicationSetService_Get", SETS },
    { "ApplicationSetService_ResourceTree", SETS },
    { "ProjectService_List", PROJECTS },
    { "ProjectService_Get", PROJECTS },
    { "ProjectService_GetGlobalProjects", PROJECTS },
    { "ProjectService_GetSyncWindowsState", PROJECTS },
    { "ProjectService_ListLinks", PROJECTS | SETTINGS },
    { "ClusterService_List", CLUSTERS },
    { "ClusterService_Get", CLUSTERS },
    /* a repository inherits from the credentials of its prefix */
    { "RepositoryService_ListRepositories", REPOS },
    { "RepositoryService_Get", REPOS },
    { "RepositoryService_GetWrite", REPOS },
    { "RepositoryService_ListWriteRepositories", REPOS },
    { "RepoCredsService_ListRepositoryCredentials", CREDS },
    { "RepoCredsService_ListWriteRepositoryCredentials", CREDS },
    { "CertificateService_ListCertificates", CERTS },
    { "GPGKeyService_List", GPG },
    { "GPGKeyService_Get", GPG },
    { "AccountService_ListAccounts", ACCOUNTS },
    { "AccountService_GetAccount", ACCOUNTS },
    { "AccountService_CanI", CAN_I }, /* roles of projects */
    { "SettingsService_Get", SETTINGS },
    { "SettingsService_GetPlugins", SETTINGS },
    { "VersionService_Version", SETTINGS },
    { "NotificationService_ListTriggers", NOTES },
    { "NotificationService_ListServices", NOTES },
    { "NotificationService_ListTemplates", NOTES },
};

/* Everything that is no GET; 0: changes nothing that is ever stored. */
static const struct { const char *op; unsigned drops; } writes[] = {
    { "ApplicationService_Create", ONE_APP }, /* also by upsert */
    { "ApplicationService_Update", ONE_APP },
    { "ApplicationService_UpdateSpec", ONE_APP },
    { "ApplicationService_Patch", ONE_APP },
    { "ApplicationService_Delete", ONE_APP },
    { "ApplicationService_Sync", ONE_APP },
    { "ApplicationService_Rollback", ONE_APP },
    { "ApplicationService_TerminateOperation", ONE_APP },
    /* the resource may be an object of Argo CD */
    { "ApplicationService_PatchResource", ANYTHING },
    { "ApplicationService_DeleteResource", ANYTHING },
    { "ApplicationService_RunResourceAction", ANYTHING },
    { "ApplicationService_RunResourceActionV2", ANYTHING },
    { "ApplicationService_GetManifestsWithFiles", 0 },
    { "ApplicationSetService_Create", SETS | ONE_APP },
    { "ApplicationSetService_Delete", SETS | ONE_APP },
    { "ApplicationSetService_Generate", 0 },
    { "ProjectService_Create", PROJECT }, /* also by upsert */
    { "ProjectService_Update", PROJECT },
    { "ProjectService_Delete", PROJECT },
    { "ProjectService_CreateToken", PROJECTS | LINKS | WINDOWS | CAN_I },
    { "ProjectService_DeleteToken", PROJECTS | LINKS | WINDOWS | CAN_I },
    { "ClusterService_Create", CLUSTERS | LINKS },
    { "ClusterService_Update", CLUSTERS | LINKS },
    { "ClusterService_Delete", CLUSTERS | LINKS },
    { "ClusterService_RotateAuth", CLUSTERS | LINKS },
    { "ClusterService_InvalidateCache", CLUSTERS | ONE_APP },
    { "RepositoryService_CreateRepository", REPOS },
    { "RepositoryService_UpdateRepository", REPOS },
    { "RepositoryService_DeleteRepository", REPOS },
    { "RepositoryService_CreateWriteRepository", REPOS },
    { "RepositoryService_UpdateWriteRepository", REPOS },
    { "RepositoryService_DeleteWriteRepository", REPOS },
    { "RepositoryService_ValidateAccess", 0 },
    { "RepositoryService_ValidateWriteAccess", 0 },
    { "RepositoryService_GetAppDetails", 0 },
    { "RepoCredsService_CreateRepositoryCredentials", CREDS | REPOS },
    { "RepoCredsService_UpdateRepositoryCredentials", CREDS | REPOS },
    { "RepoCredsService_DeleteRepositoryCredentials", CREDS | REPOS },
    { "RepoCredsService_CreateWriteRepositoryCredentials", CREDS | REPOS },
    { "RepoCredsService_UpdateWriteRepositoryCredentials", CREDS | REPOS },
    { "RepoCredsService_DeleteWriteRepositoryCredentials", CREDS | REPOS },
    { "CertificateService_CreateCertificate", CERTS },
    { "CertificateService_DeleteCertificate", CERTS },
    { "GPGKeyService_Create", GPG },
    { "GPGKeyService_Delete", GPG },
    { "AccountService_UpdatePassword", ACCOUNTS },
    { "AccountService_CreateToken", ACCOUNTS },
    { "AccountService_DeleteToken", ACCOUNTS },
    { "SessionService_Create", 0 },
    { "SessionService_Delete", 0 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct tagset { ae_str *v; size_t n; };

static const char *method_of(const struct ae_op *op)
{
    static const char *const n[] = { "any", "GET", "HEAD", "POST", "PUT",
                                     "PATCH", "DELETE", "OPTIONS" };

    return n[op->method];
}

/* The tags of |op| for the object OBJ. */
static struct tagset tags_of(const struct ae_op *op, char kind,
                             const char *query)
{
    json_t          *body = json_loads(BODY, 0, NULL);
    ae_buf           b;
    struct ae_target t;
    struct tagset    out = { NULL, 0 };

    ae_buf_init(&b, &u_arena, 0);
    for (const char *p = op->tmpl; *p; p++) {
        if (*p == '{') {
            p = strchr(p, '}');
            ae_buf_puts(&b, OBJ);
        } else {
            ae_buf_putc(&b, *p);
        }
    }
    ae_buf_puts(&b, query);
    ae_buf_putc(&b, '\0');
    t = u_route(method_of(op), ae_buf_str(&b).p, "application/json");
    tap_ok(t.kind == AE_TGT_OP && t.op == op, "%s is found", op->name);
    tap_ok(ae_route_tags(&u_conf, &t, kind == 'w' ? body : NULL, kind,
                         &u_arena, &out.v, &out.n) == AE_OK, "its tags");
    json_decref(body);
    return out;
}

static bool meet(const struct tagset *a, const struct tagset *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t k = 0; k < b->n; k++)
            if (ae_eq(a->v[i], b->v[k]))
                return true;
    return false;
}

/* |w| drops what is in |drops|, and nothing else. */
static void check(const char *name, const struct tagset *w, unsigned drops)
{
    for (size_t i = 0; i < COUNT(reads); i++) {
        const struct ae_op *op = ae_op_by_name(ae_cs(reads[i].op));
        struct tagset       r = tags_of(op, 'r', "");
        bool                want = (reads[i].in & drops) != 0;

        tap_ok(meet(w, &r) == want, "%s %s %s", name,
               want ? "drops" : "leaves", op->name);
    }
}

static int in_table(const char *name)
{
    int n = 0;

    for (size_t i = 0; i < COUNT(reads); i++)
        n += !strcmp(reads[i].op, name);
    for (size_t i = 0; i < COUNT(writes); i++)
        n += !strcmp(writes[i].op, name);
    return n;
}

/* The recorded list of operations: none is forgotten here. */
static void complete(void)
{
    json_t *doc = json_load_file("tests/vectors/api/routes.json", 0, NULL), *r;
    size_t  i;

    json_array_foreach(json_object_get(doc, "routes"), i, r) {
        const char *name = json_string_value(json_object_get(r,
                                                             "operationId"));
        const struct ae_op *op = ae_op_by_name(ae_cs(name));
        bool get = !strcmp(json_string_value(json_object_get(r, "method")),
                           "GET");

        tap_ok(op && in_table(name) == (!get || op->cache != AE_CC_NEVER),
               "%s is in the table", name);
    }
    json_decref(doc);
}

static void others(void)
{
    const struct ae_op *get = ae_op_by_name(AE_STR("ApplicationService_Get"));
    const struct ae_op *repo = ae_op_by_name(AE_STR("RepositoryService_Get"));
    const struct ae_op *all = ae_op_by_name(AE_STR(
        "RepositoryService_ListRepositories"));
    struct tagset t = tags_of(get, 'w', "?refresh=hard");

    check("refresh", &t, ONE_APP);
    t = tags_of(repo, 'w', "?forceRefresh=true");
    check("forceRefresh", &t, REPOS);
    t = tags_of(all, 'w', "?forceRefresh=true");
    check("forceRefresh of all", &t, REPOS);
}

int main(void)
{
    u_begin();
    complete();
    for (size_t i = 0; i < COUNT(writes); i++) {
        const struct ae_op *op = ae_op_by_name(ae_cs(writes[i].op));
        struct tagset       w = tags_of(op, 'w', "");

        check(op->name, &w, writes[i].drops);
    }
    others();
    u_end();
    return tap_done();
}
