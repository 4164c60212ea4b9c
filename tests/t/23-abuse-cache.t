#!/usr/bin/perl
# Abuse of the cache: cases K01 to K13 (K14 is in the smoke test).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(slurp);
use ArgoEdge::Scenario;
use Test::More;
use Time::HiRes qw(time);

my $LIST = 'GET /api/v1/applications';
my $A1 = "$LIST/a1";
my $B1 = "$LIST/b1";
my $CLUSTERS = 'GET /api/v1/clusters';
my $REPOS = 'GET /api/v1/repositories';

sub answer {
    my ($status, $body, @fields) = @_;
    return join "\r\n", "HTTP/1.1 $status X", @fields,
        'Content-Length: ' . length $body, '', $body;
}
my @json = ('Content-Type: application/json');

# An answer that may not be kept: forwarded twice, nothing stored.
sub unkept {
    my ($id, $say, $raw, $status, $also) = @_;
    return { id => $id, say => $say, run => sub {
        my ($w) = @_;
        $w->says($CLUSTERS => $raw);
        my $before = $w->entries;
        for (1, 2) {
            my ($r, $saw) = $w->ask(alice => $CLUSTERS);
            is $r->{status}, $status || 200, 'passed on';
            is @$saw, 1, 'asked each time';
            $also->($r) if $also;
        }
        is $w->entries, $before, 'nothing stored';
        $w->says($CLUSTERS => undef);
        is $w->outcome(alice => $CLUSTERS), 'PASS', 'a good answer';
        is $w->outcome(alice => $CLUSTERS), 'HIT', 'is stored';
    } };
}

my $chunked = "HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
    . "Transfer-Encoding: chunked\r\n\r\n";
my $ok = '{"items":[]}';

# The files of the cache: path => bytes.
sub files {
    my ($dir) = @_;
    return map { $_ => slurp($_) } grep { -f } glob "$dir/*";
}

sub put_file {
    my ($path, $bytes) = @_;
    open my $fh, '>', $path or die "$path: $!";
    binmode $fh;
    print $fh $bytes;
    close $fh;
}

# Changes |from| to |to| in place, in every file of the cache.
sub change {
    my ($w, $from, $to) = @_;
    my $n = 0;
    my %f = files($w->server->dir . '/cache');
    for my $path (keys %f) {
        my $at = -1;
        while (($at = index $f{$path}, $from, $at + 1) >= 0) {
            open my $fh, '+<', $path or die "$path: $!";
            sysseek $fh, $at, 0;
            syswrite $fh, $to;
            close $fh;
            $n++;
        }
    }
    return $n;
}

