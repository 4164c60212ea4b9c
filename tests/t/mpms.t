#!/usr/bin/perl
# The scenario tables, which run on event elsewhere, on httpd's other MPMs:
# those in which a process of its own, or a thread, makes a difference.  With
# AE_ALL_MPMS=1 all of them on both.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(run top);
use ArgoEdge::Server;
use Test::More;

plan skip_all => 'no httpd module' if !ArgoEdge::Server->available('httpd');

my %few = (
    'httpd-prefork' => qr/22-abuse-c|23-abuse-cache|26-limits|28-lookup/,
    'httpd-worker' => qr/28-lookup/,
);
for my $kind (sort keys %few) {
    local $ENV{AE_KINDS} = $kind;
    for my $t (sort glob top() . '/tests/t/{2,31}*.t') {
        next if !$ENV{AE_ALL_MPMS} && $t !~ $few{$kind};
        my ($name) = $t =~ m{([^/]+)$};
        my ($rc, $out) = run($^X, $t);
        ok($rc == 0, "$kind: $name")
            or diag(join "\n", grep { /^\s*(?:not ok|#)/ } split /\n/, $out);
    }
}
done_testing;
