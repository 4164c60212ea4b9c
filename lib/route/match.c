/*
 * match.c - from the bytes of the request line to one operation.
 */
#include "route/internal.h"

#define TEXT "text/plain; charset=utf-8"
#define JSON "application/json"

void ae_refuse(struct ae_target *t, enum ae_target_kind kind, int status,
               const char *body, const char *ctype)
{
    t->kind = kind;
    t->status = status;
    t->body = ae_cs(body);
    t->ctype = ae_cs(ctype);
    t->op = NULL;
    t->q = NULL;
    t->nq = 0;
    t->npath = 0;
}

int ae_refuse_json(struct ae_target *t, ae_arena *a, ae_str text)
{
    ae_buf b;

    ae_buf_init(&b, a, 4096);
    ae_buf_puts(&b, "{\"error\":");
    ae_json_quote(&b, text);
    ae_buf_puts(&b, ",\"code\":3,\"message\":");
    ae_json_quote(&b, text);
    ae_buf_putc(&b, '}');
    if (b.bad)
        return AE_E_NOMEM;
    ae_refuse(t, AE_TGT_BAD, 400, "", JSON);
    t->body = ae_buf_str(&b);
    return AE_OK;
}

enum ae_method ae_method_of(ae_str m)
{
    static const struct { ae_str name; enum ae_method m; } t[] = {
        { { "GET", 3 }, AE_M_GET }, { { "POST", 4 }, AE_M_POST },
        { { "PUT", 3 }, AE_M_PUT }, { { "DELETE", 6 }, AE_M_DELETE },
        { { "PATCH", 5 }, AE_M_PATCH }, { { "HEAD", 4 }, AE_M_HEAD },
        { { "OPTIONS", 7 }, AE_M_OPTIONS }
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++)
        if (ae_eq(m, t[i].name))
            return t[i].m;
    return AE_M_OTHER;
}

ae_str ae_target_get(const struct ae_target *t, const char *name)
{
    ae_str n = ae_cs(name);

    for (size_t i = 0; i < t->npath; i++)
        if (ae_eq(t->path_par[i].name, n))
            return t->path_par[i].value;
    for (size_t i = 0; i < t->nq; i++)
        if (ae_eq(t->q[i].name, n))
            return t->q[i].value;
    return ae_s(NULL, 0);
}

bool ae_match_params(const struct ae_op *op, ae_str path, size_t skip,
                     struct ae_target *t)
{
    const char *z = op->tmpl + skip;
    size_t      i = skip;

    t->npath = 0;
    while (*z) {
        const char *end;
        size_t      from = i;
        bool        tail;

        if (*z != '{') {
            if (i == path.n)
                /* the tail of can-i may be absent with its slash */
                return ae_opx(op)->tail && strcmp(z, "/{subresource=**}") == 0;
            if (path.p[i] != *z)
                return false;
            z++;
            i++;
            continue;
        }
        end = strchr(z, '}');
        tail = end[-1] == '*';
        if (tail) {
            i = path.n;
        } else {
            const char *slash = memchr(path.p + i, '/', path.n - i);

            i = slash ? (size_t) (slash - path.p) : path.n;
        }
        if (t->npath == sizeof t->path_par / sizeof t->path_par[0])
            return false;
        t->path_par[t->npath].name =
            ae_s(z + 1, (size_t) (end - z) - 1 - (tail ? 3 : 0));
        t->path_par[t->npath++].value = ae_s(path.p + from, i - from);
        z = end + 1;
    }
    return i == path.n;
}

/* Cheap refusal of most rows: the last segment of the template is another
 * word than |last|. */
static bool other_tail(const struct ae_op *op, size_t tlen, ae_str last)
{
    const char *end = op->tmpl + tlen;

    return end[-1] != '}'
        && !(tlen > last.n && end[-1 - (ptrdiff_t) last.n] == '/'
             && memcmp(end - last.n, last.p, last.n) == 0);
}

/* The row of |path|; *other: none, but some row has it for another method.
 * |skip|: bytes up to the end of the family's segment. */
static const struct ae_op *find(const struct ae_family *f, ae_str path,
                                size_t skip, struct ae_target *t, bool *other)
{
    size_t nseg = 0, slash = 0;
    ae_str last;

    for (const char *at = path.p, *end = path.p + path.n;
         (at = memchr(at, '/', (size_t) (end - at))) != NULL; at++) {
        nseg++;
        slash = (size_t) (at - path.p);
    }
    last = ae_s(path.p + slash + 1, path.n - slash - 1);
    for (int pass = 0; pass < 2; pass++)
        for (size_t id = f->first; id <= f->last; id++) {
            const struct ae_opx *x = &ae_opxs[id];

            if ((x->method == t->method) == (pass > 0)
                || (x->nseg != nseg && !(x->tail && nseg >= x->nseg))
                || other_tail(&ae_ops[id], x->tlen, last)
                || !ae_match_params(&ae_ops[id], path, skip, t))
                continue;
            if (pass == 0)
                return &ae_ops[id];
            *other = true;
        }
    t->npath = 0;
    return NULL;
}

