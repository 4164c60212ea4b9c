#!/usr/bin/perl
# The cache in an operator's hands: purges, numbers; and killed in the middle
# of stores (F1).  AE_KILLS=1000 kills more workers of nginx than 200, and
# a tenth as many of httpd, which replaces them once a second.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Client;
use ArgoEdge::Scenario;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $A1 = 'GET /api/v1/applications/a1';
my $B1 = 'GET /api/v1/applications/b1';
my $CLUSTERS = 'GET /api/v1/clusters';
my $kills = $ENV{AE_KILLS} || 200;

sub cache {
    my ($w, @args) = @_;
    my ($rc, $out) = edge_cli('cache', @args, '--json', '--cache',
        $w->server->dir . '/cache');
    is $rc, 0, "cache @args" or diag $out;
    return $rc ? {} : decode_json($out);
}

sub fill {
    my ($w) = @_;
    for ([ alice => $A1 ], [ alice => $CLUSTERS ], [ bob => $B1 ],
        [ admin => $A1 ])
    {
        $w->ask(@$_);
        is $w->outcome(@$_), 'HIT', "stored: @$_";
    }
}

# 200 for all, in whole and as they are; how many clients ask what.
sub load {
    my ($w, $until) = @_;
    my $pid = open my $fh, '-|';
    defined $pid or die "fork: $!";
    return $fh if $pid;
    my $c = ArgoEdge::Client->new(port => $w->server->port,
        token => $w->token('alice'));
    my ($ok, $bad, $lost) = (0, '', 0);
    my @size = (2000, 90_000, 400_000, 1_500_000);
    my %want = map { $_ => large_body($_) } @size;
    for (my $i = $$; !-e $until; $i++) {
        my $n = $size[$i % 4];
        my $r = $c->ask("GET /api/v1/applications?projects=p$n",
            $i % 3 ? {} : { 'Cache-Control' => 'no-cache' });
        if (!$r || !$r->{whole} || $r->{status} == 502) {
            $lost++;
        } elsif ($r->{status} != 200 || $r->{body} ne $want{$n}) {
            $bad ||= "p$n: $r->{status}, " . length $r->{body};
        } else {
            $ok++;
        }
    }
    print "$ok $lost $bad\n";
    require POSIX;
    POSIX::_exit(0);
}

# One place that takes purges, one that the server's own rules close.
my %place = (
    nginx => [ 'location = /argo-edge/purge { argo_edge_purge 127.0.0.1; }',
        'location = /argo-edge/closed { argo_edge_purge 127.0.0.1; deny all; }',
        'location = /argo-edge/far { argo_edge_purge 192.0.2.0/24; }' ],
    httpd => [ map { "<Location \"/argo-edge/$_->[0]\">\nArgoEdgePurge $_->[1]\n"
        . "</Location>" } [ purge => '127.0.0.1' ],
        [ closed => "127.0.0.1\nRequire all denied" ],
        [ far => '192.0.2.0/24' ] ],
);

sub purges {
    my ($w, $who, $line, %opt) = @_;
    my ($method, $target) = split / /, $line, 2;
    $w->{asked}++;
    $w->up->forget;
    my $r = $w->server->request($method, "/argo-edge/$target",
        token => defined $who ? $w->token($who) : undef, %opt);
    is scalar @{ $w->up->requests }, 0, "$line: Argo CD hears nothing";
    my $json = eval { decode_json($r->{body}) } || {};
    is $json->{code} // 0, { 200 => 0, 400 => 3, 401 => 16, 403 => 7,
            405 => 12 }->{ $r->{status} }, 'Argo CD\'s kind of answer'
        if $line !~ /closed/;
    return ($r->{status}, $json);
}

