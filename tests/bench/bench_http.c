/*
 * bench_http.c - one nginx worker, one wrk, every case in turn: what our hit
 * and our forwarded request cost against what nginx does by itself.
 *
 * The server under test runs on core 0, wrk and the upstream on core 1.  All
 * cases answer with the same 2 KB body.
 */
#include "bench.h"

#include "base/base.h"
#include "token/token.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS_MAX = 9, CONNECTIONS = 64, BODY = 2048 };

#define HIT "/api/v1/applications/web?project=bench"
#define PASS "/api/v1/applications/web/manifests?project=bench"

enum which { RETURN2K, STATIC2K, PROXY_CACHE2K, HIT2K, PROXY_PASS2K,
             FORWARD2K, NCASE };

static const struct { const char *name; int port; const char *path; }
cases[NCASE] = {
    [RETURN2K]      = { "http.return2k", 0, "/return" },
    [STATIC2K]      = { "http.static2k", 0, "/static.json" },
    [PROXY_CACHE2K] = { "http.proxy_cache2k", 0, "/cached" HIT },
    [HIT2K]         = { "http.hit2k", 1, HIT },
    [PROXY_PASS2K]  = { "http.proxy_pass2k", 0, PASS },
    [FORWARD2K]     = { "http.forward2k", 1, PASS },
};

struct bench {
    char   dir[200];
    int    port[3];      /* plain, edge, edge with its verdict shown */
    int    upstream;
    pid_t  pid[2];
    char   body[BODY + 1];
    char   token[1024];
    double rps[NCASE][ROUNDS_MAX];
};

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t          n = sizeof(a);
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n)
        || getsockname(fd, (struct sockaddr *)&a, &n))
        return -1;
    close(fd);
    return ntohs(a.sin_port);
}

