/* replay_httpd.c - Apache httpd with our module, one child of each MPM. */
#include "replay.h"

#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uid_t give_uid;
static gid_t give_gid;

static int give(const char *path, const struct stat *st, int flag,
                struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return lchown(path, give_uid, give_gid);
}

/* httpd's children never run as root: what they poll must be theirs. */
int httpd_own(const struct server *s)
{
    struct passwd *pw;

    if (strncmp(s->kind, "httpd", 5) != 0 || geteuid() != 0)
        return 0;
    pw = getpwnam("www-data");
    if (!pw)
        return -1;
    give_uid = pw->pw_uid;
    give_gid = pw->pw_gid;
    if (nftw(s->inputs, give, 8, FTW_PHYS))
        return -1;
    return chown(s->dir, give_uid, give_gid);
}

static const char *modules_dir(void)
{
    const char *env = getenv("AE_HTTPD_MODULES");

    return env ? env : "/usr/lib/apache2/modules";
}

int httpd_write(struct server *s, const char *module, const char *conf)
{
    static const char *const load[] = { "authz_core", "proxy", "proxy_http",
                                        "headers" };
    const char *mpm = strchr(s->kind, '-') ? strchr(s->kind, '-') + 1
                                           : "event";
    FILE *f = fopen(conf, "w");

    if (!f)
        return -1;
    fprintf(f, "ServerRoot %s\nServerName localhost\n"
               "LoadModule mpm_%s_module %s/mod_mpm_%s.so\n", s->dir,
            mpm, modules_dir(), mpm);
    for (size_t i = 0; i < sizeof(load) / sizeof(load[0]); i++)
        fprintf(f, "LoadModule %s_module %s/mod_%s.so\n", load[i],
                modules_dir(), load[i]);
    fprintf(f, "LoadModule argo_edge_module %s\n", module);
    if (geteuid() == 0)
        fputs("User www-data\nGroup www-data\n", f);
    fprintf(f,
            "DefaultRuntimeDir %s\nPidFile %s/httpd.pid\nMutex posixsem\n"
            "ErrorLog %s/error.log\nLogLevel info\n"
            "LogFormat \"%%r %%>s %%{argo_edge_decision}n\" edge\n"
            "CustomLog %s/access.log edge\n"
            "StartServers 1\nServerLimit 1\nMaxRequestWorkers %d\n"
            "Listen 127.0.0.1:%d\n"
            "LimitRequestFieldSize 32768\nLimitRequestLine 32768\n"
            "AllowEncodedSlashes NoDecode\nMergeSlashes Off\n"
            "ArgoEdgeInputs %s\nArgoEdgeProjects complete\n"
            "ArgoEdgeAppNamespaces apps-*\n"
            "Header always set X-Replay-Policy "
            "\"expr=%%{note:argo_edge_policy_id}\"\n"
            "ProxyAddHeaders Off\nProxyPreserveHost On\n"
            "<Location \"/\">\nArgoEdge On\n</Location>\n"
            "ProxyPass \"/\" \"http://127.0.0.1:%d/\" nocanon\n",
            s->dir, s->dir, s->dir, s->dir,
            strcmp(mpm, "prefork") == 0 ? 1 : 25, s->port, s->inputs,
            s->upstream);
    return fclose(f);
}

void httpd_exec(const char *conf)
{
    execlp("apache2", "apache2", "-f", conf, "-DFOREGROUND", (char *)NULL);
    execl("/usr/sbin/apache2", "apache2", "-f", conf, "-DFOREGROUND",
          (char *)NULL);
    execlp("httpd", "httpd", "-f", conf, "-DFOREGROUND", (char *)NULL);
    _exit(127);
}
