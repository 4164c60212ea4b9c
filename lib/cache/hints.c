/*
 * hints.c - application -> project, learnt from answers that pass by.
 *
 * A hint may confirm a cached hit, never support a refusal (an application
 * can have moved).  Fixed memory: each name has two possible slots, and the
 * older of the two gives way.  Names are compared in full, so that a hash
 * collision can cost a hint but never hand out another one's project.
 */
#include "cache/cache.h"

#include <pthread.h>
#include <stdlib.h>

enum { TEXT = 496, WAYS = 2 };

struct hint {
    uint32_t stamp;               /* 0 = free */
    uint16_t ns, name, project;   /* lengths, in this order in text */
    char     text[TEXT];
};

struct ae_hints {
    pthread_mutex_t lock;         /* httpd's threads share one table */
    size_t          sets;
    uint32_t        clock;
    struct hint     slot[];
};

ae_hints *ae_hints_new(size_t slots)
{
    size_t    sets = slots / WAYS ? slots / WAYS : 1;
    ae_hints *h;

    if (sets > (SIZE_MAX / 2 / sizeof(struct hint)) / WAYS)
        return NULL;
    h = calloc(1, sizeof(*h) + sets * WAYS * sizeof(struct hint));
    if (!h)
        return NULL;
    if (pthread_mutex_init(&h->lock, NULL) != 0) {
        free(h);
        return NULL;
    }
    h->sets = sets;
    return h;
}

void ae_hints_free(ae_hints *h)
{
    if (!h)
        return;
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static struct hint *set_of(ae_hints *h, ae_str ns, ae_str name)
{
    uint64_t x = ae_hash64(name, ae_hash64(ns, ns.n));

    return &h->slot[x % h->sets * WAYS];
}

static bool is(const struct hint *t, ae_str ns, ae_str name)
{
    return t->stamp && ae_eq(ae_s(t->text, t->ns), ns)
        && ae_eq(ae_s(t->text + t->ns, t->name), name);
}

static char *copy(char *p, ae_str s)
{
    if (s.n)
        memcpy(p, s.p, s.n);
    return p + s.n;
}

void ae_hints_put(ae_hints *h, ae_str ns, ae_str name, ae_str project)
{
    struct hint *t, *set;
    char        *p;

    if (!h || name.n == 0 || ns.n > TEXT || name.n > TEXT
        || project.n > TEXT || ns.n + name.n + project.n > TEXT)
        return;
    pthread_mutex_lock(&h->lock);
    set = set_of(h, ns, name);
    t = is(&set[1], ns, name)
        || (!is(&set[0], ns, name) && set[1].stamp < set[0].stamp)
        ? &set[1] : &set[0];
    h->clock = h->clock == UINT32_MAX ? 1 : h->clock + 1;
    t->stamp = h->clock;
    t->ns = (uint16_t)ns.n;
    t->name = (uint16_t)name.n;
    t->project = (uint16_t)project.n;
    p = copy(copy(t->text, ns), name);
    copy(p, project);
    pthread_mutex_unlock(&h->lock);
}

ae_str ae_hints_get(ae_hints *h, ae_arena *a, ae_str ns, ae_str name)
{
    ae_str       out = { NULL, 0 };
    struct hint *set;

    if (!h || name.n == 0)
        return out;
    pthread_mutex_lock(&h->lock);
    set = set_of(h, ns, name);
    for (int i = 0; i < WAYS; i++)
        if (is(&set[i], ns, name)) {
            out = ae_dup(a, ae_s(set[i].text + set[i].ns + set[i].name,
                                 set[i].project));
            break;
        }
    pthread_mutex_unlock(&h->lock);
    return out;
}
