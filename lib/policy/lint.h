/*
 * lint.h - private to lint*.c: what a check sees, and how it reports.
 */
#ifndef AE_POLICY_LINT_H
#define AE_POLICY_LINT_H

#include "policy/internal.h"

struct lint {
    const struct ae_policy_in *in;
    const ae_policy *p;             /* NULL: the policy does not load */
    ae_heap          heap;
    ae_arena         a;             /* texts, dropped after each line */
    struct ae_reach  reach;
    bool             regex;
    unsigned         nsimilar;      /* look-alikes searched: bounded */
    bool             told_deny;     /* a remark that holds for every deny */
    uint64_t        *granted;       /* bit per subject: some g-line's target */
    uint64_t        *by_default;    /* bit per subject: default role has it */
    void           (*fn)(void *ctx, const struct ae_lint *l);
    void            *ctx;
};

struct lint_line {                  /* one parsed line of the user's */
    struct ae_csv_line csv;
    ae_str             raw;         /* stripped, as written */
    ae_str             file;
    uint32_t           line;
    uint32_t           indent;      /* bytes before |raw| in its line */
};

/* Report at field |field| of |l| (0: the key; < 0: the whole line). */
void ae_lint_at(struct lint *t, const struct lint_line *l, int field,
                enum ae_lint_level level, const char *id, const char *fmt,
                ...) __attribute__((format(printf, 6, 7)));
/* Report without a line. */
void ae_lint_whole(struct lint *t, ae_str file, enum ae_lint_level level,
                   const char *id, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

void ae_lint_p_fields(struct lint *t, const struct lint_line *l);
void ae_lint_p_subject(struct lint *t, const struct lint_line *l);
void ae_lint_g_line(struct lint *t, const struct lint_line *l);
void ae_lint_g_graph(struct lint *t, const struct lint_line *l);
/* Fill |granted| and |by_default|; false: out of memory. */
bool ae_lint_prepare(struct lint *t, ae_arena *a);
void ae_lint_settings(struct lint *t);
void ae_lint_projects(struct lint *t);

#define AE_PS(s) (int)(s).n, (s).n ? (s).p : ""

#endif
