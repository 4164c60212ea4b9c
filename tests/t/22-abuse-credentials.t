#!/usr/bin/perl
# Abuse of credentials and tokens: cases C01 to C09 and J01 to J13.  The cases
# that need OIDC are not here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64 qw(encode_base64url);
use Test::More;

my $LIST = 'GET /api/v1/applications';
my $CLUSTERS = 'GET /api/v1/clusters';
my $B1 = "$LIST/b1?project=teamb";

sub head {
    my ($line, @fields) = @_;
    return join "\r\n", "$line HTTP/1.1", 'Host: x', 'Connection: close',
        @fields, '', '';
}

sub bearer {
    my ($line, $token, @more) = @_;
    return head($line, "Authorization: Bearer $token", @more);
}

# A row for a token that is no token.
sub dead {
    my ($id, $say, $token, %more) = @_;
    return { id => $id, say => $say, want => '401 OWN',
        raw => sub { bearer($CLUSTERS, ref $token ? $token->($_[0]) : $token) },
        %more };
}

my %bob = (iss => 'argocd', sub => 'bob:apiKey', iat => 1767225600,
    nbf => 1767225600, jti => 'bob-1');
my %alice = (%bob, sub => 'alice:apiKey', jti => 'alice-1');
my $text = '"iss":"argocd","sub":"alice:apiKey","iat":1767225600,'
    . '"nbf":1767225600,"jti":"alice-1"';

