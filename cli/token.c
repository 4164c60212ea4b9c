/* token.c - look at, check or make a token. */
#include "token_show.h"

#include "survey.h"

#include <stdio.h>
#include <time.h>

/* The token of the command line, or standard input for "-" (a token on the
 * command line stays in the shell's history). */
static int the_token(struct cli *c, ae_str *out)
{
    int rc;

    if (c->narg < 2)
        return cli_fail(EXIT_USAGE, "token %s needs a token, or - to read it "
                        "from standard input", c->arg[0]);
    if (strcmp(c->arg[1], "-") != 0) {
        *out = ae_cs(c->arg[1]);
        return 0;
    }
    rc = cli_read(c, "-", out);
    *out = ae_trim(*out);
    return rc;
}

static const char *const verdict_word[] = { "refused", "accepted", "unknown" };

static json_t *verdict_json(const struct token_show *s)
{
    const struct ae_token_result *r = &s->result;
    const struct ae_identity     *id = r->identity;
    json_t *o = json_pack("{s:s, s:o, s:o}", "verdict",
                          verdict_word[r->verdict], "reason",
                          cli_jstr(r->reason), "checks", token_rows_json(s));

    if (r->verdict == AE_TOKEN_REFUSED)
        json_object_set_new(o, "status", json_integer(r->too_big ? 431
                                                                 : 401));
    if (id) {
        json_object_set_new(o, "kind", json_string(
            ae_token_kind_name(id->kind)));
        json_object_set_new(o, "subject", cli_jstr(id->user));
        json_object_set_new(o, "confirmed", json_boolean(id->confirmed));
    }
    return o;
}

static void verdict_print(const struct token_show *s)
{
    const struct ae_token_result *r = &s->result;
    const struct ae_identity     *id = r->identity;

    token_rows_print(s);
    if (!id) {
        printf("%s: ", verdict_word[r->verdict]);
        print_safe(r->reason);
        putchar('\n');
        return;
    }
    printf("accepted: %s token of ", ae_token_kind_name(id->kind));
    print_safe(id->user);
    putchar('\n');
    if (!id->confirmed)
        puts("  signature and times are right; the inputs do not say "
             "whether the account still holds it");
    if (s->too_old)
        puts("  but a rule of argo-edge.yaml refuses all that it asks (403)");
}

/* Without --inputs only what the token itself says; with them all but the
 * signature. */
static int inspect(struct cli *c)
{
    static const struct ae_inputs none;
    struct token_show s = { .now = (int64_t)time(NULL),
                            .tr = { .no_keys = true } };
    struct ae_inputs  in = none;
    json_t           *o;
    ae_str            tok;
    int               rc = the_token(c, &tok);

    if (!rc && c->inputs)
        rc = cli_inputs(c, &in);
    if (!rc)
        rc = token_look(c, &s, tok, &in);
    if (!rc && !s.claims)
        rc = s.unread.code ? cli_err(&s.unread)
                           : cli_fail(EXIT_INPUT, "this is no token");
    if (!rc && c->json) {
        o = verdict_json(&s);
        json_object_set_new(o, "verified", json_false());
        json_object_set(o, "header", s.header);
        json_object_set(o, "claims", s.claims);
        cli_json(o);
    } else if (!rc) {
        puts("NOT verified: anybody could have written this "
             "(`argo-edge token verify` checks it)");
        printf("header  ");
        cli_json(json_incref(s.header));
        printf("claims  ");
        cli_json(json_incref(s.claims));
        verdict_print(&s);
    }
    token_show_end(&s);
    return rc;
}

static int verify(struct cli *c)
{
    struct token_show s = { .now = (int64_t)time(NULL) };
    struct ae_inputs  in;
    ae_str            tok;
    int               rc = the_token(c, &tok);

    if (rc || (rc = cli_inputs(c, &in)))
        return rc;
    rc = token_look(c, &s, tok, &in);
    if (!rc && c->json)
        cli_json(verdict_json(&s));
    else if (!rc)
        verdict_print(&s);
    if (!rc && (s.result.verdict != AE_TOKEN_OK || s.too_old))
        rc = EXIT_NO;
    token_show_end(&s);
    return rc;
}

