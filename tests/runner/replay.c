/*
 * replay.c - build/tests/replay --server KIND[,KIND...] [--inputs DIR] FILE...
 * (KIND: nginx, httpd, httpd-prefork, httpd-worker, core, shadow)
 *
 * Plays recorded exchanges through a real server with our module, in front
 * of a scripted upstream (the rules are in tests/vectors/README.md).  A line
 * per failing case, a line per file, and "N passed, M failed" last.
 */
#include "replay.h"
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum verdict { FAILED, PASSED, SKIPPED };

struct totals { int passed, failed, skipped, differ, host; };

/* What plays the cases, over the same inputs. */
enum { SERVERS_MAX = 8 };
struct fleet { struct server s[SERVERS_MAX]; size_t n; };

static bool ours(int status)
{
    static const int ok[] = { 400, 401, 403, 404, 405, 413, 414, 415, 431 };

    for (size_t i = 0; i < sizeof(ok) / sizeof(ok[0]); i++)
        if (ok[i] == status)
            return true;
    return false;
}

static bool same_body(const struct xchg *x, const struct msg *m)
{
    if (x->head)
        return true;
    if (x->stream_open)
        return m->nbody >= x->want.n
            && memcmp(m->body, x->want.p ? x->want.p : "", x->want.n) == 0;
    return ae_eq(ae_s(m->body, m->nbody), x->want);
}

static bool as_recorded(const struct xchg *x, const struct msg *m)
{
    return m->status == x->status && same_body(x, m)
        && strcmp(m->ctype, x->ctype) == 0;
}

/* |reached|: how many requests the upstream saw. */
static enum verdict judge(const struct xchg *x, const struct msg *m,
                          int reached, bool core)
{
    bool rec = as_recorded(x, m);

    if (strcmp(x->edge, "skip") == 0)
        return SKIPPED;
    if (strcmp(x->edge, "any") == 0) /* of no recording: only compared */
        return PASSED;
    if (strcmp(x->edge, "answer") == 0)
        return rec && reached == 0 ? PASSED : FAILED;
    if (strcmp(x->edge, "same") == 0)
        return rec && (core || !m->unexpected) ? PASSED : FAILED;
    if (strcmp(x->edge, "free") == 0) {
        /* ours, the host's own refusal (which may also close), or nothing
         * that the recording would not have given */
        if (rec)
            return PASSED;
        return m->status == 0 || m->status == 501 || m->status == 505
            || ours(m->status) ? PASSED : FAILED;
    }
    return FAILED;
}

static void report(const char *file, const struct xchg *x,
                   const struct msg *m, int reached)
{
    printf("not ok api.exchange %s: got %d %s (%d upstream)%s %.160s; "
           "want %d %s %.160s (%s) [%s]\n",
           x->name, m->status, m->ctype, reached,
           m->unexpected ? " unexpected" : "", m->body ? m->body : "",
           x->status, x->ctype, x->want.p ? x->want.p : "", x->edge, file);
}

static void run_one(struct server *s, struct xchg *x, struct outcome *o)
{
    bool core = is_core(s);

    o->s = s;
    up_expect(x);
    if (core ? core_run(s, x, &o->m) : http_run(s->port, x, &o->m))
        memset(&o->m, 0, sizeof(o->m));
    if (!o->m.ctype)
        o->m.ctype = world_z(AE_STR(""));
    if (!o->m.policy_id)
        o->m.policy_id = world_z(AE_STR(""));
    if (!o->m.body)
        o->m.body = world_z(AE_STR(""));
    o->reached = core ? !o->m.unexpected : up_hits();
    up_expect(NULL);
}

/* One case on every server; each verdict is counted. */
static void run_case(struct fleet *f, const char *file, const json_t *c,
                     struct totals *t)
{
    struct outcome o[SERVERS_MAX];
    struct xchg    x;
    char           why[2000];

