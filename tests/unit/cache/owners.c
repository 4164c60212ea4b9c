/* owners.c - whose directory it is, and who else uses it. */
#include "dir.h"

#include "cache/store_lmdb.h"

static void refused(struct box *b, const char *what)
{
    ae_store *s = box_open(b);

    tap_ok(!s && b->err.code && b->err.text[0], "refused: %s", what);
    if (s)
        s->ops->close(s);
}

/* R33, T16: whose files these are. */
static void owners(void)
{
    struct box b;
    char       link[300], file[300];

    box_new(&b, 8 << 20);
    chmod(b.path, 0777);
    refused(&b, "mode 0777");
    chmod(b.path, 0750);
    refused(&b, "mode 0750");
    chmod(b.path, 0700);
    snprintf(link, sizeof(link), "%s-link", b.path);
    if (symlink(b.path, link))
        abort();
    b.c.path = ae_cs(link);
    refused(&b, "symbolic link");
    snprintf(link, sizeof(link), "%s-link/", b.path);
    b.c.path = ae_cs(link);
    refused(&b, "symbolic link with a slash");
    link[strlen(link) - 1] = '\0';
    unlink(link);
    b.c.path = ae_cs(b.path);
    snprintf(file, sizeof(file), "%s/lock", b.path);
    if (symlink("/tmp/ae-nowhere", file))
        abort();
    refused(&b, "lock is a link");
    tap_ok(access("/tmp/ae-nowhere", F_OK) != 0, "nothing made behind it");
    unlink(file);
    if (geteuid() == 0) {
        if (chown(b.path, 12345, 12345))
            abort();
        refused(&b, "foreign uid");
        if (chown(b.path, 0, 0))
            abort();
    } else {
        tap_ok(1, "foreign uid # SKIP needs root");
    }
    b.c.path = AE_STR("");
    refused(&b, "empty path");
    b.c.path = AE_STR("/proc/self/nowhere/cache");
    refused(&b, "no such place");
    b.c.path = ae_cs(b.path);
    b.c.read_only = true;
    refused(&b, "read-only without a cache");
    b.c.read_only = false;
    box_free(&b);
}

/* F29, R34: who else is there. */
static void neighbours(void)
{
    struct box  b;
    struct stat st;
    char        data[300], file[300];

    box_new(&b, 8 << 20);
    ae_store *s = box_open(&b);
    tap_ok(stat(box_data(&b, data), &st) == 0 && (st.st_mode & 0777) == 0600,
           "data file 0600");
    put_as(s, "k", AE_STR("{}"), MINUTE, NULL, NULL, "x");
    pid_t pid = fork();
    if (pid == 0) { /* a reload with another size= */
        b.c.size = 16 << 20;
        ae_store *mine = box_open(&b);
        _exit(!mine || mine->stat.bytes_max != 8 << 20
              || get_as(mine, "k", NULL, NULL, NULL) != 1);
    }
    tap_ok(reap_child(pid) == 0, "another size while in use: waits");
    snprintf(file, sizeof(file), "%s/generations", b.path);
    int fd = open(file, O_RDWR);
    if (pwrite(fd, "\x7f", 1, offsetof(struct lm_head, format)) != 1)
        abort();
    pid = fork();
    if (pid == 0)
        _exit(box_open(&b) != NULL);
    tap_ok(reap_child(pid) == 0, "F29: another format in use: refused");
    if (pwrite(fd, "\x01", 1, offsetof(struct lm_head, format)) != 1)
        abort();
    close(fd);
    s->ops->close(s);
    b.c.size = 16 << 20;
    s = box_open(&b);
    tap_ok(s && get_as(s, "k", NULL, NULL, NULL) == 0, "alone: a new file");
    s->ops->close(s);
    box_free(&b);
}

/* Another boot, another format: wiped when nobody is there. */
static void other_boot(void)
{
    struct box b;
    char       path[300];

    box_new(&b, 8 << 20);
    ae_store *s = box_open(&b);
    fill(s);
    s->ops->close(s);
    snprintf(path, sizeof(path), "%s/generations", b.path);
    int fd = open(path, O_RDWR);
    if (pwrite(fd, "f", 1, offsetof(struct lm_head, boot)) != 1
        || pwrite(fd, "g", 1, offsetof(struct lm_head, boot) + 1) != 1)
        abort();
    close(fd);
    s = box_open(&b);
    tap_ok(s && check(s).hit == 0, "F2: another boot: nothing is believed");
    fill(s);
    tap_ok(check(s).hit == KEYS, "and it serves");
    s->ops->close(s);
    if (truncate(path, 5000))
        abort();
    s = box_open(&b);
    tap_ok(s && check(s).hit == 0, "generations cut: all new");
    s->ops->close(s);
    box_free(&b);
}

/* Somebody removes the directory's files under us. */
static void removed(void)
{
    struct box b;

    box_new(&b, 8 << 20);
    ae_store *s = box_open(&b);
    fill(s);
    box_free(&b);
    s->ops->tick(s, wall());
    fill(s);
    tap_ok(check(s).hit == KEYS, "removed: made anew");
    pid_t pid = fork();
    if (pid == 0) {
        ae_store *mine = box_open(&b);
        _exit(!mine || check(mine).hit != KEYS);
    }
    tap_ok(reap_child(pid) == 0, "newcomers and we are in one place");
    s->ops->close(s);
    box_free(&b);
}

/* The agent makes no cache and changes none: it joins one in use. */
static void guest(void)
{
    struct box b;
    int        up[2], end[2];
    char       c, file[300];
    ae_store  *s;
    pid_t      pid;

    box_new(&b, 8 << 20);
    b.c.guest = true;
    b.c.size = 0;
    s = box_open(&b);
    snprintf(file, sizeof(file), "%s/generations", b.path);
    tap_ok(!s && b.err.code == AE_E_NOTFOUND && access(file, F_OK) != 0,
           "a guest alone: nothing is made: %s", b.err.text);
    if (pipe(up) || pipe(end))
        abort();
    pid = fork();
    if (pid == 0) {
        b.c.guest = false;
        b.c.size = 8 << 20;
        s = box_open(&b);
        (void)!write(up[1], s ? "y" : "n", 1);
        close(end[1]);
        (void)!read(end[0], &c, 1);
        if (s)
            s->ops->close(s);
        _exit(!s);
    }
    (void)!read(up[0], &c, 1);
    s = box_open(&b);
    tap_ok(s && s->stat.bytes_max == 8 << 20, "it joins, with the size that "
           "is in force");
    tap_ok(s && s->ops->bump(s, &AE_STR("t"), 1) == AE_OK,
           "and moves generations");
    if (s)
        s->ops->close(s);
    close(end[0]);
    close(end[1]);
    tap_ok(reap_child(pid) == 0, "the owner goes");
    tap_ok(!box_open(&b) && b.err.code == AE_E_NOTFOUND, "alone again");
    b.c.guest = false;
    b.c.size = 8 << 20;
    s = box_open(&b);
    tap_ok(s != NULL, "the cache is as it was");
    if (s)
        s->ops->close(s);
    box_free(&b);
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* children must not repeat it */
    owners();
    neighbours();
    other_boot();
    removed();
    guest();
    return tap_done();
}
