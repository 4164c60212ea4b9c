/* claims.c - one asks, others wait for a bounded time (R21). */
#include "help.h"

#include "cache/internal.h"

#define SLOTS 64

static _Atomic uint64_t slot[SLOTS];
static const struct ae_claims table = { slot, SLOTS };

static enum ae_claim take(unsigned key, uint8_t who, int64_t now_ms,
                          int64_t hold_ms, struct ae_claimer *c)
{
    unsigned char hash[32];

    memset(hash, 0, sizeof hash);
    hash[0] = (unsigned char)key;
    hash[7] = (unsigned char)(key >> 8);
    *c = (struct ae_claimer){ .who = who, .now_us = now_ms * 1000,
                              .hold_us = hold_ms * 1000 };
    return ae_claims_take(&table, hash, c);
}

static void settle(unsigned key, uint64_t ticket, int64_t now_ms, bool vain)
{
    unsigned char hash[32];

    memset(hash, 0, sizeof hash);
    hash[0] = (unsigned char)key;
    hash[7] = (unsigned char)(key >> 8);
    ae_claims_settle(&table, hash, ticket, now_ms * 1000, vain);
}

int main(void)
{
    struct ae_claimer a, b;
    const unsigned K = 0x2105, SAME_SLOT = 0x4305;

    tap_ok(take(K, 7, 1000, 2000, &a) == AE_CLAIM_MINE && a.ticket, "taken");
    tap_ok(take(K, 7, 1001, 2000, &b) == AE_CLAIM_BUSY && b.same,
           "the same caller waits");
    tap_ok(take(K, 8, 1001, 2000, &b) == AE_CLAIM_BUSY && !b.same,
           "another one knows that it is another");
    tap_ok(take(K, 8, 2990, 0, &b) == AE_CLAIM_BUSY, "still");
    tap_ok(take(SAME_SLOT, 7, 1001, 2000, &b) == AE_CLAIM_PASS,
           "another key on the same slot is not waited for");
    tap_ok(take(K, 8, 3010, 0, &b) == AE_CLAIM_MINE && !b.ticket,
           "ended by itself; only looked");
    tap_ok(take(K, 8, 3010, 2000, &b) == AE_CLAIM_MINE && b.ticket,
           "taken over");
    settle(K, a.ticket, 3011, false);
    tap_ok(take(K, 7, 3012, 0, &a) == AE_CLAIM_BUSY,
           "who comes late ends nobody else's");
    settle(K, b.ticket, 3013, false);
    tap_ok(take(K, 7, 3014, 2000, &a) == AE_CLAIM_MINE, "settled, free");
    settle(K, a.ticket, 3015, true);
    tap_ok(take(K, 7, 3016, 2000, &a) == AE_CLAIM_PASS, "in vain: no waiting");
    tap_ok(take(K, 7, 3990, 2000, &a) == AE_CLAIM_PASS, "for a second");
    tap_ok(take(K, 7, 4100, 2000, &a) == AE_CLAIM_MINE, "and no longer");
    settle(K, 0, 4101, true);
    tap_ok(take(K, 7, 4102, 0, &b) == AE_CLAIM_BUSY, "no ticket, no effect");
    settle(K, a.ticket, 4103, false);
    tap_ok(take(K, 1, INT64_C(34359738367), 2000, &a) == AE_CLAIM_MINE
           && take(K, 2, INT64_C(34359738368), 0, &b) == AE_CLAIM_BUSY,
           "after a year of uptime");
    return tap_done();
}
