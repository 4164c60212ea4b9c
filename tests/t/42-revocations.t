#!/usr/bin/perl
# Argo CD's own list of revoked tokens, followed by the agent in a real Redis:
# a key for each, a word on a channel when one comes, read anew now and then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Daemons qw(redis_server);
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use IO::Socket::INET;
use Test::More;

plan skip_all => 'no redis-server' if !redis_server();
my @kinds = kinds();
plan skip_all => 'no server with a module is built' if !@kinds;

my $A1 = 'GET /api/v1/applications/a1';
my $REVOKED = 'invalid session: token is revoked, please re-login';
my $daemons = ArgoEdge::Daemons->new;
my $port = ArgoEdge::Server::free_port();

sub ended { return $daemons->ended(@_) }
sub log_of { return $daemons->log_of(@_) }

sub redis {
    $daemons->redis('--port', $port, '--bind', '127.0.0.1');
    return until_true(sub { redis_says('PING') eq '+PONG' }, 20);
}

# One command, as RESP; the first line of the answer.
sub redis_says {
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or return '';
    for my $c (['AUTH', 'secret'], [@_]) {
        print $s '*' . @$c . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" }
            @$c;
    }
    my ($auth, $line) = (scalar <$s>, scalar <$s>);
    return ($line // '') =~ s/\r\n//r;
}

# As Argo CD does it at a logout.
sub revoke {
    my ($id, %how) = @_;
    redis_says('SET', "revoked-token|$id", '', 'EX', 3600);
    redis_says('PUBLISH', 'new-revoked-token', $id) if !$how{quietly};
}

sub agent {
    my ($w) = @_;
    $daemons->agent($w, '--argocd-redis-password-file', '--argocd-redis',
        "redis://127.0.0.1:$port");
    return;
}

sub knows { # how often it has read the list after a silence
    my ($w, $n) = @_;
    return until_true(sub {
        (() = log_of($w->{name}) =~ /revocations: \d+ on/g) >= $n }, 20);
}

sub metric {
    my ($w, $what) = @_;
    my $m = $w->server->get('/m')->{body};
    return $m =~ /^argo_edge_\Q$what\E (\d+)$/m ? $1 : 'none';
}

sub refused {
    my ($w, $who, $say) = @_;
    ok until_true(sub { my ($r) = $w->ask($who => $A1);
        $r->{status} == 401 }, 10), "$say: refused";
    my ($r, $saw) = $w->ask($who => $A1);
    is $r->{body}, qq({"error":"$REVOKED","code":16,"message":"$REVOKED"}),
        'in the words of Argo CD';
    is scalar @$saw, 0, 'nobody else was asked';
}

ok redis(), 'Redis runs' or BAIL_OUT(log_of('redis'));
my @world;
for my $kind (@kinds) {
    my $zone = $daemons->zone("ae-revoked-$$-$kind");
    my $w = ArgoEdge::Scenario::world($kind, settings => { zone => $zone,
        dead_token => '1s' }, server => {
        conf => { locations => 'location = /m { argo_edge_metrics on; }' },
        httpd => { locations =>
            "<Location \"/m\">\nArgoEdgeMetrics On\n</Location>\n" } });
    @$w{qw(name zone)} = ("agent-$kind", $zone);
    $w->server->start;
    for my $who (qw(alice ci admin)) {
        ok until_true(sub { $w->outcome($who => $A1) eq 'HIT' }),
            "$kind: a hit for $who";
    }
    is metric($w, 'revocations_up'), 'none', 'no word of a list';
    agent($w);
    ok knows($w, 1), 'the agent has read it' or diag log_of($w->{name});
    ok until_true(sub { metric($w, 'revocations_up') eq '1' }), 'and says so';
    push @world, $w;
}

for my $w (@world) {
    subtest "$w->{kind}: one logs out elsewhere" => sub {
        revoke('alice-1') if $w == $world[0];
        refused($w, 'alice', 'the token');
        is metric($w, 'revocations'), 1, 'one on the list';
        cmp_ok metric($w, 'jwt_rejected_total{token_kind="apikey",'
            . 'reason="revoked"}'), '>=', 1, 'counted';
        is $w->outcome(alice => 'GET /api/v1/session/userinfo'), 'PASS',
            'what needs no token is Argo CD\'s to answer';
        is $w->outcome(admin => $A1), 'HIT', 'another is served';
        my ($rc, $out) = edge_cli('token', 'verify', $w->token('alice'),
            '--inputs', $w->in->dir, '--zone', $w->{zone});
        like $out, qr/^  revocation  refused .*^refused: token is revoked/ms,
            'token verify knows it, too';
    };
}
for my $w (@world) {
    subtest "$w->{kind}: tokens of projects are not asked for" => sub {
        revoke('ci-1') if $w == $world[0];
        ok until_true(sub { metric($w, 'revocations') == 2 }), 'on the list';
        is $w->outcome(ci => $A1), 'HIT', 'as in Argo CD';
    };
}
subtest 'Redis is away' => sub {
    ended('redis');
    for my $w (@world) {
        ok until_true(sub { log_of($w->{name}) =~ /Redis is away/ }),
            "$w->{kind}: the agent notices";
        ok until_true(sub { metric($w, 'revocations_up') eq '0' }),
            'and says so';
        is $w->outcome(admin => $A1), 'HIT', 'requests go on';
        is $w->outcome(alice => $A1), 401, 'what is known stays';
    }
};
subtest 'it comes back with another list' => sub {
    ok redis(), 'back';
    revoke('admin-1', quietly => 1);
    for my $w (@world) {
        ok knows($w, 2), "$w->{kind}: it was read anew";
        refused($w, 'admin', 'one that was only found');
        # what was heard of stays for one more reading, as in Argo CD
        ok until_true(sub { $w->outcome(alice => $A1) =~ /HIT|PASS/ }, 20),
            'and what is not on it is free again';
    }
};
# F38
subtest 'the agent hangs and dies' => sub {
    for my $w (@world) {
        kill 'STOP', $daemons->pid($w->{name});
        is $w->outcome(ci => $A1), 'HIT', "$w->{kind}: nobody waits for it";
        ended($w->{name}, 'KILL');
        is $w->outcome(ci => $A1), 'HIT', 'nor misses it';
        agent($w);
        ok knows($w, 3), 'a new one takes over';
        is $w->outcome(admin => $A1), 401, 'and knows what the other knew';
        kill 'USR1', $daemons->pid($w->{name});
        ok until_true(sub { log_of($w->{name})
            =~ /agent: well: revocations: 1, read/ }), 'health on demand';
        is ended($w->{name}), 0, 'a clean end';
    }
};
for my $w (@world) {
    $w->server->stop;
    $w->up->stop;
    is $w->server->trouble, '', "$w->{kind}: no worker broke";
}
done_testing;
