/*
 * rbac.c - argocd-rbac-cm: the policy with its overlays (C7), the default
 * role, the match mode (M1) and the scopes (T7).
 */
#include "config/internal.h"

/* "[groups, email]".  As Argo CD, whose yaml.v2 reads into a list that is
 * empty at first: an empty text or a YAML null leaves the default; a list
 * replaces it, also an empty one, and so does a text without any document
 * (blanks, comments): no groups at all.  Numbers and booleans in the list stay
 * as they are written, anything else is an error. */
int ae_scopes_parse(ae_arena *a, ae_str yaml, const ae_str **out, size_t *n,
                    bool *set, struct ae_err *err)
{
    struct cfg_docs        docs;
    const struct cfg_node *list;
    ae_str                *s;
    size_t                 count = 0;
    int                    rc;

    *out = NULL;
    *n = 0;
    *set = false;
    if (yaml.n == 0)
        return AE_OK;
    rc = cfg_yaml_parse(a, yaml, ae_s(NULL, 0), 0, 1, &docs, err);
    if (rc != AE_OK)
        return rc;
    *set = docs.n == 0;
    if (docs.n == 0 || docs.doc[0]->type == CFG_NULL)
        return AE_OK;
    list = docs.doc[0];
    if (list->type != CFG_SEQ)
        return ae_err_at(err, AE_E_SYNTAX, ae_s(NULL, 0), list->line,
                         list->column, "scopes is %s; write a list such as "
                         "[groups, email]", cfg_type_name(list));
    for (const struct cfg_node *c = list->first; c; c = c->next)
        count++;
    s = ae_nalloc(a, count + 1, sizeof(*s));
    if (!s)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    count = 0;
    for (const struct cfg_node *c = list->first; c; c = c->next) {
        if (c->type == CFG_SEQ || c->type == CFG_MAP)
            return ae_err_at(err, AE_E_SYNTAX, ae_s(NULL, 0), c->line,
                             c->column, "a scope is %s; write the name of a "
                             "claim", cfg_type_name(c));
        s[count++] = c->type == CFG_NULL ? AE_STR("") : c->text;
    }
    *out = s;
    *n = count;
    *set = true;
    return AE_OK;
}

static bool is_overlay(ae_str key)
{
    return ae_starts(key, AE_STR("policy.")) && ae_ends(key, AE_STR(".csv"))
        && !ae_eq_lit(key, "policy.csv");
}

/* The main text first, then the others; |o| is sorted already. */
static int parts(struct cfg_load *l, const struct cfg_object *o)
{
    struct ae_rbac_in    *r = &l->in->rbac;
    const struct ae_text *main = cfg_object_text(o, "policy.csv");

    r->parts = ae_nalloc(l->a, o->n + 1, sizeof(*r->parts));
    if (!r->parts)
        return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
    if (main)
        r->parts[0] = *main;
    else
        r->parts[0] = (struct ae_text){ .line = 1, .key = AE_STR("policy.csv"),
                                        .text = AE_STR("") };
    r->nparts = 1;
    for (size_t i = 0; i < o->n; i++)
        if (is_overlay(o->kv[i].key))
            r->parts[r->nparts++] = o->kv[i];
    return AE_OK;
}

static void odd_spaces(struct cfg_load *l, const struct ae_text *t)
{
    if (t && t->text.n != ae_trim_space(t->text).n)
        cfg_warn(l, t, "begins or ends with white space or a line feed, which "
                 "Argo CD takes as a part of the name");
}

int cfg_rbac(struct cfg_load *l, const struct cfg_object *o)
{
    struct ae_rbac_in    *r = &l->in->rbac;
    const struct ae_text *t;
    int                   rc;

    rc = parts(l, o);
    if (rc != AE_OK)
        return rc;
    t = cfg_object_text(o, "policy.default");
    r->default_role = t ? t->text : AE_STR("");
    odd_spaces(l, t);
    t = cfg_object_text(o, "policy.matchMode");
    r->mode = t && ae_eq_lit(t->text, "regex") ? AE_MATCH_REGEX
                                               : AE_MATCH_GLOB;
    if (t && t->text.n && !ae_eq_lit(t->text, "regex")
        && !ae_eq_lit(t->text, "glob"))
        cfg_warn(l, t, "is neither glob nor regex; Argo CD takes it as glob");
    t = cfg_object_text(o, "scopes");
    if (t) {
        struct ae_err e = { 0 };

        rc = ae_scopes_parse(l->a, t->text, &r->scopes, &r->nscopes,
                             &r->scopes_set, &e);
        if (rc != AE_OK)
            return ae_err_at(l->err, rc, t->file,
                             e.line ? t->line + e.line - 1 : t->line, e.column,
                             "%s", e.text);
    }
    return AE_OK;
}
