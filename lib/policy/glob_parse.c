/*
 * glob_parse.c - glob text to syntax tree (G1, G2).  Never recursive: braces
 * are followed through parent pointers.
 */
#include "policy/glob.h"

struct lexer {
    ae_arena   *a;
    ae_str      s;
    size_t      at;
    size_t      nodes, braces;
    struct ast *seq;   /* where the next item goes */
};

enum { END = 0 };      /* G1: a NUL reads like the end of the pattern */

struct ast *glob_node(ae_arena *a, enum ast_kind kind)
{
    struct ast *n = ae_zalloc(a, sizeof(*n));

    if (n != NULL)
        n->kind = kind;
    return n;
}

bool glob_add(ae_arena *a, struct ast *parent, struct ast *kid)
{
    if (kid == NULL)
        return false;
    if (parent->nkid == parent->cap) {
        size_t cap = parent->cap > 0 ? 2 * parent->cap : 4;
        struct ast **v = ae_nalloc(a, cap, sizeof(*v));

        if (v == NULL)
            return false;
        if (parent->nkid > 0)
            memcpy(v, parent->kid, parent->nkid * sizeof(*v));
        parent->kid = v;
        parent->cap = cap;
    }
    kid->parent = parent;
    parent->kid[parent->nkid++] = kid;
    return true;
}

/* The character at l->at, 0 at the end; its width in |w|.  U+FFFD, written
 * or from a bad byte, is not read at all (G1). */
static int peek(const struct lexer *l, uint32_t *cp, size_t *w)
{
    *cp = END;
    *w = 0;
    if (l->at == l->s.n)
        return AE_OK;
    *w = ae_utf8_next(l->s.p + l->at, l->s.n - l->at, cp);
    return *cp == 0xFFFD ? AE_E_SYNTAX : AE_OK;
}

static int add(struct lexer *l, struct ast *parent, enum ast_kind kind,
               struct ast **out)
{
    struct ast *n = glob_node(l->a, kind);

    if (!glob_add(l->a, parent, n))
        return AE_E_NOMEM;
    l->nodes++;
    *out = n;
    return AE_OK;
}

static bool is_break(uint32_t cp, const char *breakers)
{
    return cp < 0x80 && strchr(breakers, (int)cp) != NULL;
}

/* Text up to an unescaped breaker (left unread) or the end (a NUL is eaten),
 * escapes resolved; present but empty if there is none. */
static int read_text(struct lexer *l, const char *breakers, ae_str *out)
{
    char *buf = ae_alloc(l->a, l->s.n - l->at + 1);
    bool escaped = false;
    size_t n = 0;

    if (buf == NULL)
        return AE_E_NOMEM;
    for (;;) {
        uint32_t cp;
        size_t w;

        if (peek(l, &cp, &w) != AE_OK)
            return AE_E_SYNTAX;
        if (cp == END) {
            l->at += w;
            break;
        }
        if (!escaped && cp == '\\') {
            escaped = true;
            l->at += w;
            continue;
        }
        if (!escaped && is_break(cp, breakers))
            break;
        escaped = false;
        memcpy(buf + n, l->s.p + l->at, w);
        n += w;
        l->at += w;
    }
    *out = ae_s(buf, n);
    return AE_OK;
}

static int read_cp(struct lexer *l, uint32_t *cp)
{
    size_t w;
    int rc = peek(l, cp, &w);

    l->at += w;
    return rc;
}

/* LO-HI]: l->at is behind the '-'. */
static int parse_range(struct lexer *l, bool not, uint32_t lo)
{
    uint32_t hi, close;
    struct ast *n;
    int rc;

    if (read_cp(l, &hi) != AE_OK || hi == END || hi < lo
        || read_cp(l, &close) != AE_OK || close != ']')
        return AE_E_SYNTAX;
    rc = add(l, l->seq, AST_RANGE, &n);
    if (rc != AE_OK)
        return rc;
    n->not = not;
    n->lo = lo;
    n->hi = hi;
    return AE_OK;
}

/* G2: either one range or a list; l->at is behind the '['. */
static int parse_class(struct lexer *l)
{
    uint32_t c, next;
    bool not = false;
    struct ast *n;
    ae_str chars;
    size_t w;
    int rc;

    if (peek(l, &c, &w) != AE_OK)
        return AE_E_SYNTAX;
    if (c == '!') {
        not = true;
        l->at += w;
        if (peek(l, &c, &w) != AE_OK)
            return AE_E_SYNTAX;
    }
    if (c == END)
        return AE_E_SYNTAX;
    l->at += w;
    if (peek(l, &next, &w) != AE_OK)
        return AE_E_SYNTAX;
    if (next == '-') {
        l->at += w;
        return parse_range(l, not, c);
    }
    while ((l->s.p[--l->at] & 0xC0) == 0x80)
        ; /* back over c */
    rc = read_text(l, "]", &chars);
    if (rc != AE_OK)
        return rc;
    if (read_cp(l, &c) != AE_OK || c != ']' || chars.n == 0)
        return AE_E_SYNTAX;
    rc = add(l, l->seq, AST_LIST, &n);
    if (rc != AE_OK)
        return rc;
    n->not = not;
    n->text = chars;
    return AE_OK;
}

static int open_brace(struct lexer *l)
{
    struct ast *alt;
    int rc;

    if (l->braces == GLOB_MAX_BRACES)
        return AE_E_TOOBIG;
    l->braces++;
    rc = add(l, l->seq, AST_ALT, &alt);
    return rc != AE_OK ? rc : add(l, alt, AST_SEQ, &l->seq);
}

static int parse_text(struct lexer *l)
{
    struct ast *n;
    ae_str text;
    int rc = read_text(l, l->braces > 0 ? "*?[{}," : "*?[{", &text);

    if (rc != AE_OK || text.n == 0)
        return rc;
    rc = add(l, l->seq, AST_TEXT, &n);
    if (rc == AE_OK)
        n->text = text;
    return rc;
}

/* One item; *done at the end of the pattern. */
static int parse_item(struct lexer *l, bool *done)
{
    struct ast *n;
    uint32_t c, next;
    size_t w;

    if (peek(l, &c, &w) != AE_OK)
        return AE_E_SYNTAX;
    if (c == END) {
        *done = true;
        return AE_OK;
    }
    if (!is_break(c, l->braces > 0 ? "*?[{}," : "*?[{"))
        return parse_text(l);
    l->at += w;
    switch (c) {
    case '{':
        return open_brace(l);
    case '}':
        l->braces--;
        l->seq = l->seq->parent->parent;
        return AE_OK;
    case ',':
        return add(l, l->seq->parent, AST_SEQ, &l->seq);
    case '[':
        return parse_class(l);
    case '?':
        return add(l, l->seq, AST_ONE, &n);
    default:
        if (peek(l, &next, &w) != AE_OK)
            return AE_E_SYNTAX;
        if (next == '*')
            l->at += w;
        return add(l, l->seq, next == '*' ? AST_STARS : AST_STAR, &n);
    }
}

int glob_parse(ae_arena *a, ae_str pattern, struct ast **out, size_t *nodes)
{
    struct lexer l = { .a = a, .s = pattern };
    bool done = false;
    int rc = AE_OK;

    *out = l.seq = glob_node(a, AST_SEQ);
    if (l.seq == NULL)
        return AE_E_NOMEM;
    if (pattern.n > GLOB_MAX_BYTES)
        return AE_E_TOOBIG;
    while (rc == AE_OK && !done)
        rc = parse_item(&l, &done);
    *nodes = l.nodes;
    return rc;
}
