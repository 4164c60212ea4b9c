/*
 * limit_webhook.c - the shield of /api/webhook, which takes anything from
 * anybody (CVE-2024-40634, CVE-2025-59531): a cap on the body, a rate by
 * address, and the signature, checked before Argo CD sees it.
 *
 * What a wrong signature is answered, in which order Argo CD looks at the
 * headers, and what it reads of a push is util/webhook/webhook.go and scm.go of
 * Argo CD 3.6.
 */
#include "edge/edge.h"

#include <openssl/evp.h>

/* What came of the signature.  Zero refuses nothing and vouches for nothing:
 * Argo CD looks at it as well. */
enum sig { SIG_UNKNOWN = 0, SIG_GOOD, SIG_BAD };

struct hook {
    enum sig    sig;
    const char *error; /* BAD: why */
    const char *const *push; /* where it says what was pushed, or NULL */
};

/* Repository, reference, what it was moved from and to: what Argo CD acts upon.
 * Of many changes in one push (Bitbucket, Azure) it takes the first; we only
 * know pushes of one, and take others by their bytes. */
static const char *const push_github[] = {
    "repository.html_url", "ref", "before", "after",
};
static const char *const push_gitlab[] = {
    "project.web_url", "ref", "before", "after",
};
static const char *const push_bitbucket[] = {
    "repository.links.html.href", "push.changes.[].new.name",
    "push.changes.[].old.target.hash", "push.changes.[].new.target.hash",
};
static const char *const push_bitbucket_server[] = {
    "repository.links.clone.[0].href", "changes.[].ref.id",
    "changes.[].fromHash", "changes.[].toHash",
};
static const char *const push_azure[] = {
    "resource.repository.remoteUrl", "resource.refUpdates.[].name",
    "resource.refUpdates.[].oldObjectId", "resource.refUpdates.[].newObjectId",
};

static ae_str header(const ae_txn *t, enum ae_hdr h)
{
    return t->req->hdr[h];
}

/* A secret that refers to another object is not in our hands. */
static ae_str secret(const ae_txn *t, enum ae_hook_secret k)
{
    ae_str s = t->snap->in.hook[k];

    return s.n && s.p[0] != '$' ? s : ae_s(NULL, 0);
}

/* Of equal length in constant time; the length of a secret is no secret. */
static bool same(ae_str a, ae_str b)
{
    return a.n == b.n && (a.n == 0 || ae_ct_eq(a.p, b.p, a.n));
}

static void bad(struct hook *h, const char *error)
{
    h->sig = SIG_BAD;
    h->error = error;
}

static void check_mac(ae_txn *t, ae_str key, ae_str mac, struct hook *h)
{
    unsigned char sum[32];
    char hex[64];

    ae_hmac256_plain(key, ae_buf_str(&t->body), sum);
    ae_hex(sum, sizeof sum, hex);
    if (same(mac, ae_s(hex, sizeof hex)))
        h->sig = SIG_GOOD;
    else
        bad(h, "HMAC verification failed");
}

/* "Basic " and base64 of user:password, as Go's BasicAuth reads it. */
static bool basic(ae_txn *t, ae_str user, ae_str password)
{
    ae_str auth = header(t, AE_H_AUTHORIZATION), in, name, rest, got;
    unsigned char *out;
    int n;

    if (!ae_ieq(ae_sub(auth, 0, 6), AE_STR("Basic ")))
        return false;
    in = ae_sub(auth, 6, auth.n);
    if (in.n == 0 || in.n % 4 || in.n > 4096)
        return false;
    out = ae_alloc(&t->a, in.n);
    if (!out)
        return false;
    n = EVP_DecodeBlock(out, (const unsigned char *)in.p, (int)in.n);
    for (size_t i = in.n; n > 0 && i-- > in.n - 2 && in.p[i] == '=';)
        n--; /* EVP counts the padding */
    if (n < 0)
        return false;
    got = ae_s((const char *)out, (size_t)n);
    rest = ae_cut(got, ':', &name);
    return rest.p && (int)same(name, user) & (int)same(rest, password);
}

/* ---- the providers, in Argo CD's order ----------------------------------- */

static void azure(ae_txn *t, struct hook *h)
{
    ae_str user = t->snap->in.hook[AE_HOOK_AZURE_USER];
    ae_str password = t->snap->in.hook[AE_HOOK_AZURE_PASSWORD];

    h->push = push_azure;
    if ((!user.n && !password.n) || (user.n && user.p[0] == '$')
        || (password.n && password.p[0] == '$'))
        return;
    if (basic(t, user, password))
        h->sig = SIG_GOOD;
    else
        bad(h, "basic auth verification failed");
}

static void gogs(ae_txn *t, struct hook *h)
{
    ae_str key = secret(t, AE_HOOK_GOGS);
    ae_str mac = header(t, AE_H_GOGS_SIGNATURE);

    h->push = push_github;
    if (!key.n || !ae_eq_lit(header(t, AE_H_GOGS_EVENT), "push"))
        return;
    if (!mac.n)
        bad(h, "missing X-Gogs-Signature Header");
    else
        check_mac(t, key, mac, h);
}

