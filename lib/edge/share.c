/*
 * share.c - answers that callers of equal rights share (T9).
 *
 * Rights are equal by the snapshot; the answer was made by Argo CD, whose
 * policy may be newer.  What it let one caller see by rights that we do not
 * know must not reach another who lacks them.  So a list is kept for others
 * only after each of its items was decided by the snapshot, whose epoch is in
 * the key: then every hit is what deciding each item anew would give.  One
 * object is decided again on each hit anyway, on a project that Argo CD said.
 */
#include "edge/share.h"

_Static_assert(sizeof ((struct ae_rights *)0)->shared == 7 + 32,
               "no scope of an identity is that long");

/* ---- whose -------------------------------------------------------------- */

/* Once for each principal, when it is first needed. */
static bool has_class(ae_engine *e, struct ae_rights *r)
{
    int known = atomic_load_explicit(&r->class_known, memory_order_acquire);

    if (known)
        return known > 0;
    ae_lock(e, &e->lock);
    known = atomic_load_explicit(&r->class_known, memory_order_relaxed);
    if (!known) {
        memcpy(r->shared, "rights:", 7);
        known = ae_principal_class_less(r->principal, e->share_less & 0xffff,
                                        (unsigned char *)r->shared + 7)
            ? 1 : -1;
        atomic_store_explicit(&r->class_known, known, memory_order_release);
    }
    ae_unlock(e, &e->lock);
    return known > 0;
}

/* What hides members of a list's items hides by what they were decided. */
static bool hidden(const ae_txn *t)
{
    return t->tgt.op->cache == AE_CC_LIST
        && ae_target_get(&t->tgt, "fields").p;
}

bool ae_share_asks(ae_txn *t)
{
    t->shared = t->tgt.op->by_rights && !t->snap->partial && !hidden(t)
        && has_class(t->e, t->rights);
    return t->shared;
}

bool ae_share_own(ae_txn *t)
{
    if (t->shared && !t->own_made)
        t->own_made = ae_key_of(t, ae_s((const char *)t->rights->scope,
                                        sizeof t->rights->scope),
                                &t->own_key) == AE_OK;
    return t->own_made;
}

/* ---- what --------------------------------------------------------------- */

bool ae_share_list(const ae_txn *t)
{
    return t->shared && t->tgt.op->cache == AE_CC_LIST;
}

/* How to slice it: write-* lists look like the others. */
static int kind_of(const ae_txn *t)
{
    int kind = ae_list_kind(t);

    if (kind >= 0)
        return kind;
    if (strcmp(t->tgt.op->name, "RepositoryService_ListWriteRepositories") == 0)
        return AE_LIST_REPOSITORIES;
    if (strcmp(t->tgt.op->name,
               "RepoCredsService_ListWriteRepositoryCredentials") == 0)
        return AE_LIST_REPOCREDS;
    return -1;
}

static bool may(ae_txn *t, ae_str object)
{
    struct ae_decision d;

    ae_lock(t->e, &t->e->lock);
    ae_decide(t->rights->principal, ae_cs(t->tgt.op->resource),
              ae_cs(t->tgt.op->action), object, &d);
    ae_unlock(t->e, &t->e->lock);
    return d.verdict == AE_ALLOW;
}

/* May whoever has these rights see every item, by the snapshot? */
static bool list_proven(ae_txn *t, ae_str body)
{
    int kind = body.p ? kind_of(t) : -1;
    ae_heap heap = { 0 };
    struct ae_list l;
    ae_arena a;
    bool ok;

    if (kind < 0)
        return false;
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ok = ae_list_new((enum ae_list_kind)kind, body, t->snap->route.ns, &a,
                     &l) == AE_OK;
    for (size_t i = 0; ok && i < l.nrow; i++)
        ok = may(t, ae_row_object(&l, &l.row[i]));
    ae_heap_free(&heap);
    return ok;
}

static bool proven(ae_txn *t, const struct ae_object *o, ae_str body)
{
    if (t->e->share_less & AE_SHARE_UNPROVEN)
        return true;
    switch (t->tgt.op->cache) {
    case AE_CC_LIST:
        return list_proven(t, body);
    case AE_CC_OBJECT:
        /* A hint is what one caller has learnt some time ago. */
        return !o->hinted;
    default:
        return true;
    }
}

const struct ae_cache_key *ae_share_key(ae_txn *t, const struct ae_object *o,
                                        ae_str body)
{
    if (!t->shared || proven(t, o, body))
        return &t->key;
    ae_count(t->e, AE_N_cache_unshared);
    t->kept_own = true;
    return ae_share_own(t) ? &t->own_key : NULL;
}
