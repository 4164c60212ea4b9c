/* faults.c - the rows of the fault matrix that the LMDB store answers for. */
#include "dir.h"

#include "cache/store_lmdb.h"

#include <sys/mount.h>

/* F1: writers killed at random moments, a reader in place all the time. */
static void kills(void)
{
    struct box   b;
    struct tally t;
    int          wrong = 0, corrupt = 0, stuck = 0, rc;

    box_new(&b, 32 << 20);
    for (int i = 0; i < 50; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            ae_store *s = box_open(&b);
            for (;;)
                fill(s);
        }
        usleep((useconds_t)(2000 + i * 211 % 9000));
        kill(pid, SIGKILL);
        reap_child(pid);
        ae_store *s = box_open(&b);
        if (!s) {
            stuck++;
            continue;
        }
        t = check(s);
        wrong += t.wrong;
        corrupt += t.corrupt;
        rc = put_as(s, "again", AE_STR("{}"), MINUTE, NULL, NULL, "x");
        /* rather full: a first miss is not kept (R23), which is no lock */
        stuck += rc != AE_OK && rc != AE_E_NOTFOUND;
        s->ops->close(s);
    }
    tap_ok(wrong == 0 && corrupt == 0 && stuck == 0, "F1: 50 kills: %d wrong,"
           " %d corrupt, %d stuck", wrong, corrupt, stuck);
    box_free(&b);
}

/* The dirty marker: who dies inside LMDB costs the file, for everybody. */
static void dirty(void)
{
    struct box b;

    box_new(&b, 16 << 20);
    ae_store *s = box_open(&b);
    fill(s);
    pid_t pid = fork();
    if (pid == 0) {
        struct lm_store *mine = (struct lm_store *)box_open(&b);
        _exit(mine && get_as(&mine->s, "k1", "t", NULL, NULL) == 1 ? 0 : 1);
    }
    tap_ok(reap_child(pid) == 0, "a process goes away without closing");
    s->ops->tick(s, wall());
    tap_ok(s->stat.wiped == 0 && check(s).hit == KEYS, "outside: no doubt");
    pid = fork();
    if (pid == 0) {
        struct lm_store *mine = (struct lm_store *)box_open(&b);
        lm_inside(mine->dir, 1);
        _exit(0);
    }
    reap_child(pid);
    s->ops->tick(s, wall());
    tap_ok(s->stat.wiped == 1 && check(s).hit == 0, "inside: a new file");
    fill(s);
    tap_ok(check(s).hit == KEYS, "which serves");
    pid = fork();
    if (pid == 0) {
        ae_store *mine = box_open(&b);
        int       old = check(mine).hit;
        mine->ops->purge(mine, ae_s(NULL, 0), NULL);
        _exit(old != KEYS);
    }
    tap_ok(reap_child(pid) == 0, "another process drops all");
    tap_ok(check(s).hit == 0, "nothing old is served here");
    s->ops->tick(s, wall());
    fill(s);
    tap_ok(check(s).hit == KEYS, "after a tick we are there too");
    s->ops->close(s);
    box_free(&b);
}

/* F3: truncated while open and between runs. */
static void truncated(void)
{
    struct box b;
    char       path[300];
    static const off_t sizes[] = { 0, 100, 4096, 65536, 400000 };

    box_new(&b, 16 << 20);
    ae_store *s = box_open(&b);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(s);
        if (truncate(box_data(&b, path), sizes[i]))
            abort();
        tap_ok(put_as(s, "x", AE_STR("{}"), MINUTE, "t", NULL, "x")
               == AE_E_CORRUPT, "cut to %ld while open", (long)sizes[i]);
        tap_ok(check(s).miss == KEYS, "the rest of it is not touched");
        s->ops->tick(s, wall());
        tap_ok(s->stat.wiped == i + 1, "left it");
    }
    s->ops->close(s);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        s = box_open(&b);
        fill(s);
        s->ops->close(s);
        if (truncate(box_data(&b, path), sizes[i]))
            abort();
        s = box_open(&b);
        struct tally t = check(s);
        tap_ok(t.hit == 0 && t.wrong == 0 && s->stat.wiped == 1,
               "cut to %ld between runs", (long)sizes[i]);
        s->ops->close(s);
    }
    box_free(&b);
}

