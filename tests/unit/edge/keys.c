/*
 * keys.c - the provider's documents by a clock that the test moves: who
 * fetches them and when (F13-F15), rotation, and how long what was fetched
 * last counts (F14).
 */
#include "fixture.h"

#include "../token/sign.h"

#define CAN "/api/v1/account/can-i/applications/get/teama/a1"
#define ISSUER "https://idp.example.com"
#define DISCOVERY "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" ISSUER       \
    "/keys\",\"id_token_signing_alg_values_supported\":[\"ES256\"]}"

static struct fx f;
static EVP_PKEY *key[3];
static const char *const kid[] = { "a", "b", "c" };
static unsigned served;      /* bit i: the provider has key[i] */
static int answers = 200;    /* its status */
static int fetches, asked;   /* whole ones, and questions */

static ae_str token(int k, const char *sub)
{
    return sign_token(&f.a, key[k], AE_ES256, ae_fmt(&f.a,
        "{\"alg\":\"ES256\",\"kid\":\"%s\"}", kid[k]), ae_fmt(&f.a,
        "{\"iss\":\"" ISSUER "\",\"aud\":\"argo\",\"sub\":\"%s\","
        "\"iat\":1,\"exp\":4102444800}", sub));
}

static char *jwks(void)
{
    json_t *o = json_pack("{s:[]}", "keys");
    char *text;

    for (int i = 0; i < 3; i++)
        if (served >> i & 1)
            json_array_append_new(json_object_get(o, "keys"),
                                  sign_jwk(&f.a, key[i], kid[i]));
    text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

struct run { struct fx_call c; ae_heap heap; struct ae_act act; ae_txn *t; };

static void begin(ae_engine *e, struct run *r, ae_str tok)
{
    struct fx_req q = { .target = CAN, .token = tok.p };

    memset(r, 0, sizeof *r);
    fx_fill(&f, &q, &r->c);
    r->t = ae_txn_begin(e, &f.loc, &r->c.req, ae_heap_mem(&r->heap));
    ae_txn_step(r->t, &r->act);
}

/* Go on to the end; what became of it: 'r' answered here, 'f' forwarded. */
static char finish(struct run *r)
{
    char *set = jwks();

    for (int i = 0; i < 4 && r->act.kind == AE_NEED_FETCH; i++) {
        bool disc = ae_eq_lit(r->act.fetch.target, "/discovery");

        asked++;
        fetches += !disc;
        ae_txn_fetched(r->t, r->act.fetch.id, answers,
                       AE_STR("application/json"),
                       ae_cs(disc ? DISCOVERY : set), AE_BODY_LAST);
        ae_txn_step(r->t, &r->act);
    }
    free(set);
    ae_txn_end(r->t);
    ae_heap_free(&r->heap);
    return r->act.kind == AE_FORWARD ? 'f' : r->act.kind == AE_REPLY
         ? r->act.reply.status == 200 ? 'r' : 'x' : '?';
}

static char ask(ae_str tok)
{
    struct run r;

    begin(f.e, &r, tok);
    return finish(&r);
}

static void pass(int64_t ms)
{
    fx_pass(&f, ms);
    ae_engine_tick(f.e);
}

static void rotation(void)
{
    served = 1;
    tap_ok(ask(token(0, "ann")) == 'r' && fetches == 1 && asked == 2,
           "the first token fetches both documents");
    tap_ok(ask(token(0, "ben")) == 'r' && fetches == 1, "the next none");
    served = 2;
    pass(29999);
    tap_ok(ask(token(1, "ann")) == 'f' && asked == 2,
           "an unknown key within 30 s is passed on");
    pass(1);
    tap_ok(ask(token(1, "ann")) == 'r' && fetches == 2,
           "and fetches after them: the keys have rotated");
    tap_ok(ask(token(0, "ann")) == 'f' && fetches == 2,
           "a withdrawn key is for Argo CD to judge");
    pass(30000);
    tap_ok(ask(token(2, "ann")) == 'x' && fetches == 3,
           "a key that not even the new set has is refused");
    tap_ok(ask(token(2, "ben")) == 'f' && fetches == 3,
           "but not without asking anew");
}

static void one_flight(void)
{
    struct run r, others[5];
    int passed = 0;

    pass(30000);
    begin(f.e, &r, token(2, "first"));
    tap_ok(r.act.kind == AE_NEED_FETCH, "one asks");
    for (int i = 0; i < 5; i++) {
        begin(f.e, &others[i], token(2, "other"));
        passed += others[i].act.kind == AE_FORWARD;
    }
    tap_ok(passed == 5, "nobody waits for it: %d", passed);
    served = 4;
    for (int i = 0; i < 5; i++)
        finish(&others[i]);
    tap_ok(finish(&r) == 'r', "it is answered");
    tap_ok(fetches == 4 && ask(token(2, "other")) == 'r',
           "and all after it: %d", fetches);
}

static void faults(void)
{
    int was = fetches;

    answers = 500;
    pass(30000);
    tap_ok(ask(token(0, "ann")) == 'f' && ask(token(0, "ben")) == 'f',
           "no answer: passed on");
    tap_ok(fetches == was, "the key set is not asked for then");
    tap_ok(ask(token(2, "ann")) == 'r', "what is there stays");
    pass(3600 * 1000);
    was = asked;
    tap_ok(ask(token(2, "new")) == 'r' && asked == was + 1,
           "after an hour any token asks, and is judged by what is there");
    tap_ok(ask(token(2, "newer")) == 'r' && asked == was + 1,
           "one in 30 s");
    for (int h = 0; h < 22; h++)
        pass(3600 * 1000);
    tap_ok(ask(token(2, "ann")) == 'r', "still good after 23 hours");
    pass(3600 * 1000 + 31000);
    tap_ok(ask(token(2, "ann")) == 'f', "not after a day");
    answers = 200;
    pass(30000);
    tap_ok(ask(token(2, "ann")) == 'r', "good again once it answers");
}

/* Two processes, one zone. */
static void shared(void)
{
    struct run r;
    ae_snapshot *snap = f.snap;
    ae_engine *first = f.e;
    int was;

    served = 7;
    pass(30000);
    tap_ok(ask(token(0, "ann")) == 'r', "fetched by one");
    was = fetches;
    fx_engine(&f);
    tap_ok(ask(token(1, "ann")) == 'r' && fetches == was,
           "found by the other");
    begin(first, &r, token(2, "ann"));
    tap_ok(finish(&r) == 'r' && fetches == was, "and still with the first");
    ae_engine_free(f.e);
    ae_snapshot_unref(f.snap);
    f.e = first;
    f.snap = snap;
}

int main(void)
{
    char zone[300];

    for (int i = 0; i < 3; i++)
        key[i] = EVP_EC_gen("P-256");
    fx_open(&f);
    ae_engine_free(f.e);
    ae_snapshot_unref(f.snap);
    fx_write(&f, "argocd-cm", "oidc.config",
             "issuer: " ISSUER "\nclientID: argo\n");
    snprintf(zone, sizeof zone, "%s/zone", f.dir);
    f.conf.zone_name = ae_cs(zone);
    f.conf.zone_size = 8 << 20;
    f.conf.oidc_discovery = AE_STR("/discovery");
    f.conf.oidc_keys = AE_STR("/keys");
    fx_engine(&f);
    rotation();
    one_flight();
    faults();
    shared();
    for (int i = 0; i < 3; i++)
        EVP_PKEY_free(key[i]);
    fx_close(&f);
    return tap_done();
}
