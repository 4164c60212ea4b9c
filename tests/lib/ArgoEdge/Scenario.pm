package ArgoEdge::Scenario;

# Scenarios on real servers: one world (inputs, upstream, server with a cache)
# for each server kind that is built, and a table of rows.
#
#   scenarios({ settings => { grpc => 'off' } },
#     { id => 'P01', say => 'what it is about', as => 'bob',
#       line => 'GET /api/v1/applications/a1%2fx', want => '400' },
#     { id => 'K03', say => '...', run => sub { my ($w) = @_; ... } });
#
# The settings may be a sub that makes them for a kind of server.
#
# as      who asks (a name of the world's tokens), none: nobody at all
# line    method and target; header => [name, value, ...]; body => bytes
# raw     instead: sub { my ($w) = @_; bytes }, lines => how many log lines
# prime   [[as, line], ...] asked before, not judged
# want    words: a status; PASS forwarded, request line byte for byte;
#         NOSTORE forwarded and nothing more in the cache; STORED; HIT from the
#         cache; OWN answered by us; HOST answered by the server before us
# also    sub { my ($w, $res, $saw) = @_ }, further checks
# times   how often (each judged)
#
# Of every row: no token in the log, one line for each request, and an answer
# of ours or a stored one may be kept by nobody (T12).

use strict;
use warnings;

use ArgoEdge::Build qw(build run);
use ArgoEdge::Inputs;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);
use File::Temp qw(tempdir);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Storable qw(retrieve store);
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw(scenarios kinds until_true jwt app json_answer raw_answer
    large_body edge_cli);

$ENV{AE_NGX_MODULE} ||= build() . '/nginx/ngx_http_argo_edge_module.so';

# ------------------------------------------------------------------ helpers

# The kinds of server that can be tested here.
sub kinds {
    my @all = $ENV{AE_KINDS} ? split(/,/, $ENV{AE_KINDS}) : qw(nginx httpd);
    return grep { my $k = $_; eval { ArgoEdge::Server->available($k) } } @all;
}

# Asks |code| until it says yes; no test waits for a fixed time.
sub until_true {
    my ($code, $seconds) = @_;
    my $end = time + ($seconds || 10) * ($ENV{AE_ASAN} ? 3 : 1);
    while (1) {
        my $got = $code->();
        return $got if $got;
        return if time > $end;
        sleep 0.05;
    }
}

# (exit status, output) of the command line.
sub edge_cli { return run(_as_owner(@_), build() . '/argo-edge', @_) }

# httpd's children are not root, and a cache is its owner's only.
sub _as_owner {
    my ($dir) = grep { m{/cache$} } @_;
    my $uid = defined $dir ? (stat $dir)[4] : undef;
    return if !defined $uid || $uid == $>;
    return ('setpriv', "--reuid=$uid", '--clear-groups');
}

