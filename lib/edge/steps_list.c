/*
 * steps_list.c - a tenant's list, made at the edge of one full copy
 * (docs/lists.md).  A copy is what Argo CD told a caller whose rights cover
 * every object of the kind; each item is decided for this caller, now (T8).
 */
#include "edge/edge.h"

static const struct { const char *op; enum ae_list_kind kind; } lists[] = {
    { "ApplicationService_List", AE_LIST_APPLICATIONS },
    { "ApplicationSetService_List", AE_LIST_APPLICATIONSETS },
    { "ProjectService_List", AE_LIST_PROJECTS },
    { "ClusterService_List", AE_LIST_CLUSTERS },
    { "RepositoryService_ListRepositories", AE_LIST_REPOSITORIES },
    { "RepoCredsService_ListRepositoryCredentials", AE_LIST_REPOCREDS },
};

/* The kind of list that is asked for, or -1.  Accounts, certificates and keys
 * are not among them (docs/threat-model.md). */
int ae_list_kind(const ae_txn *t)
{
    if (t->tgt.kind != AE_TGT_OP || t->tgt.op->cache != AE_CC_LIST)
        return -1;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (strcmp(t->tgt.op->name, lists[i].op) == 0)
            return (int)lists[i].kind;
    return -1;
}

/* ---- edge.* -------------------------------------------------------------- */

/* What is left of the target without edge.*, read anew. */
static bool route_rest(ae_txn *t, ae_str rest, struct ae_target *out)
{
    ae_str part[3] = { t->tgt.path, AE_STR("?"), rest };
    struct ae_route_in in = { .method = AE_STR("GET") };

    in.target = rest.n ? ae_concat(&t->a, part, 3) : t->tgt.path;
    return in.target.p
        && ae_route(&t->snap->route, &in, &t->a, out) == AE_OK
        && out->kind == AE_TGT_OP && out->op == t->tgt.op;
}

/* Anything odd is left as it is: names that Argo CD does not know (T3). */
void ae_list_route(ae_txn *t)
{
    int kind = t->tgt.unknown_query ? ae_list_kind(t) : -1;
    struct ae_list_page *page;
    struct ae_target rest;
    ae_str query, error;
    bool any;

    if ((kind != AE_LIST_APPLICATIONS && kind != AE_LIST_APPLICATIONSETS)
        || t->tgt.method != AE_M_GET)
        return;
    page = ae_alloc(&t->a, sizeof *page);
    if (!page || ae_page_bind(&t->a, t->tgt.query, &query, &any, page,
                              &error) != AE_OK || !any)
        return;
    if (!route_rest(t, query, &rest))
        return;
    t->tgt = rest;
    t->page = page;
}

/* ---- the copy ------------------------------------------------------------ */

/* No identity and no policy epoch in it: each item is decided again (T9). */
int ae_list_copy_key(ae_txn *t, struct ae_cache_key *out)
{
    ae_store *s = ae_edge_store(t->e);
    ae_str f[4] = { t->snap->conf_epoch, ae_cs(t->tgt.op->name),
                    AE_STR("json"), AE_STR("full copy") };

    return ae_cache_key_make(&t->a, s->ops->secret(s), f, 4, out);
}

/* Slice |body| into a copy of its own, in |c|. */
static int slice(const ae_txn *t, struct ae_copy *c, ae_str body)
{
    return ae_list_new((enum ae_list_kind)ae_list_kind(t), body,
                       t->snap->route.ns, &c->a, &c->list);
}

/* From the store into this process, once for all who ask. */
static struct ae_copy *load(ae_txn *t, const struct ae_cache_key *k,
                            const uint64_t *gen)
{
    struct ae_copy *c = ae_copy_new();
    ae_store *s = ae_edge_store(t->e);
    struct ae_entry en;
    int rc;

    if (!c)
        return NULL;
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->get(s, k, t->tags, t->ntags, t->wall_us, &c->a, &en);
    ae_unlock(t->e, &t->e->store_lock);
    if (rc == 1 && en.status == 200 && en.fresh) {
        memcpy(c->hash, k->hash, sizeof c->hash);
        memcpy(c->gen, gen, t->ntags * sizeof *gen);
        c->ngen = t->ntags;
        c->body = en.body;
        c->etag = en.etag;
        c->stored_us = en.stored_us;
        c->fresh_until_us = en.fresh_until_us;
        rc = slice(t, c, c->body);
        if (rc == AE_OK) {
            ae_copies_put(t->e, c);
            return c;
        }
    }
    if (rc == AE_E_CORRUPT)
        ae_count(t->e, AE_N_cache_corrupt);
    ae_copy_unref(c);
    return NULL;
}