scenarios({ settings => { lists => 'off' }, server => {
        conf => { locations => join "\n", @{ $place{nginx} } },
        httpd => { locations => join "\n", @{ $place{httpd} } } } },
    { id => 'A01', say => 'purge by tag', run => sub {
        my ($w) = @_;
        fill($w);
        is cache($w, 'purge', '--tag', 'app:argocd/a1')->{purged}, 2, 'two';
        is $w->outcome(alice => $A1), 'PASS', 'gone for alice';
        is $w->outcome(admin => $A1), 'PASS', 'and for admin';
        is $w->outcome(bob => $B1), 'HIT', 'others stay';
    } },
    { id => 'A02', say => 'purge by identity', run => sub {
        my ($w) = @_;
        fill($w);
        is cache($w, 'purge', '--identity', 'alice')->{purged}, 2, 'two';
        is $w->outcome(alice => $A1), 'PASS', 'gone';
        is $w->outcome(alice => $CLUSTERS), 'PASS', 'gone, too';
        is $w->outcome(admin => $A1), 'HIT', "admin's stay";
        is cache($w, 'purge', '--identity', 'nobody-at-all')->{purged}, 0,
            'none of who has none';
    } },
    { id => 'A02b', say => 'a purge says how far it is', run => sub {
          my ($w) = @_;
          $w->ask(alice => 'GET /api/v1/applications/a1');
          my ($rc, $out) = $w->_cache_cli('purge', '--identity', 'alice',
              '--progress');
          is $rc, 0, 'purged';
          like $out, qr/^purging \d+%$/m, 'on standard error';
      } },
    { id => 'A03', say => 'purge of everything', run => sub {
        my ($w) = @_;
        fill($w);
        cmp_ok cache($w, 'purge', '--all')->{purged}, '>=', 4, 'all';
        is $w->outcome(@$_), 'PASS', "gone: @$_"
            for [ alice => $A1 ], [ bob => $B1 ];
        ok until_true(sub { $w->outcome(alice => $A1) eq 'HIT' }),
            'and it goes on';
        my ($rc) = edge_cli('cache', 'purge', '--all', '--tag', 'x',
            '--cache', $w->server->dir . '/cache');
        is $rc, 2, 'one thing at a time';
    } },
    { id => 'A05', say => 'purges over HTTP', run => sub {
        my ($w) = @_;
        fill($w);
        my ($s, $j) = purges($w, admin => 'PURGE purge?tag=app:argocd/a1');
        is $s, 200, 'by tag';
        is_deeply $j, { purged => 2, tag => 'app:argocd/a1' }, 'what went';
        is $w->outcome(alice => $A1), 'PASS', 'gone';
        is $w->outcome(bob => $B1), 'HIT', 'others stay';
        ($s, $j) = purges($w, admin => 'POST purge?identity=alice');
        is $s, 200, 'by identity';
        is_deeply $j, { purged => 2, identity => 'alice' }, 'hers';
        is $w->outcome(alice => $CLUSTERS), 'PASS', 'gone';
        ($s, $j) = purges($w, admin => 'PURGE purge?all=1');
        is $s, 200, 'all';
        is $w->outcome(bob => $B1), 'PASS', 'gone';
        ok until_true(sub { $w->outcome(alice => $A1) eq 'HIT' }),
            'and it goes on';
    } },
    { id => 'A06', say => 'purges that are refused', run => sub {
        my ($w) = @_;
        fill($w);
        for ([ undef, 'PURGE purge?all=1', 401 ],
            [ bob => 'PURGE purge?all=1', 403 ],
            [ alice => 'POST purge?all=1', 403 ],
            [ admin => 'GET purge?all=1', 405 ],
            [ admin => 'DELETE purge?all=1', 405 ],
            [ admin => 'PURGE purge', 400 ],
            [ admin => 'PURGE far?all=1', 403 ],
            [ admin => 'PURGE closed?all=1', 403 ])
        {
            my ($who, $line, $want) = @$_;
            my ($s) = purges($w, $who, $line);
            is $s, $want, ($who // 'nobody') . ": $line";
        }
        my ($s) = purges($w, undef, 'POST purge?all=1', header =>
            [ Cookie => 'argocd.token=' . $w->token('admin') ]);
        is $s, 403, 'no cookie';
        is $w->outcome(@$_), 'HIT', "still there: @$_"
            for [ alice => $A1 ], [ alice => $CLUSTERS ], [ bob => $B1 ];
        my ($r, $saw) = $w->ask(admin => 'PURGE /api/v1/applications');
        ok $r->{status} != 200 && $w->outcome(bob => $B1) eq 'HIT',
            'elsewhere PURGE is a method like any other';
    } },
    { id => 'A04', say => 'what was saved', run => sub {
        my ($w) = @_;
        my %old = map { $_->{operation} => $_ } @{ cache($w, 'top') };
        fill($w);
        my %new = map { $_->{operation} => $_ } @{ cache($w, 'top') };
        my ($o, $n) = map { $_->{ApplicationService_Get} || {} } \%old, \%new;
        is $n->{hits} - ($o->{hits} // 0), 3, 'three hits';
        is $n->{asked} - ($o->{asked} // 0), 3, 'three questions';
        cmp_ok $n->{bytes_saved}, '>', $o->{bytes_saved} // 0, 'bytes';
        cmp_ok $n->{seconds_saved}, '>', 0, 'and time';
        cmp_ok $n->{ratio}, '<', 1, 'a ratio';
    } },
);

for my $kind (kinds()) {
    my $w = ArgoEdge::Scenario::world($kind, settings => { lists => 'off',
            ttl => 'applications=150ms', collapse => '200ms' },
        server => { workers => 2, cache_size => '256m' });
    $w->says(map { ("GET /api/v1/applications?projects=p$_" =>
        { large => $_ }) } 2000, 90_000, 400_000, 1_500_000);
    $w->server->start;
    my $stop = "$w->{dir}/stop-kill";
    my @load = map { load($w, $stop) } 1 .. 3;
    my $first = until_true(sub { ($w->entries > 0) });
    ok $first, "$kind: stores";
    my $most = $kind eq 'httpd' ? int(($kills + 9) / 10) : $kills;
    my $killed = 0;
    for (1 .. $most) {
        sleep 0.005 + rand 0.02;
        my @w;
        until_true(sub { @w = $w->server->children }) or last;
        $killed += kill 'KILL', $w[rand @w];
    }
    is $killed, $most, "$kind: $most kills";
    sleep 0.5;
    open my $fh, '>', $stop or die $!;
    my ($ok, $lost, $bad) = (0, 0, '');
    for (@load) {
        my ($o, $l, $b) = split / /, scalar(<$_>) // '', 3;
        $ok += $o // 0;
        $lost += $l // 0;
        $bad .= ($b // '') =~ s/\n//r;
    }
    is $bad, '', "$kind: $ok answers, whole and right";
    cmp_ok $ok, '>', $most / 2, 'enough of them';
    cmp_ok $lost, '<=', 4 * $most, "$lost were lost to $most kills";
    $w->ask(alice => 'GET /api/v1/projects');
    $w->says('GET /api/v1/projects' => json_answer('{"items":[]}'));
    ok until_true(sub { $w->outcome(alice => 'GET /api/v1/projects')
        eq 'HIT' }), 'no stuck lock: it stores and serves';
    cmp_ok cache($w, 'stat')->{readers}, '<=', 60, 'no growth of readers';
    $w->server->stop;
    $w->up->stop;
    unlike $w->server->error_log, qr/signal 11|SIGSEGV|SIGBUS|signal 7/,
        "$kind: nobody crashed";
}

done_testing;
