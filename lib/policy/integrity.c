/*
 * integrity.c - Argo CD's warning about roles that are granted but give
 * nothing (C6).
 */
#include "policy/policy.h"

#define MAX_EDGES 10 /* R8 */

/* One subject of the policy.  |dist|: edges to the nearest p-line. */
struct node {
    ae_str name;
    int    dist;     /* MAX_EDGES + 1 = out of reach */
    bool   reported;
};

struct graph {
    struct node *node;
    size_t      *slot;  /* open addressing: index + 1 into node */
    size_t       nnode, mask;
    size_t     (*edge)[2];
    size_t       nedge;
};

static size_t node_of(struct graph *g, ae_str name)
{
    size_t h = (size_t)ae_hash64(name, 0) & g->mask;

    while (g->slot[h] != 0) {
        size_t i = g->slot[h] - 1;

        if (ae_eq(g->node[i].name, name))
            return i;
        h = (h + 1) & g->mask;
    }
    g->node[g->nnode] = (struct node){ name, MAX_EDGES + 1, false };
    g->slot[h] = ++g->nnode;
    return g->nnode - 1;
}

/* Room for |p| + 2 |g| subjects, at most half full. */
static bool graph_init(struct graph *g, ae_arena *a, size_t np, size_t ng)
{
    size_t n = np + 2 * ng + 1, slots = 2;

    while (slots < 2 * n)
        slots *= 2;
    memset(g, 0, sizeof(*g));
    g->mask = slots - 1;
    g->node = ae_nalloc(a, n, sizeof(*g->node));
    g->slot = ae_nalloc(a, slots, sizeof(*g->slot));
    g->edge = ae_nalloc(a, ng + 1, sizeof(*g->edge));
    return g->node != NULL && g->slot != NULL && g->edge != NULL;
}

/* Walk all lines: count them (g == NULL) or enter them.  0 or AE_E_*. */
static int each_line(ae_arena *a, ae_str text, size_t *np, size_t *ng,
                     struct graph *g)
{
    struct ae_csv_line l;
    uint32_t line = 0;
    int rc;

    while ((rc = ae_csv_next(a, &text, &line, &l, NULL)) > 0) {
        if (l.key == 'p') {
            *np += 1;
            if (g != NULL)
                g->node[node_of(g, l.field[1])].dist = 0;
        } else if (l.key == 'g') {
            *ng += 1;
            if (g != NULL) {
                g->edge[g->nedge][0] = node_of(g, l.field[1]);
                g->edge[g->nedge++][1] = node_of(g, l.field[2]);
            }
        }
    }
    return rc;
}

/* Breadth first against the arrows, all p-subjects at once: cost is a fixed
 * number of walks over the edges whatever the shape. */
static void spread(struct graph *g)
{
    int d;
    size_t i;

    for (d = 0; d < MAX_EDGES; d++)
        for (i = 0; i < g->nedge; i++)
            if (g->node[g->edge[i][1]].dist == d
                && g->node[g->edge[i][0]].dist > d + 1)
                g->node[g->edge[i][0]].dist = d + 1;
}

ae_str ae_csv_integrity(ae_arena *a, ae_str text)
{
    static const char head[] = "user defined roles not found in policies: ";
    struct graph g;
    size_t np = 0, ng = 0, i;
    bool any = false;
    ae_buf b;

    if (each_line(a, text, &np, &ng, NULL) != 0 || ng == 0
        || !graph_init(&g, a, np, ng))
        return ae_s(NULL, 0);
    np = ng = 0;
    if (each_line(a, text, &np, &ng, &g) != 0)
        return ae_s(NULL, 0);
    spread(&g);
    ae_buf_init(&b, a, 0);
    for (i = 0; i < g.nedge; i++) {
        struct node *n = &g.node[g.edge[i][1]];

        if (n->dist <= MAX_EDGES || n->reported)
            continue;
        n->reported = true;
        ae_buf_puts(&b, any ? "," : head);
        ae_buf_put(&b, n->name);
        any = true;
    }
    return any && !b.bad ? ae_buf_str(&b) : ae_s(NULL, 0);
}
