#!/usr/bin/perl
# `make demo` walks through to its end, and each of its claims holds.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build run);
use Test::More;

my %module = (nginx => 'nginx/ngx_http_argo_edge_module.so',
    httpd => 'httpd/mod_argo_edge.so');
my @built = grep { -f build() . "/$module{$_}" } sort keys %module;
plan skip_all => 'configured without any server' if !@built;
$ENV{BUILD} = build();
# below the ports that the kernel hands out: a client waiting for the backend
# there could connect to itself
$ENV{DEMO_PORT} = 20000 + 2 * ($$ % 5000);
for my $server (@built) {
    $ENV{SERVER} = $server;
    my ($rc, $out) = run('sh', 'demo/demo.sh', 'walk');
    is($rc, 0, "$server: the demo ends well") or diag $out;
    for my $said (qr/list.*\n.* miss .*\n.* hit /, qr/permission denied/,
        qr/"value":"yes"/, qr/"value":"no"/, qr/resourceVersion.*sync wrote/,
        qr/near misses/, qr/$server logged: policy\.csv:\d+/,
        qr/argocd-server/) {
        like($out, $said, "$server: it shows $said");
    }
}
done_testing();
