package ArgoEdge::Sight;

# What operators see, for tests: locations with metrics and the like on both
# servers, and the tools that read them.

use strict;
use warnings;

use ArgoEdge::Build qw(run);
use ArgoEdge::Scenario;
use Exporter qw(import);
use File::Temp qw(tempdir tempfile);
use Test::More;

our @EXPORT = qw(sight_setup promtool chromium);
my $audit;

# scenarios() with the pages beside the one location.
sub sight_setup {
    my (%arg) = @_;
    my %set = %{ $arg{settings} || {} };
    # a zone for each server: the workers of two may not be one user's
    my $zone = tempdir('ae-zone-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0777, $zone;
    $set{audit} = "$zone/audit.log";
    $audit = $set{audit};
    $set{zone} = "$zone/zone:4m";
    my $nginx = join '', map { "location $_->[0] { $_->[1]; }\n" }
        ['= /argo-edge/metrics', 'argo_edge_metrics on'],
        ['/argo-edge/', 'argo_edge_status address; allow 127.0.0.1; deny all'],
        ['/argo-edge/rbac/', 'argo_edge_status rbac'],
        ['= /argo-edge/guarded', 'argo_edge_metrics on; deny all'],
        @{ $arg{nginx} || [] };
    my $httpd = join '', map { qq(<Location "$_->[0]">\n$_->[1]\n</Location>\n) }
        ['/argo-edge/', "ArgoEdgeStatus address\nRequire local"],
        ['/argo-edge/rbac/', "ArgoEdgeStatus rbac"],
        ['/argo-edge/metrics', 'ArgoEdgeMetrics On'],
        ['/argo-edge/guarded', "ArgoEdgeMetrics On\nRequire all denied"],
        @{ $arg{httpd} || [] };
    return { settings => \%set, server => {
        conf => { locations => $nginx }, httpd => { locations => $httpd } } };
}

# A page as a browser shows it: its document after the scripts have run, or
# with |file| a picture.
sub chromium {
    my ($url, $file, $size) = @_;
    my $home = tempdir('ae-chromium-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my ($rc, $out) = run('timeout', 90, 'env', "HOME=$home", 'chromium',
        '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars',
        '--disable-background-networking', '--disable-dev-shm-usage',
        '--no-first-run', "--user-data-dir=$home/profile",
        '--virtual-time-budget=5000', '--window-size=' . ($size || '1280,900'),
        $file ? "--screenshot=$file" : '--dump-dom', $url);
    is $rc, 0, 'chromium' or diag $out;
    return $out;
}

# Prometheus' own opinion of a scrape.
sub promtool {
    my ($text) = @_;
    my ($fh, $file) = tempfile(UNLINK => 1);
    print $fh $text;
    close $fh;
    my ($rc, $out) = run('sh', '-c', "promtool check metrics <'$file'");
    is $rc, 0, 'promtool check metrics' or diag $out;
    is $out, '', 'and has nothing to say';
    return;
}

package ArgoEdge::Scenario;

# The lines of the audit log, when there are at least |n|.
sub audit {
    my ($w, $n) = @_;
    my @line;
    until_true(sub { @line = split /\n/, ArgoEdge::Server::_slurp($audit);
        @line >= $n }) or BAIL_OUT("the audit log has " . @line . " lines");
    return @line;
}
sub audit_file { return $audit }

# A look at a page: counts as asked (it has its log line), is no decision.
sub watch {
    my ($w, $target, %opt) = @_;
    my $method = delete $opt{method} || 'GET';
    $w->{asked}++;
    return $w->server->request($method, $target, %opt);
}

1;
