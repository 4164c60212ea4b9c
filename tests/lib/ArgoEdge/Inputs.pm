package ArgoEdge::Inputs;

# Argo CD's inputs for a test, in the mounted layout, and tokens for them.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

our $KEY = 'a-key-for-tests-0123456789abcdefghijkl';

# accounts => { alice => 'apiKey, login' }, policy => "...", default => "",
# projects => [names], cm => {key => value}
sub new {
    my ($class, %arg) = @_;
    my $self = bless { accounts => {}, policy => '', default => '',
        projects => ['default'], cm => {}, %arg }, $class;
    $self->{dir} = tempdir('ae-inputs-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    for my $name (keys %{ $self->{accounts} }) {
        $self->put("argocd-cm/accounts.$name", $self->{accounts}{$name});
        $self->put("argocd-secret/accounts.$name.tokens",
            qq([{"id":"$name-1","iat":1767225600}]));
    }
    $self->put("argocd-cm/$_", $self->{cm}{$_}) for keys %{ $self->{cm} };
    $self->put('argocd-cm/url', 'https://argocd.example.com');
    $self->put('argocd-rbac-cm/policy.csv', $self->{policy});
    $self->put('argocd-rbac-cm/policy.default', $self->{default});
    $self->put('argocd-secret/server.secretkey', $KEY);
    $self->put("appprojects/$_.json", encode_json({
        apiVersion => 'argoproj.io/v1alpha1', kind => 'AppProject',
        metadata => { name => $_, namespace => 'argocd' },
        spec => { sourceRepos => ['*'],
            destinations => [{ server => '*', namespace => '*' }] },
    })) for @{ $self->{projects} };
    return $self;
}

sub dir { $_[0]{dir} }

# Replaces a file in one step, as a mounted object changes.
sub put {
    my ($self, $file, $text) = @_;
    my $sub = $file =~ m{^(.*)/} ? $1 : '.';
    make_path("$self->{dir}/$sub", { mode => 0700 });
    my $path = "$self->{dir}/$file";
    open my $fh, '>', "$self->{dir}/.new" or die "$path: $!";
    print $fh $text;
    close $fh;
    chmod 0600, "$self->{dir}/.new";
    # a server whose children are not root has been given the directory
    my ($uid, $gid) = (stat $self->{dir})[4, 5];
    chown $uid, $gid, "$self->{dir}/$sub", "$self->{dir}/.new"
        if $> == 0 && $uid != 0;
    rename "$self->{dir}/.new", $path or die "$path: $!";
}

# An API key of |name| as argocd-server makes it.
sub token {
    my ($self, $name, %more) = @_;
    my %claims = (iss => 'argocd', sub => "$name:apiKey", iat => 1767225600,
        nbf => 1767225600, jti => "$name-1", %more);
    my $json = JSON::PP->new->canonical;
    my $head = encode_base64url('{"alg":"HS256","typ":"JWT"}')
        . '.' . encode_base64url($json->encode(\%claims));
    return $head . '.' . encode_base64url(hmac_sha256($head, $KEY));
}

1;
