/*
 * fuzz.h - what the targets share.  A target is one file: seeds, and a
 * function that must come back from any bytes and keep its promises.
 */
#ifndef AE_FUZZ_H
#define AE_FUZZ_H

#include "base/base.h"

struct fuzz_seed { const char *p; size_t n; };
#define SEED(lit) { "" lit, sizeof(lit) - 1 }

/* What mutation starts from; ends with a NULL. */
extern const struct fuzz_seed fuzz_seeds[];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise that does not hold ends the program. */
#define FUZZ_HOLD(cond)                                                  \
    do {                                                                 \
        if (!(cond))                                                     \
            __builtin_trap();                                            \
    } while (0)

struct fuzz { ae_heap heap; ae_arena a; ae_str in; };

static inline void fuzz_begin(struct fuzz *f, const uint8_t *data, size_t n)
{
    memset(f, 0, sizeof *f);
    ae_arena_init(&f->a, ae_heap_mem(&f->heap), NULL, 0);
    f->in = ae_s((const char *)data, n);
    if (!f->in.p)
        f->in.p = "";
}

static inline void fuzz_end(struct fuzz *f)
{
    ae_heap_free(&f->heap);
}

/* The next line of the input (without its end), the rest stays. */
static inline ae_str fuzz_line(struct fuzz *f)
{
    ae_str line;

    f->in = ae_cut(f->in, '\n', &line);
    if (!f->in.p)
        f->in = ae_s("", 0);
    return line;
}

#endif
