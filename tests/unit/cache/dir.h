/* dir.h - a store in a temporary directory. */
#ifndef CACHE_DIR_H
#define CACHE_DIR_H

#include "help.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct box {
    char                 path[256];
    struct ae_store_conf c;
    struct ae_err        err;
};

static inline void box_new(struct box *b, uint64_t size)
{
    memset(b, 0, sizeof(*b));
    snprintf(b->path, sizeof(b->path), "/tmp/ae-cache-XXXXXX");
    if (!mkdtemp(b->path))
        abort();
    b->c.path = ae_cs(b->path);
    b->c.size = size;
    b->c.max_readers = 64;
    b->c.max_object = 8 << 20;
}

static inline void box_free(struct box *b)
{
    DIR           *d = opendir(b->path);
    struct dirent *e;

    while (d && (e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(b->path);
}

static inline ae_store *box_open(struct box *b)
{
    ae_store *s = NULL;

    memset(&b->err, 0, sizeof(b->err));
    if (ae_store_lmdb_open(&b->c, &s, &b->err) != AE_OK)
        printf("# open: %d %s\n", b->err.code, b->err.text);
    return s;
}

/* Path of the data file in force. */
static inline const char *box_data(struct box *b, char out[300])
{
    DIR           *d = opendir(b->path);
    struct dirent *e;

    out[0] = '\0';
    while ((e = readdir(d)))
        if (!strncmp(e->d_name, "data.", 5) && !strstr(e->d_name, "-lock"))
            snprintf(out, 300, "%.200s/%.90s", b->path, e->d_name);
    closedir(d);
    return out;
}

/* Wait for |pid|; 0 if it exited with 0. */
static inline int reap_child(pid_t pid)
{
    int st = -1;

    waitpid(pid, &st, 0);
    return st;
}

#endif
