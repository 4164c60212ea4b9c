/*
 * edge.h - private to lib/edge: the transaction, the engine, the snapshot and
 * the steps between them.  Everything that speaks for Argo CD meets here.
 */
#ifndef AE_EDGE_H
#define AE_EDGE_H

#include "base/base.h"
#include "base/inputs.h"
#include "cache/cache.h"
#include "config/config.h"
#include "edge/board.h"
#include "edge/marks.h"
#include "limit/edges.h"
#include "limit/gcra.h"
#include "limit/zone.h"
#include "mirror/mirror.h"
#include "policy/policy.h"
#include "route/route.h"
#include "token/token.h"

#include <pthread.h>
#include <stdatomic.h>

#define AE_STEPS_MAX 32         /* a transaction takes fewer: a guard */
#define AE_HELD_MAX 4           /* limits on calls that one request meets */
#define AE_SCRATCH 4096         /* first block of a transaction's arena */
#define AE_COPIES 12            /* full lists at hand, per process ... */
#define AE_COPIES_BYTES ((size_t)512 << 20) /* ... and what they may take */
#define AE_QUAR_SLOTS 256       /* tags in quarantine, per process */
#define AE_ALLOWED_SLOTS 512    /* decisions remembered, per process */
#define AE_GRPC_MAX (1 << 20)   /* gRPC message read for a decision */
#define AE_SMALL (256 << 10)    /* answers up to this are stored in one go */
#define AE_COPY_MAX (64 << 20)  /* the same of full copies of lists */
#define AE_SHARE_MAX (4 << 20)  /* the same of lists that are shared */
#define AE_401_MAX 4096         /* 401 body read for the lease (T7) */

/* ---- snapshot.c --------------------------------------------------------- */

struct ae_ruleset;

struct ae_snapshot {
    _Atomic uint32_t     refs;
    bool                 alone;      /* one thread alone refers to it */
    ae_heap              heap;       /* inputs, warnings, origins */
    ae_arena             arena;      /* over |heap| */
    struct ae_inputs     in;
    ae_inputs_src       *src;        /* NULL without inputs */
    ae_policy           *policy;
    ae_tokens           *tokens;
    struct ae_route_conf route;
    const struct ae_ruleset *rules;  /* the operator's own, NULL: none */
    bool                 blind;      /* no inputs: nothing may be decided */
    bool                 partial;    /* projects may exist that we lack */
    bool                 empty;      /* policy.csv is absent or blank (F18) */
    ae_str               policy_epoch, conf_epoch; /* T9 */
    const ae_str        *origins; size_t norigins; /* R26: host[:port] */
    const char         **warn; size_t nwarn;
    char                 id[17];
};

/* The rights of one identity at one snapshot.  Refcounted: the identity holds
 * one reference and every transaction that uses it another, so that a new
 * snapshot can replace it under the feet of neither. */
struct ae_rights {
    _Atomic uint32_t  refs;
    bool              alone;       /* as its snapshot */
    ae_snapshot      *snap;        /* keeps the policy alive */
    ae_principal     *principal;
    struct ae_subject subject;     /* borrows from |heap| and the claims */
    ae_heap           heap;
    unsigned char     scope[32];   /* identity + scope values + kind (T9) */
    _Atomic int       class_known; /* 0 not asked yet, 1 yes, -1 none */
    char              shared[39];  /* scope of all who have equal ones */
    uint64_t          serial;      /* of this engine, never given twice */
    char *_Atomic     roles;       /* for records, when first asked for */
};

int  ae_rights_new(ae_snapshot *s, struct ae_identity *id,
                   struct ae_rights **out);
void ae_rights_unref(struct ae_rights *r);
/* host[:port] of an origin or URL, default ports dropped (R26). */
ae_str ae_origin_host(ae_str url);

/* ---- engine.c ----------------------------------------------------------- */

/* An allow of these rights for this target; see verdicts.c. */
struct ae_allowed {
    uint64_t           target, rights; /* 0: free */
    struct ae_decision why;            /* borrows from the snapshot */
    bool               certain;
    uint8_t            nres, nact;
    char               text[62];       /* resource, then action */
};

struct ae_lease {            /* zeros: free; see lease.c */
    _Atomic uint64_t key, granted, ended, owner;
};
struct ae_quar { ae_str tag; int64_t until_us; bool late; };

