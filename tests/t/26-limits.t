#!/usr/bin/perl
# Limits: who pays, what is said, and what outlives a reload and a kill.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Inputs;
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use Digest::SHA qw(hmac_sha256_hex);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

my $A1 = 'GET /api/v1/applications/a1';
my $LIST = 'GET /api/v1/applications';

# the spelling of a row with several lines
sub lines { return join '; argo_edge_limit ', @_ }

sub statuses {
    my ($w, $n, @ask) = @_;
    return join ' ', map { ($w->ask(@ask))[0]{status} } 1 .. $n;
}

sub tells {
    my ($r, $message) = @_;
    is $r->{status}, 429, 'refused';
    is $r->{body}, qq({"error":"$message","code":8,"message":"$message"}),
        "Argo CD's shape";
    is $r->{header}{'content-type'}, 'application/json', 'as JSON';
    return;
}

scenarios({ settings => {
        limit => lines('user:alice rate=1r/m burst=3',
            'user:bob rate=5r/s burst=4 delay=2',
            'project rate=1r/m burst=10 cost=list:5,write:4',
            'address rate=1r/m burst=30 failed=8'),
        limit_headers => 'on' }, server => { children => 4 } },
    { id => 'L01', say => 'a burst, then 429', run => sub {
          my ($w) = @_;
          is statuses($w, 3, alice => $A1), '200 200 200', 'the burst';
          my ($r, $saw) = $w->ask(alice => $A1);
          tells($r, 'rate limit exceeded: user:alice');
          is scalar @$saw, 0, 'nothing went upstream';
          like $r->{header}{'retry-after'}, qr/^(?:5\d|60)$/, 'Retry-After';
          is $r->{header}{'ratelimit-policy'}, '"user:alice";q=1;w=60',
              'RateLimit-Policy';
          like $r->{header}{ratelimit}, qr/^"user:alice";r=0;t=(?:5\d|60)$/,
              'RateLimit';
          my @log = $w->log_lines;
          like $log[2], qr/ limit=passed /, 'logged: passed';
          like $log[3], qr/ decision=deny rule=limit:user:alice .*limit=rejected/,
              'logged: rejected';
          ($r) = $w->ask('ci', $A1);
          is $r->{status}, 200, 'others are not concerned';
      } },
    { id => 'L02', say => 'a delay', run => sub {
          my ($w) = @_;
          my $get = 'GET /api/v1/applications/b1';
          my $t = time;
          my $got = statuses($w, 4, bob => $get);
          is $got, '200 200 200 200', 'all pass';
          cmp_ok time - $t, '>', 0.25, 'the last ones waited';
          my @log = $w->log_lines;
          like join("\n", @log), qr/limit=passed.*limit=delayed/s,
              'which the log tells';
      } },
    { id => 'L03', say => 'what it costs', run => sub {
          my ($w) = @_;
          # L01 has spent one of ten
          my ($r) = $w->ask(ci => $LIST);
          is $r->{status}, 200, 'a list';
          like $r->{header}{ratelimit}, qr/^"project";r=4;t=3(?:60|5\d)$/,
              'takes five';
          ($r) = $w->ask(ci => "$A1?refresh=hard");
          like $r->{header}{ratelimit}, qr/^"project";r=0;t=(?:600|59\d)$/,
              'Q04: a refresh counts as a write';
          is statuses($w, 1, ci => $A1), '429', 'now it is used up';
      } },
    { id => 'L04', say => 'tokens that do not verify', run => sub {
          my ($w) = @_;
          my $bad = sub { jwt(undef, { iss => 'argocd', jti => $_[0],
              sub => 'alice:apiKey', iat => 1767225600 }, 'another key') };
          # those who were verified before have paid one each at that time,
          # with prefork to each of four children
          like join(' ', map { statuses($w, 1, $bad->($_) => $A1) } 1 .. 5),
              qr/^(?:401 ){2,4}429( 429)*$/,
              'each takes eight of thirty, and one for the request';
          is statuses($w, 1, undef, $A1), '429', 'so does no token';
          is statuses($w, 2, admin => $A1), '429 429',
              'and one that was not seen before is not looked at';
          is statuses($w, 1, nobody => 'GET /assets/x.css'), '404',
              'what is not the API is not counted';
      } },
    { id => 'L05', say => 'gRPC-web', run => sub {
          my ($w) = @_;
          my ($r, $saw) = $w->ask(alice =>
              'POST /application.ApplicationService/Get',
              header => [ 'Content-Type' => 'application/grpc-web+proto' ],
              body => "\0\0\0\0\0");
          is $r->{status}, 200, 'HTTP says 200';
          is $r->{header}{'grpc-status'}, 8, 'gRPC says RESOURCE_EXHAUSTED';
          is $r->{header}{'grpc-message'},
              'rate limit exceeded: user:alice', 'and why';
          is $r->{header}{'content-type'}, 'application/grpc-web+proto',
              'in its own type';
          like $r->{header}{'retry-after'}, qr/^\d+$/, 'Retry-After';
          is scalar @$saw, 0, 'nothing went upstream';
      } },
);

