#!/usr/bin/perl
# Bad input: a clear message that names the place; the last good state stays;
# the server goes on serving.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Inputs;
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use File::Path qw(make_path remove_tree);
use Test::More;

my ($kind) = kinds();
plan skip_all => 'no server with a module is built' if !defined $kind;

my $GET = 'GET /api/v1/applications/a1?project=p';

sub inputs {
    return ArgoEdge::Inputs->new(accounts => { alice => 'apiKey' },
        policy => "p, alice, applications, get, p/*, allow\n",
        projects => ['p']);
}

# ---- at the start: the configuration test says where and what

my @start = (
    ['a broken policy line', 'argocd-rbac-cm/policy.csv',
        "p, a, applications, get, p/*, allow\np, a, b\n",
        qr/policy\.csv:2:\d+: .*invalid RBAC policy: p, a, b/],
    ['a broken overlay', 'argocd-rbac-cm/policy.x.csv', "p, \"a, b\n",
        qr/policy\.x\.csv:1:\d+/],
    ['scopes that are no YAML list', 'argocd-rbac-cm/scopes', "[groups\n",
        qr/scopes:\d+/],
    ['a half-written AppProject', 'appprojects/p2.yaml',
        "metadata:\n  name: p2\nspec:\n  roles: [{name: r\n",
        qr/p2\.yaml:\d+/],
    ['a wrong type in YAML', 'appprojects/p2.yaml',
        "kind: AppProject\nmetadata: {name: p2}\nspec: {roles: 7}\n",
        qr/p2\.yaml/],
    ['a half-written ConfigMap', 'argocd-cm.yaml',
        "kind: ConfigMap\nmetadata: {name: argocd-cm}\ndata:\n  url: \"x\n",
        qr/argocd-cm/],
);
for my $case (@start) {
    my ($what, $file, $text, $re) = @$case;
    my $in = inputs();
    remove_tree($in->dir . '/argocd-cm') if $file eq 'argocd-cm.yaml';
    if ($file =~ m{/}) {
        $in->put($file, $text);
    } else {
        open(my $f, '>', $in->dir . "/$file") or die $!;
        print $f $text;
        close $f;
    }
    my $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
        upstream => 1, cache => 1);
    my ($rc, $out) = $s->test_conf;
    isnt($rc, 0, "$what: the configuration test fails");
    like($out, $re, "$what: names the place");
    ok(!-e $s->dir . '/cache/generations', "$what: nothing was written");
}
{
    my $in = inputs();
    my $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir . '/none',
        upstream => 1);
    my ($rc, $out) = $s->test_conf;
    isnt($rc, 0, 'no input directory: the configuration test fails');
    like($out, qr{\Q@{[ $in->dir ]}\E/none.*\w+}, 'and names it');
    $in->put('argocd-rbac-cm/policy.csv', '');
    unlink $in->dir . '/argocd-rbac-cm/policy.csv';
    make_path($in->dir . '/argocd-rbac-cm/policy.csv');
    $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
        upstream => 1);
    ($rc, $out) = $s->test_conf;
    isnt($rc, 0, 'a directory where a file should be');
    like($out, qr/policy\.csv/, 'is named');
}

# ---- live: the last good state stays

my $in = inputs();
my $up = ArgoEdge::Upstream->new(handler => sub {
    my ($req) = @_;
    return json_answer(app('p', 'a1')) if $req->{target} =~ /a1/;
    return json_answer('{}');
})->start;
my $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
    upstream => $up->port, cache => 1)->start;
my $alice = $in->token('alice');
sub status {
    my ($method, $target) = split / /, $_[0];
    return $s->request($method, $target, token => $alice)->{status};
}
is(status($GET), 200, 'alice may get');
for my $case (grep { $_->[1] =~ m{/} } @start) {
    my ($what, $file, $text, $re) = @$case;
    my $good = -e $in->dir . "/$file"
        ? do { open(my $f, '<', $in->dir . "/$file"); local $/; <$f> } : undef;
    my $logged = length $s->error_log;
    $in->put($file, $text);
    ok(until_true(sub { substr($s->error_log, $logged) =~ $re }),
        "$what, live: the log names the place");
    is(status($GET), 200, "$what, live: the last good state stays");
    if (defined $good) {
        $in->put($file, $good);
    } else {
        unlink $in->dir . "/$file";
    }
}
$in->put('argocd-rbac-cm/policy.csv',
    "p, alice, applications, get, q/*, allow\n");
ok(until_true(sub { status($GET) == 403 }), 'mended input is taken over');
$in->put('argocd-rbac-cm/policy.csv',
    "p, alice, applications, get, p/*, allow\n");
ok(until_true(sub { status($GET) == 200 }), 'and again');

# ---- the secret goes: tokens are unknown, forwarded, never refused

unlink $in->dir . '/argocd-secret/server.secretkey';
ok(until_true(sub { status('GET /api/v1/projects/nope') == 200 }),
    'without server.secretkey nothing is refused');
$in->put('argocd-secret/server.secretkey', $ArgoEdge::Inputs::KEY);
ok(until_true(sub { status('GET /api/v1/projects/nope') == 403 }),
    'with it Argo CD\'s refusal is ours to say');

# ---- a damaged cache

$s->stop;
my ($data) = glob $s->dir . '/cache/data*.mdb';
ok(defined $data, 'the cache has a data file');
open(my $f, '+<', $data) or die $!;
print $f 'x' x 8192;
close $f;
$s->start;
is(status($GET), 200, 'a damaged cache file: served all the same');
status($GET);
ok(until_true(sub { $up->forget; status($GET) == 200 && !@{ $up->requests } }),
    'and cached again');
is($s->trouble, '', 'no worker broke');
$s->stop;

# ---- a cache directory that cannot be used

my $other = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
    upstream => $up->port, cache => 1);
$other->start;
$other->stop;
chmod 0777, $other->dir . '/cache';
$other->start;
is($other->request('GET', '/api/v1/applications/a1?project=p',
    token => $alice)->{status}, 200, 'a cache others could write: served');
like($other->error_log, qr/cache.*mode 0777.*chmod/, 'said with the remedy');
$other->stop;
$up->stop;
done_testing();
