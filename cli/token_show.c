/*
 * token_show.c - what was checked of a token, a line each: the library's own
 * notes (lib/token/trace.c), and around them what the edge asks besides.
 */
#include "token_show.h"

#include "survey.h"

#include "edge/keys.h"

#include <stdio.h>

/* ---- rows --------------------------------------------------------------- */

static void row(struct token_show *s, const char *name,
                enum ae_token_found found, ae_str seen, ae_str remedy)
{
    struct token_row *r = &s->row[s->n];

    if (s->n == TOKEN_ROWS)
        return;
    s->n++;
    r->name = name;
    r->found = found;
    r->seen = seen.p ? seen : AE_STR("");
    r->remedy = remedy;
}

/* Does the step say anything about a token of this kind? */
static bool concerns(const struct token_show *s, enum ae_token_step step)
{
    bool local = ae_eq_lit(ae_json_get_str(s->claims, "iss"), "argocd");
    bool proj = local && ae_starts(ae_claims_user(s->claims),
                                   AE_STR("proj:"));

    switch (step) {
    case AE_TS_AUDIENCE:
        return s->claims && !local;
    case AE_TS_ACCOUNT: case AE_TS_ENABLED: case AE_TS_CAPABILITY:
    case AE_TS_TOKEN_ID: case AE_TS_PASSWORD:
        return local && !proj;
    case AE_TS_LISTED:
        return local && !proj && !ae_eq_lit(s->tr.at[AE_TS_CAPABILITY].seen,
                                            "login");
    case AE_TS_PROJECT: case AE_TS_ROLE_TOKEN:
        return proj;
    default:
        return true;
    }
}

static void core_rows(struct token_show *s)
{
    for (int i = 0; i < AE_TS__N; i++) {
        const struct ae_token_note *n = &s->tr.at[i];

        if (n->found || concerns(s, (enum ae_token_step)i))
            row(s, ae_token_step_name((enum ae_token_step)i), n->found,
                n->seen, ae_cs(n->remedy));
    }
}

/* ---- the credential ----------------------------------------------------- */

/* A token alone, a field of a request, or its value. */
static enum ae_pick_result pick(struct cli *c, ae_str text,
                                struct ae_cred *cred)
{
    static const ae_str names[] = { { "authorization:", 14 },
                                    { "cookie:", 7 } };
    ae_str auth;
    bool   cookie;

    for (size_t i = 0; i < 2; i++)
        if (ae_ieq(ae_sub(text, 0, names[i].n), names[i]))
            text = ae_trim(ae_sub(text, names[i].n, text.n));
    cookie = ae_find_str(text, AE_STR("argocd.token")) != SIZE_MAX
        && ae_find(text, '=') < text.n;
    auth = ae_starts(text, AE_STR("Bearer ")) ? text
         : ae_concat(&c->a, (const ae_str[]){ AE_STR("Bearer "), text }, 2);
    return cookie ? ae_token_pick(&c->a, ae_s(NULL, 0), false, &text, 1, cred)
                  : ae_token_pick(&c->a, auth, false, NULL, 0, cred);
}

static bool credential(struct cli *c, struct token_show *s, ae_str text)
{
    struct ae_cred      cred;
    enum ae_pick_result r = pick(c, text, &cred);
    bool                good = r == AE_PICK_OK && cred.source != AE_CRED_NONE;

    s->token = cred.token;
    row(s, "credential", good ? AE_FOUND_OK : AE_FOUND_REFUSED,
        cred.source == AE_CRED_COOKIE ? AE_STR("cookie argocd.token")
                                      : AE_STR("Authorization: Bearer"),
        good ? ae_s(NULL, 0) : AE_STR("a token has three parts with two dots "
        "between; Argo CD takes this for none"));
    if (good)
        return true;
    s->result.verdict = AE_TOKEN_REFUSED;
    s->result.reason = cred.reason.p ? cred.reason
                                     : AE_STR("no session information");
    return false;
}

/* ---- what the edge asks besides ----------------------------------------- */

