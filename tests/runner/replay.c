/*
 * replay.c - build/tests/replay --server KIND [--inputs DIR] FILE...
 * (KIND: nginx, httpd, httpd-prefork, httpd-worker, core)
 *
 * Plays recorded exchanges through a real server with our module, in front
 * of a scripted upstream (the rules are in tests/vectors/README.md).  A line
 * per failing case, a line per file, and "N passed, M failed" last.
 */
#include "replay.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum verdict { FAILED, PASSED, SKIPPED };

struct totals { int passed, failed, skipped; };

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

static enum verdict run_case(struct server *s, const char *file,
                             const json_t *c)
{
    bool         core = strcmp(s->kind, "core") == 0;
    struct xchg  x;
    struct msg   m;
    enum verdict v;
    int          reached, rc;

    if (!xchg_load(c, &x)) {
        printf("not ok api.exchange: a case without name, edge or request "
               "[%s]\n", file);
        return FAILED;
    }
    if (strcmp(x.edge, "skip") == 0) {
        xchg_free(&x);
        return SKIPPED;
    }
    up_expect(&x);
    rc = core ? core_run(s, &x, &m) : http_run(s->port, &x, &m);
    reached = core ? !m.unexpected : up_hits();
    up_expect(NULL);
    v = rc ? FAILED : judge(&x, &m, reached, core);
    if (v == FAILED)
        report(file, &x, &m, reached);
    msg_free(&m);
    xchg_free(&x);
    return v;
}

/* Lays the patch and waits until the server decides by it. */
static int switch_inputs(struct server *s, const char *seed,
                         const json_t *patch)
{
    struct server probe = *s;

    if (inputs_lay(seed, patch, s->inputs) || httpd_own(s))
        return -1;
    probe.kind = "core";
    if (core_load(&probe)) /* tells the id that the server must reach */
        return -1;
    if (strcmp(s->kind, "core") == 0)
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
    fprintf(stderr, "the server never took over the inputs in %s\n",
            s->inputs);
    return -1;
}

static void count(struct totals *t, enum verdict v)
{
    t->passed += v == PASSED;
    t->failed += v == FAILED;
    t->skipped += v == SKIPPED;
}

/* Cases in order of their patch, so that the inputs change seldom. */
static int play(struct server *s, const char *seed, const char *file,
                const json_t *cases, struct totals *t)
{
    size_t n = json_array_size(cases);
    bool  *done = calloc(n + 1, sizeof(bool));

    for (size_t i = 0; done && i < n; i++) {
        json_t *none = json_object();
        json_t *patch = json_object_get(json_array_get(cases, i), "patch");

        if (!patch)
            patch = none;
        if (!done[i] && switch_inputs(s, seed, patch)) {
            fprintf(stderr, "%s: cannot set up the inputs\n", file);
            server_logs(s);
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
            count(t, run_case(s, file, c));
        }
        done[i] = true;
        json_decref(none);
    }
    free(done);
    return 0;
}

static int play_file(struct server *s, const char *inputs, const char *file,
                     struct totals *all)
{
    struct totals t = { 0, 0, 0 };
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
        rc = play(s, inputs ? inputs : seed, file,
                  json_object_get(doc, "cases"), &t);
    else
        fprintf(stderr, "%s: suite \"%s\" is not api.exchange\n", file,
                suite ? suite : "");
    printf("api.exchange %s: %d passed, %d failed, %d skipped\n", file,
           t.passed, t.failed + (rc != 0), t.skipped);
    all->passed += t.passed;
    all->failed += t.failed + (rc != 0);
    all->skipped += t.skipped;
    json_decref(doc);
    return rc;
}

static bool known(const char *kind)
{
    static const char *const all[] = { "nginx", "httpd", "httpd-prefork",
                                       "httpd-worker", "core" };

    for (size_t i = 0; kind && i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(kind, all[i]) == 0)
            return true;
    return false;
}

static int usage(void)
{
    fprintf(stderr, "usage: replay --server nginx|httpd|httpd-prefork|"
                    "httpd-worker|core [--inputs DIR] FILE...\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct server s = { .kind = NULL };
    struct totals all = { 0, 0, 0 };
    const char   *inputs = NULL;
    int           i = 1;

    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--server") == 0)
            s.kind = argv[i + 1];
        else if (strcmp(argv[i], "--inputs") == 0)
            inputs = argv[i + 1];
        else
            return usage();
    }
    if (!known(s.kind) || i >= argc)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(s.dir, sizeof(s.dir), "%s/ae-replay.XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(s.dir) || (s.upstream = up_start()) < 0) {
        perror("replay");
        return 2;
    }
    snprintf(s.inputs, sizeof(s.inputs), "%s/inputs", s.dir);
    for (; i < argc; i++)
        play_file(&s, inputs, argv[i], &all);
    server_stop(&s);
    inputs_remove(s.dir);
    printf("%d passed, %d failed, %d skipped\n", all.passed, all.failed,
           all.skipped);
    return all.failed ? 1 : 0;
}
