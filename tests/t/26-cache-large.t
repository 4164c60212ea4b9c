#!/usr/bin/perl
# Bodies in other forms: compressed once, and large ones that are written and
# read in pieces.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(run top);
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use IO::Uncompress::Gunzip qw(gunzip);
use Test::More;
use Time::HiRes qw(sleep);

my $LIST = 'GET /api/v1/applications';
my $CLUSTERS = 'GET /api/v1/clusters';
my @gzip = (header => [ 'Accept-Encoding' => 'gzip, deflate' ]);

sub plain {
    my ($r) = @_;
    return $r->{body} if ($r->{header}{'content-encoding'} // '') ne 'gzip';
    my $in = $r->{body};
    gunzip(\$in, \my $out) or return 'broken';
    return $out;
}

sub hit {
    my ($w, $line, @more) = @_;
    my ($r, $saw) = $w->ask(alice => $line, @more);
    is @$saw, 0, 'from the cache';
    return $r;
}

# A client that reads |n| bytes and then leaves it at that.
sub slow {
    my ($w, $line, $n) = @_;
    my ($method, $target) = split / /, $line, 2;
    my $s = $w->server->connect;
    setsockopt $s, Socket::SOL_SOCKET(), Socket::SO_RCVBUF(), 262_144;
    $w->{asked}++;
    print $s "$method $target HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . 'Authorization: Bearer ' . $w->token('alice') . "\r\n\r\n";
    my $got = '';
    while (length $got < $n) {
        sysread($s, $got, $n - length $got, length $got) or last;
    }
    return ($s, $got);
}

sub rest {
    my ($s, $got) = @_;
    1 while sysread $s, $got, 1 << 16, length $got;
    return ArgoEdge::Server::parse($got);
}

# Peak memory of the processes that serve, in MB.
sub peak {
    my ($w) = @_;
    my $most = 0;
    my @all = ($w->server->pid);
    for (my $i = 0; $i < @all; $i++) {
        open my $fh, '<', "/proc/$all[$i]/task/$all[$i]/children" or next;
        push @all, split ' ', scalar(<$fh>) // '';
    }
    for my $pid (@all) {
        open my $fh, '<', "/proc/$pid/status" or next;
        my ($kb) = join('', <$fh>) =~ /^RssAnon:\s+(\d+)/m;
        $most = $kb if ($kb // 0) > $most;
    }
    return $most / 1024;
}

scenarios({ settings => { lists => 'off' },
        server => { conf => { location => 'gzip on; gzip_min_length 1;'
            . 'gzip_types application/json; gzip_proxied any;' } } },
    { id => 'Z01', say => 'compressed once', run => sub {
        my ($w) = @_;
        my $body = large_body(5000);
        $w->says($CLUSTERS => json_answer($body));
        $w->ask(alice => $CLUSTERS);
        my $p = hit($w, $CLUSTERS);
        is $p->{body}, $body, 'plain';
        is $p->{header}{'content-encoding'}, undef, 'not coded';
        my $z = hit($w, $CLUSTERS, @gzip);
        is $z->{header}{'content-encoding'}, 'gzip', 'coded, once';
        cmp_ok length $z->{body}, '<', 1000, 'smaller';
        is $z->{header}{'content-length'}, length $z->{body}, 'its length';
        is plain($z), $body, 'the same body';
        isnt $z->{header}{etag}, $p->{header}{etag},
            'a validator of its own';
        like $z->{header}{etag}, qr/^"[0-9a-f]{32}-gzip"$/, 'a strong one';
        like $z->{header}{vary}, qr/Accept-Encoding/, 'Vary';
        my $tag = $z->{header}{etag};
        is hit($w, $CLUSTERS, header => [ 'Accept-Encoding' => 'gzip',
            'If-None-Match' => $tag ])->{status}, 304, 'unchanged';
        is hit($w, $CLUSTERS, header => [ 'If-None-Match' => $tag ])
            ->{status}, 200, 'of another form: no';
        for my $no ('identity', 'gzip;q=0', 'br', 'gzip;q=0.000, *') {
            is hit($w, $CLUSTERS, header => [ 'Accept-Encoding' => $no ])
                ->{header}{'content-encoding'}, undef, "not for $no";
        }
        for my $yes ('*', 'br, gzip;q=0.1', 'GZIP') {
            is hit($w, $CLUSTERS, header => [ 'Accept-Encoding' => $yes ])
                ->{header}{'content-encoding'}, 'gzip', "for $yes";
        }
        $w->says($CLUSTERS => undef);
    } },
    { id => 'Z02', say => 'too small to gain', run => sub {
        my ($w) = @_;
        $w->ask(alice => $CLUSTERS);
        my $r = hit($w, $CLUSTERS);
        is $r->{header}{'content-encoding'}, undef, 'not coded';
        is plain(hit($w, $CLUSTERS, @gzip)), $r->{body}, 'the same';
    } },
);

# Codings that this was built with, and that curl can read.
my %coding = do {
    open my $fh, '<', top() . '/build/ae_config.h' or die $!;
    my $built = join '', <$fh>;
    my (undef, $curl) = run('curl', '-V');
    map { $_->[0] => $built =~ /^#define AE_\U$_->[1]\E 1$/m
            && $curl =~ /\Q$_->[1]\E/ } [ br => 'brotli' ], [ zstd => 'zstd' ];
};

# The body as curl decodes it.
sub decoded {
    my ($w, $line, $coding) = @_;
    my ($target) = $line =~ /^GET (.*)/;
    $w->{asked}++;
    my ($rc, $out) = run('curl', '-s', '--compressed', '-H',
        "Accept-Encoding: $coding", '-H', 'Authorization: Bearer '
            . $w->token('alice'),
        'http://127.0.0.1:' . $w->server->port . $target);
    return $out;
}

scenarios({ settings => { lists => 'off' } },
    (map { my $c = $_; { id => "C-$c", say => 'compressed by another',
            run => sub {
        my ($w) = @_;
        plan skip_all => "not built with $c" if !$coding{$c};
        for my $n (5000, 200_000, 700_000) {
            my $body = large_body($n);
            my $large = $n > 262_144;
            $w->says($CLUSTERS => json_answer($body));
            # the first one who asks says which coding is worth it
            $w->ask(alice => $CLUSTERS, header => [ 'Accept-Encoding' =>
                "gzip, deflate, $c", 'Cache-Control' => 'no-cache' ]);
            my $z = hit($w, $CLUSTERS, header =>
                [ 'Accept-Encoding' => "gzip, $c" ]);
            is $z->{header}{'content-encoding'}, $c, "$n bytes: $c";
            is $z->{header}{'content-length'}, length $z->{body},
                'its length';
            cmp_ok length $z->{body}, '<', $n / 5, 'smaller';
            like $z->{header}{etag}, qr/^"[0-9a-f]{32}-$c"$/, 'validator';
            like $z->{header}{vary}, qr/Accept-Encoding/, 'Vary';
            ok decoded($w, $CLUSTERS, $c) eq $body, 'the same body';
            is hit($w, $CLUSTERS, header => [ 'Accept-Encoding' => $c,
                'If-None-Match' => $z->{header}{etag} ])->{status}, 304,
                'unchanged';
            my $g = hit($w, $CLUSTERS, header =>
                [ 'Accept-Encoding' => "$c;q=0.5, gzip" ]);
            is $g->{header}{'content-encoding'}, $large ? $c : 'gzip',
                'as they are weighed';
            is hit($w, $CLUSTERS, header => [ 'Accept-Encoding' =>
                "$c;q=0, gzip" ])->{header}{'content-encoding'},
                $large ? undef : 'gzip', 'refused';
            ok hit($w, $CLUSTERS)->{body} eq $body, 'and plain';
        }
        $w->says($CLUSTERS => undef);
    } } } qw(br zstd)),
);

scenarios({ settings => { gzip => 'off', lists => 'off' } },
    { id => 'Z03', say => 'switched off', run => sub {
        my ($w) = @_;
        $w->says($CLUSTERS => json_answer(large_body(5000)));
        $w->ask(alice => $CLUSTERS, @gzip);
        is hit($w, $CLUSTERS, @gzip)->{header}{'content-encoding'}, undef,
            'not coded';
        $w->says($CLUSTERS => undef);
    } },
);

my $MB = 1 << 20;
my $mb = $ENV{AE_LARGE_MB} || 16;

# A full list would become a copy in memory (docs/lists.md).
scenarios({ settings => { lists => 'off' },
        server => { cache_size => (16 * $mb) . 'm', children => 10 } },
    (map { my $n = $_; { id => 'L01', say => "$n bytes", run => sub {
        my ($w) = @_;
        my $body = large_body($n);
        $w->says($LIST => { large => $n });
        my ($r, $saw) = $w->ask(alice => $LIST, @gzip);
        ok $r->{body} eq $body, 'fetched';
        ok hit($w, $LIST)->{body} eq $body, 'plain';
        my $z = hit($w, $LIST, @gzip);
        is $z->{header}{'content-encoding'}, 'gzip', 'coded';
        ok plain($z) eq $body, 'the same';
        $w->says($LIST => undef);
    } } } 40_000, 66_000, 200_000, 262_144, 300_000, 3 * $MB),
    { id => 'L02', say => 'bounded memory', run => sub {
        my ($w) = @_;
        my $body = large_body($mb * $MB);
        my $before = peak($w);
        $w->says($LIST => { large => $mb * $MB });
        my ($r) = $w->ask(alice => $LIST);
        ok $r->{body} eq $body, 'fetched';
        # a sanitizer keeps what was freed
        my $times = $ENV{AE_ASAN} ? 10 : 1;
        cmp_ok peak($w) - $before, '<', 8 * $times, "$mb MB on their way in";
        ok hit($w, $LIST)->{body} eq $body, 'stored';
        my @slow = map { [ slow($w, $LIST, 1000) ] } 1 .. 8;
        cmp_ok peak($w) - $before, '<', 16 * $times,
            'and eight times out, slowly';
        is rest(@{ $slow[0] })->{body} eq $body, 1, 'to the end';
        close $_->[0] for @slow;
        $w->says($LIST => undef);
    } },
    { id => 'L03', say => 'a slow client and a new answer', run => sub {
        my ($w) = @_;
        my $body = large_body(6 * $MB);
        $w->says($LIST => { large => 6 * $MB });
        $w->ask(alice => $LIST);
        my ($s, $got) = slow($w, $LIST, 100_000);
        $w->says($LIST => { large => 7 * $MB });
        $w->ask(alice => $LIST, header => [ 'Cache-Control' => 'no-cache' ]);
        is length hit($w, $LIST)->{body}, length large_body(7 * $MB),
            'the new one is there';
        ok rest($s, $got)->{body} eq $body,
            'who has begun with the old one gets it whole';
        $w->says($LIST => undef);
    } },
    { id => 'L04', say => 'a large answer that is cut', run => sub {
        my ($w) = @_;
        my $before = $w->entries;
        for my $cut (100_000, 400_000, 3 * $MB) {
            $w->says($LIST => { large => 4 * $MB, cut => $cut });
            $w->ask(alice => $LIST, quiet => 3);
            is $w->entries, $before, "after $cut bytes: not stored";
        }
        $w->says($LIST => { large => 4 * $MB });
        $w->ask(alice => $LIST);
        is length hit($w, $LIST)->{body}, length large_body(4 * $MB),
            'a whole one is';
        $w->says($LIST => undef);
    } },
    { id => 'L05', say => 'a purge under a slow client', run => sub {
        my ($w) = @_;
        $w->says($LIST => { large => 6 * $MB });
        $w->ask(alice => $LIST);
        my ($s, $got) = slow($w, $LIST, 100_000);
        $w->purge;
        my $r = rest($s, $got);
        ok $r->{body} eq large_body(6 * $MB), 'the rest still comes';
        $w->says($LIST => undef);
    } },
);

done_testing;
