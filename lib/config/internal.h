/*
 * internal.h - what the files of lib/config share: YAML nodes that remember
 * where they stood, objects as key/value lists, and the record of stat().
 */
#ifndef AE_CONFIG_INTERNAL_H
#define AE_CONFIG_INTERNAL_H

#include "config/config.h"

/* Bounds.  A ConfigMap holds at most 1 MiB in Kubernetes; what is larger by
 * far was not meant for us (faults.md F18: 50 MB). */
enum {
    CFG_DEPTH = 64,                  /* nesting of YAML and JSON */
    CFG_KEY_MAX = 16 * 1024 * 1024,  /* one key or one manifest */
    CFG_FILES_MAX = 20000            /* keys and manifests altogether */
};

/* ---- yaml.c, scalar.c --------------------------------------------------- */

enum cfg_type { CFG_NULL, CFG_BOOL, CFG_INT, CFG_REAL, CFG_STR, CFG_SEQ,
                CFG_MAP };

struct cfg_node {
    enum cfg_type    type;
    uint32_t         line, column; /* 1-based, where the node starts */
    bool             block;        /* literal or folded: text is a line below */
    ae_str           text;         /* scalars: as written, unescaped */
    bool             b;
    int64_t          i;
    double           r;
    struct cfg_node *key;          /* entry of a map: its key */
    struct cfg_node *first, *next; /* children in order */
};

enum { CFG_YAML_STRICT = 1 /* a key that comes twice is an error */ };

struct cfg_docs { struct cfg_node **doc; size_t n; };

/* All documents of |text| (at most |max|; 0 = all). */
int  cfg_yaml_parse(ae_arena *a, ae_str text, ae_str file, unsigned flags,
                    size_t max, struct cfg_docs *out, struct ae_err *err);
/* Plain scalars by the core schema of YAML 1.1, as goyaml reads them. */
void cfg_scalar_resolve(struct cfg_node *n);
/* The text of a scalar where Go wants a string; false for maps and lists. */
bool cfg_scalar_string(ae_arena *a, const struct cfg_node *n, ae_str *out);
json_t *cfg_node_json(ae_arena *a, const struct cfg_node *n,
                      struct ae_err *err);
/* Entry of a map (last one of that name), or NULL. */
const struct cfg_node *cfg_node_get(const struct cfg_node *n, const char *key);
const char *cfg_type_name(const struct cfg_node *n);

/* ---- file.c ------------------------------------------------------------- */

struct cfg_stat {
    char    *path;
    bool     exists, link;  /* link: the link itself, not what it names */
    uint64_t dev, ino, size, mode;
    int64_t  mtime_s, mtime_ns;
};

struct ae_inputs_src {
    struct cfg_stat *item;
    size_t           n, cap;
    bool             bad;   /* could not be recorded: always "changed" */
};

/* Record stat() of all that a load of |dir| would look at. */
void cfg_watch(ae_inputs_src *src, ae_arena *a, ae_str dir);
/* And of one file more; absent: none. */
void cfg_watch_file(ae_inputs_src *src, ae_arena *a, ae_str path);
/* One object more, before it is read; |src| may be NULL. */
void cfg_watch_object(ae_inputs_src *src, ae_arena *a, ae_str dir,
                      const char *name);

/* What fstat() said of a file that was read. */
struct cfg_perm { unsigned mode; unsigned uid, gid; };

/* Read |name| below directory |dirfd| (AT_FDCWD for a path).  |shown| is the
 * path for messages. */
int  cfg_read_at(ae_arena *a, int dirfd, const char *name, ae_str shown,
                 size_t max, ae_str *out, struct cfg_perm *perm,
                 struct ae_err *err);
/* Sorted names of a directory, "." entries left out. */
int  cfg_list(ae_arena *a, int dirfd, ae_str shown, const char ***out,
              size_t *n, struct ae_err *err);
/* Span with a NUL past the end, for system calls.  NULL when exhausted. */
char *cfg_path(ae_arena *a, ae_str dir, const char *name);

/* ---- object.c: one ConfigMap or Secret ---------------------------------- */

struct cfg_load {               /* one run of ae_inputs_load() */
    ae_arena         *a;        /* results */
    ae_str            dir;
    struct ae_inputs *in;
    struct ae_err    *err;
    ae_inputs_src    *src;      /* may be NULL */
    size_t            warn_cap, nfiles;
    bool              serving;  /* ae_conf's */
};

struct cfg_object {
    bool            found;
    struct ae_text *kv;         /* sorted by key, byte order */
    size_t          n, cap;
};

