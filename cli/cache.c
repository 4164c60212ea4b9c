/* cache.c - the shared LMDB cache, seen from outside the servers. */
#include "cli.h"
#include "cache/cache.h"

#include <stdio.h>
#include <time.h>

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
        cli_json(json_pack("{s:I, s:I, s:I}", "entries",
                           (json_int_t)t->entries, "bytes_used",
                           (json_int_t)t->bytes_used, "bytes_max",
                           (json_int_t)t->bytes_max));
        return EXIT_YES;
    }
    printf("entries     %llu\nbytes used  %llu\nbytes max   %llu\n",
           (unsigned long long)t->entries, (unsigned long long)t->bytes_used,
           (unsigned long long)t->bytes_max);
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

static int purge(struct cli *c, ae_store *s)
{
    ae_str  tag = c->narg > 1 ? ae_cs(c->arg[1]) : ae_s(NULL, 0);
    int64_t n = s->ops->purge(s, tag);

    if (n < 0)
        return cli_fail(EXIT_INPUT, "nothing was purged (%lld); is a server "
                        "holding the writer lock?", (long long)n);
    if (c->json)
        cli_json(json_pack("{s:I}", "purged", (json_int_t)n));
    else
        printf("purged %lld\n", (long long)n);
    return EXIT_YES;
}

static int run(struct cli *c)
{
    const struct { const char *name; bool ro;
                   int (*fn)(struct cli *, ae_store *); } sub[] = {
        { "stat", true, stat_cmd }, { "ls", true, ls },
        { "purge", false, purge },
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
    return cli_fail(EXIT_USAGE, "cache knows stat, ls and purge, not \"%s\"",
                    c->arg[0]);
}

const struct command cmd_cache = {
    .name = "cache",
    .args = "stat|ls|purge [TAG]",
    .brief = "look into the cache, or empty it",
    .help =
"stat         entries and bytes\n"
"ls           one line an entry\n"
"purge [TAG]  drop everything, or what carries TAG: applications,\n"
"             app:NAMESPACE/NAME, projects, project:NAME, clusters, ...\n\n"
"  argo-edge cache purge project:team-a --cache /var/cache/argo-edge\n",
    .options = "cache json",
    .min_arg = 1, .max_arg = 2, .run = run,
};
