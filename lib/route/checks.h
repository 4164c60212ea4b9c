/*
 * checks.h - shared by object.c and object_app.c: the list being built.
 */
#ifndef AE_ROUTE_CHECKS_H
#define AE_ROUTE_CHECKS_H

#include "route/internal.h"

#define AE_CHECKS_MAX 6

struct ae_cx {
    const struct ae_route_conf *c;
    const struct ae_target     *t;
    const json_t               *body;
    ae_arena                   *a;
    struct ae_checks           *out;
    bool                        failed; /* out of memory */
};

/* Append; NULL (and x->failed) without memory.  |object| is the suffix of a
 * stored object. */
struct ae_check *ae_checks_add(struct ae_cx *x, ae_str res, ae_str act,
                               enum ae_obj_kind kind, ae_str object);
ae_str ae_cx_join(struct ae_cx *x, ae_str a, ae_str b);
ae_str ae_cx_get(const struct ae_cx *x, const char *name);
ae_str ae_cx_member(const struct ae_cx *x, const char *pre, const char *name);

/* Applications, application sets, terminal. */
void ae_checks_app(struct ae_cx *x, enum ae_recipe r);
bool ae_recheck_app(struct ae_cx *x, ae_str proj, ae_str ns, ae_str name);

#endif
