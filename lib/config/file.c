/*
 * file.c - the only place of the library that opens files.  Everything is
 * opened without waiting (a FIFO must not hang a server that reloads), must be
 * regular after links are resolved (R33), and is bounded.
 */
#include "config/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *why(int e)
{
    switch (e) {
    case ENOENT:
        return "it does not exist";
    case EACCES:
    case EPERM:
        return "permission denied; let the server's user read it";
    case ENOTDIR:
        return "a part of its path is not a directory";
    case ELOOP:
        return "too many symbolic links";
    case EMFILE:
    case ENFILE:
        return "too many open files; raise the limit";
    case EIO:
        return "input/output error";
    default:
        return "the system refused it";
    }
}

static int io_fail(struct ae_err *err, ae_str shown, int e)
{
    return ae_err_at(err, e == ENOENT ? AE_E_NOTFOUND : AE_E_IO, shown, 0, 0,
                     "cannot read: %s (errno %d)", why(e), e);
}

static const char *kind(mode_t m)
{
    return S_ISDIR(m) ? "a directory" : S_ISFIFO(m) ? "a FIFO"
         : S_ISSOCK(m) ? "a socket" : "a device";
}

static int fill(int fd, ae_str shown, size_t max, ae_arena *a, ae_str *out,
                struct ae_err *err)
{
    size_t n = 0, cap = 4096;
    char  *p = ae_alloc(a, cap + 1);
    struct stat st;

    if (p && fstat(fd, &st) == 0 && st.st_size > 4096
        && (uint64_t)st.st_size <= max) {
        cap = (size_t)st.st_size + 1;
        p = ae_alloc(a, cap + 1);
    }
    for (;;) {
        ssize_t got;

        if (!p)
            return ae_err_set(err, AE_E_NOMEM, "out of memory");
        got = read(fd, p + n, cap - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return io_fail(err, shown, errno);
        if (got == 0)
            break;
        n += (size_t)got;
        if (n > max)
            return ae_err_at(err, AE_E_TOOBIG, shown, 0, 0, "larger than %zu "
                             "bytes; this is not a file of Argo CD", max);
        if (n == cap) {
            char *q = ae_alloc(a, cap * 2 + 1);

            if (q)
                memcpy(q, p, n);
            p = q;
            cap *= 2;
        }
    }
    p[n] = '\0';
    *out = ae_s(p, n);
    return AE_OK;
}

int cfg_read_at(ae_arena *a, int dirfd, const char *name, ae_str shown,
                size_t max, ae_str *out, struct cfg_perm *perm,
                struct ae_err *err)
{
    struct stat st;
    int         rc, fd;

    *out = ae_s(NULL, 0);
    fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return io_fail(err, shown, errno);
    if (fstat(fd, &st) < 0)
        rc = io_fail(err, shown, errno);
    else if (!S_ISREG(st.st_mode))
        rc = ae_err_at(err, AE_E_IO, shown, 0, 0, "is %s; a regular file is "
                       "expected here", kind(st.st_mode));
    else
        rc = fill(fd, shown, max, a, out, err);
    if (rc == AE_OK && perm) {
        perm->mode = (unsigned)st.st_mode & 07777;
        perm->uid = (unsigned)st.st_uid;
        perm->gid = (unsigned)st.st_gid;
    }
    close(fd);
    return rc;
}

int ae_file_read(ae_arena *a, const char *path, size_t max, ae_str *out,
                 struct ae_err *err)
{
    return cfg_read_at(a, AT_FDCWD, path, ae_cs(path), max, out, NULL, err);
}

char *cfg_path(ae_arena *a, ae_str dir, const char *name)
{
    while (dir.n > 1 && dir.p[dir.n - 1] == '/')
        dir.n--;
    return (char *)(uintptr_t)ae_fmt(a, "%.*s%s%s", (int)dir.n, dir.p,
                                     name ? "/" : "", name ? name : "").p;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect(ae_arena *a, DIR *d, ae_str shown, const char ***out,
                   size_t *n, struct ae_err *err)
{
    size_t         cap = 0;
    struct dirent *e;

    while ((e = readdir(d)) != NULL) {
        /* "..data", "..2026_..." and an editor's leavings */
        if (e->d_name[0] == '.')
            continue;
        if (*n == CFG_FILES_MAX)
            return ae_err_at(err, AE_E_TOOBIG, shown, 0, 0, "more than %d "
                             "files; is this the right directory?",
                             CFG_FILES_MAX);
        if (*n == cap) {
            const char **p = ae_nalloc(a, cap ? cap * 2 : 32, sizeof(*p));

            if (!p)
                return ae_err_set(err, AE_E_NOMEM, "out of memory");
            for (size_t i = 0; i < *n; i++)
                p[i] = (*out)[i];
            *out = p;
            cap = cap ? cap * 2 : 32;
        }
        (*out)[*n] = ae_dup(a, ae_cs(e->d_name)).p;
        if (!(*out)[*n])
            return ae_err_set(err, AE_E_NOMEM, "out of memory");
        (*n)++;
    }
    return AE_OK;
}

int cfg_list(ae_arena *a, int dirfd, ae_str shown, const char ***out,
             size_t *n, struct ae_err *err)
{
    /* a new description: readdir() moves the offset of the one it is given */
    int  fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    int  rc;

    *out = NULL;
    *n = 0;
    if (!d) {
        rc = io_fail(err, shown, errno);
        if (fd >= 0)
            close(fd);
        return rc;
    }
    rc = collect(a, d, shown, out, n, err);
    closedir(d);
    if (rc == AE_OK && *n > 1)
        qsort(*out, *n, sizeof(**out), by_name);
    return rc;
}
