/*
 * share_diff.c - answers that callers of equal rights share, at random:
 * policies, projects and callers, with an upstream that filters by a plain
 * reading of the rules.  Whoever gets a hit gets what it would have
 * sent to him; and where its policy is newer than ours, nothing that ours
 * does not let him see.  Without a part of the key, or without the proof, the
 * same test finds leaks.  An argument asks for more (or fewer) policies.
 */
#include "fixture.h"
#include "edge/share.h"
#include "../policy/twins.h"

#ifdef __SANITIZE_ADDRESS__
enum { WORLDS = 100 };          /* memory errors need no statistics */
#else
enum { WORLDS = 500 };
#endif
enum { MUTANT = 140, ASKS = 60, CALLERS = 15, APPS = 8,
       SEED = 77000 };

/* ---- who asks ------------------------------------------------------------ */

struct caller { struct who who; const char *token; };

static const char *mint(struct fx *f, const char *sub, const char *jti,
                        const struct who *u)
{
    struct ae_err err = { 0 };
    json_t *c = json_pack("{s:s,s:s,s:i,s:i,s:s}", "iss", "argocd", "sub",
                          sub, "iat", 1767225600, "nbf", 1767225600, "jti",
                          jti);
    json_t *g = json_array();
    ae_str out = { NULL, 0 };

    for (size_t i = 0; i < u->ng; i++)
        json_array_append_new(g, json_string(u->g[i]));
    json_object_set_new(c, "groups", g);
    ae_token_mint(&f->a, AE_STR(FX_SECRET), c, &out, &err);
    json_decref(c);
    return out.p;
}

static void make_callers(struct fx *f, struct caller *c)
{
    static const char *const users[] = { "alice", "bob", "nobody" };
    char sub[64], jti[64];
    size_t n = 0;

    for (size_t i = 0; i < 12; i++) {
        struct who *u = &c[n].who;

        *u = (struct who){ .kind = AE_SUBJ_CLAIMS, .id = users[i % 3] };
        if (i / 3 & 1)
            u->g[u->ng++] = "team-a";
        if (i / 3 & 2)
            u->g[u->ng++] = "team-b";
        snprintf(sub, sizeof sub, "%s:apiKey", u->id);
        snprintf(jti, sizeof jti, "%s-1", u->id);
        c[n++].token = mint(f, sub, jti, u);
    }
    for (size_t i = 0; i < 2; i++) {
        struct who *u = &c[n].who;

        *u = (struct who){ .kind = AE_SUBJ_CLAIMS,
                           .id = i ? "proj:p1:r" : "proj:p0:r" };
        c[n++].token = mint(f, u->id, "ci-1", u);
    }
    c[n++].who = (struct who){ .kind = AE_SUBJ_STRING, .id = "" };
}

/* ---- the upstream -------------------------------------------------------- */

static const char *const app_project[] = { "p0", "p1", "p2", "px", "a" };
static const char *const servers[] = { "https://k1", "https://k2", "p0" };

struct cluster_state { const char *project[APPS], *ns[APPS]; };

struct answer { int status; char body[4000]; };

struct model {
    struct world        *w;         /* what the upstream goes by */
    const struct who    *u;
    struct cluster_state s;
};

static bool lets(const struct model *m, const char *resource,
                 const char *object)
{
    const char *q[3] = { resource, "get", object };
    int proj = project_of(m->w, q);

    return full_rule(m->w, m->u, proj < 0 ? -1 : proj, q);
}

static bool lets_app(const struct model *m, size_t i)
{
    char object[64];

    if (strcmp(m->s.ns[i], "argocd") == 0)
        snprintf(object, sizeof object, "%s/a%zu", m->s.project[i], i);
    else
        snprintf(object, sizeof object, "%s/%s/a%zu", m->s.project[i],
                 m->s.ns[i], i);
    return lets(m, "applications", object);
}

static void add(struct answer *a, const char *fmt, ...)
{
    size_t n = strlen(a->body);
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(a->body + n, sizeof a->body - n, fmt, ap);
    va_end(ap);
}

static void put_app(const struct model *m, struct answer *a, size_t i)
{
    add(a, "{\"metadata\":{\"name\":\"a%zu\",\"namespace\":\"%s\"},\"spec\":"
        "{\"project\":\"%s\"}}", i, m->s.ns[i], m->s.project[i]);
}

