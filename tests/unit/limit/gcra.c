/* gcra.c - the rate limiter under a clock of the test's own. */
#include "limit/gcra.h"
#include "../tap.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define S INT64_C(1000000000)

static const uint64_t seed[2] = { 0x1234567890abcdef, 0xfedcba0987654321 };
static struct ae_gcra_slot memory[4096] __attribute__((aligned(64)));

static void fresh(struct ae_gcra *g, size_t slots, bool refuse)
{
    memset(memory, 0, sizeof(memory));
    ae_gcra_init(g, memory, slots * sizeof(memory[0]), refuse);
}

static struct ae_rate rate(int64_t per_s, int64_t burst)
{
    struct ae_rate r = { .step_ns = S / per_s };

    r.burst_ns = r.free_ns = burst * r.step_ns;
    return r;
}

static uint64_t tag(const char *key)
{
    return ae_gcra_tag(seed, 7, ae_cs(key));
}

/* Offer |times| the rate for |secs|; how many pass? */
static int64_t offer(const struct ae_gcra *g, const struct ae_rate *r,
                     uint64_t key, int times, int secs, int64_t start,
                     uint32_t units)
{
    int64_t gap = r->step_ns / times, passed = 0;
    struct ae_taken k;

    for (int64_t t = start; t < start + secs * S; t += gap) {
        ae_gcra_take(g, key, r, units, t, &k);
        passed += k.verdict == AE_GCRA_PASSED;
    }
    return passed;
}

static void accuracy(void)
{
    static const struct { int64_t rate, burst; int secs; uint32_t units; }
    c[] = { { 100, 50, 30, 1 }, { 100, 1, 30, 1 }, { 7, 20, 30, 1 },
            { 3000, 1000, 30, 1 }, { 1, 5, 300, 1 }, { 100, 50, 30, 5 } };
    struct ae_gcra g;

    for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        struct ae_rate r = rate(c[i].rate, c[i].burst);
        int64_t got, want = (c[i].rate * c[i].secs + c[i].burst) / c[i].units;

        fresh(&g, 4096, false);
        got = offer(&g, &r, tag("alice"), 10, c[i].secs, 1000 * S,
                    c[i].units);
        tap_ok(got >= want - want / 500 - 1 && got <= want + want / 500 + 1,
               "10 times %lld/s for %d s, burst %lld, %u units each: %lld of"
               " %lld pass", (long long)c[i].rate, c[i].secs,
               (long long)c[i].burst, c[i].units, (long long)got,
               (long long)want);
    }
}

