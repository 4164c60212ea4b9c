/*
 * vectors.c - build/tests/vectors [--inputs DIR] FILE...
 *
 * Runs files of recorded answers; each names its suite, and the suite its
 * checker (tests/vectors/README.md).  A line per failing case, one per file,
 * and last of all the sum.
 */
#include "runner.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct sum { unsigned long passed, failed, skipped; };

static const struct { const char *suite; check_fn check; } checkers[] = {
    { "rbac.decide", check_rbac_decide },
    { "rbac.csv", check_rbac_csv },
    { "rbac.glob", check_rbac_glob },
    { "rbac.regex", check_rbac_regex },
    { "rbac.overlay", check_rbac_overlay },
    { "rbac.project-token", check_rbac_project_token },
    { "rbac.project-validate", check_rbac_project_validate },
    { "api.token", check_api_token },
    { "api.can-i", check_api_can_i },
    { "api.list", check_api_list },
    { "api.oidc", check_api_oidc },
};

static check_fn checker(const char *suite)
{
    for (size_t i = 0; i < sizeof(checkers) / sizeof(checkers[0]); i++)
        if (strcmp(checkers[i].suite, suite) == 0)
            return checkers[i].check;
    return NULL;
}

static bool is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* inputs/seed or inputs beside the file, else the project's own for |suite|:
 * found from where we stand, or from where this program lies
 * (BUILD/tests/vectors). */
static void default_inputs(const char *file, const char *suite, char *out,
                           size_t n)
{
    const char *own = suite && strcmp(suite, "api.list") == 0
                    ? "tests/vectors/lists/inputs"
                    : "tests/vectors/api/inputs/seed";
    const char *slash = strrchr(file, '/');
    char        exe[1024];
    ssize_t     len;

    snprintf(out, n, "%.*sinputs/seed",
             slash ? (int)(slash - file) + 1 : 0, file);
    if (is_dir(out))
        return;
    snprintf(out, n, "%.*sinputs/argocd-cm",
             slash ? (int)(slash - file) + 1 : 0, file);
    if (is_dir(out)) {
        *strrchr(out, '/') = '\0';
        return;
    }
    snprintf(out, n, "%s", own);
    if (is_dir(out))
        return;
    len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    for (int up = 0; len > 0 && up < 3; up++) {
        exe[len] = '\0';
        if (strrchr(exe, '/'))
            *strrchr(exe, '/') = '\0';
        len = (ssize_t)strlen(exe);
    }
    if (len > 0)
        snprintf(out, n, "%s/%s", exe, own);
}

/* can-i cases have no name: who asks for what says which one it is. */
static void case_name(const json_t *c, size_t i, char *out, size_t n)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    const char *as = json_string_value(json_object_get(c, "as"));
    const char *path = json_string_value(json_object_get(c, "path"));
    const char *state = json_string_value(json_object_get(c, "state"));

    if (name)
        snprintf(out, n, "%s", name);
    else if (path)
        snprintf(out, n, "%s/%s %s", state ? state : "-", as ? as : "-", path);
    else
        snprintf(out, n, "#%zu", i);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = '?';
}

/* Always "got ..., want ...": what stands in front of "got" (which member it
 * is) goes behind. */
static void print_failure(const char *suite, const char *name,
                          const char *why)
{
    const char *got = strstr(why, "got ");
    size_t      n = got ? (size_t)(got - why) : 0;

    while (n && (why[n - 1] == ' ' || why[n - 1] == ':'))
        n--;
    printf("not ok %s %s: ", suite, name);
    if (!got)
        printf("got %s, want a pass\n", why[0] ? why : "no reason");
    else if (n)
        printf("%s (%.*s)\n", got, (int)n, why);
    else
        printf("%s\n", got);
}

static bool skip(const json_t *c)
{
    const char *edge = json_string_value(json_object_get(c, "edge"));

    return edge && strcmp(edge, "skip") == 0;
}

static void run_cases(const struct run_ctx *r, const char *suite,
                      check_fn check, json_t *cases, struct sum *s)
{
    json_t *c;
    size_t  i;

    json_array_foreach(cases, i, c) {
        char why[2048] = "", name[512];
        int  rc = skip(c) ? CHECK_SKIP : check(r, c, why, sizeof(why));

        if (rc == CHECK_SKIP) {
            s->skipped++;
        } else if (rc == CHECK_PASS) {
            s->passed++;
        } else {
            s->failed++;
            case_name(c, i, name, sizeof(name));
            print_failure(suite, name, why);
        }
    }
}

/* One file.  What cannot be run at all counts as one failure. */
static void run_file(const char *file, const char *inputs, struct sum *total)
{
    json_error_t   e;
    char           seed[2048];
    struct run_ctx r = { file, inputs, NULL };
    struct sum     s = { 0, 0, 0 };
    json_t        *root = vectors_load(file, &e);
    const char    *suite = json_string_value(json_object_get(root, "suite"));
    json_t        *cases = json_object_get(root, "cases");
    check_fn       check = suite ? checker(suite) : NULL;

    if (!inputs) {
        default_inputs(file, suite, seed, sizeof(seed));
        r.inputs = seed;
    }
    r.root = root;
    if (check && json_is_array(cases)) {
        run_cases(&r, suite, check, cases, &s);
    } else {
        s.failed = 1;
        if (!root)
            printf("not ok - %s: line %d: %s\n", file, e.line, e.text);
        else if (!suite || !json_is_array(cases))
            printf("not ok - %s: got no suite with cases, want "
                   "{\"suite\": ..., \"cases\": [...]}\n", file);
        else
            printf("not ok %s %s: got an unknown suite, want one that this "
                   "program has a checker for\n", suite, file);
    }
    printf("%s %s: %lu passed, %lu failed, %lu skipped\n",
           suite ? suite : "-", file, s.passed, s.failed, s.skipped);
    fflush(stdout);
    json_decref(root);
    total->passed += s.passed;
    total->failed += s.failed;
    total->skipped += s.skipped;
}

static int usage(void)
{
    fprintf(stderr, "usage: vectors [--inputs DIR] FILE...\n");
    return 2;
}

int main(int argc, char **argv)
{
    const char *inputs = NULL;
    struct sum  total = { 0, 0, 0 };
    int         i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--inputs") == 0 && i + 1 < argc)
            inputs = argv[++i];
        else if (strncmp(argv[i], "--inputs=", 9) == 0)
            inputs = argv[i] + 9;
        else
            return usage();
    }
    if (i == argc)
        return usage();
    for (; i < argc; i++)
        run_file(argv[i], inputs, &total);
    printf("%lu passed, %lu failed", total.passed, total.failed);
    if (total.skipped)
        printf(", %lu skipped", total.skipped);
    printf("\n");
    return total.failed ? 1 : 0;
}
