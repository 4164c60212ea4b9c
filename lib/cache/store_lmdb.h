/*
 * store_lmdb.h - private to the store_lmdb*.c files.
 *
 * The directory (0700, one uid) holds
 *
 *   lock           byte-range locks (open file description locks: they vanish
 *                  with their process, so a crash leaves nothing locked)
 *   generations    struct lm_head, the counters of all tags, claims, marks of
 *                  missed keys and numbers for people, mapped shared
 *   data.N.mdb     the environment in force, its number in lm_head.file
 *
 * Doubt about a data file (T16, F4) is never repaired: lm_head.file moves to
 * N + 1, every process leaves N at its next look, and N is unlinked.
 *
 * Dirty marker: each process owns a slot in lm_head and counts its way in and
 * out of LMDB there.  A slot whose owner is gone with a count above zero means
 * that a process died inside LMDB, perhaps because of the file: doubt.  So a
 * damaged file costs one crash, not a loop.
 */
#ifndef AE_STORE_LMDB_H
#define AE_STORE_LMDB_H

#include "cache/internal.h"

#include <lmdb.h>
#include <pthread.h>
#include <sys/types.h>

enum {
    LM_FORMAT = 5,            /* of everything below (R34) */
    LM_CHUNK = 16368,         /* 4 pages with LMDB's page header: */
    LM_SUM = 8,               /* its own sum, by which it can be told alone */
    LM_PIECE = LM_CHUNK - LM_SUM,
    LM_INLINE = 1536,         /* bodies up to this stay in the record, and */
    LM_PAGE = 4080,           /* so do those that fill one page with it: the
                                 same page, but one descent of a tree less
                                 (1.6 against 1.0 us for 2 KB, 1,000 keys) */
    LM_NAMES = 5,             /* named databases */
    LM_STEP = 16,             /* chunks a transaction of a large body */
    LM_BATCH = 64,            /* entries a transaction of purge and walk */
    LM_EVICT = 16,            /* ... of the collector, in an event loop */
    LM_GENS = 65536,          /* counters of tags */
    LM_CLAIMS = 8192,
    LM_PROCS = 1024,
    LM_HEAD_SIZE = 16384,
    LM_CLAIMS_AT = LM_HEAD_SIZE + LM_GENS * 8,
    LM_DOOR = 65536,          /* keys missed a while ago (R23) */
    LM_DOOR_AT = LM_CLAIMS_AT + LM_CLAIMS * 8,
    LM_USES_AT = LM_DOOR_AT + LM_DOOR * 4,
    LM_MAP_SIZE = LM_USES_AT + AE_USES * 64, /* a line of cache each */
    LM_GRACE_US = 30000000,   /* for readers of a large body that was let go */
    LM_WAIT_MS = 50           /* a purge waits so long for the writer lock */
};

/* Bytes of the file "lock". */
enum lm_lock { LM_ADMIN, LM_LIVE, LM_WRITER, LM_COLLECT, LM_PROC0 = 1000 };

struct lm_proc {
    _Atomic uint32_t pid;     /* 0 = free */
    _Atomic uint32_t inside;  /* threads inside LMDB */
};

struct lm_head {
    char     magic[8];
    uint32_t format, lmdb;
    char     boot[40];        /* NOSYNC is allowed only because of this */
    uint64_t size;            /* of the environment's map */
    uint64_t seed;            /* of the tags' hash */
    uint64_t ino;             /* our own: a copied file is not trusted */
    _Atomic uint64_t file;    /* number of the data file in force */
    _Atomic uint64_t data_ino;/* its inode; 0 = still to be made */
    _Atomic uint64_t suspect; /* number of a file that somebody doubts */
    _Atomic uint64_t body;    /* last body id handed out */
    _Atomic uint32_t full;    /* a store found the map full */
    struct lm_proc   proc[LM_PROCS];
};
_Static_assert(sizeof(struct lm_head) <= LM_HEAD_SIZE, "head fits");

struct lm_dir {
    struct lm_dir  *next;     /* retired ones */
    int             fd, lock;
    uint64_t        ino;      /* of the file generations */
    struct lm_head *head;
    int             slot;     /* in head->proc; -1 = read-only */
    struct ae_gens  gens;
    struct ae_claims claims;
    struct ae_door  door;
};

struct lm_reader {
    struct lm_reader *next;
    MDB_txn          *txn;
};

struct lm_env {
    MDB_env          *env;
    uint64_t          number;
    struct lm_reader *idle;   /* renewed, never ended: they keep their slot */
    unsigned          users;
    bool              retired;
    MDB_dbi           meta, obj, chunk, exp, tag, scope;
    unsigned char     secret[32];
};

