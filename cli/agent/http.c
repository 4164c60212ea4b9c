/*
 * http.c - GET with bounds: one time for all of it, one size, TLS verified,
 * redirects only to the same scheme, host and port.
 */
#include "keep.h"

#include <stdio.h>
#include <stdlib.h>

enum { HOPS_MAX = 3 };

static ae_str origin(ae_str url)
{
    size_t at = ae_find_str(url, AE_STR("://"));
    ae_str rest;

    if (at == SIZE_MAX)
        return ae_s(NULL, 0);
    rest = ae_sub(url, at + 3, url.n);
    return ae_sub(url, 0, at + 3 + ae_find(rest, '/'));
}

bool keep_url_ok(ae_str url)
{
    static const char *const here[] = { "http://127.0.0.1", "http://[::1]",
                                        "http://localhost" };
    ae_str o = origin(url);

    if (ae_find(o, '@') < o.n || ae_find(url, '#') < url.n)
        return false;
    if (ae_starts(url, AE_STR("https://")) && o.n > 8)
        return true;
    for (size_t i = 0; i < 3; i++) {
        ae_str h = ae_cs(here[i]);

        if (ae_starts(o, h) && (o.n == h.n || o.p[h.n] == ':'))
            return true;
    }
    return false;
}

static size_t take(char *p, size_t size, size_t n, void *ctx)
{
    struct keep_get *g = ctx;
    char             *q;

    n *= size;
    if (n > KEEP_BODY_MAX - g->n) {
        g->too_big = true;
        return 0;
    }
    q = realloc(g->body, g->n + n + 1);
    if (!q)
        return 0;
    memcpy(q + g->n, p, n);
    g->body = q;
    g->n += n;
    return n;
}

static bool set_up(struct keeper *a, struct keep_get *g)
{
    CURL *e = g->easy;

    curl_easy_setopt(e, CURLOPT_URL, g->url);
    curl_easy_setopt(e, CURLOPT_PRIVATE, g);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, g);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, g->error);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)KEEP_TIME_MS);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_USERAGENT, "argo-edge/" AE_VERSION);
    if (a->ca)
        curl_easy_setopt(e, CURLOPT_CAINFO, a->ca);
    return curl_multi_add_handle(a->multi, e) == CURLM_OK;
}

bool keep_get(struct keeper *a, struct keep_get *g, const char *url)
{
    void (*done)(void *, int, ae_str, const char *) = g->done;
    void  *ctx = g->ctx;
    int    hops = g->hops;

    memset(g, 0, sizeof(*g));
    g->done = done;
    g->ctx = ctx;
    g->hops = hops;
    if (!keep_url_ok(ae_cs(url)) || strlen(url) >= sizeof(g->url)) {
        snprintf(g->error, sizeof(g->error), "%.200s is neither https nor on "
                 "this host", url);
        return false;
    }
    snprintf(g->url, sizeof(g->url), "%s", url);
    g->easy = curl_easy_init();
    if (g->easy && set_up(a, g))
        return true;
    snprintf(g->error, sizeof(g->error), "out of memory");
    keep_get_end(a, g);
    return false;
}

void keep_get_end(struct keeper *a, struct keep_get *g)
{
    if (g->easy) {
        curl_multi_remove_handle(a->multi, g->easy);
        curl_easy_cleanup(g->easy);
    }
    free(g->body);
    g->easy = NULL;
    g->body = NULL;
    g->n = 0;
}

/* A redirect within the same origin; true if the next request is under way. */
static bool follow(struct keeper *a, struct keep_get *g, long status)
{
    char next[sizeof(g->url)], *to = NULL;

    if (status < 301 || status > 308 || g->hops >= HOPS_MAX)
        return false;
    curl_easy_getinfo(g->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to || strlen(to) >= sizeof(next)
        || !ae_eq(origin(ae_cs(to)), origin(ae_cs(g->url))))
        return false;
    snprintf(next, sizeof(next), "%s", to);
    keep_get_end(a, g);
    g->hops++;
    return keep_get(a, g, next);
}

static void finished(struct keeper *a, struct keep_get *g, CURLcode rc)
{
    long status = 0;
    char why[CURL_ERROR_SIZE + 64];

    curl_easy_getinfo(g->easy, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_OK && follow(a, g, status))
        return;
    if (g->too_big)
        snprintf(why, sizeof(why), "the answer is larger than 256 KiB");
    else if (rc != CURLE_OK)
        snprintf(why, sizeof(why), "%s", g->error[0] ? g->error
                                          : curl_easy_strerror(rc));
    else
        snprintf(why, sizeof(why), "status %ld", status);
    g->hops = 0;
    g->done(g->ctx, rc == CURLE_OK ? (int)status : 0,
            ae_s(g->body ? g->body : "", g->n), why);
}

void keep_http_turn(struct keeper *a)
{
    CURLMsg *m;
    int      left, running;

    curl_multi_perform(a->multi, &running);
    while ((m = curl_multi_info_read(a->multi, &left))) {
        char *p = NULL;

        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &p);
        finished(a, (struct keep_get *)(void *)p, m->data.result);
    }
}
