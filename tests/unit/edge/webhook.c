/* webhook.c - the shield of /api/webhook. */
#include "fixture.h"

static ae_heap conf_heap;
static ae_arena conf_arena;

static void set(struct fx *f, const char *line)
{
    ae_str args[8], rest = ae_cs(line);
    struct ae_err err = { 0 };
    size_t n = 0;

    while (rest.p && n < 8)
        rest = ae_cut(rest, ' ', &args[n++]);
    for (size_t i = 0; i < ae_directive_count(); i++)
        if (strcmp(ae_directive_at(i)->name, "webhook") == 0
            && ae_directive_at(i)->set(&conf_arena, &f->conf, &f->loc, args,
                                       n, &err)) {
            printf("Bail out! %s: %s\n", line, err.text);
            exit(2);
        }
    fx_pass(f, 3600000);
    fx_answer(f, 200, "");
}

#define PUSH "{\"ref\":\"refs/heads/main\",\"before\":\"1\",\"after\":\"2\","  \
             "\"repository\":{\"html_url\":\"https://git.example/a\"}}"

/* hex(HMAC-SHA-256(|key|, |body|)) after |pre| */
static const char *mac(struct fx *f, const char *pre, const char *key,
                       const char *body)
{
    unsigned char sum[32];
    char hex[65] = "";

    ae_hmac256_plain(ae_cs(key), ae_cs(body), sum);
    ae_hex(sum, 32, hex);
    hex[64] = '\0';
    return ae_fmt(&f->a, "%s%s", pre, hex).p;
}

static struct fx_res hook(struct fx *f, const char *body, const char *n1,
                          const char *v1, const char *n2, const char *v2)
{
    return fx_run(f, (struct fx_req){ .method = "POST", .body = body,
        .target = "/api/webhook",
        .h = { { "content-type", "application/json" }, { n1, v1 },
               { v2 ? n2 : NULL, v2 } } });
}

static bool passes(struct fx_res r)
{
    return r.kind == AE_FORWARD;
}

/* As Argo CD refuses (other.webhook-bad of the recorded exchanges). */
static bool refused(struct fx_res r)
{
    return r.kind == AE_REPLY && r.status == 400
        && !strcmp(r.body, "Webhook processing failed\n")
        && !strcmp(r.ctype, "text/plain; charset=utf-8")
        && strstr(r.hdr, "X-Content-Type-Options: nosniff");
}

static void caps(struct fx *f)
{
    static char big[3000];
    struct fx_res r;
    int ok = 0;

    memset(big, ' ', sizeof big - 1);
    set(f, "max_body=2k");
    r = hook(f, big, "x-github-event", "push", "", NULL);
    tap_ok(r.status == 413 && strstr(r.body, "\"code\":8"),
           "over the cap: 413 %s", r.body);
    tap_ok(passes(hook(f, PUSH, "x-github-event", "push", "", NULL)),
           "below: passed on");
    tap_ok(fx_run(f, (struct fx_req){ .method = "POST", .body = big,
                  .user = "alice", .target = "/api/v1/applications",
                  .h = { { "content-type", "application/json" } } }).status
           != 413, "other bodies are not meant");
    set(f, "rate=1r/s burst=5");
    for (int i = 0; i < 20; i++)
        ok += passes(hook(f, PUSH, "x-github-event", "push", "", NULL));
    r = hook(f, PUSH, "x-github-event", "push", "", NULL);
    tap_ok(ok == 5 && r.status == 429
           && strstr(r.body, "rate limit exceeded: webhook"),
           "more than the burst: 429");
    f->loc.limit_dry_run = 1;
    tap_ok(passes(hook(f, PUSH, "x-github-event", "push", "", NULL)),
           "but not in a dry run");
    f->loc.limit_dry_run = 0;
    set(f, "off");
    tap_ok(passes(hook(f, big, "x-github-event", "push", "", NULL)),
           "off: all passes");
}

static void github(struct fx *f)
{
    const char *sig = mac(f, "sha256=", "gh-secret", PUSH);
    static char bare[65];

    snprintf(bare, sizeof bare, "%s", sig + 7);
#define GH(sig_) hook(f, PUSH, "x-github-event", "push",                 \
                      "x-hub-signature-256", sig_)
    tap_ok(passes(GH(sig)), "GitHub: a good signature");
    tap_ok(passes(GH(bare)), "without its prefix");
    tap_ok(refused(GH(mac(f, "sha256=", "other", PUSH))),
           "one by another key");
    tap_ok(refused(GH("sha256=ab")), "a stump");
    tap_ok(refused(hook(f, PUSH, "x-github-event", "push", "", NULL)),
           "none");
    tap_ok(refused(hook(f, PUSH " ", "x-github-event", "push",
                        "x-hub-signature-256", sig)), "of another body");
    tap_ok(refused(hook(f, PUSH, "x-github-event", "ping",
                        "x-hub-signature-256", "sha256=0000000")),
           "a ping, too");
    tap_ok(passes(hook(f, PUSH, "x-github-event", "issues", "", NULL)),
           "what Argo CD does not look at is left to it");
    tap_ok(passes(hook(f, PUSH, "x-hub-signature-256", "sha256=0000000",
                       "", NULL)), "so is what names no provider");
}

