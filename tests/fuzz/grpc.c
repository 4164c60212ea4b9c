/* grpc.c - a gRPC message, read for the object of its call. */
#include "fuzz.h"
#include "route/route.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("/application.ApplicationService/Get\n\0\0\0\0\x08\x0a\x01" "a"
         "\x1a\x03" "abc"),
    SEED("/application.ApplicationService/Sync\n\0\0\0\0\x05\x0a\x03web"),
    SEED("/project.ProjectService/Delete\n\0\0\0\0\x03\x0a\x01p"),
    SEED("/cluster.ClusterService/Update\n\0\0\0\0\x06\x0a\x04\x0a\x02us"),
    { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ae_route_conf c = { .ns = { "argocd", 6 } };
    const struct ae_op *op;
    struct ae_target    t;
    struct ae_checks    checks;
    struct fuzz         f;

    fuzz_begin(&f, data, size);
    op = ae_grpc_op(fuzz_line(&f));
    if (op && ae_grpc_bind(op, f.in, &f.a, &t) == AE_OK)
        (void)ae_route_checks(&c, &t, NULL, &f.a, &checks);
    fuzz_end(&f);
    return 0;
}
