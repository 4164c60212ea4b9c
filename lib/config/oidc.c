/*
 * oidc.c - oidc.config, dex.config and url as Argo CD reads them
 * (semantics-oidc.md sections 2, 3 and 9), and the provider's documents if
 * somebody keeps them in files.
 *
 * The text goes through YAML into a map, the references are filled in, and
 * the result is decoded by encoding/json's rules: member names without regard
 * to case, and one member of another type voids the whole.  What Argo CD
 * might read differently from us makes SSO unknown, never "not configured".
 */
#include "config/internal.h"

#include <sys/stat.h>

enum { DOC_MAX = 256 * 1024 };       /* F16 */

enum type { T_STRING, T_BOOL, T_LIST, T_OBJECT };

struct member {
    const char *name;
    enum type   type;
    bool        maybe;   /* not in every version: a wrong type is no verdict */
};

static const struct member members[] = {
    { "name", T_STRING, false },
    { "issuer", T_STRING, false },
    { "clientID", T_STRING, false },
    { "clientSecret", T_STRING, false },
    { "cliClientID", T_STRING, false },
    { "requestedScopes", T_LIST, false },
    { "requestedIDTokenClaims", T_OBJECT, false },
    { "logoutURL", T_STRING, false },
    { "rootCA", T_STRING, false },
    { "enablePKCEAuthentication", T_BOOL, false },
    { "domainHint", T_STRING, true },
    { "azure", T_OBJECT, true },
    { "enableUserInfoGroups", T_BOOL, false },
    { "userInfoPath", T_STRING, false },
    { "userInfoBaseURL", T_STRING, true },
    { "userInfoCacheExpiration", T_STRING, false },
    { "allowedAudiences", T_LIST, false },
    { "skipAudienceCheckWhenTokenHasNoAudience", T_BOOL, false },
    { "refreshTokenThreshold", T_STRING, true },
};

enum { NMEMBERS = sizeof(members) / sizeof(members[0]) };

struct reading {
    struct cfg_load         *l;
    const struct cfg_object *secret;
    const struct ae_text    *at;      /* the key, for warnings */
    const json_t            *value[NMEMBERS];
    const char              *unsure;  /* why it cannot be told */
    bool                     wrong;   /* void */
};

static void unsure(struct reading *r, const char *why)
{
    if (!r->unsure)
        r->unsure = why;
}

/* ---- types -------------------------------------------------------------- */

/* Numbers and switches in a list of texts become texts; not so alone. */
static bool scalars_only(const json_t *list)
{
    const json_t *v;
    size_t        i;

    json_array_foreach(list, i, v)
        if (json_is_object(v) || json_is_array(v))
            return false;
    return json_is_array(list);
}

static bool fits(const json_t *v, enum type type)
{
    switch (type) {
    case T_STRING: return json_is_string(v);
    case T_BOOL:   return json_is_boolean(v);
    case T_LIST:   return scalars_only(v);
    default:       return json_is_object(v);
    }
}

struct field { const char *name; enum type type; };

/* An object's members by encoding/json's rules: unknown ones do not count. */
static bool members_fit(const json_t *o, const struct field *f, size_t n)
{
    const json_t *v;
    const char   *k;

    json_object_foreach((json_t *)(uintptr_t)o, k, v)
        for (size_t i = 0; i < n; i++)
            if (ae_ieq(ae_cs(k), ae_cs(f[i].name)) && !json_is_null(v)
                && !fits(v, f[i].type))
                return false;
    return true;
}

/* A claim that is no object, or has a member of another type, may void the
 * whole, as a member of oidc.config does. */
static bool claims_fit(const json_t *claims)
{
    static const struct field field[] = { { "essential", T_BOOL },
        { "value", T_STRING }, { "values", T_LIST } };
    const json_t *v;
    const char   *k;

    json_object_foreach((json_t *)(uintptr_t)claims, k, v)
        if (!json_is_null(v)
            && (!json_is_object(v) || !members_fit(v, field, 3)))
            return false;
    return true;
}

