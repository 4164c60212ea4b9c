/* replay_server.c - a real server with our module, started and stopped. */
#include "replay.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    socklen_t          n = sizeof(a);
    int                fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) < 0
        || getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        return -1;
    close(fd);
    return ntohs(a.sin_port);
}

/* The module lies beside us: build/tests/replay -> build/nginx/... */
static void module_path(char *out, size_t n, const char *var, const char *file)
{
    const char *env = getenv(var);
    char        self[512];
    ssize_t     len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char       *slash;

    if (env) {
        snprintf(out, n, "%s", env);
        return;
    }
    self[len > 0 ? len : 0] = '\0';
    for (int i = 0; i < 2; i++)
        if ((slash = strrchr(self, '/')))
            *slash = '\0';
    snprintf(out, n, "%s/%s", self, file);
}

static int write_nginx(struct server *s)
{
    char  path[400], module[600];
    FILE *f;

    module_path(module, sizeof(module), "AE_NGX_MODULE",
                "nginx/ngx_http_argo_edge_module.so");
    snprintf(path, sizeof(path), "%s/nginx.conf", s->dir);
    if (!(f = fopen(path, "w")))
        return -1;
    fprintf(f,
            "load_module %s;\n"
            "daemon off; master_process on; worker_processes 1;\n"
            "user root;\n"
            "pid %s/nginx.pid; error_log %s/error.log info;\n"
            "events { worker_connections 512; }\n"
            "http {\n"
            "  access_log %s/access.log;\n"
            "  client_body_temp_path %s/body; proxy_temp_path %s/proxy;\n"
            "  fastcgi_temp_path %s/f; uwsgi_temp_path %s/u;\n"
            "  scgi_temp_path %s/s;\n"
            "  large_client_header_buffers 4 32k;\n"
            "  argo_edge_inputs %s;\n"
            "  argo_edge_projects complete;\n"
            "  argo_edge_app_namespaces apps-*;\n"
            "  server {\n"
            "    listen 127.0.0.1:%d;\n"
            "    add_header X-Replay-Policy $argo_edge_policy_id always;\n"
            "    location / {\n"
            "      argo_edge on;\n"
            "      proxy_http_version 1.1;\n"
            "      proxy_set_header Connection \"\";\n"
            "      proxy_pass http://127.0.0.1:%d;\n"
            "    }\n"
            "  }\n"
            "}\n",
            module, s->dir, s->dir, s->dir, s->dir, s->dir, s->dir, s->dir,
            s->dir, s->inputs, s->port, s->upstream);
    return fclose(f);
}

static bool up(int port)
{
    struct msg m;

    for (int i = 0; i < 100; i++) {
        if (http_get(port, "/replay-ready", &m) == 0 && m.status) {
            msg_free(&m);
            return true;
        }
        usleep(100 * 1000);
    }
    return false;
}

static int write_httpd(struct server *s)
{
    char path[400], module[600];

    module_path(module, sizeof(module), "AE_HTTPD_MODULE",
                "httpd/mod_argo_edge.so");
    snprintf(path, sizeof(path), "%s/httpd.conf", s->dir);
    return httpd_write(s, module, path);
}

int server_start(struct server *s)
{
    bool httpd = strncmp(s->kind, "httpd", 5) == 0;
    char conf[400], prefix[300];

    if (strcmp(s->kind, "core") == 0)
        return core_load(s);
    s->port = free_port();
    snprintf(conf, sizeof(conf), "%s/%s.conf", s->dir,
             httpd ? "httpd" : "nginx");
    snprintf(prefix, sizeof(prefix), "%s/", s->dir);
    if (s->port < 0 || (httpd ? write_httpd(s) : write_nginx(s)))
        return -1;
    s->pid = fork();
    if (s->pid == 0) {
        setpgid(0, 0); /* httpd signals all of its group when it ends */
        if (httpd)
            httpd_exec(conf);
        execlp("nginx", "nginx", "-p", prefix, "-c", conf, (char *)NULL);
        execl("/usr/sbin/nginx", "nginx", "-p", prefix, "-c", conf,
              (char *)NULL);
        _exit(127);
    }
    return s->pid > 0 && up(s->port) ? 0 : -1;
}

void server_stop(struct server *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGTERM);
    for (int i = 0; i < 100; i++) {
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
            s->pid = 0;
            return;
        }
        usleep(20 * 1000);
    }
    kill(-s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void server_logs(const struct server *s)
{
    char cmd[600];

    snprintf(cmd, sizeof(cmd), "tail -n 30 '%s/error.log' >&2", s->dir);
    if (system(cmd) != 0)
        fprintf(stderr, "no error log in %s\n", s->dir);
}
