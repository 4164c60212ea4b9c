#!/usr/bin/perl
# T7: only Argo CD's own answer to the decided target says that a token is
# alive.  What the server says by itself does not, nor does an answer to
# another target.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Scenario;
use Test::More;

my $A1 = 'GET /api/v1/applications/a1';

# A new login of alice, whose entries are there, but whose token nobody has
# accepted yet.
my $logins = 0;

sub login {
    my ($w) = @_;
    my $name = 'login' . ++$logins;
    $w->{token}{$name} = jwt(undef, { iss => 'argocd', sub => 'alice:login',
        iat => time - 60, nbf => time - 60, jti => $name,
        exp => int(time) + 36000 });
    return $name;
}

sub asleep {
    my ($say, $line, $status) = @_;
    return { id => 'T7', say => $say, run => sub {
        my ($w) = @_;
        my ($first, $other, $new) = map { login($w) } 1 .. 3;
        $w->ask($first => $A1);
        is $w->outcome($first => $A1), 'HIT', 'stored';
        $w->ask($other => 'GET /api/v1/projects');
        is $w->outcome($other => $A1), 'HIT', 'for each token of alice';
        is +($w->ask($new => $line))[0]{status}, $status, $line;
        is $w->outcome($new => $A1), 'PASS', 'Argo CD is asked';
        is $w->outcome($new => $A1), 'HIT', 'and has accepted it';
    } };
}

scenarios({ server => sub {
        my ($port) = @_;
        return (
            conf => { locations => <<"NGINX" },
        location = /api/v1/clusters/denied {
            argo_edge on;
            deny all;
            error_page 403 /nothing;
            proxy_pass http://127.0.0.1:$port;
        }
        location = /nothing {
            argo_edge on;
            default_type application/json;
            return 403 '{}';
        }
        location = /api/v1/clusters/other {
            argo_edge on;
            rewrite ^ /api/version break;
            proxy_pass http://127.0.0.1:$port;
        }
NGINX
            httpd => { locations => <<"HTTPD" });
<Location "/api/v1/clusters/denied">
Require all denied
ErrorDocument 403 '{}'
</Location>
ProxyPass /api/v1/clusters/other http://127.0.0.1:$port/api/version
HTTPD
    } },
    asleep('a refusal of the server', 'GET /api/v1/clusters/denied', 403),
    asleep('an answer to another target', 'GET /api/v1/clusters/other',
        200),
);
done_testing;
