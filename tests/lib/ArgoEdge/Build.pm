package ArgoEdge::Build;

# Where things lie, and running programs: for all tests.  Core modules only.

use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Find qw(find);

our @EXPORT_OK = qw(top build asan_build run slurp files programs vectors);

my $top = abs_path(dirname(__FILE__) . '/../../..');

sub top { return $top }

# AE_BUILD names another build directory than build/.
sub build {
    my $b = $ENV{AE_BUILD} || 'build';
    return $b =~ m{^/} ? $b : "$top/$b";
}

sub asan_build {
    my $b = $ENV{AE_ASAN_BUILD} || 'build-asan';
    return $b =~ m{^/} ? $b : "$top/$b";
}

# Run a command from the top directory.  Returns (exit status, output); a
# signal N gives 128 + N.
sub run {
    my @cmd = @_;
    my $pid = open(my $out, '-|');
    die "fork: $!" unless defined $pid;
    if (!$pid) {
        chdir $top or die "chdir: $!";
        open(STDERR, '>&', \*STDOUT) or die "dup: $!";
        open(STDIN, '<', '/dev/null') or die "null: $!";
        exec { $cmd[0] } @cmd or do { print "exec $cmd[0]: $!\n"; exit 127 };
    }
    local $/;
    my $text = <$out>;
    close $out;
    my $rc = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    return ($rc, defined $text ? $text : '');
}

sub slurp {
    my ($path) = @_;
    open(my $f, '<:raw', $path) or die "$path: $!";
    local $/;
    return scalar <$f>;
}

# Files below the given directories whose name matches, relative to the top.
sub files {
    my ($re, @dirs) = @_;
    my @found;
    for my $d (@dirs) {
        next unless -e "$top/$d";
        find({ no_chdir => 1, wanted => sub {
            push @found, substr($_, length($top) + 1) if -f $_ && $_ =~ $re;
        } }, "$top/$d");
    }
    return sort @found;
}

# Unit tests: (source, program) pairs.
sub programs {
    my ($b) = @_;
    return map { my $n = $_; $n =~ s{^tests/unit/(.*)\.c$}{$1};
                 [ $_, "$b/unit/$n" ] }
        files(qr{/unit/[^/]+/[^/]+\.c$}, 'tests/unit');
}

# Vector files: [file, suite].
sub vectors {
    my @v;
    for my $f (files(qr{\.json$}, 'tests/vectors')) {
        next if $f =~ m{/(?:inputs|fixtures)/};
        open(my $in, '<:raw', "$top/$f") or die "$f: $!";
        my $text = '';
        read($in, $text, 4096);
        # the member may stand behind the cases
        $text .= slurp("$top/$f") unless $text =~ /"suite"\s*:/;
        push @v, [ $f, $1 ] if $text =~ /"suite"\s*:\s*"([^"]+)"/;
    }
    return @v;
}

1;
