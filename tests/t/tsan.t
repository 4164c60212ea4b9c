#!/usr/bin/perl
# What httpd's threads share, under ThreadSanitizer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(top);
use ArgoEdge::Unit qw(run_unit);
use Test::More;

my $b = top() . '/build-tsan';
plan skip_all => "no sanitizer build in $b (make tsan)" unless -d "$b/unit";

# a race is the end: what comes after it proves nothing
$ENV{TSAN_OPTIONS} = 'halt_on_error=1:exitcode=66';
run_unit("tests/unit/$_.c", "$b/unit/$_") for qw(edge/threads edge/dead);
done_testing();