static void list_apps(const struct model *m, struct answer *a,
                      const char *query)
{
    const char *first = "[";

    add(a, "{\"metadata\":{}\n,\"items\":");
    for (size_t i = 0; i < APPS; i++) {
        if ((strstr(query, "projects=") && !strstr(query, m->s.project[i]))
            || !lets_app(m, i))
            continue;
        add(a, "%s", first);
        if (strstr(query, "fields="))
            add(a, "{\"metadata\":{\"name\":\"a%zu\"}}", i);
        else
            put_app(m, a, i);
        add(a, "\n");
        first = ",";
    }
    add(a, *first == '[' ? "null}" : "]}");
}

/* Clusters, repositories or projects. */
static void list_others(const struct model *m, struct answer *a,
                        const char *resource)
{
    const char *first = "[";
    char object[64];

    add(a, "{\"metadata\":{}\n,\"items\":");
    for (size_t i = 0; i < 6; i++) {
        const char *url = servers[i % 3], *in = i < 3 ? "" : "p1";

        if (strcmp(resource, "projects") == 0) {
            snprintf(object, sizeof object, "p%zu", i);
            if (i < m->w->nprojects && lets(m, resource, object)) {
                add(a, "%s{\"metadata\":{\"name\":\"p%zu\"}}\n", first,
                    i);
                first = ",";
            }
            continue;
        }
        snprintf(object, sizeof object, "%s%s%s", in, *in ? "/" : "", url);
        if (!lets(m, resource, object))
            continue;
        add(a, "%s{\"%s\":\"%s\",\"name\":\"%s%zu\",\"project\":\"%s\"}\n",
            first, strstr(resource, "repos") ? "repo" : "server", url,
            resource, i, in);
        first = ",";
    }
    add(a, *first == '[' ? "null}" : "]}");
}

static void deny(struct answer *a, int status)
{
    a->status = status;
    a->body[0] = 0;
    add(a, "{\"error\":\"permission denied\",\"code\":7,"
        "\"message\":\"permission denied\"}");
}

static void one_app(const struct model *m, struct answer *a,
                    const char *path)
{
    size_t i = (size_t)(path[1] - '0') % APPS;
    const char *named = strstr(path, "project=");

    if (strcmp(m->s.ns[i], "argocd") != 0 || !lets_app(m, i)
        || (named && strcmp(named + 8, m->s.project[i]) != 0))
        deny(a, named ? 404 : 403);
    else if (strstr(path, "resource-tree"))
        add(a, "{\"nodes\":[{\"name\":\"a%zu\"}]}", i);
    else
        put_app(m, a, i);
}

static void ask_model(const struct model *m, const char *target,
                      struct answer *a)
{
    const char *p = target + strlen("/api/v1/");

    a->status = 200;
    a->body[0] = 0;
    if (strncmp(p, "applications/", 13) == 0)
        one_app(m, a, p + 13);
    else if (strncmp(p, "applications", 12) == 0)
        list_apps(m, a, p + 12);
    else if (strncmp(p, "projects/", 9) == 0 && lets(m, "projects", p + 9))
        add(a, "{\"metadata\":{\"name\":\"%s\"}}", p + 9);
    else if (strncmp(p, "certificates", 12) == 0
             && lets(m, "certificates", ""))
        add(a, "{\"items\":null}");
    else if (strncmp(p, "projects/", 9) == 0 || *p == 'c' - 32
             || strncmp(p, "certificates", 12) == 0)
        deny(a, 403);
    else if (strncmp(p, "account", 7) == 0)
        add(a, "{\"items\":[{\"name\":\"%s\"}]}", m->u->id);
    else
        list_others(m, a, p);
}

static void any_target(struct world *w, char *out, size_t n)
{
    static const char *const all[] = {
        "applications", "applications?projects=p0", "applications?projects=p1",
        "applications?fields=items.metadata.name", "projects", "clusters",
        "repositories", "write-repositories", "projects/p0", "projects/p1",
        "certificates", "account", "applications", "clusters"
    };
    static const char *const of_app[] = { "", "", "?project=", "?project=",
        "/resource-tree", "/resource-tree?project=" };
    const char *how = PICK(w, of_app);

    if (roll(w, 2))
        snprintf(out, n, "/api/v1/%s", PICK(w, all));
    else
        snprintf(out, n, "/api/v1/applications/a%u%s%s", roll(w, APPS), how,
                 strchr(how, '=') ? PICK(w, app_project) : "");
}

