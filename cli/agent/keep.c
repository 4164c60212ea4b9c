/*
 * keep.c - the jobs that fetch, their turns, and the word to the service
 * manager.
 */
#include "agent.h"
#include "keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const struct keep_job *const jobs[] = { &keep_job_sso };

enum { NJOBS = sizeof(jobs) / sizeof(jobs[0]), LOOK_MS = 1000 };

static int64_t mono_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* sd_notify(3) without its library: one datagram to $NOTIFY_SOCKET. */
void agent_notify(const char *text)
{
    const char        *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    size_t             n = path ? strlen(path) : 0;
    int                fd;

    if (n < 2 || n >= sizeof(sa.sun_path))
        return;
    memcpy(sa.sun_path, path, n);
    if (path[0] == '@')
        sa.sun_path[0] = '\0';     /* the abstract name space */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* who does not read must not make us wait */
    (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (struct sockaddr *)&sa,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

/* A bad input keeps what was read before, as in the servers. */
static void read_inputs(struct keeper *a)
{
    struct ae_conf   conf;
    struct ae_err    err = { .code = 0 };
    struct ae_inputs in;
    ae_heap          heap = { NULL, 0 };
    ae_inputs_src   *src = NULL;
    char             text[900];
    int              rc;

    if (a->src && !ae_inputs_changed(a->src))
        return;
    cli_conf(a->c, &conf);
    rc = ae_inputs_load(ae_cs(a->c->inputs), &conf, &heap, &in, &src, &err);
    ae_inputs_src_free(a->src);
    a->src = src;
    if (rc != AE_OK) {
        agent_log("inputs: %s", ae_err_str(&err, text, sizeof(text)));
        ae_heap_free(&heap);
        return;
    }
    ae_heap_free(&a->heap);
    a->heap = heap;
    a->in = in;
    a->have_inputs = true;
    a->generation++;
}

/* All jobs in one line; true if all are well. */
static bool health(struct keeper *a, char *out, size_t n)
{
    bool   well = true;
    size_t at = 0;

    out[0] = '\0';
    for (int i = 0; i < NJOBS && at < n; i++) {
        char line[700];
        int  k;

        well &= jobs[i]->well(a->job[i], line, sizeof(line));
        k = snprintf(out + at, n - at, "%s%s", i ? "; " : "", line);
        at += k > 0 ? (size_t)k : 0;
    }
    return well;
}

/* Once a second, and when it begins. */
static void tell(struct keeper *a)
{
    char line[1500], text[1600];
    bool well;

    if (a->told && a->now_ms - a->told_ms < LOOK_MS)
        return;
    well = health(a, line, sizeof(line));
    snprintf(text, sizeof(text), "%sSTATUS=%s%s\nWATCHDOG=1",
             a->told ? "" : "READY=1\n", well ? "" : "trouble: ", line);
    agent_notify(text);
    a->told = true;
    a->told_ms = a->now_ms;
}

void keep_say_health(struct keeper *a)
{
    char line[1500];
    bool well = health(a, line, sizeof(line));

    agent_log("%s: %s", well ? "well" : "trouble", line);
}

void keep_turn(struct keeper *a, int wait_ms)
{
    int ready;

    a->now_ms = mono_ms();
    if (a->now_ms >= a->look_ms) {
        a->look_ms = a->now_ms + LOOK_MS;
        read_inputs(a);
    }
    for (int i = 0; a->have_inputs && i < NJOBS; i++)
        jobs[i]->turn(a, a->job[i]);
    keep_http_turn(a);
    tell(a);
    if (wait_ms)
        curl_multi_poll(a->multi, NULL, 0, wait_ms, &ready);
}

struct keeper *keep_open(struct cli *c)
{
    struct keeper *a = calloc(1, sizeof(*a));
    bool           ok = a != NULL;

    if (!a)
        return NULL;
    a->c = c;
    a->ca = c->ca;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    a->multi = curl_multi_init();
    for (int i = 0; i < NJOBS; i++)
        ok &= (a->job[i] = jobs[i]->open(a)) != NULL;
    if (ok && a->multi)
        return a;
    keep_close(a);
    return NULL;
}

void keep_close(struct keeper *a)
{
    if (!a)
        return;
    for (int i = 0; i < NJOBS; i++)
        jobs[i]->close(a, a->job[i]);
    curl_multi_cleanup(a->multi);
    curl_global_cleanup();
    ae_inputs_src_free(a->src);
    ae_heap_free(&a->heap);
    free(a);
}
