/*
 * object_app.c - checks of operations on applications and application sets
 * (semantics-api.md 3 and 4: the lookup rule, and what follows it).
 */
#include "route/checks.h"

/* "[ns/]name": the namespace counts unless it is the control namespace. */
static ae_str app_suffix(struct ae_cx *x, ae_str ns, ae_str name)
{
    return ns.n && !ae_eq(ns, x->c->ns) ? ae_cx_join(x, ns, name) : name;
}

/* "project/suffix"; the slash stays where a set's project is empty. */
static ae_str rbac_name(struct ae_cx *x, ae_str project, ae_str suffix)
{
    ae_str s = ae_concat(x->a, (ae_str[]) { project, AE_STR("/"), suffix }, 3);

    if (!s.p)
        x->failed = true;
    return s;
}

/* 'project' wins over 'projects' where an operation has both. */
static ae_str given_project(const struct ae_cx *x)
{
    ae_str p = ae_cx_get(x, "project");

    return p.n ? p : ae_target_get(x->t, "projects");
}

static ae_str given_ns(const struct ae_cx *x)
{
    return ae_cx_get(x, x->t->op->id == AE_OPID_ApplicationService_ListLinks
                       ? "namespace" : "appNamespace");
}

static ae_str app_name(const struct ae_cx *x)
{
    return x->t->npath ? x->t->path_par[0].value : ae_s(NULL, 0);
}

static struct ae_check *stored(struct ae_cx *x, const char *res, ae_str act)
{
    return ae_checks_add(x, ae_cs(res), act, AE_OBJ_STORED,
                         app_suffix(x, given_ns(x), app_name(x)));
}

/* One application lookup with |act|.  With a project the first check is on
 * what the request says, and its denial is a plain 403; the second one's is
 * a 404.  Without a project absent, foreign and forbidden are all 403. */
static void lookup(struct ae_cx *x, ae_str base, ae_str act, bool sure)
{
    enum ae_deny_style d = sure ? AE_DENY_PLAIN : AE_DENY_FORWARD;
    ae_str           proj = given_project(x), obj;
    struct ae_check *k;

    obj = app_suffix(x, given_ns(x), app_name(x));
    if (proj.n) {
        obj = rbac_name(x, proj, obj);
        if (base.n) { /* fine-grained inheritance: the short action first */
            k = ae_checks_add(x, AE_STR("applications"), base, AE_OBJ_FIXED,
                              obj);
            if (k)
                k->or_next = true;
        }
        k = ae_checks_add(x, AE_STR("applications"), act, AE_OBJ_FIXED, obj);
        if (k)
            k->deny = d;
        (void) stored(x, "applications", act);
        return;
    }
    if (base.n) {
        k = stored(x, "applications", base);
        if (k)
            k->or_next = true;
    }
    k = stored(x, "applications", act);
    if (k)
        k->deny = d;
}

#define NO_BASE ae_s(NULL, 0)

/* A missing one is 500 before authentication (proto2 "required"). */
static bool has_required(const struct ae_cx *x)
{
    return ae_cx_get(x, "resourceName").n && ae_cx_get(x, "version").n
        && ae_cx_get(x, "kind").n;
}

static void fine(struct ae_cx *x)
{
    ae_str act = ae_cs(x->t->op->action), g = ae_target_get(x->t, "group");
    ae_str k = ae_target_get(x->t, "kind");
    ae_str ns = ae_target_get(x->t, "namespace");
    ae_str rn = ae_target_get(x->t, "resourceName"), full;
    bool   sure = has_required(x);

    full = ae_concat(x->a, (ae_str[]) { act, AE_STR("/"), g, AE_STR("/"), k,
                     AE_STR("/"), ns, AE_STR("/"), rn }, 9);
    if (!full.p)
        x->failed = true;
    if (x->t->op->body && x->t->kind != AE_TGT_GRPC) /* a JSON string */
        sure = sure && x->body && json_is_string(x->body)
            && ae_target_get(x->t, "patchType").n;
    lookup(x, x->c->fine_grained_inherit ? act : NO_BASE, full, sure);
}

static void run_action(struct ae_cx *x, bool sure)
{
    ae_str g = ae_cx_get(x, "group"), k = ae_cx_get(x, "kind"), act, full;

    act = x->t->kind == AE_TGT_GRPC || x->t->op->body_all
        ? ae_cx_get(x, "action") : ae_json_str(x->body);
    if (!act.n)
        return; /* unread: which action is asked for is not known */
    full = ae_concat(x->a, (ae_str[]) { AE_STR("action/"), g, AE_STR("/"), k,
                     AE_STR("/"), act }, 6);
    if (!full.p)
        x->failed = true;
    lookup(x, NO_BASE, full, sure && has_required(x));
}

/* Local manifests always, another revision by setting.  Whether the revision
 * differs from the stored one is not known here. */
static bool asks_override(const struct ae_cx *x)
{
    if (json_array_size(json_object_get(x->body, "manifests")) > 0
        || ae_target_get(x->t, "manifests").n)
        return true;
    return x->c->override_for_revision
        && (ae_cx_get(x, "revision").n || ae_target_get(x->t, "revisions").n
            || json_array_size(json_object_get(x->body, "revisions")) > 0);
}

