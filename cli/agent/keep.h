/*
 * keep.h - private to `argo-edge agent`: what is fetched from elsewhere by
 * HTTP and kept beside the inputs.
 *
 * libcurl's multi interface does the waiting; each job is a row of the table
 * in keep.c.  A job never blocks, keeps its own next time, and says in one line
 * how it is.
 */
#ifndef AE_AGENT_KEEP_H
#define AE_AGENT_KEEP_H

#include "../cli.h"

#include <curl/curl.h>

#define KEEP_BODY_MAX (256 * 1024)  /* of one answer (faults.md F16) */
#define KEEP_TIME_MS 5000           /* of one answer, from first to last */

struct keeper {
    struct cli      *c;
    CURLM           *multi;
    struct ae_heap   heap;        /* of |in| */
    struct ae_inputs in;
    ae_inputs_src   *src;
    bool             have_inputs, told;
    int64_t          told_ms, look_ms;
    void            *job[4];
    uint64_t         generation;  /* moves with the inputs */
    int64_t          now_ms;      /* monotonic, of this turn */
    const char      *ca;          /* file of authorities, NULL: the system's */
};

/* ---- http.c ------------------------------------------------------------- */

/* One GET.  |done| is called once, from the loop: status 0 if there was no
 * whole answer, |error| then says why. */
struct keep_get {
    CURL  *easy;
    char  *body;
    size_t n;
    bool   too_big;
    int    hops;
    char   url[1024];
    char   error[CURL_ERROR_SIZE];
    void (*done)(void *ctx, int status, ae_str body, const char *error);
    void  *ctx;
};

/* Begin; false and an error text in |g| if not even that is possible. */
bool keep_get(struct keeper *a, struct keep_get *g, const char *url);
void keep_get_end(struct keeper *a, struct keep_get *g); /* at any time */
/* What has finished is handed to its |done|. */
void keep_http_turn(struct keeper *a);
/* https, or http to this very host; nothing else is asked. */
bool keep_url_ok(ae_str url);

/* ---- jobs ------------------------------------------------------------- */

struct keep_job {
    const char *name;
    void *(*open)(struct keeper *a);
    /* Do what is due; returns when to come back (monotonic ms). */
    int64_t (*turn)(struct keeper *a, void *job);
    bool  (*well)(const void *job, char *line, size_t n); /* health */
    void  (*close)(struct keeper *a, void *job);
};

extern const struct keep_job keep_job_sso;

/* ---- keep.c ----------------------------------------------------------- */

/* NULL without memory.  |c| is borrowed and has --inputs. */
struct keeper *keep_open(struct cli *c);
/* One turn of all jobs; then waits for the network at most |wait_ms|. */
void keep_turn(struct keeper *a, int wait_ms);
void keep_say_health(struct keeper *a);
void keep_close(struct keeper *a);

#endif
