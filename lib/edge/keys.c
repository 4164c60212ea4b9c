/*
 * keys.c - the provider's documents at run time: who fetches them, when, and
 * how the others get them (security.md section 8, faults.md F13-F17).
 *
 * A request that needs a key we lack may make the two sub-requests itself, if
 * nobody of any process did so in the last 30 s; all others are passed on
 * undecided meanwhile.  What came lies in the shared zone, where every process
 * finds it; documents in the inputs (an operator's, or the agent's) go first.
 */
#include "edge/keys.h"

#include <stdlib.h>

enum {
    COOL_S = 30,               /* between two fetches, whatever came of them */
    DUE_S = 3600,              /* older: worth a fetch by itself */
    STALE_S = 24 * 3600,       /* last good that long (F14) */
    MOVED_S = 600,             /* a changed issuer: design.md section 5 */
    DOC_MAX = 256 * 1024,      /* F16 */
    FETCH_DISCOVERY = 12, FETCH_KEYS = 13 /* ids, unlike all others */
};

#define NS INT64_C(1000000000)

/* In the zone.  The bytes are good if |check| fits and |seq| is even and the
 * same before and after. */
struct shared {
    _Atomic int64_t  next_ns;  /* no fetch before that */
    _Atomic uint64_t seq;
    _Atomic int64_t  good_ns;  /* when the provider answered last, 0 never */
    _Atomic uint64_t wanted;   /* keys that were lacked, for the agent */
    _Atomic uint64_t agent[2]; /* fetches of the agent: bad, good */
    uint64_t         check;    /* XXH3 over all below it */
    uint64_t         issuer;   /* hash of the issuer that they belong to */
    uint32_t         ndiscovery, njwks;
    char             bytes[];
};

struct ae_sso_keys {
    struct shared   *sh;       /* NULL: the zone has no room */
    size_t           room;     /* for bytes[] */
    /* under the engine's lock: */
    ae_keyset       *set;      /* fetched, NULL: none */
    _Atomic uint64_t seq;      /* of the zone when |set| was made; read */
    _Atomic int64_t  good_ns;  /* by anybody, as good_ns is */
    int64_t          moved_us; /* until then SSO verdicts are unknown */
    _Atomic uint64_t bad_hash; /* of the last logged failure */
    bool             files_old;/* documents of the inputs are past use */
    int64_t          files_us; /* when that was looked at */
    _Atomic uint64_t gen;
    _Atomic bool     due;
};

/* ---- one process -------------------------------------------------------- */

int ae_keys_open(ae_engine *e)
{
    struct ae_sso_keys *k = calloc(1, sizeof *k);
    size_t n = 0;

    if (!k)
        return AE_E_NOMEM;
    e->keys = k;
    k->sh = ae_zone_section(e->zone, AE_ZONE_KEYS, sizeof *k->sh + 1024, &n);
    k->room = k->sh ? n - sizeof *k->sh : 0;
    return AE_OK;
}

uint64_t ae_keys_wanted(const ae_zone *z)
{
    struct shared *sh = ae_zone_section(z, AE_ZONE_KEYS, sizeof *sh, NULL);

    return sh ? atomic_load(&sh->wanted) : 0;
}

void ae_keys_agent_count(const ae_zone *z, bool good)
{
    struct shared *sh = ae_zone_section(z, AE_ZONE_KEYS, sizeof *sh, NULL);

    if (sh)
        atomic_fetch_add(&sh->agent[good], 1);
}

void ae_keys_agent_counted(const ae_zone *z, uint64_t n[2])
{
    struct shared *sh = ae_zone_section(z, AE_ZONE_KEYS, sizeof *sh, NULL);

    n[0] = sh ? atomic_load(&sh->agent[0]) : 0;
    n[1] = sh ? atomic_load(&sh->agent[1]) : 0;
}

void ae_keys_close(ae_engine *e)
{
    if (!e->keys)
        return;
    ae_keyset_unref(e->keys->set);
    free(e->keys);
    e->keys = NULL;
}

uint64_t ae_keys_generation(const ae_txn *t)
{
    return ae_tokens_generation(t->snap->tokens)
         ^ atomic_load_explicit(&t->e->keys->gen, memory_order_acquire);
}

bool ae_keys_due(const ae_engine *e)
{
    return atomic_load_explicit(&e->keys->due, memory_order_relaxed);
}

/* The host's monotonic clock, which all who share the zone have (zone.h). */
static int64_t now_ns(const ae_engine *e)
{
    return ae_edge_mono(e) * 1000;
}

static int64_t good_until(int64_t good_ns)
{
    return good_ns + (int64_t)STALE_S * NS;
}

