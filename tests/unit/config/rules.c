/* rules.c - argo-edge.yaml: what it means, and what it must not hold. */
#include "config/config.h"
#include "config/internal.h"
#include "dir.h"
#include "tap.h"

struct run {
    ae_heap          heap;
    struct ae_inputs in;
    struct ae_err    err;
    int              rc;
};

static void load(struct run *r, const struct dir *d)
{
    memset(r, 0, sizeof *r);
    r->rc = ae_inputs_load(ae_cs(d->path), NULL, &r->heap, &r->in, NULL,
                           &r->err);
}

static const char whole[] =
    "read_only: true\n"
    "virtual_patches:\n"
    "  - name: p\n"
    "    operations: [A_B, read]\n"
    "    action: no_cache\n"
    "tokens:\n"
    "  - name: t\n"
    "    accounts: [ci, \"bot-*\"]\n"
    "    project_roles: [\"p:r\"]\n"
    "    max_age: 90d\n"
    "    cidrs: [10.0.0.0/8, 2001:db8::/32, 192.0.2.1]\n"
    "    operations: [sync]\n"
    "    message: ask the platform team\n"
    "freezes:\n"
    "  - name: f\n"
    "    from: 2026-12-20T00:00:00Z\n"
    "    until: \"2027-01-04T06:00:00+01:00\"\n"
    "    applications: [\"prod-*\"]\n"
    "    break_glass: {groups: [sre], users: [admin]}\n"
    "  - name: g\n"
    "    schedule: 30 18 * * 5\n"
    "    duration: 62h\n"
    "    utc_offset: \"-03:30\"\n"
    "syncs:\n"
    "  - name: s\n"
    "    deny: [prune, force, replace, revision, manifests, live]\n";

static void test_whole(const struct dir *d)
{
    const struct ae_own_rule *v;
    struct run r;

    dir_put(d, "argo-edge.yaml", whole);
    load(&r, d);
    tap_ok(r.rc == AE_OK, "it loads: %s", r.err.text);
    tap_ok(r.in.rules.read_only && r.in.rules.n == 5, "read_only, five rules");
    v = r.in.rules.v;
    if (r.in.rules.n != 5)
        return;
    tap_ok(v[0].kind == AE_RULE_PATCH && v[0].no_cache
           && v[0].operations.n == 2 && v[0].line == 3, "a patch");
    tap_ok(v[0].operations.v[1].line == 4 && v[0].operations.v[1].column == 23,
           "with places");
    tap_ok(v[1].kind == AE_RULE_TOKEN && v[1].accounts.n == 2
           && v[1].roles.n == 1 && v[1].max_age == 90 * 86400
           && v[1].ncidr == 3 && v[1].message.n == 21, "a token's");
    tap_ok(v[1].cidr[0].bits == 104 && v[1].cidr[1].bits == 32
           && v[1].cidr[2].bits == 128, "networks");
    tap_ok(v[2].kind == AE_RULE_FREEZE && !v[2].has_cron
           && v[2].from == 1797724800 && v[2].until == 1799038800,
           "a freeze");
    tap_ok(v[2].groups.n == 1 && v[2].users.n == 1
           && v[2].applications.n == 1, "and its exceptions");
    tap_ok(v[3].has_cron && v[3].duration == 62 * 3600
           && v[3].cron.offset == -12600 && v[3].cron.minute == 1u << 30
           && v[3].cron.hour == 1u << 18 && v[3].cron.dow == 1u << 5,
           "a weekly one");
    tap_ok(v[4].kind == AE_RULE_SYNC && v[4].deny == 63, "of syncs");
    ae_heap_free(&r.heap);
}

