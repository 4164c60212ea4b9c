/*
 * class.c - all rights of a principal in 32 bytes.
 *
 * What decides is, set by set, which check()s are asked and which lines each
 * of them reaches (R1-R4, R8, T4-T6).  Their order does not: a check says yes
 * if some line allows and none denies or raises (R2), and one yes settles the
 * question (R3).  So a set is the set of its checks, a check the set of its
 * lines, and a line four texts without its subject.  Every text is hashed as
 * it is written and framed by its length: equal digests are equal rights, for
 * every resource, action and object; rights that are equal but written
 * otherwise may differ here, which costs a question more and no secret.
 */
#include "policy/internal.h"

#include <stdlib.h>

enum { DIGEST = 32,
       LINES_MAX = 16384 };     /* in all sets: some ms, once per principal */

struct line { uint32_t text[3]; uint8_t effect; };

struct class_build {
    ae_principal *pr;
    ae_arena      a;            /* scratch, of one set at a time */
    unsigned      less;
    uint32_t      lines;
};

static int cmp_line(const void *x, const void *y)
{
    const struct line *a = x, *b = y;

    for (int i = 0; i < 3; i++)
        if (a->text[i] != b->text[i])
            return a->text[i] < b->text[i] ? -1 : 1;
    return (int)a->effect - (int)b->effect;
}

static int cmp_digest(const void *x, const void *y)
{
    return memcmp(x, y, DIGEST);
}

static void put_line(struct class_build *b, ae_hasher *h,
                     const struct line *l)
{
    const ae_policy *p = b->pr->p;
    char             effect = (char)l->effect;

    for (unsigned i = 0; i < 3; i++) {
        const struct ae_pat *t = &p->pat[l->text[i]];

        if (!(b->less & ((unsigned)AE_CLASS_LESS_RESOURCE << i)))
            ae_hasher_field(h, ae_s(t->text, t->n));
    }
    if (!(b->less & AE_CLASS_LESS_EFFECT))
        ae_hasher_field(h, ae_s(&effect, 1));
}

/* The lines of a check, each once, by their patterns' numbers: equal texts
 * have equal numbers within one policy. */
static bool check_lines(struct class_build *b, const struct ae_ask *k,
                        struct line *l)
{
    const ae_policy *p = b->pr->p;

    for (uint32_t i = 0; i < k->nrow; i++) {
        const struct ae_row *r = &p->row[k->row[i]];

        memset(&l[i], 0, sizeof(l[i]));
        l[i].text[0] = r->res;
        l[i].text[1] = r->act;
        l[i].text[2] = r->obj;
        l[i].effect = r->effect;
        for (int j = 0; j < 3; j++)
            if (p->pat[l[i].text[j]].kind == AE_PAT_UNKNOWN)
                return false;   /* what we cannot evaluate, we do not share */
    }
    qsort(l, k->nrow, sizeof(*l), cmp_line);
    return true;
}

static bool check_digest(struct class_build *b, const struct ae_ask *k,
                         unsigned char out[DIGEST])
{
    struct line *l;
    ae_hasher    h;

    b->lines += k->nrow;
    if (b->lines > LINES_MAX)
        return false;
    l = ae_alloc(&b->a, ((size_t)k->nrow + 1) * sizeof(*l));
    if (!l || !check_lines(b, k, l))
        return false;
    ae_hasher_init(&h, AE_STR("check"));
    ae_hasher_field(&h, k->hole ? AE_STR("hole") : AE_STR(""));
    for (uint32_t i = 0; i < k->nrow; i++)
        if (!i || cmp_line(&l[i - 1], &l[i]))
            put_line(b, &h, &l[i]);
    ae_hasher_end(&h, out);
    return true;
}

static bool left_out(const struct class_build *b, const struct ae_ask *k)
{
    if (!k->nrow && !k->hole)
        return true;            /* it can say nothing */
    return (k->role == AE_ASK_USER && (b->less & AE_CLASS_LESS_USER))
        || (k->role == AE_ASK_GROUP && (b->less & AE_CLASS_LESS_GROUPS));
}

