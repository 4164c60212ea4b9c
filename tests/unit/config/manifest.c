/* Objects as kubectl prints them, and AppProjects with their mistakes. */
#include "config/config.h"
#include "dir.h"
#include "tap.h"

struct run {
    ae_heap          heap;
    struct ae_inputs in;
    struct ae_err    err;
    int              rc;
};

static void load(struct run *r, const char *dir)
{
    memset(r, 0, sizeof(*r));
    r->rc = ae_inputs_load(ae_cs(dir), NULL, &r->heap, &r->in, NULL, &r->err);
}

static const char rbac_cm[] =
    "apiVersion: v1\n"
    "kind: ConfigMap\n"
    "metadata:\n"
    "  name: argocd-rbac-cm\n"
    "data:\n"
    "  policy.csv: |\n"
    "    p, a, b, c, d, allow\n"
    "    g, x, y\n"
    "  policy.x.csv: 'g, z, y'\n"
    "  policy.default: role:readonly\n"
    "  scopes: '[email]'\n";

static void config_map(void)
{
    struct dir d;
    struct run r;

    dir_make(&d);
    dir_put(&d, "argocd-rbac-cm.yaml", rbac_cm);
    load(&r, d.path);
    tap_ok(r.rc == AE_OK, "a ConfigMap loads (%s)", r.err.text);
    tap_ok(r.in.rbac.nparts == 2 && r.in.rbac.parts[0].line == 7
           && ae_eq_lit(r.in.rbac.parts[0].text,
                        "p, a, b, c, d, allow\ng, x, y\n"),
           "a block text knows its first line");
    tap_ok(r.in.rbac.parts[1].line == 9, "so does a quoted one");
    tap_ok(r.in.rbac.scopes_set && ae_eq_lit(r.in.rbac.scopes[0], "email"),
           "scopes");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-rbac-cm/policy.csv", "");
    load(&r, d.path);
    tap_ok(r.rc == AE_E_SYNTAX && strstr(r.err.text, "remove one"),
           "a directory and a manifest: %s", r.err.text);
    ae_heap_free(&r.heap);
    dir_remove(&d);
}

static void bad_maps(void)
{
    static const struct { const char *text, *want; unsigned line; } t[] = {
        { "kind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\ndata:\n"
          "  policy.default: true\n", "quotes", 4 },
        { "kind: ConfigMap\nmetadata: {name: other}\n", "holds no", 1 },
        { "kind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\ndata:\n"
          "  scopes: a\n  scopes: b\n", "twice", 5 },
        { "kind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\n"
          "data: &a\n  scopes: *a\n", "aliases", 4 },
        { "kind: ConfigMap\n\tmetadata: x\n", "invalid YAML", 2 },
        { "kind: ConfigMap\nmetadata: {name: argocd-rbac-cm}\ndata: [1]\n",
          "mapping", 3 },
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct dir d;
        struct run r;

        dir_make(&d);
        dir_put(&d, "argocd-rbac-cm.yaml", t[i].text);
        load(&r, d.path);
        tap_ok(r.rc != AE_OK && strstr(r.err.text, t[i].want)
               && r.err.line == t[i].line, "line %u: %s", r.err.line,
               r.err.text);
        ae_heap_free(&r.heap);
        dir_remove(&d);
    }
}

