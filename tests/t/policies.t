#!/usr/bin/perl
# Every example policy gives the answers that it promises, as a directory and
# as the ConfigMap; and lint finds the mistakes of the one that is full of them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build run slurp top);
use File::Copy qw(copy);
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $cli = build() . '/argo-edge';

# The ConfigMap form beside the directory's AppProjects.
sub manifest_form {
    my ($dir) = @_;
    my $to = tempdir(CLEANUP => 1);
    copy("$dir.configmap.yaml", "$to/argocd-rbac-cm.yaml") or die $!;
    if (-d "$dir/appprojects") {
        mkdir "$to/appprojects" or die $!;
        copy($_, "$to/appprojects") or die $! for glob "$dir/appprojects/*";
    }
    return $to;
}

for my $dir (grep { -d } glob top() . '/policies/*') {
    my ($name) = $dir =~ m{([^/]+)$};
    my @ask = grep { /\S/ && !/^#/ } split /\n/, slurp("$dir/expect");
    ok(scalar @ask, "$name asks something");
    like(slurp("$dir/argocd-rbac-cm/policy.csv"), qr/\A# \S+.*: /,
        "$name says what it is for");
    for my $form ([directory => $dir], [ConfigMap => manifest_form($dir)]) {
        my ($kind, $inputs) = @$form;
        for my $line (@ask) {
            my ($sub, $groups, $act, $res, $obj, $want) = split ' ', $line;
            my @g = $groups eq '-' ? ()
                : map { ('--group', $_) } split /,/, $groups;
            my ($rc, $out) = run($cli, 'can', $sub, $act, $res, $obj, @g,
                '--projects', 'complete', '--inputs', $inputs);
            my ($got) = $out =~ /\A(\w+)/;
            is($got, $want, "$name ($kind): $sub $groups $act $res $obj")
                or diag $out;
            is($rc, $want eq 'yes' ? 0 : 1, 'and so says the exit code');
        }
    }
}

my ($rc, $out) = run($cli, 'lint', '--json', top() . '/policies/mistakes');
my $found = eval { decode_json($out) } || [];
my %at;
push @{ $at{ $_->{line} } }, $_ for @$found;
my @lines = split /\n/, slurp(top() . '/policies/mistakes/argocd-rbac-cm/'
    . 'policy.csv');
for my $n (1 .. @lines) {
    my $l = $lines[ $n - 1 ];
    next if $l =~ /^#|^g, my-org:team-a|, update, /;
    ok($at{$n}, "lint: line $n ($l)");
}
ok((grep { $_->{text} =~ /role:read-only/ } @$found),
    'lint: the default role that does not exist');
ok((grep { $lines[ $_->{line} - 1 ] =~ /, update, / } grep { $_->{line} }
    @$found), 'lint: the line that stands twice');

($rc, $out) = run($cli, 'lint', '--json',
    top() . '/policies/mistakes-identity');
is($rc, 1, 'lint: expressions that are none are errors');
$found = eval { decode_json($out) } || [];
sub at_line { my ($id) = @_;
    return join ' ', map { $_->{line} } grep { $_->{id} eq $id } @$found }
is(at_line('invalid-regex'), '4 5', 'lint: they lock out');
is(at_line('unknown-account'), 6, 'lint: an account that is misspelt');
is(at_line('group-without-sso'), 7, 'lint: a group, and no SSO');
is(at_line('token-without-expiry'), 0, 'lint: a token that never ends');
($rc, $out) = run($cli, 'lint', top() . '/policies/team-tenancy');
is($rc, 0, 'lint: nothing wrong with a good policy') or diag $out;
done_testing();
