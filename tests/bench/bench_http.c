/*
 * bench_http.c - one nginx worker, one wrk, every case in turn: what our hit
 * and our forwarded request cost against what nginx does by itself.
 */
#include "http.h"

#include <stdio.h>
#include <string.h>

enum which { RETURN2K, STATIC2K, PROXY_CACHE2K, HIT2K, LIMITED2K,
             PROXY_PASS2K, FORWARD2K, NCASE };

static struct http_case cases[NCASE] = {
    [RETURN2K]      = { .name = "http.return2k", .path = "/return" },
    [STATIC2K]      = { .name = "http.static2k", .path = "/static.json" },
    [PROXY_CACHE2K] = { .name = "http.proxy_cache2k",
                        .path = "/cached" HTTP_HIT },
    [HIT2K]         = { .name = "http.hit2k", .path = HTTP_HIT },
    [LIMITED2K]     = { .name = "http.limited2k", .path = HTTP_HIT },
    [PROXY_PASS2K]  = { .name = "http.proxy_pass2k", .path = HTTP_PASS },
    [FORWARD2K]     = { .name = "http.forward2k", .path = HTTP_PASS },
};

static const struct http_ratio ratios[] = {
    { "ratio.hit2k.proxy_cache", HIT2K, PROXY_CACHE2K },
    { "ratio.limited2k.proxy_cache", LIMITED2K, PROXY_CACHE2K },
    { "ratio.hit2k.static", HIT2K, STATIC2K },
    { "ratio.hit2k.return", HIT2K, RETURN2K },
    { "ratio.forward2k.proxy_pass", FORWARD2K, PROXY_PASS2K },
};
enum { NRATIO = sizeof(ratios) / sizeof(ratios[0]) };

/* Ports: plain, edge, edge with its verdict shown, edge with limits. */
static void make_conf(const struct http_bench *b, const int port[4])
{
    const char *d = b->dir;
    char        conf[16384], module[600];

    http_module("AE_NGX_MODULE", "nginx/ngx_http_argo_edge_module.so", module,
                sizeof(module));
    snprintf(conf, sizeof(conf),
        "load_module %s;\nworker_cpu_affinity 01;\n"
        "daemon off; worker_processes 1; user root;\n"
        "pid %s/sut.pid; error_log %s/sut.log warn;\n"
        "events { worker_connections 1024; }\n"
        "http { access_log off; keepalive_requests 1000000000;\n"
        "  client_body_temp_path %s/b2; proxy_temp_path %s/p2;\n"
        "  fastcgi_temp_path %s/f2; uwsgi_temp_path %s/u2;\n"
        "  scgi_temp_path %s/s2; default_type application/json;\n"
        "  argo_edge_inputs %s/inputs; argo_edge_cache %s/cache size=64m;\n"
        "  argo_edge_zone %s/zone:16m;\n"
        "  argo_edge_ttl applications=1h; argo_edge_lease 1h;\n"
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
        "    argo_edge on; proxy_pass http://up; } }\n"
        "  server { listen 127.0.0.1:%d; location / { argo_edge on;\n"
        "    add_header Argo-Edge $argo_edge_cache always;\n"
        "    proxy_pass http://up; } }\n"
        "  server { listen 127.0.0.1:%d; location / { argo_edge on;\n"
        "    argo_edge_limit address rate=1000000r/s;\n"
        "    argo_edge_limit apikey rate=1000000r/s cost=list:5;\n"
        "    argo_edge_limit any rate=1000000r/s per=all name=all;\n"
        "    argo_edge_limit_calls any 100;\n"
        "    proxy_pass http://up; } }\n}\n",
        module, d, d, d, d, d, d, d, d, d, d, d, b->upstream, port[0],
        b->body, d, port[1], port[2], port[3]);
    http_put(b, "sut.conf", conf);
}

int bench_http(int quick, bench_emit emit)
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
        cases[c].port = port[c == LIMITED2K ? 3
                             : c == HIT2K || c == FORWARD2K];
    make_conf(&b, port);
    http_nginx(&b, "sut.conf");
    rc = http_until(&b, port[2], HTTP_HIT, "Argo-Edge: hit");
    if (rc == 0)
        rc = http_rounds(&b, cases, NCASE, ratios, NRATIO, quick ? 2 : 7,
                         emit);
    http_close(&b);
    return rc;
}