/* A random page; of a tree (branch or leaf) if |tree|. */
static off_t some_page(int fd, off_t size, bool tree)
{
    for (int n = 0; n < 10000; n++) {
        off_t          at = rand() % (size / 4096) * 4096;
        unsigned short flags = 0;

        if (!tree || (pread(fd, &flags, 2, at + 10) == 2 && (flags & 3)))
            return at;
    }
    return 0;
}

/* F4: random bytes changed between runs; each trial in a child. */
static void flips(void)
{
    struct box b;
    char       path[300];
    int        crashes = 0, loops = 0, wrong = 0, unseen = 0, trials = 60;

    box_new(&b, 8 << 20);
    srand(4711);
    for (int i = 0; i < trials; i++) {
        ae_store *s = box_open(&b);
        fill(s);
        s->ops->close(s);
        int         fd = open(box_data(&b, path), O_RDWR);
        struct stat st;
        fstat(fd, &st);
        for (int n = 0; n < 20; n++) {
            off_t at = some_page(fd, st.st_size, i % 2)
                + (n % 2 ? rand() % 200 : rand() % 4096);
            unsigned char c = (unsigned char)rand();
            if (pwrite(fd, &c, 1, at) != 1)
                abort();
        }
        close(fd);
        for (int run = 0; run < 3; run++) {
            pid_t pid = fork();
            if (pid == 0) {
                if (!freopen("/dev/null", "w", stderr))
                    _exit(1);
                s = box_open(&b);
                if (!s)
                    _exit(0);
                struct tally t = check(s);
                put_as(s, "x", AE_STR("{}"), MINUTE, "t", NULL, "x");
                s->ops->tick(s, wall());
                s->ops->close(s);
                _exit(t.wrong ? 9 : t.hit == KEYS ? 3 : 0);
            }
            int rc = reap_child(pid);
            wrong += WIFEXITED(rc) && WEXITSTATUS(rc) == 9;
            unseen += run == 0 && WIFEXITED(rc) && WEXITSTATUS(rc) == 3;
            crashes += !WIFEXITED(rc);
            loops += run > 0 && !WIFEXITED(rc);
        }
    }
    tap_ok(wrong == 0, "F4: %d trials (%d hit nothing that is read): never "
           "wrong bytes", trials, unseen);
    tap_ok(loops == 0, "at most one crash each (%d in all)", crashes);
    box_free(&b);
}

static off_t find(int fd, const char *what, size_t n)
{
    static char buf[4 << 20];
    ssize_t     have = pread(fd, buf, sizeof(buf), 0);
    char       *at = have > 0 ? memmem(buf, (size_t)have, what, n) : NULL;

    return at ? at - buf : -1;
}

