#!/usr/bin/perl
# Tokens of an OpenID provider on real servers: keys fetched by sub-request,
# rotation, faults, and how often the provider is asked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Inputs;
use ArgoEdge::Provider;
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use MIME::Base64 qw(encode_base64url);
use Test::More;

my $CAN = '/api/v1/account/can-i/applications/get/teama/a1';
my $GET = '/api/v1/applications/a1';
my $REFUSED = '{"error":"invalid session: failed to verify the token",'
    . '"code":16,"message":"invalid session: failed to verify the token"}';
my $POLICY = "p, role:dev, applications, get, teama/*, allow\n"
    . "g, eng, role:dev\n";
my $n = 0;

# A provider, an Argo CD and a server between them.
sub place {
    my ($kind, %arg) = @_;
    my $idp = ArgoEdge::Provider->new->start;
    my $in = ArgoEdge::Inputs->new(policy => $POLICY, projects => ['teama'],
        cm => { 'oidc.config' => $idp->config($arg{config}) });
    my $up = ArgoEdge::Upstream->new(answers => {
        "GET $GET" => ArgoEdge::Upstream::answer(200, app('teama', 'a1')),
        "GET $CAN" => ArgoEdge::Upstream::answer(200, '{"value":"argo"}'),
        'GET /auth/logout' => ArgoEdge::Upstream::answer(303, ''),
    })->start;
    my $to = 'http://127.0.0.1:' . $idp->port;
    my $well = "$to/.well-known/openid-configuration";
    my $wait = $arg{wait} // 1;
    my $timeouts = "proxy_connect_timeout ${wait}s; "
        . "proxy_read_timeout ${wait}s;";
    my $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
        upstream => $arg{port} || $up->port, cache => 1,
        workers => $arg{workers} || 1,
        directives => 'argo_edge_oidc /.edge/discovery /.edge/keys;'
            . 'argo_edge_ttl applications=1h; argo_edge_lease 1h;'
            . ($arg{zone} ? "argo_edge_zone $arg{zone}:4m;" : ''),
        conf => { locations =>
            "location = /m { argo_edge_metrics on; }\n"
            . "location = /.edge/discovery { internal; $timeouts "
            . "proxy_pass $well; }\n"
            . "location = /.edge/keys { internal; $timeouts "
            . "subrequest_output_buffer_size 256k; proxy_pass $to/keys; }" },
        httpd => { locations =>
            "<Location \"/m\">\nArgoEdgeMetrics On\n</Location>\n"
            . "ProxyPass /.edge/discovery $well timeout=$wait\n"
            . "ProxyPass /.edge/keys $to/keys timeout=$wait\n" })->start;
    return { kind => $kind, idp => $idp, in => $in, up => $up, s => $s };
}

sub asks { # can-i; 'yes' and 'no' are ours, 'argo' is the upstream's
    my ($p, $token) = @_;
    my $r = $p->{s}->get($CAN, token => $token);
    return $r->{body} =~ /^\{"value":"(\w+)"\}$/ ? $1 : $r->{status};
}

sub fetched {
    my ($p, $want, $say) = @_;
    is_deeply $p->{idp}->fetches, { discovery => $want, keys => $want }, $say;
}

sub counted {
    my ($p, $what) = @_;
    my $m = $p->{s}->get('/m')->{body};
    return $m =~ /^argo_edge_\Q$what\E (\d+)$/m ? $1 : 0;
}

sub serves {
    my ($p) = @_;
    my $idp = $p->{idp};
    my $alice = $idp->token({ sub => 'alice', groups => ['eng'] });
    is asks($p, $alice), 'yes', 'the group decides';
    fetched($p, 1, 'one fetch of each document');
    my @asked = grep { $_->{header}{authorization} || $_->{header}{cookie} }
        @{ $idp->requests };
    is scalar @asked, 0, 'without any credential';
    is asks($p, $idp->token({ sub => 'bob', groups => ['x'] })), 'no',
        'and the lack of it';
    is asks($p, $idp->token({ sub => 'carol' }, named => undef)), 'no',
        'a token without kid';
    fetched($p, 1, 'no more');
    is $p->{up}->hits, 0, 'Argo CD was not asked';

    for my $want (1, 1, 1) {
        my $r = $p->{s}->get($GET, token => $alice);
        is $r->{body}, app('teama', 'a1'), 'an application';
        is $p->{up}->hits, $want, 'from the cache';
    }
    my $r = $p->{s}->get($GET, token =>
        $idp->token({ sub => 'alice', groups => [] }));
    is $r->{status}, 403, 'not for another set of groups';
}

