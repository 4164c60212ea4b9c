/*
 * refresh.c - a stale answer is served at once, and fetched anew behind the
 * client's back (RFC 5861 section 3), where the shell can do that.  It was
 * decided again like any hit; its claim makes the one who comes first the one
 * who asks, so that there is one question, as without this.
 */
#include "edge/edge.h"

/* What the upstream says is shown by ae_txn_response() and so on, as if the
 * request had been forwarded. */
bool ae_refresh_begin(ae_txn *t)
{
    ae_store *s = ae_edge_store(t->e);
    int rc;

    /* Caps on calls under way are judged in front of a forward only. */
    if (!t->e->host.refreshes || t->loc->ncalls || !t->claimed || !t->stale)
        return false;
    ae_lock(t->e, &t->e->store_lock);
    rc = s->ops->generations(s, t->tags, t->ntags, t->gen);
    ae_unlock(t->e, &t->e->store_lock);
    if (rc != AE_OK || !ae_serve_stale(t))
        return false;
    t->store_wanted = true;
    t->refreshing = true;
    t->act.refresh = true;
    t->act.fetch.target = t->req->target;
    ae_fetch_credential(t);
    return true;
}
