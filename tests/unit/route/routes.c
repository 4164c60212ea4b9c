/* routes.c - the table of operations against routes.json. */
#include "util.h"

#define DIR_ "tests/vectors/api/"

static const char *str(const json_t *o, const char *k)
{
    const char *s = json_string_value(json_object_get(o, k));

    return s ? s : "";
}

static const char *method_name(enum ae_method m)
{
    static const char *const n[] = { "any", "GET", "HEAD", "POST", "PUT",
                                     "PATCH", "DELETE", "OPTIONS" };
    return n[m];
}

static const char *auth_name(enum ae_auth a)
{
    return a == AE_AUTH_REQUIRED ? "required"
         : a == AE_AUTH_OPTIONAL ? "optional" : "none";
}

/* Replace each {…} of a template by a value. */
static void concrete(const char *tmpl, char *out)
{
    while (*tmpl) {
        if (*tmpl == '{') {
            tmpl = strchr(tmpl, '}') + 1;
            *out++ = 'v';
            *out++ = '1';
        } else {
            *out++ = *tmpl++;
        }
    }
    *out = '\0';
}

static const json_t *grpc_field(const json_t *methods, const char *grpc,
                                const char *name)
{
    json_t *m, *f;
    size_t  i, k;

    json_array_foreach(methods, i, m)
        if (!strcmp(str(m, "method"), grpc))
            json_array_foreach(json_object_get(m, "request_fields"), k, f)
                if (!strcmp(str(f, "name"), name))
                    return f;
    return NULL;
}

static char type_of(const char *t)
{
    return !strcmp(t, "string") ? 's' : !strcmp(t, "bool") ? 'b'
         : !strcmp(t, "int64") ? 'i' : !strcmp(t, "int32") ? 'n' : 'm';
}

static int fields_ok(const struct ae_op *op, const json_t *route,
                     const json_t *methods)
{
    const json_t *q = json_object_get(json_object_get(route, "parameters"),
                                      "query"), *f;
    json_t *v;
    size_t  i, k;

    json_array_foreach(q, i, v) {
        const char *name = json_string_value(v);

        for (k = 0; k < op->nq; k++)
            if (!strcmp(op->q[k].name, name))
                break;
        if (k == op->nq)
            return 0;
        f = grpc_field(methods, op->grpc, name);
        if (f && (op->q[k].type != type_of(str(f, "type"))
                  || op->q[k].repeated != !strcmp(str(f, "label"),
                                                  "repeated")))
            return 0;
    }
    return op->nq <= 32;
}

static void one(const json_t *r, const json_t *methods)
{
    const struct ae_op *op = ae_op_by_name(ae_cs(str(r, "operationId")));
    struct ae_target    t;
    char                path[256];

    if (!tap_ok(op != NULL, "%s is known", str(r, "operationId")))
        return;
    tap_ok(!strcmp(op->tmpl, str(r, "path"))
           && !strcmp(method_name(op->method), str(r, "method"))
           && !strcmp(op->grpc, str(r, "grpc"))
           && !strcmp(auth_name(op->auth), str(r, "auth"))
           && !op->outside
           && (op->shape == AE_SHAPE_STREAM)
              == json_is_true(json_object_get(r, "stream")),
           "%s: as recorded", op->name);
    tap_ok(fields_ok(op, r, methods), "%s: query fields", op->name);
    tap_ok(op->cache == AE_CC_NEVER || op->method == AE_M_GET,
           "%s: only reads are stored", op->name);
    tap_ok(op->method != AE_M_GET || !*op->writes, "%s: a read moves nothing",
           op->name);
    tap_ok(op->cache == AE_CC_NEVER || *op->reads, "%s: what is stored has "
           "tags", op->name);
    concrete(op->tmpl, path);
    t = u_route(method_name(op->method), path, "application/json");
    tap_ok(t.kind == AE_TGT_OP && t.op == op, "%s: found by its path",
           op->name);
}

int main(void)
{
    json_t *doc = json_load_file(DIR_ "routes.json", 0, NULL), *r;
    json_t *g = json_load_file(DIR_ "grpc-methods.json", JSON_ALLOW_NUL, NULL);
    json_t *methods = json_object_get(g, "methods");
    size_t  i, n = 0, out = 0;

    u_begin();
    json_array_foreach(json_object_get(doc, "routes"), i, r) {
        one(r, methods);
        n++;
    }
    for (i = 0; i < ae_op_count(); i++) {
        const struct ae_op *op = ae_op_at(i);

        out += op->outside;
        if (op->id != i)
            tap_ok(0, "%s: id", op->name);
        if (op->outside && op->cache != AE_CC_NEVER)
            tap_ok(0, "%s: never stored", op->name);
    }
    tap_ok(n == 106 && ae_op_count() == n + out, "106 operations");
    tap_ok(out == json_array_size(json_object_get(doc, "other")),
           "%zu handlers outside", out);
    tap_ok(ae_op_at(ae_op_count()) == NULL
           && ae_op_by_name(AE_STR("nope")) == NULL, "no more than that");
    json_array_foreach(methods, i, r)
        tap_ok(ae_grpc_op(ae_cs(str(r, "method"))) != NULL, "%s is known",
               str(r, "method"));
    tap_ok(ae_grpc_op(AE_STR("/grpc.health.v1.Health/Check")) == NULL
           && ae_grpc_op(AE_STR("")) == NULL, "builtin methods have no row");
    json_decref(doc);
    json_decref(g);
    u_end();
    return tap_done();
}
