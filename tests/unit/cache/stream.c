/* stream.c - large bodies written and read in pieces, in both stores. */
#include "dir.h"

#include "cache/store_lmdb.h"

struct put {
    ae_stream          *w;
    struct ae_cache_key k;
    struct ae_entry     e;
    ae_str              tag;
    uint64_t            gen;
};

static void start(ae_store *s, ae_arena *a, const char *id, struct put *p)
{
    p->k = key_of(a, s, id);
    p->e = entry_of(ae_s(NULL, 0), MINUTE);
    p->tag = AE_STR("t");
    s->ops->generations(s, &p->tag, 1, &p->gen);
    tap_ok(s->ops->open(s, &p->k, &p->e, &p->tag, 1, &p->gen, AE_STR("me"),
                        &p->w) == AE_OK, "open");
}

static int feed(ae_store *s, struct put *p, bool coded, ae_str body,
                size_t cut)
{
    int rc = AE_OK;

    for (size_t i = 0; rc == AE_OK && i < body.n; i += cut)
        rc = s->ops->write(p->w, coded, ae_sub(body, i, cut));
    return rc;
}

static int look(ae_store *s, ae_arena *a, const char *id, unsigned want,
                struct ae_entry *e)
{
    struct ae_cache_key k = key_of(a, s, id);
    ae_str              tag = AE_STR("t");

    return s->ops->find(s, &k, &tag, 1, wall(), want, a, e);
}

static bool reads_as(ae_store *s, const struct ae_entry *e, ae_str want,
                     size_t n)
{
    char    *buf = malloc(n);
    uint64_t at = 0;
    int64_t  got = 1;
    bool     ok = e->length == want.n;

    while (ok && got > 0 && at < e->length) {
        got = s->ops->read(s, e, at, buf, n);
        ok = got > 0 && at + (uint64_t)got <= want.n
            && memcmp(buf, want.p + at, (size_t)got) == 0;
        at += got > 0 ? (uint64_t)got : 0;
    }
    free(buf);
    return ok && at == want.n;
}

#define WANT_BR ((unsigned)AE_CODING_BR << 4)
#define BR_OR_GZIP (WANT_BR | (unsigned)AE_CODING_GZIP << 8)
#define GZIP_OR_BR (AE_WANT_GZIP | (unsigned)AE_CODING_BR << 8)

/* A body put at once in three forms, whatever lies where. */
static void forms(ae_store *s, size_t n)
{
    struct pool         p;
    ae_arena           *a = pool_new(&p);
    struct ae_cache_key k = key_of(a, s, "forms");
    struct ae_entry     e = entry_of(body_of(a, n, 3), MINUTE), f;
    ae_str              tag = AE_STR("t");
    uint64_t            gen;

    e.gzip = body_of(a, n / 2, 9);
    e.other = body_of(a, n / 3, 5);
    e.coding = AE_CODING_BR;
    s->ops->generations(s, &tag, 1, &gen);
    tap_ok(s->ops->put(s, &k, &e, &tag, 1, &gen, AE_STR("me")) == AE_OK,
           "%zu bytes in three forms", n);
    tap_ok(look(s, a, "forms", 0, &f) == 1 && ae_eq(f.body, e.body)
           && f.coding == AE_CODING_NONE, "plain");
    tap_ok(look(s, a, "forms", AE_WANT_GZIP, &f) == 1
           && ae_eq(f.body, e.gzip) && f.coding == AE_CODING_GZIP, "gzip");
    tap_ok(look(s, a, "forms", BR_OR_GZIP, &f) == 1
           && ae_eq(f.body, e.other) && f.coding == AE_CODING_BR, "br first");
    tap_ok(look(s, a, "forms", GZIP_OR_BR, &f) == 1
           && f.coding == AE_CODING_GZIP, "gzip first");
    tap_ok(look(s, a, "forms", (unsigned)AE_CODING_ZSTD << 4, &f) == 1
           && f.coding == AE_CODING_NONE && ae_eq(f.body, e.body),
           "what is not there is not given");
    if (e.other.n > AE_APART)
        tap_ok(look(s, a, "forms", WANT_BR | AE_WANT_APART, &f) == 1
               && f.apart && reads_as(s, &f, e.other, AE_PIECE), "apart");
    pool_free(&p);
}

static void one(ae_store *s, size_t n, size_t cut, enum ae_coding as)
{
    struct pool     p;
    ae_arena       *a = pool_new(&p);
    ae_str          body = body_of(a, n, 3), z = body_of(a, n / 2, 9);
    struct ae_entry e;
    struct put      w;

    start(s, a, "x", &w);
    w.e.coding = as;
    tap_ok(feed(s, &w, false, body, cut) == AE_OK
           && feed(s, &w, true, z, cut) == AE_OK, "%zu bytes by %zu", n, cut);
    tap_ok(s->ops->commit(w.w, &w.e, true) == AE_OK, "commit");
    tap_ok(look(s, a, "x", 0, &e) == 1 && ae_eq(e.body, body) && !e.coding,
           "at once");
    tap_ok(look(s, a, "x", BR_OR_GZIP, &e) == 1 && ae_eq(e.body, z)
           && e.coding == as, "the other form");
    if (n <= AE_APART) {
        tap_ok(look(s, a, "x", AE_WANT_APART, &e) == 1 && !e.apart, "small");
    } else {
        tap_ok(look(s, a, "x", AE_WANT_APART, &e) == 1 && e.apart
               && !e.body.p, "apart");
        tap_ok(reads_as(s, &e, body, AE_PIECE), "by pieces");
        tap_ok(reads_as(s, &e, body, 5 * AE_PIECE + 3), "by more of them");
        tap_ok(s->ops->read(s, &e, 0, (char[1]){ 0 }, 1) < 0
               || s->ops->read(s, &e, 0, (char[1]){ 0 }, 1) == 0,
               "no room for one");
    }
    pool_free(&p);
}

