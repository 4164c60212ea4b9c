/* YAML as goyaml and sigs.k8s.io/yaml read it, compared as compact JSON. */
#include "config/config.h"
#include "tap.h"

/* One line, for TAP. */
static const char *flat(const char *text, char *buf, size_t n)
{
    size_t i = 0;

    for (; text[i] && i + 1 < n; i++)
        buf[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
    buf[i] = '\0';
    return buf;
}

static void is(const char *yaml, const char *json)
{
    char          b[40];
    struct ae_err e = { 0 };
    json_t       *v = ae_yaml_to_json(ae_cs(yaml), AE_STR("f"), &e);
    char *s = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY
                             | JSON_SORT_KEYS) : NULL;

    tap_ok(s && strcmp(s, json) == 0, "%s: %s",
           flat(yaml, b, sizeof(b)), s ? s : e.text);
    free(s);
    json_decref(v);
}

static void fails(const char *yaml, int code, unsigned line, unsigned column)
{
    char          b[40];
    struct ae_err e = { 0 };
    json_t       *v = ae_yaml_to_json(ae_cs(yaml), AE_STR("f"), &e);

    tap_ok(!v && e.code == code && e.line == line && e.column == column
           && strcmp(e.file, "f") == 0, "%s: %d %u:%u %s",
           flat(yaml, b, sizeof(b)), e.code, e.line, e.column, e.text);
    json_decref(v);
}

static void deep(void)
{
    char          text[400];
    struct ae_err e = { 0 };
    json_t       *v;

    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    v = ae_yaml_to_json(ae_cs(text), AE_STR("f"), &e);
    tap_ok(v != NULL, "64 levels (%s)", e.text);
    json_decref(v);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    v = ae_yaml_to_json(ae_cs(text), AE_STR("f"), &e);
    tap_ok(!v && e.code == AE_E_TOOBIG, "65 levels: %s", e.text);
    json_decref(v);
}

int main(void)
{
    is("", "null");
    is("# nothing\n", "null");
    is("~", "null");
    is("[yes, No, on, y, 'yes', Null, \"~\"]",
       "[true,false,true,true,\"yes\",null,\"~\"]");
    is("[0x1F, 0b101, 017, 0o17, 1_000, -5, +7]",
       "[31,5,15,15,1000,-5,7]");
    is("[08, 1.2.3, 1e, '5', 0x, -]", "[8.0,\"1.2.3\",\"1e\",\"5\",\"0x\","
       "\"-\"]");
    is("[1.5, .5, 1e3]", "[1.5,0.5,1000.0]");
    is("2001-01-01", "\"2001-01-01\"");
    is("a: {b: [1, x]}\nc: |\n  t\n  u\n",
       "{\"a\":{\"b\":[1,\"x\"]},\"c\":\"t\\nu\\n\"}");
    is("5: a\ntrue: b\n", "{\"5\":\"a\",\"true\":\"b\"}");
    is("a: 1\na: 2\n", "{\"a\":2}");
    is("a: 1\n---\nb: 2\n", "{\"a\":1}");
    is("!!str 5", "\"5\"");
    is("\xEF\xBB\xBF" "a: 1\r\nb: 2\r\n", "{\"a\":1,\"b\":2}");
    is("{\"a\": \"\\u00e9\\/\"}", "{\"a\":\"\xC3\xA9/\"}");
    fails("a: *b\n", AE_E_UNSUP, 1, 4);
    fails("a: &x 1\nb: *x\n", AE_E_UNSUP, 2, 4);
    fails("a: 1\n b: 2\n", AE_E_SYNTAX, 2, 3);
    fails("a: [1,\n", AE_E_SYNTAX, 2, 1);
    fails("<<: {a: 1}\n", AE_E_UNSUP, 1, 1);
    fails("[a]: b\n", AE_E_SYNTAX, 1, 1);
    fails("a: !!binary aGk=\n", AE_E_UNSUP, 1, 4);
    deep();
    return tap_done();
}