/* Path as the gateway matches it: below |path| of the form /api/… */
static const struct ae_op *lookup(ae_str path, struct ae_target *t,
                                  bool *other)
{
    static const struct ae_family version = {
        { NULL, 0 }, AE_OPID_VersionService_Version,
        AE_OPID_VersionService_Version
    };
    const struct ae_family *f;
    ae_str seg;
    size_t slash = path.n;

    /* no route has a verb: a colon in the last segment is 404 (1.6) */
    while (slash > 0 && path.p[slash - 1] != '/')
        if (path.p[--slash] == ':')
            return NULL;
    if (ae_eq_lit(path, "/api/version"))
        return find(&version, path, 0, t, other);
    if (!ae_starts(path, AE_STR("/api/v1/")))
        return NULL;
    (void) ae_cut(ae_sub(path, 8, path.n - 8), '/', &seg);
    f = ae_family_find(seg);
    return f ? find(f, path, 8 + seg.n, t, other) : NULL;
}

/* The path that the gateway sees: decoded, or raw on the id routes. */
static int gateway_path(ae_str path, enum ae_canon_class cc, ae_arena *a,
                        ae_str *out, bool *utf8)
{
    ae_str dec;
    int    rc;

    *out = path;
    *utf8 = true;
    if (!memchr(path.p, '%', path.n))
        return AE_OK;
    rc = ae_unescape(a, path, false, &dec, NULL);
    if (rc != AE_OK)
        return rc;
    *utf8 = cc == AE_CAN_CANI || ae_text_ok(dec);
    if (!(ae_path_keeps_raw(path) && ae_path_is_raw_route(path)))
        *out = dec;
    return AE_OK;
}

/* Id parameters are query-unescaped once more by Argo CD's handlers (1.5). */
static int unescape_id(struct ae_target *t, ae_arena *a)
{
    ae_str v;
    int    rc;

    if (t->npath == 0 || !ae_opx(t->op)->unesc)
        return AE_OK;
    rc = ae_unescape(a, t->path_par[0].value, true, &v, NULL);
    if (rc == AE_E_SYNTAX) {
        t->doubtful = true; /* 500 upstream, even without a token */
        return AE_OK;
    }
    if (rc == AE_OK) {
        t->path_par[0].value = v;
        t->doubtful = t->doubtful || !ae_text_ok(v);
    }
    return rc;
}

static bool is_json(ae_str ctype)
{
    return ae_ieq(ctype, AE_STR("application/json"));
}

/* Everything under /api/ that the gateway serves. */
static int route_api(const struct ae_route_in *in, ae_arena *a, ae_str path,
                     enum ae_canon_class cc, struct ae_target *t)
{
    ae_str eff;
    bool   utf8, other = false;
    int    rc;

    if (t->method == AE_M_HEAD) {
        t->kind = AE_TGT_UNKNOWN; /* P13: upstream answers, 405 or 415 */
        return AE_OK;
    }
    if (t->method != AE_M_GET && !is_json(ae_trim(in->content_type))) {
        ae_refuse(t, AE_TGT_BAD, 415, "Invalid content type\n", TEXT);
        return AE_OK;
    }
    rc = gateway_path(path, cc, a, &eff, &utf8);
    if (rc != AE_OK)
        return rc;
    if (!utf8)
        return ae_refuse_json(t, a,
            AE_STR("request target is not in canonical form"));
    if (eff.p[eff.n - 1] == ':') /* an empty verb would match the bare name */
        return ae_refuse_json(t, a,
            AE_STR("request target is not in canonical form"));
    t->op = lookup(eff, t, &other);
    if (t->op) {
        t->kind = AE_TGT_OP;
        rc = unescape_id(t, a);
        return rc == AE_OK ? ae_query_bind(t, a) : rc;
    }
    if (cc == AE_CAN_WRITE && memchr(path.p, '%', path.n))
        t->kind = AE_TGT_UNKNOWN; /* T2 (b): once encoded, upstream says 404 */
    else if (other)
        ae_refuse(t, AE_TGT_UNKNOWN_API, 405, "Method Not Allowed\n", TEXT);
    else
        ae_refuse(t, AE_TGT_UNKNOWN_API, 404, "Not Found\n", TEXT);
    return AE_OK;
}

/* Handlers outside the gateway by exact path or by prefix (ends in '/'). */
static const struct ae_op *outside(ae_str path, enum ae_method m)
{
    static const struct { ae_str path; uint16_t id; } t[] = {
        { { "/healthz", 8 }, AE_OPID_healthz },
        { { "/api/webhook", 12 }, AE_OPID_webhook },
        { { "/api/dex/", 9 }, AE_OPID_dex },
        { { "/auth/login", 11 }, AE_OPID_auth_login },
        { { "/auth/callback", 14 }, AE_OPID_auth_callback },
        { { "/terminal", 9 }, AE_OPID_terminal },
        { { "/extensions/", 12 }, AE_OPID_extension },
        { { "/extensions.js", 14 }, AE_OPID_extensions_js },
        { { "/download/", 10 }, AE_OPID_download },
        { { "/swagger-ui", 11 }, AE_OPID_swagger },
        { { "/swagger.json", 13 }, AE_OPID_swagger }
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        const struct ae_op *op = ae_op_at(t[i].id);
        bool pre = t[i].path.p[t[i].path.n - 1] == '/';

        if (pre ? !ae_starts(path, t[i].path) : !ae_eq(path, t[i].path))
            continue;
        return op->method == AE_M_OTHER || op->method == m ? op : NULL;
    }
    return NULL;
}

