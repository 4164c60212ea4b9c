/*
 * cache.h - answers kept on Argo CD's behalf: keys, admission, freshness,
 * tags with generations, and two stores (LMDB and memory).
 */
#ifndef AE_CACHE_H
#define AE_CACHE_H

#include "base/base.h"

#include <stdatomic.h>

#define AE_CACHE_TAGS_MAX 16
#define AE_CACHE_KEY_MAX  8192    /* bytes of a full key (T17) */

/* ---- key.c (T9, K12) ------------------------------------------------- */

struct ae_cache_key {
    unsigned char hash[32];   /* keyed hash over the length-prefixed fields */
    ae_str        full;       /* the length-prefixed fields themselves */
};
/* Fields are joined length-prefixed, order matters.  |secret| is the store's
 * hash key, 16 bytes or more.  |full| lives in |a|.  An absent field differs
 * from an empty one.  AE_E_NOMEM; AE_E_TOOBIG beyond AE_CACHE_KEY_MAX (do not
 * cache); AE_E_INVAL for a shorter secret. */
int ae_cache_key_make(ae_arena *a, ae_str secret, const ae_str *fields,
                      size_t n, struct ae_cache_key *out);

/* ---- admission.c (T10, RFC 9111) ------------------------------------- */

struct ae_admit_in {
    int    status;
    ae_str ctype, cache_control, vary, content_encoding, set_cookie;
    bool   has_renew;
    int64_t content_length;
    size_t max_object;
};
/* NULL if it may be stored, else the reason ("set-cookie", …) for logs. */
const char *ae_cache_admit(const struct ae_admit_in *in);
/* A complete body that is a gRPC error shape or not a JSON object/array. */
const char *ae_cache_admit_body(ae_str body);
/* Client Cache-Control: bit set. */
enum { AE_CC_NO_CACHE = 1, AE_CC_NO_STORE = 2, AE_CC_ONLY_IF_CACHED = 4 };
unsigned ae_cache_request_cc(ae_str cache_control);
/* The same with its ages: seconds, INT64_MAX if the client sets no bound
 * (max_age), 0 likewise (min_fresh).  max-stale is not honoured: what may be
 * served stale is the operator's to say (RFC 9111 section 5.2.1.2 allows). */
struct ae_client_cc { unsigned set; int64_t max_age, min_fresh; };
void     ae_cache_client_cc(ae_str cache_control, struct ae_client_cc *out);
/* Seconds of freshness that the upstream grants (s-maxage before max-age, the
 * strictest of duplicates, 0 if invalid); -1 if it says nothing.  A lifetime
 * of ours must not exceed it (RFC 9111 section 4.2). */
int64_t ae_cache_max_age(ae_str cache_control);

/* What can be said of a large body before its end, and while it comes: that
 * its first bytes are no error shape, and that strings and brackets close.
 * (Argo CD's errors are short; what is cut short does not close.) */
const char *ae_cache_admit_start(ae_str start);
struct ae_track {
    unsigned      depth;
    bool          in_string, escaped, closed, bad;
    unsigned char array[32];  /* bit: this level is an array */
};
void ae_track_init(struct ae_track *t);
void ae_track_feed(struct ae_track *t, ae_str part);
bool ae_track_whole(const struct ae_track *t);

/* ---- coding.c, gzip.c, brotli.c, zstd.c ------------------------------- */

/* In the order of what we would rather send.  The last two only if their
 * libraries were there when this was built. */
enum ae_coding { AE_CODING_NONE = 0, AE_CODING_GZIP, AE_CODING_BR,
                 AE_CODING_ZSTD, AE_CODINGS };
enum { AE_CODING_MIN = 1024 };  /* below this nobody gains */
const char *ae_coding_name(enum ae_coding c); /* in Content-Encoding */
/* What Accept-Encoding takes, as AE_WANT_*: the best one first. */
unsigned ae_coding_wants(ae_str accept_encoding);
enum ae_coding ae_coding_first(unsigned want);
/* One body at once into |a|; absent if that is no gain, the coding is not
 * built, or no memory. */
