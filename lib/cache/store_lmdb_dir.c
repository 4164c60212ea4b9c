/*
 * store_lmdb_dir.c - the directory of the store: who may use it, the locks,
 * and the shared file of generations and process slots (T16, F29).
 */
#include "cache/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

static const char lm_magic[8] = "AECACHE";

void lm_log(const struct lm_store *s, enum ae_log_level level,
            const char *fmt, ...)
{
    char    msg[512];
    va_list ap;

    if (!s->c.host || !s->c.host->log)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    s->c.host->log(s->c.host->ctx, level, msg);
}

/* Suspended time counts: an entry does not stay young in a sleeping host. */
int64_t lm_mono_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- locks ----------------------------------------------------------- */

static int set_lock(const struct lm_dir *d, int byte, int type)
{
    struct flock fl;

    memset(&fl, 0, sizeof(fl));
    fl.l_type = (short)type;
    fl.l_whence = SEEK_SET;
    fl.l_start = byte;
    fl.l_len = 1;
    return fcntl(d->lock, F_OFD_SETLK, &fl) == 0 ? AE_OK : AE_E_BUSY;
}

int lm_lock(const struct lm_dir *d, int byte)
{
    return set_lock(d, byte, F_WRLCK);
}

void lm_unlock(const struct lm_dir *d, int byte)
{
    set_lock(d, byte, F_UNLCK);
}

int lm_lock_wait(const struct lm_dir *d, int byte, int ms)
{
    const struct timespec nap = { 0, 1000000 };

    while (lm_lock(d, byte) != AE_OK) {
        if (ms-- <= 0)
            return AE_E_BUSY;
        nanosleep(&nap, NULL);
    }
    return AE_OK;
}

/* ---- files ----------------------------------------------------------- */

int lm_open_at(int dirfd, const char *name, int flags)
{
    return openat(dirfd, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                  0600);
}

/* Who can write our files could put any answer into them: one uid only.  Root
 * may look (read-only), but must not leave files that the owner cannot use. */
static bool owner_ok(const struct lm_store *s, uid_t uid)
{
    return uid == geteuid() || (s->c.read_only && geteuid() == 0);
}

int lm_file_ok(const struct lm_store *s, int fd, const char *name,
               struct ae_err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return ae_err_set(err, AE_E_IO, "%s/%s: %s", s->path, name,
                          strerror(errno));
    if (!S_ISREG(st.st_mode) || !owner_ok(s, st.st_uid)
        || (st.st_mode & 077) || st.st_nlink != 1)
        return ae_err_set(err, AE_E_IO, "%s/%s: must be a regular file of "
                          "uid %u with mode 0600 and one name; remove it",
                          s->path, name, (unsigned)geteuid());
    return AE_OK;
}

