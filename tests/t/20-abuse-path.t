#!/usr/bin/perl
# Abuse of path, host and method: cases P01 to P16.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;

my $GOOD = 'GET /api/v1/applications';

sub line {
    my ($line, @more) = @_;
    return sub {
        my ($w) = @_;
        return join "\r\n", "$line HTTP/1.1", 'Host: good',
            'Authorization: Bearer ' . $w->token('alice'),
            'Connection: close', @more, '', '';
    };
}

my @same_list = (prime => [[ 'alice', $GOOD ]]);
my $untouched = sub {
    my ($w) = @_;
    is $w->outcome(alice => $GOOD), 'HIT', 'the clean entry is untouched';
    $w->log_lines;
};

my @grpc = (line => 'POST /application.ApplicationService/Delete',
    header => [ 'Content-Type' => 'application/grpc-web+proto' ],
    body => "\0\0\0\0\4\x0a\2a1");

scenarios({},
    { id => 'P01', say => 'an escaped slash', as => 'bob',
      line => 'GET /api/v1/applications/a1%2fresource-tree',
      want => '400 OWN' },
    { id => 'P02', say => 'a doubly escaped slash', as => 'bob',
      line => 'GET /api/v1/applications/b1%252Fresource-tree',
      want => '400 OWN' },
    { id => 'P03', say => 'dot segments', as => 'alice',
      line => 'GET /api/v1/projects/../applications', want => '400 OWN',
      also => sub { is $_[1]{header}{location}, undef, 'no redirect' } },
    { id => 'P03', say => 'escaped dot segments', as => 'alice',
      line => 'GET /api/v1/projects/%2e%2e/applications',
      want => '400 OWN' },
    { id => 'P04', say => 'dot segments with a parameter', as => 'bob',
      line => 'GET /api/v1/projects/..;/clusters', want => '400 OWN' },
    { id => 'P05', say => 'a double slash', as => 'alice', @same_list,
      raw => line('GET //api/v1/applications'), want => '400 OWN' },
    { id => 'P05', say => 'leaves the clean entry alone', @same_list,
      run => sub {
          my ($w) = @_;
          $w->bytes(line('GET //api/v1/applications')->($w));
          $w->log_lines;
          $untouched->($w);
      } },
    { id => 'P06', say => 'a trailing slash', as => 'alice', @same_list,
      line => 'GET /api/v1/applications/', want => '400 OWN' },
    # the servers themselves refuse an escaped NUL
    (map { { id => 'P07', say => "NUL and line ends: $_->[0]",
        as => 'alice', line => "GET $_->[0]", want => $_->[2] || '400',
        kind => $_->[1] } }
        [ '/api/v1/applications%00', 'nginx' ],
        [ '/api/v1/applications/a1%00b', 'nginx' ],
        [ '/api/v1/applications%00', 'httpd', '404' ],
        [ '/api/v1/applications/a1%00b', 'httpd', '404' ],
        [ '/a%0d%0aX:y' ], [ '/api/v1/applications/%0d%0aX:y' ]),
    { id => 'P08', say => 'a raw #', raw => line("$GOOD#x"),
      want => '400' },
    { id => 'P09', say => 'absolute form',
      raw => line('GET http://evil.example/api/v1/applications'),
      want => '400 OWN' },
    { id => 'P10', say => 'another case of a name', as => 'alice',
      line => 'GET /api/v1/Applications', want => '404 OWN' },
    { id => 'P10', say => 'another case of /api', as => 'alice',
      line => 'GET /API/v1/applications', want => 'PASS NOSTORE',
      log => qr/ decision=forward / },
    { id => 'P11', say => 'a form that would override the method',
      as => 'nobody', line => 'POST /api/v1/applications/a1',
      header => [ 'Content-Type' => 'application/x-www-form-urlencoded',
          'X-HTTP-Method-Override' => 'DELETE' ],
      body => 'a=b', want => '415 OWN' },
    { id => 'P12', say => 'a form, twenty times', as => 'nobody',
      line => 'POST /api/v1/applications/a1', times => 20,
      header => [ 'Content-Type' => 'application/x-www-form-urlencoded' ],
      body => 'a=b', want => '415 OWN' },
    { id => 'P13', say => 'HEAD after a cached GET', @same_list, run => sub {
        my ($w) = @_;
        $w->says('HEAD /api/v1/applications' => \(
            "HTTP/1.1 415 X\r\nContent-Type: text/plain\r\n"
            . "Content-Length: 20\r\n\r\n"));
        my $before = $w->entries;
        my ($r, $saw) = $w->ask(alice => 'HEAD /api/v1/applications');
        is $r->{status}, 415, 'the status of the upstream';
        like $saw->[0]{raw}, qr{^HEAD /api/v1/applications HTTP/1\.1\r\n},
            'which was asked';
        is $w->entries, $before, 'nothing stored';
        is $w->outcome(alice => $GOOD), 'HIT', 'GET is still there';
    } },
    (map { { id => 'P14', say => "the method $_", want => '',
        raw => line("$_ /api/v1/applications"), also => sub {
            my ($w, $r, $saw) = @_;
            like $r->{status}, qr/^40[05]$/, "refused: $r->{status}";
            is @$saw, 0, 'not forwarded';
        } } } qw(TRACE FOO get)),
    { id => 'P14', say => 'the method CONNECT', want => '',
      raw => line('CONNECT argocd.example.com:443'), also => sub {
          my ($w, $r, $saw) = @_;
          like $r->{status}, qr/^40[05]$/, "refused: $r->{status}";
          is @$saw, 0, 'not forwarded';
      } },
    { id => 'P15', say => 'the URL of a cluster', as => 'alice',
      line => 'GET /api/v1/clusters/https%3A%2F%2Fkubernetes.default.svc',
      want => 'PASS',
      log => qr{ object=https://kubernetes\.default\.svc } },
    (map { { id => 'P16', say => "grpc pass, $_", as => $_, @grpc,
        want => 'PASS NOSTORE' } } qw(nobody alice)),
);

# Neither may delete; that alice may see the application makes the refusal
# Argo CD's, whose text names the project.
scenarios({ settings => { grpc => 'decide' } },
    { id => 'P16', say => 'grpc decide, nobody', as => 'nobody', @grpc,
      want => 'OWN', also => sub {
          is $_[1]{header}{'grpc-status'}, 7, 'shaped as gRPC';
      } },
    { id => 'P16', say => 'grpc decide, alice', as => 'alice', @grpc,
      want => 'PASS NOSTORE' });
scenarios({ settings => { grpc => 'off' } },
    (map { { id => 'P16', say => "grpc off, $_", as => $_, @grpc,
        want => '415 OWN' } } qw(nobody alice)));

done_testing;
