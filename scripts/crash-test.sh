#!/usr/bin/env bash
# Lets the service crash and hang in every way, and looks whether a trace is left, whether it is back in time (5 s after
# a crash, 40 s after a hang), and whether a tap is lost: memory faults in Rust and in a C++ thread, a stack overflow, an
# abort, panics and hangs of each loop, SIGSTOP and SIGKILL from outside, panics until the process gives up, and the
# limit of memory. Under tests/tools/supervisor.py, which speaks sd_notify as systemd does for this unit. Prints a table
# of figures, and returns 1 at any failure.
#
#   scripts/crash-test.sh [--trials N] [--short] [--only KIND,...] [--side-by-side N] [--binary FILE] [--keep FOLDER]
#                         [--seed N] [--verbose]
#   scripts/crash-test.sh --restarts [N] [--binary FILE]
#   scripts/crash-test.sh --prove-red [--binary FILE]
#
# 25 trials of each kind, eight services side by side, if nothing is said: about 25 minutes on two cores. --short: each
# kind that is cheap once, two minutes. KIND: as in the table ("segv", "hang camera"). FILE: $FACETAP_BINARY, or the
# development build of this tree, if nothing is said. FOLDER gets what the services have written.
#
# --restarts: planned restarts in place, without a supervisor; 50 in four minutes. Nothing may grow, no tap be lost, and
# no picture be missing for longer than three seconds.
#
# --prove-red: supervisors that do not start the service again, or only after ten seconds, or whose watchdog takes a
# minute, must each turn the test red; status 1 if one does not.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

prove_red=no restarts=
binary=${FACETAP_BINARY:-}
arguments=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --prove-red) prove_red=yes && shift ;;
        --restarts)
            restarts=50 && shift
            if [[ ${1:-} =~ ^[0-9]+$ ]]; then restarts=$1 && shift; fi
            ;;
        --binary) binary=$(realpath "$2") && shift 2 ;;
        --short | --verbose) arguments+=("$1") && shift ;;
        --trials | --only | --side-by-side | --keep | --seed) arguments+=("$1" "$2") && shift 2 ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            unknown_argument "$1"
            ;;
    esac
done

cd "$FACETAP_TOP"
tools=$FACETAP_TOP/tests/tools

if [[ -z $binary ]]; then
    find_rust
    cargo build --locked
    binary=$(realpath -m "${CARGO_TARGET_DIR:-target}")/debug/facetap
fi

crash_test() { # ARGUMENT...
    "$tools/synchronised.sh" python3 "$tools/crash_test.py" --binary "$binary" "$@"
}

# Red, and for this very reason.
must_be_red() { # WHAT PATTERN ARGUMENT...
    local what=$1 pattern=$2 status=0 said
    shift 2
    said=$(crash_test --trials 1 "$@") || status=$?
    printf '%s\n' "$said"
    if [[ $status -ne 1 ]] || ! grep -qE -- "$pattern" <<<"$said"; then
        die "NOT PROVED: the test did not turn red with $what (status $status)"
    fi
}

if [[ $prove_red == yes ]]; then
    must_be_red "a supervisor that does not start the service again" 'SIGKILL: .*was not started again' \
        --only segv,SIGKILL --no-restart
    must_be_red "a supervisor that waits for ten seconds" 'SIGKILL: .*back only after 1[0-9]\.' \
        --only segv,SIGKILL --restart-sec 10
    must_be_red "a supervisor whose watchdog takes a minute" 'SIGSTOP: .*back only after 6[0-9]\.' \
        --only SIGSTOP --watchdog 60
    say "proved: with a supervisor that starts late or not at all, or does not see a hang, the test is red"
    exit 0
fi
install_packages python3
if [[ -n $restarts ]]; then
    "$tools/synchronised.sh" python3 "$tools/restart_test.py" --binary "$binary" --restarts "$restarts"
    exit
fi
crash_test "${arguments[@]}"
