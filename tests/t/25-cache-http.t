#!/usr/bin/perl
# What a client of the cache meets: validators, Age, Cache-Status, its own
# wishes, one question for many, stale answers (RFC 9110, 9111, 9211, 5861).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Client;
use ArgoEdge::Scenario;
use Test::More;
use Time::HiRes qw(sleep time);

my $LIST = 'GET /api/v1/applications';
my $A1 = "$LIST/a1";
my $B1 = "$LIST/b1";
my $CLUSTERS = 'GET /api/v1/clusters';
my $T12 = 'private, no-cache';

sub status { return $_[0]{header}{'cache-status'} // '' }

# A stored answer and its validator.
sub stored {
    my ($w, $who, $line) = @_;
    $w->ask($who => $line);
    my ($r, $saw) = $w->ask($who => $line);
    is @$saw, 0, "stored: $line";
    like $r->{header}{etag}, qr/^"[0-9a-f]{32}"$/, 'a strong validator';
    return $r;
}

sub cond {
    my ($w, $who, $line, $tag) = @_;
    return $w->ask($who => $line, header => [ 'If-None-Match' => $tag ]);
}

sub unchanged {
    my ($w, $say, $tag) = @_;
    my ($r, $saw) = cond($w, alice => $A1, $tag);
    is @$saw, 0, "$say: from the cache";
    is $r->{status}, 304, "$say: 304";
    is $r->{body}, '', 'without a body';
    return $r;
}

scenarios({ settings => { status_header => 'on' } },
    { id => 'E01', say => 'If-None-Match', run => sub {
        my ($w) = @_;
        my $r = stored($w, alice => $A1);
        my $tag = $r->{header}{etag};
        my $h = unchanged($w, 'the same', $tag)->{header};
        is $h->{etag}, $tag, '15.4.5: ETag';
        is $h->{'cache-control'}, $T12, '15.4.5: Cache-Control';
        ok $h->{vary}, '15.4.5: Vary';
        ok $h->{date}, '15.4.5: Date';
        is $h->{'content-length'} // 0, 0, 'nothing follows';
        unchanged($w, 'weak', "W/$tag");
        unchanged($w, 'any', '*');
        unchanged($w, 'one of many', qq("x", W/"y,z" ,$tag));
        for my $no ('"x"', substr($tag, 1, -1), qq("x" $tag), '"') {
            is +(cond($w, alice => $A1, $no))[0]{status}, 200, "not $no";
        }
        $w->says("$A1?project=teama" => json_answer(app('teama', 'a1')));
        ($r, my $saw) = cond($w, alice => "$A1?project=teama", $tag);
        is @$saw, 1, 'what is not there is asked for';
        is $saw->[0]{header}{'if-none-match'}, undef, 'without condition';
        is $r->{status}, 200, 'and comes whole';
    } },
    { id => 'E02', say => 'a body that changed has another validator',
      run => sub {
        my ($w) = @_;
        my $tag = stored($w, alice => $CLUSTERS)->{header}{etag};
        $w->purge;
        is stored($w, alice => $CLUSTERS)->{header}{etag}, $tag,
            'the same body, the same';
        $w->purge;
        $w->says($CLUSTERS => json_answer('{"items":[1]}'));
        my $r = stored($w, alice => $CLUSTERS);
        isnt $r->{header}{etag}, $tag, 'another body, another';
        is +(cond($w, alice => $CLUSTERS, $tag))[0]{status}, 200,
            'the old one is changed';
        $w->says($CLUSTERS => undef);
    } },
    { id => 'K14', say => "another caller's validator", run => sub {
        my ($w) = @_;
        my $tag = stored($w, alice => $A1)->{header}{etag};
        $w->says("$A1 \@bob" => $w->denied);
        my ($r, $saw) = cond($w, bob => $A1, $tag);
        is $r->{status}, 403, 'who may not, is told so';
        is +(cond($w, bob => "$A1?project=teama", '*'))[0]{status}, 403,
            'whatever they have';
        $tag = stored($w, admin => $B1)->{header}{etag};
        stored($w, bob => $B1);
        ($r, $saw) = cond($w, bob => $B1, $tag);
        is @$saw, 0, 'who may';
        is $r->{status}, 200, 'gets their own, though it is the same';
        $w->says("$A1 \@bob" => undef);
    } },
    { id => 'E03', say => 'Age and Cache-Status', run => sub {
        my ($w) = @_;
        my ($r) = $w->ask(alice => $A1);
        is status($r), 'argo-edge; fwd=uri-miss; stored', 'a miss';
        ($r) = $w->ask(alice => $A1);
        like status($r), qr/^argo-edge; hit; ttl=3[0-9]{3}$/, 'a hit';
        like $r->{header}{age}, qr/^\d+$/, 'its age';
        ($r) = $w->ask(alice => $A1, header => [
            'Cache-Control' => 'no-cache' ]);
        is status($r), 'argo-edge; fwd=request; stored', 'as the client wants';
        ($r) = $w->ask(alice => "$A1?refresh=normal");
        is status($r), 'argo-edge; fwd=bypass; detail="parameters"',
            'a request that is never stored';
        ($r) = $w->ask(alice => "$A1?project=teama", header => [
            'Cache-Control' => 'no-store' ]);
        is status($r), 'argo-edge; fwd=bypass; detail="no-store"', 'no-store';
        is $r->{header}{'cache-control'}, $T12, 'T12';
    } },
    { id => 'E04', say => 'what the client wants', run => sub {
        my ($w) = @_;
        stored($w, alice => $A1);
        for ([ 'max-age=3600', 0 ], [ 'max-age=0', 1 ], [ 'no-cache', 1 ],
            [ 'min-fresh=10', 0 ], [ 'min-fresh=4000', 1 ],
            [ 'max-stale', 0 ], [ 'max-age="60"', 0 ],
            [ 'only-if-cached', 0 ], [ 'only-if-cached, max-age=60', 0 ])
        {
            my ($cc, $want) = @$_;
            my ($r, $saw) = $w->ask(alice => $A1, header => [
                'Cache-Control' => $cc ]);
            is $r->{status}, 200, "$cc: 200";
            is @$saw, $want, "$cc: " . ($want ? 'asked' : 'from the cache');
        }
        for ([ $A1, 'only-if-cached, no-cache' ],
            [ "$A1?project=teama", 'only-if-cached' ],
            [ "$A1?refresh=hard", 'only-if-cached' ])
        {
            my ($line, $cc) = @$_;
            my ($r, $saw) = $w->ask(alice => $line, header => [
                'Cache-Control' => $cc ]);
            is $r->{status}, 504, "$cc: 504";
            is @$saw, 0, 'nothing was asked';
        }
    } },
    { id => 'E05', say => 'HEAD and Range are as Argo CD treats them',
      run => sub {
        my ($w) = @_;
        stored($w, alice => $A1);
        $w->says('HEAD /api/v1/applications/a1' =>
            "HTTP/1.1 415 X\r\nContent-Length: 0\r\n\r\n");
        my ($r, $saw) = $w->ask(alice => 'HEAD /api/v1/applications/a1');
        is @$saw, 1, 'HEAD goes upstream';
        is $r->{status}, 415, 'whose say it is';
        ($r, $saw) = $w->ask(alice => $A1, header => [
            Range => 'bytes=0-3', 'If-Range' => '"x"' ]);
        is @$saw, 0, 'a range';
        is $r->{status}, 200, 'is ignored';
        is $r->{body}, app('teama', 'a1'), 'the whole is sent';
    } },
);

# Many at once; with prefork that takes as many children.
scenarios({ settings => { status_header => 'on' },
        server => { children => 24 } },
    { id => 'C01', say => 'many ask, one asks upstream', run => sub {
        my ($w) = @_;
        my $body = app('teama', 'a1');
        $w->says($A1 => { delay => 0.5, raw => json_answer($body) });
        $w->up->forget;
        my $all = $w->crowd(64, alice => $A1);
        is scalar(grep { $_->{status} == 200 && $_->{body} eq $body } @$all),
            64, 'all 64 have it';
        is $w->up->hits, 1, 'one question';
        my $n = grep { status($_) =~ /^argo-edge; fwd=uri-miss; collapsed; / }
            @$all;
        cmp_ok $n, '>=', 20, "$n have waited for it";
        $w->says($A1 => undef);
    } },
    { id => 'C02', say => 'what is not kept is not waited for', run => sub {
        my ($w) = @_;
        $w->says($A1 => { delay => 0.2, raw => raw_answer(503, '{}') });
        my $t = time;
        my $all = $w->crowd(12, alice => $A1);
        is scalar(grep { $_->{status} == 503 } @$all), 12, 'all fail';
        cmp_ok time - $t, '<', 8, 'and not one after the other';
        $w->says($A1 => undef);
    } },
    { id => 'C03', say => 'others do not wait for a token', run => sub {
        my ($w) = @_;
        $w->says($A1 => { delay => 0.3,
            raw => json_answer(app('teama', 'a1')) });
        $w->up->forget;
        my $one = $w->server->connect;
        my $token = $w->token('alice');
        print $one "GET /api/v1/applications/a1 HTTP/1.1\r\nHost: x\r\n"
            . "Connection: close\r\nAuthorization: Bearer $token\r\n\r\n";
        $w->{asked}++;
        until_true(sub { $w->up->hits == 1 });
        my ($r) = $w->ask(admin => $A1);
        is $r->{status}, 200, 'admin has their own';
        is scalar(grep { ($_->{header}{authorization} // '')
            =~ /\Q@{[ $w->token('admin') ]}\E/ } @{ $w->up->requests }), 1,
            'by their own question';
        1 while sysread $one, my $rest, 65536;
        $w->says($A1 => undef);
    } },
);

# A leader that hangs: waiters go up by themselves after the bound.
scenarios({ settings => { status_header => 'on', collapse => '300ms' },
        server => { children => 4 } },
    { id => 'C04', say => 'a slow answer holds nobody up for long',
      run => sub {
        my ($w) = @_;
        $w->says($A1 => { delay => 1.5,
            raw => json_answer(app('teama', 'a1')) });
        $w->up->forget;
        my $all = $w->crowd(3, alice => $A1);
        is scalar(grep { $_->{status} == 200 } @$all), 3, 'all answered';
        cmp_ok $w->up->hits, '>', 1, 'others have asked meanwhile';
        $w->says($A1 => undef);
    } },
);

# Stale answers.
scenarios({ settings => { status_header => 'on',
        stale => 'if-error=1h',
        ttl => 'applications=1s objects=1s settings=1s' } },
    { id => 'S01', say => 'stale if Argo CD fails', run => sub {
        my ($w) = @_;
        my $r = stored($w, alice => $A1);
        my $body = $r->{body};
        ok until_true(sub { $w->outcome(alice => $A1) eq 'PASS' }),
            'it has ended';
        sleep 1.1;
        for my $status (500, 502, 503, 504) {
            $w->says($A1 => raw_answer($status, '{"x":1}',
                'X-Theirs' => 'yes'));
            ($r, my $saw) = $w->ask(alice => $A1);
            is @$saw, 1, 'Argo CD is asked';
            is $r->{status}, 200, "$status: the stale one";
            is $r->{body}, $body, 'whole';
            is $r->{header}{'x-theirs'}, undef, 'nothing of the failure';
            is $r->{header}{'cache-control'}, $T12, 'T12';
            like status($r), qr/^argo-edge;\ fwd=stale;
                \ fwd-status=$status;\ detail=stale-if-error;
                \ ttl=-\d+$/x, 'and says so';
        }
        $w->says($A1 => raw_answer(404, '{}'));
        is +($w->ask(alice => $A1))[0]{status}, 404, '404 is an answer';
        $w->says("$A1 \@bob" => raw_answer(503, '{}'));
        is +($w->ask(bob => $A1))[0]{status}, 503, 'bob has none';
        $w->says($A1 => \'');
        ($r) = $w->ask(alice => $A1);
        is $r->{status}, 200, 'no answer at all';
        is $r->{body}, $body, 'the stale one';
        ($r) = cond($w, alice => $A1, $r->{header}{etag});
        is $r->{status}, 304, 'or nothing new';
        $w->says($A1 => undef, "$A1 \@bob" => undef);
    } },
    { id => 'S03', say => 'nothing stale after a write or a new policy',
      run => sub {
        my ($w) = @_;
        stored($w, alice => $A1);
        $w->ask(admin => 'DELETE /api/v1/applications/a1',
            header => [ 'Content-Type' => 'application/json' ]);
        $w->says($A1 => raw_answer(503, '{}'));
        is +($w->ask(alice => $A1))[0]{status}, 503, 'written meanwhile';
        $w->says($A1 => undef);
        stored($w, alice => $A1);
        (my $less = $ArgoEdge::Scenario::POLICY) =~ s/^g, alice.*\n//m;
        $w->in->put('argocd-rbac-cm/policy.csv', $less);
        my $r;
        ok until_true(sub {
            ($r) = $w->ask(alice => "$A1?project=teama");
            $r->{status} == 403;
        }), 'the rights are gone';
        $w->says($A1 => raw_answer(503, '{}'));
        is +($w->ask(alice => $A1))[0]{status}, 403, 'nothing of it is served';
    } },
);

# Served at once, fetched anew behind the client's back.  The request ends, and
# is logged, when both is done: so a client that reads a length, not a close.
my @clients;
sub at_once {
    my ($w, $line) = @_;
    push @clients, ArgoEdge::Client->new(port => $w->server->port,
        token => $w->token('alice'));
    $w->{asked}++;
    return $clients[-1]->ask($line);
}

scenarios({ settings => { status_header => 'on', lists => 'off',
        stale => 'while-revalidate=1h',
        ttl => 'applications=1500ms' }, server => { children => 30 } },
    (map { my ($line, $n) = @$_; { id => "R01-$n",
            say => 'stale while it is fetched', run => sub {
        my ($w) = @_;
        my $stale = qr/^argo-edge;\ hit;\ detail=stale-while-revalidate;
            \ ttl=-\d+$/x;
        my @say = $n ? ({ large => $n }, { large => $n + 1000, delay => 0.6 })
            : (json_answer(app('teama', 'a1')),
                { raw => json_answer(app('teamb', 'a1')), delay => 0.6 });
        $w->says($line => $say[0]);
        my $old = stored($w, alice => $line);
        sleep 1.6;
        $w->says($line => $say[1]);
        my $lines = $w->server->access_log =~ tr/\n//;
        $w->up->forget;
        my $r = at_once($w, $line);
        is $w->server->access_log =~ tr/\n// - $lines, 0,
            'who comes first is answered before the request ends';
        like status($r), $stale, 'the old one';
        is $r->{body}, $old->{body}, 'whole';
        is $r->{header}{'cache-control'}, $T12, 'T12';
        my @more = map { at_once($w, $line) } 1 .. 5;
        like status($_), $stale, 'nor do others' for @more;
        ok until_true(sub { $w->up->hits == 1 }), 'one question';
        ok until_true(sub {
            ($r) = $w->ask(alice => $line);
            status($r) =~ /^argo-edge; hit; ttl/;
        }), 'then the new one is there';
        isnt $r->{body}, $old->{body}, 'it is another one';
        $w->says($line => undef);
    } } } [ $A1, 0 ], [ 'GET /api/v1/applications?projects=teama',
            600_000 ]),
    { id => 'R02', say => 'which fails', run => sub {
        my ($w) = @_;
        my $old = stored($w, alice => $A1);
        sleep 1.6;
        for my $bad (raw_answer(503, q({})), \("HTTP/1.1 200 OK\r\n"
                . "Content-Type: application/json\r\n"
                . "Content-Length: 500\r\n\r\n{\"cut\":1}")) {
            $w->says($A1 => $bad);
            my $r;
            ok until_true(sub {
                ($r) = $w->ask(alice => $A1);
                return status($r) =~ /stale-while-revalidate/
                    && until_true(sub { $w->up->hits >= 1 }, 2);
            }), 'fetched, in vain';
            is $r->{body}, $old->{body}, 'the client hears nothing of it';
        }
        $w->says($A1 => undef);
        ok until_true(sub {
            my ($r) = $w->ask(alice => $A1);
            status($r) =~ /^argo-edge; hit; ttl/;
        }), 'and it recovers';
    } },
    { id => 'R03', say => 'not to who may not see it', run => sub {
        my ($w) = @_;
        stored($w, alice => $A1);
        sleep 1.6;
        (my $less = $ArgoEdge::Scenario::POLICY) =~ s/^g, alice.*\n//m;
        $w->in->put('argocd-rbac-cm/policy.csv', $less);
        ok until_true(sub {
            +($w->ask(alice => "$A1?project=teama"))[0]{status} == 403;
        }), 'the rights are gone';
        $w->says($A1 => $w->denied);
        my ($r) = $w->ask(alice => $A1);
        is $r->{status}, 403, 'nothing stale';
        $w->says($A1 => undef);
    } },
);

done_testing;