/* ---- the inputs ---------------------------------------------------------- */

static void write_project(const struct fx *f, const struct world *w, size_t i)
{
    char file[32], path[128], *text;
    json_t *lines = json_array(), *j;

    snprintf(file, sizeof file, "p%zu.json", i);
    snprintf(path, sizeof path, "%s/appprojects/%s", f->dir, file);
    if (i >= w->nprojects) {
        json_decref(lines);
        unlink(path);
        return;
    }
    for (size_t k = 0; k < w->nproj[i]; k++)
        json_array_append_new(lines, json_string(w->ptext[i][k]));
    j = json_pack("{s:s,s:{s:s},s:{s:[{s:s,s:o}]},s:{s:{s:{s:[{s:s,s:i}]}}}}",
                  "kind", "AppProject", "metadata", "name", proj_name[i],
                  "spec", "roles", "name", "r", "policies", lines, "status",
                  "jwtTokensByRole", "r", "items", "id", "ci-1", "iat",
                  1767225600);
    text = json_dumps(j, 0);
    fx_write(f, "appprojects", file, text ? text : "");
    free(text);
    json_decref(j);
}

/* The edge learns of |w|. */
static bool publish(struct fx *f, const struct world *w)
{
    uint64_t before = ae_counter_value(f->e, AE_N_reload);

    fx_write(f, "argocd-rbac-cm", "policy.csv", w->text);
    fx_write(f, "argocd-rbac-cm", "policy.default", w->def);
    fx_write(f, "argocd-rbac-cm", "policy.matchMode",
             w->regex ? "regex" : "glob");
    for (size_t i = 0; i < MAX_PROJECTS; i++)
        write_project(f, w, i);
    f->conf.projects = w->partial ? AE_PARTIAL : AE_COMPLETE;
    fx_pass(f, 1100);
    ae_engine_tick(f->e);
    return ae_counter_value(f->e, AE_N_reload) == before + 1;
}

/* ---- at random ----------------------------------------------------------- */

static struct tally {
    unsigned worlds, asked, hits, shared, wrong, leaks, lag_hits, refused,
             unshared;
} n;

struct run {
    struct fx          *f;
    struct caller       c[CALLERS];
    struct world        w, v;
    struct model        m;
    const struct world *seen;   /* what the edge goes by */
    uint64_t            told[CALLERS][8192]; /* what who was told what about */
    uint32_t            who;    /* of six callers the first */
};

/* Is there anything in |body| that the edge's own policy does not let |u|
 * see? */
static bool beyond(const struct run *r, const struct who *u, const char *body)
{
    struct model m = r->m;
    char name[32];

    m.w = r->seen == &r->v ? (struct world *)&r->v : (struct world *)&r->w;
    m.u = u;
    for (size_t i = 0; i < APPS; i++) {
        snprintf(name, sizeof name, "\"name\":\"a%zu\"", i);
        if (strstr(body, name) && !lets_app(&m, i))
            return true;
    }
    return false;
}

/* A list made of a copy has its lines as Argo CD breaks them. */
static bool same_text(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "\n");
        b += strspn(b, "\n");
        if (*a != *b || !*a)
            return *a == *b;
    }
}

