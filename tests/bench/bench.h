/* bench.h - the benchmarks behind build/tests/bench. */
#ifndef AE_BENCH_H
#define AE_BENCH_H

typedef void (*bench_emit)(const char *name, double value, const char *unit);

void bench_policy(int quick, bench_emit emit);
void bench_token(int quick, bench_emit emit);
void bench_store(int quick, bench_emit emit);
void bench_store1m(int quick, bench_emit emit); /* if named */
void bench_limit(int quick, bench_emit emit);
void bench_list(int quick, bench_emit emit);
/* Returns -1 (and says why on stderr) when nginx or wrk is missing. */
int  bench_http(int quick, bench_emit emit);
int  bench_http200k(int quick, bench_emit emit);
int  bench_httpd(int quick, bench_emit emit);

/* True if the command line names |name|, a beginning of it, or nothing. */
int  bench_wanted(const char *name);

#endif
