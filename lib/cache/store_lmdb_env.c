/*
 * store_lmdb_env.c - the environment in force: checks before use, and a new
 * file on doubt (T16, F1-F4).
 */
#include "cache/store_lmdb.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* The record "meta" of the database "meta". */
struct lm_meta {
    char          magic[8];
    uint32_t      format, lmdb;
    char          boot[40];
    uint64_t      number;
    unsigned char secret[32];
} __attribute__((packed));

/* LMDB's own first pages, which 0.9 maps and believes: looked at with pread
 * before LMDB sees them. */
struct lm_page0 {
    uint64_t pgno;
    uint16_t pad, flags, lower, upper;
    uint32_t magic, version;
    uint64_t address, mapsize;
    struct {
        uint32_t pad;
        uint16_t flags, depth;
        uint64_t branch, leaf, overflow, entries, root;
    } db[2];
    uint64_t last_pg, txnid;
};

static const char meta_magic[8] = "AEMETA";

static void data_name(char out[40], uint64_t number)
{
    snprintf(out, 40, "data.%llu.mdb", (unsigned long long)number);
}

/* ---- checks before use ----------------------------------------------- */

static bool page0_ok(int fd, unsigned page, uint64_t size)
{
    struct lm_page0 m;
    uint64_t        psize = (uint64_t)sysconf(_SC_PAGESIZE);

    if (pread(fd, &m, sizeof(m), (off_t)(page * psize)) != sizeof(m))
        return false;
    for (int i = 0; i < 2; i++)
        if (m.db[i].root != UINT64_MAX && m.db[i].root > m.last_pg)
            return false;
    return m.pgno == page && m.flags == 8 /* P_META */
        && m.magic == 0xBEEFC0DEu && m.version == 1 && m.db[0].pad == psize
        && m.last_pg >= 1 && m.last_pg < size / psize
        && m.mapsize >= (m.last_pg + 1) * psize;
}

/* The file that lm_head names: same inode, ours, as long as it says (F3).
 * 0, MDB_INVALID for doubt, or why it cannot be told. */
static int data_check(const struct lm_store *s, const struct lm_dir *d,
                      const char *name, ino_t *ino)
{
    int         fd = lm_open_at(d->fd, name, O_RDONLY);
    struct stat st;
    bool        ok;

    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM
            ? errno : MDB_INVALID;
    ok = lm_file_ok(s, fd, name, NULL) == AE_OK && fstat(fd, &st) == 0
        && st.st_ino == atomic_load(&d->head->data_ino)
        && page0_ok(fd, 0, (uint64_t)st.st_size)
        && page0_ok(fd, 1, (uint64_t)st.st_size);
    if (ok)
        *ino = st.st_ino;
    close(fd);
    return ok ? 0 : MDB_INVALID;
}

/* Bytes that the file should have at least, and has. */
static bool sizes(const struct lm_env *e, uint64_t *want, uint64_t *have,
                  int *fd)
{
    uint64_t    psize = (uint64_t)sysconf(_SC_PAGESIZE);
    MDB_envinfo info;
    struct stat st;

    if (mdb_env_get_fd(e->env, fd) != 0 || fstat(*fd, &st) != 0)
        return false;
    *have = (uint64_t)st.st_size;
    *want = 2 * psize;
    if (*have < *want) /* the first pages, which mdb_env_info reads */
        return true;
    if (mdb_env_info(e->env, &info) != 0)
        return false;
    *want = (info.me_last_pgno + 1) * psize;
    return true;
}

bool lm_size_ok(const struct lm_env *e)
{
    uint64_t want, have;
    int      fd;

    return sizes(e, &want, &have, &fd) && have >= want;
}

/* Pages taken and given back in one transaction count as used but are never
 * written.  Give the file its length, so that a short one means damage. */
void lm_extend(const struct lm_env *e)
{
    uint64_t want, have;
    int      fd;

    if (sizes(e, &want, &have, &fd) && have < want)
        (void)!ftruncate(fd, (off_t)want); /* failing: doubt, a new file */
}

/* ---- opening --------------------------------------------------------- */

/* obj is the unnamed database: each renewed reader would first have to find
 * the root of a named one, a second descent per look-up (100 ns).  The names
 * of the others lie in it too; no key of 32 bytes can equal one. */
static int open_dbs(struct lm_env *e, MDB_txn *txn, unsigned flags)
{
    struct { const char *name; MDB_dbi *dbi; } db[] = {
        { "meta", &e->meta }, { NULL, &e->obj }, { "chunk", &e->chunk },
        { "exp", &e->exp }, { "tag", &e->tag }, { "scope", &e->scope }
    };
    int rc = 0;

    for (size_t i = 0; !rc && i < sizeof(db) / sizeof(db[0]); i++)
        rc = mdb_dbi_open(txn, db[i].name, flags, db[i].dbi);
    return rc;
}

