#!/usr/bin/perl
# What is particular to Apache httpd: its MPMs, Require, the merge of places,
# users and notes, errors in the configuration, and one cache for two servers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use ArgoEdge::Inputs;
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use Test::More;

plan skip_all => 'no httpd module' if !ArgoEdge::Server->available('httpd');

my $in = ArgoEdge::Inputs->new(
    accounts => { map { $_ => 'apiKey' } qw(alice bob ops) },
    policy => "p, alice, *, *, *, allow\ng, ops, role:readonly\n");
my %tok = map { $_ => $in->token($_) } qw(alice bob ops);
my $app = '{"metadata":{"name":"a1","namespace":"argocd"},'
    . '"spec":{"project":"default"}}';
my $one = '/api/v1/applications/a1?project=default';
my $up = ArgoEdge::Upstream->new(
    handler => sub {
        my ($name) = $_[0]{target} =~ m{^/api/v1/applications/(s\d)\?};
        return ArgoEdge::Upstream::answer(200,
            $name ? app('default', $name) : $app);
    })->start;

sub server {
    my ($kind, %httpd) = @_;
    return ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
        upstream => $up->port, cache => 1, httpd => \%httpd);
}

# (answer, whether Argo CD was asked)
sub ask {
    my ($s, $who, $target, %opt) = @_;
    $up->forget;
    my $r = $s->request($opt{method} || 'GET', $target,
        token => $who && $tok{$who}, %opt);
    return ($r, $up->hits);
}

sub status { return (ask(@_))[0]{status} }

# ---- the basics, under each MPM -----------------------------------------

sub basics {
    my ($s, $kind) = @_;
    my ($r, $hits) = ask($s, undef, $one);
    is $r->{status}, 401, 'no token';
    is $hits, 0, 'refused here';
    ($r, $hits) = ask($s, bob => $one);
    is $r->{status}, 403, 'bob may not';
    like $r->{body}, qr/"code":7/, "in Argo CD's words";
    is $hits, 0, 'refused here';
    ($r, $hits) = ask($s, alice => $one);
    is $r->{body}, $app, 'alice may';
    # one acceptance counts for all children, since they share a zone
    for (1 .. 6) {
        ($r, $hits) = ask($s, alice => $one);
        is $hits, 0, 'then from the cache';
    }
    is $r->{body}, $app, 'the same bytes';
    ok defined $r->{header}{age}, 'with its age';
    is status($s, bob => $one), 403, 'bob still not';
    my $body = '{"metadata":{"name":"x"},"spec":{"project":"default"}}';
    ($r, $hits) = ask($s, alice => '/api/v1/applications', method => 'POST',
        body => $body, header => ['Content-Type' => 'application/json']);
    is $r->{status}, 200, 'a body is read and handed on';
    is $up->last_request->{body}, $body, 'unchanged';
    is $up->last_request->{header}{'x-forwarded-for'}, '127.0.0.1',
        'headers as the core sets them';
    like $s->access_log, qr/ 403 decision=deny .*subject=bob/,
        'notes in the log';
    return;
}

for my $kind (qw(httpd httpd-worker httpd-prefork)) {
    subtest "$kind: the basics" => sub {
        my $s = server($kind);
        $s->{directives} = 'argo_edge_zone ' . $s->dir . '/zone:1m;';
        $s->start;
        basics($s, $kind);
        $s->stop;
        unlike $s->error_log . $s->stderr, qr/exit signal|Segmentation|AE004/,
            'no child broke';
    };
}

# ---- among other modules -------------------------------------------------

my $mods = $ENV{AE_HTTPD_MODULES} || '/usr/lib/apache2/modules';
my $s = server('httpd',
    main => join('', map { "LoadModule ${_}_module $mods/mod_$_.so\n" }
        qw(access_compat cache cache_disk rewrite alias authn_core
            authz_user))
        . "LogFormat \"%u %>s %U\" user\n",
    # would answer before anybody has decided
    server => 'CacheRoot cache-disk
        CacheEnable disk /api/v1/quick
        CacheQuickHandler On
        CacheIgnoreCacheControl On
        CacheStoreNoStore On
        CacheStorePrivate On
        CacheIgnoreNoLastMod On
        CacheDefaultExpire 3600
        CustomLog logs/user.log user',
    locations => <<'CONF');
