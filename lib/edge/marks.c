/*
 * marks.c - see marks.h.  Two that write the same bucket at once may lose a
 * mark or keep one too long; what is lost costs a forwarded request.
 */
#include "edge/marks.h"

enum { WAYS = 8 };

struct slot { _Atomic uint64_t tag; _Atomic int64_t until_ns; };

void ae_marks_open(struct ae_marks *m, const ae_zone *z,
                   enum ae_zone_kind kind)
{
    size_t n = 0;

    m->head = ae_zone_section(z, kind, sizeof *m->head
                              + WAYS * sizeof(struct slot), &n);
    m->buckets = m->head ? (n - sizeof *m->head)
                               / (WAYS * sizeof(struct slot)) : 0;
    m->seed = ae_zone_seed(z);
}

/* Asked of every request as soon as there is one mark: by the zone's secret,
 * but as quick as the other tables there.  Who finds a collision marks his own
 * token. */
static uint64_t tag_of(const struct ae_marks *m, ae_str id)
{
    return ae_hash64(id, m->seed[0] ^ m->seed[1]) | 1;
}

static struct slot *bucket(const struct ae_marks *m, uint64_t tag)
{
    return (struct slot *)(m->head + 1) + tag % m->buckets * WAYS;
}

void ae_marks_put(const struct ae_marks *m, ae_str id, int64_t until_ns)
{
    struct slot *b, *at;
    uint64_t tag;

    if (!id.n || !m->head)
        return;
    tag = tag_of(m, id);
    b = at = bucket(m, tag);
    for (size_t i = 0; i < WAYS; i++) {
        if (atomic_load(&b[i].tag) == tag) {
            at = &b[i];
            break;
        }
        if (atomic_load(&b[i].until_ns) < atomic_load(&at->until_ns))
            at = &b[i];
    }
    if (atomic_load(&at->tag) != tag)
        atomic_store(&at->until_ns, 0);
    atomic_store(&at->tag, tag);
    atomic_store(&at->until_ns, until_ns);
    atomic_fetch_add(&m->head->count, 1);
}

bool ae_marks_has(const struct ae_marks *m, ae_str id)
{
    const struct slot *b;
    uint64_t tag;

    if (!id.n || !ae_marks_any(m))
        return false;
    tag = tag_of(m, id);
    b = bucket(m, tag);
    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load_explicit(&b[i].tag, memory_order_relaxed) == tag
            && atomic_load_explicit(&b[i].until_ns, memory_order_relaxed)
                   > ae_zone_now())
            return true;
    return false;
}

void ae_marks_drop(const struct ae_marks *m, ae_str id, int64_t until_ns)
{
    struct slot *b;
    uint64_t tag;

    if (!id.n || !m->head)
        return;
    tag = tag_of(m, id);
    b = bucket(m, tag);
    for (size_t i = 0; i < WAYS; i++)
        if (atomic_load(&b[i].tag) == tag
            && atomic_load(&b[i].until_ns) < until_ns)
            atomic_store(&b[i].until_ns, 0);
}
