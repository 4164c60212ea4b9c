/*
 * limit_login.c - the login shield: attempts to log in with a password, by
 * address and by the name in the body.  Its table refuses when it is full:
 * forgetting somebody would be what an attacker with many addresses wants
 * (CVE-2024-21662).
 */
#include "edge/edge.h"

#define BODY_MAX 65536 /* of a name and a password */

enum kind { BY_ADDRESS = 3, BY_USER, BY_UNREADABLE };

static bool is_login(const ae_txn *t)
{
    /* not what Dex and SSO do: there the provider has its own limits */
    return ae_loc_login_limits(t->loc) && t->tgt.op
        && t->tgt.op->cost == AE_COST_LOGIN && !t->tgt.op->outside
        && (t->tgt.kind == AE_TGT_GRPC || t->tgt.method == AE_M_POST);
}

/* |c| as a line of configuration, for what is said to the client. */
static enum ae_step_ret take(ae_txn *t, const struct ae_rate_conf *c,
                             const char *name, enum kind kind, ae_str key)
{
    struct ae_limit_conf *l = ae_nalloc(&t->a, 1, sizeof *l);
    struct ae_rate r = { .step_ns = c->step_ns };
    uint64_t tag = ae_limit_key(t, (uint64_t)kind, key);
    struct ae_taken k;

    if (!l)
        return AE_STEP_MORE; /* the arena has failed: 500 */
    l->name = ae_cs(name);
    l->who.cls = AE_WC_LOGIN;
    l->rate = *c;
    r.burst_ns = r.free_ns = c->burst * c->step_ns;
    ae_gcra_take(&t->e->logins, tag, &r, 1, ae_limit_now(t), &k);
    if (k.verdict == AE_GCRA_PASSED) {
        ae_limit_spend(t, tag, &r, 1, true);
        ae_count_limited(t, l->who.cls, AE_LIMITED_PASSED);
        return AE_STEP_MORE;
    }
    if (k.full)
        ae_count(t->e, AE_N_limit_full);
    ae_count(t->e, AE_N_login_rejected);
    return ae_limit_refuse(t, l, k.full ? "too many callers log in"
                           : "too many attempts to log in", k.wait_ns);
}

/* SessionCreateRequest: 1 username, 2 password, 3 token (session.proto).  Of
 * a field that comes twice the last counts. */
static bool grpc_user(ae_str b, ae_str *user)
{
    size_t at = 5, len;

    if (b.n < 5 || b.p[0] != 0)
        return false; /* compressed */
    *user = AE_STR("");
    len = (size_t)(unsigned char)b.p[1] << 24
        | (size_t)(unsigned char)b.p[2] << 16
        | (size_t)(unsigned char)b.p[3] << 8 | (unsigned char)b.p[4];
    if (len > b.n - 5)
        return false;
    for (b.n = 5 + len; at < b.n;) {
        unsigned tag = (unsigned char)b.p[at++];
        size_t n = 0, shift = 0;

        if ((tag & 7) != 2 || tag >= 0x80)
            return false; /* nothing that Argo CD's own clients write */
        do {
            if (at >= b.n || shift > 21)
                return false;
            n |= ((size_t)b.p[at] & 0x7f) << shift;
            shift += 7;
        } while ((unsigned char)b.p[at++] & 0x80);
        if (n > b.n - at)
            return false;
        if (tag >> 3 == 1)
            *user = ae_s(b.p + at, n);
        at += n;
    }
    return true;
}

/* False: Argo CD may read a name there that we do not. */
static bool user_of(ae_txn *t, ae_str *user)
{
    struct ae_err err = { 0 };
    json_t *o;
    bool ok;

    if (!t->body_done || t->body_big)
        return false;
    if (t->tgt.kind == AE_TGT_GRPC)
        return grpc_user(ae_buf_str(&t->body), user);
    o = ae_json_parse(ae_buf_str(&t->body), 16, &err);
    ok = json_is_object(o) && ae_body_keys(o, 0) != AE_KEYS_CLASH;
    if (ok && ae_body_member(o, AE_STR("username")).n)
        *user = ae_dup(&t->a, ae_body_member(o, AE_STR("username")));
    json_decref(o);
    return ok;
}

static enum ae_step_ret ask_body(ae_txn *t)
{
    if (!t->body.a)
        ae_buf_init(&t->body, &t->a, BODY_MAX);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_BODY;
    t->act.body.max = BODY_MAX;
    return AE_STEP_ACT;
}

/* What cannot be read is one name: nobody escapes by an odd spelling. */
static enum ae_step_ret by_user(ae_txn *t)
{
    ae_str user = AE_STR("");
    bool ok = user_of(t, &user);

    /* Without a name there is none to protect: a token is being exchanged,
     * or Argo CD refuses. */
    if (ok && !user.n)
        return AE_STEP_MORE;
    return take(t, &t->loc->login_limit->user, "login-user",
                ok ? BY_USER : BY_UNREADABLE, user);
}

enum ae_step_ret ae_step_limit_login(ae_txn *t)
{
    const struct ae_login_conf *c = t->loc->login_limit;
    char addr[32];

    if (!is_login(t))
        return AE_STEP_MORE;
    ae_trace(t, "limit");
    if (!t->limit_login && c->address.step_ns) {
        t->limit_login = true;
        if (take(t, &c->address, "login-address", BY_ADDRESS,
                 ae_limit_addr(t->req->peer, false, addr)) == AE_STEP_ACT)
            return AE_STEP_ACT;
    }
    if (!c->user.step_ns || t->loc->mode == AE_MODE_SHADOW)
        return AE_STEP_MORE; /* shadow reads no bodies */
    if (t->req->has_body && !t->body_done
        && t->req->content_length <= BODY_MAX)
        return ask_body(t);
    return by_user(t);
}
