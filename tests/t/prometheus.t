#!/usr/bin/perl
# The alert rules and the dashboard speak of metrics that are there.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(run slurp top);
use JSON::PP;
use Test::More;

my $dir = top() . '/docs/prometheus';
my ($rc, $out) = run('promtool', 'check', 'rules', "$dir/alerts.yaml");
is($rc, 0, 'promtool check rules') or diag $out;
my $board = eval { decode_json(slurp("$dir/dashboard.json")) };
ok($board, 'the dashboard is JSON') or diag $@;
my @panel = @{ $board->{panels} || [] };
cmp_ok(scalar @panel, '>', 10, 'with panels');
my %id;
ok(!(grep { $id{ $_->{id} }++ } @panel), 'each with an id of its own');

my $src = slurp(top() . '/lib/edge/metrics.c') . slurp(top() . '/lib/edge/board.h');
my %is = map { $_ => 1 }
    (map { "${_}_total" } $src =~ /^\s+\{ "(\w+)", (?:NULL|")/mg,
        $src =~ /(?:total\(|family\(&?)o, "(\w+)", (?:"counter"|&)/g),
    $src =~ /(?:gauge\(|family\(&?)o, "(\w+)"(?!, "counter")/g,
    map { ("${_}_bucket", "${_}_sum", "${_}_count") }
        $src =~ /"(\w+_duration_seconds)"/g;
cmp_ok(scalar keys %is, '>', 30, 'metrics are found in the source');
for my $f ('alerts.yaml', 'dashboard.json') {
    my %said;
    my $text = slurp("$dir/$f");
    $said{$1} = 1 while $text =~ /\bargo_edge_(\w+)/g;
    delete @said{qw(zone cache login_limit rule)}; # not metrics
    is_deeply([grep { !$is{$_} } sort keys %said], [],
        "$f names no metric that is not there");
}
# and every family is told of to operators
my $doc = slurp(top() . '/docs/metrics.md');
is_deeply([grep { $doc !~ /`argo_edge_\Q$_\E[`{]/ } grep { !/_(?:bucket|sum|count)$/ }
    sort keys %is], [], 'docs/metrics.md names every metric');
done_testing();
