/*
 * bench_httpd.c - one httpd child (event), one wrk, every case in turn: what
 * our hit and our forwarded request cost against what httpd's own modules do.
 *
 * mod_cache refuses requests with credentials, so that its cases come
 * without; it answers from its quick handler, before any hook of a request.
 * Plain mod_proxy is as it comes: it tells the upstream the client's address
 * (ProxyAddHeaders), as we do.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum which { STATIC2K, DISK2K, SOCACHE2K, HIT2K, PROXY2K, FORWARD2K, NCASE };

static struct http_case cases[NCASE] = {
    [STATIC2K]  = { .name = "http.httpd.static2k", .path = "/static.json",
                    .bare = true },
    [DISK2K]    = { .name = "http.httpd.disk2k", .path = "/disk" HTTP_HIT,
                    .bare = true },
    [SOCACHE2K] = { .name = "http.httpd.socache2k",
                    .path = "/socache" HTTP_HIT, .bare = true },
    [HIT2K]     = { .name = "http.httpd.hit2k", .path = HTTP_HIT },
    [PROXY2K]   = { .name = "http.httpd.proxy2k", .path = HTTP_PASS,
                    .bare = true },
    [FORWARD2K] = { .name = "http.httpd.forward2k", .path = HTTP_PASS },
};

static const struct http_ratio ratios[] = {
    { "ratio.httpd.hit2k.socache", HIT2K, SOCACHE2K },
    { "ratio.httpd.hit2k.disk", HIT2K, DISK2K },
    { "ratio.httpd.hit2k.static", HIT2K, STATIC2K },
    { "ratio.httpd.forward2k.proxy", FORWARD2K, PROXY2K },
};
enum { NRATIO = sizeof(ratios) / sizeof(ratios[0]) };

static const char *modules_dir(void)
{
    const char *env = getenv("AE_HTTPD_MODULES");

    return env ? env : "/usr/lib/apache2/modules";
}

static size_t load(char *conf, size_t n, const char *ours)
{
    static const char *const names[] = {
        "mpm_event", "authz_core", "headers", "proxy", "proxy_http", "cache",
        "cache_disk", "socache_shmcb", "cache_socache", "mime",
    };
    size_t at = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        at += (size_t)snprintf(conf + at, n - at,
                               "LoadModule %s_module %s/mod_%s.so\n",
                               names[i], modules_dir(), names[i]);
    at += (size_t)snprintf(conf + at, n - at,
                           "LoadModule argo_edge_module %s\n", ours);
    if (geteuid() == 0)
        at += (size_t)snprintf(conf + at, n - at,
                               "User www-data\nGroup www-data\n");
    return at;
}

/* Ports: plain, edge, edge with its verdict shown. */
static void make_conf(const struct http_bench *b, const int port[3])
{
    const char *d = b->dir;
    char        conf[16384], module[600];
    size_t      n;

    http_module("AE_HTTPD_MODULE", "httpd/mod_argo_edge.so", module,
                sizeof(module));
    n = load(conf, sizeof(conf), module);
    snprintf(conf + n, sizeof(conf) - n,
        "ServerRoot %s\nServerName localhost\nDefaultRuntimeDir %s\n"
        "PidFile %s/httpd.pid\nErrorLog %s/httpd.log\nMutex posixsem\n"
        "Listen 127.0.0.1:%d\nListen 127.0.0.1:%d\nListen 127.0.0.1:%d\n"
        "StartServers 1\nServerLimit 1\nThreadsPerChild 64\nThreadLimit 64\n"
        "MaxRequestWorkers 64\nMaxKeepAliveRequests 0\n"
        "AllowEncodedSlashes NoDecode\nMergeSlashes Off\n"
        "ProxyPreserveHost On\n"
        "TypesConfig /dev/null\nAddType application/json .json\n"
        "ArgoEdgeInputs %s/inputs\nArgoEdgeCache %s/cache size=64m\n"
        "<VirtualHost *:%d>\n"
        "  DocumentRoot %s\n  <Directory %s>\n  Require all granted\n"
        "  Options FollowSymLinks\n  AllowOverride None\n  </Directory>\n"
        "  CacheDefaultExpire 3600\n  CacheIgnoreNoLastMod On\n"
        "  CacheRoot %s/disk\n  CacheEnable disk /disk\n"
        "  CacheSocache shmcb:%s/socache(8388608)\n"
        "  CacheEnable socache /socache\n"
        "  ProxyPass /static.json !\n"
        "  ProxyPass / http://127.0.0.1:%d/ nocanon\n"
        "</VirtualHost>\n"
        "<VirtualHost *:%d>\n"
        "  ProxyAddHeaders Off\n  ArgoEdge On\n"
        "  ArgoEdgeTtl applications=1h\n  ArgoEdgeLease 1h\n"
        "  ProxyPass / http://127.0.0.1:%d/ nocanon\n"
        "</VirtualHost>\n"
        "<VirtualHost *:%d>\n"
        "  ProxyAddHeaders Off\n  ArgoEdge On\n"
        "  ArgoEdgeTtl applications=1h\n  ArgoEdgeLease 1h\n"
        "  Header always set Argo-Edge \"expr=%%{note:argo_edge_cache}\"\n"
        "  ProxyPass / http://127.0.0.1:%d/ nocanon\n"
        "</VirtualHost>\n",
        d, d, d, d, port[0], port[1], port[2], d, d, port[0], d, d, d, d,
        b->upstream, port[1], b->upstream, port[2], b->upstream);
    http_put(b, "sut.conf", conf);
}

