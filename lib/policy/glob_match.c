/*
 * glob_match.c - running the matchers (G5-G8).
 *
 * index() of G6 gives a start and a list of possible ends.  The list is never
 * made: it is described by struct ends and walked from the greatest down with
 * prev_end().  A memo of failed and successful BT spans keeps nested stars
 * polynomial; what is still too much runs out of steps.
 */
#include "policy/glob.h"

#define NONE SIZE_MAX

enum { MEMO_SLOTS = 1024, MEMO_AFTER = 512 /* steps */ };

struct memo { uint32_t id, from, to; bool yes; };

struct run {
    const char *s;
    size_t      steps, max_steps;
    int         err;      /* AE_E_PATTERN (G8) or AE_E_BUDGET: it is over */
    bool        memo_on;
    struct memo memo[MEMO_SLOTS];
};

struct span { size_t a, b; }; /* text[a..b) */

enum ends_kind { ENDS_ONE, ENDS_STARTS, ENDS_RUNES, ENDS_SUFFIX, ENDS_ALT,
                 ENDS_EVERY };

/* The possible ends of one hit, as absolute offsets. */
struct ends {
    enum ends_kind   kind;
    size_t           start;
    size_t           one;     /* ENDS_ONE; ENDS_RUNES: also this one */
    struct span      in;      /* text that is read character by character */
    size_t           lo, hi;  /* ENDS_RUNES: characters starting in [lo,hi] */
    size_t           next;    /* ENDS_SUFFIX: where the walk stands */
    const struct gm *m;
    struct span      asked;   /* ENDS_ALT, ENDS_EVERY: index() of this */
};

/* All of these say "no" once r->err is set. */
static bool match(struct run *r, const struct gm *m, struct span t);
static bool find(struct run *r, const struct gm *m, struct span t,
                 struct ends *e);

static void spend(struct run *r, size_t bytes)
{
    r->steps += 1 + bytes / 32;
    if (r->steps > r->max_steps && r->err == 0)
        r->err = AE_E_BUDGET;
}

static bool broke(const struct run *r)
{
    return r->err != 0;
}

/* ---- characters ---- */

static size_t next(const struct run *r, struct span t, uint32_t *cp)
{
    return ae_utf8_next(r->s + t.a, t.b - t.a, cp);
}

/* Go's utf8.RuneLen of what it decoded: 3 for a bad byte, though only one
 * was read.  The library under Argo CD counts ends with it. */
static size_t rune_len(uint32_t cp)
{
    return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
}

/* Is |i| in [t.a, t.b) where decoding t from its start begins a character?
 * UTF-8 synchronises itself, so only the three bytes before matter. */
static bool starts_char(const struct run *r, struct span t, size_t i)
{
    size_t p = i;

    if (i < t.a || i >= t.b)
        return false;
    while (p > t.a && i - p < 3 && (r->s[p] & 0xC0) == 0x80) {
        uint32_t cp;

        p--;
        if ((r->s[p] & 0xC0) != 0x80)
            return next(r, (struct span){ p, t.b }, &cp) <= i - p;
    }
    return true;
}

/* Offset behind |k| characters, or t.b; *got how many there were. */
static size_t skip_chars(struct run *r, struct span t, size_t k, size_t *got)
{
    uint32_t cp;

    for (*got = 0; *got < k && t.a < t.b; *got += 1)
        t.a += next(r, t, &cp);
    spend(r, 8 * *got);
    return t.a;
}

static bool in_list(ae_str list, uint32_t cp)
{
    size_t i = 0;

    while (i < list.n) {
        uint32_t c;

        i += ae_utf8_next(list.p + i, list.n - i, &c);
        if (c == cp)
            return true;
    }
    return false;
}

static bool fits(struct run *r, const struct gm *m, uint32_t cp)
{
    if (m->kind == GM_ONE)
        return true;
    if (m->kind == GM_RANGE)
        return (cp >= m->lo && cp <= m->hi) != m->not;
    spend(r, m->text.n);
    return in_list(m->text, cp) != m->not;
}

