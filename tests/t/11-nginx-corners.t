#!/usr/bin/perl
# The nginx module among its neighbours: redirects, access rules, error pages,
# broken upstreams, reloads.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use ArgoEdge::Inputs;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'the nginx module is not built'
    if !ArgoEdge::Server->available('nginx');

my $in = ArgoEdge::Inputs->new(
    accounts => { map { $_ => 'apiKey, login' } qw(alice nobody ops) },
    policy => "g, alice, role:readonly\ng, ops, role:admin\n",
);
my %tok = map { $_ => $in->token($_) } qw(alice nobody ops);

sub answer { return ArgoEdge::Upstream::answer(@_) }

my $ok = '{"metadata":{},"items":[]}';
my $other = '{"metadata":{},"items":[{"name":"other"}]}';
my $up = ArgoEdge::Upstream->new(
    answers => {
        'GET /api/v1/clusters' => answer(200, $ok),
        'GET /api/v1/repositories' => answer(200, $other),
        'GET /api/v1/certificates' =>
            answer(200, $ok, 'Set-Cookie' => 'a=b'),
        'GET /api/v1/projects' =>
            answer(200, $ok, 'Grpc-Metadata-Renew-Token' => 'x'),
        'HEAD /api/v1/clusters' => "HTTP/1.1 415 X\r\n"
            . "Content-Length: 0\r\n\r\n",
        'GET /page' => answer(200, 'page'),
    },
    handler => sub {
        my ($req, $sock) = @_;
        my $t = $req->{target};
        my $head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
        if ($t eq '/api/v1/gpgkeys') {       # whole
            return "${head}Transfer-Encoding: chunked\r\n\r\n"
                . "5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n";
        }
        if ($t eq '/api/v1/account') {      # no last chunk
            print $sock "${head}Transfer-Encoding: chunked\r\n\r\n"
                . "7\r\n{\"a\":1}\r\n";
            return '';
        }
        if ($t eq '/api/v1/repocreds') {     # up to the end of connection
            print $sock "${head}Connection: close\r\n\r\n{\"items\":[]}";
            return '';
        }
        if ($t eq '/api/v1/applicationsets') {
            print $sock "${head}Content-Length: 26\r\n\r\n"
                . '{"metadata":{},';
            sleep 1;
            print $sock '"items":[]}';
            return '';
        }
        return;
    },
)->start;
my $upstream = 'http://127.0.0.1:' . $up->port;

my @port = map { ArgoEdge::Server::free_port() } 0 .. 5;
my $s = ArgoEdge::Server->new(
    inputs => $in->dir, upstream => $up->port, cache => 1,
    directives => 'argo_edge_ttl applications=60s objects=60s settings=60s;',
    conf => {
        http => <<"CONF",
    limit_req_zone \$server_port zone=one:1m rate=1r/m;
    server {    # nobody may get anything
        listen 127.0.0.1:$port[0];
        location / {
            argo_edge on;
            deny all;
            recursive_error_pages on;
            error_page 403 = /denied;
            proxy_pass $upstream;
        }
        location = /denied { argo_edge on; proxy_pass $upstream/page; }
    }
    server {    # "satisfy any" is satisfied
        listen 127.0.0.1:$port[1];
        location / {
            argo_edge on;
            satisfy any;
            allow all;
            proxy_pass $upstream;
        }
    }
    server {
        listen 127.0.0.1:$port[2];
        location / {
            argo_edge on;
            limit_req zone=one;
            proxy_pass $upstream;
        }
    }
    server {    # no upstream
        listen 127.0.0.1:$port[3];
        location / {
            argo_edge on;
            error_page 502 /sorry;
            proxy_pass http://127.0.0.1:1;
        }
        location = /sorry { argo_edge on; return 200 "sorry"; }
    }
    server {    # other targets go upstream than came in
        listen 127.0.0.1:$port[4];
        argo_edge on;
        location = /api/v1/clusters {
            rewrite ^ /api/v1/repositories break;
            proxy_pass $upstream;
        }
        location = /api/v1/repositories {
            proxy_pass $upstream/api/v1/clusters;
        }
    }
    server {
        listen 127.0.0.1:$port[5];
        location / {
            argo_edge on;
            root /nonexistent;
            try_files \$uri \@argocd;
        }
        location \@argocd { argo_edge on; proxy_pass $upstream; }
    }
CONF
    },
)->start;

