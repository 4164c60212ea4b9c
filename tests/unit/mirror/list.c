/* list.c - filters, rights, shapes; traps of the query; pages. */
#include "sample.h"

static struct pool    keep;
static struct ae_list list;

#define HEAD "{\"metadata\":{\"resourceVersion\":\"7\"}\n,\"items\":"

static bool gives(const char *query, const struct ae_list_rights *r,
                  bool paged, const char *want)
{
    struct pool           p;
    struct ae_list_answer out;
    int  rc = ask(pool_new(&p), &list, query, r, paged, &out);
    bool ok = rc == AE_OK && out.status == 200
           && ae_eq(out.body, ae_cs(want));

    if (!ok)
        printf("# %s: rc %d, status %d, %s %.*s\n", query, rc, out.status,
               out.forward ? "forward" : "", (int)out.body.n,
               out.body.p ? out.body.p : "");
    pool_free(&p);
    return ok;
}

static bool forwards(const char *query)
{
    struct pool           p;
    struct ae_list_answer out;
    bool ok = ask(pool_new(&p), &list, query, &all, false, &out) == AE_OK
           && out.forward && !out.body.p;

    pool_free(&p);
    return ok;
}

static void filters(void)
{
    tap_ok(gives("", &red, false, HEAD "[" ALPHA "\n," TIE_A "\n," ZETA
                 "\n]}"), "what the caller may see, in order");
    tap_ok(gives("projects=blue", &red, false, HEAD "null}"),
           "what he may not see is left out");
    tap_ok(gives("project=default", &red, false, HEAD "[" ZETA "\n]}"),
           "an empty project is default");
    tap_ok(gives("name=tie&appNamespace=apps-a", &red, false,
                 HEAD "[" TIE_A "\n]}"), "name and namespace");
    tap_ok(gives("name=tie&selector=!env", &red, false, HEAD "null}"),
           "name keeps one, before rights");
    tap_ok(gives("selector=env%3Ddev&repo=https://git/alpha", &red, false,
                 HEAD "[" ALPHA "\n]}"), "selector and repo");
    tap_ok(gives("projects=red&fields=items.metadata.name,items.spec.project",
                 &red, false, HEAD "[{\"metadata\":{\"name\":\"alpha\"},"
                 "\"spec\":{\"project\":\"red\"}}\n,{\"metadata\":{\"name\":"
                 "\"tie\"},\"spec\":{\"project\":\"red\"}}\n]}"), "fields");
    tap_ok(forwards("=x") && forwards("name[a]=b") && forwards("name.x=1")
           && forwards("refresh=hard") && !forwards("projects.x=1")
           && !forwards("limit=1"), "traps and writes are passed on");
}

/* What the gateway says to a name that goes too deep; NULL: nothing. */
static bool binds(enum ae_list_kind kind, const char *query, const char *error)
{
    struct pool          p;
    struct ae_list_query q;
    bool ok = ae_list_bind(kind, ae_cs(query), pool_new(&p), &q) == AE_OK
           && !q.forward && q.status == (error ? 400 : 0)
           && (!error || ae_eq(q.error, ae_cs(error)));

    pool_free(&p);
    return ok;
}

static void nested(void)
{
    tap_ok(binds(AE_LIST_APPLICATIONSETS, "selector.a.b=1",
                 "unexpected nested field a in selector")
           && binds(AE_LIST_REPOSITORIES, "forceRefresh.x=true",
                    "unexpected nested field x in forceRefresh")
           && binds(AE_LIST_CLUSTERS, "id.value.x.y=1",
                    "unexpected nested field x in id.value")
           && binds(AE_LIST_APPLICATIONS, "projects.%3Cx.y=1",
                    "unexpected repeated field in projects.<x.y"),
           "below a text or a list there is nothing");
    tap_ok(binds(AE_LIST_CLUSTERS, "id.x.y=1", NULL)
           && binds(AE_LIST_APPLICATIONS, "x.y=1&fields.x=1", NULL),
           "what does not exist is passed over, however deep");
    tap_ok(binds(AE_LIST_APPLICATIONS, "x=%zz&a;b",
                 "invalid semicolon separator in query"),
           "a semicolon is told of before a bad escape");
    tap_ok(forwards(".x=1"), "an empty name is the first member, deeper too");
    tap_ok(binds(AE_LIST_ACCOUNTS, "x=%zz&a;b", NULL),
           "nobody reads the query of the accounts");
}

static void no_utf8(void)
{
    struct pool           p;
    struct ae_list_answer out;

    tap_ok(ask(pool_new(&p), &list, "selector=a%20b%ff", &all, false, &out)
           == AE_OK && out.status == 500
           && ae_starts(out.error, AE_STR("error parsing the selector: unable"
              " to parse requirement: found 'b\xEF\xBF\xBD', expected: in")),
           "a selector's fault is told in UTF-8");
    pool_free(&p);
}

static int unsure(void *ctx, ae_str object)
{
    (void)ctx;
    return ae_eq_lit(object, "blue/beta") ? -1 : 1;
}

static void rights(void)
{
    const struct ae_list_rights r = { unsure, NULL, NULL, { NULL, 0 } };
    struct pool                 p;
    struct ae_list_answer       out;

    tap_ok(ask(pool_new(&p), &list, "", &r, false, &out) == AE_OK
           && out.forward && !out.body.p,
           "one right that is not known: the upstream is asked");
    tap_ok(ask(&p.a, &list, "projects=red", &r, false, &out) == AE_OK
           && !out.forward && out.shown == 2, "but not for what is not asked");
    pool_free(&p);
}