ae_str ae_coding_once(ae_arena *a, enum ae_coding c, ae_str body);
/* In pieces: |out| is called with what is ready.  NULL: not built, or no
 * memory. */
typedef struct ae_coder ae_coder;
ae_coder *ae_coder_new(enum ae_coding c, void (*out)(void *ctx, ae_str part),
                       void *ctx);
/* False, once and for all: what has come out is worth nothing. */
bool      ae_coder_feed(ae_coder *z, ae_str part, bool last);
void      ae_coder_free(ae_coder *z);

/* ---- etag.c (RFC 9110 section 8.8) ----------------------------------- */

enum { AE_ETAG_LEN = 34 };    /* with its quotes */
/* Our strong validator: a keyed hash over the scope and the body, so that it
 * says nothing of the body to who has not got it, and is of no use to another
 * caller (K14).  Feed the body in pieces; |out| holds AE_ETAG_LEN bytes. */
struct ae_etag;
struct ae_etag *ae_etag_begin(ae_arena *a, ae_str secret, ae_str scope);
void            ae_etag_feed(struct ae_etag *e, ae_str part);
void            ae_etag_end(struct ae_etag *e, char out[AE_ETAG_LEN]);
/* Whether If-None-Match |list| names |etag| ("*" names any), by the weak
 * comparison of section 8.8.3.2: a host that compresses weakens ours.  What
 * does not parse matches nothing. */
bool            ae_etag_listed(ae_str list, ae_str etag);

/* ---- stores -------------------------------------------------------------
 *
 * Tags and generations (T13).  Every tag has a 64-bit generation.  It is taken
 * before a request is forwarded, stored with the answer, and compared at each
 * look-up; a write through us moves it.  The generations of the LMDB store are
 * not in LMDB: they are 65,536 counters in the mapped file "generations" of
 * the same directory, and a keyed hash of the tag picks one.  So a bump is one
 * atomic add, seen at once by all processes, and cannot be lost because some
 * process sits on LMDB's writer lock.  Tags that share a counter cost extra
 * misses, never a stale hit.  A purge of everything moves all generations.
 */

struct ae_entry {             /* what a look-up copies out (into the arena) */
    int     status;
    ae_str  ctype;
    ae_str  project, ns, name;/* of the object, for the repeated decision */
    ae_str  body;
    ae_str  gzip;             /* put: the same body compressed, or absent */
    ae_str  other;            /* put: the same in |coding|, or absent */
    enum ae_coding coding;    /* put: of |other|; commit: of the coded part;
                                 find: of |body| */
    ae_str  owner;            /* whose it is, for purges by hand; or: */
#define AE_OWNER_SHARED "\001rights" /* whoever has certain rights */
    ae_str  etag;             /* our own strong validator, may be absent */
    int64_t stored_us;        /* wall clock */
    int64_t fresh_until_us;   /* wall clock */
    int64_t keep_until_us;    /* may be served stale until then; earlier than
                                 fresh_until_us counts as that */
    bool    fresh;            /* out: not stale, by either clock */
    bool    apart;            /* find: |body| is absent, to be read in pieces
                                 by read(); what it needs follows */
    uint64_t length, id, era;
};

/* May it have been served to |who|?  His own, and what is for whoever has
 * certain rights: nobody keeps a list of who they are. */
static inline bool ae_entry_for(const struct ae_entry *head, ae_str who)
{
    return ae_eq(head->owner, who) || ae_eq_lit(head->owner, AE_OWNER_SHARED);
}

/* What find() may give instead of the plain body at once. */
enum { AE_WANT_APART = 2,     /* a body over AE_APART bytes by read() */
       AE_WANT_GZIP = AE_CODING_GZIP << 4 }; /* compressed, if there is such a
                                 one: codings of four bits, the best first */
enum { AE_APART = 64 << 10,
       AE_PIECE = 16360 };    /* read() gives whole ones, but for the last */

/* An answer on its way into the store (lists of 1 to 200 MB): written as it
 * arrives, seen by nobody before commit(), left without a trace by abort().
 * Memory: at most 2 MiB. */
typedef struct ae_stream ae_stream;

