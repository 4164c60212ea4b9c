#!/usr/bin/perl
# Abuse of query and body binding: cases Q01 to Q08.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;

my $LIST = 'GET /api/v1/applications';
my $A1 = "$LIST/a1";

scenarios({},
    { id => 'Q01', say => 'a single-valued field twice', as => 'bob',
      line => "$LIST/b1?project=teamb&project=teama", want => '400 OWN' },
    { id => 'Q02', say => 'a bracket name', as => 'bob',
      line => "$LIST?appNamespace[x]=y", want => '400 OWN' },
    { id => 'Q03', say => 'a bracket name of a repeated field',
      as => 'alice', line => "$LIST?project[teama]=teamb",
      want => '400 OWN' },
    { id => 'Q03', say => 'an empty name, which overrules the path',
      as => 'bob', line => "$LIST/b1?=a1", want => '400 OWN' },
    { id => 'Q04', say => 'a GET that writes', as => 'alice', times => 2,
      line => "$A1?refresh=hard", want => 'PASS NOSTORE' },
    { id => 'Q04', say => 'makes what it refreshed be asked again',
      prime => [[ alice => $A1 ]], run => sub {
          my ($w) = @_;
          is $w->outcome(alice => $A1), 'HIT', 'stored';
          is $w->outcome(alice => "$A1?refresh=hard"), 'PASS', 'refreshed';
          is $w->outcome(alice => $A1), 'PASS', 'asked again';
      } },
    { id => 'Q05', say => 'fields= has its own key', run => sub {
        my ($w) = @_;
        my $f = "$LIST?fields=items.metadata.name";
        my $short = '{"items":[{"metadata":{"name":"a1"}}]}';
        $w->says($f => json_answer($short));
        is(($w->ask(alice => $f))[0]{body}, $short, 'the reduced body');
        my ($r, $saw) = $w->ask(alice => $LIST);
        is @$saw, 1, 'the whole list is another question';
        like $r->{body}, qr/"spec"/, 'and another body';
        is(($w->ask(alice => $f))[0]{body}, $short, 'each keeps its own');
        like +($w->ask(alice => $LIST))[0]{body}, qr/"spec"/, 'indeed';
        is $w->entries, 2, 'two entries';
    } },
    { id => 'Q06', say => 'a semicolon', as => 'alice',
      line => "$LIST?a;b=c", want => '400 OWN' },
    { id => 'Q06', say => 'a broken escape', as => 'alice',
      line => "$LIST?x=%zz", want => '400 OWN' },
    { id => 'Q06', say => '2,000 parameters', as => 'alice',
      line => "$LIST?" . join('&', map { "p$_=$_" } 1 .. 2000),
      want => '400 OWN' },
    { id => 'Q06', say => 'a query of 64 KiB', as => 'alice',
      line => "$LIST?projects=" . 'x' x 65536, want => '414 HOST' },
    { id => 'Q07', say => 'unknown parameters fill nothing',
      prime => [[ alice => $LIST ], [ alice => $A1 ]], run => sub {
          my ($w) = @_;
          my $before = $w->entries;
          my $n = 300;
          my $auth = 'Authorization: Bearer ' . $w->token('alice');
          my $all = join '', map { "$LIST?utm=$_ HTTP/1.1\r\nHost: x\r\n"
              . "$auth\r\n" . ($_ == $n ? "Connection: close\r\n" : '')
              . "\r\n" } 1 .. $n;
          $w->says(map { ("$LIST?utm=$_" => json_answer('{}')) } 1 .. $n);
          my ($r, $saw) = $w->bytes($all, lines => $n);
          is @$saw, $n, 'all are forwarded';
          is $saw->[6]{target}, '/api/v1/applications?utm=7', 'as received';
          is $w->entries, $before, 'none is stored';
          is $w->outcome(alice => $_), 'HIT', "still there: $_"
              for $LIST, $A1;
      } },
    # The body names nothing that is decided: it goes on unread.
    (map { { id => 'Q08', say => "one name in two cases, $_", as => $_,
        line => 'POST /api/v1/applications/b1/sync',
        header => [ 'Content-Type' => 'application/json' ],
        body => '{"name":"b1","NAME":"a1"}', want => 'PASS NOSTORE',
        log => qr/ decision=(?:deny|unknown|allow) /,
        also => sub { is $_[2][0]{body}, '{"name":"b1","NAME":"a1"}',
            'the body as it came' } } } qw(bob admin)),
    { id => 'Q08', say => 'in a body that is read', as => 'bob',
      line => 'PUT /api/v1/account/password', want => '400 OWN',
      header => [ 'Content-Type' => 'application/json' ],
      body => '{"name":"bob","NAME":"admin","newPassword":"x"}' },
);

done_testing;
