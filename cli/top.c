/*
 * top.c - what the edge does now, in a terminal: reads the status page's data
 * every few seconds.
 */
#include "survey.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { ANSWER_MAX = 16 << 20, ROWS = 12 };

struct place { char host[256], port[8]; const char *path; };

static int where(const char *url, struct place *p)
{
    const char *at, *end, *colon;
    size_t      n;

    if (strncmp(url, "http://", 7) != 0)
        return cli_fail(EXIT_USAGE, "URL must begin with http:// (ask the "
                        "server on its own host, or through a tunnel)");
    at = url + 7;
    end = at + strcspn(at, "/");
    colon = memchr(at, ':', (size_t)(end - at));
    n = (size_t)((colon ? colon : end) - at);
    if (n == 0 || n >= sizeof(p->host)
        || (colon && (size_t)(end - colon) > sizeof(p->port)))
        return cli_fail(EXIT_USAGE, "no URL: %s", url);
    memcpy(p->host, at, n);
    p->host[n] = '\0';
    memcpy(p->port, colon ? colon + 1 : "80", colon
           ? (size_t)(end - colon) : 3);
    p->port[colon ? end - colon - 1 : 2] = '\0';
    p->path = *end ? end : "/argo-edge/";
    return 0;
}

static int dial(const struct place *p)
{
    struct addrinfo  hint = { .ai_socktype = SOCK_STREAM }, *list, *a;
    struct timeval   wait = { .tv_sec = 10 };
    int              fd = -1;

    if (getaddrinfo(p->host, p->port, &hint, &list))
        return -1;
    for (a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
        if (connect(fd, a->ai_addr, a->ai_addrlen)) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static bool send_all(int fd, ae_str s)
{
    while (s.n) {
        ssize_t k = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (k <= 0)
            return false;
        s = ae_sub(s, (size_t)k, s.n);
    }
    return true;
}

/* One question, in the arena of this round. */
static int ask(ae_arena *a, const struct place *p, ae_str token, ae_str *out)
{
    ae_str  q = ae_fmt(a, "GET %s?data=1 HTTP/1.0\r\nHost: %s\r\n%s%.*s%s"
                       "Connection: close\r\n\r\n", p->path, p->host,
                       token.n ? "Authorization: Bearer " : "", (int)token.n,
                       token.n ? token.p : "", token.n ? "\r\n" : "");
    int     fd = dial(p);
    char    part[16384];
    ae_buf  b;
    ssize_t k = 0;

    if (fd < 0)
        return cli_fail(EXIT_INPUT, "nobody answers at %s:%s", p->host,
                        p->port);
    ae_buf_init(&b, a, ANSWER_MAX);
    if (send_all(fd, q))
        while ((k = recv(fd, part, sizeof(part), 0)) > 0)
            ae_buf_put(&b, ae_s(part, (size_t)k));
    close(fd);
    if (k < 0 || b.bad || !b.n)
        return cli_fail(EXIT_INPUT, "%s:%s breaks off", p->host, p->port);
    *out = ae_buf_str(&b);
    return 0;
}

static json_t *data_of(ae_str answer, const struct place *p)
{
    size_t        at = ae_find_str(answer, AE_STR("\r\n\r\n"));
    ae_str        head = ae_sub(answer, 0, at), body;
    struct ae_err err = { .code = 0 };
    json_t       *v = NULL;

    body = at == SIZE_MAX ? ae_s(NULL, 0) : ae_sub(answer, at + 4, answer.n);
    if (ae_eq_lit(ae_sub(head, 8, 4), " 200") && body.n)
        v = ae_json_parse(body, 16, &err);
    if (v && json_is_object(json_object_get(v, "counters")))
        return v;
    json_decref(v);
    cli_fail(EXIT_INPUT, "%s:%s%s is no status page (%.*s); it needs "
             "argo_edge_status, and --token-file if that is rbac", p->host,
             p->port, p->path, (int)ae_find(head, '\r'),
             head.p ? head.p : "");
    return NULL;
}

/* ---- the screen ---------------------------------------------------------- */

static long long number(const json_t *o, const char *key)
{
    return (long long)json_integer_value(json_object_get(o, key));
}

static void put(const json_t *o, const char *key, int wide)
{
    ae_str s = ae_sub(ae_json_get_str(o, key), 0, (size_t)wide);

    print_safe(s);
    printf("%*s ", s.n < (size_t)wide ? wide - (int)s.n : 0, "");
}

static void rows(const json_t *list, bool live)
{
    const json_t *e;
    size_t        i;

    if (json_array_size(list))
        printf("%-12s  %s%-24s %-16s %-9s %-28s %s\n", live ? "time (UTC)"
               : " times", live ? "result   " : "", "who", "resource",
               "action", "object", live ? "cache" : "why");

    json_array_foreach(list, i, e) {
        if (i >= ROWS)
            return;
        if (live) {
            print_safe(ae_sub(ae_json_get_str(e, "at"), 11, 12));
            printf("  ");
            put(e, "result", 8);
        } else {
            printf("%6lld        ", number(e, "n"));
        }
        put(e, ae_json_get_str(e, "subject").n ? "subject" : "peer", 24);
        put(e, "resource", 16);
        put(e, "action", 9);
        put(e, "object", 28);
        put(e, live ? "cache" : "reason", 20);
        putchar('\n');
    }
    if (!i)
        puts("  none");
}

static void show(const json_t *d, long long before, int every)
{
    const json_t *c = json_object_get(d, "counters");
    const json_t *p = json_object_get(d, "policy");
    long long     seen = number(c, "cache_hit") + number(c, "cache_miss")
                       + number(c, "cache_bypass");
    json_t       *keys = json_object_get(d, "keys");

    printf("argo-edge   configuration %s   %s\n",
           json_string_value(json_object_get(p, "id")),
           json_is_true(json_object_get(p, "stale"))
           ? "STALE: the inputs do not load" : "policy up to date");
    if (!json_is_true(json_object_get(d, "shared")))
        puts("these are the numbers of ONE worker: set argo_edge_zone");
    if (!json_is_true(json_object_get(keys, "secret")))
        puts("no server.secretkey: tokens cannot be verified");
    printf("requests %lld", number(c, "requests"));
    if (before >= 0)
        printf(" (%.1f/s)", (double)(number(c, "requests") - before)
               / (double)every);
    printf("   passed on to Argo CD %lld   from the cache %lld of %lld "
           "(%.1f%%)\nrefused %lld   refused by limits %lld\n\n"
           "TOP REFUSALS\n", number(c, "forwarded"), number(c, "cache_hit"),
           seen, seen ? 100.0 * (double)number(c, "cache_hit") / (double)seen
           : 0.0, number(c, "refused_400") + number(c, "refused_401")
           + number(c, "refused_403") + number(c, "refused_other"),
           number(c, "limit_rejected"));
    rows(json_object_get(d, "top"), false);
    puts("\nLIVE DECISIONS, the newest first");
    rows(json_object_get(d, "recent"), true);
}

static int one_round(struct cli *c, const struct place *p, ae_str token,
                     int every, long long *before)
{
    ae_heap  heap = { 0 };
    ae_arena a;
    ae_str   answer;
    json_t  *d = NULL;
    int      rc;

    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    rc = ask(&a, p, token, &answer);
    if (!rc && !(d = data_of(answer, p)))
        rc = EXIT_INPUT;
    if (d && c->json) {
        cli_json(d);
    } else if (d) {
        if (!c->once && isatty(STDOUT_FILENO))
            fputs("\033[H\033[2J", stdout);
        show(d, *before, every);
        if (!c->once && isatty(STDOUT_FILENO))
            printf("\nevery %d s; ends with ctrl-c\n", every);
        fflush(stdout);
        *before = number(json_object_get(d, "counters"), "requests");
        json_decref(d);
    }
    ae_heap_free(&heap);
    return rc;
}

static int run(struct cli *c)
{
    const char  *url = c->narg ? c->arg[0] : "http://127.0.0.1/argo-edge/";
    struct place p;
    uint64_t     ms = 2000;
    ae_str       token = { NULL, 0 };
    long long    before = -1;
    int          rc = where(url, &p);

    if (!rc && c->interval && (!ae_parse_ms(ae_cs(c->interval), &ms)
                               || ms < 1000 || ms > 3600000))
        rc = cli_fail(EXIT_USAGE, "--interval is a time of at least 1s");
    if (!rc && c->token_file)
        rc = cli_read(c, c->token_file, &token);
    token = ae_trim(token);
    if (!rc && ae_find(token, '\n') < token.n)
        rc = cli_fail(EXIT_INPUT, "%s holds more than a token",
                      c->token_file);
    while (!rc) {
        rc = one_round(c, &p, token, (int)(ms / 1000), &before);
        if (c->once || c->json)
            break;
        sleep((unsigned)(ms / 1000));
    }
    return rc;
}

const struct command cmd_top = {
    .name = "top",
    .args = "[URL]",
    .brief = "watch what the edge does: refusals, live decisions",
    .help =
"Reads the status page (argo_edge_status) at URL every two seconds; without\n"
"URL at http://127.0.0.1/argo-edge/.  If the page is guarded by rbac, give a\n"
"token of an administrator with --token-file (\"-\": standard input).\n"
"Who is an address showed no token that could be read.  Ends with ctrl-c.\n\n"
"  argo-edge top\n"
"  argo-edge top http://127.0.0.1:8080/argo-edge/ --once\n",
    .options = "interval once token-file json",
    .min_arg = 0, .max_arg = 1, .run = run,
};
