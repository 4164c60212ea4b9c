/*
 * snapshot.c - one immutable picture of what decides: policy, projects,
 * accounts, keys.  A request holds one from its first byte to its last (F19).
 */
#include "edge/rules.h"

#include <stdio.h>
#include <stdlib.h>

#define AE_KEY_FORMAT "1" /* of the cache key: raise when fields change (R34) */

/* ---- building ----------------------------------------------------------- */

static int build_policy(ae_snapshot *s, const ae_conf *c, struct ae_err *err)
{
    struct ae_policy_in in = {
        .builtin = true,
        .rbac = &s->in.rbac,
        .projects = s->in.projects,
        .nprojects = s->in.nprojects,
        .ns = c->ns,
    };

    /* auto = complete if appprojects/ exists (design section 6). */
    s->partial = c->projects == AE_PARTIAL
        || (c->projects == AE_AUTO && !s->in.have_projects);
    in.projects_partial = s->partial;
    return ae_policy_new(&in, &s->policy, err);
}

/* F18: no policy line at all.  Legal at the start (a stock installation), a
 * reason to wait when it happens later. */
static bool policy_empty(const struct ae_rbac_in *r)
{
    for (size_t i = 0; i < r->nparts; i++)
        if (ae_trim(r->parts[i].text).n)
            return false;
    return true;
}

/* What decides a filtered list (T9): the lines, and what is asked around
 * them.  Which projects are known only ever turns an answer to unknown. */
static int make_epochs(ae_snapshot *s, const ae_conf *c)
{
    const struct ae_rbac_in *r = &s->in.rbac;
    uint64_t h = 0;

    for (size_t i = 0; i < r->nscopes; i++)
        h = ae_hash64(r->scopes[i], h + 1);
    h = ae_hash64(r->default_role, h);
    for (size_t i = 0; i < s->in.nprojects; i++)
        h = ae_hash64(s->in.projects[i].name, h);
    s->policy_epoch = ae_fmt(&s->arena, "%016llx%016llx%d%d",
                             (unsigned long long)ae_policy_hash(s->policy),
                             (unsigned long long)h, (int)r->mode,
                             (int)r->scopes_set);
    s->conf_epoch = ae_fmt(&s->arena, AE_KEY_FORMAT "|%zu:%.*s|%zu:%.*s|"
                           "%zu:%.*s|%d", c->ns.n, (int)c->ns.n, c->ns.p,
                           c->root_path.n, (int)c->root_path.n,
                           c->root_path.n ? c->root_path.p : "",
                           c->upstream_version.n, (int)c->upstream_version.n,
                           c->upstream_version.n ? c->upstream_version.p : "",
                           (int)s->in.anonymous);
    return s->arena.failed ? AE_E_NOMEM : AE_OK;
}

static void make_id(ae_snapshot *s)
{
    uint64_t h = ae_hash64(s->policy_epoch, s->in.content_hash);

    h = ae_hash64(s->conf_epoch, h);
    snprintf(s->id, sizeof s->id, "%016llx", (unsigned long long)h);
}

ae_str ae_origin_host(ae_str url)
{
    size_t at = ae_find_str(url, AE_STR("://"));
    bool https = ae_ieq(ae_sub(url, 0, 5), AE_STR("https"));
    ae_str host = url;
    size_t end;

    if (at != SIZE_MAX)
        host = ae_sub(url, at + 3, url.n);
    end = ae_find(host, '/');
    host = ae_sub(host, 0, end);
    if (at != SIZE_MAX && https && ae_ends(host, AE_STR(":443")))
        host.n -= 4;
    else if (at != SIZE_MAX && !https && ae_ends(host, AE_STR(":80")))
        host.n -= 3;
    return host;
}

static ae_str cm_key(const ae_snapshot *s, ae_str key)
{
    for (size_t i = 0; i < s->in.ncm; i++)
        if (ae_eq(s->in.cm[i].key, key))
            return s->in.cm[i].text;
    return ae_s(NULL, 0);
}

/* R26: the origins that are ours besides the Host of the request. */
static int make_origins(ae_snapshot *s)
{
    struct ae_err ignore = { 0 };
    ae_str more = cm_key(s, AE_STR("additionalUrls"));
    json_t *list = NULL;
    size_t n = 1;
    ae_str *o;

    if (more.n)
        list = ae_yaml_to_json(more, AE_STR("additionalUrls"), &ignore);
    if (json_is_array(list))
        n += json_array_size(list);
    o = ae_nalloc(&s->arena, n, sizeof *o);
    if (o) {
        if (s->in.url.n)
            o[s->norigins++] = ae_origin_host(ae_trim(s->in.url));
        for (size_t i = 0; i + 1 < n; i++) {
            ae_str u = ae_json_str(json_array_get(list, i));
            if (u.n)
                o[s->norigins++] = ae_dup(&s->arena, ae_origin_host(u));
        }
    }
    s->origins = o;
    json_decref(list);
    return s->arena.failed ? AE_E_NOMEM : AE_OK;
}

