/* err.c - the caller-owned error record: fixed buffers, first error wins. */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>

static void err_v(struct ae_err *e, int code, ae_str file, uint32_t line,
                  uint32_t column, const char *fmt, va_list ap)
{
    size_t n = file.n < sizeof(e->file) ? file.n : sizeof(e->file) - 1;

    e->code = code;
    e->line = line;
    e->column = column;
    if (n)
        memcpy(e->file, file.p, n);
    e->file[n] = '\0';
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int ae_err_set(struct ae_err *e, int code, const char *fmt, ...)
{
    va_list ap;

    if (!e || e->code)
        return code;
    va_start(ap, fmt);
    err_v(e, code, ae_s(NULL, 0), 0, 0, fmt, ap);
    va_end(ap);
    return code;
}

int ae_err_at(struct ae_err *e, int code, ae_str file, uint32_t line,
              uint32_t column, const char *fmt, ...)
{
    va_list ap;

    if (!e || e->code)
        return code;
    va_start(ap, fmt);
    err_v(e, code, file, line, column, fmt, ap);
    va_end(ap);
    return code;
}

const char *ae_err_str(const struct ae_err *e, char *buf, size_t n)
{
    if (!n)
        return "";
    if (!e->file[0])
        snprintf(buf, n, "%s", e->text);
    else if (!e->line)
        snprintf(buf, n, "%s: %s", e->file, e->text);
    else if (!e->column)
        snprintf(buf, n, "%s:%u: %s", e->file, e->line, e->text);
    else
        snprintf(buf, n, "%s:%u:%u: %s", e->file, e->line, e->column,
                 e->text);
    return buf;
}
