/* list.c - a stored list and a query: an answer that is JSON, an error, or
 * "ask Argo CD". */
#include "fuzz.h"
#include "mirror/mirror.h"

#define APP(n, p)                                                        \
    "{\"metadata\":{\"name\":\"" n "\",\"namespace\":\"argocd\",\"labels\":"  \
    "{\"env\":\"x\"}},\"spec\":{\"source\":{\"repoURL\":\"u\"},\"project\":" \
    "\"" p "\"},\"status\":{\"sync\":{\"status\":\"Synced\"}}}"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("0projects=a&selector=env%3Dx\n{\"metadata\":{},\"items\":["
         APP("a1", "a") "\n," APP("b1", "b") "\n]}"),
    SEED("0fields=items.metadata.name,items.spec\n{\"metadata\":{},\"items\":["
         APP("a1", "a") "\n]}"),
    SEED("0fields=-items.spec&name=a1&repo=u\n{\"metadata\":{},\"items\":["
         APP("a1", "") "\n]}"),
    SEED("2fields=items.metadata\n{\"metadata\":{},\"items\":[{\"metadata\":"
         "{\"name\":\"p\"},\"spec\":{}}]}"),
    SEED("3server=s\n{\"metadata\":{},\"items\":[{\"server\":\"s\",\"name\":"
         "\"n\",\"project\":\"p\"}]}"),
    SEED("0\n{\"metadata\":{},\"items\":null}"),
    SEED("4\n{\"metadata\":{},\"items\":[{},{}]}"), { NULL, 0 }
};

static int may(void *ctx, ae_str object)
{
    (void)ctx;
    return object.n % 3 != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz           f;
    struct ae_list        l;
    struct ae_list_query  q;
    struct ae_list_answer ans = { 0 };
    struct ae_list_rights rights = { .may = may };
    struct ae_list_ask    ask = { .list = &l, .query = &q,
                                  .rights = &rights };
    enum ae_list_kind     kind = AE_LIST_APPLICATIONS;
    ae_str                query;

    fuzz_begin(&f, data, size);
    query = fuzz_line(&f);
    if (query.n) {
        kind = (enum ae_list_kind)((unsigned char)query.p[0] % AE_LIST__N);
        query = ae_sub(query, 1, query.n - 1);
    }
    if (ae_list_bind(kind, query, &f.a, &q) == AE_OK && !q.forward && !q.status
        && ae_list_new(kind, f.in, AE_STR("argocd"), &f.a, &l) == AE_OK
        && ae_list_answer(&ask, &f.a, &ans) == AE_OK && !ans.forward) {
        FUZZ_HOLD(ans.status == 200 ? ans.body.n > 1 : ans.error.n > 0);
        FUZZ_HOLD(ans.shown <= l.nrow);
    }
    fuzz_end(&f);
    return 0;
}
