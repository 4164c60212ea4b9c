/*
 * body.c - what may be said of a JSON body without being Go's decoder: only
 * bodies whose reading is beyond doubt support a refusal (R31).
 */
#include "route/internal.h"

static bool value_sure(const json_t *v, char type)
{
    if (json_is_null(v))
        return true; /* Go leaves the member as it is */
    switch (type) {
    case 's': return json_is_string(v);
    case 'i': return json_is_integer(v);
    case 'b': return json_is_boolean(v);
    case 'a': return json_is_array(v); /* items, members: the caller looks */
    case 'o': return json_is_object(v);
    default:  return false;
    }
}

/* Type of member |key| in |schema|; 0: not listed; '?': near miss. */
static char member_type(const char *key, const char *schema)
{
    ae_str rest = ae_cs(schema), k = ae_cs(key);

    for (size_t i = 0; i < k.n; i++)
        if ((unsigned char) k.p[i] >= 0x80)
            return '?'; /* Go folds by Unicode: K (Kelvin), long s */
    while (rest.n) {
        ae_str one, name, type;

        rest = ae_cut(rest, ' ', &one);
        type = ae_cut(one, ':', &name);
        if (ae_eq(k, name))
            return type.p[0];
        if (ae_ieq(k, name))
            return '?';
    }
    return 0;
}

bool ae_body_sure(const json_t *body, const char *schema)
{
    const char *key;
    json_t     *v;

    if (json_is_null(body))
        return true;
    if (!json_is_object(body))
        return false;
    json_object_foreach((json_t *) (uintptr_t) body, key, v) {
        char type = member_type(key, schema);

        if (type && !value_sure(v, type))
            return false;
    }
    return true;
}

ae_str ae_body_str(const json_t *body, const char *dotted)
{
    ae_str rest = ae_cs(dotted);

    while (rest.n && json_is_object(body)) {
        ae_str key;
        char   z[64];

        rest = ae_cut(rest, '.', &key);
        if (key.n >= sizeof z)
            break;
        memcpy(z, key.p, key.n);
        z[key.n] = '\0';
        body = json_object_get(body, z);
        if (!rest.n)
            return ae_json_str(body);
    }
    return ae_s(NULL, 0);
}
