#!/usr/bin/perl
# lint and token verify where SSO is configured.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Inputs;
use ArgoEdge::Provider;
use ArgoEdge::Scenario;
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
    qr/^unknown: the key set lacks its key/, 'no keys, no verdict';
$in->put('oidc/jwks.json', $idp->jwks);
like verdict($idp->token({ sub => 'bob' })), qr/^accepted: oidc token of bob/,
    'with keys';
like verdict($idp->token({ aud => 'x' })),
    qr/^refused: failed to verify the token/, 'another audience';
like verdict($idp->token({ exp => 1 })), qr/^unknown: the token is expired/,
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
like verdict($idp->token({ sub => 'bob' })), qr/^accepted/, 'is followed';
done_testing;
