/* query.c - binding of query values, the Q cases of abuse-cases.md. */
#include "util.h"

#define APP "/api/v1/applications/b1"

static struct ae_target q(const char *query)
{
    static char buf[256];

    snprintf(buf, sizeof buf, APP "?%s", query);
    return u_get(buf);
}

static void refused(const char *id, const char *query, const char *text)
{
    struct ae_target t = q(query);
    char             want[256];

    snprintf(want, sizeof want,
             "{\"error\":\"%s\",\"code\":3,\"message\":\"%s\"}", text, text);
    tap_ok(t.kind == AE_TGT_BAD && t.status == 400
           && (!*text || ae_eq(t.body, ae_cs(want)))
           && ae_eq_lit(t.ctype, "application/json"), "%s ?%s: 400", id,
           query);
}

static void abuse(void)
{
    struct ae_target t;

    refused("Q01", "project=teamb&project=teama", "multiple projects "
            "specified - the get endpoint accepts either zero or one project");
    t = u_get("/api/v1/applications?appNamespace[x]=y");
    tap_ok(t.status == 400, "Q02");
    refused("Q03", "project[teama]=teamb", "");
    t = q("refresh=hard");
    tap_ok(t.kind == AE_TGT_OP && t.side_effect, "Q04 refresh is a write");
    t = q("refresh=");
    tap_ok(t.side_effect, "Q04 its presence counts");
    t = u_get("/api/v1/applications?fields=items.metadata.name");
    tap_ok(u_param(&t, "fields", "items.metadata.name") && !t.unknown_query,
           "Q05 fields is in the key");
    refused("Q03", "=a1", "query names must be plain");
    refused("Q03", "project=p&=", "query names must be plain");
    refused("Q03", ".x=a1", "query names must be plain");
    t = u_get("/api/v1/applications?=b1");
    tap_ok(t.kind == AE_TGT_OP && t.doubtful && t.unknown_query,
           "Q03 where no path is overruled it is passed on");
    t = u_get("/api/v1/projects/p?=q");
    tap_ok(t.kind == AE_TGT_OP && !t.doubtful, "Q03 or where none is read");
    refused("Q06", "a;b=c", "invalid semicolon separator in query");
    refused("Q06", "x=%zz", "invalid URL escape \\\"%zz\\\"");
    refused("Q06", "x=%zz&a;b", "invalid semicolon separator in query");
    refused("Q06", "x=a%2", "invalid URL escape \\\"%2\\\"");
    refused("Q06", "project=a&%zz", "invalid URL escape \\\"%zz\\\"");
    t = q("utm=1");
    tap_ok(t.kind == AE_TGT_OP && t.unknown_query && !t.doubtful,
           "Q07 unknown names: passed on, uncached");
    t = u_route("POST", APP "/sync?project=x&project=y&%5B=1",
                "application/json");
    tap_ok(t.kind == AE_TGT_OP && t.nq == 0, "Q08 sync does not read it");
}

/* Q06: bounded at any size. */
static void bounds(void)
{
    static char      big[70000];
    struct ae_target t;
    size_t           n;

    for (int over = 0; over < 2; over++) {
        n = (size_t) snprintf(big, sizeof big, APP "?");
        for (int i = 0; i < 1024 + over; i++)
            n += (size_t) snprintf(big + n, sizeof big - n, "%sk%d=v",
                                   i ? "&" : "", i);
        t = u_get(big);
        tap_ok(over ? t.status == 400 : t.kind == AE_TGT_OP,
               "Q06 %d parameters", 1024 + over);
    }
    for (int over = 0; over < 2; over++) {
        n = (size_t) snprintf(big, sizeof big, APP "?x=");
        memset(big + n, 'a', 32768 - 2 + (size_t) over);
        big[n + 32768 - 2 + (size_t) over] = '\0';
        t = u_get(big);
        tap_ok(over ? t.status == 414 : t.kind == AE_TGT_OP,
               "Q06 %d bytes", 32768 + over);
    }
}

static void values(void)
{
    struct ae_target t;

    t = q("project=team%2Da");
    tap_ok(u_param(&t, "project", "team-a"), "values may be escaped");
    t = q("project=team+a");
    tap_ok(u_param(&t, "project", "team a"), "plus is a blank");
    refused("T2", "%70roject=a", "");
    refused("T2", "appNamespace=a&appNamespace=a", "");
    t = q("&&project=teamb&&");
    tap_ok(u_param(&t, "project", "teamb") && t.nq == 1, "empty pieces");
    t = q("Project=x&app_namespace=y");
    tap_ok(t.unknown_query && t.nq == 0 && !t.doubtful,
           "names are case-sensitive JSON names");
    t = q("project.name=x");
    tap_ok(t.doubtful && t.unknown_query, "a dotted name may fail upstream");
    t = u_get("/api/v1/projects/p?project.name=x");
    tap_ok(!t.doubtful && t.unknown_query, "but not where none is read");
    t = q("project");
    tap_ok(t.nq == 1 && ae_target_get(&t, "project").n == 0, "bare name");
    t = q("projects=a&projects=b");
    tap_ok(t.kind == AE_TGT_OP && t.doubtful, "projects twice: passed on");
    t = q("name=other");
    tap_ok(u_param(&t, "name", "b1"), "the path wins");
    t = q("project=a%00");
    tap_ok(t.doubtful, "NUL in a value");
    t = q("project=%ff");
    tap_ok(t.doubtful, "invalid UTF-8 in a value");
    t = q("resourceVersion=5");
    tap_ok(t.no_store && !t.side_effect, "resourceVersion is not stored");
    t = u_get("/api/v1/applications?project=a&project=b&projects=c");
    tap_ok(t.kind == AE_TGT_OP && t.nq == 3 && !t.doubtful,
           "lists may repeat");
    t = u_get("/api/v1/repositories?forceRefresh=true");
    tap_ok(t.side_effect, "forceRefresh");
    t = u_get(APP "/manifests?noCache=false");
    tap_ok(t.side_effect && t.op->cache == AE_CC_NEVER, "noCache");
    t = u_get("/api/v1/clusters/c?id=x");
    tap_ok(t.doubtful, "a message by its name");
}

static void types(void)
{
    struct ae_target t;
    static const struct { const char *q; bool sure; } rows[] = {
        { "tailLines=10", true }, { "tailLines=-1", true },
        { "tailLines=0", true }, { "tailLines=abc", false },
        { "tailLines=", false }, { "tailLines=010", false },
        { "tailLines=0x1", false }, { "tailLines=1_0", false },
        { "tailLines=9223372036854775807", true },
        { "tailLines=9223372036854775808", false },
        { "follow=true", true }, { "follow=T", true },
        { "follow=yes", false }, { "follow=", false },
        { "sinceTime.seconds=5", true },
        { "sinceTime.nanos=2147483647", true },
        { "sinceTime.nanos=2147483648", false }, { "sinceTime=x", false }
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char z[128];

        snprintf(z, sizeof z, APP "/logs?%s", rows[i].q);
        t = u_get(z);
        tap_ok(t.kind == AE_TGT_OP && t.doubtful != rows[i].sure,
               "?%s: %s", rows[i].q, rows[i].sure ? "sure" : "doubtful");
    }
}

int main(void)
{
    u_begin();
    abuse();
    bounds();
    values();
    types();
    u_end();
    return tap_done();
}