/* What came of the cache for one operation, over all processes. */
enum { AE_USES = 256 };
struct ae_use {
    _Atomic uint64_t hits, bytes; /* answered from here */
    _Atomic uint64_t asked, asked_us; /* answers of the upstream, and how long
                                         they took in all */
};

/* Who asks the upstream for a key right now (R21): so that many who ask for
 * the same wait for one.  A claim ends by itself; it says nothing of the
 * entry, which whoever waited looks up and decides again. */
enum ae_claim {
    AE_CLAIM_MINE,    /* taken: ask, then settle */
    AE_CLAIM_BUSY,    /* somebody asks */
    AE_CLAIM_PASS     /* asked in vain a moment ago, or no room: do not wait */
};
struct ae_claimer {
    uint8_t  who;     /* in: some bits of the credential */
    int64_t  now_us;  /* in: monotonic */
    int64_t  hold_us; /* in: for so long at most; 0: only look */
    uint64_t ticket;  /* out: of a claim that is mine */
    bool     same;    /* out, BUSY: by the same |who| */
};

/* How far a purge has come, for who must not stay in it (an event loop).
 * Zeros at first; done when |done|.  An error ends nothing: try again. */
struct ae_purge_at {
    unsigned char last[32];
    bool          some, done;
};

typedef struct ae_store ae_store;

struct ae_store_ops {
    void     (*close)(ae_store *s);
    /* 1 hit (entry copied to |a|), 0 miss, AE_E_CORRUPT (counted: miss),
     * AE_E_* trouble (treat as miss).  Compares the full key, checksum,
     * whether it is still to be kept at |now_us| (it may be stale: see
     * |fresh|), and that the current generations of |tags| equal those
     * stored. */
    int      (*get)(ae_store *s, const struct ae_cache_key *k,
                    const ae_str *tags, size_t ntags, int64_t now_us,
                    ae_arena *a, struct ae_entry *out);
    /* The same, with |want|: AE_WANT_*. */
    int      (*find)(ae_store *s, const struct ae_cache_key *k,
                     const ae_str *tags, size_t ntags, int64_t now_us,
                     unsigned want, ae_arena *a, struct ae_entry *out);
    /* Pieces of an entry that is |apart|, from byte |from| (a multiple of
     * AE_PIECE) on, into |buf| of |n| >= AE_PIECE bytes.  Each is checked.
     * Bytes, or AE_E_*: what has been read so far is all there is. */
    int64_t  (*read)(ae_store *s, const struct ae_entry *e, uint64_t from,
                     char *buf, size_t n);
    /* Current generations of |tags| into gen[]: taken before forwarding. */
    int      (*generations)(ae_store *s, const ae_str *tags, size_t n,
                            uint64_t *gen);
    /* Move the generation of each tag (a write through us). */
    int      (*bump)(ae_store *s, const ae_str *tags, size_t n);
    /* Store; dropped with AE_E_STATE if a tag has moved since |gen|,
     * AE_E_BUSY if the writer lock is taken, AE_E_FULL if it does not fit,
     * AE_E_NOTFOUND if the store is rather full and this key has not been
     * missed before (R23). */
    int      (*put)(ae_store *s, const struct ae_cache_key *k,
                    const struct ae_entry *e, const ae_str *tags, size_t ntags,
                    const uint64_t *gen, ae_str scope);
    /* The same in pieces.  |e| without bodies; commit() takes it anew.  Errors
     * of put(); after one of write() only abort() is left.  AE_E_BUSY is put
     * off: what could not be written waits in memory. */
    int      (*open)(ae_store *s, const struct ae_cache_key *k,
                     const struct ae_entry *e, const ae_str *tags,
                     size_t ntags, const uint64_t *gen, ae_str scope,
                     ae_stream **out);
    int      (*write)(ae_stream *w, bool coded, ae_str part);
    /* Ends |w| either way.  |coded|: keep the compressed body,
     * whose coding |e| names. */
    int      (*commit)(ae_stream *w, const struct ae_entry *e, bool coded);
    void     (*abort)(ae_stream *w);
    /* Housekeeping once a second: expiry, eviction, reader check. */
    void     (*tick)(ae_store *s, int64_t now_us);
    /* Drop everything / everything under one tag.  Returns count or error.
     * |at|: NULL, or one short step (of everything there is but one). */
    int64_t  (*purge)(ae_store *s, ae_str tag, struct ae_purge_at *at);
    /* Walk heads: fn returns false to stop. */
    int      (*walk)(ae_store *s, bool (*fn)(void *ctx, ae_str full_key,
                     const struct ae_entry *head, size_t body_len), void *ctx);
    ae_str   (*secret)(ae_store *s);    /* 32-byte hash key of this store */
    /* Drop what |match| picks; count or error.  |at| as above. */
    int64_t  (*drop)(ae_store *s, bool (*match)(void *ctx,
                     const struct ae_entry *head), void *ctx,
                     struct ae_purge_at *at);
    /* Counters of operation |which|, NULL if there are none so high.  To be
     * read only, if the store is. */
    struct ae_use *(*use)(ae_store *s, unsigned which);
    /* Never waits.  |vain|: the answer was none to keep, so that nobody need
     * wait for the next one either, for a second. */
    enum ae_claim (*claim)(ae_store *s, const struct ae_cache_key *k,
                           struct ae_claimer *c);
    void     (*settle)(ae_store *s, const struct ae_cache_key *k,
                       uint64_t ticket, int64_t now_us, bool vain);
};