static bool azure_fits(const json_t *azure)
{
    static const struct field field[] = { { "useWorkloadIdentity", T_BOOL },
        { "enableUserGroupOverageClaim", T_BOOL },
        { "graphApiEndpoint", T_STRING },
        { "userGroupOverageClaimCacheExpiration", T_STRING } };

    return members_fit(azure, field, 4);
}

/* Any switch that makes groups of Azure's overage link: then they are not in
 * the token. */
static bool overage(const json_t *o)
{
    const json_t *v;
    const char   *k;

    json_object_foreach((json_t *)(uintptr_t)o, k, v) {
        for (const char *p = k; *p; p++)
            if (ae_ieq(ae_sub(ae_cs(p), 0, 7), AE_STR("overage"))
                && !json_is_false(v) && !json_is_null(v))
                return true;
        if (json_is_object(v) && overage(v))
            return true;
    }
    return false;
}

static void sort_out(struct reading *r, const json_t *o)
{
    const json_t *v;
    const char   *k;

    json_object_foreach((json_t *)(uintptr_t)o, k, v) {
        for (size_t i = 0; i < NMEMBERS; i++) {
            if (!ae_ieq(ae_cs(k), ae_cs(members[i].name)))
                continue;
            if (r->value[i])
                unsure(r, "a member of oidc.config stands twice");
            r->value[i] = v;
            if (json_is_null(v) || fits(v, members[i].type))
                continue;
            if (members[i].maybe) {
                unsure(r, "a member of oidc.config has an unusual type");
                continue;
            }
            r->wrong = true;
            cfg_warn(r->l, r->at, "gives %s a value of the wrong type: Argo "
                     "CD then takes SSO as not configured",
                     members[i].name);
        }
    }
}

static const json_t *get(const struct reading *r, const char *name);

/* What lies deeper was not recorded: nothing is certain then. */
static void sort_out_nested(struct reading *r)
{
    if (!claims_fit(get(r, "requestedIDTokenClaims")))
        unsure(r, "a claim of requestedIDTokenClaims has an unusual type");
    if (!azure_fits(get(r, "azure")))
        unsure(r, "a member of azure in oidc.config has an unusual type");
}

static const json_t *get(const struct reading *r, const char *name)
{
    for (size_t i = 0; i < NMEMBERS; i++)
        if (strcmp(members[i].name, name) == 0)
            return r->value[i];
    return NULL;
}

/* ---- references --------------------------------------------------------- */

/* $NAME:KEY lies in another Secret, mounted beside the others. */
static int other_secret(struct reading *r, ae_str ref, ae_str *out)
{
    struct cfg_object o;
    ae_str            name, key = ae_cut(ref, ':', &name), v;
    char             *z;
    int               rc;

    *out = ae_s(NULL, 0);
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'
              || (c == '.' && i > 0)))
            return AE_OK;
    }
    z = (char *)(uintptr_t)ae_dup(r->l->a, name).p;
    key = ae_dup(r->l->a, key);
    if (!z || !key.p)
        return ae_err_set(r->l->err, AE_E_NOMEM, "out of memory");
    if (!name.n)
        return AE_OK;
    cfg_watch_object(r->l->src, r->l->a, r->l->dir, z);
    rc = cfg_object_read(r->l, z, true, &o);
    if (rc != AE_OK || !o.found)
        return rc;
    v = cfg_object_get(&o, key.p);
    *out = v;
    return AE_OK;
}

/* A text with its reference filled in: as Argo CD does it, a key that
 * argocd-secret lacks stays as it is written.  |needed|: SSO depends on it. */
static int expand(struct reading *r, ae_str text, bool needed, ae_str *out)
{
    ae_str ref = ae_sub(text, 1, text.n), v = { NULL, 0 };
    int    rc = AE_OK;

    *out = ae_dup(r->l->a, text);
    if (!ae_starts(text, AE_STR("$")))
        return AE_OK;
    if (ae_find(ref, ':') < ref.n) {
        rc = other_secret(r, ref, &v);
        if (rc == AE_OK && !v.p && needed)
            unsure(r, "a reference of oidc.config names a Secret or key that "
                      "is not among the inputs");
    } else {
        char *z = (char *)(uintptr_t)ae_dup(r->l->a, ref).p;

        v = z ? cfg_object_get(r->secret, z) : v;
        if (!r->secret->found && needed)
            unsure(r, "a reference of oidc.config needs argocd-secret");
    }
    if (rc != AE_OK)
        return rc;
    if (v.p)
        *out = ae_dup(r->l->a, ae_trim_space(v));
    else
        cfg_warn(r->l, r->at, "refers to %.*s, which is not among the inputs",
                 (int)(text.n < 80 ? text.n : 80), text.p);
    return AE_OK;
}

