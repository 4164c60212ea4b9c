#!/usr/bin/perl
# Every unit test of the library, as built for use.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build programs);
use ArgoEdge::Unit qw(run_unit);
use Test::More;

my @p = programs(build());
plan skip_all => 'no unit tests' unless @p;
run_unit(@$_) for @p;
done_testing();
