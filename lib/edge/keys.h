/*
 * keys.h - private to lib/edge: the SSO provider's documents at run time.
 */
#ifndef AE_EDGE_KEYS_H
#define AE_EDGE_KEYS_H

#include "edge/edge.h"

int  ae_keys_open(ae_engine *e);   /* after the zone; AE_E_NOMEM */
void ae_keys_close(ae_engine *e);
void ae_keys_tick(ae_engine *e);
/* Another snapshot comes into force; under the engine's lock. */
void ae_keys_publish(ae_engine *e, const ae_snapshot *was, ae_snapshot *is);

/* ae_token_check() with the documents in force.  Returns the generation of
 * what the verdict depends on, for ae_seen_put(). */
uint64_t ae_keys_check(ae_txn *t, ae_str token, struct ae_token_result *r);
uint64_t ae_keys_generation(const ae_txn *t);
/* Old enough to be fetched anew, whatever tokens come. */
bool ae_keys_due(const ae_engine *e);

/* A key is lacked (or the set is due).  ACT: this request fetches; MORE: it
 * does not, go on with what there is. */
enum ae_step_ret ae_keys_want(ae_txn *t);
/* The answer of a sub-request; false: it was not one of ours. */
bool ae_keys_fetched(ae_txn *t, uint32_t id, int status, ae_str body,
                     bool whole);
/* In the midst of fetching?  Then *ret is what the step says. */
bool ae_keys_going_on(ae_txn *t, enum ae_step_ret *ret);

/* How often a key was lacked by those who share |z|: for the agent. */
uint64_t ae_keys_wanted(const ae_zone *z);
/* The agent asked for the documents: counted for metrics.  |n|: failures, then
 * successes. */
void ae_keys_agent_count(const ae_zone *z, bool good);
void ae_keys_agent_counted(const ae_zone *z, uint64_t n[2]);

/* ---- revoke.c ----------------------------------------------------------- */

/* A logout passes: the identifiers of its token count as revoked from now on,
 * for whoever shares the zone.  Argo CD decides about them. */
void ae_revoke_logout(ae_txn *t);
/* Its answer came: what was asked meanwhile says nothing. */
void ae_revoke_again(ae_txn *t);
/* Argo CD accepted a token that ae_revoke_hit() knew when its request came
 * (t->revoked_ns): the logout was without effect. */
void ae_revoke_clear(ae_txn *t);
/* Was a token with an identifier of these claims logged out here? */
bool ae_revoke_hit(ae_engine *e, const json_t *claims);

#define AE_REVOKED "token is revoked, please re-login"
/* Does Argo CD's own list name the token? */
bool ae_revoke_listed(const ae_engine *e, const struct ae_identity *id);
/* The same of a token of Argo CD's that is refused for something else, of
 * which Argo CD would speak later. */
bool ae_revoke_listed_too(ae_txn *t);

#endif