# A token of these very parts; strings are taken as they are, for what no
# encoder would write.
sub jwt {
    my ($head, $claims, $key) = @_;
    my $json = JSON::PP->new->canonical;
    my $in = join '.', map { encode_base64url(ref $_ ? $json->encode($_) : $_) }
        $head || '{"alg":"HS256","typ":"JWT"}', $claims;
    return $in . '.'
        . encode_base64url(hmac_sha256($in, $key // $ArgoEdge::Inputs::KEY));
}

sub app {
    my ($project, $name, $ns) = @_;
    return sprintf '{"metadata":{"name":"%s","namespace":"%s"},'
        . '"spec":{"project":"%s"}}', $name, $ns || 'argocd', $project;
}

sub json_answer {
    my ($body, %header) = @_;
    return ArgoEdge::Upstream::answer(200, $body, %header);
}

sub raw_answer { return ArgoEdge::Upstream::answer(@_) }

# ------------------------------------------------------------------- world

my $DENIED = '{"error":"permission denied","code":7,'
    . '"message":"permission denied"}';

my %UPSTREAM = (
    'GET /api/v1/applications' => json_answer('{"metadata":{},"items":['
        . app('teama', 'a1') . ',' . app('teamb', 'b1') . ']}'),
    'GET /api/v1/applications/a1' => json_answer(app('teama', 'a1')),
    'GET /api/v1/applications/b1' => json_answer(app('teamb', 'b1')),
    'GET /api/v1/applications/b1?project=teamb' =>
        json_answer(app('teamb', 'b1')),
    'GET /api/v1/applications/b2?appNamespace=ns2' =>
        json_answer(app('teamb', 'b2', 'ns2')),
    'GET /api/v1/clusters' => json_answer('{"metadata":{},"items":[]}'),
    'GET /api/v1/repositories' => json_answer('{"metadata":{},"items":[]}'),
    'GET /api/v1/projects' => json_answer('{"metadata":{},"items":[]}'),
    'GET /api/version' => json_answer('{"Version":"v3.2.0"}'),
    'DELETE /api/v1/applications/a1' => json_answer('{}'),
);

our $POLICY = <<'CSV';
g, alice, role:readonly
p, bob, applications, get, teamb/*, allow
CSV

sub _inputs {
    my (%arg) = @_;
    my $in = ArgoEdge::Inputs->new(
        accounts => { map { $_ => 'apiKey, login' } qw(alice bob nobody) },
        policy => $POLICY, projects => [qw(default teamb)],
        cm => $arg{cm} || {});
    $in->put('appprojects/teama.json', encode_json({
        apiVersion => 'argoproj.io/v1alpha1', kind => 'AppProject',
        metadata => { name => 'teama', namespace => 'argocd' },
        spec => { sourceRepos => ['*'],
            destinations => [{ server => '*', namespace => '*' }],
            roles => [{ name => 'deploy',
                policies => ['p, proj:teama:deploy, applications, *, '
                    . 'teama/*, allow'],
                jwtTokens => [{ id => 'ci-1', iat => 1767225600 }] }] },
        status => { jwtTokensByRole => { deploy => {
            items => [{ id => 'ci-1', iat => 1767225600 }] } } },
    }));
    return $in;
}

sub world {
    my ($kind, %arg) = @_;
    my $w = bless { kind => $kind, %arg }, 'ArgoEdge::Scenario';
    my $in = $w->{in} = _inputs(%arg);
    $w->{token} = {
        (map { $_ => $in->token($_) } qw(alice bob nobody)),
        admin => jwt(undef, { iss => 'argocd', sub => 'admin:login',
            iat => time - 60, nbf => time - 60, jti => 'admin-1',
            exp => int(time) + 36000 } ),
        ci => jwt(undef, { iss => 'argocd', sub => 'proj:teama:deploy',
            iat => 1767225600, nbf => 1767225600, jti => 'ci-1' }),
    };
    $w->{dir} = tempdir('ae-scenario-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $w->{script} = { %UPSTREAM };
    $w->_publish;
    my $script = "$w->{dir}/script";
    $w->{up} = ArgoEdge::Upstream->new(handler => sub {
        my ($req, $sock) = @_;
        my $s = retrieve($script);
        my $out = $s->{"$req->{method} $req->{target} "
            . _who($req)} // $s->{"$req->{method} $req->{target}"}
            // return;
        return _special($out, $sock) if ref $out eq 'HASH';
        return $out if !ref $out;
        print $sock $$out;    # these very bytes, and then the end
        return '';
    })->start;
    my %set = (ttl => 'applications=1h objects=1h settings=1h',
        lease => '1h', quarantine => '0', %{ $arg{settings} || {} });
    $_ = $_->($w) for grep { ref } values %set; # what needs the world
    $w->{server} = ArgoEdge::Server->new(kind => $kind,
        inputs => $in->dir, upstream => $w->{up}->port, cache => 1,
        log_level => 'notice', directives => _directives(\%set),
        ref $arg{server} eq 'CODE' ? $arg{server}->($w->{up}->port)
            : %{ $arg{server} || {} });
    return $w;
}

# A list of |n| bytes or a few more.
sub large_body {
    my ($n) = @_;
    my $item = app('teama', 'x' x 200);
    my $many = int($n / (1 + length $item)) + 1;
    return '{"items":[' . join(',', ($item) x $many) . ']}';
}

# { raw => answer, delay => seconds }, or { large => bytes, cut => bytes }:
# chunks, broken off after |cut|; or { stream => seconds, raw => head }: events
# without an end, five a second.
sub _special {
    my ($out, $sock) = @_;
    sleep $out->{delay} if $out->{delay};
    return _stream($out, $sock) if $out->{stream};
    return $out->{raw} if !$out->{large};
    my $body = large_body($out->{large});
    print $sock "HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n";
    my $end = $out->{cut} || length $body;
    for (my $at = 0; $at < $end; $at += 65536) {
        my $part = substr $body, $at, $end - $at < 65536 ? $end - $at : 65536;
        printf $sock "%x\r\n%s\r\n", length $part, $part;
    }
    print $sock "0\r\n\r\n" if !$out->{cut};
    return '';
}

sub _stream {
    my ($out, $sock) = @_;
    my $event = qq({"result":{"type":"MODIFIED"}}\n);
    my $raw = $out->{raw}; # a tunnel: no chunks
    local $SIG{PIPE} = 'IGNORE';
    print $sock $raw // "HTTP/1.1 200 X\r\nContent-Type: application/json\r\n"
        . "Transfer-Encoding: chunked\r\n\r\n";
    $event = sprintf "%x\r\n%s\r\n", length $event, $event if !$raw;
    for (1 .. 5 * $out->{stream}) {
        print $sock $event or last;
        $sock->flush;
        sleep 0.2;
    }
    return '';
}

# In nginx's spelling: Server knows httpd's.
sub _directives {
    my ($set) = @_;
    return join "\n    ", map { "argo_edge_$_ $set->{$_};" } sort keys %$set;
}

# The credential as the upstream sees it, for answers to one caller only.
sub _who {
    my ($req) = @_;
    return ($req->{header}{authorization} // '') =~ /^Bearer (.*)/ ? $1 : '';
}

sub _publish {
    my ($w) = @_;
    store($w->{script}, "$w->{dir}/script.new");
    rename "$w->{dir}/script.new", "$w->{dir}/script" or die $!;
}

# What the upstream says from now on; \$bytes: then it closes; a hash: see
# _special.  With undef the world's own answer comes back.  "GET /x @alice": to
# alice only.
sub says {
    my ($w, %more) = @_;
    for my $k (keys %more) {
        my $v = $more{$k};
        (my $key = $k) =~ s/ \@(\w+)$/ $w->{token}{$1}/;
        if (defined $v) {
            $w->{script}{$key} = $v;
        } elsif ($UPSTREAM{$key}) {
            $w->{script}{$key} = $UPSTREAM{$key};
        } else {
            delete $w->{script}{$key};
        }
    }
    $w->_publish;
    return;
}

sub denied { return raw_answer(403, $DENIED) }
sub in     { return $_[0]{in} }
sub up     { return $_[0]{up} }
sub server { return $_[0]{server} }
sub token  { return $_[0]{token}{ $_[1] } }

# The cache belongs to who runs the workers, and so does the command then.
sub _cache_cli {
    my ($w, @args) = @_;
    my $dir = $w->server->dir . '/cache';
    my $owner = (stat $dir)[4];
    return edge_cli('cache', @args, '--cache', $dir) if !$owner || $> != 0;
    return run('runuser', '-u', scalar getpwuid($owner), '--',
        build() . '/argo-edge', 'cache', @args, '--cache', $dir);
}

sub entries {
    my ($w) = @_;
    my ($rc, $out) = $w->_cache_cli('stat', '--json');
    return $rc ? -1 : decode_json($out)->{entries};
}

# By tags: a purge of everything puts a new file in force, which the server
# follows only at its next tick.
sub purge {
    my ($w) = @_;
    return if !$w->entries;
    for my $tag (qw(applications app:? clusters repositories projects settings
        accounts))
    {
        my ($rc, $out) = $w->_cache_cli('purge', $tag);
        BAIL_OUT("cannot purge: $out") if $rc;
    }
    return;
}

# One request; (answer, what the upstream saw of it).
sub ask {
    my ($w, $who, $line, %opt) = @_;
    my ($method, $target) = split / /, $line, 2;
    $w->up->forget;
    $w->{asked}++;
    my $token = defined $who ? $w->token($who) // $who : undef;
    my $r = $w->server->request($method, $target, token => $token, %opt);
    return ($r, $w->up->requests);
}

# Many of the same at once, by one caller or by [callers] in turn: [answers].
sub crowd {
    my ($w, $n, $who, $line, %opt) = @_;
    my ($method, $target) = split / /, $line, 2;
    $w->{asked} += $n;
    my @sock = map { $w->server->connect } 1 .. $n;
    my @who = ref $who ? @$who : $who;
    for my $i (0 .. $#sock) {
        my $s = $sock[$i];
        my $token = $w->token($who[$i % @who]);
        print $s "$method $target HTTP/1.1\r\nHost: argocd.example.com\r\n"
            . "Connection: close\r\nAuthorization: Bearer $token\r\n\r\n";
    }
    my @res;
    for my $s (@sock) {
        my $raw = '';
        while (IO::Select->new($s)->can_read(20)) {
            sysread($s, $raw, 65536, length $raw) or last;
        }
        push @res, ArgoEdge::Server::parse($raw);
    }
    return \@res;
}

sub bytes {
    my ($w, $bytes, %opt) = @_;
    $w->up->forget;
    $w->{asked} += $opt{lines} // 1;
    my $r = ArgoEdge::Server::parse(
        $w->server->raw($bytes, quiet => 10, %opt));
    return ($r, $w->up->requests);
}

# "HIT", "PASS" or the status of an answer that went nowhere.
sub outcome {
    my ($w, @ask) = @_;
    my ($r, $saw) = $w->ask(@ask);
    return @$saw ? 'PASS' : $r->{status} == 200 ? 'HIT' : $r->{status};
}

# The log lines that came since the last call, when all are there.
sub log_lines {
    my ($w) = @_;
    my $want = $w->{logged} // 0;
    $want += delete $w->{asked} // 0;
    my @all;
    until_true(sub { @all = split /\n/, $w->server->access_log;
        @all >= $want }, 5);
    my @new = @all[($w->{logged} // 0) .. $#all];
    is scalar @all, $want, 'one log line for each request';
    $w->{logged} = @all;
    return @new;
}

# ---------------------------------------------------------------- judging

sub _judge {
    my ($w, $row, $r, $saw, $before) = @_;
    my ($method, $target) = split / /, $row->{line} // '', 2;
    for my $word (split ' ', $row->{want} // '') {
        if ($word =~ /^\d+$/) {
            is $r->{status}, $word, "status $word"
                or diag(substr $r->{raw}, 0, 600);
        } elsif ($word eq 'PASS' || $word eq 'NOSTORE' || $word eq 'STORED') {
            is scalar @$saw, 1, 'forwarded';
            is((split /\r\n/, $saw->[0]{raw} // '')[0],
                "$row->{line} HTTP/1.1", 'byte for byte')
                if defined $row->{line};
            my $more = $w->entries - $before;
            is $more, 0, 'nothing stored' if $word eq 'NOSTORE';
            is $more, 1, 'stored' if $word eq 'STORED';
        } elsif ($word eq 'HIT') {
            is scalar @$saw, 0, 'the upstream was not asked';
            is $r->{status}, 200, 'from the cache';
            my ($body) = $w->{script}{ $row->{line} } =~ /\r\n\r\n(.*)/s;
            is $r->{body}, $body, 'the stored body, byte for byte';
        }
    }
    if (($row->{want} // '') =~ /OWN|HOST/) {
        is scalar @$saw, 0, 'nothing went upstream';
        is $w->entries, $before, 'nothing was stored';
    }
    return;
}

# T12 of what we said, T20 of what was logged.
sub _always {
    my ($w, $row, @res) = @_;
    my @log = $w->log_lines;
    for my $i (0 .. $#res) {
        my ($r, $saw) = @{ $res[$i] };
        next if @res != @log || @$saw || $log[$i] =~ / decision=- /;
        is $r->{header}{'cache-control'}, 'private, no-cache',
            'T12: nobody else may keep it';
        # httpd writes every Vary anew, without blanks
        is +($r->{header}{vary} // '') =~ s/,\s*/, /gr,
            'Accept-Encoding, Authorization, Cookie', 'T12: Vary';
    }
    my $all = join "\n", @log, $w->server->error_log;
    my @leaked = grep { index($all, (split /\./, $_)[2]) >= 0 }
        values %{ $w->{token} };
    is scalar @leaked, 0, 'T20: no token in a log';
    if (($row->{want} // '') =~ /OWN/) {
        like $_, qr/ decision=deny /, 'answered by us' for @log;
    } elsif (($row->{want} // '') =~ /HOST/) {
        like $_, qr/ decision=- /, 'answered by the server' for @log;
    }
    like $log[-1] // '', $row->{log}, 'the log line' if $row->{log};
    return;
}

sub _row {
    my ($w, $row) = @_;
    $w->purge;
    for my $p (@{ $row->{prime} || [] }) {
        $w->ask(@$p);
    }
    $w->log_lines if $w->{asked};
    if ($row->{run}) {
        $row->{run}->($w);
        $w->{asked} && _always($w, $row);
        return;
    }
    my $before = $w->entries;
    my @res;
    for (1 .. $row->{times} || 1) {
        my ($r, $saw) = $row->{raw}
            ? $w->bytes($row->{raw}->($w), lines => $row->{lines})
            : $w->ask($row->{as}, $row->{line},
                map { exists $row->{$_} ? ($_ => $row->{$_}) : () }
                    qw(header body));
        _judge($w, $row, $r, $saw, $before);
        $row->{also}->($w, $r, $saw) if $row->{also};
        push @res, [ $r, $saw ];
    }
    _always($w, $row, @res);
    return;
}

sub scenarios {
    my ($setup, @rows) = @_;
    my @kinds = kinds();
    if (!@kinds) {
        SKIP: { skip 'no server with a module is built', 1 }
        return;
    }
    for my $kind (@kinds) {
        my $w = world($kind, %{ ref $setup eq 'CODE' ? $setup->($kind)
            : $setup });
        $w->server->start;
        for my $row (@rows) {
            next if $row->{kind} && $row->{kind} ne $kind;
            subtest "$row->{id} $kind: $row->{say}" => sub { _row($w, $row) };
        }
        $w->server->stop;
        $w->up->stop;
        is $w->server->trouble, '', "$kind: no worker broke";
    }
    return;
}

1;