/* The (resource, action) pairs of the operations, for counting by them. */
struct ae_pairs {
    uint8_t     of[256];     /* by operation */
    const char *resource[AE_PAIRS], *action[AE_PAIRS];
    size_t      n;
};

struct ae_engine {
    const ae_conf   *conf;
    struct ae_host   host;
    ae_zone         *zone;       /* shared or private, never NULL */
    struct ae_gcra   limiter, logins; /* in |zone| */
    struct ae_inflight inflight; /* in |zone| */
    struct ae_edges  edges;      /* in |zone| */
    struct ae_txn   *holders;    /* with calls under way; under |lock| */
    ae_snapshot     *snap;
    /* One lock over what threads share (httpd's event MPM): the seen table,
     * rights and their lazily filled tables, hints, leases, quarantine.  Taken
     * by ae_lock(), which nginx's one thread makes do without. */
    pthread_mutex_t  lock;
    pthread_mutex_t  store_lock;
    ae_seen         *seen;
    ae_hints        *hints;
    ae_route_memo   *memo;       /* of |snap| */
    struct ae_allowed allowed[AE_ALLOWED_SLOTS];
    uint64_t         serial;     /* of the rights made last */
    ae_store        *store;      /* NULL: proxy-only; see ae_edge_store() */
    int64_t          store_retry_us; /* when to try to open it again */
    uint64_t         store_bad;  /* hash of the last logged failure */
    _Atomic uint64_t dice;       /* state of ae_edge_jitter() */
    struct ae_rights *anon;      /* of the anonymous identity at |snap|: here
                                    and not at the identity, which the snapshot
                                    owns (a cycle of references) */
    struct ae_sso_keys *keys;    /* of the SSO provider: keys.c */
    struct ae_lease *leases;     /* in the zone, as |dead| is */
    size_t           nleases;
    struct ae_dead  *dead;
    size_t           ndead;
    struct ae_marks  logouts, revoked; /* in the zone, see revoke.c */
    struct ae_quar   quar[AE_QUAR_SLOTS];
    size_t           nquar;
    _Atomic int64_t  loaded_us;  /* wall: when |snap| came into force */
    int64_t          quar_all_us; /* table full: nothing is stored until then */
    struct ae_copy  *copy[AE_COPIES];
    size_t           copy_bytes;
    int64_t          list_missed_us[AE_LIST__N]; /* a tenant lacked a copy */
    char             list_poor[17]; /* snapshot whose token was no good */
    ae_snapshot     *_Atomic held; /* an emptied policy, held back (F18) */
    _Atomic uint64_t bad_hash;   /* of the last logged input error */
    struct ae_board  board;
    unsigned char    id_key[32]; /* of decision ids and, without a
                                    server.secretkey, of token ids */
    _Atomic uint64_t nids;
    struct ae_pairs  pairs;
    unsigned         share_less; /* 0; tests leave something out: share.c */
};

/* Half a dozen locks a request are a tenth of what the core costs it. */
static inline void ae_lock(ae_engine *e, pthread_mutex_t *m)
{
    if (!e->host.one_thread)
        pthread_mutex_lock(m);
}

static inline void ae_unlock(ae_engine *e, pthread_mutex_t *m)
{
    if (!e->host.one_thread)
        pthread_mutex_unlock(m);
}

static inline void ae_count(ae_engine *e, enum ae_counter c)
{
    ae_add64(&e->board.mine->count[c], 1, e->board.alone);
}

/* The store appears, at the latest, in a tick; it never goes. */
static inline ae_store *ae_edge_store(const ae_engine *e)
{
    return __atomic_load_n(&e->store, __ATOMIC_ACQUIRE);
}

/* ---- counters.c --------------------------------------------------------- */

void ae_pairs_make(struct ae_pairs *p);
enum ae_result ae_result_of(const struct ae_txn *t);
unsigned    ae_caller_of(const struct ae_txn *t); /* AE_KIND_*, CALLER_* */
const char *ae_caller_name(unsigned c);
extern const int64_t ae_decide_us[AE_BUCKETS], ae_upstream_us[AE_BUCKETS];
void ae_count_decision(struct ae_txn *t);         /* once, when it is done */
void ae_count_jwt(struct ae_txn *t, const struct ae_token_result *r);
const char *ae_jwt_name(unsigned why);            /* "signature" */
/* Is this refusal with |status| one of the closed list?  Its counter then. */
bool ae_refusal_closed(const struct ae_txn *t, int status,
                       enum ae_counter *which);