struct lm_store {
    struct ae_store  s;
    char             path[3072];
    struct ae_store_conf c;
    pthread_mutex_t  lock;    /* everything below, and s.stat */
    pthread_mutex_t  writer;  /* one writer in this process (tried, not
                                 waited for) */
    struct lm_dir   *dir, *old;
    struct lm_env   *env;     /* NULL: proxy-only until a tick succeeds */
    uint32_t        *alive;   /* zero in a forked child */
    char             secret[32];
    int64_t          io_until;/* no writes before (monotonic us), F5 */
    unsigned         ticks, skip, backoff, pinned;
};

/* A use of the store: the directory and environment that it began with. */
struct lm_use {
    struct lm_store  *s;
    struct lm_dir    *dir;
    struct lm_env    *env;
    struct lm_reader *r;
    MDB_txn          *txn;
    int64_t           io_until;
};

/* ---- store_lmdb_dir.c ------------------------------------------------ */

int  lm_dir_open(struct lm_store *s, struct lm_dir **out, struct ae_err *err);
void lm_dir_free(struct lm_dir *d);
bool lm_dir_current(const struct lm_store *s, const struct lm_dir *d);
/* AE_OK or AE_E_BUSY; never waits. */
int  lm_lock(const struct lm_dir *d, int byte);
void lm_unlock(const struct lm_dir *d, int byte);
int  lm_lock_wait(const struct lm_dir *d, int byte, int ms);
/* Free the slots of dead processes; true if one died inside LMDB. */
bool lm_reap(struct lm_dir *d);
void lm_inside(struct lm_dir *d, int step);
void lm_doubt(struct lm_dir *d, uint64_t number);
int  lm_open_at(int dirfd, const char *name, int flags);
int64_t lm_mono_us(void);
int  lm_file_ok(const struct lm_store *s, int fd, const char *name,
                struct ae_err *err);
