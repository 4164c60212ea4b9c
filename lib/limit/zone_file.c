/*
 * zone_file.c - the file behind the zone: who may share it, and how several
 * processes that start at once come to the same one.
 *
 * A file gets its name only when it is whole (O_TMPFILE, then link), and a bad
 * one loses it only to who holds its lock and sees that it still has the name.
 * So there is no moment at which two processes can end up with two files.
 * The kernel drops the lock with a dead process.
 */
#include "limit/zone_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOCK_MS 500
#define TRIES 16 /* rounds that somebody else may win */

struct place {
    char path[600];
    char dir[600];
    char boot[40];
};

static void boot_id(char out[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(out, 0, 40);
    if (fd >= 0) {
        if (read(fd, out, 36) != 36)
            memset(out, 0, 40);
        close(fd);
    }
}

static int place_of(ae_str name, struct place *p, struct ae_err *err)
{
    char *slash;

    if (!ae_zone_path(name, p->path, sizeof(p->path)))
        return ae_err_set(err, AE_E_INVAL, "the name of the zone is too long");
    memcpy(p->dir, p->path, sizeof(p->dir));
    slash = strrchr(p->dir, '/');
    slash[slash == p->dir] = '\0';
    boot_id(p->boot);
    if (!p->boot[0])
        return ae_err_set(err, AE_E_IO, "%s: the boot id cannot be read, so a "
                          "restart of the host could not be noticed", p->path);
    return AE_OK;
}

/* Who can write here could lift every limit: one uid only.  Root may look. */
static int file_ok(const struct place *p, int fd, bool read_only,
                   struct stat *st, struct ae_err *err)
{
    if (fstat(fd, st) != 0)
        return ae_err_set(err, AE_E_IO, "%s: %s", p->path, strerror(errno));
    if (!S_ISREG(st->st_mode) || (st->st_mode & 077) || st->st_nlink > 1
        || (st->st_uid != geteuid() && !(read_only && geteuid() == 0)))
        return ae_err_set(err, AE_E_IO, "%s: must be a regular file of uid %u "
                          "with mode 0600 and one name; remove it", p->path,
                          (unsigned)geteuid());
    return AE_OK;
}

static int lock_file(int fd)
{
    const struct timespec nap = { 0, 1000000 };

    for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; ms++) {
        if (ms >= LOCK_MS)
            return AE_E_BUSY;
        nanosleep(&nap, NULL);
    }
    return AE_OK;
}

static int map(struct place *p, int fd, uint64_t size, bool read_only,
               ae_zone *z, struct ae_err *err)
{
    void *m = mmap(NULL, size, read_only ? PROT_READ : PROT_READ | PROT_WRITE,
                   MAP_SHARED, fd, 0);

    if (m == MAP_FAILED)
        return ae_err_set(err, AE_E_NOMEM, "%s: %s", p->path,
                          strerror(errno));
    z->head = m;
    z->size = size;
    z->shared = true;
    return AE_OK;
}

/* 1: mapped.  0: no such file, or it lost its name just now: make one.
 * *why is set when a bad file was removed. */
static int attach(struct place *p, uint64_t size, ae_zone *z,
                  const char **why, struct ae_err *err)
{
    struct ae_zone_head h;
    struct stat         st, named;
    int                 rc, fd;

    fd = open(p->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return ae_err_set(err, AE_E_IO, "%s: %s%s", p->path, strerror(errno),
                          errno == ELOOP ? " (a symbolic link is not followed)"
                          : "");
    rc = file_ok(p, fd, false, &st, err);
    if (rc == AE_OK && lock_file(fd) != AE_OK)
        rc = ae_err_set(err, AE_E_BUSY, "%s: a process holds its lock",
                        p->path);
    if (rc == AE_OK
        && (lstat(p->path, &named) != 0 || named.st_ino != st.st_ino
            || named.st_dev != st.st_dev || fstat(fd, &st) != 0)) {
        rc = 0; /* somebody has replaced it meanwhile */
    } else if (rc == AE_OK) {
        const char *bad = "is of another size";

        if ((uint64_t)st.st_size == size)
            bad = pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h)
                ? "cannot be read" : ae_zone_head_bad(&h, size, p->boot);
        if (bad) {
            *why = bad;
            unlink(p->path); /* those who have it keep it */
        } else {
            rc = map(p, fd, size, false, z, err);
            rc = rc == AE_OK ? 1 : rc;
        }
    }
    flock(fd, LOCK_UN); /* close() is not enough: the mapping holds the file */
    close(fd);
    return rc;
}