/* |us| less up to a tenth (R23): entries that were stored together do not
 * end together. */
int64_t ae_edge_jitter(ae_engine *e, int64_t us);
void    ae_edge_log(ae_engine *e, enum ae_log_level lv, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int64_t ae_edge_wall(const ae_engine *e);
int64_t ae_edge_mono(const ae_engine *e);
void    ae_edge_poll(ae_engine *e);            /* poll.c */
void    ae_edge_publish(ae_engine *e, ae_snapshot *s); /* takes the ref */

/* A step says MORE (next one) or ACT (t->act is filled). */
enum ae_step_ret { AE_STEP_MORE, AE_STEP_ACT };

/* ---- lease.c (T7), dead.c (T11), steps_session.c ------------------------ */

/* The tables lie in the zone; both may be empty.  Times are ae_edge_mono(), in
 * microseconds: the monotonic clock, which all processes of a host share.  An
 * acceptance counts from the moment that the accepted request came. */
void ae_lease_open(ae_engine *e);
void ae_lease_grant(ae_engine *e, const struct ae_identity *id, int64_t at);
/* End the lease of this token, and what was accepted until |now|. */
void ae_lease_end(ae_engine *e, const struct ae_identity *id, int64_t now);
/* The same for all tokens of the identity. */
void ae_lease_end_all(ae_engine *e, const struct ae_identity *id,
                      int64_t now);
bool ae_lease_live(ae_engine *e, const unsigned char digest[32], int64_t now,
                   int64_t lease_us);
/* Was it ended (not: did it run out) later than |since|? */
bool ae_lease_ended(ae_engine *e, const unsigned char digest[32],
                    int64_t since);

/* Tokens that were refused a moment ago; plain bytes, zeros are empty. */
struct ae_dead;
void ae_dead_open(ae_engine *e);
void ae_revoke_open(ae_engine *e);
/* Remember that |message| was said of the request's token, if the location
 * wants that and the message is not too long. */
void ae_dead_mark(ae_txn *t, ae_str message);
/* What was said of the request's token, copied into its arena; absent if
 * nothing is remembered.  |*left_us| is for how much longer. */
ae_str ae_dead_find(ae_txn *t, int64_t *left_us);

/* A logout that passes here ends the leases of who logs out. */
void ae_logout_forward(ae_txn *t);
void ae_logout_answered(ae_txn *t);
/* The liveness probe: may it be made, make it, learn from its answer. */
#define AE_PROBE_ID 2 /* of its NEED_FETCH; the look-up has 1 */
bool             ae_probe_wanted(const ae_txn *t);
bool             ae_probe_due(ae_txn *t); /* last of all: books it */
enum ae_step_ret ae_probe_ask(ae_txn *t);
void             ae_probe_answered(ae_txn *t, int status, ae_str ctype,
                                   ae_str body);
/* The request's own credential, for a sub-request in its name. */
void             ae_fetch_credential(ae_txn *t);

/* ---- quarantine.c (T13) ------------------------------------------------- */

/* Move generations now and keep |tags| from being stored for a while.
 * Returns until when (monotonic), for ae_quar_release(). */
int64_t ae_quar_write(ae_engine *e, const ae_str *tags, size_t n, int64_t us);
/* The write of |until| came to nothing: let go what no other write holds. */
void ae_quar_release(ae_engine *e, const ae_str *tags, size_t n,
                     int64_t until);
bool ae_quar_holds(ae_engine *e, const ae_str *tags, size_t n);
void ae_quar_tick(ae_engine *e, int64_t now);
void ae_quar_free(ae_engine *e);

/* ---- collect.c ---------------------------------------------------------- */

/* The body of an answer: allocated once if its length is announced (-1: it is
 * not) and at most |first|, else in pieces.  Bad: over |max|, over |length|,
 * or out of memory; from then on nothing more is kept. */
struct ae_piece;
struct ae_collect {
    ae_arena        *a;      /* NULL: not open */
    struct ae_piece *first, *last;
    size_t           n, max;
    int64_t          length;
    bool             bad;
};
void   ae_collect_open(struct ae_collect *c, ae_arena *a, size_t max,
                       size_t first, int64_t length);
bool   ae_collect_put(struct ae_collect *c, ae_str part); /* !bad */
bool   ae_collect_whole(const struct ae_collect *c);
/* In one piece, in the arena; absent if that has no room.  Only if it is not
 * bad. */
ae_str ae_collect_join(struct ae_collect *c);

/* ---- keep.c ------------------------------------------------------------- */

/* The lifetime of this operation's answers. */
int64_t     ae_keep_ttl_us(const ae_txn *t);
/* NULL: stored; else why not, for t->cache_var. */
struct ae_keep;
const char *ae_keep_whole(ae_txn *t, ae_str body);
void        ae_keep_begin(ae_txn *t);
bool        ae_keep_part(ae_txn *t, ae_str part); /* false: no more */
const char *ae_keep_end(ae_txn *t);
void        ae_keep_free(ae_txn *t);

/* ---- txn.c -------------------------------------------------------------- */

/* Where the credential stands.  Zero knows nothing and allows nothing. */
enum ae_who {
    AE_WHO_UNKNOWN = 0, /* a token that we cannot judge, or a bad one on an
                           operation that does not mind */
    AE_WHO_NONE,        /* no credential */
    AE_WHO_ANON,        /* none, and anonymous access is on */
    AE_WHO_TOKEN        /* identity is set */
};

struct ae_txn {
    /* What a forwarded request asks for again and again, close together: with
     * many of them under way a line of memory has grown cold by the time that
     * the answer comes. */
    ae_engine           *e;
    const ae_loc        *loc;
    const struct ae_req *req;
    ae_snapshot         *snap;
    int64_t              wall_us, mono_us;
    struct ae_identity  *id;
    struct ae_rights    *rights;
    /* the path */
    uint32_t             idle;      /* bit i: step i has nothing to do */
    uint8_t              step, nsteps;
    bool                 done;      /* |act| is terminal and stays */
    bool                 api;       /* below /api/, or grpc */
    bool                 terminal;  /* the websocket of /terminal */
    bool                 extension; /* /extensions/: Argocd-* pass */
    bool                 skip_decide; /* the upstream alone decides */
    bool                 bad_token; /* refused, where that is not our say */
    bool                 no_project; /* token of a project that we lack */
    bool                 no_cache;  /* a rule says so */
    bool                 ruled;     /* refused by a rule: where it stands */
    bool                 decided;   /* |verdict| means something */
    bool                 recalled;  /* it was made by an earlier request */
    bool                 certain;   /* every check was FIXED and settled */
    bool                 checks_made;
    bool                 body_done, body_big;
    bool                 limit_addr_done, limit_done, limit_login;
    bool                 wait_held; /* |wait_slot| is ours */
    bool                 fetch_done; /* the one look-up has ended */
    bool                 probe_done; /* and the one probe */
    bool                 logout;    /* |id| is who logs out */
    bool                 cut;       /* a stream that was broken off */
    bool                 id_made;   /* |id_hex| is there */
    bool                 store_wanted;
    bool                 cache_class; /* the operation may be cached at all */
    bool                 wtags_made;
    bool                 shared;    /* |key| is that of all who have equal
                                       rights; own_key is the caller's */
    bool                 own_made, kept_own;
    bool                 claimed;   /* others may wait for us */
    bool                 refreshing; /* the client has its answer */
    bool                 waiting;   /* we wait, or have waited, for others */
    bool                 list_shadow; /* the answer is compared and learnt */
    bool                 list_asked, list_came, list_claimed; /* full list, by
                                                    the service token */
    bool                 copy_new;  /* made of this answer, not yet stored */
    bool                 resp_seen, resp_ended;
    bool                 want_401, want_compare, want_store;
    enum ae_who          who;
    enum ae_verdict      verdict;   /* of the request's own checks */
    int                  shadow_status; /* what enforce would have said */
    unsigned             waits;
    int                  resp_status;
    /* what there may be to end, or to answer for */
    size_t               nheld, nset, nresp_set, ntrace, nwtags, nreply_hdr;
    struct ae_keep      *keep;      /* a large answer under way */
    struct ae_identity  *peek;      /* gRPC in pass mode: for limits only */
    json_t              *json;      /* the parsed body, owned */
    struct ae_copy      *copy;      /* its bytes may be in the answer */
    struct ae_identity  *list_id;   /* of the service token */
    struct ae_entry     *stale;     /* for RFC 5861 */
    const struct ae_target *about;  /* what is decided: &tgt or &bound */
    const struct ae_check *at;      /* that check; its object: ae_asked() */
    const char          *reason;    /* static text, for logs */
    const char          *cache_var; /* "hit", "miss", ... */
    const char          *limit_var; /* "passed", "rejected", ... */
    const struct ae_limit_conf *limit_at; /* the one that said it */
    const ae_str        *wtags;     /* moved by this request */
    int64_t              quar_until;
    uint64_t             hook_tag;  /* of a push that was booked */
    int64_t              revoked_ns; /* |id| was logged out here: seen then */
    struct ae_list_page *page;      /* edge.* of the query; NULL: none */
    struct ae_collect    resp;

    struct ae_target     tgt;
    struct ae_act        act;
    ae_arena             a;
    struct ae_cred       cred;
    struct ae_decision   why;       /* of the check that settled */
    struct ae_checks     checks;

    ae_str               project;   /* known project, for logs */
    ae_buf               body;      /* of the request (NEED_BODY) */
    struct ae_cache_key  key;
    ae_str              *tags; size_t ntags;
    struct ae_client_cc  cc;        /* the client's wishes */
    const char          *fwd;       /* why it goes upstream (RFC 9211) */
    ae_str               next_page; /* cursor, if there is more */
    ae_str               list_body; /* what enforce would have sent */
    struct {                        /* documents of the SSO provider */
        uint32_t id;                /* sub-request under way, 0 none */
        bool     tried, came, fresh;
        ae_str   discovery, jwks_at;
    } kf;
    char                 watched[17]; /* snapshot that it was held against */
    ae_str               fetched;   /* project that it showed */
    struct ae_purge     *purge;     /* by hand: purge.c */
    ae_str               shadow_body;
    struct ae_entry     *apart;     /* to be read in pieces */
    const char          *keep_why;  /* the answer is not kept */
    size_t               small;     /* collected before it counts as large */
    int64_t              max_age_s; /* of the upstream, -1 none */

    /* From here on nothing is zeroed at the start: counted by what stands
     * above, or written before it is read. */
    struct ae_act        instead;   /* of a failed answer; FAIL: none */
    ae_str               rule_file; /* if |ruled| */
    uint32_t             rule_line;
    int64_t              wait_slot; /* of those who wait, if |wait_held| */
    struct ae_txn       *held_prev, *held_next; /* e->holders, if |nheld| */
    struct ae_taken      limit_took; /* of |limit_at| */
    uint64_t             ticket;    /* if |claimed| */
    int64_t              wait_until_us; /* if |waiting| */
    int64_t              list_ttl_us; /* if |list_shadow| */
    struct ae_cache_key  list_key;  /* if |list_claimed| */
    uint64_t             list_ticket;
    uint64_t             apart_at;  /* if |apart| */
    ae_str               resp_ctype; /* if |want_store| */
    uint64_t             gen[AE_CACHE_TAGS_MAX];
    struct ae_cache_key  own_key;   /* if own_made */
    char                 id_hex[32];
    struct ae_field      reply_hdr[12];
    struct ae_field      set[8];
    struct ae_field      resp_set[8];
    struct ae_held { uint64_t tag; int64_t slot; } held[AE_HELD_MAX];
    const char          *trace[AE_STEPS_MAX];
    char                 age[24], status_text[112];
    struct ae_target     bound;     /* gRPC: the message as a target */
    struct ae_check      at_kept;
    char                 at_text[62];
};

struct ae_step {
    const char *name;
    enum ae_step_ret (*fn)(ae_txn *t);
};

enum ae_step_ret ae_step_shape(ae_txn *t);
enum ae_step_ret ae_step_route(ae_txn *t);
enum ae_step_ret ae_step_credential(ae_txn *t);
enum ae_step_ret ae_step_verify(ae_txn *t);
enum ae_step_ret ae_step_page(ae_txn *t);
enum ae_step_ret ae_step_rules(ae_txn *t); /* steps_rules.c, rules.h */
enum ae_step_ret ae_step_body(ae_txn *t);
enum ae_step_ret ae_step_decide(ae_txn *t);
enum ae_step_ret ae_step_cache(ae_txn *t);
enum ae_step_ret ae_step_fetch(ae_txn *t);
enum ae_step_ret ae_step_forward(ae_txn *t);
/* For rules: the credential of a gRPC call into t->cred; rights of t->id. */
enum ae_pick_result ae_cred_pick_grpc(ae_txn *t);
int                 ae_cred_rights(ae_txn *t);
/* Note a step in the trace; |name| is static, NULL and repeats are not. */
void ae_trace(ae_txn *t, const char *name);

/* Evaluate |c| in Argo CD's order; fills verdict, certain, at, why. */
void ae_decide_checks(ae_txn *t, const struct ae_checks *c,
                      struct ae_decision *why, const struct ae_check **at,
                      enum ae_verdict *verdict, bool *certain);
bool ae_may_decide(const ae_txn *t); /* confirmed identity, sighted snapshot */

/* ---- copies.c, steps_list.c (lists from one full copy) ------------------- */

/* The full list of one kind; refcounted, immutable once it is shared. */
struct ae_copy {
    _Atomic uint32_t refs;
    unsigned char    hash[32];       /* of its key */
    ae_heap          heap;
    ae_arena         a;              /* over |heap| */
    ae_str           body, etag;
    struct ae_list   list;
    uint64_t         gen[AE_CACHE_TAGS_MAX]; size_t ngen;
    int64_t          stored_us, fresh_until_us;
    int64_t          used_us;
};

struct ae_copy *ae_copy_new(void);
void            ae_copy_unref(struct ae_copy *c);
/* All lock for themselves.  _get gives a reference, _put takes one more. */
struct ae_copy *ae_copies_get(ae_engine *e, const unsigned char hash[32],
                              const uint64_t *gen, size_t ngen, int64_t now);
void            ae_copies_put(ae_engine *e, struct ae_copy *c);
void            ae_copies_tick(ae_engine *e, int64_t now);
void            ae_copies_free(ae_engine *e);

/* Read edge.* of a list's query into t->page, and the rest as the request. */
void ae_list_route(ae_txn *t);
/* An answer made of a full copy, as if it had been stored. */
bool ae_list_full(ae_txn *t); /* a copy may come of the answer */
bool ae_list_look_up(ae_txn *t, struct ae_entry *en);
/* Fields of the answer to a page. */
void ae_list_headers(ae_txn *t);
/* The key for |body|: that of a full copy if it is one, else t->key. */
const struct ae_cache_key *ae_list_key(ae_txn *t, ae_str body,
                                       struct ae_cache_key *room);
/* |en| was stored under that key. */
void ae_list_stored(ae_txn *t, const struct ae_entry *en);
/* Kind of the list that is asked for (enum ae_list_kind), or -1; the key of
 * its full copy; whether |r| cover every object of it. */
int  ae_list_kind(const ae_txn *t);
int  ae_list_copy_key(ae_txn *t, struct ae_cache_key *out);
bool ae_list_covers(ae_txn *t, struct ae_rights *r);
/* Keep a full list that |id| was given.  False: it is none, or overtaken. */
bool ae_list_take(ae_txn *t, const struct ae_cache_key *key,
                  const struct ae_identity *id, ae_str body);
/* list_fetch.c: ask for the copy that this request lacks. */
#define AE_LIST_ID 3
enum ae_step_ret ae_list_fetch(ae_txn *t);
void ae_list_fetch_answered(ae_txn *t, int status, ae_str ctype, ae_str body);
void ae_list_fetch_end(ae_txn *t);
/* store.c: validator and end of what is fetched now, as |id|. */
ae_str  ae_answer_etag(ae_txn *t, ae_str body, ae_str scope);
int64_t ae_answer_fresh(ae_txn *t, const struct ae_identity *id);
/* In shadow: what would have been sent, before the question is passed on, and
 * what the upstream says instead. */
void ae_list_shadow(ae_txn *t);
void ae_list_shadow_end(ae_txn *t, ae_str body);

/* ---- serve.c ------------------------------------------------------------ */

/* Answer from the store (fills t->act), or say why not (t->fwd). */
bool ae_serve(ae_txn *t);
/* With what is stale, while somebody asks for a new one. */
bool ae_serve_stale(ae_txn *t);
/* What goes to the client in place of the upstream's |status|, or NULL. */
const struct ae_act *ae_serve_if_error(ae_txn *t, int status);
bool ae_serve_lease(ae_txn *t); /* T7 */
void ae_use_hit(ae_txn *t);     /* for argo-edge cache top */
void ae_use_asked(ae_txn *t);
/* Time has passed: takes the clocks anew; false if what was decided before
 * may not stand any more. */
bool ae_still_now(ae_txn *t);

/* ---- collapse.c (R21, R22) ---------------------------------------------- */

enum ae_collapse {
    AE_COLLAPSE_NONE,           /* ask without others waiting for it */
    AE_COLLAPSE_MINE,           /* ask; ae_collapse_end() is due */
    AE_COLLAPSE_WAIT,           /* t->act says how long */
    AE_COLLAPSE_STALE           /* t->act is an answer */
};
enum ae_collapse ae_collapse(ae_txn *t);
/* After a wait.  MINE: the other one has ended, look again. */
enum ae_collapse ae_collapse_resume(ae_txn *t);
/* |vain|: nothing was kept, and the next answer will not be either. */
void ae_collapse_end(ae_txn *t, bool vain);

/* ---- refresh.c ----------------------------------------------------------- */

/* Mine to ask, but what is there may be served meanwhile (fills t->act). */
bool ae_refresh_begin(ae_txn *t);

/* ---- verdicts.c --------------------------------------------------------- */

/* Was this caller allowed this target before?  Then it is decided. */
bool ae_allowed_before(ae_txn *t);
void ae_allowed_keep(ae_txn *t);  /* after a decision */
/* The check that settled, with its object; NULL if none did. */
const struct ae_check *ae_asked(ae_txn *t);

/* ---- vars.c, audit.c ------------------------------------------------- */

ae_str ae_var_raw(ae_txn *t, enum ae_var v); /* not escaped */
/* 32 hex digits that nobody guesses; made when first asked for. */
ae_str ae_decision_id(ae_txn *t);
/* Notes what was decided where operators see it, as far as they want to. */
void   ae_decision_note(ae_txn *t);
/* The object of the question, with its project if that is known; absent if
 * nothing was asked, or what is known is not the whole object. */
ae_str ae_whole_object(ae_txn *t);

/* ---- page.c, purge.c, metrics.c ------------------------------------------ */

bool ae_serves(const ae_txn *t);     /* this location answers by itself */
bool ae_looks_on(const ae_txn *t);   /* ... and does nothing: not counted */
/* Like what the status page shows, the cache is the administrators'. */
bool ae_is_admin(ae_txn *t);
/* Method and address, before a token is looked at; then the purge itself. */
enum ae_step_ret ae_purge_asked(ae_txn *t);
enum ae_step_ret ae_purge_step(ae_txn *t);
struct ae_purge {
    ae_str             tag, identity; /* neither: all */
    int64_t            n;             /* dropped */
    unsigned           busy;          /* steps that came to nothing */
    struct ae_purge_at at;
};
/* Is the address (text of IPv4 or IPv6) in one of the networks? */
bool ae_in_net(const struct ae_cidr *net, size_t n, ae_str address);
/* The numbers of |e| as Prometheus reads them. */
void ae_metrics(ae_engine *e, const ae_snapshot *s, bool openmetrics,
                ae_buf *b);

/* ---- reply.c ------------------------------------------------------------ */

/* Fill t->act with Argo CD's error; honours the shape of the operation
 * (unary, stream, grpc).  Always AE_STEP_ACT. */
enum ae_step_ret ae_reply_error(ae_txn *t, int status, int code, ae_str msg);
enum ae_step_ret ae_reply_body(ae_txn *t, int status, ae_str ctype,
                               ae_str body);
void ae_reply_header(ae_txn *t, ae_str name, ae_str value);
void ae_reply_fail(ae_txn *t, struct ae_act *out); /* needs no memory */
/* {"error":T,"code":N,"message":T} */
ae_str ae_error_json(ae_arena *a, int code, ae_str msg);
int    ae_grpc_http(int code); /* HTTP status of a gRPC code */

/* ---- forward.c ---------------------------------------------------------- */

void ae_forward_set(ae_txn *t, ae_str name, ae_str value);
/* Of a field that the core does not read, by its first letters: could it be
 * forged, conditional or Argo CD's own (forward.c)? */
bool ae_hdr_may_strip(ae_str name);
/* Tags of a write by this request (may be none), computed once. */
void ae_write_tags(ae_txn *t);

/* The tags that between them every entry reads. */
const ae_str *ae_tags_all(size_t *n);

/* ---- learn.c ------------------------------------------------------------ */

/* What a passing answer says of the object that it shows. */
struct ae_object {
    ae_str project, ns, name;
    bool   known;
    bool   hinted;      /* the project is what an earlier answer showed */
};
/* Value of the string member at |path| ("metadata.name") of a JSON object;
 * absent span if missing, no string, or the text is damaged.  No allocation
 * unless the string holds escapes (then a copy in |a|). */
ae_str ae_json_at(ae_arena *a, ae_str json, const char *path);
/* The object of this request as |body| shows it. */
void ae_learn_object(ae_txn *t, ae_str body, struct ae_object *out);
/* The object as the request, a look-up or a hint tells it. */
void ae_learn_request(ae_txn *t, struct ae_object *out);
/* The application of this request, as its manifest |body| shows it. */
void ae_learn_application(ae_txn *t, ae_str body, struct ae_object *out);
void ae_learn_hint(ae_txn *t, const struct ae_object *o);

/* ---- limits.c, limit_calls.c, limit_login.c, limit_webhook.c ------------- */

enum ae_step_ret ae_step_limit_address(ae_txn *t);
enum ae_step_ret ae_step_limit(ae_txn *t);
enum ae_step_ret ae_step_limit_login(ae_txn *t);
enum ae_step_ret ae_step_limit_webhook(ae_txn *t);
enum ae_step_ret ae_step_limit_calls(ae_txn *t);
/* Argo CD did not take the push: it may come again. */
void ae_webhook_answered(ae_txn *t, int status);
/* The token of this request does not verify: its address pays for it. */
void ae_limit_failed(ae_txn *t);
/* RateLimit and RateLimit-Policy of a request that passed, if they are
 * wanted, for answers of ours and of the upstream. */
void ae_limit_reply(ae_txn *t);
void ae_limit_response(ae_txn *t);
/* Lay the tables over the zone. */
void ae_limits_open(ae_engine *e);
/* End the calls of |t|; renew those of all transactions. */
void ae_limit_calls_end(ae_txn *t);
void ae_limit_wait_end(ae_txn *t);
void ae_limit_calls_tick(ae_engine *e);

/* Shared by those four files. */
int64_t  ae_limit_now(const ae_txn *t); /* ns */
bool     ae_limit_fits(const ae_txn *t, const struct ae_limit_conf *l);
uint64_t ae_limit_tag(const ae_txn *t, const struct ae_limit_conf *l);
bool     ae_limit_dry(const ae_txn *t);
void     ae_count_limited(ae_txn *t, enum ae_who_class cls,
                          enum ae_limited what);
uint64_t ae_limit_key(const ae_txn *t, uint64_t limit, ae_str key);
/* Other edges are to know, if there is somebody to tell them: |units| of |r|
 * were taken (negative: given back); |login|: in the table of logins. */
void     ae_limit_spend(ae_txn *t, uint64_t tag, const struct ae_rate *r,
                        int64_t units, bool login);
/* 429, or what dry run and shadow make of it. */
enum ae_step_ret ae_limit_refuse(ae_txn *t, const struct ae_limit_conf *l,
                                 const char *why, int64_t wait_ns);

/* The identity behind a gRPC call that is only passed on, for limits; one
 * reference, or NULL.  Without |verify_it| only if it was verified before. */
struct ae_identity *ae_cred_peek(ae_txn *t, bool verify_it);
/* Was the credential verified before?  Fills t->id. */
bool ae_cred_seen(ae_txn *t);

/* ---- steps_body.c ------------------------------------------------------- */

enum ae_keys { AE_KEYS_FINE = 0, AE_KEYS_ODD, AE_KEYS_CLASH };
/* One name for Go's decoder, which folds case. */
bool ae_body_same_name(ae_str a, ae_str b);
/* Member names as Go's decoder would confuse them (R31). */
enum ae_keys ae_body_keys(const json_t *v, int depth);
/* The string that Go's decoder would put into the field |name| of an object
 * without clashes; absent span if none. */
ae_str ae_body_member(const json_t *o, ae_str name);

#endif
