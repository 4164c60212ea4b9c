/*
 * bench.c - build/tests/bench [--quick] [--progress] [NAME...]
 * Prints "NAME VALUE UNIT" lines: medians of interleaved runs.  On a terminal,
 * or with --progress, standard error says which group runs.  A NAME may be
 * a prefix (decide, ratio.hit2k); without any, everything runs.
 */
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static int progress;

static int runs(const char *group, const char *const *prefix)
{
    if (!group_wanted(prefix))
        return 0;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[Kbench: %s\r", group);
    else if (progress)
        fprintf(stderr, "bench: %s\n", group);
    return 1;
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
    static const char *const store1m[] = { "store1m.", NULL };
    static const char *const limit[] = { "limit.", NULL };
    static const char *const list[] = { "list.", NULL };
    static const char *const http[] = { "http.", "ratio.", NULL };
    int                      quick = 0, i = 1;

    for (; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0)
            quick = 1;
        else if (strcmp(argv[i], "--progress") == 0)
            progress = 1;
        else
            break;
    }
    if (i < argc && argv[i][0] == '-') {
        fprintf(stderr, "usage: bench [--quick] [--progress] [NAME...]\n");
        return 2;
    }
    wanted = argv + i;
    nwanted = argc - i;
    if (runs("policy", policy))
        bench_policy(quick, emit);
    if (runs("token", token))
        bench_token(quick, emit);
    if (runs("store", store))
        bench_store(quick, emit);
    if (nwanted && runs("store1m", store1m)) /* minutes, gigabytes */
        bench_store1m(quick, emit);
    if (runs("limit", limit))
        bench_limit(quick, emit);
    if (runs("list", list))
        bench_list(quick, emit);
    if (runs("http", http) && bench_http(quick, emit))
        return 1;
    if (runs("http, 200 KB", http) && bench_http200k(quick, emit))
        return 1;
    if (runs("http, httpd", http) && bench_httpd(quick, emit))
        return 1;
    if (isatty(STDERR_FILENO))
        fputs("\033[K", stderr);
    return 0;
}
