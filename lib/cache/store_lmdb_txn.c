/*
 * store_lmdb_txn.c - the beginning and end of reads and writes, and what
 * LMDB's codes mean to us (T16, F5, F6, F24, F25).
 */
#include "cache/store_lmdb.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

int lm_rc(struct lm_use *u, int rc)
{
    switch (rc) {
    case 0:
        return AE_OK;
    case MDB_NOTFOUND:
        return AE_E_NOTFOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        if (!u->s->c.read_only)
            atomic_store(&u->dir->head->full, 1);
        return AE_E_FULL;
    case MDB_READERS_FULL:
        return AE_E_BUSY;
    case ENOMEM:
        return AE_E_NOMEM;
    case EIO: /* how LMDB reports a short write: the disk is full (F5) */
    case ENOSPC:
    case EDQUOT:
        pthread_mutex_lock(&u->s->lock);
        u->s->io_until = lm_mono_us() + 1000000;
        pthread_mutex_unlock(&u->s->lock);
        return AE_E_IO;
    default:
        lm_doubt(u->dir, u->env->number);
        return AE_E_CORRUPT;
    }
}

static void leave(struct lm_use *u, uint64_t *count)
{
    struct lm_env *e = u->env;
    bool           last;

    lm_inside(u->dir, -1);
    pthread_mutex_lock(&u->s->lock);
    if (u->r) {
        u->r->next = e->idle;
        e->idle = u->r;
        u->r = NULL;
    }
    if (count)
        ++*count;
    last = --e->users == 0 && e->retired;
    pthread_mutex_unlock(&u->s->lock);
    if (last)
        lm_env_free(e);
}

/* A consistent pair of directory and environment, or a reason why not.  A
 * file that is no longer in force, or is doubted, is not touched again. */
static int enter(struct lm_store *s, struct lm_use *u, bool reader)
{
    memset(u, 0, sizeof(*u));
    u->s = s;
    if (!*s->alive)
        return AE_E_STATE; /* a forked child: LMDB is not ours here */
    pthread_mutex_lock(&s->lock);
    u->dir = s->dir;
    u->env = s->env;
    if (!u->env || u->env->number != atomic_load(&u->dir->head->file)
        || u->env->number == atomic_load(&u->dir->head->suspect)) {
        pthread_mutex_unlock(&s->lock);
        return AE_E_AGAIN;
    }
    u->env->users++;
    u->io_until = s->io_until;
    if (reader && u->env->idle) {
        u->r = u->env->idle;
        u->env->idle = u->r->next;
    }
    pthread_mutex_unlock(&s->lock);
    lm_inside(u->dir, 1);
    return AE_OK;
}

static int new_reader(struct lm_use *u)
{
    int rc, dead = 0;

    u->r = calloc(1, sizeof(*u->r));
    if (!u->r)
        return ENOMEM;
    rc = mdb_txn_begin(u->env->env, NULL, MDB_RDONLY, &u->r->txn);
    if (rc == MDB_READERS_FULL) {
        /* F25: slots of the dead, then one more try, then a miss. */
        mdb_reader_check(u->env->env, &dead);
        rc = mdb_txn_begin(u->env->env, NULL, MDB_RDONLY, &u->r->txn);
    }
    if (rc) {
        free(u->r);
        u->r = NULL;
    }
    return rc;
}

int lm_read_begin(struct lm_store *s, struct lm_use *u)
{
    int rc = enter(s, u, true);

    if (rc)
        return rc;
    rc = u->r ? mdb_txn_renew(u->r->txn) : new_reader(u);
    if (rc) {
        if (u->r) {
            mdb_txn_abort(u->r->txn);
            free(u->r);
            u->r = NULL;
        }
        rc = lm_rc(u, rc);
        leave(u, NULL);
        return rc;
    }
    u->txn = u->r->txn;
    return AE_OK;
}

void lm_read_end(struct lm_use *u, uint64_t *count)
{
    mdb_txn_reset(u->r->txn);
    leave(u, count);
}

static int take_writer(struct lm_store *s, int wait_ms)
{
    const struct timespec nap = { 0, 1000000 };

    while (pthread_mutex_trylock(&s->writer) != 0) {
        if (wait_ms-- <= 0)
            return AE_E_BUSY;
        nanosleep(&nap, NULL);
    }
    if (lm_lock_wait(s->dir, LM_WRITER, wait_ms) != AE_OK) {
        pthread_mutex_unlock(&s->writer);
        return AE_E_BUSY;
    }
    return AE_OK;
}

int lm_write_lock(struct lm_store *s, struct lm_use *u, int wait_ms)
{
    int rc = enter(s, u, false);

    if (rc)
        return rc;
    rc = s->c.read_only ? AE_E_STATE : AE_OK;
    if (rc == AE_OK && u->io_until && lm_mono_us() < u->io_until)
        rc = AE_E_IO; /* F5: no retry storm */
    if (rc == AE_OK)
        rc = take_writer(s, wait_ms);
    if (rc) {
        leave(u, NULL);
        return rc;
    }
    if (!lm_size_ok(u->env)) {
        lm_doubt(u->dir, u->env->number);
        lm_write_unlock(u);
        return AE_E_CORRUPT;
    }
    return AE_OK;
}

int lm_write_begin(struct lm_use *u)
{
    return lm_rc(u, mdb_txn_begin(u->env->env, NULL, 0, &u->txn));
}

int lm_write_commit(struct lm_use *u)
{
    int rc = mdb_txn_commit(u->txn);

    u->txn = NULL;
    if (!rc)
        lm_extend(u->env);
    return lm_rc(u, rc);
}

void lm_write_abort(struct lm_use *u)
{
    if (u->txn)
        mdb_txn_abort(u->txn);
    u->txn = NULL;
}

int lm_write_end(struct lm_use *u, int rc)
{
    if (rc == AE_OK)
        return lm_write_commit(u);
    lm_write_abort(u);
    return rc;
}

void lm_write_unlock(struct lm_use *u)
{
    lm_unlock(u->dir, LM_WRITER);
    pthread_mutex_unlock(&u->s->writer);
    leave(u, NULL);
}
