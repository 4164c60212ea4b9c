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