/* Put |set| (our reference, may be NULL) in the place of the fetched one. */
static void install(ae_engine *e, ae_keyset *set, uint64_t seq, int64_t good)
{
    struct ae_sso_keys *k = e->keys;
    ae_keyset *old;

    ae_lock(e, &e->lock);
    old = k->set;
    if (set && old && ae_keyset_generation(set) == ae_keyset_generation(old)) {
        old = set;             /* the same once more */
    } else {
        if (set)
            ae_keyset_replaces(set, old);
        k->set = set;
        atomic_store_explicit(&k->gen, ae_keyset_generation(set),
                              memory_order_release);
    }
    k->seq = seq;
    k->good_ns = good;
    ae_unlock(e, &e->lock);
    ae_keyset_unref(old);
}

/* ---- the zone ----------------------------------------------------------- */

static uint64_t check_of(const struct shared *h, const char *bytes)
{
    uint64_t s = ae_hash64(ae_s((const char *)&h->issuer,
                                offsetof(struct shared, bytes)
                                - offsetof(struct shared, issuer)), 3);

    return ae_hash64(ae_s(bytes, (size_t)h->ndiscovery + h->njwks), s);
}

static uint64_t issuer_hash(ae_str issuer)
{
    return ae_hash64(issuer, 11);
}

/* Copy what lies there, if it is whole; *seq says which it is. */
static char *take_copy(const struct ae_sso_keys *k, struct shared *head,
                       uint64_t *seq)
{
    struct shared *h = k->sh;
    char *p;

    *seq = atomic_load_explicit(&h->seq, memory_order_acquire);
    memcpy(&head->check, &h->check, offsetof(struct shared, bytes)
                                    - offsetof(struct shared, check));
    if ((*seq & 1) || head->ndiscovery > DOC_MAX || head->njwks > DOC_MAX
        || (size_t)head->ndiscovery + head->njwks > k->room)
        return NULL;
    p = malloc((size_t)head->ndiscovery + head->njwks + 1);
    if (!p)
        return NULL;
    memcpy(p, h->bytes, (size_t)head->ndiscovery + head->njwks);
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&h->seq, memory_order_relaxed) != *seq
        || check_of(head, p) != head->check) {
        free(p);
        return NULL;
    }
    return p;
}

/* What another process fetched becomes ours. */
static void sync(ae_engine *e, const ae_snapshot *s)
{
    struct ae_sso_keys *k = e->keys;
    struct shared head;
    ae_keyset *set = NULL;
    uint64_t seq;
    char *p;

    if (!k->sh)
        return;
    seq = atomic_load_explicit(&k->sh->seq, memory_order_acquire);
    k->good_ns = atomic_load_explicit(&k->sh->good_ns, memory_order_relaxed);
    if (seq == k->seq || seq == 0 || (seq & 1))
        return;
    p = take_copy(k, &head, &seq);
    if (!p)
        return;
    if (head.issuer == issuer_hash(s->in.sso.issuer)
        && ae_keyset_new(s->in.sso.issuer, ae_s(p, head.ndiscovery),
                         ae_s(p + head.ndiscovery, head.njwks), &set, NULL)
               == AE_OK)
        install(e, set, seq, k->good_ns);
    free(p);
}

/* Only who holds the turn to fetch comes here, and it has 30 s; what a killed
 * process leaves half written does not pass the check. */
static void share(ae_engine *e, ae_str issuer, ae_str discovery, ae_str jwks)
{
    struct ae_sso_keys *k = e->keys;
    struct shared *h = k->sh;
    uint64_t seq;

    if (!h || discovery.n + jwks.n > k->room)
        return;
    atomic_store(&h->good_ns, now_ns(e));
    seq = atomic_load(&h->seq) | 1;
    atomic_store(&h->seq, seq);
    atomic_thread_fence(memory_order_seq_cst);
    h->issuer = issuer_hash(issuer);
    h->ndiscovery = (uint32_t)discovery.n;
    h->njwks = (uint32_t)jwks.n;
    memcpy(h->bytes, discovery.p, discovery.n);
    memcpy(h->bytes + discovery.n, jwks.p, jwks.n);
    h->check = check_of(h, h->bytes);
    atomic_store_explicit(&h->seq, seq + 1, memory_order_release);
}

/* ---- which documents are in force --------------------------------------- */

static bool from_files(const ae_txn *t)
{
    return t->snap->in.sso.have_docs;
}

