/* make.h - tokens out of any header and payload text, signed with HMAC. */
#ifndef AE_TEST_TOKEN_MAKE_H
#define AE_TEST_TOKEN_MAKE_H

#include "token/token.h"

#include <openssl/evp.h>

#define SECRET AE_STR("a secret of the tests, longer than a hash")
#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static ae_str make_token_of(ae_arena *a, ae_str header, ae_str payload)
{
    unsigned char mac[32];
    size_t        n = sizeof(mac);
    ae_str        h = ae_b64url_encode(a, header);
    ae_str        p = ae_b64url_encode(a, payload), s;
    ae_buf        b;

    ae_buf_init(&b, a, 0);
    ae_buf_put(&b, h);
    ae_buf_putc(&b, '.');
    ae_buf_put(&b, p);
    EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, SECRET.p, SECRET.n,
              (const unsigned char *)b.p, b.n, mac, n, &n);
    s = ae_b64url_encode(a, ae_s((char *)mac, n));
    ae_buf_putc(&b, '.');
    ae_buf_put(&b, s);
    return ae_buf_str(&b);
}

__attribute__((unused))
static ae_str make_token(ae_arena *a, const char *payload)
{
    return make_token_of(a, AE_STR(HEADER), ae_cs(payload));
}

#endif
