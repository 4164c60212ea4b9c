/*
 * runner.h - checkers of build/tests/vectors, one a suite.  A checker gets
 * one case and says pass, fail (with |why|: "got ..., want ...") or skip.
 */
#ifndef AE_RUNNER_H
#define AE_RUNNER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { CHECK_FAIL = 0, CHECK_PASS = 1, CHECK_SKIP = 2 };

struct run_ctx {
    const char *file;    /* the vector file */
    const char *inputs;  /* --inputs DIR, or the default beside the file */
    const json_t *root;  /* the whole file */
};

/* The whole file as JSON; NULL: |e| says why. */
json_t *vectors_load(const char *file, json_error_t *e);

/* libjwt must say of every key of |jwks| what OpenSSL says, wherever it has a
 * verdict. */
bool oidc_verifiers_agree(const char *jwks, const char *token, char *why,
                          size_t n);

typedef int (*check_fn)(const struct run_ctx *r, const json_t *c, char *why,
                        size_t n);

int check_rbac_csv(const struct run_ctx *, const json_t *, char *, size_t);
int check_rbac_glob(const struct run_ctx *, const json_t *, char *, size_t);
int check_rbac_regex(const struct run_ctx *, const json_t *, char *, size_t);
int check_rbac_overlay(const struct run_ctx *, const json_t *, char *, size_t);
int check_rbac_project_token(const struct run_ctx *, const json_t *, char *,
                             size_t);
int check_rbac_project_validate(const struct run_ctx *, const json_t *, char *,
                                size_t);
int check_rbac_decide(const struct run_ctx *, const json_t *, char *, size_t);
int check_api_token(const struct run_ctx *, const json_t *, char *, size_t);
int check_api_oidc(const struct run_ctx *, const json_t *, char *, size_t);
int check_api_can_i(const struct run_ctx *, const json_t *, char *, size_t);
int check_api_list(const struct run_ctx *, const json_t *, char *, size_t);

#endif
