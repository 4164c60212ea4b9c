/*
 * fields.c - `fields` for applications: a closed table of fields, each taken
 * from the item as it is written, nested again with sorted keys.
 */
#include "mirror/mirror.h"
#include "mirror/scan.h"

/* What stands for a field that the application lacks. */
enum lack { NULL_, EMPTY, OBJECT, OUT, OUT_NULL, OUT_EMPTY };

/* In the order of the answer: members sorted at each level.  |from|: where
 * the value is; |under|: left out unless this is there. */
static const struct field {
    const char *to, *from, *under;
    enum lack   lack;
} table[AE_FIELDS_APP] = {
    { "metadata.annotations", NULL, NULL, NULL_ },
    { "metadata.creationTimestamp", NULL, NULL, NULL_ },
    { "metadata.deletionTimestamp", NULL, NULL, NULL_ },
    { "metadata.labels", NULL, NULL, NULL_ },
    { "metadata.name", NULL, NULL, EMPTY },
    { "metadata.namespace", NULL, NULL, EMPTY },
    { "operation.sync", NULL, "operation", OUT_NULL },
    { "spec", NULL, NULL, OBJECT },
    { "spec.destination", NULL, NULL, OBJECT },
    { "spec.project", NULL, NULL, EMPTY },
    { "spec.source", NULL, NULL, NULL_ },
    { "spec.sourceHydrator", NULL, NULL, NULL_ },
    { "spec.sources", NULL, NULL, NULL_ },
    { "spec.syncPolicy", NULL, NULL, NULL_ },
    { "status.health", NULL, NULL, OBJECT },
    { "status.operationState.finishedAt", NULL, "status.operationState",
      OUT_NULL },
    { "status.operationState.operation.sync",
      "status.operationState.syncResult", "status.operationState", OUT_NULL },
    { "status.operationState.phase", NULL, "status.operationState",
      OUT_EMPTY },
    { "status.operationState.startedAt", NULL, "status.operationState",
      OUT_NULL },
    { "status.resources", NULL, NULL, OUT },
    { "status.sourceHydrator", NULL, NULL, OBJECT },
    { "status.summary", NULL, NULL, OBJECT },
    { "status.sync.revision", NULL, NULL, EMPTY },
    { "status.sync.status", NULL, NULL, EMPTY },
};

enum { SPEC = 7 }; /* the only field that is an ancestor of others */

static bool listed(ae_str fields, const char *field)
{
    ae_str rest = fields, one, path = ae_cs(field);

    while (rest.p) {
        rest = ae_cut(rest, ',', &one);
        if (one.n == path.n + 6 && ae_starts(one, AE_STR("items."))
            && ae_ends(one, path))
            return true;
    }
    return false;
}

uint32_t ae_fields_apps(ae_str fields)
{
    bool     exclude = fields.n && fields.p[0] == '-';
    uint32_t chosen = 0;

    if (exclude)
        fields = ae_sub(fields, 1, fields.n);
    for (uint32_t i = 0; i < AE_FIELDS_APP; i++)
        if (listed(fields, table[i].to) != exclude)
            chosen |= UINT32_C(1) << i;
    if (chosen & UINT32_C(1) << SPEC)
        for (uint32_t i = 0; i < AE_FIELDS_APP; i++)
            if (ae_starts(ae_cs(table[i].to), AE_STR("spec.")))
                chosen &= ~(UINT32_C(1) << i);
    return chosen;
}

/* ---- where the values are ---- */

/* Paths that are asked for: the fields, and what some depend on. */
enum { OPERATION = AE_FIELDS_APP, STATE, PATHS };

static const char *path_of(size_t i)
{
    if (i == OPERATION)
        return "operation";
    if (i == STATE)
        return "status.operationState";
    return table[i].from ? table[i].from : table[i].to;
}

/* Of the paths, those that |chosen| fields need. */
static uint32_t needed(uint32_t chosen)
{
    uint32_t need = chosen;

    for (size_t i = 0; i < AE_FIELDS_APP; i++)
        if (chosen & UINT32_C(1) << i && table[i].under)
            need |= UINT32_C(1) << (table[i].under[0] == 'o' ? OPERATION
                                                             : STATE);
    return need;
}

