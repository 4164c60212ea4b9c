/*
 * gate.c - what a token must look like before anybody verifies it
 * (security.md section 8).
 *
 * Two judges share this file.  What Argo CD's library would refuse is refused
 * in its words and in its order.  What it would take and we do not (closed
 * list, item 2) is only noted in |stricter|: whoever goes on must refuse at
 * the end, but a token that is bad by Argo CD's own rules gets Argo CD's text.
 */
#include "token/internal.h"

static int refuse(struct ae_gate *g, ae_str reason)
{
    g->reason = reason;
    return reason.p ? AE_E_SYNTAX : AE_E_NOMEM;
}

static void note(struct ae_gate *g, bool found, const char *reason)
{
    if (found && !g->stricter)
        g->stricter = reason;
}

/* Exactly three parts; one pass, whatever the number of dots (J11). */
static bool split(ae_str token, struct ae_gate *g)
{
    ae_str rest = ae_cut(token, '.', &g->part[0]);

    if (!rest.p)
        return false;
    g->part[2] = ae_cut(rest, '.', &g->part[1]);
    if (!g->part[2].p || ae_find(g->part[2], '.') < g->part[2].n)
        return false;
    g->input = ae_s(token.p, g->part[0].n + 1 + g->part[1].n);
    return true;
}

static int decode(ae_arena *a, struct ae_gate *g, int i, const char *name,
                  ae_str *out)
{
    ae_str in = g->part[i], again;
    size_t bad = 0;
    int    rc = ae_b64url_decode(a, in, false, out, &bad);

    if (rc == AE_E_SYNTAX)
        return refuse(g, ae_fmt(a, "token is malformed: could not base64 "
                                "decode %s: illegal base64 data at input "
                                "byte %zu", name, bad));
    if (rc)
        return rc;
    again = ae_b64url_encode(a, *out);
    if (!again.p)
        return AE_E_NOMEM;
    /* Go skips line ends and spare bits: one token would have many spellings */
    g->respelt |= !ae_eq(again, in);
    note(g, !ae_eq(again, in),
         "token is malformed: base64url is not canonical");
    return AE_OK;
}

/* The Go value that a JSON text of another type would not fit into. */
static int wrong_type(ae_arena *a, struct ae_gate *g, const char *name,
                      const char *go_type, const struct ae_jscan *s)
{
    const char *what = s->kind == '[' ? "array"
                     : s->kind == '"' ? "string"
                     : s->kind == '0' ? "number" : "bool";

    return refuse(g, ae_fmt(a, "token is malformed: could not JSON decode %s: "
                            "json: cannot unmarshal %s into Go value of type "
                            "%s", name, what, go_type));
}

static int load(struct ae_gate *g, const struct ae_jscan *s, bool *dup,
                json_t **out)
{
    json_error_t je;
    size_t       flags = JSON_ALLOW_NUL;

    note(g, s->repaired, "token is malformed: JSON is not valid UTF-8");
    note(g, s->nul, "token is malformed: NUL in a JSON string");
    note(g, s->deep, "token is malformed: JSON is nested too deeply");
    g->lossy |= s->deep || s->nul_key;
    if (s->kind == 'n') {            /* null leaves Go's map empty */
        *out = json_object();
        return *out ? AE_OK : AE_E_NOMEM;
    }
    *out = json_loadb(s->text.p, s->text.n, flags | JSON_REJECT_DUPLICATES,
                      &je);
    if (!*out && json_error_code(&je) == json_error_duplicate_key) {
        /* Go takes the last one (J07) */
        *dup = true;
        note(g, true, "token is malformed: JSON has a duplicate member");
        *out = json_loadb(s->text.p, s->text.n, flags, &je);
    }
    return *out ? AE_OK : AE_E_NOMEM;
}

static int parse(ae_arena *a, struct ae_gate *g, int i, const char *name,
                 const char *go_type, json_t **out)
{
    struct ae_jscan s;
    ae_str          raw, error = { NULL, 0 };
    int             rc = decode(a, g, i, name, &raw);

    if (rc)
        return rc;
    rc = ae_json_scan(a, raw, &s, &error);
    if (rc == AE_E_SYNTAX)
        return refuse(g, ae_fmt(a, "token is malformed: could not JSON decode "
                                "%s: %.*s", name, (int)error.n, error.p));
    if (rc)
        return rc;
    if (s.kind != '{' && s.kind != 'n')
        return wrong_type(a, g, name, go_type, &s);
    if (s.number.p)
        return refuse(g, ae_fmt(a, "token is malformed: could not JSON decode "
                                "%s: json: cannot unmarshal number %.*s into "
                                "Go value of type float64", name,
                                (int)s.number.n, s.number.p));
    return load(g, &s, i == 0 ? &g->dup_header : &g->dup_claims, out);
}

int ae_gate_decode(ae_arena *a, ae_str token, struct ae_gate *g)
{
    int rc;

    memset(g, 0, sizeof(*g));
    if (token.n > AE_TOKEN_MAX)
        return AE_E_TOOBIG;
    if (!split(token, g))
        return refuse(g, AE_STR("token is malformed: token contains an "
                                "invalid number of segments"));
    rc = parse(a, g, 0, "header", "map[string]interface {}", &g->header);
    return rc ? rc : parse(a, g, 1, "claim", "jwt.MapClaims", &g->claims);
}

int ae_gate_open(ae_arena *a, ae_str token, struct ae_gate *g)
{
    const json_t *alg;
    int           rc = ae_gate_decode(a, token, g);

    if (rc)
        return rc;
    alg = json_object_get(g->header, "alg");
    if (!json_is_string(alg))
        return refuse(g, AE_STR("token is unverifiable: signing method (alg) "
                                "is unspecified"));
    g->alg_name = ae_json_str(alg);
    if (!ae_alg_find(g->alg_name, &g->alg))
        return refuse(g, AE_STR("token is unverifiable: signing method (alg) "
                                "is unavailable"));
    rc = decode(a, g, 2, "signature", &g->sig);
    if (rc)
        return rc;
    note(g, json_object_get(g->header, "crit") != NULL,
         "token is unverifiable: critical header members (crit) are not "
         "supported");
    return AE_OK;
}

void ae_gate_free(struct ae_gate *g)
{
    json_decref(g->header);
    json_decref(g->claims);
    g->header = g->claims = NULL;
}
