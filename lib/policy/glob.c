/*
 * glob.c - globs as Argo CD's policies have them (M4, G1-G8): gobwas/glob
 * without separators.
 *
 * A pattern of nothing but text and stars, the usual kind, is matched
 * directly: there the compiled tree (glob_compile.c) means what one expects,
 * save the overlap of G6 (a).  tests/unit/policy/glob.c holds both against
 * each other.
 */
#include "policy/glob.h"

/* Only text and stars, no text beside text (the tree glues those to a Row,
 * which counts bytes differently: G6 (d))? */
static bool flat(const struct ast *seq, size_t *texts)
{
    size_t i;

    *texts = 0;
    for (i = 0; i < seq->nkid; i++) {
        if (seq->kid[i]->kind == AST_TEXT) {
            if (i > 0 && seq->kid[i - 1]->kind == AST_TEXT)
                return false;
            *texts += 1;
        } else if (seq->kid[i]->kind != AST_STAR
                   && seq->kid[i]->kind != AST_STARS) {
            return false;
        }
    }
    return true;
}

static int shape_pieces(ae_arena *a, const struct ast *seq, size_t texts,
                        struct ae_glob *g)
{
    ae_str *v = ae_nalloc(a, texts, sizeof(*v));
    size_t i;

    if (v == NULL)
        return AE_E_NOMEM;
    for (i = 0; i < seq->nkid; i++)
        if (seq->kid[i]->kind == AST_TEXT)
            v[g->npiece++] = seq->kid[i]->text;
    g->piece = v;
    g->shape = SHAPE_PIECES;
    return AE_OK;
}

static int set_shape(ae_arena *a, const struct ast *seq, size_t texts,
                     struct ae_glob *g)
{
    bool left, right;
    size_t i;

    if (seq->nkid == 0) {
        g->shape = SHAPE_LITERAL;
        g->a = AE_STR("");
        return AE_OK;
    }
    left = seq->kid[0]->kind != AST_TEXT;
    right = seq->kid[seq->nkid - 1]->kind != AST_TEXT;
    g->open_left = left;
    g->open_right = right;
    if (texts == 0) {
        g->shape = SHAPE_ALL;
    } else if (texts == 1) {
        for (i = 0; seq->kid[i]->kind != AST_TEXT; i++)
            ;
        g->a = seq->kid[i]->text;
        g->shape = left ? (right ? SHAPE_CONTAINS : SHAPE_SUFFIX)
                        : (right ? SHAPE_PREFIX : SHAPE_LITERAL);
    } else if (texts == 2 && !left && !right) {
        g->a = seq->kid[0]->text;
        g->b = seq->kid[seq->nkid - 1]->text;
        g->shape = SHAPE_PREFIX_SUFFIX;
    } else {
        return shape_pieces(a, seq, texts, g);
    }
    return AE_OK;
}

static int compile(ae_arena *a, ae_str pattern, bool tree, ae_glob **out)
{
    struct ae_glob *g = ae_zalloc(a, sizeof(*g));
    struct ast *seq;
    size_t nodes, texts;
    int rc;

    *out = NULL;
    if (g == NULL)
        return AE_E_NOMEM;
    rc = glob_parse(a, pattern, &seq, &nodes);
    if (rc != AE_OK)
        return rc;
    if (!tree && flat(seq, &texts))
        rc = set_shape(a, seq, texts, g);
    else if (nodes > GLOB_MAX_NODES)
        rc = AE_E_TOOBIG;
    else
        rc = glob_tree(a, seq, &g->tree);
    if (rc == AE_OK)
        *out = g;
    return rc;
}

int ae_glob_compile(ae_arena *a, ae_str pattern, ae_glob **out)
{
    return compile(a, pattern, false, out);
}

int glob_compile_tree(ae_arena *a, ae_str pattern, ae_glob **out)
{
    return compile(a, pattern, true, out);
}

/* Two or more stars: the pieces in order, without overlap, each as early as
 * it can be; never steps back, so linear (D01). */
static bool match_pieces(const struct ae_glob *g, ae_str s)
{
    size_t i = 0, n = g->npiece;

    if (!g->open_left) {
        if (!ae_starts(s, g->piece[0]))
            return false;
        s = ae_s(s.p + g->piece[0].n, s.n - g->piece[0].n);
        i = 1;
    }
    if (!g->open_right) {
        n--;
        if (!ae_ends(s, g->piece[n]))
            return false;
        s.n -= g->piece[n].n;
    }
    for (; i < n; i++) {
        size_t at = ae_find_str(s, g->piece[i]);

        if (at == SIZE_MAX)
            return false;
        at += g->piece[i].n;
        s = ae_s(s.p + at, s.n - at);
    }
    return true;
}

int ae_glob_match(const ae_glob *g, ae_str text)
{
    switch (g->shape) {
    case SHAPE_LITERAL:
        return ae_eq(text, g->a);
    case SHAPE_ALL:
        return 1;
    case SHAPE_PREFIX:
        return ae_starts(text, g->a);
    case SHAPE_SUFFIX:
        return ae_ends(text, g->a);
    case SHAPE_CONTAINS:
        if (g->a.n == 1)
            return ae_find(text, g->a.p[0]) < text.n;
        return ae_find_str(text, g->a) != SIZE_MAX;
    case SHAPE_PREFIX_SUFFIX: /* may overlap: G6 (a) */
        return ae_starts(text, g->a) && ae_ends(text, g->b);
    case SHAPE_PIECES:
        return match_pieces(g, text);
    default:
        return glob_tree_match(g->tree, text);
    }
}

bool ae_glob_is_all(const ae_glob *g)
{
    return g->shape == SHAPE_ALL;
}

bool ae_glob_literal(const ae_glob *g, ae_str *lit)
{
    if (g->shape != SHAPE_LITERAL)
        return false;
    *lit = g->a;
    return true;
}
