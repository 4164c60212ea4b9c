#!/usr/bin/perl
# Lists from one full copy, on both servers: a tenant's own items, at the
# policy in force, and nobody else's.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;

my $LIST = 'GET /api/v1/applications';
my $HEAD = "{\"metadata\":{\"resourceVersion\":\"7\"}\n,\"items\":";

sub item {
    my ($project, $name, $sync) = @_;
    return sprintf '{"metadata":{"name":"%s","namespace":"argocd",'
        . '"labels":{"app":"%s"}},"spec":{"project":"%s"},"status":{"sync":'
        . '{"status":"%s"},"pad":"%s"}}', $name, $name, $project,
        $sync || 'Synced', 'x' x 300;
}

sub list {
    return $HEAD . 'null}' if !@_;
    return $HEAD . '[' . join("\n,", @_) . "\n]}";
}

my @a = map { item('teama', sprintf 'a%03d', $_) } 1 .. 200;
my @b = map { item('teamb', "b$_", $_ == 2 ? 'OutOfSync' : undef) } 1 .. 5;
my $full = list(@a, @b);
my $bobs = list(@b);

# admin has asked for everything, and bob has a lease; what is forwarded from
# now on gives itself away.
sub prime {
    my ($w) = @_;
    $w->says($LIST => json_answer($full));
    $w->ask(bob => "$LIST/b1?project=teamb");
    my ($r) = $w->ask(admin => $LIST);
    is $r->{body}, $full, 'everything, to admin';
    $w->says($LIST => json_answer(list()));
}

sub served {
    my ($w, $who, $line, $want, $say) = @_;
    my ($r, $saw) = $w->ask($who => $line);
    is @$saw, 0, "$say: the upstream is not asked";
    is $r->{status}, 200, 'status';
    is $r->{body}, $want, 'these very items';
    is $r->{header}{'content-type'}, 'application/json', 'as JSON';
    return $r;
}