# httpd's own: who waits keeps a thread there, and the child has 25
scenarios({ settings => { limit => 'user:bob rate=2r/s burst=40 delay=0' },
        server => { children => 25 } },
    { id => 'L03b', say => 'few may wait where it costs a thread', run => sub {
          my ($w) = @_;
          return pass('costs nothing here') if $w->{kind} eq 'nginx';
          my @got = map { $_->{status} }
              @{ $w->crowd(18, bob => 'GET /api/v1/applications/b1') };
          my $ok = grep { $_ == 200 } @got;
          my $no = grep { $_ == 429 } @got;
          is $ok + $no, 18, 'let pass, or refused';
          cmp_ok $ok, '>=', 4, "$ok pass at once or after a while";
          cmp_ok $no, '>=', 4, "$no are refused, not kept waiting";
          my ($r) = $w->ask(alice => $A1);
          is $r->{status}, 200, 'others go on';
          is statuses($w, 1, bob => 'GET /api/v1/applications/b1'), '200',
              'what was refused is not booked: there is room to wait again';
      } },
);

scenarios({ settings => { limit => 'any rate=1r/m burst=1',
        limit_dry_run => 'on' } },
    { id => 'L10', say => 'a dry run', run => sub {
          my ($w) = @_;
          is statuses($w, 3, alice => $A1), '200 200 200', 'refuses nobody';
          my @log = $w->log_lines;
          like $log[0], qr/ limit=passed /, 'and says: passed';
          like $log[2], qr/ limit=rejected_dry_run /, 'or would not have';
          ok !grep({ /ratelimit/i } ($w->ask(alice => $A1))[0]{raw}),
              'clients see nothing of it';
      } },
);

my $JSON = [ 'Content-Type' => 'application/json' ];
sub login {
    my ($w, $body, $n) = @_;
    return statuses($w, $n, undef, 'POST /api/v1/session', header => $JSON,
        body => $body);
}

scenarios({ settings => { login_limit => 'user=1r/m burst=3' } },
    { id => 'L20', say => 'logins by name', run => sub {
          my ($w) = @_;
          $w->says('POST /api/v1/session' => raw_answer(401, '{}'));
          is login($w, '{"username":"admin","password":"x"}', 2), '401 401',
              'two tries';
          is login($w, '{"password":"x","USERNAME":"adm\u0069n"}', 3),
              '401 429 429', 'however the name is written';
          my ($r, $saw) = $w->ask(undef, 'POST /api/v1/session',
              header => $JSON, body => '{"username":"admin"}');
          tells($r, 'too many attempts to log in: login-user');
          like $r->{header}{'retry-after'}, qr/^(?:5\d|60)$/, 'Retry-After';
          is scalar @$saw, 0, 'nothing went upstream';
          is login($w, '{"username":"other","password":"x"}', 1), '401',
              'another name is not concerned';
          ($r, $saw) = $w->ask(undef, 'POST /api/v1/session',
              header => $JSON, body => '{"username":"third","password":"y"}');
          is $saw->[0]{body}, '{"username":"third","password":"y"}',
              'and the body arrives as it was sent';
          is login($w, "{\"username\":\"admin\",\"x\":\"\xff\"}", 4),
              '401 401 401 429', 'what cannot be read counts together';
      } },
);

