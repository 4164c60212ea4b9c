/*
 * backend.h - a small Argo CD look-alike for the demo and the bench: it
 * checks tokens and RBAC itself, with the same library, as Argo CD would.
 */
#ifndef AE_BACKEND_H
#define AE_BACKEND_H

#include "base/base.h"
#include "config/config.h"
#include "policy/policy.h"
#include "route/route.h"
#include "token/token.h"

#include <pthread.h>

/* What one reading of the inputs gave.  A former generation is left to the
 * process: a request on another thread may still read it, and a demo edits
 * its policy only a few times. */
struct generation {
    ae_heap           heap;
    struct ae_inputs  in;
    ae_inputs_src    *src;
    ae_policy        *policy;
    ae_tokens        *tokens;
};

struct world {                  /* all of the look-alike's state */
    pthread_mutex_t lock;
    pthread_cond_t  changed;    /* an application changed */
    uint64_t        version;    /* resourceVersion, moves with each change */
    json_t         *apps;       /* array, ordered by name */
    json_t         *events;     /* every change, for stream clients */
    json_t         *settings, *server_version;
    struct ae_conf  conf;
    struct generation *g;       /* in force */
    uint64_t        requests;
};

int world_init(struct world *w, const char *inputs, const char *data,
               int napps);
/* Takes over changed inputs; keeps the old ones if they are bad. */
void world_refresh(struct world *w);

struct call {                   /* one request and its answer */
    struct world       *w;
    ae_arena           *a;
    ae_str              method, target, ctype, authorization, cookie, body;
    struct ae_target    t;
    struct ae_subject   who;
    ae_principal       *pr;
    struct ae_identity *id;
    int                 fd;
    int                 status;
    ae_str              answer, type;
    bool                streamed; /* the answer went out already */
};

/* Fills status and answer, or streams to |fd|.  Holds w->lock inside. */
void api_answer(struct call *c);
void api_error(struct call *c, int status, int code, ae_str text);
bool api_say(int fd, ae_str s);

#endif
