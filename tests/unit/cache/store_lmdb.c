/* store_lmdb.c - the store over LMDB: semantics, sharing, bounds. */
#include "dir.h"

static const size_t sizes[] = { 0, 1, 1536, 1537, 2048, 16367, 16368, 16369,
                                100000, 261888, 261889, 3000000 };

static void basics(ae_store *s)
{
    ae_str body = AE_STR("{\"a\":1}"), tag = AE_STR("u");

    s->ops->purge(s, ae_s(NULL, 0), NULL); /* what sharing() left */
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "miss");
    tap_ok(put_as(s, "k", body, MINUTE, "t", "u", "alice") == 0, "put");
    tap_ok(get_as(s, "k", "t", "u", &body) == 1, "hit");
    tap_ok(get_as(s, "k", "u", "t", &body) == 1, "order of tags");
    tap_ok(get_as(s, "k", "t", "v", NULL) == 0, "an unknown tag: miss");
    tap_ok(get_as(s, "j", "t", NULL, NULL) == 0, "another key: miss");
    s->ops->bump(s, &tag, 1);
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "moved tag: miss");
    put_as(s, "k", body, -1, "t", NULL, "alice");
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "expired: miss");
    put_as(s, "k", body, MINUTE, "t", NULL, "alice");
    put_as(s, "l", body, MINUTE, "t", NULL, "alice");
    put_as(s, "m", body, MINUTE, "w", NULL, "alice");
    tap_ok(s->ops->purge(s, AE_STR("t"), NULL) == 2, "purge a tag");
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "purged");
    tap_ok(get_as(s, "m", "w", NULL, &body) == 1, "the other stays");
    tap_ok(s->ops->purge(s, ae_s(NULL, 0), NULL) == 1, "purge all");
    tap_ok(get_as(s, "m", "w", NULL, NULL) == 0, "gone");
    put_as(s, "m", body, MINUTE, "w", NULL, "alice");
    tap_ok(get_as(s, "m", "w", NULL, &body) == 1, "a new file serves");
}

static void fields(ae_store *s)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k = key_of(a, s, "fields");
    struct ae_entry     e = entry_of(AE_STR("[]"), MINUTE), out;

    e.etag = ae_s(NULL, 0);
    e.ns = AE_STR("");
    tap_ok(s->ops->put(s, &k, &e, NULL, 0, NULL, AE_STR("x")) == 0, "put");
    tap_ok(s->ops->get(s, &k, NULL, 0, wall(), a, &out) == 1, "get");
    tap_ok(out.status == 200 && ae_eq(out.ctype, e.ctype)
           && ae_eq(out.project, e.project) && ae_eq(out.name, e.name)
           && out.stored_us == e.stored_us
           && out.fresh_until_us == e.fresh_until_us, "all fields");
    tap_ok(!out.etag.p && out.ns.p && out.ns.n == 0, "absent and empty");
    e.stored_us += 10 * MINUTE;
    e.fresh_until_us += 20 * MINUTE;
    s->ops->put(s, &k, &e, NULL, 0, NULL, AE_STR("x"));
    tap_ok(s->ops->get(s, &k, NULL, 0, wall(), a, &out) == 0, "F20 future");
    tap_ok(s->ops->get(s, &k, NULL, 0, wall() + 15 * MINUTE, a, &out) == 1,
           "not from the future then");
    pool_free(&p);
}