scenarios({ settings => { login_limit => 'address=1r/m burst=2' } },
    { id => 'L21', say => 'logins by address', run => sub {
          my ($w) = @_;
          $w->says('POST /api/v1/session' => raw_answer(401, '{}'));
          is join(' ', map { login($w, qq({"username":"u$_"}), 1) } 1 .. 4),
              '401 401 429 429', 'whatever the names are';
          is statuses($w, 1, alice => $A1), '200', 'all else goes on';
      } },
);

my $PUSH = '{"ref":"refs/heads/main","before":"1","after":"2",'
    . '"repository":{"html_url":"https://git.example/a"}}';

sub hook {
    my ($w, $n, $body, @header) = @_;
    return statuses($w, $n, undef, 'POST /api/webhook', body => $body,
        header => [ @$JSON, 'X-GitHub-Event' => 'push', @header ]);
}

scenarios({ settings => { webhook => 'max_body=2k rate=1r/m burst=4' } },
    { id => 'D05', say => 'a flood of webhooks', run => sub {
          my ($w) = @_;
          $w->says('POST /api/webhook' => raw_answer(200, ''));
          my ($r, $saw) = $w->ask(undef, 'POST /api/webhook', header => $JSON,
              body => ' ' x 3000);
          is $r->{status}, 413, 'over the cap';
          is scalar @$saw, 0, 'nothing went upstream';
          ($r) = $w->bytes("POST /api/webhook HTTP/1.1\r\nHost: x\r\n"
              . "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
              . "bb8\r\n" . ' ' x 3000 . "\r\n0\r\n\r\n");
          is $r->{status}, 413, 'in chunks as well';
          is hook($w, 4, $PUSH), '200 200 429 429', 'by address';
          is statuses($w, 1, alice => $A1), '200', 'all else goes on';
      } },
);

scenarios({ settings => { webhook => 'signatures=on repeat=1m' } },
    { id => 'L22', say => 'signatures', run => sub {
          my ($w) = @_;
          $w->says('POST /api/webhook' => raw_answer(200, ''));
          is hook($w, 1, $PUSH), '200', 'no secret, no check';
          $w->in->put('argocd-secret/webhook.github.secret', 'gh-secret');
          $w->server->own;
          ok until_true(sub { hook($w, 1, $PUSH) eq '400' }),
              'with one: refused';
          my ($r, $saw) = $w->ask(undef, 'POST /api/webhook', body => $PUSH,
              header => [ @$JSON, 'X-GitHub-Event' => 'push',
                  'X-Hub-Signature-256' => 'sha256=' . '0' x 64 ]);
          is $r->{body},
              "Webhook processing failed\n",
              "in Argo CD's words";
          is $r->{header}{'content-type'}, 'text/plain; charset=utf-8',
              'as text';
          is scalar @$saw, 0, 'nothing went upstream';
          my @good = ('X-Hub-Signature-256' => 'sha256='
              . hmac_sha256_hex($PUSH, 'gh-secret'));
          is hook($w, 1, $PUSH, @good), '200', 'a good one';
          is scalar @{ $w->up->requests }, 1, 'goes upstream';
          is $w->up->requests->[0]{body}, $PUSH, 'byte for byte';
          is hook($w, 1, $PUSH, @good), '200', 'the same push again';
          is scalar @{ $w->up->requests }, 0, 'is answered here';
          (my $next = $PUSH) =~ s/"2"/"3"/;
          is hook($w, 1, $next, 'X-Hub-Signature-256' => 'sha256='
              . hmac_sha256_hex($next, 'gh-secret')), '200', 'another';
          is scalar @{ $w->up->requests }, 1, 'goes upstream';
      } },
);

scenarios({ settings => { webhook => 'from=192.0.2.0/24,2001:db8::/32' } },
    { id => 'L23', say => 'webhooks from elsewhere', run => sub {
          my ($w) = @_;
          my ($r, $saw) = $w->ask(undef, 'POST /api/webhook', body => $PUSH,
              header => [ @$JSON, 'X-GitHub-Event' => 'push' ]);
          is $r->{status}, 403, 'refused';
          like $r->{body}, qr/webhooks are not taken from this address/, 'why';
          is scalar @$saw, 0, 'nothing went upstream';
          is statuses($w, 1, alice => $A1), '200', 'all else goes on';
      } },
);

