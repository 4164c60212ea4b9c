/*
 * arena.c - one bump allocator over the host's blocks, and a heap of blocks
 * for snapshots and tools.
 *
 * With AE_ARENA_EMULATE (sanitizer builds) each allocation is a block of its
 * own, because a bump allocator hides overflows from ASan.
 */
#include "base/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, BLOCK = 4096, BUF_MAX = 1 << 30 };

void ae_arena_init(ae_arena *a, struct ae_mem mem, void *first, size_t n)
{
    uintptr_t p = (uintptr_t)first;
    size_t    skip = (ALIGN - p % ALIGN) % ALIGN;

    memset(a, 0, sizeof(*a));
    a->mem = mem;
    if (first && n > skip) {
        a->cur = (char *)first + skip;
        a->end = (char *)first + n;
    }
}

static void *arena_fail(ae_arena *a)
{
    a->failed = true;
    return NULL;
}

static void *take(ae_arena *a, size_t n)
{
    char *p;

#ifndef AE_ARENA_EMULATE
    if ((size_t)(a->end - a->cur) >= n) {
        p = a->cur;
        a->cur += n;
        return p;
    }
    if (n < BLOCK / 4) {
        p = a->mem.alloc ? a->mem.alloc(a->mem.ctx, BLOCK) : NULL;
        if (!p)
            return NULL;
        a->cur = p + n;
        a->end = p + BLOCK;
        return p;
    }
#endif
    p = a->mem.alloc ? a->mem.alloc(a->mem.ctx, n) : NULL;
    return p;
}

void *ae_alloc(ae_arena *a, size_t n)
{
    void *p;

    if (n > SIZE_MAX - ALIGN)
        return arena_fail(a);
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n == 0)
        n = ALIGN;
    if (a->limit && (n > a->limit || a->used > a->limit - n))
        return arena_fail(a);
    p = take(a, n);
    if (!p)
        return arena_fail(a);
    a->used += n;
    return p;
}

void *ae_zalloc(ae_arena *a, size_t n)
{
    void *p = ae_alloc(a, n);

    return p ? memset(p, 0, n) : NULL;
}

void *ae_nalloc(ae_arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return arena_fail(a);
    return ae_zalloc(a, count * size);
}

ae_str ae_dup(ae_arena *a, ae_str s)
{
    char *p;

    if (!s.p)
        return s;
    p = s.n < SIZE_MAX ? ae_alloc(a, s.n + 1) : NULL;
    if (!p)
        return ae_s(NULL, 0);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return ae_s(p, s.n);
}

ae_str ae_concat(ae_arena *a, const ae_str *parts, size_t n)
{
    size_t len = 0;
    char  *p;

    for (size_t i = 0; i < n; i++)
        len += parts[i].n;
    p = ae_alloc(a, len + 1);
    if (!p)
        return ae_s(NULL, 0);
    len = 0;
    for (size_t i = 0; i < n; i++)
        if (parts[i].n) {
            memcpy(p + len, parts[i].p, parts[i].n);
            len += parts[i].n;
        }
    p[len] = '\0';
    return ae_s(p, len);
}

ae_str ae_fmt(ae_arena *a, const char *fmt, ...)
{
    va_list ap;
    char   *p;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !(p = ae_alloc(a, (size_t)n + 1)))
        return ae_s(NULL, 0);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return ae_s(p, (size_t)n);
}

/* ---- heap: malloc'd blocks in a list ---- */

struct heap_block { struct heap_block *next; size_t pad; };

static void *heap_alloc(void *ctx, size_t n)
{
    ae_heap           *h = ctx;
    struct heap_block *b;

    if (n > SIZE_MAX - sizeof(*b) || !(b = malloc(sizeof(*b) + n)))
        return NULL;
    b->next = h->first;
    b->pad = n;
    h->first = b;
    h->bytes += n;
    return b + 1;
}

struct ae_mem ae_heap_mem(ae_heap *h)
{
    struct ae_mem m = { heap_alloc, h };

    return m;
}

void ae_heap_free(ae_heap *h)
{
    struct heap_block *b = h->first;

    while (b) {
        struct heap_block *next = b->next;

        free(b);
        b = next;
    }
    h->first = NULL;
    h->bytes = 0;
}

/* ---- growing buffer ---- */

void ae_buf_init(ae_buf *b, ae_arena *a, size_t max)
{
    memset(b, 0, sizeof(*b));
    b->a = a;
    b->max = max ? max : (size_t)BUF_MAX;
}

static bool buf_room(ae_buf *b, size_t n)
{
    size_t want;
    char  *p;

    if (b->bad)
        return false;
    if (n > b->max || b->n > b->max - n) {
        b->bad = true;
        return false;
    }
    if (b->cap - b->n >= n)
        return true;
    want = b->cap ? b->cap * 2 : 256;
    while (want < b->n + n)
        want *= 2;
    p = ae_alloc(b->a, want);
    if (!p) {
        b->bad = true;
        return false;
    }
    if (b->n)
        memcpy(p, b->p, b->n);
    b->p = p;
    b->cap = want;
    return true;
}

void ae_buf_put(ae_buf *b, ae_str s)
{
    if (s.n == 0 || !buf_room(b, s.n))
        return;
    memcpy(b->p + b->n, s.p, s.n);
    b->n += s.n;
}

void ae_buf_putc(ae_buf *b, char c)
{
    ae_buf_put(b, ae_s(&c, 1));
}

void ae_buf_puts(ae_buf *b, const char *z)
{
    ae_buf_put(b, ae_cs(z));
}

void ae_buf_printf(ae_buf *b, const char *fmt, ...)
{
    va_list ap;
    int     n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    /* one more byte: vsnprintf writes its NUL past what we keep */
    if (n < 0 || !buf_room(b, (size_t)n + 1)) {
        b->bad = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}
