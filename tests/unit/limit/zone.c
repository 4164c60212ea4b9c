/* zone.c - the shared zone: sections, and who comes to which file. */
#include "limit/zone.h"
#include "../tap.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[128];

static ae_zone *open_with(ae_str name, uint64_t size, bool ro,
                          const char **fresh, struct ae_err *err)
{
    struct ae_zone_conf c = { .name = name, .size = size, .read_only = ro };
    ae_zone            *z = NULL;

    memset(err, 0, sizeof(*err));
    if (ae_zone_open(&c, &z, fresh, err) == AE_OK)
        return z;
    if (err->code == AE_OK)
        err->code = -999;
    return NULL;
}

static ae_zone *zopen(uint64_t size, const char **fresh, struct ae_err *err)
{
    return open_with(ae_cs(path), size, false, fresh, err);
}

static void sections(void)
{
    struct ae_err err;
    static const uint64_t sizes[] = { 1 << 20, 3 << 20, 16 << 20, 40 << 20,
                                      (uint64_t)40000003 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        ae_zone *z = open_with(ae_s(NULL, 0), sizes[i], false, NULL, &err);
        char    *base = z ? (char *)ae_zone_section(z, 0, 0, NULL) : NULL;
        char    *end = base ? base - 4096 + sizes[i] : NULL;
        bool     apart = z != NULL, zero = true, named = true;

        for (int k = 0; z && k < AE_ZONE__N; k++) {
            size_t n = 0;
            char  *p = ae_zone_section(z, (enum ae_zone_kind)k, 16384, &n);

            apart = apart && p && n >= 16384 && ((uintptr_t)p & 63) == 0
                && p >= base && p + n <= end;
            named = named && ae_zone_kind_name((enum ae_zone_kind)k);
            for (int j = 0; apart && j < k; j++) {
                size_t m = 0;
                char  *q = ae_zone_section(z, (enum ae_zone_kind)j, 0, &m);

                apart = p + n <= q || q + m <= p;
            }
            for (size_t b = 0; apart && b < n; b++)
                zero = zero && !p[b];
            if (apart)
                memset(p, k + 1, n);
        }
        tap_ok(apart && zero && named, "%llu bytes: sections lie apart, "
               "inside, aligned, and start as zeros",
               (unsigned long long)sizes[i]);
        if (sizes[i] == 40 << 20) {
            size_t n = 0;

            ae_zone_section(z, AE_ZONE_LIMITER, 0, &n);
            tap_ok(n >= 2 * 16 * 1000000, "40m has two slots of 16 bytes for "
                   "each of a million identities (%zu)", n);
            tap_ok(!ae_zone_section(z, AE_ZONE_LOGIN, n, &n)
                   && !ae_zone_section(z, AE_ZONE__N, 0, &n),
                   "too much asked, or no such kind: none");
        }
        ae_zone_close(z);
    }
}

static void keeps(void)
{
    struct ae_err err;
    const char   *fresh = NULL;
    ae_zone      *a = zopen(1 << 20, &fresh, &err), *b, *r;
    uint64_t      seed[2];
    struct stat   st;
    char         *p;

    tap_ok(a && fresh && ae_zone_shared(a), "a new zone: %s", err.text);
    if (!a)
        return;
    tap_ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0600
           && st.st_size == 1 << 20, "a file of that size with mode 0600");
    memcpy(seed, ae_zone_seed(a), sizeof(seed));
    p = ae_zone_section(a, AE_ZONE_LIMITER, 0, NULL);
    memcpy(p, "kept", 4);
    b = zopen(1 << 20, &fresh, &err);
    tap_ok(b && !fresh && !memcmp(ae_zone_seed(b), seed, sizeof(seed))
           && !memcmp(ae_zone_section(b, AE_ZONE_LIMITER, 0, NULL), "kept",
                      4), "whoever comes second sees the same bytes");
    ae_zone_close(a);
    ae_zone_close(b);
    r = open_with(ae_cs(path), 0, true, &fresh, &err);
    tap_ok(r && ae_zone_size(r) == 1 << 20
           && !memcmp(ae_zone_section(r, AE_ZONE_LIMITER, 0, NULL), "kept",
                      4), "they stay when nobody has them; to look is enough");
    ae_zone_close(r);
}

/* Spoil the file at |at|; the next who opens it makes a new one. */
static void spoil(const char *what, off_t at, const char *want)
{
    struct ae_err err;
    const char   *fresh = NULL;
    ae_zone      *z = zopen(1 << 20, &fresh, &err), *n;
    int           fd = open(path, O_WRONLY);
    char         *old;

    if (!z || fd < 0 || pwrite(fd, "\377", 1, at) != 1) {
        tap_ok(0, "%s: %s", what, err.text);
        return;
    }
    close(fd);
    old = ae_zone_section(z, AE_ZONE_LIMITER, 0, NULL);
    memcpy(old, "old", 3);
    tap_ok(!open_with(ae_cs(path), 0, true, NULL, &err)
           && err.code == AE_E_CORRUPT, "%s: not to look at (%s)", what,
           err.text);
    n = zopen(1 << 20, &fresh, &err);
    tap_ok(n && fresh && !strcmp(fresh, want)
           && *(char *)ae_zone_section(n, AE_ZONE_LIMITER, 0, NULL) == 0
           && *old == 'o', "%s: made anew, since it %s%s", what,
           fresh ? fresh : "- ", err.text);
    ae_zone_close(z);
    ae_zone_close(n);
}