sub refuses {
    my ($p) = @_;
    my $idp = $p->{idp};
    my $good = $idp->token({ sub => 'alice', groups => ['eng'] });
    $p->{up}->forget;
    my %bad = (
        'another audience' => $idp->token({ aud => 'x' }),
        'another issuer' => $idp->token({ iss => 'https://x' }),
        'another key of that name' => $idp->token({}, kid => 'b',
            named => 'a'),
        'no signature' => ($good =~ s/\.[^.]*$/./r),
        'a subject of a wrong type' => $idp->token({ sub => 5 }),
    );
    for my $what (sort keys %bad) {
        my $r = $p->{s}->get($CAN, token => $bad{$what});
        is $r->{status}, 401, "$what: refused";
        is $r->{body}, $REFUSED, 'in the words of Argo CD';
    }
    is counted($p, 'jwt_rejected_total{token_kind="oidc",reason="' . $_->[0]
        . '"}'), $_->[1], "counted as $_->[0]" for [audience => 1],
        [issuer => 1], [signature => 2], [claims => 1];
    is counted($p, 'jwks_refresh_total{issuer="' . $idp->issuer
        . '",result="success"}'), 1, 'and the fetch of the keys';
    my $r = $p->{s}->get($CAN, token => $idp->token({ sub => 'role:admin' }));
    is $r->{status}, 401, 'no subject that looks like a role';
    is $p->{up}->hits, 0, 'nobody was asked';
}

sub passes_on {
    my ($p) = @_;
    my $idp = $p->{idp};
    my %unsure = (
        'an expired token' => $idp->token({ exp => time - 10 }),
        'one that is not valid yet' => $idp->token({ nbf => time + 200 }),
        'an unknown key' => $idp->token({}, kid => 'new'),
    );
    for my $what (sort keys %unsure) {
        is asks($p, $unsure{$what}), 'argo', "$what: Argo CD decides";
        my $before = $p->{up}->hits;
        $p->{s}->get($GET, token => $unsure{$what}) for 1, 2;
        is $p->{up}->hits, $before + 2, 'and nothing is cached';
    }
    fetched($p, 1, 'none of them asked the provider within 30 s');
}

sub logs_out {
    my ($p) = @_;
    my $idp = $p->{idp};
    my $who = { sub => 'alice', groups => ['eng'], jti => 'session-1' };
    my $token = $idp->token($who);
    is asks($p, $token), 'yes', 'before';
    my $revoked = 'invalid session: token is revoked, please re-login';
    $p->{up}->answer_with("GET $CAN" => ArgoEdge::Upstream::answer(401,
        qq({"error":"$revoked","code":16,"message":"$revoked"})));
    $p->{s}->get('/auth/logout', header => [ Cookie =>
        "argocd.token=$token" ]);
    is asks($p, $token), 401, 'after the logout Argo CD decides';
    is asks($p, $idp->token({ %$who, sub => 'x' })), 401,
        'whoever comes with that id';
    is asks($p, $idp->token({ %$who, jti => 'session-2' })), 'yes',
        'another session lives on';
    $p->{up}->answer_with("GET $CAN" => ArgoEdge::Upstream::answer(200,
        '{"value":"argo"}'));
    my $again = $idp->token({ %$who, sub => 'y' });
    is asks($p, $again), 'argo', 'if Argo CD takes it after all';
    is asks($p, $again), 'yes', 'so do we';
}