void lm_log(const struct lm_store *s, enum ae_log_level level,
            const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- store_lmdb_env.c ------------------------------------------------ */

/* Bring s->env to the file in force, making a new one on doubt or |drop|. */
int  lm_ensure(struct lm_store *s, bool drop, int wait_ms,
               struct ae_err *err);
void lm_env_retire(struct lm_store *s);
/* The file still reaches the last page that LMDB thinks it has (F3). */
bool lm_size_ok(const struct lm_env *e);
void lm_extend(const struct lm_env *e);
void lm_env_free(struct lm_env *e);
uint64_t lm_used(const struct lm_env *e, MDB_txn *txn, uint64_t *entries);

/* ---- store_lmdb_txn.c ------------------------------------------------ */

/* Begin and end a use.  Reads: a renewed transaction.  Writes: our own
 * try-lock, then one; |commit| ends it.  AE_E_BUSY, AE_E_STATE, ... */
int  lm_read_begin(struct lm_store *s, struct lm_use *u);
/* |count|: a counter of s->s.stat to raise, or NULL. */
void lm_read_end(struct lm_use *u, uint64_t *count);
int  lm_write_lock(struct lm_store *s, struct lm_use *u, int wait_ms);
int  lm_write_begin(struct lm_use *u);
int  lm_write_commit(struct lm_use *u);
void lm_write_abort(struct lm_use *u);
int  lm_write_end(struct lm_use *u, int rc); /* commit if AE_OK, else abort */
void lm_write_unlock(struct lm_use *u);
/* What an LMDB code means to us; notes doubt, a full map, a bad disk. */
int  lm_rc(struct lm_use *u, int rc);

/* ---- store_lmdb_record.c --------------------------------------------- */

/* On disk: packed, host byte order (the boot id pins the host). */
struct lm_fixed {
    uint64_t sum;             /* XXH3 over all that follows (T15) */
    int64_t  stored_us, fresh_until_us, keep_until_us, stored_mono;
    uint64_t body_id, body_len;  /* id 0: inline */
    uint64_t gzip_id, gzip_len;  /* the same; length 0: none */
    uint64_t other_id, other_len; /* the same, in |coding| */
    uint64_t scope, charge;
    int32_t  status;
    uint32_t ntags, coding;
    uint32_t len[7];  /* full, ctype, project, ns, name, etag, owner */
} __attribute__((packed));

struct lm_rec {
    struct lm_fixed   f;
    struct ae_tag_gen tag[AE_CACHE_TAGS_MAX];
    ae_str            full, ctype, project, ns, name, etag, owner,
                      body, gzip, other;
};

size_t lm_rec_size(const struct lm_rec *r);   /* packed, with what is inline */
void   lm_rec_pack(struct lm_rec *r, char *out); /* fills the sum */
/* Give ids to the bodies that do not stay in the record. */
void   lm_rec_place(struct lm_rec *r, struct lm_head *h);
/* |v| is a private copy; spans point into it.  AE_E_CORRUPT.  The sum covers
 * what is inline. */
int    lm_rec_parse(ae_str v, struct lm_rec *r);
/* Piece |n| of body |id|: the id is never given twice, and the head, whose sum
 * covers key and expiry, names it. */
uint64_t lm_piece_sum(uint64_t id, uint32_t n, ae_str piece);
/* The texts of |e| under |k|, borrowed; bodies are the caller's matter. */
void   lm_rec_texts(struct lm_rec *r, const struct ae_cache_key *k,
                    const struct ae_entry *e);
void   lm_rec_entry(const struct lm_rec *r, struct ae_entry *e);

/* ---- store_lmdb_write.c ---------------------------------------------- */

void lm_chunk_key(char key[12], uint64_t id, uint32_t n);
enum { LM_EXP_HEAD = 'H', LM_EXP_BODY = 'B', LM_EXP_N = 41 };
/* Expiry, kind, 32-byte key (H) or body id (B, zero-filled). */
void lm_exp_key(char key[LM_EXP_N], int64_t at, int kind, const void *id,
                size_t n);
int  lm_put(struct lm_store *s, const struct ae_cache_key *k,
            struct lm_rec *r);
/* Parts of storing, for lm_put() and streams.  LMDB codes; lm_prepare() ours
 * (|k| NULL: the old entry stays for now). */
int  lm_put_piece(struct lm_use *u, uint64_t id, uint32_t n, ae_str piece);
int  lm_prepare(struct lm_use *u, const struct ae_cache_key *k,
                const struct lm_rec *r);
int  lm_put_head(struct lm_use *u, const struct ae_cache_key *k,
                 struct lm_rec *r);
/* A body whose head is not there yet, for the collector to find at |at|. */
int  lm_announce(struct lm_use *u, uint64_t id, int64_t at, bool set);
bool lm_tags_moved(const struct lm_use *u, const struct lm_rec *r);
/* A record of |e|, spans and all; AE_E_TOOBIG, AE_E_INVAL. */
int  lm_fill(struct lm_store *s, const struct ae_cache_key *k,
             const struct ae_entry *e, const ae_str *tags, size_t ntags,
             const uint64_t *gen, ae_str scope, struct lm_rec *r);
void lm_count_put(struct lm_store *s, int rc);
/* Remove an entry and all that points to it; MDB_NOTFOUND if it is gone. */
int  lm_del(struct lm_use *u, const unsigned char hash[32]);
/* Remove a body's chunks, LM_BATCH at most; *more says whether any is left. */
int  lm_del_body(struct lm_use *u, uint64_t id, bool *more);

/* ---- store_lmdb_read.c ----------------------------------------------- */

int     lm_find(ae_store *st, const struct ae_cache_key *k,
                const ae_str *tags, size_t ntags, int64_t now_us,
                unsigned want, ae_arena *a, struct ae_entry *out);
int64_t lm_read(ae_store *st, const struct ae_entry *e, uint64_t from,
                char *buf, size_t n);

/* ---- store_lmdb_walk.c ----------------------------------------------- */

int     lm_walk(ae_store *st, bool (*fn)(void *ctx, ae_str full_key,
                const struct ae_entry *head, size_t body_len), void *ctx);
int64_t lm_drop(ae_store *st, bool (*match)(void *ctx,
                const struct ae_entry *head), void *ctx,
                struct ae_purge_at *at);

/* ---- store_lmdb_stream.c --------------------------------------------- */

int  lm_stream_open(ae_store *st, const struct ae_cache_key *k,
                    const struct ae_entry *e, const ae_str *tags,
                    size_t ntags, const uint64_t *gen, ae_str scope,
                    ae_stream **out);
int  lm_stream_write(ae_stream *w, bool coded, ae_str part);
int  lm_stream_commit(ae_stream *w, const struct ae_entry *e, bool coded);
void lm_stream_abort(ae_stream *w);

/* ---- store_lmdb_evict.c ---------------------------------------------- */

/* Remove what expires first, if before |cut|.  MDB_NOTFOUND: nothing. */
int     lm_evict_one(struct lm_use *u, int64_t cut);
/* Fill the figures of s->s.stat; returns bytes in use. */
uint64_t lm_measure(struct lm_store *s);
void    lm_collect(struct lm_store *s, int64_t now_us);
int64_t lm_purge_tag(struct lm_store *s, uint64_t hash,
                     struct ae_purge_at *at);

#endif
