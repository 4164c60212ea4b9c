/* projects.c - AppProjects: generated text, validation, tokens. */
#include "policy/policy.h"

#include "arena.h"
#include "tap.h"

static ae_heap heap;
static ae_arena arena;

static ae_str policies[4], groups[4];
static struct ae_role roles[2];
static struct ae_project proj = { .name = AE_STR("p1"), .roles = roles };

/* One role "r" with one policy and one group (NULL: none). */
static void set(const char *policy, const char *group)
{
    memset(roles, 0, sizeof(roles));
    policies[0] = ae_cs(policy);
    groups[0] = ae_cs(group);
    roles[0] = (struct ae_role){ .name = AE_STR("r"), .policies = policies,
                                 .npolicies = policy != NULL,
                                 .groups = groups, .ngroups = group != NULL };
    proj.nroles = 1;
}

static void check(const char *policy, const char *group, const char *want)
{
    ae_str error, code, safe;
    int rc;

    set(policy, group);
    rc = ae_project_validate(&arena, &proj, &error, &code);
    safe = ae_log_escape(&arena, error, 200);
    if (want == NULL)
        tap_ok(rc == AE_OK && error.p == NULL, "accepted: %s", policy != NULL
               ? policy : group);
    else
        tap_ok(rc == AE_E_INVAL && ae_eq_lit(code, "InvalidArgument")
               && ae_find_str(error, ae_cs(want)) != SIZE_MAX, "%.*s",
               (int)safe.n, safe.n > 0 ? safe.p : "");
}

static void validation(void)
{
    check("p, proj:p1:r, logs, get, p1/a, allow", NULL, NULL);
    check("p, proj:p1:r, exec, xupdate/, p1/*/..-_, deny", NULL, NULL);
    check("p, proj:p1:r, logs, get, p1/a/, allow", NULL, "not 'p1/a/'");
    check("p, proj:p1:r, logs, get, p1a/a, allow", NULL, "not 'p1a/a'");
    check("p, proj:p1:r, logs, get, p1/a\n, allow", NULL, "object must be");
    check("p, proj:p1:rr, logs, get, p1/a, allow", NULL, "not 'proj:p1:rr'");
    check("p, proj:p1, logs, get, p1/a, allow", NULL, "not 'proj:p1'");
    check("p, proj:p1xr, logs, get, p1/a, allow", NULL, "not 'proj:p1xr'");
    check(NULL, "\"a,b\" ", "'a,b' contains a trailing space");
    check(NULL, "\" a \"", NULL);
    check(NULL, "a\r\nb", "contains invalid characters");
    check(NULL, "\xe2\x80\xa8x", "contains a leading space");
    check(NULL, " a\tb", "'a\tb' contains invalid characters");
    check(NULL, "a\"b ", "'a\"b' contains invalid characters");
}

static void first_fault_wins(void)
{
    ae_str error, code;

    set("p, proj:p1:r, logs, get, p1/a, allow", "g");
    policies[1] = policies[0];
    policies[2] = AE_STR("bad");
    groups[1] = groups[0];
    roles[0].npolicies = 3;
    roles[0].ngroups = 2;
    ae_project_validate(&arena, &proj, &error, &code);
    tap_ok(ae_eq_lit(code, "AlreadyExists")
           && ae_eq_lit(error, "policy 'p, proj:p1:r, logs, get, p1/a, allow'"
                        " already exists for role 'r'"), "a policy twice");
    roles[0].npolicies = 1;
    ae_project_validate(&arena, &proj, &error, &code);
    tap_ok(ae_eq_lit(error, "group 'g' already exists for role 'r'"),
           "a group twice");
    roles[0].ngroups = 1;
    roles[1] = roles[0];
    proj.nroles = 2;
    ae_project_validate(&arena, &proj, &error, &code);
    tap_ok(ae_eq_lit(error, "role 'r' already exists"), "a role twice");
}

static int run_policy(ae_arena *a)
{
    ae_str s;

    set("p, x", "g\"1");
    roles[1] = roles[0];
    roles[1].name = AE_STR("s");
    roles[1].npolicies = 0;
    proj.nroles = 2;
    s = ae_project_policy(a, &proj);
    if (s.p == NULL)
        return AE_E_NOMEM;
    return ae_eq_lit(s, "p, proj:p1:r, projects, get, p1, allow\np, x\n"
                     "g, g\"1, proj:p1:r\n"
                     "p, proj:p1:s, projects, get, p1, allow\n"
                     "g, g\"1, proj:p1:s") ? AE_OK : AE_E_INVAL;
}

static int run_validate(ae_arena *a)
{
    ae_str error, code;

    set("p, proj:p1:r, logs, get, p1/a, allow", "\"");
    return ae_project_validate(a, &proj, &error, &code);
}

static void tokens(void)
{
    struct ae_jwt_ref items[] = { { AE_STR(""), -1, 0 },
        { AE_STR("a\0b"), INT64_MAX, 0 }, { AE_STR("x"), INT64_MIN, 0 } };
    struct ae_role_tokens t = { AE_STR("gone"), items, 3 };
    ae_str e;

    set(NULL, NULL);
    proj.tokens = &t;
    proj.ntokens = 1;
    tap_ok(ae_project_token_index(&arena, &proj, t.role, -1, AE_STR(""), &e)
           == -1, "no id and iat -1 find nothing, not even an iat of -1");
    tap_ok(ae_project_token_index(&arena, &proj, t.role, INT64_MIN,
                                  AE_STR("a\0b"), &e) == 1, "by id, NUL too");
    tap_ok(ae_project_token_index(&arena, &proj, t.role, INT64_MIN,
                                  AE_STR("a"), &e) == 2, "else by iat");
    tap_ok(ae_project_token_index(&arena, &proj, AE_STR("gon"), INT64_MIN,
                                  AE_STR("x"), &e) == -1
           && ae_eq_lit(e, "JWT token for role 'gon' issued at "
                        "'-9223372036854775808' does not exist in project "
                        "'p1'"), "%.*s", (int)e.n, e.p);
    tap_ok(ae_project_token_spec_index(&arena, &proj, t.role, 1,
                                       AE_STR("x"), &e) == -1
           && ae_eq_lit(e, "role 'gone' does not exist in project 'p1'"),
           "%.*s", (int)e.n, e.p);
    proj.ntokens = 0;
}

int main(void)
{
    arena = fresh(&heap, 0);
    validation();
    first_fault_wins();
    tokens();
    proj.nroles = 0;
    tap_ok(ae_eq_lit(ae_project_policy(&arena, &proj), ""), "no roles");
    tap_ok(run_policy(&arena) == AE_OK, "generated text");
    tap_ok(starve(run_policy, AE_OK), "starved, too");
    tap_ok(starve(run_validate, AE_E_INVAL), "validation starved");
    ae_heap_free(&heap);
    return tap_done();
}