static bool have_copy(ae_txn *t)
{
    ae_store *s = ae_edge_store(t->e);
    uint64_t gen[AE_CACHE_TAGS_MAX];
    struct ae_cache_key k;
    int rc;

    if (ae_list_copy_key(t, &k) != AE_OK)
        return false;
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->generations(s, t->tags, t->ntags, gen);
    ae_unlock(t->e, &t->e->store_lock);
    if (rc != AE_OK)
        return false;
    ae_copy_unref(t->copy);
    t->copy = ae_copies_get(t->e, k.hash, gen, t->ntags, t->wall_us);
    if (!t->copy)
        t->copy = load(t, &k, gen);
    return t->copy != NULL;
}

/* ---- rights -------------------------------------------------------------- */

struct asker { ae_txn *t; ae_str resource; };

static int answer_of(enum ae_verdict v)
{
    return v == AE_ALLOW ? 1 : v == AE_DENY ? 0 : AE_E_AGAIN;
}

static int may(void *ctx, ae_str object)
{
    const struct asker *k = ctx;
    struct ae_decision d;

    ae_lock(k->t->e, &k->t->e->lock);
    ae_decide(k->t->rights->principal, k->resource, AE_STR("get"), object,
              &d);
    ae_unlock(k->t->e, &k->t->e->lock);
    return answer_of(d.verdict);
}

static int may_project(void *ctx, ae_str project)
{
    const struct asker *k = ctx;
    enum ae_verdict v;

    ae_lock(k->t->e, &k->t->e->lock);
    v = ae_decide_in_project(k->t->rights->principal, k->resource,
                             AE_STR("get"), project);
    ae_unlock(k->t->e, &k->t->e->lock);
    return answer_of(v);
}

bool ae_list_covers(ae_txn *t, struct ae_rights *r)
{
    enum ae_list_kind kind = (enum ae_list_kind)ae_list_kind(t);
    bool yes;

    ae_lock(t->e, &t->e->lock);
    yes = ae_principal_covers_all(r->principal, ae_list_resource(kind),
                                  AE_STR("get"));
    ae_unlock(t->e, &t->e->lock);
    return yes;
}

/* ---- the answer ---------------------------------------------------------- */

/* The same copy, question and choice of items make the same bytes, so they
 * stand for them: to hash megabytes for each request would cost too much. */
static ae_str etag_of(ae_txn *t, const struct ae_list_answer *out)
{
    ae_store *s = ae_edge_store(t->e);
    ae_str scope = ae_s((const char *)t->rights->scope,
                        sizeof t->rights->scope);
    struct ae_etag *e = ae_etag_begin(&t->a, s->ops->secret(s), scope);
    char *tag = ae_alloc(&t->a, AE_ETAG_LEN);

    if (!e || !tag || !t->copy->etag.n)
        return ae_s(NULL, 0);
    ae_etag_feed(e, t->copy->etag);
    ae_etag_feed(e, t->req->target);
    ae_etag_feed(e, ae_s((const char *)out->pick,
                         out->shown * sizeof *out->pick));
    ae_etag_end(e, tag);
    return ae_s(tag, AE_ETAG_LEN);
}

/* Filter the copy; false: it cannot say. */
static bool filter(ae_txn *t, int kind, struct ae_list_answer *out)
{
    struct asker k = { t, ae_list_resource((enum ae_list_kind)kind) };
    struct ae_list_rights rights = { .may = may, .may_project = may_project,
                                     .ctx = &k };
    struct ae_list_query q;
    struct ae_list_ask ask = { .list = &t->copy->list, .query = &q,
                               .rights = &rights, .page = t->page };
    int rc = ae_list_bind((enum ae_list_kind)kind, t->tgt.query, &t->a, &q);

    if (rc == AE_OK)
        rc = ae_list_answer(&ask, &t->a, out);
    if (rc == AE_E_CORRUPT)
        ae_count(t->e, AE_N_cache_corrupt);
    if (rc == AE_E_NOMEM)
        t->a.failed = true;
    return rc == AE_OK && !out->forward;
}

