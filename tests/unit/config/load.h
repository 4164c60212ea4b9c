/* load.h - inputs read from a directory, with all that they hold. */
#ifndef AE_TEST_LOAD_H
#define AE_TEST_LOAD_H

#include "config/config.h"

#include <string.h>

struct run {
    ae_heap          heap;
    struct ae_inputs in;
    ae_inputs_src   *src;
    struct ae_err    err;
    int              rc;
};

static void load(struct run *r, const char *dir)
{
    memset(r, 0, sizeof(*r));
    r->rc = ae_inputs_load(ae_cs(dir), NULL, &r->heap, &r->in, &r->src,
                           &r->err);
}

static void drop(struct run *r)
{
    ae_heap_free(&r->heap);
    ae_inputs_src_free(r->src);
}

#endif
