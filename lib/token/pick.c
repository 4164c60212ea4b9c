/*
 * pick.c - one credential out of Authorization and Cookie (T4).
 *
 * Argo CD takes the first "Bearer " value with two dots, then goes through
 * the Cookie lines one by one; what does not fit is skipped in silence.  We
 * read the same values, but where two credentials compete, or a bad one would
 * be skipped for another, we refuse (closed list, items 1 and 3).
 */
#include "token/internal.h"

#define COOKIE "argocd.token"

enum { ABSENT = 0, JOINED, BROKEN, AMBIGUOUS, TOO_MANY };

static enum ae_pick_result refuse(struct ae_cred *out, int status, int code,
                                  ae_str reason)
{
    out->status = status;
    out->code = code;
    out->reason = reason;
    return AE_PICK_REFUSE;
}

static enum ae_pick_result duplicate(struct ae_cred *out, const char *what)
{
    return refuse(out, 400, 3, ae_cs(what));
}

static enum ae_pick_result no_session(struct ae_cred *out)
{
    return refuse(out, 401, 16, AE_STR("no session information"));
}

static bool shaped(ae_str token) /* jwtutil.IsValid: two dots or more */
{
    ae_str head, rest = ae_cut(token, '.', &head);

    return rest.p && ae_find(rest, '.') < rest.n;
}

/* gRPC metadata takes 0x20..0x7e only, and says so with code 13 before
 * anybody looks at the token (carry.bearer-tab). */
static bool printable(ae_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] > 0x7e)
            return false;
    return true;
}

static ae_str trim(ae_str s) /* optional white space around a field value */
{
    while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
        s = ae_s(s.p + 1, s.n - 1);
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* ---- cookies as net/http reads them ------------------------------------- */

struct cookie { ae_str raw, name, value; bool valid; };

static bool value_ok(ae_str *v)
{
    if (v->n > 1 && v->p[0] == '"' && v->p[v->n - 1] == '"')
        *v = ae_s(v->p + 1, v->n - 2);
    for (size_t i = 0; i < v->n; i++) {
        unsigned char c = (unsigned char)v->p[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            return false;
    }
    return true;
}

/* The next cookie of |*line|; false at the end. */
static bool next_cookie(ae_str *line, struct cookie *c)
{
    while (line->p) {
        ae_str part;

        *line = ae_cut(*line, ';', &part);
        c->raw = trim(part);
        if (!c->raw.n)
            continue;
        c->value = ae_cut(c->raw, '=', &c->name);
        c->name = trim(c->name);
        c->valid = value_ok(&c->value);
        return true;
    }
    return false;
}

static bool is_ours(ae_str name) /* argocd.token or argocd.token-... */
{
    ae_str base = AE_STR(COOKIE);

    return ae_starts(name, base)
        && (name.n == base.n || name.p[base.n] == '-');
}

struct chunk { uint64_t i; ae_str value; };

/* The number in argocd.token-N as fmt's %d writes it. */
static bool chunk_number(ae_str name, uint64_t *i)
{
    ae_str d = ae_sub(name, sizeof(COOKIE), name.n); /* past the dash */

    return is_ours(name) && d.n && d.p[0] != '0' && ae_parse_u64(d, i);
}

/* Chunks below |count| of one line in |out|, sorted.  JOINED, or why not. */
static int collect(ae_str line, uint64_t count, struct chunk *out, size_t *n)
{
    struct cookie c;
    uint64_t      i;
    size_t        at;

    *n = 0;
    while (next_cookie(&line, &c)) {
        if (!c.valid || !chunk_number(c.name, &i) || i >= count)
            continue;
        if (*n == AE_COOKIE_CHUNKS)
            return TOO_MANY;
        for (at = *n; at > 0 && out[at - 1].i > i; at--)
            out[at] = out[at - 1];
        out[at].i = i;
        out[at].value = c.value;
        (*n)++;
        if (at > 0 && out[at - 1].i == i)
            return AMBIGUOUS;
    }
    return JOINED;
}

/* Join "N:first" with the chunks of the same line.  A chunk that is missing
 * counts as empty, as in Argo CD. */
static int join(ae_arena *a, ae_str line, ae_str value, ae_str *token)
{
    struct chunk chunk[AE_COOKIE_CHUNKS];
    ae_str       count, rest = ae_cut(value, ':', &count);
    int64_t      want;
    size_t       n;
    ae_buf       b;
    int          rc;

    *token = value;
    if (!rest.p)
        return JOINED;
    if (!ae_parse_i64(count, &want) || ae_find(rest, ':') < rest.n)
        return BROKEN;
    *token = rest;
    rc = collect(line, want > 0 ? (uint64_t)want : 0, chunk, &n);
    if (rc != JOINED || n == 0)
        return rc;
    ae_buf_init(&b, a, 0);
    ae_buf_put(&b, rest);
    for (size_t i = 0; i < n; i++)
        ae_buf_put(&b, chunk[i].value);
    *token = ae_buf_str(&b);
    return b.bad ? AE_E_NOMEM : JOINED;
}

/* The one argocd.token of all lines. */
static int read_cookies(ae_arena *a, const ae_str *lines, size_t n,
                        ae_str *token)
{
    ae_str value = { NULL, 0 }, home = { NULL, 0 };

    *token = value;
    for (size_t i = 0; i < n; i++) {
        ae_str        line = lines[i];
        struct cookie c;

        while (next_cookie(&line, &c)) {
            if (!ae_eq_lit(c.name, COOKIE))
                continue;
            if (home.p)
                return AMBIGUOUS;         /* C06 */
            home = lines[i];
            value = c.valid ? c.value : ae_s(NULL, 0);
        }
    }
    if (!home.p)
        return ABSENT;
    if (!value.p)
        return BROKEN;                    /* Go drops such a cookie */
    return value.n ? join(a, home, value, token) : ABSENT;
}

/* All cookies but ours, in order, as one value. */
static int strip(ae_arena *a, const ae_str *lines, size_t n, ae_str *rest)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    for (size_t i = 0; i < n; i++) {
        ae_str        line = lines[i];
        struct cookie c;

        while (next_cookie(&line, &c)) {
            if (is_ours(c.name))
                continue;
            if (b.n)
                ae_buf_puts(&b, "; ");
            ae_buf_put(&b, c.raw);
        }
    }
    *rest = b.n ? ae_buf_str(&b) : ae_s(NULL, 0);
    return b.bad ? AE_E_NOMEM : AE_OK;
}

/* ---- the choice --------------------------------------------------------- */

static enum ae_pick_result nomem(struct ae_cred *out)
{
    return refuse(out, 500, 13, AE_STR("out of memory"));
}

static enum ae_pick_result by_cookie(ae_arena *a, const ae_str *lines,
                                     size_t n, struct ae_cred *out)
{
    switch (read_cookies(a, lines, n, &out->token)) {
    case ABSENT:
        out->token = ae_s(NULL, 0);
        return AE_PICK_OK;
    case JOINED:
        out->source = AE_CRED_COOKIE;
        /* something was presented: never anonymous (closed list, item 3) */
        return shaped(out->token) ? AE_PICK_OK : no_session(out);
    case BROKEN:
        out->source = AE_CRED_COOKIE;
        return no_session(out);
    case AMBIGUOUS:
        return duplicate(out, "more than one " COOKIE " cookie");
    case TOO_MANY:
        return refuse(out, 431, 8, AE_STR("too many " COOKIE " cookies"));
    default:
        return nomem(out);
    }
}

static bool any_ours(const ae_str *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ae_str        line = lines[i];
        struct cookie c;

        while (next_cookie(&line, &c))
            if (is_ours(c.name))
                return true;
    }
    return false;
}

