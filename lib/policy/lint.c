/*
 * lint.c - classic mistakes of a policy: the walk over its lines, places, and
 * the checks that need only one line twice.  What a single line says is in
 * lint_line.c, who reaches what in lint_graph.c.
 */
#include "policy/lint.h"

#include <stdarg.h>
#include <stdio.h>

static ae_str format(struct lint *t, const char *fmt, va_list ap)
{
    va_list again;
    char   *p;
    int     n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    p = n < 0 ? NULL : ae_alloc(&t->a, (size_t)n + 1);
    if (p)
        vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p ? ae_s(p, (size_t)n) : AE_STR("out of memory");
}

/* Byte column of a field in the line as written (C2: a quoted field may hold
 * commas, "" is a quote in it). */
static uint32_t column_of(const struct lint_line *l, int field)
{
    bool   quoted = false, start = true;
    size_t i = 0;

    for (int at = 0; i < l->raw.n; i++) {
        char c = l->raw.p[i];

        if (start && (c == ' ' || c == '\t'))
            continue;
        if (start && at >= field)
            break;
        if (c == '"' && (start || quoted))
            quoted = !quoted;
        start = c == ',' && !quoted;
        at += start;
    }
    return l->indent + (uint32_t)i + 1;
}

void ae_lint_at(struct lint *t, const struct lint_line *l, int field,
                enum ae_lint_level level, const char *id, const char *fmt,
                ...)
{
    struct ae_lint out = { .level = level, .id = id, .file = l->file,
                           .line = l->line, .column = l->indent + 1 };
    va_list        ap;

    if (field > 0)
        out.column = column_of(l, field);
    va_start(ap, fmt);
    out.text = format(t, fmt, ap);
    va_end(ap);
    t->fn(t->ctx, &out);
}

void ae_lint_whole(struct lint *t, ae_str file, enum ae_lint_level level,
                   const char *id, const char *fmt, ...)
{
    struct ae_lint out = { .level = level, .id = id, .file = file };
    va_list        ap;

    va_start(ap, fmt);
    out.text = format(t, fmt, ap);
    va_end(ap);
    t->fn(t->ctx, &out);
}

/* ---- bad lines ---- */

static void bad_line(struct lint *t, const struct lint_line *l,
                     const struct ae_err *e)
{
    struct ae_lint out = { AE_LINT_ERROR, "syntax", l->file, l->line,
                           e->column, { NULL, 0 } };
    const char    *hint = "";
    ae_str         s = l->raw;

    if (s.n >= 3 && memcmp(s.p, "\xEF\xBB\xBF", 3) == 0)
        hint = " (the text begins with a byte order mark: remove it)";
    else if (ae_find(s, '{') != s.n && ae_find(s, '"') == s.n)
        hint = " (a field with a comma must be quoted: \"{a,b}\")";
    else if (ae_starts(s, AE_STR("P,")) || ae_starts(s, AE_STR("G,")))
        hint = " (keys are lower case: p, g)";
    out.text = ae_fmt(&t->a, "%s%s; one bad line and Argo CD refuses the "
                      "whole policy: fix or remove it", e->text, hint);
    t->fn(t->ctx, &out);
}

/* ---- duplicates ---- */

struct seen { uint64_t hash; const struct ae_text *part; uint32_t line; };

struct dups { struct seen *slot; size_t mask; };

static uint64_t line_hash(const struct ae_csv_line *c)
{
    uint64_t h = (uint64_t)c->key;

    for (size_t i = 1; i < c->nfield; i++)
        h = ae_hash64(c->field[i], h + i * 0x9E3779B97F4A7C15u
                                     + c->field[i].n);
    return h ? h : 1;
}

static void check_duplicate(struct lint *t, struct dups *d,
                            const struct lint_line *l,
                            const struct ae_text *part)
{
    uint64_t h = line_hash(&l->csv);

    if (!d->slot)
        return;
    for (size_t i = h & d->mask;; i = (i + 1) & d->mask) {
        struct seen *s = &d->slot[i];

        if (s->hash == h) {
            ae_lint_at(t, l, 0, AE_LINT_INFO, "duplicate-line",
                       "the same as line %u of %.*s; it changes nothing: "
                       "remove one", s->line,
                       AE_PS(s->part->file.n ? s->part->file
                                             : s->part->key));
            return;
        }
        if (s->hash == 0) {
            s->hash = h;
            s->part = part;
            s->line = l->line;
            return;
        }
    }
}

