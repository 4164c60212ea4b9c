#!/usr/bin/perl
# What operators see, on both servers: metrics.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use ArgoEdge::Sight;
use JSON::PP;
use Test::More;

my $A1 = 'GET /api/v1/applications/a1';

# The value of a metric with these labels, in the text of a scrape.
sub value {
    my ($text, $name, %label) = @_;
    for (split /\n/, $text) {
        next unless /^argo_edge_\Q$name\E(?:\{(.*)\})? (\S+)$/;
        my ($labels, $v) = ($1 // '', $2);
        return $v unless grep { $labels !~ /\b$_="\Q$label{$_}\E"/ } keys %label;
    }
    return 0;
}

sub scrape {
    my ($w, @header) = @_;
    my $r = $w->watch('/argo-edge/metrics', header => \@header);
    is $r->{status}, 200, 'metrics are there';
    return $r->{body};
}

# What is counted between two looks.
sub grown {
    my ($before, $after, @what) = @_;
    return value($after, @what) - value($before, @what);
}

scenarios(sub { sight_setup(settings => { limit => "apikey rate=1000r/s" }) },
{ id => 'metrics', say => 'in the format of Prometheus', run => sub {
    my ($w) = @_;
    my $r = $w->watch('/argo-edge/metrics');
    is $r->{status}, 200, 'answered';
    is $r->{header}{'content-type'},
        'text/plain; version=0.0.4; charset=utf-8', 'text format 0.0.4';
    promtool($r->{body});
    $r = $w->watch('/argo-edge/metrics', header => ['Accept' =>
        'application/openmetrics-text; version=1.0.0, text/plain;q=0.5']);
    like $r->{header}{'content-type'}, qr{^application/openmetrics-text; version=1\.0\.0},
        'OpenMetrics for who asks for it';
    like $r->{body}, qr/\n# EOF\n\z/, 'which has an end';
    like $r->{body}, qr/^# TYPE argo_edge_decisions counter$/m,
        'and families without _total';
    is $w->watch('/argo-edge/metrics', method => 'POST')->{status}, 405,
        'nothing can be posted';
    is $w->watch('/argo-edge/guarded')->{status}, 403,
        'the rules of the server hold for it';
} },
{ id => 'count', say => 'each decision by operation, result and token',
  run => sub {
    my ($w) = @_;
    my $before = scrape($w);
    $w->ask('alice', $A1) for 1 .. 3;
    $w->ask('nobody', 'GET /api/v1/projects/teama');
    $w->ask(undef, $A1);
    $w->ask($w->token('alice') =~ s/.{8}$/AAAAAAAA/r, $A1);
    $w->ask('alice', 'GET /api/v1//applications');
    my $after = scrape($w);
    is grown($before, $after, 'decisions_total', resource => 'applications',
        action => 'get', result => 'allow', token_kind => 'apikey'), 3, 'allowed';
    is grown($before, $after, 'decisions_total', resource => 'projects',
        result => 'deny', token_kind => 'apikey'), 1, 'denied';
    is grown($before, $after, 'decisions_total', result => 'deny',
        token_kind => 'none'), 1, 'nobody';
    is grown($before, $after, 'decisions_total', result => 'deny',
        token_kind => 'unknown'), 1, 'a token that is none';
    is grown($before, $after, 'jwt_rejected_total', reason => 'signature'), 1,
        'why';
    is grown($before, $after, 'refused_total', status => '403'), 1, 'a 403';
    is grown($before, $after, 'refused_total', status => '401'), 2, 'two 401s';
    is grown($before, $after, 'closed_list_refusals_total',
        reason => 'canonical'), 1, 'the closed list has a counter of its own';
    is grown($before, $after, 'cache_requests_total', status => 'miss'), 1,
        'one miss';
    is grown($before, $after, 'cache_requests_total', status => 'hit'), 2,
        'then hits';
    is grown($before, $after, 'decision_duration_seconds_count'), 7,
        'each took its time';
    is grown($before, $after, 'upstream_duration_seconds_count'), 1,
        'and one the upstream\'s';
    is grown($before, $after, 'ratelimit_total', class => 'apikey',
        result => 'passed'), 4, 'what the limit of their class said';
    is value($after, 'zone_shared'), 1, 'numbers of all workers';
    is value($after, 'policy_stale'), 0, 'the policy is fresh';
    cmp_ok value($after, 'policy_rules'), '>', 40, 'it has lines';
    cmp_ok value($after, 'policy_last_reload_success_timestamp_seconds'),
        '>', time - 3600, 'and is new';
    unlike $after, qr/alice|a1\b|teama/, 'no user or application in a label';
} },
{ id => 'audit', say => 'a line for each decision', run => sub {
    my ($w) = @_;
    my $n = () = $w->audit(0);
    my $trace = '0af7651916cd43dd8448eb211c80319c';
    my ($no) = $w->ask('bob', 'GET /api/v1/projects/teama?x=hidden', header => [
        'User-Agent' => "curl\t\"\xc2\x9b\xff", Cookie => 'other=secret-cookie',
        traceparent => "00-$trace-b7ad6b7169203331-01" ]);
    $w->ask('alice', $A1);
    $w->ask('alice', $A1);
    $w->ask(undef, $A1);
    $w->watch('/argo-edge/metrics');
    my @line = ($w->audit($n + 4))[$n .. $n + 3];
    my @e = map { eval { decode_json($_) } || {} } @line;
    is scalar(grep { $_->{'@timestamp'} =~ /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/ } @e),
        4, 'each is JSON with its time';
    is $no->{status}, 403, 'refused';
    like $no->{header}{'argo-edge-decision'}, qr/^[0-9a-f]{32}$/,
        'the refusal has an id';
    is $e[0]{'event.id'}, $no->{header}{'argo-edge-decision'},
        'and the log has the same';
    is $e[0]{'http.response.status_code'}, 403, 'status';
    is $e[0]{'user.id'}, 'bob', 'who';
    is_deeply $e[1]{'user.roles'}, ['role:readonly'], 'with which roles';
    ok !exists $e[0]{'user.roles'}, 'bob has none';
    is $e[0]{'url.path'}, '/api/v1/projects/teama', 'what, without the query';
    is $e[0]{'source.ip'}, '127.0.0.1', 'from where';
    is $e[0]{'trace.id'}, $trace, 'the trace';
    is $e[0]{'argo_edge.object'}, 'teama', 'the question';
    is $e[1]{'argo_edge.decision'}, 'allow', 'allowed';
    is $e[1]{'argo_edge.cache'}, 'stored', 'kept';
    is $e[2]{'argo_edge.cache'}, 'hit', 'a hit has its line, too';
    is $e[2]{'argo_edge.object'}, 'teama/a1', 'with its project';
    is $e[2]{'argo_edge.token_id_hash'}, $e[1]{'argo_edge.token_id_hash'},
        'the same token';
    isnt $e[0]{'argo_edge.token_id_hash'}, $e[1]{'argo_edge.token_id_hash'},
        'another token';
    is $e[3]{'event.reason'}, 'no token', 'nobody';
    my $all = join '', @line;
    unlike $all, qr/hidden|secret-cookie|[^\x20-\x7e]/,
        'T20: no query, no cookie, no control byte';
    for my $t (values %{ $w->{token} }) {
        ok index($all, (split /\./, $t)[1]) < 0, 'T20: no part of a token';
    }
    my ($rc, $out) = edge_cli('diff', $w->in->dir, '/dev/null', '--audit',
        $w->audit_file);
    is $rc, 1, 'diff --audit reads it';
    like $out, qr{^- alice would lose applications, get, teama/a1  \(\d+ requests}m,
        'and says who would lose what';
} },
{ id => 'rotate', say => 'the audit log is reopened', run => sub {
    my ($w) = @_;
    my $file = $w->audit_file;
    rename $file, "$file.1" or die $!;
    kill $w->{kind} eq 'nginx' ? 'USR1' : 'USR1', $w->server->pid;
    ok until_true(sub { -e $file }), 'a new file';
    # nginx's workers own it by then; httpd's new children write to it
    ok until_true(sub { $w->ask('alice', $A1); -s $file }), 'lines go there';
} },
{ id => 'stale', say => 'a policy that does not load shows', run => sub {
    my ($w) = @_;
    my $good = "g, alice, role:readonly\n";
    $w->in->put('argocd-rbac-cm/policy.csv', "p, x\n");
    ok until_true(sub { value(scrape($w), 'policy_stale') }), 'stale';
    $w->in->put('argocd-rbac-cm/policy.csv', $ArgoEdge::Scenario::POLICY);
    ok until_true(sub { !value(scrape($w), 'policy_stale') }), 'and no more';
    cmp_ok value(scrape($w), 'policy_reload_total', result => 'failure'), '>', 0,
        'counted';
} },
{ id => 'reload', say => 'counters outlive a reload', run => sub {
    my ($w) = @_;
    $w->ask('alice', $A1);
    my $before = value(scrape($w), 'requests_total');
    ok $w->server->reload, 'reloaded';
    cmp_ok value(scrape($w), 'requests_total'), '>=', $before, 'still there';
} },
);

# Several workers are one to who asks.
for my $kind (kinds()) {
    my $setup = sight_setup();
    my $w = ArgoEdge::Scenario::world($kind, %$setup, server => {
        %{ $setup->{server} }, workers => 4 });
    $w->server->start;
    my $before = scrape($w);
    $w->ask('alice', 'GET /api/v1/applications/b1') for 1 .. 20;
    is grown($before, scrape($w), 'requests_total'), 20,
        "$kind: every request of four workers is in the sum";
    $w->server->stop;
    $w->up->stop;
}
done_testing();