static void put(const struct bench *b, const char *name, const char *text)
{
    char  path[400], *slash;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", b->dir, name);
    for (slash = path + strlen(b->dir) + 1; (slash = strchr(slash, '/'));
         slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    if (!(f = fopen(path, "w")) || fputs(text, f) < 0 || fclose(f)) {
        perror(path);
        exit(1);
    }
    chmod(path, strstr(name, "secret") ? 0600 : 0644);
}

/* A body that is an application of the project, padded to 2 KB. */
static void make_body(struct bench *b)
{
    int n = snprintf(b->body, sizeof(b->body),
                     "{\"metadata\":{\"name\":\"web\",\"namespace\":"
                     "\"argocd\"},\"spec\":{\"project\":\"bench\"},"
                     "\"status\":{\"summary\":\"");

    memset(b->body + n, 'x', (size_t)(BODY - n - 3));
    memcpy(b->body + BODY - 3, "\"}}", 4);
}

static void make_token(struct bench *b)
{
    ae_heap       heap = { NULL, 0 };
    ae_arena      a;
    struct ae_err err = { .code = 0 };
    json_t       *claims = json_pack("{s:s,s:s,s:i,s:i,s:s}", "iss",
        "argocd", "sub", "bench:apiKey", "iat", 1767225600, "nbf",
        1767225600, "jti", "bench-1");
    ae_str        tok;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (ae_token_mint(&a, AE_STR("bench-secret-key-0123456789"), claims,
                      &tok, &err)) {
        fprintf(stderr, "bench: %s\n", err.text);
        exit(1);
    }
    snprintf(b->token, sizeof(b->token), "%.*s", (int)tok.n, tok.p);
    json_decref(claims);
    ae_heap_free(&heap);
}

static void make_inputs(const struct bench *b)
{
    put(b, "inputs/argocd-rbac-cm/policy.csv",
        "p, role:dev, applications, get, bench/*, allow\n"
        "g, bench, role:dev\n");
    put(b, "inputs/argocd-rbac-cm/policy.default", "");
    put(b, "inputs/argocd-cm/accounts.bench", "apiKey");
    put(b, "inputs/argocd-secret/server.secretkey",
        "bench-secret-key-0123456789");
    put(b, "inputs/argocd-secret/accounts.bench.tokens",
        "[{\"id\":\"bench-1\",\"iat\":1767225600}]");
    put(b, "inputs/appprojects/bench.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        "metadata: {name: bench, namespace: argocd}\nspec: {}\n");
}

static void module_path(char *out, size_t n)
{
    const char *env = getenv("AE_NGX_MODULE");
    char        self[512], *slash;
    ssize_t     len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[len > 0 ? len : 0] = '\0';
    for (int i = 0; i < 2; i++)
        if ((slash = strrchr(self, '/')))
            *slash = '\0';
    if (env)
        snprintf(out, n, "%s", env);
    else
        snprintf(out, n, "%s/nginx/ngx_http_argo_edge_module.so", self);
}

static const char head[] =
    "daemon off; worker_processes 1; user root;\n"
    "pid %s/%s.pid; error_log %s/%s.log warn;\n"
    "events { worker_connections 1024; }\n"
    "http { access_log off; keepalive_requests 1000000000;\n"
    "  client_body_temp_path %s/b%s; proxy_temp_path %s/p%s;\n"
    "  fastcgi_temp_path %s/f%s; uwsgi_temp_path %s/u%s;\n"
    "  scgi_temp_path %s/s%s; default_type application/json;\n";

static void make_confs(const struct bench *b)
{
    const char *d = b->dir;
    char        conf[16384], module[600];
    size_t      n;

    module_path(module, sizeof(module));
    n = (size_t)snprintf(conf, sizeof(conf), "worker_cpu_affinity 10;\n");
    n += (size_t)snprintf(conf + n, sizeof(conf) - n, head, d, "up", d, "up",
                          d, "1", d, "1", d, "1", d, "1", d, "1");
    snprintf(conf + n, sizeof(conf) - n,
             "  server { listen 127.0.0.1:%d; location / { return 200 '%s'; "
             "} } }\n", b->upstream, b->body);
    put(b, "up.conf", conf);

    n = (size_t)snprintf(conf, sizeof(conf), "load_module %s;\n"
                         "worker_cpu_affinity 01;\n", module);
    n += (size_t)snprintf(conf + n, sizeof(conf) - n, head, d, "sut", d,
                          "sut", d, "2", d, "2", d, "2", d, "2", d, "2");
    snprintf(conf + n, sizeof(conf) - n,
        "  argo_edge_inputs %s/inputs; argo_edge_cache %s/cache size=64m;\n"
        "  proxy_cache_path %s/pc keys_zone=pc:10m;\n"
        "  upstream up { server 127.0.0.1:%d; keepalive 128;"
        " keepalive_requests 1000000000; }\n"
        "  proxy_http_version 1.1; proxy_set_header Connection \"\";\n"
        "  server { listen 127.0.0.1:%d;\n"
        "    location = /return { return 200 '%s'; }\n"
        "    location = /static.json { root %s; open_file_cache max=100; }\n"
        "    location /cached/ { proxy_cache pc; proxy_cache_valid 200 1h;\n"
        "      proxy_pass http://up/; }\n"
        "    location / { proxy_pass http://up; }\n"
        "  }\n"
        "  server { listen 127.0.0.1:%d; location / {\n"
        "    argo_edge on; argo_edge_ttl applications=1h;"
        " argo_edge_lease 1h;\n"
        "    proxy_pass http://up; } }\n"
        "  server { listen 127.0.0.1:%d; location / {\n"
        "    argo_edge on; argo_edge_ttl applications=1h;"
        " argo_edge_lease 1h;\n"
        "    add_header Argo-Edge $argo_edge_cache always;\n"
        "    proxy_pass http://up; } }\n}\n",
        d, d, d, b->upstream, b->port[0], b->body, d, b->port[1], b->port[2]);
    put(b, "sut.conf", conf);
    put(b, "static.json", b->body);
}

static pid_t nginx(const struct bench *b, const char *conf)
{
    char  path[300], prefix[256];
    pid_t pid;

    snprintf(path, sizeof(path), "%s/%s", b->dir, conf);
    snprintf(prefix, sizeof(prefix), "%s/", b->dir);
    pid = fork();
    if (pid == 0) {
        execlp("nginx", "nginx", "-p", prefix, "-c", path, (char *)NULL);
        execl("/usr/sbin/nginx", "nginx", "-p", prefix, "-c", path,
              (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Runs |cmd| and gives what it printed. */
static void shell(const char *cmd, char *out, size_t n)
{
    FILE  *f = popen(cmd, "r");
    size_t got = f ? fread(out, 1, n - 1, f) : 0;

    out[got] = '\0';
    if (f)
        pclose(f);
}

/* Until the edge answers from its cache (or forwards, for the other path). */
static int warm(const struct bench *b)
{
    char cmd[2400], out[8192];

    for (int i = 0; i < 50; i++) {
        snprintf(cmd, sizeof(cmd), "curl -s -i 'http://127.0.0.1:%d%s' -H "
                 "'Authorization: Bearer %s' 2>&1", b->port[2], HIT,
                 b->token);
        shell(cmd, out, sizeof(out));
        if (strstr(out, "Argo-Edge: hit"))
            return 0;
        usleep(100 * 1000);
    }
    fprintf(stderr, "bench: the edge never answered from its cache; last "
            "answer:\n%.600s\n", out);
    return -1;
}

static double wrk(const struct bench *b, enum which c)
{
    char  cmd[2400], out[4096];
    char *p;

    snprintf(cmd, sizeof(cmd), "taskset -c 1 wrk -t1 -c%d -d1s -H "
             "'Authorization: Bearer %s' 'http://127.0.0.1:%d%s' 2>&1",
             CONNECTIONS, b->token, b->port[cases[c].port],
             cases[c].path);
    shell(cmd, out, sizeof(out));
    p = strstr(out, "Requests/sec:");
    if (!p || strstr(out, "Non-2xx")) {
        fprintf(stderr, "bench: %s failed:\n%s\n", cases[c].name, out);
        return 0;
    }
    return strtod(p + 13, NULL);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    double copy[ROUNDS_MAX];

    memcpy(copy, v, (size_t)n * sizeof(*v));
    qsort(copy, (size_t)n, sizeof(*copy), ascending);
    return copy[n / 2];
}

/* The median of the ratios of each round: both ran within seconds. */
static double ratio(struct bench *b, enum which x, enum which y, int rounds)
{
    double r[ROUNDS_MAX];

    for (int i = 0; i < rounds; i++)
        r[i] = b->rps[y][i] > 0 ? b->rps[x][i] / b->rps[y][i] : 0;
    return median(r, rounds);
}

static void results(struct bench *b, int rounds, bench_emit emit)
{
    for (int c = 0; c < NCASE; c++)
        emit(cases[c].name, median(b->rps[c], rounds), "req/s");
    emit("ratio.hit2k.proxy_cache", ratio(b, HIT2K, PROXY_CACHE2K, rounds),
         "x");
    emit("ratio.hit2k.static", ratio(b, HIT2K, STATIC2K, rounds), "x");
    emit("ratio.hit2k.return", ratio(b, HIT2K, RETURN2K, rounds), "x");
    emit("ratio.forward2k.proxy_pass", ratio(b, FORWARD2K, PROXY_PASS2K,
                                             rounds), "x");
}

int bench_http(int quick, bench_emit emit)
{
    static struct bench b;
    int                 rounds = quick ? 3 : 7, rc;
    char                cmd[300], out[64];

    shell("for c in wrk curl taskset; do command -v $c; done | wc -l", out,
          sizeof(out));
    if (strtol(out, NULL, 10) < 3) {
        fprintf(stderr, "bench: needs wrk, curl and taskset (./configure "
                "--install-deps installs them)\n");
        return -1;
    }
    snprintf(b.dir, sizeof(b.dir), "%s/ae-bench.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(b.dir))
        return -1;
    chmod(b.dir, 0755);
    for (int i = 0; i < 3; i++)
        b.port[i] = free_port();
    b.upstream = free_port();
    make_body(&b);
    make_token(&b);
    make_inputs(&b);
    make_confs(&b);
    b.pid[0] = nginx(&b, "up.conf");
    b.pid[1] = nginx(&b, "sut.conf");
    rc = warm(&b);
    for (int r = -1; rc == 0 && r < rounds; r++)
        for (int c = 0; c < NCASE; c++) {
            double v = wrk(&b, (enum which)c);

            if (r >= 0)
                b.rps[c][r] = v;
            rc |= v <= 0;
        }
    for (int i = 0; i < 2; i++) {
        kill(b.pid[i], SIGTERM);
        waitpid(b.pid[i], NULL, 0);
    }
    if (rc == 0)
        results(&b, rounds, emit);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", b.dir);
    shell(cmd, out, sizeof(out));
    return rc;
}
