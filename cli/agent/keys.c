/*
 * keys.c - the SSO provider's documents: discovered, checked as the edge will
 * check them, and put beside the inputs in one step each.
 *
 * They are fetched anew every few minutes, and at once (but not twice within
 * 30 s) when a server lacked a key.  What cannot be used is not written: the
 * last good documents stay, and the mark of the last success shows how old
 * they are, so that the servers stop using them after a day.
 */
#include "agent.h"
#include "keep.h"
#include "edge/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVERY_MS = 300 * 1000, COOL_MS = 30 * 1000, LOOK_MS = 1000 };

struct job {
    struct keeper   *a;
    struct keep_get get;
    bool             busy;
    uint64_t         generation;  /* of the inputs that were acted upon */
    int64_t          next_ms, last_ms, zone_ms;
    ae_zone         *zone;
    uint64_t         wanted;
    char             issuer[512];
    char            *discovery;
    size_t           ndiscovery;
    char             dir[900];
    int64_t          good_ms;     /* of the last success, 0: none yet */
    char             trouble[600];
};

/* NAME:SIZE as in the directive; whoever made it knows its size. */
static ae_str zone_name(const struct job *j)
{
    ae_str name = ae_cs(j->a->c->zone);

    for (size_t i = name.n; i-- > 0;)
        if (name.p[i] == ':') {
            name.n = i;
            break;
        }
    return name;
}

/* For metrics, where the zone is there and may be written. */
static void count(const struct job *j, bool good)
{
    struct ae_zone_conf c = { .name = zone_name(j) };
    ae_zone            *z;

    if (!j->zone)
        return;
    c.size = ae_zone_size(j->zone);
    if (ae_zone_open(&c, &z, NULL, NULL) != AE_OK)
        return;
    ae_keys_agent_count(z, good);
    ae_zone_close(z);
}

static void fail(struct job *j, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct job *j, const char *fmt, ...)
{
    char    text[sizeof(j->trouble)];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (strcmp(text, j->trouble) != 0)
        agent_log("oidc: %s; the last good documents stay", text);
    snprintf(j->trouble, sizeof(j->trouble), "%s", text);
    j->busy = false;
    j->next_ms = j->a->now_ms + COOL_MS;
    count(j, false);
}

/* ---- writing ------------------------------------------------------------ */

static bool same_file(const char *path, ae_str text)
{
    ae_heap       heap = { NULL, 0 };
    ae_arena      a;
    struct ae_err e = { 0 };
    ae_str        old;
    bool          same;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    same = ae_file_read(&a, path, KEEP_BODY_MAX, &old, &e) == AE_OK
        && ae_eq(old, text);
    ae_heap_free(&heap);
    return same;
}

static bool put(struct job *j, const char *name, ae_str text)
{
    char    path[1000], tmp[1000];
    ssize_t n;
    int     fd;

    snprintf(path, sizeof(path), "%s/%s", j->dir, name);
    snprintf(tmp, sizeof(tmp), "%s/.%s.new", j->dir, name);
    if (same_file(path, text))
        return true;
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
              0644);
    if (fd < 0)
        return false;
    n = write(fd, text.p, text.n);
    if (fsync(fd) || close(fd) || n != (ssize_t)text.n)
        return false;
    return rename(tmp, path) == 0;
}

static bool mark(const struct job *j)
{
    char path[1000];
    bool ok;
    int  fd;

    snprintf(path, sizeof(path), "%s/.fetched", j->dir);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return false;
    ok = futimens(fd, NULL) == 0;
    return close(fd) == 0 && ok;
}

/* The mark first: who sees new documents sees that they are kept. */
static bool keep(struct job *j, ae_str jwks)
{
    return (mkdir(j->dir, 0755) == 0 || errno == EEXIST) && mark(j)
        && put(j, "jwks.json", jwks)
        && put(j, "discovery.json", ae_s(j->discovery, j->ndiscovery));
}

/* ---- fetching ----------------------------------------------------------- */

static void got_keys(void *ctx, int status, ae_str body, const char *error)
{
    struct job   *j = ctx;
    struct ae_err err = { 0 };
    ae_keyset    *set = NULL;

    if (status != 200) {
        fail(j, "%s: %s", j->get.url, error);
    } else if (ae_keyset_new(ae_cs(j->issuer), ae_s(j->discovery,
                                                    j->ndiscovery),
                             body, &set, &err) != AE_OK) {
        fail(j, "%s: %s", j->get.url, err.text);
    } else if (!keep(j, body)) {
        fail(j, "cannot write to %s (errno %d); let this user write there, "
             "or give another directory with --out", j->dir, errno);
    } else {
        if (j->trouble[0] || !j->good_ms)
            agent_log("oidc: keys of %s fetched", j->issuer);
        j->trouble[0] = '\0';
        count(j, true);
        j->good_ms = j->a->now_ms;
        j->next_ms = j->a->now_ms + EVERY_MS;
        j->busy = false;
    }
    ae_keyset_unref(set);
    keep_get_end(j->a, &j->get);
}

