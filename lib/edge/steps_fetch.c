/*
 * steps_fetch.c - NEED_FETCH: a part of an application does not say which
 * project it belongs to.  If neither the request nor an earlier answer does,
 * Argo CD may be asked, with the caller's own credential (design 4.4).
 *
 * What is learnt confirms storing, never a refusal: Argo CD checks other
 * things first, and an application can have moved.
 */
#include "edge/edge.h"
#include "edge/keys.h"

#define FETCH_ID 1 /* there is at most one a transaction */

/* DNS-1123: no object of Kubernetes has another name, and these characters
 * need no escape, so that the target is canonical (T2). */
static bool dns_name(ae_str s, size_t max)
{
    if (s.n == 0 || s.n > max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');

        if (!alnum && (i == 0 || i + 1 == s.n || (c != '-' && c != '.')))
            return false;
    }
    return true;
}

static bool wanted(const ae_txn *t)
{
    const struct ae_op *op = t->tgt.op;

    if (t->loc->lookup <= 0 || t->loc->mode != AE_MODE_ENFORCE
        || !t->store_wanted || t->fetch_done || t->who != AE_WHO_TOKEN
        || !t->id->confirmed)
        return false;
    /* Get itself shows what a look-up would. */
    return op->cache == AE_CC_OBJECT
        && ae_starts(ae_cs(op->name), AE_STR("ApplicationService_"))
        && !ae_eq(ae_cs(op->name), AE_STR("ApplicationService_Get"));
}

static ae_str target(ae_txn *t, const struct ae_object *o)
{
    ae_buf b;

    ae_buf_init(&b, &t->a, 0);
    ae_buf_put(&b, t->snap->route.root_path);
    ae_buf_puts(&b, "/api/v1/applications/");
    ae_buf_put(&b, o->name);
    if (!ae_eq(o->ns, t->snap->route.ns)) {
        ae_buf_puts(&b, "?appNamespace=");
        ae_buf_put(&b, o->ns);
    }
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

/* T4: the one credential that was decided, and what is meant for a proxy
 * behind us. */
void ae_fetch_credential(ae_txn *t)
{
    ae_buf b;

    if (!t->cred.strip_auth)
        t->act.fetch.authorization = t->req->hdr[AE_H_AUTHORIZATION];
    if (t->cred.source != AE_CRED_COOKIE)
        return;
    ae_buf_init(&b, &t->a, 0);
    ae_buf_puts(&b, "argocd.token=");
    ae_buf_put(&b, t->cred.token);
    if (b.bad)
        t->a.failed = true;
    else
        t->act.fetch.cookie = ae_buf_str(&b);
}

enum ae_step_ret ae_step_fetch(ae_txn *t)
{
    struct ae_object o;

    if (t->act.kind == AE_NEED_FETCH)
        return AE_STEP_ACT; /* stepped again before the answer came */
    if (ae_list_fetch(t) == AE_STEP_ACT)
        return AE_STEP_ACT;
    if (!wanted(t))
        return AE_STEP_MORE;
    ae_learn_request(t, &o);
    if (o.known || !dns_name(o.name, 253) || !dns_name(o.ns, 63))
        return AE_STEP_MORE;
    ae_trace(t, "fetch");
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_NEED_FETCH;
    t->act.fetch.id = FETCH_ID;
    t->act.fetch.target = target(t, &o);
    if (!t->act.fetch.target.p)
        t->a.failed = true;
    ae_fetch_credential(t);
    return AE_STEP_ACT;
}

/* Anything but the whole manifest of this very application teaches nothing:
 * the request then goes on as without a look-up. */
static void teach(ae_txn *t, int status, ae_str ctype, ae_str body)
{
    struct ae_admit_in in = {
        .status = status, .ctype = ctype, .content_length = -1,
    };
    struct ae_object o = { .known = false };

    if (ae_cache_admit(&in) || ae_cache_admit_body(body))
        return;
    ae_learn_application(t, body, &o);
    if (!o.known || t->a.failed)
        return;
    /* The table of hints may be full, or the name too long for it. */
    t->fetched = ae_dup(&t->a, o.project);
    ae_learn_hint(t, &o);
}

int ae_txn_fetched(ae_txn *t, uint32_t id, int status, ae_str ctype,
                   ae_str body, unsigned flags)
{
    bool whole = (flags & AE_BODY_LAST) && !(flags & AE_BODY_TOO_BIG);

    if (t->done || t->act.kind != AE_NEED_FETCH)
        return AE_E_STATE;
    if (id != t->act.fetch.id)
        return AE_E_INVAL;
    memset(&t->act, 0, sizeof t->act); /* answered */
    if (ae_keys_fetched(t, id, status, body, whole))
        return AE_OK;
    if (id == AE_PROBE_ID) {
        t->probe_done = true;
        ae_probe_answered(t, whole ? status : 0, ctype, body);
        return AE_OK;
    }
    if (id == AE_LIST_ID) {
        ae_list_fetch_answered(t, whole ? status : 0, ctype, body);
        return AE_OK;
    }
    t->fetch_done = true;
    if (whole)
        teach(t, status, ctype, body);
    return AE_OK;
}
