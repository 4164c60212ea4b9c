/*
 * bind.c - the query of a list as grpc-gateway binds it (the facts: recorded
 * in tests/vectors/lists).  Where its reading is a trap, nothing is bound and
 * the request is the upstream's to answer.
 */
#include "mirror/mirror.h"

/* What grpc-gateway knows of a field.  A scalar of applications is a pointer,
 * and a dot behind it breaks the connection. */
enum type { POINTER, SCALAR, REPEATED, BOOL, MESSAGE, OURS };

struct field { const char *name; enum type type; size_t at; };

#define AT(m) offsetof(struct ae_list_query, m)
#define NOWHERE SIZE_MAX

static const struct field applications[] = {
    { "name", POINTER, AT(name) }, { "refresh", POINTER, NOWHERE },
    { "projects", REPEATED, 0 }, { "resourceVersion", POINTER, NOWHERE },
    { "selector", POINTER, AT(selector) }, { "repo", POINTER, AT(repo) },
    { "appNamespace", POINTER, AT(ns) }, { "project", REPEATED, 0 },
    { "fields", OURS, AT(fields) }, { NULL, 0, 0 }
};
static const struct field applicationsets[] = {
    { "projects", REPEATED, 0 }, { "selector", SCALAR, AT(selector) },
    { "appsetNamespace", SCALAR, AT(ns) }, { NULL, 0, 0 }
};
/* |name| is bound and has no effect. */
static const struct field projects[] = {
    { "name", SCALAR, NOWHERE }, { "fields", OURS, AT(fields) },
    { NULL, 0, 0 }
};
static const struct field clusters[] = {
    { "server", SCALAR, AT(server) }, { "name", SCALAR, AT(name) },
    { "id", MESSAGE, NOWHERE }, { NULL, 0, 0 }
};
static const struct field repositories[] = {
    { "repo", SCALAR, NOWHERE }, { "forceRefresh", BOOL, NOWHERE },
    { "appProject", SCALAR, NOWHERE }, { NULL, 0, 0 }
};
static const struct field repocreds[] = {
    { "url", SCALAR, NOWHERE }, { NULL, 0, 0 }
};

static const struct field *const fields_of[AE_LIST__N] = {
    [AE_LIST_APPLICATIONS] = applications,
    [AE_LIST_APPLICATIONSETS] = applicationsets,
    [AE_LIST_PROJECTS] = projects,
    [AE_LIST_CLUSTERS] = clusters,
    [AE_LIST_REPOSITORIES] = repositories,
    [AE_LIST_REPOCREDS] = repocreds
};

struct bind {
    enum ae_list_kind     kind;
    ae_arena             *a;
    struct ae_list_query *q;
    ae_str               *value;
    uint32_t              seen; /* fields that have their value */
    bool                  id_seen[2];
};

static void refuse(struct bind *b, ae_str text)
{
    if (b->q->status)
        return;
    b->q->status = 400;
    b->q->code = 3;
    b->q->error = text;
}

/* net/url QueryUnescape.  Says no with the refusal made, or without memory
 * (the arena then knows). */
static bool unescape(struct bind *b, ae_str in, ae_str *out)
{
    char  *p;
    size_t n = 0;

    *out = in;
    if (in.n == 0 || (!memchr(in.p, '%', in.n) && !memchr(in.p, '+', in.n)))
        return true;
    p = ae_alloc(b->a, in.n);
    if (!p)
        return false;
    for (size_t i = 0; i < in.n; i++) {
        unsigned v = 0;
        int      k = 0;

        if (in.p[i] != '%') {
            p[n++] = in.p[i] == '+' ? ' ' : in.p[i];
            continue;
        }
        for (; k < 2 && i + 1 + (size_t)k < in.n; k++) {
            unsigned char c = (unsigned char)in.p[i + 1 + (size_t)k];

            if (c >= '0' && c <= '9')
                v = v << 4 | (unsigned)(c - '0');
            else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
                v = v << 4 | (unsigned)((c | 0x20) - 'a' + 10);
            else
                break;
        }
        if (k < 2) {
            ae_buf t;

            ae_buf_init(&t, b->a, 0);
            ae_buf_puts(&t, "invalid URL escape ");
            ae_go_quote(&t, ae_sub(in, i, 3));
            if (!t.bad)
                refuse(b, ae_buf_str(&t));
            return false;
        }
        p[n++] = (char)v;
        i += 2;
    }
    *out = ae_s(p, n);
    return true;
}

/* |text|, |name| and, unless absent, |in| behind " in ". */
static void refuse_named(struct bind *b, const char *text, ae_str name,
                         ae_str in)
{
    ae_buf t;

    ae_buf_init(&t, b->a, 0);
    ae_buf_puts(&t, text);
    ae_buf_put(&t, name);
    if (in.p)
        ae_buf_puts(&t, " in ");
    ae_buf_put(&t, in);
    if (!t.bad)
        refuse(b, ae_buf_str(&t));
}

static const struct field *find(enum ae_list_kind kind, ae_str name,
                                size_t *at)
{
    const struct field *f = fields_of[kind];

    for (*at = 0; f[*at].name; ++*at)
        if (ae_eq(name, ae_cs(f[*at].name)))
            return &f[*at];
    return NULL;
}

/* Nothing lies below a text: |path| is the way to it, |rest| what follows. */
static void refuse_nested(struct bind *b, ae_str path, ae_str rest)
{
    ae_str next;

    ae_cut(rest, '.', &next);
    refuse_named(b, "unexpected nested field ", next, path);
}

/* The members of clusters' |id| are the only ones behind a dot; others do not
 * exist and are passed over. */
