/* dir.h - a scratch directory for the tests of lib/config. */
#ifndef AE_TEST_DIR_H
#define AE_TEST_DIR_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dir { char path[64]; };

__attribute__((unused))
static void dir_make(struct dir *d)
{
    snprintf(d->path, sizeof(d->path), "/tmp/ae-config-XXXXXX");
    if (!mkdtemp(d->path))
        abort();
}

/* Write |text| to |name|, making the directory above it. */
__attribute__((unused))
static void dir_put_n(const struct dir *d, const char *name, const char *text,
                      size_t n)
{
    char  path[512], *slash;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    for (slash = path + strlen(d->path) + 1;
         (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    f = fopen(path, "w");
    if (!f || fwrite(text, 1, n, f) != n)
        abort();
    fclose(f);
    chmod(path, 0640);
}

__attribute__((unused))
static void dir_put(const struct dir *d, const char *name, const char *text)
{
    dir_put_n(d, name, text, strlen(text));
}

__attribute__((unused))
static void dir_mode(const struct dir *d, const char *name, mode_t mode)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", d->path, name);
    if (chmod(path, mode) < 0)
        abort();
}

static int dir_unlink(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

__attribute__((unused))
static void dir_remove(const struct dir *d)
{
    nftw(d->path, dir_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