# Require
<Location "/api/v1/clusters">
Require argo-edge-can clusters get "*"
</Location>
<Location "/api/v1/projects">
Require argo-edge
</Location>
<Location "/api/v1/repositories">
<RequireAny>
Require argo-edge-can clusters delete "*"
Require user ops
</RequireAny>
</Location>
<Location "/api/v1/gpgkeys">
<RequireAll>
Require argo-edge
Require argo-edge-can clusters delete "*"
</RequireAll>
</Location>
<Location "/api/v1/certificates">
<RequireAll>
Require argo-edge
<RequireNone>
Require user ops
</RequireNone>
</RequireAll>
</Location>
# merging
<Location "/shadow">
ArgoEdge Shadow
</Location>
<Location "/off">
ArgoEdge Off
</Location>
<Location "/off/on">
ArgoEdge On
</Location>
<Location "/off/metrics">
ArgoEdgeMetrics On
</Location>
<Location "/api/v1/projects">
ArgoEdgeLease 30
</Location>
# what could pass us by
<Location "/any">
Satisfy Any
Allow from all
</Location>
ErrorDocument 503 /page
ProxyPass /dead http://127.0.0.1:1/ nocanon
RewriteEngine On
RewriteRule ^/moved/(.*) /api/v1/$1 [PT]
CONF
mkdir $s->dir . '/cache-disk';
$s->start;

subtest 'Require' => sub {
    is status($s, alice => '/api/v1/clusters'), 200, 'argo-edge-can grants';
    is status($s, ops => '/api/v1/clusters'), 200, 'to each who may';
    isnt status($s, bob => '/api/v1/clusters'), 200, 'and denies';
    is status($s, alice => '/api/v1/projects'), 200, 'argo-edge';
    is status($s, undef, '/api/v1/projects'), 401, 'is no way in';
    is status($s, alice => '/api/v1/repositories'), 200, 'RequireAny: one';
    is status($s, ops => '/api/v1/repositories'), 200, 'the other';
    isnt status($s, bob => '/api/v1/repositories'), 200, 'none';
    is status($s, alice => '/api/v1/gpgkeys'), 200, 'RequireAll: both';
    my ($r, $hits) = ask($s, ops => '/api/v1/gpgkeys');
    isnt $r->{status}, 200, 'RequireAll: one of two';
    is $hits, 0, 'which does not reach Argo CD';
    is status($s, alice => '/api/v1/certificates'), 200, 'RequireNone';
    isnt status($s, ops => '/api/v1/certificates'), 200, 'of ours';
};

subtest 'places' => sub {
    my ($r, $hits) = ask($s, undef, '/shadow/api//v1');
    is "$r->{status} $hits", '200 1', 'Shadow changes nothing';
    ($r, $hits) = ask($s, undef, '/off/api//v1');
    is "$r->{status} $hits", '200 1', 'Off';
    ($r, $hits) = ask($s, undef, '/off/on/api//v1');
    is "$r->{status} $hits", '400 0', 'On below Off';
    ($r, $hits) = ask($s, undef, '/off/metrics');
    like $r->{body}, qr/^argo_edge_/m, 'what answers by itself is on';
    is $hits, 0, 'and not asked upstream';
    is status($s, undef, '/api/v1/projects'), 401,
        'a directive besides keeps the mode of the place above';
};

subtest 'nobody passes us by' => sub {
    my ($r, $hits) = ask($s, undef, '/any/../api//v1');
    isnt $r->{status}, 200, 'Satisfy Any does not skip us';
    is $hits, 0, 'nothing went upstream';
    ($r, $hits) = ask($s, undef, '/moved/clusters');
    is $hits, 0, 'nor a rewrite to a place of Argo CD'
        or diag $r->{raw};
    for (1 .. 2) {
        ($r, $hits) = ask($s, alice => '/api/v1/quick');
        is $r->{header}{'cache-control'}, 'private, no-cache', 'T12';
    }
    ($r, $hits) = ask($s, undef, '/api/v1/quick');
    isnt $r->{status}, 200, "mod_cache's quick handler gives nothing away";
    ($r) = ask($s, alice => '/dead');
    is $up->last_request->{target}, '/page', 'an error page';
};

subtest 'the user' => sub {
    ask($s, alice => '/api/v1/clusters');
    ask($s, bob => '/api/v1/clusters');
    ask($s, undef, '/api/v1/clusters');
    my $log = '';
    ok until_true(sub {
        open my $fh, '<', $s->dir . '/logs/user.log' or return;
        local $/;
        $log = <$fh>;
        $log =~ /^- 401 /m }), 'logged';
    like $log, qr{^alice 200 /api/v1/clusters$}m, 'who may';
    like $log, qr{^bob 403 /api/v1/clusters$}m, 'who may not';
};
$s->stop;
unlike $s->error_log . $s->stderr, qr/exit signal|Segmentation|AE004/,
    'no child broke';

