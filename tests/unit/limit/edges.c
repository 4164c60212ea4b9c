/* edges.c - what workers and the agent tell each other. */
#include "limit/edges.h"
#include "../tap.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define S INT64_C(1000000000)

static char memory[512 * 1024] __attribute__((aligned(64)));

static struct ae_edges fresh(size_t n)
{
    struct ae_edges e;

    memset(memory, 0, sizeof(memory));
    ae_edges_init(&e, memory, n);
    return e;
}

static int64_t taken(const struct ae_edges *e, uint64_t want)
{
    struct ae_spent s;
    int64_t sum = 0;

    for (uint64_t i = 0; i < e->nspend; i++)
        if (ae_edges_take(e, i, &s) && s.tag == want && !s.login)
            sum += s.ns;
    return sum;
}

static void life(void)
{
    struct ae_edges e = fresh(sizeof(memory));
    uint64_t seed[2] = { 1, 2 }, got[2];

    tap_ok(!ae_edges_live(&e, 5 * S), "no agent at first");
    atomic_store(&e.head->alive_ns, 5 * S);
    tap_ok(ae_edges_live(&e, 6 * S) && !ae_edges_live(&e, 8 * S),
           "alive while it gives signs");
    tap_ok(!ae_edges_live(&e, 1 * S), "a sign of the future is none");
    tap_ok(!ae_edges_seed(&e, got), "no seed");
    ae_edges_set_seed(&e, seed);
    tap_ok(ae_edges_seed(&e, got) && got[0] == 1 && got[1] == 2, "a seed");
    ae_edges_init(&e, memory, 4096);
    tap_ok(!e.head && !ae_edges_live(&e, 5 * S) && !ae_edges_seed(&e, got),
           "no room: nobody is there");
    ae_edges_spend(&e, 7, 1, 1, false);
    ae_edges_tell(&e, AE_STR("x"));
    ae_edges_init(&e, memory, 32768);
    tap_ok(e.head && e.nring == 4 && e.nspend >= 64, "little room");
}

static void spendings(void)
{
    struct ae_edges e = fresh(sizeof(memory));

    ae_edges_spend(&e, 77, 10, 500, false);
    ae_edges_spend(&e, 77, 20, 500, false);
    ae_edges_spend(&e, 78, 5, 500, false);
    ae_edges_spend(&e, 78, -2, 500, false);
    tap_ok(taken(&e, 77) == 30, "what was spent is summed up");
    tap_ok(taken(&e, 77) == 0, "and taken once");
    ae_edges_spend(&e, 78, 5, 500, false);
    tap_ok(taken(&e, 78) == 5, "it goes on");
    for (uint64_t i = 0; i < e.nspend; i++) {
        ae_edges_free(&e, i, 77);
        ae_edges_free(&e, i, 78);
    }
    for (uint64_t i = 0; i < 2 * e.nspend; i++)
        ae_edges_spend(&e, i * 0x9e3779b97f4a7c15 | 1, 1, 500, false);
    tap_ok(atomic_load(&e.head->full) > 0, "more keys than room: counted");
}

static void booked(void)
{
    char text[AE_EDGES_BOOKED_MAX];
    uint64_t key = 0;
    int64_t ns = 0;
    ae_str s = ae_edges_booked(UINT64_MAX, 5 * S, text);

    tap_ok(ae_edges_is_booked(s, &key, &ns) && key == UINT64_MAX
           && ns == 5 * S, "what is told of a key is read again");
    tap_ok(!ae_edges_is_booked(AE_STR("app:argocd/a"), &key, &ns)
           && !ae_edges_is_booked(AE_STR("!booked 5"), &key, &ns)
           && !ae_edges_is_booked(AE_STR("!booked x 5"), &key, &ns)
           && !ae_edges_is_booked(AE_STR("!booked 5 -1"), &key, &ns)
           && !ae_edges_is_booked(AE_STR("!booked 5 18446744073709551615"),
                                  &key, &ns), "nothing else is");
}

static void ring(void)
{
    struct ae_edges e = fresh(sizeof(memory));
    static char big[AE_EDGES_TAG_MAX + 2];
    char out[AE_EDGES_TAG_MAX];
    uint64_t t = 0;
    size_t n = 0;
    int got = 0;

    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == 0, "nothing was told");
    ae_edges_tell(&e, AE_STR("applications"));
    ae_edges_tell(&e, AE_STR("app:argocd/a1"));
    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == 1
           && ae_eq_lit(ae_s(out, n), "applications")
           && ae_edges_next(&e, &t, 0, out, &n) == 1
           && ae_eq_lit(ae_s(out, n), "app:argocd/a1")
           && ae_edges_next(&e, &t, 0, out, &n) == 0, "told in order");
    memset(big, 'x', sizeof(big));
    ae_edges_tell(&e, ae_s(big, sizeof(big)));
    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == 1
           && ae_eq_lit(ae_s(out, n), "*"), "too long: everything");
    for (uint64_t i = 0; i < e.nring + 1; i++)
        ae_edges_tell(&e, AE_STR("t"));
    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == AE_E_FULL
           && atomic_load(&e.head->lost) == 1, "it ran over: that is said");
    ae_edges_tell(&e, AE_STR("u"));
    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == 1, "and goes on");
    /* a writer that was killed between ticket and text */
    atomic_fetch_add(&e.head->head, 1);
    ae_edges_tell(&e, AE_STR("v"));
    for (int i = 0; i < 100 && !got; i++)
        got = ae_edges_next(&e, &t, i, out, &n);
    tap_ok(got == AE_E_FULL && ae_edges_next(&e, &t, 0, out, &n) == 1
           && ae_eq_lit(ae_s(out, n), "v"), "a dead writer is given up");
    /* damage leads nowhere */
    ae_edges_tell(&e, AE_STR("w"));
    atomic_store(&e.ring[t % e.nring].len, 1u << 30);
    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == AE_E_FULL, "damage is seen");
    t += 5;
    tap_ok(ae_edges_next(&e, &t, 0, out, &n) == AE_E_FULL,
           "so is a zone that was made anew");
}

/* Many processes spend and tell at once: nothing is lost. */
static void together(void)
{
    enum { N = 6, EACH = 20000, SIZE = 512 * 1024 };
    void *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct ae_edges e;
    int64_t sum = 0;

    if (m == MAP_FAILED)
        exit(1);
    ae_edges_init(&e, m, SIZE);
    for (int i = 0; i < N; i++)
        if (fork() == 0) {
            for (int j = 0; j < EACH; j++)
                ae_edges_spend(&e, 99, 3, 500, false);
            _exit(0);
        }
    for (int i = 0; i < 1000; i++)
        sum += taken(&e, 99);
    for (int i = 0; i < N; i++)
        wait(NULL);
    sum += taken(&e, 99);
    tap_ok(sum == (int64_t)N * EACH * 3, "%d processes: %lld of %d", N,
           (long long)sum, N * EACH * 3);
    munmap(m, SIZE);
}

int main(void)
{
    life();
    spendings();
    booked();
    ring();
    together();
    return tap_done();
}