    if (!xchg_load(c, &x)) {
        printf("not ok api.exchange: a case without name, edge or request "
               "[%s]\n", file);
        t->failed++;
        return;
    }
    if (strcmp(x.edge, "skip") == 0) {
        t->skipped++;
        xchg_free(&x);
        return;
    }
    memset(o, 0, sizeof(o));
    for (size_t i = 0; i < f->n; i++) {
        enum verdict v;

        run_one(&f->s[i], &x, &o[i]);
        if (strcmp(f->s[i].kind, "shadow") == 0)
            v = o[i].m.unexpected ? FAILED : PASSED;
        else
            v = judge(&x, &o[i].m, o[i].reached, is_core(&f->s[i]));
        if (v == FAILED)
            report(file, &x, &o[i].m, o[i].reached);
        t->passed += v == PASSED;
        t->failed += v == FAILED;
    }
    if (f->n > 1 && !parity_same(&x, o, f->n, why,
                                    sizeof(why))) {
        printf("not ok parity %s %s: %s [%s]\n", x.method, x.name, why, file);
        t->differ++;
    }
    for (size_t i = 0; i < f->n; i++) {
        t->host += o[i].host;
        if (o[i].host)
            printf("# by %s itself: %d %s\n", f->s[i].kind, o[i].m.status,
                   x.name);
        msg_free(&o[i].m);
    }
    xchg_free(&x);
}

/* Waits until |s| decides by the inputs that the core has read. */
static int follow(struct server *s)
{
    if (is_core(s))
        return 0;
    if (!s->pid && server_start(s))
        return -1;
    for (int i = 0; i < 500; i++) {
        struct msg m;
        bool       there;

        if (http_get(s->port, "/replay-ready", &m))
            return -1;
        there = strcmp(m.policy_id, core_policy_id()) == 0;
        msg_free(&m);
        if (there)
            return 0;
        usleep(20 * 1000);
    }
    fprintf(stderr, "%s never took over the inputs in %s\n", s->kind,
            s->inputs);
    return -1;
}

/* Lays the patch and waits until all servers decide by it. */
static int switch_inputs(struct fleet *f, const char *seed,
                         const json_t *patch)
{
    if (inputs_lay(seed, patch, f->s[0].inputs))
        return -1;
    for (size_t i = 0; i < f->n; i++)
        if (httpd_own(&f->s[i]))
            return -1;
    if (core_load(&f->s[0])) /* tells the id that the servers must reach */
        return -1;
    for (size_t i = 0; i < f->n; i++)
        if (follow(&f->s[i])) {
            server_logs(&f->s[i]);
            return -1;
        }
    return 0;
}

/* Cases in order of their patch, so that the inputs change seldom. */
static int play(struct fleet *f, const char *seed, const char *file,
                const json_t *cases, struct totals *t)
{
    size_t n = json_array_size(cases);
    bool  *done = calloc(n + 1, sizeof(bool));

    for (size_t i = 0; done && i < n; i++) {
        json_t *none = json_object();
        json_t *patch = json_object_get(json_array_get(cases, i), "patch");

        if (!patch)
            patch = none;
        if (!done[i] && switch_inputs(f, seed, patch)) {
            fprintf(stderr, "%s: cannot set up the inputs\n", file);
            json_decref(none);
            free(done);
            return -1;
        }
        for (size_t j = i; j < n && !done[i]; j++) {
            const json_t *c = json_array_get(cases, j);
            const json_t *p = json_object_get(c, "patch");

            if (done[j] || !json_equal(p ? p : none, patch))
                continue;
            if (j != i)
                done[j] = true;
            run_case(f, file, c, t);
        }
        done[i] = true;
        json_decref(none);
    }
    free(done);
    return 0;
}