static void github(ae_txn *t, struct hook *h)
{
    ae_str key = secret(t, AE_HOOK_GITHUB);
    ae_str event = header(t, AE_H_GITHUB_EVENT);
    ae_str mac = header(t, AE_H_HUB_SIGNATURE_256);

    h->push = ae_eq_lit(event, "push") ? push_github : NULL;
    if (!key.n || (!h->push && !ae_eq_lit(event, "ping")))
        return;
    if (!mac.n) {
        bad(h, "missing X-Hub-Signature-256 Header");
        return;
    }
    if (ae_starts(mac, AE_STR("sha256=")))
        mac = ae_sub(mac, 7, mac.n);
    if (mac.n < 6)
        bad(h, "Invalid Github signature");
    else
        check_mac(t, key, mac, h);
}

static void gitlab(ae_txn *t, struct hook *h)
{
    ae_str key = secret(t, AE_HOOK_GITLAB);

    h->push = push_gitlab;
    if (!key.n)
        return;
    if (same(header(t, AE_H_GITLAB_TOKEN), key))
        h->sig = SIG_GOOD;
    else
        bad(h, "X-Gitlab-Token validation failed");
}

static void bitbucket(ae_txn *t, struct hook *h)
{
    ae_str key = secret(t, AE_HOOK_BITBUCKET_UUID);

    h->push = push_bitbucket;
    if (!key.n || !header(t, AE_H_EVENT_KEY).n)
        return;
    if (same(header(t, AE_H_HOOK_UUID), key))
        h->sig = SIG_GOOD;
    else
        bad(h, "UUID verification failed");
}

static void bitbucket_server(ae_txn *t, struct hook *h)
{
    ae_str key = secret(t, AE_HOOK_BITBUCKET_SERVER);
    ae_str mac = header(t, AE_H_HUB_SIGNATURE);

    h->push = push_bitbucket_server;
    if (!key.n
        || !ae_eq_lit(header(t, AE_H_EVENT_KEY), "repo:refs_changed"))
        return;
    if (!mac.n)
        bad(h, "missing X-Hub-Signature Header");
    else
        check_mac(t, key, ae_sub(mac, 7, mac.n), h);
}

static void (*provider(const ae_txn *t))(ae_txn *, struct hook *)
{
    static const struct { enum ae_hdr h; void (*fn)(ae_txn *, struct hook *); }
    order[] = {
        { AE_H_VSS_ACTIVITYID, azure }, { AE_H_GOGS_EVENT, gogs },
        { AE_H_GITHUB_EVENT, github }, { AE_H_GITLAB_EVENT, gitlab },
        { AE_H_HOOK_UUID, bitbucket }, { AE_H_EVENT_KEY, bitbucket_server },
    };

    /* Of a header that came twice Argo CD takes the first, httpd shows us
     * both as one: not ours to judge. */
    for (int h = AE_H_VSS_ACTIVITYID; h <= AE_H_EVENT_KEY; h++)
        if (t->req->hdr_dup & (1u << h))
            return NULL;
    if (t->req->hdr_dup & (1u << AE_H_AUTHORIZATION))
        return NULL;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (t->req->hdr[order[i].h].n)
            return order[i].fn;
    return NULL;
}

/* ---- the same push again ------------------------------------------------- */

static struct ae_rate repeat_rate(const ae_txn *t)
{
    int64_t ns = t->loc->webhook->repeat_ms * 1000000;

    return (struct ae_rate){ ns, ns, ns };
}

/* By what was pushed; of bodies that do not say it, the whole body. */
static uint64_t push_tag(ae_txn *t, const struct hook *h)
{
    ae_str body = ae_buf_str(&t->body), f[4];
    unsigned char sum[32];

    if (h->push) {
        for (int i = 0; i < 4; i++)
            f[i] = ae_json_at(&t->a, body, h->push[i]);
        if (f[0].n && f[1].n && f[3].n) {
            ae_hmac256(AE_STR("push"), f, 4, sum);
            return ae_limit_key(t, 5, ae_s((const char *)sum, 32));
        }
    }
    ae_sha256(body, sum);
    return ae_limit_key(t, 6, ae_s((const char *)sum, 32));
}

static enum ae_step_ret repeated(ae_txn *t, const struct hook *h)
{
    struct ae_rate r = repeat_rate(t);
    struct ae_taken k;
    uint64_t tag = push_tag(t, h);

    ae_gcra_take(&t->e->limiter, tag, &r, 1, ae_limit_now(t), &k);
    if (k.verdict == AE_GCRA_PASSED) {
        t->hook_tag = tag;
        return AE_STEP_MORE;
    }
    t->reason = "the same push again";
    ae_count(t->e, AE_N_webhook_repeated);
    /* what Argo CD says when it has put a push into its queue */
    return ae_reply_body(t, 200, ae_s(NULL, 0), AE_STR(""));
}

