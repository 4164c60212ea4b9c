/* subject.c - identifier, groups, iat and the refusal text (T1, T7, T9). */
#include "policy/policy.h"
#include "tap.h"

static ae_policy *scoped(const ae_str *scopes, size_t n, bool set)
{
    struct ae_rbac_in   rbac = { .scopes = scopes, .nscopes = n,
                                 .scopes_set = set };
    struct ae_policy_in in = { .rbac = &rbac };
    ae_policy          *p = NULL;

    ae_policy_new(&in, &p, NULL);
    return p;
}

static void groups(ae_arena *a)
{
    static const ae_str two[] = { { "email", 5 }, { "a.b", 3 } };
    json_t    *c = json_loads("{\"sub\": \"u\", \"groups\": [\"g1\", 3, "
                              "[\"n\"], \" g2 \"], \"email\": \"a,b\", "
                              "\"a\": {\"b\": \"no\"}, \"a.b\": [\"yes\"]}",
                              0, NULL);
    ae_policy *p = scoped(NULL, 0, false);
    struct ae_subject s;

    tap_ok(ae_subject_from_claims(p, a, c, ae_s(NULL, 0), &s) == 0
           && s.kind == AE_SUBJ_CLAIMS && ae_eq_lit(s.id, "u")
           && s.ngroups == 2 && ae_eq_lit(s.groups[0], "g1")
           && ae_eq_lit(s.groups[1], " g2 "), "strings of the list only");
    ae_policy_free(p);
    p = scoped(two, 2, true);
    tap_ok(ae_subject_from_claims(p, a, c, ae_s(NULL, 0), &s) == 0
           && s.ngroups == 2 && ae_eq_lit(s.groups[0], "a,b")
           && ae_eq_lit(s.groups[1], "yes"),
           "scopes replace groups; keys are flat; strings are not split");
    ae_policy_free(p);
    p = scoped(NULL, 0, true);
    tap_ok(ae_subject_from_claims(p, a, c, AE_STR("local"), &s) == 0
           && s.ngroups == 0 && ae_eq_lit(s.id, "local"),
           "an empty list means no groups; a given id wins");
    ae_policy_free(p);
    json_decref(c);
}

static ae_str refusal(ae_arena *a, const char *claims)
{
    json_t           *c = json_loads(claims, 0, NULL);
    ae_policy        *p = scoped(NULL, 0, false);
    struct ae_subject s;
    ae_str            t = { NULL, 0 };

    if (ae_subject_from_claims(p, a, c, ae_s(NULL, 0), &s) == 0)
        t = ae_denied_text(a, &s, AE_STR("applications"), AE_STR("get"),
                           AE_STR("p/a"));
    json_decref(c);
    ae_policy_free(p);
    return t;
}

static void texts(ae_arena *a)
{
    struct ae_subject plain = { .kind = AE_SUBJ_STRING, .id = AE_STR("x") };

    tap_ok(ae_eq_lit(refusal(a, "{\"sub\": \"bob\", \"iat\": 1593035962.9}"),
                     "permission denied: applications, get, p/a, sub: bob, "
                     "iat: 2020-06-24T21:59:22Z"), "sub and iat");
    tap_ok(ae_eq_lit(refusal(a, "{\"iat\": \"1\"}"),
                     "permission denied: applications, get, p/a"),
           "neither without a name and a number");
    tap_ok(ae_eq_lit(refusal(a, "{\"sub\": 3, \"federated_claims\": "
                                "{\"user_id\": \"f\"}}"),
                     "permission denied: applications, get, p/a, sub: f"),
           "the federated user id is the identifier (T1)");
    tap_ok(ae_eq_lit(refusal(a, "{\"iat\": 1e300}"),
                     "permission denied: applications, get, p/a, "
                     "iat: 292277026596-12-04T15:30:08Z"),
           "a number beyond int64 is the least one");
    tap_ok(ae_eq_lit(refusal(a, "{\"iat\": -1e18}"),
                     "permission denied: applications, get, p/a, "
                     "iat: -31688736537-03-10T22:13:20Z"),
           "a year has as many digits as it needs");
    tap_ok(ae_eq_lit(ae_denied_text(a, &plain, AE_STR("accounts"),
                                    AE_STR("get"), AE_STR("")),
                     "permission denied: accounts, get, "),
           "a plain string names nobody");
    tap_ok(ae_eq_lit(ae_denied_text(a, &plain, ae_s(NULL, 0), ae_s(NULL, 0),
                                    ae_s(NULL, 0)), "permission denied"),
           "no arguments");
}

static void exhaustion(void)
{
    json_t    *c = json_loads("{\"sub\": \"u\", \"groups\": [\"a\", \"b\"]}",
                              0, NULL);
    ae_policy *p = scoped(NULL, 0, false);
    unsigned   wrong = 0, failed = 0;

    for (size_t limit = 1; limit < 300; limit += 8) {
        ae_heap           h = { 0 };
        ae_arena          a;
        struct ae_subject s;
        int               rc;

        ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
        a.limit = limit;
        rc = ae_subject_from_claims(p, &a, c, ae_s(NULL, 0), &s);
        failed += rc == AE_E_NOMEM;
        wrong += rc ? rc != AE_E_NOMEM : s.ngroups != 2;
        ae_heap_free(&h);
    }
    tap_ok(wrong == 0 && failed > 0, "no subject with half its groups");
    ae_policy_free(p);
    json_decref(c);
}

int main(void)
{
    ae_heap  h = { 0 };
    ae_arena a;

    ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
    groups(&a);
    texts(&a);
    exhaustion();
    ae_heap_free(&h);
    return tap_done();
}
