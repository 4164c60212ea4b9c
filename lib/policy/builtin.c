/*
 * builtin.c - the policy that Argo CD loads before the user's own lines, as
 * a table of ours (semantics B).  All effects are allow; lines are numbered
 * in the order of the table.
 */
#include "policy/internal.h"

struct grant { const char *resource, *actions, *object; };

/* Actions are separated by blanks. */
static const struct grant readonly[] = {
    { "applications", "get", "*/*" },
    { "certificates", "get", "*" },
    { "clusters", "get", "*" },
    { "repositories", "get", "*" },
    { "write-repositories", "get", "*" },
    { "projects", "get", "*" },
    { "accounts", "get", "*" },
    { "gpgkeys", "get", "*" },
    { "applicationsets", "get", "*/*" },
    { "logs", "get", "*/*" },
};

static const struct grant admin[] = {
    { "applications", "create update update/* delete delete/* sync rollback "
                      "override action/*", "*/*" },
    { "applicationsets", "get create update delete", "*/*" },
    { "certificates", "create update delete", "*" },
    { "clusters", "create update delete", "*" },
    { "repositories", "create update delete", "*" },
    { "write-repositories", "create update delete", "*" },
    { "projects", "create update delete", "*" },
    { "accounts", "update", "*" },
    { "gpgkeys", "create delete", "*" },
    { "exec", "create", "*/*" },
};

static void put_grants(ae_buf *b, const char *role, const struct grant *g,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ae_str rest = ae_cs(g[i].actions), one;

        while (rest.p) {
            rest = ae_cut(rest, ' ', &one);
            ae_buf_printf(b, "p, %s, %s, %.*s, %s, allow\n", role,
                          g[i].resource, (int)one.n, one.p, g[i].object);
        }
    }
}

ae_str ae_builtin_text(ae_arena *a)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    put_grants(&b, "role:readonly", readonly,
               sizeof(readonly) / sizeof(readonly[0]));
    put_grants(&b, "role:admin", admin, sizeof(admin) / sizeof(admin[0]));
    ae_buf_puts(&b, "g, role:admin, role:readonly\n"
                    "g, admin, role:admin\n");
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}
