package ArgoEdge::Provider;

# A small OpenID provider: discovery document, key set, tokens; and whatever
# can be wrong with them.  Needs the openssl command.
#
#   my $idp = ArgoEdge::Provider->new->start;
#   $idp->issuer;  $idp->token({ sub => 'alice' }, kid => 'a');
#   $idp->serve(keys => ['b']);                # another key set
#   $idp->answer(keys => $raw);                # these very bytes
#   $idp->fetches;                             # {discovery => n, keys => n}

use strict;
use warnings;

use ArgoEdge::Upstream;
use File::Temp qw(tempdir);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);

my $JSON = JSON::PP->new->canonical;
my $WELL_KNOWN = '/.well-known/openid-configuration';

sub new {
    my ($class, %arg) = @_;
    my $self = bless { serve => ['a'], algs => ['RS256'], %arg }, $class;
    $self->{dir} = tempdir('ae-provider-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $self->{up} = ArgoEdge::Upstream->new;
    return $self;
}

sub start {
    my ($self) = @_;
    $self->{up}->start;
    $self->serve;
    return $self;
}

sub stop   { $_[0]{up}->stop }
sub port   { $_[0]{up}->port }
sub issuer { $_[0]{issuer} || 'http://127.0.0.1:' . $_[0]->port }
sub forget { $_[0]{up}->forget }

sub fetches {
    my ($self) = @_;
    return { discovery => $self->{up}->hits(qr{^GET \Q$WELL_KNOWN\E$}),
        keys => $self->{up}->hits(qr{^GET /keys$}) };
}

sub requests { $_[0]{up}->requests }

# oidc.config for it
sub config {
    my ($self, $more) = @_;
    return "name: Test\nissuer: " . $self->issuer
        . "\nclientID: argo-client\n" . ($more // '');
}

sub _openssl {
    my @cmd = ('openssl', @_);
    open my $fh, '-|', @cmd or die "openssl: $!";
    binmode $fh;
    local $/;
    my $out = <$fh> // '';
    close $fh or die "@cmd failed";
    return $out;
}

sub _key {
    my ($self, $kid) = @_;
    my $file = "$self->{dir}/$kid.pem";
    if (!-f $file) {
        system("openssl genrsa -out $file 2048 2>/dev/null") == 0
            or die 'openssl genrsa';
    }
    return $file;
}

sub jwk {
    my ($self, $kid) = @_;
    my ($n) = _openssl('rsa', '-in', $self->_key($kid), '-noout', '-modulus')
        =~ /=([0-9A-F]+)/;
    return { kty => 'RSA', use => 'sig', kid => $kid, e => 'AQAB',
        n => encode_base64url(pack 'H*', $n) };
}

sub discovery {
    my ($self) = @_;
    return $JSON->encode({ issuer => $self->issuer,
        jwks_uri => 'http://127.0.0.1:' . $self->port . '/keys',
        id_token_signing_alg_values_supported => $self->{algs} });
}

sub jwks {
    my ($self) = @_;
    return $JSON->encode({ keys => [ map { $self->jwk($_) }
        @{ $self->{serve} } ] });
}

sub serve {
    my ($self, %arg) = @_;
    $self->{serve} = $arg{keys} if $arg{keys};
    $self->{up}->answer_with(
        "GET $WELL_KNOWN" => ArgoEdge::Upstream::answer(200,
            $self->discovery),
        'GET /keys' => ArgoEdge::Upstream::answer(200, $self->jwks));
    return;
}

sub answer {
    my ($self, %raw) = @_;
    $self->{up}->answer_with(map {
        ($_ eq 'keys' ? 'GET /keys' : "GET $WELL_KNOWN") => $raw{$_}
    } keys %raw);
    return;
}

# kid: the key (and the member, unless named => undef); alg, head: as they are
sub token {
    my ($self, $claims, %arg) = @_;
    my $kid = $arg{kid} // 'a';
    my $json = JSON::PP->new->canonical;
    my %head = (alg => 'RS256', typ => 'JWT',
        kid => exists $arg{named} ? $arg{named} : $kid);
    my %all = (iss => $self->issuer, aud => 'argo-client',
        exp => time + 36000, iat => time - 60, %$claims);
    my $in = join '.', map { encode_base64url($json->encode($_)) }
        \%head, \%all;
    my $file = "$self->{dir}/input";
    open my $fh, '>', $file or die $!;
    print $fh $in;
    close $fh;
    return "$in." . encode_base64url(_openssl('dgst', '-sha256', '-sign',
        $self->_key($kid), $file));
}

1;
