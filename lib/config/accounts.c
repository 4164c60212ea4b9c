/*
 * accounts.c - local accounts out of argocd-cm and argocd-secret.  Rules:
 *  - admin always exists and may log in; admin.enabled switches it off.
 *  - a key of argocd-cm with two parts (accounts.NAME) makes an account and
 *    lists its capabilities; one with three (accounts.NAME.enabled) makes it
 *    too; four and more parts mean nothing, so names cannot hold dots.
 *  - a token list that is no JSON means "no tokens" (vectors/README.md).
 * Where Argo CD refuses all accounts because of one bad value, we know none of
 * them (have_accounts is false): tokens are then forwarded, not judged.
 */
#include "config/internal.h"

bool cfg_parse_bool(ae_str s, bool *out)
{
    static const char *const word[] = { "1", "t", "T", "TRUE", "true", "True",
                                        "0", "f", "F", "FALSE", "false",
                                        "False" };

    for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
        if (ae_eq(s, ae_cs(word[i]))) {
            *out = i < 6;
            return true;
        }
    return false;
}

static int nomem(struct cfg_load *l)
{
    return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
}

static void unknown(struct cfg_load *l, const struct ae_text *t,
                    const char *want)
{
    l->in->have_accounts = false;
    cfg_warn(l, t, "is not %s: Argo CD refuses every local account because of "
             "it; until it is corrected local tokens are passed on unjudged",
             want);
}

static struct ae_account *find(struct ae_inputs *in, ae_str name)
{
    for (size_t i = 0; i < in->naccounts; i++)
        if (ae_eq(in->accounts[i].name, name))
            return &in->accounts[i];
    return NULL;
}

static struct ae_account *make(struct ae_inputs *in, ae_str name)
{
    struct ae_account *acc = find(in, name);

    if (!acc) {
        acc = &in->accounts[in->naccounts++];
        acc->name = name;
        acc->enabled = true;
    }
    return acc;
}

static void capabilities(struct cfg_load *l, struct ae_account *acc,
                         const struct ae_text *t)
{
    ae_str rest = t->text, one;

    while (rest.p) {
        rest = ae_cut(rest, ',', &one);
        one = ae_trim_space(one);
        if (ae_eq_lit(one, "login"))
            acc->cap_login = true;
        else if (ae_eq_lit(one, "apiKey"))
            acc->cap_apikey = true;
        else if (one.n)
            cfg_warn(l, t, "names the capability '%.*s', which Argo CD does "
                     "not know (login, apiKey)", (int)(one.n < 40 ? one.n : 40),
                     one.p);
    }
}

static void from_key(struct cfg_load *l, const struct ae_text *t)
{
    ae_str             name, suffix, rest, head;
    struct ae_account *acc;

    rest = ae_cut(t->key, '.', &head);
    rest = ae_cut(rest, '.', &name);
    suffix = rest;
    if (suffix.p && ae_find(suffix, '.') < suffix.n) {
        cfg_warn(l, t, "is ignored by Argo CD: the name of an account cannot "
                 "hold a dot");
        return;
    }
    acc = make(l->in, name);
    if (suffix.n == 0)
        capabilities(l, acc, t);
    else if (ae_eq_lit(suffix, "enabled")
             && !cfg_parse_bool(t->text, &acc->enabled))
        unknown(l, t, "true or false");
}

/* A member by Go's rules: the case of names does not count, a wrong type
 * leaves the zero value. */
static const json_t *member(const json_t *o, const char *key)
{
    const json_t *found = NULL, *v;
    const char   *k;

    json_object_foreach((json_t *)(uintptr_t)o, k, v)
        if (ae_ieq(ae_cs(k), ae_cs(key)))
            found = v;
    return found;
}

static int64_t whole(const json_t *v)
{
    return json_is_integer(v) ? (int64_t)json_integer_value(v) : 0;
}

/* Go's decoder takes more than jansson does: half a surrogate pair, bytes that
 * are no UTF-8, NUL in names, numbers of any size.  Is it such a text? */
static bool odd_json(const json_error_t *je)
{
    switch (json_error_code(je)) {
    case json_error_invalid_utf8:
    case json_error_null_byte_in_key:
    case json_error_numeric_overflow:
    case json_error_stack_overflow:
        return true;
    default:
        return ae_starts(ae_cs(je->text), AE_STR("invalid Unicode"));
    }
}

