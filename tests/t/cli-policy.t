#!/usr/bin/perl
# who-can, roles, diff: the policy as a whole, on the command line.
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
    like($out, $_, "@cmd: says $_") for ref $re eq 'ARRAY' ? @$re : $re;
    return $out;
}

sub json_of {
    my ($rc, $out) = run($cli, @_, '--json');
    my $v = eval { decode_json($out) };
    ok($v, "@_ --json is JSON") or diag $out;
    return $v;
}

my $POLICY = <<'CSV';
p, role:team-a, applications, *, team-a/*, allow
p, role:team-a, applications, delete, team-a/*, deny
p, carol, logs, get, team-a/web, allow
p, dead-group, applications, sync, team-a/*, Allow
p, role:unused, clusters, get, *, allow
g, team-a-devs, role:team-a
g, boss, role:admin
CSV
my $in = ArgoEdge::Inputs->new(accounts => { carol => 'login' },
    policy => $POLICY, projects => ['team-a']);
$in->put('appprojects/team-b.json', encode_json({
    apiVersion => 'argoproj.io/v1alpha1', kind => 'AppProject',
    metadata => { name => 'team-b', namespace => 'argocd' },
    spec => { roles => [{ name => 'ci', groups => ['b-bots'], policies =>
        ['p, proj:team-b:ci, applications, sync, team-b/*, allow'] }] } }));
my @in = ('--inputs', $in->dir);

# ---- who-can
my $out = is_run(0, [qr{^team-a-devs\s+user or group\s+\S+policy\.csv:1: p, role:team-a}m,
    qr/^admin /m, qr/^boss /m], qw(who-can sync apps team-a/web), @in);
unlike($out, qr/dead-group|carol|b-bots/, 'and nobody else');
$out = is_run(0, [qr/^proj:team-b:ci\s+project role/m, qr/^b-bots/m],
    qw(who-can sync applications team-b/x), @in);
unlike($out, qr/team-a-devs/, 'not the others');
$out = is_run(0, qr/^boss/m, qw(who-can delete applications team-a/web), @in);
unlike($out, qr/team-a-devs/, 'a deny counts');
is_run(0, qr/^carol\s+user\s/m, qw(who-can get logs team-a/web), @in);
is_run(0, qr/^role:unused\s+role that nobody has/m, qw(who-can get clusters c), @in);
is_run(1, qr/^nobody$/m, qw(who-can frobnicate projects x), @in);
is_run(2, qr/usage/, qw(who-can get), @in);
is_run(3, qr/none/, qw(who-can get apps --inputs), "$dir/none");
my $j = json_of(qw(who-can sync apps team-a/web), @in);
is_deeply([sort map { $_->{name} } @{ $j->{who} }],
    [qw(admin boss team-a-devs)], 'who, as JSON');
is($j->{who}[2]{rule}{line}, 1, 'with the rule');
my $open = ArgoEdge::Inputs->new(policy => '', default => 'role:readonly');
is_run(0, qr/\Aeverybody builtin:\d+: p, role:readonly, applications, get/,
    qw(who-can get apps a/b --inputs), $open->dir);

# ---- roles
is_run(0, [qr/^role:team-a\n  members   team-a-devs  \(\S+policy\.csv:6\)\n/m,
    qr{^  may       applications: \* on team-a/\*}m,
    qr{^  may not   applications: delete on team-a/\*}m,
    qr/^role:unused \(nobody has it\)/m, qr/^  includes  role:readonly/m,
    qr/^proj:team-b:ci\n  members   b-bots/m], 'roles', @in);
is_run(0, qr/^  dead      applications: sync/m, qw(roles dead-group), @in);
is_run(1, qr/no line gives "role:none"/, qw(roles role:none), @in);
is_run(0, qr/the default role: everybody has it/, 'roles', '--inputs', $open->dir);
$j = json_of('roles', @in);
my ($team) = grep { $_->{name} eq 'role:team-a' } @$j;
is_deeply([map { $_->{name} } @{ $team->{members} }], ['team-a-devs'],
    'members, as JSON');

# ---- diff
my $old = put('old.csv', $POLICY);
is_run(0, qr/^nobody loses or gains anything$/m, 'diff', $old, $old);
my $new = put('new.csv', <<'CSV');
p, role:team-a, applications, "{get,sync}", team-a/*, allow
p, role:team-a, applications, sync, team-a/prod, deny
p, role:team-a, exec, create, team-a/*, allow
p, carol, logs, get, team-a/web, allow
g, team-a-devs, role:team-a
g, newcomer, role:team-a
CSV
$out = is_run(1, [qr/^boss\n  - applications: get/m,
    qr{^team-a-devs\n  - applications: create, update, override, rollback, action\/\*, update\/\*, delete\/\* on team-a/\*\n      was allowed by \Q$old\E:1}m,
    qr{^  - applications: sync on team-a/prod}m,
    qr{^  \+ exec: create on team-a/\*\n      allowed by \Q$new\E:3}m,
    qr/^newcomer\n  \+ applications: get, sync/m], 'diff', $old, $new);
unlike($out, qr/^carol/m, 'who keeps what they had is not named');
unlike($out, qr/delete(?:,| on) team-a/, 'what was denied before is not lost');
my $cm = put('cm.yaml', "apiVersion: v1\nkind: ConfigMap\ndata:\n"
    . "  policy.default: role:readonly\n  policy.csv: |\n"
    . join('', map { "    $_\n" } split /\n/, $POLICY));
$out = is_run(1, [qr/^policy\.default: "" becomes "role:readonly"$/m,
    qr/^everybody\n  \+ applications: get/m], 'diff', $old, $cm);
unlike($out, qr/^team-a-devs/m, 'what everybody gains is said once');
$j = json_of('diff', $old, $new);
is($j->{lost} > 0 && $j->{gained} > 0, 1, 'diff counts, as JSON');
my ($devs) = grep { $_->{subject} eq 'team-a-devs' } @{ $j->{subjects} };
is_deeply($devs->{gained}[0]{actions}, ['create'], 'gained, as JSON');
is_run(3, qr/bad\.csv:1:/, 'diff', $old, put('bad.csv', "p, x\n"));
is_run(3, qr/no ConfigMap/, 'diff', $old, put('no.yaml', "a: 1\n"));
is_run(2, qr/usage/, 'diff', $old);
# regex mode: examples are made of regular expressions, too
my $rx = top() . '/policies/regex-mode';
is_run(0, qr/nobody loses/, 'diff', $rx, $rx);

# ---- diff --audit
sub line {
    my ($user, $action, $object, @more) = @_;
    return encode_json({ '@timestamp' => '2026-01-02T03:04:05.678Z',
        'user.id' => $user, 'argo_edge.resource' => 'applications',
        'argo_edge.action' => $action, 'argo_edge.object' => $object, @more })
        . "\n";
}
my @groups = ('argo_edge.groups' => ['team-a-devs']);
my $log = put('audit.log', line('dora', 'sync', 'team-a/prod', @groups) x 3
    . line('dora', 'get', 'team-a/web', @groups)
    . line('newcomer', 'get', 'team-a/web')
    . encode_json({ '@timestamp' => 'x', 'event.outcome' => 'unknown' })
    . "\n");
is_run(1, [qr{^- dora would lose applications, sync, team-a/prod  \(3 requests, last 2026-01-02}m,
    qr{was|old\.csv:1}, qr{^\+ newcomer would gain applications, get, team-a/web  \(1 request,}m,
    qr/^6 lines, 3 different questions: 1 lost, 1 gained; 1 lines/m],
    'diff', $old, $new, '--audit', $log);
is_run(0, qr/0 lost, 0 gained/, 'diff', $old, $old, '--audit', $log);
$j = json_of('diff', $old, $new, '--audit', $log);
is($j->{lost}[0]{requests}, 3, 'requests are counted');
# lists, objects without a project, and what asks nothing
my @list = map { encode_json({ '@timestamp' => '2026-01-02T03:04:05.678Z',
    'user.id' => $_->[0], 'argo_edge.resource' => 'applications',
    'argo_edge.action' => 'get', 'argo_edge.groups' => $_->[1],
    %{ $_->[2] } }) . "\n" }
    ['newcomer', [], { 'argo_edge.list' => JSON::PP::true }],
    ['dora', ['team-a-devs'], { 'argo_edge.list' => JSON::PP::true }],
    ['boss', [], { 'argo_edge.object_suffix' => 'x' }],
    ['dora', ['team-a-devs'], { 'argo_edge.object_suffix' => 'x' }];
my $lists = put('lists.log', join '', line('dora', 'get', 'team-a/web', @groups),
    line('dora', 'get', 'team-b/web', @groups), @list,
    encode_json({ 'event.reason' => 'no token' }) . "\n",
    encode_json({ 'user.id' => 'dora' }) . "\n");
is_run(1, [qr/^~ newcomer would see another list of applications: 1 of 2 objects in the log, was 0  \(1 request\)\n    rights differ on team-a\/\*$/m,
    qr/^1 callers would see other lists$/m,
    qr/^- boss would lose applications, get, x /m,
    qr/^1 questions name an application without its project/m,
    qr/; 2 lines say nothing that a policy decides$/m, qr/^  1: no token$/m,
    qr/^  1: nothing that a policy decides$/m],
    'diff', $old, $new, '--audit', $lists);
$j = json_of('diff', $old, $new, '--audit', $lists);
is_deeply($j->{lists}[0]{differ_on}, ['team-a/*'], 'lists, as JSON');
is_deeply($j->{left_out_by}, { 'no token' => 1,
    'nothing that a policy decides' => 1 }, 'each reason has its number');
is(scalar @{ $j->{lists} }, 1, 'who sees what they saw is not named');
is_run(1, qr/^deciding \d+%$/m, 'diff', $old, $new, '--audit', $lists,
    '--progress');
is_run(3, qr/bad\.log:2: not a line of an audit log/, 'diff', $old, $new,
    '--audit', put('bad.log', line('a', 'get', 'x/y') . "nonsense\n"));
is_run(3, qr/nolog/, 'diff', $old, $new, '--audit', "$dir/nolog");

# nothing of a policy may steer the terminal
my $esc = put('esc.csv', "g, \"a\e[31mb\", role:admin\n");
$out = is_run(1, qr/a\\x1b\[31mb/, 'diff', $old, $esc);
unlike($out, qr/\e/, 'no escape sequence comes through');
done_testing();
