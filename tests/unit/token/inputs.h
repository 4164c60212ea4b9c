/*
 * inputs.h - a small reader of an inputs directory for the token tests, which
 * link no lib/config: accounts, secret, project tokens, a case's patch.
 */
#ifndef AE_TEST_TOKEN_INPUTS_H
#define AE_TEST_TOKEN_INPUTS_H

#include "base/inputs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

struct test_inputs {
    ae_heap          heap;
    ae_arena         a;
    struct ae_inputs in;
    json_t          *raw;       /* {object: {key: text}} */
};

static ae_str test_file(ae_arena *a, const char *path)
{
    ae_str out = { NULL, 0 };
    FILE  *f = fopen(path, "rb");
    char  *p;
    long   n;

    if (!f)
        return out;
    fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);
    p = n >= 0 ? ae_alloc(a, (size_t)n + 1) : NULL;
    if (p && fread(p, 1, (size_t)n, f) == (size_t)n)
        out = ae_s(p, (size_t)n);
    fclose(f);
    return out;
}

/* Every file of |dir|/|object| as a member of one JSON object. */
static json_t *test_dir(ae_arena *a, const char *dir, const char *object)
{
    char           path[4096];
    json_t        *o;
    struct dirent *e;
    DIR           *d;

    snprintf(path, sizeof(path), "%s/%s", dir, object);
    d = opendir(path);
    if (!d)
        return NULL;
    o = json_object();
    while ((e = readdir(d))) {
        ae_str text;

        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s/%s", dir, object, e->d_name);
        text = test_file(a, path);
        json_object_set_new(o, e->d_name,
                            json_stringn(text.p ? text.p : "", text.n));
    }
    closedir(d);
    return o;
}

static ae_str test_get(const struct test_inputs *t, const char *object,
                       const char *key)
{
    return ae_json_get_str(json_object_get(t->raw, object), key);
}

static void test_api_tokens(struct test_inputs *t, struct ae_account *c,
                            ae_str text)
{
    json_t *v = text.p ? ae_json_parse(text, 16, NULL) : NULL;

    /* a list that is no JSON means "no tokens" (vectors/README.md) */
    c->tokens = ae_nalloc(&t->a, json_array_size(v) + 1, sizeof(*c->tokens));
    for (size_t i = 0; i < json_array_size(v); i++)
        c->tokens[c->ntokens++].id =
            ae_dup(&t->a, ae_json_get_str(json_array_get(v, i), "id"));
    json_decref(v);
}

static struct ae_account *test_account(struct test_inputs *t, ae_str name)
{
    struct ae_account *c;

    for (size_t i = 0; i < t->in.naccounts; i++)
        if (ae_eq(t->in.accounts[i].name, name))
            return &t->in.accounts[i];
    c = &t->in.accounts[t->in.naccounts++];
    c->name = ae_dup(&t->a, name);
    c->enabled = true;
    return c;
}

static void test_caps(struct ae_account *c, ae_str list)
{
    while (list.p) {
        ae_str one;

        list = ae_cut(list, ',', &one);
        one = ae_trim_space(one);
        c->cap_login |= ae_eq_lit(one, "login");
        c->cap_apikey |= ae_eq_lit(one, "apiKey");
    }
}

static void test_accounts(struct test_inputs *t)
{
    json_t     *cm = json_object_get(t->raw, "argocd-cm"), *v;
    const char *k;
    ae_str      s;

    t->in.accounts = ae_nalloc(&t->a, json_object_size(cm) + 1,
                               sizeof(*t->in.accounts));
    test_account(t, AE_STR("admin"))->cap_login = true;
    json_object_foreach(cm, k, v) {
        ae_str name, suffix, rest = ae_cs(k);

        if (!ae_starts(rest, AE_STR("accounts.")))
            continue;
        suffix = ae_cut(ae_sub(rest, 9, rest.n), '.', &name);
        if (ae_find(suffix, '.') < suffix.n)
            continue;
        if (!suffix.p)
            test_caps(test_account(t, name), ae_json_str(v));
        else if (ae_eq_lit(suffix, "enabled"))
            test_account(t, name)->enabled =
                ae_eq_lit(ae_json_str(v), "true");
        else
            test_account(t, name);
    }
    s = test_get(t, "argocd-cm", "admin.enabled");
    if (s.p)
        t->in.accounts[0].enabled = ae_eq_lit(s, "true");
    for (size_t i = 0; i < t->in.naccounts; i++) {
        struct ae_account *c = &t->in.accounts[i];
        const char        *pre = i ? "accounts." : "";
        char               key[512];

        snprintf(key, sizeof(key), "%s%.*s.tokens", pre, (int)c->name.n,
                 c->name.p);
        test_api_tokens(t, c, test_get(t, "argocd-secret", key));
        snprintf(key, sizeof(key), "%s%.*s.passwordMtime", pre,
                 (int)c->name.n, c->name.p);
        s = test_get(t, "argocd-secret", key);
        c->has_mtime = s.n && ae_parse_rfc3339(s, &c->mtime, NULL);
    }
}