static void ask(struct run *r, bool lag)
{
    size_t who = (r->who + roll(&r->w, 6)) % CALLERS;
    const struct caller *c = &r->c[who];
    uint64_t *told, body;
    struct answer a;
    struct fx_res res;
    char target[128];

    any_target(&r->w, target, sizeof target);
    if (lag && roll(&r->w, 2))
        snprintf(target, sizeof target, "/api/v1/applications");
    told = &r->told[who][ae_hash64(ae_cs(target), 0) % 8192];
    r->m.u = &c->who;
    ask_model(&r->m, target, &a);
    fx_answer(r->f, a.status, a.body);
    res = fx_run(r->f, (struct fx_req){ .token = c->token,
                                        .target = target });
    n.asked++;
    body = ae_hash64(ae_cs(res.body), ae_hash64(ae_cs(target), 0));
    if (res.kind == AE_FORWARD)
        *told = body;
    if (res.kind == AE_REPLY && res.status == 403 && !lag)
        n.refused++;
    if (res.kind != AE_CACHED)
        return;
    n.hits++;
    n.lag_hits += lag;
    if (!lag && (a.status != 200 || !same_text(res.body, a.body))) {
        if (!n.wrong++ && !r->f->e->share_less)
            printf("# seed %llu: %s %s: %s\n# not %d %s\n",
                   (unsigned long long)r->w.rnd, c->who.id, target, res.body,
                   a.status, a.body);
    }
    /* what Argo CD said to himself is his */
    if (*told != body && beyond(r, &c->who, res.body) && !n.leaks++
        && !r->f->e->share_less)
        printf("# seed %llu: %s is shown %s: %s\n",
               (unsigned long long)r->w.rnd, c->who.id, target, res.body);
}

/* Something that many may see. */
static void grant(struct world *w, const char *to)
{
    static const char *const kinds[] = { "*", "applications", "clusters",
                                         "projects", "repositories" };
    static const char *const of[] = { "p0/*", "p1/*", "*", "https*", "p*" };

    if (w->nbase < MAX_LINES)
        w->base[w->nbase++] = (struct line){ 'p', { to, PICK(w, kinds), "get",
            w->regex ? ".*" : PICK(w, of), "allow" } };
}

/* Few lines: nobody has alice's but for one field, or for one that only a
 * project says. */
static void near_twins(struct world *w)
{
    size_t k = 0, first;
    struct line *l;

    for (size_t i = 0; i < w->nbase && k < 4; i++)
        if (w->base[i].f[0][0] != 'a' && w->base[i].f[0][0] != 'b')
            w->base[k++] = w->base[i];
    first = w->nbase = k;
    k = 1 + roll(w, 2);
    for (size_t i = 0; i < k; i++)
        grant(w, "alice");
    for (size_t i = 0; i < k; i++) {
        w->base[w->nbase] = w->base[first + i];
        w->base[w->nbase++].f[0] = "nobody";
    }
    l = &w->base[first + roll(w, (uint32_t)k)];
    switch (roll(w, 6)) {
    case 0: l->f[1] = PICK(w, resources); break;
    case 1: l->f[2] = PICK(w, actions); break;
    case 2: l->f[3] = any_pattern(w); break;
    case 3: l->f[4] = "deny"; break;
    case 4:
        w->proj[0][0] = *l; /* if there is such a project */
        w->proj[0][0].f[3] = w->regex ? ".*" : "p0/*";
        w->nproj[0] = 1;
        break;
    default: break;
    }
}

static void make_worlds(struct run *r, uint64_t seed)
{
    static const char *const to[] = { "alice", "alice", "alice", "nobody",
                                      "team-a", "role:x", "" };

    if (roll(&r->w, 2))
        near_twins(&r->w);
    else
        for (uint32_t i = 0, k = roll(&r->w, 5); i < k; i++)
            grant(&r->w, PICK(&r->w, to));
    if (r->w.nbase < MAX_LINES) /* ours has built-in lines: no R7 */
        r->w.base[r->w.nbase++] = (struct line){ 'p', { "role:none", "x", "x",
                                                        "x", "allow" } };
    make_twins(&r->w);
    r->v = r->w;
    r->v.rnd = seed;
    if (roll(&r->w, 2))
        grant(&r->v, PICK(&r->w, to));
    else
        change_one(&r->v);
    rewrite(&r->v);
}