/* Note the value of each member below |prefix| whose path is needed, and look
 * into those that needed paths go on in. */
static void collect(struct ae_cur *c, uint32_t need, const char *prefix,
                    size_t nprefix, ae_str *value)
{
    ae_str key, v;

    for (bool first = true; ae_cur_member(c, &first, &key);) {
        char   path[64];
        size_t n = nprefix;
        bool   deeper = false;

        if (!ae_cur_value(c, &v))
            return;
        if (n + key.n + 2 > sizeof(path))
            continue; /* longer than any path that is asked for */
        memcpy(path, prefix, n);
        memcpy(path + n, key.p, key.n);
        n += key.n;
        for (size_t i = 0; i < PATHS; i++) {
            ae_str want;

            if (!(need & UINT32_C(1) << i))
                continue;
            want = ae_cs(path_of(i));
            if (!ae_starts(want, ae_s(path, n)))
                continue;
            if (want.n == n)
                value[i] = v;
            else
                deeper |= want.p[n] == '.';
        }
        if (deeper && v.p[0] == '{') {
            struct ae_cur in = ae_cur(v);

            path[n++] = '.';
            collect(&in, need, path, n, value);
            if (in.bad) {
                c->bad = true;
                return;
            }
        }
    }
}

/* ---- nesting ---- */

/* Close the levels that |to| is not below, open those that it is, and write
 * the last key.  |open|: the path of the level that is open, with its dot. */
static void put_key(ae_buf *b, ae_str *open, ae_str to, bool *comma)
{
    ae_str rest;

    while (!ae_starts(to, *open)) {
        ae_str cut = ae_sub(*open, 0, open->n - 1);

        while (cut.n && cut.p[cut.n - 1] != '.')
            cut.n--;
        ae_buf_putc(b, '}');
        *open = cut;
        *comma = true;
    }
    rest = ae_sub(to, open->n, to.n);
    for (;;) {
        size_t dot = ae_find(rest, '.');

        if (*comma)
            ae_buf_putc(b, ',');
        ae_buf_putc(b, '"');
        ae_buf_put(b, ae_sub(rest, 0, dot));
        ae_buf_puts(b, "\":");
        if (dot >= rest.n)
            return;
        ae_buf_putc(b, '{');
        *comma = false;
        *open = ae_sub(to, 0, open->n + dot + 1);
        rest = ae_sub(rest, dot + 1, rest.n);
    }
}

static bool is_null(ae_str v)
{
    return v.n == 0 || ae_eq_lit(v, "null");
}

/* The value of field |i|; absent: the field is left out. */
static ae_str value_of(size_t i, const ae_str *value)
{
    const struct field *f = &table[i];

    if (f->under && is_null(value[f->under[0] == 'o' ? OPERATION : STATE]))
        return ae_s(NULL, 0);
    if (value[i].p)
        return value[i];
    switch (f->lack) {
    case EMPTY:
    case OUT_EMPTY: return AE_STR("\"\"");
    case OBJECT: return AE_STR("{}");
    case OUT: return ae_s(NULL, 0);
    default: return AE_STR("null");
    }
}

bool ae_fields_app(ae_buf *b, ae_str item, uint32_t chosen)
{
    struct ae_cur c = ae_cur(item);
    ae_str        value[PATHS], open = { "", 0 };
    bool          comma = false;

    memset(value, 0, sizeof(value));
    collect(&c, needed(chosen), "", 0, value);
    if (c.bad)
        return false;
    ae_buf_putc(b, '{');
    for (size_t i = 0; i < AE_FIELDS_APP; i++) {
        ae_str v;

        if (!(chosen & UINT32_C(1) << i))
            continue;
        v = value_of(i, value);
        if (!v.p)
            continue;
        put_key(b, &open, ae_cs(table[i].to), &comma);
        ae_buf_put(b, v);
        comma = true;
    }
    for (size_t i = 0; i < open.n; i++)
        if (open.p[i] == '.')
            ae_buf_putc(b, '}');
    ae_buf_putc(b, '}');
    return !b->bad;
}
