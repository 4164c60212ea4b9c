/*
 * object.c - the RBAC checks that Argo CD will make for a request, as far as
 * the request tells (semantics-api.md 3 and 4).  A check is refusable only
 * where a "no" surely is the answer and nothing can come before it (I-C).
 */
#include "route/checks.h"

struct ae_check *ae_checks_add(struct ae_cx *x, ae_str res, ae_str act,
                               enum ae_obj_kind kind, ae_str object)
{
    struct ae_check *k;

    if (x->out->n == AE_CHECKS_MAX) {
        x->failed = true;
        return NULL;
    }
    if (!x->out->v)
        x->out->v = ae_nalloc(x->a, AE_CHECKS_MAX, sizeof *x->out->v);
    if (!x->out->v) {
        x->failed = true;
        return NULL;
    }
    k = &x->out->v[x->out->n++];
    k->resource = res;
    k->action = act;
    k->obj = kind;
    if (kind == AE_OBJ_FIXED)
        k->object = object;
    else
        k->suffix = object;
    return k;
}

/* "a/b", or b alone when a is empty. */
ae_str ae_cx_join(struct ae_cx *x, ae_str a, ae_str b)
{
    ae_str s;

    if (a.n == 0)
        return b;
    s = ae_concat(x->a, (ae_str[]) { a, AE_STR("/"), b }, 3);
    if (!s.p)
        x->failed = true;
    return s;
}

/* A member of the message: from the message itself (gRPC) or the request. */
ae_str ae_cx_get(const struct ae_cx *x, const char *name)
{
    ae_str v = ae_target_get(x->t, name);

    if (!v.n && x->body && x->t->kind != AE_TGT_GRPC)
        v = ae_body_str(x->body, name);
    return v;
}

/* A member below |pre| ("cluster."): named in full by gRPC and by bodies that
 * are the whole message, else the body is what |pre| names. */
ae_str ae_cx_member(const struct ae_cx *x, const char *pre, const char *name)
{
    char z[80];
    bool full = x->t->kind == AE_TGT_GRPC || x->t->op->body_all;

    snprintf(z, sizeof z, "%s%s", full ? pre : "", name);
    return ae_cx_get(x, z);
}

static bool deny(struct ae_check *k, enum ae_deny_style d)
{
    if (k)
        k->deny = d;
    return k != NULL;
}

static void fixed(struct ae_cx *x, const char *act, ae_str object,
                  enum ae_deny_style d)
{
    deny(ae_checks_add(x, ae_cs(x->t->op->resource), ae_cs(act),
                       AE_OBJ_FIXED, object), d);
}

static void fixed_self(struct ae_cx *x, ae_str name, bool sure)
{
    struct ae_check *k = ae_checks_add(x, AE_STR("accounts"),
        ae_cs(x->t->op->action), AE_OBJ_FIXED, name);

    if (deny(k, sure ? AE_DENY_VERBOSE : AE_DENY_FORWARD))
        k->self_ok = true;
}

/* ---- can-i --------------------------------------------------------------- */

static bool listed(const char *list, ae_str what)
{
    ae_str rest = ae_cs(list);

    while (rest.n) {
        ae_str one;

        rest = ae_cut(rest, ' ', &one);
        if (ae_eq(one, what))
            return true;
    }
    return false;
}

#define RESOURCES "clusters projects applications applicationsets " \
    "repositories write-repositories certificates accounts gpgkeys logs " \
    "exec extensions"
#define ACTIONS "get create update delete sync rollback override action invoke"
#define SCOPED  "applications applicationsets logs exec clusters repositories"

static void cani_error(struct ae_cx *x, const char *list, ae_str what)
{
    x->out->status = 400;
    x->out->code = 3;
    x->out->error = ae_fmt(x->a, "[%s] does not contain %.*s", list,
                           (int) what.n, what.p);
    if (!x->out->error.p)
        x->failed = true;
}