# ---- one cache, two servers ------------------------------------------------

# Each process wants its own acceptance of the token (T7).
sub warm {
    my ($s) = @_;
    $s->get('/api/v1/session/userinfo', token => $tok{alice});
    $s->get('/api/v1/applications/warm?project=default',
        token => $tok{alice});
    return;
}

SKIP: {
    skip 'no nginx module', 1 if !ArgoEdge::Server->available('nginx');
    my $h = server('httpd');
    $h->{directives} = 'argo_edge_quarantine 0;';
    $h->start;
    my $dir = $h->dir;
    my $n = ArgoEdge::Server->new(kind => 'nginx', inputs => $in->dir,
        upstream => $up->port, directives => 'argo_edge_quarantine 0;'
            . "argo_edge_cache $dir/cache size=32m;",
        user => 'www-data')->start;
    my %server = (httpd => $h, nginx => $n);
    warm($_) for $h, $n;
    my $k = 0;
    for my $pair ([qw(httpd nginx)], [qw(nginx httpd)]) {
        my ($first, $second) = @$pair;
        my ($s1, $s2) = @server{@$pair};
        subtest "one cache: $first stores, $second serves" => sub {
            my $name = 's' . $k++;
            my $t = "/api/v1/applications/$name?project=default";
            my ($r, $hits) = ask($s1, alice => $t);
            is $hits, 1, 'asked once';
            ($r, $hits) = ask($s2, alice => $t);
            is $hits, 0, "$second serves what $first has stored";
            is $r->{body}, app('default', $name), 'byte for byte';
            is status($s2, bob => $t), 403, 'and not to everybody';
            ask($s2, alice => $t, method => 'DELETE',
                header => ['Content-Type' => 'application/json']);
            ($r, $hits) = ask($s1, alice => $t);
            is $hits, 1, "a write through $second counts for $first";
            ask($s1, alice => $t);
            ($r, $hits) = ask($s2, alice => $t);
            is $hits, 0, 'stored anew for both';
            ask($s1, alice => $t, method => 'DELETE',
                header => ['Content-Type' => 'application/json']);
            ($r, $hits) = ask($s1, alice => $t);
            is $hits, 1, "one's own write";
            ask($s1, alice => $t, method => 'DELETE',
                header => ['Content-Type' => 'application/json']);
            ($r, $hits) = ask($s2, alice => $t);
            is $hits, 1, "and $first\'s for $second";
        };
    }
    $_->stop for $h, $n;
    is $n->trouble, '', 'no worker of nginx broke';
    unlike $h->error_log, qr/exit signal|AE004/, 'nor a child of httpd';
}

# ---- configtest ------------------------------------------------------------

subtest 'configtest' => sub {
    my $c = server('httpd');
    is(($c->test_conf)[0], 0, 'a good one');
    for my $bad (
        [ 'ArgoEdgeLease never', qr/ArgoEdgeLease: invalid/ ],
        [ 'ArgoEdgeLease', qr/ArgoEdgeLease: invalid number of arguments/ ],
        [ "ArgoEdgeLease 5\nArgoEdgeLease 6", qr/ArgoEdgeLease is duplicate/ ],
        [ 'ArgoEdgeNonsense On', qr/ArgoEdgeNonsense/ ],
        [ "<Location /x>\nArgoEdgeInputs /x\n</Location>",
            qr/ArgoEdgeInputs .*(?:cannot occur within|not allowed)/s ],
        [ "<Location /x>\n<Limit POST>\nArgoEdge Off\n</Limit>\n</Location>",
            qr/ArgoEdge cannot occur within <Limit>/ ],
        [ "<Location /x>\nRequire argo-edge-can a b\n</Location>",
            qr/argo-edge-can takes RESOURCE ACTION OBJECT/ ],
    ) {
        my ($conf, $says) = @$bad;
        $c->{httpd} = { main => $conf };
        my ($rc, $out) = $c->test_conf;
        isnt $rc, 0, "refused: $conf";
        like $out, qr/Syntax error on line \d+ of \S+:/, 'with file and line';
        like $out, $says, 'and the reason';
    }
    $c->{httpd} = {};
    $in->put('appprojects/bad.json', '{');
    my ($rc, $out) = $c->test_conf;
    isnt $rc, 0, 'bad inputs are refused';
    like $out, qr/AE003: \S+bad\.json:\d+.* in \S+:\d+/, 'with file and line';
};

$up->stop;
done_testing;
