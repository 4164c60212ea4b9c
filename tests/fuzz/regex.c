/* regex.c - a pattern that Go takes, PCRE2 takes, and comes to an end. */
#include "fuzz.h"
#include "policy/policy.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("^(a|b)*c$\nababc"), SEED("(?i)[[:alpha:]\\d]+\\pL{2,3}\nABc1"),
    SEED("(?P<x>a)(?:b)\\b\\Q*\\E\nab*"), SEED("((a*)*)*b\naaaaaaaaaaaaaaaaaa"),
    SEED("[^\\x{10FFFF}-\\x00]\n\xff"), SEED("a{1001}\n"), { NULL, 0 }
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    ae_regex   *r = NULL;

    fuzz_begin(&f, data, size);
    if (ae_regex_compile(fuzz_line(&f), &r) == AE_OK) {
        int m = ae_regex_match(r, f.in);

        FUZZ_HOLD(m == 0 || m == 1 || m == AE_E_BUDGET);
        ae_regex_free(r);
    }
    fuzz_end(&f);
    return 0;
}