scenarios({},
    { id => 'L01', say => 'a tenant sees his items and no others', run => sub {
        my ($w) = @_;
        prime($w);
        served($w, admin => $LIST, $full, 'admin');
        served($w, bob => $LIST, $bobs, 'bob');
        served($w, bob => "$LIST?projects=teama", list(),
            "another's project");
        served($w, bob => "$LIST?selector=app%20in%20(a001,b3)",
            list($b[2]), 'a selector');
        served($w, bob => "$LIST?name=b4&fields=items.metadata.name",
            list('{"metadata":{"name":"b4"}}'), 'fields');
        my ($r, $saw) = $w->ask(nobody => $LIST);
        is @$saw, 1, 'who has no lease goes upstream';
    } },
    { id => 'L02', say => 'a selector that is none', run => sub {
        my ($w) = @_;
        prime($w);
        my ($r, $saw) = $w->ask(bob => "$LIST?selector=%3Dbad");
        my $text = "error parsing the selector: found '=', expected: !, "
            . "identifier, or 'end of string'";
        is @$saw, 0, 'answered here';
        is $r->{status}, 500, 'status';
        is $r->{body}, qq({"error":"$text","code":2,"message":"$text"}),
            'in the words of Argo CD';
    } },
    { id => 'L03', say => 'a policy edit', run => sub {
        my ($w) = @_;
        prime($w);
        (my $less = $ArgoEdge::Scenario::POLICY)
            =~ s{teamb/\*}{teamb/b3};
        $w->in->put('argocd-rbac-cm/policy.csv', $less);
        ok until_true(sub {
            my ($r) = $w->ask(bob => $LIST);
            $r->{body} eq list($b[2]);
        }), 'what he may not see any more is gone, without a new copy';
        $w->in->put('argocd-rbac-cm/policy.csv',
            $ArgoEdge::Scenario::POLICY);
        ok until_true(sub {
            my ($r) = $w->ask(bob => $LIST);
            $r->{body} eq $bobs;
        }), 'and back';
    } },
    { id => 'L04', say => 'a write ends the copy', run => sub {
        my ($w) = @_;
        prime($w);
        served($w, bob => $LIST, $bobs, 'before');
        my ($r) = $w->ask(admin => 'DELETE /api/v1/applications/a1',
            header => [ 'Content-Type' => 'application/json' ]);
        is $r->{status}, 200, 'a write';
        my $saw;
        ($r, $saw) = $w->ask(bob => $LIST);
        is @$saw, 1, 'then the upstream is asked';
    } },
    { id => 'L05', say => 'who comes by cookie is passed on', run => sub {
        my ($w) = @_;
        prime($w);
        my ($r, $saw) = $w->ask(undef, $LIST, header => [
            Cookie => 'argocd.token=' . $w->token('bob') ]);
        is @$saw, 1, 'forwarded';
        is $r->{body}, list(), "the upstream's own answer";
    } },
    { id => 'L06', say => 'traps and writes are passed on', run => sub {
        my ($w) = @_;
        prime($w);
        for my $q (qw(refresh=hard limit=1 repoURL=x resourceVersion=1)) {
            $w->says("$LIST?$q" => json_answer(list()));
            is $w->outcome(bob => "$LIST?$q"), 'PASS', $q;
        }
    } },
    { id => 'L07', say => 'pages', run => sub {
        my ($w) = @_;
        prime($w);
        my $r = served($w, bob => "$LIST?edge.limit=2", list(@b[0, 1]),
            'the first');
        is $r->{header}{'argo-edge-list'}, 'page', 'marked';
        my $at = $r->{header}{'argo-edge-continue'};
        like $at, qr/^[\w-]+$/, 'with a cursor';
        $r = served($w, bob => "$LIST?edge.limit=9&edge.continue=$at",
            list(@b[2 .. 4]), 'the last');
        is $r->{header}{'argo-edge-continue'}, undef, 'without one';
        served($w, bob => "$LIST?edge.sync=OutOfSync&edge.search=B",
            list($b[1]), 'by state and name');
        $w->purge;
        my $line = "$LIST?edge.limit=2";
        $w->says($line => json_answer($bobs));
        my $saw;
        ($r, $saw) = $w->ask(bob => $line);
        is((split /\r\n/, $saw->[0]{raw})[0], "$line HTTP/1.1",
            'without a copy: forwarded, byte for byte');
        is $r->{body}, $bobs, 'the whole list';
        is $r->{header}{'argo-edge-list'}, 'whole', 'which says so';
    } },
    { id => 'L08', say => 'other kinds', run => sub {
        my ($w) = @_;
        my %list = (
            projects => '{"metadata":{"resourceVersion":"9"},"items":['
                . '{"metadata":{"name":"teama"},"spec":{}},'
                . '{"metadata":{"name":"teamb"},"spec":{}}]}',
            clusters => '{"metadata":{},"items":[{"server":"https://k",'
                . '"name":"k"}]}',
            repositories => '{"metadata":{},"items":[{"repo":"https://g/r",'
                . '"project":"teamb"}]}',
        );
        $w->ask(bob => "$LIST/b1?project=teamb");
        for my $kind (sort keys %list) {
            my $line = "GET /api/v1/$kind";
            $w->says($line => json_answer($list{$kind}));
            $w->ask(admin => $line);
            (my $none = $list{$kind}) =~ s/\[.*\]/null/;
            served($w, bob => $line, $none, $kind);
            served($w, admin => $line, $list{$kind}, "$kind to admin");
            $w->says($line => undef);
        }
    } },
    { id => 'L09', say => 'a validator of its own for each caller',
      run => sub {
          my ($w) = @_;
          prime($w);
          my $tag = served($w, bob => $LIST, $bobs, 'bob')->{header}{etag};
          my ($r, $saw) = $w->ask(bob => $LIST,
              header => [ 'If-None-Match' => $tag ]);
          is $r->{status}, 304, 'he has it';
          ($r, $saw) = $w->ask(admin => $LIST,
              header => [ 'If-None-Match' => $tag ]);
          is $r->{status}, 200, 'she has not';
          is @$saw, 0, 'neither was forwarded';
      } },
);

scenarios({ settings => { lists => 'off' } },
    { id => 'L10', say => 'switched off', run => sub {
        my ($w) = @_;
        prime($w);
        is $w->outcome(bob => $LIST), 'PASS', "bob's list is the upstream's";
        is $w->outcome(bob => $LIST), 'HIT', 'and then his own';
    } },
);

