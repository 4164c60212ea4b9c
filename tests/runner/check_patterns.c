/*
 * check_patterns.c - vectors of the pure half of lib/policy: lines, globs,
 * regular expressions, overlays and projects.  Fields are compared where
 * they were recorded (tests/vectors/README.md).
 */
#include "runner.h"

#include "config/config.h"
#include "policy/policy.h"

#include <stdio.h>
#include <stdlib.h>

/* One case: its memory, and where to say what is wrong. */
struct checking {
    const json_t *c;
    ae_heap       heap;
    ae_arena      a;
    char         *why;
    size_t        n;
    bool          ok;
};

static void begin(struct checking *k, const json_t *c, char *why, size_t n)
{
    memset(k, 0, sizeof(*k));
    k->c = c;
    k->why = why;
    k->n = n;
    k->ok = true;
    ae_arena_init(&k->a, ae_heap_mem(&k->heap), NULL, 0);
}

static int end(struct checking *k)
{
    ae_heap_free(&k->heap);
    return k->ok ? CHECK_PASS : CHECK_FAIL;
}

static void wrong(struct checking *k, const char *what, ae_str got,
                  ae_str want)
{
    if (k->ok)
        snprintf(k->why, k->n, "%s: got \"%.*s\", want \"%.*s\"", what,
                 (int)got.n, got.n > 0 ? got.p : "", (int)want.n,
                 want.n > 0 ? want.p : "");
    k->ok = false;
}

static void want_text(struct checking *k, const char *key, ae_str got)
{
    ae_str want = ae_json_get_str(k->c, key);

    if (want.p != NULL && !ae_eq(got, want))
        wrong(k, key, got, want);
}

static void want_bool(struct checking *k, const char *key, bool got)
{
    const json_t *v = json_object_get(k->c, key);

    if (json_is_boolean(v) && json_is_true(v) != got)
        wrong(k, key, ae_cs(got ? "true" : "false"),
              ae_cs(got ? "false" : "true"));
}

static void want_int(struct checking *k, const char *key, int got)
{
    const json_t *v = json_object_get(k->c, key);
    json_int_t want = json_integer_value(v);

    if (json_is_integer(v) && want != got)
        wrong(k, key, ae_fmt(&k->a, "%d", got),
              ae_fmt(&k->a, "%" JSON_INTEGER_FORMAT, want));
}

/* ---- rbac.csv ---- */

/* The rows of kind |key|, as Argo CD's parser leaves them. */
static json_t *rows(struct checking *k, ae_str text, char key)
{
    json_t *out = json_array();
    struct ae_csv_line l;
    uint32_t line = 0;

    while (ae_csv_next(&k->a, &text, &line, &l, NULL) > 0) {
        json_t *row;

        if (l.key != key)
            continue;
        row = json_array();
        for (size_t i = 1; i < l.nfield; i++)
            json_array_append_new(row, json_stringn(l.field[i].n > 0
                                                    ? l.field[i].p : "",
                                                    l.field[i].n));
        json_array_append_new(out, row);
    }
    return out;
}

static void want_rows(struct checking *k, const char *key, ae_str text)
{
    const json_t *want = json_object_get(k->c, key);
    json_t *got;
    char *g, *w;

    if (want == NULL)
        return;
    got = rows(k, text, key[0]);
    if (!json_equal(got, want)) {
        g = json_dumps(got, JSON_COMPACT);
        w = json_dumps(want, JSON_COMPACT);
        wrong(k, key, ae_cs(g), ae_cs(w));
        free(g);
        free(w);
    }
    json_decref(got);
}

int check_rbac_csv(const struct run_ctx *r, const json_t *c, char *why,
                   size_t n)
{
    ae_str text = ae_json_get_str(c, "policy"), install, validate;
    struct checking k;
    int rc;

    (void)r;
    begin(&k, c, why, n);
    rc = ae_csv_check(&k.a, text, &install, &validate);
    want_bool(&k, "valid", rc == AE_OK);
    if (rc == AE_OK) {
        want_rows(&k, "p", text);
        want_rows(&k, "g", text);
    }
    want_text(&k, "error", install);
    want_text(&k, "validate_error", validate);
    want_text(&k, "integrity", ae_csv_integrity(&k.a, text));
    return end(&k);
}

/* ---- rbac.glob, rbac.regex ---- */

static ae_str outcome(int rc)
{
    switch (rc) {
    case 0:            return AE_STR("no match");
    case 1:            return AE_STR("match");
    case AE_E_PATTERN: return AE_STR("panic");
    case AE_E_BUDGET:  return AE_STR("unknown");
    case AE_E_SYNTAX:  return AE_STR("invalid");
    default:           return AE_STR("error");
    }
}