static void refused(void)
{
    struct ae_err err;
    char          other[160];
    ae_zone      *z;

    unlink(path);
    tap_ok(!open_with(ae_cs(path), 0, true, NULL, &err)
           && err.code == AE_E_NOTFOUND, "nothing there to look at");
    snprintf(other, sizeof(other), "%s/other", dir);
    close(open(other, O_CREAT | O_WRONLY, 0600));
    if (symlink(other, path) == 0)
        tap_ok(!zopen(1 << 20, NULL, &err) && err.code == AE_E_IO,
               "a link is not followed: %s", err.text);
    unlink(path);
    if (link(other, path) == 0)
        tap_ok(!zopen(1 << 20, NULL, &err) && err.code == AE_E_IO,
               "nor is a file of two names used: %s", err.text);
    unlink(other);
    if (chmod(path, 0640) == 0)
        tap_ok(!zopen(1 << 20, NULL, &err) && err.code == AE_E_IO,
               "nor one that others may read: %s", err.text);
    if (geteuid() == 0 && chmod(path, 0600) == 0 && chown(path, 65534, 0) == 0)
        tap_ok(!zopen(1 << 20, NULL, &err) && err.code == AE_E_IO,
               "nor one of somebody else: %s", err.text);
    unlink(path);
    if (mkdir(path, 0700) == 0)
        tap_ok(!zopen(1 << 20, NULL, &err) && err.code == AE_E_IO,
               "nor a directory: %s", err.text);
    rmdir(path);
    tap_ok(!open_with(AE_STR("/nonexistent/dir/zone"), 1 << 20, false, NULL,
                      &err) && err.code == AE_E_IO, "no directory: %s",
           err.text);
    tap_ok(!zopen(1 << 10, NULL, &err), "too small: %s", err.text);
    z = zopen(1 << 20, NULL, &err);
    tap_ok(z != NULL, "after all that it is made");
    ae_zone_close(z);
    z = zopen(2 << 20, NULL, &err);
    tap_ok(z && ae_zone_size(z) == 2 << 20, "another size: made anew");
    ae_zone_close(z);
}

/* Processes that start at once, some before a missing and some before a bad
 * file, end up with one zone. */
static void race(void)
{
    enum { N = 16, ROUNDS = 20 };
    int split = 0, failed = 0;

    for (int round = 0; round < ROUNDS; round++) {
        int           gate[2], done[2];
        struct ae_err err;
        ae_zone      *z;
        _Atomic int  *sum;

        if (pipe(gate) || pipe(done))
            exit(1);
        if (round % 2)
            unlink(path);
        else
            (void)!truncate(path, 5000);
        for (int i = 0; i < N; i++)
            if (fork() == 0) {
                char c;

                close(gate[1]);
                (void)!read(gate[0], &c, 1);
                z = zopen(1 << 20, NULL, &err);
                if (z) {
                    sum = ae_zone_section(z, AE_ZONE_LIMITER, 0, NULL);
                    atomic_fetch_add(sum, 1);
                }
                _exit(z == NULL);
            }
        close(gate[0]);
        close(gate[1]); /* go */
        for (int i = 0, st; i < N; i++)
            failed += wait(&st) < 0 || st != 0;
        z = zopen(1 << 20, NULL, &err);
        sum = z ? ae_zone_section(z, AE_ZONE_LIMITER, 0, NULL) : NULL;
        split += !sum || atomic_load(sum) != N;
        ae_zone_close(z);
        close(done[0]);
        close(done[1]);
    }
    tap_ok(!split && !failed, "%d processes at once share one zone, %d times"
           " (%d split, %d failed)", N, ROUNDS, split, failed);
}

int main(void)
{
    struct ae_err err;
    char          buf[64];
    ae_zone      *z;

    snprintf(dir, sizeof(dir), "/tmp/ae-zone-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/zone", dir);
    sections();
    keeps();
    spoil("magic", 0, "is no zone");
    spoil("format", 8, "is of another version");
    spoil("seed", 25, "is damaged");
    spoil("checksum", 82, "is damaged");
    refused();
    race();
    tap_ok(ae_zone_path(AE_STR("one"), buf, sizeof(buf))
           && !strcmp(buf, "/dev/shm/argo-edge.one"), "a name: %s", buf);
    tap_ok(!ae_zone_path(AE_STR("/a/very/long/path/of/a/file/that/has/no/room"
                                "/in/the/buffer/of/the/test"), buf,
                         sizeof(buf)), "a path that has no room");
    z = open_with(ae_s(NULL, 0), 0, false, NULL, &err);
    tap_ok(z && !ae_zone_shared(z) && ae_zone_section(z, AE_ZONE_LIMITER,
                                                      65536, NULL),
           "no name: a private zone");
    ae_zone_close(z);
    tap_ok(ae_zone_now() > 0, "there is a time");
    unlink(path);
    rmdir(dir);
    return tap_done();
}
