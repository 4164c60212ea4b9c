#!/usr/bin/perl
# What `make install` lays down works: a program links against the library,
# and a2enmod switches the httpd module on.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build run top);
use File::Temp qw(tempdir);
use Test::More;

my $dir = tempdir('ae-install-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($rc, $out) = run('make', '--no-print-directory', 'B=' . ($ENV{AE_BUILD} || 'build'),
    'install', "PREFIX=$dir/usr", "LIBDIR=$dir/usr/lib",
    "NGX_MODDIR=$dir/ngx", "NGX_CONFDIR=$dir/ngx",
    "HTTPD_MODDIR=$dir/modules", "HTTPD_CONFDIR=$dir/apache2/mods-available");
is($rc, 0, 'make install') or diag $out;
($rc, $out) = run("$dir/usr/bin/argo-edge", 'routes');
is($rc, 0, 'the command runs') or diag $out;

SKIP: {
    skip 'no httpd module', 1 if !-f build() . '/httpd/mod_argo_edge.so';
    skip 'no a2enmod', 1 if !-x '/usr/sbin/a2enmod' || !-d '/etc/apache2';
    my $mods = "$dir/apache2/mods-available";
    ok(-f "$mods/argo_edge.load" && -f "$mods/argo_edge.conf",
        '.load and .conf');
    run('sh', '-c', "cp -an /etc/apache2/. $dir/apache2/ &&"
        . " rm -f $dir/apache2/mods-enabled/proxy*"
        . " $dir/apache2/mods-enabled/argo*"
        . " $dir/apache2/sites-enabled/*");
    local $ENV{APACHE_CONFDIR} = "$dir/apache2";
    local $ENV{APACHE_STATE_DIRECTORY} = "$dir/state";
    mkdir "$dir/$_" for qw(run log);
    ($rc, $out) = run('/usr/sbin/a2enmod', '-m', '-q', 'argo_edge');
    is($rc, 0, 'a2enmod argo_edge') or diag $out;
    ok(-l "$dir/apache2/mods-enabled/$_", "$_ is on")
        for qw(argo_edge.load argo_edge.conf proxy.load proxy_http.load
            headers.load);
    my $apache = "cd $dir/apache2 && . ./envvars &&"
        . " export APACHE_RUN_DIR=$dir/run APACHE_LOCK_DIR=$dir/run"
        . " APACHE_LOG_DIR=$dir/log &&"
        . " exec /usr/sbin/apache2 -d $dir/apache2 -f apache2.conf";
    ($rc, $out) = run('sh', '-c', "$apache -t");
    is($rc, 0, 'configtest') or diag $out;
    ($rc, $out) = run('sh', '-c', "$apache -M");
    like($out, qr/argo_edge_module \(shared\)/, 'loaded');
}
done_testing();