/* A recorded yes or no against 1 or 0; anything else is neither. */
static void want_match(struct checking *k, const char *key, int got)
{
    const json_t *v = json_object_get(k->c, key);

    if (json_is_boolean(v) && got != (int)json_is_true(v))
        wrong(k, key, outcome(got), outcome(json_is_true(v)));
}

int check_rbac_glob(const struct run_ctx *r, const json_t *c, char *why,
                    size_t n)
{
    bool panic = json_is_true(json_object_get(c, "panic"));
    struct checking k;
    ae_glob *g;
    int rc;

    (void)r;
    begin(&k, c, why, n);
    rc = ae_glob_compile(&k.a, ae_json_get_str(c, "pattern"), &g);
    want_bool(&k, "valid", rc == AE_OK);
    if (rc == AE_OK)
        rc = ae_glob_match(g, ae_json_get_str(c, "text"));
    else if (rc == AE_E_SYNTAX)
        rc = 0; /* an invalid glob matches nothing (M4) */
    if (panic && rc != AE_E_PATTERN)
        wrong(&k, "panic", outcome(rc), outcome(AE_E_PATTERN));
    if (!panic)
        want_match(&k, "match", rc);
    return end(&k);
}

/* The recorded enforcer holds `p, u, ^res$, ^act$, "<pattern>", allow` and
 * is asked for (u, res, act, text): an invalid pattern raises an error in it,
 * and an error refuses (M3). */
int check_rbac_regex(const struct run_ctx *r, const json_t *c, char *why,
                     size_t n)
{
    struct checking k;
    ae_regex *re;
    int rc;

    (void)r;
    begin(&k, c, why, n);
    rc = ae_regex_compile(ae_json_get_str(c, "pattern"), &re);
    want_bool(&k, "valid", rc == AE_OK);
    if (rc == AE_OK)
        rc = ae_regex_match(re, ae_json_get_str(c, "text"));
    else if (rc == AE_E_SYNTAX)
        rc = 0;
    want_match(&k, "match", rc);
    want_match(&k, "enforce_allow", rc);
    ae_regex_free(re);
    return end(&k);
}

/* ---- rbac.overlay ---- */

int check_rbac_overlay(const struct run_ctx *r, const json_t *c, char *why,
                       size_t n)
{
    json_t *data = json_object_get(c, "data"), *v;
    struct checking k;
    struct ae_kv *kv;
    const char *key;
    size_t i = 0;

    (void)r;
    begin(&k, c, why, n);
    kv = ae_nalloc(&k.a, json_object_size(data) + 1, sizeof(*kv));
    if (kv == NULL)
        return CHECK_FAIL;
    json_object_foreach(data, key, v) {
        kv[i].key = ae_cs(key);
        kv[i++].value = ae_json_str(v);
    }
    want_text(&k, "policy", ae_overlay_join(&k.a, kv, i));
    return end(&k);
}

/* ---- rbac.project-token, rbac.project-validate ---- */

static bool project(struct checking *k, struct ae_project *p)
{
    struct ae_err err = { 0 };
    const json_t *o = json_object_get(k->c, "project");

    if (ae_project_from_json(&k->a, o, p, &err) == AE_OK)
        return true;
    wrong(k, "project", ae_cs(err.text), AE_STR("an AppProject"));
    return false;
}

int check_rbac_project_token(const struct run_ctx *r, const json_t *c,
                             char *why, size_t n)
{
    ae_str role = ae_json_get_str(c, "role"), id = ae_json_get_str(c, "id");
    int64_t iat = json_integer_value(json_object_get(c, "iat"));
    struct ae_project p;
    struct checking k;
    ae_str error;

    (void)r;
    begin(&k, c, why, n);
    if (!project(&k, &p))
        return end(&k);
    want_int(&k, "index",
             ae_project_token_index(&k.a, &p, role, iat, id, &error));
    want_text(&k, "error", error);
    want_int(&k, "spec_index",
             ae_project_token_spec_index(&k.a, &p, role, iat, id, &error));
    want_text(&k, "spec_error", error);
    return end(&k);
}

int check_rbac_project_validate(const struct run_ctx *r, const json_t *c,
                                char *why, size_t n)
{
    struct ae_project p;
    struct checking k;
    ae_str error, code;
    int rc;

    (void)r;
    begin(&k, c, why, n);
    if (!project(&k, &p))
        return end(&k);
    rc = ae_project_validate(&k.a, &p, &error, &code);
    want_bool(&k, "valid", rc == AE_OK);
    want_text(&k, "code", code);
    want_text(&k, "error", error);
    return end(&k);
}