static ae_keyset *keys_now(ae_txn *t)
{
    struct ae_sso_keys *k = t->e->keys;
    ae_keyset *set;
    bool old;

    ae_lock(t->e, &t->e->lock);
    old = k->files_old;
    ae_unlock(t->e, &t->e->lock);
    if (from_files(t)) {
        set = old ? NULL : ae_tokens_keyset(t->snap->tokens);
        ae_keyset_ref(set);
        return set;
    }
    sync(t->e, t->snap);
    ae_lock(t->e, &t->e->lock);
    set = now_ns(t->e) < good_until(k->good_ns) ? k->set : NULL;
    ae_keyset_ref(set);
    ae_unlock(t->e, &t->e->lock);
    return set;
}

static bool moved(ae_txn *t)
{
    bool is;

    ae_lock(t->e, &t->e->lock);
    is = t->mono_us < t->e->keys->moved_us;
    ae_unlock(t->e, &t->e->lock);
    return is;
}

uint64_t ae_keys_check(ae_txn *t, ae_str token, struct ae_token_result *r)
{
    ae_keyset *keys = keys_now(t);
    uint64_t gen = ae_keys_generation(t);

    ae_token_check_keys(t->snap->tokens, keys, t->kf.fresh, &t->a, token,
                        t->wall_us / 1000000, r);
    ae_keyset_unref(keys);
    /* What SSO says is not for us while Argo CD may have another issuer. */
    if (r->sso && !r->stricter && moved(t)) {
        ae_identity_unref(r->identity);
        r->identity = NULL;
        r->lacks_key = false;
        r->verdict = AE_TOKEN_UNKNOWN;
    }
    return gen;
}

/* Under the engine's lock.  Argo CD keeps the issuer of its first SSO token
 * until it is restarted (settings.5 to settings.8). */
void ae_keys_publish(ae_engine *e, const ae_snapshot *was, ae_snapshot *is)
{
    const struct ae_sso *a = &was->in.sso, *b = &is->in.sso;
    struct ae_sso_keys *k = e->keys;

    ae_tokens_follow(is->tokens, was->tokens);
    if (a->kind == b->kind && ae_eq(a->issuer, b->issuer)
        && a->via_dex == b->via_dex)
        return;
    k->moved_us = ae_edge_mono(e) + MOVED_S * INT64_C(1000000);
    ae_keyset_unref(k->set);
    k->set = NULL;
    k->seq = 0;
    atomic_store(&k->gen, 0);
}

/* Documents that somebody keeps current end with him (F14). */
static void look_at_files(ae_engine *e)
{
    const struct ae_sso *s = &e->snap->in.sso;
    int64_t at, now = ae_edge_mono(e);
    struct ae_sso_keys *k = e->keys;
    bool old = false;

    if (now < k->files_us)
        return;
    k->files_us = now + 10 * INT64_C(1000000);
    at = s->have_docs ? ae_sso_stamp(s) : 0;
    if (at)
        old = ae_edge_wall(e) / 1000000 - at > STALE_S;
    if (old && !k->files_old)
        ae_edge_log(e, AE_LOG_ERROR, "argo-edge: the keys in oidc/ were not"
                    " fetched anew for a day: SSO tokens are passed on"
                    " undecided; is argo-edge agent running?");
    ae_lock(e, &e->lock);
    if (old != k->files_old)
        ae_seen_drop_all(e->seen);
    k->files_old = old;
    ae_unlock(e, &e->lock);
}

void ae_keys_tick(ae_engine *e)
{
    struct ae_sso_keys *k = e->keys;
    int64_t age;
    bool have;

    look_at_files(e);
    if (e->snap->in.sso.have_docs)
        return;
    sync(e, e->snap);
    age = now_ns(e) - k->good_ns;
    ae_lock(e, &e->lock);
    have = k->set != NULL;
    ae_unlock(e, &e->lock);
    atomic_store(&k->due, have && age > DUE_S * NS);
    if (have && age > STALE_S * NS) {
        ae_edge_log(e, AE_LOG_ERROR, "argo-edge: no keys of the SSO provider"
                    " for a day: its tokens are passed on undecided");
        install(e, NULL, k->seq, k->good_ns);
    }
}

/* ---- fetching ----------------------------------------------------------- */

/* Where the documents are asked for: two places of the operator, or Dex
 * through the upstream (design.md section 6). */
