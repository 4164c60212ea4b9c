#!/usr/bin/perl
# Whoever gets an answer gets what Argo CD would have told them, and who has
# written reads what they wrote: many callers at random, at the same time.
#
# AE_DIFF_REQUESTS (3000 for each server) and AE_DIFF_WRITES (300) ask for more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Client;
use ArgoEdge::Inputs;
use ArgoEdge::Scenario;
use ArgoEdge::Server;
use ArgoEdge::Upstream;
use Compress::Zlib qw(memGunzip);
use Digest::MD5 qw(md5_hex);
use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(sleep time);

my $CLIENTS = 4;
my $requests = $ENV{AE_DIFF_REQUESTS} || 3000;
my $writes = $ENV{AE_DIFF_WRITES} || 300;

# ---- the upstream: what it says is a function of caller and target ----------

my %may = (
    alice  => sub { 1 },
    admin  => sub { 1 },
    bob    => sub { $_[0] !~ /applications\/a/ },
    nobody => sub { 0 },
    ci     => sub { $_[0] !~ /applications\/b/ },
);
# Who has whose rights, where rights are shared: then they are told the same.
my %as;
my @targets = (
    (map { "/api/v1/applications/$_" } qw(a1 a2 a3 b1 b2 b3)),
    '/api/v1/applications/a1?project=teama',
    '/api/v1/applications/b1?project=teamb',
    '/api/v1/applications/a1/resource-tree?project=teama',
    '/api/v1/applications/a1?fields=metadata.name,spec.project',
    '/api/v1/applications?projects=teama',
    '/api/v1/applications?projects=teamb',
    '/api/v1/applications', '/api/v1/clusters', '/api/v1/repositories',
    '/api/v1/projects', '/api/v1/settings', '/api/version',
    '/api/v1/account/can-i/applications/get/teama/x', '/api/v1/account',
);

sub mark {
    my ($who, $target) = @_;
    return md5_hex(whose($who, $target) . " $target");
}

sub whose {
    my ($who, $target) = @_;
    # settings and version: the same for all who are logged in
    return 'any' if $target =~ /settings|version/;
    return $as{$who} // $who;
}

# An item of a list, as far as its kind is known by it.
sub item {
    my ($target, $m) = @_;
    return qq("server":"https://k","name":"$m") if $target =~ /clusters/;
    return qq("repo":"https://r","name":"$m") if $target =~ /repositories/;
    return qq("metadata":{"name":"teama","annotations":{"m":"$m"}})
        if $target =~ /projects$/;
    return qq("metadata":{"name":"a1","namespace":"argocd","annotations":)
        . qq({"m":"$m"}},"spec":{"project":"teama"});
}

# As Argo CD would say it: (status, body).  |v| is a version of an object.
sub told {
    my ($who, $target, $v) = @_;
    my $mark = mark($who, $target);
    if ($target =~ m{/applications/([ab])(\w+)(.*)}) {
        return (403, '{"error":"permission denied","code":7,'
            . '"message":"permission denied"}') if !$may{$who}->($target);
        my $pad = 'y' x (300 * ord $2);
        return (200, qq({"nodes":[],"m":"$mark"})) if $3 =~ /resource-tree/;
        return (200, sprintf '{"metadata":{"name":"%s%s","namespace":"argocd",'
            . '"annotations":{"m":"%s","pad":"%s","v":"%d"}},'
            . '"spec":{"project":"team%s"}}', $1, $2, $mark, $pad, $v || 0,
            $1);
    }
    return (200, '{"metadata":{},"items":[{' . item($target, $mark)
        . ',"pad":"' . 'z' x 3000 . '"}]}');
}

