/* board.c, metrics.c - what is counted, kept, and shown. */
#include "fixture.h"
#include "edge/board.h"

static bool has(ae_str text, const char *part)
{
    return ae_find_str(text, ae_cs(part)) != SIZE_MAX;
}

static void rings(void)
{
    struct ae_board b;
    struct ae_event e, got;
    size_t n;

    memset(&e, 0, sizeof e);
    tap_ok(ae_board_open(&b, NULL, 0, false) == 0 && b.own,
           "a board of its own");
    tap_ok(!ae_board_event(&b, 0, 0, &got), "is empty");
    n = b.nevent[0];
    for (size_t i = 0; i < n + 3; i++) {
        e.status = (uint16_t)i;
        memset(e.subject, 'x', sizeof e.subject); /* no NUL */
        ae_board_record(&b, 0, &e);
    }
    tap_ok(ae_board_event(&b, 0, 0, &got) && got.status == n + 2,
           "the newest first");
    tap_ok(strlen(got.subject) == sizeof got.subject - 1,
           "texts end, whatever lies there");
    tap_ok(ae_board_event(&b, 0, n - 1, &got) && got.status == 3,
           "the oldest that is left");
    tap_ok(!ae_board_event(&b, 0, n, &got), "and no older one");
    tap_ok(!ae_board_event(&b, 1, 0, &got), "the other ring is another");
    /* a writer that was killed */
    atomic_store(&b.event[0][(n + 2) % n].seq, 2 * (n + 2) + 1);
    tap_ok(!ae_board_event(&b, 0, 0, &got)
           && ae_board_event(&b, 0, 1, &got), "half an event is none");
    ae_board_record(&b, 0, &e);
    tap_ok(ae_board_event(&b, 0, 0, &got), "and holds nobody up");
    ae_board_close(&b);
}

static void shared(void)
{
    struct ae_zone_conf c = { .size = 0 };
    struct ae_board a, b, other;
    ae_zone *z = NULL;
    uint64_t *head;
    size_t n;

    if (ae_zone_open(&c, &z, NULL, NULL))
        exit(EXIT_FAILURE);
    tap_ok(ae_board_open(&a, z, 0, false) == 0 && !a.own
           && ae_board_open(&b, z, 1, false) == 0 && !b.own
           && a.stripe == b.stripe, "two processes, one board");
    atomic_fetch_add(&a.mine->count[AE_N_requests], 2);
    atomic_fetch_add(&b.mine->count[AE_N_requests], 3);
    tap_ok(ae_board_sum(&a, AE_N_requests) == 5
           && ae_board_sum(&b, AE_N_requests) == 5, "the sum is everybody's");
    head = ae_zone_section(z, AE_ZONE_COUNTERS, 64, &n);
    head[0] ^= 2;
    tap_ok(ae_board_open(&other, z, 0, false) == 0 && other.own,
           "another version's numbers are left alone");
    ae_board_close(&other);
    ae_board_close(&a);
    ae_board_close(&b);
    ae_zone_close(z);
}

/* A process of one thread counts in a stripe that is nobody else's. */
static void alone(void)
{
    struct ae_zone_conf c = { .size = 0 };
    struct ae_board a, b, late;
    ae_zone *z = NULL;

    if (ae_zone_open(&c, &z, NULL, NULL))
        exit(EXIT_FAILURE);
    ae_board_open(&a, z, 7, true);
    ae_board_open(&b, z, 9, true);
    tap_ok(a.alone && b.alone && a.mine != b.mine, "one each");
    ae_add64(&a.mine->count[AE_N_requests], 2, a.alone);
    ae_add64(&b.mine->count[AE_N_requests], 3, b.alone);
    tap_ok(ae_board_sum(&a, AE_N_requests) == 5, "both are counted");
    for (uint64_t i = 0; i < AE_STRIPES_MAX; i++) {
        ae_board_open(&late, z, i, false);
        tap_ok(!late.alone && late.mine != a.mine && late.mine != b.mine,
               "nobody with threads is let in");
        ae_board_close(&late);
    }
    do
        ae_board_open(&late, z, 2 * a.nstripe + 1, true);
    while (late.alone && late.mine != a.mine);
    tap_ok(!late.alone && late.mine != a.mine, "more than there are share");
    /* a, which has died long ago: its place is given away */
    atomic_store(&a.mine->alive_ns, 0);
    ae_board_open(&late, z, 11, true);
    tap_ok(late.alone && late.mine == a.mine, "the place of a dead one");
    ae_board_tick(&a);
    tap_ok(!a.alone && a.mine != late.mine, "who comes back moves away");
    ae_board_tick(&b);
    tap_ok(b.alone, "who is alive stays");
    ae_board_close(&late);
    ae_board_open(&late, z, 13, true);
    tap_ok(late.alone, "what was closed is free again");
    ae_board_close(&a);
    ae_board_close(&b);
    ae_zone_close(z);
}

static void histograms(void)
{
    static const int64_t bound[AE_BUCKETS] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
                                               11, 12, 13, 14 };
    struct ae_hist h;

    memset(&h, 0, sizeof h);
    ae_hist_add(&h, bound, 1, false);
    ae_hist_add(&h, bound, 2, true);
    ae_hist_add(&h, bound, 99, false);
    ae_hist_add(&h, bound, -5, false); /* a clock that was set back */
    tap_ok(atomic_load(&h.bucket[0]) == 2 && atomic_load(&h.bucket[1]) == 1
           && atomic_load(&h.bucket[AE_BUCKETS]) == 1
           && atomic_load(&h.us) == 102, "bounds are inclusive");
}

static void text(struct fx *f)
{
    ae_heap heap = { 0 };
    ae_arena a;
    ae_buf b;
    ae_str s;

    fx_get(f, "bob", "/api/v1/projects/teama");
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    ae_buf_init(&b, &a, 0);
    ae_metrics(f->e, ae_engine_snapshot(f->e), false, &b);
    s = ae_buf_str(&b);
    tap_ok(!b.bad && has(s, "# TYPE argo_edge_requests_total counter\n"),
           "text format");
    tap_ok(has(s, "argo_edge_requests_total 1\n"), "counted");
    tap_ok(has(s, "argo_edge_decision_duration_seconds_bucket{le=\"0.000001"
                  "\"}") && has(s, "le=\"+Inf\"} 1\n"), "a histogram");
    tap_ok(!has(s, "# EOF"), "without an end");
    tap_ok(has(s, "argo_edge_decisions_total{resource=\"projects\",action="
                  "\"get\",result=\"deny\",token_kind=\"apikey\"} 1\n"),
           "by operation, result and token");
    ae_buf_init(&b, &a, 0);
    ae_metrics(f->e, ae_engine_snapshot(f->e), true, &b);
    s = ae_buf_str(&b);
    tap_ok(has(s, "# TYPE argo_edge_requests counter\n")
           && ae_ends(s, AE_STR("# EOF\n")), "OpenMetrics");
    ae_buf_init(&b, &a, 500);
    ae_metrics(f->e, ae_engine_snapshot(f->e), false, &b);
    tap_ok(b.bad, "no room is no metrics, not half of them");
    ae_heap_free(&heap);
}

int main(void)
{
    struct fx f;

    rings();
    shared();
    alone();
    histograms();
    fx_open(&f);
    text(&f);
    fx_close(&f);
    return tap_done();
}
