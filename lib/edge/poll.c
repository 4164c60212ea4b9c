/*
 * poll.c - input files change while we serve: stat once a second, rebuild,
 * swap (R32).  Whatever is wrong keeps the last good snapshot (T14, F18).
 */
#include "edge/edge.h"

/* Log each distinct error once, not once a second. */
static void poll_failed(ae_engine *e, const struct ae_err *err)
{
    char text[1024];
    uint64_t h;

    ae_err_str(err, text, sizeof text);
    h = ae_hash64(ae_cs(text), 1);
    if (h == e->bad_hash)
        return;
    e->bad_hash = h;
    ae_count(e, AE_N_reload_failed);
    ae_edge_log(e, AE_LOG_ERROR,
                "argo-edge: inputs not loaded, keeping %s: %s",
                ae_snapshot_id(e->snap), text);
}

static void poll_publish(ae_engine *e, ae_snapshot *s)
{
    e->bad_hash = 0;
    ae_count(e, AE_N_reload);
    ae_edge_log(e, AE_LOG_NOTICE, "argo-edge: snapshot %s replaces %s",
                ae_snapshot_id(s), ae_snapshot_id(e->snap));
    ae_edge_publish(e, s);
}

/* F18: a policy that becomes empty is more often half a deployment than a
 * wish.  It has to be empty at two polls running. */
static bool poll_held(ae_engine *e)
{
    ae_snapshot *s = e->held;

    if (!s)
        return false;
    e->held = NULL;
    if (ae_inputs_changed(s->src)) {
        ae_snapshot_unref(s);
        return false;
    }
    poll_publish(e, s);
    return true;
}

void ae_edge_poll(ae_engine *e)
{
    struct ae_err err = { 0 };
    ae_snapshot *s = NULL;

    if (poll_held(e) || !e->snap->src || !ae_inputs_changed(e->snap->src))
        return;
    if (ae_snapshot_build(e->conf, &s, &err)) {
        poll_failed(e, &err);
        return;
    }
    if (s->empty && !e->snap->empty) {
        e->held = s;
        ae_count(e, AE_N_reload_failed);
        ae_edge_log(e, AE_LOG_ERROR, "argo-edge: policy.csv has become empty;"
                    " keeping %s for one more poll. If that is meant, do"
                    " nothing.", ae_snapshot_id(e->snap));
        return;
    }
    poll_publish(e, s);
}
