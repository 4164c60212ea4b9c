#!/usr/bin/perl
# The recorded answers of the real Argo CD, and the runner itself.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build run slurp top vectors);
use File::Temp qw(tempdir);
use Test::More;

my $vectors = build() . '/tests/vectors';
my $replay = build() . '/tests/replay';
my %exchange = ('api.exchange' => 1);

for my $v (vectors()) {
    my ($file, $suite) = @$v;
    my @cmd = $exchange{$suite} ? ($replay, '--server', 'core', $file)
                                : ($vectors, $file);
    my ($rc, $out) = run(@cmd);
    my ($sum) = $out =~ /^(\d+ passed, \d+ failed(?:, \d+ skipped)?)\n\z/m;
    ok($rc == 0 && defined $sum && $sum =~ /^[1-9]\d* passed, 0 failed/,
        "$file: " . (defined $sum ? $sum : "exit status $rc"))
        or diag(join "\n", grep { defined } (split /\n/, $out)[0 .. 20]);
}

# In shadow mode none of it is a divergence, whatever is stricter on purpose.
for my $v (grep { $exchange{ $_->[1] } } vectors()) {
    my ($rc, $out) = run($replay, '--server', 'shadow', $v->[0]);
    my ($sum) = $out =~ /^(\d+ passed, \d+ failed(?:, \d+ skipped)?)\n\z/m;
    like($sum // '', qr/^[1-9]\d* passed, 0 failed/,
        "$v->[0]: no divergence in shadow mode")
        or diag(join "\n", grep { defined } (split /\n/, $out)[0 .. 20]);
}

# The runner's contract.
my $dir = tempdir(CLEANUP => 1);

sub runs {
    my ($text, @args) = @_;
    open(my $f, '>', "$dir/v.json") or die $!;
    print $f $text;
    close $f;
    return run($vectors, @args, "$dir/v.json");
}

my ($rc, $out) = runs('{"suite": "no.such", "cases": []}');
isnt($rc, 0, 'an unknown suite is an error');
like($out, qr/^not ok no\.such .*unknown suite/m, 'and named');
like($out, qr/^0 passed, 1 failed\n\z/m, 'and counted');

($rc, $out) = runs('{"suite": "rbac.glob", "cases": [{"name": "a", '
    . '"pattern": "a*", "text": "ab", "match": true, "valid": true}]}');
is($rc, 0, 'a file from elsewhere runs');
like($out, qr{^rbac\.glob \S+/v\.json: 1 passed, 0 failed, 0 skipped$}m,
    'a line for the file');
like($out, qr/^1 passed, 0 failed\n\z/m, 'and the sum, last');

($rc, $out) = runs('{"suite": "rbac.glob", "cases": [{"name": "a", '
    . '"pattern": "a*", "text": "ab", "match": false, "valid": true}]}');
isnt($rc, 0, 'a failing case fails');
like($out, qr/^not ok rbac\.glob a: got .*, want /m, 'with got and want');

($rc, $out) = runs('{"suite": "api.token", "cases": [{"name": "a", '
    . '"edge": "skip"}]}');
is($rc, 0, 'a case to skip');
like($out, qr/^0 passed, 0 failed, 1 skipped\n\z/m, 'is counted as such');

($rc, $out) = runs('{"suite": ');
isnt($rc, 0, 'a file that is no JSON is an error');
($rc, $out) = run($vectors);
is($rc, 2, 'no file is wrong usage');
done_testing();