static void test_errors(const struct dir *d)
{
    static const struct { const char *yaml; unsigned line, col;
                          const char *say; } c[] = {
        { "[]\n", 1, 1, "must be a mapping" },
        { "readonly: true\n", 1, 1, "not known here" },
        { "read_only: maybe\n", 1, 12, "true or false" },
        { "read_only: true\nread_only: false\n", 2, 1, "twice" },
        { "freezes: {}\n", 1, 10, "must be a list" },
        { "freezes: [x]\n", 1, 11, "a rule is a mapping" },
        { "freezes:\n  - until: x\n", 2, 5, "name is missing" },
        { "freezes:\n  - {name: a, from: soon}\n", 2, 21, "a time such as" },
        { "freezes:\n  - name: a\n", 2, 5, "when?" },
        { "freezes:\n  - {name: a, until: 2026-01-01T00:00:00Z,\n"
          "     from: 2026-01-02T00:00:00Z}\n", 2, 5, "later than from" },
        { "freezes:\n  - {name: a, schedule: \"0 25 * * *\"}\n", 2, 25,
          "five fields" },
        { "freezes:\n  - {name: a, schedule: \"0 2 * * *\"}\n", 2, 5,
          "needs a duration" },
        { "freezes:\n  - {name: a, schedule: \"0 2 * * *\", "
          "duration: 32d}\n", 2, 5, "at most 31d" },
        { "freezes:\n  - {name: a, duration: 1h, until: "
          "2026-01-01T00:00:00Z}\n", 2, 5, "go with schedule" },
        { "freezes:\n  - {name: a, schedule: \"0 2 * * *\", duration: 1h, "
          "utc_offset: CET}\n", 2, 64, "utc_offset must" },
        { "freezes:\n  - {name: a, until: 2026-01-01T00:00:00Z, "
          "break_glass: {roles: [x]}}\n", 2, 58, "not known here" },
        { "tokens:\n  - {name: a, max_age: 1d}\n", 2, 5, "whose tokens" },
        { "tokens:\n  - {name: a, accounts: [x]}\n", 2, 5, "no condition" },
        { "tokens:\n  - {name: a, groups: x, max_age: 1d}\n", 2, 23,
          "a list of" },
        { "tokens:\n  - {name: a, accounts: [x], max_age: 1}\n", 2, 39,
          "max_age must" },
        { "tokens:\n  - {name: a, accounts: [x], cidrs: [10.0.0.1/8]}\n", 2,
          38, "no network" },
        { "tokens:\n  - {name: a, accounts: []}\n", 2, 25, "a list of" },
        { "virtual_patches:\n  - {name: a}\n", 2, 5, "operations is" },
        { "virtual_patches:\n  - {name: a, operations: [X], action: log}\n",
          2, 40, "deny or no_cache" },
        { "syncs:\n  - {name: a, deny: [purge]}\n", 2, 22, "deny knows" },
        { "syncs:\n  - {name: a, deny: [live]}\n  - {name: a, "
          "deny: [live]}\n", 3, 5, "another rule has this name" },
        { "read_only: true\n---\nread_only: false\n", 3, 1,
          "second document" },
        { "syncs:\n  - name: a\n   deny: x\n", 3, 4, "invalid YAML" },
    };

    for (size_t i = 0; i < sizeof c / sizeof c[0]; i++) {
        struct run r;

        dir_put(d, "argo-edge.yaml", c[i].yaml);
        load(&r, d);
        tap_ok(r.rc != AE_OK && strstr(r.err.text, c[i].say)
               && r.err.line == c[i].line
               && (r.err.column == c[i].col || strstr(c[i].say, "YAML"))
               && strstr(r.err.file, "/argo-edge.yaml"),
               "%s: %s:%u:%u %s", c[i].say, r.err.file, r.err.line,
               r.err.column, r.err.text);
        ae_heap_free(&r.heap);
    }
}

/* Conditions that nobody could judge. */
static void test_needs(const struct dir *d)
{
    struct run r;

    dir_put(d, "argo-edge.yaml",
            "tokens:\n  - {name: a, accounts: [x], max_age: 1d}\n");
    dir_put(d, "argocd-secret/server.secretkey", "");
    load(&r, d);
    tap_ok(r.rc != AE_OK && strstr(r.err.text, "server.secretkey")
           && r.err.line == 2, "tokens need the secret: %s", r.err.text);
    ae_heap_free(&r.heap);
    dir_put(d, "argocd-secret/server.secretkey", "k");
    load(&r, d);
    tap_ok(r.rc == AE_OK, "then they load: %s", r.err.text);
    ae_heap_free(&r.heap);
}