static int text_of(struct reading *r, const char *name, bool needed,
                   ae_str *out)
{
    ae_str v = ae_json_str(get(r, name));

    if (v.p)
        return expand(r, v, needed, out);
    *out = AE_STR("");
    return AE_OK;
}

/* ---- oidc.config -------------------------------------------------------- */

static ae_str audience(struct reading *r, const json_t *v)
{
    if (json_is_string(v))
        return ae_json_str(v);
    if (json_is_integer(v))
        return ae_fmt(r->l->a, "%lld", (long long)json_integer_value(v));
    if (json_is_boolean(v))
        return json_is_true(v) ? AE_STR("true") : AE_STR("false");
    if (json_is_real(v))
        unsure(r, "an audience is a number with a fraction (put it in "
               "quotes)");
    return AE_STR("");           /* null */
}

static int audiences(struct reading *r, struct ae_sso *s)
{
    const json_t *list = get(r, "allowedAudiences");
    size_t        n = json_array_size(list);
    ae_str       *aud = ae_nalloc(r->l->a, n + 2, sizeof(*aud));
    int           rc = AE_OK;

    if (!aud)
        return ae_err_set(r->l->err, AE_E_NOMEM, "out of memory");
    s->aud = aud;
    for (size_t i = 0; rc == AE_OK && i < n; i++) {
        ae_str v = audience(r, json_array_get(list, i));

        rc = v.p ? expand(r, v, true, &aud[s->naud++]) : AE_E_NOMEM;
    }
    if (n || rc != AE_OK)
        return rc;
    rc = text_of(r, "clientID", true, &aud[0]);
    if (rc == AE_OK)
        rc = text_of(r, "cliClientID", true, &aud[1]);
    s->naud = aud[1].n ? 2 : 1;
    return rc;
}

static int from_members(struct reading *r, struct ae_sso *s)
{
    ae_str ignore, path;
    int    rc = text_of(r, "issuer", true, &s->issuer);

    if (rc == AE_OK)
        rc = text_of(r, "clientSecret", false, &ignore);
    if (rc == AE_OK)
        rc = text_of(r, "userInfoPath", false, &path);
    if (rc == AE_OK)
        rc = audiences(r, s);
    if (rc != AE_OK)
        return rc;
    s->skip_aud = json_is_true(
        get(r, "skipAudienceCheckWhenTokenHasNoAudience"));
    if (json_is_true(get(r, "enableUserInfoGroups")) && path.n)
        s->other_groups = true;
    return AE_OK;
}

static int read_oidc(struct cfg_load *l, const struct ae_text *t,
                     const struct cfg_object *secret, struct ae_sso *s)
{
    struct reading r = { .l = l, .secret = secret, .at = t };
    struct ae_err  e = { 0 };
    json_t        *o;
    int            rc = AE_OK;

    s->kind = AE_SSO_NONE;
    if (!t || t->text.n == 0)
        return AE_OK;
    o = ae_yaml_to_json(t->text, t->file, &e);
    if (!o && e.code != AE_E_SYNTAX)
        unsure(&r, "oidc.config holds YAML that is not read here");
    else if (!json_is_object(o) && !json_is_null(o))
        r.wrong = true;
    if (r.wrong || r.unsure)
        cfg_warn(l, t, "%s", e.code ? e.text : "is no mapping: Argo CD takes "
                 "SSO as not configured");
    sort_out(&r, o);
    sort_out_nested(&r);
    if (!r.wrong)
        rc = from_members(&r, s);
    if (overage(o))
        s->other_groups = true;
    json_decref(o);
    if (rc != AE_OK)
        return rc;
    if (!r.wrong)
        s->kind = r.unsure ? AE_SSO_UNKNOWN : AE_SSO_OIDC;
    s->why = r.unsure;
    return AE_OK;
}

