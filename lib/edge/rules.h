/*
 * rules.h - the operator's own rules in force: what argo-edge.yaml says,
 * joined with the table of operations.  Private to lib/edge.
 */
#ifndef AE_EDGE_RULES_H
#define AE_EDGE_RULES_H

#include "edge/edge.h"

#define AE_OPS_WORDS 4 /* operations, 64 to a word */

/* Operations by class, as the words read, write and sync mean them. */
enum ae_op_class { AE_CLASS_OPEN = 0, AE_CLASS_READ, AE_CLASS_WRITE,
                   AE_CLASS_SYNC };
enum ae_op_class ae_rules_class(const struct ae_op *op);

struct ae_rule_force {
    const struct ae_own_rule *rule;
    uint64_t ops[AE_OPS_WORDS];
    bool     unknown;      /* meant are also writes that no table knows */
};

struct ae_ruleset {
    const struct ae_rules *in;
    struct ae_rule_force  *v;
    size_t                 n;
};

/* *out is NULL if there are no rules.  AE_E_SYNTAX: a word means no operation,
 * |err| has its place.  All lives in |a| and |in|. */
int  ae_rules_build(ae_arena *a, const struct ae_rules *in,
                    const struct ae_ruleset **out, struct ae_err *err);
bool ae_rules_op(const struct ae_rule_force *f, const struct ae_op *op);

/* Does a condition on tokens mean one of |kind|, of |user| (T1) with the
 * groups of |s|?  And is one that was issued at |iat| past its age? */
bool ae_rules_whose(const struct ae_own_rule *u, enum ae_token_kind kind,
                    ae_str user, const struct ae_subject *s);
bool ae_rules_too_old(const struct ae_own_rule *u, bool has_iat, int64_t iat,
                      int64_t now);

/* '*' for any bytes, everything else for itself. */
bool ae_rules_like(ae_str pattern, ae_str s);
bool ae_rules_any_like(const struct ae_words *w, ae_str s);
/* 0: the freeze is off at |now| (unix seconds); else when it ends. */
int64_t ae_rules_frozen(const struct ae_own_rule *u, int64_t now);

/* AE_OK: t->body is all there is.  AE_E_AGAIN: t->act asks for it; AE_E_UNSUP:
 * it is over |max|. */
int ae_rules_ask_body(ae_txn *t, size_t max);
/* What the sync of this request does, AE_SYNC_*.  As above; AE_E_UNSUP: it
 * cannot be told; AE_E_INVAL: t->act refuses. */
int ae_rules_sync_facts(ae_txn *t, unsigned *facts);
bool ae_rules_is_sync(const struct ae_op *op);
/* The project that the body of a REST call names, which Argo CD then demands
 * of the application; absent if it names none.  As ae_rules_ask_body(). */
int  ae_rules_body_project(ae_txn *t, ae_str *out);

#endif
