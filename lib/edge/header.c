/*
 * header.c - the closed set of request headers that the core reads (T3).
 */
#include "edge/edge.h"

static const char *const names[AE_H__N] = {
    [AE_H_AUTHORIZATION] = "authorization",
    [AE_H_CONTENT_TYPE] = "content-type",
    [AE_H_ACCEPT] = "accept",
    [AE_H_ACCEPT_ENCODING] = "accept-encoding",
    [AE_H_CACHE_CONTROL] = "cache-control",
    [AE_H_CONNECTION] = "connection",
    [AE_H_UPGRADE] = "upgrade",
    [AE_H_HOST] = "host",
    [AE_H_ORIGIN] = "origin",
    [AE_H_SEC_FETCH_SITE] = "sec-fetch-site",
    [AE_H_IF_NONE_MATCH] = "if-none-match",
    [AE_H_USER_AGENT] = "user-agent",
    [AE_H_ARGOCD_APP] = "argocd-application-name",
    [AE_H_ARGOCD_PROJECT] = "argocd-project-name",
    [AE_H_TRANSFER_ENCODING] = "transfer-encoding",
    [AE_H_TRACEPARENT] = "traceparent",
    [AE_H_TOKEN] = "token",
    [AE_H_METADATA] = "grpc-metadata-", /* a prefix */
    [AE_H_VSS_ACTIVITYID] = "x-vss-activityid",
    [AE_H_GOGS_EVENT] = "x-gogs-event",
    [AE_H_GOGS_SIGNATURE] = "x-gogs-signature",
    [AE_H_GITHUB_EVENT] = "x-github-event",
    [AE_H_HUB_SIGNATURE] = "x-hub-signature",
    [AE_H_HUB_SIGNATURE_256] = "x-hub-signature-256",
    [AE_H_GITLAB_EVENT] = "x-gitlab-event",
    [AE_H_GITLAB_TOKEN] = "x-gitlab-token",
    [AE_H_HOOK_UUID] = "x-hook-uuid",
    [AE_H_EVENT_KEY] = "x-event-key",
};

const char *ae_hdr_name(enum ae_hdr h)
{
    return (unsigned)h < AE_H__N ? names[h] : NULL;
}

static bool metadata(ae_str name)
{
    static const ae_str pre[] = { { "grpc-metadata-", 14 },
                                  { "grpcgateway-", 12 } };

    for (size_t i = 0; i < sizeof pre / sizeof pre[0]; i++)
        if (ae_ieq(ae_sub(name, 0, pre[i].n), pre[i]))
            return true;
    return false;
}

bool ae_hdr_may_strip(ae_str name)
{
    switch (name.n ? name.p[0] | 0x20 : 0) {
    case 'a':
        return name.n > 1 && (name.p[1] | 0x20) == 'r';
    case 'f': case 'g': case 'i': case 'r': case 'x':
        return true;
    default:
        return false;
    }
}

static int unread(ae_str name)
{
    return ae_hdr_may_strip(name) ? AE_HDR_ODD : -1;
}

/* Asked for every header of every request: the first letter settles most.
 * Those of webhooks, and no others, begin with an x. */
#define N(h) (1u << AE_H_##h)
static const uint32_t by_letter[] = {
    ['a' - 'a'] = N(AUTHORIZATION) | N(ACCEPT) | N(ACCEPT_ENCODING)
                  | N(ARGOCD_APP) | N(ARGOCD_PROJECT),
    ['c' - 'a'] = N(CONTENT_TYPE) | N(CACHE_CONTROL) | N(CONNECTION),
    ['h' - 'a'] = N(HOST),
    ['i' - 'a'] = N(IF_NONE_MATCH),
    ['o' - 'a'] = N(ORIGIN),
    ['s' - 'a'] = N(SEC_FETCH_SITE),
    ['t' - 'a'] = N(TRANSFER_ENCODING) | N(TRACEPARENT) | N(TOKEN),
    ['u' - 'a'] = N(UPGRADE) | N(USER_AGENT),
    ['x' - 'a'] = (1u << AE_H__N) - (1u << (AE_H_METADATA + 1)),
};
#undef N

int ae_hdr_lookup(ae_str name)
{
    unsigned c = name.n ? (unsigned)(name.p[0] | 0x20) - 'a' : 26;

    if (c == 'g' - 'a')
        return metadata(name) ? AE_H_METADATA : AE_HDR_ODD;
    if (c >= sizeof by_letter / sizeof by_letter[0])
        return unread(name);
    for (uint32_t of = by_letter[c]; of; of &= of - 1) {
        int i = __builtin_ctz(of);

        if (ae_ieq(name, ae_cs(names[i])))
            return i;
    }
    return unread(name);
}