/* NULL: no list; *odd says whether Argo CD may see one all the same. */
static json_t *token_list(const struct ae_text *t, bool *odd)
{
    /* duplicates are allowed here, as the last one counts for Go as well */
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t je;
    json_t      *list = json_loadb(t->text.p, t->text.n, flags, &je);

    /* a number that is too long is a member of the wrong type, no more */
    if (!list && json_error_code(&je) == json_error_numeric_overflow)
        list = json_loadb(t->text.p, t->text.n,
                          flags | JSON_DECODE_INT_AS_REAL, &je);
    *odd = !list && odd_json(&je);
    if (!list || json_is_array(list) || json_is_null(list))
        return list;
    json_decref(list);
    return NULL;
}

static int tokens(struct cfg_load *l, struct ae_account *acc,
                  const struct ae_text *t)
{
    json_t       *list, *e;
    bool          odd;
    size_t        i;
    int           rc = AE_OK;

    if (!t || t->text.n == 0)
        return AE_OK;
    list = token_list(t, &odd);
    if (!list) {
        l->in->have_accounts = l->in->have_accounts && !odd;
        if (odd)
            cfg_warn(l, t, "is JSON that only Argo CD can read; until it is "
                     "corrected local tokens are passed on unjudged");
        else if (ae_eq_lit(acc->name, "admin"))
            unknown(l, t, "a JSON list of tokens");
        else
            cfg_warn(l, t, "is not a JSON list: the account has no tokens");
        return AE_OK;
    }
    acc->tokens = ae_nalloc(l->a, json_array_size(list) + 1,
                            sizeof(*acc->tokens));
    if (!acc->tokens)
        rc = nomem(l);
    json_array_foreach(list, i, e) {
        struct ae_api_token *k = &acc->tokens[i];

        if (rc != AE_OK)
            break;
        k->id = ae_dup(l->a, ae_json_str(member(e, "id")));
        if (!k->id.p)
            k->id = AE_STR("");
        k->iat = whole(member(e, "iat"));
        k->exp = whole(member(e, "exp"));
        acc->ntokens++;
    }
    if (l->a->failed)
        rc = nomem(l);
    json_decref(list);
    return rc;
}

/* Argo CD compares the time of issue, a whole second, with the full time: a
 * fraction counts as the next second. */
static bool mtime(ae_str s, int64_t *out)
{
    bool part;

    if (!ae_parse_rfc3339(s, out, &part))
        return false;
    *out += part;
    return true;
}

static int from_secret(struct cfg_load *l, struct ae_account *acc,
                       const struct cfg_object *secret)
{
    bool                  admin = ae_eq_lit(acc->name, "admin");
    ae_str                pre = admin ? AE_STR("admin")
                                      : ae_fmt(l->a, "accounts.%.*s",
                                               (int)acc->name.n, acc->name.p);
    ae_str                key = ae_fmt(l->a, "%.*s.passwordMtime",
                                       (int)pre.n, pre.p);
    const struct ae_text *t;

    if (!pre.p || !key.p)
        return nomem(l);
    t = cfg_object_text(secret, key.p);
    if (t && mtime(t->text, &acc->mtime))
        acc->has_mtime = true;
    else if (t && admin)
        cfg_warn(l, t, "is not a time such as 2026-01-31T12:00:00Z: Argo CD "
                 "ignores it, and old sessions of admin stay valid");
    else if (t)
        unknown(l, t, "a time such as 2026-01-31T12:00:00Z");
    key = ae_fmt(l->a, "%.*s.tokens", (int)pre.n, pre.p);
    if (!key.p)
        return nomem(l);
    return tokens(l, acc, cfg_object_text(secret, key.p));
}

int cfg_accounts(struct cfg_load *l, const struct cfg_object *cm,
                 const struct cfg_object *secret)
{
    struct ae_inputs     *in = l->in;
    const struct ae_text *t = cfg_object_text(cm, "admin.enabled");
    struct ae_account    *admin;
    int                   rc = AE_OK;

    in->accounts = ae_nalloc(l->a, cm->n + 1, sizeof(*in->accounts));
    if (!in->accounts)
        return nomem(l);
    in->have_accounts = cm->found;
    admin = make(in, AE_STR("admin"));
    admin->cap_login = true;
    if (t && !cfg_parse_bool(t->text, &admin->enabled))
        cfg_warn(l, t, "is not true or false: admin stays enabled");
    for (size_t i = 0; i < cm->n; i++)
        if (ae_starts(cm->kv[i].key, AE_STR("accounts.")))
            from_key(l, &cm->kv[i]);
    for (size_t i = 0; rc == AE_OK && i < in->naccounts; i++)
        rc = from_secret(l, &in->accounts[i], secret);
    return rc;
}
