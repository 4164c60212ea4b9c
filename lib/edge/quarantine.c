/*
 * quarantine.c - after a write (T13).  Argo CD reads through informers that
 * lag a mutation, so an answer fetched just after a write may be old.
 *
 * Two measures, because other processes share the store and not this table:
 * this process stores nothing under the tags until the quarantine is over,
 * and then moves their generations once more, which drops what others stored
 * meanwhile.  A move that found the store busy is repeated the same way.
 */
#include "edge/edge.h"

#include <stdlib.h>

static struct ae_quar *find(ae_engine *e, ae_str tag)
{
    for (size_t i = 0; i < e->nquar; i++)
        if (ae_eq(e->quar[i].tag, tag))
            return &e->quar[i];
    return NULL;
}

static void hold(ae_engine *e, ae_str tag, int64_t until, bool late)
{
    struct ae_quar *q = find(e, tag);
    char *copy;

    if (q) {
        q->until_us = until > q->until_us ? until : q->until_us;
        q->late |= late;
        return;
    }
    copy = e->nquar < AE_QUAR_SLOTS ? malloc(tag.n + 1) : NULL;
    if (!copy) {
        /* No room to remember which: remember that nothing may be stored. */
        if (until > e->quar_all_us)
            e->quar_all_us = until;
        return;
    }
    memcpy(copy, tag.p, tag.n);
    copy[tag.n] = 0;
    e->quar[e->nquar++] = (struct ae_quar){ ae_s(copy, tag.n), until, late };
}

static int bump(ae_engine *e, const ae_str *tags, size_t n)
{
    ae_store *s = ae_edge_store(e);
    int rc;

    ae_lock(e, &e->store_lock);
    rc = s->ops->bump(s, tags, n);
    ae_unlock(e, &e->store_lock);
    if (ae_edges_live(&e->edges, ae_edge_mono(e) * 1000))
        for (size_t i = 0; i < n; i++)
            ae_edges_tell(&e->edges, tags[i]);
    if (rc == AE_OK)
        ae_count(e, AE_N_cache_bumped);
    else
        ae_count(e, AE_N_cache_bump_late);
    return rc;
}

int64_t ae_quar_write(ae_engine *e, const ae_str *tags, size_t n, int64_t us)
{
    int64_t until = ae_edge_mono(e) + (us > 0 ? us : 0);
    bool late;

    if (!ae_edge_store(e) || n == 0)
        return 0;
    late = bump(e, tags, n) != AE_OK && bump(e, tags, n) != AE_OK;
    if (us <= 0 && !late)
        return 0;
    ae_lock(e, &e->lock);
    for (size_t i = 0; i < n; i++)
        hold(e, tags[i], until, late);
    ae_unlock(e, &e->lock);
    return until;
}

/* Else whoever may ask for nothing could keep the cache empty by asking. */
void ae_quar_release(ae_engine *e, const ae_str *tags, size_t n, int64_t until)
{
    ae_lock(e, &e->lock);
    for (size_t i = 0; i < n; i++) {
        struct ae_quar *q = find(e, tags[i]);

        if (!q || q->late || q->until_us != until)
            continue;
        free((char *)(uintptr_t)q->tag.p);
        *q = e->quar[--e->nquar];
    }
    ae_unlock(e, &e->lock);
}

bool ae_quar_holds(ae_engine *e, const ae_str *tags, size_t n)
{
    bool held = false;
    int64_t now = 0;

    ae_lock(e, &e->lock);
    if (e->nquar || e->quar_all_us) {
        now = ae_edge_mono(e);
        held = e->quar_all_us > now;
    }
    for (size_t i = 0; i < n && !held && e->nquar; i++) {
        struct ae_quar *q = find(e, tags[i]);
        held = q && (q->until_us > now || q->late);
    }
    ae_unlock(e, &e->lock);
    return held;
}

/* Take what is due out of the table; at most |max|, the rest next time. */
static size_t take_due(ae_engine *e, int64_t now, ae_str *out, size_t max)
{
    size_t n = 0;

    ae_lock(e, &e->lock);
    for (size_t i = 0; i < e->nquar && n < max; ) {
        if (e->quar[i].late || e->quar[i].until_us <= now) {
            out[n++] = e->quar[i].tag;
            e->quar[i] = e->quar[--e->nquar];
        } else {
            i++;
        }
    }
    ae_unlock(e, &e->lock);
    return n;
}

/* Nobody remembers which tags did not fit in: what other processes stored
 * meanwhile goes, whatever it is. */
static void end_all(ae_engine *e, int64_t now)
{
    bool due;
    size_t n;
    const ae_str *all = ae_tags_all(&n);

    ae_lock(e, &e->lock);
    due = e->quar_all_us && e->quar_all_us <= now;
    ae_unlock(e, &e->lock);
    if (!due || bump(e, all, n) != AE_OK)
        return;
    ae_lock(e, &e->lock);
    if (e->quar_all_us <= now)
        e->quar_all_us = 0;
    ae_unlock(e, &e->lock);
}

void ae_quar_tick(ae_engine *e, int64_t now)
{
    ae_str due[AE_CACHE_TAGS_MAX];
    size_t n;

    if (!ae_edge_store(e))
        return;
    end_all(e, now);
    n = take_due(e, now, due, AE_CACHE_TAGS_MAX);
    if (n && bump(e, due, n) != AE_OK) {
        ae_lock(e, &e->lock);
        for (size_t i = 0; i < n; i++)
            hold(e, due[i], now, true);
        ae_unlock(e, &e->lock);
    }
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)due[i].p);
}

void ae_quar_free(ae_engine *e)
{
    for (size_t i = 0; i < e->nquar; i++)
        free((char *)(uintptr_t)e->quar[i].tag.p);
    e->nquar = 0;
}
