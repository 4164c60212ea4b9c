/*
 * subject.c - from claims to the subjects of T1 and T7, and the refusal text
 * that names them (T9).
 */
#include "policy/internal.h"

/* T7: a string is one value, a list gives its strings, all else nothing. */
static size_t claim_values(const json_t *v, ae_str *out)
{
    size_t  n = 0, i;
    json_t *item;

    if (json_is_string(v)) {
        if (out)
            out[0] = ae_json_str(v);
        return 1;
    }
    json_array_foreach(v, i, item) {
        if (!json_is_string(item))
            continue;
        if (out)
            out[n] = ae_json_str(item);
        n++;
    }
    return n;
}

/* A claim by its flat key; scope names hold no NUL in YAML, but a key that
 * does cannot be asked for with a C string. */
static const json_t *claim_by_key(ae_arena *a, const json_t *claims,
                                  ae_str key)
{
    ae_str z = ae_dup(a, key.p ? key : AE_STR(""));

    if (!z.p || strlen(z.p) != z.n)
        return NULL;
    return json_object_get(claims, z.p);
}

static int collect_groups(const ae_policy *p, ae_arena *a,
                          const json_t *claims, struct ae_subject *out)
{
    static const ae_str fallback = { "groups", 6 };
    const ae_str *scope = p->scopes_set ? p->scopes : &fallback;
    size_t        nscope = p->scopes_set ? p->nscopes : 1;
    size_t        n = 0, at = 0;
    ae_str       *g;

    for (size_t i = 0; i < nscope; i++)
        n += claim_values(claim_by_key(a, claims, scope[i]), NULL);
    g = ae_nalloc(a, n + 1, sizeof(*g));
    if (!g || a->failed)
        return AE_E_NOMEM;
    for (size_t i = 0; i < nscope; i++)
        at += claim_values(claim_by_key(a, claims, scope[i]), g + at);
    out->groups = g;
    out->ngroups = at;
    return a->failed ? AE_E_NOMEM : 0;
}

int ae_subject_from_claims(const ae_policy *p, ae_arena *a,
                           const json_t *claims, ae_str id,
                           struct ae_subject *out)
{
    const json_t *iat = json_object_get(claims, "iat");

    memset(out, 0, sizeof(*out));
    out->kind = AE_SUBJ_CLAIMS;
    out->id = id.p ? id : ae_claims_user(claims);
    if (!out->id.p)
        out->id = AE_STR("");
    if (json_is_number(iat)) {
        out->has_iat = true;
        out->iat = ae_num_whole(json_number_value(iat)); /* T9 */
    }
    return collect_groups(p, a, claims, out);
}

ae_str ae_denied_text(ae_arena *a, const struct ae_subject *s,
                      ae_str resource, ae_str action, ae_str object)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "permission denied");
    if (resource.p || action.p || object.p) {
        ae_buf_puts(&b, ": ");
        ae_buf_put(&b, resource);
        ae_buf_puts(&b, ", ");
        ae_buf_put(&b, action);
        ae_buf_puts(&b, ", ");
        ae_buf_put(&b, object);
    }
    if (s && s->kind == AE_SUBJ_CLAIMS && (resource.p || action.p
                                           || object.p)) {
        char when[64];

        if (s->id.n) {
            ae_buf_puts(&b, ", sub: ");
            ae_buf_put(&b, s->id);
        }
        if (s->has_iat) {
            size_t n = ae_rfc3339(s->iat, when);

            ae_buf_puts(&b, ", iat: ");
            ae_buf_put(&b, ae_s(when, n));
        }
    }
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}