static void all_sizes(ae_store *s)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    char        id[16];

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ae_str b = body_of(a, sizes[i], (unsigned)i);

        snprintf(id, sizeof(id), "s%zu", i);
        tap_ok(put_as(s, id, b, MINUTE, "t", NULL, id) == 0
               && get_as(s, id, "t", NULL, &b) == 1, "%zu bytes", b.n);
        b = body_of(a, sizes[i], 77);
        tap_ok(put_as(s, id, b, MINUTE, "t", NULL, id) == 0
               && get_as(s, id, "t", NULL, &b) == 1, "replaced");
    }
    tap_ok(put_as(s, "big", body_of(a, (8 << 20) + 1, 1), MINUTE, "t", NULL,
                  "x") == AE_E_TOOBIG, "over the object cap");
    tap_ok(s->ops->purge(s, AE_STR("t"), NULL)
               == sizeof(sizes) / sizeof(sizes[0]),
           "purge them all");
    /* What del leaves of large bodies goes with the collector. */
    for (int i = 0; i < 20; i++)
        s->ops->tick(s, wall() + MINUTE);
    tap_ok(s->stat.bytes_used < 300000, "nothing left: %llu bytes",
           (unsigned long long)s->stat.bytes_used);
    pool_free(&p);
}

static void in_flight(ae_store *s)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k = key_of(a, s, "f");
    struct ae_entry     e = entry_of(AE_STR("{}"), MINUTE);
    ae_str              tag = AE_STR("t");
    uint64_t            gen;

    s->ops->generations(s, &tag, 1, &gen);
    s->ops->bump(s, &tag, 1);
    tap_ok(s->ops->put(s, &k, &e, &tag, 1, &gen, tag) == AE_E_STATE, "moved");
    s->ops->generations(s, &tag, 1, &gen);
    s->ops->purge(s, ae_s(NULL, 0), NULL);
    tap_ok(s->ops->put(s, &k, &e, &tag, 1, &gen, tag) == AE_E_STATE,
           "purge drops stores in flight");
    tap_ok(s->stat.drops_stale == 2, "counted");
    pool_free(&p);
}

struct seen {
    int    n;
    size_t bytes;
};

static bool count(void *ctx, ae_str full, const struct ae_entry *head,
                  size_t body_len)
{
    struct seen *w = ctx;

    w->n++;
    w->bytes += body_len;
    return full.n > 0 && head->status == 200 && w->n < 300;
}

static void walking(struct box *b, ae_store *s)
{
    struct seen w = { 0, 0 };
    char        id[16];
    ae_store   *ro;
    ae_str      tag = AE_STR("t"), body = AE_STR("[1]");

    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "w%d", i);
        put_as(s, id, body, MINUTE, "t", NULL, "x");
    }
    tap_ok(s->ops->walk(s, count, &w) == 0 && w.n == 200 && w.bytes == 600,
           "walk in batches");
    w.n = 290;
    s->ops->walk(s, count, &w);
    tap_ok(w.n == 300, "walk stops when asked");
    pid_t pid = fork();
    if (pid == 0) { /* one environment per process */
        b->c.read_only = true;
        ro = box_open(b);
        w.n = 0;
        if (!ro || ro->ops->walk(ro, count, &w) || w.n != 200
            || ro->stat.entries != 200
            || get_as(ro, "w7", "t", NULL, &body) != 1
            || ro->ops->bump(ro, &tag, 1) != AE_E_STATE
            || ro->ops->purge(ro, tag, NULL) != AE_E_STATE
            || put_as(ro, "x", body, MINUTE, "t", NULL, "x") != AE_E_STATE)
            _exit(1);
        ro->ops->close(ro);
        _exit(0);
    }
    tap_ok(reap_child(pid) == 0, "read-only: looks, never writes");
}

static void after_fork(struct box *b, ae_store *s)
{
    ae_store *again;

    put_as(s, "k", AE_STR("{}"), MINUTE, NULL, NULL, "x");
    pid_t pid = fork();
    if (pid == 0) {
        int rc = get_as(s, "k", NULL, NULL, NULL) == AE_E_STATE
            && put_as(s, "k", AE_STR("{}"), MINUTE, NULL, NULL, "x")
               == AE_E_STATE;
        s->ops->tick(s, wall());
        s->ops->close(s);
        _exit(!rc);
    }
    tap_ok(reap_child(pid) == 0, "a forked child may not use the store");
    tap_ok(get_as(s, "k", NULL, NULL, NULL) == 1, "the parent still may");
    memset(&b->err, 0, sizeof(b->err));
    tap_ok(ae_store_lmdb_open(&b->c, &again, &b->err) == AE_E_STATE,
           "not twice in a process: %s", b->err.text);
}