static bool tab_digest(struct class_build *b, const struct ae_tab *t,
                       unsigned char out[DIGEST])
{
    unsigned char *d = ae_alloc(&b->a, ((size_t)t->nask + 1) * DIGEST);
    ae_hasher      h;
    size_t         n = 0;

    if (!d)
        return false;
    for (uint32_t i = 0; i < t->nask; i++)
        if (!left_out(b, &t->ask[i])
            && !check_digest(b, &t->ask[i], d + DIGEST * n++))
            return false;
    qsort(d, n, DIGEST, cmp_digest);
    ae_hasher_init(&h, AE_STR("set"));
    for (size_t i = 0; i < n; i++)
        if (!i || cmp_digest(d + DIGEST * (i - 1), d + DIGEST * i))
            ae_hasher_put(&h, ae_s((char *)d + DIGEST * i, DIGEST));
    ae_hasher_end(&h, out);
    return true;
}

static bool set_digest(struct class_build *b, uint32_t set,
                       unsigned char out[DIGEST])
{
    ae_heap        heap = { 0 };
    struct ae_tab *t;
    bool           ok;

    ae_principal_trim(b->pr);   /* many projects, one after the other */
    t = ae_principal_tab(b->pr, set);
    if (!t)
        return false;
    ae_arena_init(&b->a, ae_heap_mem(&heap), NULL, 0);
    b->a.limit = b->pr->limit;
    ok = tab_digest(b, t, out);
    ae_heap_free(&heap);
    return ok;
}

static void put_digest(ae_hasher *h, const unsigned char d[DIGEST])
{
    ae_hasher_put(h, ae_s((const char *)d, DIGEST));
}

/* T4: its own project answers by its lines, every other one alike. */
static bool put_own(struct class_build *b, ae_hasher *h)
{
    const ae_principal *pr = b->pr;
    unsigned char       d[DIGEST];

    ae_hasher_field(h, pr->own);
    if (!set_digest(b, AE_SET_FOREIGN, d))
        return false;
    put_digest(h, d);
    if (pr->own_proj == AE_NO_ID)
        return true;
    if (!set_digest(b, AE_SET_PROJECT + pr->own_proj, d))
        return false;
    put_digest(h, d);
    return true;
}

/* The projects whose lines make a difference, with the difference. */
static bool put_projects(struct class_build *b, ae_hasher *h,
                         const unsigned char base[DIGEST])
{
    const ae_policy *p = b->pr->p;
    unsigned char    d[DIGEST];

    for (uint32_t i = 0; i < p->npset; i++) {
        uint32_t set = ae_principal_set(b->pr, i);

        if (set == AE_SET_BASE)
            continue;
        if (!set_digest(b, set, d))
            return false;
        if (memcmp(d, base, DIGEST) == 0)
            continue;
        ae_hasher_field(h, p->pset[i].name);
        put_digest(h, d);
    }
    return true;
}

bool ae_principal_class_less(ae_principal *pr, unsigned less,
                             unsigned char out[32])
{
    struct class_build b = { .pr = pr, .less = less };
    unsigned char      base[DIGEST];
    char               how[3] = { (char)pr->p->mode,
                                  (char)pr->subject.kind,
                                  pr->own.p != NULL };
    ae_hasher          h;
    bool               ok = true;

    memset(out, 0, 32);
    if (pr->p->partial)
        return false;           /* a project that we lack may say anything */
    if (!set_digest(&b, AE_SET_BASE, base))
        return false;
    ae_hasher_init(&h, AE_STR("rights 1"));
    ae_hasher_field(&h, ae_s(how, sizeof(how)));
    put_digest(&h, base);
    if (pr->subject.kind == AE_SUBJ_CLAIMS && !(less & AE_CLASS_LESS_PROJECTS))
        ok = pr->own.p ? put_own(&b, &h) : put_projects(&b, &h, base);
    if (ok)
        ae_hasher_end(&h, out);
    return ok;
}

bool ae_principal_class(ae_principal *pr, unsigned char out[32])
{
    return ae_principal_class_less(pr, 0, out);
}
