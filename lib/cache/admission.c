/*
 * admission.c - which answers may be stored (T10, K05-K08, RFC 9111).
 *
 * Everything here leans one way: what does not parse is not stored.  A body
 * that stays out costs a request; one that gets in wrongly is served.
 */
#include "cache/cache.h"

/* ---- lists of a header field ----------------------------------------- */

/* Next member of a comma list into *m, blanks trimmed; commas inside quoted
 * strings do not split (RFC 9110 section 5.6.4).  False at the end.  *bad is
 * set by a quote that never closes. */
static bool list_next(ae_str *rest, ae_str *m, bool *bad)
{
    size_t i = 0;
    bool   quoted = false;

    if (rest->n == 0)
        return false;
    for (; i < rest->n; i++) {
        char c = rest->p[i];

        if (quoted && c == '\\' && i + 1 < rest->n)
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == ',' && !quoted)
            break;
    }
    if (quoted)
        *bad = true;
    *m = ae_trim(ae_sub(*rest, 0, i));
    *rest = i < rest->n ? ae_sub(*rest, i + 1, rest->n - i - 1)
                        : ae_s(rest->p + rest->n, 0);
    return true;
}

/* Split "name=value"; the value loses its quotes. */
static void directive(ae_str m, ae_str *name, ae_str *value)
{
    ae_str v = ae_cut(m, '=', name);

    *name = ae_trim(*name);
    if (!v.p) {
        *value = v;
        return;
    }
    v = ae_trim(v);
    if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
        v = ae_sub(v, 1, v.n - 2);
    *value = v;
}

/* Delta-seconds, clamped as RFC 9111 section 1.2.2 wants; -1 if invalid. */
static int64_t delta(ae_str v)
{
    int64_t n = 0;

    if (v.n == 0)
        return -1;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9')
            return -1;
        n = n * 10 + (v.p[i] - '0');
        if (n > INT32_MAX)
            n = INT32_MAX;
    }
    return n;
}

static bool is_age(ae_str name)
{
    return ae_ieq(name, AE_STR("max-age")) || ae_ieq(name, AE_STR("s-maxage"));
}

/* ---- what the upstream says ------------------------------------------ */

static const char *judge_cc(ae_str cc)
{
    ae_str m, name, value;
    bool   bad = false;

    while (list_next(&cc, &m, &bad)) {
        directive(m, &name, &value);
        if (bad)
            return "cache-control";
        if (ae_ieq(name, AE_STR("no-store")))
            return "no-store";
        /* private="field" and no-cache="field" cover part of the answer
         * only; treated as the whole, which RFC 9111 allows. */
        if (ae_ieq(name, AE_STR("private")))
            return "private";
        if (ae_ieq(name, AE_STR("no-cache")))
            return "no-cache";
        /* An invalid age counts as stale (RFC 9111 section 4.2.1). */
        if (is_age(name) && delta(value) <= 0)
            return "max-age";
    }
    return NULL;
}

int64_t ae_cache_max_age(ae_str cc)
{
    ae_str  m, name, value;
    bool    bad = false;
    int64_t max_age = -1, shared = -1;

    while (list_next(&cc, &m, &bad)) {
        int64_t d;

        directive(m, &name, &value);
        if (!is_age(name))
            continue;
        d = delta(value);
        d = d < 0 || bad ? 0 : d;
        /* Of duplicates the strictest counts. */
        if (ae_ieq(name, AE_STR("s-maxage")))
            shared = shared < 0 || d < shared ? d : shared;
        else
            max_age = max_age < 0 || d < max_age ? d : max_age;
    }
    return shared >= 0 ? shared : max_age;
}

static bool vary_ok(ae_str vary)
{
    ae_str m;
    bool   bad = false;

    while (list_next(&vary, &m, &bad))
        if (bad || (m.n && !ae_ieq(m, AE_STR("Accept-Encoding"))))
            return false;
    return true;
}

static bool ctype_ok(ae_str ctype)
{
    ae_str type, params, name, value;

    params = ae_cut(ctype, ';', &type);
    if (!ae_ieq(ae_trim(type), AE_STR("application/json")))
        return false;
    if (!params.p)
        return true;
    directive(ae_trim(params), &name, &value);
    return ae_ieq(name, AE_STR("charset")) && ae_ieq(value, AE_STR("utf-8"));
}

const char *ae_cache_admit(const struct ae_admit_in *in)
{
    ae_str enc = ae_trim(in->content_encoding);

    if (in->status != 200)
        return "status";
    if (in->set_cookie.p)
        return "set-cookie";
    if (in->has_renew)
        return "renew-token";
    if (!ctype_ok(in->ctype))
        return "content-type";
    if (enc.n && !ae_ieq(enc, AE_STR("identity")))
        return "content-encoding";
    if (!vary_ok(in->vary))
        return "vary";
    if (in->content_length > 0
        && (uint64_t)in->content_length > in->max_object)
        return "length";
    return judge_cc(in->cache_control);
}

