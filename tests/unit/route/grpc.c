/* grpc.c - recorded gRPC-web calls: binding and objects (P16). */
#include "util.h"

#define FILE_ "tests/vectors/api/grpc-methods.json"

static int asked, bound;

static const char *str(const json_t *o, const char *k)
{
    const char *s = json_string_value(json_object_get(o, k));

    return s ? s : "";
}

/* The recordings use padded base64; ours reads the unpadded URL alphabet. */
static ae_str base64(const char *z)
{
    char  *buf = ae_alloc(&u_arena, strlen(z) + 1);
    size_t n = 0, bad;
    ae_str out = { NULL, 0 };

    for (; *z && *z != '='; z++)
        buf[n++] = *z == '+' ? '-' : *z == '/' ? '_' : *z;
    if (ae_b64url_decode(&u_arena, ae_s(buf, n), false, &out, &bad) != AE_OK)
        out.n = 0;
    return out;
}

static const char *header(const json_t *c, const char *list, const char *name)
{
    const json_t *h;
    size_t        i;

    json_array_foreach(json_object_get(c, list), i, h)
        if (!strcasecmp(json_string_value(json_array_get(h, 0)), name))
            return json_string_value(json_array_get(h, 1));
    return "";
}

static bool match(const struct ae_check *k, const json_t *e)
{
    ae_str obj = ae_json_str(json_array_get(e, 3));

    return ae_eq(k->resource, ae_json_str(json_array_get(e, 1)))
        && ae_eq(k->action, ae_json_str(json_array_get(e, 2)))
        && (k->obj == AE_OBJ_FIXED ? ae_eq(k->object, obj)
                                   : ae_ends(obj, k->suffix));
}

static void checks(const json_t *c, const char *name, struct ae_target *t)
{
    const json_t    *en = json_object_get(c, "enforced");
    struct ae_checks ch;
    bool             found = false;

    if (ae_route_checks(&u_conf, t, NULL, &u_arena, &ch) != AE_OK) {
        tap_ok(0, "%s: no checks", name);
        return;
    }
    if (ch.n == 0 || ch.v[0].obj == AE_OBJ_LIST || !json_array_size(en)
        || (ch.v[0].self_ok && (ch.v[0].object.n == 0
            || ae_eq(ch.v[0].object, ae_cs(str(c, "as"))))))
        return;
    asked++;
    /* the server's log of one call may hold another's tail before it */
    for (size_t i = 0; i < json_array_size(en) && !found; i++)
        found = match(&ch.v[0], json_array_get(en, i));
    if (!found
        && strcmp(ch.v[0].resource.p, "repositories") != 0)
        tap_ok(0, "%s: %.*s %.*s%.*s", name, (int) ch.v[0].action.n,
               ch.v[0].action.p, (int) ch.v[0].object.n, ch.v[0].object.p,
               (int) ch.v[0].suffix.n, ch.v[0].suffix.p);
}

static void one(const json_t *c, const char *name)
{
    const char      *msg = header(c, "response_headers", "grpc-message");
    ae_str           body = base64(str(c, "request_b64"));
    struct ae_target t;
    int              rc;
    bool             broken;

    t = u_route(str(c, "method"), str(c, "path"),
                header(c, "request_headers", "content-type"));
    if (t.kind != AE_TGT_GRPC || !t.op)
        return;
    broken = strstr(msg, "unmarshalling request") || strstr(msg, "EOF")
          || strstr(msg, "compressed flag") || strstr(msg, "payload format");
    rc = ae_grpc_bind(t.op, body, &u_arena, &t);
    if (*str(c, "request_b64")
        && json_integer_value(json_object_get(c, "status")) == 200) {
        bound++;
        if ((rc == AE_E_SYNTAX) != broken)
            tap_ok(0, "%s: %d, recorded %s", name, rc, msg);
    }
    if (rc == AE_OK)
        checks(c, name, &t);
}

static ae_str frame(const char *bytes, size_t n)
{
    char *p = ae_alloc(&u_arena, n + 5);

    memset(p, 0, 5);
    p[4] = (char) n;
    memcpy(p + 5, bytes, n);
    return ae_s(p, n + 5);
}