/* Argo CD has it: now other edges may answer the same. */
static void tell(ae_txn *t, int64_t ns)
{
    char text[AE_EDGES_BOOKED_MAX];

    if (ae_edges_live(&t->e->edges, ae_limit_now(t)))
        ae_edges_tell(&t->e->edges, ae_edges_booked(t->hook_tag, ns, text));
}

void ae_webhook_answered(ae_txn *t, int status)
{
    struct ae_rate r;

    if (!t->hook_tag)
        return;
    r = repeat_rate(t);
    if (status >= 200 && status < 300)
        tell(t, r.step_ns);
    else
        ae_gcra_give(&t->e->limiter, t->hook_tag, &r, 1);
    t->hook_tag = 0;
}

/* ---- the step ------------------------------------------------------------ */

static enum ae_step_ret too_big(ae_txn *t)
{
    ae_count(t->e, AE_N_webhook_too_big);
    if (ae_limit_dry(t))
        return AE_STEP_MORE;
    t->reason = "webhook over its cap";
    return ae_reply_error(t, 413, 8, AE_STR("the webhook's payload is too"
                                            " large"));
}

static bool from_elsewhere(const ae_txn *t)
{
    const struct ae_webhook_conf *c = t->loc->webhook;

    return c->nfrom && !ae_in_net(c->from, c->nfrom, t->req->peer);
}

/* Nobody who may come is told anything by it. */
static enum ae_step_ret elsewhere(ae_txn *t)
{
    ae_count(t->e, AE_N_webhook_source);
    if (ae_limit_dry(t))
        return AE_STEP_MORE;
    t->reason = "webhook from elsewhere";
    return ae_reply_error(t, 403, 7, AE_STR("webhooks are not taken from this"
                                            " address"));
}

static enum ae_step_ret wrong(ae_txn *t, const struct hook *h)
{
    ae_count(t->e, AE_N_webhook_bad_signature);
    if (ae_limit_dry(t))
        return AE_STEP_MORE;
    t->reason = h->error;
    return ae_reply_body(t, 400, AE_STR("text/plain; charset=utf-8"),
                         AE_STR("Webhook processing failed\n"));
}

static enum ae_step_ret by_address(ae_txn *t)
{
    const struct ae_webhook_conf *c = t->loc->webhook;
    struct ae_rate r = { .step_ns = c->rate.step_ns };
    struct ae_limit_conf *l = ae_nalloc(&t->a, 1, sizeof *l);
    struct ae_taken k;
    char addr[32];
    uint64_t tag;

    if (!l)
        return AE_STEP_MORE; /* the arena has failed: 500 */
    l->name = AE_STR("webhook");
    l->who.cls = AE_WC_WEBHOOK;
    l->rate = c->rate;
    r.burst_ns = r.free_ns = c->rate.burst * c->rate.step_ns;
    tag = ae_limit_key(t, 4, ae_limit_addr(t->req->peer, false, addr));
    ae_gcra_take(&t->e->limiter, tag, &r, 1, ae_limit_now(t), &k);
    if (k.verdict == AE_GCRA_PASSED) {
        ae_limit_spend(t, tag, &r, 1, false);
        ae_count_limited(t, l->who.cls, AE_LIMITED_PASSED);
        return AE_STEP_MORE;
    }
    ae_count(t->e, AE_N_webhook_rejected);
    return ae_limit_refuse(t, l, "rate limit exceeded", k.wait_ns);
}

static enum ae_step_ret read_body(ae_txn *t, int64_t max)
{
    if (!t->body.a)
        ae_buf_init(&t->body, &t->a, (size_t)max);
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_BODY;
    t->act.body.max = (size_t)max;
    return AE_STEP_ACT;
}

enum ae_step_ret ae_step_limit_webhook(ae_txn *t)
{
    const struct ae_webhook_conf *c = t->loc->webhook;
    void (*check)(ae_txn *, struct hook *);
    struct hook h = { SIG_UNKNOWN, NULL, NULL };

    if (!c || !t->tgt.op || t->tgt.op->cost != AE_COST_WEBHOOK)
        return AE_STEP_MORE;
    ae_trace(t, "limit");
    if (!t->body_done && from_elsewhere(t) && elsewhere(t) == AE_STEP_ACT)
        return AE_STEP_ACT;
    if (!t->body_done && c->rate.step_ns && by_address(t) == AE_STEP_ACT)
        return AE_STEP_ACT;
    if (!c->max_body || !t->req->has_body || t->tgt.method != AE_M_POST)
        return AE_STEP_MORE;
    if (t->req->content_length > c->max_body || t->body_big)
        return too_big(t);
    check = c->signatures ? provider(t) : NULL;
    if (t->loc->mode == AE_MODE_SHADOW)
        return AE_STEP_MORE; /* reads no bodies */
    if (!t->body_done && (check || t->req->content_length < 0))
        return read_body(t, c->max_body);
    if (!check || !t->body.n)
        return AE_STEP_MORE;
    check(t, &h);
    if (h.sig == SIG_BAD)
        return wrong(t, &h);
    if (h.sig == SIG_GOOD && c->repeat_ms && !ae_limit_dry(t))
        return repeated(t, &h);
    return AE_STEP_MORE;
}