/* A tenant could have been answered, had there been a copy. */
static void note_missed(ae_txn *t, int kind)
{
    if (t->loc->lists != AE_LISTS_ASK || ae_list_covers(t, t->rights))
        return;
    ae_lock(t->e, &t->e->lock);
    t->e->list_missed_us[kind] = t->mono_us;
    ae_unlock(t->e, &t->e->lock);
}

bool ae_list_look_up(ae_txn *t, struct ae_entry *en)
{
    int kind = t->loc->lists > 0 ? ae_list_kind(t) : -1;
    struct ae_list_answer out;

    if (kind < 0 || !t->rights)
        return false;
    if (!have_copy(t)) {
        note_missed(t, kind);
        return false;
    }
    if (!filter(t, kind, &out))
        return false;
    memset(en, 0, sizeof *en);
    en->status = out.status;
    en->ctype = AE_STR("application/json");
    if (out.status == 200) {
        en->body = out.body;
        en->etag = etag_of(t, &out);
    } else {
        en->body = ae_error_json(&t->a, out.code, out.error);
    }
    en->stored_us = t->copy->stored_us;
    en->fresh_until_us = t->copy->fresh_until_us;
    en->fresh = true;
    if (t->page && out.more) {
        t->next_page = ae_page_cursor(&t->a, out.last_name, out.last_ns);
        if (!t->next_page.p)
            return false;
    }
    ae_count(t->e, AE_N_list_served);
    return en->body.p != NULL;
}

void ae_list_headers(ae_txn *t)
{
    if (!t->page)
        return;
    ae_reply_header(t, AE_STR("Argo-Edge-List"), AE_STR("page"));
    if (t->next_page.n)
        ae_reply_header(t, AE_STR("Argo-Edge-Continue"), t->next_page);
}

/* ---- where copies come from ---------------------------------------------- */

/* |body| as a copy of its own, not yet shared.  NULL: no list as we know it,
 * or no memory. */
static struct ae_copy *copy_of(ae_txn *t, ae_str body,
                               const struct ae_cache_key *key)
{
    struct ae_copy *c = ae_copy_new();
    ae_str own;

    if (!c)
        return NULL;
    own = ae_dup(&c->a, body);
    if (!own.p || slice(t, c, own) != AE_OK) {
        ae_copy_unref(c);
        return NULL;
    }
    memcpy(c->hash, key->hash, sizeof c->hash);
    memcpy(c->gen, t->gen, t->ntags * sizeof *c->gen);
    c->ngen = t->ntags;
    c->body = own;
    return c;
}

/* Is the answer to this request all there is?  The caller asked for all of
 * it, and may see everything. */
bool ae_list_full(ae_txn *t)
{
    return t->loc->lists > 0 && ae_list_kind(t) >= 0 && !t->tgt.nq
        && t->rights && ae_list_covers(t, t->rights);
}

const struct ae_cache_key *ae_list_key(ae_txn *t, ae_str body,
                                       struct ae_cache_key *room)
{
    struct ae_copy *c = ae_list_full(t) && ae_list_copy_key(t, room) == AE_OK
        ? copy_of(t, body, room) : NULL;

    if (!c)
        return &t->key;
    ae_copy_unref(t->copy);
    t->copy = c;
    t->copy_new = true;
    return room;
}

void ae_list_stored(ae_txn *t, const struct ae_entry *en)
{
    struct ae_copy *c = t->copy;

    if (!t->copy_new)
        return;
    t->copy_new = false;
    c->etag = ae_dup(&c->a, en->etag);
    c->stored_us = en->stored_us;
    c->fresh_until_us = en->fresh_until_us;
    ae_copies_put(t->e, c);
    ae_count(t->e, AE_N_list_copied);
}

/* The full list that we asked for ourselves, as |id|. */
bool ae_list_take(ae_txn *t, const struct ae_cache_key *key,
                  const struct ae_identity *id, ae_str body)
{
    struct ae_copy *c = copy_of(t, body, key);
    ae_store *s = ae_edge_store(t->e);
    struct ae_entry en = { .status = 200, .ctype = AE_STR("application/json"),
                           .body = body, .stored_us = t->wall_us };
    ae_str scope = ae_s((const char *)id->id_hash, sizeof id->id_hash);
    int rc;

    if (!c)
        return false;
    en.etag = ae_answer_etag(t, body, scope);
    en.fresh_until_us = ae_answer_fresh(t, id);
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->put(s, key, &en, t->tags, t->ntags, t->gen, scope);
    ae_unlock(t->e, &t->e->store_lock);
    if (rc != AE_E_STATE) { /* else a write has overtaken it */
        ae_copy_unref(t->copy);
        t->copy = c;
        t->copy_new = true;
        ae_list_stored(t, &en);
        return true;
    }
    ae_copy_unref(c);
    return false;
}

