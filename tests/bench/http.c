/*
 * http.c - the pieces that the benchmarks of nginx and httpd share.
 *
 * The server under test runs on core 0, wrk and the upstream on core 1.  All
 * cases of a server answer with the same 2 KB body and run in turn, a quarter
 * of a second each, forth and back: ratios compare what ran side by side, and
 * a drift of the machine falls on both.
 */
#include "http.h"

#include "base/base.h"
#include "token/token.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int http_free_port(void)
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

void http_put(const struct http_bench *b, const char *name, const char *text)
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
static void make_body(struct http_bench *b)
{
    int n = snprintf(b->body, sizeof(b->body),
                     "{\"metadata\":{\"name\":\"web\",\"namespace\":"
                     "\"argocd\"},\"spec\":{\"project\":\"bench\"},"
                     "\"status\":{\"summary\":\"");

    memset(b->body + n, 'x', (size_t)(HTTP_BODY - n - 3));
    memcpy(b->body + HTTP_BODY - 3, "\"}}", 4);
}

static void make_token(struct http_bench *b)
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

static void make_inputs(const struct http_bench *b)
{
    http_put(b, "inputs/argocd-rbac-cm/policy.csv",
             "p, role:dev, applications, get, bench/*, allow\n"
             "g, bench, role:dev\n");
    http_put(b, "inputs/argocd-rbac-cm/policy.default", "");
    http_put(b, "inputs/argocd-cm/accounts.bench", "apiKey");
    http_put(b, "inputs/argocd-secret/server.secretkey",
             "bench-secret-key-0123456789");
    http_put(b, "inputs/argocd-secret/accounts.bench.tokens",
             "[{\"id\":\"bench-1\",\"iat\":1767225600}]");
    http_put(b, "inputs/appprojects/bench.yaml",
             "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
             "metadata: {name: bench, namespace: argocd}\nspec: {}\n");
}

void http_module(const char *var, const char *file, char *out, size_t n)
{
    const char *env = getenv(var);
    char        self[512], *slash;
    ssize_t     len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    self[len > 0 ? len : 0] = '\0';
    for (int i = 0; i < 2; i++)
        if ((slash = strrchr(self, '/')))
            *slash = '\0';
    if (env)
        snprintf(out, n, "%s", env);
    else
        snprintf(out, n, "%s/%s", self, file);
}

pid_t http_spawn(const char *const argv[])
{
    char  path[300];
    pid_t pid = fork();

    if (pid == 0) {
        char **args = (char **)(uintptr_t)argv;

        setpgid(0, 0); /* httpd signals all of its group when it ends */
        snprintf(path, sizeof(path), "/usr/sbin/%s", argv[0]);
        execvp(argv[0], args);
        execv(path, args);
        _exit(127);
    }
    return pid;
}

void http_nginx(struct http_bench *b, const char *conf)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/%s", b->dir, conf);
    b->sut = http_spawn((const char *const[]){ "nginx", "-p", b->dir, "-c",
                                               path, NULL });
}

/* An nginx that says the body to whatever it is asked. */
static void start_upstream(struct http_bench *b)
{
    const char *d = b->dir;
    char        conf[8192], path[300];

    snprintf(conf, sizeof(conf),
             "worker_cpu_affinity 10; daemon off; worker_processes 1;\n"
             "pid %s/up.pid; error_log %s/up.log warn;\n"
             "events { worker_connections 1024; }\n"
             "http { access_log off; keepalive_requests 1000000000;\n"
             "  client_body_temp_path %s/b1; proxy_temp_path %s/p1;\n"
             "  fastcgi_temp_path %s/f1; uwsgi_temp_path %s/u1;\n"
             "  scgi_temp_path %s/s1; default_type application/json;\n"
             "  server { listen 127.0.0.1:%d;\n"
             "    location / { return 200 '%s'; } } }\n",
             d, d, d, d, d, d, d, b->upstream, b->body);
    http_put(b, "up.conf", conf);
    snprintf(path, sizeof(path), "%s/up.conf", d);
    b->up = http_spawn((const char *const[]){ "nginx", "-p", d, "-c", path,
                                              NULL });
}

void http_shell(const char *cmd, char *out, size_t n)
{
    FILE  *f = popen(cmd, "r");
    size_t got = f ? fread(out, 1, n - 1, f) : 0;

    out[got] = '\0';
    if (f)
        pclose(f);
}