/* 1: mapped.  0: another process was faster. */
static int create(struct place *p, uint64_t size, ae_zone *z,
                  struct ae_err *err)
{
    char self[40];
    int  rc, fd = open(p->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        return ae_err_set(err, AE_E_IO, "%s: no file can be made there: %s",
                          p->dir, strerror(errno));
    /* Allocate the blocks now: a hole would be SIGBUS on a full disk. */
    errno = fchmod(fd, 0600) ? errno : posix_fallocate(fd, 0, (off_t)size);
    if (errno != 0)
        rc = ae_err_set(err, AE_E_IO, "%s: %llu bytes: %s", p->path,
                        (unsigned long long)size, strerror(errno));
    else
        rc = map(p, fd, size, false, z, err);
    if (rc == AE_OK && !ae_zone_head_make(z->head, size, p->boot))
        rc = ae_err_set(err, AE_E_IO, "%s: no entropy", p->path);
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
    if (rc == AE_OK
        && linkat(AT_FDCWD, self, AT_FDCWD, p->path, AT_SYMLINK_FOLLOW) == 0)
        rc = 1;
    else if (rc == AE_OK && errno != EEXIST)
        rc = ae_err_set(err, AE_E_IO, "%s: %s", p->path, strerror(errno));
    if (rc != 1 && z->head) {
        munmap(z->head, size);
        z->head = NULL;
    }
    close(fd);
    return rc;
}

static int open_shared(const struct ae_zone_conf *c, ae_zone *z,
                       const char **fresh, struct ae_err *err)
{
    struct place p;
    const char  *why = "is new";
    int          rc = place_of(c->name, &p, err);

    for (int i = 0; rc == AE_OK && i < TRIES; i++) {
        rc = attach(&p, c->size, z, &why, err);
        if (rc == 0) {
            rc = create(&p, c->size, z, err);
            if (rc == 1)
                *fresh = why;
        }
    }
    if (rc == 0)
        rc = ae_err_set(err, AE_E_BUSY, "%s: others keep replacing it",
                        p.path);
    return rc == 1 ? AE_OK : rc;
}

static int open_private(uint64_t size, ae_zone *z, struct ae_err *err)
{
    char  none[40] = { 0 };
    void *m = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (m == MAP_FAILED)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    z->head = m;
    z->size = size;
    if (!ae_zone_head_make(z->head, size, none))
        return ae_err_set(err, AE_E_IO, "no entropy");
    return AE_OK;
}

static int open_read_only(const struct ae_zone_conf *c, ae_zone *z,
                          struct ae_err *err)
{
    struct place p;
    struct stat  st;
    const char  *bad = NULL;
    int          fd, rc = place_of(c->name, &p, err);

    if (rc != AE_OK)
        return rc;
    fd = open(p.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ae_err_set(err, errno == ENOENT ? AE_E_NOTFOUND : AE_E_IO,
                          "%s: %s", p.path, strerror(errno));
    rc = file_ok(&p, fd, true, &st, err);
    if (rc == AE_OK && (uint64_t)st.st_size < AE_ZONE_MIN)
        bad = "is no zone";
    if (rc == AE_OK && !bad)
        rc = map(&p, fd, (uint64_t)st.st_size, true, z, err);
    if (rc == AE_OK && !bad)
        bad = ae_zone_head_bad(z->head, z->size, p.boot);
    if (bad)
        rc = ae_err_set(err, AE_E_CORRUPT, "%s: %s", p.path, bad);
    close(fd);
    return rc;
}

int ae_zone_open(const struct ae_zone_conf *c, ae_zone **out,
                 const char **fresh, struct ae_err *err)
{
    ae_zone    *z = calloc(1, sizeof(*z));
    const char *made = NULL;
    int         rc;

    *out = NULL;
    if (!z)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    if (c->read_only)
        rc = open_read_only(c, z, err);
    else if (c->name.n && c->size < AE_ZONE_MIN)
        rc = ae_err_set(err, AE_E_INVAL, "a zone takes at least 1m");
    else if (c->name.n)
        rc = open_shared(c, z, &made, err);
    else
        rc = open_private(c->size >= AE_ZONE_MIN ? c->size : AE_ZONE_PRIVATE,
                          z, err);
    if (fresh)
        *fresh = made;
    if (rc != AE_OK) {
        ae_zone_close(z);
        return rc;
    }
    *out = z;
    return AE_OK;
}

void ae_zone_close(ae_zone *z)
{
    if (!z)
        return;
    if (z->head)
        munmap(z->head, z->size);
    free(z);
}