static int write_meta(struct lm_store *s, struct lm_env *e, MDB_txn *txn)
{
    static const char zero[32];
    struct lm_meta    m;
    MDB_val           k = { 4, (void *)(uintptr_t)"meta" };
    MDB_val           v = { sizeof(m), &m };

    memset(&m, 0, sizeof(m));
    memcpy(m.magic, meta_magic, 8);
    m.format = LM_FORMAT;
    m.lmdb = MDB_VERSION_FULL;
    memcpy(m.boot, s->dir->head->boot, sizeof(m.boot));
    m.number = e->number;
    /* Keys made before the change stay valid in this process. */
    if (memcmp(s->secret, zero, 32) != 0)
        memcpy(m.secret, s->secret, 32);
    else if (getrandom(m.secret, 32, 0) != 32)
        return EIO;
    memcpy(e->secret, m.secret, 32);
    return mdb_put(txn, e->meta, &k, &v, 0);
}

static int read_meta(struct lm_store *s, struct lm_env *e, MDB_txn *txn)
{
    struct lm_meta m;
    MDB_val        k = { 4, (void *)(uintptr_t)"meta" }, v;
    int            rc = mdb_get(txn, e->meta, &k, &v);

    if (rc)
        return rc;
    if (v.mv_size != sizeof(m))
        return MDB_INVALID;
    memcpy(&m, v.mv_data, sizeof(m));
    memcpy(e->secret, m.secret, 32);
    return memcmp(m.magic, meta_magic, 8) == 0 && m.format == LM_FORMAT
        && m.lmdb == MDB_VERSION_FULL && m.number == e->number
        && memcmp(m.boot, s->dir->head->boot, sizeof(m.boot)) == 0
        ? 0 : MDB_INVALID;
}

static int first_txn(struct lm_store *s, struct lm_env *e, bool make)
{
    MDB_txn *txn;
    int      dead, rc = mdb_txn_begin(e->env, NULL, make ? 0 : MDB_RDONLY,
                                      &txn);

    if (rc == MDB_READERS_FULL) { /* F25: slots of the dead */
        mdb_reader_check(e->env, &dead);
        rc = mdb_txn_begin(e->env, NULL, make ? 0 : MDB_RDONLY, &txn);
    }
    if (rc)
        return rc;
    rc = open_dbs(e, txn, make ? MDB_CREATE : 0);
    if (!rc)
        rc = make ? write_meta(s, e, txn) : read_meta(s, e, txn);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    if (!rc && make)
        lm_extend(e);
    return rc;
}

static int open_mdb(struct lm_store *s, struct lm_env *e, const char *name)
{
    char     path[sizeof(s->path) + 48];
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC | MDB_NOMETASYNC
        | MDB_NORDAHEAD | (s->c.read_only ? MDB_RDONLY : 0);
    int      rc = mdb_env_create(&e->env);

    if (rc)
        return rc;
    snprintf(path, sizeof(path), "%s/%s", s->path, name);
    mdb_env_set_mapsize(e->env, s->dir->head->size);
    mdb_env_set_maxdbs(e->env, 8);
    if (s->c.max_readers)
        mdb_env_set_maxreaders(e->env, s->c.max_readers);
    return mdb_env_open(e->env, path, flags, 0600);
}

/* LMDB opens by path: what it got must be the file that was checked. */
static bool same_file(const struct lm_env *e, ino_t ino)
{
    struct stat st;
    int         fd;

    return mdb_env_get_fd(e->env, &fd) == 0 && fstat(fd, &st) == 0
        && st.st_ino == ino;
}

static int pre_create(struct lm_store *s, const char *name, ino_t *ino)
{
    char        lock[64];
    struct stat st;
    int         fd, rc = 0;

    snprintf(lock, sizeof(lock), "%s-lock", name);
    unlinkat(s->dir->fd, name, 0);
    unlinkat(s->dir->fd, lock, 0);
    fd = lm_open_at(s->dir->fd, name, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return errno;
    if (fstat(fd, &st) != 0)
        rc = errno;
    else
        *ino = st.st_ino;
    close(fd);
    return rc;
}

void lm_env_free(struct lm_env *e)
{
    while (e->idle) {
        struct lm_reader *r = e->idle;

        e->idle = r->next;
        mdb_txn_abort(r->txn);
        free(r);
    }
    if (e->env)
        mdb_env_close(e->env);
    free(e);
}

/* Open number lm_head.file.  0, an LMDB or system code; MDB_INVALID: doubt. */
static int env_open(struct lm_store *s, bool make, struct lm_env **out)
{
    struct lm_head *h = s->dir->head;
    struct lm_env  *e = calloc(1, sizeof(*e));
    char            name[40];
    ino_t           ino = 0;
    int             rc;

    if (!e)
        return ENOMEM;
    e->number = atomic_load(&h->file);
    data_name(name, e->number);
    /* Lengths are settled only between writes.  Whoever holds the lock for
     * longer than this (F24) has checked them itself. */
    bool locked = !make && !s->c.read_only
        && lm_lock_wait(s->dir, LM_WRITER, LM_WAIT_MS) == AE_OK;
    rc = make ? pre_create(s, name, &ino)
        : data_check(s, s->dir, name, &ino);
    if (!rc)
        rc = open_mdb(s, e, name);
    if (!rc && !same_file(e, ino))
        rc = MDB_INVALID;
    if (!rc)
        rc = first_txn(s, e, make);
    if (!rc && !lm_size_ok(e))
        rc = MDB_INVALID;
    if (locked)
        lm_unlock(s->dir, LM_WRITER);
    if (rc) {
        lm_env_free(e);
        return rc;
    }
    if (make)
        atomic_store(&h->data_ino, ino);
    *out = e;
    return 0;
}

/* ---- moving on ------------------------------------------------------- */

static void unlink_data(const struct lm_dir *d)
{
    int            fd = dup(d->fd);
    DIR           *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return;
    }
    rewinddir(dir);
    while ((e = readdir(dir)))
        if (strncmp(e->d_name, "data.", 5) == 0)
            unlinkat(d->fd, e->d_name, 0);
    closedir(dir);
}

