package ArgoEdge::Sanitized;

# A module inside its real server, under AddressSanitizer and UBSan: every
# recorded exchange, and scenario tests again.
#
#   sanitized('nginx', 'nginx/ngx_http_argo_edge_module.so', @t_files);
#
# A finding ends the process (no recovery), which fails the exchange, and its
# text is in the log.

use strict;
use warnings;

use ArgoEdge::Build qw(asan_build build run);
use Exporter qw(import);
use Test::More;

our @EXPORT = qw(sanitized);

my %MODULE = (nginx => 'AE_NGX_MODULE', httpd => 'AE_HTTPD_MODULE');

sub _clean {
    my ($what, $rc, $out) = @_;
    my ($found) = $out =~ /(ERROR: \w+Sanitizer.*|runtime error:.*)/s;
    ok($rc == 0 && !defined $found, "$what under the sanitizers")
        or diag(substr(defined $found ? $found : $out, -4000));
}

sub sanitized {
    my ($kind, $file, @tests) = @_;
    plan skip_all => "configured without $kind" unless -f build() . "/$file";
    my $module = asan_build() . "/$file";
    ok(-f $module, "$module is built") or BAIL_OUT('run: make asan');
    chomp(my $lib = `cc -print-file-name=libasan.so`);
    local $ENV{ $MODULE{$kind} } = $module;
    {
        local $ENV{LD_PRELOAD} = $lib;
        local $ENV{ASAN_OPTIONS} =
            'detect_leaks=0:exitcode=99:detect_odr_violation=0';
        my ($rc, $out) = run(build() . '/tests/replay', '--server', $kind,
            'tests/vectors/api/exchanges.json');
        _clean('all recorded exchanges', $rc, $out);
        like($out, qr/^\d+ passed, 0 failed/m, 'none failed');
    }
    local $ENV{AE_ASAN} = 1;
    local $ENV{AE_KINDS} = $kind;
    for my $t (@tests) {
        my ($name) = $t =~ m{([^/]+)$};
        my ($rc, $out) = run($^X, $t);
        _clean($name, $rc, $out);
    }
    done_testing();
}

1;
