/*
 * replay_parity.c - one request, several servers: status, body, and every
 * header that is ours or the upstream's must be the same, byte for byte.
 */
#include "replay.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIELDS_MAX = 64 };

/* What a server writes by itself and as it likes, and what differs in every
 * answer (the number of a decision). */
static bool is_theirs(ae_str name)
{
    static const char *const names[] = {
        "date", "server", "connection", "keep-alive", "transfer-encoding",
        "content-length", "accept-ranges", "upgrade", "x-replay-policy",
        "argo-edge-decision", "trailer",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (ae_ieq(name, ae_cs(names[i])))
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "name: value" with the name in small letters and no blank after a comma:
 * httpd writes Vary in its own way. */
static char *field_line(ae_str name, ae_str value)
{
    char  *p = calloc(1, name.n + value.n + 3);
    size_t n = 0;

    if (!p)
        return NULL;
    for (size_t i = 0; i < name.n; i++)
        p[n++] = (char)tolower((unsigned char)name.p[i]);
    p[n++] = ':';
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != ' ' || i == 0 || value.p[i - 1] != ',')
            p[n++] = value.p[i];
    return p;
}

/* The fields of |m| that must agree, sorted, one a line. */
static char *fields(const struct msg *m)
{
    ae_str line, rest = ae_cs(m->head);
    char  *f[FIELDS_MAX], *out;
    size_t n = 0, len = 1;

    while (rest.p && n < FIELDS_MAX) {
        ae_str value;

        rest = ae_cut(rest, '\n', &line);
        value = ae_cut(line, ':', &line);
        if (!value.p || is_theirs(line))
            continue;
        f[n] = field_line(line, ae_trim(value));
        if (f[n])
            len += strlen(f[n++]) + 1;
    }
    qsort(f, n, sizeof(f[0]), by_text);
    out = calloc(1, len);
    len = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = strlen(f[i]);

        if (out) {
            memcpy(out + len, f[i], k);
            out[len + k] = '\n';
            len += k + 1;
        }
        free(f[i]);
    }
    return out;
}

static const char *differ(const struct xchg *x, const struct outcome *a,
                          const struct outcome *b, char *fa, char *fb)
{
    if ((a->reached > 0) != (b->reached > 0))
        return "whether it goes upstream";
    if (a->m.status != b->m.status)
        return "the status";
    /* the core leaves it to a server to keep a body back */
    if (!x->head && (a->m.nbody != b->m.nbody
                     || memcmp(a->m.body, b->m.body, a->m.nbody) != 0))
        return "the body";
    if (fa && fb && strcmp(fa, fb) != 0)
        return "the header";
    return NULL;
}

/* A server may refuse what it cannot read before it asks us: then nothing
 * goes upstream.  "OPTIONS *" is about a server itself (RFC 9110, 9.3.7). */
static bool refused(const struct xchg *x, const struct outcome *o)
{
    return o->reached == 0
        && (o->m.status == 0 || o->m.status >= 400
            || strcmp(x->method, "OPTIONS") == 0);
}

bool parity_same(const struct xchg *x, struct outcome *o, size_t n, char *why,
                 size_t max)
{
    const struct outcome *first = NULL;
    const char           *what = NULL;
    char                 *f0 = NULL;

    for (size_t i = 0; i < n && !what; i++) {
        char *f;

        o[i].host = strcmp(o[i].s->kind, "core") != 0 && !o[i].m.policy_id[0];
        if (o[i].host) {
            what = refused(x, &o[i]) ? NULL : "a refusal of its own";
            if (what)
                snprintf(why, max, "%s: %s is none (%d)", o[i].s->kind, what,
                         o[i].m.status);
            continue;
        }
        f = o[i].m.head ? fields(&o[i].m) : NULL;
        if (!first) {
            first = &o[i];
            f0 = f;
            continue;
        }
        if ((what = differ(x, first, &o[i], f0, f)))
            snprintf(why, max, "%s and %s differ in %s: %d %.60s and %d "
                     "%.60s\n%s--\n%s", first->s->kind, o[i].s->kind, what,
                     first->m.status, first->m.body, o[i].m.status,
                     o[i].m.body, f0 ? f0 : "", f ? f : "");
        free(f);
    }
    free(f0);
    return !what;
}