void ae_cache_client_cc(ae_str cc, struct ae_client_cc *out)
{
    ae_str  m, name, value;
    int64_t d;
    bool    bad = false;

    *out = (struct ae_client_cc){ 0, INT64_MAX, 0 };
    while (list_next(&cc, &m, &bad)) {
        directive(m, &name, &value);
        if (ae_ieq(name, AE_STR("no-cache"))) {
            out->set |= AE_CC_NO_CACHE;
        } else if (ae_ieq(name, AE_STR("no-store"))) {
            out->set |= AE_CC_NO_STORE;
        } else if (ae_ieq(name, AE_STR("only-if-cached"))) {
            out->set |= AE_CC_ONLY_IF_CACHED;
        } else if (ae_ieq(name, AE_STR("max-age"))) {
            d = delta(value);
            if (d <= 0) /* "no older than now": what a browser's reload sends */
                out->set |= AE_CC_NO_CACHE;
            else if (d < out->max_age)
                out->max_age = d;
        } else if (ae_ieq(name, AE_STR("min-fresh"))) {
            d = delta(value);
            if (d > out->min_fresh)
                out->min_fresh = d;
        }
    }
}

unsigned ae_cache_request_cc(ae_str cc)
{
    struct ae_client_cc c;

    ae_cache_client_cc(cc, &c);
    return c.set;
}

/* ---- the body -------------------------------------------------------- */

enum { DEPTH_MAX = 256 };

struct scan {
    const unsigned char *p, *end;
    int           depth;
    unsigned char array[DEPTH_MAX / 8 + 1]; /* bit: this level is an array */
    unsigned      members;                  /* of the outermost object */
    bool          error, code, message;
};

static void skip_blank(struct scan *s)
{
    while (s->p < s->end
           && (*s->p == ' ' || *s->p == '\n' || *s->p == '\t'
               || *s->p == '\r'))
        s->p++;
}

/* From after the opening quote to after the closing one. */
static bool skip_string(struct scan *s, ae_str *out)
{
    const unsigned char *start = s->p;

    for (; s->p < s->end; s->p++) {
        if (*s->p == '"') {
            *out = ae_s((const char *)start, (size_t)(s->p - start));
            s->p++;
            return true;
        }
        if (*s->p < 0x20)
            return false;
        if (*s->p == '\\' && ++s->p == s->end)
            return false;
    }
    return false;
}

/* A number, true, false or null: only its alphabet is checked. */
static bool skip_scalar(struct scan *s)
{
    const unsigned char *start = s->p;

    while (s->p < s->end
           && ((*s->p >= '0' && *s->p <= '9') || (*s->p >= 'a' && *s->p <= 'z')
               || *s->p == '-' || *s->p == '+' || *s->p == '.'
               || *s->p == 'E'))
        s->p++;
    return s->p > start;
}

static bool in_array(const struct scan *s)
{
    return s->array[s->depth / 8] >> (s->depth % 8) & 1;
}

static bool open_level(struct scan *s)
{
    unsigned bit;

    if (s->depth + 1 >= DEPTH_MAX)
        return false;
    s->depth++;
    bit = 1u << (s->depth % 8);
    if (*s->p == '[')
        s->array[s->depth / 8] |= (unsigned char)bit;
    else
        s->array[s->depth / 8] &= (unsigned char)~bit;
    s->p++;
    return true;
}

static bool member_name(struct scan *s)
{
    ae_str name;

    skip_blank(s);
    if (s->p == s->end || *s->p++ != '"' || !skip_string(s, &name))
        return false;
    if (s->depth == 1) {
        s->members++;
        s->error = s->error || ae_eq_lit(name, "error");
        s->code = s->code || ae_eq_lit(name, "code");
        s->message = s->message || ae_eq_lit(name, "message");
    }
    skip_blank(s);
    return s->p < s->end && *s->p++ == ':';
}

/* Close as many levels as end here, then step over one comma.  True with
 * depth > 0: another value follows. */
static bool after_value(struct scan *s)
{
    while (s->depth > 0) {
        skip_blank(s);
        if (s->p == s->end)
            return false;
        if (*s->p == ',') {
            s->p++;
            return in_array(s) || member_name(s);
        }
        if (*s->p != (in_array(s) ? ']' : '}'))
            return false;
        s->p++;
        s->depth--;
    }
    return true;
}

/* Read one value or open one level; iterative, so depth costs no stack. */
static bool value(struct scan *s)
{
    ae_str text;

    skip_blank(s);
    if (s->p == s->end)
        return false;
    if (*s->p == '"') {
        s->p++;
        return skip_string(s, &text) && after_value(s);
    }
    if (*s->p != '{' && *s->p != '[')
        return skip_scalar(s) && after_value(s);
    if (!open_level(s))
        return false;
    skip_blank(s);
    if (s->p < s->end && *s->p == (in_array(s) ? ']' : '}')) {
        s->p++;
        s->depth--;
        return after_value(s);
    }
    return in_array(s) || member_name(s);
}

const char *ae_cache_admit_body(ae_str body)
{
    struct scan s;

    memset(&s, 0, sizeof(s));
    if (body.n == 0)
        return "empty";
    s.p = (const unsigned char *)body.p;
    s.end = s.p + body.n;
    skip_blank(&s);
    if (s.p == s.end || (*s.p != '{' && *s.p != '['))
        return "not-json";
    do {
        if (!value(&s))
            return "not-json";
    } while (s.depth > 0);
    skip_blank(&s);
    if (s.p != s.end)
        return "not-json";
    /* grpc-gateway's shapes: unary, and the one of a stream's failure. */
    if (s.error && ((s.code && s.message) || s.members == 1))
        return "grpc-error";
    return NULL;
}