/* K13: a flipped bit, swapped values, an older copy. */
static void tampered(void)
{
    struct box  b;
    struct pool p;
    char        path[300], old[320], x[64], y[64];
    ae_arena   *a = pool_new(&p);
    ae_str      big = body_of(a, 5000, 3), big2 = body_of(a, 5000, 4);

    box_new(&b, 16 << 20);
    ae_store *s = box_open(&b);
    put_as(s, "k", AE_STR("{\"needle\":1234567}"), MINUTE, NULL, NULL, "x");
    int   fd = open(box_data(&b, path), O_RDWR);
    off_t at = find(fd, "needle", 6);
    tap_ok(at > 0 && pwrite(fd, "meedle", 6, at) == 6, "flip");
    tap_ok(get_as(s, "k", NULL, NULL, NULL) == AE_E_CORRUPT
           && s->stat.corrupt == 1, "K13: a flipped bit is a miss");
    close(fd);
    s->ops->tick(s, wall());
    tap_ok(s->stat.wiped == 1, "and the file is left");

    put_as(s, "a", big, MINUTE, NULL, NULL, "x");
    put_as(s, "b", big2, MINUTE, NULL, NULL, "x");
    tap_ok(get_as(s, "a", NULL, NULL, &big) == 1, "before the swap");
    fd = open(box_data(&b, path), O_RDWR);
    off_t pa = find(fd, big.p, 60), pb = find(fd, big2.p, 60);
    if (pread(fd, x, 60, pa) != 60 || pread(fd, y, 60, pb) != 60
        || pwrite(fd, y, 60, pa) != 60 || pwrite(fd, x, 60, pb) != 60)
        abort();
    close(fd);
    tap_ok(get_as(s, "a", NULL, NULL, NULL) == AE_E_CORRUPT,
           "K13: swapped bodies");
    s->ops->tick(s, wall());

    put_as(s, "k", AE_STR("{\"old\":1}"), MINUTE, "t", NULL, "x");
    s->ops->close(s);
    snprintf(old, sizeof(old), "%s.old", box_data(&b, path));
    char cmd[700];
    snprintf(cmd, sizeof(cmd), "cp %s %s", path, old);
    tap_ok(system(cmd) == 0, "copied");
    s = box_open(&b);
    ae_str tag = AE_STR("t");
    s->ops->bump(s, &tag, 1);
    put_as(s, "k", AE_STR("{\"new\":1}"), MINUTE, "t", NULL, "x");
    s->ops->close(s);
    snprintf(cmd, sizeof(cmd), "cat %s > %s", old, path);
    tap_ok(system(cmd) == 0, "an older copy is put back");
    s = box_open(&b);
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "K13: its tag has moved");
    s->ops->close(s);
    snprintf(cmd, sizeof(cmd), "mv %s %s", old, path);
    tap_ok(system(cmd) == 0, "and renamed into place");
    s = box_open(&b);
    tap_ok(s->stat.wiped == 1, "another inode: a new file");
    s->ops->close(s);
    box_free(&b);
    pool_free(&p);
}

/* F6: a tiny map: stores are dropped, the collector makes room. */
static void map_full(void)
{
    struct box  b;
    struct pool p;
    ae_arena   *a = pool_new(&p);
    char        id[16];
    int         full = 0, other = 0, later = 0;

    box_new(&b, 1 << 20);
    ae_store *s = box_open(&b);
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof(id), "m%d", i);
        int rc = put_as(s, id, body_of(a, 9000, 1), MINUTE, "t", NULL, id);
        full += rc == AE_E_FULL;
        other += rc != AE_OK && rc != AE_E_FULL;
    }
    tap_ok(full > 100 && other == 0, "F6: %d dropped, %d other", full, other);
    for (int i = 0; i < 5; i++)
        s->ops->tick(s, wall());
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "n%d", i);
        later += put_as(s, id, body_of(a, 9000, 1), MINUTE, "t", NULL, id)
            == AE_OK;
    }
    tap_ok(later == 5, "room again (%llu evicted, %llu wiped)",
           (unsigned long long)s->stat.evicted,
           (unsigned long long)s->stat.wiped);
    s->ops->close(s);
    box_free(&b);
    pool_free(&p);
}

