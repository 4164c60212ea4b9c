/* backend_world.c - applications, projects and policy of the look-alike. */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>

static int load_json(const char *dir, const char *name, json_t **out)
{
    char         path[1024];
    json_error_t je;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    *out = json_load_file(path, 0, &je);
    if (*out)
        return 0;
    fprintf(stderr, "%s:%d: %s\n", path, je.line, je.text);
    return -1;
}

static void set(json_t *app, const char *part, const char *key, json_t *v)
{
    json_object_set_new(json_object_get(app, part), key, v);
}

/* |i|-th application, from the recorded one: half team-a's, half team-b's. */
static json_t *make_app(const json_t *tmpl, int i)
{
    static const char *const names[] = { "web", "api", "cart", "search" };
    json_t                  *app = json_deep_copy(tmpl);
    char                     name[64], uid[80];

    snprintf(name, sizeof(name), i < 8 ? "%s-%s" : "%s-%s-%d",
             names[i / 2 % 4], i % 2 ? "b" : "a", i / 8);
    snprintf(uid, sizeof(uid), "uid-app-argocd-%s", name);
    set(app, "metadata", "name", json_string(name));
    set(app, "metadata", "uid", json_string(uid));
    json_object_set_new(json_object_get(json_object_get(app, "metadata"),
                                        "labels"), "app", json_string(name));
    set(app, "spec", "project", json_string(i % 2 ? "team-b" : "team-a"));
    return app;
}

static int by_name(const void *a, const void *b)
{
    json_t *const *x = a, *const *y = b;

    return strcmp(json_string_value(json_object_get(json_object_get(*x,
                      "metadata"), "name")),
                  json_string_value(json_object_get(json_object_get(*y,
                      "metadata"), "name")));
}

static int make_apps(struct world *w, const json_t *tmpl, int n)
{
    json_t **v = calloc((size_t)n + 1, sizeof(*v));

    if (!v)
        return -1;
    for (int i = 0; i < n; i++)
        v[i] = make_app(tmpl, i);
    qsort(v, (size_t)n, sizeof(*v), by_name);
    w->apps = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(w->apps, v[i]);
    free(v);
    return 0;
}

/* Reads the inputs; on failure |w| is as before. */
static int take_inputs(struct world *w)
{
    struct generation  *g = calloc(1, sizeof(*g));
    struct ae_policy_in pi = { .builtin = true, .ns = w->conf.ns };
    struct ae_err       err = { .code = 0 };
    char                text[900];

    if (!g)
        return -1;
    if (ae_inputs_load(w->conf.inputs, &w->conf, &g->heap, &g->in, &g->src,
                       &err) == 0) {
        pi.rbac = &g->in.rbac;
        pi.projects = g->in.projects;
        pi.nprojects = g->in.nprojects;
        if (ae_policy_new(&pi, &g->policy, &err) == 0)
            ae_tokens_new(&g->in, w->conf.ns, &g->tokens, &err);
    }
    if (!err.code) {
        w->g = g;
        return 0;
    }
    fprintf(stderr, "backend: %s\n", ae_err_str(&err, text, sizeof(text)));
    ae_policy_free(g->policy);
    if (w->g && g->src) { /* look again only when they change again */
        ae_inputs_src_free(w->g->src);
        w->g->src = g->src;
        g->src = NULL;
    }
    ae_heap_free(&g->heap);
    free(g);
    return -1;
}

int world_init(struct world *w, const char *inputs, const char *data,
               int napps)
{
    json_t *tmpl = NULL;
    int     rc;

    memset(w, 0, sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->version = 1000;
    w->events = json_array();
    ae_conf_init(&w->conf);
    w->conf.inputs = ae_cs(inputs);
    if (load_json(data, "application.json", &tmpl)
        || load_json(data, "settings.json", &w->settings)
        || load_json(data, "version.json", &w->server_version))
        return -1;
    rc = make_apps(w, tmpl, napps);
    json_decref(tmpl);
    return rc ? rc : take_inputs(w);
}

void world_refresh(struct world *w)
{
    if (ae_inputs_changed(w->g->src) > 0)
        take_inputs(w);
}
