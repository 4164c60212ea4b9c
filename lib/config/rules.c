/*
 * rules.c - argo-edge.yaml, the operator's own rules: one file, or a mounted
 * directory argo-edge/ whose *.yaml are read in the order of their names.
 * Whatever is not understood is an error, since a rule that is not in force
 * is worse than a server that says so.
 */
#include "config/internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

struct rd {
    struct cfg_load *l;
    ae_str           file;
    size_t           cap;
};

static int bad(struct rd *r, const struct cfg_node *n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int bad(struct rd *r, const struct cfg_node *n, const char *fmt, ...)
{
    char    text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return ae_err_at(r->l->err, AE_E_SYNTAX, r->file, n->line, n->column,
                     "%s", text);
}

/* ---- members ------------------------------------------------------------ */

/* |names|: what may stand in |map|, for the message as well. */
static int members(struct rd *r, const struct cfg_node *map,
                   const char *names)
{
    ae_str rest, one;

    if (map->type != CFG_MAP)
        return bad(r, map, "must be a mapping with: %s", names);
    for (const struct cfg_node *c = map->first; c; c = c->next) {
        bool known = false;

        for (rest = ae_cs(names); rest.p && !known;) {
            rest = ae_cut(rest, ' ', &one);
            known = ae_eq(one, c->key->text);
        }
        if (!known)
            return bad(r, c->key, "\"%.*s\" is not known here; there are: %s",
                       (int)(c->key->text.n < 60 ? c->key->text.n : 60),
                       c->key->text.p, names);
    }
    return AE_OK;
}

static int text(struct rd *r, const struct cfg_node *map, const char *key,
                ae_str *out)
{
    const struct cfg_node *n = cfg_node_get(map, key);

    if (!n)
        return AE_OK;
    if (n->type == CFG_NULL || !cfg_scalar_string(r->l->a, n, out))
        return bad(r, n, "%s must be a text", key);
    return AE_OK;
}

static int flag(struct rd *r, const struct cfg_node *map, const char *key,
                bool *out)
{
    const struct cfg_node *n = cfg_node_get(map, key);

    if (n && n->type != CFG_BOOL)
        return bad(r, n, "%s must be true or false", key);
    if (n)
        *out = n->b;
    return AE_OK;
}

static int words(struct rd *r, const struct cfg_node *map, const char *key,
                 struct ae_words *out)
{
    const struct cfg_node *n = cfg_node_get(map, key);
    size_t                 count = 0;

    if (!n)
        return AE_OK;
    if (n->type != CFG_SEQ || !n->first)
        return bad(r, n, "%s must be a list of one or more texts", key);
    for (const struct cfg_node *c = n->first; c; c = c->next)
        count++;
    out->v = ae_nalloc(r->l->a, count, sizeof(*out->v));
    if (!out->v)
        return ae_err_set(r->l->err, AE_E_NOMEM, "out of memory");
    for (const struct cfg_node *c = n->first; c; c = c->next) {
        struct ae_word *w = &out->v[out->n++];

        w->line = c->line;
        w->column = c->column;
        if (c->type == CFG_NULL || !cfg_scalar_string(r->l->a, c, &w->text)
            || w->text.n == 0)
            return bad(r, c, "%s holds texts", key);
    }
    return AE_OK;
}

static int need(struct rd *r, const struct cfg_node *map, const char *key)
{
    if (cfg_node_get(map, key))
        return AE_OK;
    return bad(r, map, "%s is missing", key);
}

static int break_glass(struct rd *r, const struct cfg_node *map,
                       struct ae_own_rule *u)
{
    const struct cfg_node *n = cfg_node_get(map, "break_glass");
    int                    rc;

    if (!n)
        return AE_OK;
    rc = members(r, n, "groups users");
    if (rc == AE_OK)
        rc = words(r, n, "groups", &u->groups);
    return rc == AE_OK ? words(r, n, "users", &u->users) : rc;
}

/* ---- kinds -------------------------------------------------------------- */

static int patch(struct rd *r, const struct cfg_node *n, struct ae_own_rule *u)
{
    ae_str action = AE_STR("deny");
    int    rc = members(r, n, "name message operations action");

    if (rc == AE_OK)
        rc = need(r, n, "operations");
    if (rc == AE_OK)
        rc = text(r, n, "action", &action);
    if (rc != AE_OK)
        return rc;
    u->no_cache = ae_eq_lit(action, "no_cache");
    if (!u->no_cache && !ae_eq_lit(action, "deny"))
        return bad(r, cfg_node_get(n, "action"),
                   "action must be deny or no_cache");
    return AE_OK;
}

static int cidrs(struct rd *r, const struct cfg_node *n, struct ae_own_rule *u)
{
    struct ae_words w = { NULL, 0 };
    int             rc = words(r, n, "cidrs", &w);

    if (rc != AE_OK || !w.n)
        return rc;
    u->cidr = ae_nalloc(r->l->a, w.n, sizeof(*u->cidr));
    if (!u->cidr)
        return ae_err_set(r->l->err, AE_E_NOMEM, "out of memory");
    for (; u->ncidr < w.n; u->ncidr++)
        if (!cfg_rule_cidr(w.v[u->ncidr].text, &u->cidr[u->ncidr]))
            return ae_err_at(r->l->err, AE_E_SYNTAX, r->file,
                             w.v[u->ncidr].line, w.v[u->ncidr].column,
                             "is no network; write 10.0.0.0/8 or "
                             "2001:db8::/32, with no bits behind the prefix");
    return AE_OK;
}

static int token(struct rd *r, const struct cfg_node *n, struct ae_own_rule *u)
{
    ae_str age = { NULL, 0 };
    int    rc = members(r, n, "name message accounts project_roles users "
                        "groups max_age cidrs operations");

    if (rc == AE_OK)
        rc = words(r, n, "accounts", &u->accounts);
    if (rc == AE_OK)
        rc = words(r, n, "project_roles", &u->roles);
    if (rc == AE_OK)
        rc = words(r, n, "users", &u->users);
    if (rc == AE_OK)
        rc = words(r, n, "groups", &u->groups);
    if (rc == AE_OK)
        rc = cidrs(r, n, u);
    if (rc == AE_OK)
        rc = text(r, n, "max_age", &age);
    if (rc != AE_OK)
        return rc;
    if (age.p && !cfg_rule_span(age, &u->max_age))
        return bad(r, cfg_node_get(n, "max_age"), "max_age must be a time "
                   "such as 90d, 12h or 30m");
    if (!u->accounts.n && !u->roles.n && !u->users.n && !u->groups.n)
        return bad(r, n, "whose tokens? Give accounts, project_roles, users "
                   "or groups");
    if (!u->max_age && !u->ncidr && !cfg_node_get(n, "operations"))
        return bad(r, n, "has no condition; give max_age, cidrs or "
                   "operations");
    return AE_OK;
}

static int instant(struct rd *r, const struct cfg_node *n, const char *key,
                   int64_t *out)
{
    ae_str t = { NULL, 0 };
    int    rc = text(r, n, key, &t);

    if (rc != AE_OK || !t.p)
        return rc;
    if (!ae_parse_rfc3339(t, out, NULL))
        return bad(r, cfg_node_get(n, key), "%s must be a time such as "
                   "2026-12-20T18:00:00Z", key);
    return AE_OK;
}

static int cron(struct rd *r, const struct cfg_node *n, struct ae_own_rule *u)
{
    ae_str line = { NULL, 0 }, span = { NULL, 0 }, offset = AE_STR("UTC");
    int    rc = text(r, n, "schedule", &line);

    if (rc == AE_OK)
        rc = text(r, n, "duration", &span);
    if (rc == AE_OK)
        rc = text(r, n, "utc_offset", &offset);
    if (rc != AE_OK)
        return rc;
    u->has_cron = line.p != NULL;
    if (!u->has_cron && (span.p || cfg_node_get(n, "utc_offset")))
        return bad(r, n, "duration and utc_offset go with schedule");
    if (!u->has_cron)
        return AE_OK;
    if (!cfg_rule_cron(line, &u->cron))
        return bad(r, cfg_node_get(n, "schedule"), "schedule must be five "
                   "fields of cron in numbers, such as \"0 18 * * 5\"");
    if (!span.p || !cfg_rule_span(span, &u->duration)
        || u->duration > 31 * 86400)
        return bad(r, n, "a schedule needs a duration of at most 31d, such "
                   "as 62h");
    if (!cfg_rule_offset(offset, &u->cron.offset))
        return bad(r, cfg_node_get(n, "utc_offset"), "utc_offset must be UTC "
                   "or such as +01:00");
    return AE_OK;
}

static int freeze(struct rd *r, const struct cfg_node *n, struct ae_own_rule *u)
{
    int rc = members(r, n, "name message operations applications projects "
                     "from until schedule duration utc_offset break_glass");

    u->from = INT64_MIN;
    u->until = INT64_MAX;
    if (rc == AE_OK)
        rc = words(r, n, "applications", &u->applications);
    if (rc == AE_OK)
        rc = words(r, n, "projects", &u->projects);
    if (rc == AE_OK)
        rc = instant(r, n, "from", &u->from);
    if (rc == AE_OK)
        rc = instant(r, n, "until", &u->until);
    if (rc == AE_OK)
        rc = cron(r, n, u);
    if (rc == AE_OK)
        rc = break_glass(r, n, u);
    if (rc != AE_OK)
        return rc;
    if (!u->has_cron && u->from == INT64_MIN && u->until == INT64_MAX)
        return bad(r, n, "when? Give from and until, or schedule and "
                   "duration");
    if (u->until <= u->from)
        return bad(r, n, "until must be later than from");
    return AE_OK;
}

static int sync(struct rd *r, const struct cfg_node *n, struct ae_own_rule *u)
{
    static const struct { const char *name; unsigned bit; } what[] = {
        { "prune", AE_SYNC_PRUNE }, { "force", AE_SYNC_FORCE },
        { "replace", AE_SYNC_REPLACE }, { "revision", AE_SYNC_REVISION },
        { "manifests", AE_SYNC_MANIFESTS }, { "live", AE_SYNC_LIVE },
    };
    struct ae_words w = { NULL, 0 };
    int rc = members(r, n, "name message applications projects deny "
                     "break_glass");

    if (rc == AE_OK)
        rc = need(r, n, "deny");
    if (rc == AE_OK)
        rc = words(r, n, "applications", &u->applications);
    if (rc == AE_OK)
        rc = words(r, n, "projects", &u->projects);
    if (rc == AE_OK)
        rc = words(r, n, "deny", &w);
    if (rc == AE_OK)
        rc = break_glass(r, n, u);
    for (size_t i = 0; rc == AE_OK && i < w.n; i++) {
        unsigned bit = 0;

        for (size_t k = 0; k < sizeof(what) / sizeof(what[0]); k++)
            if (ae_eq(w.v[i].text, ae_cs(what[k].name)))
                bit = what[k].bit;
        u->deny |= bit;
        if (!bit)
            rc = ae_err_at(r->l->err, AE_E_SYNTAX, r->file, w.v[i].line,
                           w.v[i].column, "deny knows prune, force, replace, "
                           "revision, manifests and live");
    }
    return rc;
}

/* ---- the file ----------------------------------------------------------- */

static const struct section {
    const char       *key;
    enum ae_rule_kind kind;
    int (*read)(struct rd *, const struct cfg_node *, struct ae_own_rule *);
} sections[] = {
    { "virtual_patches", AE_RULE_PATCH, patch },
    { "tokens", AE_RULE_TOKEN, token },
    { "freezes", AE_RULE_FREEZE, freeze },
    { "syncs", AE_RULE_SYNC, sync },
};

static int add(struct rd *r, const struct cfg_node *n,
               const struct section *s)
{
    struct ae_rules *rules = &r->l->in->rules;
    struct ae_own_rule *u;
    int              rc;

    if (n->type != CFG_MAP)
        return bad(r, n, "a rule is a mapping with a name");
    if (rules->n == AE_RULES_MAX)
        return bad(r, n, "more than %d rules", AE_RULES_MAX);
    if (!rules->v)
        rules->v = ae_nalloc(r->l->a, AE_RULES_MAX, sizeof(*rules->v));
    if (!rules->v)
        return ae_err_set(r->l->err, AE_E_NOMEM, "out of memory");
    u = &rules->v[rules->n];
    u->kind = s->kind;
    u->file = r->file;
    u->line = n->line;
    rc = need(r, n, "name");
    if (rc == AE_OK)
        rc = text(r, n, "name", &u->name);
    if (rc == AE_OK)
        rc = text(r, n, "message", &u->message);
    if (rc == AE_OK)
        rc = words(r, n, "operations", &u->operations);
    if (rc == AE_OK && (u->name.n == 0 || u->name.n > 80
                        || u->message.n > 400))
        rc = bad(r, n, "a name has 1 to 80 bytes, a message at most 400");
    for (size_t i = 0; rc == AE_OK && i < rules->n; i++)
        if (ae_eq(rules->v[i].name, u->name))
            rc = bad(r, n, "another rule has this name, at line %u",
                     rules->v[i].line);
    if (rc == AE_OK)
        rc = s->read(r, n, u);
    rules->n += rc == AE_OK;
    return rc;
}

static int document(struct rd *r, const struct cfg_node *top)
{
    struct ae_rules *rules = &r->l->in->rules;
    bool             ro = false;
    int rc = members(r, top, "read_only virtual_patches tokens freezes syncs");

    if (rc == AE_OK)
        rc = flag(r, top, "read_only", &ro);
    if (rc == AE_OK && ro) {
        rules->read_only = true;
        rules->read_only_file = r->file;
        rules->read_only_line = cfg_node_get(top, "read_only")->line;
    }
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        const struct cfg_node *n = cfg_node_get(top, sections[i].key);

        if (!n || rc != AE_OK || n->type == CFG_NULL)
            continue;
        if (n->type != CFG_SEQ)
            return bad(r, n, "%s must be a list", sections[i].key);
        for (n = n->first; n && rc == AE_OK; n = n->next)
            rc = add(r, n, &sections[i]);
    }
    return rc;
}

