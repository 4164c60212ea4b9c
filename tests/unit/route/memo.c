/*
 * memo.c - a target that was read before reads as if for the first time:
 * every recorded target, asked again from other memory, and after others.
 */
#include "util.h"

#define FILE_ "tests/vectors/api/exchanges.json"

static bool same_params(const struct ae_param *a, const struct ae_param *b,
                        size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!ae_eq(a[i].name, b[i].name) || !ae_eq(a[i].value, b[i].value)
            || !a[i].value.p != !b[i].value.p)
            return false;
    return true;
}

static bool same(const struct ae_target *a, const struct ae_target *b)
{
    return a->kind == b->kind && a->status == b->status && a->op == b->op
        && a->method == b->method && ae_eq(a->body, b->body)
        && ae_eq(a->path, b->path) && ae_eq(a->query, b->query)
        && a->npath == b->npath && a->nq == b->nq
        && same_params(a->path_par, b->path_par, a->npath)
        && same_params(a->q, b->q, a->nq)
        && a->unknown_query == b->unknown_query
        && a->side_effect == b->side_effect && a->no_store == b->no_store
        && a->doubtful == b->doubtful && a->grpc_web == b->grpc_web;
}

/* Spans may lead nowhere but into this request's own bytes. */
static bool borrows(const struct ae_target *t, ae_str target)
{
    return !t->path.p /* refused before that */
        || (t->path.p >= target.p && t->path.p <= target.p + target.n);
}

/* Asked |times| over, each time from bytes of its own that end with it. */
static bool again(ae_route_memo *m, ae_str method, ae_str target, ae_str ctype,
                  int times)
{
    bool ok = true;

    for (int i = 0; i < times; i++) {
        ae_heap            heap = { NULL, 0 };
        ae_arena           a;
        ae_str             bytes;
        struct ae_target   want, got;
        struct ae_route_in in = { .method = method, .content_type = ctype };

        ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
        bytes = ae_dup(&a, target);
        in.target = bytes;
        ok = ok && ae_route(&u_conf, &in, &a, &want) == AE_OK
            && ae_route_again(m, &u_conf, &in, &a, &got) == AE_OK
            && same(&want, &got) && borrows(&got, bytes);
        ae_heap_free(&heap);
    }
    return ok;
}

static void recorded(ae_route_memo *m)
{
    json_t *doc = json_load_file(FILE_, JSON_ALLOW_NUL, NULL), *c;
    size_t  i, n = 0, bad = 0;

    json_array_foreach(json_object_get(doc, "cases"), i, c) {
        const json_t *req = json_object_get(c, "request");
        const char   *z = json_string_value(json_object_get(req, "path"));

        if (!z)
            continue;
        n++;
        bad += !again(m, ae_json_get_str(req, "method"), ae_cs(z),
                      ae_s(NULL, 0), 2);
    }
    tap_ok(n > 1000 && bad == 0, "%zu recorded targets, %zu differ", n, bad);
    json_decref(doc);
}

static void *no_mem(void *ctx, size_t n)
{
    (void)ctx;
    (void)n;
    return NULL;
}

int main(void)
{
    static const char *const targets[] = {
        "/api/v1/applications", "/api/v1/applications/a1?project=p",
        "/api/v1/applications/a1?project=", "/api/v1/applications/a1?project",
        "/api/v1/applications?projects=a&projects=b&fields=items.metadata",
        "/api/v1/applications?projects=a%2Cb", "/api/v1/clusters/https%3A%2F",
        "/api/v1/applications/a1?refresh=hard", "/api/v1/applications?utm=1",
        "/extensions/x/y", "/api/version", "/", "/api/v1/nope",
    };
    ae_route_memo     *m = ae_route_memo_new(7);
    struct ae_target   t;
    struct ae_route_in in = { .method = AE_STR("GET"),
                              .target = ae_cs(targets[1]) };
    ae_arena           none;

    u_begin();
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        tap_ok(again(m, AE_STR("GET"), ae_cs(targets[i]), ae_s(NULL, 0), 3)
               && again(m, AE_STR("DELETE"), ae_cs(targets[i]),
                        AE_STR("application/json"), 2)
               && again(m, AE_STR("GET"), ae_cs(targets[i]), ae_s(NULL, 0), 2),
               "%s, and again", targets[i]);
    recorded(m);
    tap_ok(again(NULL, AE_STR("GET"), ae_cs(targets[1]), ae_s(NULL, 0), 2),
           "no memory for a memo: it is read each time");
    ae_route_again(m, &u_conf, &in, &u_arena, &t);
    ae_arena_init(&none, (struct ae_mem){ no_mem, NULL }, NULL, 0);
    tap_ok(ae_route_again(m, &u_conf, &in, &none, &t) == AE_E_NOMEM,
           "no memory for the request");
    u_conf.root_path = AE_STR("/argocd");
    ae_route_memo_clear(m);
    ae_route_again(m, &u_conf, &in, &u_arena, &t);
    tap_ok(t.kind != AE_TGT_OP, "cleared with the settings that it was of");
    ae_route_memo_free(m);
    u_end();
    return tap_done();
}