static bool places(ae_txn *t, ae_str *discovery, ae_str *jwks)
{
    const ae_conf *c = t->e->conf;
    ae_str root = t->snap->route.root_path;

    if (c->oidc_off || t->loc->mode == AE_MODE_OFF || from_files(t)
        || t->snap->in.sso.via_dex)
        return false;
    *discovery = c->oidc_discovery;
    *jwks = c->oidc_keys;
    if (discovery->n && jwks->n)
        return true;
    if (t->snap->in.sso.kind != AE_SSO_DEX || c->dex_server.n)
        return false;
    *discovery = ae_concat(&t->a, (const ae_str[]){ root,
        AE_STR("/api/dex/.well-known/openid-configuration") }, 2);
    *jwks = ae_concat(&t->a, (const ae_str[]){ root,
        AE_STR("/api/dex/keys") }, 2);
    return discovery->p && jwks->p;
}

/* One at a time over all processes, and none for 30 s after. */
static bool my_turn(ae_engine *e)
{
    struct ae_sso_keys *k = e->keys;
    int64_t now = now_ns(e), next;

    if (!k->sh)
        return false;
    next = atomic_load(&k->sh->next_ns);
    if (now < next && next - now <= COOL_S * NS)
        return false;
    return atomic_compare_exchange_strong(&k->sh->next_ns, &next,
                                          now + COOL_S * NS);
}

static enum ae_step_ret ask(ae_txn *t, uint32_t id, ae_str target)
{
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_FETCH;
    t->act.fetch.id = id;
    t->act.fetch.target = target;
    t->kf.id = id;
    t->kf.came = false;
    return AE_STEP_ACT;
}

enum ae_step_ret ae_keys_want(ae_txn *t)
{
    struct ae_sso_keys *k = t->e->keys;
    ae_str discovery, jwks;

    if (t->kf.tried)
        return AE_STEP_MORE;
    if (k->sh)
        atomic_fetch_add(&k->sh->wanted, 1);
    if (!places(t, &discovery, &jwks) || !my_turn(t->e))
        return AE_STEP_MORE;
    t->kf.tried = true;
    t->kf.jwks_at = jwks;
    ae_trace(t, "keys");
    return ask(t, FETCH_DISCOVERY, discovery);
}

static void failed(ae_txn *t, const char *why)
{
    struct ae_sso_keys *k = t->e->keys;
    uint64_t h = ae_hash64(ae_cs(why), 1);

    t->kf.id = 0;
    ae_count(t->e, AE_N_keys_failed);
    if (h == k->bad_hash)
        return;                /* once for each distinct failure */
    k->bad_hash = h;
    ae_edge_log(t->e, AE_LOG_ERROR, "argo-edge: keys of the SSO provider not"
                " fetched, what we have stays: %s", why);
}

/* A key set elsewhere cannot be asked for through the place that is meant for
 * the issuer: the agent's work. */
static bool same_host(const ae_txn *t, ae_str uri)
{
    return t->snap->in.sso.kind == AE_SSO_DEX
        || ae_ieq(ae_origin_host(uri), ae_origin_host(t->snap->in.sso.issuer));
}

static void adopt(ae_txn *t, ae_str jwks)
{
    ae_str issuer = t->snap->in.sso.issuer;
    struct ae_err err = { 0 };
    ae_keyset *set = NULL;
    struct ae_sso_keys *k = t->e->keys;

    if (ae_keyset_new(issuer, t->kf.discovery, jwks, &set, &err) != AE_OK) {
        failed(t, err.text);
        return;
    }
    if (!same_host(t, ae_keyset_uri(set))) {
        ae_keyset_unref(set);
        failed(t, "jwks_uri is on another host than the issuer; let argo-edge"
                  " agent fetch the keys");
        return;
    }
    share(t->e, issuer, t->kf.discovery, jwks);
    install(t->e, set, k->sh ? atomic_load(&k->sh->seq) : 0, now_ns(t->e));
    k->bad_hash = 0;
    atomic_store(&k->due, false);
    t->kf.id = 0;
    t->kf.fresh = true;
    ae_count(t->e, AE_N_keys_fetched);
}

bool ae_keys_fetched(ae_txn *t, uint32_t id, int status, ae_str body,
                     bool whole)
{
    if (!t->kf.id || t->kf.id != id)
        return false;
    t->kf.came = true;
    if (status != 200 || !whole || body.n > DOC_MAX)
        failed(t, id == FETCH_DISCOVERY
               ? "no usable answer for the discovery document"
               : "no usable answer for the key set");
    else if (id == FETCH_KEYS)
        adopt(t, body);
    else if (!(t->kf.discovery = ae_dup(&t->a, body)).p)
        failed(t, "out of memory");
    return true;
}

bool ae_keys_going_on(ae_txn *t, enum ae_step_ret *ret)
{
    if (!t->kf.id)
        return false;          /* nothing under way, or it has ended */
    *ret = t->kf.came ? ask(t, FETCH_KEYS, t->kf.jwks_at) : AE_STEP_ACT;
    return true;
}
