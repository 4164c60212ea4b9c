/*
 * index.c - the look-up side of a compiled policy: names to dense ids, and
 * for each subject its p-lines and outgoing g-lines.
 */
#include "policy/internal.h"

/* ---- names ---- */

int ae_names_init(struct ae_names *t, ae_arena *a, uint32_t cap)
{
    uint32_t slots = 8;

    memset(t, 0, sizeof(*t));
    if (cap > UINT32_MAX / 4)
        return AE_E_TOOBIG;
    while (slots < cap + cap / 2 + 1)
        slots *= 2;
    t->name = ae_alloc(a, (size_t)(cap ? cap : 1) * sizeof(*t->name));
    t->slot = ae_alloc(a, slots * sizeof(*t->slot));
    if (!t->name || !t->slot)
        return AE_E_NOMEM;
    t->mask = slots - 1;
    memset(t->slot, 0xff, slots * sizeof(*t->slot)); /* id AE_NO_ID */
    return 0;
}

static struct ae_slot *find_slot(const struct ae_names *t, ae_str s,
                                 uint32_t tag)
{
    for (uint32_t i = tag & t->mask;; i = (i + 1) & t->mask) {
        struct ae_slot *slot = &t->slot[i];

        if (slot->id == AE_NO_ID
            || (slot->tag == tag && ae_eq(t->name[slot->id], s)))
            return slot;
    }
}

uint32_t ae_names_find(const struct ae_names *t, ae_str s)
{
    return find_slot(t, s, (uint32_t)ae_hash64(s, 0))->id;
}

uint32_t ae_names_add(struct ae_names *t, ae_str s)
{
    uint32_t        tag = (uint32_t)ae_hash64(s, 0);
    struct ae_slot *slot = find_slot(t, s, tag);

    if (slot->id == AE_NO_ID) {
        slot->tag = tag;
        slot->id = t->n;
        t->name[t->n++] = s;
    }
    return slot->id;
}

int ae_names_pack(const struct ae_names *t, ae_arena *a, struct ae_names *out)
{
    int rc = ae_names_init(out, a, t->n);

    if (rc)
        return rc;
    if (t->n)
        memcpy(out->name, t->name, t->n * sizeof(*t->name));
    out->n = t->n;
    /* a slot's tag is its hash: no need to hash again */
    for (uint32_t i = 0; i <= t->mask; i++) {
        uint32_t at;

        if (t->slot[i].id == AE_NO_ID)
            continue;
        at = t->slot[i].tag & out->mask;
        while (out->slot[at].id != AE_NO_ID)
            at = (at + 1) & out->mask;
        out->slot[at] = t->slot[i];
    }
    return 0;
}

/* ---- lines by subject ---- */

/* A counting sort, which is stable: each list keeps the policy's order. */
static int build_csr(struct ae_csr *c, ae_arena *a, uint32_t nids,
                     const void *first, size_t stride, uint32_t n)
{
    c->at = ae_nalloc(a, (size_t)nids + 2, sizeof(*c->at));
    c->of = ae_alloc(a, ((size_t)n + 1) * sizeof(*c->of));
    if (!c->at || !c->of)
        return AE_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id;

        memcpy(&id, (const char *)first + i * stride, sizeof(id));
        c->at[id + 2]++;
    }
    for (uint32_t i = 1; i <= nids; i++)
        c->at[i + 1] += c->at[i];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id;

        memcpy(&id, (const char *)first + i * stride, sizeof(id));
        c->of[c->at[id + 1]++] = i;
    }
    return 0;
}

_Static_assert(offsetof(struct ae_row, subj) == 0, "build_csr reads it");
_Static_assert(offsetof(struct ae_edge, src) == 0, "build_csr reads it");

int ae_policy_index(ae_policy *p, ae_arena *a)
{
    int rc = build_csr(&p->rows_by_subj, a, p->subj.n, p->row,
                       sizeof(*p->row), p->nrow);

    if (!rc)
        rc = build_csr(&p->edges_by_src, a, p->subj.n, p->edge,
                       sizeof(*p->edge), p->nedge);
    return rc;
}

uint32_t ae_csr_from(const struct ae_csr *c, uint32_t id, uint32_t from)
{
    uint32_t lo = c->at[id], hi = c->at[id + 1];

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (c->of[mid] < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* ---- T2 ---- */

enum ae_scope ae_resource_scope(ae_str r)
{
    if (ae_eq_lit(r, "applications") || ae_eq_lit(r, "applicationsets")
        || ae_eq_lit(r, "repositories") || ae_eq_lit(r, "clusters")
        || ae_eq_lit(r, "logs") || ae_eq_lit(r, "exec"))
        return AE_SCOPE_SLASH;
    return ae_eq_lit(r, "projects") ? AE_SCOPE_WHOLE : AE_SCOPE_NONE;
}

ae_str ae_object_project(enum ae_scope scope, ae_str object)
{
    const char *slash;

    if (scope == AE_SCOPE_WHOLE)
        return ae_s(object.p ? object.p : "", object.n);
    if (scope == AE_SCOPE_NONE || object.n == 0)
        return ae_s(NULL, 0);
    slash = memchr(object.p, '/', object.n);
    return slash ? ae_s(object.p, (size_t)(slash - object.p))
                 : ae_s(NULL, 0);
}

bool ae_project_name_possible(ae_str s)
{
    bool edge = true; /* at the start of a label */

    if (s.n == 0 || s.n > 253)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!alnum && (edge || (c != '-' && c != '.')))
            return false;
        if (c == '.' && s.p[i - 1] == '-')
            return false;
        edge = c == '.';
    }
    return !edge && s.p[s.n - 1] != '-';
}
