#!/usr/bin/perl
# Rules of the operator's own (argo-edge.yaml, docs/rules.md) on both servers,
# and the files that we ship.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(slurp top);
use ArgoEdge::Inputs;
use ArgoEdge::Scenario;
use JSON::PP;
use Test::More;

my $CLUSTERS = 'GET /api/v1/clusters';
my $A1 = 'GET /api/v1/applications/a1';
my $SYNC = 'POST /api/v1/applications/a1/sync';
my $DETAILED = 'GET /api/v1/projects/teama/detailed';
my @json = (header => [ 'Content-Type' => 'application/json' ]);

# New rules, in force when the question |probe| gets the answer |status|.
sub rules {
    my ($w, $yaml, $status, @probe) = @_;
    $w->in->put('argo-edge.yaml', $yaml);
    return ok until_true(sub { ($w->ask(@probe))[0]{status} == $status }),
        'the rules are in force';
}

sub refused {
    my ($w, $re, @ask) = @_;
    my ($r, $saw) = $w->ask(@ask);
    is $r->{status}, 403, 'refused';
    is @$saw, 0, 'by us';
    my $j = eval { decode_json($r->{body}) } || {};
    is $j->{code}, 7, 'in the shape of Argo CD';
    is $j->{error}, $j->{message}, 'as ever';
    like $j->{message}, $re, 'with the name of the rule';
}

scenarios({},
    { id => 'patch', say => 'one operation is switched off', run => sub {
        my ($w) = @_;
        $w->ask(alice => $A1);
        is $w->outcome(alice => $A1), 'HIT', 'before';
        rules($w, <<'Y', 403, alice => $DETAILED);
virtual_patches:
  - name: details
    operations: [ProjectService_GetDetailedProject]
    message: see the advisory
  - name: clusters
    operations: [ClusterService_*]
    action: no_cache
Y
        refused($w, qr/^argo-edge rule "details": .*: see the advisory$/,
            admin => $DETAILED);
        is $w->outcome(alice => $A1), 'HIT', 'the rest is served';
        is $w->outcome(alice => $CLUSTERS), 'PASS', 'no_cache' for 1 .. 3;
        $w->in->put('argo-edge.yaml', "virtual_patches:\n  - name: x\n"
            . "    operations: [Nonsense]\n");
        ok until_true(sub { $w->server->error_log
            =~ /argo-edge\.yaml:3:18: means no operation/ }),
            'an error names its place';
        is +($w->ask(alice => $DETAILED))[0]{status}, 403,
            'and the last good rules stay';
        rules($w, "virtual_patches:\n  - name: all\n    operations: [read]\n",
            403, alice => $A1);
        refused($w, qr/"all"/, alice => $A1);
        rules($w, '', 200, alice => $A1);
    } },
    { id => 'token', say => 'conditions on automation tokens', run => sub {
        my ($w) = @_;
        $w->ask(ci => $A1);
        is $w->outcome(ci => $A1), 'HIT', 'before';
        rules($w, <<'Y', 403, ci => $A1);
tokens:
  - name: pipelines
    project_roles: ["teama:*"]
    cidrs: [192.0.2.0/24]
  - name: keys
    accounts: [alice]
    operations: [ClusterService_List]
  - name: old
    accounts: [bob]
    max_age: 1h
Y
        refused($w, qr/"pipelines": .*address/, ci => $A1);
        refused($w, qr/"keys": .*operation/, alice => $A1);
        refused($w, qr/"old": .*too old/, bob => $CLUSTERS);
        is +($w->ask(alice => $CLUSTERS))[0]{status}, 200, 'what it may';
        is +($w->ask(admin => $A1))[0]{status}, 200, 'a session is no key';
        is $w->outcome(bob => 'GET /api/version'), 'PASS',
            'what needs no token';
        rules($w, "tokens:\n  - name: pipelines\n    project_roles: ['*']\n"
            . "    cidrs: [127.0.0.0/8, \"::1\"]\n", 200, ci => $A1);
        rules($w, '', 200, bob => $CLUSTERS);
    } },
    { id => 'freeze', say => 'nothing is synced', run => sub {
        my ($w) = @_;
        $w->says($SYNC => json_answer('{}'));
        my @sync = ($SYNC, body => '{}', @json);
        is +($w->ask(admin => @sync))[0]{status}, 200, 'before';
        rules($w, "freezes:\n  - name: winter\n"
            . "    until: 2099-01-01T00:00:00Z\n"
            . "    break_glass: {users: [alice]}\n", 403, admin => @sync);
        refused($w, qr/^argo-edge rule "winter": frozen until 2099/,
            admin => @sync);
        is +($w->ask(admin => $A1))[0]{status}, 200, 'reads pass';
        my ($r) = $w->ask(alice => @sync);
        unlike $r->{body}, qr/winter/, 'alice breaks the glass';
        rules($w, "freezes:\n  - name: winter\n"
            . "    until: 2020-01-01T00:00:00Z\n", 200, admin => @sync);
    } },
    { id => 'sync', say => 'what a sync may be asked for', run => sub {
        my ($w) = @_;
        my @probe = ($SYNC, body => '{"prune":true}', @json);
        $w->says($SYNC => json_answer('{}'));
        rules($w, "syncs:\n  - name: careful\n"
            . "    deny: [prune, force, revision]\n", 403, admin => @probe);
        refused($w, qr/"careful": a sync must not prune/, admin => @probe);
        refused($w, qr/must not use force/, admin => $SYNC, @json,
            body => '{"strategy":{"hook":{"force":true}}}');
        refused($w, qr/must not name a revision/, admin => $SYNC, @json,
            body => '{"revision":"abc"}');
        my ($r, $saw) = $w->ask(admin => $SYNC, @json,
            body => '{"Prune":true}');
        is $r->{status}, 400, 'R31: another spelling';
        is @$saw, 0, 'goes nowhere';
        my $plain = '{"prune":false,"dryRun":true}';
        ($r, $saw) = $w->ask(admin => $SYNC, @json, body => $plain);
        is $r->{status}, 200, 'a plain one passes';
        is $saw->[0]{body}, $plain, 'byte for byte';
        rules($w, '', 200, admin => @probe);
    } },
    { id => 'read_only', say => 'one switch', run => sub {
        my ($w) = @_;
        my @del = ('DELETE /api/v1/applications/a1', @json);
        rules($w, "read_only: true\n", 403, admin => @del);
        $w->ask(alice => $A1); # the probe deleted it
        refused($w, qr/^argo-edge read_only: /, admin => @del);
        refused($w, qr/read_only/, alice => "$A1?refresh=hard");
        is $w->outcome(alice => $A1), 'HIT', 'reads are served';
        is $w->outcome(undef, 'POST /api/v1/session', @json,
            body => '{}'), 'PASS', 'login is possible';
        is $w->outcome(undef, 'POST /api/v1/applications/a1/sync', @json,
            body => '{}'), 401, 'nobody is told so first';
        my @log = $w->log_lines;
        ok +(grep { / decision=deny rule=\S*argo-edge\.yaml:1 / } @log),
            'the log names the rule';
        rules($w, '', 200, admin => @del);
    } },
);

