#!/usr/bin/perl
# The command line: exit codes, --json, and errors that name the place.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build run top);
use ArgoEdge::Inputs;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $cli = build() . '/argo-edge';
my $in = ArgoEdge::Inputs->new(accounts => { alice => 'apiKey, login' },
    policy => "p, alice, applications, get, p/*, allow\n", projects => ['p']);
my @in = ('--inputs', $in->dir);
my $dir = tempdir(CLEANUP => 1);

sub put {
    my ($name, $text) = @_;
    open(my $f, '>', "$dir/$name") or die $!;
    print $f $text;
    close $f or die $!;
    return "$dir/$name";
}

sub is_run {
    my ($want, $re, @cmd) = @_;
    my ($rc, $out) = run($cli, @cmd);
    is($rc, $want, "@cmd: exit code $want") or diag $out;
    like($out, $re, "@cmd: says so") if $re;
    return $out;
}

is_run(0, qr/^yes/, qw(can alice get applications p/x), @in);
is_run(0, qr/^yes/, qw(can alice get apps p/x), @in);
is_run(1, qr/^no/, qw(can alice sync applications p/x), @in);
is_run(1, qr/near misses/, qw(can alice sync apps p/x --explain), @in);
is_run(2, qr/usage/, qw(can alice get), @in);
is_run(2, qr/no option --bogus/, qw(can a b c --bogus x), @in);
is_run(2, qr/no command "frob"/, 'frob');
is_run(3, qr/\Q$dir\E\/none/, qw(can a b c --inputs), "$dir/none");
is_run(0, qr{POST +/api/v1/applications/\{name\}/sync +applications +sync}, 'routes');
is_run(0, qr/applications, get, team-a\/web/, 'route', 'GET',
    '/api/v1/applications/web?project=team-a');
is_run(1, qr/400/, 'route', 'GET', '/api/v1//applications');

my $token = $in->token('alice');
is_run(0, qr/accepted: .* alice/, 'token', 'verify', $token, @in);
is_run(1, qr/refused: .*signature is invalid/, 'token', 'verify',
    $token =~ s/\w{8}$/AAAAAAAA/r, @in);
is_run(0, qr/NOT verified/, 'token', 'inspect', $token);
my $made = is_run(0, qr/^\w+\.\w+\./, qw(token mint alice:login --id x
    --expires 1h), @in);
chomp $made;
is_run(0, qr/login token of alice/, 'token', 'verify', $made, @in);


# which check refuses a token of Argo CD, by account
sub refused_at {
    my ($t, @more) = @_;
    my ($rc, $out) = run($cli, 'token', 'verify', $t, @more ? @more : @in,
        '--json');
    return join ' ', map { $_->{check} } grep { $_->{result} eq 'refused' }
        @{ decode_json($out)->{checks} };
}
my $off = ArgoEdge::Inputs->new(accounts => { alice => 'login' },
    policy => '', projects => ['p']);
sub minted { my @a = @_; my ($rc, $out) = run($cli, 'token', 'mint', @a, @in);
    chomp $out; return $out }
is(refused_at(minted('nobody:apiKey', '--id', 'x')), 'account', 'no account');
is(refused_at(minted('alice:apiKey', '--id', 'zz')), 'token list', 'not in the list');
is(refused_at(minted('alice:login')), 'token id', 'no id');
is(refused_at(minted('proj:q:r', '--id', 'x')), 'project', 'no project');
is(refused_at(minted('proj:p:r', '--id', 'x')), 'role token', 'no such role token');
is(refused_at($token, '--inputs', $off->dir), 'capability', 'no capability');
is(refused_at('abc'), 'credential', 'no token at all');
is(refused_at("Cookie: argocd.token=$token"), '', 'the cookie as it is sent');

my $req = put('r.json', encode_json({ method => 'GET',
    target => '/api/v1/projects/q',
    headers => [['Authorization', "Bearer $token"]] }));
is_run(1, qr/reply 403 .*permission denied: projects, get, q, sub: alice/,
    'decide', $req, @in);
is_run(1, qr/trace +shape,route,credential,verify,.*reply/, 'decide', $req,
    '--trace', @in);
is_run(3, qr/invalid JSON/, 'decide', put('bad.json', '{'), @in);
is_run(3, qr/\Q$dir\E/, qw(cache stat --cache), "$dir/nocache");

for my $c ([qw(can alice get apps p/x), @in], ['routes'],
    ['route', 'GET', '/api/v1/projects'], ['lint', @in],
    ['token', 'inspect', $token], ['token', 'verify', $token, @in],
    ['decide', $req, '--trace', @in]) {
    my ($rc, $out) = run($cli, @$c, '--json');
    ok(eval { decode_json($out); 1 }, "$c->[0] --json is JSON") or diag $out;
}

# bad input names file, line and column
$in->put('argocd-rbac-cm/policy.csv',
    "p, alice, applications, get, p/*, allow\np, alice, x\n");
is_run(3, qr/policy\.csv:2:\d+: .*invalid RBAC policy: p, alice, x/,
    qw(can alice get apps p/x), @in);
$in->put('argocd-rbac-cm/policy.csv', '');
$in->put('appprojects/bad.yaml', "metadata:\n  name: [1, 2\n");
is_run(3, qr/bad\.yaml:\d+/, qw(can alice get apps p/x), @in);
done_testing();
