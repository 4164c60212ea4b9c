package ArgoEdge::Server;

# A real server with the module in front of an upstream.
#
#   my $s = ArgoEdge::Server->new(kind => 'nginx', inputs => DIR,
#       upstream => PORT, conf => { main, http, server, location, locations },
#       cache => 1);
#   $s->start;  $s->port;  $s->reload;  $s->stop;
#   my $res = $s->get('/x', token => T);  # {status, header, body, raw}
#   my $raw = $s->raw($bytes);            # exact bytes, until closed or quiet
#
# conf: "main" stands outside of http; "location" joins the one location /,
# "locations" are further ones.  With http2 => 1 a second port speaks cleartext
# HTTP/2.  children => N: of prefork, which has one else, that serves one
# connection at a time.  Environment: AE_NGX_MODULE, AE_NGINX (the binary),
# AE_ASAN=1 (a sanitizer build of the module).

use strict;
use warnings;

use ArgoEdge::Build qw(build);
use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);

my $ROOT = File::Spec->rel2abs(dirname(__FILE__) . '/../../..');

my %KIND = (
    nginx => {
        module => sub {
            File::Spec->rel2abs($ENV{AE_NGX_MODULE}
                || build() . '/nginx/ngx_http_argo_edge_module.so');
        },
        conf => \&_conf_nginx,
        command => sub { ($ENV{AE_NGINX} || 'nginx', '-c', "$_[0]{dir}/conf",
            '-p', $_[0]{dir}) },
        reload => 'HUP',
        stop => 'QUIT',
    },
    httpd => {
        module => \&_module_httpd,
        conf => \&_conf_httpd,
        command => sub { ($ENV{AE_HTTPD} || 'apache2', '-f', "$_[0]{dir}/conf",
            '-DFOREGROUND') },
        reload => 'USR1',
        stop => 'TERM',
    },
);
# httpd is event's
$KIND{"httpd-$_"} = $KIND{httpd} for qw(prefork worker);

sub _module_httpd {
    return File::Spec->rel2abs($ENV{AE_HTTPD_MODULE} || build_dir()
        . '/httpd/mod_argo_edge.so');
}

sub build_dir {
    my $b = $ENV{AE_BUILD} || 'build';
    return $b =~ m{^/} ? $b : "$ROOT/$b";
}

sub new {
    my ($class, %arg) = @_;
    my $self = bless { kind => 'nginx', mode => 'on', conf => {}, workers => 1,
        cache_size => '32m', directives => '', %arg }, $class;
    $self->{how} = $KIND{ $self->{kind} } or die "no such server kind";
    $self->{dir} = tempdir("ae-$self->{kind}-XXXXXX", TMPDIR => 1,
        CLEANUP => 1);
    $self->{owner} = $$;
    $self->{port} = free_port();
    $self->{port2} = free_port() if $self->{http2};
    mkdir "$self->{dir}/$_" for qw(logs tmp cache);
    chmod 0700, "$self->{dir}/cache";
    return $self;
}

# True if the module is there to be tested.
sub available {
    my ($class, $kind) = @_;
    return -f $KIND{ $kind || 'nginx' }{module}->();
}

sub dir   { $_[0]{dir} }
# its own, or one that several servers share
sub cache_dir {
    my ($self) = @_;
    return $self->{cache} =~ m{^/} ? $self->{cache} : "$self->{dir}/cache";
}
sub port  { $_[0]{port} }
sub port2 { $_[0]{port2} }
sub pid   { $_[0]{pid} }

sub free_port {
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        or die "no free port: $!";
    return $s->sockport;
}

# ------------------------------------------------------------ configuration

sub write_conf {
    my ($self) = @_;
    open my $fh, '>', "$self->{dir}/conf" or die $!;
    print $fh $self->{how}{conf}->($self);
    close $fh;
    $self->own;
}

my @VARS = qw(decision rule reason subject token_kind operation resource
    action object project cache limit policy_id);