/* ---- substrings ---- */

static ae_str text_of(const struct run *r, struct span t)
{
    return ae_s(r->s + t.a, t.b - t.a);
}

static size_t find_text(struct run *r, struct span t, ae_str what)
{
    size_t i = ae_find_str(text_of(r, t), what);

    spend(r, i == SIZE_MAX ? t.b - t.a : i);
    return i == SIZE_MAX ? NONE : t.a + i;
}

static size_t find_last(struct run *r, struct span t, ae_str what)
{
    size_t i;

    if (t.b - t.a < what.n)
        return NONE;
    for (i = t.b - what.n + 1; i-- > t.a;)
        if (r->s[i] == what.p[0] && memcmp(r->s + i, what.p, what.n) == 0)
            break;
    spend(r, 4 * (t.b - t.a));
    return i >= t.a && i != NONE ? i : NONE;
}

/* ---- Row (G5) ---- */

static bool row_pieces(struct run *r, const struct gm *m, struct span t)
{
    size_t i;

    for (i = 0; i < m->nkid; i++) {
        size_t want = (size_t)m->kid[i]->len, got = 0, last = t.a, at = t.a;

        while (at < t.b) {
            uint32_t cp;

            last = at;
            at += next(r, (struct span){ at, t.b }, &cp);
            if (++got == want)
                break;
        }
        spend(r, 8 * got);
        if (got < want)
            return false;
        if (last >= t.b) { /* L 0 and nothing left: G8 */
            r->err = r->err != 0 ? r->err : AE_E_PATTERN;
            return false;
        }
        if (!match(r, m->kid[i], (struct span){ t.a, last + 1 }))
            return false;
        t.a = last + 1;
    }
    return true;
}

static bool match_row(struct run *r, const struct gm *m, struct span t)
{
    size_t got;

    if (skip_chars(r, t, (size_t)m->len, &got) != t.b
        || got != (size_t)m->len)
        return false;
    return row_pieces(r, m, t);
}

/* Start of the first place where the pieces fit, or NONE. */
static size_t find_row(struct run *r, const struct gm *m, struct span t)
{
    while (t.a < t.b && t.b - t.a >= (size_t)m->len && !broke(r)) {
        uint32_t cp;

        if (row_pieces(r, m, t))
            return t.a;
        t.a += next(r, t, &cp);
    }
    return NONE;
}

/* ---- index (G6) ---- */

static bool one_end(struct ends *e, size_t start, size_t end)
{
    e->kind = ENDS_ONE;
    e->start = start;
    e->one = end;
    return start != NONE;
}

/* Every character boundary of |in|, both edges included. */
static bool starts(struct ends *e, size_t start, struct span in)
{
    e->kind = ENDS_STARTS;
    e->start = start;
    e->in = in;
    return true;
}

/* |one|, and the ends of the characters of |in| that start in [lo,hi]. */
static bool runes(struct ends *e, size_t start, struct span in, size_t one,
                  size_t lo, size_t hi)
{
    e->kind = ENDS_RUNES;
    e->start = start;
    e->in = in;
    e->one = one;
    e->lo = lo;
    e->hi = hi;
    return true;
}

static bool find_char(struct run *r, const struct gm *m, struct span t,
                      struct ends *e)
{
    while (t.a < t.b && !broke(r)) {
        uint32_t cp;
        size_t w = next(r, t, &cp);

        spend(r, 8);
        if (fits(r, m, cp))
            return one_end(e, t.a, t.a + rune_len(cp));
        t.a += w;
    }
    return false;
}

static bool find_counted(struct run *r, const struct gm *m, struct span t,
                         struct ends *e)
{
    size_t got, at;