static void cani(struct ae_cx *x)
{
    ae_str res = ae_target_get(x->t, "resource");
    ae_str act = ae_target_get(x->t, "action");
    ae_str obj = ae_target_get(x->t, "subresource");

    x->out->can_i = x->out->complete = true;
    if (!listed(ACTIONS, act)) {
        cani_error(x, ACTIONS, act);
        return;
    }
    if (!listed(RESOURCES, res)) {
        cani_error(x, RESOURCES, res);
        return;
    }
    if (ae_eq_lit(act, "rollback") && !x->c->rollback_enforced)
        act = AE_STR("sync");
    if (listed(SCOPED, res)) {
        ae_str a, b, c = ae_cut(ae_cut(obj, '/', &a), '/', &b);

        if (c.p && !memchr(c.p, '/', c.n) && (!b.n || ae_eq(b, x->c->ns))) {
            obj = ae_concat(x->a, (ae_str[]) { a, AE_STR("/"), c }, 3);
            if (!obj.p)
                x->failed = true;
        }
    }
    ae_checks_add(x, res, act, AE_OBJ_FIXED, obj);
}

/* ---- constant, account, project ----------------------------------------- */

/* certData is a []byte: standard base64 with padding. */
static bool base64_sure(ae_str s)
{
    size_t pad = 0;

    if (s.n % 4)
        return false;
    while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i + pad < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '+' || c == '/'))
            return false;
    }
    return true;
}

static bool certs_sure(const json_t *body)
{
    json_t *items = json_object_get(body, "items"), *it;
    json_t *meta = json_object_get(body, "metadata");
    size_t  i;

    if (!ae_body_sure(body, "metadata:o items:a")
        || (meta && !ae_body_sure(meta, "selfLink:s resourceVersion:s "
                                  "continue:s remainingItemCount:- "
                                  "shardInfo:-")))
        return false;
    json_array_foreach(items, i, it)
        if (!ae_body_sure(it, "serverName:s certType:s certSubType:s "
                          "certData:s certInfo:s")
            || !base64_sure(ae_json_get_str(it, "certData")))
            return false;
    return true;
}

static void constant(struct ae_cx *x, enum ae_recipe r)
{
    bool sure = true;

    if (r == AE_R_CERT_BODY || r == AE_R_GPG_BODY) {
        sure = x->t->kind == AE_TGT_GRPC;
        x->out->need_body = !sure && !x->body;
        if (x->body && r == AE_R_CERT_BODY)
            sure = certs_sure(x->body);
        else if (x->body)
            sure = ae_body_sure(x->body, "keyID:s fingerprint:s owner:s "
                                "trust:s subType:s keyData:s");
    }
    x->out->complete = true;
    fixed(x, x->t->op->action, AE_STR(""),
          sure ? AE_DENY_VERBOSE : AE_DENY_FORWARD);
}

static void account(struct ae_cx *x, enum ae_recipe r)
{
    bool grpc = x->t->kind == AE_TGT_GRPC;

    x->out->complete = true;
    if (r == AE_R_ACCT) {
        fixed_self(x, ae_target_get(x->t, "name"), true);
        return;
    }
    x->out->need_body = !x->body && !grpc;
    if (r == AE_R_ACCT_BODY) {
        fixed_self(x, ae_target_get(x->t, "name"), grpc || (x->body
            && ae_body_sure(x->body, "name:s expiresIn:i id:s")));
        return;
    }
    if (x->body || grpc)
        fixed_self(x, ae_cx_get(x, "name"), grpc || ae_body_sure(x->body,
            "newPassword:s currentPassword:s name:s"));
}

