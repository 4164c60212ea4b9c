/* regex.c - a pattern that Go takes, PCRE2 takes, and comes to an end; and
 * the engine that does not backtrack says the same. */
#include "fuzz.h"
#include "policy/regex.h"

const struct fuzz_seed fuzz_seeds[] = {
    SEED("^(a|b)*c$\nababc"), SEED("(?i)[[:alpha:]\\d]+\\pL{2,3}\nABc1"),
    SEED("(?P<x>a)(?:b)\\b\\Q*\\E\nab*"), SEED("((a*)*)*b\naaaaaaaaaaaaaaaaaa"),
    SEED("[^\\x{10FFFF}-\\x00]\n\xff"), SEED("a{1001}\n"), { NULL, 0 }
};

static int ask_nfa(struct fuzz *f, ae_str pattern, ae_str text)
{
    re_nfa *m;
    ae_buf  b;
    int     rc;

    ae_buf_init(&b, &f->a, RE_MAX_OUT);
    if (re_translate(&f->a, pattern, &b) != AE_OK
        || re_nfa_new(ae_buf_str(&b), &m) != AE_OK)
        return AE_E_BUDGET;
    rc = re_nfa_match(m, text);
    re_nfa_free(m);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    ae_regex   *r = NULL;
    ae_str      pattern;

    fuzz_begin(&f, data, size);
    pattern = fuzz_line(&f);
    if (ae_regex_compile(pattern, &r) == AE_OK) {
        int m = ae_regex_match(r, f.in), n = AE_E_BUDGET;

        FUZZ_HOLD(m == 0 || m == 1 || m == AE_E_BUDGET);
        if (ae_utf8_valid(f.in))
            n = ask_nfa(&f, pattern, f.in);
        FUZZ_HOLD(n == m || n == AE_E_BUDGET || m == AE_E_BUDGET);
        ae_regex_free(r);
    }
    fuzz_end(&f);
    return 0;
}
