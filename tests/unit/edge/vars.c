/* vars.c - what a log line says, and what it must not (T20, D02). */
#include "fixture.h"

static void expect(struct fx *f, struct fx_req q, const char *const *want)
{
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_act act;
    ae_txn *t;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    for (int v = 0; v < AE_V__N; v++) {
        ae_str s = ae_txn_var(t, (enum ae_var)v);

        if (want[v])
            tap_ok(ae_eq(s, ae_cs(want[v])), "%s of %s: %.*s",
                   ae_var_name((enum ae_var)v), q.target, (int)s.n,
                   s.p ? s.p : "");
    }
    ae_txn_end(t);
    ae_heap_free(&heap);
}

static void test_values(struct fx *f)
{
    static const char *const denied[AE_V__N] = {
        [AE_V_DECISION] = "deny", [AE_V_REASON] = "denied",
        [AE_V_SUBJECT] = "bob", [AE_V_TOKEN_KIND] = "apikey",
        [AE_V_OPERATION] = "ProjectService_Get",
        [AE_V_RESOURCE] = "projects", [AE_V_ACTION] = "get",
        [AE_V_OBJECT] = "teama",
    };
    static const char *const allowed[AE_V__N] = {
        [AE_V_DECISION] = "allow", [AE_V_SUBJECT] = "alice",
        [AE_V_OBJECT] = "teamb", [AE_V_RULE] = "builtin:6",
        [AE_V_CACHE] = "miss",
    };
    static const char *const none[AE_V__N] = {
        [AE_V_DECISION] = "deny", [AE_V_REASON] = "no token",
        [AE_V_OPERATION] = "ApplicationService_List",
    };

    expect(f, (struct fx_req){ .user = "bob",
           .target = "/api/v1/projects/teama" }, denied);
    expect(f, (struct fx_req){ .user = "alice",
           .target = "/api/v1/projects/teamb" }, allowed);
    expect(f, (struct fx_req){ .target = "/api/v1/applications" }, none);
}

static void test_escape(struct fx *f)
{
    ae_heap heap = { 0 };
    struct fx_req q = { .user = "bob",
                        .target = "/api/v1/projects/x%C3%A9%22y" };
    struct fx_call c;
    struct ae_act act;
    ae_str s;
    ae_txn *t;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(f->e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    s = ae_txn_var(t, AE_V_OBJECT);
    tap_ok(ae_eq(s, AE_STR("x\\xC3\\xA9\\x22y"))
           || ae_eq(s, AE_STR("x\\xc3\\xa9\\x22y")), "T20: %.*s", (int)s.n,
           s.p);
    for (int v = 0; v < AE_V__N; v++) {
        s = ae_txn_var(t, (enum ae_var)v);
        if (ae_find_str(s, AE_STR("eyJ")) != SIZE_MAX)
            tap_ok(0, "a token in %s", ae_var_name((enum ae_var)v));
    }
    ae_txn_end(t);
    ae_heap_free(&heap);
}

static void test_headers(void)
{
    for (int h = 0; h < AE_H__N; h++)
        tap_ok(ae_hdr_lookup(ae_cs(ae_hdr_name((enum ae_hdr)h))) == h,
               "%s", ae_hdr_name((enum ae_hdr)h));
    tap_ok(ae_hdr_lookup(AE_STR("AUTHORIZATION")) == AE_H_AUTHORIZATION
           && ae_hdr_lookup(AE_STR("Grpc-Metadata-Token")) == AE_H_METADATA
           && ae_hdr_lookup(AE_STR("X-Nothing")) == AE_HDR_ODD
           && ae_hdr_lookup(AE_STR("Accept-Language")) == -1
           && ae_hdr_lookup(AE_STR("")) == -1, "in any case");
}

int main(void)
{
    struct fx f;

    fx_open(&f);
    test_headers();
    test_values(&f);
    test_escape(&f);
    fx_close(&f);
    return tap_done();
}
