/*
 * inputs.h - Argo CD's own configuration as plain data (design.md section 5).
 * lib/config fills it from files; policy, token and edge read it.  All spans
 * live in the arena of the struct that holds them.
 */
#ifndef AE_INPUTS_H
#define AE_INPUTS_H

#include "base/base.h"
#include "base/rules.h"

/* One text with the place it came from (for file:line:column messages). */
struct ae_text {
    ae_str   file;  /* path shown to the user; absent if not from a file */
    uint32_t line;  /* line in |file| of the text's first line (1 for a
                       mounted key, more inside a manifest) */
    ae_str   key;   /* ConfigMap key, e.g. "policy.csv" */
    ae_str   text;
};

struct ae_jwt_ref {     /* status.jwtTokensByRole[role].items[] etc. */
    ae_str  id;         /* "" when absent */
    int64_t iat, exp;
};

struct ae_role {
    ae_str             name;
    const ae_str      *policies;  size_t npolicies;
    const ae_str      *groups;    size_t ngroups;
    struct ae_jwt_ref *spec_tokens; size_t nspec_tokens; /* spec.roles[] */
};

struct ae_role_tokens { ae_str role; struct ae_jwt_ref *items; size_t n; };

struct ae_project {                /* one AppProject */
    ae_str                 file;
    ae_str                 name, ns; /* ns absent = control namespace */
    struct ae_role        *roles;  size_t nroles;
    struct ae_role_tokens *tokens; size_t ntokens; /* status.jwtTokensByRole */
};

struct ae_api_token { ae_str id; int64_t iat, exp; };

struct ae_account {
    ae_str               name;
    bool                 enabled, cap_login, cap_apikey;
    bool                 has_mtime; int64_t mtime; /* passwordMtime, unix s */
    struct ae_api_token *tokens; size_t ntokens;
};

enum ae_match_mode { AE_MATCH_GLOB, AE_MATCH_REGEX };

struct ae_rbac_in {                 /* argocd-rbac-cm */
    struct ae_text *parts; size_t nparts; /* policy.csv first, then overlays
                       in byte order (C7); absent policy.csv = empty text */
    ae_str          default_role;   /* "" = none */
    enum ae_match_mode mode;
    bool            scopes_set;     /* key present and non-empty */
    const ae_str   *scopes; size_t nscopes;
};

/* What webhooks are signed with, out of argocd-secret; absent = not checked.
 * Raw, as Argo CD takes them. */
enum ae_hook_secret { AE_HOOK_GITHUB, AE_HOOK_GITLAB, AE_HOOK_BITBUCKET_UUID,
                      AE_HOOK_BITBUCKET_SERVER, AE_HOOK_GOGS,
                      AE_HOOK_AZURE_USER, AE_HOOK_AZURE_PASSWORD,
                      AE_HOOK__N };

/* SSO as Argo CD's settings give it (semantics-oidc.md sections 2, 3, 9). */
enum ae_sso_kind {
    AE_SSO_UNKNOWN = 0, /* cannot be told: tokens are passed on */
    AE_SSO_NONE,        /* not configured, or void */
    AE_SSO_OIDC,        /* oidc.config */
    AE_SSO_DEX          /* dex.config and url */
};

struct ae_sso {
    enum ae_sso_kind kind;
    ae_str           issuer;          /* "" is what Argo CD would take, too */
    const ae_str    *aud; size_t naud; /* allowed audiences, in their order */
    bool             skip_aud;        /* skipAudienceCheckWhenTokenHasNo... */
    bool             other_groups;    /* groups come from elsewhere than the
                                         token: decisions are unknown */
    bool             via_dex;         /* both configured: Argo CD asks Dex for
                                         the keys of the other issuer */
    const char      *why;             /* UNKNOWN: the reason, for logs */
    struct ae_text   discovery, jwks; /* oidc/NAME.json; .text absent if not
                                         there */
    bool             have_docs;       /* jwks is there */
    ae_str           stamp;           /* path of oidc/fetched, which whoever
                                         keeps the documents touches; absent:
                                         they do not age */
};

struct ae_inputs {
    struct ae_rbac_in   rbac;
    struct ae_project  *projects; size_t nprojects;
    bool                have_projects; /* appprojects/ exists */
    struct ae_account  *accounts; size_t naccounts; /* admin included */
    bool                have_accounts; /* argocd-cm was there */
    bool                have_secret;   /* argocd-secret was there */
    ae_str              secret_key;    /* server.secretkey, absent if none */
    ae_str              hook[AE_HOOK__N];
    bool                anonymous;     /* users.anonymous.enabled */
    bool                rollback_enforced;  /* server.rbac.rollback.enforce.
                                          enable */
    bool                fine_grained_inherit; /* disableApplicationFineGrained-
                                          RBACInheritance: "false" => true */
    bool                override_for_revision; /* application.sync.require-
                                          OverridePrivilegeForRevisionSync */
    struct ae_sso       sso;
    ae_str              url;
    struct ae_rules     rules;          /* argo-edge.yaml */
    ae_str              service_token; /* our own; absent if none */
    struct ae_text     *cm; size_t ncm; /* every key of argocd-cm, raw */
    struct ae_text     *warnings; size_t nwarnings; /* .text = one sentence */
    uint64_t            content_hash;   /* over every byte that was read */
};

#endif