static void got_discovery(void *ctx, int status, ae_str body,
                          const char *error)
{
    struct job   *j = ctx;
    struct ae_err err = { 0 };
    ae_keyset    *set = NULL;
    char          uri[1024];
    ae_str        u;

    free(j->discovery);
    j->discovery = status == 200 ? malloc(body.n + 1) : NULL;
    if (!j->discovery) {
        fail(j, "%s: %s", j->get.url, error);
        keep_get_end(j->a, &j->get);
        return;
    }
    memcpy(j->discovery, body.p, body.n);
    j->ndiscovery = body.n;
    keep_get_end(j->a, &j->get);
    if (ae_keyset_new(ae_cs(j->issuer), ae_s(j->discovery, j->ndiscovery),
                      AE_STR("{\"keys\":[]}"), &set, &err) != AE_OK) {
        fail(j, "%s: %s", j->issuer, err.text);
        return;
    }
    u = ae_keyset_uri(set);
    snprintf(uri, sizeof(uri), "%.*s", (int)u.n, u.p);
    ae_keyset_unref(set);
    j->get.done = got_keys;
    if (!keep_get(j->a, &j->get, uri))
        fail(j, "%s", j->get.error);
}

static void begin(struct job *j)
{
    char   url[700];
    size_t n = strlen(j->issuer);

    while (n && j->issuer[n - 1] == '/')
        n--;
    snprintf(url, sizeof(url), "%.*s/.well-known/openid-configuration",
             (int)n, j->issuer);
    j->last_ms = j->a->now_ms;
    j->busy = true;
    j->get.done = got_discovery;
    j->get.ctx = j;
    if (!keep_get(j->a, &j->get, url))
        fail(j, "%s", j->get.error);
}

/* ---- the job ------------------------------------------------------------ */

static void *open_job(struct keeper *a)
{
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        return NULL;
    j->a = a;
    if (a->c->out)
        snprintf(j->dir, sizeof(j->dir), "%s", a->c->out);
    else
        snprintf(j->dir, sizeof(j->dir), "%s/oidc", a->c->inputs);
    return j;
}

/* The zone may appear after us, or be made anew. */
static void look_at_zone(struct job *j)
{
    struct ae_zone_conf c = { .name = zone_name(j), .read_only = true };
    uint64_t            wanted;

    if (!c.name.n)
        return;
    ae_zone_close(j->zone);
    j->zone = NULL;
    if (ae_zone_open(&c, &j->zone, NULL, NULL) != AE_OK)
        return;
    wanted = ae_keys_wanted(j->zone);
    if (wanted != j->wanted && j->good_ms
        && j->next_ms > j->last_ms + COOL_MS)
        j->next_ms = j->last_ms + COOL_MS;
    j->wanted = wanted;
}

static void settings_changed(struct job *j)
{
    const struct ae_sso *s = &j->a->in.sso;

    j->generation = j->a->generation;
    if ((s->kind != AE_SSO_OIDC && s->kind != AE_SSO_DEX)
        || s->issuer.n >= sizeof(j->issuer)) {
        j->issuer[0] = '\0';
        return;
    }
    if (ae_eq(s->issuer, ae_cs(j->issuer)))
        return;
    snprintf(j->issuer, sizeof(j->issuer), "%.*s", (int)s->issuer.n,
             s->issuer.p);
    j->next_ms = 0;
    j->good_ms = 0;
}

static int64_t turn(struct keeper *a, void *job)
{
    struct job *j = job;

    if (j->generation != a->generation)
        settings_changed(j);
    if (a->now_ms >= j->zone_ms) {
        j->zone_ms = a->now_ms + LOOK_MS;
        look_at_zone(j);
    }
    if (!j->busy && j->issuer[0] && a->now_ms >= j->next_ms)
        begin(j);
    return a->now_ms + LOOK_MS;
}

static bool well(const void *job, char *line, size_t n)
{
    const struct job *j = job;

    if (!j->issuer[0])
        snprintf(line, n, "oidc: no SSO in the settings");
    else if (j->trouble[0])
        snprintf(line, n, "oidc: %s", j->trouble);
    else if (!j->good_ms)
        snprintf(line, n, "oidc: asking %s", j->issuer);
    else
        snprintf(line, n, "oidc: keys of %s are %lld s old", j->issuer,
                 (long long)(j->a->now_ms - j->good_ms) / 1000);
    return !j->trouble[0];
}

static void close_job(struct keeper *a, void *job)
{
    struct job *j = job;

    if (!j)
        return;
    keep_get_end(a, &j->get);
    ae_zone_close(j->zone);
    free(j->discovery);
    free(j);
}

const struct keep_job keep_job_sso = {
    "oidc", open_job, turn, well, close_job
};
