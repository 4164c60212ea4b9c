/*
 * scan.h - private to lib/mirror: a cursor over JSON text that finds members
 * and steps over values without making anything of them.
 */
#ifndef AE_MIRROR_SCAN_H
#define AE_MIRROR_SCAN_H

#include "base/base.h"

/* Everything between |p| and |end| is still to be read.  |bad|: the text is
 * damaged; from then on every call says "nothing". */
struct ae_cur { const char *p, *end; bool bad; };

static inline struct ae_cur ae_cur(ae_str s)
{
    struct ae_cur c = { s.p, s.p + s.n, s.p == NULL };

    return c;
}

static inline bool ae_cur_damaged(struct ae_cur *c)
{
    c->bad = true;
    return false;
}

static inline void ae_cur_blanks(struct ae_cur *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t'
                             || *c->p == '\r'))
        c->p++;
}

/* The next byte that is no blank; '\0' at the end. */
static inline char ae_cur_peek(struct ae_cur *c)
{
    if (c->p < c->end && (unsigned char)*c->p > ' ')
        return *c->p;
    ae_cur_blanks(c);
    return c->p < c->end ? *c->p : '\0';
}

/* Take |ch|; anything else is damage. */
static inline bool ae_cur_eat(struct ae_cur *c, char ch)
{
    if (ae_cur_peek(c) != ch || c->p >= c->end)
        return ae_cur_damaged(c);
    c->p++;
    return true;
}

/* A string literal: *out gets what stands between the quotes, as written. */
bool ae_cur_string(struct ae_cur *c, ae_str *out);
/* Any value: *out gets its bytes. */
bool ae_cur_value(struct ae_cur *c, ae_str *out);

/* Members of the object at the cursor:
 *     for (bool first = true; ae_cur_member(c, &first, &key);)
 *         ... take the value ...
 * Steps over the braces itself.  False at the end, or at damage (c->bad). */
bool ae_cur_member(struct ae_cur *c, bool *first, ae_str *key);
/* The same for the elements of an array. */
bool ae_cur_element(struct ae_cur *c, bool *first);

/* A string literal without its quotes, decoded; borrowed if it holds no
 * escapes, else copied to |a|.  {NULL,0} without memory or if it is damaged.
 * Lone surrogates become U+FFFD, as Go reads them. */
ae_str ae_text_decode(ae_arena *a, ae_str raw);
/* Bytes of the decoded text are written to |out|, which holds |raw.n|.
 * Returns their number, SIZE_MAX if it is damaged. */
size_t ae_text_unescape(ae_str raw, char *out);

#endif
