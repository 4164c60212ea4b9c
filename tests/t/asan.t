#!/usr/bin/perl
# Unit tests and vectors again, under AddressSanitizer and UBSan.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(asan_build programs run vectors);
use ArgoEdge::Unit qw(run_unit);
use Test::More;

my $b = asan_build();
plan skip_all => "no sanitizer build in $b (make asan)"
    unless -x "$b/tests/vectors";

$ENV{ASAN_OPTIONS} = 'detect_leaks=1:abort_on_error=0:exitcode=99';
$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1:halt_on_error=1';
run_unit(@$_) for programs($b);

for my $v (vectors()) {
    my ($file, $suite) = @$v;
    next if $suite eq 'api.exchange';
    my ($rc, $out) = run("$b/tests/vectors", $file);
    my $clean = $out !~ /ERROR: \w+Sanitizer|runtime error:/;
    ok($rc == 0 && $clean, "$file under the sanitizers")
        or diag(substr($out, 0, 4000));
}
done_testing();