static void dups_init(struct dups *d, const struct ae_rbac_in *r, ae_arena *a)
{
    size_t n = 16, slots = 16;

    for (size_t i = 0; i < r->nparts; i++)
        for (size_t j = 0; j < r->parts[i].text.n; j++)
            n += r->parts[i].text.p[j] == '\n';
    n += r->nparts;
    while (slots < n * 2)
        slots *= 2;
    d->slot = ae_nalloc(a, slots, sizeof(*d->slot));
    d->mask = slots - 1;
}

/* ---- the walk ---- */

static void locate(struct lint_line *l, const struct ae_text *part,
                   const char *from, const char *to, uint32_t line)
{
    ae_str whole = ae_last_line(from, to);

    l->raw = ae_trim_space(whole);
    l->indent = l->raw.p ? (uint32_t)(l->raw.p - whole.p) : 0;
    l->line = (part->line ? part->line : 1) + line - 1;
}

static void lint_part(struct lint *t, struct dups *d,
                      const struct ae_text *part)
{
    ae_str           rest = part->text;
    uint32_t         line = 0;
    struct lint_line l = { .file = part->file.n ? part->file : part->key };
    ae_heap          heap = { 0 };
    int              rc = 1;

    while (rest.n && rc != AE_E_NOMEM) {
        const char   *from = rest.p;
        struct ae_err e = { 0 };

        /* texts of one line live as long as the line */
        ae_arena_init(&t->a, ae_heap_mem(&heap), NULL, 0);
        rc = ae_csv_next(&t->a, &rest, &line, &l.csv, &e);
        if (rc == 0)
            break;
        locate(&l, part, from, rest.p ? rest.p
                                      : part->text.p + part->text.n, line);
        if (rc < 0)
            bad_line(t, &l, &e);
        if (rc > 0 && l.csv.key != 'p' && l.csv.key != 'g')
            ae_lint_at(t, &l, 0, AE_LINT_INFO, "ignored-key",
                       "Argo CD accepts a line with key %c and ignores it: "
                       "remove it", l.csv.key);
        else if (rc > 0)
            check_duplicate(t, d, &l, part);
        if (rc > 0 && l.csv.key == 'p') {
            ae_lint_p_fields(t, &l);
            ae_lint_p_subject(t, &l);
        } else if (rc > 0 && l.csv.key == 'g') {
            ae_lint_g_line(t, &l);
        }
        ae_heap_free(&heap);
    }
    ae_heap_free(&heap);
}

void ae_policy_lint(const struct ae_policy_in *in,
                    void (*fn)(void *ctx, const struct ae_lint *l), void *ctx)
{
    static const struct ae_rbac_in none;
    struct ae_policy_in whole = *in;
    struct lint         t = { .in = &whole, .fn = fn, .ctx = ctx };
    struct dups         d = { 0 };
    ae_policy          *p = NULL;
    ae_heap             keep = { 0 };
    ae_arena            a;

    if (!whole.rbac)
        whole.rbac = &none;
    ae_arena_init(&a, ae_heap_mem(&keep), NULL, 0);
    ae_policy_new(&whole, &p, NULL); /* bad lines are told one by one */
    t.p = p;
    if (p && (ae_reach_init(&t.reach, p, &a) || !ae_lint_prepare(&t, &a)))
        t.p = NULL;
    t.regex = whole.rbac->mode == AE_MATCH_REGEX;
    dups_init(&d, whole.rbac, &a);
    for (size_t i = 0; i < whole.rbac->nparts; i++)
        lint_part(&t, &d, &whole.rbac->parts[i]);
    ae_arena_init(&t.a, ae_heap_mem(&t.heap), NULL, 0);
    ae_lint_settings(&t);
    ae_lint_projects(&t);
    ae_heap_free(&t.heap);
    ae_heap_free(&keep);
    ae_policy_free(p);
}
