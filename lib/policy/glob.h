/*
 * glob.h - private to glob*.c: the syntax tree, the matchers it compiles to,
 * and the bounds.  Names of matchers are those of docs/semantics.md G3.
 */
#ifndef AE_POLICY_GLOB_H
#define AE_POLICY_GLOB_H

#include "policy/policy.h"

enum {
    GLOB_MAX_BYTES = 65536, /* of a pattern */
    GLOB_MAX_NODES = 2048,  /* of a pattern that needs the tree (G4) */
    GLOB_MAX_BRACES = 48,   /* nesting */
    GLOB_MAX_DEPTH = 400,   /* of the matcher tree: bounds the C stack */
    GLOB_MAX_TEXT = 1 << 20,
    GLOB_STEPS = 20000,     /* of one match: one or two milliseconds */
    GLOB_SHORT_STEPS = 400000, /* the same for texts up to ... */
    GLOB_SHORT = 512        /* ... this, where a step costs less */
};

/* ---- syntax tree (G2) ---- */

enum ast_kind { AST_SEQ, AST_ALT, AST_TEXT, AST_STAR, AST_STARS, AST_ONE,
                AST_LIST, AST_RANGE, AST_NOTHING };

struct ast {
    enum ast_kind kind;
    bool          not;
    uint32_t      lo, hi;   /* AST_RANGE */
    ae_str        text;     /* AST_TEXT, AST_LIST: escapes resolved */
    struct ast   *parent, **kid;
    size_t        nkid, cap;
};

struct ast *glob_node(ae_arena *a, enum ast_kind kind);
bool        glob_add(ae_arena *a, struct ast *parent, struct ast *kid);
/* AE_OK, AE_E_SYNTAX, AE_E_TOOBIG, AE_E_NOMEM. |nodes|: how many there are. */
int         glob_parse(ae_arena *a, ae_str pattern, struct ast **out,
                       size_t *nodes);

/* ---- matchers (G3) ---- */

enum gm_kind { GM_TEXT, GM_STAR, GM_NOTHING, GM_ONE, GM_LIST, GM_RANGE,
               GM_ROW, GM_PREFIX, GM_SUFFIX, GM_PREFIX_SUFFIX, GM_CONTAINS,
               GM_NOT_CONTAINS, GM_MIN, GM_MAX, GM_EVERY, GM_ALT, GM_BT };

struct gm {
    enum gm_kind kind;
    bool         not;
    int32_t      len;       /* L: characters, -1 = not fixed */
    uint32_t     id;        /* from 1, names the matcher in the memo */
    uint32_t     depth;
    uint32_t     lo, hi;    /* GM_RANGE; lo: n of GM_MIN, GM_MAX */
    ae_str       text, suffix;
    struct gm  **kid;       /* GM_BT: value, left, right (may be NULL) */
    size_t       nkid;
    int32_t      left, right; /* GM_BT: L of the sides, 0 if absent */
};

int glob_tree(ae_arena *a, const struct ast *seq, struct gm **out);
int glob_tree_match(const struct gm *m, ae_str text);

/* Simplest matcher that equals the tree. */
enum glob_shape { SHAPE_TREE, SHAPE_LITERAL, SHAPE_ALL, SHAPE_PREFIX,
                  SHAPE_SUFFIX, SHAPE_CONTAINS, SHAPE_PREFIX_SUFFIX,
                  SHAPE_PIECES };

struct ae_glob {
    enum glob_shape shape;
    bool            open_left, open_right; /* pieces: starts, ends with * */
    ae_str          a, b;
    const ae_str   *piece;
    size_t          npiece;
    struct gm      *tree;
};

/* ae_glob_compile() without the shapes, for the self-test. */
int glob_compile_tree(ae_arena *a, ae_str pattern, ae_glob **out);

#endif
