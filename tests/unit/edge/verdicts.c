/*
 * verdicts.c - a decision that is remembered is the decision that would be
 * made: the same requests through an engine that remembers and through one
 * that does not, in any order, over policy edits.
 */
#include "fixture.h"

static const char *const users[] = { "alice", "bob", "nobody", "ci", "admin" };
static const char *const targets[] = {
    "/api/v1/applications/a1/manifests?project=teama",
    "/api/v1/applications/b1/manifests?project=teamb",
    "/api/v1/applications/b1/manifests",
    "/api/v1/applications/b1/resource-tree?project=teamb",
    "/api/v1/projects/teamb", "/api/v1/projects/teama/events",
    "/api/v1/account/can-i/applications/get/teamb/b1",
    "/api/v1/account/can-i/applications/sync/teamb/b1",
    "/api/v1/applications?projects=teamb", "/api/v1/clusters",
    "/api/v1/applications/b1/logs?appNamespace=argocd&project=teamb",
};
enum { NUSER = sizeof users / sizeof users[0],
       NTARGET = sizeof targets / sizeof targets[0] };

/* All that a request showed, in one text. */
static void ask(struct fx *f, ae_engine *e, size_t u, size_t g, char *out,
                size_t n, bool *recalled)
{
    struct fx_req q = { .user = users[u], .target = targets[g] };
    ae_heap heap = { 0 };
    struct fx_call c;
    struct ae_act act;
    size_t at;
    ae_txn *t;

    fx_fill(f, &q, &c);
    t = ae_txn_begin(e, &f->loc, &c.req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    *recalled = t->recalled;
    at = (size_t)snprintf(out, n, "%d %d %.*s", act.kind, act.reply.status,
                          (int)act.reply.body.n,
                          act.reply.body.n ? act.reply.body.p : "");
    for (int v = 0; v < AE_V__N && at < n; v++) {
        ae_str s = ae_txn_var(t, (enum ae_var)v);

        if (v != AE_V_POLICY_ID && v != AE_V_DECISION_ID)
            at += (size_t)snprintf(out + at, n - at, "|%.*s", (int)s.n,
                                   s.n ? s.p : "");
    }
    ae_txn_end(t);
    ae_heap_free(&heap);
}

/* The same at two engines; counts what was remembered. */
static size_t differ(struct fx *f, ae_engine *plain, uint64_t *dice,
                     int requests, size_t *recalled)
{
    char one[4096], two[4096];
    size_t bad = 0;

    for (int i = 0; i < requests; i++) {
        size_t u, g;
        bool r, never;

        *dice = *dice * UINT64_C(6364136223846793005) + 1;
        u = (*dice >> 33) % NUSER;
        g = (*dice >> 43) % NTARGET;
        ask(f, f->e, u, g, one, sizeof one, &r);
        ask(f, plain, u, g, two, sizeof two, &never);
        *recalled += r;
        if (never || strcmp(one, two)) {
            printf("# %s %s\n# %s\n# %s\n", users[u], targets[g], one, two);
            bad++;
        }
    }
    return bad;
}

static const char *const policies[] = {
    FX_POLICY,
    "g, admin, role:admin\np, bob, applications, get, */b1, allow\n",
    "g, bob, role:admin\np, bob, applications, get, teamb/*, deny\n",
    "p, alice, *, *, *, allow\np, nobody, projects, get, teamb, allow\n",
};

int main(void)
{
    struct fx f;
    struct ae_err err = { 0 };
    ae_engine *plain;
    uint64_t dice = 11;

    fx_open(&f);
    f.loc.cache = 0;
    if (ae_engine_new(&f.conf, f.snap, &f.host, &plain, &err))
        return 2;
    ae_route_memo_free(plain->memo);
    plain->memo = NULL;
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        size_t recalled = 0, bad;

        fx_write(&f, "argocd-rbac-cm", "policy.csv", policies[i]);
        fx_pass(&f, 2000);
        ae_engine_tick(f.e);
        ae_engine_tick(plain);
        bad = differ(&f, plain, &dice, 2000, &recalled);
        tap_ok(bad == 0, "policy %zu: %zu of 2000 differ", i, bad);
        tap_ok(recalled > 100, "%zu were remembered", recalled);
    }
    f.loc.mode = AE_MODE_SHADOW;
    {
        size_t recalled = 0;

        tap_ok(differ(&f, plain, &dice, 500, &recalled) == 0 && !recalled,
               "shadow decides each time");
    }
    ae_engine_free(plain);
    fx_close(&f);
    return tap_done();
}
