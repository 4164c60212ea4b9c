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

/* Forty entries of all kinds of sizes, and what became of them. */
enum { KEYS = 40 };

static inline ae_str body_for(ae_arena *a, int i)
{
    static const size_t size[] = { 100, 2000, 5000, 40000, 300000 };

    return body_of(a, size[i % 5], (unsigned)i);
}

static inline void fill(ae_store *s)
{
    struct pool p;
    ae_arena   *a = pool_new(&p);
    char        id[16];

    for (int i = 0; i < KEYS; i++) {
        snprintf(id, sizeof(id), "k%d", i);
        put_as(s, id, body_for(a, i), 10 * MINUTE, "t", NULL, id);
    }
    pool_free(&p);
}

struct tally {
    int hit, miss, corrupt, wrong;
};

static inline struct tally check(ae_store *s)
{
    struct pool  p;
    ae_arena    *a = pool_new(&p);
    struct tally t = { 0, 0, 0, 0 };
    char         id[16];

    for (int i = 0; i < KEYS; i++) {
        ae_str want = body_for(a, i);
        int    rc;

        snprintf(id, sizeof(id), "k%d", i);
        rc = get_as(s, id, "t", NULL, &want);
        t.hit += rc == 1;
        t.wrong += rc == -100;
        t.corrupt += rc == AE_E_CORRUPT;
        t.miss += rc == 0;
    }
    pool_free(&p);
    return t;
}

#endif