# A token of our own asks for what a tenant's list is made of.
sub service_token {
    my ($w) = @_;
    $w->in->put('service/token', $w->token('alice') . "\n");
    return $w->in->dir . '/service/token';
}

scenarios({ settings => { service_token_file => \&service_token } },
    { id => 'L11', say => 'a full list by the service token', run => sub {
        my ($w) = @_;
        $w->says("$LIST \@alice" => json_answer($full),
            "$LIST?projects=teamb" => json_answer('{}'));
        $w->ask(bob => "$LIST/b1?project=teamb");
        my ($r, $saw) = $w->ask(bob => "$LIST?projects=teamb");
        is scalar @$saw, 1, 'one question';
        is "$saw->[0]{method} $saw->[0]{target}", $LIST, 'for everything';
        is $saw->[0]{header}{authorization}, 'Bearer ' . $w->token('alice'),
            'as the service';
        is $saw->[0]{header}{cookie}, undef, 'and as nobody else';
        is $r->{body}, $bobs, 'and bob has what is his';
        served($w, bob => "$LIST?name=b3", list($b[2]), 'from now on');
        ($r, $saw) = $w->ask(nobody => $LIST);
        is "$saw->[0]{method} $saw->[0]{target}", $LIST,
            'who has no lease is passed on';
        is $saw->[0]{header}{authorization}, 'Bearer ' . $w->token('nobody'),
            'as himself';
    } },
    { id => 'L12', say => 'a large one', run => sub {
        my ($w) = @_;
        my $pad = 'y' x 4000;
        my @many = map { s/x{300}/$pad/r }
            map { item('teama', sprintf 'a%04d', $_) } 1 .. 3000;
        my $huge = list(@many, @b);
        $w->says("$LIST \@alice" => json_answer($huge));
        $w->ask(bob => "$LIST/b1?project=teamb");
        my ($r, $saw) = $w->ask(bob => "$LIST?projects=teamb");
        is scalar @$saw, 1, 'one question';
        is $r->{body}, $bobs, 'and bob has what is his';
        $w->ask(admin => "$LIST/b1?project=teamb");
        ($r, $saw) = $w->ask(admin => $LIST);
        is scalar @$saw, 0, 'from the copy';
        ok $r->{body} eq $huge, 'all of it, to admin';
    } },
    { id => 'L13', say => 'the service is refused', run => sub {
        my ($w) = @_;
        $w->says("$LIST \@alice" => $w->denied,
            "$LIST \@bob" => json_answer($bobs));
        $w->ask(bob => "$LIST/b1?project=teamb");
        my ($r, $saw) = $w->ask(bob => $LIST);
        is $r->{status}, 200, 'the request goes on';
        is $r->{body}, $bobs, "with the upstream's own answer";
        is $saw->[-1]{header}{authorization}, 'Bearer ' . $w->token('bob'),
            'given to bob';
    } },
);

scenarios({ settings => { lists => 'ask' } },
    { id => 'L14', say => 'in the name of who may see everything',
      run => sub {
          my ($w) = @_;
          $w->says("$LIST \@alice" => json_answer($full),
              "$LIST \@bob" => json_answer($bobs),
              "$LIST?name=a001" => json_answer(list($a[0])));
          $w->ask($_ => "$LIST/b1?project=teamb") for qw(alice bob);
          is $w->outcome(alice => "$LIST?name=a001"), 'PASS',
              'nobody lacks a copy';
          $w->purge;
          is $w->outcome(bob => $LIST), 'PASS', 'bob lacks one';
          my ($r, $saw) = $w->ask(alice => "$LIST?name=a001");
          is_deeply [ map { "$_->{method} $_->{target}" } @$saw ], [ $LIST ],
              'alice asks for everything';
          is $saw->[0]{header}{authorization}, 'Bearer ' . $w->token('alice'),
              'as herself';
          is $r->{body}, list($a[0]), 'and has what she wanted';
          served($w, bob => "$LIST?name=b1", list($b[0]), 'as has bob');
      } },
);

done_testing();
