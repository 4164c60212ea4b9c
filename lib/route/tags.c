/*
 * tags.c - which tags a request reads or moves (T13): the templates of
 * operations.def with the parameters put in.  What is not certain widens to
 * the family.
 */
#include "route/internal.h"

#define AE_TAGS_MAX 12 /* of one row */

static bool is_app(const struct ae_target *t)
{
    return strcmp(t->op->resource, "applications") == 0;
}

/* Namespace of the object; false: the request does not tell. */
static bool tag_ns(const struct ae_route_conf *c, const struct ae_target *t,
                   const json_t *body, ae_str *ns)
{
    const char *field = "appNamespace";

    if (t->op->id == AE_OPID_ApplicationService_ListLinks)
        field = "namespace";
    else if (!is_app(t))
        field = "appsetNamespace";
    if (t->kind != AE_TGT_GRPC && t->op->body_all) {
        /* the body says it; Go would also take APPNAMESPACE */
        if (!json_is_null(body) && !json_is_object(body))
            return false;
        if (!ae_body_sure(body, "appNamespace:s"))
            return false;
        *ns = ae_body_str(body, field);
    } else {
        *ns = ae_target_get(t, field);
    }
    if (!ns->n)
        *ns = c->ns;
    return true;
}

static ae_str tag_value(const struct ae_target *t, ae_str place)
{
    for (size_t i = 0; i < t->npath; i++)
        if (ae_eq(t->path_par[i].name, place))
            return t->path_par[i].value;
    /* {name}: the first path parameter, however it is called */
    if (ae_eq_lit(place, "name") && t->npath)
        return t->path_par[0].value;
    return ae_s(NULL, 0);
}

/* One template, "app:{ns}/{name}" or a plain word, to a tag. */
static int expand(const struct ae_route_conf *c, const struct ae_target *t,
                  const json_t *body, ae_str tmpl, ae_arena *a, ae_str *out)
{
    ae_str pre, rest, name, ns = { NULL, 0 };

    *out = tmpl;
    rest = ae_cut(tmpl, '{', &pre);
    if (!rest.p)
        return AE_OK;
    if (ae_starts(rest, AE_STR("ns}"))) {
        name = tag_value(t, AE_STR("name"));
        if (!name.n || t->doubtful || !tag_ns(c, t, body, &ns)) {
            *out = !name.n || t->doubtful
                ? ae_concat(a, (ae_str[]) { pre, AE_STR("?") }, 2)
                : ae_concat(a, (ae_str[]) { pre, AE_STR("?/"), name }, 3);
        } else {
            *out = ae_concat(a, (ae_str[]) { pre, ns, AE_STR("/"), name }, 4);
        }
    } else { /* "app:?/{name}", "project:{project}" */
        (void) ae_cut(rest, '}', &name);
        name = tag_value(t, name);
        *out = ae_concat(a, (ae_str[]) { pre, name }, 2);
    }
    return out->p ? AE_OK : AE_E_NOMEM;
}

/* A GET that writes (T10): what its side effect touches. */
static const char *side_effect_tags(const struct ae_target *t)
{
    if (t->op->id == AE_OPID_ApplicationService_Get)
        return "applications app:{ns}/{name}";
    if (strstr(t->op->resource, "repositories"))
        return "repositories";
    return "";
}

int ae_route_tags(const struct ae_route_conf *c, const struct ae_target *t,
                  const json_t *body, char kind, ae_arena *a,
                  ae_str **tags, size_t *n)
{
    ae_str rest, one;
    int    rc;

    *tags = NULL;
    *n = 0;
    if (!t->op || (kind != 'r' && kind != 'w'))
        return t->op ? AE_E_INVAL : AE_OK;
    rest = ae_cs(kind == 'r' ? t->op->reads : t->op->writes);
    if (kind == 'w' && !rest.n && t->side_effect)
        rest = ae_cs(side_effect_tags(t));
    if (!rest.n)
        return AE_OK;
    *tags = ae_nalloc(a, AE_TAGS_MAX, sizeof **tags);
    if (!*tags)
        return AE_E_NOMEM;
    while (rest.n && *n < AE_TAGS_MAX) {
        rest = ae_cut(rest, ' ', &one);
        rc = expand(c, t, body, one, a, &(*tags)[*n]);
        if (rc != AE_OK) {
            *tags = NULL;
            *n = 0;
            return rc;
        }
        ++*n;
    }
    return AE_OK;
}
