/*
 * csv.h - private to lib/policy: texts shared by csv.c and projects.c.
 */
#ifndef AE_POLICY_CSV_H
#define AE_POLICY_CSV_H

#include "policy/policy.h"

/* Append |s| as Go's strconv.Quote (fmt's %q) writes it. */
void ae_go_quote(ae_buf *b, ae_str s);

#endif
