#!/usr/bin/perl
# Bad input: a clear message that names the place and the remedy, the last
# good state stays, and the server goes on (F5, F18, R32, R33, T14, T16).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use File::Path qw(make_path remove_tree);
use Test::More;
use Time::HiRes qw(time);

my $CLUSTERS = 'GET /api/v1/clusters';
my $A1 = 'GET /api/v1/applications/a1?project=teama';
my $POLICY = $ArgoEdge::Scenario::POLICY;
my $MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
    . "  name: argocd-rbac-cm\ndata:\n";

# One key of the policy as something that is no file.
sub instead {
    my ($in, $make) = @_;
    my $path = $in->dir . '/argocd-rbac-cm/policy.csv';
    unlink $path;
    $make->($path);
}

sub manifest {
    my ($in, $text) = @_;
    remove_tree($in->dir . '/argocd-rbac-cm');
    open my $fh, '>', $in->dir . '/argocd-rbac-cm.yaml' or die $!;
    print $fh $text;
    close $fh;
}

# name, what is done, the message; the fourth: what mends it again
my @bad = (
    [ 'a line with too few fields', sub { $_[0]->put(
        'argocd-rbac-cm/policy.csv', "${POLICY}p, bob, applications, get\n")
      }, qr{/argocd-rbac-cm/policy\.csv:3:1: .*invalid RBAC policy} ],
    [ 'an open quote', sub { $_[0]->put('argocd-rbac-cm/policy.csv',
        "g, alice, role:readonly\np, \"bob, applications, get, *, allow\n")
      }, qr{/policy\.csv:2:37: .*extraneous or missing \\*" in quoted} ],
    [ 'YAML that ends too early', sub { $_[0]->put('appprojects/bad.yaml',
        "kind: AppProject\nmetadata:\n  name: [x\n") },
      qr{/appprojects/bad\.yaml:4:1: invalid YAML: .*check indentation} ],
    [ 'a wrong type in YAML', sub { $_[0]->put('appprojects/bad.yaml',
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata:\n"
        . "  name: bad\nspec:\n  roles: none\n") },
      qr{/appprojects/bad\.yaml:6:10: .*spec\.roles must be a list} ],
    [ 'half a JSON document', sub { $_[0]->put('appprojects/bad.json',
        '{"kind":') }, qr{/appprojects/bad\.json:1:8: invalid JSON} ],
    [ 'scopes that are no list', sub { $_[0]->put('argocd-rbac-cm/scopes',
        '[groups') }, qr{/argocd-rbac-cm/scopes:\d+:\d+: invalid YAML} ],
    [ 'a directory', sub { instead($_[0], sub { mkdir $_[0] }) },
      qr{/policy\.csv: is a directory; a regular file is expected} ],
    [ 'a FIFO', sub { instead($_[0], sub { require POSIX;
        POSIX::mkfifo($_[0], 0600);
        chmod 0666, $_[0] }) },
      qr{/policy\.csv: is a FIFO; a regular file is expected} ],
    [ 'a link to nothing', sub { instead($_[0],
        sub { symlink 'nothing', $_[0] }) },
      qr{/policy\.csv: cannot read: it does not exist} ],
    [ 'directory and manifest of one object', sub {
        open my $fh, '>', $_[0]->dir . '/argocd-rbac-cm.yaml' or die $!;
        print $fh "${MANIFEST}  policy.csv: ''\n" },
      qr{/argocd-rbac-cm\.yaml: .*/argocd-rbac-cm is there as well; remove} ],
    [ 'a secret that all may read', sub { chmod 0644,
        $_[0]->dir . '/argocd-secret/server.secretkey' },
      qr{/server\.secretkey: is readable by everybody .*0440} ],
    [ 'a secret that all may write', sub { chmod 0666,
        $_[0]->dir . '/argocd-secret/server.secretkey' },
      qr{/server\.secretkey: is writable by everybody .*go-w} ],
    [ 'no such directory', sub { rename $_[0]->dir, $_[0]->dir . '.away' },
      qr{: the directory of inputs does not exist; mount } ],
);

sub mend {
    my ($in) = @_;
    my $d = $in->dir;
    rename "$d.away", $d if -d "$d.away";
    chmod 0600, "$d/argocd-secret/server.secretkey";
    unlink "$d/appprojects/bad.yaml", "$d/appprojects/bad.json",
        "$d/argocd-rbac-cm/scopes", "$d/argocd-rbac-cm.yaml";
    rmdir "$d/argocd-rbac-cm/policy.csv"
        or unlink "$d/argocd-rbac-cm/policy.csv";
    $in->put('argocd-rbac-cm/policy.csv', $_[1] // $POLICY);
}

my @half = (
    [ 'a manifest written by half', "$MANIFEST  policy.csv: \"g, alice",
      qr{/argocd-rbac-cm\.yaml:6:\d+: invalid YAML: .*end of stream} ],
    [ 'a key that is no text', "$MANIFEST  policy.csv: [a]\n",
      qr{/argocd-rbac-cm\.yaml:6:15: the value of a key must be text} ],
);

# What only makes the edge more careful is a warning.
my @warned = (
    [ 'no argocd-secret', sub { remove_tree($_[0]->dir . '/argocd-secret') },
      qr{no argocd-secret among the inputs: .*forwarded uncached} ],
    [ 'a match mode that is none', sub { $_[0]->put(
        'argocd-rbac-cm/policy.matchMode', 'fuzzy') },
      qr{/policy\.matchMode:1: is neither glob nor regex} ],
    [ 'a token list that is none', sub { $_[0]->put(
        'argocd-secret/accounts.bob.tokens', '[{"id":') },
      qr{/accounts\.bob\.tokens:1: is not a JSON list} ],
    [ 'an account that may fly', sub { $_[0]->put(
        'argocd-cm/accounts.bob', 'fly') },
      qr{/accounts\.bob:1: names the capability 'fly'} ],
);

sub nothing_written {
    my ($s) = @_;
    opendir my $d, $s->dir . '/cache' or die $!;
    is_deeply [ grep { !/^\./ } readdir $d ], [], 'nothing was written';
}

sub error_since {
    my ($w, $from, $re) = @_;
    return until_true(sub { substr($w->server->error_log, $from) =~ $re });
}

# The policy that is in force, seen from outside.
sub reads {
    my ($w, $who) = @_;
    return ($w->ask($who => $A1))[0]{status} != 403;
}

for my $kind (kinds()) {
    my $w = ArgoEdge::Scenario::world($kind);
    subtest "$kind: at start" => sub {
        for my $b (@bad) {
            my ($name, $do, $re) = @$b;
            $do->($w->in);
            my ($rc, $out) = $w->server->test_conf;
            isnt $rc, 0, "$name: the configuration test fails";
            like $out, $re, "$name: and says where and what";
            nothing_written($w->server);
            mend($w->in);
        }
        for my $b (@warned) {
            my ($name, $do, $re) = @$b;
            my $other = ArgoEdge::Scenario::world($kind);
            $do->($other->in);
            my ($rc, $out) = $other->server->test_conf;
            is $rc, 0, "$name: no reason to stop";
            like $out, $re, "$name: but one for a warning";
            $other->up->stop;
        }
        my ($rc, $out) = $w->server->test_conf;
        is $rc, 0, 'mended' or diag $out;
    };

    $w->server->start;
    subtest "$kind: while it runs" => sub {
        my $open = !1;
        for my $b (@bad) {
            my ($name, $do, $re) = @$b;
            # a list goes with the policy that filtered it
            $w->ask(alice => $CLUSTERS);
            my $from = length $w->server->error_log;
            $do->($w->in);
            ok error_since($w, $from, qr/\[(?:argo_edge:)?error\].*$re/),
                "$name: an error that says where and what"
                or diag substr $w->server->error_log, $from;
            ok reads($w, 'alice'), "$name: the last good policy stays";
            is reads($w, 'nobody'), $open, "$name: for everybody";
            is $w->outcome(alice => $CLUSTERS), 'HIT', "$name: so does the "
                . 'cache';
            my $n = () = substr($w->server->error_log, $from) =~ /$re/g;
            is $n, 1, "$name: said once";
            # mended with another policy, which shows that it is read
            $open = !$open;
            mend($w->in, $POLICY
                . ($open ? "g, nobody, role:readonly\n" : ''));
            ok until_true(sub { reads($w, 'nobody') eq $open }),
                "$name: recovers";
        }
    };

    subtest "$kind: a policy that becomes empty" => sub {
        my $from = length $w->server->error_log;
        mend($w->in);
        ok until_true(sub { !reads($w, 'nobody') }), 'as it was';
        $w->in->put('argocd-rbac-cm/policy.csv', '');
        ok error_since($w, $from, qr/policy\.csv has become empty; keeping/),
            'F18: held for one more poll';
        ok until_true(sub { !reads($w, 'alice') }), 'then taken at its word';
        mend($w->in);
        ok until_true(sub { reads($w, 'alice') }), 'and back';
    };

    subtest "$kind: manifests" => sub {
        my $good = "$MANIFEST  policy.csv: |\n"
            . $POLICY =~ s/^/    /mgr;
        my $file = $w->in->dir . '/argocd-rbac-cm.yaml';
        my $from = length $w->server->error_log;
        manifest($w->in, $good =~ s/teamb/teama/r);
        ok until_true(sub { reads($w, 'bob') }), 'a manifest instead';
        for my $b (@half) {
            my ($name, $text, $re) = @$b;
            $from = length $w->server->error_log;
            manifest($w->in, $text);
            ok error_since($w, $from, $re), "$name: named";
            ok reads($w, 'bob'), "$name: the last good one stays";
        }
        manifest($w->in, $good);
        ok until_true(sub { !reads($w, 'bob') }), 'whole again';
        make_path($w->in->dir . '/argocd-rbac-cm');
        mend($w->in);
    };

    subtest "$kind: the ..data switch of Kubernetes" => sub {
        my $d = $w->in->dir . '/argocd-rbac-cm';
        remove_tree($d);
        make_path("$d/..one", "$d/..two");
        my %text = (one => $POLICY,
            two => "${POLICY}g, nobody, role:readonly\n");
        for my $k (keys %text) {
            for ([ 'policy.csv', $text{$k} ], [ 'policy.default', '' ]) {
                open my $fh, '>', "$d/..$k/$_->[0]" or die $!;
                print $fh $_->[1];
            }
        }
        symlink '..one', "$d/..data";
        symlink "..data/$_", "$d/$_" for 'policy.csv', 'policy.default';
        ok until_true(sub { reads($w, 'alice') && !reads($w, 'nobody') }),
            'the first target';
        symlink '..two', "$d/..data_tmp";
        rename "$d/..data_tmp", "$d/..data" or die $!;
        remove_tree("$d/..one");
        ok until_true(sub { reads($w, 'nobody') }), 'the second';
    };
    $w->server->stop;
    $w->up->stop;
    is $w->server->trouble, '', "$kind: no worker broke";

    # -------------------------------------------------------- the cache

    my $off = qr/\[(?:argo_edge:)?error\].*no cache, proxy only.*/;
    for my $c (
        [ 'others may enter it', sub { chmod 0777, $_[0] },
          qr/${off}mode 0777; chmod it to 0700/ ],
        [ 'it is a file', sub { rmdir $_[0];
            open my $fh, '>', $_[0] or die $! }, qr/${off}Not a directory/ ],
        [ 'it is a link', sub { rmdir $_[0]; mkdir "$_[0].real", 0700;
            symlink "$_[0].real", $_[0] },
          qr/${off}a symbolic link is not followed/ ],
    ) {
        my ($name, $do, $re) = @$c;
        subtest "$kind: a cache directory: $name" => sub {
            my $x = ArgoEdge::Scenario::world($kind);
            $do->($x->server->dir . '/cache');
            $x->server->start;
            is $x->outcome(alice => $CLUSTERS), 'PASS', 'proxy only'
                for 1 .. 2;
            like $x->server->error_log, $re, 'a clear line';
            unlike $x->server->error_log, qr/exited on signal/, 'no crash';
            $x->server->stop;
            $x->up->stop;
        };
    }

    subtest "$kind: a cache directory that is missing" => sub {
        my $x = ArgoEdge::Scenario::world($kind);
        rmdir $x->server->dir . '/cache';
        $x->server->start;
        is $x->outcome(alice => $CLUSTERS), 'PASS', 'served';
        ok $x->server->error_log =~ $off
            || -d $x->server->dir . '/cache', 'made, or named';
        $x->server->stop;
        $x->up->stop;
        is $x->server->trouble, '', 'no worker broke';
    };

    subtest "$kind: a damaged cache" => sub {
        my $x = ArgoEdge::Scenario::world($kind);
        $x->server->start;
        $x->ask(alice => $CLUSTERS);
        is $x->outcome(alice => $CLUSTERS), 'HIT', 'stored';
        $x->server->stop;
        for my $how ('junk', 'cut', 'empty') {
            for my $f (grep { -f } glob $x->server->dir . '/cache/*') {
                open my $fh, '+<', $f or die "$f: $!";
                print $fh 'junk' x 4096 if $how eq 'junk';
                truncate $fh, $how eq 'cut' ? 5000 : 0 if $how ne 'junk';
            }
            $x->server->start;
            is $x->outcome(alice => $CLUSTERS), 'PASS',
                "$how: emptied, not believed";
            ok until_true(sub { $x->outcome(alice => $CLUSTERS) eq 'HIT' }),
                "$how: and used again";
            $x->server->stop;
        }
        $x->up->stop;
        is $x->server->trouble, '', 'no worker broke';
    };

    subtest "$kind: a full disk" => sub {
        plan skip_all => 'needs root' if $> != 0;
        my $x = ArgoEdge::Scenario::world($kind);
        my $d = $x->server->dir . '/cache';
        my $rc = system "mount -t tmpfs -o size=1m,mode=700 none $d"
            . ' 2>/dev/null';
        plan skip_all => 'cannot mount a tmpfs' if $rc;
        my $big = '{"items":["' . 'x' x 200_000 . '"]}';
        my @t = map { "GET /api/v1/applications?projects=p$_" } 1 .. 12;
        $x->says(map { ($_ => json_answer($big)) } @t);
        my $ok = eval {
            $x->server->start;
            for my $t (@t) {
                my ($r) = $x->ask(alice => $t);
                $r->{status} == 200 && $r->{body} eq $big
                    or die "$t: $r->{status}\n";
            }
            1;
        };
        ok $ok, 'every request is served' or diag $@;
        like $x->server->access_log, qr/ cache=(?:error|full) /,
            'what does not fit is not stored';
        is +($x->ask(alice => $CLUSTERS))[0]{status}, 200, 'life goes on';
        $x->server->stop;
        system "umount $d";
        $x->up->stop;
        is $x->server->trouble, '', 'no worker broke';
    };
}
done_testing;
