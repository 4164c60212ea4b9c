#!/usr/bin/perl
# Graceful restarts under load, many of them: no request is lost, and nothing
# is left behind, neither a descriptor nor a reader's slot in the cache nor a
# process (F26).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;
use Time::HiRes qw(sleep time);

my $CLIENTS = 3;
my %WANT = ('/api/v1/clusters' => '{"metadata":{},"items":[]}',
    '/api/v1/applications/a1' => app('teama', 'a1'));

# A client in a process of its own, until told to stop: how many answers
# were right, how many were not, and the first of these.
sub client {
    my ($w) = @_;
    pipe my $rd, my $wr or die $!;
    defined(my $pid = fork) or die "fork: $!";
    if ($pid) {
        close $wr;
        return sub { waitpid $pid, 0; local $/; split /\n/, <$rd>, 3 };
    }
    my ($ok, $bad, $first) = (0, 0, '');
    my @t = sort keys %WANT;
    for (my $i = 0; !-e "$w->{dir}/stop"; $i++) {
        my $t = $t[$i % @t];
        my $r = $w->server->get($t, token => $w->token('alice'));
        if ($r->{status} == 200 && $r->{body} eq $WANT{$t}) {
            $ok++;
        } else {
            $bad++;
            $first ||= "$t: $r->{status} " . substr $r->{raw}, 0, 200;
        }
        sleep 0.01;
    }
    syswrite $wr, "$ok\n$bad\n$first";
    require POSIX;
    POSIX::_exit(0);
}

sub fds { my @f = glob "/proc/$_[0]/fd/*"; return scalar @f }

# The slots of LMDB's lock file that somebody holds: 64 bytes each behind a
# head of 128, the process in the second word (mdb.c, MDB_reader).
sub slots {
    my ($w) = @_;
    my %owner;
    for my $f (glob $w->server->dir . '/cache/*lock*') {
        open my $fh, '<:raw', $f or next;
        local $/;
        my $all = <$fh>;
        for (my $at = 128; $at + 64 <= length $all; $at += 64) {
            my $pid = unpack 'x8 l<', substr $all, $at, 64;
            $owner{$pid}++ if $pid;
        }
    }
    return %owner;
}

# One generation of workers, at rest: (descriptors of the master, the most of
# a worker, slots that belong to nobody, workers that have some).
sub measure {
    my ($w, $old) = @_;
    my @now;
    ok until_true(sub {
        @now = $w->server->children;
        @now && !grep { my $pid = $_; grep { $_ == $pid } @$old } @now
    }, 30), 'the workers of before are gone' or diag "@now, before: @$old";
    my ($most) = sort { $b <=> $a } map { fds($_) } @now;
    my %slots = slots($w);
    my @used = delete @slots{@now};
    return (fds($w->server->pid), $most, \%slots, scalar grep { $_ } @used);
}

my %times = (nginx => 200, httpd => 200, 'httpd-worker' => 25,
    'httpd-prefork' => 25);
# workers with sanitizers take long to start
%times = map { $_ => 10 } keys %times if $ENV{AE_ASAN};
my @all = $ENV{AE_KINDS} ? kinds()
    : grep { ArgoEdge::Server->available($_) } sort keys %times;
plan skip_all => 'no server with a module is built' if !@all;

for my $kind (@all) {
    subtest "$kind: $times{$kind} graceful restarts" => sub {
        my $w = ArgoEdge::Scenario::world($kind, server => { workers => 2 });
        my $s = $w->server;
        $s->start;
        my @clients = map { client($w) } 1 .. $CLIENTS;
        # the first generation differs: modules are loaded once more
        my @old = $w->server->children;
        ok $s->reload, 'a restart' for 1 .. 2;
        my ($master, $worker) = measure($w, \@old);
        @old = $w->server->children;
        my $failed = 0;
        for (1 .. $times{$kind}) {
            my $size = -s $s->dir . '/logs/access.log';
            $s->reload or $failed++;
            until_true(sub { -s $s->dir . '/logs/access.log' > $size })
                or $failed++;
        }
        is $failed, 0, 'each restart went through, and requests after it';
        my ($master2, $worker2, $slots) = measure($w, \@old);
        open my $fh, '>', "$w->{dir}/stop" or die $!;
        close $fh;
        my ($ok, $bad, $first) = (0, 0, '');
        for my $end (@clients) {
            my @got = $end->();
            $ok += $got[0];
            $bad += $got[1];
            $first ||= $got[2];
        }
        cmp_ok $ok, '>', $times{$kind}, "$ok requests";
        is $bad, 0, 'none was lost' or diag $first;
        # channels of workers come and go; a leak would be one each time
        cmp_ok $master2, '<', $master + 10, 'descriptors of the master';
        # connections in hand come and go
        cmp_ok $worker2, '<=', $worker + 2 * $CLIENTS, 'and of a worker';
        # a process that was broken off leaves its slots to the next check
        my @now;
        ok until_true(sub { @now = measure($w, []); !%{ $now[2] } }, 15),
            'no slot belongs to a process that is gone'
            or diag explain [ $slots, { slots($w) }, [ $w->server->children ] ];
        cmp_ok $now[3], '>', 0, 'slots of those that live are seen';
        $s->stop;
        $w->up->stop;
        is $s->trouble, '', 'no worker broke';
    };
}
done_testing;
