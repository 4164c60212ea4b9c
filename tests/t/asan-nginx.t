#!/usr/bin/perl
# The module inside a real nginx, under AddressSanitizer and UBSan: every
# recorded exchange, and the scenario tests again.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use ArgoEdge::Build qw(top);
use ArgoEdge::Sanitized;

sanitized('nginx', 'nginx/ngx_http_argo_edge_module.so',
    sort grep { !/httpd/ } glob(top() . '/tests/t/[0-9]*.t'));
