/*
 * object.c - one ConfigMap or Secret as a sorted list of keys: a mounted
 * directory with a file a key, or one manifest (design.md section 5).
 */
#include "config/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int nomem(struct cfg_load *l)
{
    return ae_err_set(l->err, AE_E_NOMEM, "out of memory");
}

void cfg_hash(struct cfg_load *l, ae_str s)
{
    char len[8];

    /* the length first, so that no two lists of texts read the same */
    for (int i = 0; i < 8; i++)
        len[i] = (char)((uint64_t)s.n >> (8 * i) & 0xFF);
    l->in->content_hash = ae_hash64(ae_s(len, 8), l->in->content_hash);
    l->in->content_hash = ae_hash64(s, l->in->content_hash);
}

void cfg_warn(struct cfg_load *l, const struct ae_text *at, const char *fmt,
              ...)
{
    struct ae_inputs *in = l->in;
    struct ae_text   *w;
    char              text[400];
    va_list           ap;

    if (in->nwarnings == 1000) /* enough to read */
        return;
    if (in->nwarnings == l->warn_cap) {
        size_t cap = l->warn_cap ? l->warn_cap * 2 : 8;

        w = ae_nalloc(l->a, cap, sizeof(*w));
        if (!w)
            return;
        for (size_t i = 0; i < in->nwarnings; i++)
            w[i] = in->warnings[i];
        in->warnings = w;
        l->warn_cap = cap;
    }
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    w = &in->warnings[in->nwarnings];
    memset(w, 0, sizeof(*w));
    if (at) {
        w->file = at->file;
        w->line = at->line;
        w->key = at->key;
    }
    w->text = ae_dup(l->a, ae_cs(text));
    if (w->text.p)
        in->nwarnings++;
}

int cfg_object_add(struct cfg_load *l, struct cfg_object *o, ae_str key,
                   ae_str text, ae_str file, uint32_t line)
{
    struct ae_text *t;

    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 16;

        t = ae_nalloc(l->a, cap, sizeof(*t));
        if (!t)
            return nomem(l);
        for (size_t i = 0; i < o->n; i++)
            t[i] = o->kv[i];
        o->kv = t;
        o->cap = cap;
    }
    t = &o->kv[o->n++];
    t->file = file;
    t->line = line;
    t->key = key;
    t->text = text.p ? text : AE_STR("");
    return AE_OK;
}

static int by_key(const void *a, const void *b)
{
    return ae_cmp(((const struct ae_text *)a)->key,
                  ((const struct ae_text *)b)->key);
}

void cfg_object_sort(struct cfg_object *o)
{
    if (o->n > 1)
        qsort(o->kv, o->n, sizeof(*o->kv), by_key);
}

const struct ae_text *cfg_object_text(const struct cfg_object *o,
                                      const char *key)
{
    for (size_t i = 0; i < o->n; i++)
        if (ae_eq(o->kv[i].key, ae_cs(key)))
            return &o->kv[i];
    return NULL;
}

ae_str cfg_object_get(const struct cfg_object *o, const char *key)
{
    const struct ae_text *t = cfg_object_text(o, key);

    return t ? t->text : ae_s(NULL, 0);
}

/* The characters that Kubernetes allows in a key.  Whatever else lies in the
 * directory ("lost+found", "policy.csv~") is not a key. */