sub _conf_nginx {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $c = { main => '', http => '', server => '', location => '',
        locations => '', %{ $self->{conf} } };
    my $module = $self->{how}{module}->();
    my $user = $> == 0 ? 'user ' . ($self->{user} || 'root') . ';' : '';
    my $format = join ' ', map { "$_=\$argo_edge_$_" } @VARS;
    my $inputs = $self->{inputs} ? "argo_edge_inputs $self->{inputs};" : '';
    my $cache = $self->{cache}
        ? 'argo_edge_cache ' . $self->cache_dir
            . " size=$self->{cache_size};" : '';
    my $pass = $self->{upstream}
        ? "proxy_pass http://127.0.0.1:$self->{upstream};" : '';
    my $listen2 = $self->{http2}
        ? "listen 127.0.0.1:$self->{port2} http2;" : '';
    my $tmp = join "\n    ", map { "${_}_temp_path $dir/tmp/$_;" }
        qw(client_body proxy fastcgi uwsgi scgi);
    my $level = $self->{log_level} || 'info';
    return <<"CONF";
load_module $module;
$user
worker_processes $self->{workers};
daemon off;
pid $dir/pid;
error_log $dir/logs/error.log $level;
$c->{main}
events { worker_connections 1024; }
http {
    $tmp
    log_format edge '\$request_method \$request_uri \$status $format';
    access_log $dir/logs/access.log edge;
    large_client_header_buffers 4 32k;
    client_max_body_size 64m;
    map \$http_upgrade \$connection_upgrade { default upgrade; '' ''; }
    $inputs
    $cache
    $self->{directives}
    $c->{http}
    server {
        listen 127.0.0.1:$self->{port};
        $listen2
        $c->{server}
        location / {
            argo_edge $self->{mode};
            proxy_http_version 1.1;
            proxy_set_header Upgrade \$http_upgrade;
            proxy_set_header Connection \$connection_upgrade;
            $pass
            $c->{location}
        }
        $c->{locations}
    }
}
CONF
}

# The same as nginx's, in httpd's words.  conf: "http" and "server" stand
# outside, "location" inside of <Location />, "locations" after it.
sub _conf_httpd {
    my ($self) = @_;
    my $dir = $self->{dir};
    my $c = { main => '', http => '', server => '', location => '',
        locations => '', %{ $self->{httpd} || {} } };
    my $mods = $ENV{AE_HTTPD_MODULES} || '/usr/lib/apache2/modules';
    my $mpm = $self->{kind} =~ /^httpd-(.*)/ ? $1 : 'event';
    my $load = join '', map { "LoadModule ${_}_module $mods/mod_$_.so\n" }
        "mpm_$mpm", qw(authz_core authz_host proxy proxy_http headers);
    my $module = $self->{how}{module}->();
    my $user = $> == 0 ? "User www-data\nGroup www-data" : '';
    my $format = join ' ', map { "$_=%{argo_edge_$_}n" } @VARS;
    my $inputs = $self->{inputs} ? "ArgoEdgeInputs $self->{inputs}" : '';
    my $cache = $self->{cache}
        ? 'ArgoEdgeCache ' . $self->cache_dir
            . " size=$self->{cache_size}" : '';
    my $pass = $self->{upstream} ? "ProxyPass / "
        . "http://127.0.0.1:$self->{upstream}/ nocanon" : '';
    # one child with 25 threads, since leases belong to a process; a graceful
    # restart wants slots beside the old one's
    my $n = $self->{children} || 1;
    my $one = $mpm eq 'prefork'
        ? "StartServers $n\nServerLimit $n\nMaxRequestWorkers $n\n"
            . "MinSpareServers $n\nMaxSpareServers " . ($n + 1)
        : "StartServers 1\nServerLimit 8\nMaxRequestWorkers 25"
            . "\nMinSpareThreads 1\nMaxSpareThreads 25";
    my $more = _camel($self->{directives});
    # prefork's children share what they learn of tokens only by a zone
    $more .= "\nArgoEdgeZone $dir/zone:1m" if $mpm eq 'prefork'
        && "$more$c->{main}$c->{http}" !~ /ArgoEdgeZone/;
    return <<"CONF";
ServerRoot $dir
ServerName localhost
$load
LoadModule argo_edge_module $module
$user
$one
DefaultRuntimeDir $dir
PidFile $dir/pid
Mutex posixsem
ErrorLog $dir/logs/error.log
LogLevel info
LogFormat "%m %U%q %>s $format" edge
CustomLog $dir/logs/access.log edge
Listen 127.0.0.1:$self->{port}
LimitRequestFieldSize 32768
LimitRequestLine 32768
MaxKeepAliveRequests 0
AllowEncodedSlashes NoDecode
MergeSlashes Off
ProxyAddHeaders Off
ProxyPreserveHost On
$inputs
$cache
$more
$c->{main}
$c->{http}
$c->{server}
<Location "/">
ArgoEdge $self->{mode}
$c->{location}
</Location>
$c->{locations}
$pass
CONF
}

