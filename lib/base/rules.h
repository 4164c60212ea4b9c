/*
 * rules.h - the operator's own rules (argo-edge.yaml) as plain data: read by
 * lib/config, put into force by lib/edge.  All spans live in the arena of the
 * inputs.  They only ever take away: what they let pass is decided as ever.
 */
#ifndef AE_RULES_H
#define AE_RULES_H

#include "base/base.h"

#define AE_RULES_MAX 500 /* rules in all files together */

enum ae_rule_kind { AE_RULE_PATCH, AE_RULE_TOKEN, AE_RULE_FREEZE,
                    AE_RULE_SYNC };

/* A word of a list, with its place for messages. */
struct ae_word { ae_str text; uint32_t line, column; };
struct ae_words { struct ae_word *v; size_t n; };

/* IPv4 as v4-mapped, so that one comparison does for both. */
struct ae_cidr { unsigned char addr[16]; unsigned bits; };

/* Bit i: the value i is meant.  As cron does, a day matches by either of dom
 * and dow if both are restricted. */
struct ae_cron {
    uint64_t minute;
    uint32_t hour, dom, month, dow;
    bool     any_dom, any_dow;
    int32_t  offset;            /* seconds east of UTC */
};

enum { /* what a sync does */
    AE_SYNC_PRUNE = 1, AE_SYNC_FORCE = 2, AE_SYNC_REPLACE = 4,
    AE_SYNC_REVISION = 8, AE_SYNC_MANIFESTS = 16, AE_SYNC_LIVE = 32
};

struct ae_own_rule {
    enum ae_rule_kind kind;
    ae_str            name, message; /* |message|: the operator's words */
    ae_str            file;
    uint32_t          line;
    struct ae_words   operations;    /* PATCH, TOKEN, FREEZE */
    struct ae_words   applications;  /* FREEZE, SYNC: patterns; none = all */
    struct ae_words   projects;      /* the same */
    struct ae_words   groups, users; /* FREEZE, SYNC: break glass; TOKEN:
                                        patterns, of sessions */
    bool              no_cache;      /* PATCH: forwarded, not cached */
    struct ae_words   accounts, roles; /* TOKEN: patterns */
    int64_t           max_age;       /* TOKEN: seconds, 0 = none */
    struct ae_cidr   *cidr; size_t ncidr; /* TOKEN */
    int64_t           from, until;   /* FREEZE: unix seconds, if no cron */
    bool              has_cron;
    struct ae_cron    cron;
    int64_t           duration;      /* of a cron window, seconds */
    unsigned          deny;          /* SYNC: AE_SYNC_* */
};

struct ae_rules {
    bool            read_only;
    ae_str          read_only_file; uint32_t read_only_line;
    struct ae_own_rule *v; size_t n;
};

#endif
