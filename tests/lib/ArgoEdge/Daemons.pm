package ArgoEdge::Daemons;
# What runs beside the servers in a test: a real Redis and the edges' agents.
# Each writes a log, and none outlives the test.

use strict;
use warnings;

use ArgoEdge::Build qw(build);
use Exporter qw(import);
use File::Temp qw(tempdir);

our @EXPORT_OK = qw(redis_server);

my @all;

END {
    local $?;
    $_->_end_all for @all;
}

# Where redis-server is, if it is.
sub redis_server {
    return (grep { -x } map { "$_/redis-server" } split(/:/, $ENV{PATH}),
        '/usr/bin', '/usr/local/bin')[0];
}

sub new {
    my ($class) = @_;
    my $self = bless { pid => {}, zones => [],
        dir => tempdir('ae-daemons-XXXXXX', TMPDIR => 1, CLEANUP => 1) },
        $class;
    chmod 0755, $self->{dir};
    push @all, $self;
    return $self;
}

sub _end_all {
    my ($self) = @_;
    my @pids = values %{ $self->{pid} };
    kill 'TERM', $_ for @pids;
    waitpid $_, 0 for @pids;
    unlink @{ $self->{zones} } if @{ $self->{zones} };
    return;
}

sub dir { return $_[0]{dir} }
sub pid { return $_[0]{pid}{ $_[1] } }

# The name of a zone that goes with the test.
sub zone {
    my ($self, $name) = @_;
    push @{ $self->{zones} }, "/dev/shm/argo-edge.$name";
    return "$name:1m";
}

sub spawn {
    my ($self, $name, @cmd) = @_;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        open STDERR, '>>', "$self->{dir}/$name.log";
        open STDOUT, '>&', \*STDERR;
        exec @cmd or do { require POSIX; POSIX::_exit(127) };
    }
    return $self->{pid}{$name} = $pid;
}

# Its exit status, once it has had |signal| (TERM).
sub ended {
    my ($self, $name, $signal) = @_;
    my $p = delete $self->{pid}{$name} or return;
    kill $signal // 'TERM', $p;
    waitpid $p, 0;
    return $?;
}

sub log_of {
    my ($self, $name) = @_;
    open my $fh, '<', "$self->{dir}/$name.log" or return '';
    local $/;
    return <$fh> // '';
}

# A Redis whose password is "secret" and that keeps nothing on disk.
sub redis {
    my ($self, @where) = @_;
    return $self->spawn(redis => redis_server(), @where, '--save', '',
        '--appendonly', 'no', '--dir', $self->{dir}, '--requirepass',
        'secret');
}

# The agent of world |w| (its {name} and {zone}), as the user of the servers;
# |option| takes the file with Redis' password.
sub agent {
    my ($self, $w, $option, @args) = @_;
    my $uid = (stat '/dev/shm/argo-edge.' . $w->{zone} =~ s/:.*//r)[4];
    my $file = "$self->{dir}/$w->{name}.password";
    open my $fh, '>', $file or die $!;
    print $fh "secret\n";
    close $fh;
    chmod 0600, $file;
    chown $uid, -1, $file if $> == 0;
    return $self->spawn($w->{name}, ($> == 0 && $uid
        ? ('setpriv', "--reuid=$uid", '--clear-groups') : ()),
        build() . '/argo-edge', 'agent', '--zone', $w->{zone}, @args, $option,
        $file);
}

1;