/* The names alone: as recorded, the spec has the tokens of the status. */
static void test_roles(struct test_inputs *t, struct ae_project *p,
                       const json_t *v)
{
    const json_t *roles = json_object_get(json_object_get(v, "spec"),
                                          "roles"), *r;
    size_t        i;

    p->roles = ae_zalloc(&t->a, (json_array_size(roles) + 1)
                                * sizeof(*p->roles));
    json_array_foreach(roles, i, r)
        p->roles[p->nroles++].name = ae_dup(&t->a,
                                            ae_json_get_str(r, "name"));
}

static void test_project(struct test_inputs *t, json_t *v)
{
    struct ae_project *p = &t->in.projects[t->in.nprojects++];
    json_t            *meta = json_object_get(v, "metadata");
    json_t            *by = json_object_get(json_object_get(v, "status"),
                                            "jwtTokensByRole"), *r;
    const char        *k;

    p->name = ae_dup(&t->a, ae_json_get_str(meta, "name"));
    p->ns = ae_dup(&t->a, ae_json_get_str(meta, "namespace"));
    test_roles(t, p, v);
    p->tokens = ae_nalloc(&t->a, json_object_size(by) + 1,
                          sizeof(*p->tokens));
    json_object_foreach(by, k, r) {
        struct ae_role_tokens *o = &p->tokens[p->ntokens++];
        json_t                *items = json_object_get(r, "items");

        o->role = ae_dup(&t->a, ae_cs(k));
        o->n = json_array_size(items);
        o->items = ae_nalloc(&t->a, o->n + 1, sizeof(*o->items));
        for (size_t i = 0; i < o->n; i++) {
            json_t *it = json_array_get(items, i);

            o->items[i].id = ae_dup(&t->a, ae_json_get_str(it, "id"));
            o->items[i].iat =
                json_integer_value(json_object_get(it, "iat"));
        }
    }
}

/* Read |dir| with |patch| laid over it.  Freed by test_inputs_free(). */
static int test_inputs_load(struct test_inputs *t, const char *dir,
                            const json_t *patch)
{
    static const char *const objects[] = { "argocd-cm", "argocd-secret",
                                           "argocd-rbac-cm", "appprojects" };
    json_t     *v, *p;
    const char *k;

    memset(t, 0, sizeof(*t));
    ae_arena_init(&t->a, ae_heap_mem(&t->heap), NULL, 0);
    t->raw = json_object();
    for (size_t i = 0; i < 4; i++)
        if ((v = test_dir(&t->a, dir, objects[i])))
            json_object_set_new(t->raw, objects[i], v);
    json_object_foreach((json_t *)(uintptr_t)patch, k, v) {
        if (!json_object_get(t->raw, k))
            json_object_set_new(t->raw, k, json_object());
        json_object_update(json_object_get(t->raw, k), v);
    }
    t->in.have_accounts = json_object_get(t->raw, "argocd-cm") != NULL;
    t->in.have_secret = json_object_get(t->raw, "argocd-secret") != NULL;
    p = json_object_get(t->raw, "appprojects");
    t->in.have_projects = p != NULL;
    t->in.projects = ae_nalloc(&t->a, json_object_size(p) + 1,
                               sizeof(*t->in.projects));
    json_object_foreach(p, k, v) {
        json_t *one = ae_json_parse(ae_json_str(v), 64, NULL);

        if (one)
            test_project(t, one);
        json_decref(one);
    }
    test_accounts(t);
    t->in.secret_key = test_get(t, "argocd-secret", "server.secretkey");
    t->in.anonymous = ae_eq_lit(test_get(t, "argocd-cm",
                                         "users.anonymous.enabled"), "true");
    t->in.sso.kind = test_get(t, "argocd-cm", "oidc.config").n
                  || test_get(t, "argocd-cm", "dex.config").n
                   ? AE_SSO_UNKNOWN : AE_SSO_NONE;
    return t->in.accounts ? 0 : -1;
}

static void test_inputs_free(struct test_inputs *t)
{
    json_decref(t->raw);
    ae_heap_free(&t->heap);
}

#endif