/* Interleaved keys, and pauses that fill the burst again. */
static void keys(void)
{
    struct ae_gcra g;
    struct ae_rate r = rate(10, 20);
    struct ae_taken k;
    int64_t t = 5 * S, bad = 0;

    fresh(&g, 4096, false);
    for (int i = 0; i < 100; i++) {
        char name[16];
        int64_t n = 0;

        snprintf(name, sizeof(name), "user%d", i);
        for (int j = 0; j < 30; j++) {
            ae_gcra_take(&g, tag(name), &r, 1, t, &k);
            n += k.verdict == AE_GCRA_PASSED;
        }
        bad += n != 20;
    }
    tap_ok(!bad, "a hundred keys have their own burst each");
    tap_ok(ae_gcra_active(&g, t) == 100 && ae_gcra_active(&g, t + 3 * S) == 0,
           "a hundred are active, none when their time is past");
    ae_gcra_take(&g, tag("user1"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_REFUSED && k.wait_ns == S / 10
           && k.ahead_ns == 2 * S, "refused: one step to wait");
    ae_gcra_take(&g, tag("user1"), &r, 1, t + k.wait_ns, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED, "then it passes");
    ae_gcra_take(&g, tag("user1"), &r, 1, t + 100 * S, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED && k.ahead_ns == S / 10,
           "a pause fills no more than the burst");
    tap_ok(ae_gcra_tag(seed, 1, AE_STR("a")) != ae_gcra_tag(seed, 2,
                                                           AE_STR("a"))
           && ae_gcra_tag(seed, 1, AE_STR("a")) != ae_gcra_tag(
               (const uint64_t[2]){ 1, 2 }, 1, AE_STR("a")),
           "a tag depends on the limit and on the secret");
}

static void odd(void)
{
    struct ae_gcra g;
    struct ae_rate r = rate(10, 20);
    struct ae_taken k;
    int64_t t = 5 * S;

    fresh(&g, 4096, false);
    ae_gcra_take(&g, tag("a"), &r, 1000000, t, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED, "more than the burst passes alone");
    ae_gcra_take(&g, tag("a"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_REFUSED && k.wait_ns <= 3 * S,
           "and keeps the next out, but for a bounded time");
    for (int i = 0; i < 10; i++)
        ae_gcra_charge(&g, tag("b"), &r, 1000, t);
    ae_gcra_take(&g, tag("b"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_REFUSED && k.ahead_ns == 4 * S,
           "a debt is at most a burst beyond the burst");
    ae_gcra_take(&g, tag("c"), &r, 20, t, &k);
    ae_gcra_give(&g, tag("c"), &r, 20);
    ae_gcra_take(&g, tag("c"), &r, 20, t, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED, "what was given back can be taken");
    atomic_store(&memory[0].tat, 0);
    for (size_t i = 0; i < 4096; i++)
        if (atomic_load(&memory[i].tag) == tag("b"))
            atomic_store(&memory[i].tat, (uint64_t)(t + 9000 * S));
    ae_gcra_take(&g, tag("b"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED, "a time that nobody can have booked"
           " does not lock out");
    r.free_ns = 5 * r.step_ns;
    for (int i = 0; i < 6; i++)
        ae_gcra_take(&g, tag("d"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_DELAYED && k.wait_ns == S / 10,
           "beyond what is free: one step later");
    for (int i = 6; i < 20; i++)
        ae_gcra_take(&g, tag("d"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_DELAYED && k.wait_ns == 15 * (S / 10),
           "the last of the burst waits for its turn");
    ae_gcra_take(&g, tag("d"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_REFUSED, "and the next is refused");
    ae_gcra_init(&g, memory, 100, false);
    ae_gcra_take(&g, tag("a"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED, "no table: no limit");
    ae_gcra_init(&g, NULL, 0, true);
    ae_gcra_take(&g, tag("a"), &r, 1, t, &k);
    tap_ok(k.verdict == AE_GCRA_REFUSED && k.full,
           "unless it is one that refuses");
}

/* More keys than room. */
static void crowd(void)
{
    struct ae_gcra g;
    struct ae_rate r = rate(1, 10);
    struct ae_taken k;
    int64_t t = 5 * S, evicted = 0, refused = 0, first = 0;

    fresh(&g, 64, false);
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "u%d", i);
        ae_gcra_take(&g, tag(name), &r, 1, t + i, &k);
        evicted += k.evicted;
        refused += k.verdict == AE_GCRA_REFUSED;
    }
    tap_ok(evicted >= 136 && !refused, "200 keys in 64 slots: %lld lose their"
           " place, none is refused", (long long)evicted);
    tap_ok(ae_gcra_active(&g, t) <= 64, "the memory is what it was");
    /* who does most keeps his place: he is furthest ahead */
    fresh(&g, 64, false);
    ae_gcra_take(&g, tag("busy"), &r, 10, t, &k);
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "u%d", i);
        ae_gcra_take(&g, tag(name), &r, 1, t + i, &k);
    }
    ae_gcra_take(&g, tag("busy"), &r, 1, t + 300, &k);
    tap_ok(k.verdict == AE_GCRA_REFUSED, "a crowd does not free who is over"
           " his limit");
    fresh(&g, 64, true);
    for (int i = 0; i < 200; i++) {
        char name[16];

        snprintf(name, sizeof(name), "u%d", i);
        ae_gcra_take(&g, tag(name), &r, 1, t + i, &k);
        refused += k.verdict == AE_GCRA_REFUSED && k.full && k.wait_ns > 0;
        first += i < 8 && k.verdict == AE_GCRA_PASSED;
    }
    tap_ok(refused >= 136 && first == 8, "the table that refuses: %lld are"
           " refused", (long long)refused);
    ae_gcra_take(&g, tag("u199"), &r, 1, t + 2 * S, &k);
    tap_ok(k.verdict == AE_GCRA_PASSED, "until places come free");
}

/* Processes at once, some of them killed: the sum holds. */
static void crash(void)
{
    enum { N = 8, EACH = 200000 };
    struct shared { _Atomic uint64_t passed; struct ae_gcra_slot slot[1024]; }
        *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct ae_gcra g;
    struct ae_rate r = rate(1000, 5000);
    pid_t pid[N];

    if (m == MAP_FAILED)
        exit(1);
    ae_gcra_init(&g, m->slot, sizeof(m->slot), false);
    for (int i = 0; i < N; i++) {
        pid[i] = fork();
        if (pid[i] == 0) {
            for (int j = 0; j < EACH; j++) {
                struct ae_taken k;

                ae_gcra_take(&g, tag("all"), &r, 1, 9 * S + j * 10000, &k);
                if (k.verdict == AE_GCRA_PASSED)
                    atomic_fetch_add(&m->passed, 1);
                if (i == 3 && j == EACH / 3)
                    _exit(9); /* as if killed */
            }
            _exit(0);
        }
    }
    for (int i = 0; i < N; i++)
        waitpid(pid[i], NULL, 0);
    /* 2 s at 1000/s and the burst; clocks of the processes are not in step,
     * so that some time is used twice: never less than one clock's worth */
    tap_ok(m->passed >= 6990 && m->passed <= 7010 + N, "%d processes share a"
           " limit without a lock, one of them dies: %llu of 7000", N,
           (unsigned long long)m->passed);
    munmap(m, sizeof(*m));
}

static void addresses(void)
{
    static const struct { const char *a, *b; bool wide, same; } c[] = {
        { "10.0.0.1", "10.0.0.2", false, false },
        { "10.0.0.1", "10.0.0.2", true, true },
        { "10.0.0.1", "10.0.1.1", true, false },
        { "10.0.0.1", "::ffff:10.0.0.1", false, true },
        { "::ffff:10.0.0.1", "::ffff:10.0.0.2", false, false },
        { "2001:db8:1:2::1", "2001:db8:1:2:ffff::9", false, true },
        { "2001:db8:1:2::1", "2001:db8:1:3::1", false, false },
        { "2001:db8:1:2::1", "2001:db8:1:3::1", true, true },
        { "2001:db8:1:2::1", "2001:0db8:0001:0002::1", false, true },
        { "unix:", "unix:", false, true },
        { "unix:", "other", false, false },
    };

    for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        char x[32], y[32];

        tap_ok(ae_eq(ae_limit_addr(ae_cs(c[i].a), c[i].wide, x),
                     ae_limit_addr(ae_cs(c[i].b), c[i].wide, y)) == c[i].same,
               "%s and %s%s are %s", c[i].a, c[i].b,
               c[i].wide ? " (network)" : "", c[i].same ? "one" : "two");
    }
}

static void inflight(void)
{
    struct ae_inflight f;
    int64_t t = 5 * S, a, b, c;
    int given = 0;

    memset(memory, 0, sizeof(memory));
    ae_inflight_init(&f, memory, sizeof(memory));
    a = ae_inflight_take(&f, 7, 2, t);
    b = ae_inflight_take(&f, 7, 2, t);
    tap_ok(a >= 0 && b >= 0 && a != b, "two calls under way");
    tap_ok(ae_inflight_take(&f, 7, 2, t) == AE_INFLIGHT_FULL,
           "a third is too many");
    c = ae_inflight_take(&f, 8, 2, t);
    tap_ok(c >= 0, "somebody else's is not");
    ae_inflight_give(&f, a, 8);
    tap_ok(ae_inflight_take(&f, 7, 2, t) == AE_INFLIGHT_FULL,
           "nobody gives what is not his");
    ae_inflight_give(&f, a, 7);
    a = ae_inflight_take(&f, 7, 2, t);
    tap_ok(a >= 0, "one ended, one may begin");
    t += 20 * S;
    tap_ok(ae_inflight_renew(&f, a, 7, t), "who lives renews");
    t += 20 * S;
    b = ae_inflight_take(&f, 7, 2, t);
    tap_ok(b >= 0 && ae_inflight_take(&f, 7, 2, t) == AE_INFLIGHT_FULL,
           "the slot of one who died comes free, the renewed one does not");
    t += 100 * S;
    tap_ok(!ae_inflight_renew(&f, a, 7, t), "too late to renew");
    for (int i = 0; i < 300; i++)
        given += ae_inflight_take(&f, 9, AE_INFLIGHT_MAX, t) >= 0;
    tap_ok(given == AE_INFLIGHT_MAX, "the largest cap can be counted (%d)",
           given);
    ae_inflight_init(&f, memory, 100);
    tap_ok(ae_inflight_take(&f, 7, 2, t) == AE_INFLIGHT_NO_ROOM, "no table");
}

int main(void)
{
    accuracy();
    keys();
    odd();
    crowd();
    crash();
    addresses();
    inflight();
    return tap_done();
}