int cfg_rules_text(struct cfg_load *l, ae_str file, ae_str yaml)
{
    struct rd       r = { .l = l, .file = file };
    struct cfg_docs docs;
    int             rc;

    rc = cfg_yaml_parse(l->a, yaml, file, CFG_YAML_STRICT, 2, &docs, l->err);
    if (rc != AE_OK || docs.n == 0 || docs.doc[0]->type == CFG_NULL)
        return rc; /* nothing but comments */
    if (docs.n > 1)
        return bad(&r, docs.doc[1], "a second document is not read; put all "
                   "rules into one");
    return document(&r, docs.doc[0]);
}

/* Conditions on tokens that could never be judged are worse than none. */
static int judge(struct cfg_load *l)
{
    const struct ae_rules *rules = &l->in->rules;

    for (size_t i = 0; i < rules->n; i++) {
        const struct ae_own_rule *u = &rules->v[i];
        const char           *lack = NULL;

        if (u->kind != AE_RULE_TOKEN)
            continue;
        if (!l->in->secret_key.n)
            lack = "needs server.secretkey of argocd-secret";
        else if (u->roles.n && !l->in->have_projects)
            lack = "needs appprojects";
        if (lack)
            return ae_err_at(l->err, AE_E_SYNTAX, u->file, u->line, 0,
                             "a condition on tokens %s among the inputs, "
                             "else nobody's token is known", lack);
    }
    return AE_OK;
}

int cfg_rules(struct cfg_load *l)
{
    struct cfg_object o;
    const char       *path;
    ae_str            yaml;
    bool              is_dir;
    int               rc = cfg_find(l, "argo-edge", &path, &is_dir);

    if (rc != AE_OK || !path)
        return rc;
    if (!is_dir) {
        rc = cfg_read_at(l->a, AT_FDCWD, path, ae_cs(path), CFG_KEY_MAX,
                         &yaml, NULL, l->err);
        if (rc == AE_OK) {
            cfg_hash(l, AE_STR("argo-edge"));
            cfg_hash(l, yaml);
            rc = cfg_rules_text(l, ae_cs(path), yaml);
        }
        return rc == AE_OK ? judge(l) : rc;
    }
    rc = cfg_object_read(l, "argo-edge", false, &o);
    for (size_t i = 0; rc == AE_OK && i < o.n; i++)
        if (ae_ends(o.kv[i].key, AE_STR(".yaml"))
            || ae_ends(o.kv[i].key, AE_STR(".yml")))
            rc = cfg_rules_text(l, o.kv[i].file, o.kv[i].text);
    return rc == AE_OK ? judge(l) : rc;
}
