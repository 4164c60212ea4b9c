/* policy.c - policy.csv: what the check lets through loads and answers. */
#include "fuzz.h"
#include "policy/policy.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("p, role:a, applications, get, team-a/*, allow\ng, alice, role:a\n"),
    SEED("p, alice, *, *, *, deny\n# a comment\n\np,alice,\"a,b\",get,*,allow"),
    SEED("g, a, b\ng, b, c\ng, c, a\np, c, applications, action/*, *, allow\n"),
    SEED("p, \"a\"\"b\", applications, get, {a,b}[!x-z]?*, allow\r\n"),
    SEED("p, x, exec, create, \\*, maybe\n"), { NULL, 0 }
};

static void ask(const ae_policy *p, ae_arena *a)
{
    static const char *const object[] = { "team-a/web", "", "a,b", "x/y/z" };
    json_t            *claims = json_pack("{s:s}", "sub", "alice");
    struct ae_subject  s = { 0 };
    struct ae_decision d, all;
    ae_principal      *pr = NULL;

    if (ae_subject_from_claims(p, a, claims, ae_s(NULL, 0), &s) == AE_OK
        && ae_principal_new(p, &s, &pr) == AE_OK) {
        bool covers = ae_principal_covers_all(pr, AE_STR("applications"),
                                              AE_STR("get"));

        for (size_t i = 0; i < 4; i++) {
            ae_decide(pr, AE_STR("applications"), AE_STR("get"),
                      ae_cs(object[i]), &d);
            FUZZ_HOLD(!covers || d.verdict == AE_ALLOW || !object[i][0]);
            all.verdict = AE_UNKNOWN;
            ae_decide_any_project(pr, AE_STR("applications"), AE_STR("get"),
                                  AE_STR("web"), false, &all);
            if (i == 0)
                FUZZ_HOLD(all.verdict == AE_UNKNOWN
                          || all.verdict == d.verdict);
        }
        ae_principal_free(pr);
    }
    json_decref(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz         f;
    struct ae_text      part = { .key = AE_STR("policy.csv") };
    struct ae_rbac_in   rbac = { .parts = &part, .nparts = 1 };
    struct ae_policy_in in = { .builtin = true, .rbac = &rbac,
                               .ns = AE_STR("argocd") };
    struct ae_err       err = { 0 };
    ae_str              install, stand;
    ae_policy          *p = NULL;
    int                 rc;

    fuzz_begin(&f, data, size);
    part.text = f.in;
    rc = ae_csv_check(&f.a, f.in, &install, &stand);
    if (ae_policy_new(&in, &p, &err) == AE_OK) {
        FUZZ_HOLD(rc == AE_OK);
        ask(p, &f.a);
        ae_policy_free(p);
    } else {
        FUZZ_HOLD(err.text[0]);
    }
    fuzz_end(&f);
    return 0;
}