scenarios({ settings => { webhook => 'from=192.0.2.0/24,127.0.0.0/8' } },
    { id => 'L24', say => 'webhooks from one of the networks', run => sub {
          my ($w) = @_;
          $w->says('POST /api/webhook' => raw_answer(200, ''));
          is hook($w, 1, $PUSH), '200', 'passes';
      } },
);

# ------------------------------------------------------- calls under way

for my $kind (kinds()) {
    subtest "L30 $kind: calls under way" => sub {
        my $w = ArgoEdge::Scenario::world($kind, settings => {
            limit_calls => 'any 2 ops=list', caching => 'off' },
            server => { children => 4 });
        my $gate = "$w->{dir}/gate";
        $w->up->stop;
        $w->{up} = ArgoEdge::Upstream->new(handler => sub {
            my ($req) = @_;
            until_true(sub { -e $gate }, 20)
                if $req->{target} eq '/api/v1/applications';
            return json_answer('{"metadata":{},"items":[]}');
        })->start;
        $w->server->{upstream} = $w->up->port;
        $w->server->start;
        my $open = sub {
            my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                PeerPort => $w->server->port) or die $!;
            print $s "$LIST HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                . 'Authorization: Bearer ' . $w->token('alice') . "\r\n\r\n";
            return $s;
        };
        my @open = map { $open->() } 1 .. 2;
        ok until_true(sub { $w->up->hits >= 2 }), 'two are under way';
        my $r = $w->server->get('/api/v1/applications',
            token => $w->token('alice'));
        tells($r, 'too many calls under way: any.list');
        is $r->{header}{'retry-after'}, 1, 'Retry-After';
        is $w->server->get('/api/v1/applications/a1',
            token => $w->token('alice'))->{status}, 200, 'a cheap one passes';
        open my $fh, '>', $gate or die $!;
        close $fh;
        for (@open) {
            local $/;
            like scalar(<$_>), qr/^HTTP\S+ 200 /, 'they end';
        }
        ok until_true(sub { $w->server->get('/api/v1/applications',
            token => $w->token('alice'))->{status} == 200 }),
            'then there is room again';
        $w->server->stop;
        $w->up->stop;
        is $w->server->trouble, '', 'no worker broke';
    };
}

# --------------------------------------------------------------- accuracy

# Offered as fast as two clients can ask; counted, against the time that it
# really took.  AE_LIMIT_SECONDS=30 for a measurement.
my $for = $ENV{AE_LIMIT_SECONDS} || 3;
for my $kind (kinds()) {
    subtest "L40 $kind: no more than rate * time + burst" => sub {
        my ($rate, $burst) = (20, 10);
        my $w = ArgoEdge::Scenario::world($kind,
            settings => { limit => "apikey rate=${rate}r/s burst=$burst" });
        $w->server->start;
        $w->server->get('/api/v1/projects', token => $w->token('nobody'));
        my $start = time;
        my @pids = map { my $pid = fork // die $!;
            if (!$pid) {
                while (time < $start + $for) {
                    $w->server->get('/api/v1/applications/a1',
                        token => $w->token('alice'));
                }
                require POSIX;
                POSIX::_exit(0);
            }
            $pid } 1 .. 2;
        waitpid $_, 0 for @pids;
        my $took = time - $start;
        my $all = () = $w->server->access_log =~ /applications\/a1 /g;
        my $passed = () = $w->server->access_log
            =~ /applications\/a1 .* limit=passed /g;
        my $want = $rate * $took + $burst;
        cmp_ok $passed, '<=', $want * 1.02 + 1,
            "$passed of $all passed in $took s, $want are due";
        SKIP: {
            skip 'too slow to offer ten times the limit', 1
                if $all < 10 * $rate * $for;
            cmp_ok $passed, '>=', ($rate * $for + $burst) * 0.98 - 1,
                'and not less';
        }
        $w->server->stop;
        $w->up->stop;
    };
}

# --------------------------------------------------- what the zone outlives

my @zones;
END { unlink @zones if @zones }

sub zone {
    my ($name) = @_;
    push @zones, "/dev/shm/argo-edge.ae-test-$$-$name";
    return "ae-test-$$-$name:1m";
}