static void project(struct ae_cx *x, enum ae_recipe r)
{
    const char        *act = x->t->op->action;
    enum ae_deny_style d = AE_DENY_VERBOSE;
    ae_str             name = x->t->npath ? x->t->path_par[0].value
                                          : ae_s(NULL, 0);

    x->out->complete = r != AE_R_PROJ_FWD;
    switch (r) {
    case AE_R_PROJ_DELETE: /* "default" is 400 before any check */
        if (ae_eq_lit(name, "default"))
            d = AE_DENY_FORWARD;
        break;
    case AE_R_PROJ_TOKEN:
        d = ae_query_typed('i', ae_target_get(x->t, "iat"))
            ? AE_DENY_VERBOSE_ROLE : AE_DENY_FORWARD;
        break;
    case AE_R_PROJ_TOKEN_BODY:
        d = x->t->kind == AE_TGT_GRPC || (x->body && ae_body_sure(x->body,
                "project:s description:s role:s expiresIn:i id:s"))
            ? AE_DENY_VERBOSE_ROLE : AE_DENY_FORWARD;
        break;
    case AE_R_PROJ_CREATE:
        x->out->complete = false;
        if (!x->body && x->t->kind != AE_TGT_GRPC)
            return;
        name = ae_cx_member(x, "project.", "metadata.name");
        d = AE_DENY_FORWARD;
        break;
    case AE_R_PROJ_FWD: /* links: 500 with its own text; update: typed body */
        d = AE_DENY_FORWARD;
        break;
    default:
        break;
    }
    fixed(x, act, name, d);
}

/* ---- clusters, repositories, credentials -------------------------------- */

static void cluster(struct ae_cx *x, enum ae_recipe r)
{
    ae_str type = ae_target_get(x->t, "id.type");
    ae_str value = ae_target_get(x->t, "id.value");
    bool   by_name = ae_eq_lit(type, "name")
                  || ae_eq_lit(type, "name_escaped");
    struct ae_check *k;

    if (r == AE_R_CLUSTER_BODY) {
        if (x->body || x->t->kind == AE_TGT_GRPC)
            fixed(x, "create",
                  ae_cx_join(x, ae_cx_member(x, "cluster.", "project"),
                             ae_cx_member(x, "cluster.", "server")),
                  AE_DENY_FORWARD);
        return;
    }
    if (!value.n && !type.n) { /* gRPC: server or name instead of id */
        by_name = ae_target_get(x->t, "name").n > 0;
        value = ae_target_get(x->t, "server");
    }
    k = ae_checks_add(x, AE_STR("clusters"), ae_cs(x->t->op->action),
                      AE_OBJ_STORED_OPT, by_name ? ae_s(NULL, 0) : value);
    /* absent and forbidden are the same plain 403 */
    deny(k, !by_name && value.n && r == AE_R_CLUSTER ? AE_DENY_PLAIN
                                                     : AE_DENY_FORWARD);
}

static void repository(struct ae_cx *x, enum ae_recipe r)
{
    ae_str res = ae_cs(x->t->op->resource);
    ae_str url = x->t->npath ? x->t->path_par[0].value : ae_s(NULL, 0);

    if (r == AE_R_REPO_BODY) {
        if (x->body || x->t->kind == AE_TGT_GRPC)
            fixed(x, "create",
                  ae_cx_join(x, ae_cx_member(x, "repo.", "project"),
                             ae_cx_member(x, "repo.", "repo")),
                  AE_DENY_FORWARD);
        return;
    }
    if (r == AE_R_REPO_VALIDATE) {
        fixed(x, "create", ae_cx_join(x, ae_target_get(x->t, "project"), url),
              AE_DENY_FORWARD);
        return;
    }
    /* URLs are compared after git normalisation: the suffix is a hint */
    if (strcmp(x->t->op->action, "delete") == 0)
        ae_checks_add(x, res, AE_STR("get"), AE_OBJ_STORED_OPT, url);
    ae_checks_add(x, res, ae_cs(x->t->op->action), AE_OBJ_STORED_OPT, url);
}

static void creds(struct ae_cx *x, enum ae_recipe r)
{
    if (r == AE_R_CREDS_BODY) {
        if (x->body || x->t->kind == AE_TGT_GRPC)
            fixed(x, "create", ae_cx_member(x, "creds.", "url"),
              AE_DENY_FORWARD);
        return;
    }
    x->out->complete = true;
    fixed(x, x->t->op->action, x->t->path_par[0].value,
          r == AE_R_CREDS ? AE_DENY_VERBOSE : AE_DENY_FORWARD);
}

