/*
 * grpc.c - gRPC and gRPC-web calls: which operation, and the fields that make
 * up its object (semantics-api.md 7).
 */
#include "route/internal.h"

#include <stdio.h>

const struct ae_op *ae_grpc_op(ae_str path)
{
    return ae_op_by_grpc(path);
}

/* What each method's request message holds, as far as we read it. */
static const struct { uint16_t id; const char *fields; } methods[] = {
#define AE_GF(name, f) { AE_OPID_##name, f },
#include "route/grpc_fields.def"
#undef AE_GF
};

/* ---- protobuf ---------------------------------------------------------- */

struct wire { ae_str s; size_t at; };
struct item { uint64_t field; unsigned type; uint64_t num; ae_str bytes; };

static bool varint(struct wire *w, uint64_t *out)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < 10 && w->at < w->s.n; i++) {
        unsigned char c = (unsigned char) w->s.p[w->at++];

        v |= (uint64_t) (c & 0x7f) << (7 * i);
        if (!(c & 0x80)) {
            *out = v;
            return true;
        }
    }
    return false;
}

static bool take(struct wire *w, uint64_t n, ae_str *out)
{
    if (n > w->s.n - w->at)
        return false;
    *out = ae_sub(w->s, w->at, (size_t) n);
    w->at += (size_t) n;
    return true;
}

static bool value(struct wire *w, struct item *it)
{
    switch (it->type) {
    case 0:
        return varint(w, &it->num);
    case 1:
        return take(w, 8, &it->bytes);
    case 2:
        return varint(w, &it->num) && take(w, it->num, &it->bytes);
    case 5:
        return take(w, 4, &it->bytes);
    default:
        return false;
    }
}

/* The next field; groups are skipped.  False at the end or on an error. */
static bool next(struct wire *w, struct item *it, bool *bad)
{
    unsigned depth = 0;

    while (w->at < w->s.n) {
        uint64_t key;

        *bad = true;
        if (!varint(w, &key))
            return false;
        it->field = key >> 3;
        it->type = (unsigned) (key & 7);
        if (it->field == 0 || it->field > 0x1fffffff)
            return false;
        if (it->type == 3) {
            depth++;
        } else if (it->type == 4) {
            if (depth-- == 0)
                return false;
        } else {
            if (!value(w, it))
                return false;
            *bad = false;
            if (depth == 0)
                return true;
        }
        *bad = false;
    }
    *bad = depth != 0;
    return false;
}

/* ---- binding ------------------------------------------------------------ */

struct spec { ae_str name; unsigned num[6]; size_t depth;
              char type; bool required, repeated; };

static bool spec_read(ae_str s, struct spec *f)
{
    ae_str rest = ae_cut(s, ':', &f->name), nums, one;

    rest = ae_cut(rest, ':', &nums);
    f->depth = 0;
    while (nums.n && f->depth < 6) {
        uint64_t v;

        nums = ae_cut(nums, '.', &one);
        if (!ae_parse_u64(one, &v))
            return false;
        f->num[f->depth++] = (unsigned) v;
    }
    f->type = rest.n ? rest.p[0] : 's';
    f->required = rest.n > 1 && rest.p[1] == '!';
    f->repeated = rest.n > 1 && rest.p[1] == '*';
    return f->depth > 0;
}

struct bind {
    ae_arena         *a;
    struct ae_target *t;
    size_t            cap;
    bool              found;
};

static int put(struct bind *b, const struct spec *f, const struct item *it)
{
    struct ae_target *t = b->t;
    ae_str v = it->bytes;
    size_t i = t->nq;

    b->found = true;
    if (f->type == 'm')
        return AE_OK;
    if (f->type != 's') {
        v = f->type == 'b' ? (it->num ? AE_STR("true") : AE_STR("false"))
                           : ae_fmt(b->a, "%lld", (long long) it->num);
        if (!v.p)
            return AE_E_NOMEM;
    }
    if (!f->repeated) /* the last of a scalar wins */
        for (i = 0; i < t->nq && !ae_eq(t->q[i].name, f->name); i++)
            continue;
    if (i >= t->nq) {
        if (t->nq == b->cap) {
            t->doubtful = true; /* longer lists than we care to hold */
            return AE_OK;
        }
        i = t->nq++;
    }
    t->q[i].name = f->name;
    t->q[i].value = v;
    return AE_OK;
}

