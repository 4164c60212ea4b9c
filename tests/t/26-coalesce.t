#!/usr/bin/perl
# Many questions made one: between the workers of one server, between two
# servers that share a cache, and with one who dies or dawdles over it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use File::Temp qw(tempdir);
use IO::Select;
use Test::More;
use Time::HiRes qw(sleep);

my $A1 = 'GET /api/v1/applications/a1';
my $BODY = app('teama', 'a1');

# |n| sockets to each server, then all ask at once.
sub ask_all {
    my ($w, $n, @servers) = @_;
    my ($method, $target) = split / /, $A1;
    my $token = $w->token('alice');
    my @sock = map { my $s = $_; map { $s->connect } 1 .. $n } @servers;
    for my $s (@sock) {
        print $s "$method $target HTTP/1.1\r\nHost: argocd.example.com\r\n"
            . "Connection: close\r\nAuthorization: Bearer $token\r\n\r\n";
    }
    return @sock;
}

sub answers {
    my (@sock) = @_;
    return map {
        my ($s, $raw) = ($_, '');
        while (IO::Select->new($s)->can_read(20)) {
            sysread($s, $raw, 65536, length $raw) or last;
        }
        ArgoEdge::Server::parse($raw);
    } @sock;
}

sub right {
    return scalar grep { $_->{status} == 200 && $_->{body} eq $BODY } @_;
}

sub slow_answer {
    my ($w, $seconds) = @_;
    $w->says($A1 => { delay => $seconds, raw => json_answer($BODY) });
    $w->purge;
    $w->up->forget;
    return;
}

# The workers that have a connection to the upstream: who asks.
sub asking {
    my ($w) = @_;
    my $port = sprintf ':%04X', $w->up->port;
    open my $fh, '<', '/proc/net/tcp' or return;
    my %inode = map { my @f = split; $f[2] =~ /$port$/ && $f[3] eq '01'
        ? ($f[9] => 1) : () } <$fh>;
    return grep {
        my $pid = $_;
        grep { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ && $inode{$1} }
            glob "/proc/$pid/fd/*";
    } $w->server->children;
}

# Leases that all share: without, each process asks once for each token.
sub zone {
    my $dir = tempdir('ae-zone-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    chmod 0777, $dir;
    return "$dir/zone:4m";
}

sub one_world {
    my ($kind, %set) = @_;
    my $w = ArgoEdge::Scenario::world($kind, settings => {
        lists => 'off', zone => zone(), %set }, server => { workers => 4 });
    $w->server->start;
    until_true(sub { $w->server->children >= ($kind eq 'nginx' ? 4 : 1) });
    return $w;
}

for my $kind (kinds()) {
    my $w = one_world($kind);
    subtest "$kind: four workers, one question" => sub {
        for my $round (1 .. 3) {
            slow_answer($w, 0.7);
            my @r = answers(ask_all($w, 48, $w->server));
            is right(@r), 48, "round $round: all 48 have it";
            is $w->up->hits, 1, 'counted upstream: one';
        }
    };
    subtest "$kind: who asks is killed" => sub {
        slow_answer($w, 1.5);
        my @first = ask_all($w, 1, $w->server);
        my @pid;
        ok until_true(sub { $w->up->hits == 1 && (@pid = asking($w)) }),
            'one asks';
        is scalar @pid, 1, 'one worker';
        my @rest = ask_all($w, 24, $w->server);
        sleep 0.1;
        kill 'KILL', @pid;
        my @r = answers(@rest);
        # who sat in the killed worker is lost; nobody else waits for its
        # claim longer than argo_edge_collapse (answers() gives up after 20 s)
        my @whole = grep { $_->{status} } @r;
        is right(@r), scalar @whole, 'right, all that are not lost: '
            . scalar @whole;
        answers(@first);
        $w->says($A1 => json_answer($BODY));
        ok until_true(sub { $w->outcome(alice => $A1) eq 'HIT' }),
            'no claim stays behind';
    };
    $w->server->stop;
    $w->up->stop;
    $w = one_world($kind, collapse => '300ms');
    subtest "$kind: who asks is slow" => sub {
        slow_answer($w, 4);
        my @first = ask_all($w, 1, $w->server);
        ok until_true(sub { $w->up->hits == 1 }), 'one asks';
        # the first answer takes 4 s; the next ones are quick
        $w->says($A1 => json_answer($BODY));
        my @r = answers(my @sock = ask_all($w, 16, $w->server));
        is right(@r), 16, 'all have it';
        ok !IO::Select->new(@first)->can_read(0), 'before the slow one';
        is right(answers(@first)), 1, 'which gets its own';
        cmp_ok $w->up->hits, '<=', 17, 'at most one question each';
    };
    $w->server->stop;
    $w->up->stop;
    is $w->server->trouble, '', "$kind: no worker broke";
}

SKIP: {
    skip 'needs nginx and httpd, and root', 1
        if $> != 0 || grep({ my $k = $_; !grep { $_ eq $k } kinds() }
            qw(nginx httpd));
    subtest 'nginx and httpd, one cache, one question' => sub {
        my $dir = tempdir('ae-cache-XXXXXX', TMPDIR => 1, CLEANUP => 1);
        my $cache = "$dir/cache";
        mkdir $cache, 0700;
        chmod 0755, $dir;
        chown scalar(getpwnam 'www-data'), -1, $cache;
        my $w = ArgoEdge::Scenario::world('httpd', settings => {
            lists => 'off', zone => zone() }, server => { cache => $cache });
        my $other = ArgoEdge::Server->new(kind => 'nginx', cache => $cache,
            user => 'www-data', workers => 4, inputs => $w->in->dir,
            upstream => $w->up->port, directives => $w->server->{directives});
        $_->start for $w->server, $other;
        for my $round (1 .. 3) {
            $w->says($A1 => { delay => 0.7, raw => json_answer($BODY) });
            my ($rc, $out) = edge_cli('cache', 'purge', 'applications',
                '--cache', $cache);
            ($rc, $out) = edge_cli('cache', 'purge', 'app:argocd/a1',
                '--cache', $cache);
            is $rc, 0, 'purged' or diag $out;
            $w->up->forget;
            my @r = answers(ask_all($w, 16, $w->server, $other));
            is right(@r), 32, "round $round: all 32 have it";
            is $w->up->hits, 1, 'counted upstream: one';
        }
        $_->stop for $w->server, $other;
        $w->up->stop;
        is $w->server->trouble . $other->trouble, '', 'no worker broke';
    };
}

done_testing;