    if (m->kind == GM_MIN) {
        /* bytes, not characters: as the original */
        if (t.b - t.a < m->lo)
            return false;
        at = skip_chars(r, t, m->lo - 1, &got);
        if (got < m->lo - 1 || at == t.b)
            return false;
        return runes(e, t.a, t, NONE, at, t.b);
    }
    if (t.a == t.b)
        return one_end(e, t.a, t.a);
    /* behind the last of the first n, less one, is inside or at its start */
    at = skip_chars(r, t, m->lo, &got);
    return runes(e, t.a, t, t.a, t.a, at - 1);
}

static bool find_affix(struct run *r, const struct gm *m, struct span t,
                       struct ends *e)
{
    size_t i = find_text(r, t, m->text), end;

    if (i == NONE)
        return m->kind == GM_NOT_CONTAINS ? starts(e, t.a, t) : false;
    end = i + m->text.n;
    switch (m->kind) {
    case GM_TEXT:
        return one_end(e, i, end);
    case GM_SUFFIX:
        return one_end(e, t.a, end);
    case GM_PREFIX:
        return runes(e, i, (struct span){ end, t.b }, end, end, t.b);
    case GM_CONTAINS:
        return starts(e, t.a, (struct span){ end, t.b });
    case GM_NOT_CONTAINS:
        return starts(e, t.a, (struct span){ t.a, i });
    default: /* GM_PREFIX_SUFFIX */
        e->kind = ENDS_SUFFIX;
        e->start = i;
        e->in = (struct span){ i, t.b };
        e->m = m;
        e->next = find_last(r, e->in, m->suffix);
        return e->next != NONE;
    }
}

static size_t prev_end(struct run *r, struct ends *e, size_t x);

static bool find_alt(struct run *r, const struct gm *m, struct span t,
                     struct ends *e)
{
    size_t i, best = NONE;
    struct ends k;

    for (i = 0; i < m->nkid && !broke(r); i++)
        if (find(r, m->kid[i], t, &k) && k.start < best)
            best = k.start;
    e->kind = ENDS_ALT;
    e->start = best;
    e->m = m;
    e->asked = t;
    return best != NONE;
}

static bool find_every(struct run *r, const struct gm *m, struct span t,
                       struct ends *e)
{
    struct ends k;

    if (!find(r, m->kid[0], t, &k))
        return false;
    e->kind = ENDS_EVERY;
    e->start = t.a;
    e->m = m;
    e->asked = t;
    return prev_end(r, e, NONE - 1) != NONE;
}

static bool find(struct run *r, const struct gm *m, struct span t,
                 struct ends *e)
{
    size_t at;

    spend(r, 0);
    switch (m->kind) {
    case GM_STAR:
        return starts(e, t.a, t);
    case GM_NOTHING:
        return one_end(e, t.a, t.a);
    case GM_ONE: case GM_LIST: case GM_RANGE:
        return find_char(r, m, t, e);
    case GM_ROW:
        at = find_row(r, m, t);
        return one_end(e, at, at + (size_t)m->len);
    case GM_MIN: case GM_MAX:
        return find_counted(r, m, t, e);
    case GM_ALT:
        return find_alt(r, m, t, e);
    case GM_EVERY:
        return find_every(r, m, t, e);
    case GM_BT:
        return false; /* (e) of G6 */
    default:
        return find_affix(r, m, t, e);
    }
}

/* ---- walking the ends ---- */

static size_t prev_start(struct run *r, const struct ends *e, size_t x)
{
    if (x >= e->in.b)
        return e->in.b;
    for (;; x--) {
        if (x < e->in.a)
            return NONE;
        if (starts_char(r, e->in, x))
            return x;
        if (x == 0)
            return NONE;
    }
}

