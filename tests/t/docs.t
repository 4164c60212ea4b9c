#!/usr/bin/perl
# R35: what is documented is what is there, and the reverse.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build files run slurp top);
use Test::More;

my ($rc, $made) = run($^X, 'tests/tools/gen-directives');
is($rc, 0, 'directives.md can be made');
is($made, slurp(top() . '/docs/directives.md'),
    'docs/directives.md is what tests/tools/gen-directives makes');

my %directive = map { $_ => 1 } $made =~ /^## (argo_edge\w*)$/mg;
ok($directive{argo_edge_inputs}, 'there are directives');
my $text = join '', map { slurp(top() . "/$_") } 'README.md',
    files(qr/\.md$/, 'docs'), 'demo/nginx.conf.in';
my %used;
$used{$1} = 1 while $text =~ /(?<![\$\w])(argo_edge_[a-z_]+)\s/g;
delete $used{argo_edge_module};
is_deeply([grep { !$directive{$_} } sort keys %used], [],
    'the docs name no directive that is not there');

my $vars = slurp(top() . '/lib/edge/vars.c');
my %var = map { $_ => 1 } $vars =~ /\[AE_V_\w+\] = "(\w+)"/g;
my $operating = slurp(top() . '/docs/operating.md');
my %said;
$said{$1} = 1 while $operating =~ /\$argo_edge_(\w+)/g;
is_deeply([sort keys %said], [sort keys %var],
    'docs/operating.md names every variable');

# what $argo_edge_cache may say
my %word;
for my $f (qw(lib/edge/steps_cache.c lib/edge/serve.c lib/edge/store.c
    lib/edge/keep.c lib/cache/admission.c))
{
    my $c = slurp(top() . "/$f");
    $word{$1} = 1 while $c =~ /(?:return|cache_var\s=|no_cache\(t,|[?:]\s)
        \s*"([a-z][a-z -]*)"/gx;
}
my ($table) = $operating =~ /^What `\$argo_edge_cache` says:\n(.*?)^"Why/ms;
my %told;
for my $cell (map { /^\| (`[^|]*) \|/ } split /\n/, $table // '') {
    $told{$1} = 1 while $cell =~ /`([^`]+)`/g;
}
is_deeply([sort keys %told], [sort keys %word],
    'docs/operating.md names every word of $argo_edge_cache');

my ($hrc, $help) = run(build() . '/argo-edge', 'help');
my @commands = $help =~ /^  ([\w-]+) +\S/mg;
ok(@commands >= 7, 'the command line has commands');
for my $c (@commands) {
    my ($r, $out) = run(build() . '/argo-edge', 'help', $c);
    is($r, 0, "help $c");
    like($out, qr/\Ausage: argo-edge $c /, "help $c says how");
}
my $readme = slurp(top() . '/README.md');
while ($readme =~ /^\$ argo-edge ([\w-]+)/mg) {
    my $c = $1;
    ok((grep { $_ eq $c } @commands), "README: argo-edge $c is there");
}
for my $f ('README.md', files(qr/\.md$/, 'docs')) {
    my $md = slurp(top() . "/$f");
    my ($base) = $f =~ m{^(.*/)?};
    while ($md =~ /\]\(([\w.\/-]+\.md)\)/g) {
        ok(-f top() . '/' . ($base // '') . $1, "$f: $1 is there");
    }
}
done_testing();
