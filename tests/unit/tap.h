/* tap.h - a few lines of TAP for the unit tests. */
#ifndef AE_TAP_H
#define AE_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int tap_n, tap_failed;

__attribute__((format(printf, 2, 3), unused))
static int tap_ok(int ok, const char *fmt, ...)
{
    va_list ap;

    tap_n++;
    if (!ok)
        tap_failed++;
    printf("%sok %d - ", ok ? "" : "not ", tap_n);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
    return ok;
}

__attribute__((unused))
static int tap_done(void)
{
    printf("1..%d\n", tap_n);
    return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
