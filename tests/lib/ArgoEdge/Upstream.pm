package ArgoEdge::Upstream;

# A scripted upstream: records the raw bytes of each request and answers from
# a table or a callback.  One process accepts, one more serves each connection,
# so that a stream and an ordinary request can be open at once.
#
#   my $up = ArgoEdge::Upstream->new(
#       answers => { 'GET /x' => ArgoEdge::Upstream::answer(200, '{}') },
#       handler => sub { my ($req, $sock) = @_; ... });
#   $up->start;  $up->port;
#   $up->hits;  $up->hits(qr{^GET /x});      # counted over what was recorded
#   $up->requests;                           # [{raw, head, body, method, …}]
#   $up->answer_with('GET /x' => $raw);      # also while running
#   $up->forget;                             # drop the recording
#
# The handler is asked first.  It returns the raw answer, or undef (the table
# is looked at), or '' (it has written to the socket itself; the connection is
# closed).

use strict;
use warnings;

use Fcntl qw(:flock);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use POSIX qw(:sys_wait_h);
use Storable qw(retrieve store);
use Time::HiRes qw(sleep);

sub new {
    my ($class, %arg) = @_;
    my $self = bless { answers => {}, %arg }, $class;
    $self->{dir} = tempdir('ae-upstream-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $self->{owner} = $$;
    return $self;
}

# One raw answer with its length.
sub answer {
    my ($status, $body, %header) = @_;
    $header{'Content-Type'} //= 'application/json';
    my $out = "HTTP/1.1 $status X\r\n";
    $out .= "$_: $header{$_}\r\n" for sort keys %header;
    return $out . 'Content-Length: ' . length($body) . "\r\n\r\n" . $body;
}

sub start {
    my ($self) = @_;
    $self->{listen} = IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', Listen => 128, ReuseAddr => 1,
        Proto => 'tcp') or die "upstream: $!";
    $self->{port} = $self->{listen}->sockport;
    $self->_write_answers;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        $SIG{CHLD} = 'IGNORE';
        $SIG{TERM} = sub { kill 'KILL', -$$; };
        setpgrp;
        $self->_accept;
        require POSIX;
        POSIX::_exit(0);
    }
    $self->{pid} = $pid;
    close $self->{listen};
    return $self;
}

sub port { $_[0]{port} }

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    # Perl keeps a signal that comes just before accept() until that returns
    until (waitpid $pid, WNOHANG) {
        kill 'TERM', $pid;
        sleep 0.02;
    }
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    $self->stop if $self->{owner} == $$;
}

sub answer_with {
    my ($self, %more) = @_;
    $self->{answers}{$_} = $more{$_} for keys %more;
    $self->_write_answers if $self->{pid};
}

sub requests {
    my ($self) = @_;
    open my $fh, '<', "$self->{dir}/requests" or return [];
    flock $fh, LOCK_SH;
    return [map { _parse(decode_base64($_)) } <$fh>];
}

sub hits {
    my ($self, $re) = @_;
    return scalar grep { !$re || "$_->{method} $_->{target}" =~ $re }
        @{ $self->requests };
}

sub last_request { $_[0]->requests->[-1] }

sub forget { unlink "$_[0]{dir}/requests" }

# ---------------------------------------------------------------------------

sub _write_answers {
    my ($self) = @_;
    store($self->{answers}, "$self->{dir}/answers.new");
    rename "$self->{dir}/answers.new", "$self->{dir}/answers" or die $!;
}

sub _accept {
    my ($self) = @_;
    while (1) {
        my $sock = $self->{listen}->accept or next;
        defined(my $pid = fork) or next;
        if (!$pid) {
            close $self->{listen};
            $SIG{TERM} = 'DEFAULT';
            $sock->autoflush(1);
            eval { $self->_serve($sock); 1 } or warn "upstream: $@";
            close $sock;
            require POSIX;
            POSIX::_exit(0);
        }
        close $sock;
    }
}

sub _serve {
    my ($self, $sock) = @_;
    my $buf = '';
    while (1) {
        my $req = _read_request($sock, \$buf) or return;
        $self->_record($req);
        my $out = $self->{handler} ? $self->{handler}->($req, $sock) : undef;
        if (!defined $out) {
            $out = retrieve("$self->{dir}/answers")
                ->{"$req->{method} $req->{target}"}
                // answer(404, '{"error":"no such script","code":5}');
        }
        return if $out eq '';
        print $sock $out or return;
        return if $req->{version} eq 'HTTP/1.0'
            || ($req->{header}{connection} // '') =~ /close/i
            || $out !~ /^content-length:/im;
    }
}

sub _record {
    my ($self, $req) = @_;
    open my $fh, '>>', "$self->{dir}/requests" or die $!;
    flock $fh, LOCK_EX;
    print $fh encode_base64($req->{raw}, ''), "\n";
    close $fh;
}

sub _more {
    my ($sock, $buf) = @_;
    IO::Select->new($sock)->can_read(30) or return 0;
    return sysread($sock, $$buf, 65536, length $$buf);
}

sub _read_request {
    my ($sock, $buf) = @_;
    my $end;
    while (($end = index $$buf, "\r\n\r\n") < 0) {
        _more($sock, $buf) or return;
    }
    $end += 4;
    my $head = substr $$buf, 0, $end;
    if ($head =~ /^transfer-encoding:\s*chunked/im) {
        my $last;
        while (($last = index $$buf, "\r\n0\r\n\r\n", $end - 2) < 0) {
            _more($sock, $buf) or return;
        }
        $end = $last + 7;
    } elsif ($head =~ /^content-length:\s*(\d+)/im) {
        my $want = $end + $1;
        while (length $$buf < $want) {
            _more($sock, $buf) or last;
        }
        $end = $want;
    }
    my $raw = substr $$buf, 0, $end, '';
    return _parse($raw);
}

sub _parse {
    my ($raw) = @_;
    my ($head, $body) = split /\r\n\r\n/, $raw, 2;
    my ($line, @fields) = split /\r\n/, $head;
    my ($method, $target, $version) = split / /, $line;
    my %header;
    for (@fields) {
        my ($k, $v) = split /:\s*/, $_, 2;
        $header{ lc $k } = exists $header{ lc $k }
            ? $header{ lc $k } . ', ' . $v : $v;
    }
    return { raw => $raw, head => $head, body => $body // '',
        method => $method, target => $target, version => $version // '',
        header => \%header };
}

1;