# A valid token of alice of exactly |n| bytes.
sub sized {
    my ($n) = @_;
    for my $kid (0 .. 3) {
        for my $fill (0 .. 3) {
            my $t = jwt(qq({"alg":"HS256","kid":") . 'k' x $kid . '"}',
                "{$text,\"pad\":\"" . 'x' x $fill . '"}');
            my $more = $n - length $t;
            next if $more < 0;
            my $x = int($more / 4) * 3 + $fill;
            $t = jwt(qq({"alg":"HS256","kid":") . 'k' x $kid . '"}',
                "{$text,\"pad\":\"" . 'x' x $x . '"}');
            return $t if length $t == $n;
        }
    }
    die "no token of $n bytes";
}

scenarios({},
    { id => 'C01', say => 'a second identity in gRPC metadata',
      line => $CLUSTERS, as => 'alice', want => 'PASS 200 NOSTORE',
      header => [ 'Grpc-Metadata-Token' => 'placeholder' ], also => sub {
          my ($w, $r, $saw) = @_;
          my $h = $saw->[0]{header};
          is $h->{'grpc-metadata-token'}, undef, 'stripped';
          is $h->{authorization}, 'Bearer ' . $w->token('alice'),
              'upstream sees alice only';
      } },
    # nginx before 1.23 refuses this itself, httpd joins them
    { id => 'C02', say => 'two Authorization headers', want => '400',
      raw => sub { bearer($LIST, $_[0]->token('alice'),
          'Authorization: Bearer ' . $_[0]->token('bob')) } },
    # httpd has joined two fields by then, and cannot tell one from two
    { id => 'C02', say => 'two in one Authorization header', kind => 'nginx',
      want => '401 OWN', raw => sub { bearer($LIST,
          $_[0]->token('alice') . ', Bearer ' . $_[0]->token('bob')) } },
    { id => 'C03', say => 'a cookie beside a bearer', want => '200',
      log => qr/ subject=alice /,
      raw => sub { bearer($CLUSTERS, $_[0]->token('alice'),
          'Cookie: a=b; argocd.token=' . $_[0]->token('bob') . '; c=d') },
      also => sub {
          my ($w, $r, $saw) = @_;
          is @$saw, 1, 'forwarded';
          is $saw->[0]{header}{authorization},
              'Bearer ' . $w->token('alice'), 'for alice';
          like $saw->[0]{header}{cookie}, qr/^a=b; ?c=d$/,
              'without the other credential';
      } },
    { id => 'C04', say => 'no fall-through to the cookie', want => '401 OWN',
      raw => sub { head($LIST, 'Authorization: Bearer nothing',
          'Cookie: argocd.token=' . $_[0]->token('bob')) } },
    { id => 'C05', say => 'a token in two cookies', want => '200',
      line => $B1,
      log => qr/ subject=bob /,
      raw => sub {
          my $t = $_[0]->token('bob');
          my $half = int(length($t) / 2);
          return head($B1, 'Cookie: argocd.token=2:' . substr($t, 0, $half)
              . '; argocd.token-1=' . substr($t, $half));
      },
      also => sub {
          my ($w, $r, $saw) = @_;
          my $t = $w->token('bob');
          my $half = int(length($t) / 2);
          is @$saw, 1, 'forwarded';
          is $saw->[0]{header}{cookie}, 'argocd.token=2:'
              . substr($t, 0, $half) . '; argocd.token-1='
              . substr($t, $half), 'unchanged';
      } },
    (map { my @who = @$_; { id => 'C06', say => "two cookies, @who",
        want => '400 OWN', raw => sub {
            head($LIST, 'Cookie: ' . join '; ',
                map { "argocd.token=" . $_[0]->token($_) } @who) } } }
        [qw(alice bob)], [qw(bob alice)]),
    { id => 'C07', say => 'nobody at all', line => $CLUSTERS,
      want => '401 OWN', prime => [[ alice => $CLUSTERS ]] },
    { id => 'C09', say => 'a project token outside its project', as => 'ci',
      line => $B1, want => '403 OWN' },
    { id => 'C09', say => 'the same when alice has it cached', as => 'ci',
      line => $B1, want => '403 OWN', prime => [[ alice => $B1 ]] },
    { id => 'C09', say => 'the same without naming the project', run => sub {
        my ($w) = @_;
        $w->says("$LIST/b1 \@ci" => $w->denied);
        for (1 .. 2) {
            my ($r, $saw) = $w->ask(ci => "$LIST/b1");
            is $r->{status}, 403, 'refused';
            is @$saw, 1, 'by Argo CD, which knows the project';
            $w->ask(alice => "$LIST/b1");
        }
    } },

    (map { dead('J01', "alg $_", jwt(qq({"alg":"$_"}), \%alice)),
        dead('J01', "alg $_, empty signature",
            jwt(qq({"alg":"$_"}), \%alice) =~ s/[^.]*\z//r) }
        qw(none None nOnE)),
    dead('J01', 'HS256, empty signature', jwt(undef, \%alice) =~ s/[^.]*\z//r),
    dead('J02', 'an argocd token that says RS256',
        jwt('{"alg":"RS256","kid":"k1"}', \%alice)),
    (map { my ($say, $alg) = @$_;
        dead('J02', $say, jwt(qq({"alg":"$alg"}), \%alice, '')) }
        [ 'signed with an empty key', 'HS256' ],
        [ 'ES256', 'ES256' ], [ 'EdDSA', 'EdDSA' ]),
    { id => 'J05', say => 'keys in the header', run => sub {
        my ($w) = @_;
        my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
            or die "listen: $!";
        my $url = 'http://127.0.0.1:' . $l->sockport . '/jwks.json';
        my $oct = encode_base64url('mine');
        for my $h (qq("jwk":{"kty":"oct","k":"$oct"}), qq("jku":"$url"),
            qq("x5u":"$url"), qq("x5c":["AAAA"]))
        {
            my $head = qq({"alg":"HS256",$h});
            my ($r, $saw) = $w->ask(jwt($head, \%alice, 'mine'), $CLUSTERS);
            is $r->{status}, 401, "signed with that key: $h";
            is @$saw, 0, 'not forwarded';
            ($r, $saw) = $w->ask(jwt($head, \%alice), $CLUSTERS);
            is $r->{status}, 200, 'valid otherwise: ignored';
        }
        ok !IO::Select->new($l)->can_read(0), 'nobody came for a key';
    } },
    dead('J06', 'kid of 16,000 bytes',
        jwt('{"alg":"HS256","kid":"' . 'k' x 16000 . '"}', \%alice),
        want => '431 OWN'),
    dead('J06', 'kid over its bound',
        jwt('{"alg":"HS256","kid":"' . 'k' x 300 . '"}', \%alice, 'x')),
    dead('J06', 'kid that is a path',
        jwt('{"alg":"HS256","kid":"../../etc/passwd"}', \%alice, 'x')),
    dead('J06', 'kid with NUL',
        jwt('{"alg":"HS256","kid":"a\u0000b"}', \%alice)),
    dead('J07', 'a claim twice', jwt(undef,
        '{"iss":"argocd","sub":"bob:apiKey","sub":"admin:login",'
        . '"iat":1767225600,"jti":"bob-1"}')),
    dead('J10', 'a JWE', join('.', encode_base64url(
        '{"alg":"dir","enc":"A256GCM","zip":"DEF"}'), '', ('AAAA') x 3)),
    dead('J10', 'PBES2 with many rounds', join('.', encode_base64url(
        '{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483648,'
        . '"p2s":"AAAA"}'), ('AAAA') x 4)),
    { id => 'J11', say => 'a token of 16 KiB', want => '200 PASS',
      raw => sub { bearer($CLUSTERS, sized(16384)) } },
    dead('J11', 'a token of 16 KiB + 1', sub { sized(16385) },
        want => '431 OWN'),
    dead('J11', '16 KiB of dots', '.' x 16384),
    dead('J11', '20,000 dots', '.' x 20000, want => '431 OWN'),
    dead('J11', 'a token of 1 MiB', 'x' x (1 << 20), want => '400 HOST'),
    dead('J11', 'a million dots', '.' x 1_000_000, want => '400 HOST'),
    dead('J12', 'crit', jwt('{"alg":"HS256","crit":["x"],"x":1}', \%alice)),
    dead('J13', 'depth 17', jwt(undef,
        "{$text,\"d\":" . '[' x 16 . ']' x 16 . '}')),
    dead('J13', '10,000 groups', jwt(undef, "{$text,\"groups\":["
        . join(',', ('"g"') x 10_000) . ']}'), want => '400 HOST'),
    dead('J13', '1,001 groups', jwt(undef, "{$text,\"groups\":["
        . join(',', ('"g"') x 1001) . ']}')),
    dead('J13', 'a number beyond all', jwt(undef, "{$text,\"n\":1e400}")),
);

# Anonymous access upstream, switched on while we run.
scenarios({},
    { id => 'C07', say => 'anonymous access', prime => [[ alice => $CLUSTERS ]],
      run => sub {
        my ($w) = @_;
        my ($r, $saw) = $w->ask(undef, $CLUSTERS);
        is $r->{status}, 401, 'off: nobody is refused';
        $w->in->put('argocd-cm/users.anonymous.enabled', 'true');
        $w->in->put('argocd-rbac-cm/policy.default', 'role:readonly');
        my $anon = '{"metadata":{},"items":[],"anon":true}';
        $w->says("$CLUSTERS " => json_answer($anon));
        ok until_true(sub {
            ($r, $saw) = $w->ask(undef, $CLUSTERS);
            return $r->{status} != 401;
        }), 'on';
        is $r->{status}, 200, 'forwarded';
        is $r->{body}, $anon, 'never what alice got';
        ($r, $saw) = $w->ask(undef, $CLUSTERS);
        is @$saw, 0, 'then from the entry of nobody';
        is $r->{body}, $anon, 'its own';
        my $bad = jwt(undef, \%alice, 'another key');
        ($r, $saw) = $w->ask($bad, $CLUSTERS);
        is $r->{status}, 401, 'C08: a bad token is not nobody';
        is @$saw, 0, 'C08: and goes nowhere';
    } },
);

done_testing;