static int play_file(struct fleet *fl, const char *inputs, const char *file,
                     struct totals *all)
{
    struct totals t = { 0, 0, 0, 0, 0 };
    json_error_t  je;
    json_t       *doc = json_load_file(file, JSON_ALLOW_NUL, &je);
    const char   *suite = json_string_value(json_object_get(doc, "suite"));
    char          seed[1024];
    const char   *slash = strrchr(file, '/');
    int           rc = -1;

    if (!doc) {
        fprintf(stderr, "%s:%d: %s\n", file, je.line, je.text);
        all->failed++;
        return -1;
    }
    snprintf(seed, sizeof(seed), "%.*s/inputs/seed",
             slash ? (int)(slash - file) : 1, slash ? file : ".");
    if (access(seed, F_OK))
        snprintf(seed, sizeof(seed), "tests/vectors/api/inputs/seed");
    if (suite && strcmp(suite, "api.exchange") == 0)
        rc = play(fl, inputs ? inputs : seed, file,
                  json_object_get(doc, "cases"), &t);
    else
        fprintf(stderr, "%s: suite \"%s\" is not api.exchange\n", file,
                suite ? suite : "");
    printf("api.exchange %s: %d passed, %d failed, %d skipped\n", file,
           t.passed, t.failed + (rc != 0), t.skipped);
    all->passed += t.passed;
    all->failed += t.failed + (rc != 0);
    all->skipped += t.skipped;
    all->differ += t.differ;
    all->host += t.host;
    json_decref(doc);
    return rc;
}

static bool known(const char *kind)
{
    static const char *const all[] = { "nginx", "httpd", "httpd-prefork",
                                       "httpd-worker", "core", "shadow" };

    for (size_t i = 0; kind && i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(kind, all[i]) == 0)
            return true;
    return false;
}

static int usage(void)
{
    fprintf(stderr, "usage: replay --server KIND[,KIND...] [--inputs DIR] "
                    "FILE...\n"
                    "KIND is nginx, httpd, httpd-prefork, httpd-worker, core "
                    "or shadow; several are "
                    "also\ncompared with each other.\n");
    return 2;
}

/* Every server has a directory, the inputs and the upstream are one. */
static int add_servers(struct fleet *f, const char *dir, char *kinds)
{
    int   port = up_start();
    char *save = NULL, *k;

    if (port < 0)
        return -1;
    for (k = strtok_r(kinds, ",", &save); k; k = strtok_r(NULL, ",", &save)) {
        struct server *s = &f->s[f->n];

        if (!known(k) || f->n == SERVERS_MAX)
            return -1;
        f->n++;
        s->kind = k;
        s->upstream = port;
        snprintf(s->dir, sizeof(s->dir), "%s/%s", dir, k);
        snprintf(s->inputs, sizeof(s->inputs), "%s/inputs", dir);
        if (mkdir(s->dir, 0755))
            return -1;
    }
    return f->n ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct fleet f;
    struct totals       all = { 0, 0, 0, 0, 0 };
    const char         *inputs = NULL;
    char               *kinds = NULL, dir[200];
    int                 i = 1;

    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--server") == 0)
            kinds = argv[i + 1];
        else if (strcmp(argv[i], "--inputs") == 0)
            inputs = argv[i + 1];
        else
            return usage();
    }
    if (!kinds || i >= argc)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(dir, sizeof(dir), "%s/ae-replay.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(dir) || chmod(dir, 0755)) {
        perror("replay");
        return 2;
    }
    if (add_servers(&f, dir, kinds)) {
        inputs_remove(dir);
        return usage();
    }
    for (; i < argc; i++)
        play_file(&f, inputs, argv[i], &all);
    for (size_t k = 0; k < f.n; k++)
        server_stop(&f.s[k]);
    inputs_remove(dir);
    if (f.n > 1)
        printf("%d differences between %zu servers; %d refusals by a server "
               "of its own\n", all.differ, f.n, all.host);
    printf("%d passed, %d failed, %d skipped\n", all.passed, all.failed,
           all.skipped);
    return all.failed || all.differ ? 1 : 0;
}
