#!/usr/bin/perl
# The module inside a real nginx, under AddressSanitizer and UBSan: every
# recorded exchange, and the scenario tests again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(asan_build build run top);
use Test::More;

my $module = asan_build() . '/nginx/ngx_http_argo_edge_module.so';
plan skip_all => 'configured without nginx'
    unless -f build() . '/nginx/ngx_http_argo_edge_module.so';

ok(-f $module, "$module is built") or BAIL_OUT("run: make asan");

chomp(my $lib = `cc -print-file-name=libasan.so`);
$ENV{AE_NGX_MODULE} = $module;

# A finding ends the worker (no recovery), which fails the exchange, and its
# text is in the log.
sub clean {
    my ($what, $rc, $out) = @_;
    my ($found) = $out =~ /(ERROR: \w+Sanitizer.*|runtime error:.*)/s;
    ok($rc == 0 && !defined $found, "$what under the sanitizers")
        or diag(substr(defined $found ? $found : $out, -4000));
}

{
    local $ENV{LD_PRELOAD} = $lib;
    local $ENV{ASAN_OPTIONS} =
        'detect_leaks=0:exitcode=99:detect_odr_violation=0';
    my ($rc, $out) = run(build() . '/tests/replay', '--server', 'nginx',
        'tests/vectors/api/exchanges.json');
    clean('all recorded exchanges', $rc, $out);
    like($out, qr/^\d+ passed, 0 failed/m, 'none failed');
}

$ENV{AE_ASAN} = 1;
$ENV{AE_KINDS} = 'nginx';
for my $t (sort grep { !/httpd/ } glob(top() . '/tests/t/[0-9]*.t')) {
    my ($name) = $t =~ m{([^/]+)$};
    my ($rc, $out) = run($^X, $t);
    clean($name, $rc, $out);
}
done_testing();