# ------------------------------------------------------ the files we ship

my $in = ArgoEdge::Inputs->new(accounts => { ci => 'apiKey' },
    policy => "p, role:ops, *, *, *, allow\ng, ci, role:ops\n");
my ($example) = slurp(top() . '/docs/rules.md') =~ /^```yaml\n(.*?)^```/ms;
for my $c ([ 'the example of docs/rules.md' => $example ],
    [ 'policies/virtual-patches.yaml' =>
        slurp(top() . '/policies/virtual-patches.yaml') ])
{
    my ($say, $yaml) = @$c;
    $in->put('argo-edge.yaml', $yaml);
    my ($rc, $out) = edge_cli('lint', $in->dir);
    is $rc, 0, "$say loads" or diag $out;
    my $file = $in->dir . '/request.json';
    open my $fh, '>', $file or die $!;
    print $fh encode_json({ method => 'GET', peer => '10.20.1.1',
        target => '/api/v1/projects/default/detailed',
        headers => [[ Authorization => 'Bearer ' . $in->token('ci',
            iat => time, nbf => time) ]] });
    close $fh;
    ($rc, $out) = edge_cli('decide', $file, '--trace', '--inputs', $in->dir);
    is $rc, 1, 'decide says no';
    like $out, qr/reply 403 .*argo-edge rule ..project-details/, 'and why';
    like $out, qr/argo-edge\.yaml:\d+$/m, 'with the rule';
    like $out, qr/trace +\S*verify,rules,reply/, 'and the path';
}
$in->put('argo-edge.yaml', $example);
my ($rc, $out) = edge_cli('rules', $in->dir);
is $rc, 0, 'rules lists them';
like $out, qr/^token +ci-from-ci +in force \(\S*argo-edge\.yaml:\d+\)$/m,
    'with their places';
like $out, qr/^freeze +winter +(?:not now|in force until \S+) /m,
    'and what holds now';
($rc, $out) = edge_cli('rules', $in->dir, '--json');
my %rule = map { $_->{name} => $_ } @{ decode_json($out)->{rules} };
is_deeply $rule{'project-details'}{operations},
    ['ProjectService_GetDetailedProject'], '--json: with their operations';
ok +(grep { $_ eq 'ClusterService_Create' }
    @{ $rule{winter}{operations} }), 'write is all that changes something';
ok !(grep { /_(?:Get|List|Watch)$/ } @{ $rule{winter}{operations} }),
    'and nothing else';
($rc, $out) = edge_cli(qw(can ci sync applications default/x --explain
    --inputs), $in->dir);
is $rc, 0, 'can says what the policy says';
like $out, qr/^besides, \S*argo-edge\.yaml:\d+: freeze "winter", /m,
    'and which rules there are besides';
like $out, qr/^besides, .*: token "ci-from-ci", /m, 'on the token as well';

$in->put('argo-edge.yaml', "tokens:\n  - name: x\n    accounts: [ci]\n"
    . "    operations: [reed]\n");
($rc, $out) = edge_cli('lint', $in->dir);
is $rc, 3, 'lint: a word that means nothing';
like $out, qr/argo-edge\.yaml:4:18: means no operation/, 'is named';

done_testing;
