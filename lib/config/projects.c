/*
 * projects.c - the directory appprojects/, or one manifest with all of them
 * (kubectl get appprojects -o yaml).
 */
#include "config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct coll { struct ae_project *p; size_t n, cap; };

static int nomem(struct cfg_load *l)
{
    return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
}

static int push(struct cfg_load *l, struct coll *c, struct ae_project *p)
{
    if (c->n == c->cap) {
        size_t             cap = c->cap ? c->cap * 2 : 16;
        struct ae_project *q = ae_nalloc(l->a, cap, sizeof(*q));

        if (!q)
            return nomem(l);
        for (size_t i = 0; i < c->n; i++)
            q[i] = c->p[i];
        c->p = q;
        c->cap = cap;
    }
    c->p[c->n++] = *p;
    return AE_OK;
}

/* The node that a path leads to, or the last one on the way. */
static const struct cfg_node *locate(const struct cfg_node *n,
                                     const struct cfg_where *w)
{
    for (size_t i = 0; i < w->n && i < 8; i++) {
        const struct cfg_node *c;
        size_t                 k = w->step[i].index;

        if (w->step[i].key)
            c = cfg_node_get(n, w->step[i].key);
        else
            for (c = n->type == CFG_SEQ ? n->first : NULL; c && k; k--)
                c = c->next;
        if (!c)
            break;
        n = c;
    }
    return n;
}

static int one(struct cfg_load *l, struct coll *c, ae_str file,
               const struct cfg_node *n)
{
    const struct cfg_node *kind = cfg_node_get(n, "kind");
    struct ae_project      p;
    struct cfg_where       w = { .n = 0 };
    struct ae_err          e = { 0 };
    json_t                *o;
    int                    rc;

    if (!kind || !ae_eq_lit(kind->text, "AppProject"))
        return ae_err_at(l->err, AE_E_SYNTAX, file, n->line, n->column,
                         "is not an AppProject; move it out of appprojects");
    o = cfg_node_json(l->a, n, l->err);
    if (!o)
        return AE_E_NOMEM;
    rc = cfg_project(l->a, o, &p, &w, &e);
    json_decref(o);
    if (rc == AE_OK) {
        p.file = file;
        return push(l, c, &p);
    }
    n = locate(n, &w);
    return ae_err_at(l->err, rc, file, n->line, n->column, "%s", e.text);
}

static int file_text(struct cfg_load *l, struct coll *c, ae_str file,
                     ae_str text)
{
    struct cfg_docs docs;
    int             rc;

    cfg_hash(l, file);
    cfg_hash(l, text);
    rc = cfg_manifest_parse(l->a, text, file, &docs, l->err);
    for (size_t i = 0; rc == AE_OK && i < docs.n; i++) {
        const struct cfg_node *n = docs.doc[i];
        const struct cfg_node *items = cfg_node_get(n, "items");

        if (n->type == CFG_NULL)
            continue;
        if (!items) {
            rc = one(l, c, file, n);
            continue;
        }
        if (items->type != CFG_SEQ && items->type != CFG_NULL)
            return ae_err_at(l->err, AE_E_SYNTAX, file, items->line,
                             items->column, "items must be a list");
        for (n = items->first; rc == AE_OK && n; n = n->next)
            rc = one(l, c, file, n);
    }
    return rc;
}

static bool is_manifest(ae_str name)
{
    return ae_ends(name, AE_STR(".yaml")) || ae_ends(name, AE_STR(".yml"))
        || ae_ends(name, AE_STR(".json"));
}

static int files(struct cfg_load *l, int fd, ae_str shown, struct coll *c)
{
    const char **name;
    size_t       n;
    int          rc = cfg_list(l->a, fd, shown, &name, &n, l->err);

    for (size_t i = 0; rc == AE_OK && i < n; i++) {
        ae_str file, text;

        if (!is_manifest(ae_cs(name[i])))
            continue;
        rc = cfg_read_listed(l, fd, shown, name[i], &file, &text, NULL);
        if (rc == AE_OK)
            rc = file_text(l, c, file, text);
    }
    return rc;
}

static int directory(struct cfg_load *l, const char *path, struct coll *c)
{
    char  *data = cfg_path(l->a, ae_cs(path), "..data");
    struct ae_err first = { 0 }, *err = l->err;
    uint64_t hash = l->in->content_hash;
    int    rc = AE_E_NOTFOUND;

    if (!data)
        return nomem(l);
    /* as for the other objects: one generation of ..data, or the next */
    for (int turn = 0; turn < 4 && rc == AE_E_NOTFOUND; turn++) {
        int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
            fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return ae_err_at(err, AE_E_IO, ae_cs(path), 0, 0, "cannot open "
                             "the directory (errno %d); let the server's user "
                             "read and search it", errno);
        c->n = 0;
        l->in->content_hash = hash;
        memset(&first, 0, sizeof(first));
        l->err = &first;
        rc = files(l, fd, ae_cs(path), c);
        l->err = err;
        close(fd);
    }
    if (rc != AE_OK && err && err->code == 0)
        *err = first;
    return rc;
}

/* Two files for one project are two opinions on who may do what. */
static int twins(struct cfg_load *l, const struct coll *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = 0; k < i; k++)
            if (ae_eq(c->p[i].name, c->p[k].name)
                && ae_eq(c->p[i].ns, c->p[k].ns))
                return ae_err_at(l->err, AE_E_SYNTAX, c->p[i].file, 0, 0,
                                 "project %.*s stands in %.*s as well; remove "
                                 "one", (int)c->p[i].name.n, c->p[i].name.p,
                                 (int)c->p[k].file.n, c->p[k].file.p);
    return AE_OK;
}

int cfg_projects_read(struct cfg_load *l)
{
    struct coll  c = { NULL, 0, 0 };
    const char  *path;
    ae_str       text;
    bool         is_dir = false;
    int          rc = cfg_find(l, "appprojects", &path, &is_dir);

    cfg_hash(l, AE_STR("appprojects"));
    if (rc != AE_OK || !path)
        return rc;
    cfg_hash(l, AE_STR("present")); /* complete with none, or not known */
    l->in->have_projects = true;
    if (is_dir) {
        rc = directory(l, path, &c);
    } else {
        rc = cfg_read_at(l->a, AT_FDCWD, path, ae_cs(path), CFG_KEY_MAX,
                         &text, NULL, l->err);
        if (rc == AE_OK)
            rc = file_text(l, &c, ae_cs(path), text);
    }
    if (rc == AE_OK)
        rc = twins(l, &c);
    l->in->projects = c.p;
    l->in->nprojects = c.n;
    return rc;
}