static void one_condition(struct cli *c, struct token_show *s,
                          const struct ae_own_rule *u, int64_t now)
{
    bool   old = ae_rules_too_old(u, s->subject.has_iat, s->subject.iat, now);
    ae_buf b;

    ae_buf_init(&b, &c->a, 0);
    ae_buf_printf(&b, "rule \"%.*s\" (%.*s:%u)", (int)u->name.n, u->name.p,
                  (int)u->file.n, u->file.p, u->line);
    if (u->max_age)
        ae_buf_printf(&b, ", %s its max_age", old ? "past" : "within");
    if (u->ncidr)
        ae_buf_puts(&b, ", only from its cidrs");
    if (u->operations.n)
        ae_buf_puts(&b, ", only for its operations");
    row(s, "condition", old ? AE_FOUND_REFUSED : AE_FOUND_OK, ae_buf_str(&b),
        old ? AE_STR("make a new token") : ae_s(NULL, 0));
    s->too_old |= old;
}

static void conditions(struct cli *c, struct token_show *s,
                       const struct ae_rules *rules, bool reached)
{
    int64_t now = s->now;
    size_t  at = s->n;

    for (size_t i = 0; reached && i < rules->n; i++)
        if (rules->v[i].kind == AE_RULE_TOKEN
            && ae_rules_whose(&rules->v[i], s->kind, s->subject.id,
                              &s->subject))
            one_condition(c, s, &rules->v[i], now);
    if (s->n != at)
        return;
    if (!reached || (s->tr.no_keys && !c->inputs))
        row(s, "condition", reached ? AE_FOUND_UNCHECKED : AE_FOUND_NOTHING,
            AE_STR(""), ae_s(NULL, 0));
    else
        row(s, "condition", AE_FOUND_OK, AE_STR("none in argo-edge.yaml"),
            ae_s(NULL, 0));
}

static ae_str joined(struct cli *c, const ae_str *v, size_t n)
{
    ae_buf b;

    ae_buf_init(&b, &c->a, 0);
    for (size_t i = 0; i < n; i++) {
        ae_buf_puts(&b, i ? ", " : "");
        ae_buf_put(&b, v[i]);
    }
    return n ? ae_buf_str(&b) : AE_STR("none");
}

static void groups(struct cli *c, struct token_show *s,
                   const struct ae_inputs *in, bool reached)
{
    static const ae_str    fallback[] = { { "groups", 6 } };
    const struct ae_rbac_in *r = &in->rbac;
    bool elsewhere = reached && s->result.sso && in->sso.other_groups;

    if (!reached) {
        row(s, "scopes", AE_FOUND_NOTHING, AE_STR(""), ae_s(NULL, 0));
        row(s, "groups", AE_FOUND_NOTHING, AE_STR(""), ae_s(NULL, 0));
        return;
    }
    row(s, "scopes", AE_FOUND_OK, joined(c, r->scopes_set ? r->scopes
        : fallback, r->scopes_set ? r->nscopes : 1), ae_s(NULL, 0));
    row(s, "groups", elsewhere ? AE_FOUND_UNKNOWN : AE_FOUND_OK,
        joined(c, s->subject.groups, s->subject.ngroups), elsewhere
        ? AE_STR("Argo CD asks the userinfo endpoint for others")
        : ae_s(NULL, 0));
}

/* Whose it is, or says that it is: fills |kind|. */
static ae_str whose(struct token_show *s)
{
    ae_str user = ae_claims_user(s->claims), rest;

    if (s->result.identity) {
        s->kind = s->result.identity->kind;
        return s->result.identity->user;
    }
    s->kind = s->result.sso ? AE_KIND_OIDC : AE_KIND_PROJECT;
    if (s->result.sso || ae_starts(user, AE_STR("proj:")))
        return user;
    rest = ae_cut(user, ':', &user);
    s->kind = ae_eq_lit(rest, "login") ? AE_KIND_LOGIN : AE_KIND_APIKEY;
    return user;
}

