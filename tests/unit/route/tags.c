/* tags.c - what a request reads and moves (T13). */
#include "util.h"

#define J "application/json"

static int tags(const char *method, const char *target, const char *body,
                char kind, const char *want)
{
    struct ae_target t = u_route(method, target, J);
    json_t          *b = body ? json_loads(body, JSON_DECODE_ANY, NULL) : NULL;
    ae_str          *v;
    size_t           n, at = 0;
    char             got[512] = "";
    int              rc = ae_route_tags(&u_conf, &t, b, kind, &u_arena, &v, &n);

    for (size_t i = 0; rc == AE_OK && i < n; i++)
        at += (size_t) snprintf(got + at, sizeof got - at, "%s%.*s",
                                i ? " " : "", (int) v[i].n, v[i].p);
    json_decref(b);
    if (rc != AE_OK || strcmp(got, want) != 0)
        printf("# %d %s\n", rc, got);
    return rc == AE_OK && strcmp(got, want) == 0;
}

#define APP "/api/v1/applications/web"

int main(void)
{
    struct ae_target t;
    ae_str          *v;
    size_t           n;

    u_begin();
    tap_ok(tags("GET", APP, NULL, 'r',
                "app:argocd/web app:?/web app:?"), "one application");
    tap_ok(tags("GET", APP "/resource-tree?appNamespace=n", NULL, 'r',
                "app:n/web app:?/web app:?"), "its namespace");
    tap_ok(tags("GET", APP "/links?namespace=n", NULL, 'r',
                "app:n/web app:?/web app:? projects clusters settings"),
           "links spell it differently");
    tap_ok(tags("GET", "/api/v1/applications", NULL, 'r', "applications"),
           "the list");
    tap_ok(tags("DELETE", APP "?appNamespace=n", NULL, 'w',
                "applications app:n/web"), "delete");
    tap_ok(tags("POST", APP "/sync", NULL, 'w', "applications app:?/web"),
           "sync unread: any namespace");
    tap_ok(tags("POST", APP "/sync", "{\"appNamespace\":\"n\"}", 'w',
                "applications app:n/web"), "sync read");
    tap_ok(tags("POST", APP "/sync", "{}", 'w',
                "applications app:argocd/web"), "sync without namespace");
    tap_ok(tags("POST", APP "/sync", "{\"APPNAMESPACE\":\"n\"}", 'w',
                "applications app:?/web"), "R31 case variant");
    tap_ok(tags("PUT", APP, NULL, 'w', "applications app:?"),
           "PUT goes by the name in the body");
    tap_ok(tags("DELETE", APP "?cascade=banana", NULL, 'w',
                "applications app:?"), "doubtful: the whole family");
    tap_ok(tags("GET", APP "?refresh=hard", NULL, 'w',
                "applications app:argocd/web"), "Q04 refresh writes");
    tap_ok(tags("GET", APP, NULL, 'w', ""), "a plain read does not");
    tap_ok(tags("GET", "/api/v1/repositories?forceRefresh=1", NULL, 'w',
                "repositories"), "forceRefresh");
    tap_ok(tags("PUT", "/api/v1/projects/p", NULL, 'w',
                "projects project:p app:?"), "project");
    tap_ok(tags("POST", "/api/v1/projects/p/roles/r/token", NULL, 'w',
                "projects project:p"), "project token");
    tap_ok(tags("DELETE", "/api/v1/applicationsets/s?appsetNamespace=n", NULL,
                'w', "applicationsets appset:n/s applications app:?"), "set");
    tap_ok(tags("POST", "/api/v1/session", NULL, 'w', ""),
           "login moves nothing");
    tap_ok(tags("POST", "/api/webhook", NULL, 'w', ""),
           "the webhook moves nothing");
    tap_ok(tags("DELETE", "/api/v1/clusters/c", NULL, 'w', "clusters"),
           "cluster");
    t = u_get("/api/v1/nothing");
    tap_ok(ae_route_tags(&u_conf, &t, NULL, 'w', &u_arena, &v, &n) == AE_OK
           && n == 0, "no operation, no tags");
    t = u_get(APP);
    tap_ok(ae_route_tags(&u_conf, &t, NULL, 'x', &u_arena, &v, &n)
           == AE_E_INVAL, "no such kind");
    for (size_t lim = 1; lim < 600; lim += 16) {
        ae_heap  h = { NULL, 0 };
        ae_arena a;
        int      rc;

        ae_arena_init(&a, ae_heap_mem(&h), NULL, 0);
        a.limit = lim;
        rc = ae_route_tags(&u_conf, &t, NULL, 'r', &a, &v, &n);
        if (!(rc == AE_E_NOMEM && !v && !n) && !(rc == AE_OK && n == 3))
            tap_ok(0, "limit %zu: %d", lim, rc);
        ae_heap_free(&h);
    }
    u_end();
    return tap_done();
}
