/*
 * project.c - AppProjects: the few members that RBAC and project tokens read
 * (semantics-rbac.md P and T8).  The rest of the object is not looked at.
 */
#include "config/internal.h"

#include <stdio.h>

/* The reader keeps the path to where it is, for the message and for finding
 * the line in the file. */
struct rd {
    ae_arena         *a;
    struct cfg_where *w;
    struct ae_err    *err;
};

static void enter(struct rd *r, const char *key, size_t index)
{
    if (r->w->n < sizeof(r->w->step) / sizeof(r->w->step[0])) {
        r->w->step[r->w->n].key = key;
        r->w->step[r->w->n].index = index;
    }
    r->w->n++;
}

static void leave(struct rd *r)
{
    r->w->n--;
}

static int wrong(struct rd *r, const char *want)
{
    char   path[256];
    size_t n = 0;

    path[0] = '\0';
    for (size_t i = 0; i < r->w->n && i < 8 && n < sizeof(path) - 72; i++) {
        const struct cfg_step *s = &r->w->step[i];
        int k = s->key ? snprintf(path + n, 64, "%s%.48s", n ? "." : "",
                                  s->key)
                       : snprintf(path + n, 64, "[%zu]", s->index);

        if (k > 0)
            n += (size_t)k;
    }
    return ae_err_set(r->err, AE_E_SYNTAX, "AppProject: %s must be %s",
                      n ? path : "the object", want);
}

static int nomem(struct rd *r)
{
    return ae_err_set(r->err, AE_E_NOMEM, "out of memory");
}

static int text(struct rd *r, const json_t *v, ae_str *out)
{
    if (!json_is_string(v))
        return wrong(r, "text (put it in quotes)");
    *out = ae_dup(r->a, ae_json_str(v));
    return out->p ? AE_OK : nomem(r);
}

/* A member that Kubernetes would leave out when empty: absent and null are
 * the same. */
static const json_t *member(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_null(v) ? NULL : v;
}

static int text_member(struct rd *r, const json_t *o, const char *key,
                       ae_str *out)
{
    const json_t *v = member(o, key);
    int           rc;

    if (!v)
        return AE_OK;
    enter(r, key, 0);
    rc = text(r, v, out);
    if (rc == AE_OK)
        leave(r);
    return rc;
}

static int number_member(struct rd *r, const json_t *o, const char *key,
                         int64_t *out)
{
    const json_t *v = member(o, key);

    if (!v)
        return AE_OK;
    enter(r, key, 0);
    if (json_is_integer(v)) {
        *out = (int64_t)json_integer_value(v);
    } else if (json_is_real(v) && json_real_value(v) >= -9e15
               && json_real_value(v) <= 9e15
               && (double)(int64_t)json_real_value(v) == json_real_value(v)) {
        *out = (int64_t)json_real_value(v);
    } else {
        return wrong(r, "a whole number");
    }
    leave(r);
    return AE_OK;
}

static int texts(struct rd *r, const json_t *o, const char *key,
                 const ae_str **out, size_t *n)
{
    const json_t *v = member(o, key), *e;
    size_t        i;
    ae_str       *s;
    int           rc = AE_OK;

    if (!v)
        return AE_OK;
    enter(r, key, 0);
    if (!json_is_array(v))
        return wrong(r, "a list of texts");
    s = ae_nalloc(r->a, json_array_size(v) + 1, sizeof(*s));
    if (!s)
        return nomem(r);
    json_array_foreach((json_t *)(uintptr_t)v, i, e) {
        enter(r, NULL, i);
        rc = text(r, e, &s[i]);
        if (rc != AE_OK)
            return rc;
        leave(r);
    }
    leave(r);
    *out = s;
    *n = json_array_size(v);
    return AE_OK;
}

static int token(struct rd *r, const json_t *v, struct ae_jwt_ref *t)
{
    int rc;

    if (!json_is_object(v))
        return wrong(r, "a mapping with iat, and id or exp");
    t->id = AE_STR("");
    rc = text_member(r, v, "id", &t->id);
    if (rc == AE_OK)
        rc = number_member(r, v, "iat", &t->iat);
    if (rc == AE_OK)
        rc = number_member(r, v, "exp", &t->exp);
    return rc;
}

static int tokens(struct rd *r, const json_t *o, const char *key,
                  struct ae_jwt_ref **out, size_t *n)
{
    const json_t      *v = member(o, key), *e;
    struct ae_jwt_ref *t;
    size_t             i;
    int                rc;

