/*
 * reply.c - bodies as Argo CD writes them (semantics-api section 5): byte for
 * byte, or the refusal is not ours to give (I-C).
 */
#include "edge/edge.h"

#include <stdio.h>

static const struct { int code, http; } http_of[] = {
    { 1, 408 }, { 2, 500 }, { 3, 400 }, { 4, 504 }, { 5, 404 }, { 6, 409 },
    { 7, 403 }, { 8, 429 }, { 9, 400 }, { 10, 409 }, { 11, 400 },
    { 12, 501 }, { 13, 500 }, { 14, 503 }, { 15, 500 }, { 16, 401 },
};

int ae_grpc_http(int code)
{
    for (size_t i = 0; i < sizeof http_of / sizeof http_of[0]; i++)
        if (http_of[i].code == code)
            return http_of[i].http;
    return 500;
}

/* Go's http.StatusText for what we send. */
static const char *status_text(int status)
{
    switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 415: return "Unsupported Media Type";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
    }
}

ae_str ae_error_json(ae_arena *a, int code, ae_str msg)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    ae_buf_puts(&b, "{\"error\":");
    ae_json_quote(&b, msg);
    ae_buf_printf(&b, ",\"code\":%d,\"message\":", code);
    ae_json_quote(&b, msg);
    ae_buf_putc(&b, '}');
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

/* A stream that fails before its first message. */
static ae_str stream_json(ae_arena *a, int status, int code, ae_str msg,
                          bool sse)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    if (sse)
        ae_buf_puts(&b, "data: ");
    ae_buf_printf(&b, "{\"error\":{\"grpc_code\":%d,\"http_code\":%d,"
                  "\"message\":", code, status);
    ae_json_quote(&b, msg);
    ae_buf_puts(&b, ",\"http_status\":");
    ae_json_quote(&b, ae_cs(status_text(status)));
    ae_buf_puts(&b, sse ? "}} \n\n" : "}}");
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

void ae_reply_header(ae_txn *t, ae_str name, ae_str value)
{
    if (t->nreply_hdr < sizeof t->reply_hdr / sizeof t->reply_hdr[0])
        t->reply_hdr[t->nreply_hdr++] = (struct ae_field){ name, value };
}

enum ae_step_ret ae_reply_body(ae_txn *t, int status, ae_str ctype,
                               ae_str body)
{
    if (status >= 400)
        ae_reply_header(t, AE_STR("Argo-Edge-Decision"), ae_decision_id(t));
    /* T12: nobody else may reuse an answer of ours without asking us. */
    ae_reply_header(t, AE_STR("Cache-Control"), AE_STR("private, no-cache"));
    ae_reply_header(t, AE_STR("Vary"),
                    AE_STR("Accept-Encoding, Authorization, Cookie"));
    ae_reply_header(t, AE_STR("X-Content-Type-Options"), AE_STR("nosniff"));
    memset(&t->act, 0, sizeof t->act);
    t->act.kind = AE_REPLY;
    t->act.reply.status = status;
    t->act.reply.ctype = ctype;
    t->act.reply.body = body;
    t->act.reply.hdr = t->reply_hdr;
    t->act.reply.nhdr = t->nreply_hdr;
    return AE_STEP_ACT;
}

/* gRPC's percent-encoding of grpc-message. */
static ae_str grpc_message(ae_arena *a, ae_str msg)
{
    ae_buf b;

    ae_buf_init(&b, a, 0);
    for (size_t i = 0; i < msg.n; i++) {
        unsigned char c = (unsigned char)msg.p[i];
        if (c < 0x20 || c > 0x7e || c == '%')
            ae_buf_printf(&b, "%%%02X", c);
        else
            ae_buf_putc(&b, (char)c);
    }
    return b.bad ? ae_s(NULL, 0) : ae_buf_str(&b);
}

static enum ae_step_ret reply_grpc(ae_txn *t, int status, int code, ae_str msg)
{
    if (status < 400) /* gRPC says no with 200 */
        ae_reply_header(t, AE_STR("Argo-Edge-Decision"), ae_decision_id(t));
    ae_reply_header(t, AE_STR("Grpc-Status"), ae_fmt(&t->a, "%d", code));
    ae_reply_header(t, AE_STR("Grpc-Message"), grpc_message(&t->a, msg));
    return ae_reply_body(t, status, t->tgt.grpc_web
                         ? AE_STR("application/grpc-web+proto")
                         : AE_STR("application/grpc"), AE_STR(""));
}

enum ae_step_ret ae_reply_error(ae_txn *t, int status, int code, ae_str msg)
{
    ae_str json = AE_STR("application/json");

    /* upstream an error is a gRPC status, whose text is always UTF-8 */
    msg = ae_utf8_mend(&t->a, msg);
    if (t->tgt.kind == AE_TGT_GRPC)
        /* Errors of gRPC are HTTP 200 with a status header, save where the
         * content type itself is refused. */
        return reply_grpc(t, status == 415 ? 415 : 200, code, msg);
    if (t->tgt.kind == AE_TGT_OP && t->tgt.op->shape == AE_SHAPE_STREAM) {
        bool sse = ae_eq_lit(t->req->hdr[AE_H_ACCEPT], "text/event-stream");
        return ae_reply_body(t, status,
                             sse ? AE_STR("text/event-stream") : json,
                             stream_json(&t->a, status, code, msg, sse));
    }
    return ae_reply_body(t, status, json, ae_error_json(&t->a, code, msg));
}

void ae_reply_fail(ae_txn *t, struct ae_act *out)
{
    static const struct ae_field hdr[] = {
        { { "Cache-Control", 13 }, { "private, no-cache", 17 } },
        { { "Vary", 4 }, { "Accept-Encoding, Authorization, Cookie", 38 } },
    };

    (void)t;
    memset(out, 0, sizeof *out);
    out->kind = AE_FAIL;
    out->reply.status = 500;
    out->reply.ctype = AE_STR("application/json");
    out->reply.body = AE_STR("{\"error\":\"internal error\",\"code\":13,"
                             "\"message\":\"internal error\"}");
    out->reply.hdr = hdr;
    out->reply.nhdr = sizeof hdr / sizeof hdr[0];
}
