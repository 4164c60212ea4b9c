/* token.c - look at, check or make a token. */
#include "cli.h"

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

static void print_time(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);
    char          when[40];

    if (!json_is_number(v))
        return;
    when[ae_rfc3339((int64_t)json_number_value(v), when)] = '\0';
    printf("  %-8s %s\n", name, when);
}

static int inspect(struct cli *c)
{
    struct ae_err err = { .code = 0 };
    json_t       *head = NULL, *claims = NULL;
    ae_str        tok;
    int           rc = the_token(c, &tok);

    if (rc)
        return rc;
    if (ae_token_decode(&c->a, tok, &head, &claims, &err))
        return cli_err(&err);
    if (c->json) {
        cli_json(json_pack("{s:o, s:o, s:b}", "header", head, "claims",
                           claims, "verified", 0));
        return EXIT_YES;
    }
    puts("NOT verified: anybody could have written this "
         "(`argo-edge token verify` checks it)");
    printf("header  ");
    cli_json(head);
    printf("claims  ");
    json_incref(claims);
    cli_json(claims);
    print_time(claims, "iat");
    print_time(claims, "nbf");
    print_time(claims, "exp");
    json_decref(claims);
    return EXIT_YES;
}

static int verdict(struct cli *c, const struct ae_token_result *r)
{
    static const char *const word[] = { "refused", "accepted", "unknown" };
    const struct ae_identity *id = r->identity;

    if (c->json) {
        json_t *o = json_pack("{s:s, s:o}", "verdict", word[r->verdict],
                              "reason", cli_jstr(r->reason));

        if (id) {
            json_object_set_new(o, "kind", json_string(
                ae_token_kind_name(id->kind)));
            json_object_set_new(o, "subject", cli_jstr(id->user));
            json_object_set_new(o, "confirmed", json_boolean(id->confirmed));
        }
        cli_json(o);
    } else if (id) {
        printf("accepted: %s token of %.*s\n", ae_token_kind_name(id->kind),
               (int)id->user.n, id->user.p);
        if (!id->confirmed)
            puts("  signature and times are right; the inputs do not say "
                 "whether the account still holds it");
    } else {
        printf("%s: %.*s\n", word[r->verdict], (int)r->reason.n,
               r->reason.p ? r->reason.p : "");
    }
    return r->verdict == AE_TOKEN_OK ? EXIT_YES : EXIT_NO;
}

static int verify(struct cli *c)
{
    struct ae_token_result r;
    struct ae_inputs       in;
    struct ae_conf         conf;
    struct ae_err          err = { .code = 0 };
    ae_tokens             *t = NULL;
    ae_str                 tok;
    int                    rc = the_token(c, &tok);

    if (rc || (rc = cli_inputs(c, &in)))
        return rc;
    cli_conf(c, &conf);
    if (ae_tokens_new(&in, conf.ns, &t, &err))
        return cli_err(&err);
    ae_token_check(t, &c->a, tok, (int64_t)time(NULL), &r);
    rc = verdict(c, &r);
    if (r.identity)
        ae_identity_unref(r.identity);
    ae_tokens_free(t);
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
"inspect TOKEN   shows header and claims, without checking anything\n"
"verify TOKEN    says what Argo CD would say of it: "
"signature, times, account,\n"
"                token list\n"
"mint SUBJECT    signs a token with server.secretkey, for tests: alice:login,\n"
"                ci:apiKey, proj:PROJECT:ROLE\n"
"TOKEN may be - to read it from standard input.\n\n"
"  argo-edge token verify - --inputs /etc/argo-edge < token.txt\n"
"  argo-edge token mint ci:apiKey --id ci-1 --expires 1h\n",
    .options = "inputs namespace secret-file expires id claims json",
    .min_arg = 1, .max_arg = 2, .run = run,
};