static enum ae_pick_result by_bearer(ae_arena *a, ae_str token,
                                     const ae_str *lines, size_t n,
                                     struct ae_cred *out)
{
    out->source = AE_CRED_BEARER;
    out->token = token;
    if (any_ours(lines, n)) {             /* C03: decided for the header */
        out->strip_cookie = true;
        if (strip(a, lines, n, &out->cookie_rest))
            return nomem(out);
    }
    return shaped(token) ? AE_PICK_OK : no_session(out); /* C04 */
}

enum ae_pick_result ae_token_pick(ae_arena *a, ae_str authorization,
                                  bool auth_dup, const ae_str *cookies,
                                  size_t ncookies, struct ae_cred *out)
{
    ae_str auth = trim(authorization);

    memset(out, 0, sizeof(*out));
    if (auth_dup)                         /* C02 */
        return duplicate(out, "more than one Authorization header");
    if (!printable(auth))
        return refuse(out, 500, 13, AE_STR("header key \"authorization\" "
                      "contains value with non-printable ASCII characters"));
    for (size_t i = 0; i < ncookies; i++)
        if (!printable(trim(cookies[i])))
            return refuse(out, 500, 13, AE_STR("header key \"grpcgateway-"
                          "cookie\" contains value with non-printable ASCII "
                          "characters"));
    if (ae_starts(auth, AE_STR("Bearer ")))
        return by_bearer(a, ae_sub(auth, 7, auth.n), cookies, ncookies, out);
    if (ae_eq_lit(auth, "Bearer"))        /* the blank was trimmed away */
        return by_bearer(a, AE_STR(""), cookies, ncookies, out);
    out->foreign_auth = auth.n > 0;
    out->strip_auth = auth.p && !auth.n;
    return by_cookie(a, cookies, ncookies, out);
}
