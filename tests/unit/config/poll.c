/* What a poll sees: edits, new files, and the swap of ..data. */
#include "config/config.h"
#include "dir.h"
#include "tap.h"

static ae_heap        heap;
static struct ae_inputs in;
static ae_inputs_src *src;
static int            rc;

static void load(const struct dir *d)
{
    struct ae_err e = { 0 };

    ae_heap_free(&heap);
    ae_inputs_src_free(src);
    heap = (ae_heap){ NULL, 0 };
    rc = ae_inputs_load(ae_cs(d->path), NULL, &heap, &in, &src, &e);
}

static void link_to(const struct dir *d, const char *to, const char *name)
{
    char tmp[512], path[512];

    snprintf(tmp, sizeof(tmp), "%s/%s.tmp", d->path, name);
    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    if (symlink(to, tmp) < 0 || rename(tmp, path) < 0)
        abort();
}

static void plain(void)
{
    struct dir d;

    dir_make(&d);
    dir_put(&d, "argocd-rbac-cm/policy.csv", "");
    load(&d);
    tap_ok(rc == AE_OK && !ae_inputs_changed(src), "nothing changed");
    tap_ok(!ae_inputs_changed(src), "twice");
    dir_put(&d, "argocd-rbac-cm/policy.csv", "g, a, b\n");
    tap_ok(ae_inputs_changed(src), "written in place");
    load(&d);
    dir_put(&d, "argocd-rbac-cm/policy.x.csv", "");
    tap_ok(ae_inputs_changed(src), "a new key");
    load(&d);
    dir_put(&d, "appprojects/a.json", "{");
    tap_ok(ae_inputs_changed(src), "a new object");
    load(&d);
    tap_ok(rc == AE_E_SYNTAX && src && !ae_inputs_changed(src),
           "after a failure it is watched as well");
    dir_put(&d, "appprojects/a.json",
            "{\"kind\":\"AppProject\",\"metadata\":{\"name\":\"a\"}}");
    tap_ok(ae_inputs_changed(src), "and its cure seen");
    load(&d);
    tap_ok(rc == AE_OK && in.nprojects == 1, "cured");
    dir_remove(&d);
    tap_ok(ae_inputs_changed(src), "removed");
    load(&d);
    tap_ok(rc == AE_E_IO && !ae_inputs_changed(src), "nothing there");
}

static void swapped(void)
{
    struct dir d;

    dir_make(&d);
    dir_put(&d, "argocd-rbac-cm/..1/policy.csv", "g, a, b\n");
    dir_put(&d, "argocd-rbac-cm/..1/policy.default", "role:a");
    dir_put(&d, "argocd-rbac-cm/..2/policy.csv", "g, c, d\n");
    dir_put(&d, "argocd-rbac-cm/..2/policy.default", "role:b");
    link_to(&d, "..1", "argocd-rbac-cm/..data");
    link_to(&d, "..data/policy.csv", "argocd-rbac-cm/policy.csv");
    link_to(&d, "..data/policy.default", "argocd-rbac-cm/policy.default");
    load(&d);
    tap_ok(rc == AE_OK && ae_eq_lit(in.rbac.default_role, "role:a")
           && ae_eq_lit(in.rbac.parts[0].text, "g, a, b\n"), "the first");
    tap_ok(ae_ends(in.rbac.parts[0].file,
                   AE_STR("/argocd-rbac-cm/policy.csv")),
           "shown under the name that the user knows");
    tap_ok(!ae_inputs_changed(src), "nothing changed");
    link_to(&d, "..2", "argocd-rbac-cm/..data");
    tap_ok(ae_inputs_changed(src), "the swap is seen");
    load(&d);
    tap_ok(rc == AE_OK && ae_eq_lit(in.rbac.default_role, "role:b")
           && ae_eq_lit(in.rbac.parts[0].text, "g, c, d\n"), "the second");
    dir_remove(&d);
}

int main(void)
{
    plain();
    swapped();
    ae_heap_free(&heap);
    ae_inputs_src_free(src);
    return tap_done();
}
