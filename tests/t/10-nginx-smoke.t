#!/usr/bin/perl
# The nginx module end to end: what a user sees on the first day.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/../lib';

use ArgoEdge::Inputs;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'the nginx module is not built'
    if !ArgoEdge::Server->available('nginx');

my $in = ArgoEdge::Inputs->new(
    accounts => { map { $_ => 'apiKey, login' } qw(alice bob nobody ops) },
    policy => <<'CSV',
g, alice, role:readonly
g, ops, role:admin
p, bob, applications, get, teamb/*, allow
CSV
    projects => [qw(default teama teamb)],
);
my %tok = map { $_ => $in->token($_) } qw(alice bob nobody ops);

my $app = '{"metadata":{"name":"a1","namespace":"argocd"},'
    . '"spec":{"project":"teama"}}';
my $clusters = '{"metadata":{},"items":[]}';
my $big = '{"items":[' . join(',', ('{"metadata":{"name":"x"}}') x 40000)
    . ']}';

my $up = ArgoEdge::Upstream->new(
    answers => {
        'GET /api/v1/applications/a1' => answer(200, $app),
        'GET /api/v1/applications/acc' =>
            answer(200, $app, 'X-Accel-Redirect' => '/elsewhere'),
        'GET /api/v1/clusters' => answer(200, $clusters),
        'GET /api/v1/repositories' => answer(200, $big),
        'GET /api/version' => answer(200, '{"Version":"v3.2.0"}'),
        'GET /' => answer(200, '<html>', 'Content-Type' => 'text/html'),
        'DELETE /api/v1/applications/a1' => answer(200, '{}'),
    },
    handler => \&scripted,
)->start;

my $s = ArgoEdge::Server->new(
    inputs => $in->dir, upstream => $up->port, cache => 1,
    http2 => 1,
    conf => {
        http => 'gzip on; gzip_types application/json; gzip_min_length 10;',
        locations => <<"CONF",
        location /shadow/ {
            argo_edge shadow;
            rewrite ^/shadow(/.*) \$1 break;
            proxy_pass http://127.0.0.1:@{[ $up->port ]};
        }
        location /off/ {
            argo_edge off;
            return 200 "off";
        }
CONF
    },
)->start;

sub answer { return ArgoEdge::Upstream::answer(@_) }

# Streams, tunnels and echoes, by target.
sub scripted {
    my ($req, $sock) = @_;
    my $t = $req->{target};
    return answer(200, $req->{body}) if $req->{method} =~ /^(?:POST|PUT)$/;
    if ($t =~ m{^/api/v1/stream/applications}) {
        print $sock "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            . "X-Accel-Buffering: yes\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "f\r\ndata: {\"n\":1}\n\n\r\n";
        sleep 3;
        print $sock "f\r\ndata: {\"n\":2}\n\n\r\n0\r\n\r\n";
        return '';
    }
    if ($t =~ m{^/terminal} && ($req->{header}{upgrade} // '') eq 'websocket')
    {
        print $sock "HTTP/1.1 101 Switching Protocols\r\n"
            . "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        my $line = '';
        while (sysread $sock, $line, 1024) {
            print $sock "echo:$line";
            last if $line =~ /bye/;
        }
        return '';
    }
    if ($t eq '/api/v1/projects') {    # ends before its length
        print $sock "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            . "Content-Length: 100\r\n\r\n{\"items\":[";
        return '';
    }
    return;
}

# What stands in the recording after |code| has run.
sub upstream_saw {
    my ($code) = @_;
    $up->forget;
    my $res = $code->();
    return ($res, $up->requests);
}

subtest 'forward, then answer from the cache' => sub {
    my ($r, $saw) = upstream_saw(
        sub { $s->get('/api/v1/applications/a1', token => $tok{alice}) });
    is $r->{status}, 200, 'forwarded';
    is $r->{body}, $app, 'the body is unchanged';
    is $r->{header}{'cache-control'}, 'private, no-cache', 'T12';
    is $r->{header}{vary}, 'Accept-Encoding, Authorization, Cookie', 'T12';
    is @$saw, 1, 'one request upstream';
    like $saw->[0]{raw}, qr{^GET /api/v1/applications/a1 HTTP/1\.1\r\n},
        'the request line is the client\'s';

    ($r, $saw) = upstream_saw(
        sub { $s->get('/api/v1/applications/a1', token => $tok{alice}) });
    is $r->{status}, 200, 'again';
    is $r->{body}, $app, 'the stored body is byte-equal';
    is @$saw, 0, 'the upstream was not asked';
    is $r->{header}{'cache-control'}, 'private, no-cache', 'T12';
    # a hit for one is never a validator for another
    my $etag = $r->{header}{etag} // '"none"';
    ($r, $saw) = upstream_saw(sub { $s->get('/api/v1/applications/a1',
        token => $tok{bob}, header => ['If-None-Match' => $etag]) });
    isnt $r->{status}, 304, 'K14: no 304 for somebody else';
    ok $r->{status} == 403 || @$saw == 1, 'a refusal, or asked for bob';

    $r = $s->get('/api/v1/applications/a1', token => $tok{alice},
        header => ['Accept-Encoding' => 'gzip']);
    is $r->{header}{'content-encoding'}, 'gzip',
        'a hit is compressed behind us';
};

subtest 'refusals' => sub {
    my ($r, $saw) = upstream_saw(sub { $s->get('/api/v1/clusters') });
    is $r->{status}, 401, 'no token';
    is $r->{body}, '{"error":"no session information","code":16,'
        . '"message":"no session information"}', 'in Argo CD\'s words';
    is $r->{header}{'content-type'}, 'application/json', 'as JSON';
    is @$saw, 0, 'nothing went upstream';

    ($r, $saw) = upstream_saw(
        sub { $s->get('/api/v1/applications/a1', token => $tok{nobody}) });
    is $r->{status}, 403, 'no rule';
    is $r->{body}, '{"error":"permission denied","code":7,'
        . '"message":"permission denied"}', 'in Argo CD\'s words';
    is @$saw, 0, 'nothing went upstream';

    ($r, $saw) = upstream_saw(
        sub { $s->get('/api/v1/projects/../clusters', token => $tok{alice}) });
    is $r->{status}, 400, 'P03: not canonical';
    is @$saw, 0, 'nothing went upstream';

    my $raw;
    ($raw, $saw) = upstream_saw(sub { $s->raw(
        "GET http://evil.example/api/v1/clusters HTTP/1.1\r\nHost: good\r\n"
        . "Authorization: Bearer $tok{alice}\r\nConnection: close\r\n\r\n") });
    like $raw, qr{^HTTP/1\.1 400 }, 'P09: absolute form';
    is @$saw, 0, 'nothing went upstream';
};

subtest 'what goes upstream' => sub {
    my ($r, $saw) = upstream_saw(sub { $s->get('/api/v1/clusters?utm=1',
        token => $tok{alice}, header => [
            'Grpc-Metadata-Token' => $tok{ops}, 'Cookie' => 'a=b',
            'X-HTTP-Method-Override' => 'DELETE', 'X-Kept' => 'yes',
            'X-Forwarded-For' => '1.2.3.4', 'X-Kept-Too' => '',
            'Connection' => 'X-Hop', 'X-Hop' => '1',
            map { ("X-Many-$_" => $_) } 1 .. 50 ]) });
    my $h = $saw->[0]{header};
    is $saw->[0]{target}, '/api/v1/clusters?utm=1', 'the target as received';
    is $h->{authorization}, "Bearer $tok{alice}", 'the credential';
    is $h->{'grpc-metadata-token'}, undef, 'C01: metadata is stripped';
    is $h->{'x-http-method-override'}, undef, 'and overrides';
    is $h->{'x-kept'}, 'yes', 'other headers pass';
    is $h->{cookie}, 'a=b', 'and cookies';
    is $h->{'x-forwarded-for'}, '127.0.0.1', 'our own X-Forwarded-For';
    is $h->{'x-hop'}, undef, 'what Connection names is stripped';
    is_deeply [map { $h->{"x-many-$_"} } 1 .. 50], [1 .. 50],
        'a list of several parts stays whole';

    for my $t ('/api/v1/clusters/https%3A%2F%2Fkubernetes.default.svc',
        '/api/v1/applications?projects=teama&projects=teamb')
    {
        (undef, $saw) = upstream_saw(sub { $s->get($t, token => $tok{ops}) });
        is $saw->[0]{target}, $t, "byte for byte: $t";
    }
};

subtest 'bodies' => sub {
    my $body = '{"metadata":{"name":"n1"},"spec":{"project":"teama"}}';
    my ($r, $saw) = upstream_saw(sub {
        $s->post('/api/v1/applications', $body, token => $tok{ops}) });
    is $r->{status}, 200, 'a body that is read for the decision';
    is $saw->[0]{body}, $body, 'goes on unchanged';

    # beyond client_body_buffer_size: read back from a file
    my $large = '{"metadata":{"name":"n1","annotations":{"x":"' . 'y' x 100_000
        . '"}},"spec":{"project":"teama"}}';
    ($r, $saw) = upstream_saw(sub {
        $s->post('/api/v1/applications', $large, token => $tok{ops}) });
    is $r->{status}, 200, 'a body that nginx puts into a file';
    ok $saw->[0]{body} eq $large, 'goes on unchanged';
    ok $r->{body} eq $large, 'and comes back';

    my $huge = '{"a":"' . 'z' x 3_000_000 . '"}';
    ($r, $saw) = upstream_saw(sub {
        $s->post('/api/v1/applications', $huge, token => $tok{ops}) });
    is $r->{status}, 200, 'a body over argo_edge_max_body';
    ok $saw->[0]{body} eq $huge, 'goes on unread';

    my $chunked = "POST /api/v1/applications HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer $tok{ops}\r\n"
        . "Content-Type: application/json\r\nConnection: close\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n"
        . join('', map { sprintf "%x\r\n%s\r\n", length, $_ }
            $body =~ /(.{1,7})/g) . "0\r\n\r\n";
    ($r, $saw) = upstream_saw(
        sub { ArgoEdge::Server::parse($s->raw($chunked, quiet => 5)) });
    is $r->{status}, 200, 'a chunked body';
    is $saw->[0]{body}, $body, 'goes on';
};

subtest 'a refused body is not the next request' => sub {
    my $evil = "GET /api/v1/evil HTTP/1.1\r\nHost: x\r\n\r\n";
    my ($raw, $saw) = upstream_saw(sub { $s->raw(
        "PUT /api/v1/applications/a1 HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer garbage\r\n"
        . "Content-Type: application/json\r\n"
        . 'Content-Length: ' . length($evil) . "\r\n\r\n$evil"
        . "GET /api/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        quiet => 10) });
    my @status = $raw =~ m{HTTP/1\.1 (\d+)}g;
    is_deeply \@status, [401, 200], 'two requests, two answers';
    is_deeply [map { $_->{target} } @$saw], ['/api/version'],
        'the body never became a request';
};

subtest 'only whole answers are stored' => sub {
    for (1 .. 2) {
        my ($r, $saw) = upstream_saw(
            sub { $s->get('/api/v1/projects', token => $tok{alice}) });
        is @$saw, 1, 'K07: a short body goes upstream each time';
    }
    for my $n (1, 0) {
        my ($r, $saw) = upstream_saw(
            sub { $s->get('/api/v1/repositories', token => $tok{ops}) });
        ok $r->{body} eq $big, 'a body of many buffers, byte for byte';
        is @$saw, $n, $n ? 'from the upstream' : 'from the cache';
    }
    my ($r, $saw) = upstream_saw(
        sub { $s->get('/api/v1/applications/acc', token => $tok{alice}) });
    is $r->{status}, 200, 'R29: X-Accel-Redirect is ignored';
};

subtest 'a write ends what was stored' => sub {
    $s->get('/api/v1/applications/a1', token => $tok{alice});
    is $s->request(DELETE => '/api/v1/applications/a1', token => $tok{ops},
        header => ['Content-Type' => 'application/json'])->{status}, 200,
        'deleted';
    my ($r, $saw) = upstream_saw(
        sub { $s->get('/api/v1/applications/a1', token => $tok{alice}) });
    is @$saw, 1, 'K11: asked again';
};

subtest 'an event stream is not held back' => sub {
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $s->port);
    my $start = time;
    print $sock "GET /api/v1/stream/applications HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer $tok{alice}\r\nConnection: close\r\n\r\n";
    my ($buf, $sel) = ('', IO::Select->new($sock));
    while ($buf !~ /"n":1/ && $sel->can_read(10)) {
        sysread $sock, $buf, 4096, length $buf or last;
    }
    like $buf, qr/"n":1/, 'the first event is here';
    cmp_ok time - $start, '<', 2, 'before the second is sent';
    while ($sel->can_read(10)) {
        sysread $sock, $buf, 4096, length $buf or last;
    }
    like $buf, qr/"n":2/, 'the second follows';
};

subtest 'a terminal' => sub {
    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $s->port);
    print $sock "GET /terminal?pod=p&container=c&appName=a1"
        . "&appNamespace=argocd&projectName=teama&namespace=default"
        . " HTTP/1.1\r\nHost: x\r\nCookie: argocd.token=$tok{ops}\r\n"
        . "Upgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n";
    my ($buf, $sel) = ('', IO::Select->new($sock));
    while ($buf !~ /\r\n\r\n/ && $sel->can_read(5)) {
        sysread $sock, $buf, 4096, length $buf or last;
    }
    like $buf, qr{^HTTP/1\.1 101 }, 'switches';
    syswrite $sock, 'bye';
    while ($buf !~ /echo:bye/ && $sel->can_read(5)) {
        sysread $sock, $buf, 4096, length $buf or last;
    }
    like $buf, qr/echo:bye/, 'and talks';

    my ($raw, $saw) = upstream_saw(sub { $s->raw(
        "GET /api/v1/clusters HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: Bearer $tok{ops}\r\nUpgrade: websocket\r\n"
        . "Connection: Upgrade\r\n\r\n", quiet => 1) });
    is $_->{header}{upgrade}, undef, 'Upgrade goes nowhere else' for @$saw;
};

subtest 'shadow and off change nothing' => sub {
    my ($r, $saw) = upstream_saw(sub { $s->get('/shadow/api/v1/clusters',
        header => ['Grpc-Metadata-X' => 'y']) });
    is $r->{status}, 200, 'shadow passes what we would refuse';
    is $saw->[0]{header}{'grpc-metadata-x'}, 'y', 'headers and all';
    is $r->{header}{'cache-control'}, undef, 'and adds none';
    is $s->get('/off/')->{body}, 'off', 'off';
};

subtest 'HTTP/2' => sub {
    my $curl = `curl --version 2>/dev/null`;
    plan skip_all => 'curl without HTTP/2' if $curl !~ /HTTP2/;
    my $url = 'http://127.0.0.1:' . $s->port2;
    my $out = `curl -s --http2-prior-knowledge -w ' %{http_code}' \\
        -H 'Authorization: Bearer $tok{alice}' $url/api/v1/clusters`;
    is $out, "$clusters 200", 'forwarded or cached';
    $out = `curl -s --http2-prior-knowledge -w ' %{http_code}' -o /dev/null \\
        $url/api/v1/clusters`;
    is $out, ' 401', 'refused';
    my ($r, $saw) = upstream_saw(sub {
        `curl -s --http2-prior-knowledge -H 'Content-Type: application/json' \\
        -H 'Authorization: Bearer $tok{ops}' -d '{"metadata":{"name":"q"}}' \\
        $url/api/v1/applications` });
    is $r, '{"metadata":{"name":"q"}}', 'a body';
};

subtest 'reload under load' => sub {
    my ($ok, $bad) = (0, 0);
    pipe my $rd, my $wr;
    my $pid = fork;
    if (!$pid) {
        my $until = time + 4;
        while (time < $until) {
            my $r = $s->get('/api/v1/clusters', token => $tok{alice});
            $r->{status} == 200 && $r->{body} eq $clusters ? $ok++ : $bad++;
        }
        syswrite $wr, "$ok $bad";
        require POSIX;
        POSIX::_exit(0);
    }
    close $wr;
    for (1 .. 6) {
        ok $s->reload, 'reloaded';
        sleep 0.4;
    }
    waitpid $pid, 0;
    ($ok, $bad) = split / /, <$rd>;
    cmp_ok $ok, '>', 10, "$ok requests";
    is $bad, 0, 'F26: none failed';

    $in->put('argocd-rbac-cm/policy.csv', "g, alice\n");
    ok $s->reload, 'a bad policy';
    like $s->error_log, qr/\[emerg\].*policy\.csv:1/, 'is named with its line';
    is $s->get('/api/v1/clusters', token => $tok{alice})->{status}, 200,
        'and the old configuration stays';
};

subtest 'nginx -t' => sub {
    my $t = ArgoEdge::Server->new(inputs => $in->dir, cache => 1,
        upstream => $up->port);
    my ($rc, $out) = $t->test_conf;
    isnt $rc, 0, 'a bad policy fails the test';
    like $out, qr/policy\.csv:1/, 'with file and line';
    opendir my $d, $t->dir . '/cache';
    is_deeply [grep { !/^\./ } readdir $d], [], 'and touches no cache';

    $t = ArgoEdge::Server->new(upstream => $up->port, mode => 'maybe');
    ($rc, $out) = $t->test_conf;
    isnt $rc, 0, 'a bad argument, too';
    like $out, qr{\[emerg\].*"argo_edge".* in .*/conf:\d+}, 'with the line';
};

subtest 'logs' => sub {
    my $log = $s->access_log;
    my $want = 'GET /api/v1/applications/a1 200 decision=allow .*'
        . 'subject=alice .*operation=ApplicationService_Get .*cache=hit';
    like $log, qr/$want/, 'variables';
    like $log, qr{GET /off/ 200 decision=- }, 'not found where off';
    unlike $log . $s->error_log, qr/\Q$tok{alice}\E/, 'T20: no token';
};

$s->stop;
is join('', grep { !/policy\.csv:1/ } split /^/, $s->trouble), '',
    'no worker broke';

subtest 'master_process off' => sub {
    $in->put('argocd-rbac-cm/policy.csv', "g, alice, role:readonly\n");
    my $t = ArgoEdge::Server->new(inputs => $in->dir, cache => 1,
        upstream => $up->port, conf => { main => 'master_process off;' });
    $t->start;
    is $t->get('/api/v1/clusters', token => $tok{alice})->{status}, 200,
        'works';
    is $t->get('/api/v1/clusters')->{status}, 401, 'and refuses';
    $t->stop;
    is $t->trouble, '', 'and ends well';
};

$up->stop;
done_testing;