static void secrets(void)
{
    struct dir d;
    struct run r;

    dir_make(&d);
    dir_put(&d, "argocd-secret.json",
            "\xEF\xBB\xBF{\"kind\": \"Secret\",\r\n\t\"metadata\": {\"name\": "
            "\"argocd-secret\"},\r\n\"data\": {\"server.secretkey\": "
            "\"a2V5Cg==\", \"x\": \"\\ud83d\\ude00\"}}");
    load(&r, d.path);
    tap_ok(r.rc == AE_E_SYNTAX && strstr(r.err.text, "base64"),
           "data must be base64: %s", r.err.text);
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-secret.json",
            "{\"kind\": \"Secret\", \"metadata\": {\"name\": "
            "\"argocd-secret\"}, \"data\": {\"server.secretkey\": "
            "\"a2V5Cg==\"}, \"stringData\": {\"x\": \"\\ud83d\\ude00\"}}");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && ae_eq_lit(r.in.secret_key, "key\n"),
           "data is decoded, also where YAML cannot read the JSON");
    ae_heap_free(&r.heap);
    dir_put(&d, "argocd-secret.json",
            "{\"kind\": \"List\", \"items\": [{\"kind\": \"Secret\", "
            "\"metadata\": {\"name\": \"argocd-secret\"}, \"data\": "
            "{\"server.secretkey\": \"YQ==\"}, \"stringData\": "
            "{\"server.secretkey\": \"b\"}}]}");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && ae_eq_lit(r.in.secret_key, "b"),
           "stringData overwrites data, in a List too");
    ae_heap_free(&r.heap);
    dir_remove(&d);
}

static void projects(void)
{
    struct dir d;
    struct run r;

    dir_make(&d);
    dir_put(&d, "appprojects/all.yaml",
            "apiVersion: v1\nkind: List\nitems:\n"
            "- kind: AppProject\n  metadata: {name: a, namespace: argocd}\n"
            "  spec:\n    roles:\n    - name: r\n      policies: [x, 'y']\n"
            "      groups: [g]\n      jwtTokens: [{iat: 5}]\n"
            "  status:\n    jwtTokensByRole:\n      r: {items: [{iat: 5, "
            "id: i}]}\n"
            "- kind: AppProject\n  metadata: {name: b}\n"
            "---\n---\nkind: AppProject\nmetadata: {name: c}\n");
    load(&r, d.path);
    tap_ok(r.rc == AE_OK && r.in.nprojects == 3, "a List and a document (%s)",
           r.err.text);
    if (r.rc == AE_OK) {
        struct ae_project *p = r.in.projects;

        tap_ok(p->nroles == 1 && p->roles[0].npolicies == 2
               && p->roles[0].ngroups == 1 && p->roles[0].nspec_tokens == 1
               && p->roles[0].spec_tokens[0].id.n == 0
               && p->roles[0].spec_tokens[0].iat == 5, "a role");
        tap_ok(p->ntokens == 1 && ae_eq_lit(p->tokens[0].role, "r")
               && ae_eq_lit(p->tokens[0].items[0].id, "i"), "its tokens");
        tap_ok(ae_eq_lit(p[0].ns, "argocd") && !p[1].ns.p, "namespaces");
    }
    ae_heap_free(&r.heap);
    dir_put(&d, "appprojects/b.yml", "kind: AppProject\nmetadata: {name: b}");
    load(&r, d.path);
    tap_ok(r.rc == AE_E_SYNTAX && strstr(r.err.text, "project b"),
           "twice: %s", r.err.text);
    ae_heap_free(&r.heap);
    dir_put(&d, "appprojects/b.yml", "kind: AppProject\nmetadata:\n"
            "  name: x\nspec:\n  roles:\n  - name: r\n    policies:\n"
            "    - ok\n    - 5\n");
    load(&r, d.path);
    tap_ok(r.rc == AE_E_SYNTAX && r.err.line == 9 && r.err.column == 7
           && strstr(r.err.text, "spec.roles[0].policies[1]"),
           "%u:%u: %s", r.err.line, r.err.column, r.err.text);
    ae_heap_free(&r.heap);
    dir_put(&d, "appprojects/b.yml", "kind: Application\n");
    load(&r, d.path);
    tap_ok(r.rc == AE_E_SYNTAX && strstr(r.err.text, "AppProject"), "%s",
           r.err.text);
    ae_heap_free(&r.heap);
    dir_remove(&d);
}

int main(void)
{
    config_map();
    bad_maps();
    secrets();
    projects();
    return tap_done();
}