int  cfg_object_read(struct cfg_load *l, const char *name, bool secret,
                     struct cfg_object *o);
const struct ae_text *cfg_object_text(const struct cfg_object *o,
                                      const char *key);
/* Value of |key|, or the absent span. */
ae_str cfg_object_get(const struct cfg_object *o, const char *key);
int  cfg_object_add(struct cfg_load *l, struct cfg_object *o, ae_str key,
                    ae_str text, ae_str file, uint32_t line);
void cfg_object_sort(struct cfg_object *o);
/* Which of dir/, .yaml, .yml, .json is there?  Two are an error. */
int  cfg_find(struct cfg_load *l, const char *name, const char **found,
              bool *is_dir);
/* One file of the listed directory |fd|, shown to the user as |shown|: its
 * path and text; counts against CFG_FILES_MAX.  |perm| may be NULL. */
int  cfg_read_listed(struct cfg_load *l, int fd, ae_str shown,
                     const char *name, ae_str *file, ae_str *text,
                     struct cfg_perm *perm);
void cfg_hash(struct cfg_load *l, ae_str s);
void cfg_warn(struct cfg_load *l, const struct ae_text *at, const char *fmt,
              ...) __attribute__((format(printf, 3, 4)));

/* ---- manifest.c --------------------------------------------------------- */

/* data/stringData/binary data of the object |name| in a manifest. */
int  cfg_manifest_object(struct cfg_load *l, const char *name, bool secret,
                         ae_str file, ae_str text, struct cfg_object *o);
/* All documents of a manifest, YAML or (by its name) JSON. */
int  cfg_manifest_parse(ae_arena *a, ae_str text, ae_str file,
                        struct cfg_docs *out, struct ae_err *err);
int  cfg_base64(ae_arena *a, ae_str in, ae_str *out);

/* ---- project.c ---------------------------------------------------------- */

struct cfg_step { const char *key; size_t index; };
struct cfg_where { struct cfg_step step[8]; size_t n; };

/* As ae_project_from_json(); |w| gets the path to the member at fault. */
int  cfg_project(ae_arena *a, const json_t *o, struct ae_project *out,
                 struct cfg_where *w, struct ae_err *err);
int  cfg_projects_read(struct cfg_load *l);

/* ---- accounts.c, oidc.c, rbac.c ----------------------------------------- */

int  cfg_accounts(struct cfg_load *l, const struct cfg_object *cm,
                  const struct cfg_object *secret);
int  cfg_rbac(struct cfg_load *l, const struct cfg_object *cm);
int  cfg_service_token(struct cfg_load *l, ae_str file); /* service.c */
/* Fills |l->in->sso|; after the url is known. */
int  cfg_sso(struct cfg_load *l, const struct cfg_object *cm,
             const struct cfg_object *secret);
/* Go's strconv.ParseBool. */
bool cfg_parse_bool(ae_str s, bool *out);

/* ---- directives.c, limits.c ---------------------------------------------- */

#define CFG_SETTER(name)                                                      \
    int name(ae_arena *a, struct ae_conf *c, struct ae_loc *l,                \
             const ae_str *args, size_t n, struct ae_err *err)

int cfg_bad(struct ae_err *err, ae_str got, const char *want);
CFG_SETTER(cfg_set_limit);
CFG_SETTER(cfg_set_limit_calls);
CFG_SETTER(cfg_set_login_limit);
CFG_SETTER(cfg_set_webhook);
extern const struct ae_login_conf cfg_login_off;
extern const struct ae_webhook_conf cfg_webhook_off;
/* limits.c: inherit what is unset. */
void cfg_limits_merge(struct ae_loc *child, const struct ae_loc *parent);

/* ---- rules.c, rules_value.c: argo-edge.yaml ------------------------------ */

int  cfg_rules(struct cfg_load *l);
/* The rules of one file join l->in->rules. */
int  cfg_rules_text(struct cfg_load *l, ae_str file, ae_str yaml);
/* 90d, 12h, 30m, 45s, 2w to seconds. */
bool cfg_rule_span(ae_str s, int64_t *seconds);
/* 10.0.0.0/8, 2001:db8::/32, or one address. */
bool cfg_rule_cidr(ae_str s, struct ae_cidr *out);
/* Five fields; the offset is left alone. */
bool cfg_rule_cron(ae_str s, struct ae_cron *out);
/* UTC, Z, +01:00, -0330 to seconds. */
bool cfg_rule_offset(ae_str s, int32_t *out);

#endif