/* F5: a disk that fills up. */
static void disk_full(void)
{
    struct box  b;
    struct pool p;
    ae_arena   *a = pool_new(&p);
    char        id[16], hog[300];
    int         io = 0, ok = 0, wrong;

    box_new(&b, 16 << 20);
    if (geteuid() != 0
        || mount("tmpfs", b.path, "tmpfs", 0, "size=3m,mode=0700") != 0) {
        tap_ok(1, "F5 # SKIP needs root and mount");
        box_free(&b);
        pool_free(&p);
        return;
    }
    ae_store *s = box_open(&b);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof(id), "d%d", i);
        int rc = put_as(s, id, body_of(a, 40000, 1), MINUTE, "t", NULL, id);
        ok += rc == AE_OK;
        io += rc == AE_E_IO;
    }
    tap_ok(ok > 10 && io > 100, "F5: %d stored, then an I/O error", ok);
    wrong = 0;
    for (int i = 0; i < 200; i++) {
        ae_str want = body_of(a, 40000, 1);
        snprintf(id, sizeof(id), "d%d", i);
        int rc = get_as(s, id, "t", NULL, &want);
        wrong += rc != 1 && rc != 0;
    }
    tap_ok(wrong == 0, "what was stored is served");
    s->ops->purge(s, ae_s(NULL, 0), NULL);
    usleep(1100000); /* no retry storm: writes rest for a second */
    s->ops->tick(s, wall());
    tap_ok(put_as(s, "z", body_of(a, 40000, 1), MINUTE, "t", NULL, "z")
           == AE_OK, "recovers with space");
    s->ops->close(s);
    /* No room for our own files: a clear error, no half-made store. */
    box_free(&b);
    snprintf(hog, sizeof(hog), "%s/hog", b.path);
    int fd = open(hog, O_WRONLY | O_CREAT, 0600);
    static char mb[1 << 20];
    while (write(fd, mb, sizeof(mb)) > 0)
        continue;
    close(fd);
    tap_ok(!box_open(&b) && b.err.code == AE_E_IO, "full at start");
    unlink(hog);
    s = box_open(&b);
    tap_ok(s != NULL, "and fine afterwards");
    if (s)
        s->ops->close(s);
    umount(b.path);
    box_free(&b);
    pool_free(&p);
}

/* F25: no reader slot left. */
static void readers(void)
{
    struct box b;
    int        ready[2], go[2];
    char       c;

    box_new(&b, 8 << 20);
    b.c.max_readers = 2;
    ae_store *s = box_open(&b);
    put_as(s, "k", AE_STR("{}"), MINUTE, NULL, NULL, "x");
    if (pipe(ready) || pipe(go))
        abort();
    pid_t pid = fork();
    if (pid == 0) { /* one slot for each process, from its opening on */
        struct lm_store *mine = (struct lm_store *)box_open(&b);
        c = mine != NULL;
        c = write(ready[1], &c, 1) == 1;
        if (read(go[0], &c, 1) != 1)
            _exit(1);
        mine->s.ops->close(&mine->s);
        _exit(0);
    }
    c = 0;
    if (read(ready[0], &c, 1) != 1)
        abort();
    struct lm_use u;
    int rc = lm_read_begin((struct lm_store *)s, &u);
    int rc2 = get_as(s, "k", NULL, NULL, NULL);
    tap_ok(rc == AE_OK && rc2 == AE_E_BUSY,
           "F25: a third reader: checked, tried again, a miss");
    lm_read_end(&u, NULL);
    if (write(go[1], "x", 1) != 1)
        abort();
    tap_ok(reap_child(pid) == 0, "the other ends");
    tap_ok(get_as(s, "k", NULL, NULL, NULL) == 1, "served again");
    s->ops->close(s);
    box_free(&b);
}

/* F23: a reader stopped in a transaction pins pages. */
static void stopped_reader(void)
{
    struct box  b;
    struct pool p;
    ae_arena   *a = pool_new(&p);
    int         ready[2], ok = 0, full = 0;
    char        c;

    box_new(&b, 1 << 20);
    ae_store *s = box_open(&b);
    put_as(s, "k", AE_STR("{}"), MINUTE, NULL, NULL, "x");
    if (pipe(ready))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        struct lm_use u;
        lm_read_begin((struct lm_store *)box_open(&b), &u);
        c = write(ready[1], "x", 1) == 1;
        for (;;)
            pause();
    }
    if (read(ready[0], &c, 1) != 1)
        abort();
    kill(pid, SIGSTOP);
    for (int i = 0; i < 400; i++)
        full += put_as(s, "same", body_of(a, 9000, 1), MINUTE, "t", NULL,
                       "x") == AE_E_FULL;
    tap_ok(full > 0, "F23: pages pinned: %d stores dropped", full);
    for (int i = 0; i < 15 && !ok; i++) {
        s->ops->tick(s, wall());
        for (int n = 0; n < 30; n++)
            ok = put_as(s, "same", body_of(a, 9000, 1), MINUTE, "t", NULL,
                        "x") == AE_OK;
    }
    tap_ok(ok, "left the file to the stopped reader");
    kill(pid, SIGKILL);
    reap_child(pid);
    s->ops->close(s);
    box_free(&b);
    pool_free(&p);
}

