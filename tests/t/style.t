#!/usr/bin/perl
# The rules of the house: what may not be called, who includes whom, what a
# folder may touch (by nm), and how long things may get.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(build files run slurp top);
use Test::More;

my $top = top();
my @c = files(qr{\.[ch]$}, qw(lib cli demo ngx_module httpd_module
    tests/runner tests/bench tests/fuzz tests/unit));

# One test a rule; the findings go into its diagnostics.
sub none {
    my ($what, @bad) = @_;
    ok(!@bad, $what) or diag(join "\n", @bad > 40 ? @bad[0 .. 39] : @bad);
    return;
}

# Code without comments and strings, line by line.
sub code {
    my ($file) = @_;
    my $t = slurp("$top/$file");
    $t =~ s{(/\*.*?\*/)|//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'}
           { my $x = defined $1 ? $1 : '""'; $x =~ tr/\n//cd
                 if defined $1; $x }gsex;
    return split /\n/, $t, -1;
}

my %code = map { $_ => [ code($_) ] } @c;

sub grep_code {
    my ($re, $files) = @_;
    my @bad;
    for my $f (@$files) {
        my $n = 0;
        for (@{ $code{$f} }) {
            $n++;
            push @bad, "$f:$n: $1" if /$re/;
        }
    }
    return @bad;
}

my @lib = grep { m{^lib/} } @c;

# ---- calls ------------------------------------------------------------------

my $roomless = qr{\b((?:v?sprintf|strcpy|strcat|stpcpy|gets|strtok|mktemp
    |tmpnam|tempnam|alloca)\s*\()}x;
none('no function that cannot be told how much room there is',
    grep_code($roomless, \@c));
none('nothing that reads numbers without saying what was wrong, and no shell',
    grep_code(qr{\b((?:strncpy|strncat|strtok_r|scanf|sscanf|fscanf
        |atoi|atol|atoll|atof|system|popen)\s*\()}x,
        [ grep { !m{^tests/} } @c ]));
none('the library knows no environment, locale, terminal or clock of its own',
    grep_code(qr{(?<![\w.>])((?:getenv|secure_getenv|setenv|putenv|setlocale
        |newlocale|localtime|localtime_r|mktime|strftime|printf|puts|putchar
        |perror|exit|abort|_exit|fork|execv|execve|vfork|rand|srand|random
        |signal|sigaction)\s*\()}x, \@lib));
none('it sleeps nowhere but in the bounded waits for the store\'s writer lock '
    . 'and, at the start, the zone\'s',
    grep_code(qr{\b((?:sleep|usleep|nanosleep|poll|select)\s*\()}x,
        [ grep { !m{^lib/(?:cache/store_lmdb|limit/zone_file\.c)} } @lib ]));
none('the library has no thread-local data',
    grep_code(qr{\b(_Thread_local|__thread|thread_local)\b}, \@lib));

# ---- text -------------------------------------------------------------------

my @text = grep { !m{^tests/vectors/|^tests/t/style\.t$} }
    (@c, files(qr{\.(?:def|map|t|pm|pl|sh|md|conf|in|yaml|mk)$|/config$},
        qw(lib cli demo ngx_module httpd_module policies docs tests)),
     grep { -f "$top/$_" } qw(configure Makefile README.md CONTRIBUTING.md
        SECURITY.md CHANGELOG.md));
my (@left, @path, @wide, @tab, @tail);
for my $f (@text) {
    my $n = 0;
    for (split /\n/, slurp("$top/$f"), -1) {
        $n++;
        push @left, "$f:$n: $1" if /\b(TODO|FIXME|XXX|HACK)\b/
            && !/XXXXXX/;
        push @path, "$f:$n: $1" if m{(/work/\w+|/home/\w+/)};
        push @tail, "$f:$n" if /[ \t]+$/ && $f =~ /\.[ch]$/;
        next unless $f =~ /\.[ch]$/;
        push @tab, "$f:$n" if /\t/;
        my $w = $_;
        utf8::decode($w);
        push @wide, "$f:$n: " . length($w) . ' columns' if length($w) > 80;
    }
}
none('nothing is left to do', @left);
none('no path of the machine it was written on', @path);
none('no tabs in C', @tab);
none('no blanks at the end of a line of C', @tail);
none('no line of C over 80 columns', @wide);

# ---- length -----------------------------------------------------------------

my (@long, @big);
for my $f (@c) {
    my $lines = @{ $code{$f} } - 1;
    push @big, "$f: $lines lines" if $lines > 800;
    my ($start, $n) = (0, 0);
    for (@{ $code{$f} }) {
        $n++;
        if (/^\{/ || /^(?!struct|enum|union|typedef|static const|#)\w.*\)\s*\{$/) {
            $start = $n;
        } elsif (/^\}/ && $start) {
            push @long, "$f:$start: " . ($n - $start) . ' lines'
                if $n - $start > 90;
            $start = 0;
        }
    }
}
none('no function over 90 lines', @long);
none('no file over 800 lines', @big);

my %lines;
for my $f (@c) {
    my ($d) = $f =~ m{^([^/]+)/};
    $lines{$d} += @{ $code{$f} };
}
cmp_ok(($lines{ngx_module} || 0) + ($lines{httpd_module} || 0), '<=',
    $lines{lib} / 4, 'the modules stay under a quarter of the library');

# ---- who includes whom --------------------------------------------------------

my @inc;
for my $f (@c) {
    my $raw = slurp("$top/$f");
    my ($n, $own) = (0);
    ($own) = $f =~ m{^lib/(\w+)/};
    for (split /\n/, $raw) {
        $n++;
        next unless /^\s*#\s*include\s+"([^"]+)"/;
        my $h = $1;
        if (defined $own && $own ne 'edge') {
            next if $h =~ m{^(?:base|$own)/} || $h eq 'argo_edge.h';
            next if $h !~ m{/} && -f "$top/lib/$own/$h";
            push @inc, "$f:$n: $h (only base and $own)";
            push @inc, "$f:$n: base stands on nothing" if $own eq 'base';
        } elsif ($f =~ m{^(?:ngx|httpd)_module/}) {
            next if $h eq 'argo_edge.h' || $h eq 'config/config.h'
                || $h eq 'config/directives.def'
                || $h !~ m{/};
            push @inc, "$f:$n: $h (only argo_edge.h and config/config.h)";
        }
    }
}
none('folders include base and themselves, shells the public header', @inc);

# ---- what the objects touch -----------------------------------------------------

my $b = build();
my (%undef, @data);
SKIP: {
    my @o = map { s{\.c$}{.o}r } grep { /\.c$/ } @lib;
    skip 'not built', 1 unless -d "$b/obj/lib";
    my @bad = grep { !-f "$b/obj/$_" } @o;
    none('every source of the library is built', @bad);
    for my $o (grep { -f "$b/obj/$_" } @o) {
        my ($rc, $out) = run('nm', '-u', "$b/obj/$o");
        $undef{$o}{$1} = 1 while $out =~ /^\s+[Uw]\s+(\w+)/mg;
        ($rc, $out) = run('objdump', '-t', "$b/obj/$o");
        while ($out =~ /^\S+ .{7} (\.(?:data|bss|tdata|tbss)(?:\.(?!rel\.ro)
            \S*)?)\t0*([0-9a-f]+)\s+(\S+)$/xmg) {
            push @data, "$o: $3 in $1" if $2 ne '' && $3 !~ /^\.(?:data|bss)/;
        }
    }
}

sub touches {
    my ($re, $but) = @_;
    my @bad;
    for my $o (sort keys %undef) {
        next if defined $but && $o =~ $but;
        push @bad, map { "$o: $_" } grep { /^(?:$re)$/ }
            sort keys %{ $undef{$o} };
    }
    return @bad;
}

none('nothing in the library can be written to but what callers own', @data);
none('only config reads files, only the LMDB store and the zone open their own',
    touches(qr/open|openat|fopen|fdopen|opendir|fdopendir|readdir|stat|lstat
        |fstatat|open64|openat64|fopen64|stat64|mkdir|unlink|unlinkat|rename
        |linkat|readlink/x,
        qr{^lib/(?:config/|cache/store_lmdb|limit/zone_file\.o)}));
none('only the LMDB store knows LMDB',
    touches(qr/mdb_\w+/, qr{^lib/(?:cache/store_lmdb|mirror/)}));
none('the library opens no sockets and starts no programs',
    touches(qr/socket|socketpair|connect|bind|listen|accept4?|getaddrinfo
        |gethostbyname|send|sendto|sendmsg|recv|recvfrom|recvmsg|fork|execv\w*
        |system|popen|dlopen|pthread_create/x));
none('nor does it ask the environment or the locale',
    touches(qr/getenv|secure_getenv|setlocale|newlocale|localtime\w*|strftime/));

SKIP: {
    skip 'no shared library', 1 unless -e "$b/libargoedge.so";
    my $map = slurp("$top/lib/argo_edge.map");
    my ($rc, $out) = run('nm', '-D', '--defined-only', "$b/libargoedge.so");
    none('the shared library shows what its map names and no more',
        grep { !/^ARGO_EDGE_\d+$/ && $map !~ /\b\Q$_\E;/ }
        map { s/@.*//r } $out =~ /^\S+ \w (\S+)$/mg);
    my %shown = map { $_ => 1 } map { s/@.*//r } $out =~ /^\S+ \w (\S+)$/mg;
    my $public = join ' ', @{ $code{'lib/argo_edge.h'} };
    none('and everything that argo_edge.h declares',
        grep { !$shown{$_} } $public =~ /\b(ae_\w+)\s*\([^()]*(?:\([^()]*\)
            [^()]*)*\)\s*;/xg);
}
done_testing();