static bool is_key(const char *name)
{
    for (; *name; name++) {
        char c = *name;

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

/* R33.  Who can write argocd-secret can mint tokens, and so can who can read
 * it: a server takes neither.  Writable by the group passes for the owner's
 * private group (umask 002).  The command line warns of a secret that all may
 * read, as it does not serve anybody with it. */
static int check_mode(struct cfg_load *l, const struct ae_text *at,
                      const struct cfg_perm *p, bool secret, bool *warned)
{
    if (secret && ((p->mode & 02) || ((p->mode & 020) && p->gid != p->uid)))
        return ae_err_at(l->err, AE_E_IO, at->file, 0, 0, "is writable by %s "
                         "(mode %04o); remove that with chmod go-w",
                         p->mode & 02 ? "everybody" : "its group", p->mode);
    if (secret && (p->mode & 04) && l->serving)
        return ae_err_at(l->err, AE_E_IO, at->file, 0, 0, "is readable by "
                         "everybody (mode %04o), and whoever reads it can "
                         "make tokens; mount the Secret with defaultMode: "
                         "0440, or chmod o-r", p->mode);
    if (*warned)
        return AE_OK;
    if (!secret && (p->mode & 02)) {
        *warned = true;
        cfg_warn(l, at, "is writable by everybody (mode %04o); whoever can "
                 "write it decides who may do what", p->mode);
    } else if (secret && (p->mode & 04)) {
        *warned = true;
        cfg_warn(l, at, "is readable by everybody (mode %04o); mount the "
                 "Secret with defaultMode 0440", p->mode);
    }
    return AE_OK;
}

int cfg_read_listed(struct cfg_load *l, int fd, ae_str shown,
                    const char *name, ae_str *file, ae_str *text,
                    struct cfg_perm *perm)
{
    *file = ae_cs(cfg_path(l->a, shown, name));
    if (!file->p)
        return nomem(l);
    if (++l->nfiles > CFG_FILES_MAX)
        return ae_err_at(l->err, AE_E_TOOBIG, shown, 0, 0, "more than %d "
                         "files", CFG_FILES_MAX);
    return cfg_read_at(l->a, fd, name, *file, CFG_KEY_MAX, text, perm,
                       l->err);
}

static int read_keys(struct cfg_load *l, int fd, ae_str shown, bool secret,
                     struct cfg_object *o)
{
    const char    **name;
    struct cfg_perm perm;
    bool            warned = false;
    size_t          n;
    int             rc = cfg_list(l->a, fd, shown, &name, &n, l->err);

    for (size_t i = 0; rc == AE_OK && i < n; i++) {
        ae_str file, text;

        if (!is_key(name[i]))
            continue;
        rc = cfg_read_listed(l, fd, shown, name[i], &file, &text, &perm);
        if (rc == AE_OK)
            rc = cfg_object_add(l, o, ae_cs(name[i]), text, file, 1);
        if (rc == AE_OK)
            rc = check_mode(l, &o->kv[o->n - 1], &perm, secret, &warned);
    }
    return rc;
}

/* Kubernetes swaps the link "..data" to change all keys at once.  Opening it
 * pins one generation; when that one is removed under our feet, the next is
 * already there: try again. */
static int read_mounted(struct cfg_load *l, ae_str shown, bool secret,
                        struct cfg_object *o)
{
    struct ae_err first = { 0 }, *err = l->err;
    size_t        warnings = l->in->nwarnings;
    char         *path = cfg_path(l->a, shown, NULL);
    char         *data = cfg_path(l->a, shown, "..data");
    int           rc = AE_E_NOTFOUND;

    if (!path || !data)
        return nomem(l);
    for (int turn = 0; turn < 4 && rc == AE_E_NOTFOUND; turn++) {
        int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
            fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return ae_err_at(err, AE_E_IO, shown, 0, 0, "cannot open the "
                             "directory (errno %d); let the server's user "
                             "read and search it", errno);
        memset(&first, 0, sizeof(first));
        o->n = 0;
        l->in->nwarnings = warnings;
        l->err = &first;
        rc = read_keys(l, fd, shown, secret, o);
        l->err = err;
        close(fd);
    }
    if (rc != AE_OK && err && err->code == 0)
        *err = first;
    return rc;
}

int cfg_find(struct cfg_load *l, const char *name, const char **found,
             bool *is_dir)
{
    static const char *const ext[] = { "", ".yaml", ".yml", ".json" };

    *found = NULL;
    for (size_t i = 0; i < sizeof(ext) / sizeof(ext[0]); i++) {
        ae_str      full = ae_fmt(l->a, "%s%s", name, ext[i]);
        char       *path = full.p ? cfg_path(l->a, l->dir, full.p) : NULL;
        struct stat st;

        if (!path)
            return nomem(l);
        if (stat(path, &st) < 0) {
            if (errno != ENOENT)
                return ae_err_at(l->err, AE_E_IO, ae_cs(path), 0, 0, "cannot "
                                 "look at it (errno %d); let the server's "
                                 "user read it", errno);
            continue;
        }
        if (i == 0 && !S_ISDIR(st.st_mode))
            return ae_err_at(l->err, AE_E_IO, ae_cs(path), 0, 0, "is a file; "
                             "a manifest must be called %s.yaml", name);
        if (*found)
            return ae_err_at(l->err, AE_E_SYNTAX, ae_cs(path), 0, 0, "%s is "
                             "there as well; remove one of the two", *found);
        *found = path;
        *is_dir = i == 0;
    }
    return AE_OK;
}

int cfg_object_read(struct cfg_load *l, const char *name, bool secret,
                    struct cfg_object *o)
{
    const char     *path;
    struct cfg_perm perm;
    struct ae_text  at = { 0 };
    ae_str          text;
    bool            is_dir = false, warned = false;
    int             rc = cfg_find(l, name, &path, &is_dir);

    memset(o, 0, sizeof(*o));
    cfg_hash(l, ae_cs(name));
    if (rc != AE_OK || !path)
        return rc;
    o->found = true;
    at.file = ae_cs(path);
    if (is_dir) {
        rc = read_mounted(l, at.file, secret, o);
    } else {
        rc = cfg_read_at(l->a, AT_FDCWD, path, at.file, CFG_KEY_MAX, &text,
                         &perm, l->err);
        if (rc == AE_OK)
            rc = check_mode(l, &at, &perm, secret, &warned);
        if (rc == AE_OK)
            rc = cfg_manifest_object(l, name, secret, at.file, text, o);
    }
    cfg_object_sort(o);
    for (size_t i = 0; rc == AE_OK && i < o->n; i++) {
        cfg_hash(l, o->kv[i].key);
        cfg_hash(l, o->kv[i].text);
    }
    return rc;
}