/* What is not committed nobody sees. */
static void ends(ae_store *s)
{
    struct pool     p;
    ae_arena       *a = pool_new(&p);
    ae_str          body = body_of(a, 700000, 5), tag = AE_STR("t");
    struct ae_entry e;
    struct put      w, v;

    start(s, a, "y", &w);
    feed(s, &w, false, body, 100000);
    tap_ok(look(s, a, "y", 0, &e) == 0, "not before the end");
    s->ops->abort(w.w);
    tap_ok(look(s, a, "y", 0, &e) == 0, "nor after an abort");
    start(s, a, "y", &w);
    feed(s, &w, false, body, 100000);
    s->ops->bump(s, &tag, 1);
    tap_ok(s->ops->commit(w.w, &w.e, false) == AE_E_STATE, "overtaken");
    tap_ok(look(s, a, "y", 0, &e) == 0, "not there");
    start(s, a, "y", &w);
    start(s, a, "y", &v);
    feed(s, &w, false, body, 100000);
    feed(s, &v, false, ae_sub(body, 1, body.n), 99999);
    tap_ok(s->ops->commit(w.w, &w.e, true) == AE_OK, "two: the one");
    tap_ok(look(s, a, "y", AE_WANT_GZIP, &e) == 1 && ae_eq(e.body, body)
           && !e.coding, "without another form");
    tap_ok(s->ops->commit(v.w, &v.e, false) == AE_OK, "two: the other");
    tap_ok(look(s, a, "y", 0, &e) == 1
           && ae_eq(e.body, ae_sub(body, 1, body.n)), "the last one stays");
    pool_free(&p);
}

/* A body that was let go can be read on for a while, and goes then. */
static void grace(ae_store *s)
{
    struct pool     p;
    ae_arena       *a = pool_new(&p);
    ae_str          body = body_of(a, 700000, 5), tag = AE_STR("t");
    struct ae_entry e;
    struct put      w;

    start(s, a, "z", &w);
    feed(s, &w, false, body, 100000);
    s->ops->commit(w.w, &w.e, false);
    look(s, a, "z", AE_WANT_APART, &e);
    tap_ok(put_as(s, "z", body_of(a, 100, 1), MINUTE, "t", NULL, "me") == 0,
           "replaced");
    for (int i = 0; i < 3; i++)
        s->ops->tick(s, wall());
    tap_ok(reads_as(s, &e, body, 4 * AE_PIECE), "who reads it reads on");
    s->ops->purge(s, tag, NULL);
    for (int i = 0; i < 30; i++)
        s->ops->tick(s, wall() + MINUTE);
    tap_ok(!reads_as(s, &e, body, 4 * AE_PIECE), "then it is gone");
    tap_ok(s->stat.bytes_used < 400000, "all of it: %llu",
           (unsigned long long)s->stat.bytes_used);
    pool_free(&p);
}

/* As another process would: the lock belongs to the open file. */
static int writer_lock(struct box *b)
{
    struct flock fl = { .l_type = F_WRLCK, .l_start = LM_WRITER, .l_len = 1 };
    char         path[300];
    int          fd;

    snprintf(path, sizeof(path), "%s/lock", b->path);
    fd = open(path, O_RDWR);
    tap_ok(fcntl(fd, F_OFD_SETLK, &fl) == 0, "somebody writes");
    return fd;
}

/* Another process has the writer lock: what comes waits, up to a bound. */
static void busy(struct box *b, ae_store *s)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    ae_str      body = body_of(a, 3 << 20, 5);
    struct put  w;
    int         lock = writer_lock(b);

    start(s, a, "b", &w);
    tap_ok(feed(s, &w, false, ae_sub(body, 0, 900000), 65536) == AE_OK,
           "kept meanwhile");
    close(lock);
    tap_ok(s->ops->commit(w.w, &w.e, false) == AE_OK, "then written");
    lock = writer_lock(b);
    start(s, a, "b", &w);
    tap_ok(feed(s, &w, false, body, 65536) == AE_E_BUSY, "not without end");
    s->ops->abort(w.w);
    close(lock);
    pool_free(&p);
}

static void both(ae_store *s)
{
    const size_t n[] = { 20, 1500, 16360, 16361, 65536, 65537, 300000,
                         1000001 };

    for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
        one(s, n[i], i % 2 ? 4096 : 70001,
            i % 3 ? AE_CODING_GZIP : AE_CODING_BR);
        forms(s, n[i]);
    }
    ends(s);
}

int main(void)
{
    struct ae_store_conf c = { .size = 64 << 20 };
    struct box           b;
    ae_store            *s;

    ae_store_mem_open(&c, &s);
    both(s);
    s->ops->close(s);
    box_new(&b, 64 << 20);
    s = box_open(&b);
    both(s);
    grace(s);
    busy(&b, s);
    s->ops->close(s);
    box_free(&b);
    return tap_done();
}
