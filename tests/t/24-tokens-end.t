#!/usr/bin/perl
# Tokens that end: revoked in the inputs or behind our back, logged out, or
# refused a moment ago; and what a session's cookie may not do (C10, K04).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use File::Temp qw(tempdir);
use JSON::PP;
use POSIX qw(strftime);
use Test::More;

my $CLUSTERS = 'GET /api/v1/clusters';
my $A1 = 'GET /api/v1/applications/a1';
my $LIST = 'GET /api/v1/applications';
my $INFO = 'GET /api/v1/session/userinfo';

sub lines { return [ map { "$_->{method} $_->{target}" } @{ $_[0] } ] }

sub gone {
    my ($why) = @_;
    my $msg = "invalid session: $why";
    return raw_answer(401,
        qq({"error":"$msg","code":16,"message":"$msg"}));
}

sub cookie { return ( header => [ Cookie => "argocd.token=$_[0]",
    @_[1 .. $#_] ]) }

# ---------------------------------------------- revoked where we can see it

# Each has a world of its own, for the change stays.
sub revoked {
    my ($say, $who, $line, $change, $message) = @_;
    scenarios({}, { id => 'revoked', say => $say, run => sub {
        my ($w) = @_;
        $w->ask($who => $line);
        is $w->outcome($who => $line), 'HIT', 'served from the cache';
        $change->($w->in);
        my ($r, $saw);
        ok until_true(sub {
            ($r, $saw) = $w->ask($who => $line);
            return $r->{status} == 401;
        }), 'refused';
        is @$saw, 0, 'by us';
        is decode_json($r->{body})->{message}, "invalid session: $message",
            'as Argo CD says it';
        for (1 .. 5) {
            ($r, $saw) = $w->ask($who => $line);
            is $r->{status}, 401, 'no hit from then on';
            is @$saw, 0, 'nor anything else';
        }
    } });
}

revoked('a token taken off the account', alice => $CLUSTERS,
    sub { $_[0]->put('argocd-secret/accounts.alice.tokens', '[]') },
    'account alice does not have token with id alice-1');
revoked('an account that is disabled', alice => $CLUSTERS,
    sub { $_[0]->put('argocd-cm/accounts.alice.enabled', 'false') },
    'account alice is disabled');
revoked('a password that was changed', admin => $CLUSTERS,
    sub { $_[0]->put('argocd-secret/admin.passwordMtime',
        strftime('%Y-%m-%dT%H:%M:%SZ', gmtime)) },
    'account password has changed since token issued');
revoked('a token taken off the project', ci => $A1,
    sub { $_[0]->put('appprojects/teama.json', encode_json({
        apiVersion => 'argoproj.io/v1alpha1', kind => 'AppProject',
        metadata => { name => 'teama', namespace => 'argocd' },
        spec => { roles => [{ name => 'deploy', policies =>
            ['p, proj:teama:deploy, applications, *, teama/*, allow'] }] },
    })) },
    "JWT token for role 'deploy' issued at '1767225600' does not exist in"
        . " project 'teama'");

# ---------------------------------------------- revoked where we cannot

scenarios({ settings => { lease => '1s', lease_probe => 'on',
        dead_token => '0' } },
    { id => 'K04', say => 'a lease that has run out', run => sub {
        my ($w) = @_;
        my ($r, $saw);
        $w->says($INFO => json_answer('{"loggedIn":true}'));
        $w->ask(alice => $CLUSTERS);
        ok until_true(sub {
            ($r, $saw) = $w->ask(alice => $CLUSTERS);
            return @$saw;
        }), 'something is asked';
        is_deeply lines($saw), [ $INFO ], 'whether the token counts';
        is $saw->[0]{header}{authorization}, 'Bearer ' . $w->token('alice'),
            'by its own words';
        is $r->{status}, 200, 'it does';
        is $w->entries, 1, 'served from the cache';
        $w->says($INFO => json_answer('{}'), $CLUSTERS => gone('revoked'));
        ok until_true(sub {
            ($r, $saw) = $w->ask(alice => $CLUSTERS);
            return @$saw;
        }), 'asked again';
        is_deeply lines($saw), [ $INFO, $CLUSTERS ], 'it does not';
        is $r->{status}, 401, 'what Argo CD says';
        for (1 .. 3) {
            ($r, $saw) = $w->ask(alice => $CLUSTERS);
            is $r->{status}, 401, 'no hit from then on';
        }
        $w->says($INFO => undef, $CLUSTERS => undef);
    } },
);

scenarios({},
    { id => 'logout', say => 'ends the hits', run => sub {
        my ($w) = @_;
        my $t = $w->token('admin');
        $w->says('GET /auth/logout' => raw_answer(303, '',
                Location => 'https://argocd.example.com',
                'Set-Cookie' => 'argocd.token=; Path=/'),
            'DELETE /api/v1/session' => json_answer('{}'));
        for my $out ('GET /auth/logout', 'DELETE /api/v1/session') {
            $w->ask(admin => $A1);
            is $w->outcome(admin => $A1), 'HIT', 'served from the cache';
            my ($r, $saw) = $w->ask(undef, $out, cookie($t,
                'Content-Type' => 'application/json'));
            is $saw->[0]{header}{cookie}, "argocd.token=$t", "$out: passed on";
            is $w->outcome(admin => $A1), 'PASS', 'Argo CD is asked';
            ok until_true(sub { $w->outcome(admin => $A1) eq 'HIT' }),
                'and accepts it';
        }
        $w->says('GET /auth/logout' => undef,
            'DELETE /api/v1/session' => undef);
    } },
    { id => 'T11', say => 'a token that Argo CD refuses', run => sub {
        my ($w) = @_;
        $w->says("$CLUSTERS \@alice" => gone('token is revoked, please'
            . ' re-login'));
        my ($first, $saw) = $w->ask(alice => $CLUSTERS);
        is @$saw, 1, 'asked once';
        for my $l ($CLUSTERS, $LIST, $A1) {
            (my $r, $saw) = $w->ask(alice => $l);
            is $r->{status}, 401, 'then refused';
            is @$saw, 0, 'here';
            is $r->{body}, $first->{body}, 'in its words';
            like $r->{header}{'retry-after'}, qr/^(?:10|[1-9])$/,
                'until when';
        }
        ($_, $saw) = $w->ask(undef, $CLUSTERS, cookie($w->token('alice')));
        is @$saw, 0, 'as a cookie, too';
        is $w->outcome(alice => $INFO), 'PASS', 'userinfo asks for no token';
        is $w->outcome(bob => $LIST), 'PASS', 'bob is not meant';
        $w->says("$CLUSTERS \@alice" => undef);
        $w->in->put('argocd-cm/help.chatText', 'mended');
        ok until_true(sub { $w->outcome(alice => $CLUSTERS) eq 'PASS' }),
            'the inputs change: asked at once';
    } },
    { id => 'T11', say => 'a token that we refuse', run => sub {
        my ($w) = @_;
        my $bad = jwt(undef, { iss => 'argocd', sub => 'alice:apiKey',
            iat => 1767225600, jti => 'alice-1' }, 'another key');
        my ($a) = $w->ask($bad, $CLUSTERS);
        my ($b) = $w->ask($bad, $CLUSTERS);
        is $a->{status}, 401, 'refused';
        is $b->{body}, $a->{body}, 'and again';
        is $a->{header}{'retry-after'}, undef, 'as Argo CD does';
        ok $b->{header}{'retry-after'}, 'then until when';
    } },
    # SSO: trouble with the provider looks the same
    { id => 'T11', say => 'a refusal that may be trouble', run => sub {
        my ($w) = @_;
        $w->says("$CLUSTERS \@alice" => gone('failed to verify the token'));
        for (1, 2) {
            my ($r, $saw) = $w->ask(alice => $CLUSTERS);
            is @$saw, 1, 'asked each time';
        }
        $w->says("$CLUSTERS \@alice" => undef);
    } },
    # The UI opens its stream at the list's resourceVersion.
    { id => 'ui', say => 'lists are not served to cookies', run => sub {
        my ($w) = @_;
        my @as = cookie($w->token('admin'));
        for my $l ($LIST, $CLUSTERS, 'GET /api/v1/projects') {
            for (1 .. 3) {
                my ($r, $saw) = $w->ask(undef, $l, @as);
                is @$saw, 1, "forwarded: $l";
            }
            $w->ask(admin => $l);
            is $w->outcome(admin => $l), 'HIT', 'a bearer has it';
            is $w->outcome(undef, $l, @as), 'PASS', 'the cookie does not';
        }
        $w->ask(undef, $A1, @as);
        is $w->outcome(undef, $A1, @as), 'HIT', 'one object is';
    } },
);

# Both servers with one zone: what one has been told the other knows.
SKIP: {
    skip 'needs nginx and httpd, and root', 1
        if $> != 0 || grep({ my $k = $_; !grep { $_ eq $k } kinds() }
            qw(nginx httpd));
    subtest 'T11: one zone for nginx and httpd' => sub {
        my $zone = tempdir('ae-zone-XXXXXX', TMPDIR => 1, CLEANUP => 1);
        chown scalar(getpwnam 'www-data'), -1, $zone;
        my $w = ArgoEdge::Scenario::world('httpd',
            settings => { zone => "$zone/edge:4m" });
        my $other = ArgoEdge::Server->new(kind => 'nginx',
            user => 'www-data', inputs => $w->in->dir,
            upstream => $w->up->port,
            directives => "argo_edge_zone $zone/edge:4m;");
        $_->start for $w->server, $other;
        my ($target) = $CLUSTERS =~ / (.*)/;
        $w->says("$CLUSTERS \@alice" => gone('token is revoked'));
        is +($w->ask(alice => $CLUSTERS))[0]{status}, 401, 'httpd is told';
        $w->up->forget;
        my $r = $other->request(GET => $target, token => $w->token('alice'));
        is $r->{status}, 401, 'nginx refuses';
        ok $r->{header}{'retry-after'}, 'as a dead token';
        is scalar @{ $w->up->requests }, 0, 'without asking';
        is $other->request(GET => $target, token => $w->token('bob'))
            ->{status}, 200, 'bob is not meant';
        $_->stop for $w->server, $other;
        $w->up->stop;
        is $w->server->trouble . $other->trouble, '', 'no worker broke';
    };
}

# ------------------------------------------------------------ C10 and R26

my $SYNC = '/api/v1/applications/a1/sync';
my $APP = '/api/v1/applications/a1';

sub origin {
    my ($say, $want, $method, @fields) = @_;
    return { id => 'C10', say => $say, run => sub {
        my ($w) = @_;
        my $to = $method eq 'POST' ? $SYNC : $APP;
        my ($r, $saw) = $w->ask(undef, "$method $to", cookie(
            $w->token('admin'), 'Content-Type' => 'application/json',
            @fields), $method eq 'POST' ? (body => '{}') : ());
        is @$saw, $want == 403 ? 0 : 1, $want == 403 ? 'refused' : 'passed';
        return if $want != 403;
        is $r->{status}, 403, 'with 403';
        like $r->{body}, qr/"code":7,/, 'in the shape of Argo CD';
    } };
}

scenarios({ cm => { additionalUrls =>
        "- https://argo.other.example\n- https://third.example:8443/x\n" } },
    origin('another origin', 403, POST => Origin => 'https://evil.example'),
    origin('one that looks alike', 403, POST =>
        Origin => 'https://argocd.example.com.evil.example'),
    origin('another port', 403, POST =>
        Origin => 'https://argocd.example.com:8443'),
    origin('no origin', 403, POST => Origin => 'null'),
    origin('an empty one', 403, POST => Origin => ''),
    origin('cross-site', 403, POST => 'Sec-Fetch-Site' => 'cross-site'),
    origin('same-site', 403, POST => 'Sec-Fetch-Site' => 'same-site'),
    origin('cross-site with our origin', 403, POST =>
        Origin => 'https://argocd.example.com',
        'Sec-Fetch-Site' => 'cross-site'),
    origin('same-origin with another', 403, POST =>
        Origin => 'https://evil.example', 'Sec-Fetch-Site' => 'same-origin'),
    origin('DELETE', 403, DELETE => Origin => 'https://evil.example'),
    origin('url', 200, POST => Origin => 'https://argocd.example.com'),
    origin('url with its port', 200, POST =>
        Origin => 'https://argocd.example.com:443',
        'Sec-Fetch-Site' => 'same-origin'),
    origin('an additional url', 200, POST =>
        Origin => 'https://argo.other.example'),
    origin('another, with port and path', 200, POST =>
        Origin => 'https://third.example:8443'),
    origin('without its port', 403, POST =>
        Origin => 'https://third.example'),
    origin('typed by hand', 200, POST => 'Sec-Fetch-Site' => 'none'),
    origin('no browser', 200, 'POST'),
    origin('a read', 200, GET => Origin => 'https://evil.example'),
    { id => 'C10', say => 'a bearer is not sent by itself', run => sub {
        my ($w) = @_;
        my ($r, $saw) = $w->ask(admin => "POST $SYNC", body => '{}',
            header => [ 'Content-Type' => 'application/json',
                Origin => 'https://evil.example' ]);
        is @$saw, 1, 'forwarded';
    } },
);

done_testing;
