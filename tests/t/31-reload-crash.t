#!/usr/bin/perl
# Reload and crash under load: no request is lost by a reload, the cache
# outlives it, and a worker that is killed leaves a working one (F1, F26).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;
use Time::HiRes qw(sleep time);

my $CLUSTERS = 'GET /api/v1/clusters';
my $A1 = 'GET /api/v1/applications/a1';

# A client in a process of its own.  Asks until told to stop; says how many
# answers were right, and of the others the first.
sub load {
    my ($w) = @_;
    # not by a signal, which would break off a request in hand
    my $stop = "$w->{dir}/stop";
    unlink $stop;
    pipe my $rd, my $wr or die $!;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        my ($ok, $bad, $first) = (0, 0, '');
        my @want = ([ '/api/v1/clusters', '{"metadata":{},"items":[]}' ],
            [ '/api/v1/applications/a1', app('teama', 'a1') ]);
        for (my $i = 0; !-e $stop; $i++) {
            my ($t, $body) = @{ $want[$i % 2] };
            my $r = $w->server->get($t, token => $w->token('alice'));
            if ($r->{status} == 200 && $r->{body} eq $body) {
                $ok++;
            } else {
                $bad++;
                $first ||= "$t: $r->{status} " . substr $r->{raw}, 0, 200;
            }
        }
        syswrite $wr, "$ok\n$bad\n$first";
        require POSIX;
        POSIX::_exit(0);
    }
    close $wr;
    return sub {
        open my $fh, '>', $stop or die $!;
        waitpid $pid, 0;
        local $/;
        return split /\n/, <$rd>, 3;
    };
}

# A lease belongs to a worker: after an acceptance the entry is there.
sub hits {
    my ($w, $line) = @_;
    return until_true(sub {
        $w->server->get('/api/v1/projects', token => $w->token('alice'));
        $w->outcome(alice => $line) eq 'HIT';
    });
}

# many restarts, also of httpd, are in 32-restarts.t
for my $kind (kinds()) {
    my $w = ArgoEdge::Scenario::world($kind,
        server => { workers => 2, children => 4 });
    $w->server->start;

    subtest "$kind: reload keeps the cache" => sub {
        my $x = ArgoEdge::Scenario::world($kind);
        $x->server->start;
        $x->ask(alice => $A1);
        is $x->outcome(alice => $A1), 'HIT', 'stored';
        my ($old) = $x->server->children;
        ok $x->server->reload, 'reload';
        ok until_true(sub { !grep { $_ == $old } $x->server->children }),
            'a new worker alone';
        # its lease table is empty: accepted once by another request
        $x->ask(alice => 'GET /api/v1/projects');
        is $x->outcome(alice => $A1), 'HIT', 'served from the old entry';
        $x->server->stop;
        $x->up->stop;
        is $x->server->trouble, '', 'no worker broke';
    };

    subtest "$kind: reload under load" => sub {
        my $end = load($w);
        for my $n (1 .. 5) {
            my $lines = () = $w->server->access_log =~ /\n/g;
            ok $w->server->reload, "reload $n";
            ok until_true(sub {
                my $now = () = $w->server->access_log =~ /\n/g;
                $now > $lines + 10;
            }), 'requests go on';
        }
        my ($ok, $bad, $first) = $end->();
        cmp_ok $ok, '>', 50, "$ok requests";
        is $bad, 0, 'F26: none was lost' or diag $first;
        is $w->server->trouble, '', 'no worker broke';
    };

    subtest "$kind: workers are killed" => sub {
        # event and worker have one child with threads here
        my $n = { nginx => 2, 'httpd-prefork' => 4 }->{$kind} // 1;
        ok until_true(sub { $w->server->children == $n }), 'all workers are there';
        my $end = load($w);
        my $kills = 0;
        for (1 .. 6) {
            my ($victim) = $w->server->children or next;
            kill 'KILL', $victim;
            $kills++;
            ok until_true(sub { my @now = $w->server->children;
                @now == $n && !grep { $_ == $victim } @now }),
                'another takes its place';
        }
        my ($ok, $bad, $first) = $end->();
        cmp_ok $ok, '>', 20, "$ok requests";
        # only what a killed worker had in hand
        cmp_ok $bad, '<=', $kills, "F1: $bad lost by $kills kills"
            or diag $first;
        ok hits($w, $A1), 'the cache works';
        $w->says($A1 => undef);
        my ($r) = $w->ask(admin =>
            'DELETE /api/v1/applications/a1',
            header => [ 'Content-Type' => 'application/json' ]);
        is $r->{status}, 200, 'a write is not held up by a dead writer';
        is $w->outcome(alice => $A1), 'PASS', 'and is seen';
        cmp_ok $w->entries, '>=', 0, 'the command line can read it';
    };

    $w->server->stop;
    $w->up->stop;
    (my $trouble = $w->server->trouble)
        =~ s/^.*exited on signal 9\b.*\n//mg;
    is $trouble, '', "$kind: nothing but the kills";
}
done_testing;