/* Its children are not root: what they read and write must be theirs. */
static void own(const struct http_bench *b)
{
    char cmd[400], out[200];

    snprintf(cmd, sizeof(cmd), "cd '%s' && mkdir -m 700 cache disk && "
             "{ [ $(id -u) != 0 ] || chown -R www-data:www-data inputs cache "
             "disk; }", b->dir);
    http_shell(cmd, out, sizeof(out));
}

int bench_httpd(int quick, bench_emit emit)
{
    struct http_bench b;
    int               port[3], rc;
    char              conf[300], out[2000];

    if (!http_wanted(cases, NCASE, ratios, NRATIO))
        return 0;
    http_module("AE_HTTPD_MODULE", "httpd/mod_argo_edge.so", out,
                sizeof(out));
    if (access(out, R_OK)) {
        fprintf(stderr, "bench: no httpd module, no http.httpd.*\n");
        return 0;
    }
    if (http_open(&b))
        return -1;
    for (int i = 0; i < 3; i++)
        port[i] = http_free_port();
    for (int c = 0; c < NCASE; c++)
        cases[c].port = port[c == HIT2K || c == FORWARD2K];
    make_conf(&b, port);
    own(&b);
    snprintf(conf, sizeof(conf), "%s/sut.conf", b.dir);
    b.sut = http_spawn((const char *const[]){ "taskset", "-c", "0", "sh",
        "-c", "PATH=$PATH:/usr/sbin; command -v apache2 >/dev/null"
        " && exec apache2 -f \"$0\" -DFOREGROUND"
        " || exec httpd -f \"$0\" -DFOREGROUND", conf, NULL });
    rc = http_until(&b, port[2], HTTP_HIT, "Argo-Edge: hit");
    if (rc == 0)
        rc = http_until(&b, port[0], "/static.json", "200 OK");
    if (rc == 0)
        rc = http_rounds(&b, cases, NCASE, ratios, NRATIO, quick ? 2 : 7,
                         emit);
    if (rc) {
        snprintf(conf, sizeof(conf), "tail -n 5 '%s/httpd.log'", b.dir);
        http_shell(conf, out, sizeof(out));
        fprintf(stderr, "%s", out);
    }
    http_close(&b);
    return rc;
}