/* Does a character that starts in [lo,hi] end at |x|, by rune_len()? */
static bool rune_ends(struct run *r, const struct ends *e, size_t x)
{
    size_t w;

    for (w = 1; w <= 4 && w <= x; w++) {
        size_t i = x - w;
        uint32_t cp;

        if (i < e->lo || i > e->hi || !starts_char(r, e->in, i))
            continue;
        next(r, (struct span){ i, e->in.b }, &cp);
        if (rune_len(cp) == w)
            return true;
    }
    return false;
}

static size_t prev_rune(struct run *r, const struct ends *e, size_t x)
{
    size_t extra = e->one <= x ? e->one : NONE;
    size_t top = (e->hi < e->in.b ? e->hi : e->in.b) + 4;

    for (x = x < top ? x : top; x > e->lo; x--) {
        if (extra != NONE && x <= extra)
            return extra;
        spend(r, 0);
        if (rune_ends(r, e, x))
            return x;
    }
    return extra;
}

static size_t prev_suffix(struct run *r, struct ends *e, size_t x)
{
    size_t n = e->m->suffix.n;

    while (e->next != NONE && e->next + n > x)
        e->next = find_last(r, (struct span){ e->in.a, e->next },
                            e->m->suffix);
    return e->next == NONE ? NONE : e->next + n;
}

static size_t prev_alt(struct run *r, const struct ends *e, size_t x)
{
    size_t i, best = NONE;

    for (i = 0; i < e->m->nkid && !broke(r); i++) {
        struct ends k;
        size_t p;

        if (!find(r, e->m->kid[i], e->asked, &k) || k.start != e->start)
            continue;
        p = prev_end(r, &k, x);
        if (p != NONE && (best == NONE || p > best))
            best = p;
    }
    return best;
}

static size_t prev_every(struct run *r, const struct ends *e, size_t x)
{
    size_t i, p = x, all = 0;

    /* Lower |p| until all parts have it. */
    for (i = 0; all < e->m->nkid && !broke(r); i = (i + 1) % e->m->nkid) {
        struct ends k;
        size_t q;

        if (!find(r, e->m->kid[i], e->asked, &k))
            return NONE;
        q = prev_end(r, &k, p);
        if (q == NONE)
            return NONE;
        all = q == p ? all + 1 : 1;
        p = q;
    }
    return broke(r) ? NONE : p;
}

/* The greatest end <= x, or NONE.  Called with falling |x| on one struct. */
static size_t prev_end(struct run *r, struct ends *e, size_t x)
{
    spend(r, 0);
    switch (e->kind) {
    case ENDS_ONE:
        return e->one <= x ? e->one : NONE;
    case ENDS_STARTS:
        return prev_start(r, e, x);
    case ENDS_RUNES:
        return prev_rune(r, e, x);
    case ENDS_SUFFIX:
        return prev_suffix(r, e, x);
    case ENDS_ALT:
        return prev_alt(r, e, x);
    default:
        return prev_every(r, e, x);
    }
}

/* ---- BT (G5) ---- */

static struct memo *memo_slot(struct run *r, const struct gm *m,
                              struct span t)
{
    uint32_t h;

    if (r->steps < MEMO_AFTER)
        return NULL;
    if (!r->memo_on) {
        memset(r->memo, 0, sizeof(r->memo));
        r->memo_on = true;
    }
    h = m->id * 2654435761u ^ (uint32_t)t.a * 40503u ^ (uint32_t)t.b * 9176u;
    return &r->memo[(h ^ h >> 13) % MEMO_SLOTS];
}

static bool match_side(struct run *r, const struct gm *m, struct span t)
{
    return m != NULL ? match(r, m, t) : t.a == t.b;
}

/* The sides around one hit of the value. */
static bool try_hit(struct run *r, const struct gm *m, struct span t,
                    struct ends *e)
{
    size_t x;

    if (!match_side(r, m->kid[1], (struct span){ t.a, e->start }))
        return false;
    for (x = prev_end(r, e, NONE - 1); x != NONE && !broke(r);
         x = prev_end(r, e, x - 1)) {
        size_t from = x < t.b ? x : t.b;

        if (match_side(r, m->kid[2], (struct span){ from, t.b }))
            return !broke(r);
        if (x == 0)
            break;
    }
    return false;
}

