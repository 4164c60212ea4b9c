/* http.h - what the benchmarks of both servers share: the upstream, the
 * inputs, a token, and wrk in rounds. */
#ifndef AE_BENCH_HTTP_H
#define AE_BENCH_HTTP_H

#include "bench.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { HTTP_BODY = 2048, HTTP_CONNECTIONS = 64, HTTP_SLICES_MAX = 36 };

#define HTTP_HIT "/api/v1/applications/web?project=bench"
#define HTTP_PASS "/api/v1/applications/web/manifests?project=bench"

struct http_bench {
    char  dir[200];            /* scratch, 0755 */
    int   upstream;            /* port of an nginx on core 1 */
    pid_t up, sut;
    char  body[HTTP_BODY + 1];
    char  token[1024];
};

struct http_case {
    const char *name;
    int         port;
    const char *path;
    bool        bare;          /* without the token */
    double      rps[HTTP_SLICES_MAX];
    bool        wanted;
};

/* Case |x| divided by case |y|, by slice. */
struct http_ratio {
    const char *name;
    int         x, y;
};

/* True if one of the names, or of the ratios, was asked for. */
bool http_wanted(const struct http_case *c, int n,
                 const struct http_ratio *r, int nr);

/* Scratch directory with inputs, and the upstream.  -1 (and why on stderr) if
 * a tool is missing. */
int  http_open(struct http_bench *b);
void http_close(struct http_bench *b);

int  http_free_port(void);
void http_put(const struct http_bench *b, const char *name, const char *text);
/* build/SUB/FILE beside this program, or what |var| says. */
void http_module(const char *var, const char *file, char *out, size_t n);
/* Runs |cmd| and gives what it printed. */
void http_shell(const char *cmd, char *out, size_t n);
/* Starts the nginx under test with the file |conf| of the scratch directory. */
void http_nginx(struct http_bench *b, const char *conf);
/* argv[0] of a server, in a process group of its own. */
pid_t http_spawn(const char *const argv[]);
/* Asks until the answer holds |word|. */
int  http_until(const struct http_bench *b, int port, const char *path,
                const char *word);

/* Every wanted case in turn, for |seconds| of each, cut in slices that are
 * shorter than the machine's moods; medians are given to |emit|. */
int  http_rounds(const struct http_bench *b, struct http_case *c, int n,
                 const struct http_ratio *r, int nr, int seconds,
                 bench_emit emit);

#endif
