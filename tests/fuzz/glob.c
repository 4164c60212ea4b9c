/* glob.c - a pattern and a text: the matcher for speed and the one that walks
 * the tree agree. */
#include "fuzz.h"
#include "policy/glob.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("*a*a*a*b\naaaaaaaaaaaaaaaaaaaaa"), SEED("{a,b*}c?\nabcx"),
    SEED("[!a-c]\\*{x,{y,z}}\nd*z"), SEED("team-*/?*\nteam-a/web"),
    SEED("**a{}\n"), SEED("[abc]{1,2\n]"), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    ae_glob    *g = NULL, *tree = NULL;
    ae_str      pattern;

    fuzz_begin(&f, data, size);
    pattern = fuzz_line(&f);
    if (ae_glob_compile(&f.a, pattern, &g) == AE_OK
        && glob_compile_tree(&f.a, pattern, &tree) == AE_OK) {
        int m = ae_glob_match(g, f.in), n = ae_glob_match(tree, f.in);

        FUZZ_HOLD(m == n || m == AE_E_BUDGET || n == AE_E_BUDGET);
        FUZZ_HOLD(!ae_glob_is_all(g) || m == 1 || m == AE_E_BUDGET);
    }
    fuzz_end(&f);
    return 0;
}
