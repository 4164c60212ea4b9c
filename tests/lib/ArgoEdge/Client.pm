package ArgoEdge::Client;

# One client with one connection that is kept: for tests of many requests.
#
#   my $c = ArgoEdge::Client->new(port => 8080, token => T);
#   my $r = $c->ask('GET /x', { 'Accept-Encoding' => 'gzip' }, $body);
#   $r->{status}, $r->{header}{etag}, $r->{body}, $r->{whole}
#
# ask() returns undef when the connection broke before a status came.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;

sub new {
    my ($class, %arg) = @_;
    return bless { %arg, buf => '' }, $class;
}

sub _connect {
    my ($self) = @_;
    $self->{buf} = '';
    for (1 .. 50) {
        $self->{sock} = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $self->{port}, Timeout => 5);
        last if $self->{sock};
        select undef, undef, undef, 0.05;
    }
    return $self->{sock};
}

sub _more {
    my ($self) = @_;
    IO::Select->new($self->{sock})->can_read(15) or return 0;
    return sysread $self->{sock}, $self->{buf}, 1 << 18,
        length $self->{buf};
}

sub _drop {
    my ($self) = @_;
    close delete $self->{sock} if $self->{sock};
    return;
}

sub _body {
    my ($self, $r) = @_;
    my $h = $r->{header};
    if (($h->{'transfer-encoding'} // '') =~ /chunked/i) {
        while (1) {
            my $at;
            while (($at = index $self->{buf}, "\r\n") < 0) {
                $self->_more or return 0;
            }
            my ($hex) = $self->{buf} =~ /^([0-9a-f]+)/i or return 0;
            my $n = hex $hex;
            $at += 2;
            while (length $self->{buf} < $at + $n + 2) {
                $self->_more or return 0;
            }
            $r->{body} .= substr $self->{buf}, $at, $n;
            substr $self->{buf}, 0, $at + $n + 2, '';
            return 1 if !$n;
        }
    }
    my $n = $r->{status} == 304 ? 0 : $h->{'content-length'};
    return 0 if !defined $n;
    while (length $self->{buf} < $n) {
        $self->_more or return 0;
    }
    $r->{body} = substr $self->{buf}, 0, $n, '';
    return 1;
}

sub ask {
    my ($self, $line, $header, $body) = @_;
    $self->{sock} || $self->_connect || return;
    local $SIG{PIPE} = 'IGNORE';
    my $out = "$line HTTP/1.1\r\nHost: argocd.example.com\r\n";
    $out .= "Authorization: Bearer $self->{token}\r\n" if $self->{token};
    $out .= "$_: $header->{$_}\r\n" for sort keys %{ $header || {} };
    $out .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;
    $out .= "\r\n" . ($body // '');
    if (!defined syswrite $self->{sock}, $out) {
        return $self->_drop;
    }
    my $end;
    while (($end = index $self->{buf}, "\r\n\r\n") < 0) {
        $self->_more or return $self->_drop;
    }
    my $head = substr $self->{buf}, 0, $end + 4, '';
    my ($status) = $head =~ m{^HTTP/1\.\d (\d+)} or return $self->_drop;
    my %h;
    $h{ lc $1 } = $2 while $head =~ /^([^:\s]+):[ \t]*(.*?)\r?$/mg;
    my $r = { status => $status, header => \%h, body => '' };
    $r->{whole} = $self->_body($r);
    $self->_drop if !$r->{whole}
        || ($h{connection} // '') =~ /close/i;
    return $r;
}

1;
