#!/usr/bin/perl
# The look-up of an application's project (argo_edge_lookup on).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;

my $TREE = 'GET /api/v1/applications/a1/resource-tree';
my $tree = json_answer('{"nodes":[]}');

sub lines { return [ map { "$_->{method} $_->{target}" } @{ $_[0] } ] }

scenarios({ settings => { lookup => 'on' } },
    { id => 'asks', say => 'once, with the credential of the caller',
      run => sub {
          my ($w) = @_;
          $w->says($TREE => $tree);
          my ($r, $saw) = $w->ask(ci => $TREE, header =>
              [ 'Grpc-Metadata-Token' => 'x', 'If-Match' => 'y' ]);
          is $r->{body}, '{"nodes":[]}', 'the answer';
          is_deeply lines($saw), [ $TREE ], 'what is not decided asks nothing';
          ($r, $saw) = $w->ask(ci => $TREE);
          is $r->{body}, '{"nodes":[]}', 'the answer';
          is_deeply lines($saw), [ 'GET /api/v1/applications/a1', $TREE ],
              'the look-up goes first';
          is $saw->[0]{header}{authorization}, 'Bearer ' . $w->token('ci'),
              'as the caller';
          is $w->outcome(ci => $TREE), 'HIT', 'then it is a hit';
          $w->purge;
          ($r, $saw) = $w->ask(ci => $TREE);
          is_deeply lines($saw), [ $TREE ], 'the project is known';
      } },
    { id => 'fails', say => 'the request goes on', run => sub {
          my ($w) = @_;
          my $get = 'GET /api/v1/applications/a1';
          my $cut = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
              . "Content-Length: 999\r\n\r\n" . app('teama', 'a1');
          $w->says($TREE => $tree);
          for my $bad ($w->denied, raw_answer(500, '{}'),
              json_answer(app('teama', 'other')), \$cut)
          {
              $w->says($get => $bad);
              my ($r, $saw) = $w->ask(admin => $TREE);
              is $r->{status}, 200, 'answered';
              is $r->{body}, '{"nodes":[]}', 'with its own answer';
              is_deeply lines($saw), [ $get, $TREE ], 'asked once';
              is $w->entries, 0, 'nothing is stored';
          }
          $w->says($get => undef);
      } },
    { id => 'moved', say => 'another project refuses nothing', run => sub {
          my ($w) = @_;
          my $b = 'GET /api/v1/applications/b1';
          $w->says("$b/resource-tree" => $tree, $b => json_answer(
              app('teama', 'b1')));
          for (1 .. 2) {
              my ($r, $saw) = $w->ask(bob => "$b/resource-tree");
              is $r->{status}, 200, 'what Argo CD says';
              is $saw->[-1]{target}, '/api/v1/applications/b1/resource-tree',
                  'is asked each time';
          }
          $w->says($b => undef);
      } },
    { id => 'none', say => 'nothing to ask', run => sub {
          my ($w) = @_;
          $w->says("$TREE?project=teama" => $tree);
          my ($r, $saw) = $w->ask(ci => "$TREE?project=teama");
          is_deeply lines($saw), [ "$TREE?project=teama" ], 'it is named';
          ($r, $saw) = $w->ask(nobody => $TREE);
          is scalar @$saw, 0, 'who may see nothing is refused';
      } },
);

done_testing;
