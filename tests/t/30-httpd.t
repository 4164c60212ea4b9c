# Apache httpd with the module: configuration errors, decisions, the cache
# shared with nginx, Require, graceful restarts.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use ArgoEdge::Build qw(build run);
use ArgoEdge::Inputs;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use Test::More;

# minutes long: asked for with AE_KINDS=httpd (or httpd-prefork)
plan skip_all => 'AE_KINDS does not name httpd'
    unless ($ENV{AE_KINDS} // '') =~ /httpd/;
use Time::HiRes qw(sleep);

$ENV{AE_NGX_MODULE} ||= build() . '/nginx/ngx_http_argo_edge_module.so';
plan skip_all => 'no httpd module' if !ArgoEdge::Server->available('httpd');

my $in = ArgoEdge::Inputs->new(
    accounts => { alice => 'apiKey', bob => 'apiKey' },
    policy => "p, alice, *, *, *, allow\n");
my ($alice, $bob) = map { $in->token($_) } qw(alice bob);
my $app = '{"metadata":{"name":"a1","namespace":"argocd"},'
    . '"spec":{"project":"default"}}';
my $one = '/api/v1/applications/a1?project=default';
my $up = ArgoEdge::Upstream->new(handler => sub {
    my ($req) = @_;
    return ArgoEdge::Upstream::answer(200, $app);
})->start;
my $deny = qr/"code":7/;

for my $kind (qw(httpd httpd-prefork)) {
    my $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
        upstream => $up->port, cache => 1,
        httpd => { locations => '<Location "/api/v1/clusters">
            Require argo-edge-can clusters get "*"
            </Location>
            <Location "/api/v1/projects">
            Require argo-edge
            </Location>' })->start;
    $up->forget;
    is($s->get($one)->{status}, 401, "$kind: no token");
    my $r = $s->get($one, token => $bob);
    is($r->{status}, 403, "$kind: bob may not");
    like($r->{body}, $deny, "$kind: in Argo CD's words");
    is($up->hits, 0, "$kind: Argo CD was not asked");
    is($s->get($one, token => $alice)->{body}, $app, "$kind: alice may");
    is($s->get($one, token => $alice)->{body}, $app, "$kind: and again");
    # children of prefork have leases of their own, the store is one
    if ($kind eq 'httpd') {
        is($up->hits, 1, "$kind: once from Argo CD");
        ok(defined $s->get($one, token => $alice)->{header}{age},
            "$kind: from the cache");
    }
    is($s->get($one, token => $bob)->{status}, 403, "$kind: bob still not");
    my $body = '{"metadata":{"name":"x"},"spec":{"project":"default"}}';
    is($s->post('/api/v1/applications', $body, token => $alice)->{status},
        200, "$kind: a body is read and handed on");
    is($up->last_request->{body}, $body, "$kind: unchanged");
    is($up->last_request->{header}{'x-forwarded-for'}, '127.0.0.1',
        "$kind: headers as the core sets them");
    is($s->get('/api/v1/clusters', token => $alice)->{status}, 200,
        "$kind: Require argo-edge-can grants");
    isnt($s->get('/api/v1/clusters', token => $bob)->{status}, 200,
        "$kind: and denies");
    is($s->get('/api/v1/projects', token => $alice)->{status}, 200,
        "$kind: Require argo-edge");
    like($s->access_log, qr/ 403 decision=deny .*subject=bob/,
        "$kind: notes in the log");
    my $failed = 0;
    for (1 .. 20) {
        kill 'USR1', $s->pid;
        sleep 0.1;
        $failed++ if $s->get($one, token => $alice)->{status} != 200;
    }
    is($failed, 0, "$kind: graceful restarts lose no request");
    unlike($s->error_log . $s->stderr, qr/exit signal|Segmentation|AE004/,
        "$kind: and no child");
    $s->stop;
}

# what one server stores the other serves
SKIP: {
    skip 'no nginx module', 4 if !ArgoEdge::Server->available('nginx');
    my $h = ArgoEdge::Server->new(kind => 'httpd', inputs => $in->dir,
        upstream => $up->port, cache => 1)->start;
    my $dir = $h->dir;
    my $n = ArgoEdge::Server->new(kind => 'nginx', inputs => $in->dir,
        upstream => $up->port,
        directives => "argo_edge_cache $dir/cache size=32m;");
    $n->{user} = 'www-data' if $> == 0;
    $n->start;
    # each process wants its own acceptance of the token (T7)
    $_->get('/api/v1/session/userinfo', token => $alice) for $h, $n;
    $_->get('/api/v1/applications/warm?project=default', token => $alice)
        for $h, $n;
    $h->get($one, token => $alice);
    my $hits = $up->hits;
    my $r = $n->get($one, token => $alice);
    is($r->{body}, $app, 'nginx serves');
    is($up->hits, $hits, 'what httpd has stored');
    my $del = $n->request(DELETE => $one, token => $alice,
        header => ['Content-Type' => 'application/json']);
    is($del->{status}, 200, "a write through nginx");
    $hits = $up->hits;
    $h->get($one, token => $alice);
    is($up->hits, $hits + 1, 'a write through nginx counts for httpd');
}

# configtest
my $s = ArgoEdge::Server->new(kind => 'httpd', inputs => $in->dir,
    upstream => $up->port);
is(($s->test_conf)[0], 0, 'configtest');
$s->{httpd} = { main => "ArgoEdgeLease never" };
my ($rc, $out) = $s->test_conf;
isnt($rc, 0, 'a bad value is refused');
like($out, qr/Syntax error on line \d+ of \S+:\s+ArgoEdgeLease: invalid/,
    'with file and line');
$s->{httpd} = {};
$in->put('argocd-rbac-cm/policy.matchMode', 'nonsense');
$in->put('argocd-rbac-cm/policy.csv', qq(p, "alice, x\n));
($rc, $out) = $s->test_conf;
diag $out if $rc == 0;
$in->put('argocd-cm/accounts.x', 'dance');
$in->put('appprojects/bad.json', '{');
($rc, $out) = $s->test_conf;
isnt($rc, 0, 'bad inputs are refused');
like($out, qr/AE003: \S+bad\.json:\d+.* in \S+:\d+/, 'with file and line');

# What the real Argo CD answered.  Under prefork each change of the inputs
# must reach every child, which takes its time: AE_KINDS=httpd-prefork.
for my $kind (($ENV{AE_KINDS} // '') =~ /(httpd-prefork)/ ? $1 : 'httpd') {
    ($rc, $out) = run(build() . '/tests/replay', '--server', $kind,
        'tests/vectors/api/exchanges.json');
    is($rc, 0, "replay --server $kind: " . (split /\n/, $out)[-1])
        or diag join "\n", grep { /^not ok/ } split /\n/, $out;
}

done_testing;
