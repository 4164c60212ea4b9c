/*
 * world.h - a whole core in memory for one case: the seed inputs with the
 * case's patch over them, an engine without a cache, and one request through
 * it.  Worlds are kept by patch, so that many cases share a snapshot.
 * Uses inputs_lay() of replay_inputs.c.
 */
#ifndef AE_WORLD_H
#define AE_WORLD_H

#include "argo_edge.h"
#include "config/config.h"

#include <jansson.h>

struct world {
    struct ae_conf conf;
    struct ae_loc  loc;
    ae_snapshot   *snap;
    ae_engine     *engine;
    char           dir[64];     /* the patched inputs */
    char           inputs[512]; /* the seed */
    json_t        *patch;
    char           error[900];  /* why |engine| is NULL */
};

/* The world of |inputs| with |patch| over it; made at the first call, dropped
 * at exit.  Never NULL; look at ->engine. */
struct world *world_get(const char *inputs, const json_t *patch);

/* A world of one's own, whose inputs may change; drop it with world_free(). */
struct world *world_new(const char *inputs, const json_t *patch);
void world_free(struct world *w);

/* What came of one request; the strings live until answer_free(). */
struct answer {
    enum ae_act_kind kind;
    int    status;      /* REPLY, CACHED, FAIL */
    char  *ctype, *body, *trace;
    size_t nbody;
};

/* |headers|: [[name, value], ...] or NULL; |body| may be absent. */
int  world_run(struct world *w, const char *method, ae_str target,
               const json_t *headers, ae_str body, struct answer *out);
void answer_free(struct answer *a);

/* A NUL-terminated copy on the heap; without memory the run ends. */
char *world_z(ae_str s);

/* Fill |r| from recorded headers; |cookies| holds at least |max| lines. */
void world_fill(struct ae_req *r, const char *method, ae_str target,
                const json_t *headers, ae_str body, ae_str *cookies,
                size_t max);

#endif