    if (!v)
        return AE_OK;
    enter(r, key, 0);
    if (!json_is_array(v))
        return wrong(r, "a list of tokens");
    t = ae_nalloc(r->a, json_array_size(v) + 1, sizeof(*t));
    if (!t)
        return nomem(r);
    json_array_foreach((json_t *)(uintptr_t)v, i, e) {
        enter(r, NULL, i);
        rc = token(r, e, &t[i]);
        if (rc != AE_OK)
            return rc;
        leave(r);
    }
    leave(r);
    *out = t;
    *n = json_array_size(v);
    return AE_OK;
}

static int role(struct rd *r, const json_t *v, struct ae_role *role)
{
    int rc;

    if (!json_is_object(v))
        return wrong(r, "a mapping with name, policies and groups");
    role->name = AE_STR("");
    rc = text_member(r, v, "name", &role->name);
    if (rc == AE_OK)
        rc = texts(r, v, "policies", &role->policies, &role->npolicies);
    if (rc == AE_OK)
        rc = texts(r, v, "groups", &role->groups, &role->ngroups);
    if (rc == AE_OK)
        rc = tokens(r, v, "jwtTokens", &role->spec_tokens,
                    &role->nspec_tokens);
    return rc;
}

static int spec(struct rd *r, const json_t *o, struct ae_project *p)
{
    const json_t *v, *e;
    size_t        i;
    int           rc;

    enter(r, "spec", 0);
    if (!json_is_object(o))
        return wrong(r, "a mapping");
    v = member(o, "roles");
    if (v) {
        enter(r, "roles", 0);
        if (!json_is_array(v))
            return wrong(r, "a list of roles");
        p->roles = ae_nalloc(r->a, json_array_size(v) + 1, sizeof(*p->roles));
        if (!p->roles)
            return nomem(r);
        p->nroles = json_array_size(v);
        json_array_foreach((json_t *)(uintptr_t)v, i, e) {
            enter(r, NULL, i);
            rc = role(r, e, &p->roles[i]);
            if (rc != AE_OK)
                return rc;
            leave(r);
        }
        leave(r);
    }
    leave(r);
    return AE_OK;
}

static int status(struct rd *r, const json_t *o, struct ae_project *p)
{
    json_t     *map;
    const char *key;
    size_t      len, i = 0;
    json_t     *v;
    int         rc;

    enter(r, "status", 0);
    if (!json_is_object(o))
        return wrong(r, "a mapping");
    map = (json_t *)(uintptr_t)member(o, "jwtTokensByRole");
    if (!map)
        goto done;
    enter(r, "jwtTokensByRole", 0);
    if (!json_is_object(map))
        return wrong(r, "a mapping of role to items");
    p->tokens = ae_nalloc(r->a, json_object_size(map) + 1,
                          sizeof(*p->tokens));
    if (!p->tokens)
        return nomem(r);
    json_object_keylen_foreach(map, key, len, v) {
        struct ae_role_tokens *t = &p->tokens[i++];

        enter(r, key, 0);
        t->role = ae_dup(r->a, ae_s(key, len));
        if (!t->role.p)
            return nomem(r);
        if (!json_is_object(v) && !json_is_null(v))
            return wrong(r, "a mapping with items");
        rc = tokens(r, v, "items", &t->items, &t->n);
        if (rc != AE_OK)
            return rc;
        leave(r);
    }
    p->ntokens = i;
    leave(r);
done:
    leave(r);
    return AE_OK;
}

int cfg_project(ae_arena *a, const json_t *o, struct ae_project *out,
                struct cfg_where *w, struct ae_err *err)
{
    struct rd     r = { a, w, err };
    const json_t *v;
    int           rc;

    memset(out, 0, sizeof(*out));
    w->n = 0;
    if (!json_is_object(o))
        return wrong(&r, "a mapping");
    v = member(o, "metadata");
    enter(&r, "metadata", 0);
    if (!json_is_object(v))
        return wrong(&r, "a mapping with the project's name");
    rc = text_member(&r, v, "name", &out->name);
    if (rc != AE_OK)
        return rc;
    if (out->name.n == 0) {
        enter(&r, "name", 0);
        return wrong(&r, "the project's name");
    }
    rc = text_member(&r, v, "namespace", &out->ns);
    if (rc != AE_OK)
        return rc;
    if (out->ns.n == 0)
        out->ns = ae_s(NULL, 0);
    leave(&r);
    if ((v = member(o, "spec")) != NULL && (rc = spec(&r, v, out)) != AE_OK)
        return rc;
    if ((v = member(o, "status")) != NULL)
        return status(&r, v, out);
    return AE_OK;
}

int ae_project_from_json(ae_arena *a, const json_t *o, struct ae_project *out,
                         struct ae_err *err)
{
    struct cfg_where w;

    return cfg_project(a, o, out, &w, err);
}
