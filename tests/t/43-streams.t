#!/usr/bin/perl
# Streams end with what let them begin (R25): the token's end, its revocation,
# a refusal of it by Argo CD, the policy; and with nothing else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use IO::Select;
use Test::More;
use Time::HiRes qw(time);

my $EVENTS = '/api/v1/stream/applications';
my $LOGS = '/api/v1/applications/a1/logs?project=teama';
my $GONE = ArgoEdge::Upstream::answer(401, '{"error":"invalid session: gone",'
    . '"code":16,"message":"invalid session: gone"}');

my $TERMINAL = '/terminal?pod=p&container=c&appName=a1&appNamespace=argocd'
    . '&projectName=teama&namespace=default';

sub terminal { # a tunnel
    my ($w, $who) = @_;
    my $s = $w->server->connect;
    print $s "GET $TERMINAL HTTP/1.1\r\nHost: x\r\nCookie: argocd.token="
        . $w->token($who) . "\r\nUpgrade: websocket\r\n"
        . "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        . "Sec-WebSocket-Key: eA==\r\n\r\n";
    return $s;
}

sub opened { # a stream of |who|
    my ($w, $who, $target) = @_;
    my $s = $w->server->connect;
    my $token = $w->token($who) // $who;
    print $s "GET $target HTTP/1.1\r\nHost: argocd.example.com\r\n"
        . "Authorization: Bearer $token\r\n\r\n";
    return $s;
}

sub flows { # what comes next, '' at the end, undef if nothing does
    my ($s, $seconds) = @_;
    return if !IO::Select->new($s)->can_read($seconds // 5);
    sysread($s, my $buf, 65536);
    return $buf // '';
}

sub ends {
    my ($s, $seconds) = @_;
    my $end = time + $seconds * ($ENV{AE_ASAN} ? 3 : 1);
    my $all = '';
    while (time < $end) {
        my $got = flows($s, 1) // next;
        return $all !~ /\n0\r\n\r\n\z/ if $got eq ''; # broken off, not ended
        $all .= $got;
    }
    return 0;
}

sub drained { # all that is there now
    my ($s) = @_;
    while (IO::Select->new($s)->can_read(0)) {
        sysread($s, my $buf, 65536) or return 0;
    }
    return length(flows($s) // '') > 0;
}

my @kinds = kinds();
plan skip_all => 'no server with a module is built' if !@kinds;
for my $kind (@kinds) {
    subtest $kind => sub {
        my $w = ArgoEdge::Scenario::world($kind);
        $w->says("GET $EVENTS" => { stream => 40 },
            "GET $LOGS" => { stream => 40 }, "GET $TERMINAL" => { stream => 40,
                raw => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket"
                    . "\r\nConnection: Upgrade\r\n\r\n" });
        $w->server->start;
        my $short = jwt(undef, { iss => 'argocd', sub => 'admin:login',
            iat => time - 60, nbf => time - 60, jti => 'short',
            exp => int(time) + 4 });
        my %s = (events => opened($w, 'alice', $EVENTS),
            logs => opened($w, 'alice', $LOGS),
            short => opened($w, $short, $EVENTS),
            bob => opened($w, 'bob', $EVENTS));
        like flows($s{$_}), qr{^HTTP/1.1 200}, "$_ begins" for sort keys %s;
        ok ends($s{short}, 10), 'it ends with its token';
        ok drained($s{$_}), "$_ goes on" for qw(events logs bob);

        $w->in->put('argocd-cm/unrelated', 'x');
        $w->in->put('argocd-rbac-cm/policy.csv',
            "p, bob, applications, get, teamb/*, allow\n");
        ok ends($s{logs}, 10), 'logs end when the policy takes them away';
        ok drained($s{$_}), "$_ goes on: Argo CD judges each event"
            for qw(events bob);

        $w->in->put('argocd-secret/accounts.bob.tokens', '[]');
        ok ends($s{bob}, 10), 'it ends when the token is deleted';
        ok drained($s{events}), 'another goes on';

        $w->says('GET /api/v1/projects' => $GONE);
        $w->ask(alice => 'GET /api/v1/projects');
        ok ends($s{events}, 10), 'and when Argo CD refuses the token';
        if ($kind eq 'nginx') {
            my $t = terminal($w, 'admin');
            like flows($t), qr{^HTTP/1.1 101}, 'a terminal';
            ok drained($t), 'it goes on';
            $w->in->put('argocd-secret/admin.passwordMtime',
                '2099-01-01T00:00:00Z');
            ok ends($t, 10), 'until the password is changed';
        }
        like $w->server->error_log, qr/stream broken off/, 'the log says so'
            if $kind eq 'httpd' || $w->server->error_log =~ /\[info\]/;
        $w->server->stop;
        $w->up->stop;
        is $w->server->trouble, '', 'no worker broke';
    };
}
done_testing;