static void one_world(struct run *r, uint64_t seed)
{
    static const char *const space[] = { "argocd", "argocd", "ns" };

    make_world(&r->w, seed);
    if (r->w.regex && roll(&r->w, 3)) /* they take long to read plainly */
        return;
    make_worlds(r, seed);
    r->who = roll(&r->w, CALLERS);
    for (size_t i = 0; i < APPS; i++) {
        r->m.s.project[i] = PICK(&r->w, app_project);
        r->m.s.ns[i] = PICK(&r->w, space);
    }
    memset(r->told, 0, sizeof r->told);
    fx_pass(r->f, 600000);
    r->f->loc.lists = roll(&r->w, 2) ? AE_LISTS_ON : AE_LISTS_OFF;
    r->m.w = &r->w;
    r->seen = &r->w;
    if (!publish(r->f, &r->w))
        return;
    n.worlds++;
    for (int i = 0; i < ASKS; i++)
        ask(r, false);
    fx_pass(r->f, 60000);
    r->m.w = &r->v; /* the upstream is ahead of us */
    for (int i = 0; i < ASKS / 2; i++)
        ask(r, true);
    if (r->f->loc.lists == AE_LISTS_ON)
        fx_pass(r->f, 60000); /* a copy may be of less than we thought */
    if (!publish(r->f, &r->v))
        return;
    r->seen = &r->v;
    for (int i = 0; i < ASKS / 2; i++)
        ask(r, false);
}

static struct tally at_random(struct run *r, uint64_t seed, int worlds,
                              unsigned less)
{
    uint64_t shared = ae_counter_value(r->f->e, AE_N_cache_shared_hit);
    uint64_t own = ae_counter_value(r->f->e, AE_N_cache_unshared);

    memset(&n, 0, sizeof n);
    r->f->e->share_less = less;
    for (int i = 0; i < worlds; i++)
        one_world(r, seed + (uint64_t)i);
    n.shared = (unsigned)(ae_counter_value(r->f->e, AE_N_cache_shared_hit)
                          - shared);
    n.unshared = (unsigned)(ae_counter_value(r->f->e, AE_N_cache_unshared)
                            - own);
    return n;
}

/* The same with less: it must find what goes wrong. */
static void test_less(struct run *r)
{
    struct tally t;

    t = at_random(r, SEED, MUTANT, AE_CLASS_LESS_OBJECT
                  | AE_CLASS_LESS_RESOURCE | AE_CLASS_LESS_ACTION);
    tap_ok(t.wrong > 0, "without the patterns in the key: %u wrong", t.wrong);
    t = at_random(r, SEED, MUTANT, AE_CLASS_LESS_EFFECT);
    tap_ok(t.wrong > 0, "without the effects: %u wrong", t.wrong);
    t = at_random(r, SEED, MUTANT, AE_CLASS_LESS_USER);
    tap_ok(t.wrong > 0, "without the caller's own lines: %u wrong", t.wrong);
    t = at_random(r, SEED, MUTANT, AE_CLASS_LESS_GROUPS);
    tap_ok(t.wrong > 0, "without the groups': %u wrong", t.wrong);
    t = at_random(r, SEED, MUTANT, AE_CLASS_LESS_PROJECTS);
    tap_ok(t.wrong > 0, "without the projects': %u wrong", t.wrong);
    t = at_random(r, SEED, MUTANT, AE_SHARE_UNPROVEN);
    tap_ok(t.leaks > 0, "without the proof: %u leaks", t.leaks);
}

int main(int argc, char **argv)
{
    int worlds = argc > 1 ? atoi(argv[1]) : WORLDS;

    static struct fx f;
    static struct run r;
    struct tally t;

    fx_open(&f);
    f.loc.share = AE_SHARE_RIGHTS;
    f.loc.lease_ms = 0;
    fx_write(&f, "argocd-cm", "users.anonymous.enabled", "true");
    r.f = &f;
    make_callers(&f, r.c);
    printf("# seeds %d to %d\n", SEED, SEED + worlds - 1);
    t = at_random(&r, SEED, worlds, 0);
    tap_ok(t.wrong == 0, "a hit is what the upstream would have sent");
    tap_ok(t.leaks == 0, "and holds nothing that our policy does not allow");
    tap_ok(t.worlds > t.asked / 200 && t.hits > t.asked / 8
           && t.shared > t.hits / 3 && t.lag_hits > t.hits / 8
           && t.unshared > t.worlds / 4,
           "(%u worlds, %u asked, %u hits, %u of them shared, %u behind the "
           "upstream, %u kept apart)", t.worlds, t.asked, t.hits, t.shared,
           t.lag_hits, t.unshared);
    if (worlds >= MUTANT)
        test_less(&r);
    fx_close(&f);
    return tap_done();
}
