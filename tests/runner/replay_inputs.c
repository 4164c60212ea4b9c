/*
 * replay_inputs.c - an input directory with a case's patch laid over it.
 * Files are replaced by rename, as the kubelet and editors do, so that a
 * server that polls never reads half a file.
 */
#include "replay.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int put_file(const char *dir, const char *key, const char *p, size_t n)
{
    char tmp[1024], path[1024];
    int  fd;

    snprintf(tmp, sizeof(tmp), "%s/.%s.tmp", dir, key);
    snprintf(path, sizeof(path), "%s/%s", dir, key);
    fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n || close(fd))
        return -1;
    return rename(tmp, path);
}

static int copy_file(const char *from, const char *dir, const char *key)
{
    char   *p = NULL;
    size_t  n = 0, cap = 0, got;
    FILE   *f = fopen(from, "rb");
    int     rc;

    if (!f)
        return -1;
    do {
        if (cap - n < 65536 && !(p = realloc(p, cap += 1 << 20)))
            abort();
        got = fread(p + n, 1, cap - n, f);
        n += got;
    } while (got);
    fclose(f);
    rc = put_file(dir, key, p, n);
    free(p);
    return rc;
}

/* Calls |fn| for each entry of |dir| but the dot files. */
static int each(const char *dir, int (*fn)(const char *, void *), void *arg)
{
    DIR           *d = opendir(dir);
    struct dirent *e;
    int            rc = 0;

    if (!d)
        return -1;
    while (rc == 0 && (e = readdir(d)))
        if (e->d_name[0] != '.')
            rc = fn(e->d_name, arg);
    closedir(d);
    return rc;
}

struct lay { const char *seed, *dir, *object; const json_t *patch; };

static int lay_key(const char *key, void *arg)
{
    struct lay *l = arg;
    char        from[1024], to[1024];

    if (json_object_get(json_object_get(l->patch, l->object), key))
        return 0;
    snprintf(from, sizeof(from), "%s/%s/%s", l->seed, l->object, key);
    snprintf(to, sizeof(to), "%s/%s", l->dir, l->object);
    return copy_file(from, to, key);
}

/* Drops keys that a former patch added. */
static int drop_key(const char *key, void *arg)
{
    struct lay *l = arg;
    char        path[1024];

    snprintf(path, sizeof(path), "%s/%s/%s", l->seed, l->object, key);
    if (access(path, F_OK) == 0
        || json_object_get(json_object_get(l->patch, l->object), key))
        return 0;
    snprintf(path, sizeof(path), "%s/%s/%s", l->dir, l->object, key);
    return unlink(path);
}

static int lay_object(const char *object, void *arg)
{
    struct lay *l = arg;
    char        path[1024];

    l->object = object;
    snprintf(path, sizeof(path), "%s/%s", l->dir, object);
    mkdir(path, 0700);
    if (each(path, drop_key, l))
        return -1;
    snprintf(path, sizeof(path), "%s/%s", l->seed, object);
    return each(path, lay_key, l);
}

int inputs_lay(const char *seed, const json_t *patch, const char *dir)
{
    struct lay    l = { seed, dir, NULL, patch };
    const char   *object, *key;
    json_t       *keys, *v;
    char          path[1024];

    mkdir(dir, 0700);
    if (each(seed, lay_object, &l))
        return -1;
    json_object_foreach((json_t *)(uintptr_t)patch, object, keys) {
        snprintf(path, sizeof(path), "%s/%s", dir, object);
        mkdir(path, 0700);
        json_object_foreach(keys, key, v) {
            if (!json_is_string(v))
                continue;
            if (put_file(path, key, json_string_value(v),
                         json_string_length(v)))
                return -1;
        }
    }
    return 0;
}

static int remove_entry(const char *name, void *arg)
{
    char path[1024];

    snprintf(path, sizeof(path), "%s/%s", (const char *)arg, name);
    if (unlink(path) == 0)
        return 0;
    return inputs_remove(path);
}

int inputs_remove(const char *dir)
{
    each(dir, remove_entry, (void *)(uintptr_t)dir);
    return rmdir(dir);
}
