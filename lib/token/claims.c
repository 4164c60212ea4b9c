/*
 * claims.c - exp, nbf and iat as golang-jwt v5 and Argo CD's jwtutil read
 * them: numbers only, no leeway, fractions dropped.
 */
#include "token/internal.h"

/* Seconds from year 1, where Go's time.Time counts from.  The sum wraps, so
 * that an exp near 2^63 lies in the past (tokens.json, payload-exp-int64). */
#define YEAR_ONE UINT64_C(62135596800)

static int64_t internal(int64_t unix_seconds)
{
    return (int64_t)((uint64_t)unix_seconds + YEAR_ONE);
}

bool ae_time_before(int64_t a, int64_t b)
{
    return internal(a) < internal(b);
}

/* newNumericDateFromSeconds: whole seconds, rounded down. */
static int64_t numeric_date(double f)
{
    int64_t sec = ae_num_whole(f);
    double  whole = f >= -9007199254740992.0 && f <= 9007199254740992.0
                  ? (double)sec : f;
    int64_t nsec = (int64_t)((f - whole) * 1e9);

    return nsec < 0 ? (int64_t)((uint64_t)sec - 1) : sec;
}

/* A claim that is absent or the number 0 is no date.  False: wrong type. */
static bool read_date(const json_t *claims, const char *key, bool *has,
                      int64_t *out)
{
    const json_t *v = json_object_get(claims, key);

    *has = false;
    *out = 0;
    if (!v)
        return true;
    if (!json_is_number(v))
        return false;
    if (json_number_value(v) != 0) {
        *has = true;
        *out = numeric_date(json_number_value(v));
    }
    return true;
}

/* The validator collects its complaints: exp first, then nbf. */
static void complain(ae_buf *b, const char *text)
{
    ae_buf_puts(b, b->n ? ", " : "token has invalid claims: ");
    ae_buf_puts(b, text);
}

static bool read_iat(ae_arena *a, const json_t *claims, int64_t *iat,
                     ae_str *reason)
{
    const json_t *v = json_object_get(claims, "iat");
    ae_buf        b;

    if (json_is_number(v)) {
        *iat = ae_num_whole(json_number_value(v));
        return true;
    }
    if (!v) {
        *reason = AE_STR("token does not have iat claim");
        return false;
    }
    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "iat '");
    ae_token_put_value(&b, v);
    ae_buf_puts(&b, "' is not a number");
    *reason = b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
    return false;
}

enum time_verdict { T_FINE = 0, T_TYPE, T_WRONG };

static void note(struct ae_token_trace *tr, const json_t *claims,
                 enum ae_token_step step, const char *name,
                 enum time_verdict v, const char *remedy)
{
    ae_token_note_time(tr, step, v == T_FINE ? AE_FOUND_OK : AE_FOUND_REFUSED,
                       claims, name, v == T_FINE ? NULL
                       : v == T_TYPE ? "it must be a number" : remedy);
}

bool ae_claims_times(ae_arena *a, const json_t *claims, int64_t now,
                     struct ae_token_trace *tr, struct ae_times *out,
                     ae_str *reason)
{
    enum time_verdict exp, nbf;
    bool              ok;
    ae_buf            b;

    memset(out, 0, sizeof(*out));
    *reason = ae_s(NULL, 0);
    ae_buf_init(&b, a, 0);
    exp = !read_date(claims, "exp", &out->has_exp, &out->exp) ? T_TYPE
        : out->has_exp && !ae_time_before(now, out->exp) ? T_WRONG : T_FINE;
    nbf = !read_date(claims, "nbf", &out->has_nbf, &out->nbf) ? T_TYPE
        : out->has_nbf && ae_time_before(now, out->nbf) ? T_WRONG : T_FINE;
    if (exp)
        complain(&b, exp == T_TYPE ? "invalid type for claim: exp is invalid"
                                   : "token is expired");
    if (nbf)
        complain(&b, nbf == T_TYPE ? "invalid type for claim: nbf is invalid"
                                   : "token is not valid yet");
    if (tr) {
        note(tr, claims, AE_TS_EXP, "exp", exp, "log in again, or make a new "
             "token");
        note(tr, claims, AE_TS_NBF, "nbf", nbf, "wait, or set this host's "
             "clock");
    }
    if (b.n || b.bad) {
        *reason = b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
        return false;
    }
    ok = read_iat(a, claims, &out->iat, reason);
    if (tr)
        note(tr, claims, AE_TS_IAT, "iat", ok ? T_FINE : T_TYPE, NULL);
    return ok;
}
