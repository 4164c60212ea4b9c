/*
 * bench_http200k.c - answers of 200 KB: our hit, read from the store in
 * pieces, beside what nginx does by itself.
 */
#include "http.h"

#include <stdio.h>
#include <string.h>

enum { BODY = 200 << 10 };

#define HIT "/api/v1/applications/big?project=bench"

enum which { STATIC200K, PROXY_CACHE200K, HIT200K, NCASE };

static struct http_case cases[NCASE] = {
    [STATIC200K]      = { .name = "http.static200k", .path = "/big.json" },
    [PROXY_CACHE200K] = { .name = "http.proxy_cache200k",
                          .path = "/cached" HIT },
    [HIT200K]         = { .name = "http.hit200k", .path = HIT },
};

static const struct http_ratio ratios[] = {
    { "ratio.hit200k.proxy_cache", HIT200K, PROXY_CACHE200K },
    { "ratio.hit200k.static", HIT200K, STATIC200K },
};
enum { NRATIO = sizeof(ratios) / sizeof(ratios[0]) };

static void make_body(const struct http_bench *b)
{
    static char big[BODY + 1];
    int n = snprintf(big, sizeof(big),
                     "{\"metadata\":{\"name\":\"big\",\"namespace\":"
                     "\"argocd\"},\"spec\":{\"project\":\"bench\"},"
                     "\"status\":{\"summary\":\"");

    memset(big + n, 'x', (size_t)(BODY - n - 3));
    memcpy(big + BODY - 3, "\"}}", 4);
    http_put(b, "big.json", big);
}

/* Ports: plain, edge, edge with its verdict shown, and an upstream of its own,
 * which is asked twice before anything is measured. */
static void make_conf(const struct http_bench *b, const int port[4])
{
    const char *d = b->dir;
    char        conf[16384], module[600];

    http_module("AE_NGX_MODULE", "nginx/ngx_http_argo_edge_module.so", module,
                sizeof(module));
    snprintf(conf, sizeof(conf),
        "load_module %s;\nworker_cpu_affinity 01;\n"
        "daemon off; worker_processes 1; user root;\n"
        "pid %s/big.pid; error_log %s/big.log warn;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        "  client_body_temp_path %s/b3; proxy_temp_path %s/p3;\n"
        "  fastcgi_temp_path %s/f3; uwsgi_temp_path %s/u3;\n"
        "  scgi_temp_path %s/s3; default_type application/json;\n"
        "  argo_edge_inputs %s/inputs; argo_edge_cache %s/bigc size=64m;\n"
        "  argo_edge_ttl applications=1h; argo_edge_lease 1h;\n"
        "  proxy_cache_path %s/pc3 keys_zone=pc:10m;\n"
        "  proxy_http_version 1.1; proxy_set_header Connection \"\";\n"
        "  upstream up { server 127.0.0.1:%d; }\n"
        "  server { listen 127.0.0.1:%d;\n"
        "    location = /big.json { root %s; open_file_cache max=100; }\n"
        "    location /cached/ { proxy_cache pc; proxy_cache_valid 200 1h;\n"
        "      proxy_pass http://up/; }\n"
        "  }\n"
        "  server { listen 127.0.0.1:%d; location / {\n"
        "    argo_edge on; proxy_pass http://up; } }\n"
        "  server { listen 127.0.0.1:%d; location / { argo_edge on;\n"
        "    add_header Argo-Edge $argo_edge_cache always;\n"
        "    proxy_pass http://up; } }\n"
        "  server { listen 127.0.0.1:%d;\n"
        "    location / { root %s; try_files /big.json =404; } }\n}\n",
        module, d, d, d, d, d, d, d, d, d, d, port[3], port[0], d, port[1],
        port[2], port[3], d);
    http_put(b, "big.conf", conf);
}

int bench_http200k(int quick, bench_emit emit)
{
    struct http_bench b;
    int               port[4], rc;

    if (!http_wanted(cases, NCASE, ratios, NRATIO))
        return 0;
    if (http_open(&b))
        return -1;
    for (int i = 0; i < 4; i++)
        port[i] = http_free_port();
    for (int c = 0; c < NCASE; c++)
        cases[c].port = port[c == HIT200K];
    make_body(&b);
    make_conf(&b, port);
    http_nginx(&b, "big.conf");
    rc = http_until(&b, port[2], HIT, "Argo-Edge: hit");
    if (rc == 0)
        rc = http_rounds(&b, cases, NCASE, ratios, NRATIO, quick ? 2 : 7,
                         emit);
    http_close(&b);
    return rc;
}