static int make_warnings(ae_snapshot *s)
{
    size_t n = s->in.nwarnings + 3;
    const char *keys = ae_tokens_keys_error(s->tokens);

    s->warn = ae_nalloc(&s->arena, n, sizeof *s->warn);
    if (!s->warn)
        return AE_E_NOMEM;
    for (size_t i = 0; i < s->in.nwarnings; i++) {
        const struct ae_text *w = &s->in.warnings[i];
        ae_str t = w->file.n
            ? ae_fmt(&s->arena, "%.*s:%u: %.*s", (int)w->file.n, w->file.p,
                     w->line, (int)w->text.n, w->text.p)
            : ae_fmt(&s->arena, "%.*s", (int)w->text.n, w->text.p);
        if (t.p)
            s->warn[s->nwarn++] = t.p;
    }
    if (!s->blind && !s->in.have_secret)
        s->warn[s->nwarn++] = "no argocd-secret among the inputs: tokens of"
            " Argo CD cannot be verified here and are forwarded uncached";
    if (!s->blind && !s->in.have_accounts)
        s->warn[s->nwarn++] = "no argocd-cm among the inputs: accounts and"
            " anonymous access are unknown, so nobody is refused for lack of"
            " a token";
    if (keys)
        keys = ae_fmt(&s->arena, "oidc/ among the inputs: %s; SSO tokens are"
                      " forwarded uncached", keys).p;
    if (keys)
        s->warn[s->nwarn++] = keys;
    return s->arena.failed ? AE_E_NOMEM : AE_OK;
}

static int build(ae_snapshot *s, const ae_conf *c, struct ae_err *err)
{
    int rc = AE_OK;

    s->blind = c->inputs.n == 0;
    if (!s->blind)
        rc = ae_inputs_load(c->inputs, c, &s->heap, &s->in, &s->src, err);
    ae_arena_init(&s->arena, ae_heap_mem(&s->heap), NULL, 0);
    if (rc)
        return rc;
    s->empty = policy_empty(&s->in.rbac);
    rc = build_policy(s, c, err);
    if (!rc)
        rc = ae_tokens_new(&s->in, c->ns, &s->tokens, err);
    if (!rc)
        rc = ae_rules_build(&s->arena, &s->in.rules, &s->rules, err);
    if (!rc)
        rc = make_epochs(s, c);
    if (!rc)
        rc = make_origins(s);
    if (!rc)
        rc = make_warnings(s);
    s->route = (struct ae_route_conf){
        .root_path = c->root_path,
        .ns = c->ns,
        .rollback_enforced = s->in.rollback_enforced,
        .fine_grained_inherit = s->in.fine_grained_inherit,
        .override_for_revision = s->in.override_for_revision,
    };
    return rc;
}

int ae_snapshot_build(const ae_conf *conf, ae_snapshot **out,
                      struct ae_err *err)
{
    ae_snapshot *s;
    int rc;

    *out = NULL;
    if (!conf)
        return ae_err_set(err, AE_E_INVAL, "no configuration");
    s = calloc(1, sizeof *s);
    if (!s)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    atomic_init(&s->refs, 1);
    rc = build(s, conf, err);
    if (rc) {
        ae_snapshot_unref(s);
        return ae_err_set(err, rc, "out of memory");
    }
    make_id(s);
    *out = s;
    return AE_OK;
}

void ae_snapshot_ref(ae_snapshot *s)
{
    if (s)
        ae_ref_up(&s->refs, s->alone);
}

void ae_snapshot_unref(ae_snapshot *s)
{
    if (!s || !ae_ref_down(&s->refs, s->alone))
        return;
    if (s->tokens)
        ae_tokens_free(s->tokens);
    if (s->policy)
        ae_policy_free(s->policy);
    if (s->src)
        ae_inputs_src_free(s->src);
    ae_heap_free(&s->heap);
    free(s);
}

const char *ae_snapshot_id(const ae_snapshot *s)
{
    return s ? s->id : "";
}

void ae_snapshot_warnings(const ae_snapshot *s,
                          void (*fn)(void *ctx, const char *msg), void *ctx)
{
    for (size_t i = 0; s && i < s->nwarn; i++)
        fn(ctx, s->warn[i]);
}

/* ---- rights ------------------------------------------------------------- */

/* T9: whoever differs in one of these may be shown another list. */
static int make_scope(struct ae_rights *r, const struct ae_identity *id,
                      ae_arena *a)
{
    size_t n = r->subject.ngroups + 4;
    ae_str *f = ae_nalloc(a, n, sizeof *f);

    if (!f)
        return AE_E_NOMEM;
    f[0] = ae_s((const char *)id->id_hash, sizeof id->id_hash);
    f[1] = ae_cs(ae_token_kind_name(id->kind));
    f[2] = id->issuer;
    f[3] = id->user;
    for (size_t i = 0; i < r->subject.ngroups; i++)
        f[4 + i] = r->subject.groups[i];
    ae_hmac256(AE_STR("argo-edge scope"), f, n, r->scope);
    return AE_OK;
}

int ae_rights_new(ae_snapshot *s, struct ae_identity *id,
                  struct ae_rights **out)
{
    struct ae_rights *r = calloc(1, sizeof *r);
    ae_arena a;
    int rc;

    *out = NULL;
    if (!r)
        return AE_E_NOMEM;
    atomic_init(&r->refs, 1);
    ae_snapshot_ref(s);
    r->snap = s;
    r->alone = s->alone;
    ae_arena_init(&a, ae_heap_mem(&r->heap), NULL, 0);
    if (id->kind == AE_KIND_ANONYMOUS) {
        /* R6: a plain string, and an empty one. */
        r->subject.kind = AE_SUBJ_STRING;
        r->subject.id = AE_STR("");
        rc = AE_OK;
    } else {
        rc = ae_subject_from_claims(s->policy, &a, id->claims, id->user,
                                    &r->subject);
    }
    if (!rc)
        rc = make_scope(r, id, &a);
    if (!rc)
        rc = ae_principal_new(s->policy, &r->subject, &r->principal);
    if (rc) {
        ae_rights_unref(r);
        return rc;
    }
    *out = r;
    return AE_OK;
}

void ae_rights_unref(struct ae_rights *r)
{
    if (!r || !ae_ref_down(&r->refs, r->alone))
        return;
    if (r->principal)
        ae_principal_free(r->principal);
    ae_heap_free(&r->heap);
    ae_snapshot_unref(r->snap);
    free(atomic_load(&r->roles));
    free(r);
}