/* Two processes: what one stores the other serves, until a tag moves. */
static void sharing(struct box *b)
{
    int       to[2], from[2];
    char      c;
    ae_store *s;
    ae_str    body = AE_STR("{\"a\":1}"), tag = AE_STR("t");

    if (pipe(to) || pipe(from))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        s = box_open(b);
        put_as(s, "k", body, MINUTE, "t", NULL, "x");
        c = write(from[1], "1", 1) == 1;
        if (read(to[0], &c, 1) != 1)
            _exit(1);
        int rc = get_as(s, "k", "t", NULL, NULL);
        int rc2 = get_as(s, "p", "t", NULL, &body);
        s->ops->close(s);
        _exit(!(rc == 0 && rc2 == 1));
    }
    s = box_open(b);
    c = read(from[0], &c, 1) == 1;
    tap_ok(get_as(s, "k", "t", NULL, &body) == 1, "stored by the other");
    s->ops->bump(s, &tag, 1);
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "moved here");
    put_as(s, "p", body, MINUTE, "t", NULL, "x");
    c = write(to[1], "1", 1) == 1;
    tap_ok(reap_child(pid) == 0, "and seen there");
    s->ops->close(s);
    s = box_open(b);
    tap_ok(get_as(s, "p", "t", NULL, &body) == 1, "kept over a restart");
    tap_ok(s->stat.wiped == 0, "same file");
    s->ops->close(s);
}

static void shares(void)
{
    struct box  b;
    struct pool p;
    ae_arena   *a = pool_new(&p);
    char        id[16];
    int         ok = 0, full = 0;

    box_new(&b, 64 << 20);
    ae_store *s = box_open(&b);
    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof(id), "%d", i);
        int rc = put_as(s, id, body_of(a, 1 << 20, 1), MINUTE, "t", NULL,
                        "hog");
        ok += rc == AE_OK;
        full += rc == AE_E_FULL;
    }
    tap_ok(ok == 7 && full == 13, "R23: %d stored, %d refused", ok, full);
    tap_ok(put_as(s, "o", body_of(a, 1 << 20, 1), MINUTE, "t", NULL, "other")
           == 0, "another identity is not bothered");
    s->ops->purge(s, AE_STR("t"), NULL);
    tap_ok(put_as(s, "h", body_of(a, 1 << 20, 1), MINUTE, "t", NULL, "hog")
           == 0, "the share comes back");
    s->ops->close(s);
    box_free(&b);
    pool_free(&p);
}

static void expiry(void)
{
    struct box b;
    char       id[16];

    box_new(&b, 16 << 20);
    ae_store *s = box_open(&b);
    for (int i = 0; i < 300; i++) {
        snprintf(id, sizeof(id), "%d", i);
        put_as(s, id, AE_STR("{}"), i < 200 ? MINUTE : 9 * MINUTE, "t", NULL,
               id);
    }
    s->ops->tick(s, wall());
    tap_ok(s->stat.entries == 300 && s->stat.evicted == 0, "all fresh");
    s->ops->tick(s, wall() + 2 * MINUTE);
    s->ops->tick(s, wall() + 2 * MINUTE);
    tap_ok(s->stat.entries == 100 && s->stat.evicted == 200, "expired: %llu",
           (unsigned long long)s->stat.evicted);
    tap_ok(get_as(s, "250", "t", NULL, NULL) == 1, "the rest is served");
    s->ops->close(s);
    box_free(&b);
}

int main(void)
{
    struct box b;

    box_new(&b, 64 << 20);
    sharing(&b);
    ae_store *s = box_open(&b);
    basics(s);
    fields(s);
    all_sizes(s);
    in_flight(s);
    walking(&b, s);
    after_fork(&b, s);
    s->ops->close(s);
    box_free(&b);
    shares();
    expiry();
    return tap_done();
}
