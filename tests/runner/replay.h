/*
 * replay.h - build/tests/replay: recorded exchanges through a real server
 * with our module (or the bare core), in front of a scripted upstream that
 * answers with the recorded upstream answer.
 */
#ifndef AE_REPLAY_H
#define AE_REPLAY_H

#include "base/base.h"

#include <stdbool.h>

/* A HTTP message as bytes, heap-owned. */
struct msg {
    int    status;          /* responses; 0: no answer (closed) */
    char  *ctype;           /* "" when absent */
    char  *policy_id;       /* X-Replay-Policy, "" when absent */
    char  *head;            /* header lines; NULL: none of its own (core) */
    bool   unexpected;      /* X-Replay: unexpected */
    char  *body;
    size_t nbody;
};
void msg_free(struct msg *m);

/* One case, decoded. */
struct xchg {
    const json_t *c;
    const char   *name, *edge, *method;
    ae_str        target;   /* <N x 'c'> expanded; heap */
    ae_str        body;     /* as sent on the wire; heap */
    ae_str        plain;    /* after de-chunking; heap */
    bool          has_body, chunked, stream_open;
    int           status;   /* recorded */
    const char   *ctype;
    ae_str        want;     /* recorded body */
    bool          head;
};
bool xchg_load(const json_t *c, struct xchg *x);
void xchg_free(struct xchg *x);

/* ---- the scripted upstream (a thread) ---- */
int  up_start(void);                        /* returns its port */
void up_expect(const struct xchg *x);       /* NULL: everything unexpected */
int  up_hits(void);                         /* requests since up_expect */

/* ---- the client ---- */
/* Sends |x| to 127.0.0.1:port and reads the answer.  For an open stream
 * stops once |x->want| has come. */
int http_run(int port, const struct xchg *x, struct msg *out);
int http_get(int port, const char *target, struct msg *out);

/* ---- inputs ---- */
/* Copies |seed| with the case's patch over it into |dir| (made afresh: the
 * files change in place so that a running server notices). */
int inputs_lay(const char *seed, const json_t *patch, const char *dir);
int inputs_remove(const char *dir);

/* ---- servers ---- */
struct server {
    char  dir[256];        /* scratch */
    char  inputs[300];
    int   port, upstream;
    int   pid;
    const char *kind;      /* nginx | httpd[-prefork|-worker] | core |
                              shadow */
};
int  server_start(struct server *s);
void server_stop(struct server *s);
void server_logs(const struct server *s);   /* last lines of the error log */

/* httpd: |conf| written, inputs made its children's own, and exec. */
int  httpd_write(struct server *s, const char *module, const char *conf);
int  httpd_own(const struct server *s);
void httpd_exec(const char *conf);

/* ---- the same everywhere ---- */
/* What one server made of a case. */
struct outcome {
    const struct server *s;
    struct msg           m;
    int                  reached;   /* requests that the upstream saw */
    bool                 host;      /* refused before we were asked */
};
/* True if all say the same; else |why| says who does not. */
bool parity_same(const struct xchg *x, struct outcome *o, size_t n, char *why,
                 size_t max);

/* ---- the bare core ----
 * kind "shadow": in shadow mode, where |unexpected| says that what Argo CD
 * answered was counted as a divergence. */
bool is_core(const struct server *s);
int  core_load(const struct server *s);     /* (re)build the snapshot */
int  core_run(const struct server *s, const struct xchg *x, struct msg *out);
const char *core_policy_id(void);

#endif