static void others(struct fx *f)
{
    tap_ok(passes(hook(f, PUSH, "x-gitlab-event", "Push Hook",
                       "x-gitlab-token", "gl-secret")), "GitLab: good");
    tap_ok(refused(hook(f, PUSH, "x-gitlab-event", "Push Hook",
                        "x-gitlab-token", "gl-secreT")), "wrong");
    tap_ok(refused(hook(f, PUSH, "x-gitlab-event", "Push Hook", "", NULL)),
           "none");
    tap_ok(passes(hook(f, PUSH, "x-gogs-event", "push", "x-gogs-signature",
                       mac(f, "", "gogs-secret", PUSH))), "Gogs: good");
    tap_ok(refused(hook(f, PUSH, "x-gogs-event", "push", "x-gogs-signature",
                        mac(f, "sha256=", "gogs-secret", PUSH))),
           "with a prefix: wrong");
    tap_ok(refused(hook(f, PUSH, "x-gogs-event", "push", "", NULL)), "none");
    tap_ok(passes(hook(f, PUSH, "x-event-key", "repo:push", "x-hook-uuid",
                       "bb-uuid")), "Bitbucket: good");
    tap_ok(refused(hook(f, PUSH, "x-event-key", "repo:push", "x-hook-uuid",
                        "other")), "wrong");
    tap_ok(passes(hook(f, PUSH, "x-event-key", "repo:refs_changed",
                       "x-hub-signature",
                       mac(f, "sha256=", "bbs-secret", PUSH))),
           "Bitbucket Server: good");
    tap_ok(refused(hook(f, PUSH, "x-event-key", "repo:refs_changed",
                        "x-hub-signature", "short")), "wrong");
    tap_ok(passes(hook(f, PUSH, "x-event-key", "diagnostics:ping", "",
                       NULL)), "its ping is not signed");
    /* az:pass */
    tap_ok(passes(hook(f, PUSH, "x-vss-activityid", "1", "authorization",
                       "Basic YXo6cGFzcw==")), "Azure DevOps: good");
    tap_ok(passes(hook(f, PUSH, "x-vss-activityid", "1", "authorization",
                       "bAsIc YXo6cGFzcw==")), "the scheme in any case");
    tap_ok(refused(hook(f, PUSH, "x-vss-activityid", "1", "authorization",
                        "Basic YXo6cGFzcw")), "unpadded: wrong");
    tap_ok(refused(hook(f, PUSH, "x-vss-activityid", "1", "authorization",
                        "Basic YXo6cGFzc3g=")), "wrong password");
    tap_ok(refused(hook(f, PUSH, "x-vss-activityid", "1", "", NULL)), "none");
    /* the first header that Argo CD looks at decides */
    tap_ok(refused(hook(f, PUSH, "x-vss-activityid", "1", "x-github-event",
                        "push")),
           "Azure before GitHub, as Argo CD asks");
}

static void repeats(struct fx *f)
{
    static const char later[] = "{\"ref\":\"refs/heads/main\",\"before\":"
        "\"2\",\"after\":\"3\",\"repository\":{\"html_url\":"
        "\"https://git.example/a\"}}";
    const char *sig = mac(f, "sha256=", "gh-secret", PUSH);
    const char *sig2 = mac(f, "sha256=", "gh-secret", later);
    struct fx_res r;

    set(f, "signatures=on repeat=5s");
    tap_ok(passes(GH(sig)), "a push");
    r = GH(sig);
    tap_ok(r.kind == AE_REPLY && r.status == 200 && !r.body[0],
           "the same again is answered here");
    tap_ok(passes(hook(f, later, "x-github-event", "push",
                       "x-hub-signature-256", sig2)), "the next is another");
    fx_pass(f, 5000);
    tap_ok(passes(GH(sig)), "later it passes");
    fx_pass(f, 5000);
    fx_answer(f, 503, "Queue is full, discarding webhook payload\n");
    tap_ok(passes(GH(sig)), "Argo CD does not take it");
    fx_answer(f, 200, "");
    tap_ok(passes(GH(sig)), "then it may come again at once");
    r = GH(sig);
    tap_ok(r.kind == AE_REPLY, "but only until it was taken");
}

/* The bodies of two events of one push: what else is in them differs. */
static bool same(struct fx *f, const char *a, const char *b, const char *n1,
                 const char *v1, const char *n2, const char *v2)
{
    struct fx_res r;

    set(f, "signatures=on repeat=5s");
    if (!passes(hook(f, a, n1, v1, n2, v2 ? v2 : mac(f, "sha256=",
                                                     "bbs-secret", a))))
        return false;
    r = hook(f, b, n1, v1, n2, v2 ? v2 : mac(f, "sha256=", "bbs-secret", b));
    return r.kind == AE_REPLY && r.status == 200;
}

