/* status.h - the status page and what it asks for, as JSON. */
#ifndef AE_EDGE_STATUS_H
#define AE_EDGE_STATUS_H

#include "edge/edge.h"

extern const char ae_status_html[]; /* status_html.c */

/* The value of |name| in the query of |target|, decoded; absent if it is not
 * there, is no UTF-8, or without memory. */
ae_str ae_status_param(ae_arena *a, ae_str target, ae_str name);
/* The caller drops them; NULL without memory. */
json_t *ae_status_data(ae_txn *t);
/* A question to the policy in force, put by an administrator. */
json_t *ae_status_can(ae_txn *t);
/* A decision by its id; NULL: it is not (or no more) known. */
json_t *ae_status_explain(ae_txn *t, ae_str id);

#endif
