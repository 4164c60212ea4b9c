/* target.c - method, request target and content type: one reading, in bounds,
 * the same when it is remembered. */
#include "fuzz.h"
#include "route/route.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("GET\n\n/api/v1/applications?projects=a&projects=b&fields=items.x"),
    SEED("GET\n\n/api/v1/applications/a1?project=p&appNamespace=ns"),
    SEED("GET\n\n/api/v1/clusters/https%3A%2F%2Fk.svc?id.type=name"),
    SEED("POST\napplication/json\n/api/v1/applications/a/sync"),
    SEED("GET\n\n/api/v1/account/can-i/applications/get/p%2Fa/"),
    SEED("GET\n\n/api/v1/write-repositories/https%253A%252F%252Fg"),
    SEED("POST\napplication/grpc-web+proto\n/application."
         "ApplicationService/Delete"),
    SEED("GET\n\n/extensions/x/y?a=%zz"), SEED("GET\n\n/../a;b#c"),
    { NULL, 0 }
};

static bool within(ae_str s, ae_str t)
{
    return !s.n || (s.p >= t.p && s.p + s.n <= t.p + t.n);
}

static void use(const struct ae_route_conf *c, struct ae_target *t,
                ae_arena *a)
{
    struct ae_checks checks;
    ae_str *tags;
    size_t n;

    if (t->kind != AE_TGT_OP)
        return;
    FUZZ_HOLD(t->op);
    (void)ae_route_checks(c, t, NULL, a, &checks);
    (void)ae_route_tags(c, t, NULL, 'r', a, &tags, &n);
    (void)ae_route_tags(c, t, NULL, 'w', a, &tags, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ae_route_conf c = { .ns = { "argocd", 6 } };
    ae_route_memo     *m = ae_route_memo_new(1);
    struct ae_target   t, u;
    struct ae_route_in in = { .has_body = size & 1 };
    struct fuzz        f;

    fuzz_begin(&f, data, size);
    in.method = fuzz_line(&f);
    in.content_type = fuzz_line(&f);
    in.target = f.in;
    FUZZ_HOLD(ae_route(&c, &in, &f.a, &t) == AE_OK);
    FUZZ_HOLD(within(t.path, in.target) && within(t.query, in.target));
    /* whatever stands twice in a path is refused or unknown, never another */
    for (int i = 0; i < 2; i++) {
        FUZZ_HOLD(ae_route_again(m, &c, &in, &f.a, &u) == AE_OK);
        FUZZ_HOLD(t.kind == u.kind && t.op == u.op && t.nq == u.nq
                  && t.npath == u.npath && ae_eq(t.path, u.path));
        for (size_t k = 0; k < t.nq; k++)
            FUZZ_HOLD(ae_eq(t.q[k].value, u.q[k].value));
    }
    use(&c, &t, &f.a);
    ae_route_memo_free(m);
    fuzz_end(&f);
    return 0;
}