/* ---- all together ------------------------------------------------------- */

static void extension(struct ae_cx *x)
{
    ae_str name = ae_target_get(x->t, "name");

    if (name.n)
        fixed(x, "invoke", name, AE_DENY_FORWARD);
}

static void build(struct ae_cx *x, enum ae_recipe r)
{
    switch (r) {
    case AE_R_NONE:
        x->out->complete = true;
        break;
    case AE_R_CANI:
        cani(x);
        break;
    case AE_R_LIST:
        x->out->complete = true;
        ae_checks_add(x, ae_cs(x->t->op->resource),
                      ae_cs(x->t->op->action), AE_OBJ_LIST, ae_s(NULL, 0));
        break;
    case AE_R_ACCT: case AE_R_ACCT_BODY: case AE_R_PASSWORD:
        account(x, r);
        break;
    case AE_R_CONST: case AE_R_CERT_BODY: case AE_R_GPG_BODY:
        constant(x, r);
        break;
    case AE_R_CLUSTER: case AE_R_CLUSTER_FWD: case AE_R_CLUSTER_BODY:
        cluster(x, r);
        break;
    case AE_R_PROJ: case AE_R_PROJ_FWD: case AE_R_PROJ_DELETE:
    case AE_R_PROJ_CREATE: case AE_R_PROJ_TOKEN: case AE_R_PROJ_TOKEN_BODY:
        project(x, r);
        break;
    case AE_R_CREDS: case AE_R_CREDS_FWD: case AE_R_CREDS_BODY:
        creds(x, r);
        break;
    case AE_R_REPO: case AE_R_REPO_BODY: case AE_R_REPO_VALIDATE:
        repository(x, r);
        break;
    case AE_R_EXTENSION:
        extension(x);
        break;
    default:
        ae_checks_app(x, r);
        break;
    }
}

int ae_route_checks(const struct ae_route_conf *c, const struct ae_target *t,
                    const json_t *body, ae_arena *a, struct ae_checks *out)
{
    struct ae_cx x = { c, t, body, a, out, false };

    memset(out, 0, sizeof *out);
    if (!t->op)
        return AE_E_INVAL;
    build(&x, (enum ae_recipe) t->op->recipe);
    if (x.failed || a->failed) {
        memset(out, 0, sizeof *out);
        return AE_E_NOMEM;
    }
    if (t->doubtful) { /* Argo CD may answer something else first */
        for (size_t i = 0; i < out->n; i++)
            out->v[i].deny = AE_DENY_FORWARD;
        out->complete = false;
    }
    return AE_OK;
}

int ae_route_recheck(const struct ae_route_conf *c, const struct ae_target *t,
                     ae_str proj, ae_str ns, ae_str name, ae_arena *a,
                     struct ae_checks *out)
{
    struct ae_cx x = { c, t, NULL, a, out, false };

    memset(out, 0, sizeof *out);
    if (!t->op || t->op->cache != AE_CC_OBJECT)
        return AE_E_UNSUP;
    switch (t->op->recipe) {
    case AE_R_CONST:
        fixed(&x, t->op->action, AE_STR(""), AE_DENY_FORWARD);
        break;
    case AE_R_PROJ: case AE_R_PROJ_FWD:
        fixed(&x, t->op->action, t->path_par[0].value, AE_DENY_FORWARD);
        break;
    case AE_R_CLUSTER: case AE_R_REPO:
        fixed(&x, t->op->action,
              ae_cx_join(&x, proj, name.n ? name : t->path_par[0].value),
              AE_DENY_FORWARD);
        break;
    default:
        if (!ae_recheck_app(&x, proj, ns, name))
            return AE_E_UNSUP;
        break;
    }
    if (x.failed || a->failed) {
        memset(out, 0, sizeof *out);
        return AE_E_NOMEM;
    }
    out->complete = true;
    return AE_OK;
}
