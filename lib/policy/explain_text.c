/*
 * explain_text.c - the explanation as text for a terminal: the same facts as
 * the JSON form, in the order in which Argo CD asks.
 */
#include "policy/internal.h"

/* Names come from tokens and policies: control bytes must not reach a
 * terminal (T20). */
static void put(ae_buf *b, const json_t *v)
{
    ae_str s = ae_json_str(v);

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f)
            ae_buf_printf(b, "\\x%02x", c);
        else
            ae_buf_putc(b, s.p[i]);
    }
}

static void put_key(ae_buf *b, const json_t *o, const char *key)
{
    put(b, json_object_get(o, key));
}

static void put_name(ae_buf *b, const json_t *o, const char *key)
{
    ae_buf_putc(b, '"');
    put_key(b, o, key);
    ae_buf_putc(b, '"');
}

static void put_place(ae_buf *b, const json_t *rule)
{
    put_key(b, rule, "file");
    ae_buf_printf(b, ":%lld: ",
                  (long long)json_integer_value(json_object_get(rule,
                                                                "line")));
    put_key(b, rule, "text");
}

static void put_head(ae_buf *b, const json_t *o)
{
    const json_t *groups = json_object_get(o, "groups"), *g;
    size_t        i;

    put_key(b, o, "verdict");
    ae_buf_puts(b, ": ");
    put_key(b, o, "resource");
    ae_buf_puts(b, ", ");
    put_key(b, o, "action");
    ae_buf_puts(b, ", ");
    put_name(b, o, "object");
    ae_buf_puts(b, " for ");
    put_name(b, o, "user");
    json_array_foreach(groups, i, g) {
        ae_buf_puts(b, i ? ", " : " in groups ");
        put(b, g);
    }
    ae_buf_putc(b, '\n');
    if (json_is_object(json_object_get(o, "rule"))) {
        ae_buf_puts(b, "  decided for ");
        put_name(b, o, "subject");
        ae_buf_puts(b, " by ");
        put_place(b, json_object_get(o, "rule"));
        ae_buf_putc(b, '\n');
    }
}

static void put_asked(ae_buf *b, const json_t *o)
{
    const json_t *list = json_object_get(o, "asked"), *k, *via, *g;
    size_t        i, j;

    ae_buf_puts(b, "asked, in this order:\n");
    json_array_foreach(list, i, k) {
        ae_buf_printf(b, "  %zu. ", i + 1);
        put_key(b, k, "kind");
        ae_buf_putc(b, ' ');
        put_name(b, k, "subject");
        ae_buf_puts(b, " (");
        put_key(b, k, "lines");
        ae_buf_puts(b, "): ");
        put_key(b, k, "answer");
        ae_buf_puts(b, ", ");
        put_key(b, k, "why");
        if (!json_is_true(json_object_get(k, "reached")))
            ae_buf_puts(b, " (not asked any more)");
        ae_buf_putc(b, '\n');
        if (json_object_get(k, "rule")) {
            ae_buf_puts(b, "       ");
            put_place(b, json_object_get(k, "rule"));
            ae_buf_putc(b, '\n');
        }
        via = json_object_get(k, "via");
        json_array_foreach(via, j, g) {
            ae_buf_puts(b, "       through ");
            put_place(b, g);
            ae_buf_putc(b, '\n');
        }
    }
}

static void put_rest(ae_buf *b, const json_t *o)
{
    const json_t *v;
    size_t        i;

    json_array_foreach(json_object_get(o, "not_asked"), i, v) {
        if (i == 0)
            ae_buf_puts(b, "not asked:\n");
        ae_buf_puts(b, "  group ");
        put_name(b, v, "group");
        ae_buf_puts(b, ": ");
        put_key(b, v, "reason");
        ae_buf_putc(b, '\n');
    }
    json_array_foreach(json_object_get(o, "near_misses"), i, v) {
        if (i == 0)
            ae_buf_puts(b, "near misses:\n");
        ae_buf_puts(b, "  ");
        put_place(b, v);
        ae_buf_puts(b, "\n       ");
        put_key(b, v, "reason");
        ae_buf_putc(b, '\n');
    }
    json_array_foreach(json_object_get(o, "notes"), i, v) {
        ae_buf_puts(b, "note: ");
        put(b, v);
        ae_buf_putc(b, '\n');
    }
}

void ae_explain(ae_principal *pr, ae_str resource, ae_str action,
                ae_str object, ae_buf *out)
{
    json_t *o = ae_explain_json(pr, resource, action, object);

    if (!o) {
        ae_buf_puts(out, "out of memory\n");
        return;
    }
    put_head(out, o);
    put_asked(out, o);
    put_rest(out, o);
    json_decref(o);
}
