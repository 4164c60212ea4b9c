/*
 * check_list.c - suite api.list: the list stage, below SHAPE.  The full list
 * of the kind, the inputs, the token and the query give the recorded status
 * and body (tests/vectors/README.md).
 */
#include "mirror/mirror.h"
#include "mirror/scan.h"
#include "runner.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text(const json_t *c, const char *key)
{
    const char *s = json_string_value(json_object_get(c, key));

    return s ? s : "";
}

/* ---- the full lists of the file ---- */

static const struct { const char *kind, *full; enum ae_list_kind k; bool get;
} kinds[] = {
    { "applications", "applications", AE_LIST_APPLICATIONS, false },
    { "applicationsets", "applicationsets", AE_LIST_APPLICATIONSETS, false },
    { "projects", "projects", AE_LIST_PROJECTS, false },
    { "clusters", "clusters", AE_LIST_CLUSTERS, false },
    { "repositories", "repositories", AE_LIST_REPOSITORIES, false },
    { "repocreds", "repocreds", AE_LIST_REPOCREDS, false },
    { "account", "account", AE_LIST_ACCOUNTS, false },
    { "application", "applications", AE_LIST_APPLICATIONS, true },
    { "applicationset", "applicationsets", AE_LIST_APPLICATIONSETS, true },
    { "project", "projects", AE_LIST_PROJECTS, true },
};

static struct { const json_t *root; ae_heap heap; ae_arena a;
                struct ae_list list[AE_LIST__N]; bool have[AE_LIST__N];
} copy;

static void drop_copy(void)
{
    ae_heap_free(&copy.heap);
    memset(&copy, 0, sizeof(copy));
}

static const struct ae_list *full_list(const json_t *root, size_t i)
{
    static bool       registered;
    enum ae_list_kind k = kinds[i].k;

    if (copy.root != root) {
        drop_copy();
        copy.root = root;
        ae_arena_init(&copy.a, ae_heap_mem(&copy.heap), NULL, 0);
        if (!registered)
            atexit(drop_copy);
        registered = true;
    }
    if (!copy.have[k]) {
        ae_str body = ae_json_str(json_object_get(
            json_object_get(root, "full"), kinds[i].full));

        if (ae_list_new(k, body, AE_STR("argocd"), &copy.a, &copy.list[k]))
            return NULL;
        copy.have[k] = true;
    }
    return &copy.list[k];
}

/* ---- comparing ---- */

static bool unstable(const json_t *c, const char *what)
{
    const json_t *v;
    size_t        i;

    json_array_foreach(json_object_get(c, "unstable"), i, v)
        if (json_string_value(v) && !strcmp(json_string_value(v), what))
            return true;
    return false;
}

/* The time of the last connection test is the one thing that varies without
 * being marked. */
static void blank_times(char *s)
{
    static const char mark[] = "\"attemptedAt\":\"";

    for (char *p = s; (p = strstr(p, mark)) != NULL;) {
        p += sizeof(mark) - 1;
        while (*p && *p != '"')
            *p++ = 'x';
    }
}

static int by_text(const void *x, const void *y)
{
    return ae_cmp(*(const ae_str *)x, *(const ae_str *)y);
}

enum { ITEMS_MAX = 4096 };

/* The elements of |items|, and what is left of the body without them. */
static bool cut_items(char *body, ae_str *item, size_t *n, char *frame,
                      size_t room)
{
    struct ae_cur c = ae_cur(ae_cs(body));
    ae_str        key, v;
    size_t        len = 0;

    *n = 0;
    for (bool first = true; ae_cur_member(&c, &first, &key);) {
        if (strncmp(key.p, "items\"", 6) != 0 || ae_cur_peek(&c) != '[') {
            ae_cur_value(&c, &v);
            continue;
        }
        len = (size_t)(c.p - body);
        for (bool one = true; ae_cur_element(&c, &one);)
            if (!ae_cur_value(&c, &item[*n]) || ++*n == ITEMS_MAX)
                return false;
        snprintf(frame, room, "%.*s%s", (int)len, body, c.p);
    }
    return !c.bad;
}

static ae_str name_of(ae_str item)
{
    static char    buf[512];
    json_t        *v = json_loadb(item.p, item.n, 0, NULL);
    const json_t  *m = json_object_get(v, "metadata");

    snprintf(buf, sizeof(buf), "%s", text(m, "name"));
    json_decref(v);
    return ae_cs(buf);
}

