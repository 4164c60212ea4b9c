/*
 * base.h - the ground floor: bytes, arenas, errors, numbers, encodings.
 * Stands on nothing of ours but argo_edge.h.  No globals, no locale, no I/O.
 */
#ifndef AE_BASE_H
#define AE_BASE_H

#include "argo_edge.h"

#include <jansson.h>
#include <string.h>

/* ---- str.c: spans ----------------------------------------------------- */

static inline ae_str ae_s(const char *p, size_t n)
{
    ae_str s = { p, n };
    return s;
}

/* Span over a NUL-terminated string; NULL gives the absent span. */
static inline ae_str ae_cs(const char *z)
{
    return ae_s(z, z ? strlen(z) : 0);
}

static inline bool ae_eq(ae_str a, ae_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

#define ae_eq_lit(s, lit) ae_eq((s), AE_STR(lit))

static inline bool ae_starts(ae_str s, ae_str pre)
{
    return s.n >= pre.n && (pre.n == 0 || memcmp(s.p, pre.p, pre.n) == 0);
}

static inline bool ae_ends(ae_str s, ae_str suf)
{
    return s.n >= suf.n
        && (suf.n == 0 || memcmp(s.p + s.n - suf.n, suf.p, suf.n) == 0);
}

/* |n| bytes from |from|, clamped to what there is. */
static inline ae_str ae_sub(ae_str s, size_t from, size_t n)
{
    if (from > s.n)
        from = s.n;
    if (n > s.n - from)
        n = s.n - from;
    return ae_s(s.p ? s.p + from : NULL, n);
}

bool   ae_ieq_n(const char *p, const char *q, size_t n);
static inline bool ae_ieq(ae_str a, ae_str b) /* ASCII case folded */
{
    return a.n == b.n && ae_ieq_n(a.p, b.p, a.n);
}
int    ae_cmp(ae_str a, ae_str b);          /* byte order, then length */
size_t ae_find(ae_str s, char c);           /* index, or s.n */
size_t ae_find_str(ae_str s, ae_str what);  /* index, or SIZE_MAX */
ae_str ae_trim(ae_str s);                   /* ASCII blanks at both ends */
/* Split at the first |c|: *head gets what is before, returns what is after
 * (absent span when there is no |c|; *head is then the whole). */
ae_str ae_cut(ae_str s, char c, ae_str *head);

/* ---- utf8.c: code points as Go reads them ------------------------------ */

/* Decode one code point at |p| (n >= 1 bytes left) as Go's utf8.DecodeRune:
 * an invalid byte gives U+FFFD with width 1.  Returns the width. */
size_t ae_utf8_next(const char *p, size_t n, uint32_t *cp);
size_t ae_utf8_put(uint32_t cp, char out[4]);  /* returns the width */
bool   ae_utf8_valid(ae_str s);
size_t ae_utf8_count(ae_str s);                /* utf8.RuneCount */
bool   ae_unicode_space(uint32_t cp);          /* Go's unicode.IsSpace */
ae_str ae_trim_space(ae_str s);                /* Go's strings.TrimSpace */

/* ---- arena.c ------------------------------------------------------------ */

/* Bump allocator over the host's blocks.  Never frees; the host drops all. */
typedef struct ae_arena {
    struct ae_mem mem;
    char   *cur, *end;
    size_t  used;  /* bytes handed out */
    size_t  limit; /* 0 = none; beyond: NULL, like exhaustion */
    bool    failed;/* some allocation failed: the result must be AE_FAIL */
} ae_arena;

void  ae_arena_init(ae_arena *a, struct ae_mem mem, void *first, size_t n);
void *ae_alloc(ae_arena *a, size_t n);            /* 16-aligned, not cleared */
void *ae_zalloc(ae_arena *a, size_t n);
void *ae_nalloc(ae_arena *a, size_t count, size_t size); /* zeroed, checked */
ae_str ae_dup(ae_arena *a, ae_str s);             /* {NULL,0} on failure;
                                                     adds a NUL past the end */
/* The parts one after another; absent without memory; a NUL past the end. */
ae_str ae_concat(ae_arena *a, const ae_str *parts, size_t n);
ae_str ae_fmt(ae_arena *a, const char *fmt, ...)  /* %.*s for spans */
    __attribute__((format(printf, 2, 3)));

/* A heap of malloc'd blocks behind struct ae_mem, for snapshots and tools. */
typedef struct ae_heap { void *first; size_t bytes; } ae_heap;
struct ae_mem ae_heap_mem(ae_heap *h);
void          ae_heap_free(ae_heap *h);

/* Growing buffer in an arena, with a hard maximum (0 = 1 GiB). */
typedef struct ae_buf {
    ae_arena *a;
    char     *p;
    size_t    n, cap, max;
    bool      bad;  /* out of memory or over max: contents are not usable */
} ae_buf;

void ae_buf_init(ae_buf *b, ae_arena *a, size_t max);
void ae_buf_put(ae_buf *b, ae_str s);
void ae_buf_putc(ae_buf *b, char c);
void ae_buf_puts(ae_buf *b, const char *z);
void ae_buf_printf(ae_buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline ae_str ae_buf_str(const ae_buf *b) { return ae_s(b->p, b->n); }

/* ---- goquote.c ---------------------------------------------------------- */

/* Append |s| as Go's strconv.Quote (fmt's %q) writes it. */
void ae_go_quote(ae_buf *b, ae_str s);

/* ---- utf8.c, with memory ------------------------------------------------ */

/* |s| with U+FFFD for each invalid byte, as texts pass through gRPC; |s|
 * itself if there is none.  Absent without memory. */
ae_str ae_utf8_mend(ae_arena *a, ae_str s);

/* ---- err.c -------------------------------------------------------------- */

/* Record an error (first wins) and return |code|.  |e| may be NULL. */
int ae_err_set(struct ae_err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with a place; |file| may be absent. */
int ae_err_at(struct ae_err *e, int code, ae_str file, uint32_t line,
              uint32_t column, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* ---- num.c -------------------------------------------------------------- */

bool ae_parse_u64(ae_str s, uint64_t *out);  /* decimal digits only */
bool ae_parse_i64(ae_str s, int64_t *out);   /* Go's strconv.ParseInt(,10,64) */
bool ae_parse_size(ae_str s, uint64_t *out); /* 16m 1g 4096 (k,m,g) */
bool ae_parse_ms(ae_str s, uint64_t *out);   /* 5s 500ms 2m 1h 30 (=seconds) */
/* The whole part, as Go on amd64 converts: what does not fit is INT64_MIN. */
int64_t ae_num_whole(double f);
/* RFC 3339 UTC, whole seconds, "2026-01-01T00:00:00Z"; out holds >= 32. */
size_t ae_rfc3339(int64_t unix_seconds, char *out);
/* Parse RFC 3339 (offset, fraction allowed) to unix seconds, as Go's
 * time.Parse does.  |*part|, unless NULL: a fraction was cut off. */
bool ae_parse_rfc3339(ae_str s, int64_t *unix_seconds, bool *part);

/* ---- b64url.c ----------------------------------------------------------- */

/* Unpadded base64url.  |strict|: the unused bits of the last character must
 * be zero (RFC 4648 §3.5).  *bad gets the index of the first illegal byte as
 * Go's encoding/base64 reports it.  Returns AE_OK or AE_E_SYNTAX. */
int ae_b64url_decode(ae_arena *a, ae_str in, bool strict, ae_str *out,
                     size_t *bad);
ae_str ae_b64url_encode(ae_arena *a, ae_str in);

/* ---- hash.c ------------------------------------------------------------- */

uint64_t ae_hash64(ae_str s, uint64_t seed);          /* XXH3, not secret */
void     ae_sha256(ae_str s, unsigned char out[32]);
/* Keyed hash over length-prefixed fields (HMAC-SHA-256). */
void     ae_hmac256(ae_str key, const ae_str *fields, size_t n,
                    unsigned char out[32]);
/* Slot of |s| in a look-up table: XXH3-128 twice, with two seeds out of the
 * 16 bytes at |key|.  Spreads and cannot be aimed by who does not know the key;
 * neither a MAC nor for eyes other than ours: who finds under a slot compares
 * in full.  A hundredth of what SHA-256 costs without the processor's help. */
void     ae_slot256(const unsigned char key[16], ae_str s,
                    unsigned char out[32]);
/* Keyed hash (SHA-256) in pieces, for what never is in one piece: the key and
 * fields are framed by their length, what is put last is not. */
typedef struct ae_hasher { uint64_t state[16]; } ae_hasher;
void     ae_hasher_init(ae_hasher *h, ae_str key);
void     ae_hasher_field(ae_hasher *h, ae_str s);
void     ae_hasher_put(ae_hasher *h, ae_str s);
void     ae_hasher_end(ae_hasher *h, unsigned char out[32]);
/* HMAC-SHA-256 of one text, as others compute it (RFC 2104). */
void     ae_hmac256_plain(ae_str key, ae_str s, unsigned char out[32]);
bool     ae_ct_eq(const void *a, const void *b, size_t n); /* CRYPTO_memcmp */
void     ae_hex(const void *in, size_t n, char *out); /* 2n chars, no NUL */

/* ---- json.c: over jansson ----------------------------------------------- */

/* Parse with duplicates refused, depth <= |depth|, whole input consumed.
 * Returns NULL on error (|err| set when given).  Caller json_decref()s. */
json_t *ae_json_parse(ae_str s, int depth, struct ae_err *err);
ae_str  ae_json_str(const json_t *v); /* absent span unless a string */
static inline ae_str ae_json_get_str(const json_t *o, const char *k)
{
    return ae_json_str(json_object_get(o, k));
}
/* Append a JSON string literal as Go's encoding/json writes it: escapes
 * < > & U+2028 U+2029, invalid UTF-8 as U+FFFD. */
void ae_json_quote(ae_buf *b, ae_str s);

/* User identifier of claims (T1): federated_claims.user_id, else sub. */
ae_str ae_claims_user(const json_t *claims);

/* Escape bytes for one log line: CTL, '"', '\\' and 8-bit as \xNN (T20).  What
 * needs nothing comes back as it is, borrowed. */
ae_str ae_log_escape(ae_arena *a, ae_str s, size_t max);

#endif