# Directives of nginx's spelling for httpd.
sub _camel {
    my ($text) = @_;
    $text =~ s/\bargo_edge((?:_[a-z]+)*)\b/'ArgoEdge'
        . join '', map { ucfirst } split m{_}, $1/ge;
    $text =~ s/\s*;\s*/\n/g;
    return $text;
}

# httpd's children are not root: what they read and write must be theirs.
sub own {
    my ($self) = @_;
    return if $> != 0 || $self->{kind} !~ /^httpd/;
    system('chown', '-R', 'www-data:www-data', $self->{dir},
        grep { defined } $self->{inputs});
    chmod 0755, $self->{dir};
}

# -------------------------------------------------------------- the process

sub _env {
    my %env = %ENV;
    if ($ENV{AE_ASAN}) {
        my $cc = $ENV{CC} || 'cc';
        chomp(my $lib = `$cc -print-file-name=libasan.so`);
        $env{LD_PRELOAD} = $lib;
        $env{ASAN_OPTIONS} = 'detect_leaks=0:abort_on_error=0:exitcode=99:'
            . 'detect_odr_violation=0';
    }
    return %env;
}

# "nginx -t": (exit status, output)
sub test_conf {
    my ($self) = @_;
    $self->write_conf;
    local %ENV = _env();
    my @cmd = ($self->{how}{command}->($self), '-t');
    my $out = `@cmd 2>&1`;
    return ($? >> 8, $out);
}

sub start {
    my ($self) = @_;
    $self->write_conf;
    defined(my $pid = fork) or die "fork: $!";
    if (!$pid) {
        %ENV = _env();
        # httpd signals its whole process group when it ends
        setpgrp if $self->{kind} =~ /^httpd/;
        open STDERR, '>', "$self->{dir}/logs/stderr";
        open STDOUT, '>&', \*STDERR;
        exec $self->{how}{command}->($self) or do {
            require POSIX;
            POSIX::_exit(127);
        };
    }
    $self->{pid} = $pid;
    my $until = time + ($ENV{AE_ASAN} ? 30 : 10);
    while (time < $until) {
        return $self if $self->_connect;
        if (waitpid($pid, 1) == $pid) {
            delete $self->{pid};
            last;
        }
        sleep 0.05;
    }
    die "$self->{kind} does not start:\n" . $self->stderr
        . $self->error_log;
}

sub connect {
    my ($self) = @_;
    my $sock = $self->_connect or die "no connection: $!";
    $sock->autoflush(1);
    return $sock;
}

sub _connect {
    my ($self, $port) = @_;
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port || $self->{port}, Timeout => 5);
}

# The processes below it that live.
sub children {
    my ($self) = @_;
    my @live;
    for my $f (glob '/proc/[0-9]*/stat') {
        open my $fh, '<', $f or next;
        my $line = <$fh> // next;
        push @live, $1 if $line =~ /^(\d+) \(.*\) [^ZX] (\d+) /
            && $2 == $self->{pid};
    }
    return @live;
}

# New configuration, same process; waits for a worker of the new one.
sub reload {
    my ($self) = @_;
    my $log = -s "$self->{dir}/logs/error.log";
    $self->write_conf;
    kill $self->{how}{reload}, $self->{pid};
    my $until = time + 10;
    while (time < $until) {
        return 1 if substr($self->error_log, $log)
            =~ /start worker process \d+|\[emerg\]|AH00489|resuming normal/;
        sleep 0.02;
    }
    return 0;
}