/* F24: somebody sits on the writer lock. */
static void busy(void)
{
    struct box      b;
    int             ready[2];
    char            c;
    struct timespec t0, t1;
    ae_str          tag = AE_STR("t");

    box_new(&b, 8 << 20);
    ae_store *s = box_open(&b);
    put_as(s, "k", AE_STR("{}"), MINUTE, "t", NULL, "x");
    if (pipe(ready))
        abort();
    pid_t pid = fork();
    if (pid == 0) {
        struct lm_store *mine = (struct lm_store *)box_open(&b);
        struct lm_use    u;
        lm_write_lock(mine, &u, 0);
        lm_write_begin(&u);
        c = write(ready[1], "x", 1) == 1;
        for (;;)
            pause();
    }
    if (read(ready[0], &c, 1) != 1)
        abort();
    kill(pid, SIGSTOP);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    tap_ok(put_as(s, "j", AE_STR("{}"), MINUTE, "t", NULL, "x") == AE_E_BUSY
           && s->stat.drops_busy == 1, "F24: dropped and counted");
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 1, "reads go on");
    s->ops->tick(s, wall());
    s->ops->bump(s, &tag, 1);
    tap_ok(get_as(s, "k", "t", NULL, NULL) == 0, "T13: a bump never waits");
    tap_ok(s->ops->purge(s, tag, NULL) == AE_E_BUSY, "a purge gives up");
    clock_gettime(CLOCK_MONOTONIC, &t1);
    tap_ok(t1.tv_sec - t0.tv_sec <= 1, "all at once");
    kill(pid, SIGKILL);
    reap_child(pid);
    s->ops->tick(s, wall());
    tap_ok(put_as(s, "j", AE_STR("{}"), MINUTE, "t", NULL, "x") == AE_OK,
           "after its death");
    s->ops->close(s);
    box_free(&b);
}

/* Two processes that store all the time. */
static void two_writers(void)
{
    struct box b;
    pid_t      pid[2];
    int        bad = 0;

    box_new(&b, 32 << 20);
    for (int i = 0; i < 2; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            ae_store *s = box_open(&b);
            for (int n = 0; n < 30; n++)
                fill(s);
            struct tally t = check(s);
            s->ops->close(s);
            _exit(t.wrong || t.corrupt);
        }
    }
    for (int i = 0; i < 2; i++)
        bad += reap_child(pid[i]) != 0;
    ae_store *s = box_open(&b);
    struct tally t = check(s);
    tap_ok(bad == 0 && t.hit == KEYS, "two writers: %d entries", t.hit);
    s->ops->close(s);
    box_free(&b);
}

/* F8: each allocation of a look-up fails in turn. */
static void no_memory(void)
{
    struct box  b;
    struct pool p;
    ae_arena   *pa = pool_new(&p);
    int         n = 0, rc = 0;

    box_new(&b, 8 << 20);
    ae_store *s = box_open(&b);
    ae_str    body = body_of(pa, 40000, 1);
    put_as(s, "m", body, MINUTE, NULL, NULL, "x");
    struct ae_cache_key k = key_of(pa, s, "m");
    for (; n < 10 && rc != 1; n++) {
        struct few      few = { ae_heap_mem(&p.heap), n };
        ae_arena        a;
        struct ae_entry e;

        ae_arena_init(&a, (struct ae_mem){ few_alloc, &few }, NULL, 0);
        rc = s->ops->get(s, &k, NULL, 0, wall(), &a, &e);
        if (rc != 1)
            tap_ok(rc == AE_E_NOMEM && !e.body.p, "F8: allocation %d", n);
    }
    tap_ok(rc == 1, "then a hit");
    s->ops->close(s);
    box_free(&b);
    pool_free(&p);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* children must not repeat it */
    dirty();
    truncated();
    tampered();
    map_full();
    disk_full();
    readers();
    stopped_reader();
    busy();
    two_writers();
    no_memory();
    kills();
    flips();
    return tap_done();
}