for my $kind (kinds()) {
    subtest "L50 $kind: reload, kill, restart" => sub {
        my $w = ArgoEdge::Scenario::world($kind, settings => {
            zone => zone($kind), limit => 'apikey rate=1r/h burst=5' });
        $w->server->start;
        is statuses($w, 3, alice => $A1), '200 200 200', 'three of five';
        my %old = map { $_ => 1 } $w->server->children;
        ok $w->server->reload, 'reload';
        until_true(sub { my @c = $w->server->children;
            @c && !grep { $old{$_} } @c });
        is statuses($w, 3, alice => $A1), '200 200 429',
            'a reload forgets nothing';
        kill 'KILL', $w->server->children;
        ok until_true(sub { (statuses($w, 1, alice => $A1)) eq '429' }),
            'nor does a killed worker';
        is statuses($w, 2, nobody => 'GET /api/v1/projects'), '200 200',
            'others go on';
        $w->server->stop;
        $w->server->start;
        is statuses($w, 1, alice => $A1), '429', 'nor does a restart';
        like -s "/dev/shm/argo-edge.ae-test-$$-$kind", qr/^1048576$/,
            'the zone is one file';
        $w->server->stop;
        truncate "/dev/shm/argo-edge.ae-test-$$-$kind", 5000;
        $w->server->start;
        is statuses($w, 1, alice => $A1), '200', 'a damaged one is made anew';
        like $w->server->error_log, qr/the zone \S+ is of another size: made/,
            'and the log says so';
        $w->server->stop;
        $w->up->stop;
    };
}

# Under load a reload and a kill lose what each worker has in hand, and no more:
# counted by the clients, since a killed worker writes no log.
for my $kind (kinds()) {
    subtest "L52 $kind: reload and kill under load" => sub {
        my ($rate, $burst) = (20, 10);
        my $w = ArgoEdge::Scenario::world($kind, settings => {
            zone => zone("load-$kind"),
            limit => "apikey rate=${rate}r/s burst=$burst" });
        $w->server->start;
        my $start = time;
        my @pids = map { my $n = $_; my $pid = fork // die $!;
            if (!$pid) {
                my $ok = 0;
                while (time < $start + 5) {
                    my $r = eval { $w->server->get(
                        '/api/v1/applications/a1',
                        token => $w->token('alice')) };
                    $ok++ if $r && ($r->{status} // 0) == 200;
                }
                open my $fh, '>', "$w->{dir}/ok.$n" or die $!;
                print $fh $ok;
                close $fh;
                require POSIX;
                POSIX::_exit(0);
            }
            $pid } 1 .. 2;
        sleep 1;
        ok $w->server->reload, 'reload';
        sleep 1;
        kill 'KILL', $w->server->children;
        sleep 1;
        ok $w->server->reload, 'and again';
        waitpid $_, 0 for @pids;
        my $took = time - $start;
        my $passed = 0;
        for my $n (1 .. 2) {
            open my $fh, '<', "$w->{dir}/ok.$n" or next;
            $passed += <$fh> // 0;
        }
        my $want = $rate * $took + $burst;
        cmp_ok $passed, '<=', $want * 1.02 + 4,
            "$passed passed in $took s, $want are due";
        # httpd replaces a killed child only once a second
        cmp_ok $passed, '>', $want / 4, 'and nothing is stuck';
        $w->server->stop;
        $w->up->stop;
    };
}

SKIP: {
    skip 'needs root, both servers and www-data', 1
        if $> != 0 || !getpwnam('www-data')
        || (grep { $_ eq 'nginx' || $_ eq 'httpd' } kinds()) < 2;
    subtest 'L51: one limit in front of nginx and httpd' => sub {
        my $zone = zone('both');
        my @w = map { ArgoEdge::Scenario::world($_,
            server => { user => 'www-data' }, settings => { zone => $zone,
                limit => 'apikey rate=1r/h burst=5' }) } qw(nginx httpd);
        for my $w (@w) {
            system('chown', '-R', 'www-data', $w->server->dir, $w->in->dir);
            $w->server->start;
        }
        is statuses($w[0], 3, alice => $A1), '200 200 200', 'three at nginx';
        is statuses($w[1], 3, alice => $A1), '200 200 429', 'two at httpd';
        is statuses($w[0], 1, alice => $A1), '429', 'none at nginx';
        for my $w (@w) {
            $w->server->stop;
            $w->up->stop;
            unlike $w->server->error_log, qr/no shared zone/, 'shared';
        }
    };
}

done_testing;
