/* cache.c - the shared LMDB cache, seen from outside the servers. */
#include "survey.h"
#include "cache/cache.h"
#include "route/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PATIENCE 20 /* of 50 ms: another process holds the writer lock */

static int open_store(struct cli *c, bool read_only, ae_store **s)
{
    struct ae_store_conf sc = { .read_only = read_only, .max_readers = 126 };
    struct ae_err        err = { .code = 0 };

    sc.path = ae_cs(c->cache ? c->cache : "/var/cache/argo-edge");
    return ae_store_lmdb_open(&sc, s, &err) ? cli_err(&err) : 0;
}

static int stat_cmd(struct cli *c, ae_store *s)
{
    const struct ae_store_stat *t = &s->stat;

    if (c->json) {
        cli_json(json_pack("{s:I, s:I, s:I, s:I}", "entries",
                           (json_int_t)t->entries, "bytes_used",
                           (json_int_t)t->bytes_used, "bytes_max",
                           (json_int_t)t->bytes_max, "readers",
                           (json_int_t)t->readers));
        return EXIT_YES;
    }
    printf("entries     %llu\nbytes used  %llu\nbytes max   %llu\n"
           "readers     %llu\n",
           (unsigned long long)t->entries, (unsigned long long)t->bytes_used,
           (unsigned long long)t->bytes_max, (unsigned long long)t->readers);
    return EXIT_YES;
}

struct walk { struct cli *c; json_t *list; int64_t now; };

static bool ls_one(void *ctx, ae_str full, const struct ae_entry *e,
                   size_t body)
{
    struct walk *w = ctx;
    int64_t      left = (e->fresh_until_us - w->now) / 1000;
    ae_heap      heap = { NULL, 0 };
    ae_arena     a;
    ae_str       key;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    key = ae_log_escape(&a, full, 200);
    if (w->c->json)
        json_array_append_new(w->list, json_pack(
            "{s:o, s:o, s:o, s:o, s:I, s:I}", "key", cli_jstr(key),
            "project", cli_jstr(e->project), "namespace", cli_jstr(e->ns),
            "name", cli_jstr(e->name), "bytes", (json_int_t)body,
            "fresh_ms", (json_int_t)left));
    else
        printf("%9zu bytes %8lld ms  %.*s/%.*s  %.*s\n", body,
               (long long)left, (int)e->project.n,
               e->project.p ? e->project.p : "", (int)e->name.n,
               e->name.p ? e->name.p : "", (int)key.n, key.p ? key.p : "");
    ae_heap_free(&heap);
    return true;
}

static int ls(struct cli *c, ae_store *s)
{
    struct walk w = { c, c->json ? json_array() : NULL,
                      (int64_t)time(NULL) * 1000000 };
    int         rc = s->ops->walk(s, ls_one, &w);

    if (c->json)
        cli_json(w.list);
    return rc < 0 ? cli_fail(EXIT_INPUT, "the cache cannot be read (%d)", rc)
                  : EXIT_YES;
}

struct purge { struct cli *c; size_t seen, all; };

static bool owned(void *ctx, const struct ae_entry *head)
{
    struct purge *p = ctx;

    p->seen++;
    return ae_entry_for(head, ae_cs(p->c->identity));
}

/* In short steps, as over HTTP: stores of the servers get in between. */
static int64_t in_steps(struct purge *p, ae_store *s, const char *tag)
{
    struct ae_purge_at at = { .done = false };
    int64_t            n = 0, k = 0;

    for (int busy = 0; !at.done && busy < PATIENCE;) {
        k = p->c->identity ? s->ops->drop(s, owned, p, &at)
                           : s->ops->purge(s, ae_cs(tag), &at);
        if (k < 0 && k != AE_E_BUSY)
            break;
        busy = k < 0 ? busy + 1 : 0;
        n += k > 0 ? k : 0;
        /* of a tag nobody knows how much it is: at most all */
        cli_progress(p->c, "purging",
                     p->c->identity ? p->seen : (size_t)n, p->all);
    }
    cli_progress(p->c, "purging", 1, 1);
    return at.done || n ? n : k;
}

static int purge(struct cli *c, ae_store *s)
{
    const char *tag = c->tag ? c->tag : c->narg > 1 ? c->arg[1] : NULL;
    struct purge p = { c, 0, s->stat.entries + 1 };
    int64_t     n;

    if (!!tag + !!c->identity + c->all > 1)
        return cli_fail(EXIT_USAGE, "one of --tag, --identity and --all");
    n = in_steps(&p, s, tag);
    if (n < 0)
        return cli_fail(EXIT_INPUT, "nothing was purged (%lld); is a server "
                        "holding the writer lock?", (long long)n);
    if (c->json)
        cli_json(json_pack("{s:I}", "purged", (json_int_t)n));
    else
        printf("purged %lld\n", (long long)n);
    return EXIT_YES;
}

