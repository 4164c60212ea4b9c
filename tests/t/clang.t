#!/usr/bin/perl
# A second compiler's opinion: no warning of clang either.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(files run);
use Test::More;

my ($none) = run('clang', '--version');
plan skip_all => 'clang is not installed' if $none;

my @flags = qw(-std=c11 -D_GNU_SOURCE -Ilib -Itests/unit -Wall -Wextra
    -Wshadow -Wconversion -Werror -fsyntax-only);
my %dir;
for my $f (files(qr{\.c$}, qw(lib cli demo tests/runner tests/bench
    tests/unit tests/fuzz))) {
    my ($d) = $f =~ m{^(.*)/};
    push @{ $dir{$d} }, $f;
}
for my $d (sort keys %dir) {
    my ($rc, $out) = run('clang', @flags, @{ $dir{$d} });
    is($rc, 0, "$d: clang has nothing to say")
        or diag(substr($out, 0, 6000));
}
done_testing();
