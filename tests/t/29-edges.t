#!/usr/bin/perl
# Several edges: `argo-edge agent` shares limits and invalidations through a
# real Redis.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build);
use ArgoEdge::Daemons qw(redis_server);
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use Digest::SHA qw(hmac_sha256_hex);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'no redis-server' if !redis_server();
my @kinds = kinds();
plan skip_all => 'no server with a module is built' if !@kinds;

my $A1 = 'GET /api/v1/applications/a1';
my $daemons = ArgoEdge::Daemons->new;
my $socket = $daemons->dir . '/redis.sock';

sub ended { return $daemons->ended(@_) }
sub log_of { return $daemons->log_of(@_) }

sub redis {
    unlink $socket;
    $daemons->redis('--port', 0, '--unixsocket', $socket, '--unixsocketperm',
        '777');
    return until_true(sub { IO::Socket::UNIX->new(Peer => $socket) }, 20);
}

# An edge: a server with a zone of its own, and its agent.
sub edge {
    my ($i, $kind, %set) = @_;
    my $zone = $daemons->zone("ae-edges-$$-$i");
    my $w = ArgoEdge::Scenario::world($kind, settings => {
        zone => $zone, %set });
    $w->{name} = "agent$i";
    $w->{zone} = $zone;
    $w->server->start;
    $w->ask(undef, 'GET /api/version'); # the zone is there
    agent($w);
    return $w;
}

sub agent {
    my ($w) = @_;
    $daemons->agent($w, '--redis-password-file', '--cache',
        $w->server->dir . '/cache', '--redis', "unix://$socket");
    return;
}