static int route_outside(ae_str path, ae_arena *a, struct ae_target *t)
{
    t->kind = t->op ? AE_TGT_OP : AE_TGT_UNKNOWN;
    if (!t->op)
        return AE_OK;
    if (t->op->id == AE_OPID_extension && path.n > 12) {
        ae_str name;

        (void) ae_cut(ae_sub(path, 12, path.n - 12), '/', &name);
        t->path_par[0].name = AE_STR("name");
        t->path_par[0].value = name;
        t->npath = 1;
    }
    return t->op->nq ? ae_query_bind(t, a) : AE_OK;
}

/* T5.  gRPC-web is told by the exact content type, whatever the path; native
 * gRPC never has a path of the REST API. */
static bool is_grpc(const struct ae_route_in *in, ae_str path,
                    struct ae_target *t)
{
    ae_str ct = ae_trim(in->content_type);

    if (ct.n < 16 || memcmp(ct.p, "application/grpc", 16) != 0)
        return false;
    t->grpc_web = ae_eq_lit(ct, "application/grpc-web+proto");
    if (!t->grpc_web
        && (t->method != AE_M_POST || ae_starts(path, AE_STR("/api/"))
            || (ct.n > 16 && ct.p[16] != '+' && ct.p[16] != ';')))
        return false;
    t->kind = AE_TGT_GRPC;
    t->op = ae_grpc_op(path);
    return true;
}

/* Split, and refuse what is not canonical (T2).  False: *rc is the result. */
static bool shape(const struct ae_route_in *in, ae_arena *a,
                  enum ae_canon_class *cc, const struct ae_route_conf *c,
                  struct ae_target *t, ae_str *path, int *rc)
{
    const char *why;

    *rc = AE_OK;
    if (t->method == AE_M_OTHER) { /* P14 */
        ae_refuse(t, AE_TGT_BAD, 405, "Method Not Allowed\n", TEXT);
        return false;
    }
    t->query = ae_cut(in->target, '?', &t->path);
    if (t->query.n > AE_QUERY_MAX) {
        ae_refuse(t, AE_TGT_BAD, 414, "URI Too Long\n", TEXT);
        return false;
    }
    *path = t->path;
    if (c->root_path.n > 1 && ae_starts(*path, c->root_path)
        && path->n > c->root_path.n && path->p[c->root_path.n] == '/')
        *path = ae_sub(*path, c->root_path.n, path->n - c->root_path.n);
    *cc = ae_canon_class(*path);
    why = ae_canon_path(*path, *cc);
    if (why && strcmp(why, "bad escape") == 0) {
        ae_refuse(t, AE_TGT_BAD, 400, "400 Bad Request", TEXT);
        return false;
    }
    if (!why)
        why = ae_canon_query(t->query);
    if (!why && in->has_body && (t->method == AE_M_GET
                                 || t->method == AE_M_HEAD))
        why = "body of a GET";
    if (!why && in->content_type_dup)
        why = "two content types";
    if (!why)
        return true;
    *rc = ae_refuse_json(t, a,
        AE_STR("request target is not in canonical form"));
    return false;
}

int ae_route(const struct ae_route_conf *c, const struct ae_route_in *in,
             ae_arena *a, struct ae_target *out)
{
    enum ae_canon_class cc;
    ae_str path;
    int    rc;

    memset(out, 0, sizeof *out);
    out->method = ae_method_of(in->method);
    if (!shape(in, a, &cc, c, out, &path, &rc))
        return rc;
    if (c->root_path.n > 1 && path.p == out->path.p) {
        /* outside of the root path only healthz is Argo CD's */
        out->op = ae_eq_lit(path, "/healthz") ? ae_op_at(AE_OPID_healthz)
                                              : NULL;
        if (!out->op && in->content_type.n && is_grpc(in, path, out))
            return AE_OK; /* native gRPC knows no root path */
        return route_outside(path, a, out);
    }
    if (ae_eq_lit(path, "/api/badge"))
        out->op = ae_op_at(AE_OPID_badge);
    else if (ae_eq_lit(path, "/auth/logout"))
        out->op = ae_op_at(AE_OPID_auth_logout);
    if (!out->op && in->content_type.n && is_grpc(in, path, out))
        return AE_OK;
    if (!out->op && !ae_starts(path, AE_STR("/api/v1/")))
        out->op = outside(path, out->method);
    if (!out->op && ae_starts(path, AE_STR("/api/")))
        return route_api(in, a, path, cc, out);
    return route_outside(path, a, out);
}