int http_open(struct http_bench *b)
{
    char out[64];

    memset(b, 0, sizeof(*b));
    http_shell("for c in wrk curl taskset; do command -v $c; done | wc -l",
               out, sizeof(out));
    if (strtol(out, NULL, 10) < 3) {
        fprintf(stderr, "bench: needs wrk, curl and taskset (./configure "
                "--install-deps installs them)\n");
        return -1;
    }
    snprintf(b->dir, sizeof(b->dir), "%s/ae-bench.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(b->dir))
        return -1;
    chmod(b->dir, 0755);
    b->upstream = http_free_port();
    make_body(b);
    make_token(b);
    make_inputs(b);
    http_put(b, "static.json", b->body);
    start_upstream(b);
    return 0;
}

static void stop(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    for (int i = 0; i < 150; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid)
            return;
        usleep(20 * 1000);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

void http_close(struct http_bench *b)
{
    char cmd[300], out[64];

    stop(b->sut);
    stop(b->up);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", b->dir);
    http_shell(cmd, out, sizeof(out));
}

int http_until(const struct http_bench *b, int port, const char *path,
               const char *word)
{
    char cmd[2400], out[8192];

    for (int i = 0; i < 100; i++) {
        snprintf(cmd, sizeof(cmd), "curl -s -i 'http://127.0.0.1:%d%s' -H "
                 "'Authorization: Bearer %s' 2>&1", port, path, b->token);
        http_shell(cmd, out, sizeof(out));
        if (strstr(out, word))
            return 0;
        usleep(50 * 1000);
    }
    fprintf(stderr, "bench: no \"%s\" from %s; the last answer:\n%.600s\n",
            word, path, out);
    return -1;
}

/* |lead|: only for a moment, so that caches and connections are warm. */
static double wrk(const struct http_bench *b, const struct http_case *c,
                  bool lead)
{
    char  cmd[2400], out[4096];
    char *p = NULL;

    snprintf(cmd, sizeof(cmd), "timeout -s INT %s taskset -c 1 wrk -t1 -c%d "
             "-d9s %s%s%s 'http://127.0.0.1:%d%s' 2>&1", lead ? "0.2" : "0.25",
             HTTP_CONNECTIONS, c->bare ? "" : "-H 'Authorization: Bearer ",
             c->bare ? "" : b->token, c->bare ? "" : "'", c->port, c->path);
    /* on a machine that is busy elsewhere wrk may not even have begun */
    for (int i = 0; i < 5; i++) {
        http_shell(cmd, out, sizeof(out));
        p = strstr(out, "Requests/sec:");
        if (p || lead)
            break;
    }
    if (lead)
        return 1;
    if (!p || strstr(out, "Non-2xx")) {
        fprintf(stderr, "bench: %s failed:\n%s\n", c->name, out);
        return 0;
    }
    return strtod(p + 13, NULL);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(const double *v, int n)
{
    double copy[HTTP_SLICES_MAX];

    memcpy(copy, v, (size_t)n * sizeof(*v));
    qsort(copy, (size_t)n, sizeof(*copy), ascending);
    return copy[n / 2];
}

/* The median of the ratios of each slice. */
static double ratio(const struct http_case *x, const struct http_case *y,
                    int slices)
{
    double r[HTTP_SLICES_MAX];

    for (int i = 0; i < slices; i++)
        r[i] = y->rps[i] > 0 ? x->rps[i] / y->rps[i] : 0;
    return median(r, slices);
}

bool http_wanted(const struct http_case *c, int n,
                 const struct http_ratio *r, int nr)
{
    for (int i = 0; i < n; i++)
        if (bench_wanted(c[i].name))
            return true;
    for (int i = 0; i < nr; i++)
        if (bench_wanted(r[i].name))
            return true;
    return false;
}

/* The time that all cases take is spent on those that were asked for. */
static int slices_of(const struct http_case *c, int n, int seconds)
{
    int wanted = 0, slices;

    for (int i = 0; i < n; i++)
        wanted += c[i].wanted;
    slices = wanted ? seconds * 4 * n / wanted : 0;
    return slices < HTTP_SLICES_MAX ? slices : HTTP_SLICES_MAX;
}

int http_rounds(const struct http_bench *b, struct http_case *c, int n,
                const struct http_ratio *r, int nr, int seconds,
                bench_emit emit)
{
    int slices;

    for (int i = 0; i < n; i++)
        c[i].wanted = bench_wanted(c[i].name);
    for (int i = 0; i < nr; i++)
        if (bench_wanted(r[i].name))
            c[r[i].x].wanted = c[r[i].y].wanted = true;
    slices = slices_of(c, n, seconds);
    for (int k = -1; k < slices; k++)
        for (int j = 0; j < n; j++) {
            int    i = k & 1 ? n - 1 - j : j;
            double v = c[i].wanted ? wrk(b, &c[i], k < 0) : 1;

            if (v <= 0)
                return -1;
            if (k >= 0)
                c[i].rps[k] = v;
        }
    for (int i = 0; i < n; i++)
        if (c[i].wanted)
            emit(c[i].name, median(c[i].rps, slices), "req/s");
    for (int i = 0; i < nr; i++)
        if (bench_wanted(r[i].name))
            emit(r[i].name, ratio(&c[r[i].x], &c[r[i].y], slices), "x");
    return 0;
}
