/*
 * twins.h - random policies in which alice and bob have equal rights, and
 * others that differ from one in a little.
 */
#ifndef AE_TEST_TWINS_H
#define AE_TEST_TWINS_H

#include "naive.h"

/* Bob's lines become those of alice, who stands for rights that two share. */
static const char *as_bob(const char *name)
{
    return strcmp(name, "alice") == 0 ? "bob" : name;
}

static size_t twin_lines(struct line *l, size_t n, size_t max)
{
    size_t k = 0, m;

    for (size_t i = 0; i < n; i++)
        if (strcmp(l[i].f[0], "bob") != 0)
            l[k++] = l[i];
    m = k;
    for (size_t i = 0; i < m && k < max; i++)
        if (strcmp(l[i].f[0], "alice") == 0) {
            l[k] = l[i];
            l[k].f[0] = "bob";
            if (l[k].key == 'g')
                l[k].f[1] = as_bob(l[k].f[1]);
            k++;
        }
    return k;
}

/* Texts anew after |w|'s lines were changed. */
static void rewrite(struct world *w)
{
    size_t at = 0;

    w->text[0] = 0;
    for (size_t i = 0; i < w->nbase; i++) {
        at += (size_t)write_line(w->text + at, sizeof(w->text) - at,
                                 &w->base[i]);
        w->text[at++] = '\n';
        w->text[at] = 0;
    }
    for (size_t i = 0; i < w->nprojects; i++) {
        for (size_t j = 0; j < w->nproj[i]; j++) {
            write_line(w->ptext[i][j], sizeof(w->ptext[i][j]),
                       &w->proj[i][j]);
            w->policies[i][j] = ae_cs(w->ptext[i][j]);
        }
        w->role[i].policies = w->policies[i];
        w->role[i].npolicies = w->nproj[i];
        w->project[i].roles = &w->role[i];
    }
}

__attribute__((unused))
static void make_twins(struct world *w)
{
    w->nbase = twin_lines(w->base, w->nbase, MAX_LINES);
    for (size_t i = 0; i < w->nprojects; i++)
        w->nproj[i] = twin_lines(w->proj[i], w->nproj[i], 8);
    rewrite(w);
}

/* Another policy by one line, by one field of a line, or by the default
 * role. */
__attribute__((unused))
static void change_one(struct world *w)
{
    uint32_t     what = roll(w, 8);
    struct line *l = w->nbase ? &w->base[roll(w, (uint32_t)w->nbase)] : NULL;

    if (what == 0)
        w->def = w->def[0] ? "" : "role:x";
    else if (what == 1 && w->nprojects)
        w->nproj[0] = w->nproj[0] ? w->nproj[0] - 1 : 0;
    else if (what == 2 && l)
        make_line(w, l);
    else if (l && l->key == 'g')
        l->f[1] = PICK(w, names);
    else if (l && what == 3)
        l->f[1] = PICK(w, resources);
    else if (l && what == 4)
        l->f[2] = PICK(w, actions);
    else if (l && what == 5)
        l->f[3] = any_pattern(w);
    else if (l)
        l->f[4] = strcmp(l->f[4], "allow") ? "allow" : "deny";
    rewrite(w);
}

#endif
