/* selector.c - what the recorded selectors leave open of the grammar. */
#include "sample.h"

static bool says(const char *text, const char *want)
{
    struct pool        p;
    struct ae_selector s;
    ae_str             error = { NULL, 0 };
    int                rc = ae_selector_parse(pool_new(&p), ae_cs(text), &s,
                                              &error);
    bool               ok = want ? rc == AE_E_SYNTAX
                                   && ae_eq(error, ae_cs(want))
                                 : rc == AE_OK;

    if (!ok)
        printf("# '%s': %d %.*s\n", text, rc, (int)error.n, error.p);
    pool_free(&p);
    return ok;
}

static int matches(const char *text, const char *labels)
{
    struct pool        p;
    struct ae_selector s;
    ae_str             error;
    int rc = ae_selector_parse(pool_new(&p), ae_cs(text), &s, &error);

    if (rc == AE_OK)
        rc = ae_selector_match(&s, ae_cs(labels), &p.a);
    pool_free(&p);
    return rc;
}

static void grammar(void)
{
    static const char *const good[] = {
        "", " \t\r\n", "a", "!a", "a=b", "a = b", "a==b", "a!=b", "a in (b)",
        "a notin(b,c)", "a in ()", "a in (,)", "a in (,,)", "a in (b,,c)",
        "a in (b,)", "a=", "a==,b", "in", "in in (in,notin)", "notin=in",
        "a>1", "a<9", "a>007", "x.y/z=1", "a=b,a=c,!a"
    };
    unsigned bad = 0;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        bad += !says(good[i], NULL);
    tap_ok(bad == 0, "what the grammar knows is taken");
    tap_ok(says("a=b,", "found '', expected: identifier after ','")
           && says("a b", "unable to parse requirement: found 'b', expected:"
                   " in, notin, =, ==, !=, gt, lt")
           && says("a in b", "unable to parse requirement: found 'b' expected:"
                   " '('")
           && says("a in (b", "unable to parse requirement: found '',"
                   " expected: ',' or ')'")
           && says("a===b", "unable to parse requirement: found '=', expected:"
                   " identifier")
           && says(")", "found ')', expected: !, identifier, or 'end of"
                   " string'"), "faults have Kubernetes' words");
    tap_ok(says("a>x", "unable to parse requirement: values[0]: Invalid value:"
                " \"x\": for 'Gt', 'Lt' operators, the value must be an"
                " integer"), "a number that is none");
}

static void labels(void)
{
    const char *l = "{\"env\":\"dev\",\"n\":\"5\",\"e\":\"\",\"big\":"
                    "\"9223372036854775808\"}";

    tap_ok(matches("env=dev,n", l) == 1 && matches("env!=prod", l) == 1
           && matches("none!=x", l) == 1 && matches("none=", l) == 0
           && matches("e=", l) == 1 && matches("!none", l) == 1
           && matches("!env", l) == 0 && matches("env in (a,dev)", l) == 1
           && matches("env notin (a,dev)", l) == 0
           && matches("env=dev,env=x", l) == 0, "values and absence");
    tap_ok(matches("n>4", l) == 1 && matches("n<5", l) == 0
           && matches("n>005", l) == 0 && matches("big>1", l) == 0
           && matches("env<9", l) == 0 && matches("none<9", l) == 0,
           "numbers");
    tap_ok(matches("a", "") == 0 && matches("!a", "") == 1, "no labels");
    tap_ok(matches("a", "{\"a\":1}") == AE_E_CORRUPT
           && matches("a", "{\"a\"") == AE_E_CORRUPT, "damage is told");
}

static void no_memory(void)
{
    const char *text = "a in (b,c,d,e,f),g=h,i notin (j$,k$),l";
    unsigned    done = 0, out = 0, other = 0;

    for (size_t limit = 0; limit < 20000; limit += 16) {
        struct pool        p;
        struct ae_selector s;
        ae_str             error;
        int                rc;

        pool_new(&p)->limit = limit ? limit : 1;
        rc = ae_selector_parse(&p.a, ae_cs(text), &s, &error);
        done += rc == AE_E_SYNTAX;
        out += rc == AE_E_NOMEM;
        other += rc != AE_E_SYNTAX && rc != AE_E_NOMEM;
        pool_free(&p);
    }
    tap_ok(other == 0 && done && out, "too little memory is said (%u, %u)",
           out, done);
}

int main(void)
{
    grammar();
    labels();
    no_memory();
    return tap_done();
}
