/* yaml.c - whatever stands in a manifest or in scopes: read it or refuse it. */
#include "fuzz.h"
#include "config/config.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("apiVersion: v1\nkind: ConfigMap\ndata:\n  policy.csv: |\n"
         "    g, a, b\n"),
    SEED("kind: AppProject\nmetadata: {name: x}\nspec:\n  roles:\n"
         "  - name: a\n    policies: [\"p, proj:x:a, applications, get, x/*, "
         "allow\"]\n"),
    SEED("[groups, email]"), SEED("a: &x [*x]\n<<: {b: 0x1f, c: 1e3, d: ~}"),
    SEED("- 'it''s'\n- \"\\u0041\\n\"\n? k\n: v\n---\n..."), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ae_str            text = ae_s((const char *)data, size);
    struct ae_err     err = { 0 };
    ae_heap           heap = { NULL, 0 };
    ae_arena          a;
    struct ae_project p;
    const ae_str     *scopes;
    size_t            n;
    bool              set;
    json_t           *v = ae_yaml_to_json(text, AE_STR("fuzz"), &err);

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    if (!v && err.code == 0)
        __builtin_trap(); /* refused without a reason */
    if (v)
        (void)ae_project_from_json(&a, v, &p, &err);
    (void)ae_scopes_parse(&a, text, &scopes, &n, &set, &err);
    json_decref(v);
    ae_heap_free(&heap);
    return 0;
}
