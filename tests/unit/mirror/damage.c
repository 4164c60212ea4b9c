/*
 * damage.c - bodies cut short and bytes changed at random: never a crash,
 * never bytes from beyond the body; and memory that ends at any point.
 */
#include "sample.h"

static const struct { enum ae_list_kind kind; const char *body, *query; }
all_kinds[] = {
    { AE_LIST_APPLICATIONS, sample, "fields=items.metadata.name,items.status"
      ".operationState.phase&selector=env" },
    { AE_LIST_APPLICATIONSETS, "{\"metadata\":{},\"items\":[{\"metadata\":{"
      "\"name\":\"s\"},\"spec\":{\"template\":{\"spec\":{\"project\":"
      "\"{{p}}\"}}}}]}", "projects=x" },
    { AE_LIST_PROJECTS, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":"
      "[{\"metadata\":{\"name\":\"p\"},\"spec\":{\"n\":[1,2.5e30,-0]}}]}",
      "fields=-items.metadata" },
    { AE_LIST_CLUSTERS, "{\"metadata\":{},\"items\":[{\"server\":\"https://x"
      "\",\"name\":\"\\u0061\"}]}", "id.value=a&id.type=name" },
    { AE_LIST_REPOSITORIES, "{\"metadata\":{},\"items\":[{\"repo\":\"r\","
      "\"project\":\"p\"}]}", "forceRefresh=false" },
    { AE_LIST_ACCOUNTS, "{\"items\":[{\"name\":\"ci\"}]}", "" },
};

enum { KINDS = sizeof(all_kinds) / sizeof(all_kinds[0]) };

/* The body on the heap, exactly as long as it is: a sanitizer sees each byte
 * that is read beyond. */
static int run(int i, const char *body, size_t n, size_t limit)
{
    struct pool           p;
    struct ae_list        l;
    struct ae_list_answer out;
    char                 *copy = malloc(n ? n : 1);
    int                   rc;

    if (!copy)
        abort();
    memcpy(copy, body, n);
    pool_new(&p)->limit = limit;
    rc = ae_list_new(all_kinds[i].kind, ae_s(copy, n), AE_STR("argocd"), &p.a,
                     &l);
    if (rc == AE_OK) {
        rc = ask(&p.a, &l, all_kinds[i].query, &all, false, &out);
        if (rc == AE_OK && out.status == 200 && out.body.n == 0)
            rc = AE_E_INVAL;
    }
    pool_free(&p);
    free(copy);
    return rc;
}

static void cut_short(void)
{
    unsigned whole = 0, taken = 0, odd = 0;

    for (int i = 0; i < KINDS; i++) {
        size_t n = strlen(all_kinds[i].body);

        whole += run(i, all_kinds[i].body, n, 0) == AE_OK;
        for (size_t k = 0; k < n; k++) {
            int rc = run(i, all_kinds[i].body, k, 0);

            taken += rc == AE_OK;
            odd += rc != AE_OK && rc != AE_E_CORRUPT;
        }
    }
    tap_ok(whole == KINDS, "a whole body is used");
    tap_ok(taken == 0 && odd == 0, "none that is cut short is");
}

static void changed(void)
{
    static const char swap[] = "\"\\{}[],:0ax \x00\x01\xff";
    uint64_t dice = 4101842887655102017u;
    unsigned odd = 0, used = 0, refused = 0;

    for (int round = 0; round < 30000; round++) {
        int    i = round % KINDS;
        size_t n = strlen(all_kinds[i].body);
        char   text[4096];
        int    rc;

        memcpy(text, all_kinds[i].body, n);
        for (int k = 0; k < 1 + round % 3; k++) {
            dice = dice * 6364136223846793005u + 1442695040888963407u;
            text[(dice >> 33) % n] = swap[(dice >> 21)
                                          % (sizeof(swap) - 1)];
        }
        rc = run(i, text, n, 0);
        used += rc == AE_OK;
        refused += rc == AE_E_CORRUPT;
        odd += rc != AE_OK && rc != AE_E_CORRUPT;
    }
    tap_ok(odd == 0 && used && refused,
           "bytes changed at random: %u used, %u refused", used, refused);
}

static void wrong_shapes(void)
{
    static const char *const bad[] = {
        "", "null", "[]", "{}", "{\"items\":[]}", "{\"metadata\":{}}",
        "{\"metadata\":{},\"items\":{}}", "{\"metadata\":[],\"items\":[]}",
        "{\"metadata\":{},\"items\":[]} x", "{\"metadata\":{},\"items\":[1]}",
        "{\"metadata\":{},\"items\":[{}]}",
        "{\"metadata\":{},\"items\":[{\"metadata\":{\"name\":1}}]}",
        "{\"metadata\":{},\"items\":[],\"items\":[]}",
        "{\"error\":\"x\",\"code\":5}",
        "{\"metadata\":{},\"items\":[],\"more\":1}"
    };
    unsigned taken = 0;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        taken += run(0, bad[i], strlen(bad[i]), 0) != AE_E_CORRUPT;
    tap_ok(taken == 0, "what is no list of applications is not used");
}

static void no_memory(void)
{
    unsigned odd = 0, out = 0, done = 0;

    for (int i = 0; i < KINDS; i++)
        for (size_t limit = 1; limit < 60000; limit += 7 + limit / 50) {
            int rc = run(i, all_kinds[i].body, strlen(all_kinds[i].body),
                         limit);

            out += rc == AE_E_NOMEM;
            done += rc == AE_OK;
            odd += rc != AE_OK && rc != AE_E_NOMEM;
        }
    tap_ok(odd == 0 && out > 100 && done > 10,
           "memory that ends anywhere is told (%u), or there was enough (%u)",
           out, done);
}

int main(void)
{
    cut_short();
    changed();
    wrong_shapes();
    no_memory();
    return tap_done();
}