scenarios({},
    { id => 'K01', say => 'one list, two callers', run => sub {
        my ($w) = @_;
        my $his = '{"items":[' . app('teamb', 'b1') . ']}';
        $w->says("$LIST \@bob" => json_answer($his));
        my ($r, $saw) = $w->ask(admin => $LIST);
        like $r->{body}, qr/"a1"/, 'admin sees all';
        ($r, $saw) = $w->ask(bob => $LIST);
        is @$saw, 1, 'bob is asked for anew';
        is $r->{body}, $his, 'and gets his own';
        ($r, $saw) = $w->ask(bob => $LIST);
        is @$saw, 0, 'then from the cache';
        is $r->{body}, $his, 'his own';
        ($r, $saw) = $w->ask(admin => $LIST);
        is @$saw, 0, 'as admin does';
        like $r->{body}, qr/"a1"/, 'with all of it';
        is $w->entries, 2, 'two entries';
    } },
    # Without project= only Argo CD knows whether bob may: forwarded.
    { id => 'K02', say => 'an application of others',
      prime => [[ alice => $A1 ]], run => sub {
          my ($w) = @_;
          $w->says("$A1 \@bob" => $w->denied);
          for (1, 2) {
              my ($r, $saw) = $w->ask(bob => $A1);
              is $r->{status}, 403, 'refused';
              is @$saw, 1, 'by Argo CD';
          }
          my ($r, $saw) = $w->ask(bob => "$A1?project=teama");
          is $r->{status}, 403, 'the project named: refused';
          is @$saw, 0, 'by us';
          is $w->outcome(alice => $A1), 'HIT', 'alice has hers';
      } },
    { id => 'K03', say => 'a policy that takes rights away', run => sub {
        my ($w) = @_;
        $w->says($CLUSTERS => json_answer('{"metadata":{},"items":['
            . '{"server":"https://k","name":"k"}]}'));
        for my $l ($A1, $CLUSTERS) {
            $w->ask(alice => $l);
            is $w->outcome(alice => $l), 'HIT', "stored: $l";
        }
        (my $less = $ArgoEdge::Scenario::POLICY) =~ s/^g, alice.*\n//m;
        $w->in->put('argocd-rbac-cm/policy.csv', $less);
        my $r;
        ok until_true(sub {
            ($r) = $w->ask(alice => "$A1?project=teama");
            $r->{status} == 403;
        }), 'the new policy is in force';
        $w->says("$A1 \@alice" => $w->denied);
        isnt $w->outcome(alice => $A1), 'HIT', 'never from the cache';
        is +($w->ask(alice => $CLUSTERS))[0]{body},
            '{"metadata":{},"items":null}',
            'and the list shows nothing any more';
        $w->in->put('argocd-rbac-cm/policy.csv',
            $ArgoEdge::Scenario::POLICY);
        ok until_true(sub {
            ($r) = $w->ask(alice => "$A1?project=teama");
            $r->{status} != 403;
        }), 'and back';
        $w->says("$A1 \@alice" => undef, $CLUSTERS => undef);
    } },
    unkept('K05', 'Set-Cookie', answer(200, $ok, @json,
        'Set-Cookie: argocd.token=x; Path=/')),
    unkept('K05', 'a renewed token', answer(200, $ok, @json,
        'Grpc-Metadata-Renew-Token: x'), 200, sub {
            is $_[0]{header}{'grpc-metadata-renew-token'}, undef,
                'which goes no further';
        }),
    (map { unkept('K06', "status $_", answer($_, '{"error":"x","code":5}',
        @json, $_ == 307 ? 'Location: /x' : ()), $_) }
        401, 403, 404, 415, 500, 307),
    unkept('K07', 'text/html', answer(200, $ok, 'Content-Type: text/html')),
    unkept('K07', 'an event stream', answer(200, $ok,
        'Content-Type: text/event-stream')),
    unkept('K07', 'a short body', \("HTTP/1.1 200 X\r\n"
        . "Content-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        . '{"items":[')),
    unkept('K07', 'no last chunk', \"${chunked}c\r\n$ok\r\n"),
    unkept('K07', 'neither length nor chunks', \("HTTP/1.1 200 X\r\n"
        . "Content-Type: application/json\r\n\r\n$ok")),
    unkept('K07', 'a part', answer(206, $ok, @json,
        'Content-Range: bytes 0-11/12'), 206),
    unkept('K07', 'broken JSON', answer(200, '{"items":[', @json)),
    (map { unkept('K08', $_, answer(200, $ok, @json, $_)) }
        'Vary: *', 'Vary: Cookie', 'Cache-Control: no-store',
        'Cache-Control: private'),
    { id => 'K07', say => 'chunks with an end are whole', run => sub {
        my ($w) = @_;
        $w->says($CLUSTERS => "${chunked}c\r\n$ok\r\n0\r\n\r\n");
        is $w->outcome(alice => $CLUSTERS), 'PASS', 'fetched';
        is +($w->ask(alice => $CLUSTERS))[0]{body}, $ok, 'and';
        is $w->outcome(alice => $CLUSTERS), 'HIT', 'kept';
        $w->says($CLUSTERS => undef);
    } },
    { id => 'K09', say => 'userinfo as a style sheet', as => 'alice',
      line => 'GET /api/v1/session/userinfo/x.css', want => '404 OWN' },
    { id => 'K09', say => 'userinfo with a parameter', as => 'alice',
      line => 'GET /api/v1/session/userinfo;x.css', want => '400 OWN' },
    { id => 'K09', say => 'the same by somebody else', as => 'bob',
      line => 'GET /api/v1/session/userinfo/x.css', want => '404 OWN' },
    { id => 'K10', say => 'headers that others would share', run => sub {
        my ($w) = @_;
        my ($r, $saw) = $w->ask(alice => $CLUSTERS, header => [
            'X-Forwarded-Host' => 'evil', 'Forwarded' => 'host=evil',
            'X-Original-URL' => '/api/v1/clusters', 'X-Rewrite-URL' => '/x',
            'Grpc-Timeout' => '1n', 'Range' => 'bytes=0-1',
            'If-None-Match' => '*' ]);
        my $h = $saw->[0]{header};
        is $h->{$_}, undef, "stripped: $_" for qw(forwarded x-original-url
            x-rewrite-url grpc-timeout range if-none-match);
        unlike $h->{'x-forwarded-host'}, qr/evil/, 'our own';
        my $clean = $r->{body};
        ($r, $saw) = $w->ask(alice => $CLUSTERS);
        is @$saw, 0, 'stored';
        is $r->{body}, $clean, 'the clean body';
    } },
    { id => 'K11', say => 'a write is seen by all', run => sub {
        my ($w) = @_;
        for my $l ($LIST, $A1, $CLUSTERS) {
            $w->ask(alice => $l);
            is $w->outcome(alice => $l), 'HIT', "stored: $l";
        }
        my ($r) = $w->ask(admin => 'DELETE /api/v1/applications/a1',
            header => [ 'Content-Type' => 'application/json' ]);
        is $r->{status}, 200, 'deleted through the edge';
        is $w->outcome(alice => $LIST), 'PASS', 'the list is fetched again';
        is $w->outcome(alice => $A1), 'PASS', 'the application, too';
        is $w->outcome(alice => $CLUSTERS), 'HIT', 'clusters are not';
    } },
    { id => 'K12', say => 'values that run into each other', run => sub {
        my ($w) = @_;
        my @t = map { "$LIST?$_" } 'projects=a&projects=b',
            'projects=a%26projects%3Db', 'projects=ab', 'projects=a%2Cb',
            'projects=a&selector=b', 'selector=b%26projects%3Da',
            'projects=b&projects=a', 'name=a&repo=b', 'name=a%26repo%3Db';
        my %body;
        for my $i (0 .. $#t) {
            $body{ $t[$i] } = qq({"items":[],"n":$i});
            $w->says($t[$i] => json_answer($body{ $t[$i] }));
        }
        for my $round (1, 2) {
            is +($w->ask(alice => $_))[0]{body}, $body{$_},
                "round $round: $_" for @t;
        }
        is $w->entries, scalar @t, 'one entry each';
    } },
);

# Without the memory for dead tokens, which would answer for a while (T11).
scenarios({ settings => { dead_token => '0' } },
    { id => 'K04', say => 'a token that was revoked', run => sub {
        my ($w) = @_;
        my $path = "$CLUSTERS/x";
        for my $who (qw(alice bob)) {
            $w->says("$B1 \@$who" => json_answer(app('teamb', 'b1')));
            $w->ask($who => $B1);
            is $w->outcome($who => $B1), 'HIT', "stored for $who";
        }
        my $msg = 'invalid session: token is revoked, please re-login';
        my $dead = raw_answer(401,
            qq({"error":"$msg","code":16,"message":"$msg"}));
        $w->says("$path \@alice" => $dead, "$B1 \@alice" => $dead);
        is +($w->ask(alice => $path))[0]{status}, 401, 'revoked upstream';
        my ($r, $saw) = $w->ask(alice => $B1);
        is $r->{status}, 401, 'no more from the cache';
        is @$saw, 1, 'Argo CD is asked';
        is $w->outcome(bob => $B1), 'HIT', 'bob has his';
        $w->says("$path \@alice" => undef,
            map { ("$B1 \@$_" => undef) } qw(alice bob));
        # the acceptance of an ordinary request brings it back
        is $w->outcome(alice => $B1), 'PASS', 'accepted again';
        ok until_true(sub { $w->outcome(alice => $B1) eq 'HIT' }),
            'served again';
    } },
);

# Nobody has alice's role here; bob has other rights.
sub equals {
    my ($w) = @_;
    $w->in->put('argocd-rbac-cm/policy.csv',
        $ArgoEdge::Scenario::POLICY . "g, nobody, role:readonly\n");
    ok until_true(sub {
        (($w->ask(nobody => "$A1?project=teama"))[0]{status} // 403) != 403;
    }), 'two have equal rights';
    $w->ask($_ => $REPOS) for qw(alice bob nobody); # leases
}

# One question for these who ask in turn?
sub one_question {
    my ($w, $line, $body, @who) = @_;
    my $n = 0;
    for my $who (@who) {
        my ($r, $saw) = $w->ask($who => $line);
        is $r->{body}, $body, "$who has it";
        $n += @$saw;
    }
    is $n, 1, "one question: $line";
}

scenarios({ settings => { cache_share => 'rights', lists => 'off' } },
    { id => 'K15', say => 'equal rights share, others do not', run => sub {
        my ($w) = @_;
        equals($w);
        my $both = '{"metadata":{},"items":[' . app('teama', 'a1') . ','
            . app('teamb', 'b1') . ']}';
        my $his = '{"metadata":{},"items":[' . app('teamb', 'b1') . ']}';
        $w->says("$LIST \@bob" => json_answer($his));
        one_question($w, $LIST, $both, qw(alice nobody alice));
        one_question($w, $LIST, $his, qw(bob bob));
        one_question($w, $A1, app('teama', 'a1'), qw(nobody alice));
        my ($r, $saw) = $w->ask(admin => $LIST);
        is @$saw, 1, 'who may more asks, too';
        my $about = 'GET /api/v1/account';
        $w->says("$about \@$_" => json_answer(qq({"items":["$_"]})))
            for qw(alice nobody);
        one_question($w, $about, qq({"items":["$_"]}), $_, $_)
            for qw(alice nobody);
    } },
    { id => 'K15', say => 'many of equal rights at once', run => sub {
        my ($w) = @_;
        equals($w);
        my $line = "$LIST?projects=teama";
        my $body = '{"metadata":{},"items":[' . app('teama', 'a1') . ']}';
        $w->says($line => { delay => 0.5, raw => json_answer($body) });
        $w->up->forget;
        my $all = $w->crowd(16, [qw(alice nobody)], $line);
        is scalar(grep { $_->{body} eq $body } @$all), 16, 'all have it';
        is $w->up->hits, 1, 'one question';
        $w->says($line => undef);
    } },
    { id => 'K15', say => 'what our policy does not allow goes no further',
      run => sub {
        my ($w) = @_;
        my $both = '{"metadata":{},"items":[' . app('teama', 'a1') . ','
            . app('teamb', 'b1') . ']}';
        $w->in->put('argocd-rbac-cm/policy.csv', "g, alice, role:b\n"
            . "g, nobody, role:b\n"
            . "p, role:b, applications, get, teamb/*, allow\n");
        ok until_true(sub {
            (($w->ask(alice => "$A1?project=teama"))[0]{status} // 0) == 403;
        }), 'the policy is in force';
        $w->ask(nobody => $CLUSTERS);
        $w->says($LIST => json_answer($both)); # it is ahead of us
        $w->ask(alice => $LIST);
        is $w->outcome(alice => $LIST), 'HIT', 'alice has hers';
        is $w->outcome(nobody => $LIST), 'PASS', 'and nobody else has it';
        my ($rc, $out) = $w->_cache_cli('purge', '--identity', 'alice');
        is $rc, 0, 'purged';
        is $w->outcome(alice => $LIST), 'PASS', 'she asks anew';
        $w->in->put('argocd-rbac-cm/policy.csv',
            $ArgoEdge::Scenario::POLICY);
    } },
);

# K13: damage to the file itself.  A damaged file is given up, so each case
# has a server of its own.
my $one = '{"items":[{"metadata":{"name":"first-of-two-bodies"}}]}';
my $two = '{"items":[{"metadata":{"name":"other-of-two-bodies"}}]}';

sub fill {
    my ($w) = @_;
    $w->says($CLUSTERS => json_answer($one), $REPOS => json_answer($two));
    $w->ask(alice => $_) for $CLUSTERS, $REPOS;
    is $w->outcome(alice => $_), 'HIT', "stored: $_" for $CLUSTERS, $REPOS;
}

scenarios({}, { id => 'K13', say => 'one bit of a stored value',
    run => sub {
        my ($w) = @_;
        fill($w);
        (my $bad = $one) =~ s/first/firsu/;
        cmp_ok change($w, $one, $bad), '>', 0, 'flipped';
        my ($r, $saw) = $w->ask(alice => $CLUSTERS);
        is @$saw, 1, 'a miss';
        is $r->{body}, $one, 'never delivered';
        is +($w->ask(alice => $REPOS))[0]{body}, $two, 'the other is right';
    } });
scenarios({}, { id => 'K13', say => 'two stored values change places',
    run => sub {
        my ($w) = @_;
        fill($w);
        my $mark = 'X' x length $one;
        change($w, $one, $mark);
        change($w, $two, $one);
        cmp_ok change($w, $mark, $two), '>', 0, 'swapped';
        for ([ $CLUSTERS, $one ], [ $REPOS, $two ]) {
            is +($w->ask(alice => $_->[0]))[0]{body}, $_->[1],
                "right: $_->[0]";
        }
    } });

# An older copy of all files, put back while the server is down.
for my $kind (kinds()) {
    subtest "K13 $kind: an older copy" => sub {
        my $w = ArgoEdge::Scenario::world($kind,
            settings => { ttl => 'objects=2s' });
        $w->server->start;
        fill($w);
        my $stored = time;
        my %old = files($w->server->dir . '/cache');
        $w->ask(alice => $A1);
        ok until_true(sub { $w->outcome(alice => $CLUSTERS) eq 'PASS'
            && time - $stored > 2 }), 'the entry has ended';
        $w->server->stop;
        unlink keys %{{ files($w->server->dir . '/cache') }};
        put_file($_, $old{$_}) for keys %old;
        chmod 0600, keys %old;
        $w->says($_ => json_answer('{"items":[],"new":1}'))
            for $CLUSTERS, $REPOS;
        $w->server->start;
        for my $l ($CLUSTERS, $REPOS) {
            my ($r, $saw) = $w->ask(alice => $l);
            is $r->{status}, 200, 'answered';
            like $r->{body}, qr/"new"/, "nothing past its expiry: $l";
        }
        $w->server->stop;
        $w->up->stop;
        is $w->server->trouble, '', 'no worker broke';
    };
    subtest "K13 $kind: an older copy, rights taken away" => sub {
        my $w = ArgoEdge::Scenario::world($kind);
        $w->server->start;
        $w->ask(alice => $A1);
        is $w->outcome(alice => $A1), 'HIT', 'stored';
        my %old = files($w->server->dir . '/cache');
        $w->server->stop;
        put_file($_, $old{$_}) for keys %old;
        (my $less = $ArgoEdge::Scenario::POLICY) =~ s/^g, alice.*\n//m;
        $w->in->put('argocd-rbac-cm/policy.csv', $less);
        $w->says("$A1 \@alice" => $w->denied);
        $w->server->start;
        # a lease first, so that only the decision stands between
        $w->ask(alice => 'GET /api/v1/projects');
        my ($r, $saw) = $w->ask(alice => $A1);
        is $r->{status}, 403, 'every hit is decided again';
        $w->server->stop;
        $w->up->stop;
        is $w->server->trouble, '', 'no worker broke';
    };
}

done_testing;