sub connected {
    my ($w, $n) = @_;
    return until_true(sub {
        (() = log_of($w->{name}) =~ /Redis is there/g) >= ($n // 1) }, 20);
}

ok redis(), 'Redis runs' or BAIL_OUT(log_of('redis'));
my ($rate, $burst) = (40, 20);
my @edge = map { edge($_, $kinds[$_ % @kinds],
    limit => "apikey rate=${rate}r/s burst=$burst", caching => 'off',
    login_limit => 'user=1r/h burst=4',
    webhook => 'signatures=on repeat=1m') } 0 .. 2;
ok connected($_), "$_->{name} reaches it" or diag log_of($_->{name})
    for @edge;

# AE_LIMIT_SECONDS=30 for a measurement
subtest 'one limit for three edges' => sub {
    my $for = $ENV{AE_LIMIT_SECONDS} || 5;
    my $start = time;
    my @pids = map { my $w = $_; my $pid = fork // die $!;
        if (!$pid) {
            while (time < $start + $for) {
                $w->server->get('/api/v1/applications/a1',
                    token => $w->token('alice'));
            }
            require POSIX;
            POSIX::_exit(0);
        }
        $pid } @edge;
    waitpid $_, 0 for @pids;
    my $took = time - $start;
    my ($passed, $all) = (0, 0);
    for my $w (@edge) {
        my $log = $w->server->access_log;
        $all += () = $log =~ m{applications/a1 }g;
        $passed += () = $log =~ m{applications/a1 .* limit=passed }g;
    }
    my $want = $rate * $took + $burst;
    # besides, what two edges admit in the last round, which is still owed
    cmp_ok $passed, '<=', $want * 1.05 + 2 * $rate * 0.15 + 2,
        "$passed of $all passed in $took s, $want are due";
    SKIP: {
        skip 'too slow to offer ten times the limit', 1
            if $all < 10 * $rate * $for;
        cmp_ok $passed, '>=', $want * 0.95 - 2, 'and not less';
    }
};

# What one edge has counted, the others know a moment later: anew with other
# names until it was long enough.
subtest 'logins and webhooks' => sub {
    my ($i, @json) = (0, 'Content-Type' => 'application/json');
    for my $w (@edge) {
        $w->says('POST /api/v1/session' => raw_answer(401, '{}'));
        $w->says('POST /api/webhook' => raw_answer(200, ''));
        $w->in->put('argocd-secret/webhook.github.secret', 'gh-secret');
        $w->server->own;
    }
    my $login = sub { $_[0]->outcome(undef, 'POST /api/v1/session',
        header => [@json], body => qq({"username":"u$i","password":"x"})) };
    ok until_true(sub {
        $i++;
        return if join(' ', map { $login->($edge[0]) } 1 .. 4) ne
            'PASS PASS PASS PASS';
        my @first = map { $login->($_) } @edge[1, 2];
        sleep 0.2 + $i / 10;
        return join(' ', @first, map { $login->($_) } @edge[1, 2])
            eq 'PASS PASS 429 429';
    }, 20), 'after four tries at one edge others know after the first';
    my $push = sub {
        my ($w, $key) = @_;
        my $body = qq({"ref":"refs/heads/main","before":"1","after":"$i",)
            . '"repository":{"html_url":"https://git.example/a"}}';
        return $w->outcome(undef, 'POST /api/webhook', body => $body,
            header => [ @json, 'X-GitHub-Event' => 'push',
                'X-Hub-Signature-256' => 'sha256='
                    . hmac_sha256_hex($body, $key) ]);
    };
    for my $w (@edge) {
        ok until_true(sub { $push->($w, 'x') eq 400 }), 'the secret is read';
    }
    ok until_true(sub {
        $i++;
        return if $push->($edge[0], 'gh-secret') ne 'PASS';
        sleep 0.2 + $i / 10;
        return $push->($edge[1], 'gh-secret') eq 'HIT'
            && $push->($edge[2], 'gh-secret') eq 'HIT';
    }, 20), 'a push through one edge is not passed on by another';
};

subtest 'Redis is away' => sub {
    ended('redis');
    ok until_true(sub { log_of($edge[0]{name}) =~ /Redis is away/ }),
        'the agent notices';
    for my $w (@edge) {
        my ($r) = $w->ask(nobody => 'GET /api/v1/projects');
        is $r->{status}, 200, 'requests go on';
    }
    my $n = 0;
    for (1 .. 60) {
        my ($r) = $edge[0]->ask(bob => 'GET /api/v1/applications/b1');
        $n++ if $r->{status} == 429;
    }
    cmp_ok $n, '>', 0, 'each edge has its own limit';
    ok redis(), 'Redis comes back';
    ok connected($_, 2), "$_->{name} is there again" for @edge;
};

subtest 'the agent is killed' => sub {
    my $w = $edge[0];
    ended($w->{name}, 'KILL');
    my ($r) = $w->ask(nobody => 'GET /api/v1/projects');
    is $r->{status}, 200, 'nobody waits for it';
    agent($w);
    ok connected($w, 3), 'a new one takes over';
};

for my $w (@edge) {
    is ended($w->{name}), 0, "$w->{name} ends when told";
    $w->server->stop;
    $w->up->stop;
    is $w->server->trouble, '', 'no worker broke';
}

subtest 'a write through one edge reaches all' => sub {
    my @e = map { edge("c$_", $kinds[$_ % @kinds], quarantine => '1ms') }
        0 .. 1;
    ok connected($_), "$_->{name} reaches Redis" for @e;
    for my $w (@e) {
        ok until_true(sub {
            $w->ask(alice => 'GET /api/v1/projects');
            $w->outcome(alice => $A1) eq 'HIT' }), 'cached at both';
    }
    $e[0]->ask(admin => 'DELETE /api/v1/applications/a1',
        header => [ 'Content-Type' => 'application/json' ]);
    ok until_true(sub { $e[1]->outcome(alice => $A1) eq 'PASS' }, 5),
        'deleted here, asked anew there';
    ok until_true(sub { $e[1]->outcome(alice => $A1) eq 'HIT' }),
        'and kept again';
    # what happens while Redis is away is not lost: everything moves
    ended('redis');
    ok until_true(sub { log_of($e[1]{name}) =~ /Redis is away/ }), 'away';
    ok until_true(sub { $e[1]->outcome(alice => $A1) eq 'HIT' }),
        'the cache goes on';
    redis();
    ok connected($_, 2), 'back' for @e;
    ok until_true(sub { $e[1]->outcome(alice => $A1) eq 'PASS' }, 5),
        'after it came back nothing old is served';
    for my $w (@e) {
        ended($w->{name});
        $w->server->stop;
        $w->up->stop;
        is $w->server->trouble, '', 'no worker broke';
    }
};

subtest 'what the command refuses' => sub {
    my $no = sub {
        my ($want, @args) = @_;
        my ($rc, $out) = ArgoEdge::Build::run(build() . '/argo-edge', 'agent',
            @args);
        is $rc, 2, "@args";
        like $out, $want, 'says why';
    };
    $no->(qr/needs --redis/);
    $no->(qr/no TLS/, '--redis', 'rediss://x');
    $no->(qr/options of their own/, '--redis', 'redis://u:p@x');
    $no->(qr/port is no number/, '--redis', 'redis://x:y');
    $no->(qr/number of a database/, '--redis', 'redis://x/y');
    $no->(qr/absolute path/, '--redis', 'unix://x');
    $no->(qr/password-file/, '--redis', 'redis://x', '--redis-user', 'u');
};

done_testing;