static void by_hand(void)
{
    const struct ae_op *get = ae_grpc_op(
        AE_STR("/application.ApplicationService/Get"));
    struct ae_target t;
    struct ae_checks ch;

    tap_ok(ae_grpc_bind(get, frame("\x0a\x01""a\x42\x01p\x3a\x01n", 9),
                        &u_arena, &t) == AE_OK
           && u_param(&t, "name", "a") && u_param(&t, "project", "p"),
           "fields by number");
    tap_ok(ae_route_checks(&u_conf, &t, NULL, &u_arena, &ch) == AE_OK
           && ae_eq_lit(ch.v[0].object, "p/n/a")
           && ch.v[0].deny == AE_DENY_PLAIN, "the object");
    tap_ok(ae_grpc_bind(get, frame("\x0a\x01""a\x42\x01p\x42\x01q", 9),
                        &u_arena, &t) == AE_OK && t.doubtful, "two projects");
    tap_ok(ae_grpc_bind(get, frame("\x0a\x01""a\x12\x00", 5), &u_arena, &t)
           == AE_OK && t.side_effect, "refresh is a write");
    tap_ok(ae_grpc_bind(get, frame("\x0a\x05""a", 3), &u_arena, &t)
           == AE_E_SYNTAX, "cut off");
    tap_ok(ae_grpc_bind(get, frame("\xe4\x03", 2), &u_arena, &t)
           == AE_E_SYNTAX, "group end without start");
    tap_ok(ae_grpc_bind(get, frame("\xe3\x03", 2), &u_arena, &t)
           == AE_E_SYNTAX, "group without end");
    tap_ok(ae_grpc_bind(get, AE_STR("\0\0\0"), &u_arena, &t) == AE_E_SYNTAX
           && ae_grpc_bind(get, ae_s(NULL, 0), &u_arena, &t) == AE_E_SYNTAX
           && ae_grpc_bind(NULL, ae_s(NULL, 0), &u_arena, &t) == AE_E_INVAL,
           "no frame, no operation");
    get = ae_grpc_op(AE_STR("/application.ApplicationService/Create"));
    tap_ok(ae_grpc_bind(get, frame("\x0a\x0c\x0a\x03\x0a\x01n\x12\x05\x1a\x03"
                                   "abc", 14), &u_arena, &t) == AE_OK
           && ae_route_checks(&u_conf, &t, NULL, &u_arena, &ch) == AE_OK
           && ae_eq_lit(ch.v[0].object, "abc/n"), "embedded messages");
    tap_ok(ae_grpc_bind(get, frame("\x10\x01", 2), &u_arena, &t)
           == AE_E_SYNTAX, "a required message lacks");
}

/* Every operation binds an empty message, or misses something required. */
static void empty(void)
{
    for (size_t i = 0; i < ae_op_count(); i++) {
        const struct ae_op *op = ae_op_at(i);
        struct ae_target    t;
        struct ae_checks    ch;
        int                 rc;

        if (op->outside)
            continue;
        rc = ae_grpc_bind(op, frame("", 0), &u_arena, &t);
        if (rc != AE_OK && rc != AE_E_SYNTAX)
            tap_ok(0, "%s: %d", op->name, rc);
        if (rc == AE_OK
            && ae_route_checks(&u_conf, &t, NULL, &u_arena, &ch) != AE_OK)
            tap_ok(0, "%s: checks", op->name);
        for (size_t lim = 1; lim < 4096; lim += 256) {
            ae_heap  h = { NULL, 0 };
            ae_arena a;

            ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
            a.limit = lim;
            rc = ae_grpc_bind(op, frame("\x0a\x01x", 3), &a, &t);
            if (rc == AE_OK && a.failed)
                tap_ok(0, "%s: memory", op->name);
            ae_heap_free(&h);
        }
    }
}

int main(void)
{
    json_t *doc = json_load_file(FILE_, JSON_ALLOW_NUL, NULL), *c;
    size_t  i;

    u_begin();
    json_array_foreach(json_object_get(doc, "exchanges"), i, c)
        one(c, str(c, "cli"));
    json_array_foreach(json_object_get(doc, "crafted"), i, c)
        one(c, str(c, "name"));
    tap_ok(bound > 100, "%d messages bound", bound);
    tap_ok(asked > 50, "%d objects as recorded", asked);
    by_hand();
    empty();
    json_decref(doc);
    u_end();
    return tap_done();
}