static bool search_bt(struct run *r, const struct gm *m, struct span t)
{
    size_t n = t.b - t.a, off = t.a, limit = t.b;

    if (m->len != -1 && (size_t)m->len > n)
        return false;
    if (m->left > 0)
        off += (size_t)m->left;
    if (m->right > 0) {
        if ((size_t)m->right > n)
            return false;
        limit -= (size_t)m->right;
    }
    while (off < limit && !broke(r)) {
        struct ends e;
        uint32_t cp;

        if (!find(r, m->kid[0], (struct span){ off, limit }, &e))
            return false;
        if (try_hit(r, m, t, &e))
            return true;
        off = e.start;
        if (off < t.b)
            off += next(r, (struct span){ off, t.b }, &cp);
    }
    return false;
}

static bool match_bt(struct run *r, const struct gm *m, struct span t)
{
    struct memo *k = memo_slot(r, m, t);
    bool yes;

    if (k != NULL && k->id == m->id && k->from == t.a && k->to == t.b)
        return k->yes;
    yes = search_bt(r, m, t);
    if (k != NULL && !broke(r))
        *k = (struct memo){ m->id, (uint32_t)t.a, (uint32_t)t.b, yes };
    return yes;
}

/* ---- match (G5) ---- */

static bool match_list(struct run *r, const struct gm *m, struct span t)
{
    bool every = m->kind == GM_EVERY;
    size_t i;

    for (i = 0; i < m->nkid; i++)
        if (match(r, m->kid[i], t) != every)
            return !every;
    return every;
}

/* At most one character; "" counts as U+FFFD. */
static bool match_char(struct run *r, const struct gm *m, struct span t)
{
    uint32_t cp = 0xFFFD;

    if (t.a < t.b && next(r, t, &cp) < t.b - t.a)
        return false;
    return fits(r, m, cp);
}

static bool match(struct run *r, const struct gm *m, struct span t)
{
    ae_str s = text_of(r, t);
    size_t got;

    spend(r, 0);
    if (broke(r))
        return false;
    switch (m->kind) {
    case GM_STAR:
        return true;
    case GM_NOTHING:
        return s.n == 0;
    case GM_TEXT:
        return ae_eq(s, m->text);
    case GM_PREFIX:
        return ae_starts(s, m->text);
    case GM_SUFFIX:
        return ae_ends(s, m->text);
    case GM_PREFIX_SUFFIX:
        return ae_starts(s, m->text) && ae_ends(s, m->suffix);
    case GM_CONTAINS:
        return find_text(r, t, m->text) != NONE;
    case GM_NOT_CONTAINS:
        return find_text(r, t, m->text) == NONE;
    case GM_MIN:
        skip_chars(r, t, m->lo, &got);
        return got == m->lo;
    case GM_MAX:
        return skip_chars(r, t, m->lo, &got) == t.b;
    case GM_ROW:
        return match_row(r, m, t);
    case GM_BT:
        return match_bt(r, m, t);
    case GM_ALT:
    case GM_EVERY:
        return match_list(r, m, t);
    default:
        return match_char(r, m, t);
    }
}

int glob_tree_match(const struct gm *m, ae_str text)
{
    struct run r;
    bool yes;

    if (text.n > GLOB_MAX_TEXT)
        return AE_E_BUDGET;
    r.s = text.n > 0 ? text.p : "";
    r.steps = 0;
    r.max_steps = text.n > GLOB_SHORT ? GLOB_STEPS : GLOB_SHORT_STEPS;
    r.err = 0;
    r.memo_on = false;
    yes = match(&r, m, (struct span){ 0, text.n });
    return r.err != 0 ? r.err : yes;
}
