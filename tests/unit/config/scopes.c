/* The scopes text of argocd-rbac-cm (T7). */
#include "config/config.h"
#include "tap.h"

static void scopes(const char *yaml, bool want_set, const char *want)
{
    ae_heap       heap = { NULL, 0 };
    ae_arena      a;
    struct ae_err e = { 0 };
    const ae_str *s;
    size_t        n;
    bool          set;
    ae_buf        b;
    int           rc;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    rc = ae_scopes_parse(&a, ae_cs(yaml), &s, &n, &set, &e);
    for (size_t i = 0; i < n; i++)
        ae_buf_printf(&b, "%.*s|", (int)s[i].n, s[i].p);
    if (!want)
        tap_ok(rc == AE_E_SYNTAX && !set && n == 0, "%s: %s", yaml, e.text);
    else
        tap_ok(rc == AE_OK && set == want_set
               && ae_eq(ae_buf_str(&b), ae_cs(want)), "%s gives %.*s", yaml,
               (int)b.n, b.p ? b.p : "");
    ae_heap_free(&heap);
}

int main(void)
{
    scopes("", false, "");
    scopes("null", false, "");
    scopes("---", false, "");
    scopes("# later", true, ""); /* no document: the list stays empty */
    scopes(" \n", true, "");
    scopes("[]", true, "");
    scopes("[groups]", true, "groups|");
    scopes("[groups, email, 'a:b']", true, "groups|email|a:b|");
    scopes("[groups, https://example.com/roles]", true,
           "groups|https://example.com/roles|");
    scopes("[1, yes, ~, 0x1f, 1.0]", true, "1|yes||0x1f|1.0|");
    scopes("'[groups]'", false, NULL);
    scopes("groups", false, NULL);
    scopes("{groups: 1}", false, NULL);
    scopes("[[groups]]", false, NULL);
    scopes("[groups", false, NULL);
    return tap_done();
}