/* ---- top ----------------------------------------------------------------- */

struct row {
    const char *name;
    uint64_t    hits, bytes, asked;
    double      ms; /* of one answer of the upstream */
};

static int by_saved(const void *x, const void *y)
{
    const struct row *a = x, *b = y;
    double            l = (double)a->hits * a->ms, r = (double)b->hits * b->ms;

    return l != r ? (l < r) - (l > r) : (a->hits < b->hits)
                                        - (a->hits > b->hits);
}

static size_t rows(ae_store *s, struct row *out)
{
    size_t n = 0;

    for (size_t i = 0; i < ae_op_count() && i < AE_USES; i++) {
        const struct ae_op *op = ae_op_at(i);
        struct ae_use      *u = s->ops->use(s, op->id);
        struct row          r = { .name = op->name };

        if (!u)
            continue;
        r.hits = atomic_load(&u->hits);
        r.bytes = atomic_load(&u->bytes);
        r.asked = atomic_load(&u->asked);
        if (r.asked)
            r.ms = (double)atomic_load(&u->asked_us) / (double)r.asked / 1000;
        if (r.hits || r.asked)
            out[n++] = r;
    }
    qsort(out, n, sizeof(*out), by_saved);
    return n;
}

static double ratio(const struct row *r)
{
    return (double)r->hits / (double)(r->hits + r->asked);
}

static int top(struct cli *c, ae_store *s)
{
    struct row r[AE_USES];
    size_t     n = rows(s, r);
    json_t    *list = c->json ? json_array() : NULL;

    if (!c->json)
        printf("%10s %10s %6s %9s %10s %12s  %s\n", "hits", "asked", "ratio",
               "ms each", "s saved", "bytes saved", "operation");
    for (size_t i = 0; i < n; i++) {
        double saved = (double)r[i].hits * r[i].ms / 1000;

        if (c->json)
            json_array_append_new(list, json_pack(
                "{s:s, s:I, s:I, s:f, s:f, s:f, s:I}", "operation", r[i].name,
                "hits", (json_int_t)r[i].hits, "asked",
                (json_int_t)r[i].asked, "ratio", ratio(&r[i]), "upstream_ms",
                r[i].ms, "seconds_saved", saved, "bytes_saved",
                (json_int_t)r[i].bytes));
        else
            printf("%10llu %10llu %5.1f%% %9.2f %10.1f %12llu  %s\n",
                   (unsigned long long)r[i].hits,
                   (unsigned long long)r[i].asked, 100 * ratio(&r[i]),
                   r[i].ms, saved, (unsigned long long)r[i].bytes, r[i].name);
    }
    if (c->json)
        cli_json(list);
    return EXIT_YES;
}

static int run(struct cli *c)
{
    const struct { const char *name; bool ro;
                   int (*fn)(struct cli *, ae_store *); } sub[] = {
        { "stat", true, stat_cmd }, { "ls", true, ls },
        { "purge", false, purge }, { "top", true, top },
    };
    ae_store *s = NULL;

    for (size_t i = 0; i < sizeof(sub) / sizeof(sub[0]); i++) {
        int rc;

        if (strcmp(c->arg[0], sub[i].name) != 0)
            continue;
        if ((rc = open_store(c, sub[i].ro, &s)))
            return rc;
        rc = sub[i].fn(c, s);
        s->ops->close(s);
        return rc;
    }
    return cli_fail(EXIT_USAGE, "cache knows stat, ls, top and purge, not "
                    "\"%s\"",
                    c->arg[0]);
}

const struct command cmd_cache = {
    .name = "cache",
    .args = "stat|ls|top|purge [TAG]",
    .brief = "look into the cache, or empty it",
    .help =
"stat   entries, bytes, and slots of readers that were ever used at once\n"
"ls     one line an entry\n"
"top    what the cache has saved since it was made, by operation\n"
"purge  drop what carries --tag TAG (applications, app:NAMESPACE/NAME,\n"
"       projects, project:NAME, clusters, ...), what was stored for the\n"
"       caller --identity NAME, or --all\n\n"
"  argo-edge cache purge --tag project:team-a --cache /var/cache/argo-edge\n",
    .options = "cache json tag identity all progress",
    .min_arg = 1, .max_arg = 2, .run = run,
};