# GET on one of the servers; (answer, what the upstream saw)
sub get_at {
    my ($n, $target, %opt) = @_;
    my $own = $s->port;
    $s->{port} = $n < 0 ? $own : $port[$n];
    $up->forget;
    my $r = $s->get($target, %opt);
    $s->{port} = $own;
    return ($r, $up->requests);
}

my ($r, $saw);
my $clusters = '/api/v1/clusters';
my %alice = (token => $tok{alice});

subtest 'another target upstream is never stored' => sub {
    for (1 .. 2) {
        ($r, $saw) = get_at(4, $clusters, %alice);
        is $r->{body}, $other, 'a rewritten target';
        is @$saw, 1, 'is asked each time';
        ($r, $saw) = get_at(4, '/api/v1/repositories', %alice);
        is $r->{body}, $ok, 'proxy_pass with a URI part';
        is @$saw, 1, 'is asked each time';
    }
    like $s->error_log, qr/\[warn\].*not cached, since another target/,
        'and the log says why';
    ($r, $saw) = get_at(-1, $clusters, %alice);
    is $r->{body}, $ok, 'the right key holds the right body';
    ($r, $saw) = get_at(-1, $clusters, %alice);
    is @$saw, 0, 'from the cache';
};

subtest 'access rules hold for stored answers' => sub {
    ($r, $saw) = get_at(0, $clusters, %alice);
    is $r->{body}, 'page', 'the error page, not the stored answer';
    ($r) = get_at(1, $clusters);
    is $r->{status}, 401, '"satisfy any" does not skip us';
    ($r) = get_at(1, $clusters, %alice);
    is $r->{status}, 200, 'nor hinder';
    ($r) = get_at(2, $clusters, %alice);
    is $r->{status}, 200, 'limit_req: the first passes';
    ($r) = get_at(2, $clusters, %alice);
    is $r->{status}, 503, 'a hit counts, too';
};

subtest 'named locations and try_files' => sub {
    for my $n (1, 2) {
        ($r, $saw) = get_at(5, $clusters, %alice);
        is $r->{body}, $ok, 'an answer';
    }
    ($r, $saw) = get_at(5, $clusters);
    is $r->{status}, 401, 'a refusal';
    ($r, $saw) = get_at(5, "$clusters?x=1", %alice,
        header => ['Grpc-Metadata-A' => 'b']);
    is $saw->[0]{target}, "$clusters?x=1", 'the target';
    is $saw->[0]{header}{'grpc-metadata-a'}, undef, 'stripped once';
    is $saw->[0]{header}{'x-forwarded-for'}, '127.0.0.1', 'set once';
};

subtest 'a dead upstream' => sub {
    ($r) = get_at(3, '/api/v1/repositories', %alice);
    is $r->{status}, 502, 'is a 502';
    is $r->{body}, 'sorry', 'with the error page';
    is $r->{header}{'cache-control'}, 'private, no-cache', 'T12';
    ($r) = get_at(3, $clusters, %alice);
    is $r->{status}, 200, 'and what is stored is still served';
    ($r) = get_at(3, $clusters, token => $tok{nobody});
    isnt $r->{status}, 200, 'not to everybody';
};

subtest 'what may be stored' => sub {
    my @case = (
        ['/api/v1/gpgkeys', 1, 'a chunked answer'],
        ['/api/v1/account', 0, 'no last chunk'],
        ['/api/v1/repocreds', 0, 'no length at all'],
        ['/api/v1/certificates', 0, 'K05: Set-Cookie'],
        ['/api/v1/projects', 0, 'K05: a renewed token'],
    );
    for my $c (@case) {
        my ($target, $stored, $name) = @$c;
        get_at(-1, $target, token => $tok{ops});
        ($r, $saw) = get_at(-1, $target, token => $tok{ops});
        is @$saw, $stored ? 0 : 1, $name;
    }
    is $r->{header}{'grpc-metadata-renew-token'}, undef,
        'K05: the renewed token stays here';
};

