/*
 * share.h - private to lib/edge: answers that callers of equal rights share.
 */
#ifndef AE_EDGE_SHARE_H
#define AE_EDGE_SHARE_H

#include "edge/edge.h"

#define AE_SHARE_UNPROVEN (1u << 16) /* tests: of ae_engine.share_less */

/* May callers of equal rights share the answer?  Then t->rights->shared is
 * its scope, and t->shared is set. */
bool ae_share_asks(ae_txn *t);
/* Is it a list, whose items must all be seen before it is kept for others? */
bool ae_share_list(const ae_txn *t);
/* Where to keep it: t->key, or t->own_key if the snapshot does not show that
 * everybody whose key that is may see this |body| (absent: it is not at hand)
 * of |o|.  NULL: no memory. */
const struct ae_cache_key *ae_share_key(ae_txn *t, const struct ae_object *o,
                                        ae_str body);
/* t->own_key of a request that is shared; false: it has none. */
bool ae_share_own(ae_txn *t);
/* steps_cache.c: the key of this request for those of |scope|. */
int  ae_key_of(ae_txn *t, ae_str scope, struct ae_cache_key *out);

#endif
