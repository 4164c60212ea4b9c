/*
 * rights.c - random policies, callers and lists: whoever is answered from the
 * copy gets just the items that a plain reading of the rules gives him; what
 * cannot be known is passed on.
 */
#include "../policy/naive.h"
#include "mirror/mirror.h"

enum { ROUNDS = 1500, ITEMS = 40 };

static const char *const project[] = { "p0", "p1", "p2", "px", "", "a" };
static const char *const name[] = { "api", "web", "web-2", "db", "x", "zoo" };
static const char *const space[] = { "argocd", "ns", "n2" };

struct app { const char *project, *name, *ns; };

struct list_world {
    struct app    app[ITEMS];
    size_t        n;
    char          body[ITEMS * 200];
};

static int by_key(const void *x, const void *y)
{
    const struct app *a = x, *b = y;
    int c = strcmp(a->name, b->name);

    return c ? c : strcmp(a->ns, b->ns);
}

/* Appends to |out|, which has room for all of them. */
static size_t put_item(char *out, size_t at, size_t room, const struct app *a,
                       bool first)
{
    return at + (size_t)snprintf(out + at, room - at, "%s{\"metadata\":{"
        "\"name\":\"%s\",\"namespace\":\"%s\"},\"spec\":{\"project\":\"%s\"}}"
        "\n", first ? "[" : ",", a->name, a->ns, a->project);
}

static void make_list(struct world *w, struct list_world *l)
{
    size_t at;

    l->n = 1 + roll(w, ITEMS - 1);
    for (size_t i = 0; i < l->n; i++)
        l->app[i] = (struct app){ PICK(w, project), PICK(w, name),
                                  PICK(w, space) };
    qsort(l->app, l->n, sizeof(l->app[0]), by_key);
    at = (size_t)snprintf(l->body, sizeof(l->body),
                          "{\"metadata\":{}\n,\"items\":");
    for (size_t i = 0; i < l->n; i++)
        at = put_item(l->body, at, sizeof(l->body), &l->app[i], i == 0);
    snprintf(l->body + at, sizeof(l->body) - at, "]}");
}

/* The answer as the rules have it; false: one item cannot be judged. */
static bool expected(const struct world *w, const struct who *u,
                     const struct list_world *l, char *out, size_t room)
{
    size_t at = (size_t)snprintf(out, room, "{\"metadata\":{}\n,\"items\":");
    bool   any = false;

    for (size_t i = 0; i < l->n; i++) {
        const struct app *a = &l->app[i];
        const char *p = a->project[0] ? a->project : "default";
        char        object[64];
        const char *q[3] = { "applications", "get", object };
        int         proj;

        if (strcmp(a->ns, "argocd") == 0)
            snprintf(object, sizeof(object), "%s/%s", p, a->name);
        else
            snprintf(object, sizeof(object), "%s/%s/%s", p, a->ns, a->name);
        proj = project_of(w, q);
        if (proj == -2 && w->partial && u->kind == AE_SUBJ_CLAIMS)
            return false;
        if (!full_rule(w, u, proj < 0 ? -1 : proj, q))
            continue;
        at = put_item(out, at, room, a, !any);
        any = true;
    }
    snprintf(out + at, room - at, any ? "]}" : "null}");
    return true;
}

static int answer_of(enum ae_verdict v)
{
    return v == AE_ALLOW ? 1 : v == AE_DENY ? 0 : -1;
}

static int may(void *ctx, ae_str object)
{
    struct ae_decision d;

    ae_decide(ctx, AE_STR("applications"), AE_STR("get"), object, &d);
    return answer_of(d.verdict);
}

static int may_project(void *ctx, ae_str proj)
{
    return answer_of(ae_decide_in_project(ctx, AE_STR("applications"),
                                          AE_STR("get"), proj));
}

static struct { unsigned same, wrong, forward, some, sure; } n;

static void one(struct world *w, ae_policy *p, const struct list_world *l)
{
    static char want[ITEMS * 200];
    struct who               u;
    ae_principal            *pr;
    ae_heap                  heap = { 0 };
    ae_arena                 a;
    struct ae_list           list;
    struct ae_list_query     q;
    struct ae_list_answer    out;
    struct ae_list_rights    r = { may, may_project, NULL, { NULL, 0 } };
    struct ae_list_ask       ask = { .list = &list, .query = &q,
                                     .rights = &r };
    bool                     known;

    any_who(w, &u);
    r.ctx = pr = who_principal(p, &u);
    ae_arena_init(&a, ae_heap_mem(&heap), NULL, 0);
    known = expected(w, &u, l, want, sizeof(want));
    if (!pr || ae_list_new(AE_LIST_APPLICATIONS, ae_cs(l->body),
                           AE_STR("argocd"), &a, &list)
        || ae_list_bind(AE_LIST_APPLICATIONS, AE_STR(""), &a, &q)
        || ae_list_answer(&ask, &a, &out)) {
        n.wrong++;
    } else if (out.forward) {
        n.forward++;
    } else if (!known) {
        n.sure++; /* by rules that no project which we lack can change */
    } else if (ae_eq(out.body, ae_cs(want))) {
        n.same++;
        n.some += out.shown > 0 && out.shown < l->n;
    } else {
        n.wrong++;
    }
    ae_principal_free(pr);
    ae_heap_free(&heap);
}

int main(void)
{
    for (uint64_t seed = 9000; seed < 9000 + ROUNDS; seed++) {
        static struct world      w;
        static struct list_world l;
        ae_policy               *p;

        make_world(&w, seed);
        p = world_policy(&w);
        for (int i = 0; p && i < 4; i++) {
            make_list(&w, &l);
            one(&w, p, &l);
        }
        ae_policy_free(p);
    }
    tap_ok(n.wrong == 0, "everybody gets his own items and no others");
    tap_ok(n.same > 3000 && n.some > 200,
           "(%u answered, %u of them in part, %u passed on, %u beyond the"
           " plain reading)", n.same, n.some, n.forward, n.sure);
    return tap_done();
}