static void test_forms(const struct dir *d)
{
    struct run r;
    uint64_t one;
    char path[128];

    dir_put(d, "argo-edge.yaml", "# nothing yet\n");
    load(&r, d);
    tap_ok(r.rc == AE_OK && r.in.rules.n == 0, "a file of comments");
    one = r.in.content_hash;
    ae_heap_free(&r.heap);
    dir_put(d, "argo-edge.yaml", "read_only: false\n");
    load(&r, d);
    tap_ok(r.rc == AE_OK && r.in.content_hash != one, "is a part of the id");
    ae_heap_free(&r.heap);
    dir_put(d, "argo-edge/10.yaml", "read_only: true\n");
    load(&r, d);
    tap_ok(r.rc != AE_OK, "a file and a directory: %s", r.err.text);
    ae_heap_free(&r.heap);
    snprintf(path, sizeof path, "%s/argo-edge.yaml", d->path);
    unlink(path);
    dir_put(d, "argo-edge/20.yaml", "syncs: [{name: a, deny: [live]}]\n");
    dir_put(d, "argo-edge/README", "no yaml: [\n");
    load(&r, d);
    tap_ok(r.rc == AE_OK && r.in.rules.read_only && r.in.rules.n == 1,
           "a mounted directory: %s", r.err.text);
    tap_ok(r.in.rules.n && ae_ends(r.in.rules.v[0].file,
                                   AE_STR("/argo-edge/20.yaml")),
           "which names its files");
    ae_heap_free(&r.heap);
}

static void test_values(void)
{
    struct ae_cron c = { 0 };
    struct ae_cidr n;
    int64_t s = 0;
    int32_t o = 0;

    tap_ok(cfg_rule_span(AE_STR("2w"), &s) && s == 1209600, "2w");
    tap_ok(!cfg_rule_span(AE_STR("0d"), &s) && !cfg_rule_span(AE_STR("d"), &s)
           && !cfg_rule_span(AE_STR("1y"), &s)
           && !cfg_rule_span(AE_STR("-1d"), &s)
           && !cfg_rule_span(AE_STR("9999999999d"), &s), "no spans");
    tap_ok(cfg_rule_cidr(AE_STR("0.0.0.0/0"), &n) && n.bits == 96,
           "all of IPv4");
    tap_ok(!cfg_rule_cidr(AE_STR("10.0.0/8"), &n)
           && !cfg_rule_cidr(AE_STR("10.0.0.0/33"), &n)
           && !cfg_rule_cidr(AE_STR("::1/64"), &n)
           && !cfg_rule_cidr(AE_STR("::/129"), &n)
           && !cfg_rule_cidr(AE_STR("/8"), &n), "no networks");
    tap_ok(cfg_rule_cron(AE_STR("*/15 0-6,22 1 */3 7"), &c)
           && c.minute == (1ull | 1ull << 15 | 1ull << 30 | 1ull << 45)
           && c.hour == (0x7fu | 1u << 22) && c.dom == 2u
           && c.month == (1u << 1 | 1u << 4 | 1u << 7 | 1u << 10)
           && c.dow == 1u, "a cron line");
    tap_ok(!cfg_rule_cron(AE_STR("* * * *"), &c)
           && !cfg_rule_cron(AE_STR("* * * * * *"), &c)
           && !cfg_rule_cron(AE_STR("60 * * * *"), &c)
           && !cfg_rule_cron(AE_STR("* * 0 * *"), &c)
           && !cfg_rule_cron(AE_STR("5-1 * * * *"), &c)
           && !cfg_rule_cron(AE_STR("*/0 * * * *"), &c)
           && !cfg_rule_cron(AE_STR("1,,2 * * * *"), &c)
           && !cfg_rule_cron(AE_STR("* * * * FRI"), &c), "no cron lines");
    tap_ok(cfg_rule_offset(AE_STR("+0530"), &o) && o == 19800
           && cfg_rule_offset(AE_STR("Z"), &o) && o == 0
           && cfg_rule_offset(AE_STR("-01"), &o) && o == -3600
           && !cfg_rule_offset(AE_STR("+1"), &o)
           && !cfg_rule_offset(AE_STR("+15:00"), &o)
           && !cfg_rule_offset(AE_STR("+01:60"), &o), "offsets");
}

int main(void)
{
    struct dir d;

    dir_make(&d);
    dir_put(&d, "argocd-rbac-cm/policy.csv", "");
    dir_put(&d, "argocd-cm/url", "https://x");
    dir_put(&d, "argocd-secret/server.secretkey", "k");
    dir_put(&d, "appprojects/default.json",
            "{\"kind\":\"AppProject\",\"metadata\":"
            "{\"name\":\"default\"},\"spec\":{}}");
    test_whole(&d);
    test_errors(&d);
    test_needs(&d);
    test_forms(&d);
    test_values();
    dir_remove(&d);
    return tap_done();
}
