/* rules.c - argo-edge.yaml from anybody: rules that hold together, or an error
 * with its place. */
#include "fuzz.h"
#include "config/internal.h"
#include "edge/rules.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("read_only: true\n"),
    SEED("virtual_patches:\n- {name: a, operations: [read, A*], action: "
         "no_cache}\n"),
    SEED("tokens:\n- name: t\n  accounts: [\"*\"]\n  project_roles: [p:r]\n"
         "  max_age: 90d\n  cidrs: [10.0.0.0/8, \"::/0\"]\n"),
    SEED("freezes:\n- name: f\n  schedule: \"*/5 0-6,22 1 */3 7\"\n"
         "  duration: 62h\n  utc_offset: \"-03:30\"\n  break_glass: "
         "{groups: [a], users: [b]}\n"),
    SEED("freezes:\n- {name: f, from: 2026-12-20T00:00:00Z, until: "
         "2027-01-04T06:00:00Z, applications: [x]}\n"),
    SEED("syncs:\n- {name: s, deny: [prune, force, replace, revision, "
         "manifests, live]}\n"), { NULL, 0 }
};

/* A freeze that holds ends later, and within its duration. */
static void when(const struct ae_own_rule *u)
{
    static const int64_t at[] = { -86400 * 365, 0, 1709208000, 1798761599,
                                  INT64_C(4102444800) };

    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        int64_t end = ae_rules_frozen(u, at[i]);

        FUZZ_HOLD(end == 0 || end > at[i]);
        FUZZ_HOLD(end == 0 || !u->has_cron || end - at[i] <= u->duration);
    }
    (void)ae_in_net(u->cidr, u->ncidr, AE_STR("2001:db8::1"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ae_err            err = { 0 };
    struct ae_inputs         in = { 0 };
    const struct ae_ruleset *rs;
    struct fuzz              f;
    struct cfg_load          l;

    fuzz_begin(&f, data, size);
    l = (struct cfg_load){ .a = &f.a, .in = &in, .err = &err };
    if (cfg_rules_text(&l, AE_STR("fuzz"), f.in) != AE_OK) {
        FUZZ_HOLD(err.code != 0 && (err.line != 0 || err.code == AE_E_NOMEM));
    } else if (ae_rules_build(&f.a, &in.rules, &rs, &err) == AE_OK) {
        for (size_t i = 0; rs && i < rs->n; i++)
            when(rs->v[i].rule);
    }
    fuzz_end(&f);
    return 0;
}
