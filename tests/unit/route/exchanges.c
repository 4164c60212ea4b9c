/*
 * exchanges.c - every recorded exchange through ae_route and ae_route_checks:
 * what we would refuse, Argo CD refused; what we would ask, it asked.
 */
#include "route/route.h"
#include "tap.h"

#define FILE_ "tests/vectors/api/exchanges.json"

static int bad_count;

__attribute__((format(printf, 2, 3)))
static void complain(const char *name, const char *fmt, ...)
{
    va_list ap;

    if (++bad_count > 60)
        return;
    printf("# %s: ", name);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

static const char *str(const json_t *o, const char *k)
{
    const char *s = json_string_value(json_object_get(o, k));

    return s ? s : "";
}

/* "<N x 'c'>" stands for N times c. */
static char *expand(const char *s, size_t *n)
{
    const char *lt = strchr(s, '<');
    size_t      len = strlen(s), count;
    char        c, *out;

    if (!lt || sscanf(lt, "<%zu x '%c'>", &count, &c) != 2) {
        *n = len;
        return strdup(s);
    }
    out = malloc(len + count + 1);
    memcpy(out, s, (size_t) (lt - s));
    memset(out + (lt - s), c, count);
    *n = (size_t) (lt - s) + count;
    lt = strchr(lt, '>') + 1;
    memcpy(out + *n, lt, strlen(lt) + 1);
    *n += strlen(lt);
    return out;
}

struct run {
    const json_t        *c;
    const char          *name, *edge;
    struct ae_route_conf conf;
    struct ae_target     t;
    json_t              *body;
    bool                 body_bad, stripped; /* headers the edge strips */
    ae_arena            *a;
};

static int status_of(const struct run *r)
{
    return (int) json_integer_value(json_object_get(
        json_object_get(r->c, "response"), "status"));
}

static bool closed(int s)
{
    return s == 400 || s == 401 || s == 403 || s == 404 || s == 405
        || s == 413 || s == 414 || s == 415 || s == 431;
}

static void check_refusal(const struct run *r)
{
    const json_t *resp = json_object_get(r->c, "response");
    const char   *body = str(resp, "body");
    bool          free_ = strcmp(r->edge, "free") == 0;
    bool          head = r->t.method == AE_M_HEAD;

    if (!free_ && (status_of(r) != r->t.status
                   || (!head && !ae_eq(ae_cs(body), r->t.body))
                   || !ae_eq(ae_cs(str(resp, "content_type")), r->t.ctype)))
        complain(r->name, "refused with %d, recorded %d", r->t.status,
                 status_of(r));
    if (free_ && !closed(r->t.status))
        complain(r->name, "status %d is not in the closed list",
                 r->t.status);
    /* texts that we claim to be Argo CD's */
    if (free_ && r->t.status == status_of(r) && r->t.kind != AE_TGT_BAD
        && !head && !ae_eq(ae_cs(body), r->t.body))
        complain(r->name, "other text");
    if (free_ && (r->t.status == 404 || r->t.status == 415)
        && r->t.status != status_of(r))
        complain(r->name, "%d where %d was recorded", r->t.status,
                 status_of(r));
}

static void check_op(const struct run *r)
{
    const char *route = str(r->c, "route"), *op = str(r->c, "op");
    char        want[256];

    snprintf(want, sizeof want, "%s %s",
             r->t.op->method == AE_M_GET ? "GET"
             : r->t.op->method == AE_M_POST ? "POST"
             : r->t.op->method == AE_M_PUT ? "PUT"
             : r->t.op->method == AE_M_PATCH ? "PATCH" : "DELETE",
             r->t.op->tmpl);
    if (r->t.op->outside ? *route && *op
                         : strcmp(route, want) != 0
                           || !ae_op_by_grpc(ae_cs(op))
                           || strcmp(ae_op_by_grpc(ae_cs(op))->grpc,
                                     r->t.op->grpc) != 0)
        complain(r->name, "took it for %s, recorded %s %s", want, route, op);
}

static bool same(const struct ae_check *k, const json_t *e)
{
    return ae_eq(k->resource, ae_json_str(json_array_get(e, 1)))
        && ae_eq(k->action, ae_json_str(json_array_get(e, 2)))
        && ae_eq(k->object, ae_json_str(json_array_get(e, 3)));
}

static bool ends_with_suffix(const struct ae_check *k, const json_t *e)
{
    return ae_eq(k->resource, ae_json_str(json_array_get(e, 1)))
        && ae_eq(k->action, ae_json_str(json_array_get(e, 2)))
        && ae_ends(ae_json_str(json_array_get(e, 3)), k->suffix);
}

static bool self(const struct run *r, const struct ae_check *k)
{
    return k->self_ok && strcmp(str(r->c, "as"), "none") != 0
        && (k->object.n == 0 || ae_eq(k->object, ae_cs(str(r->c, "as"))));
}

static int refusals, answers, matched;

/* The refusable checks against what was recorded, in order. */
static void check_checks(const struct run *r, const struct ae_checks *ch)
{
    const json_t *en = json_object_get(r->c, "enforced");
    size_t        at = 0;
    int           st = status_of(r);
    bool          expect = st == 403 && !strcmp(r->edge, "answer");
    bool          said = false;

    for (size_t i = 0; i < ch->n; i++) {
        const struct ae_check *k = &ch->v[i];
        const json_t *e = json_array_get(en, at);
        const char   *body = str(json_object_get(r->c, "response"), "body");
        bool          verbose = k->deny >= AE_DENY_VERBOSE, ok, yes;

        if (k->obj == AE_OBJ_LIST || (k->deny == AE_DENY_FORWARD
                                      && !k->or_next)) {
            if (k->obj == AE_OBJ_FIXED && e && same(k, e))
                at++;
            continue;
        }
        if (self(r, k) || st == 401 || r->stripped)
            continue;
        if (k->deny == AE_DENY_VERBOSE_ROLE && !e && (st == 404
                                                      || st == 200))
            continue; /* no such project, no such role */
        if (!e) {
            /* nothing was asked: only the lookups do that, and say 403 or
             * go on; or another answer came first */
            ok = k->obj != AE_OBJ_FIXED && st == 403;
            if (!ok)
                complain(r->name, "check %zu %.*s %.*s %.*s: nothing was "
                         "asked, status %d", i, (int) k->resource.n,
                         k->resource.p, (int) k->action.n, k->action.p,
                         (int) k->object.n, k->object.p, st);
            return;
        }
        ok = k->obj == AE_OBJ_FIXED ? same(k, e) : ends_with_suffix(k, e);
        if (!ok) {
            complain(r->name, "check %zu is %.*s %.*s %.*s%.*s, recorded "
                     "%s %s %s", i, (int) k->resource.n, k->resource.p,
                     (int) k->action.n, k->action.p, (int) k->object.n,
                     k->object.p, (int) k->suffix.n, k->suffix.p,
                     json_string_value(json_array_get(e, 1)),
                     json_string_value(json_array_get(e, 2)),
                     json_string_value(json_array_get(e, 3)));
            return;
        }
        matched++;
        yes = json_is_true(json_array_get(e, 4));
        at++;
        if (yes || k->or_next) {
            if (yes && k->or_next && i + 1 < ch->n)
                i++;
            continue;
        }
        if (k->deny == AE_DENY_VERBOSE_ROLE && st == 200
            && json_object_get(r->c, "groups"))
            return; /* the role's groups let the caller pass */
        said = k->obj == AE_OBJ_FIXED;
        refusals++;
        if (st != 403 || (strstr(body, "permission denied: ") != NULL)
                         != verbose)
            complain(r->name, "we would refuse (%d), recorded %d %.60s",
                     k->deny, st, body);
        break;
    }
    if (expect)
        answers++;
    if (expect && !said)
        complain(r->name, "must be answered with 403 and is not");
}

static void check_cani(const struct run *r, const struct ae_checks *ch)
{
    const json_t *en = json_object_get(r->c, "enforced");
    const char   *body = str(json_object_get(r->c, "response"), "body");

    if (status_of(r) == 401)
        return;
    if (ch->status) {
        if (ch->status != status_of(r) || ch->code != 3
            || !strstr(body, "does not contain"))
            complain(r->name, "can-i %d, recorded %d", ch->status,
                     status_of(r));
    } else if (ch->n != 1 || !same(&ch->v[0], json_array_get(en, 0))) {
        complain(r->name, "other question");
    }
}

static void run_checks(struct run *r)
{
    struct ae_checks ch;

    if (ae_route_checks(&r->conf, &r->t, NULL, r->a, &ch) != AE_OK) {
        complain(r->name, "no checks");
        return;
    }
    if (ch.can_i) {
        check_cani(r, &ch);
        return;
    }
    if (!ch.need_body || r->body_bad)
        check_checks(r, &ch);
    if (r->t.op->body && !r->body_bad) {
        if (ae_route_checks(&r->conf, &r->t, r->body, r->a, &ch) != AE_OK)
            complain(r->name, "no checks with the body");
        else
            check_checks(r, &ch);
    }
}

static void conf_of(struct run *r)
{
    const json_t *cm = json_object_get(json_object_get(r->c, "patch"),
                                       "argocd-cm");

    memset(&r->conf, 0, sizeof r->conf);
    r->conf.ns = AE_STR("argocd");
    r->conf.rollback_enforced =
        !strcmp(str(cm, "server.rbac.rollback.enforce.enable"), "true");
    r->conf.fine_grained_inherit = !strcmp(str(cm,
        "server.rbac.disableApplicationFineGrainedRBACInheritance"),
        "false");
    r->conf.override_for_revision = !strcmp(str(cm,
        "application.sync.requireOverridePrivilegeForRevisionSync"), "true");
}

static void one(struct run *r)
{
    const json_t *req = json_object_get(r->c, "request"), *h;
    json_t       *body = json_object_get(req, "body");
    size_t        i, n;
    char         *path = expand(str(req, "path"), &n);
    bool          eff404 = status_of(r) == 404
        && strstr(str(json_object_get(r->c, "response"), "content_type"),
                  "text/plain") != NULL;
    struct ae_route_in in = { ae_cs(str(req, "method")), ae_s(path, n),
                              { NULL, 0 }, false, json_is_string(body) };

    json_array_foreach(json_object_get(req, "headers"), i, h) {
        if (!strncasecmp(json_string_value(json_array_get(h, 0)),
                         "grpc-timeout", 12))
            r->stripped = true;
        if (!strcasecmp(json_string_value(json_array_get(h, 0)),
                        "content-type")) {
            in.content_type_dup = in.content_type.p != NULL;
            if (!in.content_type.p)
                in.content_type = ae_json_str(json_array_get(h, 1));
        }
    }
    r->body = json_is_string(body) && json_string_length(body)
        ? ae_json_parse(ae_json_str(body), 64, NULL) : json_null();
    r->body_bad = r->body == NULL
        || json_object_get(req, "body_is_b64") != NULL;
    conf_of(r);
    if (ae_route(&r->conf, &in, r->a, &r->t) != AE_OK)
        complain(r->name, "ae_route failed");
    else if (r->t.kind == AE_TGT_BAD || r->t.kind == AE_TGT_UNKNOWN_API)
        check_refusal(r);
    else if (r->t.kind == AE_TGT_OP) {
        if (eff404 && !r->t.op->outside)
            complain(r->name, "found an operation, recorded: no route");
        check_op(r);
        run_checks(r);
    } else if (r->t.kind == AE_TGT_UNKNOWN && *str(r->c, "op") == '/'
               && !eff404 && r->t.method != AE_M_HEAD) {
        complain(r->name, "operation %s not found", str(r->c, "op"));
    }
    json_decref(r->body);
    free(path);
}

int main(void)
{
    json_t *doc = json_load_file(FILE_, JSON_ALLOW_NUL, NULL), *c;
    size_t  i, n = 0;

    json_array_foreach(json_object_get(doc, "cases"), i, c) {
        ae_heap    h = { NULL, 0 };
        ae_arena   a;
        struct run r = { .c = c, .name = str(c, "name"),
                         .edge = str(c, "edge"), .a = &a };

        ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
        if (strcmp(r.edge, "skip") != 0) {
            one(&r);
            n++;
        }
        ae_heap_free(&h);
    }
    tap_ok(n > 2000, "%zu exchanges", n);
    tap_ok(bad_count == 0, "%d differences", bad_count);
    printf("# %d checks matched, %d would be refused\n", matched, refusals);
    tap_ok(answers >= 130, "%d refusals that must be ours", answers);
    json_decref(doc);
    return tap_done();
}