/* The same items, and those of unequal keys in the same order. */
static bool same_but_order(char *got, char *want, bool sorted)
{
    static ae_str x[ITEMS_MAX], y[ITEMS_MAX];
    static char   fx[4096], fy[4096];
    size_t        n, m;

    if (strlen(got) != strlen(want)
        || !cut_items(got, x, &n, fx, sizeof(fx))
        || !cut_items(want, y, &m, fy, sizeof(fy)) || n != m
        || strcmp(fx, fy) != 0)
        return false;
    for (size_t i = 0; sorted && i < n; i++) {
        char one[512];

        snprintf(one, sizeof(one), "%s", name_of(x[i]).p);
        if (strcmp(one, name_of(y[i]).p) != 0)
            return false;
    }
    qsort(x, n, sizeof(*x), by_text);
    qsort(y, n, sizeof(*y), by_text);
    for (size_t i = 0; i < n; i++)
        if (!ae_eq(x[i], y[i]))
            return false;
    return true;
}

static bool same(const json_t *c, ae_str got, ae_str want)
{
    const char *kind = text(c, "kind");
    char       *g, *w;
    bool        ok = ae_eq(got, want);

    if (ok || (!unstable(c, "order") && strcmp(kind, "repositories") != 0))
        return ok;
    g = world_z(got);
    w = world_z(want);
    if (strcmp(kind, "repositories") == 0) {
        blank_times(g);
        blank_times(w);
        ok = strcmp(g, w) == 0;
    }
    if (!ok && unstable(c, "order"))
        ok = same_but_order(g, w, strncmp(kind, "application", 11) == 0);
    free(g);
    free(w);
    return ok;
}

/* Queries that are best passed on untouched (semantics-lists.md section 1). */
static bool may_forward(const char *query)
{
    const char *p = query;

    if (strpbrk(query, "[]") || strstr(query, "%5b") || strstr(query, "%5B"))
        return true;
    while (p) {
        size_t key = strcspn(p, "=&");

        if (p[0] == '=' || strncmp(p, "refresh", 7) == 0
            || strncmp(p, "forceRefresh", 12) == 0
            || memchr(p, '.', key))
            return true;
        p = strchr(p, '&');
        if (p)
            p++;
    }
    return false;
}

/* ---- one case ---- */

struct asker { ae_txn *t; ae_str resource; };

static int may(void *ctx, ae_str object)
{
    struct asker *k = ctx;

    return ae_txn_can(k->t, k->resource, AE_STR("get"), object);
}

/* Cut from the list; the namespace is named as in a list. */
static int answer_get(const struct ae_list *l, const json_t *c,
                      const struct ae_list_query *q,
                      const struct ae_list_rights *rights,
                      struct ae_list_answer *out)
{
    const char          *name = strrchr(text(c, "path"), '/');
    const struct ae_row *row = ae_list_get(l, ae_cs(name ? name + 1 : ""),
                                           q->ns);

    memset(out, 0, sizeof(*out));
    out->forward = !row || rights->may(rights->ctx, ae_row_object(l, row))
                   != 1;
    if (!out->forward) {
        out->status = 200;
        out->body = ae_row_item(l, row);
    }
    return AE_OK;
}

static int verdict(const json_t *c, int status, ae_str body, bool forward,
                   char *why, size_t n)
{
    const json_t *want = json_object_get(c, "body"), *alt;
    bool          ok = false;
    size_t        i;

    if (forward) {
        ok = may_forward(text(c, "query"));
    } else if (status == json_integer_value(json_object_get(c, "status"))) {
        ok = same(c, body, ae_json_str(want));
        json_array_foreach(json_object_get(c, "alternatives"), i, alt)
            ok = ok || same(c, body, ae_json_str(alt));
    }
    if (!ok)
        snprintf(why, n, "got %s%d %.*s, want %lld %.400s",
                 forward ? "forward " : "", status,
                 (int)(body.n < 400 ? body.n : 400), body.p ? body.p : "",
                 (long long)json_integer_value(json_object_get(c, "status")),
                 text(c, "body"));
    return ok ? CHECK_PASS : CHECK_FAIL;
}

static ae_str error_body(ae_arena *a, const struct ae_list_answer *out)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "{\"error\":");
    ae_json_quote(&b, out->error);
    ae_buf_printf(&b, ",\"code\":%d,\"message\":", out->code);
    ae_json_quote(&b, out->error);
    ae_buf_puts(&b, "}");
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

