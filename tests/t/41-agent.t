#!/usr/bin/perl
# argo-edge agent: keys of the SSO provider kept beside the inputs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build slurp);
use ArgoEdge::Inputs;
use ArgoEdge::Provider;
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::UNIX;
use Socket qw(SOCK_DGRAM);
use Test::More;

my $CAN = '/api/v1/account/can-i/applications/get/teama/a1';
my $POLICY = "p, role:dev, applications, get, teama/*, allow\n"
    . "g, eng, role:dev\n";
my $dir = tempdir('ae-agent-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $n = 0;

# An agent over |in|; its words go to a file, its notifications to a socket.
sub agent {
    my ($in, @more) = @_;
    my $a = { log => "$dir/log" . ++$n, sock => "$dir/sock$n" };
    $a->{notify} = IO::Socket::UNIX->new(Local => $a->{sock},
        Type => SOCK_DGRAM) or die "socket: $!";
    defined($a->{pid} = fork) or die "fork: $!";
    if (!$a->{pid}) {
        $ENV{NOTIFY_SOCKET} = $a->{sock};
        open STDERR, '>', $a->{log};
        open STDOUT, '>&', \*STDERR;
        exec build() . '/argo-edge', 'agent', '--inputs', $in->dir, @more;
        exit 127;
    }
    return $a;
}

sub ends {
    my ($a, $signal) = @_;
    kill $signal, $a->{pid};
    return until_true(sub { waitpid($a->{pid}, 1) == $a->{pid} }, 5)
        ? $? : 'nothing';
}

sub told { # all notifications that came so far
    my ($a) = @_;
    my $buf;
    while (IO::Select->new($a->{notify})->can_read(0)) {
        $a->{notify}->recv($buf, 4096);
        $a->{told} .= "$buf\n";
    }
    return $a->{told} // '';
}

sub says { return -f $_[0]{log} ? slurp($_[0]{log}) : '' }

sub inputs {
    my ($config) = @_;
    my $in = ArgoEdge::Inputs->new(policy => $POLICY, projects => ['teama'],
        cm => { 'oidc.config' => $config });
    return $in;
}

sub text { my ($in, $f) = @_; my $p = $in->dir . "/oidc/$f";
    return -f $p ? slurp($p) : '' }

subtest 'keeps the documents' => sub {
    my $idp = ArgoEdge::Provider->new->start;
    my $in = inputs($idp->config);
    my $a = agent($in);
    ok until_true(sub { text($in, 'discovery.json') }), 'written';
    is text($in, 'jwks.json'), $idp->jwks, 'the key set';
    is text($in, 'discovery.json'), $idp->discovery, 'the discovery document';
    ok -f $in->dir . '/oidc/.fetched', 'and when that was';
    like told($a), qr/^READY=1$/m, 'systemd is told';
    ok until_true(sub { told($a) =~ /^STATUS=oidc: keys of .* old$/m }),
        'and how it is';
    like told($a), qr/^WATCHDOG=1$/m, 'and that it lives';
    like says($a), qr/oidc: keys of \S+ fetched/, 'and the log';
    kill 'USR1', $a->{pid};
    ok until_true(sub { says($a) =~ /agent: well: oidc: keys of/ }),
        'its health on demand';
    is ends($a, 'TERM'), 0, 'a clean stop';
    like told($a), qr/^STOPPING=1$/m, 'that is told, too';
    is $idp->fetches->{keys}, 1, 'it asked once';
};

subtest 'takes nothing that is bad' => sub {
    my %bad = (
        'an error' => { keys => ArgoEdge::Upstream::answer(500, 'x') },
        'a redirect to elsewhere' => { keys => ArgoEdge::Upstream::answer(302,
            '', Location => 'http://127.0.0.1:1/keys') },
        'a file' => { discovery => ArgoEdge::Upstream::answer(302, '',
            Location => 'file:///etc/passwd') },
        '5 MB' => { keys => ArgoEdge::Upstream::answer(200,
            '{"keys":[]}' . (' ' x 5_000_000)) },
        'bad keys' => { keys => ArgoEdge::Upstream::answer(200,
            '{"keys":[null]}') },
        'plain http elsewhere' => 'http://example.invalid/keys',
    );
    for my $what (sort keys %bad) {
        my $idp = ArgoEdge::Provider->new->start;
        my $in = inputs($idp->config);
        $in->put('oidc/jwks.json', 'what was there');
        $idp->answer(ref $bad{$what} ? %{ $bad{$what} }
            : (discovery => ArgoEdge::Upstream::answer(200, '{"issuer":"'
                . $idp->issuer . qq(","jwks_uri":"$bad{$what}"}))));
        my $a = agent($in);
        ok until_true(sub { says($a) =~ /the last good documents stay/ }),
            "$what: said";
        is text($in, 'jwks.json'), 'what was there', 'nothing is written';
        ok until_true(sub { told($a) =~ /^STATUS=trouble: oidc/m }),
            'systemd knows';
        is ends($a, 'TERM'), 0, 'and it lives on';
    }
};

subtest 'follows within one origin' => sub {
    my $idp = ArgoEdge::Provider->new->start;
    my $in = inputs($idp->config);
    $idp->{up}->answer_with('GET /k2' => ArgoEdge::Upstream::answer(200,
        $idp->jwks), 'GET /keys' => ArgoEdge::Upstream::answer(302, '',
        Location => '/k2'));
    my $a = agent($in);
    ok until_true(sub { text($in, 'jwks.json') eq $idp->jwks }), 'a redirect';
    is ends($a, 'TERM'), 0, 'and it lives on';
};

# openssl s_server -WWW serves files below its directory.
subtest 'verifies TLS' => sub {
    my $www = tempdir(DIR => $dir);
    my $port = ArgoEdge::Server::free_port();
    my $idp = ArgoEdge::Provider->new(issuer => "https://localhost:$port");
    mkdir "$www/.well-known";
    my %doc = ('.well-known/openid-configuration' => '{"issuer":"'
        . $idp->issuer . '","jwks_uri":"' . $idp->issuer . '/keys"}',
        keys => $idp->jwks);
    for my $f (keys %doc) {
        open my $fh, '>', "$www/$f" or die $!;
        print $fh $doc{$f};
        close $fh;
    }
    system("openssl req -x509 -newkey rsa:2048 -nodes -keyout $www/k.pem"
        . " -out $www/c.pem -days 2 -subj /CN=localhost"
        . " -addext subjectAltName=DNS:localhost 2>/dev/null") == 0
        or plan skip_all => 'no certificate can be made';
    defined(my $pid = fork) or die $!;
    if (!$pid) {
        chdir $www;
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec 'openssl', 's_server', '-accept', "127.0.0.1:$port", '-cert',
            'c.pem', '-key', 'k.pem', '-WWW', '-quiet';
        exit 127;
    }
    ok until_true(sub { IO::Socket::INET->new(PeerAddr =>
        "127.0.0.1:$port") }), 'a provider with TLS';
    my $in = inputs($idp->config);
    my $a = agent($in);
    ok until_true(sub { says($a) =~ /certificate|SSL/i }),
        'an unknown authority' or diag says($a);
    is text($in, 'jwks.json'), '', 'gives nothing';
    ends($a, 'TERM');
    $a = agent($in, '--ca', "$www/c.pem");
    ok until_true(sub { text($in, 'jwks.json') eq $idp->jwks }),
        'one that is named does' or diag says($a);
    ends($a, 'TERM');
    kill 'TERM', $pid;
    waitpid $pid, 0;
};

# The server follows; a dead or stopped agent does it no harm (F38); a key that
# it lacks is asked for; what was fetched last counts for a day (F14).
for my $kind (kinds()) {
    subtest "$kind: with a server" => sub {
        my $zone = "/dev/shm/ae-agent-$$-$kind";
        my $idp = ArgoEdge::Provider->new->start;
        my $in = inputs($idp->config);
        my $up = ArgoEdge::Upstream->new(answers => {
            "GET $CAN" => ArgoEdge::Upstream::answer(200,
                '{"value":"argo"}') })->start;
        my $s = ArgoEdge::Server->new(kind => $kind, inputs => $in->dir,
            upstream => $up->port,
            conf => { locations => "location = /m { argo_edge_metrics on; }" },
            httpd => { locations =>
                "<Location \"/m\">\nArgoEdgeMetrics On\n</Location>\n" },
            directives => "argo_edge_zone $zone:4m;")->start;
        my $asks = sub { $s->get($CAN, token => $_[0])->{body}
            =~ /"value":"(\w+)"/ ? $1 : '?' };
        my $token = $idp->token({ sub => 'alice', groups => ['eng'] });
        is $asks->($token), 'argo', 'without keys Argo CD decides';
        my $a = agent($in, '--zone', "$zone:4m");
        ok until_true(sub { $asks->($token) eq 'yes' }), 'with them we do';
        like $s->get('/m')->{body}, qr/^argo_edge_jwks_refresh_total\{issuer="\Q@{[
            $idp->issuer]}\E",result="success"\} 1$/m, 'and count it'
            if (stat $zone)[4] == $>; # else it may not write there
        kill 'STOP', $a->{pid};
        is $asks->($token), 'yes', 'while the agent hangs';
        kill 'CONT', $a->{pid};
        if ($kind eq (kinds())[0]) { # one wait of 30 s is enough
            $idp->serve(keys => ['b']);
            my $new = $idp->token({ sub => 'alice', groups => ['eng'] },
                kid => 'b');
            ok until_true(sub { $asks->($new) eq 'yes' }, 45),
                'a key that is lacked is fetched';
            is $idp->fetches->{keys}, 2, 'once';
            $token = $new;
        }
        ends($a, 'KILL');
        is $asks->($token), 'yes', 'and when it is dead';
        utime time - 86400 * 2, time - 86400 * 2, $in->dir
            . '/oidc/.fetched';
        ok until_true(sub { $asks->($token) eq 'argo' }, 20),
            'for a day, not longer';
        $s->stop;
        is $s->trouble, '', 'no trouble';
        unlink $zone;
    };
}
done_testing;
