/*
 * coding.c - an entry's body compressed once, when it is stored: each answer
 * then is a copy, not a compression.  Which coding a client gets is negotiated
 * by RFC 9110 section 12.5.3.
 */
#include "cache/internal.h"

#include <stdlib.h>

#define Q_ONE 1000

static const struct ae_coder_ops *const all[] = {
    [AE_CODING_GZIP] = &ae_coder_gzip,
#if AE_BROTLI
    [AE_CODING_BR] = &ae_coder_br,
#endif
#if AE_ZSTD
    [AE_CODING_ZSTD] = &ae_coder_zstd,
#endif
};
#define NALL (sizeof(all) / sizeof(all[0]))

static const struct ae_coder_ops *ops_of(enum ae_coding c)
{
    return (unsigned)c < NALL ? all[c] : NULL;
}

const char *ae_coding_name(enum ae_coding c)
{
    static const char *const name[] = {
        [AE_CODING_GZIP] = "gzip", [AE_CODING_BR] = "br",
        [AE_CODING_ZSTD] = "zstd",
    };

    return (unsigned)c < sizeof(name) / sizeof(name[0]) ? name[c] : NULL;
}

/* ---- negotiation ------------------------------------------------------- */

/* Thousandths.  What is no number counts as 1: the client named it. */
static int weight(ae_str params)
{
    ae_str one, name, v;
    int    q, unit = Q_ONE;

    while (params.p) {
        params = ae_cut(params, ';', &one);
        v = ae_cut(one, '=', &name);
        if (!v.p || !ae_ieq(ae_trim(name), AE_STR("q")))
            continue;
        v = ae_trim(v);
        if (v.n == 0 || (v.p[0] != '0' && v.p[0] != '1'))
            return Q_ONE;
        q = (v.p[0] - '0') * Q_ONE;
        for (size_t i = 2; i < v.n && unit > 1; i++) {
            if (v.p[1] != '.' || v.p[i] < '0' || v.p[i] > '9')
                return Q_ONE;
            unit /= 10;
            q += (v.p[i] - '0') * unit;
        }
        return q > Q_ONE ? Q_ONE : q;
    }
    return Q_ONE;
}

/* "identity" at AE_CODING_NONE, -1: not named.  "*" stands for gzip, which
 * everybody has, and for nothing that a client may only think it has. */
static void weights(ae_str list, int q[AE_CODINGS])
{
    ae_str one, name, params;
    int    any = -1;

    for (int c = 0; c < AE_CODINGS; c++)
        q[c] = -1;
    while (list.p) {
        list = ae_cut(list, ',', &one);
        params = ae_cut(one, ';', &name);
        name = ae_trim(name);
        if (ae_eq_lit(name, "*"))
            any = weight(params);
        else if (ae_ieq(name, AE_STR("identity")))
            q[AE_CODING_NONE] = weight(params);
        else if (ae_ieq(name, AE_STR("x-gzip")))
            q[AE_CODING_GZIP] = weight(params);
        else
            for (enum ae_coding c = AE_CODING_GZIP; c < AE_CODINGS; c++)
                if (ae_ieq(name, ae_cs(ae_coding_name(c))))
                    q[c] = weight(params);
    }
    if (q[AE_CODING_GZIP] < 0)
        q[AE_CODING_GZIP] = any;
}

unsigned ae_coding_wants(ae_str accept_encoding)
{
    int      q[AE_CODINGS];
    unsigned want = 0;

    if (accept_encoding.n == 0)
        return 0;
    weights(accept_encoding, q);
    /* The last one found goes to the front: the enum is in the order of what
     * we would rather send. */
    for (int level = 1; level <= Q_ONE; level++) {
        int least = Q_ONE + 1;

        for (int c = AE_CODING_GZIP; c < AE_CODINGS; c++)
            if (q[c] >= level && q[c] < least)
                least = q[c];
        if (least > Q_ONE)
            break;
        for (int c = AE_CODING_GZIP; c < AE_CODINGS; c++)
            if (q[c] == least && least >= q[AE_CODING_NONE]
                && ops_of((enum ae_coding)c))
                want = want << 4 | (unsigned)c;
        level = least;
    }
    return want << 4;
}

enum ae_coding ae_coding_first(unsigned want)
{
    return (enum ae_coding)(want >> 4 & 15);
}

enum ae_coding ae_cache_pick(unsigned want, bool gzip, enum ae_coding other)
{
    for (want >>= 4; want; want >>= 4) {
        enum ae_coding c = (enum ae_coding)(want & 15);

        if (c == other || (c == AE_CODING_GZIP && gzip))
            return c;
    }
    return AE_CODING_NONE;
}

/* ---- compression -------------------------------------------------------- */

ae_coder *ae_coder_new(enum ae_coding c, void (*out)(void *ctx, ae_str part),
                       void *ctx)
{
    const struct ae_coder_ops *ops = ops_of(c);
    ae_coder                  *z = ops ? calloc(1, sizeof(*z)) : NULL;

    if (!z)
        return NULL;
    z->is = c;
    z->out = out;
    z->ctx = ctx;
    z->state = ops->open();
    if (!z->state) {
        free(z);
        return NULL;
    }
    return z;
}

bool ae_coder_feed(ae_coder *z, ae_str part, bool last)
{
    if (!z->bad && !ops_of(z->is)->feed(z, part, last))
        z->bad = true;
    return !z->bad;
}

void ae_coder_free(ae_coder *z)
{
    if (!z)
        return;
    ops_of(z->is)->close(z->state);
    free(z);
}

static void collect(void *ctx, ae_str part)
{
    ae_buf_put(ctx, part);
}

ae_str ae_coding_once(ae_arena *a, enum ae_coding c, ae_str body)
{
    ae_buf    b;
    ae_coder *z;
    bool      ok;

    if (body.n < AE_CODING_MIN)
        return ae_s(NULL, 0);
    ae_buf_init(&b, a, body.n - body.n / 8);
    z = ae_coder_new(c, collect, &b);
    if (!z)
        return ae_s(NULL, 0);
    ok = ae_coder_feed(z, body, true) && !b.bad;
    ae_coder_free(z);
    return ok ? ae_buf_str(&b) : ae_s(NULL, 0);
}