/* Bodies that are the whole message: without them the project is unknown. */
static void unread(struct ae_cx *x)
{
    bool grpc = x->t->kind == AE_TGT_GRPC;

    switch (x->t->op->id) {
    case AE_OPID_ApplicationService_Sync:
        lookup(x, NO_BASE, AE_STR("get"), grpc);
        (void) stored(x, "applications", AE_STR("sync"));
        if (asks_override(x))
            (void) stored(x, "applications", AE_STR("override"));
        break;
    case AE_OPID_ApplicationService_Patch:
        lookup(x, NO_BASE, AE_STR("get"), grpc);
        (void) stored(x, "applications", AE_STR("update"));
        break;
    case AE_OPID_ApplicationService_Rollback:
        lookup(x, NO_BASE, x->c->rollback_enforced ? AE_STR("rollback")
                                                   : AE_STR("sync"), grpc);
        break;
    case AE_OPID_ApplicationService_RunResourceActionV2:
        run_action(x, grpc);
        break;
    default: /* manifestsWithFiles: a client stream */
        break;
    }
}

/* The object of an Application (or set) that the body carries. */
static void from_body(struct ae_cx *x, const char *pre, const char *project,
                      const char *fallback)
{
    ae_str p, ns, name;

    if (!x->body && x->t->kind != AE_TGT_GRPC)
        return;
    p = ae_cx_member(x, pre, project);
    ns = ae_cx_member(x, pre, "metadata.namespace");
    name = ae_cx_member(x, pre, "metadata.name");
    if (!p.n)
        p = ae_cs(fallback);
    ae_checks_add(x, ae_cs(x->t->op->resource), ae_cs(x->t->op->action),
                  AE_OBJ_FIXED, rbac_name(x, p, app_suffix(x, ns, name)));
}

static void terminal(struct ae_cx *x)
{
    ae_str obj = rbac_name(x, ae_target_get(x->t, "projectName"),
        app_suffix(x, ae_target_get(x->t, "appNamespace"),
                   ae_target_get(x->t, "appName")));

    /* denials are 401 text there, after other answers: never ours */
    ae_checks_add(x, AE_STR("applications"), AE_STR("get"), AE_OBJ_FIXED,
                  obj);
    ae_checks_add(x, AE_STR("exec"), AE_STR("create"), AE_OBJ_FIXED, obj);
}

void ae_checks_app(struct ae_cx *x, enum ae_recipe r)
{
    ae_str act = ae_cs(x->t->op->action), get = AE_STR("get");

    switch (r) {
    case AE_R_APP:
        lookup(x, NO_BASE, act, true);
        break;
    case AE_R_APP_RES:
        lookup(x, NO_BASE, act, has_required(x));
        break;
    case AE_R_APP_DELETE:
        lookup(x, NO_BASE, get, true);
        (void) stored(x, "applications", act);
        break;
    case AE_R_APP_LOGS: /* untilTime is parsed before the lookup */
        lookup(x, NO_BASE, get, !ae_target_get(x->t, "untilTime").n);
        (void) stored(x, "logs", get);
        break;
    case AE_R_APP_FINE:
        fine(x);
        break;
    case AE_R_APP_ACTION:
        run_action(x, x->t->kind == AE_TGT_GRPC
                      || json_is_string(x->body));
        break;
    case AE_R_APP_SPEC: /* a typed body comes first */
        lookup(x, NO_BASE, act, x->t->kind == AE_TGT_GRPC);
        break;
    case AE_R_APP_UNREAD:
        unread(x);
        break;
    case AE_R_APP_CREATE: case AE_R_APP_UPDATE:
        from_body(x, "application.", "spec.project", "default");
        break;
    case AE_R_APPSET: /* looked up first: absent is 404 for everybody */
        ae_checks_add(x, AE_STR("applicationsets"), act, AE_OBJ_STORED,
            app_suffix(x, ae_target_get(x->t, "appsetNamespace"),
                       app_name(x)));
        break;
    case AE_R_APPSET_BODY:
        from_body(x, x->t->op->body_all ? "applicationSet."
                                        : "applicationset.",
                  "spec.template.spec.project", "");
        break;
    case AE_R_TERMINAL:
        terminal(x);
        break;
    default:
        break;
    }
}

bool ae_recheck_app(struct ae_cx *x, ae_str proj, ae_str ns, ae_str name)
{
    ae_str given = given_project(x);
    bool   set = x->t->op->recipe == AE_R_APPSET;

    if (!set && x->t->op->recipe != AE_R_APP)
        return false;
    if (!proj.n && !set)
        proj = AE_STR("default");
    if (!set && given.n && !ae_eq(given, proj))
        return false;
    if (!name.n)
        name = app_name(x);
    if (!ns.n)
        ns = set ? ae_target_get(x->t, "appsetNamespace") : given_ns(x);
    if (set) { /* the template's project as it stands, even empty */
        ae_checks_add(x, AE_STR("applicationsets"), AE_STR("get"),
                      AE_OBJ_FIXED,
                      rbac_name(x, proj, app_suffix(x, ns, name)));
        return true;
    }
    ae_checks_add(x, AE_STR("applications"), ae_cs(x->t->op->action),
                  AE_OBJ_FIXED, rbac_name(x, proj, app_suffix(x, ns, name)));
    return true;
}