/* What the agent knows of Argo CD's list, if it has told the servers. */
static void revocation(struct cli *c, struct token_show *s, bool reached)
{
    struct ae_zone_conf zc = { .name = ae_cs(c->zone), .read_only = true };
    struct ae_marks     m;
    ae_zone            *z = NULL;
    bool                is, known;

    for (size_t i = zc.name.n; i-- > 0;)
        if (zc.name.p[i] == ':') {
            zc.name.n = i;
            break;
        }
    if (!reached || !s->result.identity || !zc.name.n
        || ae_zone_open(&zc, &z, NULL, NULL) != AE_OK) {
        row(s, "revocation", reached ? AE_FOUND_UNCHECKED : AE_FOUND_NOTHING,
            reached ? AE_STR("Argo CD's Redis knows; with --zone what the "
                             "agent has of it") : AE_STR(""), ae_s(NULL, 0));
        return;
    }
    ae_marks_open(&m, z, AE_ZONE_LISTED);
    known = m.head && atomic_load(&m.head->up);
    is = s->kind != AE_KIND_PROJECT && ae_marks_has(&m,
                                                    s->result.identity->jti);
    row(s, "revocation", is ? AE_FOUND_REFUSED : known ? AE_FOUND_OK
        : AE_FOUND_UNCHECKED, is ? AE_STR("on Argo CD's list") : known
        ? AE_STR("not on Argo CD's list") : AE_STR("no agent follows the "
        "list"), is ? AE_STR("its owner has logged out: log in again")
                    : ae_s(NULL, 0));
    ae_zone_close(z);
    if (!is)
        return;
    ae_identity_unref(s->result.identity);
    s->result.identity = NULL;
    s->result.verdict = AE_TOKEN_REFUSED;
    s->result.reason = AE_STR(AE_REVOKED);
}

static int besides(struct cli *c, struct token_show *s,
                   const struct ae_inputs *in)
{
    struct ae_rbac_in rbac;
    ae_policy        *p = NULL;
    ae_str            user;
    bool reached = s->claims && s->result.verdict != AE_TOKEN_REFUSED;
    int  rc = cli_policy(c, in, &rbac, &p);

    if (rc)
        return rc;
    user = whose(s);
    if (reached && ae_subject_from_claims(p, &c->a, s->claims, user,
                                          &s->subject))
        rc = cli_fail(EXIT_INPUT, "out of memory");
    revocation(c, s, reached);
    reached = reached && s->result.verdict != AE_TOKEN_REFUSED;
    conditions(c, s, &in->rules, reached);
    groups(c, s, in, reached);
    ae_policy_free(p);
    return rc;
}

int token_look(struct cli *c, struct token_show *s, ae_str text,
               const struct ae_inputs *in)
{
    struct ae_conf conf;
    struct ae_err  err = { .code = 0 };
    ae_tokens     *t = NULL;
    json_t        *head = NULL;

    s->tr.a = &c->a;
    if (!credential(c, s, text)) {
        core_rows(s);
        return besides(c, s, in);
    }
    cli_conf(c, &conf);
    if (ae_tokens_new(in, conf.ns, &t, &err))
        return cli_err(&err);
    ae_token_explain(t, ae_tokens_keyset(t), &c->a, s->token, s->now, &s->tr,
                     &s->result);
    ae_token_allow_partial(&s->result, conf.projects == AE_PARTIAL
        || (conf.projects == AE_AUTO && !in->have_projects));
    ae_tokens_free(t);
    if (ae_token_decode(&c->a, s->token, &head, &s->claims, &s->unread)
        == AE_OK)
        s->header = head;
    core_rows(s);
    return besides(c, s, in);
}

void token_show_end(struct token_show *s)
{
    ae_identity_unref(s->result.identity);
    json_decref(s->header);
    json_decref(s->claims);
}

/* ---- printing ----------------------------------------------------------- */

static const char *word(enum ae_token_found f)
{
    static const char *const w[] = { "not reached", "ok", "refused",
                                     "unknown", "not checked" };

    return w[f];
}

json_t *token_rows_json(const struct token_show *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->n; i++) {
        const struct token_row *r = &s->row[i];
        json_t *o = json_pack("{s:s, s:s}", "check", r->name, "result",
                              word(r->found));

        if (r->seen.n)
            json_object_set_new(o, "seen", cli_jstr(r->seen));
        if (r->remedy.n)
            json_object_set_new(o, "remedy", cli_jstr(r->remedy));
        json_array_append_new(list, o);
    }
    return list;
}

void token_rows_print(const struct token_show *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct token_row *r = &s->row[i];

        printf("  %-11s %-11s", r->name, word(r->found));
        if (r->seen.n)
            printf(" ");
        print_safe(r->seen);
        if (r->remedy.n)
            printf("%s", r->seen.n ? ": " : " ");
        print_safe(r->remedy);
        putchar('\n');
    }
}