static int open_dir(struct lm_store *s, struct lm_dir *d, struct ae_err *err)
{
    struct stat   st;
    struct statfs fs;

    if (!s->c.read_only && !s->c.guest)
        mkdir(s->path, 0700); /* what is there is checked below */
    d->fd = open(s->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (d->fd < 0)
        return ae_err_set(err, errno == ENOENT ? AE_E_NOTFOUND : AE_E_IO,
                          "%s: cache directory: %s%s", s->path,
                          strerror(errno), errno == ELOOP || errno == ENOTDIR
                          ? " (a symbolic link is not followed)" : "");
    if (fstat(d->fd, &st) != 0 || fstatfs(d->fd, &fs) != 0)
        return ae_err_set(err, AE_E_IO, "%s: %s", s->path, strerror(errno));
    if (!owner_ok(s, st.st_uid))
        return ae_err_set(err, AE_E_IO, "%s: cache directory belongs to uid "
                          "%u, we run as uid %u; chown it or use another one",
                          s->path, (unsigned)st.st_uid, (unsigned)geteuid());
    if (st.st_mode & 077)
        return ae_err_set(err, AE_E_IO, "%s: cache directory has mode %04o; "
                          "chmod it to 0700", s->path,
                          (unsigned)st.st_mode & 07777);
    /* NFS, CIFS, SMB2, 9p: LMDB needs coherent maps and local locks. */
    if (fs.f_type == 0x6969 || (uint32_t)fs.f_type == 0xFF534D42u
        || (uint32_t)fs.f_type == 0xFE534D42u || fs.f_type == 0x01021997)
        return ae_err_set(err, AE_E_UNSUP, "%s: cache directory is on a "
                          "network file system; use a local one", s->path);
    return AE_OK;
}

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

/* ---- the file of generations ----------------------------------------- */

static bool head_ok(const struct lm_dir *d)
{
    const struct lm_head *h = d->head;
    char                  boot[40];

    boot_id(boot);
    return memcmp(h->magic, lm_magic, 8) == 0 && h->format == LM_FORMAT
        && h->lmdb == MDB_VERSION_FULL && h->ino == d->ino
        && boot[0] && memcmp(h->boot, boot, 40) == 0;
}

static int map_head(struct lm_store *s, struct lm_dir *d, bool make,
                    struct ae_err *err)
{
    int         fd, prot = s->c.read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    struct stat st;
    void       *p;

    if (make)
        unlinkat(d->fd, "generations", 0);
    fd = lm_open_at(d->fd, "generations",
                    s->c.read_only ? O_RDONLY
                    : make ? O_RDWR | O_CREAT | O_EXCL : O_RDWR);
    if (fd < 0)
        return make ? ae_err_set(err, AE_E_IO, "%s/generations: %s", s->path,
                                 strerror(errno)) : AE_E_NOTFOUND;
    /* Allocate the blocks now: a hole would be SIGBUS on a full disk. */
    if (make && (errno = posix_fallocate(fd, 0, LM_MAP_SIZE)) != 0) {
        int rc = ae_err_set(err, AE_E_IO, "%s/generations: %s", s->path,
                            strerror(errno));
        close(fd);
        unlinkat(d->fd, "generations", 0);
        return rc;
    }
    if (lm_file_ok(s, fd, "generations", NULL) != AE_OK
        || fstat(fd, &st) != 0 || st.st_size != LM_MAP_SIZE) {
        close(fd);
        return AE_E_CORRUPT;
    }
    d->ino = st.st_ino;
    p = mmap(NULL, LM_MAP_SIZE, prot, MAP_SHARED, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return ae_err_set(err, AE_E_NOMEM, "%s/generations: %s", s->path,
                          strerror(errno));
    d->head = p;
    return AE_OK;
}

static int make_head(struct lm_store *s, struct lm_dir *d, struct ae_err *err)
{
    struct lm_head *h;
    int             rc = map_head(s, d, true, err);

    if (rc)
        return rc;
    h = d->head;
    if (getrandom(&h->seed, sizeof(h->seed), 0) != sizeof(h->seed))
        return ae_err_set(err, AE_E_IO, "%s: no entropy", s->path);
    boot_id(h->boot);
    if (!h->boot[0])
        return ae_err_set(err, AE_E_IO, "%s: boot id cannot be read, so a "
                          "crash of the host could not be noticed", s->path);
    h->format = LM_FORMAT;
    h->lmdb = MDB_VERSION_FULL;
    h->size = s->c.size;
    h->ino = d->ino;
    atomic_store(&h->file, 1);
    memcpy(h->magic, lm_magic, 8); /* last: now it is whole */
    return AE_OK;
}

static void unmap_head(struct lm_dir *d)
{
    if (d->head)
        munmap(d->head, LM_MAP_SIZE);
    d->head = NULL;
}

/* Under LM_ADMIN.  Who is alone may throw the old state away.  Another size=
 * while others are there (a reload) waits until they are gone. */
static int attach_head(struct lm_store *s, struct lm_dir *d,
                       struct ae_err *err)
{
    bool alone = lm_lock(d, LM_LIVE) == AE_OK;
    int  rc;

    if (s->c.guest && alone)
        return ae_err_set(err, AE_E_NOTFOUND, "%s: no server has it open",
                          s->path);
    rc = map_head(s, d, false, err);
    if (rc == AE_OK && s->c.guest)
        s->c.size = d->head->size;
    if (rc == AE_OK && (!head_ok(d)
                        || (alone && d->head->size != s->c.size))) {
        unmap_head(d);
        rc = AE_E_CORRUPT;
    }
    if (rc == AE_E_NOTFOUND || rc == AE_E_CORRUPT) {
        if (!alone)
            return ae_err_set(err, AE_E_UNSUP, "%s: in use by a process with "
                              "another format or LMDB version; "
                              "stop it or use another directory", s->path);
        rc = make_head(s, d, err);
    }
    if (rc == AE_OK)
        set_lock(d, LM_LIVE, F_RDLCK);
    return rc;
}

static bool slot_dead(struct lm_dir *d, int i)
{
    return i != d->slot && lm_lock(d, LM_PROC0 + i) == AE_OK;
}

bool lm_reap(struct lm_dir *d)
{
    bool doubt = false;

    for (int i = 0; i < LM_PROCS; i++) {
        struct lm_proc *p = &d->head->proc[i];

        if (!atomic_load_explicit(&p->pid, memory_order_relaxed)
            || !slot_dead(d, i))
            continue;
        doubt = doubt || atomic_load(&p->inside) != 0;
        atomic_store(&p->inside, 0);
        atomic_store(&p->pid, 0);
        lm_unlock(d, LM_PROC0 + i);
    }
    return doubt;
}

/* Also refuses a second store of this process on the same path, which LMDB
 * forbids: its record locks would go with the first close. */
static int claim_slot(struct lm_store *s, struct lm_dir *d,
                      struct ae_err *err)
{
    uint32_t pid = (uint32_t)getpid();
    int      slot = -1;

    for (int i = 0; i < LM_PROCS; i++) {
        uint32_t owner = atomic_load(&d->head->proc[i].pid);

        if (owner == pid)
            return ae_err_set(err, AE_E_STATE, "%s: cache is open already in "
                              "this process, or in one of the same number in "
                              "another PID namespace", s->path);
        if (!owner && slot < 0 && lm_lock(d, LM_PROC0 + i) == AE_OK)
            slot = i;
    }
    if (slot < 0)
        return ae_err_set(err, AE_E_FULL, "%s: more than %d processes use "
                          "this cache", s->path, LM_PROCS);
    d->slot = slot;
    atomic_store(&d->head->proc[slot].inside, 0);
    atomic_store(&d->head->proc[slot].pid, pid);
    return AE_OK;
}

static int open_shared(struct lm_store *s, struct lm_dir *d,
                       struct ae_err *err)
{
    int rc;

    d->lock = lm_open_at(d->fd, "lock", O_RDWR | O_CREAT);
    if (d->lock < 0)
        return ae_err_set(err, AE_E_IO, "%s/lock: %s", s->path,
                          strerror(errno));
    rc = lm_file_ok(s, d->lock, "lock", err);
    if (rc)
        return rc;
    if (lm_lock_wait(d, LM_ADMIN, 500) != AE_OK)
        return ae_err_set(err, AE_E_BUSY, "%s: another process holds the "
                          "cache's lock", s->path);
    rc = attach_head(s, d, err);
    if (rc == AE_OK) {
        if (lm_reap(d))
            lm_doubt(d, atomic_load(&d->head->file));
        rc = claim_slot(s, d, err);
    }
    lm_unlock(d, LM_ADMIN);
    return rc;
}

int lm_dir_open(struct lm_store *s, struct lm_dir **out, struct ae_err *err)
{
    struct lm_dir *d = calloc(1, sizeof(*d));
    int            rc;

    *out = NULL;
    if (!d)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    d->fd = d->lock = d->slot = -1;
    rc = open_dir(s, d, err);
    if (rc == AE_OK && !s->c.read_only) {
        rc = open_shared(s, d, err);
    } else if (rc == AE_OK) {
        rc = map_head(s, d, false, err);
        if (rc || !head_ok(d))
            rc = ae_err_set(err, rc == AE_E_NOTFOUND ? rc : AE_E_CORRUPT,
                            "%s: holds no cache of this version and boot",
                            s->path);
    }
    if (rc) {
        lm_dir_free(d);
        return rc;
    }
    d->gens.slot = (_Atomic uint64_t *)(void *)
        ((char *)d->head + LM_HEAD_SIZE);
    d->gens.n = LM_GENS;
    d->gens.seed = d->head->seed;
    d->claims.slot = (_Atomic uint64_t *)(void *)
        ((char *)d->head + LM_CLAIMS_AT);
    d->claims.n = LM_CLAIMS;
    d->door.slot = (_Atomic uint32_t *)(void *)((char *)d->head + LM_DOOR_AT);
    d->door.n = LM_DOOR;
    *out = d;
    return AE_OK;
}

void lm_dir_free(struct lm_dir *d)
{
    if (!d)
        return;
    if (d->slot >= 0) {
        atomic_store(&d->head->proc[d->slot].inside, 0);
        atomic_store(&d->head->proc[d->slot].pid, 0);
    }
    unmap_head(d);
    if (d->lock >= 0)
        close(d->lock); /* and with it all our locks */
    if (d->fd >= 0)
        close(d->fd);
    free(d);
}

/* False when somebody removed or replaced the files under us: newcomers would
 * not see our bumps, nor we theirs. */
bool lm_dir_current(const struct lm_store *s, const struct lm_dir *d)
{
    struct stat st;
    char        name[sizeof(s->path) + 16];

    snprintf(name, sizeof(name), "%s/generations", s->path);
    return lstat(name, &st) == 0 && st.st_ino == d->ino
        && st.st_size == LM_MAP_SIZE;
}

void lm_inside(struct lm_dir *d, int step)
{
    if (d->slot >= 0)
        atomic_fetch_add_explicit(&d->head->proc[d->slot].inside,
                                  (uint32_t)step, memory_order_relaxed);
}

void lm_doubt(struct lm_dir *d, uint64_t number)
{
    if (d->slot >= 0)
        atomic_store(&d->head->suspect, number);
}
