#!/usr/bin/perl
# `make demo` walks through to its end, and each of its claims holds.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build run);
use Test::More;

plan skip_all => 'configured without nginx'
    unless -f build() . '/nginx/ngx_http_argo_edge_module.so';
$ENV{BUILD} = build();
# below the ports that the kernel hands out: a client waiting for the backend
# there could connect to itself
$ENV{DEMO_PORT} = 20000 + 2 * ($$ % 5000);
my ($rc, $out) = run('sh', 'demo/demo.sh', 'walk');
is($rc, 0, 'the demo ends well') or diag $out;
for my $said (qr/list.*\n.* miss .*\n.* hit /, qr/permission denied/,
    qr/"value":"yes"/, qr/"value":"no"/, qr/resourceVersion.*sync wrote/,
    qr/near misses/, qr/nginx logged: policy\.csv:\d+/, qr/argocd-server/) {
    like($out, $said, "it shows $said");
}
done_testing();