/* ---- shadow -------------------------------------------------------------- */

/* What enforce would ask before it looks for a copy. */
static bool shadow_may(const ae_txn *t)
{
    const struct ae_target *g = &t->tgt;

    return t->loc->mode == AE_MODE_SHADOW && t->loc->cache == 1
        && t->loc->lists > 0 && ae_list_kind(t) >= 0 && g->method == AE_M_GET
        && ae_edge_store(t->e) && ae_may_decide(t) && !t->skip_decide
        && !g->unknown_query && !g->side_effect && !g->no_store
        && !g->doubtful && !t->page && t->cred.source != AE_CRED_COOKIE
        && ae_find_str(t->req->hdr[AE_H_ACCEPT], AE_STR("event-stream"))
               == SIZE_MAX;
}

/* Copies stay in this process: shadow changes nothing, the store included. */
void ae_list_shadow(ae_txn *t)
{
    struct ae_list_answer out;
    struct ae_cache_key key;
    ae_store *s = ae_edge_store(t->e);
    int rc;

    if (!shadow_may(t) || ae_list_copy_key(t, &key) != AE_OK
        || ae_route_tags(&t->snap->route, &t->tgt, NULL, 'r', &t->a, &t->tags,
                         &t->ntags) != AE_OK
        || t->ntags == 0 || t->ntags > AE_CACHE_TAGS_MAX
        || ae_quar_holds(t->e, t->tags, t->ntags))
        return;
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->generations(s, t->tags, t->ntags, t->gen);
    ae_unlock(t->e, &t->e->store_lock);
    if (rc != AE_OK)
        return;
    t->list_shadow = true;
    t->copy = ae_copies_get(t->e, key.hash, t->gen, t->ntags, t->wall_us);
    if (t->copy && filter(t, ae_list_kind(t), &out) && out.status == 200)
        t->list_body = out.body;
}

/* Items by name, whatever the order of equal ones. */
static enum ae_counter compare(ae_txn *t, ae_str ours, ae_str theirs)
{
    enum ae_list_kind kind = (enum ae_list_kind)ae_list_kind(t);
    struct ae_list x, y;
    bool same = true;

    if (ae_eq(ours, theirs))
        return AE_N_list_same;
    if (ae_list_new(kind, ours, t->snap->route.ns, &t->a, &x) != AE_OK
        || ae_list_new(kind, theirs, t->snap->route.ns, &t->a, &y) != AE_OK
        || x.nrow != y.nrow)
        return AE_N_list_differs;
    for (size_t i = 0; i < x.nrow; i++) {
        if (!ae_eq(ae_row_object(&x, &x.row[i]), ae_row_object(&y, &y.row[i])))
            return AE_N_list_differs;
        same &= ae_eq(ae_row_item(&x, &x.row[i]), ae_row_item(&y, &y.row[i]));
    }
    return same ? AE_N_list_same : AE_N_list_older;
}

/* The upstream's own answer: compare, and learn. */
void ae_list_shadow_end(ae_txn *t, ae_str body)
{
    struct ae_cache_key key;
    enum ae_counter n;
    struct ae_copy *c;

    if (t->list_body.p) {
        n = compare(t, t->list_body, body);
        ae_count(t->e, n);
        ae_count(t->e, n == AE_N_list_differs ? AE_N_divergence
                                              : AE_N_shadow_same);
    }
    if (ae_quar_holds(t->e, t->tags, t->ntags) || !ae_list_full(t)
        || ae_list_copy_key(t, &key) != AE_OK)
        return;
    c = copy_of(t, body, &key);
    if (!c)
        return;
    c->stored_us = t->wall_us;
    c->fresh_until_us = t->wall_us + t->list_ttl_us;
    ae_copies_put(t->e, c);
    ae_copy_unref(c);
    ae_count(t->e, AE_N_list_copied);
}