static int secret(struct cli *c, ae_str *key)
{
    struct ae_inputs in;
    int              rc;

    if (c->secret_file) {
        rc = cli_read(c, c->secret_file, key);
        return rc;
    }
    rc = cli_inputs(c, &in);
    if (rc)
        return rc;
    *key = in.secret_key;
    return key->n ? 0 : cli_fail(EXIT_INPUT, "%s/argocd-secret has no "
                                 "server.secretkey", c->inputs);
}

/* SUBJECT becomes the sub claim: alice:login, ci:apiKey, proj:p:role. */
static int mint(struct cli *c)
{
    struct ae_err err = { .code = 0 };
    uint64_t      ms = 0;
    json_t       *claims;
    json_int_t    now = (json_int_t)time(NULL);
    ae_str        key, out;
    int           rc;

    if (c->narg < 2)
        return cli_fail(EXIT_USAGE, "token mint needs a subject, such as "
                        "alice:login, ci:apiKey or proj:team-a:deployer");
    if (c->expires && !ae_parse_ms(ae_cs(c->expires), &ms))
        return cli_fail(EXIT_USAGE, "--expires takes 30s, 15m or 24h");
    if ((rc = secret(c, &key)))
        return rc;
    claims = json_pack("{s:s, s:o, s:I, s:I}", "iss", "argocd", "sub",
                       cli_jstr(ae_cs(c->arg[1])), "iat", now, "nbf", now);
    if (c->id)
        json_object_set_new(claims, "jti", cli_jstr(ae_cs(c->id)));
    if (c->expires)
        json_object_set_new(claims, "exp",
                            json_integer(now + (json_int_t)(ms / 1000)));
    if (c->claims) {
        json_t *more = ae_json_parse(ae_cs(c->claims), 16, &err);

        if (!json_is_object(more))
            return cli_fail(EXIT_USAGE, "--claims is not a JSON object: %s",
                            err.text);
        json_object_update(claims, more);
        json_decref(more);
    }
    rc = ae_token_mint(&c->a, key, claims, &out, &err);
    json_decref(claims);
    if (rc)
        return cli_err(&err);
    if (c->json)
        cli_json(json_pack("{s:o}", "token", cli_jstr(out)));
    else
        printf("%.*s\n", (int)out.n, out.p);
    return EXIT_YES;
}

static int run(struct cli *c)
{
    if (strcmp(c->arg[0], "inspect") == 0)
        return inspect(c);
    if (strcmp(c->arg[0], "verify") == 0)
        return verify(c);
    if (strcmp(c->arg[0], "mint") == 0)
        return mint(c);
    return cli_fail(EXIT_USAGE, "token knows inspect, verify and mint, not "
                    "\"%s\"", c->arg[0]);
}

const struct command cmd_token = {
    .name = "token",
    .args = "inspect|verify|mint TOKEN|SUBJECT",
    .brief = "look at a token, check it, or make one for a test",
    .help =
"verify TOKEN    says what Argo CD would say of it, and each check on the way:"
"\n"
"                form, key, signature, issuer, audience, times, account, token"
"\n"
"                list, conditions of argo-edge.yaml, groups\n"
"inspect TOKEN   shows header and claims, and the same checks without the\n"
"                signature; without --inputs those that need none\n"
"mint SUBJECT    signs a token with server.secretkey, for tests: alice:login,\n"
"                ci:apiKey, proj:PROJECT:ROLE\n"
"TOKEN may be - to read it from standard input.  It may be the field of a\n"
"request, too: \"Bearer ...\", or the cookies with argocd.token.\n\n"
"  argo-edge token verify - --inputs /etc/argo-edge < token.txt\n"
"  argo-edge token mint ci:apiKey --id ci-1 --expires 1h\n",
    .options = "inputs namespace projects zone secret-file expires id claims "
               "json",
    .min_arg = 1, .max_arg = 2, .run = run,
};