sub stop {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} or return;
    kill $signal || $self->{how}{stop}, $pid;
    my $until = time + 5;
    while (time < $until) {
        return $? if waitpid($pid, 1) == $pid;
        sleep 0.02;
    }
    kill 'TERM', $pid;
    waitpid $pid, 0;
    return $?;
}

sub DESTROY {
    my ($self) = @_;
    local ($?, $@);
    $self->stop('TERM') if $self->{owner} == $$ && $self->{pid};
}

# ---------------------------------------------------------------------- logs

sub _slurp {
    open my $fh, '<', $_[0] or return '';
    local $/;
    return scalar(<$fh>) // '';
}

sub error_log  { _slurp("$_[0]{dir}/logs/error.log") }
sub access_log { _slurp("$_[0]{dir}/logs/access.log") }
sub stderr     { _slurp("$_[0]{dir}/logs/stderr") }

# Lines that mean a broken process, empty if all is well.
sub trouble {
    my ($self) = @_;
    return join '', grep { /exited on signal|exited with code [1-9]|\[alert\]
        |\[emerg\]|AddressSanitizer|runtime\ error/x
        && !/open socket .* left in connection/ }
        map { "$_\n" } split /\n/, $self->error_log . $self->stderr;
}

# ------------------------------------------------------------------ requests

# Sends exact bytes; returns all that comes until the peer closes, or until
# nothing comes for |quiet| seconds.
sub raw {
    my ($self, $bytes, %opt) = @_;
    my $sock = $self->_connect($opt{port}) or return '';
    $sock->autoflush(1);
    local $SIG{PIPE} = 'IGNORE';
    print $sock $bytes;
    my ($buf, $sel) = ('', IO::Select->new($sock));
    while ($sel->can_read($opt{quiet} || 1)) {
        sysread($sock, $buf, 65536, length $buf) or last;
    }
    return $buf;
}

sub parse {
    my ($raw) = @_;
    my ($head, $body) = split /\r\n\r\n/, $raw, 2;
    return { status => 0, header => {}, body => '', raw => $raw }
        if !defined $head || $head !~ m{^HTTP/1\.\d (\d+)};
    my $status = $1;
    my %header;
    for (split /\r\n/, $head) {
        next if !/^([^:\s]+):\s*(.*)/;
        my $k = lc $1;
        $header{$k} = exists $header{$k} ? "$header{$k}, $2" : $2;
    }
    $body //= '';
    if (($header{'transfer-encoding'} // '') =~ /chunked/i) {
        my ($out, $at) = ('', 0);
        while (substr($body, $at, 20) =~ /^([0-9a-f]+)[^\r\n]*\r\n/i) {
            my $n = hex $1 or last;
            $at += $+[0];
            $out .= substr $body, $at, $n;
            $at += $n + 2;
        }
        $body = $out;
    }
    return { status => $status, header => \%header, body => $body,
        raw => $raw };
}

sub request {
    my ($self, $method, $target, %opt) = @_;
    my $out = "$method $target HTTP/1.1\r\nHost: argocd.example.com\r\n"
        . "Connection: close\r\n";
    $out .= "Authorization: Bearer $opt{token}\r\n" if $opt{token};
    $out .= "Content-Length: " . length($opt{body}) . "\r\n"
        if defined $opt{body};
    my @h = @{ $opt{header} || [] };
    while (my ($k, $v) = splice @h, 0, 2) {
        $out .= "$k: $v\r\n";
    }
    return parse($self->raw("$out\r\n" . ($opt{body} // ''),
        quiet => $opt{quiet} || 10));
}

sub get  { my $self = shift; $self->request(GET => @_) }
sub post {
    my ($self, $target, $body, %opt) = @_;
    $opt{header} ||= ['Content-Type' => 'application/json'];
    return $self->request(POST => $target, body => $body, %opt);
}

1;