/* Embedded messages merge: every occurrence is walked, in order. */
static int collect(struct bind *b, const struct spec *f, size_t level,
                   ae_str msg)
{
    struct wire w = { msg, 0 };
    struct item it = { 0, 0, 0, { NULL, 0 } };
    bool        bad = false, leaf = level + 1 == f->depth;
    unsigned    want = leaf && f->type != 's' && f->type != 'm' ? 0 : 2;
    int         rc;

    while (next(&w, &it, &bad)) {
        if (it.field != f->num[level])
            continue;
        if (it.type != want) {
            if (leaf && f->repeated && it.type == 2) {
                b->found = true; /* packed numbers */
                continue;
            }
            return AE_E_SYNTAX;
        }
        rc = leaf ? put(b, f, &it) : collect(b, f, level + 1, it.bytes);
        if (rc != AE_OK)
            return rc;
    }
    return bad ? AE_E_SYNTAX : AE_OK;
}

/* Path parameters of the REST template move from t->q to their place. */
static int path_params(struct ae_target *t, ae_arena *a)
{
    const char *z = t->op->tmpl;
    int         rc;

    while ((z = strchr(z, '{')) != NULL && t->npath < 6) {
        size_t n = strcspn(++z, "=}"), i;

        t->path_par[t->npath].name = ae_s(z, n);
        for (i = 0; i < t->nq; i++)
            if (ae_eq(t->q[i].name, ae_s(z, n)))
                break;
        if (i < t->nq) {
            t->path_par[t->npath].value = t->q[i].value;
            memmove(&t->q[i], &t->q[i + 1],
                    (t->nq - i - 1) * sizeof *t->q);
            t->nq--;
        }
        t->npath++;
    }
    if (t->npath && ae_opx(t->op)->unesc) {
        ae_str v;

        rc = ae_unescape(a, t->path_par[0].value, true, &v, NULL);
        if (rc == AE_E_NOMEM)
            return rc;
        if (rc == AE_OK)
            t->path_par[0].value = v;
        else
            t->doubtful = true;
    }
    return AE_OK;
}

static int bind_fields(struct bind *b, ae_str list, ae_str msg)
{
    while (list.n) {
        struct spec f;
        ae_str      one;
        int         rc;

        list = ae_cut(list, ' ', &one);
        if (!spec_read(one, &f))
            return AE_E_INVAL;
        b->found = false;
        rc = collect(b, &f, 0, msg);
        if (rc != AE_OK)
            return rc;
        if (f.required && !b->found)
            return AE_E_SYNTAX; /* code 13, before authentication */
    }
    return AE_OK;
}

static void doubts(struct ae_target *t)
{
    size_t projects = 0;

    for (size_t i = 0; i < t->nq; i++) {
        ae_str v = t->q[i].value;

        if (t->op->id == AE_OPID_ApplicationService_Get
            && ae_starts(t->q[i].name, AE_STR("project")))
            projects++;
        if (ae_eq_lit(t->q[i].name, "refresh")
            || (ae_eq_lit(t->q[i].name, "forceRefresh")
                && ae_eq_lit(v, "true")))
            t->side_effect = true;
        if (!ae_utf8_valid(v))
            t->doubtful = true;
    }
    if (projects > 1) /* more than one is code 3 before any check */
        t->doubtful = true;
}

/* The first frame of a gRPC body: flag byte 0, four bytes of length. */
static bool first_frame(ae_str in, ae_str *msg)
{
    const unsigned char *p = (const unsigned char *) in.p;
    size_t               n;

    if (in.n < 5 || p[0] != 0)
        return false;
    n = (size_t) p[1] << 24 | (size_t) p[2] << 16 | (size_t) p[3] << 8 | p[4];
    if (n > in.n - 5)
        return false;
    *msg = ae_sub(in, 5, n);
    return true;
}

int ae_grpc_bind(const struct ae_op *op, ae_str message, ae_arena *a,
                 struct ae_target *out)
{
    struct bind b = { a, out, 64, false };
    struct wire w;
    struct item it;
    ae_str      msg = { NULL, 0 };
    bool        bad = false;
    int         rc = AE_OK;

    memset(out, 0, sizeof *out);
    out->kind = AE_TGT_GRPC;
    if (!op)
        return AE_E_INVAL;
    out->op = op;
    out->method = AE_M_POST;
    if (!first_frame(message, &msg))
        return AE_E_SYNTAX;
    w.s = msg;
    w.at = 0;
    while (next(&w, &it, &bad))
        continue;
    if (bad)
        return AE_E_SYNTAX;
    out->q = ae_nalloc(a, b.cap, sizeof *out->q);
    if (!out->q)
        return AE_E_NOMEM;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        /* the second route of PodLogs has the same method */
        uint16_t id = op->id == AE_OPID_ApplicationService_PodLogs2
            ? AE_OPID_ApplicationService_PodLogs : op->id;

        if (methods[i].id == id)
            rc = bind_fields(&b, ae_cs(methods[i].fields), msg);
    }
    if (rc != AE_OK)
        return rc;
    doubts(out);
    return path_params(out, a);
}
