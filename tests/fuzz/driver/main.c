/*
 * main.c - runs a fuzz target without libFuzzer: its seeds, the files that
 * are named, and mutations of both.  The dice are the same on every run, so
 * that what fails here fails again.
 *
 *   TARGET [RUNS [FILE...]]
 *   TARGET --seeds DIR     writes the seeds as files, for libFuzzer's corpus
 */
#include "../fuzz.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 256, LONGEST = 1 << 16 };

static struct fuzz_seed seed[SEEDS];
static size_t           nseed;
static uint64_t         dice = 20260101;

static size_t roll(size_t n)
{
    dice = dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n ? (size_t)(dice >> 33) % n : 0;
}

/* In memory of its own, so that a byte too far is seen. */
static void run(const char *p, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);

    if (!copy)
        exit(2);
    if (n)
        memcpy(copy, p, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void add_file(const char *path)
{
    FILE  *f = fopen(path, "rb");
    char  *p = malloc(LONGEST);
    size_t n;

    if (!f || !p) {
        perror(path);
        exit(2);
    }
    n = fread(p, 1, LONGEST, f);
    fclose(f);
    if (nseed < SEEDS)
        seed[nseed++] = (struct fuzz_seed){ p, n };
    else
        free(p);
}

/* One change of |b|: a bit, a byte, a piece less, a piece twice, a piece of
 * another seed, a run of one byte. */
static size_t change(char *b, size_t n)
{
    static const char odd[] = "\0\xff\"\\%/{}[](),*?:;=&\n\r\t.-+0";
    const struct fuzz_seed *s = &seed[roll(nseed)];
    size_t at = roll(n + 1), k, from;

    switch (roll(7)) {
    case 0:
        if (n)
            b[at % n] = (char)(b[at % n] ^ (1 << roll(8)));
        return n;
    case 1:
        if (n)
            b[at % n] = (char)roll(256);
        return n;
    case 2:
        if (n)
            b[at % n] = odd[roll(sizeof odd)];
        return n;
    case 3:
        k = roll(n - at + 1);
        memmove(b + at, b + at + k, n - at - k);
        return n - k;
    case 4:
        k = roll(n - at + 1);
        if (n + k > LONGEST)
            return n;
        memmove(b + at + k, b + at, n - at);
        return n + k;
    case 5:
        from = roll(s->n + 1);
        k = roll(s->n - from + 1);
        if (n + k > LONGEST)
            return n;
        memmove(b + at + k, b + at, n - at);
        memcpy(b + at, s->p + from, k);
        return n + k;
    default:
        k = roll(64);
        if (n + k > LONGEST)
            return n;
        memmove(b + at + k, b + at, n - at);
        memset(b + at, odd[roll(sizeof odd)], k);
        return n + k;
    }
}

static int write_seeds(const char *dir)
{
    for (size_t i = 0; i < nseed; i++) {
        char  path[4096];
        FILE *f;

        snprintf(path, sizeof path, "%s/seed-%zu", dir, i);
        f = fopen(path, "wb");
        if (!f || fwrite(seed[i].p, 1, seed[i].n, f) != seed[i].n
            || fclose(f)) {
            perror(path);
            return 2;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    static char   b[LONGEST];

    for (size_t i = 0; fuzz_seeds[i].p && nseed < SEEDS; i++)
        seed[nseed++] = fuzz_seeds[i];
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
        return write_seeds(argv[2]);
    for (int i = 2; i < argc; i++)
        add_file(argv[i]);
    for (size_t i = 0; i < nseed; i++)
        run(seed[i].p, seed[i].n);
    for (unsigned long r = 0; r < runs && nseed; r++) {
        const struct fuzz_seed *s = &seed[roll(nseed)];
        size_t n = s->n < LONGEST ? s->n : LONGEST;

        memcpy(b, s->p, n);
        for (size_t k = 1 + roll(4); k > 0; k--)
            n = change(b, n);
        run(b, n);
    }
    printf("%zu seeds, %lu mutations\n", nseed, runs);
    return 0;
}