sub rotates {
    my ($p) = @_;
    my $idp = $p->{idp};
    my $old = $idp->token({ sub => 'dora', groups => ['eng'] });
    my $new = $idp->token({ sub => 'emma', groups => ['eng'] },
        kid => 'new');
    my $none = $idp->token({ sub => 'emma' }, kid => 'nowhere');
    $idp->serve(keys => ['new']);
    ok until_true(sub { asks($p, $new) eq 'yes' }, 40),
        'the new key is found when its turn comes';
    fetched($p, 2, 'by one fetch');
    is asks($p, $old), 'argo', 'a withdrawn key is for Argo CD to judge';
    is asks($p, $none), 'argo', 'and a key that is nowhere, so soon';
    return;
}

# 10,000 tokens with random kids (J14, F15).  Behind nginx Argo CD is away:
# what is passed on ends in 502 at once.
sub storms {
    my ($kind) = @_;
    my $zone = "/dev/shm/ae-test-$$-" . ++$n;
    my $passed = $kind eq 'nginx' ? 502 : 200;
    my $p = place($kind, workers => 2, zone => $zone, $kind eq 'nginx'
        ? (port => ArgoEdge::Server::free_port()) : ());
    my $good = $p->{idp}->token({ sub => 'alice', groups => ['eng'] });
    ok until_true(sub { asks($p, $good) eq 'yes' }), 'a user comes in';
    my $begin = time;
    my $body = encode_base64url('{"iss":"' . $p->{idp}->issuer
        . '","aud":"argo-client","sub":"x","exp":4102444800}');
    my %seen;
    for my $round (1 .. 100) {
        my $sock = $p->{s}->connect;
        my $got = '';
        for my $i (1 .. 100) {
            my $head = encode_base64url(
                qq({"alg":"RS256","kid":"k$round-$i"}));
            print $sock "GET $CAN HTTP/1.1\r\nHost: x\r\n"
                . ($i == 100 ? "Connection: close\r\n" : '')
                . "Authorization: Bearer $head.$body."
                . ('A' x 342) . "\r\n\r\n";
            if ($i % 20 == 0 || $i == 100) {
                my $want = $i == 100 ? 1e9 : 1;
                while (IO::Select->new($sock)->can_read($i == 100 ? 10 : 0)) {
                    sysread($sock, $got, 65536, length $got) or last;
                }
            }
        }
        $seen{$_}++ for $got =~ m{HTTP/1\.1 (\d+) }g;
    }
    my $turns = 1 + int((time - $begin + 5) / 30);
    cmp_ok $seen{$passed} // 0, '>', 9900, 'passed on'
        or diag explain \%seen;
    is join(' ', grep { $_ != $passed && $_ != 401 } keys %seen), '',
        'or refused';
    cmp_ok $p->{idp}->fetches->{keys}, '<=', $turns,
        "at most one fetch in 30 s ($turns)";
    is asks($p, $good), 'yes', 'the user did not notice';
    $p->{s}->stop;
    is $p->{s}->trouble, '', 'no trouble';
    unlink $zone;
}

# F13, F16: what is wrong with the provider is never the users' loss.
sub suffers {
    my ($kind) = @_;
    my %fault = (
        'no documents' => { discovery =>
            ArgoEdge::Upstream::answer(404, 'no') },
        'a redirect' => { keys => ArgoEdge::Upstream::answer(302, '',
            Location => 'http://127.0.0.1:1/') },
        'a huge key set' => { keys => ArgoEdge::Upstream::answer(200,
            '{"keys":[],"x":"' . ('x' x 300_000) . '"}') },
        'another issuer' => { discovery => ArgoEdge::Upstream::answer(200,
            '{"issuer":"http://x","jwks_uri":"http://x/"}') },
        'keys on another host' => 'host',
    );
    for my $what (sort keys %fault) {
        my $p = place($kind);
        my $raw = $fault{$what};
        $raw = { discovery => ArgoEdge::Upstream::answer(200,
            '{"issuer":"' . $p->{idp}->issuer
            . '","jwks_uri":"http://elsewhere/keys"}') } if !ref $raw;
        $p->{idp}->answer(%$raw);
        my $token = $p->{idp}->token({ sub => 'alice', groups => ['eng'] });
        is asks($p, $token), 'argo', "$what: Argo CD decides";
        is asks($p, $token), 'argo', 'again';
        is $p->{idp}->fetches->{discovery}, 1, 'the provider is let alone';
        like $p->{s}->error_log, qr/keys of the SSO provider not fetched/,
            'and the log says why';
        $p->{s}->stop;
    }
}

