/*
 * json.c - helpers over jansson: strict reading, and writing as Go does.
 */
#include "base/base.h"

/* jansson has no depth option below its compiled-in 2,048: count brackets
 * outside strings before it allocates anything (T17). */
static bool too_deep(ae_str s, int max)
{
    int  depth = 0;
    bool in = false;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (in) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in = false;
        } else if (c == '"') {
            in = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

json_t *ae_json_parse(ae_str s, int depth, struct ae_err *err)
{
    json_error_t je;
    json_t      *v;

    if (too_deep(s, depth)) {
        ae_err_set(err, AE_E_TOOBIG, "JSON is nested deeper than %d levels",
                   depth);
        return NULL;
    }
    v = json_loadb(s.p ? s.p : "", s.n,
                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL,
                   &je);
    if (!v)
        ae_err_at(err, AE_E_SYNTAX, ae_s(NULL, 0),
                  je.line > 0 ? (uint32_t)je.line : 0,
                  je.column > 0 ? (uint32_t)je.column : 0,
                  "invalid JSON: %s", je.text);
    return v;
}

ae_str ae_json_str(const json_t *v)
{
    if (!json_is_string(v))
        return ae_s(NULL, 0);
    return ae_s(json_string_value(v), json_string_length(v));
}

static void quote_cp(ae_buf *b, uint32_t cp, const char *p, size_t w)
{
    switch (cp) {
    case '"':  ae_buf_puts(b, "\\\""); return;
    case '\\': ae_buf_puts(b, "\\\\"); return;
    case '\n': ae_buf_puts(b, "\\n"); return;
    case '\r': ae_buf_puts(b, "\\r"); return;
    case '\t': ae_buf_puts(b, "\\t"); return;
    case '\b': ae_buf_puts(b, "\\b"); return;
    case '\f': ae_buf_puts(b, "\\f"); return;
    case 0xFFFD:
        /* an invalid byte: encoding/json writes the escape; a real U+FFFD
         * (width 3) is copied */
        if (w == 1)
            ae_buf_puts(b, "\\ufffd");
        else
            ae_buf_put(b, ae_s(p, w));
        return;
    default:
        break;
    }
    if (cp < 0x20 || cp == '<' || cp == '>' || cp == '&' || cp == 0x2028
        || cp == 0x2029)
        ae_buf_printf(b, "\\u%04x", cp);
    else
        ae_buf_put(b, ae_s(p, w));
}

void ae_json_quote(ae_buf *b, ae_str s)
{
    size_t plain = 0;

    ae_buf_putc(b, '"');
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.p[i];
        uint32_t      cp;
        size_t        w;

        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<'
            && c != '>' && c != '&') {
            i++;
            continue;
        }
        ae_buf_put(b, ae_sub(s, plain, i - plain));
        w = ae_utf8_next(s.p + i, s.n - i, &cp);
        quote_cp(b, cp, s.p + i, w);
        i += w;
        plain = i;
    }
    ae_buf_put(b, ae_sub(s, plain, s.n - plain));
    ae_buf_putc(b, '"');
}

ae_str ae_claims_user(const json_t *claims)
{
    const json_t *f = json_object_get(claims, "federated_claims");
    ae_str        id = ae_json_get_str(f, "user_id");

    if (json_is_object(f) && id.n)
        return id;
    id = ae_json_get_str(claims, "sub");
    return id.p ? id : AE_STR("");
}

static bool hidden(unsigned char c)
{
    return c < 0x20 || c >= 0x7F || c == '"' || c == '\\';
}

ae_str ae_log_escape(ae_arena *a, ae_str s, size_t max)
{
    ae_buf b;
    size_t plain = 0;

    while (plain < s.n && !hidden((unsigned char)s.p[plain]))
        plain++;
    if (plain == s.n)
        return max && s.n > max ? ae_s(s.p, max) : s;
    ae_buf_init(&b, a, 0);
    for (size_t i = 0; i < s.n && (max == 0 || b.n < max); i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (hidden(c))
            ae_buf_printf(&b, "\\x%02X", c);
        else
            ae_buf_putc(&b, (char)c);
    }
    return b.bad ? ae_s(NULL, 0) : b.p ? ae_buf_str(&b) : AE_STR("");
}
