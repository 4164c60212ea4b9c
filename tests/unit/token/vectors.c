/*
 * vectors.c - every case of tests/vectors/api/tokens.json against pick and
 * check, by the rules of tests/vectors/README.md.
 *
 *   vectors [TOKENS.json [INPUTS-DIR]]
 */
#include "tap.h"
#include "explained.h"
#include "inputs.h"
#include "token/token.h"

#include <time.h>

struct outcome { bool accepted, unknown, stricter; int status; ae_str body; };

static void reply(ae_arena *a, struct outcome *o, int status, int code,
                  ae_str before, ae_str text)
{
    ae_buf m, b;

    ae_buf_init(&m, a, 0);
    ae_buf_put(&m, before);
    ae_buf_put(&m, text);
    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "{\"error\":");
    ae_json_quote(&b, ae_buf_str(&m));
    ae_buf_printf(&b, ",\"code\":%d,\"message\":", code);
    ae_json_quote(&b, ae_buf_str(&m));
    ae_buf_putc(&b, '}');
    o->status = status;
    o->body = ae_buf_str(&b);
}

static void judge(ae_arena *a, const struct ae_inputs *in, const json_t *req,
                  struct outcome *o, ae_str *user)
{
    json_t                *headers = json_object_get(req, "headers");
    size_t                 n = json_array_size(headers), nc = 0;
    ae_str                *cookies = ae_nalloc(a, n + 1, sizeof(*cookies));
    ae_str                 auth = { NULL, 0 };
    bool                   dup = false;
    struct ae_cred         cred;
    struct ae_token_result r;
    ae_tokens             *t;
    int64_t                now = (int64_t)time(NULL);

    for (size_t i = 0; i < n; i++) {
        json_t *h = json_array_get(headers, i);
        ae_str  name = ae_json_str(json_array_get(h, 0));
        ae_str  value = ae_json_str(json_array_get(h, 1));

        if (ae_ieq(name, AE_STR("authorization"))) {
            dup |= auth.p != NULL;
            auth = auth.p ? auth : value;
        } else if (ae_ieq(name, AE_STR("cookie"))) {
            cookies[nc++] = value;
        } else if (ae_ieq(ae_sub(name, 0, 14), AE_STR("grpc-metadata-"))) {
            o->unknown = true; /* C01: stripped; the edge does not judge */
            return;
        }
    }
    if (ae_token_pick(a, auth, dup, cookies, nc, &cred) != AE_PICK_OK) {
        reply(a, o, cred.status, cred.code, AE_STR(""), cred.reason);
        return;
    }
    if (cred.source == AE_CRED_NONE) {
        o->accepted = in->anonymous;
        if (!o->accepted)
            reply(a, o, 401, 16, AE_STR(""),
                  AE_STR("no session information"));
        return;
    }
    if (ae_tokens_new(in, AE_STR("argocd"), &t, NULL))
        return;
    ae_token_check(t, a, cred.token, now, &r);
    if (!explained(t, ae_tokens_keyset(t), a, cred.token, now, &r))
        tap_ok(0, "explained as decided: %.*s", (int)cred.token.n,
               cred.token.p);
    if (r.verdict == AE_TOKEN_OK) {
        o->accepted = r.identity->confirmed;
        *user = ae_dup(a, r.identity->user);
        ae_identity_unref(r.identity);
    } else if (r.verdict == AE_TOKEN_REFUSED) {
        o->stricter = r.stricter;
        reply(a, o, r.too_big ? 431 : 401, 16, AE_STR("invalid session: "),
              r.reason);
    } else {
        o->unknown = true;
    }
    ae_tokens_free(t);
}

static void run(const json_t *c, const char *dir)
{
    struct test_inputs t;
    struct outcome     o = { 0 };
    const char        *name = json_string_value(json_object_get(c, "name"));
    ae_str             edge = ae_json_get_str(c, "edge");
    ae_str             body = ae_json_get_str(c, "body");
    ae_str             want = ae_json_get_str(c, "subject_enforced");
    ae_str             user = { NULL, 0 };
    bool               accepted = json_is_true(json_object_get(c, "accepted"));
    int                status = (int)json_integer_value(
                                    json_object_get(c, "status"));
    bool               ok;

    if (ae_eq_lit(edge, "skip"))
        return;
    if (test_inputs_load(&t, dir, json_object_get(c, "patch"))) {
        tap_ok(0, "%s: inputs", name);
        return;
    }
    judge(&t.a, &t.in, json_object_get(c, "request"), &o, &user);
    if (ae_eq_lit(edge, "answer")) {
        ok = !o.unknown && o.accepted == accepted
          && (accepted ? !user.p || !want.p || ae_eq(user, want)
                       : o.status == status && ae_eq(o.body, body));
    } else {
        ok = !o.accepted || accepted;
    }
    tap_ok(ok, "%s (%.*s)%s", name, (int)edge.n, edge.p,
           o.stricter ? " # stricter" : "");
    if (!ok)
        printf("# got %s%d %.*s user %.*s\n# want %s%d %.*s user %.*s\n",
               o.unknown ? "unknown " : o.accepted ? "accepted " : "",
               o.status, (int)o.body.n, o.body.p, (int)user.n, user.p,
               accepted ? "accepted " : "", status, (int)body.n, body.p,
               (int)want.n, want.p);
    test_inputs_free(&t);
}

int main(int argc, char **argv)
{
    const char *file = argc > 1 ? argv[1] : "tests/vectors/api/tokens.json";
    const char *dir = argc > 2 ? argv[2] : "tests/vectors/api/inputs/seed";
    json_t     *v = json_load_file(file, 0, NULL), *cases, *c;
    size_t      i;

    cases = json_object_get(v, "cases");
    tap_ok(json_array_size(cases) > 0, "%s has cases", file);
    json_array_foreach(cases, i, c)
        run(c, dir);
    json_decref(v);
    return tap_done();
}
