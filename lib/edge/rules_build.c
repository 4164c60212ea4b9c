/*
 * rules_build.c - the operator's rules against the table of operations.
 */
#include "edge/rules.h"

#include <string.h>

static bool one_of(const struct ae_op *op, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(op->name, names[i]) == 0)
            return true;
    return false;
}

#define IN(op, names) one_of(op, names, sizeof names / sizeof names[0])

enum ae_op_class ae_rules_class(const struct ae_op *op)
{
    static const char *const syncs[] = {
        "ApplicationService_Sync", "ApplicationService_Rollback",
        "ApplicationService_RunResourceAction",
        "ApplicationService_RunResourceActionV2",
    };
    /* POST for the size of the question, not for what it changes. */
    static const char *const asks[] = {
        "ApplicationService_GetManifestsWithFiles",
        "ApplicationSetService_Generate", "RepositoryService_GetAppDetails",
        "RepositoryService_ValidateAccess",
        "RepositoryService_ValidateWriteAccess",
    };

    if (op->auth == AE_AUTH_NONE)
        return AE_CLASS_OPEN; /* login, logout, webhook, assets */
    if (IN(op, syncs))
        return AE_CLASS_SYNC;
    if (op->auth == AE_AUTH_COOKIE)
        return AE_CLASS_WRITE; /* terminal, extensions */
    return op->method == AE_M_GET || IN(op, asks) ? AE_CLASS_READ
                                                   : AE_CLASS_WRITE;
}

bool ae_rules_like(ae_str p, ae_str s)
{
    size_t i = 0, k = 0, star = SIZE_MAX, from = 0;

    while (k < s.n) {
        if (i < p.n && p.p[i] == '*') {
            star = i++;
            from = k;
        } else if (i < p.n && p.p[i] == s.p[k]) {
            i++;
            k++;
        } else if (star != SIZE_MAX) {
            i = star + 1;
            k = ++from;
        } else {
            return false;
        }
    }
    while (i < p.n && p.p[i] == '*')
        i++;
    return i == p.n;
}

bool ae_rules_any_like(const struct ae_words *w, ae_str s)
{
    for (size_t i = 0; i < w->n; i++)
        if (ae_rules_like(w->v[i].text, s))
            return true;
    return false;
}

static void set(struct ae_rule_force *f, const struct ae_op *op)
{
    f->ops[op->id / 64] |= UINT64_C(1) << (op->id % 64);
}

bool ae_rules_op(const struct ae_rule_force *f, const struct ae_op *op)
{
    return f->ops[op->id / 64] >> (op->id % 64) & 1;
}

static bool meant(ae_str word, const struct ae_op *op)
{
    enum ae_op_class c = ae_rules_class(op);

    if (ae_eq_lit(word, "all"))
        return c != AE_CLASS_OPEN;
    if (ae_eq_lit(word, "read"))
        return c == AE_CLASS_READ;
    if (ae_eq_lit(word, "write"))
        return c == AE_CLASS_WRITE || c == AE_CLASS_SYNC;
    if (ae_eq_lit(word, "sync"))
        return c == AE_CLASS_SYNC;
    return ae_rules_like(word, ae_cs(op->name));
}

static int select_ops(struct ae_rule_force *f, struct ae_err *err)
{
    const struct ae_own_rule *u = f->rule;
    static struct ae_word const sync[] = { { { "sync", 4 }, 0, 0 } };
    struct ae_words w = u->operations;

    if (!w.n && u->kind == AE_RULE_FREEZE)
        w = (struct ae_words){ (struct ae_word *)(uintptr_t)sync, 1 };
    for (size_t i = 0; i < w.n; i++) {
        bool found = false;

        for (size_t k = 0; k < ae_op_count(); k++)
            if (meant(w.v[i].text, ae_op_at(k))) {
                found = true;
                set(f, ae_op_at(k));
            }
        if (!found)
            return ae_err_at(err, AE_E_SYNTAX, u->file, w.v[i].line,
                             w.v[i].column, "means no operation; there are "
                             "read, write, sync, all, and the names that "
                             "\"argo-edge routes --json\" prints, with *");
        f->unknown |= ae_eq_lit(w.v[i].text, "all")
            || ae_eq_lit(w.v[i].text, "write");
    }
    return AE_OK;
}

int ae_rules_build(ae_arena *a, const struct ae_rules *in,
                   const struct ae_ruleset **out, struct ae_err *err)
{
    struct ae_ruleset *rs;
    int rc;

    *out = NULL;
    if (!in->n && !in->read_only)
        return AE_OK;
    if (ae_op_count() > 64 * AE_OPS_WORDS)
        return ae_err_set(err, AE_E_TOOBIG, "too many operations");
    rs = ae_zalloc(a, sizeof *rs);
    if (rs)
        rs->v = ae_nalloc(a, in->n + 1, sizeof *rs->v);
    if (!rs || !rs->v)
        return ae_err_set(err, AE_E_NOMEM, "out of memory");
    rs->in = in;
    for (; rs->n < in->n; rs->n++) {
        struct ae_rule_force *f = &rs->v[rs->n];

        f->rule = &in->v[rs->n];
        rc = select_ops(f, err);
        if (rc)
            return rc;
    }
    *out = rs;
    return AE_OK;
}
