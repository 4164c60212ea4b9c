/* replay_msg.c - a recorded case as bytes. */
#include "replay.h"

#include <stdio.h>
#include <stdlib.h>

void msg_free(struct msg *m)
{
    free(m->ctype);
    free(m->policy_id);
    free(m->head);
    free(m->body);
    memset(m, 0, sizeof(*m));
}

static ae_str heap_dup(const char *p, size_t n)
{
    char *q = malloc(n + 1);

    if (!q)
        abort();
    memcpy(q, p, n);
    q[n] = '\0';
    return ae_s(q, n);
}

/* "<1100000 x 'a'>" inside a path stands for that many times the byte. */
static ae_str expand(const char *path)
{
    const char *lt = strchr(path, '<');
    unsigned    count;
    char        c;
    int         used = 0;
    size_t      before, after;
    char       *q;

    if (!lt || sscanf(lt, "<%u x '%c'>%n", &count, &c, &used) != 2 || !used)
        return heap_dup(path, strlen(path));
    before = (size_t)(lt - path);
    after = strlen(lt + used);
    q = malloc(before + count + after + 1);
    if (!q)
        abort();
    memcpy(q, path, before);
    memset(q + before, c, count);
    memcpy(q + before + count, lt + used, after + 1);
    return ae_s(q, before + count + after);
}

static int b64_value(char c)
{
    static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                              "uvwxyz0123456789+/";
    const char *q = c ? strchr(abc, c) : NULL;

    return q ? (int)(q - abc) : -1;
}

static ae_str b64(const char *s)
{
    ae_str   out = heap_dup(s, strlen(s));
    char    *q = (char *)(uintptr_t)out.p;
    uint32_t acc = 0;
    int      bits = 0;
    size_t   n = 0;

    for (; *s && *s != '='; s++) {
        acc = (acc << 6) | (uint32_t)b64_value(*s);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            q[n++] = (char)(acc >> bits);
        }
    }
    return ae_s(q, n);
}

/* The payload of a chunked body as it stands on the wire. */
static ae_str dechunk(ae_str wire)
{
    ae_str out = heap_dup(wire.p, wire.n);
    char  *q = (char *)(uintptr_t)out.p;
    size_t n = 0, i = 0;

    while (i < wire.n) {
        size_t size = strtoul(wire.p + i, NULL, 16);
        size_t nl = ae_find(ae_sub(wire, i, wire.n), '\n');

        i += nl + 1;
        if (size == 0 || i + size > wire.n)
            break;
        memcpy(q + n, wire.p + i, size);
        n += size;
        i += size + 2;
    }
    return ae_s(q, n);
}

static bool has_header(const json_t *req, const char *name)
{
    const json_t *h;
    size_t        i;

    json_array_foreach(json_object_get(req, "headers"), i, h)
        if (ae_ieq(ae_json_str(json_array_get(h, 0)), ae_cs(name)))
            return true;
    return false;
}

bool xchg_load(const json_t *c, struct xchg *x)
{
    const json_t *req = json_object_get(c, "request");
    const json_t *res = json_object_get(c, "response");
    const json_t *body = json_object_get(req, "body");
    const char   *s;

    memset(x, 0, sizeof(*x));
    x->c = c;
    x->name = json_string_value(json_object_get(c, "name"));
    x->edge = json_string_value(json_object_get(c, "edge"));
    x->method = json_string_value(json_object_get(req, "method"));
    s = json_string_value(json_object_get(req, "path"));
    if (!x->name || !x->edge || !x->method || !s)
        return false;
    x->target = expand(s);
    x->head = strcmp(x->method, "HEAD") == 0;
    x->chunked = has_header(req, "Transfer-Encoding");
    if (json_is_string(body)) {
        x->has_body = true;
        if (json_is_true(json_object_get(req, "body_is_b64")))
            x->body = b64(json_string_value(body));
        else
            x->body = heap_dup(json_string_value(body),
                               json_string_length(body));
        x->plain = x->chunked ? dechunk(x->body)
                              : heap_dup(x->body.p, x->body.n);
    }
    x->status = (int)json_integer_value(json_object_get(res, "status"));
    s = json_string_value(json_object_get(res, "content_type"));
    x->ctype = s ? s : "";
    x->want = ae_json_get_str(res, "body");
    x->stream_open = json_is_true(json_object_get(res, "stream_open"));
    return true;
}

void xchg_free(struct xchg *x)
{
    free((char *)(uintptr_t)x->target.p);
    free((char *)(uintptr_t)x->body.p);
    free((char *)(uintptr_t)x->plain.p);
}