/* Under the store's own lock; what metrics show is read without it. */
struct ae_store_stat {
    _Atomic uint64_t entries, bytes_used, bytes_max, readers;
    uint64_t hits, misses, puts, drops_busy, drops_stale, corrupt, evicted,
             wiped;
};

struct ae_store {
    const struct ae_store_ops *ops;
    struct ae_store_stat       stat;
};

struct ae_store_conf {
    ae_str   path;            /* directory, 0700 */
    uint64_t size;            /* map size, bytes */
    uint32_t max_readers;
    size_t   max_object;
    const struct ae_host *host; /* log; may be NULL */
    bool     read_only;       /* CLI: cache stat|ls */
    bool     guest;           /* agent: join those who have it open, with the
                                 size that is in force; AE_E_NOTFOUND if
                                 there is nobody */
};

/* Open after fork, once per process.  Wipes on doubt (format, LMDB version,
 * boot id, size < last page, a process that died inside LMDB).  AE_E_IO etc.
 * with |err|: the caller runs proxy-only, and may try again later:
 *   AE_E_IO        the directory or a file in it is not ours alone (0700,
 *                  0600, our uid, no links), or the system refuses it
 *   AE_E_UNSUP     a network file system, or in use by a process with another
 *                  format or LMDB version
 *   AE_E_BUSY      another process keeps the opening lock for over 0.5 s
 *   AE_E_STATE     open already in this process
 *   AE_E_NOTFOUND, AE_E_CORRUPT   read_only, and there is nothing to read
 * The path is copied, |host| is borrowed.  A size that differs from that of
 * processes already there takes effect once they are gone.  The store may be
 * used by several threads; in a forked child every call fails, and close only
 * frees memory.  close() expects that no call is under way. */
int ae_store_lmdb_open(const struct ae_store_conf *c, ae_store **out,
                       struct ae_err *err);
/* In memory, for one thread: tests and the command line.  AE_E_NOMEM, AE_E_IO
 * (no entropy).  |path| and |host| are not used. */
int ae_store_mem_open(const struct ae_store_conf *c, ae_store **out);

/* ---- hints: application -> project, learnt from passing answers ------ */

typedef struct ae_hints ae_hints;       /* fixed memory, per process */
ae_hints *ae_hints_new(size_t slots);   /* 512 bytes each; NULL: no memory */
void      ae_hints_free(ae_hints *h);
/* Remembers; the older of two gives way.  Names over 496 bytes in all are not
 * kept.  Any thread. */
void      ae_hints_put(ae_hints *h, ae_str ns, ae_str name, ae_str project);
/* Project or absent span (copied to |a|). */
ae_str    ae_hints_get(ae_hints *h, ae_arena *a, ae_str ns, ae_str name);

#endif
