#!/usr/bin/perl
# lint and token verify where SSO is configured.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Inputs;
use ArgoEdge::Provider;
use ArgoEdge::Scenario;
use JSON::PP;
use Test::More;

my $idp = ArgoEdge::Provider->new->start;
my $in = ArgoEdge::Inputs->new(accounts => { ci => 'apiKey' },
    policy => '', cm => { 'oidc.config' => $idp->config });

sub lint { return (edge_cli('lint', '--inputs', $in->dir))[1] }

sub verdict {
    my ($rc, $out) = edge_cli('token', 'verify', $_[0], '--inputs', $in->dir);
    return $out;
}

like lint(), qr/subject ci has the rights of that local account.*\[sso\]/,
    'a name that collides';
like verdict($idp->token({ sub => 'bob' })),
    qr/^unknown: the key set lacks its key/m, 'no keys, no verdict';
$in->put('oidc/jwks.json', $idp->jwks);
like verdict($idp->token({ sub => 'bob' })), qr/^accepted: oidc token of bob/m,
    'with keys';
like verdict($idp->token({ aud => 'x' })),
    qr/^refused: failed to verify the token/m, 'another audience';
like verdict($idp->token({ exp => 1 })), qr/^unknown: the token is expired/m,
    'expired';
$in->put('oidc/jwks.json', '{"keys":[null]}');
like lint(), qr/jwks\.json: warning: the key set cannot be used: .*\[sso\]/,
    'a key set that is none';
$in->put('argocd-cm/oidc.config', $idp->config =~ s/argo-client/\$o:k/r);
like lint(), qr/refers to \$o:k, which is not among the inputs/,
    'a reference that leads nowhere';
$in->put('o/k', 'argo-client');
unlike lint(), qr/refers to/, 'and one that leads to a Secret beside';
$in->put('oidc/jwks.json', $idp->jwks);
like verdict($idp->token({ sub => 'bob' })), qr/^accepted/m, 'is followed';