static void bind_id(struct bind *b, ae_str name, ae_str rest, ae_str value)
{
    ae_str member, below = ae_cut(rest, '.', &member);
    bool   type = ae_eq_lit(member, "type");

    if (!member.n)
        b->q->forward = true; /* an empty name stands for the first member */
    if (!type && !ae_eq_lit(member, "value"))
        return;
    if (below.p) {
        refuse_nested(b, ae_s(name.p, (size_t)(below.p - name.p) - 1), below);
    } else if (!b->id_seen[type]) {
        b->id_seen[type] = true;
        *(type ? &b->q->id_type : &b->q->id_value) = value;
    }
}

static void bind_dotted(struct bind *b, ae_str name, ae_str value)
{
    const struct field *f;
    ae_str head, rest = ae_cut(name, '.', &head);
    size_t at;

    if (!head.n) {
        b->q->forward = true; /* the first member, as without a dot */
        return;
    }
    f = find(b->kind, head, &at);
    if (!f || f->type == OURS)
        return; /* not a field of the request */
    if (f->type == REPEATED)
        refuse_named(b, "unexpected repeated field in ", name,
                     ae_s(NULL, 0));
    else if (f->type == MESSAGE)
        bind_id(b, name, rest, value);
    else if (f->type != POINTER)
        refuse_nested(b, head, rest);
    else if (ae_find(rest, '.') < rest.n)
        refuse_named(b, "non-aggregate type in the mid of path: ", name,
                     ae_s(NULL, 0));
    else
        b->q->forward = true; /* name.x breaks the connection */
}

/* strconv.ParseBool; only what changes nothing is ours. */
static void bind_bool(struct bind *b, ae_str v)
{
    static const char *const yes[] = { "1", "t", "T", "TRUE", "true",
                                       "True" };
    static const char *const no[] = { "0", "f", "F", "FALSE", "false",
                                      "False" };
    ae_buf t;

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (ae_eq(v, ae_cs(no[i])))
            return;
        if (ae_eq(v, ae_cs(yes[i]))) {
            b->q->forward = true;
            return;
        }
    }
    ae_buf_init(&t, b->a, 0);
    ae_buf_puts(&t, "strconv.ParseBool: parsing ");
    ae_go_quote(&t, v);
    ae_buf_puts(&t, ": invalid syntax");
    if (!t.bad)
        refuse(b, ae_buf_str(&t));
}

/* |project| puts |projects| aside, whatever its value. */
static void bind_project(struct bind *b, bool plural, ae_str value)
{
    struct ae_list_query *q = b->q;

    if (plural && q->has_project)
        return;
    if (!plural && !q->has_project) {
        q->has_project = true;
        q->nproject = 0;
    }
    q->by_project = true;
    b->value[q->nproject++] = value;
}

static void bind_one(struct bind *b, ae_str name, ae_str value)
{
    const struct field *f;
    size_t              at;

    if (name.n == 0 || memchr(name.p, '[', name.n)
        || memchr(name.p, ']', name.n)) {
        b->q->forward = true;
        return;
    }
    f = find(b->kind, name, &at);
    if (!f) {
        if (memchr(name.p, '.', name.n))
            bind_dotted(b, name, value);
        return;
    }
    if (f->type == REPEATED) {
        bind_project(b, ae_eq_lit(name, "projects"), value);
        return;
    }
    if (b->seen & 1u << at)
        return; /* the first occurrence counts */
    b->seen |= 1u << at;
    if (f->type == MESSAGE)
        refuse(b, AE_STR("field type *cluster.ClusterID is not supported in"
                         " query parameters"));
    else if (f->type == BOOL)
        bind_bool(b, value);
    else if (f->at != NOWHERE)
        *(ae_str *)(void *)((char *)b->q + f->at) = value;
    else if (ae_eq_lit(name, "refresh"))
        b->q->forward = true; /* a write */
}

/* One piece between ampersands.  First all pieces are checked (|check|), as
 * Go reads the whole string before a field is bound. */
static int piece(struct bind *b, ae_str part, bool check)
{
    ae_str raw, name, value;

    if (part.n == 0)
        return AE_OK;
    raw = ae_cut(part, '=', &name);
    if (!unescape(b, name, &name) || !unescape(b, raw, &value))
        return b->q->status ? AE_OK : AE_E_NOMEM;
    if (!check)
        bind_one(b, name, value);
    return AE_OK;
}

int ae_list_bind(enum ae_list_kind kind, ae_str query, ae_arena *a,
                 struct ae_list_query *out)
{
    struct bind b = { .kind = kind, .a = a, .q = out };
    size_t      n = 1;

    memset(out, 0, sizeof(*out));
    if (kind == AE_LIST_ACCOUNTS)
        return AE_OK; /* a request without members: nobody reads the query */
    for (size_t i = 0; i < query.n; i++)
        n += query.p[i] == '&';
    if (n > AE_LIST_VALUES) {
        out->forward = true;
        return AE_OK;
    }
    b.value = ae_nalloc(a, n, sizeof(*b.value));
    if (!b.value)
        return AE_E_NOMEM;
    out->project = b.value;
    /* of all faults of a query Go tells of this one */
    if (query.n && memchr(query.p, ';', query.n))
        refuse(&b, AE_STR("invalid semicolon separator in query"));
    for (int check = 1; check >= 0 && !out->status; check--) {
        ae_str rest = query, part;

        while (rest.p && !out->status) {
            int rc;

            rest = ae_cut(rest, '&', &part);
            rc = piece(&b, part, check);
            if (rc != AE_OK || a->failed)
                return AE_E_NOMEM;
        }
    }
    if (out->status == 400)
        out->forward = false;
    return AE_OK;
}
