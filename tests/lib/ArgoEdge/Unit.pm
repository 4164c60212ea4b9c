package ArgoEdge::Unit;

# One C test program that speaks TAP is one test here.

use strict;
use warnings;
use Exporter qw(import);
use ArgoEdge::Build qw(run);
use Test::More;

our @EXPORT_OK = qw(run_unit);

sub run_unit {
    my ($source, $program) = @_;
    (my $name = $source) =~ s{^tests/unit/(.*)\.c$}{$1};
    if (!-x $program) {
        fail($name);
        diag("$program is not there; run make");
        return;
    }
    my ($rc, $out) = run($program);
    my $ok = () = $out =~ /^ok /mg;
    my $bad = () = $out =~ /^not ok /mg;
    my ($plan) = $out =~ /^1\.\.(\d+)$/m;
    my $skipped = defined $plan && $plan == 0;
    my $good = $rc == 0 && !$bad && defined $plan && $plan == $ok + $bad;
    ok($good, "$name (" . ($skipped ? 'skipped' : "$ok checks") . ')');
    return if $good;
    diag("exit status $rc");
    diag("says it made $plan checks, reports " . ($ok + $bad))
        if defined $plan && $plan != $ok + $bad;
    diag('stopped early') unless defined $plan;
    diag($_) for grep { !/^ok / } split /\n/, substr($out, -8000);
    return;
}

1;
