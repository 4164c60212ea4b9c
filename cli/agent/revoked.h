/*
 * revoked.h - private to `argo-edge agent`: Argo CD's list of revoked tokens.
 */
#ifndef AE_AGENT_REVOKED_H
#define AE_AGENT_REVOKED_H

#include "agent.h"
#include "edge/marks.h"

struct follow;

/* |z| is borrowed and can be written.  NULL: no memory, or no room there. */
struct follow *follow_open(const struct redis_conf *r, const ae_zone *z);
void follow_turn(struct follow *f);   /* never waits */
/* Until something comes, at most |ms|. */
void follow_wait(const struct follow *f, int ms);
bool follow_well(const struct follow *f, char *line, size_t n); /* health */
void follow_close(struct follow *f);

#endif
