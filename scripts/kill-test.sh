#!/usr/bin/env bash
# Proves that no tap is lost and none counted twice: 10,000 taps while the service is killed with SIGKILL at random
# moments, some during its start, the server refuses, stalls, answers rubbish, hangs up before the answer and is gone for
# a while, something on the way to it answers in its place, another program holds the lock of the ledger, and the disk
# fills up. Then 400 more under a siege that must be got over without a new start. About twenty minutes; prints a table of
# figures, and returns 1 if a single tap is not where it should be.
#
#   scripts/kill-test.sh [--taps N] [--kills N] [--pcscd N] [--seed N] [--rate N] [--binary FILE] [--keep FOLDER]
#                        [--weights FAULT=N,...]
#   scripts/kill-test.sh --proxy [the same options]
#   scripts/kill-test.sh --prove-red [--seed N]
#
# 10,000 taps, 550 kills, 200 of the taps through the real pcscd and virtual cards, if nothing is said. The seed is
# printed; with the same one the same taps, kills and faults are planned again. FILE: $FACETAP_BINARY, or the development
# build of this tree, if nothing is said. FOLDER gets what the service and the server have written.
#
# --proxy: every request goes through a proxy that answers one in three itself: pages with status 400, 403, 404, 409, 410,
# 429 and 502, somebody else's JSON, captive portals, redirects; to the end, 60 kills, none of the taps through pcscd.
#
# --prove-red: a build that does not keep the order of a card's taps must turn the test red; status 1 if it does not.

set -euo pipefail
# shellcheck source=scripts/lib/rust.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/rust.sh"

prove_red=no
binary=${FACETAP_BINARY:-}
arguments=()
while [[ $# -gt 0 ]]; do
    case $1 in
        --prove-red) prove_red=yes && shift ;;
        --proxy) arguments=(--proxy --kills 60 --pcscd 0 "${arguments[@]}") && shift ;;
        --binary) binary=$(realpath "$2") && shift 2 ;;
        --taps | --kills | --pcscd | --seed | --rate | --keep | --weights) arguments+=("$1" "$2") && shift 2 ;;
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
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tools=$FACETAP_TOP/tests/tools

kill_test() { # BINARY ARGUMENT...
    "$tools/synchronised.sh" python3 "$tools/kill_test.py" --binary "$@"
}

if [[ $prove_red == yes ]]; then
    find_rust
    # Its own folder: the ordinary build must not notice.
    CARGO_TARGET_DIR=$target/unordered cargo build --locked --features unordered-delivery
    status=0
    said=$target/unordered/kill-test.log
    # The first try is red almost surely: some hundred cards have two taps waiting when the server is back.
    kill_test "$target/unordered/debug/facetap" --taps 2000 --kills 60 --pcscd 0 "${arguments[@]}" | tee "$said" ||
        status=$?
    # For this very reason.
    if [[ $status -ne 1 ]] || ! grep -qE '^FAULTS: order +[1-9]' "$said"; then
        die "NOT PROVED: the test did not turn red without the order of each card's taps (status $status)"
    fi
    say "proved: without the order of each card's taps the test is red"
    exit 0
fi

if [[ -z $binary ]]; then
    find_rust
    cargo build --locked
    binary=$target/debug/facetap
fi
install_packages python3 pcscd vsmartcard-vpcd
kill_test "$binary" "${arguments[@]}"