# what lint says of accounts, names and groups: only what is certain
sub found { my ($id, $inputs) = @_;
    my ($rc, $out) = edge_cli('lint', '--json', '--inputs',
        ($inputs // $in)->dir);
    return [ map { $_->{text} } grep { $_->{id} eq $id } @{ decode_json($out) } ];
}
my $names = "p, role:dev, applications, get, a/*, allow\ng, bob, role:dev\n"
    . "g, ci, role:dev\ng, org:devs, role:dev\ng, devs, role:dev\n"
    . "p, devs, logs, get, a/*, allow\n";
my $sso = ArgoEdge::Inputs->new(accounts => { ci => 'apiKey' },
    policy => $names, cm => { 'oidc.config' => $idp->config });
my $plain = ArgoEdge::Inputs->new(accounts => { ci => 'apiKey' },
    policy => "$names# end\ng, x, devs\n");
my $blind = ArgoEdge::Inputs->new(policy => $names);
unlink $blind->dir . "/argocd-cm/$_" for qw(url);
rmdir $blind->dir . '/argocd-cm';
for my $id (qw(unknown-account group-without-sso group-not-in-scopes
    groups-not-requested)) {
    is_deeply found($id, $sso), [], "$id: anybody may be meant with SSO";
    is_deeply found($id, $blind), [], "$id: nor without argocd-cm";
}
is_deeply [map { /^"([^"]+)"/ } @{ found('unknown-account', $plain) }],
    ['bob', 'x'], 'without SSO unknown names; no account, no role (devs)';
like found('group-without-sso', $plain)->[0], qr/^"org:devs" looks/,
    'and a group';
$plain->put('appprojects/p.json', encode_json({ kind => 'AppProject',
    apiVersion => 'argoproj.io/v1alpha1', metadata => { name => 'p' },
    spec => { roles => [{ name => 'r', groups => ['team'] }] },
    status => { jwtTokensByRole => { r => { items => [{ iat => 5, id => 'a' },
        { iat => 6, id => 'b', exp => 7 }] } } } }));
like found('group-without-sso', $plain)->[1], qr/^"team"/,
    'a group of a project';
like found('token-without-expiry', $plain)->[0], qr/^1 token of account ci /,
    'an API key without an end';
like found('token-without-expiry', $plain)->[1],
    qr/^1 token of role r in project p /, 'and a project token';
$plain->put('argocd-secret/accounts.ci.tokens',
    '[{"id":"x","iat":5,"exp":9}]');
is scalar @{ found('token-without-expiry', $plain) }, 1, 'one that ends';
$plain->put('argocd-secret/server.secretkey', 'short');
is scalar @{ found('short-secret', $plain) }, 1, 'a short secret';
$plain->put('argo-edge.yaml', "tokens:\n- name: t\n  accounts: [ci, cj, 'c*']"
    . "\n  max_age: 1d\n");
like found('unknown-account', $plain)->[-1], qr/rule "t" names the account cj,/,
    'a rule for nobody';
$sso->put('argocd-rbac-cm/scopes', '[email]');
like found('group-not-in-scopes', $sso)->[0], qr/"org:devs" never matches/,
    'scopes without groups';
$sso->put('argocd-rbac-cm/scopes', '[email, teams]');
is_deeply found('group-not-in-scopes', $sso), [], 'unless another may hold them';
$sso->put('argocd-rbac-cm/scopes', '[groups]');
$sso->put('argocd-cm/oidc.config', $idp->config("requestedScopes: [openid]\n"));
is scalar @{ found('groups-not-requested', $sso) }, 1, 'groups are not asked for';
$sso->put('argocd-cm/oidc.config', $idp->config("requestedScopes: [openid]\n"
    . "requestedIDTokenClaims: {groups: {essential: true}}\n"));
is_deeply found('groups-not-requested', $sso), [], 'asked for as a claim';

# each check, a line; the refused one has a remedy
sub check { my ($out, $name) = @_;
    return $out =~ /^  \Q$name\E +(ok|refused|unknown|not checked|not reached)(?: +(.*))?$/m
        ? ($1, $2 // '') : ('missing', $out) }

my $out = verdict($idp->token({ sub => 'bob', groups => ['eng', 'ops'] }));
is +(check($out, $_))[0], 'ok', "good: $_" for qw(credential segments header
    algorithm issuer audience key signature expiry subject form groups);
like +(check($out, 'groups'))[1], qr/^eng, ops$/, 'the groups that result';
is +(check($out, 'revocation'))[0], 'not checked', 'what is not known here';
for my $c ([audience => { aud => 'x' }, qr/"x", not one of argo-client: .*allowedAudiences/],
    [issuer => { iss => 'https://x' }, qr{^https://x, not http}],
    [subject => { sub => 'role:admin' }, qr/^role:admin: a rule of/],
    [claims => { sub => 5 }, qr/sub: it must be a text/]) {
    my ($name, $claims, $re) = @$c;
    $out = verdict($idp->token($claims));
    my ($got, $seen) = check($out, $name);
    is $got, 'refused', "$name: refused";
    like $seen, $re, 'with value and remedy';
    like $out, qr/^refused: /m, 'and so is the token';
}
$out = verdict($idp->token({}, kid => 'zz'));
is +(check($out, 'key'))[0], 'unknown', 'a key that the set lacks';
like +(check($out, 'key'))[1], qr/^kid zz; the key set has a: /, 'which it has';
is +(check($out, 'signature'))[0], 'not reached', 'then no signature';
$out = verdict($idp->token({}) =~ s/\.[^.]*$/.AAAA/r);
is +(check($out, 'signature'))[0], 'refused', 'a signature of nobody';
my $esc = $idp->token({ sub => "b\e[31mob" });
unlike verdict($esc), qr/\e/, 'nothing of a token steers the terminal';

$in->put('argo-edge.yaml', "tokens:\n- name: young\n  groups: [eng]\n"
    . "  max_age: 1m\n");
my ($rc, $old) = edge_cli('token', 'verify', $idp->token({ sub => 'bob',
    groups => ['eng'], iat => 1 }), '--inputs', $in->dir);
is $rc, 1, 'a condition of our own';
like +(check($old, 'condition'))[1], qr/^rule "young" .*past its max_age/, 'says so';

# inspect: the same without keys; with inputs what they say, too
($rc, $out) = edge_cli('token', 'inspect', $idp->token({ aud => 'x' }),
    '--inputs', $in->dir);
is $rc, 0, 'inspect';
is +(check($out, 'signature'))[0], 'not checked', 'no signature';
is +(check($out, 'audience'))[0], 'refused', 'but the audience';
($rc, $out) = edge_cli('token', 'inspect', $idp->token({ exp => 1 }));
like +(check($out, 'expiry'))[1], qr/1970-01-01T00:00:01Z/, 'times without inputs';
unlike $out, qr/^accepted/m, 'never accepted';
my ($j) = map { JSON::PP::decode_json($_) } (edge_cli('token', 'verify',
    $idp->token({ sub => 'bob', groups => ['x'] }), '--json', '--inputs',
    $in->dir))[1];
is $j->{verdict}, 'accepted', 'as JSON';
is_deeply [map { "$_->{check}=$_->{result}" } grep { $_->{check} eq 'signature' }
    @{ $j->{checks} }], ['signature=ok'], 'with the checks';
done_testing;