static void kinds(void)
{
    static const char clusters[] = "{\"metadata\":{},\"items\":[{\"server\":"
        "\"https://a\",\"name\":\"one\",\"project\":\"red\"},{\"server\":"
        "\"https://b\",\"name\":\"one\"}]}";
    struct pool           p;
    struct ae_list        l;
    struct ae_list_answer out;

    pool_new(&p);
    tap_ok(ae_list_new(AE_LIST_CLUSTERS, ae_cs(clusters), AE_STR("argocd"),
                       &p.a, &l) == AE_OK && l.nrow == 2
           && ae_eq_lit(ae_row_object(&l, &l.row[0]), "red/https://a")
           && ae_eq_lit(ae_row_object(&l, &l.row[1]), "https://b"),
           "clusters may have no project");
    tap_ok(ask(&p.a, &l, "", &all, false, &out) == AE_OK
           && ae_eq(out.body, ae_cs(clusters)), "one line, as it was");
    tap_ok(ask(&p.a, &l, "name=one&server=https://b", &all, false, &out)
           == AE_OK && out.shown == 0, "each filter keeps its first hit");
    tap_ok(ae_list_new(AE_LIST_REPOCREDS, AE_STR("{\"metadata\":{},\"items\":"
           "null}"), AE_STR("argocd"), &p.a, &l) == AE_OK && l.nrow == 0
           && ask(&p.a, &l, "", &all, false, &out) == AE_OK
           && ae_eq_lit(out.body, "{\"metadata\":{},\"items\":null}"),
           "an empty list");
    tap_ok(ae_row_key(&list, ae_list_get(&list, AE_STR("zeta"),
                                         AE_STR(""))).n == 4
           && !ae_list_get(&list, AE_STR("tie"), AE_STR(""))
           && ae_list_get(&list, AE_STR("tie"), AE_STR("apps-b")),
           "one item by name and namespace");
    pool_free(&p);
}

/* Every item once, whatever the size of the pages. */
static bool walk(unsigned limit)
{
    struct pool p;
    char        query[256];
    ae_str      cursor = { NULL, 0 };
    size_t      seen = 0;

    pool_new(&p);
    for (int i = 0; i < 10; i++) {
        struct ae_list_answer out;

        snprintf(query, sizeof(query), "edge.limit=%u%s%.*s", limit,
                 cursor.p ? "&edge.continue=" : "", (int)cursor.n,
                 cursor.p ? cursor.p : "");
        if (ask(&p.a, &list, query, &all, true, &out) || out.forward)
            break;
        seen += out.shown;
        if (!out.more)
            break;
        cursor = ae_page_cursor(&p.a, out.last_name, out.last_ns);
    }
    pool_free(&p);
    return seen == 5;
}

static int bad_page(const char *query)
{
    struct pool         p;
    struct ae_list_page page;
    ae_str              rest, error = { NULL, 0 };
    bool                any;
    int                 rc = ae_page_bind(pool_new(&p), ae_cs(query), &rest,
                                          &any, &page, &error);

    pool_free(&p);
    return rc == AE_E_SYNTAX && error.n > 0;
}

static void pages(void)
{
    struct pool         p;
    struct ae_list_page page;
    ae_str              rest, error;
    bool                any;

    tap_ok(list.sorted && walk(1) && walk(2) && walk(4) && walk(5) && walk(9),
           "pages of any size show each item once, ties too");
    tap_ok(gives("edge.sync=OutOfSync", &all, true, HEAD "[" BETA "\n]}")
           && gives("edge.search=LPH&edge.health=Healthy", &all, true,
                    HEAD "[" ALPHA "\n]}")
           && gives("edge.health=Degraded", &all, true, HEAD "null}"),
           "sync, health and search");
    /* the cursor "mm\0argocd": a name that is gone, or never was */
    pool_new(&p);
    tap_ok(ae_eq_lit(ae_page_cursor(&p.a, AE_STR("mm"), AE_STR("argocd")),
                     "bW0AYXJnb2Nk")
           && gives("edge.limit=1&edge.continue=bW0AYXJnb2Nk", &all, true,
                    HEAD "[" TIE_A "\n]}"), "a cursor outlives its item");
    tap_ok(ae_page_bind(&p.a, AE_STR("projects=red&edge.limit=3&name="),
                        &rest, &any, &page, &error) == AE_OK && any
           && page.limit == 3 && ae_eq_lit(rest, "projects=red&name="),
           "the rest of the query is Argo CD's");
    pool_free(&p);
    tap_ok(bad_page("edge.limit=0") && bad_page("edge.limit=x")
           && bad_page("edge.limit=10001") && bad_page("edge.limit=1&"
           "edge.limit=2") && bad_page("edge.nosuch=1")
           && bad_page("edge.continue=AAAA") && bad_page("edge.continue=%20")
           && bad_page("edge.sync=") && bad_page("edge.limit"),
           "what is not understood is refused");
}

int main(void)
{
    if (!tap_ok(ae_list_new(AE_LIST_APPLICATIONS, ae_cs(sample),
                            AE_STR("argocd"), pool_new(&keep), &list)
                == AE_OK && list.nrow == 5, "five applications"))
        return tap_done();
    filters();
    nested();
    no_utf8();
    rights();
    kinds();
    pages();
    pool_free(&keep);
    return tap_done();
}
