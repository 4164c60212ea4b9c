/* addr.c - which bytes of an address tell clients apart. */
#include "limit/gcra.h"

#include <arpa/inet.h>

ae_str ae_limit_addr(ae_str peer, bool wide, char out[32])
{
    static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                              0xff, 0xff };
    char text[INET6_ADDRSTRLEN + 1];
    unsigned char a[16];

    if (peer.n == 0 || peer.n >= sizeof(text))
        return peer;
    memcpy(text, peer.p, peer.n);
    text[peer.n] = '\0';
    out[0] = '4';
    if (inet_pton(AF_INET, text, a) == 1) {
        memcpy(out + 1, a, 4);
        return ae_s(out, wide ? 4 : 5);
    }
    if (inet_pton(AF_INET6, text, a) != 1)
        return peer;
    if (memcmp(a, mapped, sizeof(mapped)) == 0) {
        memcpy(out + 1, a + 12, 4);
        return ae_s(out, wide ? 4 : 5);
    }
    out[0] = '6';
    memcpy(out + 1, a, 8);
    return ae_s(out, wide ? 7 : 9);
}