subtest 'a client that leaves' => sub {
    my $sock = $s->_connect;
    print $sock "GET /api/v1/applicationsets HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer $tok{ops}\r\n\r\n";
    sysread $sock, my $buf, 10;
    close $sock;
    sleep 1.2;
    ($r, $saw) = get_at(-1, '/api/v1/applicationsets', token => $tok{ops});
    is $r->{body}, $ok, 'the next gets the whole';
};

subtest 'HEAD passes' => sub {
    $up->forget;
    $r = $s->request(HEAD => $clusters, %alice);
    is $r->{status}, 415, 'P13: as the upstream says';
    is $up->hits, 1, 'asked';
};

subtest 'one connection, many fates' => sub {
    my $one = sub { "GET $_[0] HTTP/1.1\r\nHost: x\r\n"
        . ($_[1] ? "Authorization: Bearer $_[1]\r\n" : '') };
    my $raw = $s->raw(
        $one->($clusters, $tok{alice}) . "\r\n"         # a hit
        . $one->($clusters) . "\r\n"                    # a refusal
        . $one->("$clusters?y=1", $tok{alice}) . "\r\n" # forwarded, 404
        . $one->('/api//x', $tok{alice}) . "\r\n"
        . $one->($clusters, $tok{alice}) . "Connection: close\r\n\r\n",
        quiet => 10);
    is_deeply [$raw =~ m{HTTP/1\.1 (\d+)}g], [200, 401, 404, 400, 200],
        'each its own';
};

subtest 'fields that came twice' => sub {
    $r = ArgoEdge::Server::parse($s->raw("GET $clusters?z=1 HTTP/1.1\r\n"
        . "Host: x\r\nAuthorization: Bearer $tok{alice}\r\n"
        . "Connection: close\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        . "Cookie: a=b\r\nCookie: c=d\r\n\r\n"));
    my $h = $up->last_request->{header};
    is $h->{'x-hop'}, undef, 'both Connection lines count';
    is $h->{cookie}, 'a=b, c=d', 'both cookies pass';
    $r = ArgoEdge::Server::parse($s->raw("GET $clusters HTTP/1.1\r\n"
        . "Host: x\r\nCookie: argocd.token=$tok{alice}\r\n"
        . "Cookie: argocd.token=$tok{ops}\r\nConnection: close\r\n\r\n"));
    is $r->{status}, 400, 'C06: two credentials';
};

subtest 'a policy that changes' => sub {
    ($r) = get_at(-1, $clusters, token => $tok{nobody});
    my $before = $r->{body};
    $in->put('argocd-rbac-cm/policy.csv', "g, ops, role:admin\n");
    my $until = time + 5;
    while (time < $until) {
        ($r) = get_at(-1, '/api/v1/clusters/in-cluster', %alice);
        last if $r->{status} == 403;
        sleep 0.2;
    }
    is $r->{status}, 403, 'is in force without a reload';
    $in->put('argocd-rbac-cm/policy.csv',
        "g, alice, role:readonly\ng, ops, role:admin\n");
};

subtest 'reloads leave nothing behind' => sub {
    my $fds = sub { my @f = glob "/proc/@{[$s->pid]}/fd/*"; scalar @f };
    my $first;
    for (1 .. 10) {
        $s->reload;
        sleep 0.1;
        ($r) = get_at(-1, $clusters, %alice);
        is $r->{status}, 200, 'works' if $_ == 10;
        if ($_ == 2) {
            sleep 1;    # workers of the old configuration hold a channel
            $first = $fds->();
        }
    }
    my $until = time + 5;
    sleep 0.1 while $fds->() > $first && time < $until;
    is $fds->(), $first, 'no descriptor more';
    ($r, $saw) = get_at(-1, $clusters, %alice);
    is @$saw, 0, 'and the cache is kept';
};

$s->stop;
is $s->trouble, '', 'no worker broke';
$up->stop;
done_testing;