/* What the list stage says once the token has passed. */
static int stage(const struct run_ctx *r, const json_t *c, size_t kind,
                 ae_txn *t, ae_arena *a, char *why, size_t n)
{
    const struct ae_list *l = full_list(r->root, kind);
    struct asker          k = { t, ae_list_resource(kinds[kind].k) };
    struct ae_list_rights rights = { .may = may, .ctx = &k };
    struct ae_list_query  q;
    struct ae_list_answer out;
    struct ae_list_ask    ask = { .list = l, .query = &q, .rights = &rights };
    int                   rc;

    if (!l) {
        snprintf(why, n, "got no full list, want one of %s",
                 kinds[kind].full);
        return CHECK_FAIL;
    }
    if (ae_eq(ae_txn_var(t, AE_V_TOKEN_KIND), AE_STR("login"))
        || ae_eq(ae_txn_var(t, AE_V_TOKEN_KIND), AE_STR("apikey")))
        rights.self = ae_txn_var(t, AE_V_SUBJECT);
    ask.stream = strcmp(text(c, "accept"), "text/event-stream") == 0;
    rc = ae_list_bind(kinds[kind].k, ae_json_str(json_object_get(c, "query")),
                      a, &q);
    if (rc == AE_OK)
        rc = kinds[kind].get ? answer_get(l, c, &q, &rights, &out)
                             : ae_list_answer(&ask, a, &out);
    if (rc != AE_OK) {
        snprintf(why, n, "got error %d, want an answer", rc);
        return CHECK_FAIL;
    }
    if (out.status && out.status != 200)
        out.body = error_body(a, &out);
    return verdict(c, out.status, out.body, out.forward, why, n);
}

/* The query is read before the token; a bad one is refused to anybody. */
static bool bad_query(const json_t *c, size_t kind, ae_arena *a, ae_str *body)
{
    struct ae_list_query  q;
    struct ae_list_answer out;

    if (kinds[kind].get
        || ae_list_bind(kinds[kind].k,
                        ae_json_str(json_object_get(c, "query")), a, &q)
        || q.status != 400)
        return false;
    out.error = q.error;
    out.code = q.code;
    *body = error_body(a, &out);
    return true;
}

static int with_token(const struct run_ctx *r, const json_t *c, size_t kind,
                      struct world *w, ae_arena *a, char *why, size_t n)
{
    const char   *token = json_string_value(json_object_get(c, "token"));
    json_t       *headers = json_array();
    ae_heap       heap = { NULL, 0 };
    ae_str        cookies[1];
    struct ae_req req;
    struct ae_act act;
    ae_txn       *t;
    ae_str        body;
    int           rc;

    if (token) {
        char *bearer = malloc(strlen(token) + 8);

        if (!bearer)
            abort();
        snprintf(bearer, strlen(token) + 8, "Bearer %s", token);
        json_array_append_new(headers, json_pack("[ss]", "Authorization",
                                                 bearer));
        free(bearer);
    }
    world_fill(&req, "GET", ae_cs(text(c, "path")), headers, ae_s(NULL, 0),
               cookies, 1);
    t = ae_txn_begin(w->engine, &w->loc, &req, ae_heap_mem(&heap));
    ae_txn_step(t, &act);
    if (bad_query(c, kind, a, &body))
        rc = verdict(c, 400, body, false, why, n);
    else if (act.kind == AE_REPLY)
        rc = verdict(c, act.reply.status, act.reply.body, false, why, n);
    else
        rc = stage(r, c, kind, t, a, why, n);
    ae_txn_end(t);
    ae_heap_free(&heap);
    json_decref(headers);
    return rc;
}

int check_api_list(const struct run_ctx *r, const json_t *c, char *why,
                   size_t n)
{
    const json_t *patch = json_object_get(
        json_object_get(r->root, "inputs_patch"), text(c, "config"));
    struct world *w = world_get(r->inputs, patch);
    ae_heap       heap = { NULL, 0 };
    ae_arena      a;
    size_t        kind = 0;
    int           rc;

    if (!w->engine) {
        snprintf(why, n, "got no snapshot: %s", w->error);
        return CHECK_FAIL;
    }
    while (kind < sizeof(kinds) / sizeof(kinds[0])
           && strcmp(kinds[kind].kind, text(c, "kind")) != 0)
        kind++;
    if (kind == sizeof(kinds) / sizeof(kinds[0])) {
        snprintf(why, n, "got kind %s, want one that is known",
                 text(c, "kind"));
        return CHECK_FAIL;
    }
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    rc = with_token(r, c, kind, w, &a, why, n);
    ae_heap_free(&heap);
    return rc;
}
