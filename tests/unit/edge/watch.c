/* watch.c - how long a stream may go on (R25), by a clock that the test
 * moves. */
#include "fixture.h"

#define EVENTS "/api/v1/stream/applications"

struct open { struct fx_call c; ae_heap heap; ae_txn *t; };

static void begin(struct fx *f, struct open *o, struct fx_req q)
{
    struct ae_resp_edit edit;
    struct ae_resp resp = { .status = 200, .content_length = -1,
                            .ctype = AE_STR("application/json") };
    struct ae_act act;

    memset(o, 0, sizeof *o);
    fx_fill(f, &q, &o->c);
    o->t = ae_txn_begin(f->e, &f->loc, &o->c.req, ae_heap_mem(&o->heap));
    ae_txn_step(o->t, &act);
    tap_ok(act.kind == AE_FORWARD, "%s is forwarded", q.target);
    ae_txn_response(o->t, &resp, &edit);
}

static void end(struct open *o)
{
    ae_txn_end(o->t);
    ae_heap_free(&o->heap);
}

#define GET(who, path) (struct fx_req){ .user = (who), .target = (path) }

int main(void)
{
    struct open o, p;
    struct fx f;

    fx_open(&f);
    begin(&f, &o, GET("alice", "/api/v1/clusters"));
    tap_ok(ae_txn_watch(o.t) == 0, "an ordinary answer needs no watch");
    end(&o);

    begin(&f, &o, GET("alice", EVENTS));
    tap_ok(ae_txn_watch(o.t) > 0, "a stream does");
    fx_pass(&f, 90 * 86400000LL);
    tap_ok(ae_txn_watch(o.t) > 0, "as long as it likes");
    f.loc.stream_max_ms = 60000;
    begin(&f, &p, GET("alice", EVENTS));
    fx_pass(&f, 59999);
    tap_ok(ae_txn_watch(p.t) > 0, "not yet a minute");
    fx_pass(&f, 1);
    tap_ok(ae_txn_watch(p.t) < 0 && ae_txn_watch(o.t) < 0, "a minute");
    tap_ok(ae_counter_value(f.e, AE_N_stream_cut) == 2, "counted once each");
    end(&o);
    end(&p);
    f.loc.stream_max_ms = 0;

    begin(&f, &o, GET("alice", EVENTS));
    fx_write(&f, "argocd-cm", "accounts.alice.enabled", "false");
    for (int i = 0; i < 2; i++) {
        fx_pass(&f, 1000);
        ae_engine_tick(f.e);
    }
    f.loc.mode = AE_MODE_SHADOW;
    tap_ok(ae_txn_watch(o.t) == 0, "shadow mode cuts nothing");
    f.loc.mode = AE_MODE_ENFORCE;
    tap_ok(ae_txn_watch(o.t) < 0 && ae_txn_watch(o.t) < 0,
           "within two polls of the change");
    end(&o);
    fx_close(&f);
    return tap_done();
}