# F17: a provider that hangs keeps the one request that asks it, and no worker:
# all others are answered before that one is.
sub hangs {
    my ($kind) = @_;
    my $p = place($kind, wait => 20);
    my ($idp, $s) = @$p{qw(idp s)};
    my $token = $idp->token({ sub => 'alice', groups => ['eng'] });
    my $sso = $idp->token({ sub => 'bob' });
    kill 'STOP', -$idp->{up}{pid};
    my $sock = $s->connect;
    print $sock "GET $CAN HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Authorization: Bearer $token\r\n\r\n";
    ok !IO::Select->new($sock)->can_read(0.5), 'the first waits for keys';
    my %got;
    for (1 .. 20) {
        $got{ asks($p, $sso) }++;
        $got{ $s->get($CAN)->{status} }++;
    }
    is_deeply \%got, { argo => 20, 401 => 20 },
        'who comes after it is passed on, or refused, at once';
    ok !IO::Select->new($sock)->can_read(0), 'while it still waits';
    kill 'CONT', -$idp->{up}{pid};
    my $raw = '';
    while (IO::Select->new($sock)->can_read(20)) {
        sysread($sock, $raw, 65536, length $raw) or last;
    }
    like $raw, qr/"value":"yes"/, 'and goes on when the provider does';
    is asks($p, $sso), 'no', 'as all others do';
    $s->stop;
    is $s->trouble, '', 'no trouble';
}

# Files of the inputs: no fetch, and they are followed.
sub reads_files {
    my ($kind) = @_;
    my $p = place($kind);
    my $idp = $p->{idp};
    my $token = $idp->token({ sub => 'alice', groups => ['eng'] });
    $p->{in}->put('oidc/discovery.json', $idp->discovery);
    $p->{in}->put('oidc/jwks.json', $idp->jwks);
    ok until_true(sub { asks($p, $token) eq 'yes' }), 'the key is there';
    my $was = $idp->fetches;
    $idp->serve(keys => ['b']);
    $p->{in}->put('oidc/jwks.json', $idp->jwks);
    my $new = $idp->token({ sub => 'alice', groups => ['eng'] }, kid => 'b');
    ok until_true(sub { asks($p, $new) eq 'yes' }), 'another one';
    is asks($p, $token), 'argo', 'the old one is for Argo CD to judge';
    is_deeply $idp->fetches, $was, 'nothing was fetched for it';
    $p->{in}->put('oidc/jwks.json', '{"keys":[null]}');
    ok until_true(sub { asks($p, $new) eq 'argo' }),
        'an unusable set is none';
    $p->{s}->stop;
    is $p->{s}->trouble, '', 'no trouble';
}

my @kinds = kinds();
plan skip_all => 'no server with a module is built' if !@kinds;
my @place = map { place($_) } @kinds;
for my $p (@place) {
    subtest "$p->{kind}: by its keys" => sub { serves($p) };
    subtest "$p->{kind}: refused" => sub { refuses($p) };
    subtest "$p->{kind}: passed on" => sub { passes_on($p) };
    subtest "$p->{kind}: logout" => sub { logs_out($p) };
}
for my $kind (@kinds) {
    subtest "$kind: files" => sub { reads_files($kind) };
    subtest "$kind: faults" => sub { suffers($kind) };
    subtest "$kind: F17" => sub { hangs($kind) };
    subtest "$kind: 10,000 random kids" => sub { storms($kind) };
}
for my $p (@place) {
    subtest "$p->{kind}: rotation" => sub { rotates($p) };
    $p->{s}->stop;
    is $p->{s}->trouble, '', "$p->{kind}: no trouble";
}
done_testing;