/* From here on nobody reads or writes the old file. */
static void invalidate(struct lm_store *s)
{
    struct lm_head *h = s->dir->head;

    atomic_store(&h->data_ino, 0);
    atomic_fetch_add(&h->file, 1);
    unlink_data(s->dir);
    pthread_mutex_lock(&s->lock);
    s->s.stat.wiped++;
    pthread_mutex_unlock(&s->lock);
    lm_log(s, AE_LOG_NOTICE, "cache %s: starting a new data file, number %llu",
           s->path, (unsigned long long)atomic_load(&h->file));
}

void lm_env_retire(struct lm_store *s)
{
    struct lm_env *e;

    pthread_mutex_lock(&s->lock);
    e = s->env;
    s->env = NULL;
    if (e) {
        e->retired = true;
        if (e->users)
            e = NULL; /* the last user frees it */
    }
    pthread_mutex_unlock(&s->lock);
    if (e)
        lm_env_free(e);
}

static int env_error(struct lm_store *s, int rc, struct ae_err *err)
{
    int code = rc == ENOMEM ? AE_E_NOMEM
        : rc == MDB_READERS_FULL ? AE_E_BUSY
        : rc == MDB_INVALID ? AE_E_CORRUPT : AE_E_IO;

    return ae_err_set(err, code, "%s: cache: %s", s->path, mdb_strerror(rc));
}

static int ensure_locked(struct lm_store *s, bool drop, struct ae_err *err)
{
    struct lm_head *h = s->dir->head;
    struct lm_env  *e = NULL;
    uint64_t        n = atomic_load(&h->file);
    int             rc = MDB_INVALID;

    if (!s->c.read_only
        && (lm_reap(s->dir) || atomic_load(&h->suspect) == n || drop)) {
        atomic_store(&h->suspect, 0);
        invalidate(s);
    }
    if (s->env && s->env->number == atomic_load(&h->file))
        return AE_OK;
    lm_env_retire(s);
    lm_inside(s->dir, 1);
    if (atomic_load(&h->data_ino))
        rc = env_open(s, false, &e);
    /* Only what the file says is doubt; a lack of our own is not. */
    if (rc && !s->c.read_only && (rc < 0 || rc == EINVAL || rc == EIO)
        && rc != MDB_READERS_FULL) {
        if (atomic_load(&h->data_ino))
            invalidate(s);
        rc = env_open(s, true, &e);
    }
    lm_inside(s->dir, -1);
    if (rc)
        return env_error(s, rc, err);
    pthread_mutex_lock(&s->lock);
    if (memcmp(s->secret, e->secret, 32) != 0) /* callers may be reading */
        memcpy(s->secret, e->secret, 32);
    s->env = e;
    pthread_mutex_unlock(&s->lock);
    return AE_OK;
}

int lm_ensure(struct lm_store *s, bool drop, int wait_ms, struct ae_err *err)
{
    int rc;

    if (s->c.read_only)
        return ensure_locked(s, false, err);
    if (lm_lock_wait(s->dir, LM_ADMIN, wait_ms) != AE_OK)
        return ae_err_set(err, AE_E_BUSY, "%s: another process holds the "
                          "cache's lock", s->path);
    rc = ensure_locked(s, drop, err);
    lm_unlock(s->dir, LM_ADMIN);
    return rc;
}

/* Pages in use: what the free list holds does not count. */
uint64_t lm_used(const struct lm_env *e, MDB_txn *txn, uint64_t *entries)
{
    const MDB_dbi dbi[] = { e->obj, e->chunk, e->exp, e->tag, e->scope };
    uint64_t      pages = 8;
    MDB_stat      st;

    memset(&st, 0, sizeof(st));
    for (size_t i = 0; i < sizeof(dbi) / sizeof(dbi[0]); i++) {
        if (mdb_stat(txn, dbi[i], &st) != 0)
            continue;
        pages += st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
        if (i == 0) /* less the names of the others and meta */
            *entries = st.ms_entries > LM_NAMES ? st.ms_entries - LM_NAMES
                                                : 0;
    }
    return pages * st.ms_psize;
}