sub upstream {
    my ($dir, %who) = @_;
    return ArgoEdge::Upstream->new(quiet => 1, handler => sub {
        my ($req) = @_;
        my ($token) = ($req->{header}{authorization} // '')
            =~ /^Bearer (.*)/;
        my $who = $who{ $token // '' } // 'nobody';
        my $v = 0;
        if ($req->{target} =~ m{/applications/(aw\d)}) {
            my $file = "$dir/$1";
            if ($req->{method} eq 'PUT') {
                my ($n) = $req->{body} =~ /"v":(\d+)/;
                sleep rand 0.004;
                open my $fh, '>', "$file.$$" or die $!;
                print $fh $n;
                close $fh;
                rename "$file.$$", $file or die $!;
                sleep rand 0.004;
                return ArgoEdge::Upstream::answer(200, '{}');
            }
            if (open my $fh, '<', $file) {
                $v = <$fh> // 0;
            }
            sleep rand 0.006;
        }
        return ArgoEdge::Upstream::answer(told($who, $req->{target}, $v));
    })->start;
}

# ---- clients -----------------------------------------------------------------

# Runs |n| children; what they print, line by line.
sub children {
    my ($n, $code) = @_;
    my @fh;
    for my $i (1 .. $n) {
        my $pid = open my $fh, '-|';
        defined $pid or die "fork: $!";
        if (!$pid) {
            srand $i * 7919;
            $| = 1;
            print "$_\n" for eval { $code->($i) }, $@ ? "died $@" : ();
            require POSIX;
            POSIX::_exit(0);
        }
        push @fh, $fh;
    }
    return map { my $fh = $_; my @l = <$fh>; close $fh; chomp @l; @l } @fh;
}

sub pick { return $_[int rand @_] }

sub wrong {
    my ($r, $who, $target, $tags) = @_;
    my ($status, $body) = told($who, $target);
    if ($target =~ /can-i/) {
        my $yes = $may{$who}->('applications/a') ? 'yes' : 'no';
        return $r->{body} eq qq({"value":"$yes"}) ? undef : "can-i $r->{body}";
    }
    my $whose = whose($who, $target) . " $target";
    if ($r->{status} == 304) {
        my $t = $tags->{$whose}{ $r->{header}{etag} // '' };
        return $t ? undef : '304 for what this caller never had';
    }
    return "status $r->{status}, not $status" if $r->{status} != $status;
    return if $status != 200;
    my $got = $r->{body};
    $got = memGunzip($got) // 'no gzip'
        if ($r->{header}{'content-encoding'} // '') eq 'gzip';
    return "another body: " . substr $got, 0, 120 if $got ne $body;
    $tags->{$whose}{ $r->{header}{etag} } = 1 if $r->{header}{etag};
    return;
}

sub leaks {
    my ($port, $token, $n) = @_;
    return children($CLIENTS, sub {
        my %c = map { $_ => ArgoEdge::Client->new(port => $port,
            token => $token->{$_}) } keys %may;
        my (%tags, @all, %count);
        for (1 .. $n / $CLIENTS) {
            my ($who, $target) = (pick(sort keys %may), pick(@targets));
            next if $who eq 'ci' && $target !~ m{/applications/};
            next if $target =~ m{/account$};
            my %h;
            $h{'Accept-Encoding'} = 'gzip' if rand() < 0.3;
            if (rand() < 0.3) { # whoever's
                my @k = map { keys %$_ } values %tags;
                $h{'If-None-Match'} = rand() < 0.1 ? '*' : pick(@k) if @k;
            }
            $h{'Cache-Control'} = pick(qw(no-cache max-age=1 no-store))
                if rand() < 0.05;
            my $r = $c{$who}->ask("GET $target", \%h);
            my $any = ($h{'If-None-Match'} // '') eq '*'
                && (told($who, $target))[0] == 200;
            my $bad = !$r ? 'no answer' : $any && $r->{status} == 304 ? undef
                : wrong($r, $who, $target, \%tags);
            push @all, "$who $target: $bad" if $bad;
            $count{ $r ? $r->{status} : 0 }++;
            last if @all > 10;
        }
        return @all, map { "count $_ $count{$_}" } keys %count;
    });
}

# Each writer has an application of its own, which others read all the time.
sub stale {
    my ($port, $token, $n) = @_;
    return children($CLIENTS, sub {
        my ($i) = @_;
        my $c = ArgoEdge::Client->new(port => $port, token => $token->{admin});
        my $other = ArgoEdge::Client->new(port => $port,
            token => $token->{admin});
        my (@all, $reads);
        for my $v (1 .. $n / $CLIENTS) {
            my $path = "/api/v1/applications/aw$i";
            my $w = $c->ask("PUT $path/spec", {
                'Content-Type' => 'application/json' }, qq({"v":$v}));
            push @all, 'no write: ' . ($w ? $w->{status} : 0)
                if !$w || $w->{status} != 200;
            for my $by ($c, $other) {
                my $r = $by->ask("GET $path");
                my ($got) = ($r ? $r->{body} : '') =~ /"v":"(\d+)"/;
                push @all, "wrote $v, read " . ($got // 'nothing')
                    if !defined $got || $got < $v;
                $reads++;
            }
            # what others write
            $other->ask('GET /api/v1/applications/aw' . (1 + int rand 4))
                for 1 .. 2;
            last if @all > 10;
        }
        return @all, "count reads $reads";
    });
}

# ---- both servers -----------------------------------------------------------

sub total {
    my %n;
    /^count (\S+) (\d+)/ and $n{$1} += $2 for @_;
    return \%n;
}

# Alice and nobody have one role; whatever is shared, is shared by them.
sub by_rights {
    my ($kind, $w, $up, $s) = @_;
    my $token = $w->{token};
    my $was = $may{nobody};
    $w->in->put('argocd-rbac-cm/policy.csv', $ArgoEdge::Scenario::POLICY
        . "g, nobody, role:readonly\n");
    $may{nobody} = $may{alice};
    $as{nobody} = 'alice';
    $up->stop; # it has to know, too
    $up = upstream($w->{dir}, map { $token->{$_} => $_ } keys %$token);
    $s = $s->($up->port, 'cache_share rights');
    my @lines = leaks($s->port, $token, $requests / 2);
    is join("\n", grep { !/^count / } @lines), '',
        "$kind: equal rights are told the same, others are not";
    my %c = map { $_ => ArgoEdge::Client->new(port => $s->port,
        token => $token->{$_}) } qw(alice nobody);
    my $ask = 'GET /api/v1/applications?projects=teama';
    $c{nobody}->ask("GET /api/v1/clusters");
    ok until_true(sub { # within the second that it lives
        $c{alice}->ask($ask, { 'Cache-Control' => 'no-cache' });
        $up->forget;
        $c{nobody}->ask($ask);
        $up->hits == 0;
    }), 'from one answer';
    $s->stop;
    $up->stop;
    is $s->trouble, '', 'no worker broke';
    $may{nobody} = $was;
    %as = ();
    return;
}

for my $kind (kinds()) {
    my $w = ArgoEdge::Scenario::world($kind);
    my %token = %{ $w->{token} };
    my $dir = tempdir('ae-diff-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $up = upstream($dir, map { $token{$_} => $_ } keys %token);
    my $server = sub {
        my ($port, @more) = @_;
        return ArgoEdge::Server->new(kind => $kind, inputs => $w->in->dir,
            upstream => $port, cache => 1, workers => 2, children => 16,
            log_level => 'notice', directives => join ' ',
            map { "argo_edge_$_;" } @more,
            'ttl applications=1s objects=1s settings=1s', 'lease 1h',
            'quarantine 0', 'lists off', 'stale while-revalidate=1s')->start;
    };
    my $s = $server->($up->port);
    my @lines = leaks($s->port, \%token, $requests);
    my $n = total(@lines);
    is join("\n", grep { !/^count / } @lines), '',
        "$kind: nobody got what is not theirs";
    cmp_ok $n->{200} // 0, '>', $requests / 3, "of $n->{200} answers";
    cmp_ok $n->{304} // 0, '>', $requests / 100, "and $n->{304} unchanged";
    cmp_ok $n->{403} // 0, '>', $requests / 50, "and $n->{403} refusals";
    cmp_ok $up->hits, '<', $requests * 0.8, 'many from the cache';
    $up->forget;
    @lines = stale($s->port, \%token, $writes);
    $n = total(@lines);
    is join("\n", grep { !/^count / } @lines), '',
        "$kind: everybody reads what they wrote";
    cmp_ok $n->{reads}, '>=', $writes, "$n->{reads} times";
    $s->stop;
    is $s->trouble, '', 'no worker broke';
    by_rights($kind, $w, $up, $server);
    $w->up->stop;
}
plan skip_all => 'no server with a module is built' if !kinds();
done_testing;
