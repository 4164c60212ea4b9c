#!/usr/bin/perl
# nginx, httpd under each MPM, and the bare core: one request, one answer,
# byte for byte (status, body, the header fields that are ours or Argo CD's).
# First the recorded exchanges, then targets that servers normalise each in
# its own way: the core must not notice.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";

use ArgoEdge::Build qw(build run slurp top);
use ArgoEdge::Server;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my @kinds = ((grep { ArgoEdge::Server->available($_) }
    qw(nginx httpd httpd-prefork httpd-worker)), 'core');
plan skip_all => 'no server with a module is built' if @kinds < 2;
plan skip_all => 'one server is built with sanitizers' if $ENV{AE_ASAN};
my $exchanges = 'tests/vectors/api/exchanges.json';

# |file| on all servers; the lines about refusals that were not ours
sub same {
    my ($file, $what) = @_;
    my ($rc, $out) = run(build() . '/tests/replay', '--server',
        join(',', @kinds), $file);
    is($rc, 0, "$what: " . (split /\n/, $out)[-1]) or diag join "\n",
        grep { !/^#/ } split /\n/, substr $out, -6000;
    like($out, qr/^0 differences between ${\ scalar @kinds} servers/m,
        "$what: no difference between @kinds");
    return [ $out =~ /^# by (\S+) itself: \d+ (.*)$/mg ];
}

same($exchanges, 'recorded exchanges');

# ---- raw targets -----------------------------------------------------------

my %token;
for my $c (@{ decode_json(slurp(top() . "/$exchanges"))->{cases} }) {
    for my $h (@{ $c->{request}{headers} || [] }) {
        $token{ $c->{as} // '' } //= $h->[1] if $h->[0] eq 'Authorization';
    }
}
my $app = '/api/v1/applications';
my $can = '/api/v1/account/can-i/applications/get';
my $host = 'http://argocd.example.com';
my @targets = (
    # separators that hide in an escape
    "$app/web%2fx", "$app/web%2Fx?project=team-a", '/api/v1/applications%2fweb',
    '/api/v1%2fapplications/web', "$app/..%2fclusters", "$app/web%5cx",
    "$app/web%252fx", "$app/web%3bx", "$app/web%23x", "$app/web%3fproject=x",
    # empty and dotted segments
    '/api//v1/applications', "/$app", '/api/v1//applications/web',
    "$app//web", "$app/web/", "$app/", "$app/../clusters",
    "$app/web/../../clusters", "$app/%2e%2e/clusters", '/api/v1/./projects',
    "$app/.", "$app/..", '/assets/../api/v1/applications',
    '/assets/%2e%2e/api/v1/applications', '//', '/./', '/.//api/version',
    # parameters
    "$app/web;x=1", '/api/v1/applications;x/web', "$app/web;", ';',
    # plus, blank, escapes that need none
    "$app/we+b", "$app/we%2Bb", "$app/web%20x", "$app/%77eb",
    "$app/w%65b?project=team-a", '/api/v1/applic%61tions',
    '/api/v1/%61pplications/web', "$app/web\\x", "$app/web%0a", "$app/web%c3%a9",
    "$app/web%c0%af", "$app/web\xc3\xa9", (map { "$app/web$_" } '|x', '"x',
        '<x', '{x}', '^x', '`x', '~', '@x', ':sync', '&x=1', '=x', '*'),
    # queries
    (map { "$app/web?$_" } 'project=team%2da', 'project=team+a',
        'project=team-a&project=team-b', 'project=team-a;project=team-b',
        'project=%', '', '?project=team-a', '%70roject=team-b',
        'project=team-a&&', 'project=..%2f..', 'project=//'),
    # of another case, of nobody
    '/API/v1/applications', '/api/V1/applications', '/api', '/api/',
    '/api/v1', '/api/v1/', '/api/v1/nosuch', '/', '/index.html',
    '/applications/web', '/swagger-ui', '/healthz', '/healthz/', '/metrics',
    '/auth/login', '/api/dex/auth', '/api/webhook', '/terminal?pod=x',
    '/extensions/x', '/download/argocd-linux-amd64',
    # ids that hold slashes
    '/api/v1/clusters/https%3A%2F%2Fkubernetes.default.svc',
    '/api/v1/clusters/https:%2f%2fkubernetes.default.svc',
    '/api/v1/clusters/https://kubernetes.default.svc',
    '/api/v1/repositories/https%3A%2F%2Fgithub.com%2Fx%2F..%2Fy',
    (map { "$can/$_" } 'team-a%2fweb', 'team-a/web', '*', '%2A',
        'team-a//web', 'team-a%2f%2fweb', 'a;b', 'a+b', 'a%2Bb', '..'),
    # absolute forms
    (map { "$host$_" } $app, "$app/web?project=team-a", '//api/v1/projects',
        ''),
    'http://other.example.com/api/v1/clusters',
    "https://argocd.example.com/api/v1/clusters",
    "HTTP://argocd.example.com/api/version",
    # what looks like a style sheet
    (map { "/api/v1/session/userinfo$_" } '', '/x.css', ';x.css',
        '%2fx.css'), '/api/version', '/api/version?x=%2f..%2f',
);
# Not read at all by one of the servers, which then refuses by itself; httpd
# answers "OPTIONS *" of itself.
my %unread = map { $_ => 1 } my @unread = ('/../api/v1/applications',
    "$app/web%00", "$app/web%", "$app/web%2", "$app/web%zz", "$app/web#x",
    "$app/web?project=team-a#x", 'api/v1/applications', '*', ';');
push @targets, grep { $_ ne ';' } @unread;

my @cases;
for my $method (qw(GET DELETE POST HEAD OPTIONS)) {
    for my $who ('', 'ci', 'admin') {
        next if $who eq 'ci' && $method !~ /^(?:GET|DELETE)$/;
        for my $target (@targets) {
            my @h;
            push @h, [ Authorization => $token{$who} ] if $who;
            push @h, [ 'Content-Type' => 'application/json' ]
                if $method eq 'POST';
            push @cases, { name => "$method $target", edge => 'any',
                request => { method => $method, path => $target,
                    headers => \@h,
                    body => $method eq 'POST' ? '{}' : undef },
                response => { status => 200, reason => 'OK',
                    content_type => 'application/json',
                    headers => [ [ 'content-type', 'application/json' ],
                        [ 'vary', 'Accept-Encoding' ] ],
                    body => $method eq 'HEAD' ? '' : '{"up":1}' },
                patch => {} };
        }
    }
}
my $dir = tempdir('ae-parity-XXXXXX', TMPDIR => 1, CLEANUP => 1);
open my $fh, '>', "$dir/targets.json" or die $!;
print $fh JSON::PP->new->latin1->encode(
    { suite => 'api.exchange', cases => \@cases });
close $fh;
my $own = same("$dir/targets.json", scalar(@cases) . ' raw targets');
my %by;
while (my ($kind, $name) = splice @$own, 0, 2) {
    my ($method, $target) = split / /, $name, 2;
    next if $unread{$target} || "$method $target" eq "OPTIONS $host";
    $by{"$kind $name"}++;
}
is_deeply([ sort keys %by ], [],
    'a server refuses by itself only what it cannot read');
done_testing;
