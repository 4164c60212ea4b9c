/*
 * poll.c - has anything changed on disk?  The picture is taken before the
 * files are read: what changes in between shows up at the next look.  All of
 * it is recorded, also after a failed load, so that a broken input is read
 * again when it changes and not each second (faults.md F18).
 */
#include "config/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void look(struct cfg_stat *s)
{
    struct stat st;
    int         rc = s->link ? lstat(s->path, &st) : stat(s->path, &st);

    s->exists = rc == 0;
    s->dev = s->ino = s->size = s->mode = 0;
    s->mtime_s = s->mtime_ns = 0;
    if (rc != 0)
        return;
    s->dev = (uint64_t)st.st_dev;
    s->ino = (uint64_t)st.st_ino;
    s->size = (uint64_t)st.st_size;
    s->mode = (uint64_t)st.st_mode; /* a chmod can cure or cause a refusal */
    s->mtime_s = (int64_t)st.st_mtim.tv_sec;
    s->mtime_ns = (int64_t)st.st_mtim.tv_nsec;
}

static void add(ae_inputs_src *src, const char *path, bool link)
{
    struct cfg_stat *s;

    if (!path || src->n > 2 * (size_t)CFG_FILES_MAX) {
        src->bad = true;
        return;
    }
    if (src->n == src->cap) {
        size_t cap = src->cap ? src->cap * 2 : 32;

        s = realloc(src->item, cap * sizeof(*s));
        if (!s) {
            src->bad = true;
            return;
        }
        src->item = s;
        src->cap = cap;
    }
    s = &src->item[src->n];
    s->path = strdup(path);
    s->link = link;
    if (!s->path) {
        src->bad = true;
        return;
    }
    look(s);
    src->n++;
}

static void add_dir(ae_inputs_src *src, ae_arena *a, const char *path)
{
    const char  **name;
    size_t        n;
    int           fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return;
    add(src, cfg_path(a, ae_cs(path), "..data"), true);
    if (cfg_list(a, fd, ae_cs(path), &name, &n, NULL) == AE_OK)
        for (size_t i = 0; i < n; i++)
            add(src, cfg_path(a, ae_cs(path), name[i]), false);
    close(fd);
}

void cfg_watch_object(ae_inputs_src *src, ae_arena *a, ae_str dir,
                      const char *object)
{
    static const char *const ext[] = { "", ".yaml", ".yml", ".json" };
    char *path, *name;

    for (size_t k = 0; src && k < sizeof(ext) / sizeof(ext[0]); k++) {
        name = (char *)(uintptr_t)ae_fmt(a, "%s%s", object, ext[k]).p;
        path = name ? cfg_path(a, dir, name) : NULL;
        add(src, path, false);
        if (path && k == 0)
            add_dir(src, a, path);
    }
}

void cfg_watch_file(ae_inputs_src *src, ae_arena *a, ae_str path)
{
    if (path.n)
        add(src, cfg_path(a, path, NULL), false);
}

void cfg_watch(ae_inputs_src *src, ae_arena *a, ae_str dir)
{
    static const char *const object[] = { "argocd-rbac-cm", "argocd-cm",
        "argocd-secret", "appprojects", "argo-edge",
        "oidc" };

    add(src, cfg_path(a, dir, NULL), false);
    for (size_t i = 0; i < sizeof(object) / sizeof(object[0]); i++)
        cfg_watch_object(src, a, dir, object[i]);
}

int ae_inputs_changed(ae_inputs_src *src)
{
    if (!src)
        return 0;
    if (src->bad)
        return 1;
    for (size_t i = 0; i < src->n; i++) {
        struct cfg_stat now = src->item[i];

        look(&now);
        if (now.exists != src->item[i].exists || now.dev != src->item[i].dev
            || now.ino != src->item[i].ino || now.size != src->item[i].size
            || now.mode != src->item[i].mode
            || now.mtime_s != src->item[i].mtime_s
            || now.mtime_ns != src->item[i].mtime_ns)
            return 1;
    }
    return 0;
}

void ae_inputs_src_free(ae_inputs_src *src)
{
    if (!src)
        return;
    for (size_t i = 0; i < src->n; i++)
        free(src->item[i].path);
    free(src->item);
    free(src);
}
