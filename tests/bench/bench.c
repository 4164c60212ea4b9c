/*
 * bench.c - build/tests/bench [--quick] [NAME...]
 * Prints "NAME VALUE UNIT" lines: medians of interleaved runs.  A NAME may be
 * a prefix (decide, ratio.hit2k); without any, everything runs.
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>

static char **wanted;
static int    nwanted;

int bench_wanted(const char *name)
{
    for (int i = 0; i < nwanted; i++)
        if (strncmp(name, wanted[i], strlen(wanted[i])) == 0)
            return 1;
    return nwanted == 0;
}

/* Does any wanted name fall under a group of names? */
static int group_wanted(const char *const *prefix)
{
    for (; *prefix; prefix++) {
        if (bench_wanted(*prefix))
            return 1;
        for (int i = 0; i < nwanted; i++)
            if (strncmp(wanted[i], *prefix, strlen(*prefix)) == 0)
                return 1;
    }
    return 0;
}

static void emit(const char *name, double value, const char *unit)
{
    if (!bench_wanted(name))
        return;
    if (value < 10)
        printf("%s %.3f %s\n", name, value, unit);
    else
        printf("%s %.0f %s\n", name, value, unit);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const char *const policy[] = { "decide.", "compile.",
                                          "policy.bytes.", NULL };
    static const char *const token[] = { "token.", NULL };
    static const char *const store[] = { "store.", NULL };
    static const char *const limit[] = { "limit.", NULL };
    static const char *const list[] = { "list.", NULL };
    static const char *const http[] = { "http.", "ratio.", NULL };
    int                      quick = 0, i = 1;

    if (i < argc && strcmp(argv[i], "--quick") == 0) {
        quick = 1;
        i++;
    }
    if (i < argc && argv[i][0] == '-') {
        fprintf(stderr, "usage: bench [--quick] [NAME...]\n");
        return 2;
    }
    wanted = argv + i;
    nwanted = argc - i;
    if (group_wanted(policy))
        bench_policy(quick, emit);
    if (group_wanted(token))
        bench_token(quick, emit);
    if (group_wanted(store))
        bench_store(quick, emit);
    if (group_wanted(limit))
        bench_limit(quick, emit);
    if (group_wanted(list))
        bench_list(quick, emit);
    if (group_wanted(http) && bench_http(quick, emit))
        return 1;
    if (group_wanted(http) && bench_http200k(quick, emit))
        return 1;
    if (group_wanted(http) && bench_httpd(quick, emit))
        return 1;
    return 0;
}
