#!/usr/bin/perl
# The status page, in a real browser, on both servers.  AE_SCREENSHOTS=DIR
# keeps the pictures (docs/images has such), else they go.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(run);
use ArgoEdge::Scenario;
use ArgoEdge::Sight;
use File::Temp qw(tempdir);
use JSON::PP;
use Test::More;

my $dir = $ENV{AE_SCREENSHOTS} || tempdir(CLEANUP => 1);

sub traffic {
    my ($w) = @_;
    my $id;
    for (1 .. 3) {
        $w->ask('alice', 'GET /api/v1/applications/a1');
        $w->ask('ci', 'GET /api/v1/applications/a1');
        $w->ask('nobody', 'GET /api/v1/clusters/x');
        $w->ask(undef, 'GET /api/v1/applications');
        $w->ask('alice', 'GET /api/v1//applications');
        my ($r) = $w->ask('bob', 'GET /api/v1/projects/teama');
        $id = $r->{header}{'argo-edge-decision'};
    }
    return $id;
}

# A picture that shows something: PNG of the size asked for, and not empty.
sub picture {
    my ($file, $width, $height) = @_;
    open my $f, '<:raw', $file or return ok 0, "$file: $!";
    my $png = do { local $/; <$f> };
    is substr($png, 0, 8), "\x89PNG\r\n\x1a\n", 'a PNG';
    is_deeply [unpack 'NN', substr $png, 16, 8], [$width, $height], 'whole';
    cmp_ok length $png, '>', 20_000, 'with something on it';
    return;
}

scenarios(sub { sight_setup() },
{ id => 'who', say => 'administrators see it, others do not', run => sub {
    my ($w) = @_;
    for my $c ([undef, 401], ['bob', 403], ['alice', 403], ['admin', 200]) {
        for my $q ('', '?data=1', '?can=1&user=x', '?explain=' . '0' x 32) {
            my $want = $q =~ /explain/ && $c->[1] == 200 ? 404 : $c->[1];
            my $r = $w->watch("/argo-edge/rbac/$q",
                token => defined $c->[0] ? $w->token($c->[0]) : undef);
            is $r->{status}, $want, ($c->[0] // 'nobody') . " $q";
        }
    }
    is scalar @{ $w->up->requests }, 0, 'Argo CD hears nothing of it';
    my $r = $w->watch('/argo-edge/rbac/', header =>
        [Cookie => 'argocd.token=' . $w->token('admin')]);
    is $r->{status}, 200, 'the cookie of the UI will do';
    like $r->{header}{'content-security-policy'}, qr/default-src 'none'/,
        'a strict policy';
} },
{ id => 'data', say => 'what the page asks for', run => sub {
    my ($w) = @_;
    my $id = traffic($w);
    my $d = decode_json($w->watch('/argo-edge/?data=1')->{body});
    is $d->{shared} ? 1 : 0, 1, 'numbers of all workers';
    ok !$d->{policy}{stale}, 'fresh';
    my ($bob) = grep { $_->{subject} eq 'bob' } @{ $d->{top} };
    is $bob->{n}, 3, 'refusals that are alike are counted';
    cmp_ok scalar @{ $d->{recent} }, '>=', 18, 'live decisions';
    my $e = decode_json($w->watch("/argo-edge/?explain=$id")->{body});
    is $e->{event}{subject}, 'bob', 'a decision by the id of the refusal';
    is $e->{explain}{verdict}, 'deny', 'explained';
    $e = decode_json($w->watch('/argo-edge/?can=1&user=alice&action=get'
        . '&resource=applications&object=teama%2Fa1')->{body});
    is $e->{explain}{verdict}, 'allow', 'can-i';
    my $all = encode_json($d);
    for my $t (values %{ $w->{token} }) {
        ok index($all, (split /\./, $t)[2]) < 0, 'T20: no token';
    }
} },
{ id => 'top', say => 'the same in a terminal', run => sub {
    my ($w) = @_;
    traffic($w);
    my $url = 'http://127.0.0.1:' . $w->server->port . '/argo-edge/';
    my ($rc, $out) = edge_cli('top', $url, '--once');
    is $rc, 0, 'top';
    like $out, qr/^argo-edge +configuration [0-9a-f]{16} +policy up to date$/m,
        'state';
    like $out, qr/^ +\d+ +bob +projects +get +teama +denied/m, 'top refusals';
    like $out, qr/^\d\d:\d\d:\d\d\.\d{3} +allow +alice /m, 'live decisions';
    unlike $out, qr/\e/, 'no escape sequence where there is no terminal';
    ($rc, $out) = edge_cli('top', $url, '--json');
    ok eval { decode_json($out)->{counters} }, '--json';
    ($rc, $out) = edge_cli('top', "${url}rbac/", '--once');
    is $rc, 3, 'without a token where one is needed';
    like $out, qr/is no status page \(HTTP\/1\.\d 401/, 'says so';
    my $file = "$dir/token";
    open my $f, '>', $file or die $!;
    print $f $w->token('admin'), "\n";
    close $f;
    ($rc, $out) = edge_cli('top', "${url}rbac/", '--once', '--token-file', $file);
    is $rc, 0, 'with it';
    unlink $file;
    ($rc, $out) = edge_cli('top', 'http://127.0.0.1:1/', '--once');
    is $rc, 3, 'nobody there';
    ($rc, $out) = edge_cli('top', 'https://x/', '--once');
    is $rc, 2, 'no URL of ours';
    my $n = () = $w->server->access_log =~ /\n/g;
    $w->{asked} = $n - ($w->{logged} // 0);
} },
{ id => 'browser', say => 'the page in Chromium', run => sub {
    my ($w) = @_;
    my $id = traffic($w);
    my $url = 'http://127.0.0.1:' . $w->server->port . '/argo-edge/';
    my $dom = chromium("$url#explain=$id");
    like $dom, qr/policy up to date/, 'the state of the policy';
    like $dom, qr{<td>bob</td><td>projects, get, teama</td><td>denied</td>},
        'top refusals';
    like $dom, qr{class="allow">allow</td>}, 'live decisions';
    like $dom, qr{role:readonly, projects, get}, 'the near miss, explained';
    unlike $dom, qr/>no data/, 'and no error';
    chromium("$url#explain=$id", "$dir/status-$w->{kind}.png", '1280,1250');
    picture("$dir/status-$w->{kind}.png", 1280, 1250);
    # the browser's own requests have their log lines, too
    my $n = () = $w->server->access_log =~ /\n/g;
    $w->{asked} = $n - ($w->{logged} // 0);
} },
{ id => 'hostile', say => 'what clients send stays text', run => sub {
    my ($w) = @_;
    my $bad = '%3Cimg%20src=x%20onerror=document.title=1%3E';
    $w->ask('bob', "GET /api/v1/projects/$bad");
    my $url = 'http://127.0.0.1:' . $w->server->port . '/argo-edge/';
    my $dom = chromium($url);
    like $dom, qr/&lt;img src=x/, 'shown as text';
    unlike $dom, qr/<img/, 'and is no element';
    like $dom, qr{<title>argo-edge</title>}, 'no script of theirs ran';
    my $n = () = $w->server->access_log =~ /\n/g;
    $w->{asked} = $n - ($w->{logged} // 0);
} },
);
done_testing();