static void repeats_of_others(struct fx *f)
{
#define CLOUD(more, to) "{\"push\":{\"changes\":[{\"x\":" more ",\"old\":"  \
    "{\"target\":{\"hash\":\"1\"}},\"new\":{\"name\":\"main\",\"target\":"    \
    "{\"hash\":\"" to "\"}}}]},\"repository\":{\"links\":{\"html\":"          \
    "{\"href\":\"https://bitbucket.example/a\"}}}}"
#define BB(a, b) same(f, a, b, "x-hook-uuid", "bb-uuid", "x-event-key",       \
                      "repo:push")
#define CHANGE(to) "{\"ref\":{\"id\":\"refs/heads/main\"},\"fromHash\":"    \
    "\"1\",\"toHash\":\"" to "\"}"
#define SERVER(date, changes) "{\"date\":\"" date "\",\"repository\":"       \
    "{\"links\":{\"clone\":[{\"href\":\"ssh://git@b/a.git\",\"name\":"       \
    "\"ssh\"},{\"href\":\"https://b/a.git\",\"name\":\"http\"}]}},"         \
    "\"changes\":[" changes "]}"
#define BBS(a, b) same(f, a, b, "x-event-key", "repo:refs_changed",           \
                       "x-hub-signature", NULL)
#define AZURE(id, to) "{\"id\":\"" id "\",\"resource\":{\"refUpdates\":[{"   \
    "\"name\":\"refs/heads/main\",\"oldObjectId\":\"1\",\"newObjectId\":"     \
    "\"" to "\"}],\"repository\":{\"remoteUrl\":\"https://az.example/a\"}}}"
#define AZ(a, b) same(f, a, b, "x-vss-activityid", "1", "authorization",      \
                      "Basic YXo6cGFzcw==")
    tap_ok(BB(CLOUD("1", "2"), CLOUD("[{}]", "2")), "Bitbucket: the same");
    tap_ok(!BB(CLOUD("1", "2"), CLOUD("1", "3")), "another");
    tap_ok(BBS(SERVER("1", CHANGE("2")), SERVER("2", CHANGE("2"))),
           "Bitbucket Server: the same");
    tap_ok(!BBS(SERVER("1", CHANGE("2")), SERVER("1", CHANGE("3"))),
           "another");
    tap_ok(!BBS(SERVER("1", CHANGE("2")),
                SERVER("1", CHANGE("2") "," CHANGE("4"))),
           "two changes are not the first of them");
    tap_ok(BBS(SERVER("1", CHANGE("2") "," CHANGE("4")),
               SERVER("1", CHANGE("2") "," CHANGE("4"))),
           "but they are what is the same in every byte");
    tap_ok(AZ(AZURE("x", "2"), AZURE("y", "2")), "Azure DevOps: the same");
    tap_ok(!AZ(AZURE("x", "2"), AZURE("x", "3")), "another");
}

static void sources(struct fx *f)
{
    struct fx_res r;

    set(f, "from=198.51.100.0/24,2001:db8::/32");
    r = hook(f, PUSH, "x-github-event", "push", "", NULL);
    tap_ok(r.kind == AE_REPLY && r.status == 403
           && strstr(r.body, "webhooks are not taken from this address"),
           "from elsewhere: 403");
    set(f, "from=198.51.100.0/24,192.0.2.7");
    tap_ok(passes(hook(f, PUSH, "x-github-event", "push", "", NULL)),
           "from one of them");
    set(f, "from=198.51.100.0/24");
    f->loc.limit_dry_run = 1;
    tap_ok(passes(hook(f, PUSH, "x-github-event", "push", "", NULL)),
           "a dry run refuses nobody");
    f->loc.limit_dry_run = 0;
}

int main(void)
{
    struct fx f;

    ae_arena_init(&conf_arena, ae_heap_mem(&conf_heap), NULL, 0);
    fx_open(&f);
    caps(&f);
    set(&f, "signatures=on");
    tap_ok(passes(hook(&f, PUSH, "x-github-event", "push", "", NULL)),
           "no secret, no check");
    fx_write(&f, "argocd-secret", "webhook.github.secret", "gh-secret");
    fx_write(&f, "argocd-secret", "webhook.gitlab.secret", "gl-secret");
    fx_write(&f, "argocd-secret", "webhook.gogs.secret", "gogs-secret");
    fx_write(&f, "argocd-secret", "webhook.bitbucket.uuid", "bb-uuid");
    fx_write(&f, "argocd-secret", "webhook.bitbucketserver.secret",
             "bbs-secret");
    fx_write(&f, "argocd-secret", "webhook.azuredevops.username", "az");
    fx_write(&f, "argocd-secret", "webhook.azuredevops.password", "pass");
    ae_engine_tick(f.e);
    github(&f);
    others(&f);
    repeats(&f);
    repeats_of_others(&f);
    sources(&f);
    fx_write(&f, "argocd-secret", "webhook.github.secret", "$other:key");
    fx_pass(&f, 2000000);
    ae_engine_tick(f.e);
    set(&f, "signatures=on");
    tap_ok(passes(hook(&f, PUSH, "x-github-event", "push",
                       "x-hub-signature-256", "sha256=000000")),
           "a secret that lies elsewhere: Argo CD alone checks");
    fx_close(&f);
    ae_heap_free(&conf_heap);
    return tap_done();
}