/* ---- dex.config --------------------------------------------------------- */

/* AE_SSO_DEX, AE_SSO_NONE, or AE_SSO_UNKNOWN for YAML that we do not read. */
static enum ae_sso_kind read_dex(struct cfg_load *l, const struct ae_text *t)
{
    enum ae_sso_kind kind = AE_SSO_NONE;
    struct ae_err    e = { 0 };
    json_t          *o;

    if (!t || t->text.n == 0)
        return AE_SSO_NONE;
    if (l->in->url.n == 0) {
        cfg_warn(l, t, "has no effect: Argo CD needs url in argocd-cm for it");
        return AE_SSO_NONE;
    }
    o = ae_yaml_to_json(t->text, t->file, &e);
    if (!o && e.code != AE_E_SYNTAX)
        kind = AE_SSO_UNKNOWN;
    else if (json_is_object(o) && json_object_size(o))
        kind = AE_SSO_DEX;
    json_decref(o);
    return kind;
}

static int dex(struct cfg_load *l, struct ae_sso *s)
{
    static const ae_str aud[] = { { "argo-cd", 7 }, { "argo-cd-cli", 11 } };
    ae_str              url = l->in->url;

    s->kind = AE_SSO_DEX;
    s->aud = aud;
    s->naud = 2;
    s->issuer = ae_fmt(l->a, "%.*s/api/dex", (int)url.n, url.p);
    if (!s->issuer.p)
        return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
    return AE_OK;
}

/* ---- the documents ------------------------------------------------------ */

static void document(struct cfg_load *l, const struct cfg_object *o,
                     const char *key, struct ae_text *out)
{
    const struct ae_text *t = cfg_object_text(o, key);

    if (!t)
        return;
    if (t->text.n > DOC_MAX) {
        cfg_warn(l, t, "is larger than 256 KiB and is not used");
        return;
    }
    *out = *t;
}

/* Documents that somebody keeps current leave a mark of the last time it
 * worked; a name with a dot, so that touching it is no change of input. */
static int stamp(struct cfg_load *l, struct ae_sso *s)
{
    char       *dir = cfg_path(l->a, l->dir, "oidc");
    char       *path = dir ? cfg_path(l->a, ae_cs(dir), ".fetched") : NULL;
    struct stat st;

    if (!path)
        return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
    if (stat(path, &st) == 0)
        s->stamp = ae_cs(path);
    return AE_OK;
}

static int documents(struct cfg_load *l, struct ae_sso *s)
{
    struct cfg_object o;
    int               rc = cfg_object_read(l, "oidc", false, &o);

    if (rc != AE_OK || !o.found)
        return rc;
    document(l, &o, "discovery.json", &s->discovery);
    document(l, &o, "jwks.json", &s->jwks);
    s->have_docs = s->jwks.text.p != NULL;
    return stamp(l, s);
}

int64_t ae_sso_stamp(const struct ae_sso *s)
{
    struct stat st;

    if (!s->stamp.p || stat(s->stamp.p, &st) < 0)
        return 0;
    return (int64_t)st.st_mtim.tv_sec;
}

int cfg_sso(struct cfg_load *l, const struct cfg_object *cm,
            const struct cfg_object *secret)
{
    struct ae_sso   *s = &l->in->sso;
    enum ae_sso_kind d;
    int              rc;

    if (!cm->found) {
        s->why = "whether SSO is configured is not known";
        return AE_OK;
    }
    rc = read_oidc(l, cfg_object_text(cm, "oidc.config"), secret, s);
    if (rc != AE_OK)
        return rc;
    d = read_dex(l, cfg_object_text(cm, "dex.config"));
    if (s->kind == AE_SSO_OIDC)
        s->via_dex = d != AE_SSO_NONE;
    else if (s->kind == AE_SSO_NONE && d == AE_SSO_DEX)
        rc = dex(l, s);
    else if (s->kind == AE_SSO_NONE && d == AE_SSO_UNKNOWN)
        *s = (struct ae_sso){ .kind = AE_SSO_UNKNOWN, .why = "dex.config "
                              "holds YAML that is not read here" };
    return rc == AE_OK ? documents(l, s) : rc;
}
