#!/usr/bin/perl
# Every fuzz target, on its seeds and on mutations of them that are the same
# in each run, under AddressSanitizer and UBSan.  `make fuzz` searches further.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(asan_build files run);
use Test::More;

my $b = asan_build();
my @targets = map { m{^tests/fuzz/([^/]+)\.c$} } files(qr{\.c$}, "tests/fuzz");
plan skip_all => "no sanitizer build in $b (make asan)"
    unless -x "$b/fuzz/$targets[0]";

$ENV{ASAN_OPTIONS} = 'detect_leaks=1:abort_on_error=0:exitcode=99';
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1:halt_on_error=1';
my $runs = $ENV{AE_FUZZ_RUNS} || 1500;
for my $t (@targets) {
    my ($rc, $out) = run("$b/fuzz/$t", $runs);
    my ($seeds) = $out =~ /^(\d+) seeds, $runs mutations$/m;
    ok($rc == 0 && $seeds, "$t comes back from anything")
        or diag("exit status $rc\n", substr($out, -4000));
}
done_testing();
