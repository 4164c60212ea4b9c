#!/usr/bin/perl
# The module inside a real httpd, under AddressSanitizer and UBSan: every
# recorded exchange, and those scenario tests in which the shell has most to
# do (all of them with AE_ASAN_ALL=1; nginx runs them all each time).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(top);
use ArgoEdge::Sanitized;

my $few = qr{/(?:22-abuse-credentials|23-abuse-cache|24-foreign|26-cache-large
    |28-lookup|30-httpd)}x;

sanitized('httpd', 'httpd/mod_argo_edge.so',
    sort grep { $ENV{AE_ASAN_ALL} || /$few/ }
        grep { !m{/1\d-nginx} } glob(top() . '/tests/t/[0-9]*.t'));
